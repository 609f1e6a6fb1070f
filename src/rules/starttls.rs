//! `starttls`: how TLS began, or why it did not (RFC 3207; SBP-2010-06).

use super::patterns;
use super::reading::{answered, crossed_out, keywords, keywords_in, lists_capabilities};
use super::{About, Check, Evidence, Finding, Findings, Fix, Hears, Otherwise, Reference, Rule, Scope, Severity};
use crate::base::{Moment, Packets};
use crate::smtp::event::{Fault, FaultKind};
use crate::smtp::wire::tls::{State, Tls};
use crate::smtp::{Command, Event, Reply, Secret, Session, Verb};

pub(super) static RULE: Rule = Rule {
    id: "starttls",
    title: "TLS started, refused or tampered with",
    what: "The session switched to TLS, was refused it, or shows that somebody between client and server \
           interfered: plaintext slipped in around the change to TLS, or a middlebox that masked STARTTLS.",
    why: "What follows STARTTLS cannot be inspected. If it is refused or masked, mail travels in plaintext although \
          both ends could encrypt. Faulty software takes plaintext slipped in before the handshake for part of the \
          encrypted session (CVE-2011-0411).",
    honesty: "SBP-2010-06 names this protection but not what triggers it; the triggers here are this project's own \
              reading of RFC 3207.",
    checks: &[&STARTED, &IMPLICIT, &REFUSED, &NOT_TLS, &INJECTED, &MASKED],
    fixes: &[
        Fix {
            software: None,
            checks: &["injected"],
            text: "After answering 220 to STARTTLS, a server must forget what it received before, and must not read \
                   anything that arrived along with the command; the same goes for the client. Update server software \
                   older than 2011.",
            source: "RFC 3207 sections 4.2 and 6, CVE-2011-0411",
        },
        Fix {
            software: Some("Postfix"),
            checks: &["refused"],
            text: "Give it a certificate (smtpd_tls_chain_files) and set smtpd_tls_security_level = may. It then \
                   offers STARTTLS.",
            source: "https://www.postfix.org/postconf.5.html#smtpd_tls_security_level",
        },
        Fix {
            software: Some("Exim"),
            checks: &["refused"],
            text: "Give it a certificate (tls_certificate), and leave tls_advertise_hosts at `*`, the default.",
            source: "Exim specification, chapters 14 and 43, \
                     https://www.exim.org/exim-html-current/doc/html/spec_html/ch-main_configuration.html",
        },
        Fix {
            software: Some("Sendmail"),
            checks: &["refused"],
            text: "Give it a certificate and a key (ServerCertFile, ServerKeyFile).",
            source: "Sendmail Installation and Operation Guide, section 5.6, options; recorded from Sendmail 8.17.1.9 tls-auth",
        },
        Fix {
            software: Some("OpenSMTPD"),
            checks: &["refused"],
            text: "Name a certificate and a key with `pki NAME cert FILE` and `pki NAME key FILE`, and use `tls pki \
                   NAME` in `listen on`.",
            source: "smtpd.conf(5), https://man.openbsd.org/smtpd.conf.5",
        },
        Fix {
            software: None,
            checks: &["refused"],
            text: "After 501 or 503, fix the client: STARTTLS takes no argument, and must not be sent \
                   again in a session that uses TLS already.",
            source: "RFC 3207 sections 4 and 4.2; RFC 5321 section 4.2.2",
        },
        Fix {
            software: Some("Postfix"),
            checks: &["injected"],
            text: "It answers 220 to STARTTLS with a command sent along, and discards that command.",
            source: "recorded from Postfix 3.7.11 tls-auth",
        },
        Fix {
            software: Some("Exim"),
            checks: &["injected"],
            text: "It answers 220 to STARTTLS with a command sent along, and discards that command.",
            source: "recorded from Exim 4.96 tls-auth",
        },
        Fix {
            software: Some("Sendmail"),
            checks: &["injected"],
            text: "It answers 220 to STARTTLS with a command sent along, and discards that command.",
            source: "recorded from Sendmail 8.17.1.9 tls-auth",
        },
        Fix {
            software: Some("aiosmtpd"),
            checks: &["injected"],
            text: "It answers 220 to STARTTLS with a command sent along, and discards that command.",
            source: "recorded from aiosmtpd 1.4.6 tls-auth",
        },
        Fix {
            software: Some("Haraka"),
            checks: &["injected"],
            text: "It answers 220 to STARTTLS with a command sent along, and discards that command.",
            source: "recorded from Haraka 3.3.4 tls-auth",
        },
        Fix {
            software: Some("smtp-server"),
            checks: &["injected"],
            text: "It answers 220 to STARTTLS with a command sent along, and discards that command.",
            source: "recorded from smtp-server 3.21.6 tls-auth",
        },
        Fix {
            software: Some("OpenSMTPD"),
            checks: &["injected"],
            text: "It refuses STARTTLS with a command sent along (500).",
            source: "recorded from OpenSMTPD 6.8.0p2 tls-auth",
        },
        Fix {
            software: None,
            checks: &["masked"],
            text: "Turn off SMTP inspection in the middlebox: masked commands and keywords take STARTTLS away from \
                   both ends.",
            source: "RFC 3207 section 6, on what is lost where STARTTLS is taken out",
        },
    ],
    references: &[
        Reference { text: "RFC 3207, SMTP over TLS", url: "https://www.rfc-editor.org/rfc/rfc3207" },
        Reference {
            text: "RFC 8314 section 3.3, implicit TLS on port 465",
            url: "https://www.rfc-editor.org/rfc/rfc8314",
        },
        Reference { text: "CVE-2011-0411", url: "https://www.cve.org/CVERecord?id=CVE-2011-0411" },
        Reference { text: "SBP-2010-06, \"SMTP STARTTLS Command\"", url: "" },
    ],
    source_data: &[],
    hears: Hears::GREETING
        .and(Hears::PRIVATE)
        .and(Hears::HELLO)
        .and(Hears::STARTS_TLS)
        .and(Hears::TLS)
        .and(Hears::FAULT)
        .and(Hears::END)
        .and(Hears::OTHER_PROTOCOLS),
    tells: false,
    judge,
};

