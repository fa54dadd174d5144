//! Answers against a scan of the rows.

use std::{collections::BTreeSet, net::Ipv4Addr};

use arrow::{
    array::{Array, AsArray},
    buffer::BooleanBuffer,
    datatypes::{Int64Type, UInt16Type},
};
use proptest::prelude::*;

use super::{
    super::{Index, Selection, build},
    INDEXED, OnDisk, THINGS, Thing, batch, texts,
};

/// A predicate over indexed columns. Which values of a column it wants is decided by the bits of a seed.
#[derive(Debug, Clone)]
enum Predicate {
    Leaf { column: &'static str, seed: u64 },
    And(Box<Predicate>, Box<Predicate>),
    Or(Box<Predicate>, Box<Predicate>),
}

fn wants(seed: u64, value: Option<&str>) -> bool {
    let hash = value.unwrap_or("NULL!").bytes().fold(seed, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    // Of the eight ways to read a seed, one wants all and one wants none.
    match seed % 8 {
        0 => true,
        1 => false,
        n => (hash >> 32) % n == 0,
    }
}

impl Predicate {
    fn holds(&self, row: &Thing) -> bool {
        match self {
            Predicate::Leaf { column, seed } => wants(*seed, row.cell(column).as_deref()),
            Predicate::And(a, b) => a.holds(row) && b.holds(row),
            Predicate::Or(a, b) => a.holds(row) || b.holds(row),
        }
    }

    fn select(&self, index: &Index) -> Selection {
        match self {
            Predicate::Leaf { column, seed } => index.select(column, &mask(index, column, *seed)).unwrap(),
            Predicate::And(a, b) => index.and(a.select(index), b.select(index)).unwrap(),
            Predicate::Or(a, b) => index.or(a.select(index), b.select(index)).unwrap(),
        }
    }

    /// The same of the rows of `within`, each condition asked only of what the one before it left.
    fn select_within(&self, index: &Index, within: &Selection) -> Selection {
        match self {
            Predicate::Leaf { column, seed } => {
                index.select_within(column, &mask(index, column, *seed), within).unwrap()
            }
            Predicate::And(a, b) => b.select_within(index, &a.select_within(index, within)),
            Predicate::Or(a, b) => index.or(a.select_within(index, within), b.select_within(index, within)).unwrap(),
        }
    }
}

fn mask(index: &Index, column: &str, seed: u64) -> BooleanBuffer {
    let values = texts(&index.values(column).unwrap().expect("an indexed column"));
    values.iter().map(|v| wants(seed, v.as_deref())).collect()
}

fn thing() -> impl Strategy<Value = Thing> {
    fn few<T: Clone + std::fmt::Debug + 'static>(values: Vec<T>) -> impl Strategy<Value = Option<T>> {
        proptest::option::weighted(0.8, proptest::sample::select(values))
    }
    let address = || few(vec!["10.0.0.1", "10.0.0.2", "2001:db8::1", "9.9.9.9"]);
    let port = || few(vec![0u16, 53, 1024, 65535]);
    let key = (few(vec![i64::MIN, -1, 0, 5, i64::MAX]), address(), address(), few(vec!["tcp", "udp"]), port(), port());
    let more = (any::<bool>(), few(vec![i64::MIN, 0, i64::MAX]), few(vec![String::new(), "é".into(), "x".into()]));
    let rows = (0u32..300, few(vec![0u8, 2, 16, 255]), few(vec!["a", "b"]));
    (key, more, rows).prop_map(|(key, more, rows)| Thing {
        flow: key.0,
        src: key.1.map(|a| a.parse().unwrap()),
        dst: key.2.map(|a| a.parse().unwrap()),
        proto: key.3,
        src_port: key.4,
        dst_port: key.5,
        up: more.0,
        until: more.1,
        said: more.2,
        number: rows.0,
        flags: rows.1,
        tag: rows.2,
    })
}

/// Rows of which many repeat or answer earlier ones, as packets do.
fn things() -> impl Strategy<Value = Vec<Thing>> {
    (proptest::collection::vec(thing(), 0..40), proptest::collection::vec((any::<usize>(), any::<bool>()), 0..300))
        .prop_map(|(mut rows, again)| {
            for (which, mirrored) in again {
                let Some(mut row) = rows.get(which % rows.len().max(1)).cloned() else { break };
                if mirrored {
                    std::mem::swap(&mut row.src, &mut row.dst);
                    std::mem::swap(&mut row.src_port, &mut row.dst_port);
                }
                rows.push(row);
            }
            rows
        })
}

fn predicate() -> impl Strategy<Value = Predicate> {
    let leaf = (proptest::sample::select(INDEXED.to_vec()), any::<u64>())
        .prop_map(|(column, seed)| Predicate::Leaf { column, seed });
    leaf.prop_recursive(4, 12, 2, |inner| {
        (inner.clone(), inner, any::<bool>()).prop_map(|(a, b, and)| match and {
            true => Predicate::And(Box::new(a), Box::new(b)),
            false => Predicate::Or(Box::new(a), Box::new(b)),
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn an_index_answers_as_a_scan_does(rows in things(), predicates in proptest::collection::vec(predicate(), 1..6)) {
        let disk = OnDisk::of(&rows);
        let index = disk.open();
        prop_assert_eq!(index.rows() as usize, rows.len());
        for predicate in &predicates {
            let expected: Vec<u32> = (0..).zip(&rows).filter(|(_, r)| predicate.holds(r)).map(|(n, _)| n).collect();
            let selection = predicate.select(&index);
            prop_assert_eq!(index.count(&selection).unwrap(), expected.len() as u64);
            if !rows.is_empty() {
                prop_assert_eq!(selection.is_none(), expected.is_empty(), "pruning is exact");
            }
            prop_assert_eq!(&index.rows_of(&selection).unwrap().to_vec(), &expected);
            let within = predicate.select_within(&index, &index.all());
            prop_assert_eq!(&index.rows_of(&within).unwrap().to_vec(), &expected, "condition by condition");
        }
        index.verify().unwrap();
    }

    #[test]
    fn values_are_those_of_the_rows_in_order(rows in things()) {
        let disk = OnDisk::of(&rows);
        let index = disk.open();
        for column in INDEXED {
            let ends = match column {
                "src" | "dst" => vec!["src", "dst"],
                "src_port" | "dst_port" => vec!["src_port", "dst_port"],
                other => vec![other],
            };
            let expected: BTreeSet<Option<String>> =
                rows.iter().flat_map(|r| ends.iter().map(|end| r.cell(end))).collect();
            let values = index.values(column).unwrap().unwrap();
            let got = texts(&values);
            prop_assert_eq!(got.len(), expected.len(), "each value once");
            prop_assert_eq!(got.iter().cloned().collect::<BTreeSet<_>>(), expected);
            prop_assert!(got.iter().rev().skip(1).all(Option::is_some), "NULL is last");
            prop_assert!(!values.is_nullable() || got.last() == Some(&None));
        }
    }
}

#[test]
fn numbers_are_in_the_order_of_numbers_and_text_in_that_of_bytes() {
    let flow = |flow, port, src: [u8; 4]| Thing {
        flow: Some(flow),
        src_port: Some(port),
        src: Some(Ipv4Addr::from(src).into()),
        ..Thing::empty()
    };
    let disk = OnDisk::of(&[flow(300, 443, [9, 9, 9, 9]), flow(-2, 80, [10, 0, 0, 1]), flow(5, 8080, [10, 0, 0, 10])]);
    let index = disk.open();
    let flows = index.values("flow").unwrap().unwrap();
    assert_eq!(flows.as_primitive::<Int64Type>().values().to_vec(), [-2, 5, 300]);
    let ports = index.values("src_port").unwrap().unwrap();
    assert_eq!(&ports.as_primitive::<UInt16Type>().values()[..3], [80, 443, 8080]);
    assert!(ports.is_null(3), "no row has a destination port, and the two columns share their values");
    assert_eq!(texts(&index.values("src").unwrap().unwrap())[..3].concat_texts(), "10.0.0.1 10.0.0.10 9.9.9.9");
}

trait ConcatTexts {
    fn concat_texts(&self) -> String;
}

impl ConcatTexts for [Option<String>] {
    fn concat_texts(&self) -> String {
        self.iter().map(|t| t.as_deref().unwrap_or("NULL")).collect::<Vec<_>>().join(" ")
    }
}

fn mask_of(index: &Index, column: &str, wanted: Option<&str>) -> BooleanBuffer {
    texts(&index.values(column).unwrap().unwrap()).iter().map(|v| v.as_deref() == wanted).collect()
}

fn rows_where(index: &Index, column: &str, wanted: Option<&str>) -> (bool, Vec<u32>) {
    let selection = index.select(column, &mask_of(index, column, wanted)).unwrap();
    (selection.is_none(), index.rows_of(&selection).unwrap().to_vec())
}

/// Proves that where only a few keys are left, they are looked up the right way round in rows that go either way.
#[test]
fn a_few_keys_are_looked_up_one_by_one() {
    let address = |net: u8, n: u8| Some(std::net::IpAddr::from([10, 0, net, n]));
    let there = |n: u8| Thing { src: address(0, n), dst: address(1, n), ..Thing::empty() };
    let back = |n: u8| Thing { src: address(1, n), dst: address(0, n), ..Thing::empty() };
    let rows: Vec<Thing> = (0..100).map(there).chain((0..100).step_by(2).map(back)).collect();
    let disk = OnDisk::of(&rows);
    let index = disk.open();
    for n in ["10.0.0.0", "10.0.0.1", "10.0.1.0", "10.0.1.1"] {
        let within = index.select("src", &mask_of(&index, "src", Some(n))).unwrap();
        for wanted in ["10.0.0.0", "10.0.0.1", "10.0.1.0", "10.0.1.1"] {
            let mask = mask_of(&index, "dst", Some(wanted));
            let both = index.and(within.clone(), index.select("dst", &mask).unwrap()).unwrap();
            let found = index.select_within("dst", &mask, &within).unwrap();
            assert_eq!(index.rows_of(&found).unwrap(), index.rows_of(&both).unwrap(), "from {n} to {wanted}");
        }
    }
}

#[test]
fn a_reply_is_the_same_key_the_other_way_round() {
    let a = Some("10.0.0.1".parse().unwrap());
    let b = Some("10.0.0.2".parse().unwrap());
    let there = Thing { src: a, dst: b, src_port: Some(5000), dst_port: Some(53), ..Thing::empty() };
    let back = Thing { src: b, dst: a, src_port: Some(53), dst_port: Some(5000), ..Thing::empty() };
    let disk = OnDisk::of(&[there.clone(), back.clone(), back, there]);
    let index = disk.open();
    assert_eq!(index.directory.keys, 1);
    assert_eq!(rows_where(&index, "src", Some("10.0.0.1")), (false, vec![0, 3]));
    assert_eq!(rows_where(&index, "dst", Some("10.0.0.1")), (false, vec![1, 2]));
    assert_eq!(rows_where(&index, "dst_port", Some("53")), (false, vec![0, 3]));
}

#[test]
fn a_value_of_the_other_end_only_selects_nothing() {
    let row =
        Thing { src: Some("10.0.0.1".parse().unwrap()), dst: Some("10.0.0.2".parse().unwrap()), ..Thing::empty() };
    let disk = OnDisk::of(&[row]);
    assert_eq!(rows_where(&disk.open(), "dst", Some("10.0.0.1")), (true, vec![]));
}

#[test]
fn one_pair_swapped_alone_is_another_key() {
    let a = Some("10.0.0.1".parse().unwrap());
    let b = Some("10.0.0.2".parse().unwrap());
    let one = Thing { src: a, dst: b, src_port: Some(1), dst_port: Some(2), ..Thing::empty() };
    let other = Thing { src: a, dst: b, src_port: Some(2), dst_port: Some(1), ..Thing::empty() };
    let disk = OnDisk::of(&[one, other]);
    assert_eq!(disk.open().directory.keys, 2);
}

#[test]
fn a_host_that_talks_to_itself_is_found_at_both_ends_once() {
    let me = Some("127.0.0.1".parse().unwrap());
    let row = Thing { src: me, dst: me, src_port: Some(9), dst_port: Some(9), ..Thing::empty() };
    let disk = OnDisk::of(&[row.clone(), row]);
    let index = disk.open();
    for column in ["src", "dst"] {
        assert_eq!(rows_where(&index, column, Some("127.0.0.1")), (false, vec![0, 1]));
    }
    let all = BooleanBuffer::new_set(1);
    let either = index.or(index.select("src", &all).unwrap(), index.select("dst", &all).unwrap()).unwrap();
    assert_eq!(index.count(&either).unwrap(), 2);
}

#[test]
fn null_at_one_end_is_not_null_at_the_other() {
    let row = Thing { src: Some("10.0.0.1".parse().unwrap()), ..Thing::empty() };
    let back = Thing { dst: row.src, ..Thing::empty() };
    let disk = OnDisk::of(&[row, back, Thing::empty()]);
    let index = disk.open();
    assert_eq!(index.directory.keys, 2);
    assert_eq!(rows_where(&index, "src", None), (false, vec![1, 2]));
    assert_eq!(rows_where(&index, "dst", None), (false, vec![0, 2]));
}

#[test]
fn an_empty_table_selects_nothing_and_has_no_values() {
    let disk = OnDisk::of(&[]);
    let index = disk.open();
    index.verify().unwrap();
    assert_eq!((index.rows(), index.all().is_none()), (0, true));
    for column in INDEXED {
        assert_eq!(index.values(column).unwrap().unwrap().len(), 0);
        assert!(index.select(column, &BooleanBuffer::new_unset(0)).unwrap().is_none());
    }
}

#[test]
fn a_table_of_one_row_of_nulls_is_answered() {
    let disk = OnDisk::of(&[Thing::empty()]);
    let index = disk.open();
    index.verify().unwrap();
    assert_eq!(index.columns().collect::<Vec<_>>(), INDEXED);
    assert_eq!(rows_where(&index, "flow", None), (false, vec![0]));
    assert_eq!(rows_where(&index, "flags", None), (false, vec![0]));
    assert_eq!(texts(&index.values("tag").unwrap().unwrap()), [None]);
    assert_eq!(index.rows_of(&index.all()).unwrap().to_vec(), [0]);
    assert_eq!(index.count(&index.none()).unwrap(), 0);
}

#[test]
fn what_is_not_indexed_is_said_to_be_so() {
    let disk = OnDisk::of(&[Thing::empty()]);
    let index = disk.open();
    assert!(index.values("other").unwrap().is_none());
    let error = index.select("other", &BooleanBuffer::new_set(1)).unwrap_err();
    assert_eq!(error.to_string(), "no index on column other");
    let error = index.select("flags", &BooleanBuffer::new_set(2)).unwrap_err();
    assert_eq!(error.to_string(), "columnar encoding: a mask of 2 for the 1 values of flags");
}

#[test]
fn the_same_rows_give_the_same_bytes() {
    let rows: Vec<Thing> = (0..5000u16)
        .map(|i| Thing {
            flow: Some(i64::from(i % 700)),
            src: Some(Ipv4Addr::from(u32::from(i) * 31 % 97).into()),
            src_port: Some(i % 13),
            flags: Some((i % 7) as u8),
            ..Thing::empty()
        })
        .collect();
    let first = build(&THINGS, &batch(&rows)).unwrap();
    assert!((0..3).all(|_| build(&THINGS, &batch(&rows)).unwrap() == first));
    // A dictionary in another order, with a value that no row has, changes nothing.
    let whole = batch(&[&[Thing { src: Some("1.2.3.4".parse().unwrap()), ..Thing::empty() }], &rows[..]].concat());
    assert_eq!(build(&THINGS, &whole.slice(1, rows.len())).unwrap(), first);
}

#[test]
fn a_batch_of_another_table_is_refused() {
    let rows = batch(&[Thing::empty()]);
    let fewer = rows.project(&[0, 1]).unwrap();
    let error = build(&THINGS, &fewer).unwrap_err();
    assert_eq!(error.to_string(), "columnar encoding: a batch of 2 columns for table things, which has 14");
    let swapped = rows.project(&[0, 2, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]).unwrap();
    assert!(build(&THINGS, &swapped).unwrap_err().to_string().contains("where Int64 is declared"));
}

#[test]
fn memory_grows_only_by_what_is_asked_for() {
    let rows: Vec<Thing> =
        (0..2000).map(|i| Thing { flow: Some(i), src_port: Some(i as u16), ..Thing::empty() }).collect();
    let disk = OnDisk::of(&rows);
    let index = disk.open();
    let opened = index.size_bytes();
    index.values("flow").unwrap();
    let with_values = index.size_bytes();
    assert!(with_values >= opened + 2000 * 8);
    index.values("flow").unwrap();
    assert_eq!(index.size_bytes(), with_values);
    rows_where(&index, "flow", Some("77"));
    assert!(index.size_bytes() > with_values);
}
