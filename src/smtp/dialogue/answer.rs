//! What a reply answers, and what follows from it.

use std::sync::Arc;

use super::{Dialogue, spoken};
use crate::smtp::Hears;
use crate::smtp::client::{Cause, State};
use crate::smtp::command::{Command, Role};
use crate::smtp::event::{Answers, DataEnd};
use crate::smtp::matching::{Awaits, Pair, Pending, Shift, Spoken};
use crate::smtp::readings::Reading;
use crate::smtp::reply::Reply;
use crate::smtp::telling::Told;
use crate::smtp::wire::extension;
use crate::smtp::wire::line::Cut;
use crate::smtp::wire::verb::Verb;

impl Dialogue {
    /// Finds what a reply answers, and tells it.
    pub(super) fn answer(&mut self, reply: Reply, hears: &mut dyn Hears) {
        let Some(code) = reply.code else { return };
        let seen = self.streams.server_seen(reply.seen);
        let spoken = spoken(&reply, seen);
        let refused_long = self.matching.take_refused(code);
        self.answer_tentative(&reply, seen, hears);
        let weak = self.answer_weak(&reply, spoken, hears);
        self.matching.note_reply(seen, code);
        if let Some(command) = weak {
            self.tell_reply(&reply, Answers::Command(&command), hears);
            return self.proceed(hears);
        }
        if self.answers_lost_message(&reply, spoken, hears) {
            return;
        }
        if code == 354 && matches!(*self.client, State::Lost | State::Tentative(_)) && self.matching.is_empty() {
            self.tell_reply(&reply, Answers::Unknown, hears);
            return self.find_data(reply.end, hears);
        }
        // What ends or refuses these bytes may be among those that have not come.
        let ahead = self.streams.server_is_ahead(seen);
        if let State::Chunk(chunk) = &*self.client
            && chunk.ends_with_reply()
            && !ahead
        {
            self.end_chunk(hears);
        }
        if !ahead && self.answers_open_data(&reply, spoken, hears) {
            return;
        }
        self.pass_over_optional(spoken);
        let covered = self.matching.covers(spoken);
        // Exim answers a line above 16 KiB twice. Others do not: their next refusal is the next command's.
        if let Some(command) = refused_long
            && (!covered || self.greeted_by_exim())
            && !ahead
        {
            self.tell_reply(&reply, Answers::Command(&command), hears);
            return self.proceed(hears);
        }
        if covered && self.matching.is_sure_of(spoken) {
            self.matching.find();
            self.answer_oldest(reply, spoken, hears);
        } else if !covered && !ahead && self.is_answer_to_open_line(seen) {
            if let Some(before) = self.matching.keep_early(reply) {
                self.answer_none(&before, super::spoken(&before, seen), hears);
            }
        } else {
            self.answer_none(&reply, spoken, hears);
        }
        self.proceed(hears);
    }

    /// Whether a server that had seen so much answers a line of which the end has not come: every whole command is answered
    /// (Dovecot answers at the first control octet).
    fn is_answer_to_open_line(&self, seen: Option<u64>) -> bool {
        let lines = &self.lines.client;
        let reads_lines = matches!(*self.client, State::Command);
        let begun = lines.open_start().is_some_and(|start| seen.is_some_and(|seen| seen > start));
        // A line that goes on behind an LF does so by the reading that is tried.
        let whole = lines.open_text().contains(&b'\n');
        self.matching.is_empty() && self.matching.is_sure() && reads_lines && begun && !whole
    }

    /// A line has come whole that the server had answered before.
    pub(super) fn answer_early(&mut self, hears: &mut dyn Hears) {
        if let Some(reply) = self.matching.take_early() {
            let code = reply.code.unwrap_or(0);
            let spoken = Spoken { code, seen: self.matching.front().map(|front| front.end) };
            if self.matching.is_empty() {
                self.answer_none(&reply, spoken, hears);
            } else {
                self.answer_oldest(reply, spoken, hears);
            }
        }
    }

    /// A message that was answered in its middle gets no positive reply at its end.
    fn pass_over_optional(&mut self, reply: Spoken) {
        let is_other = !(400..600).contains(&reply.code) || !self.matching.covers(reply);
        if self.matching.front().is_some_and(|front| front.optional) && is_other && self.matching.len() > 1 {
            self.matching.pop();
        }
    }

