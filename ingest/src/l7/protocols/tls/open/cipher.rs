//! Opening records with the keys that follow from a connection's secrets: TLS 1.3 (RFC 8446 section 5.2), and the suites of
//! TLS 1.2 that authenticate what they encrypt (RFC 5288, RFC 7905).

use ring::{
    aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey},
    hkdf::{self, HKDF_SHA256, HKDF_SHA384, KeyType, Prk},
    hmac::{self, HMAC_SHA256, HMAC_SHA384},
};

use super::super::ciphers;

/// Records that may be missing before one that does not open: after a hole it is not known how many there were.
const MAX_MISSING: u64 = 64;

/// How a connection encrypts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Suite {
    aead: &'static Algorithm,
    is_sha384: bool,
    is_gcm: bool,
}

impl Suite {
    /// `None` for a suite that is not opened here.
    pub(super) fn of(number: u16) -> Option<Suite> {
        let name = ciphers::name(number)?;
        let (aead, is_gcm) = if name.contains("_AES_128_GCM") {
            (&AES_128_GCM, true)
        } else if name.contains("_AES_256_GCM") {
            (&AES_256_GCM, true)
        } else if name.contains("_CHACHA20_POLY1305") {
            (&CHACHA20_POLY1305, false)
        } else {
            return None;
        };
        Some(Suite { aead, is_sha384: name.ends_with("_SHA384"), is_gcm })
    }

    fn hkdf(self) -> hkdf::Algorithm {
        if self.is_sha384 { HKDF_SHA384 } else { HKDF_SHA256 }
    }

    /// What opens records of TLS 1.3 under this secret.
    pub(super) fn opener_13(self, secret: &[u8]) -> Option<Opener> {
        if secret.is_empty() {
            return None;
        }
        let prk = Prk::new_less_safe(self.hkdf(), secret);
        let key = expand(&prk, b"key", self.aead.key_len())?;
        let iv = expand(&prk, b"iv", 12)?.try_into().ok()?;
        let key = LessSafeKey::new(UnboundKey::new(self.aead, &key).ok()?);
        Some(Opener { key, iv, form: Form::Inner, sequence: 0, missing: 0 })
    }

    /// The secret after this one (RFC 8446 section 7.2).
    pub(super) fn next_secret(self, secret: &[u8]) -> Option<Vec<u8>> {
        expand(&Prk::new_less_safe(self.hkdf(), secret), b"traffic upd", secret.len())
    }

    /// What opens the records of the client and of the server of TLS 1.2 (RFC 5246 section 6.3).
    pub(super) fn openers_12(self, master: &[u8], client_random: &[u8], server_random: &[u8]) -> Option<[Opener; 2]> {
        let (key_len, iv_len) = (self.aead.key_len(), if self.is_gcm { 4 } else { 12 });
        let seed = [&b"key expansion"[..], server_random, client_random].concat();
        let block = self.expand_12(master, &seed, 2 * (key_len + iv_len));
        let (keys, ivs) = block.split_at_checked(2 * key_len)?;
        let opener = |side: usize| {
            let key = keys.get(side * key_len..(side + 1) * key_len)?;
            let mut iv = [0; 12];
            iv.iter_mut().zip(ivs.get(side * iv_len..(side + 1) * iv_len)?).for_each(|(to, from)| *to = *from);
            let key = LessSafeKey::new(UnboundKey::new(self.aead, key).ok()?);
            let form = if self.is_gcm { Form::Explicit } else { Form::Counted };
            Some(Opener { key, iv, form, sequence: 0, missing: 0 })
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
    key: LessSafeKey,
    iv: [u8; 12],
    form: Form,
    sequence: u64,
    /// How many records may be missing before the next.
    missing: u64,
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
            self.text(sequence, header, body).map(|text| (sequence, text))
        });
        let (sequence, mut text) = found?;
        (self.sequence, self.missing) = (sequence + 1, 0);
        if self.form != Form::Inner {
            return Some((kind, text));
        }
        // Zeros follow the type.
        while text.last() == Some(&0) {
            text.pop();
        }
        text.pop().map(|kind| (kind, text))
    }

    fn text(&self, sequence: u64, header: &[u8], body: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = self.iv;
        let mut text = body;
        if self.form == Form::Explicit {
            let (explicit, rest) = body.split_at_checked(8)?;
            nonce.iter_mut().skip(4).zip(explicit).for_each(|(to, from)| *to = *from);
            text = rest;
        } else {
            nonce.iter_mut().skip(4).zip(sequence.to_be_bytes()).for_each(|(to, from)| *to ^= from);
        }
        let mut aad = header.to_vec();
        if self.form != Form::Inner {
            let len = u16::try_from(text.len().checked_sub(16)?).ok()?;
            aad = [&sequence.to_be_bytes()[..], header.get(..3)?, &len.to_be_bytes()].concat();
        }
        let mut text = text.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let len = self.key.open_in_place(nonce, Aad::from(&aad), &mut text).ok()?.len();
        text.truncate(len);
        Some(text)
    }
}

#[cfg(test)]
impl Opener {
    /// The record of this text: what [`open`](Self::open) undoes.
    pub(super) fn seal(&mut self, kind: u8, text: &[u8]) -> Vec<u8> {
        let (mut nonce, mut text, mut explicit) = (self.iv, text.to_vec(), Vec::new());
        if self.form == Form::Explicit {
            explicit = self.sequence.to_be_bytes().iter().map(|byte| byte ^ 0x55).collect();
            nonce[4..].copy_from_slice(&explicit);
        } else {
            nonce.iter_mut().skip(4).zip(self.sequence.to_be_bytes()).for_each(|(to, from)| *to ^= from);
        }
        let len = |text: &[u8]| u16::try_from(text.len()).unwrap().to_be_bytes();
        let mut aad = [&self.sequence.to_be_bytes()[..], &[kind, 3, 3], &len(&text)].concat();
        let mut outer = kind;
        if self.form == Form::Inner {
            outer = 23;
            text.extend([kind, 0, 0]);
            text.extend([0; 16]);
            aad = [&[outer, 3, 3][..], &len(&text)].concat();
            text.truncate(text.len() - 16);
        }
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(nonce, Aad::from(aad), &mut text).unwrap();
        self.sequence += 1;
        let body = [explicit, text].concat();
        [&[outer, 3, 3][..], &len(&body), &body].concat()
    }
}
