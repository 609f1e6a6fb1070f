//! Which reply answers what: the oldest command that waits, until a reply cannot be its command's (SESSION.md, *reply*;
//! RFC 2920 section 3.2).
//!
//! A pair is certain where one command was open and the reply's first byte acknowledged exactly its end. Replies behind the
//! last certain pair may still be given anew: [`realign`] finds how.

use std::collections::VecDeque;
use std::sync::Arc;

use super::command::Command;
use super::gathered::MessageFacts;
use super::reply::Reply;
use super::wire::verb::Verb;

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
    /// A reply in the middle has answered it: some servers answer once more at its end, others do not.
    pub optional: bool,
    /// What the client knew of the session was known when its reply came.
    pub known: bool,
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

impl Pending {
    /// A command that waits for one reply.
    pub(super) fn command(command: Arc<Command>, waited_at: Option<u64>) -> Pending {
        Pending {
            end: command.end,
            command,
            awaits: Awaits::Reply,
            waited_at,
            facts: None,
            optional: false,
            known: false,
        }
    }

    /// Whether it is the end of message data that a 354 had opened.
    pub(super) fn is_message(&self) -> bool {
        self.facts.is_some() && self.command.is(&Verb::Data)
    }

    /// Octets of its command that are kept; an end of data shares them with its DATA.
    fn octets(&self) -> usize {
        if self.facts.is_some() { 0 } else { self.command.octets_kept() }
    }

    /// The verb, where nothing may stand behind it in its flight.
    pub(super) fn last(&self) -> Option<&Verb> {
        let verb = self.command.verb.as_ref().filter(|verb| verb.must_be_last());
        verb.filter(|_| self.awaits == Awaits::Reply)
    }

    fn slot(&self) -> Slot {
        // Servers that end a verb elsewhere read one where there is none by RFC 5321 (Exim: HELP and a control octet).
        let meant = if self.command.verb.is_none() { self.command.begins_with() } else { None };
        let kind = match (&self.awaits, self.command.verb.as_ref().or(meant.as_ref())) {
            (Awaits::Message { .. }, _) => Kind::Message,
            (_, Some(Verb::Data | Verb::XExch50 | Verb::Burl)) => Kind::Data,
            (_, Some(Verb::Help)) => Kind::Help,
            (_, Some(Verb::Quit)) => Kind::Quit,
            (_, Some(Verb::Vrfy | Verb::Expn)) => Kind::Verify,
            (_, Some(verb)) if verb.is_auth() => Kind::Auth,
            (_, None) if self.command.exchange => Kind::Auth,
            _ => Kind::Other,
        };
        Slot { kind, end: self.end }
    }
}

/// What the codes of a command's replies tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Data,
    Message,
    Auth,
    Help,
    Quit,
    Verify,
    Other,
}

impl Kind {
    /// Whether a command of that kind cannot have got that code, since only others get it.
    fn contradicts(self, code: u16) -> bool {
        match code {
            354 => self != Kind::Data,
            334 => self != Kind::Auth,
            211 | 214 => self != Kind::Help,
            221 => self != Kind::Quit,
            252 => self != Kind::Verify,
            _ => false,
        }
    }

    /// Whether it may have got that code where replies are given anew: DATA is not accepted but with 354.
    fn fits(self, code: u16) -> bool {
        let accepted = (200..300).contains(&code);
        !(self.contradicts(code) || self == Kind::Data && accepted)
    }
}

/// A command as matching sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    kind: Kind,
    end: u64,
}

/// A reply as matching sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spoken {
    pub code: u16,
    pub seen: Option<u64>,
}

/// How the oldest command and a reply stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pair {
    /// One command was open, and the reply's first byte acknowledged exactly its end.
    Certain,
    /// As far as is known: the oldest holds.
    Oldest,
    /// The reply cannot be that command's.
    Contradiction,
}

/// The commands that wait, and what is known of the replies so far.
#[derive(Clone, Debug)]
pub(super) struct Matching {
    /// False after a gap in the server's bytes, or a reply to client bytes that had not come, until the client is seen to
    /// wait.
    sure: bool,
    pending: VecDeque<Pending>,
    /// Octets of the commands among them.
    octets: usize,
    most: Most,
    next_number: u64,
    /// How far the server's last reply had seen the client's stream, and its code.
    last_reply: Option<(u64, u16)>,
    /// The command that the server's last reply refused, if its line was so long that Exim refuses it twice.
    refused_long: Option<Arc<Command>>,
    /// A reply to a line of which the end has not come.
    early: Option<Box<Reply>>,
    /// A 221 that contradicts what it answers, until it is seen whether the server closes behind it.
    farewell: Option<Box<Reply>>,
}

/// How many commands may wait, and how many octets of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Most {
    pub commands: usize,
    pub octets: usize,
}

