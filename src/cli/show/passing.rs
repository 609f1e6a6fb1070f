//! The ids of the sessions that pass a filter.
//!
//! Bounds: [`MOST`] ids; where more pass, that is said instead of showing some of them.

use std::io;

use ipnet::IpNet;

use crate::engine::Sink;
use crate::ledger::Output;
use crate::record::{Clerk, SessionPrefix};

/// So many sessions a person may read.
const MOST: usize = 1_000;

/// Takes what the engine finds.
pub(super) struct Passing {
    clerk: Clerk,
    net: IpNet,
    ids: Vec<SessionPrefix>,
    too_many: bool,
}

impl Passing {
    pub(super) fn new(clerk: Clerk, net: IpNet) -> Self {
        Passing { clerk, net, ids: Vec::new(), too_many: false }
    }

    /// What passed.
    pub(super) fn end(self) -> Result<Vec<SessionPrefix>, String> {
        if self.too_many {
            return Err(format!(
                "more than {MOST} sessions pass the filters: a shorter time or a narrower pattern is needed"
            ));
        }
        Ok(self.ids)
    }
}

impl Sink for Passing {
    fn take(&mut self, outputs: Vec<Output>) -> io::Result<()> {
        for output in outputs {
            let Output::Session(ended) = &output else { continue };
            if !self.net.contains(&ended.session.client.ip) {
                continue;
            }
            if self.ids.len() >= MOST {
                self.too_many = true;
                continue;
            }
            self.ids.extend(self.clerk.session(&output).and_then(|id| id.parse().ok()));
        }
        Ok(())
    }
}
