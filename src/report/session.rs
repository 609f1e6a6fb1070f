//! The `session` record: by far the most frequent one where it is asked for, so it is written by hand.

use crate::ledger::{SessionEnd, Who};
use crate::smtp::session::Transaction;
use crate::smtp::{End, Session};

use super::json::Json;
use super::record::TlsFields;
use super::stamp::Stamp;
use super::{Scene, ids, record};

/// Appends the record (FORMATS.md, `session`) of a session that lasted from `start` to `end`.
pub(super) fn write(ended: &SessionEnd, scene: &Scene, start: Stamp, end: Stamp, out: &mut Vec<u8>) {
    let SessionEnd { session, end: how, findings } = ended;
    let mut json = Json(out);
    write_where(session, scene, start, end, &mut json);
    write_dialogue(session, &mut json);
    json.raw(",\"findings\":");
    if findings.iter().next().is_none() {
        json.raw("{}");
    } else {
        json.value(&record::counts(findings, &scene.catalogue));
    }
    write_end(session, how, &mut json);
}

fn write_where(session: &Session, scene: &Scene, start: Stamp, end: Stamp, json: &mut Json<'_>) {
    let (first, last) = (scene.places.of(session.first.ordinal), scene.places.of(session.last.ordinal));
    json.raw("{\"type\":\"session\",\"session\":\"");
    json.raw(ids::session(&Who::of(session)));
    json.raw("\",\"client\":");
    json.value(&record::End::from(session.client));
    json.raw(",\"server\":");
    json.value(&record::End::from(session.server));
    json.raw(",\"community_id\":\"");
    json.raw(ids::community(session.flow));
    json.raw("\",\"capture\":");
    json.string(first.capture);
    json.raw(",\"first_frame\":");
    json.value(&first.frame);
    json.raw(",\"last_frame\":");
    json.value(&last.frame);
    json.raw(",\"last_capture\":");
    json.string(last.capture);
    json.raw(",\"start\":\"");
    json.raw(start);
    json.raw("\",\"end\":\"");
    json.raw(end);
    json.raw("\"");
}

fn write_dialogue(session: &Session, json: &mut Json<'_>) {
    json.raw(",\"proxied_for\":");
    json.option(session.proxied_for.as_deref(), Json::text);
    json.raw(",\"greeting\":");
    json.option(session.greeting.as_ref(), |json, greeting| {
        json.raw("{\"code\":");
        json.code(greeting.code);
        json.raw(",\"text\":");
        json.text(&greeting.text);
        json.raw("}");
    });
    json.raw(",\"helo\":");
    json.option(session.helo.as_ref(), |json, helo| {
        json.raw("{\"verb\":");
        json.string(helo.verb.name());
        json.raw(",\"argument\":");
        json.text(&helo.argument);
        json.raw("}");
    });
    json.raw(",\"capabilities\":");
    json.texts(session.last_offer().unwrap_or_default());
    json.raw(",\"tls\":");
    json.value(&TlsFields::of(&session.tls));
    json.raw(",\"auth\":");
    json.list(&session.auth, |json, auth| {
        json.raw("{\"mechanism\":");
        json.text(&auth.mechanism);
        json.raw(",\"user\":");
        json.option(auth.user.as_deref(), Json::text);
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
    json.text(&mail.mail_from);
    json.raw(",\"rcpt_to\":");
    json.list(&mail.rcpt_to, |json, (address, code)| {
        json.raw("{\"address\":");
        json.text(address);
        json.raw(",\"code\":");
        json.code(*code);
        json.raw("}");
    });
    json.raw(",\"data_bytes\":");
    json.value(&mail.data_bytes);
    json.raw(",\"code\":");
    json.code(mail.code);
    json.raw(",\"subject\":");
    json.option(mail.subject.as_deref(), Json::text);
    json.raw(",\"message_id\":");
    json.option(mail.message_id.as_deref(), Json::text);
    json.raw(",\"smuggled\":");
    json.value(&mail.smuggled);
    json.raw("}");
}

fn write_end(session: &Session, end: &End, json: &mut Json<'_>) {
    json.raw(",\"missing_bytes\":{\"client\":");
    json.value(&session.missing_client);
    json.raw(",\"server\":");
    json.value(&session.missing_server);
    json.raw("},\"complete\":");
    json.value(&end.complete);
    json.raw(",\"closed\":\"");
    json.raw(record::closed(end.closed));
    json.raw("\"}\n");
}
