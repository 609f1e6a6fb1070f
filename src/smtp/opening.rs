//! How a session opens: the greeting, a client that spoke before it, and whether either side speaks SMTP at all.

use super::command::Command;
use super::reply::Reply;
use super::wire::verb::Verb;
use crate::base::Packets;

/// How far the server's first reply is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Greeting {
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

/// What the server's next reply is to the opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The greeting.
    Greeting,
    /// The opening of a server that was the client before.
    Opening,
    /// The greeting of a session whose start was not captured.
    LateGreeting,
    /// Nothing: it answers a command.
    Answer,
}

/// The client's first command, as far as the greeting asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct FirstCommand<'c> {
    pub verb: Option<&'c Verb>,
    pub end: u64,
    /// It was sent though nothing had been said.
    pub unasked: bool,
}

/// A session's opening.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    greeting: Greeting,
    /// Whether the client's first line was one of SMTP.
    client_fits: Option<bool>,
    /// Whether the server's first line was one of SMTP.
    server_fits: Option<bool>,
    /// By packet order the greeting answers the client's first command.
    ungreeted_by_order: bool,
    /// A PROXY header came.
    proxied: bool,
    /// The client's next line begins like another protocol.
    foreign_line: bool,
    /// A first command that was early by what its sender had acknowledged, which was nothing at all; the first
    /// acknowledgement confirms it.
    doubtful_early: Option<Box<Packets>>,
    /// The same by packet order.
    early_by_order: Option<Box<Packets>>,
}

impl Opening {
    /// `server_start`: the server's stream was captured from its first byte.
    pub(super) fn new(server_start: bool) -> Opening {
        Opening {
            greeting: if server_start { Greeting::Due } else { Greeting::Unknown },
            client_fits: None,
            server_fits: None,
            ungreeted_by_order: false,
            proxied: false,
            foreign_line: false,
            doubtful_early: None,
            early_by_order: None,
        }
    }

    /// The greeting has not come, nor anything in its place.
    pub(super) fn is_greeting_due(&self) -> bool {
        self.greeting == Greeting::Due
    }

    /// The client's first line has come; returns whether neither side's first line is one of SMTP.
    pub(super) fn first_client_line(&mut self, verb: Option<&Verb>) -> bool {
        if self.client_fits.is_some() {
            return false;
        }
        let letters = verb.map_or(0, |verb| verb.name().len());
        self.client_fits = Some((3..=12).contains(&letters));
        self.is_unknown()
    }

    /// Whether the server has said nothing so far.
    pub(super) fn is_server_silent(&self) -> bool {
        self.server_fits.is_none()
    }

    /// The server's first line has come; returns whether neither side's first line is one of SMTP.
    pub(super) fn first_server_line(&mut self, fits: bool) -> bool {
        self.server_fits = Some(fits);
        self.is_greeting_due() && self.is_unknown()
    }

    /// A server that began as another protocol's speaks SMTP after all.
    pub(super) fn server_speaks_smtp(&mut self) {
        self.server_fits = Some(true);
    }

    pub(super) fn server_fits(&self) -> Option<bool> {
        self.server_fits
    }

    fn is_unknown(&self) -> bool {
        self.client_fits == Some(false) && self.server_fits == Some(false)
    }

    /// What the next reply is; `first` is the client's oldest command without a reply, `may_be_answer` whether it may
    /// answer what the client said though no such command is known, `is_first` whether no reply came before it.
    pub(super) fn role(
        &mut self,
        reply: &Reply,
        first: Option<FirstCommand<'_>>,
        may_be_answer: bool,
        gets_220: bool,
        is_first: bool,
    ) -> (Role, Missing) {
        match self.greeting {
            Greeting::Due if may_be_answer && !reply.may_greet() => {
                self.greeting = Greeting::Unknown;
                self.forget_early();
                (Role::Answer, Missing::Lost)
            }
            Greeting::Due if reply.seen.is_some_and(|seen| fits_first(reply, first, seen)) => {
                self.greeting = Greeting::Done(0);
                (Role::Answer, Missing::Never)
            }
            Greeting::Due => {
                self.ungreeted_by_order = fits_first(reply, first, reply.captured);
                self.greeting =
                    if reply.code.is_none() { Greeting::Codeless(reply.end) } else { Greeting::Done(reply.end) };
                (Role::Greeting, Missing::No)
            }
            Greeting::Opening => {
                self.greeting = Greeting::Done(reply.end);
                (Role::Opening, Missing::No)
            }
            Greeting::Codeless(end) => {
                let is_220 = reply.code == Some(220);
                self.greeting = Greeting::Done(if is_220 { reply.end } else { end });
                (if is_220 { Role::Opening } else { Role::Answer }, Missing::No)
            }
            Greeting::Unknown if is_first && reply.code == Some(220) && !gets_220 => (Role::LateGreeting, Missing::No),
            Greeting::Unknown | Greeting::Done(_) => (Role::Answer, Missing::No),
        }
    }

