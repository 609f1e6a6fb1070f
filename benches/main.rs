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

use std::time::Duration;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    capture::bench(&mut criterion);
    decode::bench(&mut criterion);
    tcp::bench(&mut criterion);
    smtp::bench(&mut criterion);
    rules::bench(&mut criterion);
    scan::bench(&mut criterion);
    criterion.final_summary();
}
