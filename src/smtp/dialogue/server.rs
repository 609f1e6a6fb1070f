//! The server's bytes: lines, and replies made of them.

use super::Dialogue;
use crate::base::{Limit, Side};
use crate::smtp::auth::is_challenge;
use crate::smtp::client::{Cause, State};
use crate::smtp::event::{Answers, Event, FaultKind};
use crate::smtp::input::{Input, KeptInput};
use crate::smtp::opening::{FirstCommand, Missing, Role};
use crate::smtp::readings::Choice;
use crate::smtp::reply::{Reply, ReplyReader, Step};
use crate::smtp::session::Spoken;
use crate::smtp::wire::base64;
use crate::smtp::wire::foreign;
use crate::smtp::wire::line::{Cut, Ending, Line, Piece};
use crate::smtp::wire::reply::{code, is_tabbed};
use crate::smtp::wire::verb::Verb;
use crate::smtp::{Hears, Secret};

impl Dialogue {
    pub(super) fn server_bytes(&mut self, side: Side, mut piece: Piece<'_>, hears: &mut dyn Hears) {
        if !self.session.server_heard && !self.matching.is_sure() {
            // It was late, not missing: nothing waited for what it says now.
            self.session.doubt.of_sequence();
        }
        self.session.server_heard = true;
        self.streams.server_came(piece.end());
        if self.choices.may_open() {
            self.read_open_dot(piece.from.seen, hears);
        }
        while !piece.is_empty() {
            if side == self.streams.client_side() {
                // TURN was accepted: what follows in this packet is a client's.
                return self.client_bytes(piece, hears);
            }
            if self.choices.is_open() {
                // A reply let the client's bytes be read up to a choice, and this is what tells.
                return self.choices.keep_unread(KeptInput::new(&Input::Bytes(side, piece)));
            }
            self.foreign_server_bytes(&piece, hears);
            match &*self.client {
                State::Hidden(_) => {
                    self.server_hidden(&mut piece, hears);
                    if piece.is_empty() || self.choices.is_open() {
                        continue;
                    }
                }
                State::Opaque => return,
                _ => {}
            }
            let Some(line) = self.lines.server.take(&mut piece, Cut::Lf, self.limits.0.line) else { return };
            self.server_line(line, hears);
        }
    }

    /// The client speaks, and had acknowledged exactly what has come of a server line without its end: the line may end
    /// there. Returns whether that is left to the evidence.
    pub(super) fn may_end_open_line(&mut self, piece: &Piece<'_>, hears: &mut dyn Hears) -> bool {
        let open = &self.lines.server;
        let seen = piece.from.seen;
        // Of a reply without its last line the same.
        let of_reply = !open.is_open() && seen == self.replies.open_end() && !self.opening.is_greeting_due();
        if seen.is_none() || !of_reply && seen != open.open_end() || self.client.is_opaque() {
            return false;
        }
        if self.choices.divides() && !of_reply {
            self.end_open_line(seen, hears);
            return false;
        }
        let is_reply = of_reply || self.opening.is_greeting_due() || code(open.open_text()).0.is_some();
        if !is_reply || !self.choices.may_stop() {
            return false;
        }
        self.flush(hears);
        self.choices.keep_unread(KeptInput::new(&Input::Bytes(self.streams.client_side(), *piece)));
        self.choices.stop(Choice::Division);
        true
    }

    /// Ends the server's open line where the client has seen exactly that much of it.
    pub(in crate::smtp) fn end_open_line(&mut self, seen: Option<u64>, hears: &mut dyn Hears) {
        if seen.is_some()
            && seen == self.lines.server.open_end()
            && let Some(line) = self.lines.server.finish()
        {
            self.server_line(line, hears);
        }
    }

    /// Ends what has come of a server line, or of a reply, there.
    pub(super) fn end_open(&mut self, hears: &mut dyn Hears) {
        if self.lines.server.is_open() {
            self.choices.divide();
            return self.end_open_line(self.lines.server.open_end(), hears);
        }
        self.leave_unfinished(hears);
    }

    fn leave_unfinished(&mut self, hears: &mut dyn Hears) {
        if let Some(unfinished) = self.replies.abandon() {
            let at = unfinished.at.clone();
            self.reply(unfinished, hears);
            self.fault(FaultKind::ReplyUnfinished, self.streams.server_side(), at, hears);
        }
    }

