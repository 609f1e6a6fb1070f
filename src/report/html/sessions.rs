//! The table of sessions: all of them, or where there are too many those with findings, the worst first; and counts of how much of
//! all sessions was read.
//!
//! Bounds: [`MOST`] rows, [`MOST_OPEN`] open sessions with findings.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::Known;
use crate::record::{Closed, End, Finding, Session, SessionId, TlsState, When};
use crate::report::figures::{count, counted};
use crate::rules::Severity;

use super::line::Line;

/// Rows of the table.
const MOST: usize = 1_000;
/// Open sessions of which it is known how bad their findings are.
const MOST_OPEN: usize = 1 << 16;

/// A row of the table.
#[derive(Debug)]
pub(super) struct Seen {
    pub session: SessionId,
    pub start: When,
    pub client: End,
    pub server: Known,
    pub helo: Option<Line>,
    pub commands: u64,
    /// What came of it, in words.
    pub course: Line,
    /// Its findings: the worst, and how many.
    pub worst: Option<Severity>,
    pub findings: u64,
    pub capture: Arc<str>,
    pub first_frame: u64,
    /// Nothing where that is in another capture.
    pub last_frame: Option<u64>,
}

/// All sessions, while they end.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    /// The worst first, then in the order in which they ended.
    kept: BTreeMap<(Reverse<Option<Severity>>, u64), Seen>,
    /// The worst finding of sessions that are open.
    open: BTreeMap<SessionId, Severity>,
    pub counts: Counts,
}

/// How much of all sessions was read; each is counted once, where the first of these is true.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// What came after TLS began was not read.
    pub encrypted: u64,
    /// Bytes are missing.
    pub lossy: u64,
    /// Its beginning or its end was not captured.
    pub partial: u64,
    /// From start to end.
    pub whole: u64,
}

impl Counts {
    pub(super) fn all(self) -> u64 {
        [self.encrypted, self.lossy, self.partial, self.whole].into_iter().fold(0, u64::saturating_add)
    }
}

impl Sessions {
    pub(super) fn found(&mut self, finding: &Finding) {
        if self.open.len() < MOST_OPEN || self.open.contains_key(&finding.session) {
            let worst = self.open.entry(finding.session).or_insert(finding.severity);
            *worst = finding.severity.max(*worst);
        }
    }

    pub(super) fn ended(&mut self, session: &Session) {
        let nth = self.counts.all();
        let lost = session.missing_bytes.client > 0 || session.missing_bytes.server > 0;
        let counter = match session {
            Session { tls, .. } if tls.state.is_encrypted() => &mut self.counts.encrypted,
            _ if lost => &mut self.counts.lossy,
            Session { complete: false, .. } => &mut self.counts.partial,
            _ => &mut self.counts.whole,
        };
        *counter = counter.saturating_add(1);
        let worst = self.open.remove(&session.session);
        self.kept.insert((Reverse(worst), nth), Seen::of(session, worst));
        if self.kept.len() > MOST {
            self.kept.pop_last();
        }
    }

    /// The rows in the order in which they began, and how many there are no rows of.
    pub(super) fn rows(&self) -> (Vec<&Seen>, u64) {
        let mut rows: Vec<&Seen> = self.kept.values().collect();
        rows.sort_by_key(|seen| (seen.start, seen.session));
        let more = self.counts.all().saturating_sub(rows.len() as u64);
        (rows, more)
    }
}

impl Seen {
    fn of(session: &Session, worst: Option<Severity>) -> Self {
        Seen {
            session: session.session,
            start: session.start,
            client: session.client,
            server: session.server.known(),
            helo: session.helo.as_ref().map(|helo| Line::of(&helo.argument)),
            commands: session.commands,
            course: Line::of(&course(session)),
            worst,
            findings: session.findings.values().fold(0, |sum, times| sum.saturating_add(*times)),
            capture: Arc::clone(&session.capture),
            first_frame: session.first_frame,
            last_frame: (session.last_capture == session.capture).then_some(session.last_frame),
        }
    }
}

/// What came of a session: mails, logins, TLS, what is missing, and an end that is none of a whole session.
fn course(session: &Session) -> String {
    let mut parts = Vec::new();
    let mails = session.transactions.len() as u64;
    let accepted =
        session.transactions.iter().filter(|mail| mail.code.is_some_and(|code| code / 100 == 2)).count() as u64;
    match (mails, accepted) {
        (0, _) => {}
        (mails, accepted) if accepted == mails => parts.push(format!("{} accepted", counted(mails, "mail", "mails"))),
        (1, _) => parts.push("mail not accepted".to_owned()),
        (mails, accepted) => parts.push(format!("{} of {} mails accepted", count(accepted), count(mails))),
    }
    if let Some(auth) = session.auth.last() {
        let outcome = match auth.code.map(|code| code / 100) {
            Some(2) => "accepted",
            Some(_) => "refused",
            None => "unanswered",
        };
        parts.push(format!("login by {} {outcome}", auth.mechanism));
    }
    let version = session.tls.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    match session.tls.state {
        TlsState::Started => parts.push(format!("STARTTLS, TLS{version}")),
        TlsState::Implicit => parts.push(format!("TLS{version} from the first byte")),
        TlsState::Failed => parts.push("TLS failed".to_owned()),
        TlsState::Decrypted => parts.push("TLS, decrypted".to_owned()),
        _ => {}
    }
    let missing = session.missing_bytes.client.saturating_add(session.missing_bytes.server);
    if missing > 0 {
        parts.push(format!("{} missing", counted(missing, "byte", "bytes")));
    }
    match session.closed {
        Closed::Rst => parts.push("reset".to_owned()),
        Closed::Timeout => parts.push("timed out".to_owned()),
        Closed::EndOfCapture => parts.push("open at the end of the capture".to_owned()),
        Closed::Evicted => parts.push("dropped to stay below a limit".to_owned()),
        _ => {}
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Record, testing};

    fn session(nth: u64) -> Session {
        let Record::Session(session) = testing::session() else { unreachable!("a session's record") };
        Session { session: serde_json::from_str(&format!("\"{nth:016x}\"")).unwrap(), ..*session }
    }

    #[test]
    fn of_too_many_sessions_those_without_findings_go_first() {
        let mut sessions = Sessions::default();
        for nth in 0..=MOST as u64 {
            if nth == MOST as u64 {
                let Record::Finding(finding) = testing::finding() else { unreachable!("a finding's record") };
                sessions.found(&Finding { session: session(nth).session, ..*finding });
            }
            sessions.ended(&session(nth));
        }
        let (rows, more) = sessions.rows();
        assert_eq!((rows.len(), more), (MOST, 1));
        let last = rows.last().unwrap();
        assert_eq!((last.session, last.worst), (session(MOST as u64).session, Some(Severity::Low)));
        assert_eq!(rows[MOST - 2].session, session(MOST as u64 - 2).session);
    }

    #[test]
    fn what_came_of_a_session_is_said_in_a_few_words() {
        let mut session = session(1);
        assert_eq!(course(&session), "1 mail accepted, login by PLAIN accepted, 6 bytes missing");
        session.auth.clear();
        session.transactions[0].code = Some(550);
        session.tls.state = TlsState::Started;
        session.tls.version = Some("1.3".into());
        session.missing_bytes.server = 0;
        session.closed = Closed::Fin;
        assert_eq!(course(&session), "mail not accepted, STARTTLS, TLS 1.3");
    }
}
