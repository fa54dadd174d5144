//! What drivers do, by tokio-postgres: typed parameters, binary results, transactions, COPY, cancelling.

use std::time::{Duration, Instant, SystemTime};

use futures::{StreamExt, TryStreamExt};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage, error::DbError, types::Type};

use super::Running;

/// Far more rows than can be made while a test waits.
const ENDLESS: &str = "select a.value from generate_series(1, 10000000) a cross join generate_series(1, 10000000) b";
/// The same, but nothing comes out before the end.
const SILENT: &str = "select count(*) from generate_series(1, 10000000) a cross join generate_series(1, 10000000) b where a.value + b.value < 0";

async fn connect(server: &Running) -> Client {
    let line = format!("host=127.0.0.1 port={} user=ann dbname=any", server.address.port());
    let (client, connection) = tokio_postgres::connect(&line, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

fn db_error(error: &tokio_postgres::Error) -> &DbError {
    error.as_db_error().unwrap_or_else(|| panic!("an error of the server, not {error}"))
}

/// The text results of a simple query, rows only.
async fn texts(client: &Client, sql: &str) -> Vec<Vec<Option<String>>> {
    let messages = client.simple_query(sql).await.unwrap();
    let rows = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|i| row.get(i).map(str::to_owned)).collect()),
        _ => None,
    });
    rows.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_pass_in_both_formats() {
    let server = Running::start().await;
    let client = connect(&server).await;
    let sql = "select 1::smallint, 2::int, 3::bigint, 1.5::double precision, true, 'é', null::text, \
               timestamp '2026-11-21 18:00:00.123456', date '2026-11-21'";
    let row = &client.query(sql, &[]).await.unwrap()[0];
    assert_eq!((row.get::<_, i16>(0), row.get::<_, i32>(1), row.get::<_, i64>(2)), (1, 2, 3));
    assert_eq!((row.get::<_, f64>(3), row.get::<_, bool>(4), row.get::<_, &str>(5)), (1.5, true, "é"));
    assert_eq!(row.get::<_, Option<&str>>(6), None);
    let since_epoch = row.get::<_, SystemTime>(7).duration_since(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(since_epoch, Duration::from_micros(1_795_284_000_123_456));
    let expected = ["1", "2", "3", "1.5", "t", "é", "", "2026-11-21 18:00:00.123456", "2026-11-21"];
    let shown: Vec<String> = texts(&client, sql).await.remove(0).into_iter().map(Option::unwrap_or_default).collect();
    assert_eq!(shown, expected);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_have_the_types_of_the_plan() {
    let server = Running::start().await;
    let client = connect(&server).await;
    let statement =
        client.prepare("select ts, src_ip from packets where ts < $1 and src_port = $2 and src_ip = $3 limit $4").await;
    let statement = statement.unwrap();
    assert_eq!(statement.params(), [Type::TIMESTAMPTZ, Type::INT4, Type::TEXT, Type::INT8]);
    assert_eq!(*statement.columns()[0].type_(), Type::TIMESTAMPTZ);
    let rows = client.query(&statement, &[&SystemTime::now(), &53_i32, &"10.0.0.1", &5_i64]).await.unwrap();
    assert!(rows.is_empty());
    let rows = client
        .query("select value from generate_series(1, 10) where value > $1 and value <= $2", &[&3_i64, &5_i64])
        .await
        .unwrap();
    assert_eq!(rows.iter().map(|row| row.get::<_, i64>(0)).collect::<Vec<_>>(), [4, 5]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_columns_are_named_as_in_postgresql() {
    let server = Running::start().await;
    let client = connect(&server).await;
    let statement = client.prepare("select count(*), max(src_port), 1, 1, ts::text, ts from packets group by ts").await;
    let names: Vec<String> = statement.unwrap().columns().iter().map(|column| column.name().to_owned()).collect();
    assert_eq!(names, ["count", "max", "?column?", "?column?", "ts", "ts"]);
    let statement = client.prepare("select *, flow_id from packets").await.unwrap();
    assert_eq!(statement.columns().first().unwrap().name(), "ts");
    assert_eq!(statement.columns().last().unwrap().name(), "flow_id");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_say_what_and_where() {
    let server = Running::start().await;
    let client = connect(&server).await;
    let error = client.simple_query("select 1; select src_prt from packets").await.unwrap_err();
    let error = db_error(&error);
    assert_eq!(error.code().code(), "42703", "{error:?}");
    assert_eq!(error.position(), Some(&tokio_postgres::error::ErrorPosition::Original(18)), "{error:?}");
    assert!(error.hint().is_some_and(|hint| hint.contains("src_port")), "{error:?}");
    for (sql, code) in [
        ("selekt 1", "42601"),
        ("select * from nowhere", "42P01"),
        ("select nothing(1)", "42883"),
        ("create table t (a int)", "25006"),
        ("select 1 where", "42601"),
        ("show nonsense", "42704"),
        ("fetch 1 from c", "34000"),
    ] {
        let error = client.simple_query(sql).await.unwrap_err();
        assert_eq!(db_error(&error).code().code(), code, "{sql}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_transaction_refuses_everything_until_its_end() {
    let server = Running::start().await;
    let client = connect(&server).await;
    client.batch_execute("begin; savepoint a").await.unwrap();
    client.batch_execute("select nothing").await.unwrap_err();
    let error = client.query("select 1", &[]).await.unwrap_err();
    assert_eq!(db_error(&error).code().code(), "25P02");
    client.batch_execute("rollback to a").await.unwrap();
    client.query("select 1", &[]).await.unwrap();
    client.batch_execute("select nothing").await.unwrap_err();
    client.batch_execute("commit").await.unwrap();
    client.query("select 1", &[]).await.unwrap();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelling_ends_a_query_that_streams_and_one_that_computes() {
    let server = Running::start().await;
    for sql in [ENDLESS, SILENT] {
        let client = connect(&server).await;
        let token = client.cancel_token();
        let rows = client.query_raw(sql, std::iter::empty::<i32>()).await.unwrap();
        let cancel = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            token.cancel_query(NoTls).await.unwrap();
        };
        let started = Instant::now();
        let (ended, ()) = tokio::join!(rows.try_for_each(|_| async { Ok(()) }), cancel);
        assert_eq!(db_error(&ended.unwrap_err()).code().code(), "57014", "{sql}");
        assert!(started.elapsed() < Duration::from_secs(10));
        assert_eq!(client.query_one("select 7::int", &[]).await.unwrap().get::<_, i32>(0), 7);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_that_comes_too_late_hits_nothing() {
    let server = Running::start().await;
    let client = connect(&server).await;
    client.query("select 1", &[]).await.unwrap();
    client.cancel_token().cancel_query(NoTls).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    client.query("select 1", &[]).await.unwrap();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_statement_time_out_covers_the_whole_statement() {
    let server = Running::start().await;
    let client = connect(&server).await;
    client.batch_execute("set statement_timeout = '100ms'").await.unwrap();
    for sql in [ENDLESS, SILENT] {
        let error = client.simple_query(sql).await.unwrap_err();
        assert_eq!(db_error(&error).code().code(), "57014");
    }
    client.batch_execute("reset statement_timeout").await.unwrap();
    assert_eq!(texts(&client, "show statement_timeout").await, [[Some("0".to_owned())]]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copy_gives_text_csv_and_binary() {
    let server = Running::start().await;
    let client = connect(&server).await;
    for (options, expected) in [
        ("", &b"1\ta\n2\t\\N\n"[..]),
        ("csv header", b"n,t\n1,a\n2,\n"),
        ("(format csv, delimiter ';')", b"1;a\n2;\n"),
        ("(format binary)", b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\0\x02\0\0\0\x08\0\0\0\0\0\0\0\x01\0\0\0\x01a\0\x02\0\0\0\x08\0\0\0\0\0\0\0\x02\xff\xff\xff\xff\xff\xff"),
    ] {
        let sql = format!("copy (select column1 as n, column2 as t from (values (1, 'a'), (2, null)) v) to stdout {options}");
        let pieces: Vec<_> = client.copy_out(&sql).await.unwrap().try_collect().await.unwrap();
        assert_eq!(pieces.concat(), expected, "{sql}");
    }
    let pieces = client.copy_out("copy (select packet_id from packets) to stdout (format pcapng)").await.unwrap();
    let pieces: Vec<_> = pieces.try_collect().await.unwrap();
    assert!(pieces.concat().starts_with(b"\x0a\x0d\x0d\x0a"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copy_can_be_cancelled_and_left() {
    let server = Running::start().await;
    let client = connect(&server).await;
    let mut pieces = Box::pin(client.copy_out(&format!("copy ({ENDLESS}) to stdout")).await.unwrap());
    pieces.next().await.unwrap().unwrap();
    client.cancel_token().cancel_query(NoTls).await.unwrap();
    let error = loop {
        match pieces.next().await {
            Some(Ok(_)) => {}
            Some(Err(error)) => break error,
            None => panic!("the copy ended by itself"),
        }
    };
    assert_eq!(db_error(&error).code().code(), "57014");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cursors_give_their_rows_in_portions() {
    let server = Running::start().await;
    let client = connect(&server).await;
    client
        .batch_execute("begin; declare c no scroll cursor for select value from generate_series(1, 5)")
        .await
        .unwrap();
    assert_eq!(texts(&client, "fetch forward 2 from c").await.len(), 2);
    assert_eq!(texts(&client, "fetch 1 in c").await, [[Some("3".to_owned())]]);
    let statement = client.prepare("fetch all from c").await.unwrap();
    assert_eq!(*statement.columns()[0].type_(), Type::INT8);
    assert_eq!(client.query(&statement, &[]).await.unwrap().len(), 2);
    client.batch_execute("close c; commit").await.unwrap();
    client.batch_execute("begin; declare \"a b\" cursor with hold for select 1; commit").await.unwrap();
    assert_eq!(texts(&client, "fetch next from \"a b\"").await.len(), 1);
    client.batch_execute("close all").await.unwrap();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn portals_are_read_in_portions() {
    let server = Running::start().await;
    let mut client = connect(&server).await;
    let transaction = client.transaction().await.unwrap();
    let portal = transaction.bind("select value from generate_series(1, 5)", &[]).await.unwrap();
    let mut sizes = Vec::new();
    for _ in 0..3 {
        sizes.push(transaction.query_portal(&portal, 2).await.unwrap().len());
    }
    assert_eq!(sizes, [2, 2, 1]);
    transaction.commit().await.unwrap();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_pools_and_drivers_send_is_accepted() {
    let server = Running::start().await;
    let client = connect(&server).await;
    for sql in [
        "SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;",
        "DISCARD ALL",
        "DEALLOCATE ALL",
        "LISTEN x",
        "SET DateStyle = 'ISO';SET extra_float_digits = 2;show transaction_isolation",
        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ UNCOMMITTED",
        "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; COMMIT",
        "START TRANSACTION READ ONLY; SAVEPOINT a; RELEASE SAVEPOINT a; ABORT",
        "SET application_name = 'x'; SHOW TRANSACTION ISOLATION LEVEL; SHOW TIME ZONE; SHOW ALL",
        "SET TIME ZONE 'Europe/Oslo'; SET NAMES 'UTF8'; SET search_path = pg_catalog, public; RESET search_path",
        "select current_schema(), current_database(), version(), current_setting('server_version_num')",
        "select current_user, session_user",
        "explain select count(*) from packets",
    ] {
        client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
    assert!(
        texts(&client, "select version()").await[0][0].as_deref().unwrap().starts_with("PostgreSQL 15.0 (Wiretape ")
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_beyond_the_limit_are_told_and_others_served() {
    let server = Running::with_limit(1).await;
    let client = connect(&server).await;
    let line = format!("host=127.0.0.1 port={} user=ann", server.address.port());
    let error = tokio_postgres::connect(&line, NoTls).await.err().unwrap();
    assert_eq!(db_error(&error).code().code(), "53300");
    client.query("select 1", &[]).await.unwrap();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutting_down_ends_running_queries() {
    let server = Running::start().await;
    let client = connect(&server).await;
    let query = tokio::spawn(async move { client.simple_query(SILENT).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let started = Instant::now();
    server.stop().await;
    assert!(started.elapsed() < Duration::from_secs(4));
    let error = query.await.unwrap().unwrap_err();
    assert_eq!(db_error(&error).code().code(), "57P01");
}
