//! Everything that decides what a scan does and finds, but for what is scanned and how it is printed.

use std::num::NonZeroUsize;

use ipnet::IpNet;

use crate::base::{Limits, SMTP, ServerNames, ShardSet, Timeouts};
use crate::capture;
use crate::ledger::{Filter, Records};
use crate::rules::Selection;

/// How to scan.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The TCP ports that are analysed.
    pub ports: Vec<u16>,
    pub limits: Limits,
    pub timeouts: Timeouts,
    /// How captures are read.
    pub reading: capture::Options,
    /// All threads, the reader's too. Where it is `None`: as many as the machine has cores, or one for what one batch
    /// holds. Changes no result.
    pub threads: Option<NonZeroUsize>,
    /// Which checks are reported.
    pub selection: Selection,
    /// Report only what concerns servers in these networks; all where it is empty.
    pub servers: Vec<IpNet>,
    /// What else is not reported.
    pub filter: Filter,
    /// Which names stand for the addresses of servers.
    pub server_names: ServerNames,
    /// Which records are printed: events are kept only where they are.
    pub records: Records,
    /// Whether what is reported once per server is reported with every session of it.
    pub repeats: bool,
    /// Whether to remember in which connections something was found, so that their packets can be had.
    pub evidence: bool,
    /// The shards that are followed: some of them in one part of a scan, whose other parts follow the others.
    pub shards: ShardSet,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            ports: vec![SMTP],
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            reading: capture::Options::default(),
            threads: None,
            selection: Selection::default(),
            servers: Vec::new(),
            filter: Filter::default(),
            server_names: ServerNames::default(),
            records: Records::default(),
            repeats: false,
            evidence: false,
            shards: ShardSet::ALL,
        }
    }
}
