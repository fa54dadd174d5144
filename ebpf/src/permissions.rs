//! What this machine and this user allow, item by item: what `wiretape doctor` prints.
//!
//! Where a thing can be tried it is tried (a ring is made, the program is put on the loopback for a moment); where it cannot, the
//! kernel's own files are read. Nothing is changed for good. The list covers what capture needs today and what plaintext of TLS
//! libraries and process identity need, so that one look tells what a machine will be good for.

use std::{fs, io, path::Path};

use aya::{maps::MapType, programs::ProgramType, sys};

use crate::{
    Capture, CaptureConfig, CaptureError, Interfaces, Method,
    interfaces::{NetInterface, interfaces},
};

/// One thing that may be needed, and whether it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What it is.
    pub name: &'static str,
    /// What is not possible without it.
    pub needed_for: &'static str,
    /// Whether it is there.
    pub present: Present,
    /// What to do when it is not.
    pub remedy: &'static str,
}

/// Whether something is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Present {
    /// It is.
    Yes,
    /// It is not, because of this.
    No(String),
    /// It could not be found out, because of this.
    Unknown(String),
}

/// Oldest kernel with the ring both TC ways use.
const RING_SINCE: (u32, u32) = (5, 8);
/// Ring of the captures that are tried: enough to be made, too little to matter.
const TRIAL_RING: u32 = 1 << 20;

/// Number of a capability (`linux/capability.h`).
const CAP_NET_ADMIN: u32 = 12;
const CAP_NET_RAW: u32 = 13;
const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

const SETCAP: &str = "run as root, or: setcap cap_bpf,cap_net_admin,cap_net_raw+ep on the binary";
const KERNEL: &str = "a kernel with it; Debian 11, Ubuntu 20.10 and later have it";

/// Checks everything once. Takes a fraction of a second.
pub fn permissions() -> Vec<Check> {
    let check = |name, needed_for, remedy, present| Check { name, needed_for, present, remedy };
    let packet = "capture by packet socket, the way without BPF";
    let tc = "capture by TCX or clsact: loss counted per interface also when all are captured";
    let tls = "plaintext of TLS libraries";
    let process = "the process behind a connection";
    vec![
        check("kernel 5.8 or later", tc, "a newer kernel; the packet socket serves on this one", kernel()),
        check("CAP_NET_RAW", packet, SETCAP, capability(CAP_NET_RAW, None)),
        check("CAP_BPF", tc, SETCAP, capability(CAP_BPF, Some(CAP_SYS_ADMIN))),
        check("CAP_NET_ADMIN", tc, SETCAP, capability(CAP_NET_ADMIN, None)),
        check("CAP_PERFMON", process, "as above, with cap_perfmon", capability(CAP_PERFMON, Some(CAP_SYS_ADMIN))),
        check("CAP_SYS_ADMIN", tls, "run as root; uprobes ask for no less", capability(CAP_SYS_ADMIN, None)),
        check("lockdown below confidentiality", process, "boot with lockdown=integrity or none", lockdown()),
        check("BPF ring buffer", tc, KERNEL, tried(sys::is_map_supported(MapType::RingBuf))),
        check("TC classifier programs", tc, KERNEL, tried(sys::is_program_supported(ProgramType::SchedClassifier))),
        check(
            "TCX hooks",
            "a capture that leaves nothing behind when it is killed",
            "kernel 6.6 or later; clsact serves before",
            trial(Method::Tcx),
        ),
        check("packet socket ring", packet, SETCAP, trial(Method::PacketSocket)),
        check("BPF compiler", "programs at full speed", "sysctl net.core.bpf_jit_enable=1", jit()),
        check("BTF", process, "a kernel with CONFIG_DEBUG_INFO_BTF", file("/sys/kernel/btf/vmlinux")),
        check("cgroup version 2", "names of containers", "mount -t cgroup2 none DIRECTORY", cgroup2()),
        check("raw tracepoints", process, KERNEL, tried(sys::is_program_supported(ProgramType::RawTracePoint))),
        check("uprobes", tls, "a kernel with CONFIG_UPROBE_EVENTS", file("/sys/bus/event_source/devices/uprobe/type")),
        check("perf events", tls, "sysctl kernel.perf_event_paranoid=2, or CAP_PERFMON", paranoid()),
    ]
}

fn kernel() -> Present {
    let release = match read("/proc/sys/kernel/osrelease") {
        Ok(release) => release,
        Err(e) => return Present::Unknown(e),
    };
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    match (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) {
        version if version >= RING_SINCE => Present::Yes,
        _ => Present::No(format!("this is {}", release.trim())),
    }
}

