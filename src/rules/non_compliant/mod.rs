//! `non-compliant`: what either side says is not what SMTP allows (RFC 5321; SBP-2010-06).
//!
//! The largest rule, so its checks stand in files by what they look at: [`syntax`] of a command, its [`sequence`],
//! [`lines`] and their ends, the server's [`replies`], and [`timing`], what an end knew when it spoke. Each has its
//! own tests.

mod lines;
mod replies;
mod sequence;
mod syntax;
mod timing;

use super::reading::answered;
use super::starttls::SUBMISSIONS;
use super::{About, Check, Evidence, Finding, Findings, Fix, Hears, Reference, Rule, Scope, Severity};
use crate::smtp::event::{Fault, FaultKind};
use crate::smtp::{Command, Ending, Event, Knew, Knowledge, Session};

pub(super) static RULE: Rule = Rule {
    id: "non-compliant",
    title: "Client or server breaks the rules of SMTP",
    what: "A command, a reply, a line ending, or the moment at which something was sent breaks the standards, or the \
           stream is not SMTP at all.",
    why: "When client and server read the same bytes differently, mail can be smuggled past filters and commands \
          hidden from inspection. Spam software often shows itself this way; between honest programs it is the first \
          sign of a fault.",
    honesty: "SBP-2010-06 names this protection but not what triggers it; the triggers here are this project's own \
              reading of RFC 5321 and of the RFCs of its extensions.",
    checks: &[
        &syntax::UNKNOWN_VERB,
        &syntax::MALFORMED_COMMAND,
        &syntax::LAX_PATH,
        &sequence::OUT_OF_SEQUENCE,
        &lines::COMMAND_TOO_LONG,
        &lines::REPLY_TOO_LONG,
        &lines::BARE_LF,
        &lines::BARE_CR,
        &lines::END_OF_DATA,
        &replies::MALFORMED_REPLY,
        &replies::UNSOLICITED_REPLY,
        &timing::EARLY_TALK,
        &timing::UNADVERTISED_PIPELINING,
        &NOT_SMTP,
    ],
    fixes: &[
        Fix {
            software: None,
            checks: &["end-of-data", "bare-lf"],
            text: "Accept nothing but CRLF.CRLF as the end of a mail.",
            source: "RFC 5321 sections 2.3.8 and 4.1.1.4",
        },
        Fix {
            software: Some("Postfix"),
            checks: &["end-of-data", "bare-lf"],
            text: "Set smtpd_forbid_bare_newline = normalize (only CRLF.CRLF ends a mail) or reject (every bare LF is \
                   refused). As installed, 3.7.11 accepts a mail whose lines end in LF; 3.10.13 waits for CRLF.CRLF.",
            source: "https://www.postfix.org/postconf.5.html#smtpd_forbid_bare_newline; recorded from Postfix 3.7.11; \
                     recorded from Postfix 3.10.13",
        },
        Fix {
            software: Some("Sendmail"),
            checks: &["bare-lf"],
            text: "As installed, it answers a mail whose lines end in LF with 421.",
            source: "recorded from Sendmail 8.17.1.9",
        },
        Fix {
            software: Some("Exim"),
            checks: &["bare-lf"],
            text: "As installed, it accepts a mail whose lines end in LF.",
            source: "recorded from Exim 4.96",
        },
        Fix {
            software: Some("OpenSMTPD"),
            checks: &["bare-lf"],
            text: "As installed, it accepts a mail whose lines end in LF.",
            source: "recorded from OpenSMTPD 6.8.0p2",
        },
        Fix {
            software: Some("Postfix"),
            checks: &["unadvertised-pipelining"],
            text: "smtpd_forbid_unauth_pipelining = yes (the default since 3.9) ends such a session with 554. In older \
                   versions, smtpd_data_restrictions = reject_unauth_pipelining refuses its mail.",
            source: "https://www.postfix.org/postconf.5.html#smtpd_forbid_unauth_pipelining; recorded from Postfix 3.10.13",
        },
        Fix {
            software: Some("Exim"),
            checks: &["unadvertised-pipelining"],
            text: "Leave smtp_enforce_sync on (the default): commands sent without waiting get 554 and the connection is \
                   closed, but not every time: what arrives late is missed.",
            source: "Exim specification, chapter 14, \
                     https://www.exim.org/exim-html-current/doc/html/spec_html/ch-main_configuration.html; recorded from Exim 4.96",
        },
        Fix {
            software: Some("OpenSMTPD"),
            checks: &["unadvertised-pipelining"],
            text: "It refuses commands that are sent without waiting (500).",
            source: "recorded from OpenSMTPD 6.8.0p2",
        },
        Fix {
            software: Some("Sendmail"),
            checks: &["unadvertised-pipelining"],
            text: "It refuses commands sent without waiting after EHLO and DATA (554), but accepts them after HELO.",
            source: "recorded from Sendmail 8.17.1.9",
        },
        Fix {
            software: None,
            checks: &["early-talk", "unadvertised-pipelining", "bare-lf", "bare-cr"],
            text: "A client must wait for the whole greeting and for replies that have to be waited for, and must end \
                   its lines with CRLF.",
            source: "RFC 5321 sections 2.3.8, 3.1 and 4.3.1; RFC 2920 section 3.1",
        },
        Fix {
            software: None,
            checks: &["not-smtp"],
            text: "Find out what speaks another protocol on this port, and move it or block it.",
            source: "RFC 5321 section 4.5.4.2, port 25 is SMTP's",
        },
    ],
    references: &[
        Reference {
            text: "RFC 5321 section 4.1.4, order of commands",
            url: "https://www.rfc-editor.org/rfc/rfc5321#section-4.1.4",
        },
        Reference {
            text: "RFC 5321 section 4.5.3.1, size limits",
            url: "https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1",
        },
        Reference {
            text: "RFC 2920 section 3.1, pipelining by the client",
            url: "https://www.rfc-editor.org/rfc/rfc2920#section-3.1",
        },
        Reference { text: "CVE-2023-51764, SMTP smuggling", url: "https://www.cve.org/CVERecord?id=CVE-2023-51764" },
        Reference { text: "SBP-2010-06, \"Non Compliant SMTP\"", url: "" },
    ],
    source_data: &[],
    hears: Hears::GREETING
        .and(Hears::ODD)
        .and(Hears::HELLO)
        .and(Hears::KEPT)
        .and(Hears::DATA)
        .and(Hears::FAULT)
        .and(Hears::END)
        .and(Hears::OTHER_PROTOCOLS),
    tells: false,
    judge,
};

