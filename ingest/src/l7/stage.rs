//! Dissection on a thread of its own: the caller decodes and follows flows, and what packets say is read a moment later.
//!
//! ```text
//!  caller: packet ─► Batch ─► thread: L7
//!             ▲                  │
//!             └──── Done ◄───────┘   what flows speak, which are not read any more, how much memory rows hold
//! ```
//!
//! The one fact to know: what is done of a batch is looked at when the second one behind it is handed over, not when it happens to be
//! there. So whatever depends on it, where a segment ends above all, is the same each time.

use std::{
    ops::Range,
    sync::mpsc::{Receiver, Sender, channel},
    thread::JoinHandle,
};

use arrow::array::RecordBatch;
use wiretape_engine::{Result, TableDef};

use super::{
    L7, L7Counters, L7Limits,
    shown::{Arrivals, Shown, shown},
    stamp::Stamp,
    tap::Tap,
};
use crate::{
    decode::Decoded,
    flow::{Ended, FlowTable, Observed},
};

/// Events of a batch at most: so many that handing it over costs next to nothing, and so few that it stays in the processor's cache.
const MAX_EVENTS: usize = 512;

/// Bytes of payload after which a batch is handed over. One more packet may be in it: 64 KiB, or a reassembled datagram.
const MAX_BYTES: usize = 256 << 10;

/// Batches handed over and not looked at again, at most: one that is read, and one that waits.
const MAX_UNDER_WAY: usize = 2;

/// The rows of a segment, by table.
type Calls = Vec<(&'static TableDef, RecordBatch)>;

/// Hands packets over to the thread, and takes back what it says of flows.
#[derive(Debug)]
pub(crate) struct Stage {
    arrivals: Arrivals,
    /// By the place of a flow in the flow table.
    heard: Vec<Heard>,
    filling: Batch,
    /// Batches that were read: their memory is used again.
    spare: Vec<Batch>,
    under_way: usize,
    thread: Option<Thread>,
    /// As of the last batch that was looked at.
    rows_bytes: usize,
    counters: L7Counters,
}

#[derive(Debug)]
struct Thread {
    batches: Sender<Batch>,
    done: Receiver<Done>,
    handle: JoinHandle<()>,
}

/// What is known of the flow in a place of the flow table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// It has said nothing, and the thread knows nothing of it.
    Nothing,
    /// The flow of that id has said something.
    Something(i64),
    /// Nothing more is read of the flow of that id.
    Enough(i64),
}

/// Events in order, and the payloads in them.
#[derive(Debug, Default)]
struct Batch {
    events: Vec<Event>,
    bytes: Vec<u8>,
    ask: Option<Ask>,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all of them are packets")]
enum Event {
    /// A packet without its payload, and where that is.
    Packet(Shown<'static>, Range<usize>),
    Ended(Ended),
    Secrets(Vec<u8>),
    Segment(u32),
}

/// What is wanted when the batch is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// A copy of the rows that are new.
    Flush,
    /// All rows of the segment.
    Seal,
}

/// What came of a batch.
#[derive(Debug)]
struct Done {
    /// The batch, empty.
    batch: Batch,
    /// Flows that turned out to speak a protocol: slot and place of the protocol.
    spoken: Vec<(u32, u8)>,
    /// Flows of which nothing more is read: place and id.
    silent: Vec<(u32, i64)>,
    rows_bytes: usize,
    counters: L7Counters,
    rows: Option<Result<Calls>>,
}

impl Stage {
    pub(crate) fn new(limits: L7Limits, capture_source: String, node: Option<String>) -> Stage {
        let l7 = L7::new(limits, capture_source, node);
        let (batches, work) = channel();
        let (results, done) = channel();
        let handle = std::thread::spawn(move || read(l7, &work, &results));
        Stage {
            arrivals: Arrivals::default(),
            heard: Vec::new(),
            filling: Batch::default(),
            spare: Vec::new(),
            under_way: 0,
            thread: Some(Thread { batches, done, handle }),
            rows_bytes: 0,
            counters: L7Counters::default(),
        }
    }

    /// Rows from now on belong to this segment.
    pub(crate) fn begin_segment(&mut self, segment: u32) {
        self.filling.events.push(Event::Segment(segment));
    }

    /// Takes in a log of secrets: it opens the connections that begin from now on.
    pub(crate) fn learn_secrets(&mut self, log: &[u8]) {
        self.filling.events.push(Event::Secrets(log.to_vec()));
    }

    /// Takes in a packet of a flow.
    #[inline]
    pub(crate) fn packet(
        &mut self,
        flows: &mut FlowTable,
        flow: &Observed,
        (at, tap): (Stamp, Tap),
        packet: &Decoded<'_>,
    ) {
        let order = self.arrivals.order(at.ts_ns);
        let place = flow.place as usize;
        if self.heard.len() <= place {
            self.heard.resize(place + 1, Heard::Nothing);
        }
        let Some(heard) = self.heard.get_mut(place) else { return };
        let says_nothing = packet.payload_len.unwrap_or(0) == 0 && packet.icmp.is_none();
        match heard {
            Heard::Enough(_) => return,
            Heard::Nothing if says_nothing => return,
            Heard::Nothing => *heard = Heard::Something(flow.flow_id),
            Heard::Something(_) => {}
        }
        let Some(shown) = shown(flows, flow, (at, tap, order), packet) else { return };
        let Batch { events, bytes, .. } = &mut self.filling;
        let start = bytes.len();
        bytes.extend_from_slice(packet.payload);
        events.push(Event::Packet(shown.over(&[]), start..bytes.len()));
        self.hand_over_if_full(flows);
    }