    pub(super) fn server_line(&mut self, line: Line, hears: &mut dyn Hears) {
        let behind_lf = std::mem::replace(&mut self.lines.behind_lf, line.ending == Ending::Lf);
        let rest = behind_lf && self.session.server_crlf;
        self.session.server_crlf |= line.ending == Ending::CrLf;
        let (code, _) = code(&line.text);
        if let Some(farewell) = self.matching.take_farewell() {
            // The server did not close behind it.
            self.realign(farewell, hears);
        }
        if self.opening.is_server_silent() && self.first_server_line(&line, code, hears) {
            return;
        }
        if matches!(*self.client, State::Hidden(_)) && !self.line_hidden(&line, code, hears) {
            return;
        }
        if self.cuts_greeting_short(&line, code)
            && let Some(greeting) = self.replies.abandon()
        {
            self.reply(greeting, hears);
        } else if self.leaves_unfinished(&line, code) {
            self.leave_unfinished(hears);
        }
        if self.opening.is_greeting_due() && !self.replies.is_open() && is_tabbed(&line.text) {
            return self.reply(ReplyReader::codeless(line), hears);
        }
        match self.replies.take(line, self.limits.0.of_reply()) {
            Step::More => {}
            Step::Complete(reply) => self.reply(reply, hears),
            Step::NoCode(line) if self.opening.is_greeting_due() && !self.replies.is_open() => {
                self.reply(ReplyReader::codeless(line), hears);
            }
            Step::NoCode(line) => self.codeless_line(line, rest, hears),
        }
    }

    /// The server's first line tells whether it speaks SMTP; returns whether the line was used up.
    fn first_server_line(&mut self, line: &Line, code: Option<u16>, hears: &mut dyn Hears) -> bool {
        let side = self.streams.server_side();
        if self.opening.is_greeting_due()
            && code.is_none()
            && let Some(name) = foreign::server(&line.text)
        {
            self.name_protocol(name, side, line.at.clone(), hears);
        }
        if self.opening.first_server_line(code.is_some()) {
            self.name_unknown(side, &line.at, hears);
        }
        let protocol = self.session.protocol.filter(|&name| name != foreign::UNKNOWN && code.is_none());
        match protocol {
            // The first bytes of another protocol wait for what answers them; lines of text are read at once.
            None => {
                let is_text = self.session.protocol.is_none_or(foreign::is_text);
                if matches!(*self.client, State::Foreign) && is_text && self.session.protocol.is_some() {
                    self.client.enter(State::Command, Cause::Reply);
                    self.proceed(hears);
                }
                false
            }
            // Both sides speak it, as far as is known.
            Some(name) => {
                if matches!(*self.client, State::First | State::Command) {
                    self.client.enter(State::Foreign, Cause::Reply);
                }
                self.forget_pending();
                let is_binary = !foreign::is_text(name);
                if is_binary {
                    self.opening.note_codeless(line.end);
                }
                is_binary
            }
        }
    }

    /// A greeting of several lines, and then the reply to a client that did not wait for its last one.
    fn cuts_greeting_short(&self, line: &Line, code: Option<u16>) -> bool {
        let spoke = self.session.commands > 0 || !self.held.is_empty() || self.streams.server_is_ahead(line.seen);
        self.opening.is_greeting_due()
            && spoke
            && code.is_some()
            && self.replies.is_open()
            && self.replies.open_code() != code
            && line.seen != Some(0)
    }

    /// A reply without its last line, all of which the client had seen when it sent a command, and a line that has seen that
    /// command.
    fn leaves_unfinished(&self, line: &Line, code: Option<u16>) -> bool {
        if self.replies.open_code() == code {
            return false;
        }
        let Some(end) = self.replies.open_end().filter(|_| code.is_some() && !self.opening.is_greeting_due()) else {
            return false;
        };
        let Some(had) = self.streams.server_seen(line.seen) else { return false };
        let waited = |seen: Option<u64>| seen.is_some_and(|seen| seen >= end);
        let told = self.matching.iter().any(|pending| waited(pending.command.seen) && had >= pending.end);
        let held = self.held.source().is_some_and(|source| waited(source.seen));
        told || held && self.held.offset().is_some_and(|offset| had > offset)
    }

