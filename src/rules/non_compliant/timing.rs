//! What a client said before it knew what it should have waited for: the greeting (RFC 5321 section 3.1), or replies
//! where pipelining is not offered or not lawful (RFC 2920).

use super::{
    ACKNOWLEDGES, About, Check, EARLY_TOLD, Evidence, Finding, Findings, NEVER_ACKNOWLEDGES, NO_PIPECONNECT, RULE,
    Scope, Severity, is_http, judge_knowledge,
};
use crate::base::Moment;
use crate::rules::Otherwise;
use crate::rules::finding::Subject;
use crate::rules::reading::{answered, kept_silent, lists_capabilities};
use crate::smtp::event::{End, Fault, FaultKind, MessageData};
use crate::smtp::{Answers, Command, Knew, Reply, Session};

pub(super) static EARLY_TALK: Check = Check {
    id: "early-talk",
    title: "Client spoke before the greeting",
    about: About::Client,
    otherwise: &[Otherwise {
        severity: Severity::Info,
        about: About::Client,
        title: "Early talk, allowed (PIPECONNECT)",
    }],
    discriminator: &[],
    severity: Severity::Low,
    confidence: 90,
    scope: Scope::Session,
    fires: "the client spoke before it knew the whole greeting; info if the server offers PIPECONNECT. Decided at the \
            EHLO reply or at the end of the session, even if the server never spoke, provided nothing is missing",
    why: Some(
        "Mail clients wait for the greeting. Software that does not is usually built to send spam as fast as \
               possible.",
    ),
};

pub(super) static UNADVERTISED_PIPELINING: Check = Check {
    id: "unadvertised-pipelining",
    title: "Client did not wait for a reply",
    about: About::Client,
    otherwise: &[],
    discriminator: &["verb", "behind"],
    severity: Severity::Low,
    confidence: 85,
    scope: Scope::Total,
    fires: "two or more commands, message ends or BDAT chunks in flight although the last EHLO reply that the \
            client knew did not list PIPELINING; or bytes in flight after EHLO, DATA, VRFY, EXPN, TURN, QUIT, NOOP, \
            STARTTLS, AUTH or BURL, including the message after DATA. Not after an early EHLO whose reply offers \
            PIPECONNECT. One finding, reported at the end of the session with the count",
    why: Some(
        "A client that does not wait for replies when it should is usually spam software or a scanner. Commands \
               sent ahead can also end up on the wrong side of a change of state, such as STARTTLS or the end of a \
               mail.",
    ),
};

const SPOKE_EARLY: &str = "The client did not wait for the greeting";

/// A server that offers it takes commands before its greeting (Exim).
const PIPECONNECT: &str = "PIPECONNECT";

/// The client acknowledges: what it knew is what it had acknowledged.
pub(super) fn acknowledged(session: &Session, at: Moment, out: &mut Findings<'_>) {
    if session.client_acknowledged {
        out.settle(ACKNOWLEDGES, true, at);
        out.settle(NEVER_ACKNOWLEDGES, false, at);
    }
}

pub(super) fn judge_command(command: &Command, session: &Session, out: &mut Findings<'_>) {
    if is_http(session) {
        return;
    }
    if command.number == 0 && !session.server_heard {
        // Should the server never speak, this is all that tells.
        out.defer(Finding::new(&RULE, &EARLY_TALK, &command.at, SPOKE_EARLY));
    }
    judge_knowledge(&command.knew, |knew| pipelined(command, knew), out);
}

/// Whether a command was sent when its client knew all that it should have waited for.
pub(super) fn is_patient(knew: &Knew) -> bool {
    knew.behind.is_none() && (knew.in_flight == 0 || knew.stage.pipelining != Some(false))
}

/// The finding for a command that was sent too soon, and what it depends on.
fn pipelined(command: &Command, knew: &Knew) -> Option<(Finding, u8)> {
    if is_patient(knew) {
        return None;
    }
    let what = command.verb.as_ref().map_or("A line", |verb| super::syntax::shown(verb.name()));
    let message = match &knew.behind {
        Some(verb) => format!("{what} followed {} without waiting for its reply", verb.name()),
        None => format!("{what} was sent without waiting for the previous reply; PIPELINING was not offered"),
    };
    let mut finding = Finding::new(&RULE, &UNADVERTISED_PIPELINING, &command.at, message).command(command);
    finding = finding.with("in_flight", Evidence::Number(u64::from(knew.in_flight)));
    if let Some(verb) = &knew.behind {
        finding = finding.bytes("behind", verb.name().as_bytes());
    }
    Some((finding, if knew.behind_early_hello { NO_PIPECONNECT } else { 0 }))
}

