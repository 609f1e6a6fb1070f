//! The situations of DESIGN.md ("Causal order", "Several files", "Bounds"), one by one.

use super::lab::{Lab, Part, c, s, syn, syn_ack};
use crate::base::{Limit, Limits, PerSide, Side, Time, Timeouts};

mod in_order {
    use super::*;

    #[test]
    fn lines_are_handed_on_with_what_their_sender_knew() {
        let mut lab = Lab::established();
        lab.take([s(1, 1, "220 mx"), c(1, 7, "EHLO a"), s(7, 7, "250 ok")]);
        assert_eq!(lab.heard(), ["s 0 220 mx knew 0", "c 0 EHLO a knew 6", "s 6 250 ok knew 6"]);
        assert_eq!(lab.openings[0].opener, Some(Side::A));
        assert_eq!(lab.openings[0].from_start, PerSide { a: true, b: true });
    }

    #[test]
    fn sequence_numbers_wrap_in_both_directions() {
        let mut lab = Lab::new();
        (lab.client_isn, lab.server_isn) = (u32::MAX - 2, u32::MAX);
        lab.take([syn(), syn_ack(), c(1, 1, ""), s(1, 1, "220 mx"), c(1, 7, "EHLO a"), c(7, 7, "QUIT")]);
        assert_eq!(lab.heard(), ["s 0 220 mx knew 0", "c 0 EHLO a knew 6", "c 6 QUIT knew 6"]);
    }

    #[test]
    fn bytes_that_crossed_keep_capture_order() {
        let mut lab = Lab::established();
        lab.take([c(1, 1, "EHLO a"), s(1, 1, "220 mx")]);
        assert_eq!(lab.heard(), ["c 0 EHLO a knew 0", "s 0 220 mx knew 0"]);
    }

    #[test]
    fn out_of_order_segments_are_put_right() {
        let mut lab = Lab::established();
        lab.take([c(5, 1, "efgh"), c(9, 1, "ij")]);
        assert!(lab.heard().is_empty());
        lab.take([c(1, 1, "abcd")]);
        assert_eq!(lab.heard(), ["c 0 abcd knew 0", "c 4 efgh knew 0", "c 8 ij knew 0"]);
    }

    #[test]
    fn a_retransmission_is_handed_on_once() {
        let mut lab = Lab::established();
        lab.take([c(1, 1, "abcd"), c(1, 1, "abcd"), c(3, 1, "cdef"), c(1, 1, "abcdefgh")]);
        assert_eq!(lab.heard(), ["c 0 abcd knew 0", "c 4 ef knew 0", "c 6 gh knew 0"]);
    }

    #[test]
    fn of_an_overlap_the_first_copy_wins_and_the_difference_is_told() {
        let mut lab = Lab::established();
        lab.take([c(1, 1, "x"), c(4, 1, "cdef"), c(2, 1, "abCDef")]);
        assert_eq!(lab.heard(), ["c 0 x knew 0", "c 3 overlap of 2", "c 1 ab knew 0", "c 3 cdef knew 0"]);
        assert_eq!(lab.table.counters().overlaps, 1);
    }

    #[test]
    fn an_overlap_before_anything_was_handed_on_is_told_too() {
        let mut lab = Lab::established();
        lab.take([c(3, 1, "cd"), c(3, 1, "cX"), c(1, 1, "ab")]);
        assert_eq!(lab.heard(), ["c 3 overlap of 1", "c 0 ab knew 0", "c 2 cd knew 0"]);
    }

    #[test]
    fn a_segment_that_fills_several_holes_is_cut() {
        let mut lab = Lab::established();
        lab.take([c(2, 1, "b"), c(4, 1, "d"), c(1, 1, "abcde")]);
        let heard = ["c 0 a knew 0", "c 1 b knew 0", "c 2 c knew 0", "c 3 d knew 0", "c 4 e knew 0"];
        assert_eq!(lab.heard(), heard);
        assert_eq!(lab.table.held_bytes(), 0);
    }

    #[test]
    fn bytes_that_the_snap_length_cut_off_are_a_gap() {
        let mut lab = Lab::established();
        lab.take([c(1, 1, "abcd").missing(10), c(15, 1, "op")]);
        assert_eq!(lab.heard(), ["c 0 abcd knew 0", "c 4 gap of 10", "c 14 op knew 0"]);
    }

    #[test]
    fn numbers_far_away_are_no_data() {
        let mut lab = Lab::established();
        lab.take([c(1, 1, "a"), c(2 + (1 << 30) + 1, 1, "garbage"), c(2, 1, "b")]);
        assert_eq!(lab.heard(), ["c 0 a knew 0", "c 1 b knew 0"]);
        assert_eq!(lab.table.counters().out_of_window, 1);
    }

    #[test]
    fn garbage_behind_the_data_that_nobody_acknowledged_makes_no_gap_at_the_end() {
        let mut lab = Lab::established();
        lab.take([c(1, 1, "a"), s(1, 2, "b"), c(1 << 29, 1, "garbage")]);
        lab.finish();
        assert_eq!(lab.heard(), ["c 0 a knew 0", "s 0 b knew 1", "closed EndOfCapture"]);
        assert_eq!(lab.table.counters().out_of_window, 1);
    }
}

mod keep_alives {
    use super::*;

    #[test]
    fn an_octet_that_was_handed_on_before_is_old() {
        let mut lab = Lab::established();
        lab.take([c(1, 1, "abcd"), s(1, 5, ""), c(4, 1, "\0"), c(4, 1, ""), c(5, 1, "e")]);
        assert_eq!(lab.heard(), ["c 0 abcd knew 0", "c 4 e knew 0"]);
    }

    #[test]
    fn behind_a_hole_it_is_never_data() {
        let mut lab = Lab::established();
        lab.take([c(1, 1, "ab"), s(1, 11, ""), c(10, 1, "\0"), c(11, 1, "k"), s(1, 12, "")]);
        lab.tick();
        lab.tick();
        assert_eq!(lab.heard(), ["c 0 ab knew 0", "c 2 gap of 8", "c 10 k knew 0"]);
        assert_eq!(lab.table.counters().keep_alives, 1);
    }

    #[test]
    fn where_only_that_octet_is_missing_it_is_data() {
        let mut lab = Lab::established();
        lab.take([c(1, 1, "ab"), s(1, 4, ""), c(3, 1, "c")]);
        assert_eq!(lab.heard(), ["c 0 ab knew 0", "c 2 c knew 0"]);
    }

    #[test]
    fn as_the_first_segment_of_all_it_is_no_data() {
        let mut lab = Lab::new();
        lab.take([c(99, 500, "\0"), s(500, 100, ""), c(100, 500, "NOOP"), s(500, 104, "250 ok")]);
        assert_eq!(lab.heard(), ["c 0 NOOP knew 0", "s 0 250 ok knew 4"]);
    }

