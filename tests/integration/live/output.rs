//! Who reads what `mailtap watch` reports: somebody who stops, somebody who goes away, a disk that is full, and files
//! that are renamed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::metrics::{page, samples};
use super::{Net, found, writable};
use crate::support::records;

const MAIL: &str = "testdata/servers/exim-4.96/help.pcap";
const OTHER: &str = "testdata/rules/private-command/used.fires.pcap";
/// Many records of little traffic.
const MANY: &str = "findings,sessions,servers,events,summary";
/// What is promised, and what starting and stopping processes on a busy machine may take besides.
const AT_ONCE: Duration = Duration::from_millis(2500);
/// What may come to memory between two looks though nothing grows.
const FLAT: u64 = 1 << 20;

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// Packets that the kernel dropped, by the metrics.
fn dropped(net: &Net) -> u64 {
    samples(&page(net))["mailtap_kernel_dropped_packets_total"].parse().unwrap()
}

#[test]
fn who_stops_reading_and_begins_again_is_told_what_was_dropped() {
    let Some(net) = Net::new() else { return };
    let mut watching = net.watch_unread(&[
        "--format",
        "jsonl",
        "--records",
        MANY,
        "--stats-interval",
        "1",
        "--buffer",
        "1MiB",
        "--bpf",
        "",
        "--metrics",
        "9925",
    ]);
    let burst = || net.replay(&["--pps=20000", "--unique-ip", "--loop=1000"], MAIL);
    burst();
    assert!(watching.says(soon(), "packets dropped so far"), "drops are not told while nobody reads");
    // The first ones can be dropped before all queues are full: again, until nothing is taken any more.
    let all_dropped = || {
        let (before, sent) = (dropped(&net), net.sent());
        burst();
        // They are counted once a second.
        sleep(Duration::from_millis(1500));
        dropped(&net) - before == net.sent() - sent
    };
    assert!((0..5).any(|_| all_dropped()), "packets are taken though nobody reads");
    let full = watching.memory();
    assert!(all_dropped(), "packets are taken though the queues were full");
    let later = watching.memory();
    println!("memory {full}, {later}");
    assert!(later <= full + FLAT, "{full} octets of memory, later {later}");

    watching.read();
    let stats = watching.all_of(net.sent());
    assert!(stats["kernel_dropped"].as_u64() > Some(0), "{stats}");
    net.replay(&["--topspeed"], OTHER);
    let told = watching.next(soon(), |record| record["rule"] == "private-command");
    assert!(told.is_some(), "no finding once somebody reads again");
    let ended = watching.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.records().last().unwrap()["type"], "summary");
}

#[test]
fn a_signal_ends_it_though_nobody_ever_reads() {
    let Some(net) = Net::new() else { return };
    let watching = net.watch_unread(&["--format", "jsonl", "--records", MANY]);
    net.replay(&["--topspeed", "--unique-ip", "--loop=100"], MAIL);
    sleep(Duration::from_millis(300));
    let ended = watching.end();
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.took < AT_ONCE, "{:?}", ended.took);
    let [line] = ended.complaints()[..] else { panic!("{}", ended.stderr) };
    assert!(line.starts_with("mailtap: ") && line.contains("output"), "{line}");
}

#[test]
fn who_goes_away_ends_it_with_the_next_record() {
    let Some(net) = Net::new() else { return };
    let mut watching = net.watch_unread(&["--format", "jsonl"]);
    watching.hang_up();
    net.replay(&["--topspeed"], MAIL);
    let ended = watching.wait();
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.took < AT_ONCE, "{:?}", ended.took);
    let [line] = ended.complaints()[..] else { panic!("{}", ended.stderr) };
    assert!(line.starts_with("mailtap: ") && line.contains("standard output"), "{line}");
}

#[test]
fn who_went_away_is_noticed_on_an_idle_link_too() {
    let Some(net) = Net::new() else { return };
    let mut watching = net.watch_unread(&["--format", "jsonl", "--stats-interval", "1"]);
    watching.hang_up();
    let ended = watching.wait();
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.took < AT_ONCE, "{:?}", ended.took);
    assert_eq!(ended.complaints().len(), 1, "{}", ended.stderr);
}

/// A file system with room for this; gone when dropped.
struct Disk(tempfile::TempDir);

impl Disk {
    fn of(size: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={size},mode=0777");
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder.path()).status().unwrap();
        assert!(mounted.success(), "mount: {mounted}");
        Disk(folder)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["--lazy"]).arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_ends_it_behind_a_whole_line() {
    let Some(net) = Net::new() else { return };
    let disk = Disk::of("64k");
    let file = disk.0.path().join("a.jsonl");
    let watching = net.watch(&["--format", "jsonl", "--records", MANY, "--output", file.to_str().unwrap()]);
    net.replay(&["--topspeed", "--unique-ip", "--loop=100"], MAIL);
    let ended = watching.wait();
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.took < AT_ONCE, "{:?}", ended.took);
    let [line] = ended.complaints()[..] else { panic!("{}", ended.stderr) };
    assert!(line.starts_with("mailtap: ") && line.contains(file.to_str().unwrap()), "{line}");
    assert!(whole(&file).len() > 50, "{line}");
}

