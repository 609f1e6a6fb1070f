//! What an answered command changes in the session's facts.

use super::Dialogue;
use crate::base::Limit;
use crate::smtp::client::{Cause, State};
use crate::smtp::command::Command;
use crate::smtp::handshake::Handshake;
use crate::smtp::matching::{Awaits, Pending};
use crate::smtp::reply::Reply;
use crate::smtp::session::Helo;
use crate::smtp::wire::extension;
use crate::smtp::wire::tls::{State as TlsState, Tls};
use crate::smtp::wire::verb::Verb;

impl Dialogue {
    /// Keeps the session's facts that an answered command changes. Without a reply (its direction or part of it was not
    /// captured) the command counts as accepted.
    pub(super) fn replied(&mut self, pending: &Pending, reply: Option<&Reply>) {
        let command = &pending.command;
        let code = reply.and_then(|reply| reply.code);
        let accepted = reply.is_none_or(Reply::accepts);
        if let Awaits::Message { last, .. } = pending.awaits {
            if command.is(&Verb::XExch50) {
                return;
            }
            if let Some(facts) = &pending.facts {
                self.envelope.note_message(facts, &mut self.session);
            }
            if last && reply.is_none_or(|reply| self.is_read_as_data(pending, reply)) {
                self.envelope.end(code, &mut self.session);
            }
            return;
        }
        if let Some(reply) = reply.filter(|reply| reply.code == Some(334)) {
            self.attempts.challenge(reply.texts());
        }
        let Some(verb) = &command.verb else {
            if command.exchange && code != Some(334) {
                self.end_attempt(code, reply.map_or(0, |reply| reply.end));
            }
            return;
        };
        let tells = verb.is_hello() || matches!(verb, Verb::Mail | Verb::Rset);
        if code == Some(250) && tells && (pending.known || self.sequence.awaits(command.number)) {
            self.session.doubt.settle(command.start);
        }
        match verb {
            Verb::Ehlo | Verb::Helo | Verb::Lhlo if accepted => self.hello(verb, command, reply),
            Verb::Mail if accepted => {
                let smuggled = self.choices.is_smuggled(command);
                self.envelope.open(command, smuggled, &mut self.session, &mut self.tally);
            }
            Verb::Rcpt => self.envelope.add_recipient(command, code, accepted, &mut self.session, &mut self.tally),
            Verb::Rset if accepted => self.envelope.close(&mut self.session),
            Verb::Burl if accepted && command.argument().is_last() => {
                self.envelope.end(code, &mut self.session);
            }
            Verb::Auth | Verb::XExps | Verb::XAuth if code != Some(334) => {
                if let Some(reply) = reply {
                    self.end_attempt(code, reply.end);
                }
            }
            Verb::StartTls | Verb::XAnonymousTls if reply.is_some() => {
                let tls = &mut self.session.tls;
                match code {
                    // What a handshake before it showed is not of this one.
                    Some(220) => *tls = Tls { state: TlsState::Started, ..Tls::default() },
                    // A handshake that failed stays what there was of TLS.
                    _ if matches!(tls.state, TlsState::Failed | TlsState::Decrypted) => {}
                    _ => (tls.state, tls.refusal, tls.settled) = (TlsState::Refused, code, true),
                }
            }
            Verb::XClient if code == Some(220) || reply.is_none() => {
                self.envelope.close(&mut self.session);
                self.session.forget_capabilities();
                self.session.lmtp = false;
            }
            _ => {}
        }
    }

    fn hello(&mut self, verb: &Verb, command: &Command, reply: Option<&Reply>) {
        self.envelope.close(&mut self.session);
        let session = &mut self.session;
        session.forget_capabilities();
        session.helo = Some(Helo { verb: verb.clone(), argument: command.hello_name().to_vec() });
        session.lmtp = *verb == Verb::Lhlo;
        session.capabilities = match reply {
            Some(reply) if *verb != Verb::Helo => extension::capabilities(&reply.lines),
            _ => Vec::new(),
        };
        session.capabilities_known = reply.is_some_and(|reply| !reply.unfinished);
        if *verb != Verb::Helo && reply.is_some() {
            self.choices.note_offer(session.offers("CHUNKING") == Some(true));
        }
        if session.offers(Verb::StartTls.name()) == Some(true) && session.tls.state == TlsState::None {
            session.tls.state = TlsState::Offered;
        }
    }

    /// AUTH got its last reply, which ends there (no code: it was not captured).
    pub(super) fn end_attempt(&mut self, code: Option<u16>, reply_end: u64) {
        let Some(ended) = self.attempts.end(code, reply_end) else { return };
        if ended.may_add_layer {
            self.client.enter(State::Hidden(Box::new(Handshake::layer())), Cause::Reply);
        }
        if self.session.auth.len() < self.limits.0.transactions {
            self.session.auth.push(ended.told);
        } else {
            self.tally.one(Limit::Transactions.key());
        }
    }
}
