//! One direction's records: which of their content is in clear, and what that says.

/// What a direction's records show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// The body of its hello.
    Hello(Vec<u8>),
    Alert {
        fatal: bool,
        description: u8,
    },
    /// What follows is encrypted by TLS 1.2 and before; of TLS 1.3 it says nothing.
    ChangeCipher,
    /// Content that only a key shows.
    Application,
    /// These are no records.
    Nonsense,
}

const CHANGE_CIPHER: u8 = 0x14;
const ALERT: u8 = 0x15;
const HANDSHAKE: u8 = 0x16;
const HEARTBEAT: u8 = 0x18;
/// A record's type, version and length.
const HEADER: usize = 5;
/// A handshake message's type and length.
const MESSAGE_HEADER: usize = 4;
/// RFC 8446 5.2: at most 2^14 + 256 octets (RFC 5246: 2^14 + 2048).
const RECORD_MOST: usize = (1 << 14) + 2048;
/// A hello longer than this is not read (RFC 8446 allows a handshake message of 2^24 octets).
const HELLO_MOST: usize = 16 << 10;

/// Reads records over any number of segments. Messages may be cut by records, and records by segments, anywhere.
#[derive(Clone, Debug)]
pub(super) struct Records {
    /// The type of the handshake message that is this side's hello.
    hello: u8,
    header: Vec<u8>,
    kind: u8,
    /// Octets of the current record that are still to come.
    left: usize,
    /// The content of the current record is in clear.
    clear: bool,
    /// The handshake message under way; `None` once the hello was read.
    message: Option<Vec<u8>>,
    /// Octets of a handshake message that is not read.
    skip: usize,
    /// The level of an alert whose description has not come.
    level: Option<u8>,
    /// What follows is encrypted, if it is not TLS 1.3.
    changed: bool,
    lost: bool,
}

impl Records {
    /// `hello`: the type of the handshake message that is this side's.
    pub(super) fn new(hello: u8) -> Records {
        Records {
            hello,
            header: Vec::new(),
            kind: 0,
            left: 0,
            clear: true,
            message: Some(Vec::new()),
            skip: 0,
            level: None,
            changed: false,
            lost: false,
        }
    }

    /// Takes octets off up to the next thing that they show.
    pub(super) fn next(&mut self, bytes: &mut &[u8]) -> Option<Shown> {
        while !bytes.is_empty() && !self.lost {
            let shown = if self.left == 0 { self.header(bytes) } else { self.content(bytes) };
            if shown.is_some() {
                return shown;
            }
        }
        *bytes = &[];
        None
    }

    /// Whether the next octet is a record's first.
    pub(super) fn is_between(&self) -> bool {
        self.left == 0 && self.header.is_empty()
    }

    /// Whether this side's hello is still to come, as far as is known.
    pub(super) fn awaits_hello(&self) -> bool {
        self.message.is_some() && !self.changed && !self.lost
    }

    pub(super) fn held(&self) -> usize {
        self.message.as_ref().map_or(0, Vec::len)
    }

    fn header(&mut self, bytes: &mut &[u8]) -> Option<Shown> {
        let head = split(bytes, HEADER.saturating_sub(self.header.len()));
        self.header.extend_from_slice(head);
        let &[kind, major, _, high, low] = self.header.first_chunk::<HEADER>()?;
        self.header.clear();
        (self.kind, self.left) = (kind, usize::from(u16::from_be_bytes([high, low])));
        if !(CHANGE_CIPHER..=HEARTBEAT).contains(&kind) || major != 3 || self.left > RECORD_MOST {
            self.lost = true;
            return Some(Shown::Nonsense);
        }
        // Behind the change an encrypted alert is longer than its two octets, and one of TLS 1.3 is no alert outside.
        self.clear = !self.changed || (kind == ALERT && self.left == 2);
        match kind {
            CHANGE_CIPHER => {
                self.changed = true;
                Some(Shown::ChangeCipher)
            }
            ALERT | HANDSHAKE => None,
            _ => Some(Shown::Application),
        }
    }

    fn content(&mut self, bytes: &mut &[u8]) -> Option<Shown> {
        match self.kind {
            ALERT if self.clear => self.alert(bytes),
            HANDSHAKE if self.clear => self.handshake(bytes),
            _ => {
                self.take(bytes, usize::MAX);
                None
            }
        }
    }

    fn alert(&mut self, bytes: &mut &[u8]) -> Option<Shown> {
        let &octet = self.take(bytes, 1).first()?;
        let Some(level) = self.level.take() else {
            self.level = Some(octet);
            return None;
        };
        Some(Shown::Alert { fatal: level == 2, description: octet })
    }

    /// Takes octets of handshake messages.
    fn handshake(&mut self, bytes: &mut &[u8]) -> Option<Shown> {
        if self.skip > 0 {
            let skipped = self.take(bytes, self.skip).len();
            self.skip = self.skip.saturating_sub(skipped);
            return None;
        }
        let Some(mut message) = self.message.take() else {
            self.take(bytes, usize::MAX);
            return None;
        };
        let part = self.take(bytes, length_of(&message).saturating_sub(message.len()));
        message.extend_from_slice(part);
        let length = length_of(&message);
        let is_hello = message.first() == Some(&self.hello) && length <= HELLO_MOST;
        if message.len() >= MESSAGE_HEADER && !is_hello {
            self.skip = length.saturating_sub(MESSAGE_HEADER);
            message.clear();
        } else if message.len() >= MESSAGE_HEADER && message.len() == length {
            message.drain(..MESSAGE_HEADER);
            return Some(Shown::Hello(message));
        }
        self.message = Some(message);
        None
    }

    /// Takes octets of the current record.
    fn take<'b>(&mut self, bytes: &mut &'b [u8], most: usize) -> &'b [u8] {
        let part = split(bytes, most.min(self.left));
        self.left = self.left.saturating_sub(part.len());
        part
    }
}

/// How long a handshake message is, header included; as far as its header, if that has not come.
fn length_of(message: &[u8]) -> usize {
    let Some(&[_, a, b, c]) = message.first_chunk::<MESSAGE_HEADER>() else { return MESSAGE_HEADER };
    usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(usize::MAX).saturating_add(MESSAGE_HEADER)
}

fn split<'b>(bytes: &mut &'b [u8], most: usize) -> &'b [u8] {
    let (head, rest) = bytes.split_at_checked(most).unwrap_or((bytes, &[]));
    *bytes = rest;
    head
}
