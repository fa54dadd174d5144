//! What the parser makes of a text: names are not resolved, macros not expanded, types not known.

use super::value::Value;

/// Bytes of the text, from `start` up to `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Offset of the first byte, from 0.
    pub start: usize,
    /// Offset behind the last byte.
    pub end: usize,
}

impl Span {
    /// From the start of this one to the end of that one.
    pub fn to(self, end: Span) -> Span {
        Span { start: self.start, end: end.end }
    }
}

/// An expression and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Its bytes of the text, parentheses around it left out.
    pub span: Span,
}

/// The forms of an expression.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// A number, text, bytes, `true`, `false` or `null`. A sign in front of a number is part of it.
    Literal(Value),
    /// A name without dots.
    Ident(Name),
    /// `operand.field`; also every dot within the name of a variable.
    Select(Box<Expr>, String),
    /// `operand[index]`.
    Index(Box<Expr>, Box<Expr>),
    /// `name(args)` or `target.name(args)`, macros among them.
    Call(Call),
    /// `!x`, `-x`.
    Unary(UnaryOp, Box<Expr>),
    /// Two operands.
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `a && b && …`, two or more.
    And(Vec<Expr>),
    /// `a || b || …`, two or more.
    Or(Vec<Expr>),
    /// `condition ? then : otherwise`.
    Conditional(Box<[Expr; 3]>),
    /// `[a, b]`.
    List(Vec<Expr>),
    /// `{k: v}`.
    Map(Vec<(Expr, Expr)>),
}

/// A name as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The name, without a leading dot.
    pub text: String,
    /// A dot stands before it: the variable of that name, whatever a macro calls so.
    pub is_rooted: bool,
}

/// A call of a function, a method or a macro.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// What is called.
    pub name: String,
    /// Where the name stands.
    pub name_span: Span,
    /// What stands before the dot.
    pub target: Option<Box<Expr>>,
    /// What stands in the parentheses.
    pub args: Vec<Expr>,
}

/// Operators before one operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnaryOp {
    /// `!`
    Not,
    /// `-`
    Negate,
}

/// Operators between two operands; `&&` and `||` are kinds of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryOp {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `in`
    In,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Remainder,
}

impl BinaryOp {
    /// How it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            BinaryOp::Equal => "==",
            BinaryOp::NotEqual => "!=",
            BinaryOp::Less => "<",
            BinaryOp::LessOrEqual => "<=",
            BinaryOp::Greater => ">",
            BinaryOp::GreaterOrEqual => ">=",
            BinaryOp::In => "in",
            BinaryOp::Add => "+",
            BinaryOp::Subtract => "-",
            BinaryOp::Multiply => "*",
            BinaryOp::Divide => "/",
            BinaryOp::Remainder => "%",
        }
    }

    /// Whether it compares: `==` to `>=`, and `in`.
    pub fn is_relation(self) -> bool {
        !matches!(
            self,
            BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Remainder
        )
    }
}
