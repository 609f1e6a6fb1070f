//! The few plain values that every room uses: packets and their order, time, flows, limits, counters.
//! No I/O, no clock, nothing of any protocol above TCP's ports.
//! Read in this order: [`packet`], [`time`], [`flow`], [`names`], [`limits`], [`counters`], [`meaning`], [`octets`], [`pattern`],
//! [`shards`], [`written`].

pub(crate) mod counters;
pub(crate) mod flow;
pub(crate) mod limits;
pub(crate) mod meaning;
pub(crate) mod names;
pub(crate) mod octets;
pub(crate) mod packet;
pub(crate) mod pattern;
pub(crate) mod shards;
pub(crate) mod time;
pub(crate) mod written;

pub(crate) use counters::Tally;
pub(crate) use flow::{Endpoint, FlowKey, PerSide, SMTP, Side};
pub use limits::{Limit, Limits};
pub(crate) use names::{Known, Whose};
pub use names::{ServerName, ServerNames};
pub use packet::LinkType;
pub(crate) use packet::{Captured, Moment, Ordinal, Packets};
pub use pattern::{NotAPattern, Pattern};
pub(crate) use shards::ShardSet;
pub(crate) use time::{Clock, Tick, Time, Timeouts, Turn};
