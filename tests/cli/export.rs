//! `wiretape export`: exact packets to a file or a pipe, and rows for notebooks.

use std::{path::Path, process::Command};

use super::{Desk, text};
use crate::support::{corpus, frames, run, tool};

#[test]
fn a_file_holds_the_packets_of_the_predicate() {
    let desk = Desk::with_packets();
    let ran = desk.run(&["export", "--where", "dst_port = 53", "-w", "dns.pcap"]).ok();
    let dns = desk.value("select count(*) from packets where dst_port = 53");
    assert!(ran.stderr.starts_with(&format!("{dns} packets written to ")), "{}", ran.stderr);
    let exported = frames::read(&desk.path("dns.pcap"));
    // Every UDP datagram to port 53 of the capture, found by its bytes: IPv4 on VLAN 30.
    let mut expected = frames::read(&desk.path("office.pcap"));
    expected.retain(|f| f.data[12..14] == [0x81, 0] && f.data[27] == 17 && f.data[40..42] == [0, 53]);
    assert!(exported.len() > 10 && exported == expected, "{} and {}", exported.len(), expected.len());
}

#[test]
fn everything_goes_to_standard_output_in_both_formats() {
    let desk = Desk::with_packets();
    let expected = frames::read(&desk.path("office.pcap"));
    for format in ["pcap", "pcapng"] {
        let ran = desk.run(&["export", "--format", format, "-w", "-"]).ok();
        assert_eq!(ran.stderr, "", "nothing but packets when they go into a pipe");
        let magic: &[u8] = if format == "pcap" { &[0x4d, 0x3c, 0xb2, 0xa1] } else { &[0x0a, 0x0d, 0x0d, 0x0a] };
        assert_eq!(&ran.stdout[..4], magic);
        assert!(frames::parse(ran.stdout) == expected, "{format}");
    }
}

/// Two programs of others agree that it is a capture and how much is in it.
#[test]
fn tcpdump_and_tshark_read_what_is_exported() {
    let desk = Desk::with_packets();
    for name in ["all.pcap", "all.pcapng"] {
        desk.run(&["export", "-q", "--where", "proto = 'tcp'", "-w", name]).ok();
        let expected: usize = desk.value("select count(*) from packets where proto = 'tcp'").parse().unwrap();
        if tool("tcpdump") {
            let output =
                run(Command::new("tcpdump").args(["-n", "-r"]).arg(desk.path(name)).arg("tcp or (vlan and tcp)"));
            assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), expected, "{name}");
        }
        if tool("tshark") {
            let output = run(Command::new("tshark").args(["-n", "-Y", "tcp", "-r"]).arg(desk.path(name)));
            assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), expected, "{name}");
        }
    }
}

#[test]
fn errors_point_into_the_predicate_and_leave_no_file() {
    let desk = Desk::with_packets();
    let ran = desk.run(&["export", "--where", "dst_prt = 53", "-w", "x.pcap"]).failed_saying(&[]);
    let expected = "\
error: column \"dst_prt\" does not exist
  dst_prt = 53
  ^
hint: Did you mean \"dst_port\"?
";
    assert_eq!(ran.stderr, expected);
    desk.run(&["export", "--where", "true) to '/tmp/x'; --", "-w", "x.pcap"]).failed_saying(&["error: "]);
    desk.run(&["export", "-w", "no/such/folder/x.pcap"]).failed_saying(&["no/such/folder"]);
    assert!(!desk.path("x.pcap").exists());
    assert_eq!(desk.run(&["export"]).code, Some(2), "where to must be said");
}

