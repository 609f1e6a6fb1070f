//! Matching driven alone by any operations, one after the other, and held against a plain list of what waits.
#![expect(clippy::arithmetic_side_effects, reason = "small numbers of the tests' own")]

use proptest::prelude::*;

use super::super::command::Role;
use super::super::reply::{Keep, ReplyReader, Step};
use super::super::telling::{Telling, Told};
use super::super::wire::line::{Cut, Line, LineReader, Piece, Source};
use super::tests::codes;
use super::*;
use crate::base::Moment;

/// As many octets more as may still wait.
const FILLS: usize = usize::MAX;
const MOST: Most = Most { commands: 6, octets: 40_000 };
/// The most commands that a shift leaves unanswered, and the most replies that it gives to none.
const PASSED: usize = 32;
const SURPLUS: usize = 31;

/// Lines, and what their codes tell.
const LINES: [(&str, Kind); 9] = [
    ("NOOP", Kind::Other),
    ("MAIL FROM:<a@b>", Kind::Other),
    ("DATA", Kind::Data),
    ("AUTH LOGIN", Kind::Auth),
    ("HELP", Kind::Help),
    ("help\u{1}", Kind::Help),
    ("QUIT", Kind::Quit),
    ("VRFY x", Kind::Verify),
    ("BDAT 3", Kind::Message),
];

/// Whether only another kind gets that code: some codes have one owner.
fn is_anothers(kind: Kind, code: u16) -> bool {
    let owners = [
        (211, Kind::Help),
        (214, Kind::Help),
        (221, Kind::Quit),
        (252, Kind::Verify),
        (334, Kind::Auth),
        (354, Kind::Data),
    ];
    owners.iter().any(|&(owned, owner)| owned == code && owner != kind)
}

/// Whether a command of that kind may be given that code anew: DATA is never just accepted.
fn can_get(kind: Kind, code: u16) -> bool {
    !is_anothers(kind, code) && (kind != Kind::Data || code / 100 != 2)
}

#[derive(Clone, Copy, Debug)]
enum Op {
    /// The client sends the line at that place, of so many octets more; it has seen all that was said, or not.
    Send {
        line: usize,
        padding: usize,
        waits: bool,
    },
    /// The client ends a message that a 354 had opened; `optional`: it was answered in its middle.
    EndData {
        optional: bool,
    },
    /// The server says what the waiting command at that place may get, having seen so much.
    Say {
        of: usize,
        code: usize,
        saw: Saw,
    },
    /// The oldest gets one of several replies.
    GetsOneOfSeveral,
    /// A reply comes to a line that has not ended, and is taken up later.
    KeepEarly {
        octets: usize,
    },
    TakeEarly,
    /// The server says more behind a 221 that it gave to no QUIT.
    GoesOn,
    Find,
    Lose,
    TakeAll,
    ForgetReplies,
    TakeRefused(u16),
}

/// How much of the client's stream a reply had seen.
#[derive(Clone, Copy, Debug)]
enum Saw {
    All,
    /// Up to the end of the command that it is made for.
    Exactly,
    /// All but the oldest command's last octet; all of the command, but not of the message behind it.
    TooLittle,
    Middle,
    /// What belongs to no command yet, too.
    Beyond,
    Untold,
}

fn op() -> impl Strategy<Value = Op> {
    let padding = prop_oneof![20 => Just(0_usize), 1 => Just(9_000), 1 => Just(17_000), 1 => Just(FILLS)];
    let saw = prop_oneof![
        6 => prop::sample::select(vec![Saw::All, Saw::Exactly]),
        1 => prop::sample::select(vec![Saw::TooLittle, Saw::Middle, Saw::Beyond, Saw::Untold]),
    ];
    let of = prop_oneof![8 => Just(0), 2 => 1..4_usize];
    prop_oneof![
        40 => (0..LINES.len(), padding, prop::bool::weighted(0.3))
            .prop_map(|(line, padding, waits)| Op::Send { line, padding, waits }),
        4 => any::<bool>().prop_map(|optional| Op::EndData { optional }),
        50 => (of, 0..3_usize, saw).prop_map(|(of, code, saw)| Op::Say { of, code, saw }),
        2 => Just(Op::GetsOneOfSeveral),
        1 => (0..500_usize).prop_map(|octets| Op::KeepEarly { octets }),
        1 => Just(Op::TakeEarly),
        4 => Just(Op::GoesOn),
        1 => Just(Op::Find),
        1 => Just(Op::Lose),
        1 => Just(Op::TakeAll),
        1 => Just(Op::ForgetReplies),
        2 => prop::sample::select(vec![500_u16, 250]).prop_map(Op::TakeRefused),
    ]
}

