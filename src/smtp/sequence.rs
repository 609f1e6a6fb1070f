//! What a client could know of its session when it sent a command: which commands had no reply yet, and what was
//! accepted as far as it knew (RULES.md, *Definitions*; RFC 5321 section 4.1.4, RFC 2920 section 3.1).
//!
//! Every command, message end and BDAT chunk is a step. A step whose reply the client had not seen counts as
//! accepted, one whose reply it had seen as that reply says.

use std::collections::VecDeque;

use super::command::Command;
use super::knowledge::{Knew, Stage};
use super::matching::{Awaits, Pending};
use super::wire::verb::Verb;

/// What a step does to the stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Nothing,
    Hello {
        extended: bool,
    },
    Mail {
        binary: bool,
    },
    Rcpt,
    Chunk {
        last: bool,
    },
    /// It closes the transaction, whatever the reply.
    MessageEnd,
    /// It closes the transaction if accepted.
    Reset,
    Auth,
    Quit,
    StartTls,
    XClient,
}

#[derive(Clone, Debug)]
struct Step {
    number: u64,
    effect: Effect,
    /// The verb, where nothing may stand behind it in its flight.
    last: Option<Verb>,
    /// An EHLO sent before the greeting was known, as far as that can be told.
    early_hello: bool,
    reply: Option<Reply>,
}

/// A step's reply.
#[derive(Clone, Copy, Debug)]
struct Reply {
    code: u16,
    /// Where it ended in the server's stream.
    end: u64,
    /// To EHLO: whether it lists PIPELINING; to BDAT: whether CHUNKING was on offer. `None`: not known.
    offers: Option<bool>,
}

impl Reply {
    fn accepts(self) -> bool {
        (200..400).contains(&self.code)
    }
}

/// The steps whose replies the client may not have seen, and the stage before them.
#[derive(Clone, Debug)]
pub(super) struct Sequence {
    base: Stage,
    steps: VecDeque<Step>,
    /// Bytes are missing: nothing can be told until MAIL, RSET, HELO or EHLO got 250.
    lost: bool,
    /// What a client knew that had seen so much, after so many steps: a flight asks it of every command.
    last: Option<Box<(u64, usize, Knew)>>,
}

impl Sequence {
    /// Of a session captured from its start, or picked up midway.
    pub(super) fn new(from_start: bool) -> Sequence {
        let mut sequence = Sequence { base: Stage::before_hello(), steps: VecDeque::new(), lost: false, last: None };
        if !from_start {
            sequence.lose();
        }
        sequence
    }

    /// Replies or commands are missing, or cannot be matched.
    pub(super) fn lose(&mut self) {
        self.last = None;
        self.steps.clear();
        self.lost = true;
        // Only what can be seen to be wrong whatever was missed is told later.
        self.base = Stage { hello: true, extended: true, ..Stage::default() };
    }

    /// A command, message end or BDAT chunk that a reply is due to.
    pub(super) fn push(&mut self, pending: &Pending, most: usize) {
        let command = &pending.command;
        let message = pending.awaits != Awaits::Reply && !command.is(&Verb::Bdat);
        self.steps.push_back(Step {
            number: command.number,
            effect: if message { of_message(command) } else { of_command(command) },
            last: pending.last().cloned(),
            early_hello: command.is(&Verb::Ehlo) && command.early != Some(false),
            reply: None,
        });
        while self.steps.len() > most && self.settle_first(u64::MAX) {}
    }

    /// Whether that command was sent since the last loss, and has no reply yet.
    pub(super) fn awaits(&self, number: u64) -> bool {
        self.steps.iter().any(|step| step.reply.is_none() && step.number == number)
    }

    /// Message data was refused before its end.
    pub(super) fn end_message(&mut self, number: u64, code: u16) {
        let reply = Some(Reply { code, end: 0, offers: None });
        self.steps.push_back(Step { number, effect: Effect::MessageEnd, last: None, early_hello: false, reply });
    }

    /// The reply to a step has come. `offers`: of an EHLO whether it lists PIPELINING, of a chunk whether CHUNKING is on offer.
    pub(super) fn answered(&mut self, number: u64, code: u16, end: u64, offers: Option<bool>) {
        self.last = None;
        let open = |step: &Step| step.reply.is_none();
        let Some(place) = self.steps.iter().position(|step| open(step) && step.number == number) else { return };
        // What is older and open was given up.
        let mut nth = 0_usize;
        self.steps.retain(|step| {
            let keep = nth >= place || !open(step);
            nth = nth.saturating_add(1);
            keep
        });
        let Some(step) = self.steps.iter_mut().find(|step| open(step) && step.number == number) else { return };
        let offers = match step.effect {
            // After loss another reply may stand in its place: only what it lists counts.
            Effect::Hello { .. } => offers.filter(|&offered| offered || !self.lost),
            Effect::Chunk { .. } => offers,
            _ => None,
        };
        step.reply = Some(Reply { code, end, offers });
        if code == 250 && matches!(step.effect, Effect::Hello { .. } | Effect::Mail { .. } | Effect::Reset) {
            self.lost = false;
        }
    }