    /// A reply that has seen the line which was held as the first in strict form proves it a command.
    fn answer_tentative(&mut self, reply: &Reply, seen: Option<u64>, hears: &mut dyn Hears) {
        let State::Tentative(line) = &*self.client else { return };
        let covers = seen.map(|seen| seen >= line.end);
        if covers == Some(false) {
            // The client had not waited: more was open than that line.
            self.release(hears);
            self.proceed(hears);
        } else if covers == Some(true)
            && reply.code != Some(354)
            && let State::Tentative(line) = self.client.leave()
        {
            self.client.enter(State::Command, Cause::Reply);
            self.forget_pending();
            self.matching.find();
            // The server had more than the line: it may have answered message text that the line is part of.
            self.session.doubt.unproved_until(seen.filter(|&seen| seen > line.end).unwrap_or(0));
            self.command(*line, Role::Command, false, hears);
        }
    }

    /// The next reply tells whether the line that stands alone was a command; returns it where the reply is its own.
    fn answer_weak(&mut self, reply: &Reply, spoken: Spoken, hears: &mut dyn Hears) -> Option<Arc<Command>> {
        let State::Weak(weak) = &*self.client else { return None };
        if !weak.is_proved(spoken.seen, spoken.code) {
            self.lines.cut = self.lines.cut.or(Some(Cut::Lf));
            self.release(hears);
            self.proceed(hears);
            return None;
        }
        let State::Weak(weak) = self.client.leave() else { return None };
        self.client.enter(State::Lost, Cause::Reply);
        self.flush(hears);
        self.forget_pending();
        self.matching.lose();
        let command = self.command(weak.line, Role::Command, true, hears);
        match (&command.verb, spoken.code) {
            (Some(verb), 250) if verb.is_hello() || *verb == Verb::Rset => {
                // A fresh start: what it takes to know the state again.
                let pending = Pending::command(Arc::clone(&command), None);
                self.sequence.push(&pending, self.limits.0.commands);
                self.replied(&pending, Some(reply));
                self.note_answer(&command, reply);
                self.matching.find();
                self.client.enter(State::Command, Cause::Reply);
            }
            (Some(verb), 220) if verb.starts_tls() => {
                self.client.enter(State::Assumed(Arc::clone(&command)), Cause::Reply);
            }
            (Some(verb), 334) if verb.is_auth() => {
                self.attempts.challenge(reply.texts());
                self.client.enter(State::Exchange, Cause::Reply);
            }
            (Some(Verb::Data), 354) => self.begin_data(Some(Arc::clone(&command)), Some(reply.end)),
            _ => {}
        }
        Some(command)
    }

    /// The final reply to message data whose command was not captured: what follows are commands. Returns whether this was
    /// it.
    fn answers_lost_message(&mut self, reply: &Reply, spoken: Spoken, hears: &mut dyn Hears) -> bool {
        let State::Ended(stop) = *self.client else { return false };
        if !is_final(spoken.code) || spoken.seen.is_some_and(|seen| seen < stop) {
            return false;
        }
        self.tell_reply(reply, Answers::Unknown, hears);
        self.forget_pending();
        self.matching.find();
        self.client.enter(State::Command, Cause::Reply);
        self.proceed(hears);
        true
    }

    /// Whether the server is Exim, or may be.
    fn greeted_by_exim(&self) -> bool {
        self.session.greeting.as_ref().is_none_or(|spoken| memchr::memmem::find(&spoken.text, b"Exim").is_some())
    }

