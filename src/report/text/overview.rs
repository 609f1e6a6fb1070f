//! The overview: what was read, the verdict, servers, findings, what was not analysed, and what to type next.

use std::fmt::Write as _;

use crate::record::{Summary, When};
use crate::report::digest::Digest;
use crate::report::figures::{Span, count, counted, second};
use crate::report::layout::{cut_path, left, right, some_of, width};
use crate::report::verdict::{self, Part};
use crate::report::{Detail, Look, unread};

use super::findings::{self, Context};
use super::page::Page;
use super::styles::Styles;
use super::{next, servers};

/// `mailtap` and two blanks.
const NAME: usize = 9;

/// All of it.
pub(super) fn overview(digest: &Digest, look: &Look) -> String {
    if digest.is_empty() {
        return String::new();
    }
    let mut page = Page::new(look.width(), Styles { color: look.color });
    let summary = digest.summary.as_deref();
    head(&mut page, digest, look);
    verdict(&mut page, digest);
    servers::write(&mut page, digest, look);
    let times = summary.and_then(|summary| Some((summary.first_time?, summary.last_time?)));
    let span = times.map_or(Span::Years, |(first, last)| Span::of(first, last));
    let context = Context { span, digest, look };
    findings::write(&mut page, &context);
    if let Some(summary) = summary {
        not_analysed(&mut page, summary, &context);
    }
    next::write(&mut page, digest, look);
    page.into_text()
}

fn head(page: &mut Page, digest: &Digest, look: &Look) {
    let Some(summary) = &digest.summary else { return };
    let room = page.width.saturating_sub(NAME);
    let inputs: Vec<String> = look.inputs.iter().map(|input| cut_path(input, room).into_owned()).collect();
    let named = some_of(&inputs, look.inputs.len(), 3, room);
    let line = format!("{}{}", page.style.bold(left("mailtap", NAME)), page.style.bold(named));
    page.line(line);
    page.labelled(&" ".repeat(NAME), NAME, &read(summary, digest, look));
}

/// How much was read, and of which time.
fn read(summary: &Summary, digest: &Digest, look: &Look) -> String {
    let (one, many) = if look.as_it_goes { ("interface", "interfaces") } else { ("capture", "captures") };
    let captures = counted(summary.captures.len() as u64, one, many);
    let packets = counted(summary.packets, "packet", "packets");
    let sessions = counted(summary.sessions, "session", "sessions");
    let servers = counted(digest.servers.len() as u64, "server", "servers");
    let times = match (summary.first_time, summary.last_time) {
        (Some(first), Some(last)) => format!(", {} UTC", from_to(first, last)),
        _ => String::new(),
    };
    format!("{captures}, {packets}, {sessions}, {servers}{times}")
}

fn from_to(first: When, last: When) -> String {
    if second(first) == second(last) {
        return second(first);
    }
    let end = if Span::of(first, last) == Span::Day { Span::Day.time(last) } else { second(last) };
    format!("{} to {end}", second(first))
}

fn verdict(page: &mut Page, digest: &Digest) {
    page.blank();
    let mut plain = String::new();
    let styled: String = verdict::verdict(digest)
        .into_iter()
        .map(|part| match part {
            Part::Found(severity, text) => {
                plain.push_str(&text);
                page.style.severity(severity, text)
            }
            Part::Words(words) => {
                plain.push_str(&words);
                page.style.bold(words)
            }
        })
        .collect();
    if width(&plain) <= page.width {
        page.line(styled);
    } else {
        page.labelled("", 0, &plain);
    }
    for (label, words) in verdict::lines(digest) {
        let styled = format!("  {}", page.style.dim(left(label, 10)));
        page.labelled(&styled, 12, &words);
    }
}

/// The files that are no captures, as many as the summary names.
fn skipped(page: &mut Page, summary: &Summary) {
    /// So many are enough to see what they are.
    const MOST: usize = 20;
    let named = summary.skipped_files.get(..MOST).unwrap_or(&summary.skipped_files);
    let more = summary.files_skipped.saturating_sub(named.len() as u64);
    for path in named {
        let line = format!("  not a capture: {}", cut_path(path, page.width.saturating_sub(17)));
        page.line(line);
    }
    if more > 0 {
        page.line(format!("  not a capture: {} more", count(more)));
    }
}

fn not_analysed(page: &mut Page, summary: &Summary, context: &Context<'_>) {
    let options = context.digest.start.as_ref().map(|start| &start.options);
    let notices_ports = options.is_some_and(|options| {
        options.bpf.as_ref().is_some_and(|bpf| bpf.given().is_some()) || options.notice_ports == Some(true)
    });
    let rows = unread::rows(summary, notices_ports);
    let notes: Vec<String> = [unread::elsewhere(summary), unread::clock(summary)].into_iter().flatten().collect();
    if rows.is_empty() && notes.is_empty() {
        return;
    }
    page.blank();
    let title = page.style.bold("Not analysed");
    page.line(title);
    let number = rows.iter().map(|row| width(&count(row.count))).max().unwrap_or(0).max(3);
    let unit = rows.iter().map(|row| width(row.unit.word(row.count))).max().unwrap_or(0).saturating_add(3);
    for row in &rows {
        let label = format!("  {} {}", right(&count(row.count), number), left(row.unit.word(row.count), unit));
        let cells = width(&label);
        let mut words = row.what.clone();
        if let Some((capture, frame)) = &row.first {
            let capture = cut_path(context.capture(capture), page.width.saturating_sub(cells).max(20));
            // Writing to a string cannot fail.
            let _ = write!(words, "; first in {capture} frame {frame}");
        }
        if let Some(advice) = &row.advice {
            words.push_str(". ");
            words.push_str(advice);
        }
        page.labelled(&label, cells, &words);
    }
    if context.look.detail != Detail::Overview {
        skipped(page, summary);
    }
    for note in notes {
        page.labelled("  ", 2, &note);
    }
}
