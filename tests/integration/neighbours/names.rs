//! Names: of servers that tell it in their greeting, and of protocols by their first octets.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Kind, ehlo, quit, text, whole};
use crate::told::{all, holds};

const NOT_SMTP: &str = "non-compliant/not-smtp";

#[test]
fn software_that_names_itself_in_its_greeting_is_named() {
    let mut kind = Kind::new("software", 90);
    for (greeting, name) in [
        ("mx.example.net Cyrus ESMTP 3.6.1-Debian-3.6.1-4 server ready", "Cyrus"),
        ("mx.example.net LMTP Cyrus v2.4.17 server ready", "Cyrus"),
        ("mx.example.net Dovecot (Debian) ready.", "Dovecot"),
        ("mx.example.net Dovecot ready.", "Dovecot"),
        ("mx.example.net ESMTP Courier", "Courier"),
        ("mx.example.net Courier ESMTP", "Courier"),
        ("mx.example.net ESMTP chasquid", "chasquid"),
        ("mx.example.net ESMTP qpsmtpd 0.94 ready; send us your mail, but not your spam.", "qpsmtpd"),
        ("mx.example.net ESMTP Postfix (Debian/GNU)", "Postfix"),
        ("mx.example.net ESMTP Exim 4.96 Fri, 02 Jan 2026 03:04:05 +0000", "Exim"),
        ("mx.example.net ESMTP OpenSMTPD", "OpenSMTPD"),
        ("mx.example.net ESMTP Haraka/3.0.1 ready", "Haraka"),
    ] {
        for _ in 0..2 {
            let said = format!("S: 220 {greeting}\n{}", text(&whole()[1..]));
            kind.only(greeting, &said, move |told| told.server_has("software.name", name));
        }
    }
    for greeting in
        ["mx.example.net ESMTP", "cyrus.example.net ESMTP", "dovecot.example.net ready", "mx ESMTP courier.example.net"]
    {
        let said = format!("S: 220 {greeting}\n{}", text(&whole()[1..]));
        kind.only(greeting, &said, |told| told.server_has("software", Value::Null));
    }
    kind.hold();
}

#[test]
fn a_servers_greetings_are_one_whatever_the_date() {
    let mut kind = Kind::new("dates", 91);
    for form in [
        "mx.example.net ESMTP Exim 4.96 Fri, 0D Jan 2026 03:0D:05 +0000",
        "mx.example.net ESMTP Sendmail 8.17.1.9/8.17.1.9; Fri, 0D Jan 2026 0D:04:05 GMT; (No UCE/UBE)",
        "mx.example.net Microsoft ESMTP MAIL Service ready at Fri, D Jan 2026 03:04:0D +0100",
        "mx.example.net ESMTP at 2026-01-0DT03:04:05Z",
        "mx.example.net ESMTP Service ready, Fri Jan  D 03:04:05 2026",
        "mx.example.net ESMTP Fri, 2 Jan 2026 03:04:05 -0D00 (CET)",
    ] {
        let mut said = String::new();
        for nth in 1..=9 {
            if nth > 1 {
                let _ = writeln!(said, "[4000{nth} SAME]");
            }
            let greeting = form.replace('D', &nth.to_string()).replace(&format!("{nth}ebian"), "Debian");
            let _ = writeln!(said, "S: 220 {greeting}\nC: QUIT\nS: 221 bye\n@ +60s");
        }
        kind.only(form, &said, |told| {
            let greetings = told.server("greetings").as_array().map_or(0, Vec::len);
            holds(greetings == 1, || format!("{greetings} greetings: {}", told.server("greetings")))
        });
    }
    // The look-alike: the name differs.
    let said = "S: 220 one.example.net ESMTP\nC: QUIT\nS: 221 bye\n@ +5s\n[40002 SAME]\nS: 220 two.example.net ESMTP\nC: QUIT\nS: 221 bye\n";
    kind.only("two names", said, |told| {
        holds(told.server("greetings").as_array().map_or(0, Vec::len) == 2, || "not two greetings".to_owned())
    });
    kind.hold();
}

