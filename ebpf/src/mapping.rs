//! The memory a packet socket's ring shares with the kernel, as blocks that belong to one side at a time.
//!
//! Ownership of a block is its status word: the kernel sets the user bit when a block is full or its time is up, we clear it when
//! we have read it. A block is only ever seen here as a slice while the bit is set. What is in it is `packet_ring`'s business.
#![expect(unsafe_code, reason = "memory shared with the kernel")]

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
    ptr::{self, NonNull},
    slice,
    sync::atomic::{AtomicU32, Ordering},
};

/// Offset of the status word in a block: `version` and `offset_to_priv` come before it (`struct tpacket_block_desc`).
const STATUS: usize = 8;
/// The block is ours (`TP_STATUS_USER`).
const USER: u32 = 1;
/// The block is the kernel's (`TP_STATUS_KERNEL`).
const KERNEL: u32 = 0;

/// A mapped ring of `count` blocks of `size` bytes.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    size: usize,
    count: usize,
}

// SAFETY: the mapping is owned by this value alone and memory may be used from any thread.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps the ring the socket was given by `PACKET_RX_RING` with the same geometry.
    pub(crate) fn new(fd: BorrowedFd<'_>, size: usize, count: usize) -> io::Result<Self> {
        let len = size.checked_mul(count).ok_or(io::ErrorKind::InvalidInput)?;
        // SAFETY: the kernel chooses the place; it refuses a length that is not the ring's.
        let start = unsafe {
            libc::mmap(ptr::null_mut(), len, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED, fd.as_raw_fd(), 0)
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast::<u8>()).ok_or(io::ErrorKind::Other)?;
        Ok(Self { start, size, count })
    }

    /// How many blocks.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Block `number`, when it is ours.
    pub(crate) fn block(&mut self, number: usize) -> Option<&mut [u8]> {
        if self.status(number)?.load(Ordering::Acquire) & USER == 0 {
            return None;
        }
        // SAFETY: `number` is inside the mapping (checked by `status`); the kernel does not touch a block whose user bit is set,
        // and the unique borrow of `self` keeps us from handing it back meanwhile.
        Some(unsafe { slice::from_raw_parts_mut(self.start.as_ptr().add(number * self.size), self.size) })
    }

    /// Gives block `number` back to the kernel.
    pub(crate) fn release(&mut self, number: usize) {
        if let Some(status) = self.status(number) {
            status.store(KERNEL, Ordering::Release);
        }
    }

    fn status(&self, number: usize) -> Option<&AtomicU32> {
        if number >= self.count {
            return None;
        }
        // SAFETY: inside the mapping and 4-byte aligned: blocks begin on pages. The kernel writes it as one word, so an atomic is
        // the right view of it.
        Some(unsafe { AtomicU32::from_ptr(self.start.as_ptr().add(number * self.size + STATUS).cast::<u32>()) })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: start and length are those of the one mapping this value owns; no borrow of it is left.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.size * self.count) };
    }
}
