//! Two hosts talking, as a capture point between them records it: handshake, segments, acknowledgements, retransmissions
//! and the end, with times that respect the round trip.
//!
//! ```text
//!   client ── near ── capture point ───────── rtt ───────── server
//!                     │ request at t                     │
//!                     │ its ACK and the response from t + rtt
//! ```
//!
//! One side sends at a time. That is enough for request and response, bulk transfer and interactive sessions, and keeps
//! every sequence and acknowledgement number right by construction.

use etherparse::{TcpHeader, TcpOptionElement};

use super::{
    packet::{self, Endpoint, Packet},
    random::Random,
};

/// Payload bytes of a full TCP segment without options: Ethernet's 1500 less the IPv4 and TCP headers.
const SEGMENT_BYTES_V4: usize = 1460;
/// The same with an IPv6 header.
const SEGMENT_BYTES_V6: usize = 1440;
/// Full segments a sender has in flight before it waits for acknowledgements.
const BURST_SEGMENTS: usize = 16;
/// A full segment's time on a gigabit link.
const SEGMENT_NS: i64 = 12_000;
/// How long a sender waits before it sends a lost segment again (Linux's 200 ms and some queueing).
const RETRANSMISSION_NS: i64 = 220_000_000;
/// The receive window announced after the handshake, in units of the window scale: what Linux starts with.
const WINDOW: u16 = 502;
/// How long the client's host takes to answer, seen from the capture point.
const NEAR_NS: i64 = 180_000;

/// Builds the packets of one conversation, in the order of the calls.
///
/// ```
/// use std::net::Ipv4Addr;
/// use wiretape::demo::{Conversation, Endpoint};
///
/// let client = Endpoint::new(Ipv4Addr::new(10, 0, 0, 1), 40_000);
/// let server = Endpoint::new(Ipv4Addr::new(10, 0, 0, 2), 80);
/// let packets = Conversation::tcp(client, server)
///     .at(1_000_000_000)
///     .request(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")
///     .response(b"HTTP/1.1 204 No Content\r\n\r\n")
///     .fin()
///     .packets();
/// assert_eq!(packets.len(), 3 + 2 + 2 + 3); // handshake, request and ACK, response and ACK, end
/// ```
#[derive(Debug, Clone)]
pub struct Conversation {
    client: Side,
    server: Side,
    transport: Transport,
    vlan: Option<u16>,
    now_ns: i64,
    rtt_ns: i64,
    lose_next: bool,
    packets: Vec<Packet>,
}

#[derive(Debug, Clone)]
struct Side {
    at: Endpoint,
    next_seq: u32,
    ip_id: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    Udp,
    /// TCP before the handshake.
    TcpNew,
    /// TCP after it.
    TcpOpen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sender {
    Client,
    Server,
}

impl Conversation {
    /// A TCP connection. The handshake happens before the first bytes.
    pub fn tcp(client: Endpoint, server: Endpoint) -> Conversation {
        Conversation::new(client, server, Transport::TcpNew)
    }

    /// An exchange of UDP datagrams, one per call.
    pub fn udp(client: Endpoint, server: Endpoint) -> Conversation {
        Conversation::new(client, server, Transport::Udp)
    }

    /// When the next packet passes the capture point, ns since the epoch.
    #[must_use]
    pub fn at(mut self, ts_ns: i64) -> Conversation {
        self.now_ns = ts_ns;
        self
    }

    /// Round trip from the capture point to the server and back, ns. 1 ms unless said.
    #[must_use]
    pub fn rtt(mut self, rtt_ns: i64) -> Conversation {
        self.rtt_ns = rtt_ns;
        self
    }

    /// Tags every packet with an 802.1Q VLAN id.
    #[must_use]
    pub fn vlan(mut self, id: u16) -> Conversation {
        self.vlan = Some(id);
        self
    }

    /// Lets `ns` pass: thinking, computing, sleeping.
    #[must_use]
    pub fn wait(mut self, ns: i64) -> Conversation {
        self.now_ns += ns;
        self
    }

