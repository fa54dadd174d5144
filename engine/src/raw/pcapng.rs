//! The five pcapng blocks that are written here, and how they are read back (draft-ietf-opsawg-pcapng).
//!
//! Always little-endian, one section. Only what [`RawWriter`](super::RawWriter) writes is read: captures from elsewhere
//! come in through a source, not through this.
//!
//! Timestamps: the unsigned 64-bit count of the interface's unit that pcapng asks for. A time before 1970 is written as
//! two's complement and read back as such; other tools show it as a time far ahead.

use super::{Direction, Interface, MAX_PACKET_BYTES, RawPacket, Resolution, Statistics};

/// Section Header Block.
pub(crate) const SECTION: u32 = 0x0A0D_0D0A;
/// Interface Description Block.
pub(crate) const INTERFACE: u32 = 1;
/// Enhanced Packet Block.
pub(crate) const PACKET: u32 = 6;

/// Interface Statistics Block.
pub(crate) const STATISTICS: u32 = 5;

/// Decryption Secrets Block.
pub(crate) const SECRETS: u32 = 10;

/// `secrets_type` of a log of TLS secrets: `TLSK`.
const TLS_KEY_LOG: u32 = 0x544C_534B;

const BYTE_ORDER_MAGIC: u32 = 0x1A2B_3C4D;
const OPT_END: u16 = 0;
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const EPB_FLAGS: u16 = 2;
const OPT_COMMENT: u16 = 1;
/// `isb_starttime`, `isb_ifrecv`, `isb_ifdrop`, `isb_filteraccept`, `isb_osdrop`, `isb_usrdeliv`.
const ISB_OPTIONS: [u16; 6] = [2, 4, 5, 6, 7, 8];
/// Bytes of a Section Header Block's body before its options.
const SECTION_HEADER: usize = 16;

/// Block type, total length, and the total length again at the end.
const BLOCK_OVERHEAD: usize = 12;
/// Bytes of a block at most: a packet with its header and options.
const MAX_BLOCK_BYTES: usize = MAX_PACKET_BYTES + 1024;
/// Interface, timestamp high and low, captured and original length.
const PACKET_HEADER: usize = 20;
/// The flags option and the end of options.
const FLAGS_OPTION: usize = 12;

/// Bytes of the block that [`push_statistics`] appends.
pub(crate) const STATISTICS_BLOCK_LEN: usize = BLOCK_OVERHEAD + 12 + ISB_OPTIONS.len() * 12 + 4;

/// Bytes of the block that [`push_secrets`] appends.
pub(crate) fn secrets_block_len(log: &[u8]) -> usize {
    BLOCK_OVERHEAD + 8 + log.len().next_multiple_of(4)
}

/// Bytes of the block that [`push_packet`] appends.
pub(crate) fn packet_block_len(packet: &RawPacket<'_>) -> usize {
    let options = if packet.direction.is_some() { FLAGS_OPTION } else { 0 };
    BLOCK_OVERHEAD + PACKET_HEADER + packet.data.len().next_multiple_of(4) + options
}

/// Appends a Section Header Block of unknown section length.
pub(crate) fn push_section(out: &mut Vec<u8>) {
    block(out, SECTION, SECTION_HEADER, push_section_header);
}

/// As [`push_section`], with a comment of at most 65 535 bytes.
pub(crate) fn push_section_with_comment(out: &mut Vec<u8>, comment: &str) {
    let comment = comment.get(..comment.floor_char_boundary(usize::from(u16::MAX))).unwrap_or_default();
    let len = u16::try_from(comment.len()).unwrap_or(u16::MAX);
    let option = 4 + comment.len().next_multiple_of(4);
    block(out, SECTION, SECTION_HEADER + option + 4, |out| {
        push_section_header(out);
        option_header(out, OPT_COMMENT, len);
        out.extend_from_slice(comment.as_bytes());
        pad(out, comment.len());
        option_header(out, OPT_END, 0);
    });
}

fn push_section_header(out: &mut Vec<u8>) {
    out.extend_from_slice(&BYTE_ORDER_MAGIC.to_le_bytes());
    out.extend_from_slice(&1u16.to_le_bytes());
    out.extend_from_slice(&0u16.to_le_bytes());
    out.extend_from_slice(&(-1i64).to_le_bytes());
}

