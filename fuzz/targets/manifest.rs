//! Any bytes as `manifest.json` or `segment.json`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wiretape_fuzz::seeds;

fuzz_target!(init: seeds::write(seeds::manifest), |data: &[u8]| {
    wiretape_engine::fuzz_manifest(data);
});