    #[test]
    fn behind_a_fin_it_does_not_undo_it() {
        let mut lab = Lab::established();
        lab.take([c(1, 1, "QUIT").fin(), s(1, 6, ""), c(5, 1, "\0"), s(1, 6, "221 bye").fin(), c(6, 9, "")]);
        assert_eq!(lab.heard(), ["c 0 QUIT knew 0", "c end", "s 0 221 bye knew 4 and the end", "s end", "closed Fin"]);
        assert_eq!(lab.table.counters().keep_alives, 1);
    }

    #[test]
    fn as_the_first_segment_behind_what_the_peer_acknowledged_it_is_no_data() {
        let mut lab = Lab::new();
        lab.take([s(500, 100, ""), c(99, 500, "\0"), c(100, 500, "NOOP")]);
        assert_eq!(lab.heard(), ["c 0 NOOP knew 0"]);
    }
}

mod causal_order {
    use super::*;

    #[test]
    fn what_acknowledges_bytes_that_are_late_waits_for_them() {
        let mut lab = Lab::new();
        // The server's direction comes late.
        lab.take([syn(), c(1, 1, ""), c(1, 7, ""), c(1, 7, "EHLO a"), c(7, 13, "QUIT")]);
        assert!(lab.heard().is_empty());
        lab.take([syn_ack(), s(1, 1, "220 mx"), s(7, 7, "250 ok")]);
        let heard = ["s 0 220 mx knew 0", "c 0 EHLO a knew 6", "s 6 250 ok knew 6", "c 6 QUIT knew 12"];
        assert_eq!(lab.heard(), heard);
        assert_eq!(lab.openings[0].from_start, PerSide { a: true, b: true });
    }

    #[test]
    fn the_opener_is_known_where_the_syn_ack_comes_first() {
        let mut lab = Lab::new();
        // The client's direction comes late.
        lab.take([syn_ack(), s(1, 1, "220 mx"), s(7, 7, "250 ok")]);
        assert!(lab.heard().is_empty());
        lab.take([syn()]);
        assert_eq!(lab.heard(), ["s 0 220 mx knew 0"]);
        lab.take([c(1, 1, ""), c(1, 7, "EHLO a")]);
        assert_eq!(lab.heard(), ["c 0 EHLO a knew 6", "s 6 250 ok knew 6"]);
        assert_eq!(lab.openings[0].opener, Some(Side::A));
        assert_eq!(lab.table.counters().connections, 1);
    }

    #[test]
    fn after_two_ticks_what_waits_goes_though_it_knew_more_than_was_handed_on() {
        let mut lab = Lab::established();
        lab.take([s(1, 1, "220 mx"), c(1, 13, "EHLO a")]);
        assert_eq!(lab.heard(), ["s 0 220 mx knew 0"]);
        lab.tick();
        assert!(lab.heard().is_empty());
        lab.tick();
        assert_eq!(lab.heard(), ["c 0 EHLO a knew 12"]);
    }

    #[test]
    fn an_ack_beyond_all_that_was_captured_declares_nothing() {
        let mut lab = Lab::established();
        lab.take([c(1, 7, "EHLO a")]);
        for _ in 0..20 {
            lab.tick();
        }
        lab.take([s(1, 7, "220 mx")]);
        assert_eq!(lab.heard(), ["c 0 EHLO a knew 6", "s 0 220 mx knew 6"]);
    }

    #[test]
    fn where_both_sides_wait_for_each_other_the_one_captured_first_goes_at_once() {
        let mut lab = Lab::established();
        lab.take([c(1, 7, "EHLO a"), s(1, 7, "220 mx")]);
        assert_eq!(lab.heard(), ["c 0 EHLO a knew 6", "s 0 220 mx knew 6"]);
    }

    #[test]
    fn a_direction_that_never_came_is_waited_for_during_two_ticks_only() {
        let mut lab = Lab::new();
        lab.take([syn(), c(1, 1, ""), c(1, 7, "EHLO a")]);
        lab.tick();
        lab.take([c(7, 13, "QUIT")]);
        assert!(lab.heard().is_empty());
        lab.tick();
        assert_eq!(lab.heard(), ["c 0 EHLO a knew ?", "c 6 QUIT knew ?"]);
        lab.take([c(11, 20, "NOOP")]);
        assert_eq!(lab.heard(), ["c 10 NOOP knew ?"]);
    }

    #[test]
    fn a_direction_that_comes_after_all_is_waited_for_again() {
        let mut lab = Lab::new();
        lab.take([syn(), c(1, 1, ""), c(1, 7, "EHLO a")]);
        lab.tick();
        lab.tick();
        lab.take([syn_ack(), s(1, 1, "220 mx"), c(7, 13, "NOOP"), s(7, 7, "250 ok")]);
        let heard = ["c 0 EHLO a knew ?", "s 0 220 mx knew 0", "s 6 250 ok knew 6", "c 6 NOOP knew 12"];
        assert_eq!(lab.heard(), heard);
    }

    #[test]
    fn a_retransmission_does_not_make_what_was_known_newer() {
        let mut lab = Lab::established();
        // The first copy of EHLO was lost before the capture; the NOOP behind it tells what was known.
        lab.take([s(1, 1, "220 mx"), c(7, 1, "NOOP"), c(1, 7, "EHLO a")]);
        assert_eq!(lab.heard(), ["s 0 220 mx knew 0", "c 0 EHLO a knew 0", "c 6 NOOP knew 0"]);
    }

    #[test]
    fn a_bare_ack_behind_lost_bytes_bounds_what_their_retransmission_knew() {
        let mut lab = Lab::established();
        lab.take([s(1, 1, "220 mx"), c(7, 1, ""), c(1, 7, "EHLO aNOOP")]);
        assert_eq!(lab.heard(), ["s 0 220 mx knew 0", "c 0 EHLO a knew 0", "c 6 NOOP knew 6"]);
    }

    #[test]
    fn a_bare_ack_before_the_bytes_bounds_nothing() {
        let mut lab = Lab::established();
        lab.take([s(1, 1, "220 mx"), c(1, 1, ""), c(1, 7, "EHLO a")]);
        assert_eq!(lab.heard(), ["s 0 220 mx knew 0", "c 0 EHLO a knew 6"]);
    }

    #[test]
    fn syn_and_fin_are_no_bytes_to_know_of() {
        let mut lab = Lab::established();
        lab.take([c(1, 1, "QUIT").fin(), s(1, 6, "221 bye"), s(8, 6, "").fin(), c(6, 9, "")]);
        assert_eq!(lab.heard(), ["c 0 QUIT knew 0", "c end", "s 0 221 bye knew 4 and the end", "s end", "closed Fin"]);
    }