/// Message data behind a DATA whose 354 the client did not know.
pub(super) fn judge_data(data: &MessageData, session: &Session, out: &mut Findings<'_>) {
    let waits = data.early.is_none() && !session.client_acknowledged && data.early_by_order;
    if data.early != Some(true) && !waits || is_http(session) {
        return;
    }
    let Some(command) = data.command.as_ref().filter(|_| !data.uncertain && !session.doubt.rests()) else { return };
    let message = "The message followed DATA without waiting for its reply";
    let finding = Finding::new(&RULE, &UNADVERTISED_PIPELINING, &data.at, message).command(command);
    let finding = finding.bytes("behind", b"DATA");
    if waits { out.wait(finding, NEVER_ACKNOWLEDGES) } else { out.fire(finding) }
}

/// Bytes behind STARTTLS that were taken for none of SMTP's.
pub(super) fn judge_fault(fault: &Fault, session: &Session, out: &mut Findings<'_>) {
    let FaultKind::Injected { accepted: true, .. } = fault.kind else { return };
    let lawful = session.early_talk && session.offers(PIPECONNECT) == Some(true);
    if !lawful && !session.doubt.rests() && !is_http(session) {
        let message = "Bytes followed STARTTLS without waiting for its reply";
        let finding = Finding::new(&RULE, &UNADVERTISED_PIPELINING, &fault.at, message);
        out.fire(finding.bytes("behind", b"STARTTLS"));
    }
}

/// The EHLO reply tells whether the server lets clients speak before its greeting.
pub(super) fn judge_reply(
    reply: &Reply,
    answers: &Answers<'_>,
    session: &Session,
    word: &mut u32,
    out: &mut Findings<'_>,
) {
    let Some((_, verb)) = answered(reply, answers).filter(|(_, verb)| verb.is_hello()) else { return };
    let at = reply.at.last();
    if out.keeps_any() {
        out.settle(NO_PIPECONNECT, session.offers(PIPECONNECT) != Some(true), at);
    }
    if lists_capabilities(verb, reply) {
        judge_early(session, at, word, out);
    }
}

pub(super) fn judge_end(end: &End, session: &Session, word: &mut u32, out: &mut Findings<'_>) {
    let silent = kept_silent(session, end);
    let all_heard = silent || session.server_heard && session.missing_server == 0 && session.missing_client == 0;
    if out.keeps_any() {
        let offered = if silent { Some(false) } else { session.offered(PIPECONNECT) };
        out.settle(NO_PIPECONNECT, all_heard && offered == Some(false), end.at);
        out.settle(ACKNOWLEDGES, end.client_acknowledges, end.at);
        // Packet order tells nothing of what was lost.
        out.settle(NEVER_ACKNOWLEDGES, !end.client_acknowledges && all_heard, end.at);
    }
    // Whether it was lawful may stand in an EHLO reply that was not captured.
    if all_heard || session.capabilities_known {
        judge_early(session, end.at, word, out);
    }
    // It spoke before a greeting that never came.
    if let Some(finding) = out.take(&EARLY_TALK, end.at).filter(|_| silent && *word & EARLY_TOLD == 0) {
        out.fire(finding);
    }
    out.tell_total(&UNADVERTISED_PIPELINING, end.at, |finding, times| finding.with("count", Evidence::Number(times)));
}

fn judge_early(session: &Session, at: Moment, word: &mut u32, out: &mut Findings<'_>) {
    // Where there was no greeting, bad-greeting/none says so.
    let early = session.early_talk && !session.greeting_missing && !is_http(session);
    let Some(packets) = session.early_at.as_ref().filter(|_| early && *word & EARLY_TOLD == 0) else { return };
    *word |= EARLY_TOLD;
    let mut finding = Finding::new(&RULE, &EARLY_TALK, packets, SPOKE_EARLY);
    // What it said so early is the first thing that was kept, if it was.
    finding.subject = out.deferred(&EARLY_TALK).map_or(Subject::Nothing, |first| first.subject);
    finding.at = at;
    if session.offers(PIPECONNECT) == Some(true) {
        finding = finding.severity(Severity::Info);
        finding.message.push_str(", which PIPECONNECT allows");
    }
    out.fire(finding);
}

#[cfg(test)]
mod tests {
    use crate::base::{Moment, Packets};
    use crate::rules::dialogue::Dialogue;
    use crate::smtp::{Knew, Knowledge, Stage, Verb};

    const NOTHING: [String; 0] = [];
    const PIPELINED: [&str; 1] = ["non-compliant/unadvertised-pipelining low 85"];
    const EARLY: [&str; 1] = ["non-compliant/early-talk low 90"];

    fn knew(pipelining: Option<bool>, in_flight: u32, behind: Option<Verb>) -> Knew {
        let stage = Stage { hello: true, extended: true, mail: true, pipelining, ..Stage::default() };
        Knew { stage, in_flight, behind, ..Knew::default() }
    }

