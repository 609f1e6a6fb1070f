//! Other protocols on the port, named by the first bytes of either side; and the PROXY header, which a
//! relay puts in front of the client's bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a client's first bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::smtp) enum First {
    /// Too few bytes to tell.
    More,
    /// Nothing else than a client of SMTP might send.
    Smtp,
    /// TLS from the first byte.
    Tls,
    /// A protocol in lines, which a server of SMTP might answer in its own.
    Lines(&'static str),
    /// A protocol that is no text.
    Binary(&'static str),
    /// A PROXY header of so many octets, and the client that it names.
    Proxy(usize, Option<Vec<u8>>),
}

impl First {
    fn name(&self) -> Option<&'static str> {
        match self {
            First::Lines(name) | First::Binary(name) => Some(name),
            First::More | First::Smtp | First::Tls | First::Proxy(..) => None,
        }
    }
}

/// How the first bytes of a client of that protocol begin; requests of OPTIONS and of RTSP and SIP are [`REQUESTS`].
const CLIENTS: &[(&[u8], First)] = &[
    (b"GET ", First::Lines("HTTP")),
    (b"POST ", First::Lines("HTTP")),
    (b"PUT ", First::Lines("HTTP")),
    (b"HEAD ", First::Lines("HTTP")),
    (b"CONNECT ", First::Lines("HTTP")),
    (b"DELETE ", First::Lines("HTTP")),
    (b"TRACE ", First::Lines("HTTP")),
    (b"PATCH ", First::Lines("HTTP")),
    (b"PRI * HTTP/2", First::Lines("HTTP")),
    (b"SSH-", First::Binary("SSH")),
    (b"RFB ", First::Binary("RFB")),
    (b"\x03\x00\x00", First::Binary("RDP")),
    (b"\x05\x01\x00", First::Binary("SOCKS")),
    (b"\x04\x01", First::Binary("SOCKS")),
    (b"\x13BitTorrent protocol", First::Binary("BitTorrent")),
    // Java Remote Method Invocation Specification, section 10.2 (RMI Transport Protocol): magic, then a version of 2 octets.
    (b"JRMI\0", First::Binary("JRMI")),
    // X Window System Protocol, "Connection Setup": byte order, an unused octet, version 11.0.
    (b"l\0\x0b\0\0\0", First::Binary("X11")),
    (b"B\0\0\x0b\0\0", First::Binary("X11")),
];

/// Methods whose request line tells by its target and version what protocol it is of: RTSP's (RFC 2326 section 10, RFC
/// 7826 section 13), SIP's (RFC 3261 section 7.1 and its extensions), and OPTIONS, which HTTP has too.
const REQUESTS: &[&[u8]] = &[
    b"OPTIONS ",
    b"DESCRIBE ",
    b"ANNOUNCE ",
    b"SETUP ",
    b"PLAY ",
    b"PAUSE ",
    b"RECORD ",
    b"REDIRECT ",
    b"TEARDOWN ",
    b"GET_PARAMETER ",
    b"SET_PARAMETER ",
    b"INVITE ",
    b"ACK ",
    b"BYE ",
    b"CANCEL ",
    b"REGISTER ",
    b"PRACK ",
    b"SUBSCRIBE ",
    b"NOTIFY ",
    b"PUBLISH ",
    b"INFO ",
    b"REFER ",
    b"MESSAGE ",
    b"UPDATE ",
];

/// The schemes by which a request's target tells its protocol.
const TARGETS: &[(&[u8], &str)] =
    &[(b"rtsp:", "RTSP"), (b"rtspu:", "RTSP"), (b"rtsps:", "RTSP"), (b"sip:", "SIP"), (b"sips:", "SIP")];

/// Protocols whose first octets hold lengths and numbers: what they are once there are enough of them.
const FRAMES: &[fn(&[u8]) -> First] = &[smb, dns, rpc, ldap, kerberos, tns];

/// How the first line of a server of that protocol begins.
const SERVERS: &[(&[u8], First)] = &[
    (b"SSH-", First::Binary("SSH")),
    (b"HTTP/", First::Lines("HTTP")),
    (b"RFB ", First::Binary("RFB")),
    (b"* OK", First::Lines("IMAP")),
    (b"* PREAUTH", First::Lines("IMAP")),
    (b"* BYE", First::Lines("IMAP")),
    (b"+OK", First::Lines("POP3")),
    (b"-ERR", First::Lines("POP3")),
    (b"\xff\xfb", First::Binary("Telnet")),
    (b"\xff\xfd", First::Binary("Telnet")),
    (b"\xff\xfe", First::Binary("Telnet")),
    (b"\x15\x03", First::Binary("TLS")),
    (b"\x16\x03", First::Binary("TLS")),
    (b"RTSP/", First::Lines("RTSP")),
    (b"SIP/2.0", First::Lines("SIP")),
];

