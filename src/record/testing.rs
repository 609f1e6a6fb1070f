//! For tests: one fixed finding, session, server, stats and summary, and their records, that every format is held against.

use std::path::PathBuf;

use crate::base::{Endpoint, Moment, Ordinal, Packets, ServerNames, Tally, Time};
use crate::capture::CaptureFile;
use crate::ledger::server::{Help, StartTls};
use crate::ledger::{Found, Noticed, Output, Server, SessionEnd, Stats, Summary, Told, Totals, Who};
use crate::rules::dialogue::Dialogue;
use crate::rules::{Catalogue, Severity, Software};
use crate::smtp::session::{Auth, Helo, Spoken, Transaction};
use crate::smtp::wire::tls::{State, Tls};
use crate::smtp::{DataEnd, Verb};

use super::{Clerk, Record};

/// 2026-11-24T14:45:44Z.
const START: i64 = 1_795_531_544;

/// The packet of this number, of which the first 100 lie in the first capture.
fn at(number: u64, millis: i64) -> Moment {
    let (rank, frame) = if number < 100 { (0, number + 1) } else { (1, number - 99) };
    let time = Time(START * Time::SECOND + millis * 1_000_000);
    Moment { ordinal: Ordinal::new(time, rank, frame), time }
}

/// Two captures.
pub(crate) fn clerk() -> Clerk {
    begun(Clerk::new(Catalogue::built_in(), false))
}

/// The same, where secrets are shown.
pub(crate) fn revealing_clerk() -> Clerk {
    begun(Clerk::new(Catalogue::built_in(), true))
}

fn begun(mut clerk: Clerk) -> Clerk {
    for path in ["mail/monday.pcap", "mail/tuesday.pcap"] {
        assert_eq!(clerk.record(Output::Capture(path.into())), None);
    }
    clerk
}

/// Two interfaces, listened on.
pub(crate) fn live_clerk() -> Clerk {
    let mut clerk = Clerk::live(Catalogue::built_in(), false);
    // The packets of this file's fixtures are of two captures.
    for path in ["eth0,eth1", "eth0,eth1"] {
        assert_eq!(clerk.record(Output::Capture(path.into())), None);
    }
    clerk
}

/// What the clerk makes of it.
pub(crate) fn record_of(mut clerk: Clerk, output: Output) -> Record {
    clerk.record(output).unwrap()
}

pub(crate) fn finding() -> Record {
    record_of(clerk(), Output::Finding(Box::new(found())))
}

pub(crate) fn session() -> Record {
    record_of(clerk(), Output::Session(Box::new(session_end())))
}

pub(crate) fn events() -> Vec<Record> {
    let mut clerk = clerk();
    outputs().into_iter().filter_map(|output| clerk.record(output)).collect()
}

/// A record of each kind that names the server, which has a name.
pub(crate) fn named() -> Vec<Record> {
    let mut names = ServerNames::default();
    names.insert("0.0.0.0/0".parse().unwrap(), "mx-a".parse().unwrap());
    let mut clerk = clerk().naming(names);
    let told = [Output::Finding(Box::new(found())), Output::Session(Box::new(session_end()))];
    let told = told.into_iter().chain(outputs()).chain([Output::Server(Box::new(known_server()))]);
    told.filter_map(|output| clerk.record(output)).collect()
}

pub(crate) fn server() -> Record {
    record_of(clerk(), Output::Server(Box::new(known_server())))
}

pub(crate) fn stats() -> [Record; 2] {
    [counted(), Stats::default()].map(|stats| record_of(live_clerk(), Output::Stats(Box::new(stats))))
}

pub(crate) fn summary() -> Record {
    record_of(clerk(), Output::Summary(Box::new(summed_up())))
}

pub(crate) fn dialogue() -> Dialogue {
    let mut dialogue = Dialogue::read(
        "S: 220 mail.example.org ESMTP Sendmail 8.17.1.9\nC: HELP MAIL\n\
         S: 214-2.0.0 This is sendmail version 8.17.1.9\nS: 214-2.0.0 \tHELO\tEHLO\tMAIL\nS: 214 2.0.0 \x1b[31mEnd",
    );
    dialogue.session.first = at(3, 0);
    dialogue.session.last = at(104, 250);
    dialogue
}

fn who() -> Who {
    Who::of(&dialogue().session)
}

pub(crate) fn found() -> Found {
    let mut finding = dialogue().findings().remove(0);
    let mut packets = Packets::one(at(101, 12));
    packets.push(at(103, 20));
    finding.at = packets.last();
    finding.packets = packets;
    Found { who: who(), finding, kept: None, interface: None }
}

