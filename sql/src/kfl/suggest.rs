//! The nearest right name: by what a wrong one means elsewhere, and by how it is spelled.

use super::renamed;
use super::types::Type;
use super::vocabulary;

/// Names longer than this are no slips of the pen.
const LONGEST: usize = 48;

/// Methods of other languages, and what does it here. `{}` is what stands before the dot.
const METHODS_INSTEAD: &[(&str, &str)] = &[
    ("tolower", "case is ignored by `{}.matches(\"(?i)…\")`"),
    ("lower", "case is ignored by `{}.matches(\"(?i)…\")`"),
    ("lowerascii", "case is ignored by `{}.matches(\"(?i)…\")`"),
    ("toupper", "case is ignored by `{}.matches(\"(?i)…\")`"),
    ("upper", "case is ignored by `{}.matches(\"(?i)…\")`"),
    ("upperascii", "case is ignored by `{}.matches(\"(?i)…\")`"),
    ("length", "write `size({})`"),
    ("len", "write `size({})`"),
    ("count", "write `size({})`"),
    ("includes", "write `{}.contains(\"…\")`"),
    ("has", "write `{}.contains(\"…\")`, or `\"key\" in {}` for a map"),
    ("get", "write `map_get({}, \"key\", \"\")`"),
    ("match", "write `{}.matches(\"…\")`"),
    ("regex", "write `{}.matches(\"…\")`"),
    ("test", "write `{}.matches(\"…\")`"),
    ("like", "write `{}.matches(\"…\")` or `{}.contains(\"…\")`"),
    ("any", "write `{}.exists(v, …)`"),
    ("some", "write `{}.exists(v, …)`"),
    ("every", "write `{}.all(v, …)`"),
    ("existsone", "write `{}.exists_one(v, …)`"),
    ("cidr", "write `{}.in_cidr(\"10.0.0.0/8\")`"),
    ("isincidr", "write `{}.in_cidr(\"10.0.0.0/8\")`"),
    ("containsip", "write `ip.in_cidr(\"10.0.0.0/8\")`"),
    ("split", "write `{}.matches(\"…\")` for a part of a text"),
    ("replace", "write `{}.matches(\"…\")` for a part of a text"),
    ("trim", "write `{}.matches(\"^\\\\s*…\\\\s*$\")`"),
    ("json", "bodies are text: `{}.contains(\"…\")` or `{}.matches(\"…\")`"),
    ("xml", "bodies are text: `{}.contains(\"…\")` or `{}.matches(\"…\")`"),
    ("gethour", "write `{}.getHours()`"),
    ("hour", "write `{}.getHours()`"),
    ("getyear", "write `{}.getFullYear()`"),
    ("year", "write `{}.getFullYear()`"),
    ("getday", "write `{}.getDayOfWeek()` or `{}.getDate()`"),
];

/// Functions of other languages, and what does it here.
const FUNCTIONS_INSTEAD: &[(&str, &str)] = &[
    ("len", "write `size(x)`"),
    ("length", "write `size(x)`"),
    ("count", "write `size(x)` for a list; a filter does not count rows"),
    ("limit", "how many rows come is no part of the filter"),
    ("rlimit", "how many rows come is no part of the filter"),
    ("redact", "a filter does not change rows"),
    ("not", "write `!x`"),
    ("lower", "case is ignored by `x.matches(\"(?i)…\")`"),
    ("upper", "case is ignored by `x.matches(\"(?i)…\")`"),
    ("coalesce", "nothing is missing: write `x == \"\"`, or `map_get(m, \"key\", \"\")` for a key"),
    ("isnull", "nothing is missing: write `x == \"\"`"),
    ("exists", "write `list.exists(v, …)`, or `x != \"\"`"),
    ("cidr", "write `src.ip.in_cidr(\"10.0.0.0/8\")`"),
    ("ip_in_cidr", "write `src.ip.in_cidr(\"10.0.0.0/8\")`"),
    ("ip", "addresses are texts: `src.ip == \"10.0.0.1\"`, `src.ip.in_cidr(\"10.0.0.0/8\")`"),
    ("regexp_like", "write `x.matches(\"…\")`"),
    ("regex", "write `x.matches(\"…\")`"),
    ("datetime", "write `timestamp(\"2026-03-02T17:00:00Z\")`"),
    ("date", "write `timestamp(\"2026-03-02T00:00:00Z\")`"),
    ("time", "write `timestamp(\"2026-03-02T17:00:00Z\")`"),
    ("ago", "write `now() - duration(\"15m\")`"),
    ("interval", "write `duration(\"15m\")`"),
    ("seconds", "write `duration(\"5s\")`"),
    ("minutes", "write `duration(\"5m\")`"),
    ("hours", "write `duration(\"5h\")`"),
    ("days", "write `duration(\"24h\")`"),
    ("float", "write `double(x)`"),
    ("str", "write `string(x)`"),
    ("get", "write `map_get(m, \"key\", \"\")`"),
    ("all", "write `list.all(v, …)`"),
];

