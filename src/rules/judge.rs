//! One session's judge: hands its events to the rules that want them, keeps what they remember, and reports
//! each check as often as it is to be reported; repeats are counted.

use serde::{Deserialize, Serialize};

use crate::base::{Endpoint, Limit, Moment, Tally};
use crate::smtp::event::FaultKind;
use crate::smtp::{Answers, Event, Session, is_text_protocol};

use super::glance;
use super::selection::Heard;
use super::{Check, CheckNumber, Evidence, Finding, Hears, Scope, Selection, Severity, Software};

/// What the rules make of one session. It costs a few words until something is found.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    /// What each rule remembers, once any of them does.
    words: Vec<u32>,
    /// What was heard so far.
    heard: Hears,
    /// The stream was named as another binary protocol: only rules that say so hear on.
    other_protocol: bool,
    /// None until something is found.
    found: Option<Box<Found>>,
}

/// What was found so far.
#[derive(Debug, Default)]
struct Found {
    reported: Vec<Reported>,
    /// Findings whose fate is open.
    kept: Vec<Kept>,
    counts: Counts,
    /// Bytes of what was reported and kept.
    held: usize,
}

/// A finding whose fate is open.
#[derive(Debug)]
struct Kept {
    /// The number of the rule's first check.
    rule: CheckNumber,
    finding: Finding,
    /// The conditions that must turn out to hold; what each bit means is the rule's own. None of them: the rule
    /// itself decides.
    open: u8,
    /// How often the same was found again.
    repeats: u64,
}

/// What makes two findings of one session the same. A verb matters to [`Scope::Session`], the severity to
/// [`Scope::Server`], nothing to [`Scope::Total`].
#[derive(Debug, PartialEq, Eq)]
struct Reported {
    /// The number of the rule's first check.
    rule: CheckNumber,
    check: CheckNumber,
    severity: Option<Severity>,
    verb: Option<String>,
}

/// How often each check fired, repeats included, in the order in which they first did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts(Vec<(CheckNumber, u64)>);

/// What the judge gives.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    /// The number of the rule's first check: what it says of one packet stands together.
    pub rule: CheckNumber,
    pub what: What,
}

/// A finding, or something that the ledger must know of the server.
#[derive(Clone, Debug)]
pub(crate) enum What {
    Finding(Box<Finding>),
    Note(Note),
}

/// A fact of a server that goes into its record, or decides on findings of other sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Note {
    /// HELP got an answer that is neither a list nor a refusal of HELP itself.
    HelpUnclear,
    /// HELP was refused, and nothing disclosed.
    HelpRefused,
    /// The EHLO reply lists HELP.
    HelpAdvertised,
    /// HELP was answered.
    HelpExposed,
    /// What the server says of its software, in its greeting or in another reply.
    Software { named: Software, greeting: bool },
}

/// Where a rule puts what it finds.
pub(crate) struct Findings<'j> {
    /// The rule's place in the catalogue, and the number of its first check.
    nth: usize,
    rule: CheckNumber,
    /// The event's that is judged.
    number: Option<u64>,
    other_protocol: bool,
    found: &'j mut Option<Box<Found>>,
    selection: &'j Selection,
    limits: &'j mut Tally,
    out: &'j mut Vec<Verdict>,
}

