//! Queries, settings, versions, limits and cancellation.

use std::time::{Duration, Instant};

use arrow::datatypes::DataType;
use datafusion::scalar::ScalarValue;
use futures::{StreamExt, TryStreamExt};

use super::support::{make, minutes, open, rows, shown, value};
use crate::{Kind, Outcome, Prepared};

/// A query that runs for hours.
const ENDLESS: &str = "select count(*) from generate_series(1, 10000000) a cross join generate_series(1, 10000000) b \
    where a.value * b.value % 7 = 3";

/// As long, and no row comes out of the join.
const SILENT: &str = "select count(*) from generate_series(1, 100000) a cross join generate_series(1, 100000) b \
    where a.value + b.value < 0";

/// The same with a key that all rows share.
const SILENT_KEYS: &str = "select count(*) from (select value, value % 1 as k from generate_series(1, 100000)) a \
    join (select value, value % 1 as k from generate_series(1, 100000)) b on a.k = b.k and a.value + b.value < 0";

#[tokio::test]
async fn functions_over_dictionaries_constants_and_null() {
    let (_dir, session) = open(&[minutes(0, 6)]);
    let expected = [
        ("count(*) filter (where ip_in_cidr(src_ip, '10.0.0.1/32')) from packets", "2"),
        ("count(*) filter (where ip_in_cidr(dst_ip, '2001:db8::/32')) from packets", "6"),
        ("count(*) filter (where ip_in_cidr(src_ip, arrow_cast('10.0.0.0/31', 'Utf8View'))) from packets", "4"),
        ("bool_and(is_private_ip(src_ip)) from packets", "true"),
        ("is_private_ip('8.8.8.8')", "false"),
        ("is_private_ip(null) is null", "true"),
        ("is_private_ip('no address') is null", "true"),
        ("ip_in_cidr('10.1.2.3', '10.0.0.0/8')", "true"),
        ("ip_in_cidr('10.1.2.3', null) is null", "true"),
        ("max(tcp_flags_text(tcp_flags)) from packets", "SYN,ACK"),
        ("count(tcp_flags_text(tcp_flags)) from packets", "3"),
        ("count(*) filter (where has_tcp_flag(tcp_flags, 'syn')) from packets", "3"),
        ("count(*) filter (where has_tcp_flag(tcp_flags, 'SYN,FIN')) from packets", "0"),
        ("has_tcp_flag(2, 'SYN')", "true"),
        ("entropy('abcd')", "2.0"),
        ("entropy(x'00010203')", "2.0"),
        ("round(sum(entropy(proto))::double, 3) from packets", "9.51"),
        ("time_bucket('5 minutes', ts)::varchar from packets order by 1 desc limit 1", "2025-11-21T23:35:00Z"),
        ("time_bucket(interval '1 month', ts)::varchar from packets limit 1", "2025-11-01T00:00:00Z"),
        ("count(distinct time_bucket('2 minutes', ts)) from packets", "3"),
        ("arrow_typeof(time_bucket('1h', ts)) from packets limit 1", "Timestamp(ns, \"UTC\")"),
    ];
    for (expression, expected) in expected {
        assert_eq!(value(&session, &format!("select {expression}")).await, expected, "{expression}");
    }
}

/// Proves that rows which the index names are read from their pages, and are those that a full scan finds.
#[tokio::test]
async fn a_needle_is_read_from_its_pages() {
    let (_dir, session) = open(&[minutes(0, 200), minutes(200, 150)]);
    let needle =
        "select proto, dst_port, src_ip, packet_id % 4294967296 as row, ts from packets where src_ip = '10.0.0.99'";
    let explained = shown(&session, &format!("explain {needle}")).await;
    assert!(
        explained.contains("IndexPagesExec: table=packets, segments=2/2") && explained.contains("pages=2/2"),
        "{explained}"
    );
    let found = shown(&session, &format!("{needle} order by ts")).await;
    assert!(["99 ", "199 "].iter().all(|row| found.contains(row)), "{found}");
    assert_eq!(shown(&session, &format!("select count(*) from ({needle} limit 2)")).await.matches('2').count(), 1);
    session.set_use_index(false);
    assert_eq!(shown(&session, &format!("{needle} order by ts")).await, found);
}

