//! Counts under names: what was skipped and why, which limits acted, what was found.

use std::collections::BTreeMap;

/// Counts under stable names, in the names' order. Merging is commutative, so the counts of shards,
/// slices and partial scans join to the same result in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally(BTreeMap<&'static str, u64>);

impl Tally {
    pub(crate) fn add(&mut self, name: &'static str, count: u64) {
        if count > 0 {
            let sum = self.0.entry(name).or_default();
            *sum = sum.saturating_add(count);
        }
    }

    pub(crate) fn one(&mut self, name: &'static str) {
        self.add(name, 1);
    }

    pub(crate) fn merge(&mut self, other: &Tally) {
        for (&name, &count) in &other.0 {
            self.add(name, count);
        }
    }

    #[cfg(test)]
    pub(crate) fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.iter().map(|(&name, &count)| (name, count))
    }

    #[cfg(test)]
    pub(crate) fn total(&self) -> u64 {
        self.0.values().fold(0, |sum, &count| sum.saturating_add(count))
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
