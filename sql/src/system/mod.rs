//! Tables that say what is stored. One file each; [`SYSTEM_TABLES`] is the list.
//!
//! They are small, and made anew from the statement's view of the database when it names them.

mod columns;
mod components;
mod imports;
mod kfl_fields;
mod segments;
mod settings;
mod tables;

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, TimestampNanosecondArray},
    datatypes::Schema,
};
use datafusion::{
    catalog::{MemTable, TableProvider},
    error::Result,
};
use wiretape_engine::{Segment, TableDef, View};

use crate::{Config, config::ScanOptions};

/// Every table of the schema `system`.
pub(crate) const SYSTEM_TABLES: &[&SystemTable] = &[
    &columns::COLUMNS,
    &components::COMPONENTS,
    &imports::IMPORTS,
    &kfl_fields::KFL_FIELDS,
    &segments::SEGMENTS,
    &settings::SETTINGS,
    &tables::TABLES,
];

/// What the rows of system tables are made from.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) tables: &'static [&'static TableDef],
    pub(crate) view: &'a View,
    pub(crate) config: &'a Config,
    pub(crate) options: ScanOptions,
}

/// A table made from the state of the database.
#[derive(Debug)]
pub(crate) struct SystemTable {
    /// Its name within the schema `system`.
    pub(crate) name: &'static str,
    /// What one row is.
    pub(crate) comment: &'static str,
    /// Its columns and rows.
    rows: fn(&Facts<'_>) -> Vec<Column>,
}

/// Name, values, and whether NULL can appear among them.
type Column = (&'static str, ArrayRef, bool);

impl SystemTable {
    /// The table with the rows of now.
    pub(crate) fn provider(&self, facts: &Facts<'_>) -> Result<Arc<dyn TableProvider>> {
        let batch = RecordBatch::try_from_iter_with_nullable((self.rows)(facts))?;
        let described = [("comment".to_owned(), self.comment.to_owned())];
        let schema = Arc::new(Schema::new_with_metadata(batch.schema().fields().clone(), described.into()));
        let batch = batch.with_schema(Arc::clone(&schema))?;
        Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))
    }
}

/// A column of text without NULL.
fn text<T: AsRef<str>>(name: &'static str, values: impl IntoIterator<Item = T>) -> Column {
    let array = arrow::array::StringArray::from_iter_values(values);
    (name, Arc::new(array), false)
}

/// A column of text.
fn optional_text(name: &'static str, values: impl IntoIterator<Item = Option<String>>) -> Column {
    let array: arrow::array::StringArray = values.into_iter().collect();
    (name, Arc::new(array), true)
}

/// A column of counts and sizes without NULL. SQL has no unsigned numbers; nothing here reaches 2^63.
fn count(name: &'static str, values: impl IntoIterator<Item = u64>) -> Column {
    let array = Int64Array::from_iter_values(values.into_iter().map(|v| i64::try_from(v).unwrap_or(i64::MAX)));
    (name, Arc::new(array), false)
}

/// A column of counts and sizes.
fn optional_count(name: &'static str, values: impl IntoIterator<Item = Option<u64>>) -> Column {
    let array: Int64Array = values.into_iter().map(|v| v.map(|v| i64::try_from(v).unwrap_or(i64::MAX))).collect();
    (name, Arc::new(array), true)
}

/// A column of times, ns UTC.
fn time(name: &'static str, values: impl IntoIterator<Item = Option<i64>>) -> Column {
    let array: TimestampNanosecondArray = values.into_iter().collect();
    (name, Arc::new(array.with_timezone("UTC")), true)
}

/// A column of truth values without NULL.
fn boolean(name: &'static str, values: impl IntoIterator<Item = bool>) -> Column {
    let array: arrow::array::BooleanArray = values.into_iter().map(Some).collect();
    (name, Arc::new(array), false)
}

/// Size in bytes of a component of `segment`; 0 without it.
fn component_bytes(segment: &Segment, file: &str) -> u64 {
    segment.meta().components.iter().find(|c| c.file == file).map_or(0, |c| c.size_bytes)
}

/// Size in bytes of the raw log of `segment`; `None` once it has been dropped.
fn raw_bytes(segment: &Segment) -> Option<u64> {
    segment.raw_component().map(|c| c.size_bytes)
}

/// The table whose rows are the packets of the raw log.
const PACKETS: &str = "packets";
