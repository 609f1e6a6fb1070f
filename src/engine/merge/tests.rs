//! Parts that separate processes wrote, merged: byte for byte what one process gives, whatever the limits; and what is
//! not whole, or not of one scan, is refused with its reason.

use std::fs;
use std::process::{Child, Command, Stdio};

use serde::{Deserialize, Serialize};
use synth::traffic::{Kind as Traffic, Recipe};
use synth::{Dialogue, LinkType, Packet, Plan, Rng, pcap};

use super::*;
use crate::base::{Limit, Limits};
use crate::engine::testing::Nobody;
use crate::engine::{follow, part, run};
use crate::ledger::{Kind, Output, Records};
use crate::record::Clerk;
use crate::report::{JSONL, Look, Printer, Report};

const SECOND: u64 = 1_000_000_000;

/// A scan that is made whole, and in parts.
struct Case {
    /// Stands for its options.
    name: &'static str,
    /// How many parts.
    parts: &'static [usize],
    config: fn(&mut Config),
    show_secrets: bool,
    /// The limits that act.
    act: &'static [Limit],
}

const NO_LIMITS: Case = Case { name: "", parts: &[], config: |_| {}, show_secrets: false, act: &[] };

const SERVERS: Case = Case { name: "servers", parts: &[1, 2, 3, 7], ..NO_LIMITS };
const SECRETS: Case = Case { name: "secrets", parts: &[2], show_secrets: true, ..NO_LIMITS };
const OVERLAPPING: Case =
    Case { name: "overlapping", parts: &[1, 3, 64], config: |config| config.evidence = true, ..NO_LIMITS };
const SEPARATE: Case =
    Case { name: "separate", parts: &[2, 7], config: |config| config.reading.separate = true, ..NO_LIMITS };
const FLOWS: Case = Case { name: "flows", parts: &[1, 2, 3, 7], ..NO_LIMITS };
const FILTERED: Case = Case {
    name: "filtered",
    parts: &[2, 7],
    config: |config| config.filter.pattern = Some("(?i)^(HELP|214 )".parse().unwrap()),
    ..NO_LIMITS
};
const FEW_AT_ONCE: Case = Case {
    name: "few at once",
    parts: &[1, 2, 3, 7, 64],
    config: |config| {
        limit(config, FEW_AT_ONCE.act, 1);
        // More than one a shard: else no connection that is half open is the second.
        config.limits.set(Limit::Connections, 3 * FlowKey::SHARDS as u64);
    },
    act: &[Limit::Connections, Limit::HalfOpen, Limit::HeldBytes, Limit::FragmentBytes, Limit::Servers],
    ..NO_LIMITS
};
const LITTLE_OF_EACH: Case = Case {
    name: "little of each",
    parts: &[1, 3],
    config: |config| {
        limit(config, LITTLE_OF_EACH.act, 1);
        config.limits.set(Limit::LineLength, 100);
    },
    act: &[
        Limit::HeldBytesPerConnection,
        Limit::LineLength,
        Limit::PendingReplies,
        Limit::ReplyLines,
        Limit::Recipients,
        Limit::Transactions,
        Limit::FindingsPerRule,
        Limit::Servers,
    ],
    ..NO_LIMITS
};

const CASES: &[&Case] =
    &[&SERVERS, &SECRETS, &OVERLAPPING, &SEPARATE, &FLOWS, &FILTERED, &FEW_AT_ONCE, &LITTLE_OF_EACH];

fn limit(config: &mut Config, limits: &[Limit], most: u64) {
    for &limit in limits {
        config.limits.set(limit, most);
    }
}

impl Case {
    fn config(&self) -> Config {
        let mut config = Config { records: Records::of(&Kind::ALL), ..Config::default() };
        (self.config)(&mut config);
        // The rules have a limit of their own copy.
        config.selection = crate::rules::Selection::new(&[], &[], crate::rules::Severity::Info, &config.limits);
        config
    }

