//! What SQL statements have in common, whoever is asked.

/// Bytes of a statement that a row keeps.
pub(super) const STATEMENT_BYTES: usize = 64 << 10;

/// Bytes of it that are its call's target: enough to tell it from others. The statement has a column of its own.
pub(super) const TARGET_BYTES: usize = 256;

/// Statements that begin conversations caught midstream.
const VERBS: [&str; 24] = [
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "START",
    "SET",
    "SHOW",
    "CREATE",
    "DROP",
    "ALTER",
    "TRUNCATE",
    "WITH",
    "COPY",
    "EXPLAIN",
    "REPLACE",
    "CALL",
    "LISTEN",
    "DECLARE",
    "FETCH",
    "SAVEPOINT",
    "USE",
];

/// Bytes of a word at most that may be a verb.
const MAX_VERB_BYTES: usize = 20;

/// The first word of a statement, upper-case, behind comments and parentheses.
pub(super) fn verb(statement: &str) -> Option<String> {
    let mut rest = statement;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '(' || c == ';');
        if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/")?.1;
        } else if let Some(comment) = rest.strip_prefix("--").or_else(|| rest.strip_prefix('#')) {
            rest = comment.split_once('\n')?.1;
        } else {
            break;
        }
    }
    let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let word = rest.get(..end).filter(|word| !word.is_empty() && word.len() <= MAX_VERB_BYTES)?;
    Some(word.to_ascii_uppercase())
}

/// Whether bytes are the beginning of a statement, certainly.
pub(super) fn begins(bytes: &[u8]) -> bool {
    let head = bytes.get(..TARGET_BYTES).unwrap_or(bytes);
    verb(&String::from_utf8_lossy(head)).is_some_and(|verb| VERBS.contains(&verb.as_str()))
}

/// Texts by name or number, within limits: prepared statements.
#[derive(Debug)]
pub(super) struct Prepared<K> {
    by_key: hashbrown::HashMap<K, std::sync::Arc<str>>,
    bytes: usize,
}

/// Statements that a connection has prepared at most, and bytes of them. A pool prepares a few hundred; when there are more,
/// those so far are forgotten, and executing them shows no text.
const MAX_PREPARED: usize = 1000;
const MAX_PREPARED_BYTES: usize = 4 << 20;

impl<K> Default for Prepared<K> {
    fn default() -> Self {
        Prepared { by_key: hashbrown::HashMap::new(), bytes: 0 }
    }
}

impl<K: std::hash::Hash + Eq> Prepared<K> {
    /// This key stands for that statement from now on.
    pub(super) fn insert(&mut self, key: K, statement: std::sync::Arc<str>) {
        if self.by_key.len() >= MAX_PREPARED || self.bytes + statement.len() > MAX_PREPARED_BYTES {
            self.by_key.clear();
            self.bytes = 0;
        }
        self.bytes += statement.len();
        if let Some(before) = self.by_key.insert(key, statement) {
            self.bytes -= before.len();
        }
    }

    /// What a key stands for.
    pub(super) fn get<Q: ?Sized + std::hash::Hash + Eq>(&self, key: &Q) -> Option<std::sync::Arc<str>>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.by_key.get(key).cloned()
    }

    /// A key stands for nothing any more.
    pub(super) fn remove<Q: ?Sized + std::hash::Hash + Eq>(&mut self, key: &Q)
    where
        K: std::borrow::Borrow<Q>,
    {
        if let Some(before) = self.by_key.remove(key) {
            self.bytes -= before.len();
        }
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.bytes + self.by_key.capacity() * (size_of::<K>() + size_of::<std::sync::Arc<str>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that the verb is found behind what may stand before it, and that prose has none that is certain.
    #[test]
    fn the_verb_of_a_statement() {
        for (statement, expected) in [
            ("select 1", Some("SELECT")),
            (" /* a */ -- b\n ((Select 1)", Some("SELECT")),
            ("/* never closed", None),
            ("", None),
            ("42", None),
        ] {
            assert_eq!(verb(statement).as_deref(), expected, "{statement}");
        }
        assert!(begins(b"begin") && !begins(b"once upon a time"));
    }

    /// Proves that no number of statements takes more memory than the limits.
    #[test]
    fn prepared_statements_are_bounded() {
        let mut prepared = Prepared::default();
        for n in 0..5000 {
            prepared.insert(n, "x".repeat(10_000).into());
            assert!(prepared.bytes <= MAX_PREPARED_BYTES && prepared.by_key.len() <= MAX_PREPARED);
        }
        prepared.insert(5, "a".into());
        assert_eq!(prepared.get(&5).as_deref(), Some("a"));
        prepared.remove(&5);
        assert_eq!(prepared.get(&5), None);
    }
}
