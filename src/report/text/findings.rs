//! Findings in groups, the worst first: high and medium ones in three lines, low and info in one.

use crate::record::{Frame, Severity};
use crate::report::digest::{By, Digest, Group, Grouped, Subject};
use crate::report::figures::{Span, count, counted};
use crate::report::layout::{cut_end, cut_middle, cut_path, left, right, some_of, width};
use crate::report::{Detail, Look, filters, naming};

use super::each;
use super::page::Page;

/// The column of severities.
pub(super) const SEVERITY: usize = 8;
/// Columns of counts at the right.
const TIMES: usize = 6;
const SERVERS: usize = 8;
/// From here on a group tells its times.
const WITH_SPAN: usize = 100;
/// From here on session ids are whole.
const WITH_SESSION: usize = 100;
/// So many subjects are shown, where nothing else was asked for.
const MOST_SUBJECTS: usize = 25;
/// How many of several are named.
const NAMED: usize = 3;

/// What the whole scan's times leave to be said of one.
pub(super) struct Context<'c> {
    pub span: Span,
    pub digest: &'c Digest,
    pub look: &'c Look,
}

impl Context<'_> {
    /// A capture's name without what all of them have in common.
    pub(super) fn capture<'p>(&self, path: &'p str) -> &'p str {
        naming::below(&self.look.inputs, path)
    }
}

/// A session's id, as long as there is room for.
pub(super) fn id_of<'s>(session: &'s str, page: &Page) -> &'s str {
    let short = if page.width < WITH_SESSION { 8 } else { 16 };
    session.get(..short).unwrap_or(session)
}

/// All groups.
pub(super) fn write(page: &mut Page, context: &Context<'_>) {
    let all = context.digest.groups.worst_first();
    if all.is_empty() {
        return;
    }
    page.blank();
    match context.digest.groups.by() {
        By::Check => by_check(page, &all, context),
        by => by_subject(page, &all, by, context),
    }
    for (severity, times) in context.digest.groups.gone().iter().rev() {
        page.blank();
        let more = counted(*times, "more finding", "more findings");
        page.labelled("", 0, &format!("{more}, {severity}, in groups beyond these; --format jsonl has all of them"));
    }
}

