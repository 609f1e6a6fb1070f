//! The order of commands (RFC 5321 sections 4.1.4 and 3.3): judged by what the client could know, so a lawful
//! pipelined group never fires.

use super::{About, Check, Evidence, Finding, Findings, RULE, Scope, Severity, judge_knowledge};
use crate::smtp::{Command, Stage, Verb};

pub(super) static OUT_OF_SEQUENCE: Check = Check {
    id: "out-of-sequence",
    title: "Command out of sequence",
    about: About::Client,
    otherwise: &[],
    discriminator: &["verb", "fault"],
    severity: Severity::Low,
    confidence: 85,
    scope: Scope::Session,
    fires: "MAIL before HELO or EHLO was accepted, or inside a transaction; RCPT, DATA or BDAT without an accepted \
            MAIL; DATA or BDAT without an accepted RCPT; RCPT or DATA after BDAT; DATA after BODY=BINARYMIME; AUTH \
            inside a transaction, after a successful AUTH, or before EHLO; any command after QUIT",
    why: None,
};

pub(super) fn judge(command: &Command, out: &mut Findings<'_>) {
    let test = |stage: &Stage| {
        let (fault, says) = fault(command, stage)?;
        let name = command.verb.as_ref().map_or("A line", Verb::name);
        let message = format!("{} {says}", super::syntax::shown(name));
        let finding = Finding::new(&RULE, &OUT_OF_SEQUENCE, &command.at, message).command(command);
        Some((finding.with("fault", Evidence::Word(fault)), 0))
    };
    judge_knowledge(&command.knew, |knew| test(&knew.stage), out);
}

/// What is wrong with the command at this stage: its name as evidence, and for a person.
pub(super) fn fault(command: &Command, stage: &Stage) -> Option<(&'static str, &'static str)> {
    if stage.quit {
        return Some(("after-quit", "after QUIT"));
    }
    let no_transaction = (!stage.mail).then_some(("no-mail", "without an accepted MAIL"));
    let no_recipient = no_transaction.or((!stage.rcpt).then_some(("no-rcpt", "without an accepted RCPT")));
    match command.verb.as_ref()? {
        Verb::Mail if !stage.hello => Some(("no-hello", "before HELO or EHLO was accepted")),
        Verb::Mail | Verb::Auth if stage.mail => Some(("in-transaction", "inside a transaction")),
        Verb::Rcpt => no_transaction.or(stage.chunk.then_some(("after-bdat", "after BDAT in the same transaction"))),
        Verb::Data => no_recipient
            .or(stage.chunk.then_some(("after-bdat", "after BDAT in the same transaction")))
            .or(stage.binary.then_some(("after-binarymime", "after BODY=BINARYMIME"))),
        Verb::Bdat => no_recipient,
        Verb::Auth if stage.authenticated => Some(("authenticated", "after a successful AUTH")),
        Verb::Auth if !stage.extended => Some(("no-ehlo", "before EHLO was accepted")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::{Knew, Knowledge};

    use crate::rules::dialogue::Dialogue;

    const READY: Stage = Stage {
        hello: true,
        extended: true,
        mail: false,
        rcpt: false,
        chunk: false,
        binary: false,
        authenticated: false,
        quit: false,
        pipelining: None,
    };

    /// The findings for a command at that stage.
    fn at(stage: Stage, command: &str) -> Vec<String> {
        let mut dialogue = Dialogue::read(&format!("S: 220 mx\nC: {command}"));
        dialogue.command(0).knew = Knowledge::Sure(Knew { stage, ..Knew::default() });
        dialogue.judged().into_iter().filter(|found| found.contains("out-of-sequence")).collect()
    }

    const FOUND: [&str; 1] = ["non-compliant/out-of-sequence low 85"];
    const NOTHING: [&str; 0] = [];

    #[test]
    fn mail_wants_a_hello_and_no_transaction() {
        assert_eq!(at(Stage::default(), "MAIL FROM:<a@b>"), FOUND);
        assert_eq!(at(READY, "MAIL FROM:<a@b>"), NOTHING);
        assert_eq!(at(Stage { mail: true, ..READY }, "MAIL FROM:<a@b>"), FOUND);
    }

    #[test]
    fn recipients_and_messages_want_what_stands_before_them() {
        let (mail, rcpt) = (Stage { mail: true, ..READY }, Stage { mail: true, rcpt: true, ..READY });
        for (command, sooner, later) in [("RCPT TO:<a@b>", READY, mail), ("DATA", mail, rcpt), ("BDAT 1", mail, rcpt)] {
            assert_eq!(at(sooner, command), FOUND, "{command}");
            assert_eq!(at(later, command), NOTHING, "{command}");
        }
        let chunk = Stage { chunk: true, ..rcpt };
        assert_eq!((at(chunk, "DATA").len(), at(chunk, "RCPT TO:<a@b>").len(), at(chunk, "BDAT 1").len()), (1, 1, 0));
        assert_eq!(at(Stage { binary: true, ..rcpt }, "DATA"), FOUND);
    }

    #[test]
    fn auth_wants_ehlo_and_comes_once_and_outside_a_transaction() {
        assert_eq!(at(READY, "AUTH PLAIN"), NOTHING);
        let stages = [Stage { extended: false, ..READY }, Stage { mail: true, ..READY }];
        for stage in stages.into_iter().chain([Stage { authenticated: true, ..READY }]) {
            assert_eq!(at(stage, "AUTH PLAIN"), FOUND, "{stage:?}");
        }
    }

    #[test]
    fn nothing_comes_after_quit_and_all_else_comes_anywhere() {
        assert_eq!(at(Stage { quit: true, ..READY }, "NOOP"), FOUND);
        for command in ["EHLO a", "HELO a", "RSET", "NOOP", "VRFY a", "EXPN a", "HELP", "QUIT", "STARTTLS"] {
            assert_eq!(
                at(Stage { mail: true, rcpt: true, authenticated: true, ..READY }, command),
                NOTHING,
                "{command}"
            );
        }
    }

    #[test]
    fn a_client_that_acknowledged_nothing_is_judged_by_order_at_the_end() {
        let knew = |stage| Knew { stage, ..Knew::default() };
        let doubtful = |by_seen, by_order| Knowledge::Doubtful { by_seen: knew(by_seen), by_order: knew(by_order) };
        let judged = |knowledge, acknowledged: bool| {
            let mut dialogue = Dialogue::read("S: 220 mx\nC: RCPT TO:<a@b>");
            if !acknowledged {
                dialogue = dialogue.unacknowledged();
            }
            dialogue.command(0).knew = knowledge;
            dialogue.judged()
        };
        let mail = Stage { mail: true, ..READY };
        assert_eq!(judged(doubtful(mail, READY), false), FOUND);
        assert_eq!(judged(doubtful(mail, READY), true), NOTHING);
        assert_eq!(judged(doubtful(READY, mail), true), FOUND);
    }
}
