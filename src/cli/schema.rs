//! `mailtap schema`: the JSON Schema of all records.

use super::exit::Exit;
use crate::record;

/// Prints it.
pub(super) fn run() -> Exit {
    // Nothing in it can fail to be JSON.
    super::print(&(serde_json::to_string_pretty(&record::schema()).unwrap_or_default() + "\n"))
}
