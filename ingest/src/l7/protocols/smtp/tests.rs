//! Commands, replies, messages, and the way to TLS.

use crate::l7::testing::{Talk, select};

const COLUMNS: [&str; 6] = ["method", "target", "status", "error_type", "hello", "reply_text"];

/// Proves a delivery with pipelining: each command with its reply, and the message with its sender, recipients and subject.
#[test]
fn a_delivery_is_a_row_per_command() {
    let message = "From: a\r\nSUBJECT: Lunch?\r\n\r\nSubject: no\r\n..\r\n.\r\n";
    let rows = Talk::tcp(25)
        .server("220-mail.test ESMTP\r\n220 ready\r\n")
        .client("EHLO client.test\r\n")
        .server("250-mail.test\r\n250-PIPELINING\r\n250 SIZE 9\r\n")
        .client("MAIL FROM:<a@x.test> SIZE=9\r\nRCPT TO:<b@y.test>\r\nrcpt to:<c@y.test>\r\nDATA\r\n")
        .server("250 ok\r\n250 ok\r\n550 who?\r\n354 go\r\n")
        .client(message)
        .server("250 queued\r\n")
        .client("QUIT\r\n")
        .server("221 bye\r\n")
        .rows();
    let expected = [
        ["greeting", "", "220", "", "", "mail.test ESMTP\nready"],
        ["EHLO", "client.test", "250", "", "client.test", "mail.test\nPIPELINING\nSIZE 9"],
        ["MAIL", "a@x.test", "250", "", "client.test", "ok"],
        ["RCPT", "b@y.test", "250", "", "client.test", "ok"],
        ["RCPT", "c@y.test", "550", "", "client.test", "who?"],
        ["DATA", "Lunch?", "250", "", "client.test", "queued"],
        ["QUIT", "", "221", "", "client.test", "bye"],
    ];
    assert_eq!(select(&rows, &COLUMNS), expected);
    let columns = ["mail_from", "rcpt_to", "subject", "data_bytes", "request_bytes"];
    assert_eq!(select(&rows[5..6], &columns), [["a@x.test", "[b@y.test, c@y.test]", "Lunch?", "45", "54"]]);
    assert_eq!((&*rows[0]["src_ip"], &*rows[5]["src_ip"]), ("10.0.0.1", "10.0.0.1"), "the greeted is the client");
}

/// Proves that no secret becomes a column, and that after STARTTLS another protocol is recognised.
#[test]
fn secrets_are_not_shown_and_tls_is_handed_over() {
    // The first line is what it is recognised by.
    let talk = Talk::tcp(25)
        .server("220 mail SMTP\r\n")
        .client("AUTH LOGIN\r\n")
        .server("334 VXNlcg==\r\n")
        .client("c2VjcmV0\r\n")
        .server("535 no\r\n")
        .client("AUTH PLAIN c2VjcmV0\r\n")
        .server("235 yes\r\n")
        .client("c2VjcmV0\r\n")
        .server("500 what?\r\n")
        .client("STARTTLS\r\n")
        .server("220 go\r\n")
        .client("EHLO again\r\n")
        .server("250 hi\r\n");
    let rows = talk.rows();
    let expected = [
        ["greeting", "", "220"],
        ["AUTH", "LOGIN", "535"],
        ["AUTH", "PLAIN", "235"],
        ["other", "", "500"],
        ["STARTTLS", "", "220"],
        ["EHLO", "again", "250"],
    ];
    assert_eq!(select(&rows, &["method", "target", "status"]), expected);
}

/// Proves that one direction is enough to read it, and that a rejected DATA and chunks leave the commands in step.
#[test]
fn halves_rejections_and_chunks() {
    let talk = Talk::tcp(25)
        .client("EHLO c\r\n")
        .server("250 hi\r\n")
        .client("DATA\r\n")
        .server("503 first MAIL\r\n")
        .client("BDAT 6\r\nQUIT\r\nBDAT 0 LAST\r\n")
        .server("250 6\r\n250 0\r\n");
    let columns = ["method", "target", "status", "error_type", "data_bytes"];
    let expected = [
        ["EHLO", "c", "250", "", ""],
        ["DATA", "", "503", "", "0"],
        ["BDAT", "6", "250", "", "6"],
        ["BDAT", "0 LAST", "250", "", "0"],
    ];
    assert_eq!(select(&talk.rows(), &columns), expected);
    let message = Talk::tcp(25).client("EHLO c\r\nDATA\r\n").client("Subject: s\r\n\r\nx\r\n.\r\nQUIT\r\n");
    let rows = message.rows();
    let expected = [["EHLO", "no_response", ""], ["DATA", "no_response", "s"], ["QUIT", "no_response", ""]];
    assert_eq!(select(&rows, &["method", "error_type", "subject"]), expected);
}
