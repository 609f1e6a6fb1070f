//! The neighbours of faults that were reported: for each kind, sessions made from a seed that differ in what stands around
//! the odd line, where it stands and how the bytes are cut, each held against the reading rules.

mod bdat;
mod ends_of_data;
mod first_line;
mod ledger;
mod names;
mod replies;
mod rules;
mod secrets;
mod session_end;
mod tls;

use std::fmt::Write as _;

use synth::{Acks, Cut, Plan, Rng};

use crate::cases::Cases;
use crate::told::{Told, all};

/// What a wrong matching finds: no neighbour may have it where it is not named.
pub(crate) const OF_A_SHIFT: [&str; 5] = [
    "non-compliant/unsolicited-reply",
    "non-compliant/unadvertised-pipelining",
    "non-compliant/malformed-reply",
    "non-compliant/early-talk",
    "non-compliant/end-of-data",
];

/// Something that is said, and what is told of it.
#[derive(Clone)]
pub(crate) struct Turn {
    /// Lines of a dialogue.
    pub(crate) text: String,
    /// The commands that it holds; `-` has no verb, `*` is any.
    pub(crate) verbs: Vec<&'static str>,
    /// What each reply answers (`*`: any command) and its code.
    pub(crate) answers: Vec<(&'static str, u64)>,
}

impl Turn {
    pub(crate) fn new(text: impl Into<String>, verbs: &[&'static str], answers: &[(&'static str, u64)]) -> Turn {
        Turn { text: text.into(), verbs: verbs.to_vec(), answers: answers.to_vec() }
    }

    /// A command line and the one-line reply to it.
    pub(crate) fn command(line: &str, verb: &'static str, code: u64) -> Turn {
        let text = match code {
            214 => "214 Commands: HELO EHLO MAIL RCPT DATA RSET NOOP QUIT HELP VRFY".to_owned(),
            code => format!("{code} 2.0.0 as it is"),
        };
        Turn::new(format!("C: {line}\nS: {text}\n"), &[verb], &[(verb, code)])
    }

    /// A mail by DATA inside an open transaction; its body looks like commands.
    pub(crate) fn data(subject: &str) -> Turn {
        let text = format!(
            "C: DATA\nS: 354 go ahead\nC: Subject: {subject}\nC:\nC: HELP\nC: MAIL FROM:<body@example.org>\nC: .\nS: 250 2.0.0 queued\n"
        );
        Turn::new(text, &["DATA"], &[("DATA", 354), ("message", 250)])
    }
}

pub(crate) fn greeting() -> Turn {
    Turn::new("S: 220 mx.example.net ESMTP\n", &[], &[("-", 220)])
}

pub(crate) fn ehlo(keywords: &[&str]) -> Turn {
    let mut text = "C: EHLO client.example.org\n".to_owned();
    for (place, line) in std::iter::once(&"mx.example.net").chain(keywords).enumerate() {
        let mark = if place == keywords.len() { ' ' } else { '-' };
        let _ = writeln!(text, "S: 250{mark}{line}");
    }
    Turn::new(text, &["EHLO"], &[("EHLO", 250)])
}

pub(crate) fn mail() -> Turn {
    Turn::command("MAIL FROM:<a@example.org>", "MAIL", 250)
}

pub(crate) fn rcpt() -> Turn {
    Turn::command("RCPT TO:<b@example.net>", "RCPT", 250)
}

pub(crate) fn help() -> Turn {
    Turn::command("HELP", "HELP", 214)
}

pub(crate) fn quit() -> Turn {
    Turn::command("QUIT", "QUIT", 221)
}

/// A session in lockstep: a mail, a transaction that is reset, HELP that is answered. Its only finding is that.
pub(crate) fn whole() -> Vec<Turn> {
    vec![
        greeting(),
        ehlo(&["SIZE 1000000", "8BITMIME"]),
        mail(),
        rcpt(),
        Turn::data("a mail"),
        Turn::command("NOOP", "NOOP", 250),
        mail(),
        rcpt(),
        Turn::command("RSET", "RSET", 250),
        Turn::command("VRFY b", "VRFY", 252),
        help(),
        quit(),
    ]
}

