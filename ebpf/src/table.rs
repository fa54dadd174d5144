//! Our numbers of interfaces, and the way of a frame from a path to the sink.
//!
//! The kernel's numbers and names come and go; ours stay: one per name and link type, for the life of a capture. The table never
//! forgets a number, because counters and earlier frames refer to it, so it has a limit.

use std::collections::HashMap;

use crate::{
    clock::Clock,
    interfaces::{NetInterface, link_type},
    live::{Direction, Event, InterfaceCounters, LiveFrame, LiveInterface},
};

/// Names and link types one capture remembers: a node that starts a pod each minute gets there after six weeks.
const MAX_KNOWN: usize = 65_536;

/// What the kernel counted for an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KernelCounts {
    pub(crate) seen: u64,
    pub(crate) ring_full: u64,
    pub(crate) copy_errors: u64,
    pub(crate) filtered: Option<u64>,
}

impl KernelCounts {
    pub(crate) fn add(&mut self, other: Self) {
        self.seen += other.seen;
        self.ring_full += other.ring_full;
        self.copy_errors += other.copy_errors;
        self.filtered = match (self.filtered, other.filtered) {
            (None, None) => None,
            (a, b) => Some(a.unwrap_or(0) + b.unwrap_or(0)),
        };
    }

    pub(crate) fn with(self, interface: Option<u32>, delivered: u64, unnumbered: u64) -> InterfaceCounters {
        InterfaceCounters {
            interface,
            seen: self.seen,
            delivered,
            dropped_ring: self.ring_full,
            copy_errors: self.copy_errors + unnumbered,
            filtered: self.filtered,
        }
    }
}

/// One interface this capture has a number for.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) name: String,
    pub(crate) link_type: u16,
    /// The kernel's number while it is captured.
    pub(crate) ifindex: Option<u32>,
    /// Whether the sink knows that it is up.
    announced: bool,
    pub(crate) delivered: u64,
    last_ts_ns: i64,
    /// What the kernel counted before it last went away.
    pub(crate) past: KernelCounts,
}

/// All of them; the place is the number.
#[derive(Debug, Default)]
pub(crate) struct Table {
    known: Vec<Known>,
    by_name: HashMap<(String, u16), u32>,
    by_ifindex: HashMap<u32, u32>,
    /// Frames whose link type has no number.
    pub(crate) unnumbered: u64,
}

impl Table {
    /// Our number of an interface that is now captured, or `None` when the table is full.
    pub(crate) fn enter(&mut self, name: &str, ifindex: u32, link_type: u16) -> Option<u32> {
        let number = match self.by_name.get(&(name.to_owned(), link_type)) {
            Some(&number) => number,
            None if self.known.len() >= MAX_KNOWN => return None,
            None => {
                let number = u32::try_from(self.known.len()).ok()?;
                self.by_name.insert((name.to_owned(), link_type), number);
                self.known.push(Known {
                    name: name.to_owned(),
                    link_type,
                    ifindex: None,
                    announced: false,
                    delivered: 0,
                    last_ts_ns: i64::MIN,
                    past: KernelCounts::default(),
                });
                number
            }
        };
        let known = self.known.get_mut(usize::try_from(number).ok()?)?;
        if let Some(before) = known.ifindex.replace(ifindex) {
            self.by_ifindex.remove(&before);
        }
        known.announced = false;
        self.by_ifindex.insert(ifindex, number);
        Some(number)
    }

    /// Forgets that an interface is captured, and keeps what was counted. The sink is told if it was told of it.
    pub(crate) fn leave(&mut self, ifindex: u32, counted: KernelCounts, sink: &mut dyn FnMut(Event<'_>)) {
        let Some(number) = self.by_ifindex.remove(&ifindex) else { return };
        let Some(known) = self.get_mut(number) else { return };
        known.ifindex = None;
        known.past.add(counted);
        if known.announced {
            known.announced = false;
            sink(Event::InterfaceGone { index: number, name: known.name.clone() });
        }
    }

    /// Tells the sink of every interface it does not know of. Returns how many.
    pub(crate) fn announce(&mut self, snaplen: u32, sink: &mut dyn FnMut(Event<'_>)) -> usize {
        let mut told = 0;
        for (index, known) in (0_u32..).zip(&mut self.known) {
            if let (false, Some(ifindex)) = (known.announced, known.ifindex) {
                known.announced = true;
                let (name, link_type) = (known.name.clone(), known.link_type);
                sink(Event::InterfaceUp(LiveInterface { index, ifindex, name, link_type, snaplen }));
                told += 1;
            }
        }
        told
    }

    fn get_mut(&mut self, number: u32) -> Option<&mut Known> {
        usize::try_from(number).ok().and_then(|n| self.known.get_mut(n))
    }

    /// Our number of an interface that is captured now.
    pub(crate) fn number(&self, ifindex: u32) -> Option<u32> {
        self.by_ifindex.get(&ifindex).copied()
    }

    /// Every interface there ever was, with its number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Known)> {
        (0_u32..).zip(&self.known)
    }
}

/// A frame on its way out of a path, before it has a time of ours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw<'a> {
    pub(crate) ts_ns: i64,
    pub(crate) orig_len: u32,
    pub(crate) direction: Direction,
    pub(crate) data: &'a [u8],
}

/// What a path needs to hand frames on.
pub(crate) struct Delivery<'a> {
    pub(crate) table: &'a mut Table,
    pub(crate) clock: &'a Clock,
    pub(crate) snaplen: u32,
    pub(crate) sink: &'a mut dyn FnMut(Event<'_>),
}

impl Delivery<'_> {
    /// Hands a frame of interface `number` to the sink.
    pub(crate) fn frame(&mut self, number: u32, raw: Raw<'_>) {
        let Some(known) = self.table.get_mut(number) else { return };
        // Two processors may enter the ring in the other order than they read the clock.
        known.last_ts_ns = known.last_ts_ns.max(raw.ts_ns);
        known.delivered += 1;
        let keep = raw.data.len().min(usize::try_from(self.snaplen).unwrap_or(usize::MAX));
        (self.sink)(Event::Frame(LiveFrame {
            interface: number,
            ts_ns: known.last_ts_ns,
            orig_len: raw.orig_len,
            direction: Some(raw.direction),
            data: raw.data.get(..keep).unwrap_or(raw.data),
        }));
    }

    /// Our number of the interface a packet socket for all of them names, which may be newer than the news of it.
    pub(crate) fn number(&mut self, ifindex: u32, arphrd: u16) -> Option<u32> {
        if let Some(number) = self.table.number(ifindex) {
            return Some(number);
        }
        let Some(link_type) = link_type(arphrd).filter(|_| self.table.known.len() < MAX_KNOWN) else {
            self.table.unnumbered += 1;
            return None;
        };
        let name = crate::interfaces()
            .ok()
            .and_then(|all| all.into_iter().find(|i: &NetInterface| i.ifindex == ifindex))
            .map_or_else(|| format!("if{ifindex}"), |interface| interface.name);
        let number = self.table.enter(&name, ifindex, link_type)?;
        self.table.announce(self.snaplen, self.sink);
        Some(number)
    }
}
