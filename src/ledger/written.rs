//! Entries written down: one JSON object a line, so that shards can be followed by several processes on several machines
//! and what they found be merged by key, through one ledger, to what one process finds.
//!
//! A file of entries is the head, which says of which scan it is and which shards were followed; then the captures, each
//! before what names its packets, and the entries, whose keys rise; then the tail, with what was counted. Without a
//! tail it was not written to its end. Words are the program's own, checks go by their names, packets by the greatest
//! time so far, rank and frame, and octets that are no printable ASCII are base64 in an object of its own
//! ([`crate::base::written`]).
//!
//! | line | |
//! |---|---|
//! | `{"mailtap_entries": 1, "version", "options", "separate", "shards"}` | the head |
//! | `{"capture": path}` | the capture of the next rank begins |
//! | `{"k": [...], "event" or "note" or "finding" or "end": ...}` | an entry with its key |
//! | `{"tail": {"entries", "totals", "shards"}}` | the tail |
//!
//! What is hidden unless secrets are asked for is left out ([`Entry::hide_secrets`]): it can then not be had again. So is
//! what only a session's record tells, where no such records are asked for ([`Entry::shorten`]).

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::base::ShardSet;
use crate::base::written::octets;
use crate::rules::{Evidence, Note};

use super::entry::{Entry, Found, Item, Key, Revealable, SessionEnd, Told, Who};
use super::totals::{OfShards, Totals};

/// The form of these files.
const FORM: u32 = 1;

/// A line has at most so many octets: a session's end names each of its recipients.
pub(crate) const LONGEST_LINE: u64 = 256 << 20;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Head {
    mailtap_entries: u32,
    /// The program's version.
    version: Cow<'static, str>,
    /// What stands for all options that change what is found or told.
    options: String,
    /// Whether every capture is treated alone: keys of one say nothing of those of another.
    separate: bool,
    pub shards: ShardSet,
}

impl Head {
    /// Of this program; `options` is the same for all parts of one scan, and for no other one.
    pub(crate) fn new(options: &str, separate: bool, shards: ShardSet) -> Self {
        let version = Cow::Borrowed(env!("CARGO_PKG_VERSION"));
        Head { mailtap_entries: FORM, version, options: options.to_owned(), separate, shards }
    }
}

/// The last line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tail {
    /// How many there are.
    pub entries: u64,
    /// What is the same in all parts.
    pub totals: Totals,
    /// What is summed up.
    pub shards: OfShards,
}

/// What a line is.
#[derive(Clone, Debug)]
pub(crate) enum Line {
    Head(Head),
    /// The capture of the next rank begins.
    Capture(PathBuf),
    Entry(Box<Entry>),
    Tail(Box<Tail>),
}

