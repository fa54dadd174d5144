//! A running capture: which way in, which interfaces are attached now, and the loop that hands frames on.
//!
//! ```text
//!  poll ─► news of interfaces? ─► detach, drain, "gone" │ attach, "up"
//!       ─► drain the ring ─► sink
//!       ─► nothing there: sleep until enough waits or a few milliseconds are over
//! ```
//!
//! Loss is never silent: what the ring had no room for is counted by the kernel, exactly, and shown by [`Capture::counters`].

use std::{
    fmt,
    os::fd::{AsFd, OwnedFd},
    time::{Duration, Instant},
};

use crate::{
    CaptureError,
    clock::Clock,
    config::{CaptureConfig, Interfaces, MAX_SNAPLEN, Method},
    filter,
    interfaces::{LinkNews, NetInterface, interfaces, nearest},
    live::{Event, InterfaceCounters},
    packet_socket::PacketPath,
    path::Path,
    syscalls::{self, Waited},
    table::{Delivery, KernelCounts, Table},
};

/// Frames one poll hands on before it returns, so that a caller under load sees its signals.
const MAX_POLL: usize = 1 << 16;
/// Below the wake-up threshold the ring is looked at this often while frames come …
const BUSY_LOOK: Duration = Duration::from_millis(5);
/// … and this often when none did for a while. A frame after a pause waits no longer than this.
const IDLE_LOOK: Duration = Duration::from_millis(40);
/// The list of interfaces is read without news this often, to try again what could not be attached.
const RELIST: Duration = Duration::from_secs(5);
/// Notes kept for the operator.
const MAX_NOTES: usize = 64;
/// More frames than any ring holds: the smallest record is 128 bytes and a header.
const WHOLE_RING: usize = (1 << 30) / 128;

/// A live capture. Dropping it detaches everything.
///
/// It belongs to the network namespace of the thread that opened it: poll and drop it on threads there.
pub struct Capture {
    wanted: Interfaces,
    snaplen: u32,
    method: Method,
    filter_in_kernel: bool,
    path: Path,
    table: Table,
    news: LinkNews,
    listed: Instant,
    clock: Clock,
    notes: Vec<String>,
    /// Holds promiscuous mode; the kernel ends it with this descriptor.
    promiscuous: Option<OwnedFd>,
    look: Duration,
    stopped: bool,
}

impl Capture {
    /// Starts a capture by the method asked for; [`Method::Auto`] takes the first that works.
    ///
    /// # Errors
    /// [`CaptureError::NoInterface`] for a name that is not there, [`CaptureError::Method`] with the kernel's reason when the way
    /// (of `Auto`: the last way) is not possible here.
    pub fn open(config: &CaptureConfig) -> Result<Self, CaptureError> {
        let config = checked(config)?;
        let news = LinkNews::open()?;
        let present = interfaces()?;
        check_names(&config.interfaces, &present)?;
        let methods: &[Method] = match config.method {
            Method::Auto => &[Method::Tcx, Method::Clsact, Method::PacketSocket],
            Method::Tcx => &[Method::Tcx],
            Method::Clsact => &[Method::Clsact],
            Method::PacketSocket => &[Method::PacketSocket],
        };
        let promiscuous = config
            .promiscuous
            .then(|| syscalls::socket(libc::AF_PACKET, libc::SOCK_RAW, 0))
            .transpose()
            .map_err(|source| CaptureError::Kernel { what: "a packet socket for promiscuous mode", source })?;
        let mut capture = Self {
            wanted: config.interfaces.clone(),
            snaplen: config.snaplen,
            method: Method::Auto,
            filter_in_kernel: false,
            path: Path::Each(PacketPath::new(&config)),
            table: Table::default(),
            news,
            listed: Instant::now(),
            clock: Clock::new(),
            notes: Vec::new(),
            promiscuous,
            look: BUSY_LOOK,
            stopped: false,
        };
        for &method in methods {
            match capture.start(&config, method, &present) {
                Ok(()) => return Ok(capture),
                Err(reason) => capture.note(format!("{method} is not possible: {reason}")),
            }
        }
        let reason = capture.notes.join("; ");
        Err(CaptureError::Method { method: config.method, reason })
    }

