//! All of a sealed raw component from its beginning, entry by entry, as [`LogTail`](super::LogTail) gives a log.

use std::sync::Arc;

use super::{Interface, LogEntry, RawReader, pcapng::next_block, read::Scratch};
use crate::Result;

/// A way through a raw component.
#[derive(Debug)]
pub struct Entries {
    reader: Arc<RawReader>,
    scratch: Scratch,
    /// The frame at hand, decompressed; `taken` bytes of it were given out.
    plain: Vec<u8>,
    taken: usize,
    /// The frame after it.
    next_frame: usize,
    interfaces: Vec<Interface>,
}

impl Entries {
    /// The entries of `reader`.
    pub fn of(reader: Arc<RawReader>) -> Result<Entries> {
        let scratch = reader.scratch()?;
        Ok(Entries { reader, scratch, plain: Vec::new(), taken: 0, next_frame: 0, interfaces: Vec::new() })
    }

    /// The next entry, or None at the end.
    pub fn next_entry(&mut self) -> Result<Option<LogEntry<'_>>> {
        let (at, kind, body) = loop {
            if self.taken == self.plain.len() {
                if self.next_frame == self.reader.frames() {
                    return Ok(None);
                }
                self.reader.load(self.next_frame, &mut self.scratch, &mut self.plain)?;
                self.next_frame += 1;
                self.taken = 0;
            }
            let at = self.taken;
            let mut rest = self.plain.get(at..).unwrap_or_default();
            let block = next_block(&mut rest).map_err(|what| self.reader.damaged(self.next_frame - 1, at, what))?;
            self.taken = self.plain.len() - rest.len();
            if LogEntry::is(block.kind) {
                break (at, block.kind, at + 8..self.taken - 4);
            }
        };
        let body = self.plain.get(body).unwrap_or_default();
        let entry = LogEntry::read(kind, body, &mut self.interfaces);
        entry.map(Some).map_err(|what| self.reader.damaged(self.next_frame - 1, at, what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        db::open_dir,
        fs::Fs,
        raw::{
            Codec, Direction, LOG_FILE, LogTail, LogWriter, MAX_SECRETS_BYTES, RawPacket, RawWriter, Resolution,
            Statistics,
        },
    };

    /// What an entry says, as text.
    fn said(entry: &LogEntry<'_>) -> String {
        format!("{entry:?}")
    }

    /// Proves that a log, secrets and statistics between packets, is the same entries when it is read while it grows, when it was
    /// copied into a component of any codec, and is whole there; and that packets are counted without the other entries.
    #[test]
    fn a_component_gives_the_entries_of_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let fs = Fs::default();
        let mut log = LogWriter::create(&fs, dir.path(), 7, "of a test").unwrap();
        let interface =
            |name: &str| Interface { link_type: 1, snaplen: 0, name: name.to_owned(), resolution: Resolution::Nano };
        let data = [0x55; 1500];
        for n in 0..200 {
            if n % 50 == 0 {
                log.interface(&interface(&format!("eth{n}"))).unwrap();
                log.secrets(format!("CLIENT_RANDOM {n}\n").as_bytes()).unwrap();
            }
            let (ts_ns, direction) = (i64::from(n), Some(Direction::In));
            let packet = RawPacket {
                ts_ns,
                interface: n / 50,
                orig_len: 1500,
                data: data.get(..n as usize).unwrap(),
                direction,
            };
            log.push(&packet).unwrap();
            log.statistics(&Statistics { interface: n / 50, ts_ns, ..Statistics::default() }).unwrap();
        }
        log.secrets(&[b'x'; MAX_SECRETS_BYTES]).unwrap();
        assert!(log.secrets(&[b'x'; MAX_SECRETS_BYTES + 1]).unwrap_err().to_string().contains("65536 bytes a block"));
        log.flush().unwrap();

        for codec in [Codec::Plain, Codec::Lz4, Codec::Zstd] {
            let folder = open_dir(dir.path()).join(codec.file_name());
            fs.create_dir_all(&folder).unwrap();
            let mut raw = RawWriter::create(&fs, &folder, codec, 1).unwrap();
            let mut tail = LogTail::open(&dir.path().join(LOG_FILE)).unwrap();
            let mut expected = Vec::new();
            while let Some(entry) = tail.next_entry().unwrap() {
                raw.entry(&entry).unwrap();
                expected.push(said(&entry));
            }
            assert_eq!(expected.len(), 4 + 4 + 200 + 200 + 1);
            raw.finish().unwrap();
            let reader = Arc::new(RawReader::open(&folder.join(codec.file_name())).unwrap());
            reader.verify().unwrap();
            assert_eq!(reader.rows(), 200);
            assert_eq!(reader.frame(199).unwrap().data.len(), 199);
            let mut entries = Entries::of(reader).unwrap();
            for expected in expected {
                assert_eq!(said(&entries.next_entry().unwrap().unwrap()), expected);
            }
            assert!(entries.next_entry().unwrap().is_none());
        }
    }
}
