//! Arithmetic and comparisons into code: a stack machine in postfix steps becomes loads, operations and scratch words.
//!
//! At most one value is in A; what waits below it is in scratch words, or is a constant and nowhere. Constants are
//! folded, and what cannot change the answer is not loaded, since a load beyond the packet's end would change it.
//!
//! A load asks first whether the packet has the protocol at all. As in libpcap, an operator keeps the question of its
//! left operand and forgets that of its right: `len - ip[0] = 5` reads byte 14 of every packet.

use super::ast::{Arithmetic, Comparison, Operator, Protocol, Size, Step};
use super::cond::{Check, Cond, Jump};
use super::error::BpfError;
use super::ethertype as ether;
use super::fold::{Simplified, check_constant, fold, holds, with_constant};
use super::insn::{
    ADD, AND, DIV, Insn, JEQ, JGE, JGT, LD_IMM, LD_LEN, LD_MEM, LDX_MEM, LSH, MOD, MUL, NEG, OR, RSH, SOURCE_X, ST,
    SUB, TAX, XOR,
};
use super::layers::{Layers, SCRATCH_WORDS, indexed};

/// Where a value is.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// A constant as written.
    Literal(u32),
    /// A constant that was computed.
    Constant(u32),
    Accumulator,
    Word(u32),
}

/// A value on the stack.
#[derive(Debug)]
struct Value {
    place: Place,
    /// Where the code that computes it begins.
    from: usize,
    /// What must hold of the packet for the value to mean anything.
    guard: Option<Cond>,
}

/// Code under construction.
struct Machine<'a> {
    layers: &'a Layers,
    position: usize,
    code: Vec<Insn>,
    stack: Vec<Value>,
}

impl Layers {
    /// `left comparison right`.
    pub(super) fn relation(
        &self,
        left: &Arithmetic,
        comparison: Comparison,
        right: &Arithmetic,
        position: usize,
    ) -> Result<Cond, BpfError> {
        let mut machine = Machine { layers: self, position, code: Vec::new(), stack: Vec::new() };
        for step in left.0.iter().chain(&right.0) {
            machine.step(*step)?;
        }
        let (right, left) = (machine.pop()?, machine.pop()?);
        let guard = join(left.guard, right.guard);
        let test = match (left.place, right.place) {
            (Place::Literal(left), Place::Literal(right)) => Cond::Always(holds(comparison, left, right)),
            (place, Place::Literal(k) | Place::Constant(k)) => {
                machine.fetch(place);
                compare(machine.code, comparison, k)
            }
            (Place::Literal(k) | Place::Constant(k), place) => {
                machine.fetch(place);
                compare(machine.code, mirrored(comparison), k)
            }
            (left, _) => {
                machine.emit(TAX, 0);
                machine.fetch(left);
                compare_index(machine.code, comparison)
            }
        };
        Ok(match guard {
            Some(guard) => guard.and(test),
            None => test,
        })
    }
}

fn join(left: Option<Cond>, right: Option<Cond>) -> Option<Cond> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.and(right)),
        (left, right) => left.or(right),
    }
}

