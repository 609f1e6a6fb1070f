//! What is told, in its order: behind a reply that may still be given to another command everything waits.

use std::sync::Arc;

use super::Dialogue;
use crate::base::{Moment, Packets, Side};
use crate::smtp::Hears;
use crate::smtp::command::Command;
use crate::smtp::event::{Answers, Event, Fault, FaultKind, MessageData, OwnedAnswers};
use crate::smtp::reply::Reply;
use crate::smtp::telling::Told;
use crate::tcp::Gap;

impl Dialogue {
    pub(super) fn tell_command(&mut self, command: &Arc<Command>, hears: &mut dyn Hears) {
        if self.telling.is_empty() {
            self.session.commands = self.session.commands.saturating_add(1);
            hears.hear(&Event::Command(command), &self.session);
        } else {
            self.telling.push(Told::Command(Arc::clone(command)));
        }
    }

    pub(super) fn tell_reply(&mut self, reply: &Reply, answers: Answers<'_>, hears: &mut dyn Hears) {
        if !self.telling.is_empty() {
            return self.telling.push(Told::Reply(Box::new((reply.clone(), OwnedAnswers::of(answers)))));
        }
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
        let faults = [(reply.tab, FaultKind::TabBehindCode), (reply.codes_differ, FaultKind::CodesDiffer)];
        for (_, kind) in faults.into_iter().filter(|(is, _)| *is) {
            self.fault(kind, self.streams.server_side(), reply.at.clone(), hears);
        }
    }

    pub(super) fn fault(&mut self, kind: FaultKind, side: Side, at: Packets, hears: &mut dyn Hears) {
        let fault = Fault { kind, side, at };
        if self.telling.is_empty() {
            hears.hear(&Event::Fault(&fault), &self.session);
        } else {
            self.telling.push(Told::Fault(Box::new(fault)));
        }
    }

    pub(super) fn tell_message(&mut self, data: MessageData, hears: &mut dyn Hears) {
        if self.telling.is_empty() {
            hears.hear(&Event::Data(&data), &self.session);
        } else {
            self.telling.push(Told::Data(Box::new(data)));
        }
    }

    pub(super) fn tell_gap(&mut self, gap: &Gap, hears: &mut dyn Hears) {
        if self.telling.is_empty() {
            hears.hear(&Event::Gap(gap), &self.session);
        } else {
            self.telling.push(Told::Gap(*gap));
        }
    }

    pub(super) fn tell_tls(&mut self, at: Moment, hears: &mut dyn Hears) {
        self.flush(hears);
        hears.hear(&Event::Tls(&self.session.tls, at), &self.session);
    }

    /// Tells everything that waits: replies answer what they were given to.
    pub(super) fn flush(&mut self, hears: &mut dyn Hears) {
        let mut telling = std::mem::take(&mut self.telling);
        while let Some(told) = telling.pop() {
            match told {
                Told::Command(command) => self.tell_command(&command, hears),
                Told::Matched(pair) => {
                    let (reply, pending) = *pair;
                    self.replied(&pending, Some(&reply));
                    self.tell_reply(&reply, Answers::Command(&pending.command), hears);
                }
                Told::Unanswered(pending) => self.replied(&pending, None),
                Told::Reply(pair) => {
                    let (reply, answered) = *pair;
                    self.tell_reply(&reply, answered.borrowed(), hears);
                }
                Told::Data(data) => self.tell_message(*data, hears),
                Told::Gap(gap) => self.tell_gap(&gap, hears),
                Told::Fault(fault) => {
                    let Fault { kind, side, at } = *fault;
                    self.fault(kind, side, at, hears);
                }
            }
        }
    }
}