fn by_check(page: &mut Page, all: &[Grouped<'_>], context: &Context<'_>) {
    let groups: Vec<&Group> = all.iter().flat_map(|grouped| &grouped.groups).copied().collect();
    head(page, "Findings, worst first", true);
    let most =
        if context.look.detail == Detail::Overview { context.look.limit.unwrap_or(usize::MAX) } else { usize::MAX };
    let (shown, rest) = groups.split_at_checked(most).unwrap_or((&groups, &[]));
    let short: Vec<&Group> = shown.iter().filter(|group| is_short(group.severity)).copied().collect();
    let form = Form::of(&short, page.width.saturating_sub(SERVERS));
    for (nth, group) in shown.iter().enumerate() {
        if nth > 0 && shown.get(nth.saturating_sub(1)).is_some_and(|before| before.severity != group.severity) {
            page.blank();
        }
        one(page, group, form, context);
        each::write(page, group, context);
    }
    if let Some(worst) = rest.first() {
        page.blank();
        let more = counted(rest.len() as u64, "more group", "more groups");
        page.line(format!("{more}, the worst of them {}", worst.severity));
    }
}

fn by_subject(page: &mut Page, all: &[Grouped<'_>], by: By, context: &Context<'_>) {
    let (title, many) = match by {
        By::Check => ("Findings, worst first", "groups"),
        By::Server => ("Findings by server, worst first", "servers"),
        By::Client => ("Findings by client, worst first", "clients"),
        By::Session => ("Findings by session, worst first", "sessions"),
    };
    head(page, title, false);
    let most =
        context.look.limit.unwrap_or(if context.look.detail == Detail::Overview { MOST_SUBJECTS } else { usize::MAX });
    let (shown, rest) = all.split_at_checked(most).unwrap_or((all, &[]));
    for (nth, Grouped { subject, groups }) in shown.iter().enumerate() {
        if nth > 0 {
            page.blank();
        }
        let name = self::subject(subject, groups, context, page);
        let name = page.style.bold(name);
        page.line(name);
        let form = Form::of(groups, page.width);
        for group in groups {
            row(page, group, form, None);
            each::write(page, group, context);
        }
    }
    if let Some(worst) = rest.first().and_then(|grouped| grouped.groups.first()) {
        page.blank();
        let number = count(rest.len() as u64);
        page.labelled(
            "",
            0,
            &format!("{number} more {many}, the worst of them {}; --limit N lists more", worst.severity),
        );
    }
}

/// Who it is, and as much more of it as fits.
fn subject(subject: &Subject, groups: &[&Group], context: &Context<'_>, page: &Page) -> String {
    let (name, more) = match subject {
        Subject::All => (String::new(), Vec::new()),
        Subject::Server(known) => {
            let software = context.digest.servers.get(known).and_then(|server| server.software.as_ref());
            (known.to_string(), software.iter().map(ToString::to_string).collect())
        }
        Subject::Client(ip) => (ip.to_string(), Vec::new()),
        Subject::Session(session) => {
            let first = groups.first().and_then(|group| group.findings.first());
            let more = first.map(|finding| {
                let capture = finding.packets.first().map_or("", |packet| &packet.capture);
                let ends = format!("{} > {}", finding.client, finding.server);
                vec![ends, context.span.time(finding.time), context.capture(capture).to_owned()]
            });
            (session.to_string(), more.unwrap_or_default())
        }
    };
    let name = cut_middle(&name, page.width).into_owned();
    more.into_iter().fold(name, |name, part| {
        let longer = format!("{name}  {part}");
        if width(&longer) <= page.width { longer } else { name }
    })
}

fn head(page: &mut Page, title: &str, with_servers: bool) {
    let counts = if with_servers { " times servers".to_owned() } else { right("times", TIMES) };
    let cells = page.width.saturating_sub(width(&counts));
    let line = format!("{}{}", page.style.bold(left(title, cells)), page.style.dim(counts));
    page.line(line);
}

/// How lines that stand alone are divided, the same for a whole block: where the check's name begins, and how much of it there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Form {
    name: Naming,
    /// Cells of the title.
    title: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Naming {
    /// `rule/check`.
    Whole,
    /// `check`.
    Check,
    None,
}

/// A title of an ordinary length.
const TITLE: usize = 34;

impl Form {
    /// Titles whole beside the longest name that fits for all lines; a title that is longer than usual gives way to a name.
    fn of(groups: &[&Group], cells: usize) -> Self {
        let longest = |of: fn(&Group) -> usize| groups.iter().map(|group| of(group)).max().unwrap_or(0);
        let titles = longest(|group| width(&group.title));
        let (ids, checks) = (longest(|group| width(&group.id())), longest(|group| width(&group.check)));
        let room = cells.saturating_sub(SEVERITY).saturating_sub(TIMES).saturating_sub(2);
        let usual = titles.min(TITLE);
        let forms = [
            (Naming::Whole, titles, ids),
            (Naming::Whole, usual, ids),
            (Naming::Check, titles, checks),
            (Naming::Check, usual, checks),
        ];
        let fits = forms.into_iter().find(|(_, title, name)| title.saturating_add(*name) <= room);
        match fits {
            Some((name, title, _)) => Form { name, title: title.max(usual) },
            None => Form { name: Naming::None, title: room },
        }
    }
}

/// Whether a group of this severity has one line.
fn is_short(severity: Severity) -> bool {
    severity <= Severity::Low
}

fn one(page: &mut Page, group: &Group, form: Form, context: &Context<'_>) {
    let servers = group.servers.len() as u64;
    let servers = if group.servers.is_more() { format!("{}+", count(servers)) } else { count(servers) };
    if is_short(group.severity) {
        return row(page, group, form, Some(&servers));
    }
    let span = if page.width >= WITH_SPAN { context.span.times(group.first, group.last) } else { String::new() };
    let counts = format!("{}{}", right(&count(group.times), TIMES), right(&servers, SERVERS));
    let room = page.width.saturating_sub(SEVERITY).saturating_sub(width(&counts)).saturating_sub(width(&span));
    let title = cut_end(&group.title, room.saturating_sub(1));
    let severity = page.style.severity(group.severity, left(group.severity.name(), SEVERITY));
    let line = format!("{severity}{}{}{counts}", page.style.bold(left(&title, room)), page.style.dim(span));
    page.line(line);
    let line = format!("{}{}", " ".repeat(SEVERITY), where_it_was(group, context, page));
    page.line(line);
    let line = format!("{}{}", " ".repeat(SEVERITY), first(group, context, page));
    page.line(line);
}

/// A group in one line.
fn row(page: &mut Page, group: &Group, form: Form, servers: Option<&str>) {
    let id = match form.name {
        Naming::Whole => group.id(),
        Naming::Check => group.check.to_string(),
        Naming::None => String::new(),
    };
    let counts = format!(
        "{}{}",
        right(&count(group.times), TIMES),
        servers.map(|servers| right(servers, SERVERS)).unwrap_or_default()
    );
    let room = page.width.saturating_sub(SEVERITY).saturating_sub(width(&counts));
    let title = form.title.min(room);
    let named = format!("{}  {id}", left(&cut_end(&group.title, title), title));
    let severity = page.style.severity(group.severity, left(group.severity.name(), SEVERITY));
    let line = format!("{severity}{}{counts}", left(&named, room));
    page.line(line);
}

/// The check's name, and on which servers, from which client.
fn where_it_was(group: &Group, context: &Context<'_>, page: &Page) -> String {
    let id = group.id();
    let room = page.width.saturating_sub(SEVERITY).saturating_sub(width(&id)).saturating_sub(2);
    let servers: Vec<String> = group.servers.iter().take(NAMED).map(ToString::to_string).collect();
    let mut text = some_of(&servers, group.servers.len(), NAMED, room);
    if let [_] = servers.as_slice()
        && let Some(server) = group.servers.iter().next().and_then(|known| context.digest.servers.get(known))
        && let Some(software) = &server.software
    {
        let with = format!("{text} ({software})");
        if width(&with) <= room {
            text = with;
        }
    }
    if width(&text) > room {
        return cut_end(&id, page.width.saturating_sub(SEVERITY)).into_owned();
    }
    let clients: Vec<String> = group.clients.iter().take(NAMED).map(ToString::to_string).collect();
    let left_over = room.saturating_sub(width(&text)).saturating_sub(width(", from "));
    let from = some_of(&clients, group.clients.len(), NAMED, left_over);
    if width(&from) <= left_over {
        text = format!("{text}, from {from}");
    }
    format!("{}  {text}", page.style.dim(id))
}

/// Where the first one is: capture, frames and session.
fn first(group: &Group, context: &Context<'_>, page: &Page) -> String {
    let Some(finding) = group.findings.first() else { return String::new() };
    let label = if group.times > 1 { "first: " } else { "" };
    let session = id_of(&finding.session, page);
    let (capture, in_it) = filters::by_capture(finding).next().unwrap_or_default();
    let behind = format!("  {}  session {session}", frames(in_it));
    let room = page.width.saturating_sub(SEVERITY).saturating_sub(width(label)).saturating_sub(width(&behind));
    let capture = cut_path(context.capture(capture), room.max(5));
    format!("{}{capture}{behind}", page.style.dim(label))
}

/// `frame 15`, `frames 45, 46`, `frames 97, 99, 101 …`.
pub(super) fn frames(frames: &[Frame]) -> String {
    let numbers: Vec<String> = frames.iter().take(NAMED).map(|frame| frame.frame.to_string()).collect();
    let more = if frames.len() > NAMED { " …" } else { "" };
    let label = if frames.len() == 1 { "frame" } else { "frames" };
    format!("{label} {}{more}", numbers.join(", "))
}
