//! `private-command`: verbs that two ends have agreed on among themselves (RFC 5321 section 4.1.5; SBP-2010-06).

use super::reading;
use super::{About, Check, Evidence, Finding, Findings, Fix, Hears, Otherwise, Reference, Rule, Scope, Severity};
use crate::smtp::{Command, Event, Reply, Session, Verb};

pub(super) static RULE: Rule = Rule {
    id: "private-command",
    title: "The client sent a private command",
    what: "The client sent a command that begins with X: no standard defines it, so both ends must have agreed on it. \
           Medium if the server accepts it without listing it in its EHLO reply; info if the server lists it and \
           servers of its product use it among themselves.",
    why: "Private commands can do what standard ones may not: XCLIENT and XPROXY change who the client appears to be. \
          A server that accepts them from anyone, or accepts one it does not advertise, has a door nobody watches.",
    honesty: "SBP-2010-06 names this protection but not what triggers it; the triggers here are this project's own \
              reading of RFC 5321. The commands of exchange-command are not reported here, nor are those that a \
              middlebox masked (starttls/masked).",
    checks: &[&USED],
    fixes: &[
        Fix {
            software: Some("Postfix"),
            checks: &[],
            text: "List only the proxies and filters in front of it in smtpd_authorized_xclient_hosts and \
                   smtpd_authorized_xforward_hosts. Both are empty by default; XCLIENT and XFORWARD then get 550.",
            source: "https://www.postfix.org/postconf.5.html#smtpd_authorized_xclient_hosts; recorded from Postfix 3.10.13",
        },
        Fix {
            software: Some("Exim"),
            checks: &[],
            text: "As installed, it does not know XCLIENT, XFORWARD or XADR (500). Find out who the client is.",
            source: "recorded from Exim 4.96",
        },
        Fix {
            software: Some("Sendmail"),
            checks: &[],
            text: "As installed, it does not know XCLIENT, XFORWARD or XADR (500). Find out who the client is.",
            source: "recorded from Sendmail 8.17.1.9",
        },
        Fix {
            software: Some("OpenSMTPD"),
            checks: &[],
            text: "As installed, it does not know XCLIENT, XFORWARD or XADR (500). Find out who the client is.",
            source: "recorded from OpenSMTPD 6.8.0p2",
        },
        Fix {
            software: None,
            checks: &[],
            text: "Accept private commands only from hosts that need them, and offer them only to those.",
            source: "RFC 5321 section 4.1.5",
        },
    ],
    references: &[
        Reference {
            text: "RFC 5321 section 4.1.5, private-use commands",
            url: "https://www.rfc-editor.org/rfc/rfc5321#section-4.1.5",
        },
        Reference { text: "RFC 2821 section 4.1.5", url: "https://www.rfc-editor.org/rfc/rfc2821#section-4.1.5" },
        Reference { text: "XCLIENT (Postfix)", url: "https://www.postfix.org/XCLIENT_README.html" },
        Reference { text: "XFORWARD (Postfix)", url: "https://www.postfix.org/XFORWARD_README.html" },
        Reference { text: "SBP-2010-06, \"SMTP Private Commands\"", url: "" },
    ],
    source_data: &[],
    hears: Hears::PRIVATE.and(Hears::END),
    tells: false,
    judge,
};

static USED: Check = Check {
    id: "used",
    title: "Private X command sent",
    about: About::Client,
    otherwise: &[Otherwise {
        severity: Severity::Medium,
        about: About::Server,
        title: "Unadvertised X command accepted",
    }],
    discriminator: &["verb", "reply_code"],
    severity: Severity::Low,
    confidence: 95,
    scope: Scope::Session,
    fires: "a command that begins with X, other than those of exchange-command; medium if the server accepts it but \
            its EHLO reply does not list it; info if the reply lists it and servers of its product use it among \
            themselves",
    why: None,
};

/// A private verb that is known.
struct Private {
    verb: &'static str,
    product: &'static str,
    /// Servers of that product use it among themselves: where offered, it is what it should be.
    usual: bool,
}

