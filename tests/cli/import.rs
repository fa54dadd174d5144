//! `wiretape import`: what it takes, what it refuses, and what it says of damage.

use std::{
    io::Write,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::{Desk, text};
use crate::support::{root, run, signal, tool, wait};

#[test]
fn files_folders_globs_and_standard_input_are_imported() {
    let desk = Desk::new();
    let file = desk.capture("one.pcap", 10);
    desk.capture("folder/two.pcap", 20);
    desk.capture("folder/deep/three.pcap", 30);
    desk.write("folder/notes.txt", b"no capture");
    desk.capture("globbed/a1.pcap", 40);
    desk.capture("globbed/a2.pcap", 50);
    desk.capture("globbed/b1.pcap", 60);

    let ran = desk.run(&["import", text(&file)]).ok();
    assert!(ran.stdout.is_empty() && ran.stderr.contains("one.pcap: 10 packets"), "{ran:?}");
    desk.run(&["import", "folder"]).ok();
    assert_eq!(desk.packets(), 60);
    desk.run(&["import", "globbed/a*.pcap"]).ok();
    assert_eq!(desk.packets(), 150);
    let bytes = std::fs::read(desk.capture("piped.pcap", 70)).unwrap();
    let ran = desk.run_with(&["import", "-"], &bytes).ok();
    assert!(ran.stderr.contains("standard input: 70 packets"), "{ran:?}");
    assert_eq!(desk.packets(), 220);
    assert_eq!(desk.value("select count(*) from system.imports where state = 'complete'"), "6");
}

#[test]
fn compressed_captures_are_imported_whatever_they_are_called() {
    let desk = Desk::new();
    let mut packets = 0;
    for (n, (compressor, ending)) in [("gzip", "gz"), ("zstd", "zst"), ("lz4", "lz4")].into_iter().enumerate() {
        if !tool(compressor) {
            continue;
        }
        let plain = desk.capture(&format!("plain{n}.pcap"), 100 + n);
        let compressed = run(Command::new(compressor).arg("-c").arg(plain)).stdout;
        // In a folder by its name, by itself under any name.
        desk.write(&format!("folder{n}/x.pcap.{ending}"), &compressed);
        desk.run(&["import", &format!("folder{n}")]).ok();
        packets += 100 + n;
        assert_eq!(desk.packets(), packets, "{ending}");
        desk.write("nameless", &compressed);
        desk.run(&["import", "--again", "nameless"]).ok();
        packets += 100 + n;
        assert_eq!(desk.packets(), packets, "{ending}");
    }
}

#[test]
fn a_file_that_is_in_already_is_refused_and_named() {
    let desk = Desk::new();
    let first = desk.capture("monday.pcap", 25);
    desk.run(&["import", text(&first)]).ok();
    let copy = desk.capture("renamed.pcap", 25);
    let ran = desk.run(&["import", text(&copy)]);
    ran.failed_saying(&[
        "renamed.pcap: already imported as",
        "monday.pcap (25 packets",
        "--again imports it once more",
    ]);
    assert_eq!(desk.packets(), 25);
    desk.run(&["import", "--again", text(&copy)]).ok();
    assert_eq!(desk.packets(), 50);
}

#[test]
fn a_refused_file_does_not_keep_the_next_one_out() {
    let desk = Desk::new();
    desk.write("a.pcap", b"this is a letter, not a capture");
    desk.capture("b.pcap", 5);
    desk.run(&["import", "a.pcap", "missing.pcap", "b.pcap"]).failed_saying(&[
        "error: a.pcap: not a capture: it looks like",
        "missing.pcap: No such file",
        "b.pcap: 5 packets",
    ]);
    assert_eq!(desk.packets(), 5);
}

#[test]
fn a_truncated_file_gives_its_whole_packets_a_warning_and_exit_code_1() {
    let desk = Desk::new();
    let whole = std::fs::read(desk.capture("whole.pcap", 30)).unwrap();
    let of_29 = std::fs::read(desk.capture("of29.pcap", 29)).unwrap();
    desk.write("cut.pcap", &whole[..whole.len() - 3]);
    let place = format!("damaged at byte {}: the file ends inside", of_29.len());
    let words = ["warning: cut.pcap: ", place.as_str(), "packets before it: 29"];
    desk.run(&["import", "cut.pcap"]).failed_saying(&words);
    assert_eq!(desk.packets(), 29);
    let ran = desk.run(&["import", "--again", "--allow-truncated", "cut.pcap"]).ok();
    assert!(ran.stderr.contains(&place), "the warning stays: {}", ran.stderr);
    assert_eq!(desk.packets(), 58);
    assert_eq!(desk.value("select count(*) from system.imports where state = 'damaged'"), "2");
}

#[test]
fn what_is_no_capture_is_told_with_what_it_looks_like() {
    let desk = Desk::new();
    let cases: [(&str, &[u8], &str); 4] = [
        ("letter.pcap", b"Dear reader, this is text.\n", "text"),
        ("picture.pcap", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "PNG"),
        ("empty.pcap", b"", "empty"),
        ("archive.pcap", b"PK\x03\x04\x14\0\0\0\0\0", "ZIP"),
    ];
    for (name, bytes, looks_like) in cases {
        desk.write(name, bytes);
        let ran = desk.run(&["import", name]).failed_saying(&[&format!("error: {name}: not a capture: it looks like")]);
        assert!(ran.stderr.to_lowercase().contains(&looks_like.to_lowercase()), "{looks_like}: {}", ran.stderr);
    }
    desk.run(&["import", "."]).failed_saying(&["letter.pcap"]);
    desk.write("void/readme.txt", b"");
    desk.run(&["import", "void"]).failed_saying(&["void: no captures in this folder", "hint: "]);
    desk.run(&["import", "nothing*.pcap"]).failed_saying(&["nothing*.pcap: no file matches"]);
}

#[test]
fn a_folder_that_holds_other_things_is_not_made_into_a_database() {
    let desk = Desk::new();
    desk.capture("x.pcap", 3);
    desk.write("thesis/chapter1.txt", b"years of work");
    desk.run(&["import", "--db", "thesis", "x.pcap"]).failed_saying(&["thesis", "the folder is not empty"]);
    assert_eq!(std::fs::read_dir(desk.path("thesis")).unwrap().count(), 1);
}

/// `tcpdump … | wiretape import -` on a quiet network: nothing comes, and nobody closes the pipe.
#[test]
fn ctrl_c_ends_an_import_from_a_pipe_that_is_silent() {
    let desk = Desk::new();
    let bytes = std::fs::read(desk.capture("some.pcap", 20)).unwrap();
    let all_in = "stopped: 20 packets of standard input are in and sealed\n";
    for (sent, said) in [(&bytes[..], all_in), (&[], "stopped: nothing of standard input is in\n")] {
        let mut command = desk.command(&["import", "-"]);
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        pipe.write_all(sent).unwrap();
        std::thread::sleep(Duration::from_millis(700));
        signal(&child, "INT");
        let began = Instant::now();
        let output = wait(child, Duration::from_secs(60));
        assert!(began.elapsed() < Duration::from_secs(5), "{:?} to end", began.elapsed());
        drop(pipe);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains(said), "{text}");
        assert_eq!(output.status.code(), Some(130), "{text}");
    }
    assert_eq!(desk.packets(), 20);
}