    /// What a client knew that had seen the server's stream up to there; from now on it knows no less.
    pub(super) fn known(&mut self, seen: u64) -> Option<Knew> {
        while self.settle_first(seen) {}
        (!self.lost).then(|| self.at(seen))
    }

    /// The same of a client that has acknowledged nothing yet: as if it had seen nothing, and by packet order.
    pub(super) fn doubtful(&mut self, captured: u64) -> Option<(Knew, Knew)> {
        /// So many steps are kept for one that most likely never acknowledges anything.
        const MOST: usize = 64;
        while self.steps.len() > MOST && self.settle_first(captured) {}
        if self.lost {
            return None;
        }
        Some((self.at(0), self.at(captured)))
    }

    fn at(&mut self, seen: u64) -> Knew {
        let kept = self.last.take().filter(|last| last.0 == seen && last.1 <= self.steps.len());
        let (place, mut knew) = match kept {
            Some(last) => (last.1, last.2),
            None => (0, Knew { stage: self.base, ..Knew::default() }),
        };
        for step in self.steps.iter().skip(place) {
            let reply = step.reply.filter(|reply| reply.end <= seen);
            if reply.is_none() {
                knew.in_flight = knew.in_flight.saturating_add(1);
                knew.behind_early_hello |= step.early_hello;
                if knew.behind.is_none() {
                    knew.behind.clone_from(&step.last);
                }
            }
            knew.stage.take(step.effect, reply);
        }
        self.last = Some(Box::new((seen, self.steps.len(), knew.clone())));
        knew
    }

    /// Forgets the oldest step if its reply ended there or before; returns whether it did.
    fn settle_first(&mut self, seen: u64) -> bool {
        let settled = self.steps.pop_front_if(|step| step.reply.is_some_and(|reply| reply.end <= seen));
        if let Some(step) = &settled {
            self.last = None;
            self.base.take(step.effect, step.reply);
        }
        settled.is_some()
    }
}

impl Stage {
    /// Before the first EHLO: nothing is offered.
    fn before_hello() -> Stage {
        Stage { pipelining: Some(false), ..Stage::default() }
    }

    fn close(&mut self) {
        (self.mail, self.rcpt, self.chunk, self.binary) = (false, false, false, false);
    }

    /// Goes on by a step; `None`: its reply was not known, so it counts as accepted.
    fn take(&mut self, effect: Effect, reply: Option<Reply>) {
        let accepted = reply.is_none_or(Reply::accepts);
        match effect {
            Effect::Hello { extended } if accepted => {
                self.close();
                self.hello = true;
                self.extended |= extended;
                if let Some(reply) = reply {
                    self.pipelining = reply.offers;
                }
            }
            Effect::Mail { binary } if accepted => {
                self.close();
                (self.mail, self.binary) = (true, binary);
            }
            Effect::Rcpt => self.rcpt |= accepted && self.mail,
            // A chunk that a server with CHUNKING refuses was discarded (RFC 3030 section 2).
            Effect::Chunk { last: true } if accepted || reply.is_some_and(|reply| reply.offers == Some(true)) => {
                self.close();
            }
            Effect::Chunk { .. } => self.chunk |= accepted,
            Effect::MessageEnd => self.close(),
            Effect::Reset if accepted => self.close(),
            Effect::Auth => self.authenticated |= reply.is_some_and(|reply| (200..300).contains(&reply.code)),
            Effect::Quit => self.quit |= accepted,
            // Both ends forget what was before (RFC 3207 section 4.2).
            Effect::StartTls if reply.is_some_and(|reply| reply.code == 220) => {
                self.close();
                self.authenticated = false;
            }
            Effect::XClient if reply.is_some_and(|reply| reply.code == 220) => *self = Stage::before_hello(),
            _ => {}
        }
    }
}

fn of_message(command: &Command) -> Effect {
    if command.is(&Verb::XExch50) { Effect::Nothing } else { Effect::MessageEnd }
}

fn of_command(command: &Command) -> Effect {
    let argument = command.argument();
    match &command.verb {
        Some(Verb::Helo) => Effect::Hello { extended: false },
        Some(Verb::Ehlo | Verb::Lhlo) => Effect::Hello { extended: true },
        Some(Verb::Mail | Verb::Send | Verb::Soml | Verb::Saml) => {
            Effect::Mail { binary: argument.path().is_some_and(|path| path.says.binary) }
        }
        Some(Verb::Rcpt) => Effect::Rcpt,
        Some(Verb::Bdat) => Effect::Chunk { last: argument.is_last() },
        Some(Verb::Burl) if argument.is_last() => Effect::Reset,
        Some(Verb::Rset) => Effect::Reset,
        Some(Verb::Quit) => Effect::Quit,
        Some(verb) if verb.is_auth() => Effect::Auth,
        None if command.exchange => Effect::Auth,
        Some(verb) if verb.starts_tls() => Effect::StartTls,
        Some(Verb::XClient) => Effect::XClient,
        _ => Effect::Nothing,
    }
}

#[cfg(test)]
#[path = "tests/sequence.rs"]
mod tests;
