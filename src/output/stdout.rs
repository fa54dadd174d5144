//! Standard output, buffered, with one thing remembered: whether its reader has gone (`… | head`). That is no error but
//! the end of the work, and it can show anywhere below an encoder, so it is kept here and asked for once, in `main`.

use std::{
    io::{self, BufWriter, ErrorKind, Write},
    sync::atomic::{AtomicBool, Ordering},
};

/// Bytes collected before a write.
const BUFFER_BYTES: usize = 64 << 10;

static PIPE_IS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Whether a write to standard output found nobody there to read it.
pub(crate) fn pipe_is_closed() -> bool {
    PIPE_IS_CLOSED.load(Ordering::Relaxed)
}

/// Where data goes.
#[derive(Debug)]
pub(crate) struct Stdout(BufWriter<Watched>);

#[derive(Debug)]
struct Watched(io::Stdout);

impl Stdout {
    /// Standard output, behind a buffer of its own.
    pub(crate) fn new() -> Stdout {
        Stdout(BufWriter::with_capacity(BUFFER_BYTES, Watched(io::stdout())))
    }
}

impl Stdout {
    /// Standard output without a buffer beyond the line, for rows that somebody waits for.
    pub(crate) fn prompt() -> Stdout {
        Stdout(BufWriter::with_capacity(0, Watched(io::stdout())))
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Write for Watched {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        watch(self.0.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        watch(self.0.flush())
    }
}

fn watch<T>(result: io::Result<T>) -> io::Result<T> {
    if result.as_ref().is_err_and(|e| e.kind() == ErrorKind::BrokenPipe) {
        PIPE_IS_CLOSED.store(true, Ordering::Relaxed);
    }
    result
}
