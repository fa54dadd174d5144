//! The kernel program on an interface's TCX or clsact hooks.
//!
//! ```text
//!             ingress: first in line ─► wiretape_in  ─┐
//!  interface                                          ├─► ring ─► drain
//!             egress: last in line ──► wiretape_out ──┘
//! ```
//!
//! First in and last out is where the bytes are those of the wire: before another program redirects a frame, after others have
//! changed it. The loopback gets the ingress program alone, or every frame would be there twice.
//!
//! TCX links end with the process. A clsact filter stays when the process is killed, and goes on costing time for nobody; so the
//! next capture on that interface removes filters of our name first. It may do so because a living clsact capture holds a lock,
//! an abstract socket address, per network namespace and interface, that the kernel frees with the process.
#![expect(unsafe_code, reason = "one promise about the layout of a map's values")]

use std::{
    collections::BTreeMap,
    error::Error,
    os::{
        fd::{AsFd, BorrowedFd},
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
};

use aya::{
    Ebpf, EbpfLoader,
    maps::{MapData, PerCpuHashMap, PerCpuValues, RingBuf},
    programs::{
        LinkOrder, SchedClassifier, TcAttachType,
        tc::{self, NlOptions, SchedClassifierLink, TcAttachOptions},
    },
};

use crate::{
    CaptureError,
    config::{CaptureConfig, Method},
    event::{self, EGRESS, FLAG_VLAN, INGRESS, KIND_FRAME},
    interfaces::{LINKTYPE_ETHERNET, NetInterface},
    live::Direction,
    ring::{self, ADDRESSES, TAG},
    syscalls,
    table::{Delivery, KernelCounts, Raw},
};

/// The committed kernel program; `dev/build-ebpf` makes it.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../prebuilt/probe.bpf.o");

/// The reader is woken each time another of so many parts of the ring waits: seldom, since a wake-up costs more than a copy, and
/// with most of the ring still free.
const WAKE_PARTS: u32 = 32;
/// Smallest ring: one page would not hold a super-packet's record.
const MIN_RING_BYTES: u32 = 64 << 10;
/// Largest ring, so that rounding up to a power of two cannot overflow.
const MAX_RING_BYTES: u32 = 1 << 30;
/// Bytes of verifier output worth showing.
const MAX_REASON: usize = 400;

// SAFETY: `#[repr(C)]`, integers only, no padding (8 bytes, then eight 64-bit counters): every bit pattern is a value.
unsafe impl aya::Pod for event::Interface {}

/// Which hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    Tcx,
    Clsact,
}

/// The loaded program, its ring, and where it is attached.
pub(crate) struct TcPath {
    hook: Hook,
    ebpf: Ebpf,
    ring: RingBuf<MapData>,
    interfaces: PerCpuHashMap<MapData, u32, event::Interface>,
    attached: BTreeMap<u32, Attached>,
    /// Where a frame with a VLAN tag is put together.
    tagged: Vec<u8>,
}

/// An interface the program is on. Dropping it detaches.
struct Attached {
    _links: Vec<SchedClassifierLink>,
    _lock: Option<UnixDatagram>,
}

impl TcPath {
    /// Loads the committed program. The error says what the kernel refused.
    pub(crate) fn load(config: &CaptureConfig, hook: Hook) -> Result<Self, String> {
        Self::load_object(OBJECT, config, hook)
    }

    /// Loads a program of the same interface.
    pub(crate) fn load_object(object: &[u8], config: &CaptureConfig, hook: Hook) -> Result<Self, String> {
        if cfg!(target_endian = "big") {
            return Err("the kernel program is built for little-endian machines only".to_owned());
        }
        syscalls::lift_memory_lock_limit();
        let ring_bytes = config.ring_bytes.clamp(MIN_RING_BYTES, MAX_RING_BYTES).next_power_of_two();
        let wake = u64::from(ring_bytes / WAKE_PARTS);
        let mut loader = EbpfLoader::new();
        loader
            .override_global("SNAPLEN", &config.snaplen, true)
            .override_global("WAKE_BYTES", &wake, true)
            .map_max_entries("EVENTS", ring_bytes);
        let mut ebpf = loader.load(object).map_err(|e| reason(&e))?;
        for name in ["wiretape_in", "wiretape_out"] {
            program(&mut ebpf, name)?.load().map_err(|e| reason(&e))?;
        }
        let mut map = |name: &str| ebpf.take_map(name).ok_or(format!("the kernel program has no map {name}"));
        let ring = RingBuf::try_from(map("EVENTS")?).map_err(|e| reason(&e))?;
        let interfaces = PerCpuHashMap::try_from(map("INTERFACES")?).map_err(|e| reason(&e))?;
        Ok(Self { hook, ebpf, ring, interfaces, attached: BTreeMap::new(), tagged: Vec::new() })
    }

