//! Leaves out what is known already: a check whose answer an earlier one settled, a check that equals another, and a
//! load of what A holds.
//!
//! `host a or host b` asks twice whether the frame is IP; the second question is skipped on every path where the first
//! was asked. A check is skipped only behind the same load, so a packet too short for it is refused as before.

use std::collections::HashMap;

use super::cond::Jump;
use super::graph::{Graph, Node, NodeId};
use super::insn::{Insn, JEQ, LDX_IMM, LDX_MEM, LDX_MSH, TAX};

/// Facts carried along a path. The first are kept: they are the questions of the link and network header, which repeat.
const MAX_FACTS: usize = 32;

/// Rounds until nothing changes; a round rarely leaves work for a third.
const MAX_ROUNDS: usize = 4;

/// A load, by number.
type Key = usize;

/// An answered question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fact {
    key: Key,
    jump: Jump,
    answer: bool,
}

/// What holds whenever a place is reached.
#[derive(Debug, Clone, Default)]
struct Known {
    facts: Vec<Fact>,
    /// The load whose value is in A.
    a: Option<Key>,
    /// The offset whose header length is in X.
    x: Option<u32>,
}

impl Known {
    /// Keeps what also holds on another way to the same place.
    fn meet(&mut self, other: &Self) {
        self.facts.retain(|fact| other.facts.contains(fact));
        self.a = self.a.filter(|key| other.a == Some(*key));
        self.x = self.x.filter(|offset| other.x == Some(*offset));
    }

    fn answer(&self, key: Key, jump: Jump) -> Option<bool> {
        self.facts.iter().filter(|fact| fact.key == key).find_map(|fact| match fact.jump {
            same if same == jump => Some(fact.answer),
            // Of a larger constant nothing is concluded, because libpcap concludes nothing.
            Jump::Constant { code: JEQ, k } if fact.answer && jump.is_equality() => jump.outcome(k),
            _ => None,
        })
    }
}

/// Shortens a graph. Checks that run for what they store are kept if `stores` says that there are such.
pub(super) fn optimise(graph: &mut Graph, stores: bool) {
    for _ in 0..MAX_ROUNDS {
        let dropped = !stores && drop_undecided(graph);
        let threaded = thread(graph, false);
        if !dropped && !threaded {
            break;
        }
    }
    merge_equal(graph);
    drop_root(graph);
    resolve_constants(graph);
    merge_equal(graph);
    thread(graph, true);
}

/// Goes past checks, but the first, both of whose answers lead to the same place.
///
/// This is the one step that changes answers: a packet too short for such a check is no longer refused by it. libpcap's
/// optimiser does so; therefore this one does, and no more than that: checks of computed constants, which would make
/// others undecided, are resolved only afterwards.
fn drop_undecided(graph: &mut Graph) -> bool {
    redirect(graph, |node| (node.yes == node.no).then_some(node.yes))
}

fn resolve_constants(graph: &mut Graph) {
    redirect(graph, |node| node.constant().map(|answer| if answer { node.yes } else { node.no }));
}

/// Leads every way to the first of several checks that ask the same and go on alike: a list of ports is asked once, not
/// once for each transport.
fn merge_equal(graph: &mut Graph) {
    let mut first: HashMap<(Vec<Insn>, Jump, NodeId, NodeId), NodeId> = HashMap::new();
    let mut target: Vec<NodeId> = (0..graph.end()).collect();
    for id in 0..graph.end() {
        let resolve = |id: NodeId| target.get(id).copied().unwrap_or(id);
        let Some(node) = graph.node_mut(id) else { continue };
        (node.yes, node.no) = (resolve(node.yes), resolve(node.no));
        let same = *first.entry((node.code.clone(), node.jump, node.yes, node.no)).or_insert(id);
        if let Some(target) = target.get_mut(id) {
            *target = same;
        }
    }
    graph.root = target.get(graph.root).copied().unwrap_or(graph.root);
}

