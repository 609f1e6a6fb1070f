//! A link on which nothing comes any more: what a timeout completes is told in time.

use std::time::{Duration, Instant};

use super::{Net, writable};

/// Ticks come with full seconds, and a little late.
const LATE: Duration = Duration::from_millis(1900);

#[test]
fn what_a_timeout_completes_is_told_though_nothing_comes() {
    let Some(net) = Net::new() else { return };
    let folder = writable();
    let refused = folder.path().join("refused.pcap");
    // A refusal is judged when the client speaks or the session ends: the client is silent, and nobody closes.
    let dialogue = synth::Dialogue::parse("S: 554 no mail here\n=> bad-greeting/refused low\n").unwrap();
    let rendered = synth::render(&dialogue, &synth::Plan::new());
    let end = rendered.packets.len() - 4;
    let pcap = synth::pcap::bytes(&rendered.packets[..end], rendered.link, synth::pcap::Format::default());
    std::fs::write(&refused, pcap).unwrap();
    let mut watching = net.watch(&["--format", "jsonl", "--idle-timeout", "2", "--stats-interval", "1"]);
    net.replay(&["--topspeed"], &refused);
    let sent = Instant::now();
    let due = sent + Duration::from_secs(2);
    let told = watching.next(due + LATE, |record| record["type"] == "finding");
    let Some((came, finding)) = told else { panic!("nothing is told of an idle link\n{}", watching.seen) };
    println!("told {:?} after the last packet", came - sent);
    assert_eq!(finding["check"], "refused");
    assert!(came + Duration::from_millis(200) >= due, "told {:?} after the last packet", came - sent);
    let ended = watching.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}
