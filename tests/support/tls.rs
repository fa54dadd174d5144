//! A connection of TLS 1.2 in which HTTP is spoken, and its key log. Nothing of ours made it: OpenSSL encrypted its records
//! (`TLS_RSA_WITH_AES_128_CBC_SHA`).

use wiretape::demo::{self, Conversation, Endpoint, Packet};

/// What a program logged of [`packets`].
pub(crate) const KEY_LOG: &str = "CLIENT_RANDOM 202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f \
     000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f\n";

/// What client and server say in turn, the client first; in hexadecimal digits.
const TURNS: [&str; 6] = [
    "16030300410100003d0303202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f000002002f0100\
     00120000000e000c00000973686f702e74657374",
    "160303002a020000260303606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f00002f00160303\
     00040e000000",
    "1603030046100000420040000000000000000000000000000000000000000000000000000000000000000000000000000000\
     00000000000000000000000000000000000000000000000000140303000101160303004000070e151c232a31383f464d545b\
     626926cb4f62dfee31e34924505e971b01bab8dac30a7bbbb38679c6866038cf2482a107875a75c3b0afa7e381c05584b453",
    "140303000101160303004001080f161d242b323940474e555c636a93cd64f2a03e30def438f8f85c770cf8f87cac94e74c84\
     64a59fe3102c168abbfc5645ad414299dee5221fefa785aa40",
    "1703030050030a11181f262d343b424950575e656c409647af6538d0bf795099c6723f3ffa40a48fdfdf48efa324d711552d\
     9a1d610c0a7d46beb8bf11920f681e5815b86429af0d3151c972af50f6d375de3e64c0",
    "1703030060040b121920272e353c434a51585f666dea47e1bb9285a8c041ea17b175a2be01586c507c4908210c5523c118ba\
     f1e17f5128920fd528982854e72146e18d71c3b76027815f3bc99c35cf5c5accda192c423030e219bce6212c349bedce1233\
     2d",
];

/// The connection: `GET /orders/7` of `shop.test`, and 404.
pub(crate) fn packets() -> Vec<Packet> {
    let (client, server) = (Endpoint::new([10, 9, 0, 7], 40_777), Endpoint::new([10, 9, 0, 1], 443));
    let talk = Conversation::tcp(client, server).at(demo::START_NS);
    let talk = TURNS.iter().enumerate().fold(talk, |talk, (n, turn)| {
        let bytes = bytes(turn);
        if n % 2 == 0 { talk.request(&bytes) } else { talk.response(&bytes) }
    });
    talk.fin().packets()
}

fn bytes(digits: &str) -> Vec<u8> {
    let pairs = (0..digits.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal digits")).collect()
}
