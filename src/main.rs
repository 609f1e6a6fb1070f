//! The `mailtap` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    mailtap::main()
}
