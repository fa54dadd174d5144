//! Each kind of mistake, and the whole of what it is answered with.

use super::support::{minutes, open, open_with, rows};
use crate::{Session, SqlError};

async fn fail(session: &Session, sql: &str) -> SqlError {
    match rows(session, sql).await {
        Ok(_) => panic!("{sql} is no mistake"),
        Err(error) => error,
    }
}

/// Statement, SQLSTATE, message, position (0 for none), hint (empty for none).
const MISTAKES: &[(&str, &str, &str, usize, &str)] = &[
    ("selec 1", "42601", "syntax error at or near \"selec\"", 1, ""),
    ("select 1 +", "42601", "syntax error at end of input", 11, ""),
    ("select * from packets wher proto = 'tcp'", "42601", "syntax error at or near \"proto\"", 28, ""),
    ("select 'abc", "42601", "unterminated string literal", 8, ""),
    ("select scr_ip from packets", "42703", "column \"scr_ip\" does not exist", 8, "Did you mean \"src_ip\"?"),
    (
        "select ts\nfrom packets\nwhere dstport = 53",
        "42703",
        "column \"dstport\" does not exist",
        30,
        "Did you mean \"dst_port\"?",
    ),
    ("select p.scr_ip from packets p", "42703", "column p.scr_ip does not exist", 8, "Did you mean \"src_ip\"?"),
    ("select weather from packets", "42703", "column \"weather\" does not exist", 8, ""),
    ("select q.ts from packets p", "42P01", "missing FROM-clause entry for table \"q\"", 8, ""),
    ("select * from packet", "42P01", "relation \"packet\" does not exist", 15, "Did you mean \"packets\"?"),
    ("select * from segments", "42P01", "relation \"segments\" does not exist", 15, "There is \"system.segments\"."),
    (
        "select * from system.segmens",
        "42P01",
        "relation \"system.segmens\" does not exist",
        15,
        "Did you mean \"system.segments\"?",
    ),
    (
        "select * from weather",
        "42P01",
        "relation \"weather\" does not exist",
        15,
        "The table system.tables lists what there is.",
    ),
    (
        "select ip_in_cidrr(src_ip, '10.0.0.0/8') from packets",
        "42883",
        "function ip_in_cidrr does not exist",
        8,
        "Did you mean \"ip_in_cidr\"?",
    ),
    (
        "select ip_in_cidr(src_ip, '10.0.0.0/99') from packets",
        "22P02",
        "invalid input syntax for type cidr: \"10.0.0.0/99\"",
        0,
        "Write a network as 10.0.0.0/8 or 2001:db8::/32.",
    ),
    (
        "select ip_in_cidr(src_ip) from packets",
        "42883",
        "function ip_in_cidr(text) does not exist",
        8,
        "It is ip_in_cidr(text, text).",
    ),
    (
        "select has_tcp_flag(tcp_flags, 'SYM') from packets",
        "22023",
        "there is no TCP flag \"SYM\"",
        0,
        "The flags are FIN, SYN, RST, PSH, ACK, URG, ECE, CWR.",
    ),
    ("select 1 / (dst_port - dst_port) from packets", "22012", "division by zero", 0, ""),
    (
        "select src_ip, count(*) from packets",
        "42803",
        "column \"packets.src_ip\" must appear in the GROUP BY clause or be used in an aggregate function",
        8,
        "",
    ),
    (
        "insert into packets values (1)",
        "25006",
        "cannot execute INSERT in a read-only database",
        0,
        "SQL reads and COPY … TO exports; data comes in through wiretape import.",
    ),
    (
        "delete from packets",
        "25006",
        "cannot execute DELETE in a read-only database",
        0,
        "SQL reads and COPY … TO exports; data comes in through wiretape import.",
    ),
    (
        "create table t (a int)",
        "25006",
        "cannot execute CREATE in a read-only database",
        0,
        "SQL reads and COPY … TO exports; data comes in through wiretape import.",
    ),
    (
        "create external table t stored as parquet location '/etc'",
        "25006",
        "cannot execute CREATE in a read-only database",
        0,
        "SQL reads and COPY … TO exports; data comes in through wiretape import.",
    ),
    (
        "copy packets from '/etc/passwd'",
        "25006",
        "cannot execute COPY in a read-only database",
        0,
        "SQL reads and COPY … TO exports; data comes in through wiretape import.",
    ),
    (
        "explain delete from packets",
        "25006",
        "cannot execute EXPLAIN in a read-only database",
        0,
        "SQL reads and COPY … TO exports; data comes in through wiretape import.",
    ),
    (
        "select * into t from packets",
        "25006",
        "cannot execute SELECT in a read-only database",
        0,
        "SQL reads and COPY … TO exports; data comes in through wiretape import.",
    ),
    (
        "set datafusion.execution.batch_size = 1",
        "42704",
        "unrecognized configuration parameter \"datafusion.execution.batch_size\"",
        0,
        "The settings are wiretape.use_index and statement_timeout.",
    ),
    (
        "set wiretape.use_index = maybe",
        "22023",
        "invalid value for parameter \"wiretape.use_index\": \"maybe\"",
        0,
        "It takes on or off.",
    ),
    (
        "copy packets to program 'rm'",
        "0A000",
        "COPY TO PROGRAM is not supported",
        0,
        "Use COPY … TO STDOUT and a pipe on the client's side.",
    ),
    (
        "copy packets to stdout (format xml)",
        "22023",
        "COPY format \"xml\" not recognized",
        25,
        "The formats are text, csv, binary, pcap, pcapng, and for files parquet and json.",
    ),
    ("copy packets to stdout (colour 'red')", "42601", "option \"colour\" not recognized", 25, ""),
    ("copy packets to stdout (format csv", "42601", "syntax error at end of input", 35, ""),
    (
        "copy (select ts from packets) to stdout (format pcap)",
        "42703",
        "a pcap needs the column \"packet_id\"",
        0,
        "Select from packets with packet_id among the columns; select * works.",
    ),
    ("copy packets to '../x.csv'", "42501", "\"../x.csv\" contains ..", 0, "OUT"),
    ("copy packets to '/etc/x.csv'", "42501", "\"/etc/x.csv\" is outside the export folder", 0, "OUT"),
    (
        "copy packets to 'x.doc'",
        "22023",
        "the name \"x.doc\" does not tell the format",
        0,
        "End it in .pcap, .pcapng, .parquet, .csv or .json, or add (FORMAT …).",
    ),
    ("select 1; select 2", "42601", "more than one statement where one is expected", 11, ""),
    ("-- nothing", "42601", "there is no statement in this text", 0, ""),
];

