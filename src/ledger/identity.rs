//! Which session it is: its id, made of its addresses, its ports and the time of its first packet, so that it is the same in
//! every scan; and the beginning of an id, by which a user asks for one (`--session`).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::base::Side;

use super::Who;

/// TCP's number among IP protocols.
pub(crate) const TCP: u8 = 6;

/// Over the five-tuple, the ids of the tunnels around it, and the time of the connection's first packet; records show the
/// first 8 bytes, as 16 hex digits.
pub(crate) fn session(who: &Who) -> [u8; 32] {
    let flow = who.flow();
    let mut told = FlowBytes::default();
    for end in [Side::A, Side::B].map(|side| flow.end(side)) {
        told.add(&[if end.ip.is_ipv4() { 4 } else { 16 }]);
        told.add_ip(end.ip);
        told.add(&end.port.to_be_bytes());
    }
    // The number of tunnel ids: none is opened yet.
    told.add(&[TCP, 0]);
    told.add(&who.first.time.0.to_be_bytes());
    Sha256::digest(told.bytes()).into()
}

/// What is hashed of a flow, put together so that it is hashed in one go: one block of the hash.
pub(crate) struct FlowBytes {
    bytes: [u8; 48],
    length: usize,
}

impl Default for FlowBytes {
    fn default() -> Self {
        FlowBytes { bytes: [0; 48], length: 0 }
    }
}

impl FlowBytes {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        let end = self.length.saturating_add(bytes.len());
        if let Some(room) = self.bytes.get_mut(self.length..end) {
            room.copy_from_slice(bytes);
            self.length = end;
        }
    }

    pub(crate) fn add_ip(&mut self, ip: IpAddr) {
        match ip {
            IpAddr::V4(v4) => self.add(&v4.octets()),
            IpAddr::V6(v6) => self.add(&v6.octets()),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// The id of a session, or its first digits: 4 to 16 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionPrefix(String);

impl SessionPrefix {
    /// Fewer digits would be the first of many sessions.
    const LEAST: usize = 4;
    /// All digits of an id.
    const ALL: usize = 16;

    /// Its digits, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the session's id begins so.
    pub(crate) fn is_of(&self, id: &[u8; 32]) -> bool {
        let digits = id.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        self.0.chars().zip(digits).all(|(char, digit)| char.to_digit(16) == Some(digit.into()))
    }
}

impl FromStr for SessionPrefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = (Self::LEAST..=Self::ALL).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        fits.then(|| SessionPrefix(text.to_ascii_lowercase())).ok_or_else(|| {
            format!("'{text}': expected a session id, or at least its first {} hexadecimal digits", Self::LEAST)
        })
    }
}

impl TryFrom<String> for SessionPrefix {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<SessionPrefix> for String {
    fn from(prefix: SessionPrefix) -> Self {
        prefix.0
    }
}

impl fmt::Display for SessionPrefix {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_known_by_its_first_digits_in_either_case() {
        let mut id = [0; 32];
        id[..3].copy_from_slice(&[0xab, 0xc1, 0x2f]);
        for (text, is) in
            [("abc1", true), ("ABC12F", true), ("abc12f0000000000", true), ("abc2", false), ("bc12", false)]
        {
            assert_eq!(text.parse::<SessionPrefix>().unwrap().is_of(&id), is, "{text}");
        }
    }

    #[test]
    fn fewer_than_four_digits_more_than_an_id_or_no_digits_are_refused() {
        for text in ["", "abc", "abcg", "0x12", "abc12f00000000000", " abc1", "\u{e9}\u{e9}"] {
            let wrong = text.parse::<SessionPrefix>().unwrap_err();
            assert!(wrong.ends_with("at least its first 4 hexadecimal digits"), "{wrong}");
        }
    }
}
