//! Ids of distributed traces that a request carries: W3C Trace Context and B3.

use super::fields::Fields;

/// The trace and the caller's span in it, in lower-case hex.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct TraceIds {
    pub(super) trace_id: Option<String>,
    pub(super) span_id: Option<String>,
}

/// The ids of a request: of traceparent, else of b3, else of X-B3-TraceId and X-B3-SpanId.
pub(super) fn of(fields: &Fields) -> TraceIds {
    let parent = || {
        let mut parts = fields.get("traceparent")?.trim().split('-').skip(1);
        ids(parts.next().filter(|trace| trace.len() == 32), parts.next())
    };
    let b3 = || {
        let mut parts = fields.get("b3")?.trim().split('-');
        ids(parts.next(), parts.next())
    };
    let b3_of_several = || ids(fields.get("x-b3-traceid"), fields.get("x-b3-spanid"));
    parent().or_else(b3).or_else(b3_of_several).unwrap_or_default()
}

fn ids(trace: Option<&str>, span: Option<&str>) -> Option<TraceIds> {
    let trace_id = trace.and_then(|trace| id(trace, &[16, 32]))?;
    Some(TraceIds { trace_id: Some(trace_id), span_id: span.and_then(|span| id(span, &[16])) })
}

/// Hex of one of these lengths, not all zeros.
fn id(text: &str, lengths: &[usize]) -> Option<String> {
    let text = text.trim();
    let is_id =
        lengths.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit()) && text.bytes().any(|b| b != b'0');
    is_id.then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids_of(pairs: &[(&str, &str)]) -> (String, String) {
        let mut fields = Fields::default();
        pairs.iter().for_each(|(name, value)| fields.push(name, value));
        let ids = of(&fields);
        (ids.trace_id.unwrap_or_default(), ids.span_id.unwrap_or_default())
    }

    /// Proves each way to carry ids, and that what is none is not taken for one.
    #[test]
    fn ids_are_found_wherever_they_are_carried() {
        const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
        const SPAN: &str = "00f067aa0ba902b7";
        let both = (TRACE.to_owned(), SPAN.to_owned());
        assert_eq!(ids_of(&[("traceparent", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01")]), both);
        assert_eq!(ids_of(&[("b3", "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1-05e3ac9a4f6e3b90")]), both);
        assert_eq!(ids_of(&[("x-b3-spanid", SPAN), ("x-b3-traceid", TRACE)]), both);
        assert_eq!(ids_of(&[("x-b3-traceid", SPAN)]), (SPAN.to_owned(), String::new()));
        let none = (String::new(), String::new());
        assert_eq!(ids_of(&[("b3", "0")]), none);
        assert_eq!(ids_of(&[("traceparent", "00-00000000000000000000000000000000-00f067aa0ba902b7-01")]), none);
        assert_eq!(ids_of(&[("traceparent", "x")]), none);
    }
}
