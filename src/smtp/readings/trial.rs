//! A choice under trial: copies of the session read on, each in one way, until the evidence decides.

use std::collections::VecDeque;

use super::super::Hears;
use super::super::dialogue::Dialogue;
use super::super::input::{Input, KeptInput};
use super::super::wire::reply::may_begin;
use super::super::wire::verb;
use super::choice::{Choice, Reading};
use super::long::Long;
use super::scout::Scout;

/// A choice under trial.
#[derive(Debug)]
pub(in crate::smtp) struct Trial {
    /// The input since the choice, up to [`Trial::MOST`].
    log: Vec<KeptInput>,
    bytes: usize,
    /// A side had seen bytes of the other that had not come.
    ahead: bool,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Does a line end at LF?
    LineEnd {
        lf: Scout,
        crlf: Scout,
        /// How often the client, upon a reply, went on though only the reading with CRLF had all its commands answered; and
        /// how many it had had answered then.
        went_on: u32,
        answered: u32,
    },
    /// Does a lone dot end the message?
    EndOfData {
        strict: Scout,
        long: Option<Long>,
        /// How often the candidates were tried.
        tries: u32,
    },
    /// Two ways, of which the second is taken only if it alone fits.
    Either { first: (Reading, Scout), second: (Reading, Scout), question: Question },
}

/// What two ways are about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Question {
    /// Are a chunk's octets data?
    Chunk,
    /// Does a chunk that was refused go on? The bytes that follow, where none of it had come: they may be a command.
    RefusedChunk(Option<Vec<u8>>),
    /// Does the server take a PROXY header?
    Proxy,
    /// Does a server line end where the client acknowledged it? The bytes that come behind it tell at once if they are no
    /// code; they are kept as far as that takes.
    Division(Vec<u8>),
}

impl Trial {
    /// So much input is kept; then the default reading is taken.
    const MOST: usize = 64 << 10;
    /// Octets that tell whether a text begins with a code.
    const CODE: usize = 4;
    /// A line's verb stands in these octets.
    const LINE: usize = 64;
    /// The candidates of one message are tried so often.
    const TRIES: u32 = 64;

    pub(in crate::smtp) fn new(dialogue: &mut Dialogue) -> Option<Trial> {
        let either = |dialogue: &mut Dialogue, first, second, question| Kind::Either {
            first: (first, Scout::new(dialogue, first)),
            second: (second, Scout::new(dialogue, second)),
            question,
        };
        let kind = match dialogue.choice()? {
            Choice::LineEnd(_) => Kind::LineEnd {
                lf: Scout::new(dialogue, Reading::Lf),
                crlf: Scout::new(dialogue, Reading::CrLf),
                went_on: 0,
                answered: 0,
            },
            Choice::EndOfData(_) => {
                Kind::EndOfData { strict: Scout::new(dialogue, Reading::Strict), long: None, tries: 0 }
            }
            Choice::Chunk(_) => either(dialogue, Reading::Octets, Reading::Commands, Question::Chunk),
            &Choice::RefusedChunk(untouched) => {
                let line = untouched.then(|| dialogue.held_prefix(Self::LINE));
                either(dialogue, Reading::Octets, Reading::Commands, Question::RefusedChunk(line))
            }
            Choice::Proxy => either(dialogue, Reading::Taken, Reading::Refused, Question::Proxy),
            Choice::Division => either(dialogue, Reading::Whole, Reading::Divided, Question::Division(Vec::new())),
        };
        Some(Trial { log: Vec::new(), bytes: 0, ahead: false, kind })
    }

    /// Bytes that are kept.
    pub(in crate::smtp) fn held(&self) -> usize {
        match &self.kind {
            Kind::EndOfData { long: Some(long), .. } => self.bytes.saturating_add(long.held()),
            _ => self.bytes,
        }
    }

