//! mailtap: a passive analyser of SMTP conversations.
#![expect(dead_code, reason = "the rooms are being built")]

mod base;
mod capture;
mod cli;
mod decode;
mod defrag;
mod engine;
mod ledger;
mod report;
mod rules;
mod smtp;
mod tcp;

pub use cli::main;
