//! For tests: sessions as dialogues (`S: 220 mx`, `C: HELP`), turned into events without a parser.
//!
//! Each command is answered by the next reply. A client line before the greeting is early talk that the server
//! had received when it greeted. `<LF>` at a line's end stands for a bare line feed.

use crate::base::{Endpoint, FlowKey, Moment, Ordinal, Packets, Side, Tally, Time};
use crate::smtp::event::{End, Fault, FaultKind};
use crate::smtp::session::Spoken;
use crate::smtp::wire::tls::Tls;
use crate::smtp::{Answers, Command, Ending, Event, Reply, Session, Verb};
use crate::tcp::Closed;

use super::{Finding, Judge, Note, Rule, Selection, Verdict, What};

/// A hand-made session.
pub(crate) struct Dialogue {
    pub session: Session,
    said: Vec<Said>,
    pub selection: Selection,
    greets: bool,
    acknowledged: bool,
}

enum Said {
    Command(Command),
    Reply(Reply),
    Fault(Fault),
    Tls(Tls, Moment),
}

/// The findings of a dialogue as `rule/check severity confidence`.
pub(crate) fn judged(dialogue: &str) -> Vec<String> {
    Dialogue::read(dialogue).judged()
}

/// The same of one rule alone.
pub(crate) fn judged_by(rule: &Rule, dialogue: &str) -> Vec<String> {
    Dialogue::read(dialogue).judged_by(rule)
}

impl Default for Dialogue {
    fn default() -> Self {
        let client = Endpoint { ip: [192, 0, 2, 1].into(), port: 40000 };
        let server = Endpoint { ip: [198, 51, 100, 25].into(), port: 25 };
        let (flow, client_side) = FlowKey::new(client, server);
        let mut session = Session::new(flow, moment(0), client_side.other(), true);
        session.server_heard = true;
        Dialogue { session, said: Vec::new(), selection: Selection::default(), greets: true, acknowledged: true }
    }
}

fn moment(ordinal: u64) -> Moment {
    Moment { ordinal: Ordinal::of(ordinal), time: Time(i64::try_from(ordinal).unwrap() * Time::SECOND) }
}

impl Dialogue {
    pub(crate) fn read(text: &str) -> Self {
        let mut dialogue = Dialogue::default();
        let (mut sent, mut said) = (0_u64, 0_u64);
        let mut reply: Vec<Vec<u8>> = Vec::new();
        for line in text.lines() {
            let at = Packets::one(moment(dialogue.said.len() as u64 + 1));
            let (who, line) = line.split_at_checked(3).unwrap_or((line, ""));
            if who.starts_with('C') {
                let (line, ending) = line.strip_suffix("<LF>").map_or((line, Ending::CrLf), |line| (line, Ending::Lf));
                let word = line.split([' ', ':']).next().unwrap_or_default();
                let octets = line.len() as u64 + 2;
                let mut command = Command::of_test(verb(word), line, (word.len() + 1).min(line.len()), at);
                command.ending = ending;
                (command.seen, command.captured) = (Some(said), said);
                (command.start, command.end) = (sent, sent + octets);
                command.early = Some(said == 0);
                dialogue.said.push(Said::Command(command));
                sent += octets;
                continue;
            }
            reply.push(line.into());
            if line.len() > 3 && line.as_bytes()[3] == b'-' {
                continue;
            }
            let lines = std::mem::take(&mut reply);
            let codes: Vec<_> = lines.iter().map(|line| super::reading::code(line)).collect();
            let start = said;
            said += lines.iter().map(|line| line.len() as u64 + 2).sum::<u64>();
            dialogue.said.push(Said::Reply(Reply {
                code: *codes.last().unwrap(),
                tab: false,
                codes_differ: codes.windows(2).any(|pair| pair[0] != pair[1]),
                lines,
                dropped: 0,
                longest: 0,
                bare_lf: false,
                bare_cr: false,
                at,
                seen: Some(sent),
                captured: sent,
                after_fin: false,
                start,
                end: said,
                uncertain: false,
                unfinished: false,
                secret: false,
                hidden: Vec::new(),
            }));
        }
        dialogue
    }

    /// The server never greets: its first reply answers the first command.
    pub(crate) fn ungreeted(mut self) -> Self {
        self.greets = false;
        self.session.greeting_missing = true;
        self
    }

    /// No end ever acknowledges a byte of the other's.
    pub(crate) fn unacknowledged(mut self) -> Self {
        self.acknowledged = false;
        for said in &mut self.said {
            match said {
                Said::Command(command) => command.seen = Some(0),
                Said::Reply(reply) => reply.seen = Some(0),
                Said::Fault(_) | Said::Tls(..) => {}
            }
        }
        self
    }

    pub(crate) fn other_protocol(self, name: &'static str) -> Self {
        let mut dialogue = self;
        let fault = Fault { kind: FaultKind::OtherProtocol { name }, side: Side::A, at: Packets::one(moment(0)) };
        dialogue.said.insert(0, Said::Fault(fault));
        dialogue
    }

    pub(crate) fn fault(mut self, kind: FaultKind, side: Side) -> Self {
        let at = Packets::one(moment(self.said.len() as u64 + 1));
        self.said.push(Said::Fault(Fault { kind, side, at }));
        self
    }