/// Reads the comment of a Section Header Block's body; empty when it has none.
pub(crate) fn read_section(body: &[u8]) -> Result<&str, &'static str> {
    let (header, options) = body.split_at_checked(SECTION_HEADER).ok_or("a section header is cut off")?;
    if !header.starts_with(&BYTE_ORDER_MAGIC.to_le_bytes()) {
        return Err("a section header that is not little-endian");
    }
    let Some((&[c0, c1, l0, l1], rest)) = options.split_first_chunk::<4>() else { return Ok("") };
    if u16::from_le_bytes([c0, c1]) != OPT_COMMENT {
        return Ok("");
    }
    let text = rest.get(..usize::from(u16::from_le_bytes([l0, l1]))).ok_or("a comment is cut off")?;
    str::from_utf8(text).map_err(|_| "a comment is not UTF-8")
}

/// Reads an Interface Description Block's body as [`push_interface`] writes it.
pub(crate) fn read_interface(body: &[u8]) -> Result<Interface, &'static str> {
    const CUT: &str = "an interface description is cut off";
    let (&[l0, l1, _, _, s0, s1, s2, s3], mut options) = body.split_first_chunk::<8>().ok_or(CUT)?;
    let mut interface = Interface {
        link_type: u16::from_le_bytes([l0, l1]),
        snaplen: u32::from_le_bytes([s0, s1, s2, s3]),
        name: String::new(),
        resolution: Resolution::Micro,
    };
    loop {
        let (&[c0, c1, n0, n1], rest) = options.split_first_chunk::<4>().ok_or(CUT)?;
        let len = usize::from(u16::from_le_bytes([n0, n1]));
        let value = rest.get(..len).ok_or(CUT)?;
        match u16::from_le_bytes([c0, c1]) {
            OPT_END => return Ok(interface),
            IF_NAME => {
                str::from_utf8(value).map_err(|_| "an interface's name is not UTF-8")?.clone_into(&mut interface.name)
            }
            IF_TSRESOL => {
                let exponent = value.first().copied().and_then(Resolution::from_exponent);
                interface.resolution = exponent.ok_or("an interface's resolution is neither µs nor ns")?;
            }
            _ => {}
        }
        options = rest.get(len.next_multiple_of(4)..).ok_or(CUT)?;
    }
}

/// Appends an Interface Statistics Block; times are ns, so its interface must be of [`Resolution::Nano`].
pub(crate) fn push_statistics(out: &mut Vec<u8>, s: &Statistics) {
    let values = [s.start_ns as u64, s.received, s.dropped_ring, s.accepted, s.dropped_limit, s.recorded];
    block(out, STATISTICS, STATISTICS_BLOCK_LEN - BLOCK_OVERHEAD, |out| {
        out.extend_from_slice(&s.interface.to_le_bytes());
        push_time(out, s.ts_ns);
        for (code, value) in ISB_OPTIONS.into_iter().zip(values) {
            option_header(out, code, 8);
            match code {
                2 => push_time(out, s.start_ns),
                _ => out.extend_from_slice(&value.to_le_bytes()),
            }
        }
        option_header(out, OPT_END, 0);
    });
}

/// Reads an Interface Statistics Block's body as [`push_statistics`] writes it.
pub(crate) fn read_statistics(body: &[u8]) -> Result<Statistics, &'static str> {
    const CUT: &str = "interface statistics are cut off";
    let mut rest = body;
    let interface = take_u32(&mut rest)?;
    let ts_ns = take_time(&mut rest)?;
    let mut values = [0; ISB_OPTIONS.len()];
    for (value, expected) in values.iter_mut().zip(ISB_OPTIONS) {
        let (&[c0, c1, 8, 0], mut after) = rest.split_first_chunk::<4>().ok_or(CUT)? else {
            return Err("an interface statistic that is not eight bytes long");
        };
        if u16::from_le_bytes([c0, c1]) != expected {
            return Err("interface statistics of another order");
        }
        *value = match expected {
            2 => take_time(&mut after)? as u64,
            _ => u64::from(take_u32(&mut after)?) | u64::from(take_u32(&mut after)?) << 32,
        };
        rest = after;
    }
    let [start, received, dropped_ring, accepted, dropped_limit, recorded] = values;
    Ok(Statistics {
        interface,
        ts_ns,
        start_ns: start as i64,
        received,
        dropped_ring,
        accepted,
        dropped_limit,
        recorded,
    })
}

