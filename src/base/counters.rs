//! Counts under names: what was skipped and why, which limits acted, what was found.

/// Counts under stable names, in the names' order. Merging is commutative, so the counts of shards,
/// slices and partial scans join to the same result in any order.
///
/// There are few names and each is one literal, so looking for it is comparing some pointers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally(Vec<(&'static str, u64)>);

impl Tally {
    pub(crate) fn add(&mut self, name: &'static str, count: u64) {
        if count == 0 {
            return;
        }
        if let Some((_, sum)) = self.0.iter_mut().find(|(other, _)| std::ptr::eq(*other, name) || *other == name) {
            *sum = sum.saturating_add(count);
        } else {
            let at = self.0.partition_point(|(other, _)| *other < name);
            self.0.insert(at, (name, count));
        }
    }

    pub(crate) fn one(&mut self, name: &'static str) {
        self.add(name, 1);
    }

    pub(crate) fn merge(&mut self, other: &Tally) {
        for &(name, count) in &other.0 {
            self.add(name, count);
        }
    }

    #[cfg(test)]
    pub(crate) fn get(&self, name: &str) -> u64 {
        self.iter().find(|(other, _)| *other == name).map_or(0, |(_, count)| count)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.iter().copied()
    }

    #[cfg(test)]
    pub(crate) fn total(&self) -> u64 {
        self.iter().fold(0, |sum, (_, count)| sum.saturating_add(count))
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
