//! The packets that filters are asked of: a few of every capture in the corpus, and the same rewritten to other link types.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Captures with protocols that few others have, of which more packets are taken.
const RICH: &[&str] =
    &["derived-tunnels", "vlan", "mpls", "geneve", "frag", "icmp", "bitflips", "cut-packets", "sctp", "diameter"];
const PACKETS_OF_RICH: &str = "45";
const PACKETS_OF_OTHERS: &str = "6";

/// Enough for every header a filter looks at; cut packets also ask what a filter does at the end of the bytes.
const KEPT_BYTES: usize = 180;

/// Packets that were cut within their headers have fewer bytes than this.
pub(crate) const CUT_BYTES: usize = 90;

/// A frame as captured, and its length on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) data: Vec<u8>,
    pub(crate) orig_len: u32,
}

/// Packets of one link type, and the file that holds them.
#[derive(Debug)]
pub(crate) struct Capture {
    pub(crate) link_type: u16,
    pub(crate) packets: Vec<Packet>,
    pub(crate) path: PathBuf,
}

/// One capture of each link type, written to `dir`.
pub(crate) fn captures(corpus: &Path, dir: &Path) -> Vec<Capture> {
    let mut by_link: Vec<(u16, Vec<Packet>)> = vec![(1, super::crafted::crafted())];
    let mut files: Vec<PathBuf> = std::fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if !(name.ends_with(".pcap") || name.ends_with(".pcapng")) {
            continue;
        }
        let count = if RICH.iter().any(|rich| name.contains(rich)) { PACKETS_OF_RICH } else { PACKETS_OF_OTHERS };
        let output = Command::new("tcpdump").args(["-c", count, "-w", "-", "-r"]).arg(&file).output().unwrap();
        // A file of several interfaces or a torn one gives what could be read of it, perhaps nothing.
        let Some((link_type, packets)) = read(&output.stdout) else { continue };
        match by_link.iter_mut().find(|(link, _)| *link == link_type) {
            Some((_, all)) => all.extend(packets),
            None => by_link.push((link_type, packets)),
        }
    }
    let ethernet = by_link[0].1.clone();
    for link_type in [0, 9, 101, 104, 108, 113, 228, 229, 276] {
        let rewritten = ethernet.iter().step_by(3).filter_map(|packet| rewrite(packet, link_type));
        match by_link.iter_mut().find(|(link, _)| *link == link_type) {
            Some((_, all)) => all.extend(rewritten),
            None => by_link.push((link_type, rewritten.collect())),
        }
    }
    by_link.retain(|(link, _)| [0, 1, 9, 101, 104, 108, 113, 228, 229, 276].contains(link));
    by_link.sort_by_key(|(link, _)| *link);
    by_link
        .into_iter()
        .map(|(link_type, mut packets)| {
            cut(&mut packets);
            let path = dir.join(format!("bpf-link-{link_type}.pcap"));
            std::fs::write(&path, write(link_type, &packets)).unwrap();
            Capture { link_type, packets, path }
        })
        .collect()
}

/// Shortens all, and every sixth to somewhere in its headers.
fn cut(packets: &mut [Packet]) {
    for (index, packet) in packets.iter_mut().enumerate() {
        let keep = if index % 6 == 5 { (index * 7) % CUT_BYTES } else { KEPT_BYTES };
        packet.data.truncate(keep);
    }
}

/// The packets of a classic capture in little-endian order, as tcpdump writes them here.
pub(crate) fn read(bytes: &[u8]) -> Option<(u16, Vec<Packet>)> {
    let word = |at: usize| bytes.get(at..at + 4).map(|word| u32::from_le_bytes(word.try_into().unwrap()));
    let link_type = u16::try_from(word(20)? & 0xffff).unwrap();
    let mut packets = Vec::new();
    let mut at = 24;
    while let (Some(length), Some(orig_len)) = (word(at + 8), word(at + 12)) {
        let end = at + 16 + length as usize;
        let Some(data) = bytes.get(at + 16..end) else { break };
        packets.push(Packet { data: data.to_vec(), orig_len });
        at = end;
    }
    Some((link_type, packets))
}

fn write(link_type: u16, packets: &[Packet]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, u32::from(link_type)] {
        bytes.extend(u32::to_le_bytes(word));
    }
    for packet in packets {
        for word in [0, 0, u32::try_from(packet.data.len()).unwrap(), packet.orig_len] {
            bytes.extend(u32::to_le_bytes(word));
        }
        bytes.extend(&packet.data);
    }
    bytes
}

/// An Ethernet frame's payload under another link header, where that can carry it.
fn rewrite(packet: &Packet, link_type: u16) -> Option<Packet> {
    let kind = u16::from_be_bytes(packet.data.get(12..14)?.try_into().unwrap());
    let payload = packet.data.get(14..)?;
    let (ip, ip6) = (kind == 0x800, kind == 0x86dd);
    let proto = if kind <= 1500 { 4 } else { kind };
    let seed = packet.data.get(20).copied().unwrap_or(0);
    let header: Vec<u8> = match link_type {
        0 | 108 => {
            let family = if ip {
                2
            } else if ip6 {
                [24, 28, 30, 10][usize::from(seed % 4)]
            } else {
                7
            };
            if link_type == 0 { u32::to_le_bytes(family).into() } else { u32::to_be_bytes(family).into() }
        }
        9 => [
            &[0xff, 3][..],
            &if ip {
                [0, 0x21]
            } else if ip6 {
                [0, 0x57]
            } else if kind == 0x8847 {
                [2, 0x81]
            } else {
                [0xc0, 0x21]
            },
        ]
        .concat(),
        104 => [&[0x0f, 0][..], &kind.to_be_bytes()].concat(),
        113 => [&[0, seed % 5, 0, 1, 0, 6, 0, 1, 2, 3, 4, 5, 0, 0][..], &proto.to_be_bytes()].concat(),
        276 => {
            [&proto.to_be_bytes()[..], &[0, 0, 0, 0, 0, seed % 3, 0, 1, seed % 5, 6, 0, 1, 2, 3, 4, 5, 0, 0]].concat()
        }
        101 if ip || ip6 => Vec::new(),
        228 if ip => Vec::new(),
        229 if ip6 => Vec::new(),
        _ => return None,
    };
    let data = [&header, payload].concat();
    let orig_len = packet.orig_len - 14 + u32::try_from(header.len()).unwrap();
    Some(Packet { data, orig_len })
}
