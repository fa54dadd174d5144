//! What a table is: one declaration that yields the row struct, the Arrow schema, the builder, the index choice, the
//! comment shown in psql and the generated `docs/schema.md`. Declare one with [`table!`](crate::table!).

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::column;

mod declare;
mod entry;

pub use entry::{EntryDef, Mapping};

/// The value type of a column. It fixes the Rust type pushed, the Arrow type stored and the SQL type shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nanoseconds since the epoch, UTC: `timestamp[ns, UTC]`.
    Ts,
    /// Signed 64-bit: ids, byte and packet counts, durations in ns.
    I64,
    /// Unsigned 32-bit.
    U32,
    /// Unsigned 16-bit.
    U16,
    /// Unsigned 8-bit.
    U8,
    /// True or false.
    Bool,
    /// An IP address, stored as canonical text (RFC 5952 for IPv6) in a dictionary column.
    Ip,
    /// An EUI-48 address, stored as `aa:bb:cc:dd:ee:ff` in a dictionary column.
    Mac,
    /// Text of few distinct values, in a dictionary column.
    Symbol,
    /// Text of many distinct values.
    Text,
    /// Several texts, in order.
    TextList,
    /// A map from text to text, in order; a name may come more than once.
    TextMap,
}

impl Kind {
    /// The Arrow type a column of this kind has in batches and in Parquet.
    pub fn data_type(self) -> DataType {
        match self {
            Kind::Ts => DataType::Timestamp(TimeUnit::Nanosecond, Some(Arc::from("UTC"))),
            Kind::I64 => DataType::Int64,
            Kind::U32 => DataType::UInt32,
            Kind::U16 => DataType::UInt16,
            Kind::U8 => DataType::UInt8,
            Kind::Bool => DataType::Boolean,
            Kind::Ip | Kind::Mac | Kind::Symbol => {
                DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
            }
            Kind::Text => DataType::Utf8,
            Kind::TextList => column::list_type(),
            Kind::TextMap => column::map_type(),
        }
    }

    /// The type's name in SQL, as psql's `\d` and `docs/schema.md` show it.
    pub fn sql_name(self) -> &'static str {
        match self {
            Kind::Ts => "timestamptz",
            Kind::I64 | Kind::U32 => "bigint",
            Kind::U16 => "integer",
            Kind::U8 => "smallint",
            Kind::Bool => "boolean",
            Kind::Ip | Kind::Mac | Kind::Symbol | Kind::Text => "text",
            Kind::TextList => "text[]",
            Kind::TextMap => "json",
        }
    }
}

/// How a column takes part in the table's index (see [`crate::index`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexKind {
    /// Not indexed.
    None,
    /// Part of the row's key: few distinct keys, each with its list of rows.
    Key,
    /// As `Key`, and this column and its partner swap places in rows that go the other way (source and destination).
    KeyMirrored {
        /// The partner column's name.
        with: &'static str,
    },
    /// One bitmap of rows per distinct value.
    Row,
}

/// How the Parquet column is encoded; measured, not guessed (`docs/benchmarks.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Dictionary, then run-length: right for almost everything, sequence numbers included (they recur as ACKs).
    Dictionary,
    /// `DELTA_BINARY_PACKED`: times and counters that grow slowly.
    Delta,
    /// Plain, no dictionary.
    Plain,
}

/// How the parts of one row that spans segments become the row that users see. Only tables with a
/// [`TableDef::part_key`] use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// The same in every part.
    Same,
    /// Added up.
    Sum,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// Bits or-ed together.
    Or,
    /// From the last part in time.
    Last,
}

/// One column of a table.
#[derive(Debug, Clone, Copy)]
pub struct ColumnDef {
    /// Its name, the same in Rust, SQL, KFL, JSON and docs.
    pub name: &'static str,
    /// Its value type.
    pub kind: Kind,
    /// Whether NULL can appear.
    pub nullable: bool,
    /// Meaning, unit and source, shown by `\d+` and in `docs/schema.md`.
    pub comment: &'static str,
    /// Its part in the index.
    pub index: IndexKind,
    /// Its Parquet encoding.
    pub encoding: Encoding,
    /// How parts merge.
    pub merge: Merge,
}

impl ColumnDef {
    /// A column that is not indexed, dictionary-encoded and the same in every part.
    pub const fn new(name: &'static str, kind: Kind, nullable: bool, comment: &'static str) -> Self {
        ColumnDef {
            name,
            kind,
            nullable,
            comment,
            index: IndexKind::None,
            encoding: Encoding::Dictionary,
            merge: Merge::Same,
        }
    }

