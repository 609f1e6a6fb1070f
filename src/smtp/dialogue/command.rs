//! A command is told, waits for its reply, and says what the bytes behind it may be.

use std::sync::Arc;

use super::Dialogue;
use crate::base::Limit;
use crate::smtp::Hears;
use crate::smtp::client::{Cause, State};
use crate::smtp::command::{Command, Role};
use crate::smtp::gathered::MessageFacts;
use crate::smtp::handshake::Handshake;
use crate::smtp::knowledge::Knowledge;
use crate::smtp::matching::{Awaits, Pending};
use crate::smtp::message::Chunk;
use crate::smtp::readings::{Choice, Reading};
use crate::smtp::wire::argument::is_strict;
use crate::smtp::wire::base64;
use crate::smtp::wire::line::{Cut, Line, Source};
use crate::smtp::wire::tls::{self, State as TlsState};
use crate::smtp::wire::verb::Verb;

/// So many octets of a chunk wait for its reply though CHUNKING is on offer: a server that refuses it may execute them.
const SMALL: u64 = 1024;

/// Where n is this or above, a server that counts in 32 bits takes another number of octets (Exim 4.96, measured).
const WRAPS: u64 = 1 << 32;

impl Dialogue {
    /// Tells a command, and from its verb what the bytes behind it are.
    pub(super) fn command(&mut self, line: Line, role: Role, uncertain: bool, hears: &mut dyn Hears) -> Arc<Command> {
        let Line { seen, captured, after_fin, .. } = line;
        let source = Source { at: line.at.first(), seen, captured, after_fin };
        let kind = if role == Role::Command { self.attempts.role(&line) } else { role };
        let mut command = Command::new(line, kind);
        command.number = self.matching.number();
        command.uncertain = uncertain;
        command.in_doubt = self.session.doubt.of_lines();
        command.foreign = self.opening.take_foreign_line();
        if !uncertain {
            let seen = self.streams.client_seen(&source);
            if !command.foreign && self.opening.note_early(&mut command, seen) && !self.session.early_talk {
                self.session.early_talk = true;
                self.session.early_at = Some(command.at.clone());
            }
            command.knew = self.knowledge(&command, seen);
        }
        if self.opening.first_client_line(command.verb.as_ref()) {
            self.name_unknown(self.streams.client_side(), &command.at, hears);
        }
        let command = Arc::new(command);
        self.tell_command(&command, hears);
        self.keep_secret(&command);
        if !uncertain {
            self.expect_reply(&command, hears);
            self.after_command(&command, role, hears);
        }
        command
    }

    /// What the client knew of the session.
    fn knowledge(&mut self, command: &Command, seen: Option<u64>) -> Knowledge {
        // A reply without its last line, or a line without its end, may be all of it.
        let line = self.lines.server.open_end().filter(|_| self.matching.len() <= 1);
        let open = self.replies.open_end().into_iter().chain(line).min();
        let is_open = open.is_some_and(|end| seen.is_none_or(|seen| seen >= end));
        if self.streams.client_is_ahead(seen) || !self.matching.is_sure() || self.session.doubt.rests() || is_open {
            return Knowledge::Unknown;
        }
        let knowledge = match seen {
            Some(seen) => self.sequence.known(seen).map(Knowledge::Sure),
            None if self.streams.client_acks() || command.seen.is_none() => None,
            None => {
                let doubtful = self.sequence.doubtful(command.captured);
                doubtful.map(|(by_seen, by_order)| Knowledge::Doubtful { by_seen, by_order })
            }
        };
        knowledge.unwrap_or_default()
    }

    /// Keeps what is secret in a line, to find where either side repeats it and to take back names that equal it.
    fn keep_secret(&mut self, command: &Command) {
        let is_auth = command.verb.as_ref().is_some_and(Verb::is_auth);
        if is_auth {
            self.attempts.begin(command.argument_revealed());
        } else if let Some(secret) = command.secret_part() {
            if command.exchange {
                self.attempts.response(secret);
            } else {
                self.attempts.stray(secret);
            }
        }
        if command.secret {
            self.attempts.withdraw_from(&mut self.session.auth);
        }
        if !is_auth && command.is_misspelt_auth() {
            self.attempts.misspelt();
        }
    }