/// What to write for a variable that is none.
pub(super) fn variable(path: &str) -> Option<String> {
    let said = |right: &str| format!("write `{right}`");
    if let Some(right) = renamed::v1(path).map(|field| field.kfl2).or_else(|| renamed::elsewhere(path)) {
        return Some(if right.contains('`') { right.to_owned() } else { said(right) });
    }
    let members: Vec<&str> =
        vocabulary::variables().map(|var| var.name).filter(|name| is_member(name, path)).take(6).collect();
    if !members.is_empty() {
        return Some(format!("there is {}", listed(&members)));
    }
    let plain = |name: &str| name.to_ascii_lowercase().replace(['.', '-', '_'], "");
    let wanted = plain(path);
    if let Some(var) = vocabulary::variables().find(|var| plain(var.name) == wanted) {
        return Some(said(var.name));
    }
    nearest(path, vocabulary::variables().map(|var| var.name)).map(|name| format!("did you mean `{name}`?"))
}

/// Whether a name is that of a variable below a path: `src.ip` of `src`.
fn is_member(name: &str, path: &str) -> bool {
    name.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'))
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// What to write for a function that is none.
pub(super) fn function(name: &str, all: &[&'static str]) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    match FUNCTIONS_INSTEAD.iter().find(|(wrong, _)| *wrong == lower) {
        Some((_, right)) => Some((*right).to_owned()),
        None => nearest(name, all.iter().copied()).map(|name| format!("did you mean `{name}()`?")),
    }
}

/// What to write for a method that is none, behind `target`.
pub(super) fn method(name: &str, target: &str, ty: &Type, all: &[&'static str]) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    if lower == "get" && !matches!(ty, Type::Map(..)) {
        return None;
    }
    match METHODS_INSTEAD.iter().find(|(wrong, _)| *wrong == lower) {
        Some((_, right)) => Some(right.replace("{}", target)),
        None => nearest(name, all.iter().copied()).map(|name| format!("did you mean `{name}`?")),
    }
}

/// The name that is spelled most alike, if any is nearly so.
fn nearest(wrong: &str, names: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    if wrong.len() > LONGEST {
        return None;
    }
    let lower = wrong.to_ascii_lowercase();
    let most = (wrong.len() / 4).max(1);
    names
        .map(|name| (distance(lower.as_bytes(), name.to_ascii_lowercase().as_bytes()), name))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Letters to insert, delete, replace or swap with their neighbour (optimal string alignment).
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let cell = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX / 2);
            let mut best =
                (cell(&last, j) + usize::from(from != to)).min(cell(&last, j + 1) + 1).min(cell(&row, j) + 1);
            let is_swap = i > 0 && j > 0 && a.get(i - 1) == Some(to) && b.get(j - 1) == Some(from);
            if is_swap {
                best = best.min(cell(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves the distance: each kind of slip is one.
    #[test]
    fn slips_are_counted() {
        let distance = |a: &str, b: &str| distance(a.as_bytes(), b.as_bytes());
        assert_eq!(distance("status_code", "status_code"), 0);
        assert_eq!(distance("status_cod", "status_code"), 1);
        assert_eq!(distance("statsu_code", "status_code"), 1);
        assert_eq!(distance("stutus_code", "status_code"), 1);
        assert_eq!(distance("", "abc"), 3);
    }

    /// Proves that every right form that is suggested for a variable is one: it parses, and names variables that exist.
    #[test]
    fn right_names_are_right() {
        for right in renamed::all() {
            if !right.contains('`') {
                let text = format!("[{right}] == [{right}]");
                assert!(super::super::compile(&text, 0).is_ok(), "{right}: {:?}", super::super::compile(&text, 0));
            }
        }
    }
}