    fn terms(&self) -> Terms<'_> {
        Terms { options: self.name, show_secrets: self.show_secrets }
    }
}

/// Prints what it is given.
struct Printing(Printer<Vec<u8>>);

impl Sink for Printing {
    fn take(&mut self, outputs: Vec<Output>) -> io::Result<()> {
        self.0.print(outputs)
    }
}

/// What it comes to, and everything that is printed.
fn printed<E>(
    case: &Case,
    give: impl FnOnce(&Config, &mut dyn Sink) -> Result<Outcome, E>,
) -> Result<(Outcome, String), E> {
    let config = case.config();
    let clerk = Clerk::new(std::sync::Arc::clone(config.selection.catalogue()), case.show_secrets);
    let mut printing =
        Printing(Printer::new(clerk, Report::new(&JSONL, &Look::default(), config.records, Vec::new(), String::new())));
    let outcome = give(&config, &mut printing)?;
    Ok((outcome, String::from_utf8(std::mem::take(printing.0.target())).unwrap()))
}

fn whole(case: &Case, paths: &[PathBuf]) -> (Outcome, String) {
    printed(case, |config, sink| run(config, paths, sink, &Nobody)).unwrap()
}

fn merged(case: &Case, files: &[PathBuf]) -> Result<(Outcome, String), NotMerged> {
    printed(case, |config, sink| merge(config, &case.terms(), files, sink, &Nobody))
}

/// What a child is to do.
#[derive(Serialize, Deserialize)]
struct Job {
    case: String,
    shards: ShardSet,
    batch_bytes: usize,
    threads: std::num::NonZeroUsize,
    paths: Vec<PathBuf>,
    to: PathBuf,
}

/// Names the file of a child's job.
const JOB: &str = "MAILTAP_TEST_JOB";

#[test]
#[ignore = "what the tests beside it start as processes of their own"]
fn a_child_that_follows_some_of_the_shards() {
    let Some(path) = std::env::var_os(JOB) else { return };
    let job: Job = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let case = CASES.iter().find(|case| case.name == job.case).unwrap();
    let mut config = Config { shards: job.shards, threads: Some(job.threads), ..case.config() };
    config.reading.batch_bytes = job.batch_bytes;
    let mut file = File::create(job.to).unwrap();
    part::part(&config, &case.terms(), &job.paths, &mut file, &Nobody).unwrap();
}

/// Starts a process that does the job.
fn start(folder: &Path, nth: usize, job: &Job) -> Child {
    let path = folder.join(format!("{nth}.job"));
    fs::write(&path, serde_json::to_vec(job).unwrap()).unwrap();
    let child = "engine::merge::tests::a_child_that_follows_some_of_the_shards";
    let arguments = ["--ignored", "--exact", child, "--test-threads", "1"];
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(arguments).env(JOB, path).stdout(Stdio::null()).spawn().unwrap()
}

/// Random sets of shards, each shard in one of them.
fn cut(parts: usize, rng: &mut Rng) -> Vec<ShardSet> {
    let mut order: Vec<usize> = (0..FlowKey::SHARDS).collect();
    shuffle(&mut order, rng);
    let mut sets = vec![ShardSet::NONE; parts];
    for (place, shard) in order.into_iter().enumerate() {
        // None is empty.
        let part = if place < parts { place } else { rng.below(parts) };
        sets[part] = sets[part].with(shard);
    }
    sets
}

fn shuffle<T>(all: &mut [T], rng: &mut Rng) {
    (1..all.len()).for_each(|place| all.swap(place, rng.below(place.saturating_add(1))));
}

