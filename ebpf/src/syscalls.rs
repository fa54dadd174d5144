//! The system calls this crate makes, each behind a safe function of values.
//!
//! Everything here is a thin veneer: what a call means for a capture is said where it is made. The memory-mapped ring has its own
//! file, `mapping`.
#![expect(unsafe_code, reason = "system calls")]

use std::{
    ffi::{CStr, CString},
    io, mem,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    time::Duration,
};

use libc::{c_int, c_void, socklen_t};

use crate::config::FilterInsn;

/// Nanoseconds since boot, suspended time included.
pub(crate) fn boot_ns() -> i64 {
    clock(libc::CLOCK_BOOTTIME)
}

/// Nanoseconds since 1970.
pub(crate) fn wall_ns() -> i64 {
    clock(libc::CLOCK_REALTIME)
}

fn clock(id: libc::clockid_t) -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the result; both clocks exist on every Linux, so the call cannot refuse.
    unsafe { libc::clock_gettime(id, &mut time) };
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
}

/// A new socket, closed on exec.
pub(crate) fn socket(domain: c_int, kind: c_int, protocol: c_int) -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed.
    let fd = unsafe { libc::socket(domain, kind | libc::SOCK_CLOEXEC, protocol) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just gave us this descriptor; nobody else holds it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `setsockopt` of a plain value.
pub(crate) fn set_option<T: Copy>(fd: BorrowedFd<'_>, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    let len = socklen_t::try_from(mem::size_of::<T>()).expect("options are a few bytes");
    // SAFETY: the kernel reads `len` bytes, the size of `value`.
    checked(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, (&raw const *value).cast::<c_void>(), len) })
}

/// `getsockopt` of up to `N` 32-bit numbers; those the kernel does not know stay 0.
pub(crate) fn option_words<const N: usize>(fd: BorrowedFd<'_>, level: c_int, name: c_int) -> io::Result<[u32; N]> {
    let mut words = [0_u32; N];
    let mut len = socklen_t::try_from(mem::size_of_val(&words)).expect("options are a few bytes");
    // SAFETY: the kernel writes at most `len` bytes, the size of `words`; every bit pattern is a number.
    checked(unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, (&raw mut words).cast::<c_void>(), &raw mut len) })?;
    Ok(words)
}

/// Attaches a classic BPF filter to a socket, in place of the one before.
pub(crate) fn attach_filter(fd: BorrowedFd<'_>, program: &[FilterInsn]) -> io::Result<()> {
    let mut code: Vec<libc::sock_filter> =
        program.iter().map(|i| libc::sock_filter { code: i.code, jt: i.jt, jf: i.jf, k: i.k }).collect();
    let len = u16::try_from(code.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    // The kernel copies and checks the program during the call; `code` outlives it.
    set_option(fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &libc::sock_fprog { len, filter: code.as_mut_ptr() })
}

/// Binds a packet socket to an interface (0: all of them) and to all protocols: from here on frames arrive.
pub(crate) fn bind_packet(fd: BorrowedFd<'_>, ifindex: u32) -> io::Result<()> {
    // SAFETY: `sockaddr_ll` is made of integers; zero is a value of each.
    let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
    address.sll_family = family(libc::AF_PACKET);
    address.sll_protocol = u16::try_from(libc::ETH_P_ALL).expect("3").to_be();
    address.sll_ifindex = c_int::try_from(ifindex).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    bind(fd, &address)
}

/// Subscribes a route netlink socket to news of interfaces.
pub(crate) fn bind_link_news(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: `sockaddr_nl` is made of integers; zero is a value of each.
    let mut address: libc::sockaddr_nl = unsafe { mem::zeroed() };
    address.nl_family = family(libc::AF_NETLINK);
    address.nl_groups = libc::RTMGRP_LINK.unsigned_abs();
    bind(fd, &address)
}

fn family(number: c_int) -> libc::sa_family_t {
    libc::sa_family_t::try_from(number).expect("address families are small numbers")
}

fn bind<T>(fd: BorrowedFd<'_>, address: &T) -> io::Result<()> {
    let len = socklen_t::try_from(mem::size_of::<T>()).expect("addresses are a few bytes");
    // SAFETY: `address` is a socket address structure of `len` bytes.
    checked(unsafe { libc::bind(fd.as_raw_fd(), (&raw const *address).cast::<libc::sockaddr>(), len) })
}

/// Reads one waiting message and forgets it. `WouldBlock` when none waits.
pub(crate) fn discard_message(fd: BorrowedFd<'_>) -> io::Result<()> {
    let mut start = [0_u8; 64];
    // SAFETY: the kernel writes at most the array's length; the rest of a longer message is dropped.
    let got =
        unsafe { libc::recv(fd.as_raw_fd(), start.as_mut_ptr().cast::<c_void>(), start.len(), libc::MSG_DONTWAIT) };
    if got < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// At least one descriptor has something to read, or an error to tell.
    Ready,
    /// Time is up.
    TimedOut,
    /// A signal came.
    Interrupted,
}

/// Waits until one of the descriptors is readable.
pub(crate) fn wait<'a>(fds: impl Iterator<Item = BorrowedFd<'a>>, timeout: Duration) -> io::Result<Waited> {
    let mut polled: Vec<libc::pollfd> =
        fds.map(|fd| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 }).collect();
    let count = libc::nfds_t::try_from(polled.len()).expect("descriptors fit their count");
    // Rounded up: a wait of 0 would spin through the last part of a millisecond.
    let millis = c_int::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(c_int::MAX);
    // SAFETY: `polled` holds `count` entries for the length of the call.
    match unsafe { libc::poll(polled.as_mut_ptr(), count, millis) } {
        0 => Ok(Waited::TimedOut),
        1.. => Ok(Waited::Ready),
        _ => match io::Error::last_os_error() {
            e if e.kind() == io::ErrorKind::Interrupted => Ok(Waited::Interrupted),
            e => Err(e),
        },
    }
}

