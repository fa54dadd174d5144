//! From a raw log's packets and statistics to rows of `coverage`.
//!
//! A pure function of the log, so that replaying it gives the same rows. Counters in a log begin at zero with it; the
//! difference between one statistics block and the one before belongs to the minute of the later, and recorders write one
//! at the end of each minute.

use wiretape_engine::raw::{Interface, Statistics};

use crate::tables::{CoverageBuilder, CoverageRow};

const MINUTE_NS: i64 = 60_000_000_000;

/// Minutes that one stretch of time may fill with rows: a day. A clock that jumps further is not time that was recorded.
const MAX_MINUTES: i64 = 24 * 60;

/// What a log says of itself, in the comment of its section header.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogNotes {
    /// How its packets were captured: `ebpf`, `af_packet` or `file`.
    pub capture_source: String,
    /// The capturing node.
    pub node: Option<String>,
    /// On the first log of a recording: the last sign of life of the recording before, ns since the epoch.
    pub previous_end_ns: Option<i64>,
}

impl LogNotes {
    /// As text: `wiretape capture_source=ebpf node=web-1`.
    pub fn to_comment(&self) -> String {
        let mut text = format!("wiretape capture_source={}", self.capture_source);
        if let Some(end) = self.previous_end_ns {
            text.push_str(&format!(" previous_end_ns={end}"));
        }
        // Last, since a name may hold blanks.
        if let Some(node) = &self.node {
            text.push_str(&format!(" node={node}"));
        }
        text
    }

    /// From text; what is not there is empty.
    pub fn parse(comment: &str) -> LogNotes {
        let (fields, node) = match comment.split_once(" node=") {
            Some((fields, node)) => (fields, Some(node.to_owned())),
            None => (comment, None),
        };
        let field = |name: &str| fields.split(' ').find_map(|f| f.strip_prefix(name)?.strip_prefix('='));
        LogNotes {
            capture_source: field("capture_source").unwrap_or("file").to_owned(),
            node,
            previous_end_ns: field("previous_end_ns").and_then(|n| n.parse().ok()),
        }
    }
}

/// The `coverage` of one log.
#[derive(Debug)]
pub(crate) struct Coverage {
    notes: LogNotes,
    interfaces: Vec<Covered>,
}

/// One interface.
#[derive(Debug)]
struct Covered {
    name: String,
    minutes: Vec<Minute>,
    /// What the last statistics block said.
    counted: Statistics,
    /// Packets since then.
    uncounted: u64,
}

/// What one minute saw.
#[derive(Debug, Clone, Copy)]
struct Minute {
    start_ns: i64,
    from_ns: i64,
    to_ns: i64,
    recorded: u64,
    recorded_bytes: u64,
    received: u64,
    dropped_ring: u64,
    dropped_limit: u64,
    filtered: u64,
}

impl Coverage {
    pub(crate) fn new(notes: LogNotes) -> Coverage {
        Coverage { notes, interfaces: Vec::new() }
    }

    pub(crate) fn interface(&mut self, interface: &Interface) {
        let name = if interface.name.is_empty() { "?" } else { &interface.name };
        self.interfaces.push(Covered {
            name: name.to_owned(),
            minutes: Vec::new(),
            counted: Statistics::default(),
            uncounted: 0,
        });
    }

    #[inline]
    pub(crate) fn packet(&mut self, interface: u32, ts_ns: i64, captured: usize) {
        let Some(covered) = self.interfaces.get_mut(interface as usize) else { return };
        covered.uncounted += 1;
        let minute = covered.minute(ts_ns);
        minute.recorded += 1;
        minute.recorded_bytes += captured as u64;
    }

