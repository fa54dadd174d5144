//! Any bytes as an index file: damage is an error, and an index that verifies answers as its rules say.
#![no_main]

use arrow::buffer::BooleanBuffer;
use libfuzzer_sys::fuzz_target;
use wiretape_engine::{
    Result,
    index::{Index, Selection},
};
use wiretape_fuzz::{index_file, seeds, with_file};

fuzz_target!(init: seeds::write(seeds::index), |data: &[u8]| {
    if data.starts_with(index_file::MAGIC) {
        with_file(data, |path| Index::open(path).map(|index| ask(&index))).ok();
    } else if let Some(file) = index_file::sealed(data) {
        with_file(&file, |path| Index::open(path).map(|index| ask(&index))).ok();
    }
});

/// Asks everything an index can be asked.
fn ask(index: &Index) {
    let verified = index.verify();
    let columns: Vec<String> = index.columns().map(str::to_owned).collect();
    let mut before = index.all();
    for column in &columns {
        match selections(index, column, &before) {
            Ok(selection) => before = selection,
            Err(error) => assert!(verified.is_err(), "verified, but column {column}: {error}"),
        }
    }
    assert!(index.size_bytes() > 0);
}

/// Selects by every other value and by the rest, which together are every row exactly once.
fn selections(index: &Index, column: &str, before: &Selection) -> Result<Selection> {
    let values = index.values(column)?.expect("a column that the index names");
    let odd: BooleanBuffer = (0..values.len()).map(|at| at % 2 == 1).collect();
    let some = index.select(column, &odd)?;
    let others = index.select(column, &!&odd)?;
    let rows = index.rows_of(&some)?;
    let all_rows = index.rows_of(&index.or(some.clone(), others.clone())?)?;
    let counted = index.count(&some)? + index.count(&others)?;
    let both = index.and(before.clone(), some.clone())?;
    let narrowed = index.rows_of(&both)?;
    if index.verify().is_ok() {
        assert_eq!(rows.cardinality(), index.count(&some)?);
        assert_eq!((all_rows.cardinality(), counted), (u64::from(index.rows()), u64::from(index.rows())));
        assert!(narrowed.is_subset(&rows));
    }
    Ok(both)
}
