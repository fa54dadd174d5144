//! Patterns of `matches()`: RE2's, which are searched for anywhere in the text, by the `regex` crate.
//!
//! Both take linear time, and most of a pattern means the same to both. This reads a pattern by RE2's syntax and writes it
//! in the crate's: `\d`, `\w`, `\s` and `\b` are ASCII; what is an operator to the crate only (`[a&&b]`, `\<`, a stray
//! `{`) stands for itself; octal numbers and `\Q…\E` are spelled out. What RE2 does not have is refused.

use std::fmt::Write;

use regex::bytes::{Regex, RegexBuilder};

/// Longest pattern in bytes: far beyond what people write.
pub const MAX_PATTERN_BYTES: usize = 4096;
/// Largest compiled pattern in bytes. Counted repetitions of repetitions reach it.
pub const MAX_COMPILED_BYTES: usize = 1 << 20;
/// Most patterns that are written out in one filter: compiling one may take milliseconds.
pub const MAX_PATTERNS: usize = 100;
/// Most repetitions that can be counted, as in RE2.
const MAX_REPEAT: u32 = 1000;
/// Deepest nesting of groups.
const MAX_NESTING: u32 = 100;

/// What is wrong with a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternError(pub String);

/// Compiles a pattern of RE2. It matches UTF-8 text given as bytes.
///
/// # Errors
/// What RE2 does not have, and what is over the limits.
pub fn compile(pattern: &str) -> Result<Regex, PatternError> {
    let translated = translate(pattern)?;
    RegexBuilder::new(&translated).size_limit(MAX_COMPILED_BYTES).nest_limit(MAX_NESTING).build().map_err(|error| {
        match error {
            regex::Error::CompiledTooBig(_) => PatternError("the pattern repeats too much".to_owned()),
            other => {
                let said = other.to_string();
                let last = said.lines().last().unwrap_or_default();
                PatternError(last.strip_prefix("error: ").unwrap_or(last).to_owned())
            }
        }
    })
}

/// A pattern of RE2 in the syntax of the `regex` crate.
///
/// # Errors
/// What RE2 does not have.
pub fn translate(pattern: &str) -> Result<String, PatternError> {
    if pattern.len() > MAX_PATTERN_BYTES {
        return Err(PatternError(format!("the pattern is over the limit of {MAX_PATTERN_BYTES} bytes")));
    }
    let mut reader = Reader { rest: pattern, out: String::with_capacity(pattern.len() + 16) };
    while reader.item()? {}
    Ok(reader.out)
}

struct Reader<'a> {
    rest: &'a str,
    out: String,
}

