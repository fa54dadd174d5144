//! `bpf('…')` in SQL against the compiled program over the same packets, which `tcpdump_selects_the_same_packets` holds to be
//! tcpdump's, and for those by hand against tcpdump itself, byte for byte.

use std::{path::Path, process::Command};

use wiretape::sql::bpf;

use super::{
    filters,
    generator::Generator,
    packets::{self, Capture, Packet},
};
use crate::support::{
    self,
    store::{self, Store},
};

/// Filters made by the generator, of those that `tcpdump_selects_the_same_packets` makes.
const GENERATED: usize = 2000;

/// Filters asked as values of one query, and how many of all are asked as conditions too.
const AT_ONCE: usize = 25;
const ONE_AS_CONDITION_OF: usize = 9;

/// A database of one capture, and the ids of its packets in their order.
struct Asked<'a> {
    store: Store,
    capture: &'a Capture,
    ids: Vec<String>,
}

impl Asked<'_> {
    fn of(capture: &Capture) -> Asked<'_> {
        let (store, _) = Store::of(&capture.path, capture.packets.len() / 3 + 1);
        let ids = store.rows("select packet_id from packets order by packet_id").concat();
        assert_eq!(ids.len(), capture.packets.len());
        Asked { store, capture, ids }
    }

    /// What the program says of each packet, as SQL shows it.
    fn expected(&self, filter: &str) -> Option<Vec<&'static str>> {
        let program = bpf::parse(filter).and_then(|expr| bpf::compile(&expr, self.capture.link_type)).ok()?;
        let text = |p: &Packet| if program.matches(&p.data, p.orig_len) { "true" } else { "false" };
        Some(self.capture.packets.iter().map(text).collect())
    }

    /// Some filters as values of one query.
    fn as_values(&self, some: &[(&str, Vec<&'static str>)]) -> Vec<String> {
        let columns: Vec<String> = some.iter().map(|(filter, _)| call(filter)).collect();
        let rows = self.store.rows(&format!("select {} from packets order by packet_id", columns.join(", ")));
        let differs = |(at, (filter, expected)): (usize, &(&str, Vec<&str>))| {
            let row = rows.iter().zip(expected).position(|(row, expected)| row[at] != *expected)?;
            Some(format!("link type {}, `{filter}`, packet {row}: {:?}", self.capture.link_type, rows[row][at]))
        };
        some.iter().enumerate().filter_map(differs).collect()
    }

    /// A filter as a condition, and turned round.
    fn as_condition(&self, filter: &str, expected: &[&str]) -> Vec<String> {
        let wanted = |answer: &str| {
            self.ids.iter().zip(expected).filter(|(_, e)| **e == answer).map(|(id, _)| id.clone()).collect::<Vec<_>>()
        };
        let found = |condition: &str| {
            self.store.rows(&format!("select packet_id from packets where {condition} order by 1")).concat()
        };
        let mut faults = Vec::new();
        if found(&call(filter)) != wanted("true") {
            faults.push(format!("link type {}, where `{filter}`", self.capture.link_type));
        }
        if found(&format!("not {}", call(filter))) != wanted("false") {
            faults.push(format!("link type {}, where not `{filter}`", self.capture.link_type));
        }
        faults
    }
}

fn call(filter: &str) -> String {
    format!("bpf('{}')", filter.replace('\'', "''"))
}

/// Proves that SQL gives what the program gives, for each filter as a value and for some as conditions, with the index and
/// without.
#[test]
fn sql_selects_the_packets_that_the_program_does() {
    let Some(corpus) = support::corpus() else { return };
    if !support::tool("tcpdump") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let captures = packets::captures(&corpus, dir.path());
    let asked: Vec<Asked<'_>> = captures.iter().map(Asked::of).collect();
    let ethernet = asked.iter().position(|a| a.capture.link_type == 1).unwrap();
    let mut generator = Generator::new(&asked[ethernet].capture.packets);
    let made: Vec<String> = (0..GENERATED).map(|_| generator.filter()).collect();
    let all: Vec<&str> = filters::FILTERS.iter().copied().chain(made.iter().map(String::as_str)).collect();
    let mut faults = Vec::new();
    let mut questions = 0;
    for (number, asked) in asked.iter().enumerate() {
        let mine = all.iter().enumerate().filter(|(at, _)| number == ethernet || at % (4 * captures.len()) == number);
        let known = mine.filter_map(|(at, filter)| Some((at, *filter, asked.expected(filter)?)));
        let known: Vec<(usize, &str, Vec<&str>)> = known.collect();
        questions += known.len();
        for (at, filter, expected) in known.iter().filter(|(at, ..)| at % ONE_AS_CONDITION_OF == 0) {
            asked.store.session.set_use_index(at % 2 == 0);
            faults.extend(asked.as_condition(filter, expected));
        }
        let known: Vec<(&str, Vec<&str>)> = known.into_iter().map(|(_, filter, expected)| (filter, expected)).collect();
        faults.extend(known.chunks(AT_ONCE).flat_map(|some| asked.as_values(some)));
    }
    assert!(questions > 2000, "only {questions} filters are taken");
    assert!(faults.is_empty(), "{} differences:\n{}", faults.len(), faults[..faults.len().min(30)].join("\n"));
}

/// Proves that `COPY` writes the packets that tcpdump writes, byte for byte, for every filter by hand that both take.
#[test]
fn copy_writes_the_packets_that_tcpdump_does() {
    let Some(corpus) = support::corpus() else { return };
    if !support::tool("tcpdump") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let captures = packets::captures(&corpus, dir.path());
    let asked = Asked::of(captures.iter().find(|capture| capture.link_type == 1).unwrap());
    let mut compared = 0;
    for (number, filter) in filters::FILTERS.iter().enumerate() {
        let file = asked.store.path(&format!("{number}.pcap"));
        let copy = format!(
            "copy (select packet_id from packets where {}) to '{}' (format pcap)",
            call(filter),
            file.display()
        );
        // Who refuses what is for `tcpdump_selects_the_same_packets`.
        let (Ok(_), Some(theirs)) = (store::batches(&asked.store.session, &copy), tcpdump(&asked.capture.path, filter))
        else {
            continue;
        };
        let ours = packets::read(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!(ours.1, theirs, "{filter}");
        compared += 1;
    }
    assert!(compared > 500, "only {compared} filters are taken by both");
}

/// The packets that tcpdump writes, if it takes the filter.
fn tcpdump(capture: &Path, filter: &str) -> Option<Vec<Packet>> {
    let output = Command::new("tcpdump").arg("-r").arg(capture).args(["-w", "-", "--", filter]).output().unwrap();
    output.status.success().then(|| packets::read(&output.stdout).unwrap().1)
}