/// Number and name of every interface of the calling thread's network namespace.
pub(crate) fn interface_names() -> io::Result<Vec<(u32, String)>> {
    // SAFETY: no memory is passed; the result is a list of ours until it is freed below.
    let list = unsafe { libc::if_nameindex() };
    if list.is_null() {
        return Err(io::Error::last_os_error());
    }
    let mut found = Vec::new();
    let mut entry = list;
    // SAFETY: the list ends with an entry of number 0; before it, each entry holds a NUL-terminated name. It is freed once,
    // after the last read.
    unsafe {
        while (*entry).if_index != 0 {
            found.push(((*entry).if_index, CStr::from_ptr((*entry).if_name).to_string_lossy().into_owned()));
            entry = entry.add(1);
        }
        libc::if_freenameindex(list);
    }
    Ok(found)
}

/// ARPHRD type and IFF flags of an interface, asked through any socket.
pub(crate) fn interface_state(fd: BorrowedFd<'_>, name: &str) -> io::Result<(u16, u16)> {
    let mut request = interface_request(name)?;
    // SAFETY: both requests read the name and write into the union of this `ifreq`, and leave the member read after them valid.
    unsafe {
        checked(libc::ioctl(fd.as_raw_fd(), libc::SIOCGIFHWADDR, &raw mut request))?;
        let arphrd = request.ifr_ifru.ifru_hwaddr.sa_family;
        checked(libc::ioctl(fd.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request))?;
        Ok((arphrd, u16::from_ne_bytes(request.ifr_ifru.ifru_flags.to_ne_bytes())))
    }
}

fn interface_request(name: &str) -> io::Result<libc::ifreq> {
    let name = CString::new(name)?;
    // SAFETY: `ifreq` is made of integers; zero is a value of each.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    let bytes = name.as_bytes_with_nul();
    if bytes.len() > request.ifr_name.len() {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(bytes) {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    Ok(request)
}

/// Asks an interface to also take frames for other stations, for as long as `fd` lives.
pub(crate) fn join_promiscuous(fd: BorrowedFd<'_>, ifindex: u32) -> io::Result<()> {
    // SAFETY: `packet_mreq` is made of integers; zero is a value of each.
    let mut request: libc::packet_mreq = unsafe { mem::zeroed() };
    request.mr_ifindex = c_int::try_from(ifindex).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    request.mr_type = u16::try_from(libc::PACKET_MR_PROMISC).expect("1");
    set_option(fd, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &request)
}

/// Lifts the limit on locked memory, which kernels before 5.11 charge BPF maps to. Without the right to it nothing changes.
pub(crate) fn lift_memory_lock_limit() {
    let limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the kernel reads one `rlimit`. A refusal shows when a map is made, with a better error than this call has.
    unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) };
}

/// The pending error of a socket, read once: it is gone afterwards.
pub(crate) fn take_error(fd: &OwnedFd) -> io::Result<u32> {
    option_words::<1>(fd.as_fd(), libc::SOL_SOCKET, libc::SO_ERROR).map(|[number]| number)
}

fn checked(result: c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
