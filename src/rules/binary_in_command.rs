//! `binary-in-command`: octets in a command line that are no text (RFC 5321 section 4.1.2; SBP-2010-06).

use super::{About, Check, Evidence, Finding, Findings, Fix, Hears, Reference, Rule, Scope, Severity};
use crate::smtp::{Answers, Command, Ending, Event, Session, Verb};

pub(super) static RULE: Rule = Rule {
    id: "binary-in-command",
    title: "A command line contains binary bytes",
    what: "A line that the client sent as a command, or in an AUTH exchange, contains a NUL, another control \
           character, or a non-ASCII byte that no extension allows there. Message data, BDAT chunks, TLS and a PROXY \
           header do not count.",
    why: "SMTP commands are lines of ASCII text. Binary bytes in them are typical of exploits against a server's \
          parser, and can fool filters that stop reading at a NUL. At best, the client is broken or speaks another \
          protocol.",
    honesty: "SBP-2010-06 names this protection but not what triggers it; the triggers here are this project's own \
              reading of RFC 5321 and RFC 6531.",
    checks: &[&NUL, &CONTROL, &EIGHT_BIT, &INVALID_UTF8],
    fixes: &[
        Fix {
            software: None,
            checks: &[],
            text: "Find the client: mail software does not send such bytes. Addresses beyond ASCII need SMTPUTF8, in \
                   the EHLO reply and on MAIL.",
            source: "RFC 5321 section 2.4, RFC 6531 section 3.4",
        },
        Fix {
            software: Some("Postfix"),
            checks: &[],
            text: "It refuses a NUL in an address (501) and invalid UTF-8 (500), but accepts NOOP with a NUL or a \
                   control character and, without SMTPUTF8, a sender address in UTF-8.",
            source: "recorded from Postfix 3.7.11; recorded from Postfix 3.10.13",
        },
        Fix {
            software: Some("Exim"),
            checks: &[],
            text: "It refuses a NUL in any command (501), but accepts NOOP with a control character or a non-ASCII byte.",
            source: "recorded from Exim 4.96",
        },
        Fix {
            software: Some("Sendmail"),
            checks: &[],
            text: "It accepts NOOP with any of them, and strips the eighth bit from a sender address before accepting \
                   it. Put a relay in front that refuses them.",
            source: "recorded from Sendmail 8.17.1.9",
        },
        Fix {
            software: Some("OpenSMTPD"),
            checks: &[],
            text: "It refuses addresses that contain any of them (553), and NOOP with an argument (500).",
            source: "recorded from OpenSMTPD 6.8.0p2",
        },
    ],
    references: &[
        Reference {
            text: "RFC 5321 section 4.1.2, command argument syntax",
            url: "https://www.rfc-editor.org/rfc/rfc5321#section-4.1.2",
        },
        Reference { text: "RFC 6531, internationalized email", url: "https://www.rfc-editor.org/rfc/rfc6531" },
        Reference {
            text: "RFC 4954 section 4, lines of an AUTH exchange",
            url: "https://www.rfc-editor.org/rfc/rfc4954#section-4",
        },
        Reference { text: "SBP-2010-06, \"Binary Data In SMTP Commands\"", url: "" },
    ],
    source_data: &[],
    hears: Hears::MAIL.and(Hears::ODD),
    tells: false,
    judge,
};

static NUL: Check = Check {
    id: "nul",
    title: "NUL byte in a command",
    about: About::Client,
    otherwise: &[],
    discriminator: &["verb"],
    severity: Severity::High,
    confidence: 95,
    scope: Scope::Session,
    fires: "a command line contains a NUL",
    why: None,
};

static CONTROL: Check = Check {
    id: "control",
    title: "Control character in a command",
    about: About::Client,
    otherwise: &[],
    discriminator: &["verb"],
    severity: Severity::Medium,
    confidence: 95,
    scope: Scope::Session,
    fires: "a command line contains another byte below 0x20, or 0x7f; CR, LF and a tab between words do not count",
    why: None,
};

static EIGHT_BIT: Check = Check {
    id: "eight-bit",
    title: "Non-ASCII byte in a command",
    about: About::Client,
    otherwise: &[],
    discriminator: &["verb"],
    severity: Severity::Medium,
    confidence: 90,
    scope: Scope::Session,
    fires: "a byte of 0x80 or above where SMTPUTF8 is not in use: the server does not offer it, or neither the \
            transaction's MAIL nor this VRFY or EXPN asks for it",
    why: None,
};

