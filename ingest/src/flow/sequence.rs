//! What one side of a TCP connection has sent, by sequence arithmetic modulo 2^32 (RFC 9293 3.4).
//!
//! ```text
//!   first           hole          next
//!     │▓▓▓▓▓▓▓▓▓▓▓▓▓│    │▓▓▓▓▓▓▓▓▓│
//!     └ seen ───────┘    └ seen ───┘ a segment here is new; beyond it, it leaves a hole
//! ```
//!
//! Sequence space is payload plus one each for SYN and FIN. Against what was seen before, a segment is
//! - **new**: begins at `next` (or beyond, which leaves a hole: bytes lost on the way here, or still to come);
//! - **out of order**: lies in a hole. That a first copy was lost before the capture point and this is a second one
//!   cannot be told from the wire (Wireshark guesses by time); both are counted so, as nobody saw these bytes before;
//! - **retransmission**: has sequence space that was seen before;
//! - **keep-alive**: at most one byte just before `next`, all of it acknowledged (RFC 9293 3.8.4);
//! - **window probe**: one byte at `next` while the peer announces no window (RFC 9293 3.8.6.1). It does not advance
//!   `next`, so that sending the byte again later is no retransmission.

/// Holes remembered per direction. Loss bursts leave one or two; when more come, the lowest is forgotten, and what
/// fills it later is counted as a retransmission.
pub(crate) const MAX_HOLES: usize = 3;

/// The largest window TCP can have (RFC 7323 2.3). A segment further off is no part of the stream as we know it (the
/// capture missed a gigabyte, or the packet is forged), and the sequence starts anew there.
const MAX_WINDOW: i32 = 1 << 30;

/// The state of one direction.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sequence {
    /// Where it begins: the number of the SYN when `start` says so, otherwise of the first byte seen.
    pub(crate) first: u32,
    /// One past the highest number seen.
    pub(crate) next: u32,
    /// How `first` is known.
    pub(crate) start: Start,
    hole_count: u8,
    holes: [Hole; MAX_HOLES],
}

/// How much is known of where a direction begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Start {
    /// Nothing was seen.
    #[default]
    Unseen,
    /// Caught after its beginning.
    Midstream,
    /// Its SYN was seen, or acknowledged by a SYN-ACK.
    Syn,
}

/// Numbers not seen, below `next`.
#[derive(Debug, Clone, Copy, Default)]
struct Hole {
    start: u32,
    end: u32,
}

/// The sequence space a segment takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Space {
    /// Bytes of payload.
    pub(crate) payload: u32,
    /// Numbers of SYN and FIN.
    pub(crate) control: u32,
}

impl Space {
    /// All of it.
    pub(crate) fn len(self) -> u32 {
        self.payload.wrapping_add(self.control)
    }
}

/// What the other side last said.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Peer {
    /// Its highest acknowledgement; `None` before the first.
    pub(crate) acked: Option<u32>,
    /// Whether it announced that it takes nothing.
    pub(crate) window_closed: bool,
}

/// What a segment is against what was seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Takes no sequence space.
    Empty,
    /// New, in order or after a hole.
    New,
    /// Fills a hole.
    OutOfOrder,
    /// Seen before, in part or in whole.
    Retransmission,
    /// Sent to provoke an acknowledgement.
    KeepAlive,
    /// Sent to provoke a window update.
    WindowProbe,
}

/// `a - b` on the circle of sequence numbers: positive when `a` is after `b`.
#[inline]
pub(crate) fn distance(a: u32, b: u32) -> i32 {
    a.wrapping_sub(b).cast_signed()
}

impl Sequence {
    /// Learns the number of a SYN, before its packet is taken in. A SYN that arrives after what it announced is a hole
    /// that its packet fills.
    pub(crate) fn begin_at_syn(&mut self, seq: u32) {
        match self.start {
            Start::Unseen => *self = Sequence { first: seq, next: seq, start: Start::Syn, ..Sequence::default() },
            Start::Midstream if self.may_begin_with(seq, None) => {
                self.add_hole(seq, self.first);
                (self.first, self.start) = (seq, Start::Syn);
            }
            Start::Midstream | Start::Syn => {}
        }
    }

