//! Replies that are none, and replies to nothing (RFC 5321 section 4.2).

use super::{
    About, Check, Evidence, Finding, Findings, HEARD_ALL, NEVER_ACKNOWLEDGED, NOT_ITS_LAST, RULE, Scope, Severity,
};
use crate::smtp::event::{End, Fault, FaultKind};
use crate::smtp::{Answers, Reply, Session};

pub(super) static MALFORMED_REPLY: Check = Check {
    id: "malformed-reply",
    title: "Malformed reply",
    about: About::Server,
    otherwise: &[],
    discriminator: &["fault", "verb", "reply_code"],
    severity: Severity::Medium,
    confidence: 85,
    scope: Scope::Session,
    fires: "a server line without a code where a reply was due; different codes, or a tab after the code, in one \
            reply; a reply whose last line never came",
    why: None,
};

pub(super) static UNSOLICITED_REPLY: Check = Check {
    id: "unsolicited-reply",
    title: "Reply that answers no command",
    about: About::Server,
    otherwise: &[],
    discriminator: &["reply_code"],
    severity: Severity::Low,
    confidence: 80,
    scope: Scope::Session,
    fires: "a reply when there was no command to answer. Exceptions: 421, and a last 4yz before the server closes; \
            replies while acknowledged bytes of the client have no line end yet; replies after the client's FIN; the \
            first reply after a failed TLS handshake",
    why: None,
};

pub(super) fn judge(reply: &Reply, answers: &Answers<'_>, session: &Session, out: &mut Findings<'_>) {
    out.settle(NOT_ITS_LAST, true, reply.at.last());
    if reply.uncertain || session.doubt.rests() {
        return;
    }
    if reply.codes_differ {
        let finding = Finding::new(&RULE, &MALFORMED_REPLY, &reply.at, "The lines of one reply have different codes")
            .with("fault", Evidence::Word("codes-differ"));
        let finding = match answers {
            Answers::Command(command) | Answers::Message(command) => finding.command(command),
            _ => finding,
        };
        out.fire(finding.reply(reply));
    }
    // LMTP answers a message more than once: after loss it takes the LHLO or EHLO to know.
    let known = session.helo.is_some() || session.is_whole();
    if let (Answers::Unsolicited, Some(code), true) = (answers, reply.code, known) {
        let message = format!("The server sent {code}, but there was no command to answer");
        let finding = Finding::new(&RULE, &UNSOLICITED_REPLY, &reply.at, message).reply(reply);
        // Where it is the last one the server lost patience.
        let last = if (400..500).contains(&code) { NOT_ITS_LAST } else { 0 };
        let heard = match reply.seen {
            // What the server had heard of the client nobody knows.
            None => NEVER_ACKNOWLEDGED,
            // Nothing, unless it never acknowledges anything.
            Some(0) => HEARD_ALL,
            Some(_) => 0,
        };
        match last | heard {
            0 => out.fire(finding),
            open => out.wait(finding, open),
        }
    }
}

pub(super) fn judge_end(end: &End, session: &Session, out: &mut Findings<'_>) {
    out.settle(NOT_ITS_LAST, false, end.at);
    // One that acknowledges what was not captured tells that bytes are missing.
    let never = !end.server_acknowledges && !end.client_acknowledges && session.commands > 0;
    out.settle(NEVER_ACKNOWLEDGED, never && session.is_whole(), end.at);
    out.settle(HEARD_ALL, (end.server_acknowledges || never) && session.is_whole(), end.at);
}

pub(super) fn judge_fault(fault: &Fault, session: &Session, out: &mut Findings<'_>) {
    if session.doubt.rests() {
        return;
    }
    let malformed = |what: &'static str, message: &str| {
        Finding::new(&RULE, &MALFORMED_REPLY, &fault.at, message).with("fault", Evidence::Word(what))
    };
    match &fault.kind {
        FaultKind::NoCode { line, due: true } => {
            let message = "The server sent a line without a reply code";
            out.fire(malformed("no-code", message).bytes("line", line));
        }
        FaultKind::TabBehindCode => out.fire(malformed("tab", "A reply has a tab after its code")),
        FaultKind::ReplyUnfinished => {
            out.fire(malformed("unfinished", "The server left a reply without its last line and went on"));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::base::Side;
    use crate::rules::dialogue::{Dialogue, judged};
    use crate::smtp::event::FaultKind;

    const NOTHING: [String; 0] = [];

    #[test]
    fn a_line_without_a_code_fires_where_a_reply_is_due() {
        let with = |due| {
            let kind = FaultKind::NoCode { line: b"oops".to_vec(), due };
            Dialogue::read("S: 220 mx").fault(kind, Side::B).judged()
        };
        assert_eq!(with(true), ["non-compliant/malformed-reply medium 85"]);
        assert_eq!(with(false), NOTHING);
    }

    #[test]
    fn codes_that_differ_in_a_greeting_are_bad_greetings() {
        assert_eq!(judged("S: 220 mx\nC: NOOP\nS: 250-a\nS: 251 b"), ["non-compliant/malformed-reply medium 85"]);
        assert_eq!(judged("S: 220-mx\nS: 554 no"), ["bad-greeting/inconsistent medium 90"]);
    }

    #[test]
    fn a_reply_to_nothing_fires_unless_the_server_lost_patience() {
        let found = ["non-compliant/unsolicited-reply low 80"];
        assert_eq!(judged("S: 220 mx\nS: 250 ok"), found);
        assert_eq!(judged("S: 220 mx\nS: 451 timeout"), NOTHING);
        assert_eq!(judged("S: 220 mx\nS: 451 timeout\nC: NOOP\nS: 250 ok"), found);
    }

    #[test]
    fn silent_after_a_gap() {
        let mut lossy = Dialogue::read("S: 220 mx\nS: 250 ok\nC: NOOP\nS: 250-a\nS: 251 b");
        lossy.session.doubt = crate::smtp::Doubt::after_loss();
        assert_eq!(lossy.judged(), NOTHING);
    }
}
