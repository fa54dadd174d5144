//! GraphQL over HTTP (graphql.org's "GraphQL over HTTP", and the GraphQL specification of October 2021, section 2). What is said over
//! WebSocket is in [`super::websocket`].
//!
//! Documents are read by a scanner of our own, one pass without a tree: all that is wanted is whether it is a document, and the
//! name and fields at its top. Parsers of the ecosystem build the whole tree, of many small allocations, for each request.

use serde_json::Value;

use super::{fields::Fields, row::Request, target};
use crate::l7::protocol::{Over, Protocol};

/// What some requests of HTTP are.
pub(crate) static GRAPHQL: Protocol = Protocol::named("graphql", Over::Another, |_, _| false);

/// Top-level fields that a row names; a client's query seldom has ten.
const MAX_FIELDS: usize = 64;

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Operation {
    /// query, mutation or subscription.
    pub(super) operation: &'static str,
    pub(super) name: Option<String>,
    /// Top-level fields, joined by commas; a fragment spread there with its dots.
    pub(super) fields: String,
}

/// What a request asks for, if it is one of GraphQL: by a body in JSON or of a document, by a form, or by its query.
pub(super) fn read(request: &Request, query: Option<&Fields>, body: Option<&str>) -> Option<Operation> {
    let Some(body) = body.filter(|_| request.method == "POST") else {
        return of_parameters(query.filter(|_| matches!(request.method.as_str(), "GET" | "POST"))?);
    };
    match super::row::content_type(&request.said).unwrap_or("application/json") {
        "application/graphql" => document(body, None),
        "application/x-www-form-urlencoded" => of_parameters(&target::query_string(body.trim())),
        kind if kind.ends_with("json") && body.contains("\"query\"") => {
            let json: Value = serde_json::from_str(body).ok()?;
            // A batch is known by its first operation.
            of_json(json.as_array().map_or(Some(&json), |batch| batch.first())?)
        }
        _ => None,
    }
}

fn of_parameters(parameters: &Fields) -> Option<Operation> {
    document(parameters.get("query")?, parameters.get("operationName"))
}

/// What a request in JSON asks for.
pub(super) fn of_json(request: &Value) -> Option<Operation> {
    document(request.get("query")?.as_str()?, request.get("operationName").and_then(Value::as_str))
}

/// The message of the first error that a response tells.
pub(super) fn first_error(body: &str) -> Option<String> {
    if !body.contains("\"errors\"") {
        return None;
    }
    let json: Value = serde_json::from_str(body).ok()?;
    let response = json.as_array().map_or(Some(&json), |batch| batch.first())?;
    message(response.get("errors")?).map(str::to_owned)
}

/// The message of the first of these errors, or of this one.
pub(super) fn message(errors: &Value) -> Option<&str> {
    errors.get(0).unwrap_or(errors).get("message")?.as_str()
}

/// The operation of that name in a document, or its first one. `None` for what is no document that can be executed.
fn document(text: &str, wanted: Option<&str>) -> Option<Operation> {
    let mut tokens = Tokens { rest: text.trim_start_matches('\u{feff}'), ahead: None };
    let mut found: Option<Operation> = None;
    while let Some(token) = tokens.next()? {
        let (operation, name) = match token {
            Token::Mark('{') => {
                tokens.ahead = Some(token);
                (Some("query"), None)
            }
            Token::Name("fragment") => {
                tokens.name()?;
                (tokens.name()? == "on").then_some(())?;
                tokens.name()?;
                (None, None)
            }
            Token::Name(word) => {
                let operation = ["query", "mutation", "subscription"].into_iter().find(|kind| *kind == word)?;
                let name = tokens.take_name()?;
                tokens.skip_arguments()?;
                (Some(operation), name)
            }
            _ => return None,
        };
        tokens.skip_directives()?;
        let fields = tokens.selection_set()?;
        if let Some(operation) = operation
            && (found.is_none() || wanted.is_some() && wanted == name)
        {
            found = Some(Operation { operation, name: name.map(str::to_owned), fields: fields.join(",") });
        }
    }
    found
}

/// A lexical token (section 2.1). Numbers and strings say nothing here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Name(&'a str),
    Mark(char),
    Spread,
    Value,
}

/// The tokens of a document. Functions give `None` for what is no document.
#[derive(Debug)]
struct Tokens<'a> {
    rest: &'a str,
    /// A token that was looked at and not taken.
    ahead: Option<Token<'a>>,
}

