//! Captures to standard output as pcapng, and says on standard error what was lost.
//!
//! ```text
//! cargo run --release -p wiretape-ebpf --example capture -- -i eth0 | tcpdump -n -r -
//! cargo run --release -p wiretape-ebpf --example capture -- -i any --method tcx --seconds 10 --quiet
//! ```
//!
//! Options: `-i NAME[,NAME]|any`, `--method auto|tcx|clsact|packet`, `--snaplen BYTES`, `--ring BYTES`, `--promiscuous`,
//! `--seconds N` (else until interrupted), `--filter FILE` (as `tcpdump -ddd` prints it; packet sockets only), `--quiet` (count,
//! write nothing), `--load OBJECT` (only load that build of the kernel program).

use std::{
    env,
    error::Error,
    fs,
    io::{self, BufWriter, Write},
    time::{Duration, Instant},
};

use wiretape_ebpf::{
    Capture, CaptureConfig, Direction, Event, FilterInsn, Interfaces, LiveFrame, LiveInterface, Method, check_object,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut config = CaptureConfig::default();
    let mut seconds = u64::MAX;
    let mut quiet = false;
    let mut args = env::args().skip(1);
    while let Some(option) = args.next() {
        let mut value = || args.next().ok_or(format!("{option} wants a value"));
        match option.as_str() {
            "-i" => {
                config.interfaces = match value()?.as_str() {
                    "any" => Interfaces::Any,
                    names => Interfaces::Named(names.split(',').map(str::to_owned).collect()),
                }
            }
            "--method" => {
                config.method = match value()?.as_str() {
                    "auto" => Method::Auto,
                    "tcx" => Method::Tcx,
                    "clsact" => Method::Clsact,
                    "packet" => Method::PacketSocket,
                    other => return Err(format!("no method {other}; there are auto, tcx, clsact and packet").into()),
                }
            }
            "--snaplen" => config.snaplen = value()?.parse()?,
            "--ring" => config.ring_bytes = value()?.parse()?,
            "--seconds" => seconds = value()?.parse()?,
            "--filter" => config.filter = Some(parse_filter(&fs::read_to_string(value()?)?)?),
            "--promiscuous" => config.promiscuous = true,
            "--quiet" => quiet = true,
            "--load" => return Ok(check_object(&fs::read(value()?)?)?),
            other => return Err(format!("unknown option {other}").into()),
        }
    }
    run(&config, seconds, quiet)
}

fn run(config: &CaptureConfig, seconds: u64, quiet: bool) -> Result<(), Box<dyn Error>> {
    let mut capture = Capture::open(config)?;
    capture.fallbacks().iter().for_each(|note| eprintln!("{note}"));
    eprintln!("capturing by {}", capture.method());
    let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    if !quiet {
        write_section(&mut out)?;
    }
    let mut blocks = Vec::new();
    let mut written = Ok(());
    let started = Instant::now();
    while started.elapsed().as_secs() < seconds {
        let events = capture.poll(Duration::from_millis(100), &mut |event| {
            if quiet || written.is_err() {
                return;
            }
            match event {
                Event::InterfaceUp(interface) => {
                    // Said again when an interface returns; pcapng knows it already.
                    if usize::try_from(interface.index).is_ok_and(|i| i == blocks.len()) {
                        blocks.push(interface.name.clone());
                        written = write_interface(&mut out, &interface);
                    }
                }
                Event::InterfaceGone { name, .. } => eprintln!("{name} is gone"),
                Event::Frame(frame) => written = write_frame(&mut out, &frame),
            }
        })?;
        if events == 0 {
            out.flush()?;
        }
        std::mem::replace(&mut written, Ok(()))?;
    }
    capture.stop();
    while capture.poll(Duration::from_millis(50), &mut |event| {
        if let (false, Event::Frame(frame)) = (quiet, event) {
            written = write_frame(&mut out, &frame);
        }
    })? > 0
    {}
    written?;
    out.flush()?;
    capture.counters().iter().for_each(|counters| eprintln!("{counters:?}"));
    Ok(())
}

/// `tcpdump -ddd`: a count, then one instruction a line.
fn parse_filter(text: &str) -> Result<Vec<FilterInsn>, Box<dyn Error>> {
    text.lines()
        .skip(1)
        .map(|line| {
            let numbers: Vec<u32> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
            let [code, jt, jf, k] = numbers[..] else { return Err(format!("not an instruction: {line}").into()) };
            Ok(FilterInsn { code: code.try_into()?, jt: jt.try_into()?, jf: jf.try_into()?, k })
        })
        .collect()
}

/// Section header block, length unknown.
fn write_section(out: &mut impl Write) -> io::Result<()> {
    let mut body = Vec::new();
    body.extend(0x1a2b_3c4d_u32.to_ne_bytes());
    body.extend([1_u16.to_ne_bytes(), 0_u16.to_ne_bytes()].concat());
    body.extend((-1_i64).to_ne_bytes());
    write_block(out, 0x0a0d_0d0a, &[&body])
}

/// Interface description block with the interface's name and times in nanoseconds.
fn write_interface(out: &mut impl Write, interface: &LiveInterface) -> io::Result<()> {
    let mut body = [interface.link_type.to_ne_bytes(), [0; 2]].concat();
    body.extend(interface.snaplen.to_ne_bytes());
    let name_len = u16::try_from(interface.name.len()).unwrap_or(u16::MAX);
    body.extend([2_u16.to_ne_bytes(), name_len.to_ne_bytes()].concat());
    body.extend(interface.name.as_bytes());
    body.resize(body.len().next_multiple_of(4), 0);
    body.extend([9_u16.to_ne_bytes(), 1_u16.to_ne_bytes()].concat());
    body.extend([9, 0, 0, 0, 0, 0, 0, 0]); // ten to the power -9, end of options
    write_block(out, 1, &[&body])
}

/// Enhanced packet block with the direction in its flags.
fn write_frame(out: &mut impl Write, frame: &LiveFrame<'_>) -> io::Result<()> {
    let [low, high] = {
        let ns = frame.ts_ns.unsigned_abs();
        [ns & 0xffff_ffff, ns >> 32].map(|half| u32::try_from(half).unwrap_or(u32::MAX))
    };
    let kept = u32::try_from(frame.data.len()).unwrap_or(u32::MAX);
    let mut head = [0_u8; 20];
    for (to, word) in head.chunks_mut(4).zip([frame.interface, high, low, kept, frame.orig_len]) {
        to.copy_from_slice(&word.to_ne_bytes());
    }
    let pad = vec![0; frame.data.len().next_multiple_of(4) - frame.data.len()];
    let direction: u32 = match frame.direction {
        Some(Direction::In) => 1,
        Some(Direction::Out) => 2,
        None => 0,
    };
    let mut flags = [0_u8; 12];
    flags[..2].copy_from_slice(&2_u16.to_ne_bytes());
    flags[2..4].copy_from_slice(&4_u16.to_ne_bytes());
    flags[4..8].copy_from_slice(&direction.to_ne_bytes());
    write_block(out, 6, &[&head, frame.data, &pad, &flags])
}

fn write_block(out: &mut impl Write, kind: u32, parts: &[&[u8]]) -> io::Result<()> {
    let body: usize = parts.iter().map(|part| part.len()).sum();
    let total = u32::try_from(body + 12).map_err(io::Error::other)?.to_ne_bytes();
    out.write_all(&kind.to_ne_bytes())?;
    out.write_all(&total)?;
    for part in parts {
        out.write_all(part)?;
    }
    out.write_all(&total)
}
