//! `jsonl`: one JSON object per line, each record as [`crate::record`] has it.
//!
//! Sessions and events, of which there are many, are written by hand; a test holds that equal to what serde makes of them.

use serde::Serialize;

use super::Format;
use super::json::Json;
use crate::record::{Clockwork, Command, Data, End, Record, Reply, Session, Tls, TlsEvent, Transaction, When};

/// The format.
#[derive(Default)]
pub(super) struct Jsonl {
    clock: Clockwork,
}

impl Format for Jsonl {
    fn record(&mut self, record: &Record, out: &mut Vec<u8>) {
        let Jsonl { clock } = self;
        let json = &mut Json(out);
        match record {
            Record::Session(session) => write_session(session, clock, json),
            Record::Command(command) => write_command(command, clock, json),
            Record::Reply(reply) => write_reply(reply, clock, json),
            Record::Data(data) => write_data(data, clock, json),
            Record::Tls(tls) => write_tls_event(tls, clock, json),
            other => return line(other, out),
        }
        json.raw("\n");
    }
}

/// Appends a record; one that could not be written whole would leave no part of a line.
fn line(record: &impl Serialize, out: &mut Vec<u8>) {
    let before = out.len();
    match serde_json::to_writer(&mut *out, record) {
        Ok(()) => out.push(b'\n'),
        Err(_) => out.truncate(before),
    }
}

fn write_session(session: &Session, clock: &mut Clockwork, json: &mut Json<'_>) {
    json.raw("{\"type\":\"session\",\"session\":\"");
    json.raw(session.session);
    json.raw("\",\"client\":");
    write_end(session.client, json);
    json.raw(",\"server\":");
    json.value(&session.server);
    json.raw(",\"community_id\":\"");
    json.raw(session.community_id);
    json.raw("\",\"capture\":");
    json.string(&session.capture);
    json.raw(",\"first_frame\":");
    json.value(&session.first_frame);
    json.raw(",\"last_frame\":");
    json.value(&session.last_frame);
    json.raw(",\"last_capture\":");
    json.string(&session.last_capture);
    json.raw(",\"start\":");
    write_time(session.start, clock, json);
    json.raw(",\"end\":");
    write_time(session.end, clock, json);
    write_dialogue(session, json);
    json.raw(",\"findings\":");
    if session.findings.is_empty() {
        json.raw("{}");
    } else {
        json.value(&session.findings);
    }
    json.raw(",\"missing_bytes\":{\"client\":");
    json.value(&session.missing_bytes.client);
    json.raw(",\"server\":");
    json.value(&session.missing_bytes.server);
    json.raw("}");
    if let Some(again) = &session.retransmitted {
        json.raw(",\"retransmitted\":");
        json.value(again);
    }
    json.raw(",\"complete\":");
    json.flag(session.complete);
    json.raw(",\"closed\":\"");
    json.raw(session.closed.name());
    json.raw("\"}");
}

fn write_dialogue(session: &Session, json: &mut Json<'_>) {
    json.raw(",\"proxied_for\":");
    json.option(session.proxied_for.as_deref(), Json::string);
    json.raw(",\"greeting\":");
    json.option(session.greeting.as_ref(), |json, greeting| {
        json.raw("{\"code\":");
        json.code(greeting.code);
        json.raw(",\"text\":");
        json.string(&greeting.text);
        json.raw("}");
    });
    json.raw(",\"helo\":");
    json.option(session.helo.as_ref(), |json, helo| {
        json.raw("{\"verb\":");
        json.string(&helo.verb);
        json.raw(",\"argument\":");
        json.string(&helo.argument);
        json.raw("}");
    });
    json.raw(",\"capabilities\":");
    json.strings(&session.capabilities);
    json.raw(",\"tls\":{");
    let Tls { state, version, sni, alpn, alert } = &session.tls;
    write_tls(state.name(), version.as_deref(), sni.as_deref(), alpn, *alert, json);
    json.raw("},\"auth\":");
    json.list(&session.auth, |json, auth| {
        json.raw("{\"mechanism\":");
        json.string(&auth.mechanism);
        json.raw(",\"user\":");
        json.option(auth.user.as_deref(), Json::string);
        json.raw(",\"code\":");
        json.code(auth.code);
        json.raw("}");
    });
    json.raw(",\"transactions\":");
    json.list(&session.transactions, |json, mail| write_transaction(mail, json));
    json.raw(",\"commands\":");
    json.value(&session.commands);
    json.raw(",\"replies\":");
    json.value(&session.replies);
}