    /// The last segment of the next request or response is lost behind the capture point, so it is seen twice.
    #[must_use]
    pub fn losing(mut self) -> Conversation {
        self.lose_next = true;
        self
    }

    /// Bytes from the client.
    #[must_use]
    pub fn request(self, bytes: &[u8]) -> Conversation {
        self.send(Sender::Client, bytes)
    }

    /// Bytes from the server.
    #[must_use]
    pub fn response(self, bytes: &[u8]) -> Conversation {
        self.send(Sender::Server, bytes)
    }

    /// Both sides close in order, the client first.
    #[must_use]
    pub fn fin(mut self) -> Conversation {
        let fin = TcpHeader { fin: true, ..TcpHeader::default() };
        self.segment(Sender::Client, fin.clone(), &[]);
        self.now_ns += self.rtt_ns;
        self.segment(Sender::Server, fin, &[]);
        self.now_ns += NEAR_NS;
        self.acknowledge(Sender::Client);
        self
    }

    /// The client aborts.
    #[must_use]
    pub fn reset(mut self) -> Conversation {
        self.segment(Sender::Client, TcpHeader { rst: true, ..TcpHeader::default() }, &[]);
        self
    }

    /// The port is closed: SYN, answered by RST.
    #[must_use]
    pub fn refused(mut self) -> Conversation {
        self.syn();
        self.now_ns += self.rtt_ns;
        self.server.next_seq = 0;
        self.segment(Sender::Server, TcpHeader { rst: true, ..TcpHeader::default() }, &[]);
        self
    }

    /// The port is filtered: SYN, twice more after 1 and 3 s, and no answer.
    #[must_use]
    pub fn unanswered(mut self) -> Conversation {
        let seq = self.client.next_seq;
        for pause_ns in [1_000_000_000, 2_000_000_000, 0] {
            self.client.next_seq = seq;
            self.syn();
            self.now_ns += pause_ns;
        }
        self
    }

    /// The port is open, and the client only wanted to know: SYN, SYN-ACK, RST.
    #[must_use]
    pub fn probed(mut self) -> Conversation {
        self.syn();
        self.now_ns += self.rtt_ns;
        self.syn_ack();
        self.now_ns += NEAR_NS;
        self.reset()
    }

    /// What the capture point recorded, in time order.
    pub fn packets(mut self) -> Vec<Packet> {
        self.packets.sort_by_key(|p| p.ts_ns);
        self.packets
    }

    fn new(client: Endpoint, server: Endpoint, transport: Transport) -> Conversation {
        // Initial numbers only have to differ between conversations: the ports and addresses decide them.
        let mut random = Random::new(u64::from(client.port) << 16 | u64::from(server.port));
        let mut side = |at: Endpoint| {
            let [low, .., high] = at.mac;
            let [a, b, c, d, e, f, ..] = (random.word() ^ u64::from(low) ^ u64::from(high) << 24).to_le_bytes();
            Side { at, next_seq: u32::from_le_bytes([a, b, c, d]), ip_id: u16::from_le_bytes([e, f]) }
        };
        Conversation {
            client: side(client),
            server: side(server),
            transport,
            vlan: None,
            now_ns: 0,
            rtt_ns: 1_000_000,
            lose_next: false,
            packets: Vec::new(),
        }
    }

    fn send(mut self, from: Sender, bytes: &[u8]) -> Conversation {
        match self.transport {
            Transport::Udp => self.datagram(from, bytes),
            Transport::TcpNew => {
                self.handshake();
                self.stream(from, bytes);
            }
            Transport::TcpOpen => self.stream(from, bytes),
        }
        self
    }

    fn datagram(&mut self, from: Sender, bytes: &[u8]) {
        let (src, dst) = self.sides(from);
        src.ip_id = src.ip_id.wrapping_add(1);
        let (src, dst, ip_id) = (src.at, dst.at, src.ip_id);
        let data = packet::udp(src, dst, self.vlan, ip_id, bytes);
        self.packets.push(Packet { ts_ns: self.now_ns, data });
        self.now_ns += self.reply_ns(from);
    }

