//! Dialogues of made-up records: what is kept, where findings go, and what is printed of the odd ones. Those of recordings are in
//! `tests/integration/show.rs`.

use serde_json::{Value, json};

use super::model::What;
use super::*;
use crate::record::{Record, Session, testing};

fn record(value: &Value) -> Record {
    Record::from_json(&value.to_string()).unwrap()
}

fn event(kind: &str, number: u64, frame: u64, more: &Value) -> Record {
    let mut event = json!({
        "type": kind, "session": "0011223344556677", "event": number, "capture": "a.pcap", "frame": frame,
        "time": "2026-11-24T14:45:44.500000000Z",
        "client": {"ip": "192.0.2.1", "port": 40000}, "server": {"ip": "192.0.2.2", "port": 25},
    });
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    record(&event)
}

fn command(number: u64, frame: u64, line: &str) -> Record {
    event("command", number, frame, &json!({"verb": null, "argument": line}))
}

fn session() -> Session {
    let Record::Session(session) = testing::session() else { unreachable!("a session's record") };
    *session
}

fn dialogue_within(bounds: Bounds, records: impl IntoIterator<Item = Record>) -> Dialogue {
    let mut collector = Collector::new(bounds);
    records.into_iter().for_each(|record| collector.take(record));
    let mut session = session();
    session.findings.clear();
    collector.finish(session, None)
}

fn dialogue(records: impl IntoIterator<Item = Record>) -> Dialogue {
    dialogue_within(Bounds::ONE, records)
}

/// A finding of the packet of this frame.
fn finding(event: Option<u64>, frame: u64, severity: &str, message: &str) -> Record {
    let Record::Finding(finding) = testing::finding() else { unreachable!("a finding's record") };
    let mut finding = serde_json::to_value(Record::Finding(finding)).unwrap();
    finding["event"] = event.into();
    finding["packets"] = json!([{"capture": "a.pcap", "frame": frame}]);
    (finding["severity"], finding["message"]) = (severity.into(), message.into());
    record(&finding)
}

const PLAIN: View = View { width: 80, color: false, whole: false };

fn lines(dialogue: &Dialogue) -> Vec<String> {
    let lines = dialogue.entries.iter().map(|entry| match &entry.what {
        What::Lines(lines) => lines.join("|"),
        _ => phrase::note(entry, false).unwrap(),
    });
    lines.collect()
}

#[test]
fn of_too_many_entries_the_first_and_the_last_are_kept_and_the_others_counted() {
    let bounds = Bounds { entries: 4, ..Bounds::ONE };
    let dialogue = dialogue_within(bounds, (1..=9).map(|number| command(number, number, &format!("line {number}"))));
    assert_eq!(
        lines(&dialogue),
        ["line 1", "line 2", "[5 entries left out: there are too many to show]", "line 8", "line 9"]
    );
}

#[test]
fn so_it_is_with_too_many_bytes_and_an_entry_that_is_too_long_alone_does_not_end_it() {
    let bounds = Bounds { bytes: 4096, ..Bounds::ONE };
    let long = "x".repeat(8000);
    let records = [command(1, 1, "first"), command(2, 2, &long), command(3, 3, "last")];
    let dialogue = dialogue_within(bounds, records);
    assert_eq!(lines(&dialogue), ["first", "[1 entry left out: there are too many to show]", "last"]);
}

#[test]
fn a_session_that_is_picked_up_late_says_how_much_of_it_is_missing() {
    let dialogue = dialogue([command(7, 9, "NOOP")]);
    assert_eq!(lines(&dialogue), ["[6 entries left out: there are too many to show]", "NOOP"]);
    let nothing = dialogue_within(Bounds::ONE, []);
    assert_eq!(lines(&nothing), ["[9 entries left out: there are too many to show]"], "4 commands, 5 replies");
}

#[test]
fn findings_stand_at_their_event_the_worst_first_and_without_one_at_their_packet() {
    let records = [
        command(1, 4, "HELO a"),
        command(2, 5, "HELP"),
        finding(Some(2), 5, "low", "one"),
        finding(Some(2), 5, "high", "other"),
        finding(None, 4, "info", "by its frame"),
        finding(None, 99, "medium", "of no entry"),
    ];
    let dialogue = dialogue(records);
    let marks =
        |at: usize| dialogue.entries[at].marks.iter().map(|mark| mark.finding.message.as_str()).collect::<Vec<_>>();
    assert_eq!((marks(0), marks(1)), (vec!["by its frame"], vec!["other", "one"]));
    assert_eq!(dialogue.others[0].message, "of no entry");
    let counts: Vec<String> = dialogue.severities().iter().map(|(severity, n)| format!("{n} {severity}")).collect();
    assert_eq!(counts, ["1 high", "1 medium", "1 low", "1 info"]);
    let page = text(&dialogue, PLAIN);
    assert!(
        page.contains("  Not about one line\n  medium: of no entry [help-exposed/answered] (frame 99)\n"),
        "{page}"
    );
}

