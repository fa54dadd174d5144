//! What a capture does without rights, and what the machine's check says about it.

use std::env;

use wiretape_ebpf::{Capture, CaptureConfig, Method, Present, permissions};

use crate::{
    config,
    namespace::{Namespace, possible, run},
};

/// Runs one of the tests below as root with these capabilities alone, and returns what it printed.
fn with_capabilities(namespace: &Namespace, kept: &str, test: &str) -> String {
    let mut command = namespace.command("setpriv");
    command.args(["--bounding-set", &format!("-all{kept}"), "--inh-caps", "-all"]);
    command.arg(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env("WIRETAPE_LIVE_CHILD", "1");
    run(&mut command)
}

/// The way down is said step by step, with the right that is missing.
#[test]
fn without_bpf_rights_the_packet_socket_serves_and_says_why() {
    if !possible() {
        return;
    }
    let alone = Namespace::new();
    let said = with_capabilities(&alone, ",+net_raw", "rights::open_and_say");
    assert!(said.contains("method: packet socket"), "{said}");
    assert!(said.contains("note: tcx is not possible:") && said.contains("CAP_BPF"), "{said}");
    assert!(said.contains("note: clsact is not possible:"), "{said}");

    let said = with_capabilities(&alone, "", "rights::open_and_say");
    assert!(said.contains("refused:") && said.contains("CAP_NET_RAW"), "{said}");
}

/// The rights the manual names are enough, and no more are needed.
#[test]
fn the_documented_rights_are_enough() {
    if !possible() {
        return;
    }
    let alone = Namespace::new();
    let said = with_capabilities(&alone, ",+bpf,+net_admin", "rights::open_and_say");
    assert!(said.contains("method: tcx") && !said.contains("note:"), "{said}");
}

#[test]
fn open_and_say() {
    if env::var_os("WIRETAPE_LIVE_CHILD").is_none() {
        return;
    }
    let said = match Capture::open(&CaptureConfig { promiscuous: false, ..config(Method::Auto, &["lo"]) }) {
        Ok(capture) => {
            let notes = capture.fallbacks().iter().map(|note| format!("note: {note}\n")).collect::<String>();
            format!("\nmethod: {}\n{notes}", capture.method())
        }
        Err(e) => format!("\nrefused: {e}\n"),
    };
    std::io::Write::write_all(&mut std::io::stdout(), said.as_bytes()).unwrap();
}

/// The check agrees with what a capture finds: all there as root, the missing right named without.
#[test]
fn the_check_names_what_is_missing() {
    if !possible() {
        return;
    }
    let checks = permissions();
    let tcx = checks.iter().find(|c| c.name == "TCX hooks").unwrap();
    let works = Capture::open(&config(Method::Tcx, &["lo"])).is_ok();
    assert_eq!(tcx.present == Present::Yes, works, "{tcx:?}");

    let alone = Namespace::new();
    let said = with_capabilities(&alone, "", "rights::check_and_say");
    assert!(said.contains("CAP_BPF: no") && said.contains("CAP_NET_RAW: no"), "{said}");
}

#[test]
fn check_and_say() {
    if env::var_os("WIRETAPE_LIVE_CHILD").is_none() {
        return;
    }
    for check in permissions() {
        let present = match &check.present {
            Present::Yes => "yes".to_owned(),
            Present::No(why) => format!("no ({why}); {}", check.remedy),
            Present::Unknown(why) => format!("unknown ({why})"),
        };
        let line = format!("\n{}: {present}", check.name);
        std::io::Write::write_all(&mut std::io::stdout(), line.as_bytes()).unwrap();
    }
}