    fn of(knowledge: Knowledge) -> Vec<String> {
        let mut dialogue = Dialogue::read("S: 220 mx\nC: RCPT TO:<a@b>\nS: 250 ok");
        dialogue.command(0).knew = knowledge;
        dialogue.judged()
    }

    #[test]
    fn two_in_flight_want_the_offer_and_nothing_stands_behind_what_must_be_last() {
        assert_eq!(of(Knowledge::Sure(knew(Some(false), 0, None))), NOTHING);
        assert_eq!(of(Knowledge::Sure(knew(Some(false), 1, None))), PIPELINED);
        assert_eq!(of(Knowledge::Sure(knew(Some(true), 1, None))), NOTHING);
        assert_eq!(of(Knowledge::Sure(knew(None, 1, None))), NOTHING, "the EHLO reply was not captured");
        assert_eq!(of(Knowledge::Sure(knew(Some(true), 1, Some(Verb::Ehlo)))), PIPELINED);
        assert_eq!(of(Knowledge::Unknown), NOTHING);
    }

    #[test]
    fn a_session_is_told_once_with_how_often_it_did_not_wait() {
        let mut dialogue =
            Dialogue::read("S: 220 mx\nC: RCPT TO:<a@b>\nC: DATA\nC: RSET\nS: 250 a\nS: 250 b\nS: 250 c");
        dialogue.command(1).knew = Knowledge::Sure(knew(Some(false), 1, None));
        dialogue.command(2).knew = Knowledge::Sure(knew(Some(false), 2, Some(Verb::Data)));
        let mut found = dialogue.only("non-compliant/unadvertised-pipelining").findings();
        let count = found.iter().map(|finding| finding.evidence.last().unwrap().clone());
        assert_eq!(count.collect::<Vec<_>>(), [("count", super::Evidence::Number(2))]);
        assert_eq!(found.remove(0).verb.as_deref(), Some("DATA"), "the first of them is shown");
    }

    #[test]
    fn a_server_that_never_spoke_was_not_waited_for() {
        let silent = || {
            let mut dialogue = Dialogue::read("C: EHLO a\nC: RSET");
            dialogue.session.server_heard = false;
            let by_seen = knew(Some(false), 1, Some(Verb::Ehlo));
            let by_seen = Knew { behind_early_hello: true, ..by_seen };
            dialogue.command(1).knew = Knowledge::Doubtful { by_order: by_seen.clone(), by_seen };
            dialogue.unacknowledged()
        };
        assert_eq!(silent().judged(), [EARLY, PIPELINED].concat());
        let mut lossy = silent();
        lossy.session.missing_server = 1;
        assert_eq!(lossy.judged(), NOTHING);
        let mut one_sided = silent();
        one_sided.session.from_start = false;
        assert_eq!(one_sided.judged(), NOTHING, "the server's direction was not captured");
    }

    #[test]
    fn behind_an_early_ehlo_the_offer_of_pipeconnect_decides() {
        let of = |offers: &[&str]| {
            let mut dialogue = Dialogue::read("C: EHLO a\nC: RSET\nS: 220 mx\nS: 250 mx\nS: 250 ok");
            dialogue.session.early_at = Some(Packets::one(Moment::default()));
            dialogue.session.capabilities = offers.iter().map(|offer| offer.as_bytes().to_vec()).collect();
            dialogue.session.capabilities_known = true;
            let behind = knew(Some(false), 1, Some(Verb::Ehlo));
            dialogue.command(1).knew = Knowledge::Sure(Knew { behind_early_hello: true, ..behind });
            dialogue.judged()
        };
        assert_eq!(of(&["PIPECONNECT"]), ["non-compliant/early-talk info 90"]);
        assert_eq!(of(&["PIPELINING"]), [EARLY, PIPELINED].concat());
    }

    #[test]
    fn early_talk_is_told_once_and_not_where_there_was_no_greeting() {
        let early = |text: &str| {
            let mut dialogue = Dialogue::read(text);
            dialogue.session.early_at = Some(Packets::one(Moment::default()));
            dialogue
        };
        assert_eq!(early("C: EHLO a\nS: 220 mx\nS: 250 mx\nC: EHLO a\nS: 250 mx").judged(), EARLY);
        assert_eq!(early("C: HELO a\nS: 220 mx\nS: 250 mx").judged(), EARLY, "at the end");
        let found = early("C: EHLO a\nS: 250 mx").ungreeted().judged();
        assert_eq!(found, ["bad-greeting/none low 70"]);
        let mut lossy = early("C: HELO a\nS: 220 mx");
        lossy.session.missing_server = 1;
        assert_eq!(lossy.judged(), NOTHING);
    }
}
