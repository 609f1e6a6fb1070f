//! How fast each room is alone, and all of them together: `cargo bench --features bench [-- ROOM]`.
//!
//! Input is made by `synth` from a fixed seed. Before anything is timed, each bench asks once whether the work is
//! really done. What a room costs depends on what lies in the cache: inputs of single rooms are small enough to stay
//! there, as a batch does in a scan.

#![expect(clippy::unwrap_used, reason = "the input is of our own making: a panic here is a bench that is wrong")]
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "the numbers of benches are small, and each place is one of a table"
)]

mod capture;
mod decode;
mod input;
mod rules;
mod scan;
mod smtp;
mod tcp;

use std::env;
use std::time::Duration;

use criterion::Criterion;

/// Times one room.
type Bench = fn(&mut Criterion);

/// Every room that is timed, in the order of the path.
const ROOMS: &[(&str, Bench)] = &[
    ("capture", capture::bench),
    ("decode", decode::bench),
    ("tcp", tcp::bench),
    ("smtp", smtp::bench),
    ("rules", rules::bench),
    ("scan", scan::bench),
];

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    // Where arguments name rooms, the others need not even make their input: a profile shows the room alone.
    let named = |room: &str| env::args().skip(1).any(|argument| argument.contains(room));
    let all = !ROOMS.iter().any(|(room, _)| named(room));
    for (room, bench) in ROOMS {
        if all || named(room) {
            bench(&mut criterion);
        }
    }
    criterion.final_summary();
}
