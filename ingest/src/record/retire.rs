//! Retention at work: what the policy says, done to the database.

use wiretape_engine::{
    Db, Result, Segment, Writer,
    retention::{self, Expired, Facts, Policy},
    segment::SegmentMeta,
};

use crate::TABLES;

/// Drops at once what `policy` says is to go by `now_ns`, while nothing is being recorded.
pub fn retire(writer: &mut Writer, policy: Policy, now_ns: i64) -> Result<()> {
    if policy.is_unlimited() {
        return Ok(());
    }
    Retirer::new(writer, policy)?.retire(writer, 0, now_ns)?;
    writer.sweep()
}

/// The segments that are there, and the policy.
#[derive(Debug)]
pub(super) struct Retirer {
    policy: Policy,
    facts: Vec<Facts>,
    /// Retired files lie about until the next time that something goes, so that statements under way can end.
    waiting: bool,
}

impl Retirer {
    pub(super) fn new(writer: &Writer, policy: Policy) -> Result<Retirer> {
        let view = Db::open(writer.dir(), TABLES)?.view()?;
        let facts = view.segments().iter().map(|s| facts(s.meta())).collect();
        Ok(Retirer { policy, facts, waiting: false })
    }

    pub(super) fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// Bytes of the sealed segments.
    pub(super) fn sealed_bytes(&self) -> u64 {
        self.facts.iter().map(|f| f.rows_bytes + f.raw.as_ref().map_or(0, |(_, bytes)| *bytes)).sum()
    }

    /// A segment was committed.
    pub(super) fn committed(&mut self, meta: &SegmentMeta) {
        self.facts.push(facts(meta));
    }

    /// Drops what the policy says is to go by now, while logs of `open_bytes` are open.
    pub(super) fn retire(&mut self, writer: &mut Writer, open_bytes: u64, now_ns: i64) -> Result<()> {
        let expired = retention::select(&self.facts, open_bytes, &self.policy, now_ns);
        if expired.is_empty() {
            return Ok(());
        }
        self.sweep(writer)?;
        self.drop_all(writer, &expired)
    }

    /// Removes the files of what was dropped before.
    pub(super) fn sweep(&mut self, writer: &mut Writer) -> Result<()> {
        if std::mem::take(&mut self.waiting) { writer.sweep() } else { Ok(()) }
    }

    /// Makes room because the disk is full: drops the oldest segment, or what waits for its readers where there is none. False when
    /// there is nothing of either, or the policy keeps everything.
    pub(super) fn make_room(&mut self, writer: &mut Writer) -> Result<bool> {
        let oldest = self.facts.first().filter(|_| !self.policy.is_unlimited());
        let Some(id) = oldest.map(|f| f.id) else {
            let waited = self.waiting;
            self.sweep(writer)?;
            return Ok(waited);
        };
        let expired = [Expired::Segment { id }];
        if let Err(full) = self.drop_all(writer, &expired) {
            // The disk does not even take the manifest that lists less. The segment's packets are going in any case; should
            // we be killed between the two, the manifest lists a segment without them until the next start.
            let raw = self.facts.first().and_then(|f| f.raw.clone()).ok_or(full)?.0;
            writer.remove_component(id, &raw)?;
            self.drop_all(writer, &expired)?;
        }
        writer.sweep()?;
        self.waiting = false;
        Ok(true)
    }

    fn drop_all(&mut self, writer: &mut Writer, expired: &[Expired]) -> Result<()> {
        writer.retire(expired)?;
        self.waiting |= !expired.is_empty();
        for e in expired {
            match e {
                Expired::Segment { id } => self.facts.retain(|f| f.id != *id),
                Expired::Component { id, .. } => {
                    for f in self.facts.iter_mut().filter(|f| f.id == *id) {
                        f.raw = None;
                    }
                }
            }
        }
        Ok(())
    }
}

fn facts(meta: &SegmentMeta) -> Facts {
    let raw = meta.components.iter().find(|c| Segment::is_raw(&c.file));
    let all: u64 = meta.components.iter().map(|c| c.size_bytes).sum();
    Facts {
        id: meta.id,
        newest_ns: meta.tables.iter().map(|t| t.max_ts_ns).max().unwrap_or(i64::MAX),
        raw: raw.map(|c| (c.file.clone(), c.size_bytes)),
        rows_bytes: all - raw.map_or(0, |c| c.size_bytes),
    }
}
