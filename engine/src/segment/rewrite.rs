//! A sealed segment whose rows are made anew from its packets.
//!
//! ```text
//! segments/<id>/   packets ──────── link ────────► open/<id>.<n>.tmp/ │ Writer::commit_rewrites: rename into segments/ ─► manifest
//!                  other components ─ link or new ─►
//! ```
//!
//! A sealed file never changes, and neither does a segment's folder: the new rows are in a folder of their own, and the manifest
//! says which folder it is. What is not made from packets is taken over by a second name for the same file.

use std::path::PathBuf;

use arrow::array::RecordBatch;

use super::{Sealed, Segment, SegmentMeta, seal::seal};
use crate::{
    Result, TableDef,
    fs::Fs,
    manifest::FORMAT_VERSION,
    raw::{Codec, RawWriter},
};

/// What becomes of a segment's packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packets {
    /// They are taken over as they are.
    Keep,
    /// They are written again, with something beside them; see [`Rewrite::raw`].
    Copy,
}

/// The next generation of a sealed segment.
#[derive(Debug)]
pub struct Rewrite {
    dir: PathBuf,
    generation: u32,
    fs: Fs,
    /// What was taken over.
    kept: SegmentMeta,
    raw: Option<RawWriter>,
    workers: usize,
}

impl Rewrite {
    /// Of the tables of `segment`, those `made` are to be given anew.
    pub(crate) fn create(
        fs: &Fs,
        dir: PathBuf,
        generation: u32,
        segment: &Segment,
        made: &[&TableDef],
        packets: Packets,
        workers: usize,
    ) -> Result<Rewrite> {
        fs.create_dir_all(&dir)?;
        let is_made = |name: &str| made.iter().any(|table| table.name == name);
        let raw = segment.raw_component().and_then(|c| Codec::of_file(&c.file));
        let raw = match (packets, raw) {
            (Packets::Copy, Some(codec)) => Some(RawWriter::create(fs, &dir, codec, workers)?),
            _ => None,
        };
        let meta = segment.meta();
        let mut kept = SegmentMeta {
            format_version: FORMAT_VERSION,
            id: segment.id(),
            tables: meta.tables.iter().filter(|table| !is_made(&table.name)).cloned().collect(),
            components: Vec::new(),
        };
        for component in &meta.components {
            let is_kept = match component.file.strip_suffix(".parquet").or_else(|| component.file.strip_suffix(".idx"))
            {
                Some(table) => !is_made(table),
                None => raw.is_none(),
            };
            if is_kept {
                fs.link(&segment.dir().join(&component.file), &dir.join(&component.file))?;
                kept.components.push(component.clone());
            }
        }
        Ok(Rewrite { dir, generation, fs: fs.clone(), kept, raw, workers })
    }

    /// Where the packets go, where they are to be written again.
    pub fn raw(&mut self) -> Option<&mut RawWriter> {
        self.raw.as_mut()
    }

    /// Writes and fsyncs the components of the tables that are made anew.
    pub fn seal(self, tables: &[(&'static TableDef, RecordBatch)]) -> Result<Sealed> {
        let Rewrite { dir, generation, fs, kept, raw, workers } = self;
        let meta = seal(&fs, &dir, kept, raw, tables, workers)?;
        Ok(Sealed { meta, dir, generation })
    }
}
