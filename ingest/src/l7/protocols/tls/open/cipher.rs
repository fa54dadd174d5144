//! Opening records with the keys that follow from a connection's secrets: TLS 1.3 (RFC 8446 section 5.2), the suites of
//! TLS 1.2 that authenticate what they encrypt (RFC 5288, RFC 7905), and those of [`cbc`].

use ring::{
    aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey},
    hkdf::{self, HKDF_SHA256, HKDF_SHA384, KeyType, Prk},
    hmac::{self, HMAC_SHA256, HMAC_SHA384},
};

use super::{
    super::ciphers,
    cbc::{self, Cbc},
};

/// Records that may be missing before one that does not open: after a hole it is not known how many there were.
const MAX_MISSING: u64 = 64;

/// How a connection encrypts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Suite {
    cipher: Cipher,
    is_sha384: bool,
}

#[derive(Debug, Clone, Copy)]
enum Cipher {
    Aead { aead: &'static Algorithm, is_gcm: bool },
    Cbc(cbc::Kind),
}

impl Suite {
    /// `None` for a suite that is not opened here.
    pub(super) fn of(number: u16) -> Option<Suite> {
        let name = ciphers::name(number)?;
        let cipher = if name.contains("_AES_128_GCM") {
            Cipher::Aead { aead: &AES_128_GCM, is_gcm: true }
        } else if name.contains("_AES_256_GCM") {
            Cipher::Aead { aead: &AES_256_GCM, is_gcm: true }
        } else if name.contains("_CHACHA20_POLY1305") {
            Cipher::Aead { aead: &CHACHA20_POLY1305, is_gcm: false }
        } else {
            Cipher::Cbc(cbc::Kind::of(name)?)
        };
        Some(Suite { cipher, is_sha384: name.ends_with("_SHA384") })
    }

    fn hkdf(self) -> hkdf::Algorithm {
        if self.is_sha384 { HKDF_SHA384 } else { HKDF_SHA256 }
    }

    /// What opens records of TLS 1.3 under this secret.
    pub(super) fn opener_13(self, secret: &[u8]) -> Option<Opener> {
        let Cipher::Aead { aead, .. } = self.cipher else { return None };
        if secret.is_empty() {
            return None;
        }
        let prk = Prk::new_less_safe(self.hkdf(), secret);
        let key = expand(&prk, b"key", aead.key_len())?;
        let iv = expand(&prk, b"iv", 12)?.try_into().ok()?;
        let key = Box::new(LessSafeKey::new(UnboundKey::new(aead, &key).ok()?));
        Some(Opener::new(Keys::Aead { key, iv, form: Form::Inner }))
    }

    /// The secret after this one (RFC 8446 section 7.2).
    pub(super) fn next_secret(self, secret: &[u8]) -> Option<Vec<u8>> {
        expand(&Prk::new_less_safe(self.hkdf(), secret), b"traffic upd", secret.len())
    }

    /// What opens the records of the client and of the server of TLS 1.2 (RFC 5246 section 6.3). `encrypts_first`: the MAC of a
    /// suite that has one is of what is encrypted (RFC 7366).
    pub(super) fn openers_12(
        self,
        master: &[u8],
        client_random: &[u8],
        server_random: &[u8],
        encrypts_first: bool,
    ) -> Option<[Opener; 2]> {
        let (mac_len, key_len, iv_len) = match self.cipher {
            Cipher::Aead { aead, is_gcm } => (0, aead.key_len(), if is_gcm { 4 } else { 12 }),
            // The vector is in each record.
            Cipher::Cbc(kind) => (kind.mac_len(), kind.key_len, 0),
        };
        let seed = [&b"key expansion"[..], server_random, client_random].concat();
        let block = self.expand_12(master, &seed, 2 * (mac_len + key_len + iv_len));
        let (mac_keys, rest) = block.split_at_checked(2 * mac_len)?;
        let (keys, ivs) = rest.split_at_checked(2 * key_len)?;
        let opener = |side: usize| {
            let mac_key = mac_keys.get(side * mac_len..(side + 1) * mac_len)?;
            let key = keys.get(side * key_len..(side + 1) * key_len)?;
            let (aead, is_gcm) = match self.cipher {
                Cipher::Aead { aead, is_gcm } => (aead, is_gcm),
                Cipher::Cbc(kind) => {
                    return Cbc::new(kind, key, mac_key, encrypts_first).map(Keys::Cbc).map(Opener::new);
                }
            };
            let mut iv = [0; 12];
            iv.iter_mut().zip(ivs.get(side * iv_len..(side + 1) * iv_len)?).for_each(|(to, from)| *to = *from);
            let key = Box::new(LessSafeKey::new(UnboundKey::new(aead, key).ok()?));
            let form = if is_gcm { Form::Explicit } else { Form::Counted };
            Some(Opener::new(Keys::Aead { key, iv, form }))
        };
        Some([opener(0)?, opener(1)?])
    }

