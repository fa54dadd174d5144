//! The committed object is the one its sources make.

use std::{fmt::Write as _, fs, path::Path};

use sha1::{Digest, Sha1};

/// `probe.sources` holds what `sha1sum` printed when the object was built. Any other source since then makes the object stale.
#[test]
fn the_object_is_of_these_sources() {
    let root = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says it to tests")).to_owned();
    let mut names = vec![".cargo/config.toml".to_owned(), "Cargo.lock".to_owned(), "Cargo.toml".to_owned()];
    let sources = fs::read_dir(root.join("probe/src")).unwrap();
    names.extend(sources.map(|e| format!("src/{}", e.unwrap().file_name().into_string().unwrap())));
    names[3..].sort();
    let mut expected = String::new();
    for name in names {
        let digest = Sha1::digest(fs::read(root.join("probe").join(&name)).unwrap());
        let hex = digest.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        });
        writeln!(expected, "{hex}  {name}").unwrap();
    }
    let built_from = fs::read_to_string(root.join("prebuilt/probe.sources")).unwrap();
    assert_eq!(
        built_from, expected,
        "the kernel program's object is stale: run dev/build-ebpf and commit ebpf/prebuilt"
    );
}

#[test]
fn the_object_names_no_path() {
    let object = fs::read(
        Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says it to tests"))
            .join("prebuilt/probe.bpf.o"),
    )
    .unwrap();
    for word in ["/home/", "/root/", "/usr/", "/tmp/", ".cargo", "registry", "rustc-"] {
        assert!(!object.windows(word.len()).any(|w| w == word.as_bytes()), "the object holds \"{word}\"");
    }
}
