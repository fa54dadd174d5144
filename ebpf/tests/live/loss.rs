//! Loss is counted to the frame, the filter's work too.

use std::{process::Command, thread, time::Duration};

use wiretape_ebpf::{Capture, FilterInsn, Interfaces};

use crate::{
    METHODS, config,
    namespace::{Namespace, joined, possible, run},
    recorder::{Recorder, Recording, holds},
    traffic,
};

/// A reader that sleeps through a burst bigger than the ring: what it gets and what was counted as lost make up all there was.
#[test]
fn a_tiny_ring_counts_every_loss() {
    if !possible() {
        return;
    }
    const SENT: usize = 20_000;
    for method in METHODS {
        let alone = Namespace::new();
        let _sink = traffic::sink(&alone, "127.0.0.1");
        let mut config = config(method, &["lo"]);
        (config.ring_bytes, config.snaplen) = (256 << 10, 2048);
        let recording = alone.enter(|| {
            let mut capture = Capture::open(&config).unwrap();
            traffic::datagrams(&alone, "127.0.0.1", (0..SENT).map(|_| &b"a burst nobody reads"[..]));
            let mut recording = Recording::default();
            // The first blocks are read while nothing comes, then it is all over.
            capture.stop();
            while capture.poll(Duration::from_millis(50), &mut |event| recording.take(event)).unwrap() > 0 {}
            recording.counters = capture.counters();
            recording
        });
        recording.assert_sound();
        let counters = recording.counters[0];
        assert_eq!(counters.seen, SENT as u64, "{method}: {counters:?}");
        assert_eq!(counters.delivered, recording.frames.len() as u64);
        assert!(counters.dropped_ring > 0, "{method}: the ring was not tiny enough: {counters:?}");
    }
}

/// A filter runs in the kernel on a packet socket, no frame slips past it, and what it rejected is known exactly.
#[test]
fn the_filter_runs_in_the_kernel_and_counts() {
    if !possible() {
        return;
    }
    let program = run(Command::new("tcpdump").args(["-y", "EN10MB", "-ddd", "udp and greater 200"]));
    let filter: Vec<FilterInsn> = program
        .lines()
        .skip(1)
        .map(|line| {
            let n: Vec<u32> = line.split_whitespace().map(|w| w.parse().unwrap()).collect();
            FilterInsn { code: n[0] as u16, jt: n[1] as u8, jf: n[2] as u8, k: n[3] }
        })
        .collect();
    for all in [false, true] {
        let alone = Namespace::new();
        let _sink = traffic::sink(&alone, "127.0.0.1");
        let mut config = config(wiretape_ebpf::Method::PacketSocket, &["lo"]);
        config.filter = Some(filter.clone());
        if all {
            config.interfaces = Interfaces::Any;
        }
        // Traffic runs before, while and after the socket is opened: nothing of it may slip in unfiltered.
        let ours = thread::scope(|scope| {
            scope.spawn(|| traffic::datagrams(&alone, "127.0.0.1", (0..20_000).map(|_| &b"too small"[..])));
            thread::sleep(Duration::from_millis(5));
            Recorder::start(&alone, config)
        });
        traffic::datagrams(&alone, "127.0.0.1", (0..300).map(|_| &[7; 250][..]));
        let recording = ours.stop();
        recording.assert_sound();
        assert_eq!(recording.frames.len(), 300, "all interfaces: {all}");
        assert!(recording.frames.iter().all(|f| holds(&f.data, &[7; 250])));
        let total = recording.counters.iter().find_map(|c| c.filtered).unwrap();
        assert!((1..=20_000).contains(&total), "{total} rejected of at most 20,000");
    }
}

/// Ways without a filter in the kernel say so and hand everything on.
#[test]
fn kernel_programs_leave_filtering_to_the_caller() {
    if !possible() {
        return;
    }
    let (west, east) = joined();
    let _sink = traffic::sink(&east, "10.7.0.2");
    for method in METHODS {
        let mut config = config(method, &["east"]);
        config.filter = Some(vec![FilterInsn { code: 6, jt: 0, jf: 0, k: 0 }]);
        let in_kernel = east.enter(|| Capture::open(&config).unwrap().filter_in_kernel());
        assert_eq!(in_kernel, method == wiretape_ebpf::Method::PacketSocket);
        let ours = Recorder::start(&east, config);
        traffic::datagrams(&west, "10.7.0.2", [&b"any"[..]]);
        thread::sleep(Duration::from_millis(50));
        let got = ours.stop().frames.iter().any(|f| holds(&f.data, b"any"));
        assert_eq!(got, !in_kernel, "{method}");
    }
}
