//! Messages, old and new, compressed too.

use std::io::Write;

use crate::l7::testing::{Talk, select};

/// A document of these elements: type, name, value.
fn document(elements: &[(u8, &str, Vec<u8>)]) -> Vec<u8> {
    let body: Vec<u8> =
        elements.iter().flat_map(|(kind, name, value)| [&[*kind][..], name.as_bytes(), &[0], value].concat()).collect();
    let len = u32::try_from(body.len() + 5).unwrap();
    [&len.to_le_bytes()[..], &body, &[0]].concat()
}

fn string(text: &str) -> Vec<u8> {
    let len = u32::try_from(text.len() + 1).unwrap();
    [&len.to_le_bytes()[..], text.as_bytes(), &[0]].concat()
}

fn int(n: i32) -> Vec<u8> {
    n.to_le_bytes().to_vec()
}

fn double(n: f64) -> Vec<u8> {
    n.to_le_bytes().to_vec()
}

fn message(id: u32, response_to: u32, opcode: u32, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 16).unwrap();
    let header: Vec<u8> = [len, id, response_to, opcode].iter().flat_map(|n| n.to_le_bytes()).collect();
    [&header[..], body].concat()
}

/// A message of one document.
fn msg(id: u32, response_to: u32, flags: u32, document: &[u8]) -> Vec<u8> {
    message(id, response_to, 2013, &[&flags.to_le_bytes()[..], &[0], document].concat())
}

fn find() -> Vec<u8> {
    let filter = document(&[(16, "a", int(1)), (4, "in", document(&[(2, "0", string("x")), (8, "1", vec![1])]))]);
    document(&[(2, "find", string("t")), (3, "filter", filter), (2, "$db", string("shop"))])
}

fn found() -> Vec<u8> {
    let batch = document(&[(3, "0", document(&[])), (3, "1", document(&[]))]);
    document(&[(3, "cursor", document(&[(4, "firstBatch", batch)])), (1, "ok", double(1.0))])
}

const COLUMNS: [&str; 7] = ["method", "target", "opcode", "document_count", "status", "success", "error_type"];

