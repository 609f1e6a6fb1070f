//! A session as a dialogue: what each side said, in causal order, with its findings where they are. Records in; the same model for
//! a terminal, a ticket and the excerpts of a page.
//!
//! Bounds: [`Bounds`], for one session. Beyond them the entries in the middle go: the first and the last half are kept, and an entry
//! between them says how many are missing.
//!
//! Read in this order: [`model`], [`collector`], [`place`], [`phrase`], [`filters`]; then [`mod@text`] and [`mod@markdown`], which print it,
//! with [`cells`].

mod cells;
mod collector;
mod filters;
mod markdown;
mod model;
mod phrase;
mod place;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use collector::{Bounds, Collector};
pub(crate) use markdown::markdown;
pub(crate) use model::Dialogue;
pub(crate) use text::{View, text};
