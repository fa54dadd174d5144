//! Held against CEL of others: the crate `cel`, which reads the same grammar and evaluates with types known late.
//!
//! Known differences, which the tests leave out or allow for:
//! - `cel` knows no flat dotted variables: they are maps within maps there.
//! - Types that do not fit are faults of the text here and errors of the row there.
//! - Macros are expanded by its parser, so that a wrong count of their arguments is a fault of its grammar.
//! - Times are not compared: its support would bring features of chrono that this workspace does not build.

use std::collections::HashMap;
use std::sync::Arc;

use cel::objects::{Key, Map};
use cel::{Context, Program, Value as CelValue};

use super::super::eval::EvalError;
use super::super::value::Value;
use super::super::{compile, parser, vocabulary};
use super::generator::Generator;
use super::known::KNOWN;
use super::roundtrip::rows;
use super::row::Row;

fn converted(value: &Value) -> CelValue {
    match value {
        Value::Bool(value) => CelValue::Bool(*value),
        Value::Int(value) => CelValue::Int(*value),
        Value::String(text) => CelValue::String(Arc::new(text.to_string())),
        Value::Bytes(bytes) => CelValue::Bytes(Arc::new(bytes.to_vec())),
        Value::List(elements) => CelValue::List(Arc::new(elements.iter().map(converted).collect())),
        Value::Map(entries) => {
            let entries = entries.iter().map(|(key, value)| match key {
                Value::String(key) => (Key::String(Arc::new(key.to_string())), converted(value)),
                other => panic!("no key: {other:?}"),
            });
            CelValue::Map(Map { map: Arc::new(entries.collect()) })
        }
        other => panic!("no variable has it: {other:?}"),
    }
}

/// Maps within maps, by the parts of dotted names.
#[derive(Default)]
struct Tree {
    value: Option<CelValue>,
    children: HashMap<&'static str, Tree>,
}

impl Tree {
    fn into_value(self) -> CelValue {
        self.value.unwrap_or_else(|| {
            let entries = self.children.into_iter();
            let entries = entries.map(|(name, tree)| (Key::String(Arc::new(name.to_owned())), tree.into_value()));
            CelValue::Map(Map { map: Arc::new(entries.collect()) })
        })
    }
}

fn context(row: &Row) -> Context<'static, 'static> {
    let mut root = Tree::default();
    for var in vocabulary::variables().filter(|var| var.ty != vocabulary::VarType::Timestamp) {
        let value = row.0.get(var.name).cloned().unwrap_or_else(|| var.zero());
        let place = var.name.split('.').fold(&mut root, |tree, part| tree.children.entry(part).or_default());
        place.value = Some(converted(&value));
    }
    let mut context = Context::default();
    for (name, tree) in root.children {
        context.add_variable_from_value(name, tree.into_value());
    }
    context
}

/// Texts with one thing of the grammar each, right and wrong.
const WRITTEN: &[&str] = &[
    "a",
    "a.b.c",
    ".a",
    "a[0]",
    "a.b()",
    "a(b, c)",
    "[1, 2,]",
    "[]",
    "{}",
    "{'a': 1,}",
    "a ? b : c ? d : e",
    "!!a",
    "--a",
    "-1",
    "- 1",
    "a - -1",
    "1.5e3",
    ".5",
    "1.",
    "1e",
    "0x",
    "0xF",
    "1u",
    "'a'",
    "\"\"\"a\nb\"\"\"",
    "'a\nb'",
    "r'\\'",
    "b'\\xff'",
    "'\\q'",
    "'\\u12'",
    "a && b || c && d",
    "a == b == c",
    "a in b in c",
    "a.in",
    "a.package",
    "package",
    "a b",
    "a &&",
    "(a",
    "a)",
    "[a",
    "{a}",
    "{a: }",
    "a ? b",
    "a ? b :",
    "f(,)",
    "f(a,)",
    "a..b",
    "a.1",
    "1.a",
    "// c\na",
    "a // c",
    "!-a",
    "-!a",
    "a = b",
    "a & b",
    "true.a",
    "null",
    "in",
    "a.true",
];

/// Proves that both accept and refuse the same texts: filters of people, hand-written ones, and tokens in any order.
#[test]
fn the_grammar_is_that_of_cel() {
    let mut generator = Generator::new();
    let known = KNOWN.iter().map(|(_, text)| (*text).to_owned()).filter(|text| !text.is_empty());
    let soups = (0..4000).map(|_| generator.soup()).collect::<Vec<_>>();
    let mut differ = Vec::new();
    for text in known.chain(soups).chain(WRITTEN.iter().map(|text| (*text).to_owned())) {
        if parser::parse(&text).is_ok() != Program::compile(&text).is_ok() {
            differ.push(format!("{text}   ours: {}", parser::parse(&text).is_ok()));
        }
    }
    assert!(differ.is_empty(), "{} differ:\n{}", differ.len(), differ.join("\n"));
}

/// Proves that values and errors are the same on rows of every kind.
#[test]
fn values_are_those_of_cel() {
    let rows = rows().map(|row| (context(&row), row));
    let mut generator = Generator::new();
    let (mut differ, mut selected, mut failed) = (Vec::new(), 0, 0);
    for _ in 0..2000 {
        let text = generator.bool(3);
        let (filter, program) = (compile(&text, 0).unwrap(), Program::compile(&text).unwrap());
        for (at, (context, row)) in rows.iter().enumerate() {
            let ours = row.value(&filter);
            let theirs = program.execute(context);
            selected += usize::from(ours == Ok(Value::Bool(true)));
            failed += usize::from(ours.is_err());
            let is_same = match (&ours, &theirs) {
                (Ok(Value::Bool(ours)), Ok(CelValue::Bool(theirs))) => ours == theirs,
                (Err(error), Err(_)) => *error != EvalError::TooMuch,
                _ => false,
            };
            if !is_same {
                differ.push(format!("row {at}: {text}\n   ours {ours:?}, theirs {theirs:?}"));
            }
        }
    }
    assert!(selected > 300 && failed > 300, "{selected} selected, {failed} failed");
    assert!(differ.is_empty(), "{} differ:\n{}", differ.len(), differ[..differ.len().min(12)].join("\n"));
}
