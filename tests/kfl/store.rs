//! A database of the rows in `rows.txt`, half of them in each of two segments.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use arrow::{
    array::RecordBatch,
    compute::cast,
    datatypes::{DataType, Field, Schema},
    json::ReaderBuilder,
};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use wiretape::{
    engine::{
        TableDef, Writer,
        raw::{Codec, Interface, RawPacket, Resolution},
        table::Kind,
    },
    ingest,
    sql::{Config, Database, Session},
};

use super::identity::IDENTITY;

/// The tables of the database: those of captures, and one of names.
pub(super) static TABLES: LazyLock<&'static [&'static TableDef]> =
    LazyLock::new(|| ingest::TABLES.iter().copied().chain([&IDENTITY]).collect::<Vec<_>>().leak());

/// The database that all tests ask.
pub(super) static STORE: LazyLock<Store> = LazyLock::new(Store::new);

/// Variables that no table has, as the page on entries names them: what is not recorded yet.
pub(super) fn unrecorded() -> Vec<&'static str> {
    let page = include_str!("../../docs/kfl-entries.md");
    let list = page.split("unrecorded -->").nth(1).unwrap();
    list.split('`').skip(1).step_by(2).collect()
}

/// It.
pub(super) struct Store {
    database: Arc<Database>,
    _dir: TempDir,
}

impl Store {
    fn new() -> Store {
        let dir = TempDir::new().unwrap();
        let db = dir.path().join("db");
        let mut tables: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for (number, line) in include_str!("rows.txt").lines().filter(|l| !l.starts_with('#')).enumerate() {
            let (table, row) = line.split_once(' ').unwrap();
            tables.entry(table).or_default().push(whole(table_of(table), serde_json::from_str(row).unwrap(), number));
        }
        let mut writer = Writer::open(&db).unwrap();
        for half in 0..2 {
            let mut segment = writer.begin_segment(Codec::Zstd, 1).unwrap();
            let mut batches = Vec::new();
            for (name, rows) in &tables {
                let of_half: Vec<Value> = rows.iter().skip(half).step_by(2).cloned().collect();
                if *name == "packets" {
                    of_half.iter().for_each(|_| push_packet(segment.raw()));
                }
                batches.push((table_of(name), batch(table_of(name), &of_half)));
            }
            let filled: Vec<(&'static TableDef, RecordBatch)> =
                batches.into_iter().filter(|(_, b)| b.num_rows() > 0).collect();
            let sealed = segment.seal(&filled).unwrap();
            writer.commit(&sealed, |_| ()).unwrap();
        }
        let config = Config { threads: 2, ..Config::default() };
        Store { database: Database::open(&db, *TABLES, config).unwrap(), _dir: dir }
    }

    pub(super) fn session(&self) -> Session {
        self.database.session()
    }
}

fn table_of(name: &str) -> &'static TableDef {
    TABLES.iter().copied().find(|t| t.name == name).unwrap_or_else(|| panic!("no table {name}"))
}

fn push_packet(raw: &mut wiretape::engine::raw::RawWriter) {
    let interface = Interface { link_type: 1, snaplen: 0, name: "eth0".to_owned(), resolution: Resolution::Nano };
    let interface = raw.interface(&interface).unwrap();
    let data = [0; 60];
    raw.push(&RawPacket { ts_ns: 1, interface, orig_len: 60, data: &data, direction: None }).unwrap();
}

/// The row with what every row of its table has, where it does not say otherwise.
fn whole(table: &TableDef, said: Map<String, Value>, number: usize) -> Value {
    let id = (1_u64 << 32) + number as u64;
    let mut row = Map::new();
    for column in table.columns {
        let default = match (column.name, column.kind) {
            ("ts" | "start_ts" | "end_ts", _) => json!("2026-03-02T12:00:00Z"),
            ("call_id" | "packet_id" | "first_packet_id" | "last_packet_id", _) => json!(id),
            ("app_proto", _) if column.nullable => Value::Null,
            ("app_proto", _) => json!(table.name),
            ("src_ip", _) => json!("10.0.0.5"),
            ("dst_ip", _) => json!("10.0.0.9"),
            ("src_port", _) => json!(40000),
            ("dst_port", _) => json!(8080),
            ("flow_id", _) => json!(id),
            ("capture_source", _) => json!("file"),
            ("http_version", _) => json!("HTTP/1.1"),
            ("latency_ns", _) => json!(1_000_000),
            ("request_bytes" | "response_bytes", _) => json!(100),
            ("part", _) => json!(3),
            ("proto", _) => json!(if table.name == "packets" { "udp" } else { "tcp" }),
            (_, _) if column.nullable => Value::Null,
            (_, Kind::Bool) => json!(false),
            (_, Kind::TextList) => json!([]),
            (_, Kind::TextMap) => json!({}),
            (_, Kind::Ip | Kind::Mac | Kind::Symbol | Kind::Text) => json!(""),
            (_, Kind::Ts) => json!("2026-03-02T12:00:00Z"),
            (_, Kind::I64 | Kind::U32 | Kind::U16 | Kind::U8) => json!(0),
        };
        row.insert(column.name.to_owned(), default);
    }
    for (name, value) in said {
        assert!(row.insert(name.clone(), value).is_some(), "{} has no column {name}", table.name);
    }
    Value::Object(row)
}

/// The rows as a batch of the table.
fn batch(table: &TableDef, rows: &[Value]) -> RecordBatch {
    let schema = table.schema();
    let plain = |f: &Field| match f.data_type() {
        DataType::Dictionary(_, value) => f.clone().with_data_type((**value).clone()),
        _ => f.clone(),
    };
    let read_as = Arc::new(Schema::new(schema.fields().iter().map(|f| plain(f)).collect::<Vec<_>>()));
    let mut decoder = ReaderBuilder::new(read_as).with_batch_size(1000).build_decoder().unwrap();
    decoder.serialize(rows).unwrap();
    let Some(read) = decoder.flush().unwrap() else { return RecordBatch::new_empty(schema) };
    let columns = read.columns().iter().zip(schema.fields()).map(|(c, f)| cast(c, f.data_type()).unwrap()).collect();
    RecordBatch::try_new(schema, columns).unwrap()
}
