//! Two of a kind, one for each direction of a flow.

/// Which way a packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the initiator (src) to the responder (dst).
    Out,
    /// Back.
    In,
}

impl Way {
    /// The other way.
    pub(crate) fn back(self) -> Way {
        match self {
            Way::Out => Way::In,
            Way::In => Way::Out,
        }
    }
}

/// What is kept for each direction; columns end in `_out` and `_in`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Pair<T> {
    /// Of packets that src sent.
    pub(crate) out: T,
    /// Of packets that dst sent.
    pub(crate) back: T,
}

impl<T> Pair<T> {
    /// That of one direction.
    #[inline]
    pub(crate) fn of(&self, way: Way) -> &T {
        match way {
            Way::Out => &self.out,
            Way::In => &self.back,
        }
    }

    /// That of one direction, to change.
    #[inline]
    pub(crate) fn of_mut(&mut self, way: Way) -> &mut T {
        match way {
            Way::Out => &mut self.out,
            Way::In => &mut self.back,
        }
    }

    /// That of the sender and that of the receiver of a packet going `way`.
    #[inline]
    pub(crate) fn sender_and_receiver(&mut self, way: Way) -> (&mut T, &mut T) {
        match way {
            Way::Out => (&mut self.out, &mut self.back),
            Way::In => (&mut self.back, &mut self.out),
        }
    }
}
