//! Lines and what ends them: lengths (RFC 5321 section 4.5.3.1), line feeds and carriage returns that stand alone
//! (section 2.3.8), and the end of a mail (section 4.1.1.4).

use super::{
    About, Check, Evidence, Finding, Findings, LF_IN_COMMANDS, LF_IN_DATA, LF_IN_REPLIES, NOT_ALL_LF, RULE, Scope,
    Severity,
};
use crate::rules::glance::LINE;
use crate::smtp::event::{End, Fault, FaultKind, MessageData};
use crate::smtp::wire::extension::{self, EXTENSIONS, Extension, Longer};
use crate::smtp::{Answers, Command, DataEnd, Ending, Reply, Session, Verb};

pub(super) static COMMAND_TOO_LONG: Check = Check {
    id: "command-too-long",
    title: "Command line too long",
    about: About::Client,
    otherwise: &[],
    discriminator: &["verb"],
    severity: Severity::Medium,
    confidence: 95,
    scope: Scope::Session,
    fires: "a command line of more than 512 bytes (for MAIL and RCPT, plus what the extensions in use add); a line of \
            an AUTH exchange, or AUTH with an initial response, of more than 12,288",
    why: None,
};

pub(super) static REPLY_TOO_LONG: Check = Check {
    id: "reply-too-long",
    title: "Reply line too long",
    about: About::Server,
    otherwise: &[],
    discriminator: &["reply_code"],
    severity: Severity::Low,
    confidence: 90,
    scope: Scope::Session,
    fires: "a reply line of more than 512 bytes (334: 12,288) that quotes neither the command it answers nor its \
            address",
    why: None,
};

pub(super) static BARE_LF: Check = Check {
    id: "bare-lf",
    title: "Line ends in LF without CR",
    about: About::Client,
    otherwise: &[],
    discriminator: &["place"],
    severity: Severity::Low,
    confidence: 95,
    scope: Scope::Session,
    fires: "a command line, a reply line or a line of the message ends in LF without CR; one finding if all lines do",
    why: Some(
        "Servers disagree about whether LF alone ends a line. That disagreement is what SMTP smuggling is built \
               on.",
    ),
};

pub(super) static BARE_CR: Check = Check {
    id: "bare-cr",
    title: "CR without LF",
    about: About::Client,
    otherwise: &[],
    discriminator: &["place"],
    severity: Severity::Low,
    confidence: 95,
    scope: Scope::Session,
    fires: "a command, a reply or the message contains a CR that is not followed by LF",
    why: None,
};

pub(super) static END_OF_DATA: Check = Check {
    id: "end-of-data",
    title: "Smuggled mail: not ended by CRLF.CRLF",
    about: About::Server,
    otherwise: &[],
    discriminator: &["end"],
    severity: Severity::High,
    confidence: 90,
    scope: Scope::Session,
    fires: "the server took something other than CRLF.CRLF as the end of a mail, and commands followed",
    why: Some(
        "The server ended a mail at a line that most other servers pass through as text. An attacker can hide a \
               second mail inside the first one; it then leaves with the sending server's good name (SMTP smuggling, \
               CVE-2023-51764).",
    ),
};

/// The longest line of an AUTH exchange (RFC 4954 section 4).
const EXCHANGE: u64 = 12_288;

pub(super) fn judge_command(command: &Command, session: &Session, word: &mut u32, out: &mut Findings<'_>) {
    judge_smuggled(command, out);
    if let Some(most) = exceeded(command, session) {
        let message = format!("A command line of {} bytes; the limit is {most}", command.octets);
        let finding = Finding::new(&RULE, &COMMAND_TOO_LONG, &command.at, message).command(command);
        out.fire(finding.with("octets", Evidence::Number(command.octets)).with("most", Evidence::Number(most)));
    }
    if command.exchange || (command.verb.is_none() && command.in_doubt) {
        return;
    }
    // A line that the server read on to its CRLF may hold line feeds.
    if command.ending == Ending::Lf || command.joined {
        let finding =
            Finding::new(&RULE, &BARE_LF, &command.at, "A command line ends in LF without CR").command(command);
        tell_bare_lf(finding.verb("command"), LF_IN_COMMANDS, session, word, out);
    }
    if command.bare_cr {
        let finding = Finding::new(&RULE, &BARE_CR, &command.at, "A command contains CR without LF").command(command);
        out.fire(placed(finding.verb("command")));
    }
}