fn write_transaction(mail: &Transaction, json: &mut Json<'_>) {
    json.raw("{\"mail_from\":");
    json.string(&mail.mail_from);
    json.raw(",\"rcpt_to\":");
    json.list(&mail.rcpt_to, |json, recipient| {
        json.raw("{\"address\":");
        json.string(&recipient.address);
        json.raw(",\"code\":");
        json.code(recipient.code);
        json.raw("}");
    });
    json.raw(",\"data_bytes\":");
    json.value(&mail.data_bytes);
    json.raw(",\"code\":");
    json.code(mail.code);
    json.raw(",\"subject\":");
    json.option(mail.subject.as_deref(), Json::string);
    json.raw(",\"message_id\":");
    json.option(mail.message_id.as_deref(), Json::string);
    json.raw(",\"smuggled\":");
    json.flag(mail.smuggled);
    json.raw("}");
}

/// What all events have: session, place, time and ends.
macro_rules! write_at {
    ($kind:literal, $event:expr, $clock:expr, $json:expr) => {
        $json.raw(concat!("{\"type\":\"", $kind, "\",\"session\":\""));
        $json.raw($event.session);
        $json.raw("\",\"event\":");
        $json.value(&$event.event);
        $json.raw(",\"capture\":");
        $json.string(&$event.capture);
        $json.raw(",\"frame\":");
        $json.value(&$event.frame);
        $json.raw(",\"time\":");
        write_time($event.time, $clock, $json);
        $json.raw(",\"client\":");
        write_end($event.client, $json);
        $json.raw(",\"server\":");
        $json.value(&$event.server);
    };
}

fn write_command(command: &Command, clock: &mut Clockwork, json: &mut Json<'_>) {
    write_at!("command", command, clock, json);
    json.raw(",\"verb\":");
    json.option(command.verb.as_deref(), Json::string);
    json.raw(",\"argument\":");
    json.string(&command.argument);
    if let Some(sent) = &command.sent {
        json.raw(",\"sent\":");
        json.string(sent);
    }
    write_uncertain(command.uncertain, json);
}

fn write_reply(reply: &Reply, clock: &mut Clockwork, json: &mut Json<'_>) {
    write_at!("reply", reply, clock, json);
    json.raw(",\"code\":");
    json.code(reply.code);
    json.raw(",\"lines\":");
    json.strings(&reply.lines);
    json.raw(",\"answers\":");
    json.option(reply.answers.as_deref(), Json::string);
    json.raw(",\"argument\":");
    json.option(reply.argument.as_deref(), Json::string);
    if let Some(sent) = &reply.sent {
        json.raw(",\"sent\":");
        json.strings(sent);
    }
    write_uncertain(reply.uncertain, json);
}

fn write_data(data: &Data, clock: &mut Clockwork, json: &mut Json<'_>) {
    write_at!("data", data, clock, json);
    json.raw(",\"bytes\":");
    json.value(&data.bytes);
    json.raw(",\"lines\":");
    json.value(&data.lines);
    json.raw(",\"sha256\":");
    json.option(data.sha256.as_deref(), Json::string);
    json.raw(",\"end\":\"");
    json.raw(data.end.name());
    json.raw("\"");
    if let Some(by) = &data.ended_by {
        json.raw(",\"ended_by\":");
        json.string(by);
    }
    write_uncertain(data.uncertain, json);
}

fn write_tls_event(event: &TlsEvent, clock: &mut Clockwork, json: &mut Json<'_>) {
    write_at!("tls", event, clock, json);
    json.raw(",");
    let TlsEvent { state, version, sni, alpn, alert, .. } = event;
    write_tls(state.name(), version.as_deref(), sni.as_deref(), alpn, *alert, json);
    json.raw("}");
}

