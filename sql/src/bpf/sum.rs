//! Arithmetic, read into postfix steps, and the comparisons made of it.
//!
//! The operators bind as libpcap's grammar makes them bind, which is not quite C: `|`, `&`, shifts, `+ -`, `* /`, from
//! loose to tight, but `%` and `^` have no rank, so whatever stands right of them, and they themselves right of another
//! operator, is read first: `a % b + c` is `a % (b + c)` and `a * b % c` is `a * (b % c)`.

use super::ast::{Arithmetic, Comparison, Expr, Operator, Protocol, Size, Step, Test};
use super::error::BpfError;
use super::lexer::{Symbol, Token};
use super::parser::{Operand, Parser};
use super::words::Word;

/// What waits on the operator stack.
#[derive(Clone, Copy)]
enum Waiting {
    Negate,
    Binary(Operator, usize),
}

impl Waiting {
    fn rank(self) -> Option<u8> {
        match self {
            Self::Negate => Some(6),
            Self::Binary(operator, _) => rank(operator),
        }
    }

    fn step(self) -> Step {
        match self {
            Self::Negate => Step::Negate,
            Self::Binary(operator, position) => Step::Binary { operator, position },
        }
    }
}

fn rank(operator: Operator) -> Option<u8> {
    match operator {
        Operator::Modulo | Operator::Xor => None,
        Operator::Or => Some(1),
        Operator::And => Some(2),
        Operator::ShiftLeft | Operator::ShiftRight => Some(3),
        Operator::Add | Operator::Subtract => Some(4),
        Operator::Multiply | Operator::Divide => Some(5),
    }
}