    /// A reply in the middle of message data; returns whether this was one.
    fn answers_open_data(&mut self, reply: &Reply, spoken: Spoken, hears: &mut dyn Hears) -> bool {
        let State::Data(data) = &*self.client else { return false };
        let covers = |position: u64| spoken.seen.is_none_or(|seen| seen >= position);
        let negative = (400..600).contains(&spoken.code);
        let candidate = data.candidate().is_some_and(covers);
        let is_final = is_final(spoken.code);
        let Some(command) = data.command().cloned() else {
            // Message data of which only the 354 was captured: its final reply ends it.
            if is_final {
                self.tell_reply(reply, Answers::Unknown, hears);
                self.end_data(DataEnd::Unfinished, hears);
            }
            return is_final;
        };
        if data.is_answered() {
            // The server does not wait for the message's end: it takes what comes for commands.
            self.choices.note_misfit();
            self.tell_answered(hears);
            self.tell_reply(reply, Answers::Unknown, hears);
            self.client.enter(State::Lost, Cause::Reply);
            self.matching.lose();
            return true;
        }
        if data.misses() && is_final {
            // The end lies in the gap.
            self.end_data(DataEnd::Unfinished, hears);
            self.envelope.end(reply.code, &mut self.session);
            self.tell_reply(reply, Answers::Message(&command), hears);
            self.client.enter(State::Lost, Cause::Gap);
            self.proceed(hears);
            return true;
        }
        if candidate && is_final {
            self.choices.note_suspect();
        }
        if negative || candidate && is_final {
            self.flush(hears);
            self.sequence.end_message(command.number, spoken.code);
            self.answer_data(reply.end);
            self.envelope.end(reply.code, &mut self.session);
            self.tell_reply(reply, Answers::Message(&command), hears);
            return true;
        }
        false
    }

    /// The reply answers the oldest command that waits for one, unless it cannot have got it.
    fn answer_oldest(&mut self, reply: Reply, spoken: Spoken, hears: &mut dyn Hears) {
        match self.matching.pair(spoken) {
            Pair::Certain => {
                self.flush(hears);
                self.give(&reply, spoken, hears);
            }
            Pair::Contradiction => match self.other_pairs(spoken) {
                // The server may close behind it: then it is no contradiction.
                Some(_) if spoken.code == 221 => self.matching.keep_farewell(reply),
                Some(shift) => self.shift(&reply, spoken, shift, hears),
                None => self.give_or_hold(reply, spoken, hears),
            },
            Pair::Oldest => self.give_or_hold(reply, spoken, hears),
        }
    }

    /// How the replies since the last certain pair are to be given anew, so that this one fits too.
    fn other_pairs(&self, spoken: Spoken) -> Option<Shift> {
        let seen = |reply: Spoken| Spoken { seen: self.streams.server_seen(reply.seen), ..reply };
        self.matching.realign(self.telling.pairs().map(|(pending, reply)| (pending, seen(reply))), spoken)
    }

    /// A farewell that contradicts what it answers, and behind which the server went on.
    pub(super) fn realign(&mut self, reply: Reply, hears: &mut dyn Hears) {
        let spoken = spoken(&reply, self.streams.server_seen(reply.seen));
        match self.other_pairs(spoken) {
            Some(shift) => self.shift(&reply, spoken, shift, hears),
            None => self.give_or_hold(reply, spoken, hears),
        }
        self.proceed(hears);
    }

    /// The oldest holds after all.
    pub(super) fn give_oldest(&mut self, reply: Reply, hears: &mut dyn Hears) {
        let spoken = spoken(&reply, self.streams.server_seen(reply.seen));
        self.give_or_hold(reply, spoken, hears);
        self.proceed(hears);
    }

    /// Gives the replies since the last certain pair to other commands, and the reply to the one behind those.
    fn shift(&mut self, reply: &Reply, spoken: Spoken, shift: Shift, hears: &mut dyn Hears) {
        self.choices.note_misfit();
        self.sequence.lose();
        let matching = &mut self.matching;
        let back = self.telling.realign(shift, || matching.pop());
        for pending in back.into_iter().rev() {
            self.matching.put_back(pending);
        }
        let certain = self.matching.pair(spoken) == Pair::Certain;
        if certain {
            self.flush(hears);
        }
        self.give(reply, spoken, hears);
    }

    /// Gives a reply to the oldest command: told at once where that decides what the client's bytes are, else held while
    /// another reply may show that it was another command's.
    fn give_or_hold(&mut self, reply: Reply, spoken: Spoken, hears: &mut dyn Hears) {
        let Some(front) = self.matching.front() else { return };
        let waits = matches!(&*self.client, State::Wait(waiting) if waiting.number == front.command.number);
        let decides = waits
            || front.awaits != Awaits::Reply
            || front.command.verb.is_none() && front.command.exchange
            || front.command.verb.as_ref().is_some_and(Verb::starts_tls);
        let full = self.telling.held() > self.limits.0.held;
        if decides || full {
            self.flush(hears);
            return self.give(&reply, spoken, hears);
        }
        let Some(mut pending) = self.matching.pop() else { return };
        pending.known = self.sequence.awaits(pending.command.number);
        self.note_given(&pending, &reply, spoken);
        self.telling.push(Told::Matched(Box::new((reply, pending))));
    }

