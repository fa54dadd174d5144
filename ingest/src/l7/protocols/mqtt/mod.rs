//! MQTT 3.1, 3.1.1 and 5 over TCP. Both ends publish; what is answered carries a packet identifier.

use wiretape_engine::column::{Bool, I64, Symbol, Text, TextList, TextMap, U8, U16};

use crate::{
    flow::Way,
    l7::{
        call::{Call, CallColumns, CallRow, ErrorType, Half, call_table},
        dissector::End,
        framed::{Frame, Framed, Message, Messages},
        out::Out,
        protocol::{Hint, Over, Protocol},
        stamp::Stamp,
        text,
        waiting::Waiting,
    },
};
use packet::{Kind, Packet};

mod packet;
#[cfg(test)]
mod tests;

call_table! {
    /// One row per MQTT packet with what acknowledges it. method is the packet's type, target its topic or the client's id, status the reason code's name.
    pub static MQTT: "mqtt", row MqttRow, builder MqttBuilder {
        /// Version of the protocol: 3.1, 3.1.1 or 5; NULL where the CONNECT was not seen.
        version: Option<Symbol>,
        /// Client identifier of the connection; the one that the server assigns, if it does.
        client_id: Option<Text>,
        /// User name of a CONNECT.
        user_name: Option<Text>,
        /// Keep alive of a CONNECT, seconds.
        keep_alive_s: Option<U16>,
        /// Whether a CONNECT begins a new session (clean session, clean start).
        clean_start: Option<Bool>,
        /// Topic of the will of a CONNECT.
        will_topic: Option<Text>,
        /// Packet identifier; NULL for packets without.
        packet_identifier: Option<U16>,
        /// Topic of a PUBLISH; of one that has only an alias (version 5), the topic it stands for.
        topic: Option<Text>,
        /// Quality of service of a PUBLISH: 0 at most once, 1 at least once, 2 exactly once.
        qos: Option<U8>,
        /// The message is retained for later subscribers.
        retain: Option<Bool>,
        /// It is sent again.
        duplicate: Option<Bool>,
        /// Bytes of the message that a PUBLISH carries.
        payload_bytes: Option<I64>,
        /// The message: text, or hex of what is no text, up to the limit of bodies.
        payload: Option<Text>,
        /// Topic filters of a SUBSCRIBE or UNSUBSCRIBE.
        topics: Option<TextList>,
        /// Reason code of the acknowledgement or DISCONNECT (return code in version 3); of a SUBACK, its first failure or else its first. NULL without.
        reason_code: Option<U8>,
        /// Reason that the server gives as text (version 5).
        reason: Option<Text>,
        /// Whether the server has a session of this client (CONNACK).
        session_present: Option<Bool>,
        /// User properties of the packet (version 5).
        user_properties: Option<TextMap>,
    }
    entry "call" { "mqtt" = "true" }
}

/// Bytes of a packet that are read: a message of the default limit of bodies and its header.
const MAX_PACKET_BYTES: usize = 128 << 10;

/// Topic aliases remembered of a direction (version 5); a server allows few.
const MAX_ALIASES: usize = 64;

/// Over TCP.
pub(crate) static PROTOCOL: Protocol = Protocol {
    name: "mqtt",
    over: Over::Tcp,
    probe,
    dissect: Some(|| Box::new(Framed::new(Mqtt::default()))),
    tables: &[(&MQTT, || Box::new(MqttBuilder::default()))],
};

/// CONNECT with the protocol name of version 3.1, 3.1.1 or 5.
fn probe(_: &Hint, p: &[u8]) -> bool {
    let Some((0x10, rest)) = p.split_first().map(|(first, rest)| (*first, rest)) else { return false };
    let digits = rest.iter().take(3).take_while(|byte| **byte & 0x80 != 0).count();
    let name = rest.get(digits + 1..).unwrap_or_default();
    name.starts_with(b"\0\x04MQTT") || name.starts_with(b"\0\x06MQIsdp")
}

/// What the answer to a packet has of it: its type, and the packet identifier where it has one.
type Key = (Way, Kind, u16);

/// A connection.
#[derive(Debug, Default)]
struct Mqtt {
    /// 3, 4 or 5.
    version: Option<u8>,
    client_id: Option<String>,
    waiting: Waiting<Key, Asked>,
    aliases: Vec<(Way, u16, String)>,
}

