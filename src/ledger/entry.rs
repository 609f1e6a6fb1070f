//! What the shards hand over: entries, each with its place in the total order of output.

use std::sync::Arc;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::base::written::{Octets, octets};
use crate::base::{Captured, Endpoint, FlowKey, LinkType, Moment, Ordinal};
use crate::rules::{CheckNumber, Counts, Finding, Note, Verdict, What};
use crate::smtp::event::{DataEnd, End};
use crate::smtp::wire::tls::Tls;
use crate::smtp::{self, Answers, Command, Event, Reply, Session, Verb};

/// Where an entry stands in the total order of output: sorted by its fields, first to last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// The packet or tick that caused it.
    pub cause: Cause,
    /// The connection's first packet.
    pub connection: Ordinal,
    /// Which reading of the connection, where its bytes can be read in two ways; the usual one is 0.
    pub reading: u8,
    /// [`Key::EVENT`], for findings and notes that of their rule ([`Key::of`]), or [`Key::END`].
    pub place: u16,
    /// A running number.
    pub nth: u32,
}

impl Key {
    /// Events come before what the rules make of them.
    pub(crate) const EVENT: u16 = 0;
    /// A session's end comes behind all else of its packet.
    pub(crate) const END: u16 = u16::MAX;

    /// The place of what a rule says, by the number of its first check.
    pub(crate) fn of(rule: CheckNumber) -> u16 {
        rule.rank().saturating_add(1)
    }
}

/// All its parts in one row, in the order of their weight.
type Row = (i64, u32, u64, u8, i64, u32, u64, u8, u16, u32);

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Key { cause: Cause { packet, phase }, connection, reading, place, nth } = *self;
        let ((time, rank, frame), (first_time, first_rank, first_frame)) = (packet.parts(), connection.parts());
        let row: Row = (time, rank, frame, phase, first_time, first_rank, first_frame, reading, place, nth);
        row.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (time, rank, frame, phase, first_time, first_rank, first_frame, reading, place, nth) =
            Row::deserialize(deserializer)?;
        let of = |parts| Ordinal::of_parts(parts).ok_or_else(|| D::Error::custom("a key of no packet"));
        let cause = Cause { packet: of((time, rank, frame))?, phase };
        Ok(Key { cause, connection: of((first_time, first_rank, first_frame))?, reading, place, nth })
    }
}

/// A packet, or one of the at most two ticks before it, or the end of what came before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cause {
    pub packet: Ordinal,
    /// 0 for the end of all connections before the packet, 1 and 2 for ticks, 3 for the packet itself.
    pub phase: u8,
}

impl Cause {
    pub(crate) fn packet(packet: Ordinal) -> Self {
        Cause { packet, phase: 3 }
    }

    /// The first or second tick (0 or 1) before `packet`.
    pub(crate) fn tick(packet: Ordinal, nth: u8) -> Self {
        Cause { packet, phase: nth.min(1).saturating_add(1) }
    }

    /// `packet` begins something else (or would be the next one): all connections end before it.
    pub(crate) fn end(packet: Ordinal) -> Self {
        Cause { packet, phase: 0 }
    }
}

/// One thing that a shard has to tell.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub key: Key,
    pub item: Item,
}

/// What it is.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    /// With its number among the session's events that have a record, from 1.
    Event(Who, u64, Box<Told>),
    Note(Who, Note),
    Finding(Box<Found>),
    End(Box<SessionEnd>),
}

impl Item {
    /// What a rule said of a session.
    pub(crate) fn of(verdict: Verdict, who: Who) -> Self {
        match verdict.what {
            What::Finding(finding) => {
                Item::Finding(Box::new(Found { who, finding: *finding, kept: None, interface: None }))
            }
            What::Note(note) => Item::Note(who, note),
        }
    }
}

/// Which session, and between whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Who {
    pub client: Endpoint,
    pub server: Endpoint,
    /// The connection's first packet, whose time is part of the session's id.
    pub first: Moment,
}

impl Who {
    pub(crate) fn of(session: &Session) -> Self {
        Who { client: session.client, server: session.server, first: session.first }
    }

    /// The flow, the same whoever of the two is the server.
    pub(crate) fn flow(&self) -> FlowKey {
        FlowKey::new(self.client, self.server).0
    }
}

