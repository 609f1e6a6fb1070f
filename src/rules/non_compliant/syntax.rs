//! The syntax of commands: their verbs, their arguments, the paths of MAIL and RCPT (RFC 5321 sections 4.1.1 and 4.1.2).

use super::{
    About, Check, Evidence, Finding, Findings, MANY_UNKNOWN, NOT_OFFERED, RULE, Scope, Severity, UNKNOWN, is_http,
    lines,
};
use crate::base::Moment;
use crate::rules::reading;
use crate::smtp::event::End;
use crate::smtp::wire::argument::{ArgumentFault, ChunkFault};
use crate::smtp::wire::extension::EXTENSIONS;
use crate::smtp::wire::path::PathFault;
use crate::smtp::{Command, Session, Verb};

pub(super) static UNKNOWN_VERB: Check = Check {
    id: "unknown-verb",
    title: "Unknown command",
    about: About::Client,
    otherwise: &[],
    discriminator: &["verb"],
    severity: Severity::Low,
    confidence: 90,
    scope: Scope::Session,
    fires: "a line that is not empty and has no verb; or a verb that is not an SMTP command, does not begin with X and \
            was not advertised by the server (a verb sent before the greeting is judged at the EHLO reply or the end of the \
            session decides); after 20 in a session, one finding with the count",
    why: None,
};

pub(super) static MALFORMED_COMMAND: Check = Check {
    id: "malformed-command",
    title: "Malformed command",
    about: About::Client,
    otherwise: &[],
    discriminator: &["verb", "fault"],
    severity: Severity::Low,
    confidence: 85,
    scope: Scope::Session,
    fires: "an empty line; HELO, EHLO, LHLO, VRFY, EXPN, ETRN or AUTH without an argument; DATA, RSET, QUIT, TURN or \
            STARTTLS with one; MAIL without `FROM:` and an address, or RCPT without `TO:` and an address; a space \
            before the colon, unbalanced angle brackets, or a parameter that is not keyword[=value]; BDAT without a \
            size that fits 63 bits, or with anything but LAST after it",
    why: None,
};

pub(super) static LAX_PATH: Check = Check {
    id: "lax-path",
    title: "Loose address syntax",
    about: About::Client,
    otherwise: &[],
    discriminator: &["verb", "fault"],
    severity: Severity::Info,
    confidence: 95,
    scope: Scope::Session,
    fires: "spaces after `FROM:` or `TO:`, an address without angle brackets, or both",
    why: None,
};

/// So many unknown verbs of a session are told one by one.
const MOST_VERBS: usize = 20;

/// Judges a whole line that is no line of an AUTH exchange.
pub(super) fn judge(command: &Command, session: &Session, word: &mut u32, out: &mut Findings<'_>) {
    let http = is_http(session);
    // So is whatever made another protocol of the stream.
    let named = command.number == 0 && session.protocol.is_some();
    if named {
        return;
    }
    if !http {
        judge_verb(command, session, word, out);
    }
    if command.secret && command.verb.is_none() || lines::exceeded(command, session).is_some() {
        return;
    }
    if let Some((fault, says)) = fault(command).filter(|_| !http) {
        let message = match &command.verb {
            Some(verb) => format!("{} {says}", shown(verb.name())),
            None => says.to_owned(),
        };
        let finding = Finding::new(&RULE, &MALFORMED_COMMAND, &command.at, message).command(command);
        out.fire(finding.with("fault", Evidence::Word(fault)));
    }
    if let Some((lax, says)) = lax(command) {
        let verb = command.verb.as_ref().map_or("A command", Verb::name);
        let message = format!("{verb} has {says}");
        let finding = Finding::new(&RULE, &LAX_PATH, &command.at, message).command(command);
        out.fire(finding.with("fault", Evidence::Word(lax)));
    }
}

fn judge_verb(command: &Command, session: &Session, word: &mut u32, out: &mut Findings<'_>) {
    let name = match &command.verb {
        Some(Verb::Other(name)) if !name.starts_with('X') => Some(name.as_str()),
        None if !command.secret && command.argument().is_there() => None,
        _ => return,
    };
    let message = match name {
        Some(name) => format!("{} is not an SMTP command, and the server did not offer it", shown(name)),
        None => "The client sent a line that does not begin with a command".to_owned(),
    };
    let finding = Finding::new(&RULE, &UNKNOWN_VERB, &command.at, message).command(command);
    // Where neither side's first line is SMTP that is said already, until the server answers.
    if session.protocol == Some(UNKNOWN) && session.replies <= u64::from(session.greeting.is_some()) {
        return;
    }
    // What the server began with may have named the protocol.
    if command.number == 0 && session.greeting.is_none() && session.missing_server > 0 {
        return;
    }
    if !session.server_heard {
        return out.wait(finding, NOT_OFFERED);
    }
    if name.is_none_or(|name| offered(name, session) == Some(false)) {
        tell_unknown(finding, word, out);
    }
}

