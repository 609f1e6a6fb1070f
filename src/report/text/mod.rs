//! `text`: a report for a person. An overview that opens with the verdict and has the worst first; with more detail, every finding.
//! Where there is no end to wait for, a line for each finding as it comes.
//!
//! Read in this order: [`styles`], [`page`], [`overview`] with [`servers`], [`findings`], [`each`] and [`next`]; then what is printed
//! while it goes on: [`said`] and [`live`].

mod each;
mod findings;
mod live;
mod next;
mod overview;
mod page;
mod said;
mod servers;
pub(super) mod styles;

use super::digest::{Digest, Keep};
use super::{Detail, Format, Look};
use crate::record::{Clockwork, Record};

use live::Live;
pub(in crate::report) use styles::Styles;

/// A person reads no more findings whole.
const MOST_FINDINGS: usize = 2_000;

/// The format: it gathers findings until it can group them.
pub(super) struct Text {
    look: Look,
    clock: Clockwork,
    digest: Digest,
    live: Live,
}

impl Format for Text {
    fn record(&mut self, record: &Record, out: &mut Vec<u8>) {
        let Text { look, clock, digest, live } = self;
        let style = Styles { color: look.color };
        match record {
            Record::Session(session) => push(out, &said::session(session, clock, style)),
            Record::Command(_) | Record::Reply(_) | Record::Data(_) | Record::Tls(_) | Record::Gap(_) => {
                push(out, &said::event(record, clock, style));
            }
            Record::Stats(stats) => push(out, &said::stats(stats, clock, style)),
            Record::Finding(finding) if look.as_it_goes => {
                push(out, &live.finding(finding, look));
                digest.take(record);
            }
            _ => digest.take(record),
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        push(out, &self.live.end());
        push(out, &overview::overview(&self.digest, &self.look));
    }
}

impl Text {
    pub(super) fn new(look: &Look) -> Self {
        let in_all = MOST_FINDINGS;
        let per_group = look.limit.unwrap_or(in_all);
        // An overview shows the first of each group alone.
        let keep = match look.detail {
            Detail::Overview => Keep { per_group: 1, in_all: 0 },
            Detail::Each | Detail::Whole => Keep { per_group, in_all },
        };
        Text {
            clock: Clockwork::default(),
            digest: Digest::new(look.by, keep, look.kinds),
            live: Live::default(),
            look: look.clone(),
        }
    }
}

fn push(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests;
