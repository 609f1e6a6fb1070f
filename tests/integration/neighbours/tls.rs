//! TLS: how a handshake ended is told alike however it was cut, and what is said in clear beside it is read.

use serde_json::Value;

use super::{Kind, Turn, ehlo, every_verb, greeting, help, mail, quit, rcpt, text};
use crate::told::{Claim, Told, all};

const ADVERTISED: &str = "help-exposed/advertised";
const ANSWERED: &str = "help-exposed/answered";
const INJECTED: &str = "starttls/injected";
const NOT_SMTP: &str = "non-compliant/not-smtp";
const STARTED: &str = "starttls/started";

/// Alert records, as hexadecimal.
const CLOSE_NOTIFY: &str = "15 03 03 00 02 01 00";
const WARNING: &str = "15 03 03 00 02 01 70";
/// A certificate message of 300 octets, and the end of the server's part, as TLS 1.2 sends them in clear.
fn certificate() -> String {
    format!("16 03 03 01 2c 0b 00 01 28 {}16 03 03 00 04 0e 00 00 00", "63 ".repeat(296))
}

fn fatal(number: u8) -> String {
    format!("15 03 03 00 02 02 {number:02x}")
}

fn opened() -> Vec<Turn> {
    vec![greeting(), ehlo(&["STARTTLS"]), Turn::command("STARTTLS", "STARTTLS", 220)]
}

fn state(told: &Told, state: &str, alert: Option<u8>) -> Claim {
    all([told.session_has("tls.state", state), told.session_has("tls.alert", alert.map_or(Value::Null, Value::from))])
}

#[test]
fn a_fatal_alert_is_told_however_it_was_cut() {
    let mut kind = Kind::new("alert", 60);
    let certificate = certificate();
    for number in [40, 42, 48, 70, 80] {
        let alert = fatal(number);
        for (what, lines) in [
            ("server, at once", format!("S! {alert}\n")),
            ("server, with close_notify", format!("S! {alert} {CLOSE_NOTIFY}\n")),
            ("server, close_notify apart", format!("S! {alert}\n@ +0s\nS! {CLOSE_NOTIFY}\n")),
            ("server, a warning first", format!("S! {WARNING}\n@ +0s\nS! {alert}\n")),
            ("server, a warning in one", format!("S! {WARNING} {alert}\n")),
            ("client, behind the hello", format!("S! server-hello version=1.2\nC! {alert}\n")),
            ("client, behind the certificate", format!("S! server-hello version=1.2\nS! {certificate}\nC! {alert}\n")),
            (
                "client, with close_notify",
                format!("S! server-hello version=1.2\nS! {certificate}\nC! {alert} {CLOSE_NOTIFY}\n"),
            ),
        ] {
            for side in ["C", "S"] {
                let said = format!("{}C! client-hello sni=mx.example.net\n{lines}{side} FIN\n", text(&opened()));
                kind.only(&format!("{number}: {what}, {side} closes"), &said, move |told| {
                    all([
                        state(told, "failed", Some(number)),
                        told.finds_only(&[STARTED]),
                        told.finding_has(STARTED, "evidence.alert", number),
                    ])
                });
            }
        }
    }
    kind.hold();
}

#[test]
fn a_warning_alone_ends_no_handshake() {
    let mut kind = Kind::new("warning", 61);
    for (what, lines) in [
        ("apart", format!("S! {WARNING}\n@ +0s\nS! server-hello version=1.2\n")),
        ("in one", format!("S! {WARNING}\nS! server-hello version=1.2\n")),
        ("behind the hello", format!("S! server-hello version=1.2\nS! {WARNING}\n")),
        ("of the client", format!("C! {WARNING}\nS! server-hello version=1.2\n")),
        ("at the very end", "S! server-hello version=1.2\nC! application-data 40\nS! application-data 40\nC! 15 03 03 00 1a 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10 11 12 13 14 15 16 17 18 19\n".to_owned()),
    ] {
        for _ in 0..6 {
            let said = format!("{}C! client-hello sni=mx.example.net\n{lines}", text(&opened()));
            kind.only(what, &said, |told| {
                all([state(told, "started", None), told.session_has("tls.version", "1.2"), told.finds_only(&[STARTED])])
            });
        }
    }
    kind.hold();
}