static NOT_SMTP: Check = Check {
    id: "not-smtp",
    title: "Another protocol on the SMTP port",
    about: About::Client,
    otherwise: &[],
    discriminator: &["protocol", "side"],
    severity: Severity::Medium,
    confidence: 90,
    scope: Scope::Session,
    fires: "the first bytes of either side are those of another protocol; or `unknown`, if the first client line has \
            no verb of 3 to 12 letters and the server's first line has no code",
    why: Some(
        "Something that is not a mail client connected to the mail port: a scanner, a misdirected service, or a \
               browser tricked into sending HTTP.",
    ),
};

/// Whether the stream is told as HTTP: SMTP may be hidden in a request, and how its lines are spelled or timed says nothing.
fn is_http(session: &Session) -> bool {
    session.protocol == Some("HTTP")
}

/// The word: early talk was told.
const EARLY_TOLD: u32 = 1;
/// Bare line feeds were seen in commands, in replies, in message data.
const LF_IN_COMMANDS: u32 = 1 << 1;
const LF_IN_REPLIES: u32 = 1 << 2;
const LF_IN_DATA: u32 = 1 << 3;
/// More unknown verbs came than are told one by one.
const MANY_UNKNOWN: u32 = 1 << 4;

/// Conditions that findings wait for. The client, which had acknowledged nothing, does so.
const ACKNOWLEDGES: u8 = 1;
/// It never does: packet order decides (RULES.md).
const NEVER_ACKNOWLEDGES: u8 = 1 << 1;
/// The server does not offer PIPECONNECT.
const NO_PIPECONNECT: u8 = 1 << 2;
/// Not all lines of those who used bare line feeds ended so.
const NOT_ALL_LF: u8 = 1 << 3;
/// Neither end ever acknowledges anything, and nothing is missing: packet order decides.
const NEVER_ACKNOWLEDGED: u8 = 1 << 4;
/// All that the client had said is known.
const HEARD_ALL: u8 = 1 << 5;
/// The server said more behind it.
const NOT_ITS_LAST: u8 = 1 << 6;
/// The server, which had not spoken yet, does not offer the verb: asked of each by itself.
const NOT_OFFERED: u8 = 1 << 7;

/// The name of a protocol that is not known.
const UNKNOWN: &str = "unknown";

