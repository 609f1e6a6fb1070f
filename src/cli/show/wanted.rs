//! What `mailtap show` is asked for.

use std::fmt;
use std::str::FromStr;

use ipnet::IpNet;

use crate::base::names;

/// What is to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Wanted {
    /// A session or a finding, by its id or the beginning of it, in lower case.
    Id(String),
    /// All sessions of these clients.
    Clients(IpNet),
}

/// So many digits an id has, and so many are enough.
const DIGITS: usize = 16;
const ENOUGH: usize = 4;

impl FromStr for Wanted {
    type Err = NotWanted;

    fn from_str(text: &str) -> Result<Self, NotWanted> {
        let is_id = (ENOUGH..=DIGITS).contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        if is_id {
            return Ok(Wanted::Id(text.to_ascii_lowercase()));
        }
        names::network(text).map(|net| Wanted::Clients(net.trunc())).ok_or(NotWanted)
    }
}

/// Text that is nothing of the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) struct NotWanted;

impl fmt::Display for NotWanted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "expected a session ID or a fingerprint ({DIGITS} hexadecimal digits, or the first {ENOUGH} or more), or a client's \
             address; the captures come after it"
        )
    }
}

impl std::error::Error for NotWanted {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_may_be_short_and_an_address_is_clients() {
        assert_eq!("64036C48AA04296E".parse(), Ok(Wanted::Id("64036c48aa04296e".to_owned())));
        assert_eq!("beef".parse(), Ok(Wanted::Id("beef".to_owned())));
        assert_eq!("192.0.2.10".parse(), Ok(Wanted::Clients("192.0.2.10/32".parse().unwrap())));
        assert_eq!("2001:db8::7/32".parse(), Ok(Wanted::Clients("2001:db8::/32".parse().unwrap())));
        for text in ["", "abc", "64036c48aa04296e0", "a.pcap", "xyzz"] {
            assert_eq!(text.parse::<Wanted>(), Err(NotWanted), "{text}");
        }
    }
}
