//! Work shared out among a few threads, each of which has something of its own to do it with.

use std::{
    iter,
    panic::resume_unwind,
    sync::{Mutex, PoisonError},
    thread,
};

/// What `work` makes of each item, in order. Items are begun in order too, each by whichever thread is free; there is a thread for each of
/// `tools`. A panic of `work` goes on here.
pub(crate) fn map<C: Send, T: Send, R: Send>(
    tools: &mut [C],
    items: Vec<T>,
    work: impl Fn(&mut C, T) -> R + Sync,
) -> Vec<R> {
    let queue = Mutex::new(items.into_iter().enumerate());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let all = |tool: &mut C| -> Vec<(usize, R)> {
        iter::from_fn(next).map(|(number, item)| (number, work(tool, item))).collect()
    };
    let mut made: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = tools.iter_mut().map(|tool| scope.spawn(|| all(tool))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    made.sort_unstable_by_key(|(number, _)| *number);
    made.into_iter().map(|(_, result)| result).collect()
}
