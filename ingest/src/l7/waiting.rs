//! Requests that wait for their responses.

use std::collections::VecDeque;

/// Requests of one flow, in the order they came, each with a key that its response has too. Where responses come in order the
/// key is `()`.
#[derive(Debug)]
pub(crate) struct Waiting<K, R> {
    queue: VecDeque<(K, R)>,
}

impl<K, R> Default for Waiting<K, R> {
    fn default() -> Self {
        Waiting { queue: VecDeque::new() }
    }
}

impl<K: PartialEq, R> Waiting<K, R> {
    /// A request waits. If more than `limit` do then, the one that has waited longest is given up and returned.
    pub(crate) fn ask(&mut self, key: K, request: R, limit: usize) -> Option<R> {
        self.queue.push_back((key, request));
        if self.queue.len() > limit { self.take() } else { None }
    }

    /// The oldest request with this key, which waits no longer.
    pub(crate) fn answer(&mut self, key: &K) -> Option<R> {
        let at = self.queue.iter().position(|(k, _)| k == key)?;
        self.queue.remove(at).map(|(_, request)| request)
    }

    /// The oldest request with this key, which goes on waiting.
    pub(crate) fn find(&mut self, key: &K) -> Option<&mut R> {
        self.queue.iter_mut().find(|(k, _)| k == key).map(|(_, request)| request)
    }

    /// The oldest request of this kind, which waits no longer.
    pub(crate) fn take_if(&mut self, is: impl Fn(&R) -> bool) -> Option<R> {
        let at = self.queue.iter().position(|(_, request)| is(request))?;
        self.queue.remove(at).map(|(_, request)| request)
    }

    /// All requests, which go on waiting.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut R> {
        self.queue.iter_mut().map(|(_, request)| request)
    }

    /// Whether a request with this key waits.
    pub(crate) fn has(&self, key: &K) -> bool {
        self.queue.iter().any(|(k, _)| k == key)
    }

    /// The oldest request, which waits no longer.
    pub(crate) fn take(&mut self) -> Option<R> {
        self.queue.pop_front().map(|(_, request)| request)
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Bytes of memory that keys point to, `each` of them by one.
    pub(crate) fn keys_size_bytes(&self, each: impl Fn(&K) -> usize) -> usize {
        self.queue.iter().map(|(key, _)| each(key)).sum()
    }

    /// Bytes of memory held, `each` of them by what a request points to.
    pub(crate) fn size_bytes(&self, each: impl Fn(&R) -> usize) -> usize {
        self.queue.iter().map(|(_, request)| size_of::<(K, R)>() + each(request)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that answers find their requests in any order, oldest first among equals, and that the queue is bounded.
    #[test]
    fn answers_find_their_requests() {
        let mut waiting = Waiting::default();
        for (key, request) in [(1, "a"), (2, "b"), (1, "c")] {
            assert_eq!(waiting.ask(key, request, 3), None);
        }
        assert_eq!(waiting.ask(3, "d", 3), Some("a"), "the oldest makes room");
        assert_eq!((waiting.has(&3), waiting.has(&4)), (true, false));
        assert_eq!(waiting.find(&2), Some(&mut "b"));
        assert_eq!([waiting.answer(&1), waiting.answer(&1), waiting.answer(&3)], [Some("c"), None, Some("d")]);
        waiting.iter_mut().for_each(|request| *request = "e");
        waiting.ask(4, "f", 3);
        assert_eq!([waiting.take_if(|r| *r == "f"), waiting.take_if(|r| *r == "b")], [Some("f"), None]);
        waiting.iter_mut().for_each(|request| *request = "b");
        assert_eq!((waiting.take(), waiting.take(), waiting.is_empty()), (Some("b"), None, true));
    }
}
