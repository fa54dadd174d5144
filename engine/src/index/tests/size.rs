//! Bytes per row on generated traffic. Sizes depend on nothing but the code, so they are asserted; times are only printed.

use std::{cmp::Reverse, collections::BinaryHeap, net::Ipv4Addr, time::Instant};

use arrow::{array::Array, buffer::BooleanBuffer, record_batch::RecordBatch};

use super::OnDisk;
use crate::{
    column::{I64, Ip, Symbol, Ts, U8, U16},
    table,
};

table! {
    /// The indexed columns that packets have.
    pub static TRAFFIC: "traffic", row TrafficRow, builder TrafficBuilder {
        /// When.
        ts: Ts,
        /// Which flow.
        flow_id: Option<I64> [key()],
        /// Which VLAN.
        vlan_id: Option<U16> [key()],
        /// From.
        src_ip: Option<Ip> [mirrors("dst_ip")],
        /// To.
        dst_ip: Option<Ip> [mirrors("src_ip")],
        /// How.
        proto: Option<Symbol> [key()],
        /// From where.
        src_port: Option<U16> [mirrors("dst_port")],
        /// Where to.
        dst_port: Option<U16> [mirrors("src_port")],
        /// TCP flags.
        tcp_flags: Option<U8> [row_index()],
        /// By content.
        app_proto: Option<Symbol> [key()],
    }
}

/// SplitMix64: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// Below `n`, small ones more often.
    fn skewed(&mut self, n: u64) -> u64 {
        let limit = self.below(n) + 1;
        self.below(limit)
    }
}

struct Flow {
    client: Ipv4Addr,
    server: Ipv4Addr,
    port: u16,
    service: (u16, &'static str),
    packets: u64,
    vlan: Option<u16>,
}

impl Flow {
    fn start(random: &mut Random) -> Flow {
        let is_dns = random.below(3) < 2;
        let service = match (is_dns, random.below(10)) {
            (true, _) => (53, "dns"),
            (_, 0..=5) => (443, "tls"),
            (_, 6..=7) => (80, "http"),
            (_, 8) => (5432, "postgres"),
            _ => (6379, "redis"),
        };
        let servers = if is_dns { 4 } else { 200 };
        Flow {
            client: Ipv4Addr::from(0x0a00_0000 + random.skewed(1800) as u32 * 7),
            server: Ipv4Addr::from(0xc0a8_0000 + random.skewed(servers) as u32),
            port: 32768 + random.below(28000) as u16,
            service,
            packets: if is_dns { 2 + random.below(8) / 7 } else { 8 + random.skewed(80) },
            vlan: (random.below(20) == 0).then_some(100),
        }
    }

    /// Packet `n` of the flow: whether the server sends it, and its TCP flags.
    fn packet(&self, n: u64, random: &mut Random) -> (bool, Option<u8>) {
        if self.service.0 == 53 {
            return (n % 2 == 1, None);
        }
        match n {
            0 => (false, Some(0x02)),
            1 => (true, Some(0x12)),
            2 => (false, Some(0x10)),
            n if n + 2 >= self.packets => (n % 2 == 0, Some(0x11)),
            _ => (random.below(5) < 3, Some(if random.below(3) == 0 { 0x18 } else { 0x10 })),
        }
    }
}

/// `rows` packets of flows that overlap in time, a tenth as many flows, two thirds of them of 2 or 3 packets.
fn traffic(rows: usize) -> RecordBatch {
    let mut random = Random(2);
    let mut builder = TrafficBuilder::default();
    let mut flows: Vec<Flow> = Vec::new();
    let mut due = BinaryHeap::from([Reverse((0u64, usize::MAX, 0u64))]);
    while let Some(Reverse((now, flow, n))) = due.pop()
        && builder.len() < rows
    {
        let (flow, n) = if flow == usize::MAX {
            due.push(Reverse((now + 1 + random.below(100), usize::MAX, 0)));
            flows.push(Flow::start(&mut random));
            (flows.len() - 1, 0)
        } else {
            (flow, n)
        };
        let f = &flows[flow];
        let (is_reply, tcp_flags) = f.packet(n, &mut random);
        let (client, server) = ((f.client, f.port), (f.server, f.service.0));
        let (src, dst) = if is_reply { (server, client) } else { (client, server) };
        builder.push(TrafficRow {
            ts: now as i64,
            flow_id: Some(flow as i64),
            vlan_id: f.vlan,
            src_ip: Some(src.0.into()),
            dst_ip: Some(dst.0.into()),
            proto: Some(if tcp_flags.is_some() { "tcp" } else { "udp" }),
            src_port: Some(src.1),
            dst_port: Some(dst.1),
            tcp_flags,
            app_proto: Some(f.service.1),
        });
        if n + 1 < f.packets {
            due.push(Reverse((now + 5 + random.skewed(900), flow, n + 1)));
        }
    }
    builder.finish().unwrap()
}

#[test]
fn traffic_of_many_short_flows_takes_less_than_two_bytes_a_row() {
    let batch = traffic(1 << 20);
    let rows = batch.num_rows();
    let start = Instant::now();
    let bytes = super::super::build(&TRAFFIC, &batch).unwrap();
    let built = start.elapsed();
    let disk = OnDisk::new(&bytes);
    let index = disk.open();
    let keys = index.directory.keys as usize;
    assert!(keys * 8 < rows && keys * 13 > rows, "{keys} keys in {rows} rows are not the traffic meant");

    eprintln!("{rows} rows, {keys} keys, built in {built:?}, {:.1} M rows/s", rows as f64 / built.as_micros() as f64);
    let per_row = |bytes: usize| bytes as f64 / rows as f64;
    let directory = &index.directory;
    for (n, d) in directory.dictionaries.iter().enumerate() {
        eprintln!(
            "  dictionary {n}: {} values, {:.4} bytes per row",
            d.values,
            per_row(d.section.stored_bytes as usize)
        );
    }
    for c in &directory.columns {
        eprintln!("  codes of {}: {:.4} bytes per row", c.name, per_row(c.section.stored_bytes as usize));
    }
    eprintln!("  counts: {:.4} bytes per row", per_row(directory.counts.stored_bytes as usize));
    let postings: usize = directory.blocks.iter().map(|b| b.section.stored_bytes as usize).sum();
    eprintln!("  postings in {} blocks: {:.4} bytes per row", directory.blocks.len(), per_row(postings));
    eprintln!("  whole file: {:.4} bytes per row", per_row(bytes.len()));
    assert!(bytes.len() < 2 * rows);

    for round in ["cold", "warm"] {
        for (column, wanted) in [("src_ip", 900), ("flow_id", 50_000), ("dst_port", 2), ("tcp_flags", 0)] {
            let start = Instant::now();
            let values = index.values(column).unwrap().unwrap();
            let mask: BooleanBuffer = (0..values.len()).map(|v| v == wanted).collect();
            let selection = index.select(column, &mask).unwrap();
            let selected = start.elapsed();
            let found = index.rows_of(&selection).unwrap();
            let all = start.elapsed();
            eprintln!("  {round} {column}: {} rows, select {selected:?}, with rows {all:?}", found.cardinality());
            assert_eq!(index.count(&selection).unwrap(), found.cardinality());
        }
    }
    eprintln!("  {} bytes of memory", index.size_bytes());
    index.verify().unwrap();
}