    pub(crate) fn tls(mut self, tls: Tls) -> Self {
        self.session.tls = tls.clone();
        self.said.push(Said::Tls(tls, moment(self.said.len() as u64 + 1)));
        self
    }

    /// Judged by one rule alone.
    pub(crate) fn only(self, rule: &str) -> Self {
        let selected = [rule.parse().unwrap()];
        self.selection(Selection::new(&selected, &[], super::Severity::Info, &crate::base::Limits::default()))
    }

    pub(crate) fn selection(mut self, selection: Selection) -> Self {
        self.selection = selection;
        self
    }

    /// The nth reply, the greeting being 0.
    pub(crate) fn reply(&mut self, nth: usize) -> &mut Reply {
        let replies =
            self.said.iter_mut().filter_map(|said| if let Said::Reply(reply) = said { Some(reply) } else { None });
        replies.into_iter().nth(nth).unwrap()
    }

    /// The nth command.
    pub(crate) fn command(&mut self, nth: usize) -> &mut Command {
        let commands = self.said.iter_mut().filter_map(|said| if let Said::Command(c) = said { Some(c) } else { None });
        commands.into_iter().nth(nth).unwrap()
    }

    pub(crate) fn end(&self) -> End {
        End {
            closed: Closed::Fin,
            at: moment(self.said.len() as u64 + 1),
            complete: true,
            client_acknowledges: self.acknowledged,
            server_acknowledges: self.acknowledged,
        }
    }

    fn run(&self) -> (Judge, Tally, Vec<Verdict>) {
        let (mut judge, mut limits, mut out) = (Judge::default(), Tally::default(), Vec::new());
        let mut session = self.session.clone();
        let mut open = std::collections::VecDeque::new();
        let mut greeted = false;
        for said in &self.said {
            let mut hear = |event: Event<'_>, session: &Session| {
                judge.hear(&event, None, session, &self.selection, &mut limits, &mut out);
            };
            match said {
                Said::Command(command) => {
                    session.early_talk |= command.early == Some(true);
                    open.push_back(command);
                    hear(Event::Command(command), &session);
                }
                Said::Reply(reply) if !greeted && self.greets => {
                    greeted = true;
                    session.greeting = Some(Spoken { code: reply.code, text: reply.lines.join(&b'\n') });
                    hear(Event::Greeting(reply), &session);
                }
                Said::Reply(reply) => {
                    let answers = open.pop_front().map_or(Answers::Unsolicited, Answers::Command);
                    hear(Event::Reply(reply, answers), &session);
                }
                Said::Fault(fault) => hear(Event::Fault(fault), &session),
                Said::Tls(tls, at) => hear(Event::Tls(tls, *at), &session),
            }
        }
        judge.hear(&Event::End(&self.end()), None, &session, &self.selection, &mut limits, &mut out);
        for verdict in &out {
            if let What::Finding(finding) = &verdict.what {
                assert_reads_as_a_sentence(&finding.message);
            }
        }
        (judge, limits, out)
    }

    /// The judge when the session is over, and all that it said.
    pub(crate) fn verdicts(&self) -> (Judge, Vec<Verdict>) {
        let (judge, _, verdicts) = self.run();
        (judge, verdicts)
    }

    pub(crate) fn findings(&self) -> Vec<Finding> {
        let finding = |verdict: Verdict| if let What::Finding(finding) = verdict.what { Some(*finding) } else { None };
        self.run().2.into_iter().filter_map(finding).collect()
    }

    pub(crate) fn notes(&self) -> Vec<Note> {
        let note = |verdict: Verdict| if let What::Note(note) = verdict.what { Some(note) } else { None };
        self.run().2.into_iter().filter_map(note).collect()
    }

    pub(crate) fn judged(&self) -> Vec<String> {
        let name = |f: &Finding| self.selection.catalogue().name(f.check).to_owned();
        let line = |f: Finding| format!("{} {} {}", name(&f), f.severity.name(), f.confidence);
        self.findings().into_iter().map(line).collect()
    }

    pub(crate) fn judged_by(&self, rule: &Rule) -> Vec<String> {
        let mut found = self.judged();
        found.retain(|line| line.split('/').next() == Some(rule.id));
        found
    }

    pub(crate) fn counts(&self) -> Vec<(&'static str, &'static str, u64)> {
        let checks: Vec<_> = self.selection.catalogue().checks().collect();
        let named = |(check, count): (super::CheckNumber, u64)| {
            let (rule, check) = checks[check.row()];
            (rule.id, check.id, count)
        };
        self.run().0.counts().iter().map(named).collect()
    }

    pub(crate) fn limits(&self) -> Tally {
        self.run().1
    }
}

/// A message stands beside others in a list, so it begins with a capital and has no full stop.
fn assert_reads_as_a_sentence(message: &str) {
    let begins = message.starts_with(|first: char| first.is_ascii_uppercase());
    assert!(begins && !message.ends_with('.') && !message.contains("octet"), "{message:?}");
}

fn verb(word: &str) -> Verb {
    Verb::of(word.as_bytes())
}
