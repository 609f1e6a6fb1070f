//! What may hide SMTP, driven alone.

use crate::base::Moment;
use crate::smtp::handshake::{Answer, Around, Handshake, Outcome};
use crate::smtp::wire::line::{Cut, LineReader, Piece, Source};
use crate::smtp::wire::reply;
use crate::smtp::wire::tls::{State, Tls};

const ALERT: &[u8] = b"\x15\x03\x03\0\x02\x02\x28";

/// A machine behind a 220 that ended at 100, and what it is told of the session.
struct Bench {
    handshake: Handshake,
    tls: Tls,
    sent: [u64; 2],
}

impl Bench {
    fn new() -> Bench {
        let tls = Tls { state: State::Started, ..Tls::default() };
        Bench { handshake: Handshake::behind_prompt(Some(100)), tls, sent: [10, 100] }
    }

    fn around(tls: &mut Tls, seen: u64) -> Around<'_> {
        Around { tls, whole: true, bound: 99, seen: Some(seen) }
    }

    fn piece(offset: u64, bytes: &[u8], seen: u64) -> Piece<'_> {
        let from = Source { at: Moment::default(), seen: Some(seen), captured: 0, after_fin: false };
        Piece { offset, bytes, from }
    }

    /// The client's bytes, and how many of them are left.
    fn client(&mut self, bytes: &[u8], seen: u64) -> (Outcome, usize) {
        let mut piece = Bench::piece(self.sent[0], bytes, seen);
        self.sent[0] = piece.end();
        (self.handshake.client(&mut piece, &mut Bench::around(&mut self.tls, seen)), piece.bytes.len())
    }

    fn server(&mut self, bytes: &[u8]) -> (Outcome, usize) {
        let seen = self.sent[0];
        let mut piece = Bench::piece(self.sent[1], bytes, seen);
        self.sent[1] = piece.end();
        (self.handshake.server(&mut piece, false, false, &mut Bench::around(&mut self.tls, seen)), piece.bytes.len())
    }

    fn line(&mut self, text: &[u8], seen: u64) -> Answer {
        let mut piece = Bench::piece(self.sent[1], text, seen);
        let mut lines = LineReader::default();
        let line = lines.take(&mut piece, Cut::Lf, 99).unwrap();
        let code = reply::code(&line.text).0;
        self.handshake.answer(&line, code, false, &mut Bench::around(&mut self.tls, seen))
    }
}

#[test]
fn a_record_begins_tls_and_what_is_too_short_is_held() {
    let mut bench = Bench::new();
    assert_eq!(bench.client(b"\x16", 100), (Outcome::Hold, 1));
    assert!(bench.handshake.waits());
    assert_eq!(bench.handshake.look(b"\x16\x03", false), Some(Outcome::Begins));
    assert!(bench.handshake.is_opaque() && !bench.handshake.waits());
    for record in [b"\x15\x03\x03\0", b"\x16\x03\x01\0", b"\x17\x03\x03\0"] {
        assert_eq!(Bench::new().client(record, 100), (Outcome::Begins, 4));
    }
}

#[test]
fn an_alert_fails_it_and_a_line_with_a_code_brings_smtp_back() {
    let mut bench = Bench::new();
    bench.client(b"\x16\x03\x01\0\x05hello", 100);
    assert_eq!(bench.server(&[ALERT, b"554 no\r\n"].concat()), (Outcome::Told, 8));
    assert_eq!((bench.tls.state, bench.tls.alert, bench.tls.settled), (State::Failed, Some(40), true));
    assert_eq!(bench.server(b"554 no\r\n"), (Outcome::Lines, 8));
    assert_eq!(bench.line(b"no\r\n", 20), Answer::Ignored);
    assert_eq!(bench.client(b"EHLO x\r\n", 107), (Outcome::Hold, 8));
    assert_eq!(bench.line(b"554 no\r\n", 20), Answer::FailedSmtp { told: false });
}

#[test]
fn text_is_held_until_the_server_answers_it() {
    let mut bench = Bench::new();
    assert_eq!(bench.client(b"NOOP\r\n", 100), (Outcome::Begins, 6));
    assert!(bench.handshake.waits());
    assert_eq!(bench.line(b"250 ok\r\n", 16), Answer::Decrypted);
    assert_eq!(bench.tls.state, State::Decrypted);
    let mut bench = Bench::new();
    bench.client(b"NOOP\r\n", 100);
    assert_eq!(bench.server(ALERT), (Outcome::Told, 7));
    assert!(bench.tls.not_tls && bench.tls.alert.is_none());
}

#[test]
fn what_stands_in_the_flight_is_kept_until_it_is_told() {
    let mut bench = Bench::new();
    assert_eq!(bench.client(b"HELP\r\n", 50), (Outcome::Taken, 0));
    assert_eq!(bench.handshake.held(), 6);
    // A line that the server sent before it had those bytes answers none of them.
    assert_eq!(bench.line(b"214 help\r\n", 10), Answer::Injected);
    assert_eq!(bench.line(b"214 help\r\n", 16), Answer::ToInjected);
    assert_eq!(bench.handshake.take_injected().unwrap().bytes, b"HELP\r\n");
    assert!(bench.handshake.take_injected().is_none());
}

#[test]
fn tls_from_the_first_byte_is_read_at_once() {
    let mut tls = Tls::default();
    let mut bench = Bench { handshake: Handshake::implicit(&mut tls), tls, sent: [0, 0] };
    assert_eq!((bench.tls.state, bench.handshake.waits()), (State::Implicit, false));
    assert!(bench.handshake.is_opaque());
    bench.client(b"\x16\x03\x01\0\x05hello", 0);
    assert_eq!(bench.server(ALERT).0, Outcome::Told);
    assert_eq!((bench.tls.state, bench.tls.alert), (State::Implicit, Some(40)));
}

#[test]
fn a_layer_is_none_where_the_server_answers_in_smtp() {
    let mut bench = Bench { handshake: Handshake::layer(), ..Bench::new() };
    assert_eq!(bench.client(b"NOOP", 100).0, Outcome::Smtp);
    assert_eq!(bench.client(b"\x01\r\n", 100).0, Outcome::Hold);
    assert_eq!(bench.line(b"500 what\r\n", 17), Answer::Smtp);
    assert_eq!(bench.line(b"what\r\n", 17), Answer::Opaque);
    assert_eq!(bench.server(b"\0\0\0\x20").0, Outcome::Opaque);
}
