//! One session as it is read: the machines that know one thing each, and how they work together.
//!
//! It is one value, so that a reading can be tried on a copy. Nothing here decides alone: what a line says is `wire`'s, what
//! a reply answers is [`matching`]'s, what is not known is [`doubt`](super::doubt)'s, and so on.
//!
//! Read in this order: `client` (what the client's bytes are), `first` (its first ones), `command`, `message`; `server`,
//! `answer` (what a reply answers and what follows from it), `facts`; `loss`; `end`; `usual` (the short way).

mod answer;
mod client;
mod command;
mod end;
mod facts;
mod first;
mod loss;
mod message;
mod secure;
mod server;
mod tell;
mod usual;

use super::auth::Attempts;
use super::client::{Client, State};
use super::envelope::{self, Envelope};
use super::held::Held;
use super::input::Input;
use super::matching::{self, Matching};
use super::opening::Opening;
use super::readings::choice::Score;
use super::readings::{Choice, Choices, Reading};
use super::reply::{Keep, Reply, ReplyReader};
use super::sequence::Sequence;
use super::session::Session;
use super::streams::Streams;
use super::telling::Telling;
use super::wire::line::{Cut, LineReader, Piece};
use super::{Hears, Options};
use crate::base::{Limit, Limits, Side, Tally};
use crate::tcp::{self, Gap};

/// The limits that act in this room.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    line: usize,
    held: usize,
    reply_lines: usize,
    transactions: usize,
    commands: usize,
}

impl Bounds {
    fn new(limits: &Limits) -> Bounds {
        let get = |limit| usize::try_from(limits.get(limit)).unwrap_or(usize::MAX);
        Bounds {
            line: get(Limit::LineLength),
            held: get(Limit::HeldBytesPerConnection),
            reply_lines: get(Limit::ReplyLines).max(1),
            transactions: get(Limit::Transactions),
            commands: get(Limit::PendingReplies),
        }
    }

    fn of_reply(&self) -> Keep {
        Keep { lines: self.reply_lines, octets: self.line }
    }
}

/// Both directions' lines.
#[derive(Clone, Debug, Default)]
struct Lines {
    client: LineReader,
    server: LineReader,
    /// How the client's are cut, once the server has shown it.
    cut: Option<Cut>,
    /// The server's last line ended in LF without CR.
    behind_lf: bool,
    /// The next reply may be the server's word on a handshake that failed: it answers nothing.
    excused: bool,
}

/// The state of a session's reading.
///
/// Its fields lie in this order: what the usual chunk asks stands in front, on few cache lines.
#[derive(Clone, Debug)]
#[repr(C)]
pub(super) struct Dialogue {
    client: Client,
    choices: Choices,
    streams: Streams,
    /// Client bytes that wait.
    held: Held,
    lines: Lines,
    session: Session,
    replies: ReplyReader,
    matching: Matching,
    telling: Telling,
    opening: Opening,
    sequence: Sequence,
    envelope: Envelope,
    attempts: Attempts,
    limits: (Bounds, Options),
    tally: Tally,
}

impl Dialogue {
    pub(super) fn new(opening: &tcp::Opening, server_side: Side, limits: &Limits, options: Options) -> Dialogue {
        let from_start = opening.from_start;
        let session = Session::new(opening.flow, opening.first, server_side, from_start.a && from_start.b);
        let (server_start, client_start) = (from_start[server_side], from_start[server_side.other()]);
        let whole = server_start && client_start;
        let bounds = Bounds::new(limits);
        let recipients = usize::try_from(limits.get(Limit::Recipients)).unwrap_or(usize::MAX);
        let most = matching::Most { commands: bounds.commands, octets: bounds.held.max(bounds.line) };
        let listed = envelope::Most { transactions: bounds.transactions, recipients, octets: bounds.held };
        let mut dialogue = Dialogue {
            client: Client::new(if client_start { State::First } else { State::Lost }),
            choices: Choices::default(),
            streams: Streams::new(server_side.other()),
            held: Held::default(),
            lines: Lines::default(),
            session,
            replies: ReplyReader::default(),
            matching: Matching::new(whole, most),
            telling: Telling::default(),
            opening: Opening::new(server_start),
            sequence: Sequence::new(whole),
            envelope: Envelope::new(listed),
            attempts: Attempts::default(),
            limits: (bounds, options),
            tally: Tally::default(),
        };
        if !client_start {
            dialogue.session.doubt.lose_client(0);
        }
        dialogue
    }

    /// A copy to try a reading on. The list of transactions stays behind: no reading depends on it.
    pub(super) fn scout(&mut self) -> Dialogue {
        let transactions = std::mem::take(&mut self.session.transactions);
        let mut scout = self.clone();
        self.session.transactions = transactions;
        scout.envelope = scout.envelope.clone().unlisted();
        scout.choices = self.choices.scout();
        scout
    }

    /// Takes what reassembly hands on.
    pub(super) fn take(&mut self, input: &Input<'_>, hears: &mut dyn Hears) {
        match input {
            Input::Bytes(side, piece) => self.bytes(*side, *piece, hears),
            Input::Gap(gap) => self.gap(gap, hears),
            Input::End(side, at) => {
                self.session.last = *at;
                if *side == self.streams.client_side() {
                    self.client_ended(*at, hears);
                } else {
                    self.finish_server(hears);
                }
            }
        }
    }