    /// Puts the program on an interface. `number` is what its frames will carry.
    pub(crate) fn attach(&mut self, number: u32, link_type: u16, interface: &NetInterface) -> Result<(), String> {
        let lock = match self.hook {
            Hook::Tcx => None,
            Hook::Clsact => Some(prepare_clsact(interface)?),
        };
        let cpus = aya::util::nr_cpus().map_err(|(what, e)| format!("{what}: {e}"))?;
        let entry = event::Interface { number, link_type, ..event::Interface::default() };
        let values = PerCpuValues::try_from(vec![entry; cpus]).map_err(|e| e.to_string())?;
        self.interfaces.insert(interface.ifindex, values, 0).map_err(|e| reason(&e))?;
        match self.link(interface) {
            Ok(links) => {
                self.attached.insert(interface.ifindex, Attached { _links: links, _lock: lock });
                Ok(())
            }
            Err(why) => {
                // Nothing was attached, so nothing was counted; an entry that stays would only take room.
                self.interfaces.remove(&interface.ifindex).map_err(|e| reason(&e))?;
                Err(why)
            }
        }
    }

    fn link(&mut self, interface: &NetInterface) -> Result<Vec<SchedClassifierLink>, String> {
        let directions: &[_] = if interface.loopback {
            &[("wiretape_in", TcAttachType::Ingress)]
        } else {
            &[("wiretape_in", TcAttachType::Ingress), ("wiretape_out", TcAttachType::Egress)]
        };
        let mut links = Vec::with_capacity(directions.len());
        for &(name, direction) in directions {
            let options = match (self.hook, direction) {
                (Hook::Clsact, _) => TcAttachOptions::Netlink(NlOptions::default()),
                (Hook::Tcx, TcAttachType::Ingress) => TcAttachOptions::TcxOrder(LinkOrder::first()),
                (Hook::Tcx, _) => TcAttachOptions::TcxOrder(LinkOrder::last()),
            };
            let program = program(&mut self.ebpf, name)?;
            let link = program
                .attach_with_options(&interface.name, direction, options)
                .and_then(|id| program.take_link(id))
                .map_err(|e| reason(&e))?;
            links.push(link);
        }
        Ok(links)
    }

    /// Takes the program off an interface. When this returns, no further frame of it enters the ring.
    pub(crate) fn detach(&mut self, ifindex: u32) {
        self.attached.remove(&ifindex);
    }

    /// Counts of an interface, over all processors.
    pub(crate) fn counts(&self, ifindex: u32) -> KernelCounts {
        let mut sum = KernelCounts::default();
        let Ok(values) = self.interfaces.get(&ifindex, 0) else { return sum };
        for counters in values.iter().flat_map(|per_cpu| per_cpu.counters) {
            sum.add(KernelCounts {
                seen: counters.seen,
                ring_full: counters.ring_full,
                copy_errors: counters.copy_errors,
                filtered: None,
            });
        }
        sum
    }

    /// Forgets the counts of an interface the program is off. An absent entry is as good as a removed one.
    pub(crate) fn forget(&mut self, ifindex: u32) {
        let _absent = self.interfaces.remove(&ifindex);
    }

