//! `bad-greeting`: the server's first words are none of SMTP's (RFC 5321 section 4.2; SBP-2010-06).

use super::reading;
use super::{About, Check, Evidence, Finding, Findings, Fix, Hears, Otherwise, Reference, Rule, Scope, Severity};
use crate::base::Moment;
use crate::smtp::wire::tls::State;
use crate::smtp::{Answers, Command, End, Event, Reply, Session, Verb};

pub(super) static RULE: Rule = Rule {
    id: "bad-greeting",
    title: "The server's greeting is not a valid 220",
    what: "A server's first reply should be 220 with its name. Here it is a refusal, has another code, has lines with \
           different codes, is not a reply at all, or never came.",
    why: "A server should open with 220 and its name. Anything else points to a server that is overloaded, \
          misconfigured or blocked, to a middlebox answering in its place, or to a service that is not a mail server. \
          Clients and filters that expect 220 may misread what follows.",
    honesty: "SBP-2010-06 names this protection but not what triggers it; the triggers here are this project's own \
              reading of RFC 5321.",
    checks: &[&REFUSED, &UNEXPECTED_CODE, &NOT_SMTP, &INCONSISTENT, &NONE],
    fixes: &[
        Fix {
            software: None,
            checks: &[],
            text: "A server that cannot serve should greet with 421, 521 or 554 and close. If the greeting is not \
                   SMTP, find out what is listening there.",
            source: "RFC 5321 sections 3.1, 3.8 and 4.2, RFC 7504",
        },
        Fix {
            software: Some("Sendmail"),
            checks: &["refused"],
            text: "It answers 554 to clients that speak before the greeting. The client must wait for the whole \
                   greeting.",
            source: "recorded from Sendmail 8.17.1.9; RFC 5321 section 3.1",
        },
        Fix {
            software: Some("smtp-server"),
            checks: &["refused"],
            text: "It answers 421 to clients that speak before the greeting. The client must wait for the whole \
                   greeting.",
            source: "recorded from smtp-server 3.21.6; RFC 5321 section 3.1",
        },
    ],
    references: &[
        Reference {
            text: "RFC 5321 section 3.1, session initiation",
            url: "https://www.rfc-editor.org/rfc/rfc5321#section-3.1",
        },
        Reference { text: "RFC 7504, the 521 and 556 reply codes", url: "https://www.rfc-editor.org/rfc/rfc7504" },
        Reference { text: "SBP-2010-06, \"Bad SMTP Server Greeting\"", url: "" },
    ],
    source_data: &[],
    hears: Hears::GREETING.and(Hears::FIRST).and(Hears::KEPT).and(Hears::END),
    tells: false,
    judge,
};

static REFUSED: Check = Check {
    id: "refused",
    title: "Greeting turns the client away",
    about: About::Server,
    otherwise: &[Otherwise {
        severity: Severity::Info,
        about: About::Client,
        title: "Client turned away: spoke early",
    }],
    discriminator: &["reply_code"],
    severity: Severity::Low,
    confidence: 95,
    scope: Scope::Server,
    fires: "the greeting's code is 4yz or 5yz; info if the client had spoken before it, which many servers answer this \
            way",
    why: None,
};

static UNEXPECTED_CODE: Check = Check {
    id: "unexpected-code",
    title: "The greeting has an unexpected reply code",
    about: About::Server,
    otherwise: &[],
    discriminator: &["reply_code"],
    severity: Severity::Medium,
    confidence: 95,
    scope: Scope::Server,
    fires: "the greeting's code is 1yz, 2yz or 3yz but not 220, or is not an SMTP reply code",
    why: None,
};

static NOT_SMTP: Check = Check {
    id: "not-smtp",
    title: "The greeting is not SMTP",
    about: About::Server,
    otherwise: &[],
    discriminator: &[],
    severity: Severity::Medium,
    confidence: 90,
    scope: Scope::Server,
    fires: "the server's first line has no three-digit code followed by a space, a hyphen or the end of the line",
    why: None,
};

static INCONSISTENT: Check = Check {
    id: "inconsistent",
    title: "The greeting's lines have different codes",
    about: About::Server,
    otherwise: &[],
    discriminator: &["reply_code"],
    severity: Severity::Medium,
    confidence: 90,
    scope: Scope::Server,
    fires: "the lines of the greeting have different codes",
    why: None,
};

static NONE: Check = Check {
    id: "none",
    title: "The server sent no greeting",
    about: About::Server,
    otherwise: &[],
    discriminator: &["verb", "reply_code"],
    severity: Severity::Low,
    confidence: 70,
    scope: Scope::Server,
    fires: "the client sent its first command although the server had said nothing, and the server's first reply fits \
            that command and came after it",
    why: None,
};

/// The word: where the first command ended in the client's stream, and what would fit it.
const ENDED: u32 = 0x00ff_ffff;
const HELLO: u32 = 1 << 24;
const HELP: u32 = 1 << 25;
const UNKNOWN: u32 = 1 << 26;
/// A first command was heard.
const HEARD: u32 = 1 << 27;
/// A first reply was heard.
const REPLIED: u32 = 1 << 28;
/// By packet order the greeting may answer the first command: where no end acknowledges anything that decides, at
/// the session's end.
const WAITS: u32 = 1 << 29;

