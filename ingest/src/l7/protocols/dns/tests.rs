//! Questions and answers, over UDP and TCP.

use simple_dns::{
    CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, ResourceRecord, TYPE,
    rdata::{A, CNAME, RData},
};

use crate::l7::testing::{Talk, select};

fn query(id: u16, name: &str, kind: TYPE) -> Packet<'_> {
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(Question::new(Name::new(name).unwrap(), QTYPE::TYPE(kind), QCLASS::CLASS(CLASS::IN), false));
    packet
}

fn answer<'a>(query: &Packet<'a>, records: Vec<(&'a str, RData<'a>)>) -> Packet<'a> {
    let mut packet = Packet::new_reply(query.id());
    packet.questions.clone_from(&query.questions);
    for (name, data) in records {
        packet.answers.push(ResourceRecord::new(Name::new(name).unwrap(), CLASS::IN, 60, data));
    }
    packet
}

fn bytes(packet: &Packet<'_>) -> Vec<u8> {
    packet.build_bytes_vec_compressed().unwrap()
}

/// A message as it goes over TCP.
fn counted(packet: &Packet<'_>) -> Vec<u8> {
    let message = bytes(packet);
    [&u16::try_from(message.len()).unwrap().to_be_bytes()[..], &message].concat()
}

const COLUMNS: [&str; 8] =
    ["app_proto", "method", "target", "status", "error_type", "answers", "answer_types", "latency_ns"];

/// Proves that a query and its response are one row, over UDP and TCP, pipelined and out of order, and that an alias' address
/// gets the name that was asked for.
#[test]
fn a_query_and_its_response_are_one_row() {
    let (a, b) = (query(7, "www.example.test", TYPE::A), query(8, "gone.test", TYPE::AAAA));
    let to = CNAME(Name::new("web.example.test").unwrap());
    let records =
        vec![("www.example.test", RData::CNAME(to)), ("web.example.test", RData::A(A { address: 0xa000002 }))];
    let (found, mut missing) = (answer(&a, records), answer(&b, vec![]));
    *missing.rcode_mut() = RCODE::NameError;
    let udp = Talk::udp(53).client(bytes(&a)).client(bytes(&b)).server(bytes(&missing)).server(bytes(&found));
    let both = [counted(&missing), counted(&found)].concat();
    let tcp = Talk::tcp(53).client([counted(&a), counted(&b)].concat()).server(both);
    for (talk, [late, later]) in [(udp, ["1000000", "3000000"]), (tcp, ["1000000", "1000000"])] {
        let rows = talk.rows();
        let expected = [
            ["dns", "AAAA", "gone.test", "NXDOMAIN", "", "[]", "[]", late],
            ["dns", "A", "www.example.test", "NOERROR", "", "[web.example.test, 10.0.0.2]", "[CNAME, A]", later],
        ];
        assert_eq!(select(&rows, &COLUMNS), expected);
        assert_eq!(rows[1]["dst_name"], "www.example.test", "the server's own address was in an answer");
    }
}

/// Proves that halves are rows, and say what is missing.
#[test]
fn a_half_is_a_row_that_says_so() {
    let a = query(7, "www.example.test", TYPE::A);
    let found = answer(&a, vec![("www.example.test", RData::A(A { address: 1 }))]);
    let talk = Talk::udp(53).client(bytes(&a)).server(bytes(&found));
    let asked = talk.rows_of_client();
    assert_eq!(select(&asked, &["target", "status", "error_type"]), [["www.example.test", "", "no_response"]]);
    let answered = talk.rows_of_server();
    assert_eq!(select(&answered, &["target", "status", "error_type"]), [["www.example.test", "NOERROR", "no_request"]]);
    assert_eq!((&*answered[0]["src_ip"], &*answered[0]["dst_ip"]), ("10.0.0.1", "10.0.0.2"), "who asked is known");
}

/// Proves that a message which cannot be read is a row all the same, and that hostile ones do no harm: a pointer to itself, and
/// counts of records that cannot be there.
#[test]
fn a_message_that_cannot_be_read_is_a_row_of_what_its_header_says() {
    let loops = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\xc0\x0c\0\x01\0\x01";
    let counts = b"\x12\x35\x81\x83\0\x01\xff\xff\xff\xff\xff\xff\x01a\0\0\x01\0\x01";
    let rows = Talk::udp(53).client(loops).server(counts).rows();
    let said = select(&rows, &["query_id", "status", "error_type"]);
    assert_eq!(said, [["4661", "NXDOMAIN", "malformed"], ["4660", "", "malformed"]]);
}

/// Proves that a type or class that is not known harms nothing: a question of a private type, a signed query (RFC 8945), an update
/// that deletes (RFC 2136). Before, all of them were malformed and had no questions.
#[test]
fn unknown_types_and_classes_are_read() {
    let private = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x01a\x04test\0\xff\0\0\x01";
    let signature = b"\x03key\0\0\xfa\0\xff\0\0\0\0\0\x02\x01\x02";
    let signed = [&b"\0\x02\x01\0\0\x01\0\0\0\0\0\x01\x01b\x04test\0\0\x06\0\x01"[..], signature].concat();
    let delete = b"\0\x03\x28\0\0\x01\0\0\0\x01\0\0\x01c\x04test\0\0\x06\0\x01\x01d\xc0\x0c\0\x01\0\xff\0\0\0\0\0\0";
    let rows = Talk::udp(53).client(private).client(signed).client(delete).rows();
    let expected =
        [["a.test", "TYPE65280", "no_response"], ["b.test", "SOA", "no_response"], ["c.test", "SOA", "no_response"]];
    assert_eq!(select(&rows, &["target", "method", "error_type"]), expected);
    assert_eq!(&*rows[2]["opcode"], "UPDATE");
}

/// Proves that the questions of a message that is damaged further on are told, and that it says so.
#[test]
fn questions_before_the_damage_are_told() {
    let damaged = b"\0\x01\x81\0\0\x01\0\x01\0\0\0\0\x01a\0\0\x01\0\x01\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x63\x0a";
    let rows = Talk::udp(53).server(damaged).rows();
    assert_eq!(select(&rows, &["target", "method", "error_type", "answers"]), [["a", "A", "malformed", "[]"]]);
}
