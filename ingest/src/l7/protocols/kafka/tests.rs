//! Requests and responses of the usual versions.

use crate::l7::testing::{Talk, select};

fn counted(body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat()
}

fn request(key: u16, version: u16, id: i32, body: &[u8]) -> Vec<u8> {
    let header = [&key.to_be_bytes()[..], &version.to_be_bytes(), &id.to_be_bytes(), b"\0\x03app"].concat();
    counted(&[&header[..], body].concat())
}

fn response(id: i32, body: &[u8]) -> Vec<u8> {
    counted(&[&id.to_be_bytes()[..], body].concat())
}

const ID: &[u8; 16] = b"0123456789abcdef";

const COLUMNS: [&str; 9] = [
    "method",
    "api_version",
    "client_id",
    "topics",
    "partitions",
    "consumer_group",
    "status",
    "error_code",
    "error_type",
];

/// Proves that requests are paired by their id in any order, and that topics, partitions and errors are read in versions with
/// fixed lengths and with compact ones.
#[test]
fn produce_in_old_and_flexible_versions() {
    let old =
        b"\xff\xff\xff\xff\0\0\x03\xe8\0\0\0\x01\0\x06orders\0\0\0\x02\0\0\0\0\0\0\0\x03abc\0\0\0\x07\xff\xff\xff\xff";
    let old_said = b"\0\0\0\x01\0\x06orders\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\0\0\x07\0\x06\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\0\0\0";
    let new = b"\0\0\xff\xff\0\0\x03\xe8\x02\x07orders\x02\0\0\0\x01\x04abc\0\0\0";
    let new_said = b"\0\x02\x07orders\x02\0\0\0\x01\0\x0a\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\0\x01\x04big\0\0\0\0\0\0\0";
    let talk = Talk::tcp(7777)
        .client([request(0, 7, 5, old), request(0, 10, 6, new)].concat())
        .server([response(6, new_said), response(5, old_said)].concat());
    let rows = talk.rows();
    assert_eq!(
        select(&rows, &COLUMNS),
        [
            ["Produce", "10", "app", "[orders]", "[orders-1]", "", "MESSAGE_TOO_LARGE", "10", ""],
            ["Produce", "7", "app", "[orders]", "[orders-0, orders-7]", "", "NOT_LEADER_OR_FOLLOWER", "6", ""],
        ]
    );
    assert_eq!(
        (&*rows[0]["error_message"], &*rows[0]["acks"], &*rows[0]["topic"], &*rows[0]["partition"]),
        ("big", "-1", "orders", "1")
    );
}

/// Proves that a produce request which wants no acknowledgement is whole without a response, and waits for none.
#[test]
fn produce_without_acknowledgement() {
    let body = b"\xff\xff\0\0\0\0\x03\xe8\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\0\xff\xff\xff\xff";
    let rows = Talk::tcp(9092).client(request(0, 3, 1, body)).rows();
    assert_eq!(select(&rows, &["method", "topic", "acks", "error_type"]), [["Produce", "t", "0", ""]]);
}

/// Proves that names of topics are learned from Metadata for requests that have only ids, and that unknown ids are shown.
#[test]
fn topics_by_id() {
    let metadata = [
        &b"\0\0\0\0\0\x02\0\0\0\x01\x02a\0\0\x23\x84\0\0\x02c\0\0\0\x01\x02\0\0\x07orders"[..],
        ID,
        b"\0\x02\0\0\0\0\0\x03\0\0\0\x01\0\0\0\0\x02\0\0\0\x01\x02\0\0\0\x01\x01\0\x80\0\0\0\0\0",
    ]
    .concat();
    let fetch = |id: &[u8; 16]| {
        [
            &b"\0\0\0\x01\xf4\0\0\0\x01\0\x10\0\0\0\0\0\0\0\0\0\0\0\x02"[..],
            id,
            b"\x02\0\0\0\x03\0\0\0\0\0\0\0\0\0\0\0\x09\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\x10\0\0\0\0\x01\x01\0",
        ]
        .concat()
    };
    let fetched = |id: &[u8; 16]| {
        [
            &b"\0\0\0\0\0\0\0\0\0\0\0\x02"[..],
            id,
            b"\x02\0\0\0\x03\0\x01\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\0\0\0\0",
        ]
        .concat()
    };
    let talk = Talk::tcp(9092)
        .client(request(3, 12, 1, b"\0\0\x01\0\0"))
        .server(response(1, &metadata))
        .client([request(1, 16, 2, &fetch(ID)), request(1, 16, 3, &fetch(&[9; 16]))].concat())
        .server([response(2, &fetched(ID)), response(3, &fetched(&[9; 16]))].concat());
    assert_eq!(
        select(&talk.rows(), &COLUMNS),
        [
            ["Metadata", "12", "app", "[orders]", "[orders-3]", "", "OK", "0", ""],
            ["Fetch", "16", "app", "[orders]", "[orders-3]", "", "OFFSET_OUT_OF_RANGE", "1", ""],
            [
                "Fetch",
                "16",
                "app",
                "[CQkJCQkJCQkJCQkJCQkJCQ]",
                "[CQkJCQkJCQkJCQkJCQkJCQ-3]",
                "",
                "OFFSET_OUT_OF_RANGE",
                "1",
                ""
            ],
        ]
    );
}

