//! TCP reassembly: segments of one shard in packet order in; in-order chunks and gaps of both directions
//! of each connection out, in causal order (RFC 9293 section 3.10). Knows nothing of SMTP and never asks
//! the time: a segment brings its own, and timers fire at ticks alone.
//!
//! Bounds, each counted in [`Counters::limits_hit`] when it acts: [`Limit::Connections`],
//! [`Limit::HalfOpen`], [`Limit::HeldBytes`], [`Limit::HeldBytesPerConnection`].
//! Read in this order: [`seq`], [`chunk`], [`direction`], [`connection`], [`rival`], [`order`], [`entry`],
//! [`idle`], [`elapsed`], [`counters`], [`table`].
//!
//! [`Limit::Connections`]: crate::base::Limit::Connections
//! [`Limit::HalfOpen`]: crate::base::Limit::HalfOpen
//! [`Limit::HeldBytes`]: crate::base::Limit::HeldBytes
//! [`Limit::HeldBytesPerConnection`]: crate::base::Limit::HeldBytesPerConnection

pub(crate) mod chunk;
mod connection;
mod counters;
mod direction;
mod elapsed;
mod entry;
mod idle;
#[cfg(test)]
mod lab;
mod order;
#[cfg(test)]
mod properties;
mod rival;
mod seq;
mod table;
#[cfg(test)]
mod tests;

pub use chunk::Closed;
pub(crate) use chunk::{Anomaly, Chunk, Closing, Gap, Listener, Opening, Reach};
pub(crate) use counters::Counters;
#[cfg(feature = "cli")]
pub(crate) use counters::NAMES;
pub(crate) use table::{Place, Table};