    /// `rest`: of a line that an LF had cut, which a server may echo from the client.
    fn codeless_line(&mut self, mut line: Line, rest: bool, hears: &mut dyn Hears) {
        if self.client.is_opaque() || self.session.is_foreign() {
            return;
        }
        if self.attempts.quoted_in(&line.text) {
            line.text = Secret::SHOWN.to_vec();
        }
        let due = !rest && !self.matching.is_empty() && self.matching.is_sure();
        if due {
            // The client may take it for the reply.
            self.sequence.lose();
        }
        self.fault(FaultKind::NoCode { line: line.text, due }, self.streams.server_side(), line.at, hears);
    }

    pub(super) fn reply(&mut self, mut reply: Reply, hears: &mut dyn Hears) {
        self.session.replies = self.session.replies.saturating_add(1);
        if reply.codes_differ {
            self.choices.note_misfit();
        }
        if reply.dropped > 0 {
            self.tally.one(Limit::ReplyLines.key());
        }
        self.hide_secrets(&mut reply);
        if reply.code == Some(334) && !self.attempts.is_open() {
            self.attempts.prompted();
        }
        let role = self.role(&reply);
        match role {
            Role::Greeting => {
                self.greet(&reply, hears);
                return self.judge_proxy(hears);
            }
            Role::Opening => return self.tell_reply(&reply, Answers::Nothing, hears),
            Role::LateGreeting => return self.tell_reply(&reply, Answers::Unknown, hears),
            Role::Answer => {}
        }
        if reply.code.is_some() {
            self.first_is_answered(&reply, hears);
        }
        self.answer(reply, hears);
        self.lines.excused = false;
    }

    /// Takes out of a reply what repeats a secret, or challenges a client to answer with one; where the client's bytes are
    /// missing, what looks like a secret. Most sessions have none to look for.
    fn hide_secrets(&self, reply: &mut Reply) {
        let ahead = self.session.missing_client > 0 || self.streams.server_is_ahead(reply.seen);
        let unknown = ahead && reply.code.is_some_and(|code| code >= 400);
        let prompt = reply.code == Some(334);
        if unknown || prompt || self.attempts.have_secrets() {
            let looks_secret = |text: &[u8]| unknown && base64::holds_plain_response(text);
            let challenges = |text: &[u8]| prompt && is_challenge(text);
            reply.hide(|text| self.attempts.quoted_in(text) || looks_secret(text) || challenges(text));
        }
    }

    /// What a reply is to the session's opening.
    fn role(&mut self, reply: &Reply) -> Role {
        let first = self.matching.front().map(|first| FirstCommand {
            verb: first.command.verb.as_ref(),
            end: first.end,
            unasked: first.command.seen == Some(0),
        });
        let gets_220 = self
            .matching
            .iter()
            .any(|pending| matches!(pending.command.verb, Some(Verb::StartTls | Verb::XAnonymousTls | Verb::XClient)));
        let ahead = self.streams.server_is_ahead(reply.seen);
        let unmatched = match reply.code {
            // Another protocol's, where what the client began with has not come.
            None => ahead && self.matching.is_sure(),
            Some(_) => ahead || !self.matching.is_sure(),
        };
        let may_be_answer = self.matching.is_empty() && unmatched;
        let (role, missing) = self.opening.role(reply, first, may_be_answer, gets_220, self.session.replies == 1);
        match missing {
            Missing::No => {}
            Missing::Lost => self.session.early_talk = false,
            Missing::Never => self.session.greeting_missing = true,
        }
        role
    }

    fn greet(&mut self, greeting: &Reply, hears: &mut dyn Hears) {
        let text: Vec<&[u8]> = greeting.texts().collect();
        self.session.greeting = Some(Spoken { code: greeting.code, text: text.join(&b'\n') });
        hears.hear(&Event::Greeting(greeting), &self.session);
        self.proceed(hears);
    }

    /// The server's stream ended, or the session is over: what there is of a line or reply is all of it.
    pub(super) fn finish_server(&mut self, hears: &mut dyn Hears) {
        if self.client.is_opaque() {
            return;
        }
        if let Some(farewell) = self.matching.take_farewell() {
            // The server closed behind it: it is what it seemed to be.
            self.give_oldest(farewell, hears);
        }
        if let Some(line) = self.lines.server.finish() {
            self.server_line(line, hears);
        }
        if let Some(reply) = self.replies.abandon() {
            self.reply(reply, hears);
        }
    }
}
