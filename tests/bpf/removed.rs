//! Filters over packets whose bytes retention has removed and whose rows it kept.

use std::sync::Arc;

use wiretape::{
    engine::{Db, Writer, fs::Fs, retention::Expired},
    ingest::TABLES,
};

use crate::support::{
    frames,
    store::{OFFICE, batches, import, open, rows},
};

/// Proves that columns still decide what they decide, and that a filter which needs bytes says so instead of leaving packets
/// out.
#[test]
fn what_columns_decide_needs_no_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("db");
    import(&db, &frames::office(dir.path(), usize::MAX), 3000, Fs::default()).unwrap();
    let segment = Arc::clone(&Db::open(&db, TABLES).unwrap().view().unwrap().segments()[0]);
    let raw = segment.raw_component().unwrap();
    let (file, size_bytes) = (raw.file.clone(), raw.size_bytes);
    let mut writer = Writer::open(&db).unwrap();
    writer.retire(&[Expired::Component { id: segment.id(), file, size_bytes }]).unwrap();
    writer.sweep().unwrap();
    drop(writer);
    let session = open(&db).session();
    for use_index in [true, false] {
        session.set_use_index(use_index);
        for filter in
            ["host 203.0.113.66 and tcp port 8443", "tcp", "ip and not udp and net 10.20.0.0/16", "len < 100 and tcp"]
        {
            let sql = format!("select count(*) from packets where bpf('{filter}')");
            assert_eq!(rows(&session, &sql), OFFICE.rows(&sql), "{filter}");
        }
        let error = batches(&session, "select count(*) from packets where bpf('vlan and udp')").unwrap_err();
        assert_eq!(error.sqlstate, "55000");
        assert!(error.message.contains("which retention has removed"), "{error:?}");
        let bound = rows(&session, "select min(ts) from packets where packet_id >= 2::bigint << 32").concat().concat();
        let expected = "select count(*) from packets where vlan_id is not null and proto = 'udp' \
            and packet_id >= 2::bigint << 32";
        let later = format!("select count(*) from packets where bpf('vlan and udp') and ts >= '{bound}'");
        assert_eq!(rows(&session, &later), rows(&session, expected), "times leave the segment out");
    }
}
