//! Key logs: files to which programs write the secrets of their TLS connections (`SSLKEYLOGFILE`), and how those secrets get into
//! raw logs, beside the packets that they open.
//!
//! ```text
//! CLIENT_RANDOM 0f3c… (32 bytes) 9a41… (the secret)      a line; in hexadecimal digits
//! ```
//!
//! The one fact to know: what was learnt is in the raw log (a Decryption Secrets Block), so that rows follow from the log alone,
//! whether it is read at once, after a crash or in a year.

mod file;
mod kept;

pub use file::{KeyLog, KeyLogError, Tally};
pub(crate) use kept::Kept;

/// Bytes of a line at most: the longest label, the random and the longest secret take some 200.
const MAX_LINE_BYTES: usize = 1 << 10;

/// Bytes of a secret at most: SHA-384's, and the master secret of TLS 1.2.
const MAX_SECRET_BYTES: usize = 48;

/// What a secret is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Label {
    /// All of a connection below TLS 1.3.
    Master,
    /// What the client says of the handshake, from TLS 1.3 on.
    ClientHandshake,
    /// What the server says of it.
    ServerHandshake,
    /// What the client says after it.
    ClientTraffic,
    /// What the server says after it.
    ServerTraffic,
}

/// A line that says the secret of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) label: Label,
    /// Of the client's hello: which connection.
    pub(crate) random: [u8; 32],
    pub(crate) secret: Vec<u8>,
}

impl Line {
    /// Reads a line. `None` for an empty one, a comment, and a secret that nothing is opened with; what is wrong with another one.
    pub(crate) fn parse(line: &[u8]) -> Result<Option<Line>, &'static str> {
        let mut words = line.trim_ascii().split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let label = match words.next() {
            None => return Ok(None),
            Some(word) if word.starts_with(b"#") => return Ok(None),
            Some(b"CLIENT_RANDOM") => Label::Master,
            Some(b"CLIENT_HANDSHAKE_TRAFFIC_SECRET") => Label::ClientHandshake,
            Some(b"SERVER_HANDSHAKE_TRAFFIC_SECRET") => Label::ServerHandshake,
            Some(b"CLIENT_TRAFFIC_SECRET_0") => Label::ClientTraffic,
            Some(b"SERVER_TRAFFIC_SECRET_0") => Label::ServerTraffic,
            // Secrets of early data and of exporters, and RSA's that name no connection.
            Some(b"RSA" | b"EARLY_EXPORTER_SECRET" | b"EXPORTER_SECRET" | b"CLIENT_EARLY_TRAFFIC_SECRET") => {
                return Ok(None);
            }
            Some(word) if word.starts_with(b"CLIENT_") || word.starts_with(b"SERVER_") || word.starts_with(b"ECH_") => {
                return Ok(None);
            }
            Some(_) => return Err("does not begin with the label of a secret"),
        };
        let random = words.next().and_then(unhex).and_then(|random| <[u8; 32]>::try_from(random).ok());
        let random = random.ok_or("the client random after the label is not 64 hexadecimal digits")?;
        let secret = words.next().and_then(unhex).filter(|secret| (1..=MAX_SECRET_BYTES).contains(&secret.len()));
        let secret = secret.ok_or("the secret after the client random is not 2 to 96 hexadecimal digits")?;
        Ok(Some(Line { label, random, secret }))
    }
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[hi, lo]| Some(digit(*hi)? << 4 | digit(*lo)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that each kind of line is read for what it is, and what is wrong with another one is said.
    #[test]
    fn lines_are_read_or_said_what_is_wrong_with_them() {
        let random = "ab".repeat(32);
        let label = |line: &str| Line::parse(line.as_bytes()).map(|line| line.map(|l| l.label));
        assert_eq!(
            Line::parse(format!("CLIENT_RANDOM  {random} 0102\r").as_bytes()),
            Ok(Some(Line { label: Label::Master, random: [0xab; 32], secret: vec![1, 2] }))
        );
        assert_eq!(label(&format!("SERVER_TRAFFIC_SECRET_0 {random} 03")), Ok(Some(Label::ServerTraffic)));
        for line in
            ["", "  ", "# CLIENT_RANDOM", "RSA 00 01", "CLIENT_EARLY_TRAFFIC_SECRET x y", "SERVER_TRAFFIC_SECRET_1"]
        {
            assert_eq!(label(line), Ok(None), "{line}");
        }
        for line in ["CLIENT_RANDOM", "CLIENT_RANDOM abc 01", "CLIENT_RANDOM zz 01"] {
            assert!(label(line).unwrap_err().contains("client random"), "{line}");
        }
        for secret in ["", " 0", " zz", &format!(" {}", "00".repeat(49))] {
            let said = label(&format!("CLIENT_RANDOM {random}{secret}")).unwrap_err();
            assert!(said.contains("the secret"), "{secret}");
        }
        assert!(label("\u{fffd}PNG").unwrap_err().contains("label"));
    }
}
