//! What an MQTT control packet says (MQTT 3.1.1 and 5, sections 2 and 3).

use std::borrow::Cow;

use crate::l7::{cursor::Cursor, framed::Message, text};

/// Bytes of a topic, a name or a reason kept: what its length can say is 64 KiB.
const MAX_TEXT_BYTES: usize = 4 << 10;

/// Topic filters, and user properties, kept of a packet.
const MAX_TOPICS: usize = 128;
const MAX_PROPERTIES: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Connect,
    Connack,
    Publish,
    Puback,
    Pubrec,
    Pubrel,
    Pubcomp,
    Subscribe,
    Suback,
    Unsubscribe,
    Unsuback,
    Pingreq,
    Pingresp,
    Disconnect,
    Auth,
}

/// How much follows the fixed header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Unknown,
    Bad,
    Is { digits: usize, len: u32 },
}

#[derive(Debug)]
pub(super) struct Packet {
    pub(super) kind: Kind,
    pub(super) id: Option<u16>,
    pub(super) version: Option<u8>,
    pub(super) client_id: Option<String>,
    pub(super) user_name: Option<String>,
    pub(super) keep_alive_s: Option<u16>,
    pub(super) clean_start: Option<bool>,
    pub(super) will_topic: Option<String>,
    pub(super) topic: Option<String>,
    pub(super) topic_alias: Option<u16>,
    pub(super) qos: Option<u8>,
    pub(super) retain: Option<bool>,
    pub(super) duplicate: Option<bool>,
    pub(super) payload_bytes: Option<i64>,
    pub(super) payload: Option<String>,
    pub(super) topics: Option<Vec<String>>,
    pub(super) reason_code: Option<u8>,
    pub(super) reason: Option<String>,
    pub(super) session_present: Option<bool>,
    pub(super) user_properties: Vec<(String, String)>,
    pub(super) malformed: bool,
}

/// Whether a packet may begin with this byte: a type, and the flags that it must have.
pub(super) fn is_first(byte: u8) -> bool {
    match byte >> 4 {
        3 => byte & 6 != 6,
        6 | 8 | 10 => byte & 0xf == 2,
        1..=15 => byte & 0xf == 0,
        _ => false,
    }
}

/// A number of up to four digits of seven bits, the lowest first.
pub(super) fn length(bytes: &[u8]) -> Length {
    let mut len = 0;
    for (at, byte) in bytes.iter().take(4).enumerate() {
        len |= u32::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Length::Is { digits: at + 1, len };
        }
    }
    if bytes.len() < 4 { Length::Unknown } else { Length::Bad }
}

impl Kind {
    fn of(first: u8) -> Option<Kind> {
        use Kind::*;
        const KINDS: [Kind; 15] = [
            Connect,
            Connack,
            Publish,
            Puback,
            Pubrec,
            Pubrel,
            Pubcomp,
            Subscribe,
            Suback,
            Unsubscribe,
            Unsuback,
            Pingreq,
            Pingresp,
            Disconnect,
            Auth,
        ];
        KINDS.get(usize::from(first >> 4).checked_sub(1)?).copied()
    }

    /// What is answered by it; itself if nothing is.
    pub(super) fn of_question(self) -> Kind {
        match self {
            Kind::Connack => Kind::Connect,
            Kind::Puback | Kind::Pubrec | Kind::Pubrel | Kind::Pubcomp => Kind::Publish,
            Kind::Suback => Kind::Subscribe,
            Kind::Unsuback => Kind::Unsubscribe,
            Kind::Pingresp => Kind::Pingreq,
            other => other,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Connect => "CONNECT",
            Kind::Connack => "CONNACK",
            Kind::Publish => "PUBLISH",
            Kind::Puback => "PUBACK",
            Kind::Pubrec => "PUBREC",
            Kind::Pubrel => "PUBREL",
            Kind::Pubcomp => "PUBCOMP",
            Kind::Subscribe => "SUBSCRIBE",
            Kind::Suback => "SUBACK",
            Kind::Unsubscribe => "UNSUBSCRIBE",
            Kind::Unsuback => "UNSUBACK",
            Kind::Pingreq => "PINGREQ",
            Kind::Pingresp => "PINGRESP",
            Kind::Disconnect => "DISCONNECT",
            Kind::Auth => "AUTH",
        }
    }
}

