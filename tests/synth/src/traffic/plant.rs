//! What sessions do to be found: each plant is a few writes behind the EHLO, and the findings that they bring.

/// A finding that an analyser has to report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Finding {
    /// `rule/check`.
    pub(super) check: &'static str,
    /// `info`, `low`, ...
    pub(super) severity: &'static str,
    /// A condition of the server: told once for each, with the session that showed it first.
    pub(super) of_server: bool,
    /// How often the session shows it.
    pub(super) times: u32,
}

/// A way to be found.
pub(super) struct Plant {
    pub(super) findings: &'static [Finding],
    /// What the client writes and what the server replies, in turn.
    pub(super) talk: &'static [(&'static [u8], &'static str)],
}

const fn of_session(check: &'static str, severity: &'static str) -> Finding {
    Finding { check, severity, of_server: false, times: 1 }
}

const fn of_server(check: &'static str, severity: &'static str) -> Finding {
    Finding { check, severity, of_server: true, times: 1 }
}

/// Brought by every session whose STARTTLS is answered 220.
pub(super) static TLS_STARTED: Finding = of_server("starttls/started", "info");

/// Brought by a server that begins with 554 and ends.
pub(super) static REFUSED_GREETING: Finding = of_server("bad-greeting/refused", "low");

/// A line of 604 octets: above the 512 of RFC 5321 section 4.5.3.1.4.
const LONG: [u8; 604] = {
    let mut line = [b'x'; 604];
    (line[0], line[1], line[2], line[3], line[4]) = (b'N', b'O', b'O', b'P', b' ');
    (line[602], line[603]) = (b'\r', b'\n');
    line
};

const OK: &str = "250 2.0.0 Ok\r\n";
const UNKNOWN: &str = "500 5.5.2 Error: command not recognized\r\n";
const MAIL: (&[u8], &str) = (b"MAIL FROM:<sender@example.com>\r\n", OK);
const RESET: (&[u8], &str) = (b"RSET\r\n", OK);

/// All of them but [`REFUSED_GREETING`].
pub(super) static PLANTS: &[Plant] = &[
    Plant {
        findings: &[of_server("help-exposed/answered", "low")],
        talk: &[(
            b"HELP\r\n",
            "214-2.0.0 Commands supported:\r\n214 2.0.0 AUTH STARTTLS HELO EHLO MAIL RCPT DATA NOOP QUIT\r\n",
        )],
    },
    Plant { findings: &[of_session("binary-in-command/nul", "high")], talk: &[(b"NOOP a\0b\r\n", OK)] },
    Plant { findings: &[of_session("binary-in-command/control", "medium")], talk: &[(b"NOOP a\x07b\r\n", OK)] },
    Plant { findings: &[of_session("binary-in-command/eight-bit", "medium")], talk: &[(b"NOOP caf\xe9\r\n", OK)] },
    Plant {
        findings: &[of_session("exchange-command/x-link2state", "medium")],
        talk: &[(b"X-LINK2STATE\r\n", UNKNOWN)],
    },
    Plant {
        findings: &[of_session("exchange-command/xexch50", "high")],
        talk: &[(b"XEXCH50 -1 2\r\n", "504 Need to authenticate first\r\n")],
    },
    Plant { findings: &[of_session("private-command/used", "low")], talk: &[(b"XFOO bar\r\n", UNKNOWN)] },
    Plant {
        findings: &[of_session("recipient-without-domain/local-part-only", "medium")],
        talk: &[MAIL, (b"RCPT TO:<root>\r\n", OK), RESET],
    },
    Plant {
        findings: &[of_session("recipient-without-domain/empty-domain", "low")],
        talk: &[MAIL, (b"RCPT TO:<root@>\r\n", "501 5.1.3 Bad recipient address syntax\r\n"), RESET],
    },
    Plant {
        findings: &[
            Finding { times: 5, ..of_session("recipient-without-domain/local-part-only", "medium") },
            of_session("recipient-without-domain/harvest", "high"),
        ],
        talk: &[
            MAIL,
            (b"RCPT TO:<anna>\r\n", OK),
            (b"RCPT TO:<bert>\r\n", OK),
            (b"RCPT TO:<carl>\r\n", OK),
            (b"RCPT TO:<dora>\r\n", OK),
            (b"RCPT TO:<emil>\r\n", OK),
            RESET,
        ],
    },
    Plant {
        findings: &[of_server("starttls/refused", "low")],
        talk: &[(b"STARTTLS\r\n", "454 4.7.0 TLS not available\r\n")],
    },
    Plant { findings: &[of_session("non-compliant/unknown-verb", "low")], talk: &[(b"FOO bar\r\n", UNKNOWN)] },
    Plant {
        findings: &[of_session("non-compliant/malformed-command", "low")],
        talk: &[(b"VRFY\r\n", "501 5.5.4 Syntax: VRFY address\r\n")],
    },
    Plant {
        findings: &[of_session("non-compliant/lax-path", "info")],
        talk: &[(b"MAIL FROM: <sender@example.com>\r\n", OK), RESET],
    },
    Plant {
        findings: &[of_session("non-compliant/out-of-sequence", "low")],
        talk: &[(b"RCPT TO:<user@example.org>\r\n", "503 5.5.1 Error: need MAIL command\r\n")],
    },
    Plant { findings: &[of_session("non-compliant/command-too-long", "medium")], talk: &[(&LONG, OK)] },
    Plant { findings: &[of_session("non-compliant/bare-lf", "low")], talk: &[(b"NOOP\n", OK)] },
    Plant {
        findings: &[of_session("non-compliant/unadvertised-pipelining", "low")],
        talk: &[(b"NOOP\r\nNOOP\r\n", "250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n")],
    },
];
