//! What several rules read of commands and replies alike.

use super::{Check, Finding, Findings};
use crate::smtp::wire::extension;
use crate::smtp::{Answers, Command, End, Ending, Event, Reply, Session, Verb};

/// The argument of a command without the blanks around it, secrets redacted: for evidence, and to tell what a reply
/// only repeats of it.
pub(super) fn argument(command: &Command) -> &[u8] {
    command.shown().trim_ascii()
}

/// The code of a reply line, where it has one (RFC 5321 section 4.2).
pub(super) fn code(line: &[u8]) -> Option<u16> {
    crate::smtp::wire::reply::code(line).0
}

/// The keywords of an EHLO reply as they came, without their parameters; its first line is the server's name.
pub(super) fn keywords(reply: &Reply) -> impl Iterator<Item = &[u8]> {
    reply.texts().skip(1).map(|text| extension::keyword(text.trim_ascii())).filter(|keyword| !keyword.is_empty())
}

/// Those of its keywords that begin with this letter, in either case.
pub(super) fn keywords_in(reply: &Reply, initial: u8) -> impl Iterator<Item = &[u8]> {
    let texts = reply.texts().skip(1).map(<[u8]>::trim_ascii);
    let mine = texts.filter(move |text| text.first().is_some_and(|first| first.eq_ignore_ascii_case(&initial)));
    mine.map(extension::keyword)
}

/// The command that a reply answers, where both are certain; lines of an AUTH exchange are none.
pub(super) fn answered<'e>(reply: &Reply, answers: &Answers<'e>) -> Option<(&'e Command, &'e Verb)> {
    match *answers {
        Answers::Command(command) if !reply.uncertain && !command.uncertain && !command.exchange => {
            command.verb.as_ref().map(|verb| (command, verb))
        }
        _ => None,
    }
}

/// Whether a reply to EHLO (or LHLO) accepted it: then it lists what the server can.
pub(super) fn lists_capabilities(verb: &Verb, reply: &Reply) -> bool {
    matches!(verb, Verb::Ehlo | Verb::Lhlo) && reply.accepts()
}

/// Judges every whole command together with its reply. `found` is asked when a command is heard, and what it finds
/// is kept; and again when the reply comes, which is evidence then. What got none is told at the session's end, as
/// `unanswered` has it.
pub(super) fn with_reply(
    event: &Event<'_>,
    checks: &[&'static Check],
    out: &mut Findings<'_>,
    found: impl Fn(&Command, &Verb, Option<&Reply>) -> Option<Finding>,
    unanswered: impl Fn(Finding) -> Finding,
) {
    match event {
        Event::Command(command) => {
            if let Some(verb) = whole(command)
                && let Some(finding) = found(command, verb, None)
            {
                out.defer(finding);
            }
        }
        Event::Reply(reply, answers) => {
            if let Some((command, verb)) = answered(reply, answers)
                && whole(command).is_some()
                && let Some(finding) = found(command, verb, Some(reply))
            {
                out.decide(finding.reply(reply));
            }
        }
        Event::End(end) => {
            for check in checks {
                while let Some(finding) = out.take(check, end.at) {
                    out.fire(unanswered(finding));
                }
            }
        }
        _ => {}
    }
}

/// The verb of a command that came whole and is certain, also that it is one.
pub(super) fn whole(command: &Command) -> Option<&Verb> {
    command.verb.as_ref().filter(|_| !command.uncertain && !command.in_doubt && command.ending != Ending::None)
}

/// Whether the server never said a word though nothing is missing: handshake and close were captured, so what the client
/// said was said before any greeting.
pub(super) fn kept_silent(session: &Session, end: &End) -> bool {
    !session.server_heard && session.is_whole() && end.complete
}

/// X's only, the last letter aside, as long as the shortest verb: `XXXX`, `XXXXXXXA`. So a middlebox masks what it
/// does not let pass.
pub(super) fn crossed_out(word: &[u8]) -> bool {
    word.split_last().is_some_and(|(last, rest)| {
        rest.len() >= 3 && last.is_ascii_alphabetic() && rest.iter().all(|byte| byte.eq_ignore_ascii_case(&b'X'))
    })
}