impl Matching {
    /// Exim answers a line above so many octets twice (measured with 4.96).
    const LONG: u64 = 16 << 10;

    pub(super) fn new(sure: bool, most: Most) -> Matching {
        Matching {
            sure,
            pending: VecDeque::new(),
            octets: 0,
            most,
            next_number: 0,
            last_reply: None,
            refused_long: None,
            early: None,
            farewell: None,
        }
    }

    /// The next command's number.
    pub(super) fn number(&mut self) -> u64 {
        let number = self.next_number;
        self.next_number = number.saturating_add(1);
        number
    }

    pub(super) fn is_sure(&self) -> bool {
        self.sure
    }

    /// What was open is known to be answered: the next command's reply is the next reply.
    pub(super) fn find(&mut self) {
        self.sure = true;
    }

    /// Which replies belong to which commands is not known any more.
    pub(super) fn lose(&mut self) {
        self.sure = false;
    }

    pub(super) fn front(&self) -> Option<&Pending> {
        self.pending.front()
    }

    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Pending> {
        self.pending.iter()
    }

    /// The waiting command of that number.
    pub(super) fn find_mut(&mut self, number: u64) -> Option<&mut Pending> {
        self.pending.iter_mut().find(|pending| pending.command.number == number)
    }

    /// Accounted bytes.
    pub(super) fn held(&self) -> usize {
        let replies = self.early.iter().chain(&self.farewell).map(|reply| reply.held());
        let long = self.refused_long.iter().map(|command| command.octets_kept());
        let pending = self.pending.len().saturating_mul(size_of::<Pending>()).saturating_add(self.octets);
        replies.chain(long).fold(pending, usize::saturating_add)
    }

    /// Whether one more would be more than may wait.
    pub(super) fn is_full(&self, next: &Pending) -> bool {
        let octets = self.octets.saturating_add(next.octets());
        self.pending.len() >= self.most.commands || octets > self.most.octets
    }

    /// Puts what waits for a reply behind the others.
    pub(super) fn expect(&mut self, pending: Pending) {
        if !self.sure && pending.waited_at.is_some() {
            // What was open before the server spoke last was answered then, or never will be.
            self.pending.retain(|older| older.waited_at == pending.waited_at);
            self.count_octets();
        }
        if pending.waited_at.is_some() {
            // The client has seen that no second answer came.
            self.pending.retain(|older| !older.optional);
        }
        self.octets = self.octets.saturating_add(pending.octets());
        self.pending.push_back(pending);
    }

    /// Takes the oldest off.
    pub(super) fn pop(&mut self) -> Option<Pending> {
        let pending = self.pending.pop_front()?;
        self.octets = self.octets.saturating_sub(pending.octets());
        Some(pending)
    }

    /// Puts the oldest back: more replies to it are due.
    pub(super) fn put_back(&mut self, pending: Pending) {
        self.octets = self.octets.saturating_add(pending.octets());
        self.pending.push_front(pending);
    }

    /// Takes all that wait.
    pub(super) fn take_all(&mut self) -> VecDeque<Pending> {
        self.octets = 0;
        std::mem::take(&mut self.pending)
    }

    fn count_octets(&mut self) {
        self.octets = self.pending.iter().fold(0, |sum, pending| sum.saturating_add(pending.octets()));
    }

    /// Whether a reply that had seen so much may answer the oldest.
    pub(super) fn covers(&self, reply: Spoken) -> bool {
        self.pending.front().is_some_and(|pending| {
            // A message may be refused before its end is seen.
            let in_data = pending.is_message() && (400..600).contains(&reply.code);
            let from = if in_data { pending.command.end } else { pending.end };
            reply.seen.is_none_or(|seen| seen >= from)
        })
    }

    /// Whether replies can be matched, or can again since the client waited for this one.
    pub(super) fn is_sure_of(&self, reply: Spoken) -> bool {
        let fits = |only: &Pending| only.waited_at.is_some() && only.slot().kind.fits(reply.code);
        let waited = self.pending.front().is_some_and(fits);
        self.sure || (self.pending.len() == 1 && reply.seen.is_some() && waited)
    }

    /// Whether the client waited before the one command that is open: the next reply is its.
    pub(super) fn is_sure_of_only(&self) -> bool {
        self.pending.len() == 1 && self.pending.front().is_some_and(|only| only.waited_at.is_some())
    }

    /// How the oldest and the reply stand to each other.
    pub(super) fn pair(&self, reply: Spoken) -> Pair {
        let Some(front) = self.pending.front() else { return Pair::Oldest };
        if self.pending.len() == 1 && reply.seen.is_none_or(|seen| seen == front.end) {
            return Pair::Certain;
        }
        if front.slot().kind.contradicts(reply.code) { Pair::Contradiction } else { Pair::Oldest }
    }

