//! Floods through the whole pipeline: whatever comes, what dissection holds stays within its limits, what is given up is counted,
//! and what comes later is read. A test binary of its own, since it measures the memory of its process.

#![expect(clippy::unwrap_used, reason = "what a test's helper cannot do fails the test")]
#![expect(clippy::indexing_slicing, reason = "what a test's helper does not find fails the test")]
#![expect(clippy::cast_possible_truncation, reason = "sequence numbers and addresses wrap")]

use std::{
    fs,
    io::{Read, Write},
    sync::{Mutex, PoisonError},
};

use arrow::{array::RecordBatch, util::display::array_value_to_string};
use wiretape_ingest::{
    Frame,
    l7::{L7Counters, L7Limits},
    pipeline::{Pipeline, PipelineConfig},
};

/// Limits far below the defaults, so that floods are short.
const LIMITS: L7Limits = L7Limits {
    body_bytes: 64 << 10,
    waiting_bytes: 8 << 20,
    waiting_flow_bytes: 256 << 10,
    pending_bytes: 16 << 20,
    pending_calls: 1000,
};

/// Memory beside that of the limits: rows of a segment of [`SEGMENT_ROWS`] packets, what the allocator keeps, and what a row is
/// made of.
const ROOM_BYTES: u64 = 128 << 20;

/// Packets of a segment.
const SEGMENT_ROWS: usize = 1 << 14;

const SYN: u8 = 2;
const ACK: u8 = 16;

/// One test at a time: they share the memory that is measured.
static TURN: Mutex<()> = Mutex::new(());

/// Which end of a connection sends.
#[derive(Clone, Copy, PartialEq)]
enum Sender {
    Client,
    Server,
}
use Sender::{Client, Server};

struct Flood {
    pipeline: Pipeline,
    frame: Vec<u8>,
    ts_ns: i64,
    segment: u32,
    /// Rows of `http` that say something of a target that begins with `/shown`, or of none.
    shown: Vec<Vec<String>>,
    /// What `system.dissection` says of all segments: sums, and the highest of the peaks.
    told: L7Counters,
}

impl Flood {
    fn new() -> Flood {
        let config = PipelineConfig { l7: Some(LIMITS), ..PipelineConfig::default() };
        let mut pipeline = Pipeline::new(config, "file".to_owned());
        pipeline.begin_segment(1);
        Flood {
            pipeline,
            frame: Vec::new(),
            ts_ns: 1_700_000_000_000_000_000,
            segment: 1,
            shown: Vec::new(),
            told: L7Counters::default(),
        }
    }

    /// A segment of the connection of this number: a client of its own and one server, port 80. A microsecond passes.
    fn tcp(&mut self, number: u32, sender: Sender, (seq, ack): (u32, u32), flags: u8, payload: &[u8]) {
        let client = ([10, (number >> 16) as u8, (number >> 8) as u8, number as u8], 40_000u16);
        let server = ([192, 168, 0, 1], 80u16);
        let (src, dst) = if sender == Client { (client, server) } else { (server, client) };
        let len = u16::try_from(40 + payload.len()).unwrap();
        self.frame.clear();
        self.frame.extend([0x45, 0]);
        self.frame.extend(len.to_be_bytes());
        self.frame.extend([0, 0, 0, 0, 64, 6, 0, 0]);
        self.frame.extend(src.0);
        self.frame.extend(dst.0);
        self.frame.extend([src.1.to_be_bytes(), dst.1.to_be_bytes()].concat());
        self.frame.extend([seq.to_be_bytes(), ack.to_be_bytes()].concat());
        self.frame.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        self.frame.extend(payload);
        self.ts_ns += 1000;
        let frame = Frame {
            ts_ns: self.ts_ns,
            interface: 0,
            link_type: 101, // raw IP
            orig_len: u32::from(len),
            data: &self.frame,
            direction: None,
        };
        self.pipeline.push(&frame, None);
        if self.pipeline.rows() >= SEGMENT_ROWS {
            self.seal();
        }
    }

    /// A connection in which both ends say something, in segments of a size that is common.
    fn talk(&mut self, number: u32, request: &[u8], response: &[u8]) {
        self.tcp(number, Client, (0, 0), SYN, b"");
        self.tcp(number, Server, (0, 1), SYN | ACK, b"");
        let (mut sent, mut answered) = (1, 1);
        for piece in request.chunks(1400) {
            self.tcp(number, Client, (sent, answered), ACK, piece);
            sent += u32::try_from(piece.len()).unwrap();
        }
        for piece in response.chunks(1400) {
            self.tcp(number, Server, (answered, sent), ACK, piece);
            answered += u32::try_from(piece.len()).unwrap();
        }
    }

