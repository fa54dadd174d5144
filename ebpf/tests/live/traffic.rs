//! Packets of every shape the tests compare, made by the kernel where it can and by hand where it cannot.
#![expect(unsafe_code, reason = "raw frames and a tun device need system calls std has no names for")]

use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    mem,
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    sync::mpsc,
    thread,
    time::Duration,
};

use super::namespace::Namespace;

/// A port where datagrams are taken and forgotten, so that no "port unreachable" answers them.
const SINK: u16 = 9009;

/// Takes datagrams at `address` while it lives.
pub(crate) fn sink(namespace: &Namespace, address: &str) -> UdpSocket {
    let address: IpAddr = address.parse().unwrap();
    namespace.enter(|| UdpSocket::bind(SocketAddr::new(address, SINK)).unwrap())
}

/// Sends datagrams to a sink.
pub(crate) fn datagrams<'a>(namespace: &Namespace, to: &str, payloads: impl IntoIterator<Item = &'a [u8]> + Send) {
    let to = SocketAddr::new(to.parse().unwrap(), SINK);
    let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    namespace.enter(|| {
        let socket = UdpSocket::bind(any).unwrap();
        for payload in payloads {
            socket.send_to(payload, to).unwrap();
        }
    });
}

/// Moves `bytes` over TCP: super-packets where the device takes them.
pub(crate) fn transfer(from: &Namespace, to: &Namespace, address: &str, bytes: usize) {
    let address: IpAddr = address.parse().unwrap();
    let listener = to.enter(|| TcpListener::bind(SocketAddr::new(address, 0)).unwrap());
    let at = listener.local_addr().unwrap();
    let reader = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = vec![0; 1 << 16];
        let mut read = 0;
        loop {
            match stream.read(&mut buffer).unwrap() {
                0 => return read,
                n => read += n,
            }
        }
    });
    from.enter(|| {
        let mut stream = TcpStream::connect(at).unwrap();
        let chunk: Vec<u8> = (0..=255).cycle().take(1 << 16).collect();
        for _ in 0..bytes.div_ceil(chunk.len()) {
            stream.write_all(&chunk).unwrap();
        }
    });
    assert!(reader.join().unwrap() >= bytes);
    // The last acknowledgements of the connection's end are still on their way.
    thread::sleep(Duration::from_millis(100));
}

/// Sends whole frames out of an interface.
pub(crate) fn raw_frames(namespace: &Namespace, interface: &str, frames: &[Vec<u8>]) {
    namespace.enter(|| {
        let number = index_of(interface);
        // SAFETY: no memory is passed to `socket`; the descriptor it returns is ours. `sockaddr_ll` is made of integers. The
        // address and each frame are valid for the lengths given.
        unsafe {
            let fd = libc::socket(libc::AF_PACKET, libc::SOCK_RAW, 0);
            assert!(fd >= 0);
            let fd = OwnedFd::from_raw_fd(fd);
            let mut to: libc::sockaddr_ll = mem::zeroed();
            to.sll_family = libc::AF_PACKET as u16;
            to.sll_ifindex = number;
            let to_len = mem::size_of_val(&to) as u32;
            for frame in frames {
                let sent =
                    libc::sendto(fd.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0, (&raw const to).cast(), to_len);
                assert_eq!(sent, frame.len() as isize);
            }
        }
    });
}

fn index_of(interface: &str) -> i32 {
    let all = wiretape_ebpf::interfaces().unwrap();
    all.iter().find(|i| i.name == interface).unwrap().ifindex as i32
}

/// A broadcast frame with these tags (protocol, control) and an EtherType for experiments.
pub(crate) fn tagged_frame(tags: &[(u16, u16)]) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend([2, 0, 0, 0, 0, 7]);
    for (protocol, control) in tags {
        frame.extend(protocol.to_be_bytes());
        frame.extend(control.to_be_bytes());
    }
    frame.extend(0x88b5_u16.to_be_bytes());
    frame.extend(1..=80);
    frame
}

/// A tun device: what is written to it arrives on the interface.
pub(crate) struct Tun(File);

impl Tun {
    /// Makes `tun0` with 10.9.0.1/24 and reads and forgets what is sent out of it.
    pub(crate) fn new(namespace: &Namespace) -> Self {
        let device = namespace.enter(|| {
            let device = OpenOptions::new().read(true).write(true).open("/dev/net/tun").unwrap();
            // SAFETY: `ifreq` is made of integers; the request reads the name and the flags from it.
            unsafe {
                let mut request: libc::ifreq = mem::zeroed();
                for (to, from) in request.ifr_name.iter_mut().zip(b"tun0") {
                    *to = *from as libc::c_char;
                }
                request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as i16;
                assert_eq!(libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF as _, &raw mut request), 0, "TUNSETIFF");
            }
            device
        });
        namespace.ip("addr add 10.9.0.1/24 dev tun0");
        namespace.ip("addr add fd09::1/64 dev tun0 nodad");
        namespace.ip("link set tun0 up");
        let mut reader = device.try_clone().unwrap();
        let (started, reading) = mpsc::channel();
        // Ends with an error when the namespace goes and takes the device along.
        thread::spawn(move || {
            started.send(()).unwrap();
            while reader.read(&mut [0; 2048]).is_ok() {}
        });
        reading.recv().unwrap();
        Self(device)
    }

    /// Lets a packet arrive.
    pub(crate) fn receive(&mut self, packet: &[u8]) {
        assert_eq!(self.0.write(packet).unwrap(), packet.len());
    }
}

/// An IPv4 datagram to port 9 with this payload; the header's checksum is right, there is none for UDP.
pub(crate) fn ipv4_datagram(payload: &[u8]) -> Vec<u8> {
    let udp_len = 8 + payload.len() as u16;
    let mut packet = vec![0x45, 0];
    packet.extend((20 + udp_len).to_be_bytes());
    packet.extend([0, 7, 0, 0, 64, 17, 0, 0, 10, 9, 0, 2, 10, 9, 0, 1]);
    let sum: u32 = packet.chunks(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]]))).sum();
    let folded = !((sum & 0xffff) + (sum >> 16)) as u16;
    packet[10..12].copy_from_slice(&folded.to_be_bytes());
    packet.extend([0x30, 0x39]);
    packet.extend(SINK.to_be_bytes());
    packet.extend(udp_len.to_be_bytes());
    packet.extend([0, 0]);
    packet.extend(payload);
    packet
}
