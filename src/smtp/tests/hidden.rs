//! How a handshake ends, whatever its segmentation, and what brings SMTP back.

use super::tls::{client_hello, escape, length, server_hello};
use super::{SERVER, Talk, assert_after_hello, assert_heard};
use crate::smtp::wire::tls::{State, Tls};

/// An alert record.
fn alert(level: u8, description: u8) -> Vec<u8> {
    vec![0x15, 3, 3, 0, 2, level, description]
}

/// A server's hello that chooses TLS 1.2, a certificate and the hello's end: three messages in two records, the
/// second message in both.
fn server_flight() -> Vec<u8> {
    let mut messages = vec![2, 0, 0, 38, 3, 3];
    messages.extend([9; 32]);
    messages.extend([0, 0xc0, 0x2f, 0, 11, 0, 0, 60]);
    messages.extend([0x63; 60]);
    messages.extend([14, 0, 0, 0]);
    let (first, second) = messages.split_at(70);
    let record = |part: &[u8]| [&[0x16, 3, 3][..], &length(part), part].concat();
    [record(first), record(second)].concat()
}

/// Who sends what.
type Sent = (char, Vec<u8>);

/// The session's TLS in short, behind STARTTLS and these bytes.
fn short(steps: &[Sent], size: usize) -> String {
    let mut text = format!("{}C: STARTTLS\nS: 220 go\n", super::HELLO);
    for (who, bytes) in steps {
        for part in bytes.chunks(size) {
            text.push_str(&format!("{who}> {}\n", escape(part)));
        }
    }
    let heard = Talk::new(&text).run();
    let tls = &heard.session().tls;
    format!("{:?} {:?} {:?} {}", tls.state, tls.version, tls.alert, tls.settled)
}

#[test]
fn how_a_handshake_ends_depends_on_its_bytes_alone() {
    let keys = || b"\x16\x03\x03\0\x06\x10\0\0\x02\x07\x07".to_vec();
    let finished = || b"\x14\x03\x03\0\x01\x01\x16\x03\x03\0\x05\x02\x28\x02\x28\x02".to_vec();
    let hidden = || b"\x17\x03\x03\0\x07\x15\x03\x03\0\x02\x02\x28".to_vec();
    // An alert over two records, and two in one.
    let torn = b"\x15\x03\x03\0\x01\x02\x15\x03\x03\0\x01\x30".to_vec();
    let both = b"\x15\x03\x03\0\x04\x01\x70\x02\x28".to_vec();
    let encrypted = b"\x15\x03\x03\0\x1a\x02\x28\x02\x28aaaaaaaaaaaaaaaaaaaaaa".to_vec();
    let cases: [(&[Sent], &str); 16] = [
        (&[('C', client_hello()), ('S', [alert(2, 40), alert(1, 0)].concat())], "Failed None Some(40) true"),
        (&[('C', client_hello()), ('S', both)], "Failed None Some(40) true"),
        (&[('C', client_hello()), ('S', alert(1, 112))], "Started None None true"),
        (&[('C', client_hello()), ('S', [alert(1, 112), server_flight()].concat())], "Started Some(\"1.2\") None true"),
        (&[('C', client_hello()), ('S', server_flight())], "Started Some(\"1.2\") None true"),
        (&[('C', client_hello()), ('S', server_flight()), ('C', alert(2, 48))], "Failed Some(\"1.2\") Some(48) true"),
        (&[('C', client_hello()), ('S', server_flight()), ('C', torn)], "Failed Some(\"1.2\") Some(48) true"),
        (
            &[('C', client_hello()), ('S', server_flight()), ('C', [keys(), finished()].concat()), ('S', alert(2, 51))],
            "Failed Some(\"1.2\") Some(51) true",
        ),
        // Encrypted alerts are none, nor are an alert's octets in application data.
        (
            &[('C', client_hello()), ('S', server_flight()), ('C', [keys(), finished(), encrypted].concat())],
            "Started Some(\"1.2\") None true",
        ),
        (
            &[
                ('C', client_hello()),
                ('S', server_flight()),
                ('C', [keys(), finished()].concat()),
                ('S', [finished(), hidden(), alert(2, 40)].concat()),
            ],
            "Started Some(\"1.2\") None true",
        ),
        (&[('C', client_hello()), ('S', server_hello()), ('C', alert(2, 47))], "Failed Some(\"1.3\") Some(47) true"),
        (
            &[('C', client_hello()), ('S', [server_hello(), finished(), hidden()].concat()), ('C', alert(2, 70))],
            "Failed Some(\"1.3\") Some(70) true",
        ),
        (
            &[
                ('C', client_hello()),
                ('S', [server_hello(), hidden()].concat()),
                ('C', [hidden(), alert(2, 70)].concat()),
            ],
            "Started Some(\"1.3\") None true",
        ),
        // An alert is TLS though nothing came before it.
        (&[('C', alert(2, 80))], "Failed None Some(80) true"),
        (&[('S', alert(2, 80)), ('C', client_hello())], "Failed None Some(80) true"),
        (&[('C', client_hello())], "Started None None true"),
    ];
    for (steps, expected) in cases {
        for size in [1, 2, 3, 4, 5, 6, 7, 8, 11, 50, 1000] {
            assert_eq!(short(steps, size), expected, "{steps:x?} by {size}");
        }
    }
}

