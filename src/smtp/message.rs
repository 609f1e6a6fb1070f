//! Message data and chunks as the client sends them: until where, and what they tell.

use std::sync::Arc;

use super::Hears;
use super::client::{Client, Weak};
use super::command::Command;
use super::dialogue::{Choice, Dialogue};
use super::event::{DataEnd, Event, FaultKind, MessageData};
use super::gathered::{Gathered, MessageFacts};
use super::wire::data::{DotScan, Found, LineEnd};
use super::wire::line::Ending;
use super::wire::line::{Cut, Piece};
use super::wire::verb::Verb;
use crate::base::{Moment, Packets};

/// Message data as it is read.
#[derive(Clone, Debug)]
pub(super) struct Data {
    pub scan: DotScan,
    pub gathered: Gathered,
    /// `None` where only its 354 was captured.
    command: Option<Arc<Command>>,
    /// Where in the server's stream the 354 ended.
    prompt_end: Option<u64>,
    bare_lf_at: Option<Moment>,
    bare_cr_at: Option<Moment>,
    /// A reply in the middle answered it, and ended there in the server's stream: no other is due at its end.
    pub refused: Option<u64>,
    /// It was told.
    told: bool,
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

impl Chunk {
    /// Its header is behind, so no more of it is kept.
    pub(super) fn is_in_body(&self) -> bool {
        self.gathered.header.is_done()
    }
}

impl Data {
    /// Its header is behind, so no more of it is kept, and no reply has refused it.
    pub(super) fn is_in_body(&self) -> bool {
        self.refused.is_none() && self.gathered.header.is_done()
    }

    /// Its command, whether it was refused, whether bytes are missing, and where its first candidate ends.
    pub(super) fn state(&self) -> (Option<Arc<Command>>, bool, bool, Option<u64>) {
        (self.command.clone(), self.refused.is_some(), self.gathered.missing > 0, self.candidate)
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
        // Where the command lies in a gap, so may the message's first lines.
        let before = match command.as_ref().map_or(Ending::None, |command| command.ending) {
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
            refused: None,
            told: false,
            settled: false,
            end_at: None,
            candidate: None,
        }));
    }

    pub(super) fn read_data(&mut self, piece: &mut Piece<'_>, hears: &mut dyn Hears) {
        let Client::Data(data) = &mut self.client else { return };
        let (count, found) = data.scan.scan(piece.bytes, !self.session.client_crlf);
        let part = piece.take(count);
        data.gathered.scanned(&part, &data.scan, found);
        self.session.client_crlf |= data.scan.crlf;
        if data.scan.bare_lf && data.bare_lf_at.is_none() {
            data.bare_lf_at = Some(part.from.at);
        }
        if data.scan.bare_cr && data.bare_cr_at.is_none() {
            data.bare_cr_at = Some(part.from.at);
        }
        match found {
            Some(Found::End) => self.end_data(DataEnd::Dot, hears),
            Some(Found::Candidate(kind)) => self.candidate(kind, part.from.seen, hears),
            None => {}
        }
    }

    /// Counts messages with choices beyond those that one session leaves to the evidence.
    pub(super) const CHOICES: &'static str = "choices";

    /// A lone dot that is no CRLF.CRLF.
    fn candidate(&mut self, kind: &'static str, seen: Option<u64>, hears: &mut dyn Hears) {
        /// So many choices of one session are left to the evidence; later ones are read strictly.
        const FORKS: u32 = 64;
        let missing = self.server_missing(seen);
        let Client::Data(data) = &mut self.client else { return };
        let unsure = data.command.as_ref().is_none_or(|command| command.uncertain);
        data.candidate.get_or_insert(data.gathered.stop);
        self.candidates = self.candidates.saturating_add(1);
        match &mut data.end_at {
            Some(0) => self.end_data(DataEnd::Smuggled(kind), hears),
            Some(left) => *left = left.saturating_sub(1),
            None if data.settled || self.scout || self.closing || missing || unsure => {}
            None if self.forks >= FORKS => {
                data.settled = true;
                self.tally.one(Self::CHOICES);
            }
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
        if data.told {
            if end == DataEnd::Refused {
                self.client = Client::Data(data);
            }
            return;
        }
        let dotted = matches!(end, DataEnd::Dot | DataEnd::Smuggled(_));
        self.data_end.get_or_insert(data.gathered.stop);
        let side = self.client_side;
        if let Some(at) = data.bare_lf_at.take() {
            self.fault(FaultKind::BareLfInData, side, Packets::one(at), hears);
        }
        if let Some(at) = data.bare_cr_at.take() {
            self.fault(FaultKind::BareCrInData, side, Packets::one(at), hears);
        }
        let facts = self.tell_data(&mut data.gathered, data.command.as_ref(), end, dotted, data.prompt_end, hears);
        if end == DataEnd::Refused {
            data.told = true;
            self.client = Client::Data(data);
            return;
        }
        if data.refused.is_some() {
            return;
        }
        match data.command {
            Some(command) if dotted => self.expect_message(command, data.gathered.stop, facts),
            Some(_) => {}
            None if dotted && !self.may_be_answered(data.gathered.stop) => {
                self.client = Client::Ended(data.gathered.stop);
            }
            None => self.client = Client::Lost,
        }
    }

    /// A reply that ends there in the server's stream has refused the message that is read. It is told with what
    /// the client sends before it knows that.
    pub(super) fn refuse_data(&mut self, reply_end: u64) {
        let Client::Data(data) = &mut self.client else { return };
        (data.refused, data.settled, data.end_at) = (Some(reply_end), true, None);
        let facts = data.gathered.facts();
        self.note_message(&facts);
    }

    /// Tells a message that was refused, unless it was told.
    pub(super) fn tell_refused(&mut self, hears: &mut dyn Hears) {
        if matches!(&self.client, Client::Data(data) if data.refused.is_some()) {
            self.end_data(DataEnd::Refused, hears);
        }
    }

    fn tell_data(
        &mut self,
        gathered: &mut Gathered,
        command: Option<&Arc<Command>>,
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
            start: gathered.at.as_ref().map_or(gathered.stop, |_| gathered.start),
            stop: gathered.stop,
            early: seen.zip(prompt_end).map(|(seen, end)| seen < end),
            early_by_order: prompt_end.is_some_and(|end| gathered.captured < end),
            uncertain: gathered.missing > 0 || command.is_none_or(|command| command.uncertain),
        };
        hears.hear(&Event::Data(&data), &self.session);
        MessageFacts { bytes, ..gathered.facts() }
    }

    /// Message data behind a refusal goes on to its end, unless the client has seen the refusal and goes on with
    /// commands: a line that stands alone is held until a reply of its own tells.
    pub(super) fn read_refused(&mut self, piece: &mut Piece<'_>, hears: &mut dyn Hears) {
        let Client::Data(data) = &self.client else { return };
        if !data.told && piece.from.seen.zip(data.refused).is_some_and(|(seen, end)| seen >= end) {
            self.tell_refused(hears);
        }
        let mut rest = *piece;
        let line = self.client_lines.take(&mut rest, Cut::Lf, self.bounds.line);
        let mut part = piece.take(piece.bytes.len().saturating_sub(rest.bytes.len()));
        while !part.is_empty() && matches!(self.client, Client::Data(_)) {
            self.read_data(&mut part, hears);
        }
        if let Some(line) = line
            && matches!(self.client, Client::Data(_))
            && let Some(proof) = self.stands_alone(&line)
            && let Client::Data(data) = std::mem::replace(&mut self.client, Client::Lost)
        {
            self.client = Client::Weak(Box::new(Weak { line, proof, data: Some(data) }));
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