#[tokio::test]
async fn system_tables_tell_what_is_stored() {
    let (_dir, session) = open(&[minutes(0, 4), minutes(4, 2)]);
    let segments =
        shown(&session, "select id, table_name, rows, in_time_order, raw_bytes > 0 as raw from system.segments").await;
    let expected = "\
+----+------------+------+---------------+------+
| id | table_name | rows | in_time_order | raw  |
+----+------------+------+---------------+------+
| 1  | packets    | 4    | true          | true |
| 2  | packets    | 2    | true          | true |
+----+------------+------+---------------+------+";
    assert_eq!(segments, expected);
    let columns =
        shown(&session, "select name, type, nullable, index, comment from system.columns where position < 4").await;
    let expected = "\
+-----------+-------------+----------+-------+---------+
| name      | type        | nullable | index | comment |
+-----------+-------------+----------+-------+---------+
| ts        | timestamptz | false    |       | When.   |
| packet_id | bigint      | false    |       | Which.  |
| src_ip    | text        | true     | key   | From.   |
+-----------+-------------+----------+-------+---------+";
    assert_eq!(columns, expected);
    assert_eq!(value(&session, "select rows from system.tables").await, "6");
    assert_eq!(value(&session, "select count(*) from system.components").await, "6");
    assert_eq!(value(&session, "select count(*) from system.imports").await, "0");
    let tables = "select count(*) from information_schema.tables where table_schema in ('public', 'system')";
    assert_eq!(value(&session, tables).await, "8");
}

#[tokio::test]
async fn settings_are_the_sessions_own() {
    let (_dir, session) = open(&[minutes(0, 4)]);
    let other = session.database().session();
    let on = "select value from system.settings where name = 'wiretape.use_index'";
    assert_eq!(value(&session, on).await, "on");
    assert!(matches!(session.query("set wiretape.use_index = off").await.unwrap(), Outcome::Set));
    assert_eq!(value(&session, on).await, "off");
    assert_eq!(value(&other, on).await, "on");
    session.query("set statement_timeout = '90s'").await.unwrap();
    assert_eq!(session.time_limit(), Some(Duration::from_secs(90)));
    session.query("set statement_timeout to 0").await.unwrap();
    assert_eq!(session.time_limit(), None);
}

#[tokio::test]
async fn index_on_and_off_agree() {
    let (_dir, session) = open(&[minutes(0, 7), minutes(3, 9)]);
    for filter in [
        "src_ip = '10.0.0.1'",
        "dst_port = 53 and proto = 'udp'",
        "not (proto = 'udp')",
        "ts >= '2025-11-21T23:35:00Z'",
    ] {
        let sql = format!("select packet_id, proto from packets where {filter} order by packet_id");
        session.set_use_index(true);
        let on = shown(&session, &sql).await;
        session.set_use_index(false);
        assert_eq!(on, shown(&session, &sql).await, "{filter}");
    }
}

#[tokio::test]
async fn a_prepared_statement_sees_the_newest_version_each_time_it_runs() {
    let (dir, session) = open(&[minutes(0, 4)]);
    let count = "select count(*) from packets";
    let prepared = session.plan(&session.parse(count).unwrap()[0]).await.unwrap();
    for (segments, expected) in [(None, 4), (Some(minutes(10, 3)), 7)] {
        if let Some(packets) = segments {
            make(&dir.path().join("db"), &[packets]);
        }
        let Outcome::Rows(stream) = session.run(&prepared, Vec::new()).await.unwrap() else { panic!("no rows") };
        let batches: Vec<_> = stream.try_collect().await.unwrap();
        let counted = ScalarValue::try_from_array(batches[0].column(0), 0).unwrap();
        assert_eq!(counted, ScalarValue::Int64(Some(expected)));
    }
}

