//! Each format's exact text, and what must not get through.

use std::sync::{Arc, Mutex};

use arrow::{
    array::{DictionaryArray, Float64Array, Int64Array, ListArray, StringArray, TimestampNanosecondArray, UInt16Array},
    datatypes::{Int32Type, Int64Type},
};

use super::*;

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn written(format: Format, layout: Layout, batches: &[RecordBatch]) -> Vec<u8> {
    let out = Shared::default();
    let mut writer = RowWriter::new(format, &batches[0].schema(), layout, Box::new(out.clone())).unwrap();
    batches.iter().for_each(|b| writer.write(b).unwrap());
    writer.finish().unwrap();
    out.0.lock().unwrap().clone()
}

fn text(format: Format, batches: &[RecordBatch]) -> String {
    String::from_utf8(written(format, Layout::Pipe, batches)).unwrap()
}

fn sample() -> RecordBatch {
    let ts = [Some(1_795_195_385_123_456_789), Some(1_795_194_000_000_000_000), None];
    let ip: DictionaryArray<Int32Type> = [Some("10.0.0.1"), Some("2001:db8::1"), None].into_iter().collect();
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        ("ts", Arc::new(TimestampNanosecondArray::from(ts.to_vec()).with_timezone("UTC")), true),
        ("src_ip", Arc::new(ip), true),
        ("port", Arc::new(UInt16Array::from(vec![Some(443), Some(80), None])), true),
        ("host", Arc::new(StringArray::from(vec![Some("例え.jp"), Some("a|\"b\",c\n\u{1b}[31m"), None])), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

#[test]
fn table_is_aligned_by_display_width_and_disarms_control_characters() {
    let expected = " ts                            | src_ip      | port | host
-------------------------------+-------------+------+---------------------
 2026-11-20 17:23:05.123456789 | 10.0.0.1    |  443 | 例え.jp
 2026-11-20 17:00:00           | 2001:db8::1 |   80 | a|\"b\",c\\n\\u{1b}[31m
                               |             |      |
(3 rows)
";
    assert_eq!(text(Format::Table, &[sample()]), expected);
}

#[test]
fn a_result_without_rows_still_names_its_columns() {
    let empty = sample().slice(0, 0);
    assert_eq!(
        text(Format::Table, std::slice::from_ref(&empty)),
        " ts | src_ip | port | host\n----+--------+------+------\n(0 rows)\n"
    );
    assert_eq!(text(Format::Csv, std::slice::from_ref(&empty)), "ts,src_ip,port,host\n");
    assert_eq!(text(Format::Json, std::slice::from_ref(&empty)), "[]\n");
    assert_eq!(text(Format::Ndjson, &[empty]), "");
}

#[test]
fn csv_quotes_as_rfc_4180_says() {
    let expected = "ts,src_ip,port,host\n\
                    2026-11-20T17:23:05.123456789Z,10.0.0.1,443,例え.jp\n\
                    2026-11-20T17:00:00Z,2001:db8::1,80,\"a|\"\"b\"\",c\n\u{1b}[31m\"\n\
                    ,,,\n";
    assert_eq!(text(Format::Csv, &[sample()]), expected);
}

#[test]
fn json_and_ndjson_keep_types_and_nulls() {
    let rows = [
        r#"{"ts":"2026-11-20T17:23:05.123456789Z","src_ip":"10.0.0.1","port":443,"host":"例え.jp"}"#,
        r#"{"ts":"2026-11-20T17:00:00Z","src_ip":"2001:db8::1","port":80,"host":"a|\"b\",c\n\u001b[31m"}"#,
        r#"{"ts":null,"src_ip":null,"port":null,"host":null}"#,
    ];
    assert_eq!(text(Format::Ndjson, &[sample()]), format!("{}\n", rows.join("\n")));
    assert_eq!(text(Format::Json, &[sample().slice(0, 1), sample().slice(1, 2)]), format!("[{}]\n", rows.join(",")));
}

#[test]
fn markdown_escapes_its_own_separator() {
    let batch = sample().project(&[2, 3]).unwrap().slice(1, 1);
    let expected = "\
| port | host                   |
|-----:|------------------------|
|   80 | a\\|\"b\",c\\\\n\\\\u{1b}[31m |
";
    assert_eq!(text(Format::Markdown, &[batch]), expected);
}

#[test]
fn parquet_reads_back_as_it_was() {
    let bytes = written(Format::Parquet, Layout::Pipe, &[sample(), sample()]);
    let file = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(bytes::Bytes::from(bytes), 100).unwrap();
    let batches: Vec<_> = file.map(Result::unwrap).collect();
    assert_eq!(batches.len(), 1);
    assert_eq!(batches[0].slice(3, 3), sample());
}

#[test]
fn columns_wider_than_the_terminal_become_records() {
    let shown = written(Format::Table, Layout::Terminal(40), &[sample().slice(0, 1)]);
    let expected = "\
-[ row 1 ]------------------------------
ts     | 2026-11-20 17:23:05.123456789
src_ip | 10.0.0.1
port   | 443
host   | 例え.jp
(1 row)
";
    assert_eq!(String::from_utf8(shown).unwrap(), expected);
}

#[test]
fn long_cells_are_cut_on_a_terminal_only() {
    let long = "x".repeat(200);
    let batch =
        RecordBatch::try_from_iter([("t", Arc::new(StringArray::from(vec![long.as_str()])) as ArrayRef)]).unwrap();
    let on_terminal = written(Format::Table, Layout::Terminal(300), std::slice::from_ref(&batch));
    let on_terminal = String::from_utf8(on_terminal).unwrap();
    assert!(on_terminal.contains(&format!("{}…", "x".repeat(79))) && !on_terminal.contains(&"x".repeat(80)));
    assert!(text(Format::Table, &[batch]).contains(&long));
}

#[test]
fn rows_after_the_measured_ones_are_written_too() {
    let batch = |n: i64| {
        let numbers = Arc::new(Int64Array::from_iter_values(n * 700..(n + 1) * 700)) as ArrayRef;
        RecordBatch::try_from_iter([("n", numbers)]).unwrap()
    };
    let text = text(Format::Table, &[batch(0), batch(1), batch(2)]);
    let numbers: Vec<i64> = text.lines().skip(2).filter_map(|l| l.trim().parse().ok()).collect();
    assert_eq!(numbers, (0..2100).collect::<Vec<_>>());
    assert!(text.ends_with("(2100 rows)\n"));
}

#[test]
fn csv_holds_lists_as_text() {
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1), None, Some(3)])]);
    let columns: [(&str, ArrayRef); 2] =
        [("ports", Arc::new(list)), ("ratio", Arc::new(Float64Array::from(vec![0.25])))];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    assert_eq!(text(Format::Csv, &[batch]), "ports,ratio\n\"[1, , 3]\",0.25\n");
}

#[test]
fn plans_keep_their_lines() {
    let columns: [(&str, ArrayRef); 2] = [
        ("plan_type", Arc::new(StringArray::from(vec!["logical_plan"]))),
        ("plan", Arc::new(StringArray::from(vec!["Limit\n  Scan \u{7}packets"]))),
    ];
    let out = Shared::default();
    let mut plan = PlanWriter::new(Box::new(out.clone()));
    plan.write(&RecordBatch::try_from_iter(columns).unwrap()).unwrap();
    plan.finish().unwrap();
    assert_eq!(out.0.lock().unwrap().as_slice(), b"logical_plan:\n  Limit\n    Scan \\u{7}packets\n");
}
