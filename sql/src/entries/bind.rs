//! A filter as one kind of entry of one table sees it: variables are columns or constants.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use datafusion::{
    common::{DFSchema, ScalarValue},
    error::Result,
    execution::{SessionState, SessionStateBuilder},
    logical_expr::Expr,
};
use wiretape_engine::{TableDef, View, table::EntryDef};

use super::functions;
use crate::{
    kfl::{
        Typed, Value,
        typed::{Kind, Macro},
        vocabulary::{Var, VarType},
    },
    session, table, udf,
};

/// Reads the SQL of the tables' declarations. It knows the functions, and no tables.
static PARSER: LazyLock<SessionState> = LazyLock::new(|| {
    let mut state = SessionStateBuilder::new().with_config(session::session_config(1)).with_default_features().build();
    let functions = udf::UDFS.iter().map(|f| f.udf()).chain(functions::FUNCTIONS.iter().map(|f| f.udf()));
    for function in functions {
        use datafusion::execution::FunctionRegistry;
        drop(state.register_udf(Arc::new(function)));
    }
    state
});

/// Reads the SQL of declarations over the columns of one relation.
pub(super) struct Parser<'a> {
    functions: &'a SessionState,
    schema: &'a DFSchema,
}

/// The functions that declarations may call, at the version of `view`.
pub(super) fn functions_of(view: &Arc<View>) -> Result<SessionState> {
    let mut state = PARSER.clone();
    table::register_udfs(&mut state, view)?;
    Ok(state)
}

impl<'a> Parser<'a> {
    /// For the columns of `schema`.
    pub(super) fn new(functions: &'a SessionState, schema: &'a DFSchema) -> Parser<'a> {
        Parser { functions, schema }
    }

    /// What `sql` means.
    pub(super) fn expr(&self, sql: &str) -> Result<Expr> {
        self.functions.create_logical_expr(sql, self.schema)
    }
}

/// A filter bound to one kind of entry.
#[derive(Debug)]
pub(super) struct Bound {
    /// The filter, with constants for variables that are the same in all these entries.
    pub(super) filter: Typed,
    /// What its variables stand for. NULL is the zero of their type.
    pub(super) columns: Columns,
}

/// What variables stand for, by their names.
pub(super) type Columns = BTreeMap<&'static str, Expr>;

/// Binds `filter` to entries of the kind `entry` of `table`.
pub(super) fn bind(filter: &Typed, table: &TableDef, entry: &EntryDef, parser: &Parser<'_>) -> Result<Bound> {
    let mut vars = Vec::new();
    variables(filter, &mut vars);
    let (mut columns, mut constants) = (Columns::new(), BTreeMap::new());
    for var in vars {
        let known = match table.variable(entry, var.name) {
            Some(sql) => parser.expr(sql)?,
            None => Expr::Literal(ScalarValue::Null, None),
        };
        match constant(&known, var) {
            Some(value) => drop(constants.insert(var.name, value)),
            None => drop(columns.insert(var.name, known)),
        }
    }
    let filter = substitute(filter, &|var| constants.get(var.name).cloned());
    Ok(Bound { filter: crate::kfl::fold(filter), columns })
}

/// The value of an expression that is one literal.
fn constant(expr: &Expr, var: &Var) -> Option<Value> {
    let Expr::Literal(scalar, _) = expr else { return None };
    match (scalar, var.ty) {
        (scalar, _) if scalar.is_null() => Some(var.zero()),
        (ScalarValue::Boolean(Some(truth)), VarType::Bool) => Some(Value::Bool(*truth)),
        (ScalarValue::Int64(Some(number)), VarType::Int) => Some(Value::Int(*number)),
        (scalar, VarType::String) => scalar.try_as_str().flatten().map(Value::string),
        _ => None,
    }
}

/// The variables of `expr`, each once, in the order of their first mention.
pub(super) fn variables(expr: &Typed, vars: &mut Vec<&'static Var>) {
    if let Kind::Var(var) = &expr.kind
        && vars.iter().all(|seen| seen.name != var.name)
    {
        vars.push(var);
    }
    for child in children(expr) {
        variables(child, vars);
    }
}

fn children(expr: &Typed) -> Vec<&Typed> {
    match &expr.kind {
        Kind::Literal(_) | Kind::Var(_) | Kind::Local(_) => Vec::new(),
        Kind::Not(a) | Kind::Negate(a) => vec![a],
        Kind::And(all) | Kind::Or(all) | Kind::List(all) | Kind::Call(_, all) => all.iter().collect(),
        Kind::Binary(_, a, b) | Kind::Index(a, b) => vec![a, b],
        Kind::Conditional(arms) => arms.iter().collect(),
        Kind::Map(entries) => entries.iter().flat_map(|(key, value)| [key, value]).collect(),
        Kind::Macro(m) => [&m.range, &m.body].into_iter().chain(&m.condition).collect(),
    }
}

/// `expr` with literals for the variables that `value` knows.
fn substitute(expr: &Typed, value: &impl Fn(&'static Var) -> Option<Value>) -> Typed {
    match &expr.kind {
        Kind::Var(var) => {
            let kind = value(var).map_or(Kind::Var(var), Kind::Literal);
            Typed { kind, ty: expr.ty.clone(), span: expr.span }
        }
        _ => map_children(expr, &|child| substitute(child, value)),
    }
}

/// `expr` with what `change` makes of each of its operands.
pub(super) fn map_children(expr: &Typed, change: &impl Fn(&Typed) -> Typed) -> Typed {
    let one = |e: &Typed| Box::new(change(e));
    let all = |es: &[Typed]| es.iter().map(change).collect::<Vec<_>>();
    let kind = match &expr.kind {
        Kind::Var(_) | Kind::Literal(_) | Kind::Local(_) => expr.kind.clone(),
        Kind::Not(a) => Kind::Not(one(a)),
        Kind::Negate(a) => Kind::Negate(one(a)),
        Kind::And(es) => Kind::And(all(es)),
        Kind::Or(es) => Kind::Or(all(es)),
        Kind::List(es) => Kind::List(all(es)),
        Kind::Call(function, es) => Kind::Call(*function, all(es)),
        Kind::Binary(operator, a, b) => Kind::Binary(*operator, one(a), one(b)),
        Kind::Index(a, b) => Kind::Index(one(a), one(b)),
        Kind::Conditional(arms) => {
            let [a, b, c] = &**arms;
            Kind::Conditional(Box::new([change(a), change(b), change(c)]))
        }
        Kind::Map(entries) => Kind::Map(entries.iter().map(|(k, v)| (change(k), change(v))).collect()),
        Kind::Macro(m) => Kind::Macro(Box::new(Macro {
            kind: m.kind,
            range: change(&m.range),
            local: m.local.clone(),
            condition: m.condition.as_ref().map(change),
            body: change(&m.body),
        })),
    };
    Typed { kind, ty: expr.ty.clone(), span: expr.span }
}
