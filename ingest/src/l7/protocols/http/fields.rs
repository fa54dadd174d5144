//! Header fields and other pairs of texts: a name, a value, in order, names as often as they come.

/// Pairs of texts in one buffer: a message has dozens, and most live only until its row.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Fields {
    text: String,
    /// For each pair, where its name and its value end.
    ends: Vec<(usize, usize)>,
}

impl Fields {
    /// Appends a pair.
    pub(super) fn push(&mut self, name: &str, value: &str) {
        self.text.push_str(name);
        let name_end = self.text.len();
        self.text.push_str(value);
        self.ends.push((name_end, self.text.len()));
    }

    /// Appends a header field as it is on the wire: its name comes out in lower case, and what is no UTF-8 replaced.
    pub(super) fn push_wire(&mut self, name: &[u8], value: &[u8]) {
        let start = self.text.len();
        self.text.push_str(&String::from_utf8_lossy(name));
        if let Some(name) = self.text.get_mut(start..) {
            name.make_ascii_lowercase();
        }
        let name_end = self.text.len();
        self.text.push_str(&String::from_utf8_lossy(value));
        self.ends.push((name_end, self.text.len()));
    }

    /// Lengthens the value of the last pair, if there is one, by a folded line (RFC 9112 section 5.2).
    pub(super) fn fold(&mut self, more: &[u8]) {
        if let Some((_, end)) = self.ends.last_mut() {
            self.text.push(' ');
            self.text.push_str(&String::from_utf8_lossy(more));
            *end = self.text.len();
        }
    }

    /// All pairs.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut start = 0;
        self.ends.iter().map(move |(name_end, end)| {
            let name = self.text.get(start..*name_end).unwrap_or_default();
            start = *end;
            (name, self.text.get(*name_end..*end).unwrap_or_default())
        })
    }

    /// The first value of this name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// Every value of this name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.iter().filter(move |(n, _)| *n == name).map(|(_, value)| value)
    }

    /// Whether a value of this name lists this word, whatever its case (RFC 9110 section 5.6.1).
    pub(super) fn lists(&self, name: &str, word: &str) -> bool {
        self.all(name).flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(word))
    }

    /// The values of this name as one list; `None` without any.
    pub(super) fn joined(&self, name: &str) -> Option<String> {
        let values: Vec<&str> = self.all(name).collect();
        (!values.is_empty()).then(|| values.join(","))
    }

    /// All pairs, for a column.
    pub(super) fn pairs(&self) -> Vec<(&str, &str)> {
        self.iter().collect()
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of memory held.
    pub(super) fn size_bytes(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * size_of::<(usize, usize)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that pairs come out as they went in, in order, and that names and listed words are found in any case.
    #[test]
    fn pairs_come_out_in_order() {
        let mut fields = Fields::default();
        fields.push_wire(b"Via", b"a");
        fields.push_wire(b"VIA", b"b, Close");
        fields.fold(b"c");
        fields.push_wire(b"X\xff", b"\xfe");
        assert_eq!(fields.pairs(), [("via", "a"), ("via", "b, Close c"), ("x\u{fffd}", "\u{fffd}")]);
        assert_eq!((fields.get("via"), fields.joined("via").as_deref()), (Some("a"), Some("a,b, Close c")));
        assert_eq!((fields.lists("via", "B"), fields.lists("via", "Close"), fields.get("none")), (true, false, None));
    }
}
