//! When things happened, counted in cells of time. How long a scan is shows only at its end, so a cell begins at a millisecond, and
//! whenever there are too many all of them become twice as wide.

use std::collections::BTreeMap;

use crate::record::When;
use crate::rules::Severity;

/// More cells than this are never kept.
const MOST: usize = 4_096;
/// What a cell spans at first, in nanoseconds.
const MILLISECOND: i64 = 1_000_000;

/// What is counted: findings by severity, and sessions that began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Finding(Severity),
    Session,
}

impl What {
    /// All of it, as it is shown from top to bottom.
    pub(super) const ALL: [What; 6] = [
        What::Finding(Severity::Critical),
        What::Finding(Severity::High),
        What::Finding(Severity::Medium),
        What::Finding(Severity::Low),
        What::Finding(Severity::Info),
        What::Session,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            What::Finding(severity) => severity.name(),
            What::Session => "sessions",
        }
    }
}

/// How many of each, in the order of [`What::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts([u64; What::ALL.len()]);

impl Counts {
    pub(super) fn of(&self, what: What) -> u64 {
        What::ALL.iter().zip(self.0).find(|(known, _)| **known == what).map_or(0, |(_, count)| count)
    }

    pub(super) fn add(&mut self, others: &Counts) {
        for (count, other) in self.0.iter_mut().zip(others.0) {
            *count = count.saturating_add(other);
        }
    }

    fn one(what: What) -> Self {
        Counts(What::ALL.map(|known| u64::from(known == what)))
    }
}

/// A span of time in which something happened: from `start` on, of [`Moments::width`] nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub start: i64,
    pub counts: Counts,
}

/// All moments of a scan.
#[derive(Debug)]
pub(super) struct Moments {
    width: i64,
    cells: BTreeMap<i64, Counts>,
}

impl Default for Moments {
    fn default() -> Self {
        Moments { width: MILLISECOND, cells: BTreeMap::new() }
    }
}

impl Moments {
    pub(super) fn add(&mut self, time: When, what: What) {
        let cell = time.nanoseconds().div_euclid(self.width);
        self.cells.entry(cell).or_default().add(&Counts::one(what));
        while self.cells.len() > MOST {
            self.width = self.width.saturating_mul(2);
            for (cell, counts) in std::mem::take(&mut self.cells) {
                self.cells.entry(cell.div_euclid(2)).or_default().add(&counts);
            }
        }
    }

    /// What a cell spans, in nanoseconds.
    pub(super) fn width(&self) -> i64 {
        self.width
    }

    /// Cells in which something happened, in their order.
    pub(super) fn cells(&self) -> impl Iterator<Item = Cell> {
        self.cells.iter().map(|(cell, counts)| Cell { start: cell.saturating_mul(self.width), counts: *counts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_span_there_are_few_cells_and_nothing_is_lost() {
        let mut moments = Moments::default();
        let times = (0..20_000).map(|nth| nth * 3_600_000_000_000_i64).chain([i64::MIN, i64::MAX]);
        times.for_each(|time| moments.add(When::from_nanoseconds(time), What::Session));
        let sum = moments.cells().map(|cell| cell.counts.of(What::Session)).sum::<u64>();
        assert!(moments.cells().count() <= MOST);
        assert_eq!(sum, 20_002);
    }

    #[test]
    fn each_kind_is_counted_in_its_own_cell_of_time() {
        let mut moments = Moments::default();
        moments.add(When::from_nanoseconds(-1), What::Session);
        moments.add(When::from_nanoseconds(1), What::Finding(Severity::High));
        let cells: Vec<_> = moments.cells().collect();
        assert_eq!((cells[0].start, cells[1].start), (-MILLISECOND, 0));
        assert_eq!((cells[0].counts.of(What::Session), cells[1].counts.of(What::Finding(Severity::High))), (1, 1));
        assert_eq!(cells[1].counts.of(What::Session), 0);
    }
}
