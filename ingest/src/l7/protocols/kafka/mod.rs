//! Kafka: requests of every kind with their responses, by correlation id. Of what is in them topics, partitions, groups and errors
//! are read, not the records.

use hashbrown::HashMap;
use wiretape_engine::column::{I64, Symbol, Text, TextList, U16};

use crate::{
    flow::Way,
    l7::{
        call::{Call, CallColumns, CallRow, ErrorType, Half, call_table},
        cursor::Cursor,
        dissector::End,
        framed::{Frame, Framed, Message, Messages},
        out::Out,
        protocol::{Hint, Over, Protocol},
        stamp::Stamp,
        text::{lossy as text, refs},
        waiting::Waiting,
    },
};

mod api;
mod body;

use api::{Api, error_name};
use body::{Body, NAME_BYTES, Topic};

call_table! {
    /// One row per Kafka request with its response. method is the request's name, target its first topic or its group, status OK or
    /// the name of the first error.
    pub static KAFKA: "kafka", row KafkaRow, builder KafkaBuilder {
        /// Number of the request's kind; NULL where it was not seen.
        api_key: Option<U16>,
        /// Its name: Produce, Fetch, Metadata, ….
        api_key_name: Option<Symbol>,
        /// Version of the request.
        api_version: Option<U16>,
        /// What ties the response to the request.
        correlation_id: I64,
        /// What the client calls itself.
        client_id: Option<Symbol>,
        /// Topics of the request, or of the response where the request names none; an id where the name is not known. At most 256.
        topics: TextList,
        /// Their partitions, as topic-number. At most 256.
        partitions: TextList,
        /// The first topic.
        topic: Option<Symbol>,
        /// The first partition.
        partition: Option<I64>,
        /// The group, or what else a coordinator is asked for.
        consumer_group: Option<Symbol>,
        /// Acknowledgements that a producer wants: -1 of all replicas, 1, or 0 for no response.
        acks: Option<I64>,
        /// Number of the first error in the response, 0 for none; NULL without a response, or where its errors are not read.
        error_code: Option<I64>,
        /// Its message.
        error_message: Option<Text>,
    }
    entry "call" {
        "kafka" = "true",
        "kafka_api_key" = "api_key",
        "kafka_api_key_name" = "upper(api_key_name)",
        "kafka_client_id" = "client_id",
        "kafka_size" = "coalesce(request_bytes, response_bytes)",
        "kafka_request" = "request_bytes IS NOT NULL",
        "kafka_response" = "response_bytes IS NOT NULL",
        "kafka_request_summary" = "array_to_string(topics, ' ')",
        "kafka_request_size" = "request_bytes",
        "kafka_response_size" = "response_bytes",
    }
}

/// Bytes of a message that are read: the topics of a request are at its beginning, those of a response too but for the records
/// between them.
const MAX_MESSAGE_BYTES: usize = 256 << 10;

/// Bytes of a message at most: ten times what brokers take by default.
const MAX_WIRE_BYTES: u32 = 1 << 30;

/// Bytes of a request at most: what brokers take by default.
const MAX_REQUEST_BYTES: u32 = 100 << 20;

/// Bytes that are needed to tell a request.
const REQUEST_BYTES: usize = 14;

/// Topics whose name is known by their id, for one connection; then they are learned anew. Names come in Metadata.
const MAX_TOPIC_IDS: usize = 1000;

/// The request that has an exception: its response is never flexible before its body, so that it can be read without agreement.
const API_VERSIONS: u16 = 18;

pub(crate) static PROTOCOL: Protocol = Protocol {
    name: "kafka",
    over: Over::Tcp,
    probe,
    dissect: Some(|| Box::new(Framed::new(Kafka::default()))),
    tables: &[(&KAFKA, || Box::new(KafkaBuilder::default()))],
};

/// The header of a request.
#[derive(Debug)]
struct Request<'a> {
    len: u32,
    key: u16,
    api: &'static Api,
    version: u16,
    id: i32,
    client_id: Option<&'a [u8]>,
    /// What is behind it.
    body: Cursor<'a>,
}