/// Leads every way to where `past` says that a node leads anyway. Whether any way changed.
fn redirect(graph: &mut Graph, past: impl Fn(&Node) -> Option<NodeId>) -> bool {
    let mut target: Vec<NodeId> = (0..graph.end()).collect();
    let mut changed = false;
    for id in 0..graph.end() {
        let resolve = |id: NodeId| target.get(id).copied().unwrap_or(id);
        let Some(node) = graph.node_mut(id) else { continue };
        let next = (resolve(node.yes), resolve(node.no));
        changed |= next != (node.yes, node.no);
        (node.yes, node.no) = next;
        if let (Some(next), Some(target)) = (past(node), target.get_mut(id)) {
            *target = next;
        }
    }
    changed
}

/// Goes past the first check if it decides nothing. Its loads are kept, as libpcap keeps them, unless nothing follows.
fn drop_root(graph: &mut Graph) {
    let first = graph.root;
    while let Some(node) = graph.node(graph.root) {
        let next = match node.constant() {
            Some(answer) => {
                if answer {
                    node.yes
                } else {
                    node.no
                }
            }
            None if node.yes == node.no => node.yes,
            None => break,
        };
        graph.root = next;
    }
    if graph.root != first
        && graph.node(graph.root).is_some()
        && let Some(node) = graph.node(first).filter(|node| node.constant().is_none())
    {
        graph.prelude = node.code.clone();
    }
}

/// Follows each way through the checks it has settled. In the last round, `strip`, also drops loads of what A holds.
fn thread(graph: &mut Graph, strip: bool) -> bool {
    let keys = keys(graph);
    let mut known: Vec<Option<Known>> = vec![None; graph.end()];
    if let Some(root) = known.get_mut(graph.root) {
        *root = Some(Known::default());
    }
    let mut changed = false;
    for id in (0..graph.end()).rev() {
        let Some(before) = known.get_mut(id).and_then(Option::take) else { continue };
        let Some(node) = graph.node(id) else { continue };
        let key = keys.get(id).copied().flatten();
        let after = Known { facts: before.facts.clone(), a: key, x: index_after(&node.code, before.x) };
        for answer in [true, false] {
            let Some(node) = graph.node(id) else { continue };
            if matches!(node.jump, Jump::Always) && !answer {
                continue;
            }
            let mut way = after.clone();
            if let Some(key) = key.filter(|_| way.facts.len() < MAX_FACTS) {
                way.facts.push(Fact { key, jump: node.jump, answer });
            }
            let old = if answer { node.yes } else { node.no };
            let new = follow(graph, &keys, &way, old);
            changed |= new != old;
            if let Some(node) = graph.node_mut(id) {
                *(if answer { &mut node.yes } else { &mut node.no }) = new;
            }
            match known.get_mut(new) {
                Some(Some(there)) => there.meet(&way),
                Some(empty) => *empty = Some(way),
                None => {}
            }
        }
        if strip && let Some(node) = graph.node_mut(id) {
            strip_loads(&mut node.code, key.is_some() && before.a == key, before.x);
        }
    }
    changed
}

/// Where a way leads once the settled checks on it are passed.
fn follow(graph: &Graph, keys: &[Option<Key>], way: &Known, from: NodeId) -> NodeId {
    let mut at = from;
    while let (Some(node), Some(Some(key))) = (graph.node(at), keys.get(at)) {
        match way.answer(*key, node.jump) {
            Some(true) => at = node.yes,
            Some(false) => at = node.no,
            None => break,
        }
    }
    at
}

/// Numbers the loads, equal ones alike; none for checks that depend on scratch words.
fn keys(graph: &Graph) -> Vec<Option<Key>> {
    let mut numbers: HashMap<&[Insn], Key> = HashMap::new();
    (0..graph.end())
        .map(|id| {
            let node = graph.node(id).filter(|node| node.is_pure() && !matches!(node.jump, Jump::Always))?;
            let next = numbers.len();
            Some(*numbers.entry(&node.code).or_insert(next))
        })
        .collect()
}

/// The header length in X after some code.
fn index_after(code: &[Insn], before: Option<u32>) -> Option<u32> {
    code.iter().fold(before, |x, insn| match insn.code {
        LDX_MSH => Some(insn.k),
        LDX_MEM | LDX_IMM | TAX => None,
        _ => x,
    })
}

fn strip_loads(code: &mut Vec<Insn>, in_a: bool, in_x: Option<u32>) {
    if in_a {
        code.clear();
    } else if let Some(first) = code.first()
        && first.code == LDX_MSH
        && in_x == Some(first.k)
    {
        code.remove(0);
    }
}
