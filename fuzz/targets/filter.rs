//! Any text as a capture filter, compiled for any link type: what compiles is a program that the kernel would take, and runs
//! over any packet; and what the packet's columns say of the filter is never what its bytes deny.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 1 | link type |
//! | 1 | … | the filter, up to a zero byte |
//! | … | … | the packet |
#![no_main]

use libfuzzer_sys::fuzz_target;
use wiretape_fuzz::{
    bpf::{
        self, Insn,
        columns::{Row, bounds},
    },
    seeds,
};
use wiretape_ingest::{
    Frame,
    decode::{DecodeLimits, Decoder},
};

/// Scratch words of the machine.
const WORDS: u32 = 16;

fuzz_target!(init: seeds::write(seeds::filter), |data: &[u8]| {
    let Some((link_type, rest)) = data.split_first() else { return };
    let mut parts = rest.splitn(2, |byte| *byte == 0);
    let (text, packet) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let Ok(text) = std::str::from_utf8(text) else { return };
    let filter = match bpf::parse(text) {
        Ok(filter) => filter,
        Err(error) => {
            assert!(text.is_char_boundary(error.position), "{error:?}");
            assert!(!error.message.is_empty());
            return;
        }
    };
    if let Ok(program) = bpf::compile(&filter, u16::from(*link_type)) {
        check(program.instructions());
        let passes = program.matches(packet, packet.len() as u32);
        assert_eq!(passes, program.matches(packet, packet.len() as u32));
        check_columns(&filter, u16::from(*link_type), packet, passes);
    }
    if let Ok(instructions) = bpf::compile_for_socket(&filter, u16::from(*link_type)) {
        check(&instructions);
        assert!(instructions.len() <= bpf::KERNEL_MAX_INSTRUCTIONS);
    }
});

/// Where `must` holds of a packet's columns the filter passes it, and where `may` does not it does not.
fn check_columns(filter: &bpf::Expr, link_type: u16, data: &[u8], passes: bool) {
    let mut decoder = Decoder::new(DecodeLimits::default());
    let orig_len = data.len() as u32;
    let decoded = decoder.decode(&Frame { ts_ns: 0, interface: 0, link_type, orig_len, data, direction: None });
    let mut layers = String::new();
    let layers = decoded.layers.names(&mut layers);
    let row = Row {
        layers: Some(layers).filter(|layers| !layers.is_empty()),
        src_ip: decoded.ip.map(|ip| ip.src),
        dst_ip: decoded.ip.map(|ip| ip.dst),
        src_mac: decoded.src_mac,
        dst_mac: decoded.dst_mac,
        ip_proto: decoded.ip.map(|ip| ip.proto),
        src_port: decoded.src_port,
        dst_port: decoded.dst_port,
        tcp_flags: decoded.tcp.map(|tcp| tcp.flags),
        icmp_type: decoded.icmp.map(|icmp| icmp.kind),
        icmp_code: decoded.icmp.map(|icmp| icmp.code),
        orig_len,
    };
    let bounds = bounds(filter);
    assert!(!bounds.must.holds(&row) || passes, "{filter:?} does not pass {row:?}");
    assert!(bounds.may.holds(&row) || !passes, "{filter:?} passes {row:?}");
}

/// What the kernel asks of a program before it takes it: jumps stay within it, scratch words are there, nothing is divided by
/// a constant zero, and the last instruction returns.
fn check(program: &[Insn]) {
    assert!(program.last().is_some_and(|last| last.code & 7 == 6));
    for (at, insn) in program.iter().enumerate() {
        let furthest = match insn.code {
            0x05 => insn.k as usize,
            code if code & 7 == 5 => usize::from(insn.jt.max(insn.jf)),
            _ => 0,
        };
        assert!(at + furthest < program.len() - usize::from(insn.code & 7 == 5), "{at}: {insn:?}");
        match insn.code {
            0x60 | 0x61 | 0x02 | 0x03 => assert!(insn.k < WORDS, "{at}: {insn:?}"),
            0x34 | 0x94 => assert!(insn.k != 0, "{at}: {insn:?}"),
            0x64 | 0x74 => assert!(insn.k < 32, "{at}: {insn:?}"),
            _ => {}
        }
    }
}
