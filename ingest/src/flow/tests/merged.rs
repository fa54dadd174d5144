//! The rows users see, made of parts by the rules the table declares.

use std::collections::BTreeMap;

use arrow::{
    array::{Array, AsArray},
    compute::cast,
    datatypes::{DataType, Int64Type},
    record_batch::RecordBatch,
};
use wiretape_engine::table::{Kind, Merge};

use crate::tables::FLOWS;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Int(i64),
    Text(String),
}

/// A row by column name; NULLs are absent.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Row(BTreeMap<&'static str, Value>);

impl Row {
    pub(super) fn value(&self, column: &str) -> Option<&Value> {
        assert!(FLOWS.column(column).is_some(), "{column}");
        self.0.get(column)
    }

    #[track_caller]
    pub(super) fn int(&self, column: &str) -> i64 {
        match self.value(column) {
            Some(Value::Int(v)) => *v,
            other => panic!("{column} is {other:?}"),
        }
    }

    pub(super) fn without(&self, column: &str) -> Row {
        let mut row = self.clone();
        row.0.remove(column);
        row
    }

    pub(super) fn text(&self, column: &str) -> Option<&str> {
        self.value(column).map(|v| match v {
            Value::Text(v) => v.as_str(),
            Value::Int(_) => panic!("{column} is a number"),
        })
    }
}

/// Merges the parts in batches, which are in segment order. The result is sorted by flow_id.
pub(super) fn merge(batches: &[RecordBatch]) -> Vec<Row> {
    let mut rows: BTreeMap<i64, Row> = BTreeMap::new();
    for batch in batches {
        let parts = read(batch);
        assert!(parts.is_sorted_by_key(|part| part.int("flow_id")), "sorted by flow_id");
        for part in parts {
            match rows.entry(part.int("flow_id")) {
                std::collections::btree_map::Entry::Vacant(entry) => {
                    entry.insert(part);
                }
                std::collections::btree_map::Entry::Occupied(mut entry) => entry.get_mut().absorb(part),
            }
        }
    }
    rows.into_values().collect()
}

impl Row {
    fn absorb(&mut self, part: Row) {
        for column in FLOWS.columns {
            let Some(new) = part.0.get(column.name) else { continue };
            let merged = match (self.0.get(column.name), new, column.merge) {
                (None, new, Merge::Same) => panic!("{} was NULL, is {new:?}", column.name),
                (Some(old), new, Merge::Same) => {
                    assert_eq!(old, new, "{}", column.name);
                    new.clone()
                }
                (Some(Value::Int(old)), Value::Int(new), rule) => Value::Int(match rule {
                    Merge::Sum => old + new,
                    Merge::Min => *old.min(new),
                    Merge::Max => *old.max(new),
                    Merge::Or => old | new,
                    _ => *new,
                }),
                (_, new, _) => new.clone(),
            };
            self.0.insert(column.name, merged);
        }
    }
}

fn read(batch: &RecordBatch) -> Vec<Row> {
    let mut rows = vec![Row::default(); batch.num_rows()];
    for (column, array) in FLOWS.columns.iter().zip(batch.columns()) {
        let is_text = matches!(column.kind, Kind::Ip | Kind::Mac | Kind::Symbol | Kind::Text);
        let array = cast(array, if is_text { &DataType::Utf8 } else { &DataType::Int64 }).unwrap();
        for (n, row) in rows.iter_mut().enumerate().filter(|(n, _)| array.is_valid(*n)) {
            let value = if is_text {
                Value::Text(array.as_string::<i32>().value(n).to_owned())
            } else {
                Value::Int(array.as_primitive::<Int64Type>().value(n))
            };
            row.0.insert(column.name, value);
        }
    }
    rows
}