impl<'a> Tokens<'a> {
    /// The next token; `Some(None)` at the end.
    fn next(&mut self) -> Option<Option<Token<'a>>> {
        if let Some(token) = self.ahead.take() {
            return Some(Some(token));
        }
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r', ',']);
            match self.rest.strip_prefix('#') {
                Some(comment) => self.rest = comment.trim_start_matches(|c| c != '\n' && c != '\r'),
                None => break,
            }
        }
        let Some(first) = self.rest.chars().next() else { return Some(None) };
        let (token, len) = match first {
            '!' | '$' | '&' | '(' | ')' | ':' | '=' | '@' | '[' | ']' | '{' | '|' | '}' => (Token::Mark(first), 1),
            '.' => (Token::Spread, self.rest.starts_with("...").then_some(3)?),
            '"' => (Token::Value, string_len(self.rest)?),
            '_' | 'a'..='z' | 'A'..='Z' => {
                let len = word_len(self.rest, |c| c.is_ascii_alphanumeric() || c == '_');
                (Token::Name(self.rest.get(..len)?), len)
            }
            '-' | '0'..='9' => (Token::Value, word_len(self.rest, |c| c.is_ascii_alphanumeric() || "+-.".contains(c))),
            _ => return None,
        };
        self.rest = self.rest.get(len..)?;
        Some(Some(token))
    }

    /// Takes this mark if it comes next.
    fn take(&mut self, mark: char) -> Option<bool> {
        self.ahead = self.next()?;
        let is_next = self.ahead == Some(Token::Mark(mark));
        if is_next {
            self.ahead = None;
        }
        Some(is_next)
    }

    /// Takes a name if one comes next.
    fn take_name(&mut self) -> Option<Option<&'a str>> {
        self.ahead = self.next()?;
        let Some(Token::Name(name)) = self.ahead else { return Some(None) };
        self.ahead = None;
        Some(Some(name))
    }

    fn name(&mut self) -> Option<&'a str> {
        self.take_name()?
    }

    /// Passes over arguments or variable definitions, if they come next, with all that is nested in them.
    fn skip_arguments(&mut self) -> Option<()> {
        if !self.take('(')? {
            return Some(());
        }
        let mut depth = 1usize;
        while depth > 0 {
            match self.next()?? {
                Token::Mark('(' | '[' | '{') => depth += 1,
                Token::Mark(')' | ']' | '}') => depth -= 1,
                _ => {}
            }
        }
        Some(())
    }

    fn skip_directives(&mut self) -> Option<()> {
        while self.take('@')? {
            self.name()?;
            self.skip_arguments()?;
        }
        Some(())
    }

    /// Reads a selection set, with all that is nested in it: the names of the fields at its top.
    fn selection_set(&mut self) -> Option<Vec<String>> {
        self.take('{')?.then_some(())?;
        let (mut fields, mut depth, mut just_opened) = (Vec::new(), 1usize, true);
        while depth > 0 {
            let shown = match self.next()?? {
                Token::Mark('}') if !just_opened => {
                    depth -= 1;
                    continue;
                }
                Token::Name(name) => match self.take(':')? {
                    true => self.name()?.to_owned(),
                    false => name.to_owned(),
                },
                Token::Spread => match self.take_name()? {
                    Some("on") => format!("... on {}", self.name()?),
                    Some(name) => format!("...{name}"),
                    None => "...".to_owned(),
                },
                _ => return None,
            };
            if depth == 1 && fields.len() < MAX_FIELDS {
                fields.push(shown);
            }
            self.skip_arguments()?;
            self.skip_directives()?;
            just_opened = self.take('{')?;
            depth += usize::from(just_opened);
        }
        Some(fields)
    }
}

fn word_len(text: &str, is_part: impl Fn(char) -> bool) -> usize {
    text.find(|c| !is_part(c)).unwrap_or(text.len())
}

