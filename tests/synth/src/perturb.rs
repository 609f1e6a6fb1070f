//! What happens to segments between the stacks and the capture file: sent again, lost at the capture point,
//! captured twice, out of order, or late. What the two stacks know is untouched.

use crate::exchange::{Control, Segment};
use crate::plan::Plan;
use crate::rng::Rng;

/// The segments as the capture holds them, in its order.
pub fn perturb(segments: Vec<Segment>, plan: &Plan) -> Vec<Segment> {
    // Each kind has numbers of its own, so that one does not move another.
    let rng = |kind: u64| Rng::new(plan.seed.wrapping_mul(0x0100_0000_01b3) ^ kind);
    let segments = retransmitted(segments, plan, &mut rng(1));
    let segments = captured(segments, plan, &mut rng(2));
    let segments = duplicated(segments, plan, &mut rng(3));
    let segments = reordered(segments, plan, &mut rng(4));
    delayed(segments, plan)
}

/// The longest time that anything comes late at the capture point.
const LATEST: u64 = 900_000_000;

/// Nanoseconds between a packet and another that was put behind it.
const BEHIND: u64 = 1000;

/// A data segment sent again a few packets later carries what its sender acknowledges by then.
fn retransmitted(segments: Vec<Segment>, plan: &Plan, rng: &mut Rng) -> Vec<Segment> {
    let mut out: Vec<Segment> = Vec::with_capacity(segments.len());
    let mut waiting: Vec<(usize, Segment)> = Vec::new();
    for segment in segments {
        let again = segment.captured
            && segment.offset.is_some()
            && segment.control != Control::Syn
            && rng.chance(plan.retransmit);
        let copy = again.then(|| (rng.between(1, 4), segment.clone()));
        let last = segment.control == Control::Rst;
        out.push(segment);
        for (left, _) in &mut waiting {
            *left = left.saturating_sub(1);
        }
        waiting.extend(copy);
        let mut position = 0;
        while let Some((left, _)) = waiting.get(position) {
            if *left == 0 && !last {
                let (_, copy) = waiting.remove(position);
                out.push(sent_again(copy, &out));
            } else {
                position += 1;
            }
        }
    }
    out
}

fn sent_again(mut copy: Segment, before: &[Segment]) -> Segment {
    let same = |segment: &&Segment| (segment.connection, segment.side) == (copy.connection, copy.side);
    if let Some(latest) = before.iter().rev().find(same) {
        copy.ack = latest.ack;
    }
    copy.time = before.last().map_or(copy.time, |segment| segment.time + BEHIND);
    copy.id = copy.id.wrapping_add(0x4000);
    copy
}

fn captured(mut segments: Vec<Segment>, plan: &Plan, rng: &mut Rng) -> Vec<Segment> {
    segments.retain(|segment| {
        segment.captured && !(segment.offset.is_some() && segment.control != Control::Syn && rng.chance(plan.drop))
    });
    segments
}

fn duplicated(segments: Vec<Segment>, plan: &Plan, rng: &mut Rng) -> Vec<Segment> {
    let mut out = Vec::with_capacity(segments.len());
    for segment in segments {
        let copy = rng.chance(plan.duplicate).then(|| Segment { time: segment.time + BEHIND, ..segment.clone() });
        out.push(segment);
        out.extend(copy);
    }
    out
}

/// A data segment changes places with the next one of its side, at most three packets later.
fn reordered(mut segments: Vec<Segment>, plan: &Plan, rng: &mut Rng) -> Vec<Segment> {
    let mut at = 0;
    while let Some(segment) = segments.get(at) {
        let later = |other: &Segment| {
            (other.connection, other.side) == (segment.connection, segment.side)
                && other.offset.is_some_and(|offset| Some(offset) > segment.offset)
                && other.time - segment.time < LATEST
        };
        let found = if segment.offset.is_some() && segment.control != Control::Syn && rng.chance(plan.reorder) {
            segments.iter().enumerate().skip(at + 1).take(3).find(|(_, other)| later(other)).map(|(found, _)| found)
        } else {
            None
        };
        if let Some(found) = found {
            // Times belong to places in the capture, not to segments.
            let (early, late) = (segment.time, segments[found].time);
            segments.swap(at, found);
            (segments[at].time, segments[found].time) = (early, late);
            at = found;
        }
        at += 1;
    }
    segments
}

/// Each packet of a late direction is captured behind the packet that came so many places after it.
fn delayed(mut segments: Vec<Segment>, plan: &Plan) -> Vec<Segment> {
    let times: Vec<u64> = segments.iter().map(|segment| segment.time).collect();
    let last = times.last().copied().unwrap_or(0);
    for (at, segment) in segments.iter_mut().enumerate() {
        let late = plan.delay[segment.side.index()];
        if late > 0 {
            let behind = times.get(at + late).copied().unwrap_or(last) + BEHIND;
            segment.time = behind.min(segment.time + LATEST);
        }
    }
    segments.sort_by_key(|segment| segment.time);
    segments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialogue::{Dialogue, SECOND, Side};
    use crate::exchange::exchange;

    fn talk() -> Vec<Segment> {
        let text = "S: 220 mx\nC: HELP\nS: 214 no\n@ +5s\nC: NOOP\nS: 250 ok\nC: QUIT\nS: 221 bye\n";
        exchange(&Dialogue::parse(text).unwrap(), &Plan::new()).segments
    }

    fn of_side(segments: &[Segment], side: Side) -> Vec<(u32, Vec<u8>)> {
        let own = segments.iter().filter(|segment| segment.side == side);
        own.map(|segment| (segment.seq, segment.payload.clone())).collect()
    }

    #[test]
    fn a_late_direction_keeps_its_own_order_and_is_less_than_a_second_late() {
        for late in [1, 3, 50] {
            let (on_time, delayed) = (talk(), perturb(talk(), &Plan::new().delay([0, late])));
            assert_ne!(on_time, delayed);
            for side in Side::BOTH {
                assert_eq!(of_side(&on_time, side), of_side(&delayed, side));
            }
            assert!(delayed.is_sorted_by_key(|segment| segment.time));
            let times = |segments: &[Segment]| -> Vec<u64> {
                segments.iter().filter(|segment| segment.side == Side::Server).map(|segment| segment.time).collect()
            };
            assert!(times(&on_time).into_iter().zip(times(&delayed)).all(|(was, is)| is > was && is - was < SECOND));
        }
    }

    #[test]
    fn each_perturbation_changes_only_what_it_names() {
        let clean = talk();
        let more = |plan: Plan| perturb(talk(), &plan).len() - clean.len();
        assert_eq!(more(Plan::new().duplicate(1000)), clean.len());
        assert_eq!(more(Plan::new().retransmit(1000)), 7, "one for each line, but for those at the very end");
        let dropped = perturb(talk(), &Plan::new().drop(1000));
        assert!(dropped.iter().all(|segment| segment.offset.is_none()) && !dropped.is_empty());
    }

    #[test]
    fn what_is_sent_again_acknowledges_what_its_sender_knows_by_then() {
        let (first, again): (Vec<Segment>, Vec<Segment>) = perturb(talk(), &Plan::new().retransmit(1000))
            .into_iter()
            .filter(|segment| segment.offset.is_some())
            .partition(|segment| segment.time % Plan::new().pace == 0);
        let copies = again.iter().filter_map(|copy| {
            let original = first.iter().find(|segment| (segment.side, segment.seq) == (copy.side, copy.seq))?;
            Some(copy.ack >= original.ack && copy.time > original.time)
        });
        assert!(copies.clone().count() > 0 && copies.into_iter().all(|newer| newer));
    }
}
