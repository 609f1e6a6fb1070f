//! What an attacker may send: floods and garbage cost no memory, nothing is lost unseen, and mail before and behind is
//! judged as ever.

use std::path::Path;
use std::time::{Duration, Instant};

use pcap::{Capture, Linktype, Packet, PacketHeader};
use synth::Rng;
use synth::traffic::{Kind, Recipe};

use super::{Net, Watching, found, writable};

const BEFORE: &str = "testdata/rules/private-command/used.fires.pcap";
const BEHIND: &str = "testdata/servers/exim-4.96/help.pcap";
/// Mail whose frames are changed; another connection than those two, which it would be part of.
const CHANGED: &str = "testdata/servers/postfix-3.7.11/help.pcap";
/// What allocators and threads may take more of while the tables stay as large as they are.
const FLAT: u64 = 4 << 20;

/// What is promised, and what starting and stopping processes on a busy machine may take besides.
const AT_ONCE: Duration = Duration::from_millis(2500);

/// Everything passes the kernel; a ring that is too small for what is sent at once.
const ALL: &[&str] = &["--format", "jsonl", "--stats-interval", "1", "--buffer", "2MiB", "--bpf", ""];

fn mail_is_judged(net: &Net, watching: &mut Watching, capture: &str, rule: &str) {
    net.replay(&["--topspeed"], capture);
    let told = watching.next(Instant::now() + super::LONGEST, |record| record["rule"] == rule);
    assert!(told.is_some(), "{rule} of {capture} was not told");
}

#[test]
fn a_flood_of_syns_takes_no_memory_and_mail_around_it_is_judged() {
    let Some(net) = Net::new() else { return };
    let folder = writable();
    let mut watching = net.watch(ALL);
    mail_is_judged(&net, &mut watching, BEFORE, "private-command");
    let mut memory = Vec::new();
    for seed in 1..=3 {
        let flood = folder.path().join("flood.pcap");
        let recipe = Recipe { seed, syns: 100_000, ..Recipe::new(Kind::Flood, 0) };
        recipe.write(&mut std::fs::File::create(&flood).unwrap(), &mut Vec::new()).unwrap();
        // What the kernel drops must not be all that is too much for the table.
        net.replay(if seed < 3 { &["--pps=100000"] } else { &["--topspeed"] }, &flood);
        let stats = watching.all_of(net.sent());
        assert!(seed == 1 || stats["limits_hit"]["half_open"].as_u64() > Some(0), "{stats}");
        memory.push(stats["memory_bytes"].as_u64().unwrap());
    }
    mail_is_judged(&net, &mut watching, BEHIND, "help-exposed");
    let last = watching.all_of(net.sent());
    println!("memory {memory:?}, {} of {} dropped", last["kernel_dropped"], net.sent());
    let (full, most) = (memory[1], memory[2].max(last["memory_bytes"].as_u64().unwrap()));
    assert!(most <= full + FLAT, "{memory:?} {last}");
    let ended = watching.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn a_signal_ends_it_amid_a_flood() {
    let Some(net) = Net::new() else { return };
    let folder = writable();
    let flood = folder.path().join("flood.pcap");
    let recipe = Recipe { syns: 50_000, ..Recipe::new(Kind::Flood, 0) };
    recipe.write(&mut std::fs::File::create(&flood).unwrap(), &mut Vec::new()).unwrap();
    let watching = net.watch(&["--format", "jsonl"]);
    let _flood = net.replaying(&["--topspeed", "--unique-ip", "--loop=1000000"], &flood);
    std::thread::sleep(Duration::from_secs(1));
    let ended = watching.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.took < AT_ONCE, "{:?}", ended.took);
    let records = ended.records();
    let last = records.last().unwrap();
    assert_eq!(last["type"], "summary");
    assert!(last["packets"].as_u64() > Some(1000), "{last}");
}

