//! `help-exposed`: the server tells anyone its commands (RFC 5321 section 4.1.1.8; ATK plugin 7).

use std::fmt::Write as _;

use memchr::memmem;

use super::patterns::{self, Glob};
use super::reading::{self, answered, keywords, keywords_in, lists_capabilities};
use super::{About, Check, Finding, Findings, Fix, Hears, Note, Reference, Rule, Scope, Severity};
use crate::smtp::event::End;
use crate::smtp::{Answers, Command, Event, Reply, Session, Verb};

pub(super) static RULE: Rule = Rule {
    id: "help-exposed",
    title: "The server answers HELP",
    what: "The server answers the HELP command, or lists HELP in its EHLO reply. The answer lists the commands the \
           server accepts, and often names the software and its version.",
    why: "Anyone who can connect learns which commands the server accepts, and often its software and version, without \
          logging in or sending mail. That is what an attacker needs to choose the next step.",
    honesty: "RFC 5321 section 4.1.1.8 says that servers SHOULD support HELP; turning it off departs from that on \
              purpose. Which replies other than 211 and 214 count as an answer is this project's own choice.",
    checks: &[&ANSWERED, &ADVERTISED, &PATTERN],
    fixes: &[
        Fix {
            software: Some("Postfix"),
            checks: &[],
            text: "3.7.11 refuses HELP on its own (500); 3.10.13 answers it. There, smtpd_command_filter = regexp:FILE \
                   with the line `/^help/ XHELP` makes it refuse HELP with 500, and smtpd_noop_commands = HELP makes \
                   it answer 250 Ok and nothing more. Adding HELP to smtpd_forbidden_commands has no effect.",
            source: "recorded from Postfix 3.7.11; recorded from Postfix 3.10.13; recorded from Postfix 3.10.13 command-filter; \
                     recorded from Postfix 3.10.13 noop-help; recorded from Postfix 3.10.13 forbidden-help; \
                     https://www.postfix.org/postconf.5.html#smtpd_command_filter",
        },
        Fix {
            software: Some("Exim"),
            checks: &[],
            text: "There is no option or ACL for HELP, and it cannot be removed from the EHLO reply. \
                   smtp_accept_max_nonmail = 0 answers HELP with 554 and closes the connection, but does so for every \
                   command that is not part of a mail, including NOOP and VRFY. Otherwise, put a relay in front whose \
                   own HELP is refused.",
            source: "recorded from Exim 4.96; recorded from Exim 4.96 no-nonmail; Exim specification, chapters 14 (main \
                     configuration) and 44 (access control lists), \
                     https://www.exim.org/exim-html-current/doc/html/spec_html/ch-main_configuration.html",
        },
        Fix {
            software: Some("Sendmail"),
            checks: &[],
            text: "Set HELP_FILE to /dev/null, or remove the line `O HelpFile` from sendmail.cf. HELP then gets 502. \
                   That reply still names the version, and the EHLO reply still lists HELP. With an empty help file, \
                   Sendmail still answers 214.",
            source: "recorded from Sendmail 8.17.1.9 help-file-dev-null; recorded from Sendmail 8.17.1.9 no-help-file; \
                     recorded from Sendmail 8.17.1.9 empty-help-file; \"sendmail\", 4th edition, O'Reilly 2007, \
                     HelpFile, \
                     https://www.oreilly.com/library/view/sendmail-4th-edition/9780596510299/ch24s09s54.html",
        },
        Fix {
            software: Some("OpenSMTPD"),
            checks: &[],
            text: "There is no option for HELP, and none to remove it from the EHLO reply. Put a relay in front whose \
                   own HELP is refused.",
            source: "recorded from OpenSMTPD 6.8.0p2; smtpd.conf(5), which lists no such option, https://man.openbsd.org/smtpd.conf.5",
        },
        Fix {
            software: Some("qpsmtpd"),
            checks: &[],
            text: "Give the plugin `help` the option `not_implemented 1`: HELP then gets 502.",
            source: "qpsmtpd, plugins/help, section OPTIONS, https://github.com/smtpd/qpsmtpd/blob/master/plugins/help",
        },
        Fix {
            software: Some("aiosmtpd"),
            checks: &[],
            text: "Override smtp_HELP in a subclass of SMTP to answer 502, and leave HELP out of what handle_EHLO returns.",
            source: "recorded from aiosmtpd 1.4.6 no-help; https://aiosmtpd.aio-libs.org/en/stable/handlers.html",
        },
        Fix {
            software: Some("smtp-server"),
            checks: &[],
            text: "Set disabledCommands: ['HELP']: HELP then gets 500.",
            source: "recorded from smtp-server 3.21.6 no-help; https://nodemailer.com/extras/smtp-server",
        },
    ],
    references: &[
        Reference {
            text: "RFC 5321 section 4.1.1.8, HELP",
            url: "https://www.rfc-editor.org/rfc/rfc5321#section-4.1.1.8",
        },
        Reference { text: "ATK plugin 7, \"SMTP HELP detection\" (Marc Ruef, computec.ch, 2003)", url: "" },
        Reference { text: "\"Hacking Intern\", Data Becker 2002, ISBN 381582284X", url: "" },
    ],
    source_data: &[
        ("plugin", "ATK 7, SMTP HELP detection"),
        ("family", "SMTP"),
        ("protocol", "tcp"),
        ("port", "25"),
        ("class", "Configuration"),
        ("severity", "Low"),
        ("popularity", "9"),
        ("simplicity", "9"),
        ("impact", "2"),
        ("risk", "6"),
        ("accuracy", "70"),
        ("remote", "yes"),
        ("local", "yes"),
        ("exploit availability", "yes"),
        ("fixing time", "10 minutes"),
        ("affected", "most mail transfer agents"),
        ("not affected", "hardened ones"),
        ("author", "Marc Ruef, computec.ch"),
        ("created", "2003-11-13"),
        ("updated", "2004-11-13"),
        ("version", "2.0"),
        ("detection", "open|send HELP\\n|sleep|close|pattern_exists 220 *HELP*"),
        ("checked also by", "Nessus"),
        ("literature", "\"Hacking Intern\", Data Becker 2002, ISBN 381582284X"),
    ],
    hears: Hears::GREETING.and(Hears::HELP).and(Hears::REPLY).and(Hears::END),
    tells: true,
    judge,
};

