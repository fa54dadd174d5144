//! Appending packets to a raw component.
//!
//! The one fact to know: a push copies the packet into the frame being filled and does nothing else; compression and
//! writing happen when a batch of frames is full, on the threads of the [pool](super::pool).

use std::path::Path;

use super::{
    Codec, FRAME_BYTES, Interface, LogEntry, MAX_PACKET_BYTES, RawPacket, Resolution, Statistics,
    log::check_secrets,
    pcapng::{
        STATISTICS_BLOCK_LEN, packet_block_len, push_interface, push_packet, push_secrets, push_section,
        push_statistics, secrets_block_len,
    },
    pool::{Batch, Pool},
    seek::SeekTable,
};
use crate::{Error, Result, fs::Fs};

/// Names and descriptions of a segment's interfaces at most, in bytes. A capture that announces more is made to hurt.
const MAX_INTERFACES_BYTES: usize = 64 << 20;

/// Writes the raw component of one segment.
#[derive(Debug)]
pub struct RawWriter {
    codec: Codec,
    pool: Pool,
    batch: Batch,
    rows: u32,
    full_frame_bytes: u64,
    captured_bytes: u64,
    interfaces: Vec<Interface>,
    interfaces_bytes: usize,
}

/// What became of a finished raw component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawSummary {
    /// Packets written.
    pub rows: u32,
    /// Bytes of the pcapng content, before compression.
    pub plain_bytes: u64,
    /// Bytes of the packets alone.
    pub captured_bytes: u64,
    /// Size of the file.
    pub stored_bytes: u64,
    /// XXH3-64 of the file.
    pub checksum: u64,
    /// Name of the file in the segment's folder.
    pub file_name: String,
}

impl RawWriter {
    /// Creates the component's file in `dir`, which must not hold one yet. `workers` threads compress; with 0 the
    /// caller's own does.
    pub fn create(fs: &Fs, dir: &Path, codec: Codec, workers: usize) -> Result<RawWriter> {
        let file = fs.create(&dir.join(codec.file_name()))?;
        let mut batch = Batch::new();
        push_section(&mut batch.plain);
        Ok(RawWriter {
            codec,
            pool: Pool::new(file, codec, workers)?,
            batch,
            rows: 0,
            full_frame_bytes: 0,
            captured_bytes: 0,
            interfaces: Vec::new(),
            interfaces_bytes: 0,
        })
    }

    /// Announces an interface. Returns its number, for [`push`](Self::push).
    pub fn interface(&mut self, interface: &Interface) -> Result<u32> {
        let name_len = u16::try_from(interface.name.len()).map_err(|_| Error::Limit {
            what: format!("an interface name of {} bytes", interface.name.len()),
            limit: "65535 bytes".to_owned(),
        })?;
        let bytes = self.interfaces_bytes + size_of::<Interface>() + interface.name.len();
        let number = u32::try_from(self.interfaces.len()).ok().filter(|_| bytes <= MAX_INTERFACES_BYTES);
        let number = number.ok_or_else(|| Error::Limit {
            what: format!("the number of interfaces of a segment, {}", self.interfaces.len()),
            limit: format!("{MAX_INTERFACES_BYTES} bytes of descriptions"),
        })?;
        self.cut_before(interface.name.len() + 64)?;
        push_interface(&mut self.batch.plain, interface, name_len);
        self.interfaces.push(interface.clone());
        self.interfaces_bytes = bytes;
        Ok(number)
    }

    /// Appends a packet. Returns its row. An error of an earlier frame may come out here; after one the writer is of no
    /// more use.
    #[inline]
    pub fn push(&mut self, packet: &RawPacket<'_>) -> Result<u32> {
        let resolution = self.check(packet)?;
        self.cut_before(packet_block_len(packet))?;
        push_packet(&mut self.batch.plain, packet, packet.interface, resolution);
        let row = self.rows;
        self.rows += 1;
        self.captured_bytes += packet.data.len() as u64;
        Ok(row)
    }