    #[test]
    fn who_speaks_behind_the_other_sides_fin_is_told() {
        let mut lab = Lab::established();
        // Two replies under way when the client closed, and one that was sent behind that.
        lab.take([c(1, 1, "QUIT").fin(), s(1, 5, "250"), s(4, 6, "221"), s(7, 6, "bye").fin(), c(6, 11, "")]);
        let heard = ["c 0 QUIT knew 0", "s 0 250 knew 4", "c end", "s 3 221 knew 4 and the end"];
        assert_eq!(lab.heard()[..4], heard);
        // Sent again in one segment: what was sent before the end of "221" knew no more than that.
        let mut lab = Lab::established();
        lab.take([c(1, 1, "QUIT").fin(), s(4, 5, "221"), s(1, 6, "250221"), s(7, 6, "bye")]);
        let heard = ["c 0 QUIT knew 0", "c end", "s 0 250 knew 4", "s 3 221 knew 4", "s 6 bye knew 4 and the end"];
        assert_eq!(lab.heard(), heard);
    }

    #[test]
    fn a_fin_waits_for_what_it_acknowledges_and_bytes_wait_for_a_fin() {
        let mut lab = Lab::established();
        lab.take([c(1, 1, "QUIT"), c(5, 8, "").fin()]);
        assert_eq!(lab.heard(), ["c 0 QUIT knew 0"]);
        lab.take([s(1, 5, "221 bye"), s(8, 6, "late").fin()]);
        assert_eq!(lab.heard(), ["s 0 221 bye knew 4", "c end", "s 7 late knew 4 and the end"]);
    }

    #[test]
    fn a_sender_that_acknowledges_nothing_has_an_unknown_knowledge() {
        let mut lab = Lab::established();
        lab.take([s(1, 1, "220 mx"), c(1, 0, "EHLO a").no_ack()]);
        assert_eq!(lab.heard(), ["s 0 220 mx knew 0", "c 0 EHLO a knew ?"]);
    }
}

mod gaps {
    use super::*;

    #[test]
    fn a_gap_is_declared_two_ticks_after_bytes_beyond_it_were_acknowledged() {
        let mut lab = Lab::established();
        lab.take([c(1, 1, "ab"), c(5, 1, "ef")]);
        for _ in 0..5 {
            lab.tick();
        }
        assert_eq!(lab.heard(), ["c 0 ab knew 0"]);
        lab.take([s(1, 7, "")]);
        lab.tick();
        assert!(lab.heard().is_empty());
        lab.tick();
        assert_eq!(lab.heard(), ["c 2 gap of 2", "c 4 ef knew 0"]);
    }

    #[test]
    fn the_two_ticks_count_from_the_packet_beyond_where_the_ack_came_first() {
        let mut lab = Lab::established();
        lab.take([c(1, 1, "ab"), s(1, 7, "")]);
        lab.tick();
        lab.take([c(5, 1, "ef")]);
        lab.tick();
        assert_eq!(lab.heard(), ["c 0 ab knew 0"]);
        lab.tick();
        assert_eq!(lab.heard(), ["c 2 gap of 2", "c 4 ef knew 0"]);
    }

    #[test]
    fn a_gap_is_declared_after_sixteen_packets_where_nothing_came_behind_its_acknowledgement() {
        let mut lab = Lab::established();
        lab.take([c(1, 1, "ab"), c(5, 1, "ef"), s(1, 7, "")]);
        lab.take((0..15).map(|_| s(1, 7, "")));
        assert_eq!(lab.heard(), ["c 0 ab knew 0"]);
        lab.take([s(1, 7, "")]);
        assert_eq!(lab.heard(), ["c 2 gap of 2", "c 4 ef knew 0"]);
    }

    #[test]
    fn a_gap_is_declared_after_a_thousand_packets_where_the_direction_is_captured_late() {
        let first_late = [s(1, 3, ""), c(1, 1, "ab"), c(5, 1, "ef"), s(1, 7, "")];
        let all_late = [s(1, 7, ""), c(1, 1, "ab"), c(5, 1, "ef")];
        for packets in [&first_late[..], &all_late] {
            let mut lab = Lab::established();
            lab.take(packets.iter().cloned());
            lab.take((0..999).map(|_| s(1, 7, "")));
            assert_eq!(lab.heard(), ["c 0 ab knew 0"]);
            lab.take([s(1, 7, "")]);
            assert_eq!(lab.heard(), ["c 2 gap of 2", "c 4 ef knew 0"]);
        }
    }

    #[test]
    fn what_fills_a_hole_behind_its_acknowledgement_shows_the_direction_to_be_late() {
        let mut lab = Lab::established();
        lab.take([c(3, 1, "cd"), s(1, 5, ""), c(1, 1, "ab"), c(7, 1, "gh"), s(1, 9, "")]);
        lab.take((0..999).map(|_| s(1, 9, "")));
        assert_eq!(lab.heard(), ["c 0 ab knew 0", "c 2 cd knew 0"]);
        lab.take([s(1, 9, "")]);
        assert_eq!(lab.heard(), ["c 4 gap of 2", "c 6 gh knew 0"]);
    }

    #[test]
    fn where_the_peer_was_never_seen_a_gap_takes_ten_ticks() {
        let mut lab = Lab::new();
        lab.take([syn(), c(1, 1, "ab"), c(5, 1, "ef")]);
        for _ in 0..9 {
            lab.tick();
        }
        assert_eq!(lab.heard(), ["c 0 ab knew ?"]);
        lab.tick();
        assert_eq!(lab.heard(), ["c 2 gap of 2", "c 4 ef knew ?"]);
    }

    #[test]
    fn a_peer_that_is_seen_after_all_shortens_the_wait() {
        let mut lab = Lab::new();
        lab.take([syn(), c(1, 1, "ab"), c(5, 1, "ef")]);
        for _ in 0..3 {
            lab.tick();
        }
        lab.take([s(1, 7, "")]);
        lab.tick();
        assert_eq!(lab.heard(), ["c 0 ab knew ?"]);
        lab.tick();
        assert_eq!(lab.heard(), ["c 2 gap of 2", "c 4 ef knew 0"]);
    }

    #[test]
    fn at_one_tick_gaps_come_before_what_waited_too_long() {
        let mut lab = Lab::established();
        // The greeting is lost; the client's next command acknowledges the reply beyond.
        lab.take([c(1, 7, "EHLO a"), s(7, 7, "250 ok"), c(7, 13, "QUIT")]);
        lab.tick();
        assert!(lab.heard().is_empty());
        lab.tick();
        let heard = ["s 0 gap of 6", "c 0 EHLO a knew 6", "s 6 250 ok knew 6", "c 6 QUIT knew 12"];
        assert_eq!(lab.heard(), heard);
    }

    #[test]
    fn several_holes_are_declared_at_one_tick() {
        let mut lab = Lab::established();
        lab.take([c(2, 1, "b"), c(4, 1, "d"), c(6, 1, "f"), s(1, 7, "")]);
        lab.tick();
        lab.tick();
        let heard = ["c 0 gap of 1", "c 1 b knew 0", "c 2 gap of 1", "c 3 d knew 0", "c 4 gap of 1", "c 5 f knew 0"];
        assert_eq!(lab.heard(), heard);
    }

