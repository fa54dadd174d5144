//! The [`table!`](crate::table!) macro: one declaration, many uses. [`column_group!`](crate::column_group!) declares columns that
//! several tables begin with.

/// Declares a table. Each column is a doc comment, a name, a [`Cell`](crate::column::Cell) type and, in brackets, calls
/// of the [`ColumnDef`](crate::ColumnDef) methods that change its defaults. Behind the columns stand the kinds of entries
/// that its rows are to KFL (see [`EntryDef`](crate::table::EntryDef)), with what variables stand for in SQL.
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
///     entry "door" when "width > 0" with { "name" = "door" } { "src.ip" = "who", "width_m" = "width / 1000.0" }
/// }
///
/// // Tables that begin with the same columns name them once.
/// wiretape_engine::column_group! {
///     /// What every visit has.
///     pub group VisitRow, builder VisitBuilder, view "visits" {
///         /// When, ns UTC.
///         ts: Ts,
///     }
///     variables { "timestamp" = "ts", "late" = "false" }
/// }
/// table! {
///     /// One row per guest.
///     pub static GUESTS: "guests", row GuestRow, builder GuestBuilder, group visit: VisitRow, VisitBuilder {
///         /// Who came.
///         name: Symbol,
///     }
///     entry "guest" { "late" = "name = 'Ada'" }
/// }
/// let [guest] = GUESTS.entries else { panic!() };
/// assert_eq!(GUESTS.variable(guest, "late"), Some("name = 'Ada'"), "its own come before those of the group");
/// assert_eq!(GUESTS.variable(guest, "timestamp"), Some("ts"));
/// assert_eq!((guest.when, DOORS.entries[0].when), ("true", "width > 0"));
/// let mut guests = GuestBuilder::default();
/// guests.push(VisitRow { ts: 7 }, GuestRow { name: "Ada" });
/// assert_eq!(guests.finish().unwrap().schema().fields().len(), 2);
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
        $(, part_key $part:literal)? $(, schema $schema:ident)? $(, group $group:ident : $grow:ident, $gbuilder:ident)? {
            $( $(#[doc = $cdoc:literal])* $col:ident : $cell:ty $([ $($method:ident ( $($arg:expr),* ))* ])? ),* $(,)?
        }
        $(variables { $($each:literal = $means:literal),* $(,)? })?
        $(
            entry $kind:literal $(when $when:literal)? $(with { $($shown:literal = $shows:literal),* $(,)? })?
            { $($variable:literal = $stands:literal),* $(,)? }
        )*
    ) => {
        $(#[doc = $tdoc])*
        pub static $table: $crate::TableDef = $crate::TableDef {
            name: $name,
            comment: concat!($($tdoc, "\n",)*).trim_ascii(),
            columns: {
                const GROUP: &[$crate::ColumnDef] = $crate::table!(@group $($gbuilder)?);
                const OWN: &[$crate::ColumnDef] = $crate::table!(@columns $( $(#[doc = $cdoc])* $col : $cell $([ $($method ( $($arg),* ))* ])? ),*);
                const ALL: [$crate::ColumnDef; GROUP.len() + OWN.len()] = $crate::table::joined(GROUP, OWN);
                &ALL
            },
            part_key: $crate::table!(@part $($part)?),
            system: $crate::table!(@schema $($schema)?),
            group: $crate::table!(@of_group $($gbuilder)?),
            variables: &[$($(($each, $means)),*)?],
            entries: &[$(
                $crate::table::EntryDef {
                    kind: $kind,
                    when: $crate::table!(@when $($when)?),
                    columns: &[$($(($shown, $shows)),*)?],
                    variables: &[$(($variable, $stands)),*],
                }
            ),*],
        };

        $(#[doc = $tdoc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $row<'a> {
            $( $(#[doc = $cdoc])* pub $col: <$cell as $crate::column::Cell>::Value<'a>, )*
        }

        #[doc = concat!("Collects rows of `", $name, "` as columns.")]
        #[derive(Debug, Default)]
        pub struct $builder {
            $( $group: $gbuilder, )?
            $( $col: <$cell as $crate::column::Cell>::Builder, )*
            rows: usize,
        }

        impl $crate::table::Builder for $builder {
            fn table(&self) -> &'static $crate::TableDef {
                &$table
            }
            fn len(&self) -> usize {
                self.rows
            }
            fn size_bytes(&self) -> usize {
                $builder::size_bytes(self)
            }
            fn copy_from(&self, from: usize) -> $crate::Result<arrow::record_batch::RecordBatch> {
                $builder::copy_from(self, from)
            }
            fn finish(&mut self) -> $crate::Result<arrow::record_batch::RecordBatch> {
                $builder::finish(self)
            }
            fn as_any(&mut self) -> &mut dyn std::any::Any {
                self
            }
        }

        impl $builder {
            /// Appends one row.
            #[inline]
            pub fn push(&mut self, $($group: $grow<'_>,)? row: $row<'_>) {
                $( self.$group.push($group); )?
                $( $crate::column::ColumnBuilder::<$cell>::push(&mut self.$col, row.$col); )*
                self.rows += 1;
            }

            /// Makes room for `rows` more.
            pub fn reserve(&mut self, rows: usize) {
                $( self.$group.reserve(rows); )?
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
                0 $( + self.$group.size_bytes() )? $( + $crate::column::ColumnBuilder::<$cell>::size_bytes(&self.$col) )*
            }

            /// A copy of the rows from `from` on, counted from the last [`finish`](Self::finish).
            pub fn copy_from(&self, from: usize) -> $crate::Result<arrow::record_batch::RecordBatch> {
                let mut columns = Vec::with_capacity($table.columns.len());
                $( columns.extend(self.$group.copy_from(from)); )?
                $( columns.push($crate::column::ColumnBuilder::<$cell>::copy_from(&self.$col, from)); )*
                Ok(arrow::record_batch::RecordBatch::try_new($table.schema(), columns)?)
            }

            /// Turns the rows into a batch and starts anew.
            pub fn finish(&mut self) -> $crate::Result<arrow::record_batch::RecordBatch> {
                self.rows = 0;
                let mut columns = Vec::with_capacity($table.columns.len());
                $( columns.extend(self.$group.finish()); )?
                $( columns.push($crate::column::ColumnBuilder::<$cell>::finish(&mut self.$col)); )*
                Ok(arrow::record_batch::RecordBatch::try_new($table.schema(), columns)?)
            }
        }
    };
    (@columns $( $(#[doc = $cdoc:literal])* $col:ident : $cell:ty $([ $($method:ident ( $($arg:expr),* ))* ])? ),* $(,)?) => {
        &[$(
            $crate::ColumnDef::new(
                stringify!($col),
                <$cell as $crate::column::Cell>::KIND,
                <$cell as $crate::column::Cell>::NULLABLE,
                concat!($($cdoc, "\n",)*).trim_ascii(),
            )$($(.$method($($arg),*))*)?,
        )*]
    };
    (@group $gbuilder:ident) => { $gbuilder::COLUMNS };
    (@group) => { &[] };
    (@of_group $gbuilder:ident) => { Some(&$gbuilder::GROUP) };
    (@of_group) => { None };
    (@part $part:literal) => { Some($part) };
    (@part) => { None };
    (@when $when:literal) => { $when };
    (@when) => { "true" };
    (@schema system) => { true };
    (@schema) => { false };
}

/// Declares columns that several tables begin with: a row, and a builder that is part of theirs. See [`table!`](crate::table!).
#[macro_export]
macro_rules! column_group {
    (
        $(#[doc = $gdoc:literal])*
        pub group $row:ident, builder $builder:ident, view $view:literal {
            $( $(#[doc = $cdoc:literal])* $col:ident : $cell:ty $([ $($method:ident ( $($arg:expr),* ))* ])? ),* $(,)?
        }
        $(variables { $($variable:literal = $stands:literal),* $(,)? })?
    ) => {
        $(#[doc = $gdoc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $row<'a> {
            $( $(#[doc = $cdoc])* pub $col: <$cell as $crate::column::Cell>::Value<'a>, )*
        }

        #[doc = concat!("Collects the columns of [`", stringify!($row), "`].")]
        #[derive(Debug, Default)]
        pub struct $builder {
            $( $col: <$cell as $crate::column::Cell>::Builder, )*
        }

        impl $builder {
            /// The group, as its tables know it.
            pub const GROUP: $crate::ColumnGroup = $crate::ColumnGroup {
                view: $view,
                comment: concat!($($gdoc, "\n",)*).trim_ascii(),
                columns: Self::COLUMNS,
                variables: &[$($(($variable, $stands)),*)?],
            };

            /// The columns, in order.
            pub const COLUMNS: &'static [$crate::ColumnDef] =
                $crate::table!(@columns $( $(#[doc = $cdoc])* $col : $cell $([ $($method ( $($arg),* ))* ])? ),*);

            /// Appends the values of one row.
            #[inline]
            pub fn push(&mut self, row: $row<'_>) {
                $( $crate::column::ColumnBuilder::<$cell>::push(&mut self.$col, row.$col); )*
            }

            /// Makes room for `rows` more.
            pub fn reserve(&mut self, rows: usize) {
                $( $crate::column::ColumnBuilder::<$cell>::reserve(&mut self.$col, rows); )*
            }

            /// Bytes of memory held.
            pub fn size_bytes(&self) -> usize {
                0 $( + $crate::column::ColumnBuilder::<$cell>::size_bytes(&self.$col) )*
            }

            /// A copy of the columns from row `from` on.
            pub fn copy_from(&self, from: usize) -> Vec<arrow::array::ArrayRef> {
                vec![$( $crate::column::ColumnBuilder::<$cell>::copy_from(&self.$col, from) ),*]
            }

            /// Turns the values into columns and starts anew.
            pub fn finish(&mut self) -> Vec<arrow::array::ArrayRef> {
                vec![$( $crate::column::ColumnBuilder::<$cell>::finish(&mut self.$col) ),*]
            }
        }
    };
}
