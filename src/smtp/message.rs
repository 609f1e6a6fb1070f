//! Message data and chunks as the client sends them: until where, and what they tell.

use std::sync::Arc;

use super::Hears;
use super::client::Client;
use super::command::{Command, Ending};
use super::data::{DotScan, Found, Gathered, LineEnd};
use super::dialogue::{Choice, Dialogue, MessageFacts};
use super::event::{DataEnd, Event, FaultKind, MessageData};
use super::line::Piece;
use super::verb::Verb;
use crate::base::Packets;

/// Message data as it is read.
#[derive(Clone, Debug)]
pub(super) struct Data {
    /// `None` where only its 354 was captured.
    command: Option<Arc<Command>>,
    pub scan: DotScan,
    pub gathered: Gathered,
    /// Where in the server's stream the 354 ended.
    prompt_end: Option<u64>,
    bare_lf_at: Option<Packets>,
    bare_cr_at: Option<Packets>,
    /// A reply in the middle answered it: no other is due at its end.
    pub refused: bool,
    /// No more choices in this message.
    pub settled: bool,
    /// Candidates left before the one that ends it.
    pub end_at: Option<u32>,
    /// Where the first candidate ends.
    candidate: Option<u64>,
}

/// A BDAT chunk or the octets of XEXCH50 as they are read.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    command: Arc<Command>,
    pub left: u64,
    last: bool,
    /// A size that nobody means: the octets end with the server's next reply.
    pub until_reply: bool,
    pub gathered: Gathered,
}

impl Data {
    /// Its command, whether it was refused, whether bytes are missing, and where its first candidate ends.
    pub(super) fn state(&self) -> (Option<Arc<Command>>, bool, bool, Option<u64>) {
        (self.command.clone(), self.refused, self.gathered.missing > 0, self.candidate)
    }
}

impl Dialogue {
    pub(super) fn begin_chunk(&mut self, command: Arc<Command>, size: u64, last: bool, hears: &mut dyn Hears) {
        let mut gathered = Gathered::new(self.options.want_data_hash);
        gathered.stop = command.end;
        self.client = Client::Chunk(Box::new(Chunk { command, left: size, last, until_reply: false, gathered }));
        if size == 0 {
            self.end_chunk(hears);
        }
    }

    pub(super) fn begin_data(&mut self, command: Option<Arc<Command>>, prompt_end: Option<u64>) {
        let before = match command.as_ref().map_or(Ending::CrLf, |command| command.ending) {
            Ending::CrLf => LineEnd::CrLf,
            Ending::Lf => LineEnd::Lf,
            Ending::None => LineEnd::Unknown,
        };
        self.client = Client::Data(Box::new(Data {
            command,
            scan: DotScan::new(before),
            gathered: Gathered::new(self.options.want_data_hash),
            prompt_end,
            bare_lf_at: None,
            bare_cr_at: None,
            refused: false,
            settled: false,
            end_at: None,
            candidate: None,
        }));
    }

    pub(super) fn read_data(&mut self, piece: &mut Piece<'_>, hears: &mut dyn Hears) {
        let Client::Data(data) = &mut self.client else { return };
        let (count, found) = data.scan.scan(piece.bytes, !self.client_crlf);
        let part = piece.take(count);
        data.gathered.scanned(&part, &data.scan, found);
        self.client_crlf |= data.scan.crlf;
        if data.scan.bare_lf && data.bare_lf_at.is_none() {
            data.bare_lf_at = Some(Packets::one(part.from.at));
        }
        if data.scan.bare_cr && data.bare_cr_at.is_none() {
            data.bare_cr_at = Some(Packets::one(part.from.at));
        }
        match found {
            Some(Found::End) => self.end_data(DataEnd::Dot, hears),
            Some(Found::Candidate(kind)) => self.candidate(kind, part.from.seen, hears),
            None => {}
        }
    }

    /// A lone dot that is no CRLF.CRLF.
    fn candidate(&mut self, kind: &'static str, seen: Option<u64>, hears: &mut dyn Hears) {
        /// So many choices of one session are left to the evidence; later ones are read strictly.
        const FORKS: u32 = 64;
        let missing = self.server_missing(seen);
        let Client::Data(data) = &mut self.client else { return };
        data.candidate.get_or_insert(data.gathered.stop);
        self.candidates = self.candidates.saturating_add(1);
        match &mut data.end_at {
            Some(0) => self.end_data(DataEnd::Smuggled(kind), hears),
            Some(left) => *left = left.saturating_sub(1),
            None if data.settled || self.scout || self.closing || missing || data.command.is_none() => {}
            None if self.forks >= FORKS => data.settled = true,
            None => {
                self.forks = self.forks.saturating_add(1);
                self.choice = Some(Choice::EndOfData(kind));
            }
        }
    }

