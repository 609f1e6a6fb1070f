//! The server's half of a session: its lines, its replies, and which command each answers.

use std::sync::Arc;

use super::Hears;
use super::client::Client;
use super::command::Command;
use super::dialogue::{Awaits, Dialogue, Greeting, Matching, Pending};
use super::event::{Answers, DataEnd, Event, FaultKind};
use super::fork::{Input, KeptInput};
use super::held::Item;
use super::reply::{Reply, ReplyReader, Step};
use super::sequence::Sequence;
use super::session::Spoken;
use super::wire::foreign;
use super::wire::line::Ending;
use super::wire::line::{Cut, Line, Piece, Source};
use super::wire::reply::code;
use super::wire::verb::Verb;
use crate::base::{Limit, Side};
use crate::tcp::Gap;

impl Dialogue {
    /// Exim answers a line above so many octets twice (measured with 4.96).
    const LONG: u64 = 16 << 10;

    pub(super) fn server_bytes(&mut self, side: Side, mut piece: Piece<'_>, hears: &mut dyn Hears) {
        if !self.session.server_heard && self.matching == Matching::Lost {
            // It was late, not missing: nothing waited for what it says now.
            self.session.rests_after_loss = true;
        }
        self.session.server_heard = true;
        self.server_end = piece.end();
        while !piece.is_empty() {
            if side == self.client_side {
                // TURN was accepted: what follows in this packet is a client's.
                return self.client_bytes(piece, hears);
            }
            if self.choice.is_some() {
                // A reply let the client's bytes be read up to a choice, and this is what tells.
                self.unread = Some(Box::new(KeptInput::new(&Input::Bytes(side, piece))));
                return;
            }
            match &mut self.client {
                Client::Tls(watch) => {
                    if watch.take(false, piece.bytes, &mut self.session.tls) {
                        self.tell_tls(piece.from.at, hears);
                    }
                    return;
                }
                Client::Opaque => return,
                _ => {}
            }
            if matches!(self.client, Client::Hello(_)) && !self.server_behind_prompt(&piece, hears) {
                return;
            }
            let Some(line) = self.server_lines.take(&mut piece, Cut::Lf, self.bounds.line) else { return };
            self.server_line(line, hears);
        }
    }

    /// A server line without an end ends where the client's next command acknowledges it: where the client
    /// waits for nothing else. Returns whether there was one.
    pub(super) fn finish_acknowledged_line(&mut self, client: &Source, hears: &mut dyn Hears) -> bool {
        let Some(end) = self.server_lines.open_end() else { return false };
        let unread = !self.held.is_empty() && !matches!(self.client, Client::First);
        let waits = self.pending.len() <= 1 && !unread && !self.client.is_opaque();
        if waits
            && client.seen.is_some_and(|seen| seen >= end)
            && let Some(line) = self.server_lines.finish()
        {
            self.server_line(line, hears);
            return true;
        }
        false
    }

    fn server_line(&mut self, line: Line, hears: &mut dyn Hears) {
        let behind_lf = std::mem::replace(&mut self.behind_lf, line.ending == Ending::Lf);
        let rest = behind_lf && self.session.server_crlf;
        self.session.server_crlf |= line.ending == Ending::CrLf;
        let (code, _) = code(&line.text);
        if self.server_speaks_smtp.is_none() && self.first_server_line(&line, code, hears) {
            return;
        }
        if let Client::Hello(hello) = &self.client
            && hello.is_clear()
        {
            if code.is_none() {
                return self.not_tls(hears);
            }
            self.go_on_decrypted(&line.at, hears);
        }
        if self.cuts_greeting_short(&line, code)
            && let Some(greeting) = self.replies.abandon()
        {
            self.reply(greeting, hears);
        }
        match self.replies.take(line, self.bounds.of_reply()) {
            Step::More => {}
            Step::Complete(reply) => self.reply(reply, hears),
            Step::NoCode(line) if self.greeting == Greeting::Due && !self.replies.is_open() => {
                self.reply(ReplyReader::codeless(line), hears);
            }
            Step::NoCode(line) => self.codeless_line(line, rest, hears),
        }
    }

