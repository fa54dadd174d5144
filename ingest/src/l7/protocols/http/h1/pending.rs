//! Exchanges of one connection, in order: those that are not complete on both sides.

use std::collections::VecDeque;

use super::super::row::{Exchange, Grpc, Request, Response, Said, emit};
use crate::{
    flow::Way,
    l7::{call::ErrorType, out::Out, stamp::Stamp},
};

/// A request and its response, on their way.
#[derive(Debug)]
pub(super) struct Pending {
    /// Which way the request goes.
    pub(super) client: Way,
    pub(super) version: &'static str,
    pub(super) request: Option<Request>,
    /// Nothing more comes of the request.
    pub(super) request_done: bool,
    pub(super) response: Option<Response>,
    /// Nothing more comes of the response.
    pub(super) response_done: bool,
    pub(super) error: Option<ErrorType>,
    /// Without a request, and none comes any more.
    is_settled: bool,
}

/// Answers of one connection that wait for their request to come from behind a hole. A client's next request settles them.
const MAX_UNASKED: usize = 8;

/// Which half of an exchange a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Request,
    Response,
}

impl Pending {
    pub(super) fn asked(version: &'static str, request: Request) -> Pending {
        Pending {
            client: request.way,
            version,
            request: Some(request),
            request_done: false,
            response: None,
            response_done: false,
            error: None,
            is_settled: false,
        }
    }

    /// What is answered without having been asked.
    pub(super) fn unasked(version: &'static str, client: Way) -> Pending {
        let (request, response, error) = (None, None, None);
        let (request_done, response_done, is_settled) = (true, false, false);
        Pending { client, version, request, request_done, response, response_done, error, is_settled }
    }

    pub(super) fn said_mut(&mut self, part: Part) -> Option<&mut Said> {
        match part {
            Part::Request => self.request.as_mut().map(|request| &mut request.said),
            Part::Response => self.response.as_mut().map(|response| &mut response.said),
        }
    }

    /// Bytes of a body do not come.
    pub(super) fn lose(&mut self, part: Part, bytes: u64, at: Option<Stamp>) {
        if let Some(said) = self.said_mut(part) {
            said.body.lose(bytes);
            said.half.bytes += bytes;
            said.half.span.last = at.unwrap_or(said.half.span.last);
        }
    }

    /// Whether what the client says next depends on the answer: it may be another protocol (RFC 9110 sections 7.8 and 9.3.6).
    pub(super) fn asks_for_another_protocol(&self) -> bool {
        self.request.as_ref().is_some_and(|r| {
            r.method == "CONNECT"
                || r.said.fields.lists("connection", "upgrade") && r.said.fields.get("upgrade").is_some()
        })
    }

    /// The first thing that went wrong is what the row says.
    pub(super) fn fail(&mut self, error: ErrorType) {
        self.error.get_or_insert(error);
    }

    fn is_unasked(&self) -> bool {
        self.request.is_none() && !self.is_settled
    }

    pub(super) fn emit(&self, out: &mut Out<'_>) {
        let exchange = Exchange {
            app_proto: "http",
            version: self.version,
            stream_id: None,
            request: self.request.as_ref(),
            response: self.response.as_ref(),
            error_type: self.error,
            grpc: Grpc::default(),
        };
        emit(&exchange, out);
    }

    fn size_bytes(&self) -> usize {
        size_of::<Pending>()
            + self.request.as_ref().map_or(0, Request::size_bytes)
            + self.response.as_ref().map_or(0, |response| response.said.size_bytes())
    }
}

/// Exchanges in the order of their requests.
#[derive(Debug, Default)]
pub(super) struct Queue {
    exchanges: VecDeque<Pending>,
    /// Bytes of memory held: kept count of, since it is asked with every packet.
    held: usize,
}

