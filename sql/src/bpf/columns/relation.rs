//! What columns say of a comparison of arithmetic: the few that ask for what a column holds, and of all others where a
//! packet has not got the header that they read.

use super::{
    super::{
        ast::{Arithmetic, Comparison, Operator, Protocol, Size, Step},
        fold::fold,
    },
    Columns, Field,
    joined::Lowered,
    primitive::{ICMP, ICMP6, View},
    stacks::{Network, Stack},
};

/// Where TCP's flags are, and ICMP's type and code.
const TCP_FLAGS: u32 = 13;
const ICMP_TYPE: u32 = 0;
const ICMP_CODE: u32 = 1;

/// TCP's protocol number.
const TCP: u8 = 6;

impl View {
    pub(super) fn relation(self, left: &Arithmetic, comparison: Comparison, right: &Arithmetic) -> Lowered {
        if let Some(value) = constant(&right.0)
            && let Some(lowered) = self.of_column(&left.0, comparison, value)
        {
            return lowered;
        }
        let guards = guards(&left.0).into_iter().chain(guards(&right.0));
        Lowered::never(guards.map(|protocol| self.without(protocol)).fold(Columns::Always(false), Columns::or))
    }

    /// A sum that a column holds, compared with `value`.
    fn of_column(self, sum: &[Step], comparison: Comparison, value: u32) -> Option<Lowered> {
        let byte = |number: u32| u8::try_from(number).ok();
        let at = |has: u8| move |s: &Stack| s.transport == Some(has);
        let (v4, v6) = (|n| n == Network::Ipv4, |n| n == Network::Ipv6);
        match sum {
            [Step::Length] => Some(self.length(in_order(Field::Length, comparison, value))),
            [Step::Number(TCP_FLAGS), Step::Load { protocol: Protocol::Tcp, size: Size::Byte }, mask @ ..] => {
                let mask = match mask {
                    [] => u8::MAX,
                    [mask @ .., Step::Binary { operator: Operator::And, .. }] => {
                        byte(constant(mask)?).filter(|mask| *mask != 0)?
                    }
                    _ => return None,
                };
                let flags = Columns::Flags(mask, comparison, byte(value)?);
                Some(self.behind_ip(at(TCP), Field::TcpFlags, v4, flags))
            }
            [Step::Number(offset), Step::Load { protocol, size: Size::Byte }] => {
                let field = match *offset {
                    ICMP_TYPE => Field::IcmpType,
                    ICMP_CODE => Field::IcmpCode,
                    _ => return None,
                };
                let is = in_order(field, comparison, value);
                match protocol {
                    Protocol::Icmp => Some(self.behind_ip(at(ICMP), field, v4, is)),
                    Protocol::Icmp6 => Some(self.behind_ip(at(ICMP6), field, v6, is)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Where a packet surely has no header of `protocol` to load from.
    fn without(self, protocol: Protocol) -> Columns {
        let absent = self.protocol(protocol).never;
        match protocol {
            Protocol::Sctp | Protocol::Tcp | Protocol::Udp | Protocol::Pim => {
                absent.or(self.carries(Network::Ipv4).never)
            }
            _ => absent,
        }
    }
}

/// The condition that a column's number compares so with `value`.
fn in_order(field: Field, comparison: Comparison, value: u32) -> Columns {
    let between = |first: Option<u32>, last: Option<u32>| match (first, last) {
        (Some(first), Some(last)) => Columns::Number(field, first, last),
        _ => Columns::Always(false),
    };
    match comparison {
        Comparison::Equal => between(Some(value), Some(value)),
        Comparison::NotEqual => between(Some(value), Some(value)).negate(),
        Comparison::Greater => between(value.checked_add(1), Some(u32::MAX)),
        Comparison::GreaterOrEqual => between(Some(value), Some(u32::MAX)),
        Comparison::Less => between(Some(0), value.checked_sub(1)),
        Comparison::LessOrEqual => between(Some(0), Some(value)),
    }
}

/// The number that steps without loads come to.
fn constant(steps: &[Step]) -> Option<u32> {
    let mut stack = Vec::new();
    for step in steps {
        let value = match step {
            Step::Number(value) => *value,
            Step::Negate => u32::wrapping_neg(stack.pop()?),
            Step::Binary { operator: operator @ (Operator::Add | Operator::Or | Operator::And), .. } => {
                let (right, left) = (stack.pop()?, stack.pop()?);
                fold(*operator, left, right)
            }
            _ => return None,
        };
        stack.push(value);
    }
    match stack.as_slice() {
        [value] => Some(*value),
        _ => None,
    }
}

/// The protocols that a packet must have for a sum to mean anything. As the compiler does, an operator keeps those of its
/// left operand and forgets those of its right.
fn guards(steps: &[Step]) -> Vec<Protocol> {
    let mut stack: Vec<Vec<Protocol>> = Vec::new();
    for step in steps {
        match step {
            Step::Number(_) | Step::Length => stack.push(Vec::new()),
            Step::Negate => {}
            Step::Load { protocol, .. } => {
                if let Some(of_offset) = stack.last_mut() {
                    of_offset.push(*protocol);
                }
            }
            Step::Binary { .. } => drop(stack.pop()),
        }
    }
    stack.pop().unwrap_or_default()
}
