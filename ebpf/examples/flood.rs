//! Sends UDP datagrams over the loopback for a time, as fast as one thread can or so many a second, and says how many: what a
//! capture is measured with.
//!
//! `cargo run --release -p wiretape-ebpf --example flood -- SECONDS PAYLOAD_BYTES [PER_SECOND]`

use std::{
    io::Write,
    net::UdpSocket,
    process::ExitCode,
    time::{Duration, Instant},
};

/// Datagrams between two looks at the clock.
const BURST: u32 = 256;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| args.get(at).and_then(|a| a.parse::<u64>().ok());
    let (Some(seconds), Some(bytes)) = (number(0), number(1)) else {
        eprintln!("usage: flood SECONDS PAYLOAD_BYTES [PER_SECOND]");
        return ExitCode::from(2);
    };
    match flood(Duration::from_secs(seconds), usize::try_from(bytes).unwrap_or(0), number(2)) {
        Ok(sent) if writeln!(std::io::stdout(), "{sent}").is_ok() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

fn flood(time: Duration, bytes: usize, per_second: Option<u64>) -> std::io::Result<u64> {
    // Nobody reads it: what does not fit the socket's buffer is dropped behind the capture.
    let receiver = UdpSocket::bind("127.0.0.1:0")?;
    let sender = UdpSocket::bind("127.0.0.1:0")?;
    sender.connect(receiver.local_addr()?)?;
    let payload = vec![0x5a; bytes];
    let began = Instant::now();
    let mut sent = 0;
    while began.elapsed() < time {
        for _ in 0..BURST {
            sent += u64::from(sender.send(&payload).is_ok());
        }
        if let Some(rate) = per_second {
            let due = Duration::from_secs_f64(sent as f64 / rate.max(1) as f64);
            std::thread::sleep(due.saturating_sub(began.elapsed()));
        }
    }
    Ok(sent)
}