    /// What is known at once of a reply that was given to a command.
    fn note_given(&mut self, pending: &Pending, reply: &Reply, spoken: Spoken) {
        let command = &pending.command;
        self.choices.note_match(pending.awaits == Awaits::Reply && self.is_odd(command, spoken.code));
        if self.choices.is_scout() {
            self.choices.note_answered(command.start);
            if is_proof(command, spoken.code) {
                self.choices.note_proof(command.start, spoken.seen);
            }
        }
        if command.is(&Verb::Bdat) {
            self.choices.note_chunk(command.number, reply);
        }
        self.matching.note_refused(command, spoken.code);
        self.note_answer(command, reply);
    }

    /// Gives a reply to the oldest command, and tells it.
    fn give(&mut self, reply: &Reply, spoken: Spoken, hears: &mut dyn Hears) {
        let Some(mut pending) = self.matching.pop() else { return };
        let code = spoken.code;
        let command = Arc::clone(&pending.command);
        if let Awaits::Message { last, left: known } = pending.awaits {
            let recipients = self.envelope.accepted();
            let left = match known {
                Some(left) => left.saturating_sub(1),
                None if code == 353 && self.envelope.is_prdr() => recipients.saturating_add(1),
                None if self.session.lmtp && last => recipients.saturating_sub(1),
                None => 0,
            };
            pending.awaits = Awaits::Message { last, left: Some(left) };
            if left > 0 {
                self.choices.note_match(false);
                self.tell_reply(reply, Answers::Message(&command), hears);
                return self.matching.put_back(pending);
            }
        }
        if pending.optional {
            self.choices.note_match(false);
            return self.tell_reply(reply, Answers::Message(&command), hears);
        }
        self.session.answered_in_smtp |= self.session.protocol.is_some();
        if pending.awaits != Awaits::Reply {
            self.choices.note_message_answer(reply.end, reply.accepts(), spoken.seen);
        }
        let is_message = pending.awaits != Awaits::Reply && self.is_read_as_data(&pending, reply);
        self.note_chunk(&command, reply, hears);
        self.replied(&pending, Some(reply));
        self.note_given(&pending, reply, spoken);
        let answers = if is_message { Answers::Message(&command) } else { Answers::Command(&command) };
        self.tell_reply(reply, answers, hears);
        if command.verb.as_ref().is_some_and(Verb::starts_tls) && self.session.tls.is_granted_or_refused() {
            self.tell_tls(reply.at.last(), hears);
        }
        if matches!(command.verb, Some(Verb::Turn | Verb::Atrn)) && code == 250 {
            return self.turn(hears);
        }
        self.decided(&command, code, (reply.end, spoken.seen), hears);
    }

    /// BDAT was answered: accepted, its octets are data; refused before their end, the client may stop.
    fn note_chunk(&mut self, command: &Arc<Command>, reply: &Reply, hears: &mut dyn Hears) {
        if !command.is(&Verb::Bdat) {
            return;
        }
        if reply.accepts() && self.choices.is_chunk(command.number) {
            // It was answered before its choice was tried.
            self.choices.take();
            self.choose_chunk(command, Reading::Octets, hears);
        }
        if let State::Chunk(chunk) = &mut *self.client
            && chunk.command().number == command.number
            && !reply.accepts()
        {
            chunk.refuse(reply.end);
        }
    }

    /// What the client knows once it has seen this reply.
    fn note_answer(&mut self, command: &Command, reply: &Reply) {
        let code = reply.code.unwrap_or(0);
        let offers = match &command.verb {
            Some(Verb::Helo) => Some(false),
            Some(verb) if verb.is_hello() && !reply.unfinished => Some(extension::lists(&reply.lines, "PIPELINING")),
            Some(Verb::Bdat) => self.session.offers("CHUNKING"),
            _ => None,
        };
        self.sequence.answered(command.number, code, reply.end, offers);
    }