fn write_tls(
    state: &str,
    version: Option<&str>,
    sni: Option<&str>,
    alpn: &[String],
    alert: Option<u8>,
    json: &mut Json<'_>,
) {
    json.raw("\"state\":\"");
    json.raw(state);
    json.raw("\",\"version\":");
    json.option(version, Json::string);
    json.raw(",\"sni\":");
    json.option(sni, Json::string);
    json.raw(",\"alpn\":");
    json.strings(alpn);
    json.raw(",\"alert\":");
    json.option(alert, |json, alert| json.value(&alert));
}

fn write_uncertain(uncertain: bool, json: &mut Json<'_>) {
    json.raw(if uncertain { ",\"uncertain\":true}" } else { "}" });
}

fn write_end(end: End, json: &mut Json<'_>) {
    json.value(&end);
}

fn write_time(time: When, clock: &mut Clockwork, json: &mut Json<'_>) {
    json.raw("\"");
    json.raw(clock.stamp(time.0));
    json.raw("\"");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Clerk, testing};

    fn printed(records: impl IntoIterator<Item = Record>) -> String {
        let (mut format, mut out) = (Jsonl::default(), Vec::new());
        for record in records {
            let before = out.len();
            format.record(&record, &mut out);
            let written = std::str::from_utf8(&out[before..]).unwrap();
            assert_eq!(written, serde_json::to_string(&record).unwrap() + "\n", "as serde writes it");
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_finding_reads_as_the_formats_say() {
        insta::assert_snapshot!(printed([testing::finding()]));
    }

    #[test]
    fn a_session_reads_as_the_formats_say() {
        insta::assert_snapshot!(printed([testing::session()]));
    }

    #[test]
    fn events_read_as_the_formats_say() {
        insta::assert_snapshot!(printed(testing::events()));
    }

    #[test]
    fn servers_and_summary_read_as_the_formats_say() {
        insta::assert_snapshot!(printed([testing::server(), testing::summary()]));
    }

    #[test]
    fn a_servers_name_stands_beside_its_address() {
        let named = printed(testing::named());
        assert!(named.lines().all(|line| line.contains(",\"name\":\"mx-a\"")), "{named}");
    }

    #[test]
    fn stats_read_as_the_formats_say() {
        insta::assert_snapshot!(printed(testing::stats()));
    }

    #[test]
    fn what_is_kept_of_a_session_is_said_where_anything_is() {
        let kept = Some(crate::ledger::Kept { packets: 12, bytes: 3456, fell_out: 7 });
        let found = crate::ledger::Found { kept, ..testing::found() };
        let finding = printed([testing::record_of(testing::clerk(), crate::ledger::Output::Finding(Box::new(found)))]);
        assert!(finding.ends_with(",\"kept\":{\"packets\":12,\"bytes\":3456,\"fell_out\":7}}\n"), "{finding}");
    }

    #[test]
    fn a_finding_of_a_live_capture_names_interfaces_and_a_window_of_times() {
        let found = crate::ledger::Output::Finding(Box::new(testing::found()));
        let finding = printed([testing::record_of(testing::live_clerk(), found)]);
        let filter = "&& frame.time_epoch >= 1795531544.000000000 && frame.time_epoch <= 1795531544.020000000\"";
        assert!(finding.contains(filter) && !finding.contains("frame.number"), "{finding}");
        assert!(finding.contains("\"packets\":[{\"capture\":\"eth0,eth1\",\"frame\":2}"), "{finding}");
    }

    #[test]
    fn secrets_are_shown_only_where_that_was_asked_for() {
        let secret = |clerk: Clerk| printed([testing::record_of(clerk, testing::outputs().pop().unwrap())]);
        let redacted = secret(testing::clerk());
        assert!(redacted.contains("\"argument\":\"<redacted>\"") && !redacted.contains("AHVzZXIA"), "{redacted}");
        let shown = secret(testing::revealing_clerk());
        assert!(shown.contains("AHVzZXIA"), "{shown}");
    }
}
