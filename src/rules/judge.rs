//! One session's judge: hands its events to the rules that want them, keeps what they remember, and reports
//! each check as often as it is to be reported; repeats are counted.

use crate::base::{Endpoint, Limit, Moment, Tally};
use crate::smtp::event::FaultKind;
use crate::smtp::{Event, Session, is_text_protocol};

use super::{Check, Evidence, Finding, Hears, RULES, Rule, Scope, Selection, Severity, Software};

/// What the rules make of one session. It costs a few words until something is found.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    words: [u32; RULES.len()],
    /// The stream was named as another binary protocol: only rules that say so hear on.
    other_protocol: bool,
    found: Found,
}

/// What was found so far.
#[derive(Debug, Default)]
struct Found {
    reported: Vec<Reported>,
    /// Findings whose fate is decided later, at most one per check and verb.
    deferred: Vec<Finding>,
    waiting: Vec<Waiting>,
    counts: Counts,
}

/// A finding that stands only where conditions turn out to hold.
#[derive(Debug)]
struct Waiting {
    place: usize,
    finding: Finding,
    /// The conditions that are open; what each bit means is the rule's own.
    open: u8,
    /// How often the same was found again.
    repeats: u64,
}

/// What makes two findings of one session the same. A verb matters to [`Scope::Session`], the severity to
/// [`Scope::Server`].
#[derive(Debug, PartialEq, Eq)]
struct Reported {
    place: usize,
    check: &'static str,
    severity: Option<Severity>,
    verb: Option<String>,
}

/// How often each check fired, repeats included, in the order in which they first did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts(Vec<((&'static str, &'static str), u64)>);

/// What the judge gives: `place` is that of [`crate::ledger::Key`].
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    /// 1 + the rule's place in [`RULES`].
    pub place: u8,
    pub what: What,
}

/// A finding, or something that the ledger must know of the server.
#[derive(Clone, Debug)]
pub(crate) enum What {
    Finding(Box<Finding>),
    Note(Note),
}

/// A fact of a server that goes into its record, or decides on findings of other sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// HELP was refused, and nothing disclosed.
    HelpRefused,
    /// The EHLO reply lists HELP.
    HelpAdvertised,
    /// HELP was answered.
    HelpExposed,
    /// What the server says of its software.
    Software(Software),
}

/// Where a rule puts what it finds.
pub(crate) struct Findings<'j> {
    place: usize,
    other_protocol: bool,
    found: &'j mut Found,
    selection: &'j Selection,
    limits: &'j mut Tally,
    out: &'j mut Vec<Verdict>,
}

impl Judge {
    /// Judges the next event; `session` is what is known once the event has happened. Findings below the
    /// limit go to `out` in catalogue order, a limit that acts is counted in `limits`.
    pub(crate) fn hear(
        &mut self,
        event: &Event<'_>,
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
        let kind = Hears::of(event);
        let other_protocol = self.other_protocol;
        for (place, (rule, word)) in RULES.iter().zip(&mut self.words).enumerate() {
            let hears = selection.hears(place);
            if hears.has(kind) && (!self.other_protocol || hears.has(Hears::OTHER_PROTOCOLS)) {
                let found = &mut self.found;
                (rule.judge)(
                    event,
                    session,
                    word,
                    &mut Findings { place, other_protocol, found, selection, limits, out },
                );
            }
        }
    }

    /// How often each check fired.
    pub(crate) fn counts(&self) -> &Counts {
        &self.found.counts
    }

    /// Bytes that it holds beside itself: what was reported, and what waits for its fate.
    pub(crate) fn held_bytes(&self) -> usize {
        let reported = self.found.reported.len().saturating_mul(size_of::<Reported>());
        let deferred = self.found.deferred.iter().map(|finding| size_of::<Finding>().saturating_add(weight(finding)));
        let waiting = self.found.waiting.iter().map(|kept| size_of::<Waiting>().saturating_add(weight(&kept.finding)));
        deferred.chain(waiting).fold(reported, usize::saturating_add)
    }
}

/// What a finding holds beside itself, in bytes.
fn weight(finding: &Finding) -> usize {
    fn of(evidence: &Evidence) -> usize {
        match evidence {
            Evidence::Bytes(bytes) => bytes.len(),
            Evidence::List(items) => items.iter().map(Vec::len).fold(0, usize::saturating_add),
            Evidence::Secret { shown, whole } => of(shown).saturating_add(of(whole)),
            Evidence::Number(_) | Evidence::Flag(_) | Evidence::Word(_) => 0,
        }
    }
    finding.evidence.iter().fold(finding.message.len(), |sum, (_, evidence)| sum.saturating_add(of(evidence)))
}

impl Counts {
    fn add(&mut self, rule: &'static Rule, check: &'static Check, times: u64) {
        let key = (rule.id, check.id);
        match self.0.iter_mut().find(|(counted, _)| *counted == key) {
            Some((_, count)) => *count = count.saturating_add(times),
            None => self.0.push((key, times)),
        }
    }

    fn of(&self, rule: &'static Rule, check: &'static Check) -> u64 {
        self.iter().find(|&(of, id, _)| (of, id) == (rule.id, check.id)).map_or(0, |(_, _, count)| count)
    }

    /// Forgets a check whose finding was withheld.
    pub(crate) fn forget(&mut self, rule: &str, check: &str) {
        self.0.retain(|(counted, _)| *counted != (rule, check));
    }

    /// Rule, check and how often.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> + '_ {
        self.0.iter().map(|&((rule, check), count)| (rule, check, count))
    }
}

