//! Messages that the library refuses for a type or class it does not know, such as those that TSIG signs (RFC 8945) and dynamic
//! updates (RFC 2136): read with those replaced. Of a message that is damaged further on, the questions at least.

use simple_dns::QTYPE;

use crate::l7::{cursor::Cursor, text::lossy};

use super::records;

/// Bytes of a name (RFC 1035 section 2.3.4), and of its labels as text.
const MAX_NAME_BYTES: usize = 255;

/// Pointers that are followed within a name: more than a message needs, and the end of those that go round.
const MAX_POINTERS: usize = 32;

const HEADER_BYTES: usize = 12;
const CLASS_IN: [u8; 2] = [0, 1];
const TYPE_A: [u8; 2] = [0, 1];
const TYPE_OPT: u16 = 41;

/// What could be read of a message.
#[derive(Debug)]
pub(super) struct Mended {
    /// The message with types of questions and classes that the library knows.
    pub(super) message: Vec<u8>,
    /// Names and types of the questions, as they are on the wire.
    pub(super) questions: Vec<(String, String)>,
}

impl Mended {
    /// Goes through so many questions and records, as far as they go.
    pub(super) fn of(message: &[u8], questions: usize, records: usize) -> Mended {
        let mut mended = Mended { message: message.to_vec(), questions: Vec::new() };
        let _ = mended.read(message, questions, records);
        mended
    }

    fn read(&mut self, message: &[u8], questions: usize, records: usize) -> Option<()> {
        let mut at = HEADER_BYTES;
        for _ in 0..questions {
            at = self.question(message, at)?;
        }
        for _ in 0..records {
            at = self.record(message, at)?;
        }
        Some(())
    }

    /// A question: returns where the next thing begins.
    fn question(&mut self, message: &[u8], at: usize) -> Option<usize> {
        let (name, at) = name(message, at)?;
        let mut fixed = Cursor::new(message.get(at..)?);
        let (kind, _class) = (fixed.u16()?, fixed.u16()?);
        let kind = QTYPE::try_from(kind).map_or_else(|_| format!("TYPE{kind}"), records::question_type);
        self.questions.push((name, kind));
        self.replace(at, TYPE_A);
        self.replace(at + 2, CLASS_IN);
        Some(at + 4)
    }

    /// A record. The class of OPT is a size, and stays.
    fn record(&mut self, message: &[u8], at: usize) -> Option<usize> {
        let (_, at) = name(message, at)?;
        let mut fixed = Cursor::new(message.get(at..)?);
        let (kind, _class, _ttl, len) = (fixed.u16()?, fixed.u16()?, fixed.u32()?, fixed.u16()?);
        if kind != TYPE_OPT {
            self.replace(at + 2, CLASS_IN);
        }
        Some(at + 10 + usize::from(len))
    }

    fn replace(&mut self, at: usize, by: [u8; 2]) {
        if let Some(bytes) = self.message.get_mut(at..at + 2) {
            bytes.copy_from_slice(&by);
        }
    }
}

/// A name, and where what follows it begins (RFC 1035 section 4.1.4).
fn name(message: &[u8], mut at: usize) -> Option<(String, usize)> {
    let (mut name, mut end) = (String::new(), None);
    for _ in 0..MAX_POINTERS {
        loop {
            match *message.get(at)? {
                0 => return Some((name, end.unwrap_or(at + 1))),
                len @ 1..=63 => {
                    let label = message.get(at + 1..at + 1 + usize::from(len))?;
                    at += 1 + usize::from(len);
                    let dot = if name.is_empty() { "" } else { "." };
                    name = name + dot + &lossy(label, MAX_NAME_BYTES);
                }
                high @ 0xc0.. => {
                    end = end.or(Some(at + 2));
                    at = usize::from(high & 0x3f) << 8 | usize::from(*message.get(at + 1)?);
                    break;
                }
                _ => return None,
            }
            if name.len() > MAX_NAME_BYTES {
                return None;
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that names are followed through pointers, and that those which go round or lead nowhere end.
    #[test]
    fn names_and_pointers() {
        let message = b"\x01a\x02bc\0\x03www\xc0\x00\xc0\x0c\x40";
        assert_eq!(name(message, 0), Some(("a.bc".to_owned(), 6)));
        assert_eq!(name(message, 6), Some(("www.a.bc".to_owned(), 12)));
        assert_eq!(
            (name(message, 12), name(message, 14), name(message, 99)),
            (None, None, None),
            "round, reserved, none"
        );
        assert_eq!(name(&[[63; 64]; 6].concat(), 0), None, "too long");
    }
}