fn judge(event: &Event<'_>, session: &Session, word: &mut u32, out: &mut Findings<'_>) {
    match event {
        Event::Command(command) => {
            if *word & HEARD == 0 {
                *word |= HEARD | unprompted(command);
            }
            if *word & WAITS == 0 && command.early.is_some() {
                judge_refusal(session.early_talk || command.early == Some(true), command.at.last(), out);
            }
        }
        Event::Greeting(greeting) => {
            let rests = greeting.uncertain || answers_what_is_missing(greeting, session);
            if !rests && session.tls.state != State::Implicit {
                judge_greeting(greeting, session, word, out);
            }
            *word |= HEARD | REPLIED;
        }
        Event::Reply(reply, answers) if *word & REPLIED == 0 => {
            if session.greeting_missing && all_heard(session) {
                judge_missing(reply, answers, out);
            }
            *word |= REPLIED;
        }
        Event::End(end) => judge_end(end, session, out),
        _ => {}
    }
}

fn judge_greeting(greeting: &Reply, session: &Session, word: &mut u32, out: &mut Findings<'_>) {
    let found = |check, message: String| Finding::new(&RULE, check, &greeting.at, message).greeting(greeting);
    let Some(first) = greeting.lines.first().and_then(|line| reading::code(line)) else {
        return out.fire(found(&NOT_SMTP, "The server's first line is not an SMTP greeting".to_owned()));
    };
    if greeting.codes_differ || greeting.code.is_none() {
        let message = format!("The lines of the greeting have different codes; the first is {first}");
        return out.fire(found(&INCONSISTENT, message));
    }
    let code = greeting.code.unwrap_or(first);
    let may_answer = in_packet_order(*word, code, greeting) && all_heard(session);
    if may_answer {
        *word |= WAITS;
        out.defer(found(&NONE, missing(code)));
    }
    match code {
        220 => {}
        400..=599 => {
            let finding = found(&REFUSED, format!("The server greeted with {code}"));
            let standard = Evidence::Flag(matches!(code, 421 | 521 | 554));
            out.defer(finding.with("standard_refusal", standard));
            if session.early_talk && !may_answer {
                judge_refusal(true, greeting.at.last(), out);
            }
        }
        _ => {
            let finding = found(&UNEXPECTED_CODE, format!("The server greeted with {code} instead of 220"));
            if may_answer { out.defer(finding) } else { out.fire(finding) }
        }
    }
}

/// The first reply answered the first command: there was no greeting.
fn judge_missing(reply: &Reply, answers: &Answers<'_>, out: &mut Findings<'_>) {
    let (Answers::Command(command), Some(code)) = (answers, reply.code) else { return };
    out.fire(Finding::new(&RULE, &NONE, &reply.at, missing(code)).command(command).reply(reply));
}

fn missing(code: u16) -> String {
    format!("No greeting: the server answered {code} only after the client had spoken")
}

fn judge_end(end: &End, session: &Session, out: &mut Findings<'_>) {
    let by_packets = !end.client_acknowledges && !end.server_acknowledges;
    let (none, unexpected) = (out.take(&NONE, end.at), out.take(&UNEXPECTED_CODE, end.at));
    match (none, unexpected) {
        (Some(none), _) if by_packets => {
            out.take(&REFUSED, end.at);
            out.fire(none);
        }
        (_, Some(unexpected)) => out.fire(unexpected),
        _ => {}
    }
    judge_refusal(session.early_talk, end.at, out);
}

/// Whether the client had spoken before the greeting shows in its first command, which may come after it in
/// the capture though it was sent before: until then, or until the end, a refusal waits.
fn judge_refusal(early: bool, at: Moment, out: &mut Findings<'_>) {
    let Some(mut finding) = out.take(&REFUSED, at) else { return };
    if early {
        finding.severity = Severity::Info;
        finding.message.push_str(" after the client had spoken too early");
    }
    out.fire(finding);
}

/// What the word keeps of the first command, where nothing of the server had been captured before it.
fn unprompted(command: &Command) -> u32 {
    let fits = match &command.verb {
        _ if command.captured > 0 || command.uncertain => 0,
        Some(Verb::Ehlo | Verb::Helo | Verb::Lhlo) => HELLO,
        Some(Verb::Help) => HELP,
        Some(Verb::Other(_)) => UNKNOWN,
        _ => 0,
    };
    match u32::try_from(command.end) {
        Ok(end) if end < ENDED => end | fits,
        _ => 0,
    }
}

/// Whether, by packet order alone, what should be the greeting answers the first command. A refusal that the
/// standards know as a greeting is one.
fn in_packet_order(first_command: u32, code: u16, greeting: &Reply) -> bool {
    let fits = match code {
        250 => first_command & HELLO != 0,
        211 | 214 => first_command & HELP != 0,
        421 | 521 | 554 => false,
        500..=599 => first_command & UNKNOWN != 0,
        _ => false,
    };
    fits && greeting.captured >= u64::from(first_command & ENDED)
}

