//! What can be said of an entry in KFL that is true of it: a filter made of this has something to find.

use std::collections::BTreeMap;

use wiretape::sql::kfl::Value;

/// Said of every variable that is not its zero, in several ways.
pub(super) fn of(variables: &BTreeMap<&'static str, Value>) -> Vec<String> {
    variables.iter().flat_map(|(name, value)| facts(name, value)).collect()
}

fn facts(name: &str, value: &Value) -> Vec<String> {
    match value {
        Value::Bool(true) => vec![name.to_owned(), format!("{name} == true")],
        Value::Int(n) if *n != 0 => vec![
            format!("{name} == {n}"),
            format!("{name} >= {n}"),
            format!("{} < {name}", n - 1),
            format!("{name} in [{n}, -7]"),
            format!("{name} - {n} < 1"),
        ],
        Value::String(text) if !text.is_empty() => of_text(name, text),
        Value::List(elements) => match elements.first() {
            Some(Value::String(first)) => vec![
                format!("{first:?} in {name}"),
                format!("{name}[0] == {first:?}"),
                format!("{name}.exists(x, x == {first:?})"),
                format!("size({name}) == {}", elements.len()),
            ],
            _ => Vec::new(),
        },
        Value::Map(pairs) => match pairs.iter().next() {
            Some((Value::String(key), Value::String(text))) => vec![
                format!("{key:?} in {name}"),
                format!("{name}[{key:?}] == {text:?}"),
                format!("map_get({name}, {key:?}, \"\").contains({text:?})"),
            ],
            _ => Vec::new(),
        },
        Value::Timestamp(ns) => vec![
            format!("{name} >= timestamp({})", ns / 1_000_000_000),
            format!("{name} < timestamp({})", ns / 1_000_000_000 + 1),
        ],
        _ => Vec::new(),
    }
}

fn of_text(name: &str, text: &str) -> Vec<String> {
    let middle = (0..=text.len() / 2).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let (head, tail) = text.split_at(middle);
    let length = text.chars().count();
    vec![
        format!("{name} == {text:?}"),
        format!("{name} in [\"none\", {text:?}]"),
        format!("{name}.startsWith({head:?})"),
        format!("{name}.endsWith({tail:?})"),
        format!("{name}.contains({tail:?})"),
        format!("{name}.matches(\"^.{{{}}}\")", length.min(100)),
        format!("size({name}) == {length}"),
    ]
}