/// Has the parts of a scan written by processes of their own, and merges them.
fn by_processes(case: &Case, parts: usize, paths: &[PathBuf]) -> (Outcome, String) {
    const AT_ONCE: usize = 4;
    let folder = tempfile::tempdir().unwrap();
    let mut rng = Rng::new(parts as u64);
    let jobs = cut(parts, &mut rng).into_iter().enumerate().map(|(nth, shards)| Job {
        case: case.name.to_owned(),
        shards,
        batch_bytes: [4096, 65_536, 262_144][nth % 3],
        threads: [1, 2, 3][nth % 3].try_into().unwrap(),
        paths: paths.to_vec(),
        to: folder.path().join(format!("{nth}.jsonl")),
    });
    let jobs: Vec<Job> = jobs.collect();
    for (round, some) in jobs.chunks(AT_ONCE).enumerate() {
        let children: Vec<Child> =
            some.iter().zip(round * AT_ONCE..).map(|(job, nth)| start(folder.path(), nth, job)).collect();
        for mut child in children {
            assert!(child.wait().unwrap().success(), "a part of {}", case.name);
        }
    }
    let mut files: Vec<PathBuf> = jobs.into_iter().map(|job| job.to).collect();
    shuffle(&mut files, &mut rng);
    merged(case, &files).unwrap()
}

/// Fails with the first line that differs.
fn assert_same(what: &str, expected: &str, got: &str) {
    for (number, (left, right)) in expected.lines().zip(got.lines()).enumerate() {
        assert_eq!(left, right, "{what}: line {number}");
    }
    assert_eq!(expected.lines().count(), got.lines().count(), "{what}: number of lines");
}

/// Holds each number of parts against the whole; records of every kind are among what is compared.
fn holds(case: &Case, paths: &[PathBuf]) {
    let (outcome, expected) = whole(case, paths);
    for kind in ["finding", "session", "server", "command", "reply", "summary"] {
        assert!(expected.contains(&format!("{{\"type\":\"{kind}\"")), "{}: no {kind}", case.name);
    }
    let summary: serde_json::Value = serde_json::from_str(expected.lines().last().unwrap()).unwrap();
    for limit in case.act {
        assert!(summary["limits_hit"][limit.key()].as_u64() > Some(0), "{limit:?}: {}", summary["limits_hit"]);
    }
    for &parts in case.parts {
        let (again, merged) = by_processes(case, parts, paths);
        assert_same(&format!("{} in {parts} parts", case.name), &expected, &merged);
        assert_eq!(again, outcome, "{} in {parts} parts", case.name);
    }
}

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name)
}

/// A session that reaches every limit which is small enough.
const GREEDY: &str = "S: 220 mx.example.com ESMTP\nC: EHLO client.example.org\nS: 250-mx.example.com\nS: 250-HELP\n\
    S: 250 SIZE 1000000\nC: HELP\nS: 214 MAIL RCPT DATA\nC: NOOP {x*300}\nC: NOOP\nC: NOOP\nS: 250 ok\nS: 250 ok\n\
    S: 250 ok\nC: MAIL FROM:<a@example.org>\nS: 250 ok\nC: RCPT TO:<b@example.com>\nS: 250 ok\n\
    C: RCPT TO:<c@example.com>\nS: 250 ok\nC: DATA\nC: Subject: held until the 354\nC: .\nS: 354 go on\nS: 250 queued\n\
    C: MAIL FROM: <a@example.org>\nS: 250 ok\nC: RCPT TO: <b@example.com>\nS: 250 ok\nC: QUIT\nS: 221 bye\n";

fn greedy(plan: &Plan) -> Vec<Packet> {
    synth::render(&Dialogue::parse(GREEDY).unwrap(), plan).packets
}

/// The session from so many ports at the same time.
fn sessions(ports: std::ops::Range<u16>, plan: &Plan) -> Vec<Packet> {
    let one = |port: u16| {
        let text = format!("[{port} server=198.51.100.{}]\n{GREEDY}", port % 5);
        let plan = plan.clone().seed(port.into()).start(plan.start + u64::from(port % 1000) * 70_000);
        synth::render(&Dialogue::parse(&text).unwrap(), &plan).packets
    };
    let mut all: Vec<Packet> = ports.flat_map(one).collect();
    all.sort_by_key(|packet| packet.time);
    all
}

