//! The long tables: sessions with a filter, and captures with their hashes.

use askama::Template;

use crate::record::{Capture, Summary, When};
use crate::report::figures::{count, counted, second};

use super::context::Context;
use super::line::Line;
use super::markup::{Markup, Room};
use super::sessions::{Seen, Sessions};

/// What the rows of each may take, in bytes.
const ROOM_OF_SESSIONS: usize = 600_000;
const ROOM_OF_CAPTURES: usize = 400_000;

#[derive(Template)]
#[template(path = "sessions.html")]
pub(super) struct SessionTable {
    rows: Vec<Markup>,
    more: Option<String>,
}

#[derive(Template)]
#[template(path = "session.html")]
struct SessionRow<'p> {
    seen: &'p Seen,
    time: String,
    commands: String,
    findings: String,
    /// By which severities sort: the worst is 5, and none 0.
    rank: u8,
    capture: Line,
    frames: String,
}

pub(super) fn sessions(sessions: &Sessions, context: &Context<'_>) -> SessionTable {
    let (seen, cut) = sessions.rows();
    let (rows, more) = Room::of(ROOM_OF_SESSIONS).fill(seen.into_iter().map(|seen| session(seen, context)));
    let more = more.saturating_add(cut);
    SessionTable { rows, more: (more > 0).then(|| counted(more, "more session", "more sessions")) }
}

fn session<'p>(seen: &'p Seen, context: &Context<'_>) -> SessionRow<'p> {
    SessionRow {
        seen,
        time: context.time(seen.start),
        commands: count(seen.commands),
        findings: if seen.findings > 1 { count(seen.findings) } else { String::new() },
        rank: seen.worst.map_or(0, |worst| (worst as u8).saturating_add(1)),
        capture: context.capture(&seen.capture),
        frames: match seen.last_frame {
            Some(last) => format!("{}–{last}", seen.first_frame),
            None => format!("from {}", seen.first_frame),
        },
    }
}

#[derive(Template)]
#[template(path = "captures.html")]
pub(super) struct CaptureTable {
    rows: Vec<Markup>,
    more: Option<String>,
    is_hashed: bool,
}

#[derive(Template)]
#[template(path = "capture.html")]
struct CaptureRow<'p> {
    path: Line,
    packets: String,
    first: String,
    last: String,
    is_truncated: bool,
    hash: Option<&'p str>,
    is_hashed: bool,
}

pub(super) fn captures(summary: &Summary, context: &Context<'_>) -> CaptureTable {
    let is_hashed = summary.captures.iter().any(|capture| capture.sha256.is_some());
    let rows = summary.captures.iter().map(|file| capture(file, is_hashed, context));
    let (rows, more) = Room::of(ROOM_OF_CAPTURES).fill(rows);
    CaptureTable { rows, more: (more > 0).then(|| counted(more, "more capture", "more captures")), is_hashed }
}

fn capture<'p>(capture: &'p Capture, is_hashed: bool, context: &Context<'_>) -> CaptureRow<'p> {
    let time = |time: Option<When>| time.map(second).unwrap_or_default();
    CaptureRow {
        path: context.capture(&capture.path),
        packets: count(capture.packets),
        first: time(capture.first_time),
        last: time(capture.last_time),
        is_truncated: capture.truncated,
        hash: capture.sha256.as_deref(),
        is_hashed,
    }
}
