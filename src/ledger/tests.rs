//! The ledger on whole sessions, one after the other.

use super::server::{Help, StartTls};
use super::*;
use crate::base::Moment;
use crate::rules::dialogue::Dialogue;

/// Everything of a dialogue as entries, beginning with the packet `at`.
fn entries(dialogue: &Dialogue, at: u64) -> Vec<Entry> {
    let mut session = dialogue.session.clone();
    session.first = Moment { ordinal: ordinal(at), time: Time(i64::try_from(at).unwrap()) };
    session.last = session.first;
    let who = Who::of(&session);
    let (judge, verdicts) = dialogue.verdicts();
    let mut entries: Vec<Entry> = (0..)
        .zip(verdicts)
        .map(|(nth, verdict)| Entry { key: key(at, Key::of(verdict.rule), nth), item: Item::of(verdict, who) })
        .collect();
    let ended = SessionEnd { session, end: dialogue.end(), findings: judge.counts().clone() };
    entries.push(Entry { key: key(at, Key::END, 0), item: Item::End(Box::new(ended)) });
    entries
}

/// Two hundred packets make a capture; its frames are counted from 0.
fn ordinal(at: u64) -> Ordinal {
    Ordinal::new(Time::default(), u32::try_from(at / 200).unwrap(), at % 200)
}

fn key(at: u64, place: u16, nth: u32) -> Key {
    Key { cause: Cause::packet(ordinal(at)), connection: ordinal(at), reading: 0, place, nth }
}

fn answered() -> CheckNumber {
    Catalogue::built_in().find("help-exposed", "answered").unwrap()
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
    printed(Ledger::new(everything(), Vec::new(), &Limits::default(), &Catalogue::built_in()), dialogues)
}

