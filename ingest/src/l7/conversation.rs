//! One flow as its dissector sees it: bytes in order, from the first one on that says which protocol it is.

use super::{
    dissector::{Chunk, Dissector, End, Gap},
    out::{Out, Rows},
    protocol::{self, Hint},
    protocols::{Icmp, Sctp},
    reassembly::{Half, Piece, Segment},
    shown::{Said, Shown},
    stamp::Stamp,
    tap::Home,
};
use crate::{
    decode::{IcmpHeader, TcpHeader},
    flow::{Begin, Ends, Pair, SCTP, TCP, Way, flag},
};

/// Bytes of each direction that are looked at to tell the protocol: the longest first line that is needed is far shorter.
const MAX_HEAD_BYTES: usize = 2048;

/// Packets of each direction that are looked at. A flow caught midstream may begin in the middle of a message.
const MAX_PROBED: u32 = 8;

/// A flow.
#[derive(Debug)]
pub(super) struct Conversation {
    ends: Ends,
    halves: Pair<Half>,
    homes: Pair<Home>,
    state: State,
    /// The place of the protocol that it was found to speak, and what of that the flow was told.
    pub(super) spoken: Option<u8>,
    pub(super) told: Option<u8>,
    /// What was held when last asked.
    pub(super) held: Held,
}

/// Bytes of memory that a conversation takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// With what its dissector holds.
    pub(super) pending: usize,
    /// Segments that wait for what is missing before them.
    pub(super) waiting: usize,
}

#[derive(Debug)]
enum State {
    /// Nobody knows what it is yet.
    Probing(Box<Probing>),
    /// It is being read.
    Read(Box<dyn Dissector>),
    /// It is ICMP, whose messages are their headers.
    Icmp(Box<Icmp>),
    /// It is not read.
    Silent,
}

/// What was said before the protocol was known.
#[derive(Debug, Default)]
pub(super) struct Probing {
    heads: Pair<Head>,
    /// In the order they came, of both directions.
    pieces: Vec<(Way, Stamp, usize)>,
}

#[derive(Debug, Default)]
struct Head {
    bytes: Vec<u8>,
    probed: u32,
    given_up: bool,
}

impl Conversation {
    /// A flow whose streams begin there.
    pub(super) fn new(ends: Ends, begins: Pair<Begin>) -> Conversation {
        Conversation {
            ends,
            halves: Pair { out: Half::new(begins.out), back: Half::new(begins.back) },
            homes: Pair::default(),
            state: State::Probing(Box::default()),
            spoken: None,
            told: None,
            held: Held::default(),
        }
    }

    /// The flow that it is named by.
    pub(super) fn flow_id(&self) -> i64 {
        self.ends.flow_id
    }

    /// Takes in a packet.
    pub(super) fn packet(&mut self, shown: &Shown<'_>, rows: &mut Rows) {
        let Shown { flow, at, tap, said, .. } = shown;
        let (way, at) = (flow.way, *at);
        if said.tcp.is_none() && !self.homes.of_mut(way).is_at(*tap, at.ts_ns) {
            return;
        }
        if let Some(header) = &said.icmp {
            return self.icmp(way, at, header, said, rows);
        }
        let Some(hint) = said.hint() else { return };
        let Conversation { ends, halves, state, .. } = self;
        if hint.ip_proto == SCTP && matches!(state, State::Probing(_)) {
            // What it carries is recognised from its messages.
            *state = State::Read(Box::new(Sctp::default()));
        }
        let mut reader = Reader { state, out: Out::new(rows, ends), hint };
        let len = said.payload_len.unwrap_or(0);
        match &said.tcp {
            Some(tcp) if hint.ip_proto == TCP => {
                reader.segment(shown, tcp, halves);
                if shown.is_reset {
                    // Nothing is repeated any more.
                    reader.flush(halves);
                }
            }
            _ if len > 0 => {
                reader.piece(way, Piece::Bytes(said.payload, at));
                let missing = u64::from(len).saturating_sub(said.payload.len() as u64);
                if missing > 0 {
                    reader.piece(way, Piece::Gap(missing, at));
                }
            }
            _ => {}
        }
        self.spoken = reader.out.spoken.or(self.spoken);
    }

