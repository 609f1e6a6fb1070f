//! The page (`--report html=FILE`): of captures that try to get out of it, of planted secrets, and whatever the threads.

use std::fs;
use std::path::{Path, PathBuf};

use synth::{Dialogue, Plan};

use crate::support;

/// What a session says that is from outside: each place of it has markup, quotes, controls and changes of direction.
const HOSTILE: &str = include_str!("page/hostile.smtp");
/// The same session where it has letters.
const HARMLESS: &str = include_str!("page/harmless.smtp");

/// A name of a file that tries the same; without a slash, and no longer than a name may be.
const HOSTILE_NAME: &str = "<script>alert(1)<\u{2044}script>\"'&\u{202e}.pcap";
/// It has a backslash too, and so is not put into a command that somebody may type.
const HARMLESS_NAME: &str = "harmless\\.pcap";

fn capture(folder: &Path, name: &str, dialogue: &str) -> PathBuf {
    let dialogue = Dialogue::parse(dialogue).unwrap_or_else(|error| panic!("{error}"));
    let path = folder.join(name);
    fs::write(&path, synth::render(&dialogue, &Plan::new()).pcap()).unwrap();
    path
}

/// The page of these arguments.
fn page(arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.html");
    let report = format!("html={}", file.display());
    let ran = support::run(&[&["scan", "--quiet", "--report", &report], arguments].concat());
    assert_eq!(ran.stderr, "");
    fs::read_to_string(file).unwrap()
}

/// The tags of a page with their attributes, in their order. What stands in `style`, `script` and `title` is text.
fn tags(page: &str) -> Vec<String> {
    let (mut tags, mut rest) = (Vec::new(), page);
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let end = end_of_tag(rest);
        let tag = &rest[..end];
        rest = &rest[end..];
        let name = tag.split([' ', '>', '/']).next().unwrap();
        if ["style", "script", "title"].contains(&name) {
            let close = format!("</{name}");
            rest = &rest[rest.find(&close).unwrap_or_else(|| panic!("<{name}> does not end"))..];
        }
        tags.push(tag.to_owned());
    }
    tags
}

