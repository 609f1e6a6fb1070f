//! Findings below their group, each in a few lines; with all detail, with its evidence and the filters that show it.

use crate::record::{Finding, Proof};
use crate::report::digest::Group;
use crate::report::figures::{count, counted, millisecond};
use crate::report::layout::{cut_middle, cut_path, left, width};
use crate::report::{Detail, filters};

use super::findings::{Context, SEVERITY, frames, id_of};
use super::page::Page;

/// What one finding quotes of a reply is cut to so many lines.
const MOST_LINES: usize = 16;
/// Labels are as wide as this, or as the longest of the same finding.
const LABEL: usize = 12;
/// The indent of what is told of a finding.
const INDENT: usize = SEVERITY + 2;

/// Those that are kept of a group.
pub(super) fn write(page: &mut Page, group: &Group, context: &Context<'_>) {
    if context.look.detail == Detail::Overview {
        return;
    }
    let most = context.look.limit.unwrap_or(usize::MAX);
    let shown = group.findings.get(..most.min(group.findings.len())).unwrap_or_default();
    for finding in shown {
        page.blank();
        match context.look.detail {
            Detail::Whole => whole(page, finding, context),
            _ => brief(page, finding, context),
        }
    }
    let more = group.times.saturating_sub(shown.len() as u64);
    if more > 0 {
        page.blank();
        let more = counted(more, "more finding", "more findings");
        page.labelled(
            &" ".repeat(SEVERITY),
            SEVERITY,
            &format!("{more} of this check; --format jsonl has all of them"),
        );
    }
    page.blank();
}

/// When and between whom; then what.
fn head(page: &mut Page, finding: &Finding) {
    let ends = format!("{} > {}", finding.client, finding.server);
    let indent = " ".repeat(SEVERITY);
    let line = format!(
        "{indent}{}  {}",
        page.style.dim(millisecond(finding.time)),
        cut_middle(&ends, page.width.saturating_sub(33))
    );
    page.line(line);
    page.labelled(&" ".repeat(INDENT), INDENT, &finding.message);
}

fn brief(page: &mut Page, finding: &Finding, context: &Context<'_>) {
    head(page, finding);
    let indent = " ".repeat(INDENT);
    let room = page.width.saturating_sub(INDENT);
    if let Some(command) = said_by_client(finding) {
        let line = format!("{indent}{}", cut_middle(&format!("C: {command}"), room));
        page.line(line);
    }
    if let Some(reply) = said_by_server(finding) {
        let line = format!("{indent}{}", cut_middle(&format!("S: {reply}"), room));
        page.line(page.style.server(line));
    }
    places(page, finding, context);
    let session = id_of(&finding.session, page);
    page.labelled(&indent, INDENT, &format!("session {session}  fingerprint {}", finding.fingerprint));
}

fn places(page: &mut Page, finding: &Finding, context: &Context<'_>) {
    for (capture, in_it) in filters::by_capture(finding) {
        let behind = format!("  {}", frames(in_it));
        let room = page.width.saturating_sub(INDENT).saturating_sub(width(&behind));
        let capture = cut_path(context.capture(capture), room.max(5));
        page.line(format!("{}{capture}{behind}", " ".repeat(INDENT)));
    }
}

/// The line of the client that it is about.
fn said_by_client(finding: &Finding) -> Option<String> {
    let text = |name: &str| match finding.evidence.get(name) {
        Some(Proof::Text(text)) if !text.is_empty() => Some(text.as_str()),
        _ => None,
    };
    match (text("command"), text("verb"), text("argument")) {
        (Some(command), ..) => Some(command.to_owned()),
        (None, Some(verb), Some(argument)) => Some(format!("{verb} {argument}")),
        (None, verb, argument) => verb.or(argument).map(str::to_owned),
    }
}

/// The reply, its first line.
fn said_by_server(finding: &Finding) -> Option<String> {
    let code = match finding.evidence.get("reply_code") {
        Some(Proof::Number(code)) => Some(code.to_string()),
        _ => None,
    };
    let lines = match finding.evidence.get("reply_text") {
        Some(Proof::List(lines)) => lines.as_slice(),
        _ => &[],
    };
    let more = match lines.len() {
        0 | 1 => String::new(),
        lines => format!(" … ({lines} lines)"),
    };
    match (code, lines.first()) {
        (Some(code), Some(first)) => Some(format!("{code} {first}{more}")),
        (None, Some(first)) => Some(format!("{first}{more}")),
        (code, None) => code,
    }
}

fn whole(page: &mut Page, finding: &Finding, context: &Context<'_>) {
    head(page, finding);
    let cells = finding.evidence.iter().map(|(name, _)| name.len()).fold(LABEL, usize::max).saturating_add(1);
    let mut row = |label: &str, value: &str| {
        let styled = format!("{}{}", " ".repeat(INDENT), page.style.dim(left(label, cells)));
        page.labelled(&styled, INDENT.saturating_add(cells), value);
    };
    let is_whole = finding.evidence.get("command").is_some();
    for (name, proof) in finding.evidence.iter() {
        // The whole line says both.
        if is_whole && matches!(name, "verb" | "argument") {
            continue;
        }
        let label = name.replace('_', " ");
        match proof {
            Proof::Text(shown) if shown.is_empty() => {}
            Proof::Text(shown) => row(&label, shown),
            Proof::Number(number) => row(&label, &number.to_string()),
            Proof::Flag(flag) => row(&label, if *flag { "yes" } else { "no" }),
            Proof::List(items) if lists_words(name) => row(&label, &items.join(", ")),
            Proof::List(items) if items.iter().all(String::is_empty) => {}
            Proof::List(items) => {
                // A line that says how many more there are takes the place of none but several.
                let shown = if items.len() > MOST_LINES.saturating_add(1) { MOST_LINES } else { items.len() };
                for (nth, item) in items.iter().take(shown).enumerate() {
                    row(if nth == 0 { &label } else { "" }, item);
                }
                if items.len() > shown {
                    row("", &format!("({} more lines)", items.len().saturating_sub(shown)));
                }
            }
        }
    }
    row("confidence", &format!("{} %", finding.confidence));
    if let Some(kept) = &finding.kept {
        let fell_out = if kept.fell_out > 0 { format!(", {} fell out", count(kept.fell_out)) } else { String::new() };
        row("kept", &format!("{}{fell_out}", counted(kept.packets, "packet", "packets")));
    }
    for (capture, in_it) in filters::by_capture(finding) {
        row("where", &format!("{}  {}", context.capture(capture), frames(in_it)));
    }
    if context.look.as_it_goes {
        row("Wireshark", &finding.wireshark_filter);
    } else {
        for (_, in_it) in filters::by_capture(finding) {
            row("Wireshark", &filters::of_finding(in_it));
        }
    }
    row("whole", &filters::session(finding.client, &finding.server));
    row("session", &finding.session);
    row("fingerprint", &finding.fingerprint);
}

/// Lists of single words go on one line, replies keep their lines.
fn lists_words(name: &str) -> bool {
    !matches!(name, "reply_text" | "greeting")
}
