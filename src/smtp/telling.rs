//! What was heard and is not told yet: behind a reply that may still turn out to be another command's, everything waits, so
//! that it is told in its order and with the facts as of then.

use std::collections::VecDeque;
use std::sync::Arc;

use super::command::Command;
use super::event::{Fault, MessageData, OwnedAnswers};
use super::knowledge::Knowledge;
use super::matching::{Pending, Shift, Spoken};
use super::reply::Reply;
use crate::tcp::Gap;

/// One thing to tell.
#[derive(Clone, Debug)]
pub(super) enum Told {
    Command(Arc<Command>),
    /// A reply, and the command to which it was given.
    Matched(Box<(Reply, Pending)>),
    /// A command that was passed over: no reply to it will come.
    Unanswered(Box<Pending>),
    Reply(Box<(Reply, OwnedAnswers)>),
    Data(Box<MessageData>),
    Gap(Gap),
    Fault(Box<Fault>),
}

impl Told {
    /// Accounted bytes beside its place.
    fn weight(&self) -> usize {
        match self {
            Told::Command(command) => command.octets_kept(),
            Told::Matched(pair) => pair.0.held().saturating_add(size_of::<Pending>()),
            Told::Reply(pair) => pair.0.held(),
            Told::Unanswered(_) | Told::Data(_) | Told::Fault(_) => 256,
            Told::Gap(_) => 0,
        }
    }
}

/// The queue of what is not told yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Telling {
    queue: VecDeque<Told>,
    bytes: usize,
}

impl Telling {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Accounted bytes.
    pub(super) fn held(&self) -> usize {
        self.bytes
    }

    pub(super) fn push(&mut self, told: Told) {
        self.bytes = self.bytes.saturating_add(told.weight()).saturating_add(size_of::<Told>());
        self.queue.push_back(told);
    }

    pub(super) fn pop(&mut self) -> Option<Told> {
        let told = self.queue.pop_front()?;
        self.bytes = self.bytes.saturating_sub(told.weight()).saturating_sub(size_of::<Told>());
        Some(told)
    }

    /// The pairs that wait, oldest first.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&Pending, Spoken)> {
        self.queue.iter().filter_map(|told| match told {
            Told::Matched(pair) => Some((&pair.1, Spoken { code: pair.0.code.unwrap_or(0), seen: pair.0.seen })),
            _ => None,
        })
    }

    /// Gives the replies that wait, behind those that are kept, to other commands. `next` takes the oldest command that waits
    /// for a reply; what is returned waits for one again.
    pub(super) fn realign(&mut self, shift: Shift, mut next: impl FnMut() -> Option<Pending>) -> Vec<Pending> {
        let mut commands: VecDeque<Pending> = VecDeque::new();
        let queue = std::mem::take(&mut self.queue);
        self.bytes = 0;
        let mut replies = 0_usize;
        let mut kept = shift.kept;
        let mut rest = VecDeque::new();
        for told in queue {
            match told {
                Told::Matched(pair) if kept > 0 => {
                    kept = kept.saturating_sub(1);
                    // All before it are as they were.
                    rest.drain(..).filter_map(Result::ok).for_each(|told| self.push(told));
                    self.push(Told::Matched(pair));
                }
                Told::Matched(pair) => {
                    let (reply, pending) = *pair;
                    commands.push_back(pending);
                    replies = replies.saturating_add(1);
                    rest.push_back(Err(reply));
                }
                // What a client knew that counted on the wrong pairs is not known.
                Told::Command(mut command) => {
                    Arc::make_mut(&mut command).knew = Knowledge::Unknown;
                    rest.push_back(Ok(Told::Command(command)));
                }
                other => rest.push_back(Ok(other)),
            }
        }
        let passed = usize::try_from(shift.by).unwrap_or(0);
        let surplus = usize::try_from(shift.by.saturating_neg()).unwrap_or(0);
        while commands.len() < replies.saturating_add(passed) {
            let Some(pending) = next() else { break };
            commands.push_back(pending);
        }
        for _ in 0..passed {
            if let Some(pending) = commands.pop_front() {
                self.push(Told::Unanswered(Box::new(pending)));
            }
        }
        let mut nth = 0_usize;
        for told in rest {
            match told {
                Ok(told) => self.push(told),
                Err(reply) => {
                    nth = nth.saturating_add(1);
                    let pending = if nth > surplus { commands.pop_front() } else { None };
                    self.push(match pending {
                        Some(pending) => Told::Matched(Box::new((reply, pending))),
                        None => Told::Reply(Box::new((reply, OwnedAnswers::Unsolicited))),
                    });
                }
            }
        }
        commands.into()
    }
}
