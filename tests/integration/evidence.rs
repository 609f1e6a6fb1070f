//! `--write`: the packets behind the findings, whole and no others, as pcapng that gives the same findings again.
//!
//! What was written is read here by a reader of its own, block by block; etherparse tells whose packets they are, and
//! tshark and capinfos have to agree.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use serde_json::Value;
use synth::traffic::{Kind, Recipe};
use synth::{Dialogue, LinkType, Packet, Plan, pcap, pcapng};

use crate::invariance::assert_same;
use crate::support::{self, Ran};

/// A server that answers HELP, and one that does nothing wrong.
const HELP: &str = "S: 220 mx ESMTP\nC: EHLO client.example.org\nS: 250 mx\nC: HELP\nS: 214 HELO MAIL RCPT\n\
                    C: QUIT\nS: 221 bye\n";
const CLEAN: &str = "S: 220 mx.example.com ESMTP\nC: EHLO client.example.org\nS: 250 mx.example.com\nC: QUIT\n\
                     S: 221 bye\n";

/// Both, side by side.
fn both() -> Dialogue {
    let on = |port: u16, text: &str| text.lines().map(|line| format!("[{port}]\n{line}\n")).collect::<Vec<_>>();
    let (help, clean) = (on(40_001, HELP), on(40_002, CLEAN));
    let lines = (0..help.len()).flat_map(|at| [help.get(at), clean.get(at)]).flatten();
    Dialogue::parse(&lines.cloned().collect::<String>()).unwrap()
}

/// A packet of what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    link_type: u16,
    time: u64,
    original: u32,
    bytes: Vec<u8>,
    comments: Vec<String>,
}

/// Everything of a file that mailtap wrote: one section in little-endian order, times in nanoseconds.
fn kept(path: &Path) -> Vec<Kept> {
    let file = fs::read(path).unwrap();
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    let half = |at: usize| u16::from_le_bytes(file[at..at + 2].try_into().unwrap());
    let (mut at, mut links, mut packets) = (0, Vec::new(), Vec::new());
    while at < file.len() {
        let (kind, length) = (word(at), word(at + 4) as usize);
        assert_eq!(word(at + length - 4) as usize, length, "both lengths of a block");
        match kind {
            0x0a0d_0d0a => assert_eq!((at, word(at + 8)), (0, 0x1a2b_3c4d)),
            1 => {
                assert_eq!((word(at + 12), half(at + 16), half(at + 18), file[at + 20]), (262_144, 9, 1, 9));
                links.push(half(at + 8));
            }
            6 => {
                let captured = word(at + 20) as usize;
                let mut comments = Vec::new();
                let mut option = at + 28 + captured.next_multiple_of(4);
                while option + 4 < at + length && half(option) == 1 {
                    let text = &file[option + 4..][..usize::from(half(option + 2))];
                    comments.push(String::from_utf8(text.to_vec()).unwrap());
                    option += 4 + text.len().next_multiple_of(4);
                }
                packets.push(Kept {
                    link_type: links[word(at + 8) as usize],
                    time: u64::from(word(at + 12)) << 32 | u64::from(word(at + 16)),
                    original: word(at + 24),
                    bytes: file[at + 28..][..captured].to_vec(),
                    comments,
                });
            }
            other => panic!("a block of type {other}"),
        }
        at += length;
    }
    packets
}

/// Whose packet it is, client or server first; nothing where it is no TCP on Ethernet.
fn ends(packet: &[u8]) -> Option<[SocketAddr; 2]> {
    let sliced = SlicedPacket::from_ethernet(packet).ok()?;
    let (source, destination) = match sliced.net? {
        NetSlice::Ipv4(ip) => (IpAddr::V4(ip.header().source_addr()), IpAddr::V4(ip.header().destination_addr())),
        NetSlice::Ipv6(ip) => (IpAddr::V6(ip.header().source_addr()), IpAddr::V6(ip.header().destination_addr())),
        NetSlice::Arp(_) => return None,
    };
    let Some(TransportSlice::Tcp(tcp)) = sliced.transport else { return None };
    let mut ends = [SocketAddr::new(source, tcp.source_port()), SocketAddr::new(destination, tcp.destination_port())];
    ends.sort_unstable();
    Some(ends)
}

