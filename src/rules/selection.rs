//! Which checks are wanted, and how bad they are said to be: `--select`, `--ignore`, `--min-severity` and the
//! configuration's severities, compiled once for all sessions.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::base::{Limit, Limits};

use super::{Catalogue, Check, CheckNumber, Finding, Hears, RULES, Rule, Severity};

/// What a session's judge is asked to report.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    catalogue: Arc<Catalogue>,
    /// By number.
    checks: Vec<Choice>,
    /// Per rule, what it is called for, and what any of them is.
    rules: Vec<Heard>,
    any: Hears,
    min_severity: Severity,
    per_rule: u64,
    /// Networks of Exchange servers: what these say to each other with Exchange's own verbs is usual.
    pub exchange_peers: Vec<IpNet>,
}

/// A rule, and what it is called for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    pub rule: &'static Rule,
    /// The number of its first check.
    pub first: CheckNumber,
    pub hears: Hears,
}

/// What is wanted of one check.
#[derive(Clone, Copy, Debug, Default)]
struct Choice {
    wanted: bool,
    /// The severity that its findings get whatever the rule says.
    severity: Option<Severity>,
}

/// A rule, or one of its checks: `help-exposed`, `help-exposed/answered`. Parsed, it names what there is; read back from a
/// record of another version it may name nothing of this one's catalogue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Selector(String);

impl FromStr for Selector {
    type Err = UnknownSelector;

    fn from_str(text: &str) -> Result<Self, UnknownSelector> {
        let (id, check_id) = text.split_once('/').map_or((text, None), |(rule, check)| (rule, Some(check)));
        let rule = super::find(id).ok_or_else(|| UnknownSelector::Rule(id.to_owned()))?;
        match check_id.filter(|id| !rule.checks.iter().any(|check| check.id == *id)) {
            Some(unknown) => Err(UnknownSelector::Check { rule: rule.id, check: unknown.to_owned() }),
            None => Ok(Selector(text.to_owned())),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Why text is no [`Selector`]. As text it says what there is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnknownSelector {
    /// There is no rule of that id.
    Rule(String),
    /// The rule has no check of that id.
    #[non_exhaustive]
    Check {
        /// The rule.
        rule: &'static str,
        /// What was taken for one of its checks.
        check: String,
    },
}

impl fmt::Display for UnknownSelector {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = |ids: Vec<&str>| ids.join(", ");
        match self {
            UnknownSelector::Rule(id) => {
                write!(out, "no rule '{id}'; the rules are: {}", listed(RULES.iter().map(|rule| rule.id).collect()))
            }
            UnknownSelector::Check { rule, check } => {
                let checks = super::find(rule).into_iter().flat_map(|rule| rule.checks).map(|check| check.id).collect();
                write!(out, "rule '{rule}' has no check '{check}'; its checks are: {}", listed(checks))
            }
        }
    }
}

impl std::error::Error for UnknownSelector {}

impl Selector {
    fn names(&self, rule: &Rule, check: &Check) -> bool {
        match self.0.split_once('/') {
            Some(named) => named == (rule.id, check.id),
            None => self.0 == rule.id,
        }
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
        let catalogue = Catalogue::built_in();
        let choice = |(rule, check): (&Rule, &Check)| Choice { wanted: wanted(rule, check), severity: None };
        let checks: Vec<Choice> = catalogue.checks().map(choice).collect();
        let is_heard = |rule: &Rule| rule.tells || rule.checks.iter().any(|check| wanted(rule, check));
        let hears = |rule: &Rule| if is_heard(rule) { rule.hears } else { Hears::NOTHING };
        let rules: Vec<Heard> =
            catalogue.rules().map(|(rule, first)| Heard { rule, first, hears: hears(rule) }).collect();
        Selection {
            checks,
            any: rules.iter().map(|heard| heard.hears).fold(Hears::NOTHING, Hears::and),
            rules,
            catalogue,
            min_severity,
            per_rule: limits.get(Limit::FindingsPerRule),
            exchange_peers: Vec::new(),
        }
    }

    /// Findings of what is named here get this severity whatever the rule says; in their order, so that a check's own row
    /// wins over its rule's.
    pub(crate) fn severities<'s>(mut self, severities: impl IntoIterator<Item = (&'s Selector, Severity)>) -> Self {
        for (selector, severity) in severities {
            for ((rule, check), choice) in self.catalogue.checks().zip(&mut self.checks) {
                if selector.names(rule, check) {
                    choice.severity = Some(severity);
                }
            }
        }
        self
    }

    /// The catalogue that it chooses from.
    pub(crate) fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// Findings of one session and rule that are reported; the rest is counted.
    pub(super) fn per_rule(&self) -> u64 {
        self.per_rule
    }

    /// Every rule is called for every event.
    #[cfg(test)]
    pub(super) fn hearing_all(mut self) -> Self {
        self.any = Hears::all();
        self.rules.iter_mut().for_each(|heard| heard.hears = Hears::all());
        self
    }

    #[cfg(test)]
    fn hears(&self, place: usize) -> Hears {
        self.rules[place].hears
    }

    /// Whether any rule is to be called for an event of these kinds.
    pub(super) fn wants_any(&self, kinds: Hears) -> bool {
        self.any.has(kinds)
    }

    /// What each rule is to be called for.
    pub(super) fn of_each(&self) -> &[Heard] {
        &self.rules
    }

    pub(super) fn wants(&self, finding: &Finding) -> bool {
        let choice = self.choice(finding);
        choice.wanted && choice.severity.unwrap_or(finding.severity) >= self.min_severity
    }

    /// The severity that the finding is reported with.
    pub(super) fn severity(&self, finding: &Finding) -> Severity {
        self.choice(finding).severity.unwrap_or(finding.severity)
    }

    fn choice(&self, finding: &Finding) -> Choice {
        self.checks.get(finding.check.row()).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::rules::dialogue::Dialogue;

    #[test]
    fn an_unknown_rule_or_check_is_told_with_what_there_is() {
        let error = "help-exposd".parse::<Selector>().unwrap_err().to_string();
        assert!(error.contains("no rule 'help-exposd'") && error.contains("help-exposed"), "{error}");
        let error = "help-exposed/x".parse::<Selector>().unwrap_err().to_string();
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
    #[test]
    fn a_severity_that_is_set_wins_over_the_rule_and_a_check_over_its_rule() {
        let set = |text: &str, severity| (text.parse().unwrap(), severity);
        let judged = |severities: &[(Selector, Severity)], least| {
            let severities: BTreeMap<_, _> =
                severities.iter().map(|(selector, severity)| (selector, *severity)).collect();
            let selection = Selection::new(&[], &[], least, &Limits::default()).severities(severities);
            let dialogue = "S: 220 mx\nC: HELP\nS: 214 ok\nC: STARTTLS\nS: 454 no\nC: STARTTLS\nS: 501 no";
            Dialogue::read(dialogue).selection(selection).judged()
        };
        let usual = ["help-exposed/answered low 95", "starttls/refused low 95", "starttls/refused info 95"];
        assert_eq!(judged(&[], Severity::Info), usual);
        // One severity, one finding of the server.
        let rows = [set("starttls/refused", Severity::High), set("starttls", Severity::Info)];
        assert_eq!(judged(&rows, Severity::Info), ["help-exposed/answered low 95", "starttls/refused high 95"]);
        let rows = [set("help-exposed", Severity::Critical), set("help-exposed/advertised", Severity::Info)];
        assert_eq!(judged(&rows, Severity::Medium), ["help-exposed/answered critical 95"]);
    }
}
