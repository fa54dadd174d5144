//! One direction of a TCP connection, from segments in any order to bytes in order (RFC 9293 section 3.4).
//!
//! A segment that comes in order passes through without being copied. One that is ahead waits for what is missing; the
//! first copy of a byte is the one that counts. What stays missing is told as a gap, never filled in: as soon as the other
//! end acknowledges it, for then it was lost by the capture and not on the wire, when too much waits behind it, when time has
//! passed, or when the connection ends. Of a capture that mixes its packets, an acknowledgement may come before the bytes.

use std::collections::VecDeque;

use super::stamp::Stamp;
use crate::flow::Begin;

/// Segments that wait in one direction at most: a window of small ones.
const MAX_WAITING: usize = 4096;

/// How far ahead of what is expected a segment may be: the largest window there is (RFC 7323 2.3). What is further does
/// not belong here, or a long stretch is missing.
const MAX_AHEAD: u32 = 1 << 30;

/// Whether packets are in the order in which they passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// They are: what is acknowledged has passed.
    Kept,
    /// Captures of several queues mix the order of packets that are near to each other.
    Mixed,
}

/// Packets of the flow that pass before bytes which the other end has acknowledged are given up, where the order is mixed.
const PATIENCE_PACKETS: u32 = 32;

/// Packet time that passes before missing bytes are given up though nobody acknowledged them, as where only one direction
/// is captured: longer than a sender takes to repeat them.
const PATIENCE_NS: i64 = 10_000_000_000;

/// A segment as it was captured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment<'a> {
    pub(crate) at: Stamp,
    pub(crate) seq: u32,
    pub(crate) syn: bool,
    pub(crate) fin: bool,
    /// Payload by the headers' lengths, in bytes.
    pub(crate) len: u32,
    /// The captured part of it.
    pub(crate) payload: &'a [u8],
}

/// What comes out, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// The next bytes.
    Bytes(&'a [u8], Stamp),
    /// So many bytes are not in the capture; the packet is the one before or after them.
    Gap(u64, Stamp),
    /// The sender has closed its side: nothing follows.
    End(Stamp),
}

/// One direction.
#[derive(Debug, Default)]
pub(crate) struct Half {
    /// The sequence number expected next; none before the first segment.
    next: Option<u32>,
    /// Whether any payload came out: what is before it then is old.
    started: bool,
    /// Segments ahead of it, by sequence number.
    waiting: VecDeque<Waiting>,
    /// Bytes of payload in them.
    payload_bytes: usize,
    /// When the first of them came, and packets of the flow since then.
    since_ns: i64,
    packets: u32,
    /// What the other end has acknowledged last: before the first segment, and since something waits.
    acked: Option<u32>,
    /// Holes given up because too much waited, and not yet [taken](Self::take_given_up).
    given_up: u64,
    /// Where the stream ends, and the packet that said so; told once.
    fin: Option<(u32, Stamp)>,
}

#[derive(Debug)]
struct Waiting {
    seq: u32,
    len: u32,
    at: Stamp,
    bytes: Box<[u8]>,
}

impl Half {
    /// A direction that begins there.
    pub(crate) fn new(begin: Begin) -> Half {
        Half { next: begin.first, acked: begin.acked, ..Half::default() }
    }

