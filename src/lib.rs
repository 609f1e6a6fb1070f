//! mailtap: a passive analyser of SMTP conversations. It reads packets of files or interfaces, follows each session, and
//! reports what its rules find; it never sends a packet.
//!
//! One path, read top to bottom:
//!
//! ```text
//! base -> capture -> decode -> defrag -> tcp -> smtp -> rules -> ledger -> record -> report
//!               (engine runs the path in parallel; cli only parses arguments and prints)
//! ```
//!
//! | room | takes | gives |
//! |---|---|---|
//! | `base` | | the few values that every room uses |
//! | `capture` | paths, or interfaces | batches of packets |
//! | `decode` | one packet | a TCP segment, an IP fragment, or the reason why there is neither |
//! | `defrag` | fragments in packet order | whole datagrams |
//! | `tcp` | segments of one connection | bytes of both directions in causal order, and gaps |
//! | `smtp` | those | events: greeting, command, reply, message data, TLS, faults |
//! | `rules` | events with their session | findings |
//! | `ledger` | findings and session ends in one order | what crosses sessions: servers, counts, summary |
//! | `record` | all of that | records: placed, escaped, secrets hidden |
//! | `report` | records | bytes of one output format |
//!
//! The engine has the threads; those of a live capture that wait for the operating system are in `cli/host`.
//!
//! # The library
//!
//! An [`Engine`] made of a [`Config`] scans a [`Source`] and gives [records](record), each as a value of its own; what it came
//! to is an [`Outcome`]. It reads files and pipes; listening on an interface is the program's. Its names are not stable yet:
//! the program, its records and its exit codes are. With `default-features = false` it needs no libpcap. This is all of
//! `examples/help_servers.rs`:
//!
//! ```no_run
#![doc = include_str!("../examples/help_servers.rs")]
//! ```
//!
//! The rules are in the [catalogue], and every record is a line of JSON too:
//!
//! ```
//! use mailtap::record::{Record, Severity};
//! use mailtap::{Config, Engine, RecordKind, Source};
//!
//! let engine = Engine::new(Config::new().records([RecordKind::Findings]));
//! let capture = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/servers/exim-4.96/help.pcap");
//! let mut findings = Vec::new();
//! let outcome = engine.scan(&Source::path(capture), |record| {
//!     assert_eq!(Record::from_json(&record.to_json()).ok(), Some(record.clone()));
//!     if let Record::Finding(finding) = record {
//!         findings.push((format!("{}/{}", finding.rule, finding.check), finding.severity));
//!     }
//! })?;
//! assert!(outcome.is_complete());
//! let expected = [("help-exposed/answered", Severity::Low), ("help-exposed/advertised", Severity::Info)];
//! assert_eq!(findings, expected.map(|(check, severity)| (check.to_owned(), severity)));
//! # Ok::<(), mailtap::Error>(())
//! ```

// What the library does not ask for is the program's: nothing is dead in the whole of it.
#[cfg_attr(not(any(feature = "cli", test)), expect(dead_code, reason = "the help of limits"))]
mod base;
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
mod capture;
pub mod catalogue;
#[cfg(feature = "cli")]
mod cli;
mod config;
mod decode;
mod defrag;
#[cfg_attr(not(any(live, test)), expect(dead_code, reason = "`--write`, and what goes on without an end"))]
mod engine;
#[cfg_attr(not(any(live, test)), expect(dead_code, reason = "statistics, and servers that are told again"))]
mod ledger;
#[cfg_attr(not(any(live, test)), expect(dead_code, reason = "the records of `watch`"))]
pub mod record;
#[cfg_attr(not(any(live, test)), expect(dead_code, reason = "formats, and the packets that `--write` keeps"))]
mod report;
mod rules;
mod scan;
#[expect(dead_code, reason = "facts that no rule asks for yet")]
mod smtp;
mod tcp;

pub use base::{Limit, LinkType};
pub use capture::{Cause, Compression, Notice, Problem, Progress, Stop};
#[cfg(feature = "cli")]
#[doc(hidden)]
pub use cli::main;
pub use config::Config;
pub use engine::{Bug, Observer};
#[doc(no_inline)]
pub use ipnet::IpNet;
pub use ledger::Kind as RecordKind;
pub use rules::selection::{Selector, UnknownSelector};
pub use scan::{Engine, Error, Outcome, Source};