    fn start(&mut self, config: &CaptureConfig, method: Method, present: &[NetInterface]) -> Result<(), String> {
        self.path = Path::open(config, method, present)?;
        self.table = Table::default();
        let (attached, refused) = self.attach_new(present);
        match (refused, &config.interfaces) {
            (Some(why), Interfaces::Named(_)) => return Err(why),
            (Some(why), Interfaces::Any) if attached == 0 => return Err(why),
            _ => {}
        }
        self.method = method;
        self.filter_in_kernel = method == Method::PacketSocket && config.filter.is_some();
        Ok(())
    }

    /// The way in that is used; never [`Method::Auto`].
    pub fn method(&self) -> Method {
        self.method
    }

    /// Each way that was tried and did not work, and each interface that could not be taken, with the reason; one line each.
    pub fn fallbacks(&self) -> &[String] {
        &self.notes
    }

    /// Whether the filter runs in the kernel. Otherwise every frame is handed on and the caller filters.
    pub fn filter_in_kernel(&self) -> bool {
        self.filter_in_kernel
    }

    /// Hands on what there is: news of interfaces, then frames. With nothing there it waits up to `timeout` and looks again.
    /// Returns how many events the sink got; 0 also when a signal came.
    ///
    /// # Errors
    /// Only what ends the capture: the kernel's refusal to wait, or a ring of another build.
    pub fn poll(&mut self, timeout: Duration, sink: &mut dyn FnMut(Event<'_>)) -> Result<usize, CaptureError> {
        let deadline = Instant::now().checked_add(timeout);
        let mut events = 0;
        loop {
            self.clock.refresh();
            events += self.follow_interfaces(sink)?;
            let frames = self.drain(MAX_POLL, sink)?;
            events += frames;
            if frames > 0 {
                self.look = BUSY_LOOK;
            }
            let left = deadline.map_or(timeout, |d| d.saturating_duration_since(Instant::now()));
            if events > 0 || left.is_zero() {
                return Ok(events);
            }
            let slice = left.min(if self.path.must_look() { self.look } else { RELIST });
            let failed = |source| CaptureError::Kernel { what: "poll", source };
            match self.path.wait(self.news.as_fd(), slice).map_err(failed)? {
                Waited::Interrupted => return Ok(0),
                Waited::TimedOut => self.look = (self.look * 2).min(IDLE_LOOK),
                Waited::Ready => {}
            }
        }
    }

    /// Takes no further frames. What waits in the ring still comes with [`Self::poll`]; once a poll of 50 ms returns 0, the
    /// counters add up.
    pub fn stop(&mut self) {
        self.stopped = true;
        self.path.quiet_all(self.table.iter().filter_map(|(_, known)| known.ifindex));
    }

    /// What became of the frames of each interface there ever was in this capture. Exact once the ring is drained; while
    /// frames flow, those in the ring are seen and not yet delivered.
    pub fn counters(&self) -> Vec<InterfaceCounters> {
        let together = self.path.counts_of_all();
        let each = self.table.iter().map(|(number, known)| {
            let mut counts = known.past;
            if together.is_some() {
                // The one socket does not tell interfaces apart: of each it is known what was delivered.
                counts.seen = known.delivered;
            } else if let Some(ifindex) = known.ifindex {
                counts.add(self.path.counts(ifindex));
            }
            counts.with(Some(number), known.delivered, 0)
        });
        let mut all: Vec<_> = each.collect();
        if let Some(counts) = together {
            let delivered = self.table.iter().map(|(_, known)| known.delivered).sum();
            all.push(counts.with(None, delivered, self.table.unnumbered));
        }
        all
    }

    fn drain(&mut self, limit: usize, sink: &mut dyn FnMut(Event<'_>)) -> Result<usize, CaptureError> {
        let mut delivery = Delivery { table: &mut self.table, clock: &self.clock, snaplen: self.snaplen, sink };
        self.path.drain(limit, &mut delivery)
    }

    /// Follows interfaces that came, went, changed their number, name or state.
    fn follow_interfaces(&mut self, sink: &mut dyn FnMut(Event<'_>)) -> Result<usize, CaptureError> {
        let due = self.listed.elapsed() >= RELIST;
        let mut events = 0;
        if !self.stopped && (self.news.any() || due) {
            self.listed = Instant::now();
            self.path.keep();
            let present = interfaces()?;
            let gone: Vec<u32> = self
                .table
                .iter()
                .filter_map(|(_, known)| known.ifindex.map(|ifindex| (ifindex, known)))
                .filter(|(ifindex, known)| {
                    !present.iter().any(|i| {
                        i.ifindex == *ifindex
                            && i.name == known.name
                            && i.link_type() == Some(known.link_type)
                            && self.wanted.want(&i.name, i.up)
                    })
                })
                .map(|(ifindex, _)| ifindex)
                .collect();
            for ifindex in gone {
                events += self.let_go(ifindex, sink)?;
            }
            self.attach_new(&present);
        }
        Ok(events + self.table.announce(self.snaplen, sink))
    }

    /// Ends the capture of one interface: its last frames first, then the news that it is gone.
    fn let_go(&mut self, ifindex: u32, sink: &mut dyn FnMut(Event<'_>)) -> Result<usize, CaptureError> {
        self.path.quiet(ifindex);
        self.table.announce(self.snaplen, sink);
        let drained = self.drain(WHOLE_RING, sink)?;
        let counted = self.path.close(ifindex);
        self.table.leave(ifindex, counted, sink);
        Ok(drained + 1)
    }

    /// Attaches what is wanted and not attached. Returns how many there are now and the first refusal.
    fn attach_new(&mut self, present: &[NetInterface]) -> (usize, Option<String>) {
        let mut attached = 0;
        let mut refused = None;
        for interface in present {
            if !self.wanted.want(&interface.name, interface.up) {
                continue;
            }
            if self.table.number(interface.ifindex).is_some() {
                attached += 1;
                continue;
            }
            match self.attach(interface) {
                Ok(()) => attached += 1,
                Err(why) => {
                    let why = format!("{}: {why}", interface.name);
                    if self.method != Method::Auto || matches!(self.wanted, Interfaces::Any) {
                        self.note(format!("not captured: {why}"));
                    }
                    refused.get_or_insert(why);
                }
            }
        }
        (attached, refused)
    }

    fn attach(&mut self, interface: &NetInterface) -> Result<(), String> {
        let link_type = interface
            .link_type()
            .ok_or_else(|| format!("frames of hardware type {} have no link type here", interface.arphrd))?;
        let number = self
            .table
            .enter(&interface.name, interface.ifindex, link_type)
            .ok_or("this capture has seen too many interfaces")?;
        let taken = self.path.attach(number, link_type, interface);
        if taken.is_err() {
            self.table.leave(interface.ifindex, KernelCounts::default(), &mut |_| {});
        } else if let Some(fd) = &self.promiscuous
            && let Err(e) = syscalls::join_promiscuous(fd.as_fd(), interface.ifindex)
        {
            self.note(format!("{}: not promiscuous: {e}", interface.name));
        }
        taken
    }

    fn note(&mut self, text: String) {
        if self.notes.len() < MAX_NOTES && !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture")
            .field("method", &self.method)
            .field("interfaces", &self.wanted)
            .finish_non_exhaustive()
    }
}

/// The configuration with its numbers in range, or why it cannot mean anything.
fn checked(config: &CaptureConfig) -> Result<CaptureConfig, CaptureError> {
    let mut config = config.clone();
    if config.snaplen == 0 {
        return Err(CaptureError::Config("a snap length of 0 would keep no byte of any frame".to_owned()));
    }
    config.snaplen = config.snaplen.min(MAX_SNAPLEN);
    if matches!(&config.interfaces, Interfaces::Named(names) if names.is_empty()) {
        return Err(CaptureError::Config("no interface is named; ask for any to capture from all".to_owned()));
    }
    // The part that shows loopback frames once goes before the filter.
    match config.filter.as_ref().map(Vec::len) {
        Some(0) => Err(CaptureError::Config("the filter has no instruction".to_owned())),
        Some(n) if n > filter::MAX_INSTRUCTIONS - 8 => {
            Err(CaptureError::Config(format!("the filter has {n} instructions, the kernel takes 4088")))
        }
        _ => Ok(config),
    }
}

fn check_names(wanted: &Interfaces, present: &[NetInterface]) -> Result<(), CaptureError> {
    let Interfaces::Named(names) = wanted else { return Ok(()) };
    let there: Vec<String> = present.iter().map(|i| i.name.clone()).collect();
    match names.iter().find(|name| !there.contains(name)) {
        None => Ok(()),
        Some(name) => Err(CaptureError::NoInterface {
            name: name.clone(),
            nearest: nearest(name, &there).cloned(),
            present: there,
        }),
    }
}
