#![expect(clippy::arithmetic_side_effects, reason = "tests cut their datagrams at small numbers")]

use proptest::collection::vec;
use proptest::prelude::*;

use super::Shard as Defrag;
use super::*;
use crate::base::Time;

const TCP: u8 = 6;

fn defrag() -> Defrag {
    Defrag::new(&Limits::default(), &Timeouts::default())
}

/// With a limit of `bytes`.
fn bounded(bytes: usize) -> Defrag {
    let mut limits = Limits::default();
    limits.set(Limit::FragmentBytes, bytes as u64);
    Defrag::new(&limits, &Timeouts::default())
}

fn at(ordinal: u64) -> Moment {
    Moment { ordinal: Ordinal::of(ordinal), time: Time::default() }
}

fn tick(seconds: i64) -> Tick {
    Tick { time: Time(seconds * Time::SECOND), nth: 0 }
}

/// An IPv4 fragment of datagram 1.
fn v4(offset: u32, more: bool, payload: &[u8]) -> Fragment<'_> {
    Fragment {
        source: IpAddr::from([192, 0, 2, 1]),
        destination: IpAddr::from([198, 51, 100, 25]),
        identification: 1,
        protocol: TCP,
        offset,
        more,
        payload,
        missing: 0,
    }
}

fn v6(offset: u32, more: bool, payload: &[u8]) -> Fragment<'_> {
    let ip = |last| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last]);
    Fragment { source: ip(1), destination: ip(25), ..v4(offset, more, payload) }
}

/// Hands the fragments over as packets 0, 1, 2, ...; the last answer.
fn hand_over(defrag: &mut Defrag, fragments: &[Fragment<'_>]) -> Option<Datagram> {
    let mut last = None;
    for (ordinal, fragment) in fragments.iter().enumerate() {
        assert_eq!(last, None, "complete before its time");
        last = defrag.fragment(fragment, at(ordinal as u64));
    }
    last
}

fn payload_of(datagram: Option<Datagram>) -> Vec<u8> {
    datagram.expect("a datagram").payload
}

#[test]
fn in_order() {
    let mut defrag = defrag();
    let whole = hand_over(&mut defrag, &[v4(0, true, b"01234567"), v4(8, true, b"89abcdef"), v4(16, false, b"xyz")]);
    let expected = Datagram {
        source: IpAddr::from([192, 0, 2, 1]),
        destination: IpAddr::from([198, 51, 100, 25]),
        protocol: TCP,
        payload: b"0123456789abcdefxyz".to_vec(),
        missing: 0,
        at: at(2),
        fragments: [0, 1, 2].map(Ordinal::of).to_vec(),
    };
    assert_eq!(whole, Some(expected));
    assert_eq!((defrag.held_bytes(), defrag.counts()), (0, &Counts::default()));
}

#[test]
fn in_any_order() {
    let parts = [v4(0, true, b"01234567"), v4(8, true, b"89abcdef"), v4(16, false, b"xyz")];
    for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let whole = hand_over(&mut defrag(), &order.map(|n: usize| parts[n]));
        assert_eq!(payload_of(whole), b"0123456789abcdefxyz", "{order:?}");
    }
}

#[test]
fn repeated_fragments_change_nothing() {
    let mut defrag = defrag();
    let first = v4(0, true, b"01234567");
    let whole = hand_over(&mut defrag, &[first, first, first, v4(8, false, b"89")]).unwrap();
    assert_eq!((whole.payload, whole.fragments), (b"0123456789".to_vec(), [0, 3].map(Ordinal::of).to_vec()));
    assert_eq!(defrag.counts(), &Counts::default());
}

#[test]
fn of_overlapping_bytes_the_first_copy_wins_and_it_is_counted() {
    let mut defrag = defrag();
    let fragments = [v4(8, true, b"AAAAAAAA"), v4(0, true, b"bbbbbbbbBBBBBBBBbbbbbbbb"), v4(24, false, b"c")];
    assert_eq!(payload_of(hand_over(&mut defrag, &fragments)), b"bbbbbbbbAAAAAAAAbbbbbbbbc");
    assert_eq!(defrag.counts().overlaps, 1);
}