fn findings(outputs: &[Output]) -> Vec<String> {
    let finding = |output: &Output| match output {
        Output::Finding(f) => Some(Catalogue::built_in().name(f.finding.check).to_owned()),
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
    assert_eq!((server.sessions, server.help, server.findings[&answered()]), (3, Help::Exposed, 3));
    assert_eq!(server.software.as_ref().unwrap().to_string(), "Exim 4.96");
    let sessions = out.iter().filter(|output| matches!(output, Output::Session(_)));
    assert_eq!(sessions.count(), 3);
}

#[test]
fn greetings_of_different_software_are_of_several_servers() {
    let several = |texts: &[&str]| -> Vec<String> {
        servers(&all(&read(texts)))[0].several.iter().map(ToString::to_string).collect()
    };
    let (exim, postfix) = ("S: 220 mx ESMTP Exim 4.96", "S: 220 mx ESMTP Postfix");
    assert_eq!(several(&[exim, postfix, "S: 220 mx ESMTP Exim", exim]), ["Exim 4.96", "Postfix"]);
    assert_eq!(several(&[exim, "S: 220 mx ESMTP Exim 4.98", "S: 220 mx"]), [""; 0], "one that was renewed");
    // What a relay of another kind behind it says of itself is no greeting.
    let behind = "S: 220 mx ESMTP Postfix\nC: HELP\nS: 214-This is Sendmail version 8.17\nS: 214 HELO MAIL";
    assert_eq!(several(&[postfix, behind]), [""; 0]);
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
    let separate = || Ledger::new(everything(), Vec::new(), &Limits::default(), &Catalogue::built_in()).separate();
    // The first two are of one file.
    let out = printed(separate(), &read(&[EXPOSED, EXPOSED, EXPOSED]));
    assert_eq!(findings(&out), ["help-exposed/answered", "help-exposed/answered"]);
    let told = servers(&out).into_iter().map(|server| (server.capture, server.sessions)).collect::<Vec<_>>();
    assert_eq!(told, [(Some(0), 2), (Some(1), 1)], "servers are told per capture");
    let out = printed(separate(), &read(&[REFUSED, ADVERTISED, ADVERTISED]));
    assert_eq!(findings(&out), ["help-exposed/advertised"]);
}

#[test]
fn only_the_servers_asked_for_are_reported_but_all_are_counted() {
    let mut dialogues = read(&[EXPOSED, EXPOSED]);
    dialogues[1].session.server.ip = [203, 0, 113, 9].into();
    let nets = vec!["203.0.113.0/24".parse().unwrap()];
    let out = printed(Ledger::new(everything(), nets, &Limits::default(), &Catalogue::built_in()), &dialogues);
    assert_eq!((findings(&out).len(), servers(&out).len()), (1, 1));
    let Some(Output::Summary(summary)) = out.last() else { panic!("the summary is last") };
    assert_eq!((summary.sessions, summary.findings["help-exposed"][&Severity::Low]), (2, 1));
}

/// `192.0.2.0/24=mx-a`, as the command line has it.
fn naming(rows: &[&str]) -> ServerNames {
    let mut names = ServerNames::default();
    for (whose, name) in rows.iter().filter_map(|row| row.split_once('=')) {
        names.insert(whose.parse().unwrap(), name.parse().unwrap());
    }
    names
}

/// One dialogue at each of these addresses and ports.
fn at(texts: &[&str], servers: &[&str]) -> Vec<Dialogue> {
    let mut dialogues = read(texts);
    for (dialogue, server) in dialogues.iter_mut().zip(servers) {
        let server: std::net::SocketAddr = server.parse().unwrap();
        dialogue.session.server = Endpoint { ip: server.ip(), port: server.port() };
    }
    dialogues
}

fn named(rows: &[&str], dialogues: &[Dialogue]) -> Vec<Output> {
    let ledger = Ledger::new(everything(), Vec::new(), &Limits::default(), &Catalogue::built_in());
    printed(ledger.naming(naming(rows)), dialogues)
}

#[test]
fn addresses_of_one_name_are_one_server_and_a_neighbour_is_another() {
    let addresses = ["192.0.2.7:25", "192.0.2.9:25", "192.0.3.7:25", "192.0.2.7:587"];
    let out = named(&["192.0.2.0/24=mx-a"], &at(&[EXPOSED; 4], &addresses));
    let at = |output: &Output| match output {
        Output::Finding(found) => Some(Known::At(found.who.server).to_string()),
        _ => None,
    };
    let found: Vec<String> = out.iter().filter_map(at).collect();
    assert_eq!(found, [addresses[0], addresses[2], addresses[3]], "once per server");
    let told: Vec<(String, u64)> =
        servers(&out).iter().map(|server| (Known::At(server.endpoint).to_string(), server.sessions)).collect();
    let told: Vec<(&str, u64)> = told.iter().map(|(server, sessions)| (server.as_str(), *sessions)).collect();
    assert_eq!(told, [(addresses[2], 1), (addresses[0], 2), (addresses[3], 1)], "those with a name stand last");
}

#[test]
fn two_ports_at_one_address_with_two_names_are_two_servers_and_with_one_name_too() {
    let servers_of = |rows: &[&str]| {
        let out = named(rows, &at(&[EXPOSED, EXPOSED], &["192.0.2.9:2525", "192.0.2.9:2526"]));
        (findings(&out).len(), servers(&out).len())
    };
    assert_eq!(servers_of(&["192.0.2.9:2525=mx-a", "192.0.2.9:2526=mx-b"]), (2, 2));
    assert_eq!(servers_of(&["192.0.2.9=mx-a"]), (2, 2));
}

/// What a server refused at one address silences what it offers at another.
#[test]
fn what_a_server_said_at_one_address_holds_at_its_other() {
    let dialogues = at(&[REFUSED, ADVERTISED], &["192.0.2.7:25", "192.0.2.9:25"]);
    assert_eq!(findings(&named(&["192.0.2.0/24=mx-a"], &dialogues)), [""; 0]);
    assert_eq!(findings(&named(&["192.0.2.0/28=mx-a", "192.0.2.9=mx-b"], &dialogues)), ["help-exposed/advertised"]);
}

/// Of two connections the one that began first may end last: its address is told all the same.
#[test]
fn the_address_told_of_a_name_is_that_of_its_first_connection() {
    let dialogues = at(&["S: 220 mx", "S: 220 mx"], &["192.0.2.9:25", "192.0.2.7:25"]);
    let mut entries: Vec<Entry> =
        dialogues.iter().zip([0, 100]).flat_map(|(dialogue, from)| entries(dialogue, from)).collect();
    let last = entries.last().unwrap().key.cause;
    entries.iter_mut().filter(|entry| entry.key.connection == ordinal(0)).for_each(|entry| entry.key.cause = last);
    entries.sort_by_key(|entry| (entry.key.cause, std::cmp::Reverse(entry.key.connection)));
    let ledger = Ledger::new(everything(), Vec::new(), &Limits::default(), &Catalogue::built_in());
    let mut ledger = ledger.naming(naming(&["192.0.2.0/24=mx-a"]));
    let mut out = take(&mut ledger, entries);
    ledger.finish(Totals::default(), &mut |output| out.push(output));
    assert_eq!(Known::At(servers(&out)[0].endpoint).to_string(), "192.0.2.9:25");
}

/// Where only some of a server's addresses are asked for, what it said at the others is not told of it.
#[test]
fn of_a_name_only_the_addresses_asked_for_are_reported() {
    let dialogues = at(&[EXPOSED, REFUSED, EXPOSED], &["192.0.2.7:25", "192.0.2.7:25", "192.0.2.9:25"]);
    let nets = vec!["192.0.2.9/32".parse().unwrap()];
    let ledger = Ledger::new(everything(), nets, &Limits::default(), &Catalogue::built_in());
    let out = printed(ledger.naming(naming(&["192.0.2.0/24=mx-a"])), &dialogues);
    assert_eq!(findings(&out), ["help-exposed/answered"]);
    let told: Vec<_> =
        servers(&out).iter().map(|server| (Known::At(server.endpoint).to_string(), server.sessions)).collect();
    assert_eq!(told, [("192.0.2.9:25".to_owned(), 1)]);
}

#[test]
fn a_server_that_changes_its_address_is_not_told_again_for_that() {
    let mut ledger = endless(None).naming(naming(&["192.0.2.0/24=mx-a"]));
    let dialogues = at(&[EXPOSED, EXPOSED], &["192.0.2.7:25", "192.0.2.9:25"]);
    take(&mut ledger, entries(&dialogues[0], 0));
    assert_eq!(told(&mut ledger, 0).len(), 1);
    take(&mut ledger, entries(&dialogues[1], 100));
    assert_eq!(told(&mut ledger, 2 * INTERVAL), []);
}

#[test]
fn a_full_table_of_servers_loses_no_finding_and_says_so() {
    let mut limits = Limits::default();
    limits.set(Limit::Servers, 1);
    let mut dialogues = read(&[EXPOSED, EXPOSED, EXPOSED]);
    for dialogue in &mut dialogues[1..] {
        dialogue.session.server.ip = [203, 0, 113, 9].into();
    }
    let out = printed(Ledger::new(everything(), Vec::new(), &limits, &Catalogue::built_in()), &dialogues);
    assert_eq!((findings(&out).len(), servers(&out).len()), (3, 1));
    let Some(Output::Summary(summary)) = out.last() else { panic!("the summary is last") };
    assert_eq!(summary.totals.limits_hit.get("servers"), 2);
}

#[test]
fn records_that_are_not_wanted_are_not_printed_but_the_worst_finding_is_known() {
    let mut ledger = Ledger::new(Records::of(&[]), Vec::new(), &Limits::default(), &Catalogue::built_in());
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
        dialogue.session.server.port = u16::try_from(nth).unwrap();
        let mut partial = Partial::new(ordinal(nth), dialogue.session.server);
        for entry in entries(&dialogue, nth) {
            match entry.item {
                Item::Note(who, note) => partial.note(entry.key, note, &who),
                Item::End(ended) => partial.session(entry.key, &ended),
                _ => {}
            }
        }
        partial
    };
    let mut there = partial(0);
    (1..12).for_each(|nth| there.merge(partial(nth)));
    let mut back = partial(11);
    (0..11).rev().for_each(|nth| back.merge(partial(nth)));
    assert_eq!(there, back);
    let server = there.finish();
    assert_eq!(server.endpoint.port, 0, "where the first connection went");
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
        dialogue.session.capabilities_known = true;
        dialogue.session.early_talk = early;
    }
    let out = all(&dialogues);
    assert_eq!(servers(&out)[0].capabilities, [b"STARTTLS".to_vec()]);
    assert_eq!(servers(&out)[0].starttls, StartTls::Offered);
}