impl Machine<'_> {
    fn emit(&mut self, code: u16, k: u32) {
        self.code.push(Insn::new(code, k));
    }

    fn pop(&mut self) -> Result<Value, BpfError> {
        self.stack.pop().ok_or_else(|| BpfError::new(self.position, "an operator without an operand"))
    }

    /// The scratch word of the value that will be next on the stack.
    fn next_word(&self) -> Result<u32, BpfError> {
        let depth = u32::try_from(self.stack.len()).unwrap_or(u32::MAX);
        Some(self.layers.words().saturating_add(depth)).filter(|word| *word < SCRATCH_WORDS).ok_or_else(|| {
            BpfError::new(self.position, "the expression needs more than the machine's 16 scratch words")
                .hint("nest it less deeply to the right")
        })
    }

    fn push(&mut self, place: Place, from: usize, guard: Option<Cond>) -> Result<(), BpfError> {
        self.next_word()?;
        self.stack.push(Value { place, from, guard });
        Ok(())
    }

    /// Frees A for another value.
    fn spill(&mut self) {
        let base = self.layers.words();
        let Some((depth, value)) =
            self.stack.iter_mut().enumerate().find(|(_, value)| matches!(value.place, Place::Accumulator))
        else {
            return;
        };
        let word = base.saturating_add(u32::try_from(depth).unwrap_or(u32::MAX));
        value.place = Place::Word(word);
        self.emit(ST, word);
    }

    /// Brings a value into A.
    fn fetch(&mut self, place: Place) {
        match place {
            Place::Accumulator => {}
            Place::Word(word) => self.emit(LD_MEM, word),
            Place::Literal(value) | Place::Constant(value) => self.emit(LD_IMM, value),
        }
    }

    fn step(&mut self, step: Step) -> Result<(), BpfError> {
        match step {
            Step::Number(value) => self.push(Place::Literal(value), self.code.len(), None),
            Step::Length => {
                self.spill();
                let from = self.code.len();
                self.emit(LD_LEN, 0);
                self.push(Place::Accumulator, from, None)
            }
            Step::Negate => {
                let value = self.pop()?;
                let place = match value.place {
                    Place::Literal(constant) | Place::Constant(constant) => Place::Constant(constant.wrapping_neg()),
                    place => {
                        self.fetch(place);
                        self.emit(NEG, 0);
                        Place::Accumulator
                    }
                };
                self.push(place, value.from, value.guard)
            }
            Step::Load { protocol, size } => self.load(protocol, size),
            Step::Binary { operator, position } => self.binary(operator, position),
        }
    }

    fn binary(&mut self, operator: Operator, position: usize) -> Result<(), BpfError> {
        let (right, left) = (self.pop()?, self.pop()?);
        let place = match (left.place, right.place) {
            (place, Place::Literal(k) | Place::Constant(k)) => {
                check_constant(operator, k, position)?;
                match (place, with_constant(operator, k)) {
                    (Place::Literal(left) | Place::Constant(left), _) => Place::Constant(fold(operator, left, k)),
                    (place, Simplified::Left) => place,
                    (_, Simplified::Zero) => {
                        self.code.truncate(left.from);
                        Place::Constant(0)
                    }
                    (place, Simplified::No) => {
                        self.fetch(place);
                        self.emit(opcode(operator), k);
                        Place::Accumulator
                    }
                }
            }
            (Place::Literal(0) | Place::Constant(0), place) => match operator {
                Operator::Add | Operator::Or | Operator::Xor => place,
                Operator::Subtract => {
                    self.fetch(place);
                    self.emit(NEG, 0);
                    Place::Accumulator
                }
                _ => {
                    self.code.truncate(right.from);
                    Place::Constant(0)
                }
            },
            (place, right) => {
                self.fetch(right);
                self.emit(TAX, 0);
                self.fetch(place);
                self.emit(opcode(operator) | SOURCE_X, 0);
                Place::Accumulator
            }
        };
        self.push(place, left.from, left.guard)
    }

    /// Loads from a header at the offset on top of the stack.
    fn load(&mut self, protocol: Protocol, size: Size) -> Result<(), BpfError> {
        self.next_word()?;
        let offset = self.pop()?;
        let guard = self.guard(protocol, offset.guard)?;
        let word = self.next_word()?;
        let layers = self.layers;
        if let Place::Literal(offset_bytes) | Place::Constant(offset_bytes) = offset.place {
            self.spill();
            let from = self.code.len();
            self.code.extend(match header(protocol) {
                Header::Link => layers.header.plus(offset_bytes).load(size),
                Header::Network => layers.load_network(offset_bytes, size),
                Header::Ipv4Payload => layers.load_ipv4_payload(offset_bytes, size),
                Header::Ipv6Payload => layers.load_ipv6_payload(offset_bytes, size),
            });
            return self.push(Place::Accumulator, from, guard);
        }
        self.fetch(offset.place);
        let start = match header(protocol) {
            Header::Link => layers.header,
            Header::Network | Header::Ipv4Payload => layers.payload.plus(layers.network),
            Header::Ipv6Payload => layers.payload.plus(layers.network).plus(40),
        };
        match (header(protocol), start.word) {
            (Header::Ipv4Payload, None) => {
                self.code.extend(layers.index_ipv4_payload());
                self.emit(ADD | SOURCE_X, 0);
            }
            (Header::Ipv4Payload, Some(_)) => {
                self.emit(ST, word);
                self.code.extend(layers.index_ipv4_payload());
                self.emit(LD_MEM, word);
                self.emit(ADD | SOURCE_X, 0);
            }
            (_, Some(varying)) => {
                self.emit(LDX_MEM, varying);
                self.emit(ADD | SOURCE_X, 0);
            }
            (_, None) => {}
        }
        self.emit(TAX, 0);
        self.emit(indexed(size), start.constant);
        self.push(Place::Accumulator, offset.from, guard)
    }

    /// What must hold for a load, joined to what must hold for its offset.
    fn guard(&self, protocol: Protocol, offset: Option<Cond>) -> Result<Option<Cond>, BpfError> {
        let (layers, position) = (self.layers, self.position);
        Ok(match header(protocol) {
            Header::Link => offset,
            Header::Network => join(offset, Some(layers.protocol(protocol, position)?)),
            Header::Ipv4Payload => {
                let carried = layers.protocol(protocol, position)?.and(layers.first_fragment());
                join(Some(layers.carries(ether::IP, position)?), join(offset, Some(carried)))
            }
            Header::Ipv6Payload => {
                let next = Cond::equal(layers.load_network(6, Size::Byte), 58);
                join(offset, Some(layers.carries(ether::IP6, position)?.and(next)))
            }
        })
    }
}

