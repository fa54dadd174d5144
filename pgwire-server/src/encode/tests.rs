//! Text and binary of each layout, as a client reads them.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray,
        DurationNanosecondArray, FixedSizeBinaryArray, Float64Array, Int64Array, ListArray, StringArray, StructArray,
        TimestampNanosecondArray, UInt8Array, UInt16Array, UInt64Array,
    },
    datatypes::{Int32Type, Int64Type},
};

use super::*;

fn text(array: impl Array + 'static) -> Vec<String> {
    let array: ArrayRef = Arc::new(array);
    let reader = Reader::new(&array).unwrap();
    let one = |row| {
        let mut out = BytesMut::new();
        reader.write_text(row, &mut out);
        String::from_utf8(out.to_vec()).unwrap()
    };
    (0..array.len()).map(|row| if reader.is_null(row) { "NULL".to_owned() } else { one(row) }).collect()
}

fn binary(array: impl Array + 'static) -> Vec<u8> {
    let array: ArrayRef = Arc::new(array);
    let mut out = BytesMut::new();
    Reader::new(&array).unwrap().write_binary(0, &mut out).unwrap();
    out.to_vec()
}

#[test]
fn scalars_in_text() {
    assert_eq!(text(BooleanArray::from(vec![Some(true), Some(false), None])), ["t", "f", "NULL"]);
    assert_eq!(text(Int64Array::from(vec![i64::MIN, 0, 7])), ["-9223372036854775808", "0", "7"]);
    assert_eq!(text(UInt64Array::from(vec![u64::MAX])), ["18446744073709551615"]);
    assert_eq!(text(Float64Array::from(vec![0.1, 1e20])), ["0.1", "1e+20"]);
    assert_eq!(text(BinaryArray::from(vec![&b"\x00\xab"[..]])), ["\\x00ab"]);
    assert_eq!(text(FixedSizeBinaryArray::try_from_iter([[1_u8, 2]].into_iter()).unwrap()), ["\\x0102"]);
    assert_eq!(text(Date32Array::from(vec![20_778])), ["2026-11-21"]);
    let decimals = Decimal128Array::from(vec![-12_345]).with_precision_and_scale(10, 2).unwrap();
    assert_eq!(text(decimals), ["-123.45"]);
    assert_eq!(text(DurationNanosecondArray::from(vec![90_000_001_000])), ["00:01:30.000001"]);
}

#[test]
fn nanosecond_timestamps_are_cut_to_six_digits() {
    let times = TimestampNanosecondArray::from(vec![Some(1_795_284_000_123_456_789), None]).with_timezone("UTC");
    assert_eq!(text(times), ["2026-11-21 18:00:00.123456+00", "NULL"]);
}

#[test]
fn dictionaries_read_as_their_values() {
    let symbols: DictionaryArray<Int32Type> = vec![Some("tcp"), None, Some("udp")].into_iter().collect();
    assert_eq!(text(symbols), ["tcp", "NULL", "udp"]);
    let none: DictionaryArray<Int32Type> = vec![None::<&str>, None].into_iter().collect();
    assert_eq!(text(none), ["NULL", "NULL"]);
}

#[test]
fn arrays_quote_what_could_be_misread() {
    let mut builder = arrow::array::ListBuilder::new(arrow::array::StringBuilder::new());
    builder.append_value([Some("a"), Some("b c"), Some("q\"\\"), Some(""), Some("null"), None]);
    builder.append_value(std::iter::empty::<Option<&str>>());
    assert_eq!(text(builder.finish()), [r#"{a,"b c","q\"\\","","null",NULL}"#, "{}"]);
}

#[test]
fn structs_read_as_json() {
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["a\"b\n", "c"]));
    let rows = StructArray::try_from(vec![("n", numbers), ("t", texts)]).unwrap();
    assert_eq!(text(rows), [r#"{"n":1,"t":"a\"b\n"}"#, r#"{"n":null,"t":"c"}"#]);
}

#[test]
fn binary_widths_are_those_of_the_announced_types() {
    assert_eq!(binary(UInt8Array::from(vec![200])), 200_i16.to_be_bytes());
    assert_eq!(binary(UInt16Array::from(vec![65_535])), 65_535_i32.to_be_bytes());
    let times = TimestampNanosecondArray::from(vec![946_684_800_000_000_000 + 1_999]);
    assert_eq!(binary(times), 1_i64.to_be_bytes());
    assert_eq!(binary(Date32Array::from(vec![10_957])), 0_i32.to_be_bytes());
}

#[test]
fn binary_lists_carry_their_element_type() {
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>(vec![Some(vec![Some(5), None])]);
    let mut expected = Vec::new();
    for word in [1_i32, 1, 20, 2, 1, 8] {
        expected.extend(word.to_be_bytes());
    }
    expected.extend(5_i64.to_be_bytes());
    expected.extend((-1_i32).to_be_bytes());
    assert_eq!(binary(list), expected);
}

#[test]
fn a_uint64_beyond_bigint_is_refused_in_binary() {
    let array: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
    let error = Reader::new(&array).unwrap().write_binary(0, &mut BytesMut::new()).unwrap_err();
    assert_eq!(error.sqlstate, "22003");
}
