//! What the engine promises of a session that meets a bug.

use std::io::{self, Write};
use std::sync::Mutex;

use super::*;
use crate::ledger::{Kind, Records, Summary};

/// Keeps everything.
#[derive(Default)]
struct Kept(Vec<Output>);

impl Sink for Kept {
    fn take(&mut self, outputs: Vec<Output>) -> io::Result<()> {
        self.0.extend(outputs);
        Ok(())
    }
}

#[derive(Default)]
struct Bugs(Mutex<Vec<Bug>>);

impl Observer for Bugs {
    fn problem(&self, problem: &Problem) {
        panic!("{problem}");
    }

    fn notice(&self, _: &Notice) {}

    fn progress(&self, _: &Progress) {}

    fn internal_error(&self, bug: &Bug) {
        self.0.lock().unwrap().push(bug.clone());
    }
}

/// The scan of two sessions that alternate, of which the second says this before it quits; and in which frame.
fn scan(says: &str) -> (Outcome, Vec<Bug>, Vec<(u16, bool)>, Summary, u64) {
    let dialogue = format!(
        "[40001]\nS: 220 mx\n[40002]\nS: 220 mx\n[40001]\nC: NOOP\nS: 250 ok\n[40002]\nC: {says}\nS: 250 ok\n\
         [40001]\nC: QUIT\nS: 221 bye\n[40002]\nC: QUIT\nS: 221 bye\n"
    );
    let rendered = synth::render(&synth::Dialogue::parse(&dialogue).unwrap(), &synth::Plan::new());
    let mut capture = tempfile::NamedTempFile::new().unwrap();
    capture.write_all(&rendered.pcap()).unwrap();

    let config = Config { records: Records::of(&[Kind::Sessions, Kind::Summary]), ..Config::default() };
    let (mut kept, bugs) = (Kept::default(), Bugs::default());
    let outcome = run(&config, &[capture.path().to_path_buf()], &mut kept, &bugs).unwrap();
    let (mut clients, mut summary) = (Vec::new(), Summary::default());
    for output in kept.0 {
        match output {
            Output::Session(ended) => clients.push((ended.session.client.port, ended.session.from_start)),
            Output::Summary(last) => summary = *last,
            _ => {}
        }
    }
    let bugs = bugs.0.into_inner().unwrap();
    assert!(bugs.iter().all(|bug| bug.capture == capture.path()));
    let says = format!("{says}\r\n");
    let frame = (1..).zip(&rendered.packets).filter(|(_, packet)| packet.bytes.ends_with(says.as_bytes())).last();
    (outcome, bugs, clients, summary, frame.map_or(0, |(frame, _)| frame))
}

#[test]
fn a_bug_in_one_session_is_told_with_its_packet_and_the_others_go_on() {
    let (outcome, bugs, clients, summary, _) = scan("NOOP");
    assert_eq!((outcome.internal_errors, bugs.len(), summary.totals.internal_errors), (0, 0, 0));
    assert_eq!(clients, [(40001, true), (40002, true)]);

    let (outcome, bugs, clients, summary, frame) = scan("X-A-BUG");
    assert_eq!((outcome.problems, outcome.internal_errors, summary.totals.internal_errors), (0, 1, 1));
    assert_eq!(clients, [(40001, true), (40002, false)], "what comes behind the bug is picked up midway");
    assert_eq!(bugs.iter().map(|bug| bug.frame).collect::<Vec<_>>(), [frame]);
}
