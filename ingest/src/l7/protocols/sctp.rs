//! SCTP (RFC 9260): chunks as rows, and user messages put together and given to the protocol that they are recognised as.
//!
//! A message is given on when its last fragment is there. Streams share one reader: what SCTP carries has whole messages.

use std::borrow::Cow;

use wiretape_engine::column::{I64, U16, U32};

use crate::{
    flow::{Pair, Way},
    l7::{
        call::{Call, CallColumns, CallRow, ErrorType, Half, call_table},
        cursor::Cursor,
        dissector::{Chunk, Dissector, End, Gap},
        out::Out,
        protocol::{Over, Protocol},
        recognising::Recognising,
        stamp::{Span, Stamp},
        waiting::Waiting,
    },
};

call_table! {
    /// One row per SCTP user message, and per control chunk with its answer. method is the chunk's type, target the payload protocol, status the answer's type or the cause of an error.
    pub static SCTP: "sctp", row SctpRow, builder SctpBuilder {
        /// Stream of a DATA message.
        stream_id: Option<U16>,
        /// Its number within the stream; NULL for an unordered one.
        stream_sequence: Option<U16>,
        /// Transmission sequence number of its first chunk, or the initial one of an INIT.
        tsn: Option<U32>,
        /// Chunks that the message came in.
        chunks: U32,
        /// Payload protocol identifier (IANA): 18 S1AP, 46 Diameter, 60 NGAP, …; 0 unspecified.
        payload_protocol: Option<U32>,
        /// Bytes of the message.
        data_bytes: Option<I64>,
        /// Streams that an INIT asks to send on.
        outbound_streams: Option<U16>,
        /// Streams that it can receive on at most.
        inbound_streams: Option<U16>,
        /// Receive window that it offers, bytes.
        receive_window: Option<U32>,
        /// First cause code of an ABORT or ERROR (RFC 9260 section 3.3.10).
        cause_code: Option<U16>,
    }
    entry "call" {
        "sctp" = "true",
        "sctp_chunk_type" = "method",
        "sctp_length" = "coalesce(data_bytes, request_bytes)",
    }
}

/// Not recognised from bytes: the protocol number of IP says it.
pub(crate) static PROTOCOL: Protocol = Protocol {
    name: "sctp",
    over: Over::Another,
    probe: |_, _| false,
    dissect: None,
    tables: &[(&SCTP, || Box::new(SctpBuilder::default()))],
};

/// Bytes of a message that is put together; longer ones are given up. Signalling messages have some KB.
const MAX_MESSAGE_BYTES: usize = 256 << 10;

/// Messages of one direction that are put together at once: one per stream, and few streams are in use.
const MAX_PARTIAL: usize = 32;

/// Payload protocols whose messages are looked at to recognise them: unspecified, and Diameter.
const LOOKED_AT: [u32; 2] = [0, 46];

/// An association, as far as it goes over one pair of addresses.
#[derive(Debug)]
pub(crate) struct Sctp {
    sides: Pair<Side>,
    /// Control chunks that wait, by who sent them and the type of the answer.
    waiting: Waiting<(Way, u8), Control>,
    inner: Box<dyn Dissector>,
}

impl Default for Sctp {
    fn default() -> Sctp {
        Sctp { sides: Pair::default(), waiting: Waiting::default(), inner: Box::new(Recognising::default()) }
    }
}

#[derive(Debug, Default)]
struct Side {
    partial: Vec<Data>,
    newest: Option<u32>,
    /// Whether the 64 TSNs up to the newest one came, that one in the lowest bit.
    seen: u64,
}

