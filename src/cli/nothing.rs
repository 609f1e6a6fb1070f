//! What was not judged: SMTP on ports that were not analysed, a scan that followed no session at all, and one whose filters
//! leave none, with what to do about it. Silence is not to be taken for a clean result.

use std::fmt::Write as _;

use crate::base::meaning::Meaning;
use crate::decode::Reason;
use crate::engine::Outcome;
use crate::ledger::elsewhere::Line;
use crate::report::meaning;

/// Where SMTP was seen that was not analysed, and the option that takes it in.
pub(super) fn elsewhere(outcome: &Outcome, ports: &[u16]) -> Option<String> {
    let line = Line(&outcome.elsewhere);
    let mut ports: Vec<u16> = ports.iter().copied().chain(line.named().iter().map(|n| n.server.port)).collect();
    ports.sort_unstable();
    ports.dedup();
    (!outcome.elsewhere.is_empty())
        .then(|| format!("SMTP was seen on {line}; add --port {} to analyse it", list(&ports)))
}

/// That there are sessions, but none that the filters leave: perhaps one of them is not what was meant.
pub(super) fn reported(outcome: &Outcome) -> Option<String> {
    let sessions = match outcome.sessions {
        1 => "the only session does not pass".to_owned(),
        sessions => format!("none of the {sessions} sessions passes"),
    };
    (outcome.sessions > 0 && outcome.reported == 0).then(|| format!("nothing to report: {sessions} the filters"))
}

/// Why no session was followed, where none was, in one line that says what to do.
pub(super) fn judged(outcome: &Outcome, ports: &[u16]) -> Option<String> {
    if outcome.sessions > 0 {
        return None;
    }
    let why = elsewhere(outcome, ports).unwrap_or_else(|| match most_skipped(outcome) {
        _ if outcome.packets == 0 => "no packet was read".to_owned(),
        _ if outcome.connections > 0 => format!("the connections to port {} carried no data", list(ports)),
        Some((reason, packets)) => skipped(reason, packets, outcome.packets),
        None => "no connection was captured".to_owned(),
    });
    Some(format!("nothing was judged: {why}. --allow-nothing accepts that."))
}

/// Why most packets were skipped.
fn most_skipped(outcome: &Outcome) -> Option<(Reason, u64)> {
    // Of equal ones the first.
    let rows = outcome.skips.iter().map(|(reason, skipped)| (reason, skipped.packets));
    rows.reduce(|most, next| if next.1 > most.1 { next } else { most })
}

fn skipped(reason: Reason, packets: u64, all: u64) -> String {
    let number = if packets == all { format!("all {all}") } else { format!("{packets} of {all}") };
    let Meaning { what, advice, .. } = meaning::of(reason.key());
    let advice = advice.map(|advice| format!(". {}", advice.trim_end_matches('.'))).unwrap_or_default();
    format!("{number} packets were skipped: {what}{advice}")
}

fn list(ports: &[u16]) -> String {
    ports.iter().enumerate().fold(String::new(), |mut text, (nth, port)| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{}{port}", if nth > 0 { "," } else { "" });
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Endpoint, Ordinal};
    use crate::decode::{Layer, Skip, Skips};
    use crate::ledger::Noticed;

    fn skipping(reasons: &[(Reason, u64)]) -> Outcome {
        let mut skips = Skips::default();
        for &(reason, packets) in reasons {
            (0..packets).for_each(|nth| skips.next(Ordinal::of(nth), Skip { reason, layer: Layer::Ip, offset: 0 }));
        }
        Outcome { packets: 12, skips, ..Outcome::default() }
    }

    #[test]
    fn why_nothing_was_judged_is_told_with_what_to_do() {
        let told = |outcome: &Outcome| judged(outcome, &[25]).unwrap();
        for (outcome, why) in [
            (Outcome::default(), "no packet was read"),
            (
                Outcome { packets: 3, connections: 1, ..Outcome::default() },
                "the connections to port 25 carried no data",
            ),
            (Outcome { packets: 3, ..Outcome::default() }, "no connection was captured"),
            (
                skipping(&[(Reason::Vxlan, 12)]),
                "all 12 packets were skipped: VXLAN. mailtap does not look inside. Capture where this encapsulation has been \
                 removed",
            ),
            (
                skipping(&[(Reason::NotIp, 3), (Reason::OtherPort, 9)]),
                "9 of 12 packets were skipped: TCP on other ports. If mail runs on other ports too, name them with --port",
            ),
            (
                skipping(&[(Reason::NotIp, 6), (Reason::NotTcp, 6)]),
                "6 of 12 packets were skipped: IP, but not TCP (UDP, ICMP and the like)",
            ),
        ] {
            assert_eq!(told(&outcome), format!("nothing was judged: {why}. --allow-nothing accepts that."));
        }
        assert_eq!(judged(&Outcome { sessions: 1, ..skipping(&[(Reason::Vxlan, 9)]) }, &[25]), None);
    }

    #[test]
    fn smtp_on_other_ports_is_told_with_all_ports_to_ask_for() {
        let server = |port| Endpoint { ip: [192, 0, 2, 9].into(), port };
        let noticed = |port, packets| Noticed { server: server(port), first: Ordinal::of(1), packets };
        let outcome = Outcome { elsewhere: vec![noticed(2525, 412), noticed(587, 1)], ..skipping(&[]) };
        let hint = "SMTP was seen on 192.0.2.9:2525 (412 packets), 192.0.2.9:587 (1 packet); add --port 25,587,2525 \
                    to analyse it";
        assert_eq!(elsewhere(&outcome, &[25]).unwrap(), hint);
        assert_eq!(
            judged(&outcome, &[25]).unwrap(),
            format!("nothing was judged: {hint}. --allow-nothing accepts that.")
        );
        assert_eq!(elsewhere(&skipping(&[(Reason::OtherPort, 1)]), &[25]), None);
    }
}