    /// The peer's SYN-ACK acknowledges a SYN that was not seen (yet): all before `ack` was sent, and is a hole until it
    /// is seen. With data in the SYN (RFC 7413) the beginning lies further back than assumed, which only costs a count.
    pub(crate) fn infer_syn(&mut self, ack: u32) {
        let first = ack.wrapping_sub(1);
        *self = Sequence { first, next: ack, start: Start::Syn, ..Sequence::default() };
        self.add_hole(first, ack);
    }

    /// Takes in a segment from `seq` on.
    #[inline]
    pub(crate) fn take(&mut self, seq: u32, space: Space, peer: Peer) -> Arrival {
        let len = space.len();
        if self.start == Start::Unseen {
            *self =
                Sequence { first: seq, next: seq.wrapping_add(len), start: Start::Midstream, ..Sequence::default() };
            return if len == 0 { Arrival::Empty } else { Arrival::New };
        }
        let ahead = distance(seq, self.next);
        if ahead == 0 && len > 0 {
            if len == 1 && peer.window_closed {
                return Arrival::WindowProbe;
            }
            self.next = seq.wrapping_add(len);
            return Arrival::New;
        }
        if ahead == -1 && len <= 1 && space.control == 0 && (len == 0 || peer.acked == Some(self.next)) {
            return Arrival::KeepAlive;
        }
        if len == 0 {
            return Arrival::Empty;
        }
        let end = seq.wrapping_add(len);
        if !(-MAX_WINDOW..=MAX_WINDOW).contains(&ahead) {
            (self.next, self.hole_count) = (end, 0);
            return Arrival::New;
        }
        if ahead > 0 {
            self.add_hole(self.next, seq);
            self.next = end;
            return Arrival::New;
        }
        let fills = self.fill(seq, end);
        let extends = distance(end, self.next) > 0;
        if extends {
            self.next = end;
        }
        if fills && !extends { Arrival::OutOfOrder } else { Arrival::Retransmission }
    }

    /// Whether a SYN with this number can be the one that began this direction, `acked` being the peer's last
    /// acknowledgement where known.
    pub(crate) fn may_begin_with(&self, syn: u32, acked: Option<u32>) -> bool {
        /// A SYN that arrives late is at most one unscaled window older than the oldest byte known.
        const LATE: std::ops::RangeInclusive<i32> = 0..=65_535;
        match (self.start, acked) {
            (Start::Syn, _) => syn == self.first,
            (Start::Midstream, _) => LATE.contains(&distance(self.first, syn.wrapping_add(1))),
            (Start::Unseen, Some(acked)) => LATE.contains(&distance(acked, syn.wrapping_add(1))),
            (Start::Unseen, None) => true,
        }
    }

    /// Removes what lies in holes from them; whether anything did.
    fn fill(&mut self, seq: u32, end: u32) -> bool {
        let (before, count) = (self.holes, self.hole_count);
        self.hole_count = 0;
        let mut filled = false;
        for hole in before.iter().take(count.into()) {
            let overlaps = distance(seq, hole.end) < 0 && distance(end, hole.start) > 0;
            if !overlaps {
                self.add_hole(hole.start, hole.end);
                continue;
            }
            filled = true;
            if distance(seq, hole.start) > 0 {
                self.add_hole(hole.start, seq);
            }
            if distance(hole.end, end) > 0 {
                self.add_hole(end, hole.end);
            }
        }
        filled
    }