impl<'a> Request<'a> {
    /// A request of a kind and version there is; its client's id may be cut.
    fn of(bytes: &'a [u8]) -> Option<Request<'a>> {
        let mut cursor = Cursor::new(bytes);
        let len = cursor.array().map(u32::from_be_bytes)?;
        let key = cursor.array().map(u16::from_be_bytes)?;
        let version = cursor.array().map(u16::from_be_bytes)?;
        let id = cursor.array().map(i32::from_be_bytes)?;
        let api = api::of(key).filter(|api| version <= api.max_version)?;
        let client_id_len = cursor.array().map(i16::from_be_bytes)?;
        let client_id = match usize::try_from(client_id_len) {
            Ok(len) => Some(cursor.take_some(len)),
            Err(_) => None,
        };
        let is_sane = client_id_len >= -1 && (10..=MAX_WIRE_BYTES).contains(&len);
        let is_text = client_id.is_none_or(|id| id.iter().all(|byte| (b' '..=b'~').contains(byte)));
        if version >= api.flexible {
            // Nothing is there where the message is cut.
            let _ = body::tags(&mut cursor);
        }
        (is_sane && is_text).then_some(Request { len, key, api, version, id, client_id, body: cursor })
    }
}

/// Requests up to the end of the packet, of which the last may go on in the next; the first one's client names itself, or it fills
/// its packet.
fn probe(hint: &Hint, p: &[u8]) -> bool {
    let Some(first) = Request::of(p) else { return false };
    let has_id = first.client_id.is_some_and(|id| id.len() >= 2);
    let fills = first.len as usize + 4 == hint.len;
    let mut rest = Cursor::new(p);
    while !rest.rest().is_empty() {
        let head = rest.rest();
        let Some(len) = head.first_chunk::<4>().map(|len| u32::from_be_bytes(*len)) else { break };
        let is_request = head.len() < REQUEST_BYTES || Request::of(head).is_some_and(|request| request.id >= 0);
        if !is_request || len > MAX_REQUEST_BYTES {
            return false;
        }
        rest.take_some((len as usize).saturating_add(4));
    }
    has_id || fills
}

/// One connection.
#[derive(Debug, Default)]
struct Kafka {
    client: Option<Way>,
    waiting: Waiting<i32, Asked>,
    topic_names: HashMap<[u8; 16], String>,
}

/// A request that waits.
#[derive(Debug)]
struct Asked {
    half: Half,
    key: u16,
    api: &'static Api,
    version: u16,
    id: i32,
    client_id: Option<String>,
    body: Body,
}

impl Kafka {
    fn ask(&mut self, request: &Request<'_>, half: Half, out: &mut Out<'_>) {
        let Request { key, api, version, id, .. } = *request;
        let body = body::read(api.request, version, version >= api.flexible, request.body.rest());
        let client_id = request.client_id.map(|id| text(id, NAME_BYTES));
        let asked = Asked { half, key, api, version, id, client_id, body };
        // Nothing comes back where nothing is wanted.
        if asked.body.acks == Some(0) {
            return self.emit(Some(&asked), None, id, None, out);
        }
        if let Some(given_up) = self.waiting.ask(id, asked, out.limits().pending_calls) {
            out.count_dropped_call();
            self.emit(Some(&given_up), None, given_up.id, None, out);
        }
    }

    fn answer(&mut self, bytes: &[u8], half: Half, out: &mut Out<'_>) {
        let mut cursor = Cursor::new(bytes);
        let (Some([_, _, _, _]), Some(id)) = (cursor.array::<4>(), cursor.array().map(i32::from_be_bytes)) else {
            return;
        };
        let asked = self.waiting.answer(&id);
        let body = asked.as_ref().map(|asked| {
            let is_flexible = asked.version >= asked.api.flexible;
            if is_flexible && asked.key != API_VERSIONS {
                let _ = body::tags(&mut cursor);
            }
            body::read(asked.api.response, asked.version, is_flexible, cursor.rest())
        });
        let body = body.unwrap_or_default();
        for topic in &body.topics {
            if let (Some(name), Some(id)) = (&topic.name, topic.id) {
                if self.topic_names.len() >= MAX_TOPIC_IDS {
                    self.topic_names.clear();
                }
                self.topic_names.insert(id, name.clone());
            }
        }
        self.emit(asked.as_ref(), Some((half, body)), id, None, out);
    }

