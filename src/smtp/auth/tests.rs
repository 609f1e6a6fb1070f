//! The machine driven alone: what is told of an attempt, and which lines are secret.

use super::*;
use crate::base::{Moment, Ordinal, Packets, Time};
use crate::smtp::wire::line::Ending;

/// A name that is none for sure.
const HIDDEN: Option<&str> = Some("<redacted>");

fn encoded(text: &str) -> Vec<u8> {
    BASE64.encode(text.as_bytes()).into_bytes()
}

fn text(attempts: &mut Attempts, challenge: &str) {
    attempts.challenge(std::iter::once(challenge.as_bytes()));
}

/// The user that is told of an attempt: `AUTH` with its argument, then challenges (encoded here) and responses.
fn user(argument: &str, exchange: &[(&str, &str)]) -> Option<String> {
    let mut attempts = Attempts::default();
    attempts.begin(argument.as_bytes());
    for (challenge, response) in exchange {
        text(&mut attempts, &BASE64.encode(challenge.as_bytes()));
        attempts.response(&encoded(response));
    }
    let ended = attempts.end(Some(235), 0).unwrap();
    ended.told.user.map(|user| String::from_utf8(user).unwrap())
}

#[test]
fn of_plain_only_what_stands_between_two_nuls_is_the_user() {
    let plain = |response: &str| user("PLAIN", &[("", response)]);
    assert_eq!(plain("\0user\0pass").as_deref(), Some("user"));
    assert_eq!(plain("boss\0user\0pass").as_deref(), Some("user"));
    assert_eq!(plain("\0user\0").as_deref(), Some("user"));
    for response in ["user\0pass", "user\0pass\0", "\0pass", "pass", "\0same\0same", "a\0b\0c\0d", "\0\0pass"] {
        assert_eq!(plain(response).as_deref(), HIDDEN, "{response:?}");
    }
    assert_eq!(plain(""), None, "no response at all");
    assert_eq!(user("plain AHVzZXIAcGFzcw==", &[]).as_deref(), Some("user"));
    assert_eq!(user("PLAIN =", &[("", "\0user\0pass")]).as_deref(), HIDDEN, "no answer behind an initial response");
    assert_eq!(user("PLAIN AHVzZXIAcGFzcw== more", &[]).as_deref(), HIDDEN);
}

#[test]
fn of_login_only_the_answer_to_a_challenge_that_asks_for_a_name_is_the_user() {
    let login = |challenge: &str| user("LOGIN", &[(challenge, "user"), ("Password:", "pass")]);
    for challenge in ["Username:", "User Name\0", "USER", "login: ", "name", "", "Name :"] {
        assert_eq!(login(challenge).as_deref(), Some("user"), "{challenge:?}");
    }
    for challenge in
        ["Password:", "Passwort:", "密码", "Mot de passe :", "Benutzername:", "Username or else:", "password\0"]
    {
        assert_eq!(login(challenge).as_deref(), HIDDEN, "{challenge:?}");
    }
    let mut attempts = Attempts::default();
    attempts.begin(b"LOGIN");
    attempts.response(b"dXNlcg==");
    text(&mut attempts, "VXNlcm5hbWU6");
    assert_eq!(
        attempts.end(None, 0).unwrap().told.user.as_deref(),
        Some(Secret::SHOWN),
        "the first challenge was not captured"
    );
    attempts.begin(b"LOGIN");
    attempts.challenge([&b"VXNlcm5hbWU6"[..], b"UGFzc3dvcmQ6"].into_iter());
    attempts.response(b"dXNlcg==");
    assert_eq!(
        attempts.end(None, 0).unwrap().told.user.as_deref(),
        Some(Secret::SHOWN),
        "two lines are no question for a name"
    );
}

#[test]
fn an_initial_response_of_login_is_the_user_and_no_answer_behind_it() {
    assert_eq!(user("LOGIN dXNlcg==", &[("Password:", "pass")]).as_deref(), Some("user"));
    assert_eq!(user("LOGIN !!!!", &[("Username:", "user")]).as_deref(), HIDDEN);
    assert_eq!(user("LOGIN AHVzZXIAcGFzcw==", &[]).as_deref(), HIDDEN, "PLAIN's response");
    assert_eq!(user("LOGIN", &[("Username:", "\0user\0pass")]).as_deref(), HIDDEN);
    assert_eq!(user("LOGIN", &[("Username:", "\u{1}binary")]).as_deref(), HIDDEN);
}