/// The header an offset counts from.
enum Header {
    Link,
    Network,
    Ipv4Payload,
    Ipv6Payload,
}

fn header(protocol: Protocol) -> Header {
    match protocol {
        Protocol::Link => Header::Link,
        Protocol::Icmp6 => Header::Ipv6Payload,
        Protocol::Sctp
        | Protocol::Tcp
        | Protocol::Udp
        | Protocol::Icmp
        | Protocol::Igmp
        | Protocol::Igrp
        | Protocol::Pim
        | Protocol::Vrrp
        | Protocol::Carp => Header::Ipv4Payload,
        _ => Header::Network,
    }
}

fn opcode(operator: Operator) -> u16 {
    match operator {
        Operator::Add => ADD,
        Operator::Subtract => SUB,
        Operator::Multiply => MUL,
        Operator::Divide => DIV,
        Operator::Modulo => MOD,
        Operator::And => AND,
        Operator::Or => OR,
        Operator::Xor => XOR,
        Operator::ShiftLeft => LSH,
        Operator::ShiftRight => RSH,
    }
}

/// The comparison that holds of the sides exchanged.
fn mirrored(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Greater => Comparison::Less,
        Comparison::GreaterOrEqual => Comparison::LessOrEqual,
        Comparison::Less => Comparison::Greater,
        Comparison::LessOrEqual => Comparison::GreaterOrEqual,
        same => same,
    }
}

/// The machine's jump for a comparison, and whether its answer is to be turned round.
fn jump(comparison: Comparison) -> (u16, bool) {
    match comparison {
        Comparison::Equal => (JEQ, false),
        Comparison::NotEqual => (JEQ, true),
        Comparison::Greater => (JGT, false),
        Comparison::GreaterOrEqual => (JGE, false),
        Comparison::Less => (JGE, true),
        Comparison::LessOrEqual => (JGT, true),
    }
}

fn compare(code: Vec<Insn>, comparison: Comparison, k: u32) -> Cond {
    let (jump, negated) = jump(comparison);
    let cond = Cond::compare(code, jump, k);
    if negated { cond.negate() } else { cond }
}

fn compare_index(code: Vec<Insn>, comparison: Comparison) -> Cond {
    let (jump, negated) = jump(comparison);
    let cond = Cond::Check(Check { code, jump: Jump::Index { code: jump } });
    if negated { cond.negate() } else { cond }
}
