//! The `mailtap` command.

fn main() {}
