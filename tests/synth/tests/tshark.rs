//! tshark reads what synth writes: nothing malformed, every checksum right, the dialogue's commands in it, and
//! each plan's perturbation visible as what it claims to be. Without tshark each test says so and passes.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a panic is a failed test, and a skipped test says so")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use synth::pcapng::{Interface, Writer};
use synth::traffic::{Kind, Recipe};
use synth::{Acks, Cut, Dialogue, LinkType, Plan, Rendered, Side, pcap, pcapng, render};

const MAIL: &str = "\
S: 220 mx.example.com ESMTP
C: EHLO client.example.com
S: 250-mx.example.com
S: 250 PIPELINING
C: MAIL FROM:<a@example.com>
S: 250 Ok
C: RCPT TO:<b@example.com>
S: 250 Ok
C: DATA
S: 354 go on
C: Subject: x
C:
C: {line *400}
C: .
S: 250 Ok
C: QUIT
S: 221 bye
";

fn mail() -> Dialogue {
    Dialogue::parse(MAIL).unwrap()
}

/// A file of its own for each test, in the build's directory for such things.
fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// The given fields of the packets that the filter shows, a line each; `None` without tshark.
fn fields(path: &Path, filter: &str, names: &[&str]) -> Option<Vec<String>> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(path).args(["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]);
    command.args(["-Y", filter, "-T", "fields"]);
    for name in names {
        command.args(["-e", name]);
    }
    let Ok(output) = command.output() else {
        eprintln!("skipped: tshark is not installed");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
}

const WRONG: &str = "_ws.malformed || tcp.checksum.status == 0 || ip.checksum.status == 0";

/// How many packets of the rendered dialogue the filter shows; none of them may be malformed.
fn count(name: &str, rendered: &Rendered, filter: &str) -> Option<usize> {
    let path = file(&format!("{name}.pcap"), &rendered.pcap());
    let wrong = fields(&path, WRONG, &["frame.number"])?;
    assert!(wrong.is_empty(), "{name}: malformed or a bad checksum in frames {wrong:?}");
    Some(fields(&path, filter, &["frame.number"])?.len())
}

#[test]
fn a_clean_plan_shows_the_commands_and_no_fault() {
    let rendered = render(&mail(), &Plan::new());
    let Some(analysed) = count("clean", &rendered, "tcp.analysis.flags") else { return };
    assert_eq!(analysed, 0);
    let path = file("clean.pcap", &rendered.pcap());
    let commands = fields(&path, "smtp.req.command", &["smtp.req.command"]).unwrap();
    assert_eq!(commands, ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"]);
    let codes = fields(&path, "smtp.response.code", &["smtp.response.code"]).unwrap();
    assert_eq!(codes, ["220", "250", "250", "250", "354", "250", "221"]);
    let times = fields(&path, "frame.number == 1", &["frame.time_epoch"]).unwrap();
    assert_eq!(times, ["1767323045.000000000"]);
}

#[test]
fn other_clean_plans_show_no_fault_either() {
    for (name, plan) in [
        ("lines", Plan::new().cut(Cut::Lines)),
        ("random", Plan::new().cut(Cut::Random).seed(9)),
        ("one-octet", Plan::new().mss(1)),
        ("every-ack", Plan::new().mss(100).acks(Acks::Every)),
        ("piggyback", Plan::new().acks(Acks::Piggyback)),
        ("near-wrap", Plan::new().near_wrap(true)),
        ("data-on-fin", Plan::new().data_on_fin(true)),
        ("ipv6", Plan::new().ipv6(true)),
        ("vlan", Plan::new().vlans(&[7])),
        ("qinq", Plan::new().vlans(&[100, 7])),
        ("cooked", Plan::new().link(LinkType::Cooked)),
        ("cooked2", Plan::new().link(LinkType::Cooked2)),
        ("raw", Plan::new().link(LinkType::Raw)),
        ("null", Plan::new().link(LinkType::Null)),
        ("null-ipv6", Plan::new().link(LinkType::Null).ipv6(true)),
        ("loop", Plan::new().link(LinkType::Loop)),
        ("fragments", Plan::new().fragment(600)),
        ("fragments-ipv6", Plan::new().fragment(600).ipv6(true)),
        ("fragments-reversed", Plan::new().fragment(600).fragments_reversed(true)),
    ] {
        let rendered = render(&mail(), &plan);
        let Some(analysed) = count(name, &rendered, "tcp.analysis.flags") else { return };
        assert_eq!(analysed, 0, "{name}");
        let path = file(&format!("{name}.pcap"), &rendered.pcap());
        let commands = fields(&path, "smtp.req.command", &["smtp.req.command"]).unwrap();
        assert_eq!(commands, ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"], "{name}");
    }
}

#[test]
fn both_sides_bytes_are_those_of_the_truth() {
    for (name, plan) in [
        ("follow", Plan::new().mss(700)),
        ("follow-lossy", Plan::new().mss(50).retransmit(200).duplicate(100).reorder(200).seed(4)),
    ] {
        let rendered = render(&mail(), &plan);
        let path = file(&format!("{name}.pcap"), &rendered.pcap());
        let output = Command::new("tshark").arg("-r").arg(&path).args(["-q", "-z", "follow,tcp,raw,0"]).output();
        let Ok(output) = output else {
            eprintln!("skipped: tshark is not installed");
            return;
        };
        let text = String::from_utf8(output.stdout).unwrap();
        // Its lines are hexadecimal; the server's begin with a tab.
        let hex =
            text.lines().filter(|line| !line.is_empty() && line.trim_start().bytes().all(|b| b.is_ascii_hexdigit()));
        let (server, client): (Vec<&str>, Vec<&str>) = hex.partition(|line| line.starts_with('\t'));
        let octets = |lines: Vec<&str>| -> Vec<u8> {
            let digits: String = lines.into_iter().map(str::trim).collect();
            (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
        };
        let truth = &rendered.truth.connections[0];
        assert_eq!(octets(client), truth.stream(Side::Client), "{name}");
        assert_eq!(octets(server), truth.stream(Side::Server), "{name}");
    }
}

#[test]
fn each_perturbation_is_what_it_claims() {
    let shown = |name: &str, plan: Plan, filter: &str| count(name, &render(&mail(), &plan), filter);
    for (name, plan, filter) in [
        ("retransmit", Plan::new().retransmit(1000), "tcp.analysis.retransmission"),
        ("duplicate", Plan::new().duplicate(1000), "tcp.analysis.retransmission || tcp.analysis.duplicate_ack"),
        (
            "reorder",
            Plan::new().mss(200).reorder(500).seed(3),
            "tcp.analysis.out_of_order || tcp.analysis.lost_segment",
        ),
        ("drop", Plan::new().mss(100).drop(200), "tcp.analysis.lost_segment || tcp.analysis.ack_lost_segment"),
        ("delay", Plan::new().delay([0, 8]), "tcp.analysis.ack_lost_segment"),
        ("keep-alive", Plan::new().keep_alives(true), "tcp.analysis.keep_alive"),
        ("tagged", Plan::new().vlans(&[100, 7]), "vlan.id == 7 && ieee8021ad.id == 100"),
        ("pieces", Plan::new().fragment(64), "ip.fragments"),
        ("pieces-ipv6", Plan::new().fragment(64).ipv6(true), "ipv6.fragments"),
        ("cut", Plan::new().snap_length(80), "frame.cap_len < frame.len"),
        ("fin-data", Plan::new().data_on_fin(true), "tcp.flags.fin == 1 && tcp.len > 0"),
        ("wrapped", Plan::new().near_wrap(true), "tcp.seq_raw > 4294967000"),
        ("over-ipv6", Plan::new().ipv6(true), "ipv6.src == 2001:db8::c000:20a"),
    ] {
        match shown(name, plan, filter) {
            None => return,
            Some(found) => assert!(found > 0, "{name}: `{filter}` shows nothing"),
        }
    }
}

#[test]
fn data_on_a_syn_is_acknowledged_by_the_syn_ack() {
    let early = Dialogue::parse("C: EHLO x\nS: 220 mx\nS: 250 mx\n").unwrap();
    let Some(found) =
        count("syn-data", &render(&early, &Plan::new().data_on_syn(true)), "tcp.flags.syn == 1 && tcp.len == 8")
    else {
        return;
    };
    assert_eq!(found, 1);
    let path = file("syn-data.pcap", &render(&early, &Plan::new().data_on_syn(true)).pcap());
    let acks = fields(&path, "tcp.flags.syn == 1 && tcp.flags.ack == 1", &["tcp.ack"]).unwrap();
    assert_eq!(acks, ["9"]);
}

#[test]
fn acknowledgements_say_who_knew_what() {
    let crossed = Dialogue::parse("S: 220 mx\nC&: HELP\nS: 214 no\nC: QUIT\nS: 221 bye\n").unwrap();
    let path = file("crossed.pcap", &render(&crossed, &Plan::new()).pcap());
    let Some(seen) = fields(&path, "tcp.dstport == 25 && tcp.len > 0", &["tcp.ack"]) else { return };
    // HELP does not know the greeting; QUIT knows both replies.
    assert_eq!(seen, ["1", "17"]);
    let silent = render(&crossed, &Plan::new().unacknowledged(true));
    let path = file("silent.pcap", &silent.pcap());
    let seen = fields(&path, "tcp.len > 0", &["tcp.ack"]).unwrap();
    assert!(seen.iter().all(|ack| ack == "1"), "{seen:?}");
}

#[test]
fn what_the_dialogue_keeps_from_the_capture_is_not_in_it() {
    let lossy = "S: 220 mx\nC-: HELP\nS: 214 no\nC: QUIT\nS: 221 bye\n";
    let rendered = render(&Dialogue::parse(lossy).unwrap(), &Plan::new());
    assert_eq!(rendered.truth.connections[0].missing(Side::Client), 6);
    let Some(found) = count("gap", &rendered, "tcp.analysis.ack_lost_segment") else { return };
    assert!(found > 0);
    let midway = render(&Dialogue::parse(&format!("[40001 midway no-server]\n{lossy}")).unwrap(), &Plan::new());
    assert_eq!(count("midway", &midway, "tcp.flags.syn == 1 || tcp.srcport == 25"), Some(0));
}

#[test]
fn every_container_is_read_alike() {
    let rendered = render(&mail(), &Plan::new());
    let plain = rendered.pcap();
    let write = |nanoseconds, big_endian| {
        let format = pcap::Format { nanoseconds, big_endian, ..pcap::Format::default() };
        pcap::bytes(&rendered.packets, rendered.link, format)
    };
    let names = ["frame.time_epoch", "frame.len", "tcp.seq_raw"];
    let Some(expected) = fields(&file("plain.pcap", &plain), "frame", &names) else { return };
    for (name, bytes) in [
        ("be.pcap", write(false, true)),
        ("ns.pcap", write(true, false)),
        ("ns-be.pcap", write(true, true)),
        ("le.pcapng", pcapng::bytes(&rendered.packets, rendered.link, false)),
        ("be.pcapng", pcapng::bytes(&rendered.packets, rendered.link, true)),
    ] {
        assert_eq!(fields(&file(name, &bytes), "frame", &names).unwrap(), expected, "{name}");
    }
    let parts: Vec<_> = pcap::split(&rendered.packets, 3).into_iter().map(<[_]>::to_vec).collect();
    assert_eq!(parts.len(), 3);
    assert_eq!(parts.concat(), rendered.packets);
}

#[test]
fn sections_and_interfaces_may_differ() {
    let (ethernet, cooked) = (render(&mail(), &Plan::new()), render(&mail(), &Plan::new().link(LinkType::Cooked)));
    let mut writer = Writer::default();
    writer.section(false, Some("first"));
    let first = writer.interface(Interface::named(LinkType::Ethernet, "eth0"));
    let second = writer.interface(Interface { resolution: Some(0x80 | 0x14), ..Interface::plain(LinkType::Cooked) });
    writer.packet(first, &ethernet.packets[0], Some("the SYN"));
    writer.packet(second, &cooked.packets[1], None);
    writer.block(0x0bad, b"skip me");
    writer.statistics(first, 2, 3);
    writer.section(true, None);
    let third = writer.interface(Interface { offset: Some(1000), ..Interface::plain(LinkType::Ethernet) });
    writer.packet(third, &ethernet.packets[2], None);
    let path = file("sections.pcapng", &writer.into_bytes());
    let Some(read) = fields(&path, "tcp", &["frame.interface_id", "frame.time_epoch", "tcp.flags"]) else { return };
    let columns: Vec<Vec<&str>> = read.iter().map(|line| line.split('\t').collect()).collect();
    assert_eq!(columns.iter().map(|row| row[2]).collect::<Vec<_>>(), ["0x0002", "0x0012", "0x0010"]);
    for (row, at) in columns.iter().zip(["1767323045.000", "1767323045.001", "1767323045.002"]) {
        assert!(row[1].starts_with(at), "{row:?}");
    }
}

#[test]
fn generated_traffic_is_well_formed() {
    for kind in [Kind::Span, Kind::Relay, Kind::Tiny, Kind::Flood] {
        // Nothing lost or late, which tshark would tell.
        let recipe = Recipe { flows: 20, loss: 0, reorder: 0, ..Recipe::new(kind, 1_000_000) };
        let mut bytes = Vec::new();
        let totals = recipe.write(&mut bytes, &mut std::io::sink()).unwrap();
        let path = file(&format!("{kind:?}.pcap"), &bytes);
        let filter = format!("{WRONG} || udp.checksum.status == 0");
        let Some(wrong) = fields(&path, &filter, &["frame.number"]) else { return };
        assert!(wrong.is_empty(), "{kind:?}: frames {wrong:?}");
        let mail = fields(&path, "tcp.dstport == 25 && tcp.flags.syn == 1", &["tcp.srcport"]).unwrap();
        assert_eq!(mail.len() as u64, totals.connections, "{kind:?}");
    }
}
