//! Replies given anew, driven by operations: commands sent, answered, forgotten.
#![expect(clippy::arithmetic_side_effects, reason = "small numbers of the tests' own")]
use proptest::prelude::*;

use super::*;

const KINDS: [Kind; 7] = [Kind::Data, Kind::Message, Kind::Auth, Kind::Help, Kind::Quit, Kind::Verify, Kind::Other];

/// What a server may answer to a command of that kind.
pub(super) fn codes(kind: Kind) -> &'static [u16] {
    match kind {
        Kind::Data => &[354, 503, 451],
        Kind::Message => &[250, 554],
        Kind::Auth => &[334, 535],
        Kind::Help => &[214, 211, 500],
        Kind::Quit => &[221],
        Kind::Verify => &[252, 550],
        Kind::Other => &[250, 550],
    }
}

/// One thing that happens between a client and its server.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The client sends a command of that kind.
    Command(Kind),
    /// The server answers the oldest, with the code at that place.
    Answer(usize),
    /// The server never answers the oldest.
    Forget,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::sample::select(KINDS.to_vec()).prop_map(Step::Command),
        6 => (0..3_usize).prop_map(Step::Answer),
        1 => Just(Step::Forget),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens: a shift is given only where the oldest contradicts, every reply fits under it, and none that
    /// passes over fewer commands does.
    #[test]
    fn what_is_given_anew_fits(steps in prop::collection::vec(step(), 1..40)) {
        let (mut open, mut slots, mut replies, mut sent) = (VecDeque::new(), Vec::new(), Vec::new(), 0_u64);
        for step in steps {
            match step {
                Step::Command(kind) => {
                    sent += 10;
                    open.push_back(kind);
                    slots.push(Slot { kind, end: sent });
                }
                Step::Answer(place) => {
                    let Some(kind) = open.pop_front() else { continue };
                    let codes = codes(kind);
                    replies.push(Spoken { code: codes[place % codes.len()], seen: Some(sent) });
                }
                Step::Forget => drop(open.pop_front()),
            }
        }
        let fits = |kept: usize, by: i64| (0_i64..).zip(&replies).skip(kept).all(|(nth, reply)| {
            usize::try_from(nth + by).is_err() || slots.get(usize::try_from(nth + by).unwrap())
                .is_some_and(|slot| slot.kind.fits(reply.code) && reply.seen >= Some(slot.end))
        });
        if let Some(Shift { kept, by }) = realign(&slots, &replies) {
            prop_assert!(fits(kept, by), "{kept} {by}");
            prop_assert!((1..by).all(|less| (0..=kept).all(|kept| !fits(kept, less))), "{kept} {by}");
            prop_assert!((0..kept).all(|fewer| !fits(fewer, by)), "{kept} {by}");
        } else {
            prop_assert!((0..replies.len()).all(|kept| (1..=32).all(|by| !fits(kept, by))));
        }
    }
}

fn slots(kinds: &[Kind]) -> Vec<Slot> {
    (1..).zip(kinds).map(|(place, &kind)| Slot { kind, end: place * 10 }).collect()
}

fn replies(codes: &[u16], seen: u64) -> Vec<Spoken> {
    codes.iter().map(|&code| Spoken { code, seen: Some(seen) }).collect()
}

#[expect(clippy::unnecessary_wraps, reason = "what is asserted is an option")]
fn shift(kept: usize, by: i64) -> Option<Shift> {
    Some(Shift { kept, by })
}

#[test]
fn what_was_answered_before_it_stays() {
    let commands = slots(&[Kind::Other, Kind::Other, Kind::Other, Kind::Help]);
    let replies: Vec<Spoken> =
        [(250, 10), (250, 30), (214, 40)].map(|(code, seen)| Spoken { code, seen: Some(seen) }).into();
    assert_eq!(realign(&commands, &replies), shift(1, 1));
}

#[test]
fn a_command_that_was_never_answered_is_passed_over() {
    let commands = slots(&[Kind::Other, Kind::Other, Kind::Other, Kind::Data]);
    assert_eq!(realign(&commands, &replies(&[250, 250, 354], 40)), shift(0, 1));
}

#[test]
fn a_reply_that_nobody_asked_for_is_left_out() {
    let commands = slots(&[Kind::Other, Kind::Help, Kind::Quit]);
    assert_eq!(realign(&commands, &replies(&[500, 500, 214], 30)), shift(0, -1));
}

#[test]
fn a_reply_fits_no_command_that_its_server_had_not_seen() {
    let commands = slots(&[Kind::Other, Kind::Help]);
    assert_eq!(realign(&commands, &replies(&[214], 20)), shift(0, 1));
    assert_eq!(realign(&commands, &replies(&[214], 10)), None);
}