static STARTED: Check = Check {
    id: "started",
    title: "Session switched to TLS",
    about: About::Session,
    otherwise: &[],
    discriminator: &["verb", "tls"],
    severity: Severity::Info,
    confidence: 95,
    scope: Scope::Server,
    fires: "STARTTLS or X-ANONYMOUSTLS got 220; reported when the handshake is over, with what it shows",
    why: Some("For information: what follows is normally encrypted, and mailtap cannot see it."),
};

static IMPLICIT: Check = Check {
    id: "implicit",
    title: "TLS from the first byte",
    about: About::Session,
    otherwise: &[],
    discriminator: &["tls"],
    severity: Severity::Info,
    confidence: 95,
    scope: Scope::Server,
    fires: "TLS from the first byte on a port meant for it (465); reported when the handshake is over",
    why: Some("For information: the session is normally encrypted, and mailtap cannot see what is said."),
};

static REFUSED: Check = Check {
    id: "refused",
    title: "STARTTLS refused",
    about: About::Server,
    otherwise: &[Otherwise {
        severity: Severity::Info,
        about: About::Client,
        title: "STARTTLS refused (client's error)",
    }],
    discriminator: &["reply_code"],
    severity: Severity::Low,
    confidence: 95,
    scope: Scope::Server,
    fires: "STARTTLS got a reply other than 220; info for 501 and 503, which are the client's error",
    why: None,
};

static NOT_TLS: Check = Check {
    id: "not-tls",
    title: "No TLS handshake after STARTTLS",
    about: About::Client,
    otherwise: &[],
    discriminator: &[],
    severity: Severity::Medium,
    confidence: 90,
    scope: Scope::Session,
    fires: "after the 220, the client's first bytes are neither a TLS record (an alert counts as one) nor SMTP that \
            the server answers",
    why: Some(
        "The server agreed to TLS and then got something else. Either the client is broken, or somebody is \
               testing how the server behaves between the reply and the handshake.",
    ),
};