/// Whether the server had heard the client say something that the capture does not hold: then this may be an answer
/// to it. A refusal that the standards know as a greeting is one.
fn answers_what_is_missing(greeting: &Reply, session: &Session) -> bool {
    let heard_more = greeting.seen.is_none() && greeting.captured == 0;
    (heard_more || session.missing_client > 0) && !greeting.may_greet()
}

/// The start and all of the server's bytes were captured.
fn all_heard(session: &Session) -> bool {
    session.from_start && session.missing_server == 0
}

#[cfg(test)]
mod tests {
    use crate::rules::dialogue::{Dialogue, judged};

    #[test]
    fn silent_for_a_220_of_one_line_or_many() {
        assert_eq!(judged("S: 220 mx"), Vec::<String>::new());
        assert_eq!(judged("S: 220-mx\nS: 220 ready\nC: QUIT\nS: 221 bye"), Vec::<String>::new());
    }

    #[test]
    fn silent_where_the_client_may_have_spoken_unheard() {
        let lost = |text: &str| {
            let mut dialogue = Dialogue::read(text);
            dialogue.session.missing_client = 8;
            dialogue.judged()
        };
        for greeting in ["S: 250 mx", "S: 250-mx\nS: 502 no", "S: 502 no", "S: \u{1}\u{2}"] {
            assert_ne!(judged(greeting), Vec::<String>::new());
            assert_eq!(lost(greeting), Vec::<String>::new(), "{greeting}");
        }
        assert_eq!(lost("S: 554 no"), ["bad-greeting/refused low 95"], "no command is answered so");
    }

    #[test]
    fn a_refusal_is_low_and_info_where_the_client_spoke_first() {
        for code in ["421", "521", "554", "450"] {
            assert_eq!(judged(&format!("S: {code} no")), ["bad-greeting/refused low 95"]);
        }
        assert_eq!(judged("C: EHLO a\nS: 554 mx no"), ["bad-greeting/refused info 95"]);
        let mut crossed = Dialogue::read("S: 554 mx no\nC: EHLO a");
        crossed.command(0).early = Some(true);
        assert_eq!(crossed.judged(), ["bad-greeting/refused info 95"], "captured after it, but sent before");
        assert_eq!(judged("S: 554 mx no\nC: QUIT\nS: 221 bye"), ["bad-greeting/refused low 95"]);
    }

    #[test]
    fn another_code_than_220_is_unexpected() {
        for code in ["200", "250", "334", "150", "099", "620"] {
            assert_eq!(judged(&format!("S: {code} mx")), ["bad-greeting/unexpected-code medium 95"], "{code}");
        }
    }

    #[test]
    fn a_first_line_without_a_code_is_no_smtp() {
        for line in ["hello", "+OK ready", "2200 mx", "220mx", ""] {
            assert_eq!(judged(&format!("S: {line}")), ["bad-greeting/not-smtp medium 90"], "{line:?}");
        }
    }

    #[test]
    fn lines_that_differ_replace_the_codes_own_check() {
        assert_eq!(judged("S: 220-mx\nS: 554 no"), ["bad-greeting/inconsistent medium 90"]);
    }

    #[test]
    fn a_first_reply_that_answers_the_first_command_means_no_greeting() {
        let none = "bad-greeting/none low 70".to_owned();
        for dialogue in ["C: EHLO a\nS: 250 mx", "C: HELP\nS: 214 MAIL", "C: FOO\nS: 500 unknown"] {
            let found = Dialogue::read(dialogue).ungreeted().judged();
            let mine: Vec<_> = found.iter().filter(|found| found.starts_with("bad-greeting")).collect();
            assert_eq!(mine, [&none], "{dialogue}");
            let found = Dialogue::read(dialogue).unacknowledged().judged();
            let mine: Vec<_> = found.iter().filter(|found| found.starts_with("bad-greeting")).collect();
            assert_eq!(mine, [&none], "{dialogue}, by packet order");
        }
    }

    #[test]
    fn a_first_reply_that_does_not_fit_or_is_not_all_is_no_answer() {
        let unexpected = ["bad-greeting/unexpected-code medium 95"];
        assert_eq!(judged("C: NOOP\nS: 250 mx"), unexpected);
        assert_eq!(judged("C: EHLO a\nS: 250 mx"), unexpected, "the parser knows that it came before");
        let mut lossy = Dialogue::read("C: EHLO a\nS: 250 mx").unacknowledged();
        lossy.session.missing_server = 5;
        assert_eq!(lossy.judged(), unexpected);
        assert_eq!(
            Dialogue::read("C: FOO\nS: 554 no").unacknowledged().only("bad-greeting").judged(),
            ["bad-greeting/refused info 95"]
        );
    }

    #[test]
    fn silent_for_another_binary_protocol_and_for_tls() {
        assert_eq!(
            Dialogue::read("S: SSH-2.0-x").other_protocol("SSH").only("bad-greeting").judged(),
            Vec::<String>::new()
        );
        assert_eq!(
            Dialogue::read("S: * OK").other_protocol("IMAP").only("bad-greeting").judged(),
            ["bad-greeting/not-smtp medium 90"]
        );
    }
}
