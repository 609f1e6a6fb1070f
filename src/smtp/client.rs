//! The client's half of a session: what its next bytes are.
//!
//! Each state holds what only it needs. What a state's bytes are is decided by the server's reply to the
//! command before them ([`Dialogue::decided`]); until it comes they are held.

use std::sync::Arc;

use super::Hears;
use super::auth::{Attempt, looks_like_base64, may_be_base64};
use super::command::{Command, Role};
use super::dialogue::{Awaits, Choice, Dialogue, Greeting, Matching, Pending, Reading};
use super::event::{DataEnd, Event};
use super::gathered::MessageFacts;
use super::handshake::Hello;
use super::held::Item;
use super::message::{Chunk, Data};
use super::reply::Reply;
use super::sequence::Knowledge;
use super::wire::argument::is_strict;
use super::wire::foreign::{self, First};
use super::wire::line::{Cut, Ending, Line, Piece, Source};
use super::wire::tls::{self, State, Watch};
use super::wire::verb::{self, Verb};
use crate::base::{Limit, Moment, Packets};
use crate::tcp::Gap;

/// What the client's next bytes are.
#[derive(Clone, Debug)]
pub(super) enum Client {
    /// Its very first: SMTP, a PROXY header or another protocol; held until they tell.
    First,
    /// So many octets of a PROXY header.
    Skip(u64),
    /// A command line (RFC 5321 2.4).
    Command,
    /// A line of an AUTH exchange: the last reply was 334 (RFC 4954 4).
    Exchange,
    /// Held until the reply to this command tells what they are.
    Wait(Arc<Command>),
    /// No reply to this command will come: held until their first line tells.
    Assumed(Arc<Command>),
    /// Lines of another protocol, held until the server shows whether it speaks SMTP.
    WaitForServer,
    /// Message data, until its end (RFC 5321 4.5.2).
    Data(Box<Data>),
    /// Octets, not lines (RFC 3030 2).
    Chunk(Box<Chunk>),
    /// Behind a successful AUTH that may have switched on a security layer.
    Layer,
    /// Behind the 220 to STARTTLS, before the handshake.
    Hello(Box<Hello>),
    /// TLS: never SMTP again (RFC 3207 4).
    Tls(Box<Watch>),
    Opaque,
    /// A gap hid where we are: only a line in strict form, or one that alone gets a reply of its own, is taken
    /// for a command.
    Lost,
    /// A line in strict form, held until a reply proves it.
    Tentative(Box<Line>),
    /// Another line with a verb that stands alone, held until the next reply tells whether it is its own.
    Weak(Box<Weak>),
    /// Behind the dot, at that position, of message data whose command was not captured: held until its
    /// final reply.
    Ended(u64),
}

/// A line that may be a command; if it is none, it was text.
#[derive(Clone, Debug)]
pub(super) struct Weak {
    pub line: Line,
    pub proof: Proof,
    /// The refused message data of which it is part if it is no command.
    pub data: Option<Box<Data>>,
}

/// What it takes to prove a line that stands alone to be a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// Any reply of its own: the server had answered all before it.
    Reply,
    /// A code that no end of a message or chunk gets: something was lost directly before it.
    Code,
}

impl Weak {
    /// Whether such a reply is its own.
    fn is_proved(&self, seen: Option<u64>, code: u16) -> bool {
        let (Some(verb), _) = verb::split(&self.line.text) else { return false };
        seen == Some(self.line.end)
            && match (code, self.proof) {
                (354, _) => verb == Verb::Data,
                (334, _) => verb.is_auth(),
                // It may come at any time.
                (421, _) => false,
                (211 | 214, Proof::Code) => verb == Verb::Help,
                (220, Proof::Code) => verb.starts_tls(),
                (221, Proof::Code) => verb == Verb::Quit,
                (code, Proof::Code) => matches!(code, 500 | 502 | 503),
                (_, Proof::Reply) => true,
            }
    }
}

impl Client {
    fn waits(&self) -> bool {
        match self {
            Client::First | Client::Wait(_) | Client::Assumed(_) | Client::WaitForServer => true,
            Client::Hello(hello) => hello.waits(),
            _ => self.is_unproved(),
        }
    }