static INJECTED: Check = Check {
    id: "injected",
    title: "Plaintext sent along with STARTTLS",
    about: About::Client,
    otherwise: &[],
    discriminator: &["side"],
    severity: Severity::High,
    confidence: 90,
    scope: Scope::Session,
    fires: "client bytes that are not a TLS record arrived along with STARTTLS, and the server answered 220; or server \
            plaintext between its 220 and the handshake, except a line after the client's FIN or after a failed \
            handshake",
    why: Some(
        "Plaintext that arrives between STARTTLS and the handshake must be thrown away. Software that keeps it \
               treats an attacker's bytes as part of the encrypted session (CVE-2011-0411).",
    ),
};

static MASKED: Check = Check {
    id: "masked",
    title: "STARTTLS masked on the way",
    about: About::Session,
    otherwise: &[],
    discriminator: &["place", "verb"],
    severity: Severity::Medium,
    confidence: 90,
    scope: Scope::Session,
    fires: "a client command or an EHLO keyword that is only X's (apart from its last letter), or a greeting masked \
            with asterisks",
    why: None,
};

/// The port that is for TLS from the first byte (RFC 8314 section 7.3).
pub(super) const SUBMISSIONS: u16 = 465;

fn judge(event: &Event<'_>, session: &Session, _word: &mut u32, out: &mut Findings<'_>) {
    match event {
        Event::Greeting(greeting) => judge_greeting(greeting, out),
        Event::Command(command) => judge_command(command, out),
        Event::Reply(reply, answers) => {
            if let Some((command, verb)) = answered(reply, answers)
                && !may_answer_another(verb, reply, session)
            {
                judge_reply(command, verb, reply, out);
            }
        }
        Event::Tls(tls, at) => judge_tls(tls, *at, session, out),
        Event::Fault(fault) => judge_fault(fault, out),
        Event::End(end) => settle(&session.tls, end.at, out),
        Event::Data(_) | Event::Gap(_) => {}
    }
}

fn judge_greeting(greeting: &Reply, out: &mut Findings<'_>) {
    if !greeting.uncertain && greeting.texts().any(starred) {
        let message = "A middlebox masked the greeting with asterisks";
        let finding = Finding::new(&RULE, &MASKED, &greeting.at, message).greeting(greeting);
        out.fire(finding.with("place", Evidence::Word("greeting")));
    }
}

fn judge_command(command: &Command, out: &mut Findings<'_>) {
    let Some(Verb::Other(verb)) = &command.verb else { return };
    if !command.uncertain && crossed_out(verb.as_bytes()) {
        let message = format!("A middlebox masked a command of the client as {verb}");
        let finding = Finding::new(&RULE, &MASKED, &command.at, message).command(command);
        out.fire(finding.with("place", Evidence::Word("command")));
    }
}

/// Whether a reply that grants STARTTLS with another code than 220 may answer another command: after loss, or where
/// the session was picked up midway, replies and commands may be matched one off.
fn may_answer_another(verb: &Verb, reply: &Reply, session: &Session) -> bool {
    session.doubt.rests() && *verb == Verb::StartTls && matches!(reply.code, Some(200..=219 | 221..=399))
}

fn judge_reply(command: &Command, verb: &Verb, reply: &Reply, out: &mut Findings<'_>) {
    if lists_capabilities(verb, reply) {
        let masked: Vec<&[u8]> = keywords_in(reply, b'X').filter(|keyword| crossed_out(keyword)).collect();
        if !masked.is_empty() {
            let offered = keywords(reply).any(|keyword| patterns::known_keyword(keyword) == Some(patterns::STARTTLS));
            let lost = if offered { "" } else { "; the others do not include STARTTLS" };
            let message = format!("A middlebox masked keywords of the EHLO reply{lost}");
            let finding = Finding::new(&RULE, &MASKED, &reply.at, message).reply(reply).list("masked", masked);
            out.fire(finding.with("place", Evidence::Word("reply")));
        }
        return;
    }
    match (verb, reply.code) {
        (Verb::StartTls | Verb::XAnonymousTls, Some(220)) => {
            out.defer(Finding::new(&RULE, &STARTED, &reply.at, "").command(command).reply(reply));
        }
        (Verb::StartTls, Some(code)) => {
            let (severity, whose) = match code {
                501 | 503 => (Severity::Info, ": the client's error"),
                _ => (Severity::Low, ""),
            };
            let message = format!("The server answered STARTTLS with {code}{whose}");
            let finding = Finding::new(&RULE, &REFUSED, &reply.at, message).severity(severity);
            out.fire(finding.command(command).reply(reply));
        }
        _ => {}
    }
}