/// The connections of findings.
fn flagged(findings: &[Value]) -> BTreeSet<[SocketAddr; 2]> {
    let end = |end: &Value| {
        SocketAddr::new(
            end["ip"].as_str().unwrap().parse().unwrap(),
            u16::try_from(end["port"].as_u64().unwrap()).unwrap(),
        )
    };
    let ends = |finding: &Value| {
        let mut ends = [end(&finding["client"]), end(&finding["server"])];
        ends.sort_unstable();
        ends
    };
    findings.iter().map(ends).collect()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    fn capture(&self, name: &str, packets: &[Packet]) -> PathBuf {
        self.put(name, &pcap::bytes(packets, LinkType::Ethernet, pcap::Format::default()))
    }
}

/// A scan that writes packets to `to`.
fn scan(to: &Path, options: &[&str], paths: &[&Path]) -> Ran {
    let mut arguments = vec!["scan", "--format", "jsonl", "--records", "findings,summary", "--write"];
    arguments.push(to.to_str().unwrap());
    arguments.extend(options);
    arguments.extend(paths.iter().map(|path| path.to_str().unwrap()));
    support::run(&arguments)
}

/// What is found in a capture.
fn findings(path: &Path) -> Vec<Value> {
    let ran = support::run(&["scan", "--quiet", "--format", "jsonl", "--records", "findings", path.to_str().unwrap()]);
    assert!(ran.code() == 0 || ran.code() == 2, "{}", ran.stderr);
    of_findings(&ran)
}

fn of_findings(ran: &Ran) -> Vec<Value> {
    support::of_type(&ran.records(), "finding").into_iter().cloned().collect()
}

/// Findings without what names captures and frames.
fn wherever(findings: &[Value]) -> Vec<Value> {
    let mut findings = findings.to_vec();
    for finding in &mut findings {
        let finding = finding.as_object_mut().unwrap();
        let packets = finding.remove("packets").unwrap();
        finding.insert("packets".to_owned(), packets.as_array().unwrap().len().into());
        finding.remove("wireshark_filter");
    }
    findings
}

#[test]
fn what_was_written_gives_the_same_findings() {
    /// Of our own captures one in so many will do.
    const EACH: usize = 4;
    let ours = support::files_ending(&support::package().join("testdata"), &[".pcap", ".pcapng"]);
    let others = support::shared_captures().map(|folder| support::files_ending(&folder, &[".pcap", ".pcapng"]));
    let mut compared = 0;
    for capture in ours.into_iter().step_by(EACH).chain(others.into_iter().flatten()) {
        let folder = Folder::new();
        let to = folder.path("kept.pcapng");
        let ran = scan(&to, &["--quiet"], &[&capture]);
        let found = of_findings(&ran);
        let again = findings(&to);
        assert_eq!(wherever(&found), wherever(&again), "{}", capture.display());
        assert_eq!(kept(&to).is_empty(), found.is_empty(), "{}", capture.display());
        compared += found.len();
    }
    assert!(compared > 100, "{compared} findings are too few");
}

