//! KFL v1: what is translated, to what, and what is answered instead.

use super::super::compile;

/// Texts of v1 and their KFL2.
const TRANSLATED: &[(&str, &str)] = &[
    ("http and status_code == 500", "http && status_code == 500"),
    ("http or dns", "http || dns"),
    ("http and response.status == 500", "http && status_code == 500"),
    ("http && response.status == 500", "http && status_code == 500"),
    ("request.path == \"/x\"", "path == \"/x\""),
    ("http and request.path contains \"/x\"", "http && path.contains(\"/x\")"),
    ("http and request.path.startsWith(\"/x\")", "http && path.startsWith(\"/x\")"),
    ("request.method == \"GET\" or request.method == \"HEAD\"", "method == \"GET\" || method == \"HEAD\""),
    ("src.namespace == \"a\" and http", "src.namespace == \"a\" && http"),
    ("elapsedTime > 1000", "elapsed_time > 1000000"),
    ("http and response.latency >= 1.5", "http && elapsed_time >= 1500"),
    ("1000 < elapsedTime", "1000000 < elapsed_time"),
    ("src.pod == \"p\"", "src.pod.name == \"p\""),
    ("dst.svc == \"users\"", "dst.service.name == \"users\""),
    ("src.ns == \"prod\"", "src.pod.namespace == \"prod\""),
    ("protocol.name == \"http\"", "http"),
    ("protocol.name != \"redis\"", "!redis"),
    ("http and request.headers[\"Authorization\"] == \"\"", "http && !(\"authorization\" in request.headers)"),
    ("http and request.headers[\"Authorization\"] != nil", "http && \"authorization\" in request.headers"),
    ("http and request.headers[\"X\"] == \"y\"", "http && request.headers[\"X\"] == \"y\""),
    ("request.query.a == \"1\"", "query_string.a == \"1\""),
    ("request.query.a > 42", "double(query_string.a) > 42.0"),
    ("request.query[\"a\"] == 42", "query_string[\"a\"] == \"42\""),
    ("response.status == r\"4.*\"", "string(status_code).matches(\"4.*\")"),
    ("http and request.path != r\"^/api\"", "http && !path.matches(\"^/api\")"),
    ("response.status == \"500\"", "status_code == 500"),
    ("request.path == nil", "path == \"\""),
    ("response.status != nil", "status_code != 0"),
    ("dst.namespace.exists()", "dst.namespace != \"\""),
    ("request.headers[\"Host\"].exists()", "\"host\" in request.headers"),
    ("http and timestamp >= now()", "http && timestamp >= now()"),
    ("timestamp >= seconds(-5)", "timestamp >= now() - duration(\"5s\")"),
    ("timestamp < hours(-2)", "timestamp < now() - duration(\"7200s\")"),
    ("timestamp > 1635190131000", "timestamp > timestamp(\"2021-10-25T19:28:51Z\")"),
    ("timestamp >= datetime(\"10/19/2021, 6:29:02.593 PM\")", "timestamp >= timestamp(\"2021-10-19T18:29:02.593Z\")"),
    ("https and request.method == \"PUT\"", "tls && http && method == \"PUT\""),
    ("http2 and error", "http2 && error_type != \"\""),
    ("request.body.contains(\"x\") and http", "request.body.contains(\"x\") && http"),
    ("response.bodySize > 1000", "response_body_size > 1000"),
    ("!(http and dns)", "!(http && dns)"),
    // v1 goes from the right, which is what CEL does here.
    ("http or dns and tls", "http || dns && tls"),
    ("(http or dns) and tls", "(http || dns) && tls"),
];

/// Proves what each is in KFL2, that the user is told, and that it compiles.
#[test]
fn what_is_plain_is_translated() {
    for (text, expected) in TRANSLATED {
        let filter = compile(text, 0).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(filter.kfl2, *expected, "{text}");
        assert_eq!(filter.notice.unwrap(), format!("read as KFL v1; in KFL2: {}", filter.kfl2), "{text}");
        let again = compile(&filter.kfl2, 0).unwrap();
        assert_eq!((again.notice, again.expr), (None, filter.expr), "{text}");
    }
}

/// Proves that what is not plain is answered with the nearest KFL2: text, part of the message, part of the hint.
#[test]
fn what_is_not_plain_is_answered() {
    let mixed = "http and dns or ".repeat(100) + "http";
    for (text, message, hint) in [
        (mixed.as_str(), "bind equally", "with parentheses"),
        (
            "http and response.status == 500 or dns",
            "bind equally",
            "write `http && (status_code == 500 || dns)`, as v1 means it, or `http && status_code == 500 || dns`",
        ),
        ("http and limit(100)", "`limit(100)` of KFL v1 has no form", "no part of the filter"),
        ("http and redact(\"request.path\")", "has no form", "does not change rows"),
        ("request.body.json().x == 1 and http", "has no form in KFL2", "request.body.contains"),
        ("timestamp > months(-1)", "has no form", "720h"),
        ("elapsedTime > src.port", "not a plain number of milliseconds", "µs"),
        ("http and r\"x\"", "compared with `==`", "x.matches"),
        (
            "http and status_code == \"5xx\"",
            "read as KFL v1 it is `http && status_code == \"5xx\"` in KFL2, where",
            "a number",
        ),
        ("http and foo.bar == 1", "there is no variable `foo.bar`", ""),
        ("http and", "`and` stands where an operator is missing", "write `&&`"),
    ] {
        let error = compile(text, 0).unwrap_err();
        assert!(error.message.contains(message), "{text}: {error}");
        assert!(error.hint.clone().unwrap_or_default().contains(hint), "{text}: {error}");
    }
}

/// Proves that a fault of KFL2 is told as one where nothing of v1 is in the text: v1 knew no types and would take it.
#[test]
fn plain_kfl2_faults_stay() {
    for text in ["status_code == \"200\"", "postgresql_error_code == 23505", "http && status_code"] {
        assert!(!compile(text, 0).unwrap_err().message.contains("v1"), "{text}");
    }
}
