//! The certificate of a server, as it shows itself before 1.3.

use x509_parser::{
    certificate::X509Certificate,
    extensions::{GeneralName, ParsedExtension},
    prelude::FromDer as _,
};

use super::{bytes::Bytes, fingerprint::sha256_hex};

/// Alternative names kept. Certificates of large sites have a few hundred.
const MAX_NAMES: usize = 512;

/// Bytes of a subject or issuer kept; real ones have a few hundred.
const MAX_NAME_BYTES: usize = 4096;

/// Certificates counted in a chain; real ones have five at most.
const MAX_CHAIN: u16 = 1000;

/// A chain: what its first certificate says.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    pub(crate) len: u16,
    /// SHA-256 of the first certificate.
    pub(crate) sha256: String,
    pub(crate) subject: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) serial: Option<String>,
    pub(crate) alternative_names: Vec<String>,
    /// ns since the epoch; `None` too for a time that does not fit, after 2262.
    pub(crate) not_before_ns: Option<i64>,
    pub(crate) not_after_ns: Option<i64>,
    pub(crate) self_signed: Option<bool>,
}

impl Chain {
    /// Reads a Certificate message (RFC 5246 7.4.2). `None` for a broken list, or one without any.
    pub(super) fn parse(body: &[u8]) -> Option<Chain> {
        let mut list = Bytes(body).vec24()?;
        let first = list.vec24()?.0;
        let mut chain = Chain { len: 1, sha256: sha256_hex(first), ..Chain::default() };
        while !list.is_empty() && chain.len < MAX_CHAIN {
            list.vec24()?;
            chain.len += 1;
        }
        chain.read(first);
        Some(chain)
    }

    /// Reads a Certificate message of 1.3 (RFC 8446 4.4.2).
    pub(super) fn parse_13(mut body: Bytes<'_>) -> Option<Chain> {
        let (_context, mut list) = (body.vec8()?, body.vec24()?);
        let first = list.vec24()?.0;
        list.vec16()?;
        let mut chain = Chain { len: 1, sha256: sha256_hex(first), ..Chain::default() };
        while !list.is_empty() && chain.len < MAX_CHAIN {
            let _certificate = (list.vec24()?, list.vec16()?);
            chain.len += 1;
        }
        chain.read(first);
        Some(chain)
    }

    fn read(&mut self, der: &[u8]) {
        let Ok((_, certificate)) = X509Certificate::from_der(der) else { return };
        let validity = certificate.validity();
        self.subject = Some(bounded(certificate.subject().to_string()));
        self.issuer = Some(bounded(certificate.issuer().to_string()));
        self.serial = Some(bounded(certificate.raw_serial_as_string()));
        self.not_before_ns = validity.not_before.timestamp().checked_mul(1_000_000_000);
        self.not_after_ns = validity.not_after.timestamp().checked_mul(1_000_000_000);
        self.self_signed = Some(certificate.subject().as_raw() == certificate.issuer().as_raw());
        for extension in certificate.extensions() {
            if let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension() {
                let room = MAX_NAMES.saturating_sub(self.alternative_names.len());
                self.alternative_names.extend(names.general_names.iter().filter_map(name).take(room));
            }
        }
    }

    pub(super) fn size_bytes(&self) -> usize {
        let texts = [&self.subject, &self.issuer, &self.serial];
        let names = self.alternative_names.iter().map(|n| size_of::<String>() + n.capacity()).sum::<usize>();
        size_of::<Self>() + names + texts.map(|t| t.as_ref().map_or(0, String::capacity)).iter().sum::<usize>()
    }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    let text = match name {
        GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => (*name).to_owned(),
        GeneralName::IPAddress(bytes) => match **bytes {
            [a, b, c, d] => std::net::Ipv4Addr::new(a, b, c, d).to_string(),
            _ => std::net::Ipv6Addr::from(<[u8; 16]>::try_from(*bytes).ok()?).to_string(),
        },
        GeneralName::DirectoryName(name) => name.to_string(),
        _ => return None,
    };
    Some(bounded(text))
}

fn bounded(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_NAME_BYTES));
    text
}