/// A command that waits, as the list has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waiting {
    number: u64,
    kind: Kind,
    /// Where its command ends, and where what waits does.
    command_end: u64,
    end: u64,
    waited_at: Option<u64>,
    optional: bool,
    /// Message data that a 354 opened: its octets are its command's, which is told.
    is_data: bool,
    octets: usize,
}

impl Waiting {
    fn fits(&self, reply: Spoken) -> bool {
        can_get(self.kind, reply.code) && reply.seen.is_none_or(|seen| seen >= self.end)
    }
}

/// Matching, what waits to be told, and the plain list beside them.
struct Both {
    matching: Matching,
    telling: Telling,
    sure: bool,
    waiting: Vec<Waiting>,
    /// The pairs since the last certain one.
    given: Vec<(Waiting, Spoken)>,
    last_reply: Option<(u64, u16)>,
    early: Option<Reply>,
    farewell: Option<(Reply, Spoken)>,
    /// The number of a long command that was refused, and its octets.
    refused_long: Option<(u64, usize)>,
    numbers: u64,
    sent: u64,
    said: u64,
}

fn line(text: &str, offset: u64, seen: Option<u64>) -> Line {
    let text = format!("{text}\r\n");
    let from = Source { at: Moment::default(), seen, captured: 0, after_fin: false };
    let mut piece = Piece { offset, bytes: text.as_bytes(), from };
    LineReader::default().take(&mut piece, Cut::Lf, 64 << 10).unwrap()
}

