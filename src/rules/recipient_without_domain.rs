//! `recipient-without-domain`: a recipient that names no domain (RFC 5321 sections 2.3.11 and 4.1.2; SBP-2010-06).

use super::reading;
use super::{About, Check, Evidence, Finding, Findings, Fix, Hears, Otherwise, Reference, Rule, Scope, Severity};
use crate::smtp::wire::argument::Argument;
use crate::smtp::wire::path::Shape;
use crate::smtp::{Command, Event, Reply, Session, Verb};

pub(super) static RULE: Rule = Rule {
    id: "recipient-without-domain",
    title: "A recipient has no domain",
    what: "RCPT names a recipient that is not a mailbox: a local part alone, a mailbox with an empty local part or \
           domain, or nothing at all. `<postmaster>` alone is valid. Five or more in one session look like a search \
           for accounts.",
    why: "Clients that send mail give a domain. Bare names are how accounts on the host itself (root, admin, test) are \
          guessed, and forms such as user%domain or host!user try to relay where the server only checks the domain.",
    honesty: "SBP-2010-06 names this protection but not what triggers it; the triggers here are this project's own \
              reading of RFC 5321. That five make a harvest is this project's own choice.",
    checks: &[&LOCAL_PART_ONLY, &HARVEST, &EMPTY_DOMAIN, &EMPTY_LOCAL_PART, &EMPTY],
    fixes: &[
        Fix {
            software: Some("Postfix"),
            checks: &[],
            text: "Add reject_non_fqdn_recipient to smtpd_recipient_restrictions to refuse recipients without a full \
                   domain; allow_percent_hack = no and swap_bangpath = no turn off the routing tricks. As installed, \
                   it accepts <bob> and <@example.org>, and refuses <bob@> and <> (501).",
            source: "https://www.postfix.org/postconf.5.html#reject_non_fqdn_recipient; recorded from Postfix 3.10.13",
        },
        Fix {
            software: Some("Exim"),
            checks: &[],
            text: "Leave recipient_unqualified_hosts unset (the default): recipients without a domain get 501.",
            source: "Exim specification, chapter 14, \
                     https://www.exim.org/exim-html-current/doc/html/spec_html/ch-main_configuration.html; recorded from Exim 4.96",
        },
        Fix {
            software: Some("Sendmail"),
            checks: &[],
            text: "As installed, it accepts <bob> and <@relay.example.org:bob> for its own users, and refuses <bob@>, \
                   <@example.org> and <> (553).",
            source: "recorded from Sendmail 8.17.1.9",
        },
        Fix {
            software: Some("OpenSMTPD"),
            checks: &[],
            text: "It adds its own host name to a recipient without a domain. As long as no `match` rule names that \
                   host, such recipients get 550.",
            source: "recorded from OpenSMTPD 6.8.0p2",
        },
        Fix {
            software: None,
            checks: &[],
            text: "Refuse recipients without a domain, except postmaster.",
            source: "RFC 5321 sections 2.3.5 and 4.5.1",
        },
    ],
    references: &[
        Reference {
            text: "RFC 5321 section 4.1.2, command argument syntax",
            url: "https://www.rfc-editor.org/rfc/rfc5321#section-4.1.2",
        },
        Reference {
            text: "RFC 5321 section 4.5.1, postmaster without a domain",
            url: "https://www.rfc-editor.org/rfc/rfc5321#section-4.5.1",
        },
        Reference { text: "SBP-2010-06, \"SMTP Recipients with No Domain Name\"", url: "" },
    ],
    source_data: &[],
    hears: Hears::ODD_RECIPIENT.and(Hears::END),
    tells: false,
    judge,
};

static LOCAL_PART_ONLY: Check = Check {
    id: "local-part-only",
    title: "Recipient without domain not refused",
    about: About::Server,
    otherwise: &[Otherwise { severity: Severity::Low, about: About::Client, title: "Recipient without domain" }],
    discriminator: &["routing", "reply_code"],
    severity: Severity::Medium,
    confidence: 90,
    scope: Scope::Session,
    fires: "a local part without a domain, also after a source route; low if refused. user%domain and host!user are \
            reported as routing tricks",
    why: None,
};

