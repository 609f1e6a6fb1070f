//! The operating system's part of live reading: what the process may still do once its captures are open.
//!
//! In order, on the main thread and before any other thread starts: [`privileges`] gives up root and every capability,
//! and tries the directories of the outputs as the user that is left; [`sandbox`] then closes the file system and the
//! network, and with [`system_calls`] what the kernel may be asked for. Each says in a phrase what it did.

#[cfg_attr(not(test), expect(dead_code, reason = "called where a live capture starts"))]
pub(in crate::cli) mod privileges;
#[cfg_attr(not(test), expect(dead_code, reason = "called where a live capture starts"))]
pub(in crate::cli) mod sandbox;
mod system_calls;
#[cfg(test)]
mod testing;
