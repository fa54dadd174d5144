//! The one helper of dissectors' tests: a talk between a client and a server, played in every way that a capture may show it.

use std::{collections::BTreeMap, env, fs, path::PathBuf, thread};

use arrow::{
    array::{Array, AsArray},
    datatypes::{Int64Type, TimestampNanosecondType},
    util::display::{ArrayFormatter, FormatOptions},
};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    L7, L7Counters, L7Limits, Stamp, Tap,
    shown::{Arrivals, shown},
};
use crate::{
    decode::Decoded,
    flow::{
        FlowConfig, FlowTable, SCTP, TCP, UDP, Way, flag,
        testing::{Made, ports},
    },
};

/// When every talk begins.
const START_NS: i64 = 1_700_000_000_000_000_000;

/// Columns that depend on how a talk is cut into packets, or on what came before it.
const OF_PACKETS: [&str; 4] = ["first_packet_id", "last_packet_id", "call_id", "flow_id"];

/// A row: the columns that are not NULL, as text; times in milliseconds of the talk, without [`OF_PACKETS`]. Each turn takes a
/// millisecond.
pub(crate) type Row = BTreeMap<String, String>;

/// What two ends say, in order.
#[derive(Debug, Clone)]
pub(crate) struct Talk {
    ip_proto: u8,
    server_port: u16,
    turns: Vec<(Way, Vec<u8>)>,
    /// A log of TLS secrets.
    secrets: String,
}

/// What the capture makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// A packet per turn.
    Whole,
    /// A packet per byte.
    Bytes,
    /// Each turn in two packets, the first with so many bytes.
    At(usize),
    /// The turn of this number is not in the capture.
    Without(usize),
    /// Half of the turn of this number is not in the capture.
    WithoutHalf(usize),
    /// Only one direction is.
    Only(Way),
    /// The capture begins with the turn of this number.
    From(usize),
}

impl Talk {
    /// Over TCP, with a server on this port.
    pub(crate) fn tcp(server_port: u16) -> Talk {
        Talk { ip_proto: TCP, server_port, turns: Vec::new(), secrets: String::new() }
    }

    /// Over UDP: a turn is a datagram.
    pub(crate) fn udp(server_port: u16) -> Talk {
        Talk { ip_proto: UDP, ..Talk::tcp(server_port) }
    }

    /// Over SCTP: a turn is the chunks of a packet.
    pub(crate) fn sctp(server_port: u16) -> Talk {
        Talk { ip_proto: SCTP, ..Talk::tcp(server_port) }
    }

    fn is_tcp(&self) -> bool {
        self.ip_proto == TCP
    }

    /// With this log of TLS secrets.
    pub(crate) fn secrets(self, log: String) -> Talk {
        Talk { secrets: log, ..self }
    }

    /// The client says this next.
    pub(crate) fn client(mut self, bytes: impl AsRef<[u8]>) -> Talk {
        self.turns.push((Way::Out, bytes.as_ref().to_vec()));
        self
    }

    /// The server says this next.
    pub(crate) fn server(mut self, bytes: impl AsRef<[u8]>) -> Talk {
        self.turns.push((Way::In, bytes.as_ref().to_vec()));
        self
    }

    /// The rows of the talk, one packet a turn, after proving that no other way of capturing it gives anything else that is
    /// whole: byte by byte and split at every point it gives the same rows; with a turn or half of one missing, with one
    /// direction missing, and from any turn on it gives some rows or none, but ends with nothing held.
    #[track_caller]
    pub(crate) fn rows(&self) -> Vec<Row> {
        let (whole, counters) = self.play(Cut::Whole);
        assert_eq!(counters.pending_bytes, 0, "nothing is held at the end");
        self.write_seed(&whole);
        if self.is_tcp() {
            assert_eq!(self.play(Cut::Bytes).0, whole, "byte by byte");
            let longest = self.turns.iter().map(|(_, bytes)| bytes.len()).max().unwrap_or(0);
            // Every split of what is short; of what is long, those of its beginning and its end and some between.
            let all = (1..longest).filter(|at| *at < 600 || at % 97 == 0 || longest - at < 20);
            for at in all {
                assert_eq!(self.play(Cut::At(at)).0, whole, "split at {at}");
            }
        }
        let broken = (0..self.turns.len()).flat_map(|n| [Cut::Without(n), Cut::WithoutHalf(n), Cut::From(n)]);
        for cut in broken.chain([Cut::Only(Way::Out), Cut::Only(Way::In)]) {
            let (_, counters) = self.play(cut);
            assert_eq!((counters.pending_bytes, counters.waiting_bytes), (0, 0), "{cut:?}");
        }
        whole
    }