#[test]
fn protocols_are_named_by_their_first_octets() {
    let mut kind = Kind::new("protocol", 92);
    for (name, first) in [
        ("RTSP", "C: OPTIONS rtsp://mx.example.net/ RTSP/1.0"),
        ("RTSP", "C: DESCRIBE rtsp://mx.example.net/ RTSP/1.0"),
        ("SIP", "C: OPTIONS sip:nm@mx.example.net SIP/2.0"),
        ("SIP", "C: REGISTER sip:mx.example.net SIP/2.0"),
        ("HTTP", "C: OPTIONS / HTTP/1.1"),
        ("HTTP", "C: GET / HTTP/1.0"),
        // A query for version.bind over TCP, with its length in front.
        ("DNS", "C! 00 1e 00 06 01 00 00 01 00 00 00 00 00 00 07 76 65 72 73 69 6f 6e 04 62 69 6e 64 00 00 10 00 03"),
        // A call of the portmapper's null procedure, with its record mark in front.
        (
            "RPC",
            "C! 80 00 00 28 72 fe 1d 13 00 00 00 00 00 00 00 02 00 01 86 a0 00 01 97 7c 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00",
        ),
        // An anonymous bind request.
        ("LDAP", "C! 30 0c 02 01 01 60 07 02 01 02 04 00 80 00"),
        // An AS-REQ, with its length in front.
        (
            "Kerberos",
            "C! 00 00 00 71 6a 81 6e 30 81 6b a1 03 02 01 05 a2 03 02 01 0a a4 81 5e 30 5c a0 07 03 05 00 50 80 00 10 a2 04 1b 02 4e 4d a3 17 30 15 a0 03 02 01 00 a1 0e 30 0c 1b 06 6b 72 62 74 67 74 1b 02 4e 4d a5 11 18 0f 31 39 37 30 30 31 30 31 30 30 30 30 30 30 5a a7 06 02 04 1f 1e b9 d9 a8 17 30 15 02 01 12 02 01 11 02 01 10 02 01 17 02 01 01 02 01 03 02 01 02",
        ),
        // Connection setup, least significant byte first, version 11.0.
        ("X11", "C! 6c 00 0b 00 00 00 00 00 00 00 00 00"),
        // A connect packet.
        (
            "TNS",
            "C! 00 5a 00 00 01 00 00 00 01 36 01 2c 00 00 08 00 7f ff 7f 08 00 00 00 01 00 20 00 3a 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 34 e6 00 00 00 01 00 00 00 00 00 00 00 00 28 43 4f 4e 4e 45 43 54 5f 44 41 54 41 3d 28 43 4f 4d 4d 41 4e 44 3d 76 65 72 73 69 6f 6e 29 29",
        ),
        ("JRMI", "C! 4a 52 4d 49 00 02 4b"),
    ] {
        for end in ["C FIN\n", "S: 500 5.5.2 what\nC FIN\n", "S: 421 4.4.2 timeout\nS FIN\n"] {
            let said = format!("S: 220 mx.example.net ESMTP\n{first}\n{end}");
            // Where no line has an end, what a server's reply makes of the rest is another matter.
            let only = first.starts_with("C: ") || end == "C FIN\n";
            kind.only(&format!("{name}, {end:?}"), &said, move |told| {
                let rest = if only { told.finds_only(&[NOT_SMTP]) } else { told.finds_no("unsolicited") };
                all([told.finding_names(NOT_SMTP, "protocol", name), rest])
            });
        }
    }
    kind.hold();
}

#[test]
fn what_is_said_of_an_offer_names_only_the_servers_own_software() {
    let mut kind = Kind::new("offer", 93);
    let others = ["Exim", "Sendmail", "OpenSMTPD", "Postfix", "Haraka", "aiosmtpd"];
    for (greeting, own) in [
        ("mx.example.net ESMTP Exim 4.96", "Exim"),
        ("mx.example.net ESMTP Sendmail 8.17.1.9", "Sendmail"),
        ("mx.example.net ESMTP OpenSMTPD", "OpenSMTPD"),
        ("mx.example.net ESMTP Postfix", "Postfix"),
    ] {
        for _ in 0..3 {
            let said = format!("S: 220 {greeting}\n{}", text(&[ehlo(&["SIZE 1000", "HELP"]), quit()]));
            kind.only(greeting, &said, move |told| {
                let named = others.iter().filter(|&&other| other != own);
                let named = named.filter(|other| told.finding_tells("help-exposed/advertised", other).is_ok());
                let named: Vec<_> = named.collect();
                all([told.finds("help-exposed/advertised"), holds(named.is_empty(), || format!("{named:?} are named"))])
            });
        }
    }
    kind.hold();
}
