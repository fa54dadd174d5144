//! The keys of QUIC's first packets (RFC 9001 section 5.2): they keep nobody out, being made of what is in the clear.

use ring::{
    aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey, quic},
    hkdf::{HKDF_SHA256, KeyType, Prk, Salt},
};

use super::packet::{DRAFT_23, DRAFT_28, DRAFT_29, DRAFT_32, DRAFT_33, DRAFT_34, V1, V2};
use crate::flow::{Pair, Way};

const SALT_V1: [u8; 20] = [
    0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f,
    0x0a,
];
/// RFC 9369 section 3.3.1.
const SALT_V2: [u8; 20] = [
    0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e,
    0xd9,
];
/// Drafts 29 to 32 of RFC 9001.
const SALT_DRAFT_29: [u8; 20] = [
    0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97, 0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0, 0x43, 0x90, 0xa8,
    0x99,
];

/// What protects the packets of one end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) key: [u8; 16],
    pub(super) iv: [u8; 12],
    pub(super) header: [u8; 16],
}

/// Drafts 23 to 28.
const SALT_DRAFT_23: [u8; 20] = [
    0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7, 0xd2, 0x43, 0x2b, 0xb4, 0x63, 0x65, 0xbe, 0xf9, 0xf5,
    0x02,
];

/// The keys of a connection of this version to that first destination: of the client, going out, and of the server. `None`
/// for versions with keys that are not known.
pub(super) fn derive(version: u32, dcid: &[u8]) -> Option<Pair<Key>> {
    let (salt, labels) = match version {
        V1 | DRAFT_33 | DRAFT_34 => (&SALT_V1, [&b"quic key"[..], b"quic iv", b"quic hp"]),
        V2 => (&SALT_V2, [&b"quicv2 key"[..], b"quicv2 iv", b"quicv2 hp"]),
        DRAFT_29..=DRAFT_32 => (&SALT_DRAFT_29, [&b"quic key"[..], b"quic iv", b"quic hp"]),
        DRAFT_23..=DRAFT_28 => (&SALT_DRAFT_23, [&b"quic key"[..], b"quic iv", b"quic hp"]),
        _ => return None,
    };
    let secret = Salt::new(HKDF_SHA256, salt).extract(dcid);
    let key = |side: &[u8]| {
        let secret = Prk::new_less_safe(HKDF_SHA256, &expand::<32>(&secret, side)?);
        let [key, iv, header] = labels;
        Some(Key { key: expand(&secret, key)?, iv: expand(&secret, iv)?, header: expand(&secret, header)? })
    };
    Some(Pair { out: key(b"client in")?, back: key(b"server in")? })
}

struct Len(usize);

impl KeyType for Len {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-Expand-Label of TLS 1.3 without a context (RFC 8446 section 7.1).
fn expand<const N: usize>(secret: &Prk, label: &[u8]) -> Option<[u8; N]> {
    let (len, label_len) = (u16::try_from(N).ok()?.to_be_bytes(), [u8::try_from(label.len() + 6).ok()?]);
    let info = [&len[..], &label_len, b"tls13 ", label, &[0]];
    let mut expanded = [0; N];
    secret.expand(&info, Len(N)).and_then(|okm| okm.fill(&mut expanded)).ok()?;
    Some(expanded)
}

impl Key {
    /// The payload of a packet whose number begins at `number_at`. `None` if it was not protected with this key.
    pub(super) fn open(&self, packet: &[u8], number_at: usize) -> Option<Vec<u8>> {
        let sample = packet.get(number_at + 4..)?.get(..16)?;
        let mask = quic::HeaderProtectionKey::new(&quic::AES_128, &self.header).ok()?.new_mask(sample).ok()?;
        let [mask_first, mask_number @ ..] = mask;
        let mut header = packet.get(..number_at + 4)?.to_vec();
        let first = header.first_mut()?;
        *first ^= mask_first & 0x0f;
        let number_len = usize::from(*first & 3) + 1;
        header.truncate(number_at + number_len);
        let mut number = 0u32;
        for (byte, mask) in header.iter_mut().skip(number_at).zip(mask_number) {
            *byte ^= mask;
            number = number << 8 | u32::from(*byte);
        }
        let mut payload = packet.get(number_at + number_len..)?.to_vec();
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &self.key).ok()?);
        let len = key.open_in_place(self.nonce(number), Aad::from(&header), &mut payload).ok()?.len();
        payload.truncate(len);
        Some(payload)
    }

    /// The nonce of a packet. First packets are too few for their numbers to be cut.
    pub(super) fn nonce(&self, number: u32) -> Nonce {
        let mut nonce = self.iv;
        nonce.iter_mut().rev().zip(number.to_be_bytes().iter().rev()).for_each(|(to, from)| *to ^= from);
        Nonce::assume_unique_for_key(nonce)
    }
}

/// The key of the end that sends `way`, where the client sends `client`.
pub(super) fn of(keys: &Pair<Key>, client: Way, way: Way) -> &Key {
    keys.of(if way == client { Way::Out } else { Way::In })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::l7::protocols::tls::fingerprint::hex;

    /// Proves the keys against those that the specifications work out (RFC 9001 A.1, RFC 9369 A.1).
    #[test]
    fn published_keys() {
        let dcid = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];
        let texts = |key: &Key| [hex(&key.key), hex(&key.iv), hex(&key.header)];
        let v1 = derive(V1, &dcid).unwrap();
        assert_eq!(
            texts(&v1.out),
            ["1f369613dd76d5467730efcbe3b1a22d", "fa044b2f42a3fd3b46fb255c", "9f50449e04a0e810283a1e9933adedd2"]
        );
        assert_eq!(
            texts(&v1.back),
            ["cf3a5331653c364c88f0f379b6067e37", "0ac1493ca1905853b0bba03e", "c206b8d9b9f0f37644430b490eeaa314"]
        );
        let v2 = derive(V2, &dcid).unwrap();
        assert_eq!(
            texts(&v2.out),
            ["8b1a0bc121284290a29e0971b5cd045d", "91f73e2351d8fa91660e909f", "45b95e15235d6f45a6b19cbcb0294ba9"]
        );
        assert_eq!(derive(0x5130_3436, &dcid), None);
    }
}
