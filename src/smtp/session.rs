//! The facts of one session: who talks to whom, and what its record says (FORMATS.md, `session`).

use serde::{Deserialize, Serialize};

use super::doubt::Doubt;
use super::gathered::MessageFacts;
use super::wire::tls::Tls;
use crate::base::written::{self, Literal, octets};
use crate::base::{Endpoint, FlowKey, Moment, Packets, Side};

/// Everything known of a session so far. Rules read it beside each event; it never holds a judgement.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "facts, each on its own")]
pub(crate) struct Session {
    pub flow: FlowKey,
    /// The connection's first packet, whose time is part of the session's id.
    pub first: Moment,
    pub last: Moment,
    /// Which side is the server (as of the connection's start: TURN changes roles, not this).
    pub server_side: Side,
    pub client: Endpoint,
    pub server: Endpoint,
    /// Both streams were captured from their first byte.
    pub from_start: bool,
    /// What is not known.
    pub doubt: Doubt,
    pub greeting: Option<Spoken>,
    /// The first reply was none to the connection: it fits the client's first command, which was sent
    /// though nothing had been said. There was no greeting.
    pub greeting_missing: bool,
    /// Whether anything of the server's stream was captured (false: its direction is missing so far).
    pub server_heard: bool,
    /// The client sent something before it knew the whole greeting. Sure at the EHLO reply and later: where
    /// only acknowledgements can tell, it waits for the first one, and packet order decides at the end where
    /// none ever came.
    pub early_talk: bool,
    /// The packets of the first command that came so early.
    pub early_at: Option<Packets>,
    /// The client acknowledged a byte of the server's stream: until it does, what it knew is doubtful.
    pub client_acknowledged: bool,
    /// Some line of the client's (message data included), of the server's ended in CRLF.
    pub client_crlf: bool,
    pub server_crlf: bool,
    pub helo: Option<Helo>,
    /// Keywords of the latest accepted EHLO reply, upper-cased, with their parameters; empty after HELO.
    #[serde(with = "octets")]
    pub capabilities: Vec<Vec<u8>>,
    /// Whether `capabilities` is what the server offers: false before EHLO or HELO was accepted, after
    /// XCLIENT, and where the reply was not captured (whole).
    pub capabilities_known: bool,
    /// The keywords of the last EHLO reply that was captured whole, where `capabilities` are not those any more.
    #[serde(with = "octets")]
    earlier_offer: Option<Vec<Vec<u8>>>,
    pub tls: Tls,
    /// What the client's stream is if it is not SMTP.
    #[serde(deserialize_with = "written::any_word")]
    pub protocol: Option<Literal>,
    /// A client line got an SMTP reply though the stream was named as another protocol.
    pub answered_in_smtp: bool,
    /// Behind a SASL security layer nothing can be read.
    pub sasl_layer: bool,
    /// LHLO was accepted: the session is LMTP.
    pub lmtp: bool,
    /// TURN or ATRN was accepted: the sides have changed roles (twice: back).
    pub turned: bool,
    pub auth: Vec<Auth>,
    pub transactions: Vec<Transaction>,
    /// A mail is open: MAIL was accepted, and neither reset nor ended since.
    pub in_transaction: bool,
    pub commands: u64,
    pub replies: u64,
    pub missing_client: u64,
    pub missing_server: u64,
    /// Bytes of each side that were captured once more, or too late to be read.
    pub again_client: u64,
    pub again_server: u64,
    /// The client that a PROXY header names: its address and port, as text.
    #[serde(with = "octets")]
    pub proxied_for: Option<Vec<u8>>,
}

/// A code and its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spoken {
    pub code: Option<u16>,
    /// The lines' texts, joined by LF.
    #[serde(with = "octets")]
    pub text: Vec<u8>,
}

/// How the client introduced itself, last accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Helo {
    pub verb: super::wire::verb::Verb,
    #[serde(with = "octets")]
    pub argument: Vec<u8>,
}

/// One attempt to authenticate; it never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Auth {
    #[serde(with = "octets")]
    pub mechanism: Vec<u8>,
    #[serde(with = "octets")]
    pub user: Option<Vec<u8>>,
    pub code: Option<u16>,
}