fn put(folder: &Path, name: &str, packets: &[Packet]) {
    let format = pcap::Format { nanoseconds: true, ..pcap::Format::default() };
    fs::write(folder.join(name), pcap::bytes(packets, LinkType::Ethernet, format)).unwrap();
}

/// Two taps of one direction each, rotated; a queue whose clock steps back; and one packet that is years ahead.
fn overlapping() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan::new();
    let is_of_client = |packet: &Packet| packet.bytes[36..38] == [0, 25];
    let (to_server, to_client): (Vec<Packet>, Vec<Packet>) =
        sessions(40_000..40_030, &plan).into_iter().partition(is_of_client);
    for (name, tap) in [("a", to_server), ("b", to_client)] {
        for (nth, part) in pcap::split(&tap, 3).into_iter().enumerate() {
            put(folder.path(), &format!("{name}-{nth}.pcap"), part);
        }
    }
    let mut back = sessions(41_000..41_010, &plan.clone().pace(20_000_000));
    let half = back.len() / 2;
    back.iter_mut().skip(half).for_each(|packet| packet.time -= 90 * SECOND);
    put(folder.path(), "back.pcap", &back);
    let mut ahead = sessions(42_000..42_010, &plan.clone().pace(100_000_000).start(plan.start + SECOND));
    ahead[100].time += 40_000_000 * SECOND;
    put(folder.path(), "ahead.pcap", &ahead);
    folder
}

/// Traffic of all kinds with which every limit can act.
fn mix() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, kind, bytes) in [("relay.pcap", Traffic::Relay, 300_000), ("span.pcap", Traffic::Span, 200_000)] {
        let mut capture = Vec::new();
        let recipe = Recipe { flows: 30, seed: 11, ..Recipe::new(kind, bytes) };
        recipe.write(&mut capture, &mut io::sink()).unwrap();
        fs::write(folder.path().join(name), capture).unwrap();
    }
    put(folder.path(), "greedy.pcap", &greedy(&Plan::new()));
    put(folder.path(), "fragments.pcap", &greedy(&Plan::new().fragment(64).fragments_reversed(true)));
    put(folder.path(), "reordered.pcap", &sessions(43_000..43_020, &Plan::new().mss(8).reorder(500)));
    let text = (30_000..30_200_u16).map(|port| format!("[{port}]\nS: 220 mx\n")).collect::<Vec<_>>().concat();
    let (dialogue, plan) = (Dialogue::parse(&text).unwrap(), Plan::new());
    let mut segments = synth::exchange::exchange(&dialogue, &plan).segments;
    segments.retain(|segment| segment.control == synth::exchange::Control::Syn);
    put(folder.path(), "syns.pcap", &synth::frame::frame(&dialogue, &segments, &plan));
    folder
}

#[test]
fn parts_of_captures_of_real_servers_give_what_the_whole_gives() {
    holds(&SERVERS, &[testdata("servers")]);
}

#[test]
fn parts_of_which_only_what_matches_is_reported_give_what_the_whole_gives() {
    holds(&FILTERED, &["exim-4.96", "postfix-3.7.11"].map(|name| testdata("servers").join(name)));
}

#[test]
fn parts_that_show_secrets_give_what_the_whole_gives_that_shows_them() {
    let paths = ["exim-4.96-tls-auth", "smtp-server-3.21.6-tls-auth"].map(|name| testdata("servers").join(name));
    holds(&SECRETS, &paths);
}

#[test]
fn parts_of_captures_that_overlap_and_step_back_give_what_the_whole_gives() {
    let folder = overlapping();
    holds(&OVERLAPPING, &[folder.path().to_owned()]);
    holds(&SEPARATE, &[folder.path().to_owned()]);
}

