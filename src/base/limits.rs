//! Every bound on what the traffic can make grow: its name in the summary, its flag, its default.

use super::FlowKey;

/// A bound; its [`Limit::key`] names it in the summary's `limits_hit` when it acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// Connections kept at once; the oldest idle one goes, half-open before established.
    Connections,
    /// Connections without a completed handshake kept at once.
    HalfOpen,
    /// Bytes that wait for a gap, for causal order or for a reply, in all connections together.
    HeldBytes,
    /// The same, of one connection.
    HeldBytesPerConnection,
    /// Bytes of IP fragments that wait for their siblings.
    FragmentBytes,
    /// Octets of one line that are kept; the rest is counted.
    LineLength,
    /// Commands of one session that wait for their reply.
    PendingReplies,
    /// Lines of one reply that are kept.
    ReplyLines,
    /// Recipients of one transaction that are kept.
    Recipients,
    /// Transactions of one session that are kept for its record.
    Transactions,
    /// Findings of one session and rule that are reported; the rest is counted.
    FindingsPerRule,
    /// Servers kept in the table.
    Servers,
    /// Bytes of one session's packets that are held until something is found in it (`--write`).
    EvidenceBytesPerSession,
    /// Bytes of what is kept for `--write`: packets held until something is found, and which sessions that were.
    EvidenceBytes,
}

/// One row of the table of limits.
pub(crate) struct Bound {
    pub limit: Limit,
    /// The name in records and in the configuration file; with hyphens for `_`, as `--max-KEY`, on the command line.
    pub key: &'static str,
    pub default: u64,
    /// Whether the limit is shared by all shards, and so divided among them.
    pub divided: bool,
    pub help: &'static str,
}

impl Limit {
    /// Every limit, in the order of the enum.
    pub(crate) const ALL: &'static [Bound] = &[
        Bound {
            limit: Limit::Connections,
            key: "connections",
            default: 1 << 20,
            divided: true,
            help: "connections kept at once",
        },
        Bound {
            limit: Limit::HalfOpen,
            key: "half_open",
            // A tenth of a second of a flood of 600,000 SYNs a second; four times as many cost twice the time, in
            // misses of caches and page tables.
            default: 1 << 16,
            divided: true,
            help: "connections without a completed handshake kept at once",
        },
        Bound {
            limit: Limit::HeldBytes,
            key: "held_bytes",
            default: 256 << 20,
            divided: true,
            help: "bytes waiting for a gap to fill, for their order or for a reply, in all",
        },
        Bound {
            limit: Limit::HeldBytesPerConnection,
            key: "held_bytes_per_connection",
            default: 1 << 20,
            divided: false,
            help: "bytes waiting for a gap to fill, for their order or for a reply, per connection",
        },
        Bound {
            limit: Limit::FragmentBytes,
            key: "fragment_bytes",
            // A 64th has room for more than ten of the longest.
            default: 64 << 20,
            divided: true,
            help: "bytes of IP fragments waiting for the others",
        },
        Bound {
            limit: Limit::LineLength,
            key: "line_length",
            default: 64 << 10,
            divided: false,
            help: "bytes kept of one line",
        },
        Bound {
            limit: Limit::PendingReplies,
            key: "pending_replies",
            // A flight of 64 KiB holds some ten thousand of the shortest.
            default: 1 << 14,
            divided: false,
            help: "commands of one session waiting for their reply",
        },
        Bound {
            limit: Limit::ReplyLines,
            key: "reply_lines",
            default: 256,
            divided: false,
            help: "lines kept of one reply",
        },
        Bound {
            limit: Limit::Recipients,
            key: "recipients",
            default: 1000,
            divided: false,
            help: "recipients kept of one transaction",
        },
        Bound {
            limit: Limit::Transactions,
            key: "transactions",
            default: 1000,
            divided: false,
            help: "transactions kept of one session",
        },
        Bound {
            limit: Limit::FindingsPerRule,
            key: "findings_per_rule",
            default: 100,
            divided: false,
            help: "findings reported of one session and rule",
        },
        Bound {
            limit: Limit::Servers,
            key: "servers",
            default: 1 << 16,
            divided: false,
            help: "servers kept in the table",
        },
        Bound {
            limit: Limit::EvidenceBytesPerSession,
            key: "evidence_bytes_per_session",
            default: 64 << 10,
            divided: false,
            help: "bytes of one session that a live --write keeps until something is found in it",
        },
        Bound {
            limit: Limit::EvidenceBytes,
            key: "evidence_bytes",
            default: 64 << 20,
            divided: false,
            help: "bytes that --write keeps in all",
        },
    ];

    /// Its name in the summary, in the configuration file and in [`Options::limits`](crate::record::Options::limits).
    pub fn key(self) -> &'static str {
        Self::ALL.iter().find(|bound| bound.limit == self).map_or("", |bound| bound.key)
    }
}

/// The value of every limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    values: [u64; Limit::ALL.len()],
}

impl Default for Limits {
    fn default() -> Self {
        let mut values = [0; Limit::ALL.len()];
        for (value, bound) in values.iter_mut().zip(Limit::ALL) {
            *value = bound.default;
        }
        Limits { values }
    }
}

impl Limits {
    /// How much there may be at most.
    pub fn get(&self, limit: Limit) -> u64 {
        self.values.iter().zip(Limit::ALL).find(|(_, bound)| bound.limit == limit).map_or(0, |(&value, _)| value)
    }

    /// Every limit with its value.
    pub fn iter(&self) -> impl Iterator<Item = (Limit, u64)> + '_ {
        Limit::ALL.iter().map(|bound| bound.limit).zip(self.values)
    }

    pub(crate) fn set(&mut self, limit: Limit, to: u64) {
        for (value, bound) in self.values.iter_mut().zip(Limit::ALL) {
            if bound.limit == limit {
                *value = to;
            }
        }
    }

    /// The same limits as they act inside one shard: what is shared is divided, rounded up.
    pub(crate) fn of_one_shard(&self) -> Limits {
        let mut values = self.values;
        for (value, bound) in values.iter_mut().zip(Limit::ALL) {
            if bound.divided {
                *value = value.div_ceil(FlowKey::SHARDS as u64);
            }
        }
        Limits { values }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_limit_is_divided_and_rounded_up() {
        let mut limits = Limits::default();
        limits.set(Limit::Connections, 65);
        limits.set(Limit::Recipients, 65);
        let shard = limits.of_one_shard();
        assert_eq!((shard.get(Limit::Connections), shard.get(Limit::Recipients)), (2, 65));
    }
}
