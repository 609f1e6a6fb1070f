//! Every row of SESSION.md as a dialogue. The driver below turns a dialogue's text into what reassembly
//! would hand on, and events into short lines.
#![expect(clippy::arithmetic_side_effects, reason = "small numbers of the tests' own")]
#![expect(clippy::format_push_string, clippy::format_collect, reason = "tests may take their time")]

mod auth;
mod data;
mod handshake;
mod hidden;
mod late;
mod lines;
mod loss;
mod matching;
mod number;
mod other;
mod properties;
mod surprise;
mod tls;
mod trace;
mod transcripts;

use super::event::FaultKind;
use super::{Answers, Command, DataEnd, Event, Hears, Options, Parser, Session};
use crate::base::{Endpoint, FlowKey, Limits, Moment, Ordinal, PerSide, Side, Tally, Time};
use crate::tcp::{Chunk, Closed, Closing, Gap, Opening};

/// A dialogue, a step a line:
///
/// | line | what |
/// |---|---|
/// | `C: text`, `S: text` | a write that knows all that the other side said so far; CRLF is added |
/// | `C> text`, `S> text` | the same, nothing added |
/// | `c: text`, `s: text` (`c>`, `s>`) | in the flight of that side's write before: it knows no more than that one |
/// | `C- 10`, `S- 10` | so many bytes are missing |
/// | `C.`, `S.` | the side closes |
///
/// Escapes: `\r \n \0 \t \\ \xNN`.
#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a knob of the tests")]
pub(super) struct Talk {
    steps: Vec<Step>,
    from_start: PerSide<bool>,
    pub limits: Limits,
    pub ports: (u16, u16),
    pub opener: bool,
    pub want_data_hash: bool,
    acks: bool,
    /// Some segment without data acknowledges something.
    pub client_acknowledges: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Bytes { side: Side, bytes: Vec<u8>, seen: Option<u64>, captured: u64, after_fin: bool },
    Missing { side: Side, length: u64 },
    Fin(Side),
}

const CLIENT: Side = Side::A;
const SERVER: Side = Side::B;

