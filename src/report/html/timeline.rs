//! The time line: a row of bars for each severity and one for sessions, each with a scale of its own, as inline SVG; and the same
//! numbers as a table. Long pauses are cut out.

use std::fmt::Write as _;

use crate::record::When;
use crate::report::figures::{Span, count, counted, millisecond, second};

use super::moments::{Cell, Counts, Moments, What};

/// The drawing's width, in its own units, and where the bars begin and end.
const LEFT: i64 = 66;
const RIGHT: i64 = 970;
/// A bar with the blank behind it, and a pause that was cut out.
const BAR: i64 = 6;
const PAUSE: i64 = 14;
/// A row, and what a bar has of it at the most, in tenths.
const ROW: i64 = 30;
const TALLEST: u64 = 210;
const LEAST: u64 = 20;
/// A pause of more than this part of the whole is cut out, though none of less than a second.
const LONG: i64 = 16;
const SECOND: i64 = 1_000_000_000;
/// Of a shorter time milliseconds are told.
const SHORT: i64 = 10 * SECOND;
/// So many rows a stretch without a long pause has in the table.
const SLICES: i64 = 12;
/// A label at the axis takes so much.
const LABEL: i64 = 110;

/// All that is drawn.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    pub height: i64,
    pub rows: Vec<Plot>,
    pub labels: Vec<Label>,
    /// Where pauses were cut out.
    pub cuts: Vec<i64>,
    /// How long a pause is that is cut out, in words.
    pub pause: String,
    pub columns: Vec<&'static str>,
    pub table: Vec<Stretch>,
}

/// A row of bars.
#[derive(Debug)]
pub(super) struct Plot {
    pub name: &'static str,
    pub baseline: i64,
    /// Where its axis runs: from, and how far.
    pub axis: Vec<(i64, i64)>,
    /// Its bars, as an SVG path.
    pub bars: String,
    pub peak: String,
}

/// A time at the axis.
#[derive(Debug)]
pub(super) struct Label {
    pub at: i64,
    pub is_last: bool,
    pub text: String,
}

/// A row of the table.
#[derive(Debug)]
pub(super) struct Stretch {
    pub from: String,
    pub to: String,
    pub counts: Vec<String>,
}

/// Cells without a long pause among them.
struct Run {
    cells: Vec<Cell>,
    start: i64,
    end: i64,
}

impl Run {
    fn length(&self) -> i64 {
        self.end.saturating_sub(self.start)
    }
}

/// The time line, where there is more than a moment.
pub(super) fn timeline(moments: &Moments) -> Option<Timeline> {
    let cells: Vec<Cell> = moments.cells().collect();
    let (first, last) = (cells.first()?, cells.last()?);
    let end = last.start.saturating_add(moments.width());
    let pause = end.saturating_sub(first.start) / LONG;
    if cells.len() < 2 {
        return None;
    }
    let pause = pause.max(moments.width()).max(SECOND);
    let is_short = end.saturating_sub(first.start) < SHORT;
    let runs = runs(&cells, moments.width(), pause);
    let pauses = i64::try_from(runs.len()).unwrap_or(i64::MAX).saturating_sub(1);
    // A run that ends within a bar takes all of it, so one bar of each is put aside.
    let bars = RIGHT.saturating_sub(LEFT).saturating_sub(pauses.saturating_mul(PAUSE)) / BAR;
    let bars = bars.saturating_sub(pauses).saturating_sub(1).max(1);
    let busy = runs.iter().map(Run::length).fold(0_i64, i64::saturating_add);
    let per_bar = busy.checked_div(bars).unwrap_or(busy).saturating_add(1);

    let mut total = Counts::default();
    for cell in &cells {
        total.add(&cell.counts);
    }
    let shown: Vec<What> = What::ALL.into_iter().filter(|what| total.of(*what) > 0).collect();
    let placed = place(&runs, per_bar);
    let mut timeline = Timeline { pause: words(pause), ..Timeline::default() };
    for (what, nth) in shown.iter().zip(1_i64..) {
        timeline.rows.push(plot(*what, nth.saturating_mul(ROW).saturating_add(2), &placed));
    }
    timeline.height = i64::try_from(shown.len()).unwrap_or(0).saturating_mul(ROW).saturating_add(34);
    timeline.cuts = placed.iter().skip(1).map(|run| run.at.saturating_sub(PAUSE / 2)).collect();
    timeline.labels = labels(&placed, end, is_short);
    timeline.columns = shown.iter().map(|what| what.name()).collect();
    timeline.table = table(&runs, moments.width(), &shown, is_short);
    Some(timeline)
}

