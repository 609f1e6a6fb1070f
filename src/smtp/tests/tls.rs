//! STARTTLS, TLS from the first byte, and what goes wrong with it.

use super::{SERVER, Talk, assert_after_hello, assert_events, assert_heard};

/// A client's hello (TLS 1.2 record) as OpenSSL sends it, made by the test: SNI `mx.example`, ALPN `smtp`,
/// supported versions 1.3 and 1.2.
pub(super) fn client_hello() -> Vec<u8> {
    let extension = |kind: u16, body: &[u8]| {
        let mut bytes = kind.to_be_bytes().to_vec();
        bytes.extend(length(body));
        bytes.extend(body);
        bytes
    };
    let name = b"mx.example";
    let entry = [b"\0", &length(name)[..], name].concat();
    let sni = [&length(&entry)[..], &entry].concat();
    let extensions =
        [extension(0, &sni), extension(16, b"\0\x05\x04smtp"), extension(43, &[4, 0x03, 0x04, 0x03, 0x03])].concat();
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.push(0);
    body.extend([0, 2, 0x13, 0x01, 1, 0]);
    body.extend(length(&extensions));
    body.extend(extensions);
    record(1, &body)
}

/// A server's hello that chooses TLS 1.3.
pub(super) fn server_hello() -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([9; 32]);
    body.extend([0, 0x13, 0x01, 0, 0, 6, 0, 43, 0, 2, 3, 4]);
    record(2, &body)
}

pub(super) fn length(bytes: &[u8]) -> [u8; 2] {
    u16::try_from(bytes.len()).unwrap().to_be_bytes()
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, 0];
    message.extend(length(body));
    message.extend(body);
    let mut record = vec![0x16, 3, 1];
    record.extend(length(&message));
    record.extend(message);
    record
}

/// Bytes as a dialogue writes them.
pub(super) fn escape(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect()
}

#[test]
fn the_hellos_are_read_as_the_witness_reads_them() {
    use tls_parser::{TlsExtension, TlsMessage, TlsMessageHandshake, parse_tls_extensions, parse_tls_plaintext};
    let hello = client_hello();
    let (_, record) = parse_tls_plaintext(&hello).unwrap();
    let [TlsMessage::Handshake(TlsMessageHandshake::ClientHello(witness))] = record.msg.as_slice() else { panic!() };
    let (_, extensions) = parse_tls_extensions(witness.ext.unwrap()).unwrap();
    let mut names = Vec::new();
    for extension in &extensions {
        match extension {
            TlsExtension::SNI(list) => names.push(list[0].1.to_vec()),
            TlsExtension::ALPN(list) => names.extend(list.iter().map(|name| name.to_vec())),
            _ => {}
        }
    }
    let heard =
        Talk::new(&format!("S: 220 mx\nC: STARTTLS\nS: 220 go\nC> {}\nS> {}", escape(&hello), escape(&server_hello())))
            .run();
    let tls = &heard.session().tls;
    assert_eq!(names, [tls.sni.clone().unwrap(), tls.alpn[0].clone()]);
    assert_eq!((tls.version, tls.settled), (Some("1.3"), true));
}

#[test]
fn a_220_makes_the_rest_opaque() {
    assert_after_hello(
        &format!(
            "
            C: STARTTLS
            S: 220 go
            C> {}
            S> {}
            C> \\x17\\x03\\x03\\0\\x06QUIT\\r\\n
            S> \\x17\\x03\\x03\\0\\x09221 bye\\r\\n
            ",
            escape(&client_hello()),
            escape(&server_hello())
        ),
        "
        C STARTTLS
        R 220 STARTTLS
        T started
        T started mx.example
        T started 1.3 mx.example
        T started 1.3 mx.example settled
        ",
    );
    // X-ANONYMOUSTLS is the same.
    assert_after_hello(
        &format!("C: X-ANONYMOUSTLS\nS: 220 go\nC> {}", escape(&client_hello())),
        "
        C X-ANONYMOUSTLS
        R 220 X-ANONYMOUSTLS
        T started
        T started mx.example
        T started mx.example settled
        ",
    );
}

#[test]
fn a_lost_segment_does_not_bring_smtp_back() {
    assert_after_hello(
        &format!(
            "
            C: STARTTLS
            S: 220 go
            C> {}
            C- 100
            C: MAIL FROM:<a@b>
            S- 100
            S: 250 ok
            ",
            escape(&client_hello())
        ),
        "
        C STARTTLS
        R 220 STARTTLS
        T started
        T started mx.example
        T started mx.example settled
        ",
    );
}

#[test]
fn a_refused_starttls_changes_nothing() {
    assert_after_hello(
        "
        C: STARTTLS now\\r\\nQUIT
        S: 501 no\\r\\n221 bye
        ",
        "
        C STARTTLS now
        R 501 STARTTLS
        T refused 501 settled
        C QUIT [behind 1, last STARTTLS]
        R 221 QUIT
        ",
    );
}