impl Talk {
    pub(super) fn new(text: &str) -> Talk {
        let mut sent = PerSide { a: 0_u64, b: 0 };
        let mut known = PerSide { a: 0_u64, b: 0 };
        let (mut ended, mut knows_end) = (PerSide { a: false, b: false }, PerSide { a: false, b: false });
        let mut steps = Vec::new();
        for line in text.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
            let side = if line.starts_with(['C', 'c']) { CLIENT } else { SERVER };
            assert!(line.starts_with(['C', 'c', 'S', 's']), "{line}");
            let rest = line.get(2..).unwrap_or_default();
            let rest = rest.strip_prefix(' ').unwrap_or(rest);
            match line.as_bytes()[1] {
                b'-' => {
                    let length = rest.parse().unwrap();
                    sent[side] += length;
                    steps.push(Step::Missing { side, length });
                }
                b'.' => {
                    ended[side] = true;
                    steps.push(Step::Fin(side));
                }
                kind => {
                    let mut bytes = unescape(rest);
                    if kind == b':' {
                        bytes.extend(b"\r\n");
                    }
                    if line.starts_with(['C', 'S']) {
                        known[side] = sent[side.other()];
                        knows_end[side] = ended[side.other()];
                    }
                    sent[side] += bytes.len() as u64;
                    let (seen, captured) = (Some(known[side]), sent[side.other()]);
                    steps.push(Step::Bytes { side, bytes, seen, captured, after_fin: knows_end[side] });
                }
            }
        }
        Talk {
            steps,
            from_start: PerSide { a: true, b: true },
            limits: Limits::default(),
            ports: (40000, 25),
            opener: true,
            want_data_hash: false,
            acks: true,
            client_acknowledges: false,
        }
    }

    /// The connection was picked up when it was under way.
    pub(super) fn midway(mut self) -> Talk {
        self.from_start = PerSide { a: false, b: false };
        self
    }

    /// That side's packets are not in the capture.
    pub(super) fn without(mut self, missing: Side) -> Talk {
        self.steps.retain(|step| !matches!(step, Step::Bytes { side, .. } | Step::Missing { side, .. } | Step::Fin(side) if *side == missing));
        for step in &mut self.steps {
            if let Step::Bytes { seen, captured, .. } = step {
                (*seen, *captured) = (None, 0);
            }
        }
        self.from_start[missing] = false;
        self
    }

    /// Sets what the write of that number, from 0, had seen.
    pub(super) fn see(&mut self, place: usize, position: u64) {
        if let Some(Step::Bytes { seen, .. }) = self.steps.get_mut(place) {
            *seen = Some(position);
        }
    }

    /// The same captured in another order of its steps; what a write had seen stays, and each side's order.
    pub(super) fn captured_as(mut self, order: impl IntoIterator<Item = usize>) -> Talk {
        let mut sent = PerSide { a: 0_u64, b: 0 };
        self.steps = order.into_iter().map(|place| self.steps[place].clone()).collect();
        for step in &mut self.steps {
            match step {
                Step::Bytes { side, bytes, captured, .. } => {
                    sent[*side] += bytes.len() as u64;
                    *captured = sent[side.other()];
                }
                Step::Missing { side, length } => sent[*side] += *length,
                Step::Fin(_) => {}
            }
        }
        self
    }

    /// The step of that number, from 0, comes so many steps later.
    pub(super) fn late(self, place: usize, by: usize) -> Talk {
        let mut order: Vec<usize> = (0..self.steps.len()).collect();
        order[place..=place + by].rotate_left(1);
        self.captured_as(order)
    }

    /// All that the side says comes behind all of the other's.
    pub(super) fn behind(self, late: Side) -> Talk {
        let is_late = |step: &Step| match step {
            Step::Bytes { side, .. } | Step::Missing { side, .. } | Step::Fin(side) => *side == late,
        };
        let (behind, before): (Vec<usize>, Vec<usize>) =
            (0..self.steps.len()).partition(|&place| is_late(&self.steps[place]));
        self.captured_as(before.into_iter().chain(behind))
    }

    /// Made by hand: no segment acknowledges anything.
    pub(super) fn without_acks(mut self) -> Talk {
        self.acks = false;
        self
    }

    /// The same bytes in chunks of at most that size.
    pub(super) fn in_pieces(mut self, size: usize) -> Talk {
        let mut steps = Vec::new();
        for step in self.steps {
            match step {
                Step::Bytes { side, bytes, seen, captured, after_fin } => {
                    let part = |part: &[u8]| Step::Bytes { side, bytes: part.to_vec(), seen, captured, after_fin };
                    steps.extend(bytes.chunks(size).map(part));
                }
                other => steps.push(other),
            }
        }
        self.steps = steps;
        self
    }

    /// Runs the parser over the dialogue.
    pub(super) fn run(&self) -> Heard {
        let end = |ip: [u8; 4], port| Endpoint { ip: ip.into(), port };
        let (flow, client) = FlowKey::new(end([192, 0, 2, 1], self.ports.0), end([192, 0, 2, 25], self.ports.1));
        assert_eq!(client, CLIENT);
        let opening = Opening {
            flow,
            first: Moment::default(),
            opener: self.opener.then_some(CLIENT),
            from_start: self.from_start,
        };
        let options = Options { want_data_hash: self.want_data_hash };
        let mut parser = Parser::new(&opening, |port| port == 25, &self.limits, options);
        let mut heard = Heard::default();
        let mut sent = PerSide { a: 0_u64, b: 0 };
        let mut missing = PerSide { a: 0_u64, b: 0 };
        let mut acknowledges = PerSide { a: self.client_acknowledges, b: false };
        let mut fin = PerSide { a: false, b: false };
        let mut at = Moment::default();
        for (place, step) in self.steps.iter().enumerate() {
            at = Moment { ordinal: Ordinal::of(place as u64 + 1), time: Time(i64::try_from(place).unwrap()) };
            match step {
                &Step::Bytes { side, ref bytes, seen, captured: captured_of_other, after_fin } => {
                    let seen = if self.acks { seen } else { seen.map(|_| 0) };
                    let after_fin = self.acks && after_fin;
                    acknowledges[side] |= seen.is_some_and(|seen| seen > 0);
                    let chunk = Chunk { side, offset: sent[side], bytes, at, seen, captured_of_other, after_fin };
                    sent[side] += bytes.len() as u64;
                    parser.chunk(&chunk, &mut heard);
                }
                Step::Missing { side, length } => {
                    let gap = Gap { side: *side, offset: sent[*side], length: *length, at };
                    (sent[*side], missing[*side]) = (sent[*side] + length, missing[*side] + length);
                    parser.gap(&gap, &mut heard);
                }
                Step::Fin(side) => {
                    fin[*side] = true;
                    parser.end_of_stream(*side, at, &mut heard);
                }
            }
            heard.most_held = heard.most_held.max(parser.held_bytes());
        }
        let closing = Closing {
            how: Closed::Fin,
            last: at,
            handshake: true,
            missing,
            again: PerSide { a: 0, b: 0 },
            acknowledges,
            fin,
        };
        parser.close(&closing, &mut heard);
        heard.tally = parser.take_tally();
        heard.session = Some(parser.session().clone());
        heard.trace = parser.trace();
        heard
    }

    /// The events in short.
    pub(super) fn events(&self) -> Vec<String> {
        self.run().lines
    }
}

