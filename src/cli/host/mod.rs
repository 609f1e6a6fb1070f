//! The operating system's part of a live capture. Beside the engine the only place with threads.
//!
//! In order, on the main thread and before any other thread starts: [`privileges`] gives up root and every capability,
//! and looks at the directories of the outputs as the user that is left; [`log_file`] and [`packet_file`] open them; [`sandbox`] then closes the
//! file system and the network, and with [`system_calls`] what the kernel may be asked for. Each says in a phrase what it
//! did. While the capture runs there are [`signals`], [`metrics`] and, for the engine, [`station`] with its [`status`].

pub(super) mod log_file;
pub(super) mod metrics;
pub(super) mod packet_file;
pub(super) mod privileges;
pub(super) mod sandbox;
pub(super) mod signals;
pub(super) mod station;
mod status;
mod system_calls;
#[cfg(test)]
mod testing;
