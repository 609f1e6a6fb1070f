//! What waits where a session ends: it is told, whether the capture, the client or the server ended it.

use serde_json::Value;

use super::{Kind, Turn, ehlo, greeting, mail, rcpt, text};
use crate::told::all;

/// How it ends: the connection's options, and what is said last.
const ENDS: [(&str, &str); 4] = [("open", ""), ("", "C FIN\n"), ("", "C RST\n"), ("", "S FIN\n")];

fn said(end: (&str, &str), turns: &[Turn], last: &str) -> String {
    format!("[40001 {}]\n{}{last}{}", end.0, text(turns), end.1).replace("[40001 ]", "[40001]")
}

fn opened() -> Vec<Turn> {
    vec![greeting(), ehlo(&["8BITMIME", "CHUNKING", "AUTH PLAIN LOGIN"])]
}

#[test]
fn an_auth_without_its_reply_is_told() {
    let mut kind = Kind::new("AUTH at the end", 50).undisturbed();
    for end in ENDS {
        for (mechanism, lines) in [
            ("PLAIN", "C: AUTH PLAIN AGFsaWNlAGdlaGVpbS1wYXNz\n"),
            ("PLAIN", "C: AUTH PLAIN\n"),
            ("PLAIN", "C: AUTH PLAIN\nS: 334 go\nC: AGFsaWNlAGdlaGVpbS1wYXNz\n"),
            ("LOGIN", "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: YWxpY2U=\n"),
            ("LOGIN", "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: YWxpY2U=\nS: 334 UGFzc3dvcmQ6\nC: Z2VoZWltLXBhc3M=\n"),
            ("CRAM-MD5", "C: AUTH CRAM-MD5\nS: 334 PDFAbXg+\n"),
        ] {
            kind.only(&format!("{lines:?}, {end:?}"), &said(end, &opened(), lines), move |told| {
                all([
                    told.session_has("auth.0.mechanism", mechanism),
                    told.session_has("auth.0.code", Value::Null),
                    told.session_has("auth.1", Value::Null),
                    told.absent(&["geheim", "Z2VoZWlt", "dlaGVpbS"]),
                    told.finds_only(&[]),
                ])
            });
        }
    }
    kind.hold();
}

#[test]
fn a_recipient_without_its_reply_is_told() {
    let mut kind = Kind::new("RCPT at the end", 51).undisturbed();
    for end in ENDS {
        for answered in 0..4 {
            let mut turns = opened();
            turns.push(mail());
            turns.extend((0..answered).map(|_| rcpt()));
            kind.only(
                &format!("{answered} answered, {end:?}"),
                &said(end, &turns, "C: RCPT TO:<last@example.net>\n"),
                move |told| {
                    let path = |field: &str| format!("transactions.0.rcpt_to.{answered}.{field}");
                    all([
                        told.transactions(1),
                        told.session_has(&path("address"), "last@example.net"),
                        told.session_has(&path("code"), Value::Null),
                        told.finds_only(&[]),
                    ])
                },
            );
        }
    }
    kind.hold();
}

#[test]
fn a_message_without_its_reply_is_told_whole_or_in_part() {
    let mut kind = Kind::new("message at the end", 52).undisturbed();
    for end in ENDS {
        for dot in ["", "\\r\\n.\\r\\n"] {
            for earlier in 0..3 {
                let lines = kind.rng.between(1, 200);
                let (header, line) =
                    ("Subject: at the end\\r\\nMessage-ID: <7@example.org>\\r\\n\\r\\n", "MAIL FROM:<x>\\r\\n");
                let message = format!("{header}{}HELP", line.repeat(lines));
                let octets = message.replace("\\r\\n", "\r\n").len() + if dot.is_empty() { 0 } else { 2 };
                let mut turns = opened();
                for _ in 0..earlier {
                    turns.extend([mail(), rcpt(), Turn::data("earlier")]);
                }
                turns.extend([mail(), rcpt()]);
                let last = format!("C: DATA\nS: 354 go\nC> {message}{dot}\n");
                kind.only(&format!("{octets} octets, {dot:?}, {end:?}"), &said(end, &turns, &last), move |told| {
                    all([
                        told.transactions(earlier + 1),
                        told.transaction(earlier, "data_bytes", octets),
                        told.transaction(earlier, "subject", "at the end"),
                        told.transaction(earlier, "message_id", "<7@example.org>"),
                        told.transaction(earlier, "code", Value::Null),
                        told.finds_only(&[]),
                    ])
                });
            }
        }
    }
    kind.hold();
}

#[test]
fn a_chunk_that_was_refused_or_cut_off_before_its_end_is_told() {
    let mut kind = Kind::new("chunk at the end", 53).undisturbed();
    for end in ENDS {
        for code in [None, Some(421), Some(452), Some(552)] {
            for last in ["", " LAST"] {
                let lines = kind.rng.between(1, 100);
                let header = "Subject: a chunk\\r\\n\\r\\n";
                let part = format!("{header}{}", "HELP\\r\\n".repeat(lines));
                let octets = part.replace("\\r\\n", "\r\n").len();
                let mut turns = opened();
                turns.extend([mail(), rcpt()]);
                let reply = code.map(|code| format!("S: {code} 4.3.0 in the middle\n")).unwrap_or_default();
                let chunk = format!("C: BDAT 100000{last}\nC> {part}\n{reply}");
                kind.only(
                    &format!("{code:?}{last}, {octets} octets, {end:?}"),
                    &said(end, &turns, &chunk),
                    move |told| {
                        all([
                            told.commands(&["EHLO", "MAIL", "RCPT", "BDAT"]),
                            told.transactions(1),
                            told.transaction(0, "data_bytes", octets),
                            told.transaction(0, "subject", "a chunk"),
                            // What a chunk that is not the last one got is no code of the message.
                            if last.is_empty() {
                                Ok(())
                            } else {
                                told.transaction(0, "code", code.map_or(Value::Null, Value::from))
                            },
                            told.finds_only(&[]),
                        ])
                    },
                );
            }
        }
    }
    kind.hold();
}