fn judge_tls(tls: &Tls, at: Moment, session: &Session, out: &mut Findings<'_>) {
    match tls.state {
        State::Implicit if session.server.port == SUBMISSIONS => {
            out.defer(Finding::new(&RULE, &IMPLICIT, &Packets::one(at), ""));
        }
        _ if tls.not_tls => {
            let message = "After the 220 the client sent neither TLS nor SMTP";
            let finding = behind_prompt(Finding::new(&RULE, &NOT_TLS, &Packets::one(at), message), out);
            out.fire(handshake(finding, tls));
        }
        _ => {}
    }
    // The packets that show the handshake are evidence of it.
    let shows = tls.hello || tls.version.is_some() || tls.alert.is_some() || tls.state == State::Decrypted;
    if shows && !tls.not_tls && !tls.only_settles() {
        for check in [&STARTED, &IMPLICIT] {
            if let Some(finding) = out.deferred(check) {
                finding.packets.push(at);
            }
        }
    }
    if tls.settled {
        settle(tls, at, out);
    }
}

fn judge_fault(fault: &Fault, out: &mut Findings<'_>) {
    match &fault.kind {
        FaultKind::Injected { bytes, hidden, accepted: true } => {
            let message = "Plaintext arrived together with STARTTLS, and the server answered 220";
            let (line, whole) = (first_line(bytes), hidden.as_ref().map(Secret::reveal));
            let shown = match whole {
                Some(whole) => Evidence::partly_hidden(&line, &first_line(whole)),
                None => Evidence::Bytes(line),
            };
            let octets = Evidence::Number(whole.unwrap_or(bytes).len() as u64);
            let finding = behind_prompt(Finding::new(&RULE, &INJECTED, &fault.at, message), out);
            out.fire(
                finding
                    .with("bytes", octets)
                    .with("injected", shown)
                    .with("side", Evidence::Word("client"))
                    .verb("client"),
            );
        }
        FaultKind::ServerInjected { bytes } => {
            let message = "The server sent plaintext between its 220 to STARTTLS and the handshake";
            let finding = behind_prompt(Finding::new(&RULE, &INJECTED, &fault.at, message), out);
            let finding = finding.bytes("injected", &first_line(bytes)).with("side", Evidence::Word("server"));
            out.fire(finding.verb("server"));
        }
        _ => {}
    }
}

/// A finding of what stands behind a 220: command and reply are evidence, too, and it took both to complete it.
fn behind_prompt(mut finding: Finding, out: &mut Findings<'_>) -> Finding {
    if let Some(started) = out.deferred(&STARTED) {
        let said = |name: &str| matches!(name, "verb" | "argument" | "command" | "reply_code" | "reply_text");
        finding.evidence.extend(started.evidence.iter().filter(|(name, _)| said(name)).cloned());
        let prompt = started.packets.last();
        if finding.at.ordinal < prompt.ordinal {
            finding.at = prompt;
        }
        let packets = started.packets.clone();
        finding = finding.packets(&packets);
    }
    finding
}

/// All is known of the handshake that ever will be: what waited for it is told.
fn settle(tls: &Tls, at: Moment, out: &mut Findings<'_>) {
    if let Some(mut finding) = out.take(&STARTED, at) {
        finding.at = told_at(&finding, tls, at);
        let verb = finding.verb.clone().unwrap_or_default();
        finding.message = match (tls.state, tls.version, tls.alert) {
            (State::Decrypted, _, _) => format!("{verb} got 220; the rest of the session was captured decrypted"),
            (_, _, Some(_)) => format!("{verb} got 220, but the TLS handshake ended in an alert"),
            (_, Some(version), _) => format!("{verb} got 220; TLS {version} from here on"),
            (State::Failed, None, _) if tls.hello => {
                format!("{verb} got 220, but the server answered the client's TLS hello in plaintext")
            }
            (_, None, _) if tls.hello => {
                format!("{verb} got 220, but only the client's TLS hello was captured")
            }
            (_, None, _) => format!("{verb} got 220, but no TLS handshake was captured"),
        };
        out.fire(handshake(finding, tls));
    }
    if let Some(mut finding) = out.take(&IMPLICIT, at) {
        finding.at = told_at(&finding, tls, at);
        finding.message.push_str("TLS from the first byte: the session cannot be inspected");
        out.fire(handshake(finding, tls));
    }
}

