//! The client's bytes: read, or held until it is known what they are.

use super::Dialogue;
use crate::base::{Limit, Moment};
use crate::smtp::Hears;
use crate::smtp::client::{Cause, Proof, State, Weak};
use crate::smtp::command::Role;
use crate::smtp::event::DataEnd;
use crate::smtp::held::Item;
use crate::smtp::readings::Choice;
use crate::smtp::wire::argument::is_strict;
use crate::smtp::wire::base64;
use crate::smtp::wire::line::{Cut, Ending, Line, Piece};
use crate::smtp::wire::verb::{self, Verb};

impl Dialogue {
    fn waits(&self) -> bool {
        self.choices.is_open() || self.client.waits()
    }

    /// Takes the client's next bytes: reads them, or holds them until it is known what they are.
    pub(super) fn client_bytes(&mut self, piece: Piece<'_>, hears: &mut dyn Hears) {
        self.streams.client_came(piece.end());
        self.streams.client_speaks(piece.from.seen);
        self.choices.note_client(piece.offset, piece.from.seen);
        if self.may_end_open_line(&piece, hears) {
            return;
        }
        if self.server_missing(piece.from.seen) && self.client.waits_for_server() {
            self.lose_replies(hears);
            self.release(hears);
        }
        if self.waits() || !self.held.is_empty() {
            self.held.push_piece(&piece);
        } else {
            let rest = self.read_client(piece, hears);
            self.held.push_piece(&rest);
        }
        self.proceed(hears);
    }

    pub(super) fn client_ended(&mut self, at: Moment, hears: &mut dyn Hears) {
        self.held.push(Item::End(at));
        self.proceed(hears);
    }

    /// Reads what is held for as long as it is known what it is.
    pub(super) fn proceed(&mut self, hears: &mut dyn Hears) {
        loop {
            while !self.waits() {
                let Some(item) = self.held.pop() else { return };
                match item {
                    Item::Bytes(kept) => {
                        let unread = self.read_client(kept.piece(), hears).bytes.len();
                        self.held.put_back(kept.unread(unread));
                    }
                    Item::Gap(gap) => self.read_gap(&gap, hears),
                    Item::End(_) => self.finish_line(hears),
                }
            }
            if self.choices.is_open() || !(self.look(hears) || self.limit(hears)) {
                return;
            }
        }
    }

    /// Looks at held bytes that may tell themselves what they are; returns whether they did.
    fn look(&mut self, hears: &mut dyn Hears) -> bool {
        match &*self.client {
            State::First => self.look_at_first(hears),
            State::Hidden(_) => self.look_at_hidden(hears),
            State::Assumed(command) => {
                let command = command.clone();
                self.look_at_assumed(&command, hears)
            }
            _ => false,
        }
    }

    /// At the limit what waits is read as if the reply had accepted; returns whether it acted.
    fn limit(&mut self, hears: &mut dyn Hears) -> bool {
        if self.held.len() <= self.limits.0.held {
            return false;
        }
        self.tally.one(Limit::HeldBytesPerConnection.key());
        self.release(hears);
        true
    }

    /// Waits no longer: a limit acted, the reply lies in a gap, or the session is over.
    pub(super) fn release(&mut self, hears: &mut dyn Hears) {
        self.flush(hears);
        match self.client.leave() {
            State::First => self.client.enter(State::Command, Cause::Release),
            State::Wait(command) if self.held.is_empty() => {
                self.client.enter(State::Assumed(command), Cause::Release);
            }
            State::Wait(command) | State::Assumed(command) => {
                let prefix = self.held.prefix(512);
                self.assume(&command, &prefix, hears);
            }
            State::Foreign => self.client.enter(State::Opaque, Cause::Release),
            State::Proxied(header) => self.accept_proxy(*header, Cause::Release),
            State::Tentative(line) => {
                self.client.enter(State::Lost, Cause::Release);
                self.command(*line, Role::Command, true, hears);
            }
            State::Weak(weak) => {
                self.client.enter(weak.data.map_or(State::Lost, State::Data), Cause::Release);
            }
            State::Ended(_) => self.client.enter(State::Lost, Cause::Release),
            other => {
                // It waits for nothing.
                *self.client = other;
                self.release_hidden(hears);
            }
        }
    }

    /// A limit acted outside: what waits is read as if the reply had accepted.
    pub(in crate::smtp) fn release_all(&mut self, hears: &mut dyn Hears) {
        self.release(hears);
        self.proceed(hears);
    }