    /// Appends what an interface has counted.
    pub fn statistics(&mut self, statistics: &Statistics) -> Result<()> {
        if statistics.interface as usize >= self.interfaces.len() {
            return Err(Error::Missing { what: format!("interface {} in this raw log", statistics.interface) });
        }
        self.cut_before(STATISTICS_BLOCK_LEN)?;
        push_statistics(&mut self.batch.plain, statistics);
        Ok(())
    }

    /// Appends lines of a log of TLS secrets, [`MAX_SECRETS_BYTES`](super::MAX_SECRETS_BYTES) at most.
    pub fn secrets(&mut self, log: &[u8]) -> Result<()> {
        check_secrets(log)?;
        self.cut_before(secrets_block_len(log))?;
        push_secrets(&mut self.batch.plain, log);
        Ok(())
    }

    /// Appends an entry of another log. Interfaces are numbered in the order in which they come, here as there.
    pub fn entry(&mut self, entry: &LogEntry<'_>) -> Result<()> {
        match entry {
            LogEntry::Packet { packet, .. } => self.push(packet).map(drop),
            LogEntry::Interface(interface) => self.interface(interface).map(drop),
            LogEntry::Statistics(statistics) => self.statistics(statistics),
            LogEntry::Secrets(log) => self.secrets(log),
        }
    }

    /// Packets pushed so far.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Bytes of pcapng so far, before compression.
    pub fn bytes_in(&self) -> u64 {
        self.full_frame_bytes + self.batch.frame_len() as u64
    }

    /// Writes what is left and the seek table, and fsyncs the file. Its name becomes durable with the folder's fsync.
    pub fn finish(mut self) -> Result<RawSummary> {
        self.cut()?;
        self.pool.submit(&mut self.batch)?;
        let (mut file, frames) = self.pool.finish()?;
        let table = SeekTable {
            codec: self.codec,
            frames,
            interfaces: self.interfaces,
            plain_bytes: self.full_frame_bytes,
            captured_bytes: self.captured_bytes,
        };
        file.append(&table.to_bytes()?)?;
        let checksum = file.checksum();
        Ok(RawSummary {
            rows: self.rows,
            plain_bytes: self.full_frame_bytes,
            captured_bytes: self.captured_bytes,
            stored_bytes: file.finish()?,
            checksum,
            file_name: self.codec.file_name().to_owned(),
        })
    }

    #[inline]
    fn check(&self, packet: &RawPacket<'_>) -> Result<Resolution> {
        let Some(interface) = self.interfaces.get(packet.interface as usize) else {
            return Err(Error::Missing { what: format!("interface {} in this raw log", packet.interface) });
        };
        let limit = if packet.data.len() > MAX_PACKET_BYTES {
            (format!("a packet of {} bytes", packet.data.len()), format!("{MAX_PACKET_BYTES} bytes"))
        } else if self.rows == u32::MAX {
            ("the number of packets of a segment".to_owned(), u32::MAX.to_string())
        } else if interface.resolution == Resolution::Micro && packet.ts_ns % 1000 != 0 {
            let what = format!("the precision of timestamp {} ns on interface {}", packet.ts_ns, packet.interface);
            (what, "whole microseconds, as the interface was announced".to_owned())
        } else {
            return Ok(interface.resolution);
        };
        Err(Error::Limit { what: limit.0, limit: limit.1 })
    }

    /// Ends the frame if a block of `len` bytes would make it too large.
    #[inline]
    fn cut_before(&mut self, len: usize) -> Result<()> {
        let frame_len = self.batch.frame_len();
        if frame_len + len > FRAME_BYTES && frame_len > 0 { self.cut() } else { Ok(()) }
    }

    fn cut(&mut self) -> Result<()> {
        let frame_len = self.batch.frame_len();
        if frame_len > 0 {
            self.full_frame_bytes += frame_len as u64;
            self.batch.end_frame(self.rows);
        }
        if self.batch.is_full() { self.pool.submit(&mut self.batch) } else { Ok(()) }
    }
}