    /// Puts a command among those that wait for their reply.
    fn expect_reply(&mut self, command: &Arc<Command>, hears: &mut dyn Hears) {
        let waited_at = self.streams.client_waited(command.seen).then_some(self.streams.server_end());
        let mut pending = Pending::command(Arc::clone(command), waited_at);
        if let Some((_, last)) = command.chunk() {
            pending.awaits = Awaits::Message { last, left: None };
        }
        self.expect(pending, hears);
    }

    /// Puts the end of data that a 354 had opened among what waits for its reply. `optional`: a reply in the middle has
    /// answered it already, and some servers answer once more.
    pub(super) fn expect_message(
        &mut self,
        command: Arc<Command>,
        end: u64,
        facts: MessageFacts,
        optional: bool,
        hears: &mut dyn Hears,
    ) {
        let awaits = Awaits::Message { last: true, left: None };
        let waited_at = Some(self.streams.server_end());
        self.expect(
            Pending { command, awaits, end, waited_at, facts: Some(Box::new(facts)), optional, known: false },
            hears,
        );
    }

    fn expect(&mut self, pending: Pending, hears: &mut dyn Hears) {
        if self.server_missing(pending.command.seen) || self.matching.may_be_answered(pending.end) {
            self.lose_replies(hears);
            if !pending.optional {
                self.replied(&pending, None);
            }
            return;
        }
        if self.matching.is_full(&pending) {
            self.tally.one(Limit::PendingReplies.key());
            self.lose_replies(hears);
        }
        if !pending.optional {
            self.sequence.push(&pending, self.limits.0.commands.saturating_mul(2));
        }
        self.matching.expect(pending);
    }

    /// What follows a command in the client's stream.
    fn after_command(&mut self, command: &Arc<Command>, role: Role, hears: &mut dyn Hears) {
        if role == Role::Exchange {
            return self.wait(command);
        }
        match &command.verb {
            Some(Verb::Bdat) => self.after_bdat(command, hears),
            Some(verb) if verb.is_auth() || verb.starts_tls() => self.wait(command),
            Some(Verb::Data | Verb::XExch50 | Verb::Turn | Verb::Atrn | Verb::XClient) => self.wait(command),
            _ => {}
        }
    }

    /// BDAT's octets are data where CHUNKING is on offer; else the replies tell, by their number.
    fn after_bdat(&mut self, command: &Arc<Command>, hears: &mut dyn Hears) {
        let Some((size, last)) = command.chunk() else { return };
        let missing = self.server_missing(command.seen) || self.matching.may_be_answered(command.end);
        if size >= WRAPS && !missing {
            return self.wait(command);
        }
        let offered = if self.is_hello_due() { None } else { self.session.offered("CHUNKING") };
        let undecided = self.choices.of_undecided_chunk(command.number);
        match offered {
            Some(true) if size > SMALL => self.begin_chunk(command, size, last, hears),
            Some(false) if size == 0 => {}
            _ if size == 0 => self.begin_chunk(command, size, last, hears),
            _ if !missing && self.choices.may_stop() => {
                self.flush(hears);
                if self.matching.is_sure_of_only() {
                    self.matching.find();
                }
                self.choices.stop(Choice::Chunk(Arc::clone(command)));
            }
            // Behind another choice its reply tells as much as can be told.
            _ if !missing && self.choices.is_scout() => self.wait(command),
            _ => self.choose_chunk(command, undecided, hears),
        }
    }

    pub(super) fn choose_chunk(&mut self, command: &Arc<Command>, reading: Reading, hears: &mut dyn Hears) {
        if reading == Reading::Commands {
            if self.session.doubt.rests() {
                self.session.doubt.whether_commands();
            }
            return;
        }
        if let Some((size, last)) = command.chunk() {
            // What is refused or undecided is swallowed by those who count in 32 bits alone.
            self.begin_chunk(command, size % WRAPS, last, hears);
        }
    }

