//! A [`Cond`] as a graph of checks, each with a place to go on either answer.
//!
//! Nodes are made from the end of the filter to its beginning, so that both successors of a node exist before it and
//! have smaller numbers: descending numbers are an order in which every jump goes forward. Nodes 0 and 1 are the answers.

use super::MAX_INSTRUCTIONS;
use super::ast::Join;
use super::cond::{Check, Cond, Jump};
use super::error::BpfError;
use super::insn::{Insn, LD_IMM, LD_MEM, LDX_MEM, ST, STX};

/// A place in the graph.
pub(super) type NodeId = usize;

pub(super) const ACCEPT: NodeId = 0;
pub(super) const REJECT: NodeId = 1;
const FIRST: NodeId = 2;

/// A check, and where its answers lead.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) code: Vec<Insn>,
    pub(super) jump: Jump,
    pub(super) yes: NodeId,
    pub(super) no: NodeId,
}

impl Node {
    /// The answer, where the check looks at a constant.
    pub(super) fn constant(&self) -> Option<bool> {
        match self.code.as_slice() {
            [only] if only.code == LD_IMM => self.jump.outcome(only.k),
            _ => None,
        }
    }

    /// Whether the check depends on the packet alone and leaves nothing behind but A and X.
    pub(super) fn is_pure(&self) -> bool {
        !self.code.iter().any(|insn| matches!(insn.code, LD_MEM | LDX_MEM | ST | STX))
    }
}

/// Checks and the one to begin with.
#[derive(Debug)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    /// Loads to run first: of checks that decide nothing but refuse packets too short for them.
    pub(super) prelude: Vec<Insn>,
    pub(super) root: NodeId,
}

impl Graph {
    pub(super) fn new(cond: Cond) -> Result<Self, BpfError> {
        let mut graph = Self { nodes: Vec::new(), prelude: Vec::new(), root: REJECT };
        graph.root = graph.build(cond, ACCEPT, REJECT)?;
        Ok(graph)
    }

    /// One past the largest node.
    pub(super) fn end(&self) -> NodeId {
        self.nodes.len() + FIRST
    }

    pub(super) fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.checked_sub(FIRST)?)
    }

    pub(super) fn node_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        self.nodes.get_mut(id.checked_sub(FIRST)?)
    }

    /// The nodes that can be reached from the root, by number.
    pub(super) fn reachable(&self) -> Vec<bool> {
        let mut reached = vec![false; self.end()];
        let mark = |id: NodeId, reached: &mut Vec<bool>| {
            if let Some(flag) = reached.get_mut(id) {
                *flag = true;
            }
        };
        mark(self.root, &mut reached);
        for id in (FIRST..self.end()).rev() {
            let Some(node) = self.node(id).filter(|_| reached.get(id) == Some(&true)) else { continue };
            mark(node.yes, &mut reached);
            mark(node.no, &mut reached);
        }
        reached
    }

    fn build(&mut self, cond: Cond, yes: NodeId, no: NodeId) -> Result<NodeId, BpfError> {
        match cond {
            Cond::Always(answer) => Ok(if answer { yes } else { no }),
            Cond::Not(inner) => self.build(*inner, no, yes),
            Cond::Check(check) => self.add(check, yes, no),
            Cond::Chain(first, rest) => {
                let (mut yes, mut no) = (yes, no);
                for (join, operand) in rest.into_iter().rev() {
                    let next = self.build(operand, yes, no)?;
                    match join {
                        Join::And => yes = next,
                        Join::Or => no = next,
                    }
                }
                self.build(*first, yes, no)
            }
        }
    }

    fn add(&mut self, check: Check, yes: NodeId, no: NodeId) -> Result<NodeId, BpfError> {
        let node = Node { code: check.code, jump: check.jump, yes, no };
        if self.nodes.len() >= MAX_INSTRUCTIONS {
            return Err(BpfError::new(0, format!("the filter needs more than {MAX_INSTRUCTIONS} instructions")));
        }
        self.nodes.push(node);
        Ok(self.end() - 1)
    }
}