    fn seal(&mut self) {
        let rows = self.pipeline.seal().unwrap();
        for (_, batch) in rows.calls.iter().filter(|(table, _)| table.name == "http") {
            let columns = ["target", "status", "error_type", "response_body_truncated", "response_bytes"];
            for row in 0..batch.num_rows() {
                let row: Vec<String> = columns.iter().map(|column| text(batch, column, row)).collect();
                if row[0].starts_with("/shown") || row[0].is_empty() {
                    self.shown.push(row);
                }
            }
        }
        for (_, batch) in rows.calls.iter().filter(|(table, _)| table.name == "dissection") {
            assert_eq!(batch.num_rows(), 1);
            let number = |column| text(batch, column, 0).parse::<u64>().unwrap();
            let told = &mut self.told;
            told.calls += number("calls");
            told.unrecognised += number("unrecognised");
            told.gaps += number("gaps");
            told.gap_bytes += number("gap_bytes");
            told.gaps_at_limit += number("gaps_at_limit");
            told.conversations_dropped += number("conversations_dropped");
            told.calls_dropped += number("calls_dropped");
            told.pending_peak_bytes = told.pending_peak_bytes.max(number("pending_peak_bytes"));
            told.waiting_peak_bytes = told.waiting_peak_bytes.max(number("waiting_peak_bytes"));
        }
        self.segment += 1;
        self.pipeline.begin_segment(self.segment);
    }

    /// Ends the capture, after proving that what comes later is read: rows of what was to be shown, and what is told of it all.
    fn end(mut self) -> (Vec<Vec<String>>, L7Counters) {
        self.talk(0xff_ffff, b"GET /shown-later HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 204 No\r\n\r\n");
        self.pipeline.finish();
        self.seal();
        let at = self.shown.iter().position(|row| row[0] == "/shown-later").expect("what comes later is read");
        assert_eq!(self.shown.remove(at)[..4], ["/shown-later", "204", "", ""]);
        let Flood { told, mut pipeline, shown, .. } = self;
        let L7Counters { pending_peak_bytes, waiting_peak_bytes, .. } = told;
        let all = L7Counters { pending_peak_bytes, waiting_peak_bytes, ..pipeline.l7_counters() };
        assert_eq!(told, all, "system.dissection tells all, and nothing is held at the end");
        assert!(told.pending_peak_bytes <= LIMITS.pending_bytes as u64, "{told:?}");
        assert!(told.waiting_peak_bytes <= LIMITS.waiting_bytes as u64, "{told:?}");
        (shown, told)
    }
}

fn text(batch: &RecordBatch, column: &str, row: usize) -> String {
    array_value_to_string(batch.column_by_name(column).unwrap(), row).unwrap()
}

/// Lets a flood come. It may take `flows` flows' worth of memory in the flow table, and what the limits say.
#[track_caller]
fn flood(flows: u64, come: impl FnOnce(&mut Flood)) -> (Vec<Vec<String>>, L7Counters) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    // Sets the peak to what is in use now (proc(5)).
    let resets = fs::write("/proc/self/clear_refs", "5").is_ok();
    let before = memory_bytes("VmRSS:");
    let mut flood = Flood::new();
    come(&mut flood);
    let result = flood.end();
    let peak = memory_bytes("VmHWM:").saturating_sub(before);
    // A flow, its place by key, its row in the segment at hand and its conversation's place.
    let allowed = (LIMITS.pending_bytes + LIMITS.waiting_bytes) as u64 + ROOM_BYTES + flows * 1536;
    assert!(!resets || peak <= allowed, "{peak} bytes of {allowed}");
    result
}

/// A line of `/proc/self/status`; zero where there is none.
fn memory_bytes(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) << 10
}

/// Proves that connections which are opened and never used take nothing, and that of those which begin a request and never end
/// it no more is held than the limit says.
#[test]
fn half_open_flows_take_no_more_than_the_limit() {
    const FLOWS: u32 = 200_000;
    let half = [&b"GET /half HTTP/1.1\r\nHost: a\r\nX: "[..], &[b'x'; 600]].concat();
    let (_, counters) = flood(u64::from(FLOWS), |flood| {
        for number in 0..FLOWS {
            flood.tcp(number, Client, (0, 0), SYN, b"");
        }
        assert_eq!(flood.pipeline.l7_counters().pending_bytes, 0, "a flow that says nothing takes no memory");
        for number in 0..FLOWS {
            flood.tcp(number, Client, (1, 1), ACK, &half);
        }
    });
    assert!(counters.conversations_dropped > u64::from(FLOWS) / 2, "{counters:?}");
    assert!(counters.pending_peak_bytes > LIMITS.pending_bytes as u64 / 2, "the limit was reached: {counters:?}");
}

/// Proves that a conversation that was given up is read again from its next message on.
#[test]
fn a_conversation_goes_on_after_a_flood() {
    const FLOWS: u32 = 50_000;
    let half = [&b"GET /half HTTP/1.1\r\nHost: a\r\nX: "[..], &[b'x'; 600]].concat();
    let (request, response) = (b"GET /shown HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let (rows, _) = flood(u64::from(FLOWS), |flood| {
        flood.talk(FLOWS, request, response);
        for number in 0..FLOWS {
            flood.tcp(number, Client, (1, 1), ACK, &half);
        }
        flood.tcp(FLOWS, Client, (1 + request.len() as u32, 1 + response.len() as u32), ACK, request);
        flood.tcp(FLOWS, Server, (1 + response.len() as u32, 1 + 2 * request.len() as u32), ACK, response);
    });
    let calls: Vec<_> = rows.iter().map(|row| [&*row[0], &row[1], &row[2]]).collect();
    assert_eq!(calls, [["/shown", "200", ""], ["/shown", "200", ""]]);
}