    #[test]
    fn what_is_missing_before_a_fin_is_a_gap() {
        let mut lab = Lab::established();
        lab.take([c(1, 1, "ab"), c(5, 1, "").fin(), s(1, 6, "")]);
        lab.tick();
        lab.tick();
        assert_eq!(lab.heard(), ["c 0 ab knew 0", "c 2 gap of 2", "c end"]);
    }

    #[test]
    fn at_the_end_of_the_capture_gaps_are_told() {
        let mut lab = Lab::established();
        lab.take([c(1, 1, "ab"), c(5, 1, "ef"), s(3, 1, "y")]);
        lab.finish();
        let heard = ["c 0 ab knew 0", "c 2 gap of 2", "c 4 ef knew 0", "s 0 gap of 2", "s 2 y knew 0"];
        let mut lines = lab.heard();
        assert_eq!(lines.pop().unwrap(), "closed EndOfCapture, 4 missing");
        assert_eq!(lines, heard);
    }

    #[test]
    fn at_the_end_gaps_come_before_what_waits() {
        let mut lab = Lab::established();
        lab.take([s(7, 1, "250 ok"), c(1, 7, "QUIT"), c(5, 13, "").fin(), s(13, 6, "").fin(), c(6, 14, "")]);
        lab.finish();
        let heard = ["s 0 gap of 6", "s 6 250 ok knew 0", "c 0 QUIT knew 6", "c end", "s end", "closed Fin, 6 missing"];
        assert_eq!(lab.heard(), heard);
    }

    #[test]
    fn bytes_that_come_after_their_gap_was_declared_are_old() {
        let mut lab = Lab::established();
        lab.take([c(1, 1, "ab"), c(5, 1, "ef"), s(1, 7, "")]);
        lab.tick();
        lab.tick();
        lab.take([c(3, 1, "cd"), c(7, 1, "gh")]);
        assert_eq!(lab.heard(), ["c 0 ab knew 0", "c 2 gap of 2", "c 4 ef knew 0", "c 6 gh knew 0"]);
    }
}

mod midstream {
    use super::*;

    #[test]
    fn a_connection_picked_up_midway_begins_at_its_first_segments() {
        let mut lab = Lab::new();
        lab.take([c(100, 500, "NOOP"), s(500, 104, "250 ok"), c(104, 506, "QUIT")]);
        assert_eq!(lab.heard(), ["c 0 NOOP knew 0", "s 0 250 ok knew 4", "c 4 QUIT knew 6"]);
        assert_eq!(lab.openings[0].from_start, PerSide { a: false, b: false });
        assert_eq!(lab.openings[0].opener, None);
    }

    #[test]
    fn bytes_that_the_peer_had_acknowledged_first_belong_to_it() {
        let mut lab = Lab::new();
        // The server's reply that the client acknowledges comes late.
        lab.take([c(100, 506, "QUIT"), s(500, 100, "250 ok"), s(506, 104, "221 bye")]);
        assert_eq!(lab.heard(), ["s 0 250 ok knew 0", "c 0 QUIT knew 6", "s 6 221 bye knew 4"]);
    }

    #[test]
    fn bytes_that_were_under_way_when_the_capture_began_are_missing() {
        let mut lab = Lab::new();
        lab.take([s(500, 100, ""), c(104, 500, "QUIT"), s(500, 108, "221 bye")]);
        lab.tick();
        lab.tick();
        assert_eq!(lab.heard(), ["c 0 gap of 4", "c 4 QUIT knew 0", "s 0 221 bye knew 8"]);
    }

    #[test]
    fn acknowledgements_that_never_rise_tell_no_beginning() {
        let mut lab = Lab::new();
        // A capture made by hand: both sides acknowledge the same number for ever.
        lab.take([c(100, 490, "NOOP"), s(500, 90, "250 ok"), c(104, 490, "QUIT"), s(506, 90, "221")]);
        lab.tick();
        lab.tick();
        assert_eq!(lab.heard(), ["c 0 NOOP knew 0", "s 0 250 ok knew 0", "c 4 QUIT knew 0", "s 6 221 knew 0"]);
    }

    #[test]
    fn a_beginning_that_something_was_counted_from_stays() {
        let mut lab = Lab::new();
        lab.take([s(506, 100, ""), c(100, 506, "NOOP"), s(500, 100, "250 ok"), s(506, 104, "221")]);
        assert_eq!(lab.heard(), ["c 0 NOOP knew 0", "s 0 221 knew 4"]);
    }

    #[test]
    fn where_the_first_segment_is_far_from_what_was_acknowledged_it_is_the_beginning() {
        let mut lab = Lab::new();
        lab.take([s(500, 100, ""), c(2_000_000, 500, "NOOP"), s(500, 2_000_004, "250")]);
        assert_eq!(lab.heard(), ["c 0 NOOP knew 0", "s 0 250 knew 4"]);
    }

    #[test]
    fn one_direction_alone_is_handed_on_after_two_ticks() {
        let mut lab = Lab::new();
        lab.take([c(100, 500, "NOOP")]);
        lab.tick();
        lab.tick();
        lab.take([c(104, 506, "QUIT")]);
        lab.finish();
        assert_eq!(lab.heard(), ["c 0 NOOP knew ?", "c 4 QUIT knew ?", "closed EndOfCapture"]);
    }

    #[test]
    fn where_the_syn_ack_is_missing_the_handshakes_ack_tells_the_start() {
        let mut lab = Lab::new();
        lab.take([syn(), c(1, 1, ""), s(1, 1, "220 mx"), c(1, 7, "EHLO a")]);
        assert_eq!(lab.heard(), ["s 0 220 mx knew 0", "c 0 EHLO a knew 6"]);
        assert_eq!(lab.openings[0].from_start, PerSide { a: true, b: true });
    }
}

mod handshakes {
    use super::*;

    #[test]
    fn data_on_a_syn_counts_as_far_as_it_was_acknowledged() {
        let mut lab = Lab::new();
        lab.take([syn().with("EHLO a"), syn_ack().acking(5), c(5, 1, " a")]);
        assert_eq!(lab.heard(), ["c 0 EHLO knew 0", "c 4  a knew 0"]);
    }

    #[test]
    fn data_on_a_syn_that_was_not_acknowledged_comes_again() {
        let mut lab = Lab::new();
        lab.take([syn().with("EHLO a"), syn_ack(), c(1, 1, "NOOP")]);
        assert_eq!(lab.heard(), ["c 0 NOOP knew 0"]);
    }

    #[test]
    fn data_on_a_syn_counts_where_the_syn_comes_late() {
        let mut lab = Lab::new();
        lab.take([syn_ack().acking(5), s(1, 5, "220 mx"), syn().with("EHLO a"), c(5, 1, " a")]);
        assert_eq!(lab.heard(), ["c 0 EHLO knew 0", "s 0 220 mx knew 4", "c 4  a knew 0"]);
        assert_eq!(lab.table.counters().connections, 1);
    }

