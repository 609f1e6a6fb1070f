//! The door: what reassembly hands on goes in, events come out.

use std::collections::VecDeque;

use super::Hears;
use super::dialogue::Dialogue;
use super::input::{Input, KeptInput};
use super::readings::Reading;
use super::readings::trial::Trial;
use super::session::Session;
use super::wire::line::{Piece, Source};
use super::wire::{reply, verb};
use crate::base::{Limits, Moment, Side, Tally};
use crate::tcp::{Chunk, Closing, Gap, Opening, Reach};

/// What a parser does only where somebody wants it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Message data's SHA-256, for `data` records.
    pub want_data_hash: bool,
}

/// Reads one session.
#[derive(Debug)]
pub(crate) struct Parser {
    who: Who,
    trial: Option<Box<Trial>>,
    /// The bytes that are stored here, as of the end of the last call.
    held: usize,
}

#[derive(Debug)]
enum Who {
    /// Nothing tells yet who is the server: input waits for the first line.
    Unknown(Box<Unknown>),
    Known(Box<Dialogue>),
}

/// A connection whose server is not known: neither or both sides have the port, and no SYN was seen.
#[derive(Debug)]
struct Unknown {
    opening: Opening,
    limits: Limits,
    options: Options,
    /// As if side B was the server: what a caller sees of the session until it is known.
    session: Session,
    log: Vec<KeptInput>,
    bytes: usize,
    first: [Vec<u8>; 2],
}

impl Parser {
    /// Begins with what is known of the connection; `is_server_port` tells the ports that are looked at.
    pub(crate) fn new(
        opening: &Opening,
        is_server_port: impl Fn(u16) -> bool,
        limits: &Limits,
        options: Options,
    ) -> Parser {
        let who = match server_side(opening, is_server_port) {
            Some(side) => Who::Known(Box::new(Dialogue::new(opening, side, limits, options))),
            None => Who::Unknown(Box::new(Unknown {
                opening: opening.clone(),
                limits: limits.clone(),
                options,
                session: Session::new(opening.flow, opening.first, Side::B, false),
                log: Vec::new(),
                bytes: 0,
                first: [Vec::new(), Vec::new()],
            })),
        };
        Parser { who, trial: None, held: 0 }
    }

    pub(crate) fn chunk(&mut self, chunk: &Chunk<'_>, hears: &mut dyn Hears) {
        if chunk.bytes.is_empty() {
            return;
        }
        let &Chunk { at, seen, captured_of_other: captured, after_fin, .. } = chunk;
        let from = Source { at, seen, captured, after_fin };
        let mut piece = Piece { offset: chunk.offset, bytes: chunk.bytes, from };
        if self.trial.is_none()
            && let Who::Known(dialogue) = &mut self.who
            && let Some(more) = dialogue.read_on(chunk.side, &mut piece, hears)
        {
            self.held = self.held.saturating_add(more);
            return;
        }
        self.take(Input::Bytes(chunk.side, piece), hears);
    }

    pub(crate) fn gap(&mut self, gap: &Gap, hears: &mut dyn Hears) {
        self.take(Input::Gap(*gap), hears);
    }

    /// A side's stream ended with a FIN.
    pub(crate) fn end_of_stream(&mut self, side: Side, at: Moment, hears: &mut dyn Hears) {
        self.take(Input::End(side, at), hears);
    }

    /// The connection is over: what was under way is told, then the end.
    pub(crate) fn close(&mut self, closing: &Closing, hears: &mut dyn Hears) {
        self.decide(hears);
        if let Who::Known(dialogue) = &mut self.who {
            dialogue.close(closing, hears);
        }
        self.held = self.count_held();
    }

    /// A limit acted outside: what waits for a reply is read as if the reply had accepted, what waits for a
    /// decision in the default way.
    pub(crate) fn release(&mut self, hears: &mut dyn Hears) {
        self.decide(hears);
        if let Who::Known(dialogue) = &mut self.who {
            dialogue.release_all(hears);
        }
        let unread = self.try_if_due();
        self.read_on(None, unread, hears);
        self.held = self.count_held();
    }

    /// Reads what the next chunk will need, as [`Listener::prefetch`](crate::tcp::Listener::prefetch) does.
    pub(crate) fn prefetch(&self, reach: Reach) -> u64 {
        match &self.who {
            Who::Known(dialogue) => dialogue.prefetch(reach),
            Who::Unknown(_) => 0,
        }
    }

    /// Bytes that are stored here.
    pub(crate) fn held_bytes(&self) -> usize {
        debug_assert_eq!(self.held, self.count_held(), "what is held is counted whenever it changes");
        self.held
    }

    fn count_held(&self) -> usize {
        match &self.who {
            Who::Unknown(unknown) => unknown.bytes,
            Who::Known(dialogue) => {
                dialogue.held_bytes().saturating_add(self.trial.as_ref().map_or(0, |trial| trial.held()))
            }
        }
    }

    pub(crate) fn session(&self) -> &Session {
        match &self.who {
            Who::Unknown(unknown) => &unknown.session,
            Who::Known(dialogue) => dialogue.session(),
        }
    }

    /// The client's states, one after the other and why.
    #[cfg(test)]
    pub(super) fn trace(&self) -> Vec<String> {
        match &self.who {
            Who::Unknown(_) => Vec::new(),
            Who::Known(dialogue) => dialogue.trace().to_vec(),
        }
    }

    /// What is known of the session once it is over.
    pub(crate) fn into_session(self) -> Session {
        match self.who {
            Who::Unknown(unknown) => unknown.session,
            Who::Known(dialogue) => dialogue.into_session(),
        }
    }