impl Packet {
    /// `None` for a type that is none. A packet that is cut is read as far as it goes.
    pub(super) fn parse(message: &Message<'_>, is_v5: bool, body_limit: usize) -> Option<Packet> {
        let (first, rest) = message.bytes.split_first()?;
        let Length::Is { digits, .. } = length(rest) else { return None };
        let mut packet = Packet::new(Kind::of(*first)?);
        let cursor = &mut Cursor::new(rest.get(digits..)?);
        let missing = message.len.saturating_sub(message.bytes.len() as u64);
        let read = match packet.kind {
            Kind::Connect => packet.connect(cursor),
            Kind::Connack => packet.connack(cursor, is_v5),
            Kind::Publish => packet.publish(*first, cursor, is_v5, missing, body_limit),
            Kind::Subscribe | Kind::Unsubscribe => packet.filters(cursor, is_v5),
            Kind::Suback | Kind::Unsuback => packet.suback(cursor, is_v5),
            Kind::Disconnect | Kind::Auth => packet.reasoned(cursor),
            Kind::Pingreq | Kind::Pingresp => Some(()),
            Kind::Puback | Kind::Pubrec | Kind::Pubrel | Kind::Pubcomp => {
                packet.id = cursor.u16();
                packet.reason_code = Some(0);
                packet.id.and_then(|_| packet.reasoned(cursor))
            }
        };
        packet.malformed = read.is_none() && missing == 0;
        Some(packet)
    }

    fn new(kind: Kind) -> Packet {
        Packet {
            kind,
            id: None,
            version: None,
            client_id: None,
            user_name: None,
            keep_alive_s: None,
            clean_start: None,
            will_topic: None,
            topic: None,
            topic_alias: None,
            qos: None,
            retain: None,
            duplicate: None,
            payload_bytes: None,
            payload: None,
            topics: None,
            reason_code: None,
            reason: None,
            session_present: None,
            user_properties: Vec::new(),
            malformed: false,
        }
    }

    fn connect(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        field(cursor)?;
        let (version, flags) = (cursor.u8()?, cursor.u8()?);
        self.version = Some(version);
        self.clean_start = Some(flags & 2 != 0);
        self.keep_alive_s = Some(cursor.u16()?);
        if version == 5 {
            self.properties(cursor)?;
        }
        self.client_id = Some(string(cursor)?);
        if flags & 4 != 0 {
            if version == 5 {
                // The will's own.
                let len = variable(cursor)?;
                cursor.take(len)?;
            }
            self.will_topic = Some(string(cursor)?);
            field(cursor)?;
        }
        if flags & 0x80 != 0 {
            self.user_name = Some(string(cursor)?);
        }
        Some(())
    }

    fn connack(&mut self, cursor: &mut Cursor<'_>, is_v5: bool) -> Option<()> {
        self.session_present = Some(cursor.u8()? & 1 != 0);
        self.reason_code = Some(cursor.u8()?);
        if is_v5 { self.properties(cursor) } else { Some(()) }
    }

    fn publish(
        &mut self,
        first: u8,
        cursor: &mut Cursor<'_>,
        is_v5: bool,
        missing: u64,
        body_limit: usize,
    ) -> Option<()> {
        let qos = first >> 1 & 3;
        self.qos = Some(qos);
        self.retain = Some(first & 1 != 0);
        self.duplicate = Some(first & 8 != 0);
        self.topic = Some(string(cursor)?);
        if qos > 0 {
            self.id = Some(cursor.u16()?);
        }
        if is_v5 {
            self.properties(cursor)?;
        }
        let payload = cursor.rest();
        self.payload_bytes = i64::try_from(payload.len() as u64 + missing).ok();
        self.payload = Some(text::text_or_hex(payload.get(..body_limit).unwrap_or(payload), body_limit));
        Some(())
    }

    fn filters(&mut self, cursor: &mut Cursor<'_>, is_v5: bool) -> Option<()> {
        self.id = Some(cursor.u16()?);
        if is_v5 {
            self.properties(cursor)?;
        }
        let mut topics = Vec::new();
        while !cursor.is_empty() && topics.len() < MAX_TOPICS {
            topics.push(string(cursor)?);
            if self.kind == Kind::Subscribe {
                let options = cursor.u8()?;
                self.qos = self.qos.max(Some(options & 3));
            }
        }
        self.topics = Some(topics);
        Some(())
    }

    fn suback(&mut self, cursor: &mut Cursor<'_>, is_v5: bool) -> Option<()> {
        self.id = Some(cursor.u16()?);
        if is_v5 {
            self.properties(cursor)?;
        }
        let codes = cursor.rest();
        let failed = codes.iter().find(|code| **code >= 0x80);
        self.reason_code = failed.or(codes.first()).copied().or(Some(0));
        Some(())
    }

    /// A reason code and properties, both of which may be missing: success then.
    fn reasoned(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        self.reason_code = Some(cursor.u8().unwrap_or(0));
        if cursor.is_empty() { Some(()) } else { self.properties(cursor) }
    }

