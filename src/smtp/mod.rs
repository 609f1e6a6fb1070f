//! SMTP: chunks and gaps of both directions in, events out. Knows nothing of rules or output, has no
//! clock and does no I/O.

pub(crate) mod command;
pub(crate) mod event;
pub(crate) mod reply;
pub(crate) mod session;
pub(crate) mod tls;
pub(crate) mod verb;

pub(crate) use command::{Command, Ending};
pub(crate) use event::{Answers, DataEnd, Event};
pub(crate) use reply::Reply;
pub(crate) use session::Session;
pub(crate) use verb::Verb;

/// Who hears the events: called for each fact with the session's facts as of then.
pub(crate) trait Hears {
    fn hear(&mut self, event: &Event<'_>, session: &Session);
}
