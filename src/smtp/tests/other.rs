//! Who is the server, PROXY headers, other protocols on the port.

use super::{Talk, assert_events, assert_heard};

#[test]
fn the_side_with_the_port_is_the_server() {
    let mut talk = Talk::new("S: HELP\nC: 220 what");
    (talk.ports, talk.opener) = ((40000, 25), false);
    assert_eq!(talk.run().session().server.port, 25);
}

#[test]
fn else_the_target_of_the_syn_is() {
    for ports in [(40000, 2525), (25, 25)] {
        let mut talk = Talk::new("S: 220 mx\nC: HELP\nS: 214 help");
        talk.ports = ports;
        let heard = talk.run();
        assert_heard(&heard.lines, "greeting 220 mx\nC HELP\nR 214 HELP");
        assert_eq!(heard.session().server.port, ports.1);
    }
}

#[test]
fn else_the_side_whose_first_line_is_a_reply() {
    for text in ["S: 220 mx\nC: HELP\nS: 214 help", "C: HELP\nS: 220 mx\nS: 214 help"] {
        let mut talk = Talk::new(text);
        (talk.ports, talk.opener) = ((2525, 2526), false);
        let heard = talk.run();
        assert_eq!(heard.session().server.port, 2526);
        assert!(heard.lines.contains(&"R 214 HELP".to_owned()), "{:?}", heard.lines);
    }
    // The other way round.
    let mut talk = Talk::new("C: 220 mx\nS: HELP\nC: 214 help");
    (talk.ports, talk.opener) = ((2525, 2526), false);
    let heard = talk.run();
    assert_eq!(heard.session().server.port, 2525);
    assert_heard(&heard.lines, "greeting 220 mx\nC HELP\nR 214 HELP");
}

#[test]
fn a_proxy_header_is_read_and_is_no_command() {
    for header in [
        "PROXY TCP4 203.0.113.9 192.0.2.25 40000 25\\r\\n",
        "\\r\\n\\r\\n\\0\\r\\nQUIT\\n\\x21\\x11\\0\\x0c\\xcb\\x00\\x71\\x09\\xc0\\x00\\x02\\x19\\x9c\\x40\\0\\x19",
    ] {
        for size in [1, 1000] {
            let heard = Talk::new(&format!("C> {header}\nS: 220 mx\nC: QUIT\nS: 221 bye")).in_pieces(size).run();
            assert_heard(&heard.lines, "greeting 220 mx\nC QUIT\nR 221 QUIT");
            assert_eq!(heard.session().proxied_for.as_deref(), Some(&b"203.0.113.9 40000"[..]));
            assert!(!heard.session().early_talk);
        }
    }
}

#[test]
fn http_to_a_server_of_smtp_is_named_and_read_on() {
    assert_events(
        "
        S: 220 mx
        C: GET / HTTP/1.1\\r\\nHELP
        S: 500 what\\r\\n214 help
        ",
        "
        greeting 220 mx
        F protocol HTTP
        C GET / HTTP/1.1
        C HELP [behind 1]
        R 500 GET
        R 214 HELP
        ",
    );
    // Also where the client speaks first.
    assert_events(
        "
        C: POST / HTTP/1.1\\r\\n\\r\\nHELP
        S: 220 mx\\r\\n500 what\\r\\n500 what\\r\\n214 help
        ",
        "
        F protocol HTTP
        C POST / HTTP/1.1 [early]
        C  [early, behind 1]
        C HELP [early, behind 2]
        greeting 220 mx
        R 500 POST
        R 500 -
        R 214 HELP
        ",
    );
}

#[test]
fn http_to_a_server_of_http_is_named_and_not_read() {
    assert_events(
        "
        C: GET / HTTP/1.1\\r\\nHost: x\\r\\n
        S: HTTP/1.1 200 OK\\r\\nDate: x
        ",
        "
        F protocol HTTP
        greeting - HTTP/1.1 200 OK
        ",
    );
}

#[test]
fn binary_protocols_are_named_and_not_read_unless_smtp_follows() {
    for (bytes, name) in [
        ("SSH-2.0-x\\r\\n", "SSH"),
        ("\\x03\\0\\0\\x13\\x0e\\xe0\\0\\0\\0\\0\\0\\x01\\0\\x08\\0\\x03\\0\\0\\0", "RDP"),
        ("\\0\\0\\0\\x45\\xffSMBr", "SMB"),
    ] {
        assert_events(&format!("C> {bytes}\nC> \\x01\\x02\\r\\n"), &format!("F protocol {name}"));
    }
    assert_events(
        "
        C: SSH-2.0-x
        S: 220 mx
        s: 500 what
        C: EHLO me
        S: 250 mx
        C: HELP
        S: 214 help
        ",
        "
        F protocol SSH
        greeting 220 mx
        C SSH-2.0-x
        R 500 -
        C EHLO me
        R 250 EHLO
        C HELP
        R 214 HELP
        ",
    );
    assert_events("S: SSH-2.0-x\nC: SSH-2.0-y", "F protocol SSH");
    // Neither the server's bytes nor what looks like a command in the client's are told.
    assert_events(
        "C> \\x03\\0\\0\\x13\\x0e\\xe0\nS> \\x03\\0\\0\\x13\nC: \\r\\nMAIL FROM:<a@b>\nS: 250 ok",
        "F protocol RDP",
    );
    assert_events("C: SSH-2.0-x\nC: MAIL FROM:<a@b>", "F protocol SSH");
}

#[test]
fn of_a_protocol_in_lines_only_the_servers_greeting_is_told() {
    let heard = Talk::new("S: +OK POP3\nC: USER alice\nS: +OK\nC: PASS hunter2\nS: 250 ok\nC: HELP\nS: 214 x").run();
    assert_heard(
        &heard.lines,
        "F protocol POP3\ngreeting - +OK POP3\nC USER alice\nC PASS <redacted>\nR 250 PASS\nC HELP\nR 214 HELP",
    );
    let heard = Talk::new("S: +OK POP3\nC: USER alice\nS: +OK\nC: PASS hunter2\nS: +OK").run();
    assert_heard(&heard.lines, "F protocol POP3\ngreeting - +OK POP3");
    assert_events("S: * OK IMAP4", "F protocol IMAP\ngreeting - * OK IMAP4");
    // Its password is a secret also where the server is not in the capture.
    let heard = Talk::new("C: USER alice\nC: PASS hunter2").without(super::CLIENT.other()).run();
    assert_heard(&heard.lines, "C USER alice\nC PASS <redacted>");
    assert!(!String::from_utf8_lossy(&heard.shown).contains("hunter2"));
}

#[test]
fn what_neither_side_speaks_as_smtp_is_unknown() {
    assert_events("S: hello there\nC: \\x01\\x02", "greeting - hello there\nF protocol unknown\nC \\x01\\x02");
    // One side that does is enough.
    assert_events("S: 220 mx\nC: \\x01\\x02", "greeting 220 mx\nC \\x01\\x02");
}

#[test]
fn a_greeting_without_a_code_uses_up_no_reply() {
    assert_events(
        "S: hello there\ns: 220 mx\nC: NOOP\nS: 250 ok",
        "greeting - hello there\nR 220 nothing\nC NOOP\nR 250 NOOP",
    );
    assert_events("S: hello there\nC: NOOP\nS: 250 ok", "greeting - hello there\nC NOOP\nR 250 NOOP");
}
