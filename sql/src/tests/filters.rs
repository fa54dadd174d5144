//! Filter functions over packets whose bytes are known: as conditions, values and parameters, and in the wrong places.

use arrow::array::AsArray;
use datafusion::scalar::ScalarValue;
use futures::TryStreamExt;

use super::support::{minutes, open, shown, value};
use crate::{Outcome, Session, SqlError};

/// Bytes of a packet are `segment S row R ….`; byte 14 is the row's digit.
const ROW_7: &str = "ether[14] = 0x37 and ether[15] = 0x20";

async fn bound(session: &Session, sql: &str, params: Vec<ScalarValue>) -> Result<i64, SqlError> {
    let statement = session.parse(sql)?.remove(0);
    let prepared = session.plan(&statement).await?;
    let Outcome::Rows(rows) = session.run(&prepared, params).await? else { panic!("{sql} gives no rows") };
    let batches: Vec<_> = rows.try_collect().await?;
    Ok(batches[0].column(0).as_primitive::<arrow::datatypes::Int64Type>().value(0))
}

/// Proves that a filter may be a parameter, has the type text, and is planned anew for each value.
#[tokio::test]
async fn a_filter_may_be_a_parameter() {
    let (_dir, session) = open(&[minutes(0, 40)]);
    let sql = "select count(*) from packets where bpf($1) and dst_port = $2";
    let statement = session.parse(sql).unwrap().remove(0);
    let types = session.plan(&statement).await.unwrap().parameter_types().unwrap();
    assert_eq!(types[0], Some(arrow::datatypes::DataType::Utf8));
    let run = |filter: &str| bound(&session, sql, vec![ScalarValue::from(filter), ScalarValue::Int32(Some(53))]);
    assert_eq!(run(ROW_7).await.unwrap(), 1);
    assert_eq!(run("len = 1500").await.unwrap(), 20);
    let error = run("tcp prot 80").await.unwrap_err();
    assert_eq!((error.sqlstate, error.position), ("42601", None));
    assert_eq!(error.detail.as_deref(), Some("At character 5 of the filter \"tcp prot 80\"."));
}

/// Proves that the place of a mistake in a filter is told in the statement, behind quotes and letters of several bytes.
#[tokio::test]
async fn a_mistake_in_a_filter_has_its_place() {
    let (_dir, session) = open(&[minutes(0, 4)]);
    for sql in [
        "select 'é', count(*) from packets where bpf('len > 5 and prot 80')",
        "select count(*)\nfrom packets p\nwhere not (BPF( 'len > 5 and prot 80', p.packet_id))",
    ] {
        let error = session.query(sql).await.unwrap_err();
        let expected = sql.split("prot").next().unwrap().chars().count() + 1;
        assert_eq!(error.position, Some(expected), "{sql}: {error:?}");
    }
}

/// Proves that packets of a link type for which a filter has no meaning are selected neither by it nor by its opposite.
#[tokio::test]
async fn a_filter_without_a_meaning_is_null() {
    let packet = |link_type| super::support::Packet { after_ns: 0, link_type };
    let (_dir, session) = open(&[vec![packet(1), packet(101), packet(1)]]);
    let answers = shown(&session, "select bpf('ether host 1:2:3:4:5:6') b, count(*) n from packets group by 1").await;
    assert!(answers.contains("| false | 2 |") && answers.contains("|       | 1 |"), "{answers}");
    for (condition, packets) in [("bpf('ether multicast')", "2"), ("not bpf('ether multicast')", "0")] {
        assert_eq!(value(&session, &format!("select count(*) from packets where {condition}")).await, packets);
    }
    // Where neither Ethernet nor any packet there can be asked, it is a mistake.
    let error = session.query("select count(*) from packets where bpf('inbound')").await.unwrap_err();
    assert_eq!((error.sqlstate, error.position), ("42601", Some(41)), "{error:?}");
    let (_dir, session) = open(&[vec![packet(113)]]);
    assert_eq!(value(&session, "select count(*) from packets where bpf('inbound or outbound')").await, "1");
}

/// Proves that outer joins, windows, unions and sorting see the same answers, and that a report counts what was read.
#[tokio::test]
async fn anywhere_in_a_query() {
    let (_dir, session) = open(&[minutes(0, 12), minutes(12, 12)]);
    let session = &session;
    let two = |sql: String| async move { value(session, &sql).await };
    assert_eq!(two(format!("select count(*) from packets where bpf('{ROW_7}')")).await, "2");
    let outer = "select count(*) from packets a left join packets b on a.packet_id + 1 = b.packet_id";
    assert_eq!(two(format!("{outer} where not bpf('{ROW_7}', b.packet_id)")).await, "20");
    let windowed = "select count(*) from (select *, row_number() over (order by ts) n from packets) t";
    assert_eq!(two(format!("{windowed} where n > 12 and bpf('{ROW_7}')")).await, "1");
    let hits = format!("select packet_id, bpf('{ROW_7}') as hit from packets");
    let sorted = format!("select packet_id & 15 from ({hits}) t order by hit desc, packet_id limit 1");
    assert_eq!(two(sorted).await, "7");
    let both = format!("select packet_id from packets where bpf('{ROW_7}')");
    assert_eq!(two(format!("select count(*) from ({both} union all {both}) u where bpf('len = 1500')")).await, "4");
    let report = session.report(&format!("select ts from packets where bpf('{ROW_7}')")).await.unwrap();
    assert_eq!((report.rows, report.filters.len(), report.bytes.len()), (2, 1, 1));
    assert_eq!((report.bytes[0].filter.as_str(), report.bytes[0].packets), (ROW_7, 24));
    assert_eq!((report.scans[0].table, report.scans[0].segments, report.scans[0].rows), ("packets", 2, 24));
}
