//! What a request asks for: path, query, host, and the path's form (RFC 9110 section 7.1, RFC 3986).

use super::fields::Fields;

/// A request's target, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// Host and port, where the target says them: in absolute and authority form.
    pub(super) authority: Option<&'a str>,
    /// Path without query; none in authority form.
    pub(super) path: Option<&'a str>,
    /// Query without the question mark.
    pub(super) query: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// Takes apart the target of a request by this method.
    pub(super) fn of(method: &str, target: &'a str) -> Target<'a> {
        if method == "CONNECT" && !target.starts_with('/') {
            return Target { authority: Some(target), ..Target::default() };
        }
        let scheme_end = target.find("://").filter(|_| !target.starts_with('/'));
        let (authority, rest) = match scheme_end.and_then(|at| target.get(at + 3..)) {
            Some(rest) => {
                let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
                let (authority, rest) = rest.split_at(end);
                let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
                (Some(host), rest)
            }
            None => (None, target),
        };
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
        let path = if path.is_empty() { "/" } else { path };
        Target { authority, path: Some(path), query }
    }
}

/// The host of an authority, without port and without the brackets of an IPv6 address. `None` for an empty one.
pub(super) fn host(authority: &str) -> Option<&str> {
    let authority = authority.trim();
    let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((ip, _)) => ip,
        None => authority.split_once(':').map_or(authority, |(host, _)| host),
    };
    (!host.is_empty()).then_some(host)
}

/// The parameters of a query, percent-decoded.
pub(super) fn query_string(query: &str) -> Fields {
    let mut fields = Fields::default();
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        fields.push(&percent_decoded(name, Plus::IsSpace), &percent_decoded(value, Plus::IsSpace));
    }
    fields
}

/// What a plus stands for: a space in forms and queries only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plus {
    IsPlus,
    IsSpace,
}

/// Text with `%XX` decoded; what is no UTF-8 then is replaced.
pub(super) fn percent_decoded(text: &str, plus: Plus) -> String {
    if !text.contains(['%', '+']) {
        return text.to_owned();
    }
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, after @ ..] = rest {
        let (byte, next) = match (first, after) {
            (b'%', [hi, lo, after @ ..]) => match (hex_digit(*hi), hex_digit(*lo)) {
                (Some(hi), Some(lo)) => (hi << 4 | lo, after),
                _ => (b'%', rest.get(1..).unwrap_or_default()),
            },
            (b'+', _) if plus == Plus::IsSpace => (b' ', after),
            _ => (*first, after),
        };
        bytes.push(byte);
        rest = next;
    }
    String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// A path with what looks like an identifier replaced: `{id}` for numbers, also behind a prefix as in `imsi-208930000000001`,
/// `{uuid}`, and `{hash}` for other long texts of digits and letters.
pub(super) fn path_template(path: &str) -> String {
    let mut template = String::with_capacity(path.len());
    for (n, segment) in path.split('/').enumerate() {
        if n > 0 {
            template.push('/');
        }
        let prefix = segment.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = segment.len() - prefix.len();
        if digits > 0 && prefix.is_empty() {
            template.push_str("{id}");
        } else if is_uuid(segment) {
            template.push_str("{uuid}");
        } else if digits >= MIN_PREFIXED_DIGITS && prefix.ends_with(['-', '_', ':', '.', '~']) {
            template.push_str(prefix);
            template.push_str("{id}");
        } else if is_hash(segment) {
            template.push_str("{hash}");
        } else {
            template.push_str(segment);
        }
    }
    template
}

/// Digits behind a prefix that make an identifier; fewer are a version or a place in a list.
const MIN_PREFIXED_DIGITS: usize = 4;

/// RFC 9562 section 4, with or without its hyphens.
fn is_uuid(segment: &str) -> bool {
    let groups = segment.split('-').map(str::len);
    segment.len() == 36 && groups.eq([8, 4, 4, 4, 12]) && segment.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

/// Hexadecimal of a digest's length or so, or a long token of letters and many digits.
fn is_hash(segment: &str) -> bool {
    let digits = segment.bytes().filter(u8::is_ascii_digit).count();
    let is_hex = segment.bytes().all(|b| b.is_ascii_hexdigit());
    let is_token = segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'='));
    is_hex && segment.len() >= 16 && digits > 0 || is_token && segment.len() >= 20 && digits >= 4
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves each form of a target (RFC 9112 section 3.2).
    #[test]
    fn every_form_of_a_target_is_taken_apart() {
        for (method, target, authority, path, query) in [
            ("GET", "/a/b?x=1?", None, Some("/a/b"), Some("x=1?")),
            ("GET", "http://u:p@h.test:8080/a?b", Some("h.test:8080"), Some("/a"), Some("b")),
            ("GET", "http://h.test?b", Some("h.test"), Some("/"), Some("b")),
            ("GET", "/redirect?to=http://other/", None, Some("/redirect"), Some("to=http://other/")),
            ("CONNECT", "h.test:443", Some("h.test:443"), None, None),
            ("OPTIONS", "*", None, Some("*"), None),
        ] {
            assert_eq!(Target::of(method, target), Target { authority, path, query }, "{target}");
        }
        let hosts = ["a.test:80", "a.test", "[::1]:80", "[::1]", ":80", ""].map(host);
        assert_eq!(hosts, [Some("a.test"), Some("a.test"), Some("::1"), Some("::1"), None, None]);
    }

    /// Proves that parameters are decoded, and that what is no encoding stays.
    #[test]
    fn parameters_are_decoded() {
        let query = query_string("a=1&b=x+y%20z&&c&d=%zz%4&%C3%A9=%ff");
        let expected = [("a", "1"), ("b", "x y z"), ("c", ""), ("d", "%zz%4"), ("é", "\u{fffd}")];
        assert_eq!(query.pairs(), expected);
        assert_eq!(percent_decoded("a+b%2B", Plus::IsPlus), "a+b+");
    }

    /// Proves what looks like an identifier, and what does not.
    #[test]
    fn identifiers_are_replaced() {
        for (path, template) in [
            ("/users/42/orders/7", "/users/{id}/orders/{id}"),
            ("/o/123e4567-e89b-12d3-a456-426614174000", "/o/{uuid}"),
            ("/c/d41d8cd98f00b204e9800998ecf8427e/x.js", "/c/{hash}/x.js"),
            ("/ue/imsi-208930000000001/am-data", "/ue/imsi-{id}/am-data"),
            ("/t/eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9", "/t/{hash}"),
            ("/api/v1/http2/page-12/deadbeefdeadbeef", "/api/v1/http2/page-12/deadbeefdeadbeef"),
            ("/internationalization-of-everything", "/internationalization-of-everything"),
            ("*", "*"),
        ] {
            assert_eq!(path_template(path), template);
        }
    }
}