    /// Hands on up to `limit` frames that wait in the ring.
    pub(crate) fn drain(&mut self, limit: usize, delivery: &mut Delivery<'_>) -> Result<usize, CaptureError> {
        for taken in 0..limit {
            let Some(item) = self.ring.next() else { return Ok(taken) };
            let (header, bytes) = ring::record(&item)?;
            if header.kind != KIND_FRAME {
                return Err(CaptureError::Ring("a kind of event nobody asked for"));
            }
            let tagged = header.flags & FLAG_VLAN != 0 && header.link_type == LINKTYPE_ETHERNET;
            let (data, extra) = if tagged && bytes.len() >= ADDRESSES {
                (ring::with_tag(bytes, header.vlan_tpid, header.vlan_tci, &mut self.tagged), TAG)
            } else {
                (bytes, 0)
            };
            let raw = Raw {
                ts_ns: delivery.clock.stamp_of_boot(header.boot_ns),
                orig_len: header.len.saturating_add(u32::try_from(extra).unwrap_or(0)),
                direction: if header.direction == EGRESS { Direction::Out } else { Direction::In },
                data,
            };
            delivery.frame(header.interface, raw);
        }
        Ok(limit)
    }

    /// Readable when enough waits in the ring.
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}

/// Loads another build of the kernel program into this kernel and lets it go again; what `dev/build-ebpf --check` asks.
///
/// # Errors
/// [`CaptureError::Method`] with what the kernel or the loader refused.
pub fn check_object(object: &[u8]) -> Result<(), CaptureError> {
    TcPath::load_object(object, &CaptureConfig::default(), Hook::Tcx)
        .map(drop)
        .map_err(|reason| CaptureError::Method { method: Method::Tcx, reason })
}

fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut SchedClassifier, String> {
    let program = ebpf.program_mut(name).ok_or(format!("the kernel program has no {name}"))?;
    program.try_into().map_err(|e: aya::programs::ProgramError| reason(&e))
}

/// Adds the queueing discipline, takes the interface's lock and removes filters a dead capture left.
fn prepare_clsact(interface: &NetInterface) -> Result<UnixDatagram, String> {
    let address =
        SocketAddr::from_abstract_name(format!("wiretape-clsact-{}", interface.ifindex)).map_err(|e| e.to_string())?;
    let lock = UnixDatagram::bind_addr(&address)
        .map_err(|e| format!("another capture holds the clsact hooks of {}: {e}", interface.name))?;
    match tc::qdisc_add_clsact(&interface.name) {
        Ok(()) => {}
        // It is there already, ours or another's: both serve.
        Err(e) if errno(&e) == Some(libc::EEXIST) => {}
        Err(e) => return Err(format!("adding the clsact queueing discipline: {}", reason(&e))),
    }
    for (name, direction) in [("wiretape_in", TcAttachType::Ingress), ("wiretape_out", TcAttachType::Egress)] {
        match tc::qdisc_detach_program(&interface.name, direction, name) {
            Ok(()) => {}
            Err(tc::TcError::IoError(e)) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(format!("removing what a killed capture left: {}", reason(&e))),
        }
    }
    Ok(lock)
}

/// Number of the system error at the root of `error`, if there is one.
fn errno(error: &(dyn Error + 'static)) -> Option<i32> {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(number) = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::raw_os_error) {
            return Some(number);
        }
        at = error.source();
    }
    None
}

/// An error of the loader in one line, with what the commonest ones mean.
fn reason(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    let mut at = Some(error);
    while let Some(error) = at {
        let part = error.to_string();
        if !text.contains(&part) {
            text = if text.is_empty() { part } else { format!("{text}: {part}") };
        }
        at = error.source();
    }
    // The verifier says what it minds at the end of a long log.
    let (head, tail) =
        (text.floor_char_boundary(MAX_REASON / 2), text.ceil_char_boundary(text.len().saturating_sub(MAX_REASON / 2)));
    if head < tail {
        text.replace_range(head..tail, " … ");
    }
    match errno(error) {
        Some(libc::EPERM) => text + " (needs CAP_BPF and CAP_NET_ADMIN)",
        Some(libc::EINVAL | libc::EOPNOTSUPP) => text + " (this kernel does not know it)",
        _ => text,
    }
}

const _: () = assert!(INGRESS == 0 && EGRESS == 1, "they index the counters");
