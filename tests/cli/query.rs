//! `wiretape query`: statements in, rows out, in every format; errors that point.

use std::process::Stdio;

use arrow::array::AsArray;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{Desk, text};

/// Two rows with a NULL, a comma and a quote in them.
const SQL: &str = "select * from (values (1, 'a,b', 1.5), (20, 'say \"x\"', null)) as t(n, word, share) order by n";

#[test]
fn rows_are_written_in_every_format() {
    let desk = Desk::with_packets();
    let of = |format: &str| desk.run(&["query", "--format", format, SQL]).ok().text().to_owned();
    let table = concat!(
        "  n | word    | share\n",
        "----+---------+-------\n",
        "  1 | a,b     |   1.5\n",
        " 20 | say \"x\" |\n",
        "(2 rows)\n",
    );
    assert_eq!(of("table"), table);
    assert_eq!(of("csv"), "n,word,share\n1,\"a,b\",1.5\n20,\"say \"\"x\"\"\",\n");
    let first = r#"{"n":1,"word":"a,b","share":1.5}"#;
    let second = r#"{"n":20,"word":"say \"x\"","share":null}"#;
    assert_eq!(of("json"), format!("[{first},{second}]\n"));
    assert_eq!(of("ndjson"), format!("{first}\n{second}\n"));
    let markdown = "\
|  n | word    | share |
|---:|---------|------:|
|  1 | a,b     |   1.5 |
| 20 | say \"x\" |       |
";
    assert_eq!(of("markdown"), markdown);
    assert_eq!(desk.run(&["query", SQL]).ok().text(), table, "a table unless told otherwise");
}

#[test]
fn parquet_goes_to_a_file_and_is_readable() {
    let desk = Desk::with_packets();
    let sql = "select ts, packet_id, src_ip, orig_len from packets order by packet_id";
    let ran = desk.run(&["query", "--format", "parquet", "-o", "rows.parquet", sql]).ok();
    assert!(ran.stdout.is_empty());
    let file = std::fs::File::open(desk.path("rows.parquet")).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let batches: Vec<_> = reader.map(Result::unwrap).collect();
    assert_eq!(batches.iter().map(|b| b.num_rows()).sum::<usize>(), 3000);
    let ids = batches[0].column_by_name("packet_id").unwrap().as_primitive::<arrow::datatypes::Int64Type>();
    assert_eq!(ids.value(0), 1 << 32, "the first packet of the first segment");
}

#[test]
fn statements_come_from_an_argument_a_file_or_standard_input() {
    let desk = Desk::with_packets();
    let sql = "select count(*) as n from packets; -- a comment\nselect 2 as two";
    let expected = "n\n3000\ntwo\n2\n";
    desk.write("report.sql", sql.as_bytes());
    assert_eq!(desk.run(&["query", "--format", "csv", sql]).ok().text(), expected);
    assert_eq!(desk.run(&["query", "--format", "csv", "-f", "report.sql"]).ok().text(), expected);
    assert_eq!(desk.run_with(&["query", "--format", "csv", "-"], sql.as_bytes()).ok().text(), expected);
    assert_eq!(desk.run_with(&["query", "--format", "csv", "-f", "-"], sql.as_bytes()).ok().text(), expected);
    desk.run(&["query", "-f", "no-such.sql"]).failed_saying(&["no-such.sql: No such file"]);
    desk.run(&["query", " -- nothing"]).failed_saying(&["there is no statement in this text"]);
}

#[test]
fn an_error_points_at_the_word_and_suggests_another() {
    let desk = Desk::with_packets();
    let ran = desk.run(&["query", "select scr_ip from packets"]).failed_saying(&[]);
    let expected = "\
error: column \"scr_ip\" does not exist
  select scr_ip from packets
         ^
hint: Did you mean \"src_ip\"?
";
    assert_eq!((ran.stderr.as_str(), ran.stdout.len()), (expected, 0));
    desk.write("two.sql", b"select 1;\n\nselect count(*)\nfrom packet");
    let ran = desk.run(&["query", "-f", "two.sql"]).failed_saying(&["line 4: from packet\n             ^\n"]);
    assert!(ran.stderr.contains("Did you mean \"packets\"?"), "{}", ran.stderr);
    desk.run(&["query", "drop table packets"]).failed_saying(&["cannot execute DROP in a read-only database"]);
}

#[test]
fn without_a_database_the_first_step_is_told() {
    let desk = Desk::new();
    desk.run(&["query", "select 1"])
        .failed_saying(&["there is no database at", "hint: make one with: wiretape import"]);
    assert!(!desk.path("db").exists(), "a reader makes nothing");
}

#[test]
fn limits_of_time_and_of_the_command_line_hold() {
    let desk = Desk::with_packets();
    let endless = "select count(*) from packets a, packets b, packets c where a.orig_len + b.orig_len = c.orig_len - 1";
    let began = std::time::Instant::now();
    desk.run(&["query", "--time-limit", "300ms", endless]).failed_saying(&["error: "]);
    assert!(began.elapsed().as_secs() < 60, "ended by the limit, not by itself");
    assert_eq!(desk.run(&["query"]).code, Some(2), "the command line was not understood");
    assert_eq!(desk.run(&["query", "--memory-limit", "lots", "select 1"]).code, Some(2));
}

/// `wiretape query … | head -1`: the reader has had enough, which is no error.
#[test]
fn a_closed_pipe_ends_the_program_without_a_word() {
    let desk = Desk::with_packets();
    for format in ["csv", "table", "ndjson"] {
        let mut command =
            desk.command(&["query", "--format", format, "select a.* from packets a, packets b limit 300000"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = crate::support::wait(child, std::time::Duration::from_secs(60));
        assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""), "{format}");
    }
}

