//! What a server's record claims: what was captured, whatever came behind it, and `unknown` where nothing was.

use serde_json::{Value, json};

use super::Kind;

const OFFERED: &str = "C: EHLO c.example.org\nS: 250-mx.example.net\nS: 250-8BITMIME\nS: 250-STARTTLS\nS: 250 DSN\n";
const NOT_OFFERED: &str = "C: EHLO c.example.org\nS: 250-mx.example.net\nS: 250-8BITMIME\nS: 250 DSN\n";
/// As those, but what the capture missed.
const LOST: [&str; 5] = [
    "C: EHLO c.example.org\nS-: 250-mx.example.net\nS-: 250-8BITMIME\nS-: 250-STARTTLS\nS-: 250 DSN\n",
    "C: EHLO c.example.org\nS-: 250-mx.example.net\nS: 250-8BITMIME\nS: 250 DSN\n",
    "C: EHLO c.example.org\nS: 250-mx.example.net\nS-: 250-8BITMIME\nS: 250 DSN\n",
    "C: EHLO c.example.org\nS: 250-mx.example.net\nS: 250-8BITMIME\nS-: 250 DSN\n",
    "C: HELO c.example.org\nS: 250 mx.example.net\n",
];
/// What may come behind.
const BEHIND: [&str; 4] = [
    "",
    "C: HELO c.example.org\nS: 250 mx.example.net\n",
    "C: XCLIENT ADDR=192.0.2.1\nS: 220 mx.example.net\nC: HELO c.example.org\nS: 250 mx.example.net\n",
    "C: EHLO again.example.org\nS: 502 no\n",
];
const GREETING: &str = "S: 220 mx.example.net ESMTP\n";
const MAIL: &str =
    "C: MAIL FROM:<a@example.org>\nS: 250 ok\nC: RCPT TO:<b@example.net>\nS: 250 ok\nC: QUIT\nS: 221 bye\n";

#[test]
fn what_was_captured_is_kept_whatever_comes_behind_it() {
    let mut kind = Kind::new("kept", 40).undisturbed();
    for (ehlo, starttls, keywords) in [
        (OFFERED, "offered", json!(["8BITMIME", "STARTTLS", "DSN"])),
        (NOT_OFFERED, "not-offered", json!(["8BITMIME", "DSN"])),
    ] {
        for behind in BEHIND {
            let (alone, own) = (keywords.clone(), keywords.clone());
            kind.only(
                &format!("{starttls}, then {behind:?}"),
                &format!("{GREETING}{ehlo}{behind}{MAIL}"),
                move |told| {
                    crate::told::all([
                        told.server_has("starttls", starttls),
                        told.server_has("capabilities", alone.clone()),
                        told.session_has("capabilities", own.clone()),
                    ])
                },
            );
            for lost in LOST {
                for first in [false, true] {
                    let (kept, gone) = (format!("{GREETING}{ehlo}{behind}{MAIL}"), format!("{GREETING}{lost}{MAIL}"));
                    let (one, two) = if first { (&kept, &gone) } else { (&gone, &kept) };
                    let keywords = keywords.clone();
                    let what = format!("{starttls}, then {behind:?}, beside {lost:?}, first {first}");
                    kind.only(&what, &format!("{one}@ +5s\n[40002 SAME]\n{two}"), move |told| {
                        crate::told::all([
                            told.server_has("starttls", starttls),
                            told.server_has("capabilities", keywords.clone()),
                        ])
                    });
                }
            }
        }
    }
    kind.hold();
}

#[test]
fn what_was_not_captured_is_unknown() {
    let mut kind = Kind::new("unknown", 41).undisturbed();
    for lost in LOST {
        for behind in BEHIND {
            let private = if behind.contains("XCLIENT") { &["private-command/used"][..] } else { &[] };
            kind.only(&format!("{lost:?}, then {behind:?}"), &format!("{GREETING}{lost}{behind}{MAIL}"), move |told| {
                crate::told::all([told.server_has("starttls", "unknown"), told.finds_only(private)])
            });
        }
    }
    for options in ["no-server", "midway"] {
        let said = if options == "midway" { MAIL.to_owned() } else { format!("{GREETING}{OFFERED}{MAIL}") };
        kind.only(options, &format!("[40001 {options}]\n{said}"), |told| {
            crate::told::all([
                told.server_has("starttls", "unknown"),
                told.server_has("help", "unknown"),
                told.finds_only(&[]),
            ])
        });
    }
    let silent = "S: 220 mx.example.net\nC: QUIT\nS: 221 bye\n";
    kind.only("no EHLO", silent, |told| {
        crate::told::all([told.server_has("starttls", "unknown"), told.server_has("software", Value::Null)])
    });
    kind.hold();
}
