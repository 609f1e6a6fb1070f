//! AUTH: exchanges, secrets, security layers.

use super::{SERVER, Talk, assert_after_hello, assert_heard, events};
use crate::smtp::session::Auth;

/// What must never be shown: passwords and whole responses, as they are and decoded.
fn assert_hides(text: &str, secrets: &[&str]) -> super::Heard {
    let heard = Talk::new(text).run();
    let shown = String::from_utf8_lossy(&heard.shown).into_owned();
    for secret in secrets {
        let raw = format!("{:?}", secret.as_bytes());
        let raw = raw.trim_matches(['[', ']']);
        assert!(!shown.contains(secret) && !shown.contains(raw), "{secret} in {shown}");
    }
    heard
}

const SECRETS: [&str; 4] = ["AHVzZXIAcGFzcw", "dXNlcg", "cGFzcw", "pass"];

#[test]
fn a_line_is_of_the_exchange_only_after_a_334() {
    let heard = assert_hides(
        "
        S: 220 mx
        C: AUTH LOGIN
        S: 334 VXNlcm5hbWU6
        C: dXNlcg==
        S: 334 UGFzc3dvcmQ6
        C: cGFzcw==
        S: 235 welcome
        C: NOOP
        S: 250 ok
        ",
        &["dXNlcg", "cGFzcw", "pass"],
    );
    assert_heard(
        &heard.lines,
        "
        greeting 220 mx
        C AUTH LOGIN
        R 334 AUTH
        C <redacted> [exchange]
        R 334 exchange
        C <redacted> [exchange]
        R 235 exchange
        C NOOP
        R 250 NOOP
        ",
    );
    let user = Some(b"user".to_vec());
    assert_eq!(heard.session().auth, [Auth { mechanism: b"LOGIN".to_vec(), user, code: Some(235) }]);
}

#[test]
fn a_response_is_hidden_behind_a_bare_cr_too() {
    assert_hides(
        "
        S: 220 mx
        C> AUTH PLAIN\\rAHVzZXIAcGFzcw==\\r\\n
        S: 500 what
        C> AUTH LOGIN\\rdXNlcg==\\rcGFzcw==\\r\\n
        S: 500 what
        ",
        &SECRETS,
    );
}

#[test]
fn a_response_is_hidden_where_its_auth_came_before_the_capture() {
    assert_hides(
        "
        S: 334 UGFzc3dvcmQ6
        C: cGFzcw==
        S: 235 welcome
        C: NOOP
        S: 250 ok
        ",
        &["cGFzcw", "pass"],
    );
}

#[test]
fn a_334_to_anything_else_opens_no_exchange() {
    assert_after_hello(
        "
        C: NOOP
        S: 334 what
        C: QUIT
        S: 221 bye
        ",
        "
        C NOOP
        R 334 NOOP
        C QUIT
        R 221 QUIT
        ",
    );
}

#[test]
fn an_initial_response_is_a_secret() {
    let heard = assert_hides(
        "
        S: 220 mx
        C: AUTH PLAIN AHVzZXIAcGFzcw==
        S: 535 5.7.8 bad AHVzZXIAcGFzcw==
        C: X-EXPS LOGIN dXNlcg==
        S: 334 UGFzc3dvcmQ6
        C: cGFzcw==
        S: 500 Command unrecognized: \"cGFzcw==\"
        ",
        &SECRETS,
    );
    assert_heard(
        &heard.lines,
        "
        greeting 220 mx
        C AUTH PLAIN <redacted>
        R 535 AUTH secret
        C X-EXPS LOGIN <redacted>
        R 334 X-EXPS
        C <redacted> [exchange]
        R 500 exchange secret
        ",
    );
    let [plain, login] = heard.session().auth.as_slice() else { panic!() };
    assert_eq!((plain.user.as_deref(), plain.code), (Some(&b"user"[..]), Some(535)));
    assert_eq!((login.user.as_deref(), login.code), (Some(&b"user"[..]), Some(500)));
}

#[test]
fn a_response_behind_a_verb_that_is_no_auth_is_a_secret_too() {
    let heard = assert_hides(
        "
        S: 220 mx
        C: AUTHPLAIN AHVzZXIAcGFzcw==
        S: 500 Command unrecognized: \"AUTHPLAIN AHVzZXIAcGFzcw==\"
        C: AUTH=PLAIN AHVzZXIAcGFzcw==
        S: 500 AUTH=PLAIN is unknown
        C: STARTTLS AHVzZXIAcGFzcw==
        S: 501 no argument: AHVzZXIAcGFzcw==
        C: EHLO a
        S: 250-mx
        S: 250 STARTTLS
        ",
        &SECRETS,
    );
    assert_heard(
        &heard.lines,
        "
        greeting 220 mx
        C AUTHPLAIN <redacted>
        R 500 AUTHPLAIN secret
        C AUTH=PLAIN <redacted>
        R 500 -
        C STARTTLS <redacted>
        R 501 STARTTLS secret
        T refused 501 settled
        C EHLO a
        R 250 EHLO
        ",
    );
    assert_eq!(heard.session().capabilities, [b"STARTTLS".to_vec()], "the verb beside a secret is none");
}

