//! Rules: events with their session in, findings out. Knows nothing of how findings are printed.
//!
//! How to add a rule: write its file (record, checks, `judge`, tests), add one line to [`RULES`], put its
//! captures under `testdata/rules/<id>/`.

mod finding;
mod rule;

pub(crate) use finding::{Evidence, Finding, Severity};
pub(crate) use rule::{Check, Rule};

/// Every rule in catalogue order, which is also the order of findings within one packet.
pub(crate) static RULES: &[&Rule] = &[];
