//! mailtap: a passive analyser of SMTP conversations.

mod base;
mod capture;
mod cli;
mod decode;
mod defrag;
mod engine;
mod ledger;
mod report;
mod rules;
#[expect(dead_code, reason = "facts that no rule asks for yet")]
mod smtp;
mod tcp;

pub use cli::main;