/// MAIL to end of data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Transaction {
    #[serde(with = "octets")]
    pub mail_from: Vec<u8>,
    /// Recipients with the codes that they got; at most `Limit::Recipients`.
    #[serde(with = "octets")]
    pub rcpt_to: Vec<(Vec<u8>, Option<u16>)>,
    pub data_bytes: u64,
    /// The reply to the message; of several (LMTP, PRDR) the last.
    pub code: Option<u16>,
    #[serde(with = "octets")]
    pub subject: Option<Vec<u8>>,
    #[serde(with = "octets")]
    pub message_id: Option<Vec<u8>>,
    /// It came out of another mail's data: the server had ended that one elsewhere than at CRLF.CRLF.
    pub smuggled: bool,
}

impl Transaction {
    /// Message data, or a chunk of it, was read.
    pub(super) fn add(&mut self, facts: &MessageFacts) {
        self.data_bytes = self.data_bytes.saturating_add(facts.bytes);
        if self.subject.is_none() {
            self.subject.clone_from(&facts.subject);
        }
        if self.message_id.is_none() {
            self.message_id.clone_from(&facts.message_id);
        }
    }
}

impl Session {
    pub(crate) fn new(flow: FlowKey, first: Moment, server_side: Side, from_start: bool) -> Session {
        Session {
            flow,
            first,
            last: first,
            server_side,
            client: flow.end(server_side.other()),
            server: flow.end(server_side),
            from_start,
            doubt: Doubt::new(from_start),
            greeting: None,
            greeting_missing: false,
            server_heard: false,
            early_talk: false,
            client_acknowledged: false,
            client_crlf: false,
            server_crlf: false,
            early_at: None,
            helo: None,
            capabilities: Vec::new(),
            capabilities_known: false,
            earlier_offer: None,
            tls: Tls::default(),
            protocol: None,
            answered_in_smtp: false,
            sasl_layer: false,
            lmtp: false,
            turned: false,
            auth: Vec::new(),
            transactions: Vec::new(),
            in_transaction: false,
            commands: 0,
            replies: 0,
            missing_client: 0,
            missing_server: 0,
            again_client: 0,
            again_server: 0,
            proxied_for: None,
        }
    }

    /// Whether the server had offered the keyword so far: nothing before its first EHLO reply; `None` where a reply
    /// that might was not captured.
    pub(crate) fn offered(&self, keyword: &str) -> Option<bool> {
        let nothing = self.is_whole() && !self.doubt.rests() && self.server_heard && self.helo.is_none();
        self.offers(keyword).or_else(|| nothing.then_some(false))
    }

    /// The keywords of the last EHLO reply that was captured whole, whatever came behind it; `None` where none was.
    pub(crate) fn last_offer(&self) -> Option<&[Vec<u8>]> {
        self.offers_now().then_some(self.capabilities.as_slice()).or(self.earlier_offer.as_deref())
    }

    /// Takes them; none where none is known.
    pub(crate) fn take_last_offer(&mut self) -> Vec<Vec<u8>> {
        if self.offers_now() {
            std::mem::take(&mut self.capabilities)
        } else {
            self.earlier_offer.take().unwrap_or_default()
        }
    }

    /// What the server offers is not known any more, until HELO and its kin are accepted.
    pub(crate) fn forget_capabilities(&mut self) {
        if self.offers_now() {
            self.earlier_offer = Some(std::mem::take(&mut self.capabilities));
        }
        self.capabilities.clear();
        self.capabilities_known = false;
        self.helo = None;
    }

    /// Whether `capabilities` are of an EHLO reply that came whole.
    fn offers_now(&self) -> bool {
        let extended = self.helo.as_ref().is_some_and(|helo| helo.verb != super::wire::verb::Verb::Helo);
        self.capabilities_known && extended
    }

    /// The stream is another protocol's, and no server of SMTP has answered it.
    pub(crate) fn is_foreign(&self) -> bool {
        self.protocol.is_some() && !self.answered_in_smtp
    }

    /// Nothing of either stream is missing so far.
    pub(crate) fn is_whole(&self) -> bool {
        self.from_start && self.missing_client == 0 && self.missing_server == 0
    }

    /// Whether the latest accepted EHLO reply lists the keyword; `None` where it is not known.
    pub(crate) fn offers(&self, keyword: &str) -> Option<bool> {
        self.capabilities_known.then(|| {
            self.capabilities
                .iter()
                .any(|line| super::wire::extension::keyword(line).eq_ignore_ascii_case(keyword.as_bytes()))
        })
    }
}