    /// Whether an EHLO waits for its reply, which may list anything.
    fn is_hello_due(&self) -> bool {
        self.matching.iter().any(|pending| pending.command.verb.as_ref().is_some_and(Verb::is_hello))
    }

    fn wait(&mut self, command: &Arc<Command>) {
        let waits = !self.server_missing(command.seen) && !self.matching.may_be_answered(command.end);
        let command = Arc::clone(command);
        let next = if waits { State::Wait(command) } else { State::Assumed(command) };
        self.client.enter(next, Cause::Command);
    }

    /// Reads on in the way that was chosen.
    pub(in crate::smtp) fn choose(&mut self, reading: Reading, hears: &mut dyn Hears) {
        match (self.choices.take(), reading) {
            (Some(Choice::LineEnd(line)), Reading::CrLf) => {
                self.lines.cut = Some(Cut::CrLf);
                self.lines.client.reopen(*line, self.limits.0.line);
            }
            (Some(Choice::LineEnd(line)), _) => {
                self.lines.cut = Some(Cut::Lf);
                self.line(*line, hears);
            }
            (Some(Choice::EndOfData(kind)), reading) => self.choose_end(kind, reading, hears),
            (Some(Choice::Chunk(command)), reading) => {
                self.choices.watch(command.number);
                self.choose_chunk(&command, reading, hears);
            }
            (Some(Choice::RefusedChunk(_)), Reading::Commands) => self.drop_chunk(hears),
            (Some(Choice::Proxy), reading) => self.choose_proxy(reading, hears),
            (Some(Choice::Division), Reading::Divided) => self.end_open(hears),
            (Some(Choice::RefusedChunk(_) | Choice::Division) | None, _) => {}
        }
        self.proceed(hears);
    }

    /// The reply to the command that the client's bytes wait for has come.
    pub(super) fn decided(
        &mut self,
        command: &Arc<Command>,
        code: u16,
        prompt: (u64, Option<u64>),
        hears: &mut dyn Hears,
    ) {
        if let State::Wait(waiting) = &*self.client
            && waiting.number == command.number
        {
            self.client.enter(State::Command, Cause::Reply);
            self.accepted(command, code, Some(prompt), hears);
        }
        self.proceed(hears);
    }

    /// Enters what the reply to a command that was waited for opens. `prompt`: where the reply ends in the server's stream,
    /// and how far the server had seen the client's.
    pub(super) fn accepted(
        &mut self,
        command: &Arc<Command>,
        code: u16,
        prompt: Option<(u64, Option<u64>)>,
        hears: &mut dyn Hears,
    ) {
        let prompt_end = prompt.map(|(end, _)| end);
        let Some(verb) = &command.verb else {
            if code == 334 && self.attempts.is_open() {
                self.client.enter(State::Exchange, Cause::Reply);
            }
            return;
        };
        match (verb, code) {
            (Verb::Data, 354) => self.begin_data(Some(Arc::clone(command)), prompt_end),
            (Verb::Auth | Verb::XExps | Verb::XAuth, 334) => self.client.enter(State::Exchange, Cause::Reply),
            (Verb::StartTls | Verb::XAnonymousTls, 220) => {
                let handshake = Handshake::behind_prompt(prompt_end);
                self.client.enter(State::Hidden(Box::new(handshake)), Cause::Reply);
            }
            (Verb::Bdat, _) => self.accepted_wrapping(command, code, prompt.and_then(|(_, seen)| seen), hears),
            (Verb::XExch50, 354) => self.begin_blob(command, hears),
            _ => {}
        }
    }

    /// BDAT of a size that does not fit 32 bits got its reply.
    fn accepted_wrapping(&mut self, command: &Arc<Command>, code: u16, seen: Option<u64>, hears: &mut dyn Hears) {
        let Some((size, last)) = command.chunk() else { return };
        if !(200..300).contains(&code) {
            let undecided = self.choices.of_undecided_chunk(command.number);
            if self.choices.may_stop() {
                self.flush(hears);
                return self.choices.stop(Choice::Chunk(Arc::clone(command)));
            }
            return self.choose_chunk(command, undecided, hears);
        }
        let short = seen.and_then(|seen| seen.checked_sub(command.end)).filter(|&taken| taken < size);
        // The server answered before its end: it has counted in 32 bits, or less came.
        let size = short.map_or(size, |taken| taken.min(size % WRAPS));
        self.begin_chunk(command, size, last, hears);
    }

