//! Captures as lists of frames: read back with the project's own reader, or built by hand in any size.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use wiretape::{
    demo,
    ingest::source::{CaptureFile, Event},
};

/// All that an exact copy of a frame has to agree in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnedFrame {
    /// Arrival, ns since the epoch.
    pub(crate) ts_ns: i64,
    /// `LINKTYPE_` number.
    pub(crate) link_type: u16,
    /// Bytes on the wire.
    pub(crate) orig_len: u32,
    /// Bytes captured.
    pub(crate) data: Vec<u8>,
}

/// Every whole frame of a capture file, in file order. Damage ends it, as it ends an import.
pub(crate) fn read(path: &Path) -> Vec<OwnedFrame> {
    let capture = CaptureFile::open(path).unwrap_or_else(|e| panic!("{e}"));
    frames(capture)
}

/// Every whole frame of the bytes of a capture file.
pub(crate) fn parse(bytes: Vec<u8>) -> Vec<OwnedFrame> {
    let reader = Box::new(std::io::Cursor::new(bytes));
    frames(CaptureFile::from_reader("exported".to_owned(), reader).unwrap_or_else(|e| panic!("{e}")))
}

fn frames(mut capture: CaptureFile) -> Vec<OwnedFrame> {
    let mut frames = Vec::new();
    while let Ok(Some(event)) = capture.next_event() {
        if let Event::Frame(frame) = event {
            let (ts_ns, link_type, orig_len) = (frame.ts_ns, frame.link_type, frame.orig_len);
            frames.push(OwnedFrame { ts_ns, link_type, orig_len, data: frame.data.to_vec() });
        }
    }
    frames
}

/// The demo's capture as a file in `dir`, cut to its first `packets`.
pub(crate) fn office(dir: &Path, packets: usize) -> PathBuf {
    let mut all = demo::packets();
    all.truncate(packets);
    let path = dir.join(demo::FILE_NAME);
    std::fs::write(&path, demo::pcap(&all)).expect("the temporary folder has room");
    path
}

/// A capture of `packets` small UDP datagrams between a thousand pairs of hosts, a microsecond apart, written to `path`.
pub(crate) fn flood(path: &Path, packets: u32) {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).expect("the temporary folder can be written"));
    file.write_all(&demo::pcap(&[])).expect("room for a header");
    for n in 0..packets {
        let frame = datagram(n);
        let ts_ns = demo::START_NS + i64::from(n) * 1000;
        for word in [ts_ns / 1_000_000_000, ts_ns % 1_000_000_000, frame.len() as i64, frame.len() as i64] {
            file.write_all(&u32::try_from(word).expect("before 2106").to_le_bytes()).expect("room for a record");
        }
        file.write_all(&frame).expect("room for a frame");
    }
    file.flush().expect("room for the rest");
}

/// Datagram number `n`, Ethernet and IPv4, without checksums; the payload tells the number.
fn datagram(n: u32) -> Vec<u8> {
    let [.., high, low] = (n % 1000).to_be_bytes();
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    frame.extend([0x45, 0, 0, 60, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 1, high, low, 10, 2, high, low]);
    frame.extend([0x9c, 0x40, 0x27, 0x0f, 0, 40, 0, 0]);
    frame.extend((0..8).flat_map(|_| n.to_be_bytes()));
    frame
}