/// The events of a dialogue, in short.
pub(super) fn events(text: &str) -> Vec<String> {
    Talk::new(text).events()
}

/// Asserts that the dialogue gives these events, a line each.
#[track_caller]
pub(super) fn assert_events(text: &str, expected: &str) {
    assert_heard(&events(text), expected);
}

#[track_caller]
pub(super) fn assert_heard(events: &[String], expected: &str) {
    let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(events, expected, "\n{}", events.join("\n"));
}

#[derive(Default)]
pub(super) struct Heard {
    pub lines: Vec<String>,
    pub session: Option<Session>,
    /// The client's states, one after the other.
    pub trace: Vec<String>,
    pub tally: Tally,
    pub most_held: usize,
    pub ended: bool,
    /// Each reply: its text, the line of the command that it answers, and whether it answers that one's message.
    pub pairs: Vec<(String, Option<String>, bool)>,
    /// Every byte of text that an event shows.
    pub shown: Vec<u8>,
    pub gaps: Vec<Gap>,
}

impl Heard {
    pub(super) fn session(&self) -> &Session {
        self.session.as_ref().unwrap()
    }
}

impl Hears for Heard {
    fn hear(&mut self, event: &Event<'_>, session: &Session) {
        assert!(!self.ended, "nothing comes behind the end: {event:?}");
        self.shown.extend(format!("{event:?}").into_bytes());
        if let Event::Gap(gap) = event {
            // The dialogue says where they are.
            self.gaps.push(**gap);
            return;
        }
        let line = match event {
            Event::Gap(_) => unreachable!("kept above"),
            Event::Greeting(reply) => {
                let texts: Vec<_> = reply.texts().map(text).collect();
                let code = reply.code.map_or("-".into(), |code| code.to_string());
                format!("greeting {code} {}{}", texts.join("|"), if reply.unfinished { " cut short" } else { "" })
            }
            Event::Command(command) => {
                assert_eq!(command.number + 1, session.commands);
                format!("C {}", show(command))
            }
            Event::Reply(reply, answers) => {
                let unknown = matches!(answers, Answers::Unknown);
                assert!(!unknown || reply.uncertain, "what cannot be matched is not sure");
                let (command, is_message) = match answers {
                    Answers::Command(command) => (Some(text(command.shown_line())), false),
                    Answers::Message(command) => (Some(text(command.shown_line())), true),
                    Answers::Nothing | Answers::Unsolicited | Answers::Unknown => (None, false),
                };
                self.pairs.push((reply.texts().map(text).collect(), command, is_message));
                let answers = match answers {
                    Answers::Nothing => "nothing".into(),
                    Answers::Command(command) => name(command),
                    Answers::Message(command) => format!("message {}", name(command)),
                    Answers::Unsolicited => "unsolicited".into(),
                    Answers::Unknown => "unknown".into(),
                };
                let mut line = format!("R {} {answers}", reply.code.unwrap_or(0));
                for (flag, word) in [
                    (reply.uncertain && !unknown, " uncertain"),
                    (reply.unfinished, " unfinished"),
                    (reply.secret, " secret"),
                ] {
                    line.push_str(if flag { word } else { "" });
                }
                line
            }
            Event::Data(data) => {
                let end = match data.end {
                    DataEnd::Dot => "dot".into(),
                    DataEnd::Smuggled(kind) => format!("smuggled {kind}"),
                    DataEnd::Chunk { last } => format!("chunk{}", if last { " last" } else { "" }),
                    DataEnd::Refused => "refused".into(),
                    DataEnd::Unfinished => "unfinished".into(),
                };
                let uncertain = if data.uncertain { " uncertain" } else { "" };
                let early = if data.early == Some(true) { " early" } else { "" };
                format!("D {} in {} {end}{early}{uncertain}", data.bytes, data.lines)
            }
            Event::Tls(tls, _) => {
                let mut line = format!("T {:?}", tls.state).to_lowercase();
                line.replace_range(..1, "T");
                let known = [
                    tls.version.map(str::to_owned),
                    tls.sni.as_deref().map(text),
                    tls.alert.map(|alert| format!("alert {alert}")),
                    tls.refusal.map(|code| code.to_string()),
                    tls.not_tls.then(|| "not-tls".to_owned()),
                    tls.settled.then(|| "settled".to_owned()),
                ];
                for word in known.into_iter().flatten() {
                    line.push(' ');
                    line.push_str(&word);
                }
                line
            }
            Event::Fault(fault) => match &fault.kind {
                FaultKind::NoCode { line, .. } => format!("F no code: {}", text(line)),
                FaultKind::Injected { bytes, accepted, .. } => {
                    format!("F injected {}{}", text(bytes), if *accepted { "" } else { " (220 not seen)" })
                }
                FaultKind::ServerInjected { bytes } => format!("F server injected {}", text(bytes)),
                FaultKind::OtherProtocol { name } => format!("F protocol {name}"),
                other => format!("F {other:?}"),
            },
            Event::End(_) => {
                self.ended = true;
                return;
            }
        };
        self.lines.push(line);
    }
}

