//! A handshake seen from both sides, until both encrypt or it fails.

use super::hello;
use super::records::{Records, Shown};
use super::{State, Tls};

/// One side of a handshake.
#[derive(Clone, Debug)]
struct End {
    records: Records,
    /// Its alerts are encrypted if it is not TLS 1.3.
    changed: bool,
    /// Nothing more of it can be read: it encrypts, or its records are lost.
    over: bool,
}

impl End {
    fn new(hello: u8) -> End {
        End { records: Records::new(hello), changed: false, over: false }
    }

    fn is_over(&self, version: Option<&str>) -> bool {
        self.over || (self.changed && version != Some("1.3"))
    }
}

/// Watches a handshake: what its hellos say, and whether it ends in a fatal alert before both sides encrypt. What it
/// finds depends on the bytes alone, never on how they were cut.
#[derive(Clone, Debug)]
pub(in crate::smtp) struct Watch {
    client: End,
    server: End,
}

impl Default for Watch {
    fn default() -> Watch {
        Watch { client: End::new(1), server: End::new(2) }
    }
}

impl Watch {
    /// Takes bytes of one side, up to a hello's end or what ends the handshake if it fails; returns whether `tls`
    /// learned something.
    pub(in crate::smtp) fn take(&mut self, from_client: bool, bytes: &mut &[u8], tls: &mut Tls) -> bool {
        let before = tls.settled;
        while !tls.settled {
            let end = self.end(from_client);
            if end.over {
                break;
            }
            let Some(shown) = end.records.next(bytes) else { break };
            match shown {
                Shown::Hello(body) if from_client => {
                    let _ = hello::client(&body, tls);
                    tls.hello = true;
                    return true;
                }
                Shown::Hello(body) => {
                    tls.version = hello::server(&body).or(tls.version);
                    return true;
                }
                Shown::Alert { fatal: true, description } => {
                    tls.alert = Some(description);
                    tls.state = if tls.state == State::Implicit { State::Implicit } else { State::Failed };
                    tls.settled = true;
                    return true;
                }
                Shown::Alert { fatal: false, .. } => {}
                Shown::ChangeCipher => end.changed = true,
                Shown::Application | Shown::Nonsense => end.over = true,
            }
            tls.settled = self.client.is_over(tls.version) && self.server.is_over(tls.version);
        }
        // A side that was lost before it spoke.
        tls.settled |= self.client.is_over(tls.version) && self.server.is_over(tls.version);
        *bytes = &[];
        tls.settled != before
    }

    /// Takes records off that come behind the handshake's failure.
    pub(in crate::smtp) fn skip(&mut self, from_client: bool, bytes: &mut &[u8]) {
        let end = self.end(from_client);
        while !bytes.is_empty() && (!end.records.is_between() || super::begins_record(bytes)) {
            let mut part = bytes.get(..1).unwrap_or_default();
            end.records.next(&mut part);
            *bytes = bytes.get(1..).unwrap_or_default();
        }
    }

    /// Whether the next byte of that side cannot be inside a record.
    pub(in crate::smtp) fn is_between(&self, from_client: bool) -> bool {
        if from_client { self.client.records.is_between() } else { self.server.records.is_between() }
    }

    /// Whether the server may still answer in clear: no hello of it has come, and no part of a record.
    pub(in crate::smtp) fn awaits_server(&self) -> bool {
        !self.server.over && self.server.records.is_between() && self.server.records.awaits_hello()
    }

    /// The server had no more of the client's records than this: what comes next begins anew.
    pub(in crate::smtp) fn restart_client(&mut self) {
        self.client = End::new(1);
    }

    /// That side's bytes are no records.
    pub(in crate::smtp) fn lose(&mut self, from_client: bool) {
        self.end(from_client).over = true;
    }

    /// A segment is missing: the handshake cannot be read on.
    pub(in crate::smtp) fn miss(&mut self) {
        (self.client.over, self.server.over) = (true, true);
    }

    pub(in crate::smtp) fn held(&self) -> usize {
        self.client.records.held().saturating_add(self.server.records.held())
    }

    fn end(&mut self, from_client: bool) -> &mut End {
        if from_client { &mut self.client } else { &mut self.server }
    }
}