    fn bytes(&mut self, side: Side, mut piece: Piece<'_>, hears: &mut dyn Hears) {
        self.session.last = piece.from.at;
        if side == self.streams.client_side() {
            self.note_server_late(&mut piece);
            if self.streams.client_acknowledges(&piece) {
                self.session.client_acknowledged = true;
                self.confirm_early();
            }
            self.client_bytes(piece, hears);
        } else {
            self.streams.server_acknowledges(&piece);
            self.server_bytes(side, piece, hears);
        }
    }

    fn gap(&mut self, gap: &Gap, hears: &mut dyn Hears) {
        if gap.side == self.streams.client_side() {
            self.client_gap(gap, hears);
        } else {
            self.server_gap(gap, hears);
        }
    }

    /// Whether the server's direction is not in the capture, as far as this packet of the client tells.
    fn server_missing(&self, seen: Option<u64>) -> bool {
        !self.session.server_heard && seen != Some(0)
    }

    fn confirm_early(&mut self) {
        if let Some(at) = self.opening.confirm_early() {
            self.session.early_talk = true;
            self.session.early_at.get_or_insert(at);
        }
    }

    /// What is known of the session so far.
    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    pub(super) fn into_session(self) -> Session {
        self.session
    }

    /// The limits that acted.
    pub(super) fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    pub(super) fn streams(&self) -> &Streams {
        &self.streams
    }

    /// The choice that waits.
    pub(super) fn choice(&self) -> Option<&Choice> {
        self.choices.open()
    }

    /// The first client bytes that wait, at most so many.
    pub(super) fn held_prefix(&self, most: usize) -> Vec<u8> {
        self.held.prefix(most)
    }

    /// What is left of the server's bytes that led to the choice.
    pub(super) fn take_unread(&mut self) -> Option<super::input::KeptInput> {
        self.choices.take_unread()
    }

    pub(super) fn score(&self) -> Score {
        self.choices.score()
    }

    /// How the chunk that the choice is about is read where nothing decides.
    pub(super) fn of_watched_chunk(&self) -> Reading {
        self.choices.of_watched_chunk()
    }

    /// Whether there are too many replies for a message that did not end where it is tried, each command having its own.
    /// `has_end`: its CRLF.CRLF has come.
    pub(super) fn is_proved_by_number(&self, has_end: bool) -> bool {
        self.is_answered() && self.choices.is_proved_by_number(has_end)
    }

    /// Lone dots since the choice, the choice included.
    pub(super) fn candidates(&self) -> u32 {
        self.choices.candidates()
    }

    /// Where the first message since the choice ended.
    pub(super) fn data_end(&self) -> Option<u64> {
        self.choices.data_end()
    }

    /// Commands up to there come out of a mail's data.
    pub(super) fn smuggle_until(&mut self, position: u64) {
        self.choices.smuggle_until(position);
    }

    /// Whether every command has its reply.
    pub(super) fn is_answered(&self) -> bool {
        self.matching.iter().all(|pending| pending.optional)
    }

    /// Whether it is known that the client's next bytes are no message text.
    pub(super) fn is_reading_commands(&self) -> bool {
        !matches!(*self.client, State::Data(_) | State::Lost) && !self.client.is_unproved()
    }

    /// Whether the client is in message data.
    pub(super) fn is_in_data(&self) -> bool {
        matches!(&*self.client, State::Data(_))
    }

    /// Whether no reply is due but that to a chunk of which octets are to come.
    pub(super) fn is_in_chunk(&self) -> bool {
        let number = match &*self.client {
            State::Chunk(chunk) => chunk.command().number,
            State::Wait(command) if command.chunk().is_some_and(|(size, _)| size >= self.held.len() as u64) => {
                command.number
            }
            _ => return false,
        };
        self.matching.iter().all(|pending| pending.optional || pending.command.number == number)
    }

    /// What was in flight is not known any more.
    pub(super) fn lose_sequence(&mut self) {
        self.sequence.lose();
    }

    /// What is read as commands may be data.
    pub(super) fn doubt_lines(&mut self) {
        self.session.doubt.whether_commands();
    }

    #[cfg(test)]
    pub(super) fn trace(&self) -> &[String] {
        self.client.trace()
    }

    /// Bytes that are stored here, for the limits.
    pub(super) fn held_bytes(&self) -> usize {
        let parts = [
            self.held.len(),
            self.lines.client.held(),
            self.lines.server.held(),
            self.replies.held(),
            self.client.held(),
            self.matching.held(),
            self.telling.held(),
            self.envelope.held(),
        ];
        parts.into_iter().fold(0, usize::saturating_add)
    }
}

/// What a reply is to those who hear it, with its code: replies without one answer nothing.
fn spoken(reply: &Reply, seen: Option<u64>) -> matching::Spoken {
    matching::Spoken { code: reply.code.unwrap_or(0), seen }
}