/// Names are PostgreSQL's; a name that comes twice stays where columns are told apart by place.
#[test]
fn columns_are_named_as_in_postgresql_in_every_format() {
    let desk = Desk::with_packets();
    let sql = "select count(*), sum(cap_len) > 0, 1, 2, proto::text from packets group by proto limit 0";
    let of = |format: &str, sql: &str| desk.run(&["query", "--format", format, sql]).ok().text().to_owned();
    assert_eq!(of("csv", sql), "count,?column?,?column?,?column?,proto\n");
    assert!(of("table", sql).starts_with(" count | ?column? | ?column? | ?column? | proto\n"));
    let markdown = "| ?column? | ?column? |\n|---------:|---------:|\n|        1 |        2 |\n";
    assert_eq!(of("markdown", "select 1, 2"), markdown);
    let twice = "select 1 as a, 2 as a, max(cap_len) > 0 as b from packets";
    assert_eq!(of("csv", twice), "a,a,b\n1,2,true\n");
    assert_eq!(of("ndjson", twice), "{\"a\":1,\"a:2\":2,\"b\":true}\n");
    assert_eq!(of("json", twice), "[{\"a\":1,\"a:2\":2,\"b\":true}]\n");
    desk.run(&["query", "--format", "parquet", "-o", "twice.parquet", twice]).ok();
    assert_eq!(parquet_columns(&desk, "twice.parquet"), ["a", "a:2", "b"]);
}

#[test]
fn files_that_copy_writes_have_the_same_names() {
    let desk = Desk::with_packets();
    let sql = "select proto, count(*), count(*), sum(cap_len) as cap_len from packets group by 1 order by sum(cap_len)";
    desk.run(&["query", &format!("copy ({sql}) to 'copied.parquet'")]).ok();
    assert_eq!(parquet_columns(&desk, "copied.parquet"), ["proto", "count", "count:2", "cap_len"]);
    desk.run(&["query", "copy (select count(*), count(*) from packets) to 'copied.csv'"]).ok();
    assert_eq!(std::fs::read_to_string(desk.path("copied.csv")).unwrap(), "count,count:2\n3000,3000\n");
}

fn parquet_columns(desk: &Desk, name: &str) -> Vec<String> {
    let file = std::fs::File::open(desk.path(name)).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    reader.schema().fields().iter().map(|f| f.name().clone()).collect()
}

/// The bytes are those that psql writes.
#[test]
fn copy_to_standard_output_follows_its_options() {
    let desk = Desk::new();
    desk.capture("one.pcap", 1);
    desk.run(&["import", "one.pcap"]).ok();
    let rows = "select * from (values (1, 'a;b', null), (2, 'say \"x\"', '')) as t(n, word, other) order by n";
    let of = |options: &str| desk.run(&["query", &format!("copy ({rows}) to stdout {options}")]).ok().text().to_owned();
    assert_eq!(of("(format csv)"), "1,a;b,\n2,\"say \"\"x\"\"\",\"\"\n");
    let written = of("(format csv, header, delimiter ';', null '-', quote '''')");
    assert_eq!(written, "n;word;other\n1;'a;b';-\n2;say \"x\";\n");
    assert_eq!(of("(format csv, force_quote *)"), "\"1\",\"a;b\",\n\"2\",\"say \"\"x\"\"\",\"\"\n");
    assert_eq!(of(""), "1\ta;b\t\\N\n2\tsay \"x\"\t\n");
    let binary = desk.run(&["query", "copy (select 7::bigint) to stdout (format binary)"]).ok().stdout;
    assert!(binary.starts_with(b"PGCOPY\n\xff\r\n\0"), "{binary:?}");
    assert!(binary.ends_with(b"\0\x01\0\0\0\x08\0\0\0\0\0\0\0\x07\xff\xff"), "{binary:?}");
}

#[test]
fn copy_writes_a_file_and_says_how_much() {
    let desk = Desk::with_packets();
    let target = desk.path("dns.pcap");
    let sql = format!("copy (select * from packets where dst_port = 53) to '{}'", text(&target));
    let ran = desk.run(&["query", &sql]).ok();
    let dns = desk.value("select count(*) from packets where dst_port = 53");
    assert_eq!(ran.stderr, format!("{dns} packets written to {}\n", text(&target)));
    assert_eq!(crate::support::frames::read(&target).len().to_string(), dns);
}

/// Proves that a database may be named by any path that leads to it.
#[test]
fn a_database_is_found_by_a_path_that_goes_up_and_down() {
    let desk = Desk::with_packets();
    std::fs::create_dir(desk.path("beside")).unwrap();
    let ran = desk.run(&[
        "query",
        "--db",
        "beside/../db",
        "--format",
        "csv",
        "select count(*) from packets where orig_len > 0",
    ]);
    assert!(ran.ok().text().ends_with("000\n"), "all have a length");
}

/// Proves that --explain says what a filter was understood as and what was read: nothing but bitmaps where columns decide.
#[test]
fn a_report_says_what_was_understood_and_read() {
    let desk = Desk::with_packets();
    let filter = "host 203.0.113.66 and tcp[tcpflags] & tcp-syn != 0";
    let sql = format!("select count(*) from packets where bpf('{filter}')");
    let report = desk.run(&["query", "--explain", &sql]).ok().stdout;
    let report = String::from_utf8(report).unwrap();
    for part in [
        "1 row in ",
        &format!("bpf('{filter}') is understood as\n"),
        "packets: from bitmaps, no column read\n",
        &format!("  rows      {} of 3,000\n", desk.value(&sql)),
        &format!("bytes read of 0 packets for bpf('{filter}')\n"),
    ] {
        assert!(report.contains(part), "{part} in\n{report}");
    }
}
