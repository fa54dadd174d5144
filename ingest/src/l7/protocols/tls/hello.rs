//! What hello messages say (RFC 8446 4.1, RFC 5246 7.4.1, RFC 6347 4.2.1), as far as it is read before they turn out broken.

use super::bytes::Bytes;

/// Values kept of each list. No client offers as many; a hostile hello could offer 32,767.
const MAX_VALUES: usize = 1024;

/// Bytes of a server name kept: what DNS allows (RFC 1035 2.3.4).
const MAX_NAME_BYTES: usize = 255;

/// The random of a hello retry request (RFC 8446 4.1.3).
const RETRY_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11,
    0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// Extensions that are looked into or that have a say by being there (IANA TLS ExtensionType Values).
pub(crate) mod extension {
    pub(crate) const SERVER_NAME: u16 = 0;
    pub(crate) const SUPPORTED_GROUPS: u16 = 10;
    pub(crate) const EC_POINT_FORMATS: u16 = 11;
    pub(crate) const SIGNATURE_ALGORITHMS: u16 = 13;
    pub(crate) const ALPN: u16 = 16;
    pub(crate) const ENCRYPT_THEN_MAC: u16 = 22;
    pub(crate) const DRAFT_KEY_SHARE: u16 = 40;
    pub(crate) const PRE_SHARED_KEY: u16 = 41;
    pub(crate) const EARLY_DATA: u16 = 42;
    pub(crate) const SUPPORTED_VERSIONS: u16 = 43;
    pub(crate) const KEY_SHARE: u16 = 51;
    pub(crate) const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
}

/// Whether a value is there only to keep servers used to unknown ones (RFC 8701).
pub(crate) fn is_grease(value: u16) -> bool {
    let [hi, lo] = value.to_be_bytes();
    hi == lo && lo & 0x0f == 0x0a
}

/// What a client offers.
#[derive(Debug, Default)]
pub(crate) struct ClientHello {
    /// The version field, which no longer tells the version since 1.3.
    pub(crate) version: u16,
    pub(crate) random: [u8; 32],
    pub(crate) cipher_suites: Vec<u16>,
    pub(crate) extensions: Vec<u16>,
    pub(crate) sni: Option<String>,
    pub(crate) alpn: Vec<String>,
    /// The first application protocol as it is on the wire.
    pub(crate) first_alpn: Vec<u8>,
    /// Of the extension; empty without it.
    pub(crate) versions: Vec<u16>,
    pub(crate) groups: Vec<u16>,
    pub(crate) point_formats: Vec<u8>,
    pub(crate) signature_algorithms: Vec<u16>,
}

/// What a server chooses.
#[derive(Debug, Default)]
pub(crate) struct ServerHello {
    /// The version field.
    pub(crate) legacy_version: u16,
    pub(crate) random: [u8; 32],
    pub(crate) version: u16,
    pub(crate) cipher_suite: u16,
    pub(crate) extensions: Vec<u16>,
    pub(crate) alpn: Option<String>,
    /// The group whose key share is used, or asked for.
    pub(crate) group: Option<u16>,
    pub(crate) is_retry: bool,
}

impl ClientHello {
    /// Reads the body of the message. The second value says whether all of it could be read.
    pub(super) fn parse(body: &[u8], datagrams: bool) -> (ClientHello, bool) {
        let mut hello = ClientHello::default();
        let whole = hello.fill(Bytes(body), datagrams).is_some();
        (hello, whole)
    }

    /// Reads the body of a hello in the form of SSL 2.0, which old clients used to offer later versions (RFC 5246 E.2).
    pub(super) fn parse_v2(body: &[u8]) -> (ClientHello, bool) {
        let mut hello = ClientHello::default();
        let whole = hello.fill_v2(Bytes(body)).is_some();
        (hello, whole)
    }

    fn fill_v2(&mut self, mut body: Bytes<'_>) -> Option<()> {
        self.version = body.u16()?;
        let (suites_len, _session_id_len, _challenge_len) = (body.u16()?, body.u16()?, body.u16()?);
        let suites = body.take(usize::from(suites_len))?.as_chunks::<3>().0.iter();
        // Those with another first byte are of SSL 2.0 itself.
        let suites = suites.filter(|[first, ..]| *first == 0).map(|[_, hi, lo]| u16::from_be_bytes([*hi, *lo]));
        self.cipher_suites = suites.take(MAX_VALUES).collect();
        Some(())
    }

    fn fill(&mut self, mut body: Bytes<'_>, datagrams: bool) -> Option<()> {
        self.version = body.u16()?;
        self.random = body.take(32)?.try_into().ok()?;
        let _session_id = body.vec8()?;
        if datagrams {
            body.vec8()?;
        }
        self.cipher_suites = numbers(body.vec16()?);
        let _compression = body.vec8()?;
        // SSL 3.0 and TLS 1.0 know hellos without extensions.
        if body.is_empty() {
            return Some(());
        }
        let mut extensions = body.vec16()?;
        while !extensions.is_empty() {
            let (kind, data) = (extensions.u16()?, extensions.vec16()?);
            if self.extensions.len() < MAX_VALUES {
                self.extensions.push(kind);
            }
            // An extension that cannot be read does not make the others unreadable.
            let _ = self.extension(kind, data);
        }
        Some(())
    }

