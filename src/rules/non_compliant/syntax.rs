//! The syntax of commands: their verbs, their arguments, the paths of MAIL and RCPT (RFC 5321 sections 4.1.1 and 4.1.2).

use super::{Check, Evidence, Finding, Findings, MANY_UNKNOWN, RULE, Scope, Severity, lines};
use crate::smtp::event::End;
use crate::smtp::wire::extension::EXTENSIONS;
use crate::smtp::wire::path;
use crate::smtp::wire::verb::is_blank;
use crate::smtp::{Command, Session, Verb};

pub(super) static UNKNOWN_VERB: Check = Check {
    id: "unknown-verb",
    severity: Severity::Low,
    confidence: 90,
    scope: Scope::Session,
    fires: "the verb is not known, does not begin with X, and the server had not advertised it; after 20 in a session one \
            finding with the count",
};

pub(super) static MALFORMED_COMMAND: Check = Check {
    id: "malformed-command",
    severity: Severity::Low,
    confidence: 85,
    scope: Scope::Session,
    fires: "an empty line; HELO, EHLO, LHLO, VRFY, EXPN, ETRN or AUTH without an argument; DATA, RSET, QUIT or STARTTLS with \
            one; MAIL without `FROM:` or RCPT without `TO:` and a path, a blank before the colon, unbalanced brackets, a \
            parameter that is not keyword[=value]; BDAT without a size of 63 bits, or with more than LAST behind it",
};

pub(super) static LAX_PATH: Check = Check {
    id: "lax-path",
    severity: Severity::Info,
    confidence: 95,
    scope: Scope::Session,
    fires: "blanks after `FROM:` or `TO:`, or a path without angle brackets",
};

/// So many unknown verbs of a session are told one by one.
const MOST_VERBS: usize = 20;

/// Judges a whole line that is no line of an AUTH exchange.
pub(super) fn judge(command: &Command, session: &Session, word: &mut u32, out: &mut Findings<'_>) {
    // An HTTP request that SMTP is hidden in is told as such.
    let http = session.protocol == Some("HTTP");
    if !http {
        judge_verb(command, session, word, out);
    }
    if command.secret && command.verb.is_none() || lines::exceeded(command, session).is_some() {
        return;
    }
    let path = path_of(command);
    if let Some(fault) = fault(command, path.as_ref()).filter(|_| !http) {
        let message = match &command.verb {
            Some(verb) => format!("{} is malformed: {fault}", verb.name()),
            None => format!("a command line is malformed: {fault}"),
        };
        let finding = Finding::new(&RULE, &MALFORMED_COMMAND, &command.at, message).command(command);
        out.fire(finding.with("fault", Evidence::Word(fault)));
    }
    if let Some((path, verb)) = path.zip(command.verb.as_ref())
        && let Some(lax) = path.lax
    {
        let message = format!("{} has {lax}", verb.name());
        let finding = Finding::new(&RULE, &LAX_PATH, &command.at, message).command(command);
        out.fire(finding.with("fault", Evidence::Word(lax)));
    }
}

fn judge_verb(command: &Command, session: &Session, word: &mut u32, out: &mut Findings<'_>) {
    let Some(Verb::Other(name)) = &command.verb else { return };
    if name.starts_with('X') || offered(name, session) != Some(false) {
        return;
    }
    let message = format!("the client sent {}, which is no command of SMTP and was not offered", shown(name));
    let finding = Finding::new(&RULE, &UNKNOWN_VERB, &command.at, message).command(command);
    if out.reported(&UNKNOWN_VERB) < MOST_VERBS || out.repeats(&finding) {
        out.fire(finding);
    } else if *word & MANY_UNKNOWN == 0 {
        *word |= MANY_UNKNOWN;
        out.defer(Finding::new(&RULE, &UNKNOWN_VERB, &command.at, ""));
    } else {
        out.count(&finding);
    }
}

