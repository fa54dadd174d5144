//! Methods of AMQP 0-9-1 (and RabbitMQ's own): who sends them, what answers them, and the arguments that rows show.

use crate::l7::{
    cursor::Cursor,
    text::{self, lossy},
};

/// Bytes of a short text are 255 at most.
const SHORT_BYTES: usize = 255;

/// Bytes of a property or header that are shown.
const PROPERTY_BYTES: usize = 4 << 10;

/// Headers of a message that are shown.
const MAX_HEADERS: usize = 64;

/// Who sends a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    Client,
    Server,
    Both,
}

/// A method.
#[derive(Debug)]
pub(super) struct Method {
    class: u16,
    number: u16,
    pub(super) name: &'static str,
    pub(super) sender: Sender,
    /// What its reply is found by; none for a method that is not answered.
    pub(super) reply: Option<u16>,
    /// It is a reply itself.
    pub(super) answers: bool,
    pub(super) has_content: bool,
    arguments: &'static [Field],
}

/// An argument.
#[derive(Debug, Clone, Copy)]
enum Field {
    Skip(usize),
    /// A text that is not shown.
    Text,
    Exchange,
    RoutingKey,
    Queue,
    ConsumerTag,
    DeliveryTag,
    Redelivered,
    MessageCount,
    ConsumerCount,
    ReplyCode,
    ReplyText,
    /// Flags; the reply is not wanted if this bit is set.
    NoWait(u8),
}

use Field::{
    ConsumerCount, ConsumerTag, DeliveryTag, Exchange, MessageCount, NoWait, Queue, Redelivered, ReplyCode, ReplyText,
    RoutingKey, Skip, Text,
};
use Sender::{Both, Client, Server};

/// A method that is answered by the one of the next number, or not at all.
const fn ask(
    class: u16,
    number: u16,
    name: &'static str,
    sender: Sender,
    arguments: &'static [Field],
    reply: Option<u16>,
) -> Method {
    Method { class, number, name, sender, reply, answers: false, has_content: false, arguments }
}

const fn reply(class: u16, number: u16, name: &'static str, sender: Sender, arguments: &'static [Field]) -> Method {
    Method { class, number, name, sender, reply: None, answers: true, has_content: false, arguments }
}

const fn message(class: u16, number: u16, name: &'static str, sender: Sender, arguments: &'static [Field]) -> Method {
    Method { class, number, name, sender, reply: None, answers: false, has_content: true, arguments }
}

/// What a reply is found by: its class, and the number of the method that it answers.
const fn code(class: u16, number: u16) -> u16 {
    class << 8 | number
}