pub(crate) fn session_end() -> SessionEnd {
    let dialogue = dialogue();
    let mut session = dialogue.session.clone();
    session.greeting = Some(Spoken { code: Some(220), text: b"mail.example.org ESMTP Sendmail 8.17.1.9".to_vec() });
    session.helo = Some(Helo { verb: Verb::Ehlo, argument: b"client.example.com".to_vec() });
    session.capabilities = vec![b"SIZE 1000".to_vec(), b"HELP".to_vec()];
    session.capabilities_known = true;
    session.tls = Tls { state: State::Offered, ..Tls::default() };
    session.auth = vec![Auth { mechanism: b"PLAIN".to_vec(), user: Some(b"us\xe9r".to_vec()), code: Some(235) }];
    session.transactions = vec![Transaction {
        mail_from: b"a@example.com".to_vec(),
        rcpt_to: vec![(b"b@example.org".to_vec(), Some(250))],
        data_bytes: 17,
        code: Some(250),
        subject: Some(b"back\\slash".to_vec()),
        message_id: None,
        smuggled: false,
    }];
    (session.commands, session.replies, session.missing_server) = (4, 5, 6);
    let mut end = dialogue.end();
    end.complete = false;
    SessionEnd { session, end, findings: dialogue.verdicts().0.counts().clone() }
}

/// Events, the last of them with a secret.
pub(crate) fn outputs() -> Vec<Output> {
    use crate::ledger::entry::{Answered, Revealable};
    let data = Told::Data {
        at: at(102, 3),
        bytes: 17,
        lines: 3,
        sha256: Some([0xab; 32]),
        end: DataEnd::Smuggled("LF.LF"),
        by_lf: false,
        uncertain: false,
    };
    let command = |verb: Option<Verb>, shown: &[u8], whole: Option<&[u8]>| Told::Command {
        at: at(101, 12),
        verb,
        argument: Revealable { shown: shown.to_vec(), whole: whole.map(<[u8]>::to_vec) },
        sent: None,
        uncertain: false,
    };
    let reply = Told::Reply {
        at: at(103, 20),
        code: Some(214),
        lines: Revealable { shown: vec![b"first".to_vec(), b"last \xff".to_vec()], whole: None },
        sent: None,
        answers: Answered::Verb(Verb::Help),
        argument: Some(Revealable { shown: b"MAIL".to_vec(), whole: None }),
        uncertain: true,
    };
    let tls = Tls { state: State::Started, version: Some("1.3"), sni: Some(b"mx".to_vec()), ..Tls::default() };
    let told = [
        command(Some(Verb::Help), b"MAIL", None),
        reply,
        data,
        Told::Tls(at(104, 30), tls),
        Told::Gap { at: at(104, 40), of_server: true, offset: 1234, length: 56 },
        command(None, b"<redacted>", Some(b"AHVzZXIA")),
    ];
    (1..).zip(told).map(|(number, told)| Output::Event(who(), number, Box::new(told))).collect()
}

pub(crate) fn known_server() -> Server {
    Server {
        endpoint: who().server,
        capture: None,
        sessions: 2,
        greetings: vec![b"mail.example.org ESMTP Sendmail 8.17.1.9".to_vec()],
        software: Some(Software { name: "Sendmail", version: Some("8.17.1.9".to_owned()) }),
        several: Vec::new(),
        capabilities: vec![b"SIZE 1000".to_vec(), b"HELP".to_vec()],
        help: Help::Exposed,
        starttls: StartTls::NotOffered,
        first_seen: at(3, 0).time,
        last_seen: at(104, 250).time,
        findings: [(found().finding.check, 3)].into(),
    }
}

fn counted() -> Stats {
    let mut limits_hit = Tally::default();
    limits_hit.add("connections", 2);
    Stats {
        time: at(0, 60_000).time,
        packets: 1200,
        bytes: 10_000,
        kernel_dropped: 30,
        interface_dropped: 4,
        filtered_out: Some(98_000),
        connections: 3,
        open_connections: 1,
        sessions: 2,
        findings: [("help-exposed".to_owned(), [(Severity::Low, 1)].into())].into(),
        limits_hit,
        memory_bytes: 40 << 20,
        last_packet: Some(at(199, 250).time),
    }
}

pub(crate) fn summed_up() -> Summary {
    let file = |name: &str, first| CaptureFile {
        path: PathBuf::from(name),
        packets: 100,
        bytes: 5000,
        first_time: Some(at(first, 0).time),
        last_time: Some(at(first, 250).time),
        truncated: first > 0,
        sha256: None,
        dropped: 0,
    };
    let (mut not_analysed, mut limits_hit) = (Tally::default(), Tally::default());
    not_analysed.add("missing-bytes", 6);
    limits_hit.add("connections", 2);
    let totals = Totals {
        captures: vec![file("mail/monday.pcap", 0), file("mail/tuesday.pcap", 100)],
        packets: 1200,
        bytes: 10_000,
        segments: 1200,
        first_time: Some(at(0, 0).time),
        last_time: Some(at(199, 250).time),
        connections: 3,
        not_analysed,
        elsewhere: vec![Noticed {
            server: Endpoint { ip: [192, 0, 2, 9].into(), port: 2525 },
            first: Ordinal::of(1),
            packets: 412,
        }],
        limits_hit,
        time_backwards: 1,
        ..Totals::default()
    };
    let findings = [("help-exposed".to_owned(), [(Severity::Low, 1)].into())].into();
    Summary { totals, sessions: 2, encrypted_sessions: 1, findings }
}