static HARVEST: Check = Check {
    id: "harvest",
    title: "Address harvesting",
    about: About::Client,
    otherwise: &[],
    discriminator: &[],
    severity: Severity::High,
    confidence: 85,
    scope: Scope::Session,
    fires: "five or more different recipients without a domain in one session",
    why: Some("Five or more bare names in one session look like a search for accounts that exist on this host."),
};

static EMPTY_DOMAIN: Check = Check {
    id: "empty-domain",
    title: "Empty recipient domain not refused",
    about: About::Server,
    otherwise: &[Otherwise { severity: Severity::Low, about: About::Client, title: "Empty recipient domain" }],
    discriminator: &["reply_code"],
    severity: Severity::Medium,
    confidence: 90,
    scope: Scope::Session,
    fires: "a recipient with an empty domain; low if refused",
    why: None,
};

static EMPTY_LOCAL_PART: Check = Check {
    id: "empty-local-part",
    title: "Empty local part not refused",
    about: About::Server,
    otherwise: &[Otherwise { severity: Severity::Low, about: About::Client, title: "Empty local part" }],
    discriminator: &["reply_code"],
    severity: Severity::Medium,
    confidence: 90,
    scope: Scope::Session,
    fires: "a recipient with an empty local part; low if refused",
    why: None,
};

static EMPTY: Check = Check {
    id: "empty",
    title: "Empty recipient (<>) not refused",
    about: About::Server,
    otherwise: &[Otherwise { severity: Severity::Low, about: About::Client, title: "Empty recipient (<>)" }],
    discriminator: &["reply_code"],
    severity: Severity::Medium,
    confidence: 95,
    scope: Scope::Session,
    fires: "the empty path <> as a recipient; low if refused",
    why: None,
};

/// Those that wait for a reply.
const SINGLE: &[&Check] = &[&LOCAL_PART_ONLY, &EMPTY_DOMAIN, &EMPTY_LOCAL_PART, &EMPTY];

/// So many distinct recipients make a harvest.
const MANY: usize = 5;
/// The word: the harvest was told.
const HARVESTED: u32 = 1;

/// What is wrong with a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    LocalPartOnly,
    Percent,
    Bang,
    EmptyDomain,
    EmptyLocalPart,
    Empty,
}

impl Flaw {
    fn check(self) -> &'static Check {
        match self {
            Flaw::LocalPartOnly | Flaw::Percent | Flaw::Bang => &LOCAL_PART_ONLY,
            Flaw::EmptyDomain => &EMPTY_DOMAIN,
            Flaw::EmptyLocalPart => &EMPTY_LOCAL_PART,
            Flaw::Empty => &EMPTY,
        }
    }

    fn says(self) -> &'static str {
        match self {
            Flaw::LocalPartOnly => "a recipient without a domain",
            Flaw::Percent => "a recipient without a domain, but with user%domain routing",
            Flaw::Bang => "a recipient without a domain, but with host!user routing",
            Flaw::EmptyDomain => "a recipient with an empty domain",
            Flaw::EmptyLocalPart => "a recipient with an empty local part",
            Flaw::Empty => "the empty recipient <>",
        }
    }
}

fn judge(event: &Event<'_>, session: &Session, word: &mut u32, out: &mut Findings<'_>) {
    if let Event::Command(command) = event
        && *word & HARVESTED == 0
        && reading::whole(command) == Some(&Verb::Rcpt)
        && let Some((path, Flaw::LocalPartOnly | Flaw::Percent | Flaw::Bang | Flaw::EmptyDomain)) = recipient(command)
        && gather(command, path, out)
    {
        *word |= HARVESTED;
    }
    let found = |command: &Command, verb: &Verb, reply: Option<&Reply>| {
        if *verb != Verb::Rcpt {
            return None;
        }
        let (path, flaw) = recipient(command)?;
        Some(finding(command, path, flaw, reply))
    };
    // A reply that is missing may have been a refusal.
    let missing = session.doubt.rests() || session.missing_server > 0 || !session.server_heard;
    let unanswered = |finding: Finding| if missing { finding.severity(Severity::Low) } else { finding };
    reading::with_reply(event, SINGLE, out, found, unanswered);
}