    /// Takes the counts of limits that acted since the last call.
    pub(crate) fn take_tally(&mut self) -> Tally {
        match &mut self.who {
            Who::Unknown(_) => Tally::default(),
            Who::Known(dialogue) => std::mem::take(dialogue.tally()),
        }
    }

    fn take(&mut self, input: Input<'_>, hears: &mut dyn Hears) {
        if let Who::Unknown(unknown) = &mut self.who {
            unknown.keep(&input);
            self.settle_server(false, hears);
        } else {
            self.read(&input, hears);
        }
        self.held = self.count_held();
    }

    fn read(&mut self, input: &Input<'_>, hears: &mut dyn Hears) {
        let Who::Known(dialogue) = &mut self.who else { return };
        let (decided, rest) = match &mut self.trial {
            None => {
                dialogue.take(input, hears);
                (None, None)
            }
            Some(trial) => trial.follow(input, dialogue),
        };
        let unread = rest.or_else(|| self.try_if_due());
        if decided.is_some() || unread.is_some() {
            self.read_on(decided, unread, hears);
        }
    }

    /// Takes the reading that was decided, and then the input that was kept meanwhile (or was left at a
    /// choice), in which new choices may lie.
    fn read_on(&mut self, mut decided: Option<Reading>, unread: Option<KeptInput>, hears: &mut dyn Hears) {
        let mut queue: VecDeque<KeptInput> = unread.into_iter().collect();
        loop {
            let Who::Known(dialogue) = &mut self.who else { return };
            if let Some(reading) = decided.take()
                && let Some(trial) = self.trial.take()
            {
                let mut kept = trial.take(reading, dialogue, hears);
                kept.append(&mut queue);
                queue = kept;
            }
            if let Some(unread) = self.try_if_due() {
                queue.push_front(unread);
            }
            let Some(kept) = queue.pop_front() else { return };
            let Who::Known(dialogue) = &mut self.who else { return };
            match &mut self.trial {
                None => dialogue.take(&kept.input(), hears),
                Some(trial) => {
                    let rest;
                    (decided, rest) = trial.follow(&kept.input(), dialogue);
                    if let Some(rest) = rest {
                        queue.push_front(rest);
                    }
                }
            }
        }
    }

    /// Decides what is open by what is known now.
    fn decide(&mut self, hears: &mut dyn Hears) {
        self.settle_server(true, hears);
        while let (Some(trial), Who::Known(dialogue)) = (&mut self.trial, &mut self.who) {
            let reading = trial.verdict_at_end(dialogue);
            self.read_on(Some(reading), None, hears);
        }
    }

    /// Tries a choice at which the session stopped; returns what is left of the input that led to it.
    fn try_if_due(&mut self) -> Option<KeptInput> {
        let Who::Known(dialogue) = &mut self.who else { return None };
        if self.trial.is_some() || dialogue.choice().is_none() {
            return None;
        }
        let unread = dialogue.take_unread();
        self.trial = Trial::new(dialogue).map(Box::new);
        unread
    }

    /// Finds out who is the server by the first line of either side, and reads what was kept.
    fn settle_server(&mut self, force: bool, hears: &mut dyn Hears) {
        let Who::Unknown(unknown) = &mut self.who else { return };
        let Some(side) = unknown.server_side(force) else { return };
        let log = std::mem::take(&mut unknown.log);
        let dialogue = Dialogue::new(&unknown.opening, side, &unknown.limits, unknown.options);
        self.who = Who::Known(Box::new(dialogue));
        for kept in &log {
            self.read(&kept.input(), hears);
        }
    }
}

/// The side with the port; where both or neither have it, the SYN's target.
fn server_side(opening: &Opening, is_server_port: impl Fn(u16) -> bool) -> Option<Side> {
    let has = |side| is_server_port(opening.flow.end(side).port);
    match (has(Side::A), has(Side::B)) {
        (true, false) => Some(Side::A),
        (false, true) => Some(Side::B),
        _ => opening.opener.map(Side::other),
    }
}

impl Unknown {
    /// So much is kept until a first line tells.
    const MOST: usize = 64 << 10;
    /// A first line's code or verb stands in these octets.
    const LINE: usize = 512;

    fn keep(&mut self, input: &Input<'_>) {
        self.bytes = self.bytes.saturating_add(KeptInput::cost(input));
        self.log.push(KeptInput::new(input));
        if let Input::Bytes(side, piece) = input {
            self.session.last = piece.from.at;
            let [a, b] = &mut self.first;
            let first = if *side == Side::A { a } else { b };
            first.extend(piece.bytes.iter().take(Self::LINE.saturating_sub(first.len())));
        }
    }

    fn server_side(&self, force: bool) -> Option<Side> {
        let [a, b] = &self.first;
        let is_whole = |line: &Vec<u8>| line.contains(&b'\n') || line.len() >= Self::LINE;
        let speaks = |line: &Vec<u8>| is_whole(line) && reply::code(first_line(line)).0.is_some();
        let asks =
            |line: &Vec<u8>| is_whole(line) && verb::split(first_line(line)).0.is_some_and(|verb| verb.is_known());
        let must = force || self.bytes > Self::MOST;
        match (speaks(a), speaks(b)) {
            (true, _) => Some(Side::A),
            (_, true) => Some(Side::B),
            _ if asks(a) => Some(Side::B),
            _ if asks(b) => Some(Side::A),
            // Who spoke at all is taken for the client.
            _ if must => Some(if a.is_empty() { Side::A } else { Side::B }),
            _ => None,
        }
    }
}

fn first_line(bytes: &[u8]) -> &[u8] {
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line)
}