/// The form of every line but the head, as it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    k: Option<Key>,
    event: Option<(Who, u64, Box<Told>)>,
    note: Option<(Who, Note)>,
    finding: Option<Box<Found>>,
    end: Option<Box<SessionEnd>>,
    capture: Option<Capture>,
    tail: Option<Box<Tail>>,
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Capture(#[serde(with = "octets")] PathBuf);

/// The form of lines as they are written.
#[derive(Serialize)]
#[serde(untagged)]
enum Form<'l> {
    Event { k: Key, event: (&'l Who, u64, &'l Told) },
    Note { k: Key, note: (&'l Who, &'l Note) },
    Finding { k: Key, finding: &'l Found },
    End { k: Key, end: &'l SessionEnd },
    Capture { capture: Capture },
    Tail { tail: &'l Tail },
    Head(&'l Head),
}

impl Line {
    /// Puts it behind `out`, with its line feed.
    pub(crate) fn write(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        let form = match self {
            Line::Head(head) => Form::Head(head),
            Line::Capture(path) => Form::Capture { capture: Capture(path.clone()) },
            Line::Entry(entry) => return entry.write(out),
            Line::Tail(tail) => Form::Tail { tail },
        };
        form.write(out)
    }
}

impl Form<'_> {
    fn write(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        serde_json::to_writer(&mut *out, self)?;
        out.push(b'\n');
        Ok(())
    }
}

impl Entry {
    /// Puts it behind `out` as a line of its own.
    pub(crate) fn write(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        let k = self.key;
        let form = match &self.item {
            Item::Event(who, number, told) => Form::Event { k, event: (who, *number, told) },
            Item::Note(who, note) => Form::Note { k, note: (who, note) },
            Item::Finding(finding) => Form::Finding { k, finding },
            Item::End(end) => Form::End { k, end },
        };
        form.write(out)
    }

    /// Leaves out what is shown only where secrets are asked for.
    pub(crate) fn hide_secrets(&mut self) {
        fn hide<T>(revealable: &mut Revealable<T>) {
            revealable.whole = None;
        }
        match &mut self.item {
            Item::Event(_, _, told) => match &mut **told {
                Told::Command { argument, sent, .. } => {
                    hide(argument);
                    sent.iter_mut().for_each(hide);
                }
                Told::Reply { lines, sent, argument, .. } => {
                    hide(lines);
                    sent.iter_mut().for_each(hide);
                    argument.iter_mut().for_each(hide);
                }
                Told::Data { .. } | Told::Tls(..) | Told::Gap { .. } => {}
            },
            Item::Finding(found) => {
                for (_, evidence) in &mut found.finding.evidence {
                    if let Evidence::Secret { whole, .. } = evidence {
                        *whole = None;
                    }
                }
            }
            Item::Note(..) | Item::End(_) => {}
        }
    }
}

impl Entry {
    /// Leaves out of a session's end what only its record tells: for a scan that prints no such records.
    pub(crate) fn shorten(&mut self) {
        if let Item::End(ended) = &mut self.item {
            let session = &mut ended.session;
            session.transactions.clear();
            session.auth.clear();
            (session.proxied_for, session.early_at) = (None, None);
        }
    }
}

/// What is wrong with a file of entries.
#[derive(Debug)]
pub(crate) enum Malformed {
    /// Its first line is no head.
    NoHead,
    /// It has another form.
    Form(u32),
    /// Another version of the program wrote it.
    Version(String),
    /// It is of a scan with other options.
    Options,
    /// A line that is none of the forms.
    Line(serde_json::Error),
    /// A line with more than [`LONGEST_LINE`] octets.
    TooLong,
    /// A line that is whole, but of no kind or of several.
    Kind,
    /// A key that does not stand behind the one before it.
    Order,
    /// The tail tells so many entries more or fewer than there are.
    Entries { told: u64, came: u64 },
    /// It has no tail: it was not written to its end.
    Cut,
    /// Something stands behind its tail.
    Behind,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::NoHead => f.write_str("no head of a file of entries"),
            Malformed::Form(form) => write!(f, "entries of form {form}, where only {FORM} is known"),
            Malformed::Version(version) => write!(f, "written by version {version}"),
            Malformed::Options => f.write_str("written with other options"),
            Malformed::Line(_) => f.write_str("not a line of entries"),
            Malformed::TooLong => write!(f, "a line of more than {LONGEST_LINE} octets"),
            Malformed::Kind => f.write_str("a line that is not of exactly one kind"),
            Malformed::Order => f.write_str("a key that does not stand behind the one before it"),
            Malformed::Entries { told, came } => write!(f, "{came} entries, where {told} were written"),
            Malformed::Cut => f.write_str("not written to its end"),
            Malformed::Behind => f.write_str("something stands behind its tail"),
        }
    }
}

impl std::error::Error for Malformed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Malformed::Line(error) => Some(error),
            _ => None,
        }
    }
}

/// Where an entry stands among all of a scan: where captures are treated alone, what one of them caused stands before
/// what the next one did, whatever their times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stand(u32, Key);

impl Stand {
    pub(crate) fn of(key: Key, separate: bool) -> Self {
        Stand(if separate { key.cause.packet.rank() } else { 0 }, key)
    }
}

/// Reads a file of entries line by line, and holds it against what such a file is.
#[derive(Debug)]
pub(crate) struct Lines {
    options: String,
    separate: bool,
    /// So far.
    entries: u64,
    last: Option<Stand>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Entries,
    Ended,
}

