//! What an event is at one glance, so that a rule is called only for what can concern it.
//!
//! Nearly every command and reply is as it usually is: a whole line of printable ASCII of usual length, a known verb
//! with the argument that it takes, sent when its turn had come; a reply of one code to a known command. This is told
//! here once for all rules, in few instructions. What is not so is [`Hears::ODD`], which decides nothing: the rules
//! then look for themselves. A command that some rule would fault for its line must never pass for a usual one.

use super::Hears;
use super::non_compliant;
use crate::smtp::wire::argument::Argument;
use crate::smtp::wire::path::{Path, Shape};
use crate::smtp::{Answers, Command, Ending, Event, Reply, Verb};

/// The longest line that needs no extension, CRLF counted (RFC 5321 sections 4.5.3.1.4 and 4.5.3.1.5).
pub(super) const LINE: u64 = 512;

/// The kinds that an event is of, by itself.
pub(super) fn kinds(event: &Event<'_>) -> Hears {
    match event {
        Event::Greeting(_) => Hears::GREETING,
        Event::Command(command) => of_command(command),
        Event::Reply(reply, answers) => of_reply(reply, answers),
        Event::Data(_) => Hears::DATA,
        Event::Tls(..) => Hears::TLS,
        Event::Gap(_) => Hears::NOTHING,
        Event::Fault(_) => Hears::FAULT,
        Event::End(_) => Hears::END,
    }
}

fn of_command(command: &Command) -> Hears {
    let kinds = Hears::COMMAND.and(command.verb.as_ref().map_or(Hears::NOTHING, of_verb));
    match &command.verb {
        _ if is_usual(command) => kinds,
        Some(Verb::Rcpt) => kinds.and(Hears::ODD).and(Hears::ODD_RECIPIENT),
        _ => kinds.and(Hears::ODD),
    }
}

fn of_reply(reply: &Reply, answers: &Answers<'_>) -> Hears {
    let odd = reply.codes_differ || reply.bare_lf || reply.bare_cr || reply.longest > LINE;
    let kinds = if odd { Hears::REPLY.and(Hears::ODD) } else { Hears::REPLY };
    match answers {
        Answers::Command(command) | Answers::Message(command) => {
            kinds.and(command.verb.as_ref().map_or(Hears::NOTHING, of_answer))
        }
        Answers::Nothing => kinds,
        Answers::Unsolicited | Answers::Unknown => kinds.and(Hears::ODD),
    }
}

/// A command of this verb, or a reply to one.
fn of_verb(verb: &Verb) -> Hears {
    match verb {
        Verb::Mail => Hears::MAIL,
        Verb::Help => Hears::HELP,
        Verb::XExch50
        | Verb::XLink2State
        | Verb::XExps
        | Verb::XAnonymousTls
        | Verb::XClient
        | Verb::XForward
        | Verb::XAuth => Hears::PRIVATE,
        Verb::Other(name) if name.starts_with('X') => Hears::PRIVATE,
        _ => Hears::NOTHING,
    }
}

/// A reply to a command of this verb.
fn of_answer(verb: &Verb) -> Hears {
    match verb {
        Verb::Ehlo | Verb::Helo | Verb::Lhlo => Hears::HELLO,
        Verb::StartTls => Hears::STARTS_TLS,
        Verb::XAnonymousTls => Hears::STARTS_TLS.and(Hears::PRIVATE),
        _ => of_verb(verb),
    }
}

fn is_usual(command: &Command) -> bool {
    let sure = !(command.uncertain || command.in_doubt || command.exchange || command.secret);
    let whole = command.ending == Ending::CrLf && !command.bare_cr && command.octets <= LINE;
    sure && whole && has_its_argument(command) && command.is_printable() && non_compliant::is_in_time(command)
}

/// Whether the verb is known and has the argument that it takes.
fn has_its_argument(command: &Command) -> bool {
    match (&command.verb, command.argument()) {
        // A bounce comes from nobody.
        (Some(Verb::Mail), Argument::Mail(path)) => is_usual_path(path) || path.shape == Shape::Null && is_lawful(path),
        (Some(Verb::Rcpt), Argument::Rcpt(path)) => is_usual_path(path),
        // Of these there are few: the rule itself looks.
        (None | Some(Verb::Other(_) | Verb::Bdat), _) => false,
        (Some(verb), argument) => argument.fault(verb).is_none(),
    }
}

/// `<local@domain>` without a source route, in which nothing is quoted, and lawful parameters.
fn is_usual_path(path: &Path) -> bool {
    path.shape == Shape::Plain && is_lawful(path)
}

fn is_lawful(path: &Path) -> bool {
    path.fault.is_none() && path.is_strict()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rules::Selection;
    use crate::rules::dialogue::Dialogue;

    #[test]
    fn usual_lines_are_usual() {
        let usual = |line: &str| {
            let mut dialogue = Dialogue::read(&format!("C: {line}"));
            is_usual(dialogue.command(0))
        };
        for line in [
            "EHLO mx.example.org",
            "MAIL FROM:<a.b+c=d@example.org>",
            "mail from:<a@example.org> SIZE=1000 BODY=8BITMIME",
            "MAIL FROM:<>",
            "RCPT TO:<user1@example.org>",
            "RCPT TO:<user@[192.0.2.1]> NOTIFY=NEVER",
            "DATA",
            "RSET",
            "NOOP",
            "QUIT",
        ] {
            assert!(usual(line), "{line}");
        }
        for line in [
            "EHLO ",
            "DATA x",
            "TURN x",
            "MAIL FROM: <a@b>",
            "MAIL FROM:<a@b> =",
            "RCPT TO:<>",
            "RCPT TO:<@a,@b:c@d>",
            "RCPT TO:<\"a b\"@c>",
            "RCPT TO:<a@>",
            "RCPT TO:<a>",
            "NOOP \t",
            "NOOP \u{e9}",
            "X",
        ] {
            assert!(!usual(line), "{line}");
        }
    }

    /// Lines near to usual ones: pieces of commands, most of them as they should be.
    fn line() -> impl Strategy<Value = String> {
        const VERBS: &[&str] =
            &["MAIL FROM:<", "RCPT TO:<", "rcpt to:<", "RCPT TO: <", "RCPT TO:", "MAIL ", "DATA", "EHLO ", "VRFY "];
        const WORDS: &[&str] =
            &["a", "user", "example.org", "1", "%", "!", "[::1]", ":", ",", "x y", "é", "\t", "\\", "\"", "postmaster"];
        const ENDS: &[&str] =
            &[">", "", ">>", "> SIZE=1", "> SIZE", "> =1", ">SIZE=1", "> SMTPUTF8", " >", "> A=B=C", ">  ", "> -"];
        let word = prop_oneof![3 => Just("@"), 5 => proptest::sample::select(WORDS)];
        let mailbox = proptest::collection::vec(word, 0..5);
        (proptest::sample::select(VERBS), mailbox, proptest::sample::select(ENDS))
            .prop_map(|(verb, mailbox, end)| format!("{verb}{}{end}", mailbox.concat()))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn no_rule_finds_more_when_it_sees_all(lines in proptest::collection::vec((line(), "[2-5][0-9][0-9]"), 1..5)) {
            let said = lines.iter().map(|(line, code)| format!("\nC: {line}\nS: {code} said"));
            let text = format!("S: 220 mx{}", said.collect::<String>());
            let usual = Dialogue::read(&text);
            let all = Dialogue::read(&text).selection(Selection::default().hearing_all());
            prop_assert_eq!((usual.judged(), usual.counts()), (all.judged(), all.counts()), "{}", text);
        }
    }
}
