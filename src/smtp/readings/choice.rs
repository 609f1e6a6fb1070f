//! Points where bytes can be read in more than one way, and how well a reading fits what the server said.

use std::sync::Arc;

use super::super::command::Command;
use super::super::input::KeptInput;
use super::super::reply::Reply;
use super::super::wire::line::Line;

/// A point where bytes can be read in more than one way.
#[derive(Clone, Debug)]
pub(in crate::smtp) enum Choice {
    /// A client line ended in LF: is it a line?
    LineEnd(Box<Line>),
    /// A lone dot in message data, by its name: is it the end?
    EndOfData(&'static str),
    /// BDAT was sent, and nothing tells yet whether its octets are data.
    Chunk(Arc<Command>),
    /// A chunk was refused before its end, and the client that knows it says something: a command, where none of the chunk
    /// has come?
    RefusedChunk(bool),
    /// A PROXY header came behind the greeting, or crossed it: does the server take it?
    Proxy,
    /// The client speaks, and had acknowledged exactly what has come of a server line without its end: does it end there?
    Division,
}

/// One way to read on from a [`Choice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::smtp) enum Reading {
    /// Lines end at LF.
    Lf,
    /// Lines end at CRLF only.
    CrLf,
    /// Only CRLF.CRLF ends data.
    Strict,
    /// The candidate of that number, from 0 at the choice, ends data.
    EndAt(u32),
    /// A chunk's octets are data.
    Octets,
    /// They are commands.
    Commands,
    /// A PROXY header was taken.
    Taken,
    /// It was refused: it is one command, or lines.
    Refused,
    /// A server line is one line.
    Whole,
    /// It is two.
    Divided,
}

/// How well a reading fits what the server said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::smtp) struct Score {
    /// Replies that answered a command or message; where the choice is about BDAT's octets, those behind BDAT's own.
    pub matched: u32,
    /// What does not fit: replies that answer nothing, or cannot answer what they would.
    pub misfits: u32,
    /// What hardly fits: replies that their commands hardly can have got.
    pub odd: u32,
    /// A reply came that had seen a candidate for the end of data, but no end.
    pub suspects: u32,
    /// Something behind the choice got a reply that only it can have got.
    pub proved: bool,
    /// BDAT, whose octets are the choice, was accepted.
    pub accepted: bool,
    /// It was refused as a command that the server does not know, or does not offer.
    pub unknown: bool,
}

/// What proves that a message ended at a candidate.
#[derive(Clone, Copy, Debug)]
struct Proof {
    /// Where the client's stream goes on behind it.
    from: u64,
    /// Where the reply to the message ended in the server's stream, once it has come.
    answered: Option<u64>,
    /// Where the client's bytes begin that it sent when it knew that reply.
    knew: Option<u64>,
    /// That reply took the message.
    taken: bool,
    /// So many commands behind it got replies.
    behind: u32,
}

/// The choices of one session.
#[derive(Clone, Debug, Default)]
pub(in crate::smtp) struct Choices {
    /// One that waits for its decision: nothing is read until then.
    open: Option<Choice>,
    /// A copy on which a reading is tried: it never stops at a choice.
    scout: bool,
    /// The session is over: no choice can be left to evidence any more.
    closing: bool,
    /// What is left of the server's bytes that led to the choice.
    unread: Option<Box<KeptInput>>,
    /// Choices that were left to the evidence so far.
    made: u32,
    score: Score,
    /// Of a scout: lone dots so far, and where its first message ended.
    candidates: u32,
    data_end: Option<u64>,
    /// Commands from before this position came out of another mail's data.
    smuggled_until: u64,
    /// What a candidate taken for the end has to be proved by.
    proof: Option<Proof>,
    /// The BDAT that the choice is about.
    watched: Option<u64>,
    /// The last BDAT that was refused as a command that the server does not know, or does not offer.
    unknown_chunk: Option<u64>,
    /// Server lines end where the client acknowledges them and speaks: this server ends none otherwise.
    divides: bool,
    /// Whether CHUNKING stood in any EHLO reply; `None` where none was captured.
    chunking: Option<bool>,
}

