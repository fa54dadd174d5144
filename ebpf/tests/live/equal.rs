//! What a capture shows is what tcpdump shows, byte for byte.

use wiretape_ebpf::{Direction, LINKTYPE_ETHERNET, LINKTYPE_RAW};

use crate::{
    METHODS, config,
    namespace::{Namespace, joined, possible},
    recorder::{BEGIN, END, Recorder, Recording, Tcpdump, assert_same, between_marks, holds},
    traffic::{self, Tun},
};

/// IPv4, IPv6, ARP, VLAN tags of both kinds and both depths, and a TCP transfer in super-packets, both directions, over veth.
#[test]
fn veth_equals_tcpdump() {
    if !possible() {
        return;
    }
    for method in METHODS {
        let (west, east) = joined();
        let _sinks =
            (traffic::sink(&east, "10.7.0.2"), traffic::sink(&east, "fd07::2"), traffic::sink(&west, "10.7.0.1"));
        let tcpdump = Tcpdump::start(&east, "east");
        let ours = Recorder::start(&east, config(method, &["east"]));

        traffic::datagrams(&west, "10.7.0.2", [BEGIN, b"four", &[7; 1200]]);
        traffic::datagrams(&west, "fd07::2", [&b"six"[..], &[8; 1300]]);
        traffic::datagrams(&east, "10.7.0.1", [&b"back"[..]]);
        let tags: [&[(u16, u16)]; 4] =
            [&[(0x8100, 5)], &[(0x8100, 0x6fff)], &[(0x88a8, 7), (0x8100, 8)], &[(0x8100, 0)]];
        let frames: Vec<_> = tags.iter().map(|tags| traffic::tagged_frame(tags)).collect();
        traffic::raw_frames(&west, "west", &frames);
        traffic::raw_frames(&east, "east", &frames);
        traffic::transfer(&west, &east, "10.7.0.2", 4 << 20);
        traffic::transfer(&east, &west, "fd07::1", 1 << 20);
        traffic::datagrams(&west, "10.7.0.2", [END]);

        let theirs = between_marks(&tcpdump.stop());
        let recording = ours.stop();
        let mine = between_marks(&recording.bytes());
        assert_same(&mine, &theirs, &method.to_string());
        recording.assert_sound();
        assert_eq!(recording.method, Some(method));
        assert_eq!(recording.interfaces[0].link_type, LINKTYPE_ETHERNET);
        assert!(mine.iter().any(|f| f.len() > 10_000), "no super-packet was on the wire");
        for frame in frames {
            assert_eq!(mine.iter().filter(|f| **f == frame).count(), 2, "a tagged frame each way");
        }
        assert_directions(&recording);
        assert!(recording.frames.iter().all(|f| f.orig_len as usize == f.data.len()));
    }
}

fn assert_directions(recording: &Recording) {
    let of = |mark: &[u8]| recording.frames.iter().find(|f| holds(&f.data, mark)).unwrap().direction;
    assert_eq!(of(BEGIN), Some(Direction::In));
    assert_eq!(of(b"back"), Some(Direction::Out));
}

/// On the loopback every frame is there once, as in tcpdump, also when all interfaces are asked for.
#[test]
fn loopback_is_there_once() {
    if !possible() {
        return;
    }
    for method in METHODS {
        for all in [false, true] {
            let alone = Namespace::new();
            let _sinks = (traffic::sink(&alone, "127.0.0.1"), traffic::sink(&alone, "::1"));
            let mut config = config(method, &["lo"]);
            if all {
                config.interfaces = wiretape_ebpf::Interfaces::Any;
            }
            let tcpdump = Tcpdump::start(&alone, "lo");
            let ours = Recorder::start(&alone, config);
            traffic::datagrams(&alone, "127.0.0.1", [BEGIN, b"once"]);
            traffic::datagrams(&alone, "::1", [&b"once more"[..]]);
            traffic::transfer(&alone, &alone, "127.0.0.1", 4 << 20);
            traffic::datagrams(&alone, "127.0.0.1", [END]);
            let theirs = between_marks(&tcpdump.stop());
            let recording = ours.stop();
            let mine = between_marks(&recording.bytes());
            assert_same(&mine, &theirs, &format!("{method}, all interfaces: {all}"));
            assert_eq!(mine.iter().filter(|f| holds(f, b"once more")).count(), 1);
            recording.assert_sound();
        }
    }
}

/// A device without link header gives raw IP, in both directions and both versions.
#[test]
fn tun_gives_raw_ip() {
    if !possible() {
        return;
    }
    for method in METHODS {
        let alone = Namespace::new();
        let mut tun = Tun::new(&alone);
        let _sink = traffic::sink(&alone, "10.9.0.1");
        let tcpdump = Tcpdump::start(&alone, "tun0");
        let ours = Recorder::start(&alone, config(method, &["tun0"]));
        traffic::datagrams(&alone, "10.9.0.2", [BEGIN, b"out"]);
        traffic::datagrams(&alone, "fd09::2", [&b"out six"[..]]);
        let packet = traffic::ipv4_datagram(b"in");
        tun.receive(&packet);
        traffic::datagrams(&alone, "10.9.0.2", [END]);
        let theirs = between_marks(&tcpdump.stop());
        let recording = ours.stop();
        let mine = between_marks(&recording.bytes());
        assert_same(&mine, &theirs, &method.to_string());
        recording.assert_sound();
        assert_eq!(recording.interfaces[0].link_type, LINKTYPE_RAW);
        assert!(mine.contains(&packet), "{method}: the packet that came in");
        assert!(mine.iter().all(|p| matches!(p[0] >> 4, 4 | 6)), "{method}: IP from the first byte");
    }
}
