//! `jsonl`: one JSON object per line, each record as [`super::record`] has it.

use serde::Serialize;

use super::ascii::Ascii;
use super::record::{EventRecord, FindingRecord, ServerRecord, StartRecord, StatsRecord, SummaryRecord};
use super::stamp::Clockwork;
use super::{Format, Scene, Start, ids, session};
use crate::ledger::{Found, Server, SessionEnd, Stats, Summary, Told, Who};

/// The version of the records.
const FORMAT: u32 = 1;

/// The format.
#[derive(Default)]
pub(super) struct Jsonl {
    clock: Clockwork,
    /// The session of the last event and its id: events of one session often stand together.
    last: Option<(Who, Ascii<16>)>,
}

impl Format for Jsonl {
    fn start(&mut self, start: &Start, _scene: &Scene, out: &mut Vec<u8>) {
        let Start { command, options } = start;
        line(&StartRecord { mailtap: env!("CARGO_PKG_VERSION"), format: FORMAT, command, options }, out);
    }

    fn event(&mut self, who: &Who, told: &Told, scene: &Scene, out: &mut Vec<u8>) {
        let time = self.clock.stamp(told.at().time);
        if self.last.as_ref().is_none_or(|(last, _)| last.flow() != who.flow() || last.first != who.first) {
            self.last = Some((*who, ids::session(who)));
        }
        let session = self.last.as_ref().map_or("", |(_, session)| session.as_str());
        line(&EventRecord::of(who, told, session, scene, time), out);
    }

    fn finding(&mut self, found: &Found, scene: &Scene, out: &mut Vec<u8>) {
        line(&FindingRecord::of(found, scene, self.clock.stamp(found.finding.at.time)), out);
    }

    fn session(&mut self, ended: &SessionEnd, scene: &Scene, out: &mut Vec<u8>) {
        let (start, end) = (ended.session.first.time, ended.session.last.time);
        let (start, end) = (self.clock.stamp(start), self.clock.stamp(end));
        session::write(ended, scene, start, end, out);
    }

    fn server(&mut self, server: &Server, scene: &Scene, out: &mut Vec<u8>) {
        let (first, last) = (self.clock.stamp(server.first_seen), self.clock.stamp(server.last_seen));
        line(&ServerRecord::of(server, scene, first, last), out);
    }

    fn stats(&mut self, stats: &Stats, _scene: &Scene, out: &mut Vec<u8>) {
        line(&StatsRecord::of(stats, &mut self.clock), out);
    }

    fn summary(&mut self, summary: &Summary, scene: &Scene, out: &mut Vec<u8>) {
        line(&SummaryRecord::of(summary, scene, &mut self.clock), out);
    }

    fn end(&mut self, _scene: &Scene, _out: &mut Vec<u8>) {}
}

/// Appends a record; one that could not be written whole would leave no part of a line.
fn line(record: &impl Serialize, out: &mut Vec<u8>) {
    let before = out.len();
    match serde_json::to_writer(&mut *out, record) {
        Ok(()) => out.push(b'\n'),
        Err(_) => out.truncate(before),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing;

    fn printed(each: impl FnOnce(&mut Jsonl, &mut Vec<u8>)) -> String {
        let (mut format, mut out) = (Jsonl::default(), Vec::new());
        each(&mut format, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_finding_reads_as_the_formats_say() {
        let scene = testing::scene();
        let finding = printed(|format, out| format.finding(&testing::found(), &scene, out));
        insta::assert_snapshot!(finding);
    }

    #[test]
    fn what_is_kept_of_a_session_is_said_where_anything_is() {
        let scene = testing::scene();
        let kept = Some(crate::ledger::Kept { packets: 12, bytes: 3456, fell_out: 7 });
        let found = Found { kept, ..testing::found() };
        let finding = printed(|format, out| format.finding(&found, &scene, out));
        assert!(finding.ends_with(",\"kept\":{\"packets\":12,\"bytes\":3456,\"fell_out\":7}}\n"), "{finding}");
    }

    #[test]
    fn a_session_reads_as_the_formats_say() {
        let scene = testing::scene();
        let session = printed(|format, out| format.session(&testing::session_end(), &scene, out));
        insta::assert_snapshot!(session);
    }

    #[test]
    fn events_read_as_the_formats_say() {
        let scene = testing::scene();
        let events = printed(|format, out| {
            for (who, told) in testing::events() {
                format.event(&who, &told, &scene, out);
            }
        });
        insta::assert_snapshot!(events);
    }

    #[test]
    fn servers_and_summary_read_as_the_formats_say() {
        let scene = testing::scene();
        let last = printed(|format, out| {
            format.server(&testing::server(), &scene, out);
            format.summary(&testing::summary(), &scene, out);
        });
        insta::assert_snapshot!(last);
    }

    #[test]
    fn stats_read_as_the_formats_say() {
        let scene = testing::live_scene();
        let stats = printed(|format, out| {
            format.stats(&testing::stats(), &scene, out);
            format.stats(&Stats::default(), &scene, out);
        });
        insta::assert_snapshot!(stats);
    }

    #[test]
    fn a_finding_of_a_live_capture_names_interfaces_and_a_window_of_times() {
        let scene = testing::live_scene();
        let finding = printed(|format, out| format.finding(&testing::found(), &scene, out));
        let filter = "&& frame.time_epoch >= 1795531544.000000000 && frame.time_epoch <= 1795531544.020000000\"";
        assert!(finding.contains(filter) && !finding.contains("frame.number"), "{finding}");
        assert!(finding.contains("\"packets\":[{\"capture\":\"eth0,eth1\",\"frame\":2}"), "{finding}");
    }

    #[test]
    fn secrets_are_shown_only_where_that_was_asked_for() {
        let mut scene = testing::scene();
        let events = testing::events();
        let (who, secret) = events.last().unwrap();
        let redacted = printed(|format, out| format.event(who, secret, &scene, out));
        assert!(redacted.contains("\"argument\":\"<redacted>\"") && !redacted.contains("AHVzZXIA"), "{redacted}");
        scene.show_secrets = true;
        let shown = printed(|format, out| format.event(who, secret, &scene, out));
        assert!(shown.contains("AHVzZXIA"), "{shown}");
    }
}