#[test]
fn the_same_place_with_other_bytes_is_an_overlap() {
    let mut defrag = defrag();
    let fragments = [v4(0, true, b"01234567"), v4(0, true, b"76543210"), v4(8, false, b"89")];
    assert_eq!(payload_of(hand_over(&mut defrag, &fragments)), b"0123456789");
    assert_eq!(defrag.counts().overlaps, 1);
}

#[test]
fn an_ipv6_datagram_with_overlaps_is_dropped_whole() {
    let mut defrag = defrag();
    let fragments = [v6(0, true, b"0123456789abcdef"), v6(8, true, b"89abcdef")];
    assert_eq!(hand_over(&mut defrag, &fragments), None);
    assert_eq!((defrag.held_bytes(), defrag.counts().not_analysed.get(OVERLAPPING)), (0, 2));
    // An exact repetition is none (RFC 8200 section 4.5).
    let fragments = [v6(0, true, b"01234567"), v6(0, true, b"01234567"), v6(8, false, b"89")];
    assert_eq!(payload_of(hand_over(&mut defrag, &fragments)), b"0123456789");
}

#[test]
fn the_protocol_of_an_ipv6_datagram_is_that_of_its_first_fragment() {
    let options = Fragment { protocol: 60, ..v6(0, true, b"01234567") };
    let whole = hand_over(&mut defrag(), &[v6(8, false, b"89"), options]);
    assert_eq!(whole.map(|datagram| datagram.protocol), Some(60));
}

#[test]
fn datagrams_are_kept_apart() {
    let first = v4(0, true, b"01234567");
    let last = v4(8, false, b"89");
    for other in [
        Fragment { identification: 2, ..last },
        Fragment { protocol: 51, ..last },
        Fragment { source: last.destination, destination: last.source, ..last },
        Fragment { destination: IpAddr::from([198, 51, 100, 26]), ..last },
        v6(8, false, b"89"),
    ] {
        let mut defrag = defrag();
        assert_eq!(hand_over(&mut defrag, &[first, other]), None, "{other:?}");
        assert_eq!(payload_of(defrag.fragment(&last, at(9))), b"0123456789");
    }
}

#[test]
fn the_first_octet_that_was_not_captured_ends_the_payload() {
    let cut = Fragment { missing: 4, ..v4(8, true, b"89ab") };
    let whole = hand_over(&mut defrag(), &[v4(0, true, b"01234567"), cut, v4(16, false, b"xyz")]).unwrap();
    assert_eq!((whole.payload.as_slice(), whole.missing), (&b"0123456789ab"[..], 7));
}

#[test]
fn what_no_receiver_takes_is_refused() {
    let mut defrag = defrag();
    let cut = Fragment { missing: u32::MAX, ..v4(0, true, b"01234567") };
    for (refused, fragment) in [
        (1, v4(0, true, b"")),               // nothing in it
        (2, v4(0, true, b"0123456")),        // an odd length, though more follow
        (3, v4(65_528, false, b"01234567")), // beyond 65,535
        (4, cut),                            // far beyond
        (5, Fragment { offset: u32::MAX, ..v4(0, false, b"0") }),
    ] {
        assert_eq!(defrag.fragment(&fragment, at(0)), None);
        assert_eq!(defrag.counts().not_analysed.get(REFUSED), refused, "{fragment:?}");
    }
    assert_eq!(defrag.held_bytes(), 0);
    assert_eq!(defrag.fragment(&v4(65_528, false, b"0123456"), at(0)), None);
    assert_eq!(defrag.counts().not_analysed.get(REFUSED), 5);
}

#[test]
fn a_datagram_has_one_end() {
    let mut defrag = defrag();
    assert_eq!(hand_over(&mut defrag, &[v4(8, true, b"89abcdef"), v4(8, false, b"89")]), None);
    assert_eq!(defrag.counts().not_analysed.get(REFUSED), 1, "an end before what is there");
    assert_eq!(hand_over(&mut defrag, &[v4(16, false, b"x"), v4(16, false, b"xy"), v4(16, true, b"xxxxxxxx")]), None);
    assert_eq!(defrag.counts().not_analysed.get(REFUSED), 3, "another end, and more beyond it");
    assert_eq!(payload_of(defrag.fragment(&v4(0, true, b"01234567"), at(9))), b"0123456789abcdefx");
}

