//! Wrong filters and what is said to them: where, what, and the nearest right form.

use super::super::compile;

/// Text, column, part of the message, part of the hint; an empty hint means that there is none.
const WRONG: &[(&str, usize, &str, &str)] = &[
    // The negative cases of Kubeshark's texts; K96 and K97 are KFL v1, which is translated (tests/v1.rs).
    ("status_code == \"200\"", 1, "`status_code` is an int and `\"200\"` is a string", "write `status_code == 200`"),
    ("elapsed_time > \"5s\"", 1, "`elapsed_time` is an int", "write `elapsed_time > 5000000`"),
    (
        "timestamp > \"2026-03-02T17:00:00Z\"",
        1,
        "a timestamp and",
        "write `timestamp > timestamp(\"2026-03-02T17:00:00Z\")`",
    ),
    (
        "dns_questions.contains(\"x\")",
        15,
        "`dns_questions` is a list(string) and has no `contains`",
        "`\"x\" in dns_questions`",
    ),
    (
        "postgresql_error_code == 23505",
        1,
        "is a string and `23505` is an int",
        "write `postgresql_error_code == \"23505\"`",
    ),
    ("http && status_code", 9, "`status_code` is an int, and `&&` joins a bool", "`status_code != 0`"),
    // Names.
    ("statuscode == 200", 1, "there is no variable `statuscode`", "write `status_code`"),
    ("status_cod == 200", 1, "there is no variable `status_cod`", "did you mean `status_code`?"),
    ("http && src_ip == \"10.0.0.1\"", 9, "there is no variable `src_ip`", "write `src.ip`"),
    ("dst_port == 80", 1, "there is no variable `dst_port`", "write `dst.port`"),
    ("host == \"a\"", 1, "there is no variable `host`", "write `http_host`"),
    ("http.response.code == 200", 1, "`http` is a bool and has no `response`", "write `status_code`"),
    ("ip.addr == \"10.0.0.1\"", 1, "there is no variable `ip.addr`", "write `src.ip == \"…\" || dst.ip == \"…\"`"),
    ("src == \"10.0.0.1\"", 1, "there is no variable `src`", "`src.ip`, `src.port`"),
    ("src.pod.nam == \"x\"", 1, "there is no variable `src.pod.nam`", "did you mean `src.pod.name`?"),
    ("namespace == \"prod\"", 1, "`namespace` is a reserved word", "`\"…\" in namespaces`"),
    ("HTTP", 1, "there is no variable `HTTP`", "write `http`"),
    ("postgres", 1, "there is no variable `postgres`", "write `postgresql`"),
    ("http == True", 9, "there is no variable `True`", "write `true`"),
    ("zebra", 1, "there is no variable `zebra`", ""),
    // Types.
    ("status_code", 1, "`status_code` is an int, and a filter is a bool", "`status_code != 0`"),
    ("path", 1, "`path` is a string, and a filter is a bool", "`path != \"\"`"),
    ("dns_questions || http", 1, "`||` joins a bool", "`size(dns_questions) > 0`"),
    ("!path", 2, "`path` is a string, and `!` wants a bool", "`path != \"\"`"),
    ("http == 1", 1, "`http` is a bool and `1` is an int", "write `http` or `!http`"),
    ("path == null", 1, "`path` is a string and `null` is a null_type", "nothing is null: write `path == \"\"`"),
    ("elapsed_time > 1.5", 1, "is an int and `1.5` is a double", "write `double(elapsed_time) > 1.5`"),
    ("elapsed_time > 1e6", 1, "is an int and `1e6` is a double", "write `elapsed_time > 1000000`"),
    ("status_code == 200u", 1, "is an int and `200u` is a uint", "write `status_code == 200`"),
    ("timestamp > now() - 900", 13, "`now()` is a timestamp and `900` is an int", "write `now() - duration(\"900s\")`"),
    (
        "timestamp - elapsed_time > now()",
        1,
        "is a timestamp and `elapsed_time` is an int",
        "write `timestamp - duration(string(elapsed_time) + \"us\")`",
    ),
    ("timestamp > duration(\"5m\")", 1, "a timestamp and", "write `timestamp > now() - duration(\"5m\")`"),
    ("timestamp > 1772470800", 1, "is a timestamp and", "a time is `timestamp(\"2026-03-02T17:00:00Z\")`"),
    ("dns_questions == \"x\"", 1, "is a list(string) and", "write `\"x\" in dns_questions`"),
    ("request.headers == \"x\"", 1, "is a map(string, string) and", "request.headers[\"key\"] == \"x\""),
    ("path in \"/a\"", 9, "`\"/a\"` is a string, and `in` wants a list or a map", "write `path in [\"/a\"]`"),
    ("src.ip in \"10.0.0.0/8\"", 11, "`in` wants a list or a map", "write `src.ip.in_cidr(\"10.0.0.0/8\")`"),
    (
        "status_code in [\"200\", \"201\"]",
        1,
        "`status_code` is an int, and `[\"200\", \"201\"]` holds string",
        "drop the quotes",
    ),
    ("status_code in [200, \"201\"]", 22, "a list holds one type: `\"201\"` is a string, the others are int", ""),
    ("(http ? 1 : \"a\") == 1", 13, "both arms of `?` have one type", ""),
    (
        "path + status_code == \"a\"",
        1,
        "`path` is a string and `status_code` is an int",
        "write `path + string(status_code)`",
    ),
    ("-path == \"a\"", 2, "`path` is a string, and `-` wants int or double", ""),
    ("dns_questions > 3", 1, "has no order for `>`", "`size(dns_questions)`"),
    ("dns_questions[\"x\"] == \"a\"", 15, "is a string and no key of `dns_questions`", "`\"x\" in dns_questions`"),
    ("path[0] == \"/\"", 1, "`path` is a string and has no elements", ""),
    // Functions, methods and macros.
    ("path.toLower() == \"/x\"", 6, "there is no method `toLower`", "`path.matches(\"(?i)…\")`"),
    ("path.startswith(\"/x\")", 6, "there is no method `startswith`", "did you mean `startsWith`?"),
    ("contains(path, \"/x\")", 1, "there is no function `contains`", "`path.contains(\"/x\")`"),
    ("len(path) > 3", 1, "there is no function `len`", "write `size(x)`"),
    ("path.contains(200)", 15, "`200` is an int, and `contains` wants a string", "`\"200\"`"),
    ("path.contains()", 6, "`contains` wants 1 argument and has 0", ""),
    ("path.matches(\"(a\")", 14, "unclosed group", "RE2"),
    ("path.matches(\"(?=a)\")", 14, "RE2 has no `(?=a`", "RE2"),
    ("src.ip.in_cidr(\"10.0.0.0/33\")", 16, "`10.0.0.0/33` is no network", "`10.0.0.0/8`"),
    (
        "map_get(request.headers, \"host\") == \"a\"",
        1,
        "`map_get` wants a map, a key and",
        "map_get(request.headers, \"host\", \"\")",
    ),
    ("timestamp > timestamp(\"2026-03-02\")", 23, "`2026-03-02` is no time", "timestamp(\"2026-03-02T00:00:00Z\")"),
    ("timestamp > now() - duration(\"1d\")", 30, "`1d` is no span of time", "a day is `24h`"),
    ("timestamp.getHours(\"Mars/Base\") > 1", 20, "there is no time zone `Mars/Base`", "Europe/Berlin"),
    ("dns_questions.exists(\"q\", true)", 22, "`\"q\"` is no name for an element", "exists(v, …)"),
    ("dns_questions.exists(q, size(q))", 25, "`exists` asks of each element a bool", "`size(q) != 0`"),
    ("has(src.pod.name)", 5, "`src.pod.name` is a variable and always there", "`src.pod.name != \"\"`"),
    ("has(request.headers[\"a\"])", 5, "`has` wants a key of a map", "`\"a\" in request.headers`"),
    (
        "datetime(\"2026-03-02\") < timestamp",
        1,
        "what `datetime(\"2026-03-02\")` asks is not clear",
        "timestamp(\"2026-03-02T17:00:00Z\")",
    ),
    // Text.
    ("status_code = 200", 13, "`=` has no meaning here", "write `==`"),
    ("http & dns", 6, "`&` has no meaning here", "write `&&`"),
    ("http AND dns", 6, "`AND` stands where an operator is missing", "write `&&`"),
    ("path like \"/x\"", 6, "`like` stands where an operator is missing", "matches"),
    ("not http", 5, "`http` stands where an operator is missing", ""),
    ("path == \"abc", 9, "the text in quotes does not end", "close it with `\"`"),
    ("path == \"\\d\"", 10, "`\\d` stands for nothing", "r\"…\""),
    ("path == \u{201c}a\u{201d}", 9, "has no meaning here", "quotes are straight"),
    ("src.ip == 10.0.0.1", 11, "`10.0.0.1` is no number", "`\"10.0.0.1\"`"),
    ("elapsed_time > 5s", 16, "`5s` is no number", "duration(\"5s\")"),
    ("(http", 6, "the filter ends where `)` is missing", ""),
    ("http)", 5, "`)` closes nothing", ""),
    ("http &&", 8, "the filter ends where a value is missing", ""),
    ("http\n  && dst.prot == 80", 6, "there is no variable `dst.prot`", "did you mean `dst.port`?"),
    ("status_code == 99999999999999999999", 16, "does not fit in 64 bits", ""),
    ("package == 1", 1, "`package` is a reserved word", ""),
    ("src.ip {a: 1}", 8, "there are no messages to make", "a map is"),
];

