//! `html`: a page to share. One file that asks for nothing else: its style sheet and its script are in it, and a policy in its head
//! forbids the browser everything but these two. It can be read without the script.
//!
//! Everything from outside is a [`line::Line`] or goes through a template, which escapes it; nothing else gets into the page.
//!
//! Bounds: those of [`excerpts`], [`piles`], [`sessions`], [`moments`] and the digest in memory; in the page each part has so many
//! bytes ([`markup::Room`]), so that all of it is below 5 MB whatever was found. What a bound leaves out is the least severe, and
//! the page says how much it is and where it can be found.
//!
//! Read in this order: [`mod@line`], [`markup`]; what is gathered while records come: [`entry`], [`excerpts`], [`piles`], [`sessions`],
//! [`moments`]; what is shown, with the template of that name: [`context`], [`header`], [`findings`] with [`fixes`], [`servers`],
//! [`timeline`], [`coverage`], [`tables`] and [`about`]; then [`page`].

mod about;
mod context;
mod coverage;
mod entry;
mod excerpts;
mod findings;
mod fixes;
mod header;
mod line;
mod markup;
mod moments;
mod page;
mod piles;
mod servers;
mod sessions;
mod tables;
mod timeline;

use super::digest::{By, Digest, Keep};
use super::{Format, Look};
use crate::record::Record;

use excerpts::Excerpts;
use moments::{Moments, What};
use piles::Piles;
use sessions::Sessions;

/// The format: it gathers everything until the end.
pub(super) struct Html {
    look: Look,
    digest: Digest,
    piles: Piles,
    excerpts: Excerpts,
    sessions: Sessions,
    moments: Moments,
}

impl Html {
    pub(super) fn new(look: &Look) -> Self {
        Html {
            look: look.clone(),
            // Findings are kept in piles.
            digest: Digest::new(By::Check, Keep { per_group: 1, in_all: 0 }, look.kinds),
            piles: Piles::default(),
            excerpts: Excerpts::default(),
            sessions: Sessions::default(),
            moments: Moments::default(),
        }
    }
}

impl Format for Html {
    fn record(&mut self, record: &Record, _out: &mut Vec<u8>) {
        match record {
            Record::Finding(finding) => {
                let taken = self.piles.take(finding);
                if let Some(nth) = taken.not_whole {
                    self.excerpts.forget(nth);
                }
                if let Some(nth) = taken.whole.filter(|nth| taken.not_whole != Some(*nth)) {
                    self.excerpts.finding(nth, finding);
                }
                self.sessions.found(finding);
                self.moments.add(finding.time, What::Finding(finding.severity));
            }
            Record::Session(session) => {
                self.excerpts.ended(&session.session);
                self.sessions.ended(session);
                self.moments.add(session.start, What::Session);
            }
            record => self.excerpts.event(record),
        }
        self.digest.take(record);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(page::page(self).as_bytes());
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of the tests' own")]
mod tests;
