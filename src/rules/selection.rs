//! Which checks are wanted: `--select`, `--ignore` and `--min-severity`, compiled once for all sessions.

use ipnet::IpNet;

use crate::base::{Limit, Limits};

use super::{Check, Finding, Hears, RULES, Rule, Severity};

/// What a session's judge is asked to report.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    /// Per rule of [`RULES`], a bit for each of its checks.
    checks: Vec<u64>,
    /// Per rule of [`RULES`], what it is called for.
    hears: Vec<Hears>,
    min_severity: Severity,
    per_rule: u64,
    /// Networks of Exchange servers: what these say to each other with Exchange's own verbs is usual.
    pub exchange_peers: Vec<IpNet>,
}

/// A `RULE` or `RULE/CHECK` of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Selector {
    rule: &'static str,
    check: Option<&'static str>,
}

impl std::str::FromStr for Selector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (id, check_id) = text.split_once('/').map_or((text, None), |(rule, check)| (rule, Some(check)));
        let known = || RULES.iter().map(|rule| rule.id).collect::<Vec<_>>().join(", ");
        let rule = super::find(id).ok_or_else(|| format!("no rule '{id}'; the rules are: {}", known()))?;
        let Some(check_id) = check_id else { return Ok(Selector { rule: rule.id, check: None }) };
        let check = rule.checks.iter().find(|check| check.id == check_id).ok_or_else(|| {
            let checks = rule.checks.iter().map(|check| check.id).collect::<Vec<_>>().join(", ");
            format!("rule '{id}' has no check '{check_id}'; its checks are: {checks}")
        })?;
        Ok(Selector { rule: rule.id, check: Some(check.id) })
    }
}

impl std::fmt::Display for Selector {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.rule)?;
        self.check.map_or(Ok(()), |check| write!(out, "/{check}"))
    }
}

impl Selector {
    fn names(self, rule: &Rule, check: &Check) -> bool {
        self.rule == rule.id && self.check.is_none_or(|id| id == check.id)
    }
}

impl Default for Selection {
    fn default() -> Self {
        Selection::new(&[], &[], Severity::Info, &Limits::default())
    }
}

impl Selection {
    /// Everything in `select` (all where it is empty) but what is in `ignore`, from `min_severity` on.
    pub(crate) fn new(select: &[Selector], ignore: &[Selector], min_severity: Severity, limits: &Limits) -> Self {
        let wanted = |rule: &Rule, check: &Check| {
            (select.is_empty() || select.iter().any(|selector| selector.names(rule, check)))
                && !ignore.iter().any(|selector| selector.names(rule, check))
        };
        let bits = |rule: &Rule| {
            let wanted = rule.checks.iter().enumerate().filter(|(_, check)| wanted(rule, check));
            wanted.fold(0, |bits, (nth, _)| bits | bit(nth))
        };
        let checks: Vec<u64> = RULES.iter().map(|rule| bits(rule)).collect();
        let called_for =
            |(rule, bits): (&&Rule, &u64)| if *bits != 0 || rule.tells { rule.hears } else { Hears::NOTHING };
        let hears = RULES.iter().zip(&checks).map(called_for).collect();
        Selection {
            checks,
            hears,
            min_severity,
            per_rule: limits.get(Limit::FindingsPerRule),
            exchange_peers: Vec::new(),
        }
    }

    /// Findings of one session and rule that are reported; the rest is counted.
    pub(super) fn per_rule(&self) -> u64 {
        self.per_rule
    }

    pub(super) fn hears(&self, place: usize) -> Hears {
        self.hears.get(place).copied().unwrap_or_default()
    }

    pub(super) fn wants(&self, place: usize, finding: &Finding) -> bool {
        let nth = finding.rule.checks.iter().position(|&check| check == finding.check);
        let bits = self.checks.get(place).copied().unwrap_or(0);
        finding.severity >= self.min_severity && nth.is_some_and(|nth| bits & bit(nth) != 0)
    }
}

fn bit(nth: usize) -> u64 {
    u32::try_from(nth).ok().and_then(|nth| 1_u64.checked_shl(nth)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_rule_or_check_is_told_with_what_there_is() {
        let error = "help-exposd".parse::<Selector>().unwrap_err();
        assert!(error.contains("no rule 'help-exposd'") && error.contains("help-exposed"), "{error}");
        let error = "help-exposed/x".parse::<Selector>().unwrap_err();
        assert!(error.contains("no check 'x'") && error.contains("answered"), "{error}");
        assert_eq!("help-exposed/answered".parse::<Selector>().unwrap().to_string(), "help-exposed/answered");
    }

    #[test]
    fn a_rule_that_tells_facts_is_heard_though_none_of_its_checks_is_wanted() {
        let ignored = ["help-exposed", "bad-greeting"].map(|rule| rule.parse().unwrap());
        let selection = Selection::new(&[], &ignored, Severity::Info, &Limits::default());
        assert_ne!(selection.hears(0), Hears::NOTHING);
        assert_eq!(selection.hears(1), Hears::NOTHING);
        assert_ne!(selection.hears(2), Hears::NOTHING);
    }
}
