//! The catalogue of rules, to be read: what each rule and check is called, when it fires, how bad it is, how to end it.
//!
//! ```
//! use mailtap::catalogue;
//!
//! let (_, check) = catalogue::check("help-exposed", "answered").expect("a check");
//! assert_eq!(check.severity().name(), "low");
//! assert!(catalogue::rules().all(|rule| !rule.fixes().is_empty()));
//! ```

pub use crate::rules::{Check, Fix, Reference, Rule};

/// Every rule, in the order in which findings of one packet are told.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    crate::rules::RULES.iter().copied()
}

/// A check and its rule, as a finding names them.
pub fn check(rule: &str, check: &str) -> Option<(&'static Rule, &'static Check)> {
    let rule = crate::rules::find(rule)?;
    Some((rule, rule.checks().find(|known| known.id() == check)?))
}
