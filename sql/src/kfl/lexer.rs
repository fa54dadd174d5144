//! Text into tokens. All of CEL's lexical grammar, and `#` to the end of a line as a comment too, which Kubeshark's
//! examples have.

use super::ast::Span;
use super::error::Fault;
use super::literal;

/// A unit of the language and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind {
    /// A name, keywords and reserved words among them.
    Word(String),
    /// Digits without their sign, which may make one more of them fit.
    Int(u64),
    Uint(u64),
    Double(f64),
    String(String),
    Bytes(Vec<u8>),
    Symbol(&'static str),
    End,
}

/// Longest first, so that the first that fits is the longest that fits.
const SYMBOLS: &[&str] = &[
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "+", "-", "*", "/", "%", "?", ":", ".", ",", "(", ")", "[", "]",
    "{", "}",
];

/// What people write for what the language has, by what it has.
const INSTEAD: &[(&str, &str)] = &[
    ("=~", "write `x.matches(\"…\")`"),
    ("=", "write `==`"),
    ("&", "write `&&`"),
    ("|", "write `||`"),
    ("~", "write `x.matches(\"…\")` or `x.contains(\"…\")`"),
    (";", "one filter is one expression; join with `&&`"),
    ("@", "names have letters, digits and `_`"),
    ("$", "names have letters, digits and `_`"),
    ("`", "write `m[\"key\"]` for a key that is no name"),
    ("\u{201c}", "quotes are straight: `\"`"),
    ("\u{201d}", "quotes are straight: `\"`"),
    ("\u{2018}", "quotes are straight: `'`"),
    ("\u{2019}", "quotes are straight: `'`"),
];

/// All tokens of a text, the last of them [`TokenKind::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Fault> {
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        at = skip(text, at);
        let rest = text.get(at..).unwrap_or("");
        if rest.is_empty() {
            tokens.push(Token { kind: TokenKind::End, span: Span { start: at, end: at } });
            return Ok(tokens);
        }
        let (kind, length) = read(rest).map_err(|fault| fault.moved(at))?;
        tokens.push(Token { kind, span: Span { start: at, end: at + length } });
        at += length;
    }
}

/// Whether there is nothing but white space and comments.
pub(super) fn is_blank(text: &str) -> bool {
    skip(text, 0) == text.len()
}

/// Where the next token begins: behind white space and comments.
fn skip(text: &str, mut at: usize) -> usize {
    loop {
        let rest = text.get(at..).unwrap_or("");
        let trimmed = rest.trim_start_matches(['\t', '\n', '\u{c}', '\r', ' ']);
        at += rest.len() - trimmed.len();
        if !trimmed.starts_with("//") && !trimmed.starts_with('#') {
            return at;
        }
        at += trimmed.find('\n').unwrap_or(trimmed.len());
    }
}

fn read(text: &str) -> Result<(TokenKind, usize), Fault> {
    let bytes = text.as_bytes();
    let first = bytes.first().copied().unwrap_or(0);
    let second = bytes.get(1).copied().unwrap_or(0);
    if let Some(quoted) = literal::quoted(text)? {
        return Ok(quoted);
    }
    if first.is_ascii_digit() || (first == b'.' && second.is_ascii_digit()) {
        return number(text);
    }
    if first.is_ascii_alphabetic() || first == b'_' {
        let length = word_length(text);
        return Ok((TokenKind::Word(text.get(..length).unwrap_or("").to_owned()), length));
    }
    if let Some(symbol) = SYMBOLS.iter().find(|symbol| text.starts_with(**symbol)) {
        return Ok((TokenKind::Symbol(symbol), symbol.len()));
    }
    let stray = text.chars().next().unwrap_or(' ');
    let instead = INSTEAD.iter().find(|(wrong, _)| text.starts_with(wrong));
    let length = instead.map_or(stray.len_utf8(), |(wrong, _)| wrong.len());
    let shown: String = text.get(..length).unwrap_or("").chars().flat_map(char::escape_debug).collect();
    let fault = Fault::new(Span { start: 0, end: length }, format!("`{shown}` has no meaning here"));
    Err(match instead {
        Some((_, hint)) => fault.hint(*hint),
        None if stray.is_alphabetic() => fault.hint("texts stand in quotes: `\"…\"`"),
        None if stray.is_whitespace() => fault.hint("a plain space separates"),
        None => fault,
    })
}

