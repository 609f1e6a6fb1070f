//! The client's states, one after the other and why: a step that is taken in another way is seen here.

use super::{HELLO, MAIL, Talk};

/// What the client's half entered while the dialogue was read.
fn trace(parts: &[&str]) -> String {
    Talk::new(&parts.concat()).run().trace.join("\n")
}

#[test]
fn a_mail() {
    let mail = "C: DATA\nS: 354 go\nC: x\\r\\n.\nS: 250 ok\nC: QUIT\nS: 221 bye";
    insta::assert_snapshot!(trace(&[HELLO, MAIL, mail]), @r"
    Bytes: Command
    Command: Wait
    Reply: Command
    Reply: Data
    Bytes: Command
    ");
}

#[test]
fn a_login_and_a_refused_data() {
    let login = "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: dXNlcg==\nS: 235 ok\nC: DATA\nS: 503 no\nC: NOOP\nS: 250 ok";
    insta::assert_snapshot!(trace(&[HELLO, login]), @r"
    Bytes: Command
    Command: Wait
    Reply: Command
    Reply: Exchange
    Command: Wait
    Reply: Command
    Command: Wait
    Reply: Command
    ");
}

#[test]
fn a_chunk_on_offer() {
    insta::assert_snapshot!(trace(&[HELLO, MAIL, "C: BDAT 2000\nc: x\nS: 503 no"]), @r"
    Bytes: Command
    Command: Chunk
    Bytes: Command
    ");
}

#[test]
fn a_chunk_that_was_executed() {
    let chunk =
        "S: 220 mx\nC: HELO me\nS: 250 mx\nC: BDAT 6 LAST\nc: HELP\nS: 500 what\ns: 214 help\nC: QUIT\nS: 221 bye";
    insta::assert_snapshot!(trace(&[chunk]), @r"
    Bytes: Command
    ");
}

#[test]
fn another_protocol_that_is_refused_in_smtp() {
    insta::assert_snapshot!(trace(&["S: 220 mx\nC: SSH-2.0-x\nS: 500 what\nC: NOOP\nS: 250 ok"]), @r"
    Bytes: Foreign
    Reply: Command
    ");
}

#[test]
fn a_gap() {
    let gap = "C- 30\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: DATA\nS: 354 go\nC: x\\r\\n.\nS: 250 ok";
    insta::assert_snapshot!(trace(&[HELLO, gap]), @r"
    Bytes: Command
    Gap: Lost
    Bytes: Tentative
    Reply: Command
    Command: Wait
    Reply: Command
    Reply: Data
    Bytes: Command
    ");
}