    /// The server's first line tells whether it speaks SMTP; returns whether the line was used up.
    fn first_server_line(&mut self, line: &Line, code: Option<u16>, hears: &mut dyn Hears) -> bool {
        let side = self.client_side.other();
        self.server_speaks_smtp = Some(code.is_some());
        if self.greeting == Greeting::Due {
            if code.is_none()
                && let Some(name) = foreign::server(&line.text)
            {
                self.name_protocol(name, side, line.at.clone(), hears);
            }
            self.name_unknown(side, &line.at, hears);
        }
        let is_client_known = !matches!(self.client, Client::WaitForServer);
        let protocol = self.session.protocol.filter(|&name| name != foreign::UNKNOWN && code.is_none());
        match protocol {
            None if is_client_known => return false,
            None => self.client = Client::Command,
            // Both sides speak it: what looks like SMTP in it is none. Only a greeting in text is told.
            Some(_) => {
                self.client = Client::Opaque;
                self.forget_pending();
            }
        }
        self.proceed(hears);
        protocol.is_some_and(|name| !foreign::is_text(name))
    }

    /// A greeting of several lines, and then the reply to a client that did not wait for its last one.
    fn cuts_greeting_short(&self, line: &Line, code: Option<u16>) -> bool {
        let spoke = self.session.commands > 0 || !self.held.is_empty() || self.is_ahead(line.seen);
        self.greeting == Greeting::Due
            && spoke
            && code.is_some()
            && self.replies.is_open()
            && self.replies.open_code() != code
            && line.seen != Some(0)
    }

    /// `rest`: of a line that an LF had cut, which a server may echo from the client.
    fn codeless_line(&mut self, mut line: Line, rest: bool, hears: &mut dyn Hears) {
        if self.client.is_opaque() {
            return;
        }
        let quoted = self
            .secrets
            .iter()
            .filter_map(|command| command.secret_part())
            .any(|secret| super::auth::quotes(&line.text, secret));
        if quoted {
            line.text = super::Secret::SHOWN.to_vec();
        }
        let due = !rest && !self.pending.is_empty() && self.matching == Matching::Sure;
        if due {
            // The client may take it for the reply.
            self.sequence.lose();
        }
        self.fault(FaultKind::NoCode { line: line.text, due }, self.client_side.other(), line.at, hears);
    }

    fn reply(&mut self, mut reply: Reply, hears: &mut dyn Hears) {
        self.session.replies = self.session.replies.saturating_add(1);
        if reply.dropped > 0 {
            self.tally.one(Limit::ReplyLines.key());
        }
        for command in &self.secrets {
            if let Some(secret) = command.secret_part() {
                reply.hide(secret);
            }
        }
        match self.greeting {
            Greeting::Due if self.may_answer_unmatched(&reply) => {
                self.greeting = Greeting::Unknown;
                self.session.early_talk = false;
                (self.early_by_order, self.doubtful_early) = (None, None);
            }
            Greeting::Due if !self.answers_first_command(&reply) => return self.greet(&reply, hears),
            Greeting::Due => {
                self.session.greeting_missing = true;
                self.greeting = Greeting::Done(0);
            }
            Greeting::Opening => {
                self.greeting = Greeting::Done(reply.end);
                return self.tell_reply(&reply, Answers::Nothing, hears);
            }
            Greeting::Codeless(end) => {
                self.greeting = Greeting::Done(end);
                if reply.code == Some(220) {
                    self.greeting = Greeting::Done(reply.end);
                    return self.tell_reply(&reply, Answers::Nothing, hears);
                }
            }
            Greeting::Unknown if self.is_late_greeting(&reply) => {
                return self.tell_reply(&reply, Answers::Unknown, hears);
            }
            Greeting::Done(_) | Greeting::Unknown => {}
        }
        self.answer(&reply, hears);
    }

    /// Whether the first reply that was captured is the greeting though the start is missing: no command that waits
    /// gets a 220.
    fn is_late_greeting(&self, reply: &Reply) -> bool {
        let gets_220 = |pending: &Pending| {
            matches!(pending.command.verb, Some(Verb::StartTls | Verb::XAnonymousTls | Verb::XClient))
        };
        reply.code == Some(220) && self.session.replies == 1 && !self.pending.iter().any(gets_220)
    }

    fn greet(&mut self, greeting: &Reply, hears: &mut dyn Hears) {
        self.ungreeted_by_order = self.fits_first_command(greeting, greeting.captured);
        let text: Vec<&[u8]> = greeting.texts().collect();
        self.session.greeting = Some(Spoken { code: greeting.code, text: text.join(&b'\n') });
        self.greeting =
            if greeting.code.is_none() { Greeting::Codeless(greeting.end) } else { Greeting::Done(greeting.end) };
        hears.hear(&Event::Greeting(greeting), &self.session);
        self.proceed(hears);
    }

