//! A dialogue for a terminal: frame, seconds, side and line, and below a line what was found about it.
//!
//! Colour says nothing that a word does not. Filters are never wrapped, since they are copied.

use std::fmt::{Display, Write as _};

use crate::record::{Finding, Side};
use crate::report::figures::counted;
use crate::report::layout::{width, wrap};
use crate::report::text::styles::Styles;

use super::cells::{rows, shortened};
use super::model::{Dialogue, Entry, Mark, What};
use super::{filters, phrase};

/// How a dialogue is to look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    /// Cells of a row.
    pub width: usize,
    /// Whether there are styles.
    pub color: bool,
    /// Long lines, long replies and hashes as a whole, and the fingerprints of findings.
    pub whole: bool,
}

/// Below this width the seconds are left out.
const NARROW: usize = 60;
/// A reply of more lines is folded.
const FOLDED: usize = 20;
/// So many lines of it are shown before the last one.
const SHOWN: usize = 15;

/// The whole dialogue.
pub(crate) fn text(dialogue: &Dialogue, view: View) -> String {
    let frames = dialogue.entries.iter().map(|entry| digits(entry.frame)).max().unwrap_or(0).max(5);
    let seconds = dialogue.entries.iter().map(|entry| phrase::seconds(dialogue.session.start, entry.time).len());
    let seconds = if view.width < NARROW { 0 } else { seconds.max().unwrap_or(0).max(7) };
    let mut page = Page { dialogue, view, frames, seconds, out: String::new() };
    page.head();
    page.entries();
    page.others();
    page.filters();
    page.out
}

struct Page<'d> {
    dialogue: &'d Dialogue,
    view: View,
    /// The width of the column of frames, and that of seconds; 0 where there is none.
    frames: usize,
    seconds: usize,
    out: String,
}