static INVALID_UTF8: Check = Check {
    id: "invalid-utf8",
    title: "Invalid UTF-8 in a command",
    about: About::Client,
    otherwise: &[],
    discriminator: &["verb"],
    severity: Severity::Medium,
    confidence: 90,
    scope: Scope::Session,
    fires: "SMTPUTF8 is in use, and the argument is not valid UTF-8",
    why: None,
};

/// EHLO keyword and parameter of RFC 6531.
const SMTPUTF8: &str = "SMTPUTF8";

/// The word: what the latest MAIL says, which of them it is, and what the MAIL of the open transaction says.
const LATEST: u32 = 1;
/// The latest MAIL is not answered yet: it counts as accepted.
const WAITS: u32 = 1 << 1;
const OPEN: u32 = 1 << 2;
/// The low bits of the latest MAIL's number.
const NUMBER: u32 = 0xffff_0000;

fn judge(event: &Event<'_>, session: &Session, word: &mut u32, out: &mut Findings<'_>) {
    match event {
        Event::Command(command) => {
            if command.is(&Verb::Mail) && !command.uncertain {
                *word =
                    (*word & OPEN) | number(command) | WAITS | if command.argument().says_utf8() { LATEST } else { 0 };
            }
            judge_line(command, session, *word, out);
        }
        Event::Reply(reply, Answers::Command(command)) if command.is(&Verb::Mail) => {
            if reply.accepts() {
                *word = (*word & !OPEN) | if command.argument().says_utf8() { OPEN } else { 0 };
            }
            if *word & NUMBER == number(command) {
                *word &= !WAITS;
            }
        }
        _ => {}
    }
}

fn judge_line(command: &Command, session: &Session, word: u32, out: &mut Findings<'_>) {
    // A line behind a gap may be anything; the part of one before it was a command.
    if command.in_doubt || (command.uncertain && command.ending != Ending::None) {
        return;
    }
    if command.is_printable() {
        return;
    }
    let line = command.raw();
    let mut found = |check, is: fn(u8) -> bool, what: &str| {
        if let Some(first) = line.iter().position(|&byte| is(byte)) {
            let count = line.iter().filter(|&&byte| is(byte)).count();
            out.fire(finding(check, command, line, first, count, what));
        }
    };
    found(&NUL, |byte| byte == 0, "a NUL byte");
    if command.exchange {
        found(&CONTROL, |byte| byte == b'\t' || is_control(byte), "a control character");
        return found(&EIGHT_BIT, |byte| !byte.is_ascii(), "a non-ASCII byte");
    }
    found(&CONTROL, is_control, "a control character");
    match utf8_in_force(command, session, word) {
        Some(false) => found(&EIGHT_BIT, |byte| !byte.is_ascii(), "a non-ASCII byte, and SMTPUTF8 is not in use"),
        Some(true) => {
            let argument = line.get(command.argument_at..).unwrap_or_default();
            if let Some(first) = not_utf8(argument, is_whole(command)) {
                let what = "invalid UTF-8, although SMTPUTF8 is in use";
                out.fire(finding(&INVALID_UTF8, command, line, command.argument_at.saturating_add(first), 1, what));
            }
        }
        None => {}
    }
}

/// Where the octets stand is told unless the line is a secret one.
fn finding(check: &'static Check, command: &Command, line: &[u8], first: usize, count: usize, what: &str) -> Finding {
    let place = match &command.verb {
        Some(verb) => verb.name(),
        None if command.exchange => "A line of an AUTH exchange",
        None => "A command line",
    };
    let finding = Finding::new(&RULE, check, &command.at, format!("{place} contains {what}")).command(command);
    let finding = finding.with("octets", Evidence::Number(count as u64));
    if command.secret {
        return finding;
    }
    let octet = line.get(first..=first).unwrap_or_default();
    finding.bytes("first_octet", octet).with("position", Evidence::Number(first as u64))
}

/// CR and LF have rules of their own; a tab is white space (RFC 5321 section 4.1.1).
fn is_control(byte: u8) -> bool {
    byte.is_ascii_control() && !matches!(byte, 0 | b'\t' | b'\r' | b'\n')
}

