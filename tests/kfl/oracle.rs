//! The entries of a database as KFL's variables, and what the evaluator says of each.

use std::collections::{BTreeMap, BTreeSet};

use arrow::{
    array::{Array, ArrayRef, AsArray},
    compute::cast,
    datatypes::{DataType, Int64Type, TimestampNanosecondType},
};
use wiretape::{
    engine::{TableDef, table::EntryDef},
    sql::{
        Session,
        kfl::{
            self, Value,
            vocabulary::{self, Var, VarType},
        },
    },
};

use super::{facts, store::TABLES};
use crate::support::store::batches;

/// An entry.
struct Entry {
    table: &'static str,
    kind: &'static str,
    key: i64,
    /// Its variables; those that are not there have their zero.
    variables: BTreeMap<&'static str, Value>,
}

/// All entries.
pub(super) struct Entries(Vec<Entry>);

impl Entries {
    /// Reads every variable of every entry, by plain SQL.
    pub(super) fn all(session: &Session) -> Entries {
        let mut entries = Vec::new();
        for table in TABLES.iter() {
            for entry in table.entries {
                read(session, table, entry, &mut entries);
            }
        }
        Entries(entries)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Those that a filter selects, by kind and key.
    pub(super) fn selected(&self, filter: &str) -> BTreeSet<String> {
        self.holding(filter).map(|entry| format!("{} {}", entry.kind, entry.key)).collect()
    }

    /// Keys of the rows of a table that a filter selects.
    pub(super) fn selected_in(&self, table: &str, filter: &str) -> BTreeSet<String> {
        self.holding(filter).filter(|entry| entry.table == table).map(|entry| entry.key.to_string()).collect()
    }

    /// What is true of an entry of a table, of each in turn.
    pub(super) fn facts_of(&self, table: &str, number: usize) -> Vec<String> {
        let entries: Vec<&Entry> = self.0.iter().filter(|entry| entry.table == table).collect();
        facts::of(&entries[number % entries.len()].variables)
    }

    fn holding(&self, filter: &str) -> impl Iterator<Item = &Entry> {
        let now = 1_800_000_000_000_000_000; // between the times of the rows
        let filter = kfl::compile(filter, now).unwrap_or_else(|e| panic!("{filter}: {e}"));
        self.0.iter().filter(move |entry| {
            let of = |var: &'static Var| entry.variables.get(var.name).cloned().unwrap_or_else(|| var.zero());
            kfl::eval::eval(&filter.expr, &of) == Ok(Value::Bool(true))
        })
    }
}

fn read(session: &Session, table: &'static TableDef, entry: &EntryDef, entries: &mut Vec<Entry>) {
    let names: BTreeSet<&'static str> = table.variables_of(entry).collect();
    let vars: Vec<&'static Var> = names.iter().map(|name| vocabulary::variable(name).unwrap()).collect();
    let columns: Vec<String> =
        vars.iter().map(|var| format!("({})", table.variable(entry, var.name).unwrap())).collect();
    let key = ["call_id", "packet_id", "flow_id"].into_iter().find(|key| table.column(key).is_some()).unwrap();
    let sql = format!("select {key} as key, {} from {} where {}", numbered(&columns), table.name, entry.when);
    for batch in batches(session, &sql).unwrap_or_else(|e| panic!("{sql}: {e:?}")) {
        let keys = cast(batch.column(0), &DataType::Int64).unwrap();
        for row in 0..batch.num_rows() {
            let value = |(at, var): (usize, &&'static Var)| (var.name, value(batch.column(at + 1), row, var));
            entries.push(Entry {
                table: table.name,
                kind: entry.kind,
                key: keys.as_primitive::<Int64Type>().value(row),
                variables: vars.iter().enumerate().map(value).collect(),
            });
        }
    }
}

fn numbered(columns: &[String]) -> String {
    let named = columns.iter().enumerate().map(|(at, sql)| format!("{sql} as v{at}"));
    named.collect::<Vec<_>>().join(", ")
}

fn value(array: &ArrayRef, row: usize, var: &Var) -> Value {
    if array.is_null(row) {
        return var.zero();
    }
    let as_type = |t: DataType| cast(array, &t).unwrap();
    match var.ty {
        VarType::Bool => Value::Bool(array.as_boolean().value(row)),
        VarType::Int => Value::Int(as_type(DataType::Int64).as_primitive::<Int64Type>().value(row)),
        VarType::String => Value::string(as_type(DataType::Utf8).as_string::<i32>().value(row)),
        VarType::Bytes => Value::Bytes(as_type(DataType::Binary).as_binary::<i32>().value(row).into()),
        VarType::Timestamp => Value::Timestamp(array.as_primitive::<TimestampNanosecondType>().value(row)),
        VarType::StringList => {
            let texts = array.as_list::<i32>().value(row);
            Value::List(texts.as_string::<i32>().iter().map(|t| Value::string(t.unwrap())).collect())
        }
        VarType::StringMap => {
            let pairs = array.as_map().value(row);
            let text = |at: usize| {
                pairs.column(at).as_string::<i32>().iter().map(|t| t.unwrap().to_owned()).collect::<Vec<_>>()
            };
            let mut map: Vec<(String, String)> = Vec::new();
            for (key, value) in text(0).into_iter().zip(text(1)) {
                match map.iter_mut().find(|(known, _)| *known == key) {
                    Some((_, before)) => *before = format!("{before}, {value}"),
                    None => map.push((key, value)),
                }
            }
            Value::Map(map.into_iter().map(|(k, v)| (Value::string(k), Value::string(v))).collect())
        }
    }
}