static ANSWERED: Check = Check {
    id: "answered",
    title: "HELP is answered",
    about: About::Server,
    otherwise: &[],
    discriminator: &["reply_code"],
    severity: Severity::Low,
    confidence: 95,
    scope: Scope::Server,
    fires: "HELP, with or without an argument, before or after the greeting, got 211 or 214. Confidence 80 for a 250, \
            or a 501 to HELP with an argument, that names at least three SMTP commands, and for a 211 or 214 whose \
            last line was not captured. A one-line 211 or 214 that says there is no help, and names no other command, \
            no software, URL or address, counts as a refusal",
    why: None,
};

static ADVERTISED: Check = Check {
    id: "advertised",
    title: "HELP is advertised",
    about: About::Server,
    otherwise: &[],
    discriminator: &[],
    severity: Severity::Info,
    confidence: 85,
    scope: Scope::Server,
    fires: "the EHLO reply lists HELP, and this server had not refused HELP before. Info, because it cannot be turned \
            off where it is common: on Exim, Sendmail and OpenSMTPD",
    why: None,
};

static PATTERN: Check = Check {
    id: "pattern",
    title: "Classic HELP signature matched",
    about: About::Server,
    otherwise: &[],
    discriminator: &[],
    severity: Severity::Low,
    confidence: 70,
    scope: Scope::Server,
    fires: "at the end of a session in which neither of the others fired and no HELP was refused, the greeting and the \
            replies with codes 200 to 399, in order, match the ATK plugin's glob `220 *HELP*` (upper case as written)",
    why: None,
};

/// One of the other checks fired, or HELP was refused: the glob has nothing to add.
const SETTLED: u32 = 1;
/// A reply was heard whose command was not: the glob rests.
const UNSURE: u32 = 1 << 1;
const BEGUN: u32 = 1 << 2;
const MATCHED: u32 = 1 << 3;

