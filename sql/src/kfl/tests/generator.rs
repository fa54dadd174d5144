//! Expressions made at random, but the same ones every time: well typed, over a few variables.

/// xorshift64*: enough to choose among productions.
#[derive(Debug)]
pub(super) struct Generator(u64);

impl Generator {
    pub(super) fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap() % bound
    }

    pub(super) fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    pub(super) fn bool(&mut self, depth: usize) -> String {
        let leaf = depth == 0;
        match self.below(if leaf { 3 } else { 16 }) {
            0 => self.pick(&["http", "dns", "true", "false"]).to_owned(),
            1 => format!("{} {} {}", self.int(0), self.relation(), self.int(0)),
            2 => format!("{} {} {}", self.text(0), self.pick(&["==", "!=", "<", ">="]), self.text(0)),
            3 => format!("!({})", self.bool(depth - 1)),
            4..=6 => self.chain(" && ", depth),
            7 | 8 => self.chain(" || ", depth),
            9 => format!("({} ? {} : {})", self.bool(depth - 1), self.bool(depth - 1), self.bool(depth - 1)),
            10 => format!("({} {} {})", self.int(depth - 1), self.relation(), self.int(depth - 1)),
            11 => {
                let method = self.pick(&["contains", "startsWith", "endsWith"]);
                format!("({}).{method}({})", self.text(depth - 1), self.text(0))
            }
            12 => format!("({} in {})", self.text(0), self.texts(depth - 1)),
            13 => format!("({} in [{}, {}])", self.int(depth - 1), self.int(0), self.int(depth - 1)),
            14 => {
                let name = self.pick(&["exists", "all", "exists_one"]);
                let body = self.bool(0);
                format!("{}.{name}(v, v == {} || {body})", self.texts(depth - 1), self.text(0))
            }
            _ => format!("({} in request.headers)", self.text(0)),
        }
    }

    fn chain(&mut self, joined: &str, depth: usize) -> String {
        let terms: Vec<String> = (0..2 + self.below(3)).map(|_| self.bool(depth - 1)).collect();
        format!("({})", terms.join(joined))
    }

    fn relation(&mut self) -> &'static str {
        self.pick(&["==", "!=", "<", "<=", ">", ">="])
    }

    fn int(&mut self, depth: usize) -> String {
        match self.below(if depth == 0 { 4 } else { 8 }) {
            0 => self.pick(&["status_code", "elapsed_time", "dst.port"]).to_owned(),
            1 => self.pick(&["0", "1", "2", "200", "500", "0x1f", "-3"]).to_owned(),
            2 => self.pick(&["9223372036854775807", "-9223372036854775808", "4611686018427387904"]).to_owned(),
            3 => "size(path)".to_owned(),
            4 | 5 => {
                format!("({} {} {})", self.int(depth - 1), self.pick(&["+", "-", "*", "/", "%"]), self.int(depth - 1))
            }
            6 => format!("size({})", self.texts(depth - 1)),
            _ => format!("(-{})", self.pick(&["status_code", "elapsed_time"])),
        }
    }

    fn text(&mut self, depth: usize) -> String {
        match self.below(if depth == 0 { 3 } else { 6 }) {
            0 => self.pick(&["path", "method", "src.pod.name"]).to_owned(),
            1 => self.pick(&["\"\"", "\"GET\"", "'/api'", "r\"/\"", "\"é\"", "\"x-id\"", "\"a\\n\\\"\""]).to_owned(),
            2 => "request.headers[\"x-id\"]".to_owned(),
            3 => format!("({} + {})", self.text(depth - 1), self.text(depth - 1)),
            4 => format!("({} ? {} : {})", self.bool(depth - 1), self.text(depth - 1), self.text(0)),
            _ => format!("{}[{}]", self.texts(depth - 1), self.pick(&["0", "1", "7"])),
        }
    }

    fn texts(&mut self, depth: usize) -> String {
        match self.below(if depth == 0 { 2 } else { 5 }) {
            0 => "dns_questions".to_owned(),
            1 => format!("[{}, {}]", self.text(0), self.text(0)),
            2 => format!("({} + {})", self.texts(depth - 1), self.texts(0)),
            3 => format!("{}.filter(w, w != {})", self.texts(depth - 1), self.text(0)),
            _ => format!("{}.map(w, w + {})", self.texts(depth - 1), self.text(0)),
        }
    }

    /// Tokens in any order.
    pub(super) fn soup(&mut self) -> String {
        const TOKENS: &[&str] = &[
            "a", "b.c", "f(", ")", "(", "[", "]", "{", "}", ",", ":", "?", "==", "!=", "<", "in", "+", "-", "*", "%",
            "!", "&&", "||", "1", "2u", "1.5", ".5", "\"s\"", "b'x'", "r\"\\d\"", "true", "null", ".", "x.y(", "[1]",
            "(a)", "a", "1", "-1", "!a", "a == 1", "&& b", "+ 2", "? a : b",
        ];
        let parts: Vec<&str> = (0..1 + self.below(7)).map(|_| self.pick(TOKENS)).collect();
        parts.join(" ")
    }
}
