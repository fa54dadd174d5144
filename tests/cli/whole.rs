//! `wiretape demo`, `info` and `verify`, and the program's manners.

use super::{Desk, text};
use crate::support::frames;

#[test]
fn the_demo_runs_from_nothing_to_exact_packets() {
    let desk = Desk::new();
    let ran = desk.run(&["demo"]).ok();
    let out = ran.text();
    let packets = frames::read(&desk.path("wiretape-demo/office.pcap")).len();
    let (thousands, rest) = (packets / 1000, packets % 1000);
    assert!(out.contains(&format!("{thousands},{rest:03} packets imported")), "{out}");
    for said in ["1. What is on this network?", "5. Where did the data go", "Go on from here:", "203.0.113.66"] {
        assert!(out.contains(said), "no \"{said}\" in\n{out}");
    }
    let evidence = frames::read(&desk.path("wiretape-demo/evidence.pcap"));
    assert!(!evidence.is_empty() && out.contains("as many read back"), "{out}");
    // The scan: one row, ninety ports.
    assert!(out.lines().any(|l| l.contains("10.20.1.47") && l.contains("10.20.30.15") && l.contains(" 90 ")), "{out}");
    // What it says to try next works.
    let ran =
        desk.run(&["query", "--db", "wiretape-demo/db", "select count(*) from flows where app_proto is not null"]);
    assert!(ran.ok().text().contains("(1 row)"));
    desk.run(&["verify", "--db", "wiretape-demo/db"]).ok();
    // So does what the README shows of what was said.
    let calls = desk.run(&[
        "calls",
        "--db",
        "wiretape-demo/db",
        "--where",
        "src_ip = '10.20.1.47' and ts < '2026-11-20 17:10:00'",
    ]);
    assert!(calls.ok().text().contains("/invoice-4471.zip | 200 "));
    let shown = desk.run(&["show", "4294967317", "--db", "wiretape-demo/db", "--pcap", "invoice.pcap"]).ok();
    assert!(shown.stderr.contains("183 packets written"), "{}", shown.stderr);
    // And again, over itself; not over somebody else's folder.
    desk.run(&["demo"]).ok();
    desk.write("mine/letter.txt", b"private");
    desk.run(&["demo", "--dir", "mine"]).failed_saying(&["mine is not empty", "hint: name another folder"]);
}

#[test]
fn info_shows_rows_sizes_and_the_share_of_the_indexes() {
    let desk = Desk::with_packets();
    let ran = desk.run(&["info", "--segments"]).ok();
    let out = ran.text();
    for word in
        ["segments  1", "imports   1", "packets.parquet", "packets.idx", "flows.parquet", "all indexes", "everything"]
    {
        assert!(out.contains(word), "no \"{word}\" in\n{out}");
    }
    let row = |name: &str| -> Vec<String> {
        let line = out.lines().find(|l| l.split('|').next().is_some_and(|first| first.trim() == name));
        line.unwrap_or_else(|| panic!("no line {name} in\n{out}")).split('|').map(|c| c.trim().to_owned()).collect()
    };
    assert_eq!(row("packets")[1], "3000");
    let bytes: u64 = std::fs::read_dir(desk.path("db/segments/0000000001"))
        .unwrap()
        .map(|e| e.unwrap())
        .filter(|e| e.file_name() != "segment.json")
        .map(|e| e.metadata().unwrap().len())
        .sum();
    assert_eq!(row("everything")[1], bytes.to_string(), "the sizes on disk");
    desk.run(&["info", "--db", "nowhere"]).failed_saying(&["there is no database at nowhere"]);
}

#[test]
fn verify_is_clean_on_a_good_database_and_names_the_damaged_file() {
    let desk = Desk::with_packets();
    let ran = desk.run(&["verify"]).ok();
    assert!(ran.text().starts_with("ok: 1 segment, "), "{}", ran.text());
    for file in ["packets.parquet", "packets.idx", "flows.parquet", "segment.json"] {
        let path = desk.path("db/segments/0000000001").join(file);
        let good = std::fs::read(&path).unwrap();
        let mut bad = good.clone();
        let at = bad.len() / 2;
        bad[at] ^= 1;
        std::fs::write(&path, &bad).unwrap();
        let ran = desk.run(&["verify"]);
        assert_eq!(ran.code, Some(1), "{file}: {ran:?}");
        let told = format!("{}{}", ran.text(), ran.stderr);
        assert!(told.contains(text(&path)), "{file} is named in: {told}");
        std::fs::write(&path, &good).unwrap();
    }
    desk.run(&["verify"]).ok();
}

#[test]
fn help_and_version_are_there_for_every_command() {
    let desk = Desk::new();
    assert!(desk.run(&["--version"]).ok().text().starts_with("wiretape "));
    for command in ["record", "import", "query", "calls", "show", "export", "replay", "serve", "demo", "info", "verify"]
    {
        let ran = desk.run(&[command, "--help"]).ok();
        assert!(ran.text().contains(&format!("Usage: wiretape {command}")), "{}", ran.text());
    }
    assert_eq!(desk.run(&["frobnicate"]).code, Some(2));
}