impl Findings<'_> {
    /// Reports a finding, unless it is a repeat, not selected, or above the limit.
    pub(crate) fn fire(&mut self, mut finding: Finding) {
        if !self.selection.wants(self.place, &finding) {
            return;
        }
        finding.severity = self.selection.severity(self.place, &finding);
        self.found.counts.add(finding.rule, finding.check, 1);
        let reported = self.key(&finding);
        if self.found.reported.contains(&reported) {
            return;
        }
        let of_rule = self.found.reported.iter().filter(|reported| reported.place == self.place).count();
        if u64::try_from(of_rule).is_ok_and(|of_rule| of_rule >= self.selection.per_rule()) {
            self.limits.one(Limit::FindingsPerRule.key());
            return;
        }
        self.found.reported.push(reported);
        self.give(What::Finding(Box::new(finding)));
    }

    /// Keeps a finding until its fate is known: then the rule [`Findings::take`]s it and fires it or not. The
    /// first one of each check and verb is kept, and of one rule as many as may be reported (or as it has checks).
    pub(crate) fn defer(&mut self, finding: Finding) {
        let deferred = &mut self.found.deferred;
        if deferred.iter().any(|kept| same(kept, &finding)) {
            return;
        }
        let of_rule = deferred.iter().filter(|kept| kept.rule.id == finding.rule.id).count();
        let most = self.selection.per_rule().max(finding.rule.checks.len() as u64);
        if of_rule as u64 >= most {
            return self.limits.one(Limit::FindingsPerRule.key());
        }
        deferred.push(finding);
    }

    /// The finding kept by [`Findings::defer`], to add what more is known of it.
    pub(crate) fn deferred(&mut self, check: &'static Check) -> Option<&mut Finding> {
        self.found.deferred.iter_mut().find(|kept| std::ptr::eq(kept.check, check))
    }

    /// Fires a finding whose fate was decided: what was kept of its check and verb is dropped.
    pub(crate) fn decide(&mut self, finding: Finding) {
        self.found.deferred.retain(|kept| !same(kept, &finding));
        self.fire(finding);
    }

    /// The first finding of the check that [`Findings::defer`] kept; `at` is now the packet that decided on it.
    pub(crate) fn take(&mut self, check: &'static Check, at: Moment) -> Option<Finding> {
        let mine = |kept: &Finding| std::ptr::eq(kept.check, check);
        let nth = self.found.deferred.iter().position(mine)?;
        let mut finding = self.found.deferred.remove(nth);
        finding.at = at;
        Some(finding)
    }

    /// Keeps a finding until each of its `open` conditions is [settled](Findings::settle): of each check and verb one.
    pub(crate) fn wait(&mut self, finding: Finding, open: u8) {
        if !self.selection.wants(self.place, &finding) {
            return;
        }
        let same = |kept: &&mut Waiting| {
            let other = &kept.finding;
            kept.open == open && std::ptr::eq(other.check, finding.check) && other.verb == finding.verb
        };
        if let Some(kept) = self.found.waiting.iter_mut().find(same) {
            kept.repeats = kept.repeats.saturating_add(1);
            return;
        }
        let of_rule = self.found.waiting.iter().filter(|kept| kept.place == self.place).count();
        if u64::try_from(of_rule).is_ok_and(|of_rule| of_rule >= self.selection.per_rule()) {
            return self.limits.one(Limit::FindingsPerRule.key());
        }
        self.found.waiting.push(Waiting { place: self.place, finding, open, repeats: 0 });
    }

    /// A condition turned out to hold, or not to: what waits for it alone is reported, or nothing of it is. `at` is
    /// the packet that told.
    pub(crate) fn settle(&mut self, condition: u8, holds: bool, at: Moment) {
        if self.found.waiting.is_empty() {
            return;
        }
        for mut kept in std::mem::take(&mut self.found.waiting) {
            let mine = kept.place == self.place && kept.open & condition != 0;
            if mine && !holds {
                continue;
            }
            if mine {
                kept.open &= !condition;
            }
            if mine && kept.open == 0 {
                kept.finding.at = at;
                self.found.counts.add(kept.finding.rule, kept.finding.check, kept.repeats);
                self.fire(kept.finding);
            } else {
                self.found.waiting.push(kept);
            }
        }
    }

    /// Counts a finding that is not to be reported by itself.
    pub(crate) fn count(&mut self, finding: &Finding) {
        if self.selection.wants(self.place, finding) {
            self.found.counts.add(finding.rule, finding.check, 1);
        }
    }

    /// How often the check fired, repeats included.
    pub(crate) fn times(&self, rule: &'static Rule, check: &'static Check) -> u64 {
        self.found.counts.of(rule, check)
    }

    /// How many findings of the check were reported.
    pub(crate) fn reported(&self, check: &'static Check) -> usize {
        let mine = |reported: &&Reported| reported.place == self.place && reported.check == check.id;
        self.found.reported.iter().filter(mine).count()
    }

    /// Whether the finding would repeat one that was reported.
    pub(crate) fn repeats(&self, finding: &Finding) -> bool {
        self.found.reported.contains(&self.key(finding))
    }

    /// Whether the stream was named as another binary protocol.
    pub(crate) fn other_protocol(&self) -> bool {
        self.other_protocol
    }

    fn key(&self, finding: &Finding) -> Reported {
        let (severity, verb) = match finding.check.scope {
            Scope::Server => (Some(self.selection.severity(self.place, finding)), None),
            Scope::Session => (None, finding.verb.clone()),
        };
        Reported { place: self.place, check: finding.check.id, severity, verb }
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
        let place = u8::try_from(self.place).unwrap_or(u8::MAX).saturating_add(1);
        self.out.push(Verdict { place, what });
    }
}

/// Whether two deferred findings are one.
fn same(one: &Finding, other: &Finding) -> bool {
    std::ptr::eq(one.check, other.check) && one.verb == other.verb
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
        assert_eq!(dialogue.limits().get("findings-per-rule"), 1);
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