#[test]
fn parts_of_many_flows_and_fragments_give_what_the_whole_gives_whatever_limit_acts() {
    let folder = mix();
    for case in [&FLOWS, &FEW_AT_ONCE, &LITTLE_OF_EACH] {
        holds(case, &[folder.path().to_owned()]);
    }
}

/// Takes entries only to hold them against what is read of them.
#[derive(Default)]
struct Witness {
    entries: u64,
    secrets: u64,
}

impl Takes for Witness {
    fn take(&mut self, _: Vec<PathBuf>, entries: Vec<Entry>) -> io::Result<()> {
        let shows = |entry: &Entry| format!("{entry:?}").contains("whole: Some");
        for mut entry in entries {
            assert_eq!(format!("{:?}", entry.read_back()), format!("{entry:?}"));
            self.entries += 1;
            self.secrets += u64::from(shows(&entry));
            entry.hide_secrets();
            assert!(!shows(&entry.read_back()), "{entry:?}");
        }
        Ok(())
    }
}

#[test]
fn every_entry_of_all_testdata_is_read_back_as_it_was_and_hides_its_secrets() {
    let config = SERVERS.config();
    let mut witness = Witness::default();
    let followed = follow(&config, &[testdata("")], &mut witness, &Nobody).unwrap();
    assert!(witness.entries > 10_000 && witness.secrets > 50, "{} and {}", witness.entries, witness.secrets);
    let tail = Tail { entries: witness.entries, totals: followed.totals, shards: followed.shards };
    let written = serde_json::to_string(&tail).unwrap();
    assert_eq!(serde_json::from_str::<Tail>(&written).unwrap(), tail);
}

/// Counts the bugs that it is told, by their frames.
#[derive(Default)]
struct Bugs(std::sync::Mutex<Vec<u64>>);

impl Observer for Bugs {
    fn problem(&self, _: &crate::capture::Problem) {}
    fn notice(&self, _: &crate::capture::Notice) {}
    fn progress(&self, _: &crate::capture::Progress) {}
    fn internal_error(&self, bug: &crate::engine::Bug) {
        self.0.lock().unwrap().push(bug.frame);
    }
}

#[test]
fn bugs_that_parts_met_are_told_with_their_packets_and_summed_up() {
    let parts = Parts::new();
    let one = |port: u16| {
        let text = format!("[{port}]\nS: 220 mx\nC: NOOP\nS: 250 ok\nC: X-A-BUG\nS: 500 no\n");
        synth::render(&Dialogue::parse(&text).unwrap(), &Plan::new()).packets
    };
    put(parts.folder.path(), "capture.pcap", &(40_000..40_009).flat_map(one).collect::<Vec<Packet>>());
    let (alone, together) = (Bugs::default(), Bugs::default());
    let paths = [parts.capture.clone()];
    let (_, expected) = printed(&FLOWS, |config, sink| run(config, &paths, sink, &alone)).unwrap();
    let files = parts.all();
    let (_, merged) = printed(&FLOWS, |config, sink| merge(config, &FLOWS.terms(), &files, sink, &together)).unwrap();
    assert_same("bugs", &expected, &merged);
    assert!(expected.contains("\"internal_errors\":9"), "{expected}");
    let [alone, together] = [alone, together].map(|bugs| bugs.0.into_inner().unwrap());
    assert_eq!((alone.len(), together), (9, alone));
}

/// Parts of a small scan in files, each with its lines.
struct Parts {
    folder: tempfile::TempDir,
    capture: PathBuf,
}

impl Parts {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "capture.pcap", &sessions(40_000..40_010, &Plan::new()));
        let capture = folder.path().join("capture.pcap");
        Parts { folder, capture }
    }

    /// The shards whose numbers leave this rest when they are divided by three, or none of them; written with the
    /// options of that case.
    fn part(&self, rest: usize, case: &Case, capture: &Path) -> PathBuf {
        let shards = (0..FlowKey::SHARDS).filter(|shard| shard % 3 == rest).fold(ShardSet::NONE, ShardSet::with);
        let path = self.folder.path().join(format!("{rest}-{}.jsonl", case.name));
        let config = Config { shards, ..case.config() };
        let mut file = File::create(&path).unwrap();
        part::part(&config, &case.terms(), &[capture.to_owned()], &mut file, &Nobody).unwrap();
        path
    }

    fn all(&self) -> [PathBuf; 3] {
        [0, 1, 2].map(|rest| self.part(rest, &FLOWS, &self.capture))
    }
}

