//! psql itself, when it is installed: its start, its backslash commands, its error display.

use std::process::{Command, Output};

use super::Running;

/// Runs psql with `commands`; `None`, said loudly, when it is not installed.
async fn psql(server: &Running, commands: &[&str]) -> Option<Output> {
    let port = server.address.port().to_string();
    let mut command = Command::new("psql");
    command.args(["-X", "-h", "127.0.0.1", "-U", "ann", "-d", "any", "-p", &port]).env("PGCONNECT_TIMEOUT", "10");
    for text in commands {
        command.args(["-c", text]);
    }
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    match output {
        Ok(output) => Some(output),
        Err(error) if std::env::var_os("WIRETAPE_TESTS_REQUIRE_TOOLS").is_none() => {
            eprintln!("SKIPPED: psql cannot be run: {error}");
            None
        }
        Err(error) => panic!("psql cannot be run: {error}"),
    }
}

/// What psql shows for one command that must succeed without a complaint.
async fn shown(server: &Running, command: &str) -> Option<String> {
    let output = psql(server, &[command]).await?;
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{command}: {complaints}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_are_listed_and_described() {
    let server = Running::start().await;
    for command in ["\\d", "\\dt"] {
        let Some(listed) = shown(&server, command).await else { return server.stop().await };
        for line in [" public | flows      | table | wiretape", " public | packets    | table | wiretape"] {
            assert!(listed.contains(line), "{line:?} in\n{listed}");
        }
    }
    let described = shown(&server, "\\d packets").await.unwrap();
    assert!(described.contains("Table \"public.packets\""), "{described}");
    let line = |start: &str| {
        let line = described.lines().find(|line| line.trim_start().starts_with(start));
        let line = line.unwrap_or_else(|| panic!("{start} in\n{described}"));
        line.split('|').map(str::trim).collect::<Vec<_>>().join("|")
    };
    assert_eq!(line("ts "), "ts|timestamp with time zone||not null|");
    assert_eq!(line("src_ip "), "src_ip|text|||");
    assert_eq!(line("src_port "), "src_port|integer|||");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_lists_work() {
    let server = Running::start().await;
    for (command, expected) in
        [("\\dn", "public"), ("\\l", "wiretape"), ("\\dt system.*", "segments"), ("\\df", ""), ("\\conninfo", "ann")]
    {
        let Some(listed) = shown(&server, command).await else { break };
        assert!(listed.contains(expected), "{expected} in\n{listed}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_column_is_pointed_at() {
    let server = Running::start().await;
    if let Some(output) = psql(&server, &["select src_prt from packets"]).await {
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert!(complaint.contains("ERROR:  column \"src_prt\" does not exist"), "{complaint}");
        assert!(complaint.contains("LINE 1: select src_prt from packets\n               ^"), "{complaint}");
        assert!(complaint.contains("HINT:"), "{complaint}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_in_portions_and_copies_work() {
    let server = Running::start().await;
    let commands = ["\\set FETCH_COUNT 2", "select value from generate_series(1, 5)"];
    if let Some(output) = psql(&server, &commands).await {
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("(5 rows)"), "{text}");
        let copied = shown(&server, "\\copy (select 1 as a, 'x' as b) to stdout csv header").await.unwrap();
        assert_eq!(copied, "a,b\n1,x\n");
    }
    server.stop().await;
}
