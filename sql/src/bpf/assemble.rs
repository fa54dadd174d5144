//! A graph into instructions, from the last to the first: every jump goes forward, so its target is placed already.
//!
//! A conditional jump reaches 255 instructions. One that must go farther jumps to an unconditional jump,
//! put behind it or shared with others.

use std::collections::HashMap;

use super::MAX_INSTRUCTIONS;
use super::cond::Jump;
use super::error::BpfError;
use super::graph::{ACCEPT, Graph, NodeId, REJECT};
use super::insn::{Insn, JA, LD_IMM, RET, ST};

/// What an accepting program returns: the bytes of a packet to keep, as libpcap asks by default.
pub(super) const ACCEPT_BYTES: u32 = 262_144;

/// Lays the graph out; `words` scratch words are set to zero first, since the kernel refuses to read an unset one.
pub(super) fn assemble(graph: &Graph, words: u32) -> Result<Vec<Insn>, BpfError> {
    let mut layout = Layout { reversed: Vec::new(), places: vec![0; graph.end()], relays: HashMap::new() };
    let reachable = graph.reachable();
    for id in 0..graph.end() {
        if reachable.get(id) != Some(&true) {
            continue;
        }
        match graph.node(id) {
            Some(node) => layout.node(&node.code, node.jump, node.yes, node.no),
            None if id == ACCEPT => layout.reversed.push(Insn::new(RET, ACCEPT_BYTES)),
            None => layout.reversed.push(Insn::new(RET, 0)),
        }
        layout.mark(id);
        if layout.reversed.len() > MAX_INSTRUCTIONS {
            return Err(BpfError::new(0, format!("the filter needs more than {MAX_INSTRUCTIONS} instructions")));
        }
    }
    if graph.root == ACCEPT || graph.root == REJECT {
        layout.jump(graph.root);
    }
    layout.reversed.extend(graph.prelude.iter().rev());
    if words > 0 {
        layout.reversed.extend((0..words).map(|word| Insn::new(ST, word)));
        layout.reversed.push(Insn::new(LD_IMM, 0));
    }
    layout.reversed.reverse();
    Ok(layout.reversed)
}

struct Layout {
    reversed: Vec<Insn>,
    /// Instructions from a node's first to the program's end, inclusive.
    places: Vec<usize>,
    /// The latest jump to a node that branches may share, measured alike.
    relays: HashMap<NodeId, usize>,
}

impl Layout {
    fn mark(&mut self, id: NodeId) {
        if let Some(place) = self.places.get_mut(id) {
            *place = self.reversed.len();
        }
    }

    /// Instructions between what is put next and a node.
    fn distance(&self, id: NodeId) -> usize {
        self.reversed.len().saturating_sub(self.places.get(id).copied().unwrap_or(0))
    }

    /// Goes on at a node, by a jump unless it comes next anyway.
    fn jump(&mut self, id: NodeId) {
        let distance = self.distance(id);
        if distance > 0 {
            self.reversed.push(Insn::new(JA, u32::try_from(distance).unwrap_or(u32::MAX)));
        }
    }

    fn node(&mut self, code: &[Insn], jump: Jump, yes: NodeId, no: NodeId) {
        match jump.insn() {
            Some(insn) if yes != no => self.branch(insn, yes, no),
            _ => self.jump(yes),
        }
        self.reversed.extend(code.iter().rev());
    }

    fn branch(&mut self, mut insn: Insn, yes: NodeId, no: NodeId) {
        // Each jump put behind the branch makes the way to everything else longer by one.
        let no = self.within_reach(no, 2);
        let yes = self.within_reach(yes, 1);
        let skip = |place: usize, length: usize| u8::try_from(length.saturating_sub(place)).unwrap_or(u8::MAX);
        insn.jt = skip(yes, self.reversed.len());
        insn.jf = skip(no, self.reversed.len());
        self.reversed.push(insn);
    }

    /// A place that leads to a node and is no farther than a branch reaches, once `more` instructions stand between: the
    /// node's own, an earlier jump to it, or a new one.
    fn within_reach(&mut self, id: NodeId, more: usize) -> usize {
        let near = |place: &usize| self.reversed.len() - *place + more <= usize::from(u8::MAX);
        let own = self.places.get(id).copied().unwrap_or(0);
        if let Some(place) = Some(own).filter(near).or_else(|| self.relays.get(&id).copied().filter(near)) {
            return place;
        }
        let distance = u32::try_from(self.distance(id)).unwrap_or(u32::MAX);
        self.reversed.push(Insn::new(JA, distance));
        self.relays.insert(id, self.reversed.len());
        self.reversed.len()
    }
}