/// What was more than is told one by one.
pub(super) fn judge_end(end: &End, out: &mut Findings<'_>) {
    if let Some(mut finding) = out.take(&UNKNOWN_VERB, end.at) {
        let count = out.times(&RULE, &UNKNOWN_VERB).saturating_add(1);
        finding.message = format!("the client sent {count} commands that SMTP does not have");
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

/// What is wrong with a command.
fn fault(command: &Command, path: Option<&Path>) -> Option<&'static str> {
    let argument = command.argument().trim_ascii();
    let Some(verb) = &command.verb else {
        return command.line.trim_ascii().is_empty().then_some("the line is empty");
    };
    match verb {
        Verb::Helo | Verb::Ehlo | Verb::Lhlo | Verb::Vrfy | Verb::Expn | Verb::Etrn | Verb::Auth => {
            argument.is_empty().then_some("it has no argument")
        }
        Verb::Data | Verb::Rset | Verb::Quit | Verb::StartTls => (!argument.is_empty()).then_some("it has an argument"),
        Verb::Mail | Verb::Rcpt => path.and_then(|path| path.fault),
        Verb::Bdat => chunk_fault(argument),
        _ => None,
    }
}

fn chunk_fault(argument: &[u8]) -> Option<&'static str> {
    let mut words = argument.split(|&byte| is_blank(byte)).filter(|word| !word.is_empty());
    let size = words.next().and_then(|word| std::str::from_utf8(word).ok());
    let fits = |size: &str| size.bytes().all(|byte| byte.is_ascii_digit()) && size.parse::<i64>().is_ok();
    let last = words.next().is_none_or(|word| word.eq_ignore_ascii_case(b"LAST"));
    if !size.is_some_and(fits) {
        Some("its size is not digits that fit 63 bits")
    } else if !last || words.next().is_some() {
        Some("something else than LAST stands behind its size")
    } else {
        None
    }
}

/// What MAIL and RCPT say of a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Path {
    fault: Option<&'static str>,
    lax: Option<&'static str>,
}

impl Path {
    fn faulty(fault: &'static str) -> Path {
        Path { fault: Some(fault), lax: None }
    }
}

fn path_of(command: &Command) -> Option<Path> {
    let argument = command.argument();
    match &command.verb {
        Some(Verb::Mail) => Some(read_path(argument, b"FROM", "it has no FROM: and path")),
        Some(Verb::Rcpt) => {
            let mut path = read_path(argument, b"TO", "it has no TO: and path");
            // That is recipient-without-domain's.
            if path::address(argument, b"TO:").is_empty() && argument.contains(&b'<') {
                path.fault = None;
            }
            Some(path)
        }
        _ => None,
    }
}

/// Reads `FROM:<path> parameters`. What stands inside the brackets is not judged.
fn read_path(argument: &[u8], keyword: &[u8], missing: &'static str) -> Path {
    let rest = match argument.split_at_checked(keyword.len()) {
        Some((head, rest)) if head.eq_ignore_ascii_case(keyword) => rest,
        _ => return Path::faulty(missing),
    };
    let behind_blanks = skip_blanks(rest);
    let Some(behind_colon) = behind_blanks.strip_prefix(b":") else { return Path::faulty(missing) };
    if behind_blanks.len() < rest.len() {
        return Path::faulty("a blank stands before its colon");
    }
    let path = skip_blanks(behind_colon).trim_ascii_end();
    if path.is_empty() {
        return Path::faulty(missing);
    }
    let bracketed = path.strip_prefix(b"<");
    let lax = match bracketed {
        _ if skip_blanks(behind_colon).len() < behind_colon.len() => Some("blanks before its path"),
        None => Some("a path without angle brackets"),
        Some(_) => None,
    };
    let parameters = if let Some(inner) = bracketed {
        path::closing_bracket(inner).and_then(|at| inner.get(at.saturating_add(1)..))
    } else {
        let (word, rest) = path.split_at_checked(end_of_word(path)).unwrap_or((path, &[]));
        (!word.iter().any(|byte| matches!(byte, b'<' | b'>'))).then_some(rest)
    };
    let fault = match parameters {
        None | Some([b'>', ..]) => Some("its brackets are not balanced"),
        Some(parameters) => (!are_parameters(parameters)).then_some("a parameter is not keyword[=value]"),
    };
    Path { fault, lax }
}

/// Whether what stands behind a path is blanks and parameters.
pub(in crate::rules) fn are_parameters(text: &[u8]) -> bool {
    let separate = text.first().is_none_or(|&byte| is_blank(byte));
    separate && text.split(|&byte| is_blank(byte)).filter(|word| !word.is_empty()).all(is_parameter)
}

/// `esmtp-param` of RFC 5321 section 4.1.2; values may be UTF-8 by RFC 6531 section 3.3.
fn is_parameter(word: &[u8]) -> bool {
    let mut parts = word.splitn(2, |&byte| byte == b'=');
    let keyword = parts.next().unwrap_or_default();
    let named = keyword.first().is_some_and(u8::is_ascii_alphanumeric)
        && keyword.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    let lawful =
        |value: &[u8]| !value.is_empty() && value.iter().all(|&byte| byte > b' ' && byte != b'=' && byte != 0x7f);
    named && parts.next().is_none_or(lawful)
}

