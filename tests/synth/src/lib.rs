//! Dialogue files to packets, with the truth beside them: what each side said, what it knew when it said
//! it, which bytes the capture holds, and what an analyser is expected to tell.
//!
//! This crate is mailtap's independent witness: it makes its captures with etherparse's headers and its own
//! writers and uses none of mailtap's code. Read in this order: [`dialogue`], [`expect`], [`tls`] (the file),
//! [`plan`], [`exchange`], [`perturb`], [`frame`] (its packets), [`truth`], [`pcap`], [`pcapng`] (the
//! capture), [`compare`] (what was made of it), [`traffic`] (captures by the gigabyte).
//!
//! # The dialogue file
//!
//! One line, one thing; lines are said in the file's order.
//!
//! ```text
//! # Comments stand on lines of their own.
//! S: 220 mx.example.com ESMTP         the server says this line; CRLF is added
//! C: HELP MAIL                        the client says this line
//! C> HELP\n                           exactly these bytes, no CRLF added
//! C! 16 03 01                         these octets, in hexadecimal
//! C! client-hello sni=mx.example.com  a TLS record (see `tls`)
//! @ +5s                               time passes for everyone (`ms`, `s`, `m`, `h`)
//! C FIN                               this side ends its stream (`RST`: resets the connection)
//! => help-exposed/answered low        a finding that is expected
//! ~ C HELP "MAIL"                     a record that is expected (see `expect`)
//! ```
//!
//! **Escapes** in `:` and `>` lines: `\r \n \t \0 \s` (a blank, where a line ends in one) `\\ \{ \xNN`;
//! `{A*600}` is `A` six hundred times, and what stands before the last `*` may hold escapes.
//! Anything else stands for itself, braces that hold no such repetition too.
//!
//! **One segment or several.** Lines of one side that follow each other are one write: they travel in one
//! segment (or as few as the [`Plan`] allows), as pipelined commands and multi-line replies do. A line
//! `@ +0s` between them makes two writes of them.
//!
//! **Who knew what.** A side knows everything that stands above its line. Two marks behind the side's letter
//! say otherwise, and a third says what the capture missed:
//!
//! | mark | meaning |
//! |---|---|
//! | `C&: ` | sent without having seen what the other side said since this side last spoke: the lines crossed |
//! | `C&2: ` | sent without having seen the last two lines of the other side |
//! | `C-: ` | sent and acknowledged, but not captured: a gap |
//!
//! Knowledge never shrinks, and no acknowledgement tells of a line before its receiver may know it. So a
//! greeting that crosses with an early command is
//!
//! ```text
//! S: 220 mx.example.com ESMTP
//! C&: HELP
//! S: 214 Commands: HELO MAIL RCPT
//! ```
//!
//! **Connections.** `[40001]` begins the connection from that client port, or goes on with it: lines of several
//! connections may alternate. A file that begins without it speaks on `[40001]`. Options stand behind the port when it
//! first appears:
//!
//! | option | meaning |
//! |---|---|
//! | `client=IP`, `server=IP`, `server=IP:PORT` | the two ends; else 192.0.2.10 and 198.51.100.25:25 |
//! | `midway` | the handshake was not captured |
//! | `no-client`, `no-server` | that direction was not captured |
//! | `unacknowledged` | no segment acknowledges a byte of the other side: a capture made by hand |
//! | `open` | nobody closes it before the capture ends |
//!
//! A connection that nobody closes is closed by the server and then the client, at the end of the file.
//!
//! # Example
//!
//! ```
//! let dialogue = synth::Dialogue::parse("S: 220 mx.example.com\nC: QUIT\nS: 221 bye\n").unwrap();
//! let rendered = synth::render(&dialogue, &synth::Plan::new().mss(4));
//! assert_eq!(rendered.truth.connections[0].stream(synth::Side::Client), b"QUIT\r\n");
//! assert!(rendered.pcap().starts_with(&0xa1b2_c3d4_u32.to_le_bytes()));
//! ```

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "the input is our own test data: a panic here is a test that fails"
)]

pub mod compare;
pub mod dialogue;
mod escape;
pub mod exchange;
pub mod expect;
pub mod frame;
pub mod pcap;
pub mod pcapng;
pub mod perturb;
pub mod plan;
mod rng;
pub mod tls;
pub mod traffic;
pub mod truth;

pub use dialogue::{Dialogue, Side};
pub use frame::{LinkType, Packet};
pub use plan::{Acks, Cut, Plan};
pub use rng::Rng;
pub use truth::Truth;

/// A dialogue as a capture: its packets in capture order, and the truth about them.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// In capture order; times never step back.
    pub packets: Vec<Packet>,
    /// The link type of all packets.
    pub link: LinkType,
    /// What was said, known and captured.
    pub truth: Truth,
}

impl Rendered {
    /// A pcap file of the packets: microseconds, little-endian.
    pub fn pcap(&self) -> Vec<u8> {
        pcap::bytes(&self.packets, self.link, pcap::Format::default())
    }
}

/// Renders a dialogue as the plan says. The same dialogue and plan give the same bytes.
pub fn render(dialogue: &Dialogue, plan: &Plan) -> Rendered {
    let exchanged = exchange::exchange(dialogue, plan);
    let segments = perturb::perturb(exchanged.segments, plan);
    let packets = frame::frame(dialogue, &segments, plan);
    let truth = Truth::of(dialogue, exchanged.lines, &segments, plan);
    Rendered { packets, link: plan.link, truth }
}