impl Lines {
    /// Of a scan with these options ([`Head::new`]).
    pub(crate) fn new(options: &str, separate: bool) -> Self {
        Lines { options: options.to_owned(), separate, entries: 0, last: None, state: State::Head }
    }

    /// Takes the next line, without its line feed.
    pub(crate) fn take(&mut self, line: &[u8]) -> Result<Line, Malformed> {
        match self.state {
            State::Head => self.head(line).map(Line::Head),
            State::Entries => self.behind_head(line),
            State::Ended => Err(Malformed::Behind),
        }
    }

    /// Where the last entry stands.
    pub(crate) fn stand(&self) -> Option<Stand> {
        self.last
    }

    /// Nothing follows.
    pub(crate) fn end(&self) -> Result<(), Malformed> {
        match self.state {
            State::Head => Err(Malformed::NoHead),
            State::Entries => Err(Malformed::Cut),
            State::Ended => Ok(()),
        }
    }

    fn head(&mut self, line: &[u8]) -> Result<Head, Malformed> {
        /// What every form of these files begins with.
        #[derive(Deserialize)]
        struct Any {
            mailtap_entries: u32,
        }
        let any: Any = serde_json::from_slice(line).map_err(|_| Malformed::NoHead)?;
        if any.mailtap_entries != FORM {
            return Err(Malformed::Form(any.mailtap_entries));
        }
        let head: Head = serde_json::from_slice(line).map_err(Malformed::Line)?;
        let wanted = Head::new(&self.options, self.separate, head.shards);
        if head.version != wanted.version {
            return Err(Malformed::Version(head.version.into_owned()));
        }
        if head != wanted {
            return Err(Malformed::Options);
        }
        self.state = State::Entries;
        Ok(head)
    }

    fn behind_head(&mut self, line: &[u8]) -> Result<Line, Malformed> {
        let fields = serde_json::from_slice(line).map_err(Malformed::Line)?;
        let (key, item) = match fields {
            Fields { k: None, event: None, note: None, finding: None, end: None, capture, tail } => {
                return match (capture, tail) {
                    (Some(Capture(path)), None) => Ok(Line::Capture(path)),
                    (None, Some(tail)) => self.tail(tail),
                    (Some(_), Some(_)) | (None, None) => Err(Malformed::Kind),
                };
            }
            Fields { k: Some(key), event, note, finding, end, capture: None, tail: None } => {
                let event = event.map(|(who, number, told)| Item::Event(who, number, told));
                let note = note.map(|(who, note)| Item::Note(who, note));
                let all = [event, note, finding.map(Item::Finding), end.map(Item::End)];
                let mut all = all.into_iter().flatten();
                (key, all.next().filter(|_| all.next().is_none()).ok_or(Malformed::Kind)?)
            }
            _ => return Err(Malformed::Kind),
        };
        let stand = Stand::of(key, self.separate);
        if self.last.is_some_and(|last| stand <= last) {
            return Err(Malformed::Order);
        }
        self.last = Some(stand);
        self.entries = self.entries.saturating_add(1);
        Ok(Line::Entry(Box::new(Entry { key, item })))
    }

    fn tail(&mut self, tail: Box<Tail>) -> Result<Line, Malformed> {
        if tail.entries != self.entries {
            return Err(Malformed::Entries { told: tail.entries, came: self.entries });
        }
        self.state = State::Ended;
        Ok(Line::Tail(tail))
    }
}

#[cfg(test)]
impl Entry {
    /// For tests: what is read of the line that it is written as, which is written as the same line again.
    pub(crate) fn read_back(&self) -> Entry {
        let written = |entry: &Entry| {
            let mut line = Vec::new();
            entry.write(&mut line).unwrap();
            String::from_utf8(line).unwrap()
        };
        let line = written(self);
        let mut lines = Lines { state: State::Entries, ..Lines::new("", false) };
        match lines.take(line.trim_end().as_bytes()) {
            Ok(Line::Entry(again)) => {
                assert_eq!(written(&again), line);
                *again
            }
            other => panic!("{other:?}: {line}"),
        }
    }
}
