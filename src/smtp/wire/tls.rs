//! TLS as far as it shows without a key: the record layer, the hellos, an alert in clear
//! (RFC 8446 sections 4.1 and 5.1, RFC 6066 section 3, RFC 7301 section 3.1).

/// What is known of a session's TLS (FORMATS.md, `tls`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "`tls` alone would not tell what is not")]
pub(crate) struct Tls {
    pub state: State,
    /// As the server's hello chose it, else as the client's offered it: `1.2`, `1.3`, ...
    pub version: Option<&'static str>,
    pub sni: Option<Vec<u8>>,
    pub alpn: Vec<Vec<u8>>,
    /// The handshake ended in an alert (its description, RFC 8446 section 6).
    pub alert: Option<u8>,
    /// The client's first bytes behind the 220 were neither a TLS record nor SMTP that the server answered.
    pub not_tls: bool,
    /// The code that a refused STARTTLS got.
    pub refusal: Option<u16>,
    /// Nothing more will become known of this handshake: its last event.
    pub settled: bool,
}

/// How far TLS went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    #[default]
    None,
    Offered,
    Refused,
    Started,
    Failed,
    Implicit,
    Decrypted,
}

impl State {
    /// Its name in records (FORMATS.md, `tls`).
    pub(crate) const fn name(self) -> &'static str {
        match self {
            State::None => "none",
            State::Offered => "offered",
            State::Refused => "refused",
            State::Started => "started",
            State::Failed => "failed",
            State::Implicit => "implicit",
            State::Decrypted => "decrypted",
        }
    }
}

/// Whether bytes begin (as far as they go) like a TLS record of a handshake; `None` if too few to tell.
pub(in crate::smtp) fn begins_handshake(bytes: &[u8]) -> Option<bool> {
    match bytes {
        [] | [0x16] => None,
        [0x16, 0x03, ..] => Some(true),
        // An SSL 2 ClientHello: length with the high bit, type 1, a version from 2.0 on.
        [length, _, 0x01, major, ..] if length & 0x80 != 0 => Some(matches!(major, 0x00 | 0x02 | 0x03)),
        [length, ..] if length & 0x80 != 0 && bytes.len() < 4 => None,
        _ => Some(false),
    }
}

/// Whether bytes begin like a TLS record of any kind, as no text does.
pub(in crate::smtp) fn begins_record(bytes: &[u8]) -> bool {
    matches!(bytes, [0x14..=0x18, ..])
}

/// One direction's record layer: finds its first handshake message and an alert in clear.
#[derive(Clone, Debug, Default)]
struct Records {
    header: Vec<u8>,
    /// Octets of the current record that are still to come.
    left: usize,
    kind: u8,
    /// Handshake octets from the first on, until the hello is whole.
    hello: Vec<u8>,
    alert: Vec<u8>,
    /// The hello was read, or there will be none.
    done: bool,
    /// A gap or nonsense: the record layer is lost.
    lost: bool,
}

impl Records {
    /// A hello longer than this is not read (RFC 8446 allows a handshake message of 2^24 octets).
    const HELLO_MOST: usize = 16 << 10;

    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.lost {
            if self.left == 0 {
                let need = 5_usize.saturating_sub(self.header.len());
                let (head, rest) = bytes.split_at_checked(need).unwrap_or((bytes, &[]));
                self.header.extend_from_slice(head);
                bytes = rest;
                if let Some(&[kind, major, _, high, low]) = self.header.first_chunk::<5>() {
                    (self.kind, self.left) = (kind, usize::from(u16::from_be_bytes([high, low])));
                    self.header.clear();
                    self.alert.clear();
                    // RFC 8446 5.2: at most 2^14 + 256 octets (RFC 5246: 2^14 + 2048).
                    self.lost = !(0x14..=0x18).contains(&kind) || major != 3 || self.left > (1 << 14) + 2048;
                    // Alerts in clear are two octets; longer ones are encrypted.
                    if kind == 0x15 && self.left != 2 {
                        self.kind = 0;
                    }
                    self.done |= kind != 0x16 && kind != 0x15;
                }
                continue;
            }
            let (part, rest) = bytes.split_at_checked(self.left).unwrap_or((bytes, &[]));
            self.left = self.left.saturating_sub(part.len());
            bytes = rest;
            match self.kind {
                0x16 if !self.done => {
                    self.hello.extend_from_slice(part);
                    if self.hello.len() > Self::HELLO_MOST {
                        self.give_up_hello();
                    }
                }
                0x15 if self.alert.len() < 2 => self.alert.extend_from_slice(part),
                _ => {}
            }
        }
    }

    fn give_up_hello(&mut self) {
        self.hello = Vec::new();
        self.done = true;
    }

    /// The first handshake message of that type, once it is whole.
    fn hello(&mut self, kind: u8) -> Option<Vec<u8>> {
        if self.done {
            return None;
        }
        let &[first, a, b, c] = self.hello.first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(usize::MAX);
        if first != kind || length > Self::HELLO_MOST {
            self.give_up_hello();
            return None;
        }
        let body = self.hello.get(4..length.checked_add(4)?)?.to_vec();
        self.give_up_hello();
        Some(body)
    }
}

/// Watches a handshake from both sides.
#[derive(Clone, Debug, Default)]
pub(in crate::smtp) struct Watch {
    client: Records,
    server: Records,
}

impl Watch {
    /// Takes bytes of one side; returns whether `tls` learned something.
    pub(in crate::smtp) fn take(&mut self, from_client: bool, bytes: &[u8], tls: &mut Tls) -> bool {
        if tls.settled {
            return false;
        }
        let before = tls.clone();
        if from_client {
            self.client.take(bytes);
            if let Some(hello) = self.client.hello(1) {
                client_hello(&hello, tls);
            }
        } else {
            self.server.take(bytes);
            if let Some(hello) = self.server.hello(2) {
                tls.version = server_hello(&hello).or(tls.version);
                tls.settled = true;
            }
            tls.settled |= self.server.lost || self.server.done;
        }
        for records in [&self.client, &self.server] {
            if let [_, description] = *records.alert.as_slice() {
                tls.alert = Some(description);
                tls.state = if tls.state == State::Implicit { State::Implicit } else { State::Failed };
                tls.settled = true;
            }
        }
        *tls != before
    }

    /// A segment is missing: the handshake cannot be read on.
    pub(in crate::smtp) fn miss(&mut self) {
        (self.client.lost, self.server.lost) = (true, true);
    }

    pub(in crate::smtp) fn held(&self) -> usize {
        self.client.hello.len().saturating_add(self.server.hello.len())
    }
}

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

fn client_hello(body: &[u8], tls: &mut Tls) -> Option<()> {
    let mut hello = Reader(body);
    let legacy = hello.number(2)?;
    tls.version = version(legacy);
    hello.take(32)?;
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
            // supported_versions: the highest; GREASE values are no version.
            43 => {
                let mut versions = extension.vector(1)?;
                let mut highest = 0;
                while let Some(number) = versions.number(2) {
                    if version(number).is_some() {
                        highest = highest.max(number);
                    }
                }
                tls.version = version(highest).or(tls.version);
            }
            _ => {}
        }
    }
    Some(())
}

/// The version that a server's hello chose.
fn server_hello(body: &[u8]) -> Option<&'static str> {
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