    fn icmp(&mut self, way: Way, at: Stamp, header: &IcmpHeader, said: &Said<'_>, rows: &mut Rows) {
        if matches!(self.state, State::Probing(_)) {
            self.state = State::Icmp(Box::default());
        }
        let mut out = Out::new(rows, &self.ends);
        // A fragment that does not complete its datagram has no length.
        if let (State::Icmp(icmp), Some(len)) = (&mut self.state, said.payload_len) {
            icmp.message(way, at, header, said.payload, len, &mut out);
        }
    }

    /// Nothing more comes.
    pub(super) fn end(&mut self, end: End, rows: &mut Rows) {
        let Conversation { ends, halves, state, .. } = self;
        // Whatever still waits is read; nothing can be recognised from it that has not been.
        Reader { state, out: Out::new(rows, ends), hint: NO_HINT }.flush(halves);
        match std::mem::replace(state, State::Silent) {
            State::Read(mut dissector) => dissector.end(end, &mut Out::new(rows, ends)),
            State::Icmp(mut icmp) => icmp.end(&mut Out::new(rows, ends)),
            State::Probing(_) => rows.counters.unrecognised += 1,
            State::Silent => {}
        }
        *halves = Pair::default();
    }

    /// Too much waits: what is missing is given up.
    pub(super) fn give_up_holes(&mut self, rows: &mut Rows) {
        let Conversation { ends, halves, state, .. } = self;
        let mut reader = Reader { state, out: Out::new(rows, ends), hint: NO_HINT };
        for way in [Way::Out, Way::In] {
            let half = halves.of_mut(way);
            half.give_up(&mut |piece| reader.piece(way, piece));
            reader.out.rows.counters.gaps_at_limit += half.take_given_up();
        }
    }

    /// Whether it is not read any more.
    pub(super) fn is_silent(&self) -> bool {
        matches!(self.state, State::Silent)
    }

    /// Bytes of memory held.
    pub(super) fn size_bytes(&self) -> Held {
        let said = match &self.state {
            State::Probing(probing) => size_of::<Probing>() + probing.size_bytes(),
            State::Read(dissector) => size_of_val(dissector.as_ref()) + dissector.size_bytes(),
            State::Icmp(icmp) => size_of::<Icmp>() + icmp.size_bytes(),
            State::Silent => 0,
        };
        Held {
            pending: size_of::<Conversation>() + said,
            waiting: self.halves.out.waiting_bytes() + self.halves.back.waiting_bytes(),
        }
    }
}

/// For what is read without a packet of its own: nothing can be recognised from it that was not when it came.
const NO_HINT: Hint = Hint { src_port: 0, dst_port: 0, ip_proto: TCP, len: 0 };

/// What takes in the bytes of a conversation.
struct Reader<'a, 'o> {
    state: &'a mut State,
    out: Out<'o>,
    hint: Hint,
}

impl Reader<'_, '_> {
    fn segment(&mut self, shown: &Shown<'_>, tcp: &TcpHeader, halves: &mut Pair<Half>) {
        let (way, at, order, said) = (shown.flow.way, shown.at, shown.order, &shown.said);
        let limit = self.out.limits().waiting_flow_bytes;
        let (sender, receiver) = halves.sender_and_receiver(way);
        let (is, back) = (|bit: u8| tcp.flags & bit != 0, way.back());
        // What is acknowledged was said before the answer that this packet may carry.
        let ack = is(flag::ACK).then_some(tcp.ack);
        receiver.acknowledged(ack, at.ts_ns, order, &mut |piece| self.piece(back, piece));
        // What a reset carries is a diagnostic text, if anything (RFC 9293 section 3.5.3).
        if !is(flag::RST) {
            let (syn, fin, len) = (is(flag::SYN), is(flag::FIN), said.payload_len.unwrap_or(0));
            let segment = Segment { at, seq: tcp.seq, syn, fin, len, payload: said.payload };
            sender.push(&segment, limit, &mut |piece| self.piece(way, piece));
            self.out.rows.counters.gaps_at_limit += sender.take_given_up();
        }
        sender.acknowledged(None, at.ts_ns, order, &mut |piece| self.piece(way, piece));
    }

    /// Reads whatever waits.
    fn flush(&mut self, halves: &mut Pair<Half>) {
        for way in [Way::Out, Way::In] {
            halves.of_mut(way).flush(&mut |piece| self.piece(way, piece));
        }
    }

