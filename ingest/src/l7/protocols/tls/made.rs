//! Handshake messages for tests, made in code.

/// A vector behind its length in `width` bytes.
pub(crate) fn counted(width: usize, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let len = u64::try_from(body.len()).unwrap().to_be_bytes();
    [&len[8 - width..], body].concat()
}

pub(crate) fn message(kind: u8, body: impl AsRef<[u8]>) -> Vec<u8> {
    [vec![kind], counted(3, body)].concat()
}

pub(crate) fn record(kind: u8, body: impl AsRef<[u8]>) -> Vec<u8> {
    [vec![kind, 3, 3], counted(2, body)].concat()
}

pub(crate) fn extension(kind: u16, body: impl AsRef<[u8]>) -> Vec<u8> {
    [kind.to_be_bytes().to_vec(), counted(2, body)].concat()
}

pub(crate) fn numbers(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_be_bytes()).collect()
}

/// A client hello with these extensions; `between` lies between session id and cipher suites (DTLS has a cookie there).
pub(crate) fn hello_with(version: u16, between: &[u8], suites: &[u16], extensions: &[Vec<u8>]) -> Vec<u8> {
    let head = [&version.to_be_bytes()[..], &[7; 32], &counted(1, [9; 32]), between].concat();
    let rest = [counted(2, numbers(suites)), vec![1, 0], counted(2, extensions.concat())].concat();
    message(1, [head, rest].concat())
}

/// The usual extensions of a client.
pub(crate) fn usual(name: &str, versions: &[u16]) -> Vec<Vec<u8>> {
    let protocols = [counted(1, "h2"), counted(1, "http/1.1")].concat();
    vec![
        extension(0x2a2a, ""),
        extension(0, counted(2, [vec![0], counted(2, name)].concat())),
        extension(10, counted(2, numbers(&[0x3a3a, 29, 23]))),
        extension(11, counted(1, [0])),
        extension(13, counted(2, numbers(&[0x0403, 0x0804]))),
        extension(16, counted(2, protocols)),
        extension(43, counted(1, numbers(versions))),
        extension(51, counted(2, "")),
    ]
}

/// A client hello.
pub(crate) fn client_hello(name: &str) -> Vec<u8> {
    hello_with(0x0303, &[], &[0x4a4a, 0x1301, 0xc02f, 0x000a], &usual(name, &[0x5a5a, 0x0304, 0x0303]))
}

/// A server hello of the version field's version, with this random.
pub(crate) fn server_hello(version: u16, random: [u8; 32], suite: u16, extensions: &[Vec<u8>]) -> Vec<u8> {
    let head = [&version.to_be_bytes()[..], &random, &counted(1, [9; 32]), &suite.to_be_bytes(), &[0]].concat();
    message(2, [head, counted(2, extensions.concat())].concat())
}

/// What a server of TLS 1.3 says.
pub(crate) fn server_hello_13() -> Vec<u8> {
    let extensions = [extension(43, numbers(&[0x0304])), extension(51, [numbers(&[29]), counted(2, [1; 32])].concat())];
    server_hello(0x0303, [8; 32], 0x1301, &extensions)
}

/// An element of DER.
pub(crate) fn der(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    let body = parts.concat();
    let len = match u8::try_from(body.len()).unwrap() {
        len @ 0..0x80 => vec![len],
        len => vec![0x81, len],
    };
    [vec![tag], len, body].concat()
}

/// A certificate of `subject` by `issuer`, for the subject as a host name too.
pub(crate) fn certificate(subject: &str, issuer: &str) -> Vec<u8> {
    let name = |text: &str| {
        let pair = [der(6, &[vec![0x55, 4, 3]]), der(12, &[text.as_bytes().to_vec()])];
        der(0x30, &[der(0x31, &[der(0x30, &pair)])])
    };
    let algorithm = || der(0x30, &[der(6, &[vec![0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]])]);
    let time = |text: &str| der(0x17, &[text.as_bytes().to_vec()]);
    let names = der(0x30, &[der(0x82, &[subject.as_bytes().to_vec()]), der(0x87, &[vec![10, 0, 0, 2]])]);
    let extensions = der(0x30, &[der(0x30, &[der(6, &[vec![0x55, 0x1d, 0x11]]), der(4, &[names])])]);
    let signed = der(
        0x30,
        &[
            der(0xa0, &[der(2, &[vec![2]])]),
            der(2, &[vec![0, 0xf4, 0xa7]]),
            algorithm(),
            name(issuer),
            der(0x30, &[time("231114221320Z"), time("231115221320Z")]),
            name(subject),
            der(0x30, &[algorithm(), der(3, &[vec![0, 1]])]),
            der(0xa3, &[extensions]),
        ],
    );
    der(0x30, &[signed, algorithm(), der(3, &[vec![0, 1]])])
}

/// A Certificate message of these.
pub(crate) fn certificates(chain: &[Vec<u8>]) -> Vec<u8> {
    let chain: Vec<Vec<u8>> = chain.iter().map(|c| counted(3, c)).collect();
    message(11, counted(3, chain.concat()))
}