    /// Takes in a segment and gives what is in order now. At most `limit_bytes` wait.
    #[inline]
    pub(crate) fn push(&mut self, segment: &Segment<'_>, limit_bytes: usize, out: &mut dyn FnMut(Piece<'_>)) {
        let seq = segment.seq.wrapping_add(u32::from(segment.syn));
        let next = match self.next {
            Some(next) if segment.syn && !self.started && self.waiting.is_empty() && next != seq => {
                self.next = Some(seq);
                seq
            }
            Some(next) => next,
            None => {
                let Some(first) = self.first(segment, seq) else { return };
                self.next = Some(first);
                first
            }
        };
        if segment.fin {
            self.fin = Some((seq.wrapping_add(segment.len), segment.at));
        }
        if segment.len == 0 {
            return self.end(out);
        }
        let ahead = seq.wrapping_sub(next);
        if ahead == 0 {
            self.deliver(segment.payload, segment.len, segment.at, out);
        } else if ahead < MAX_AHEAD {
            self.hold(seq, segment, limit_bytes, out);
        } else {
            // Behind: a repetition, but for what it may have in addition.
            let old = next.wrapping_sub(seq);
            if old < segment.len {
                let new = segment.payload.get(old as usize..).unwrap_or_default();
                self.deliver(new, segment.len - old, segment.at, out);
            }
        }
        self.drain(out);
        self.end(out);
    }

    /// The number of the first byte, by the first segment. What the other end has not acknowledged and is before it is missing,
    /// or still to come. `None` for a segment that does not tell: one that keeps the connection alive repeats a number.
    #[cold]
    fn first(&self, segment: &Segment<'_>, seq: u32) -> Option<u32> {
        let Some(acked) = self.acked.filter(|_| !segment.syn) else { return Some(seq) };
        match seq.wrapping_sub(acked) {
            0..MAX_AHEAD => Some(acked),
            _ => (segment.len > 0).then_some(seq),
        }
    }

    /// The other end has all before `ack`. To be called with every packet of the flow, with those of the other end before what
    /// they carry is read.
    #[inline]
    pub(crate) fn acknowledged(&mut self, ack: Option<u32>, now_ns: i64, order: Order, out: &mut dyn FnMut(Piece<'_>)) {
        if self.waiting.is_empty() && self.next.is_some() {
            return;
        }
        self.acked = ack.or(self.acked);
        self.packets = self.packets.saturating_add(1);
        let is_patient = order == Order::Mixed && self.packets < PATIENCE_PACKETS;
        while let (Some(next), Some(first)) = (self.next, self.waiting.front()) {
            let missing = first.seq.wrapping_sub(next);
            let is_lost = self.acked.is_some_and(|acked| acked.wrapping_sub(next) >= missing && is_ahead(acked, next));
            let is_late = now_ns.saturating_sub(self.since_ns) > PATIENCE_NS;
            if !is_late && (!is_lost || is_patient) {
                break;
            }
            self.skip(out);
            (self.since_ns, self.packets) = (now_ns, 0);
        }
        self.end(out);
    }

    /// Bytes of memory that what waits takes.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.payload_bytes + self.waiting.capacity() * size_of::<Waiting>()
    }

    /// Gives everything that waits, holes told.
    pub(crate) fn flush(&mut self, out: &mut dyn FnMut(Piece<'_>)) {
        while !self.waiting.is_empty() {
            self.skip(out);
        }
        self.end(out);
    }

    /// The same because too much waits.
    pub(crate) fn give_up(&mut self, out: &mut dyn FnMut(Piece<'_>)) {
        while !self.waiting.is_empty() {
            self.given_up += 1;
            self.skip(out);
        }
        self.end(out);
    }

    /// Holes that were given up because too much waited, since the last call.
    pub(crate) fn take_given_up(&mut self) -> u64 {
        std::mem::take(&mut self.given_up)
    }

    /// Tells the end, if it is reached.
    #[inline]
    fn end(&mut self, out: &mut dyn FnMut(Piece<'_>)) {
        if let (Some((end, at)), Some(next)) = (self.fin, self.next)
            && !is_ahead(end, next)
        {
            self.fin = None;
            out(Piece::End(at));
        }
    }

    /// Gives the next `len` bytes, of which these were captured.
    #[inline]
    fn deliver(&mut self, bytes: &[u8], len: u32, at: Stamp, out: &mut dyn FnMut(Piece<'_>)) {
        self.started = true;
        self.next = self.next.map(|next| next.wrapping_add(len));
        if !bytes.is_empty() {
            out(Piece::Bytes(bytes, at));
        }
        let missing = len as usize - bytes.len().min(len as usize);
        if missing > 0 {
            out(Piece::Gap(missing as u64, at));
        }
    }

    /// Keeps a segment that is ahead; if too much waits then, what is missing before the first of them is given up.
    fn hold(&mut self, seq: u32, segment: &Segment<'_>, limit_bytes: usize, out: &mut dyn FnMut(Piece<'_>)) {
        let next = self.next.unwrap_or(seq);
        let place = self.waiting.partition_point(|w| w.seq.wrapping_sub(next) < seq.wrapping_sub(next));
        if self.waiting.get(place).is_some_and(|w| w.seq == seq && w.len >= segment.len) {
            return; // again
        }
        if self.waiting.is_empty() {
            (self.since_ns, self.packets, self.acked) = (segment.at.ts_ns, 0, None);
        }
        self.payload_bytes += segment.payload.len();
        let held = Waiting { seq, len: segment.len, at: segment.at, bytes: segment.payload.into() };
        self.waiting.insert(place, held);
        while self.waiting_bytes() > limit_bytes && !self.waiting.is_empty() || self.waiting.len() > MAX_WAITING {
            self.given_up += 1;
            self.skip(out);
        }
    }

    /// Tells the hole before the first that waits, and gives that and all that follows it.
    fn skip(&mut self, out: &mut dyn FnMut(Piece<'_>)) {
        if let (Some(next), Some(first)) = (self.next, self.waiting.front()) {
            let missing = first.seq.wrapping_sub(next);
            if missing > 0 {
                out(Piece::Gap(u64::from(missing), first.at));
            }
            self.next = Some(first.seq);
            self.started = true;
        }
        self.drain(out);
    }

    /// Gives what waits and is in order by now.
    #[inline]
    fn drain(&mut self, out: &mut dyn FnMut(Piece<'_>)) {
        while let (Some(next), Some(first)) = (self.next, self.waiting.front()) {
            let old = next.wrapping_sub(first.seq);
            if old != 0 && is_ahead(first.seq, next) {
                break;
            }
            let Some(w) = self.waiting.pop_front() else { break };
            self.payload_bytes -= w.bytes.len();
            if old < w.len {
                let bytes = w.bytes.get(old as usize..).unwrap_or_default();
                self.deliver(bytes, w.len - old, w.at, out);
            }
            if self.waiting.is_empty() {
                // An idle flow keeps no room for what waited once.
                self.waiting = VecDeque::new();
            }
        }
    }
}

/// Whether `seq` is after `next`, by the arithmetic of RFC 9293 section 3.4.
fn is_ahead(seq: u32, next: u32) -> bool {
    let ahead = seq.wrapping_sub(next);
    ahead != 0 && ahead < 1 << 31
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 1 << 20;

    fn at(n: i64) -> Stamp {
        Stamp { ts_ns: n * 1_000_000, packet_id: n }
    }

    fn segment(n: i64, seq: u32, payload: &[u8]) -> Segment<'_> {
        Segment { at: at(n), seq, syn: false, fin: false, len: u32::try_from(payload.len()).unwrap(), payload }
    }

    /// What came out: bytes, and a `?` for each missing one.
    #[derive(Default)]
    struct Got(Vec<u8>);

    impl Got {
        fn take(&mut self) -> impl FnMut(Piece<'_>) {
            |piece| match piece {
                Piece::Bytes(bytes, _) => self.0.extend_from_slice(bytes),
                Piece::Gap(n, _) => self.0.extend(std::iter::repeat_n(b'?', usize::try_from(n).unwrap())),
                Piece::End(_) => self.0.push(b'.'),
            }
        }
    }

    /// Proves order, overlap, repetition and wrap-around: whatever is done to the segments of a stream short of losing
    /// one, its bytes come out once each and in order.
    #[test]
    fn any_order_with_repetitions_and_overlaps_gives_the_stream() {
        proptest!(ProptestConfig::with_cases(300), |(
            stream in proptest::collection::vec(any::<u8>(), 1..400),
            cuts in proptest::collection::vec((0usize..400, 1usize..60), 0..40),
            base in prop_oneof![Just(u32::MAX - 50), any::<u32>()],
            seed in any::<u64>(),
        )| {
            // Segments that cover the stream, and any others of it.
            let mut segments: Vec<(usize, usize)> = (0..stream.len()).step_by(7).map(|s| (s, 7)).collect();
            segments.extend(cuts);
            let mut random = seed;
            for i in (1..segments.len()).rev() {
                random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                segments.swap(i, usize::try_from(random >> 33).unwrap() % (i + 1));
            }
            let mut half = Half::default();
            let mut got = Got::default();
            let syn = Segment { syn: true, ..segment(0, base.wrapping_sub(1), b"") };
            half.push(&syn, LIMIT, &mut got.take());
            for (n, (start, len)) in segments.into_iter().enumerate() {
                let bytes = stream.get(start..(start + len).min(stream.len())).unwrap_or_default();
                let seq = base.wrapping_add(u32::try_from(start).unwrap());
                half.push(&segment(i64::try_from(n).unwrap(), seq, bytes), LIMIT, &mut got.take());
            }
            prop_assert_eq!(&got.0, &stream);
            prop_assert_eq!(half.waiting_bytes(), 0);
        });
    }

    /// Proves that a hole is told with its size, and when: not as long as it may be filled, but as soon as the receiver has
    /// acknowledged it, when time has passed, or when the end comes.
    #[test]
    fn a_hole_is_told_when_it_is_known_to_stay() {
        type Way = fn(&mut Half, &mut Got);
        let ways: [(&str, Way); 4] = [
            ("acknowledged", |half, got| half.acknowledged(Some(109), 1_000_000, Order::Kept, &mut got.take())),
            ("acknowledged up to what waits", |half, got| {
                half.acknowledged(Some(105), 1_000_000, Order::Kept, &mut got.take())
            }),
            ("late", |half, got| half.acknowledged(None, 11_000_000_000, Order::Kept, &mut got.take())),
            ("end", |half, got| half.flush(&mut got.take())),
        ];
        for (name, way) in ways {
            let (mut half, mut got) = (Half::default(), Got::default());
            half.push(&segment(1, 100, b"abc"), LIMIT, &mut got.take());
            // Said before anything was missing.
            half.acknowledged(Some(200), 0, Order::Kept, &mut got.take());
            half.push(&segment(2, 105, b"fghi"), LIMIT, &mut got.take());
            for n in 1..100 {
                half.acknowledged(Some(104), n, Order::Kept, &mut got.take());
                half.acknowledged(None, n, Order::Kept, &mut got.take());
            }
            assert_eq!(got.0, b"abc", "it may come yet");
            way(&mut half, &mut got);
            assert_eq!(got.0, b"abc??fghi", "{name}");
            half.push(&segment(3, 103, b"de"), LIMIT, &mut got.take());
            half.push(&segment(4, 109, b"j"), LIMIT, &mut got.take());
            assert_eq!(got.0, b"abc??fghij", "{name}: what comes too late is old");
        }
    }

    /// Proves that where packets are mixed an acknowledged hole may still be filled, for as long as the patience lasts.
    #[test]
    fn packets_that_are_mixed_have_some_time_to_come() {
        for (packets, expected) in [(PATIENCE_PACKETS - 1, &b"abc"[..]), (PATIENCE_PACKETS, b"abc??fg")] {
            let (mut half, mut got) = (Half::default(), Got::default());
            half.push(&segment(1, 100, b"abc"), LIMIT, &mut got.take());
            half.push(&segment(2, 105, b"fg"), LIMIT, &mut got.take());
            (0..packets).for_each(|_| half.acknowledged(Some(107), 0, Order::Mixed, &mut got.take()));
            assert_eq!(got.0, expected, "after {packets}");
        }
    }

    /// Proves that a direction whose beginning is not in the capture begins where the other end expects it to, if that is known:
    /// bytes between are missing or come late, and what merely keeps the connection alive is no beginning.
    #[test]
    fn a_direction_without_its_syn_begins_where_it_is_expected() {
        let expected = |acked| Half::new(Begin { first: None, acked });
        let (mut half, mut got) = (expected(Some(100)), Got::default());
        half.push(&segment(1, 102, b"cd"), LIMIT, &mut got.take());
        assert_eq!(got.0, b"", "it may come yet");
        half.acknowledged(Some(104), 0, Order::Kept, &mut got.take());
        assert_eq!(got.0, b"??cd", "missing");

        let (mut half, mut got) = (expected(None), Got::default());
        half.acknowledged(Some(100), 0, Order::Kept, &mut got.take());
        half.push(&segment(1, 102, b"cd"), LIMIT, &mut got.take());
        half.push(&segment(1, 100, b"ab"), LIMIT, &mut got.take());
        assert_eq!(got.0, b"abcd", "late");

        let (mut half, mut got) = (expected(Some(100)), Got::default());
        half.push(&segment(1, 99, b""), LIMIT, &mut got.take());
        half.push(&segment(1, 90, b"again"), LIMIT, &mut got.take());
        assert_eq!(got.0, b"again", "what was acknowledged before it came");

        let (mut half, mut got) = (expected(None), Got::default());
        half.push(&segment(1, 102, b"cd"), LIMIT, &mut got.take());
        assert_eq!(got.0, b"cd", "nobody said");
    }

    /// Proves the limit: whatever comes ahead, no more than it waits, and nothing is lost but the hole.
    #[test]
    fn what_waits_is_bounded() {
        let (mut half, mut got) = (Half::default(), Got::default());
        half.push(&segment(0, 0, b"x"), LIMIT, &mut got.take());
        let kib = [7; 1024];
        for n in 0..3000u32 {
            half.push(&segment(1, 10 + n * 1024, &kib), LIMIT, &mut got.take());
            assert!(half.waiting_bytes() <= LIMIT);
        }
        assert_eq!((got.0.len(), half.take_given_up(), half.waiting_bytes()), (1 + 9 + 3000 * 1024, 1, 0));
    }

    /// Proves that the end is told once, and only when all before it is there.
    #[test]
    fn the_end_is_told_after_the_last_byte() {
        let (mut half, mut got) = (Half::default(), Got::default());
        half.push(&segment(0, 10, b"a"), LIMIT, &mut got.take());
        half.push(&Segment { fin: true, ..segment(1, 12, b"c") }, LIMIT, &mut got.take());
        assert_eq!(got.0, b"a");
        half.push(&segment(2, 11, b"b"), LIMIT, &mut got.take());
        half.push(&segment(3, 14, b""), LIMIT, &mut got.take());
        assert_eq!(got.0, b"abc.");
    }

    /// Proves that a packet cut by the capture leaves a hole of the right size, and that data before a handshake's SYN and
    /// on it (RFC 7413) are taken.
    #[test]
    fn cut_packets_leave_holes_and_a_syn_may_carry_data() {
        let (mut half, mut got) = (Half::default(), Got::default());
        half.push(&Segment { syn: true, ..segment(0, 9, b"ab") }, LIMIT, &mut got.take());
        half.push(&Segment { len: 5, ..segment(1, 12, b"cd") }, LIMIT, &mut got.take());
        half.push(&segment(2, 17, b"e"), LIMIT, &mut got.take());
        assert_eq!(got.0, b"abcd???e");
        let (mut half, mut got) = (Half::default(), Got::default());
        half.push(&segment(1, 50, b""), LIMIT, &mut got.take());
        half.push(&Segment { syn: true, ..segment(0, 9, b"") }, LIMIT, &mut got.take());
        half.push(&segment(1, 10, b"ab"), LIMIT, &mut got.take());
        assert_eq!(got.0, b"ab");
    }
}