    /// Keeps an input and tries it; returns the reading if that decides it, and what is left of the input then. `dialogue` is
    /// the session as it stopped at the choice. Each of the server's lines may decide, however packets cut them.
    pub(in crate::smtp) fn follow(
        &mut self,
        input: &Input<'_>,
        dialogue: &mut Dialogue,
    ) -> (Option<Reading>, Option<KeptInput>) {
        let &Input::Bytes(side, mut piece) = input else { return (self.follow_part(input, dialogue), None) };
        if side == dialogue.streams().client_side() {
            return (self.follow_part(input, dialogue), None);
        }
        while !piece.is_empty() {
            let line = memchr::memchr(b'\n', piece.bytes).map_or(piece.bytes.len(), |place| place.saturating_add(1));
            let decided = self.follow_part(&Input::Bytes(side, piece.take(line)), dialogue);
            if decided.is_some() {
                let rest = (!piece.is_empty()).then(|| KeptInput::new(&Input::Bytes(side, piece)));
                return (decided, rest);
            }
        }
        (None, None)
    }

    fn follow_part(&mut self, input: &Input<'_>, dialogue: &mut Dialogue) -> Option<Reading> {
        let decided = self.before(input, dialogue);
        if decided.is_some() {
            self.keep(input);
            return decided;
        }
        match &mut self.kind {
            Kind::LineEnd { lf: one, crlf: other, .. } | Kind::Either { first: (_, one), second: (_, other), .. } => {
                one.take(input);
                other.take(input);
            }
            Kind::EndOfData { strict, .. } => strict.take(input),
        }
        self.keep(input);
        self.verdict(input, dialogue)
    }

    /// What the client's next bytes tell by what they acknowledge.
    fn before(&mut self, input: &Input<'_>, dialogue: &mut Dialogue) -> Option<Reading> {
        let Input::Bytes(side, piece) = input else { return None };
        let client = dialogue.streams().client_side();
        let (Kind::LineEnd { lf: scout, .. }
        | Kind::EndOfData { strict: scout, .. }
        | Kind::Either { first: (_, scout), .. }) = &self.kind;
        let streams = scout.dialogue.streams();
        let seen = piece.from.seen;
        let ahead = if *side == client { streams.client_is_ahead(seen) } else { streams.server_is_ahead(seen) };
        self.ahead |= ahead;
        if *side != client || ahead {
            return None;
        }
        // More of a flight tells nothing: what is unanswered may be in it.
        let learnt = streams.client_learnt(seen);
        match &mut self.kind {
            Kind::LineEnd { .. } | Kind::EndOfData { .. } if !learnt => None,
            Kind::LineEnd { lf, .. } if !lf.is_known(seen) => None,
            Kind::LineEnd { lf, .. } if lf.dialogue.is_answered() => Some(Reading::Lf),
            Kind::LineEnd { crlf, went_on, answered, .. } => {
                let matched = crlf.dialogue.score().matched;
                if crlf.is_answered() && matched > *answered {
                    *answered = matched;
                    *went_on = went_on.saturating_add(1);
                }
                (*went_on > 1).then_some(Reading::CrLf)
            }
            Kind::EndOfData { strict, .. } => {
                // A message that was answered where a candidate stands may have ended there.
                let ended = strict.dialogue.data_end().is_some() || strict.dialogue.score().suspects == 0;
                let over = ended && strict.dialogue.is_reading_commands() && strict.is_answered();
                if !strict.is_known(seen) {
                    return None;
                }
                // Whatever the server says to what the client has sent was said.
                if over { Some(Reading::Strict) } else { self.candidate_by_number(dialogue) }
            }
            Kind::Either { first: (first, one), second: (second, other), question } => {
                if let Question::Division(rest) = question {
                    if rest.is_empty() {
                        // It is what led to the choice.
                        return None;
                    }
                    other.end_open_line(seen);
                }
                let known = (learnt && one.is_known(seen), learnt && other.is_known(seen));
                match (one.is_answered(), other.is_answered()) {
                    // To octets that are still to come no reply is due.
                    (true, false) if known.0 && !other.dialogue.is_in_chunk() => Some(*first),
                    // A client that pipelines goes on whatever is unanswered: of a line only what is left over tells.
                    (false, true) if known.1 && !matches!(question, Question::Division(_)) => Some(*second),
                    _ => None,
                }
            }
        }
    }

