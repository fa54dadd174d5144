//! Text into tokens, each with the byte offset at which it begins.
//!
//! The longest reading wins, as in libpcap: `80-90` and `aa-bb` are names, `0:1:2:3:4:5` is an Ethernet address and
//! `ip[0:2]` is four tokens and a number. Of readings equally long the more special one wins: address, number, keyword,
//! then name.

use std::net::Ipv6Addr;

use super::error::BpfError;
use super::words::{self, Word};

/// A unit of the language.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Token<'a> {
    Word(Word),
    Number(u32),
    /// Two to four numbers joined by dots.
    Dotted(&'a str),
    Ipv6(Ipv6Addr),
    Mac([u8; 6]),
    Name(&'a str),
    Symbol(Symbol),
    End,
}

/// Operators and brackets. The words `and`, `or` and `not` come as their symbols too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Symbol {
    And,
    Or,
    Not,
    Open,
    Close,
    OpenBracket,
    CloseBracket,
    Colon,
    Plus,
    Minus,
    Star,
    Slash,
    Percent,
    Ampersand,
    Pipe,
    Caret,
    ShiftLeft,
    ShiftRight,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Longest first, so that the first that fits is the longest that fits.
const SYMBOLS: &[(&str, Symbol)] = &[
    ("&&", Symbol::And),
    ("||", Symbol::Or),
    (">=", Symbol::GreaterOrEqual),
    ("<=", Symbol::LessOrEqual),
    ("!=", Symbol::NotEqual),
    ("==", Symbol::Equal),
    ("<<", Symbol::ShiftLeft),
    (">>", Symbol::ShiftRight),
    ("!", Symbol::Not),
    ("(", Symbol::Open),
    (")", Symbol::Close),
    ("[", Symbol::OpenBracket),
    ("]", Symbol::CloseBracket),
    (":", Symbol::Colon),
    ("+", Symbol::Plus),
    ("-", Symbol::Minus),
    ("*", Symbol::Star),
    ("/", Symbol::Slash),
    ("%", Symbol::Percent),
    ("&", Symbol::Ampersand),
    ("|", Symbol::Pipe),
    ("^", Symbol::Caret),
    ("=", Symbol::Equal),
    ("<", Symbol::Less),
    (">", Symbol::Greater),
];

/// The token at or after `position`, with where it begins and where the next may begin.
pub(super) fn token(text: &str, position: usize) -> Result<(usize, Token<'_>, usize), BpfError> {
    let rest = text.get(position..).unwrap_or("");
    let trimmed = rest.trim_start_matches([' ', '\r', '\n', '\t']);
    let start = text.len() - trimmed.len();
    if trimmed.is_empty() {
        return Ok((start, Token::End, start));
    }
    let (token, length) = read(trimmed).map_err(|(message, hint)| {
        let error = BpfError::new(start, message);
        hint.into_iter().fold(error, BpfError::hint)
    })?;
    Ok((start, token, start + length))
}

type Fault = (String, Option<String>);

fn read(text: &str) -> Result<(Token<'_>, usize), Fault> {
    let name = name_length(text);
    if let Some((address, length)) = ipv6(text).filter(|(_, length)| *length > name) {
        return Ok((Token::Ipv6(address), length));
    }
    if let Some((address, length)) = mac(text).filter(|(_, length)| *length >= name) {
        return Ok((Token::Mac(address), length));
    }
    if name > 0 {
        return Ok((word(text.get(..name).unwrap_or(""))?, name));
    }
    if let Some((spelling, symbol)) = SYMBOLS.iter().find(|(spelling, _)| text.starts_with(spelling)) {
        return Ok((Token::Symbol(*symbol), spelling.len()));
    }
    if let Some(escaped) = text.strip_prefix('\\') {
        let end = escaped.find([' ', '!', '(', ')', '\n', '\t']).unwrap_or(escaped.len());
        return match escaped.get(..end) {
            Some(name) if end > 0 => Ok((Token::Name(name), end + 1)),
            _ => {
                Err(("a backslash with no name after it".into(), Some("a name follows at once, as in `\\tcp`".into())))
            }
        };
    }
    let stray = text.chars().next().unwrap_or(' ');
    Err((format!("`{}` has no meaning here", stray.escape_debug()), None))
}

/// The length of the name or number at the start: letters and digits, inside it also `-`, `_` and `.`.
fn name_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    if !bytes.first().is_some_and(u8::is_ascii_alphanumeric) {
        return 0;
    }
    let run = bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte)).count();
    let inside = bytes.get(..run).unwrap_or(bytes);
    inside.iter().rposition(|byte| byte.is_ascii_alphanumeric() || *byte == b'.').map_or(0, |last| last + 1)
}