    /// How the replies since the last certain pair are to be given anew so that each fits the command that it is given;
    /// `matched` are the pairs as they were given, `reply` the one that contradicts.
    pub(super) fn realign<'p>(
        &self,
        matched: impl Iterator<Item = (&'p Pending, Spoken)>,
        reply: Spoken,
    ) -> Option<Shift> {
        let (mut slots, mut replies): (Vec<Slot>, Vec<Spoken>) =
            matched.map(|(pending, reply)| (pending.slot(), reply)).unzip();
        slots.extend(self.pending.iter().map(Pending::slot));
        replies.push(reply);
        realign(&slots, &replies)
    }

    /// Notes how far a reply had seen the client's stream, and its code.
    pub(super) fn note_reply(&mut self, seen: Option<u64>, code: u16) {
        self.last_reply = seen.map(|seen| (seen, code));
    }

    /// How far the last reply had seen the client's stream, and its code.
    pub(super) fn last_reply(&self) -> Option<(u64, u16)> {
        self.last_reply
    }

    /// Whether the reply to client bytes that end there may have come before them: one that had seen them is told
    /// already, and answered nothing that was known.
    pub(super) fn may_be_answered(&self, end: u64) -> bool {
        !self.sure && self.last_reply.is_some_and(|(seen, _)| seen >= end)
    }

    /// A command got its reply: Exim may refuse it once more if its line was long.
    pub(super) fn note_refused(&mut self, command: &Arc<Command>, code: u16) {
        let is_long = command.octets > Self::LONG && (500..600).contains(&code);
        self.refused_long = is_long.then(|| Arc::clone(command));
    }

    /// The long line that a second refusal may answer.
    pub(super) fn take_refused(&mut self, code: u16) -> Option<Arc<Command>> {
        self.refused_long.take().filter(|_| (500..600).contains(&code))
    }

    /// Keeps a reply for the line of which the end has not come; returns one that was kept before.
    pub(super) fn keep_early(&mut self, reply: Reply) -> Option<Reply> {
        self.early.replace(Box::new(reply)).map(|reply| *reply)
    }

    /// The reply that came before its line's end.
    pub(super) fn take_early(&mut self) -> Option<Reply> {
        self.early.take().map(|reply| *reply)
    }

    /// Keeps a 221 until it is seen whether the server closes behind it.
    pub(super) fn keep_farewell(&mut self, reply: Reply) {
        self.farewell = Some(Box::new(reply));
    }

    pub(super) fn take_farewell(&mut self) -> Option<Reply> {
        self.farewell.take().map(|reply| *reply)
    }

    /// What was known of replies is not so after a gap, or of the other server after a TURN.
    pub(super) fn forget_replies(&mut self) {
        (self.refused_long, self.last_reply, self.early, self.farewell) = (None, None, None, None);
    }
}

/// How replies are given anew: those behind the first `kept` to other commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shift {
    pub kept: usize,
    /// Above 0, so many commands are unanswered; below 0, so many replies answer none.
    pub by: i64,
}

/// The least shift, other than none, under which every reply fits by code and by what it had seen. Where none does, the
/// first of them were given rightly: the least shift that fits those behind.
fn realign(slots: &[Slot], replies: &[Spoken]) -> Option<Shift> {
    /// So many are tried either way.
    const MOST: i64 = 32;
    let fits = |place: usize, reply: &Spoken, by: i64| {
        let at = i64::try_from(place).unwrap_or(i64::MAX).saturating_add(by);
        let Ok(at) = usize::try_from(at) else { return true };
        slots.get(at).is_some_and(|slot| slot.kind.fits(reply.code) && reply.seen.is_none_or(|seen| seen >= slot.end))
    };
    // Behind the last that does not fit.
    let shift = |by: i64| {
        let wrong = replies.iter().enumerate().rev().find(|(place, reply)| !fits(*place, reply, by));
        Shift { kept: wrong.map_or(0, |(place, _)| place.saturating_add(1)), by }
    };
    let most = i64::try_from(replies.len()).unwrap_or(MOST).min(MOST);
    let passed: Vec<Shift> = (1..=MOST).map(shift).filter(|shift| shift.kept < replies.len()).collect();
    // A command without a reply is likelier than a reply without a command.
    let whole = passed.iter().copied().find(|shift| shift.kept == 0);
    let surplus = || (1..most).map(|by| shift(by.saturating_neg())).find(|shift| shift.kept == 0);
    whole.or_else(|| passed.first().copied().into_iter().chain(surplus()).min_by_key(|shift| shift.by.abs()))
}

#[cfg(test)]
#[path = "tests/realign.rs"]
mod tests;

#[cfg(test)]
#[path = "tests/operations.rs"]
mod operations;