#[test]
fn usual_handshakes_are_settled_before_the_session_is_over() {
    let finished = "\\x14\\x03\\x03\\0\\x01\\x01";
    for hello in [server_flight(), server_hello()] {
        let bulk = "\\x17\\x03\\x03\\0\\x01\\x01";
        let text = format!(
            "S: 220 mx\nC: STARTTLS\nS: 220 go\nC> {}\nS> {}\nC> {finished}{bulk}\nS> {finished}{bulk}\nC- 5\nS> \\x15\\x03\\x03\\0\\x02\\x02\\x28",
            escape(&client_hello()),
            escape(&hello),
        );
        let heard = Talk::new(&text).run();
        assert!(heard.session().tls.is_encrypted(), "{}", heard.lines.join("\n"));
    }
}

#[test]
fn behind_a_handshake_that_failed_a_server_line_with_a_code_brings_smtp_back() {
    // The octets that look like a record, an alert, and chasquid's word on it.
    let hello = "\\x16\\x03\\x01\\0\\x05hello";
    let told = "
        C STARTTLS
        R 220 STARTTLS
        T started
        T failed alert 80 settled
        R 554 nothing
        C HELP
        R 214 HELP
        C NOOP
        R 250 NOOP
    ";
    let text = format!(
        "{}C: STARTTLS\nS: 220 go\nC> {hello}\nS> \\x15\\x03\\x01\\0\\x02\\x02\\x50\ns: 554 error\nC: HELP\nS: 214 help\nC: NOOP\nS: 250 ok",
        super::HELLO
    );
    for size in [1, 5, 1000] {
        assert_heard(&Talk::new(&text).in_pieces(size).run().lines[3..], told);
    }
    // The server says nothing of it, and answers what comes.
    assert_after_hello(
        &format!("C: STARTTLS\nS: 220 go\nC> {hello}\nS> \\x15\\x03\\x01\\0\\x02\\x02\\x50\nC: HELP\nS: 214 help"),
        "
        C STARTTLS
        R 220 STARTTLS
        T started
        T failed alert 80 settled
        C HELP
        R 214 HELP
        ",
    );
    // It says in clear that there will be no TLS.
    assert_after_hello(
        &format!("C: STARTTLS\nS: 220 go\nC> {}\nS: 454 not now\nC: NOOP\nS: 250 ok", escape(&client_hello())),
        "
        C STARTTLS
        R 220 STARTTLS
        T started
        T started mx.example
        T failed mx.example settled
        R 454 nothing
        C NOOP
        R 250 NOOP
        ",
    );
    // Lines without a code, and what is no text, bring nothing back.
    assert_after_hello(
        &format!("C: STARTTLS\nS: 220 go\nC> {hello}\nS> \\x15\\x03\\x01\\0\\x02\\x02\\x50\nS: what\nC: HELP"),
        "
        C STARTTLS
        R 220 STARTTLS
        T started
        T failed alert 80 settled
        ",
    );
}

