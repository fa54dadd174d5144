//! `COPY … TO`: formats, order, files and streams.

use futures::{StreamExt, TryStreamExt};

use super::support::{MINUTE_NS, Packet, START_NS, minutes, open, open_with, packets_in};
use crate::{CopyData, CopyFormat, CopyOptions, Outcome, Session, SqlError};

async fn bytes(session: &Session, sql: &str) -> Result<Vec<u8>, SqlError> {
    let Outcome::CopyOut(out) = session.query(sql).await? else { panic!("{sql}: nothing for the client") };
    let CopyData::Bytes(stream) = out.data else { panic!("{sql}: rows") };
    let chunks: Vec<_> = stream.try_collect().await?;
    Ok(chunks.concat())
}

fn texts(packets: &[(i64, String)]) -> Vec<&str> {
    packets.iter().map(|(_, text)| text.as_str()).collect()
}

#[tokio::test]
async fn a_filter_gives_exactly_its_packets_with_nanoseconds() {
    let (_dir, session) = open(&[minutes(0, 4), minutes(4, 3)]);
    for format in ["pcap", "pcapng"] {
        let sql = format!("copy (select * from packets where dst_port = 53) to stdout (format {format})");
        let packets = packets_in(&bytes(&session, &sql).await.unwrap());
        assert_eq!(texts(&packets), ["segment 1 row 1", "segment 1 row 3", "segment 2 row 1"], "{format}");
        assert_eq!(packets[0].0, START_NS + MINUTE_NS + 7);
    }
}

#[tokio::test]
async fn order_limit_and_duplicates_of_the_query() {
    let (_dir, session) = open(&[minutes(0, 4)]);
    let sql = "copy (select packet_id from packets order by ts desc limit 2) to stdout (format pcap)";
    assert_eq!(texts(&packets_in(&bytes(&session, sql).await.unwrap())), ["segment 1 row 2", "segment 1 row 3"]);
    let sql = "copy (select packet_id from packets where dst_port = 53 union all select packet_id from packets) to stdout (format pcap)";
    assert_eq!(packets_in(&bytes(&session, sql).await.unwrap()).len(), 4);
    let sql = "copy (select packet_id from packets where false) to stdout (format pcap)";
    assert_eq!(bytes(&session, sql).await.unwrap().len(), 24, "a capture of no packets is its header");
}

#[tokio::test]
async fn packets_come_in_time_order_from_segments_and_rows_that_do_not() {
    let at = |minute: i64| Packet { after_ns: minute * MINUTE_NS, link_type: 1 };
    // Rows out of order in 1; 2 and 3 overlap; 4 is earlier than all.
    let segments =
        [vec![at(12), at(10), at(11)], vec![at(20), at(22), at(24)], vec![at(21), at(23), at(30)], vec![at(1), at(2)]];
    let (_dir, session) = open(&segments);
    let packets = packets_in(&bytes(&session, "copy packets to stdout (format pcapng)").await.unwrap());
    let minutes: Vec<i64> = packets.iter().map(|(ts, _)| (ts - START_NS) / MINUTE_NS).collect();
    assert_eq!(minutes, [1, 2, 10, 11, 12, 20, 21, 22, 23, 24, 30]);
    assert_eq!(
        texts(&packets)[..6],
        [
            "segment 4 row 0",
            "segment 4 row 1",
            "segment 1 row 1",
            "segment 1 row 2",
            "segment 1 row 0",
            "segment 2 row 0"
        ]
    );
}

#[tokio::test]
async fn many_windows_of_overlapping_segments_merge() {
    let every = |first: i64| -> Vec<Packet> {
        (0..6000).map(|i| Packet { after_ns: (2 * i + first) * 1000, link_type: 1 }).collect()
    };
    let (_dir, session) = open(&[every(1), every(0)]);
    let packets = packets_in(&bytes(&session, "copy packets to stdout (format pcap)").await.unwrap());
    assert_eq!(packets.len(), 12_000);
    assert!(packets.is_sorted_by(|a, b| a.0 < b.0));
    assert_eq!(texts(&packets)[..3], ["segment 2 row 0", "segment 1 row 0", "segment 2 row 1"]);
    assert_eq!(packets[11_999].1, "segment 1 row 5999");
}

#[tokio::test]
async fn pcap_refuses_two_link_types_and_pcapng_holds_them() {
    let mixed = vec![Packet { after_ns: 0, link_type: 1 }, Packet { after_ns: 1, link_type: 113 }];
    let (dir, session) = open(&[mixed]);
    let error = bytes(&session, "copy packets to stdout (format pcap)").await.unwrap_err();
    assert_eq!(error.sqlstate, "0A000");
    assert_eq!(
        error.message,
        "a pcap file holds one link type: it has packets of 1 (ETHERNET) and now one of 113 (LINUX_SLL)"
    );
    assert_eq!(error.hint.as_deref(), Some("Use .pcapng (FORMAT pcapng), or select one link_type."));
    assert_eq!(session.query("copy packets to 'x.pcap'").await.unwrap_err().sqlstate, "0A000");
    assert_eq!(std::fs::read_dir(dir.path().join("out")).unwrap().count(), 0, "a half file stays behind");
    assert_eq!(packets_in(&bytes(&session, "copy packets to stdout (format pcapng)").await.unwrap()).len(), 2);
}