#[test]
fn the_total_order_is_packet_tick_connection_place_number() {
    let tick = Key { cause: Cause::tick(ordinal(5), 1), connection: ordinal(9), reading: 9, place: Key::END, nth: 9 };
    assert!(key(4, 9, 9) < tick && tick < key(5, 0, 0), "a tick stands before its packet");
    assert!(key(5, Key::EVENT, 9) < key(5, 1, 0) && key(5, 1, 9) < key(5, Key::END, 0));
}

/// Of a capture that has no end in sight; tells a server at most every ten seconds.
fn endless(renotify: Option<i64>) -> Ledger {
    Ledger::new(everything(), Vec::new(), &Limits::default(), &Catalogue::built_in()).endless(renotify, INTERVAL)
}

const INTERVAL: i64 = 10 * Time::SECOND;

fn take(ledger: &mut Ledger, entries: impl IntoIterator<Item = Entry>) -> Vec<Output> {
    let mut out = Vec::new();
    entries.into_iter().for_each(|entry| ledger.take(entry, &mut |output| out.push(output)));
    out
}

/// The servers that are told at this time, in nanoseconds.
fn told(ledger: &mut Ledger, now: i64) -> Vec<Server> {
    let mut out = Vec::new();
    ledger.tell_servers(Time(now), &mut |output| out.push(output));
    servers(&out).into_iter().cloned().collect()
}

