//! A connection until its handshake is over, however its records come: TLS and DTLS alike.

use super::{
    handshake::Handshake,
    row::{self, Alert, Seen},
};
use crate::{
    flow::{Pair, Way},
    l7::{
        call::{Call, ErrorType, Half},
        out::Out,
        stamp::Span,
    },
};

/// Records that say nothing in the clear, before a handshake is taken to be over whatever was not seen of it: one direction may
/// be missing in the capture.
const MAX_OPAQUE_RECORDS: u32 = 64;

/// Types of records (IANA TLS ContentType).
pub(super) mod record {
    pub(crate) const CHANGE_CIPHER_SPEC: u8 = 20;
    pub(crate) const ALERT: u8 = 21;
    pub(crate) const HANDSHAKE: u8 = 22;
    pub(crate) const DATA: u8 = 23;
    pub(crate) const HEARTBEAT: u8 = 24;
}

/// What is known of a connection.
#[derive(Debug)]
pub(super) struct Connection {
    app_proto: &'static str,
    pub(super) client: Option<Way>,
    /// Who encrypts what follows.
    ciphered: Pair<bool>,
    pub(super) handshake: Handshake,
    request: Option<Half>,
    response: Option<Half>,
    alert: Option<Alert>,
    error_type: Option<ErrorType>,
    /// Records that said nothing in the clear.
    opaque: u32,
}

impl Connection {
    pub(super) fn new(app_proto: &'static str) -> Connection {
        Connection {
            app_proto,
            client: None,
            ciphered: Pair::default(),
            handshake: Handshake::default(),
            request: None,
            response: None,
            alert: None,
            error_type: None,
            opaque: 0,
        }
    }

    /// Whether what this end sends is encrypted by now. A server that asks for another hello may say already that it
    /// encrypts, and say its hello in the clear after that.
    pub(super) fn is_ciphered(&self, way: Way) -> bool {
        *self.ciphered.of(way) && !(self.handshake.retried && self.handshake.chosen().is_none())
    }

    /// A record with messages in it, the first of this type. Counts it to its half: the request is what the client says before
    /// the server has chosen.
    pub(super) fn says(&mut self, way: Way, kind: Option<u8>, span: Span, len: u64) {
        self.client = self.client.or(match kind {
            Some(1) => Some(way),
            Some(2 | 3 | 6) => Some(way.back()),
            _ => None,
        });
        let half = if self.client == Some(way) {
            if self.handshake.chosen().is_some() {
                return;
            }
            &mut self.request
        } else {
            &mut self.response
        };
        *half = Some(match *half {
            Some(half) => Half { span: half.span.until(span.last), bytes: half.bytes.saturating_add(len) },
            None => Half { span, bytes: len },
        });
    }

    /// An alert in the clear.
    pub(super) fn alert(&mut self, way: Way, [level, description]: [u8; 2], span: Span, len: u64) {
        let by_client = self.client == Some(way);
        self.alert.get_or_insert(Alert { level, description, by_client });
        if !by_client && self.client.is_some() && self.handshake.chosen().is_none() {
            self.says(way, None, span, len);
        }
    }

    /// A record of this type that says nothing in the clear. Returns whether nothing more is to come that does.
    pub(super) fn opaque(&mut self, way: Way, kind: u8, begins_to_cipher: bool) -> bool {
        self.opaque += 1;
        *self.ciphered.of_mut(way) |= begins_to_cipher;
        if self.opaque >= MAX_OPAQUE_RECORDS {
            return true;
        }
        if self.handshake.chosen().is_none() {
            return false;
        }
        // From 1.3 on the server's part is encrypted too; that the client encrypts data shows that it took the server's.
        if self.handshake.is_encrypted() {
            return self.client == Some(way) && kind != record::CHANGE_CIPHER_SPEC;
        }
        kind > record::HANDSHAKE || self.ciphered.out && self.ciphered.back
    }

    /// Something is wrong with what comes.
    pub(super) fn fails(&mut self, error_type: ErrorType) {
        self.error_type = self.error_type.or(Some(error_type));
    }

    /// Makes a row of what is known.
    pub(super) fn emit(&mut self, reset: bool, out: &mut Out<'_>) {
        let over = std::mem::replace(self, Connection::new(self.app_proto));
        let Some(client) = over.client else { return };
        let malformed = over.handshake.malformed.then_some(ErrorType::Malformed);
        let reset = (reset && over.response.is_none()).then_some(ErrorType::Reset);
        let call = Call {
            app_proto: over.app_proto,
            client,
            request: over.request,
            response: over.response,
            method: None,
            target: None,
            status: None,
            error_type: malformed.or(over.error_type).or(reset),
        };
        let server_finished = *over.ciphered.of(client.back());
        row::emit(&call, &over.handshake, Seen { alert: over.alert, server_finished }, out);
    }
}
