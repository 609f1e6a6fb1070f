//! One session as it is read: both halves' state in one value, so that a reading can be tried on a copy.
//!
//! The client's half is in [`client`](super::client), the server's in [`server`](super::server).

use std::collections::VecDeque;
use std::sync::Arc;

use super::auth::Attempt;
use super::client::Client;
use super::command::Command;
use super::event::{Event, Fault, FaultKind};
use super::fork::KeptInput;
use super::gathered::MessageFacts;
use super::held::Held;
use super::reply::{Keep, ReplyReader};
use super::sequence::Sequence;
use super::session::Session;
use super::usual::acknowledges;
use super::wire::foreign;
use super::wire::line::{Cut, Line, LineReader, Piece, Source};
use super::wire::verb::Verb;
use super::{Hears, Options};
use crate::base::{Limit, Limits, Packets, Side, Tally};
use crate::tcp::{Gap, Opening};

/// The limits that act in this room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub line: usize,
    pub held: usize,
    pub pending: usize,
    pub reply_lines: usize,
    pub recipients: usize,
    pub transactions: usize,
}

impl Bounds {
    pub(super) fn of_reply(&self) -> Keep {
        Keep { lines: self.reply_lines, octets: self.line }
    }

    pub(super) fn new(limits: &Limits) -> Bounds {
        let get = |limit| usize::try_from(limits.get(limit)).unwrap_or(usize::MAX);
        Bounds {
            line: get(Limit::LineLength),
            held: get(Limit::HeldBytesPerConnection),
            pending: get(Limit::PendingReplies),
            reply_lines: get(Limit::ReplyLines).max(1),
            recipients: get(Limit::Recipients),
            transactions: get(Limit::Transactions),
        }
    }
}

/// How far the server's first reply is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Greeting {
    /// The server's next reply is its greeting.
    Due,
    /// After TURN: an opening is due that is no greeting.
    Opening,
    /// A line without a code stood in its place, up to there; a 220 may still follow.
    Codeless(u64),
    /// It ended at that position of the server's stream.
    Done(u64),
    /// It was not captured.
    Unknown,
}

/// Whether replies can be matched with commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matching {
    Sure,
    /// After a gap in the server's bytes, or a reply to client bytes that had not come, until the client is seen to
    /// wait.
    Lost,
}

/// A command or message end that waits for its reply.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub command: Arc<Command>,
    pub awaits: Awaits,
    /// A reply to it has seen the client's stream up to here.
    pub end: u64,
    /// Where the server's stream stood when the client sent it, if the client had seen all of that.
    pub waited_at: Option<u64>,
    pub facts: Option<Box<MessageFacts>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaits {
    Reply,
    /// The reply or (LMTP, PRDR) replies to a message; so many are left, once the first has come.
    Message {
        last: bool,
        left: Option<usize>,
    },
}

/// What of the open transaction only the parser needs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Envelope {
    /// Recipients accepted.
    pub accepted: usize,
    /// MAIL said PRDR.
    pub prdr: bool,
    /// The transaction has its place in the session's list (which has a limit).
    pub listed: bool,
}

/// A point where bytes can be read in more than one way.
#[derive(Clone, Debug)]
pub(super) enum Choice {
    /// A client line ended in LF: is it a line?
    LineEnd(Box<Line>),
    /// A lone dot in message data, by its name: is it the end?
    EndOfData(&'static str),
}

/// One way to read on from a [`Choice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Lines end at LF.
    Lf,
    /// Lines end at CRLF only.
    CrLf,
    /// Only CRLF.CRLF ends data.
    Strict,
    /// The candidate of that number, from 0 at the choice, ends data.
    EndAt(u32),
}

/// The state of a session's reading.
///
/// Its fields lie in this order: what the usual chunk asks stands in front, on few cache lines.
#[derive(Clone, Debug)]
#[repr(C)]
pub(super) struct Dialogue {
    pub client: Client,
    /// A choice that waits for its decision: nothing of the client's is read until then.
    pub choice: Option<Choice>,
    /// The positions behind the last client byte and the last server byte that came.
    pub client_end: u64,
    pub server_end: u64,
    /// Client bytes that wait.
    pub held: Held,
    /// Who is the client now: TURN changes it.
    pub client_side: Side,
    /// Whether the client, the server ever acknowledged a byte.
    pub client_acks: bool,
    pub server_acks: bool,
    /// How lines are cut, once the server has shown it.
    pub cut: Option<Cut>,
    /// A copy on which a reading is tried: it never stops at a choice.
    pub scout: bool,
    /// The session is over: no choice can be left to evidence any more.
    pub closing: bool,
    /// Whether the client's first line was one of SMTP.
    pub first_line_fits: Option<bool>,
    pub server_speaks_smtp: Option<bool>,
    pub proxied: bool,
    /// The server's last line ended in LF without CR.
    pub behind_lf: bool,
    pub matching: Matching,
    /// AUTH was refused, and no other command has come since.
    pub refused_auth: bool,
    /// So many of the next lines may be of an exchange that was taken to be over: a user's name that in base64 is a verb
    /// (`HELP`), and the password behind it.
    pub doubtful_lines: u8,
    /// By packet order the greeting answers the client's first command.
    pub ungreeted_by_order: bool,
    pub options: Options,
    pub session: Session,