#[test]
fn a_full_disk_is_no_worse_where_somebody_emptied_the_file() {
    let Some(net) = Net::new() else { return };
    let disk = Disk::of("64k");
    let file = disk.0.path().join("a.jsonl");
    let watching = net.watch(&["--format", "jsonl", "--records", MANY, "--output", file.to_str().unwrap()]);
    net.replay(&["--topspeed"], MAIL);
    let long = || fs::metadata(&file).unwrap().len();
    until("nothing is written", || long() > 10_000);
    // As logrotate's copytruncate does.
    fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(0).unwrap();
    net.replay(&["--topspeed", "--unique-ip", "--loop=100"], MAIL);
    assert_eq!(watching.wait().code, Some(2));
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.ends_with("}\n"), "it ends in {:?}", text.lines().last());
    assert!(records(&text).len() > 50);
}

#[test]
fn what_is_no_file_is_written_to_wherever_it_lies() {
    let Some(net) = Net::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").args(["--mode=666"]).arg(&pipe).status().unwrap().success());
    let reader = Command::new("cat").arg(&pipe).stdout(Stdio::piped()).spawn().unwrap();
    let piped = net.watch(&["--strict-sandbox", "--format", "jsonl", "--output", pipe.to_str().unwrap()]);
    let nowhere = net.watch(&["--strict-sandbox", "--format", "jsonl", "--output", "/dev/null"]);
    for watching in [&piped, &nowhere] {
        // There is nothing to open anew.
        watching.signal("-HUP");
    }
    sleep(Duration::from_millis(300));
    net.replay(&["--topspeed"], OTHER);
    sleep(Duration::from_millis(300));
    for watching in [piped, nowhere] {
        let ended = watching.end();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
    let read = String::from_utf8(reader.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(found(&records(&read)), ["private-command/used"]);
}

/// The records of a file of which each line is whole, and the first one a `start`.
pub(super) fn whole(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.ends_with('\n'), "{} ends in {:?}", file.display(), text.lines().last());
    let records = records(&text);
    assert_eq!(records[0]["type"], "start", "{}", file.display());
    records
}

/// The files of a folder, by their names.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let last = soon();
    while !is_so() {
        assert!(Instant::now() < last, "{what}");
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_signal_opens_a_renamed_file_anew() {
    let Some(net) = Net::new() else { return };
    let folder = writable();
    let [file, renamed] = ["a.jsonl", "a.jsonl.1"].map(|name| folder.path().join(name));
    let watching = net.watch(&["--format", "jsonl", "--output", file.to_str().unwrap()]);
    let finding = |file: &Path| fs::read_to_string(file).is_ok_and(|text| text.contains("\"type\":\"finding\""));
    net.replay(&["--topspeed"], MAIL);
    until("no finding in the first file", || finding(&file));
    fs::rename(&file, &renamed).unwrap();
    watching.signal("-HUP");
    until("no file after the signal", || file.exists());
    net.replay(&["--topspeed"], OTHER);
    until("no finding in the second file", || finding(&file));
    let ended = watching.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(found(&whole(&renamed)), ["help-exposed/answered", "help-exposed/advertised"]);
    let second = whole(&file);
    assert_eq!(found(&second), ["private-command/used"]);
    assert_eq!(second.last().unwrap()["type"], "summary");
    assert_eq!(files(folder.path()), [file, renamed]);
}

#[test]
fn finished_files_are_renamed_whole() {
    let Some(net) = Net::new() else { return };
    let (by_size, by_time) = (writable(), writable());
    let file = |folder: &Path| folder.join("a.jsonl").to_str().unwrap().to_owned();
    let (sized, timed) = (file(by_size.path()), file(by_time.path()));
    let sized = net.watch(&["--format", "jsonl", "--records", MANY, "--rotate", "20KB", "--output", &sized]);
    let timed = net.watch(&["--format", "jsonl", "--records", MANY, "--rotate", "1s", "--output", &timed]);
    net.replay(&["--pps=1000", "--unique-ip", "--loop=40"], MAIL);
    sleep(Duration::from_millis(2500));
    for watching in [sized, timed] {
        let ended = watching.end();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
    let mut all = Vec::new();
    for folder in [by_size.path(), by_time.path()] {
        let files = files(folder);
        assert!(files.len() >= 3, "{files:?}");
        let records: Vec<_> = files.iter().flat_map(|file| whole(file)).collect();
        let summaries = records.iter().filter(|record| record["type"] == "summary").count();
        assert_eq!(summaries, 1, "{files:?}");
        // A server is told again when something new is known of it, which depends on when it was looked.
        let untimed = |record: &&Value| !["start", "server"].contains(&record["type"].as_str().unwrap());
        all.push(records.iter().filter(untimed).count());
    }
    assert_eq!(all[0], all[1], "both were told the same");
    let name = |file: &PathBuf| file.file_name().unwrap().to_str().unwrap().to_owned();
    let finished: Vec<_> = files(by_size.path()).into_iter().filter(|file| name(file) != "a.jsonl").collect();
    for file in &finished {
        let long = fs::metadata(file).unwrap().len();
        assert!((20_000..30_000).contains(&long), "{}: {long} octets", file.display());
        assert!(name(file).starts_with("a-20") && file.extension().unwrap() == "jsonl", "{}", file.display());
    }
}