fn show(command: &Command) -> String {
    let mut line = match &command.verb {
        Some(verb) => format!("{} {}", verb.name(), text(command.shown())),
        None => text(command.shown_line()),
    };
    line.truncate(line.trim_end_matches(' ').len());
    let knew = command.surely_knew();
    let in_flight = knew.map_or(0, |knew| knew.in_flight);
    let behind = knew.and_then(|knew| knew.behind.as_ref());
    let flags = [
        (command.early == Some(true), "early".to_owned()),
        (command.ending == super::Ending::Lf, "lf".to_owned()),
        (command.ending == super::Ending::None, "cut".to_owned()),
        (command.bare_cr, "cr".to_owned()),
        (command.exchange, "exchange".to_owned()),
        (command.uncertain, "uncertain".to_owned()),
        (in_flight > 0, format!("behind {in_flight}")),
        (behind.is_some(), format!("last {}", behind.map_or("", super::Verb::name))),
    ];
    let flags: Vec<String> = flags.into_iter().filter(|(is, _)| *is).map(|(_, word)| word).collect();
    if !flags.is_empty() {
        line.push_str(&format!(" [{}]", flags.join(", ")));
    }
    line
}

fn name(command: &Command) -> String {
    match &command.verb {
        Some(verb) => verb.name().to_owned(),
        None if command.exchange => "exchange".into(),
        None => "-".into(),
    }
}

pub(super) fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string().replace("\\'", "'").replace("\\\"", "\"")
}

pub(super) fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next().unwrap() {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'0' => 0,
            b'x' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    bytes
}

/// A greeting and an EHLO with the usual extensions, and their events.
pub(super) const HELLO: &str = "
    S: 220 mx
    C: EHLO me
    S: 250-mx\\r\\n250-PIPELINING\\r\\n250-CHUNKING\\r\\n250 STARTTLS
";
pub(super) const HELLO_EVENTS: &str = "
    greeting 220 mx
    C EHLO me
    R 250 EHLO
";
/// MAIL and RCPT, both accepted, and their events.
pub(super) const MAIL: &str = "
    C: MAIL FROM:<a@b>
    S: 250 ok
    C: RCPT TO:<c@d>
    S: 250 ok
";
pub(super) const MAIL_EVENTS: &str = "
    C MAIL FROM:<a@b>
    R 250 MAIL
    C RCPT TO:<c@d>
    R 250 RCPT
";

/// The dialogue behind the usual beginning.
#[track_caller]
pub(super) fn assert_after_hello(text: &str, expected: &str) {
    assert_events(&[HELLO, text].concat(), &[HELLO_EVENTS, expected].concat());
}

/// The dialogue behind the usual beginning and an open mail.
#[track_caller]
pub(super) fn assert_after_mail(text: &str, expected: &str) {
    assert_events(&[HELLO, MAIL, text].concat(), &[HELLO_EVENTS, MAIL_EVENTS, expected].concat());
}
