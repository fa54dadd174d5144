//! The interfaces of this network namespace, and news of them.
//!
//! The list is read whole, by name and number; a netlink socket says when it is worth reading again, so an idle capture asks
//! nothing. It does not follow addresses or routes.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use crate::{CaptureError, syscalls};

/// LINKTYPE_ETHERNET.
pub const LINKTYPE_ETHERNET: u16 = 1;
/// LINKTYPE_RAW: an IPv4 or IPv6 packet without a link header.
pub const LINKTYPE_RAW: u16 = 101;

/// `ARPHRD_RAWIP`: cellular modems.
const ARPHRD_RAWIP: u16 = 519;

/// Messages read in one go, so that a storm of news cannot hold up the frames.
const MAX_NEWS: usize = 4096;

/// An interface as the kernel lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetInterface {
    /// The kernel's number; never given twice while the machine runs, and so tells a new interface from an old one of its name.
    pub ifindex: u32,
    /// Its name.
    pub name: String,
    /// Hardware type (`ARPHRD_*`).
    pub arphrd: u16,
    /// Whether it is administratively up.
    pub up: bool,
    /// Whether it is the loopback, where every frame would be seen twice: going out and coming in.
    pub loopback: bool,
}

impl NetInterface {
    /// `LINKTYPE_*` of its frames, or `None` when they have a header this version has no number for.
    pub fn link_type(&self) -> Option<u16> {
        link_type(self.arphrd)
    }
}

/// `LINKTYPE_*` of frames of a hardware type, as packet sockets and TC programs see them.
pub(crate) fn link_type(arphrd: u16) -> Option<u16> {
    match arphrd {
        libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK => Some(LINKTYPE_ETHERNET),
        // tun, wireguard and others without a header; IP in IP and its kin show the inner packet.
        libc::ARPHRD_NONE | ARPHRD_RAWIP | libc::ARPHRD_TUNNEL | libc::ARPHRD_TUNNEL6 | libc::ARPHRD_SIT => {
            Some(LINKTYPE_RAW)
        }
        _ => None,
    }
}

/// Every interface of the calling thread's network namespace, by number.
///
/// # Errors
/// Only when the kernel has no memory or no sockets left.
pub fn interfaces() -> Result<Vec<NetInterface>, CaptureError> {
    let asked = |what| move |source| CaptureError::Kernel { what, source };
    let socket =
        syscalls::socket(libc::AF_UNIX, libc::SOCK_DGRAM, 0).map_err(asked("a socket to ask for interfaces"))?;
    let names = syscalls::interface_names().map_err(asked("if_nameindex"))?;
    // One that is gone or renamed since the list was read is left out: the news of it are under way.
    let mut found: Vec<_> = names.into_iter().filter_map(|(ifindex, name)| read(&socket, ifindex, name).ok()).collect();
    found.sort_by_key(|interface| interface.ifindex);
    Ok(found)
}

fn read(socket: &OwnedFd, ifindex: u32, name: String) -> io::Result<NetInterface> {
    let (arphrd, flags) = syscalls::interface_state(socket.as_fd(), &name)?;
    let has = |flag: libc::c_int| i32::from(flags) & flag != 0;
    Ok(NetInterface { ifindex, name, arphrd, up: has(libc::IFF_UP), loopback: has(libc::IFF_LOOPBACK) })
}

/// A socket that becomes readable when an interface changes.
#[derive(Debug)]
pub(crate) struct LinkNews(OwnedFd);

impl LinkNews {
    pub(crate) fn open() -> Result<Self, CaptureError> {
        let failed = |source| CaptureError::Kernel { what: "a route netlink socket", source };
        let fd = syscalls::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE).map_err(failed)?;
        syscalls::bind_link_news(fd.as_fd()).map_err(failed)?;
        Ok(Self(fd))
    }

    /// Whether there was news since the last call. Which interface does not matter: the list is read whole.
    pub(crate) fn any(&self) -> bool {
        for read in 0..MAX_NEWS {
            if let Err(e) = syscalls::discard_message(self.0.as_fd())
                && e.kind() == io::ErrorKind::WouldBlock
            {
                return read > 0;
            }
            // Any other error is an overrun: there was more news than the socket could hold.
        }
        true
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The name among `present` that `name` most likely stands for.
pub(crate) fn nearest<'a>(name: &str, present: &'a [String]) -> Option<&'a String> {
    present.iter().map(|p| (distance(name, p), p)).filter(|(d, _)| *d <= 2).min_by_key(|(d, _)| *d).map(|(_, p)| p)
}

/// Edits between two short names (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (to, &above) in b.chars().zip(row.iter().skip(1)) {
            left = (left + 1).min(above + 1).min(diagonal + usize::from(from != to));
            diagonal = above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_within_two_edits() {
        let present: Vec<String> = ["lo", "eth0", "wlan0"].map(str::to_owned).into();
        assert_eq!(nearest("eht0", &present), Some(&present[1]));
        assert_eq!(nearest("wlan", &present), Some(&present[2]));
        assert_eq!(nearest("docker0", &present), None);
        assert_eq!((distance("", "abc"), distance("abc", "abc"), distance("kitten", "sitting")), (3, 0, 3));
    }

    #[test]
    fn the_loopback_is_listed() {
        let all = interfaces().unwrap();
        let lo = all.iter().find(|i| i.loopback).expect("every namespace has one");
        assert_eq!((lo.name.as_str(), lo.link_type()), ("lo", Some(LINKTYPE_ETHERNET)));
    }
}
