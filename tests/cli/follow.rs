//! `wiretape record` from a stream, and who looks on meanwhile: `query --follow`, `status`; and a watched folder. What needs
//! a kernel is in `tests/recording`.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use super::Desk;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program at work, ended with the test.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Running {
        Running(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn lines(&mut self) -> std::io::Lines<BufReader<ChildStdout>> {
        BufReader::new(self.0.stdout.take().unwrap()).lines()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The demo's capture as a stream: its header, and its records by packet.
fn stream(packets: usize) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut all = wiretape::demo::packets();
    all.truncate(packets);
    let header = wiretape::demo::pcap(&[]);
    let record = |p| wiretape::demo::pcap(std::slice::from_ref(p))[header.len()..].to_vec();
    let records = all.iter().map(record).collect();
    (header, records)
}

/// Proves that a packet written to a recorder's pipe reaches a follower while the pipe stays open, once and in order, also through a filter
/// that reads its bytes.
#[test]
fn a_followed_query_gives_each_packet_once_and_in_order_as_it_comes() {
    let desk = Desk::new();
    let (header, records) = stream(300);
    let mut recorder = Running::start(&mut desk.command(&["record", "-r", "-"]));
    let mut pipe = recorder.0.stdin.take().unwrap();
    pipe.write_all(&header).unwrap();
    pipe.write_all(&records[0]).unwrap();
    while !desk.path("db/manifest.json").exists() || desk.packets() < 1 {
        std::thread::sleep(Duration::from_millis(20));
    }
    let sql = "select packet_id & 4294967295 as n, proto from packets p where orig_len > 0 and bpf('ether[0] >= 0')";
    let mut follower = Running::start(&mut desk.command(&["query", "--follow", "--format", "csv", sql]));
    let (tx, rx) = std::sync::mpsc::channel();
    let lines = follower.lines();
    std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| tx.send(line)));
    // What comes before the follower's first look is not news to it, so packets come until it has seen one.
    let mut next = 1;
    let mut seen = Vec::new();
    let began = std::time::Instant::now();
    while seen.len() < 2 {
        assert!(began.elapsed() < PATIENCE && next < 150, "nothing was followed");
        pipe.write_all(&records[next]).unwrap();
        next += 1;
        seen.extend(rx.recv_timeout(Duration::from_millis(300)));
    }
    for record in &records[next..] {
        pipe.write_all(record).unwrap();
    }
    let number = |line: &String| line.split(',').next().unwrap().parse::<u64>();
    let first = number(&seen[1]).unwrap();
    while seen.last().is_none_or(|line| number(line) != Ok(299)) {
        seen.push(rx.recv_timeout(PATIENCE).expect("the last packet is followed"));
    }
    assert_eq!(seen[0], "n,proto");
    let numbers: Vec<u64> = seen[1..].iter().map(|line| number(line).unwrap()).collect();
    assert_eq!(numbers, (first..300).collect::<Vec<_>>());

    let status = desk.run(&["status"]).ok();
    assert!(status.text().contains("recording  yes"), "{}", status.text());
    drop(pipe);
    assert!(recorder.0.wait().unwrap().success(), "the stream's end is the recording's");
    let told = desk.run(&["status"]).ok();
    assert!(told.text().contains("recording  no") && told.text().contains("lost       0 packets"), "{}", told.text());
    assert_eq!(desk.packets(), 300);
    desk.run(&["verify"]).ok();
}

#[test]
fn what_cannot_be_followed_is_refused_with_the_reason() {
    let desk = Desk::with_packets();
    let follow = |sql: &str| desk.run(&["query", "--follow", sql]);
    follow("select count(*) from packets").failed_saying(&["count()", "cannot be followed", "  select count"]);
    follow("select proto from packets group by proto").failed_saying(&["GROUP BY"]);
    follow("select * from packets order by ts").failed_saying(&["ORDER BY"]);
    follow("select * from packets limit 1").failed_saying(&["LIMIT"]);
    follow("select distinct proto from packets").failed_saying(&["DISTINCT"]);
    follow("select * from packets join flows using (flow_id)").failed_saying(&["a join"]);
    follow("select * from system.segments").failed_saying(&["system.segments", "packets, flows, calls"]);
    follow("select scr_ip from packets").failed_saying(&["scr_ip", "src_ip"]);
    desk.run(&["query", "--follow", "--format", "json", "select 1 from packets"]).failed_saying(&["ndjson"]);
}

