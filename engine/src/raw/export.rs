//! Packets out of the store into capture files of the classic kind, pcap and pcapng.
//!
//! The one fact to know: both write into any [`Write`], buffer themselves, and never change a packet's bytes, lengths
//! or time. What a format cannot hold is an error that says so, not a loss.

use std::{
    collections::HashMap,
    io::{self, Write},
};

use super::{
    Interface, RawPacket, Resolution,
    pcapng::{push_interface, push_packet, push_section},
};

/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 64 << 10;

/// What tcpdump records as the snapshot length of an interface without a limit (`MAXIMUM_SNAPLEN` of libpcap).
const UNLIMITED_SNAPLEN: u32 = 262_144;

/// Ethernet: the link type of a pcap file that nobody named an interface for.
const LINK_TYPE_ETHERNET: u16 = 1;

/// Why a packet could not be written to a capture file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The receiver of the bytes refused them.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The packets could not be read.
    #[error(transparent)]
    Store(#[from] crate::Error),
    /// A pcap file holds one link type.
    #[error(
        "a pcap file holds one link type: it has packets of {} and now one of {}; write pcapng, which holds both",
        link_type_text(*file), link_type_text(*packet)
    )]
    LinkType {
        /// `LINKTYPE_` value of the packets before.
        file: u16,
        /// `LINKTYPE_` value of the packet refused.
        packet: u16,
    },
    /// A pcap file counts seconds since 1970 in 32 bits.
    #[error("a pcap file holds times from 1970 to 2106, and a packet's is {ts_ns} ns from 1970; write pcapng")]
    Time {
        /// The packet's time, ns since the epoch.
        ts_ns: i64,
    },
    /// A timestamp is finer than the file's unit: its interface was not among those that the writer was made for.
    #[error("the file's times are in whole microseconds, and a packet's is {ts_ns} ns from 1970")]
    Precision {
        /// The packet's time, ns since the epoch.
        ts_ns: i64,
    },
    /// An interface's name or the number of interfaces is over what pcapng can say.
    #[error("an interface that pcapng cannot describe: {0}")]
    Interface(&'static str),
}

fn link_type_text(link_type: u16) -> String {
    let name = match link_type {
        0 => "NULL",
        1 => "ETHERNET",
        9 => "PPP",
        12 | 101 => "RAW",
        51 => "PPP_ETHER",
        105 => "IEEE802_11",
        108 => "LOOP",
        113 => "LINUX_SLL",
        127 => "IEEE802_11_RADIOTAP",
        228 => "IPV4",
        229 => "IPV6",
        276 => "LINUX_SLL2",
        _ => return link_type.to_string(),
    };
    format!("{link_type} ({name})")
}

/// Writes a pcap file (draft-ietf-opsawg-pcap), little-endian. Its header is written with the first packet: until then
/// the link type is open.
#[derive(Debug)]
pub struct PcapWriter<W> {
    out: Buffered<W>,
    resolution: Resolution,
    snaplens: Vec<(u16, u32)>,
    link_type: Option<u16>,
}