    /// Reads until it is not known what the rest is; returns that rest.
    pub(super) fn read_client<'p>(&mut self, mut piece: Piece<'p>, hears: &mut dyn Hears) -> Piece<'p> {
        while !piece.is_empty() && !self.waits() {
            match &mut *self.client {
                State::Command | State::Exchange | State::Lost => self.read_line(&mut piece, hears),
                State::Header(_) => self.read_header(&mut piece, hears),
                State::Data(data) if data.is_answered() => self.read_answered(&mut piece, hears),
                State::Data(_) => self.read_data(&mut piece, hears),
                State::Chunk(_) => self.read_chunk(&mut piece, hears),
                State::Hidden(_) => self.read_hidden(&mut piece, hears),
                State::Opaque => {
                    piece.take(usize::MAX);
                }
                State::First
                | State::Wait(_)
                | State::Assumed(_)
                | State::Foreign
                | State::Proxied(_)
                | State::Tentative(_)
                | State::Weak(_)
                | State::Ended(_) => break,
            }
        }
        piece
    }

    fn read_line(&mut self, piece: &mut Piece<'_>, hears: &mut dyn Hears) {
        let cut = self.lines.cut.unwrap_or(Cut::Lf);
        let Some(line) = self.lines.client.take(piece, cut, self.limits.0.line) else { return };
        let doubtful = line.ending == Ending::Lf && self.lines.cut.is_none() && matches!(*self.client, State::Command);
        if doubtful && !self.server_missing(line.seen) {
            if self.choices.may_open() {
                self.flush(hears);
                self.choices.stop(Choice::LineEnd(Box::new(line)));
                return;
            }
            self.lines.cut = Some(Cut::Lf);
        }
        self.line(line, hears);
    }

    /// A whole line where lines are read.
    pub(super) fn line(&mut self, line: Line, hears: &mut dyn Hears) {
        self.session.client_crlf |= line.ending == Ending::CrLf;
        if line.octets > line.text.len().saturating_add(2) as u64 {
            self.tally.one(Limit::LineLength.key());
        }
        match *self.client {
            // Another protocol is not read, unless the server answers in SMTP.
            State::Lost if self.session.is_foreign() => {}
            State::Lost if !is_strict(&line.text) => {
                if let Some(proof) = self.stands_alone(&line) {
                    let weak = Weak { line, proof, data: None };
                    self.client.enter(State::Weak(Box::new(weak)), Cause::Bytes);
                }
            }
            State::Lost => {
                if self.streams.client_waited(line.seen) && !self.server_missing(line.seen) {
                    self.client.enter(State::Tentative(Box::new(line)), Cause::Bytes);
                } else {
                    self.command(line, Role::Command, true, hears);
                }
            }
            State::Exchange => drop(self.command(line, Role::Exchange, false, hears)),
            _ => drop(self.command(line, Role::Command, false, hears)),
        }
        self.answer_early(hears);
    }

    /// Whether a line that is not in strict form has a verb and stands alone: the client waited for the server before it.
    /// Message text gets no reply of its own; what follows a 334 is secret.
    pub(super) fn stands_alone(&self, line: &Line) -> Option<Proof> {
        let verb = verb::split(&line.text).0?;
        let is_extension =
            matches!(&verb, Verb::Other(name) if name.starts_with('X')) && !base64::is_no_word(&line.text);
        let is_whole = line.ending != Ending::None && line.octets <= line.text.len().saturating_add(2) as u64;
        let waited = self.streams.client_waited(line.seen) && !self.server_missing(line.seen);
        if !(verb.is_known() || is_extension) || !is_whole || !waited {
            return None;
        }
        match self.matching.last_reply() {
            Some((seen, code)) if seen == line.start => (code != 334).then_some(Proof::Reply),
            _ => (self.session.doubt.lost_before(line.start) && verb.is_known()).then_some(Proof::Code),
        }
    }

    /// The client's stream ended, or a gap came: what there is of a line is all of it.
    pub(super) fn finish_line(&mut self, hears: &mut dyn Hears) {
        if let Some(line) = self.lines.client.finish()
            && matches!(*self.client, State::Command | State::Exchange | State::Lost)
        {
            self.line(line, hears);
        }
    }

    /// The session is over: tells what was under way.
    pub(super) fn finish_client(&mut self, hears: &mut dyn Hears) {
        // Each release reads on, so what is held shrinks until nothing waits.
        while self.client.waits() && !self.held.is_empty() || self.client.is_unproved() {
            self.release(hears);
            self.proceed(hears);
        }
        match &*self.client {
            State::Data(data) if data.is_answered() => self.tell_answered(hears),
            State::Data(_) => self.end_data(DataEnd::Unfinished, hears),
            State::Chunk(_) => self.drop_chunk(hears),
            State::Hidden(_) => self.release_hidden(hears),
            State::Proxied(_) => self.release(hears),
            _ => {}
        }
        if !matches!(*self.client, State::Lost) {
            self.finish_line(hears);
        }
        self.tell_injected(hears);
        self.settle_tls(hears);
    }
}