    /// Makes the column part of the row's key in the index.
    #[must_use]
    pub const fn key(mut self) -> Self {
        self.index = IndexKind::Key;
        self
    }

    /// As [`key`](Self::key), swapping places with `with` in rows that go the other way.
    #[must_use]
    pub const fn mirrors(mut self, with: &'static str) -> Self {
        self.index = IndexKind::KeyMirrored { with };
        self
    }

    /// Gives the column one row bitmap per distinct value.
    #[must_use]
    pub const fn row_index(mut self) -> Self {
        self.index = IndexKind::Row;
        self
    }

    /// Sets the Parquet encoding.
    #[must_use]
    pub const fn encoded(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// Sets how parts merge.
    #[must_use]
    pub const fn merged(mut self, merge: Merge) -> Self {
        self.merge = merge;
        self
    }
}

/// The builder of some table: what can be done with it without knowing which.
pub trait Builder: std::fmt::Debug + Send {
    /// The table whose rows it collects.
    fn table(&self) -> &'static TableDef;
    /// Rows pushed since the last [`finish`](Self::finish).
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Bytes of memory held.
    fn size_bytes(&self) -> usize;
    /// A copy of the rows from `from` on.
    fn copy_from(&self, from: usize) -> crate::Result<arrow::record_batch::RecordBatch>;
    /// Turns the rows into a batch and starts anew.
    fn finish(&mut self) -> crate::Result<arrow::record_batch::RecordBatch>;
    /// The builder itself, for those who know its type.
    fn as_any(&mut self) -> &mut dyn std::any::Any;
}

/// `first` and then `second`; `N` is their number. For the declarations of tables.
#[doc(hidden)]
#[must_use]
#[expect(clippy::indexing_slicing, reason = "evaluated at compile time, where a place out of bounds is an error")]
pub const fn joined<const N: usize>(first: &[ColumnDef], second: &[ColumnDef]) -> [ColumnDef; N] {
    let mut all = [ColumnDef::new("", Kind::Ts, false, ""); N];
    let mut at = 0;
    while at < N {
        all[at] = if at < first.len() { first[at] } else { second[at - first.len()] };
        at += 1;
    }
    all
}

/// A table as the store sees it: a name and its columns, the first of which is the time that orders its rows.
#[derive(Debug)]
pub struct TableDef {
    /// Its name in SQL and the stem of its component files.
    pub name: &'static str,
    /// What one row is.
    pub comment: &'static str,
    /// Its columns in order; the first is of kind [`Kind::Ts`].
    pub columns: &'static [ColumnDef],
    /// For tables whose rows can span segments: the column that names the row of which each stored row is a part.
    pub part_key: Option<&'static str>,
    /// Whether it says something of the recording itself, and is shown in the schema `system`.
    pub system: bool,
    /// The columns it begins with, if other tables do as well.
    pub group: Option<&'static ColumnGroup>,
    /// What KFL variables stand for in entries of all its kinds.
    pub variables: &'static [Mapping],
    /// What its rows are to KFL.
    pub entries: &'static [EntryDef],
}

/// Columns that several tables begin with, and the view of all of them together.
#[derive(Debug)]
pub struct ColumnGroup {
    /// The view's name in SQL.
    pub view: &'static str,
    /// What one row of it is.
    pub comment: &'static str,
    /// The columns, in order.
    pub columns: &'static [ColumnDef],
    /// What KFL variables stand for in entries of all of them.
    pub variables: &'static [Mapping],
}

impl TableDef {
    /// The Arrow schema of the table's batches and Parquet components.
    pub fn schema(&self) -> SchemaRef {
        let fields: Vec<Field> =
            self.columns.iter().map(|c| Field::new(c.name, c.kind.data_type(), c.nullable)).collect();
        Arc::new(Schema::new(fields))
    }

    /// The name that finds it in SQL from anywhere: with its schema, if that is not the one searched first.
    pub fn sql_name(&self) -> String {
        if self.system { format!("system.{}", self.name) } else { self.name.to_owned() }
    }

    /// Position and definition of the column called `name`.
    pub fn column(&self, name: &str) -> Option<(usize, &'static ColumnDef)> {
        self.columns.iter().enumerate().find(|(_, c)| c.name == name)
    }

    /// Whether any column is indexed, that is whether the table has an `.idx` component.
    pub fn is_indexed(&self) -> bool {
        self.columns.iter().any(|c| c.index != IndexKind::None)
    }
}