#[test]
fn bytes_in_the_flight_of_starttls_are_kept_as_an_event() {
    for text in ["C: STARTTLS\\r\\nNOOP", "C: STARTTLS\nc: NOOP"] {
        assert_after_hello(
            &format!("{text}\nS: 220 go\nC> {}", escape(&client_hello())),
            "
            C STARTTLS
            R 220 STARTTLS
            T started
            F injected NOOP\\r\\n
            T started mx.example
            T started mx.example settled
            ",
        );
    }
    // A client that sends its hello without waiting injects nothing.
    assert_after_hello(
        &format!("C> STARTTLS\\r\\n{}\nS: 220 go", escape(&client_hello())),
        "
        C STARTTLS
        R 220 STARTTLS
        T started
        T started mx.example
        T started mx.example settled
        ",
    );
}

#[test]
fn server_bytes_in_clear_behind_its_220_are_a_fault() {
    assert_after_hello(
        &format!("C: STARTTLS\nS: 220 go\\r\\n250 injected\nC> {}", escape(&client_hello())),
        "
        C STARTTLS
        R 220 STARTTLS
        T started
        F server injected 250 injected\\r\\n
        T started mx.example
        T started mx.example settled
        ",
    );
}

#[test]
fn a_mirror_that_decrypts_is_read_on() {
    assert_after_hello(
        "
        C: STARTTLS
        S: 220 go
        C: EHLO me
        S: 250-mx\\r\\n250 HELP
        C: HELP
        S: 214 help
        ",
        "
        C STARTTLS
        R 220 STARTTLS
        T started
        T decrypted settled
        C EHLO me
        R 250 EHLO
        C HELP
        R 214 HELP
        ",
    );
}

#[test]
fn clear_text_that_the_server_does_not_answer_is_no_tls() {
    // Exim answers with an alert, Postfix closes.
    for answer in ["S> \\x15\\x03\\x03\\0\\x02\\x02\\x0a", "S."] {
        assert_after_hello(
            &format!("C: STARTTLS\nS: 220 go\nC: NOOP\n{answer}"),
            "
            C STARTTLS
            R 220 STARTTLS
            T started
            T failed not-tls settled
            ",
        );
    }
    // Bytes that are neither TLS nor a line of SMTP.
    assert_after_hello(
        "C: STARTTLS\nS: 220 go\nC> \\x01\\x02\\x03\nS: 500 what\nC: NOOP\nS: 250 ok",
        "
        C STARTTLS
        R 220 STARTTLS
        T started
        T failed not-tls settled
        R 500 nothing
        C NOOP
        R 250 NOOP
        ",
    );
}

#[test]
fn an_alert_in_clear_ends_the_handshake() {
    assert_after_hello(
        &format!("C: STARTTLS\nS: 220 go\nC> {}\nS> \\x15\\x03\\x03\\0\\x02\\x02\\x28", escape(&client_hello())),
        "
        C STARTTLS
        R 220 STARTTLS
        T started
        T started mx.example
        T failed mx.example alert 40 settled
        ",
    );
}

#[test]
fn tls_from_the_first_byte_is_implicit() {
    let talk = Talk::new(&format!("C> {}\nS> {}", escape(&client_hello()), escape(&server_hello())));
    assert_heard(
        &talk.events(),
        "
        F protocol TLS
        T implicit
        T implicit mx.example
        T implicit 1.3 mx.example
        T implicit 1.3 mx.example settled
        ",
    );
}

#[test]
fn an_offer_is_a_fact_of_the_session() {
    let heard = Talk::new(super::HELLO).run();
    assert_eq!(heard.session().tls.state, crate::smtp::wire::tls::State::Offered);
}

#[test]
fn without_the_server_a_hello_proves_the_220() {
    let hello = escape(&client_hello());
    let talk = Talk::new(&format!("C: EHLO me\nC: STARTTLS\nC> {hello}")).without(SERVER);
    assert_heard(
        &talk.events(),
        "
        C EHLO me
        C STARTTLS
        T started
        T started mx.example
        T started mx.example settled
        ",
    );
    let refused = Talk::new("C: STARTTLS\nC: MAIL FROM:<a@b>").without(SERVER);
    assert_heard(&refused.events(), "C STARTTLS\nC MAIL FROM:<a@b>");
    assert_events("S: 220 mx\nC: STARTTLS\nC.", "greeting 220 mx\nC STARTTLS");
}

#[test]
fn what_stands_in_the_flight_is_injected_however_it_is_cut() {
    let text = format!(
        "{}C> STARTTLS\\r\\nAUTH PLAIN AHVzZXIAcGFzcw==\\r\\n\\x16\nS: 220 go\nC> {}",
        super::HELLO,
        escape(&client_hello())
    );
    for size in [1, 5, 1000] {
        let heard = Talk::new(&text).in_pieces(size).run();
        assert_heard(
            &heard.lines[3..],
            "
            C STARTTLS
            R 220 STARTTLS
            T started
            F injected AUTH PLAIN <redacted>\\r\\n\\x16
            T started mx.example
            T started mx.example settled
            ",
        );
    }
    // A first octet alone does not tell what it begins.
    for bytes in ["\\x16EHLO me\\r\\n", "\\x80\\x01\\x02\\x03"] {
        let text = format!("{}C: STARTTLS\nS: 220 go\nC> {bytes}", super::HELLO);
        for size in [1, 1000] {
            let heard = Talk::new(&text).in_pieces(size).run();
            assert_eq!(heard.lines.last().unwrap(), "T failed not-tls settled", "{bytes} by {size}");
        }
    }
}
