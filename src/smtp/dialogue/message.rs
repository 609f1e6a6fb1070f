//! Message data and chunks: read, told, and what waits for a reply behind them.

use std::sync::Arc;

use super::Dialogue;
use crate::base::Packets;
use crate::smtp::Hears;
use crate::smtp::client::{Cause, State, Weak};
use crate::smtp::command::Command;
use crate::smtp::event::{DataEnd, FaultKind, MessageData};
use crate::smtp::gathered::{Gathered, MessageFacts};
use crate::smtp::message::{Chunk, Data, Dot};
use crate::smtp::readings::{Choice, Reading};
use crate::smtp::wire::line::{Cut, Piece};
use crate::smtp::wire::verb::Verb;

/// Counts choices beyond those that one session leaves to the evidence.
const CHOICES: &str = "choices";

impl Dialogue {
    pub(super) fn begin_data(&mut self, command: Option<Arc<Command>>, prompt_end: Option<u64>) {
        let data = Data::new(command, prompt_end, self.limits.1.want_data_hash);
        self.client.enter(State::Data(Box::new(data)), Cause::Reply);
    }

    pub(super) fn read_data(&mut self, piece: &mut Piece<'_>, hears: &mut dyn Hears) {
        let State::Data(data) = &mut *self.client else { return };
        let seen = piece.from.seen;
        let dot = data.read(piece, !self.session.client_crlf);
        self.session.client_crlf |= data.has_crlf();
        if let Some(dot) = dot {
            self.dot(dot, seen, hears);
        }
    }

    /// The server has seen all of the client's stream, and that ends in a dot and a CR: it may have ended the message there.
    pub(super) fn read_open_dot(&mut self, seen: Option<u64>, hears: &mut dyn Hears) {
        let end = self.streams.client_end();
        if let State::Data(data) = &mut *self.client
            && self.held.is_empty()
            && self.streams.server_seen(seen).is_none_or(|seen| seen >= end)
            && let Some(dot) = data.read_open_dot()
        {
            self.dot(dot, Some(0), hears);
        }
    }

    fn dot(&mut self, dot: Dot, seen: Option<u64>, hears: &mut dyn Hears) {
        match dot {
            Dot::End => self.end_data(DataEnd::Dot, hears),
            Dot::Chosen(kind) => {
                if let State::Data(data) = &*self.client {
                    self.choices.prove_from(data.stop());
                }
                self.end_data(DataEnd::Smuggled(kind), hears);
            }
            Dot::Passed => self.choices.note_candidate(),
            Dot::Open(kind) => self.candidate(kind, seen, hears),
        }
    }

    /// A lone dot that is no CRLF.CRLF.
    fn candidate(&mut self, kind: &'static str, seen: Option<u64>, hears: &mut dyn Hears) {
        self.choices.note_candidate();
        let missing = self.server_missing(seen);
        let State::Data(data) = &mut *self.client else { return };
        let unsure = data.command().is_none_or(|command| command.uncertain);
        if !self.choices.may_open() || missing || unsure {
            return;
        }
        if self.choices.is_spent() {
            data.decide(None);
            return self.tally.one(CHOICES);
        }
        self.flush(hears);
        self.choices.stop(Choice::EndOfData(kind));
    }

    /// Whether the candidate at which the session stopped, or a later one, ends the message.
    pub(super) fn choose_end(&mut self, kind: &'static str, reading: Reading, hears: &mut dyn Hears) {
        let State::Data(data) = &mut *self.client else { return };
        match reading {
            Reading::EndAt(0) => {
                self.choices.prove_from(data.stop());
                self.end_data(DataEnd::Smuggled(kind), hears);
            }
            Reading::EndAt(place) => data.decide(place.checked_sub(1)),
            _ => data.decide(None),
        }
    }

    pub(super) fn end_data(&mut self, end: DataEnd, hears: &mut dyn Hears) {
        let State::Data(mut data) = self.client.leave() else { return };
        self.client.enter(State::Command, Cause::Bytes);
        let dotted = end.is_dot();
        if dotted {
            self.choices.note_data_end(data.stop());
        }
        if data.is_answered() && dotted && data.is_told() {
            return self.expect_once_more(&data, hears);
        }
        let facts = self.tell_data_end(&mut data, end, hears);
        if data.is_answered() {
            if dotted {
                self.expect_once_more(&data, hears);
            }
            return;
        }
        let stop = data.stop();
        match data.command() {
            Some(command) if dotted => self.expect_message(Arc::clone(command), stop, facts, false, hears),
            Some(_) if end == DataEnd::Unfinished => self.envelope.note_message(&facts, &mut self.session),
            Some(_) => {}
            None if dotted && !self.matching.may_be_answered(stop) => {
                self.client.enter(State::Ended(stop), Cause::Bytes);
            }
            None => self.client.enter(State::Lost, Cause::Bytes),
        }
    }

    /// A message that a reply in the middle answered has come to its end: some servers answer once more.
    fn expect_once_more(&mut self, data: &Data, hears: &mut dyn Hears) {
        if let Some(command) = data.command() {
            self.expect_message(Arc::clone(command), data.stop(), MessageFacts::default(), true, hears);
        }
    }