    fn extension(&mut self, kind: u16, mut data: Bytes<'_>) -> Option<()> {
        match kind {
            extension::SERVER_NAME => self.sni = server_name(data.vec16()?),
            extension::SUPPORTED_GROUPS => self.groups = numbers(data.vec16()?),
            extension::EC_POINT_FORMATS => self.point_formats = data.vec8()?.0.to_vec(),
            extension::SIGNATURE_ALGORITHMS => self.signature_algorithms = numbers(data.vec16()?),
            extension::SUPPORTED_VERSIONS => self.versions = numbers(data.vec8()?),
            extension::ALPN => {
                let mut names = data.vec16()?;
                while !names.is_empty() && self.alpn.len() < MAX_VALUES {
                    let name = names.vec8()?.0;
                    if self.alpn.is_empty() {
                        self.first_alpn = name.to_vec();
                    }
                    self.alpn.push(text(name));
                }
            }
            _ => {}
        }
        Some(())
    }

    /// The versions that it takes, the best first: those of the extension, or all up to the version field's.
    pub(crate) fn offered_versions(&self) -> &[u16] {
        if self.versions.is_empty() { std::slice::from_ref(&self.version) } else { &self.versions }
    }

    /// The best version that it takes.
    pub(crate) fn best_version(&self) -> u16 {
        let real = || self.offered_versions().iter().copied().filter(|v| !is_grease(*v));
        // Versions of DTLS count downwards.
        let best = if self.version >> 8 == 0xfe { real().min() } else { real().max() };
        best.unwrap_or(self.version)
    }

    pub(crate) fn offers(&self, kind: u16) -> bool {
        self.extensions.contains(&kind)
    }

    pub(super) fn size_bytes(&self) -> usize {
        let numbers = [&self.cipher_suites, &self.extensions, &self.versions, &self.groups, &self.signature_algorithms];
        let texts = self.alpn.iter().map(|t| size_of::<String>() + t.capacity()).sum::<usize>();
        size_of::<Self>() + numbers.map(|n| n.capacity() * 2).iter().sum::<usize>() + texts
    }
}

impl ServerHello {
    /// As [`ClientHello::parse`].
    pub(super) fn parse(body: &[u8]) -> (ServerHello, bool) {
        let mut hello = ServerHello::default();
        let whole = hello.fill(Bytes(body)).is_some();
        (hello, whole)
    }

    fn fill(&mut self, mut body: Bytes<'_>) -> Option<()> {
        self.legacy_version = body.u16()?;
        self.version = self.legacy_version;
        self.random = body.take(32)?.try_into().ok()?;
        self.is_retry = self.random == RETRY_RANDOM;
        // Drafts of 1.3 before the 22nd left out what is no longer used.
        let is_early_draft = (0x7f00..0x7f16).contains(&self.version);
        if !is_early_draft {
            body.vec8()?;
        }
        self.cipher_suite = body.u16()?;
        if !is_early_draft {
            body.u8()?;
        }
        self.extensions(body)
    }

    /// Reads the hello retry request that drafts of 1.3 before the 22nd had.
    pub(super) fn parse_draft_retry(body: &[u8]) -> (ServerHello, bool) {
        let mut hello = ServerHello { is_retry: true, ..ServerHello::default() };
        let whole = hello.fill_draft_retry(Bytes(body)).is_some();
        (hello, whole)
    }

    fn fill_draft_retry(&mut self, mut body: Bytes<'_>) -> Option<()> {
        self.legacy_version = body.u16()?;
        self.version = self.legacy_version;
        // The 19th was the first to say the cipher suite here.
        if self.version >= 0x7f13 {
            self.cipher_suite = body.u16()?;
        }
        self.extensions(body)
    }

    /// The application protocol in a list of extensions.
    pub(super) fn alpn_of(mut body: Bytes<'_>) -> Option<String> {
        let mut extensions = body.vec16()?;
        while !extensions.is_empty() {
            let (kind, mut data) = (extensions.u16()?, extensions.vec16()?);
            if kind == extension::ALPN {
                return data.vec16()?.vec8().map(|name| text(name.0));
            }
        }
        None
    }

    fn extensions(&mut self, mut body: Bytes<'_>) -> Option<()> {
        if body.is_empty() {
            return Some(());
        }
        let mut extensions = body.vec16()?;
        while !extensions.is_empty() {
            let (kind, mut data) = (extensions.u16()?, extensions.vec16()?);
            if self.extensions.len() < MAX_VALUES {
                self.extensions.push(kind);
            }
            match kind {
                extension::SUPPORTED_VERSIONS => self.version = data.u16().unwrap_or(self.version),
                extension::KEY_SHARE | extension::DRAFT_KEY_SHARE => self.group = data.u16(),
                extension::ALPN => self.alpn = data.vec16().and_then(|mut names| names.vec8()).map(|name| text(name.0)),
                _ => {}
            }
        }
        Some(())
    }

    pub(super) fn has(&self, kind: u16) -> bool {
        self.extensions.contains(&kind)
    }
}

fn numbers(list: Bytes<'_>) -> Vec<u16> {
    list.0.as_chunks::<2>().0.iter().take(MAX_VALUES).map(|pair| u16::from_be_bytes(*pair)).collect()
}

/// The first name of type host_name (RFC 6066 section 3).
fn server_name(mut list: Bytes<'_>) -> Option<String> {
    while !list.is_empty() {
        let (kind, name) = (list.u8()?, list.vec16()?.0);
        if kind == 0 {
            return Some(text(name.get(..MAX_NAME_BYTES).unwrap_or(name)));
        }
    }
    None
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