#[test]
fn pcap_refuses_a_mixture_of_link_types_and_pcapng_does_not() {
    let Some(corpus) = corpus() else { return };
    let desk = Desk::new();
    let raw_ip = corpus.join("http-out-of-order.pcap");
    let ethernet = desk.capture("ethernet.pcap", 20);
    desk.run(&["import", text(&raw_ip), text(&ethernet)]).ok();
    desk.run(&["export", "-w", "all.pcap"]).failed_saying(&["error: ", "link type", "hint: ", "pcapng"]);
    assert!(!desk.path("all.pcap").exists(), "no half file");
    desk.run(&["export", "-w", "all.pcapng"]).ok();
    let mut expected = [frames::read(&raw_ip), frames::read(&ethernet)].concat();
    expected.sort_by_key(|f| f.ts_ns);
    assert!(frames::read(&desk.path("all.pcapng")) == expected);
}

/// Every file below `dir` with its path within.
fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned()),
            }
        }
    }
    found.sort();
    found
}

#[test]
fn parquet_lies_in_folders_by_date_and_hour_and_is_readable_again() {
    let desk = Desk::new();
    // The last hour of one day and the first of the next.
    let mut packets = wiretape::demo::packets();
    packets.truncate(900);
    for (n, packet) in packets.iter_mut().enumerate() {
        packet.ts_ns += if n < 500 { 6 * 3_600_000_000_000 } else { 7 * 3_600_000_000_000 };
    }
    packets.sort_by_key(|p| p.ts_ns);
    desk.write("night.pcap", &wiretape::demo::pcap(&packets));
    desk.run(&["import", "night.pcap"]).ok();
    desk.run(&["export", "--format", "parquet", "-o", "rows"]).ok();
    let found = files(&desk.path("rows"));
    let counts = ["date=2026-11-20/hour=23/", "date=2026-11-21/hour=00/"].map(|folder| {
        let inside: Vec<_> = found.iter().filter(|f| f.starts_with(folder) && f.ends_with(".parquet")).collect();
        assert!(!inside.is_empty(), "{folder} among {found:?}");
        inside.iter().map(|f| rows_in(&desk.path("rows").join(f.as_str()))).sum::<i64>()
    });
    assert_eq!(counts, [500, 400]);
    let elsewhere: Vec<_> = found.iter().filter(|f| !f.starts_with("date=")).collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
    desk.run(&["export", "--format", "parquet", "--where", "proto = 'arp'", "-o", "arp"]).ok();
    let arp: i64 = files(&desk.path("arp")).iter().map(|f| rows_in(&desk.path("arp").join(f))).sum();
    assert_eq!(arp.to_string(), desk.value("select count(*) from packets where proto = 'arp'"));
}

fn rows_in(path: &Path) -> i64 {
    let file = std::fs::File::open(path).unwrap();
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    assert!(reader.schema().column_with_name("src_ip").is_some());
    reader.metadata().file_metadata().num_rows()
}

/// Proves that --bpf selects what tcpdump selects, that it joins --where, and that a mistake is shown in the filter.
#[test]
fn a_filter_selects_what_tcpdump_does() {
    let desk = Desk::with_packets();
    let filter = "vlan and udp port 53";
    desk.run(&["export", "-q", "--bpf", filter, "-w", "dns.pcap"]).ok();
    let bytes = |name: &str| frames::read(&desk.path(name)).into_iter().map(|f| f.data).collect::<Vec<_>>();
    if tool("tcpdump") {
        let mut tcpdump = Command::new("tcpdump");
        tcpdump.arg("-r").arg(desk.path("office.pcap")).arg("-w").arg(desk.path("theirs.pcap")).arg(filter);
        run(&mut tcpdump);
        assert!(bytes("dns.pcap") == bytes("theirs.pcap"));
    }
    desk.run(&["export", "-q", "--bpf", filter, "--where", "dst_port = 53", "-w", "asked.pcap"]).ok();
    let asked = bytes("asked.pcap").len();
    assert_eq!(desk.value("select count(*) from packets where dst_port = 53"), asked.to_string());
    assert!(asked > 10 && asked < bytes("dns.pcap").len());
    let ran = desk.run(&["export", "--bpf", "vlan and prot 53", "-w", "x.pcap"]).failed_saying(&[]);
    assert!(ran.stderr.contains("\n  vlan and prot 53\n           ^"), "{}", ran.stderr);
}