/// So many verbs make a text a list of commands.
const VERBS: usize = 3;

/// The confidence in an answer that is told by its text, or not whole.
const LESS_SURE: u8 = 80;

/// Software that lists HELP whatever its configuration says.
const CANNOT_LEAVE_OUT: &[&str] = &["Exim", "Sendmail", "OpenSMTPD"];

fn judge(event: &Event<'_>, session: &Session, word: &mut u32, out: &mut Findings<'_>) {
    match event {
        Event::Greeting(greeting) => {
            name_software(greeting, out);
            read_on(greeting, session, word, out);
        }
        // Where its answer is not matched any more, this is what asked for it.
        Event::Command(command) if reading::whole(command) == Some(&Verb::Help) => {
            out.defer(Finding::new(&RULE, &ANSWERED, &command.at, "").command(command));
        }
        Event::Reply(reply, answers) => {
            if matches!(answers, Answers::Unknown) {
                judge_rest_of_help(reply, word, out);
            }
            if reply.uncertain || matches!(answers, Answers::Unknown | Answers::Unsolicited) {
                *word |= UNSURE;
            }
            if let Some((command, verb)) = answered(reply, answers) {
                match verb {
                    Verb::Help => {
                        let _ = out.take(&ANSWERED, reply.at.last());
                        judge_help(command, reply, session, word, out);
                    }
                    _ if lists_capabilities(verb, reply) => judge_capabilities(command, reply, session, word, out),
                    _ => {}
                }
            }
            read_on(reply, session, word, out);
        }
        Event::End(end) => judge_end(end, session, *word, out),
        _ => {}
    }
}

fn judge_help(command: &Command, reply: &Reply, session: &Session, word: &mut u32, out: &mut Findings<'_>) {
    let Some(code) = reply.code else { return };
    let verbs = disclosed(command, reply);
    let confidence = match code {
        211 | 214 if reply.unfinished => LESS_SURE,
        211 | 214 if verbs.is_empty() && denies(reply) => {
            *word |= SETTLED;
            // A topic that there is none on is not HELP.
            let argument = reading::argument(command);
            let topic =
                command.argument().is_there() && reply.texts().any(|text| memmem::find(text, argument).is_some());
            return out.note(if topic { Note::HelpUnclear } else { Note::HelpRefused });
        }
        211 | 214 => ANSWERED.confidence,
        250 if verbs.len() >= VERBS => LESS_SURE,
        501 if verbs.len() >= VERBS && command.argument().is_there() => LESS_SURE,
        400..=599 if proves_nothing(command, code, session) => return,
        400..=599 if verbs.len() < VERBS => {
            *word |= SETTLED;
            let topic = refuses_topic(command, code, reply);
            return out.note(if topic { Note::HelpUnclear } else { Note::HelpRefused });
        }
        _ => return out.note(Note::HelpUnclear),
    };
    let finding = Finding::new(&RULE, &ANSWERED, &reply.at, "").confidence(confidence).command(command);
    tell(finding, code, reply, &verbs, word, out);
}

/// Lines of an answer whose end is missing, so that it is not matched: no other command than HELP gets them.
fn judge_rest_of_help(reply: &Reply, word: &mut u32, out: &mut Findings<'_>) {
    let Some(code @ (211 | 214)) = reply.code.filter(|_| reply.unfinished && !reply.codes_differ) else { return };
    if let Some(mut finding) = out.take(&ANSWERED, reply.at.last()) {
        finding.packets.extend(&reply.at);
        let verbs = named(reply.texts());
        tell(finding.confidence(LESS_SURE), code, reply, &verbs, word, out);
    }
}