    /// Writes the talk into the folder that `WIRETAPE_FUZZ_TALKS` names, if it is set: a seed for fuzzing all that it is rows of,
    /// and the protocol whose test this is. The form of a turn is that of `fuzz/src/talk.rs`.
    fn write_seed(&self, rows: &[Row]) {
        const SECRETS: u8 = 7 << 1;
        let Some(folder) = env::var_os("WIRETAPE_FUZZ_TALKS").map(PathBuf::from) else { return };
        let mut seed = Vec::new();
        let secrets = (!self.secrets.is_empty()).then_some((SECRETS, self.secrets.as_bytes()));
        let said = self.turns.iter().map(|(way, bytes)| (u8::from(*way == Way::In), bytes.as_slice()));
        for (bits, bytes) in secrets.into_iter().chain(said) {
            let Ok(len) = u16::try_from(bytes.len()) else { return };
            seed.push(bits);
            seed.extend(len.to_le_bytes());
            seed.extend_from_slice(bytes);
        }
        let thread = thread::current();
        let tested = thread.name().and_then(|name| name.split_once("protocols::")?.1.split("::").next());
        let over = match self.ip_proto {
            TCP => "tcp",
            SCTP => "sctp",
            _ => "udp",
        };
        for name in rows.iter().filter_map(|row| row.get("app_proto").map(String::as_str)).chain(tested) {
            let file = format!("{name}-{over}-{}-{:016x}", self.server_port, xxh3_64(&seed));
            fs::write(folder.join(file), &seed).unwrap();
        }
    }

    /// The rows when the turn of this number is not in the capture.
    pub(crate) fn rows_without(&self, turn: usize) -> Vec<Row> {
        self.play(Cut::Without(turn)).0
    }

    /// The rows when only the client's turns are in the capture.
    pub(crate) fn rows_of_client(&self) -> Vec<Row> {
        self.play(Cut::Only(Way::Out)).0
    }

    /// The rows when only the server's turns are in the capture.
    pub(crate) fn rows_of_server(&self) -> Vec<Row> {
        self.play(Cut::Only(Way::In)).0
    }

    /// The rows when the capture begins with this turn.
    pub(crate) fn rows_from(&self, turn: usize) -> Vec<Row> {
        self.play(Cut::From(turn)).0
    }

    fn play(&self, cut: Cut) -> (Vec<Row>, L7Counters) {
        let mut capture = Capture::new();
        capture.l7.learn_secrets(self.secrets.as_bytes());
        let (client, server) = ("10.0.0.1:40000", format!("10.0.0.2:{}", self.server_port));
        let made = |way: Way| match way {
            Way::Out => ports(self.ip_proto, client, &server),
            Way::In => ports(self.ip_proto, &server, client),
        };
        let mut sent = [0u32; 2];
        if self.is_tcp() && !matches!(cut, Cut::From(_)) {
            capture.show(0, &made(Way::Out).flags(flag::SYN).seq(u32::MAX));
            if cut != Cut::Only(Way::Out) {
                capture.show(0, &made(Way::In).flags(flag::SYN | flag::ACK).seq(u32::MAX));
            }
        }
        for (n, (way, bytes)) in self.turns.iter().enumerate() {
            let pieces: Vec<(usize, &[u8])> = match cut {
                Cut::Bytes => bytes.chunks(1).enumerate().collect(),
                Cut::At(at) if at < bytes.len() => vec![(0, &bytes[..at]), (at, &bytes[at..])],
                Cut::Without(lost) if lost == n => Vec::new(),
                Cut::WithoutHalf(lost) if lost == n => vec![(0, &bytes[..bytes.len() / 2])],
                Cut::Only(seen) if seen != *way => Vec::new(),
                Cut::From(first) if n < first => Vec::new(),
                _ => vec![(0, bytes.as_slice())],
            };
            let seqs = if *way == Way::Out { [0, 1] } else { [1, 0] };
            let [seq, ack] = seqs.map(|i: usize| sent[i]);
            for (offset, piece) in pieces {
                let offset = u32::try_from(offset).unwrap();
                let packet = made(*way).flags(flag::ACK).seq(seq + offset).ack(ack).payload(piece);
                capture.show(n + 1, &packet);
            }
            sent[seqs[0]] += u32::try_from(bytes.len()).unwrap();
        }
        if self.is_tcp() {
            let last = self.turns.len() + 1;
            for (way, at) in [(Way::Out, 0), (Way::In, 1)] {
                if !matches!(cut, Cut::Only(seen) if seen != way) {
                    let fin = made(way).flags(flag::FIN | flag::ACK).seq(sent[at]).ack(sent[1 - at]);
                    capture.show(last, &fin);
                }
            }
        }
        capture.end()
    }
}

