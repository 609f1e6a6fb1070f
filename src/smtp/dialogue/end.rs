//! The session's end: what was under way is told, then the end.

use super::Dialogue;
use crate::smtp::Hears;
use crate::smtp::client::State;
use crate::smtp::event::{End, Event};
use crate::smtp::matching::Awaits;
use crate::smtp::wire::verb::Verb;
use crate::tcp::{Closed, Closing};

impl Dialogue {
    pub(in crate::smtp) fn close(&mut self, closing: &Closing, hears: &mut dyn Hears) {
        let client = self.session.server_side.other();
        self.choices.close();
        self.finish_server(hears);
        self.finish_client(hears);
        self.finish_matching(hears);
        let acknowledges = closing.acknowledges;
        if acknowledges[client] {
            self.confirm_early();
        }
        let session = &mut self.session;
        session.last = closing.last;
        session.missing_client = closing.missing[client];
        session.missing_server = closing.missing[client.other()];
        session.again_client = closing.again[client];
        session.again_server = closing.again[client.other()];
        let (early, ungreeted) = self.opening.by_order();
        let nobody = !acknowledges.a && !acknowledges.b;
        if nobody && !session.early_talk {
            session.early_talk = early.is_some();
            session.early_at = early;
        }
        let whole = closing.missing.a == 0 && closing.missing.b == 0;
        if nobody && session.from_start && whole {
            session.greeting_missing |= ungreeted;
        }
        let closed = matches!(closing.how, Closed::Fin | Closed::Rst);
        let end = End {
            closed: closing.how,
            at: closing.last,
            complete: closing.handshake && session.from_start && whole && closed,
            client_acknowledges: acknowledges[client],
            server_acknowledges: acknowledges[client.other()],
        };
        hears.hear(&Event::End(&end), &self.session);
    }

    /// What still waits for a reply stands in the session's facts, without a code.
    fn finish_matching(&mut self, hears: &mut dyn Hears) {
        self.flush(hears);
        if let Some(reply) = self.matching.take_early() {
            self.answer(reply, hears);
        }
        let mut mail = None;
        for pending in self.matching.take_all() {
            let command = &pending.command;
            let is_data = pending.awaits != Awaits::Reply;
            match &command.verb {
                _ if pending.optional => {}
                _ if is_data => {
                    if let Some(facts) = &pending.facts {
                        self.envelope.note_message(facts, &mut self.session);
                    }
                }
                // Alone it opens nothing that is to be told.
                Some(Verb::Mail) => mail = Some(pending),
                Some(Verb::Rcpt) => {
                    if let Some(mail) = mail.take() {
                        self.replied(&mail, None);
                    }
                    self.replied(&pending, None);
                }
                _ => {}
            }
        }
        if !matches!(*self.client, State::Opaque) {
            self.end_attempt(None, 0);
        }
    }
}