    fn emit(
        &self,
        asked: Option<&Asked>,
        answer: Option<(Half, Body)>,
        id: i32,
        why: Option<ErrorType>,
        out: &mut Out<'_>,
    ) {
        let (half, said) = answer.unzip();
        let body = [asked.map(|asked| &asked.body), said.as_ref()].into_iter().flatten();
        let body = body.clone().find(|body| !body.topics.is_empty()).or(body.last());
        let name = |topic: &Topic| {
            let known = topic.id.filter(|_| topic.name.is_none()).and_then(|id| self.topic_names.get(&id));
            known.cloned().unwrap_or_else(|| topic.shown())
        };
        let topics: Vec<String> = body.map(|body| body.topics.iter().map(name).collect()).unwrap_or_default();
        let numbers = body.map(|body| body.partitions.as_slice()).unwrap_or_default();
        let partitions =
            numbers.iter().map(|(topic, number)| format!("{}-{number}", topics.get(*topic).map_or("", |t| t)));
        let partitions: Vec<String> = partitions.collect();
        let error = said.as_ref().and_then(|said| said.error);
        let status = error.filter(|code| *code != 0).map(error_name);
        let api_name = asked.map(|asked| asked.api.name);
        let groups =
            [asked.and_then(|asked| asked.body.group.as_deref()), said.as_ref().and_then(|said| said.group.as_deref())];
        let group = groups.into_iter().flatten().next();
        let topic = topics.first().map(String::as_str);
        let acks = asked.and_then(|asked| asked.body.acks);
        let call = Call {
            app_proto: "kafka",
            client: self.client.unwrap_or(Way::Out),
            request: asked.map(|asked| asked.half),
            response: half,
            method: api_name,
            target: topic.or(group),
            status: status.as_deref().or(half.map(|_| "OK")),
            error_type: why,
        };
        let row = KafkaRow {
            api_key: asked.map(|asked| asked.key),
            api_key_name: api_name,
            api_version: asked.map(|asked| asked.version),
            correlation_id: i64::from(id),
            client_id: asked.and_then(|asked| asked.client_id.as_deref()),
            topics: &refs(&topics),
            partitions: &refs(&partitions),
            topic,
            partition: numbers.first().map(|(_, number)| i64::from(*number)),
            consumer_group: group,
            acks: acks.map(i64::from),
            error_code: error.map(i64::from),
            error_message: said.as_ref().and_then(|said| said.message.as_deref()),
        };
        if acks == Some(0) {
            out.emit_one_way::<KafkaBuilder>(&call, row)
        } else {
            out.emit::<KafkaBuilder>(&call, row)
        }
    }
}

impl Messages for Kafka {
    const MAX_BYTES: usize = MAX_MESSAGE_BYTES;

    fn frame(&mut self, way: Way, head: &[u8]) -> Frame {
        let Some((len, rest)) = head.split_first_chunk::<4>() else { return Frame::Unknown };
        let len = u32::from_be_bytes(*len);
        let is_kind = match rest.first_chunk::<4>() {
            _ if self.client != Some(way) => true,
            Some([k0, k1, v0, v1]) => api::of(u16::from_be_bytes([*k0, *k1]))
                .is_some_and(|api| u16::from_be_bytes([*v0, *v1]) <= api.max_version),
            None => return Frame::Unknown,
        };
        if is_kind && (4..=MAX_WIRE_BYTES).contains(&len) { Frame::Is(4 + u64::from(len)) } else { Frame::Garbage }
    }

    fn message(&mut self, way: Way, message: Message<'_>, out: &mut Out<'_>) {
        let half = Half { span: message.span, bytes: message.len };
        let request = if self.client == Some(way.back()) { None } else { Request::of(message.bytes) };
        match request {
            Some(request) => {
                self.client = Some(way);
                self.ask(&request, half, out);
            }
            None if self.client == Some(way.back()) => self.answer(message.bytes, half, out),
            None => {}
        }
    }

    fn lost(&mut self, _: Way, _: Stamp, _: &mut Out<'_>) {}

    fn begins(&self, way: Way, head: &[u8]) -> bool {
        if self.client == Some(way.back()) {
            let id = head.get(4..8).and_then(|id| id.first_chunk()).map(|id| i32::from_be_bytes(*id));
            return id.is_some_and(|id| self.waiting.has(&id));
        }
        Request::of(head).is_some()
    }

    fn end(&mut self, end: End, out: &mut Out<'_>) {
        let why = (end == End::Reset).then_some(ErrorType::Reset);
        while let Some(asked) = self.waiting.take() {
            self.emit(Some(&asked), None, asked.id, why, out);
        }
    }

    fn size_bytes(&self) -> usize {
        let each = |asked: &Asked| {
            let topics =
                asked.body.topics.iter().map(|t| size_of::<Topic>() + t.name.as_ref().map_or(0, String::capacity));
            let client_id = asked.client_id.as_ref().map_or(0, String::capacity);
            topics.sum::<usize>() + client_id + asked.body.partitions.capacity() * size_of::<(usize, i32)>()
        };
        self.waiting.size_bytes(each) + self.topic_names.capacity() * (size_of::<([u8; 16], String)>() + NAME_BYTES / 4)
    }
}

#[cfg(test)]
mod tests;