/// Packets through the flow table and dissection.
#[derive(Debug)]
pub(crate) struct Capture {
    flows: FlowTable,
    arrivals: Arrivals,
    l7: L7,
    packets: i64,
}

impl Capture {
    pub(crate) fn new() -> Capture {
        Capture::with(L7Limits::default())
    }

    pub(crate) fn with(limits: L7Limits) -> Capture {
        let mut flows = FlowTable::new(FlowConfig::default());
        flows.leave_recognition();
        let l7 = L7::new(limits, "file".to_owned(), None);
        Capture { flows, arrivals: Arrivals::default(), l7, packets: 0 }
    }

    /// A packet, `ms` milliseconds after the beginning.
    pub(crate) fn show(&mut self, ms: usize, made: &Made) {
        self.show_packet(ms, &made.packet());
    }

    /// The same for a packet as decode gives it.
    pub(crate) fn show_packet(&mut self, ms: usize, packet: &Decoded<'_>) {
        self.show_at(Tap::default(), ms, packet);
    }

    /// The same for a packet that was seen there.
    pub(crate) fn show_at(&mut self, tap: Tap, ms: usize, packet: &Decoded<'_>) {
        let ts_ns = START_NS + i64::try_from(ms).unwrap() * 1_000_000;
        let observed = self.flows.observe(ts_ns, 60, packet).unwrap();
        self.end_all();
        let at = Stamp { ts_ns, packet_id: self.packets };
        let order = self.arrivals.order(ts_ns);
        if let Some(app) = self.l7.packet(&shown(&self.flows, &observed, (at, tap, order), packet).unwrap()) {
            self.flows.set_app(observed.slot, app);
        }
        self.packets += 1;
    }

    fn end_all(&mut self) {
        while let Some(ended) = self.flows.take_ended() {
            self.l7.end(ended);
        }
    }

    /// What is held now, and what was done.
    pub(crate) fn counters(&self) -> L7Counters {
        self.l7.counters()
    }

    /// Ends the capture: its rows, in the order they were made, and the counters.
    pub(crate) fn end(mut self) -> (Vec<Row>, L7Counters) {
        self.flows.finish();
        self.end_all();
        let options = FormatOptions::default();
        let mut rows = Vec::new();
        for (table, batch) in self.l7.seal().unwrap() {
            let ids = batch.column_by_name("call_id").unwrap().as_primitive::<Int64Type>();
            for at in 0..batch.num_rows() {
                let mut row = Row::from([("table".to_owned(), table.name.to_owned())]);
                for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
                    if let Some(times) = column.as_primitive_opt::<TimestampNanosecondType>() {
                        row.insert(field.name().clone(), ((times.value(at) - START_NS) / 1_000_000).to_string());
                    } else if column.is_valid(at) && !OF_PACKETS.contains(&field.name().as_str()) {
                        let format = ArrayFormatter::try_new(column.as_ref(), &options).unwrap();
                        row.insert(field.name().clone(), format.value(at).to_string());
                    }
                }
                rows.push((ids.value(at), row));
            }
        }
        rows.sort_by_key(|(id, _)| *id);
        (rows.into_iter().map(|(_, row)| row).collect(), self.l7.counters())
    }
}

/// These columns of each row; NULL is empty.
pub(crate) fn select<'a>(rows: &'a [Row], columns: &[&str]) -> Vec<Vec<&'a str>> {
    let value = |row: &'a Row, column: &&str| row.get(*column).map_or("", String::as_str);
    rows.iter().map(|row| columns.iter().map(|column| value(row, column)).collect()).collect()
}
