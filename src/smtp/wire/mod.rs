//! Text to values: lines, verbs, paths, replies' codes, message data's end, TLS records. Nothing here has a session's
//! state, and whoever wants to know what a line says asks here.
//!
//! Read in this order: [`mod@line`], [`verb`], [`argument`] with [`path`], [`extension`]; [`base64`]; [`reply`]; [`data`];
//! [`foreign`], [`tls`].

pub(crate) mod argument;
pub(super) mod base64;
pub(super) mod data;
pub(crate) mod extension;
pub(super) mod foreign;
pub(super) mod line;
pub(crate) mod path;
pub(crate) mod reply;
pub(crate) mod tls;
pub(crate) mod verb;