impl<W: Write> PcapWriter<W> {
    /// A file for packets of `interfaces`. Its times are in microseconds if all of theirs are, else in nanoseconds.
    pub fn new<'i>(out: W, interfaces: impl IntoIterator<Item = &'i Interface>) -> PcapWriter<W> {
        let mut resolution = Resolution::Micro;
        let mut snaplens: Vec<(u16, u32)> = Vec::new();
        for i in interfaces {
            if i.resolution == Resolution::Nano {
                resolution = Resolution::Nano;
            }
            let snaplen = if i.snaplen == 0 { UNLIMITED_SNAPLEN } else { i.snaplen };
            match snaplens.iter_mut().find(|(link_type, _)| *link_type == i.link_type) {
                Some((_, largest)) => *largest = snaplen.max(*largest),
                None => snaplens.push((i.link_type, snaplen)),
            }
        }
        PcapWriter { out: Buffered::new(out), resolution, snaplens, link_type: None }
    }

    /// Appends a packet that was seen on `interface`.
    pub fn push(&mut self, interface: &Interface, packet: &RawPacket<'_>) -> Result<(), ExportError> {
        match self.link_type {
            Some(file) if file == interface.link_type => {}
            Some(file) => return Err(ExportError::LinkType { file, packet: interface.link_type }),
            None => self.header(interface.link_type),
        }
        let ts_ns = packet.ts_ns;
        let seconds = u32::try_from(ts_ns.div_euclid(1_000_000_000)).map_err(|_| ExportError::Time { ts_ns })?;
        let nanos = ts_ns.rem_euclid(1_000_000_000);
        let fraction = match self.resolution {
            Resolution::Nano => nanos,
            Resolution::Micro if nanos % 1000 == 0 => nanos / 1000,
            Resolution::Micro => return Err(ExportError::Precision { ts_ns }),
        };
        let fraction = u32::try_from(fraction).map_err(|_| ExportError::Time { ts_ns })?;
        let captured = u32::try_from(packet.data.len()).map_err(io::Error::other)?;
        let buffer = &mut self.out.buffer;
        for field in [seconds, fraction, captured, packet.orig_len] {
            buffer.extend_from_slice(&field.to_le_bytes());
        }
        buffer.extend_from_slice(packet.data);
        Ok(self.out.packet_done()?)
    }

    /// Packets so far.
    pub fn packets(&self) -> u64 {
        self.out.packets
    }

    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.out.bytes()
    }

    /// Writes what is buffered, and a header if there was no packet, and gives the receiver back.
    pub fn finish(mut self) -> Result<W, ExportError> {
        if self.link_type.is_none() {
            self.header(self.snaplens.first().map_or(LINK_TYPE_ETHERNET, |(link_type, _)| *link_type));
        }
        Ok(self.out.finish()?)
    }

    fn header(&mut self, link_type: u16) {
        self.link_type = Some(link_type);
        let magic: u32 = match self.resolution {
            Resolution::Micro => 0xA1B2_C3D4,
            Resolution::Nano => 0xA1B2_3C4D,
        };
        let snaplen = self.snaplens.iter().find(|(l, _)| *l == link_type).map_or(UNLIMITED_SNAPLEN, |(_, s)| *s);
        let buffer = &mut self.out.buffer;
        buffer.extend_from_slice(&magic.to_le_bytes());
        buffer.extend_from_slice(&2u16.to_le_bytes());
        buffer.extend_from_slice(&4u16.to_le_bytes());
        // Time zone and accuracy, which are 0 in every file; then snapshot length and link type.
        for field in [0, 0, snaplen, u32::from(link_type)] {
            buffer.extend_from_slice(&field.to_le_bytes());
        }
    }
}

/// Writes a pcapng file (draft-ietf-opsawg-pcapng), one section, little-endian, with a description of each interface
/// that a packet was seen on.
#[derive(Debug)]
pub struct PcapngWriter<W> {
    out: Buffered<W>,
    /// Number in the file of each interface. Two that are described alike but numbered apart stay apart.
    numbers: HashMap<(u32, Interface), u32>,
    last: Option<(u32, Interface, u32)>,
}

impl<W: Write> PcapngWriter<W> {
    /// A file into `out`.
    pub fn new(out: W) -> PcapngWriter<W> {
        let mut out = Buffered::new(out);
        push_section(&mut out.buffer);
        PcapngWriter { out, numbers: HashMap::new(), last: None }
    }

    /// Appends a packet that was seen on `interface`. An interface is the same as one before if its description and
    /// `packet.interface` are, so that a capture's segments share theirs.
    pub fn push(&mut self, interface: &Interface, packet: &RawPacket<'_>) -> Result<(), ExportError> {
        let number = match &self.last {
            Some((n, i, number)) if *n == packet.interface && i == interface => *number,
            _ => self.number(interface, packet.interface)?,
        };
        if interface.resolution == Resolution::Micro && packet.ts_ns % 1000 != 0 {
            return Err(ExportError::Precision { ts_ns: packet.ts_ns });
        }
        push_packet(&mut self.out.buffer, packet, number, interface.resolution);
        Ok(self.out.packet_done()?)
    }

