//! The secrets of connections, as programs log them in the form of NSS (SSLKEYLOGFILE): what opens recorded TLS.

use hashbrown::HashMap;

/// Connections whose secrets are kept: some 30 MB. Those of later ones are not taken in.
const MAX_SESSIONS: usize = 1 << 16;

/// Bytes of a secret at most: SHA-384's, and the master secret of TLS 1.2.
const MAX_SECRET_BYTES: usize = 48;

/// What was logged so far.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    by_random: HashMap<[u8; 32], Session>,
}

/// The secrets of one connection; empty where one is not known.
#[derive(Debug, Default, Clone)]
pub(crate) struct Session {
    /// Below TLS 1.3.
    pub(crate) master: Vec<u8>,
    /// From TLS 1.3 on: of the client's and of the server's handshake messages.
    pub(crate) handshake: [Vec<u8>; 2],
    /// … and of their data.
    pub(crate) traffic: [Vec<u8>; 2],
}

impl Secrets {
    /// Takes in lines of a log: label, client random and secret in hexadecimal digits. Others are passed over.
    pub(crate) fn learn(&mut self, log: &[u8]) {
        for line in log.split(|byte| *byte == b'\n') {
            let _ = self.line(line);
        }
    }

    fn line(&mut self, line: &[u8]) -> Option<()> {
        let mut words = line.trim_ascii().split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let (label, random, secret) = (words.next()?, unhex(words.next()?)?, unhex(words.next()?)?);
        let random = <[u8; 32]>::try_from(random).ok()?;
        if secret.len() > MAX_SECRET_BYTES || self.by_random.len() >= MAX_SESSIONS {
            return None;
        }
        let place = |session: &mut Session, secret| {
            let Session { master, handshake: [client, server], traffic: [client_data, server_data] } = session;
            *match label {
                b"CLIENT_RANDOM" => master,
                b"CLIENT_HANDSHAKE_TRAFFIC_SECRET" => client,
                b"SERVER_HANDSHAKE_TRAFFIC_SECRET" => server,
                b"CLIENT_TRAFFIC_SECRET_0" => client_data,
                b"SERVER_TRAFFIC_SECRET_0" => server_data,
                _ => return,
            } = secret;
        };
        place(self.by_random.entry(random).or_default(), secret);
        Some(())
    }

    /// The secrets of the connection with this client random.
    pub(crate) fn of(&self, random: &[u8; 32]) -> Option<&Session> {
        self.by_random.get(random)
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

    /// Proves that secrets are found by their connection's random, and that lines which are none do no harm.
    #[test]
    fn secrets_are_found_by_their_random() {
        let (random, other) = ("ab".repeat(32), "cd".repeat(32));
        let log = format!(
            "# a comment\nCLIENT_RANDOM {random} 0102\r\nSERVER_TRAFFIC_SECRET_0 {random} 03\nCLIENT_RANDOM {other}\n\
             CLIENT_RANDOM {other} 0\nCLIENT_RANDOM abc 01\nCLIENT_RANDOM {other} {}\n\u{fffd} {other} zz",
            "00".repeat(49)
        );
        let mut secrets = Secrets::default();
        secrets.learn(log.as_bytes());
        let session = secrets.of(&[0xab; 32]).unwrap();
        assert_eq!((&session.master, &session.traffic), (&vec![1, 2], &[vec![], vec![3]]));
        assert!(secrets.of(&[0xcd; 32]).is_none());
    }
}
