//! Alternative readings: where bytes can be read in two ways, the replies tell which the server took.
//!
//! At a [`Choice`] the session stops, and its input is kept. Copies read on, each in one way and telling nobody, until the
//! evidence decides (`trial`); then the session takes that reading and reads what was kept. So nothing is told twice or
//! taken back, and each event comes with the facts as of then.

pub(super) mod choice;
mod long;
mod scout;
pub(super) mod trial;

pub(super) use choice::{Choice, Choices, Reading};
