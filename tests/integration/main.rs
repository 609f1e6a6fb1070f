//! Runs the real binary on real captures, each comparison against a witness that is not mailtap.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that panics is a test that fails, and says where"
)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a skipped test says why")]

mod bounds;
mod cases;
mod catalogue;
mod config;
mod dialogues;
mod evidence;
mod exit;
mod files;
mod filters;
mod formats;
mod hostile;
mod house;
mod invariance;
mod judged;
mod late;
mod lawful;
mod library;
mod live;
mod lockstep;
mod loss;
mod merging;
mod mirror;
mod mta;
mod names;
mod neighbours;
mod others;
mod page;
mod pipes;
mod readme;
mod reports;
mod rules;
mod scan;
mod secrets;
mod servers;
mod session;
mod show;
mod support;
mod told;
mod traffic;
mod tshark_events;
mod typed;
mod views;
