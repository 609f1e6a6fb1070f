//! TCP reassembly: segments of one connection in; in-order chunks and gaps of both directions out, in
//! causal order (RFC 9293 section 3.10). Knows nothing of SMTP and never asks the time: a segment
//! brings its own.

pub(crate) mod chunk;

pub(crate) use chunk::{Anomaly, Chunk, Closed, Closing, Gap, Listener, Opening};