/// A finding and its session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Found {
    pub who: Who,
    pub finding: Finding,
    /// What is kept of its session's packets, where a live capture keeps any.
    pub kept: Option<Kept>,
    /// Of a live capture, on which interface the packet came that completed it, where that is known.
    pub interface: Option<Arc<str>>,
}

/// What is kept of a session's packets so far (FORMATS.md, `kept`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub packets: u64,
    /// The sum of their captured lengths.
    pub bytes: u64,
    /// Packets for which there was no room until something was found; 1 where it is not known how many.
    pub fell_out: u64,
}

/// A packet that is kept because something was found in its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exhibit {
    pub at: Moment,
    pub link_type: LinkType,
    /// How many octets it had on the wire.
    pub original: u32,
    pub bytes: Box<[u8]>,
    /// The findings that it carries.
    pub comments: Vec<String>,
}

impl Exhibit {
    /// As it was captured.
    pub(crate) fn captured(&self) -> Captured<'_> {
        Captured { time: self.at.time, link_type: self.link_type, original: self.original, bytes: &self.bytes }
    }
}

/// A session that is over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SessionEnd {
    pub session: Session,
    pub end: End,
    /// How often each check fired, repeats included.
    pub findings: Counts,
}

/// An event, as it is kept for its record (FORMATS.md, `command`, `reply`); faults have none.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Told {
    Command {
        at: Moment,
        verb: Option<Verb>,
        argument: Revealable<Vec<u8>>,
        /// The whole line, where it is not the verb, a blank and the argument.
        sent: Option<Revealable<Vec<u8>>>,
        uncertain: bool,
    },
    Reply {
        at: Moment,
        code: Option<u16>,
        /// Without their codes.
        lines: Revealable<Vec<Vec<u8>>>,
        /// The whole lines, where they are not what code and text make.
        sent: Option<Revealable<Vec<Vec<u8>>>>,
        answers: Answered,
        /// Of the command that it answers.
        argument: Option<Revealable<Vec<u8>>>,
        uncertain: bool,
    },
    Data {
        at: Moment,
        bytes: u64,
        lines: u64,
        #[serde(with = "octets")]
        sha256: Option<[u8; 32]>,
        end: DataEnd,
        /// The dot that ended it stood between LFs: the client never used CRLF.
        by_lf: bool,
        uncertain: bool,
    },
    Tls(Moment, Tls),
    Gap {
        at: Moment,
        of_server: bool,
        offset: u64,
        length: u64,
    },
}

/// What a reply answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Answered {
    Nothing,
    Verb(Verb),
    /// A command line without a verb.
    Line,
    /// A line of an AUTH exchange.
    Exchange,
    Message,
    Unsolicited,
    Unknown,
}

impl Told {
    /// The packet that completed it.
    pub(crate) fn at(&self) -> Moment {
        match self {
            Told::Command { at, .. }
            | Told::Reply { at, .. }
            | Told::Data { at, .. }
            | Told::Gap { at, .. }
            | Told::Tls(at, _) => *at,
        }
    }

    /// Whether the event has a record.
    pub(crate) fn is_told(event: &Event<'_>) -> bool {
        match event {
            Event::Greeting(_) | Event::Reply(..) | Event::Command(_) | Event::Data(_) | Event::Gap(_) => true,
            Event::Tls(tls, _) => !tls.only_settles(),
            Event::Fault(_) | Event::End(_) => false,
        }
    }

