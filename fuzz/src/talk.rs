//! What two ends say to each other and what a capture makes of it, as bytes that a fuzzer mutates well: every byte string is
//! some talk of up to four flows.
//!
//! The first byte says how tight the limits are; the rest is turns.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 1 | bit 0: the server says it; bits 1–3: what happens, a position in [`ACTS`]; bits 4–5: the flow; bits 6–7: before it, a position in [`PAUSES`] |
//! | 1 | 2 | bytes, little-endian; cut at the end of the input |
//! | 3 | … | what is said |
//!
//! Dissectors' tests write their turns in this form, as seeds (`ingest/src/l7/testing.rs`).

/// What happens to what is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// It is captured.
    Say,
    /// It is not.
    Lose,
    /// Of its packet only the first half is captured.
    Cut,
    /// Its packet comes behind the next one.
    Late,
    /// Its packet comes twice, and then once more joined with the byte before it.
    Again,
    /// It is the last of this direction.
    Close,
    /// The connection is reset with it.
    Reset,
    /// It is not said at all: it is a log of TLS secrets.
    Learn,
}

/// By number.
pub const ACTS: [Act; 8] = [Act::Say, Act::Lose, Act::Cut, Act::Late, Act::Again, Act::Close, Act::Reset, Act::Learn];

/// What comes before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// A millisecond.
    Short,
    /// Rows are shown to readers of the open segment.
    Flush,
    /// Longer than reassembly waits for what is missing.
    Long,
    /// The segment is sealed.
    Seal,
}

/// By number.
pub const PAUSES: [Pause; 4] = [Pause::Short, Pause::Flush, Pause::Long, Pause::Seal];

/// Flows of a talk at most.
pub const FLOWS: usize = 4;

/// One turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn<'a> {
    /// All but the bytes, as in the first byte of its form.
    pub bits: u8,
    pub bytes: &'a [u8],
}

impl Turn<'_> {
    /// Whether the server says it.
    pub fn is_servers(&self) -> bool {
        self.bits & 1 == 1
    }

    pub fn act(&self) -> Act {
        ACTS[usize::from(self.bits >> 1 & 7)]
    }

    pub fn flow(&self) -> usize {
        usize::from(self.bits >> 4 & 3)
    }

    pub fn pause(&self) -> Pause {
        PAUSES[usize::from(self.bits >> 6)]
    }

    /// Appends its form. Longer ones than can be said are cut.
    pub fn write(&self, out: &mut Vec<u8>) {
        let bytes = &self.bytes[..self.bytes.len().min(usize::from(u16::MAX))];
        out.push(self.bits);
        out.extend((bytes.len() as u16).to_le_bytes());
        out.extend(bytes);
    }
}

/// The bits of something said and captured.
pub fn said(by_server: bool, flow: usize) -> u8 {
    u8::from(by_server) | (flow as u8 & 3) << 4
}

/// The same bits on another flow.
pub fn on_flow(bits: u8, flow: usize) -> u8 {
    bits & !(3 << 4) | (flow as u8 & 3) << 4
}

/// The first byte of an input and its turns.
pub fn split(input: &[u8]) -> (u8, &[u8]) {
    input.split_first().map_or((0, input), |(first, turns)| (*first, turns))
}

/// Walks turns.
pub fn turns(mut input: &[u8]) -> impl Iterator<Item = Turn<'_>> {
    std::iter::from_fn(move || {
        let ([bits, low, high], rest) = input.split_first_chunk()?;
        let (bytes, rest) = rest.split_at(usize::from(u16::from_le_bytes([*low, *high])).min(rest.len()));
        input = rest;
        Some(Turn { bits: *bits, bytes })
    })
}