    pub server_lines: LineReader,
    pub client_lines: LineReader,
    pub bounds: Bounds,
    pub replies: ReplyReader,
    pub greeting: Greeting,
    pub pending: VecDeque<Pending>,
    /// Octets of the commands among them.
    pub pending_octets: usize,
    pub sequence: Sequence,
    pub next_number: u64,
    /// Commands from before this position came out of another mail's data.
    pub smuggled_until: u64,
    /// Commands that begin before this one's place in the client's stream may be message text, though a reply seemed
    /// to prove the first of them.
    pub unproved_until: u64,
    /// The command that the server's last reply refused, if its line was so long that Exim refuses it twice.
    pub refused_long: Option<Arc<Command>>,
    /// How far the server's last reply had seen the client's stream, and its code.
    pub last_reply: Option<(u64, u16)>,
    /// Where the client's bytes begin behind what was lost.
    pub lost_at: Option<u64>,
    /// The session's latest secrets, to find where the server quotes them.
    pub secrets: VecDeque<Arc<Command>>,
    pub attempt: Option<Box<Attempt>>,
    pub envelope: Envelope,
    /// Octets of the addresses in the session's list of transactions.
    pub listed_octets: usize,
    /// A first command that was early by what its sender had acknowledged, which was nothing at all; the
    /// first acknowledgement confirms it.
    pub doubtful_early: Option<Box<Packets>>,
    /// The same by packet order.
    pub early_by_order: Option<Box<Packets>>,
    /// What is left of the server's bytes that led to the choice.
    pub unread: Option<Box<KeptInput>>,
    /// Replies that answered a command or message.
    pub matched: u32,
    /// What does not fit the reading: replies that answer nothing.
    pub misfits: u32,
    /// What hardly fits it: replies that their commands hardly can have got.
    pub odd: u32,
    /// Of a scout: lone dots so far, and where its first message ended.
    pub candidates: u32,
    pub data_end: Option<u64>,
    /// Choices that were left to the evidence so far.
    pub forks: u32,
    pub tally: Tally,
}

impl Pending {
    /// Whether it is the end of message data that a 354 had opened.
    pub(super) fn is_message(&self) -> bool {
        self.facts.is_some() && self.command.is(&Verb::Data)
    }

    /// Octets of its command that are kept; an end of data shares them with its DATA.
    pub(super) fn octets(&self) -> usize {
        if self.facts.is_some() { 0 } else { self.command.kept() }
    }

    /// The verb, where nothing may stand behind it in its flight.
    pub(super) fn last(&self) -> Option<&Verb> {
        let verb = self.command.verb.as_ref().filter(|verb| verb.must_be_last());
        verb.filter(|_| self.awaits == Awaits::Reply)
    }
}

impl Dialogue {
    pub(super) fn new(opening: &Opening, server_side: Side, limits: &Limits, options: Options) -> Dialogue {
        let from_start = opening.from_start;
        let session = Session::new(opening.flow, opening.first, server_side, from_start.a && from_start.b);
        let server_start = from_start[server_side];
        let client_start = from_start[server_side.other()];
        Dialogue {
            session,
            tally: Tally::default(),
            bounds: Bounds::new(limits),
            options,
            client_side: server_side.other(),
            client: if client_start { Client::First } else { Client::Lost },
            client_lines: LineReader::default(),
            client_end: 0,
            held: Held::default(),
            cut: None,
            client_acks: false,
            first_line_fits: None,
            proxied: false,
            next_number: 0,
            smuggled_until: 0,
            unproved_until: 0,
            server_lines: LineReader::default(),
            replies: ReplyReader::default(),
            server_end: 0,
            server_acks: false,
            server_speaks_smtp: None,
            behind_lf: false,
            greeting: if server_start { Greeting::Due } else { Greeting::Unknown },
            matching: if server_start && client_start { Matching::Sure } else { Matching::Lost },
            pending: VecDeque::new(),
            pending_octets: 0,
            sequence: Sequence::new(server_start && client_start),
            refused_long: None,
            last_reply: None,
            lost_at: (!client_start).then_some(0),
            secrets: VecDeque::new(),
            attempt: None,
            refused_auth: false,
            doubtful_lines: 0,
            envelope: Envelope::default(),
            listed_octets: 0,
            doubtful_early: None,
            early_by_order: None,
            ungreeted_by_order: false,
            choice: None,
            unread: None,
            scout: false,
            closing: false,
            matched: 0,
            misfits: 0,
            odd: 0,
            candidates: 0,
            data_end: None,
            forks: 0,
        }
    }