/// Appends a Decryption Secrets Block with a log of TLS secrets, whose length the caller has checked.
pub(crate) fn push_secrets(out: &mut Vec<u8>, log: &[u8]) {
    block(out, SECRETS, secrets_block_len(log) - BLOCK_OVERHEAD, |out| {
        out.extend_from_slice(&TLS_KEY_LOG.to_le_bytes());
        out.extend_from_slice(&length(log.len()).to_le_bytes());
        out.extend_from_slice(log);
        pad(out, log.len());
    });
}

/// Reads a Decryption Secrets Block's body as [`push_secrets`] writes it.
pub(crate) fn read_secrets(body: &[u8]) -> Result<&[u8], &'static str> {
    let mut rest = body;
    if take_u32(&mut rest)? != TLS_KEY_LOG {
        return Err("secrets that are none of TLS");
    }
    let len = take_u32(&mut rest)? as usize;
    rest.get(..len).ok_or("secrets are longer than their block")
}

/// A timestamp: its upper half, then its lower.
fn push_time(out: &mut Vec<u8>, units: i64) {
    let stamp = (units as u64).to_le_bytes();
    let (low, high) = stamp.split_at(4);
    out.extend_from_slice(high);
    out.extend_from_slice(low);
}

fn take_time(bytes: &mut &[u8]) -> Result<i64, &'static str> {
    let (high, low) = (take_u32(bytes)?, take_u32(bytes)?);
    Ok(((u64::from(high) << 32) | u64::from(low)) as i64)
}

/// Appends an Interface Description Block. `name_len` is the length of its name, which the caller has checked.
pub(crate) fn push_interface(out: &mut Vec<u8>, interface: &Interface, name_len: u16) {
    let name_option = if name_len == 0 { 0 } else { 4 + usize::from(name_len).next_multiple_of(4) };
    block(out, INTERFACE, 8 + name_option + 8 + 4, |out| {
        out.extend_from_slice(&interface.link_type.to_le_bytes());
        out.extend_from_slice(&0u16.to_le_bytes());
        out.extend_from_slice(&interface.snaplen.to_le_bytes());
        if name_len > 0 {
            option_header(out, IF_NAME, name_len);
            out.extend_from_slice(interface.name.as_bytes());
            pad(out, interface.name.len());
        }
        option_header(out, IF_TSRESOL, 1);
        out.extend_from_slice(&[interface.resolution.exponent(), 0, 0, 0]);
        option_header(out, OPT_END, 0);
    });
}

/// Appends an Enhanced Packet Block on interface number `interface`, whose unit is `resolution`; what is below that
/// unit is rounded down.
#[inline]
pub(crate) fn push_packet(out: &mut Vec<u8>, packet: &RawPacket<'_>, interface: u32, resolution: Resolution) {
    let units = match resolution {
        Resolution::Micro => packet.ts_ns.div_euclid(1000),
        Resolution::Nano => packet.ts_ns,
    };
    let body = packet_block_len(packet) - BLOCK_OVERHEAD;
    block(out, PACKET, body, |out| {
        let captured = length(packet.data.len());
        out.extend_from_slice(&interface.to_le_bytes());
        push_time(out, units);
        out.extend_from_slice(&captured.to_le_bytes());
        out.extend_from_slice(&packet.orig_len.to_le_bytes());
        out.extend_from_slice(packet.data);
        pad(out, packet.data.len());
        if let Some(direction) = packet.direction {
            let flags: u32 = match direction {
                Direction::In => 1,
                Direction::Out => 2,
            };
            option_header(out, EPB_FLAGS, 4);
            out.extend_from_slice(&flags.to_le_bytes());
            option_header(out, OPT_END, 0);
        }
    });
}

#[inline]
fn block(out: &mut Vec<u8>, kind: u32, body_len: usize, body: impl FnOnce(&mut Vec<u8>)) {
    let total = length(body_len + BLOCK_OVERHEAD).to_le_bytes();
    out.reserve(body_len + BLOCK_OVERHEAD);
    out.extend_from_slice(&kind.to_le_bytes());
    out.extend_from_slice(&total);
    body(out);
    out.extend_from_slice(&total);
}

fn option_header(out: &mut Vec<u8>, code: u16, len: u16) {
    out.extend_from_slice(&code.to_le_bytes());
    out.extend_from_slice(&len.to_le_bytes());
}