fn judge(event: &Event<'_>, session: &Session, word: &mut u32, out: &mut Findings<'_>) {
    if let Event::Fault(Fault { kind: FaultKind::OtherProtocol { name }, .. }) = event {
        judge_protocol(name, event, session, out);
    }
    if out.other_protocol() {
        return;
    }
    match event {
        Event::Greeting(greeting) => lines::judge_reply(greeting, None, session, word, out),
        Event::Command(command) => {
            timing::acknowledged(session, command.at.last(), out);
            if command.uncertain {
                return;
            }
            timing::judge_command(command, session, out);
            lines::judge_command(command, session, word, out);
            // Where a line has no end nobody knows what was to follow.
            if command.ending != Ending::None && !command.exchange {
                if !command.in_doubt {
                    syntax::judge(command, session, word, out);
                }
                sequence::judge(command, out);
            }
        }
        Event::Reply(reply, answers) => {
            timing::judge_reply(reply, answers, session, word, out);
            if answered(reply, answers).is_some_and(|(_, verb)| verb.is_hello()) && session.capabilities_known {
                syntax::judge_capabilities(reply.at.last(), session, word, out);
            }
            lines::judge_reply(reply, Some(answers), session, word, out);
            replies::judge(reply, answers, session, out);
        }
        Event::Data(data) => {
            timing::judge_data(data, session, out);
            lines::judge_data(data, out);
        }
        Event::Fault(fault) => {
            timing::judge_fault(fault, session, out);
            lines::judge_fault(fault, session, word, out);
            replies::judge_fault(fault, session, out);
        }
        Event::End(end) => {
            timing::judge_end(end, session, word, out);
            lines::judge_end(end, session, *word, out);
            replies::judge_end(end, session, out);
            syntax::judge_end(end, session, word, out);
        }
        Event::Tls(..) | Event::Gap(_) => {}
    }
}

fn judge_protocol(name: &'static str, event: &Event<'_>, session: &Session, out: &mut Findings<'_>) {
    let Event::Fault(fault) = event else { return };
    syntax::forget_early(out);
    // That is told by starttls/implicit.
    let implicit = name == "TLS" && session.server.port == SUBMISSIONS;
    // A session picked up midway may have begun as SMTP.
    let doubtful = name == UNKNOWN && session.doubt.rests();
    if implicit || doubtful {
        return;
    }
    let whose = if fault.side == session.server_side { "server" } else { "client" };
    let message = match name {
        UNKNOWN => "Neither side's first line is SMTP".to_owned(),
        _ => format!("The {whose} opened with {name} instead of SMTP"),
    };
    let finding = Finding::new(&RULE, &NOT_SMTP, &fault.at, message);
    out.fire(finding.with("protocol", Evidence::Word(name)).with("side", Evidence::Word(whose)));
}

/// Whether nothing of the command's place in the session can be wrong.
pub(super) fn is_in_time(command: &Command) -> bool {
    match &command.knew {
        Knowledge::Unknown => true,
        Knowledge::Sure(knew) => timing::is_patient(knew) && sequence::fault(command, &knew.stage).is_none(),
        Knowledge::Doubtful { .. } => false,
    }
}

/// Holds a command against what its client knew, and tells what is found of it, once it is known which reading of
/// its knowledge counts.
fn judge_knowledge(knowledge: &Knowledge, test: impl Fn(&Knew) -> Option<(Finding, u8)>, out: &mut Findings<'_>) {
    let mut tell = |knew: &Knew, condition: u8| {
        if let Some((finding, open)) = test(knew) {
            match open | condition {
                0 => out.fire(finding),
                open => out.wait(finding, open),
            }
        }
    };
    match knowledge {
        Knowledge::Unknown => {}
        Knowledge::Sure(knew) => tell(knew, 0),
        Knowledge::Doubtful { by_seen, by_order } => {
            tell(by_seen, ACKNOWLEDGES);
            tell(by_order, NEVER_ACKNOWLEDGES);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::dialogue::Dialogue;

    #[test]
    fn another_protocol_is_named_and_judged_by_nothing_else() {
        let dialogue = || Dialogue::read("S: SSH-2.0-x\nC: WHAT is this").other_protocol("SSH");
        assert_eq!(dialogue().judged(), ["non-compliant/not-smtp medium 90"]);
    }

    #[test]
    fn tls_is_no_fault_on_the_port_that_is_for_it() {
        let mut dialogue = Dialogue::default().other_protocol("TLS");
        assert_eq!(dialogue.judged(), ["non-compliant/not-smtp medium 90"]);
        dialogue.session.server.port = 465;
        assert_eq!(dialogue.judged(), Vec::<String>::new());
    }
}