    /// Whether the first reply is none to the connection: the client's first command was sent though nothing
    /// had been said, the reply has seen it, and fits it.
    fn answers_first_command(&self, reply: &Reply) -> bool {
        reply.seen.is_some_and(|seen| self.fits_first_command(reply, seen))
    }

    /// Whether the first reply may answer a client that spoke before it and does not wait any more, or whose bytes have
    /// not come: a refusal that the standards know as a greeting is one (RFC 7504, RFC 5321 3.1).
    fn may_answer_unmatched(&self, reply: &Reply) -> bool {
        let unmatched = self.pending.is_empty() && (self.matching == Matching::Lost || self.is_ahead(reply.seen));
        match reply.code {
            Some(220 | 421 | 521 | 554) => false,
            // Another protocol's, where what the client began with has not come.
            None => unmatched && self.matching == Matching::Sure,
            Some(_) => unmatched,
        }
    }

    /// Whether the server had more of the client's bytes than have come: they are lost, or captured late.
    pub(super) fn is_ahead(&self, seen: Option<u64>) -> bool {
        seen.is_some_and(|seen| seen > self.client_end)
    }

    /// Whether the reply to client bytes that end there may have come before them: one that had seen them is told
    /// already, and answered nothing that was known.
    pub(super) fn may_be_answered(&self, end: u64) -> bool {
        self.matching == Matching::Lost && self.last_reply.is_some_and(|(seen, _)| seen >= end)
    }

    /// The same for a server that had the client's bytes up to there.
    fn fits_first_command(&self, reply: &Reply, had: u64) -> bool {
        let Some(first) = self.pending.front() else { return false };
        had >= first.end
            && first.command.seen == Some(0)
            && match (&first.command.verb, reply.code) {
                (Some(Verb::Ehlo | Verb::Helo | Verb::Lhlo), Some(250)) | (Some(Verb::Help), Some(211 | 214)) => true,
                // 521 and 554 refuse the connection itself (RFC 7504, RFC 5321 3.1).
                (Some(Verb::Other(_)) | None, Some(code)) => (500..600).contains(&code) && !matches!(code, 521 | 554),
                _ => false,
            }
    }

    /// Finds what a reply answers, and tells it.
    fn answer(&mut self, reply: &Reply, hears: &mut dyn Hears) {
        let Some(code) = reply.code else { return };
        let seen = self.server_seen(reply.seen);
        let refused_long = self.refused_long.take().filter(|_| (500..600).contains(&code));
        self.answer_tentative(reply, seen, hears);
        let weak = self.answer_weak(reply, code, seen, hears);
        self.last_reply = seen.map(|seen| (seen, code));
        if let Some(command) = weak {
            self.tell_reply(reply, Answers::Command(&command), hears);
            return self.proceed(hears);
        }
        if self.answers_lost_message(reply, code, seen, hears) {
            return;
        }
        if code == 354 && matches!(self.client, Client::Lost | Client::Tentative(_)) && self.pending.is_empty() {
            self.tell_reply(reply, Answers::Unknown, hears);
            return self.find_data(reply.end, hears);
        }
        // What ends or refuses these bytes may be among those that have not come.
        let ahead = self.is_ahead(seen);
        if let Client::Chunk(chunk) = &self.client
            && chunk.until_reply
            && !ahead
        {
            self.end_chunk(hears);
        }
        if !ahead && self.answers_open_data(reply, code, seen, hears) {
            return;
        }
        let covered = self.pending.front().is_some_and(|pending| {
            // A message may be refused before its end is seen.
            let in_data = pending.is_message() && (400..600).contains(&code);
            let from = if in_data { pending.command.end } else { pending.end };
            seen.is_none_or(|seen| seen >= from)
        });
        // Exim answers a line above 16 KiB twice. Others do not: their next refusal is the next command's.
        if let Some(command) = refused_long
            && (!covered || self.greeted_by_exim())
            && !ahead
        {
            self.tell_reply(reply, Answers::Command(&command), hears);
            return self.proceed(hears);
        }
        let sure = self.matching == Matching::Sure
            || (self.pending.len() == 1
                && seen.is_some()
                && self.pending.front().is_some_and(|only| only.waited_at.is_some()));
        if covered && sure {
            self.matching = Matching::Sure;
            self.answer_oldest(reply, code, hears);
        } else {
            self.answer_none(reply, code, seen, hears);
        }
        self.proceed(hears);
    }