/// Proves that a million segments that all come before the one that is missing take no more than the limit, in one flow and over
/// many, and that the holes are counted.
#[test]
fn segments_out_of_order_take_no_more_than_the_limit() {
    const FLOWS: u32 = 1000;
    let head = b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n";
    let begin = 1 + head.len() as u32;
    let (_, counters) = flood(u64::from(FLOWS), |flood| {
        for number in 0..FLOWS {
            flood.tcp(number, Client, (0, 0), SYN, b"");
            flood.tcp(number, Client, (1, 1), ACK, head);
        }
        for n in 1..500u32 {
            for number in 0..FLOWS {
                flood.tcp(number, Client, (begin + n * 300, 1), ACK, &[b'x'; 200]);
            }
        }
        for n in 500..500_000u32 {
            flood.tcp(0, Client, (begin + n * 300, 1), ACK, &[b'x'; 200]);
        }
    });
    assert!(counters.gaps_at_limit > 10_000, "{counters:?}");
    assert!(counters.gaps >= counters.gaps_at_limit && counters.gap_bytes >= 100 * counters.gaps_at_limit);
    assert!(counters.waiting_peak_bytes > LIMITS.waiting_bytes as u64 / 2, "the limit was reached: {counters:?}");
}

/// Proves that a body of more than 4 GiB, past the end of the sequence numbers, is one row of its true size that keeps no more
/// than the limit of a body.
#[test]
fn a_body_of_four_gigabytes_is_one_row() {
    const BODY: u64 = (4 << 30) + 12_345;
    let piece = [b'x'; 65_000];
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY}\r\n\r\n");
    let request = b"GET /shown HTTP/1.1\r\n\r\n";
    let (rows, counters) = flood(1, |flood| {
        flood.talk(1, request, head.as_bytes());
        let (mut seq, mut left) = (1 + head.len() as u32, BODY);
        while left > 0 {
            let len = left.min(piece.len() as u64);
            flood.tcp(1, Server, (seq, 1 + request.len() as u32), ACK, &piece[..len as usize]);
            (seq, left) = (seq.wrapping_add(len as u32), left - len);
        }
    });
    assert_eq!(rows, [["/shown", "200", "", "true", &(BODY + head.len() as u64).to_string()]]);
    assert!(counters.pending_peak_bytes < 1 << 20, "{counters:?}");
}

/// Proves that bodies which are small as sent and gigabytes when their coding is undone are rows that show what the limit of a body
/// allows.
#[test]
fn bodies_that_are_bombs_do_not_go_off() {
    let gzip = |plain: &mut dyn Read| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::copy(plain, &mut encoder).unwrap();
        encoder.finish().unwrap()
    };
    let once = gzip(&mut std::io::repeat(0).take(256 << 20));
    let twice = gzip(&mut &once[..]);
    let mut zstd = zstd::Encoder::new(Vec::new(), 1).unwrap();
    zstd.window_log(27).unwrap();
    (0..256).for_each(|_| zstd.write_all(&vec![0; 1 << 20]).unwrap());
    let zstd = zstd.finish().unwrap();
    let (rows, _) = flood(3, |flood| {
        for (number, coding, body) in [(1, "gzip", &once), (2, "gzip, gzip", &twice), (3, "zstd", &zstd)] {
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n", body.len());
            let request = format!("GET /shown-{number} HTTP/1.1\r\n\r\n");
            flood.talk(number, request.as_bytes(), &[head.as_bytes(), body].concat());
        }
    });
    assert_eq!(rows.len(), 3);
    assert!(rows[..2].iter().all(|row| row[1..4] == ["200", "", "true"]), "{rows:?}");
}

/// Proves that a header section of no end, as many fields or as one, is a row that says so, and that one which is large and has an
/// end is read.
#[test]
fn header_sections_of_any_size_are_rows() {
    let fields = |count: usize, field: &str| format!("HTTP/1.1 200 OK\r\n{}\r\n", field.repeat(count));
    let line = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    let responses = [fields(10_000, "a: b\r\n"), fields(10_000, "name: value\r\n"), line];
    let (rows, counters) = flood(3, |flood| {
        for (number, response) in (1..).zip(&responses) {
            let request = format!("GET /shown-{number} HTTP/1.1\r\n\r\n");
            flood.talk(number, request.as_bytes(), response.as_bytes());
        }
    });
    let mut calls: Vec<_> = rows.iter().map(|row| [&*row[0], &row[1], &row[2]]).collect();
    calls.sort_unstable();
    let expected = [["/shown-1", "200", ""], ["/shown-2", "200", "malformed"], ["/shown-3", "200", "malformed"]];
    assert_eq!(calls, expected);
    assert!(counters.pending_peak_bytes < 1 << 20, "{counters:?}");
}