/// Whether SMTPUTF8 is in force for this line; `None` where it cannot be told.
fn utf8_in_force(command: &Command, session: &Session, word: u32) -> Option<bool> {
    if session.offers(SMTPUTF8) == Some(false) {
        return Some(false);
    }
    match &command.verb {
        Some(Verb::Mail | Verb::Vrfy | Verb::Expn) if command.argument().says_utf8() => Some(true),
        // The parameter may stand in the part that is missing.
        Some(Verb::Mail | Verb::Vrfy | Verb::Expn) => is_whole(command).then_some(false),
        _ if word & WAITS != 0 => Some(word & LATEST != 0),
        // The MAIL of this transaction may be among the missing bytes.
        _ if session.doubt.rests() => None,
        _ => Some(session.in_transaction && word & OPEN != 0),
    }
}

/// Nothing of the line is missing: it has its end, and no limit cut it.
fn is_whole(command: &Command) -> bool {
    let kept = command.raw().len();
    command.ending != Ending::None && command.octets <= kept.saturating_add(2) as u64
}

/// Where the text ceases to be UTF-8. A character that is cut with the line is no fault of it.
fn not_utf8(text: &[u8], whole: bool) -> Option<usize> {
    let error = std::str::from_utf8(text).err()?;
    (whole || error.error_len().is_some()).then(|| error.valid_up_to())
}

