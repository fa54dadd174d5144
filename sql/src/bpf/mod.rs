//! The packet filter language of `pcap-filter(7)`, compiled to classic BPF: the filters of tcpdump, with the same answers.
//!
//! ```text
//!  text ─parser─► Expr ─lower, for a link type─► Cond ─graph, optimise─► Graph ─assemble─► Program
//!                 what is asked                  which bytes decide      how to go on      for the kernel, or matches()
//! ```
//!
//! [`parse`] infers qualifiers and resolves names; [`compile`] knows link types and offsets. The one fact to know: order
//! is meaning. `vlan` and its like move the offsets of all that follows, and a packet too short for a check is refused
//! there, so nothing may be reordered.
//!
//! The same answer as libpcap 1.10 reading a file, with these exceptions:
//! - refused: host names, `protochain` (it needs a loop), DECnet addresses, `byte` with `&` or `|` (libpcap forgets to load
//!   the byte), services not in the table of `names`, other link layers (IEEE 802.11, ATM, SS7, PF logs);
//! - accepted: a filter that can select nothing, and a divisor or shift that begins with a bad constant (`len / ip[0]`);
//! - a packet cut within its headers may be refused where libpcap's optimiser drops the load that would refuse it, and the
//!   other way round; the optimiser here follows libpcap's closely, not exactly;
//! - after `geneve or` libpcap reads scratch words that were never set; here they are 0;
//! - NULL's address family is taken as written by a little-endian host.
//!
//! It knows nothing of the rest of this crate.
//!
//! ```
//! # use wiretape_sql::bpf;
//! let filter = bpf::compile(&bpf::parse("ip and len > 60")?, 1)?;
//! let frame = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0x08, 0x00];
//! assert!(filter.matches(&frame, 1500));
//! # Ok::<(), bpf::BpfError>(())
//! ```

mod assemble;
mod ast;
pub mod columns;
mod cond;
mod encapsulation;
mod endpoint;
mod error;
mod ethertype;
mod fold;
mod graph;
mod index;
mod insn;
mod layers;
mod lexer;
mod link;
mod lower;
mod names;
mod optimise;
mod parser;
mod primitive;
mod program;
mod protocol;
mod qualifier;
mod sum;
#[cfg(test)]
mod tests;
mod words;

pub use ast::{
    Arithmetic, Cast, Comparison, Direction, Expr, Join, Layer, Llc, Operator, Protocol, Size, Step, Test, Transport,
};
pub use error::BpfError;
pub use insn::Insn;
pub use parser::parse;
pub use program::{KERNEL_MAX_INSTRUCTIONS, Program, compile, compile_for_socket};

/// Longest filter text in bytes: room for thousands of hosts, and a bound on everything built from it.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;

/// Deepest nesting of parentheses, brackets and `not`: far beyond what people write, far within a thread's stack.
pub const MAX_DEPTH: usize = 128;

/// Most instructions of a program, over the kernel's 4096 for filters that run here only.
pub const MAX_INSTRUCTIONS: usize = 64 * 1024;
