//! SMTP: chunks and gaps of both directions in, events out (SESSION.md). Knows nothing of rules or
//! output, has no clock and does no I/O: bytes come in causal order with what their sender knew.
//!
//! The server's reply decides what the client's bytes were. Bytes that wait for a reply are held; where
//! bytes can be read in two ways, both are tried on copies until the replies tell which the server took.
//!
//! Bounds: [`Limit::HeldBytesPerConnection`], [`Limit::LineLength`], [`Limit::PendingReplies`],
//! [`Limit::ReplyLines`], [`Limit::Recipients`], [`Limit::Transactions`]; each counts in the parser's
//! tally when it acts.
//!
//! Read in this order: [`event`], [`command`], [`reply`], [`session`] (what comes out); [`wire`] (text to values, no
//! state); the machines, each of which knows one thing and can be driven alone: [`streams`], [`opening`], [`matching`],
//! [`doubt`], [`sequence`], [`envelope`], [`auth`] with [`secrets`], [`handshake`], [`message`], [`client`] (its states and the one door),
//! [`telling`]; [`dialogue`] (how they work together); [`readings`] (choices between readings); [`parser`] (the door).
//!
//! [`Limit::HeldBytesPerConnection`]: crate::base::Limit::HeldBytesPerConnection
//! [`Limit::LineLength`]: crate::base::Limit::LineLength
//! [`Limit::PendingReplies`]: crate::base::Limit::PendingReplies
//! [`Limit::ReplyLines`]: crate::base::Limit::ReplyLines
//! [`Limit::Recipients`]: crate::base::Limit::Recipients
//! [`Limit::Transactions`]: crate::base::Limit::Transactions

mod auth;
mod client;
pub(crate) mod command;
mod dialogue;
mod doubt;
mod envelope;
pub(crate) mod event;
mod gathered;
mod handshake;
mod held;
mod input;
mod knowledge;
mod matching;
mod message;
mod opening;
mod parser;
mod readings;
pub(crate) mod reply;
mod secrets;
mod sequence;
pub(crate) mod session;
mod streams;
mod telling;
pub(crate) mod wire;

#[cfg(test)]
mod tests;

pub(crate) use command::Command;
#[cfg(test)]
pub(crate) use doubt::Doubt;
pub(crate) use event::{Answers, DataEnd, End, Event};
pub(crate) use knowledge::{Knew, Knowledge, Stage};
pub(crate) use parser::{Options, Parser};
pub(crate) use reply::Reply;
pub(crate) use secrets::Secret;
pub(crate) use session::Session;
pub(crate) use wire::foreign::is_text as is_text_protocol;
pub(crate) use wire::line::Ending;
pub(crate) use wire::verb::Verb;

/// Who hears the events: called for each fact with the session's facts as of then.
pub(crate) trait Hears {
    fn hear(&mut self, event: &Event<'_>, session: &Session);
}