impl Reader<'_> {
    /// One item of the pattern outside brackets; false at the end.
    fn item(&mut self) -> Result<bool, PatternError> {
        let Some(first) = self.next() else { return Ok(false) };
        match first {
            '\\' => self.escape()?,
            '[' => self.class()?,
            '(' => self.group()?,
            '*' | '+' | '?' => {
                self.out.push(first);
                self.repeated()?;
            }
            '{' => match counted(self.rest)? {
                Some(length) => {
                    self.out.push('{');
                    self.pass(length);
                    self.repeated()?;
                }
                None => self.out.push_str(r"\{"),
            },
            _ => self.out.push(first),
        }
        Ok(true)
    }

    fn next(&mut self) -> Option<char> {
        let first = self.rest.chars().next()?;
        self.rest = self.rest.get(first.len_utf8()..).unwrap_or("");
        Some(first)
    }

    /// Copies so many bytes.
    fn pass(&mut self, length: usize) {
        let (begin, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.out.push_str(begin);
        self.rest = rest;
    }

    /// Behind a repetition: a `?` makes it lazy, another repetition is one too many.
    fn repeated(&mut self) -> Result<(), PatternError> {
        if self.rest.starts_with('?') {
            self.pass(1);
        }
        let is_counted = self.rest.strip_prefix('{').map_or(Ok(None), counted)?.is_some();
        if is_counted || self.rest.starts_with(['*', '+', '?']) {
            return Err(PatternError("a repetition repeats a repetition".to_owned()));
        }
        Ok(())
    }

    /// Behind `(`: flags and names of groups.
    fn group(&mut self) -> Result<(), PatternError> {
        self.out.push('(');
        let Some(behind) = self.rest.strip_prefix('?') else { return Ok(()) };
        if behind.starts_with("P<")
            || (behind.starts_with('<') && !behind.starts_with("<=") && !behind.starts_with("<!"))
        {
            let end = self.rest.find('>').map_or(self.rest.len(), |at| at + 1);
            self.pass(end);
            return Ok(());
        }
        let flags = behind.chars().take_while(|flag| "imsU-".contains(*flag)).count();
        if behind.get(flags..).is_some_and(|end| end.starts_with([':', ')'])) {
            self.pass(flags + 1);
            return Ok(());
        }
        let said: String = behind.chars().take(2).collect();
        Err(PatternError(format!("RE2 has no `(?{said}`")))
    }

    /// Behind a backslash, outside brackets.
    fn escape(&mut self) -> Result<(), PatternError> {
        let Some(letter) = self.next() else { return Err(PatternError("a backslash ends the pattern".to_owned())) };
        match letter {
            'd' | 'D' | 's' | 'S' | 'w' | 'W' => self.out.push_str(perl_class(letter)),
            'b' => self.out.push_str(r"(?-u:\b)"),
            'B' => self.out.push_str(r"(?-u:\B)"),
            'A' => self.out.push_str(r"\A"),
            'z' => self.out.push_str(r"\z"),
            'p' | 'P' => self.unicode_class(letter),
            'Q' => {
                let (literal, rest) = self.rest.split_once("\\E").unwrap_or((self.rest, ""));
                self.out.push_str(&regex::escape(literal));
                self.rest = rest;
            }
            _ => {
                let char = self.escaped_char(letter)?;
                self.literal(char);
            }
        }
        Ok(())
    }

    fn unicode_class(&mut self, letter: char) {
        self.out.push('\\');
        self.out.push(letter);
        let length = match self.rest.strip_prefix('{') {
            Some(name) => name.find('}').map_or(self.rest.len(), |at| at + 2),
            None => self.rest.chars().next().map_or(0, char::len_utf8),
        };
        self.pass(length);
    }

    /// The character that a backslash and this letter stand for, in brackets or outside.
    fn escaped_char(&mut self, letter: char) -> Result<char, PatternError> {
        let refused = || PatternError(format!("RE2 has no `\\{letter}`"));
        Ok(match letter {
            'a' => '\u{7}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            'x' => self
                .hexadecimal()
                .ok_or_else(|| PatternError("`\\x` wants two digits, or some in braces".to_owned()))?,
            // One digit alone would be a reference to a group, which RE2 does not have.
            '1'..='7' if !self.rest.starts_with(|next: char| ('0'..='7').contains(&next)) => return Err(refused()),
            '0'..='7' => {
                let digits = self.rest.bytes().take(2).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
                let text = format!("{letter}{}", self.rest.get(..digits).unwrap_or(""));
                self.rest = self.rest.get(digits..).unwrap_or("");
                u32::from_str_radix(&text, 8).ok().and_then(char::from_u32).ok_or_else(refused)?
            }
            _ if letter.is_ascii_punctuation() => letter,
            _ => return Err(refused()),
        })
    }

    fn hexadecimal(&mut self) -> Option<char> {
        let (digits, length) = match self.rest.strip_prefix('{') {
            Some(inside) => {
                let end = inside.find('}')?;
                (inside.get(..end)?, end + 2)
            }
            None => (self.rest.get(..2)?, 2),
        };
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let char = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32)?;
        self.rest = self.rest.get(length..)?;
        Some(char)
    }

    /// A character that stands for itself.
    fn literal(&mut self, char: char) {
        let mut buffer = [0; 4];
        self.out.push_str(&regex::escape(char.encode_utf8(&mut buffer)));
    }

    /// Behind `[`: what stands in brackets.
    fn class(&mut self) -> Result<(), PatternError> {
        self.out.push('[');
        if self.rest.starts_with('^') {
            self.pass(1);
        }
        let unclosed = || PatternError("a bracket does not close".to_owned());
        let mut is_first = true;
        loop {
            if self.rest.starts_with(']') && !is_first {
                self.pass(1);
                return Ok(());
            }
            is_first = false;
            if self.rest.starts_with("[:")
                && let Some(end) = self.rest.find(":]")
            {
                self.pass(end + 2);
                continue;
            }
            let Some(low) = self.class_item()? else { continue };
            if self.rest.starts_with('-') && !self.rest.starts_with("-]") && self.rest.len() > 1 {
                self.next();
                let high = self.class_item()?.filter(|high| *high >= low);
                let high = high.ok_or_else(|| PatternError("a range in brackets ends before it begins".to_owned()))?;
                self.range(low, high)?;
            } else if self.rest.is_empty() {
                return Err(unclosed());
            } else {
                self.range(low, low)?;
            }
        }
    }

    /// A character within brackets; `None` if it was a class, which is written already.
    fn class_item(&mut self) -> Result<Option<char>, PatternError> {
        let unclosed = || PatternError("a bracket does not close".to_owned());
        let first = self.next().ok_or_else(unclosed)?;
        if first != '\\' {
            return Ok(Some(first));
        }
        let letter = self.next().ok_or_else(unclosed)?;
        match letter {
            'd' | 'D' | 's' | 'S' | 'w' | 'W' => self.out.push_str(perl_class(letter)),
            'p' | 'P' => self.unicode_class(letter),
            _ => return self.escaped_char(letter).map(Some),
        }
        Ok(None)
    }

    /// A range within brackets, in digits: no character means anything there.
    fn range(&mut self, low: char, high: char) -> Result<(), PatternError> {
        let written = if low == high {
            write!(self.out, "\\x{{{:x}}}", u32::from(low))
        } else {
            write!(self.out, "\\x{{{:x}}}-\\x{{{:x}}}", u32::from(low), u32::from(high))
        };
        written.map_err(|_| PatternError("the pattern is too long".to_owned()))
    }
}

