//! A rule's record: everything that the catalogue, the command line and the tests know of it.

use super::Severity;

/// A rule.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Kebab-case, stable.
    pub id: &'static str,
    pub title: &'static str,
    pub checks: &'static [&'static Check],
}

/// One condition of a rule.
#[derive(Debug)]
pub(crate) struct Check {
    /// Stable, unique within its rule.
    pub id: &'static str,
    pub severity: Severity,
    /// 0 to 100.
    pub confidence: u8,
    /// Reported once per server (address, port and severity), not once per session.
    pub once_per_server: bool,
}
