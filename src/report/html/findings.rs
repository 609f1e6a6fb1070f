//! The findings: a group for each check and severity, the worst first. Each opens to why it matters, how to fix it, and its
//! findings.

use std::collections::BTreeSet;
use std::sync::Arc;

use askama::Template;

use crate::record::{Fingerprint, Side};
use crate::report::digest::Group;
use crate::report::figures::{count, counted, millisecond};
use crate::report::filters;
use crate::rules::{self, About, Rule, Severity};

use super::context::{Context, places, some};
use super::entry::{Entry, Kind};
use super::excerpts::{Excerpt, Excerpts};
use super::fixes::{self, Advice};
use super::line::Line;
use super::markup::{Markup, Room};
use super::piles::{Piles, Quoted, Row, Whole};

/// What the parts of this section may take, in bytes.
const HEADS: usize = 600_000;
const WHOLE: usize = 1_900_000;
const ROWS: usize = 1_000_000;

#[derive(Template)]
#[template(path = "findings.html")]
pub(super) struct Findings {
    severities: Vec<Severity>,
    groups: Vec<Markup>,
    /// Groups that are not shown, and how many findings of groups for which there was no room.
    more_groups: Option<String>,
    gone: Option<String>,
    nothing: &'static str,
}

#[derive(Template)]
#[template(path = "group.html")]
struct Shown<'p> {
    group: &'p Group,
    head: &'p Markup,
    is_open: bool,
    whole: Vec<Markup>,
    rows: Vec<Markup>,
    /// How many findings there are behind the first ones.
    behind: Option<String>,
    /// How many are not on the page.
    elsewhere: Option<String>,
}

/// What stands of a group before its findings.
#[derive(Template)]
#[template(path = "group_head.html")]
struct Head<'p> {
    group: &'p Group,
    anchor: &'p str,
    servers: String,
    times: String,
    on: String,
    why: &'static str,
    look_at: &'static str,
    seen: String,
    advice: Advice,
    references: Vec<(&'static str, Option<&'static str>)>,
    findings: String,
}

/// A finding in full.
#[derive(Template)]
#[template(path = "finding.html")]
struct Full<'p> {
    whole: &'p Whole,
    id: Option<String>,
    is_open: bool,
    time: String,
    lines: Vec<Spoken>,
    before: u64,
    after: u64,
    evidence: Vec<(String, Evidence<'p>)>,
    places: Vec<(Line, String, String)>,
    session_filter: String,
    lists_session: bool,
    show: Option<String>,
}

/// A row of an excerpt.
struct Spoken {
    class: &'static str,
    frame: u64,
    side: &'static str,
    lines: Vec<Line>,
    /// Lines that are left out before the last one.
    left_out: Option<(String, Line)>,
    is_note: bool,
    /// It is the one that the finding is about.
    is_marked: bool,
}

enum Evidence<'p> {
    Words(&'p Line),
    Plain(String),
    Lines(&'p [Line], usize),
}

#[derive(Template)]
#[template(path = "row.html")]
struct Brief<'p> {
    row: &'p Row,
    time: String,
    capture: Line,
    lists_session: bool,
}

/// All groups that were gathered, the worst first.
pub(super) fn findings(groups: &[&Group], piles: &Piles, excerpts: &Excerpts, context: &Context<'_>) -> Findings {
    let (mut heads_room, mut whole_room, mut rows_room) = (Room::of(HEADS), Room::of(WHOLE), Room::of(ROWS));
    let (heads, _) = heads_room.fill(groups.iter().map(|group| head(group, context)));
    let mut ids = BTreeSet::new();
    let mut shown = Vec::new();
    for (nth, (group, head)) in groups.iter().zip(&heads).enumerate() {
        let pile = piles.of(group);
        let mut whole: Vec<&Whole> = pile.map(|pile| pile.whole.iter().collect()).unwrap_or_default();
        whole.sort_by_key(|whole| whole.sort_key());
        let mut rows: Vec<&Row> = pile.map(|pile| pile.rows.iter().collect()).unwrap_or_default();
        rows.sort_by_key(|row| row.nth);
        let full = |(nth_whole, whole)| {
            let is_first_of_all = nth == 0 && nth_whole == 0;
            full(whole, excerpts, &mut ids, is_first_of_all, context)
        };
        let (whole, _) = whole_room.fill(whole.into_iter().enumerate().map(full));
        let (rows, _) = rows_room.fill(rows.into_iter().map(|row| brief(row, context)));
        let behind = group.times.saturating_sub(whole.len() as u64);
        let elsewhere = behind.saturating_sub(rows.len() as u64);
        let said = |number: u64| (number > 0).then(|| counted(number, "more finding", "more findings"));
        let (behind, elsewhere) = (said(behind), said(elsewhere));
        shown.push(Markup::of(&Shown { group, head, is_open: nth == 0, whole, rows, behind, elsewhere }));
    }
    let more_groups = groups.len().saturating_sub(shown.len()) as u64;
    let gone = context.digest.groups.gone().values().copied().fold(0, u64::saturating_add);
    let judged = context.digest.summary.as_ref().is_none_or(|summary| summary.sessions > 0);
    Findings {
        severities: Severity::ALL
            .into_iter()
            .rev()
            .filter(|severity| groups.iter().any(|group| group.severity == *severity))
            .collect(),
        groups: shown,
        more_groups: (more_groups > 0).then(|| counted(more_groups, "more group", "more groups")),
        gone: (gone > 0).then(|| counted(gone, "more finding", "more findings")),
        nothing: if judged { "Nothing was found." } else { "Nothing was judged: no SMTP session was found." },
    }
}

