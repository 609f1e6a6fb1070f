//! Some of the shards: what one part of a scan follows.

use std::fmt;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::FlowKey;

/// A set of shards out of [`FlowKey::SHARDS`]; all of them in a scan that is not in parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ShardSet(u64);

impl ShardSet {
    pub(crate) const NONE: ShardSet = ShardSet(0);
    pub(crate) const ALL: ShardSet = ShardSet(u64::MAX >> (u64::BITS as usize - FlowKey::SHARDS));

    /// These and one more; a number that no shard has changes nothing.
    #[must_use]
    pub(crate) fn with(self, shard: usize) -> Self {
        ShardSet(self.0 | Self::bit(shard))
    }

    pub(crate) fn has(self, shard: usize) -> bool {
        self.0 & Self::bit(shard) != 0
    }

    /// Those of either.
    #[must_use]
    pub(crate) fn or(self, other: ShardSet) -> Self {
        ShardSet(self.0 | other.0)
    }

    /// Those of both.
    #[must_use]
    pub(crate) fn and(self, other: ShardSet) -> Self {
        ShardSet(self.0 & other.0)
    }

    /// Those that are not among these.
    #[must_use]
    pub(crate) fn others(self) -> Self {
        ShardSet(!self.0).and(Self::ALL)
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Their numbers, rising.
    pub(crate) fn iter(self) -> impl Iterator<Item = usize> {
        (0..FlowKey::SHARDS).filter(move |&shard| self.has(shard))
    }

    fn bit(shard: usize) -> u64 {
        u32::try_from(shard).ok().and_then(|shard| 1_u64.checked_shl(shard)).unwrap_or(0) & Self::ALL.0
    }
}

impl fmt::Display for ShardSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, shard) in self.iter().enumerate() {
            write!(f, "{}{shard}", if nth > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

impl Serialize for ShardSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for ShardSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let numbers: Vec<usize> = Vec::deserialize(deserializer)?;
        let set = numbers.iter().fold(Self::NONE, |set, &shard| set.with(shard));
        if set.iter().eq(numbers.iter().copied()) {
            return Ok(set);
        }
        Err(D::Error::custom("shards that do not rise, or that there are not"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_was_put_into_it_and_no_shard_that_there_is_not() {
        let set = ShardSet::NONE.with(0).with(63).with(64).with(usize::MAX);
        assert_eq!((set.iter().collect::<Vec<_>>(), set.to_string()), (vec![0, 63], "0, 63".to_owned()));
        assert_eq!((set.or(set.others()), set.and(set.others())), (ShardSet::ALL, ShardSet::NONE));
        assert_eq!(ShardSet::ALL.iter().count(), FlowKey::SHARDS);
    }

    #[test]
    fn a_set_is_read_back_as_it_was() {
        let set = ShardSet::NONE.with(7).with(3);
        assert_eq!(serde_json::to_string(&set).unwrap(), "[3,7]");
        for set in [set, ShardSet::ALL, ShardSet::NONE] {
            let written = serde_json::to_string(&set).unwrap();
            assert_eq!(serde_json::from_str::<ShardSet>(&written).unwrap(), set);
        }
        for other in ["[7,3]", "[3,3]", "[64]", "[-1]", "7"] {
            assert!(serde_json::from_str::<ShardSet>(other).is_err(), "{other}");
        }
    }
}