    /// What stands in the greeting's place, up to there, is another protocol's.
    pub(super) fn note_codeless(&mut self, end: u64) {
        self.greeting = Greeting::Codeless(end);
    }

    /// Server bytes are missing: a greeting that had not come may be among them.
    pub(super) fn lose_greeting(&mut self) {
        if matches!(self.greeting, Greeting::Due | Greeting::Opening | Greeting::Codeless(_)) {
            self.greeting = Greeting::Unknown;
        }
    }

    /// The server takes for SMTP what begins like another protocol: the next line is that.
    pub(super) fn note_foreign_line(&mut self, is_foreign: bool) {
        self.foreign_line = is_foreign;
    }

    pub(super) fn take_foreign_line(&mut self) -> bool {
        std::mem::take(&mut self.foreign_line)
    }

    pub(super) fn is_proxied(&self) -> bool {
        self.proxied
    }

    /// A PROXY header came: there is no second one.
    pub(super) fn note_proxy(&mut self) {
        self.proxied = true;
    }

    /// The client becomes the server: it opens, which is no greeting.
    pub(super) fn turn(&mut self) {
        self.greeting = Greeting::Opening;
    }

    /// Notes whether the client knew the whole greeting when it sent that command. `seen` is what it had surely seen.
    /// Returns whether the command is the first that surely came too early.
    pub(super) fn note_early(&mut self, command: &mut Command, seen: Option<u64>) -> bool {
        let (by_seen, by_order) = match self.greeting {
            Greeting::Due => (command.seen.map(|_| true), true),
            Greeting::Done(end) | Greeting::Codeless(end) => {
                (command.seen.map(|seen| seen < end), command.captured < end)
            }
            Greeting::Opening | Greeting::Unknown => return false,
        };
        if by_order && self.early_by_order.is_none() {
            self.early_by_order = Some(Box::new(command.at.clone()));
        }
        if seen.is_some() || by_seen == Some(by_order) {
            command.early = by_seen;
        } else if by_seen == Some(true) && self.doubtful_early.is_none() {
            self.doubtful_early = Some(Box::new(command.at.clone()));
        }
        command.early == Some(true)
    }

    /// The client has acknowledged something: a doubtful first command was early.
    pub(super) fn confirm_early(&mut self) -> Option<Packets> {
        self.doubtful_early.take().map(|at| *at)
    }

    /// What was too early by packet order, for a session in which nobody acknowledged anything, and whether the greeting
    /// is missing by that order.
    pub(super) fn by_order(&mut self) -> (Option<Packets>, bool) {
        (self.early_by_order.take().map(|at| *at), self.ungreeted_by_order)
    }

    fn forget_early(&mut self) {
        (self.early_by_order, self.doubtful_early) = (None, None);
    }
}

/// Why a session has no greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    No,
    /// It was not captured.
    Lost,
    /// The server never sent one.
    Never,
}

/// Whether a reply, of a server that had the client's bytes up to there, is none to the connection: the client's first
/// command was sent though nothing had been said, and the reply fits it.
fn fits_first(reply: &Reply, first: Option<FirstCommand<'_>>, had: u64) -> bool {
    let Some(first) = first.filter(|first| had >= first.end && first.unasked) else { return false };
    match (first.verb, reply.code) {
        (Some(Verb::Ehlo | Verb::Helo | Verb::Lhlo), Some(250)) | (Some(Verb::Help), Some(211 | 214)) => true,
        // 521 and 554 refuse the connection itself (RFC 7504, RFC 5321 section 3.1).
        (Some(Verb::Other(_)) | None, Some(code)) => (500..600).contains(&code) && !matches!(code, 521 | 554),
        _ => false,
    }
}
