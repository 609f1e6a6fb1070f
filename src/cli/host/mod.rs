//! The operating system's part of a live capture.
//!
//! Read in this order: [`log_file`], [`signals`], [`station`].

pub(super) mod log_file;
pub(super) mod signals;
pub(super) mod station;
