//! From the records of one session, as they come, to its dialogue; and how much of it is kept.

use std::borrow::Cow;
use std::collections::VecDeque;

use crate::record::{Finding, Record, Session, Side, Software, TlsEvent, TlsState};

use super::model::{Dialogue, Entry, Message, Tls, What};
use super::place;

/// How much is kept of one session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Entries, without that which says how many were left out.
    pub entries: usize,
    /// Bytes of their text together.
    pub bytes: usize,
    /// Findings.
    pub findings: usize,
}

impl Bounds {
    /// Where one session is shown.
    pub(crate) const ONE: Bounds = Bounds { entries: 20_000, bytes: 16 << 20, findings: 2_000 };
    /// Where many are held at once.
    pub(crate) const MANY: Bounds = Bounds { entries: 1_000, bytes: 256 << 10, findings: 100 };
}

/// Takes the records of a session, in their order.
#[derive(Debug)]
pub(crate) struct Collector {
    bounds: Bounds,
    head: Kept,
    tail: Kept,
    /// Nothing more goes to the head: entries would be missing before it.
    head_is_full: bool,
    left_out: u64,
    /// The number of the last event.
    last: u64,
    findings: Vec<Finding>,
}

/// Entries, and how many bytes their texts have.
#[derive(Debug, Default)]
struct Kept {
    entries: VecDeque<Entry>,
    bytes: usize,
}

/// So far back stands what a handshake told before, at most.
const HANDSHAKE: usize = 8;

impl Collector {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Collector {
            bounds,
            head: Kept::default(),
            tail: Kept::default(),
            head_is_full: false,
            left_out: 0,
            last: 0,
            findings: Vec::new(),
        }
    }

    /// Takes an event or a finding; other records are none of a dialogue.
    pub(crate) fn take(&mut self, record: Record) {
        let entry = match record {
            Record::Command(command) => Entry {
                events: (command.event, command.event),
                side: Some(Side::Client),
                what: What::Lines(vec![command.line().into_owned()]),
                uncertain: command.uncertain,
                capture: command.capture,
                frame: command.frame,
                time: command.time,
                marks: Vec::new(),
            },
            Record::Reply(reply) => Entry {
                events: (reply.event, reply.event),
                side: Some(Side::Server),
                what: What::Lines(reply.whole_lines().into_iter().map(Cow::into_owned).collect()),
                uncertain: reply.uncertain,
                capture: reply.capture,
                frame: reply.frame,
                time: reply.time,
                marks: Vec::new(),
            },
            Record::Data(data) => Entry {
                events: (data.event, data.event),
                side: Some(Side::Client),
                what: What::Message(Message::of(&data)),
                uncertain: data.uncertain,
                capture: data.capture,
                frame: data.frame,
                time: data.time,
                marks: Vec::new(),
            },
            Record::Gap(gap) => Entry {
                events: (gap.event, gap.event),
                side: Some(gap.side),
                what: What::Gap(gap.bytes),
                uncertain: false,
                capture: gap.capture,
                frame: gap.frame,
                time: gap.time,
                marks: Vec::new(),
            },
            Record::Tls(tls) => match self.tls(*tls) {
                Some(entry) => entry,
                None => return,
            },
            Record::Finding(finding) => {
                if self.findings.len() < self.bounds.findings {
                    self.findings.push(*finding);
                }
                return;
            }
            _ => return,
        };
        self.push(entry);
    }

    /// The session is over: its dialogue.
    pub(crate) fn finish(mut self, session: Session, software: Option<Software>) -> Dialogue {
        if self.last == 0 {
            // It had begun before anything of it was kept.
            self.left_out = session.commands.saturating_add(session.replies);
        }
        let mut entries: Vec<Entry> = self.head.entries.into();
        if self.left_out > 0 {
            let beside = entries.last().or(self.tail.entries.front());
            let (capture, frame, time) = beside.map_or_else(
                || (session.capture.clone(), session.first_frame, session.start),
                |entry| (entry.capture.clone(), entry.frame, entry.time),
            );
            let (side, what) = (None, What::LeftOut(self.left_out));
            entries.push(Entry { events: (0, 0), capture, frame, time, side, what, uncertain: false, marks: vec![] });
        }
        entries.extend(self.tail.entries);
        let mut dialogue = Dialogue { session, software, entries, others: Vec::new(), unreported: Vec::new() };
        place::place(&mut dialogue, self.findings);
        dialogue
    }

    fn push(&mut self, entry: Entry) {
        if self.last == 0 && entry.events.0 > 1 {
            self.left_out = entry.events.0.saturating_sub(1);
            self.head_is_full = true;
        }
        self.last = entry.events.1;
        let (entries, bytes) = (self.bounds.entries / 2, self.bounds.bytes / 2);
        if !self.head_is_full && self.head.has_room(&entry, entries, bytes) {
            return self.head.push(entry);
        }
        self.head_is_full = true;
        while !self.tail.has_room(&entry, entries, bytes) && self.tail.pop() {
            self.left_out = self.left_out.saturating_add(1);
        }
        self.tail.push(entry);
    }

    /// TLS takes one line: what is told later takes the place of what was. A refusal shows in its reply.
    fn tls(&mut self, event: TlsEvent) -> Option<Entry> {
        if matches!(event.state, TlsState::None | TlsState::Offered | TlsState::Refused) {
            return None;
        }
        let before = self.tail.take_tls().or_else(|| self.head.take_tls());
        let first = before.map_or(event.event, |entry| entry.events.0);
        Some(Entry {
            events: (first, event.event),
            side: None,
            what: What::Tls(Tls {
                state: event.state,
                version: event.version.map(Cow::into_owned),
                sni: event.sni,
                alert: event.alert,
            }),
            uncertain: false,
            capture: event.capture,
            frame: event.frame,
            time: event.time,
            marks: Vec::new(),
        })
    }
}

impl Kept {
    fn has_room(&self, entry: &Entry, entries: usize, bytes: usize) -> bool {
        self.entries.len() < entries && self.bytes.saturating_add(cost(entry)) <= bytes
    }

    fn push(&mut self, entry: Entry) {
        self.bytes = self.bytes.saturating_add(cost(&entry));
        self.entries.push_back(entry);
    }

    /// Whether there was one.
    fn pop(&mut self) -> bool {
        let first = self.entries.pop_front();
        self.bytes = self.bytes.saturating_sub(first.as_ref().map_or(0, cost));
        first.is_some()
    }

    /// What was told last of a handshake that is not over.
    fn take_tls(&mut self) -> Option<Entry> {
        let is_tls = |entry: &Entry| matches!(&entry.what, What::Tls(tls) if tls.state == TlsState::Started);
        let at = self.entries.iter().rposition(is_tls)?;
        let near = self.entries.len().saturating_sub(at) <= HANDSHAKE;
        let entry = if near { self.entries.remove(at) } else { None };
        self.bytes = self.bytes.saturating_sub(entry.as_ref().map_or(0, cost));
        entry
    }
}

/// What an entry takes of the bound on bytes.
fn cost(entry: &Entry) -> usize {
    let text = match &entry.what {
        What::Lines(lines) => {
            lines.iter().fold(0, |sum: usize, line| sum.saturating_add(line.len()).saturating_add(size_of::<String>()))
        }
        What::Tls(tls) => tls.sni.as_ref().map_or(0, String::len),
        What::Message(_) | What::Gap(_) | What::LeftOut(_) => 64,
    };
    text.saturating_add(size_of::<Entry>())
}