#[test]
fn what_waits_longer_than_thirty_seconds_is_given_up_at_a_tick() {
    let mut defrag = defrag();
    defrag.fragment(&v4(0, true, b"01234567"), at(0));
    defrag.fragment(&v4(8, true, b"89abcdef"), at(1));
    defrag.tick(tick(30));
    assert_eq!(defrag.counts().not_analysed.get(INCOMPLETE), 0);
    defrag.tick(tick(31));
    assert_eq!((defrag.held_bytes(), defrag.counts().not_analysed.get(INCOMPLETE)), (0, 2));
    assert_eq!(defrag.fragment(&v4(16, false, b"x"), at(2)), None);
}

#[test]
fn a_clock_that_was_rebased_gives_up_what_it_left_behind() {
    let mut defrag = defrag();
    let later = Moment { time: Time(1000 * Time::SECOND), ..at(0) };
    defrag.fragment(&v4(0, true, b"01234567"), later);
    defrag.tick(tick(5));
    assert_eq!(defrag.counts().not_analysed.get(INCOMPLETE), 1);
}

#[test]
fn the_end_of_the_capture_counts_what_waits() {
    let mut defrag = defrag();
    defrag.fragment(&v4(0, true, b"01234567"), at(0));
    defrag.fragment(&v6(8, false, b"89"), at(1));
    defrag.finish();
    assert_eq!((defrag.held_bytes(), defrag.counts().not_analysed.get(INCOMPLETE)), (0, 2));
}

#[test]
fn above_the_limit_the_datagram_that_began_first_goes() {
    let mut defrag = bounded(2 * (DATAGRAM_COST + PIECE_COST + 8));
    let of = |identification, offset| Fragment { identification, ..v4(offset, offset == 0, b"01234567") };
    // The smaller identification began later: it is not the order of the keys.
    defrag.fragment(&of(9, 0), at(0));
    defrag.fragment(&of(5, 0), at(1));
    assert!(defrag.counts().limits_hit.is_empty());
    defrag.fragment(&of(1, 0), at(2));
    assert_eq!(defrag.counts().limits_hit.get("fragment_bytes"), 1);
    assert_eq!(defrag.counts().not_analysed.get(INCOMPLETE), 1);
    assert!(defrag.fragment(&of(5, 8), at(3)).is_some());
    assert!(defrag.fragment(&of(1, 8), at(4)).is_some());
    assert!(defrag.fragment(&of(9, 8), at(5)).is_none());
}

#[test]
fn a_datagram_in_too_many_pieces_is_given_up() {
    let mut defrag = defrag();
    for n in 0..=MOST_PIECES {
        let offset = u32::try_from(n * 16).unwrap();
        defrag.fragment(&v4(offset, true, b"01234567"), at(n as u64));
    }
    assert_eq!(defrag.counts().limits_hit.get(TOO_MANY_PIECES), 1);
    assert_eq!(defrag.counts().not_analysed.get(INCOMPLETE), MOST_PIECES as u64 + 1);
    assert_eq!(defrag.held_bytes(), 0);
}

#[test]
fn each_shard_has_its_part_of_the_limit_and_the_longest_datagram_in_it() {
    let mut whole = super::Defrag::new(&Limits::default(), &Timeouts::default());
    let payload = vec![7; 60_000];
    let fragment = |identification| Fragment { identification, ..v4(0, true, &payload) };
    let (mut shards, mut most) = (std::collections::BTreeSet::new(), 0);
    for number in 0..2000 {
        let fragment = fragment(number);
        shards.insert(Key::of(&fragment).shard());
        assert_eq!(whole.fragment(&fragment, at(number.into())), None);
        most = most.max(whole.shards.iter().map(Shard::held_bytes).max().unwrap());
    }
    assert_eq!(shards.len(), FlowKey::SHARDS);
    assert!((900_000..=1 << 20).contains(&most), "{most}");
    assert!(whole.counts().limits_hit.get(Limit::FragmentBytes.key()) > 500);
    let waits = fragment(1999);
    let last = Fragment { offset: 60_000, more: false, payload: b"end", ..waits };
    assert_eq!(whole.fragment(&last, at(2000)).unwrap().payload.len(), 60_003);
}