impl Judge {
    /// Judges the next event; `session` is what is known once the event has happened. Findings below the
    /// limit go to `out` in catalogue order, a limit that acts is counted in `limits`. `number` is the event's among
    /// those of its session that have a record, where it has one.
    pub(crate) fn hear(
        &mut self,
        event: &Event<'_>,
        number: Option<u64>,
        session: &Session,
        selection: &Selection,
        limits: &mut Tally,
        out: &mut Vec<Verdict>,
    ) {
        if let Event::Fault(fault) = event
            && let FaultKind::OtherProtocol { name } = &fault.kind
        {
            self.other_protocol |= !is_text_protocol(name);
        }
        self.other_protocol &= !session.answered_in_smtp;
        if let Event::Command(command) | Event::Reply(_, Answers::Command(command)) = event
            && command.foreign
        {
            return;
        }
        let kinds = self.kinds(event);
        if !selection.wants_any(kinds) {
            return;
        }
        // From there on one line of an attacker must not blind the rules.
        let Judge { words, other_protocol, found, .. } = self;
        let other_protocol = *other_protocol;
        // Made once for all of them: most events go to a few rules.
        let mut findings =
            Findings { nth: 0, rule: CheckNumber::FIRST, number, other_protocol, found, selection, limits, out };
        for (nth, &Heard { rule, first, hears }) in selection.of_each().iter().enumerate() {
            if hears.has(kinds) && (!other_protocol || hears.has(Hears::OTHER_PROTOCOLS)) {
                (findings.nth, findings.rule) = (nth, first);
                if let Some(word) = words.get_mut(nth) {
                    (rule.judge)(event, session, word, &mut findings);
                    continue;
                }
                let mut word = 0;
                (rule.judge)(event, session, &mut word, &mut findings);
                if word != 0 {
                    *words = vec![0; selection.of_each().len()];
                    words.get_mut(nth).into_iter().for_each(|place| *place = word);
                }
            }
        }
    }

    /// What the event is, by itself and after what was heard before.
    fn kinds(&mut self, event: &Event<'_>) -> Hears {
        const SPEECH: Hears = Hears::COMMAND.and(Hears::REPLY);
        let mut kinds = glance::kinds(event);
        if kinds.has(SPEECH) {
            if !self.heard.has(kinds.only(SPEECH)) {
                kinds = kinds.and(Hears::FIRST);
            }
            self.heard = self.heard.and(kinds);
            kinds = kinds.and(self.heard.only(Hears::ODD_RECIPIENT));
        }
        if self.found.as_ref().is_some_and(|found| !found.kept.is_empty()) {
            kinds = kinds.and(Hears::KEPT);
        }
        kinds
    }

    /// How often each check fired.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> &Counts {
        static NONE: Counts = Counts(Vec::new());
        self.found.as_ref().map_or(&NONE, |found| &found.counts)
    }

    /// How often each check fired, once nothing more is to be judged.
    pub(crate) fn take_counts(&mut self) -> Counts {
        self.found.take().map(|found| found.counts).unwrap_or_default()
    }

    /// Bytes that it holds beside itself: what was reported, and what waits for its fate.
    pub(crate) fn held_bytes(&self) -> usize {
        self.found.as_ref().map_or(0, |found| found.held)
    }
}

impl Kept {
    /// Whether a finding is the same as this one.
    fn is(&self, other: &Finding) -> bool {
        let alike = self.finding.verb == other.verb || (self.open == 0 && other.scope == Scope::Total);
        self.finding.check == other.check && alike
    }

    /// Whether the rule itself decides on this finding of its check.
    fn is_deferred(&self, check: CheckNumber) -> bool {
        self.open == 0 && self.finding.check == check
    }

    /// What it holds, in bytes.
    fn weight(&self) -> usize {
        fn of(evidence: &Evidence) -> usize {
            match evidence {
                Evidence::Bytes(bytes) => bytes.len(),
                Evidence::List(items) => items.iter().map(Vec::len).fold(0, usize::saturating_add),
                Evidence::Secret { shown, whole } => of(shown).saturating_add(whole.as_deref().map_or(0, of)),
                Evidence::Number(_) | Evidence::Flag(_) | Evidence::Word(_) => 0,
            }
        }
        let evidence = self.finding.evidence.iter().map(|(_, evidence)| of(evidence));
        evidence.fold(size_of::<Kept>().saturating_add(self.finding.message.len()), usize::saturating_add)
    }
}

impl Found {
    /// Takes out what is kept at the nth place.
    fn release(&mut self, nth: usize) -> Kept {
        let kept = self.kept.remove(nth);
        self.held = self.held.saturating_sub(kept.weight());
        kept
    }

