//! Passwords: whatever a client does with AUTH and a server with its answers, no output of any format holds one.

use serde_json::Value;

use super::{Kind, plan};
use crate::cases::Cases;
use crate::told::{all, holds};

/// RFC 4648 section 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let octet = |nth: usize| usize::from(group.get(nth).copied().unwrap_or(0));
        let word = octet(0) << 16 | octet(1) << 8 | octet(2);
        for place in 0..4 {
            let letter = char::from(LETTERS[word >> (18 - 6 * place) & 63]);
            text.push(if place > group.len() { '=' } else { letter });
        }
    }
    text
}

/// The password and every text that gives it away: in base64 it looks otherwise by what stands in front of it.
fn gives_away(password: &str) -> Vec<String> {
    let within = |before: usize| {
        let text = base64(&[&b"aaa"[..before], password.as_bytes()].concat());
        // The first and the last letters depend on what stands beside it.
        text[if before == 0 { 0 } else { 4 }..text.len() - 4].to_owned()
    };
    vec![password.to_owned(), within(0), within(1), within(2)]
}

/// How a client may send its password: what it is, whose reply is told of the attempt, and the lines.
fn ways(password: &str) -> Vec<(&'static str, &'static str, String)> {
    let plain = base64(format!("\0alice\0{password}").as_bytes());
    let name_first = base64(format!("alice\0{password}").as_bytes());
    let (user, pass) = (base64(b"alice"), base64(password.as_bytes()));
    let wrapped = base64(format!("\0{}\0{password}", "a".repeat(90)).as_bytes());
    let (line, rest) = wrapped.split_at(76);
    let asked = |challenge: &str| base64(challenge.as_bytes());
    let (username, secret) = (asked("Username:"), asked("Password:"));
    let mut ways = vec![
        ("name NUL password", "PLAIN", format!("C: AUTH PLAIN {name_first}\nS: CODE no\n")),
        ("three parts", "PLAIN", format!("C: AUTH PLAIN {plain}\nS: CODE no\n")),
        ("three parts, small letters", "PLAIN", format!("C: auth plain {plain}\nS: CODE no\n")),
        ("three parts, a tab", "PLAIN", format!("C: AUTH\\tPLAIN\\t{plain}\nS: CODE no\n")),
        ("three parts, blanks", "PLAIN", format!("C: AUTH  PLAIN  {plain}\\s\nS: CODE no\n")),
        ("asked for", "PLAIN", format!("C: AUTH PLAIN\nS: 334 \\s\nC: {plain}\nS: CODE no\n")),
        ("asked for, name first", "PLAIN", format!("C: AUTH PLAIN\nS: 334 go\nC: {name_first}\nS: CODE no\n")),
        ("in clear", "PLAIN", format!("C: AUTH PLAIN {password}\nS: 501 no\n")),
        (
            "in clear, asked for",
            "LOGIN",
            format!("C: AUTH LOGIN\nS: 334 {username}\nC: alice\nS: 334 {secret}\nC: {password}\nS: CODE no\n"),
        ),
        ("PLAIN's parts in LOGIN", "LOGIN", format!("C: AUTH LOGIN\nS: 334 {username}\nC: {plain}\nS: CODE no\n")),
        (
            "name NUL password in LOGIN",
            "LOGIN",
            format!("C: AUTH LOGIN\nS: 334 {username}\nC: {name_first}\nS: CODE no\n"),
        ),
        (
            "twice",
            "LOGIN",
            format!("C: AUTH LOGIN\nS: 334 {username}\nC: {pass}\nS: 334 {secret}\nC: {pass}\nS: CODE no\n"),
        ),
        ("twice, at once", "LOGIN", format!("C: AUTH LOGIN {pass}\nS: 334 {secret}\nC: {pass}\nS: CODE no\n")),
        ("user at once", "LOGIN", format!("C: AUTH LOGIN {user}\nS: 334 {secret}\nC: {pass}\nS: CODE no\n")),
        (
            "user at once, then asked again",
            "LOGIN",
            format!("C: AUTH LOGIN {user}\nS: 334 {username}\nC: {pass}\nS: CODE no\n"),
        ),
        ("wrapped", "PLAIN", format!("C: AUTH PLAIN {line}\nC: {rest}\nS: CODE no\nS: 500 what\n")),
        ("wrapped behind the reply", "PLAIN", format!("C: AUTH PLAIN {line}\nS: CODE no\nC: {rest}\nS: 500 what\n")),
        (
            "wrapped, asked for",
            "PLAIN",
            format!("C: AUTH PLAIN\nS: 334 go\nC: {line}\nC: {rest}\nS: CODE no\nS: 500 what\n"),
        ),
        ("echoed", "PLAIN", format!("C: AUTH PLAIN {plain}\nS: CODE no: AUTH PLAIN {plain}\n")),
        ("echoed in clear", "PLAIN", format!("C: AUTH PLAIN {plain}\nS: CODE password {password} of alice is wrong\n")),
        (
            "echoed in LOGIN",
            "LOGIN",
            format!(
                "C: AUTH LOGIN\nS: 334 {username}\nC: {user}\nS: 334 {secret}\nC: {pass}\nS: CODE {pass} is wrong\n"
            ),
        ),
        (
            "echoed in a challenge",
            "LOGIN",
            format!(
                "C: AUTH LOGIN\nS: 334 {username}\nC: {user}\nS: 334 {secret}\nC: {pass}\nS: 334 {pass}\nC: *\nS: 501 no\n"
            ),
        ),
        (
            "not listening",
            "LOGIN",
            format!("C: AUTH LOGIN\nS: 504 no\nC: {user}\nS: 500 {user}\nC: {pass}\nS: 500 unknown: {pass}\n"),
        ),
        (
            "not waiting",
            "LOGIN",
            format!("C: AUTH LOGIN\nC: {user}\nC: {pass}\nS: 504 no\nS: 500 {user}\nS: 500 {pass}\n"),
        ),
        (
            "not waiting, taken",
            "LOGIN",
            format!("C: AUTH LOGIN\nC: {user}\nC: {pass}\nS: 334 {username}\nS: 334 {secret}\nS: CODE ok\n"),
        ),
        (
            "X-EXPS",
            "LOGIN",
            format!("C: X-EXPS LOGIN\nS: 334 {username}\nC: {user}\nS: 334 {secret}\nC: {pass}\nS: CODE no\n"),
        ),
        (
            "XAUTH",
            "LOGIN",
            format!("C: XAUTH LOGIN\nS: 334 {username}\nC: {user}\nS: 334 {secret}\nC: {pass}\nS: CODE no\n"),
        ),
    ];
    for challenge in
        ["Password:", "password", "Passwort:", "Mot de passe :", "Contrase\u{f1}a:", "\u{5bc6}\u{7801}:", "PIN", "?"]
    {
        let first = asked(challenge);
        ways.push((
            "asked for first",
            "LOGIN",
            format!("C: AUTH LOGIN\nS: 334 {first}\nC: {pass}\nS: 334 {username}\nC: {user}\nS: CODE no\n"),
        ));
    }
    ways
}