    /// Whether the client is in the message in which the choice was, still before its end.
    pub(super) fn open_data(&self) -> Option<&Data> {
        match &self.client {
            Client::Data(data) => Some(data),
            _ => None,
        }
    }

    pub(super) fn end_data(&mut self, end: DataEnd, hears: &mut dyn Hears) {
        let Client::Data(mut data) = std::mem::replace(&mut self.client, Client::Command) else { return };
        if data.refused {
            // It was told and answered when the server refused it.
            return;
        }
        let dotted = matches!(end, DataEnd::Dot | DataEnd::Smuggled(_));
        self.data_end.get_or_insert(data.gathered.stop);
        let side = self.client_side;
        if let Some(at) = data.bare_lf_at.take() {
            self.fault(FaultKind::BareLfInData, side, at, hears);
        }
        if let Some(at) = data.bare_cr_at.take() {
            self.fault(FaultKind::BareCrInData, side, at, hears);
        }
        let facts = self.tell_data(&mut data.gathered, data.command.as_deref(), end, dotted, data.prompt_end, hears);
        if end == DataEnd::Refused {
            // The server has answered; where the client is not yet aware of it, its message goes on.
            self.note_message(&facts);
            data.refused = true;
            self.client = Client::Data(data);
            return;
        }
        let Some(command) = data.command else {
            self.client = Client::Lost;
            return;
        };
        if dotted {
            self.expect_message(command, data.gathered.stop, facts);
        }
    }

    fn tell_data(
        &mut self,
        gathered: &mut Gathered,
        command: Option<&Command>,
        end: DataEnd,
        dotted: bool,
        prompt_end: Option<u64>,
        hears: &mut dyn Hears,
    ) -> MessageFacts {
        let (bytes, lines, sha256) = gathered.close(dotted);
        let seen = gathered.seen.filter(|&seen| seen > 0 || self.client_acks);
        let data = MessageData {
            command: command.cloned(),
            bytes,
            lines,
            sha256,
            end,
            at: gathered.at.clone().unwrap_or_else(|| Packets::one(self.session.last)),
            start: gathered.start.unwrap_or(gathered.stop),
            stop: gathered.stop,
            early: seen.zip(prompt_end).map(|(seen, end)| seen < end),
            uncertain: gathered.missing > 0 || command.is_none(),
        };
        hears.hear(&Event::Data(&data), &self.session);
        MessageFacts {
            bytes,
            subject: gathered.header.field(b"Subject"),
            message_id: gathered.header.field(b"Message-ID"),
        }
    }

    pub(super) fn read_chunk(&mut self, piece: &mut Piece<'_>, hears: &mut dyn Hears) {
        let Client::Chunk(chunk) = &mut self.client else { return };
        let count = usize::try_from(chunk.left).unwrap_or(usize::MAX).min(piece.bytes.len());
        let part = piece.take(count);
        chunk.gathered.counted(&part);
        chunk.left = chunk.left.saturating_sub(count as u64);
        if chunk.left == 0 {
            self.end_chunk(hears);
        }
    }

    pub(super) fn end_chunk(&mut self, hears: &mut dyn Hears) {
        let Client::Chunk(mut chunk) = std::mem::replace(&mut self.client, Client::Command) else { return };
        let end = if chunk.left == 0 || chunk.until_reply {
            DataEnd::Chunk { last: chunk.last }
        } else {
            DataEnd::Unfinished
        };
        let facts = self.tell_data(&mut chunk.gathered, Some(&chunk.command), end, false, None, hears);
        if !chunk.command.is(&Verb::Bdat) {
            let end = if chunk.until_reply { chunk.command.end } else { chunk.gathered.stop };
            return self.expect_message(chunk.command, end, facts);
        }
        let number = chunk.command.number;
        match self.pending.iter_mut().find(|pending| pending.command.number == number) {
            Some(pending) => pending.facts = Some(Box::new(facts)),
            None => self.note_message(&facts),
        }
    }
}