/// Where a tag ends that began before: no `>` between quotes does.
fn end_of_tag(text: &str) -> usize {
    let mut quote = None;
    for (at, char) in text.char_indices() {
        match (quote, char) {
            (None, '>') => return at,
            (None, '"' | '\'') => quote = Some(char),
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
    }
    panic!("a tag does not end: {}", &text[..text.len().min(200)])
}

/// The tags without what sets escapes apart, and without what changes from one session to the next.
fn skeleton(page: &str) -> Vec<String> {
    let mut skeleton = Vec::new();
    let mut in_escape = false;
    for tag in tags(page) {
        match tag.as_str() {
            "b class=\"x\"" => in_escape = true,
            "/b" if in_escape => in_escape = false,
            _ => skeleton.push(tag),
        }
    }
    skeleton
}

#[test]
fn what_a_capture_says_changes_nothing_but_text() {
    let folder = tempfile::tempdir().unwrap();
    let of = |name: &str, dialogue: &str| {
        let path = capture(folder.path(), name, dialogue);
        page(&[path.to_str().unwrap()])
    };
    let (hostile, harmless) = (of(HOSTILE_NAME, HOSTILE), of(HARMLESS_NAME, HARMLESS));
    let (left, right) = (skeleton(&hostile), skeleton(&harmless));
    for (nth, (left_tag, right_tag)) in left.iter().zip(&right).enumerate() {
        let around = |tags: &[String]| tags[nth.saturating_sub(8)..tags.len().min(nth + 3)].join("> <");
        assert_eq!(left_tag, right_tag, "tag {nth}: {}", around(&left));
    }
    assert_eq!(left.len(), right.len());
    let ours = "a b bdi body br button caption code dd desc details div dl dt form h1 h2 h3 h4 head header html i input label li main meta \
                nav output p path script section span style summary svg table tbody td text th thead title tr ul";
    let foreign = tags(&hostile).into_iter().filter(|tag| {
        let name = tag.trim_start_matches('/').split(' ').next().unwrap();
        name != "!doctype" && !ours.split_whitespace().any(|own| own == name.trim_end_matches('/'))
    });
    assert_eq!(foreign.collect::<Vec<_>>(), [""; 0]);
    assert!(left.len() > 500, "{} tags: that is no page of findings", left.len());
    // Each field got in: had one been dropped, nothing would have been tried.
    for field in ["GREETING", "EHLO", "MAIL", "RCPT", "VERB", "REPLY", "HELP"] {
        assert!(hostile.contains(&format!("{field}&lt;script&gt;")), "{field} is not on the page");
        assert!(!hostile.contains(&format!("{field}<script")), "{field}");
    }
    assert!(hostile.contains("<b class=\"x\">\\u{202e}</b>") && hostile.contains("<b class=\"x\">\\x1b</b>"));
    assert!(!hostile.contains(['\u{202e}', '\u{1b}', '\u{2066}']), "controls are written out");
    assert!(!hostile.contains("SUBJECT") && !hostile.contains("body of the mail"), "message data");
}

#[test]
fn threads_and_batches_change_nothing() {
    let captures = support::package().join("testdata/servers/postfix-3.7.11");
    let of =
        |threads: &str, batch: &str| page(&["--threads", threads, "--batch-bytes", batch, captures.to_str().unwrap()]);
    let once = of("1", "262144");
    assert_eq!(once, of("2", "4096"));
    assert_eq!(once, of("1", "262144"));
}

#[test]
fn a_page_names_each_capture_with_its_hash_where_that_is_asked_for() {
    let capture = support::package().join("testdata/servers/postfix-3.7.11/help.pcap");
    let without = page(&[capture.to_str().unwrap()]);
    assert!(!without.contains("SHA-256</th>"));
    let with = page(&["--hash", capture.to_str().unwrap()]);
    let records =
        support::run(&["scan", "--quiet", "--hash", "--format", "jsonl", capture.to_str().unwrap()]).records();
    let hash = records.last().unwrap()["captures"][0]["sha256"].as_str().unwrap();
    assert!(with.contains(&format!("<td class=\"n hash\">{hash}</td>")), "{hash}");
}

#[test]
fn the_line_of_each_finding_is_marked_in_what_was_said_around_it() {
    let capture = support::package().join("testdata/servers/postfix-3.7.11/ends-of-data.pcap");
    let page = page(&[capture.to_str().unwrap()]);
    let marked = page.matches("<tr class=\"k note\">").count();
    let findings = page.matches("<details class=\"f\"").count();
    assert!(findings > 3 && marked == findings, "{marked} of {findings}");
    assert!(page.contains("<i>[<bdi>message: 27 bytes, 3 lines, ended by LF.LF, sha256 c01a391f3277…</bdi>]</i>"));
}

#[test]
fn every_format_can_be_written_at_once_and_they_agree() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let [html, jsonl, text] = ["html", "jsonl", "text"].map(|name| format!("{name}={}", file(name).display()));
    let captures = "testdata/servers/exim-4.96";
    let ran = support::run(&["scan", "--quiet", "--report", &html, "--report", &jsonl, "--report", &text, captures]);
    assert_eq!(fs::read_to_string(file("text")).unwrap(), ran.stdout);
    let page = fs::read_to_string(file("html")).unwrap();
    let records = support::records(&fs::read_to_string(file("jsonl")).unwrap());
    let findings = support::of_type(&records, "finding");
    assert!(page.contains(&format!("Findings <span class=\"m\">{}</span>", findings.len())));
    for finding in findings {
        let message = finding["message"].as_str().unwrap().replace('<', "&lt;").replace('>', "&gt;");
        assert!(page.contains(&message), "{message}");
        assert!(page.contains(finding["session"].as_str().unwrap()), "{finding}");
    }
}
