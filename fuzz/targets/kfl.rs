//! Any text as a KFL filter: an error stands within the text, and what is understood has a value for every row, soon, the same
//! whether it was folded or translated before.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wiretape_fuzz::{
    kfl::{self, Filter, Value, eval::EvalError, vocabulary::VarType},
    seeds,
};

/// Longest message or hint in bytes: a thousand characters.
const LONGEST_SAID: usize = 4010;

fuzz_target!(init: seeds::write(seeds::kfl), |data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match kfl::compile(text, 0) {
        Ok(filter) => check(text, &filter),
        Err(error) => {
            assert!(text.get(error.span.start..error.span.end).is_some(), "{error:?}");
            assert!(error.line > 0 && error.column > 0 && !error.message.is_empty());
            assert!(error.message.len() <= LONGEST_SAID && error.hint.is_none_or(|hint| hint.len() <= LONGEST_SAID));
        }
    }
});

fn check(text: &str, filter: &Filter) {
    assert!(filter.notice.is_some() || filter.kfl2 == text || filter.kfl2 == "true");
    let again = kfl::compile(&filter.kfl2, 0).expect("a filter in KFL2 is KFL2");
    assert_eq!(again.notice, None);
    assert_eq!(format!("{:?}", again.expr), format!("{:?}", filter.expr));
    for is_bare in [true, false] {
        let value = value(text, filter, is_bare);
        assert!(matches!(value, Ok(Value::Bool(_)) | Err(_)) || filter.expr.ty == kfl::Type::Dyn, "{value:?}");
        assert_eq!(value, self::value(text, &again, is_bare));
    }
}

/// The value for a row of zeros, or for one whose texts are pieces of the filter.
fn value(text: &str, filter: &Filter, is_bare: bool) -> Result<Value, EvalError> {
    let piece = |at: usize| Value::string(text.split('"').nth(at).unwrap_or_default());
    kfl::eval::eval(&filter.expr, &|var| match var.ty {
        _ if is_bare => var.zero(),
        VarType::Bool => Value::Bool(true),
        VarType::Int | VarType::Timestamp => var.zero(),
        VarType::String => piece(1),
        VarType::Bytes => Value::Bytes(text.as_bytes().into()),
        VarType::StringList => Value::List([piece(1), piece(3), Value::string("")].into()),
        VarType::StringMap => Value::Map([(piece(1), piece(3))].into()),
    })
}
