//! How many different values there were, and which: up to a bound.

use std::collections::BTreeSet;

/// Different values, in their order.
#[derive(Clone, Debug)]
pub(crate) struct Distinct<T> {
    values: BTreeSet<T>,
    /// Another one came when there was no room.
    beyond: bool,
}

impl<T> Default for Distinct<T> {
    fn default() -> Self {
        Distinct { values: BTreeSet::new(), beyond: false }
    }
}

impl<T: Ord> Distinct<T> {
    /// So many are kept.
    const MOST: usize = 1 << 16;

    pub(crate) fn add(&mut self, value: T) {
        if self.values.len() < Self::MOST {
            self.values.insert(value);
        } else if !self.values.contains(&value) {
            self.beyond = true;
        }
    }

    /// How many there were; at least so many where [`Distinct::is_more`] says so.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// There were more than are counted.
    pub(crate) fn is_more(&self) -> bool {
        self.beyond
    }

    /// Those that are kept.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.values.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_once_and_no_more_of_them_than_there_is_room_for() {
        let mut seen = Distinct::default();
        (0..1 << 16).chain(0..9).for_each(|value| seen.add(value));
        assert_eq!((seen.len(), seen.is_more()), (1 << 16, false));
        seen.add(1 << 16);
        assert_eq!((seen.len(), seen.is_more(), seen.iter().next()), (1 << 16, true, Some(&0)));
    }
}