    /// A copy to try a reading on. The list of transactions stays behind: no reading depends on it.
    pub(super) fn scout(&mut self) -> Dialogue {
        let transactions = std::mem::take(&mut self.session.transactions);
        let mut scout = self.clone();
        self.session.transactions = transactions;
        scout.envelope.listed = false;
        scout.scout = true;
        (scout.matched, scout.misfits, scout.odd) = (0, 0, 0);
        // The choice itself is the first.
        scout.candidates = 1;
        scout.data_end = None;
        scout
    }

    pub(super) fn bytes(&mut self, side: Side, mut piece: Piece<'_>, hears: &mut dyn Hears) {
        self.session.last = piece.from.at;
        if side == self.client_side {
            self.note_server_late(&mut piece);
            if acknowledges(&piece) && !self.client_acks {
                self.client_acks = true;
                self.session.client_acknowledged = true;
                self.confirm_early();
            }
            self.client_bytes(piece, hears);
        } else {
            self.server_acks |= acknowledges(&piece);
            self.server_bytes(side, piece, hears);
        }
    }

    /// A client that had seen more than has come of the server knew what is not known here; the replies still come in
    /// the order of its commands.
    fn note_server_late(&mut self, piece: &mut Piece<'_>) {
        if piece.from.seen > Some(self.server_end) {
            piece.from.seen = None;
            if self.session.server_heard && !self.client.is_opaque() {
                self.session.rests_after_loss = true;
                self.sequence.lose();
            }
        }
    }

    pub(super) fn gap(&mut self, gap: &Gap, hears: &mut dyn Hears) {
        if gap.side == self.client_side {
            self.client_gap(gap, hears);
        } else {
            self.server_gap(gap, hears);
        }
    }

    /// What the client has seen, as far as that may be relied on: one that never acknowledged anything, though
    /// bytes had been captured, has told nothing yet.
    pub(super) fn client_seen(&self, source: &Source) -> Option<u64> {
        source.seen.filter(|_| self.client_acks || source.captured == 0)
    }

    /// Forgets all commands that wait for a reply.
    pub(super) fn forget_pending(&mut self) {
        self.pending.clear();
        self.pending_octets = 0;
        self.sequence.lose();
    }

    /// What the server has seen. Where it never acknowledged anything, order decides.
    pub(super) fn server_seen(&self, seen: Option<u64>) -> Option<u64> {
        seen.filter(|_| self.server_acks)
    }

    /// Whether the server's direction is not in the capture, as far as this packet of the client tells.
    pub(super) fn server_missing(&self, seen: Option<u64>) -> bool {
        !self.session.server_heard && seen != Some(0)
    }

    pub(super) fn fault(&mut self, kind: FaultKind, side: Side, at: Packets, hears: &mut dyn Hears) {
        hears.hear(&Event::Fault(&Fault { kind, side, at }), &self.session);
    }

    /// The client's stream is another protocol.
    pub(super) fn name_protocol(&mut self, name: &'static str, side: Side, at: Packets, hears: &mut dyn Hears) {
        if self.session.protocol.is_none() {
            self.session.protocol = Some(name);
            self.fault(FaultKind::OtherProtocol { name }, side, at, hears);
        }
    }

    /// Neither side's first line is one of SMTP.
    pub(super) fn name_unknown(&mut self, side: Side, at: &Packets, hears: &mut dyn Hears) {
        if self.first_line_fits == Some(false) && self.server_speaks_smtp == Some(false) {
            self.name_protocol(foreign::UNKNOWN, side, at.clone(), hears);
        }
    }

    pub(super) fn confirm_early(&mut self) {
        if let Some(at) = self.doubtful_early.take() {
            self.session.early_talk = true;
            self.session.early_at.get_or_insert(*at);
        }
    }

    /// Bytes that are stored here, for the limits.
    pub(super) fn held_bytes(&self) -> usize {
        let parts = [
            self.held.len(),
            self.client_lines.held(),
            self.server_lines.held(),
            self.replies.held(),
            self.client.held(),
            self.pending.len().saturating_mul(size_of::<Pending>()),
            self.pending_octets,
        ];
        parts.into_iter().fold(0, usize::saturating_add)
    }
}
