//! `manifest.json`: which segments are live, and which capture files they came from. Replaced by rename, so that a
//! reader sees one version or the next and never a mixture.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Error, Result, fs::Fs, retention::Policy, sealed_json, segment::generation_name};

/// The format this code writes, and the newest it reads.
pub const FORMAT_VERSION: u32 = 1;

/// The first segment's id. Not 0, so that no `packet_id` is 0.
const FIRST_SEGMENT: u32 = 1;

/// The content of `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT_VERSION`] of the writer.
    pub format_version: u32,
    /// Counts commits.
    pub version: u64,
    /// Every id from here on is unused.
    pub next_segment: u32,
    /// The live segments, by id.
    pub segments: Vec<SegmentEntry>,
    /// Capture files that were imported, in order.
    pub imports: Vec<Import>,
    /// What the last recorder was told to keep.
    #[serde(default, skip_serializing_if = "Policy::is_unlimited")]
    pub policy: Policy,
}

/// One live segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentEntry {
    /// Its id.
    pub id: u32,
    /// How often its rows were made anew from its packets: each time is a folder of its own.
    #[serde(default, skip_serializing_if = "is_first")]
    pub generation: u32,
    /// Bytes of all its components.
    pub size_bytes: u64,
    /// Components that retention has dropped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<String>,
}

impl SegmentEntry {
    /// The name of its folder.
    pub fn folder(&self) -> String {
        generation_name(self.id, self.generation)
    }
}

fn is_first(generation: &u32) -> bool {
    *generation == 0
}

/// One capture file that was read, wholly or in part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// The file's name as given.
    pub name: String,
    /// Identity of its content; absent for a stream.
    pub fingerprint: Option<String>,
    /// When the import began, ns since the epoch by the importer's clock.
    pub started_ns: i64,
    /// Packets in committed segments.
    pub packets: u64,
    /// Committed segments, by id.
    pub segments: Vec<u32>,
    /// How far it got.
    pub state: ImportState,
}

/// How far an import got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportState {
    /// Every packet is in.
    Complete,
    /// Every whole packet is in; the file is damaged, and this says where and how.
    Damaged(String),
    /// It was stopped; importing the same file again goes on from there.
    Interrupted,
}

impl ImportState {
    /// The name in SQL.
    pub fn name(&self) -> &'static str {
        match self {
            ImportState::Complete => "complete",
            ImportState::Damaged(_) => "damaged",
            ImportState::Interrupted => "interrupted",
        }
    }
}

impl Default for Manifest {
    fn default() -> Self {
        Manifest {
            format_version: FORMAT_VERSION,
            version: 0,
            next_segment: FIRST_SEGMENT,
            segments: Vec::new(),
            imports: Vec::new(),
            policy: Policy::default(),
        }
    }
}

impl Manifest {
    /// Where it lies in the database at `dir`.
    pub fn path(dir: &Path) -> PathBuf {
        dir.join("manifest.json")
    }

    /// Reads and checks the manifest of the database at `dir`.
    pub fn read(dir: &Path) -> Result<Manifest> {
        let path = Self::path(dir);
        if !path.exists() {
            let what = "no manifest.json here, so this is no Wiretape database".to_owned();
            return Err(Error::NotADatabase { path: dir.to_owned(), what });
        }
        let manifest: Manifest = sealed_json::read(&path)?;
        if manifest.format_version > FORMAT_VERSION {
            let what = format!(
                "format version {} is newer than this program reads ({FORMAT_VERSION})",
                manifest.format_version
            );
            return Err(Error::NotADatabase { path: dir.to_owned(), what });
        }
        manifest.check(&path)?;
        Ok(manifest)
    }

    /// Publishes this manifest as the database's newest version.
    pub(crate) fn write(&self, fs: &Fs, dir: &Path) -> Result<()> {
        fs.replace(&Self::path(dir), &sealed_json::to_bytes(self)?)
    }

    /// The earlier import of the same content.
    pub fn import_of(&self, fingerprint: &str) -> Option<&Import> {
        self.imports.iter().rev().find(|i| i.fingerprint.as_deref() == Some(fingerprint))
    }

    fn check(&self, path: &Path) -> Result<()> {
        let ascending = self.segments.is_sorted_by(|a, b| a.id < b.id);
        let below = self.segments.last().is_none_or(|s| s.id < self.next_segment);
        if ascending && below {
            Ok(())
        } else {
            Err(Error::damaged(path, 0, "segment ids do not ascend below next_segment"))
        }
    }
}
