//! What an answered command changes in the session's facts.

use super::client::Client;
use super::command::Command;
use super::dialogue::{Awaits, Dialogue, Envelope, Pending};
use super::gathered::MessageFacts;
use super::reply::Reply;
use super::session::{Auth, Helo, Transaction};
use super::wire::extension;
use super::wire::tls::State;
use super::wire::verb::Verb;
use crate::base::Limit;

impl Dialogue {
    /// Keeps the session's facts that an answered command changes. Without a reply (its direction or part of
    /// it was not captured) the command counts as accepted.
    pub(super) fn replied(&mut self, pending: &Pending, reply: Option<&Reply>) {
        let command = &pending.command;
        let code = reply.and_then(|reply| reply.code);
        let accepted = reply.is_none_or(Reply::accepts);
        if let Awaits::Message { last, .. } = pending.awaits {
            if command.is(&Verb::XExch50) {
                return;
            }
            if let Some(facts) = &pending.facts {
                self.note_message(facts);
            }
            if last && reply.is_none_or(|reply| self.is_chunk(command, reply)) {
                self.note_message_code(code);
                self.close_transaction();
            }
            return;
        }
        let Some(verb) = &command.verb else {
            if command.exchange && code != Some(334) {
                self.end_attempt(code);
            }
            return;
        };
        let tells = verb.is_hello() || matches!(verb, Verb::Mail | Verb::Rset);
        let proved = command.start >= self.unproved_until;
        if code == Some(250) && tells && proved && self.sequence.awaits(command.number) {
            self.session.rests_after_loss = false;
            self.session.lines_in_doubt = false;
        }
        match verb {
            Verb::Ehlo | Verb::Helo | Verb::Lhlo if accepted => self.hello(verb, command, reply),
            Verb::Mail if accepted => self.open_transaction(command),
            Verb::Rcpt => self.add_recipient(command, code, accepted),
            Verb::Rset if accepted => self.close_transaction(),
            Verb::Burl if accepted && command.argument().is_last() => {
                self.note_message_code(code);
                self.close_transaction();
            }
            Verb::Auth | Verb::XExps | Verb::XAuth if code != Some(334) && reply.is_some() => self.end_attempt(code),
            Verb::StartTls | Verb::XAnonymousTls if reply.is_some() => {
                let tls = &mut self.session.tls;
                (tls.state, tls.refusal, tls.settled) = match code {
                    Some(220) => (State::Started, None, false),
                    _ => (State::Refused, code, true),
                };
            }
            Verb::XClient if code == Some(220) || reply.is_none() => {
                self.close_transaction();
                self.session.forget_capabilities();
                self.session.lmtp = false;
            }
            _ => {}
        }
    }

    fn hello(&mut self, verb: &Verb, command: &Command, reply: Option<&Reply>) {
        self.close_transaction();
        let session = &mut self.session;
        session.forget_capabilities();
        session.helo = Some(Helo { verb: verb.clone(), argument: command.hello_name().to_vec() });
        session.lmtp = *verb == Verb::Lhlo;
        session.capabilities = match reply {
            Some(reply) if *verb != Verb::Helo => extension::capabilities(&reply.lines),
            _ => Vec::new(),
        };
        session.capabilities_known = reply.is_some_and(|reply| !reply.unfinished);
        if session.offers(Verb::StartTls.name()) == Some(true) && session.tls.state == State::None {
            session.tls.state = State::Offered;
        }
    }

    fn open_transaction(&mut self, command: &Command) {
        self.envelope = Envelope {
            accepted: 0,
            prdr: command.argument().path().is_some_and(|path| path.says.prdr),
            listed: !self.scout
                && self.session.transactions.len() < self.bounds.transactions
                && self.listed_octets < self.bounds.held,
        };
        self.session.in_transaction = true;
        if self.envelope.listed {
            let mail_from = self.listed_address(command);
            self.session.transactions.push(Transaction {
                mail_from,
                smuggled: command.start < self.smuggled_until,
                ..Transaction::default()
            });
        } else if !self.scout {
            self.tally.one(Limit::Transactions.key());
        }
    }

    fn add_recipient(&mut self, command: &Command, code: Option<u16>, accepted: bool) {
        if !self.session.in_transaction {
            return;
        }
        self.envelope.accepted = self.envelope.accepted.saturating_add(usize::from(accepted));
        let room = self.listed_octets < self.bounds.held;
        let most = self.bounds.recipients;
        let Some(count) = self.transaction().map(|transaction| transaction.rcpt_to.len()) else { return };
        if count >= most || !room {
            return self.tally.one(Limit::Recipients.key());
        }
        let address = self.listed_address(command);
        if let Some(transaction) = self.transaction() {
            transaction.rcpt_to.push((address, code));
        }
    }

    /// The address of MAIL or RCPT as the session's record keeps it.
    fn listed_address(&mut self, command: &Command) -> Vec<u8> {
        /// RFC 5321 4.5.3.1.3 allows a path of 256 octets.
        const MOST: usize = 1024;
        let address = command.address();
        let kept = address.get(..MOST).unwrap_or(address).to_vec();
        let cost = kept.len().saturating_add(size_of::<(Vec<u8>, Option<u16>)>());
        self.listed_octets = self.listed_octets.saturating_add(cost);
        kept
    }

    /// The open transaction, if it is listed.
    fn transaction(&mut self) -> Option<&mut Transaction> {
        let open = self.session.in_transaction && self.envelope.listed;
        self.session.transactions.last_mut().filter(|_| open)
    }

    /// Message data or a chunk of it was read.
    pub(super) fn note_message(&mut self, facts: &MessageFacts) {
        if let Some(transaction) = self.transaction() {
            transaction.data_bytes = transaction.data_bytes.saturating_add(facts.bytes);
            if transaction.subject.is_none() {
                transaction.subject.clone_from(&facts.subject);
            }
            if transaction.message_id.is_none() {
                transaction.message_id.clone_from(&facts.message_id);
            }
        }
    }

    fn note_message_code(&mut self, code: Option<u16>) {
        if let Some(transaction) = self.transaction() {
            transaction.code = code;
        }
    }

    /// A message was answered before its end was read.
    pub(super) fn close_message(&mut self, reply: &Reply) {
        self.note_message_code(reply.code);
        self.close_transaction();
    }

    pub(super) fn close_transaction(&mut self) {
        self.session.in_transaction = false;
        self.envelope = Envelope::default();
    }

    /// AUTH got its last reply (none: it was not captured).
    pub(super) fn end_attempt(&mut self, code: Option<u16>) {
        let Some(attempt) = self.attempt.take() else { return };
        let succeeded = matches!(code, None | Some(200..=299));
        self.refused_auth = !succeeded;
        if succeeded && code.is_some() && attempt.may_add_layer() {
            self.client = Client::Layer;
        }
        if self.session.auth.len() < self.bounds.transactions {
            self.session.auth.push(Auth { mechanism: attempt.mechanism, user: attempt.user, code });
        } else {
            self.tally.one(Limit::Transactions.key());
        }
    }
}