fn word(name: &str) -> Result<Token<'_>, Fault> {
    if is_number(name) {
        return number(name).map(Token::Number);
    }
    let parts = name.split('.');
    if name.split('.').all(is_number) && (2..=4).contains(&parts.count()) {
        return Ok(Token::Dotted(name));
    }
    Ok(match words::keyword(name) {
        Some(Word::And) => Token::Symbol(Symbol::And),
        Some(Word::Or) => Token::Symbol(Symbol::Or),
        Some(Word::Not) => Token::Symbol(Symbol::Not),
        Some(word) => Token::Word(word),
        None => words::number(name).map_or(Token::Name(name), Token::Number),
    })
}

/// Whether a name reads as one number: decimal digits, or `0x` and hexadecimal digits.
fn is_number(name: &str) -> bool {
    match name.strip_prefix("0x").or_else(|| name.strip_prefix("0X")) {
        Some(digits) => !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// C's notation: `0x1f` is hexadecimal, `017` octal.
fn number(name: &str) -> Result<u32, Fault> {
    let (digits, radix) = match name.strip_prefix("0x").or_else(|| name.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if name.len() > 1 && name.starts_with('0') => (name.trim_start_matches('0'), 8),
        None => (name, 10),
    };
    if radix == 8 && digits.bytes().any(|digit| digit > b'7') {
        let decimal = name.trim_start_matches('0');
        return Err((
            format!("`{name}` begins with 0 and so is octal, which has no digits 8 and 9"),
            Some(format!("write `{decimal}`")),
        ));
    }
    if digits.is_empty() {
        return Ok(0);
    }
    u32::from_str_radix(digits, radix)
        .map_err(|_| (format!("`{name}` does not fit in 32 bits"), Some(format!("at most {}", u32::MAX))))
}

/// An IPv6 address at the start: the longest text that reads as one.
fn ipv6(text: &str) -> Option<(Ipv6Addr, usize)> {
    const LONGEST_ADDRESS: usize = 45;
    let run = text.bytes().take_while(|byte| byte.is_ascii_hexdigit() || b":.".contains(byte)).count();
    (2..=run.min(LONGEST_ADDRESS))
        .rev()
        .filter_map(|length| text.get(..length).map(|candidate| (candidate, length)))
        .filter(|(candidate, _)| candidate.contains(':'))
        .find_map(|(candidate, length)| candidate.parse().ok().map(|address| (address, length)))
}

/// An Ethernet address at the start: six groups joined by one of `:`, `-`, `.`, or three groups of four digits joined
/// by dots, or twelve digits.
fn mac(text: &str) -> Option<([u8; 6], usize)> {
    let bytes = text.as_bytes();
    let longest = [b':', b'-', b'.'].into_iter().filter_map(|separator| mac_groups(bytes, separator));
    longest.chain(mac_digits(bytes, true)).chain(mac_digits(bytes, false)).max_by_key(|(_, length)| *length)
}

fn mac_groups(bytes: &[u8], separator: u8) -> Option<([u8; 6], usize)> {
    let mut address = [0; 6];
    let mut at = 0;
    for (group, byte) in address.iter_mut().enumerate() {
        if group > 0 {
            if bytes.get(at) != Some(&separator) {
                return None;
            }
            at += 1;
        }
        let mut value = hex(bytes, at)?;
        at += 1;
        if let Some(low) = hex(bytes, at) {
            value = value << 4 | low;
            at += 1;
        }
        *byte = value;
    }
    Some((address, at))
}

fn mac_digits(bytes: &[u8], dotted: bool) -> Option<([u8; 6], usize)> {
    let mut address = [0; 6];
    let mut at = 0;
    for (group, byte) in address.iter_mut().enumerate() {
        if dotted && (group == 2 || group == 4) {
            if bytes.get(at) != Some(&b'.') {
                return None;
            }
            at += 1;
        }
        *byte = hex(bytes, at)? << 4 | hex(bytes, at + 1)?;
        at += 2;
    }
    Some((address, at))
}

fn hex(bytes: &[u8], at: usize) -> Option<u8> {
    let digit = char::from(*bytes.get(at)?).to_digit(16)?;
    u8::try_from(digit).ok()
}