/// `answers` is `None` for a greeting.
pub(super) fn judge_reply(
    reply: &Reply,
    answers: Option<&Answers<'_>>,
    session: &Session,
    word: &mut u32,
    out: &mut Findings<'_>,
) {
    if reply.uncertain {
        return;
    }
    let most = if reply.code == Some(334) { EXCHANGE } else { LINE };
    // What is not known to answer a command may quote any.
    let known = !matches!(answers, Some(Answers::Unknown | Answers::Unsolicited));
    if known && reply.longest > most && !quotes(reply, answers) {
        let message = format!("A reply line of {} bytes; the limit is {most}", reply.longest);
        let finding = Finding::new(&RULE, &REPLY_TOO_LONG, &reply.at, message).reply(reply);
        out.fire(finding.with("octets", Evidence::Number(reply.longest)).with("most", Evidence::Number(most)));
    }
    if reply.bare_lf {
        let finding = Finding::new(&RULE, &BARE_LF, &reply.at, "A reply line ends in LF without CR").reply(reply);
        tell_bare_lf(finding.verb("reply"), LF_IN_REPLIES, session, word, out);
    }
    if reply.bare_cr {
        let finding = Finding::new(&RULE, &BARE_CR, &reply.at, "A reply contains CR without LF").reply(reply);
        out.fire(placed(finding.verb("reply")));
    }
}

pub(super) fn judge_fault(fault: &Fault, session: &Session, word: &mut u32, out: &mut Findings<'_>) {
    match fault.kind {
        FaultKind::BareLfInData => {
            let message = "A line of the message ends in LF without CR";
            let finding = Finding::new(&RULE, &BARE_LF, &fault.at, message).verb("data");
            tell_bare_lf(finding, LF_IN_DATA, session, word, out);
        }
        FaultKind::BareCrInData => {
            let message = "The message contains CR without LF";
            out.fire(placed(Finding::new(&RULE, &BARE_CR, &fault.at, message).verb("data")));
        }
        _ => {}
    }
}

/// A mail that ended elsewhere than at CRLF.CRLF waits for a command behind it.
pub(super) fn judge_data(data: &MessageData, out: &mut Findings<'_>) {
    let DataEnd::Smuggled(end) = data.end else { return };
    let message = format!("The server ended the mail at {end} and read the rest of it as commands");
    out.defer(Finding::new(&RULE, &END_OF_DATA, &data.at, message).with("end", Evidence::Word(end)));
}

fn judge_smuggled(command: &Command, out: &mut Findings<'_>) {
    if let Some(finding) = out.take(&END_OF_DATA, command.at.last()) {
        out.fire(finding.command(command).packets(&command.at));
    }
}

/// Bare line feeds in a second place wait: where all lines ended so, the first finding says it all.
fn tell_bare_lf(finding: Finding, place: u32, session: &Session, word: &mut u32, out: &mut Findings<'_>) {
    let elsewhere = *word & (LF_IN_COMMANDS | LF_IN_REPLIES | LF_IN_DATA) & !place != 0;
    let crlf = if place == LF_IN_REPLIES { session.server_crlf } else { session.client_crlf };
    *word |= place;
    if elsewhere && !crlf {
        out.wait(placed(finding), NOT_ALL_LF);
    } else {
        out.fire(placed(finding));
    }
}

pub(super) fn judge_end(end: &End, session: &Session, word: u32, out: &mut Findings<'_>) {
    let client = word & (LF_IN_COMMANDS | LF_IN_DATA) != 0 && session.client_crlf;
    let server = word & LF_IN_REPLIES != 0 && session.server_crlf;
    out.settle(NOT_ALL_LF, client || server, end.at);
}

