//! Compression of messages (RFC 7692), undone as they come: a later message may refer to all that was said before.

use flate2::{Decompress, FlushDecompress, Status};

use super::super::body::Body;

/// Bytes that one message may inflate to; a direction with a longer one is inflated no more. Frames are a few MiB in practice,
/// and a bomb has a thousand times its size.
const MAX_INFLATED_BYTES: u64 = 16 << 20;

/// Bytes of memory that a decompressor takes: its window and its tables, roughly.
const DECOMPRESSOR_BYTES: usize = 48 << 10;

/// Bytes taken out of the decompressor at once.
const STEP_BYTES: usize = 8 << 10;

/// What was left out at the end of each message (section 7.2.2).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// The decompressor of one direction.
#[derive(Debug)]
pub(super) struct Inflate {
    /// Begun with the first compressed message.
    decompress: Option<Box<Decompress>>,
    takeover: Takeover,
    /// What was inflated of the message at hand.
    inflated: u64,
    broken: bool,
}

/// Whether a message may refer to those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takeover {
    Yes,
    No,
}

impl Inflate {
    pub(super) fn new(takeover: Takeover) -> Inflate {
        Inflate { decompress: None, takeover, inflated: 0, broken: false }
    }

    /// Inflates more of a message. `false` if that is not possible any more.
    pub(super) fn push(&mut self, mut bytes: &[u8], body: &mut Body, limit: usize) -> bool {
        let decompress = self.decompress.get_or_insert_with(|| Box::new(Decompress::new(false)));
        let mut step = [0; STEP_BYTES];
        while !self.broken {
            let before = (decompress.total_in(), decompress.total_out());
            let status = decompress.decompress(bytes, &mut step, FlushDecompress::Sync);
            let taken = usize::try_from(decompress.total_in() - before.0).unwrap_or(usize::MAX);
            let given = usize::try_from(decompress.total_out() - before.1).unwrap_or(usize::MAX);
            body.push(step.get(..given).unwrap_or_default(), limit);
            bytes = bytes.get(taken..).unwrap_or_default();
            self.inflated += given as u64;
            self.broken = status.is_err() || self.inflated > MAX_INFLATED_BYTES;
            if matches!(status, Ok(Status::StreamEnd)) {
                // A last block may end a message (section 7.2.3.3); the next one begins anew.
                decompress.reset(false);
            }
            if taken == 0 && given == 0 || bytes.is_empty() && given < STEP_BYTES {
                break;
            }
        }
        !self.broken
    }

    /// The message ends.
    pub(super) fn end(&mut self, body: &mut Body, limit: usize) -> bool {
        let whole = self.push(&TAIL, body, limit);
        self.inflated = 0;
        if self.takeover == Takeover::No
            && let Some(decompress) = &mut self.decompress
        {
            decompress.reset(false);
        }
        if self.broken {
            self.decompress = None;
        }
        whole
    }

    /// Bytes of a compressed message are missing.
    pub(super) fn lose(&mut self) {
        self.decompress = None;
        self.inflated = 0;
        self.broken = self.takeover == Takeover::Yes;
    }

    /// Bytes of memory held.
    pub(super) fn size_bytes(&self) -> usize {
        self.decompress.as_ref().map_or(0, |_| DECOMPRESSOR_BYTES)
    }
}