#[test]
fn an_alert_as_the_first_record_is_tls() {
    let mut kind = Kind::new("first record", 62);
    for number in [10, 40, 70] {
        for _ in 0..5 {
            let said = format!("{}C! {}\nC FIN\n", text(&opened()), fatal(number));
            kind.only(&format!("alert {number}"), &said, move |told| {
                all([state(told, "failed", Some(number)), told.finds_only(&[STARTED])])
            });
        }
    }
    kind.hold();
}

#[test]
fn a_hello_that_was_answered_in_clear_is_text_that_was_refused() {
    let mut kind = Kind::new("hello in clear", 63);
    for code in [500, 502, 554] {
        for end in ["C FIN\n", "S FIN\n", ""] {
            let said =
                format!("S: 220 mx.example.net ESMTP\nC! client-hello sni=mx.example.net\nS: {code} 5.5.2 what\n{end}");
            kind.only(&format!("{code}, {end:?}"), &said, |told| {
                all([
                    state(told, "none", None),
                    told.session_has("tls.version", Value::Null),
                    told.finds(NOT_SMTP),
                    told.finds_no("starttls"),
                    told.finds_no("unsolicited"),
                ])
            });
        }
        // It holds a LF, so it is two lines to the server; SMTP behind them is SMTP.
        let said = format!(
            "S: 220 mx.example.net ESMTP\nC! client-hello sni=mx.example.net\nC> \\r\\n\nS: {code} 5.5.2 what\nS: {code} 5.5.2 what\n{}",
            text(&[ehlo(&["SIZE 1000"]), help(), quit()])
        );
        kind.only(&format!("{code}, then SMTP"), &said, |told| {
            all([
                state(told, "none", None),
                told.finds(NOT_SMTP),
                told.finds(ANSWERED),
                told.finds_no("unsolicited"),
                told.last_replies(&[("EHLO", 250), ("HELP", 214), ("QUIT", 221)]),
            ])
        });
    }
    kind.hold();
}

/// What is said in clear behind a handshake that failed.
fn behind() -> Vec<Turn> {
    vec![
        ehlo(&["STARTTLS", "HELP"]),
        help(),
        Turn::command("XSECRET foo", "XSECRET", 500),
        mail(),
        rcpt(),
        Turn::data("evaded"),
        quit(),
    ]
}

#[test]
fn smtp_goes_on_behind_a_handshake_that_failed() {
    let mut kind = Kind::new("failed, then clear", 64);
    let alert = fatal(80);
    for (what, lines) in [
        ("no hello", format!("C! 16 03 01 00 05 68 65 6c 6c 6f\nS! {alert}\n")),
        ("hello", format!("C! client-hello sni=mx.example.net\nS! {alert}\n")),
        ("alert of the client", format!("C! client-hello\nS! server-hello version=1.2\nC! {alert}\n")),
        ("alert first", format!("C! {alert}\n")),
    ] {
        for line in ["S: 554 5.5.0 Error in TLS handshake: tls: no\n", "S: 454 4.7.0 TLS not available\n"] {
            for _ in 0..4 {
                let turns = behind();
                let said = format!("{}{lines}{line}{}", text(&opened()), text(&turns));
                kind.only(&format!("{what}, {line:?}"), &said, move |told| {
                    let answers: Vec<_> = turns.iter().flat_map(|turn| turn.answers.clone()).collect();
                    all([
                        told.last_replies(&answers),
                        told.session_has("tls.state", "failed"),
                        told.finds_only(&[ADVERTISED, ANSWERED, "private-command/used", STARTED]),
                        told.transaction(0, "subject", "evaded"),
                        told.transaction(0, "code", 250),
                    ])
                });
            }
        }
    }
    kind.hold();
}