    #[test]
    fn both_ends_may_open_at_once() {
        let mut lab = Lab::new();
        let syn_of_server = Part { ack: None, ..syn_ack() };
        let syn_ack_of_client = syn().acking(1);
        lab.take([syn(), syn_of_server, syn_ack_of_client, syn_ack(), s(1, 1, "220"), c(1, 4, "HELP")]);
        assert_eq!(lab.heard(), ["s 0 220 knew 0", "c 0 HELP knew 3"]);
        assert_eq!((lab.openings.len(), lab.table.counters().connections), (1, 1));
        assert_eq!(lab.openings[0].opener, Some(Side::A));
    }

    #[test]
    fn a_syn_sent_again_is_the_same_connection() {
        let mut lab = Lab::new();
        lab.take([syn(), syn(), syn_ack(), syn_ack(), c(1, 1, ""), syn(), syn_ack(), c(1, 1, "a")]);
        assert_eq!(lab.heard(), ["c 0 a knew 0"]);
        assert_eq!(lab.table.counters().connections, 1);
    }

    #[test]
    fn a_syn_on_a_live_connection_changes_nothing() {
        let mut lab = Lab::established();
        lab.take([c(1, 1, "ab")]);
        lab.client_isn += 100_000_000;
        lab.take([syn()]);
        lab.client_isn -= 100_000_000;
        lab.take([s(1, 3, "x"), c(3, 2, "cd")]);
        assert_eq!(lab.heard(), ["c 0 ab knew 0", "s 0 x knew 2", "c 2 cd knew 1"]);
    }

    #[test]
    fn a_syn_that_the_other_side_acknowledges_replaces_a_live_connection() {
        let mut lab = Lab::established();
        lab.take([c(1, 1, "ab")]);
        lab.client_isn += 100_000_000;
        lab.server_isn += 200_000_000;
        lab.take([syn()]);
        assert_eq!(lab.heard_of_all(), ["0: c 0 ab knew 0"]);
        lab.take([syn_ack(), c(1, 1, ""), s(1, 1, "220 mx")]);
        assert_eq!(lab.heard_of_all(), ["0: closed Timeout", "4: s 0 220 mx knew 0"]);
        assert_eq!(lab.table.counters().connections, 2);
    }

    #[test]
    fn a_new_connection_whose_syn_comes_late_loses_nothing() {
        let mut lab = Lab::established();
        lab.take([c(1, 1, "ab")]);
        lab.client_isn += 100_000_000;
        lab.server_isn += 200_000_000;
        lab.take([syn_ack(), s(1, 1, "220 mx")]);
        assert_eq!(lab.heard_of_all(), ["0: c 0 ab knew 0"]);
        lab.take([syn(), c(1, 1, "")]);
        assert_eq!(lab.heard_of_all(), ["0: closed Timeout", "4: s 0 220 mx knew 0"]);
    }

    #[test]
    fn where_the_other_side_was_never_seen_data_behind_the_syn_replaces_the_connection() {
        let mut lab = Lab::new();
        lab.take([syn(), c(1, 1, "ab")]);
        lab.tick();
        lab.tick();
        lab.client_isn += 100_000_000;
        lab.take([syn()]);
        assert_eq!(lab.heard_of_all(), ["0: c 0 ab knew ?"]);
        lab.take([c(1, 1, "cd")]);
        lab.tick();
        lab.tick();
        assert_eq!(lab.heard_of_all(), ["0: closed Timeout", "2: c 0 cd knew ?"]);
    }

    #[test]
    fn another_conversation_whose_handshake_was_missed_is_not_mixed_with_this_one() {
        for (client, server) in [(0x3000_0000, 0x2000_0000), (0xd000_0000, 0x7000_0000), (0x3000_0000, 0xd000_0000)] {
            let mut lab = Lab::established();
            lab.take([c(1, 1, "ab"), s(1, 3, "xy")]);
            (lab.client_isn, lab.server_isn) = (client, server);
            lab.take([c(100, 500, "NOOP"), s(500, 104, "250 ok"), c(104, 506, "QUIT")]);
            let heard = ["0: closed Timeout", "5: c 0 NOOP knew 0", "5: s 0 250 ok knew 4", "5: c 4 QUIT knew 6"];
            assert_eq!(lab.heard_of_all()[2..], heard);
        }
    }

    #[test]
    fn far_garbage_of_one_side_alone_changes_nothing() {
        let mut lab = Lab::established();
        lab.take([c(1, 1, "ab"), c(300_000_000, 300_000_000, "garbage"), s(1, 3, "xy"), c(3, 3, "cd")]);
        lab.finish();
        assert_eq!(lab.heard(), ["c 0 ab knew 0", "s 0 xy knew 2", "c 2 cd knew 2", "closed EndOfCapture"]);
        assert_eq!(lab.table.counters().out_of_window, 1);
    }

    #[test]
    fn a_spoofed_syn_does_not_draw_the_bytes_behind_it_away() {
        let mut lab = Lab::established();
        lab.take([c(1, 1, "ab")]);
        lab.client_isn += 10;
        lab.take([syn()]);
        lab.client_isn -= 10;
        lab.take([c(3, 1, "cdefghij"), c(11, 1, "klm")]);
        assert_eq!(lab.heard(), ["c 0 ab knew 0", "c 2 cdefghij knew 0", "c 10 klm knew 0"]);
    }

    #[test]
    fn a_half_open_connection_costs_little() {
        let entry = size_of::<super::super::entry::Entry<super::super::lab::Ear>>();
        let still = size_of::<super::super::entry::Still>();
        // The slot, its place in the hash table and its links.
        assert!(entry + still + 10 + 8 < 140, "{entry} + {still}");
    }
}

mod endings {
    use super::*;

    fn spoken() -> Lab {
        let mut lab = Lab::established();
        lab.take([s(1, 1, "220 mx"), c(1, 7, "QUIT"), s(7, 5, "")]);
        lab.heard();
        lab
    }

    #[test]
    fn both_fins_acknowledged_end_it() {
        let mut lab = spoken();
        lab.take([s(7, 5, "221").fin(), c(5, 11, "").fin(), s(11, 6, "")]);
        assert_eq!(lab.heard(), ["s 6 221 knew 4", "s end", "c end", "closed Fin"]);
        assert_eq!((lab.table.len(), lab.table.open_connections()), (1, 0), "kept for late segments");
        lab.take([c(1, 7, "QUIT"), s(11, 6, "")]);
        assert_eq!((lab.heard().len(), lab.table.counters().late), (0, 2));
    }

    #[test]
    fn a_last_ack_that_was_lost_is_not_waited_for_beyond_two_ticks() {
        let mut lab = spoken();
        lab.take([s(7, 5, "221").fin(), c(5, 11, "").fin()]);
        assert_eq!(lab.heard(), ["s 6 221 knew 4", "s end"]);
        lab.tick();
        lab.tick();
        assert_eq!(lab.heard(), ["c end"]);
        lab.tick();
        lab.tick();
        assert_eq!(lab.heard(), ["closed Fin"]);
    }

