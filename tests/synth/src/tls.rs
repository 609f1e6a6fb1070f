//! TLS records as they stand on the wire before anything is encrypted (RFC 8446 sections 4.1 and 5.1), with
//! contents that never change: random bytes are a fixed pattern.
//!
//! In a dialogue: `C! client-hello sni=NAME alpn=NAME version=1.2`, `S! server-hello version=1.3`,
//! `C! application-data 120`, `S! alert 40` (any part of the options may be left out).

use crate::dialogue::Cause;

/// The record that `text` names, or `None` where it names none.
pub(crate) fn named(text: &str) -> Result<Option<Vec<u8>>, Cause> {
    let mut words = text.split_whitespace();
    let name = words.next().unwrap_or_default();
    if !["client-hello", "server-hello", "application-data", "alert"].contains(&name) {
        return Ok(None);
    }
    let mut options = Options::default();
    for word in words {
        match word.split_once('=') {
            Some(("sni", value)) => options.sni = Some(value),
            Some(("alpn", value)) => options.alpn.push(value),
            Some(("version", "1.2")) => options.version = 0x0303,
            Some(("version", "1.3")) => options.version = 0x0304,
            None => options.number = word.parse().map_err(|_| Cause::Tls(word.to_owned()))?,
            _ => return Err(Cause::Tls(word.to_owned())),
        }
    }
    Ok(Some(match name {
        "client-hello" => client_hello(options.sni, &options.alpn, options.version),
        "server-hello" => server_hello(options.version),
        "application-data" => record(23, &vec![0x5a; options.number]),
        _ => record(21, &[2, u8::try_from(options.number).unwrap_or(0)]),
    }))
}

struct Options<'t> {
    sni: Option<&'t str>,
    alpn: Vec<&'t str>,
    version: u16,
    number: usize,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options { sni: None, alpn: Vec::new(), version: 0x0304, number: 0 }
    }
}

/// A record that holds a `ClientHello`. `version` is the highest one offered: 0x0303 for TLS 1.2, 0x0304 for 1.3.
pub fn client_hello(sni: Option<&str>, alpn: &[&str], version: u16) -> Vec<u8> {
    let mut extensions = Vec::new();
    if let Some(name) = sni {
        // RFC 6066 section 3: a list of one host_name.
        let entry = [&[0][..], &with_length16(name.as_bytes())].concat();
        extensions.extend(extension(0, &with_length16(&entry)));
    }
    if !alpn.is_empty() {
        // RFC 7301 section 3.1: a list of names with a length octet each.
        let names: Vec<u8> = alpn.iter().flat_map(|name| with_length8(name.as_bytes())).collect();
        extensions.extend(extension(16, &with_length16(&names)));
    }
    if version >= 0x0304 {
        extensions.extend(extension(43, &with_length8(&[3, 4, 3, 3])));
    }
    let mut body = vec![3, 3];
    body.extend(0_u8..32);
    body.extend(with_length8(&[0xa5; 32]));
    body.extend(with_length16(&[0x13, 0x01, 0xc0, 0x2f]));
    body.extend(with_length8(&[0]));
    body.extend(with_length16(&extensions));
    let mut bytes = handshake(1, &body);
    bytes[2] = 1; // a first ClientHello says 3.1 in its record, for old middleboxes
    bytes
}

/// A record that holds a `ServerHello` which chose `version`.
pub fn server_hello(version: u16) -> Vec<u8> {
    let extensions = if version >= 0x0304 { extension(43, &version.to_be_bytes()) } else { Vec::new() };
    let mut body = vec![3, 3];
    body.extend(32_u8..64);
    body.extend(with_length8(&[0xa5; 32]));
    body.extend(if version >= 0x0304 { [0x13, 0x01] } else { [0xc0, 0x2f] });
    body.push(0);
    body.extend(with_length16(&extensions));
    handshake(2, &body)
}

/// A record of that content type, in the version that every TLS since 1.2 writes (RFC 8446 section 5.1).
pub fn record(content: u8, payload: &[u8]) -> Vec<u8> {
    [&[content, 3, 3][..], &with_length16(payload)].concat()
}

fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or(0).to_be_bytes();
    let message = [&[kind], &length[1..], body].concat();
    record(22, &message)
}

fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &with_length16(body)].concat()
}

fn with_length8(bytes: &[u8]) -> Vec<u8> {
    [&[u8::try_from(bytes.len()).expect("fits an octet")], bytes].concat()
}

fn with_length16(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).expect("fits two octets").to_be_bytes()[..], bytes].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_nest() {
        let hello = client_hello(Some("mx.example.com"), &["smtp"], 0x0304);
        assert_eq!(usize::from(u16::from_be_bytes([hello[3], hello[4]])), hello.len() - 5);
        assert_eq!(usize::from(u16::from_be_bytes([hello[7], hello[8]])), hello.len() - 9);
    }

    #[test]
    fn what_names_no_record_is_left_to_hexadecimal() {
        assert_eq!(named("16 03 01"), Ok(None));
        assert_eq!(named("alert 40").unwrap().unwrap(), [21, 3, 3, 0, 2, 2, 40]);
        assert_eq!(named("client-hello colour=red"), Err(Cause::Tls("colour=red".to_owned())));
    }
}
