//! The ledger on whole sessions, one after the other.

use super::server::{Help, StartTls};
use super::*;
use crate::base::Moment;
use crate::rules::dialogue::Dialogue;

/// Everything of a dialogue as entries, beginning with the packet `at`.
fn entries(dialogue: &Dialogue, at: u64) -> Vec<Entry> {
    let mut session = dialogue.session.clone();
    session.first = Moment { ordinal: Ordinal(at), time: Time(i64::try_from(at).unwrap()) };
    session.last = session.first;
    let who = Who::of(&session);
    let (judge, verdicts) = dialogue.verdicts();
    let mut entries: Vec<Entry> = (0..)
        .zip(verdicts)
        .map(|(nth, verdict)| Entry { key: key(at, verdict.place, nth), item: Item::of(verdict, who) })
        .collect();
    let ended = SessionEnd { session, end: dialogue.end(), findings: judge.counts().clone() };
    entries.push(Entry { key: key(at, Key::END, 0), item: Item::End(Box::new(ended)) });
    entries
}

fn key(at: u64, place: u8, nth: u32) -> Key {
    Key { cause: Cause::packet(Ordinal(at)), connection: Ordinal(at), place, nth }
}

fn everything() -> Records {
    Records::of(&Kind::ALL)
}

/// What is printed of these dialogues, one after the other.
fn printed(ledger: Ledger, dialogues: &[Dialogue]) -> Vec<Output> {
    let (mut ledger, mut out) = (ledger, Vec::new());
    for (at, dialogue) in (0..).step_by(100).zip(dialogues) {
        for entry in entries(dialogue, at) {
            ledger.take(entry, &mut |output| out.push(output));
        }
    }
    ledger.finish(Totals::default(), &mut |output| out.push(output));
    out
}

fn all(dialogues: &[Dialogue]) -> Vec<Output> {
    printed(Ledger::new(everything(), Vec::new(), &Limits::default()), dialogues)
}

fn findings(outputs: &[Output]) -> Vec<String> {
    let finding = |output: &Output| match output {
        Output::Finding(f) => Some(format!("{}/{}", f.finding.rule.id, f.finding.check.id)),
        _ => None,
    };
    outputs.iter().filter_map(finding).collect()
}

fn servers(outputs: &[Output]) -> Vec<&Server> {
    outputs
        .iter()
        .filter_map(|output| if let Output::Server(server) = output { Some(&**server) } else { None })
        .collect()
}

const EXPOSED: &str = "S: 220 mx ESMTP Exim 4.96\nC: HELP\nS: 214 HELO MAIL RCPT";
const REFUSED: &str = "S: 220 mx\nC: HELP\nS: 502 no";
const ADVERTISED: &str = "S: 220 mx\nC: EHLO a\nS: 250-mx\nS: 250 HELP";

fn read(texts: &[&str]) -> Vec<Dialogue> {
    texts.iter().map(|text| Dialogue::read(text)).collect()
}

#[test]
fn a_condition_of_a_server_is_reported_once_and_counted_each_time() {
    let out = all(&read(&[EXPOSED, EXPOSED, EXPOSED]));
    assert_eq!(findings(&out), ["help-exposed/answered"]);
    let server = servers(&out)[0];
    assert_eq!((server.sessions, server.help, server.findings[&("help-exposed", "answered")]), (3, Help::Exposed, 3));
    assert_eq!(server.software.as_ref().unwrap().to_string(), "Exim 4.96");
    let sessions = out.iter().filter(|output| matches!(output, Output::Session(_)));
    assert_eq!(sessions.count(), 3);
}

#[test]
fn another_severity_or_another_port_is_another_condition() {
    let refusals = read(&["S: 220 mx\nC: STARTTLS\nS: 454 no", "S: 220 mx\nC: STARTTLS\nS: 503 no"]);
    assert_eq!(findings(&all(&refusals)).len(), 2);
    let mut ports = read(&[EXPOSED, EXPOSED]);
    ports[1].session.server.port = 587;
    let out = all(&ports);
    assert_eq!((findings(&out).len(), servers(&out).len()), (2, 2));
}

#[test]
fn help_that_is_advertised_is_withheld_behind_a_refusal_and_not_counted() {
    let out = all(&read(&[REFUSED, ADVERTISED]));
    assert_eq!(findings(&out), Vec::<String>::new());
    assert_eq!((servers(&out)[0].help, servers(&out)[0].findings.len()), (Help::Advertised, 0));
    let out = all(&read(&[ADVERTISED, REFUSED]));
    assert_eq!(findings(&out), ["help-exposed/advertised"], "what stands earlier is not taken back");
    let out = all(&read(&[EXPOSED, REFUSED, ADVERTISED]));
    assert_eq!(findings(&out), ["help-exposed/answered", "help-exposed/advertised"], "one answer outweighs it");
    let mut other = read(&[REFUSED, ADVERTISED]);
    other[0].session.server.port = 587;
    assert_eq!(findings(&all(&other)), ["help-exposed/advertised"], "another server's refusal says nothing");
}