#[test]
fn what_fired_more_often_than_it_was_told_is_counted() {
    let mut collector = Collector::new(Bounds::ONE);
    collector.take(command(1, 4, "HELP"));
    collector.take(finding(Some(1), 4, "low", "one"));
    let mut session = session();
    session.findings = [("help-exposed/answered".to_owned(), 4)].into();
    let page = text(&collector.finish(session, None), PLAIN);
    assert!(page.contains("  Already reported for this server\n  help-exposed/answered: 3 times\n"), "{page}");
}

#[test]
fn tls_is_one_line_however_often_more_of_it_was_told() {
    let tls = |number: u64, frame: u64, version: Option<&str>| {
        let more = json!({"state": "started", "version": version, "sni": null, "alpn": [], "alert": null});
        event("tls", number, frame, &more)
    };
    let records = [command(1, 4, "STARTTLS"), tls(2, 5, None), tls(3, 6, None), tls(4, 7, Some("1.3"))];
    let dialogue = dialogue(records.into_iter().chain([finding(Some(3), 6, "info", "of the second")]));
    assert_eq!(lines(&dialogue), ["STARTTLS", "[TLS 1.3: encrypted from here on]"]);
    assert_eq!((dialogue.entries[1].frame, dialogue.entries[1].marks.len()), (7, 1));
    let refused = json!({"state": "refused", "version": null, "sni": null, "alpn": [], "alert": null});
    assert!(
        dialogue_within(Bounds::ONE, [event("tls", 1, 5, &refused)])
            .entries
            .iter()
            .all(|entry| matches!(entry.what, What::LeftOut(_)))
    );
}

#[test]
fn no_row_but_a_filter_is_wider_than_the_page_whatever_came() {
    let wide = "日本語".repeat(60);
    let records = [
        command(1, 4, &format!("MAIL FROM:<{}>", "a".repeat(500))),
        command(2, 5, &wide),
        command(3, 1_234_567_890, "e\u{301} and words that go on and on until the end of the line is near"),
        finding(Some(3), 5, "high", &"a long message ".repeat(20)),
    ];
    let dialogue = dialogue(records);
    for width in [40, 60, 80, 140] {
        for whole in [false, true] {
            let page = text(&dialogue, View { width, whole, color: false });
            let body = page.split("\n  Wireshark").next().unwrap();
            for row in body.lines() {
                assert!(crate::report::layout::width(row) <= width, "{width}: {row}");
                assert_eq!(row.trim_end(), row, "a blank at its end");
            }
        }
    }
}

#[test]
fn a_whole_view_has_every_character_of_a_line() {
    let line = format!("MAIL FROM:<{}> SIZE=12  BODY=8BITMIME", "a".repeat(500));
    let page = |whole| markdown(&dialogue([command(1, 4, &line)]), whole);
    assert!(page(true).contains(&line));
    assert!(!page(false).contains(&line) && page(false).contains(" characters)…"));
}

#[test]
fn nothing_from_the_wire_gets_out_of_a_fence() {
    let attack = "```\n# Title\n````` <script>alert(1)</script> [x](http://example.com) @all";
    let records = [command(1, 4, &attack.replace('\n', "\\x0a")), finding(Some(1), 4, "high", "said `` ``` [x](y) |")];
    let page = markdown(&dialogue(records), true);
    let mut fence: Option<&str> = None;
    for line in page.lines() {
        let ticks = line.len() - line.trim_start_matches('`').len();
        match fence {
            None if ticks >= 3 => fence = Some(&line[..ticks]),
            Some(open) if line == open => fence = None,
            Some(_) => {}
            None => assert!(!line.contains("<script>"), "{line}"),
        }
    }
    assert_eq!(fence, None, "{page}");
    assert!(page.contains("\n``````text\n"), "{page}");
    assert!(page.contains("```` said `` ``` [x](y) | ````") || page.contains("````said `` ``` [x](y) |````"), "{page}");
}

#[test]
fn colour_is_only_where_it_is_wanted_and_changes_no_word() {
    let records = [command(1, 4, "HELP \\x1b[31m"), finding(Some(1), 4, "critical", "one")];
    let dialogue = dialogue(records);
    let (plain, color) = (text(&dialogue, PLAIN), text(&dialogue, View { color: true, ..PLAIN }));
    assert!(!plain.contains('\x1b') && color.contains("\x1b["), "{plain}");
    let mut bare = String::new();
    let mut rest = color.as_str();
    while let Some((before, behind)) = rest.split_once('\x1b') {
        bare += before;
        rest = behind.split_once('m').unwrap().1;
    }
    assert_eq!(bare + rest, plain);
}

#[test]
fn filters_name_every_capture_with_packets_of_findings() {
    let mut other = serde_json::to_value(finding(None, 7, "low", "in another file")).unwrap();
    other["packets"] = json!([{"capture": "b.pcap", "frame": 7}]);
    let page = text(&dialogue([command(1, 4, "HELP"), finding(Some(1), 4, "low", "one"), record(&other)]), PLAIN);
    assert!(
        page.contains(
            "in a.pcap\n             frame.number == 4\n             in b.pcap\n             frame.number == 7\n"
        ),
        "{page}"
    );
}
