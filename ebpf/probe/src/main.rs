//! Wiretape's kernel program: two classifiers, one per direction, that copy every frame of an interface into a ring.
//!
//! ```text
//!  interface ─► wiretape_in  ─┐   INTERFACES (per CPU): number, link type, counters
//!               wiretape_out ─┴─► EVENTS (ring): Header + bytes ─► user space
//! ```
//!
//! The one fact to know: it never decides anything. Both classifiers answer "unspecified", so the kernel treats the frame as if
//! no program were there, and a frame that does not fit the ring is counted as lost and goes its way. It reads no packet
//! contents; link type and interface number come from user space.
#![no_std]
#![no_main]

#[expect(dead_code, reason = "user space reads more of it than this side writes")]
mod event;

use core::ptr::{addr_of, addr_of_mut, read_volatile};

use aya_ebpf::{
    bindings::__sk_buff,
    helpers::generated::{bpf_ktime_get_boot_ns, bpf_skb_load_bytes},
    macros::{classifier, map},
    maps::{PerCpuHashMap, RingBuf},
    programs::TcContext,
};

use crate::event::{Counters, EGRESS, FLAG_VLAN, Header, INGRESS, Interface, KIND_FRAME, MAX_INTERFACES, VERSION};

/// Let the next program and the stack go on: TCX_NEXT, and TC_ACT_UNSPEC of clsact.
const NEXT: i32 = -1;
/// `bpf_ringbuf_submit` flags.
const NO_WAKEUP: u64 = 1;
const FORCE_WAKEUP: u64 = 2;
/// `bpf_ringbuf_query` flag: bytes not yet read.
const AVAILABLE: u64 = 0;

/// Most bytes of a frame to copy. Set by user space before the program is loaded.
#[unsafe(no_mangle)]
static SNAPLEN: u32 = event::MAX_CAPLEN;
/// The reader is woken each time so many more bytes wait, a power of two. A wake-up costs more than a copy, so a frame alone does
/// not cause one; a reader that is awake already is left in peace until as many wait again.
#[unsafe(no_mangle)]
static WAKE_BYTES: u64 = 1 << 20;

#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(32 << 20, 0);
#[map]
static INTERFACES: PerCpuHashMap<u32, Interface> = PerCpuHashMap::with_max_entries(MAX_INTERFACES, 0);

/// A record of one size class. The kernel reserves sizes it knows at load time only, hence classes.
#[repr(C)]
struct Record<const N: usize> {
    header: Header,
    data: [u8; N],
}

/// What became of a frame.
const COPIED: u32 = 0;
const RING_FULL: u32 = 1;
const REFUSED: u32 = 2;

/// Copies `header.caplen` bytes, at most `N`, behind the header into the ring.
#[inline(always)]
fn emit<const N: usize>(skb: *mut __sk_buff, header: &Header) -> u32 {
    let Some(mut entry) = EVENTS.reserve::<Record<N>>(0) else { return RING_FULL };
    let record = entry.as_mut_ptr();
    // SAFETY: `record` points at N + 40 bytes of the ring that are ours until submit or discard; no reference to the
    // uninitialised bytes is made. The verifier checks the same again.
    let copied = unsafe {
        addr_of_mut!((*record).header).write(*header);
        // Hidden from the optimiser: it knows the bound from the choice of the class and would drop the check the verifier needs.
        let caplen = core::hint::black_box(header.caplen);
        caplen != 0
            && caplen <= N as u32
            && bpf_skb_load_bytes(skb.cast(), 0, addr_of_mut!((*record).data).cast(), caplen) == 0
    };
    if !copied {
        entry.discard(NO_WAKEUP);
        return REFUSED;
    }
    // SAFETY: reads a global of ours; volatile because user space sets it in the loaded object.
    let step = unsafe { read_volatile(addr_of!(WAKE_BYTES)) };
    let after = EVENTS.query(AVAILABLE);
    let before = after.wrapping_sub(size_of::<Record<N>>() as u64);
    // The bits from the step upwards change where a multiple of it is passed. Two processors may hide one such passage from each
    // other; the next one is seen, and the reader looks by itself every few milliseconds.
    entry.submit(if (after ^ before) >= step { FORCE_WAKEUP } else { NO_WAKEUP });
    COPIED
}

/// The smallest class that holds the frame. A class too many costs a few hundred instructions, a class too few costs ring space.
#[inline(always)]
fn emit_in_class(skb: *mut __sk_buff, header: &Header) -> u32 {
    match header.caplen {
        ..=128 => emit::<128>(skb, header),
        ..=256 => emit::<256>(skb, header),
        ..=512 => emit::<512>(skb, header),
        ..=1024 => emit::<1024>(skb, header),
        ..=1536 => emit::<1536>(skb, header),
        ..=4096 => emit::<4096>(skb, header),
        ..=9216 => emit::<9216>(skb, header),
        ..=17_408 => emit::<17_408>(skb, header),
        ..=33_792 => emit::<33_792>(skb, header),
        ..=65_568 => emit::<65_568>(skb, header),
        _ => emit::<262_144>(skb, header),
    }
}

#[inline(always)]
fn capture<const DIRECTION: u8>(ctx: &TcContext) -> i32 {
    // SAFETY: the context is the kernel's for the length of this call; the verifier rewrites and checks each field access. The
    // table's entry belongs to this CPU, which runs one classifier at a time.
    unsafe {
        let skb = ctx.skb.skb;
        let ifindex = (*skb).ifindex;
        // User space enters an interface before it attaches the program there, so there is no frame without an entry.
        let Some(interface) = INTERFACES.get_ptr_mut(&ifindex) else { return NEXT };
        let counters: *mut Counters = addr_of_mut!((*interface).counters[DIRECTION as usize]);
        (*counters).seen += 1;

        let len = (*skb).len;
        let tagged = (*skb).vlan_present != 0;
        let snaplen = read_volatile(addr_of!(SNAPLEN));
        let header = Header {
            kind: KIND_FRAME,
            version: VERSION,
            direction: DIRECTION,
            flags: if tagged { FLAG_VLAN } else { 0 },
            vlan_tpid: u16::from_be((*skb).vlan_proto as u16),
            vlan_tci: (*skb).vlan_tci as u16,
            boot_ns: bpf_ktime_get_boot_ns(),
            interface: (*interface).number,
            ifindex,
            len,
            caplen: if len < snaplen { len } else { snaplen },
            link_type: (*interface).link_type,
            reserved: [0; 3],
        };
        // Added without a branch: with one, LLVM chooses the counter's address at run time, which the verifier allows only to
        // loaders with CAP_PERFMON.
        let outcome = emit_in_class(skb, &header);
        (*counters).bytes += if outcome == COPIED { u64::from(header.caplen) } else { 0 };
        (*counters).ring_full += u64::from(outcome == RING_FULL);
        (*counters).copy_errors += u64::from(outcome == REFUSED);
    }
    NEXT
}

/// Frames that come from the interface.
#[classifier]
pub fn wiretape_in(ctx: TcContext) -> i32 {
    capture::<INGRESS>(&ctx)
}

/// Frames handed to the interface.
#[classifier]
pub fn wiretape_out(ctx: TcContext) -> i32 {
    capture::<EGRESS>(&ctx)
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}

/// The kernel lends some helpers to programs that name a licence it knows.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
