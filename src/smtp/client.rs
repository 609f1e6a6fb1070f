//! The client's half of a session: what its next bytes are, and the one door through which that changes.
//!
//! Each state holds what only it needs. What a state's bytes are is decided by the server's reply to the command before
//! them; until it comes they are held.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::command::Command;
use super::handshake::Handshake;
use super::message::{Chunk, Data};
use super::wire::line::{Line, Source};
use super::wire::verb::{self, Verb};

/// The client's state. Only [`Client::enter`] changes which it is.
#[derive(Clone, Debug)]
pub(super) struct Client {
    state: State,
    /// What was entered, and why.
    #[cfg(test)]
    trace: Vec<String>,
}

/// Why a state is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The client's own bytes told.
    Bytes,
    /// A command, by its verb.
    Command,
    /// A reply of the server.
    Reply,
    /// No reply will be seen.
    NoReply,
    /// Bytes are missing.
    Gap,
    /// A limit acted, or the session is over.
    Release,
    /// The replies decided between two readings.
    Evidence,
    /// Client and server changed roles.
    Turn,
}

impl Client {
    pub(super) fn new(state: State) -> Client {
        Client {
            state,
            #[cfg(test)]
            trace: Vec::new(),
        }
    }

    /// The one way from state to state.
    pub(super) fn enter(&mut self, next: State, cause: Cause) {
        #[cfg(test)]
        self.trace.push(format!("{cause:?}: {}", next.name()));
        #[cfg(not(test))]
        let _ = cause;
        self.state = next;
    }

    /// Takes the state, to make the next one of it; until that is entered nothing is known.
    pub(super) fn leave(&mut self) -> State {
        std::mem::replace(&mut self.state, State::Opaque)
    }

    /// What was entered so far, and why.
    #[cfg(test)]
    pub(super) fn trace(&self) -> &[String] {
        &self.trace
    }
}

impl Deref for Client {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

/// Progress inside a state.
impl DerefMut for Client {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

/// What the client's next bytes are.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// Its very first: SMTP, a PROXY header or another protocol; held until they tell.
    First,
    /// A PROXY header.
    Header(Box<Header>),
    /// A command line (RFC 5321 2.4).
    Command,
    /// A line of an AUTH exchange: the last reply was 334 (RFC 4954 4).
    Exchange,
    /// Held until the reply to this command tells what they are.
    Wait(Arc<Command>),
    /// No reply to this command will come: held until their first line tells.
    Assumed(Arc<Command>),
    /// Another protocol's, held until the server shows whether it takes them for SMTP.
    Foreign,
    /// Behind a PROXY header, which the server may refuse yet.
    Proxied(Box<Header>),
    /// Message data, until its end (RFC 5321 4.5.2).
    Data(Box<Data>),
    /// Octets, not lines (RFC 3030 2).
    Chunk(Box<Chunk>),
    /// What may hide SMTP: TLS (RFC 3207 4), or a security layer.
    Hidden(Box<Handshake>),
    Opaque,
    /// A gap hid where we are: only a line in strict form, or one that alone gets a reply of its own, is taken
    /// for a command.
    Lost,
    /// A line in strict form, held until a reply proves it.
    Tentative(Box<Line>),
    /// Another line with a verb that stands alone, held until the next reply tells whether it is its own.
    Weak(Box<Weak>),
    /// Behind the dot, at that position, of message data whose command was not captured: held until its
    /// final reply.
    Ended(u64),
}

/// A PROXY header as it came.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub bytes: Vec<u8>,
    pub offset: u64,
    pub from: Source,
    /// Octets of it that are still to come.
    pub left: u64,
    /// The client that it names.
    pub client: Option<Vec<u8>>,
}

impl Header {
    /// The position behind it.
    pub(super) fn end(&self) -> u64 {
        self.offset.saturating_add(self.bytes.len() as u64)
    }
}

/// A line that may be a command; if it is none, it was text.
#[derive(Clone, Debug)]
pub(super) struct Weak {
    pub line: Line,
    pub proof: Proof,
    /// The refused message data of which it is part if it is no command.
    pub data: Option<Box<Data>>,
}

/// What it takes to prove a line that stands alone to be a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// Any reply of its own: the server had answered all before it.
    Reply,
    /// A code that no end of a message or chunk gets: something was lost directly before it.
    Code,
}

impl Weak {
    /// Whether such a reply is its own.
    pub(super) fn is_proved(&self, seen: Option<u64>, code: u16) -> bool {
        let (Some(verb), _) = verb::split(&self.line.text) else { return false };
        seen == Some(self.line.end)
            && match (code, self.proof) {
                (354, _) => verb == Verb::Data,
                (334, _) => verb.is_auth(),
                // It may come at any time.
                (421, _) => false,
                (211 | 214, Proof::Code) => verb == Verb::Help,
                (220, Proof::Code) => verb.starts_tls(),
                (221, Proof::Code) => verb == Verb::Quit,
                (code, Proof::Code) => matches!(code, 500 | 502 | 503),
                (_, Proof::Reply) => true,
            }
    }
}

impl State {
    pub(super) fn waits(&self) -> bool {
        match self {
            State::First | State::Wait(_) | State::Assumed(_) | State::Foreign | State::Proxied(_) => true,
            State::Hidden(handshake) => handshake.waits(),
            _ => self.is_unproved(),
        }
    }

    /// Whether it is a reply that tells what the held bytes are.
    pub(super) fn waits_for_server(&self) -> bool {
        matches!(self, State::Wait(_) | State::Foreign | State::Proxied(_)) || self.is_unproved()
    }

    /// Whether the next reply tells what the client's state is, which a gap had hidden.
    pub(super) fn is_unproved(&self) -> bool {
        matches!(self, State::Tentative(_) | State::Weak(_) | State::Ended(_))
    }

    /// Whether nothing that the server says can be SMTP either.
    pub(super) fn is_opaque(&self) -> bool {
        match self {
            State::Hidden(handshake) => handshake.is_opaque(),
            _ => matches!(self, State::Opaque),
        }
    }

    pub(super) fn held(&self) -> usize {
        match self {
            State::Data(data) => data.held(),
            State::Chunk(chunk) => chunk.held(),
            State::Hidden(handshake) => handshake.held(),
            State::Tentative(line) => line.text.len(),
            State::Header(header) | State::Proxied(header) => header.bytes.len(),
            State::Weak(weak) => {
                let header = weak.data.as_ref().map_or(0, |data| data.held());
                weak.line.text.len().saturating_add(header)
            }
            _ => 0,
        }
    }

    /// Its name, for traces.
    #[cfg(test)]
    fn name(&self) -> String {
        let shown = format!("{self:?}");
        shown.split(['(', ' ', '{']).next().unwrap_or_default().to_owned()
    }
}
