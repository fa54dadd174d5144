//! Joins the fragments of IP datagrams (RFC 791 section 3.2, RFC 8200 section 4.5). Where fragments overlap, the bytes that
//! came first stay. A datagram whose fragments were cut by the capture is still joined, as far as its bytes go.
//!
//! A joined datagram leaves its bytes but keeps its place in the table until it is too old: captures that see every frame
//! twice (`any`) bring fragments after their datagram was joined, and those should still show the ports.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
};

use super::{Anomaly, DecodeCounters, DecodeLimits, Decoded, cursor::Cursor, transport::Lead};

/// Longest datagram: the 16-bit length of IP.
const MAX_DATAGRAM: usize = 65_535;
/// Pieces of one datagram: what 8-byte fragments can make of the longest one.
const MAX_PIECES: usize = 8192;
/// What a piece or a datagram takes in the table beside its bytes, for the memory limit.
const OVERHEAD: usize = 64;

/// Where a fragment belongs, as its header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) id: u32,
    pub(super) protocol: u8,
    pub(super) offset: u16,
    pub(super) more: bool,
}

/// A datagram joined: what protocol it starts with, and its length (of which the buffer may hold less).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Joined {
    pub(super) protocol: u8,
    pub(super) len: usize,
}

/// RFC 791 also counts the protocol; IPv6 does not (RFC 8200). Identifiers are of one link's or tunnel's address space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    src: IpAddr,
    dst: IpAddr,
    id: u32,
    protocol: Option<u8>,
    vlan_id: Option<u16>,
    tunnel_id: Option<u32>,
}

#[derive(Debug)]
struct Piece {
    start: usize,
    /// By the headers; `data` is shorter where the capture cut.
    end: usize,
    data: Box<[u8]>,
}

#[derive(Debug)]
struct Datagram {
    started_ns: i64,
    /// Sorted, without overlap.
    pieces: Vec<Piece>,
    /// Known once the last fragment is there.
    total: Option<usize>,
    covered: usize,
    /// What it takes in the table.
    bytes: usize,
    fragments: u64,
    /// From the fragment at offset 0: the protocol its header names, and what its bytes show.
    lead: Option<(u8, Lead)>,
    /// Whether `lead` is of this round, not of one already joined.
    started: bool,
}

impl Datagram {
    fn new(ts_ns: i64) -> Datagram {
        Datagram {
            started_ns: ts_ns,
            pieces: Vec::new(),
            total: None,
            covered: 0,
            bytes: OVERHEAD,
            fragments: 0,
            lead: None,
            started: false,
        }
    }

    fn is_whole(&self) -> bool {
        self.started && self.total == Some(self.covered)
    }

    fn keep(&mut self, at: usize, piece: Piece) {
        self.covered += piece.end - piece.start;
        self.bytes += OVERHEAD + piece.data.len();
        self.pieces.insert(at, piece);
    }
}

/// Fragments that wait for the rest of their datagrams.
#[derive(Debug, Default)]
pub(super) struct FragmentTable {
    limits: DecodeLimits,
    datagrams: HashMap<Key, Datagram>,
    /// The keys of `datagrams`, oldest first.
    order: VecDeque<Key>,
    bytes: usize,
    counters: DecodeCounters,
}

impl FragmentTable {
    pub(super) fn new(limits: DecodeLimits) -> FragmentTable {
        FragmentTable { limits, ..FragmentTable::default() }
    }

    pub(super) fn counters(&self) -> DecodeCounters {
        self.counters
    }

    /// What the table holds, by the measure of the limit.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes in the fragment at `cursor`, of the IP header in `out`. When it completes its datagram, the bytes are put into
    /// `joined`; else `out` gets the ports, if they are known by now.
    pub(super) fn add(
        &mut self,
        ts_ns: i64,
        place: Place,
        cursor: Cursor<'_>,
        out: &mut Decoded<'_>,
        joined: &mut Vec<u8>,
    ) -> Option<Joined> {
        let ip = out.ip?;
        let is_v6 = ip.src.is_ipv6();
        self.counters.fragments += 1;
        self.expire(ts_ns);
        let key = Key {
            src: ip.src,
            dst: ip.dst,
            id: place.id,
            protocol: (!is_v6).then_some(place.protocol),
            vlan_id: out.vlan_id,
            tunnel_id: out.tunnel_id,
        };
        self.start(key, ts_ns);
        let datagram = self.datagrams.get_mut(&key)?;
        if place.offset == 0 && !datagram.started {
            datagram.lead = Some((place.protocol, Lead::read(place.protocol, cursor, is_v6)));
            datagram.started = true;
        }
        if let Some((_, lead)) = datagram.lead {
            lead.show(out);
        }
        self.bytes -= datagram.bytes;
        let verdict = insert(datagram, place, cursor);
        self.bytes += datagram.bytes;
        let whole = datagram.is_whole();
        self.judge(verdict, out);
        if whole {
            return self.join(key, joined);
        }
        self.shrink(key, out);
        None
    }

    fn judge(&mut self, verdict: Verdict, out: &mut Decoded<'_>) {
        match verdict {
            Verdict::Kept => {}
            Verdict::BadLength => out.anomalies.insert(Anomaly::IpFragmentBadLength),
            Verdict::Overlap => {
                out.anomalies.insert(Anomaly::IpFragmentOverlap);
                self.counters.fragments_overlapping += 1;
            }
            Verdict::Oversize => {
                out.anomalies.insert(Anomaly::IpFragmentOversize);
                self.counters.fragments_dropped_bad += 1;
            }
            Verdict::TooMany => {
                out.anomalies.insert(Anomaly::IpFragmentDropped);
                self.counters.fragments_dropped_limit += 1;
            }
        }
    }

