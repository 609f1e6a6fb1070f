//! What the parser tells: facts, in causal order. Only rules judge them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::command::Command;
use super::reply::Reply;
use super::secrets::Secret;
use crate::base::written::{self, Literal};
use crate::base::{Moment, Packets, Side};
use crate::tcp::Gap;

/// One fact of a session. It borrows from the parser; what outlives the call must be copied.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event<'e> {
    /// The server's first reply on a connection whose start was captured, complete at its last line.
    Greeting(&'e Reply),
    /// A client line outside message data, BDAT chunk and TLS (lines of an AUTH exchange included:
    /// [`Command::exchange`]).
    Command(&'e Command),
    /// A reply, with the command it answers.
    Reply(&'e Reply, Answers<'e>),
    /// Message data, a BDAT chunk or XEXCH50 octets came to their end.
    Data(&'e MessageData),
    /// The session became TLS, or TLS was refused, or its handshake told something more. The last one of
    /// a handshake is [`Tls::settled`](super::wire::tls::Tls::settled).
    Tls(&'e super::wire::tls::Tls, Moment),
    /// Bytes of a side that were not captured, where its stream is read.
    Gap(&'e Gap),
    /// Something that is against the protocol but changes no reading.
    Fault(&'e Fault),
    /// The session is over: always the last event.
    End(&'e End),
}

/// What a reply answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answers<'e> {
    /// The connection itself: a 421 that answers nothing in particular, or an opening that is no
    /// greeting (behind a TURN, or behind a line without a code).
    Nothing,
    /// A command; for a line of an AUTH exchange that line.
    Command(&'e Command),
    /// The end of message data (its DATA command) or of a chunk (its BDAT command): the mail was accepted
    /// or refused.
    Message(&'e Command),
    /// No command was left to answer.
    Unsolicited,
    /// After a gap, or where what it answers had not come: replies cannot be matched.
    Unknown,
}

/// [`Answers`] that outlive the call.
#[derive(Clone, Debug)]
pub(crate) enum OwnedAnswers {
    Nothing,
    Command(Arc<Command>),
    Message(Arc<Command>),
    Unsolicited,
    Unknown,
}

impl OwnedAnswers {
    pub(crate) fn of(answers: Answers<'_>) -> Self {
        match answers {
            Answers::Nothing => OwnedAnswers::Nothing,
            Answers::Command(command) => OwnedAnswers::Command(Arc::new(command.clone())),
            Answers::Message(command) => OwnedAnswers::Message(Arc::new(command.clone())),
            Answers::Unsolicited => OwnedAnswers::Unsolicited,
            Answers::Unknown => OwnedAnswers::Unknown,
        }
    }

    pub(crate) fn borrowed(&self) -> Answers<'_> {
        match self {
            OwnedAnswers::Nothing => Answers::Nothing,
            OwnedAnswers::Command(command) => Answers::Command(command),
            OwnedAnswers::Message(command) => Answers::Message(command),
            OwnedAnswers::Unsolicited => Answers::Unsolicited,
            OwnedAnswers::Unknown => Answers::Unknown,
        }
    }
}

/// Message data as it ended.
#[derive(Clone, Debug)]
pub(crate) struct MessageData {
    /// The command that began it; `None` where only its 354 was captured.
    pub command: Option<Arc<Command>>,
    /// Octets between the 354 and the end of data as they were on the wire, without the closing dot line.
    pub bytes: u64,
    /// Line feeds among them.
    pub lines: u64,
    /// Of those octets; `None` where it was not asked for, or bytes are missing.
    pub sha256: Option<[u8; 32]>,
    pub end: DataEnd,
    pub at: Packets,
    /// The positions of its first byte and behind its end (the dot line included) in the client's stream.
    pub start: u64,
    pub stop: u64,
    /// Whether the client sent its first byte before it knew the 354 (of a chunk: the reply to the
    /// command before); `None` where it cannot be told.
    pub early: Option<bool>,
    /// The same by packet order: it counts only where the client never acknowledges anything.
    pub early_by_order: bool,
    /// Bytes are missing, or its begin was not seen.
    pub uncertain: bool,
}

/// What ended message data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DataEnd {
    /// CRLF.CRLF, or the agreed LF.LF of a session that never used CRLF.
    Dot,
    /// Another lone dot between line ends, which the server took for the end: SMTP smuggling.
    Smuggled(#[serde(deserialize_with = "written::word")] Literal),
    /// A BDAT chunk's (or XEXCH50's) octets were complete.
    Chunk { last: bool },
    /// A reply in the middle of it.
    Refused,
    /// The session ended first, or the end lies in a gap.
    Unfinished,
}

impl DataEnd {
    /// A lone dot ended it.
    pub(super) fn is_dot(self) -> bool {
        matches!(self, DataEnd::Dot | DataEnd::Smuggled(_))
    }
}

/// Against the protocol, but it changes no reading.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub kind: FaultKind,
    pub side: Side,
    pub at: Packets,
}

/// The kinds of [`Fault`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// A server line without a code where a reply is due.
    NoCode {
        line: Vec<u8>,
        /// A command waits for its reply, and it is not the rest of a line that an LF had cut.
        due: bool,
    },
    /// The lines of one reply differ in their code.
    CodesDiffer,
    /// A tab stands behind a reply's code.
    TabBehindCode,
    /// A reply without its last line, behind which the client and the server went on.
    ReplyUnfinished,
    /// A line of message data that ends in LF without CR, or holds a CR without LF: first of each.
    BareLfInData,
    BareCrInData,
    /// Client bytes in the flight of STARTTLS that are no TLS record; `accepted` where the server's 220 was
    /// seen (else it lies in a gap).
    Injected {
        /// Secrets among them redacted; `hidden` has all as it was, where there are any.
        bytes: Vec<u8>,
        hidden: Option<Secret>,
        accepted: bool,
    },
    /// Server bytes in clear behind its 220 before the handshake: those of its first segment, secrets redacted.
    ServerInjected {
        bytes: Vec<u8>,
    },
    /// The stream is another protocol, named by its first bytes.
    OtherProtocol {
        name: &'static str,
    },
}

/// The session's end, as reassembly told it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct End {
    pub closed: crate::tcp::Closed,
    pub at: Moment,
    /// Whether start, close and every byte between were captured.
    pub complete: bool,
    /// Whether the client, the server ever acknowledged a byte of the other's stream. Where neither did,
    /// packet order decides what an end knew (RULES.md).
    pub client_acknowledges: bool,
    pub server_acknowledges: bool,
}
