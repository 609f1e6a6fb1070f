//! What was not captured, or comes late: a gap of either side, replies that cannot be matched; and a change of roles.

use super::Dialogue;
use crate::smtp::Hears;
use crate::smtp::client::{Cause, State};
use crate::smtp::command::Role;
use crate::smtp::event::Answers;
use crate::smtp::held::Item;
use crate::smtp::reply::Step;
use crate::smtp::sequence::Sequence;
use crate::smtp::wire::line::Piece;
use crate::smtp::wire::reply::code;
use crate::tcp::Gap;

impl Dialogue {
    /// A client that had seen more than has come of the server knew what is not known here; the replies still come in the
    /// order of its commands.
    pub(super) fn note_server_late(&mut self, piece: &mut Piece<'_>) {
        if self.streams.client_is_ahead(piece.from.seen) {
            piece.from.seen = None;
            if self.session.server_heard && !self.client.is_opaque() {
                self.session.doubt.of_sequence();
                self.sequence.lose();
            }
        }
    }

    pub(super) fn client_gap(&mut self, gap: &Gap, hears: &mut dyn Hears) {
        self.flush(hears);
        self.session.missing_client = self.session.missing_client.saturating_add(gap.length);
        self.session.doubt.of_sequence();
        self.sequence.lose();
        self.session.last = gap.at;
        self.streams.client_came(gap.offset.saturating_add(gap.length));
        self.held.push(Item::Gap(*gap));
        self.proceed(hears);
    }

    /// Bytes of the client are missing where it is read.
    pub(super) fn read_gap(&mut self, gap: &Gap, hears: &mut dyn Hears) {
        self.pass_gap(gap, hears);
        self.tell_gap(gap, hears);
    }

    fn pass_gap(&mut self, gap: &Gap, hears: &mut dyn Hears) {
        self.tell_answered_gap(hears);
        match &mut *self.client {
            State::Data(data) => {
                let _ = self.lines.client.finish();
                data.miss(gap.length);
            }
            State::Chunk(chunk) => {
                let behind = chunk.miss(gap.length);
                if chunk.is_complete() {
                    self.end_chunk(hears);
                }
                if behind > 0 {
                    self.lose_client(gap);
                }
            }
            State::Header(header) if header.left >= gap.length => {
                header.left = header.left.saturating_sub(gap.length);
                if header.left == 0 {
                    self.client.enter(State::First, Cause::Gap);
                }
            }
            State::Hidden(handshake) if handshake.is_layer() => self.client.enter(State::Opaque, Cause::Gap),
            State::Hidden(_) => {
                self.tell_injected(hears);
                if let State::Hidden(handshake) = &mut *self.client {
                    handshake.miss();
                }
            }
            State::Opaque => {}
            _ => {
                self.tell_part(hears);
                self.lose_client(gap);
            }
        }
    }

    fn tell_answered_gap(&mut self, hears: &mut dyn Hears) {
        if matches!(&*self.client, State::Data(data) if data.is_answered()) {
            self.tell_answered(hears);
        }
    }

    /// Tells the part of a line before a gap: no reply is expected to it.
    fn tell_part(&mut self, hears: &mut dyn Hears) {
        let Some(line) = self.lines.client.finish() else { return };
        let role = match *self.client {
            State::Exchange => Role::Exchange,
            State::Command => Role::Command,
            _ => return,
        };
        self.command(line, role, true, hears);
    }

    /// The client's state is unknown until the server tells; envelope state is never carried over a gap.
    fn lose_client(&mut self, gap: &Gap) {
        self.client.enter(State::Lost, Cause::Gap);
        self.session.doubt.lose_client(gap.offset.saturating_add(gap.length));
        self.attempts.lose();
        self.envelope.close(&mut self.session);
    }

    pub(super) fn server_gap(&mut self, gap: &Gap, hears: &mut dyn Hears) {
        self.flush(hears);
        self.session.server_heard = true;
        self.session.last = gap.at;
        self.session.missing_server = self.session.missing_server.saturating_add(gap.length);
        self.session.doubt.of_sequence();
        self.streams.server_came(gap.offset.saturating_add(gap.length));
        if let State::Hidden(handshake) = &mut *self.client
            && handshake.is_opaque()
        {
            handshake.miss();
            return self.tell_gap(gap, hears);
        }
        if self.client.is_opaque() {
            return self.tell_gap(gap, hears);
        }
        let mut cut = None;
        if let Some(line) = self.lines.server.finish()
            && code(&line.text).0.is_some()
        {
            let begun = self.replies.is_open();
            if let Step::Complete(mut reply) = self.replies.take(line, self.limits.0.of_reply()) {
                reply.unfinished = true;
                cut = Some(reply).filter(|_| begun);
            }
        }
        self.opening.lose_greeting();
        let open = cut.or_else(|| self.replies.abandon());
        self.lose_replies(hears);
        self.matching.forget_replies();
        if self.client.is_unproved() {
            self.release(hears);
        }
        if let Some(reply) = open {
            self.session.replies = self.session.replies.saturating_add(1);
            self.tell_reply(&reply, Answers::Unknown, hears);
        }
        self.tell_gap(gap, hears);
        match self.client.leave() {
            State::Wait(command) => self.client.enter(State::Assumed(command), Cause::Gap),
            other => *self.client = other,
        }
        self.proceed(hears);
    }

    /// Forgets all commands that wait for a reply.
    pub(super) fn forget_pending(&mut self) {
        self.matching.take_all();
        self.sequence.lose();
    }

    /// Which replies belong to which commands is not known any more.
    pub(super) fn lose_replies(&mut self, hears: &mut dyn Hears) {
        self.flush(hears);
        self.matching.lose();
        for pending in self.matching.take_all() {
            if !pending.optional {
                self.replied(&pending, None);
            }
        }
        self.sequence.lose();
    }

    /// The server answers client bytes that have not come. Should they come, their replies are told already.
    pub(in crate::smtp) fn lose_late(&mut self, hears: &mut dyn Hears) {
        self.session.doubt.of_sequence();
        self.lose_replies(hears);
    }

    /// TURN or ATRN was accepted: client and server change roles (RFC 821 section 3.8, RFC 2645).
    pub(super) fn turn(&mut self, hears: &mut dyn Hears) {
        self.flush(hears);
        let was_client = self.streams.client_side();
        self.streams.turn();
        self.session.turned = !self.session.turned;
        self.envelope.close(&mut self.session);
        self.session.forget_capabilities();
        self.client.enter(State::Command, Cause::Turn);
        self.opening.turn();
        self.matching.find();
        self.forget_pending();
        self.matching.forget_replies();
        self.sequence = Sequence::new(true);
        self.session.doubt.turn();
        self.session.client_acknowledged = self.streams.client_acks();
        std::mem::swap(&mut self.session.client_crlf, &mut self.session.server_crlf);
        std::mem::swap(&mut self.lines.client, &mut self.lines.server);
        let mut held = std::mem::take(&mut self.held);
        while let Some(item) = held.pop() {
            match item {
                Item::Bytes(kept) => self.bytes(was_client, kept.piece(), hears),
                Item::Gap(gap) => self.gap(&gap, hears),
                Item::End(_) => {}
            }
        }
    }
}
