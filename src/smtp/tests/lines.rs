//! What ends a line.

use super::{SERVER, Talk, assert_events, assert_heard};

#[test]
fn a_command_in_single_octets_is_one() {
    let talk = Talk::new("S: 220 mx\nC: HELP\nS: 214-a\\r\\n214 b").in_pieces(1);
    assert_heard(&talk.events(), "greeting 220 mx\nC HELP\nR 214 HELP");
}

#[test]
fn a_bare_cr_ends_a_line_nowhere() {
    assert_events(
        "S: 220 mx\nC> NOOP\\r\nC> NOOP\\r\\n\nS: 500 what\nC: QUIT\\r\nS: 221 bye",
        "greeting 220 mx\nC NOOP\\rNOOP [cr]\nR 500 -\nC QUIT [cr]\nR 221 QUIT",
    );
}

#[test]
fn a_command_ends_at_lf_where_the_server_answers_each_line() {
    assert_events(
        "
        S: 220 mx
        C> HELP\\nNOOP\\r\\n
        S: 214 help
        s: 250 ok
        C: QUIT
        S: 221 bye
        ",
        "
        greeting 220 mx
        C HELP [lf]
        C NOOP [behind 1]
        R 214 HELP
        R 250 NOOP
        C QUIT
        R 221 QUIT
        ",
    );
}

#[test]
fn a_server_that_ends_lines_at_crlf_only_shows_it_by_fewer_replies() {
    assert_events(
        "
        S: 220 mx
        C> HELP\\nQUIT\\r\\n
        S: 500 what
        C: NOOP
        S: 250 ok
        C: HELP\\nNOOP
        S: 500 what
        C: QUIT
        S: 221 bye
        ",
        "
        greeting 220 mx
        C HELP\\nQUIT
        R 500 -
        C NOOP
        R 250 NOOP
        C HELP\\nNOOP
        R 500 -
        C QUIT
        R 221 QUIT
        ",
    );
}

#[test]
fn a_session_that_ends_proves_nothing_about_line_ends() {
    assert_events(
        "
        S: 220 mx
        C> HELP\\nQUIT\\r\\n
        S: 500 what
        ",
        "
        greeting 220 mx
        C HELP [lf]
        C QUIT [behind 1]
        R 500 HELP
        ",
    );
    // Later client bytes that nobody answered are no proof either.
    assert_events(
        "
        S: 220 mx
        C> HELP\\nQUIT\\r\\n
        S: 500 what
        C: NOOP
        ",
        "
        greeting 220 mx
        C HELP [lf]
        C QUIT [behind 1]
        R 500 HELP
        C NOOP [behind 1, last QUIT]
        ",
    );
}

#[test]
fn a_slow_server_is_not_taken_for_one_that_ends_lines_at_crlf_only() {
    assert_events(
        "
        S: 220 mx
        C> NOOP\\nNOOP\\r\\n
        S: 250 ok
        C: QUIT
        S: 250 ok
        s: 221 bye
        ",
        "
        greeting 220 mx
        C NOOP [lf]
        C NOOP [behind 1, last NOOP]
        R 250 NOOP
        C QUIT [behind 1, last NOOP]
        R 250 NOOP
        R 221 QUIT
        ",
    );
}

#[test]
fn without_the_server_lines_end_at_lf() {
    let talk = Talk::new("C> HELP\\nQUIT\\r\\n").without(SERVER);
    assert_heard(&talk.events(), "C HELP [lf]\nC QUIT");
}

#[test]
fn a_line_that_the_client_cut_off_by_its_fin_is_owed_a_reply() {
    assert_events("S: 220 mx\nC> HELP\nC.\nS: 214 help", "greeting 220 mx\nC HELP [cut]\nR 214 HELP");
}
