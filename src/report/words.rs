//! What a person reads for some words of the records.

use crate::ledger::server::{Help, StartTls};

/// What a server makes of HELP.
pub(crate) fn help(help: Help) -> &'static str {
    match help {
        Help::Exposed => "answered",
        Help::Advertised => "advertised",
        Help::Refused => "refused",
        Help::Unclear => "unclear",
        Help::Unknown => "not asked",
    }
}

/// Whether a server offers STARTTLS.
pub(crate) fn starttls(starttls: StartTls) -> &'static str {
    match starttls {
        StartTls::Offered => "offered",
        StartTls::NotOffered => "not offered",
        StartTls::Unknown => "not known",
    }
}
