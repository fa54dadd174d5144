//! Frames of protocols that the corpus lacks, made by hand.

use super::packets::Packet;

const MULTICAST: [u8; 6] = [1, 0x80, 0xc2, 0, 0, 0];
const STATION: [u8; 6] = [0, 0x11, 0x22, 0x33, 0x44, 0x55];

/// All of them.
pub(super) fn crafted() -> Vec<Packet> {
    [llc(), tagged(), internet(), numbered()].concat()
}

fn frame(destination: [u8; 6], kind: u16, payload: &[u8]) -> Packet {
    let mut data = [&destination[..], &[0, 1, 2, 3, 4, 5], &kind.to_be_bytes(), payload].concat();
    data.resize(data.len().max(60), 0);
    Packet { orig_len: u32::try_from(data.len()).unwrap(), data }
}

fn ip(protocol: u8, payload: &[u8]) -> Vec<u8> {
    [&[0x45, 0, 0, 60, 0, 1, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2][..], payload].concat()
}

fn ip6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![0x60, 0, 0, 0, 0, 20, next, 64];
    header.extend([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    header.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    [&header, payload].concat()
}

/// IEEE 802.3 frames with an LLC header.
fn llc() -> Vec<Packet> {
    vec![
        frame(MULTICAST, 38, &[0x42, 0x42, 3, 0, 0, 0]),
        frame(MULTICAST, 40, &[0xe0, 0xe0, 3, 0xff, 0xff]),
        frame(MULTICAST, 40, &[0xff, 0xff, 0, 30]),
        frame(MULTICAST, 40, &[0xf0, 0xf0, 3, 44]),
        frame(MULTICAST, 40, &[6, 6, 3, 0x45]),
        frame(MULTICAST, 40, &[0xaa, 0xaa, 3, 0, 0, 0, 0x81, 0x37, 1]),
        frame(MULTICAST, 40, &[0xaa, 0xaa, 3, 8, 0, 7, 0x80, 0x9b, 1]),
        frame(MULTICAST, 40, &[0xaa, 0xaa, 3, 0, 0, 0, 0x80, 0xf3, 1]),
        frame(STATION, 40, &[4, 4, 0x01]),
        frame(STATION, 40, &[4, 4, 0x05]),
        frame(STATION, 40, &[4, 4, 0x10]),
        frame(STATION, 40, &[4, 4, 0xaf]),
    ]
}

/// ARP, PPPoE, MPLS and VLAN tags.
fn tagged() -> Vec<Packet> {
    vec![
        frame(
            [0xff; 6],
            0x8035,
            &[0, 1, 8, 0, 6, 4, 0, 3, 0, 1, 2, 3, 4, 5, 10, 0, 0, 1, 0, 1, 2, 3, 4, 5, 10, 0, 0, 2],
        ),
        frame(
            [0xff; 6],
            0x0806,
            &[0, 1, 8, 0, 6, 4, 0, 1, 0, 1, 2, 3, 4, 5, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2],
        ),
        frame(STATION, 0x8863, &[0x11, 9, 0, 0, 0, 4]),
        frame(
            STATION,
            0x8864,
            &[&[0x11, 0, 0, 0x27, 0, 62, 0, 0x21][..], &ip(17, &[0, 53, 0, 80, 0, 20, 0, 0])].concat(),
        ),
        frame(
            STATION,
            0x8864,
            &[&[0x11, 0, 0, 1, 0, 62, 0, 0x57][..], &ip6(17, &[0, 53, 0, 53, 0, 20, 0, 0])].concat(),
        ),
        frame(STATION, 0x8864, &[0x11, 0, 0, 1, 0, 62, 2, 0x81, 0, 1, 1, 64, 0x45]),
        frame(STATION, 0x8847, &[&[0, 0, 0x10, 64, 0, 0, 0x21, 64][..], &ip(6, &[0, 80, 1, 187])].concat()),
        frame(STATION, 0x8847, &[&[0, 1, 1, 64][..], &ip6(6, &[0, 80, 1, 187])].concat()),
        frame(STATION, 0x9100, &[&[0, 1, 0x81, 0, 0, 2, 8, 0][..], &ip(1, &[8, 0, 0, 0])].concat()),
        frame(STATION, 0x88a8, &[&[0x20, 100, 0x86, 0xdd][..], &ip6(58, &[135, 0, 0, 0])].concat()),
    ]
}

/// IP with options, extension headers and tunnels.
fn internet() -> Vec<Packet> {
    vec![
        frame(STATION, 0x86dd, &ip6(44, &[6, 0, 0, 0, 0, 0, 0, 1, 0, 80, 1, 187])),
        frame(STATION, 0x86dd, &ip6(132, &[0x96, 0x0c, 0x96, 0x0c])),
        frame(
            STATION,
            0x86dd,
            &ip6(
                17,
                &[&[0x30, 0, 0x17, 0xc1, 0, 60, 0, 0, 0, 0, 0x86, 0xdd, 0, 0, 0xb, 0][..], &ip6(6, &[0, 22, 0, 80])]
                    .concat(),
            ),
        ),
        frame(
            STATION,
            0x0800,
            &ip(
                17,
                &[
                    &[0x30, 0, 0x17, 0xc1, 0, 60, 0, 0, 1, 0, 8, 0, 0, 0, 0xb, 0, 1, 2, 3, 4][..],
                    &ip(6, &[0, 22, 0, 80]),
                ]
                .concat(),
            ),
        ),
        frame(STATION, 0x0800, &ip(17, &[0x30, 0, 0x17, 0xc1, 0, 60, 0, 0, 0x40, 0, 8, 0, 0, 0, 0xb, 0])),
        frame(
            [0xff; 6],
            0x0800,
            &[0x46, 0, 0, 60, 0, 1, 0, 0, 1, 2, 0, 0, 10, 0, 0, 1, 255, 255, 255, 255, 0x94, 4, 0, 0, 0x16, 0],
        ),
        frame(
            [1, 0, 0x5e, 0, 0, 1],
            0x0800,
            &[0x45, 0, 0, 60, 0, 1, 0, 0, 1, 103, 0, 0, 0, 0, 0, 0, 224, 0, 0, 1, 0x20, 0],
        ),
    ]
}

/// One frame for each number that a filter has a name for.
fn numbered() -> Vec<Packet> {
    let mut packets = Vec::new();
    packets.extend(
        [6, 9, 46, 50, 51, 89, 112, 132].map(|protocol| frame(STATION, 0x0800, &ip(protocol, &[0, 80, 0, 80, 1]))),
    );
    packets.extend(
        [15, 16, 17, 18, 20, 24, 25, 26, 27].map(|pdu| frame(STATION, 40, &[0xfe, 0xfe, 3, 0x83, 27, 1, 0, pdu])),
    );
    packets.extend([0x81, 0x82].map(|nlpid| frame(STATION, 40, &[0xfe, 0xfe, 3, nlpid, 27, 1, 0, 1])));
    packets.extend(
        [0x6001, 0x6002, 0x6003, 0x6004, 0x6007, 0x809b, 0x80f3, 0x8137, 0x9000, 0xfefe]
            .map(|kind| frame(STATION, kind, &[0, 1, 0x83, 0, 0, 0, 15])),
    );
    packets
}