/// Proves that each of them is refused with its place, the reason and the nearest right form.
#[test]
fn wrong_filters_are_told_what_is_right() {
    assert!(WRONG.len() >= 60);
    let mut wrong = Vec::new();
    for (text, column, message, hint) in WRONG {
        let error = compile(text, 0).map(|filter| filter.kfl2).expect_err(text);
        let said = error.hint.clone().unwrap_or_default();
        let is_told = error.message.contains(message) && said.contains(hint) && said.is_empty() == hint.is_empty();
        if !is_told || error.column != *column || text.get(error.span.start..error.span.end).is_none() {
            wrong.push(format!("{text}: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Proves that lines are counted, and that the text of an error is whole.
#[test]
fn errors_say_line_and_column() {
    let error = compile("http &&\n  status_code == \"x\"", 0).unwrap_err();
    assert_eq!((error.line, error.column), (2, 3));
    assert_eq!(
        error.to_string(),
        "line 2, column 3: `status_code` is an int and `\"x\"` is a string, which `==` does not take together \
         (`status_code` is a number)"
    );
}

/// Proves that nothing that is long or deep makes it panic, hang or run out of stack: it is read or refused.
#[test]
fn long_and_deep_texts_end() {
    let deep = 100_000;
    let texts = [
        ("x".repeat(1 << 20), false),
        ("(".repeat(deep), false),
        ("(".repeat(20_000), false),
        ("[".repeat(20_000), false),
        ("{".repeat(20_000), false),
        ("!".repeat(60_000) + "http", false),
        ("-".repeat(60_000) + "1", false),
        ("a.".repeat(30_000) + "a", false),
        ("a?".repeat(30_000), false),
        ("a?b:".repeat(15_000) + "c", false),
        ("1+".repeat(30_000) + "1 > 0", false),
        ("size(".repeat(12_000), false),
        ("x.exists(v,".repeat(5_000), false),
        ("\"".repeat(60_000), false),
        ("\\".repeat(60_000), false),
        ("http and ".repeat(7_000) + "http", true),
        ("http and dns or ".repeat(4_000) + "http", false),
        ("http && ".repeat(8_000) + "http", true),
        (r"path.matches('\pL{3}') || ".repeat(2_000) + "http", false),
        ("(".repeat(100) + &r"path.matches('\pL{3}') or ".repeat(1_500) + "http" + &")".repeat(100), false),
        ("http || dns && ".repeat(4_000) + "http", true),
        (format!("status_code in [{}1]", "1,".repeat(30_000)), true),
        (format!("{}http{}", "(".repeat(127), ")".repeat(127)), true),
        (format!("{}http{}", "(".repeat(128), ")".repeat(128)), false),
        (format!("{}http", "!".repeat(127)), true),
        (format!("{}http", "!".repeat(128)), false),
    ];
    for (text, is_read) in texts {
        let begin: String = text.chars().take(20).collect();
        assert_eq!(compile(&text, 0).map(|_| ()).map_err(|error| error.message).is_ok(), is_read, "{begin}…");
    }
}

/// Proves that what CEL asks of every implementation fits: 32 terms of chains, 24 of sums, 12 levels of nesting.
#[test]
fn the_least_that_cel_asks_fits() {
    let times = |text: &str, count: usize| text.repeat(count);
    for text in [
        times("http ? true : ", 32) + "false",
        times("http && ", 32) + "http",
        times("http || ", 32) + "http",
        times("1 + ", 24) + "1 > 0",
        times("2 * ", 24) + "1 > 0",
        times("!", 12) + "http",
        times("-", 12) + "src.port > 0",
        times("[", 12) + "1" + &times("]", 12) + &times("[0]", 12) + " == 1",
        times("size(string(", 12) + "1" + &times("))", 12) + " > 0",
        format!("1 in [{}1]", times("1, ", 32)),
        format!("1 in {{{}32: 1}}", (0..32).map(|key| format!("{key}: 1, ")).collect::<String>()),
    ] {
        assert!(compile(&text, 0).is_ok(), "{text}: {:?}", compile(&text, 0));
    }
}
