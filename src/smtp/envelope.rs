//! The open transaction (RFC 5321 section 3.3): what of it the parser needs, and what the session's record lists of it.

use super::Session;
use super::command::Command;
use super::gathered::MessageFacts;
use super::session::Transaction;
use super::wire::data::Header;
use crate::base::{Limit, Tally};

/// What acts on a session's list of transactions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Most {
    pub transactions: usize,
    pub recipients: usize,
    /// Octets of all addresses.
    pub octets: usize,
}

/// The open transaction.
#[derive(Clone, Debug)]
pub(super) struct Envelope {
    /// Recipients accepted.
    accepted: usize,
    /// MAIL said PRDR.
    prdr: bool,
    /// The transaction has its place in the session's list.
    listed: bool,
    /// The last one ended with a message that was refused; whether it has its place in the list.
    refused: Option<bool>,
    /// Octets of the addresses in the session's list.
    octets: usize,
    /// A header that the last chunk did not end.
    header: Option<Box<Header>>,
    most: Most,
}

impl Envelope {
    pub(super) fn new(most: Most) -> Envelope {
        Envelope { accepted: 0, prdr: false, listed: false, refused: None, octets: 0, header: None, most }
    }

    /// Of a copy of the session, which lists nothing.
    pub(super) fn unlisted(self) -> Envelope {
        Envelope { listed: false, most: Most { transactions: 0, ..self.most }, ..self }
    }

    /// A chunk that is not the last ended inside the header.
    pub(super) fn keep_header(&mut self, header: Option<Header>) {
        self.header = header.map(Box::new);
    }

    /// The header that the next chunk goes on with.
    pub(super) fn take_header(&mut self) -> Option<Header> {
        self.header.take().map(|header| *header)
    }

    /// Octets kept of it.
    pub(super) fn held(&self) -> usize {
        self.header.as_ref().map_or(0, |header| header.held())
    }

    pub(super) fn accepted(&self) -> usize {
        self.accepted
    }

    pub(super) fn is_prdr(&self) -> bool {
        self.prdr
    }

    /// MAIL was accepted.
    pub(super) fn open(&mut self, command: &Command, smuggled: bool, session: &mut Session, tally: &mut Tally) {
        self.accepted = 0;
        self.prdr = command.argument().path().is_some_and(|path| path.says.prdr);
        self.listed = session.transactions.len() < self.most.transactions && self.octets < self.most.octets;
        (session.in_transaction, self.refused) = (true, None);
        if self.listed {
            let mail_from = self.listed_address(command);
            session.transactions.push(Transaction { mail_from, smuggled, ..Transaction::default() });
        } else if self.most.transactions > 0 {
            tally.one(Limit::Transactions.key());
        }
    }

    /// RCPT got that code (none: it was not captured).
    pub(super) fn add_recipient(
        &mut self,
        command: &Command,
        code: Option<u16>,
        accepted: bool,
        session: &mut Session,
        tally: &mut Tally,
    ) {
        if !session.in_transaction && accepted {
            self.resume(session);
        }
        if !session.in_transaction {
            return;
        }
        self.accepted = self.accepted.saturating_add(usize::from(accepted));
        let room = self.octets < self.most.octets;
        let Some(count) = self.transaction(session).map(|transaction| transaction.rcpt_to.len()) else { return };
        if count >= self.most.recipients || !room {
            return tally.one(Limit::Recipients.key());
        }
        let address = self.listed_address(command);
        if let Some(transaction) = self.transaction(session) {
            transaction.rcpt_to.push((address, code));
        }
    }

    /// A server that takes a recipient behind a message that it refused has kept the transaction (Exim, behind BDAT).
    fn resume(&mut self, session: &mut Session) {
        if let Some(listed) = self.refused.take() {
            (session.in_transaction, self.listed) = (true, listed);
        }
    }

    /// Message data or a chunk of it was read.
    pub(super) fn note_message(&self, facts: &MessageFacts, session: &mut Session) {
        if let Some(transaction) = self.transaction(session) {
            transaction.add(facts);
        }
    }

    /// A chunk that was refused before its end has come to it: its transaction may be over.
    pub(super) fn note_late_message(&self, facts: &MessageFacts, session: &mut Session) {
        if let Some(transaction) = session.transactions.last_mut().filter(|_| self.most.transactions > 0) {
            transaction.add(facts);
        }
    }

    /// The message was answered.
    pub(super) fn end(&mut self, code: Option<u16>, session: &mut Session) {
        if let Some(transaction) = self.transaction(session) {
            transaction.code = code;
        }
        let refused = code.is_some_and(|code| code >= 400);
        let last = if session.in_transaction { Some(self.listed) } else { self.refused };
        self.close(session);
        self.refused = last.filter(|_| refused);
    }

    /// The transaction was reset, or the session began anew.
    pub(super) fn close(&mut self, session: &mut Session) {
        session.in_transaction = false;
        (self.accepted, self.prdr, self.listed, self.refused, self.header) = (0, false, false, None, None);
    }

    /// The open transaction, if it is listed.
    fn transaction<'s>(&self, session: &'s mut Session) -> Option<&'s mut Transaction> {
        let open = session.in_transaction && self.listed;
        session.transactions.last_mut().filter(|_| open)
    }

    /// The address of MAIL or RCPT as the session's record keeps it.
    fn listed_address(&mut self, command: &Command) -> Vec<u8> {
        /// RFC 5321 section 4.5.3.1.3 allows a path of 256 octets.
        const MOST: usize = 1024;
        let address = command.address();
        let kept = address.get(..MOST).unwrap_or(address).to_vec();
        let cost = kept.len().saturating_add(size_of::<(Vec<u8>, Option<u16>)>());
        self.octets = self.octets.saturating_add(cost);
        kept
    }
}
