//! What expressions evaluate to, errors among it.

use super::super::compile;
use super::super::eval::EvalError;
use super::super::typed::Kind;
use super::super::value::Value;
use super::row::Row;

/// Expressions without variables that are true, by the definition of CEL.
const TRUE: &[&str] = &[
    "1 + 2 * 3 == 7 && (1 + 2) * 3 == 9 && 7 - 2 - 1 == 4",
    "7 / 2 == 3 && -7 / 2 == -3 && -7 % 2 == -1 && 7.0 / 2.0 == 3.5",
    "0x10 == 16 && -0x10 == -16 && 7u % 4u == 3u && 1e3 == 1000.0 && .5 == 0.5",
    "-9223372036854775808 < 9223372036854775807",
    "\"a\" + 'b' == \"ab\" && b\"a\" + b\"b\" == b\"ab\" && [1] + [2] == [1, 2]",
    "\"a\\n\\x41\\u00e9\\101\" == \"a\\nAéA\" && r\"\\n\" == \"\\\\n\" && '''a\nb''' == \"a\\nb\"",
    "b\"\\xff\\377\" == b\"\\xff\\xff\" && size(b\"é\") == 2 && size(\"é\") == 1 && \"né\".size() == 2",
    "\"a\" < \"b\" && \"Z\" < \"a\" && b\"a\" < b\"b\" && false < true && 1u < 2u",
    "1 in [1, 2] && !(3 in [1, 2]) && \"a\" in {\"a\": 1} && !(\"b\" in {\"a\": 1})",
    "{\"a\": 1, \"b\": 2} == {\"b\": 2, \"a\": 1} && {\"a\": 1}[\"a\"] == 1 && {\"a\": 1}.a == 1",
    "[[1], [2]][1][0] == 2 && [] == [] && {} == {} && size([]) == 0 && size({1: 2}) == 1",
    "true || 1 / 0 == 1",
    "1 / 0 == 1 || true",
    "!(false && 1 / 0 == 1) && !(1 / 0 == 1 && false)",
    "true ? true : 1 / 0 == 1",
    "[1, 2, 3].exists(x, x > 2) && [1, 2].all(x, x > 0) && [1, 2].exists_one(x, x == 2)",
    "![1, 1].exists_one(x, x == 1) && [].all(x, x == 1) && ![].exists(x, x == 1)",
    "[0, 1].exists(x, 1 / x == 1) && ![0, 1].all(x, 1 / x == 2)",
    "[1, 2, 3].map(x, x * 2) == [2, 4, 6] && [1, 2, 3].filter(x, x > 1) == [2, 3]",
    "[1, 2, 3].map(x, x > 1, x * 2) == [4, 6] && {\"a\": 1}.map(k, k + k) == [\"aa\"]",
    "[1, 2].map(x, [3, 4].map(y, x * y)) == [[3, 4], [6, 8]]",
    "[1].exists(x, [2].exists(x, x == 2)) && {\"a\": 1}.exists(k, k == \"a\")",
    "has({\"a\": 1}.a) && !has({\"a\": 1}.b)",
    "map_get({\"a\": \"1\"}, \"a\", \"\") == \"1\" && map_get({\"a\": \"1\"}, \"b\", \"2\") == \"2\"",
    "\"abc\".contains(\"b\") && \"abc\".startsWith(\"ab\") && \"abc\".endsWith(\"bc\") && \"\".contains(\"\")",
    "\"foobar\".matches(\"o+b\") && !\"foobar\".matches(\"^o\") && matches(\"a\", \"a\")",
    "\"10.1.2.3\".in_cidr(\"10.0.0.0/8\") && !\"11.1.2.3\".in_cidr(\"10.0.0.0/8\") && !\"x\".in_cidr(\"::/0\")",
    "int(\"-12\") == -12 && int(3.9) == 3 && int(-3.9) == -3 && int(5u) == 5 && uint(5) == 5u && uint(\"7\") == 7u",
    "double(2) == 2.0 && double(\"1.5\") == 1.5 && string(1) == \"1\" && string(1.5) == \"1.5\" && string(true) == \"true\"",
    "bytes(\"é\") == b\"\\xc3\\xa9\" && string(b\"\\xc3\\xa9\") == \"é\" && bool(\"true\") && !bool(\"F\" == \"f\" ? \"t\" : \"f\")",
    "type(1) == int && type(\"\") == string && type([]) == list && type(type(1)) == type && type(dyn(1)) == int",
    "type(now()) == google.protobuf.Timestamp && type(null) == null_type",
    "dyn(1) == 1.0 && dyn(1u) == 1 && dyn(\"1\") != 1 && dyn(9007199254740993) != 9007199254740992.0",
    "timestamp(\"1970-01-01T00:00:00Z\") == timestamp(0) && int(timestamp(\"2009-02-13T23:31:30Z\")) == 1234567890",
    "timestamp(\"2026-03-02T18:00:00+01:00\") == timestamp(\"2026-03-02T17:00:00Z\")",
    "timestamp(\"2026-03-02T17:00:00Z\") + duration(\"1h\") == timestamp(\"2026-03-02T18:00:00Z\")",
    "timestamp(\"2026-03-02T17:00:00Z\") - timestamp(\"2026-03-02T16:59:00Z\") == duration(\"60s\")",
    "duration(\"1h5m10s\") == duration(\"3910s\") && duration(\"1.5ms\") == duration(\"1500us\") && duration(\"-1s\") < duration(\"0\")",
    "duration(\"1m\") + duration(\"1s\") - duration(\"1s\") == duration(\"60s\")",
    "string(timestamp(\"2026-03-02T17:00:00.120Z\")) == \"2026-03-02T17:00:00.12Z\"",
    "string(timestamp(\"2026-03-02T17:00:00Z\")) == \"2026-03-02T17:00:00Z\"",
    "string(duration(\"1h\")) == \"3600s\" && string(duration(\"-1.5s\")) == \"-1.5s\"",
    "timestamp(\"2026-03-02T17:04:05.678Z\").getFullYear() == 2026 && timestamp(\"2026-03-02T17:04:05.678Z\").getMonth() == 2",
    "timestamp(\"2026-03-02T17:04:05.678Z\").getDate() == 2 && timestamp(\"2026-03-02T17:04:05.678Z\").getDayOfMonth() == 1",
    "timestamp(\"2026-03-01T17:04:05.678Z\").getDayOfWeek() == 0 && timestamp(\"2026-01-01T00:00:00Z\").getDayOfYear() == 0",
    "timestamp(\"2026-03-02T17:04:05.678Z\").getHours() == 17 && timestamp(\"2026-03-02T17:04:05.678Z\").getMinutes() == 4",
    "timestamp(\"2026-03-02T17:04:05.678Z\").getSeconds() == 5 && timestamp(\"2026-03-02T17:04:05.678Z\").getMilliseconds() == 678",
    "timestamp(\"2026-07-02T23:30:00Z\").getHours(\"Europe/Berlin\") == 1 && timestamp(\"2026-07-02T23:30:00Z\").getDate(\"Europe/Berlin\") == 3",
    "timestamp(\"2026-01-02T23:30:00Z\").getHours(\"-02:30\") == 21 && timestamp(\"2026-01-02T23:30:00Z\").getHours(\"02:00\") == 1",
    "duration(\"3730s\").getHours() == 1 && duration(\"3730s\").getMinutes() == 62 && duration(\"3730s\").getSeconds() == 3730",
    "duration(\"1.25s\").getMilliseconds() == 250",
    "now() == timestamp(\"1970-01-01T00:00:00Z\") // a comment\n && true # and another",
    ".type(1) == int",
];

