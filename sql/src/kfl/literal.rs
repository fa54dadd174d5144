//! Quoted literals: single and triple quotes, raw strings, bytes, and what backslashes stand for.

use super::ast::Span;
use super::error::Fault;
use super::lexer::TokenKind;

/// A string or bytes literal at the start of a text, with its length. `None` if none begins there.
pub(super) fn quoted(text: &str) -> Result<Option<(TokenKind, usize)>, Fault> {
    let prefix = text.bytes().take_while(u8::is_ascii_alphabetic).take(3).count();
    let (is_bytes, is_raw) = match text.get(..prefix).unwrap_or("") {
        "" => (false, false),
        "r" | "R" => (false, true),
        "b" | "B" => (true, false),
        "br" | "bR" | "Br" | "BR" => (true, true),
        _ => return Ok(None),
    };
    let body = text.get(prefix..).unwrap_or("");
    let Some(quote) = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| body.starts_with(quote)) else {
        return Ok(None);
    };
    let begin = prefix + quote.len();
    let end = closing(text, begin, quote, is_raw)?;
    let inside = text.get(begin..end).unwrap_or("");
    let length = end + quote.len();
    let kind = match (is_bytes, is_raw) {
        (false, true) => TokenKind::String(inside.to_owned()),
        (true, true) => TokenKind::Bytes(inside.as_bytes().to_vec()),
        (false, false) => TokenKind::String(string(inside).map_err(|fault| fault.moved(begin))?),
        (true, false) => TokenKind::Bytes(octets(inside).map_err(|fault| fault.moved(begin))?),
    };
    Ok(Some((kind, length)))
}

/// Where the quote that closes begins.
fn closing(text: &str, begin: usize, quote: &str, is_raw: bool) -> Result<usize, Fault> {
    let mut at = begin;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with(quote) {
            return Ok(at);
        }
        if quote.len() == 1 && rest.starts_with(['\n', '\r']) {
            break;
        }
        if !is_raw && rest.starts_with('\\') {
            at += 1;
        }
        at += text.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
    }
    let fault = Fault::new(Span { start: 0, end: at.min(text.len()) }, "the text in quotes does not end");
    Err(if quote.len() == 1 {
        fault.hint(format!(
            "close it with `{quote}` on the same line; a text of several lines stands in `{0}{0}{0}`",
            quote
        ))
    } else {
        fault.hint(format!("close it with `{quote}`"))
    })
}

/// What one backslash stands for.
enum Escape {
    /// A character.
    Char(char),
    /// `\x` and octal: a code point of a string, an octet of bytes.
    Number(u8),
}

fn string(inside: &str) -> Result<String, Fault> {
    let mut out = String::with_capacity(inside.len());
    each(inside, |piece| match piece {
        Piece::Plain(text) => {
            out.push_str(text);
            Ok(())
        }
        Piece::Escape(Escape::Char(char), _) => {
            out.push(char);
            Ok(())
        }
        Piece::Escape(Escape::Number(number), _) => {
            out.push(char::from(number));
            Ok(())
        }
    })?;
    Ok(out)
}

fn octets(inside: &str) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::with_capacity(inside.len());
    each(inside, |piece| match piece {
        Piece::Plain(text) => {
            out.extend_from_slice(text.as_bytes());
            Ok(())
        }
        Piece::Escape(Escape::Number(number), _) => {
            out.push(number);
            Ok(())
        }
        Piece::Escape(Escape::Char(char), span) => match u8::try_from(char) {
            Ok(octet) if octet.is_ascii() && span.end - span.start == 2 => {
                out.push(octet);
                Ok(())
            }
            _ => Err(Fault::new(span, "bytes have no `\\u` and `\\U`").hint("write the octets: `\\xHH`")),
        },
    })?;
    Ok(out)
}

/// A part of what is in the quotes.
enum Piece<'a> {
    Plain(&'a str),
    Escape(Escape, Span),
}

fn each<'a>(inside: &'a str, mut take: impl FnMut(Piece<'a>) -> Result<(), Fault>) -> Result<(), Fault> {
    let mut at = 0;
    while let Some(rest) = inside.get(at..).filter(|rest| !rest.is_empty()) {
        let plain = rest.find('\\').unwrap_or(rest.len());
        take(Piece::Plain(rest.get(..plain).unwrap_or("")))?;
        at += plain;
        if let Some(escape) = inside.get(at..).filter(|rest| rest.starts_with('\\')) {
            let (what, length) = unescape(escape).map_err(|fault| fault.moved(at))?;
            take(Piece::Escape(what, Span { start: at, end: at + length }))?;
            at += length;
        }
    }
    Ok(())
}

/// The escape at the start of a text, and its length.
fn unescape(text: &str) -> Result<(Escape, usize), Fault> {
    let letter = text.chars().nth(1).unwrap_or('\\');
    let plain = |char| Ok((Escape::Char(char), 2));
    match letter {
        'a' => plain('\u{7}'),
        'b' => plain('\u{8}'),
        'f' => plain('\u{c}'),
        'n' => plain('\n'),
        'r' => plain('\r'),
        't' => plain('\t'),
        'v' => plain('\u{b}'),
        '\\' | '?' | '"' | '\'' | '`' => plain(letter),
        'x' | 'X' => digits(text, 2, 2, 16).map(|number| (Escape::Number(number.to_le_bytes()[0]), 4)),
        'u' => scalar(text, 4),
        'U' => scalar(text, 8),
        '0'..='3' => digits(text, 1, 3, 8).map(|number| (Escape::Number(number.to_le_bytes()[0]), 4)),
        _ => {
            let span = Span { start: 0, end: 1 + letter.len_utf8() };
            let fault = Fault::new(span, format!("`\\{}` stands for nothing", letter.escape_debug()));
            Err(fault.hint(format!(
                "a backslash itself is `\\\\`; in a pattern write `\\\\{letter}`, or the whole as `r\"…\"`, where it stands for itself"
            )))
        }
    }
}

fn scalar(text: &str, count: usize) -> Result<(Escape, usize), Fault> {
    let number = digits(text, 2, count, 16)?;
    char::from_u32(number)
        .map(|char| (Escape::Char(char), 2 + count))
        .ok_or_else(|| Fault::new(Span { start: 0, end: 2 + count }, format!("U+{number:04X} is no Unicode character")))
}

/// `count` digits from `from` on.
fn digits(text: &str, from: usize, count: usize, radix: u32) -> Result<u32, Fault> {
    let said = text.get(from..from + count).filter(|said| said.chars().all(|digit| digit.is_digit(radix)));
    let kind = if radix == 8 { "octal" } else { "hexadecimal" };
    said.and_then(|said| u32::from_str_radix(said, radix).ok()).ok_or_else(|| {
        let letter = text.chars().nth(1).unwrap_or(' ');
        let end = 1 + letter.len_utf8();
        Fault::new(Span { start: 0, end }, format!("`\\{letter}` wants {count} {kind} digits"))
    })
}