impl Queue {
    /// A request. It may have been answered: its answer was read first if it came behind a hole that was waited for.
    pub(super) fn ask(&mut self, version: &'static str, request: Request, error: Option<ErrorType>, out: &mut Out<'_>) {
        let first = request.said.half.span.first.packet_id;
        let mut answered = None;
        for unasked in self.exchanges.iter_mut().filter(|p| p.client == request.way && p.is_unasked()) {
            let is_later = unasked.response.as_ref().is_some_and(|r| r.said.half.span.first.packet_id > first);
            if is_later {
                answered = Some(unasked);
                break;
            }
            unasked.is_settled = true;
        }
        match answered {
            Some(pending) => {
                self.held += request.size_bytes();
                (pending.version, pending.request, pending.request_done) = (version, Some(request), false);
                pending.error = error.or(pending.error);
            }
            None => self.push(Pending { error, ..Pending::asked(version, request) }, out),
        }
    }

    /// A new exchange. If there are too many then, the oldest is given up.
    pub(super) fn push(&mut self, pending: Pending, out: &mut Out<'_>) {
        self.held += pending.size_bytes();
        self.exchanges.push_back(pending);
        if self.exchanges.len() > out.limits().pending_calls
            && let Some(given_up) = self.remove(0)
        {
            out.count_dropped_call();
            given_up.emit(out);
        }
    }

    /// The exchange of the message that goes on in this direction.
    pub(super) fn open(&mut self, way: Way, part: Part) -> Option<&mut Pending> {
        match part {
            Part::Request => self.exchanges.iter_mut().rev().find(|p| p.client == way && !p.request_done),
            Part::Response => {
                self.exchanges.iter_mut().find(|p| p.client != way && p.response.is_some() && !p.response_done)
            }
        }
    }

    /// The exchange whose response comes next in this direction.
    pub(super) fn unanswered(&mut self, way: Way) -> Option<&mut Pending> {
        self.exchanges.iter_mut().find(|p| p.client != way && p.response.is_none() && !p.response_done)
    }

    /// The same after a loss, for a response that begins with the packet `first`: the last request before it, since a client
    /// seldom asks again before it is answered. Those before that have lost theirs.
    pub(super) fn unanswered_after_loss(&mut self, way: Way, first: Stamp) -> Option<&mut Pending> {
        let open = |p: &Pending| p.client != way && p.response.is_none() && !p.response_done;
        let asked_before =
            |p: &Pending| p.request.as_ref().is_some_and(|r| r.said.half.span.first.packet_id < first.packet_id);
        let at = self.exchanges.iter().rposition(|p| open(p) && asked_before(p))?;
        for earlier in self.exchanges.iter_mut().take(at).filter(|p| open(p)) {
            earlier.response_done = true;
            earlier.fail(ErrorType::Gap);
        }
        self.exchanges.get_mut(at)
    }

    /// Makes rows of what is complete, oldest first.
    pub(super) fn emit_done(&mut self, out: &mut Out<'_>) {
        let unasked = self.exchanges.iter().filter(|p| p.is_unasked()).count();
        for unasked in self.exchanges.iter_mut().filter(|p| p.is_unasked()).take(unasked.saturating_sub(MAX_UNASKED)) {
            unasked.is_settled = true;
        }
        let is_done = |p: &Pending| p.request_done && p.response_done && !p.is_unasked();
        while let Some(at) = self.exchanges.iter().position(is_done) {
            if let Some(done) = self.remove(at) {
                done.emit(out);
            }
        }
    }

    /// Everything that is left, oldest first.
    pub(super) fn take(&mut self) -> Option<Pending> {
        self.remove(0)
    }

    fn remove(&mut self, at: usize) -> Option<Pending> {
        let removed = self.exchanges.remove(at)?;
        self.held = if self.exchanges.is_empty() { 0 } else { self.held.saturating_sub(removed.size_bytes()) };
        Some(removed)
    }

    /// One of the exchanges holds so many bytes more.
    pub(super) fn grew(&mut self, bytes: usize) {
        self.held += bytes;
    }

    /// Bytes of memory held.
    pub(super) fn size_bytes(&self) -> usize {
        self.held
    }
}