impl Both {
    fn new(sure: bool) -> Both {
        Both {
            matching: Matching::new(sure, MOST),
            telling: Telling::default(),
            sure,
            waiting: Vec::new(),
            given: Vec::new(),
            last_reply: None,
            early: None,
            farewell: None,
            refused_long: None,
            numbers: 0,
            sent: 0,
            said: 0,
        }
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Send { line, padding, waits } => self.send(line, padding, waits),
            Op::EndData { optional } => self.end_data(optional),
            Op::Say { of, code, saw } => self.say(of, code, saw),
            Op::GetsOneOfSeveral => {
                if let Some(pending) = self.matching.pop() {
                    self.matching.put_back(pending);
                }
            }
            Op::KeepEarly { octets } => {
                let reply = self.reply(250, octets, Some(self.sent));
                let before = self.matching.keep_early(reply.clone());
                assert_eq!(before.map(|reply| reply.lines), self.early.replace(reply).map(|reply| reply.lines));
            }
            Op::TakeEarly => {
                assert_eq!(self.matching.take_early().is_some(), self.early.take().is_some());
                assert!(self.matching.take_early().is_none(), "it is taken once");
            }
            Op::GoesOn => self.goes_on(),
            Op::Find => {
                self.matching.find();
                self.sure = true;
            }
            Op::Lose => self.lose(),
            Op::TakeAll => {
                let numbers: Vec<u64> = self.matching.take_all().iter().map(|pending| pending.command.number).collect();
                assert_eq!(numbers, self.waiting.drain(..).map(|waiting| waiting.number).collect::<Vec<_>>());
            }
            Op::ForgetReplies => {
                self.matching.forget_replies();
                (self.last_reply, self.early, self.farewell, self.refused_long) = (None, None, None, None);
            }
            Op::TakeRefused(code) => {
                let command = self.matching.take_refused(code).map(|command| command.number);
                let long = self.refused_long.take().filter(|_| code / 100 == 5);
                assert_eq!(command, long.map(|(number, _)| number));
            }
        }
    }

    fn send(&mut self, place: usize, padding: usize, waits: bool) {
        let (text, kind) = LINES[place];
        let left = MOST.octets.saturating_sub(self.octets() + text.len());
        let padding = if padding == FILLS { left } else { padding };
        let octets = text.len() + padding;
        let number = self.matching.number();
        assert_eq!(number, self.numbers, "each command has the next number");
        self.numbers += 1;
        let line = line(&format!("{text}{}", " ".repeat(padding)), self.sent, Some(self.said));
        self.sent += octets as u64 + 2;
        let mut command = Command::new(line, Role::Command);
        command.number = number;
        let waited_at = waits.then_some(self.said);
        let mut pending = Pending::command(Arc::new(command), waited_at);
        if kind == Kind::Message {
            pending.awaits = Awaits::Message { last: false, left: None };
        }
        let end = self.sent;
        self.expect(
            pending,
            Waiting { number, kind, command_end: end, end, waited_at, optional: false, is_data: false, octets },
        );
    }

    fn end_data(&mut self, optional: bool) {
        let number = self.matching.number();
        self.numbers += 1;
        let line = line("DATA", self.sent, Some(self.said));
        let command_end = self.sent + 6;
        self.sent += 30;
        let mut command = Command::new(line, Role::Command);
        command.number = number;
        let pending = Pending {
            awaits: Awaits::Message { last: true, left: None },
            end: self.sent,
            facts: Some(Box::default()),
            optional,
            ..Pending::command(Arc::new(command), Some(self.said))
        };
        let (kind, waited_at, end) = (Kind::Message, Some(self.said), self.sent);
        self.expect(pending, Waiting { number, kind, command_end, end, waited_at, optional, is_data: true, octets: 0 });
    }

    /// As a session does: where no more may wait, what was open is lost.
    fn expect(&mut self, pending: Pending, waiting: Waiting) {
        let full = self.waiting.len() >= MOST.commands || self.octets() + waiting.octets > MOST.octets;
        assert_eq!(self.matching.is_full(&pending), full);
        if full {
            self.tell();
            self.lose();
            self.run(Op::TakeAll);
        }
        self.matching.expect(pending);
        let answered = |older: &Waiting| !self.sure && older.waited_at != waiting.waited_at;
        let waits = waiting.waited_at.is_some();
        self.waiting.retain(|older| !(waits && (answered(older) || older.optional)));
        self.waiting.push(waiting);
        assert!(self.waiting.len() <= MOST.commands && self.matching.octets <= MOST.octets);
    }

    fn octets(&self) -> usize {
        self.waiting.iter().map(|waiting| waiting.octets).sum()
    }

    fn lose(&mut self) {
        self.matching.lose();
        self.sure = false;
    }

    fn reply(&self, code: u16, octets: usize, seen: Option<u64>) -> Reply {
        let line = line(&format!("{code} {}", "x".repeat(octets)), self.said, seen);
        let keep = Keep { lines: 1, octets: 999 };
        let Step::Complete(reply) = ReplyReader::default().take(line, keep) else { panic!("it is one line") };
        reply
    }

    /// What waits to be told is told: a certain pair, or all is lost.
    fn tell(&mut self) {
        while self.telling.pop().is_some() {}
        assert_eq!(self.telling.held(), 0);
        self.given.clear();
    }

    fn say(&mut self, of: usize, code: usize, saw: Saw) {
        self.goes_on();
        let of = self.waiting.get(of).or(self.waiting.first()).copied();
        let codes = codes(of.map_or(Kind::Other, |of| of.kind));
        let code = codes[code % codes.len()];
        let seen = match saw {
            Saw::All => Some(self.sent),
            Saw::Exactly => Some(of.map_or(self.sent, |of| of.end)),
            Saw::TooLittle => Some(self.waiting.first().map_or(self.sent, |first| first.command_end).saturating_sub(1)),
            Saw::Middle => Some(self.waiting.first().map_or(self.sent, |first| first.command_end)),
            Saw::Beyond => Some(self.sent + 3),
            Saw::Untold => None,
        };
        let reply = self.reply(code, 9, seen);
        self.said += 15;
        let spoken = Spoken { code, seen };
        self.matching.note_reply(seen, code);
        self.last_reply = seen.map(|seen| (seen, code));
        let covers = self.waiting.first().is_some_and(|first| {
            // A message may be refused in its middle.
            let from = if first.is_data && matches!(code, 400..600) { first.command_end } else { first.end };
            seen.is_none_or(|seen| seen >= from)
        });
        assert_eq!(self.matching.covers(spoken), covers);
        let alone = match self.waiting.as_slice() {
            [only] => only.waited_at.is_some() && seen.is_some() && can_get(only.kind, code),
            _ => false,
        };
        assert_eq!(self.matching.is_sure_of(spoken), self.sure || alone);
        if covers && self.matching.is_sure_of(spoken) {
            self.run(Op::Find);
            self.answer(reply, spoken);
        }
    }

    /// As a session does: certain, or given to the oldest, or given anew.
    fn answer(&mut self, reply: Reply, spoken: Spoken) {
        let Some(&first) = self.waiting.first() else { return };
        let certain = self.waiting.len() == 1 && spoken.seen.is_none_or(|seen| seen == first.end);
        let expected = match (certain, is_anothers(first.kind, spoken.code)) {
            (true, _) => Pair::Certain,
            (false, false) => Pair::Oldest,
            (false, true) => Pair::Contradiction,
        };
        assert_eq!(self.matching.pair(spoken), expected);
        match expected {
            Pair::Certain => {
                self.tell();
                self.give(reply, spoken);
                self.tell();
            }
            Pair::Oldest => self.give(reply, spoken),
            Pair::Contradiction => match self.least_shift(spoken) {
                Some(_) if spoken.code == 221 => {
                    self.matching.keep_farewell(reply.clone());
                    self.farewell = Some((reply, spoken));
                }
                shift => self.give_anew(shift, reply, spoken),
            },
        }
    }

    /// The server says more: a farewell that is kept was none.
    fn goes_on(&mut self) {
        let kept = self.matching.take_farewell();
        assert_eq!(kept.is_some(), self.farewell.is_some());
        if let Some((reply, spoken)) = self.farewell.take() {
            let shift = self.least_shift(spoken);
            self.give_anew(shift, reply, spoken);
        }
    }

    /// The shift of matching: the least under which every reply fits the command that it is given, or every later one.
    fn least_shift(&self, reply: Spoken) -> Option<Shift> {
        let commands: Vec<&Waiting> = self.given.iter().map(|(waiting, _)| waiting).chain(&self.waiting).collect();
        let replies: Vec<Spoken> = self.given.iter().map(|(_, reply)| *reply).chain([reply]).collect();
        let all_fit = |commands: &[&Waiting], replies: &[Spoken]| {
            commands.len() >= replies.len() && commands.iter().zip(replies).all(|(command, reply)| command.fits(*reply))
        };
        let passed = |kept: usize, by: usize| {
            let fits = all_fit(commands.get(kept + by..).unwrap_or_default(), &replies[kept..]);
            fits.then(|| (kept, i64::try_from(by).unwrap()))
        };
        let surplus = |none: usize| {
            let fits = none < replies.len() && all_fit(&commands, &replies[none..]);
            fits.then(|| (0, -i64::try_from(none).unwrap()))
        };
        let whole = (1..=PASSED).find_map(|by| passed(0, by));
        let in_part = |by| (1..replies.len()).find_map(|kept| passed(kept, by));
        let fewest = || (1..=PASSED).find_map(|by| in_part(by).or_else(|| surplus(by).filter(|_| by <= SURPLUS)));
        let expected = whole.or_else(fewest);
        let expected = expected.map(|(kept, by)| Shift { kept, by });
        assert_eq!(self.matching.realign(self.telling.pairs(), reply), expected, "{commands:?} {replies:?}");
        expected
    }

    /// Gives what was given since the last certain pair to other commands, and the reply to the next one.
    fn give_anew(&mut self, shift: Option<Shift>, reply: Reply, spoken: Spoken) {
        if let Some(shift) = shift {
            let matching = &mut self.matching;
            let back = self.telling.realign(shift, || matching.pop());
            for pending in back.into_iter().rev() {
                self.matching.put_back(pending);
            }
            let given = std::mem::take(&mut self.given);
            let mut commands: Vec<Waiting> = given.iter().map(|(waiting, _)| *waiting).collect();
            commands.append(&mut self.waiting);
            let passed = usize::try_from(shift.by).unwrap_or(0);
            commands.drain(shift.kept..shift.kept + passed);
            let none = usize::try_from(-shift.by).unwrap_or(0);
            for (_, reply) in given.iter().skip(none) {
                self.given.push((commands.remove(0), *reply));
            }
            self.waiting = commands;
            assert!(self.waiting.first().is_some_and(|first| first.fits(spoken)), "it fits what it is given to");
            if self.matching.pair(spoken) == Pair::Certain {
                self.tell();
            }
        }
        self.give(reply, spoken);
    }

    /// Gives the reply to the oldest.
    fn give(&mut self, reply: Reply, spoken: Spoken) {
        let Some(pending) = self.matching.pop() else { return };
        let oldest = self.waiting.remove(0);
        assert_eq!(pending.command.number, oldest.number);
        self.matching.note_refused(&pending.command, spoken.code);
        let is_long = pending.command.octets > 16 << 10 && spoken.code / 100 == 5;
        self.refused_long = is_long.then_some((oldest.number, oldest.octets));
        self.given.push((oldest, spoken));
        self.telling.push(Told::Matched(Box::new((reply, pending))));
    }

    /// What holds behind each operation.
    fn check(&self) {
        let matching = &self.matching;
        let waiting: Vec<Waiting> = matching.iter().map(|pending| self.as_waiting(pending)).collect();
        assert_eq!(waiting, self.waiting);
        assert!(
            waiting.windows(2).all(|pair| pair[0].number < pair[1].number),
            "in the order of their numbers, each once"
        );
        let octets: usize = waiting.iter().map(|waiting| waiting.octets).sum();
        assert_eq!(matching.octets, octets);
        let replies = self.early.iter().chain(self.farewell.iter().map(|(reply, _)| reply));
        let kept: usize = replies.map(Reply::held).chain(self.refused_long.map(|(_, octets)| octets)).sum();
        assert_eq!(matching.held(), octets + kept + waiting.len() * size_of::<Pending>());
        assert_eq!((matching.len(), matching.is_empty()), (waiting.len(), waiting.is_empty()));
        assert_eq!(matching.is_sure(), self.sure);
        let only = matches!(waiting.as_slice(), [only] if only.waited_at.is_some());
        assert_eq!(matching.is_sure_of_only(), only);
        assert_eq!(matching.last_reply(), self.last_reply);
        let answered = |end| !self.sure && self.last_reply.is_some_and(|(seen, _)| seen >= end);
        assert!([0, self.sent].into_iter().all(|end| matching.may_be_answered(end) == answered(end)));
        let pairs: Vec<(Waiting, Spoken)> =
            self.telling.pairs().map(|(pending, reply)| (self.as_waiting(pending), reply)).collect();
        assert_eq!(pairs, self.given, "what may be given anew is what was given since the last certain pair");
    }

    fn as_waiting(&self, pending: &Pending) -> Waiting {
        let slot = pending.slot();
        let mut known = self.waiting.iter().chain(self.given.iter().map(|(waiting, _)| waiting));
        let known = known.find(|waiting| waiting.number == pending.command.number);
        Waiting {
            number: pending.command.number,
            kind: slot.kind,
            command_end: pending.command.end,
            end: slot.end,
            waited_at: pending.waited_at,
            optional: pending.optional,
            is_data: pending.is_message(),
            octets: known.map_or(0, |known| known.octets),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_done_to_it_matching_is_a_plain_list(sure in prop::bool::weighted(0.8), ops in prop::collection::vec(op(), 1..60)) {
        let mut both = Both::new(sure);
        for op in ops {
            both.run(op);
            both.check();
        }
    }
}