/// The place, which such a finding is reported once for, as evidence too.
fn placed(finding: Finding) -> Finding {
    let place = match finding.verb.as_deref() {
        Some("command") => "command",
        Some("reply") => "reply",
        _ => "data",
    };
    finding.with("place", Evidence::Word(place))
}

/// The most octets that the line may have, where it has more.
pub(super) fn exceeded(command: &Command, session: &Session) -> Option<u64> {
    if command.octets <= LINE {
        return None;
    }
    longest(command, session).filter(|&most| command.octets > most)
}

/// The most octets that this line may have; `None` where that depends on what is not known.
fn longest(command: &Command, session: &Session) -> Option<u64> {
    let initial_response = command.secret && command.verb.as_ref().is_some_and(Verb::is_auth);
    if command.exchange || initial_response {
        return Some(EXCHANGE);
    }
    let by: fn(Longer) -> u64 = match command.verb {
        Some(Verb::Mail) => |longer| longer.mail,
        Some(Verb::Rcpt) => |longer| longer.rcpt,
        Some(Verb::Vrfy | Verb::Expn) => |longer| longer.vrfy,
        _ => return Some(LINE),
    };
    if carries_unknown(command, session) {
        return None;
    }
    let mut most = LINE;
    for extension in EXTENSIONS {
        if session.offered(extension.keyword)? {
            most = most.saturating_add(extension.longer.map_or(0, by));
        }
    }
    Some(most)
}

/// Whether the line carries a parameter of an offered extension that lengthens it by what is not known here.
fn carries_unknown(command: &Command, session: &Session) -> bool {
    let known: fn(&Extension) -> &[&str] = match command.verb {
        Some(Verb::Mail) => |extension| extension.mail,
        Some(Verb::Rcpt) => |extension| extension.rcpt,
        _ => return false,
    };
    let offers_unknown = session.capabilities.iter().any(|line| extension::find(extension::keyword(line)).is_none());
    command.parameters().any(|parameter| {
        let name = extension::keyword(parameter);
        let is_name = |known: &&'static str| known.as_bytes().eq_ignore_ascii_case(name);
        let mut rows = EXTENSIONS.iter().filter(|extension| known(extension).iter().any(is_name)).peekable();
        match rows.peek() {
            None => offers_unknown,
            Some(_) => rows.any(|row| row.longer.is_none() && session.offered(row.keyword) == Some(true)),
        }
    })
}

/// Whether the longest line of a reply repeats the command that it answers, or its path.
fn quotes(reply: &Reply, answers: Option<&Answers<'_>>) -> bool {
    let Some(Answers::Command(command)) = answers else { return false };
    if reply.secret {
        return true;
    }
    let longest = reply.lines.iter().max_by_key(|line| line.len()).map(Vec::as_slice).unwrap_or_default();
    command.is_quoted_in(longest)
}

#[cfg(test)]
mod tests {
    use crate::base::Side;
    use crate::rules::dialogue::{Dialogue, judged};
    use crate::smtp::event::FaultKind;

    const NOTHING: [String; 0] = [];
    const TOO_LONG: [&str; 1] = ["non-compliant/command-too-long medium 95"];

    /// The findings for a command of so many octets, where the server offers these.
    fn of(line: &str, octets: u64, offers: &[&str]) -> Vec<String> {
        let mut dialogue = Dialogue::read(&format!("S: 220 mx\nC: {line}\nS: 250 ok"));
        dialogue.session.capabilities = offers.iter().map(|offer| offer.as_bytes().to_vec()).collect();
        dialogue.session.capabilities_known = true;
        dialogue.command(0).octets = octets;
        dialogue.judged()
    }

    #[test]
    fn a_command_has_512_octets_and_mail_what_the_extensions_add() {
        assert_eq!(of("NOOP x", 512, &[]), NOTHING);
        assert_eq!(of("NOOP x", 513, &["SIZE", "AUTH"]), TOO_LONG);
        assert_eq!(of("MAIL FROM:<a@b>", 538, &["SIZE"]), NOTHING);
        assert_eq!(of("MAIL FROM:<a@b>", 539, &["SIZE"]), TOO_LONG);
        assert_eq!(of("MAIL FROM:<a@b>", 538, &[]), TOO_LONG);
        assert_eq!(of("RCPT TO:<a@b>", 538, &["SIZE"]), TOO_LONG);
        assert_eq!(of("RCPT TO:<a@b>", 1042, &["DSN"]), NOTHING);
        assert_eq!(of("VRFY a", 522, &["SMTPUTF8"]), NOTHING);
    }

