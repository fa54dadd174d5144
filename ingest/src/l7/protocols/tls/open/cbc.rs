//! The suites of TLS 1.2 that encrypt with AES in CBC mode and authenticate with HMAC (RFC 5246 section 6.2.3.2): first the MAC,
//! or, where both ends said so, first the encryption (RFC 7366).
//!
//! ```text
//! MAC first         IV │ encrypted: text │ MAC │ padding │ its length
//! encryption first  IV │ encrypted: text │ padding │ its length │ MAC of all before it
//! ```

use std::fmt;

use aes::{
    Aes128, Aes256,
    cipher::{BlockCipherDecrypt, KeyInit},
};
use ring::hmac;

/// Bytes of a block of AES, and of the vector that a record begins with.
const BLOCK: usize = 16;

/// What a suite encrypts and authenticates with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// Bytes of the key: 16 or 32.
    pub(super) key_len: usize,
    /// What the MAC is made with. Its key is as long as what it gives.
    pub(super) mac: hmac::Algorithm,
}

impl Kind {
    /// Of the suite of this IANA name; `None` where it is none of AES in CBC mode.
    pub(super) fn of(name: &str) -> Option<Kind> {
        let (cipher, mac) = name.rsplit_once("_CBC_")?;
        let key_len = match cipher {
            _ if cipher.ends_with("_AES_128") => 16,
            _ if cipher.ends_with("_AES_256") => 32,
            _ => return None,
        };
        let mac = match mac {
            "SHA" => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            "SHA256" => hmac::HMAC_SHA256,
            "SHA384" => hmac::HMAC_SHA384,
            _ => return None,
        };
        Some(Kind { key_len, mac })
    }

    pub(super) fn mac_len(self) -> usize {
        self.mac.digest_algorithm().output_len()
    }
}

/// Opens the records of one direction.
#[derive(Debug)]
pub(super) struct Cbc {
    cipher: Cipher,
    mac: hmac::Key,
    mac_len: usize,
    encrypts_first: bool,
}

enum Cipher {
    Aes128(Box<Aes128>),
    Aes256(Box<Aes256>),
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher")
    }
}

impl Cbc {
    pub(super) fn new(kind: Kind, key: &[u8], mac_key: &[u8], encrypts_first: bool) -> Option<Cbc> {
        let cipher = match kind.key_len {
            16 => Cipher::Aes128(Box::new(Aes128::new_from_slice(key).ok()?)),
            _ => Cipher::Aes256(Box::new(Aes256::new_from_slice(key).ok()?)),
        };
        Some(Cbc { cipher, mac: hmac::Key::new(kind.mac, mac_key), mac_len: kind.mac_len(), encrypts_first })
    }

    /// The text of a record: of its `header` of five bytes, the first three are authenticated. `None` if the MAC is not that of
    /// record number `sequence`.
    pub(super) fn open(&self, sequence: u64, header: &[u8], body: &[u8]) -> Option<Vec<u8>> {
        let about = |bytes: &[u8]| {
            let len = u16::try_from(bytes.len()).ok()?.to_be_bytes();
            Some([&sequence.to_be_bytes()[..], header.get(..3)?, &len, bytes].concat())
        };
        if self.encrypts_first {
            let (encrypted, mac) = body.split_at_checked(body.len().checked_sub(self.mac_len)?)?;
            hmac::verify(&self.mac, &about(encrypted)?, mac).ok()?;
            return self.decrypt(encrypted);
        }
        let mut text = self.decrypt(body)?;
        let mac = text.split_off(text.len().checked_sub(self.mac_len)?);
        hmac::verify(&self.mac, &about(&text)?, &mac).ok()?;
        Some(text)
    }

    /// What is encrypted behind a vector, without its padding.
    fn decrypt(&self, encrypted: &[u8]) -> Option<Vec<u8>> {
        let (blocks, rest) = encrypted.as_chunks::<BLOCK>();
        if !rest.is_empty() {
            return None;
        }
        let mut text = Vec::with_capacity(encrypted.len());
        for (before, block) in blocks.iter().zip(blocks.iter().skip(1)) {
            let mut plain = (*block).into();
            match &self.cipher {
                Cipher::Aes128(aes) => aes.decrypt_block(&mut plain),
                Cipher::Aes256(aes) => aes.decrypt_block(&mut plain),
            }
            text.extend(plain.iter().zip(before).map(|(a, b)| a ^ b));
        }
        // Each byte of the padding is its length, which is itself not counted.
        let padding = *text.last()?;
        let end = text.len().checked_sub(usize::from(padding) + 1)?;
        let is_padding = text.get(end..)?.iter().all(|byte| *byte == padding);
        text.truncate(end);
        is_padding.then_some(text)
    }
}

#[cfg(test)]
impl Cbc {
    /// The body of a record of this text: what [`open`](Self::open) undoes.
    pub(super) fn seal(&self, sequence: u64, kind: u8, text: &[u8]) -> Vec<u8> {
        use aes::cipher::BlockCipherEncrypt;

        let mac = |bytes: &[u8]| {
            let len = u16::try_from(bytes.len()).unwrap().to_be_bytes();
            hmac::sign(&self.mac, &[&sequence.to_be_bytes()[..], &[kind, 3, 3], &len, bytes].concat())
        };
        let mut plain = text.to_vec();
        if !self.encrypts_first {
            plain.extend(mac(text).as_ref());
        }
        let padding = BLOCK - 1 - plain.len() % BLOCK;
        plain.resize(plain.len() + padding + 1, u8::try_from(padding).unwrap());
        let mut body = vec![0x5a; BLOCK];
        for block in plain.as_chunks::<BLOCK>().0 {
            let before = body[body.len() - BLOCK..].to_vec();
            let mixed: [u8; BLOCK] = std::array::from_fn(|at| block[at] ^ before[at]);
            let mut encrypted = mixed.into();
            match &self.cipher {
                Cipher::Aes128(aes) => aes.encrypt_block(&mut encrypted),
                Cipher::Aes256(aes) => aes.encrypt_block(&mut encrypted),
            }
            body.extend(encrypted);
        }
        if self.encrypts_first {
            let mac = mac(&body);
            body.extend(mac.as_ref());
        }
        body
    }
}