    /// Ends the conversations of the flows that have ended.
    #[inline]
    pub(crate) fn end_all(&mut self, flows: &mut FlowTable) {
        while let Some(ended) = flows.take_ended() {
            let heard = self.heard.get_mut(ended.place as usize);
            if heard.is_some_and(|heard| std::mem::replace(heard, Heard::Nothing) != Heard::Nothing) {
                self.filling.events.push(Event::Ended(ended));
                self.hand_over_if_full(flows);
            }
        }
    }

    /// Bytes of memory that rows held a moment ago.
    pub(crate) fn rows_bytes(&self) -> usize {
        self.rows_bytes
    }

    /// What was done so far, now that everything is read.
    pub(crate) fn counters(&mut self, flows: &mut FlowTable) -> L7Counters {
        if !self.filling.events.is_empty() {
            self.hand_over(None);
        }
        self.look_at_all(flows);
        self.counters
    }

    /// What was done up to the last [`flush`](Self::flush) or [`seal`](Self::ask_seal).
    pub(crate) fn counted(&self) -> L7Counters {
        self.counters
    }

    /// A copy of the rows that are new since the last call, by table.
    pub(crate) fn flush(&mut self, flows: &mut FlowTable) -> Result<Calls> {
        self.hand_over(Some(Ask::Flush));
        self.rows(flows)
    }

    /// Asks for the rows of the segment, which [`sealed`](Self::sealed) gives: there may be something to do meanwhile.
    pub(crate) fn ask_seal(&mut self) {
        self.hand_over(Some(Ask::Seal));
    }

    /// The rows of the segment, by table. All that the segment's flows speak is known by then.
    pub(crate) fn sealed(&mut self, flows: &mut FlowTable) -> Result<Calls> {
        self.rows(flows)
    }

    fn rows(&mut self, flows: &mut FlowTable) -> Result<Calls> {
        self.look_at_all(flows).unwrap_or_else(|| Ok(Vec::new()))
    }

    #[inline]
    fn hand_over_if_full(&mut self, flows: &mut FlowTable) {
        if self.filling.events.len() < MAX_EVENTS && self.filling.bytes.len() < MAX_BYTES {
            return;
        }
        self.hand_over(None);
        while self.under_way > MAX_UNDER_WAY {
            self.look_at_one(flows);
        }
    }

    fn hand_over(&mut self, ask: Option<Ask>) {
        let next = self.spare.pop().unwrap_or_default();
        let batch = Batch { ask, ..std::mem::replace(&mut self.filling, next) };
        if self.thread.as_ref().is_none_or(|thread| thread.batches.send(batch).is_err()) {
            self.end_as_the_thread_did();
        }
        self.under_way += 1;
    }

    /// Waits for all batches under way: what the last one gave.
    fn look_at_all(&mut self, flows: &mut FlowTable) -> Option<Result<Calls>> {
        let mut rows = None;
        while self.under_way > 0 {
            rows = self.look_at_one(flows);
        }
        rows
    }

    /// Waits for the oldest batch under way.
    fn look_at_one(&mut self, flows: &mut FlowTable) -> Option<Result<Calls>> {
        let Some(Ok(done)) = self.thread.as_ref().map(|thread| thread.done.recv()) else {
            self.end_as_the_thread_did();
        };
        self.under_way -= 1;
        for (slot, app) in done.spoken {
            flows.set_app(slot, app);
        }
        for (place, flow_id) in done.silent {
            // Another flow may have taken its place by now.
            if let Some(heard) = self.heard.get_mut(place as usize)
                && *heard == Heard::Something(flow_id)
            {
                *heard = Heard::Enough(flow_id);
            }
        }
        (self.rows_bytes, self.counters) = (done.rows_bytes, done.counters);
        self.spare.push(done.batch);
        done.rows
    }

    /// The thread ends only when it is told to, or by a panic, which goes on here.
    fn end_as_the_thread_did(&mut self) -> ! {
        match self.thread.take().map(|thread| thread.handle.join()) {
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            _ => unreachable!("the thread reads as long as there is somebody who hands over"),
        }
    }
}

/// Leaves no thread behind.
impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(Thread { batches, done, handle }) = self.thread.take() {
            drop((batches, done));
            let _ = handle.join();
        }
    }
}