/// Neither side's first line is one of SMTP, nor of a protocol with a name.
pub(in crate::smtp) const UNKNOWN: &str = "unknown";

/// What a server's first line is, if it is another protocol's.
pub(in crate::smtp) fn server(line: &[u8]) -> Option<&'static str> {
    SERVERS.iter().find(|(prefix, _)| line.starts_with(prefix)).and_then(|(_, what)| what.name())
}

/// Whether a protocol of that name is lines of text, so that its stream may be judged on; all others are binary.
pub(crate) fn is_text(name: &str) -> bool {
    let is_it = |(_, what): &(&[u8], First)| matches!(what, First::Lines(lines) if *lines == name);
    name == UNKNOWN || CLIENTS.iter().chain(SERVERS).any(is_it)
}

/// What a client's first bytes are; `bytes` is all that came so far.
pub(in crate::smtp) fn client(bytes: &[u8]) -> First {
    match super::tls::begins_handshake(bytes) {
        None if !bytes.contains(&b'\n') => return First::More,
        Some(true) => return First::Tls,
        None | Some(false) => {}
    }
    match proxy(bytes) {
        First::Smtp => {}
        other => return other,
    }
    // However a line was cut into segments, it is looked at up to its end and no further.
    let end = memchr::memchr(b'\n', bytes).map(|at| at.saturating_add(1));
    let line = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or(bytes);
    let mut more = false;
    let of_frames = FRAMES.iter().map(|frame| frame(line));
    for what in of_frames.chain(CLIENTS.iter().map(|(sign, what)| begins(line, sign, what))).chain([request(line)]) {
        match what {
            First::More => more = true,
            First::Smtp => {}
            what => return what,
        }
    }
    if more && end.is_none() { First::More } else { First::Smtp }
}

/// Whether a line is of the protocol that begins so, or may become it.
fn begins(line: &[u8], sign: &[u8], what: &First) -> First {
    match line.starts_with(sign) {
        true => what.clone(),
        false if sign.starts_with(line) => First::More,
        false => First::Smtp,
    }
}

/// A request line: its target's scheme tells what it is; for OPTIONS else its version, once it is there.
fn request(line: &[u8]) -> First {
    /// A version stands in so many octets, or the request is taken for one of HTTP.
    const MOST: usize = 128;
    let Some(method) = REQUESTS.iter().find(|method| line.starts_with(method)) else {
        return if REQUESTS.iter().any(|method| method.starts_with(line)) { First::More } else { First::Smtp };
    };
    let target = line.get(method.len()..).unwrap_or_default();
    let same = |scheme: &[u8], target: &[u8]| scheme.eq_ignore_ascii_case(target);
    if let Some((_, name)) =
        TARGETS.iter().find(|(scheme, _)| target.get(..scheme.len()).is_some_and(|head| same(scheme, head)))
    {
        return First::Lines(name);
    }
    if TARGETS.iter().any(|(scheme, _)| scheme.get(..target.len()).is_some_and(|head| same(head, target))) {
        return First::More;
    }
    if *method != b"OPTIONS " {
        return First::Smtp;
    }
    // `OPTIONS * RTSP/1.0` asks the server itself.
    let version = target.split(|&byte| byte == b' ').nth(1).unwrap_or_default();
    for (sign, name) in [(&b"RTSP/"[..], "RTSP"), (b"SIP/", "SIP"), (b"HTTP/", "HTTP")] {
        if version.starts_with(sign) {
            return First::Lines(name);
        }
    }
    let whole = line.ends_with(b"\n") || line.len() >= MOST;
    if whole { First::Lines("HTTP") } else { First::More }
}

/// What a fixed form of octets says: each is an octet, or any.
fn form(bytes: &[u8], form: &[Option<u8>]) -> Option<bool> {
    let fits = bytes.iter().zip(form).all(|(byte, want)| want.is_none_or(|want| want == *byte));
    if fits { (bytes.len() >= form.len()).then_some(true) } else { Some(false) }
}