#[test]
fn a_server_is_told_once_when_its_first_session_is_over_and_not_again_for_counts() {
    let mut ledger = endless(None);
    let mut session = entries(&Dialogue::read(EXPOSED), 0);
    let end = session.pop().unwrap();
    take(&mut ledger, session);
    assert_eq!(told(&mut ledger, 0), [], "its first session will soon have told more");
    take(&mut ledger, [end]);
    let first = told(&mut ledger, 1);
    assert_eq!(first.iter().map(|server| (server.sessions, server.help)).collect::<Vec<_>>(), [(1, Help::Exposed)]);
    take(&mut ledger, entries(&Dialogue::read(EXPOSED), 100));
    for now in [2, FIRST_SESSION, INTERVAL, 3 * INTERVAL] {
        assert_eq!(told(&mut ledger, now), [], "{now}");
    }
}

#[test]
fn a_server_is_told_again_when_something_else_changed_but_not_before_the_interval() {
    let mut ledger = endless(None);
    take(&mut ledger, entries(&Dialogue::read(REFUSED), 0));
    assert_eq!(told(&mut ledger, Time::SECOND)[0].help, Help::Refused);
    take(&mut ledger, entries(&Dialogue::read(EXPOSED), 100));
    assert_eq!(told(&mut ledger, 2 * Time::SECOND), []);
    assert_eq!(told(&mut ledger, INTERVAL), [], "the interval counts from when it was told");
    let again = told(&mut ledger, Time::SECOND + INTERVAL);
    assert_eq!(again.iter().map(|server| (server.sessions, server.help)).collect::<Vec<_>>(), [(2, Help::Exposed)]);
    assert_eq!(told(&mut ledger, 4 * INTERVAL), [], "it waits no more");
    take(&mut ledger, entries(&Dialogue::read(ADVERTISED), 200));
    assert_eq!(told(&mut ledger, 4 * INTERVAL)[0].sessions, 3, "after so long it is told at once");
}

#[test]
fn a_server_whose_first_session_goes_on_is_told_all_the_same() {
    let mut ledger = endless(None);
    let mut session = entries(&Dialogue::read(EXPOSED), 0);
    let end = session.pop().unwrap();
    take(&mut ledger, session);
    assert_eq!(told(&mut ledger, 7), []);
    assert_eq!(told(&mut ledger, 6 + FIRST_SESSION), []);
    let first = told(&mut ledger, 7 + FIRST_SESSION);
    assert_eq!(first.iter().map(|server| (server.sessions, server.help)).collect::<Vec<_>>(), [(0, Help::Exposed)]);
    take(&mut ledger, [end]);
    assert_eq!(told(&mut ledger, Time::SECOND), []);
    let again = told(&mut ledger, 7 + FIRST_SESSION + INTERVAL);
    assert_eq!(again[0].findings[&answered()], 1, "what its session's end told is new");
}

