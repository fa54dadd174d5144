//! The two halves of a connection: [`Receiver`] reads messages, [`Sender`] gathers them and writes them out in large
//! pieces. They are separate so that a statement can write rows while somebody watches whether the client is still
//! there. Encoding and decoding of single messages is pgwire's; rows are written by [`crate::encode`].

use std::io;

use bytes::{Buf, BytesMut};
use pgwire::{
    error::PgWireError,
    messages::{DecodeContext, PgWireBackendMessage, PgWireFrontendMessage, ProtocolVersion},
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::error::PgError;

/// The longest message taken from a client: a query with very long IN lists fits, a hostile length does not.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// Bytes read ahead while a statement runs, to notice a client that went away. A client that pipelines more waits.
const MAX_READ_AHEAD_BYTES: usize = 1 << 20;

/// Output is written when this much has gathered: large enough for few system calls, small enough to stay in cache.
pub(crate) const FLUSH_BYTES: usize = 64 << 10;

/// Capacity kept by an idle connection's buffers.
const IDLE_BUFFER_BYTES: usize = 8 << 10;

/// The reading half.
pub(crate) struct Receiver {
    stream: Box<dyn AsyncRead + Send + Unpin>,
    buffer: BytesMut,
    context: DecodeContext,
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver").field("buffered", &self.buffer.len()).finish_non_exhaustive()
    }
}

impl Receiver {
    pub(crate) fn new(stream: impl AsyncRead + Send + Unpin + 'static) -> Self {
        let context = DecodeContext::new(ProtocolVersion::PROTOCOL3_0);
        Self { stream: Box::new(stream), buffer: BytesMut::new(), context }
    }

    /// After the requests for encryption, a start-up or cancel message follows.
    pub(crate) fn expect_startup(&mut self) {
        self.context.awaiting_frontend_ssl = false;
    }

    /// After start-up, all messages have a type byte.
    pub(crate) fn expect_messages(&mut self) {
        self.context.awaiting_frontend_ssl = false;
        self.context.awaiting_frontend_startup = false;
    }

    /// The next message; `None` when the client closed the connection between two messages.
    pub(crate) async fn next(&mut self) -> Result<Option<PgWireFrontendMessage>, ReceiveError> {
        loop {
            self.check_length()?;
            if let Some(message) = PgWireFrontendMessage::decode(&mut self.buffer, &self.context)? {
                return Ok(Some(message));
            }
            if self.buffer.is_empty() && self.buffer.capacity() > IDLE_BUFFER_BYTES {
                self.buffer = BytesMut::new();
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(ReceiveError::Io(cut_off())) };
            }
        }
    }

    /// Resolves when the client has gone. Bytes that arrive meanwhile are kept.
    pub(crate) async fn hangup(&mut self) {
        while self.buffer.len() < MAX_READ_AHEAD_BYTES {
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        std::future::pending().await
    }

    /// Refuses a length that is absurd before anything is buffered for it.
    fn check_length(&self) -> Result<(), ReceiveError> {
        let skip = usize::from(!self.context.awaiting_frontend_startup);
        let Some(mut word) = self.buffer.get(skip..skip + 4) else { return Ok(()) };
        match usize::try_from(word.get_i32()) {
            Ok(4..=MAX_MESSAGE_BYTES) => Ok(()),
            _ => Err(ReceiveError::Protocol("invalid message length".to_owned())),
        }
    }
}

/// Why no message could be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReceiveError {
    /// The connection broke.
    #[error("connection: {0}")]
    Io(#[from] io::Error),
    /// The client does not speak the protocol.
    #[error("{0}")]
    Protocol(String),
}

impl From<PgWireError> for ReceiveError {
    fn from(error: PgWireError) -> Self {
        match error {
            PgWireError::IoError(error) => ReceiveError::Io(error),
            other => ReceiveError::Protocol(other.to_string()),
        }
    }
}

fn cut_off() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "connection closed within a message")
}

/// The writing half.
pub(crate) struct Sender {
    stream: Box<dyn AsyncWrite + Send + Unpin>,
    /// What is to be written. Rows are appended here directly.
    pub(crate) out: BytesMut,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").field("gathered", &self.out.len()).finish_non_exhaustive()
    }
}

impl Sender {
    pub(crate) fn new(stream: impl AsyncWrite + Send + Unpin + 'static) -> Self {
        Self { stream: Box::new(stream), out: BytesMut::new() }
    }

    /// Gathers a message. A message that cannot be encoded becomes an error the client can read.
    pub(crate) fn put(&mut self, message: PgWireBackendMessage) -> Result<(), PgError> {
        let before = self.out.len();
        message.encode(&mut self.out).map_err(|error| {
            self.out.truncate(before);
            PgError::internal(&error.to_string())
        })
    }

    /// Gathers an ErrorResponse.
    pub(crate) fn put_error(&mut self, error: PgError) {
        let response = PgWireBackendMessage::ErrorResponse(error.into());
        // The texts are cut to fit, so this encodes; were it not so, the client would see the missing response.
        let _ = self.put(response);
    }

    /// Whether enough has gathered to be worth writing.
    pub(crate) fn is_full(&self) -> bool {
        self.out.len() >= FLUSH_BYTES
    }

    /// Writes everything. May be dropped half-way and called again: what was written is forgotten at once.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        while !self.out.is_empty() {
            if self.stream.write_buf(&mut self.out).await? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        if self.out.capacity() > 4 * FLUSH_BYTES {
            self.out = BytesMut::new();
        }
        self.stream.flush().await
    }

    /// Writes everything and says that nothing follows.
    pub(crate) async fn close(&mut self) -> io::Result<()> {
        self.flush().await?;
        self.stream.shutdown().await
    }
}