/// The server spoke, or the session is over: whether it offers what the client sent before is known now, or never.
/// `offers` tells it of a verb; what has none is never offered.
fn settle_unknown(at: Moment, offers: impl Fn(Option<&str>) -> Option<bool>, word: &mut u32, out: &mut Findings<'_>) {
    while let Some((mut finding, repeats)) = out.take_waiting(NOT_OFFERED) {
        if offers(finding.verb.as_deref()) == Some(false) {
            finding.at = at;
            (0..repeats).for_each(|_| out.count(&finding));
            tell_unknown(finding, word, out);
        }
    }
}

/// The stream is another protocol: what stands before that is part of it.
pub(super) fn forget_early(out: &mut Findings<'_>) {
    while out.take_waiting(NOT_OFFERED).is_some() {}
}

/// The EHLO reply tells what the server offers.
pub(super) fn judge_capabilities(at: Moment, session: &Session, word: &mut u32, out: &mut Findings<'_>) {
    settle_unknown(at, |verb| verb.map_or(Some(false), |verb| offered(verb, session)), word, out);
}

fn tell_unknown(finding: Finding, word: &mut u32, out: &mut Findings<'_>) {
    if out.reported(&UNKNOWN_VERB) < MOST_VERBS || out.repeats(&finding) {
        out.fire(finding);
    } else if *word & MANY_UNKNOWN == 0 {
        *word |= MANY_UNKNOWN;
        out.defer(finding);
    } else {
        out.count(&finding);
    }
}

/// What waited for an EHLO reply, and what was more than is told one by one.
pub(super) fn judge_end(end: &End, session: &Session, word: &mut u32, out: &mut Findings<'_>) {
    let silent = reading::kept_silent(session, end);
    let offers = |verb: Option<&str>| match verb {
        _ if silent => Some(false),
        Some(verb) => offered(verb, session),
        // Without the server's direction it may be a line of something else.
        None => session.server_heard.then_some(false),
    };
    settle_unknown(end.at, offers, word, out);
    if let Some(mut finding) = out.take(&UNKNOWN_VERB, end.at) {
        let count = out.times(&UNKNOWN_VERB).saturating_add(1);
        finding.message = format!("The client sent {count} unknown commands");
        finding.evidence.clear();
        finding.verb = None;
        out.fire(finding.with("count", Evidence::Number(count)));
    }
}

/// Whether the server had offered the verb: by a keyword of its name, or by an extension that brings it.
fn offered(verb: &str, session: &Session) -> Option<bool> {
    let bringing = EXTENSIONS.iter().filter(|extension| extension.verbs.contains(&verb));
    let mut keywords = bringing.map(|extension| extension.keyword).chain([verb]);
    let first = session.offered(keywords.next()?)?;
    Some(first || keywords.any(|keyword| session.offered(keyword) == Some(true)))
}

/// As much of a verb as a message shows.
pub(super) fn shown(verb: &str) -> &str {
    verb.get(..32).unwrap_or(verb)
}

/// What is wrong with a command: its name as evidence, and, behind the verb where there is one, for a person.
fn fault(command: &Command) -> Option<(&'static str, &'static str)> {
    let Some(verb) = &command.verb else {
        return (!command.argument().is_there()).then_some(("empty-line", "Empty command line"));
    };
    Some(match command.argument().fault(verb)? {
        ArgumentFault::Missing => ("no-argument", "needs an argument, but has none"),
        ArgumentFault::Surplus => ("argument", "takes no argument, but has one"),
        ArgumentFault::Path(PathFault::Missing) if *verb == Verb::Mail => ("no-path", "has no FROM:<address>"),
        ArgumentFault::Path(PathFault::Missing) => ("no-path", "has no TO:<address>"),
        ArgumentFault::Path(PathFault::BlankBeforeColon) => ("blank-before-colon", "has a space before the colon"),
        ArgumentFault::Path(PathFault::Brackets) => ("brackets", "has unbalanced angle brackets"),
        ArgumentFault::Path(PathFault::Parameter) => ("parameter", "has a parameter that is not KEYWORD[=VALUE]"),
        ArgumentFault::Chunk(ChunkFault::Size) => ("size", "has an invalid size"),
        ArgumentFault::Chunk(ChunkFault::Rest) => ("behind-size", "has something other than LAST after its size"),
    })
}

