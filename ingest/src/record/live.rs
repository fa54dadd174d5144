//! A live capture into a recording: frames, interfaces that come and go, and every count.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use wiretape_ebpf::{Capture, CaptureError, Event};
use wiretape_engine::raw::{Direction, Interface, Resolution};

use super::{Counts, FrameFilter, RecordError, Recorder};
use crate::Frame;

/// How long the kernel is waited for between two ticks of the recorder.
const TICK: Duration = Duration::from_millis(50);

/// Empty polls, once the capture is stopped, before frames that the kernel has counted and not handed over are given up. A
/// kernel program that was at work on another processor then may be held up there: on a busy machine 7 of 100 million were.
const LAST_POLLS: u32 = 20;

/// `LINKTYPE_NULL`: what the interface that stands for all is given, of which no packet is recorded.
const LINKTYPE_NULL: u16 = 0;

/// Why a live recording ended before it was told to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LiveError {
    /// The kernel.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The store.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Records what `capture` sees until `stop` is set, `max_packets` are in, or `tick`, which is called some ten times a
/// second, says false. What is in the ring then is still taken.
pub fn record_live(
    recorder: &mut Recorder,
    capture: &mut Capture,
    mut filter: Option<FrameFilter<'_>>,
    max_packets: Option<u64>,
    stop: &AtomicBool,
    tick: &mut dyn FnMut(&Recorder) -> bool,
) -> Result<(), LiveError> {
    let mut live = Live { left: max_packets.unwrap_or(u64::MAX), ..Live::default() };
    let mut stopped = false;
    let mut last_polls = 0;
    loop {
        if !stopped && (stop.load(Ordering::Relaxed) || live.left == 0 || !tick(recorder)) {
            capture.stop();
            stopped = true;
        }
        let mut failed = None;
        let events = capture.poll(TICK, &mut |event| {
            if failed.is_none() {
                failed = live.event(recorder, event, &mut filter).err();
            }
        })?;
        if let Some(e) = failed {
            return Err(e.into());
        }
        live.count(recorder, capture)?;
        recorder.tick()?;
        if stopped && events == 0 {
            last_polls += 1;
            if adds_up(capture) || last_polls == LAST_POLLS {
                return Ok(());
            }
        }
    }
}

/// Whether every frame that the kernel has counted came, or is counted as lost.
fn adds_up(capture: &Capture) -> bool {
    capture.counters().iter().all(|c| c.seen <= c.delivered + c.dropped_ring + c.copy_errors)
}

/// The capture's interfaces, by its number.
#[derive(Debug, Default)]
struct Live {
    interfaces: Vec<Option<Known>>,
    /// Packets yet to record.
    left: u64,
    /// Stands for what the kernel counts for all interfaces together.
    all: Option<u32>,
}

/// One interface.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// Its number in the recording. Another one each time it returns.
    number: u32,
    link_type: u16,
    filtered: u64,
    /// What the capture had counted when the interface was announced under this number.
    before: Counts,
    last: Counts,
}

impl Live {
    fn event(
        &mut self,
        recorder: &mut Recorder,
        event: Event<'_>,
        filter: &mut Option<FrameFilter<'_>>,
    ) -> Result<(), RecordError> {
        match event {
            Event::InterfaceUp(up) => {
                let number = recorder.interface(interface(up.name, up.link_type, up.snaplen))?;
                let at = up.index as usize;
                if self.interfaces.len() <= at {
                    self.interfaces.resize(at + 1, None);
                }
                if let Some(slot) = self.interfaces.get_mut(at) {
                    let before = slot.map_or_else(Counts::default, |known| known.last);
                    *slot = Some(Known { number, link_type: up.link_type, filtered: 0, before, last: before });
                }
                Ok(())
            }
            Event::InterfaceGone { index, .. } => {
                let known = self.interfaces.get(index as usize).copied().flatten();
                known.map_or(Ok(()), |known| recorder.interface_gone(known.number))
            }
            Event::Frame(live) => {
                let Some(Some(known)) = self.interfaces.get_mut(live.interface as usize) else { return Ok(()) };
                let frame = Frame {
                    ts_ns: live.ts_ns,
                    interface: known.number,
                    link_type: known.link_type,
                    orig_len: live.orig_len,
                    data: live.data,
                    direction: live.direction.map(|d| match d {
                        wiretape_ebpf::Direction::In => Direction::In,
                        wiretape_ebpf::Direction::Out => Direction::Out,
                    }),
                };
                // What comes after the last packet that was asked for is kept out like what nobody asked for.
                if self.left == 0 || filter.as_mut().is_some_and(|wanted| !wanted(known.link_type, &frame)) {
                    known.filtered += 1;
                    return Ok(());
                }
                self.left -= 1;
                recorder.push(&frame)
            }
        }
    }

    /// Passes the kernel's counts on.
    fn count(&mut self, recorder: &mut Recorder, capture: &Capture) -> Result<(), RecordError> {
        for c in capture.counters() {
            let kernel_filtered = c.filtered.unwrap_or(0);
            let total = Counts {
                received: c.seen + kernel_filtered,
                dropped_ring: c.dropped_ring + c.copy_errors,
                filtered: kernel_filtered,
            };
            let Some(index) = c.interface else {
                self.count_all(recorder, total)?;
                continue;
            };
            if let Some(Some(known)) = self.interfaces.get_mut(index as usize) {
                known.last = total;
                recorder.counts(
                    known.number,
                    Counts {
                        received: total.received.saturating_sub(known.before.received),
                        dropped_ring: total.dropped_ring.saturating_sub(known.before.dropped_ring),
                        filtered: total.filtered.saturating_sub(known.before.filtered) + known.filtered,
                    },
                );
            }
        }
        Ok(())
    }

    /// One packet socket for all interfaces counts its losses for all of them: they are told under the name `any`.
    fn count_all(&mut self, recorder: &mut Recorder, total: Counts) -> Result<(), RecordError> {
        let lost = total.dropped_ring + total.filtered;
        let number = match self.all {
            Some(number) => number,
            None if lost == 0 => return Ok(()),
            None => *self.all.insert(recorder.interface(interface("any".to_owned(), LINKTYPE_NULL, 0))?),
        };
        recorder.counts(number, Counts { received: lost, ..total });
        Ok(())
    }
}

fn interface(name: String, link_type: u16, snaplen: u32) -> Interface {
    Interface { link_type, snaplen, name, resolution: Resolution::Nano }
}