/// Where the first word ends; blanks inside a quoted string do not end it.
fn end_of_word(text: &[u8]) -> usize {
    let mut quoted = false;
    let end = text.iter().position(|&byte| {
        quoted ^= byte == b'"';
        is_blank(byte) && !quoted
    });
    end.unwrap_or(text.len())
}

fn skip_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|&&byte| is_blank(byte)).count();
    text.get(blanks..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
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
    fn after_twenty_unknown_verbs_one_finding_counts_the_rest() {
        let verbs: Vec<_> = (0..23).map(|n| format!("C: FOO{n}\nS: 500 no\nC: FOO0\nS: 500 no\n")).collect();
        let verbs = verbs.concat();
        let dialogue = Dialogue::read(&format!("S: 220 mx\n{verbs}"));
        let findings = dialogue.findings();
        assert_eq!(findings.len(), 21);
        let last = findings.last().unwrap();
        assert_eq!(last.message, "the client sent 46 commands that SMTP does not have");
        assert_eq!(dialogue.counts(), [("non-compliant", "unknown-verb", 46)]);
    }

    #[test]
    fn arguments_are_there_where_they_must_be_and_only_there() {
        for verb in ["HELO", "EHLO", "LHLO", "VRFY", "EXPN", "ETRN", "AUTH"] {
            assert_eq!(of(verb), ["non-compliant/malformed-command low 85"], "{verb}");
            assert_eq!(of(&format!("{verb} ")).len(), 1, "{verb}: trailing blanks are no argument");
            assert_eq!(of(&format!("{verb} x")), NOTHING, "{verb}");
        }
        for verb in ["DATA", "RSET", "QUIT", "STARTTLS"] {
            assert_eq!(of(&format!("{verb} x")), ["non-compliant/malformed-command low 85"], "{verb}");
            assert_eq!(of(&format!("{verb}  ")), NOTHING, "{verb}");
        }
        assert_eq!(of("NOOP x"), NOTHING);
        assert_eq!(of("HELP x"), NOTHING);
    }

    #[test]
    fn chunk_sizes_are_digits_that_fit_63_bits_and_last_alone_follows() {
        assert_eq!(chunk_fault(b"86 LAST"), None);
        assert_eq!(chunk_fault(b"9223372036854775807"), None);
        for wrong in ["", "x", "-1", "+1", "1x", "9223372036854775808", "86 FIRST", "86 LAST x"] {
            assert!(chunk_fault(wrong.as_bytes()).is_some(), "{wrong}");
        }
    }

    #[test]
    fn paths_are_read_around_their_brackets() {
        let mail = |argument: &str| {
            let Path { fault, lax } = read_path(argument.as_bytes(), b"FROM", "missing");
            (fault.is_some(), lax.is_some())
        };
        for lawful in [
            "FROM:<>",
            "from:<a@b>  ",
            "FROM:<a@b> SIZE=1 BODY=8BITMIME",
            "FROM:<\"a>b c\"@d> X-Y=z",
            "FROM:<a b",
            "FROM:<a@b> AUTH=<> RET=HDRS",
            "FROM:<not a path> SMTPUTF8",
        ] {
            assert_eq!(mail(lawful), (lawful == "FROM:<a b", false), "{lawful}");
        }
        for malformed in [
            "",
            "FROM",
            "FROM:",
            "FROM:  ",
            "TO:<a@b>",
            "<a@b>",
            "FROM :<a@b>",
            "FROM:<a@b",
            "FROM:<a@b>>",
            "FROM:<a@b>SIZE=1",
            "FROM:<a@b> =1",
            "FROM:<a@b> SIZE=",
            "FROM:<a@b> A=B=C",
            "FROM:<a@b> A_B",
        ] {
            assert_eq!(mail(malformed), (true, false), "{malformed}");
        }
        for lax in ["FROM: <a@b>", "FROM:a@b", "FROM: a@b SIZE=1", "FROM:\"a b\"@c", "FROM:postmaster"] {
            assert_eq!(mail(lax), (false, true), "{lax}");
        }
        for both in ["FROM:a@b>", "FROM: Ann <a@b>", "FROM:a@b <x>"] {
            assert_eq!(mail(both), (true, true), "{both}");
        }
    }

    #[test]
    fn an_empty_recipient_is_never_malformed() {
        assert_eq!(of("RCPT TO:<>"), NOTHING);
        assert_eq!(of("RCPT TO:"), ["non-compliant/malformed-command low 85"]);
        assert_eq!(of("RCPT TO:a@b"), ["non-compliant/lax-path info 95"]);
    }
}
