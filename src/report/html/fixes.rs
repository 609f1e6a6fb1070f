//! How to fix what a group found: for the software that was seen first, with where it was seen; what is for any; and what is for
//! other software apart.

use std::collections::{BTreeMap, BTreeSet};
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
    pub source: Source,
}

/// Where the catalogue has a fix from: what it was tried with, and what else says so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source(&'static str);

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
            source: Source(fix.source),
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

impl HtmlSafe for Source {}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let recording = |part: &&'static str| part.starts_with(RECORDED);
        let (recorded, said): (Vec<&str>, Vec<&str>) = self.0.split("; ").partition(recording);
        // Software and version; the rest is the name of a recording of ours.
        let name = |part: &&str| part.split_whitespace().skip(2).take(2).collect::<Vec<_>>().join(" ");
        let tried: BTreeSet<String> = recorded.iter().map(name).collect();
        if !tried.is_empty() {
            let tried: Vec<&str> = tried.iter().map(|name| name.trim_end_matches(',')).collect();
            write!(out, "Tried with {}. ", escaped(&tried.join(", ")))?;
        }
        if !said.is_empty() {
            out.write_str("Source: ")?;
        }
        for (nth, part) in said.iter().enumerate() {
            out.write_str(if nth == 0 { "" } else { "; " })?;
            linked(part, out)?;
        }
        Ok(())
    }
}

/// What a part of a source begins with that names a recording.
const RECORDED: &str = "recorded from ";

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
    fn a_source_says_what_a_fix_was_tried_with_once() {
        let source =
            Source("recorded from Exim 4.96; the manual; recorded from Exim 4.96 no-help; https://example.org/");
        assert_eq!(
            source.to_string(),
            "Tried with Exim 4.96. Source: the manual; <a href=\"https://example.org/\" rel=\"noreferrer\">https://example.org/</a>"
        );
    }

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