#[test]
fn quiet_says_nothing_when_all_is_well() {
    let desk = Desk::new();
    desk.capture("x.pcap", 3);
    let ran = desk.run(&["import", "-q", "x.pcap"]).ok();
    assert_eq!((ran.stdout.len(), ran.stderr.as_str()), (0, ""));
}

/// Captures of other makers' programs, by the command line.
#[test]
fn the_formats_of_the_corpus_are_imported_by_the_program() {
    let Some(corpus) = crate::support::corpus() else { return };
    let desk = Desk::new();
    let names = ["fmt-pcapng-many-if.pcapng", "fmt-gz-communityid.pcap.gz", "fmt-pcap-be-ns.pcap", "fmt-empty.pcap"];
    let files: Vec<String> = names.iter().map(|n| text(&corpus.join(n)).to_owned()).collect();
    let mut args = vec!["import"];
    args.extend(files.iter().map(String::as_str));
    desk.run(&args).ok();
    let packets: u64 = names
        .iter()
        .map(|n| std::fs::read(corpus.join(format!("truth/{n}.json"))).unwrap())
        .map(|t| serde_json::from_slice::<serde_json::Value>(&t).unwrap()["packets"].as_u64().unwrap())
        .sum();
    assert_eq!(desk.packets() as u64, packets);
    assert!(root().is_dir());
}