    /// A reply that has seen the line which was held as the first in strict form proves it a command.
    fn answer_tentative(&mut self, reply: &Reply, seen: Option<u64>, hears: &mut dyn Hears) {
        let Client::Tentative(line) = &self.client else { return };
        let covers = seen.map(|seen| seen >= line.end);
        if covers == Some(false) {
            // The client had not waited: more was open than that line.
            self.release(hears);
            self.proceed(hears);
        } else if covers == Some(true)
            && reply.code != Some(354)
            && let Client::Tentative(line) = std::mem::replace(&mut self.client, Client::Command)
        {
            self.forget_pending();
            self.matching = Matching::Sure;
            // The server had more than the line: it may have answered message text that the line is part of.
            self.unproved_until = seen.filter(|&seen| seen > line.end).unwrap_or(0);
            self.command(*line, super::command::Role::Command, false, hears);
        }
    }

    /// The final reply to message data whose command was not captured: what follows are commands. Returns
    /// whether this was it.
    fn answers_lost_message(&mut self, reply: &Reply, code: u16, seen: Option<u64>, hears: &mut dyn Hears) -> bool {
        let Client::Ended(stop) = self.client else { return false };
        let is_final = reply.accepts() && code < 300 || (400..600).contains(&code);
        if !is_final || seen.is_some_and(|seen| seen < stop) {
            return false;
        }
        self.tell_reply(reply, Answers::Unknown, hears);
        self.forget_pending();
        self.matching = Matching::Sure;
        self.client = Client::Command;
        self.proceed(hears);
        true
    }

    /// Whether the server is Exim, or may be.
    fn greeted_by_exim(&self) -> bool {
        self.session.greeting.as_ref().is_none_or(|spoken| memchr::memmem::find(&spoken.text, b"Exim").is_some())
    }

    /// A reply in the middle of message data; returns whether this was one.
    fn answers_open_data(&mut self, reply: &Reply, code: u16, seen: Option<u64>, hears: &mut dyn Hears) -> bool {
        let Some(data) = self.open_data() else { return false };
        let covers = |position: u64| seen.is_none_or(|seen| seen >= position);
        let negative = (400..600).contains(&code);
        let (command, refused, missing, candidate) = data.state();
        let Some(command) = command else {
            // Message data of which only the 354 was captured: its final reply ends it.
            if negative || reply.accepts() {
                self.tell_reply(reply, Answers::Unknown, hears);
                self.end_data(DataEnd::Unfinished, hears);
                return true;
            }
            return false;
        };
        if refused {
            // The server does not wait for the message's end: it takes what comes for commands.
            self.tell_refused(hears);
            self.tell_reply(reply, Answers::Unknown, hears);
            self.client = Client::Lost;
            self.matching = Matching::Lost;
            return true;
        }
        if missing && (negative || reply.accepts()) {
            // The end lies in the gap.
            self.end_data(DataEnd::Unfinished, hears);
            self.close_message(reply);
            self.tell_reply(reply, Answers::Message(&command), hears);
            self.client = Client::Lost;
            self.proceed(hears);
            return true;
        }
        if negative {
            self.sequence.end_message(command.number, code);
            self.refuse_data(reply.end);
            self.close_message(reply);
            self.tell_reply(reply, Answers::Message(&command), hears);
            return true;
        }
        if candidate.is_some_and(covers) && reply.accepts() {
            self.misfits = self.misfits.saturating_add(1);
        }
        false
    }

