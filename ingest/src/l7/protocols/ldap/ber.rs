//! Basic encoding rules (X.690) as far as LDAP uses them: tags of one byte, definite lengths (RFC 4511 section 5.1).

use crate::l7::cursor::Cursor;

/// Tags of universal types.
pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const SEQUENCE: u8 = 0x30;

/// What the head of an element says: its tag, bytes of the head, bytes of the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Head {
    /// More bytes are needed to tell.
    Unknown,
    Is {
        tag: u8,
        head: usize,
        len: u64,
    },
    /// No element that LDAP allows.
    Bad,
}

pub(super) fn head(bytes: &[u8]) -> Head {
    let [tag, rest @ ..] = bytes else { return Head::Unknown };
    if tag & 0x1f == 0x1f {
        return Head::Bad;
    }
    let [first, rest @ ..] = rest else { return Head::Unknown };
    let digits = usize::from(first & 0x7f);
    match first {
        0..=0x7f => Head::Is { tag: *tag, head: 2, len: u64::from(*first) },
        0x81..=0x84 => match rest.get(..digits) {
            Some(digits) => {
                let len = digits.iter().fold(0, |len: u64, digit| len << 8 | u64::from(*digit));
                Head::Is { tag: *tag, head: 2 + digits.len(), len }
            }
            None => Head::Unknown,
        },
        _ => Head::Bad,
    }
}

/// The next element: its tag and content.
pub(super) fn element<'a>(cursor: &mut Cursor<'a>) -> Option<(u8, &'a [u8])> {
    let Head::Is { tag, head, len } = head(cursor.rest()) else { return None };
    let mut ahead = *cursor;
    ahead.take(head)?;
    let content = ahead.take(usize::try_from(len).ok()?)?;
    *cursor = ahead;
    Some((tag, content))
}

/// The content of the next element, if it has this tag.
pub(super) fn expect<'a>(cursor: &mut Cursor<'a>, tag: u8) -> Option<&'a [u8]> {
    let mut ahead = *cursor;
    let (found, content) = element(&mut ahead)?;
    (found == tag).then(|| {
        *cursor = ahead;
        content
    })
}

/// The value of a whole number that fits, none of the negative ones: LDAP has none.
pub(super) fn number(content: &[u8]) -> Option<u32> {
    match content {
        [] => None,
        [first, ..] if first & 0x80 != 0 => None,
        _ => content.iter().try_fold(0u32, |value, byte| value.checked_mul(256)?.checked_add(u32::from(*byte))),
    }
}