#[test]
fn of_a_busy_link_every_packet_of_flagged_connections_is_kept_and_no_other() {
    let mails = Recipe { mail: 300, planted: 300, mail_bytes: 500..=20_000, ..Recipe::new(Kind::Span, 3_000_000) };
    let recipe = Recipe { flows: 60, transfer_bytes: 300..=10_000, ..mails };
    let mut capture = Vec::new();
    recipe.write(&mut capture, &mut io::sink()).unwrap();
    let folder = Folder::new();
    let (path, to) = (folder.put("span.pcap", &capture), folder.path("kept.pcapng"));
    let ran = scan(&to, &[], &[&path]);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    let found = of_findings(&ran);
    let flagged = flagged(&found);
    assert!(flagged.len() > 10, "{} connections", flagged.len());

    let mut rest = &capture[24..];
    let mut expected = Vec::new();
    while !rest.is_empty() {
        let word = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
        let bytes = &rest[16..][..word(8) as usize];
        if ends(bytes).is_some_and(|ends| flagged.contains(&ends)) {
            let time = u64::from(word(0)) * 1_000_000_000 + u64::from(word(4)) * 1000;
            expected.push((1, time, word(12), bytes.to_vec()));
        }
        rest = &rest[16 + bytes.len()..];
    }
    let kept = kept(&to);
    let parts = kept.iter().map(|kept| (kept.link_type, kept.time, kept.original, kept.bytes.clone()));
    assert!(parts.eq(expected.iter().cloned()), "{} packets kept, {} expected", kept.len(), expected.len());
    assert_eq!(wherever(&found), wherever(&findings(&to)));

    let count = |tool: &str, arguments: &[&str]| {
        let Ok(output) = Command::new(tool).args(arguments).arg(&to).output() else {
            println!("skipped: no {tool}");
            return None;
        };
        assert!(output.status.success(), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
        Some(String::from_utf8(output.stdout).unwrap())
    };
    if let Some(told) = count("capinfos", &["-Mc"]) {
        assert!(told.contains(&format!("Number of packets:   {}", kept.len())), "{told}");
    }
    if let Some(told) = count("tshark", &["-T", "fields", "-e", "frame.comment", "-r"]) {
        assert_eq!(told.lines().count(), kept.len());
        let commented = kept.iter().filter(|kept| !kept.comments.is_empty()).count();
        assert_eq!(told.lines().filter(|line| !line.is_empty()).count(), commented);
    }
}

#[test]
fn packets_that_carry_a_finding_say_which() {
    let rendered = synth::render(&both(), &Plan::new());
    let folder = Folder::new();
    let (path, to) = (folder.capture("both.pcap", &rendered.packets), folder.path("kept.pcapng"));
    let found = of_findings(&scan(&to, &[], &[&path]));
    assert_eq!(found.len(), 1);
    let comment = format!("help-exposed/answered: {}", found[0]["message"].as_str().unwrap());
    let frames: Vec<u64> =
        found[0]["packets"].as_array().unwrap().iter().map(|packet| packet["frame"].as_u64().unwrap()).collect();
    let commented = |frame: usize| &rendered.packets[frame - 1].bytes;
    let expected: Vec<&Vec<u8>> = frames.iter().map(|frame| commented(usize::try_from(*frame).unwrap())).collect();
    let kept = kept(&to);
    let said: Vec<&Vec<u8>> = kept.iter().filter(|kept| !kept.comments.is_empty()).map(|kept| &kept.bytes).collect();
    assert_eq!((said, frames.len()), (expected, 2));
    assert!(kept.iter().all(|kept| kept.comments.is_empty() || kept.comments == [comment.as_str()]));
}

#[test]
fn another_connection_between_the_same_ends_is_left_out() {
    let folder = Folder::new();
    let mut packets = Vec::new();
    let mut expected = Vec::new();
    for (nth, text) in (0..).zip([CLEAN, HELP, CLEAN]) {
        let plan = Plan::new().seed(nth + 1).start(synth::plan::START + nth * 100_000_000_000);
        let rendered = synth::render(&Dialogue::parse(text).unwrap(), &plan);
        if text == HELP {
            expected = rendered.packets.iter().map(|packet| packet.time).collect();
        }
        packets.extend(rendered.packets);
    }
    let (path, to) = (folder.capture("three.pcap", &packets), folder.path("kept.pcapng"));
    assert_eq!(scan(&to, &[], &[&path]).code(), 0);
    assert_eq!(kept(&to).iter().map(|kept| kept.time).collect::<Vec<_>>(), expected);
}

/// Source and identification of an IPv4 datagram in Ethernet.
fn identification(packet: &[u8]) -> (&[u8], &[u8]) {
    (&packet[26..30], &packet[18..20])
}

/// Those of a first fragment, or a whole datagram, from or to this port.
fn datagram(packet: &[u8], port: u16) -> Option<(&[u8], &[u8])> {
    let offset = u16::from_be_bytes([packet[20], packet[21]]) & 0x1fff;
    let ports = || packet[34..38].as_chunks::<2>().0.iter().map(|port| u16::from_be_bytes(*port));
    (offset == 0 && ports().any(|found| found == port)).then(|| identification(packet))
}

#[test]
fn fragments_are_kept_with_their_connection_wherever_they_lie() {
    for reversed in [false, true] {
        let rendered = synth::render(&both(), &Plan::new().fragment(32).fragments_reversed(reversed));
        let folder = Folder::new();
        let (path, to) = (folder.capture("both.pcap", &rendered.packets), folder.path("kept.pcapng"));
        let found = of_findings(&scan(&to, &[], &[&path]));
        assert_eq!(found.len(), 1);
        let packets = || rendered.packets.iter().map(|packet| packet.bytes.as_slice());
        let datagrams: BTreeSet<_> = packets().filter_map(|packet| datagram(packet, 40_001)).collect();
        let expected: Vec<&[u8]> = packets().filter(|packet| datagrams.contains(&identification(packet))).collect();
        let kept = kept(&to);
        assert!(kept.iter().map(|kept| kept.bytes.as_slice()).eq(expected.iter().copied()), "reversed: {reversed}");
        assert!(expected.len() > datagrams.len() && expected.len() < rendered.packets.len());
        assert_eq!(wherever(&found), wherever(&findings(&to)));
    }
}

#[test]
fn link_types_nanoseconds_and_cut_packets_stay_as_they_were() {
    let folder = Folder::new();
    for link in [LinkType::Ethernet, LinkType::Cooked, LinkType::Cooked2, LinkType::Raw, LinkType::Null, LinkType::Loop]
    {
        let plan = Plan::new().link(link).pace(1_234_567).snap_length(120);
        let rendered = synth::render(&Dialogue::parse(HELP).unwrap(), &plan);
        let path = folder.put(&format!("{link:?}.pcapng"), &pcapng::bytes(&rendered.packets, link, true));
        let to = folder.path(&format!("{link:?}.kept"));
        assert_eq!(scan(&to, &[], &[&path]).code(), 0);
        let expected: Vec<_> =
            rendered.packets.iter().map(|p| (link.number(), p.time, p.original, p.bytes.clone())).collect();
        let kept = kept(&to).into_iter().map(|kept| (kept.link_type, kept.time, kept.original, kept.bytes));
        assert_eq!(kept.collect::<Vec<_>>(), expected, "{link:?}");
    }
}

#[test]
fn threads_batches_and_the_cut_into_files_change_no_byte() {
    let recipe =
        Recipe { flows: 30, mail: 500, planted: 500, mail_bytes: 500..=5000, ..Recipe::new(Kind::Span, 1_000_000) };
    let mut capture = Vec::new();
    recipe.write(&mut capture, &mut io::sink()).unwrap();
    let folder = Folder::new();
    let path = folder.put("span.pcap", &capture);
    let mut expected: Option<Vec<u8>> = None;
    for (nth, (threads, batch)) in [("1", "262144"), ("2", "4096"), ("8", "65536")].into_iter().enumerate() {
        let to = folder.path(&format!("{nth}.pcapng"));
        assert_eq!(scan(&to, &["--threads", threads, "--batch-bytes", batch], &[&path]).code(), 0);
        let written = fs::read(&to).unwrap();
        assert!(*expected.get_or_insert_with(|| written.clone()) == written, "{threads} threads, {batch}");
    }

    let rendered = synth::render(&both(), &Plan::new().mss(5));
    let parts = pcap::split(&rendered.packets, 3);
    let paths: Vec<PathBuf> =
        (0..).zip(parts).map(|(nth, part)| folder.capture(&format!("part{nth}.pcap"), part)).collect();
    let whole = folder.capture("whole.pcap", &rendered.packets);
    let (one, three) = (folder.path("one.pcapng"), folder.path("three.pcapng"));
    scan(&one, &[], &[&whole]);
    scan(&three, &[], &paths.iter().map(PathBuf::as_path).collect::<Vec<_>>());
    assert_eq!(kept(&one), kept(&three));
    assert!(!kept(&one).is_empty());
}

#[test]
fn the_report_is_the_same_and_one_line_says_what_is_kept() {
    let capture = Path::new("testdata/servers/exim-4.96/help.pcap");
    let folder = Folder::new();
    for (nth, format) in ["text", "jsonl"].into_iter().enumerate() {
        let to = folder.path(&format!("{nth}.pcapng"));
        let arguments = ["scan", "--format", format, capture.to_str().unwrap()];
        let without = support::run(&arguments);
        let with = support::run(&[&arguments[..], &["--write", to.to_str().unwrap()]].concat());
        assert_same(format, &without.stdout, &with.stdout);
        assert_eq!(with.stderr.lines().count(), 1, "{}", with.stderr);
        assert!(with.stderr.contains("message content"), "{}", with.stderr);
    }
    let to = folder.path("quiet.pcapng");
    assert_eq!(scan(&to, &["--quiet"], &[capture]).stderr, "");
}

#[test]
fn only_what_is_reported_is_kept_whether_its_record_is_printed_or_not() {
    let capture = Path::new("testdata/servers/exim-4.96/help.pcap");
    let folder = Folder::new();
    let kept_with = |name: &str, options: &[&str]| {
        let to = folder.path(name);
        let mut arguments = vec!["scan", "--write", to.to_str().unwrap(), capture.to_str().unwrap()];
        arguments.extend(options);
        let ran = support::run(&arguments);
        assert_eq!(ran.code(), 0, "{}", ran.stderr);
        (kept(&to).len(), ran.stdout)
    };
    let (all, _) = kept_with("all", &[]);
    assert!(all > 5);
    let (unprinted, report) = kept_with("unprinted", &["--records", "summary", "--format", "jsonl"]);
    assert_eq!((unprinted, report.lines().count()), (all, 2), "{report}");
    for (nth, options) in
        [["--ignore", "help-exposed"], ["--servers", "203.0.113.0/24"], ["--min-severity", "critical"]]
            .iter()
            .enumerate()
    {
        let name = format!("none{nth}");
        assert_eq!(kept_with(&name, options).0, 0, "{options:?}");
        assert_eq!(findings(&folder.path(&name)), [] as [Value; 0], "a capture without packets is one");
    }
}

#[test]
fn what_can_be_read_of_a_torn_or_packed_capture_is_kept_and_the_hash_stays() {
    let rendered = synth::render(&both(), &Plan::new());
    let folder = Folder::new();
    let whole = folder.capture("both.pcap", &rendered.packets);
    let bytes = fs::read(&whole).unwrap();
    let torn = folder.put("torn.pcap", &bytes[..bytes.len() - 7]);
    let (one, two, three) = (folder.path("one"), folder.path("two"), folder.path("three"));
    assert_eq!(scan(&one, &["--hash"], &[&whole]).code(), 0);
    let ran = scan(&two, &["--quiet"], &[&torn]);
    assert_eq!((ran.code(), ran.stderr.lines().count()), (2, 1), "{}", ran.stderr);
    let expected: Vec<Kept> = kept(&one);
    assert!(kept(&two).len() > 5 && expected.starts_with(&kept(&two)));
    match Command::new("gzip").arg("-k").arg(&whole).status() {
        Ok(status) if status.success() => {
            assert_eq!(scan(&three, &[], &[&folder.path("both.pcap.gz")]).code(), 0);
            assert_eq!(kept(&three), expected);
        }
        _ => println!("skipped: no gzip"),
    }
}

#[test]
fn a_file_is_never_written_over_and_never_an_input() {
    let folder = Folder::new();
    let rendered = synth::render(&both(), &Plan::new());
    let capture = folder.capture("both.pcap", &rendered.packets);
    let before = fs::read(&capture).unwrap();
    let note = folder.put("note", b"not a capture");
    let refused = |to: &Path, paths: &[&Path], told: &str| {
        let ran = scan(to, &[], paths);
        assert_eq!((ran.code(), ran.stdout.as_str()), (2, ""), "{}", ran.stderr);
        assert_eq!(ran.stderr, format!("mailtap: cannot write {}: {told}\n", to.display()));
    };
    let exists = "it exists, and mailtap does not overwrite it";
    refused(&capture, &[&capture], exists);
    refused(&note, &[&capture], exists);
    let (within, below) = (folder.path("kept.pcapng"), folder.path("below"));
    fs::create_dir(&below).unwrap();
    let scanned = format!("it would be inside {}, which is being scanned", folder.0.path().display());
    refused(&within, &[folder.0.path()], &scanned);
    refused(&below.join("kept.pcapng"), &[&capture, folder.0.path()], &scanned);
    assert!(!within.exists() && fs::read(&capture).unwrap() == before);
    assert_eq!(scan(&within, &[], &[&capture]).code(), 0, "beside a file that is scanned is no harm");
    let ran = scan(Path::new("/no/such/folder/kept"), &[], &[&capture]);
    assert_eq!((ran.code(), ran.stderr.lines().count()), (2, 1), "{}", ran.stderr);
}

#[cfg(unix)]
#[test]
fn what_can_be_read_only_once_is_refused_before_anything_is_read() {
    let folder = Folder::new();
    let to = folder.path("kept.pcapng");
    let told = "can be read only once, and --write reads its input twice\n";
    let ran = scan(&to, &[], &[Path::new("-")]);
    assert_eq!((ran.code(), ran.stderr), (2, format!("mailtap: cannot write {}: standard input {told}", to.display())));
    let pipe = folder.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let ran = scan(&to, &[], &[&pipe]);
    let told = format!("mailtap: cannot write {}: {} {told}", to.display(), pipe.display());
    assert_eq!((ran.code(), ran.stderr), (2, told));
    assert!(!to.exists());
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let to = folder.path("kept.pcapng");
    scan(&to, &[], &[Path::new("testdata/servers/exim-4.96/help.pcap")]);
    assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_2_and_the_report_is_printed_all_the_same() {
    let recipe = Recipe { flows: 30, planted: 500, mail_bytes: 500..=5000, ..Recipe::new(Kind::Relay, 500_000) };
    let mut capture = Vec::new();
    recipe.write(&mut capture, &mut io::sink()).unwrap();
    let folder = Folder::new();
    let path = folder.put("relay.pcap", &capture);
    let ran = scan(Path::new("/dev/full"), &["--quiet"], &[&path]);
    assert_eq!((ran.code(), ran.stderr.lines().count()), (2, 1), "{}", ran.stderr);
    assert!(ran.stderr.starts_with("mailtap: cannot write /dev/full: "), "{}", ran.stderr);
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_takes_the_report_and_not_the_packets() {
    let folder = Folder::new();
    let to = folder.path("kept.pcapng");
    let arguments = ["scan", "--quiet", "--format", "jsonl", "testdata/servers/exim-4.96/help.pcap", "--write"];
    let ran = support::run_unread(&[&arguments[..], &[to.to_str().unwrap()]].concat());
    assert_eq!((ran.code(), ran.stderr.as_str()), (0, ""));
    assert!(kept(&to).len() > 5);
}

#[test]
fn where_the_limit_acts_it_is_counted_and_told() {
    let rendered = synth::render(&both(), &Plan::new().fragment(32));
    let folder = Folder::new();
    let path = folder.capture("both.pcap", &rendered.packets);
    // No room for the connection; or for it alone, and neither for comments on two packets nor for all fragments.
    for (value, acted, packets) in [("1", 1, 0), ("150", 2, 1)] {
        let to = folder.path(&format!("{value}.pcapng"));
        let ran = scan(&to, &["--quiet", "--max-evidence-bytes", value], &[&path]);
        assert_eq!((ran.code(), ran.stderr.lines().count()), (2, 1), "{}", ran.stderr);
        assert!(ran.stderr.contains("--max-evidence-bytes"), "{}", ran.stderr);
        let records = ran.records();
        let hit = records.last().unwrap()["limits_hit"]["evidence_bytes"].as_u64().unwrap_or(0);
        assert_eq!((hit, of_findings(&ran).len()), (acted, 1), "{value}");
        assert!(kept(&to).len() >= packets && kept(&to).len() < rendered.packets.len() / 2, "{value}");
    }
}