/// Expressions that have no value, and why.
const ERRORS: &[(&str, EvalError)] = &[
    ("9223372036854775807 + 1 > 0", EvalError::Overflow),
    ("-9223372036854775808 - 1 > 0", EvalError::Overflow),
    ("9223372036854775807 * 2 > 0", EvalError::Overflow),
    ("-(-9223372036854775808) > 0", EvalError::Overflow),
    ("-9223372036854775808 / -1 > 0", EvalError::Overflow),
    ("0u - 1u > 0u", EvalError::Overflow),
    ("1 / 0 > 0", EvalError::DivisionByZero),
    ("1 % 0 > 0", EvalError::DivisionByZero),
    ("false || 1 / 0 > 0", EvalError::DivisionByZero),
    ("true && 1 / 0 > 0", EvalError::DivisionByZero),
    ("!(1 / 0 > 0)", EvalError::DivisionByZero),
    ("(1 / 0 > 0) ? true : true", EvalError::DivisionByZero),
    ("[0, 1].exists_one(x, 1 / x == 1)", EvalError::DivisionByZero),
    ("{\"a\": 1}[\"b\"] == 1", EvalError::NoSuchKey),
    ("[1][1] == 1", EvalError::NoSuchElement),
    ("[1][-1] == 1", EvalError::NoSuchElement),
    ("{\"a\": 1, \"a\": 2} == {}", EvalError::DuplicateKey),
    ("int(\"x\") == 1", EvalError::NoSuch("whole number")),
    ("int(1e30) == 1", EvalError::Overflow),
    ("uint(-1) == 1u", EvalError::Overflow),
    ("string(b\"\\xff\") == \"\"", EvalError::NoSuch("UTF-8")),
    ("bool(\"yes\")", EvalError::NoSuch("truth value")),
    ("\"a\".matches(\"(\" + \"\")", EvalError::NoSuch("pattern")),
    ("\"a\".in_cidr(\"b\" + \"\")", EvalError::NoSuch("network")),
    ("dyn(1) + dyn(\"a\") == 1", EvalError::WrongType),
    ("dyn(\"a\") && true", EvalError::WrongType),
    ("timestamp(\"2262-01-01T00:00:00Z\") + duration(\"10000h\") > now()", EvalError::Overflow),
];

