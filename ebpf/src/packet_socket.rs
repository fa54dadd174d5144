//! Capture by `AF_PACKET`, the way that needs no BPF rights: `TPACKET_V3` in a memory-mapped ring.
//!
//! ```text
//!  socket for no protocol ─► ring ─► filter ─► bind to interface and all protocols ─► frames
//! ```
//!
//! The order is the point: until the bind the kernel hands the socket nothing, so no frame slips past the filter and none
//! has to be drained before it is in force. Named interfaces have a socket each, so drops are counted per interface; for all
//! interfaces there is one socket, which sees new ones from their first frame but counts drops for all together.
//!
//! The filter's rejects are invisible to the socket that has the filter. A second one without it, whose queue is as good as
//! full, counts frames without copying them: rejects = its count - ours.

use std::{
    cell::Cell,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    thread,
    time::Duration,
};

use crate::{
    config::{CaptureConfig, FilterInsn},
    filter::{self, Once},
    interfaces::NetInterface,
    mapping::Mapping,
    packet_ring,
    ring::TAG,
    syscalls,
    table::{Delivery, KernelCounts},
};

const PACKET_RX_RING: i32 = 5;
const PACKET_STATISTICS: i32 = 6;
const PACKET_VERSION: i32 = 10;
const PACKET_RESERVE: i32 = 12;
/// The third layout's number.
const TPACKET_V3: i32 = 2;

/// A block that is not full is handed over after this time, milliseconds.
const RETIRE_MS: u32 = 10;
/// Blocks are this big where the ring allows: the reader and the kernel each need one, and a few between them.
const BLOCK_BYTES: usize = 1 << 20;
/// Room of the kernel's headers before a frame, generously.
const FRAME_OVERHEAD: usize = 512;
/// Blocks begin on pages, and no page in use is larger.
const PAGE: usize = 65_536;
/// A field the kernel wants and this layout does not use; any legal value does.
const FRAME_UNIT: u32 = 2048;

/// One socket with its ring.
struct PacketSocket {
    fd: OwnedFd,
    ring: Mapping,
    next: usize,
    /// Reading the kernel's counters clears them, so the sum is ours.
    seen: Cell<u64>,
    dropped: Cell<u64>,
    census: Option<Census>,
    /// 0: of all interfaces.
    ifindex: u32,
    number: u32,
}

/// A socket that only counts.
struct Census {
    fd: OwnedFd,
    seen: Cell<u64>,
}

/// Every socket of a capture.
pub(crate) struct PacketPath {
    snaplen: u32,
    ring_bytes: u32,
    filter: Option<Vec<FilterInsn>>,
    sockets: Vec<PacketSocket>,
}

impl PacketPath {
    /// No socket yet; [`Self::attach`] or [`Self::attach_all`] opens them.
    pub(crate) fn new(config: &CaptureConfig) -> Self {
        let (snaplen, ring_bytes, filter) = (config.snaplen, config.ring_bytes, config.filter.clone());
        Self { snaplen, ring_bytes, filter, sockets: Vec::new() }
    }

    /// Opens one socket for every interface there is and will be.
    pub(crate) fn attach_all(&mut self, present: &[NetInterface]) -> Result<(), String> {
        let once = present.iter().find(|i| i.loopback).map_or(Once::Nowhere, |lo| Once::On(lo.ifindex));
        self.open(0, 0, once).map_err(said)
    }

    /// Opens the socket of one interface.
    pub(crate) fn attach(&mut self, number: u32, interface: &NetInterface) -> Result<(), String> {
        let once = if interface.loopback { Once::Everywhere } else { Once::Nowhere };
        self.open(interface.ifindex, number, once).map_err(said)
    }

    fn open(&mut self, ifindex: u32, number: u32, once: Once) -> io::Result<()> {
        let fd = syscalls::socket(libc::AF_PACKET, libc::SOCK_RAW, 0)?;
        let ring = make_ring(fd.as_fd(), self.snaplen, self.ring_bytes)?;
        syscalls::attach_filter(fd.as_fd(), &filter::program(once, self.snaplen, self.filter.as_deref()))?;
        let census = self.filter.is_some().then(|| Census::open(ifindex, once)).transpose()?;
        syscalls::bind_packet(fd.as_fd(), ifindex)?;
        let (seen, dropped) = (Cell::new(0), Cell::new(0));
        self.sockets.push(PacketSocket { fd, ring, next: 0, seen, dropped, census, ifindex, number });
        Ok(())
    }

    /// Lets no further frame of an interface in and waits until the kernel has handed over the block it was filling.
    pub(crate) fn quiet(&self, ifindex: u32) {
        let mut any = false;
        for socket in self.sockets.iter().filter(|s| s.ifindex == ifindex) {
            // A refusal leaves frames to be lost when the socket closes; they are then counted as seen and not delivered.
            any |= syscalls::attach_filter(socket.fd.as_fd(), &filter::NOTHING).is_ok();
            if let Some(census) = &socket.census {
                let _counts_on = syscalls::attach_filter(census.fd.as_fd(), &filter::NOTHING);
            }
        }
        if any {
            settle();
        }
    }

    /// Closes the socket of an interface.
    pub(crate) fn close(&mut self, ifindex: u32) {
        self.sockets.retain(|socket| socket.ifindex != ifindex);
    }