    /// Properties (MQTT 5 section 2.2.2): those that are columns are kept.
    fn properties(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        let len = variable(cursor)?;
        let mut properties = Cursor::new(cursor.take(len)?);
        while let Some(id) = properties.u8() {
            match id {
                0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2a => drop(properties.u8()?),
                0x13 | 0x21 | 0x22 => drop(properties.u16()?),
                0x23 => self.topic_alias = Some(properties.u16()?),
                0x02 | 0x11 | 0x18 | 0x27 => drop(properties.u32()?),
                0x0b => drop(variable(&mut properties)?),
                0x12 => self.client_id = Some(string(&mut properties)?),
                0x1f => self.reason = Some(string(&mut properties)?),
                0x03 | 0x08 | 0x09 | 0x15 | 0x16 | 0x1a | 0x1c => drop(field(&mut properties)?),
                0x26 => {
                    let pair = (string(&mut properties)?, string(&mut properties)?);
                    if self.user_properties.len() < MAX_PROPERTIES {
                        self.user_properties.push(pair);
                    }
                }
                _ => return None,
            }
        }
        Some(())
    }

    /// Whether nobody answers it.
    pub(super) fn is_silent(&self) -> bool {
        match self.kind {
            Kind::Publish => self.id.is_none(),
            Kind::Disconnect | Kind::Auth => true,
            _ => false,
        }
    }

    pub(super) fn size_bytes(&self) -> usize {
        let texts = [&self.client_id, &self.user_name, &self.will_topic, &self.topic, &self.payload, &self.reason];
        text::size_bytes(texts.into_iter().flatten())
            + self.topics.as_ref().map_or(0, text::size_bytes)
            + text::map_size_bytes(&self.user_properties)
    }
}

/// A length of two bytes, and so many bytes.
fn field<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let len = cursor.u16()?;
    cursor.take(usize::from(len))
}

fn string(cursor: &mut Cursor<'_>) -> Option<String> {
    field(cursor).map(|bytes| text::lossy(bytes, MAX_TEXT_BYTES))
}

fn variable(cursor: &mut Cursor<'_>) -> Option<usize> {
    let Length::Is { digits, len } = length(cursor.rest()) else { return None };
    cursor.take(digits)?;
    usize::try_from(len).ok()
}

/// MQTT 3.1.1 sections 3.2.2.3 and 3.9.3, MQTT 5 section 2.4.
pub(super) fn reason_name(kind: Kind, is_v5: bool, code: u8) -> Cow<'static, str> {
    let kind = kind.of_question();
    Cow::Borrowed(match (kind, code) {
        (Kind::Connect, 1) => "unacceptable protocol version",
        (Kind::Connect, 2) => "identifier rejected",
        (Kind::Connect, 3) => "server unavailable",
        (Kind::Connect, 4) if !is_v5 => "bad user name or password",
        (Kind::Connect, 5) if !is_v5 => "not authorized",
        (Kind::Subscribe, 0x80) if !is_v5 => "failure",
        (Kind::Subscribe, 0) => "granted QoS 0",
        (Kind::Subscribe, 1) => "granted QoS 1",
        (Kind::Subscribe, 2) => "granted QoS 2",
        (Kind::Disconnect, 0) => "normal disconnection",
        (_, 0) => "success",
        (Kind::Disconnect, 0x04) => "disconnect with will message",
        (_, 0x10) => "no matching subscribers",
        (_, 0x11) => "no subscription existed",
        (_, 0x18) => "continue authentication",
        (_, 0x19) => "re-authenticate",
        (_, 0x80) => "unspecified error",
        (_, 0x81) => "malformed packet",
        (_, 0x82) => "protocol error",
        (_, 0x83) => "implementation specific error",
        (_, 0x84) => "unsupported protocol version",
        (_, 0x85) => "client identifier not valid",
        (_, 0x86) => "bad user name or password",
        (_, 0x87) => "not authorized",
        (_, 0x88) => "server unavailable",
        (_, 0x89) => "server busy",
        (_, 0x8a) => "banned",
        (_, 0x8b) => "server shutting down",
        (_, 0x8c) => "bad authentication method",
        (_, 0x8d) => "keep alive timeout",
        (_, 0x8e) => "session taken over",
        (_, 0x8f) => "topic filter invalid",
        (_, 0x90) => "topic name invalid",
        (_, 0x91) => "packet identifier in use",
        (_, 0x92) => "packet identifier not found",
        (_, 0x93) => "receive maximum exceeded",
        (_, 0x94) => "topic alias invalid",
        (_, 0x95) => "packet too large",
        (_, 0x96) => "message rate too high",
        (_, 0x97) => "quota exceeded",
        (_, 0x98) => "administrative action",
        (_, 0x99) => "payload format invalid",
        (_, 0x9a) => "retain not supported",
        (_, 0x9b) => "QoS not supported",
        (_, 0x9c) => "use another server",
        (_, 0x9d) => "server moved",
        (_, 0x9e) => "shared subscriptions not supported",
        (_, 0x9f) => "connection rate exceeded",
        (_, 0xa0) => "maximum connect time",
        (_, 0xa1) => "subscription identifiers not supported",
        (_, 0xa2) => "wildcard subscriptions not supported",
        (_, other) => return Cow::Owned(other.to_string()),
    })
}