fn finding(command: &Command, path: &[u8], flaw: Flaw, reply: Option<&Reply>) -> Finding {
    let refused = reply.and_then(|reply| reply.code).filter(|code| matches!(code, 400..=599));
    let (severity, what) = match (refused, reply) {
        (Some(_), _) => (Severity::Low, "The server refused "),
        (None, Some(_)) => (Severity::Medium, "The server accepted "),
        (None, None) => (Severity::Medium, "The client named "),
    };
    let message = format!("{what}{}", flaw.says());
    let at = reply.map_or(&command.at, |reply| &reply.at);
    let mut finding = Finding::new(&RULE, flaw.check(), at, message).severity(severity).command(command);
    finding = finding.bytes("recipient", path);
    match flaw {
        Flaw::Percent => finding.with("routing", Evidence::Word("percent")),
        Flaw::Bang => finding.with("routing", Evidence::Word("bang")),
        _ => finding,
    }
}

/// Puts a recipient among the session's distinct ones, which a finding that waits for more of them keeps. Returns
/// whether they were many, and told.
fn gather(command: &Command, path: &[u8], out: &mut Findings<'_>) -> bool {
    const RECIPIENTS: &str = "recipients";
    let kept = out.take(&HARVEST, command.at.last());
    let mut finding = kept.unwrap_or_else(|| {
        let message = format!("The client named {MANY} different recipients without a domain");
        Finding::new(&RULE, &HARVEST, &command.at, message).verb(Verb::Rcpt.name()).list(RECIPIENTS, [b""; 0])
    });
    let mut count = 0;
    if let Some((_, Evidence::List(recipients))) = finding.evidence.iter_mut().find(|(name, _)| *name == RECIPIENTS) {
        if !recipients.iter().any(|known| known.eq_ignore_ascii_case(path)) {
            recipients.push(path.to_vec());
            finding.packets.extend(&command.at);
        }
        count = recipients.len();
    }
    if count >= MANY {
        out.fire(finding);
        return true;
    }
    out.defer(finding);
    false
}