/// A message that is put together.
#[derive(Debug)]
struct Data {
    half: Half,
    stream: u16,
    sequence: Option<u16>,
    first_tsn: u32,
    chunks: u32,
    protocol: u32,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Control {
    way: Way,
    half: Half,
    kind: u8,
    init: Option<Init>,
    cause: Option<u16>,
}

#[derive(Debug)]
struct Init {
    window: u32,
    outbound: u16,
    inbound: u16,
    tsn: u32,
}

const DATA: u8 = 0;
const INIT: u8 = 1;
const SACK: u8 = 3;
const ABORT: u8 = 6;
const ERROR: u8 = 9;

impl Side {
    /// Whether this chunk came before; one that is far behind counts as such.
    fn is_repeated(&mut self, tsn: u32) -> bool {
        let Some(newest) = self.newest else {
            (self.newest, self.seen) = (Some(tsn), 1);
            return false;
        };
        let ahead = tsn.wrapping_sub(newest);
        if ahead != 0 && ahead < 1 << 31 {
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.newest = Some(tsn);
            return false;
        }
        let bit = 1u64.checked_shl(newest.wrapping_sub(tsn)).unwrap_or(0);
        let repeated = bit == 0 || self.seen & bit != 0;
        self.seen |= bit;
        repeated
    }
}

impl Sctp {
    fn user_data(&mut self, way: Way, at: Stamp, flags: u8, body: &[u8], out: &mut Out<'_>) -> Option<()> {
        let mut cursor = Cursor::new(body);
        let (tsn, stream, sequence, protocol) = (cursor.u32()?, cursor.u16()?, cursor.u16()?, cursor.u32()?);
        let bytes = cursor.rest();
        let side = self.sides.of_mut(way);
        if side.is_repeated(tsn) {
            return None;
        }
        let sequence = (flags & 4 == 0).then_some(sequence);
        let (begins, ends) = (flags & 2 != 0, flags & 1 != 0);
        let half = Half { span: Span::at(at), bytes: bytes.len() as u64 };
        let mut data = if begins {
            Data { half, stream, sequence, first_tsn: tsn, chunks: 0, protocol, bytes: Vec::new() }
        } else {
            // Fragments follow each other in TSN (RFC 9260 section 6.9).
            let follows = |d: &Data| d.stream == stream && d.first_tsn.wrapping_add(d.chunks) == tsn;
            let found = side.partial.iter().position(follows)?;
            let mut data = side.partial.swap_remove(found);
            data.half = Half { span: data.half.span.until(at), bytes: data.half.bytes + half.bytes };
            data
        };
        data.chunks = data.chunks.saturating_add(1);
        if data.bytes.len() + bytes.len() > MAX_MESSAGE_BYTES {
            tell_data(way, &data, Some(ErrorType::Malformed), out);
            return None;
        }
        data.bytes.extend_from_slice(bytes);
        if ends {
            self.deliver(way, at, &data, out);
        } else {
            side.partial.push(data);
            if side.partial.len() > MAX_PARTIAL {
                tell_data(way, &side.partial.remove(0), Some(ErrorType::Gap), out);
            }
        }
        Some(())
    }

    fn deliver(&mut self, way: Way, at: Stamp, data: &Data, out: &mut Out<'_>) {
        tell_data(way, data, None, out);
        if !LOOKED_AT.contains(&data.protocol) {
            return;
        }
        self.inner.data(Chunk { way, at, bytes: &data.bytes }, out);
        if let Some(next) = out.next.take() {
            self.inner = next;
        }
    }

    fn control(&mut self, way: Way, at: Stamp, kind: u8, body: &[u8], out: &mut Out<'_>) {
        let half = Half { span: Span::at(at), bytes: 4 + body.len() as u64 };
        let mut control = Control { way, half, kind, init: None, cause: None };
        let mut cursor = Cursor::new(body);
        match kind {
            SACK => return,
            INIT => control.init = Init::read(cursor),
            ABORT | ERROR => control.cause = cursor.u16(),
            _ => {}
        }
        if let Some(answer) = answer_of(kind) {
            let limit = out.limits().pending_calls;
            if let Some(given_up) = self.waiting.ask((way, answer), control, limit) {
                out.count_dropped_call();
                emit(Some(&given_up), None, out);
            }
        } else if is_answer(kind) {
            let asked = self.waiting.answer(&(way.back(), kind));
            emit(asked.as_ref(), Some(&control), out);
        } else {
            emit(Some(&control), None, out);
        }
    }
}

impl Init {
    fn read(mut cursor: Cursor<'_>) -> Option<Init> {
        let _tag = cursor.u32()?;
        Some(Init { window: cursor.u32()?, outbound: cursor.u16()?, inbound: cursor.u16()?, tsn: cursor.u32()? })
    }
}

/// The chunk that answers one of this type.
fn answer_of(kind: u8) -> Option<u8> {
    match kind {
        INIT => Some(2),
        4 => Some(5),
        7 => Some(8),
        10 => Some(11),
        _ => None,
    }
}

fn is_answer(kind: u8) -> bool {
    matches!(kind, 2 | 5 | 8 | 11)
}

fn tell_data(way: Way, data: &Data, error_type: Option<ErrorType>, out: &mut Out<'_>) {
    let protocol = payload_protocol(data.protocol);
    let call = Call {
        app_proto: "sctp",
        client: way,
        request: Some(data.half),
        response: None,
        method: Some("DATA"),
        target: Some(&protocol),
        status: None,
        error_type,
    };
    let row = SctpRow {
        stream_id: Some(data.stream),
        stream_sequence: data.sequence,
        tsn: Some(data.first_tsn),
        chunks: data.chunks,
        payload_protocol: Some(data.protocol),
        data_bytes: i64::try_from(data.bytes.len()).ok(),
        outbound_streams: None,
        inbound_streams: None,
        receive_window: None,
        cause_code: None,
    };
    out.emit_one_way::<SctpBuilder>(&call, row);
}

fn emit(asked: Option<&Control>, answer: Option<&Control>, out: &mut Out<'_>) {
    let Some(first) = asked.or(answer) else { return };
    let method = asked.map(|c| chunk_name(c.kind));
    let status = answer.map(|c| chunk_name(c.kind)).or(first.cause.map(cause_name));
    let call = Call {
        app_proto: "sctp",
        client: asked.map_or(first.way.back(), |c| c.way),
        request: asked.map(|c| c.half),
        response: answer.map(|c| c.half),
        method: method.as_deref(),
        target: None,
        status: status.as_deref(),
        error_type: None,
    };
    let init = asked.and_then(|c| c.init.as_ref());
    let row = SctpRow {
        stream_id: None,
        stream_sequence: None,
        tsn: init.map(|init| init.tsn),
        chunks: 1,
        payload_protocol: None,
        data_bytes: None,
        outbound_streams: init.map(|init| init.outbound),
        inbound_streams: init.map(|init| init.inbound),
        receive_window: init.map(|init| init.window),
        cause_code: first.cause,
    };
    let is_question = answer_of(first.kind).is_some() || is_answer(first.kind);
    if is_question { out.emit::<SctpBuilder>(&call, row) } else { out.emit_one_way::<SctpBuilder>(&call, row) }
}

impl Dissector for Sctp {
    /// The chunks of one packet.
    fn data(&mut self, packet: Chunk<'_>, out: &mut Out<'_>) {
        let mut cursor = Cursor::new(packet.bytes);
        while let Some([kind, flags, hi, lo]) = cursor.array() {
            let len = usize::from(u16::from_be_bytes([hi, lo]));
            let Some(body) = len.checked_sub(4).and_then(|len| cursor.take(len)) else { return };
            cursor.take_some(len.wrapping_neg() % 4);
            if kind == DATA {
                self.user_data(packet.way, packet.at, flags, body, out);
            } else {
                self.control(packet.way, packet.at, kind, body, out);
            }
        }
    }

