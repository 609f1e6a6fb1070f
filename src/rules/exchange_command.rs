//! `exchange-command`: verbs that only Exchange servers have for each other (MS03-046, MS05-021; SBP-2010-06).

use super::reading;
use super::{About, Check, Evidence, Finding, Findings, Fix, Hears, Otherwise, Reference, Rule, Scope, Severity};
use crate::smtp::wire::argument::{Argument, LinkChunk, LinkState};
use crate::smtp::{Command, Event, Reply, Secret, Session, Verb};

pub(super) static RULE: Rule = Rule {
    id: "exchange-command",
    title: "The client sent a Microsoft Exchange command",
    what: "The client sent XEXCH50, X-LINK2STATE or X-EXPS: commands that Exchange 5.5 to 2003 servers use among \
           themselves and nobody else needs. High if the arguments are those of known attacks; info between servers \
           that the configuration names as Exchange servers.",
    why: "XEXCH50 and X-LINK2STATE once let anyone who could connect run code on an Exchange server (MS03-046, \
          MS05-021); worms and scanners still try them. X-EXPS is a second way to log in, which a policy for AUTH does \
          not cover. No mail client needs these commands.",
    honesty: "SBP-2010-06 names this protection but not what triggers it; the triggers here are this project's own \
              reading. What counts as an attack with X-LINK2STATE follows Snort 3.",
    checks: &[&XEXCH50, &X_LINK2STATE, &X_EXPS],
    fixes: &[
        Fix {
            software: Some("Microsoft Exchange"),
            checks: &[],
            text: "On Exchange 5.5 to 2003, install the updates of both bulletins, and let only your own Exchange \
                   servers reach the port directly.",
            source: "MS03-046, MS05-021",
        },
        Fix {
            software: None,
            checks: &[],
            text: "Find out who the client is: nobody needs these commands to send mail. Postfix, Exim, Sendmail and \
                   OpenSMTPD refuse them with 500 as installed.",
            source: "RFC 5321 section 4.1.5, on private-use commands; recorded from Postfix 3.10.13; recorded from Exim 4.96; \
                     recorded from Sendmail 8.17.1.9; recorded from OpenSMTPD 6.8.0p2",
        },
    ],
    references: &[
        Reference {
            text: "MS03-046, vulnerability in Exchange Server (XEXCH50)",
            url: "https://learn.microsoft.com/security-updates/securitybulletins/2003/ms03-046",
        },
        Reference { text: "CVE-2003-0714", url: "https://www.cve.org/CVERecord?id=CVE-2003-0714" },
        Reference {
            text: "MS05-021, vulnerability in Exchange Server (X-LINK2STATE)",
            url: "https://learn.microsoft.com/security-updates/securitybulletins/2005/ms05-021",
        },
        Reference { text: "CVE-2005-0560", url: "https://www.cve.org/CVERecord?id=CVE-2005-0560" },
        Reference { text: "SBP-2010-06, \"Microsoft Exchange Server Commands\"", url: "" },
    ],
    source_data: &[],
    hears: Hears::PRIVATE.and(Hears::END),
    tells: false,
    judge,
};

static XEXCH50: Check = Check {
    id: "xexch50",
    title: "XEXCH50 sent",
    about: About::Client,
    otherwise: &[Otherwise { severity: Severity::High, about: About::Client, title: "XEXCH50 sent as in an attack" }],
    discriminator: &["attack", "reply_code"],
    severity: Severity::Medium,
    confidence: 95,
    scope: Scope::Session,
    fires: "XEXCH50 was sent; high if its first number is negative or above 1 MiB (CVE-2003-0714)",
    why: None,
};

static X_LINK2STATE: Check = Check {
    id: "x-link2state",
    title: "X-LINK2STATE sent",
    about: About::Client,
    otherwise: &[Otherwise {
        severity: Severity::High,
        about: About::Client,
        title: "X-LINK2STATE sent as in an attack",
    }],
    discriminator: &["attack", "reply_code"],
    severity: Severity::Medium,
    confidence: 95,
    scope: Scope::Session,
    fires: "X-LINK2STATE was sent; high for a CHUNK= of more than 520 bytes without FIRST, NEXT or LAST and with no \
            FIRST earlier in the session (CVE-2005-0560)",
    why: None,
};

static X_EXPS: Check = Check {
    id: "x-exps",
    title: "X-EXPS sent",
    about: About::Client,
    otherwise: &[],
    discriminator: &["reply_code"],
    severity: Severity::Medium,
    confidence: 95,
    scope: Scope::Session,
    fires: "X-EXPS was sent",
    why: None,
};

/// The most octets that follow an honest XEXCH50.
const MOST_OCTETS: i64 = 1 << 20;
/// The most octets of a chunk of X-LINK2STATE that vulnerable servers have room for.
const MOST_CHUNK: u64 = 520;

