//! The filter compiler against tcpdump: the same packets for every filter, and the same filters refused.

mod columns;
mod crafted;
mod filters;
mod generator;
mod packets;
mod page;
mod queries;
mod removed;

use std::{
    collections::BTreeMap,
    path::Path,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use wiretape::sql::bpf;

use self::generator::Generator;
use self::packets::{Capture, Packet};
use crate::support;

/// Filters made by the generator, filters by hand with a word changed, texts made of random tokens, and long lists.
const GENERATED: usize = 2200;
const MUTANTS: usize = 1500;
const SOUPS: usize = 500;
const WIDE: usize = 30;

/// What we refuse and libpcap takes, besides host names, by a part of our message, and why.
const REFUSED_BY_US: &[(&str, &str)] = &[
    ("`protochain` needs a loop", "the kernel takes no loops"),
    ("DECnet addresses are not filtered", "nobody has any"),
    ("`byte` with `&` or `|` has no defined meaning", "libpcap compares without loading the byte"),
    ("a shift by", "libpcap's optimiser may drop the part before it looks"),
    ("is not a service known here", "libpcap reads digits before other text as a port"),
];

/// What libpcap refuses and we take, by its message: it looks at the first constant of a divisor or shift only.
const REFUSED_BY_LIBPCAP: &[&str] = &["division by zero", "modulus by zero", "shift by more than 31 bits"];

/// What became of one filter on one capture.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Outcome {
    SamePackets,
    BothRefuse,
    /// The same as libpcap without its optimiser, which drops loads that would refuse a short packet.
    SameUnoptimised,
    StatedRefusal,
    /// The same but for packets cut within their headers: its optimiser drops some loads that refuse these, ours others.
    SameButCut,
    /// libpcap refuses a filter that it finds to select nothing; ours selects nothing.
    Nothing,
}

#[test]
fn tcpdump_selects_the_same_packets() {
    let Some(corpus) = support::corpus() else { return };
    if !support::tool("tcpdump") {
        return;
    }
    let captures = packets::captures(&corpus, Path::new(env!("CARGO_TARGET_TMPDIR")));
    let ethernet = captures.iter().position(|capture| capture.link_type == 1).unwrap();
    assert!(captures.len() == 10 && captures.iter().all(|capture| capture.packets.len() > 50), "too few packets");

    let mut questions: Vec<(String, usize)> = Vec::new();
    for (number, filter) in filters::FILTERS.iter().enumerate() {
        let asked = (0..captures.len()).filter(|capture| *capture == ethernet || (number + capture) % 3 == 0);
        questions.extend(asked.map(|capture| ((*filter).to_owned(), capture)));
    }
    let mut generator = Generator::new(&captures[ethernet].packets);
    for number in 0..GENERATED {
        let filter = generator.filter();
        questions.push((filter.clone(), number % captures.len()));
        questions.push((filter, ethernet));
    }
    questions.extend((0..MUTANTS).map(|_| (generator.mutant(), ethernet)));
    questions.extend((0..WIDE).map(|number| (generator.wide(), number % captures.len())));
    questions.extend((0..SOUPS).map(|_| (generator.soup(), ethernet)));

    let (next, workers) = (AtomicUsize::new(0), 3);
    let work = || {
        let (mut outcomes, mut faults) = (BTreeMap::new(), Vec::new());
        while let Some((filter, capture)) = questions.get(next.fetch_add(1, Ordering::Relaxed)) {
            match ask(filter, &captures[*capture]) {
                Ok(outcome) => *outcomes.entry(outcome).or_insert(0_usize) += 1,
                Err(fault) => faults.push(fault),
            }
        }
        (outcomes, faults)
    };
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut outcomes: BTreeMap<Outcome, usize> = BTreeMap::new();
    let mut faults: Vec<String> = Vec::new();
    for (some, more) in results {
        faults.extend(more);
        some.into_iter().for_each(|(outcome, count)| *outcomes.entry(outcome).or_default() += count);
    }
    eprintln!("{} questions: {outcomes:?}", questions.len());
    faults.sort();
    assert!(
        faults.is_empty(),
        "{} differences, first of them:\n{}",
        faults.len(),
        faults[..faults.len().min(40)].join("\n")
    );
    let count = |outcome| outcomes.get(&outcome).copied().unwrap_or(0);
    assert!(count(Outcome::SamePackets) > 4000 && count(Outcome::BothRefuse) > 1000, "the questions ask too little");
    let exceptions = count(Outcome::SameUnoptimised) + count(Outcome::SameButCut);
    assert!(exceptions < 30, "too many answers rest on an exception");
}

/// The packets that have more bytes than any filter's fixed headers need.
fn but_cut(packets: &[Packet]) -> Vec<&Packet> {
    packets.iter().filter(|packet| packet.data.len() >= packets::CUT_BYTES).collect()
}

/// One filter of one capture, to both.
fn ask(filter: &str, capture: &Capture) -> Result<Outcome, String> {
    let at = || format!("link type {}: `{filter}`", capture.link_type);
    let ours = bpf::parse(filter).and_then(|expr| bpf::compile(&expr, capture.link_type));
    // tcpdump would ask the network.
    if ours.as_ref().is_err_and(|ours| ours.message.contains("is not an address")) {
        return Ok(Outcome::StatedRefusal);
    }
    match (ours, tcpdump(filter, capture, true)) {
        (Err(_), Err(_)) => Ok(Outcome::BothRefuse),
        (Err(ours), Ok(_)) if REFUSED_BY_US.iter().any(|(part, _)| ours.message.contains(part)) => {
            Ok(Outcome::StatedRefusal)
        }
        (Err(ours), Ok(_)) => Err(format!("{}: only we refuse it: {ours}", at())),
        (Ok(_), Err(theirs)) if REFUSED_BY_LIBPCAP.iter().any(|part| theirs.contains(part)) => {
            Ok(Outcome::StatedRefusal)
        }
        (Ok(program), Err(theirs)) if theirs.contains("expression rejects all packets") => {
            match capture.packets.iter().filter(|p| program.matches(&p.data, p.orig_len)).count() {
                0 => Ok(Outcome::Nothing),
                ours => Err(format!("{}: we select {ours} packets, tcpdump finds that none can be", at())),
            }
        }
        (Ok(_), Err(theirs)) => Err(format!("{}: only tcpdump refuses it: {theirs}", at())),
        (Ok(program), Ok(theirs)) => {
            let ours: Vec<Packet> =
                capture.packets.iter().filter(|p| program.matches(&p.data, p.orig_len)).cloned().collect();
            if ours == theirs {
                return Ok(Outcome::SamePackets);
            }
            if tcpdump(filter, capture, false).is_ok_and(|unoptimised| unoptimised == ours) {
                return Ok(Outcome::SameUnoptimised);
            }
            if but_cut(&ours) == but_cut(&theirs) {
                return Ok(Outcome::SameButCut);
            }
            Err(format!("{}: we select {} packets, tcpdump {}", at(), ours.len(), theirs.len()))
        }
    }
}

/// The packets tcpdump selects, or what it says of the filter.
fn tcpdump(filter: &str, capture: &Capture, optimise: bool) -> Result<Vec<Packet>, String> {
    let mut command = Command::new("tcpdump");
    command.arg("-r").arg(&capture.path).args(["-w", "-"]);
    if !optimise {
        command.arg("-O");
    }
    let output = command.arg("--").arg(filter).output().unwrap();
    if output.status.success() {
        return Ok(packets::read(&output.stdout).unwrap().1);
    }
    Err(String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned())
}