    /// The rest of a packet that the capture cut.
    fn gap(&mut self, _: Gap, _: &mut Out<'_>) {}

    fn end(&mut self, end: End, out: &mut Out<'_>) {
        while let Some(asked) = self.waiting.take() {
            emit(Some(&asked), None, out);
        }
        for way in [Way::Out, Way::In] {
            for data in std::mem::take(&mut self.sides.of_mut(way).partial) {
                tell_data(way, &data, Some(ErrorType::Gap), out);
            }
        }
        self.inner.end(end, out);
        out.next = None;
    }

    fn size_bytes(&self) -> usize {
        let partial = |side: &Side| side.partial.iter().map(|d| size_of::<Data>() + d.bytes.capacity()).sum::<usize>();
        partial(&self.sides.out) + partial(&self.sides.back) + self.waiting.size_bytes(|_| 0) + self.inner.size_bytes()
    }
}

/// IANA SCTP chunk types.
fn chunk_name(kind: u8) -> Cow<'static, str> {
    Cow::Borrowed(match kind {
        INIT => "INIT",
        2 => "INIT_ACK",
        4 => "HEARTBEAT",
        5 => "HEARTBEAT_ACK",
        ABORT => "ABORT",
        7 => "SHUTDOWN",
        8 => "SHUTDOWN_ACK",
        ERROR => "ERROR",
        10 => "COOKIE_ECHO",
        11 => "COOKIE_ACK",
        14 => "SHUTDOWN_COMPLETE",
        15 => "AUTH",
        64 => "I_DATA",
        128 => "ASCONF_ACK",
        130 => "RE_CONFIG",
        192 => "FORWARD_TSN",
        193 => "ASCONF",
        other => return Cow::Owned(other.to_string()),
    })
}

fn cause_name(cause: u16) -> Cow<'static, str> {
    Cow::Borrowed(match cause {
        1 => "invalid stream identifier",
        2 => "missing mandatory parameter",
        3 => "stale cookie",
        4 => "out of resource",
        5 => "unresolvable address",
        6 => "unrecognized chunk type",
        7 => "invalid mandatory parameter",
        8 => "unrecognized parameters",
        9 => "no user data",
        10 => "cookie while shutting down",
        11 => "restart with new addresses",
        12 => "user initiated abort",
        13 => "protocol violation",
        other => return Cow::Owned(other.to_string()),
    })
}

