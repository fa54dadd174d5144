//! The ways in, behind one set of calls: attach an interface, let it go, drain, count, wait.
//!
//! ```text
//!  attach ─► frames ─► quiet (no further frame) ─► drain ─► close (counts are final)
//! ```
//!
//! What differs: the kernel program and the socket per interface count for each; the one socket for all takes new interfaces by
//! itself and counts for all together, under number 0.

use std::{io, iter, os::fd::BorrowedFd, time::Duration};

use crate::{
    CaptureError,
    config::{CaptureConfig, Interfaces, Method},
    interfaces::NetInterface,
    packet_socket::{self, PacketPath},
    syscalls::{self, Waited},
    table::{Delivery, KernelCounts},
    tc::{Hook, TcPath},
};

/// One way in, open.
pub(crate) enum Path {
    /// The kernel program on each interface, one ring for all.
    Tc(Box<TcPath>),
    /// A packet socket for each interface.
    Each(PacketPath),
    /// One packet socket for all interfaces.
    All(PacketPath),
}

impl Path {
    /// Opens a way in, with no interface on it yet. The error is the kernel's reason.
    pub(crate) fn open(config: &CaptureConfig, method: Method, present: &[NetInterface]) -> Result<Self, String> {
        Ok(match (method, &config.interfaces) {
            (Method::Tcx, _) => Self::Tc(Box::new(TcPath::load(config, Hook::Tcx)?)),
            (Method::Clsact, _) => Self::Tc(Box::new(TcPath::load(config, Hook::Clsact)?)),
            (Method::Auto | Method::PacketSocket, Interfaces::Named(_)) => Self::Each(PacketPath::new(config)),
            (Method::Auto | Method::PacketSocket, Interfaces::Any) => {
                let mut path = PacketPath::new(config);
                path.attach_all(present)?;
                Self::All(path)
            }
        })
    }

    /// Takes an interface on. `number` is what its frames will carry.
    pub(crate) fn attach(&mut self, number: u32, link_type: u16, interface: &NetInterface) -> Result<(), String> {
        match self {
            Self::Tc(path) => path.attach(number, link_type, interface),
            Self::Each(path) => path.attach(number, interface),
            Self::All(_) => Ok(()),
        }
    }

    /// Lets no further frame of an interface in. Those already in come with [`Self::drain`].
    pub(crate) fn quiet(&mut self, ifindex: u32) {
        match self {
            Self::Tc(path) => path.detach(ifindex),
            Self::Each(path) => path.quiet(ifindex),
            // It is gone or down, so nothing comes; its last frames may be in a block the kernel still holds.
            Self::All(_) => packet_socket::settle(),
        }
    }

    /// Lets no further frame of any interface in.
    pub(crate) fn quiet_all(&mut self, attached: impl Iterator<Item = u32>) {
        match self {
            Self::All(path) => path.quiet(0),
            Self::Tc(_) | Self::Each(_) => attached.for_each(|ifindex| self.quiet(ifindex)),
        }
    }

    /// Forgets an interface that is quiet and drained, and says what was counted.
    pub(crate) fn close(&mut self, ifindex: u32) -> KernelCounts {
        let counts = self.counts(ifindex);
        match self {
            Self::Tc(path) => path.forget(ifindex),
            Self::Each(path) => path.close(ifindex),
            Self::All(_) => {}
        }
        counts
    }

    /// What the kernel counted for an interface.
    pub(crate) fn counts(&self, ifindex: u32) -> KernelCounts {
        match self {
            Self::Tc(path) => path.counts(ifindex),
            Self::Each(path) => path.counts(ifindex),
            Self::All(_) => KernelCounts::default(),
        }
    }

    /// What the kernel counted for all interfaces together, on the way that does not tell them apart.
    pub(crate) fn counts_of_all(&self) -> Option<KernelCounts> {
        match self {
            Self::Tc(_) | Self::Each(_) => None,
            Self::All(path) => Some(path.counts(0)),
        }
    }

    /// Chores of every few seconds.
    pub(crate) fn keep(&self) {
        match self {
            Self::Tc(_) => {}
            Self::Each(path) | Self::All(path) => path.keep_counts(),
        }
    }

    /// Hands on about `limit` frames, less when less waits. Returns how many.
    pub(crate) fn drain(&mut self, limit: usize, delivery: &mut Delivery<'_>) -> Result<usize, CaptureError> {
        match self {
            Self::Tc(path) => path.drain(limit, delivery),
            Self::Each(path) | Self::All(path) => Ok(path.drain(limit, delivery)),
        }
    }

    /// Whether frames may wait without [`Self::wait`] ending: the kernel program wakes the reader for many frames only, a packet
    /// socket hands over a block after a few milliseconds.
    pub(crate) fn must_look(&self) -> bool {
        matches!(self, Self::Tc(_))
    }

    /// Waits for frames or for `other`.
    pub(crate) fn wait(&self, other: BorrowedFd<'_>, timeout: Duration) -> io::Result<Waited> {
        match self {
            Self::Tc(path) => syscalls::wait([other, path.as_fd()].into_iter(), timeout),
            Self::Each(path) | Self::All(path) => syscalls::wait(iter::once(other).chain(path.fds()), timeout),
        }
    }
}
