//! The page as a whole: its head with the policy, the bar of sections, and the sections.

use askama::Template;
use data_encoding::BASE64;
use sha2::{Digest as _, Sha256};

use crate::report::digest::Group;
use crate::report::figures::count;

use super::context::Context;
use super::markup::{Markup, Own};
use super::timeline::Timeline;
use super::{Html, about, coverage, findings, header, servers, tables, timeline};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'p> {
    policy: String,
    version: &'p str,
    title: String,
    style: Own,
    script: Own,
    header: Markup,
    /// Anchor, name, and how many there are of it.
    sections: Vec<(&'static str, &'static str, String)>,
    parts: Vec<Markup>,
}

#[derive(Template)]
#[template(path = "timeline.html")]
struct Line<'p> {
    line: &'p Timeline,
}

/// The page of everything that was gathered.
pub(super) fn page(html: &Html) -> Markup {
    let Html { look, digest, piles, excerpts, sessions, moments } = html;
    let grouped = digest.groups.worst_first();
    let groups: Vec<&Group> = grouped.iter().flat_map(|grouped| grouped.groups.iter().copied()).collect();
    let (listed, _) = sessions.rows();
    let context = Context::new(digest, look, &groups, listed.iter().map(|seen| seen.session).collect());
    let header = header::header(&groups, &context);
    let times = digest.times().into_values().fold(0, u64::saturating_add);
    let line = timeline::timeline(moments);
    let mut sections = vec![
        ("findings", "Findings", count(times)),
        ("servers", "Servers", count(digest.servers.len() as u64)),
        ("time", "Time line", String::new()),
        ("not-analysed", "Not analysed", String::new()),
        ("sessions", "Sessions", count(sessions.counts.all())),
    ];
    sections.retain(|(anchor, ..)| line.is_some() || *anchor != "time");
    let mut parts = vec![
        Markup::of(&findings::findings(&groups, piles, excerpts, &context)),
        Markup::of(&servers::servers(&groups, &context)),
    ];
    parts.extend(line.as_ref().map(|line| Markup::of(&Line { line })));
    parts.push(Markup::of(&coverage::coverage(sessions.counts, &context)));
    parts.push(Markup::of(&tables::sessions(sessions, &context)));
    if let Some(summary) = &digest.summary {
        sections.push(("captures", "Captures", count(summary.captures.len() as u64)));
        parts.push(Markup::of(&tables::captures(summary, &context)));
    }
    sections.push(("about", "About", String::new()));
    parts.push(Markup::of(&about::about(digest.start.as_deref())));
    let input = look.inputs.first().map(|input| format!(" – {input}")).unwrap_or_default();
    Markup::of(&Page {
        policy: policy(),
        version: digest.start.as_ref().map_or(env!("CARGO_PKG_VERSION"), |start| &start.mailtap),
        title: format!("{}{input} – mailtap", header.headline),
        style: Own(STYLE),
        script: Own(SCRIPT),
        header: Markup::of(&header),
        sections,
        parts,
    })
}

/// Nothing is loaded, and nothing runs but what these two are.
fn policy() -> String {
    let hash = |text: &str| BASE64.encode(&Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}
