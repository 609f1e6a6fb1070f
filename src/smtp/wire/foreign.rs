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

/// How the first bytes of a client of that protocol begin.
const CLIENTS: &[(&[u8], First)] = &[
    (b"GET ", First::Lines("HTTP")),
    (b"POST ", First::Lines("HTTP")),
    (b"PUT ", First::Lines("HTTP")),
    (b"HEAD ", First::Lines("HTTP")),
    (b"OPTIONS ", First::Lines("HTTP")),
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
];

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
        None => return First::More,
        Some(true) => return First::Tls,
        Some(false) => {}
    }
    match (proxy(bytes), smb(bytes)) {
        (First::Smtp, First::Smtp) => {}
        (First::Smtp, other) | (other, _) => return other,
    }
    for (prefix, what) in CLIENTS {
        if bytes.starts_with(prefix) {
            return what.clone();
        }
        if prefix.starts_with(bytes) {
            return First::More;
        }
    }
    First::Smtp
}

/// SMB over TCP: a length in four octets, then 0xff or 0xfe and `SMB`.
fn smb(bytes: &[u8]) -> First {
    match bytes {
        [0, _, _, _, 0xfe | 0xff, b'S', b'M', b'B', ..] => First::Binary("SMB"),
        [0, ..] if bytes.len() < 8 => First::More,
        _ => First::Smtp,
    }
}

/// The PROXY protocol, versions 1 and 2 (`HAProxy`'s proxy-protocol.txt, sections 2.1 and 2.2).
fn proxy(bytes: &[u8]) -> First {
    const V1: &[u8] = b"PROXY ";
    const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
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
    fn protocols_of_lines_are_told_from_binary_ones() {
        for (name, text) in [
            ("HTTP", true),
            ("POP3", true),
            ("SIP", true),
            ("unknown", true),
            ("SSH", false),
            ("TLS", false),
            ("SMB", false),
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