/// Each way with each kind of reply, and a password of its own.
fn planted() -> Kind<'static> {
    let mut kind = Kind::new("secrets", 70);
    for (number, code) in [(0, 235), (1, 535), (2, 501), (3, 454)] {
        let count = ways("").len();
        for nth in 0..count {
            let password = format!("geheim{number}{nth}Pass{number}wort");
            let (what, mechanism, lines) = ways(&password).swap_remove(nth);
            let mut said =
                "S: 220 mx.example.net ESMTP\nC: EHLO c.example.org\nS: 250-mx.example.net\nS: 250 AUTH LOGIN PLAIN\n"
                    .to_owned();
            said += &lines.replace("CODE", &code.to_string());
            said += "C: FOO\nS: 500 5.5.2 FOO?\nC: QUIT\nS: 221 bye\n";
            kind.only(&format!("{what}, {code}"), &said, move |told| {
                let given = gives_away(&password);
                all([
                    told.absent(&given.iter().map(String::as_str).collect::<Vec<_>>()),
                    told.session_has("auth.0.mechanism", mechanism),
                    holds(told.session("auth.1").is_null(), || "a second attempt".to_owned()),
                    told.finding_tells("non-compliant/unknown-verb", "FOO"),
                ])
            });
        }
    }
    kind
}