/// All of them, for others.
pub(super) fn texts() -> impl Iterator<Item = String> {
    TRUE.iter().copied().chain(ERRORS.iter().map(|(text, _)| *text)).map(str::to_owned)
}

/// Proves that each is true, and is so before any row is looked at.
#[test]
fn expressions_have_their_values() {
    for text in TRUE {
        let filter = compile(text, 0).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(Row::default().value(&filter), Ok(Value::Bool(true)), "{text}");
        assert_eq!(filter.expr.kind, Kind::Literal(Value::Bool(true)), "{text}");
    }
}

/// Proves that errors are errors, that folding leaves them, and that `||` and `&&` absorb each of them.
#[test]
fn errors_are_errors_until_they_are_absorbed() {
    for (text, error) in ERRORS {
        let value = |text: &str| {
            let filter = compile(text, 0).unwrap_or_else(|error| panic!("{text}: {error}"));
            Row::default().value(&filter)
        };
        assert_eq!(value(text), Err(error.clone()), "{text}");
        assert_eq!(value(&format!("({text}) || true")), Ok(Value::Bool(true)), "{text}");
        assert_eq!(value(&format!("false && ({text})")), Ok(Value::Bool(false)), "{text}");
    }
}

/// Proves what missing values do: a variable is its zero, a key an error (K07, K13, K87, K99, K100).
#[test]
fn what_is_missing_is_zero_and_a_missing_key_selects_nothing() {
    let other = Row::default().flag("dns");
    assert!(other.is_selected("status_code < 400") && other.is_selected("path != \"/x\""));
    assert!(other.is_selected("!mysql_success") && !other.is_selected("mysql && !mysql_success"));
    assert!(other.is_selected("grpc_status == -1 && size(dns_answers) == 0") && !other.is_selected("grpc_status == 0"));
    let call = Row::default().flag("http").int("elapsed_time", 2_000_000).map("query_string", &[("debug", "true")]);
    let bare = Row::default().flag("http");
    assert!(call.is_selected("http && query_string[\"debug\"] == \"true\""));
    assert!(!bare.is_selected("http && query_string[\"debug\"] == \"true\""));
    assert!(!bare.is_selected("http && response.headers[\"content-type\"].contains(\"json\")"));
    assert!(
        call.is_selected("(http ? elapsed_time : 0) > 1000000")
            && !bare.is_selected("(http ? elapsed_time : 0) > 1000000")
    );
    assert!(bare.is_selected("request.headers[\"x-id\"] == \"7\" || true"));
    assert!(!bare.is_selected("request.headers[\"x-id\"] != \"7\""));
    assert!(bare.is_selected("map_get(request.headers, \"x-id\", \"\") != \"7\""));
}

/// Proves that names of headers are found however they are written, and those of other maps are not.
#[test]
fn header_names_have_no_case() {
    let call =
        Row::default().map("request.headers", &[("authorization", "Basic x")]).map("query_string", &[("a", "1")]);
    for text in [
        "request.headers[\"Authorization\"] == \"Basic x\"",
        "\"AUTHORIZATION\" in request.headers",
        "map_get(request.headers, \"Authorization\", \"\") != \"\"",
        "has(request.headers.Authorization)",
    ] {
        assert!(call.is_selected(text), "{text}");
    }
    assert!(!call.is_selected("\"A\" in query_string"));
}

/// Proves that a filter made to take long, or to grow, ends with an error: the budget holds.
#[test]
fn evaluation_has_a_budget() {
    let list = format!("[{}0]", "0, ".repeat(200));
    let loops = format!("{list}.all(a, {list}.all(b, {list}.all(c, {list}.all(d, a + b + c + d == 0))))");
    let grows = format!("size([\"{}\"]{}) == 1", "x".repeat(1000), ".map(x, x + x)".repeat(40));
    let patterns =
        format!("[\"{}\"].exists(p, {list}.exists(x, {list}.exists(y, \"b\".matches(p + \"\"))))", "a".repeat(3000));
    for text in [loops, grows, patterns] {
        let filter = compile(&text, 0).unwrap();
        assert_eq!(Row::default().value(&filter), Err(EvalError::TooMuch), "{text}");
    }
}
