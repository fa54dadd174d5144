//! A capture of ours and one of tcpdump's, side by side, and what lies between two marks in both.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use wiretape_ebpf::{Capture, CaptureConfig, Direction, Event, InterfaceCounters, LiveInterface, Method};

use super::namespace::{Namespace, run};

/// Payload of the datagram before all that is compared …
pub(crate) const BEGIN: &[u8] = b"wiretape mark: begin";
/// … and of the one after.
pub(crate) const END: &[u8] = b"wiretape mark: end";

/// A frame as it was handed to the sink.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) interface: u32,
    pub(crate) ts_ns: i64,
    pub(crate) orig_len: u32,
    pub(crate) direction: Option<Direction>,
    pub(crate) data: Vec<u8>,
}

/// Everything a capture said.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    pub(crate) method: Option<Method>,
    pub(crate) interfaces: Vec<LiveInterface>,
    pub(crate) gone: Vec<String>,
    pub(crate) frames: Vec<Taken>,
    pub(crate) counters: Vec<InterfaceCounters>,
    pub(crate) notes: Vec<String>,
}

impl Recording {
    pub(crate) fn bytes(&self) -> Vec<Vec<u8>> {
        self.frames.iter().map(|f| f.data.clone()).collect()
    }

    /// Asserts what holds for every capture: times never go back within an interface, and nothing is lost uncounted.
    pub(crate) fn assert_sound(&self) {
        for interface in &self.interfaces {
            let times: Vec<_> =
                self.frames.iter().filter(|f| f.interface == interface.index).map(|f| f.ts_ns).collect();
            assert!(times.is_sorted(), "times of {} go back", interface.name);
        }
        for c in &self.counters {
            assert_eq!(c.seen, c.delivered + c.dropped_ring + c.copy_errors, "{c:?}");
        }
    }
}

/// A capture on a thread inside a namespace.
pub(crate) struct Recorder {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Recording>,
}

impl Recorder {
    /// Returns when the capture runs.
    pub(crate) fn start(namespace: &Namespace, config: CaptureConfig) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (ready, opened) = mpsc::channel();
        let mut capture = namespace.enter(|| Capture::open(&config)).unwrap_or_else(|e| panic!("{e}"));
        let stopped = Arc::clone(&stop);
        // The capture keeps the sockets of its namespace, but names of new interfaces are read by the polling thread.
        let namespace_file = namespace.handle();
        let thread = thread::spawn(move || {
            namespace_file.enter();
            ready.send(()).unwrap();
            record(&mut capture, &stopped)
        });
        opened.recv().unwrap();
        Self { stop, thread }
    }

    /// Stops it, drains it and returns what it said.
    pub(crate) fn stop(self) -> Recording {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn record(capture: &mut Capture, stop: &AtomicBool) -> Recording {
    let mut recording = Recording { method: Some(capture.method()), ..Recording::default() };
    while !stop.load(Ordering::Relaxed) {
        capture.poll(Duration::from_millis(20), &mut |event| recording.take(event)).unwrap();
    }
    capture.stop();
    while capture.poll(Duration::from_millis(50), &mut |event| recording.take(event)).unwrap() > 0 {}
    recording.counters = capture.counters();
    recording.notes = capture.fallbacks().to_vec();
    recording
}

impl Recording {
    pub(crate) fn take(&mut self, event: Event<'_>) {
        match event {
            Event::InterfaceUp(interface) => self.interfaces.push(interface),
            Event::InterfaceGone { name, .. } => self.gone.push(name),
            Event::Frame(f) => self.frames.push(Taken {
                interface: f.interface,
                ts_ns: f.ts_ns,
                orig_len: f.orig_len,
                direction: f.direction,
                data: f.data.to_vec(),
            }),
        }
    }
}

/// A tcpdump inside a namespace, writing to a file of its own.
pub(crate) struct Tcpdump {
    child: Child,
    file: PathBuf,
}

impl Tcpdump {
    /// Returns when it listens.
    pub(crate) fn start(namespace: &Namespace, interface: &str) -> Self {
        Self::start_with(namespace, interface, &[])
    }

    /// As [`start`](Self::start), with a filter.
    pub(crate) fn start_with(namespace: &Namespace, interface: &str, filter: &[&str]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let file = std::env::temp_dir().join(format!("wiretape-live-{}-{number}.pcap", std::process::id()));
        let mut child = namespace
            .command("tcpdump")
            .args(["-i", interface, "-s", "0", "-U", "-Z", "root", "-B", "65536", "-w"])
            .arg(&file)
            .args(filter)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("listening on") {
            line.clear();
            assert!(said.read_line(&mut line).unwrap() > 0, "tcpdump ended before it listened");
        }
        thread::spawn(move || said.lines().count());
        Self { child, file }
    }

    /// Waits until the end mark is in the file, ends tcpdump and returns its frames.
    pub(crate) fn stop(mut self) -> Vec<Vec<u8>> {
        let deadline = Instant::now() + Duration::from_secs(15);
        while !holds(&fs::read(&self.file).unwrap(), END) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(100));
        }
        // `ip netns exec` becomes the command, so the child is tcpdump itself.
        run(Command::new("kill").args(["-INT", &self.child.id().to_string()]));
        self.child.wait().unwrap();
        let bytes = fs::read(&self.file).unwrap();
        fs::remove_file(&self.file).unwrap();
        pcap_frames(&bytes)
    }
}

/// Frames of a pcap file in this machine's byte order.
fn pcap_frames(file: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let mut rest = &file[24..];
    while let Some((head, after)) = rest.split_first_chunk::<16>() {
        let caplen = u32::from_ne_bytes(*head[8..].first_chunk().unwrap()) as usize;
        let (frame, next) = after.split_at(caplen);
        frames.push(frame.to_vec());
        rest = next;
    }
    frames
}

pub(crate) fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|w| w == part)
}

/// The frames after the first begin mark and before the first end mark, in an order of their own.
pub(crate) fn between_marks(frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let at = |mark| frames.iter().position(|f| holds(f, mark)).unwrap_or_else(|| panic!("no mark in {}", frames.len()));
    let mut between = frames[at(BEGIN)..at(END)].to_vec();
    between.sort();
    between
}

/// Asserts that two sorted lists hold the same frames, and says little when they do not.
pub(crate) fn assert_same(ours: &[Vec<u8>], theirs: &[Vec<u8>], what: &str) {
    let only = |a: &[Vec<u8>], b: &[Vec<u8>]| {
        let heads = a.iter().filter(|f| !b.contains(f)).map(|f| (f.len(), f[..f.len().min(60)].to_vec()));
        heads.take(3).collect::<Vec<_>>()
    };
    assert!(
        ours == theirs,
        "{what}: {} frames of ours, {} of tcpdump's; only ours {:?}; only tcpdump's {:?}",
        ours.len(),
        theirs.len(),
        only(ours, theirs),
        only(theirs, ours)
    );
}