#[inline]
fn pad(out: &mut Vec<u8>, len: usize) {
    let padding = len.next_multiple_of(4) - len;
    out.extend_from_slice([0; 4].get(..padding).unwrap_or_default());
}

fn length(len: usize) -> u32 {
    u32::try_from(len).expect("packets, names and secrets are checked against limits far below 4 GiB")
}

/// One block, its lengths checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block<'a> {
    /// Its type.
    pub(crate) kind: u32,
    /// What stands between the two lengths.
    pub(crate) body: &'a [u8],
}

/// Bytes of the block that `bytes` begin with, or None while not all of it is there.
pub(super) fn whole_block(bytes: &[u8]) -> Result<Option<usize>, &'static str> {
    let Some(&[_, _, _, _, a, b, c, d]) = bytes.first_chunk::<8>() else { return Ok(None) };
    let len = u32::from_le_bytes([a, b, c, d]) as usize;
    if !(BLOCK_OVERHEAD..=MAX_BLOCK_BYTES).contains(&len) {
        return Err("a block is shorter than its head, or longer than that of a packet can be");
    }
    Ok((len <= bytes.len()).then_some(len))
}

/// Takes a block off the front of `bytes`; the error says which rule does not hold.
#[inline]
pub(crate) fn next_block<'a>(bytes: &mut &'a [u8]) -> Result<Block<'a>, &'static str> {
    let (&kind, rest) = bytes.split_first_chunk::<4>().ok_or("a block type is cut off")?;
    let (&total, rest) = rest.split_first_chunk::<4>().ok_or("a block length is cut off")?;
    let body_len =
        (u32::from_le_bytes(total) as usize).checked_sub(BLOCK_OVERHEAD).ok_or("a block length is below 12")?;
    let (body, rest) = rest.split_at_checked(body_len).ok_or("a block is longer than its frame")?;
    let (&again, rest) = rest.split_first_chunk::<4>().ok_or("a block is longer than its frame")?;
    if again != total || !body_len.is_multiple_of(4) {
        return Err("a block's two lengths differ");
    }
    *bytes = rest;
    Ok(Block { kind: u32::from_le_bytes(kind), body })
}

/// Reads an Enhanced Packet Block's body.
pub(crate) fn read_packet<'a>(body: &'a [u8], interfaces: &[Interface]) -> Result<RawPacket<'a>, &'static str> {
    let mut rest = body;
    let interface = take_u32(&mut rest)?;
    let units = take_time(&mut rest)?;
    let (captured, orig_len) = (take_u32(&mut rest)?, take_u32(&mut rest)?);
    let resolution =
        interfaces.get(interface as usize).ok_or("a packet names an interface that is not there")?.resolution;
    let ts_ns = match resolution {
        Resolution::Micro => units.checked_mul(1000).ok_or("a timestamp is out of range")?,
        Resolution::Nano => units,
    };
    let (data, rest) = rest.split_at_checked(captured as usize).ok_or("a packet is longer than its block")?;
    let padding = data.len().next_multiple_of(4) - data.len();
    let options = rest.get(padding..).ok_or("a packet is longer than its block")?;
    Ok(RawPacket { ts_ns, interface, orig_len, data, direction: read_direction(options)? })
}

fn read_direction(options: &[u8]) -> Result<Option<Direction>, &'static str> {
    let Some((header, value)) = options.split_first_chunk::<4>() else {
        return if options.is_empty() { Ok(None) } else { Err("a packet option is cut off") };
    };
    let [c0, c1, l0, l1] = *header;
    let flags = value.first().filter(|_| {
        value.len() == FLAGS_OPTION - 4
            && u16::from_le_bytes([c0, c1]) == EPB_FLAGS
            && u16::from_le_bytes([l0, l1]) == 4
    });
    match flags {
        Some(1) => Ok(Some(Direction::In)),
        Some(2) => Ok(Some(Direction::Out)),
        _ => Err("a packet option that is not a direction"),
    }
}

fn take_u32(bytes: &mut &[u8]) -> Result<u32, &'static str> {
    let (value, rest) = bytes.split_first_chunk::<4>().ok_or("a packet block is cut off")?;
    *bytes = rest;
    Ok(u32::from_le_bytes(*value))
}