static METHODS: &[Method] = &[
    ask(10, 10, "connection.start", Server, &[], Some(code(10, 10))),
    reply(10, 11, "connection.start-ok", Client, &[]),
    ask(10, 20, "connection.secure", Server, &[], Some(code(10, 20))),
    reply(10, 21, "connection.secure-ok", Client, &[]),
    ask(10, 30, "connection.tune", Server, &[], Some(code(10, 30))),
    reply(10, 31, "connection.tune-ok", Client, &[]),
    ask(10, 40, "connection.open", Client, &[], Some(code(10, 40))),
    reply(10, 41, "connection.open-ok", Server, &[]),
    ask(10, 50, "connection.close", Both, &[ReplyCode, ReplyText], Some(code(10, 50))),
    reply(10, 51, "connection.close-ok", Both, &[]),
    ask(10, 60, "connection.blocked", Server, &[ReplyText], None),
    ask(10, 61, "connection.unblocked", Server, &[], None),
    ask(10, 70, "connection.update-secret", Client, &[], Some(code(10, 70))),
    reply(10, 71, "connection.update-secret-ok", Server, &[]),
    ask(20, 10, "channel.open", Client, &[], Some(code(20, 10))),
    reply(20, 11, "channel.open-ok", Server, &[]),
    ask(20, 20, "channel.flow", Both, &[], Some(code(20, 20))),
    reply(20, 21, "channel.flow-ok", Both, &[]),
    ask(20, 40, "channel.close", Both, &[ReplyCode, ReplyText], Some(code(20, 40))),
    reply(20, 41, "channel.close-ok", Both, &[]),
    ask(30, 10, "access.request", Client, &[], Some(code(30, 10))),
    reply(30, 11, "access.request-ok", Server, &[]),
    ask(40, 10, "exchange.declare", Client, &[Skip(2), Exchange, Text, NoWait(4)], Some(code(40, 10))),
    reply(40, 11, "exchange.declare-ok", Server, &[]),
    ask(40, 20, "exchange.delete", Client, &[Skip(2), Exchange, NoWait(1)], Some(code(40, 20))),
    reply(40, 21, "exchange.delete-ok", Server, &[]),
    ask(40, 30, "exchange.bind", Client, &[Skip(2), Exchange, Text, RoutingKey, NoWait(0)], Some(code(40, 30))),
    reply(40, 31, "exchange.bind-ok", Server, &[]),
    ask(40, 40, "exchange.unbind", Client, &[Skip(2), Exchange, Text, RoutingKey, NoWait(0)], Some(code(40, 40))),
    reply(40, 51, "exchange.unbind-ok", Server, &[]),
    ask(50, 10, "queue.declare", Client, &[Skip(2), Queue, NoWait(4)], Some(code(50, 10))),
    reply(50, 11, "queue.declare-ok", Server, &[Queue, MessageCount, ConsumerCount]),
    ask(50, 20, "queue.bind", Client, &[Skip(2), Queue, Exchange, RoutingKey, NoWait(0)], Some(code(50, 20))),
    reply(50, 21, "queue.bind-ok", Server, &[]),
    ask(50, 30, "queue.purge", Client, &[Skip(2), Queue, NoWait(0)], Some(code(50, 30))),
    reply(50, 31, "queue.purge-ok", Server, &[MessageCount]),
    ask(50, 40, "queue.delete", Client, &[Skip(2), Queue, NoWait(2)], Some(code(50, 40))),
    reply(50, 41, "queue.delete-ok", Server, &[MessageCount]),
    ask(50, 50, "queue.unbind", Client, &[Skip(2), Queue, Exchange, RoutingKey], Some(code(50, 50))),
    reply(50, 51, "queue.unbind-ok", Server, &[]),
    ask(60, 10, "basic.qos", Client, &[], Some(code(60, 10))),
    reply(60, 11, "basic.qos-ok", Server, &[]),
    ask(60, 20, "basic.consume", Client, &[Skip(2), Queue, ConsumerTag, NoWait(3)], Some(code(60, 20))),
    reply(60, 21, "basic.consume-ok", Server, &[ConsumerTag]),
    ask(60, 30, "basic.cancel", Both, &[ConsumerTag, NoWait(0)], Some(code(60, 30))),
    reply(60, 31, "basic.cancel-ok", Both, &[ConsumerTag]),
    message(60, 40, "basic.publish", Client, &[Skip(2), Exchange, RoutingKey]),
    message(60, 50, "basic.return", Server, &[ReplyCode, ReplyText, Exchange, RoutingKey]),
    message(60, 60, "basic.deliver", Server, &[ConsumerTag, DeliveryTag, Redelivered, Exchange, RoutingKey]),
    ask(60, 70, "basic.get", Client, &[Skip(2), Queue], Some(code(60, 70))),
    Method {
        class: 60,
        number: 71,
        name: "basic.get-ok",
        sender: Server,
        reply: None,
        answers: true,
        has_content: true,
        arguments: &[DeliveryTag, Redelivered, Exchange, RoutingKey, MessageCount],
    },
    reply(60, 72, "basic.get-empty", Server, &[]),
    // Of a publisher's message with confirms these come from the server.
    ask(60, 80, "basic.ack", Both, &[DeliveryTag], None),
    ask(60, 90, "basic.reject", Client, &[DeliveryTag], None),
    ask(60, 100, "basic.recover-async", Client, &[], None),
    ask(60, 110, "basic.recover", Client, &[], Some(code(60, 110))),
    reply(60, 111, "basic.recover-ok", Server, &[]),
    ask(60, 120, "basic.nack", Both, &[DeliveryTag], None),
    ask(85, 10, "confirm.select", Client, &[NoWait(0)], Some(code(85, 10))),
    reply(85, 11, "confirm.select-ok", Server, &[]),
    ask(90, 10, "tx.select", Client, &[], Some(code(90, 10))),
    ask(90, 20, "tx.commit", Client, &[], Some(code(90, 20))),
    ask(90, 30, "tx.rollback", Client, &[], Some(code(90, 30))),
    reply(90, 11, "tx.select-ok", Server, &[]),
    reply(90, 21, "tx.commit-ok", Server, &[]),
    reply(90, 31, "tx.rollback-ok", Server, &[]),
];

impl Method {
    pub(super) fn of(class: u16, number: u16) -> Option<&'static Method> {
        METHODS.iter().find(|method| (method.class, method.number) == (class, number))
    }

    /// What this, a reply, is found by: methods have tens, and their replies what is next to them.
    pub(super) fn code(&self) -> u16 {
        let asked = if (self.class, self.number) == (40, 51) { 40 } else { self.number / 10 * 10 };
        code(self.class, asked)
    }
}

/// What rows show of a method's arguments.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    pub(super) exchange: Option<String>,
    pub(super) routing_key: Option<String>,
    pub(super) queue: Option<String>,
    pub(super) consumer_tag: Option<String>,
    pub(super) delivery_tag: Option<u64>,
    pub(super) redelivered: Option<bool>,
    pub(super) message_count: Option<u64>,
    pub(super) consumer_count: Option<u64>,
    pub(super) reply_code: Option<u16>,
    pub(super) reply_text: Option<String>,
    pub(super) no_wait: bool,
}

/// A text behind its length of one byte.
fn short(cursor: &mut Cursor<'_>) -> Option<String> {
    let len = cursor.u8()?;
    cursor.take(usize::from(len)).map(|bytes| lossy(bytes, SHORT_BYTES))
}

