//! Broken captures: what dissection makes of streams that begin in the middle, have holes, or are seen twice.

use super::{
    Tap,
    testing::{Capture, Talk, select},
};
use crate::{
    Frame,
    decode::Decoded,
    flow::{
        flag,
        testing::{Made, tcp, udp},
    },
};

const CLIENT: &str = "10.0.0.1:40000";

/// A DNS query for `a.test`, or its answer, as a datagram.
fn dns(id: u8, is_answer: bool) -> Vec<u8> {
    let flags = if is_answer { [0x81, 0x80] } else { [1, 0] };
    [&[0, id][..], &flags, &[0, 1, 0, 0, 0, 0, 0, 0, 1, b'a', 4], b"test", &[0, 0, 1, 0, 1]].concat()
}

/// The same as a message over TCP.
fn dns_tcp(id: u8, is_answer: bool) -> Vec<u8> {
    let message = dns(id, is_answer);
    [&u16::try_from(message.len()).unwrap().to_be_bytes()[..], &message].concat()
}

/// Packets of one connection, each end's numbered on.
struct Connection {
    capture: Capture,
    server: &'static str,
    /// What each end has sent.
    sent: [u32; 2],
    /// When the next packet comes.
    ms: usize,
}

impl Connection {
    fn new(server: &'static str) -> Connection {
        Connection { capture: Capture::new(), server, sent: [1000, 5000], ms: 1 }
    }

    fn made(&self, is_client: bool) -> Made {
        let [client, server] = self.sent;
        match is_client {
            true => tcp(CLIENT, self.server).flags(flag::ACK).seq(client).ack(server),
            false => tcp(self.server, CLIENT).flags(flag::ACK).seq(server).ack(client),
        }
    }

    /// An end says something, which is in the capture.
    fn says(&mut self, is_client: bool, bytes: &[u8]) {
        let made = self.made(is_client).payload(bytes);
        self.capture.show(self.ms, &made);
        self.loses(is_client, bytes);
    }

    /// An end says something, which is not.
    fn loses(&mut self, is_client: bool, bytes: &[u8]) {
        self.sent[usize::from(!is_client)] += u32::try_from(bytes.len()).unwrap();
    }
}

