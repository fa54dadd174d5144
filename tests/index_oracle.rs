//! Bitmaps against full scans: any predicate selects the same packets with the indexes as without them.

use proptest::{
    collection::vec,
    prelude::{Just, Strategy},
    prop_oneof,
    sample::select,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};

use crate::support::store::{OFFICE, batches, open, texts};

/// Predicates tried; each is two queries.
const CASES: u32 = 220;

const ADDRESSES: &[&str] = &[
    "'10.20.1.47'",
    "'203.0.113.66'",
    "'10.20.30.15'",
    "'10.20.30.53'",
    "'198.51.100.10'",
    "'2001:db8:20:1::c'",
    "'192.0.2.1'",
    "'10.20.1.1'",
    "'10.20.30.80'",
    "'no address'",
    "null",
];
const NETWORKS: &[&str] =
    &["'10.0.0.0/8'", "'10.20.30.0/24'", "'203.0.113.66/32'", "'2001:db8::/32'", "'0.0.0.0/0'", "'172.16.0.0/12'"];
const PATTERNS: &[&str] = &["'10.20.%'", "'%.66'", "'2001:%'", "'%'", "'10.20.1._7'", "'none%'"];
const PORTS: &[&str] = &["22", "53", "80", "443", "8443", "8042", "50000", "61013", "65535", "0", "null"];
const NAMES: &[&str] =
    &["'tcp'", "'udp'", "'icmp'", "'icmpv6'", "'arp'", "'sctp'", "'http'", "'tls'", "'dns'", "'ssh'"];
const TIMES: &[&str] = &[
    "'2026-11-20 17:00:00'",
    "'2026-11-20 17:23:05'",
    "'2026-11-20 17:24:31.5'",
    "'2026-11-20 17:59:59'",
    "'2027-01-01'",
];

/// Every operator that the indexes answer, on a column and its plausible values.
fn comparison(columns: &'static [&'static str], values: &'static [&'static str]) -> impl Strategy<Value = String> {
    let column = select(columns);
    let value = select(values);
    prop_oneof![
        (column.clone(), select(vec!["=", "<>", "<", "<=", ">", ">="]), value.clone())
            .prop_map(|(c, op, v)| format!("{c} {op} {v}")),
        (column.clone(), vec(select(values), 1..=4), select(vec!["in", "not in"]))
            .prop_map(|(c, vs, op)| format!("{c} {op} ({})", vs.join(", "))),
        (column.clone(), value.clone(), value, select(vec!["between", "not between"]))
            .prop_map(|(c, a, b, op)| format!("{c} {op} {a} and {b}")),
        (column, select(vec!["is null", "is not null"])).prop_map(|(c, op)| format!("{c} {op}")),
    ]
}

fn leaf() -> impl Strategy<Value = String> {
    let ip = || select(vec!["src_ip", "dst_ip"]);
    let flags = ["2", "16", "18", "24", "17", "4", "0", "255"];
    prop_oneof![
        3 => comparison(&["src_ip", "dst_ip"], ADDRESSES),
        3 => comparison(&["src_port", "dst_port"], PORTS),
        3 => comparison(&["proto", "app_proto"], NAMES),
        1 => comparison(&["vlan_id"], &["30", "1", "4094"]),
        1 => comparison(&["tcp_flags"], &["2", "16", "18", "24", "17", "4", "0", "255"]),
        1 => comparison(&["flow_id"], &["4294967297", "4294967300", "8589934593", "0"]),
        1 => comparison(&["ts"], TIMES),
        1 => comparison(&["orig_len", "payload_len", "ttl", "ip_id"], &["0", "52", "60", "64", "1460", "1514"]),
        1 => comparison(&["ip_version"], &["4", "6"]),
        1 => comparison(&["tunnel", "anomalies"], &["'gre'", "'x'"]),
        1 => (ip(), select(NETWORKS)).prop_map(|(c, n)| format!("ip_in_cidr({c}, {n})")),
        1 => (ip(), select(PATTERNS), select(vec!["like", "not like"])).prop_map(|(c, p, op)| format!("{c} {op} {p}")),
        1 => (select(flags.to_vec()), select(flags.to_vec())).prop_map(|(m, v)| format!("tcp_flags & {m} = {v}")),
        1 => select(vec!["'SYN'", "'RST'", "'SYN,ACK'"]).prop_map(|f| format!("has_tcp_flag(tcp_flags, {f})")),
        1 => ip().prop_map(|c| format!("is_private_ip({c})")),
        1 => Just("src_port = dst_port".to_owned()),
        1 => Just("src_port > 1000 + orig_len".to_owned()),
    ]
}

fn predicate() -> impl Strategy<Value = String> {
    leaf().prop_recursive(3, 10, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} and {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} or {b})")),
            inner.clone().prop_map(|a| format!("not ({a})")),
            (inner, select(vec!["is true", "is not true", "is unknown"])).prop_map(|(a, t)| format!("({a}) {t}")),
        ]
    })
}

#[test]
fn any_predicate_selects_the_same_packets_with_and_without_the_indexes() {
    let db = OFFICE.path("db");
    let (with, without) = (open(&db).session(), open(&db).session());
    without.set_use_index(false);
    let config = Config { cases: CASES, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let (mut some, mut queries) = (0, 0);
    let counted = std::cell::RefCell::new((&mut some, &mut queries));
    let result = runner.run(&predicate(), |predicate| {
        let sql = format!("select packet_id from packets where {predicate}");
        let answer = |session| {
            let rows = batches(session, &sql).map_err(|e| TestCaseError::fail(format!("{sql}: {e:?}")))?;
            let mut ids: Vec<i64> = texts(&rows).iter().map(|row| row[0].parse().unwrap()).collect();
            ids.sort_unstable();
            Ok::<_, TestCaseError>(ids)
        };
        let (indexed, scanned) = (answer(&with)?, answer(&without)?);
        let mut counted = counted.borrow_mut();
        *counted.1 += 1;
        *counted.0 += i32::from(!indexed.is_empty());
        if indexed != scanned {
            let text = format!("{sql}: {} packets with the index, {} without", indexed.len(), scanned.len());
            return Err(TestCaseError::fail(text));
        }
        Ok(())
    });
    result.unwrap_or_else(|e| panic!("{e}"));
    assert!(some * 3 > queries, "{some} of {queries} predicates select anything: too few to prove much");
}