/// What of a path is tolerated though it is not as RFC 5321 has it. Where the colon is not in its place that is said.
fn lax(command: &Command) -> Option<(&'static str, &'static str)> {
    let theirs = matches!(command.verb, Some(Verb::Mail | Verb::Rcpt));
    let path = command.argument().path().filter(|path| theirs && path.has_its_keyword())?;
    match (path.blanks, path.bare) {
        (true, true) => Some(("blanks-and-bare-path", "spaces before its address, which has no angle brackets")),
        (true, false) => Some(("blanks", "spaces before its address")),
        (false, true) => Some(("bare-path", "an address without angle brackets")),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::Evidence;
    use crate::rules::dialogue::{Dialogue, judged};

    const NOTHING: [String; 0] = [];

    fn of(line: &str) -> Vec<String> {
        let found = judged(&format!("S: 220 mx\nC: {line}\nS: 250 ok"));
        found.into_iter().filter(|found| found.starts_with("non-compliant/")).collect()
    }

    #[test]
    fn an_unknown_verb_fires_unless_it_is_private_or_offered() {
        assert_eq!(of("FOO bar"), ["non-compliant/unknown-verb low 90"]);
        assert_eq!(of("XFOO bar"), NOTHING);
        assert_eq!(of("X-LINK2STATE"), NOTHING);
        let mut offered = Dialogue::read("S: 220 mx\nC: VERB\nS: 250 ok");
        offered.session.capabilities = vec![b"VERB".to_vec()];
        offered.session.capabilities_known = true;
        assert_eq!(offered.judged(), NOTHING);
        let mut unheard = Dialogue::read("S: 220 mx\nC: VERB\nS: 250 ok");
        unheard.session.missing_server = 7;
        assert_eq!(unheard.judged(), NOTHING, "the EHLO reply may lie in the gap");
    }

    #[test]
    fn a_line_without_a_verb_is_an_unknown_one_and_an_empty_one_is_malformed() {
        let without_verb = |line: &str| {
            let mut dialogue = Dialogue::read(&format!("S: 220 mx\nC: {line}\nS: 500 what"));
            (dialogue.command(0).verb, dialogue.command(0).argument_at) = (None, 0);
            dialogue
        };
        assert_eq!(without_verb("1 2 3").judged(), ["non-compliant/unknown-verb low 90"]);
        assert_eq!(
            without_verb("1 2 3").findings()[0].message,
            "The client sent a line that does not begin with a command"
        );
        assert_eq!(without_verb("  ").judged(), ["non-compliant/malformed-command low 85"]);
        let mut secret = without_verb("<redacted>");
        secret.command(0).secret = true;
        assert_eq!(secret.judged(), NOTHING, "a client that did not listen when its AUTH was refused");
        let mut named = without_verb("1 2 3");
        named.session.protocol = Some("SSH");
        assert_eq!(named.judged(), NOTHING, "that is not-smtp's alone");
    }

    #[test]
    fn a_verb_from_before_the_greeting_waits_for_the_offer() {
        let early = |text: &str| {
            let mut dialogue = Dialogue::read(text).only("non-compliant/unknown-verb");
            dialogue.session.server_heard = false;
            dialogue
        };
        assert_eq!(early("C: FOO\nC: FOO\nS: 220 mx\nS: 500 what").counts(), [("non-compliant", "unknown-verb", 2)]);
        let mut offered = early("C: VERB\nS: 220 mx\nS: 250 ok\nC: EHLO a\nS: 250 mx");
        offered.session.capabilities = vec![b"VERB".to_vec()];
        offered.session.capabilities_known = true;
        assert_eq!(offered.judged(), NOTHING);
        let mut lost = early("C: VERB\nS: 220 mx\nS: 250 ok");
        lost.session.missing_server = 1;
        assert_eq!(lost.judged(), NOTHING, "it may have been offered in what is missing");
    }

    #[test]
    fn evidence_is_what_stood_on_the_wire() {
        let dialogue = Dialogue::read("S: 220 mx\nC: mail-from:<x>\nS: 500 what");
        let finding = dialogue.findings().remove(0);
        assert_eq!(finding.message, "MAIL-FROM is not an SMTP command, and the server did not offer it");
        let bytes = |text: &[u8]| Evidence::Bytes(text.to_vec());
        let told = [("verb", bytes(b"mail-from")), ("argument", bytes(b"<x>")), ("command", bytes(b"mail-from:<x>"))];
        assert_eq!(finding.evidence, told);
        assert_eq!(finding.verb.as_deref(), Some("MAIL-FROM"), "the fingerprint knows no case");
    }

    #[test]
    fn after_twenty_unknown_verbs_one_finding_counts_the_rest() {
        let verbs: Vec<_> = (0..23).map(|n| format!("C: FOO{n}\nS: 500 no\nC: FOO0\nS: 500 no\n")).collect();
        let verbs = verbs.concat();
        let dialogue = Dialogue::read(&format!("S: 220 mx\n{verbs}"));
        let findings = dialogue.findings();
        assert_eq!(findings.len(), 21);
        let last = findings.last().unwrap();
        assert_eq!(last.message, "The client sent 46 unknown commands");
        assert_eq!(dialogue.counts(), [("non-compliant", "unknown-verb", 46)]);
    }

    #[test]
    fn arguments_are_there_where_they_must_be_and_only_there() {
        for verb in ["HELO", "EHLO", "LHLO", "VRFY", "EXPN", "ETRN", "AUTH"] {
            assert_eq!(of(verb), ["non-compliant/malformed-command low 85"], "{verb}");
            assert_eq!(of(&format!("{verb} ")).len(), 1, "{verb}: trailing blanks are no argument");
            assert_eq!(of(&format!("{verb} x")), NOTHING, "{verb}");
        }
        for verb in ["DATA", "RSET", "QUIT", "TURN", "STARTTLS"] {
            assert_eq!(of(&format!("{verb} x")), ["non-compliant/malformed-command low 85"], "{verb}");
            assert_eq!(of(&format!("{verb}  ")), NOTHING, "{verb}");
        }
        assert_eq!(of("NOOP x"), NOTHING);
        assert_eq!(of("HELP x"), NOTHING);
    }

    #[test]
    fn chunk_sizes_are_digits_that_fit_63_bits_and_last_alone_follows() {
        for lawful in ["86 LAST", "86\tlast ", "9223372036854775807"] {
            assert_eq!(of(&format!("BDAT {lawful}")), NOTHING, "{lawful}");
        }
        for wrong in ["", "x", "-1", "+1", "1x", "9223372036854775808", "86 FIRST", "86 LAST x"] {
            assert_eq!(of(&format!("BDAT {wrong}")), ["non-compliant/malformed-command low 85"], "{wrong}");
        }
    }

    #[test]
    fn a_path_may_be_malformed_and_lax() {
        for (argument, expected) in [
            ("FROM:<a@b> SIZE=1", &[][..]),
            ("FROM :a@b", &["malformed-command low 85"]),
            ("FROM: ", &["malformed-command low 85"]),
            ("<a@b>", &["malformed-command low 85"]),
            ("FROM:<a@b", &["malformed-command low 85"]),
            ("FROM: <a@b>", &["lax-path info 95"]),
            ("FROM: a@b", &["lax-path info 95"]),
            ("FROM:a@b>", &["malformed-command low 85", "lax-path info 95"]),
            ("FROM: Ann <a@b>", &["malformed-command low 85", "lax-path info 95"]),
        ] {
            let expected: Vec<_> = expected.iter().map(|found| format!("non-compliant/{found}")).collect();
            assert_eq!(of(&format!("MAIL {argument}")), expected, "{argument}");
        }
    }

    #[test]
    fn both_faults_of_a_lax_path_are_named() {
        for (argument, lax) in [
            ("FROM: a@b", "MAIL has spaces before its address, which has no angle brackets"),
            ("FROM: <a@b>", "MAIL has spaces before its address"),
            ("FROM:a@b", "MAIL has an address without angle brackets"),
        ] {
            let dialogue = Dialogue::read(&format!("S: 220 mx\nC: MAIL {argument}\nS: 250 ok"));
            assert_eq!(dialogue.only("non-compliant/lax-path").findings()[0].message, lax, "{argument}");
        }
    }

    #[test]
    fn an_empty_recipient_is_never_malformed() {
        assert_eq!(of("RCPT TO:<>"), NOTHING);
        assert_eq!(of("RCPT TO:"), ["non-compliant/malformed-command low 85"]);
        assert_eq!(of("RCPT TO:a@b"), ["non-compliant/lax-path info 95"]);
    }
}