/// Proves that a watched folder is imported file by file, each once, also over a restart.
#[test]
fn captures_in_a_watched_folder_are_in_once_when_they_are_complete() {
    let desk = Desk::new();
    desk.capture("rotated/1.pcap", 100);
    std::thread::sleep(Duration::from_millis(20));
    desk.write("rotated/.2.pcap.part", b"not yet");
    let (header, records) = stream(250);
    desk.write("rotated/2.pcap", &[header, records[100..].concat()].concat());
    for _ in 0..2 {
        let mut watcher = Running::start(&mut desk.command(&["record", "--watch", "rotated", "--duration", "13s"]));
        let status = watcher.0.wait().unwrap();
        assert!(status.success(), "{status}");
        assert_eq!(desk.packets(), 250);
    }
    desk.run(&["record", "--watch", "nowhere"]).failed_saying(&["nowhere", "not a folder"]);
}

/// Proves that calls come as they are recorded, each once: in the listing of all protocols, of one protocol's table, and of a KFL
/// filter, which lists flows, too.
#[test]
fn calls_are_followed_as_they_come_each_once() {
    let desk = Desk::new();
    let (header, records) = stream(2000);
    let mut recorder = Running::start(&mut desk.command(&["record", "-r", "-"]));
    let mut pipe = recorder.0.stdin.take().unwrap();
    pipe.write_all(&header).unwrap();
    pipe.write_all(&records[0]).unwrap();
    while !desk.path("db/manifest.json").exists() || desk.packets() < 1 {
        std::thread::sleep(Duration::from_millis(20));
    }
    let sql = "select call_id from dns where target like '%.%'";
    let mut followers = [
        vec!["calls", "--follow", "--format", "csv", "--where", "app_proto = 'dns'"],
        vec!["query", "--follow", "--format", "csv", sql],
        vec!["kfl", "--follow", "--format", "csv", "dns && size(dns_questions) > 0"],
        vec!["kfl", "--follow", "--format", "csv", "flow && dst.port == 53"],
    ]
    .map(|args| Running::start(&mut desk.command(&args)));
    let (tx, rx) = std::sync::mpsc::channel();
    for (n, lines) in followers.iter_mut().map(Running::lines).enumerate() {
        let tx = tx.clone();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| tx.send((n, line))));
    }
    // What comes before a follower's first look is not news to it, so packets come until each has seen some.
    let (mut seen, mut next) = ([const { Vec::new() }; 4], 1);
    let began = std::time::Instant::now();
    while seen.iter().any(|lines| lines.len() < 2) {
        assert!(began.elapsed() < PATIENCE && next < 1500, "nothing was followed: {seen:?}");
        records[next..next + 20].iter().for_each(|record| pipe.write_all(record).unwrap());
        next += 20;
        while let Ok((n, line)) = rx.recv_timeout(Duration::from_millis(200)) {
            seen[n].push(line);
        }
    }
    records[next..].iter().for_each(|record| pipe.write_all(record).unwrap());
    drop(pipe);
    assert!(recorder.0.wait().unwrap().success());
    while let Ok((n, line)) = rx.recv_timeout(Duration::from_secs(3)) {
        seen[n].push(line);
    }
    let all = desk.run(&["query", "--format", "csv", "select call_id from dns order by call_id"]).ok();
    let all: Vec<&str> = all.text().lines().skip(1).collect();
    for lines in &seen[..3] {
        let mut ids: Vec<_> = lines[1..].iter().map(|line| line.rsplit(',').next().unwrap()).collect();
        ids.sort_by_key(|id| id.parse::<i64>().unwrap());
        assert_eq!(ids, all[all.len() - ids.len()..], "from the first one on each is there, and once");
    }
    assert_eq!(seen[0][0].rsplit(',').next(), Some("call_id"));
    assert!(seen[3][1..].iter().all(|line| line.starts_with("flow,") && line.contains(",53,")), "{:?}", seen[3]);
}