impl Choices {
    /// So many choices of one session are left to the evidence; later ones are read in the default way.
    const MOST: u32 = 64;

    /// The choice that waits.
    pub(in crate::smtp) fn open(&self) -> Option<&Choice> {
        self.open.as_ref()
    }

    pub(in crate::smtp) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether the octets behind the BDAT of that number are the choice that waits.
    pub(in crate::smtp) fn is_chunk(&self, number: u64) -> bool {
        matches!(&self.open, Some(Choice::Chunk(command)) if command.number == number)
    }

    /// Whether a point is left to the evidence.
    pub(in crate::smtp) fn may_open(&self) -> bool {
        !self.scout && !self.closing
    }

    /// Whether a session has left as many choices to the evidence as it may.
    pub(in crate::smtp) fn is_spent(&self) -> bool {
        self.made >= Self::MOST
    }

    /// Whether a point is left to the evidence, and the session may leave one more to it.
    pub(in crate::smtp) fn may_stop(&self) -> bool {
        self.may_open() && !self.is_spent()
    }

    /// Stops at a choice.
    pub(in crate::smtp) fn stop(&mut self, choice: Choice) {
        self.made = self.made.saturating_add(1);
        self.open = Some(choice);
    }

    /// Takes the choice to read on.
    pub(in crate::smtp) fn take(&mut self) -> Option<Choice> {
        self.open.take()
    }

    pub(in crate::smtp) fn keep_unread(&mut self, input: KeptInput) {
        self.unread = Some(Box::new(input));
    }

    pub(in crate::smtp) fn take_unread(&mut self) -> Option<KeptInput> {
        self.unread.take().map(|unread| *unread)
    }

    /// The session is over.
    pub(in crate::smtp) fn close(&mut self) {
        self.closing = true;
    }

    /// Of a copy that tries a reading.
    pub(in crate::smtp) fn scout(&self) -> Choices {
        Choices {
            open: self.open.clone(),
            scout: true,
            // The choice itself is the first.
            candidates: 1,
            smuggled_until: self.smuggled_until,
            chunking: self.chunking,
            unknown_chunk: self.unknown_chunk,
            divides: self.divides,
            ..Choices::default()
        }
    }

    pub(in crate::smtp) fn is_scout(&self) -> bool {
        self.scout
    }

    pub(in crate::smtp) fn score(&self) -> Score {
        self.score
    }

    /// A reply answered a command or message.
    pub(in crate::smtp) fn note_match(&mut self, is_odd: bool) {
        self.score.matched = self.score.matched.saturating_add(1);
        self.score.odd = self.score.odd.saturating_add(u32::from(is_odd));
    }

    /// A reply answers nothing.
    pub(in crate::smtp) fn note_misfit(&mut self) {
        self.score.misfits = self.score.misfits.saturating_add(1);
    }

    /// A reply had seen a candidate, but no end of data.
    pub(in crate::smtp) fn note_suspect(&mut self) {
        self.score.suspects = self.score.suspects.saturating_add(1);
    }

    /// The BDAT of that number is what the choice is about.
    pub(in crate::smtp) fn watch(&mut self, number: u64) {
        self.watched = Some(number);
        self.score.unknown = self.unknown_chunk == self.watched;
    }

    /// BDAT was answered.
    pub(in crate::smtp) fn note_chunk(&mut self, number: u64, reply: &Reply) {
        if self.watched == Some(number) {
            self.score.accepted |= reply.accepts();
            self.score.matched = 0;
        }
        if reply.knows_no_such_command() {
            self.unknown_chunk = Some(number);
            self.score.unknown |= self.watched == Some(number);
        }
    }

    /// A command that begins there got a reply that only a command gets, of a server that had seen so much.
    pub(in crate::smtp) fn note_proof(&mut self, start: u64, seen: Option<u64>) {
        let Some(proof) = self.proof.filter(|proof| start >= proof.from) else { return };
        self.score.proved |= match proof.knew {
            None => true,
            // What a server executes it answers before more comes; what it drops it never answers.
            Some(knew) if start < knew => seen.is_none_or(|seen| seen <= knew),
            Some(knew) => knew == proof.from,
        };
    }