    fn tell_data_end(&mut self, data: &mut Data, end: DataEnd, hears: &mut dyn Hears) -> MessageFacts {
        if data.tell() {
            return MessageFacts::default();
        }
        let side = self.streams.client_side();
        let (bare_lf, bare_cr) = data.take_faults();
        if let Some(at) = bare_lf {
            self.fault(FaultKind::BareLfInData, side, Packets::one(at), hears);
        }
        if let Some(at) = bare_cr {
            self.fault(FaultKind::BareCrInData, side, Packets::one(at), hears);
        }
        let (command, prompt_end) = (data.command().cloned(), data.prompt_end());
        self.tell_data(data.gathered(), command.as_ref(), end, prompt_end, hears)
    }

    /// A reply that ends there in the server's stream has answered the message that is read. It is told with what the
    /// client sends before it knows that.
    pub(super) fn answer_data(&mut self, reply_end: u64) {
        let State::Data(data) = &mut *self.client else { return };
        let facts = data.answer(reply_end);
        self.envelope.note_message(&facts, &mut self.session);
    }

    /// Tells a message that a reply in the middle answered, unless it was told; it is still read.
    pub(super) fn tell_answered(&mut self, hears: &mut dyn Hears) {
        let State::Data(mut data) = self.client.leave() else { return };
        if data.is_answered() {
            self.tell_data_end(&mut data, DataEnd::Refused, hears);
        }
        *self.client = State::Data(data);
    }

    fn tell_data(
        &mut self,
        gathered: &mut Gathered,
        command: Option<&Arc<Command>>,
        end: DataEnd,
        prompt_end: Option<u64>,
        hears: &mut dyn Hears,
    ) -> MessageFacts {
        let (bytes, lines, sha256) = gathered.close(end.is_dot());
        let seen = gathered.seen.filter(|&seen| seen > 0 || self.streams.client_acks());
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
        self.tell_message(data, hears);
        MessageFacts { bytes, ..gathered.facts() }
    }

    /// Message data behind a reply in its middle goes on to its end, unless the client has seen that reply and goes on with
    /// commands: a line that stands alone is held until a reply of its own tells.
    pub(super) fn read_answered(&mut self, piece: &mut Piece<'_>, hears: &mut dyn Hears) {
        let State::Data(data) = &*self.client else { return };
        if !data.is_told() && data.is_known_answered(piece.from.seen) {
            self.tell_answered(hears);
        }
        let mut rest = *piece;
        let line = self.lines.client.take(&mut rest, Cut::Lf, self.limits.0.line);
        let mut part = piece.take(piece.bytes.len().saturating_sub(rest.bytes.len()));
        while !part.is_empty() && matches!(*self.client, State::Data(_)) {
            self.read_data(&mut part, hears);
        }
        if let Some(line) = line
            && matches!(*self.client, State::Data(_))
            && let Some(proof) = self.stands_alone(&line)
            && let State::Data(data) = self.client.leave()
        {
            let weak = Weak { line, proof, data: Some(data) };
            self.client.enter(State::Weak(Box::new(weak)), Cause::Bytes);
        }
    }

    pub(super) fn begin_chunk(&mut self, command: &Arc<Command>, size: u64, last: bool, hears: &mut dyn Hears) {
        let mut chunk = Chunk::new(Arc::clone(command), size, last, self.limits.1.want_data_hash);
        if let Some(header) = self.envelope.take_header() {
            chunk.gathered().carry_on(header);
        }
        self.client.enter(State::Chunk(Box::new(chunk)), Cause::Command);
        if size == 0 {
            self.end_chunk(hears);
        }
    }

    pub(super) fn read_chunk(&mut self, piece: &mut Piece<'_>, hears: &mut dyn Hears) {
        let State::Chunk(chunk) = &mut *self.client else { return };
        if chunk.take_known_refusal(piece.from.seen) && self.choices.may_stop() {
            let untouched = chunk.is_untouched();
            self.flush(hears);
            return self.choices.stop(Choice::RefusedChunk(untouched));
        }
        chunk.read(piece);
        if chunk.is_complete() {
            self.end_chunk(hears);
        }
    }

    /// The chunk was refused and is not sent on: commands follow.
    pub(super) fn drop_chunk(&mut self, hears: &mut dyn Hears) {
        if matches!(&*self.client, State::Chunk(chunk) if chunk.is_untouched()) {
            return self.client.enter(State::Command, Cause::Evidence);
        }
        self.end_chunk(hears);
    }

    pub(super) fn end_chunk(&mut self, hears: &mut dyn Hears) {
        let State::Chunk(mut chunk) = self.client.leave() else { return };
        self.client.enter(State::Command, Cause::Bytes);
        let whole = chunk.is_complete() || chunk.ends_with_reply();
        let end = if whole { DataEnd::Chunk { last: chunk.is_last() } } else { DataEnd::Unfinished };
        let command = Arc::clone(chunk.command());
        let mut facts = self.tell_data(chunk.gathered(), Some(&command), end, None, hears);
        if whole && !chunk.is_last() {
            let header = chunk.gathered().take_header();
            if header.is_some() {
                // A field may go on in the next chunk.
                (facts.subject, facts.message_id) = (None, None);
            }
            self.envelope.keep_header(header);
        }
        if !command.is(&Verb::Bdat) {
            let end = if chunk.ends_with_reply() { command.end } else { chunk.stop() };
            return self.expect_message(command, end, facts, false, hears);
        }
        match self.matching.find_mut(command.number) {
            Some(pending) => pending.facts = Some(Box::new(facts)),
            None => self.envelope.note_late_message(&facts, &mut self.session),
        }
    }
}