    fn handshake(&mut self) {
        self.syn();
        self.now_ns += self.rtt_ns;
        self.syn_ack();
        self.now_ns += NEAR_NS;
        self.acknowledge(Sender::Client);
        self.now_ns += NEAR_NS / 4;
        self.transport = Transport::TcpOpen;
    }

    fn syn(&mut self) {
        self.segment(Sender::Client, opening(self.segment_bytes()), &[]);
    }

    fn syn_ack(&mut self) {
        self.segment(Sender::Server, TcpHeader { ack: true, ..opening(self.segment_bytes()) }, &[]);
    }

    /// Bursts of full segments; every second one and the last of a burst is acknowledged one reply time later.
    fn stream(&mut self, from: Sender, bytes: &[u8]) {
        let reply_ns = self.reply_ns(from);
        let segment_bytes = self.segment_bytes();
        let bursts = bytes.len().div_ceil(segment_bytes * BURST_SEGMENTS);
        for (b, burst) in bytes.chunks(segment_bytes * BURST_SEGMENTS).enumerate() {
            let segments = burst.len().div_ceil(segment_bytes);
            let mut acknowledgements = Vec::new();
            for (s, payload) in burst.chunks(segment_bytes).enumerate() {
                let last = s + 1 == segments;
                let header = TcpHeader { psh: last, ..TcpHeader::default() };
                let seq = self.segment(from, header.clone(), payload);
                if last && b + 1 == bursts && std::mem::take(&mut self.lose_next) {
                    self.now_ns += RETRANSMISSION_NS;
                    self.sides(from).0.next_seq = seq;
                    self.segment(from, header, payload);
                }
                if last || s % 2 == 1 {
                    acknowledgements.push((self.now_ns + reply_ns, self.sides(from).0.next_seq));
                }
                self.now_ns += SEGMENT_NS;
            }
            // The sender's number is wound back for each acknowledgement, which must name what had arrived by then.
            for (at_ns, next_seq) in acknowledgements {
                self.now_ns = at_ns;
                self.sides(from).0.next_seq = next_seq;
                self.acknowledge(other(from));
            }
        }
    }

    fn acknowledge(&mut self, from: Sender) {
        self.segment(from, TcpHeader::default(), &[]);
    }

    /// Records one segment now, with the numbers that are right now, and returns its sequence number. Everything but a
    /// client's SYN acknowledges what the other side has sent.
    fn segment(&mut self, from: Sender, header: TcpHeader, payload: &[u8]) -> u32 {
        let (src, dst) = self.sides(from);
        let first_syn = header.syn && !header.ack;
        let seq = src.next_seq;
        let mut header = TcpHeader {
            sequence_number: seq,
            acknowledgment_number: if first_syn { 0 } else { dst.next_seq },
            ack: !first_syn,
            psh: header.psh && !payload.is_empty(),
            ..header
        };
        if !header.syn {
            header.window_size = if header.rst { 0 } else { WINDOW };
        }
        let counted = u32::from(header.syn) + u32::from(header.fin);
        let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        src.next_seq = seq.wrapping_add(len).wrapping_add(counted);
        src.ip_id = src.ip_id.wrapping_add(1);
        let (src, dst, ip_id) = (src.at, dst.at, src.ip_id);
        let data = packet::tcp(src, dst, self.vlan, ip_id, header, payload);
        self.packets.push(Packet { ts_ns: self.now_ns, data });
        seq
    }

    fn segment_bytes(&self) -> usize {
        if self.client.at.ip.is_ipv4() { SEGMENT_BYTES_V4 } else { SEGMENT_BYTES_V6 }
    }

    /// The sending side, then the receiving one.
    fn sides(&mut self, from: Sender) -> (&mut Side, &mut Side) {
        match from {
            Sender::Client => (&mut self.client, &mut self.server),
            Sender::Server => (&mut self.server, &mut self.client),
        }
    }

