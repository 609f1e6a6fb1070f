//! All sessions of some clients, each printed when it is over, in the order in which they began.
//!
//! Bounds: [`HELD`] sessions, each of [`Bounds::MANY`]. One that finds no room is printed without what was said before there was, and
//! one that waits for an earlier one to end is printed before it where room is needed.

use std::io;

use ipnet::IpNet;

use crate::base::{Endpoint, Time};
use crate::engine::Sink;
use crate::ledger::{Output, Who};
use crate::record::{Clerk, Record, Session, SessionId};
use crate::report::dialogue::{Bounds, Collector, Dialogue};

/// So many sessions are open, or wait for one that began before them.
const HELD: usize = 256;

/// Takes what the engine finds.
pub(super) struct Following<'p> {
    clerk: Clerk,
    net: IpNet,
    /// By the times of their first packets.
    held: Vec<Held>,
    shown: u64,
    print: &'p mut (dyn FnMut(&Dialogue) -> io::Result<()> + Send),
}

struct Held {
    began: (Time, SessionId),
    state: State,
}

enum State {
    Open(Collector),
    Over(Box<Dialogue>),
}

impl<'p> Following<'p> {
    pub(super) fn new(
        clerk: Clerk,
        net: IpNet,
        print: &'p mut (dyn FnMut(&Dialogue) -> io::Result<()> + Send),
    ) -> Self {
        Following { clerk, net, held: Vec::new(), shown: 0, print }
    }

    /// Nothing follows: prints what waits, and says how many were printed.
    pub(super) fn end(mut self) -> io::Result<u64> {
        for held in std::mem::take(&mut self.held) {
            self.over(held)?;
        }
        Ok(self.shown)
    }

    fn one(&mut self, output: Output) -> io::Result<()> {
        let (client, began) = match &output {
            Output::Capture(_) => {
                self.clerk.record(output);
                return Ok(());
            }
            Output::Event(Who { client, first, .. }, ..) => (*client, first.time),
            Output::Finding(found) => (found.who.client, found.who.first.time),
            Output::Session(ended) => (ended.session.client, ended.session.first.time),
            _ => return Ok(()),
        };
        let Endpoint { ip, .. } = client;
        if !self.net.contains(&ip) {
            return Ok(());
        }
        let Some(session) = self.clerk.session(&output) else { return Ok(()) };
        let began = (began, session);
        match self.clerk.record(output) {
            Some(Record::Session(ended)) => self.ended(began, *ended),
            Some(record) => self.told(began, record),
            None => Ok(()),
        }
    }

    fn told(&mut self, began: (Time, SessionId), record: Record) -> io::Result<()> {
        if self.place(began).is_err() {
            if self.held.len() >= HELD {
                self.make_room()?;
            }
            if self.held.len() < HELD
                && let Err(at) = self.place(began)
            {
                self.held.insert(at, Held { began, state: State::Open(Collector::new(Bounds::MANY)) });
            }
        }
        if let Ok(at) = self.place(began)
            && let Some(Held { state: State::Open(collector), .. }) = self.held.get_mut(at)
        {
            collector.take(record);
        }
        Ok(())
    }

    fn ended(&mut self, began: (Time, SessionId), session: Session) -> io::Result<()> {
        let place = self.place(began);
        let collector = match place.map(|at| self.held.remove(at).state) {
            Ok(State::Open(collector)) => collector,
            _ => Collector::new(Bounds::MANY),
        };
        let state = State::Over(Box::new(collector.finish(session, None)));
        let (Ok(at) | Err(at)) = place;
        self.held.insert(at, Held { began, state });
        if self.held.len() > HELD {
            self.make_room()?;
        }
        while let Some(Held { state: State::Over(_), .. }) = self.held.first() {
            let first = self.held.remove(0);
            self.over(first)?;
        }
        Ok(())
    }

    fn place(&self, began: (Time, SessionId)) -> Result<usize, usize> {
        self.held.binary_search_by_key(&began, |held| held.began)
    }

    /// Prints the first that is over, whichever are open before it.
    fn make_room(&mut self) -> io::Result<()> {
        match self.held.iter().position(|held| matches!(held.state, State::Over(_))) {
            Some(at) => {
                let held = self.held.remove(at);
                self.over(held)
            }
            None => Ok(()),
        }
    }

    fn over(&mut self, held: Held) -> io::Result<()> {
        let State::Over(dialogue) = held.state else { return Ok(()) };
        self.shown = self.shown.saturating_add(1);
        (self.print)(&dialogue)
    }
}

impl Sink for Following<'_> {
    fn take(&mut self, outputs: Vec<Output>) -> io::Result<()> {
        outputs.into_iter().try_for_each(|output| self.one(output))
    }
}
