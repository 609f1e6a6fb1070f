//! A dialogue for a ticket: Markdown in which everything from the wire stands in code, from which nothing of it can get out.
//!
//! Lines are whole and not wrapped: a fence scrolls.

use std::fmt::Write as _;

use crate::report::figures::counted;

use super::model::{Dialogue, Entry, What};
use super::{cells, filters, phrase};

/// The whole dialogue; `whole` has long lines and hashes as a whole.
pub(crate) fn markdown(dialogue: &Dialogue, whole: bool) -> String {
    let Dialogue { session, software, unreported, .. } = dialogue;
    let mut out = format!("### SMTP session {}\n\n", session.session);
    // Writing to a string cannot fail.
    let _ = writeln!(out, "- Between: {}", code(&phrase::ends(session.client, &session.server)));
    if let Some(software) = software {
        let _ = writeln!(out, "- Server software: {}", code(&software.to_string()));
    }
    let _ = writeln!(out, "- Capture: {}", code(&phrase::frames(session, usize::MAX)));
    let _ = writeln!(out, "- Time: {}", phrase::course(session));
    for remark in phrase::remarks(dialogue) {
        let _ = writeln!(out, "- Note: {}", code(&remark));
    }
    let _ = writeln!(out, "- Findings: {}\n", phrase::severities(dialogue));
    out += &fenced(&conversation(dialogue, whole));
    let mut findings: Vec<_> = dialogue.findings().collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    if !findings.is_empty() {
        out += "\n#### Findings\n\n";
    }
    for finding in findings {
        let frame = finding.packets.last().map(|packet| format!(", frame {}", packet.frame)).unwrap_or_default();
        let (rule, check, print) = (&finding.rule, &finding.check, &finding.fingerprint);
        let _ = writeln!(
            out,
            "- **{}**{frame}: {}, {} (fingerprint {})",
            finding.severity,
            code(&finding.message),
            code(&format!("{rule}/{check}")),
            code(print)
        );
    }
    for (check, more) in unreported {
        let _ = writeln!(out, "- {} counted and not shown: {}", code(check), counted(*more, "time", "times"));
    }
    out += "\n#### Wireshark\n\n";
    let found = filters::of_findings(dialogue);
    for (capture, filter) in &found {
        let _ = writeln!(out, "The findings' frames in {}:\n\n{}", code(capture), fenced(filter));
    }
    let _ = write!(out, "The whole session:\n\n{}", fenced(&filters::of_session(session)));
    out
}

/// What was said, a line each.
fn conversation(dialogue: &Dialogue, whole: bool) -> String {
    let mut out = String::new();
    let frames = dialogue.entries.iter().map(|entry| entry.frame).max().unwrap_or(0).to_string().len().max(5);
    let mut capture = &dialogue.session.capture;
    for entry in &dialogue.entries {
        if entry.capture != *capture {
            capture = &entry.capture;
            let _ = writeln!(out, "in {capture}");
        }
        let since = phrase::seconds(dialogue.session.start, entry.time);
        let question = if entry.uncertain { "?" } else { " " };
        let mut before = format!("{:>frames$}  {since:>8}  {}{question} ", entry.frame, phrase::letter(entry.side));
        let indent = " ".repeat(before.len());
        for line in lines(entry, whole) {
            let _ = writeln!(out, "{before}{line}");
            before.clone_from(&indent);
        }
        for mark in &entry.marks {
            let finding = &mark.finding;
            let _ = writeln!(out, "{indent}^ {}: {}", finding.severity, finding.message);
        }
    }
    if dialogue.entries.iter().any(|entry| entry.uncertain) {
        let _ = writeln!(out, "\n{}", phrase::UNCERTAIN);
    }
    out
}

fn lines(entry: &Entry, whole: bool) -> Vec<String> {
    match &entry.what {
        What::Lines(lines) if whole => lines.clone(),
        What::Lines(lines) => lines.iter().map(|line| cells::shortened(line).into_owned()).collect(),
        _ => phrase::note(entry, whole).into_iter().collect(),
    }
}

/// A block of code whose fence is longer than any in it.
fn fenced(text: &str) -> String {
    let fence = "`".repeat(longest_run(text).saturating_add(1).max(3));
    format!("{fence}text\n{}\n{fence}\n", text.trim_end_matches('\n'))
}

/// Code within a line, between more backticks than it has in a row.
fn code(text: &str) -> String {
    let ticks = "`".repeat(longest_run(text).saturating_add(1));
    // A blank beside a backtick is no part of the code; neither are two around all of it.
    let blank = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) || text.is_empty() { " " } else { "" };
    format!("{ticks}{blank}{text}{blank}{ticks}")
}

/// The most backticks in a row.
fn longest_run(text: &str) -> usize {
    text.split(|char| char != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_is_longer_than_any_in_the_text() {
        assert_eq!(fenced("a\n"), "```text\na\n```\n");
        assert_eq!(fenced("````\n</code>"), "`````text\n````\n</code>\n`````\n");
    }

    #[test]
    fn code_in_a_line_ends_where_it_is_to_end() {
        assert_eq!(code("a"), "`a`");
        assert_eq!(code("`a``b"), "``` `a``b ```");
        assert_eq!(code(""), "`  `");
    }
}