    /// What is kept of an event; `None` where it has no record.
    pub(crate) fn of(event: &Event<'_>, session: &Session) -> Option<Told> {
        if !Told::is_told(event) {
            return None;
        }
        let told = match event {
            Event::Greeting(reply) => Self::reply(reply, Answered::Nothing, None),
            Event::Reply(reply, answers) => {
                let command = match *answers {
                    Answers::Command(command) | Answers::Message(command) => Some(command),
                    Answers::Nothing | Answers::Unsolicited | Answers::Unknown => None,
                };
                let answers = match answers {
                    Answers::Nothing => Answered::Nothing,
                    Answers::Command(command) if command.exchange => Answered::Exchange,
                    Answers::Command(command) => command.verb.clone().map_or(Answered::Line, Answered::Verb),
                    Answers::Message(_) => Answered::Message,
                    Answers::Unsolicited => Answered::Unsolicited,
                    Answers::Unknown => Answered::Unknown,
                };
                Self::reply(reply, answers, command)
            }
            Event::Command(command) => Told::Command {
                at: command.at.last(),
                verb: command.verb.clone(),
                argument: argument(command),
                sent: sent(command),
                uncertain: command.uncertain,
            },
            Event::Data(data) => Told::Data {
                at: data.at.last(),
                bytes: data.bytes,
                lines: data.lines,
                sha256: data.sha256,
                end: data.end,
                by_lf: data.end == DataEnd::Dot && !session.client_crlf,
                uncertain: data.uncertain,
            },
            Event::Tls(tls, at) => Told::Tls(*at, (*tls).clone()),
            Event::Gap(gap) => Told::Gap {
                at: gap.at,
                of_server: gap.side == session.server_side,
                offset: gap.offset,
                length: gap.length,
            },
            Event::Fault(_) | Event::End(_) => return None,
        };
        Some(told)
    }

    fn reply(reply: &Reply, answers: Answered, command: Option<&Command>) -> Told {
        let shown: Vec<Vec<u8>> = reply.texts().map(<[u8]>::to_vec).collect();
        let revealed = |mut lines: Vec<Vec<u8>>, of: fn(&[u8]) -> &[u8]| {
            for (place, secret) in &reply.hidden {
                if let Some(line) = lines.get_mut(*place) {
                    *line = of(secret.reveal()).to_vec();
                }
            }
            lines
        };
        let whole = reply.secret.then(|| revealed(shown.clone(), smtp::wire::reply::text));
        let sent = (!are_usual(reply.code, &reply.lines)).then(|| Revealable {
            whole: reply.secret.then(|| revealed(reply.lines.clone(), |line| line)),
            shown: reply.lines.clone(),
        });
        Told::Reply {
            at: reply.at.last(),
            code: reply.code,
            lines: Revealable { shown, whole },
            sent,
            answers,
            argument: command.map(argument),
            uncertain: reply.uncertain,
        }
    }
}

/// A command's argument.
fn argument(command: &Command) -> Revealable<Vec<u8>> {
    Revealable { shown: command.shown().to_vec(), whole: command.secret.then(|| command.argument_revealed().to_vec()) }
}

/// A command's line, where verb and argument do not tell it.
fn sent(command: &Command) -> Option<Revealable<Vec<u8>>> {
    let verb = command.verb.as_ref().map_or(b"".as_slice(), |verb| verb.name().as_bytes());
    let (line, argument) = (command.shown_line(), command.shown());
    let blank: &[u8] = if verb.is_empty() || argument.is_empty() { b"" } else { b" " };
    // What is left of a secret behind a gap can look like a verb, and its letters' case gives it away.
    if command.uncertain && matches!(command.verb, Some(Verb::Other(_))) {
        return None;
    }
    let is_usual = line.strip_prefix(verb).and_then(|rest| rest.strip_prefix(blank)) == Some(argument);
    (!is_usual)
        .then(|| Revealable { shown: line.to_vec(), whole: command.secret.then(|| command.line_revealed().to_vec()) })
}

/// Whether code and texts tell these lines: each but the last has a hyphen behind its code, the last a blank or no text.
fn are_usual(code: Option<u16>, lines: &[Vec<u8>]) -> bool {
    let last = lines.len().saturating_sub(1);
    let is_usual = |(nth, line): (usize, &Vec<u8>)| {
        let follows = nth < last;
        let behind = line.get(3);
        let separated =
            if follows { behind == Some(&b'-') } else { behind.is_none() || behind == Some(&b' ') && line.len() > 4 };
        smtp::wire::reply::code(line) == (code, code.is_some() && follows) && (code.is_none() || separated)
    };
    lines.iter().enumerate().all(is_usual)
}

/// What may hold a secret: as it is shown, and where it differs as it is shown with `--show-secrets`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "T: Octets", deserialize = "T: Octets"))]
pub(crate) struct Revealable<T> {
    #[serde(with = "octets")]
    pub shown: T,
    #[serde(with = "octets")]
    pub whole: Option<T>,
}

impl<T> Revealable<T> {
    pub(crate) fn into_shown(self, reveal: bool) -> T {
        self.whole.filter(|_| reveal).unwrap_or(self.shown)
    }
}