    #[test]
    fn a_parameter_whose_length_is_not_known_keeps_it_silent() {
        assert_eq!(of("MAIL FROM:<a@b> FOO=x", 900, &["SIZE", "XFOO"]), NOTHING);
        assert_eq!(of("MAIL FROM:<a@b> FOO=x", 900, &["SIZE"]), TOO_LONG);
        assert_eq!(of("MAIL FROM:<a@b> SOLICIT=x", 900, &["NO-SOLICITING"]), NOTHING);
        assert_eq!(of("MAIL FROM:<a@b> SOLICIT=x", 900, &["SIZE"]), TOO_LONG);
        let mut unheard = Dialogue::read("S: 220 mx\nC: MAIL FROM:<a@b>\nS: 250 ok");
        unheard.session.missing_server = 9;
        unheard.command(0).octets = 900;
        assert_eq!(unheard.judged(), NOTHING, "the EHLO reply lies in the gap");
    }

    #[test]
    fn a_line_of_an_exchange_may_have_12288() {
        let exchange = |octets| {
            let mut dialogue = Dialogue::read("S: 220 mx\nC: abcd\nS: 235 ok");
            let command = dialogue.command(0);
            (command.octets, command.exchange, command.verb) = (octets, true, None);
            dialogue.judged()
        };
        assert_eq!(exchange(12_288), NOTHING);
        assert_eq!(exchange(12_289), TOO_LONG);
    }

    #[test]
    fn a_line_too_long_is_not_also_malformed() {
        assert_eq!(of("RSET x", 600, &[]), TOO_LONG);
    }

    #[test]
    fn a_reply_line_has_512_octets_unless_it_quotes_the_command() {
        let of = |command: &str, reply: &str| {
            let mut dialogue = Dialogue::read(&format!("S: 220 mx\nC: {command}\nS: {reply}"));
            dialogue.reply(1).longest = 513;
            dialogue.judged()
        };
        assert_eq!(of("NOOP", "250 ok"), ["non-compliant/reply-too-long low 90"]);
        assert_eq!(of("VRFY someone-with-a-name", "550 no someone-with-a-name here"), NOTHING);
        assert_eq!(of("RCPT TO:<a-long-name@example.org>", "550 a-long-name@example.org: no"), NOTHING);
        assert_eq!(of("RCPT TO:<a-long-name@example.org>", "550 no"), ["non-compliant/reply-too-long low 90"]);
        assert_eq!(of("AUTH CRAM-MD5", "334 abcd"), NOTHING);
    }

    #[test]
    fn line_feeds_are_told_once_for_each_place() {
        let lf = ["non-compliant/bare-lf low 95"];
        assert_eq!(judged("S: 220 mx\nC: NOOP<LF>\nS: 250 ok\nC: NOOP<LF>\nS: 250 ok"), lf);
        let both = |client_crlf| {
            let mut dialogue = Dialogue::read("S: 220 mx\nC: NOOP<LF>").fault(FaultKind::BareLfInData, Side::A);
            dialogue.session.client_crlf = client_crlf;
            dialogue.judged().len()
        };
        assert_eq!((both(true), both(false)), (2, 1), "an all-LF session is one finding");
    }

    #[test]
    fn a_cr_alone_is_told_wherever_it_stands() {
        let mut dialogue = Dialogue::read("S: 220 mx\nC: NOOP\nS: 250 ok").fault(FaultKind::BareCrInData, Side::A);
        dialogue.command(0).bare_cr = true;
        dialogue.reply(1).bare_cr = true;
        assert_eq!(dialogue.judged(), ["non-compliant/bare-cr low 95"; 3]);
    }
}
