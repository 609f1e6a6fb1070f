//! The servers, the worst first: what they are, how many findings of each severity they have, and what they make of HELP and
//! STARTTLS. A real table, whose cells are the darker the more there is.

use std::collections::BTreeMap;

use askama::Template;

use crate::record::Severity;
use crate::report::digest::{Group, Listed};
use crate::report::figures::{count, counted};
use crate::report::words;

use super::context::Context;
use super::line::Line;
use super::markup::{Markup, Room};

/// What the rows may take, in bytes.
const ROOM: usize = 350_000;
/// How dark a cell can be.
const TINTS: u64 = 3;

#[derive(Template)]
#[template(path = "servers.html")]
pub(super) struct Servers {
    severities: Vec<Severity>,
    rows: Vec<Markup>,
    more: Option<String>,
    /// Where several servers answer at one address: what they are.
    several: Vec<(String, Line)>,
}

#[derive(Template)]
#[template(path = "server.html")]
struct Row<'p> {
    server: String,
    /// Where each capture is treated alone.
    capture: Option<Line>,
    software: Option<Line>,
    greeting: Option<Line>,
    greetings: String,
    sessions: String,
    heat: Vec<Heat>,
    worst: Option<(&'p str, &'p str)>,
    help: &'static str,
    starttls: &'static str,
}

/// A cell that is tinted.
struct Heat {
    severity: Severity,
    number: String,
    tint: u64,
}

pub(super) fn servers(groups: &[&Group], context: &Context<'_>) -> Servers {
    let all = context.digest.servers.worst_first();
    let is_told =
        |severity: &Severity| *severity != Severity::Critical || all.iter().any(|row| row.times(*severity) > 0);
    let severities: Vec<Severity> = Severity::ALL.into_iter().rev().filter(is_told).collect();
    let most = |severity: &Severity| all.iter().map(|row| row.times(*severity)).max().unwrap_or(0);
    let most: Vec<(Severity, u64)> = severities.iter().map(|severity| (*severity, most(severity))).collect();
    // The worst group of a check is that of its worst severity.
    let mut of_check: BTreeMap<(&str, &str), &Group> = BTreeMap::new();
    for group in groups {
        of_check.entry((&group.rule, &group.check)).or_insert(group);
    }
    let rows = all.iter().map(|listed| {
        let group = listed.worst.and_then(|worst| of_check.get(&worst));
        row(listed, &most, group.map(|group| (context.anchor(group), &*group.title)), context)
    });
    let (rows, more) = Room::of(ROOM).fill(rows);
    let several = all.iter().take(rows.len()).filter(|row| !row.server.several_software.is_empty()).map(|row| {
        let software: Vec<String> = row.server.several_software.iter().map(ToString::to_string).collect();
        (row.server.to_string(), Line::of(&software.join(", ")))
    });
    let more = (more > 0).then(|| {
        let worst = all.get(rows.len()).and_then(|row| row.severity);
        let what = worst
            .map_or_else(|| "none with a finding".to_owned(), |worst| format!("none with a finding above {worst}"));
        format!("{}, {what}", counted(more, "more server", "more servers"))
    });
    let several = several.collect();
    Servers { severities, rows, more, several }
}

fn row<'p>(
    listed: &Listed<'_>,
    most: &[(Severity, u64)],
    worst: Option<(&'p str, &'p str)>,
    context: &Context<'_>,
) -> Row<'p> {
    let server = listed.server;
    let heat = most.iter().map(|(severity, most)| {
        let times = listed.times(*severity);
        let tint = times.saturating_mul(TINTS).div_ceil((*most).max(1));
        Heat { severity: *severity, number: if times == 0 { "–".to_owned() } else { count(times) }, tint }
    });
    Row {
        server: server.to_string(),
        capture: server.capture.as_deref().map(|capture| context.capture(capture)),
        software: server.software.as_ref().map(|software| Line::of(&software.to_string())),
        greeting: server.greetings.first().map(|greeting| Line::of(greeting)),
        greetings: match server.greetings.len() {
            0 | 1 => String::new(),
            // So many are kept of a server.
            number @ 8.. => format!("({number} or more different)"),
            number => format!("({number} different)"),
        },
        sessions: count(server.sessions),
        heat: heat.collect(),
        worst,
        help: words::help(server.help),
        starttls: words::starttls(server.starttls),
    }
}