/// Known private verbs. Those of Exchange are its EHLO keywords.
const KNOWN: &[Private] = &[
    Private { verb: "X-ANONYMOUSTLS", product: "Exchange", usual: true },
    Private { verb: "XPROXY", product: "Exchange", usual: true },
    Private { verb: "XPROXYFROM", product: "Exchange", usual: true },
    Private { verb: "XPROXYTO", product: "Exchange", usual: true },
    Private { verb: "XQDISCARD", product: "Exchange", usual: true },
    Private { verb: "XSESSIONPARAMS", product: "Exchange", usual: true },
    Private { verb: "XSHADOW", product: "Exchange", usual: true },
    Private { verb: "XSHADOWREQUEST", product: "Exchange", usual: true },
    Private { verb: "XCLIENT", product: "Postfix", usual: false },
    Private { verb: "XFORWARD", product: "Postfix", usual: false },
];

/// The word: whether the server had offered the latest XCLIENT, for its 220 takes all offers back. The client waits
/// for the reply, so there is only one.
const XCLIENT_OFFERED: u32 = 1;
const XCLIENT_NOT_OFFERED: u32 = 1 << 1;

fn judge(event: &Event<'_>, session: &Session, word: &mut u32, out: &mut Findings<'_>) {
    if let Event::Command(command) = event
        && command.is(&Verb::XClient)
    {
        *word = match session.offers(Verb::XClient.name()) {
            Some(true) => XCLIENT_OFFERED,
            Some(false) => XCLIENT_NOT_OFFERED,
            None => 0,
        };
    }
    let word = *word;
    let found = |command: &Command, verb: &Verb, reply: Option<&Reply>| {
        if !is_private(verb) {
            return None;
        }
        let offered = match verb {
            Verb::XClient if word & XCLIENT_OFFERED != 0 => Some(true),
            Verb::XClient => (word & XCLIENT_NOT_OFFERED != 0).then_some(false),
            _ => session.offers(verb.name()),
        };
        Some(finding(command, verb, offered, reply))
    };
    reading::with_reply(event, RULE.checks, out, found, |finding| {
        // Where the EHLO reply is missing it may have offered it.
        let usual = finding.verb.as_deref().and_then(known).is_some_and(|known| known.usual);
        if usual && !session.is_whole() { finding.severity(Severity::Info) } else { finding }
    });
}

fn is_private(verb: &Verb) -> bool {
    let exchange = matches!(verb, Verb::XExch50 | Verb::XLink2State | Verb::XExps);
    verb.name().starts_with('X') && !exchange && !reading::crossed_out(verb.name().as_bytes())
}

fn known(verb: &str) -> Option<&'static Private> {
    KNOWN.iter().find(|known| known.verb == verb)
}