/// IANA SCTP payload protocol identifiers.
fn payload_protocol(id: u32) -> Cow<'static, str> {
    Cow::Borrowed(match id {
        0 => "unspecified",
        2 => "M2UA",
        3 => "M3UA",
        4 => "SUA",
        5 => "M2PA",
        18 => "S1AP",
        27 => "X2AP",
        46 => "Diameter",
        47 => "Diameter over DTLS",
        50 => "WebRTC control",
        51 => "WebRTC text",
        53 => "WebRTC binary",
        60 => "NGAP",
        61 => "XnAP",
        62 => "F1AP",
        64 => "E1AP",
        other => return Cow::Owned(other.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use crate::l7::testing::{Row, Talk, select};

    fn chunk(kind: u8, flags: u8, body: &[u8]) -> Vec<u8> {
        let len = u16::try_from(4 + body.len()).unwrap().to_be_bytes();
        let mut bytes = [&[kind, flags, len[0], len[1]][..], body].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn data(flags: u8, tsn: u32, stream: u8, protocol: u8, bytes: &[u8]) -> Vec<u8> {
        chunk(0, flags, &[&tsn.to_be_bytes()[..], &[0, stream, 0, 5, 0, 0, 0, protocol], bytes].concat())
    }

    /// The rows of packets: whether the client sends, and the chunks.
    fn rows(packets: &[(bool, Vec<u8>)]) -> Vec<Row> {
        let say = |talk: Talk, (from_client, chunks): &(bool, Vec<u8>)| match from_client {
            true => talk.client(chunks),
            false => talk.server(chunks),
        };
        packets.iter().fold(Talk::sctp(3868), say).rows()
    }

    const COLUMNS: [&str; 7] = ["method", "target", "status", "error_type", "tsn", "chunks", "data_bytes"];

    /// Proves that control chunks are paired, and that a message in fragments, one of them sent twice, becomes a row and is read by
    /// the protocol it is recognised as.
    #[test]
    fn chunks_are_rows_and_messages_are_recognised() {
        let request = [&[1, 0, 0, 20, 0x80, 0, 1, 24][..], &[0; 8], &[0, 0, 0, 1]].concat();
        let answer = [&[1, 0, 0, 20, 0, 0, 1, 24][..], &[0; 8], &[0, 0, 0, 1]].concat();
        let init = [&[0, 0, 0, 9, 0, 0, 0x10, 0, 0, 3, 0, 4][..], &u32::MAX.to_be_bytes()].concat();
        let first = data(2, u32::MAX, 1, 46, &request[..7]);
        let rows = rows(&[
            (true, chunk(1, 0, &init)),
            (false, chunk(2, 0, &[0; 16])),
            (true, [chunk(10, 0, b"cookie"), first.clone()].concat()),
            (false, chunk(11, 0, &[])),
            (true, first),
            (true, [chunk(3, 0, &[0; 12]), data(1, 0, 1, 46, &request[7..])].concat()),
            (false, data(7, 4, 1, 46, &answer)),
            (true, data(3, 1, 2, 60, b"ngap")),
            (true, chunk(6, 0, &[0, 12, 0, 4])),
        ]);
        let expected = [
            ["INIT", "", "INIT_ACK", "", "4294967295", "1", ""],
            ["COOKIE_ECHO", "", "COOKIE_ACK", "", "", "1", ""],
            ["DATA", "Diameter", "", "", "4294967295", "2", "20"],
            ["DATA", "Diameter", "", "", "4", "1", "20"],
            ["Device-Watchdog", "", "", "", "", "", ""],
            ["DATA", "NGAP", "", "", "1", "1", "4"],
            ["ABORT", "", "user initiated abort", "", "", "1", ""],
        ];
        assert_eq!(select(&rows, &COLUMNS), expected);
        let columns = ["outbound_streams", "inbound_streams", "receive_window", "stream_id", "stream_sequence"];
        assert_eq!(select(&rows[..1], &columns), [["3", "4", "4096", "", ""]]);
        assert_eq!(select(&rows[2..4], &columns[3..]), [["1", "5"], ["1", ""]]);
        assert_eq!(rows[4]["app_proto"], "diameter");
    }

    /// Proves that what is missing is said, that lengths which lie do no harm, and that a message without end takes no more than
    /// the limit.
    #[test]
    fn hostile_chunks_do_no_harm() {
        let mut packets = vec![
            (true, chunk(1, 0, &[0; 3])),
            (true, vec![0, 3, 0, 3]),
            (true, vec![0, 3, 255, 255, 1]),
            (true, data(1, 9, 1, 0, b"an end without a beginning")),
            (true, data(2, 10, 1, 0, b"a beginning")),
            (true, data(2, 20, 2, 0, &[b'x'; 60_000])),
        ];
        packets.extend((21..26).map(|tsn| (true, data(0, tsn, 2, 0, &[b'x'; 60_000]))));
        let expected = [
            ["DATA", "malformed", "20", "5", "240000"],
            ["INIT", "no_response", "", "1", ""],
            ["DATA", "gap", "10", "1", "11"],
        ];
        assert_eq!(select(&rows(&packets), &["method", "error_type", "tsn", "chunks", "data_bytes"]), expected);
    }
}
