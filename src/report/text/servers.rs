//! The table of servers, the worst first. Columns that do not fit are left out, the least telling first.

use crate::ledger::server::StartTls;
use crate::record::Severity;
use crate::report::digest::{Digest, Listed};
use crate::report::figures::{count, counted};
use crate::report::layout::{cut_end, cut_middle, cut_path, left, right, width};
use crate::report::{Detail, Look, words};

use super::page::Page;

/// So many are shown, or where there are more, [`SHOWN`]; all with more detail.
const MOST: usize = 25;
const SHOWN: usize = 20;
/// What a column from the wire is cut to.
const SERVER: usize = 44;
const SOFTWARE: usize = 24;
/// The indent, and the column of severities.
const BEFORE: usize = 10;

struct Column {
    title: &'static str,
    is_number: bool,
    /// The greater, the sooner it is left out; 0 never.
    spare: u8,
    cell: fn(&Listed<'_>) -> String,
}

const COLUMNS: &[Column] = &[
    Column { title: "server", is_number: false, spare: 0, cell: server },
    Column { title: "software", is_number: false, spare: 0, cell: software },
    Column { title: "HELP", is_number: false, spare: 0, cell: |row| words::help(row.server.help).to_owned() },
    Column { title: "STARTTLS", is_number: false, spare: 1, cell: starttls },
    Column { title: "sessions", is_number: true, spare: 3, cell: |row| number(row.server.sessions) },
    Column { title: "crit", is_number: true, spare: 4, cell: |row| number(row.times(Severity::Critical)) },
    Column { title: "high", is_number: true, spare: 4, cell: |row| number(row.times(Severity::High)) },
    Column { title: "med", is_number: true, spare: 5, cell: |row| number(row.times(Severity::Medium)) },
    Column { title: "low", is_number: true, spare: 6, cell: |row| number(row.times(Severity::Low)) },
    Column { title: "info", is_number: true, spare: 7, cell: |row| number(row.times(Severity::Info)) },
    Column {
        title: "worst finding",
        is_number: false,
        spare: 2,
        cell: |row| row.worst.map_or("-", |(_, check)| check).to_owned(),
    },
];

fn server(row: &Listed<'_>) -> String {
    let name = row.server.to_string();
    let whole = match &row.server.capture {
        Some(capture) => format!("{name} in {}", cut_path(capture, SERVER.saturating_sub(width(&name)).max(12))),
        None => name,
    };
    cut_middle(&whole, SERVER.saturating_add(SERVER)).into_owned()
}

fn software(row: &Listed<'_>) -> String {
    let software = row.server.software.as_ref();
    software.map_or_else(|| "-".to_owned(), |software| cut_end(&software.to_string(), SOFTWARE).into_owned())
}

fn starttls(row: &Listed<'_>) -> String {
    // The column is narrow.
    if row.server.starttls == StartTls::NotOffered {
        "no".to_owned()
    } else {
        words::starttls(row.server.starttls).to_owned()
    }
}

fn number(number: u64) -> String {
    if number == 0 { "-".to_owned() } else { count(number) }
}

/// The table, where there is a server.
pub(super) fn write(page: &mut Page, digest: &Digest, look: &Look) {
    let servers = digest.servers.worst_first();
    if servers.is_empty() {
        return;
    }
    page.blank();
    let title = page.style.bold("Servers, worst first");
    page.line(title);
    let most = if look.detail == Detail::Overview { look.limit } else { look.limit.or(Some(usize::MAX)) };
    let shown = match most {
        Some(most) => most.min(servers.len()),
        None if servers.len() > MOST => SHOWN,
        None => servers.len(),
    };
    let (rows, rest) = servers.split_at_checked(shown).unwrap_or((&servers, &[]));
    table(page, rows);
    if let Some(worst) = rest.first() {
        let what = match worst.severity {
            Some(severity) => format!("the worst of them {severity}"),
            None => "none with a finding".to_owned(),
        };
        let all = if look.detail == Detail::Overview { "; -v lists all" } else { "" };
        let more = format!("{}, {what}{all}", counted(rest.len() as u64, "more server", "more servers"));
        page.labelled("  ", 2, &more);
    }
    for row in rows.iter().filter(|row| !row.server.several_software.is_empty()) {
        let several: Vec<String> = row.server.several_software.iter().map(ToString::to_string).collect();
        page.labelled("  ", 2, &format!("{}: several servers answer here: {}", server(row), several.join(", ")));
    }
}

fn table(page: &mut Page, rows: &[Listed<'_>]) {
    let nothing_critical = rows.iter().all(|row| row.times(Severity::Critical) == 0);
    let cells = |column: &Column| rows.iter().map(|row| (column.cell)(row)).collect::<Vec<String>>();
    let mut columns: Vec<(&Column, Vec<String>, usize)> = COLUMNS
        .iter()
        .filter(|column| !(column.title == "crit" && nothing_critical))
        .map(|column| {
            let cells = cells(column);
            let widest = cells.iter().map(|cell| width(cell)).fold(width(column.title), usize::max);
            (column, cells, widest)
        })
        .collect();
    while total(&columns) > page.width {
        let Some(least) = columns.iter().map(|(column, ..)| column.spare).max().filter(|spare| *spare > 0) else {
            break;
        };
        columns.retain(|(column, ..)| column.spare != least);
    }
    // What is left is cut from the right: software, then the server itself.
    for title in ["software", "server"] {
        let over = total(&columns).saturating_sub(page.width);
        if let Some((_, cells, widest)) = columns.iter_mut().find(|(column, ..)| column.title == title) {
            *widest = widest.saturating_sub(over).max(width(title));
            for cell in cells {
                *cell = cut_middle(cell, *widest).into_owned();
            }
        }
    }
    let place = |text: &str, column: &Column, widest: usize| {
        if column.is_number { right(text, widest) } else { left(text, widest) }
    };
    let titles: Vec<String> = columns.iter().map(|(column, _, widest)| place(column.title, column, *widest)).collect();
    let head = page.style.dim(titles.join("  ").trim_end());
    page.line(format!("{}{head}", " ".repeat(BEFORE)));
    for (nth, row) in rows.iter().enumerate() {
        let severity = row.severity.map_or("-", Severity::name);
        let severity = left(severity, BEFORE.saturating_sub(2));
        let severity =
            row.severity.map_or_else(|| page.style.dim(&severity), |worst| page.style.severity(worst, &severity));
        let cells = columns.iter().map(|(column, cells, widest)| {
            let cell = cells.get(nth).map_or("", String::as_str);
            let placed = place(cell, column, *widest);
            if cell == "-" { page.style.dim(placed) } else { placed }
        });
        let line = format!("  {severity}{}", cells.collect::<Vec<_>>().join("  "));
        page.line(line);
    }
}

fn total(columns: &[(&Column, Vec<String>, usize)]) -> usize {
    columns.iter().map(|(_, _, widest)| widest.saturating_add(2)).fold(BEFORE.saturating_sub(2), usize::saturating_add)
}
