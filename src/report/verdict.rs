//! The verdict: what a scan came to, in a few lines that stand before everything else.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::ledger::Kind;
use crate::ledger::server::{Help, StartTls};
use crate::record::{Options, Severity, Summary};

use super::digest::{Digest, Listed};
use super::figures::{count, counted, percent};
use super::{naming, unread, words};

/// One severity and how many findings have it; or words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Found(Severity, String),
    Words(String),
}

/// What was found, in one line.
pub(crate) fn verdict(digest: &Digest) -> Vec<Part> {
    if let Some(summary) = &digest.summary
        && summary.sessions == 0
    {
        return vec![Part::Words("Nothing was judged: no SMTP session was found.".to_owned())];
    }
    let filtered = digest.start.as_ref().is_some_and(|start| filter(&start.options).is_some());
    if filtered && digest.kinds.has(Kind::Servers) && digest.servers.len() == 0 && digest.summary.is_some() {
        return vec![Part::Words("Nothing was judged: no session passes the filters.".to_owned())];
    }
    if !digest.kinds.has(Kind::Findings) && digest.summary.is_none() {
        return vec![Part::Words("Findings are not in this report (see --records).".to_owned())];
    }
    let interrupted = digest.summary.as_ref().is_some_and(|summary| summary.interrupted);
    let so_far = if interrupted { " (interrupted: this is what was read until then)" } else { "" };
    let servers = digest.servers.len();
    let times = digest.times();
    let found: Vec<_> = times.iter().rev().filter(|(_, times)| **times > 0).collect();
    if found.is_empty() {
        if filtered {
            return vec![Part::Words(format!("No findings pass the filters{so_far}"))];
        }
        let on =
            if servers == 0 { String::new() } else { format!(" on {}", counted(servers as u64, "server", "servers")) };
        return vec![Part::Words(format!("No findings{on}{so_far}"))];
    }
    let mut parts = Vec::new();
    for (severity, times) in found {
        if !parts.is_empty() {
            parts.push(Part::Words(", ".to_owned()));
        }
        parts.push(Part::Found(*severity, format!("{} {}", count(*times), severity.name())));
    }
    let on = match (digest.servers.with_findings(), servers) {
        (_, 0) => String::new(),
        (1, 1) => " on 1 server".to_owned(),
        (found, all) if found >= all => format!(" on all {} servers", count(all as u64)),
        (found, all) => format!(" on {} of {} servers", count(found as u64), count(all as u64)),
    };
    parts.push(Part::Words(format!("{on}{so_far}")));
    parts
}

/// What the servers make of HELP and of STARTTLS, and how much was not read: label and words.
pub(crate) fn lines(digest: &Digest) -> Vec<(&'static str, String)> {
    let servers = digest.servers.worst_first();
    let mut lines = Vec::new();
    if let Some(filter) = digest.start.as_ref().and_then(|start| filter(&start.options)) {
        lines.push(("Only", filter));
    }
    if !servers.is_empty() {
        lines.push(("HELP", help(&servers)));
        lines.push(("STARTTLS", starttls(&servers)));
    }
    if let Some(summary) = &digest.summary {
        lines.push(("Not read", not_read(summary)));
    }
    lines
}

/// What leaves something out of a report, as it is typed.
const FILTERS: &[&str] =
    &["since", "until", "servers", "client", "session", "match", "min_severity", "select", "ignore"];

/// The filters that are in force.
fn filter(options: &Options) -> Option<String> {
    let [in_force, usual] =
        [options, &Options::default()].map(|options| serde_json::to_value(options).unwrap_or_default());
    let told = FILTERS.iter().filter(|key| in_force.get(key) != usual.get(key)).map(|key| {
        let word = |value: &Value| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            match *key {
                // One address is no network to a person.
                "servers" | "client" => {
                    let alone = if text.contains(':') { "/128" } else { "/32" };
                    text.strip_suffix(alone).unwrap_or(&text).to_owned()
                }
                // A whole second has no fraction.
                "since" | "until" => text.replace(".000000000Z", "Z"),
                "match" => naming::quoted(&text),
                _ => text,
            }
        };
        let value = match in_force.get(key) {
            Some(Value::Array(items)) => items.iter().map(word).collect::<Vec<_>>().join(", "),
            Some(value) => word(value),
            None => String::new(),
        };
        format!("--{} {value}", key.replace('_', "-"))
    });
    Some(told.collect::<Vec<_>>().join(" ")).filter(|told| !told.is_empty())
}

fn help(servers: &[Listed<'_>]) -> String {
    if let [one] = servers {
        return words::help(one.server.help).to_owned();
    }
    let said = |help: Help| match help {
        Help::Exposed => ("answers it", "answer it"),
        Help::Advertised => ("only advertises it", "only advertise it"),
        Help::Refused => ("refuses it", "refuse it"),
        Help::Unclear => ("unclear", "unclear"),
        Help::Unknown => ("not asked", "not asked"),
    };
    let counts = tally(servers.iter().map(|row| std::cmp::Reverse(row.server.help)));
    let parts = counts.into_iter().map(|(help, number)| counted(number, said(help.0).0, said(help.0).1));
    parts.collect::<Vec<_>>().join(", ")
}

fn starttls(servers: &[Listed<'_>]) -> String {
    if let [one] = servers {
        return words::starttls(one.server.starttls).to_owned();
    }
    let said = |offer: StartTls| match offer {
        StartTls::Offered => ("offers it", "offer it"),
        StartTls::NotOffered => ("does not", "do not"),
        StartTls::Unknown => ("not known", "not known"),
    };
    let counts = tally(servers.iter().map(|row| std::cmp::Reverse(row.server.starttls)));
    let alone = counts.keys().all(|offer| offer.0 != StartTls::Offered);
    let parts = counts.into_iter().map(|(offer, number)| match offer.0 {
        StartTls::NotOffered if alone => counted(number, "does not offer it", "do not offer it"),
        other => counted(number, said(other).0, said(other).1),
    });
    parts.collect::<Vec<_>>().join(", ")
}

fn not_read(summary: &Summary) -> String {
    let unread = unread::packets(summary);
    let mut parts = Vec::new();
    if unread > 0 {
        let (all, share) = (count(summary.packets), percent(unread, summary.packets));
        parts.push(format!("{} of {all} packets ({share}) not analysed", count(unread)));
    }
    let missing = summary.not_analysed.get(crate::ledger::MISSING.name).copied().unwrap_or(0);
    if missing > 0 {
        parts.push(format!("{} missing", counted(missing, "byte", "bytes")));
    }
    if summary.encrypted_sessions > 0 {
        parts.push(format!(
            "{} of {} encrypted",
            count(summary.encrypted_sessions),
            counted(summary.sessions, "session", "sessions")
        ));
    }
    if summary.capture_dropped > 0 {
        parts.push(format!("{} dropped while capturing", counted(summary.capture_dropped, "packet", "packets")));
    }
    if summary.problems > 0 {
        parts.push(format!("{} could not be read completely", counted(summary.problems, "input", "inputs")));
    }
    if parts.is_empty() { "nothing".to_owned() } else { parts.join("; ") }
}

fn tally<T: Ord>(values: impl Iterator<Item = T>) -> BTreeMap<T, u64> {
    let mut counts = BTreeMap::new();
    for value in values {
        let count: &mut u64 = counts.entry(value).or_default();
        *count = count.saturating_add(1);
    }
    counts
}