    /// Makes sure the table has a datagram for `key` that is not too old.
    fn start(&mut self, key: Key, ts_ns: i64) {
        let timeout_ns = self.limits.timeout_ns;
        if let Some(datagram) = self.datagrams.get_mut(&key) {
            if is_old(datagram, ts_ns, timeout_ns) {
                self.bytes -= datagram.bytes;
                self.counters.fragments_dropped_timeout += datagram.fragments;
                *datagram = Datagram::new(ts_ns);
                self.bytes += datagram.bytes;
            } else if datagram.fragments == 0 {
                datagram.started_ns = ts_ns;
            }
            return;
        }
        while self.datagrams.len() >= self.limits.datagrams.max(1) && self.drop_oldest(Reason::Limit) {}
        self.datagrams.insert(key, Datagram::new(ts_ns));
        self.order.push_back(key);
        self.bytes += OVERHEAD;
    }

    /// Gives up the datagrams at the old end of the table that have waited too long.
    fn expire(&mut self, ts_ns: i64) {
        while let Some(oldest) = self.order.front().and_then(|key| self.datagrams.get(key)) {
            if !is_old(oldest, ts_ns, self.limits.timeout_ns) {
                break;
            }
            self.drop_oldest(Reason::Timeout);
        }
    }

    /// Gives up the oldest datagrams until the bytes are within the limit; the newest fragment's own goes last.
    fn shrink(&mut self, newest: Key, out: &mut Decoded<'_>) {
        while self.bytes > self.limits.fragment_bytes {
            if self.order.front() == Some(&newest) {
                if self.order.len() > 1 {
                    self.order.rotate_left(1);
                    continue;
                }
                out.anomalies.insert(Anomaly::IpFragmentDropped);
            }
            if !self.drop_oldest(Reason::Limit) {
                break;
            }
        }
    }

    fn drop_oldest(&mut self, reason: Reason) -> bool {
        let Some(key) = self.order.pop_front() else { return false };
        if let Some(datagram) = self.datagrams.remove(&key) {
            self.bytes -= datagram.bytes;
            match reason {
                Reason::Limit => self.counters.fragments_dropped_limit += datagram.fragments,
                Reason::Timeout => self.counters.fragments_dropped_timeout += datagram.fragments,
            }
        }
        true
    }

    /// Writes the datagram out and leaves only its lead in the table.
    fn join(&mut self, key: Key, joined: &mut Vec<u8>) -> Option<Joined> {
        let datagram = self.datagrams.get_mut(&key)?;
        let (protocol, _) = datagram.lead?;
        let len = datagram.total?;
        self.bytes -= datagram.bytes;
        joined.clear();
        for piece in datagram.pieces.drain(..) {
            joined.extend_from_slice(&piece.data);
            if piece.data.len() < piece.end - piece.start {
                break;
            }
        }
        *datagram = Datagram { lead: datagram.lead, ..Datagram::new(datagram.started_ns) };
        self.bytes += datagram.bytes;
        self.counters.datagrams_joined += 1;
        Some(Joined { protocol, len })
    }
}

#[derive(Debug, Clone, Copy)]
enum Reason {
    Limit,
    Timeout,
}

/// Packet time may go back, so both directions count.
fn is_old(datagram: &Datagram, ts_ns: i64, timeout_ns: i64) -> bool {
    ts_ns.abs_diff(datagram.started_ns) > timeout_ns.unsigned_abs()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Kept,
    /// Kept, though a length that cannot be followed by another fragment.
    BadLength,
    /// Only what was new is kept.
    Overlap,
    Oversize,
    TooMany,
}

fn insert(datagram: &mut Datagram, place: Place, cursor: Cursor<'_>) -> Verdict {
    let start = usize::from(place.offset);
    let end = start + cursor.len();
    let beyond_total = datagram.total.is_some_and(|total| end > total || (!place.more && end != total));
    let before_known = !place.more && datagram.pieces.last().is_some_and(|piece| piece.end > end);
    if end > MAX_DATAGRAM || beyond_total || before_known {
        return Verdict::Oversize;
    }
    if datagram.pieces.len() >= MAX_PIECES {
        return Verdict::TooMany;
    }
    datagram.fragments += 1;
    if !place.more {
        datagram.total = Some(end);
    }
    if start == end {
        return if place.more { Verdict::BadLength } else { Verdict::Kept };
    }
    let at = datagram.pieces.partition_point(|piece| piece.end <= start);
    match datagram.pieces.get(at) {
        Some(piece) if piece.start < end => {
            let repeated = piece.start == start && piece.end == end && *piece.data == *cursor.data();
            if repeated {
                return Verdict::Kept;
            }
            fill_gaps(datagram, start, end, cursor.data());
            Verdict::Overlap
        }
        _ => {
            datagram.keep(at, Piece { start, end, data: cursor.data().into() });
            if place.more && !(end - start).is_multiple_of(8) { Verdict::BadLength } else { Verdict::Kept }
        }
    }
}

/// Keeps of `start..end` what no piece covers yet.
fn fill_gaps(datagram: &mut Datagram, start: usize, end: usize, data: &[u8]) {
    let mut gaps = Vec::new();
    let mut at = start;
    for piece in datagram.pieces.iter().filter(|piece| piece.end > start && piece.start < end) {
        if piece.start > at {
            gaps.push(at..piece.start);
        }
        at = at.max(piece.end);
    }
    if at < end {
        gaps.push(at..end);
    }
    for gap in gaps {
        let captured = data.get(gap.start - start..).unwrap_or_default();
        let captured = captured.get(..gap.end - gap.start).unwrap_or(captured);
        let at = datagram.pieces.partition_point(|piece| piece.end <= gap.start);
        datagram.keep(at, Piece { start: gap.start, end: gap.end, data: captured.into() });
    }
}
