//! Records of the kernel program's ring, and the VLAN tag put back into a frame's bytes.
//!
//! The layout is `probe/src/event.rs`, compiled into both sides. The kernel program is ours and of the same build, so a record
//! that does not fit is a broken build and ends the capture; it is never guessed at.

use crate::{CaptureError, event};

/// Bytes of [`event::Header`].
const HEADER_BYTES: usize = size_of::<event::Header>();
/// Bytes of the two addresses an 802.1Q tag comes after.
pub(crate) const ADDRESSES: usize = 12;
/// Bytes of an 802.1Q tag.
pub(crate) const TAG: usize = 4;
/// The tag protocol of 802.1Q, which old kernels do not name.
pub(crate) const TPID_8021Q: u16 = 0x8100;

/// Splits a record into its header and the bytes that were written behind it.
pub(crate) fn record(bytes: &[u8]) -> Result<(event::Header, &[u8]), CaptureError> {
    let (head, rest) = bytes.split_at_checked(HEADER_BYTES).ok_or(CaptureError::Ring("shorter than its header"))?;
    let header = header(head).ok_or(CaptureError::Ring("shorter than its header"))?;
    if header.version != event::VERSION {
        return Err(CaptureError::Ring("another version of the layout"));
    }
    let data = usize::try_from(header.caplen).ok().and_then(|n| rest.get(..n));
    Ok((header, data.ok_or(CaptureError::Ring("more bytes than the record holds"))?))
}

fn header(bytes: &[u8]) -> Option<event::Header> {
    let [kind, version, direction, flags, ..] = *bytes else { return None };
    let u16_at = |at: usize| Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?));
    let u32_at = |at: usize| Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?));
    Some(event::Header {
        kind,
        version,
        direction,
        flags,
        vlan_tpid: u16_at(4)?,
        vlan_tci: u16_at(6)?,
        boot_ns: u64::from_ne_bytes(*bytes.get(8..)?.first_chunk()?),
        interface: u32_at(16)?,
        ifindex: u32_at(20)?,
        len: u32_at(24)?,
        caplen: u32_at(28)?,
        link_type: u16_at(32)?,
        reserved: [0; 3],
    })
}

/// The four bytes of a tag as they stand on the wire.
pub(crate) fn tag_bytes(tpid: u16, tci: u16) -> [u8; TAG] {
    let ([a, b], [c, d]) = (if tpid == 0 { TPID_8021Q } else { tpid }.to_be_bytes(), tci.to_be_bytes());
    [a, b, c, d]
}

/// Writes `frame` with the tag behind its addresses into `out`, as it was on the wire. A frame cut inside its addresses stays as
/// it is.
pub(crate) fn with_tag<'a>(frame: &'a [u8], tpid: u16, tci: u16, out: &'a mut Vec<u8>) -> &'a [u8] {
    let Some((addresses, rest)) = frame.split_at_checked(ADDRESSES) else { return frame };
    out.clear();
    out.extend_from_slice(addresses);
    out.extend_from_slice(&tag_bytes(tpid, tci));
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(version: u8, caplen: u32, data: &[u8]) -> Vec<u8> {
        let mut record = vec![event::KIND_FRAME, version, event::EGRESS, event::FLAG_VLAN];
        record.extend(0x88a8_u16.to_ne_bytes());
        record.extend(5_u16.to_ne_bytes());
        record.extend(1234_u64.to_ne_bytes());
        for word in [7, 42, 60, caplen] {
            record.extend(word.to_ne_bytes());
        }
        record.extend(101_u16.to_ne_bytes());
        record.extend([0; 6]);
        record.extend(data);
        record
    }

    /// The offsets here are those of the `#[repr(C)]` structure the kernel program writes.
    #[test]
    fn the_header_reads_as_it_is_laid_out() {
        let record_bytes = bytes(event::VERSION, 2, &[1, 2, 3, 4]);
        let (header, data) = record(&record_bytes).unwrap();
        assert_eq!(data, [1, 2]);
        let expected = event::Header {
            kind: event::KIND_FRAME,
            version: event::VERSION,
            direction: event::EGRESS,
            flags: event::FLAG_VLAN,
            vlan_tpid: 0x88a8,
            vlan_tci: 5,
            boot_ns: 1234,
            interface: 7,
            ifindex: 42,
            len: 60,
            caplen: 2,
            link_type: 101,
            reserved: [0; 3],
        };
        assert_eq!(header, expected);
        use std::mem::offset_of;
        assert_eq!(offset_of!(event::Header, boot_ns), 8);
        assert_eq!(offset_of!(event::Header, interface), 16);
        assert_eq!(offset_of!(event::Header, link_type), 32);
        assert_eq!(HEADER_BYTES, 40);
    }

    #[test]
    fn a_record_of_another_build_is_refused() {
        for broken in [&bytes(event::VERSION + 1, 2, &[1, 2])[..], &bytes(event::VERSION, 3, &[1, 2]), &[1, 1, 0]] {
            assert!(matches!(record(broken), Err(CaptureError::Ring(_))));
        }
    }

    #[test]
    fn a_tag_goes_behind_the_addresses() {
        let frame: Vec<u8> = (0..16).collect();
        let mut out = Vec::new();
        let tagged = with_tag(&frame, 0, 0x6005, &mut out);
        assert_eq!(tagged, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0x81, 0, 0x60, 5, 12, 13, 14, 15]);
        let cut = [0_u8; 11];
        assert_eq!(with_tag(&cut, 0, 5, &mut Vec::new()), cut);
    }
}