impl Page<'_> {
    fn head(&mut self) {
        let Dialogue { session, software, .. } = self.dialogue;
        let mut title = format!("Session {}  {}", session.session, phrase::ends(session.client, &session.server));
        if let Some(software) = software {
            let _ = write!(title, "  {software}");
        }
        let mut first = true;
        for row in wrapped(&title, self.view.width) {
            let indent = if std::mem::take(&mut first) { "" } else { "  " };
            self.line(format_args!("{indent}{}", self.styles().bold(row)));
        }
        let mut lines = vec![phrase::frames(session, self.view.width.saturating_sub(2)), phrase::course(session)];
        lines.extend(phrase::remarks(self.dialogue));
        for line in lines {
            self.indented(&line, "  ");
        }
        let counts = self.dialogue.severities();
        let counts: Vec<String> = counts
            .into_iter()
            .map(|(severity, count)| self.styles().severity(severity, format_args!("{count} {severity}")))
            .collect();
        let counts = if counts.is_empty() { phrase::severities(self.dialogue) } else { counts.join(", ") };
        self.line(format_args!("  {counts}"));
    }

    fn entries(&mut self) {
        let Dialogue { session, entries, .. } = self.dialogue;
        if entries.is_empty() {
            return self.line("\n  nothing was said that was captured");
        }
        let mut head = format!("  {:>1$}", "frame", self.frames);
        if self.seconds > 0 {
            let _ = write!(head, "  {:>1$}", "time", self.seconds);
        }
        self.line("");
        self.line(self.styles().dim(head));
        let (mut capture, mut frame) = (&session.capture, None);
        for entry in entries {
            if entry.capture != *capture {
                capture = &entry.capture;
                self.line(self.styles().dim(format_args!("  in {capture}")));
            }
            let repeats = frame == Some((capture, entry.frame));
            frame = Some((capture, entry.frame));
            self.entry(entry, repeats);
        }
        if entries.iter().any(|entry| entry.uncertain) {
            self.line("");
            self.indented(phrase::UNCERTAIN, "  ");
        }
    }

    /// One entry; `repeats` where it is of the packet before.
    fn entry(&mut self, entry: &Entry, repeats: bool) {
        let mut place = format!("  {:>1$}", entry.frame, self.frames);
        if matches!(entry.what, What::LeftOut(_)) {
            place = " ".repeat(place.len());
        } else if self.seconds > 0 {
            let since = phrase::seconds(self.dialogue.session.start, entry.time);
            let since = if repeats { "" } else { since.as_str() };
            let _ = write!(place, "  {since:>0$}", self.seconds);
        }
        let question = if entry.uncertain { "?" } else { " " };
        let mut before = format!("{}  {}{question} ", self.styles().dim(place), phrase::letter(entry.side));
        let indent = " ".repeat(self.column());
        let mut last = 0;
        for row in self.rows(entry) {
            last = width(row.trim_end());
            let row = self.said(entry, row.trim_end());
            self.line(format_args!("{before}{row}").to_string().trim_end());
            before.clone_from(&indent);
        }
        if let Some(severity) = entry.marks.iter().filter(|mark| mark.is_exact).map(|mark| mark.finding.severity).max()
        {
            self.line(format_args!("{indent}{}", self.styles().severity(severity, "^".repeat(last.max(1)))));
        }
        for Mark { finding, .. } in &entry.marks {
            self.finding(finding, &indent, "");
        }
    }

    /// What an entry says, in rows that fit.
    fn rows(&self, entry: &Entry) -> Vec<String> {
        let room = self.room();
        let broken = |line: &str| rows(line, room).into_iter().map(str::to_owned).collect::<Vec<String>>();
        let What::Lines(lines) = &entry.what else {
            return wrapped(&phrase::note(entry, self.view.whole).unwrap_or_default(), room);
        };
        let line = |line: &String| if self.view.whole { broken(line) } else { broken(&shortened(line)) };
        if self.view.whole || lines.len() <= FOLDED {
            return lines.iter().flat_map(line).collect();
        }
        let (folded, last) = (lines.len().saturating_sub(SHOWN).saturating_sub(1), lines.last());
        let mut all: Vec<String> = lines.iter().take(SHOWN).flat_map(line).collect();
        all.extend(wrapped(&format!("({folded} more lines: -v shows them)"), room));
        all.extend(last.into_iter().flat_map(line));
        all
    }

    /// `severity: message [rule/check]`, and more of it where all is wanted.
    fn finding(&mut self, finding: &Finding, indent: &str, behind: &str) {
        let Finding { severity, message, rule, check, fingerprint, .. } = finding;
        let sentence = format!("{severity}: {message} [{rule}/{check}]{behind}");
        let mut first = true;
        for row in wrapped(&sentence, self.view.width.saturating_sub(width(indent)).saturating_sub(2)) {
            let named = row.split_once(':').filter(|_| first);
            let row = match named {
                Some((word, rest)) => format!("{}:{rest}", self.styles().severity(*severity, word)),
                None => row.clone(),
            };
            let more = if std::mem::take(&mut first) { "" } else { "  " };
            self.line(format_args!("{indent}{more}{row}"));
        }
        if self.view.whole {
            let text = format!("fingerprint {fingerprint}, confidence {}", finding.confidence);
            for row in wrapped(&text, self.view.width.saturating_sub(width(indent)).saturating_sub(2)) {
                self.line(format_args!("{indent}  {}", self.styles().dim(row)));
            }
        }
    }

    /// What belongs to no entry.
    fn others(&mut self) {
        let Dialogue { others, unreported, .. } = self.dialogue;
        if !others.is_empty() {
            self.line("\n  Not about one line");
        }
        for finding in others {
            let frames: Vec<String> = finding.packets.iter().map(|packet| packet.frame.to_string()).collect();
            let (word, few) = (if frames.len() == 1 { "frame" } else { "frames" }, frames.get(..3).unwrap_or(&frames));
            let more = if frames.len() > few.len() { ", …" } else { "" };
            self.finding(finding, "  ", &format!(" ({word} {}{more})", few.join(", ")));
        }
        if !unreported.is_empty() {
            self.line("\n  Already reported for this server");
        }
        for (check, more) in unreported {
            self.line(format_args!("  {check}: {}", counted(*more, "time", "times")));
        }
    }

    fn filters(&mut self) {
        self.line("");
        let found = filters::of_findings(self.dialogue);
        let several = found.len() > 1 || self.dialogue.session.capture != self.dialogue.session.last_capture;
        let mut label = "Wireshark";
        for (capture, filter) in &found {
            if several {
                self.line(format_args!(
                    "  {}  {}",
                    self.styles().dim(format_args!("{label:<9}")),
                    self.styles().dim(format_args!("in {capture}"))
                ));
                label = "";
            }
            self.line(format_args!("  {}  {filter}", self.styles().dim(format_args!("{label:<9}"))));
            label = "";
        }
        let label = if found.is_empty() { "Wireshark" } else { "whole" };
        let whole = filters::of_session(&self.dialogue.session);
        self.line(format_args!("  {}  {whole}", self.styles().dim(format_args!("{label:<9}"))));
    }

    /// Where the text of a line begins, and how many cells it has.
    fn column(&self) -> usize {
        let seconds = if self.seconds > 0 { self.seconds.saturating_add(2) } else { 0 };
        self.frames.saturating_add(seconds).saturating_add(7)
    }

    fn room(&self) -> usize {
        self.view.width.saturating_sub(self.column()).max(10)
    }

    fn indented(&mut self, text: &str, indent: &str) {
        for row in wrapped(text, self.view.width.saturating_sub(width(indent))) {
            self.line(format_args!("{indent}{row}"));
        }
    }

    fn line(&mut self, line: impl Display) {
        let _ = writeln!(self.out, "{line}");
    }

    fn styles(&self) -> Styles {
        Styles { color: self.view.color }
    }

    /// A row of what was said: by its worst finding, by the side, or pale where it is only told.
    fn said(&self, entry: &Entry, row: &str) -> String {
        let styles = self.styles();
        match (entry.worst(), entry.side, &entry.what) {
            _ if row.is_empty() => String::new(),
            (Some(severity), ..) => styles.severity(severity, row),
            (None, Some(Side::Server), What::Lines(_)) => styles.server(row),
            (None, _, What::Lines(_)) => row.to_owned(),
            (None, ..) => styles.dim(row),
        }
    }
}

/// A sentence in rows of so many cells.
fn wrapped(text: &str, cells: usize) -> Vec<String> {
    wrap(text, cells).iter().map(|row| row.trim_end().to_owned()).collect()
}

fn digits(number: u64) -> usize {
    number.to_string().len()
}
