//! Cookies (RFC 6265): names and values.

use super::fields::Fields;

/// The cookies that a request sends.
pub(super) fn sent(fields: &Fields) -> Fields {
    let mut cookies = Fields::default();
    for pair in fields.all("cookie").flat_map(|value| value.split(';')) {
        push(&mut cookies, pair);
    }
    cookies
}

/// The cookies that a response sets, without their attributes.
pub(super) fn set(fields: &Fields) -> Fields {
    let mut cookies = Fields::default();
    for value in fields.all("set-cookie") {
        push(&mut cookies, value.split(';').next().unwrap_or_default());
    }
    cookies
}

fn push(cookies: &mut Fields, pair: &str) {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let (name, value) = (name.trim(), value.trim());
    if !name.is_empty() {
        cookies.push(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that cookies of several fields come together, and attributes do not come.
    #[test]
    fn cookies_are_names_and_values() {
        let mut fields = Fields::default();
        for (name, value) in [
            ("cookie", "a=1; b=x=y;; =z"),
            ("cookie", "c"),
            ("set-cookie", "s=1; Path=/; HttpOnly"),
            ("set-cookie", "t=2"),
        ] {
            fields.push(name, value);
        }
        assert_eq!(sent(&fields).pairs(), [("a", "1"), ("b", "x=y"), ("c", "")]);
        assert_eq!(set(&fields).pairs(), [("s", "1"), ("t", "2")]);
    }
}
