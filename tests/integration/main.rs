//! Runs the real binary on real captures.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is a failed test")]

mod dialogues;
mod rules;
mod session;