/// The word: 1 + where in the client's stream the first X-LINK2STATE FIRST began, 0 where there was none.
fn judge(event: &Event<'_>, session: &Session, word: &mut u32, out: &mut Findings<'_>) {
    if let Event::Command(command) = event
        && *word == 0
        && matches!(command.argument(), Argument::LinkState(LinkState { first: true, .. }))
    {
        *word = u32::try_from(command.start).unwrap_or(u32::MAX).saturating_add(1);
    }
    let first_at = word.checked_sub(1).map(u64::from);
    let peers = out.between_exchange_peers(session);
    let found = |command: &Command, verb: &Verb, reply: Option<&Reply>| {
        let (check, attack) = match verb {
            Verb::XExch50 => (&XEXCH50, attacks_xexch50(command)),
            Verb::XLink2State => (&X_LINK2STATE, attacks_link2state(command, first_at, session)),
            Verb::XExps => (&X_EXPS, None),
            _ => return None,
        };
        let says = attack.map_or(", a command that Exchange servers use among themselves", |(_, says)| says);
        let message = format!("The client sent {}{says}", verb.name());
        let finding = Finding::new(&RULE, check, reply.map_or(&command.at, |reply| &reply.at), message);
        let finding = match attack {
            _ if peers => finding.severity(Severity::Info),
            Some(_) => finding.severity(Severity::High),
            None => finding,
        };
        let finding = evidence(finding, command, verb, session);
        Some(match attack {
            Some((attack, _)) => finding.with("attack", Evidence::Word(attack)),
            None => finding,
        })
    };
    reading::with_reply(event, RULE.checks, out, found, std::convert::identity);
}

fn evidence(finding: Finding, command: &Command, verb: &Verb, session: &Session) -> Finding {
    let mut finding = match verb {
        // Its argument is a login: only the mechanism is told.
        Verb::XExps => finding
            .bytes("verb", command.verb_as_sent().as_bytes())
            .bytes("mechanism", mechanism(command))
            .verb(verb.name())
            .packets(&command.at),
        _ => finding.command(command),
    };
    finding = finding.with("length", Evidence::Number(command.octets_from(command.argument_at)));
    if let Some(offered) = session.offers(verb.name()) {
        finding = finding.with("advertised", Evidence::Flag(offered));
    }
    finding
}

/// `XEXCH50 n m`: the octets that follow. The attack's name as evidence, and for a person.
fn attacks_xexch50(command: &Command) -> Option<(&'static str, &'static str)> {
    let Argument::Exch50 { octets: Some(octets) } = *command.argument() else { return None };
    match octets {
        ..0 => Some(("below-0", " with a negative size, as in attacks on CVE-2003-0714")),
        0..=MOST_OCTETS => None,
        _ => Some(("above-1-mib", " with a size above 1 MiB, as in attacks on CVE-2003-0714")),
    }
}

fn attacks_link2state(
    command: &Command,
    first_at: Option<u64>,
    session: &Session,
) -> Option<(&'static str, &'static str)> {
    let Argument::LinkState(link) = *command.argument() else { return None };
    let octets = link.chunk.map(|chunk| match chunk {
        LinkChunk::Octets(octets) => octets,
        LinkChunk::From(place) => command.octets_from(place as usize),
    });
    let begun = first_at.is_some_and(|first| first < command.start);
    // A FIRST may be among the missing bytes.
    let all_heard = session.from_start && session.missing_client == 0;
    let attack = !link.placed && !begun && all_heard && octets.is_some_and(|octets| octets > MOST_CHUNK);
    attack.then_some(("chunk", " with a long chunk out of sequence, as in attacks on CVE-2005-0560"))
}