/// Proves that what is missing before the first packet of a direction is a hole, where the other end has said what it expects: the
/// answer is one with a gap, not one that was never understood.
#[test]
fn a_stream_that_begins_with_a_hole_says_so() {
    let mut connection = Connection::new("10.0.0.2:80");
    connection.says(true, b"GET /a HTTP/1.1\r\n\r\n");
    connection.loses(false, b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n");
    connection.says(false, b"Hello, world");
    connection.says(true, b"GET /b HTTP/1.1\r\n\r\n");
    connection.says(false, b"HTTP/1.1 204 No\r\n\r\n");
    let (rows, counters) = connection.capture.end();
    let expected = [["/a", "", "gap"], ["/b", "204", ""]];
    assert_eq!(select(&rows, &["target", "status", "error_type"]), expected);
    assert_eq!((counters.gaps, counters.gap_bytes), (1, 39));
}

/// Proves that a hole is told before the answer that acknowledges it is read, so that what waited behind the hole and its answer
/// are one row.
#[test]
fn a_hole_is_told_before_the_answer_to_what_is_behind_it() {
    let mut connection = Connection::new("10.0.0.2:53");
    connection.says(true, &dns_tcp(1, false));
    connection.says(false, &dns_tcp(1, true));
    connection.loses(true, &dns_tcp(2, false));
    connection.says(true, &dns_tcp(3, false));
    connection.says(false, &dns_tcp(3, true));
    let (rows, counters) = connection.capture.end();
    let expected = [["1", "NOERROR", ""], ["3", "NOERROR", ""]];
    assert_eq!(select(&rows, &["query_id", "status", "error_type"]), expected);
    assert_eq!(counters.gaps, 1);
}

/// Proves that of a capture which mixes its packets, as its times show, one that comes behind its acknowledgement is read in its
/// place.
#[test]
fn what_is_mixed_is_put_in_order() {
    let mut connection = Connection::new("10.0.0.2:53");
    connection.says(true, &dns_tcp(1, false));
    connection.ms = 0;
    connection.says(false, &dns_tcp(1, true));
    let late = connection.made(true).payload(&dns_tcp(2, false));
    connection.loses(true, &dns_tcp(2, false));
    connection.says(true, &dns_tcp(3, false));
    connection.says(false, &dns_tcp(3, true));
    connection.capture.show(0, &late);
    let (rows, counters) = connection.capture.end();
    let ids: Vec<&str> = rows.iter().map(|row| &*row["query_id"]).collect();
    assert!(ids.contains(&"2") && counters.gaps == 0, "{ids:?}");
}

/// Proves that a packet which is only late is read in its place, however many others pass before it comes.
#[test]
fn what_is_late_is_no_hole() {
    let mut connection = Connection::new("10.0.0.2:53");
    connection.says(true, &dns_tcp(1, false));
    let late = connection.made(true).payload(&dns_tcp(2, false));
    connection.loses(true, &dns_tcp(2, false));
    for id in 3..60 {
        connection.says(true, &dns_tcp(id, false));
        let before = connection.made(false).ack(1000);
        connection.capture.show(1, &before);
    }
    connection.capture.show(1, &late);
    let (rows, counters) = connection.capture.end();
    assert_eq!((rows.len(), counters.gaps), (59, 0));
}

/// Proves that a connection of hours, which is several flows, is read on without a hole where one takes over from the other.
#[test]
fn a_connection_goes_on_in_the_flow_that_takes_over() {
    let mut connection = Connection::new("10.0.0.2:80");
    for (is_client, ack) in [(true, 0), (false, flag::ACK)] {
        let [client, server] = connection.sent;
        let seq = if is_client { client } else { server };
        let made = connection.made(is_client).flags(flag::SYN | ack).seq(seq - 1).ack(client);
        connection.capture.show(0, &made);
    }
    for call in 0..40 {
        connection.ms = call * 200_000;
        connection.says(true, b"GET /a HTTP/1.1\r\n\r\n");
        connection.says(false, b"HTTP/1.1 204 No\r\n\r\n");
    }
    let (rows, counters) = connection.capture.end();
    assert!(rows.iter().all(|row| row["status"] == "204" && !row.contains_key("error_type")));
    assert_eq!((rows.len(), counters.gaps), (40, 0));
}

/// Proves that after a reset nothing is waited for.
#[test]
fn a_reset_ends_the_wait() {
    let mut connection = Connection::new("10.0.0.2:53");
    connection.says(true, &dns_tcp(1, false));
    connection.loses(true, &dns_tcp(2, false));
    connection.says(true, &dns_tcp(3, false));
    assert!(connection.capture.counters().waiting_bytes > 0);
    let reset = connection.made(true).flags(flag::RST | flag::ACK);
    connection.capture.show(1, &reset);
    let counters = connection.capture.counters();
    assert_eq!((counters.waiting_bytes, counters.gaps), (0, 1));
    assert_eq!(connection.capture.end().0.len(), 2);
}

/// Proves that messages behind what is no message are found again, in packets of any size: [`Talk::rows`] cuts them in every way.
#[test]
fn messages_behind_garbage_are_found_again() {
    let noise = [0xff; 40];
    let (query, answer) = (dns_tcp(1, false), dns_tcp(1, true));
    let talk = Talk::tcp(53).client(&query).server(&answer);
    let rows = talk.client(noise).client(&query).server(&answer).rows();
    assert_eq!(select(&rows, &["table", "error_type"]), [["dns", ""], ["dns", ""]]);

    let (request, response) = (b"GET /a HTTP/1.1\r\n\r\n", b"HTTP/1.1 204 No\r\n\r\n");
    let talk = Talk::tcp(80).client(request).server(response);
    let rows = talk.client(noise).client(request).server(response).rows();
    assert_eq!(select(&rows, &["table", "error_type"]), [["http", ""], ["http", ""]]);

    let (command, reply) = (b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n", b"$1\r\nb\r\n");
    let talk = Talk::tcp(6379).client(command).server(reply);
    let rows = talk.server(noise).client(command).server(reply).rows();
    assert_eq!(select(&rows, &["table", "method", "error_type"]), [["redis", "GET", ""], ["redis", "GET", ""]]);
}

/// Proves that a packet without sequence numbers that passes two interfaces is read once, and one that is sent twice is read twice.
#[test]
fn a_packet_that_is_seen_twice_is_read_once() {
    let seen_at = |interface| {
        let frame = Frame { ts_ns: 0, interface, link_type: 1, orig_len: 0, data: &[], direction: None };
        Tap::of(&frame, &Decoded::default())
    };
    let mut capture = Capture::new();
    let query = udp(CLIENT, "10.0.0.2:53").payload(&dns(1, false));
    let answer = udp("10.0.0.2:53", CLIENT).payload(&dns(1, true));
    for (interface, ms, made) in [(1, 0, &query), (2, 0, &query), (2, 5, &answer), (1, 5, &answer)] {
        capture.show_at(seen_at(interface), ms, &made.packet());
    }
    for (interface, ms) in [(1, 7), (2, 7), (1, 8), (2, 8)] {
        capture.show_at(seen_at(interface), ms, &udp(CLIENT, "10.0.0.2:53").payload(&dns(2, false)).packet());
    }
    let (rows, _) = capture.end();
    let ids = select(&rows, &["query_id", "status"]);
    assert_eq!(ids[0], ["1", "NOERROR"]);
    assert!(ids[1..].iter().all(|row| *row == ["2", ""]) && ids.len() > 1, "{ids:?}");
}

/// Proves that a conversation which is seen in two networks at once, as inside and outside a tunnel, is one, and that two which
/// merely have the same addresses are two.
#[test]
fn a_conversation_that_is_seen_on_two_flows_is_one() {
    let exchange = |capture: &mut Capture, [seq, ack]: [u32; 2], vlans: &[Option<u16>]| {
        let (client, server) = (tcp(CLIENT, "10.0.0.2:80"), tcp("10.0.0.2:80", CLIENT));
        let request = client.flags(flag::ACK).seq(seq).ack(ack).payload(b"GET /a HTTP/1.1\r\n\r\n");
        let response = server.flags(flag::ACK).seq(ack).ack(seq + 19).payload(b"HTTP/1.1 204 No\r\n\r\n");
        for made in [request, response] {
            for vlan_id in vlans {
                capture.show_packet(1, &Decoded { vlan_id: *vlan_id, ..made.packet() });
            }
        }
    };
    let mut copied = Capture::new();
    exchange(&mut copied, [100, 7], &[None, Some(5)]);
    exchange(&mut copied, [119, 26], &[Some(5), None]);
    let columns = ["target", "status", "error_type"];
    assert_eq!(select(&copied.end().0, &columns), [["/a", "204", ""]; 2]);

    let mut others = Capture::new();
    exchange(&mut others, [100, 7], &[None]);
    exchange(&mut others, [200, 7], &[Some(5)]);
    assert_eq!(select(&others.end().0, &columns), [["/a", "204", ""]; 2]);
}