/// Bytes of the string that begins here, with its quotes (section 2.9.4).
fn string_len(text: &str) -> Option<usize> {
    let (quote, escape) = if text.starts_with("\"\"\"") { ("\"\"\"", "\\\"\"\"") } else { ("\"", "\\") };
    let mut at = quote.len();
    loop {
        let rest = text.get(at..)?;
        if rest.starts_with(escape) {
            // In a block only the quotes are escaped; elsewhere any character is.
            at += if quote.len() == 3 { escape.len() } else { 1 + rest.chars().nth(1)?.len_utf8() };
        } else if rest.starts_with(quote) {
            return Some(at + quote.len());
        } else {
            at += rest.chars().next()?.len_utf8();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::l7::testing::{Talk, select};

    fn operation(text: &str, wanted: Option<&str>) -> Option<(&'static str, String, String)> {
        document(text, wanted).map(|o| (o.operation, o.name.unwrap_or_default(), o.fields))
    }

    /// Proves what is read of documents of every form.
    #[test]
    fn documents_are_read_at_their_top() {
        for (text, operation_name, name, fields) in [
            ("{ me { id name } now }", "query", "", "me,now"),
            (
                "query Q($id: ID! = \"}\", $l: [Int!] = [1, -2.5e3]) @live(a: {b: [1]}) { a: user(id: $id) { id } b }",
                "query",
                "Q",
                "user,b",
            ),
            (
                "mutation M { createUser(input: {name: \"a\\\"b\", tags: [\"x\"]}) @include(if: true) { id } }",
                "mutation",
                "M",
                "createUser",
            ),
            ("# c {\nsubscription { s(x: \"\"\"b \\\"\"\" }\"\"\") }", "subscription", "", "s"),
            (
                "fragment F on User { id }\nquery Q { ...F ... on Query { x } ... @skip(if: false) { y } z }",
                "query",
                "Q",
                "...F,... on Query,...,z",
            ),
            ("\u{feff}query,A,{a}query B{b}", "query", "A", "a"),
        ] {
            let expected = (operation_name, name.to_owned(), fields.to_owned());
            assert_eq!(operation(text, None), Some(expected), "{text}");
        }
        assert_eq!(operation("query A{a} mutation B{b}", Some("B")).map(|(kind, ..)| kind), Some("mutation"));
    }

    /// Proves that what only looks like a document is none, and that nothing nested or cut does harm.
    #[test]
    fn what_is_no_document_is_none() {
        let (deep, open) = (format!("{}{}", "{a".repeat(20_000), "}".repeat(20_000)), "{a(".repeat(20_000));
        assert_eq!(operation(&deep, None).map(|(.., fields)| fields).as_deref(), Some("a"));
        for text in [
            "",
            "up",
            "{job=\"x\"}",
            "{}",
            "{a{}}",
            "{a",
            "a}",
            "query",
            "query Q",
            "SELECT 1",
            "{a} extra",
            "{\"a\": 1}",
            "sum(rate(x[5m]))",
            "type A { b: C }",
            "{a(b: \"}",
            "{..a}",
            "fragment F on A { b }",
            "\u{1F600}",
            &open,
        ] {
            assert_eq!(operation(text, None), None, "{text:.40}");
        }
    }

    fn post(body: &str) -> String {
        let len = body.len();
        format!("POST /graphql HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {len}\r\n\r\n{body}")
    }

    /// Proves that requests of GraphQL are known by what they ask, however they ask it, and what is said of their answers.
    #[test]
    fn requests_are_known_by_what_they_ask() {
        let answer = |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let rows = Talk::tcp(80)
            .client(post(r#"{"query": "query A { me { id } }", "operationName": "A", "variables": {}}"#))
            .server(answer(r#"{"data": {"me": null}, "errors": [{"message": "no user"}, {"message": "x"}]}"#))
            .client(post(r#"[{"query": "mutation { up }"}]"#))
            .server(answer(r#"[{"data": {"up": 1}}]"#))
            .client("GET /graphql?query=%7B+now+%7D HTTP/1.1\r\n\r\n")
            .server(answer("{}"))
            .client("GET /api/v1/query?query=%7Bjob%3D%22x%22%7D HTTP/1.1\r\n\r\n")
            .server(answer("{}"))
            .client(post(r#"{"query": {"match_all": {}}}"#))
            .server(answer("{}"))
            .rows();
        let columns = ["app_proto", "method", "graphql_operation", "graphql_name", "graphql_fields", "graphql_error"];
        let expected = [
            ["graphql", "POST", "query", "A", "me", "no user"],
            ["graphql", "POST", "mutation", "", "up", ""],
            ["graphql", "GET", "query", "", "now", ""],
            ["http", "GET", "", "", "", ""],
            ["http", "POST", "", "", "", ""],
        ];
        assert_eq!(select(&rows, &columns), expected);
    }
}