    /// Keeps a finding as the nth of all.
    fn insert(&mut self, nth: usize, kept: Kept) {
        self.held = self.held.saturating_add(kept.weight());
        self.kept.insert(nth, kept);
    }

    fn is_reported(&self, reported: &Reported) -> bool {
        self.reported.contains(reported)
    }
}

impl Counts {
    fn add(&mut self, check: CheckNumber, times: u64) {
        match self.0.iter_mut().find(|(counted, _)| *counted == check) {
            Some((_, count)) => *count = count.saturating_add(times),
            None => self.0.push((check, times)),
        }
    }

    fn of(&self, check: CheckNumber) -> u64 {
        self.iter().find(|(counted, _)| *counted == check).map_or(0, |(_, count)| count)
    }

    /// Forgets a check whose finding was withheld.
    pub(crate) fn forget(&mut self, check: CheckNumber) {
        self.0.retain(|(counted, _)| *counted != check);
    }

    /// Forgets all checks but these.
    pub(crate) fn keep(&mut self, is_kept: impl Fn(CheckNumber) -> bool) {
        self.0.retain(|(counted, _)| is_kept(*counted));
    }

    /// Each check and how often.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (CheckNumber, u64)> + '_ {
        self.0.iter().copied()
    }
}

impl Findings<'_> {
    /// Reports a finding, unless it is a repeat, not selected, or above the limit.
    pub(crate) fn fire(&mut self, mut finding: Finding) {
        finding.subject = finding.subject.or(self.number);
        if !self.selection.wants(&finding) {
            return;
        }
        finding.judged = finding.severity;
        finding.severity = self.selection.severity(&finding);
        let reported = self.key(&finding);
        let found = self.found.get_or_insert_default();
        found.counts.add(finding.check, 1);
        if finding.scope == Scope::Total {
            return self.defer(finding);
        }
        self.report(finding, reported);
    }

    /// Reports what [`Findings::fire`] kept of a check of [`Scope::Total`]; `tell` is given how often it fired.
    pub(crate) fn tell_total(&mut self, check: &Check, at: Moment, tell: impl Fn(Finding, u64) -> Finding) {
        if let Some(finding) = self.take(check, at) {
            let (number, times) = (finding.check, self.times(check));
            let reported = Reported { rule: self.rule, check: number, severity: None, verb: None };
            self.report(tell(finding, times), reported);
        }
    }

    /// Reports what was counted, unless it is a repeat or above the limit.
    fn report(&mut self, finding: Finding, reported: Reported) {
        let (rule, found) = (self.rule, self.found.get_or_insert_default());
        if found.is_reported(&reported) {
            return;
        }
        let of_rule = found.reported.iter().filter(|reported| reported.rule == rule).count();
        if of_rule as u64 >= self.selection.per_rule() {
            return self.limits.one(Limit::FindingsPerRule.key());
        }
        found.reported.push(reported);
        found.held = found.held.saturating_add(size_of::<Reported>());
        self.give(What::Finding(Box::new(finding)));
    }

    /// Keeps a finding until its fate is known: then the rule [`Findings::take`]s it and fires it or not. The
    /// first one of each check and verb is kept, and of one rule as many as may be reported (or as it has checks).
    pub(crate) fn defer(&mut self, mut finding: Finding) {
        finding.subject = finding.subject.or(self.number);
        if self.alike(&finding, 0).is_none() {
            let most = self.selection.per_rule().max(self.selection.catalogue().checks_of(self.nth) as u64);
            self.keep(finding, 0, most);
        }
    }

    /// The finding kept by [`Findings::defer`], to add packets to it.
    pub(crate) fn deferred(&mut self, check: &Check) -> Option<&mut Finding> {
        let (nth, catalogue) = (self.nth, self.selection.catalogue());
        let found = self.found.as_mut().filter(|found| !found.kept.is_empty())?;
        let check = catalogue.number(nth, check);
        found.kept.iter_mut().find(|kept| kept.is_deferred(check)).map(|kept| &mut kept.finding)
    }

    /// Fires a finding whose fate was decided: what was kept of its check and verb is dropped.
    pub(crate) fn decide(&mut self, mut finding: Finding) {
        if let Some(found) = self.found
            && let Some(nth) = found.kept.iter().position(|kept| kept.open == 0 && kept.is(&finding))
        {
            finding.subject = found.release(nth).finding.subject;
        }
        self.fire(finding);
    }

    /// The first finding of the check that [`Findings::defer`] kept; `at` is now the packet that decided on it.
    pub(crate) fn take(&mut self, check: &Check, at: Moment) -> Option<Finding> {
        let (rule, catalogue) = (self.nth, self.selection.catalogue());
        let found = self.found.as_mut().filter(|found| !found.kept.is_empty())?;
        let check = catalogue.number(rule, check);
        let nth = found.kept.iter().position(|kept| kept.is_deferred(check))?;
        let mut finding = found.release(nth).finding;
        finding.at = at;
        Some(finding)
    }

    /// Keeps a finding until each of its `open` conditions is [settled](Findings::settle): of each check and verb one.
    pub(crate) fn wait(&mut self, mut finding: Finding, open: u8) {
        finding.subject = finding.subject.or(self.number);
        if !self.selection.wants(&finding) {
            return;
        }
        match self.alike(&finding, open) {
            Some(kept) => kept.repeats = kept.repeats.saturating_add(1),
            None => self.keep(finding, open, self.selection.per_rule()),
        }
    }

    /// A condition turned out to hold, or not to: what waits for it alone is reported, or nothing of it is. `at` is
    /// the packet that told.
    pub(crate) fn settle(&mut self, condition: u8, holds: bool, at: Moment) {
        let rule = self.rule;
        while let Some(found) = self.found
            && let Some(nth) = found.kept.iter().position(|kept| kept.rule == rule && kept.open & condition != 0)
        {
            let mut kept = found.release(nth);
            kept.open &= !condition;
            if !holds {
                continue;
            }
            if kept.open == 0 {
                kept.finding.at = at;
                found.counts.add(kept.finding.check, kept.repeats);
                self.fire(kept.finding);
            } else {
                found.insert(nth, kept);
            }
        }
    }

    /// The first finding that waits for this condition alone, and how often the same was found again: the rule decides
    /// on each for itself.
    pub(crate) fn take_waiting(&mut self, condition: u8) -> Option<(Finding, u64)> {
        let (rule, found) = (self.rule, self.found.as_mut()?);
        let nth = found.kept.iter().position(|kept| kept.rule == rule && kept.open == condition)?;
        let kept = found.release(nth);
        Some((kept.finding, kept.repeats))
    }

    /// Whether findings are kept whose fate is open.
    pub(crate) fn keeps_any(&self) -> bool {
        self.found.as_ref().is_some_and(|found| !found.kept.is_empty())
    }

    /// What is kept of the same check and verb under the same conditions.
    fn alike(&mut self, finding: &Finding, open: u8) -> Option<&mut Kept> {
        let found = self.found.as_mut()?;
        found.kept.iter_mut().find(|kept| kept.open == open && kept.is(finding))
    }

    /// Keeps a finding, of one rule as many as `most` that wait for conditions, and as many that do not.
    fn keep(&mut self, finding: Finding, open: u8, most: u64) {
        let rule = self.rule;
        let found = self.found.get_or_insert_default();
        let like_it = |kept: &&Kept| kept.rule == rule && (kept.open == 0) == (open == 0);
        if found.kept.iter().filter(like_it).count() as u64 >= most {
            return self.limits.one(Limit::FindingsPerRule.key());
        }
        found.insert(found.kept.len(), Kept { rule, finding, open, repeats: 0 });
    }

    /// Counts a finding that is not to be reported by itself.
    pub(crate) fn count(&mut self, finding: &Finding) {
        if self.selection.wants(finding) {
            self.found.get_or_insert_default().counts.add(finding.check, 1);
        }
    }

    /// How often the check fired, repeats included.
    pub(crate) fn times(&self, check: &Check) -> u64 {
        self.found.as_ref().map_or(0, |found| found.counts.of(self.number_of(check)))
    }

    /// How many findings of the check were reported.
    pub(crate) fn reported(&self, check: &Check) -> usize {
        let number = self.number_of(check);
        let mine = |reported: &&Reported| reported.check == number;
        self.found.as_ref().map_or(0, |found| found.reported.iter().filter(mine).count())
    }

    /// Whether the finding would repeat one that was reported.
    pub(crate) fn repeats(&self, finding: &Finding) -> bool {
        self.found.as_ref().is_some_and(|found| found.is_reported(&self.key(finding)))
    }

    /// Whether the stream was named as another binary protocol.
    pub(crate) fn other_protocol(&self) -> bool {
        self.other_protocol
    }

    /// The number of a check of this rule.
    fn number_of(&self, check: &Check) -> CheckNumber {
        self.selection.catalogue().number(self.nth, check)
    }

    fn key(&self, finding: &Finding) -> Reported {
        let (severity, verb) = match finding.scope {
            Scope::Server => (Some(self.selection.severity(finding)), None),
            Scope::Session => (None, finding.verb.clone()),
            Scope::Total => (None, None),
        };
        Reported { rule: self.rule, check: finding.check, severity, verb }
    }

    /// Whether both ends are Exchange servers that the configuration names.
    pub(crate) fn between_exchange_peers(&self, session: &Session) -> bool {
        let known = |end: Endpoint| self.selection.exchange_peers.iter().any(|net| net.contains(&end.ip));
        known(session.client) && known(session.server)
    }

    /// Tells the ledger a fact of the server.
    pub(crate) fn note(&mut self, note: Note) {
        self.give(What::Note(note));
    }

    fn give(&mut self, what: What) {
        self.out.push(Verdict { rule: self.rule, what });
    }
}

