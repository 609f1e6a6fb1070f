//! The hellos: what the client asks for, what the server chose.

use super::Tls;

/// A cursor that never panics: what is not there is `None`.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    fn number(&mut self, octets: usize) -> Option<usize> {
        Some(self.take(octets)?.iter().fold(0, |sum, &byte| (sum << 8) | usize::from(byte)))
    }

    /// A vector behind its length of so many octets (RFC 8446 3.4).
    fn vector(&mut self, length_octets: usize) -> Option<Reader<'b>> {
        let length = self.number(length_octets)?;
        self.take(length).map(Reader)
    }
}

/// What a client's hello asks for.
pub(super) fn client(body: &[u8], tls: &mut Tls) -> Option<()> {
    let mut hello = Reader(body);
    hello.take(2 + 32)?;
    hello.vector(1)?;
    hello.vector(2)?;
    hello.vector(1)?;
    let mut extensions = hello.vector(2)?;
    while let Some(kind) = extensions.number(2) {
        let mut extension = extensions.vector(2)?;
        match kind {
            // server_name: the first host_name.
            0 => {
                let mut names = extension.vector(2)?;
                while let Some(name_type) = names.number(1) {
                    let name = names.vector(2)?.0;
                    if name_type == 0 && tls.sni.is_none() {
                        tls.sni = Some(name.to_vec());
                    }
                }
            }
            16 => {
                let mut protocols = extension.vector(2)?;
                tls.alpn.clear();
                while let Some(protocol) = protocols.vector(1) {
                    tls.alpn.push(protocol.0.to_vec());
                }
            }
            _ => {}
        }
    }
    Some(())
}

/// The version that a server's hello chose.
pub(super) fn server(body: &[u8]) -> Option<&'static str> {
    let mut hello = Reader(body);
    let legacy = version(hello.number(2)?);
    let mut chosen = || {
        hello.take(32)?;
        hello.vector(1)?;
        hello.take(3)?;
        let mut extensions = hello.vector(2)?;
        while let Some(kind) = extensions.number(2) {
            let mut extension = extensions.vector(2)?;
            if kind == 43 {
                return version(extension.number(2)?);
            }
        }
        None
    };
    chosen().or(legacy)
}

fn version(number: usize) -> Option<&'static str> {
    match number {
        0x0300 => Some("ssl3"),
        0x0301 => Some("1.0"),
        0x0302 => Some("1.1"),
        0x0303 => Some("1.2"),
        0x0304 => Some("1.3"),
        _ => None,
    }
}
