//! NTP (RFC 5905) over UDP. A server's answer carries the time at which its client says it asked.

use wiretape_engine::column::{I64, Symbol, Text, U8};

use crate::{
    flow::Way,
    l7::{
        call::{Call, CallColumns, CallRow, Half, call_table},
        cursor::Cursor,
        datagrams::Datagrams,
        dissector::End,
        framed::{Frame, Message, Messages},
        out::Out,
        protocol::{Hint, Over, Protocol},
        stamp::Stamp,
        text,
        waiting::Waiting,
    },
};

call_table! {
    /// One row per NTP request with its answer, or per message that nobody answers. method is the mode, status the reference id of the answer.
    pub static NTP: "ntp", row NtpRow, builder NtpBuilder {
        /// Version of the request (of the answer, where only that was seen): 1 to 4.
        version: U8,
        /// Mode of the request, or of the message nobody answers: client, server, symmetric_active, symmetric_passive, broadcast, control, private.
        mode: Symbol,
        /// Mode of the answer.
        response_mode: Option<Symbol>,
        /// Stratum that the client says it has: 1 primary, 2 to 15 secondary, 16 not synchronised, 0 unspecified.
        request_stratum: Option<U8>,
        /// Stratum of the server; 0 for a kiss of death, whose code is reference_id.
        stratum: Option<U8>,
        /// Where the server has its time from: a clock's code (stratum 0 and 1), else the address of its server, or 4 bytes of a hash of it.
        reference_id: Option<Text>,
        /// Leap indicator of the answer: none, add_second, remove_second, unknown (not synchronised).
        leap: Option<Symbol>,
        /// Poll interval of the request, as a power of two of seconds.
        poll: Option<I64>,
        /// Precision of the server's clock, as a power of two of seconds.
        precision: Option<I64>,
        /// Round trip from the server to its primary source, microseconds.
        root_delay_us: Option<I64>,
        /// Largest error of the server against its primary source, microseconds.
        root_dispersion_us: Option<I64>,
        /// Time between the request's arrival at the server and its answer by the server's clock, microseconds.
        server_time_us: Option<I64>,
    }
    entry "call" { "ntp" = "true" }
}

/// Bytes of a message that are read: header and authentication; what follows is extensions.
const MAX_MESSAGE_BYTES: usize = 512;

/// Over UDP and port 123.
pub(crate) static PROTOCOL: Protocol = Protocol {
    name: "ntp",
    over: Over::Udp,
    probe: |hint, p| hint.port(123) && is_message(hint, p),
    dissect: Some(|| Box::new(Datagrams(Ntp::default()))),
    tables: &[(&NTP, || Box::new(NtpBuilder::default()))],
};

/// Version 1 to 4 with a mode, of 48 bytes or more (RFC 5905 section 7.3); control and private messages are shorter.
fn is_message(hint: &Hint, p: &[u8]) -> bool {
    let Some(first) = p.first() else { return false };
    let (version, mode) = ((first >> 3) & 7, first & 7);
    (1..=4).contains(&version) && (mode >= 6 && hint.len >= 4 || mode >= 1 && hint.len >= 48)
}

/// Requests of one flow that wait, by the time they carry.
#[derive(Debug, Default)]
struct Ntp {
    waiting: Waiting<(Way, u64), Said>,
}

/// What a message says. Times are in units of 2^-32 s.
#[derive(Debug)]
struct Said {
    half: Half,
    way: Way,
    version: u8,
    mode: u8,
    leap: u8,
    /// `None` for control and private messages, which have another header.
    clock: Option<Clock>,
}

#[derive(Debug)]
struct Clock {
    stratum: u8,
    poll: i8,
    precision: i8,
    root_delay: u32,
    root_dispersion: u32,
    reference_id: [u8; 4],
    origin: u64,
    receive: u64,
    transmit: u64,
}

impl Said {
    fn parse(way: Way, message: &Message<'_>) -> Option<Said> {
        let mut cursor = Cursor::new(message.bytes);
        let first = cursor.u8()?;
        let mode = first & 7;
        Some(Said {
            half: Half { span: message.span, bytes: message.len },
            way,
            version: (first >> 3) & 7,
            mode,
            leap: first >> 6,
            clock: if mode < 6 { Clock::parse(cursor) } else { None },
        })
    }
}