/// Whether the calling thread may use a capability, or one that includes it.
fn capability(number: u32, or: Option<u32>) -> Present {
    let status = match read("/proc/thread-self/status") {
        Ok(status) => status,
        Err(e) => return Present::Unknown(e),
    };
    match effective(&status) {
        None => Present::Unknown("/proc/thread-self/status has no CapEff".to_owned()),
        Some(set) if [Some(number), or].into_iter().flatten().any(|n| set >> n & 1 == 1) => Present::Yes,
        Some(_) => Present::No("not in the effective set".to_owned()),
    }
}

/// The effective set in the text of a `status` file.
fn effective(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

fn lockdown() -> Present {
    match read("/sys/kernel/security/lockdown") {
        Ok(text) if text.contains("[confidentiality]") => Present::No("the kernel is locked down".to_owned()),
        Ok(_) => Present::Yes,
        Err(e) => Present::Unknown(e),
    }
}

fn jit() -> Present {
    match read("/proc/sys/net/core/bpf_jit_enable") {
        Ok(text) if text.trim() == "0" => Present::No("programs are interpreted".to_owned()),
        Ok(_) => Present::Yes,
        // The file is readable by root alone.
        Err(e) => Present::Unknown(e),
    }
}

fn cgroup2() -> Present {
    match read("/proc/self/mountinfo") {
        Ok(mounts) if mounts.lines().any(|line| line.contains(" - cgroup2 ")) => Present::Yes,
        Ok(_) => Present::No("not mounted".to_owned()),
        Err(e) => Present::Unknown(e),
    }
}

fn paranoid() -> Present {
    if capability(CAP_PERFMON, Some(CAP_SYS_ADMIN)) == Present::Yes {
        return Present::Yes;
    }
    match read("/proc/sys/kernel/perf_event_paranoid").map(|text| text.trim().parse::<i32>()) {
        Ok(Ok(level)) if level <= 2 => Present::Yes,
        Ok(Ok(level)) => Present::No(format!("kernel.perf_event_paranoid is {level}")),
        Ok(Err(_)) => Present::Unknown("/proc/sys/kernel/perf_event_paranoid holds no number".to_owned()),
        Err(e) => Present::Unknown(e),
    }
}

fn file(path: &str) -> Present {
    match fs::metadata(path) {
        Ok(_) => Present::Yes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => Present::No(format!("there is no {path}")),
        Err(e) => Present::Unknown(format!("{path}: {e}")),
    }
}

fn tried<E: std::error::Error>(supported: Result<bool, E>) -> Present {
    match supported {
        Ok(true) => Present::Yes,
        Ok(false) => Present::No("this kernel does not have it".to_owned()),
        Err(e) => Present::Unknown(format!("{e}; it can be tried with CAP_BPF alone")),
    }
}

/// Opens a capture of the loopback and ends it at once.
fn trial(method: Method) -> Present {
    let loopback = match interfaces().map(|all| all.into_iter().find(|i: &NetInterface| i.loopback)) {
        Ok(Some(loopback)) => loopback.name,
        Ok(None) => return Present::Unknown("there is no loopback to try it on".to_owned()),
        Err(e) => return Present::Unknown(e.to_string()),
    };
    let interfaces = Interfaces::Named(vec![loopback]);
    let config = CaptureConfig { interfaces, method, ring_bytes: TRIAL_RING, snaplen: 128, ..CaptureConfig::default() };
    match Capture::open(&config) {
        Ok(_) => Present::Yes,
        Err(CaptureError::Method { reason, .. }) => Present::No(reason),
        Err(e) => Present::Unknown(e.to_string()),
    }
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(Path::new(path)).map_err(|e| format!("{path}: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effective_set_is_read_from_its_line() {
        let status = "Name:\tx\nCapPrm:\t000001ffffffffff\nCapEff:\t0000008000003000\n";
        let set = effective(status).unwrap();
        assert_eq!([CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF, CAP_SYS_ADMIN].map(|n| set >> n & 1), [1, 1, 1, 0]);
        assert_eq!(effective("CapPrm:\t0\n"), None);
    }

    #[test]
    fn every_check_says_what_it_is_for_and_what_to_do() {
        let checks = permissions();
        assert!(checks.iter().all(|c| !c.needed_for.is_empty() && !c.remedy.is_empty()));
        let names: std::collections::HashSet<_> = checks.iter().map(|c| c.name).collect();
        assert_eq!(names.len(), checks.len());
    }
}
