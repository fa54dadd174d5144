//! Whose rows a filter function is asked about.
//!
//! A relation of the query is taken for a table of the store when it has all of that table's columns, by name and type:
//! the table itself under whatever alias, or a subquery that passes them through. One that has no more than a table's
//! key (`packet_id`, `call_id`, `flow_id`) is asked by it: `packet_id IN (SELECT packet_id FROM packets WHERE …)`.

use std::sync::Arc;

use datafusion::{
    arrow::datatypes::DataType,
    common::{Column, DFSchema, TableReference},
    datasource::provider_as_source,
    error::{DataFusionError, Result},
    logical_expr::{Expr, LogicalPlanBuilder, in_subquery},
};
use wiretape_engine::{View, table::Kind};

use super::{FilterError, FilterFunction, Place};
use crate::{
    SqlError,
    catalog::{KeyedTable, Source},
    table::PACKET_ID,
};

/// Rows of one relation of a query.
#[derive(Debug)]
pub(crate) struct Rows<'a> {
    table: KeyedTable,
    relation: Option<TableReference>,
    /// Whether the relation has the table's key alone.
    by_key: bool,
    place: Place,
    source: &'a Source,
}

impl<'a> Rows<'a> {
    /// The rows of the one relation in `schema` that `function` can be about, or of the one that `key` is a column of.
    pub(super) fn of(
        function: &dyn FilterFunction,
        schema: &DFSchema,
        key: Option<&Expr>,
        place: Place,
        source: &'a Source,
    ) -> Result<Rows<'a>> {
        let tables = source.keyed_tables();
        let named = match key {
            None => None,
            Some(Expr::Column(column)) => Some(column),
            Some(_) => return Err(no_key(function, &tables).into()),
        };
        let mut candidates = Vec::new();
        for relation in relations(schema) {
            if named.is_none_or(|column| column.relation.as_ref() == relation)
                && let Some((table, by_key)) = recognise(schema, relation, &tables, named.map(|c| c.name.as_str()))
            {
                candidates.push(Rows { table: table.clone(), relation: relation.cloned(), by_key, place, source });
            }
        }
        // A table itself comes before what has but a key of it: nearly any subquery has a flow_id.
        if candidates.iter().any(|rows| !rows.by_key) {
            candidates.retain(|rows| !rows.by_key);
        }
        match (candidates.pop(), candidates.pop()) {
            (Some(rows), None) => Ok(rows),
            (Some(last), Some(before)) => Err(ambiguous(function, &before, &last).into()),
            (None, _) if named.is_some() => Err(no_key(function, &tables).into()),
            (None, _) => Err(nothing(function).into()),
        }
    }

    /// The expression that is true where `function` selects one of these rows by `text`.
    pub(super) fn ask(&self, function: &dyn FilterFunction, text: &str) -> Result<Expr> {
        if !self.by_key {
            return function.expr(text, self);
        }
        let key = self.column(self.table.key);
        self.must_be_a_filter(function)?;
        let inner = self.all_of(self.table.name)?;
        let rows = self.scan(self.table.name)?.filter(function.expr(text, &inner)?)?;
        Ok(in_subquery(key, Arc::new(rows.project([inner.column(self.table.key)])?.build()?)))
    }

    /// Whose rows they are.
    pub(crate) fn table(&self) -> &KeyedTable {
        &self.table
    }

    /// How the query calls them.
    pub(crate) fn relation(&self) -> Option<&TableReference> {
        self.relation.as_ref()
    }

    /// Where they come from.
    pub(crate) fn source(&self) -> &Source {
        self.source
    }

    /// The name of the row's column `name`, one of the table's.
    pub(crate) fn name(&self, name: &str) -> Column {
        Column::new(self.relation.clone(), name)
    }

    /// The row's column called `name`, one of the table's.
    pub(crate) fn column(&self, name: &str) -> Expr {
        Expr::Column(self.name(name))
    }

    /// The rows of a [`scan`](Self::scan) of `table`, in a filter.
    pub(crate) fn all_of(&self, table: &str) -> Result<Rows<'a>> {
        let found = self.source.keyed_tables().into_iter().find(|t| t.name == table);
        let table = found.ok_or_else(|| DataFusionError::Internal(format!("no table {table} with a key")))?;
        let relation = Some(TableReference::bare(table.name));
        Ok(Rows { table, relation, by_key: false, place: Place::Filter, source: self.source })
    }

    /// A scan of another table or view of the same version of the database, under its own name.
    pub(crate) fn scan(&self, table: &str) -> Result<LogicalPlanBuilder> {
        let provider =
            self.source.public_table(table)?.ok_or_else(|| DataFusionError::Internal(format!("no table {table}")))?;
        LogicalPlanBuilder::scan(TableReference::bare(table), provider_as_source(provider), None)
    }

    /// The version of the database that the statement sees.
    pub(crate) fn view(&self) -> Result<Arc<View>> {
        self.source.view()
    }

    /// Refuses `function` outside of conditions, where its expression would hold a subquery.
    pub(crate) fn must_be_a_filter(&self, function: &dyn FilterFunction) -> Result<()> {
        if self.place == Place::Filter {
            return Ok(());
        }
        let name = function.name();
        let message = format!("{name}() of rows of {} is a condition for WHERE, not a value", self.table.name);
        let hint = format!("Write WHERE {name}(…), or ask it of packets.");
        Err(FilterError::of_call(function, SqlError::new("0A000", message).with_hint(hint)).into())
    }
}

