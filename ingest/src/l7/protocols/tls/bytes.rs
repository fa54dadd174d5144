//! Reading numbers and counted lists off a message, in network order.

/// What is left to read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    pub(crate) fn u24(&mut self) -> Option<usize> {
        let [a, b, c] = self.take(3)?.try_into().ok()?;
        Some(u32::from_be_bytes([0, a, b, c]) as usize)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// A vector behind its length in one byte.
    pub(crate) fn vec8(&mut self) -> Option<Bytes<'a>> {
        let len = self.u8()?;
        self.take(usize::from(len)).map(Bytes)
    }

    /// … in two bytes.
    pub(crate) fn vec16(&mut self) -> Option<Bytes<'a>> {
        let len = self.u16()?;
        self.take(usize::from(len)).map(Bytes)
    }

    /// … in three bytes.
    pub(crate) fn vec24(&mut self) -> Option<Bytes<'a>> {
        let len = self.u24()?;
        self.take(len).map(Bytes)
    }
}
