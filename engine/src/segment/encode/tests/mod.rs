//! What is written, read back by the library's reader and held against what the library itself would write.

mod rows;

use std::{fs::File, sync::Arc};

use arrow::{
    array::{ArrayRef, DictionaryArray, Int32Array, Int64Array, RecordBatch, StringArray, UInt32Array},
    compute::{cast, concat_batches},
    datatypes::DataType,
};
use parquet::{
    arrow::{
        ArrowWriter,
        arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection},
    },
    basic::Encoding as ParquetEncoding,
    file::{
        metadata::{PageIndexPolicy, ParquetMetaData},
        page_index::column_index::ColumnIndexMetaData,
    },
};
use proptest::prelude::*;

use self::rows::{Nulls, Recipe, Values, recipe};
use super::hybrid;
use crate::{
    ColumnDef, TableDef,
    fs::Fs,
    segment::{
        PAGE_ROWS, ROW_GROUP_ROWS,
        write_parquet::{self, properties},
    },
    table::{Encoding, Kind},
};

/// Every kind, with and without NULLs.
static EVERY: TableDef = TableDef {
    name: "every",
    comment: "One column of each kind.",
    columns: &[
        ColumnDef::new("ts", Kind::Ts, false, ""),
        ColumnDef::new("delta", Kind::Ts, false, "").encoded(Encoding::Delta),
        ColumnDef::new("i64", Kind::I64, false, ""),
        ColumnDef::new("i64_null", Kind::I64, true, ""),
        ColumnDef::new("u32", Kind::U32, false, ""),
        ColumnDef::new("u32_null", Kind::U32, true, ""),
        ColumnDef::new("u16", Kind::U16, false, ""),
        ColumnDef::new("u16_null", Kind::U16, true, ""),
        ColumnDef::new("u8", Kind::U8, false, ""),
        ColumnDef::new("u8_null", Kind::U8, true, ""),
        ColumnDef::new("bool", Kind::Bool, false, ""),
        ColumnDef::new("bool_null", Kind::Bool, true, ""),
        ColumnDef::new("symbol", Kind::Symbol, false, ""),
        ColumnDef::new("symbol_null", Kind::Symbol, true, ""),
        ColumnDef::new("text_null", Kind::Text, true, ""),
    ],
    part_key: None,
    system: false,
    group: None,
    variables: &[],
    entries: &[],
};

fn batch(recipes: &[Recipe], rows: usize) -> RecordBatch {
    let columns = EVERY.columns.iter().zip(recipes).map(|(column, recipe)| recipe.column(column, rows));
    RecordBatch::try_new(EVERY.schema(), columns.collect()).unwrap()
}

/// Texts in place of dictionaries, which differ where they are equal.
fn logical(batch: &RecordBatch) -> Vec<ArrayRef> {
    let plain = |column: &ArrayRef| match column.data_type() {
        DataType::Dictionary(..) => cast(column, &DataType::Utf8).unwrap(),
        _ => Arc::clone(column),
    };
    batch.columns().iter().map(plain).collect()
}

fn read(file: &File, selection: Option<RowSelection>) -> (Arc<ParquetMetaData>, RecordBatch) {
    let options =
        ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required).with_encoding_stats_as_mask(false);
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(file.try_clone().unwrap(), options).unwrap();
    let (metadata, schema) = (Arc::clone(reader.metadata()), Arc::clone(reader.schema()));
    let reader = if let Some(selection) = selection { reader.with_row_selection(selection) } else { reader };
    let batches: Vec<RecordBatch> = reader.with_batch_size(1000).build().unwrap().map(Result::unwrap).collect();
    (metadata, concat_batches(&schema, &batches).unwrap())
}

fn written(table: &TableDef, batch: &RecordBatch) -> File {
    let dir = tempfile::tempdir().unwrap();
    write_parquet::write(&Fs::default(), dir.path(), table, batch, 2).unwrap();
    File::open(dir.path().join(format!("{}.parquet", table.name))).unwrap()
}

fn written_by_library(table: &TableDef, batch: &RecordBatch) -> File {
    let file = tempfile::tempfile().unwrap();
    let mut writer = ArrowWriter::try_new(file.try_clone().unwrap(), batch.schema(), Some(properties(table))).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    file
}

