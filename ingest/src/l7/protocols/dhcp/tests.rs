//! Leases are asked for and given, over IPv4 and IPv6.

use crate::{
    flow::testing::udp,
    l7::testing::{Capture, Talk, select},
};

fn message(op: u8, id: u32, assigned: [u8; 4], options: &[u8]) -> Vec<u8> {
    let mut bytes = vec![op, 1, 6, 0];
    bytes.extend(id.to_be_bytes());
    bytes.extend([0; 8]);
    bytes.extend(assigned);
    bytes.extend([0; 8]);
    bytes.extend([2, 0, 0, 0, 0, 9]);
    bytes.resize(236, 0);
    bytes.extend([0x63, 0x82, 0x53, 0x63]);
    bytes.extend(options);
    bytes
}

const COLUMNS: [&str; 9] = [
    "method",
    "target",
    "status",
    "error_type",
    "transaction_id",
    "requested_ip",
    "assigned_ip",
    "server_id",
    "lease_s",
];

/// Proves that a renewal is one row with every column, and that a release is whole without an answer.
#[test]
fn a_renewal_is_one_row() {
    let request = b"\x35\x01\x03\x32\x04\x0a\0\0\x07\x0c\x04host\x3c\x05MSFT \0\0\xff";
    let ack = b"\x35\x01\x05\x36\x04\x0a\0\0\x01\x33\x04\0\0\x0e\x10\x06\x08\x08\x08\x08\x08\x01\x01\x01\x01\xff";
    let rows = Talk::udp(67)
        .client(message(1, 7, [0; 4], request))
        .server(message(2, 7, [10, 0, 0, 7], ack))
        .client(message(1, 8, [0; 4], b"\x35\x01\x07\xff"))
        .rows();
    let expected = [
        ["request", "host", "ack", "", "7", "10.0.0.7", "10.0.0.7", "10.0.0.1", "3600"],
        ["release", "02:00:00:00:00:09", "", "", "8", "", "", "", ""],
    ];
    assert_eq!(select(&rows, &COLUMNS), expected);
    let columns = ["client_mac", "hostname", "vendor_class", "response_type", "response_options"];
    let options = "{Message-Type: 5, Server-Identifier: 10.0.0.1, Lease-Time: 3600, Domain-Server: 8.8.8.8,1.1.1.1}";
    assert_eq!(select(&rows[..1], &columns), [["02:00:00:00:00:09", "host", "MSFT ", "ack", options]]);
}

/// Proves that a client without an address and its server are two whole rows, and that without a broadcast halves say so.
#[test]
fn what_goes_to_all_is_whole() {
    let mut capture = Capture::new();
    let discover = message(1, 7, [0; 4], b"\x35\x01\x01\xff");
    let offer = message(2, 7, [10, 0, 0, 7], b"\x35\x01\x02\xff");
    capture.show(0, &udp("0.0.0.0:68", "255.255.255.255:67").payload(&discover));
    capture.show(1, &udp("10.0.0.1:67", "255.255.255.255:68").payload(&offer));
    let said = |rows| select(rows, &["message_type", "response_type", "error_type", "assigned_ip"]).concat().join(" ");
    let rows = capture.end().0;
    assert_eq!(said(&rows), "discover    offer offer  10.0.0.7");
    let rows = Talk::udp(67).client(discover).rows();
    assert_eq!(said(&rows), "discover  no_response ");
}

/// Proves that options which end in the middle are malformed, and that what comes before them is there.
#[test]
fn options_that_lie_are_malformed() {
    let rows = Talk::udp(67).client(message(1, 7, [0; 4], b"\x35\x01\x03\x0c\xc8host")).client(b"\x01\x01\x06").rows();
    assert_eq!(select(&rows, &["method", "error_type", "options"]), [["request", "malformed", "{Message-Type: 3}"]]);
}
