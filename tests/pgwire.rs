//! `wiretape serve` with real clients: psql as a person uses it, and a driver with the extended protocol.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::support::{
    frames, run, signal,
    store::{OFFICE, RUNTIME},
    tool, wait, wiretape,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// A server on a free port, ended when dropped.
struct Server {
    child: Child,
    port: String,
}

impl Server {
    fn start() -> Server {
        let mut command = wiretape(&["serve", "--listen", "127.0.0.1:0", "--db"]);
        let mut child = command.arg(OFFICE.path("db")).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        // The line it prints to paste.
        let line = stderr.lines().map(Result::unwrap).find(|l| l.trim_start().starts_with("psql ")).unwrap();
        let port = line.split(" -p ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
        Server { child, port }
    }

    /// `psql`, without the user's own settings.
    fn psql(&self, args: &[&str]) -> Command {
        let mut command = Command::new("psql");
        command.args(["-X", "-h", "127.0.0.1", "-p", &self.port, "-U", "anybody", "-d", "wiretape"]);
        command.args(args).env_remove("PGPASSWORD").env("PAGER", "").env("LC_ALL", "C");
        command
    }

    /// Unaligned rows of a query.
    fn rows(&self, sql: &str) -> String {
        let output = run(self.psql(&["-At", "-v", "ON_ERROR_STOP=1", "-c", sql]).stdin(Stdio::null()));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{sql}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The rows that the library gives, as psql prints them unaligned.
fn expected(sql: &str) -> String {
    OFFICE.rows(sql).iter().map(|row| row.join("|") + "\n").collect()
}

#[test]
fn psql_counts_finds_talkers_and_shows_one_flow() {
    if !tool("psql") {
        return;
    }
    let server = Server::start();
    for sql in [
        "select proto, count(*) from packets group by proto order by 2 desc, 1",
        "select src_ip, dst_ip, sum(bytes_out + bytes_in) from flows group by 1, 2 order by 3 desc limit 5",
        "select packet_id, src_port, dst_port, tcp_flags, payload_len from packets where flow_id = \
         (select flow_id from flows where dst_ip = '10.20.30.15' and dst_port = 22 and packets_in > 100) \
         order by packet_id limit 20",
    ] {
        let (got, want) = (server.rows(sql), expected(sql));
        assert!(want.lines().count() > 3, "{want}");
        assert_eq!(got, want, "{sql}");
    }
}

#[test]
fn psql_describes_what_there_is() {
    if !tool("psql") {
        return;
    }
    let server = Server::start();
    for (command, words) in [
        ("\\d", ["packets", "flows"]),
        ("\\dt", ["packets", "flows"]),
        ("\\d packets", ["src_ip", "timestamp with time zone"]),
        ("\\d flows", ["community_id", "bigint"]),
        ("\\d+ packets", ["Arrival time, ns precision, UTC.", "Stable id of the frame"]),
        ("\\d+ flows", ["Description", "end_ts - start_ts, ns."]),
        ("\\dt+", ["One row per captured frame", "One row per column of the tables"]),
        ("\\d+ system.segments", ["Description", "raw_bytes"]),
        ("\\du", ["wiretape", "List of roles"]),
    ] {
        let output = run(server.psql(&["-c", command]).stdin(Stdio::null()));
        let out = String::from_utf8(output.stdout).unwrap();
        for word in words {
            assert!(
                out.contains(word),
                "{command}: no \"{word}\" in\n{out}{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{command}");
    }
    let comments = "select count(*) from pg_description d join pg_class c on c.oid = d.objoid \
                    where c.relname = 'packets' and d.objsubid > 0 and d.classoid = 'pg_class'::regclass";
    let columns = OFFICE.number("select count(*) from system.columns where table_name = 'packets'");
    assert_eq!(server.rows(comments), format!("{columns}\n"));
    let columns = run(server.psql(&["-At", "-c", "\\d packets"]).stdin(Stdio::null())).stdout;
    let described = String::from_utf8(columns).unwrap().lines().filter(|l| l.contains('|')).count();
    assert_eq!(described as i64, OFFICE.number("select count(*) from system.columns where table_name = 'packets'"));
}

#[test]
fn psql_shows_where_an_error_is() {
    if !tool("psql") {
        return;
    }
    let server = Server::start();
    let mut command = server.psql(&["-v", "VERBOSITY=verbose", "-c", "select scr_ip from packets"]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "ERROR:  42703: column \"scr_ip\" does not exist");
    assert_eq!(lines[1], "LINE 1: select scr_ip from packets");
    assert_eq!(lines[2], format!("{}^", " ".repeat("LINE 1: select ".len())));
    assert!(lines[3].starts_with("HINT:") && lines[3].contains("src_ip"), "{text}");
    let wrong = "select 1 from packets where bpf('tcp prot 80')";
    let output = server.psql(&["-c", wrong]).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains(&format!("\nLINE 1: {wrong}\n{}^\n", " ".repeat("LINE 1: ".len() + 37))), "{text}");
    // The session goes on.
    let both = server.psql(&["-At", "-c", "select nope from packets", "-c", "select 1"]).output().unwrap();
    assert_eq!(String::from_utf8(both.stdout).unwrap(), "1\n");
}

/// `psql -c "copy … to stdout (format pcap)" > x.pcap`: psql hands the bytes on as they are.
#[test]
fn psql_passes_a_capture_through() {
    if !tool("psql") {
        return;
    }
    let server = Server::start();
    for format in ["pcap", "pcapng"] {
        let path = OFFICE.path(&format!("psql.{format}"));
        let sql = format!("copy (select * from packets where src_ip = '203.0.113.66') to stdout (format {format})");
        run(server.psql(&["-c", &sql]).stdin(Stdio::null()).stdout(File::create(&path).unwrap()));
        let dir = tempfile::tempdir().unwrap();
        let mut original = frames::read(&frames::office(dir.path(), usize::MAX));
        original.retain(|f| f.data.len() > 30 && f.data[12..14] == [8, 0] && f.data[26..30] == [203, 0, 113, 66]);
        let exported = frames::read(&path);
        assert!(exported.len() > 100 && exported == original, "{format}: {} frames", exported.len());
        if tool("tcpdump") {
            let output =
                run(Command::new("tcpdump").args(["-n", "-r"]).arg(&path).args(["src", "host", "203.0.113.66"]));
            assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), exported.len());
        }
    }
}

#[test]
fn ctrl_c_in_psql_cancels_the_query() {
    if !tool("psql") {
        return;
    }
    let server = Server::start();
    let endless = "select count(*) from packets a, packets b, packets c where a.orig_len * b.ttl + c.orig_len = 7";
    let mut command = server.psql(&["-v", "VERBOSITY=verbose", "-c", endless]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    let began = Instant::now();
    signal(&child, "INT");
    let output = wait(child, PATIENCE);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("57014: canceling statement due to user request"), "{text}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?} to cancel", began.elapsed());
    assert_eq!(server.rows("select 1"), "1\n", "the server goes on");
}

/// Ticks of processor time that a process has used (proc(5), `stat`, fields 14 and 15).
fn processor_ticks(child: &Child) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    let after_name = stat.rsplit(") ").next().unwrap();
    after_name.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

/// A join from which no row ever comes has nothing to hand over, and must notice all the same.
#[test]
fn a_cancelled_join_without_rows_leaves_the_processor() {
    if !tool("psql") {
        return;
    }
    let server = Server::start();
    let silent = "select count(*) from generate_series(1, 100000) a cross join generate_series(1, 100000) b \
                  where a.value + b.value < 0";
    let child = server.psql(&["-c", silent]).stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(5));
    assert!(processor_ticks(&server.child) > 50, "the join is under way");
    signal(&child, "INT");
    let text = String::from_utf8(wait(child, PATIENCE).stderr).unwrap();
    assert!(text.contains("canceling statement due to user request"), "{text}");
    std::thread::sleep(Duration::from_secs(2));
    let then = processor_ticks(&server.child);
    std::thread::sleep(Duration::from_secs(2));
    let more = processor_ticks(&server.child) - then;
    assert!(more < 20, "{more} ticks of processor time in two seconds after the end");
}