/// Why these are not merged.
fn refused(files: &[PathBuf]) -> String {
    let error = merged(&FLOWS, files).unwrap_err();
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
    let folder = files[0].parent().unwrap().display().to_string();
    format!("{error}{cause}").replace(&format!("{folder}/"), "")
}

#[test]
fn ends_of_sessions_that_have_no_record_are_short_and_change_nothing() {
    const SHORT: Case = Case { name: "short", config: |config| config.records = Records::default(), ..NO_LIMITS };
    let parts = Parts::new();
    let told = |case: &Case| {
        let files = [0, 1, 2].map(|rest| parts.part(rest, case, &parts.capture));
        let (outcome, merged) = merged(case, &files).unwrap();
        let (expected, printed) = whole(case, std::slice::from_ref(&parts.capture));
        assert_same(case.name, &printed, &merged);
        assert_eq!(outcome, expected);
        files.map(|file| fs::read_to_string(file).unwrap()).concat().contains("\"mail_from\"")
    };
    assert!(told(&FLOWS) && !told(&SHORT));
}

#[test]
fn a_part_left_out_or_there_twice_is_refused() {
    let parts = Parts::new();
    let [a, b, c] = parts.all();
    assert!(merged(&FLOWS, &[c.clone(), a.clone(), b.clone()]).is_ok());
    let missing = refused(&[a.clone(), c.clone()]);
    assert!(missing.starts_with("no file has shards 1, 4, 7, ") && missing.ends_with(", 61"), "{missing}");
    let twice = refused(&[a.clone(), b, c, a]);
    assert!(twice.starts_with("0-flows.jsonl and 0-flows.jsonl both have shards 0, 3, 6, "), "{twice}");
    assert!(refused(&[parts.folder.path().join("none")]).starts_with("none: cannot be read: "));
}

#[test]
fn a_part_of_other_options_captures_or_version_is_refused() {
    let parts = Parts::new();
    let [a, b, c] = parts.all();
    let other = parts.part(0, &SERVERS, &parts.capture);
    assert_eq!(refused(&[other, b.clone(), c.clone()]), "0-servers.jsonl: line 1: written with other options");

    let text = fs::read_to_string(&a).unwrap();
    let edited = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        let path = parts.folder.path().join("edited.jsonl");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        refused(&[path, b.clone(), c.clone()])
    };
    let version = format!("\"version\":\"{}\"", env!("CARGO_PKG_VERSION"));
    assert_eq!(edited(&version, "\"version\":\"0.0.0\""), "edited.jsonl: line 1: written by version 0.0.0");
    assert_eq!(
        edited("{\"mailtap_entries\":1,", "{\"mailtap_entries\":2,\"new\":[],"),
        "edited.jsonl: line 1: entries of form 2, where only 1 is known"
    );
    let separate = edited("\"separate\":false", "\"separate\":true");
    assert_eq!(separate, "edited.jsonl: line 1: written with other options");
    let interrupted = edited("\"interrupted\":false", "\"interrupted\":true");
    assert_eq!(interrupted, "edited.jsonl: ended before its input was");

    // A capture of the same name in which there is less; then one of another name.
    put(parts.folder.path(), "capture.pcap", &sessions(40_000..40_005, &Plan::new()));
    let changed = parts.part(0, &FLOWS, &parts.capture);
    assert_eq!(
        refused(&[b.clone(), changed, c.clone()]),
        "1-flows.jsonl and 0-flows.jsonl are not of the same captures"
    );
    let renamed = parts.folder.path().join("renamed.pcap");
    fs::rename(&parts.capture, &renamed).unwrap();
    let renamed = parts.part(0, &FLOWS, &renamed);
    assert_eq!(refused(&[b, renamed, c]), "1-flows.jsonl and 0-flows.jsonl are not of the same captures");
}

