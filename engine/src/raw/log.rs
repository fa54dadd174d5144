//! The raw log of an open segment: a plain pcapng file that grows, is the write-ahead log, and that anyone may read
//! meanwhile.
//!
//! ```text
//! open/<id>/raw.pcapng
//! ┌─ SHB + comment ─┬─ IDB ─┬─ EPB ─┬─ EPB ─┬─ ISB ─┬─ EPB ─┬ …          the torn block of a killed writer
//! └─────────────────┴───────┴───────┴───────┴───────┴───────┴──────────  is cut off by whoever reads it
//! ```
//!
//! The one fact to know: blocks reach the operating system whole and in order, so what is before the end of the file is
//! what was recorded. It has no seek table and no checksums; those come when the segment is sealed.

use std::path::Path;

use super::{
    Interface, MAX_PACKET_BYTES, MAX_SECRETS_BYTES, RawPacket, Resolution, Statistics,
    pcapng::{push_interface, push_packet, push_secrets, push_section_with_comment, push_statistics},
};
use crate::{
    Error, Result,
    fs::{Fs, LogFile, Syncer},
};

/// Name of the raw log in its segment's folder.
pub const LOG_FILE: &str = "raw.pcapng";

/// Bytes that are handed to the operating system in one piece at the latest.
const BUFFER_BYTES: usize = 256 << 10;

/// Appends to the raw log of one open segment.
#[derive(Debug)]
pub struct LogWriter {
    id: u32,
    file: LogFile,
    /// Whole blocks that the operating system does not have yet.
    buffer: Vec<u8>,
    interfaces: Vec<Interface>,
    rows: u32,
}

impl LogWriter {
    /// Creates the log of segment `id` in `dir`, which must not hold one. `comment` is kept in its section header.
    pub(crate) fn create(fs: &Fs, dir: &Path, id: u32, comment: &str) -> Result<LogWriter> {
        let mut buffer = Vec::with_capacity(BUFFER_BYTES);
        push_section_with_comment(&mut buffer, comment);
        let mut file = fs.create_log(&dir.join(LOG_FILE))?;
        file.append(&buffer)?;
        buffer.clear();
        Ok(LogWriter { id, file, buffer, interfaces: Vec::new(), rows: 0 })
    }

    /// The segment's id: the upper 32 bits of the `packet_id` of its packets.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Announces an interface, whose timestamps are ns. Returns its number, for [`push`](Self::push).
    pub fn interface(&mut self, interface: &Interface) -> Result<u32> {
        let limit = |what: String, limit: &str| Error::Limit { what, limit: limit.to_owned() };
        let name_len = u16::try_from(interface.name.len())
            .map_err(|_| limit(format!("an interface name of {} bytes", interface.name.len()), "65535 bytes"))?;
        let number = u32::try_from(self.interfaces.len())
            .map_err(|_| limit("the number of interfaces of a segment".to_owned(), "4294967295"))?;
        push_interface(&mut self.buffer, interface, name_len);
        self.interfaces.push(interface.clone());
        Ok(number)
    }

    /// Appends a packet. Returns its row.
    ///
    /// An error means that the packet is not in the log and the log is as it was before, so the same packet may be tried
    /// again: when the disk is full, once there is room.
    #[inline]
    pub fn push(&mut self, packet: &RawPacket<'_>) -> Result<u32> {
        let Some(interface) = self.interfaces.get(packet.interface as usize) else {
            return Err(Error::Missing { what: format!("interface {} in this raw log", packet.interface) });
        };
        if packet.data.len() > MAX_PACKET_BYTES || self.rows == u32::MAX {
            let what = format!("packet {} of {} bytes", self.rows, packet.data.len());
            return Err(Error::Limit { what, limit: format!("{MAX_PACKET_BYTES} bytes, or {} packets", u32::MAX) });
        }
        let resolution = interface.resolution;
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush()?;
        }
        push_packet(&mut self.buffer, packet, packet.interface, resolution);
        let row = self.rows;
        self.rows += 1;
        Ok(row)
    }

    /// Appends what an interface has counted.
    pub fn statistics(&mut self, statistics: &Statistics) -> Result<()> {
        match self.interfaces.get(statistics.interface as usize).map(|i| i.resolution) {
            Some(Resolution::Nano) => {
                push_statistics(&mut self.buffer, statistics);
                Ok(())
            }
            _ => Err(Error::Missing { what: format!("interface {} of ns in this raw log", statistics.interface) }),
        }
    }

    /// Appends lines of a log of TLS secrets, [`MAX_SECRETS_BYTES`] at most.
    pub fn secrets(&mut self, log: &[u8]) -> Result<()> {
        check_secrets(log)?;
        push_secrets(&mut self.buffer, log);
        Ok(())
    }

    /// Hands everything to the operating system: from then on it outlives this process. After an error nothing is lost,
    /// and the call may be made again.
    pub fn flush(&mut self) -> Result<()> {
        if !self.buffer.is_empty() {
            self.file.append(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// A handle that makes what was flushed durable, for another thread.
    pub fn syncer(&self) -> Result<Syncer> {
        self.file.syncer()
    }

    /// Packets pushed.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Bytes pushed.
    pub fn bytes(&self) -> u64 {
        self.file.len() + self.buffer.len() as u64
    }

    /// Bytes that the operating system has.
    pub fn flushed_bytes(&self) -> u64 {
        self.file.len()
    }
}

/// Refuses what is too long for one block.
pub(super) fn check_secrets(log: &[u8]) -> Result<()> {
    if log.len() <= MAX_SECRETS_BYTES {
        return Ok(());
    }
    let what = format!("a log of TLS secrets of {} bytes", log.len());
    Err(Error::Limit { what, limit: format!("{MAX_SECRETS_BYTES} bytes a block") })
}