#[tokio::test]
async fn parameters_have_types_and_take_values() {
    let (_dir, session) = open(&[minutes(0, 6)]);
    let sql = "select packet_id from packets where dst_port = $1 and ts >= $2 limit $3";
    let prepared = session.plan(&session.parse(sql).unwrap()[0]).await.unwrap();
    let types = prepared.parameter_types().unwrap();
    assert_eq!(types[0], Some(DataType::UInt16));
    assert!(matches!(types[1], Some(DataType::Timestamp(..))), "{types:?}");
    assert_eq!(types[2], Some(DataType::Int64));
    assert_eq!(prepared.schema().field(0).name(), "packet_id");
    let ts = ScalarValue::TimestampNanosecond(Some(0), Some("UTC".into()));
    let params = vec![ScalarValue::UInt16(Some(53)), ts, ScalarValue::Int64(Some(2))];
    let Outcome::Rows(stream) = session.run(&prepared, params).await.unwrap() else { panic!("no rows") };
    let batches: Vec<_> = stream.try_collect().await.unwrap();
    assert_eq!(batches.iter().map(|b| b.num_rows()).sum::<usize>(), 2);
}

#[tokio::test]
async fn statements_are_told_apart() {
    let (_dir, session) = open(&[minutes(0, 1)]);
    let kinds = [
        ("select 1", Kind::Query),
        ("with a as (select 1) select * from a", Kind::Query),
        ("values (1)", Kind::Query),
        ("explain select 1", Kind::Explain),
        ("explain analyze select 1", Kind::Explain),
        ("explain (analyze) select 1", Kind::Explain),
        ("copy packets to stdout", Kind::Copy),
        ("set a = 1", Kind::Session),
        ("show all", Kind::Session),
        ("begin", Kind::Session),
        ("discard all", Kind::Session),
        ("deallocate all", Kind::Session),
        ("drop table packets", Kind::Write),
        ("update packets set proto = 'x'", Kind::Write),
        ("truncate packets", Kind::Write),
    ];
    for (sql, kind) in kinds {
        assert_eq!(session.parse(sql).unwrap()[0].kind(), kind, "{sql}");
    }
}

#[tokio::test]
async fn explain_analyze_runs() {
    let (_dir, session) = open(&[minutes(0, 4)]);
    let plan = shown(&session, "explain analyze select count(*) from packets where proto = 'tcp'").await;
    assert!(plan.contains("AggregateExec"), "{plan}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_limit_ends_a_statement() {
    let (_dir, session) = open(&[minutes(0, 1)]);
    session.set_time_limit(Some(Duration::from_millis(200)));
    for sql in [ENDLESS, SILENT, SILENT_KEYS] {
        let began = Instant::now();
        let error = rows(&session, sql).await.unwrap_err();
        assert_eq!(error.sqlstate, "57014", "{sql}");
        assert_eq!(error.message, "canceling statement due to the time limit of 200ms");
        assert!(began.elapsed() < Duration::from_secs(10), "{sql}: {:?}", began.elapsed());
    }
}

/// Also when no row ever comes: the tasks end, and with them the use of the processor.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_rows_ends_the_work() {
    let (_dir, session) = open(&[minutes(0, 1)]);
    let metrics = tokio::runtime::Handle::current().metrics();
    let before = metrics.num_alive_tasks();
    for (sql, head_start) in [(ENDLESS, 200), (SILENT, 3000), (SILENT_KEYS, 3000)] {
        let Outcome::Rows(mut stream) = session.query(sql).await.unwrap() else { panic!("no rows") };
        let first = tokio::time::timeout(Duration::from_millis(head_start), stream.next()).await;
        assert!(first.is_err(), "it was to take hours: {sql}");
        assert!(metrics.num_alive_tasks() > before, "the query has tasks of its own: {sql}");
        drop(stream);
        let began = Instant::now();
        while metrics.num_alive_tasks() > before {
            assert!(began.elapsed() < Duration::from_secs(10), "tasks go on after the stream is gone: {sql}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test]
async fn planning_a_copy_or_setting_gives_no_columns() {
    let (_dir, session) = open(&[minutes(0, 1)]);
    for sql in ["copy packets to stdout", "set wiretape.use_index = on"] {
        let prepared: Prepared = session.plan(&session.parse(sql).unwrap()[0]).await.unwrap();
        assert_eq!(prepared.schema().fields().len(), 0);
    }
}