#[test]
fn no_record_holds_a_password() {
    planted().hold();
}

#[test]
fn the_text_report_holds_no_password() {
    let text = planted().cases.text();
    let parts = ["geheim", "Z2VoZWlt", "dlaGVpb", "nZWhlaW"];
    let given = text.lines().find(|line| parts.iter().any(|part| line.contains(part)));
    assert_eq!(given, None);
}

#[test]
fn no_password_is_told_where_the_capture_ends_or_holds_one_side_only() {
    let mut kind = Kind::new("secrets, in part", 71).undisturbed();
    for nth in 0..ways("").len() {
        for side in ["", "open", "no-server", "midway"] {
            let password = format!("geheim{nth}Pass{}wort", side.len());
            let (what, _, lines) = ways(&password).swap_remove(nth);
            if what.starts_with("twice") {
                // Without the second time nothing tells that the first one was no name.
                continue;
            }
            let lines = lines.replace("CODE", "535");
            let mut said = format!(
                "[40001 {side}]\nS: 220 mx.example.net ESMTP\nC: EHLO c.example.org\nS: 250-mx.example.net\nS: 250 AUTH LOGIN PLAIN\n"
            );
            let last = lines.lines().count();
            let until = kind.rng.between(1, last);
            said.extend(lines.lines().take(until).map(|line| format!("{line}\n")));
            kind.only(&format!("{what}, {side}, {until} lines"), &said, move |told| {
                let given = gives_away(&password);
                told.absent(&given.iter().map(String::as_str).collect::<Vec<_>>())
            });
        }
    }
    kind.hold();
}

#[test]
fn a_users_name_is_told_where_it_is_surely_none_but_that() {
    let mut cases = Cases::new();
    let mut rng = synth::Rng::new(72);
    let mut tell = |what: &str, lines: &str, user: Option<&'static str>| {
        let said = format!(
            "S: 220 mx\nC: EHLO c.example.org\nS: 250-mx\nS: 250 AUTH LOGIN PLAIN\n{lines}C: QUIT\nS: 221 bye\n"
        );
        cases.say(what, &said, &plan(&mut rng), move |told| {
            all([
                told.session_has("auth.0.user", user.map_or(Value::Null, Value::from)),
                told.session_has("auth.0.code", 535),
            ])
        });
    };
    let (user, pass) = (base64(b"alice@example.org"), base64(b"geheimPasswort"));
    let plain = base64(b"\0alice@example.org\0geheimPasswort");
    let acting = base64(b"admin\0alice@example.org\0geheimPasswort");
    let known = Some("alice@example.org");
    tell("PLAIN", &format!("C: AUTH PLAIN {plain}\nS: 535 no\n"), known);
    tell("PLAIN, acting for another", &format!("C: AUTH PLAIN {acting}\nS: 535 no\n"), known);
    tell("PLAIN, asked for", &format!("C: AUTH PLAIN\nS: 334 go\nC: {plain}\nS: 535 no\n"), known);
    tell(
        "LOGIN at once",
        &format!("C: AUTH LOGIN {user}\nS: 334 {}\nC: {pass}\nS: 535 no\n", base64(b"Password:")),
        known,
    );
    for challenge in ["", "User", "user:", "Username:", "USERNAME", "User Name\0", "user name : ", "Login:", "name"] {
        let (first, second) = (base64(challenge.as_bytes()), base64(b"Password:"));
        let first = if first.is_empty() { "\\s".to_owned() } else { first };
        let lines = format!("C: AUTH LOGIN\nS: 334 {first}\nC: {user}\nS: 334 {second}\nC: {pass}\nS: 535 no\n");
        tell(&format!("LOGIN, asked {challenge:?}"), &lines, known);
    }
    for challenge in ["Password:", "Kennwort", "users", "Who are you?", "Username or password:"] {
        let (first, second) = (base64(challenge.as_bytes()), base64(b"Password:"));
        let lines = format!("C: AUTH LOGIN\nS: 334 {first}\nC: {user}\nS: 334 {second}\nC: {pass}\nS: 535 no\n");
        tell(&format!("LOGIN, asked {challenge:?}"), &lines, Some("<redacted>"));
    }
    cases.hold();
}
