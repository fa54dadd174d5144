//! The [`table!`](crate::table!) macro: one declaration, many uses.

/// Declares a table. Each column is a doc comment, a name, a [`Cell`](crate::column::Cell) type and, in brackets, calls
/// of the [`ColumnDef`](crate::ColumnDef) methods that change its defaults.
///
/// ```
/// use wiretape_engine::{column::{Ip, Symbol, Ts, U16}, table};
///
/// table! {
///     /// One row per door opened.
///     pub static DOORS: "doors", row DoorRow, builder DoorBuilder {
///         /// When, ns UTC.
///         ts: Ts,
///         /// By whom.
///         who: Option<Ip> [key()],
///         /// Which door.
///         door: Symbol [row_index()],
///         /// How wide, in mm.
///         width: Option<U16>,
///     }
/// }
///
/// let mut rows = DoorBuilder::default();
/// rows.push(DoorRow { ts: 5, who: None, door: "front", width: Some(900) });
/// let batch = rows.finish().unwrap();
/// assert_eq!(batch.num_rows(), 1);
/// assert_eq!(batch.schema(), DOORS.schema());
/// ```
#[macro_export]
macro_rules! table {
    (
        $(#[doc = $tdoc:literal])*
        pub static $table:ident : $name:literal, row $row:ident, builder $builder:ident
        $(, part_key $part:literal)? $(, schema $schema:ident)? {
            $( $(#[doc = $cdoc:literal])* $col:ident : $cell:ty $([ $($method:ident ( $($arg:expr),* ))* ])? ),* $(,)?
        }
    ) => {
        $(#[doc = $tdoc])*
        pub static $table: $crate::TableDef = $crate::TableDef {
            name: $name,
            comment: concat!($($tdoc, "\n",)*).trim_ascii(),
            columns: &[$(
                $crate::ColumnDef::new(
                    stringify!($col),
                    <$cell as $crate::column::Cell>::KIND,
                    <$cell as $crate::column::Cell>::NULLABLE,
                    concat!($($cdoc, "\n",)*).trim_ascii(),
                )$($(.$method($($arg),*))*)?,
            )*],
            part_key: $crate::table!(@part $($part)?),
            system: $crate::table!(@schema $($schema)?),
        };

        $(#[doc = $tdoc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $row<'a> {
            $( $(#[doc = $cdoc])* pub $col: <$cell as $crate::column::Cell>::Value<'a>, )*
        }

        #[doc = concat!("Collects rows of `", $name, "` as columns.")]
        #[derive(Debug, Default)]
        pub struct $builder {
            $( $col: <$cell as $crate::column::Cell>::Builder, )*
            rows: usize,
        }

        impl $builder {
            /// Appends one row.
            #[inline]
            pub fn push(&mut self, row: $row<'_>) {
                $( $crate::column::ColumnBuilder::<$cell>::push(&mut self.$col, row.$col); )*
                self.rows += 1;
            }

            /// Makes room for `rows` more.
            pub fn reserve(&mut self, rows: usize) {
                $( $crate::column::ColumnBuilder::<$cell>::reserve(&mut self.$col, rows); )*
            }

            /// Rows pushed since the last [`finish`](Self::finish).
            pub fn len(&self) -> usize {
                self.rows
            }

            /// Whether no row was pushed since the last [`finish`](Self::finish).
            pub fn is_empty(&self) -> bool {
                self.rows == 0
            }

            /// Bytes of memory held, for limits.
            pub fn size_bytes(&self) -> usize {
                0 $( + $crate::column::ColumnBuilder::<$cell>::size_bytes(&self.$col) )*
            }

            /// A copy of the rows from `from` on, counted from the last [`finish`](Self::finish).
            pub fn copy_from(&self, from: usize) -> $crate::Result<arrow::record_batch::RecordBatch> {
                let columns = vec![$( $crate::column::ColumnBuilder::<$cell>::copy_from(&self.$col, from) ),*];
                Ok(arrow::record_batch::RecordBatch::try_new($table.schema(), columns)?)
            }

            /// Turns the rows into a batch and starts anew.
            pub fn finish(&mut self) -> $crate::Result<arrow::record_batch::RecordBatch> {
                self.rows = 0;
                let columns = vec![$( $crate::column::ColumnBuilder::<$cell>::finish(&mut self.$col) ),*];
                Ok(arrow::record_batch::RecordBatch::try_new($table.schema(), columns)?)
            }
        }
    };
    (@part $part:literal) => { Some($part) };
    (@part) => { None };
    (@schema system) => { true };
    (@schema) => { false };
}