/// The packet that told the last thing of the handshake.
fn told_at(finding: &Finding, tls: &Tls, at: Moment) -> Moment {
    if tls.only_settles() { finding.packets.last() } else { at }
}

/// What the handshake shows.
fn handshake(finding: Finding, tls: &Tls) -> Finding {
    let mut finding = finding.with("tls", Evidence::Word(tls.state.name()));
    if let Some(version) = tls.version {
        finding = finding.with("tls_version", Evidence::Word(version));
    }
    if let Some(sni) = &tls.sni {
        finding = finding.bytes("sni", sni);
    }
    if !tls.alpn.is_empty() {
        finding = finding.list("alpn", &tls.alpn);
    }
    match tls.alert {
        Some(alert) => finding.with("alert", Evidence::Number(u64::from(alert))),
        None => finding,
    }
}

fn first_line(bytes: &[u8]) -> Vec<u8> {
    bytes.split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii_end().iter().take(256).copied().collect()
}

/// A text of asterisks, with the blanks and digits that such a middlebox leaves.
fn starred(text: &[u8]) -> bool {
    let stars = memchr::memchr_iter(b'*', text).count();
    stars >= 4 && text.iter().all(|byte| matches!(byte, b'*' | b' ' | b'\t' | b'0'..=b'9'))
}

#[cfg(test)]
mod tests {
    use crate::base::Side;
    use crate::rules::dialogue::{Dialogue, judged};
    use crate::smtp::event::FaultKind;
    use crate::smtp::wire::tls::{State, Tls};

    const NOTHING: [String; 0] = [];

    #[test]
    fn another_ones_reply_is_no_refusal_where_loss_may_have_moved_them() {
        let mut dialogue = Dialogue::read("S: 220 mx\nC: STARTTLS\nS: 250 mx");
        assert_eq!(dialogue.judged(), ["starttls/refused low 95"]);
        dialogue.session.doubt = crate::smtp::Doubt::after_loss();
        assert_eq!(dialogue.judged(), Vec::<String>::new());
        let mut refused = Dialogue::read("S: 220 mx\nC: STARTTLS\nS: 454 no");
        refused.session.doubt = crate::smtp::Doubt::after_loss();
        assert_eq!(refused.judged(), ["starttls/refused low 95"]);
    }

    #[test]
    fn a_start_is_told_with_its_handshake_when_that_is_over() {
        let mut dialogue = Dialogue::read("S: 220 mx\nC: STARTTLS\nS: 220 go ahead");
        dialogue.session.tls =
            Tls { state: State::Started, version: Some("1.3"), sni: Some(b"mx.example".to_vec()), ..Tls::default() };
        assert_eq!(dialogue.judged(), ["starttls/started info 95"]);
        let finding = dialogue.findings().remove(0);
        assert_eq!(finding.message, "STARTTLS got 220; TLS 1.3 from here on");
        assert!(finding.evidence.iter().any(|(name, _)| *name == "sni"));
        assert_eq!(finding.at, dialogue.end().at);
        let anonymous = judged("S: 220 mx\nC: X-ANONYMOUSTLS\nS: 220 go");
        assert_eq!(anonymous, ["private-command/used info 95", "starttls/started info 95"]);
        let chosen = Tls { state: State::Started, hello: true, version: Some("1.2"), ..Tls::default() };
        let settled = Tls { settled: true, ..chosen.clone() };
        let dialogue = Dialogue::read("S: 220 mx\nC: STARTTLS\nS: 220 go").tls(chosen).tls(settled);
        let finding = dialogue.findings().remove(0);
        assert_eq!(finding.at.ordinal.frame(), 4, "the packet that told the version, not one that told nothing more");
        assert_eq!(finding.packets.last().ordinal.frame(), 4);
        for (state, hello, expected) in [
            (State::Started, true, "only the client's TLS hello was captured"),
            (State::Started, false, "no TLS handshake was captured"),
            (State::Failed, true, "the server answered the client's TLS hello in plaintext"),
        ] {
            let tls = Tls { state, hello, settled: true, ..Tls::default() };
            let message = Dialogue::read("S: 220 mx\nC: STARTTLS\nS: 220 go").tls(tls).findings().remove(0).message;
            assert_eq!(message, format!("STARTTLS got 220, but {expected}"));
        }
        let failed = Tls { state: State::Failed, alert: Some(48), settled: true, ..Tls::default() };
        let finding = Dialogue::read("S: 220 mx\nC: STARTTLS\nS: 220 go").tls(failed).findings().remove(0);
        assert_eq!(finding.at.ordinal.frame(), 4, "the packet that settled it, not the session's last");
    }