/// The recipient without its brackets, and what is wrong with it, if anything is (RFC 5321 section 4.1.2). Where there is
/// no path the command is malformed.
fn recipient(command: &Command) -> Option<(&[u8], Flaw)> {
    let Argument::Rcpt(path) = *command.argument() else { return None };
    let flaw = match path.shape {
        _ if !path.present => return None,
        Shape::Plain | Shape::Mailbox | Shape::Postmaster => return None,
        Shape::LocalPart => Flaw::LocalPartOnly,
        Shape::Percent => Flaw::Percent,
        Shape::Bang => Flaw::Bang,
        Shape::EmptyDomain => Flaw::EmptyDomain,
        Shape::EmptyLocalPart => Flaw::EmptyLocalPart,
        Shape::Null => Flaw::Empty,
    };
    let address = command.address().trim_ascii();
    Some((address.get(..super::finding::MOST_OCTETS).unwrap_or(address), flaw))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::dialogue::{Dialogue, judged_by};

    const NOTHING: [String; 0] = [];

    fn taken(argument: &str) -> Vec<String> {
        judged_by(&RULE, &format!("S: 220 mx\nC: RCPT {argument}\nS: 250 ok"))
    }

    #[test]
    fn a_recipient_without_a_domain_is_medium_and_low_when_refused() {
        for path in
            ["<user>", "user", "<@relay:user>", "<@a,@b:user>", "<user%dom>", "<host!user>", "<\"a@b\">", "< user >"]
        {
            let found = taken(&format!("TO:{path}"));
            assert_eq!(found, ["recipient-without-domain/local-part-only medium 90"], "{path}");
        }
        let refused = judged_by(&RULE, "S: 220 mx\nC: RCPT TO:<user>\nS: 550 no");
        assert_eq!(refused, ["recipient-without-domain/local-part-only low 90"]);
        assert_eq!(taken("to : user NOTIFY=NEVER"), ["recipient-without-domain/local-part-only medium 90"]);
    }

    #[test]
    fn what_is_empty_is_told_by_its_own_name() {
        for (path, check) in [
            ("<user@>", "empty-domain medium 90"),
            ("user@", "empty-domain medium 90"),
            ("<@>", "empty-domain medium 90"),
            ("<@relay:user@>", "empty-domain medium 90"),
            ("<@example.org>", "empty-local-part medium 90"),
            ("<@[IPv6:2001:db8::1]>", "empty-local-part medium 90"),
            ("<@relay:@example.org>", "empty-local-part medium 90"),
            ("<>", "empty medium 95"),
            ("< >", "empty medium 95"),
            ("<@relay:>", "empty medium 95"),
        ] {
            assert_eq!(taken(&format!("TO:{path}")), [format!("recipient-without-domain/{check}")], "{path}");
        }
    }

    #[test]
    fn look_alikes_are_silent() {
        for argument in [
            "TO:<postmaster>",
            "TO:<PostMaster>",
            "TO:<\"postmaster\">",
            "TO:<\"post\\master\">",
            "TO:postmaster",
            "TO:\"Postmaster\"",
            "TO:<u@[192.0.2.1]>",
            "TO:<u@[IPv6:2001:db8::1]>",
            "TO:<@relay:u@d>",
            "TO:<@[IPv6:2001:db8::1]:u@d>",
            "TO:<\"a@b\"@d>",
            "TO:<u%x@d>",
            "TO:<u@d> NOTIFY=NEVER",
            "TO:u@d ORCPT=rfc822;user",
            "TO:\"John Doe\"@d",
            "TO:John <u@d>",
            "TO:<\"unclosed@d>",
            "TO:",
            "TO",
            "user",
            "FROM:<user>",
        ] {
            assert_eq!(taken(argument), NOTHING, "{argument}");
        }
        assert_eq!(judged_by(&RULE, "S: 220 mx\nC: MAIL FROM:<>\nS: 250 ok\nC: VRFY user\nS: 252 ok"), NOTHING);
    }

    #[test]
    fn routing_tricks_are_named() {
        let routing = |path: &str| {
            let finding = Dialogue::read(&format!("S: 220 mx\nC: RCPT TO:<{path}>\nS: 250 ok")).findings().remove(0);
            finding.evidence.iter().find(|(name, _)| *name == "routing").map(|(_, routing)| routing.clone())
        };
        assert_eq!(routing("user%dom"), Some(Evidence::Word("percent")));
        assert_eq!(routing("host!user"), Some(Evidence::Word("bang")));
        assert_eq!(routing("\"100%\""), None);
    }

    fn recipients(names: &[&str]) -> String {
        let lines: Vec<String> = names.iter().map(|name| format!("C: RCPT TO:<{name}>\nS: 550 no")).collect();
        format!("S: 220 mx\n{}", lines.join("\n"))
    }

    #[test]
    fn five_distinct_ones_are_a_harvest_told_once() {
        let one = "recipient-without-domain/local-part-only low 90";
        let many = "recipient-without-domain/harvest high 85";
        assert_eq!(judged_by(&RULE, &recipients(&["a", "b", "c", "d", "e", "f", "g"])), [one, many]);
        assert_eq!(judged_by(&RULE, &recipients(&["a", "b", "c", "d", "A", "B", "d"])), [one]);
        assert_eq!(judged_by(&RULE, &recipients(&["a", "b", "c", "d", "postmaster", "e@x"])), [one]);
        let findings = Dialogue::read(&recipients(&["a", "b", "a", "c", "d", "e"])).findings();
        let harvest =
            findings.iter().find(|finding| finding.check == crate::rules::CheckNumber::of(&RULE, &HARVEST)).unwrap();
        assert_eq!(harvest.at.ordinal.frame(), 12, "the fifth of them, not its reply");
        assert_eq!(harvest.packets.iter().count(), 5);
    }

    #[test]
    fn one_without_a_reply_is_told_at_the_end() {
        let dialogue = Dialogue::read("S: 220 mx\nC: RCPT TO:<a>\nC: RCPT TO:<>");
        let found = ["recipient-without-domain/local-part-only medium 90", "recipient-without-domain/empty medium 95"];
        assert_eq!(dialogue.judged_by(&RULE), found);
    }

    #[test]
    fn silent_after_a_gap_and_for_a_line_without_an_end() {
        let mut dialogue = Dialogue::read("S: 220 mx\nC: RCPT TO:<user\nS: 421 gone");
        dialogue.command(0).ending = crate::smtp::Ending::None;
        assert_eq!(dialogue.judged_by(&RULE), NOTHING);
        let mut dialogue = Dialogue::read("S: 220 mx\nC: RCPT TO:<user>\nS: 250 ok");
        dialogue.command(0).uncertain = true;
        assert_eq!(dialogue.judged_by(&RULE), NOTHING);
    }
}
