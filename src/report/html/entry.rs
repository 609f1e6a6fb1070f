//! One entry of a dialogue: a command, a reply, or a note of message data, TLS or lost bytes. It is what an excerpt is made of.

use std::sync::Arc;

use crate::record::{Command, Data, DataEnd, Gap, Record, Reply, SessionId, Side, TlsEvent, TlsState};
use crate::report::figures::counted;

use super::line::Line;

/// Of a reply with more lines than this, the first and the last are kept.
const MOST_LINES: usize = 8;
const FIRST_LINES: usize = 5;

/// Something that was said, or that is noted at its place.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The numbers of its events in its session, the first and the last.
    pub events: (u64, u64),
    /// The packet that completed it.
    pub capture: Arc<str>,
    pub frame: u64,
    /// Whose it is; nobody's where it is only noted.
    pub side: Option<Side>,
    pub kind: Kind,
    pub lines: Vec<Line>,
    /// How many lines are not kept, before the last one.
    pub left_out: usize,
    /// Bytes are missing before it: it may be something else.
    pub uncertain: bool,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Lines as they came.
    Said,
    /// Message data, whose content is never shown.
    Message,
    /// What became of TLS.
    Tls,
    /// Bytes that were not captured.
    Gap,
}

impl Entry {
    /// The entry that an event makes, and its session; none where it is no event, or one that another entry shows.
    pub(super) fn of(record: &Record) -> Option<(SessionId, Self)> {
        Some(match record {
            Record::Command(command) => (command.session, Self::of_command(command)),
            Record::Reply(reply) => (reply.session, Self::of_reply(reply)),
            Record::Data(data) => (data.session, Self::of_data(data)),
            Record::Gap(gap) => (gap.session, Self::of_gap(gap)),
            Record::Tls(tls) => (tls.session, Self::of_tls(tls)?),
            _ => return None,
        })
    }

    /// What it takes of a bound on memory.
    pub(super) fn cost(&self) -> usize {
        self.lines.iter().map(Line::cost).fold(size_of::<Entry>(), usize::saturating_add)
    }

    /// Whether the event of that number is it, or is in it.
    pub(super) fn has(&self, event: u64) -> bool {
        (self.events.0..=self.events.1).contains(&event)
    }

    /// Frames are the same: `frame` of `capture`.
    pub(super) fn is_in(&self, capture: &str, frame: u64) -> bool {
        self.frame == frame && *self.capture == *capture
    }

    fn new(event: u64, capture: &Arc<str>, frame: u64, kind: Kind) -> Self {
        let capture = Arc::clone(capture);
        Entry {
            events: (event, event),
            capture,
            frame,
            side: None,
            kind,
            lines: Vec::new(),
            left_out: 0,
            uncertain: false,
        }
    }

    fn note(self, note: &str) -> Self {
        Entry { lines: vec![Line::of(note)], ..self }
    }

    fn of_command(command: &Command) -> Self {
        let line = Line::of(&command.line());
        let entry = Self::new(command.event, &command.capture, command.frame, Kind::Said);
        Entry { side: Some(Side::Client), lines: vec![line], uncertain: command.uncertain, ..entry }
    }

    fn of_reply(reply: &Reply) -> Self {
        let all = reply.whole_lines();
        let last = all.len().saturating_sub(1);
        let left_out = if all.len() > MOST_LINES { last.saturating_sub(FIRST_LINES) } else { 0 };
        let kept = all.iter().enumerate().filter(|(nth, _)| left_out == 0 || *nth < FIRST_LINES || *nth == last);
        let lines = kept.map(|(_, line)| Line::of(line)).collect();
        let entry = Self::new(reply.event, &reply.capture, reply.frame, Kind::Said);
        Entry { side: Some(Side::Server), lines, left_out, uncertain: reply.uncertain, ..entry }
    }

    fn of_data(data: &Data) -> Self {
        let what = match data.end {
            DataEnd::Chunk => "BDAT chunk",
            DataEnd::LastChunk => "last BDAT chunk",
            _ => "message",
        };
        let end = match data.end {
            DataEnd::Dot => format!(", ended by {}", data.ended_by.as_deref().unwrap_or("CRLF.CRLF")),
            DataEnd::Smuggled => format!(", ended by {}", data.ended_by.as_deref().unwrap_or("another dot")),
            DataEnd::Refused => ", refused before its end".to_owned(),
            DataEnd::Unfinished => ", its end was not captured".to_owned(),
            _ => String::new(),
        };
        let hash = data.sha256.as_deref().and_then(|hash| hash.get(..12));
        let hash =
            hash.map_or_else(|| ", not hashed: bytes are missing".to_owned(), |hash| format!(", sha256 {hash}…"));
        let (bytes, lines) = (counted(data.bytes, "byte", "bytes"), counted(data.lines, "line", "lines"));
        let entry = Self::new(data.event, &data.capture, data.frame, Kind::Message);
        let entry = Entry { side: Some(Side::Client), uncertain: data.uncertain, ..entry };
        entry.note(&format!("{what}: {bytes}, {lines}{end}{hash}"))
    }

    fn of_gap(gap: &Gap) -> Self {
        let entry = Self::new(gap.event, &gap.capture, gap.frame, Kind::Gap);
        let entry = Entry { side: Some(gap.side), ..entry };
        entry.note(&format!("{} not captured", counted(gap.bytes, "byte", "bytes")))
    }

    /// What a server offers, and that it refuses, its replies show.
    fn of_tls(tls: &TlsEvent) -> Option<Self> {
        let version = tls.version.iter().map(|version| format!(" {version}"));
        let sni = tls.sni.iter().map(|sni| format!(" for {sni}"));
        let name: String = std::iter::once("TLS".to_owned()).chain(version).chain(sni).collect();
        let note = match (tls.state, tls.alert) {
            (TlsState::None | TlsState::Offered | TlsState::Refused, _) => return None,
            (TlsState::Failed, Some(alert)) => format!("{name}: the handshake failed with alert {alert}"),
            (TlsState::Failed, None) => format!("{name}: no handshake followed"),
            (TlsState::Decrypted, _) => format!("{name}: decrypted in the capture"),
            _ => format!("{name}: encrypted from here on"),
        };
        Some(Self::new(tls.event, &tls.capture, tls.frame, Kind::Tls).note(&note))
    }
}