    /// The reply answers the oldest command that waits for one.
    fn answer_oldest(&mut self, reply: &Reply, code: u16, hears: &mut dyn Hears) {
        let Some(mut pending) = self.pending.pop_front() else { return };
        let command = Arc::clone(&pending.command);
        self.matched = self.matched.saturating_add(1);
        self.note_odd(&command, code);
        let mut left = 0;
        let is_message = match pending.awaits {
            Awaits::Reply => false,
            Awaits::Message { last, left: known } => {
                let recipients = self.envelope.accepted;
                left = match known {
                    Some(left) => left.saturating_sub(1),
                    None if code == 353 && self.envelope.prdr => recipients.saturating_add(1),
                    None if self.session.lmtp && last => recipients.saturating_sub(1),
                    None => 0,
                };
                pending.awaits = Awaits::Message { last, left: Some(left) };
                true
            }
        };
        if left > 0 {
            let answers = Answers::Message(&command);
            self.tell_reply(reply, answers, hears);
            self.pending.push_front(pending);
            return;
        }
        self.pending_octets = self.pending.iter().fold(0, |sum, pending| sum.saturating_add(pending.octets()));
        let is_long = command.octets > Self::LONG && (500..600).contains(&code);
        self.refused_long = is_long.then(|| Arc::clone(&command));
        self.replied(&pending, Some(reply));
        self.note_answer(&command, code, reply);
        let answers = if is_message && self.is_chunk(&command, reply) {
            Answers::Message(&command)
        } else {
            Answers::Command(&command)
        };
        self.tell_reply(reply, answers, hears);
        if command.verb.as_ref().is_some_and(Verb::starts_tls) {
            self.tell_tls(reply.at.last(), hears);
        }
        if matches!(command.verb, Some(Verb::Turn | Verb::Atrn)) && code == 250 {
            return self.turn(hears);
        }
        self.decided(&command, code, reply.end, hears);
    }

    /// What the client knows once it has seen this reply.
    pub(super) fn note_answer(&mut self, command: &Command, code: u16, reply: &Reply) {
        let session = &self.session;
        self.sequence.answered(command.number, code, reply.end, |keyword| session.offers(keyword));
    }

    /// Whether the command's octets were read as a message: DATA's always, BDAT's if the server takes chunks.
    pub(super) fn is_chunk(&self, command: &Command, reply: &Reply) -> bool {
        !command.is(&Verb::Bdat) || self.session.offers("CHUNKING").unwrap_or(reply.accepts())
    }

    /// What hardly can be the reply to that command speaks against the reading.
    fn note_odd(&mut self, command: &Command, code: u16) {
        let odd = match (&command.verb, code) {
            (None, _) => !command.secret && (200..400).contains(&code),
            (Some(Verb::Other(name)), 200..=399) => !name.starts_with('X') && self.session.offers(name) != Some(true),
            (Some(Verb::Data | Verb::Burl | Verb::XExch50), 354) => false,
            (Some(_), 354) => true,
            (Some(verb), 334) => !verb.is_auth(),
            _ => false,
        };
        self.odd = self.odd.saturating_add(u32::from(odd));
    }

    /// The reply answers no command that waits for one.
    fn answer_none(&mut self, reply: &Reply, code: u16, seen: Option<u64>, hears: &mut dyn Hears) {
        let unsure = self.matching == Matching::Lost
            || matches!(self.client, Client::Lost)
            || self.client.is_unproved()
            || self.client.is_opaque()
            || self.uncertain_data();
        if let Client::Wait(command) = &self.client
            && self.matching == Matching::Lost
            && seen.is_some_and(|seen| seen >= command.end)
            && code == 354
        {
            // Only the DATA that waits can have got it.
            let command = Arc::clone(command);
            self.tell_reply(reply, Answers::Command(&command), hears);
            self.forget_pending();
            self.decided(&command, code, reply.end, hears);
        } else if self.is_ahead(seen) {
            self.tell_reply(reply, Answers::Unknown, hears);
            self.lose_late();
        } else if unsure {
            self.tell_reply(reply, Answers::Unknown, hears);
        } else if code == 354 && self.session.rests_after_loss {
            // A command that a gap tore had a reply, so each was taken for that of the next: this one is DATA's.
            self.tell_reply(reply, Answers::Unknown, hears);
            self.forget_pending();
            self.find_data(reply.end, hears);
        } else if code == 421 {
            self.tell_reply(reply, Answers::Nothing, hears);
        } else {
            self.misfits = self.misfits.saturating_add(1);
            // Some servers answer the client's FIN itself, where it came in the middle of something.
            let answers = if reply.after_fin { Answers::Nothing } else { Answers::Unsolicited };
            self.tell_reply(reply, answers, hears);
        }
    }

    fn tell_reply(&mut self, reply: &Reply, answers: Answers<'_>, hears: &mut dyn Hears) {
        let uncertain = match answers {
            Answers::Unknown => true,
            Answers::Command(command) | Answers::Message(command) => command.uncertain,
            Answers::Nothing | Answers::Unsolicited => false,
        };
        if uncertain {
            let reply = Reply { uncertain: true, ..reply.clone() };
            hears.hear(&Event::Reply(&reply, answers), &self.session);
        } else {
            hears.hear(&Event::Reply(reply, answers), &self.session);
        }
        if reply.codes_differ {
            self.fault(FaultKind::CodesDiffer, self.client_side.other(), reply.at.clone(), hears);
        }
    }

