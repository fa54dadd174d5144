//! The option lists that end pcapng blocks (draft-ietf-opsawg-pcapng section 3.5): code, length, value padded to 4 bytes.

use super::order::Order;

/// End of the list.
const END: u16 = 0;
/// In an interface description: its name, UTF-8.
pub(super) const IF_NAME: u16 = 2;
/// In an interface description: the unit of its time stamps, one byte.
pub(super) const IF_TSRESOL: u16 = 9;
/// In an interface description: seconds to add to its time stamps, signed, 64 bits.
pub(super) const IF_TSOFFSET: u16 = 14;
/// In a packet block: the flags word, 32 bits.
pub(super) const PACKET_FLAGS: u16 = 2;

/// Walks a list; yields `Err` once, last, when an option runs past the end.
pub(super) struct Options<'a> {
    rest: &'a [u8],
    order: Order,
}

impl<'a> Options<'a> {
    pub(super) fn new(list: &'a [u8], order: Order) -> Options<'a> {
        Options { rest: list, order }
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = Result<(u16, &'a [u8]), ()>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = std::mem::take(&mut self.rest);
        if rest.is_empty() {
            return None;
        }
        let (Some(code), Some(length)) = (self.order.u16_at(rest, 0), self.order.u16_at(rest, 2)) else {
            return Some(Err(()));
        };
        if code == END {
            return None;
        }
        let length = usize::from(length);
        let Some(value) = rest.get(4..4 + length) else {
            return Some(Err(()));
        };
        // The last value's padding may be missing in files that leave it out of the block length.
        self.rest = rest.get(4 + length.next_multiple_of(4)..).unwrap_or_default();
        Some(Ok((code, value)))
    }
}