/// What the thread does: reads batches until there will be no more.
fn read(mut l7: L7, work: &Receiver<Batch>, results: &Sender<Done>) {
    for mut batch in work {
        let (mut spoken, mut silent) = (Vec::new(), Vec::new());
        let Batch { events, bytes, ask } = &mut batch;
        for event in events.drain(..) {
            match event {
                Event::Packet(shown, payload) => {
                    let flow = shown.flow;
                    let app = l7.packet(&shown.over(bytes.get(payload).unwrap_or_default()));
                    spoken.extend(app.map(|app| (flow.slot, app)));
                    if l7.is_silent(flow.place) {
                        silent.push((flow.place, flow.flow_id));
                    }
                }
                Event::Ended(ended) => l7.end(ended),
                Event::Secrets(log) => l7.learn_secrets(&log),
                Event::Segment(segment) => l7.begin_segment(segment),
            }
        }
        bytes.clear();
        let rows = ask.take().map(|ask| match ask {
            Ask::Flush => l7.flush(),
            Ask::Seal => l7.seal(),
        });
        let (rows_bytes, counters) = (l7.rows_bytes(), l7.counters());
        // An error says that nobody looks any more.
        if results.send(Done { batch, spoken, silent, rows_bytes, counters, rows }).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{
        FlowConfig,
        testing::{Made, udp},
    };

    const SECOND: i64 = 1_000_000_000;

    /// A DNS query.
    const QUERY: &[u8] = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x01a\x04test\0\0\x01\0\x01";

    struct Capture {
        flows: FlowTable,
        stage: Stage,
        packets: i64,
    }

    impl Capture {
        fn new(config: FlowConfig) -> Capture {
            let mut flows = FlowTable::new(config);
            flows.leave_recognition();
            Capture { flows, stage: Stage::new(L7Limits::default(), "file".to_owned(), None), packets: 0 }
        }

        fn show(&mut self, ts_ns: i64, made: &Made) -> Observed {
            let flow = self.flows.observe(ts_ns, 60, &made.packet()).unwrap();
            self.stage.end_all(&mut self.flows);
            let at = Stamp { ts_ns, packet_id: self.packets };
            self.stage.packet(&mut self.flows, &flow, (at, Tap::default()), &made.packet());
            self.packets += 1;
            flow
        }

        /// What each flow of the segment speaks, and the number of calls.
        fn seal(&mut self) -> (Vec<Option<&'static str>>, usize) {
            self.stage.ask_seal();
            let calls = self.stage.sealed(&mut self.flows).unwrap();
            (self.flows.seal().app_protos, calls.iter().map(|(_, batch)| batch.num_rows()).sum())
        }
    }

    /// Proves that what a flow speaks is said of that flow, though it has ended and another one has its place by the time it is known, and
    /// of the flow that carries it on.
    #[test]
    fn what_is_known_late_is_said_of_the_right_flow() {
        let mut capture = Capture::new(FlowConfig { active_ns: 50 * SECOND, ..FlowConfig::default() });
        let query = udp("10.0.0.1:4000", "10.0.0.2:53").payload(QUERY);
        let first = capture.show(SECOND, &query);
        let carried = capture.show(52 * SECOND, &udp("10.0.0.1:4000", "10.0.0.2:53"));
        // Quiet for long enough to be over: its place is free for the next one.
        let other = capture.show(200 * SECOND, &udp("10.0.0.3:4000", "10.0.0.4:9999").payload(b"??"));
        assert!([first.place, carried.place].contains(&other.place), "the place is taken");
        assert_eq!(capture.seal(), (vec![Some("dns"), Some("dns"), None], 1));
    }

    /// Proves that a flow is read whose place was that of one of which nothing more is read, and that batches are looked at again however
    /// many there are.
    #[test]
    fn a_place_is_heard_anew_with_every_flow() {
        let mut capture = Capture::new(FlowConfig { max_flows: 1, ..FlowConfig::default() });
        // Too long to be the beginning of anything that is known.
        let noise = udp("10.0.0.1:4000", "10.0.0.2:9999").payload(&[0xff; 4096]);
        let back = udp("10.0.0.2:9999", "10.0.0.1:4000").payload(&[0xff; 4096]);
        for _ in 0..4 * MAX_EVENTS {
            capture.show(SECOND, &noise);
            capture.show(SECOND, &back);
        }
        assert!(matches!(capture.stage.heard[..], [Heard::Enough(_)]), "nothing more is read of noise");
        assert!(capture.stage.spare.len() <= MAX_UNDER_WAY, "batches are used again");
        let flow = capture.show(2 * SECOND, &udp("10.0.0.1:4000", "10.0.0.2:53").payload(QUERY));
        assert_eq!(flow.place, 0, "there is one place");
        capture.flows.finish();
        capture.stage.end_all(&mut capture.flows);
        assert_eq!(capture.seal(), (vec![None, Some("dns")], 1));
    }

    /// Proves that a panic of the thread is the caller's.
    #[test]
    #[should_panic(expected = "as the thread did")]
    fn a_panic_goes_on_where_it_is_waited_for() {
        let mut capture = Capture::new(FlowConfig::default());
        let (batches, _) = channel();
        let (_, done) = channel();
        capture.stage.thread =
            Some(Thread { batches, done, handle: std::thread::spawn(|| panic!("as the thread did")) });
        capture.seal();
    }
}
