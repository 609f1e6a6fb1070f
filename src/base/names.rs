//! Names that stand for the addresses of servers (`--server-name`), and what a server is known by: containers change their
//! address, and behind one address there may be several servers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::Endpoint;

/// What a server is known by: wherever servers are told apart, it is by this.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Known {
    /// It has no name.
    At(Endpoint),
    /// By its name and its port, wherever it was seen.
    As(ServerName, u16),
}

impl Known {
    /// By its name, if it has one, else by its address.
    pub(crate) fn by(name: Option<&ServerName>, at: Endpoint) -> Self {
        name.map_or(Known::At(at), |name| Known::As(name.clone(), at.port))
    }
}

impl fmt::Display for Known {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Known::At(Endpoint { ip, port }) => SocketAddr::new(*ip, *port).fmt(out),
            Known::As(name, port) => write!(out, "{name}:{port}"),
        }
    }
}

/// A name: 1 to 64 printable ASCII characters, none of which means anything on the command line or in a configuration, and
/// no address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServerName(Arc<str>);

impl ServerName {
    const MOST: usize = 64;

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServerName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = |byte: u8| byte.is_ascii_graphic() && !br#",=/\"'`"#.contains(&byte);
        let is_name = (1..=Self::MOST).contains(&text.len()) && text.bytes().all(fits);
        let is_address = text.parse::<IpAddr>().is_ok() || text.parse::<SocketAddr>().is_ok();
        if is_name && !is_address {
            return Ok(ServerName(text.into()));
        }
        let wanted = "1 to 64 printable ASCII characters without spaces, commas, equals signs, slashes or quotes, and not an address";
        Err(format!("'{text}' is not a name for a server: use {wanted}"))
    }
}

impl TryFrom<String> for ServerName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ServerName> for String {
    fn from(name: ServerName) -> Self {
        name.as_str().to_owned()
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// A network, or a single address.
pub(crate) fn network(text: &str) -> Option<IpNet> {
    let address = || text.parse::<IpAddr>().map(IpNet::from).ok();
    text.parse::<IpNet>().ok().or_else(address)
}

/// Which servers a name is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Whose {
    /// Those of a network, on whichever port.
    Net(IpNet),
    /// The one at an address and port.
    Port(Endpoint),
}

impl FromStr for Whose {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let net = network(text).map(|net| Whose::Net(net.trunc()));
        let port = || text.parse::<SocketAddr>().ok().filter(|end| end.port() > 0);
        let port = || port().map(|end| Whose::Port(Endpoint { ip: end.ip(), port: end.port() }));
        net.or_else(port).ok_or_else(|| {
            format!(
                "'{text}': expected a network, an address or ADDRESS:PORT, such as 192.0.2.0/24 or [2001:db8::25]:25"
            )
        })
    }
}

impl fmt::Display for Whose {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Whose::Net(net) => net.fmt(out),
            Whose::Port(Endpoint { ip, port }) => SocketAddr::new(*ip, *port).fmt(out),
        }
    }
}

/// Whose names are known. The closest row decides: the one for the port, then the one for the smallest network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, ServerName>", into = "BTreeMap<String, ServerName>")]
pub struct ServerNames {
    rows: BTreeMap<Whose, ServerName>,
    /// The lengths of the networks' prefixes.
    lengths: BTreeSet<u8>,
}

impl ServerNames {
    /// Names them so from now on.
    pub(crate) fn insert(&mut self, whose: Whose, name: ServerName) {
        if let Whose::Net(net) = whose {
            self.lengths.insert(net.prefix_len());
        }
        self.rows.insert(whose, name);
    }

    /// The server's name, if it has one.
    pub(crate) fn name(&self, server: Endpoint) -> Option<&ServerName> {
        if self.rows.is_empty() {
            return None;
        }
        let within = |&length: &u8| self.rows.get(&Whose::Net(IpNet::new(server.ip, length).ok()?.trunc()));
        self.rows.get(&Whose::Port(server)).or_else(|| self.lengths.iter().rev().find_map(within))
    }

    /// What the server is known by.
    pub(crate) fn known(&self, server: Endpoint) -> Known {
        Known::by(self.name(server), server)
    }
}