#[test]
fn a_reply_to_the_clients_end_behind_the_220_is_not_injected() {
    let mut kind = Kind::new("FIN behind 220", 65);
    for lines in [
        "S: 554 5.5.0 Error in TLS handshake: EOF\n",
        "S: 554 5.5.0 Error\nS: 554 error reading command: EOF\n",
        "S: 421 4.4.2 timeout\n",
        "S: 250 ok\n",
    ] {
        for _ in 0..4 {
            let said = format!("{}C FIN\n{lines}S FIN\n", text(&opened()));
            kind.only(lines, &said, |told| {
                all([told.finds_only(&[STARTED]), told.session_has("tls.state", "started")])
            });
        }
        // The look-alike: the client is still there, and then it begins its handshake.
        let said = format!("{}{lines}C! client-hello\nS! server-hello version=1.2\n", text(&opened()));
        kind.only(&format!("{lines}, not closed"), &said, |told| told.finds(INJECTED));
    }
    kind.hold();
}

#[test]
fn what_was_injected_and_answered_in_clear_was_answered() {
    let mut kind = Kind::new("injected", 66);
    for _ in 0..12 {
        let said = format!(
            "{}C: STARTTLS\nC: HELP\nS: 220 2.0.0 go ahead\nS: 214 Commands: HELO EHLO MAIL RCPT\nC! client-hello\nS! server-hello version=1.2\nC! application-data 50\n",
            text(&[greeting(), ehlo(&["STARTTLS"])])
        );
        kind.only("HELP", &said, |told| {
            all([told.finds(INJECTED), told.finds(ANSWERED), told.codes("HELP", &[214]), told.finds_no("unsolicited")])
        });
    }
    kind.hold();
}

#[test]
fn one_line_that_is_no_text_behind_a_security_layer_ends_nothing() {
    let mut kind = Kind::new("security layer", 67);
    for mechanism in ["GSSAPI", "DIGEST-MD5", "NTLM"] {
        for line in ["\\x01\\x02\\xff\\xfe", "\\0\\0\\0\\x10\\xaa\\xbb", "\\xe2\\x82"] {
            let mut turns = vec![greeting(), ehlo(&["AUTH GSSAPI DIGEST-MD5 NTLM"])];
            let auth = format!("C: AUTH {mechanism} YIICfg==\nS: 235 2.7.0 ok\n");
            turns.push(Turn::new(auth, &["AUTH"], &[("AUTH", 235)]));
            turns.push(Turn::new(format!("C: {line}\nS: 500 5.5.2 what\n"), &["*"], &[("*", 500)]));
            turns.extend([mail(), rcpt(), Turn::data("behind"), help(), quit()]);
            kind.claim(&format!("{mechanism}, {line}"), &turns, |told| {
                all([told.finds(ANSWERED), told.transaction(0, "subject", "behind"), told.finds_no("unsolicited")])
            });
        }
        // The look-alike: what follows is no SMTP, nor what answers it.
        let said = format!(
            "{}C: AUTH {mechanism} YIICfg==\nS: 235 2.7.0 ok\nC! 00 00 00 10 aa bb cc dd 0a 01 02 03\nS! 00 00 00 08 ee ff 01 02\nC! 00 00 00 04 0a 0a 0a 0a\nS! 00 00 00 04 0a 0a 0a 0a\n",
            text(&[greeting(), ehlo(&["AUTH GSSAPI DIGEST-MD5 NTLM"])])
        );
        kind.only(&format!("{mechanism}, opaque"), &said, |told| told.finds_only(&[]));
    }
    kind.hold();
}

#[test]
fn every_verb_behind_a_failed_handshake_has_its_own_reply() {
    let mut kind = Kind::new("verb behind a failed handshake", 68);
    for verb in every_verb() {
        let mut turns = vec![verb.clone()];
        if verb.verbs != ["QUIT"] {
            turns.push(quit());
        }
        let lines = format!("C! client-hello\nS! {}\nS: 554 5.5.0 Error in TLS handshake\n", fatal(80));
        let said = format!("{}{lines}{}", text(&opened()), text(&turns));
        kind.only(verb.verbs[0], &said, move |told| {
            let answers: Vec<_> = turns.iter().flat_map(|turn| turn.answers.clone()).collect();
            all([
                told.last_replies(&answers),
                told.session_has("tls.state", "failed"),
                told.finds_no("unsolicited"),
                told.finds_no("injected"),
            ])
        });
    }
    kind.hold();
}