fn runs(cells: &[Cell], width: i64, pause: i64) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for cell in cells {
        let end = cell.start.saturating_add(width);
        match runs.last_mut() {
            Some(run) if cell.start.saturating_sub(run.end) <= pause => {
                run.cells.push(*cell);
                run.end = end;
            }
            _ => runs.push(Run { cells: vec![*cell], start: cell.start, end }),
        }
    }
    runs
}

/// A run where it is drawn.
struct Placed {
    at: i64,
    width: i64,
    start: i64,
    /// Bars that are not empty: where, and what they count.
    bars: Vec<(i64, Counts)>,
}

fn place(runs: &[Run], per_bar: i64) -> Vec<Placed> {
    let mut at = LEFT;
    let mut placed = Vec::new();
    for run in runs {
        let mut bars: Vec<(i64, Counts)> = Vec::new();
        for cell in &run.cells {
            let nth = cell.start.saturating_sub(run.start).checked_div(per_bar).unwrap_or(0);
            let x = at.saturating_add(nth.saturating_mul(BAR));
            match bars.last_mut() {
                Some((last, counts)) if *last == x => counts.add(&cell.counts),
                _ => bars.push((x, cell.counts)),
            }
        }
        let number = run.length().saturating_sub(1).checked_div(per_bar).unwrap_or(0).saturating_add(1);
        let width = number.saturating_mul(BAR);
        placed.push(Placed { at, width, start: run.start, bars });
        at = at.saturating_add(width).saturating_add(PAUSE);
    }
    placed
}

fn plot(what: What, baseline: i64, placed: &[Placed]) -> Plot {
    let bars = || placed.iter().flat_map(|run| &run.bars).map(|(x, counts)| (x, counts.of(what)));
    let peak = bars().map(|(_, count)| count).max().unwrap_or(0);
    let mut path = String::new();
    for (x, count) in bars().filter(|(_, count)| *count > 0) {
        let tall = count.saturating_mul(TALLEST).checked_div(peak).unwrap_or(0).max(LEAST);
        let (whole, tenth) = (tall / 10, tall % 10);
        // Writing to a string cannot fail.
        let _ = write!(path, "M{x} {baseline}v-{whole}.{tenth}h5v{whole}.{tenth}z");
    }
    let axis = placed.iter().map(|run| (run.at, run.width)).collect();
    Plot { name: what.name(), baseline, axis, bars: path, peak: count(peak) }
}

/// When runs begin, as far as there is room, and when the last one ends.
fn labels(placed: &[Placed], end: i64, is_short: bool) -> Vec<Label> {
    let last = placed.last().map_or(RIGHT, |run| run.at.saturating_add(run.width));
    let mut labels: Vec<Label> = Vec::new();
    let mut before: Option<i64> = None;
    for run in placed {
        let fits = labels.last().is_none_or(|label| run.at.saturating_sub(label.at) >= LABEL);
        // The last one stands at the other end of its text.
        if fits && (labels.is_empty() || last.saturating_sub(run.at) >= LABEL.saturating_mul(2)) {
            labels.push(Label { at: run.at, is_last: false, text: moment(run.start, before, is_short) });
            before = Some(run.start);
        }
    }
    if last.saturating_sub(LEFT) >= LABEL.saturating_mul(2) {
        labels.push(Label { at: last, is_last: true, text: moment(end.saturating_sub(1), before, is_short) });
    }
    labels
}

/// No more of a time than differs from the one before.
fn moment(time: i64, before: Option<i64>, is_short: bool) -> String {
    let time = When::from_nanoseconds(time);
    if is_short {
        let whole = millisecond(time);
        return if before.is_some() { whole.get(11..).unwrap_or(&whole).to_owned() } else { whole };
    }
    match before.map(|before| Span::of(When::from_nanoseconds(before), time)) {
        Some(span) => span.time(time),
        None => second(time),
    }
}