/// DNS over TCP (RFC 1035 sections 4.1.1 and 4.2.2): a length in two octets, an id, the flags of a query (opcode 0, or 2
/// with no question at all), one question, no answer, nothing of authority, at most two records besides.
fn dns(bytes: &[u8]) -> First {
    let Some(&[high, low]) = bytes.first_chunk::<2>() else {
        // The length of a query has few bits.
        return if bytes.iter().all(|&high| high < 0x10) { First::More } else { First::Smtp };
    };
    let length = u16::from_be_bytes([high, low]);
    if !(12..0x1000).contains(&length) {
        return First::Smtp;
    }
    let rest = bytes.get(4..).unwrap_or_default();
    let status = matches!(rest.first(), Some(0x10));
    let fits = |place: usize, byte: u8| match place {
        0 => byte & !0x01 == 0 || byte == 0x10,
        1 => byte & !0x30 == 0,
        3 => byte == u8::from(!status),
        9 => byte <= 2,
        _ => byte == 0,
    };
    if !(0..10).zip(rest).all(|(place, &byte)| fits(place, byte)) {
        return First::Smtp;
    }
    if rest.len() < 10 { First::More } else { First::Binary("DNS") }
}

/// ONC RPC over TCP (RFC 5531 sections 9 and 11): the mark of a last fragment below 64 KiB, an id, CALL, version 2.
fn rpc(bytes: &[u8]) -> First {
    const CALL: &[Option<u8>] = &[
        Some(0x80),
        Some(0),
        None,
        None,
        None,
        None,
        None,
        None,
        Some(0),
        Some(0),
        Some(0),
        Some(0),
        Some(0),
        Some(0),
        Some(0),
        Some(2),
    ];
    named(form(bytes, CALL), "RPC")
}

/// LDAP (RFC 4511 sections 4.1.1 and 5.1): a SEQUENCE, its length, a message's id, and a request that may come first.
fn ldap(bytes: &[u8]) -> First {
    let Some((0x30, rest)) = bytes.split_first().map(|(first, rest)| (*first, rest)) else { return First::Smtp };
    let Some((_, rest)) = length(rest) else { return unfinished(rest) };
    // The id has up to four octets.
    let (count, rest) = match rest {
        [] | [0x02] => return First::More,
        [0x02, count @ 1..=4, rest @ ..] => (usize::from(*count), rest),
        _ => return First::Smtp,
    };
    match rest.get(count) {
        None => First::More,
        // Bind, search, extended request.
        Some(0x60 | 0x63 | 0x77) => First::Binary("LDAP"),
        Some(_) => First::Smtp,
    }
}

/// Kerberos over TCP (RFC 4120 sections 5.4.1 and 7.2.2): a length in four octets, AS-REQ or TGS-REQ, its SEQUENCE.
fn kerberos(bytes: &[u8]) -> First {
    const LENGTH: &[Option<u8>] = &[Some(0), Some(0), None, None];
    if form(bytes, LENGTH) != Some(true) {
        return named(form(bytes, LENGTH), "Kerberos");
    }
    let rest = bytes.get(4..).unwrap_or_default();
    let rest = match rest {
        [] => return First::More,
        [0x6a | 0x6c, rest @ ..] => rest,
        _ => return First::Smtp,
    };
    let Some((_, rest)) = length(rest) else { return unfinished(rest) };
    named(form(rest, &[Some(0x30)]), "Kerberos")
}

/// Oracle's TNS (Wireshark's packet-tns.c; Oracle names no public specification): a length in two octets, no checksum,
/// CONNECT, flags, no checksum of the header, a version and the oldest one that will do, each from 256 on.
fn tns(bytes: &[u8]) -> First {
    const CONNECT: &[Option<u8>] =
        &[None, None, Some(0), Some(0), Some(1), None, Some(0), Some(0), Some(1), None, Some(1)];
    match bytes.first() {
        Some(0..=0x1f) => named(form(bytes, CONNECT), "Oracle TNS"),
        _ => First::Smtp,
    }
}

fn named(fits: Option<bool>, name: &'static str) -> First {
    match fits {
        None => First::More,
        Some(true) => First::Binary(name),
        Some(false) => First::Smtp,
    }
}

/// A length in BER's definite form (X.690 section 8.1.3), up to four octets, and what stands behind it.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        return Some((usize::from(first), rest));
    }
    let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f)).filter(|(octets, _)| octets.len() <= 4)?;
    Some((octets.iter().fold(0, |sum, &octet| (sum << 8) | usize::from(octet)), rest))
}

