//! How to fix what a group found: for the software that was seen first, with where it was seen; what is for any; and what is for
//! other software apart.

use std::collections::BTreeMap;
use std::fmt;

use askama::filters::HtmlSafe;
use askama::filters::{Html, escape};

use crate::report::digest::Group;
use crate::rules::{self, Fix};

use super::context::some;

/// So many servers are named beside a fix.
const SERVERS: usize = 4;

/// What can be done.
#[derive(Debug, Default)]
pub(super) struct Advice {
    /// For the software that was seen, then for any.
    pub seen: Vec<Advised>,
    pub others: Vec<Advised>,
    /// `Exim, Sendmail and 2 more`.
    pub others_named: String,
}

/// One fix.
#[derive(Debug)]
pub(super) struct Advised {
    pub software: &'static str,
    /// The servers that have it.
    pub on: Option<String>,
    pub text: Prose,
    pub source: Prose,
}

/// Text of the catalogue: what stands between backticks is code, and addresses are links.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prose(&'static str);

impl Advice {
    pub(super) fn is_empty(&self) -> bool {
        self.seen.is_empty() && self.others.is_empty()
    }
}

/// The fixes of a group's check; `software` is what its servers run, and where.
pub(super) fn advice(group: &Group, software: &BTreeMap<&str, Vec<String>>) -> Advice {
    let Some(rule) = rules::find(&group.rule) else { return Advice::default() };
    let is_of_check = |fix: &&Fix| fix.checks.is_empty() || fix.checks.contains(&&*group.check);
    let mut advice = Advice::default();
    let mut for_any = Vec::new();
    for fix in rule.fixes.iter().filter(is_of_check) {
        let on = fix.software.and_then(|name| software.get(name));
        let of = |software, on: Option<&Vec<String>>| Advised {
            software,
            on: on.map(|servers| some(servers.iter().cloned(), servers.len(), SERVERS)),
            text: Prose(fix.text),
            source: Prose(fix.source),
        };
        match (fix.software, on) {
            (Some(name), Some(_)) => advice.seen.push(of(name, on)),
            (Some(name), None) => advice.others.push(of(name, None)),
            (None, _) => for_any.push(of("Any software", None)),
        }
    }
    advice.seen.extend(for_any);
    let mut names: Vec<String> = advice.others.iter().map(|advised| advised.software.to_owned()).collect();
    names.dedup();
    advice.others_named = format!("For {}", some(names.iter().cloned(), names.len(), SERVERS));
    advice
}

impl HtmlSafe for Prose {}

impl fmt::Display for Prose {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, part) in self.0.split('`').enumerate() {
            if nth % 2 == 1 {
                write!(out, "<code>{}</code>", escaped(part))?;
            } else {
                linked(part, out)?;
            }
        }
        Ok(())
    }
}

fn linked(text: &str, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut rest = text;
    while let Some(at) = rest.find("https://") {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        let end = from.find([' ', ';', ',', ')']).unwrap_or(from.len());
        let (url, behind) = from.split_at_checked(end).unwrap_or((from, ""));
        let url = escaped(url);
        write!(out, "{}<a href=\"{url}\" rel=\"noreferrer\">{url}</a>", escaped(before))?;
        rest = behind;
    }
    write!(out, "{}", escaped(rest))
}

fn escaped(text: &str) -> String {
    escape(text, Html).map(|safe| safe.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_addresses_in_prose_are_marked_and_the_rest_is_text() {
        let prose = Prose("Set `a <b>` & see (https://example.org/x?a=1&b=2), or not.");
        assert_eq!(
            prose.to_string(),
            "Set <code>a &#60;b&#62;</code> &#38; see (<a href=\"https://example.org/x?a=1&#38;b=2\" rel=\"noreferrer\">\
             https://example.org/x?a=1&#38;b=2</a>), or not."
        );
    }
}