fn head<'p>(group: &'p Group, context: &'p Context<'_>) -> Head<'p> {
    let rule = rules::find(&group.rule);
    let mut servers = some(group.servers.iter().map(ToString::to_string), group.servers.len(), 2);
    let software = context.software(group);
    if group.servers.len() == 1
        && let Some(name) = software.keys().next()
    {
        servers = format!("{servers} ({name})");
    }
    let clients = some(group.clients.iter().map(ToString::to_string), group.clients.len(), 3);
    let who = if group.clients.len() == 1 { "Client" } else { "Clients" };
    let when = context.span.times(group.first, group.last);
    let on = counted(group.servers.len() as u64, "server", "servers");
    Head {
        group,
        anchor: context.anchor(group),
        servers,
        times: if group.times == 1 { "once".to_owned() } else { format!("{} times", count(group.times)) },
        on: if group.servers.is_more() { format!("more than {on}") } else { on },
        why: rule.map_or("", |rule| why(rule, &group.check)),
        look_at: match group.about {
            About::Server => "Look at the server first.",
            About::Client => "Look at the client first.",
            About::Session => "",
        },
        seen: format!("Seen {when}. {who}: {clients}."),
        advice: fixes::advice(group, &software),
        references: rule
            .map(|rule| rule.references().iter().map(|known| (known.text(), known.url())).collect())
            .unwrap_or_default(),
        findings: counted(group.times, "finding", "findings"),
    }
}

/// Why a check matters.
fn why(rule: &Rule, check: &str) -> &'static str {
    let check = rule.checks.iter().find(|known| known.id == check);
    check.and_then(|check| check.why).unwrap_or(rule.why)
}

fn full<'p>(
    whole: &'p Whole,
    excerpts: &Excerpts,
    ids: &mut BTreeSet<Fingerprint>,
    is_open: bool,
    context: &Context<'_>,
) -> Full<'p> {
    let excerpt = excerpts.of(whole.row.nth);
    let lines: Vec<Spoken> = excerpt.map(spoken).unwrap_or_default();
    // A fault that was found twice has one fingerprint: a link to it leads to the first.
    let id = ids.insert(whole.fingerprint).then(|| format!("f-{}", whole.fingerprint));
    // What the marked line says needs not be said again.
    let is_quoted = lines.iter().any(|line| line.is_marked);
    let repeats = |name: &str| {
        is_quoted && matches!(name, "command" | "verb" | "argument" | "reply_code" | "reply_text" | "greeting")
    };
    let evidence = whole.evidence.iter().filter(|(name, _)| !repeats(name));
    Full {
        whole,
        id,
        is_open,
        time: millisecond(whole.row.time),
        lines,
        before: excerpt.map_or(0, |excerpt| excerpt.before),
        after: excerpt.map_or(0, |excerpt| excerpt.after),
        evidence: evidence.map(|(name, quoted)| (label(name), evidence_of(quoted))).collect(),
        places: places(&whole.packets, context),
        session_filter: filters::session(whole.client, &whole.server),
        lists_session: context.lists(&whole.row.session),
        show: context.show(&whole.row.session),
    }
}

fn spoken(excerpt: &Excerpt) -> Vec<Spoken> {
    let line = |entry: &Arc<Entry>| {
        let is_marked = excerpt.marked.is_some_and(|event| entry.has(event));
        let mut lines = entry.lines.clone();
        let left_out = if entry.left_out == 0 { None } else { lines.pop() };
        let of_server = entry.side == Some(Side::Server);
        Spoken {
            class: match (of_server, is_marked) {
                (true, true) => "S k",
                (true, false) => "S",
                (false, true) => "k",
                (false, false) => "",
            },
            frame: entry.frame,
            side: match (entry.side, entry.uncertain) {
                (Some(Side::Client), false) => "C",
                (Some(Side::Client), true) => "C?",
                (Some(Side::Server), false) => "S",
                (Some(Side::Server), true) => "S?",
                (None, _) => "",
            },
            lines,
            left_out: left_out.map(|last| (counted(entry.left_out as u64, "more line", "more lines"), last)),
            is_note: entry.kind != Kind::Said,
            is_marked,
        }
    };
    let mut lines: Vec<Spoken> = excerpt.entries.iter().map(line).collect();
    // Two marks would say the same twice.
    let mut marks = lines.iter_mut().filter(|line| line.is_marked);
    marks.next();
    marks.for_each(|line| line.is_marked = false);
    lines
}

fn evidence_of(quoted: &Quoted) -> Evidence<'_> {
    match quoted {
        Quoted::Words(line) => Evidence::Words(line),
        Quoted::Number(number) => Evidence::Plain(count(*number)),
        Quoted::Flag(flag) => Evidence::Plain(if *flag { "yes" } else { "no" }.to_owned()),
        Quoted::Lines(lines, more) => Evidence::Lines(lines, *more),
    }
}

/// `reply_code` is `Reply code`; a byte is called so where a person reads.
fn label(name: &str) -> String {
    let words = name.replace('_', " ").replace("octet", "byte");
    let mut chars = words.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn brief<'p>(row: &'p Row, context: &Context<'_>) -> Brief<'p> {
    let (time, capture) = (context.time(row.time), context.capture(&row.capture));
    Brief { row, time, capture, lists_session: context.lists(&row.session) }
}