    pub(crate) fn statistics(&mut self, s: &Statistics) {
        let Some(covered) = self.interfaces.get_mut(s.interface as usize) else { return };
        let before = covered.counted;
        let from_ns = if before == Statistics::default() { s.start_ns } else { before.ts_ns };
        covered.span(from_ns, s.ts_ns);
        covered.counted = *s;
        covered.uncounted = 0;
        // A moment belongs to the minute that it ends.
        let minute = covered.minute(if from_ns < s.ts_ns { s.ts_ns - 1 } else { s.ts_ns });
        let not_accepted = |s: &Statistics| s.received.saturating_sub(s.accepted);
        minute.received += s.received.saturating_sub(before.received);
        minute.dropped_ring += s.dropped_ring.saturating_sub(before.dropped_ring);
        minute.dropped_limit += s.dropped_limit.saturating_sub(before.dropped_limit);
        minute.filtered += not_accepted(s).saturating_sub(not_accepted(&before));
    }

    /// The rows so far.
    pub(crate) fn rows(&self) -> CoverageBuilder {
        let mut rows = CoverageBuilder::default();
        let first = self.interfaces.iter().flat_map(|i| i.minutes.first()).map(|m| m.from_ns).min();
        let gap = self.notes.previous_end_ns.zip(first).map(|(end, first)| (first - end).max(0));
        for covered in &self.interfaces {
            for (at, minute) in covered.minutes.iter().enumerate() {
                // What came after the last statistics block of a killed recorder was received as well.
                let uncounted = if at + 1 == covered.minutes.len() { covered.uncounted } else { 0 };
                let gap = gap.filter(|_| at == 0);
                rows.push(CoverageRow {
                    ts: minute.start_ns,
                    node: self.notes.node.as_deref(),
                    iface: &covered.name,
                    capture_source: &self.notes.capture_source,
                    start_ts: minute.from_ns,
                    end_ts: minute.to_ns,
                    received: count(minute.received + uncounted),
                    recorded: count(minute.recorded),
                    recorded_bytes: count(minute.recorded_bytes),
                    dropped_ring: count(minute.dropped_ring),
                    dropped_limit: count(minute.dropped_limit),
                    filtered: count(minute.filtered),
                    restarts: i64::from(gap.is_some()),
                    gap_ns: gap.unwrap_or(0),
                });
            }
        }
        rows
    }
}

impl Covered {
    /// The minute of `ts_ns`, which widens to it.
    fn minute(&mut self, ts_ns: i64) -> &mut Minute {
        let start_ns = ts_ns - ts_ns.rem_euclid(MINUTE_NS);
        // Nearly always the last one.
        let at = match self.minutes.iter().rposition(|m| m.start_ns <= start_ns) {
            Some(at) if self.minutes.get(at).is_some_and(|m| m.start_ns == start_ns) => at,
            other => {
                let at = other.map_or(0, |at| at + 1);
                self.minutes.insert(at, Minute::new(start_ns, ts_ns));
                at
            }
        };
        let minute = self.minutes.get_mut(at).expect("found or put there above");
        minute.from_ns = minute.from_ns.min(ts_ns);
        minute.to_ns = minute.to_ns.max(ts_ns);
        minute
    }

    /// Notes that it was recorded all the time between the two.
    fn span(&mut self, from_ns: i64, to_ns: i64) {
        let mut at = from_ns.max(to_ns.saturating_sub(MAX_MINUTES * MINUTE_NS));
        while at < to_ns {
            let next = (at - at.rem_euclid(MINUTE_NS)).saturating_add(MINUTE_NS);
            let until = next.min(to_ns);
            let minute = self.minute(at);
            minute.to_ns = minute.to_ns.max(until);
            at = next;
        }
    }
}

impl Minute {
    fn new(start_ns: i64, ts_ns: i64) -> Minute {
        Minute {
            start_ns,
            from_ns: ts_ns,
            to_ns: ts_ns,
            recorded: 0,
            recorded_bytes: 0,
            received: 0,
            dropped_ring: 0,
            dropped_limit: 0,
            filtered: 0,
        }
    }
}