    /// Counts of the socket of an interface (0: of the one for all).
    pub(crate) fn counts(&self, ifindex: u32) -> KernelCounts {
        let mut sum = KernelCounts::default();
        for socket in self.sockets.iter().filter(|s| s.ifindex == ifindex) {
            sum.add(socket.counts());
        }
        sum
    }

    /// Reads all counters, which are 32 bits wide in the kernel.
    pub(crate) fn keep_counts(&self) {
        for socket in &self.sockets {
            socket.counts();
        }
    }

    /// Hands on the frames of up to `limit` and a block's worth that wait in the rings.
    pub(crate) fn drain(&mut self, limit: usize, delivery: &mut Delivery<'_>) -> usize {
        let mut taken = 0;
        for socket in &mut self.sockets {
            while taken < limit {
                let Some(count) = socket.read_block(delivery) else { break };
                taken += count;
            }
        }
        if taken == 0 {
            // An interface that is down leaves an error on its socket, which would end every wait at once until it is read.
            for socket in &self.sockets {
                let _down = syscalls::take_error(&socket.fd);
            }
        }
        taken
    }

    /// Readable when a block waits.
    pub(crate) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.sockets.iter().map(|socket| socket.fd.as_fd())
    }
}

impl PacketSocket {
    /// Reads the next block, if it is ours.
    fn read_block(&mut self, delivery: &mut Delivery<'_>) -> Option<usize> {
        let (ifindex, number) = (self.ifindex, self.number);
        let block = self.ring.block(self.next)?;
        let latest = delivery.clock.now();
        let count = packet_ring::frames(block, |mut sighted| {
            sighted.raw.ts_ns = delivery.clock.stamp_of_wall(sighted.raw.ts_ns, latest);
            let number = if ifindex == 0 { delivery.number(sighted.ifindex, sighted.arphrd) } else { Some(number) };
            if let Some(number) = number {
                delivery.frame(number, sighted.raw);
            }
        });
        self.ring.release(self.next);
        self.next = (self.next + 1) % self.ring.count();
        Some(count)
    }

    fn counts(&self) -> KernelCounts {
        // The census is read last: a frame between the two readings then counts as rejected for a moment, never as less than none.
        if let Ok([seen, dropped, _frozen]) = statistics(self.fd.as_fd()) {
            self.seen.set(self.seen.get() + u64::from(seen));
            self.dropped.set(self.dropped.get() + u64::from(dropped));
        }
        let filtered = self.census.as_ref().map(|census| census.count().saturating_sub(self.seen.get()));
        KernelCounts { seen: self.seen.get(), ring_full: self.dropped.get(), copy_errors: 0, filtered }
    }
}

impl Census {
    fn open(ifindex: u32, once: Once) -> io::Result<Self> {
        let fd = syscalls::socket(libc::AF_PACKET, libc::SOCK_RAW, 0)?;
        // The smallest queue the kernel gives; it is never read, so all but the first frames are counted and dropped uncopied.
        syscalls::set_option(fd.as_fd(), libc::SOL_SOCKET, libc::SO_RCVBUF, &0_i32)?;
        syscalls::attach_filter(fd.as_fd(), &filter::census(once))?;
        syscalls::bind_packet(fd.as_fd(), ifindex)?;
        Ok(Self { fd, seen: Cell::new(0) })
    }

    fn count(&self) -> u64 {
        if let Ok([seen, _dropped, _]) = statistics(self.fd.as_fd()) {
            self.seen.set(self.seen.get() + u64::from(seen));
        }
        self.seen.get()
    }
}

/// Waits until the kernel has handed over the blocks it was filling.
pub(crate) fn settle() {
    thread::sleep(Duration::from_millis(u64::from(2 * RETIRE_MS)));
}

/// Frames that passed the filter, those of them that were dropped, and how often the ring stood still; cleared by reading.
fn statistics(fd: BorrowedFd<'_>) -> io::Result<[u32; 3]> {
    syscalls::option_words(fd, libc::SOL_PACKET, PACKET_STATISTICS)
}

fn make_ring(fd: BorrowedFd<'_>, snaplen: u32, ring_bytes: u32) -> io::Result<Mapping> {
    let invalid = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let (wanted, frame) = (usize::try_from(ring_bytes).map_err(invalid)?, usize::try_from(snaplen).map_err(invalid)?);
    // A block must hold the largest frame: the kernel cuts what does not fit.
    let size = (wanted / 8).min(BLOCK_BYTES).max(frame + FRAME_OVERHEAD).next_multiple_of(PAGE);
    let count = (wanted / size).max(2);
    let (block, blocks) = (u32::try_from(size).map_err(invalid)?, u32::try_from(count).map_err(invalid)?);
    let frames = (block / FRAME_UNIT).checked_mul(blocks).ok_or(io::ErrorKind::InvalidInput)?;

    syscalls::set_option(fd, libc::SOL_PACKET, PACKET_VERSION, &TPACKET_V3)?;
    let spare = u32::try_from(TAG).map_err(invalid)?;
    syscalls::set_option(fd, libc::SOL_PACKET, PACKET_RESERVE, &spare)?;
    // struct tpacket_req3: block size, blocks, frame size, frames, time-out, private bytes, features.
    let request: [u32; 7] = [block, blocks, FRAME_UNIT, frames, RETIRE_MS, 0, 0];
    syscalls::set_option(fd, libc::SOL_PACKET, PACKET_RX_RING, &request)?;
    Mapping::new(fd, size, count)
}

fn said(error: io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EPERM) => format!("{error} (needs CAP_NET_RAW)"),
        _ => error.to_string(),
    }
}