/// Proves that commands are paired with their replies by id, whatever their order, and how each shape of failure is told.
#[test]
fn commands_are_paired_with_their_replies() {
    let ping = document(&[(16, "ping", int(1)), (2, "$db", string("admin"))]);
    let docs = [document(&[(16, "_id", int(7))]), document(&[])].concat();
    let section = [&u32::try_from(4 + 10 + docs.len()).unwrap().to_le_bytes()[..], b"documents\0", &docs].concat();
    let insert = document(&[(2, "insert", string("t")), (2, "$db", string("shop"))]);
    let insert = message(3, 0, 2013, &[&[0; 4][..], &[1], &section, &[0], &insert].concat());
    let error =
        |code: i32| document(&[(16, "index", int(0)), (16, "code", int(code)), (2, "errmsg", string("duplicate"))]);
    let write_errors =
        document(&[(16, "n", int(1)), (4, "writeErrors", document(&[(3, "0", error(11000))])), (1, "ok", double(1.0))]);
    let failed = document(&[
        (1, "ok", double(0.0)),
        (2, "errmsg", string("no")),
        (16, "code", int(13)),
        (2, "codeName", string("Unauthorized")),
    ]);
    let talk = Talk::tcp(7777)
        .client([msg(1, 0, 0, &find()), msg(2, 0, 0, &ping), insert].concat())
        .server([msg(10, 2, 0, &failed), msg(11, 1, 0, &found()), msg(12, 3, 0, &write_errors)].concat());
    let rows = talk.rows();
    assert_eq!(
        select(&rows, &COLUMNS),
        [
            ["ping", "admin", "OP_MSG", "", "Unauthorized", "false", ""],
            ["find", "shop.t", "OP_MSG", "2", "OK", "true", ""],
            ["insert", "shop.t", "OP_MSG", "1", "11000", "false", ""],
        ]
    );
    assert_eq!(rows[1]["request"], r#"{"find":"t","filter":{"a":1,"in":["x",true]},"$db":"shop"}"#);
    assert_eq!(rows[2]["request"], r#"{"insert":"t","$db":"shop","documents":[{"_id":7},{}]}"#);
    assert_eq!(
        (&*rows[0]["error_code"], &*rows[0]["error_message"], &*rows[2]["error_message"]),
        ("13", "no", "duplicate")
    );
    assert_eq!(
        (&*rows[1]["database"], &*rows[1]["collection"], rows[1].contains_key("error_code")),
        ("shop", "t", false)
    );
}

/// Proves that what is not answered is not waited for, and that replies which go on unasked are rows of the same command.
#[test]
fn one_way_messages() {
    let hello = document(&[(16, "hello", int(1)), (2, "$db", string("admin"))]);
    let well = document(&[(1, "ok", double(1.0))]);
    let talk = Talk::tcp(27017)
        .client([msg(1, 0, 2, &find()), msg(2, 0, 0x1_0000, &hello)].concat())
        .server(msg(20, 2, 2, &well))
        .server(msg(21, 20, 2, &well));
    let rows = talk.rows();
    let said = select(&rows, &["command", "latency_ns", "success", "error_type", "src_port"]);
    assert_eq!(
        said[..3],
        [["find", "", "", "", "40000"], ["hello", "1000000", "true", "", "40000"], ["hello", "", "true", "", "40000"]]
    );
    assert_eq!(said.len(), 3);
}

/// Proves that compressed messages are read, each way there is.
#[test]
fn compressed_messages() {
    let body = [&[0; 5][..], &find()].concat();
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    zlib.write_all(&body).unwrap();
    let ways = [
        body.clone(),
        snap::raw::Encoder::new().compress_vec(&body).unwrap(),
        zlib.finish().unwrap(),
        zstd::bulk::compress(&body, 1).unwrap(),
    ];
    for (how, bytes) in (0u8..).zip(ways) {
        let header = [&2013u32.to_le_bytes()[..], &u32::try_from(body.len()).unwrap().to_le_bytes(), &[how]].concat();
        let talk = Talk::tcp(27017).client(message(1, 0, 2012, &[&header[..], &bytes].concat())).server(msg(
            9,
            1,
            0,
            &found(),
        ));
        assert_eq!(select(&talk.rows(), &["command", "opcode", "error_type"]), [["find", "OP_MSG", ""]], "{how}");
    }
}

/// Proves that the older messages are read.
#[test]
fn legacy_messages() {
    let full = |name: &str, rest: &[u8]| [&[0; 4][..], name.as_bytes(), &[0], rest].concat();
    let doc = document(&[(16, "a", int(1))]);
    let command = document(&[(16, "isMaster", int(1))]);
    let reply = |flags: u8, docs: &[u8]| [&[flags, 0, 0, 0][..], &[0; 12], &[1, 0, 0, 0], docs].concat();
    let wrong = document(&[(2, "$err", string("bad")), (16, "code", int(17))]);
    let talk = Talk::tcp(27017)
        .client(message(1, 0, 2004, &full("shop.$cmd", &[&[0; 8][..], &command].concat())))
        .server(message(9, 1, 1, &reply(8, &document(&[(1, "ok", double(1.0))]))))
        .client(message(2, 0, 2004, &full("shop.a.b", &[&[0; 8][..], &doc].concat())))
        .server(message(9, 2, 1, &reply(2, &wrong)))
        .client(message(3, 0, 2002, &full("shop.t", &doc)));
    assert_eq!(
        select(&talk.rows(), &COLUMNS),
        [
            ["isMaster", "shop", "OP_QUERY", "1", "OK", "true", ""],
            ["find", "shop.a.b", "OP_QUERY", "1", "17", "false", ""],
            ["insert", "shop.t", "OP_INSERT", "", "", "", ""],
        ]
    );
}

/// Proves what is made of halves, of the middle of a connection, and of a message that is too long to read: what its beginning says.
#[test]
fn halves_and_long_messages() {
    let talk =
        Talk::tcp(27017).client(msg(1, 0, 0, &find())).server(msg(9, 1, 0, &found())).client(msg(2, 0, 0, &find()));
    assert_eq!(select(&talk.rows_of_client(), &["command", "error_type"]), [["find", "no_response"]; 2]);
    assert_eq!(
        select(&talk.rows_from(1), &["success", "error_type", "src_port"]),
        [["true", "no_request", "40000"], ["", "no_response", "40000"]]
    );
    let long = document(&[(2, "x", string(&"y".repeat(2 << 20)))]);
    let batch = document(&[(3, "0", long)]);
    let reply = document(&[(3, "cursor", document(&[(4, "nextBatch", batch)])), (1, "ok", double(1.0))]);
    let talk = Talk::tcp(27017)
        .client(msg(1, 0, 0, &find()))
        .server(msg(9, 1, 0, &reply))
        .client(msg(2, 0, 0, &find()))
        .server(msg(10, 2, 0, &found()));
    let server = talk.rows_of_server();
    assert_eq!(select(&server, &["success", "document_count"]), [["true", "1"], ["true", "2"]]);
    assert!(server[0]["response"].len() < 17 << 10);
}

/// Proves that hostile input does no harm: lengths that lie, nesting, compression that is none or that swells.
#[test]
fn hostile_input_is_survived() {
    let mut nested = document(&[]);
    for _ in 0..500 {
        nested = document(&[(3, "a", nested)]);
    }
    let bomb = zstd::bulk::compress(&vec![0; 8 << 20], 1).unwrap();
    let squeezed = |how: u8, bytes: &[u8]| [&2013u32.to_le_bytes()[..], &[0xff, 0xff, 0xff, 0x7f, how], bytes].concat();
    for (opcode, body) in [
        (2013, [&[0; 5][..], &nested].concat()),
        (2013, b"\0\0\0\0\0\xff\xff\xff\x7f\x02find\0\xff\xff\xff\xff".to_vec()),
        (2013, b"\0\0\0\0\x01\x01\0\0\0abcdefgh".to_vec()),
        (2012, squeezed(1, b"\xff\xff\xff\xff\x0f")),
        (2012, squeezed(3, &bomb)),
        (2012, squeezed(9, b"?")),
        (2012, [&2012u32.to_le_bytes()[..], &[1, 0, 0, 0, 0], b"x"].concat()),
        (2004, b"\0\0\0\0no.end".to_vec()),
    ] {
        let rows = Talk::tcp(27017).client(msg(1, 0, 0, &find())).client(message(5, 0, opcode, &body)).rows();
        assert_eq!(rows.len(), 2, "{opcode} {body:?}");
    }
    let rows =
        Talk::tcp(27017).client(msg(1, 0, 0, &find())).server(b"\xff\xff\xff\x7f\0\0\0\0\0\0\0\0\0\0\0\0").rows();
    assert_eq!(rows.len(), 1);
}