impl Arguments {
    /// Reads what is there.
    pub(super) fn of(method: &Method, mut cursor: Cursor<'_>) -> Arguments {
        let mut arguments = Arguments::default();
        for field in method.arguments {
            if arguments.read(*field, &mut cursor).is_none() {
                break;
            }
        }
        arguments
    }

    fn read(&mut self, field: Field, cursor: &mut Cursor<'_>) -> Option<()> {
        match field {
            Skip(len) => cursor.take(len).map(drop)?,
            Text => short(cursor).map(drop)?,
            Exchange => self.exchange = Some(short(cursor)?),
            RoutingKey => self.routing_key = Some(short(cursor)?),
            Queue => self.queue = Some(short(cursor)?),
            ConsumerTag => self.consumer_tag = Some(short(cursor)?),
            ReplyText => self.reply_text = Some(short(cursor)?),
            DeliveryTag => self.delivery_tag = Some(cursor.u64()?),
            Redelivered => self.redelivered = Some(cursor.u8()? & 1 == 1),
            MessageCount => self.message_count = Some(u64::from(cursor.u32()?)),
            ConsumerCount => self.consumer_count = Some(u64::from(cursor.u32()?)),
            ReplyCode => self.reply_code = Some(cursor.u16()?),
            NoWait(bit) => self.no_wait = cursor.u8()? & 1 << bit != 0,
        }
        Some(())
    }

    pub(super) fn size_bytes(&self) -> usize {
        let texts = [&self.exchange, &self.routing_key, &self.queue, &self.consumer_tag, &self.reply_text];
        text::size_bytes(texts.into_iter().flatten())
    }
}

/// Properties of a message.
#[derive(Debug, Default)]
pub(super) struct Properties {
    pub(super) content_type: Option<String>,
    /// Name and value; headers behind "headers.".
    pub(super) others: Vec<(String, String)>,
}

impl Properties {
    /// Reads what is there, by the flags that stand before it.
    pub(super) fn of(mut cursor: Cursor<'_>) -> Properties {
        let mut properties = Properties::default();
        let _ = properties.read(&mut cursor);
        properties
    }

    fn read(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        const NAMES: [&str; 14] = [
            "content_type",
            "content_encoding",
            "headers",
            "delivery_mode",
            "priority",
            "correlation_id",
            "reply_to",
            "expiration",
            "message_id",
            "timestamp",
            "type",
            "user_id",
            "app_id",
            "cluster_id",
        ];
        let flags = cursor.u16()?;
        for (name, bit) in NAMES.iter().zip((2..16).rev()) {
            if flags & 1 << bit == 0 {
                continue;
            }
            let value = match *name {
                "headers" => {
                    let len = cursor.u32()? as usize;
                    let _ = self.headers(Cursor::new(cursor.take_some(len)));
                    continue;
                }
                "delivery_mode" | "priority" => cursor.u8()?.to_string(),
                "timestamp" => cursor.u64()?.to_string(),
                "content_type" => {
                    self.content_type = Some(short(cursor)?);
                    continue;
                }
                _ => short(cursor)?,
            };
            self.others.push(((*name).to_owned(), value));
        }
        Some(())
    }

    /// A table: names, types and values. What is within a value that is a table or array itself is not shown.
    fn headers(&mut self, mut cursor: Cursor<'_>) -> Option<()> {
        for _ in 0..MAX_HEADERS {
            let name = short(&mut cursor)?;
            let value = match cursor.u8()? {
                b't' => (cursor.u8()? != 0).to_string(),
                b'b' => i8::from_be_bytes(cursor.array()?).to_string(),
                b'B' => cursor.u8()?.to_string(),
                b's' | b'U' => i16::from_be_bytes(cursor.array()?).to_string(),
                b'u' => cursor.u16()?.to_string(),
                b'I' => i32::from_be_bytes(cursor.array()?).to_string(),
                b'i' => cursor.u32()?.to_string(),
                b'l' | b'L' => i64::from_be_bytes(cursor.array()?).to_string(),
                b'T' => cursor.u64()?.to_string(),
                b'f' => f32::from_be_bytes(cursor.array()?).to_string(),
                b'd' => f64::from_be_bytes(cursor.array()?).to_string(),
                b'D' => {
                    let (scale, number) = (cursor.u8()?, i32::from_be_bytes(cursor.array()?));
                    format!("{number}e-{scale}")
                }
                b'S' | b'x' => {
                    let len = cursor.u32()? as usize;
                    lossy(cursor.take_some(len), PROPERTY_BYTES)
                }
                b'F' | b'A' => {
                    let len = cursor.u32()? as usize;
                    cursor.take_some(len);
                    continue;
                }
                b'V' => String::new(),
                _ => return None,
            };
            self.others.push((format!("headers.{name}"), value));
        }
        Some(())
    }

    pub(super) fn size_bytes(&self) -> usize {
        text::map_size_bytes(&self.others)
    }
}
