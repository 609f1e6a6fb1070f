//! The catalogue: every rule and check that a scan knows. It is made once, at the start; from there on a check is a number,
//! which findings, counts, the selection and sort keys have in its place. The rules that are built in are its first rows.

use std::sync::{Arc, LazyLock};

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Check, Rule};

/// A check's row in the catalogue. Rows of one rule stand together, so numbers sort by rule first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CheckNumber(u16);

impl CheckNumber {
    /// That of the first row.
    pub(super) const FIRST: CheckNumber = CheckNumber(0);

    /// That of a check that is built in.
    pub(crate) fn of(rule: &Rule, check: &Check) -> Self {
        let before = super::RULES.iter().take_while(|other| other.id != rule.id);
        let first = before.map(|rule| rule.checks.len()).fold(0, usize::saturating_add);
        CheckNumber(number(first.saturating_add(place(rule, check))))
    }

    /// Where entries of its rule stand among those of one packet and session.
    pub(crate) fn rank(self) -> u16 {
        self.0
    }

    /// Its place among all checks.
    pub(super) fn row(self) -> usize {
        usize::from(self.0)
    }
}

/// By its name: a number is of one catalogue.
impl Serialize for CheckNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(Catalogue::built_in().name(*self))
    }
}

impl<'de> Deserialize<'de> for CheckNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let known = name.split_once('/').and_then(|(rule, check)| Catalogue::built_in().find(rule, check));
        known.ok_or_else(|| D::Error::custom(format_args!("no check '{name}'")))
    }
}

/// All rules, in catalogue order.
#[derive(Debug)]
pub(crate) struct Catalogue {
    rules: Vec<Listed>,
    checks: Vec<Row>,
}

/// A rule and where its checks stand.
#[derive(Debug)]
struct Listed {
    rule: &'static Rule,
    first: CheckNumber,
}

/// A check and whose it is.
#[derive(Debug)]
struct Row {
    rule: &'static Rule,
    check: &'static Check,
    /// `rule/check`.
    name: String,
}

impl Catalogue {
    /// The rules that are built in.
    pub(crate) fn built_in() -> Arc<Catalogue> {
        static BUILT_IN: LazyLock<Arc<Catalogue>> = LazyLock::new(|| Arc::new(Catalogue::of(super::RULES)));
        Arc::clone(&BUILT_IN)
    }

    fn of(rules: &[&'static Rule]) -> Catalogue {
        let mut catalogue = Catalogue { rules: Vec::new(), checks: Vec::new() };
        for &rule in rules {
            catalogue.rules.push(Listed { rule, first: CheckNumber(number(catalogue.checks.len())) });
            let row = |&check: &&'static Check| Row { rule, check, name: format!("{}/{}", rule.id, check.id) };
            catalogue.checks.extend(rule.checks.iter().map(row));
        }
        catalogue
    }

    /// The rules, each with the number of its first check.
    pub(crate) fn rules(&self) -> impl Iterator<Item = (&'static Rule, CheckNumber)> + '_ {
        self.rules.iter().map(|listed| (listed.rule, listed.first))
    }

    /// Every check with its rule, in the order of their numbers.
    pub(crate) fn checks(&self) -> impl Iterator<Item = (&'static Rule, &'static Check)> + '_ {
        self.checks.iter().map(|row| (row.rule, row.check))
    }

    /// The check of that number.
    pub(crate) fn check(&self, number: CheckNumber) -> Option<&'static Check> {
        self.row(number).map(|row| row.check)
    }

    /// The ids of rule and check.
    pub(crate) fn ids(&self, number: CheckNumber) -> (&'static str, &'static str) {
        self.row(number).map_or(("", ""), |row| (row.rule.id, row.check.id))
    }

    /// The id of its rule.
    pub(crate) fn rule_id(&self, number: CheckNumber) -> &str {
        self.row(number).map_or("", |row| row.rule.id)
    }

    /// Rule and check as records name them: `rule/check`.
    pub(crate) fn name(&self, number: CheckNumber) -> &str {
        self.row(number).map_or("", |row| &row.name)
    }

    /// The row of `rule/check`.
    pub(crate) fn find(&self, rule: &str, check: &str) -> Option<CheckNumber> {
        let row = self.checks.iter().position(|row| row.rule.id == rule && row.check.id == check)?;
        Some(CheckNumber(number(row)))
    }

    /// How many checks the nth rule has.
    pub(super) fn checks_of(&self, nth: usize) -> usize {
        self.rules.get(nth).map_or(0, |listed| listed.rule.checks.len())
    }

    /// The number of a check of the nth rule.
    pub(super) fn number(&self, nth: usize, check: &Check) -> CheckNumber {
        let listed = self.rules.get(nth);
        listed.map_or(CheckNumber(u16::MAX), |listed| {
            CheckNumber(listed.first.0.saturating_add(number(place(listed.rule, check))))
        })
    }

    /// Numbers that this catalogue made have a row.
    fn row(&self, number: CheckNumber) -> Option<&Row> {
        self.checks.get(number.row())
    }
}

/// Where the check stands among those of its rule.
fn place(rule: &Rule, check: &Check) -> usize {
    rule.checks.iter().position(|other| other.id == check.id).unwrap_or(usize::MAX)
}

fn number(row: usize) -> u16 {
    u16::try_from(row).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::RULES;

    #[test]
    fn a_check_that_is_built_in_has_the_number_of_its_row() {
        let catalogue = Catalogue::built_in();
        let mut next = 0;
        for (nth, rule) in RULES.iter().enumerate() {
            for check in rule.checks {
                let number = CheckNumber::of(rule, check);
                assert_eq!((number, catalogue.number(nth, check)), (CheckNumber(next), number));
                assert_eq!(catalogue.ids(number), (rule.id, check.id));
                assert_eq!(catalogue.find(rule.id, check.id), Some(number));
                next += 1;
            }
        }
    }

    #[test]
    fn a_number_of_no_row_has_no_name() {
        assert_eq!(Catalogue::built_in().name(CheckNumber(u16::MAX)), "");
    }
}
