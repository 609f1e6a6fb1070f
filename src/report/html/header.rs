//! The head of the page: the verdict as a sentence, the worst of it, how many findings of each severity, and what was read.

use askama::Template;

use crate::record::Summary;
use crate::report::digest::{Digest, Group};
use crate::report::figures::{Span, count, counted, second};
use crate::report::verdict;
use crate::rules::Severity;

use super::context::{Context, some};
use super::line::Line;

#[derive(Template)]
#[template(path = "header.html")]
pub(super) struct Header<'p> {
    inputs: Vec<Line>,
    more_inputs: Option<String>,
    pub headline: String,
    worst: Option<Worst<'p>>,
    warnings: Vec<&'static str>,
    severities: Vec<Big<'p>>,
    facts: Vec<(&'static str, String)>,
}

/// The worst group, and on which servers it is.
struct Worst<'p> {
    anchor: &'p str,
    title: &'p str,
    on: String,
}

/// How many findings of one severity there are.
struct Big<'p> {
    severity: Severity,
    number: String,
    /// Where the first of them is; nowhere where there is none.
    anchor: Option<&'p str>,
}

/// So many inputs are named.
const INPUTS: usize = 3;

pub(super) fn header<'p>(groups: &[&'p Group], context: &'p Context<'_>) -> Header<'p> {
    let digest = context.digest;
    let times = digest.times();
    let big = |severity: &Severity| {
        let number = times.get(severity).copied().unwrap_or(0);
        let first = groups.iter().find(|group| group.severity == *severity);
        Big { severity: *severity, number: count(number), anchor: first.map(|group| context.anchor(group)) }
    };
    let is_told = |severity: &&Severity| **severity != Severity::Critical || times.contains_key(severity);
    let inputs = &context.look.inputs;
    let more = inputs.len().saturating_sub(INPUTS) as u64;
    Header {
        inputs: inputs.iter().take(INPUTS).map(|input| Line::of(input)).collect(),
        more_inputs: (more > 0).then(|| count(more)),
        headline: headline(digest),
        worst: groups.first().map(|group| worst(group, context)),
        warnings: warnings(digest),
        severities: Severity::ALL.iter().rev().filter(is_told).map(big).collect(),
        facts: facts(digest),
    }
}

/// What was found, in a sentence: of the worst severities alone, where there are any of those.
fn headline(digest: &Digest) -> String {
    let nothing_judged = digest.summary.as_ref().is_some_and(|summary| summary.sessions == 0);
    let is_bad = |severity: Severity| severity >= Severity::Medium;
    let found: Vec<(Severity, u64)> = digest.times().into_iter().rev().filter(|(_, times)| *times > 0).collect();
    let bad: Vec<(Severity, u64)> = found.iter().copied().filter(|(severity, _)| is_bad(*severity)).collect();
    let told = if bad.is_empty() { found } else { bad };
    if nothing_judged || told.is_empty() {
        let parts = verdict::verdict(digest).into_iter().map(|part| match part {
            verdict::Part::Found(_, text) | verdict::Part::Words(text) => text,
        });
        return parts.collect();
    }
    let times: Vec<String> = told.iter().map(|(severity, times)| format!("{} {severity}", count(*times))).collect();
    let noun = if told.iter().map(|(_, times)| times).sum::<u64>() == 1 { "finding" } else { "findings" };
    let servers = digest.servers.worst_first();
    let concerned =
        servers.iter().filter(|row| told.iter().any(|(severity, _)| row.times(*severity) > 0)).count() as u64;
    let on = match (concerned, servers.len() as u64) {
        (0, _) => String::new(),
        (1, 1) => " on 1 server".to_owned(),
        (concerned, all) if concerned == all => format!(" on all {} servers", count(all)),
        (concerned, all) => format!(" on {} of {}", count(concerned), counted(all, "server", "servers")),
    };
    format!("{} {noun}{on}", listed(&times))
}

/// `a, b and c`.
fn listed(items: &[String]) -> String {
    match items {
        [before @ .., last] if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        items => items.concat(),
    }
}

fn worst<'p>(group: &'p Group, context: &'p Context<'_>) -> Worst<'p> {
    let on = match group.servers.iter().next() {
        Some(server) if group.servers.len() == 1 => {
            let software = context.software(group).into_keys().next();
            software.map_or_else(|| server.to_string(), |software| format!("{server} ({software})"))
        }
        _ => some(group.servers.iter().map(ToString::to_string), group.servers.len(), 2),
    };
    Worst { anchor: context.anchor(group), title: &group.title, on }
}

fn warnings(digest: &Digest) -> Vec<&'static str> {
    let summary = digest.summary.as_deref();
    let interrupted = summary.is_some_and(|summary| summary.interrupted);
    let shows_secrets = digest.start.as_ref().is_some_and(|start| start.options.show_secrets);
    let all = [
        (interrupted, "The scan was interrupted: this is what was read until then."),
        (summary.is_none(), "The scan did not come to its end: what it read last is missing."),
        (shows_secrets, "This report contains passwords: it was made with --show-secrets."),
    ];
    all.into_iter().filter(|(is_so, _)| *is_so).map(|(_, warning)| warning).collect()
}

fn facts(digest: &Digest) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let Some(summary) = &digest.summary {
        facts.push(("Read", read(summary, digest)));
        if let (Some(first), Some(last)) = (summary.first_time, summary.last_time) {
            let end = if Span::of(first, last) == Span::Day { Span::Day.time(last) } else { second(last) };
            facts.push(("Period", format!("{} to {end} UTC", second(first))));
        }
    }
    facts.extend(verdict::lines(digest));
    facts
}

fn read(summary: &Summary, digest: &Digest) -> String {
    let captures = counted(summary.captures.len() as u64, "capture", "captures");
    let packets = counted(summary.packets, "packet", "packets");
    let sessions = counted(summary.sessions, "session", "sessions");
    let servers = counted(digest.servers.len() as u64, "server", "servers");
    format!("{captures}, {packets}, {sessions}, {servers}")
}