/// The names under which columns are found, each once, in order.
fn relations(schema: &DFSchema) -> Vec<Option<&TableReference>> {
    let mut relations = Vec::new();
    for (relation, _) in schema.iter() {
        if !relations.contains(&relation) {
            relations.push(relation);
        }
    }
    relations
}

/// The table that `relation` is, if it has all of one's columns, or else has one's key; `key` says which key is meant.
fn recognise<'t>(
    schema: &DFSchema,
    relation: Option<&TableReference>,
    tables: &'t [KeyedTable],
    key: Option<&str>,
) -> Option<(&'t KeyedTable, bool)> {
    let has = |name: &str, data_type: &DataType| {
        schema.iter().any(|(r, f)| r == relation && f.name() == name && f.data_type() == data_type)
    };
    let keyed = || tables.iter().filter(|t| key.is_none_or(|key| t.key == key));
    let whole = keyed().filter(|t| t.columns.iter().all(|c| has(c.name, &c.kind.data_type())));
    // A table of a group has the columns of the group's view and its own.
    if let Some(table) = whole.max_by_key(|t| t.columns.len()) {
        return Some((table, false));
    }
    keyed().find(|t| has(t.key, &Kind::I64.data_type())).map(|table| (table, true))
}

fn shown(relation: Option<&TableReference>) -> String {
    relation.map_or_else(|| "the subquery".to_owned(), |r| format!("\"{}\"", r.table()))
}

fn ambiguous(function: &dyn FilterFunction, a: &Rows<'_>, b: &Rows<'_>) -> FilterError {
    let name = function.name();
    let (first, second) = (shown(a.relation.as_ref()), shown(b.relation.as_ref()));
    let key = match &a.relation {
        Some(relation) => format!("{}.{}", relation.table(), a.table.key),
        None => a.table.key.to_owned(),
    };
    let error = SqlError::new("42702", format!("{name}() is ambiguous: it can be about {first} or {second}"))
        .with_hint(format!("Say which by its key: {name}('…', {key})."));
    FilterError::of_call(function, error)
}

fn no_key(function: &dyn FilterFunction, tables: &[KeyedTable]) -> FilterError {
    let mut keys: Vec<&str> = tables.iter().map(|t| t.key).collect();
    keys.sort_unstable();
    keys.dedup();
    let message = format!("the second argument of {}() is no key of a table", function.name());
    FilterError::of_call(function, SqlError::new("42883", message).with_hint(format!("Keys are {}.", keys.join(", "))))
}

fn nothing(function: &dyn FilterFunction) -> FilterError {
    let message = format!("{}() finds no rows here that it can be about", function.name());
    let hint =
        format!("It asks about rows of packets, flows or calls; a subquery must give {PACKET_ID} or another key.");
    FilterError::of_call(function, SqlError::new("42703", message).with_hint(hint))
}