/// Each run in a row, or where there are few runs in several.
fn table(runs: &[Run], width: i64, shown: &[What], is_short: bool) -> Vec<Stretch> {
    let slices = SLICES.checked_div(i64::try_from(runs.len()).unwrap_or(i64::MAX)).unwrap_or(1).max(1);
    let mut rows: Vec<(i64, i64, Counts)> = Vec::new();
    for run in runs {
        let slice = run.length().checked_div(slices).unwrap_or(0).max(width).saturating_add(1);
        let mut last = None;
        for cell in &run.cells {
            let nth = cell.start.saturating_sub(run.start).checked_div(slice);
            let end = cell.start.saturating_add(width).saturating_sub(1);
            match rows.last_mut().filter(|_| last == nth) {
                Some((_, to, counts)) => {
                    *to = end;
                    counts.add(&cell.counts);
                }
                None => rows.push((cell.start, end, cell.counts)),
            }
            last = nth;
        }
    }
    let time = if is_short { millisecond } else { second };
    let number = |number: u64| if number == 0 { "–".to_owned() } else { count(number) };
    rows.into_iter()
        .map(|(from, to, counts)| Stretch {
            from: time(When::from_nanoseconds(from)),
            to: time(When::from_nanoseconds(to)),
            counts: shown.iter().map(|what| number(counts.of(*what))).collect(),
        })
        .collect()
}

/// About how long: `14 minutes`.
fn words(nanoseconds: i64) -> String {
    let seconds = u64::try_from(nanoseconds / 1_000_000_000).unwrap_or(0);
    match seconds {
        0..120 => counted(seconds, "second", "seconds"),
        120..7_200 => counted(seconds / 60, "minute", "minutes"),
        7_200..172_800 => counted(seconds / 3_600, "hour", "hours"),
        _ => counted(seconds / 86_400, "day", "days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Severity;

    const MINUTE: i64 = 60_000_000_000;

    fn of(times: &[(i64, What)]) -> Option<Timeline> {
        let mut moments = Moments::default();
        for (time, what) in times {
            moments.add(When::from_nanoseconds(*time), *what);
        }
        timeline(&moments)
    }

    #[test]
    fn a_single_moment_has_no_time_line() {
        assert!(of(&[]).is_none());
        assert!(of(&[(5, What::Session), (6, What::Session)]).is_none());
    }

    #[test]
    fn a_long_pause_is_cut_out_and_everything_stays_within_the_drawing() {
        let busy = (0..60).map(|minute| (minute * MINUTE, What::Session));
        let later = (0..9).map(|minute| ((6_000 + minute) * MINUTE, What::Finding(Severity::High)));
        let timeline = of(&busy.chain(later).collect::<Vec<_>>()).unwrap();
        assert_eq!((timeline.cuts.len(), timeline.rows.len(), timeline.pause.as_str()), (1, 2, "6 hours"));
        assert_eq!(timeline.columns, ["high", "sessions"]);
        for plot in &timeline.rows {
            assert!(plot.axis.iter().all(|(at, width)| *at >= LEFT && at + width <= RIGHT), "{plot:?}");
        }
        let texts: Vec<&str> = timeline.labels.iter().map(|label| label.text.as_str()).collect();
        assert_eq!(texts, ["1970-01-01 00:00:00", "01-05 04:08:00"]);
    }

    #[test]
    fn the_table_counts_everything_that_is_drawn() {
        let times: Vec<_> = (0..1_000).map(|nth| (nth * nth * MINUTE, What::Session)).collect();
        let timeline = of(&times).unwrap();
        let sum: u64 = timeline.table.iter().map(|row| row.counts[0].replace(',', "").parse::<u64>().unwrap()).sum();
        assert_eq!(sum, 1_000);
        assert!(timeline.table.len() <= 16, "{}", timeline.table.len());
    }

    #[test]
    fn times_at_both_ends_of_what_can_be_said_are_drawn() {
        let timeline = of(&[(i64::MIN, What::Session), (i64::MAX, What::Session)]).unwrap();
        assert!(timeline.rows[0].axis.iter().all(|(at, width)| at + width <= RIGHT));
    }
}