#[test]
fn a_hello_that_is_answered_in_clear_is_text_that_was_refused() {
    let hello = escape(&client_hello());
    // Servers cut it at its octets that are an LF by chance.
    let lines = client_hello().split(|&byte| byte == b'\n').count();
    let refusals = "S: 500 what\n".repeat(lines);
    let heard = Talk::new(&format!("S: 220 mx\nC> {hello}\\r\\n\n{refusals}C: HELP\nS: 214 help")).run();
    assert_eq!(heard.session().tls, Tls::default());
    assert_heard(&heard.lines[heard.lines.len() - 3..], "R 500 -\nC HELP\nR 214 HELP");
    assert!(!heard.lines.contains(&"R 500 unsolicited".into()), "each line has its own: {:#?}", heard.lines);
    // Nobody answers: TLS is not proved.
    let heard = Talk::new(&format!("C> {hello}")).run();
    assert_eq!(heard.session().tls.state, State::None);
    // The server's direction is missing: it is taken for what it looks like.
    let heard = Talk::new(&format!("C> {hello}")).without(SERVER).run();
    assert_eq!(heard.session().tls.state, State::Implicit);
}

#[test]
fn a_handshake_that_failed_stays_so_until_another_is_granted() {
    let failed =
        "S: 220 mx\nC: STARTTLS\nS: 220 go\nC> \\x16\\x03\\x01\\0\\x05hello\nS> \\x15\\x03\\x01\\0\\x02\\x02\\x50\n";
    let refused = Talk::new(&format!("{failed}C: STARTTLS\nS: 454 no\nC: NOOP\nS: 250 ok")).run();
    let tls = &refused.session().tls;
    assert_eq!((tls.state, tls.alert, tls.refusal), (State::Failed, Some(80), None));
    assert_heard(&refused.lines[4..], "T failed alert 80 settled\nC STARTTLS\nR 454 STARTTLS\nC NOOP\nR 250 NOOP");
    let hellos = format!("C> {}\nS> {}", escape(&client_hello()), escape(&server_hello()));
    let again = Talk::new(&format!("{failed}C: STARTTLS\nS: 220 go\n{hellos}")).run();
    let tls = &again.session().tls;
    assert_eq!((tls.state, tls.version, tls.alert), (State::Started, Some("1.3"), None));
}

#[test]
fn a_record_behind_a_servers_line_is_one_however_it_is_cut() {
    let (hello, answer) = (escape(&client_hello()), escape(&server_hello()));
    for lines in ["", "220 mx\\r\\n", "220-mx\\r\\n"] {
        let talk = Talk::new(&format!("C> {hello}\nS> {lines}{answer}"));
        let whole = talk.run();
        assert_eq!(whole.session().tls.state, State::Implicit, "{lines}");
        for size in 1..20 {
            assert_eq!(talk.clone().in_pieces(size).events(), whole.lines, "{lines} by {size}");
        }
    }
}

#[test]
fn a_reply_to_the_clients_fin_is_neither_injected_nor_an_answer() {
    let told = "
        C STARTTLS
        R 220 STARTTLS
        T started
        R 554 nothing
        T started settled
    ";
    assert_after_hello("C: STARTTLS\nS: 220 go\nC.\nS: 554 EOF", told);
    let told = "
        C STARTTLS
        R 220 STARTTLS
        T started
        R 554 nothing
        T failed not-tls settled
    ";
    assert_after_hello("C: STARTTLS\nS: 220 go\nC: NOOP\nC.\nS: 554 EOF", told);
}

#[test]
fn an_injected_command_that_is_answered_in_clear_is_a_command() {
    let told = "
        C STARTTLS
        R 220 STARTTLS
        T started
        F injected HELP\\r\\n
        C HELP [behind 1, last STARTTLS]
        R 214 HELP
        T started mx.example
        T started mx.example settled
    ";
    let hello = escape(&client_hello());
    let text = format!("{}C: STARTTLS\\r\\nHELP\nS: 220 go\\r\\n214 help\nC> {hello}", super::HELLO);
    for size in [1, 5, 1000] {
        assert_heard(&Talk::new(&text).in_pieces(size).run().lines[3..], told);
    }
}