    fn add_hole(&mut self, start: u32, end: u32) {
        if usize::from(self.hole_count) == MAX_HOLES {
            self.holes.rotate_left(1);
            self.hole_count -= 1;
        }
        if let Some(hole) = self.holes.get_mut(usize::from(self.hole_count)) {
            *hole = Hole { start, end };
            self.hole_count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Peer = Peer { acked: None, window_closed: false };

    const SYN: Space = Space { payload: 0, control: 1 };

    fn bytes(payload: u32) -> Space {
        Space { payload, control: 0 }
    }

    fn acked(ack: u32) -> Peer {
        Peer { acked: Some(ack), window_closed: false }
    }

    /// A direction whose SYN had number 99, so that data begins at 100.
    fn begun() -> Sequence {
        let mut s = Sequence::default();
        s.begin_at_syn(99);
        assert_eq!(s.take(99, SYN, QUIET), Arrival::New);
        s
    }

    #[test]
    fn in_order_segments_are_new_across_the_wrap() {
        let mut s = Sequence::default();
        s.begin_at_syn(u32::MAX - 10);
        assert_eq!(s.take(u32::MAX - 10, SYN, QUIET), Arrival::New);
        assert_eq!(s.take(u32::MAX - 9, bytes(20), QUIET), Arrival::New);
        assert_eq!(s.take(10, bytes(20), QUIET), Arrival::New);
        assert_eq!(s.take(u32::MAX - 9, bytes(20), QUIET), Arrival::Retransmission);
        assert_eq!(s.next, 30);
    }

    #[test]
    fn a_late_segment_is_out_of_order_once_and_then_a_retransmission() {
        let mut s = begun();
        assert_eq!(s.take(200, bytes(100), QUIET), Arrival::New);
        assert_eq!(s.take(100, bytes(100), QUIET), Arrival::OutOfOrder);
        assert_eq!(s.take(100, bytes(100), QUIET), Arrival::Retransmission);
    }

    #[test]
    fn a_hole_can_be_filled_from_the_middle() {
        let mut s = begun();
        s.take(400, bytes(100), QUIET);
        assert_eq!(s.take(200, bytes(100), QUIET), Arrival::OutOfOrder);
        assert_eq!(s.take(200, bytes(100), QUIET), Arrival::Retransmission);
        assert_eq!(s.take(100, bytes(100), QUIET), Arrival::OutOfOrder);
        assert_eq!(s.take(300, bytes(100), QUIET), Arrival::OutOfOrder);
        assert_eq!(s.hole_count, 0);
    }

    #[test]
    fn part_old_part_new_is_a_retransmission_that_advances() {
        let mut s = begun();
        s.take(100, bytes(50), QUIET);
        assert_eq!(s.take(100, bytes(80), QUIET), Arrival::Retransmission);
        assert_eq!(s.take(180, bytes(1), QUIET), Arrival::New);
    }

    #[test]
    fn the_lowest_hole_is_forgotten_at_the_limit() {
        let mut s = begun();
        for n in 1..=4 {
            s.take(100 + n * 100, bytes(50), QUIET);
        }
        assert_eq!(usize::from(s.hole_count), MAX_HOLES);
        assert_eq!(s.take(150, bytes(10), QUIET), Arrival::Retransmission, "forgotten");
        assert_eq!(s.take(250, bytes(50), QUIET), Arrival::OutOfOrder);
    }

    #[test]
    fn keep_alives_are_told_from_a_retransmitted_byte_by_the_acknowledgement() {
        let mut s = begun();
        s.take(100, bytes(1), QUIET);
        assert_eq!(s.take(100, bytes(0), acked(101)), Arrival::KeepAlive);
        assert_eq!(s.take(100, bytes(1), acked(101)), Arrival::KeepAlive);
        assert_eq!(s.take(100, bytes(1), acked(100)), Arrival::Retransmission);
    }

    #[test]
    fn a_window_probe_does_not_make_the_byte_seen() {
        let mut s = begun();
        assert_eq!(s.take(100, bytes(1), Peer { acked: Some(100), window_closed: true }), Arrival::WindowProbe);
        assert_eq!(s.take(100, bytes(50), acked(100)), Arrival::New);
    }

    #[test]
    fn a_segment_beyond_any_window_starts_the_sequence_anew() {
        let mut s = begun();
        assert_eq!(s.take(0x7000_0000, bytes(10), QUIET), Arrival::New);
        assert_eq!(s.take(100, bytes(10), QUIET), Arrival::New);
        assert_eq!(s.take(110, bytes(10), QUIET), Arrival::New);
    }

    #[test]
    fn a_syn_acknowledged_before_it_is_seen_is_out_of_order() {
        let mut s = Sequence::default();
        s.infer_syn(100);
        assert!(s.may_begin_with(99, None) && !s.may_begin_with(98, None));
        assert_eq!(s.take(100, bytes(10), QUIET), Arrival::New);
        assert_eq!(s.take(99, SYN, QUIET), Arrival::OutOfOrder);
    }

    #[test]
    fn a_syn_behind_its_data_is_out_of_order() {
        let mut s = Sequence::default();
        assert_eq!(s.take(100, bytes(10), QUIET), Arrival::New);
        s.begin_at_syn(99);
        assert_eq!(s.take(99, SYN, QUIET), Arrival::OutOfOrder);
        assert_eq!(s.start, Start::Syn);
    }
}