    /// TURN or ATRN was accepted: client and server change roles (RFC 821 3.8, RFC 2645).
    pub(super) fn turn(&mut self, hears: &mut dyn Hears) {
        let was_client = self.client_side;
        self.client_side = was_client.other();
        self.session.turned = !self.session.turned;
        self.close_transaction();
        self.session.forget_capabilities();
        self.client = Client::Command;
        self.greeting = Greeting::Opening;
        self.matching = Matching::Sure;
        self.forget_pending();
        self.sequence = Sequence::new(true);
        (self.refused_long, self.last_reply, self.lost_at) = (None, None, None);
        std::mem::swap(&mut self.client_acks, &mut self.server_acks);
        self.session.client_acknowledged = self.client_acks;
        std::mem::swap(&mut self.session.client_crlf, &mut self.session.server_crlf);
        std::mem::swap(&mut self.client_end, &mut self.server_end);
        std::mem::swap(&mut self.client_lines, &mut self.server_lines);
        let mut held = std::mem::take(&mut self.held);
        while let Some(item) = held.pop() {
            match item {
                Item::Bytes(kept) => self.bytes(was_client, kept.piece(), hears),
                Item::Gap(gap) => self.gap(&gap, hears),
                Item::End(_) => {}
            }
        }
    }

    /// Which replies belong to which commands is not known any more.
    pub(super) fn lose_replies(&mut self) {
        self.matching = Matching::Lost;
        while let Some(pending) = self.pending.pop_front() {
            self.replied(&pending, None);
        }
        self.sequence.lose();
    }

    /// The server answers client bytes that have not come. Should they come, their replies are told already.
    pub(super) fn lose_late(&mut self) {
        self.session.rests_after_loss = true;
        self.lose_replies();
    }

    pub(super) fn server_gap(&mut self, gap: &Gap, hears: &mut dyn Hears) {
        self.session.server_heard = true;
        self.session.last = gap.at;
        self.session.missing_server = self.session.missing_server.saturating_add(gap.length);
        self.session.rests_after_loss = true;
        self.server_end = gap.offset.saturating_add(gap.length);
        if let Client::Tls(watch) = &mut self.client {
            return watch.miss();
        }
        if self.client.is_opaque() {
            return;
        }
        let mut cut = None;
        if let Some(line) = self.server_lines.finish()
            && code(&line.text).0.is_some()
        {
            let begun = self.replies.is_open();
            if let Step::Complete(mut reply) = self.replies.take(line, self.bounds.of_reply()) {
                reply.unfinished = true;
                cut = Some(reply).filter(|_| begun);
            }
        }
        if matches!(self.greeting, Greeting::Due | Greeting::Opening | Greeting::Codeless(_)) {
            self.greeting = Greeting::Unknown;
        }
        let open = cut.or_else(|| self.replies.abandon());
        self.lose_replies();
        (self.refused_long, self.last_reply) = (None, None);
        if matches!(self.client, Client::Tentative(_) | Client::Weak(_) | Client::Ended(_)) {
            self.release(hears);
        }
        if let Some(reply) = open {
            self.session.replies = self.session.replies.saturating_add(1);
            self.tell_reply(&reply, Answers::Unknown, hears);
        }
        if matches!(self.client, Client::Wait(_) | Client::WaitForServer)
            && let Client::Wait(command) = std::mem::replace(&mut self.client, Client::Opaque)
        {
            self.client = Client::Assumed(command);
        }
        self.proceed(hears);
    }

    /// The server's stream ended, or the session is over: what there is of a line or reply is all of it.
    pub(super) fn finish_server(&mut self, hears: &mut dyn Hears) {
        if self.client.is_opaque() {
            return;
        }
        if let Some(line) = self.server_lines.finish() {
            self.server_line(line, hears);
        }
        if let Some(reply) = self.replies.abandon() {
            self.reply(reply, hears);
        }
    }

    /// Whether message data that is being read has bytes missing.
    fn uncertain_data(&self) -> bool {
        self.open_data().is_some_and(|data| data.state().2)
    }
}