/// The ASCII classes of Perl.
fn perl_class(letter: char) -> &'static str {
    match letter {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        's' => r"[\t\n\x0C\r ]",
        'S' => r"[^\t\n\x0C\r ]",
        'w' => "[0-9A-Za-z_]",
        _ => "[^0-9A-Za-z_]",
    }
}

/// The length of `n}`, `n,}` or `n,m}` at the start; `None` if the brace before it stands for itself.
fn counted(text: &str) -> Result<Option<usize>, PatternError> {
    let Some(end) = text.find('}') else { return Ok(None) };
    let inside = text.get(..end).unwrap_or("");
    let (low, high) = inside.split_once(',').map_or((inside, None), |(low, high)| (low, Some(high)));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    if !is_number(low) || high.is_some_and(|high| !high.is_empty() && !is_number(high)) {
        return Ok(None);
    }
    for count in [Some(low), high].into_iter().flatten().filter(|count| !count.is_empty()) {
        if count.parse::<u32>().map_or(true, |count| count > MAX_REPEAT) {
            return Err(PatternError(format!("a repetition is counted beyond {MAX_REPEAT}")));
        }
    }
    Ok(Some(end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(pattern: &str, text: &str) -> bool {
        compile(pattern).unwrap_or_else(|error| panic!("{pattern}: {error:?}")).is_match(text.as_bytes())
    }

    /// Proves that classes and word boundaries are RE2's: of ASCII.
    #[test]
    fn classes_are_ascii() {
        for (pattern, text, expected) in [
            (r"^\d$", "٣", false),
            (r"^\D$", "٣", true),
            (r"^\w$", "é", false),
            (r"^[\w]$", "é", false),
            (r"^[^\w]$", "é", true),
            (r"^[\W\d]$", "7", true),
            (r"^\s$", "\u{b}", false),
            (r"^\s$", "\u{a0}", false),
            (r"\bcaf\b", "café", true),
            (r"caf\Bé", "café", false),
            (r"(?i)^straße$", "STRAßE", true),
            (r"^.$", "é", true),
        ] {
            assert_eq!(finds(pattern, text), expected, "{pattern} in {text}");
        }
    }

    /// Proves that what only the crate takes for operators stands for itself, as in RE2.
    #[test]
    fn what_is_plain_to_re2_is_plain() {
        for (pattern, text) in [
            (r"^[a&&b]$", "&"),
            (r"^[+--]$", ","),
            (r"^[~~x]$", "~"),
            (r"^[[]$", "["),
            (r"^[]a]$", "]"),
            (r"^[^]a]$", "x"),
            (r"^[a-]$", "-"),
            (r"^a{$", "a{"),
            (r"^a{,3}$", "a{,3}"),
            (r"^}]$", "}]"),
            (r"^\<\>$", "<>"),
            (r"^\Qa.b*\E$", "a.b*"),
            (r"^\101\x42\x{43}$", "ABC"),
            (r"^[[:alpha:]_]+$", "ab_"),
            (r"^(?P<n>a)(?<m>b)(?i:C)$", "abc"),
        ] {
            assert!(finds(pattern, text), "{pattern} in {text}");
        }
    }

    /// Proves that what RE2 does not have, and what is too much, is refused with a reason.
    #[test]
    fn what_re2_does_not_have_is_refused() {
        for (pattern, reason) in [
            (r"(a)\1", r"RE2 has no `\1`"),
            (r"(?=a)", "RE2 has no `(?=a`"),
            (r"(?<!a)", "RE2 has no `(?<!`"),
            (r"(?x)a", "RE2 has no `(?x)`"),
            (r"a**", "a repetition repeats a repetition"),
            (r"a{2}{3}", "a repetition repeats a repetition"),
            (r"a{1001}", "a repetition is counted beyond 1000"),
            (r"((a{100}){100}){100}", "the pattern repeats too much"),
            (r"[a", "a bracket does not close"),
            (r"[b-a]", "a range in brackets ends before it begins"),
            (r"a\", "a backslash ends the pattern"),
            (r"\C", r"RE2 has no `\C`"),
            (r"\xZZ", r"`\x` wants two digits, or some in braces"),
            (r"(a", "unclosed group"),
            (r"*a", "repetition operator missing expression"),
        ] {
            assert_eq!(compile(pattern).map(|_| ()).unwrap_err().0, reason, "{pattern}");
        }
        assert!(compile(&"(".repeat(4000)).is_err());
        assert!(compile(&"a".repeat(MAX_PATTERN_BYTES + 1)).is_err());
    }
}
