//! What was analysed and what was not, of packets and of sessions: a bar each, with the same numbers below it; then everything else
//! that was not read, with what to do about it.

use askama::Template;

use crate::base::meaning::Unit;
use crate::record::{Name, Summary};
use crate::report::digest::Digest;
use crate::report::figures::{count, percent};
use crate::report::meaning;
use crate::report::unread;

use super::context::Context;
use super::line::Line;
use super::sessions::Counts;

/// A bar's length, in its own units.
const LENGTH: u64 = 1_000;
/// The colours of what was not analysed take turns.
const COLOURS: usize = 4;

#[derive(Default, Template)]
#[template(path = "coverage.html")]
pub(super) struct Coverage {
    /// All packets, all sessions.
    wholes: Vec<Shares>,
    others: Vec<Part>,
    notes: Vec<String>,
    skipped: Vec<Line>,
    skipped_more: u64,
}

/// A whole in its parts.
struct Shares {
    /// What it is of, in the plural.
    of: &'static str,
    bars: Vec<Bar>,
    parts: Vec<Part>,
}

struct Bar {
    colour: usize,
    at: u64,
    width: u64,
}

struct Part {
    colour: usize,
    what: Line,
    /// The first of them: a capture and a frame.
    first: Option<(Line, u64)>,
    advice: String,
    number: String,
    /// Of the whole; of what is no part of one, the unit.
    share: String,
}

pub(super) fn coverage(counts: Counts, context: &Context<'_>) -> Coverage {
    let Some(summary) = &context.digest.summary else { return Coverage::default() };
    let (mut of_packets, mut others) = (Vec::new(), Vec::new());
    // Reasons that are counted in packets stand first.
    let is_of_packets = |(name, count): &(&Name, &u64)| **count > 0 && meaning::of(name).unit == Unit::Packets;
    let reasons = summary.not_analysed.iter().filter(is_of_packets).count();
    for (nth, row) in unread::rows(summary, notices_ports(context.digest)).iter().enumerate() {
        let part = Part {
            colour: 0,
            what: Line::of(&row.what),
            first: row.first.as_ref().map(|(capture, frame)| (context.capture(capture), *frame)),
            advice: row.advice.clone().unwrap_or_default(),
            number: count(row.count),
            share: row.unit.word(row.count).to_owned(),
        };
        match row.unit {
            _ if nth < reasons => of_packets.push((row.count, part)),
            // They are among all sessions.
            Unit::Sessions => {}
            _ => others.push(part),
        }
    }
    Coverage {
        wholes: [packets(summary, of_packets), sessions(counts)].into_iter().flatten().collect(),
        others,
        notes: [unread::elsewhere(summary), unread::clock(summary)].into_iter().flatten().collect(),
        skipped: summary.skipped_files.iter().map(|path| context.capture(path)).collect(),
        skipped_more: summary.files_skipped.saturating_sub(summary.skipped_files.len() as u64),
    }
}

fn notices_ports(digest: &Digest) -> bool {
    let options = digest.start.as_ref().map(|start| &start.options);
    options.is_some_and(|options| {
        options.bpf.as_ref().is_some_and(|bpf| bpf.given().is_some()) || options.notice_ports == Some(true)
    })
}

fn packets(summary: &Summary, unread: Vec<(u64, Part)>) -> Option<Shares> {
    let not = unread.iter().map(|(count, _)| *count).fold(0, u64::saturating_add);
    let read = summary.packets.saturating_sub(not);
    shares("packets", summary.packets, (read, part("analysed")), unread)
}

fn sessions(counts: Counts) -> Option<Shares> {
    let Counts { encrypted, lossy, partial, whole } = counts;
    let others = [
        (encrypted, "encrypted: only what came before TLS was read"),
        (lossy, "incomplete: bytes inside them were not captured"),
        (partial, "incomplete: their beginning or end was not captured"),
    ];
    let others = others.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| (count, part(what))).collect();
    shares("sessions", counts.all(), (whole, part("read from start to end")), others)
}

fn part(what: &str) -> Part {
    Part {
        colour: 0,
        what: Line::of(what),
        first: None,
        advice: String::new(),
        number: String::new(),
        share: String::new(),
    }
}

/// The whole in its parts, where there is one; what was read is the first, and always there.
fn shares(of: &'static str, whole: u64, read: (u64, Part), others: Vec<(u64, Part)>) -> Option<Shares> {
    if whole == 0 {
        return None;
    }
    let (mut bars, mut parts, mut at) = (Vec::new(), Vec::new(), 0_u64);
    for (nth, (number, part)) in std::iter::once(read).chain(others).enumerate() {
        let colour = if nth == 0 { 0 } else { nth.saturating_sub(1).rem_euclid(COLOURS).saturating_add(1) };
        let length = u128::from(number).saturating_mul(u128::from(LENGTH)).checked_div(u128::from(whole)).unwrap_or(0);
        let length = u64::try_from(length).unwrap_or(0);
        // The smallest part shows, and between two there is a line.
        let length = if number == 0 { 0 } else { length.max(3) };
        if length > 0 {
            bars.push(Bar { colour, at, width: length.saturating_sub(1) });
        }
        at = at.saturating_add(length);
        parts.push(Part { colour, number: count(number), share: percent(number, whole), ..part });
    }
    Some(Shares { of, bars, parts })
}

impl Shares {
    /// How long the bar is: small parts make it longer than it would be.
    fn length(&self) -> u64 {
        self.bars.last().map_or(LENGTH, |bar| bar.at.saturating_add(bar.width)).max(1)
    }
}
