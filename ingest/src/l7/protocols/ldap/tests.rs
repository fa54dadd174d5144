//! Operations, results and searches.

use crate::l7::testing::{Row, Talk, select};

/// An element; lengths in the form of four bytes, as Active Directory sends them, where asked for.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = u32::try_from(content.len()).unwrap();
    let digits = match len {
        0..=0x7f => vec![u8::try_from(len).unwrap()],
        _ => [&[0x84][..], &len.to_be_bytes()].concat(),
    };
    [&[tag][..], &digits, content].concat()
}

fn octets(text: &str) -> Vec<u8> {
    element(4, text.as_bytes())
}

fn message(id: u8, tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    element(0x30, &[element(2, &[id]), element(tag, &parts.concat())].concat())
}

fn result(id: u8, tag: u8, code: u8, diagnostic: &str) -> Vec<u8> {
    message(id, tag, &[element(10, &[code]), octets(""), octets(diagnostic)])
}

fn search(id: u8, filter: Vec<u8>) -> Vec<u8> {
    let numbers = [element(10, &[2]), element(10, &[0]), element(2, &[0]), element(2, &[0]), element(1, &[0])];
    message(
        id,
        0x63,
        &[octets("dc=test"), numbers.concat(), filter, element(0x30, &[octets("cn"), octets("mail")].concat())],
    )
}

fn bind(id: u8) -> Vec<u8> {
    message(id, 0x60, &[element(2, &[3]), octets("cn=admin"), element(0x80, b"secret")])
}

fn entry(id: u8, dn: &str) -> Vec<u8> {
    message(id, 0x64, &[octets(dn), element(0x30, &[])])
}

const COLUMNS: [&str; 7] = ["method", "target", "status", "error_type", "message_id", "result_code", "diagnostic"];

/// Proves a session: a bind, two searches at once whose entries are mixed, an error, and an unbind that nobody answers.
#[test]
fn a_session_is_a_row_per_request() {
    let equal = element(0xa3, &[octets("cn"), octets("a*(b)")].concat());
    let parts = element(0x30, &[element(0x80, b"x"), element(0x81, b"y"), element(0x82, b"z")].concat());
    let like = element(0xa4, &[octets("sn"), parts].concat());
    let not = element(0xa2, &element(0x87, b"mail"));
    let filter = element(0xa0, &[equal, like, not].concat());
    let rows = Talk::tcp(389)
        .client(bind(1))
        .server(result(1, 0x61, 0, ""))
        .client([search(2, filter), search(3, element(0x87, b"objectClass"))].concat())
        .server([entry(3, "cn=c"), entry(2, "cn=a"), entry(2, "cn=b"), result(2, 0x65, 0, "")].concat())
        .server(result(3, 0x65, 32, "no such base"))
        .client(message(4, 0x4a, &[b"cn=a".to_vec()]))
        .server(result(4, 0x6b, 50, ""))
        .client(element(0x30, &[element(2, &[5]), element(0x42, &[])].concat()))
        .rows();
    let expected = [
        ["bind", "cn=admin", "success", "", "1", "0", ""],
        ["search", "dc=test", "success", "", "2", "0", ""],
        ["search", "dc=test", "noSuchObject", "", "3", "32", "no such base"],
        ["delete", "cn=a", "insufficientAccessRights", "", "4", "50", ""],
        ["unbind", "", "", "", "5", "", ""],
    ];
    assert_eq!(select(&rows, &COLUMNS), expected);
    let columns = ["scope", "filter", "attributes", "entries", "entry_dns", "references", "authentication", "version"];
    let own = [
        ["", "", "", "", "", "", "simple", "3"],
        ["sub", "(&(cn=a\\2a\\28b\\29)(sn=x*y*z)(!(mail=*)))", "[cn, mail]", "2", "[cn=a, cn=b]", "0", "", ""],
        ["sub", "(objectClass=*)", "[cn, mail]", "1", "[cn=c]", "0", "", ""],
    ];
    assert_eq!(select(&rows[..3], &columns), own);
    assert_eq!(rows[1]["latency_ns"], "1000000", "to the first entry");
}

/// Proves that halves are rows, and that after a gap reading goes on with the next message.
#[test]
fn halves_are_rows_and_a_gap_ends_nothing() {
    let talk = Talk::tcp(389)
        .client(bind(1))
        .server(result(1, 0x61, 49, ""))
        .client(search(2, element(0x87, b"cn")))
        .server([entry(2, "cn=a"), result(2, 0x65, 0, "")].concat());
    let said = |rows: &[Row]| -> String { select(rows, &["method", "status", "error_type"]).concat().join(" ") };
    assert_eq!(said(&talk.rows_of_client()), "bind  no_response search  no_response");
    let of_server = "bind invalidCredentials no_request search  no_request search success no_request";
    assert_eq!(said(&talk.rows_of_server()), of_server);
    let found = &talk.rows_of_server()[1..2];
    assert_eq!(
        select(found, &["dn", "entries", "entry_dns"]),
        [["", "1", "[cn=a]"]],
        "what was found is not what was asked"
    );
    assert_eq!(said(&talk.rows_without(1)), "search success  bind  no_response");
    assert_eq!(said(&talk.rows_from(2)), "search success ");
}

/// Proves that after StartTLS another protocol is recognised in the same flow.
#[test]
fn another_protocol_begins_after_start_tls() {
    let start = message(1, 0x77, &[element(0x80, b"1.3.6.1.4.1.1466.20037")]);
    let diameter = [&[1, 0, 0, 20, 0x80, 0, 1, 24][..], &[0; 12]].concat();
    let rows = Talk::tcp(389).client(start).server(result(1, 0x78, 0, "")).client(diameter).rows();
    let said = select(&rows, &["app_proto", "method", "target"]);
    let expected = [["ldap", "extended", "1.3.6.1.4.1.1466.20037"], ["diameter", "Device-Watchdog", ""]];
    assert_eq!(said, expected);
}

/// Proves that lengths which lie and filters without end do no harm: the first are malformed, of the others a beginning is shown.
#[test]
fn hostile_messages_do_no_harm() {
    let mut lies = bind(1);
    lies[10] = 99;
    let deep = (0..200).fold(element(0x87, b"cn"), |inner, _| element(0xa2, &inner));
    let wide = element(0xa1, &element(0x87, &[b'a'; 60]).repeat(150));
    let rows = Talk::tcp(389).client(lies).client(search(2, deep)).client(search(3, wide)).rows();
    let said = select(&rows, &["message_id", "error_type"]);
    assert_eq!(said, [["1", "malformed"], ["2", "no_response"], ["3", "no_response"]]);
    assert_eq!(rows[1]["filter"], format!("{}…{}", "(!".repeat(32), ")".repeat(32)));
}
