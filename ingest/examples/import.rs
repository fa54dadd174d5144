//! Imports a capture file into a database directory, with nothing of SQL: the smallest program around the write path.
//!
//! `cargo run --release -p wiretape-ingest --example import -- CAPTURE DIR`

use std::{path::Path, process::ExitCode, sync::atomic::AtomicBool};

use wiretape_engine::Writer;
use wiretape_ingest::import::{ImportConfig, import_file};

/// The binary's, so that its figures are the binary's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [capture, dir] = args.as_slice() else {
        eprintln!("usage: import CAPTURE DIR");
        return ExitCode::from(2);
    };
    let result = Writer::open(Path::new(dir)).map_err(Into::into).and_then(|mut writer| {
        let config = ImportConfig::default();
        let stop = AtomicBool::new(false);
        import_file(&mut writer, Path::new(dir), Path::new(capture), &config, &mut |_| {}, &stop)
    });
    match result {
        Ok(report) => {
            eprintln!("{} packets in segments {:?}", report.packets, report.segments);
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}