    /// From a packet of this side to the other side's reaction, both at the capture point.
    fn reply_ns(&self, from: Sender) -> i64 {
        match from {
            Sender::Client => self.rtt_ns,
            Sender::Server => NEAR_NS,
        }
    }
}

fn other(from: Sender) -> Sender {
    match from {
        Sender::Client => Sender::Server,
        Sender::Server => Sender::Client,
    }
}

/// The header of SYN and SYN-ACK, with the options Linux sends apart from timestamps.
fn opening(segment_bytes: usize) -> TcpHeader {
    let segment_bytes = u16::try_from(segment_bytes).unwrap_or(u16::MAX);
    let mut header = TcpHeader { syn: true, window_size: 64_240, ..TcpHeader::default() };
    let options = [
        TcpOptionElement::MaximumSegmentSize(segment_bytes),
        TcpOptionElement::SelectiveAcknowledgementPermitted,
        TcpOptionElement::Noop,
        TcpOptionElement::WindowScale(7),
    ];
    header.set_options(&options).expect("12 bytes of options are within the 40 that TCP has room for");
    header
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use etherparse::{SlicedPacket, TransportSlice};

    use super::*;

    fn conversation() -> Conversation {
        let client = Endpoint::new(Ipv4Addr::new(10, 0, 0, 1), 40_000);
        let server = Endpoint::new(Ipv4Addr::new(10, 0, 0, 2), 80);
        Conversation::tcp(client, server).at(5_000).rtt(2_000_000)
    }

    fn headers(packets: &[Packet]) -> Vec<(TcpHeader, usize)> {
        let parse = |p: &Packet| match SlicedPacket::from_ethernet(&p.data).unwrap().transport {
            Some(TransportSlice::Tcp(tcp)) => (tcp.to_header(), tcp.payload().len()),
            other => panic!("not TCP: {other:?}"),
        };
        packets.iter().map(parse).collect()
    }

    #[test]
    fn every_acknowledgement_names_bytes_already_seen() {
        let packets = conversation().request(&[1; 100]).response(&[2; 50_000]).request(&[3; 30_000]).fin().packets();
        let headers = headers(&packets);
        let ports = [40_000, 80];
        let start = ports.map(|port| headers.iter().find(|h| h.0.source_port == port).unwrap().0.sequence_number);
        let mut next = [0u32; 2];
        for (header, len) in &headers {
            let side = usize::from(header.source_port == 80);
            let seq = header.sequence_number.wrapping_sub(start[side]);
            assert_eq!(seq, next[side], "a hole in what port {} sent", header.source_port);
            next[side] = seq + u32::try_from(*len).unwrap() + u32::from(header.syn) + u32::from(header.fin);
            if header.ack {
                assert!(header.acknowledgment_number.wrapping_sub(start[1 - side]) <= next[1 - side]);
            }
        }
        assert_eq!(next, [1 + 100 + 30_000 + 1, 1 + 50_000 + 1]);
    }

    #[test]
    fn a_lost_segment_is_seen_twice_and_acknowledged_once() {
        let packets = conversation().losing().request(&[1; 2_000]).packets();
        let headers = headers(&packets);
        let sent: Vec<_> = headers.iter().filter(|h| h.1 > 0).map(|h| (h.0.sequence_number, h.1)).collect();
        assert_eq!(sent.len(), 3);
        assert_eq!(sent[1], sent[2]);
        assert_eq!(headers.last().unwrap().0.acknowledgment_number, sent[2].0 + 540);
    }

    #[test]
    fn a_closed_port_answers_with_reset() {
        let headers = headers(&conversation().refused().packets());
        assert_eq!(headers.len(), 2);
        assert!(headers[0].0.syn && !headers[0].0.ack);
        assert!(headers[1].0.rst && headers[1].0.ack);
        assert_eq!(headers[1].0.acknowledgment_number, headers[0].0.sequence_number.wrapping_add(1));
    }

    #[test]
    fn an_unanswered_syn_is_repeated_with_the_same_number() {
        let headers = headers(&conversation().unanswered().packets());
        assert_eq!(headers.len(), 3);
        assert!(headers.iter().all(|h| h.0.syn && h.0.sequence_number == headers[0].0.sequence_number));
    }
}
