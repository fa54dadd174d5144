//! What an index promises, against a naive oracle; damage; and size on generated traffic.

#![expect(unreachable_pub, dead_code, reason = "the table macro declares public items, more than are used here")]
#![expect(clippy::cast_possible_truncation, reason = "test values are small")]

use std::{net::IpAddr, path::PathBuf};

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::{DataType, Int64Type, TimestampNanosecondType, UInt8Type, UInt16Type, UInt32Type},
};

use super::Index;
use crate::{
    column::{Bool, I64, Ip, Symbol, Text, Ts, U8, U16, U32},
    table,
};

mod damage;
mod oracle;
mod size;

table! {
    /// One row per thing seen; a column of every kind and every part in the index.
    pub static THINGS: "things", row ThingRow, builder ThingBuilder {
        /// When.
        ts: Ts,
        /// Which flow.
        flow: Option<I64> [key()],
        /// From.
        src: Option<Ip> [mirrors("dst")],
        /// To.
        dst: Option<Ip> [mirrors("src")],
        /// How.
        proto: Option<Symbol> [key()],
        /// Not indexed.
        other: U32,
        /// From where.
        src_port: Option<U16> [mirrors("dst_port")],
        /// Where to.
        dst_port: Option<U16> [mirrors("src_port")],
        /// Whether.
        up: Bool [key()],
        /// Until.
        until: Option<Ts> [key()],
        /// Said.
        said: Option<Text> [key()],
        /// A number.
        number: U32 [row_index()],
        /// Flags.
        flags: Option<U8> [row_index()],
        /// A tag.
        tag: Option<Symbol> [row_index()],
    }
}

/// The columns of [`THINGS`] that are indexed.
const INDEXED: [&str; 12] =
    ["flow", "src", "dst", "proto", "src_port", "dst_port", "up", "until", "said", "number", "flags", "tag"];

/// A row that answers in text what its columns hold.
#[derive(Debug, Clone)]
struct Thing {
    flow: Option<i64>,
    src: Option<IpAddr>,
    dst: Option<IpAddr>,
    proto: Option<&'static str>,
    src_port: Option<u16>,
    dst_port: Option<u16>,
    up: bool,
    until: Option<i64>,
    said: Option<String>,
    number: u32,
    flags: Option<u8>,
    tag: Option<&'static str>,
}

impl Thing {
    fn empty() -> Thing {
        Thing {
            flow: None,
            src: None,
            dst: None,
            proto: None,
            src_port: None,
            dst_port: None,
            up: false,
            until: None,
            said: None,
            number: 0,
            flags: None,
            tag: None,
        }
    }

    fn cell(&self, column: &str) -> Option<String> {
        match column {
            "flow" => self.flow.map(|v| v.to_string()),
            "src" => self.src.map(|v| v.to_string()),
            "dst" => self.dst.map(|v| v.to_string()),
            "proto" => self.proto.map(str::to_owned),
            "src_port" => self.src_port.map(|v| v.to_string()),
            "dst_port" => self.dst_port.map(|v| v.to_string()),
            "up" => Some(self.up.to_string()),
            "until" => self.until.map(|v| v.to_string()),
            "said" => self.said.clone(),
            "number" => Some(self.number.to_string()),
            "flags" => self.flags.map(|v| v.to_string()),
            "tag" => self.tag.map(str::to_owned),
            other => panic!("no column {other}"),
        }
    }
}

fn batch(things: &[Thing]) -> arrow::record_batch::RecordBatch {
    let mut rows = ThingBuilder::default();
    for (ts, t) in (0..).zip(things) {
        rows.push(ThingRow {
            ts,
            flow: t.flow,
            src: t.src,
            dst: t.dst,
            proto: t.proto,
            other: 7,
            src_port: t.src_port,
            dst_port: t.dst_port,
            up: t.up,
            until: t.until,
            said: t.said.as_deref(),
            number: t.number,
            flags: t.flags,
            tag: t.tag,
        });
    }
    rows.finish().unwrap()
}

/// An index file in a folder that goes with it.
struct OnDisk {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl OnDisk {
    fn new(bytes: &[u8]) -> OnDisk {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("things.idx");
        std::fs::write(&path, bytes).unwrap();
        OnDisk { _folder: folder, path }
    }

    fn of(things: &[Thing]) -> OnDisk {
        OnDisk::new(&super::build(&THINGS, &batch(things)).unwrap())
    }

    fn open(&self) -> Index {
        Index::open(&self.path).unwrap()
    }
}

/// The values of an array as text.
fn texts(array: &ArrayRef) -> Vec<Option<String>> {
    let text = |i: usize| match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(i).to_owned(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(i).to_string(),
        DataType::Timestamp(..) => array.as_primitive::<TimestampNanosecondType>().value(i).to_string(),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(i).to_string(),
        DataType::UInt16 => array.as_primitive::<UInt16Type>().value(i).to_string(),
        DataType::UInt8 => array.as_primitive::<UInt8Type>().value(i).to_string(),
        DataType::Boolean => array.as_boolean().value(i).to_string(),
        other => panic!("unexpected type {other}"),
    };
    (0..array.len()).map(|i| array.is_valid(i).then(|| text(i))).collect()
}
