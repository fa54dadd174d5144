//! Interfaces that come and go, and captures that end without a word.

use std::{
    env,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use aya::programs::{SchedClassifier, TcAttachType};
use wiretape_ebpf::{Capture, CaptureError, Event, Interfaces, Method};

use crate::{
    METHODS, config,
    namespace::{self, Namespace, joined, possible, run},
    recorder::{Recorder, holds},
    traffic,
};

/// Time for news of an interface to be followed.
const NEWS: Duration = Duration::from_millis(300);

/// All interfaces: one that appears is captured, one that disappears ends nothing.
#[test]
fn all_interfaces_follow_the_machine() {
    if !possible() {
        return;
    }
    for method in METHODS {
        let (west, east) = joined();
        let mut config = config(method, &[]);
        config.interfaces = Interfaces::Any;
        let ours = Recorder::start(&east, config);
        let sink = traffic::sink(&east, "10.7.0.2");
        traffic::datagrams(&west, "10.7.0.2", [&b"before"[..]]);

        east.ip(&format!("link add later type veth peer name far netns {}", west.name()));
        west.ip("addr add 10.8.0.1/24 dev far");
        west.ip("link set far up");
        east.ip("addr add 10.8.0.2/24 dev later");
        east.ip("link set later up");
        thread::sleep(NEWS);
        let later_sink = traffic::sink(&east, "10.8.0.2");
        traffic::datagrams(&west, "10.8.0.2", [&b"on the new one"[..]]);
        east.ip("link del later");
        thread::sleep(NEWS);
        traffic::datagrams(&west, "10.7.0.2", [&b"after"[..]]);
        thread::sleep(NEWS);

        drop((sink, later_sink));
        let recording = ours.stop();
        recording.assert_sound();
        let number = |name: &str| recording.interfaces.iter().find(|i| i.name == name).map(|i| i.index);
        let on = |text: &[u8]| recording.frames.iter().find(|f| holds(&f.data, text)).map(|f| f.interface);
        assert_eq!(on(b"before"), number("east"), "{method}");
        assert!(on(b"on the new one").is_some(), "{method}");
        assert_eq!(on(b"on the new one"), number("later"), "{method}");
        assert_eq!(on(b"after"), number("east"), "{method}");
        assert_eq!(recording.gone, ["later"], "{method}");
        let of_later = recording.counters.iter().find(|c| c.interface == number("later")).unwrap();
        assert!(of_later.delivered > 0, "{method}: counts stay after the interface is gone");
    }
}

/// A named interface that goes away and returns is captured again, under the same number.
#[test]
fn a_named_interface_that_returns_is_taken_up_again() {
    if !possible() {
        return;
    }
    for method in METHODS {
        let (west, east) = joined();
        let ours = Recorder::start(&east, config(method, &["east"]));
        traffic::datagrams(&west, "10.7.0.2", [&b"first life"[..]]);
        thread::sleep(NEWS);
        east.ip("link del east");
        thread::sleep(NEWS);
        west.ip(&format!("link add west type veth peer name east netns {}", east.name()));
        for (namespace, name, host) in [(&west, "west", 1), (&east, "east", 2)] {
            namespace.ip(&format!("addr add 10.7.0.{host}/24 dev {name}"));
            namespace.ip(&format!("link set {name} up"));
        }
        thread::sleep(NEWS);
        traffic::datagrams(&west, "10.7.0.2", [&b"second life"[..]]);
        thread::sleep(NEWS);
        let recording = ours.stop();
        recording.assert_sound();
        let on = |text: &[u8]| recording.frames.iter().find(|f| holds(&f.data, text)).map(|f| f.interface);
        assert_eq!((on(b"first life"), on(b"second life")), (Some(0), Some(0)), "{method}");
        assert_eq!(recording.gone, ["east"], "{method}");
        assert_eq!(recording.interfaces.len(), 2, "{method}: told up twice");
        assert_eq!(recording.counters.len(), 1, "{method}: one sum for both lives");
    }
}

/// Killed outright, a TCX capture leaves nothing on the interface; a clsact capture leaves its filters, and the next one removes
/// them, but not those of a capture that lives.
#[test]
fn a_killed_capture_is_cleaned_up_after() {
    if !possible() {
        return;
    }
    let alone = Namespace::new();
    let tcx_programs = || {
        alone.enter(|| {
            [TcAttachType::Ingress, TcAttachType::Egress]
                .map(|way| SchedClassifier::query_tcx("lo", way).unwrap().1.len())
                .into_iter()
                .sum::<usize>()
        })
    };
    let filters = || {
        let list = run(alone.command("tc").args(["filter", "show", "dev", "lo", "ingress"]));
        list.lines().filter(|line| line.contains("wiretape_in")).count()
    };

    let killed = capture_in_a_process(&alone, "tcx");
    assert_eq!(tcx_programs(), 1);
    killed.kill();
    // The kernel lets go of a dead process's programs a moment later.
    let deadline = Instant::now() + Duration::from_secs(5);
    while tcx_programs() > 0 && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(tcx_programs(), 0);

    for _ in 0..2 {
        let killed = capture_in_a_process(&alone, "clsact");
        assert_eq!(filters(), 1, "the one that runs, none of the one before");
        let second = alone.enter(|| Capture::open(&config(Method::Clsact, &["lo"])));
        assert!(matches!(second, Err(CaptureError::Method { .. })), "the living one keeps its hooks");
        assert_eq!(filters(), 1, "and its filter");
        killed.kill();
        assert_eq!(filters(), 1, "left behind");
    }
    let capture = alone.enter(|| Capture::open(&config(Method::Clsact, &["lo"])).unwrap());
    assert_eq!(filters(), 1);
    alone.enter(|| drop(capture));
    assert_eq!(filters(), 0, "one that ends in order takes its own along");
}

/// Starts this test binary again, inside, as a capture that runs until it is killed.
fn capture_in_a_process(namespace: &Namespace, method: &str) -> Running {
    let mut child = namespace
        .command(env::current_exe().unwrap().to_str().unwrap())
        .args(["--exact", "lifecycle::capture_until_killed", "--nocapture"])
        .env("WIRETAPE_LIVE_CHILD", method)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = std::io::BufReader::new(child.stdout.take().unwrap());
    let running = std::io::BufRead::lines(said).map_while(Result::ok).any(|line| line.contains("captures lo"));
    assert!(running, "the child ended before it captured");
    Running(child)
}

/// A child that does not outlive the test.
struct Running(Child);

impl Running {
    /// `SIGKILL`: the child gets no chance to clean up.
    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Dead already where the test went well.
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

#[test]
fn capture_until_killed() {
    let Some(method) = env::var_os("WIRETAPE_LIVE_CHILD") else { return };
    let method = if method == "tcx" { Method::Tcx } else { Method::Clsact };
    let mut capture = Capture::open(&config(method, &["lo"])).unwrap();
    std::io::Write::write_all(&mut std::io::stdout(), b"\ncaptures lo\n").unwrap();
    loop {
        capture.poll(Duration::from_secs(1), &mut |_| {}).unwrap();
    }
}

/// An interface that is down is waited for, not asked all the time.
#[test]
fn waiting_on_a_down_interface_costs_nothing() {
    if !possible() {
        return;
    }
    let (_west, east) = joined();
    east.ip("link set east down");
    for method in METHODS {
        let used = east.enter(|| {
            let mut capture = Capture::open(&config(method, &["east"])).unwrap();
            let before = namespace::thread_cpu();
            let deadline = Instant::now() + Duration::from_millis(500);
            while Instant::now() < deadline {
                capture.poll(Duration::from_millis(100), &mut |_| {}).unwrap();
            }
            namespace::thread_cpu() - before
        });
        assert!(used < Duration::from_millis(30), "{method}: {used:?} of processor time in half a second");
    }
}

/// A name that is not there is answered with the nearest and the list.
#[test]
fn an_unknown_interface_is_named_with_its_neighbours() {
    if !possible() {
        return;
    }
    let (_west, east) = joined();
    let said = east.enter(|| Capture::open(&config(Method::Auto, &["eats"])).unwrap_err().to_string());
    assert_eq!(said, "no interface named \"eats\", did you mean \"east\"?; there are lo, east");
}

/// Promiscuous mode is on while the capture lives and off after it.
#[test]
fn promiscuous_mode_ends_with_the_capture() {
    if !possible() {
        return;
    }
    let (_west, east) = joined();
    let count = || {
        let text = run(Command::new("ip").args(["-n", east.name(), "-d", "link", "show", "east"]));
        text.split("promiscuity ").nth(1).unwrap().split(' ').next().unwrap().parse::<u32>().unwrap()
    };
    for method in METHODS {
        let mut config = config(method, &["east"]);
        config.promiscuous = true;
        let mut capture = east.enter(|| Capture::open(&config).unwrap());
        assert_eq!(count(), 1, "{method}");
        let mut up = 0;
        capture.poll(Duration::ZERO, &mut |event| up += u32::from(matches!(event, Event::InterfaceUp(_)))).unwrap();
        assert_eq!(up, 1);
        drop(capture);
        assert_eq!(count(), 0, "{method}");
    }
}