impl Clock {
    fn parse(mut cursor: Cursor<'_>) -> Option<Clock> {
        let [stratum, poll, precision] = cursor.array()?;
        let (root_delay, root_dispersion, reference_id) = (cursor.u32()?, cursor.u32()?, cursor.array()?);
        let _reference = cursor.u64()?;
        Some(Clock {
            stratum,
            poll: poll.cast_signed(),
            precision: precision.cast_signed(),
            root_delay,
            root_dispersion,
            reference_id,
            origin: cursor.u64()?,
            receive: cursor.u64()?,
            transmit: cursor.u64()?,
        })
    }

    /// RFC 5905 section 7.3: a code of up to four letters, or an address.
    fn reference(&self) -> String {
        let [a, b, c, d] = self.reference_id;
        match self.stratum {
            0 | 1 => {
                let code: Vec<u8> = self.reference_id.iter().copied().take_while(|byte| *byte != 0).collect();
                text::text_or_hex(&code, 4)
            }
            _ => format!("{a}.{b}.{c}.{d}"),
        }
    }
}

/// Units of 2^-16 s.
fn short_us(time: u32) -> i64 {
    (i64::from(time) * 1_000_000) >> 16
}

fn emit(request: Option<&Said>, answer: Option<&Said>, out: &mut Out<'_>) {
    let Some(first) = request.or(answer) else { return };
    // What nobody answers tells of its sender's clock.
    let told = request.filter(|said| !is_question(said.mode));
    let clock = answer.or(told).and_then(|said| said.clock.as_ref());
    let reference = clock.map(Clock::reference);
    let call = Call {
        app_proto: "ntp",
        client: request.map_or(first.way.back(), |said| said.way),
        request: request.map(|said| said.half),
        response: answer.map(|said| said.half),
        method: Some(mode_name(first.mode)),
        target: None,
        status: reference.as_deref().filter(|_| answer.is_some()),
        error_type: None,
    };
    let asked = request.and_then(|said| said.clock.as_ref());
    let row = NtpRow {
        version: first.version,
        mode: mode_name(first.mode),
        response_mode: answer.map(|said| mode_name(said.mode)),
        request_stratum: asked.map(|c| c.stratum),
        stratum: clock.map(|c| c.stratum),
        reference_id: reference.as_deref(),
        leap: answer.or(told).map(|said| leap_name(said.leap)),
        poll: asked.map(|c| i64::from(c.poll)),
        precision: clock.map(|c| i64::from(c.precision)),
        root_delay_us: clock.map(|c| short_us(c.root_delay)),
        root_dispersion_us: clock.map(|c| short_us(c.root_dispersion)),
        server_time_us: clock.filter(|_| answer.is_some()).and_then(|c| {
            let units = c.transmit.checked_sub(c.receive)?;
            i64::try_from((u128::from(units) * 1_000_000) >> 32).ok()
        }),
    };
    if told.is_some() { out.emit_one_way::<NtpBuilder>(&call, row) } else { out.emit::<NtpBuilder>(&call, row) }
}

impl Messages for Ntp {
    const MAX_BYTES: usize = MAX_MESSAGE_BYTES;

    fn frame(&mut self, _: Way, _: &[u8]) -> Frame {
        Frame::Garbage
    }

    fn message(&mut self, way: Way, message: Message<'_>, out: &mut Out<'_>) {
        let Some(said) = Said::parse(way, &message) else { return };
        let time =
            |clock: &Clock| if said.mode == SERVER || said.mode == PASSIVE { clock.origin } else { clock.transmit };
        let time = said.clock.as_ref().map(time);
        match (said.mode, time) {
            (CLIENT | ACTIVE, Some(time)) => {
                // Peers answer each other's messages with their own.
                let limit = out.limits().pending_calls;
                if let Some(given_up) = self.waiting.ask((way, time), said, limit) {
                    out.count_dropped_call();
                    emit(Some(&given_up), None, out);
                }
            }
            (SERVER | PASSIVE, Some(time)) => {
                let request = self.waiting.answer(&(way.back(), time));
                emit(request.as_ref(), Some(&said), out);
            }
            _ => emit(Some(&said), None, out),
        }
    }