#[test]
fn a_file_that_is_cut_or_changed_anywhere_is_refused_with_its_line() {
    let parts = Parts::new();
    let [a, b, c] = parts.all();
    let whole = fs::read(&a).unwrap();
    let lines: Vec<&[u8]> = whole.split_inclusive(|&octet| octet == b'\n').collect();
    assert!(lines.len() > 10 && lines.last().unwrap().starts_with(b"{\"tail\""));
    let with = |octets: &[u8]| {
        let path = parts.folder.path().join("changed.jsonl");
        fs::write(&path, octets).unwrap();
        refused(&[path, b.clone(), c.clone()])
    };
    let joined = |lines: &[&[u8]]| lines.concat();

    let count = lines.len();
    assert_eq!(with(b""), "changed.jsonl: line 0: no head of a file of entries");
    assert_eq!(with(&joined(&lines[1..])), "changed.jsonl: line 1: no head of a file of entries");
    let cut = format!("changed.jsonl: line {}: not written to its end", count - 1);
    assert_eq!(with(&joined(&lines[..count - 1])), cut, "no tail");
    let cut = format!("changed.jsonl: line {count}: not written to its end");
    assert_eq!(with(&whole[..whole.len() - 1]), cut, "a tail without its line feed");
    for length in (1..whole.len()).step_by(whole.len() / 40) {
        assert!(with(&whole[..length]).starts_with("changed.jsonl: line "), "cut at {length}");
    }

    let mut changed = lines.clone();
    changed.remove(4);
    let entries = lines.len() - 3;
    let fewer = format!("changed.jsonl: line {}: {} entries, where {entries} were written", count - 1, entries - 1);
    assert_eq!(with(&joined(&changed)), fewer);
    changed = lines.clone();
    changed.swap(4, 5);
    assert_eq!(with(&joined(&changed)), "changed.jsonl: line 6: a key that does not stand behind the one before it");
    changed = lines.clone();
    changed.insert(4, lines[4]);
    assert_eq!(with(&joined(&changed)), "changed.jsonl: line 6: a key that does not stand behind the one before it");
    changed = lines.clone();
    changed.push(lines[1]);
    let behind = format!("changed.jsonl: line {}: something stands behind its tail", count + 1);
    assert_eq!(with(&joined(&changed)), behind);
    for (line, fault) in [
        (&b"{\"k\":[1,2]}\n"[..], "not a line of entries: invalid length 2"),
        (b"{\"new\":1}\n", "not a line of entries: unknown field `new`"),
        (b"\xff\n", "not a line of entries: "),
        (b"{}\n", "a line that is not of exactly one kind"),
        (b"{\"k\":[0,0,1,3,0,0,1,0,0,0]}\n", "a line that is not of exactly one kind"),
        (b"{\"k\":[0,16777216,1,3,0,0,1,0,0,0]}\n", "not a line of entries: a key of no packet"),
    ] {
        changed = lines.clone();
        changed[4] = line;
        let told = with(&joined(&changed));
        assert!(told.starts_with(&format!("changed.jsonl: line 5: {fault}")), "{told}");
    }
}

#[test]
fn more_files_than_shards_are_refused() {
    let files = vec![PathBuf::from("x/none"); FlowKey::SHARDS + 1];
    assert_eq!(refused(&files), "65 files, where a scan has 64 shards");
}

#[test]
fn limits_of_the_cases_are_not_the_usual_ones() {
    for case in [&FEW_AT_ONCE, &LITTLE_OF_EACH] {
        assert!(case.act.iter().all(|&limit| case.config().limits.get(limit) < Limits::default().get(limit)));
    }
}