fn number(command: &Command) -> u32 {
    u32::try_from(command.number & 0xffff).unwrap_or(0) << 16
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::rules::dialogue::{Dialogue, judged_by};
    use crate::smtp::Ending;

    const NOTHING: [String; 0] = [];
    const NUL: &str = "binary-in-command/nul high 95";
    const CONTROL: &str = "binary-in-command/control medium 95";
    const EIGHT_BIT: &str = "binary-in-command/eight-bit medium 90";
    const INVALID: &str = "binary-in-command/invalid-utf8 medium 90";

    /// A session whose server offers SMTPUTF8.
    fn offering(dialogue: &str) -> Dialogue {
        let mut dialogue = Dialogue::read(dialogue);
        dialogue.session.capabilities = vec![b"SMTPUTF8".to_vec()];
        dialogue.session.capabilities_known = true;
        dialogue.session.in_transaction = true;
        dialogue
    }

    #[test]
    fn each_class_of_octets_is_a_check_of_its_own() {
        assert_eq!(judged_by(&RULE, "S: 220 mx\nC: NOOP a\0b"), [NUL]);
        assert_eq!(judged_by(&RULE, "S: 220 mx\nC: NOOP a\x08b"), [CONTROL]);
        assert_eq!(judged_by(&RULE, "S: 220 mx\nC: NOOP a\x7f"), [CONTROL]);
        assert_eq!(judged_by(&RULE, "S: 220 mx\nC: NOOP é"), [EIGHT_BIT]);
        assert_eq!(judged_by(&RULE, "S: 220 mx\nC: NOOP \0\x01é"), [NUL, CONTROL, EIGHT_BIT]);
        assert_eq!(judged_by(&RULE, "S: 220 mx\nC: NOOP\ta\t"), NOTHING, "a tab is white space");
    }

    #[test]
    fn once_per_session_check_and_verb() {
        let dialogue = "S: 220 mx\nC: NOOP \0\nS: 250 ok\nC: NOOP \0\nS: 250 ok\nC: VRFY \0\nS: 252 ok";
        assert_eq!(judged_by(&RULE, dialogue), [NUL, NUL]);
        assert_eq!(Dialogue::read(dialogue).counts(), [("binary-in-command", "nul", 3)]);
    }

    #[test]
    fn smtputf8_is_in_force_where_offered_and_said() {
        let mail = "S: 220 mx\nC: MAIL FROM:<é@a> SMTPUTF8\nS: 250 ok\nC: RCPT TO:<é@b>\nS: 250 ok";
        assert_eq!(offering(mail).judged_by(&RULE), NOTHING);
        let mut unseen = offering(mail);
        unseen.session.capabilities_known = false;
        assert_eq!(unseen.judged_by(&RULE), NOTHING, "the EHLO reply was not seen");
        let mut without = offering(mail);
        without.session.capabilities.clear();
        assert_eq!(without.judged_by(&RULE), [EIGHT_BIT, EIGHT_BIT]);
        let unsaid = mail.replace(" SMTPUTF8", "");
        assert_eq!(offering(&unsaid).judged_by(&RULE), [EIGHT_BIT, EIGHT_BIT]);
        let pipelined = "S: 220 mx\nC: MAIL FROM:<a@a> SMTPUTF8\nC: RCPT TO:<é@b>\nS: 250 ok\nS: 250 ok";
        assert_eq!(offering(pipelined).judged_by(&RULE), NOTHING, "not answered yet");
        assert_eq!(
            offering("S: 220 mx\nC: VRFY é SMTPUTF8\nS: 252 ok\nC: VRFY é\nS: 252 ok").judged_by(&RULE),
            [EIGHT_BIT]
        );
    }

    #[test]
    fn a_refused_mail_leaves_what_was_in_force() {
        let nested =
            "S: 220 mx\nC: MAIL FROM:<a@a> SMTPUTF8\nS: 250 ok\nC: MAIL FROM:<a@a>\nS: 503 no\nC: RCPT TO:<é@b>";
        assert_eq!(offering(nested).judged_by(&RULE), NOTHING);
        let mut refused = offering("S: 220 mx\nC: MAIL FROM:<a@a> SMTPUTF8\nS: 550 no\nC: RCPT TO:<é@b>");
        refused.session.in_transaction = false;
        assert_eq!(refused.judged_by(&RULE), [EIGHT_BIT]);
    }

    #[test]
    fn under_smtputf8_the_argument_must_be_utf8() {
        let mut dialogue = offering("S: 220 mx\nC: MAIL FROM:<a@a> SMTPUTF8\nS: 250 ok\nC: RCPT TO:<?@b>\nS: 250 ok");
        let at = dialogue.command(1).line_mut().iter().position(|&byte| byte == b'?').unwrap();
        dialogue.command(1).line_mut()[at] = 0xff;
        assert_eq!(dialogue.judged_by(&RULE), [INVALID]);
    }

    #[test]
    fn a_character_cut_with_its_line_is_no_fault() {
        let mut dialogue = offering("S: 220 mx\nC: MAIL FROM:<a@a> SMTPUTF8\nS: 250 ok\nC: RCPT TO:<a@é");
        dialogue.command(1).ending = Ending::None;
        dialogue.command(1).line_mut().pop();
        assert_eq!(dialogue.judged_by(&RULE), NOTHING);
        let command = dialogue.command(1);
        (command.ending, command.octets) = (Ending::CrLf, command.line_mut().len() as u64 + 2);
        assert_eq!(dialogue.judged_by(&RULE), [INVALID]);
    }

    #[test]
    fn the_part_of_a_line_before_a_gap_is_read_but_no_line_behind_it() {
        let mut dialogue = Dialogue::read("S: 220 mx\nC: NOOP \0");
        dialogue.command(0).uncertain = true;
        assert_eq!(dialogue.judged_by(&RULE), NOTHING);
        dialogue.command(0).ending = Ending::None;
        assert_eq!(dialogue.judged_by(&RULE), [NUL]);
        let mut cut = Dialogue::read("S: 220 mx\nC: MAIL FROM:<é");
        cut.command(0).ending = Ending::None;
        assert_eq!(cut.judged_by(&RULE), NOTHING, "SMTPUTF8 may stand in the rest");
    }

    #[test]
    fn what_depends_on_lost_bytes_rests() {
        let mut dialogue = Dialogue::read("S: 220 mx\nC: RCPT TO:<é@b>\nS: 250 ok\nC: RCPT TO:<\0@b>");
        dialogue.session.doubt = crate::smtp::Doubt::after_loss();
        assert_eq!(dialogue.judged_by(&RULE), [NUL]);
    }

    #[test]
    fn a_line_of_an_exchange_fires_by_its_octets_and_shows_nothing() {
        let mut dialogue = Dialogue::read("S: 220 mx\nC: aGVs\tbG8=\0é\nS: 535 no");
        let command = dialogue.command(0);
        (command.verb, command.argument_at, command.exchange, command.secret) = (None, 0, true, true);
        assert_eq!(dialogue.judged_by(&RULE), [NUL, CONTROL, EIGHT_BIT]);
        for finding in dialogue.findings() {
            assert!(
                finding.evidence.iter().all(|(name, _)| matches!(*name, "argument" | "command" | "octets")),
                "{finding:?}"
            );
        }
    }
}