#[test]
fn a_client_that_does_not_listen_to_the_refusal_is_redacted_too() {
    let heard = assert_hides(
        "
        S: 220 mx
        C: AUTH LOGIN
        S: 504 not available
        C: dXNlcg==
        S: 500 Command unrecognized: \"dXNlcg==\"
        C: cGFzcw==
        S: 500 Command unrecognized: \"cGFzcw==\"
        C: QUIT
        S: 221 bye
        ",
        &SECRETS,
    );
    assert_heard(
        &heard.lines,
        "
        greeting 220 mx
        C AUTH LOGIN
        R 504 AUTH
        C <redacted>
        R 500 - secret
        C <redacted>
        R 500 - secret
        C QUIT
        R 221 QUIT
        ",
    );
}

#[test]
fn a_pipelined_response_is_a_secret_as_well() {
    let heard = assert_hides(
        "
        S: 220 mx
        C: AUTH PLAIN\\r\\nAHVzZXIAcGFzcw==\\r\\nQUIT
        S: 503 no\\r\\n500 AHVzZXIAcGFzcw==\\r\\n221 bye
        ",
        &SECRETS,
    );
    assert_heard(
        &heard.lines,
        "
        greeting 220 mx
        C AUTH PLAIN
        R 503 AUTH
        C <redacted> [behind 1, last AUTH]
        C QUIT [behind 2, last AUTH]
        R 500 - secret
        R 221 QUIT
        ",
    );
}

#[test]
fn a_star_ends_the_exchange() {
    assert_after_hello(
        "
        C: AUTH LOGIN
        S: 334 VXNlcm5hbWU6
        C: *
        S: 501 cancelled
        C: HELP
        S: 214 help
        ",
        "
        C AUTH LOGIN
        R 334 AUTH
        C <redacted> [exchange]
        R 501 exchange
        C HELP
        R 214 HELP
        ",
    );
}

#[test]
fn without_the_server_a_base64_line_after_auth_is_of_the_exchange() {
    let talk = Talk::new("C: AUTH PLAIN\nC: AHVzZXIAcGFzcw==\nC: MAIL FROM:<a@b>\nC: QUIT").without(SERVER);
    assert_heard(
        &talk.events(),
        "
        C AUTH PLAIN
        C <redacted> [exchange]
        C MAIL FROM:<a@b>
        C QUIT
        ",
    );
    let none = Talk::new("C: AUTH PLAIN\nC: QUIT").without(SERVER);
    assert_heard(&none.events(), "C AUTH PLAIN\nC QUIT");
}

#[test]
fn without_the_server_a_user_whose_base64_is_a_verb_gives_no_password_away() {
    let heard = assert_hides(
        "
        C: EHLO client.example.org
        C: AUTH LOGIN
        C: HELP
        C: cGFzcw==
        C: MAIL FROM:<alice@example.net>
        ",
        &["cGFzcw", "pass"],
    );
    assert!(heard.lines.iter().any(|line| line.contains("MAIL")), "{:?}", heard.lines);
}

/// A login that may have switched on a security layer.
const LAYER: &str = "
    S: 220 mx
    C: AUTH GSSAPI YIIC
    S: 334 x
    C: YIID
    S: 235 ok
";

#[test]
fn a_security_layer_hides_what_follows_if_it_is_no_smtp() {
    let layer = Talk::new(&[LAYER, "C> \\0\\0\\0\\x20EHLO me\\r\\n\nS> \\0\\0\\0\\x10220 x\\r\\n"].concat()).run();
    assert!(layer.session().sasl_layer);
    assert_eq!(layer.lines.last().unwrap(), "R 235 exchange");
    let plain = Talk::new(&[LAYER, "C: NOOP\nS: 250 ok"].concat()).run();
    assert!(!plain.session().sasl_layer);
    assert_eq!(plain.lines.last().unwrap(), "R 250 NOOP");
    // Mechanisms without a layer never hide anything.
    let events = events("S: 220 mx\nC: AUTH PLAIN AAAA\nS: 235 ok\nC> \\0\\r\\n\nS: 500 no");
    assert_eq!(events.last().unwrap(), "R 500 -");
}

#[test]
fn a_server_that_answers_in_smtp_shows_that_there_is_no_layer() {
    let back = Talk::new(&[LAYER, "C> \\x01\\r\\n\nS: 500 what\nC: NOOP\nS: 250 ok"].concat()).run();
    assert!(!back.session().sasl_layer);
    assert_heard(&back.lines[back.lines.len() - 4..], "C \\x01\nR 500 -\nC NOOP\nR 250 NOOP");
    // Nobody answers, or what answers is none.
    for text in ["C> \\x01\\r\\n", "C> \\0\\0\\0\\x02ab\nS> \\0\\0\\0\\x02ab\nC: NOOP\nS: 250 ok"] {
        let layer = Talk::new(&format!("{LAYER}{text}")).run();
        assert!(layer.session().sasl_layer);
        assert_eq!(layer.lines.last().unwrap(), "R 235 exchange");
    }
}