/// Frames of random octets, of each length that a frame can have up to `lengths` and then the longest ones, and frames
/// of mail with a few octets changed. Returns how many.
fn garbage(to: &Path, seed: u64, lengths: usize) -> u64 {
    let mut rng = Rng::new(seed);
    let mut out = Capture::dead(Linktype::ETHERNET).unwrap().savefile(to).unwrap();
    let mut write = |frame: &[u8]| {
        let length = u32::try_from(frame.len()).unwrap();
        let header = PacketHeader { ts: libc::timeval { tv_sec: 0, tv_usec: 0 }, caplen: length, len: length };
        out.write(&Packet { header: &header, data: frame });
    };
    let mut count = 0;
    let mut octets =
        |length: usize| -> Vec<u8> { (0..length).map(|_| u8::try_from(rng.below(256)).unwrap()).collect() };
    for length in (SHORTEST..=lengths).chain([9_014, 65_000, 65_548, 65_549]) {
        let mut frame = octets(length);
        write(&frame);
        count += 1;
        // Random types alone would be no protocol nearly ever.
        for (kind, version, shortest) in KINDS {
            if length < *shortest {
                continue;
            }
            let first = &mut frame[12..];
            first[..2].copy_from_slice(kind);
            first[2] = *version;
            if let Some(protocol) = first.get_mut(11) {
                *protocol = 6;
            }
            write(&frame);
            count += 1;
        }
    }
    let mut mail = Capture::from_file(CHANGED).unwrap();
    while let Ok(packet) = mail.next_packet() {
        for _ in 0..50 {
            let mut frame = packet.data.to_vec();
            for at in octets(4) {
                let at = 12 + usize::from(at) % (frame.len() - 12);
                frame[at] = octets(1)[0];
            }
            write(&frame);
            count += 1;
        }
    }
    count
}

/// A shorter frame the kernel refuses to send.
const SHORTEST: usize = 14;
/// Types of frames, what stands behind them, and the shortest frame of each that reaches a listener: the kernel lets a
/// tag with nothing behind it go before anybody sees or counts it.
const KINDS: &[([u8; 2], u8, usize)] =
    &[([8, 0], 0x45, 15), ([0x86, 0xdd], 0x60, 15), ([0x81, 0], 0x00, 20), ([0x88, 0xa8], 0x00, 20)];

#[test]
fn garbage_is_counted_and_costs_no_memory() {
    let Some(net) = Net::new() else { return };
    let folder = writable();
    // Some of it looks like fragments without siblings, some like connections: what is kept of those goes meanwhile.
    let waits = ["--fragment-timeout", "1", "--half-open-timeout", "1", "--closed-timeout", "1", "--idle-timeout", "1"];
    let mut watching = net.watch(&[ALL, &waits].concat());
    mail_is_judged(&net, &mut watching, BEFORE, "private-command");
    let (mut memory, mut octets) = (Vec::new(), 0);
    for seed in 1..=8 {
        let capture = folder.path().join("garbage.pcap");
        let count = garbage(&capture, seed, 1_600);
        let before = net.sent();
        net.replay(&["--pps=20000"], &capture);
        assert_eq!(net.sent() - before, count);
        memory.push(watching.all_of(net.sent())["memory_bytes"].as_u64().unwrap());
        octets += std::fs::metadata(&capture).unwrap().len();
    }
    mail_is_judged(&net, &mut watching, BEHIND, "help-exposed");
    let last = watching.all_of(net.sent());
    println!("memory {memory:?}, {} of {} dropped", last["kernel_dropped"], net.sent());
    // What threads and allocators take grows for some rounds, and is then level; frames that were kept would be far more.
    let most = memory.iter().max().unwrap();
    assert!(most - memory[0] <= 3 * FLAT && 12 * FLAT <= octets, "{memory:?} of {octets}");
    let ended = watching.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let records = ended.records();
    assert_eq!(records.last().unwrap()["internal_errors"], 0);
    assert!(found(&records).len() >= 2);
}