/// A packet that waits.
#[derive(Debug)]
struct Asked {
    way: Way,
    half: Half,
    packet: Packet,
    /// The first step of the acknowledgement of quality of service 2.
    received: Option<Half>,
}

impl Mqtt {
    fn ask(&mut self, way: Way, half: Half, packet: Packet, out: &mut Out<'_>) {
        let key = (way, packet.kind, packet.id.unwrap_or(0));
        let limit = out.limits().pending_calls;
        if let Some(given_up) = self.waiting.ask(key, Asked { way, half, packet, received: None }, limit) {
            out.count_dropped_call();
            self.emit(Some(&given_up), None, out);
        }
    }

    /// `asked_for` is what this packet answers.
    fn answer(&mut self, way: Way, half: Half, packet: &Packet, asked_for: Kind, out: &mut Out<'_>) {
        let asked = self.waiting.answer(&(way.back(), asked_for, packet.id.unwrap_or(0)));
        if packet.kind == Kind::Connack && packet.client_id.is_some() {
            self.client_id.clone_from(&packet.client_id);
        }
        self.emit(asked.as_ref(), Some((way, half, packet)), out);
    }

    /// PUBREC and PUBREL: steps on the way to PUBCOMP.
    fn step(&mut self, way: Way, half: Half, packet: &Packet, out: &mut Out<'_>) {
        let publisher = if packet.kind == Kind::Pubrec { way.back() } else { way };
        let key = (publisher, Kind::Publish, packet.id.unwrap_or(0));
        if packet.kind == Kind::Pubrec {
            if packet.reason_code.is_some_and(|code| code >= 0x80) {
                return self.answer(way, half, packet, Kind::Publish, out);
            }
            if let Some(asked) = self.waiting.find(&key) {
                asked.received = Some(half);
            }
        }
    }

    fn emit(&self, asked: Option<&Asked>, answer: Option<(Way, Half, &Packet)>, out: &mut Out<'_>) {
        let request = asked.map(|a| &a.packet);
        let response = answer.map(|(_, _, packet)| packet);
        let Some(first) = request.or(response) else { return };
        let response_half = answer.map(|(_, half, _)| match asked.and_then(|a| a.received) {
            Some(received) => Half { span: received.span.until(half.span.last), bytes: received.bytes + half.bytes },
            None => half,
        });
        let said = response.or(request.filter(|p| p.kind == Kind::Disconnect));
        let reason = said.and_then(|p| p.reason_code);
        let is_v5 = self.version == Some(5);
        let status = reason.map(|code| packet::reason_name(first.kind, is_v5, code));
        let topics = request.and_then(|p| p.topics.as_deref()).map(text::refs);
        let client_id = self.client_id.as_deref().filter(|id| !id.is_empty());
        let topic = request.and_then(|p| p.topic.as_deref());
        let subscribed = request.and_then(|p| p.topics.as_ref()?.first()).map(String::as_str);
        let with_properties = [request, response].into_iter().flatten().find(|p| !p.user_properties.is_empty());
        let user_properties = with_properties.map(|p| text::pairs(&p.user_properties));
        let is_connect = request.is_some_and(|p| p.kind == Kind::Connect);
        let malformed = [request, response].iter().flatten().any(|p| p.malformed);
        let call = Call {
            app_proto: "mqtt",
            client: asked.map(|a| a.way).or(answer.map(|(way, ..)| way.back())).unwrap_or(Way::Out),
            request: asked.map(|a| a.half),
            response: response_half,
            method: Some(first.kind.of_question().name()),
            target: topic.or(subscribed).or(client_id.filter(|_| is_connect)),
            status: status.as_deref(),
            error_type: malformed.then_some(ErrorType::Malformed),
        };
        let row = MqttRow {
            version: self.version.and_then(version_name),
            client_id,
            user_name: request.and_then(|p| p.user_name.as_deref()),
            keep_alive_s: request.and_then(|p| p.keep_alive_s),
            clean_start: request.and_then(|p| p.clean_start),
            will_topic: request.and_then(|p| p.will_topic.as_deref()),
            packet_identifier: first.id,
            topic,
            qos: request.and_then(|p| p.qos),
            retain: request.and_then(|p| p.retain),
            duplicate: request.and_then(|p| p.duplicate),
            payload_bytes: request.and_then(|p| p.payload_bytes),
            payload: request.and_then(|p| p.payload.as_deref()),
            topics: topics.as_deref(),
            reason_code: reason,
            reason: said.and_then(|p| p.reason.as_deref()),
            session_present: response.and_then(|p| p.session_present),
            user_properties: user_properties.as_deref(),
        };
        let is_silent = request.is_some_and(Packet::is_silent);
        if is_silent { out.emit_one_way::<MqttBuilder>(&call, row) } else { out.emit::<MqttBuilder>(&call, row) }
    }