    fn keep(&mut self, input: &Input<'_>) {
        if let Kind::EndOfData { strict, long: Some(long), .. } = &mut self.kind {
            return long.keep(input, strict);
        }
        self.bytes = self.bytes.saturating_add(KeptInput::cost(input));
        self.log.push(KeptInput::new(input));
    }

    /// What the replies tell.
    fn verdict(&mut self, input: &Input<'_>, dialogue: &mut Dialogue) -> Option<Reading> {
        let full = self.bytes > Self::MOST;
        if matches!(self.kind, Kind::EndOfData { .. })
            && let Input::Bytes(side, piece) = input
            && *side != dialogue.streams().client_side()
            && piece.bytes.ends_with(b"\n")
            && let Some(reading) = self.candidate(dialogue)
        {
            return Some(reading);
        }
        match &mut self.kind {
            Kind::LineEnd { lf, crlf, .. } => {
                let fits = crlf.dialogue.score().misfits == 0 && crlf.dialogue.score().odd <= lf.dialogue.score().odd;
                (full || !fits).then_some(Reading::Lf)
            }
            Kind::EndOfData { long: Some(long), .. } => (long.held() > Self::MOST).then_some(Reading::Strict),
            Kind::EndOfData { strict, long, .. } => {
                if full && strict.is_in_silent_data() {
                    *long = Some(Long::new(dialogue, &self.log));
                    return None;
                }
                full.then_some(Reading::Strict)
            }
            Kind::Either { first: (first, one), second: (second, other), question } => {
                if let (Question::RefusedChunk(Some(line)), Input::Bytes(side, piece)) = (&mut *question, input)
                    && *side == dialogue.streams().client_side()
                {
                    line.extend(piece.bytes.iter().take(Self::LINE.saturating_sub(line.len())));
                }
                if let (Question::Division(rest), Input::Bytes(side, piece)) = (&mut *question, input)
                    && *side != dialogue.streams().client_side()
                {
                    rest.extend(piece.bytes.iter().take(Self::CODE.saturating_sub(rest.len())));
                    if !may_begin(rest) {
                        return Some(Reading::Whole);
                    }
                }
                if self.ahead {
                    // What answers what cannot be counted.
                    return Some(question.undecided(one));
                }
                let accepted = one.dialogue.score().accepted;
                match (one.faults(), other.faults()) {
                    _ if accepted => Some(*first),
                    (0, 1..) => Some(*first),
                    (1.., 0) => Some(*second),
                    _ if full => Some(question.undecided(one)),
                    _ => None,
                }
            }
        }
    }

    /// The session is over: what is the reading?
    pub(in crate::smtp) fn verdict_at_end(&mut self, dialogue: &mut Dialogue) -> Reading {
        match &mut self.kind {
            Kind::LineEnd { lf, crlf, went_on, answered } => {
                let later = *went_on > 0 && crlf.dialogue.score().matched > *answered;
                let proved = later && crlf.is_answered() && !lf.dialogue.is_answered();
                if proved { Reading::CrLf } else { Reading::Lf }
            }
            Kind::EndOfData { .. } => self.candidate_by_number(dialogue).unwrap_or(Reading::Strict),
            Kind::Either { first: (first, one), second: (second, other), question } => {
                if matches!(question, Question::Division(_)) {
                    let end = other.dialogue.streams().server_end();
                    other.end_open_line(Some(end));
                }
                let tells = match question {
                    Question::Division(_) => true,
                    // Only if the server answered anything behind it.
                    Question::Chunk | Question::RefusedChunk(_) => one.dialogue.score().matched > 0,
                    Question::Proxy => false,
                };
                match (one.is_answered(), other.is_answered()) {
                    (true, false) if tells => *first,
                    (false, true) if tells => *second,
                    _ => question.undecided(one),
                }
            }
        }
    }

    /// The first candidate that, taken for the end, explains the replies, if one of them proves it, and no other candidate.
    fn candidate(&mut self, dialogue: &mut Dialogue) -> Option<Reading> {
        let fitting = self.candidates(dialogue, |scout| scout.dialogue.score().proved);
        // Of several the replies to come tell.
        let &(first, true) = fitting.first()? else { return None };
        let others = fitting.iter().filter(|(_, is_proved)| *is_proved).count();
        (others == 1).then_some(first)
    }