#[tokio::test]
async fn files_of_every_format_appear_under_their_names_only() {
    let (dir, session) = open(&[minutes(0, 4)]);
    let out = dir.path().join("out");
    for (name, expected) in [("x.pcap", 4), ("x.pcapng", 4), ("x.csv", 4), ("x.json", 4), ("x.parquet", 4)] {
        let sql = format!("copy (select * from packets) to '{name}'");
        let Outcome::Copied { rows, path } = session.query(&sql).await.unwrap() else { panic!("{sql}") };
        assert_eq!(rows, expected, "{name}");
        assert_eq!(path, out.canonicalize().unwrap().join(name));
    }
    let mut names: Vec<String> =
        std::fs::read_dir(&out).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["x.csv", "x.json", "x.parquet", "x.pcap", "x.pcapng"]);
    assert_eq!(packets_in(&std::fs::read(out.join("x.pcap")).unwrap()).len(), 4);
    let csv = std::fs::read_to_string(out.join("x.csv")).unwrap();
    assert_eq!(csv.lines().next(), Some("ts,packet_id,src_ip,dst_ip,dst_port,proto,tcp_flags"));
    assert_eq!(&std::fs::read(out.join("x.parquet")).unwrap()[..4], b"PAR1");
}

#[tokio::test]
async fn options_of_every_style_are_understood() {
    let (_dir, session) = open(&[minutes(0, 1)]);
    let csv = CopyOptions::new(CopyFormat::Csv);
    let cases = [
        ("copy packets to stdout", CopyOptions::new(CopyFormat::Text)),
        ("copy packets (ts, proto) to stdout", CopyOptions::new(CopyFormat::Text)),
        ("COPY (SELECT 1) TO STDOUT (FORMAT csv, HEADER)", CopyOptions { header: Some(true), ..csv.clone() }),
        (
            "copy (select 1) to stdout with (format 'csv', header off)",
            CopyOptions { header: Some(false), ..csv.clone() },
        ),
        ("COPY  ( select 1 ) TO STDOUT csv header", CopyOptions { header: Some(true), ..csv.clone() }),
        (
            "copy (select 1) to stdout with csv header delimiter as ';' null 'x' force quote *",
            CopyOptions { header: Some(true), delimiter: ';', null: "x".to_owned(), force_quote: true, ..csv.clone() },
        ),
        (
            "copy (select 1) to stdout (format csv, force_quote *, quote '''')",
            CopyOptions { quote: '\'', escape: '\'', force_quote: true, ..csv },
        ),
        ("copy (select 1) to stdout (delimiter E'\\t')", CopyOptions::new(CopyFormat::Text)),
        ("copy (select 1) to stdout binary", CopyOptions::new(CopyFormat::Binary)),
    ];
    for (sql, expected) in cases {
        let Outcome::CopyOut(out) = session.query(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}")) else {
            panic!("{sql}")
        };
        assert_eq!(out.options, expected, "{sql}");
        assert!(matches!(out.data, CopyData::Batches(_)), "{sql}");
    }
}

#[tokio::test]
async fn files_are_refused_where_no_folder_is_given_and_links_lead_nowhere() {
    let (_dir, session) = open_with(&[minutes(0, 1)], |c| c.export_dir = None);
    let error = session.query("copy packets to 'x.csv'").await.unwrap_err();
    assert_eq!((error.sqlstate, error.message.as_str()), ("42501", "COPY TO a file is not allowed here"));

    let (dir, session) = open(&[minutes(0, 1)]);
    let outside = dir.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, dir.path().join("out/way")).unwrap();
    std::os::unix::fs::symlink(outside.join("y.csv"), dir.path().join("out/y.csv")).unwrap();
    for name in ["way/x.csv", "y.csv"] {
        let error = session.query(&format!("copy packets to '{name}'")).await.unwrap_err();
        assert_eq!(error.sqlstate, "42501", "{name}");
    }
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
}

#[tokio::test]
async fn a_slow_or_vanished_client_holds_up_nothing_but_its_own_copy() {
    let (_dir, session) = open(&[minutes(0, 20_000)]);
    let Outcome::CopyOut(out) = session.query("copy packets to stdout (format pcap)").await.unwrap() else {
        panic!("nothing for the client")
    };
    let CopyData::Bytes(mut stream) = out.data else { panic!("rows") };
    assert!(stream.next().await.unwrap().unwrap().len() >= 24);
    drop(stream);
    let sql = "copy (select * from packets limit 1) to stdout (format pcap)";
    assert_eq!(packets_in(&bytes(&session, sql).await.unwrap()).len(), 1);
}

#[tokio::test]
async fn a_packet_that_is_not_there_is_an_error() {
    let (_dir, session) = open(&[minutes(0, 1)]);
    let error =
        bytes(&session, "copy (select 5::bigint << 32 as packet_id) to stdout (format pcap)").await.unwrap_err();
    assert_eq!((error.sqlstate, error.message.as_str()), ("P0002", "there is no segment 5, so no packet_id of it"));
}
