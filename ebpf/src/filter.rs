//! Classic BPF for packet sockets: the caller's filter, behind one that shows loopback frames once.
//!
//! The kernel's extensions are loads from offsets below zero (`SKF_AD_OFF`): the frame's kind and its interface. This module does
//! not check the caller's program beyond its length; the kernel does when it is attached.

use crate::config::FilterInsn;

/// Most instructions the kernel takes (`BPF_MAXINSNS`).
pub(crate) const MAX_INSTRUCTIONS: usize = 4096;
/// `PACKET_OUTGOING`: a copy of a frame this machine sends.
pub(crate) const PACKET_OUTGOING: u8 = 4;

const LOAD_WORD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const LOAD_NUMBER: u16 = 0x00; // BPF_LD | BPF_IMM
const JUMP_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K
const AD_PKTTYPE: u32 = 0xffff_f004; // SKF_AD_OFF + SKF_AD_PKTTYPE
const AD_IFINDEX: u32 = 0xffff_f008; // SKF_AD_OFF + SKF_AD_IFINDEX

const fn insn(code: u16, jt: u8, jf: u8, k: u32) -> FilterInsn {
    FilterInsn { code, jt, jf, k }
}

/// Takes no frame.
pub(crate) const NOTHING: [FilterInsn; 1] = [insn(RETURN, 0, 0, 0)];

/// Where outgoing copies are left out, since the same frame comes back in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Once {
    /// Nowhere: the socket's interface is no loopback.
    Nowhere,
    /// Everywhere: the socket's one interface is the loopback.
    Everywhere,
    /// On this interface, of a socket for all of them.
    On(u32),
}

/// The program of a capturing socket.
pub(crate) fn program(once: Once, snaplen: u32, filter: Option<&[FilterInsn]>) -> Vec<FilterInsn> {
    let mut code = once_part(once);
    match filter {
        None => code.push(insn(RETURN, 0, 0, snaplen)),
        // What a filter returns is how much to keep of the frame.
        Some(filter) => code.extend(filter.iter().map(|i| match i.code {
            RETURN => FilterInsn { k: i.k.min(snaplen), ..*i },
            _ => *i,
        })),
    }
    code
}

/// The program of a socket that only counts what [`program`] sees before the caller's filter.
pub(crate) fn census(once: Once) -> Vec<FilterInsn> {
    program(once, 1, None)
}

fn once_part(once: Once) -> Vec<FilterInsn> {
    let mut code = match once {
        Once::Nowhere => return Vec::new(),
        Once::Everywhere => Vec::new(),
        Once::On(ifindex) => vec![insn(LOAD_WORD, 0, 0, AD_IFINDEX), insn(JUMP_EQUAL, 0, 3, ifindex)],
    };
    code.extend([
        insn(LOAD_WORD, 0, 0, AD_PKTTYPE),
        insn(JUMP_EQUAL, 0, 1, u32::from(PACKET_OUTGOING)),
        insn(RETURN, 0, 0, 0),
        // A filter may count on the accumulator being zero at its start.
        insn(LOAD_NUMBER, 0, 0, 0),
    ]);
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the few operations these programs use: the accumulator, one comparison, a return.
    fn run(code: &[FilterInsn], ifindex: u32, kind: u32) -> u32 {
        let (mut at, mut accumulator) = (0, 7);
        loop {
            let i = code[at];
            at += 1;
            match (i.code, i.k) {
                (LOAD_WORD, AD_IFINDEX) => accumulator = ifindex,
                (LOAD_WORD, AD_PKTTYPE) => accumulator = kind,
                (LOAD_NUMBER, k) => accumulator = k,
                (JUMP_EQUAL, k) => at += usize::from(if accumulator == k { i.jt } else { i.jf }),
                (RETURN, k) => return k,
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn outgoing_copies_are_left_out_of_the_loopback_alone() {
        for (once, ifindex, kind, kept) in [
            (Once::Nowhere, 1, 4, 96),
            (Once::Everywhere, 1, 4, 0),
            (Once::Everywhere, 1, 0, 96),
            (Once::On(1), 1, 4, 0),
            (Once::On(1), 1, 0, 96),
            (Once::On(1), 2, 4, 96),
        ] {
            assert_eq!(run(&program(once, 96, None), ifindex, kind), kept, "{once:?} {ifindex} {kind}");
        }
    }

    #[test]
    fn a_filter_keeps_no_more_than_the_snap_length() {
        let all = [insn(RETURN, 0, 0, 262_144)];
        assert_eq!(run(&program(Once::On(1), 96, Some(&all)), 2, 0), 96);
        let none = [insn(RETURN, 0, 0, 0)];
        assert_eq!(run(&program(Once::Everywhere, 96, Some(&none)), 1, 0), 0);
    }
}
