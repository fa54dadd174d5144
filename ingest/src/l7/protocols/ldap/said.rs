//! What an LDAP message says (RFC 4511 section 4).

use std::borrow::Cow;

use super::ber::{self, ENUMERATED, INTEGER, OCTETS, SEQUENCE};
use crate::l7::{cursor::Cursor, text};

/// Bytes of a name or a message kept.
const MAX_TEXT_BYTES: usize = 4 << 10;

/// Names of attributes kept of a request.
const MAX_ATTRIBUTES: usize = 256;

/// The extended operation after which TLS begins (RFC 4511 section 4.14).
const START_TLS: &str = "1.3.6.1.4.1.1466.20037";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Bind,
    Unbind,
    Search,
    SearchEntry,
    SearchDone,
    SearchReference,
    Modify,
    Add,
    Delete,
    ModifyDn,
    Compare,
    Abandon,
    Extended,
    Intermediate,
    /// An unsolicited notification.
    Notice,
}

#[derive(Debug)]
pub(super) enum Said {
    Request(Request),
    Response(Response),
}

#[derive(Debug)]
pub(super) struct Request {
    pub(super) id: u32,
    pub(super) operation: Operation,
    pub(super) dn: Option<String>,
    pub(super) version: Option<u8>,
    pub(super) authentication: Option<String>,
    pub(super) scope: Option<&'static str>,
    pub(super) filter: Option<String>,
    pub(super) attributes: Option<Vec<String>>,
    pub(super) oid: Option<String>,
    pub(super) malformed: bool,
}

#[derive(Debug)]
pub(super) struct Response {
    pub(super) id: u32,
    pub(super) operation: Operation,
    pub(super) code: Option<u16>,
    /// Of a search's entry.
    pub(super) dn: Option<String>,
    pub(super) matched_dn: Option<String>,
    pub(super) diagnostic: Option<String>,
    pub(super) oid: Option<String>,
    pub(super) malformed: bool,
}

impl Operation {
    /// By the tag, and whether it is a request.
    pub(super) fn of(tag: u8) -> Option<(Operation, bool)> {
        use Operation::*;
        Some(match tag {
            0x60 => (Bind, true),
            0x61 => (Bind, false),
            0x42 => (Unbind, true),
            0x63 => (Search, true),
            0x64 => (SearchEntry, false),
            0x65 => (SearchDone, false),
            0x66 => (Modify, true),
            0x67 => (Modify, false),
            0x68 => (Add, true),
            0x69 => (Add, false),
            0x4a => (Delete, true),
            0x6b => (Delete, false),
            0x6c => (ModifyDn, true),
            0x6d => (ModifyDn, false),
            0x6e => (Compare, true),
            0x6f => (Compare, false),
            0x50 => (Abandon, true),
            0x73 => (SearchReference, false),
            0x77 => (Extended, true),
            0x78 => (Extended, false),
            0x79 => (Intermediate, false),
            _ => return None,
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Operation::Bind => "bind",
            Operation::Unbind => "unbind",
            Operation::Search | Operation::SearchEntry | Operation::SearchDone | Operation::SearchReference => "search",
            Operation::Modify => "modify",
            Operation::Add => "add",
            Operation::Delete => "delete",
            Operation::ModifyDn => "modify_dn",
            Operation::Compare => "compare",
            Operation::Abandon => "abandon",
            Operation::Extended | Operation::Intermediate => "extended",
            Operation::Notice => "notice",
        }
    }

    /// Whether nobody answers it.
    pub(super) fn is_silent(self) -> bool {
        matches!(self, Operation::Unbind | Operation::Abandon)
    }

    /// Whether more responses follow.
    pub(super) fn is_partial(self) -> bool {
        matches!(self, Operation::SearchEntry | Operation::SearchReference | Operation::Intermediate)
    }
}

/// `None` for what has no message id or no operation that is known.
pub(super) fn read(bytes: &[u8]) -> Option<Said> {
    // The message may be cut, which its own length does not tell.
    let ber::Head::Is { head, .. } = ber::head(bytes) else { return None };
    let mut cursor = Cursor::new(bytes.get(head..)?);
    let id = ber::number(ber::expect(&mut cursor, INTEGER)?)?;
    let ber::Head::Is { tag, head, len } = ber::head(cursor.rest()) else { return None };
    let (operation, is_request) = Operation::of(tag)?;
    cursor.take(head)?;
    let content = cursor.take_some(usize::try_from(len).unwrap_or(usize::MAX));
    let cut = (content.len() as u64) < len;
    Some(if is_request {
        let mut request = Request::new(id, operation);
        request.malformed = request.read(content).is_none() && !cut;
        Said::Request(request)
    } else {
        let operation = if id == 0 && operation == Operation::Extended { Operation::Notice } else { operation };
        let mut response = Response::new(id, operation);
        response.malformed = response.read(content).is_none() && !cut;
        Said::Response(response)
    })
}

fn string(content: &[u8]) -> String {
    text::lossy(content, MAX_TEXT_BYTES)
}

impl Request {
    fn new(id: u32, operation: Operation) -> Request {
        Request {
            id,
            operation,
            dn: None,
            version: None,
            authentication: None,
            scope: None,
            filter: None,
            attributes: None,
            oid: None,
            malformed: false,
        }
    }