/// Every verb, as it may come at any time, with the code of a server that refuses what is out of order.
pub(crate) fn every_verb() -> Vec<Turn> {
    [
        ("HELO client.example.org", "HELO", 250),
        ("EHLO client.example.org", "EHLO", 250),
        ("LHLO client.example.org", "LHLO", 500),
        ("MAIL FROM:<a@example.org>", "MAIL", 250),
        ("RCPT TO:<b@example.net>", "RCPT", 503),
        ("DATA", "DATA", 503),
        ("RSET", "RSET", 250),
        ("VRFY b", "VRFY", 252),
        ("EXPN b", "EXPN", 550),
        ("HELP", "HELP", 214),
        ("HELP MAIL", "HELP", 214),
        ("NOOP", "NOOP", 250),
        ("AUTH PLAIN", "AUTH", 503),
        ("STARTTLS", "STARTTLS", 502),
        ("ETRN example.org", "ETRN", 458),
        ("ATRN example.org", "ATRN", 502),
        ("TURN", "TURN", 502),
        ("SEND FROM:<a@example.org>", "SEND", 502),
        ("SOML FROM:<a@example.org>", "SOML", 502),
        ("SAML FROM:<a@example.org>", "SAML", 502),
        ("BURL imap://example.org/ LAST", "BURL", 503),
        ("XAUTH PLAIN", "XAUTH", 500),
        ("XEXCH50 2 2", "XEXCH50", 500),
        ("X-LINK2STATE LAST CHUNK={00000000}", "X-LINK2STATE", 500),
        ("X-EXPS NTLM", "X-EXPS", 500),
        ("X-ANONYMOUSTLS", "X-ANONYMOUSTLS", 500),
        ("XCLIENT ADDR=192.0.2.1", "XCLIENT", 550),
        ("XFORWARD ADDR=192.0.2.1", "XFORWARD", 550),
        ("FOO bar", "FOO", 500),
        ("QUIT", "QUIT", 221),
    ]
    .into_iter()
    .map(|(line, verb, code)| Turn::command(line, verb, code))
    .collect()
}

/// What every turn says, one after the other.
pub(crate) fn text(turns: &[Turn]) -> String {
    turns.iter().map(|turn| &turn.text[..]).collect()
}

/// Every command of the turns is told, and every reply at its own.
pub(crate) fn in_step(told: &Told, turns: &[Turn]) -> crate::told::Claim {
    let verbs: Vec<&str> = turns.iter().flat_map(|turn| turn.verbs.clone()).collect();
    let answers: Vec<(&str, u64)> = turns.iter().flat_map(|turn| turn.answers.clone()).collect();
    all([told.commands(&verbs), told.replies(&answers)])
}

/// A way of cutting the same bytes into packets.
pub(crate) fn plan(rng: &mut Rng) -> Plan {
    let seed = rng.next_u64() >> 32;
    let plan = Plan::new().seed(seed);
    match rng.below(6) {
        0 => plan,
        1 => plan.mss(1),
        2 => plan.cut(Cut::Lines).acks(Acks::Every),
        3 => plan.cut(Cut::Random).mss(40).acks(Acks::Piggyback),
        _ => plan.cut(Cut::Random).mss(12),
    }
}

/// Now and then one side late, or segments that come twice or out of order.
fn disturbed(plan: Plan, rng: &mut Rng) -> Plan {
    let late = rng.between(1, 9);
    match rng.below(8) {
        0 => plan.delay([late, 0]),
        1 => plan.delay([0, late]),
        2 => plan.retransmit(150).reorder(100).duplicate(50),
        _ => plan,
    }
}

/// Sessions of one kind from a seed: each is named, said in a way of its own, and in step; `more` claims the rest.
pub(crate) struct Kind<'c> {
    name: &'static str,
    pub(crate) rng: Rng,
    pub(crate) cases: Cases<'c>,
    /// Whether packets may be late or repeated: not where some are missing, or what crosses decides.
    disturbed: bool,
}

impl<'c> Kind<'c> {
    pub(crate) fn new(name: &'static str, seed: u64) -> Kind<'c> {
        Kind { name, rng: Rng::new(seed), cases: Cases::new(), disturbed: true }
    }

    /// Every packet comes once, and in time.
    pub(crate) fn undisturbed(self) -> Kind<'c> {
        Kind { disturbed: false, ..self }
    }

    fn plan(&mut self) -> Plan {
        let plan = plan(&mut self.rng);
        if self.disturbed { disturbed(plan, &mut self.rng) } else { plan }
    }

    /// The turns are in step, and these are all the findings.
    pub(crate) fn found(&mut self, what: &str, turns: &[Turn], findings: &[&str]) {
        let expected: Vec<String> = findings.iter().map(|&check| check.to_owned()).collect();
        self.claim(what, turns, move |told| told.finds_only(&expected.iter().map(String::as_str).collect::<Vec<_>>()));
    }

    /// The turns are in step, nothing is found that comes of a shift, and the claim holds.
    pub(crate) fn unshifted(&mut self, what: &str, turns: &[Turn], claim: impl Fn(&Told) -> crate::told::Claim + 'c) {
        self.claim(what, turns, move |told| {
            all(OF_A_SHIFT.iter().map(|check| told.finds_no(check)).chain([claim(told)]))
        });
    }

    /// The turns are in step, and the claim holds.
    pub(crate) fn claim(&mut self, what: &str, turns: &[Turn], claim: impl Fn(&Told) -> crate::told::Claim + 'c) {
        let own = turns.to_vec();
        let plan = self.plan();
        let what = format!("{}: {what}", self.name);
        self.cases.say(&what, &text(turns), &plan, move |told| all([in_step(told, &own), claim(told)]));
    }

    /// Only the claim.
    pub(crate) fn only(&mut self, what: &str, text: &str, claim: impl Fn(&Told) -> crate::told::Claim + 'c) {
        let plan = self.plan();
        self.cases.say(&format!("{}: {what}", self.name), text, &plan, claim);
    }

    pub(crate) fn hold(self) {
        self.cases.hold();
    }
}