    /// Packets so far.
    pub fn packets(&self) -> u64 {
        self.out.packets
    }

    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.out.bytes()
    }

    /// Writes what is buffered and gives the receiver back.
    pub fn finish(self) -> Result<W, ExportError> {
        Ok(self.out.finish()?)
    }

    fn number(&mut self, interface: &Interface, of_packet: u32) -> Result<u32, ExportError> {
        let key = (of_packet, interface.clone());
        let number = match self.numbers.get(&key) {
            Some(number) => *number,
            None => {
                let number = u32::try_from(self.numbers.len());
                let number = number.map_err(|_| ExportError::Interface("its number is over 4294967295"))?;
                let name_len = u16::try_from(interface.name.len());
                let name_len = name_len.map_err(|_| ExportError::Interface("its name is over 65535 bytes"))?;
                push_interface(&mut self.out.buffer, interface, name_len);
                self.numbers.insert(key, number);
                number
            }
        };
        self.last = Some((of_packet, interface.clone(), number));
        Ok(number)
    }
}

/// Bytes on their way to a receiver.
#[derive(Debug)]
struct Buffered<W> {
    out: W,
    buffer: Vec<u8>,
    written: u64,
    packets: u64,
}

impl<W: Write> Buffered<W> {
    fn new(out: W) -> Buffered<W> {
        Buffered { out, buffer: Vec::with_capacity(BUFFER_BYTES + 4096), written: 0, packets: 0 }
    }

    fn packet_done(&mut self) -> io::Result<()> {
        self.packets += 1;
        if self.buffer.len() < BUFFER_BYTES { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.buffer)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    fn finish(mut self) -> io::Result<W> {
        self.flush()?;
        self.out.flush()?;
        Ok(self.out)
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "the numbers of these tests are small")]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::raw::{Codec, Direction, RawWriter, tests::tool};

    fn interface(link_type: u16, snaplen: u32, resolution: Resolution) -> Interface {
        Interface { link_type, snaplen, name: String::new(), resolution }
    }

