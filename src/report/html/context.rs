//! What every section of the page is made with: the digest, how captures are named, how much of a time has to be said, and where
//! on the page a group or a session is.

use std::collections::{BTreeMap, BTreeSet};

use crate::record::{Frame, SessionId, Software, When};
use crate::report::digest::{Digest, Group};
use crate::report::figures::{Span, count};
use crate::report::{Look, filters, naming};

use super::line::Line;

/// What is the same for all sections.
pub(super) struct Context<'c> {
    pub digest: &'c Digest,
    pub look: &'c Look,
    pub span: Span,
    /// Groups that have a place on the page, by what they are, the worst first.
    anchors: BTreeMap<String, String>,
    /// Sessions that are in the table.
    sessions: BTreeSet<SessionId>,
}

impl<'c> Context<'c> {
    pub(super) fn new(digest: &'c Digest, look: &'c Look, groups: &[&Group], sessions: BTreeSet<SessionId>) -> Self {
        let times = digest.summary.as_ref().and_then(|summary| Some((summary.first_time?, summary.last_time?)));
        let anchors = groups.iter().zip(1_u32..).map(|(group, nth)| (name(group), format!("g{nth}")));
        Context {
            digest,
            look,
            span: times.map_or(Span::Years, |(first, last)| Span::of(first, last)),
            anchors: anchors.collect(),
            sessions,
        }
    }

    /// A capture's name without what all of them have in common.
    pub(super) fn capture(&self, path: &str) -> Line {
        Line::of(naming::below(&self.look.inputs, path))
    }

    pub(super) fn time(&self, time: When) -> String {
        self.span.time(time)
    }

    /// Where a group is on the page.
    pub(super) fn anchor(&self, group: &Group) -> &str {
        self.anchors.get(&name(group)).map_or("findings", String::as_str)
    }

    /// Whether the session has a row to link to.
    pub(super) fn lists(&self, session: &SessionId) -> bool {
        self.sessions.contains(session)
    }

    /// The command that shows one session, where the inputs' names can be typed as they are shown.
    pub(super) fn show(&self, session: &SessionId) -> Option<String> {
        naming::show(session, self.look, self.digest.start.as_deref())
    }

    /// The software of a group's servers with the addresses that have it; without what does not say what it is.
    pub(super) fn software(&self, group: &Group) -> BTreeMap<&'c str, Vec<String>> {
        let mut seen: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for known in group.servers.iter() {
            let Some(server) = self.digest.servers.get(known) else { continue };
            let software = server.software.iter().chain(&server.several_software);
            let names: BTreeSet<&str> = software.map(|Software { name, .. }| &**name).collect();
            for name in names {
                seen.entry(name).or_default().push(known.to_string());
            }
        }
        seen
    }
}

fn name(group: &Group) -> String {
    format!("{} {}/{} {}", group.severity, group.rule, group.check, group.title)
}

/// `a, b and 5 more`.
pub(super) fn some(items: impl Iterator<Item = String>, all: usize, most: usize) -> String {
    let shown: Vec<String> = items.take(most).collect();
    match all.saturating_sub(shown.len()) {
        0 => shown.join(", "),
        more => format!("{} and {} more", shown.join(", "), count(more as u64)),
    }
}

/// `frame 15`, `frames 45, 46`.
pub(super) fn frames(frames: &[Frame]) -> String {
    let numbers: Vec<String> = frames.iter().map(|frame| frame.frame.to_string()).collect();
    format!("{} {}", if frames.len() == 1 { "frame" } else { "frames" }, numbers.join(", "))
}

/// The frames of each capture, and the filter that shows them.
pub(super) fn places(packets: &[Frame], context: &Context<'_>) -> Vec<(Line, String, String)> {
    let of_capture = packets.chunk_by(|one, other| one.capture == other.capture);
    of_capture
        .map(|packets| {
            let capture = packets.first().map_or("", |packet| &packet.capture);
            (context.capture(capture), frames(packets), filters::of_finding(packets))
        })
        .collect()
}