    fn lost(&mut self, _: Way, _: Stamp, _: &mut Out<'_>) {}

    fn begins(&self, _: Way, _: &[u8]) -> bool {
        false
    }

    fn end(&mut self, _: End, out: &mut Out<'_>) {
        while let Some(request) = self.waiting.take() {
            emit(Some(&request), None, out);
        }
    }

    fn size_bytes(&self) -> usize {
        self.waiting.size_bytes(|_| 0)
    }
}

const ACTIVE: u8 = 1;
const PASSIVE: u8 = 2;
const CLIENT: u8 = 3;
const SERVER: u8 = 4;

fn is_question(mode: u8) -> bool {
    matches!(mode, ACTIVE | CLIENT)
}

fn mode_name(mode: u8) -> &'static str {
    match mode {
        ACTIVE => "symmetric_active",
        PASSIVE => "symmetric_passive",
        CLIENT => "client",
        SERVER => "server",
        5 => "broadcast",
        6 => "control",
        7 => "private",
        _ => "reserved",
    }
}

fn leap_name(leap: u8) -> &'static str {
    match leap {
        0 => "none",
        1 => "add_second",
        2 => "remove_second",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use crate::l7::testing::{Talk, select};

    fn message(first: u8, stratum: u8, reference: &[u8; 4], times: [u64; 3]) -> Vec<u8> {
        let mut bytes = vec![first, stratum, 6, 0xec];
        bytes.extend(0x8000u32.to_be_bytes());
        bytes.extend(0x1_0000u32.to_be_bytes());
        bytes.extend(reference);
        bytes.extend(0u64.to_be_bytes());
        times.iter().for_each(|time| bytes.extend(time.to_be_bytes()));
        bytes
    }

    const COLUMNS: [&str; 9] =
        ["method", "status", "error_type", "version", "mode", "response_mode", "request_stratum", "stratum", "leap"];

    /// Proves that answers find requests by the time they carry, out of order, with every column.
    #[test]
    fn a_request_and_its_answer_are_one_row() {
        let rows = Talk::udp(123)
            .client(message(0xe3, 0, &[0; 4], [0, 0, 11]))
            .client(message(0xe3, 3, &[0; 4], [0, 0, 12]))
            .server(message(0x24, 2, &[10, 0, 0, 7], [12, 0, 1 << 31]))
            .server(message(0x64, 1, b"GPS\0", [11, 5, 5]))
            .rows();
        let expected = [
            ["client", "10.0.0.7", "", "4", "client", "server", "3", "2", "none"],
            ["client", "GPS", "", "4", "client", "server", "0", "1", "add_second"],
        ];
        assert_eq!(select(&rows, &COLUMNS), expected);
        let columns = [
            "poll",
            "precision",
            "root_delay_us",
            "root_dispersion_us",
            "server_time_us",
            "latency_ns",
            "reference_id",
        ];
        let own = [["6", "-20", "500000", "1000000", "500000", "1000000", "10.0.0.7"]];
        assert_eq!(select(&rows[..1], &columns), own);
    }

    /// Proves that halves say so, and that what nobody answers is whole.
    #[test]
    fn halves_are_rows_and_broadcasts_are_whole() {
        let talk = Talk::udp(123)
            .client(message(0x23, 0, &[0; 4], [0, 0, 11]))
            .server(message(0x24, 0, b"RATE", [11, 0, 0]))
            .server(message(0x25, 1, b"PPS\0", [0, 0, 0]))
            .client([0x16, 2, 0, 1]);
        let expected = [["client", "RATE", "", "0"], ["broadcast", "", "", "1"], ["control", "", "", ""]];
        assert_eq!(select(&talk.rows(), &["method", "status", "error_type", "stratum"]), expected);
        let of_server = talk.rows_of_server();
        assert_eq!(select(&of_server[..1], &["mode", "error_type", "src_ip"]), [["server", "no_request", "10.0.0.1"]]);
        let of_client = talk.rows_of_client();
        assert_eq!(select(&of_client, &["mode", "error_type"]), [["control", ""], ["client", "no_response"]]);
    }

    /// Proves that a message without its header's rest does no harm.
    #[test]
    fn a_cut_message_is_a_row_of_what_is_there() {
        let rows = Talk::udp(123).client(message(0x23, 0, &[0; 4], [0, 0, 11])).server([0x24; 20]).rows();
        assert_eq!(
            select(&rows, &["mode", "error_type", "version"]),
            [["server", "", "4"], ["client", "no_response", "4"]]
        );
    }
}