    /// Topics that a number stands for (version 5).
    fn alias(&mut self, way: Way, packet: &mut Packet) {
        let Some(alias) = packet.topic_alias else { return };
        let room = self.aliases.len() < MAX_ALIASES;
        let known = self.aliases.iter_mut().find(|(of, number, _)| (*of, *number) == (way, alias));
        let topic = packet.topic.clone().filter(|topic| !topic.is_empty());
        match (topic, known) {
            (Some(topic), Some(known)) => known.2 = topic,
            (Some(topic), None) if room => self.aliases.push((way, alias, topic)),
            (None, Some(known)) => packet.topic = Some(known.2.clone()),
            _ => {}
        }
    }
}

impl Messages for Mqtt {
    const MAX_BYTES: usize = MAX_PACKET_BYTES;

    fn frame(&mut self, _: Way, head: &[u8]) -> Frame {
        let Some((first, rest)) = head.split_first() else { return Frame::Unknown };
        if !packet::is_first(*first) {
            return Frame::Garbage;
        }
        match packet::length(rest) {
            packet::Length::Unknown => Frame::Unknown,
            packet::Length::Bad => Frame::Garbage,
            packet::Length::Is { digits, len } => Frame::Is(1 + digits as u64 + u64::from(len)),
        }
    }

    fn message(&mut self, way: Way, message: Message<'_>, out: &mut Out<'_>) {
        let half = Half { span: message.span, bytes: message.len };
        let body_limit = out.limits().body_bytes;
        let Some(mut packet) = Packet::parse(&message, self.version == Some(5), body_limit) else { return };
        match packet.kind {
            Kind::Connect => {
                self.version = packet.version;
                self.client_id.clone_from(&packet.client_id);
                self.ask(way, half, packet, out);
            }
            Kind::Publish => {
                self.alias(way, &mut packet);
                if packet.is_silent() {
                    return self.emit(Some(&Asked { way, half, packet, received: None }), None, out);
                }
                self.ask(way, half, packet, out);
            }
            Kind::Subscribe | Kind::Unsubscribe | Kind::Pingreq => self.ask(way, half, packet, out),
            Kind::Disconnect | Kind::Auth => self.emit(Some(&Asked { way, half, packet, received: None }), None, out),
            Kind::Pubrec | Kind::Pubrel => self.step(way, half, &packet, out),
            Kind::Connack | Kind::Puback | Kind::Pubcomp | Kind::Suback | Kind::Unsuback | Kind::Pingresp => {
                self.answer(way, half, &packet, packet.kind.of_question(), out);
            }
        }
    }

    fn lost(&mut self, _: Way, _: Stamp, _: &mut Out<'_>) {}

    fn begins(&self, _: Way, head: &[u8]) -> bool {
        let [first, rest @ ..] = head else { return false };
        let fits = |len: u32, digits: usize| len as usize + digits <= rest.len();
        packet::is_first(*first)
            && matches!(packet::length(rest), packet::Length::Is { digits, len } if fits(len, digits))
    }

    fn end(&mut self, _: End, out: &mut Out<'_>) {
        while let Some(asked) = self.waiting.take() {
            self.emit(Some(&asked), None, out);
        }
    }

    fn size_bytes(&self) -> usize {
        let aliases: usize =
            self.aliases.iter().map(|(_, _, topic)| size_of::<(Way, u16, String)>() + topic.capacity()).sum();
        self.waiting.size_bytes(|asked| asked.packet.size_bytes()) + aliases + text::size_bytes(&self.client_id)
    }
}

fn version_name(version: u8) -> Option<&'static str> {
    match version {
        3 => Some("3.1"),
        4 => Some("3.1.1"),
        5 => Some("5"),
        _ => None,
    }
}