    #[test]
    fn a_syn_after_the_end_begins_another_connection_at_once() {
        let mut lab = spoken();
        lab.take([s(7, 5, "221").fin(), c(5, 11, "").fin(), s(11, 6, "")]);
        lab.heard();
        lab.take([syn()]);
        assert_eq!(lab.table.counters().late, 1, "the old SYN again");
        lab.client_isn += 1000;
        lab.server_isn += 1000;
        lab.take([syn(), syn_ack(), c(1, 1, ""), s(1, 1, "220 mx")]);
        assert_eq!(lab.heard(), ["s 0 220 mx knew 0"]);
        assert_eq!(lab.table.counters().connections, 2);
    }

    #[test]
    fn the_memory_of_a_closed_connection_ends() {
        let mut lab = spoken();
        lab.take([s(7, 5, "221").fin(), c(5, 11, "").fin(), s(11, 6, "")]);
        lab.later(59);
        assert_eq!(lab.table.len(), 1);
        lab.later(1);
        assert_eq!(lab.table.len(), 0);
    }

    #[test]
    fn a_reset_at_the_next_byte_ends_it() {
        let mut lab = spoken();
        lab.take([c(5, 7, "").rst()]);
        lab.tick();
        lab.tick();
        assert_eq!(lab.heard(), ["closed Rst"]);
    }

    #[test]
    fn a_reset_at_its_receivers_last_ack_ends_it() {
        let mut lab = spoken();
        // Client bytes were lost, which the server has acknowledged.
        lab.take([s(7, 9, ""), c(9, 7, "").rst().no_ack()]);
        lab.tick();
        lab.tick();
        assert_eq!(lab.heard(), ["closed Rst"]);
    }

    #[test]
    fn what_the_other_side_had_sent_before_a_reset_reached_it_is_handed_on() {
        let mut lab = spoken();
        lab.take([c(5, 7, "").rst(), s(7, 5, "221 bye")]);
        lab.tick();
        lab.tick();
        assert_eq!(lab.heard(), ["s 6 221 bye knew 4", "closed Rst"]);
    }

    #[test]
    fn a_reset_elsewhere_is_told_and_changes_nothing() {
        let mut lab = spoken();
        lab.take([c(6, 7, "").rst(), c(4, 7, "").rst(), c(5, 7, "NOOP")]);
        assert_eq!(lab.heard(), ["c stray reset", "c stray reset", "c 4 NOOP knew 6"]);
        assert_eq!(lab.table.counters().stray_resets, 2);
    }

    #[test]
    fn a_reset_that_its_receiver_never_got_is_taken_back() {
        let mut lab = spoken();
        lab.take([c(5, 7, "").rst(), c(5, 7, "NOOP"), s(7, 9, "250 ok")]);
        for _ in 0..4 {
            lab.tick();
        }
        assert_eq!(lab.heard(), ["c 4 NOOP knew 6", "s 6 250 ok knew 8"]);
    }

    #[test]
    fn a_reset_in_answer_to_a_syn_has_to_acknowledge_it() {
        let mut lab = Lab::new();
        lab.take([syn(), s(77, 3, "").rst()]);
        assert_eq!(lab.table.counters().stray_resets, 1);
        lab.take([syn_ack(), c(1, 1, "a")]);
        assert_eq!(lab.heard(), ["c 0 a knew 0"]);

        let mut lab = Lab::new();
        lab.server_isn = 0;
        lab.take([syn(), s(0, 1, "").rst()]);
        assert_eq!(lab.table.counters().stray_resets, 0);
        lab.take([syn(), syn_ack(), c(1, 1, "a")]);
        assert_eq!((lab.heard(), lab.table.counters().connections), (vec!["c 0 a knew 0".to_owned()], 2));
    }

    #[test]
    fn a_refused_client_may_try_again_with_the_same_number() {
        let mut lab = Lab::new();
        lab.server_isn = 0;
        lab.take([syn(), s(0, 1, "").rst(), syn()]);
        assert_eq!(lab.table.counters().connections, 2);
    }

    #[test]
    fn a_syn_after_a_reset_begins_another_connection_at_once() {
        let mut lab = spoken();
        lab.take([c(5, 7, "").rst()]);
        lab.client_isn += 100_000_000;
        lab.take([syn()]);
        assert_eq!(lab.heard(), ["closed Rst"]);
        assert_eq!(lab.table.counters().connections, 2);
    }

    #[test]
    fn a_reset_of_nothing_opens_nothing() {
        let mut lab = Lab::new();
        lab.take([c(1, 1, "").rst()]);
        assert_eq!((lab.table.len(), lab.table.counters().connections), (0, 0));
    }

    #[test]
    fn bytes_where_a_fin_was_show_that_it_was_none() {
        let mut lab = spoken();
        lab.take([c(5, 7, "").fin(), c(5, 7, "NOOP"), s(7, 9, "250")]);
        assert_eq!(lab.heard(), ["c 4 NOOP knew 6", "s 6 250 knew 8"]);
    }

    #[test]
    fn at_the_end_of_the_capture_connections_end_in_the_order_of_their_first_packets() {
        let mut lab = Lab::new();
        for port in [40003, 40001, 40002] {
            lab.port = port;
            lab.take([syn(), syn_ack(), c(1, 1, "a")]);
        }
        lab.port = 40001;
        lab.take([c(2, 1, "b")]);
        lab.heard();
        lab.finish();
        assert_eq!(lab.heard_of_all(), ["0: closed EndOfCapture", "3: closed EndOfCapture", "6: closed EndOfCapture"]);
        assert_eq!((lab.table.len(), lab.table.held_bytes()), (0, 0));
    }
}

mod timeouts {
    use super::*;

    #[test]
    fn half_open_connections_go_after_a_minute_and_idle_ones_after_an_hour() {
        let mut lab = Lab::established();
        lab.take([c(1, 1, "a")]);
        lab.port += 1;
        lab.take([syn(), syn_ack()]);
        lab.later(59);
        assert_eq!((lab.table.len(), lab.table.open_connections()), (2, 2));
        lab.later(1);
        assert_eq!((lab.table.len(), lab.table.open_connections()), (1, 1));
        lab.later(3539);
        assert_eq!(lab.table.len(), 1);
        lab.later(1);
        assert_eq!(lab.heard(), ["c 0 a knew 0", "closed Timeout"]);
        assert_eq!(lab.table.len(), 0);
    }

    #[test]
    fn a_step_back_in_time_does_not_keep_connections_for_ever() {
        let mut lab = Lab::established();
        lab.take([c(1, 1, "a")]);
        lab.later(1_000_000);
        lab.port += 1;
        lab.take([syn(), syn_ack(), c(1, 1, "b")]);
        lab.later(-1_000_000);
        lab.later(3600);
        let heard = ["0: c 0 a knew 0", "0: closed Timeout", "4: c 0 b knew 0", "4: closed Timeout"];
        assert_eq!(lab.heard_of_all(), heard);
    }