/// Panics where what the footers tell readers differs: bounds, NULLs, encodings, which rows are in which page.
fn assert_same_promises(ours: &ParquetMetaData, library: &ParquetMetaData) {
    assert_eq!(ours.num_row_groups(), library.num_row_groups());
    for (group, (our_group, their_group)) in ours.row_groups().iter().zip(library.row_groups()).enumerate() {
        assert_eq!(our_group.num_rows(), their_group.num_rows());
        for (n, (our, their)) in our_group.columns().iter().zip(their_group.columns()).enumerate() {
            let name = our.column_path().string();
            assert_eq!(our.statistics(), their.statistics(), "{name}");
            assert_eq!(our.num_values(), their.num_values(), "{name}");
            assert_eq!(our.compression(), their.compression(), "{name}");
            assert_eq!(our.page_encoding_stats(), their.page_encoding_stats(), "{name}");
            let encodings = |chunk: &parquet::file::metadata::ColumnChunkMetaData| {
                let mut encodings: Vec<_> = chunk.encodings().map(|e| format!("{e:?}")).collect();
                encodings.sort();
                encodings
            };
            assert_eq!(encodings(our), encodings(their), "{name}");
            let rows = |metadata: &ParquetMetaData| -> Vec<i64> {
                let pages = metadata.offset_index().unwrap()[group][n].page_locations();
                pages.iter().map(|page| page.first_row_index).collect()
            };
            assert_eq!(rows(ours), rows(library), "{name}");
            let (our, their) = (&ours.column_index().unwrap()[group][n], &library.column_index().unwrap()[group][n]);
            assert_eq!(our.get_boundary_order(), their.get_boundary_order(), "{name}");
            assert_eq!(our.null_counts(), their.null_counts(), "{name}");
            if let (ColumnIndexMetaData::INT64(our), ColumnIndexMetaData::INT64(their)) = (our, their) {
                assert!(our.min_values_iter().eq(their.min_values_iter()), "{name}");
                assert!(our.max_values_iter().eq(their.max_values_iter()), "{name}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Proves that whatever the values and wherever the NULLs, slices included, a column reads back as it was, whole and by
    /// selections of rows, and that the footer promises exactly what the library's own writer does.
    #[test]
    fn every_column_reads_back(
        recipes in prop::collection::vec(recipe(), EVERY.columns.len()),
        rows in prop_oneof![
            Just(1), Just(PAGE_ROWS - 1), Just(PAGE_ROWS), Just(PAGE_ROWS + 1), 1..4 * PAGE_ROWS,
        ],
        offset in prop_oneof![Just(0usize), 1..200usize],
        cuts in prop::collection::vec(0..4 * PAGE_ROWS, 2..12),
    ) {
        let batch = batch(&recipes, offset + rows).slice(offset, rows);
        let file = written(&EVERY, &batch);
        let (metadata, whole) = read(&file, None);
        prop_assert_eq!(logical(&whole), logical(&batch));

        let library = written_by_library(&EVERY, &batch);
        assert_same_promises(&metadata, &read(&library, None).0);

        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(rows)).collect();
        cuts.sort_unstable();
        let ranges: Vec<_> = cuts.chunks_exact(2).map(|cut| cut[0]..cut[1]).collect();
        let selection = RowSelection::from_consecutive_ranges(ranges.iter().cloned(), rows);
        let slices: Vec<_> = ranges.iter().map(|range| batch.slice(range.start, range.len())).collect();
        let expected = concat_batches(&batch.schema(), &slices).unwrap();
        prop_assert_eq!(logical(&read(&file, Some(selection)).1), logical(&expected));
    }

    /// Proves that runs and bit-packed codes of every width are what the format says: a reader of a few lines gets them
    /// back.
    #[test]
    fn codes_unpack_to_themselves(
        width in 0u8..=32,
        runs in prop::collection::vec((any::<u32>(), prop_oneof![3 => Just(1usize), 1 => 1..300usize]), 0..200),
    ) {
        let mask = u32::try_from((1u64 << width) - 1).unwrap();
        let codes: Vec<u32> = runs.iter().flat_map(|(code, count)| vec![code & mask; *count]).collect();
        for width in [width, hybrid::width(&codes)] {
            let mut bytes = Vec::new();
            hybrid::put_codes(&codes, width, &mut bytes);
            prop_assert_eq!(unpacked(&bytes, width, codes.len()), codes.clone());
        }
    }
}

/// Proves that which thread encodes a column, and what it encoded before, shows nowhere in the file.
#[test]
fn the_file_does_not_depend_on_who_encodes() {
    let kinds = [Values::Random, Values::Few(40), Values::Runs(90), Values::Rising, Values::One];
    let nulls = [Nulls::Random, Nulls::Runs(70), Nulls::Pages];
    let recipe = |n| Recipe { values: kinds[n % 5], nulls: nulls[n % 3], seed: n as u64 };
    let recipes: Vec<Recipe> = (0..EVERY.columns.len()).map(recipe).collect();
    let batch = batch(&recipes, 5 * PAGE_ROWS + 3);
    let [one, two, many] = [1, 2, 8].map(|threads| {
        let dir = tempfile::tempdir().unwrap();
        write_parquet::write(&Fs::default(), dir.path(), &EVERY, &batch, threads).unwrap();
        std::fs::read(dir.path().join("every.parquet")).unwrap()
    });
    assert!(one == two && one == many, "the files differ");
}

/// Reads the hybrid encoding bit by bit.
fn unpacked(bytes: &[u8], width: u8, count: usize) -> Vec<u32> {
    let (mut codes, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let (mut header, mut shift) = (0usize, 0);
        loop {
            header |= usize::from(bytes[at] & 0x7f) << shift;
            shift += 7;
            at += 1;
            if bytes[at - 1] < 0x80 {
                break;
            }
        }
        let bit = |n: usize| u32::from(bytes[at + n / 8] >> (n % 8) & 1);
        let number = |from: usize| (0..usize::from(width)).map(|n| bit(from + n) << n).sum::<u32>();
        if header & 1 == 1 {
            let groups = header >> 1;
            codes.extend((0..groups * 8).map(|n| number(n * usize::from(width))));
            at += groups * usize::from(width);
        } else {
            codes.extend(vec![number(0); header >> 1]);
            at += usize::from(width).div_ceil(8);
        }
    }
    // Only the last group may be filled up.
    assert!(codes.len() >= count && codes.len() < count + 8);
    codes.truncate(count);
    codes
}

static WIDE: TableDef = TableDef {
    name: "wide",
    comment: "Columns of too many values.",
    columns: &[
        ColumnDef::new("i64", Kind::I64, true, ""),
        ColumnDef::new("u32", Kind::U32, true, ""),
        ColumnDef::new("symbol", Kind::Symbol, true, ""),
    ],
    part_key: None,
    system: false,
    group: None,
    variables: &[],
    entries: &[],
};

/// Proves that a dictionary over its limit is written in part and plain from there, as the library does it, that one
/// below it is not, that row groups are apart, and that all of it reads back.
#[test]
fn too_many_values_fall_back() {
    let rows = ROW_GROUP_ROWS + PAGE_ROWS + 7;
    let recipe = Recipe { values: Values::Random, nulls: Nulls::Runs(60_001), seed: 5 };
    let columns = WIDE.columns.iter().map(|column| recipe.column(column, rows)).collect();
    let batch = RecordBatch::try_new(WIDE.schema(), columns).unwrap();
    let file = written(&WIDE, &batch);
    let (metadata, whole) = read(&file, None);
    assert_eq!(logical(&whole), logical(&batch));
    assert_same_promises(&metadata, &read(&written_by_library(&WIDE, &batch), None).0);
    let plain = |group: usize, column: usize| {
        let encodings = metadata.row_group(group).column(column).page_encoding_stats().unwrap();
        encodings
            .iter()
            .any(|pages| pages.page_type.to_string() == "DATA_PAGE_V2" && pages.encoding == ParquetEncoding::PLAIN)
    };
    assert_eq!([plain(0, 0), plain(0, 1), plain(0, 2)], [true, false, true]);
    assert_eq!([plain(1, 0), plain(1, 1), plain(1, 2)], [false; 3]);
}

/// Proves that a key that stands for NULL reads back as NULL.
#[test]
fn a_null_in_the_dictionary_is_a_null() {
    let texts = StringArray::from(vec![Some("a"), None]);
    let keys = Int32Array::from(vec![Some(0), Some(1), None, Some(0)]);
    let symbols: ArrayRef = Arc::new(DictionaryArray::new(keys, Arc::new(texts)));
    let numbers = [Arc::new(Int64Array::from(vec![1; 4])) as ArrayRef, Arc::new(UInt32Array::from(vec![1; 4]))];
    let batch = RecordBatch::try_new(WIDE.schema(), numbers.into_iter().chain([symbols]).collect()).unwrap();
    let (_, whole) = read(&written(&WIDE, &batch), None);
    assert_eq!(logical(&whole), logical(&batch));
}