    fn read(&mut self, content: &[u8]) -> Option<()> {
        let cursor = &mut Cursor::new(content);
        match self.operation {
            Operation::Bind => {
                self.version = Some(u8::try_from(ber::number(ber::expect(cursor, INTEGER)?)?).ok()?);
                self.dn = Some(string(ber::expect(cursor, OCTETS)?));
                self.authentication = Some(match ber::element(cursor)? {
                    (0x80, _) => "simple".to_owned(),
                    (0xa3, sasl) => text::lossy(ber::expect(&mut Cursor::new(sasl), OCTETS)?, 64),
                    // Active Directory's own ways, [MS-ADTS] section 5.1.1.1.
                    (0x89..=0x8b, _) => "sicily".to_owned(),
                    _ => return None,
                });
            }
            Operation::Search => self.search(cursor)?,
            Operation::Delete => self.dn = Some(string(content)),
            Operation::Modify => {
                self.dn = Some(string(ber::expect(cursor, OCTETS)?));
                let mut changes = Cursor::new(ber::expect(cursor, SEQUENCE)?);
                let mut attributes = Vec::new();
                while let Some(change) = ber::expect(&mut changes, SEQUENCE) {
                    let mut change = Cursor::new(change);
                    ber::expect(&mut change, ENUMERATED)?;
                    let mut attribute = Cursor::new(ber::expect(&mut change, SEQUENCE)?);
                    keep(&mut attributes, ber::expect(&mut attribute, OCTETS)?);
                }
                self.attributes = Some(attributes);
            }
            Operation::Add => {
                self.dn = Some(string(ber::expect(cursor, OCTETS)?));
                let mut list = Cursor::new(ber::expect(cursor, SEQUENCE)?);
                let mut attributes = Vec::new();
                while let Some(attribute) = ber::expect(&mut list, SEQUENCE) {
                    keep(&mut attributes, ber::expect(&mut Cursor::new(attribute), OCTETS)?);
                }
                self.attributes = Some(attributes);
            }
            Operation::ModifyDn => self.dn = Some(string(ber::expect(cursor, OCTETS)?)),
            Operation::Compare => {
                self.dn = Some(string(ber::expect(cursor, OCTETS)?));
                let mut assertion = Cursor::new(ber::expect(cursor, SEQUENCE)?);
                self.attributes = Some(vec![string(ber::expect(&mut assertion, OCTETS)?)]);
            }
            Operation::Extended => self.oid = Some(string(ber::expect(cursor, 0x80)?)),
            _ => {}
        }
        Some(())
    }

    fn search(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        self.dn = Some(string(ber::expect(cursor, OCTETS)?));
        self.scope = Some(match ber::number(ber::expect(cursor, ENUMERATED)?)? {
            0 => "base",
            1 => "one",
            2 => "sub",
            3 => "children",
            _ => return None,
        });
        // Aliases, limits of size and time, types only.
        ber::expect(cursor, ENUMERATED)?;
        ber::expect(cursor, INTEGER)?;
        ber::expect(cursor, INTEGER)?;
        ber::expect(cursor, ber::BOOLEAN)?;
        let (tag, content) = ber::element(cursor)?;
        self.filter = Some(super::filter::show(tag, content));
        let mut list = Cursor::new(ber::expect(cursor, SEQUENCE)?);
        let mut attributes = Vec::new();
        while let Some(name) = ber::expect(&mut list, OCTETS) {
            keep(&mut attributes, name);
        }
        self.attributes = Some(attributes);
        Some(())
    }