fn count(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use arrow::{array::AsArray, datatypes::Int64Type};
    use wiretape_engine::raw::Resolution;

    use super::*;

    const S: i64 = 1_000_000_000;

    fn covered(notes: LogNotes) -> Coverage {
        let mut coverage = Coverage::new(notes);
        coverage.interface(&Interface {
            link_type: 1,
            snaplen: 0,
            name: "eth0".to_owned(),
            resolution: Resolution::Nano,
        });
        coverage
    }

    fn column(coverage: &Coverage, name: &str) -> Vec<i64> {
        let batch = coverage.rows().finish().unwrap();
        let column =
            arrow::compute::cast(batch.column_by_name(name).unwrap(), &arrow::datatypes::DataType::Int64).unwrap();
        column.as_primitive::<Int64Type>().values().to_vec()
    }

    #[test]
    fn notes_survive_their_text() {
        for node in [None, Some("rack 3 node=1")] {
            for previous_end_ns in [None, Some(-5)] {
                let node = node.map(str::to_owned);
                let notes = LogNotes { capture_source: "ebpf".to_owned(), node, previous_end_ns };
                assert_eq!(LogNotes::parse(&notes.to_comment()), notes);
            }
        }
    }

    #[test]
    fn an_idle_interface_is_covered_minute_by_minute() {
        let mut coverage = covered(LogNotes::default());
        for ts in [30, 60, 120, 150] {
            coverage.statistics(&Statistics { ts_ns: ts * S, start_ns: 20 * S, ..Statistics::default() });
        }
        assert_eq!(column(&coverage, "ts"), [0, 60 * S, 120 * S]);
        assert_eq!(column(&coverage, "start_ts"), [20 * S, 60 * S, 120 * S]);
        assert_eq!(column(&coverage, "end_ts"), [60 * S, 120 * S, 150 * S]);
    }

    #[test]
    fn every_packet_seen_is_in_one_column_and_what_a_kill_left_uncounted_is_received() {
        let mut coverage = covered(LogNotes::default());
        coverage.packet(0, S, 100);
        coverage.packet(0, 2 * S, 50);
        let s = Statistics {
            ts_ns: 3 * S,
            start_ns: S,
            received: 10,
            accepted: 6,
            dropped_ring: 3,
            dropped_limit: 1,
            ..Statistics::default()
        };
        coverage.statistics(&s);
        coverage.statistics(&Statistics { ts_ns: 61 * S, received: 12, accepted: 8, ..s });
        coverage.packet(0, 62 * S, 1);
        coverage.packet(0, 62 * S, 1);
        coverage.packet(0, 62 * S, 1);
        assert_eq!(column(&coverage, "received"), [10, 5]);
        assert_eq!(column(&coverage, "filtered"), [4, 0]);
        assert_eq!(column(&coverage, "dropped_ring"), [3, 0]);
        assert_eq!(column(&coverage, "dropped_limit"), [1, 0]);
        assert_eq!(column(&coverage, "recorded"), [2, 3]);
        assert_eq!(column(&coverage, "recorded_bytes"), [150, 3]);
    }

    #[test]
    fn a_restart_says_for_how_long_nothing_was_recorded() {
        let notes = LogNotes { previous_end_ns: Some(5 * S), ..LogNotes::default() };
        let mut coverage = covered(notes);
        coverage.statistics(&Statistics { ts_ns: 70 * S, start_ns: 8 * S, ..Statistics::default() });
        assert_eq!(column(&coverage, "restarts"), [1, 0]);
        assert_eq!(column(&coverage, "gap_ns"), [3 * S, 0]);
    }

    #[test]
    fn a_clock_that_jumps_does_not_make_rows_for_years() {
        let mut coverage = covered(LogNotes::default());
        coverage.statistics(&Statistics { ts_ns: 1 << 60, start_ns: 0, ..Statistics::default() });
        assert!(i64::try_from(column(&coverage, "ts").len()).unwrap() <= MAX_MINUTES + 2);
    }
}
