//! Reading the fields of a request or response that rows show.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use super::api::{Field, Kind};
use crate::l7::{cursor::Cursor, text::lossy as text};

/// Bytes of a topic's name are 249 at most, those of other names should be.
pub(super) const NAME_BYTES: usize = 255;

/// Topics, and partitions, of a message that are shown.
const MAX_NAMES: usize = 256;

/// What a message says.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub(super) topics: Vec<Topic>,
    /// Place of the topic in `topics`, and number.
    pub(super) partitions: Vec<(usize, i32)>,
    pub(super) group: Option<String>,
    pub(super) acks: Option<i16>,
    /// The first that is none of success.
    pub(super) error: Option<i16>,
    pub(super) message: Option<String>,
}

/// A topic by its name, its id, or both.
#[derive(Debug, Default, Clone)]
pub(super) struct Topic {
    pub(super) name: Option<String>,
    pub(super) id: Option<[u8; 16]>,
}

impl Topic {
    /// Its name; if that is not known its id, as Kafka's tools write it.
    pub(super) fn shown(&self) -> String {
        let id = || {
            let mut digits = [0; 22];
            let len = BASE64_URL_SAFE_NO_PAD.encode_slice(self.id?, &mut digits).ok()?;
            Some(text(digits.get(..len)?, NAME_BYTES))
        };
        self.name.clone().or_else(id).unwrap_or_default()
    }
}

/// Reads a body of this version, or as much as is there.
pub(super) fn read(layout: &[Field], version: u16, is_flexible: bool, bytes: &[u8]) -> Body {
    let mut reader = Reader { cursor: Cursor::new(bytes), version, is_flexible, body: Body::default() };
    // What is missing of a message that is cut stays unread.
    let _ = reader.fields(layout);
    reader.body
}

struct Reader<'a> {
    cursor: Cursor<'a>,
    version: u16,
    is_flexible: bool,
    body: Body,
}

impl<'a> Reader<'a> {
    fn fields(&mut self, fields: &[Field]) -> Option<()> {
        self.plain_fields(fields)?;
        if self.is_flexible { tags(&mut self.cursor) } else { Some(()) }
    }

    fn plain_fields(&mut self, fields: &[Field]) -> Option<()> {
        let version = self.version;
        for field in fields.iter().filter(|field| (field.from..=field.to).contains(&version)) {
            self.field(field.kind)?;
        }
        Some(())
    }

    fn field(&mut self, kind: Kind) -> Option<()> {
        let has_room = self.body.topics.len() < MAX_NAMES;
        match kind {
            Kind::Skip(len) => self.cursor.take(len).map(drop)?,
            Kind::Text | Kind::Blob => self.bytes(matches!(kind, Kind::Blob)).map(drop)?,
            Kind::Topic | Kind::Name => {
                let name = self.bytes(false)?.map(|name| text(name, NAME_BYTES));
                // An id stands before the name it belongs to.
                match self.body.topics.last_mut() {
                    Some(topic) if matches!(kind, Kind::Name) && topic.name.is_none() => topic.name = name,
                    _ if has_room => self.body.topics.push(Topic { name, id: None }),
                    _ => {}
                }
            }
            Kind::TopicId => {
                let id = self.cursor.array()?;
                match self.body.topics.last_mut() {
                    Some(topic) if topic.id.is_none() && topic.name.is_some() => topic.id = Some(id),
                    _ if has_room => self.body.topics.push(Topic { name: None, id: Some(id) }),
                    _ => {}
                }
            }
            Kind::Partition => {
                let partition = self.cursor.array().map(i32::from_be_bytes)?;
                if self.body.partitions.len() < MAX_NAMES
                    && let Some(topic) = self.body.topics.len().checked_sub(1)
                {
                    self.body.partitions.push((topic, partition));
                }
            }
            Kind::Error => {
                let code = self.cursor.array().map(i16::from_be_bytes)?;
                let before = self.body.error.unwrap_or(0);
                self.body.error = Some(if before == 0 { code } else { before });
            }
            Kind::Message => {
                let message = self.bytes(false)?.map(|message| text(message, 1 << 10));
                self.body.message = self.body.message.take().or(message);
            }
            Kind::Group => {
                let group = self.bytes(false)?.map(|group| text(group, NAME_BYTES));
                self.body.group = self.body.group.take().or(group);
            }
            Kind::Acks => self.body.acks = Some(self.cursor.array().map(i16::from_be_bytes)?),
            Kind::Many(fields) | Kind::Each(fields) => {
                for _ in 0..self.length()?.unwrap_or(0) {
                    let before = self.cursor.rest().len();
                    if matches!(kind, Kind::Each(_)) {
                        self.plain_fields(fields)?
                    } else {
                        self.fields(fields)?
                    }
                    // Each takes a byte at least, whatever number of them was promised.
                    if self.cursor.rest().len() == before {
                        return None;
                    }
                }
            }
            Kind::Stop => return None,
        }
        Some(())
    }

    /// The length of an array; `None` inside for none.
    fn length(&mut self) -> Option<Option<u32>> {
        Some(if self.is_flexible {
            varint(&mut self.cursor)?.checked_sub(1)
        } else {
            u32::try_from(self.cursor.array().map(i32::from_be_bytes)?).ok()
        })
    }

    /// A text or bytes, or what is there of them; `None` inside for none.
    fn bytes(&mut self, is_blob: bool) -> Option<Option<&'a [u8]>> {
        let len = if self.is_flexible || is_blob {
            self.length()?
        } else {
            u32::try_from(self.cursor.array().map(i16::from_be_bytes)?).ok()
        };
        Some(len.map(|len| self.cursor.take_some(len as usize)))
    }
}

/// Passes over tagged fields.
pub(super) fn tags(cursor: &mut Cursor<'_>) -> Option<()> {
    for _ in 0..varint(cursor)? {
        varint(cursor)?;
        let len = varint(cursor)?;
        cursor.take(len as usize)?;
    }
    Some(())
}

/// An unsigned number, seven bits a byte, the lowest first.
fn varint(cursor: &mut Cursor<'_>) -> Option<u32> {
    let mut number = 0u32;
    for shift in [0, 7, 14, 21, 28] {
        let byte = cursor.u8()?;
        number |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