    /// Whether the octets behind the command were read as a message: DATA's always.
    pub(super) fn is_read_as_data(&self, pending: &Pending, reply: &Reply) -> bool {
        let number = pending.command.number;
        let is_open = matches!(&*self.client, State::Chunk(chunk) if chunk.command().number == number);
        !pending.command.is(&Verb::Bdat) || pending.facts.is_some() || is_open || reply.accepts()
    }

    /// Whether the command can hardly have got that code.
    fn is_odd(&self, command: &Command, code: u16) -> bool {
        match (&command.verb, code) {
            // A line may begin with a verb that RFC 5321 reads none of, and the server does (Sendmail: `NOOP` and a CR).
            (None, _) => {
                let is_read = command.begins_with().is_some_and(|verb| verb.is_known());
                !command.secret && !is_read && (200..400).contains(&code) && code != 221
            }
            (Some(Verb::Other(name)), 200..=399) => {
                !name.starts_with('X') && self.session.offers(name) != Some(true) && code != 221
            }
            (Some(Verb::Data), 200..=299) => code != 221,
            (Some(Verb::Data | Verb::Burl | Verb::XExch50), 354) => false,
            (Some(_), 354) => true,
            (Some(verb), 334) => !verb.is_auth(),
            _ => false,
        }
    }

    /// The reply answers no command that waits for one.
    fn answer_none(&mut self, reply: &Reply, spoken: Spoken, hears: &mut dyn Hears) {
        let Spoken { code, seen } = spoken;
        let unsure = !self.matching.is_sure()
            || matches!(*self.client, State::Lost)
            || self.client.is_unproved()
            || self.client.is_opaque()
            || matches!(&*self.client, State::Data(data) if data.misses());
        if let State::Wait(command) = &*self.client
            && !self.matching.is_sure()
            && seen.is_some_and(|seen| seen >= command.end)
            && code == 354
        {
            // Only the DATA that waits can have got it.
            let command = Arc::clone(command);
            self.tell_reply(reply, Answers::Command(&command), hears);
            self.forget_pending();
            self.decided(&command, code, (reply.end, seen), hears);
        } else if self.streams.server_is_ahead(seen) {
            self.tell_reply(reply, Answers::Unknown, hears);
            self.lose_late(hears);
        } else if unsure {
            self.tell_reply(reply, Answers::Unknown, hears);
        } else if code == 354 && self.session.doubt.rests() {
            // A command that a gap tore had a reply, so each was taken for that of the next: this one is DATA's.
            self.tell_reply(reply, Answers::Unknown, hears);
            self.forget_pending();
            self.find_data(reply.end, hears);
        } else if code == 421 || self.lines.excused {
            self.tell_reply(reply, Answers::Nothing, hears);
        } else {
            self.choices.note_misfit();
            // Some servers answer the client's FIN itself, where it came in the middle of something.
            let answers = if reply.after_fin { Answers::Nothing } else { Answers::Unsolicited };
            self.tell_reply(reply, answers, hears);
        }
    }

    /// A 354 without a final reply tells that a client whose state is unknown sends message data.
    fn find_data(&mut self, prompt_end: u64, hears: &mut dyn Hears) {
        let state = self.client.leave();
        self.client.enter(State::Lost, Cause::Reply);
        if let State::Tentative(line) = state {
            self.command(*line, Role::Command, true, hears);
        }
        let _ = self.lines.client.finish();
        self.begin_data(None, Some(prompt_end));
        self.proceed(hears);
    }
}

/// Whether a message's end may get that code.
fn is_final(code: u16) -> bool {
    (200..300).contains(&code) || (400..600).contains(&code)
}

/// Whether only a command can have got that reply, not message text (SESSION.md, *end of data*).
fn is_proof(command: &Command, code: u16) -> bool {
    match (&command.verb, code) {
        (Some(Verb::Help), 211 | 214) | (Some(Verb::Quit), 221) | (Some(Verb::Vrfy | Verb::Expn), 252) => true,
        (_, 200..=299 | 354) => command.is_strict(),
        _ => false,
    }
}