#[test]
fn a_name_that_a_later_answer_equals_is_none() {
    assert_eq!(user("LOGIN", &[("Username:", "pass"), ("Password:", "pass")]).as_deref(), HIDDEN);
    assert_eq!(user("LOGIN cGFzcw==", &[("Password:", "pass")]).as_deref(), HIDDEN);
    assert_eq!(user("LOGIN cGFzcw==", &[("Password:", "\0user\0pass")]).as_deref(), HIDDEN);
    let mut attempts = Attempts::default();
    attempts.begin(b"LOGIN cGFzcw==");
    attempts.response(b"pass");
    assert_eq!(attempts.end(Some(535), 0).unwrap().told.user.as_deref(), Some(Secret::SHOWN), "in plain text");
}

#[test]
fn a_name_that_a_later_attempt_has_for_its_password_is_taken_back() {
    let mut attempts = Attempts::default();
    let mut told = Vec::new();
    for argument in
        [&b"LOGIN aHVudGVyMg=="[..], b"LOGIN dXNlcg==", b"PLAIN AHVzZXIAaHVudGVyMg==", b"LOGIN aHVudGVyMg=="]
    {
        attempts.begin(argument);
        attempts.withdraw_from(&mut told);
        told.push(attempts.end(Some(535), 0).unwrap().told);
    }
    let users: Vec<_> = told.iter().map(|auth| auth.user.as_deref()).collect();
    assert_eq!(users, [Some(Secret::SHOWN), Some(b"user"), Some(b"user"), Some(Secret::SHOWN)]);
}

#[test]
fn other_mechanisms_tell_no_user() {
    for (argument, response) in [
        ("CRAM-MD5", "user 0123456789abcdef0123456789abcdef"),
        ("XOAUTH2", "user=someone\u{1}auth=Bearer token\u{1}\u{1}"),
        ("NTLM", "NTLMSSP"),
        ("EXTERNAL", "user"),
        ("X-OWN", "user"),
    ] {
        assert_eq!(user(argument, &[("Username:", response)]).as_deref(), HIDDEN, "{argument}");
    }
}

#[test]
fn a_word_that_can_be_no_mechanism_is_a_response() {
    let mechanism = |argument: &str| {
        let mut attempts = Attempts::default();
        attempts.begin(argument.as_bytes());
        String::from_utf8(attempts.end(Some(501), 0).unwrap().told.mechanism).unwrap()
    };
    for (argument, told) in [("Plain", "PLAIN"), ("NO-SUCH", "NO-SUCH"), ("scram-sha-256", "SCRAM-SHA-256"), ("", "")] {
        assert_eq!(mechanism(argument), told);
    }
    for argument in ["AHVzZXIAcGFzcw==", "cGFzc3dvcmQ", "PLAIN=AHVz", "AAAAAAAAAAAAAAAAAAAAA"] {
        assert_eq!(mechanism(argument), "<redacted>", "{argument}");
    }
}

fn line(text: &str, seen: Option<u64>) -> Line {
    Line {
        text: text.into(),
        octets: (text.len() as u64).saturating_add(2),
        ending: Ending::CrLf,
        bare_cr: false,
        start: 0,
        end: (text.len() as u64).saturating_add(2),
        at: Packets::one(Moment { ordinal: Ordinal::of(1), time: Time(1) }),
        seen,
        captured: 0,
        after_fin: false,
    }
}

#[test]
fn base64_behind_a_refusal_is_secret_until_a_command() {
    let mut attempts = Attempts::default();
    assert_eq!(attempts.role(&line("dXNlcg==", None)), Role::Command);
    attempts.begin(b"LOGIN");
    attempts.end(Some(504), 10);
    assert_eq!(attempts.role(&line("dXNlcg==", Some(10))), Role::Leaked);
    assert_eq!(attempts.role(&line("what is this", Some(10))), Role::Command);
    assert_eq!(attempts.role(&line("cGFzcw", Some(10))), Role::Leaked);
    assert_eq!(attempts.role(&line("RSET", Some(10))), Role::Command);
    assert_eq!(attempts.role(&line("cGFzcw==", Some(10))), Role::Command);
    attempts.misspelt();
    assert_eq!(attempts.role(&line("cGFzcw==", Some(10))), Role::Leaked);
}