    #[test]
    fn each_timeout_is_a_setting() {
        let timeouts = Timeouts { idle: 5 * Time::SECOND, ..Timeouts::default() };
        let mut lab = Lab::with(&Limits::default(), timeouts);
        lab.take([syn(), syn_ack(), c(1, 1, "a")]);
        lab.later(5);
        assert_eq!(lab.heard(), ["c 0 a knew 0", "closed Timeout"]);
    }
}

mod limits {
    use super::*;

    fn lab(limit: Limit, to: u64) -> Lab {
        let mut limits = Limits::default();
        limits.set(limit, to);
        Lab::with(&limits, Timeouts::default())
    }

    fn speak(lab: &mut Lab, port: u16) {
        lab.port = port;
        lab.take([syn(), syn_ack(), c(1, 1, "a")]);
    }

    #[test]
    fn the_connection_that_was_idle_for_longest_goes() {
        let mut lab = lab(Limit::Connections, 2);
        speak(&mut lab, 1);
        speak(&mut lab, 2);
        lab.port = 1;
        lab.take([c(2, 1, "b")]);
        lab.heard();
        speak(&mut lab, 3);
        assert_eq!(lab.heard_of_all(), ["3: closed Evicted", "7: c 0 a knew 0"]);
        assert_eq!(lab.table.counters().limits_hit.get("connections"), 1);
        assert_eq!(lab.table.counters().evicted, 1);
    }

    #[test]
    fn places_that_are_used_again_change_no_order() {
        let mut lab = lab(Limit::Connections, 2);
        for port in [1, 2, 3] {
            speak(&mut lab, port);
        }
        lab.heard();
        lab.finish();
        assert_eq!(lab.heard_of_all(), ["3: closed EndOfCapture", "6: closed EndOfCapture"]);
    }

    #[test]
    fn half_open_connections_go_before_established_ones() {
        let mut lab = lab(Limit::Connections, 2);
        speak(&mut lab, 1);
        lab.port = 2;
        lab.take([syn()]);
        lab.heard();
        speak(&mut lab, 3);
        assert_eq!(lab.heard_of_all(), ["4: c 0 a knew 0"]);
    }

    #[test]
    fn half_open_connections_have_a_limit_of_their_own() {
        let mut lab = lab(Limit::HalfOpen, 10);
        for port in 1..=1000 {
            lab.port = port;
            lab.take([syn()]);
        }
        assert_eq!(lab.table.len(), 10);
        assert_eq!(lab.table.counters().limits_hit.get("half_open"), 990);
        lab.port = 1000;
        lab.take([syn_ack(), c(1, 1, "a")]);
        assert_eq!(lab.heard(), ["c 0 a knew 0"], "the last one is still there");
    }

    #[test]
    fn at_a_connections_limit_the_gap_is_declared_at_once() {
        let mut lab = lab(Limit::HeldBytesPerConnection, 1000);
        lab.take([syn(), syn_ack(), c(1, 1, "ab"), c(5, 1, &"x".repeat(500))]);
        assert_eq!(lab.heard(), ["c 0 ab knew 0"]);
        assert!(lab.table.held_bytes() > 500);
        lab.take([c(505, 1, &"y".repeat(500))]);
        assert_eq!(lab.heard().first().map(String::as_str), Some("c 2 gap of 2"));
        assert_eq!(lab.table.held_bytes(), 0);
        assert_eq!(lab.table.counters().limits_hit.get("held_bytes_per_connection"), 1);
    }

    #[test]
    fn at_a_connections_limit_what_waits_goes_in_capture_order() {
        let mut lab = lab(Limit::HeldBytesPerConnection, 500);
        lab.take([syn(), syn_ack(), c(1, 7, "EHLO a"), c(7, 7, &"x".repeat(300))]);
        let heard = lab.heard();
        assert_eq!(heard.first().map(String::as_str), Some("c 0 EHLO a knew 6"));
    }

    #[test]
    fn tiny_segments_count_with_what_they_really_cost() {
        let mut lab = lab(Limit::HeldBytesPerConnection, 10_000);
        lab.take([syn(), syn_ack(), c(1, 1, "")]);
        lab.take((0..40).map(|n| c(3 + 2 * n, 1, "x")));
        assert!(lab.heard().is_empty());
        lab.take((40..50).map(|n| c(3 + 2 * n, 1, "x")));
        assert!(!lab.heard().is_empty());
    }

    #[test]
    fn at_the_limit_of_all_the_one_that_has_held_for_longest_goes_first() {
        let mut lab = lab(Limit::HeldBytes, 1200);
        for port in [1, 2] {
            lab.port = port;
            lab.take([syn(), syn_ack(), c(1, 1, "a"), c(3, 1, &"x".repeat(300))]);
        }
        lab.heard();
        lab.port = 2;
        lab.take([c(500, 1, "y")]);
        let heard = lab.heard_of_all();
        assert_eq!(heard.len(), 3);
        assert!(heard.iter().all(|line| line.starts_with("0:")), "{heard:?}");
        assert_eq!(lab.table.counters().limits_hit.get("held_bytes"), 1);
    }

    #[test]
    fn what_the_listener_holds_counts_and_it_has_to_let_go() {
        let mut lab = lab(Limit::HeldBytesPerConnection, 1000);
        lab.take([syn(), syn_ack(), c(1, 1, "HOLD 900")]);
        assert_eq!(lab.table.held_bytes(), 900);
        lab.take([c(9, 1, "HOLD 1100")]);
        assert_eq!(lab.heard(), ["c 0 HOLD 900 knew 0", "c 8 HOLD 1100 knew 0", "let go"]);
        assert_eq!(lab.table.held_bytes(), 0);
    }

    #[test]
    fn an_evicted_connection_hands_on_what_waits() {
        let mut lab = lab(Limit::Connections, 1);
        lab.take([syn(), syn_ack(), c(1, 1, "ab"), c(5, 1, "ef")]);
        lab.port += 1;
        lab.take([syn()]);
        let heard = ["c 0 ab knew 0", "c 2 gap of 2", "c 4 ef knew 0", "closed Evicted, 2 missing"];
        assert_eq!(lab.heard(), heard);
    }
}

mod files {
    use super::*;

    #[test]
    fn a_connection_goes_on_in_the_next_file_where_its_numbers_do() {
        let mut lab = Lab::established();
        lab.take([c(1, 1, "ab")]);
        lab.next_capture();
        lab.take([c(3, 1, "cd")]);
        assert_eq!(lab.heard(), ["c 0 ab knew 0", "c 2 cd knew 0"]);
    }