#[test]
fn the_server_ends_on_ctrl_c_with_exit_code_0() {
    let mut server = Server::start();
    signal(&server.child, "INT");
    let began = Instant::now();
    let status = loop {
        match server.child.try_wait().unwrap() {
            Some(status) => break status,
            None => assert!(began.elapsed() < PATIENCE, "still serving"),
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(status.code(), Some(0));
}

/// What a program does through a driver.
fn driven(server: &Server, program: impl AsyncFnOnce(&tokio_postgres::Client)) {
    let port: u16 = server.port.parse().unwrap();
    RUNTIME.block_on(async {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(port).user("anybody").dbname("wiretape");
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
        let driving = tokio::spawn(connection);
        program(&client).await;
        drop(client);
        driving.await.unwrap().unwrap();
    });
}

/// The extended protocol: a statement prepared once, run with several values; types in binary.
#[test]
fn a_driver_prepares_binds_and_reads_binary() {
    let server = Server::start();
    driven(&server, async |client| {
        let sql =
            "select proto, count(*), min(orig_len) from packets where dst_port = $1 group by proto order by 2 desc";
        let statement = client.prepare_typed(sql, &[tokio_postgres::types::Type::INT4]).await.unwrap();
        for port in [53i32, 443] {
            let rows = client.query(&statement, &[&port]).await.unwrap();
            let (proto, count): (String, i64) = (rows[0].get(0), rows[0].get(1));
            assert_eq!(proto, if port == 53 { "udp" } else { "tcp" });
            assert!(count > 50, "{count}");
        }
        let rows = client.query("select count(*) from packets where src_ip = $1", &[&"10.20.1.47"]).await.unwrap();
        assert!(rows[0].get::<_, i64>(0) > 1000);
        // A filter is a parameter like any other; its type is told without a hint.
        let filtered = client.prepare("select count(*) from packets where bpf($1)").await.unwrap();
        for (filter, least) in [("vlan and udp port 53", 100), ("tcp", 10_000), ("tcp and udp", 0)] {
            let rows = client.query(&filtered, &[&filter]).await.unwrap();
            assert!(rows[0].get::<_, i64>(0) >= least, "{filter}");
        }
        let error = client.query(&filtered, &[&"tcp prot 80"]).await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "42601");
        let error = client.query("select nope from packets", &[]).await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "42703");
        let rows = client.query("select 1::bigint", &[]).await.unwrap();
        assert_eq!(rows[0].get::<_, i64>(0), 1, "the connection goes on");
    });
}