    fn packet(ts_ns: i64, data: &[u8]) -> RawPacket<'_> {
        RawPacket { ts_ns, interface: 0, orig_len: 1500, data, direction: None }
    }

    #[test]
    fn pcap_is_written_as_the_format_says() {
        for (resolution, magic, fraction) in
            [(Resolution::Micro, 0xA1B2_C3D4u32, 5u32), (Resolution::Nano, 0xA1B2_3C4D, 5_000)]
        {
            let i = interface(113, 0, resolution);
            let mut writer = PcapWriter::new(Vec::new(), [&i, &interface(1, 99, Resolution::Micro)]);
            writer.push(&i, &packet(7_000_005_000, b"abc")).unwrap();
            assert_eq!((writer.packets(), writer.bytes()), (1, 24 + 16 + 3));
            let mut expected = Vec::new();
            for field in [magic, 2 | 4 << 16, 0, 0, 262_144, 113, 7, fraction, 3, 1500] {
                expected.extend_from_slice(&field.to_le_bytes());
            }
            expected.extend_from_slice(b"abc");
            assert_eq!(writer.finish().unwrap(), expected);
        }
    }

    #[test]
    fn pcap_refuses_what_it_cannot_hold_and_names_pcapng() {
        let (a, b) = (interface(1, 0, Resolution::Micro), interface(276, 0, Resolution::Micro));
        let mut writer = PcapWriter::new(io::sink(), [&a, &b]);
        writer.push(&a, &packet(0, b"x")).unwrap();
        assert_eq!(
            writer.push(&b, &packet(0, b"x")).unwrap_err().to_string(),
            "a pcap file holds one link type: it has packets of 1 (ETHERNET) and now one of 276 (LINUX_SLL2); \
             write pcapng, which holds both"
        );
        for ts_ns in [-1_000, (1 << 32) * 1_000_000_000] {
            let refused = writer.push(&a, &packet(ts_ns, b"x"));
            assert!(matches!(refused, Err(ExportError::Time { ts_ns: named }) if named == ts_ns));
        }
        assert!(matches!(writer.push(&a, &packet(1, b"x")), Err(ExportError::Precision { ts_ns: 1 })));
        assert_eq!(writer.packets(), 1);
    }

    #[test]
    fn an_export_without_packets_is_a_file_with_a_header() {
        let nobody: [&Interface; 0] = [];
        assert_eq!(PcapWriter::new(Vec::new(), nobody).finish().unwrap().len(), 24);
        assert_eq!(PcapngWriter::new(Vec::new()).finish().unwrap().len(), 28);
    }

    #[test]
    fn pcapng_export_of_everything_is_the_raw_log_itself() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = RawWriter::create(&crate::fs::Fs::default(), dir.path(), Codec::Plain, 0).unwrap();
        let mut export = PcapngWriter::new(Vec::new());
        let alike = interface(1, 0, Resolution::Micro);
        let interfaces = [alike.clone(), interface(113, 64, Resolution::Nano), alike];
        for n in 0..3_000u32 {
            let at = n.min(2);
            let i = &interfaces[at as usize];
            if n < 3 {
                assert_eq!(log.interface(i).unwrap(), at);
            }
            let direction = [None, Some(Direction::In), Some(Direction::Out)][n as usize % 3];
            let data = vec![n as u8; n as usize % 200];
            let p = RawPacket { interface: at, direction, ..packet(i64::from(n) * 1000 - 5_000, &data) };
            log.push(&p).unwrap();
            export.push(i, &p).unwrap();
        }
        let summary = log.finish().unwrap();
        assert_eq!((export.packets(), export.bytes()), (3_000, summary.plain_bytes));
        let plain = fs::read(dir.path().join(summary.file_name)).unwrap();
        assert!(plain[..summary.plain_bytes as usize] == export.finish().unwrap());
    }

    #[test]
    fn pcap_export_is_what_tcpdump_writes() {
        let i = interface(1, 0, Resolution::Micro);
        let (mut pcap, mut pcapng) = (PcapWriter::new(Vec::new(), [&i]), PcapngWriter::new(Vec::new()));
        for n in 0..500i64 {
            let data = vec![n as u8; 14 + n as usize];
            let p = packet(1_700_000_000_000_000_000 + n * 1_234_567_000, &data);
            pcap.push(&i, &p).unwrap();
            pcapng.push(&i, &p).unwrap();
        }
        let Some(theirs) = tool(&["tcpdump", "-r", "-", "-w", "-"], pcapng.finish().unwrap()) else { return };
        assert!(theirs == pcap.finish().unwrap());
    }

    #[test]
    fn microsecond_captures_of_the_corpus_come_out_as_from_tcpdump() {
        let corpus = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says it to tests"))
            .join("../../shared/corpus/dev-set");
        let Ok(files) = fs::read_dir(&corpus) else {
            eprintln!(
                "SKIPPED: no corpus at {}, so export is not compared with tcpdump on real captures",
                corpus.display()
            );
            return;
        };
        let mut compared = 0;
        for path in files.map(|f| f.unwrap().path()) {
            let bytes = fs::read(&path).unwrap_or_default();
            let Some(ours) = reexport(&bytes) else { continue };
            assert!(ours == bytes, "{}", path.display());
            let Some(mut theirs) = tool(&["tcpdump", "-r", "-", "-w", "-"], bytes) else { return };
            // tcpdump turns 12, which captures use for raw IP, into 101, the registered number; we keep the source's.
            if (ours[20], theirs[20]) == (12, 101) {
                theirs[20] = 12;
            }
            assert!(ours == theirs, "{}", path.display());
            compared += 1;
        }
        assert!(compared > 20, "only {compared} captures compared");
    }

    /// A whole little-endian microsecond pcap through [`PcapWriter`]; None for any other file.
    fn reexport(bytes: &[u8]) -> Option<Vec<u8>> {
        let field = |at: usize| bytes.get(at..at + 4).map(|b| u32::from_le_bytes(b.try_into().unwrap()));
        if field(0)? != 0xA1B2_C3D4 || bytes.len() > 20 << 20 {
            return None;
        }
        let i = interface(u16::try_from(field(20)?).ok()?, field(16)?, Resolution::Micro);
        let mut writer = PcapWriter::new(Vec::new(), [&i]);
        let mut at = 24;
        while at < bytes.len() {
            let data = bytes.get(at + 16..at + 16 + field(at + 8)? as usize)?;
            let ts_ns = i64::from(field(at)?) * 1_000_000_000 + i64::from(field(at + 4)?) * 1000;
            let p = RawPacket { orig_len: field(at + 12)?, ..packet(ts_ns, data) };
            writer.push(&i, &p).ok()?;
            at += 16 + data.len();
        }
        writer.finish().ok()
    }
}
