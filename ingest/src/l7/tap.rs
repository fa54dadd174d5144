//! Where packets were seen. A capture of several interfaces shows a packet that passes more than one of them more than once; TCP's
//! sequence numbers tell, what has none is read at one place.

use crate::{Frame, decode::Decoded, frame::Direction};

/// Packet time without a packet at the place where a direction is read, ns, after which it is read at another: far longer than
/// a packet takes from one interface of a machine to the next.
const PATIENCE_NS: i64 = 1_000_000_000;

/// A place where packets are seen: an interface, and which way they pass it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tap {
    /// Of the source.
    interface: u32,
    direction: Option<Direction>,
    /// By the link header, where it says.
    link: Option<u64>,
}

impl Tap {
    /// Where this frame was seen.
    #[inline]
    pub(crate) fn of(frame: &Frame<'_>, decoded: &Decoded<'_>) -> Tap {
        Tap { interface: frame.interface, direction: frame.direction, link: decoded.link_place }
    }
}

/// Where one direction of a flow is read: where it was seen first.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Home {
    /// The place, and the latest packet there.
    at: Option<(Tap, i64)>,
}

impl Home {
    /// Whether a packet is read that was seen there and then.
    pub(super) fn is_at(&mut self, tap: Tap, ts_ns: i64) -> bool {
        if let Some((home, last_ns)) = &mut self.at
            && *home != tap
            && ts_ns.saturating_sub(*last_ns) <= PATIENCE_NS
        {
            return false;
        }
        self.at = Some((tap, ts_ns));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that copies are passed over however the places' packets are mixed, and that a direction goes on where it is seen
    /// when its place falls silent.
    #[test]
    fn a_direction_is_read_at_one_place() {
        let [a, b] = [1, 2].map(|interface| Tap { interface, ..Tap::default() });
        let mut home = Home::default();
        for (tap, ms, read) in [
            (a, 0, true),
            (b, 1, false),
            (b, 1000, false),
            (a, 1001, true),
            (b, 1000, false),
            (b, 2002, true),
            (a, 2003, false),
            (b, 9000, true),
        ] {
            assert_eq!(home.is_at(tap, ms * 1_000_000), read, "at {ms}");
        }
    }
}