    /// A command that begins there got a reply.
    pub(in crate::smtp) fn note_answered(&mut self, start: u64) {
        if let Some(proof) = self.proof.as_mut().filter(|proof| start >= proof.from) {
            proof.behind = proof.behind.saturating_add(1);
        }
    }

    /// Whether the replies are too many for a message that did not end there; to be asked where each command behind it has
    /// its own. Who takes a message is at its end; who refuses it in the middle may refuse it once more at its end, if that
    /// has come.
    pub(in crate::smtp) fn is_proved_by_number(&self, has_end: bool) -> bool {
        self.proof.is_some_and(|proof| proof.behind > u32::from(!proof.taken && has_end))
    }

    /// What begins there or behind may prove the reading.
    pub(in crate::smtp) fn prove_from(&mut self, from: u64) {
        self.proof = Some(Proof { from, answered: None, knew: None, taken: false, behind: 0 });
    }

    /// A message was answered by a reply that ends there, and took it or not, of a server that had seen so much.
    pub(in crate::smtp) fn note_message_answer(&mut self, end: u64, taken: bool, seen: Option<u64>) {
        if let Some(proof) = &mut self.proof
            && proof.answered.is_none()
        {
            (proof.answered, proof.taken) = (Some(end), taken);
            // A message is taken at its end, and nothing had come behind it.
            self.score.proved |= taken && seen == Some(proof.from);
        }
    }

    /// The client speaks from there on, and had seen the server's stream up to `seen`.
    pub(in crate::smtp) fn note_client(&mut self, offset: u64, seen: Option<u64>) {
        if let Some(proof) = &mut self.proof
            && proof.answered.is_some_and(|end| seen.is_none_or(|seen| seen >= end))
        {
            proof.knew.get_or_insert(offset);
        }
    }

    /// Counts a lone dot.
    pub(in crate::smtp) fn note_candidate(&mut self) {
        self.candidates = self.candidates.saturating_add(1);
    }

    pub(in crate::smtp) fn candidates(&self) -> u32 {
        self.candidates
    }

    /// A message ended there.
    pub(in crate::smtp) fn note_data_end(&mut self, position: u64) {
        self.data_end.get_or_insert(position);
    }

    pub(in crate::smtp) fn data_end(&self) -> Option<u64> {
        self.data_end
    }

    /// Commands up to there come out of a mail's data.
    pub(in crate::smtp) fn smuggle_until(&mut self, position: u64) {
        self.smuggled_until = position;
    }

    pub(in crate::smtp) fn is_smuggled(&self, command: &Command) -> bool {
        command.start < self.smuggled_until
    }

    /// A server line ended where the client acknowledged it and spoke.
    pub(in crate::smtp) fn divide(&mut self) {
        self.divides = true;
    }

    pub(in crate::smtp) fn divides(&self) -> bool {
        self.divides
    }

    /// An EHLO reply was captured.
    pub(in crate::smtp) fn note_offer(&mut self, chunking: bool) {
        self.chunking = Some(self.chunking == Some(true) || chunking);
    }

    /// How the octets of that BDAT are read where nothing decides (RFC 3030 section 2: where CHUNKING was offered a refused
    /// chunk is skipped too). Who does not know the command knows of no octets (Exim, where a tab stands behind BDAT).
    pub(in crate::smtp) fn of_undecided_chunk(&self, number: u64) -> Reading {
        self.of_refused_chunk(self.unknown_chunk == Some(number))
    }

    /// How the octets of the BDAT that the choice is about are read where nothing decides.
    pub(in crate::smtp) fn of_watched_chunk(&self) -> Reading {
        self.of_refused_chunk(self.score.unknown)
    }

    fn of_refused_chunk(&self, unknown: bool) -> Reading {
        if unknown || self.chunking == Some(false) { Reading::Commands } else { Reading::Octets }
    }
}