    fn piece(&mut self, way: Way, piece: Piece<'_>) {
        if let Piece::Gap(bytes, _) = piece {
            self.out.rows.counters.gaps += 1;
            self.out.rows.counters.gap_bytes += bytes;
        }
        match self.state {
            State::Read(dissector) => {
                feed(dissector.as_mut(), way, piece, &mut self.out);
                if let Some(next) = self.out.next.take() {
                    *dissector = next;
                }
                if dissector.is_over() {
                    *self.state = State::Silent;
                }
            }
            State::Probing(probing) => match piece {
                Piece::Bytes(bytes, at) => {
                    if let Some(place) = probing.push(way, at, bytes, self.hint) {
                        self.recognised(place);
                    } else if probing.heads.out.given_up && probing.heads.back.given_up {
                        self.out.rows.counters.unrecognised += 1;
                        *self.state = State::Silent;
                    }
                }
                // What comes next begins in the middle.
                Piece::Gap(..) => probing.forget(way),
                Piece::End(_) => {}
            },
            State::Icmp(_) | State::Silent => {}
        }
    }

    /// The protocol is known: it is read from its first byte on.
    fn recognised(&mut self, place: u8) {
        self.out.spoken = Some(place);
        let dissector = protocol::at(place).and_then(|p| p.dissect).map_or(State::Silent, |new| State::Read(new()));
        let State::Probing(probing) = std::mem::replace(self.state, dissector) else { return };
        probing.pieces(|way, at, bytes| self.piece(way, Piece::Bytes(bytes, at)));
    }
}

fn feed(dissector: &mut dyn Dissector, way: Way, piece: Piece<'_>, out: &mut Out<'_>) {
    match piece {
        Piece::Bytes(bytes, at) => dissector.data(Chunk { way, at, bytes }, out),
        Piece::Gap(bytes, at) => dissector.gap(Gap { way, at, bytes }, out),
        Piece::End(at) => dissector.closed(way, at, out),
    }
}

impl Probing {
    /// The place of the protocol, if these bytes show it.
    pub(super) fn push(&mut self, way: Way, at: Stamp, bytes: &[u8], hint: Hint) -> Option<u8> {
        let head = self.heads.of_mut(way);
        if head.given_up {
            return None;
        }
        let cut = hint.len.saturating_sub(bytes.len());
        head.bytes.extend_from_slice(bytes);
        head.probed += 1;
        self.pieces.push((way, at, bytes.len()));
        let found = protocol::recognise(&Hint { len: head.bytes.len() + cut, ..hint }, &head.bytes);
        if found.is_some() {
            return found;
        }
        // In the middle of a conversation, a message often begins with a packet.
        if head.bytes.len() > bytes.len()
            && let Some(place) = protocol::recognise(&Hint { len: bytes.len() + cut, ..hint }, bytes)
        {
            self.forget(way);
            self.heads.of_mut(way).bytes.extend_from_slice(bytes);
            self.pieces.push((way, at, bytes.len()));
            return Some(place);
        }
        if head.bytes.len() >= MAX_HEAD_BYTES || head.probed >= MAX_PROBED && head.bytes.len() >= 64 {
            self.forget(way);
            self.heads.of_mut(way).given_up = true;
        }
        None
    }

    /// What was said so far, piece by piece.
    pub(super) fn pieces(&self, mut each: impl FnMut(Way, Stamp, &[u8])) {
        let mut starts = Pair::<usize>::default();
        for &(way, at, len) in &self.pieces {
            let start = starts.of_mut(way);
            each(way, at, self.heads.of(way).bytes.get(*start..*start + len).unwrap_or_default());
            *start += len;
        }
    }

    /// Bytes of memory held.
    pub(super) fn size_bytes(&self) -> usize {
        let heads = self.heads.out.bytes.capacity() + self.heads.back.bytes.capacity();
        heads + self.pieces.capacity() * size_of::<(Way, Stamp, usize)>()
    }

    /// Lets go of what one direction has said so far.
    pub(super) fn forget(&mut self, way: Way) {
        let head = self.heads.of_mut(way);
        *head = Head { bytes: Vec::new(), ..*head };
        self.pieces.retain(|(of, ..)| *of != way);
        self.pieces.shrink_to_fit();
    }
}