/// The mechanism's name (RFC 4422 section 3.1); what cannot be one may be a blob.
fn mechanism(command: &Command) -> &[u8] {
    let name = command.mechanism();
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_name = name.len() <= 20 && name.iter().all(is_name) && !name.is_empty();
    if is_name || !command.argument().is_there() { name } else { Secret::SHOWN }
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::rules::dialogue::{Dialogue, judged_by};
    use crate::rules::{Evidence, Finding};

    const LINK: &str = "exchange-command/x-link2state medium 95";
    const LINK_ATTACK: &str = "exchange-command/x-link2state high 95";

    fn after_greeting(command: &str) -> Vec<String> {
        judged_by(&RULE, &format!("S: 220 mx\nC: {command}\nS: 500 no"))
    }

    fn evidence(finding: &Finding, name: &str) -> Option<Evidence> {
        finding.evidence.iter().find(|(known, _)| *known == name).map(|(_, evidence)| evidence.clone())
    }

    #[test]
    fn each_verb_is_medium() {
        assert_eq!(after_greeting("XEXCH50 104 2"), ["exchange-command/xexch50 medium 95"]);
        assert_eq!(after_greeting("x-link2state FIRST CHUNK={0000006d} a"), [LINK]);
        assert_eq!(after_greeting("X-EXPS GSSAPI"), ["exchange-command/x-exps medium 95"]);
        assert_eq!(after_greeting("X-ANONYMOUSTLS"), [""; 0]);
    }

    #[test]
    fn xexch50_is_high_below_0_and_above_1_mib() {
        for (size, severity) in [
            ("-1", "high"),
            ("1048577", "high"),
            ("99999999999999999999999", "high"),
            ("-99999999999999999999999", "high"),
            ("1048576", "medium"),
            ("0", "medium"),
            ("-0", "medium"),
            ("abc", "medium"),
            ("", "medium"),
        ] {
            let expected = format!("exchange-command/xexch50 {severity} 95");
            assert_eq!(after_greeting(&format!("XEXCH50 {size} 2")), [expected], "{size}");
        }
    }

    #[test]
    fn a_chunk_out_of_sequence_is_high_above_520_octets() {
        let long = "A".repeat(521);
        for (argument, expected) in [
            (format!("CHUNK={long}"), LINK_ATTACK),
            (format!("CHUNK={}", "A".repeat(520)), LINK),
            (format!("chunk={{{long}"), LINK_ATTACK),
            ("CHUNK={00000209} a".to_owned(), LINK_ATTACK),
            ("CHUNK={00000208} a".to_owned(), LINK),
            (format!("CHUNK={{00000010}} {long}"), LINK),
            (format!("CHUNK={long} FIRST"), LINK_ATTACK),
            (format!("FIRST CHUNK={long}"), LINK),
            (format!("NEXT CHUNK={long}"), LINK),
            (format!("last CHUNK={long}"), LINK),
            (long.clone(), LINK),
        ] {
            assert_eq!(after_greeting(&format!("X-LINK2STATE {argument}")), [expected], "{argument:.30}");
        }
    }

    #[test]
    fn a_first_before_it_makes_a_chunk_lawful_one_behind_it_does_not() {
        let first = "C: X-LINK2STATE FIRST CHUNK={00000010} a";
        let chunk = "C: X-LINK2STATE CHUNK={00000300} a";
        assert_eq!(judged_by(&RULE, &format!("S: 220 mx\n{first}\nS: 200 ok\n{chunk}\nS: 200 ok")), [LINK]);
        assert_eq!(judged_by(&RULE, &format!("S: 220 mx\n{chunk}\n{first}\nS: 200 ok\nS: 200 ok")), [LINK_ATTACK]);
        let mut lossy = Dialogue::read(&format!("S: 220 mx\n{chunk}\nS: 200 ok"));
        lossy.session.missing_client = 7;
        assert_eq!(lossy.judged_by(&RULE), [LINK], "a FIRST may lie in the gap");
    }

    #[test]
    fn one_without_a_reply_is_told_at_the_end() {
        let dialogue = Dialogue::read("S: 220 mx\nC: XEXCH50 -1 2\nC: X-EXPS NTLM");
        assert_eq!(
            dialogue.judged_by(&RULE),
            ["exchange-command/xexch50 high 95", "exchange-command/x-exps medium 95"]
        );
        assert_eq!(dialogue.findings()[0].at, dialogue.end().at);
    }

    #[test]
    fn of_a_login_nothing_but_its_mechanism_is_kept() {
        let finding = Dialogue::read("S: 220 mx\nC: X-EXPS NTLM TlRMTVNTUAAB\nS: 334 x").findings().remove(0);
        assert_eq!(evidence(&finding, "mechanism"), Some(Evidence::Bytes(b"NTLM".to_vec())));
        assert_eq!(evidence(&finding, "length"), Some(Evidence::Number(17)));
        assert_eq!(evidence(&finding, "argument"), None);
        let blob = "S: 220 mx\nC: X-EXPS TlRMTVNTUAABAAAAB4IIogAAAAA=\nS: 500 no";
        let finding = Dialogue::read(blob).findings().remove(0);
        assert_eq!(evidence(&finding, "mechanism"), Some(Evidence::Bytes(b"<redacted>".to_vec())));
    }

    #[test]
    fn between_known_exchange_servers_it_is_info() {
        let mut dialogue = Dialogue::read("S: 220 mx\nC: XEXCH50 104 2\nS: 354 send");
        dialogue.selection.exchange_peers = vec!["192.0.2.0/24".parse().unwrap()];
        assert_eq!(dialogue.judged_by(&RULE), ["exchange-command/xexch50 medium 95"], "the server is not known");
        dialogue.selection.exchange_peers.push("198.51.100.25/32".parse().unwrap());
        assert_eq!(dialogue.judged_by(&RULE), ["exchange-command/xexch50 info 95"]);
    }

    #[test]
    fn silent_after_a_gap() {
        let mut dialogue = Dialogue::read("S: 220 mx\nC: XEXCH50 104 2\nS: 500 no");
        dialogue.command(0).uncertain = true;
        assert!(dialogue.judged_by(&RULE).is_empty());
    }
}