    /// XEXCH50 got its 354.
    fn begin_blob(&mut self, command: &Arc<Command>, hears: &mut dyn Hears) {
        /// More than this is no blob but an attack (MS03-046): what follows is not skipped for it.
        const MOST: u64 = 1 << 20;
        let size = command.announced_octets();
        if let Some(size) = size.filter(|&size| size <= MOST) {
            return self.begin_chunk(command, size, true, hears);
        }
        let chunk = Chunk::until_reply(Arc::clone(command), self.limits.1.want_data_hash);
        self.client.enter(State::Chunk(Box::new(chunk)), Cause::Reply);
    }

    /// What is held behind a command whose reply will not come, once its first line is there.
    pub(super) fn look_at_assumed(&mut self, command: &Arc<Command>, hears: &mut dyn Hears) -> bool {
        /// A first line is looked at up to here.
        const LINE: usize = 512;
        let prefix = self.held.prefix(LINE);
        if !(prefix.contains(&b'\n') || prefix.len() >= LINE || self.held.is_cut()) {
            return tls::begins_handshake(&prefix) == Some(true) && self.assume(command, &prefix, hears);
        }
        self.assume(command, &prefix, hears)
    }

    /// No reply to this command will be seen; `first` is the first line behind it. It counts as accepted unless that line
    /// is a command in strict form.
    pub(super) fn assume(&mut self, command: &Arc<Command>, first: &[u8], hears: &mut dyn Hears) -> bool {
        let line = first.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.client.enter(if command.uncertain { State::Lost } else { State::Command }, Cause::NoReply);
        // A reply that came before the command, which alone can have got it.
        let told = self.matching.last_reply().filter(|&(seen, _)| seen == command.end).map(|(_, code)| code);
        match (&command.verb, told) {
            (Some(Verb::Data), Some(354)) => {
                self.begin_data(Some(Arc::clone(command)), None);
                return true;
            }
            (verb, Some(334)) if verb.as_ref().is_none_or(Verb::is_auth) => {
                self.client.enter(State::Exchange, Cause::NoReply);
                return true;
            }
            _ => {}
        }
        self.session.doubt.whether_commands();
        if is_strict(line) || self.held.is_over() {
            return true;
        }
        match &command.verb {
            Some(Verb::StartTls | Verb::XAnonymousTls) if tls::begins_handshake(first) == Some(true) => {
                self.session.tls.state = TlsState::Started;
                self.session.tls.settled = false;
                self.tell_tls(self.held.source().map_or(self.session.last, |source| source.at), hears);
                self.accepted(command, 220, None, hears);
            }
            Some(Verb::StartTls | Verb::XAnonymousTls) => self.resume_at(line),
            Some(Verb::Data | Verb::XExch50) => self.accepted(command, 354, None, hears),
            Some(Verb::Bdat) => {
                let undecided = self.choices.of_undecided_chunk(command.number);
                self.choose_chunk(command, undecided, hears);
            }
            Some(Verb::Turn | Verb::Atrn) => {
                if crate::smtp::wire::reply::code(line).0.is_some() {
                    self.turn(hears);
                }
            }
            // AUTH, or a line of its exchange.
            Some(verb) if verb.is_auth() => self.assume_exchange(line),
            None => self.assume_exchange(line),
            Some(_) => {}
        }
        true
    }

    /// Commands go on if that line is one; else nobody knows what follows.
    fn resume_at(&mut self, line: &[u8]) {
        if !Verb::of(line).is_known() {
            self.client.enter(State::Lost, Cause::NoReply);
        }
    }

    fn assume_exchange(&mut self, line: &[u8]) {
        if base64::is_likely(line) || line == b"*" {
            self.client.enter(State::Exchange, Cause::NoReply);
        } else {
            self.end_attempt(None, 0);
            self.attempts.doubt();
            self.resume_at(line);
        }
    }
}