    /// P_hash of RFC 5246 section 5.
    fn expand_12(self, secret: &[u8], seed: &[u8], len: usize) -> Vec<u8> {
        let key = hmac::Key::new(if self.is_sha384 { HMAC_SHA384 } else { HMAC_SHA256 }, secret);
        let (mut a, mut out) = (hmac::sign(&key, seed), Vec::new());
        while out.len() < len {
            out.extend_from_slice(hmac::sign(&key, &[a.as_ref(), seed].concat()).as_ref());
            a = hmac::sign(&key, a.as_ref());
        }
        out.truncate(len);
        out
    }
}

struct Len(usize);

impl KeyType for Len {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-Expand-Label without a context (RFC 8446 section 7.1).
fn expand(secret: &Prk, label: &[u8], len: usize) -> Option<Vec<u8>> {
    let (bytes, label_len) = (u16::try_from(len).ok()?.to_be_bytes(), [u8::try_from(label.len() + 6).ok()?]);
    let mut expanded = vec![0; len];
    let info = [&bytes[..], &label_len, b"tls13 ", label, &[0]];
    secret.expand(&info, Len(len)).and_then(|okm| okm.fill(&mut expanded)).ok()?;
    Some(expanded)
}

/// Opens the records of one direction, one after the other.
#[derive(Debug)]
pub(super) struct Opener {
    keys: Keys,
    sequence: u64,
    /// How many records may be missing before the next.
    missing: u64,
}

#[derive(Debug)]
enum Keys {
    Aead { key: Box<LessSafeKey>, iv: [u8; 12], form: Form },
    Cbc(Cbc),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// TLS 1.3: the type is inside.
    Inner,
    /// TLS 1.2, part of the nonce before the text.
    Explicit,
    /// TLS 1.2, the nonce counted.
    Counted,
}

impl Opener {
    fn new(keys: Keys) -> Opener {
        Opener { keys, sequence: 0, missing: 0 }
    }

    /// Records may be missing before the next.
    pub(super) fn lost(&mut self) {
        self.missing = MAX_MISSING;
    }

    /// The type and the text of a record. `None` if it does not open with this key.
    pub(super) fn open(&mut self, record: &[u8]) -> Option<(u8, Vec<u8>)> {
        let (header, body) = record.split_at_checked(5)?;
        let kind = *header.first()?;
        let found = (0..=self.missing).find_map(|ahead| {
            let sequence = self.sequence.checked_add(ahead)?;
            let text = match &self.keys {
                Keys::Aead { key, iv, form } => form.open(key, *iv, sequence, header, body),
                Keys::Cbc(cbc) => cbc.open(sequence, header, body),
            };
            text.map(|text| (sequence, text))
        });
        let (sequence, mut text) = found?;
        (self.sequence, self.missing) = (sequence + 1, 0);
        if !matches!(self.keys, Keys::Aead { form: Form::Inner, .. }) {
            return Some((kind, text));
        }
        // Zeros follow the type.
        while text.last() == Some(&0) {
            text.pop();
        }
        text.pop().map(|kind| (kind, text))
    }
}

impl Form {
    /// The text of record number `sequence`.
    fn open(
        self,
        key: &LessSafeKey,
        mut nonce: [u8; 12],
        sequence: u64,
        header: &[u8],
        body: &[u8],
    ) -> Option<Vec<u8>> {
        let mut text = body;
        if self == Form::Explicit {
            let (explicit, rest) = body.split_at_checked(8)?;
            nonce.iter_mut().skip(4).zip(explicit).for_each(|(to, from)| *to = *from);
            text = rest;
        } else {
            nonce.iter_mut().skip(4).zip(sequence.to_be_bytes()).for_each(|(to, from)| *to ^= from);
        }
        let mut aad = header.to_vec();
        if self != Form::Inner {
            let len = u16::try_from(text.len().checked_sub(16)?).ok()?;
            aad = [&sequence.to_be_bytes()[..], header.get(..3)?, &len.to_be_bytes()].concat();
        }
        let mut text = text.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let len = key.open_in_place(nonce, Aad::from(&aad), &mut text).ok()?.len();
        text.truncate(len);
        Some(text)
    }
}

#[cfg(test)]
impl Opener {
    /// The record of this text: what [`open`](Self::open) undoes.
    pub(super) fn seal(&mut self, kind: u8, text: &[u8]) -> Vec<u8> {
        let len = |text: &[u8]| u16::try_from(text.len()).unwrap().to_be_bytes();
        let sequence = self.sequence;
        self.sequence += 1;
        let (key, mut nonce, form) = match &self.keys {
            Keys::Aead { key, iv, form } => (key, *iv, *form),
            Keys::Cbc(cbc) => {
                let body = cbc.seal(sequence, kind, text);
                return [&[kind, 3, 3][..], &len(&body), &body].concat();
            }
        };
        let (mut text, mut explicit) = (text.to_vec(), Vec::new());
        if form == Form::Explicit {
            explicit = sequence.to_be_bytes().iter().map(|byte| byte ^ 0x55).collect();
            nonce[4..].copy_from_slice(&explicit);
        } else {
            nonce.iter_mut().skip(4).zip(sequence.to_be_bytes()).for_each(|(to, from)| *to ^= from);
        }
        let mut aad = [&sequence.to_be_bytes()[..], &[kind, 3, 3], &len(&text)].concat();
        let mut outer = kind;
        if form == Form::Inner {
            outer = 23;
            text.extend([kind, 0, 0]);
            text.extend([0; 16]);
            aad = [&[outer, 3, 3][..], &len(&text)].concat();
            text.truncate(text.len() - 16);
        }
        let nonce = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(nonce, Aad::from(aad), &mut text).unwrap();
        let body = [explicit, text].concat();
        [&[outer, 3, 3][..], &len(&body), &body].concat()
    }
}