/// HELP was answered.
fn tell(
    mut finding: Finding,
    code: u16,
    reply: &Reply,
    verbs: &[&'static str],
    word: &mut u32,
    out: &mut Findings<'_>,
) {
    *word |= SETTLED;
    out.note(Note::HelpExposed);
    let software = software(reply);
    let mut message = format!("HELP got {code}");
    match verbs.len() {
        0 => {}
        1 => message.push_str(", listing 1 command"),
        many => {
            let _ = write!(message, ", listing {many} commands");
        }
    }
    if let Some(software) = &software {
        let joint = if verbs.is_empty() { "," } else { " and" };
        let _ = write!(message, "{joint} naming {software}");
    }
    finding.message = message;
    finding = finding.reply(reply);
    if !verbs.is_empty() {
        finding = finding.list("verbs", verbs);
    }
    if let Some(software) = software {
        finding = finding.bytes("software", software.to_string().as_bytes());
        out.note(Note::Software { named: software, greeting: false });
    }
    out.fire(finding);
}

fn judge_capabilities(command: &Command, reply: &Reply, session: &Session, word: &mut u32, out: &mut Findings<'_>) {
    if !keywords_in(reply, b'H').any(|keyword| patterns::known_keyword(keyword) == Some(patterns::HELP)) {
        return;
    }
    *word |= SETTLED;
    out.note(Note::HelpAdvertised);
    let greeting = session.greeting.as_ref().map_or(&[][..], |greeting| &greeting.text);
    let software = greeting.split(|&byte| byte == b'\n').find_map(|text| patterns::software(behind_host(text)));
    let mut message = "The EHLO reply lists HELP".to_owned();
    if let Some(software) = software.filter(|software| CANNOT_LEAVE_OUT.contains(&software.name)) {
        let _ = write!(message, ", which {} cannot turn off", software.name);
    }
    let finding = Finding::new(&RULE, &ADVERTISED, &reply.at, message).command(command).reply(reply);
    out.fire(finding.list("keywords", keywords(reply)));
}

/// Reads on in the glob; where a reply completes it the finding waits for the session's end.
fn read_on(reply: &Reply, session: &Session, word: &mut u32, out: &mut Findings<'_>) {
    let shown = matches!(reply.code, Some(200..=399)) && !reply.secret;
    if *word & (SETTLED | MATCHED) != 0 || !shown {
        return;
    }
    let begun = if *word & BEGUN == 0 { Glob::Nothing } else { Glob::Begun };
    match reply.lines.iter().fold(begun, |state, line| patterns::glob(state, line)) {
        Glob::Nothing => {}
        Glob::Begun => *word |= BEGUN,
        Glob::Matched => {
            *word |= BEGUN | MATCHED;
            let message = "The server's replies match the pattern 220 *HELP*";
            let mut finding = Finding::new(&RULE, &PATTERN, &reply.at, message).reply(reply);
            if let Some(greeting) = session.greeting.as_ref().filter(|_| begun == Glob::Begun) {
                finding = finding.bytes("greeting", &greeting.text);
            }
            out.defer(finding);
        }
    }
}

fn judge_end(end: &End, session: &Session, word: u32, out: &mut Findings<'_>) {
    // A HELP, or its refusal, may be among the missing bytes.
    if word & (SETTLED | UNSURE) == 0
        && session.is_whole()
        && let Some(finding) = out.take(&PATTERN, end.at)
    {
        out.fire(finding);
    }
}

/// The SMTP verbs that the reply names; those that it may only repeat from the command do not count, nor does HELP
/// alone, which "End of HELP info" discloses to nobody.
fn disclosed(command: &Command, reply: &Reply) -> Vec<&'static str> {
    let mut verbs = named(reply.texts());
    if !matches!(reply.code, Some(211 | 214)) {
        let sent = patterns::verbs(reading::argument(command));
        verbs.retain(|verb| !sent.contains(verb));
        if verbs == [patterns::HELP] {
            verbs.clear();
        }
    }
    verbs
}

/// The SMTP verbs that stand in a text, each once; HELP alone is none.
fn named<'t>(texts: impl Iterator<Item = &'t [u8]>) -> Vec<&'static str> {
    let mut verbs: Vec<&'static str> = Vec::new();
    for verb in texts.flat_map(patterns::verbs) {
        if !verbs.contains(&verb) {
            verbs.push(verb);
        }
    }
    if verbs == [patterns::HELP] { Vec::new() } else { verbs }
}