    /// Whether it is a reply that tells what the held bytes are.
    fn waits_for_server(&self) -> bool {
        matches!(self, Client::Wait(_) | Client::WaitForServer) || self.is_unproved()
    }

    /// Whether the next reply tells what the client's state is, which a gap had hidden.
    pub(super) fn is_unproved(&self) -> bool {
        matches!(self, Client::Tentative(_) | Client::Weak(_) | Client::Ended(_))
    }

    /// Whether nothing that the server says can be SMTP either.
    pub(super) fn is_opaque(&self) -> bool {
        matches!(self, Client::Tls(_) | Client::Opaque)
    }

    pub(super) fn held(&self) -> usize {
        match self {
            Client::Data(data) => data.gathered.header.held(),
            Client::Chunk(chunk) => chunk.gathered.header.held(),
            Client::Tls(watch) => watch.held(),
            Client::Hello(hello) => hello.held(),
            Client::Tentative(line) => line.text.len(),
            Client::Weak(weak) => {
                let header = weak.data.as_ref().map_or(0, |data| data.gathered.header.held());
                weak.line.text.len().saturating_add(header)
            }
            _ => 0,
        }
    }
}

impl Dialogue {
    pub(super) fn waits(&self) -> bool {
        self.choice.is_some() || self.client.waits()
    }

    /// Takes the client's next bytes: reads them, or holds them until it is known what they are.
    pub(super) fn client_bytes(&mut self, piece: Piece<'_>, hears: &mut dyn Hears) {
        self.client_end = piece.end();
        if self.client_lines.held() == 0 {
            self.finish_acknowledged_line(&piece.from, hears);
        }
        if self.server_missing(piece.from.seen) && self.client.waits_for_server() {
            self.lose_replies();
            self.release(hears);
        }
        if self.waits() || !self.held.is_empty() {
            self.held.push_piece(&piece);
        } else {
            let rest = self.read_client(piece, hears);
            if !rest.is_empty() && self.choice.is_none() {
                self.finish_acknowledged_line(&rest.from, hears);
            }
            self.held.push_piece(&rest);
        }
        self.proceed(hears);
    }