    /// The first candidate that, taken for the end, has a reply for each command; asked where no more replies are to come to
    /// what the client has sent.
    fn candidate_by_number(&mut self, dialogue: &mut Dialogue) -> Option<Reading> {
        let Kind::EndOfData { strict, .. } = &self.kind else { return None };
        let has_end = strict.dialogue.data_end().is_some();
        let is_proved = |scout: &Scout| scout.dialogue.score().proved || scout.dialogue.is_proved_by_number(has_end);
        self.candidates(dialogue, is_proved).iter().find(|(_, is_proved)| *is_proved).map(|(reading, _)| *reading)
    }

    /// The candidates that, taken for the end, explain the replies, and whether these prove them.
    fn candidates(&mut self, dialogue: &mut Dialogue, is_proved: impl Fn(&Scout) -> bool) -> Vec<(Reading, bool)> {
        /// So many candidates are tried.
        const MOST: u32 = 16;
        let Kind::EndOfData { strict, long, tries, .. } = &mut self.kind else { return Vec::new() };
        let strict = &strict.dialogue;
        if strict.score().misfits == 0 && strict.score().suspects == 0 || *tries >= Self::TRIES {
            return Vec::new();
        }
        *tries = tries.saturating_add(1);
        dialogue.smuggle_until(strict.data_end().unwrap_or(strict.streams().client_end()));
        let odd = strict.score().odd;
        let tried = |reading: Reading| {
            let mut scout = Scout::new(dialogue, reading);
            let later = long.iter().flat_map(Long::inputs);
            self.log.iter().cloned().chain(later).for_each(|kept| scout.take(&kept.input()));
            let score = scout.dialogue.score();
            (score.misfits == 0 && score.odd <= odd).then(|| (reading, is_proved(&scout)))
        };
        (0..strict.candidates().min(MOST)).map(Reading::EndAt).filter_map(tried).collect()
    }

    /// Takes the reading; returns the input that is to be read behind it.
    pub(in crate::smtp) fn take(
        self,
        reading: Reading,
        dialogue: &mut Dialogue,
        hears: &mut dyn Hears,
    ) -> VecDeque<KeptInput> {
        let long = match self.kind {
            Kind::EndOfData { long, .. } => long,
            Kind::LineEnd { .. } | Kind::Either { .. } => None,
        };
        let lossy = self.log.iter().any(|kept| matches!(kept, KeptInput::Gap(_)));
        let unproved = lossy && !matches!(reading, Reading::CrLf | Reading::Strict | Reading::EndAt(_));
        if reading == Reading::Commands && (lossy || self.ahead) {
            // What would have told is missing: they may be data.
            dialogue.doubt_lines();
        }
        match (long, reading) {
            (Some(long), Reading::Strict) => long.adopt(dialogue),
            (long, reading) => {
                if self.ahead && matches!(reading, Reading::Lf | Reading::CrLf) {
                    // Which reading has more commands than replies cannot be told.
                    dialogue.lose_late(hears);
                }
                if unproved {
                    // The line may have been one with the next: what was in flight is not known.
                    dialogue.lose_sequence();
                }
                dialogue.choose(reading, hears);
                self.log.into_iter().chain(long.iter().flat_map(Long::inputs)).collect()
            }
        }
    }
}

impl Question {
    /// What is read where nothing decides; `first` has read on in the first way.
    fn undecided(&self, first: &Scout) -> Reading {
        match self {
            Question::Chunk => first.dialogue.of_watched_chunk(),
            Question::Proxy => Reading::Taken,
            Question::RefusedChunk(Some(line)) if begins_command(line) => Reading::Commands,
            Question::RefusedChunk(_) => Reading::Octets,
            Question::Division(_) => Reading::Whole,
        }
    }
}

/// Whether the first line has a verb that is known.
fn begins_command(bytes: &[u8]) -> bool {
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    verb::split(line).0.is_some_and(|verb| verb.is_known())
}
