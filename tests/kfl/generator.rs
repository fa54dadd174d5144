//! Filters made at random, but the same ones every time, from what the rows hold.

/// How many are tried.
pub(super) const FILTERS: usize = 200;

/// Of which every so many of all tables at once: those plans take long to make.
pub(super) const ALL_EVERY: usize = 20;

/// Leaves: a variable of each kind with what it is asked for, and forms that only the evaluator knows.
const FLAGS: &[&str] = &[
    "http",
    "dns",
    "grpc",
    "gql",
    "tls",
    "tlsx",
    "flow",
    "conn",
    "tcp",
    "udp",
    "ws_request",
    "dns_response",
    "mysql_success",
    "has_pcap",
];
const INTS: &[&str] = &[
    "status_code",
    "src.port",
    "dst.port",
    "elapsed_time",
    "response_body_size",
    "size(dns_answers)",
    "size(path)",
    "size(request.headers)",
    "flow_local_bytes",
    "grpc_status",
    "udp_length",
    "tlsx_version",
];
const NUMBERS: &[&str] = &["0", "1", "-1", "200", "404", "500", "443", "8080", "1000000", "771", "4294967296"];
const TEXTS: &[&str] = &[
    "path",
    "method",
    "src.ip",
    "dst.ip",
    "dst.dns",
    "protocol",
    "http_version",
    "redis_key",
    "mysql_query",
    "tcp_error_type",
    "src.name",
    "request.headers[\"x-id\"]",
    "map_get(request.headers, \"user-agent\", \"none\")",
    "query_string[\"debug\"]",
    "src.pod.name",
];
const WORDS: &[&str] = &[
    "\"\"",
    "\"/\"",
    "\"GET\"",
    "\"10.0.0.5\"",
    "\"HTTP\"",
    "\"Reset\"",
    "\"7\"",
    "\"api\"",
    "\"none\"",
    "\"web-1\"",
    "\"session:1\"",
    "\"é\"",
];
const LISTS: &[&str] = &[
    "dns_questions",
    "dns_answers",
    "tlsx_cipher_suites",
    "pods",
    "namespaces",
    "conn_l7_detected",
    "dns_resolutions",
];
const MAPS: &[&str] = &["request.headers", "query_string", "request.cookies", "local_labels", "capture"];
const KEYS: &[&str] = &["\"x-id\"", "\"debug\"", "\"session\"", "\"tier\"", "\"source\"", "\"\""];
const RELATIONS: &[&str] = &["==", "!=", "<", "<=", ">", ">="];

/// Makes filters.
pub(super) struct Generator<'a> {
    state: u64,
    /// What is true of some entry: half of the leaves.
    facts: &'a [String],
}

impl<'a> Generator<'a> {
    pub(super) fn new(seed: u64, facts: &'a [String]) -> Self {
        Self { state: seed, facts }
    }

    /// xorshift64*: enough to choose among productions.
    fn below(&mut self, bound: usize) -> usize {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        usize::try_from(self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap() % bound
    }

    fn pick(&mut self, of: &[&'static str]) -> &'static str {
        of[self.below(of.len())]
    }

    /// A filter of a few leaves.
    pub(super) fn filter(&mut self) -> String {
        self.truth(3)
    }

    fn truth(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.leaf();
        }
        let inner = depth - 1;
        match self.below(8) {
            0 | 1 => format!("({} && {})", self.truth(inner), self.truth(inner)),
            2 | 3 => format!("({} || {})", self.truth(inner), self.truth(inner)),
            4 => format!("!({})", self.truth(inner)),
            5 => format!("({} ? {} : {})", self.leaf(), self.truth(inner), self.leaf()),
            _ => self.leaf(),
        }
    }

    fn leaf(&mut self) -> String {
        if self.below(2) == 0 {
            return self.facts[self.below(self.facts.len())].clone();
        }
        match self.below(16) {
            0 | 1 => self.pick(FLAGS).to_owned(),
            2 => format!("{} {} {}", self.pick(INTS), self.pick(RELATIONS), self.pick(NUMBERS)),
            3 => format!("{} {} {}", self.pick(NUMBERS), self.pick(RELATIONS), self.pick(INTS)),
            4 => format!("{} {} {}", self.pick(INTS), self.pick(RELATIONS), self.pick(INTS)),
            5 => format!("{} in [{}, {}]", self.pick(INTS), self.pick(NUMBERS), self.pick(NUMBERS)),
            6 => format!("{} {} {}", self.pick(TEXTS), self.pick(RELATIONS), self.pick(WORDS)),
            7 => format!("{} {} {}", self.pick(TEXTS), self.pick(RELATIONS), self.pick(TEXTS)),
            8 => format!("{} in [{}, {}]", self.pick(TEXTS), self.pick(WORDS), self.pick(WORDS)),
            9 => {
                let method = self.pick(&["contains", "startsWith", "endsWith", "matches"]);
                format!("{}.{method}({})", self.pick(TEXTS), self.pick(WORDS))
            }
            10 => format!("{} in {}", self.pick(WORDS), self.pick(LISTS)),
            11 => format!("{} in {}", self.pick(KEYS), self.pick(MAPS)),
            12 => {
                let quantifier = self.pick(&["exists", "all", "exists_one"]);
                format!("{}.{quantifier}(x, x.contains({}))", self.pick(LISTS), self.pick(WORDS))
            }
            13 => {
                let operator = self.pick(&["+", "-", "*", "/", "%"]);
                let (a, b, c) = (self.pick(INTS), self.pick(INTS), self.pick(NUMBERS));
                format!("{a} {operator} {b} {} {c}", self.pick(RELATIONS))
            }
            14 => format!("{}[{}] == {}", self.pick(MAPS), self.pick(KEYS), self.pick(WORDS)),
            _ => {
                let time = self.pick(&[
                    "timestamp(\"2026-03-02T12:00:00Z\")",
                    "now()",
                    "timestamp(\"2199-12-31T23:59:59.5Z\")",
                ]);
                let other = format!("timestamp.{}() > {}", self.pick(&["getHours", "getFullYear"]), self.pick(NUMBERS));
                if self.below(2) == 0 { other } else { format!("timestamp {} {time}", self.pick(RELATIONS)) }
            }
        }
    }
}