    pub(super) fn client_gap(&mut self, gap: &Gap, hears: &mut dyn Hears) {
        self.session.missing_client = self.session.missing_client.saturating_add(gap.length);
        self.session.rests_after_loss = true;
        self.sequence.lose();
        self.session.last = gap.at;
        self.client_end = gap.offset.saturating_add(gap.length);
        self.held.push(Item::Gap(*gap));
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
            if self.choice.is_some() || !(self.look(hears) || self.limit(hears)) {
                return;
            }
        }
    }

    /// Looks at held bytes that may tell themselves what they are; returns whether they did.
    fn look(&mut self, hears: &mut dyn Hears) -> bool {
        /// A first line is looked at up to here.
        const LINE: usize = 512;
        match &self.client {
            Client::First => self.look_at_first(hears),
            Client::Hello(_) => self.look_at_hello(hears),
            Client::Assumed(command) => {
                let prefix = self.held.prefix(LINE);
                if !(prefix.contains(&b'\n') || prefix.len() >= LINE || self.held.is_cut()) {
                    return tls::begins_handshake(&prefix) == Some(true)
                        && self.assume(&command.clone(), &prefix, hears);
                }
                self.assume(&command.clone(), &prefix, hears)
            }
            _ => false,
        }
    }

    fn look_at_first(&mut self, hears: &mut dyn Hears) -> bool {
        /// More than any sign of another protocol, and a PROXY header as far as it names the client.
        const SIGNS: usize = 128;
        let prefix = self.held.prefix(SIGNS);
        let at = self.held.source().map_or(self.session.last, |source| source.at);
        let side = self.client_side;
        self.client = match foreign::client(&prefix) {
            First::More if !self.held.is_cut() => return false,
            First::Proxy(length, client) if !self.proxied => {
                self.proxied = true;
                self.session.proxied_for = client;
                Client::Skip(length as u64)
            }
            // Cut by a gap: what it begins is not known.
            First::More if !prefix.is_ascii() || prefix.contains(&0) || prefix.starts_with(b"\r") => Client::Lost,
            First::More | First::Smtp | First::Proxy(..) => Client::Command,
            First::Tls => {
                self.session.tls.state = State::Implicit;
                self.name_protocol("TLS", side, Packets::one(at), hears);
                self.tell_tls(at, hears);
                Client::Tls(Box::default())
            }
            First::Lines(name) | First::Binary(name) => {
                self.name_protocol(name, side, Packets::one(at), hears);
                match self.server_speaks_smtp {
                    Some(false) => Client::Opaque,
                    _ if !foreign::is_text(name) => {
                        self.matching = Matching::Lost;
                        Client::Lost
                    }
                    Some(true) => Client::Command,
                    None => Client::WaitForServer,
                }
            }
        };
        true
    }

    /// At the limit what waits is read as if the reply had accepted; returns whether it acted.
    fn limit(&mut self, hears: &mut dyn Hears) -> bool {
        if self.held.len() <= self.bounds.held {
            return false;
        }
        self.tally.one(Limit::HeldBytesPerConnection.key());
        self.release(hears);
        true
    }

    /// Waits no longer: a limit acted, the reply lies in a gap, or the session is over.
    pub(super) fn release(&mut self, hears: &mut dyn Hears) {
        match std::mem::replace(&mut self.client, Client::Opaque) {
            Client::First => self.client = Client::Command,
            Client::Wait(command) if self.held.is_empty() => self.client = Client::Assumed(command),
            Client::Wait(command) | Client::Assumed(command) => {
                let prefix = self.held.prefix(512);
                self.assume(&command, &prefix, hears);
            }
            Client::WaitForServer => {}
            Client::Tentative(line) => {
                self.client = Client::Lost;
                self.command(*line, Role::Command, true, hears);
            }
            Client::Weak(weak) => self.client = weak.data.map_or(Client::Lost, Client::Data),
            Client::Ended(_) => self.client = Client::Lost,
            other => {
                self.client = other;
                self.release_hello(hears);
            }
        }
    }

    /// Reads until it is not known what the rest is; returns that rest.
    fn read_client<'p>(&mut self, mut piece: Piece<'p>, hears: &mut dyn Hears) -> Piece<'p> {
        while !piece.is_empty() && !self.waits() {
            match &mut self.client {
                Client::Command | Client::Exchange | Client::Lost => self.read_line(&mut piece, hears),
                Client::Skip(left) => {
                    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(piece.bytes.len());
                    piece.take(count);
                    *left = left.saturating_sub(count as u64);
                    if *left == 0 {
                        self.client = Client::First;
                    }
                }
                Client::Data(data) if data.refused.is_some() => self.read_refused(&mut piece, hears),
                Client::Data(_) => self.read_data(&mut piece, hears),
                Client::Chunk(_) => self.read_chunk(&mut piece, hears),
                Client::Layer => {
                    let text = piece.bytes.first().is_some_and(|&byte| byte == b'\r' || byte >= b' ');
                    self.session.sasl_layer = !text;
                    self.client = if text { Client::Command } else { Client::Opaque };
                }
                Client::Hello(_) => self.read_hello(&mut piece, hears),
                Client::Tls(watch) => {
                    if watch.take(true, piece.bytes, &mut self.session.tls) {
                        self.tell_tls(piece.from.at, hears);
                    }
                    piece.take(usize::MAX);
                }
                Client::Opaque => {
                    piece.take(usize::MAX);
                }
                Client::First
                | Client::Wait(_)
                | Client::Assumed(_)
                | Client::WaitForServer
                | Client::Tentative(_)
                | Client::Weak(_)
                | Client::Ended(_) => break,
            }
        }
        piece
    }

    fn read_line(&mut self, piece: &mut Piece<'_>, hears: &mut dyn Hears) {
        if self.client_lines.held() == 0 && self.finish_acknowledged_line(&piece.from, hears) {
            // A reply may have changed what these bytes are.
            return;
        }
        let cut = self.cut.unwrap_or(Cut::Lf);
        let Some(line) = self.client_lines.take(piece, cut, self.bounds.line) else { return };
        let doubtful = line.ending == Ending::Lf && self.cut.is_none() && matches!(self.client, Client::Command);
        if doubtful && !self.server_missing(line.seen) {
            if !self.scout && !self.closing {
                self.choice = Some(Choice::LineEnd(Box::new(line)));
                return;
            }
            self.cut = Some(Cut::Lf);
        }
        self.line(line, hears);
    }

    /// A whole line where lines are read.
    fn line(&mut self, line: Line, hears: &mut dyn Hears) {
        self.session.client_crlf |= line.ending == Ending::CrLf;
        if line.octets > line.text.len().saturating_add(2) as u64 {
            self.tally.one(Limit::LineLength.key());
        }
        let doubtful = self.doubtful_lines > 0;
        self.doubtful_lines = self.doubtful_lines.saturating_sub(1);
        match self.client {
            // Another protocol is not read, unless the server answers in SMTP.
            Client::Lost if self.session.protocol.is_some() && self.server_speaks_smtp != Some(true) => {}
            Client::Lost if !is_strict(&line.text) => {
                if let Some(proof) = self.stands_alone(&line) {
                    self.client = Client::Weak(Box::new(Weak { line, proof, data: None }));
                }
            }
            Client::Lost => {
                let waited = line.seen.is_some_and(|seen| seen >= self.server_end);
                if waited && !self.server_missing(line.seen) {
                    self.client = Client::Tentative(Box::new(line));
                } else {
                    self.command(line, Role::Command, true, hears);
                }
            }
            Client::Exchange => drop(self.command(line, Role::Exchange, false, hears)),
            _ if (doubtful || self.refused_auth) && may_be_base64(&line.text) => {
                drop(self.command(line, Role::Leaked, false, hears));
            }
            _ => drop(self.command(line, Role::Command, false, hears)),
        }
    }

    /// Whether a line that is not in strict form has a verb and stands alone: the client waited for the server
    /// before it. Message text gets no reply of its own; what follows a 334 is secret.
    pub(super) fn stands_alone(&self, line: &Line) -> Option<Proof> {
        let verb = verb::split(&line.text).0?;
        let is_extension = matches!(&verb, Verb::Other(name) if name.starts_with('X'));
        let is_whole = line.ending != Ending::None && line.octets <= line.text.len().saturating_add(2) as u64;
        let waited = line.seen.is_some_and(|seen| seen >= self.server_end) && !self.server_missing(line.seen);
        if !(verb.is_known() || is_extension) || !is_whole || !waited {
            return None;
        }
        match self.last_reply {
            Some((seen, code)) if seen == line.start => (code != 334).then_some(Proof::Reply),
            _ => (self.lost_at == Some(line.start) && verb.is_known()).then_some(Proof::Code),
        }
    }

    /// The next reply tells whether the line that stands alone was a command; returns whether the reply is its own.
    pub(super) fn answer_weak(
        &mut self,
        reply: &Reply,
        code: u16,
        seen: Option<u64>,
        hears: &mut dyn Hears,
    ) -> Option<Arc<Command>> {
        let Client::Weak(weak) = &self.client else { return None };
        if !weak.is_proved(seen, code) {
            self.cut = self.cut.or(Some(Cut::Lf));
            self.release(hears);
            self.proceed(hears);
            return None;
        }
        let Client::Weak(weak) = std::mem::replace(&mut self.client, Client::Lost) else { return None };
        self.forget_pending();
        self.matching = Matching::Lost;
        let command = self.command(weak.line, Role::Command, true, hears);
        match (&command.verb, code) {
            (Some(verb), 250) if verb.is_hello() || *verb == Verb::Rset => {
                // A fresh start: what it takes to know the state again.
                let awaits = Awaits::Reply;
                let pending =
                    Pending { command: Arc::clone(&command), awaits, end: command.end, waited_at: None, facts: None };
                self.sequence.push(&pending, self.bounds.pending);
                self.replied(&pending, Some(reply));
                self.note_answer(&command, code, reply);
                self.matching = Matching::Sure;
                self.client = Client::Command;
            }
            (Some(verb), 220) if verb.starts_tls() => self.client = Client::Assumed(Arc::clone(&command)),
            (Some(verb), 334) if verb.is_auth() => {
                self.attempt = Some(Box::new(Attempt::new(command.argument_revealed())));
                self.client = Client::Exchange;
            }
            (Some(Verb::Data), 354) => self.begin_data(Some(Arc::clone(&command)), Some(reply.end)),
            _ => {}
        }
        Some(command)
    }

    /// The client's stream ended, or a gap came: what there is of a line is all of it.
    fn finish_line(&mut self, hears: &mut dyn Hears) {
        if let Some(line) = self.client_lines.finish()
            && matches!(self.client, Client::Command | Client::Exchange | Client::Lost)
        {
            self.line(line, hears);
        }
    }

    /// Tells a command, and from its verb what the bytes behind it are.
    pub(super) fn command(&mut self, line: Line, role: Role, uncertain: bool, hears: &mut dyn Hears) -> Arc<Command> {
        let source =
            Source { at: line.at.first(), seen: line.seen, captured: line.captured, after_fin: line.after_fin };
        let mut command = Command::new(line, role);
        command.number = self.next_number;
        command.uncertain = uncertain;
        command.in_doubt = self.session.lines_in_doubt;
        self.next_number = self.next_number.saturating_add(1);
        self.session.commands = self.session.commands.saturating_add(1);
        if !uncertain {
            let seen = self.client_seen(&source);
            self.note_early(&mut command, seen);
            self.note_knowledge(&mut command, seen);
        }
        if self.first_line_fits.is_none() {
            let letters = command.verb.as_ref().map_or(0, |verb| verb.name().len());
            self.first_line_fits = Some((3..=12).contains(&letters));
            self.name_unknown(self.client_side, &command.at, hears);
        }
        let command = Arc::new(command);
        hears.hear(&Event::Command(&command), &self.session);
        if command.secret {
            self.keep_secret(&command);
        }
        if !uncertain {
            self.expect_reply(&command);
            self.after_command(Arc::clone(&command), role, hears);
        }
        command
    }

    /// Whether the client knew the whole greeting.
    fn note_early(&mut self, command: &mut Command, seen: Option<u64>) {
        let (by_seen, by_order) = match self.greeting {
            Greeting::Due => (command.seen.map(|_| true), true),
            Greeting::Done(end) | Greeting::Codeless(end) => {
                (command.seen.map(|seen| seen < end), command.captured < end)
            }
            Greeting::Opening | Greeting::Unknown => return,
        };
        if by_order && self.early_by_order.is_none() {
            self.early_by_order = Some(Box::new(command.at.clone()));
        }
        if seen.is_some() || by_seen == Some(by_order) {
            command.early = by_seen;
        } else if by_seen == Some(true) && self.doubtful_early.is_none() {
            self.doubtful_early = Some(Box::new(command.at.clone()));
        }
        if command.early == Some(true) && !self.session.early_talk {
            self.session.early_talk = true;
            self.session.early_at = Some(command.at.clone());
        }
    }

    /// What the client knew of the session.
    fn note_knowledge(&mut self, command: &mut Command, seen: Option<u64>) {
        let missed = seen.is_some_and(|seen| seen > self.server_end);
        if missed || self.matching != Matching::Sure || self.session.rests_after_loss {
            return;
        }
        let knowledge = match seen {
            Some(seen) => self.sequence.known(seen).map(Knowledge::Sure),
            None if self.client_acks || command.seen.is_none() => None,
            None => {
                let doubtful = self.sequence.doubtful(command.captured);
                doubtful.map(|(by_seen, by_order)| Knowledge::Doubtful { by_seen, by_order })
            }
        };
        command.knew = knowledge.unwrap_or_default();
    }

    fn keep_secret(&mut self, command: &Arc<Command>) {
        /// Replies are searched for so many of the latest secrets.
        const MOST: usize = 4;
        if self.secrets.len() >= MOST {
            self.secrets.pop_front();
        }
        self.secrets.push_back(Arc::clone(command));
    }

    /// Puts a command among those that wait for their reply.
    fn expect_reply(&mut self, command: &Arc<Command>) {
        let mut pending = Pending {
            command: Arc::clone(command),
            awaits: Awaits::Reply,
            end: command.end,
            waited_at: command.seen.is_some_and(|seen| seen >= self.server_end).then_some(self.server_end),
            facts: None,
        };
        if command.is(&Verb::Bdat)
            && let Some((_, last)) = command.chunk()
        {
            pending.awaits = Awaits::Message { last, left: None };
        }
        self.expect(pending);
    }

    /// Puts the end of data that a 354 had opened among what waits for its reply.
    pub(super) fn expect_message(&mut self, command: Arc<Command>, end: u64, facts: MessageFacts) {
        let awaits = Awaits::Message { last: true, left: None };
        let waited_at = Some(self.server_end);
        self.expect(Pending { command, awaits, end, waited_at, facts: Some(Box::new(facts)) });
    }

    fn expect(&mut self, pending: Pending) {
        if self.server_missing(pending.command.seen) || self.may_be_answered(pending.end) {
            self.lose_replies();
            self.replied(&pending, None);
            return;
        }
        if self.matching == Matching::Lost && pending.waited_at.is_some() {
            // What was open before the server spoke last was answered then, or never will be.
            self.pending.retain(|older| older.waited_at == pending.waited_at);
            self.pending_octets = self.pending.iter().fold(0, |sum, pending| sum.saturating_add(pending.octets()));
        }
        let octets = self.pending_octets.saturating_add(pending.octets());
        if self.pending.len() >= self.bounds.pending || octets > self.bounds.held.max(self.bounds.line) {
            self.tally.one(Limit::PendingReplies.key());
            self.lose_replies();
        }
        self.pending_octets = self.pending_octets.saturating_add(pending.octets());
        self.sequence.push(&pending, self.bounds.pending.saturating_mul(2));
        self.pending.push_back(pending);
    }

    /// What follows a command in the client's stream.
    fn after_command(&mut self, command: Arc<Command>, role: Role, hears: &mut dyn Hears) {
        let verb = command.verb.clone();
        if role == Role::Command && verb.as_ref().is_some_and(Verb::is_known) {
            self.refused_auth = false;
        }
        if role == Role::Exchange {
            if let (Some(attempt), Some(secret)) = (&mut self.attempt, command.secret_part()) {
                attempt.response(secret);
            }
            self.client = self.wait(command);
            return;
        }
        let Some(verb) = verb else { return };
        match verb {
            Verb::Auth | Verb::XExps | Verb::XAuth => {
                self.attempt = Some(Box::new(Attempt::new(command.argument_revealed())));
                self.client = self.wait(command);
            }
            Verb::Bdat => match (command.chunk(), self.chunking()) {
                (None, _) | (_, Some(false)) => {}
                (Some((size, last)), Some(true)) => self.begin_chunk(command, size, last, hears),
                (Some(_), None) => self.client = self.wait(command),
            },
            Verb::Data
            | Verb::StartTls
            | Verb::XAnonymousTls
            | Verb::XExch50
            | Verb::Turn
            | Verb::Atrn
            | Verb::XClient => self.client = self.wait(command),
            _ => {}
        }
    }

    fn wait(&self, command: Arc<Command>) -> Client {
        let waits = !self.server_missing(command.seen) && !self.may_be_answered(command.end);
        if waits { Client::Wait(command) } else { Client::Assumed(command) }
    }

    /// Whether the latest accepted EHLO reply lists CHUNKING; `None` while such a reply is due, or where it
    /// was not captured.
    fn chunking(&self) -> Option<bool> {
        let due = self.pending.iter().any(|pending| pending.command.verb.as_ref().is_some_and(Verb::is_hello));
        if due {
            return None;
        }
        // Where no EHLO was accepted though everything was captured, the server takes no chunk.
        self.session.offered("CHUNKING")
    }

    /// Reads on in the way that was chosen.
    pub(super) fn choose(&mut self, reading: Reading, hears: &mut dyn Hears) {
        match (self.choice.take(), reading) {
            (Some(Choice::LineEnd(line)), Reading::CrLf) => {
                self.cut = Some(Cut::CrLf);
                self.client_lines.reopen(*line, self.bounds.line);
            }
            (Some(Choice::LineEnd(line)), _) => {
                self.cut = Some(Cut::Lf);
                self.line(*line, hears);
            }
            (Some(Choice::EndOfData(kind)), Reading::EndAt(0)) => self.end_data(DataEnd::Smuggled(kind), hears),
            (Some(Choice::EndOfData(_)), reading) => {
                if let Client::Data(data) = &mut self.client {
                    data.settled = true;
                    if let Reading::EndAt(place) = reading {
                        data.end_at = place.checked_sub(1);
                    }
                }
            }
            (None, _) => {}
        }
        self.proceed(hears);
    }

    /// The reply to the command that the client's bytes wait for has come.
    pub(super) fn decided(&mut self, command: &Arc<Command>, code: u16, prompt_end: u64, hears: &mut dyn Hears) {
        if let Client::Wait(waiting) = &self.client {
            if waiting.number == command.number {
                self.client = Client::Command;
                self.accepted(command, code, Some(prompt_end), hears);
            } else if waiting.is(&Verb::Bdat)
                && let Some(offered) = self.chunking()
            {
                // The EHLO before it was answered.
                let bdat = Arc::clone(waiting);
                self.client = Client::Command;
                if let (true, Some((size, last))) = (offered, bdat.chunk()) {
                    self.begin_chunk(bdat, size, last, hears);
                }
            }
        }
        self.proceed(hears);
    }

    /// Enters what the reply to a command that was waited for opens.
    fn accepted(&mut self, command: &Arc<Command>, code: u16, prompt_end: Option<u64>, hears: &mut dyn Hears) {
        let Some(verb) = &command.verb else {
            if code == 334 && self.attempt.is_some() {
                self.client = Client::Exchange;
            }
            return;
        };
        match (verb, code) {
            (Verb::Data, 354) => self.begin_data(Some(Arc::clone(command)), prompt_end),
            (Verb::Auth | Verb::XExps | Verb::XAuth, 334) => self.client = Client::Exchange,
            (Verb::StartTls | Verb::XAnonymousTls, 220) => {
                self.client = Client::Hello(Box::new(Hello::new(prompt_end)));
            }
            (Verb::Bdat, 200..=299) => {
                if let Some((size, last)) = command.chunk() {
                    self.begin_chunk(Arc::clone(command), size, last, hears);
                }
            }
            // Octets of a chunk that was refused, or commands: the reply to EHLO would tell.
            (Verb::Bdat, _) => self.session.lines_in_doubt = true,
            (Verb::XExch50, 354) => {
                /// More than this is no blob but an attack (MS03-046): what follows is not skipped for it.
                const MOST: u64 = 1 << 20;
                let sane = command.announced_octets().filter(|&size| size <= MOST);
                self.begin_chunk(Arc::clone(command), sane.unwrap_or(u64::MAX), true, hears);
                if let Client::Chunk(chunk) = &mut self.client {
                    chunk.until_reply = sane.is_none();
                }
            }
            _ => {}
        }
    }

    /// No reply to this command will be seen; `first` is the first line behind it. It counts as accepted
    /// unless that line is a command in strict form.
    fn assume(&mut self, command: &Arc<Command>, first: &[u8], hears: &mut dyn Hears) -> bool {
        let line = first.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.client = if command.uncertain { Client::Lost } else { Client::Command };
        // A reply that came before the command, which alone can have got it.
        let told = self.last_reply.filter(|&(seen, _)| seen == command.end).map(|(_, code)| code);
        match (&command.verb, told) {
            (Some(Verb::Data), Some(354)) => {
                self.begin_data(Some(Arc::clone(command)), None);
                return true;
            }
            (verb, Some(334)) if verb.as_ref().is_none_or(Verb::is_auth) => {
                self.client = Client::Exchange;
                return true;
            }
            _ => {}
        }
        self.session.lines_in_doubt = true;
        if is_strict(line) || self.held.is_over() {
            return true;
        }
        match &command.verb {
            Some(Verb::StartTls | Verb::XAnonymousTls) if tls::begins_handshake(first) == Some(true) => {
                self.session.tls.state = State::Started;
                self.session.tls.settled = false;
                self.tell_tls(self.held.source().map_or(self.session.last, |source| source.at), hears);
                self.accepted(command, 220, None, hears);
            }
            Some(Verb::StartTls | Verb::XAnonymousTls) => self.resume_at(line),
            Some(Verb::Data | Verb::XExch50) => self.accepted(command, 354, None, hears),
            Some(Verb::Bdat) => self.accepted(command, 250, None, hears),
            Some(Verb::Turn | Verb::Atrn) => {
                if super::wire::reply::code(line).0.is_some() {
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
            self.client = Client::Lost;
        }
    }

    fn assume_exchange(&mut self, line: &[u8]) {
        if looks_like_base64(line) || line == b"*" {
            self.client = Client::Exchange;
        } else {
            self.end_attempt(None);
            self.doubtful_lines = 2;
            self.resume_at(line);
        }
    }

    /// Bytes of the client are missing where it is read.
    fn read_gap(&mut self, gap: &Gap, hears: &mut dyn Hears) {
        self.tell_refused(hears);
        match &mut self.client {
            Client::Data(data) => {
                let _ = self.client_lines.finish();
                data.scan.lose_place();
                data.gathered.miss(gap.length);
                data.settled = true;
            }
            Client::Chunk(chunk) if chunk.left >= gap.length || chunk.until_reply => {
                chunk.gathered.miss(gap.length);
                chunk.left = chunk.left.saturating_sub(gap.length);
                if chunk.left == 0 {
                    self.end_chunk(hears);
                }
            }
            Client::Chunk(chunk) => {
                let left = chunk.left;
                chunk.gathered.miss(left);
                chunk.left = 0;
                self.end_chunk(hears);
                self.lose_client(gap);
            }
            Client::Skip(left) if *left >= gap.length => {
                *left = left.saturating_sub(gap.length);
                if *left == 0 {
                    self.client = Client::First;
                }
            }
            Client::Tls(watch) => watch.miss(),
            Client::Hello(_) => {
                self.tell_injected(hears);
                let mut watch = Watch::default();
                watch.miss();
                self.client = Client::Tls(Box::new(watch));
            }
            Client::Opaque | Client::Layer => self.client = Client::Opaque,
            _ => {
                self.tell_part(hears);
                self.lose_client(gap);
            }
        }
    }

    /// Tells the part of a line before a gap: no reply is expected to it.
    fn tell_part(&mut self, hears: &mut dyn Hears) {
        let Some(line) = self.client_lines.finish() else { return };
        let role = match self.client {
            Client::Exchange => Role::Exchange,
            Client::Command => Role::Command,
            _ => return,
        };
        self.command(line, role, true, hears);
    }

    /// The client's state is unknown until the server tells; envelope state is never carried over a gap.
    fn lose_client(&mut self, gap: &Gap) {
        self.client = Client::Lost;
        self.session.lines_in_doubt = true;
        self.lost_at = Some(gap.offset.saturating_add(gap.length));
        self.attempt = None;
        self.close_transaction();
    }

    /// A 354 without a final reply tells that a client whose state is unknown sends message data.
    pub(super) fn find_data(&mut self, prompt_end: u64, hears: &mut dyn Hears) {
        let line = match std::mem::replace(&mut self.client, Client::Lost) {
            Client::Tentative(line) => Some(*line),
            _ => None,
        };
        if let Some(line) = line {
            self.command(line, Role::Command, true, hears);
        }
        let _ = self.client_lines.finish();
        self.begin_data(None, Some(prompt_end));
        self.proceed(hears);
    }

    /// The session is over: tells what was under way.
    pub(super) fn finish_client(&mut self, hears: &mut dyn Hears) {
        // Each release reads on, so what is held shrinks until nothing waits.
        while self.client.waits() && !self.held.is_empty() || self.client.is_unproved() {
            self.release(hears);
            self.proceed(hears);
        }
        match &self.client {
            Client::Data(data) if data.refused.is_some() => self.tell_refused(hears),
            Client::Data(_) => self.end_data(DataEnd::Unfinished, hears),
            Client::Chunk(_) => self.end_chunk(hears),
            Client::Hello(_) => self.release_hello(hears),
            _ => {}
        }
        if !matches!(self.client, Client::Lost) {
            self.finish_line(hears);
        }
        self.tell_injected(hears);
        let tls = &mut self.session.tls;
        if matches!(tls.state, State::Started | State::Implicit) && !tls.settled {
            tls.settled = true;
            self.tell_tls(self.session.last, hears);
        }
    }
}
