//! Rules: events with their session in, findings out. Knows nothing of how findings are printed.
//!
//! A rule is one file in one order: the record, its checks, `judge`, its helpers, its tests. The record is all
//! that the catalogue, the command line and the tests know of it. What a rule remembers of a session is one
//! `u32` word; what needs more is a fact and belongs in [`crate::smtp::Session`], or is a finding whose fate is
//! decided later ([`Findings::defer`]).
//!
//! How to add a rule: write its file, add one line to [`RULES`], put its captures under `testdata/rules/<id>/`.
//! It is called for the kinds of events that it names ([`Hears`]); where it finds something in a command that is usual
//! to all other rules ([`glance`]), that command needs a kind of its own.
//!
//! Bounds: [`crate::base::Limit::FindingsPerRule`] for each session and rule; what a finding quotes is cut to
//! [`finding::MOST_OCTETS`] and [`finding::MOST_LINES`].
//! Read in this order: [`rule`], [`catalogue`], [`finding`], [`glance`], [`judge`], [`patterns`], [`reading`], a file per rule.

pub(crate) mod catalogue;
pub(crate) mod finding;
mod glance;
pub(crate) mod judge;
pub(crate) mod patterns;
mod reading;
pub(crate) mod rule;
pub(crate) mod selection;

mod bad_greeting;
mod binary_in_command;
mod exchange_command;
mod help_exposed;
mod non_compliant;
mod private_command;
mod recipient_without_domain;
mod starttls;

pub(crate) use catalogue::{Catalogue, CheckNumber};
pub use finding::Severity;
pub(crate) use finding::{Evidence, Finding};
pub(crate) use judge::{Counts, Findings, Judge, Note, Verdict, What};
pub(crate) use patterns::Software;
pub use rule::{About, Check, Fix, Reference, Rule};
pub(crate) use rule::{Hears, Otherwise, Scope};
pub(crate) use selection::Selection;

/// Every rule in catalogue order, which is also the order of findings within one packet.
pub(crate) static RULES: &[&Rule] = &[
    &help_exposed::RULE,
    &bad_greeting::RULE,
    &binary_in_command::RULE,
    &exchange_command::RULE,
    &non_compliant::RULE,
    &private_command::RULE,
    &recipient_without_domain::RULE,
    &starttls::RULE,
];

/// The rule of that id.
pub(crate) fn find(id: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.id == id)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "positions of a few short lines")]
pub(crate) mod dialogue;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_kebab_case_and_unique() {
        let kebab = |id: &str| id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let mut seen = BTreeSet::new();
        for rule in RULES {
            assert!(kebab(rule.id) && seen.insert((rule.id, "")), "{}", rule.id);
            for check in rule.checks {
                assert!(kebab(check.id) && seen.insert((rule.id, check.id)), "{}/{}", rule.id, check.id);
                assert!(check.confidence <= 100 && !check.fires.is_empty());
            }
        }
    }

    #[test]
    fn titles_are_short_plain_and_all_different() {
        let mut seen = BTreeSet::new();
        for check in RULES.iter().flat_map(|rule| rule.checks) {
            let otherwise = check.otherwise.iter().map(|otherwise| (otherwise.severity, otherwise.title));
            for (severity, title) in otherwise.chain([(check.severity, check.title)]) {
                let most = if severity <= Severity::Low { 33 } else { 45 };
                assert!(title.len() <= most, "{title}: {} characters", title.len());
                let capital = title.starts_with(|first: char| first.is_ascii_uppercase());
                assert!(capital && !title.ends_with('.') && !title.contains('|'), "{title}");
                assert!(seen.insert(title), "{title}");
            }
            assert!(check.otherwise.iter().all(|otherwise| otherwise.severity != check.severity), "{}", check.id);
        }
    }

    #[test]
    fn a_fix_is_for_checks_that_its_rule_has() {
        for rule in RULES {
            for named in rule.fixes.iter().flat_map(|fix| fix.checks) {
                assert!(rule.checks.iter().any(|check| check.id == *named), "{}/{named}", rule.id);
            }
        }
    }

    #[test]
    fn every_record_says_what_why_how_to_fix_it_and_by_which_source() {
        for rule in RULES {
            assert!(!rule.what.is_empty() && !rule.why.is_empty() && !rule.references.is_empty(), "{}", rule.id);
            assert!(!rule.fixes.is_empty() && rule.fixes.iter().all(|fix| !fix.source.is_empty()), "{}", rule.id);
        }
    }

    #[test]
    fn what_a_fix_says_was_recorded_lies_in_testdata() {
        let servers = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/servers");
        for fix in RULES.iter().flat_map(|rule| rule.fixes) {
            assert!(!fix.source.contains("measured"), "{}: a manual or a recording is wanted", fix.text);
            for recorded in fix.source.split("recorded from ").skip(1) {
                let name = recorded.split([';', ',']).next().unwrap().to_lowercase().replace(' ', "-");
                assert!(servers.join(&name).is_dir(), "{}: testdata/servers/{name} is missing", fix.text);
            }
        }
    }
}