    #[test]
    fn elsewhere_it_ends_and_another_begins() {
        let mut lab = Lab::established();
        lab.take([c(1, 1, "ab")]);
        lab.next_capture();
        lab.take([c(300_000_000, 100_000_000, "NOOP"), s(100_000_000, 300_000_004, "250")]);
        let heard = ["0: c 0 ab knew 0", "0: closed EndOfCapture", "4: c 0 NOOP knew 0", "4: s 0 250 knew 4"];
        assert_eq!(lab.heard_of_all(), heard);
    }

    #[test]
    fn a_handshake_goes_on_in_the_next_file() {
        let mut lab = Lab::new();
        lab.take([syn()]);
        lab.next_capture();
        lab.take([syn_ack(), c(1, 1, "a")]);
        assert_eq!(lab.heard(), ["c 0 a knew 0"]);
        assert_eq!(lab.table.counters().connections, 1);
    }

    #[test]
    fn a_handshake_of_other_numbers_in_the_next_file_is_one_as_in_the_same_file() {
        let again = |next: fn(&mut Lab)| {
            let mut lab = Lab::established();
            lab.take([c(1, 1, "ab")]);
            next(&mut lab);
            (lab.client_isn, lab.server_isn) = (900_000_000, 800_000_000);
            lab.take([syn(), syn_ack(), c(1, 1, "cd")]);
            lab.finish();
            lab.heard_of_all()
        };
        assert_eq!(again(Lab::next_capture), again(|_| {}));
    }

    #[test]
    fn the_two_halves_of_a_connection_in_two_captures_are_one() {
        for begins in [0, 1] {
            let mut lab = Lab::new();
            lab.from(1 - begins).from(begins).take([syn()]);
            lab.from(1 - begins).take([syn_ack()]);
            lab.from(begins).take([c(1, 1, "")]);
            lab.from(1 - begins).take([s(1, 1, "220 mx")]);
            lab.from(begins).take([c(1, 7, "QUIT").fin()]);
            lab.from(1 - begins).take([s(7, 6, "").fin()]);
            lab.from(begins).take([c(6, 8, "")]);
            assert_eq!(lab.heard(), ["s 0 220 mx knew 0", "c 0 QUIT knew 6", "c end", "s end", "closed Fin"]);
            assert_eq!(lab.table.counters().connections, 1);
        }
    }

    #[test]
    fn halves_of_which_the_beginning_was_not_captured_are_one_where_their_numbers_are_near() {
        let mut lab = Lab::new();
        lab.from(0).take([c(1, 1, "HELP")]);
        lab.from(1).take([s(1, 5, "214")]);
        assert_eq!(lab.table.counters().connections, 1);
        let far = 1 << 21;
        lab.from(2).take([c(5 + far, 4, "NOOP")]);
        assert_eq!(lab.table.counters().connections, 2);
        lab.from(3).take([s(4 + far, 5, "250")]);
        assert_eq!(lab.table.counters().connections, 3);
    }

    #[test]
    fn two_captures_of_one_flow_that_have_nothing_to_do_with_each_other_do_not_mix() {
        let mut lab = Lab::new();
        let numbers = [(1000, 5000), (900_000_000, 800_000_000), (77, 4_000_000_000)];
        let steps =
            [vec![syn()], vec![syn_ack()], vec![c(1, 1, "")], vec![s(1, 1, "220")], vec![c(1, 4, "QUIT").fin()]];
        for step in steps {
            for (capture, isns) in (0..).zip(numbers) {
                (lab.client_isn, lab.server_isn) = isns;
                lab.from(capture).take(step.clone());
            }
        }
        assert_eq!(lab.table.counters().connections, 3);
        lab.finish();
        let one = |first: u64| {
            ["s 0 220 knew 0", "c 0 QUIT knew 3", "c end", "closed EndOfCapture"].map(|line| format!("{first}: {line}"))
        };
        let mut heard = lab.heard_of_all();
        heard.sort_by_key(|line| line.split(':').next().unwrap().to_owned());
        assert_eq!(heard, [one(0), one(1), one(2)].concat());
        assert_eq!(lab.table.len(), 0);
    }

    #[test]
    fn the_connections_of_one_flow_go_one_by_one() {
        let limits = Limits::default();
        for order in [[0, 1, 2], [1, 0, 2], [2, 1, 0], [1, 2, 0]] {
            let mut lab = Lab::with(&limits, Timeouts::default());
            let isn = |capture: u32| (capture + 1) * 1_000_000_000;
            for capture in 0..3 {
                (lab.client_isn, lab.server_isn) = (isn(capture), isn(capture) + 7);
                lab.from(capture).take([syn(), syn_ack(), c(1, 1, "ab")]);
            }
            for (gone, capture) in (1..).zip(order) {
                (lab.client_isn, lab.server_isn) = (isn(capture), isn(capture) + 7);
                lab.from(capture).take([c(3, 1, "").fin(), s(1, 4, "").fin(), c(4, 2, "")]);
                lab.later(61);
                assert_eq!(lab.table.len(), 3 - gone, "{order:?}");
                for &left in &order[gone..] {
                    (lab.client_isn, lab.server_isn) = (isn(left), isn(left) + 7);
                    lab.from(left).take([c(2, 1, "b")]);
                }
            }
            assert_eq!(lab.table.counters().connections, 3, "{order:?}");
        }
    }

    #[test]
    fn ports_that_are_used_again_after_an_end_are_another_connection_in_both_captures() {
        let mut lab = Lab::new();
        for isn in [1000, 500_000_000] {
            (lab.client_isn, lab.server_isn) = (isn, isn + 7);
            lab.from(0).take([syn()]);
            lab.from(1).take([syn_ack()]);
            lab.from(0).take([c(1, 1, "ab").fin()]);
            lab.from(1).take([s(1, 4, "cd").fin()]);
            lab.from(0).take([c(4, 4, "")]);
            let heard = lab.heard();
            assert_eq!(heard.last().unwrap(), "closed Fin", "{heard:?}");
        }
        assert_eq!((lab.table.counters().connections, lab.table.len()), (2, 1));
    }
}

mod panics {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn a_connection_whose_listener_panicked_is_dropped_and_the_others_go_on() {
        let mut lab = Lab::established();
        lab.take([c(1, 1, "a"), c(4, 1, "d")]);
        lab.port += 1;
        lab.take([syn(), syn_ack(), c(1, 1, "b")]);
        lab.port -= 1;
        let caught = catch_unwind(AssertUnwindSafe(|| lab.take([s(1, 1, "PANIC")])));
        assert!(caught.is_err());
        let (flow, first) = lab.table.abandon().unwrap();
        assert_eq!((flow, first.ordinal.frame()), (lab.flow(), 0));
        assert_eq!((lab.table.len(), lab.table.held_bytes()), (1, 0));
        lab.heard();
        lab.port += 1;
        lab.take([c(2, 1, "c")]);
        assert_eq!(lab.heard(), ["c 1 c knew 0"]);
    }
}