#[test]
fn the_rest_of_a_wrapped_secret_behind_success_is_secret() {
    let mut attempts = Attempts::default();
    let mut begin = || {
        attempts.begin(b"PLAIN AHVzZXIAcGFz");
        attempts.end(Some(235), 10);
        attempts.clone()
    };
    // In the flight of the first part; behind the reply, for a sender that waits for acknowledgements.
    for (text, seen) in
        [("c3dvcmQ=", Some(0)), ("c3dvcmQ", None), ("abcd", Some(0)), ("c3dvcmQ=", Some(10)), ("MTIz", Some(10))]
    {
        let mut attempts = begin();
        assert_eq!(attempts.role(&line(text, seen)), Role::Leaked, "{text}");
        assert_eq!(attempts.role(&line(text, seen)), Role::Leaked, "{text} again");
    }
    // The look-alike: an unknown verb of a client that waited.
    assert_eq!(begin().role(&line("XFOO", Some(10))), Role::Command);
    let mut attempts = begin();
    assert_eq!(attempts.role(&line("NOOP", Some(0))), Role::Command);
    assert_eq!(attempts.role(&line("c3dvcmQ=", Some(0))), Role::Command, "another command came");
}

#[test]
fn a_line_that_repeats_a_password_is_secret() {
    let mut attempts = Attempts::default();
    attempts.begin(b"PLAIN AHVzZXIAaHVudGVyMg==");
    attempts.end(Some(235), 10);
    assert_eq!(attempts.role(&line("NOOP", Some(10))), Role::Command);
    assert_eq!(attempts.role(&line("hunter2", Some(10))), Role::Leaked);
    assert_eq!(attempts.role(&line("aHVudGVyMg", Some(10))), Role::Leaked);
    assert_eq!(attempts.role(&line("NOOP hunter2", Some(10))), Role::Repeats(5));
    assert_eq!(attempts.role(&line("user", Some(10))), Role::Command);
    assert_eq!(attempts.role(&line("VRFY user", Some(10))), Role::Command);
}

#[test]
fn a_server_that_quotes_a_secret_is_found_and_a_name_alone_is_none() {
    let mut attempts = Attempts::default();
    attempts.begin(b"PLAIN AHVzZXIAaHVudGVyMg==");
    for text in ["AHVzZXIAaHVudGVyMg==", "AHVzZXIAaHVu", "hunter2", "user:hunter2", "aHVudGVyMg", "68756e74657232"] {
        assert!(attempts.quoted_in(text.as_bytes()), "{text}");
    }
    assert!(!attempts.quoted_in(b"welcome, user"));
    let mut token = Attempts::default();
    token.begin(&[b"XOAUTH2 ", encoded("user=someone\u{1}auth=Bearer ya29.token\u{1}\u{1}").as_slice()].concat());
    assert!(token.quoted_in(b"535 bad ya29.token") && !token.quoted_in(b"535 Bearer is bad, someone"));
}

#[test]
fn only_a_layer_that_succeeded_hides_what_follows() {
    let layer = |argument: &[u8], code| {
        let mut attempts = Attempts::default();
        attempts.begin(argument);
        attempts.end(code, 0).unwrap().may_add_layer
    };
    assert!(layer(b"GSSAPI", Some(235)));
    assert!(!layer(b"GSSAPI", Some(535)) && !layer(b"GSSAPI", None) && !layer(b"PLAIN", Some(235)));
}

#[test]
fn a_challenge_is_hidden_and_a_prompt_is_not() {
    let ntlm = "TlRMTVNTUAACAAAADAAMADgAAAA1goniASNFZ4mrze8AAAAAAAAAACQAJABEAAAA";
    for challenge in
        [ntlm.as_bytes(), &encoded("<1896.697170952@mx.example.org>"), &encoded("nonce=\"a\",qop=\"auth\"")]
    {
        assert!(is_challenge(challenge), "{}", String::from_utf8_lossy(challenge));
    }
    for prompt in ["Username:", "User Name\0", "Password:", "Password\0", "password", ""] {
        assert!(!is_challenge(&encoded(prompt)), "{prompt}");
    }
    for text in ["", "go ahead", "NTLM supported", "GSSAPI supported", "continue"] {
        assert!(!is_challenge(text.as_bytes()), "{text}");
    }
}
