//! Standard input that Ctrl-C ends: a read of a pipe that nobody writes to never returns, so a thread reads, and who
//! waits for it looks at the wish to stop now and then. The thread ends with the input or with the process.

use std::{
    io::{self, ErrorKind, Read},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    time::Duration,
};

/// Bytes of one read: what a pipe holds.
const CHUNK_BYTES: usize = 64 << 10;
/// Chunks read ahead: the writer and the import go on while the other pauses.
const CHUNKS_AHEAD: usize = 16;
/// How long a wish to stop may go unseen.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A reader that fails once `stop` is set.
#[derive(Debug)]
pub(super) struct Stoppable {
    chunks: Receiver<io::Result<Vec<u8>>>,
    /// What was received and not yet read.
    chunk: io::Cursor<Vec<u8>>,
    stop: &'static AtomicBool,
}

impl Stoppable {
    /// Reads `input` on a thread of its own.
    pub(super) fn new(input: impl Read + Send + 'static, stop: &'static AtomicBool) -> Stoppable {
        let (sender, chunks) = sync_channel(CHUNKS_AHEAD);
        std::thread::spawn(move || read_all(input, &sender));
        Stoppable { chunks, chunk: io::Cursor::default(), stop }
    }
}

/// Until the end, a failure, or until nobody wants more. An empty chunk is the end.
fn read_all(mut input: impl Read, sender: &SyncSender<io::Result<Vec<u8>>>) {
    loop {
        let mut chunk = vec![0; CHUNK_BYTES];
        let read = match input.read(&mut chunk) {
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            read => read,
        };
        let more = matches!(read, Ok(1..));
        let chunk = read.map(|len| {
            chunk.truncate(len);
            chunk
        });
        if sender.send(chunk).is_err() || !more {
            return;
        }
    }
}

impl Read for Stoppable {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let len = self.chunk.read(out)?;
            if len > 0 || out.is_empty() {
                return Ok(len);
            }
            if self.stop.load(Ordering::Relaxed) {
                return Err(io::Error::other("stopped"));
            }
            match self.chunks.recv_timeout(LOOK_EVERY) {
                Ok(chunk) => {
                    let chunk = chunk?;
                    if chunk.is_empty() {
                        return Ok(0);
                    }
                    self.chunk = io::Cursor::new(chunk);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_come_and_then_the_end() {
        static STOP: AtomicBool = AtomicBool::new(false);
        let bytes: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let mut read = Vec::new();
        let mut input = Stoppable::new(io::Cursor::new(bytes.clone()), &STOP);
        input.read_to_end(&mut read).unwrap();
        assert!(read == bytes);
        assert_eq!(input.read(&mut [0]).unwrap(), 0, "the end stays");
    }

    #[test]
    fn a_wish_to_stop_ends_a_read_that_waits() {
        static STOP: AtomicBool = AtomicBool::new(false);
        let (reader, _writer) = io::pipe().unwrap();
        let mut input = Stoppable::new(reader, &STOP);
        std::thread::spawn(|| {
            std::thread::sleep(LOOK_EVERY);
            STOP.store(true, Ordering::Relaxed);
        });
        assert_eq!(input.read(&mut [0]).unwrap_err().to_string(), "stopped");
    }
}