/// A fragment of one of a few datagrams, hostile as it may be.
fn any_fragment() -> impl Strategy<Value = (bool, u32, u32, bool, usize, u32)> {
    (any::<bool>(), 0..3_u32, 0..12_u32, any::<bool>(), 0..40_usize, prop_oneof![3 => Just(0), 1 => 0..20_u32])
}

proptest! {
    /// Any cut of a payload, handed over in any order, some parts twice, gives the payload.
    #[test]
    fn a_payload_cut_anywhere_is_put_together(
        units in 2..60_usize,
        cuts in vec(any::<prop::sample::Index>(), 0..10),
        order in vec(any::<prop::sample::Index>(), 0..20),
        six in any::<bool>(),
    ) {
        let payload: Vec<u8> = (0..units * 8 + 3).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let mut ends: Vec<usize> = cuts.iter().map(|cut| (cut.index(units) + 1) * 8).chain([payload.len()]).collect();
        ends.sort_unstable();
        ends.dedup();
        let mut start = 0;
        let mut parts = Vec::new();
        for end in ends {
            parts.push((start, end));
            start = end;
        }
        let make = |(start, end): (usize, usize)| {
            let build = if six { v6 } else { v4 };
            build(u32::try_from(start).unwrap(), end < payload.len(), &payload[start..end])
        };
        // Some parts in the given order, then all that were missing.
        let mut sequence: Vec<(usize, usize)> = order.iter().map(|index| parts[index.index(parts.len())]).collect();
        sequence.extend(&parts);
        let mut defrag = defrag();
        let whole = sequence.iter().zip(0..).find_map(|(&part, ordinal)| defrag.fragment(&make(part), at(ordinal)));
        let whole = whole.unwrap();
        prop_assert_eq!((whole.payload, whole.missing), (payload, 0));
        prop_assert_eq!(defrag.held_bytes(), 0);
        prop_assert_eq!(defrag.counts(), &Counts::default());
    }

    /// Whatever comes: the account is right, the limit holds, and every fragment is accounted for.
    #[test]
    fn hostile_fragments_stay_within_the_bounds(fragments in vec(any_fragment(), 0..80), limit in 0..3000_usize) {
        let bytes = [b'x'; 40];
        let mut defrag = bounded(limit);
        let mut whole = 0;
        for (&(six, identification, unit, more, length, missing), ordinal) in fragments.iter().zip(0..) {
            let build = if six { v6 } else { v4 };
            let fragment = Fragment { identification, missing, ..build(unit * 8, more, &bytes[..length]) };
            if let Some(datagram) = defrag.fragment(&fragment, at(ordinal)) {
                prop_assert!(datagram.payload.len() + datagram.missing as usize <= LONGEST as usize);
                whole += 1;
            }
            prop_assert!(defrag.held_bytes() <= limit);
            let held: usize = defrag.pending.values().map(|pending| pending.cost).sum();
            prop_assert_eq!(defrag.held_bytes(), held);
            prop_assert_eq!(defrag.pending.len(), defrag.oldest.len());
            for pending in defrag.pending.values() {
                prop_assert!(pending.pieces.is_sorted_by(|a, b| a.range.end <= b.range.start));
                let covered: u32 = pending.pieces.iter().map(|piece| piece.range.length()).sum();
                prop_assert_eq!(pending.covered, covered);
                let bytes: usize = pending.pieces.iter().map(|piece| piece.bytes.len() + PIECE_COST).sum();
                prop_assert_eq!(pending.cost, bytes + DATAGRAM_COST);
                prop_assert!(pending.total.is_none_or(|total| pending.pieces.iter().all(|p| p.range.end <= total)));
            }
        }
        defrag.finish();
        prop_assert_eq!(defrag.held_bytes(), 0);
        let useless = defrag.counts().not_analysed.total();
        prop_assert!(useless <= fragments.len() as u64);
        prop_assert!(whole > 0 || useless == fragments.len() as u64);
    }
}