/// A reply of one line which says that there is no help, and points nowhere else.
fn denies(reply: &Reply) -> bool {
    let [line] = reply.lines.as_slice() else { return false };
    let text = crate::smtp::wire::reply::text(line).to_ascii_lowercase();
    let words: Vec<&[u8]> = text.split(|byte| !byte.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let says_none = words.iter().any(|word| matches!(*word, b"not" | b"unavailable" | b"disabled"))
        || words.windows(2).any(|pair| matches!(pair, [b"no", b"help"]));
    let points = [&b"://"[..], b"www.", b"@"].iter().any(|sign| memmem::find(&text, sign).is_some());
    says_none && !points && reply.dropped == 0 && software(reply).is_none()
}

/// A 421 or 554 to a HELP that came too early says nothing of HELP, nor does any refusal where the greeting
/// itself was one.
fn proves_nothing(command: &Command, code: u16, session: &Session) -> bool {
    let refused = session.greeting.as_ref().is_some_and(|greeting| matches!(greeting.code, Some(400..=599)));
    refused || (matches!(code, 421 | 554) && command.early != Some(false))
}

/// Whether a refusal concerns the topic and not HELP itself: some servers answer HELP and refuse any argument of it
/// (`500 5.5.4`), or a topic that they do not know (504).
fn refuses_topic(command: &Command, code: u16, reply: &Reply) -> bool {
    let invalid_arguments = |text: &[u8]| text.starts_with(b"5.5.4 ");
    command.argument().is_there() && (matches!(code, 501 | 504) || reply.texts().any(invalid_arguments))
}

fn name_software(greeting: &Reply, out: &mut Findings<'_>) {
    if let Some(software) = software(greeting) {
        out.note(Note::Software { named: software, greeting: true });
    }
}

/// The software that a reply names; a host name at the start of a line is none.
fn software(reply: &Reply) -> Option<patterns::Software> {
    reply.texts().find_map(|text| patterns::software(behind_host(text)))
}

fn behind_host(text: &[u8]) -> &[u8] {
    let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(end).unwrap_or((text, &[]));
    if word.contains(&b'.') && !word.contains(&b'/') { rest } else { text }
}

#[cfg(test)]
mod tests {
    use crate::rules::Note;
    use crate::rules::dialogue::{Dialogue, judged};

    fn notes(dialogue: &str) -> Vec<Note> {
        Dialogue::read(dialogue).notes()
    }

    #[test]
    fn help_answered_211_or_214_fires() {
        for reply in ["214 HELO EHLO MAIL", "211 ok", "214-2.0.0 Topics:\nS: 214 2.0.0 End"] {
            let dialogue = format!("S: 220 mx\nC: HELP\nS: {reply}");
            assert_eq!(judged(&dialogue), ["help-exposed/answered low 95"], "{reply}");
            assert_eq!(notes(&dialogue), [Note::HelpExposed]);
        }
    }

    #[test]
    fn the_probe_that_does_not_wait_is_answered_too() {
        let probe = Dialogue::read("C: HELP<LF>\nS: 220 mx\nS: 214 MAIL");
        assert_eq!(probe.only("help-exposed").judged(), ["help-exposed/answered low 95"]);
    }

    #[test]
    fn a_250_or_501_fires_only_where_it_names_three_verbs_of_its_own() {
        assert_eq!(judged("S: 220 mx\nC: HELP\nS: 250 HELO MAIL RCPT"), ["help-exposed/answered low 80"]);
        assert_eq!(judged("S: 220 mx\nC: HELP x\nS: 501 try HELO, MAIL, RCPT"), ["help-exposed/answered low 80"]);
        for silent in [
            "S: 220 mx\nC: HELP\nS: 250 Not implemented",
            "S: 220 mx\nC: HELP\nS: 250 2.0.0 Ok",
            "S: 220 mx\nC: HELP\nS: 250 HELO MAIL",
            "S: 220 mx\nC: HELP\nS: 501 HELO MAIL RCPT",
            "S: 220 mx\nC: HELP HELO MAIL RCPT\nS: 501 what is HELO MAIL RCPT",
            "S: 220 mx\nC: NOOP\nS: 250 HELO MAIL RCPT",
        ] {
            assert_eq!(judged(silent), Vec::<String>::new(), "{silent}");
        }
    }

    #[test]
    fn silent_when_help_is_refused() {
        for refusal in
            ["502 5.3.0 Sendmail 8.17.1.9 -- HELP not implemented", "500 5.5.2 Error: command not recognized"]
        {
            let dialogue = format!("S: 220 mx\nC: HELP\nS: {refusal}");
            assert_eq!(judged(&dialogue), Vec::<String>::new());
            assert_eq!(notes(&dialogue), [Note::HelpRefused]);
        }
    }

    #[test]
    fn a_refused_topic_is_no_refusal_of_help() {
        for refusal in ["500 5.5.4 Invalid command arguments: command does not accept arguments.", "501 no", "504 no"] {
            assert_eq!(notes(&format!("S: 220 mx\nC: HELP MAIL\nS: {refusal}")), [Note::HelpUnclear], "{refusal}");
            assert_eq!(notes(&format!("S: 220 mx\nC: HELP\nS: {refusal}")), [Note::HelpRefused], "{refusal}");
        }
        assert_eq!(notes("S: 220 mx\nC: HELP MAIL\nS: 500 5.5.2 Error: command not recognized"), [Note::HelpRefused]);
        let pattern = "S: 220 mx see HELP\nC: HELP MAIL\nS: 504 no";
        assert_eq!(judged(pattern), Vec::<String>::new(), "but the pattern rests");
    }

    #[test]
    fn help_alone_discloses_no_command() {
        let message = |reply: &str| {
            let dialogue = Dialogue::read(&format!("S: 220 mx\nC: HELP\nS: {reply}"));
            dialogue.findings().remove(0).message
        };
        assert_eq!(message("214 2.0.0 End of HELP info"), "HELP got 214");
        assert_eq!(message("214 try VRFY"), "HELP got 214, listing 1 command");
        assert_eq!(message("214 HELP VRFY"), "HELP got 214, listing 2 commands");
    }

    #[test]
    fn a_refusal_of_what_came_too_early_proves_nothing() {
        assert_eq!(notes("C: HELP\nS: 220 mx\nS: 554 5.5.0 SMTP protocol synchronization error"), []);
        assert_eq!(notes("C: HELP\nS: 554 mx not accepting\nS: 550 5.0.0 Command rejected"), []);
        assert_eq!(notes("S: 220 mx\nC: HELP\nS: 421 too many errors"), [Note::HelpRefused]);
    }

    #[test]
    fn a_refusal_that_lists_commands_is_neither_refused_nor_answered() {
        assert_eq!(notes("S: 220 mx\nC: HELP\nS: 502 use HELO MAIL RCPT"), [Note::HelpUnclear]);
        assert_eq!(notes("S: 220 mx\nC: HELP\nS: 250 2.0.0 Ok"), [Note::HelpUnclear]);
    }

    #[test]
    fn one_line_that_says_there_is_none_is_a_refusal() {
        for refusal in ["214 Help not available", "211 No help here", "214 HELP is disabled.", "214 2.0.0 unavailable"]
        {
            let dialogue = format!("S: 220 mx\nC: HELP\nS: {refusal}");
            assert_eq!((judged(&dialogue), notes(&dialogue)), (vec![], vec![Note::HelpRefused]), "{refusal}");
        }
        for answer in [
            "214 See http://help.example.org/, not me",
            "214 no help but postmaster@example.org",
            "214 not much: VRFY",
            "214 Exim does not say more",
            "214-not\nS: 214 available",
            "214 nothing, knot",
        ] {
            assert_eq!(judged(&format!("S: 220 mx\nC: HELP\nS: {answer}")).len(), 1, "{answer}");
        }
        let topic = "S: 220 mx\nC: HELP frobnicate\nS: 214 no help on frobnicate";
        assert_eq!(notes(topic), [Note::HelpUnclear]);
    }

    #[test]
    fn lines_of_an_answer_suffice_where_its_end_was_not_captured() {
        let cut = |reply: &str| {
            let mut dialogue = Dialogue::read(&format!("S: 220 mx\nC: HELP\nS: {reply}"));
            dialogue.reply(1).unfinished = true;
            dialogue.judged()
        };
        assert_eq!(cut("214 HELO MAIL RCPT"), ["help-exposed/answered low 80"]);
        assert_eq!(cut("214 help is not"), ["help-exposed/answered low 80"], "more may have come");
        assert_eq!(cut("250 HELO MAIL"), Vec::<String>::new());
    }

    #[test]
    fn advertised_names_the_servers_own_software_and_no_other() {
        let message = |greeting: &str| {
            let dialogue = format!("S: 220 mx.example.org {greeting}\nC: EHLO a\nS: 250-mx\nS: 250 HELP");
            Dialogue::read(&dialogue).findings().remove(0).message
        };
        assert_eq!(message("ESMTP Exim 4.96"), "The EHLO reply lists HELP, which Exim cannot turn off");
        assert_eq!(message("ESMTP Haraka/3.0.3"), "The EHLO reply lists HELP");
        assert_eq!(message("ESMTP"), "The EHLO reply lists HELP");
    }

    #[test]
    fn advertised_fires_for_the_keyword_alone() {
        assert_eq!(judged("S: 220 mx\nC: EHLO a\nS: 250-mx\nS: 250 HELP"), ["help-exposed/advertised info 85"]);
        assert_eq!(judged("S: 220 mx\nC: EHLO a\nS: 250-mx\nS: 250 HELPDESK").len(), 1, "the pattern alone");
        assert_eq!(judged("S: 220 mx\nC: EHLO a\nS: 250 help"), Vec::<String>::new(), "a server named help");
        assert_eq!(judged("S: 220 mx\nC: EHLO a\nS: 550-no\nS: 550 HELP"), Vec::<String>::new());
    }

    #[test]
    fn the_pattern_fires_at_the_end_and_only_where_nothing_else_is_known() {
        let pattern = ["help-exposed/pattern low 70"];
        assert_eq!(judged("S: 220 mx see HELP\nC: QUIT\nS: 221 bye"), pattern);
        assert_eq!(judged("S: 220 mx\nC: NOOP\nS: 250 try HELP"), pattern);
        for silent in [
            "S: 220 mx\nC: NOOP\nS: 250 try help",
            "S: 220-mx\nS: 220",
            "S: 220 mx\nC: NOOP\nS: 500 try HELP",
            "S: 220 mx see HELP\nC: HELP\nS: 502 no",
        ] {
            assert_eq!(judged(silent), Vec::<String>::new(), "{silent}");
        }
    }

    #[test]
    fn the_pattern_rests_where_commands_are_missing() {
        let mut dialogue = Dialogue::read("S: 220 mx\nC: NOOP\nS: 250 try HELP");
        dialogue.session.missing_client = 1;
        assert_eq!(dialogue.judged(), Vec::<String>::new());
    }

    #[test]
    fn repeats_are_counted_and_not_reported_again() {
        let dialogue = Dialogue::read("S: 220 mx\nC: HELP\nS: 214 MAIL\nC: HELP\nS: 214 MAIL");
        assert_eq!(dialogue.judged(), ["help-exposed/answered low 95"]);
        assert_eq!(dialogue.counts(), [("help-exposed", "answered", 2)]);
    }

    #[test]
    fn the_evidence_holds_the_reply_its_verbs_and_its_software() {
        let finding =
            Dialogue::read("S: 220 mx\nC: HELP\nS: 214-2.0.0 This is sendmail version 8.17\nS: 214 MAIL RCPT");
        let finding = finding.findings().remove(0);
        assert_eq!(finding.message, "HELP got 214, listing 2 commands and naming Sendmail 8.17");
        let names: Vec<_> = finding.evidence.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["verb", "command", "reply_code", "reply_text", "verbs", "software"]);
        assert_eq!(finding.verb.as_deref(), Some("HELP"));
    }

    #[test]
    fn software_is_told_from_the_greeting_but_not_from_the_host_name() {
        assert!(
            matches!(&notes("S: 220 mx.example.org ESMTP Exim 4.96")[..], [Note::Software { named, .. }] if named.name == "Exim")
        );
        assert_eq!(notes("S: 220 exim.example.org ESMTP"), []);
    }
}
