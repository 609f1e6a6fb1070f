//! Other ports, alive: what the kernel's filter held back is counted, and SMTP on them is noticed where that was asked for.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};
use synth::{Dialogue, Plan, render};

use super::{Ended, Net, writable};

/// One session on port 2525.
const HELP: &str = "[40001 server=192.0.2.9:2525]\nS: 220 mx.example.com ESMTP\nC: EHLO a.example.org\nS: 250 mx\nC: HELP\n\
                    S: 214 MAIL RCPT\nC: QUIT\nS: 221 bye\n";

/// Watches with these options while the session runs; how many packets it has.
fn watched(net: &Net, options: &[&str]) -> (Ended, u64) {
    let folder = writable();
    let capture: PathBuf = folder.path().join("2525.pcap");
    let rendered = render(&Dialogue::parse(HELP).unwrap(), &Plan::new());
    std::fs::write(&capture, rendered.pcap()).unwrap();
    let watching = net.watch(options);
    net.replay(&[], &capture);
    sleep(Duration::from_millis(300));
    (watching.end(), rendered.packets.len() as u64)
}

fn summary(ended: &Ended) -> Value {
    ended.records().pop().unwrap()
}

#[test]
fn what_the_filter_held_back_is_counted_and_other_ports_are_said_not_to_be_looked_at() {
    let Some(net) = Net::new() else { return };
    let (ended, sent) = watched(&net, &["--format", "jsonl", "--strict-sandbox"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let told = summary(&ended);
    assert_eq!((&told["packets"], &told["filtered_out"]), (&json!(0), &json!(sent)), "{told}");
    assert_eq!(told["smtp_on_other_ports"], json!([]));
    let (ended, sent) = watched(&net, &[]);
    let row = ended
        .stdout
        .lines()
        .find(|line| line.contains("excluded by the kernel's filter. --notice-ports "))
        .unwrap_or_default();
    assert!(row.contains(&format!(" {sent} packets ")), "{}", ended.stdout);
}

#[test]
fn smtp_on_other_ports_is_noticed_where_that_was_asked_for() {
    let Some(net) = Net::new() else { return };
    let (ended, sent) =
        watched(&net, &["--format", "jsonl", "--notice-ports", "--stats-interval", "1", "--strict-sandbox"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let told = summary(&ended);
    assert_eq!(told["smtp_on_other_ports"], json!([{ "ip": "192.0.2.9", "port": 2525, "packets": 2 }]));
    assert_eq!((&told["packets"], &told["filtered_out"]), (&json!(2), &json!(sent - 2)), "{told}");
    let hint = "mailtap: SMTP was seen on 192.0.2.9:2525 (2 packets); add --port 25,2525 to analyse it";
    assert_eq!(ended.complaints(), [hint]);
    let (ended, sent) = watched(&net, &["--notice-ports"]);
    assert!(
        ended.stdout.contains(&format!(
            " {} packets   excluded by the kernel's filter
",
            sent - 2
        )),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_capture_that_followed_no_session_fails_where_it_is_to_judge() {
    let Some(net) = Net::new() else { return };
    for (options, code, told) in [
        (
            &["--fail-on", "low"][..],
            2,
            vec!["mailtap: nothing was judged: no packet was read. --allow-nothing accepts that."],
        ),
        (&["--fail-on", "low", "--allow-nothing"], 0, vec![]),
    ] {
        let (ended, _) = watched(&net, options);
        assert_eq!((ended.code, ended.complaints()), (Some(code), told));
    }
}
