//! A time or duration in ns that may be unknown, in 8 bytes where `Option<i64>` takes 16: there are six in every flow.

/// Nanoseconds, or nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct MaybeNs(i64);

impl MaybeNs {
    /// The one value that is no time: a packet of that time, in 1677, is taken to be a nanosecond later.
    const UNKNOWN: i64 = i64::MIN;

    /// A known one.
    #[inline]
    pub(crate) fn known(ns: i64) -> MaybeNs {
        MaybeNs(ns.max(Self::UNKNOWN + 1))
    }

    /// Its value, if known.
    #[inline]
    pub(crate) fn get(self) -> Option<i64> {
        (self.0 != Self::UNKNOWN).then_some(self.0)
    }

    /// How long before `ns` it was; unknown when it is unknown or later, as times that go back tell no duration.
    #[inline]
    pub(crate) fn until(self, ns: i64) -> MaybeNs {
        self.get().map(|since| ns.saturating_sub(since)).filter(|took| *took >= 0).into()
    }
}

impl Default for MaybeNs {
    fn default() -> MaybeNs {
        MaybeNs(Self::UNKNOWN)
    }
}

impl From<Option<i64>> for MaybeNs {
    fn from(ns: Option<i64>) -> MaybeNs {
        ns.map_or_else(MaybeNs::default, MaybeNs::known)
    }
}

impl std::fmt::Debug for MaybeNs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.get().fmt(f)
    }
}