/// KFL over the wire: as a statement, as a table, and with the filter as a parameter; a mistake is pointed at in the client's
/// own text.
#[test]
fn a_driver_asks_in_kfl() {
    let server = Server::start();
    driven(&server, async |client| {
        let filter = "dns && \"A\" in dns_question_types // it's; so";
        let counted = client.query("select count(*) from dns where kfl_match($1)", &[&filter]).await.unwrap();
        let count = usize::try_from(counted[0].get::<_, i64>(0)).unwrap();
        assert!(count > 10);
        let prepared = client.prepare("KFL dns && \"A\" in dns_question_types").await.unwrap();
        assert_eq!(client.query(&prepared, &[]).await.unwrap().len(), count);
        let messages = client.simple_query(&format!("select 1; KFL {filter}\n; select 2")).await.unwrap();
        let rows = messages.iter().filter(|m| matches!(m, tokio_postgres::SimpleQueryMessage::Row(_))).count();
        assert_eq!(rows, count + 2);
        let error = client.simple_query("select 1; KFL dnss && http").await.unwrap_err();
        let error = error.as_db_error().unwrap();
        assert_eq!(error.position(), Some(&tokio_postgres::error::ErrorPosition::Original(15)), "{error}");
    });
}

/// What the user should know of a filter comes as a NOTICE, beside the rows.
#[test]
fn psql_shows_that_a_filter_is_kfl_v1() {
    if !tool("psql") {
        return;
    }
    let server = Server::start();
    let output = run(server.psql(&["-At", "-c", "KFL dns and dns_response"]).stdin(Stdio::null()));
    let notice = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(notice.contains("NOTICE:  read as KFL v1; in KFL2: dns && dns_response"), "{notice}");
    let rows = server.rows("select count(*) from dns where response_bytes is not null");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count().to_string(), rows.trim());
}
