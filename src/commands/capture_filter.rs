//! A capture filter in tcpdump's language: for the kernel where it runs filters, else frame by frame before the log.

use wiretape_ebpf::FilterInsn;
use wiretape_sql::bpf::{self, Expr, Program};

use crate::Failure;

/// Link type of Ethernet: what most interfaces give, and what a filter is checked against before anything is captured.
const ETHERNET: u16 = 1;

/// A parsed filter, and its programs by link type.
pub(super) struct CaptureFilter {
    expr: Expr,
    /// None where the filter has no meaning on that link type: then it lets nothing through, as with libpcap.
    programs: Vec<(u16, Option<Program>)>,
}

impl CaptureFilter {
    /// Parses `text`; a mistake is shown with its place.
    pub(super) fn parse(text: &str) -> Result<CaptureFilter, Failure> {
        let expr = bpf::parse(text).map_err(|e| failure(&e, text))?;
        bpf::compile(&expr, ETHERNET).map_err(|e| failure(&e, text))?;
        Ok(CaptureFilter { expr, programs: Vec::new() })
    }

    /// As the kernel takes it on a packet socket of Ethernet frames; None if it is too long for the kernel.
    pub(super) fn for_socket(&self) -> Option<Vec<FilterInsn>> {
        let program = bpf::compile_for_socket(&self.expr, ETHERNET).ok()?;
        Some(program.iter().map(|i| FilterInsn { code: i.code, jt: i.jt, jf: i.jf, k: i.k }).collect())
    }

    /// Whether the filter lets a frame through.
    pub(super) fn matches(&mut self, link_type: u16, data: &[u8], orig_len: u32) -> bool {
        let at = match self.programs.iter().position(|(of, _)| *of == link_type) {
            Some(at) => at,
            None => {
                self.programs.push((link_type, bpf::compile(&self.expr, link_type).ok()));
                self.programs.len() - 1
            }
        };
        self.programs.get(at).and_then(|(_, program)| program.as_ref()).is_some_and(|p| p.matches(data, orig_len))
    }
}

fn failure(e: &bpf::BpfError, text: &str) -> Failure {
    let chars_before = text.get(..e.position).map_or(0, |before| before.chars().count());
    let error = Failure::new(e.message.clone()).at(text, chars_before + 1);
    match &e.hint {
        Some(hint) => error.hint(hint.clone()),
        None => error,
    }
}