#[test]
fn at_the_end_those_servers_are_told_that_are_not_as_they_were_told() {
    let mut dialogues = read(&[EXPOSED, EXPOSED, EXPOSED]);
    for (dialogue, port) in dialogues.iter_mut().zip([25, 587, 2525]) {
        dialogue.session.server.port = port;
    }
    let mut ledger = endless(None);
    take(&mut ledger, entries(&dialogues[0], 0));
    take(&mut ledger, entries(&dialogues[1], 100));
    assert_eq!(told(&mut ledger, 0).len(), 2);
    take(&mut ledger, entries(&dialogues[1], 200));
    take(&mut ledger, entries(&dialogues[2], 300));
    let mut last = Vec::new();
    ledger.finish(Totals::default(), &mut |output| last.push(output));
    let last: Vec<_> = servers(&last).iter().map(|server| (server.endpoint.port, server.sessions)).collect();
    assert_eq!(last, [(587, 2), (2525, 1)]);
}

#[test]
fn what_is_reported_once_per_server_is_reported_again_after_the_time_by_the_capture() {
    const DAY: i64 = 86_400 * Time::SECOND;
    let found = |ledger: &mut Ledger, packet: u64, time: i64| {
        let mut entries = entries(&Dialogue::read(EXPOSED), packet);
        for entry in &mut entries {
            if let Item::Finding(found) = &mut entry.item {
                found.finding.at.time = Time(time);
            }
        }
        findings(&take(ledger, entries)).len()
    };
    let mut ledger = endless(Some(DAY));
    let times = [0, 1, DAY - 1, DAY, DAY + 1, 2 * DAY - 1, 2 * DAY];
    let reported: Vec<usize> =
        (0..).step_by(100).zip(times).map(|(packet, time)| found(&mut ledger, packet, time)).collect();
    assert_eq!(reported, [1, 0, 0, 1, 0, 0, 1]);
    assert_eq!(ledger.counts().1["help-exposed"][&Severity::Low], 3, "what was not reported is not counted");
    let mut ledger = endless(None);
    assert_eq!((found(&mut ledger, 0, 0), found(&mut ledger, 100, 100 * DAY)), (1, 0));
}

/// What is printed of these dialogues through a filter; all that is found in one is found at the time when it is said.
fn filtered(filter: Filter, dialogues: &[Dialogue]) -> Vec<Output> {
    let ledger = Ledger::new(everything(), Vec::new(), &Limits::default(), &Catalogue::built_in());
    let (mut ledger, mut out) = (ledger.filtering(filter), Vec::new());
    for (at, dialogue) in (0..).step_by(100).zip(dialogues) {
        for mut entry in entries(dialogue, at) {
            if let Item::Finding(found) = &mut entry.item {
                found.finding.at = found.who.first;
            }
            ledger.take(entry, &mut |output| out.push(output));
        }
    }
    ledger.finish(Totals::default(), &mut |output| out.push(output));
    out
}

/// How many findings, sessions and servers are reported, and what the summary counts of findings and sessions.
fn reported(out: &[Output]) -> (usize, usize, usize, u64, u64) {
    let sessions = out.iter().filter(|output| matches!(output, Output::Session(_))).count();
    let Some(Output::Summary(summary)) = out.last() else { panic!("the summary is last") };
    let counted = summary.findings.values().flat_map(BTreeMap::values).sum();
    (findings(out).len(), sessions, servers(out).len(), counted, summary.sessions)
}

/// From the nanosecond `since` to `until`; each dialogue is said at one nanosecond, a hundred after the one before it.
fn window(since: i64, until: i64) -> Filter {
    Filter { since: Some(Time(since)), until: Some(Time(until)), ..Filter::default() }
}

