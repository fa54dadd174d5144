//! Transactions over UDP and TCP.

use crate::l7::testing::{Talk, select};

fn message(start: &str, call: &str, cseq: &str, body: &str) -> String {
    let len = body.len();
    format!(
        "{start}\r\nVia: SIP/2.0/UDP a\r\nf: \"A\" <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\n\
         Call-ID: {call}\r\nCSeq: {cseq}\r\nUser-Agent: phone\r\n folded\r\nl: {len}\r\n\r\n{body}"
    )
}

const COLUMNS: [&str; 8] =
    ["method", "target", "status", "error_type", "sip_call_id", "cseq", "provisional", "retransmissions"];

/// Proves a call over UDP and over TCP, where messages share packets: provisional responses, ACK, a CANCEL with the sequence number of
/// its INVITE, requests from both ends.
#[test]
fn a_call_is_a_row_per_request() {
    let invite = message("INVITE sip:b@x SIP/2.0", "c1", "1 INVITE", "v=0");
    let cancel = message("CANCEL sip:b@x SIP/2.0", "c1", "1 CANCEL", "");
    let trying = message("SIP/2.0 100 Trying", "c1", "1 INVITE", "");
    let ringing = message("SIP/2.0 180 Ringing", "c1", "1 INVITE", "");
    let stopped = message("SIP/2.0 200 OK", "c1", "1 CANCEL", "");
    let ended = message("SIP/2.0 487 Request Terminated", "c1", "1 INVITE", "");
    let ack = message("ACK sip:b@x SIP/2.0", "c1", "1 ACK", "");
    let options = message("OPTIONS sip:a@x SIP/2.0", "c2", "1 OPTIONS", "");
    let fine = message("SIP/2.0 200 OK", "c2", "1 OPTIONS", "v=1");
    let udp = Talk::udp(5060)
        .client(&invite)
        .server(&trying)
        .client(&invite)
        .server(&ringing)
        .client(&cancel)
        .server(&stopped)
        .server(&ended)
        .client(&ack)
        .server(&options)
        .client(&fine);
    let tcp = Talk::tcp(5060)
        .client([invite.as_str(), "\r\n\r\n"].concat())
        .server(&trying)
        .server(&ringing)
        .client(&cancel)
        .server([stopped, ended].concat())
        .client(&ack)
        .server(&options)
        .client(&fine);
    for (talk, again) in [(udp, "1"), (tcp, "0")] {
        let rows = talk.rows();
        let expected = [
            ["CANCEL", "sip:b@x", "200", "", "c1", "1", "", "0"],
            ["INVITE", "sip:b@x", "487", "", "c1", "1", "[100, 180]", again],
            ["ACK", "sip:b@x", "", "", "c1", "1", "", "0"],
            ["OPTIONS", "sip:a@x", "200", "", "c2", "1", "", "0"],
        ];
        assert_eq!(select(&rows, &COLUMNS), expected);
        let columns = ["from_header", "to_header", "user_agent", "reason", "request_body", "latency_ns"];
        let own = [["\"A\" <sip:a@x>;tag=1", "<sip:b@x>", "phone folded", "Request Terminated", "v=0", "1000000"]];
        assert_eq!(select(&rows[1..2], &columns), own);
        assert_eq!((&*rows[3]["response_body"], &*rows[3]["src_ip"]), ("v=1", "10.0.0.2"));
    }
}

/// Proves that halves are rows, and that after a gap reading goes on with the next message.
#[test]
fn halves_are_rows_and_a_gap_ends_nothing() {
    let options = |n| message("OPTIONS sip:a@x SIP/2.0", "c", &format!("{n} OPTIONS"), "");
    let fine = |n| message("SIP/2.0 200 OK", "c", &format!("{n} OPTIONS"), "");
    let talk = Talk::tcp(5060).client(options(1)).server(fine(1)).client(options(2)).server(fine(2));
    let columns = ["method", "cseq", "error_type"];
    let of_client = talk.rows_of_client();
    assert_eq!(select(&of_client, &columns), [["OPTIONS", "1", "no_response"], ["OPTIONS", "2", "no_response"]]);
    let of_server = talk.rows_of_server();
    assert_eq!(select(&of_server, &columns), [["OPTIONS", "1", "no_request"], ["OPTIONS", "2", "no_request"]]);
    let gap = talk.rows_without(1);
    assert_eq!(select(&gap, &columns), [["OPTIONS", "2", ""], ["OPTIONS", "1", "no_response"]]);
}

/// Proves that a message without what every message has is malformed, and that lengths which lie do no harm.
#[test]
fn hostile_messages_do_no_harm() {
    let bare = "REGISTER sip:a@x SIP/2.0\r\nCSeq: many\r\n\r\n";
    let long = "REGISTER sip:a@x SIP/2.0\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\nContent-Length: 4294967295\r\n\r\n";
    let rows = Talk::tcp(5060).client(bare).client(long).rows();
    assert_eq!(select(&rows, &["method", "error_type"]), [["REGISTER", "malformed"]]);
    let rows = Talk::udp(5060).client(bare).client(long).rows();
    assert_eq!(select(&rows, &["method", "error_type"]), [["REGISTER", "malformed"], ["REGISTER", "no_response"]]);
}