fn finding(command: &Command, verb: &Verb, offered: Option<bool>, reply: Option<&Reply>) -> Finding {
    let known = known(verb.name());
    let usual = known.is_some_and(|known| known.usual);
    let accepted = reply.is_some_and(|reply| matches!(reply.code, Some(200..=399)));
    let (severity, who, how) = match offered {
        Some(true) if usual => (Severity::Info, "client sent", " that the server advertises"),
        // It may have been offered.
        None if usual => (Severity::Info, "client sent", ""),
        Some(true) => (Severity::Low, "client sent", " that the server advertises"),
        Some(false) if accepted => (Severity::Medium, "server accepted", " that it does not advertise"),
        _ => (Severity::Low, "client sent", ""),
    };
    let whose = known.map_or(String::new(), |known| format!(" of {}", known.product));
    let message = format!("The {who} {}, a private command{whose}{how}", verb.name());
    let at = reply.map_or(&command.at, |reply| &reply.at);
    let mut finding = Finding::new(&RULE, &USED, at, message).severity(severity).command(command);
    if let Some(known) = known {
        finding = finding.with("product", Evidence::Word(known.product));
    }
    if let Some(offered) = offered {
        finding = finding.with("advertised", Evidence::Flag(offered));
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::dialogue::{Dialogue, judged};

    /// The one finding of a session in which EHLO offered `capabilities`.
    fn offering(capabilities: &[&str], dialogue: &str) -> Vec<String> {
        let mut dialogue = Dialogue::read(&format!("S: 220 mx\n{dialogue}"));
        dialogue.session.capabilities = capabilities.iter().map(|line| line.as_bytes().to_vec()).collect();
        dialogue.session.capabilities_known = true;
        dialogue.judged()
    }

    #[test]
    fn low_and_medium_where_accepted_without_an_offer() {
        assert_eq!(offering(&[], "C: XFOO\nS: 502 no"), ["private-command/used low 95"]);
        for code in ["250", "354"] {
            assert_eq!(offering(&["SIZE"], &format!("C: XFOO\nS: {code} ok")), ["private-command/used medium 95"]);
        }
        assert_eq!(offering(&["XFOO a"], "C: xfoo\nS: 250 ok"), ["private-command/used low 95"]);
        assert_eq!(judged("S: 220 mx\nC: XFOO\nS: 250 ok"), ["private-command/used low 95"], "no EHLO reply was seen");
    }

    #[test]
    fn info_where_offered_and_usual_between_servers_of_the_product() {
        let tls = "C: X-ANONYMOUSTLS\nS: 454 no";
        assert_eq!(offering(&["X-ANONYMOUSTLS"], tls), ["private-command/used info 95"]);
        assert_eq!(offering(&[], tls), ["private-command/used low 95"]);
        assert_eq!(offering(&["XCLIENT NAME ADDR"], "C: XCLIENT NAME=a\nS: 550 no"), ["private-command/used low 95"]);
    }

    #[test]
    fn what_an_accepted_xclient_takes_back_had_been_offered() {
        let dialogue = "S: 220 mx\nC: XCLIENT ADDR=192.0.2.9\nS: 220 mx";
        for (word, severity) in [(XCLIENT_OFFERED, Severity::Low), (XCLIENT_NOT_OFFERED, Severity::Medium)] {
            let mut offered = Dialogue::read(dialogue);
            offered.session.capabilities_known = true;
            if word == XCLIENT_OFFERED {
                offered.session.capabilities = vec![b"XCLIENT ADDR".to_vec()];
            }
            assert_eq!(offered.findings()[0].severity, severity);
        }
    }

    #[test]
    fn exchange_verbs_and_masks_are_told_elsewhere() {
        let private = |command: &str| {
            judged(&format!("S: 220 mx\nC: {command}\nS: 500 no")).iter().any(|found| found.starts_with("private"))
        };
        for verb in ["XEXCH50 1 2", "X-LINK2STATE FIRST", "X-EXPS NTLM", "XXXX", "XXXXXXXA", "HELP", "EHLO x"] {
            assert!(!private(verb), "{verb}");
        }
        for verb in ["XXX", "X", "x-foo", "XAUTH a", "XEXCH51", "XXXXXXEX"] {
            assert!(private(verb), "{verb}");
        }
    }

    #[test]
    fn once_per_verb_and_those_without_a_reply_at_the_end() {
        let twice = "S: 220 mx\nC: XFOO 1\nC: XFOO 2\nC: XBAR\nS: 500 no\nS: 500 no\nS: 500 no";
        assert_eq!(judged(twice), ["private-command/used low 95"; 2]);
        assert_eq!(Dialogue::read(twice).counts(), [("private-command", "used", 3)]);
        assert_eq!(judged("S: 220 mx\nC: XFOO\nC: XBAR\nS: 500 no"), ["private-command/used low 95"; 2]);
    }

    #[test]
    fn a_login_is_not_shown() {
        let mut dialogue = Dialogue::read("S: 220 mx\nC: XAUTH <redacted>\nS: 500 no");
        dialogue.command(0).secret = true;
        let finding = dialogue.findings().remove(0);
        assert!(finding.evidence.iter().any(|(_, evidence)| matches!(evidence, Evidence::Secret { .. })));
    }

    #[test]
    fn silent_after_a_gap_and_for_a_line_without_an_end() {
        let mut dialogue = Dialogue::read("S: 220 mx\nC: XFOO\nS: 500 no");
        dialogue.command(0).ending = crate::smtp::Ending::None;
        assert!(dialogue.judged().is_empty());
        let mut dialogue = Dialogue::read("S: 220 mx\nC: XFOO\nS: 500 no");
        dialogue.command(0).uncertain = true;
        assert!(dialogue.judged().is_empty());
    }
}
