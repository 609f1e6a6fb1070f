//! What several rules read of commands and replies alike.

use crate::smtp::extension;
use crate::smtp::{Answers, Command, Reply, Verb};

/// The argument of a command without the blanks around it, secrets redacted.
pub(super) fn argument(command: &Command) -> &[u8] {
    command.argument().trim_ascii()
}

/// The code of a reply line, where it has one (RFC 5321 section 4.2).
pub(super) fn code(line: &[u8]) -> Option<u16> {
    crate::smtp::reply::code(line).0
}

/// The keywords of an EHLO reply as they came, without their parameters; its first line is the server's name.
pub(super) fn keywords(reply: &Reply) -> impl Iterator<Item = &[u8]> {
    reply.texts().skip(1).map(|text| extension::keyword(text.trim_ascii())).filter(|keyword| !keyword.is_empty())
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