/// Proves that groups are read, in every way that a request names them, and the errors of their responses.
#[test]
fn groups() {
    let talk = Talk::tcp(9092)
        .client(request(18, 3, 1, b"\0\x01\x01\0"))
        .server(response(1, b"\0\x23\0\0\0\0"))
        .client(request(10, 4, 2, b"\0\0\x02\x03g1\0"))
        .server(response(2, b"\0\0\0\0\0\x02\x03g1\0\0\0\x01\x02a\0\0\x23\x84\0\x0f\0\0\0"))
        .client(request(11, 5, 3, b"\0\x02g1\0\0\x27\x10\0\0\x27\x10\0\0\xff\xff\0\0\0\0\0\0"))
        .server(response(3, b"\0\0\0\0\0\x4f\xff\xff\xff\xff"))
        .client(request(9, 8, 4, b"\0\x02\x03g1\x02\x02t\x03\0\0\0\x05\0\0\0\x06\0\0\x01\0"))
        .server(response(
            4,
            b"\0\0\0\0\0\x02\x03g1\x02\x02t\x02\0\0\0\x05\0\0\0\0\0\0\0\x01\0\0\0\0\x01\0\0\0\0\0\0\0\0",
        ));
    assert_eq!(
        select(&talk.rows(), &["method", "target", "partitions", "consumer_group", "status"]),
        [
            ["ApiVersions", "", "[]", "", "UNSUPPORTED_VERSION"],
            ["FindCoordinator", "g1", "[]", "g1", "COORDINATOR_NOT_AVAILABLE"],
            ["JoinGroup", "g1", "[]", "g1", "MEMBER_ID_REQUIRED"],
            ["OffsetFetch", "t", "[t-5, t-6]", "g1", "OK"],
        ]
    );
}

/// Proves what is made of halves and the middle, and that a response is found again behind a gap.
#[test]
fn halves_and_gaps() {
    let beat = |id: i32| request(12, 3, id, b"\0\x01g\0\0\0\x01\0\x01m\xff\xff");
    let well = |id: i32| response(id, b"\0\0\0\0\0\0");
    let talk =
        Talk::tcp(9092).client(beat(1)).server(well(1)).client(beat(2)).server(well(2)).client(beat(3)).server(well(3));
    let columns = ["correlation_id", "method", "status", "error_type"];
    let [one, two, three] = ["1", "2", "3"].map(|id| [id, "Heartbeat", "OK", ""]);
    assert_eq!(select(&talk.rows(), &columns), [one, two, three]);
    assert_eq!(select(&talk.rows_from(2), &columns), [two, three]);
    let lost = ["2", "Heartbeat", "", "no_response"];
    let mut rows = talk.rows_without(3);
    rows.sort_by_key(|row| row["correlation_id"].clone());
    assert_eq!(select(&rows, &columns), [one, lost, three]);
    assert_eq!(select(&talk.rows_without(2), &columns)[..2], [one, ["2", "", "OK", "no_request"]]);
    assert_eq!(talk.rows_of_client().len(), 3);
}

/// Proves that hostile input does no harm: counts and lengths that lie, requests that there are not, noise.
#[test]
fn hostile_input_is_survived() {
    let lies = b"\xff\xff\xff\xff\0\0\x03\xe8\x7f\xff\xff\xff\x7f\xff";
    let tags = b"\xff\xff\xff\xff\x0f\xff\xff\xff\xff\x0f\xff\xff\xff\xff\x0f";
    for said in [
        &b"\x7f\xff\xff\xff"[..],
        b"\xff\xff\xff\xff",
        b"\0\0\0\x04\0\0\0\x09",
        &response(1, &[0xff; 40]),
        &[0xff; 300],
    ] {
        let talk = Talk::tcp(9092)
            .client(request(0, 7, 1, lies))
            .server(said)
            .client(request(3, 12, 2, tags))
            .client(request(999, 1, 3, b""));
        let rows = talk.rows();
        assert!((2..=3).contains(&rows.len()), "{said:?}: {rows:?}");
    }
}