#[test]
fn what_was_reported_before_the_window_is_reported_at_its_first_time_in_it() {
    let dialogues = read(&[EXPOSED, EXPOSED, EXPOSED]);
    assert_eq!(reported(&all(&dialogues)), (1, 3, 1, 1, 3));
    assert_eq!(reported(&filtered(window(100, 200), &dialogues)), (1, 2, 1, 1, 3));
    assert_eq!(reported(&filtered(window(101, 199), &dialogues)), (0, 0, 0, 0, 3), "between two of them");
    assert_eq!(reported(&filtered(Filter { until: None, ..window(200, 0) }, &dialogues)), (1, 1, 1, 1, 3));
    let out = filtered(window(100, 200), &dialogues);
    assert_eq!((servers(&out)[0].sessions, servers(&out)[0].findings[&answered()]), (2, 2));
}

#[test]
fn a_session_that_overlaps_the_window_counts_no_finding_from_outside_it() {
    let (mut ledger, mut out) = (
        Ledger::new(everything(), Vec::new(), &Limits::default(), &Catalogue::built_in()).filtering(window(50, 60)),
        Vec::new(),
    );
    for mut entry in entries(&Dialogue::read(EXPOSED), 0) {
        if let Item::End(ended) = &mut entry.item {
            ended.session.last.time = Time(50);
        }
        ledger.take(entry, &mut |output| out.push(output));
    }
    ledger.finish(Totals::default(), &mut |output| out.push(output));
    assert_eq!(reported(&out), (0, 1, 1, 0, 1));
    assert_eq!((servers(&out)[0].findings.len(), servers(&out)[0].help), (0, Help::Exposed));
}

#[test]
fn of_a_client_what_its_server_already_said_to_another_is_reported() {
    let mut dialogues = read(&[EXPOSED, EXPOSED, REFUSED]);
    dialogues[1].session.client.ip = [203, 0, 113, 9].into();
    let filter = Filter { clients: vec!["203.0.113.9/32".parse().unwrap()], ..Filter::default() };
    let out = filtered(filter, &dialogues);
    assert_eq!(reported(&out), (1, 1, 1, 1, 3));
    assert_eq!((servers(&out)[0].sessions, servers(&out)[0].help), (1, Help::Exposed));
}

#[test]
fn a_session_is_asked_for_by_the_first_digits_of_its_id() {
    let dialogues = read(&[EXPOSED, REFUSED, EXPOSED]);
    let Some(Entry { item: Item::End(last), .. }) = entries(&dialogues[2], 200).pop() else { panic!("an end") };
    let id = data_encoding::HEXLOWER.encode(&identity::session(&Who::of(&last.session))[..8]);
    let asked = |ids: &[&str]| {
        let sessions = ids.iter().map(|id| id.parse().unwrap()).collect();
        reported(&filtered(Filter { sessions, ..Filter::default() }, &dialogues))
    };
    assert_eq!(asked(&[&id]), (1, 1, 1, 1, 3));
    assert_eq!(asked(&[&id[..4], "0000"]), (1, 1, 1, 1, 3));
    assert_eq!(asked(&["0000"]), (0, 0, 0, 0, 3));
}

#[test]
fn a_pattern_is_matched_against_commands_arguments_and_replies_of_findings() {
    let dialogues = read(&[EXPOSED, "S: 220 mx\nC: VRFY root\nS: 252 perhaps", "S: 220 mx\nC: XXXX\nS: 500 no"]);
    let matching = |pattern: &str| {
        let filter = Filter { pattern: Some(pattern.parse().unwrap()), ..Filter::default() };
        let out = filtered(filter, &dialogues);
        (findings(&out), servers(&out).len())
    };
    let answered = || vec!["help-exposed/answered".to_owned()];
    assert_eq!(matching("^HELP$"), (answered(), 1));
    assert_eq!(matching("^214 HELO"), (answered(), 1), "a reply begins with its code");
    assert_eq!(matching("^XXXX$"), (vec!["starttls/masked".to_owned()], 1));
    assert_eq!(matching("no such line"), (Vec::new(), 0));
}