    pub(super) fn starts_tls(&self) -> bool {
        self.oid.as_deref() == Some(START_TLS)
    }

    pub(super) fn size_bytes(&self) -> usize {
        let texts = [&self.dn, &self.authentication, &self.filter, &self.oid];
        text::size_bytes(texts.into_iter().flatten()) + self.attributes.as_ref().map_or(0, text::size_bytes)
    }
}

fn keep(attributes: &mut Vec<String>, name: &[u8]) {
    if attributes.len() < MAX_ATTRIBUTES {
        attributes.push(text::lossy(name, 256));
    }
}

impl Response {
    fn new(id: u32, operation: Operation) -> Response {
        Response {
            id,
            operation,
            code: None,
            dn: None,
            matched_dn: None,
            diagnostic: None,
            oid: None,
            malformed: false,
        }
    }

    fn read(&mut self, content: &[u8]) -> Option<()> {
        let cursor = &mut Cursor::new(content);
        match self.operation {
            // An entry that is longer than what is read of it has its name first.
            Operation::SearchEntry => self.dn = Some(string(ber::expect(cursor, OCTETS)?)),
            Operation::SearchReference => {}
            Operation::Intermediate => self.oid = ber::expect(cursor, 0x80).map(string),
            _ => {
                self.code = Some(u16::try_from(ber::number(ber::expect(cursor, ENUMERATED)?)?).ok()?);
                self.matched_dn = Some(string(ber::expect(cursor, OCTETS)?)).filter(|dn| !dn.is_empty());
                self.diagnostic = Some(string(ber::expect(cursor, OCTETS)?)).filter(|message| !message.is_empty());
                while let Some((tag, content)) = ber::element(cursor) {
                    if tag == 0x8a {
                        self.oid = Some(string(content));
                    }
                }
            }
        }
        Some(())
    }
}

/// RFC 4511 section 4.1.9, RFC 4370, RFC 4531, RFC 3909.
pub(super) fn result_name(code: u16) -> Cow<'static, str> {
    Cow::Borrowed(match code {
        0 => "success",
        1 => "operationsError",
        2 => "protocolError",
        3 => "timeLimitExceeded",
        4 => "sizeLimitExceeded",
        5 => "compareFalse",
        6 => "compareTrue",
        7 => "authMethodNotSupported",
        8 => "strongerAuthRequired",
        10 => "referral",
        11 => "adminLimitExceeded",
        12 => "unavailableCriticalExtension",
        13 => "confidentialityRequired",
        14 => "saslBindInProgress",
        16 => "noSuchAttribute",
        17 => "undefinedAttributeType",
        18 => "inappropriateMatching",
        19 => "constraintViolation",
        20 => "attributeOrValueExists",
        21 => "invalidAttributeSyntax",
        32 => "noSuchObject",
        33 => "aliasProblem",
        34 => "invalidDNSyntax",
        36 => "aliasDereferencingProblem",
        48 => "inappropriateAuthentication",
        49 => "invalidCredentials",
        50 => "insufficientAccessRights",
        51 => "busy",
        52 => "unavailable",
        53 => "unwillingToPerform",
        54 => "loopDetect",
        64 => "namingViolation",
        65 => "objectClassViolation",
        66 => "notAllowedOnNonLeaf",
        67 => "notAllowedOnRDN",
        68 => "entryAlreadyExists",
        69 => "objectClassModsProhibited",
        71 => "affectsMultipleDSAs",
        80 => "other",
        118 => "canceled",
        119 => "noSuchOperation",
        120 => "tooLate",
        121 => "cannotCancel",
        122 => "assertionFailed",
        123 => "authorizationDenied",
        other => return Cow::Owned(other.to_string()),
    })
}