impl TryFrom<BTreeMap<String, ServerName>> for ServerNames {
    type Error = String;

    fn try_from(rows: BTreeMap<String, ServerName>) -> Result<Self, String> {
        let mut names = ServerNames::default();
        for (whose, name) in rows {
            names.insert(whose.parse()?, name);
        }
        Ok(names)
    }
}

impl From<ServerNames> for BTreeMap<String, ServerName> {
    fn from(names: ServerNames) -> Self {
        names.rows.into_iter().map(|(whose, name)| (whose.to_string(), name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(rows: &[&str]) -> ServerNames {
        let mut names = ServerNames::default();
        for row in rows {
            let (whose, name) = row.split_once('=').unwrap();
            names.insert(whose.parse().unwrap(), name.parse().unwrap());
        }
        names
    }

    fn named(names: &ServerNames, server: &str) -> Option<String> {
        let server: SocketAddr = server.parse().unwrap();
        names.name(Endpoint { ip: server.ip(), port: server.port() }).map(ToString::to_string)
    }

    #[test]
    fn the_closest_row_decides_whatever_their_order() {
        let rows = ["192.0.2.0/24=net", "192.0.2.9=address", "192.0.2.9:2525=port", "192.0.0.0/16=wide", "::/0=six"];
        let [forwards, backwards] = [rows.to_vec(), rows.into_iter().rev().collect()].map(|rows| names(&rows));
        assert_eq!(forwards, backwards);
        for (server, name) in [
            ("192.0.2.9:2525", Some("port")),
            ("192.0.2.9:25", Some("address")),
            ("192.0.2.10:2525", Some("net")),
            ("192.0.3.0:25", Some("wide")),
            ("192.1.0.0:25", None),
            ("[2001:db8::25]:25", Some("six")),
            // An address of the other family whose bits begin alike.
            ("[c000:209::]:25", Some("six")),
        ] {
            assert_eq!(named(&forwards, server).as_deref(), name, "{server}");
        }
        assert_eq!(named(&names(&["192.0.2.0/24=a"]), "[c000:200::1]:25"), None);
        assert_eq!(named(&names(&["c000:200::/24=a"]), "192.0.2.1:25"), None);
    }

    #[test]
    fn a_neighbour_of_a_network_is_not_in_it() {
        let names = names(&["192.0.2.128/25=a", "[2001:db8::25]:25=b"]);
        for (server, name) in [
            ("192.0.2.127:25", None),
            ("192.0.2.128:25", Some("a")),
            ("192.0.2.255:25", Some("a")),
            ("192.0.3.0:25", None),
            ("[2001:db8::25]:26", None),
            ("[2001:db8::26]:25", None),
            ("[2001:db8::25]:25", Some("b")),
        ] {
            assert_eq!(named(&names, server).as_deref(), name, "{server}");
        }
    }

    #[test]
    fn what_is_no_name_or_nobodys_is_refused() {
        let long = "x".repeat(65);
        for wrong in [
            "",
            " ",
            "mx a",
            "a,b",
            "a=b",
            "a/b",
            "a\"b",
            "a\\b",
            "m\u{e4}x",
            "a\tb",
            "192.0.2.1",
            "::1",
            "1.2.3.4:25",
            &long,
        ] {
            let told = wrong.parse::<ServerName>().unwrap_err();
            assert!(told.contains("is not a name for a server: use 1 to 64 printable"), "{told}");
        }
        for name in ["m", "mx-a.example_1", "mx:25", &long[..64]] {
            assert_eq!(name.parse::<ServerName>().unwrap().as_str(), name);
        }
        for wrong in
            ["", "mx-a", "192.0.2.0/33", "192.0.2.1:0", "192.0.2.1:70000", "2001:db8::/129", "192.0.2.0/24:25", "[::1]"]
        {
            assert!(
                wrong.parse::<Whose>().unwrap_err().starts_with(&format!("'{wrong}': expected a network")),
                "{wrong}"
            );
        }
        for (text, shown) in [("192.0.2.7/24", "192.0.2.0/24"), ("192.0.2.7", "192.0.2.7/32"), ("[::1]:25", "[::1]:25")]
        {
            assert_eq!(text.parse::<Whose>().unwrap().to_string(), shown);
        }
    }
}
