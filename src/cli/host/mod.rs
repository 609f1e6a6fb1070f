//! The operating system's part of a live capture. Beside the engine the only place with threads.
//!
//! Read in this order: [`log_file`], [`signals`], [`metrics`], [`station`].

pub(super) mod log_file;
pub(super) mod metrics;
pub(super) mod signals;
pub(super) mod station;