#[cfg(test)]
mod tests {
    use crate::base::{Limit, Limits};
    use crate::rules::dialogue::Dialogue;
    use crate::rules::{Selection, Severity};

    #[test]
    fn findings_above_the_limit_are_counted_and_the_limit_told() {
        let mut limits = Limits::default();
        limits.set(Limit::FindingsPerRule, 1);
        let dialogue = "S: 220 mx\nC: STARTTLS\nS: 454 no\nC: STARTTLS\nS: 503 no\nC: HELP\nS: 214 ok";
        let selection = Selection::new(&[], &[], Severity::Info, &limits);
        let dialogue = Dialogue::read(dialogue).selection(selection);
        assert_eq!(dialogue.judged(), ["starttls/refused low 95", "help-exposed/answered low 95"]);
        assert_eq!(dialogue.counts(), [("starttls", "refused", 2), ("help-exposed", "answered", 1)]);
        assert_eq!(dialogue.limits().get("findings_per_rule"), 1);
    }

    #[test]
    fn what_is_not_selected_is_neither_reported_nor_counted() {
        let ignored = ["help-exposed/answered".parse().unwrap()];
        let selection = Selection::new(&[], &ignored, Severity::Info, &Limits::default());
        let dialogue = Dialogue::read("S: 220 mx\nC: HELP\nS: 214 ok").selection(selection);
        assert_eq!((dialogue.judged().len(), dialogue.counts().len(), dialogue.notes().len()), (0, 0, 1));
        let selection = Selection::new(&[], &[], Severity::Medium, &Limits::default());
        let dialogue = Dialogue::read("S: 220 mx\nC: HELP\nS: 214 ok\nC: XXXX\nS: 500 no").selection(selection);
        assert_eq!(dialogue.judged(), ["starttls/masked medium 90"]);
    }
}