    #[test]
    fn a_refusal_is_low_and_info_where_it_is_the_clients_error() {
        assert_eq!(judged("S: 220 mx\nC: STARTTLS\nS: 454 4.3.3 not available"), ["starttls/refused low 95"]);
        for code in ["501", "503"] {
            assert_eq!(judged(&format!("S: 220 mx\nC: STARTTLS\nS: {code} no")), ["starttls/refused info 95"]);
        }
    }

    #[test]
    fn tls_from_the_first_byte_is_told_on_its_port_alone() {
        let tls = Tls { state: State::Implicit, version: Some("1.2"), ..Tls::default() };
        let mut dialogue = Dialogue::default().other_protocol("TLS").tls(tls.clone()).only("starttls");
        assert_eq!(dialogue.judged(), NOTHING);
        dialogue.session.server.port = 465;
        assert_eq!(dialogue.judged(), ["starttls/implicit info 95"]);
    }

    #[test]
    fn bytes_that_are_no_tls_after_the_220_are_told() {
        let failed = Tls { state: State::Failed, not_tls: true, ..Tls::default() };
        let dialogue = Dialogue::read("S: 220 mx\nC: STARTTLS\nS: 220 go").tls(failed);
        assert_eq!(dialogue.judged(), ["starttls/not-tls medium 90", "starttls/started info 95"]);
        let alert = Tls { state: State::Failed, version: Some("1.2"), alert: Some(40), ..Tls::default() };
        let dialogue = Dialogue::read("S: 220 mx\nC: STARTTLS\nS: 220 go").tls(alert);
        assert_eq!(dialogue.judged(), ["starttls/started info 95"]);
    }

    #[test]
    fn injection_counts_only_where_the_server_answered_220() {
        let with = |kind| Dialogue::read("S: 220 mx").fault(kind, Side::A).only("starttls").judged();
        let bytes = b"NOOP\r\n".to_vec();
        let injected = |accepted| FaultKind::Injected { bytes: bytes.clone(), hidden: None, accepted };
        assert_eq!(with(injected(true)), ["starttls/injected high 90"]);
        assert_eq!(with(injected(false)), NOTHING);
        assert_eq!(with(FaultKind::ServerInjected { bytes: Vec::new() }), ["starttls/injected high 90"]);
    }

    #[test]
    fn masks_are_known_by_their_xs_and_asterisks() {
        let masked = ["starttls/masked medium 90"];
        assert_eq!(judged("S: 220 mx\nC: XXXX a\nS: 500 what"), masked);
        assert_eq!(judged("S: 220 mx\nC: XXXXXXXA\nS: 500 what"), masked);
        assert_eq!(judged("S: 220 mx\nC: EHLO a\nS: 250-mx\nS: 250-SIZE\nS: 250 XXXXXXXA"), masked);
        assert_eq!(judged("S: 220 ****************0*2****"), masked);
        for silent in ["S: 220 mx *** NO SPAM ***", "S: 220 mx\nC: EHLO a\nS: 250-XXXX\nS: 250 XEXCH50"] {
            assert_eq!(judged(silent), NOTHING, "{silent}");
        }
        for private in ["S: 220 mx\nC: XCLIENT a=b\nS: 220 mx", "S: 220 mx\nC: XXEXPN\nS: 500 what"] {
            assert_eq!(judged(private), ["private-command/used low 95"], "{private}");
        }
    }

    #[test]
    fn silent_after_a_gap() {
        let mut dialogue = Dialogue::read("S: 220 mx\nC: STARTTLS\nS: 454 no");
        dialogue.reply(1).uncertain = true;
        assert_eq!(dialogue.judged(), NOTHING);
    }
}
