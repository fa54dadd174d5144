//! KFL v1, the language before KFL2, which is still in scripts, links and articles: translated where its meaning is
//! plain, and answered with the nearest KFL2 where it is not.
//!
//! A text is read as v1 only when it is no KFL2 and has something of v1 in it: a word for an operator, a field of v1's
//! records, a pattern compared with `==`, one of its helpers. Missing fields are KFL2's: where v1 found a field missing
//! and was false, the translation compares the zero of its type.

mod compare;
mod rewrite;

use super::ast::Span;
use super::error::{Fault, excerpt};
use super::parser;
use super::{Filter, kfl2};

/// Reads a text that is no KFL2 as v1. `None` if it is no v1 either.
pub(super) fn filter(text: &str, now_ns: i64) -> Option<Result<Filter, Fault>> {
    let (expr, words) = parser::parse_v1(text).ok()?;
    let all = Span { start: 0, end: text.len() };
    if words.is_ambiguous {
        let fault =
            Fault::new(all, "`and` and `or` bind equally in KFL v1 and not in KFL2, and here it makes a difference");
        let form = |expr| rewrite::rewrite(expr, text).ok().map(|(expr, _)| expr.to_string());
        return Some(Err(match words.readings.map(|readings| readings.map(form)) {
            Some([Some(v1), Some(cel)]) => fault.hint(format!("write `{v1}`, as v1 means it, or `{cel}`")),
            _ => fault.hint("write `&&` and `||`, with parentheses"),
        }));
    }
    let (expr, has_v1) = match rewrite::rewrite(expr, text) {
        Ok(rewritten) => rewritten,
        Err(fault) => return Some(Err(fault)),
    };
    if !has_v1 && !words.has_words {
        return None;
    }
    let translated = expr.to_string();
    Some(match kfl2(&translated, now_ns) {
        Ok(filter) => {
            let notice = format!("read as KFL v1; in KFL2: {translated}");
            Ok(Filter { notice: Some(notice), ..filter })
        }
        Err(fault) => Err(fault.about(all, |message| {
            let whole = Span { start: 0, end: translated.len() };
            format!("read as KFL v1 it is `{}` in KFL2, where {message}", excerpt(&translated, whole))
        })),
    })
}