#[tokio::test]
async fn every_mistake_is_answered_in_full() {
    let (dir, session) = open(&[minutes(0, 4)]);
    let out = dir.path().join("out").canonicalize().unwrap();
    let mut wrong = Vec::new();
    for (sql, sqlstate, message, position, hint) in MISTAKES {
        let error = fail(&session, sql).await;
        let hint = match *hint {
            "OUT" => format!("Files go into {} or folders below it.", out.display()),
            hint => hint.to_owned(),
        };
        let expected = (*sqlstate, (*message).to_owned(), *position, hint);
        let answer = (error.sqlstate, error.message, error.position.unwrap_or(0), error.hint.unwrap_or_default());
        if answer != expected {
            wrong.push(format!("{sql}\n  expected {expected:?}\n  answered {answer:?}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Statements of whose error only the code is promised: the words are DataFusion's or Arrow's.
const CODES: &[(&str, &str)] = &[
    ("select cast('x' as int)", "22P02"),
    ("select 'x'::int", "22P02"),
    ("select ts from packets where ts > 'yesterday'", "22007"),
    ("select cast(300000 as smallint)", "22003"),
    ("select abs('x', 'y')", "42883"),
    ("select ts + true from packets", "42804"),
    ("select sum(src_ip) from packets", "42883"),
    ("select 1 from packets where 7", "42804"),
    ("select a from (values (1)) x(a), (values (2)) y(a)", "42702"),
    ("select * from packets a, packets a", "42701"),
    ("select * from nowhere.packets", "42P01"),
    ("begin", "0A000"),
];

#[tokio::test]
async fn every_kind_of_mistake_has_its_code() {
    let (_dir, session) = open(&[minutes(0, 4)]);
    let mut wrong = Vec::new();
    for (sql, sqlstate) in CODES {
        let error = fail(&session, sql).await;
        if error.sqlstate != *sqlstate {
            wrong.push(format!("{sql}: expected {sqlstate}, answered {error:?}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[tokio::test]
async fn memory_exhausted_names_the_limit() {
    let (_dir, session) = open_with(&[minutes(0, 4)], |c| c.memory_limit_bytes = 1 << 20);
    let sql = "select count(*) from (select a.value v from generate_series(1, 400000) a \
        join generate_series(1, 400000) b on a.value = b.value + 1)";
    let error = fail(&session, sql).await;
    assert_eq!(error.sqlstate, "53200", "{error:?}");
    assert_eq!(error.message, "out of memory: the statement needs more than the memory limit of 1 MiB");
    assert!(error.hint.unwrap().contains("--memory-limit"));
}

#[tokio::test]
async fn a_damaged_file_is_named() {
    let (dir, session) = open(&[minutes(0, 4)]);
    let path = dir.path().join("db/segments/0000000001/packets.parquet");
    let mut bytes = std::fs::read(&path).unwrap();
    let end = bytes.len();
    bytes[end - 12..].fill(0);
    std::fs::write(&path, bytes).unwrap();
    let error = fail(&session, "select sum(dst_port) from packets").await;
    assert_eq!(error.sqlstate, "XX001", "{error:?}");
    assert!(error.message.contains("packets.parquet"), "{error:?}");
}

/// Proves that damage within a file is told as such, whether its pages are read by the index or all of them.
#[tokio::test]
async fn damage_in_a_page_says_what_to_do() {
    let (dir, session) = open(&[minutes(0, 1000)]);
    let path = dir.path().join("db/segments/0000000001/packets.parquet");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4..200].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    for (sql, is_named) in [
        ("select ts from packets where src_ip = '10.0.0.99'", true),
        ("select max(ts + interval '1s') from packets", false),
    ] {
        let error = fail(&session, sql).await;
        assert_eq!(error.sqlstate, "XX001", "{error:?}");
        assert_eq!(error.message.contains("packets.parquet"), is_named, "{error:?}");
        assert_eq!(error.hint.as_deref(), Some("wiretape verify checks every file of the database."), "{error:?}");
    }
}

#[tokio::test]
async fn positions_in_a_script_count_from_its_start() {
    let (_dir, session) = open(&[minutes(0, 1)]);
    let script = "select 'é;';\n-- a comment; with one\nselect 2 +;";
    assert_eq!(session.parse(script).unwrap_err().position, Some(47));
    let script = "select 'é;';\n  select nope from packets";
    let statements = session.parse(script).unwrap();
    let texts: Vec<_> = statements.iter().map(|s| (s.offset, s.text.as_str())).collect();
    assert_eq!(texts, [(0, "select 'é;'"), (15, "select nope from packets")]);
    assert_eq!(session.plan(&statements[1]).await.unwrap_err().position, Some(8));
}

#[tokio::test]
async fn blanks_and_comments_are_no_statement() {
    let (_dir, session) = open(&[minutes(0, 1)]);
    for text in ["", "  \n", ";", ";;", "-- ping", "/* a */ ;", "-- ping\n;"] {
        assert!(session.parse(text).unwrap().is_empty(), "{text:?}");
    }
}
