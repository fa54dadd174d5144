//! The exports of the command line.

use std::sync::{Arc, Mutex};

use super::support::{minutes, open, packets_in};
use crate::{
    CopyFormat,
    export::{self, Destination},
};

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn packets_for_a_predicate_go_to_any_writer() {
    let (_dir, session) = open(&[minutes(0, 4)]);
    let sink = Shared::default();
    let destination = Destination::Writer(Box::new(sink.clone()));
    let packets = export::pcap(&session, Some("proto = 'udp'"), CopyFormat::Pcapng, destination).await.unwrap();
    assert_eq!(packets, 2);
    let file = sink.0.lock().unwrap().clone();
    assert_eq!(packets_in(&file).len(), 2);
}

#[tokio::test]
async fn errors_point_into_the_predicate() {
    let (dir, session) = open(&[minutes(0, 4)]);
    let destination = || Destination::File(dir.path().join("x.pcap"));
    let error = export::pcap(&session, Some("proto = 'udp' and nope = 1"), CopyFormat::Pcap, destination());
    let error = error.await.unwrap_err();
    assert_eq!((error.sqlstate, error.position), ("42703", Some(19)));
    let error = export::pcap(&session, Some("true; drop table x"), CopyFormat::Pcap, destination()).await.unwrap_err();
    assert_eq!(error.sqlstate, "42601");
    assert!(!dir.path().join("x.pcap").exists());
}

#[tokio::test]
async fn parquet_is_partitioned_by_day_and_hour() {
    // 23:30 on: thirty minutes of one day, then the next.
    let (dir, session) = open(&[minutes(0, 45)]);
    let target = dir.path().join("parquet");
    let rows = export::parquet(&session, "select * from packets", &target).await.unwrap();
    assert_eq!(rows, 45);
    for (folder, expected) in [("date=2025-11-21/hour=23", 30), ("date=2025-11-22/hour=00", 15)] {
        let files: Vec<_> = std::fs::read_dir(target.join(folder)).unwrap().map(|f| f.unwrap().path()).collect();
        assert_eq!(files.len(), 1, "{folder}");
        let file = std::fs::File::open(&files[0]).unwrap();
        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        assert_eq!(reader.metadata().file_metadata().num_rows(), expected, "{folder}");
        let names: Vec<&str> = reader.schema().fields().iter().map(|f| f.name().as_str()).collect();
        assert_eq!(names, ["ts", "packet_id", "src_ip", "dst_ip", "dst_port", "proto", "tcp_flags"]);
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3, "the temporary folder is gone");
}
