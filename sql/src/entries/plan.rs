//! The plan of the entries that a filter selects: a union of the tables that can hold them.

use std::sync::Arc;

use datafusion::{
    arrow::datatypes::{DataType, Field, Schema},
    catalog::TableProvider,
    common::{DFSchema, ScalarValue, TableReference},
    datasource::{ViewTable, provider_as_source},
    error::Result,
    logical_expr::{EmptyRelation, Expr, LogicalPlan, LogicalPlanBuilder, cast, lit},
};
use wiretape_engine::{
    ColumnDef, TableDef, View,
    table::{EntryDef, Kind},
};

use super::{
    bind::{self, Parser},
    lower,
};
use crate::{
    catalog::Source,
    kfl::{Filter, Value, typed},
    table::{self, MergedTable},
};

/// The first column: which kind of entry it is.
const ENTRY: ColumnDef = ColumnDef::new(
    "entry",
    Kind::Text,
    false,
    "What it is: call, flow, tcp (an error, or payload that nobody recognised), udp.",
);

/// The columns of entries: what they are, and those that calls have.
pub(crate) fn columns(tables: &[&'static TableDef]) -> Vec<ColumnDef> {
    let common = tables.iter().find_map(|t| t.group.filter(|_| !t.entries.is_empty()));
    std::iter::once(ENTRY).chain(common.map_or(&[][..], |group| group.columns).iter().copied()).collect()
}

/// Entries that `filter` selects, at the version of `source`.
pub(crate) fn provider(filter: &Filter, source: &Source) -> Result<Arc<dyn TableProvider>> {
    Ok(Arc::new(MergedTable::new(ViewTable::new(plan(filter, source)?, None))))
}

/// One table's part of the entries: the condition of its rows, and what the columns are.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) table: &'static TableDef,
    pub(super) condition: Expr,
    pub(super) columns: Vec<Expr>,
}

/// The parts of the entries that `filter` selects; tables that have none of them are not there. Columns of the tables are
/// named with `relation`, which says how a table is called.
pub(super) fn parts(
    filter: &Filter,
    tables: &[&'static TableDef],
    view: &Arc<View>,
    relation: impl Fn(&TableDef) -> Option<TableReference>,
) -> Result<Vec<Part>> {
    let shown = columns(tables);
    let functions = bind::functions_of(view)?;
    let mut parts = Vec::new();
    for table in tables.iter().copied().filter(|t| !t.entries.is_empty() && view.has_rows(t.name)) {
        let schema = schema(table, relation(table))?;
        let parser = Parser::new(&functions, &schema);
        for entry in table.entries {
            let Some(condition) = condition(filter, table, entry, &parser)? else { continue };
            let columns = shown.iter().map(|c| column(c, table, entry, &parser)).collect::<Result<_>>()?;
            parts.push(Part { table, condition, columns });
        }
    }
    Ok(parts)
}

/// Which rows of `table` are entries of the kind `entry` that `filter` selects; nothing if none can be.
pub(super) fn condition(
    filter: &Filter,
    table: &TableDef,
    entry: &EntryDef,
    parser: &Parser<'_>,
) -> Result<Option<Expr>> {
    let bound = bind::bind(&filter.expr, table, entry, parser)?;
    if matches!(bound.filter.kind, typed::Kind::Literal(Value::Bool(false))) {
        return Ok(None);
    }
    let asked = lower::lower(&bound);
    Ok(Some(match entry.when {
        "true" => asked,
        when => parser.expr(when)?.and(asked),
    }))
}

/// The columns of `table` as expressions see them.
pub(super) fn schema(table: &TableDef, relation: Option<TableReference>) -> Result<DFSchema> {
    let fields: Vec<Field> =
        table::shown_columns(table).iter().map(|c| Field::new(c.name, c.kind.data_type(), c.nullable)).collect();
    let schema = Schema::new(fields);
    match relation {
        Some(relation) => DFSchema::try_from_qualified_schema(relation, &schema),
        None => DFSchema::try_from(schema),
    }
}

/// What the entries' column `shown` is in rows of `table`.
fn column(shown: &ColumnDef, table: &TableDef, entry: &EntryDef, parser: &Parser<'_>) -> Result<Expr> {
    let data_type = shown.kind.data_type();
    if shown.name == ENTRY.name {
        return Ok(lit(entry.kind).alias(ENTRY.name));
    }
    let own = table::shown_columns(table).into_iter().find(|c| c.name == shown.name);
    let expr = match (entry.column(shown.name), own) {
        (Some(sql), _) => cast(parser.expr(sql)?, data_type),
        (None, Some(own)) if own.kind.data_type() == data_type => parser.expr(&quoted(shown.name))?,
        (None, Some(_)) => cast(parser.expr(&quoted(shown.name))?, data_type),
        (None, None) => lit(ScalarValue::try_from(&data_type)?),
    };
    Ok(expr.alias(shown.name))
}

fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

fn plan(filter: &Filter, source: &Source) -> Result<LogicalPlan> {
    let (view, tables) = (source.view()?, source.tables());
    let mut union: Option<LogicalPlanBuilder> = None;
    for part in parts(filter, tables, &view, |table| Some(TableReference::bare(table.name)))? {
        let provider = table::provider(&view, part.table, source.options)?;
        let rows = LogicalPlanBuilder::scan(TableReference::bare(part.table.name), provider_as_source(provider), None)?
            .filter(part.condition)?
            .project(part.columns)?;
        union = Some(match union {
            Some(union) => union.union(rows.build()?)?,
            None => rows,
        });
    }
    match union {
        Some(union) => union.build(),
        None => Ok(nothing(tables)?),
    }
}

/// No entries, with their columns.
fn nothing(tables: &[&'static TableDef]) -> Result<LogicalPlan> {
    let typed = |c: &ColumnDef| Field::new(c.name, shown_type(c), true);
    let schema = Schema::new(columns(tables).iter().map(typed).collect::<Vec<_>>());
    Ok(LogicalPlan::EmptyRelation(EmptyRelation {
        produce_one_row: false,
        schema: Arc::new(DFSchema::try_from(schema)?),
    }))
}

/// The type of an entries' column.
fn shown_type(column: &ColumnDef) -> DataType {
    if column.name == ENTRY.name { DataType::Utf8 } else { column.kind.data_type() }
}