fn word_length(text: &str) -> usize {
    text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count()
}

/// A number at the start: `12`, `0x1f`, `12u`, `1.5`, `.5`, `1e3`.
fn number(text: &str) -> Result<(TokenKind, usize), Fault> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        let length = digits.bytes().take_while(u8::is_ascii_hexdigit).count();
        if length > 0 {
            return whole(text, digits.get(..length).unwrap_or(""), 16, 2 + length);
        }
    }
    let whole_length = digits_length(text, 0);
    let mut length = whole_length;
    if text.as_bytes().get(length) == Some(&b'.') && digits_length(text, length + 1) > 0 {
        length += 1 + digits_length(text, length + 1);
    }
    length += exponent_length(text, length);
    if length == whole_length {
        return whole(text, text.get(..length).unwrap_or(""), 10, length);
    }
    ends_well(text, length)?;
    match text.get(..length).unwrap_or("").parse::<f64>() {
        Ok(value) if value.is_finite() => Ok((TokenKind::Double(value), length)),
        _ => Err(Fault::new(Span { start: 0, end: length }, "the number is too large for a double")),
    }
}

fn digits_length(text: &str, from: usize) -> usize {
    text.bytes().skip(from).take_while(u8::is_ascii_digit).count()
}

fn exponent_length(text: &str, at: usize) -> usize {
    let byte = |offset: usize| text.as_bytes().get(at + offset).copied().unwrap_or(0);
    if !matches!(byte(0), b'e' | b'E') {
        return 0;
    }
    let sign = usize::from(matches!(byte(1), b'+' | b'-'));
    match digits_length(text, at + 1 + sign) {
        0 => 0,
        digits => 1 + sign + digits,
    }
}

fn whole(text: &str, digits: &str, radix: u32, mut length: usize) -> Result<(TokenKind, usize), Fault> {
    let is_unsigned = matches!(text.as_bytes().get(length), Some(b'u' | b'U'));
    length += usize::from(is_unsigned);
    ends_well(text, length)?;
    match u64::from_str_radix(digits, radix) {
        Ok(value) if is_unsigned => Ok((TokenKind::Uint(value), length)),
        Ok(value) => Ok((TokenKind::Int(value), length)),
        Err(_) => Err(Fault::new(Span { start: 0, end: length }, "the number does not fit in 64 bits")),
    }
}

/// A number ends where no name and no further point goes on.
fn ends_well(text: &str, length: usize) -> Result<(), Fault> {
    let more = word_length(text.get(length..).unwrap_or(""));
    let dotted = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let address = text.bytes().take_while(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':')).count();
    let run = text.get(..address).unwrap_or("");
    if text.bytes().take(dotted).filter(|byte| *byte == b'.').count() >= 2 || run.contains("::") {
        let fault = Fault::new(Span { start: 0, end: address }, format!("`{run}` is no number"));
        return Err(fault.hint(format!("addresses and names are texts: `\"{run}\"`")));
    }
    if more == 0 {
        return Ok(());
    }
    let said = text.get(..length + more).unwrap_or("");
    let fault = Fault::new(Span { start: 0, end: length + more }, format!("`{said}` is no number"));
    let unit = text.get(length..length + more).unwrap_or("");
    Err(if ["h", "m", "s", "ms", "us", "ns"].contains(&unit) {
        fault.hint(format!("a span of time is `duration(\"{said}\")`; `elapsed_time` is a number of µs"))
    } else {
        fault.hint("a text that begins with a digit stands in quotes")
    })
}