impl Parser<'_> {
    /// Goes on after a first operand: arithmetic if an operator follows, a test if a comparison follows.
    pub(super) fn comparison(&mut self, first: Operand) -> Result<Operand, BpfError> {
        let (steps, position, lone) = match first {
            Operand::Number(value, at) => (vec![Step::Number(value)], at, Some(value)),
            Operand::Sum(steps, at) => (steps, at, None),
            other => return Ok(other),
        };
        let length = steps.len();
        let left = self.sum(Some(steps))?;
        let Some(comparison) = self.relation()? else {
            return Ok(match lone {
                Some(value) if left.len() == length => Operand::Number(value, position),
                _ => Operand::Sum(left, position),
            });
        };
        let right = self.sum(None)?;
        let test = Test::Relation { left: Arithmetic(left), comparison, right: Arithmetic(right) };
        Ok(Operand::Term(Expr::Test { position, test }, None))
    }

    fn relation(&mut self) -> Result<Option<Comparison>, BpfError> {
        let Token::Symbol(symbol) = self.token else { return Ok(None) };
        let comparison = match symbol {
            Symbol::Equal => Comparison::Equal,
            Symbol::NotEqual => Comparison::NotEqual,
            Symbol::Less => Comparison::Less,
            Symbol::LessOrEqual => Comparison::LessOrEqual,
            Symbol::Greater => Comparison::Greater,
            Symbol::GreaterOrEqual => Comparison::GreaterOrEqual,
            _ => return Ok(None),
        };
        self.advance()?;
        Ok(Some(comparison))
    }

    /// Arithmetic as far as it goes, its first operand read already or not.
    fn sum(&mut self, first: Option<Vec<Step>>) -> Result<Vec<Step>, BpfError> {
        let mut waiting: Vec<Waiting> = Vec::new();
        let mut steps = match first {
            Some(steps) => steps,
            None => {
                let mut steps = Vec::new();
                self.sum_operand(&mut steps, &mut waiting)?;
                steps
            }
        };
        while let Some(operator) = self.operator() {
            let rank = rank(operator);
            while let Some(top) = waiting.last().copied() {
                match (top.rank(), rank) {
                    (Some(top), Some(new)) if top >= new => {}
                    _ => break,
                }
                steps.push(top.step());
                waiting.pop();
            }
            waiting.push(Waiting::Binary(operator, self.start));
            self.advance()?;
            self.sum_operand(&mut steps, &mut waiting)?;
        }
        steps.extend(waiting.into_iter().rev().map(Waiting::step));
        Ok(steps)
    }

    fn operator(&self) -> Option<Operator> {
        let Token::Symbol(symbol) = self.token else { return None };
        Some(match symbol {
            Symbol::Plus => Operator::Add,
            Symbol::Minus => Operator::Subtract,
            Symbol::Star => Operator::Multiply,
            Symbol::Slash => Operator::Divide,
            Symbol::Percent => Operator::Modulo,
            Symbol::Ampersand => Operator::And,
            Symbol::Pipe => Operator::Or,
            Symbol::Caret => Operator::Xor,
            Symbol::ShiftLeft => Operator::ShiftLeft,
            Symbol::ShiftRight => Operator::ShiftRight,
            _ => return None,
        })
    }

    fn sum_operand(&mut self, steps: &mut Vec<Step>, waiting: &mut Vec<Waiting>) -> Result<(), BpfError> {
        while self.accept(Symbol::Minus)? {
            waiting.push(Waiting::Negate);
        }
        match self.token {
            Token::Number(value) => {
                steps.push(Step::Number(value));
                self.advance()
            }
            Token::Word(Word::Length) => {
                steps.push(Step::Length);
                self.advance()
            }
            Token::Symbol(Symbol::Open) => {
                self.advance()?;
                steps.extend(self.deeper(|parser| parser.sum(None))?);
                self.expect(Symbol::Close, "an operator or `)`")
            }
            Token::Word(Word::Protocol(protocol)) => {
                let position = self.start;
                self.advance()?;
                if self.token != Token::Symbol(Symbol::OpenBracket) {
                    return Err(self.unexpected("`[`, which asks for bytes of that header,"));
                }
                self.load(protocol, position, steps)
            }
            _ => Err(self.unexpected("a number")),
        }
    }

    /// Arithmetic that begins with the current token, which is a minus or `len`.
    pub(super) fn leading_sum(&mut self) -> Result<Operand, BpfError> {
        let position = self.start;
        let steps = self.sum(None)?;
        self.comparison(Operand::Sum(steps, position))
    }

    /// `[offset]` or `[offset:size]` after a protocol.
    pub(super) fn load(&mut self, protocol: Protocol, position: usize, steps: &mut Vec<Step>) -> Result<(), BpfError> {
        if !indexable(protocol) {
            return Err(BpfError::new(position, "the bytes of this protocol cannot be asked for")
                .hint("count from `ip`, `ip6` or `ether`"));
        }
        self.advance()?;
        steps.extend(self.deeper(|parser| parser.sum(None))?);
        let mut size = Size::Byte;
        if self.accept(Symbol::Colon)? {
            size = match self.token {
                Token::Number(1) => Size::Byte,
                Token::Number(2) => Size::Half,
                Token::Number(4) => Size::Word,
                Token::Number(other) => {
                    return Err(
                        BpfError::new(self.start, format!("a load of {other} bytes")).hint("the size is 1, 2 or 4")
                    );
                }
                _ => return Err(self.unexpected("a size of 1, 2 or 4")),
            };
            self.advance()?;
        }
        self.expect(Symbol::CloseBracket, "`]`")?;
        steps.push(Step::Load { protocol, size });
        Ok(())
    }
}

/// Whether libpcap knows where the header of a protocol begins.
fn indexable(protocol: Protocol) -> bool {
    !matches!(
        protocol,
        Protocol::Aarp
            | Protocol::Iso
            | Protocol::Stp
            | Protocol::Ipx
            | Protocol::Netbeui
            | Protocol::Ah
            | Protocol::Esp
            | Protocol::Esis
            | Protocol::Isis
            | Protocol::Clnp
            | Protocol::IsisL1
            | Protocol::IsisL2
            | Protocol::IsisIih
            | Protocol::IsisLsp
            | Protocol::IsisSnp
            | Protocol::IsisCsnp
            | Protocol::IsisPsnp
    )
}
