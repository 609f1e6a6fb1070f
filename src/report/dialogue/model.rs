//! What a dialogue is made of. Everything in it is of records: escaped, and with secrets hidden.

use std::sync::Arc;

use crate::record::{Data, Finding, Session, Severity, Side, Software, TlsState, When};

/// A session, as it is shown.
#[derive(Clone, Debug)]
pub(crate) struct Dialogue {
    pub session: Session,
    /// What the server says of its software, where that is known.
    pub software: Option<Software>,
    /// What was said, in causal order: a reply comes after its command, so frame numbers may step back.
    pub entries: Vec<Entry>,
    /// Findings that belong to no entry.
    pub others: Vec<Finding>,
    /// Checks that fired more often than they were reported, and how much more often.
    pub unreported: Vec<(String, u64)>,
}

/// One thing that was said, or that is to be told at this place.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The numbers of its events in the session, the first and the last.
    pub events: (u64, u64),
    /// The capture of the packet that completed it.
    pub capture: Arc<str>,
    /// The frame of that packet.
    pub frame: u64,
    /// The time of that packet.
    pub time: When,
    /// Who said it; neither of them where it is only told.
    pub side: Option<Side>,
    pub what: What,
    /// A gap leaves open whether it is what it looks like.
    pub uncertain: bool,
    /// The findings that are about it, worst first.
    pub marks: Vec<Mark>,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Lines as they came, without their line ends: one of the client, or those of a reply.
    Lines(Vec<String>),
    /// Message data or a chunk of it, whose content is never shown.
    Message(Message),
    /// What became of TLS.
    Tls(Tls),
    /// So many bytes were not captured here.
    Gap(u64),
    /// So many entries were left out here for want of room.
    LeftOut(u64),
}

/// Message data that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub bytes: u64,
    pub lines: u64,
    /// 64 hexadecimal digits; none where bytes are missing.
    pub sha256: Option<String>,
    pub end: crate::record::DataEnd,
    /// What stood around the dot that ended it, where it was not `CRLF.CRLF`.
    pub ended_by: Option<String>,
}

/// A handshake, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tls {
    pub state: TlsState,
    pub version: Option<String>,
    /// The server's name that the client asked for.
    pub sni: Option<String>,
    pub alert: Option<u8>,
}

/// A finding at an entry.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    pub finding: Finding,
    /// It is about this very entry, and not only about something in the same packet.
    pub is_exact: bool,
}

impl Dialogue {
    /// All findings, those at entries first.
    pub(crate) fn findings(&self) -> impl Iterator<Item = &Finding> {
        let marks = self.entries.iter().flat_map(|entry| &entry.marks);
        marks.map(|mark| &mark.finding).chain(&self.others)
    }

    /// How many findings there are of each severity, the worst first; of none there is no row.
    pub(crate) fn severities(&self) -> Vec<(Severity, u64)> {
        let count = |severity: Severity| self.findings().filter(|finding| finding.severity == severity).count() as u64;
        Severity::ALL.into_iter().rev().map(|severity| (severity, count(severity))).filter(|(_, n)| *n > 0).collect()
    }

    /// The entry from which on the session is encrypted.
    pub(crate) fn encrypted_from(&self) -> Option<(&Entry, &Tls)> {
        let mut tls = self.entries.iter().rev().filter_map(|entry| match &entry.what {
            What::Tls(tls) => Some((entry, tls)),
            _ => None,
        });
        tls.find(|(_, tls)| matches!(tls.state, TlsState::Started | TlsState::Implicit))
    }

    /// The side of which nothing was captured, while the other one said something.
    pub(crate) fn silent_side(&self) -> Option<Side> {
        let of =
            |side| self.entries.iter().any(|entry| entry.side == Some(side) && !matches!(entry.what, What::Gap(_)));
        match (of(Side::Client), of(Side::Server)) {
            (true, false) => Some(Side::Server),
            (false, true) => Some(Side::Client),
            _ => None,
        }
    }
}

impl Entry {
    /// The worst finding about it.
    pub(crate) fn worst(&self) -> Option<Severity> {
        self.marks.iter().map(|mark| mark.finding.severity).max()
    }
}

impl Message {
    pub(super) fn of(data: &Data) -> Self {
        Message {
            bytes: data.bytes,
            lines: data.lines,
            sha256: data.sha256.as_deref().map(str::to_owned),
            end: data.end,
            ended_by: data.ended_by.as_deref().map(str::to_owned),
        }
    }
}