/// What a length that could not be read may still become.
fn unfinished(bytes: &[u8]) -> First {
    match bytes.first() {
        None | Some(0x81..=0x84) => First::More,
        Some(_) => First::Smtp,
    }
}

/// SMB over TCP ([MS-SMB2] section 2.1): a length in four octets (below 64 KiB), then 0xff or 0xfe and `SMB`.
fn smb(bytes: &[u8]) -> First {
    const NEGOTIATE: &[Option<u8>] = &[Some(0), Some(0), None, None, None, Some(b'S'), Some(b'M'), Some(b'B')];
    match bytes.get(4) {
        None | Some(0xfe | 0xff) => named(form(bytes, NEGOTIATE), "SMB"),
        Some(_) => First::Smtp,
    }
}

/// How a PROXY header of version 2 begins.
pub(in crate::smtp) const PROXY_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The PROXY protocol, versions 1 and 2 (`HAProxy`'s proxy-protocol.txt, sections 2.1 and 2.2).
fn proxy(bytes: &[u8]) -> First {
    const V1: &[u8] = b"PROXY ";
    const V2: &[u8] = PROXY_V2;
    /// The longest line of version 1.
    const V1_MOST: usize = 107;
    if V1.starts_with(bytes) || V2.starts_with(bytes) {
        return First::More;
    }
    if bytes.starts_with(V1) {
        let Some(end) = memchr::memchr(b'\n', bytes) else {
            return if bytes.len() < V1_MOST { First::More } else { First::Smtp };
        };
        let line = bytes.get(..end).unwrap_or_default().trim_ascii_end();
        let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
        let client = match words.as_slice() {
            [_, b"TCP4" | b"TCP6", source, _, port, _] => Some([*source, b" ", *port].concat()),
            _ => None,
        };
        return First::Proxy(end.saturating_add(1), client);
    }
    if !bytes.starts_with(V2) {
        return First::Smtp;
    }
    let Some(&[command, family, high, low]) = bytes.get(12..).and_then(|rest| rest.first_chunk::<4>()) else {
        return First::More;
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let Some(body) = bytes.get(16..).and_then(|rest| rest.get(..length.min(36))) else { return First::More };
    let client = match (command, family >> 4) {
        (0x21, 1) => v2_source::<4>(body).map(|(ip, port)| (IpAddr::V4(Ipv4Addr::from(ip)), port)),
        (0x21, 2) => v2_source::<16>(body).map(|(ip, port)| (IpAddr::V6(Ipv6Addr::from(ip)), port)),
        _ => None,
    };
    First::Proxy(length.saturating_add(16), client.map(|(ip, port)| format!("{ip} {port}").into_bytes()))
}

/// Source address and port of a version 2 header: both addresses come first, then both ports.
fn v2_source<const N: usize>(body: &[u8]) -> Option<([u8; N], u16)> {
    let (source, rest) = body.split_first_chunk::<N>()?;
    let port = rest.get(N..)?.first_chunk::<2>()?;
    Some((*source, u16::from_be_bytes(*port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_told_by_as_few_bytes_as_it_takes() {
        assert_eq!(client(b"H"), First::More);
        assert_eq!(client(b"HEL"), First::Smtp);
        assert_eq!(client(b"E"), First::Smtp);
        assert_eq!(client(b"GET / HTTP/1.1\r\n"), First::Lines("HTTP"));
        assert_eq!(client(b"SSH-2.0-x"), First::Binary("SSH"));
        assert_eq!(client(b"\x16\x03\x01\x02\x00"), First::Tls);
        assert_eq!(client(b"\x03\x00\x00\x13\x0e\xe0"), First::Binary("RDP"));
        assert_eq!(client(b"\0\0\0\x45\xffSMB"), First::Binary("SMB"));
        assert_eq!(client(b"PRO"), First::More);
        assert_eq!(client(b"QUIT\r\n"), First::Smtp);
    }

    #[test]
    fn a_request_line_is_named_by_what_stands_in_it() {
        for (line, name) in [
            ("OPTIONS / HTTP/1.1\r\n", "HTTP"),
            ("OPTIONS * RTSP/1.0\r\n", "RTSP"),
            ("OPTIONS rtsp://cam.example.org/ RTSP/1.0\r\n", "RTSP"),
            ("DESCRIBE rtsp://cam.example.org/1 RTSP/1.0\r\n", "RTSP"),
            ("OPTIONS sip:nm SIP/2.0\r\n", "SIP"),
            ("REGISTER sips:example.org SIP/2.0\r\n", "SIP"),
            ("INVITE sip:user@example.org SIP/2.0\r\n", "SIP"),
        ] {
            assert_eq!(client(line.as_bytes()), First::Lines(name), "{line}");
        }
        for line in ["REGISTER me\r\n", "INFO\r\n", "MESSAGE sipping\r\n", "OPTIONS\r\n", "SETUP \r\n", "BYE\r\n"] {
            assert_eq!(client(line.as_bytes()), First::Smtp, "{line}");
        }
        assert_eq!(client(b"RCPT TO:<a@b>"), First::Smtp);
        assert_eq!(client(format!("OPTIONS /{}", "x".repeat(200)).as_bytes()), First::Lines("HTTP"), "no more is held");
    }

    /// The first octets of real probes and clients.
    const PROBES: &[(&[u8], &str)] = &[
        (b"\0\x1e\0\x06\x01\0\0\x01\0\0\0\0\0\0\x07version\x04bind\0\0\x10\0\x03", "DNS"),
        (b"\0\x0c\0\0\x10\0\0\0\0\0\0\0\0\0", "DNS"),
        (b"\0\x34\xbe\xef\x01\x20\0\x01\0\0\0\0\0\x01\x07example", "DNS"),
        (b"\x80\0\0\x28\x72\xfe\x1d\x13\0\0\0\0\0\0\0\x02\0\x01\x86\xa0\0\x01\x97\x7c", "RPC"),
        (b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x02\x04\0\x80\0", "LDAP"),
        (b"\x30\x84\0\0\0\x2d\x02\x01\x07\x63\x84\0\0\0\x24\x04\0", "LDAP"),
        (b"\0\0\0\x71\x6a\x81\x6e\x30\x81\x6b\xa1\x03\x02\x01\x05", "Kerberos"),
        (b"l\0\x0b\0\0\0\0\0\0\0\0\0", "X11"),
        (b"B\0\0\x0b\0\0\0\0\0\0\0\0", "X11"),
        (b"\0\x5a\0\0\x01\0\0\0\x01\x36\x01\x2c\0\0\x08\0\x7f\xff", "Oracle TNS"),
        (b"JRMI\0\x02K", "JRMI"),
        (b"\0\0\0\x45\xffSMBr", "SMB"),
    ];

    #[test]
    fn protocols_that_are_no_text_are_named_by_their_first_octets() {
        for (probe, name) in PROBES {
            assert_eq!(client(probe), First::Binary(name), "{name}");
            // However they come: they wait, and then they are told.
            let told = (1..probe.len()).map(|count| client(&probe[..count])).find(|what| *what != First::More);
            assert!(told.is_none_or(|what| what == First::Binary(name)), "{name}");
        }
    }

    #[test]
    fn octets_that_can_become_no_sign_wait_for_nothing() {
        for bytes in [
            &b"\0\r\n"[..],
            b"\0\n",
            b"\x80\x80\r\n",
            b"\x80\r\n",
            b"0xy",
            b"0\r\n",
            b"lhl",
            b"BD",
            b"\0\0\0\x05help\r\n",
            b"\0abcd",
            b"\0\x1e\0\0\x80",
            b"\x01\r\n",
            b"JRMI ",
        ] {
            assert_eq!(client(bytes), First::Smtp, "{bytes:02x?}");
        }
    }

    #[test]
    fn protocols_of_lines_are_told_from_binary_ones() {
        for (name, text) in [
            ("HTTP", true),
            ("POP3", true),
            ("SIP", true),
            ("unknown", true),
            ("SSH", false),
            ("TLS", false),
            ("SMB", false),
            ("RTSP", true),
            ("DNS", false),
            ("Oracle TNS", false),
        ] {
            assert_eq!(is_text(name), text, "{name}");
        }
    }

    #[test]
    fn a_proxy_header_names_the_real_client() {
        let line = b"PROXY TCP4 203.0.113.9 192.0.2.25 40000 25\r\nEHLO x\r\n";
        assert_eq!(client(line), First::Proxy(44, Some(b"203.0.113.9 40000".to_vec())));
        let mut block = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
        assert_eq!(client(&block), First::More);
        block.extend([203, 0, 113, 9, 192, 0, 2, 25, 0x9c, 0x40, 0, 25]);
        assert_eq!(client(&block), First::Proxy(28, Some(b"203.0.113.9 40000".to_vec())));
        assert_eq!(client(b"PROXY UNKNOWN\r\n"), First::Proxy(15, None));
    }
}