#[test]
fn what_was_said_of_one_file_silences_nothing_in_a_file_that_is_treated_alone() {
    let mut ledger = Ledger::new(everything(), Vec::new(), &Limits::default());
    // The cut is told early, as the engine does for a whole round; the second session still belongs to the first file.
    ledger.cut(Ordinal(150));
    let out = printed(ledger, &read(&[EXPOSED, EXPOSED, EXPOSED]));
    assert_eq!(findings(&out), ["help-exposed/answered", "help-exposed/answered"]);
    assert_eq!(servers(&out)[0].sessions, 3);
    let mut ledger = Ledger::new(everything(), Vec::new(), &Limits::default());
    ledger.cut(Ordinal(100));
    assert_eq!(findings(&printed(ledger, &read(&[REFUSED, ADVERTISED]))), ["help-exposed/advertised"]);
}

#[test]
fn only_the_servers_asked_for_are_reported_but_all_are_counted() {
    let mut dialogues = read(&[EXPOSED, EXPOSED]);
    dialogues[1].session.server.ip = [203, 0, 113, 9].into();
    let nets = vec!["203.0.113.0/24".parse().unwrap()];
    let out = printed(Ledger::new(everything(), nets, &Limits::default()), &dialogues);
    assert_eq!((findings(&out).len(), servers(&out).len()), (1, 1));
    let Some(Output::Summary(summary)) = out.last() else { panic!("the summary is last") };
    assert_eq!((summary.sessions, summary.findings["help-exposed"][&Severity::Low]), (2, 1));
}

#[test]
fn a_full_table_of_servers_loses_no_finding_and_says_so() {
    let mut limits = Limits::default();
    limits.set(Limit::Servers, 1);
    let mut dialogues = read(&[EXPOSED, EXPOSED, EXPOSED]);
    for dialogue in &mut dialogues[1..] {
        dialogue.session.server.ip = [203, 0, 113, 9].into();
    }
    let out = printed(Ledger::new(everything(), Vec::new(), &limits), &dialogues);
    assert_eq!((findings(&out).len(), servers(&out).len()), (3, 1));
    let Some(Output::Summary(summary)) = out.last() else { panic!("the summary is last") };
    assert_eq!(summary.totals.limits_hit.get("servers"), 2);
}

#[test]
fn records_that_are_not_wanted_are_not_printed_but_the_worst_finding_is_known() {
    let mut ledger = Ledger::new(Records::of(&[]), Vec::new(), &Limits::default());
    let mut printed = 0;
    for entry in entries(&Dialogue::read("S: 220 mx\nC: XXXX\nS: 500 no"), 0) {
        ledger.take(entry, &mut |_| printed += 1);
    }
    assert_eq!((printed, ledger.worst()), (0, Some(Severity::Medium)));
}

#[test]
fn partial_records_merge_to_the_same_in_any_order() {
    let greeting = |nth: u64| Dialogue::read(&format!("S: 220 mx number {nth} ESMTP Exim 4.{nth}"));
    let partial = |nth: u64| {
        let mut dialogue = greeting(nth);
        dialogue.session.greeting =
            Some(crate::smtp::session::Spoken { code: Some(220), text: nth.to_string().into() });
        let mut partial = Partial::default();
        for entry in entries(&dialogue, nth) {
            match entry.item {
                Item::Note(who, note) => partial.note(entry.key, note, who.first.time),
                Item::End(ended) => partial.session(entry.key, &ended),
                _ => {}
            }
        }
        partial
    };
    let mut there = Partial::default();
    (0..12).for_each(|nth| there.merge(partial(nth)));
    let mut back = Partial::default();
    (0..12).rev().for_each(|nth| back.merge(partial(nth)));
    assert_eq!(there, back);
    let server = there.finish(greeting(0).session.server);
    assert_eq!(server.greetings, (0..8).map(|nth: u64| nth.to_string().into_bytes()).collect::<Vec<_>>());
    assert_eq!(server.software.unwrap().to_string(), "Exim 4.0");
}

#[test]
fn capabilities_are_those_of_the_last_session_without_early_talk() {
    let mut dialogues = read(&["S: 220 mx", "S: 220 mx", "S: 220 mx"]);
    for (dialogue, (capability, early)) in
        dialogues.iter_mut().zip([("SIZE", false), ("STARTTLS", false), ("HELP", true)])
    {
        let argument = b"a".to_vec();
        dialogue.session.helo = Some(crate::smtp::session::Helo { verb: crate::smtp::Verb::Ehlo, argument });
        dialogue.session.capabilities = vec![capability.into()];
        dialogue.session.early_talk = early;
    }
    let out = all(&dialogues);
    assert_eq!(servers(&out)[0].capabilities, [b"STARTTLS".to_vec()]);
    assert_eq!(servers(&out)[0].starttls, StartTls::Offered);
}

#[test]
fn the_total_order_is_packet_tick_connection_place_number() {
    let tick = Key { cause: Cause::tick(Ordinal(5), 1), connection: Ordinal(9), place: Key::END, nth: 9 };
    assert!(key(4, 9, 9) < tick && tick < key(5, 0, 0), "a tick stands before its packet");
    assert!(key(5, Key::EVENT, 9) < key(5, 1, 0) && key(5, 1, 9) < key(5, Key::END, 0));
}
