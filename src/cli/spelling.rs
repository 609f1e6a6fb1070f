//! What people type who know other programs (tshark, tcpdump, Suricata, Zeek, ripgrep, trivy): each spelling with what it
//! means here, where that is certain, or with the line that says how to say it. Nothing else in the program knows of them.
//!
//! Read in this order: [`understood`], which puts another spelling in the place of words that a parser cannot know;
//! [`alias`], which tells the parser the others; [`hint`] and [`command_hint`], for what is not certain.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::Command;

/// Other names of options, by the command and the option's id. A single letter is a short option.
const OPTIONS: &[(&str, &str, &[&str])] = &[
    ("", "format", &["f", "T", "output-format", "out-format", "fmt"]),
    ("", "file", &["out", "out-file", "outfile", "output-file"]),
    ("", "write", &["w", "write-pcap", "save-packets", "pcap-out"]),
    ("", "fail_on", &["fail", "fail-level", "fail-severity", "fail-on-severity", "error-on"]),
    ("", "show_secrets", &["show-passwords", "no-redact", "reveal"]),
    ("", "quiet", &["silent", "no-progress"]),
    ("", "color", &["colour"]),
    ("", "config", &["conf", "config-file", "settings"]),
    ("", "min_severity", &["severity", "min-level", "level", "min-sev", "minimum-severity"]),
    ("", "select", &["rule", "rules", "check", "checks", "only", "enable"]),
    ("", "ignore", &["disable", "skip", "skip-rule", "ignore-rule", "exclude-rule"]),
    ("", "servers", &["server", "server-ip", "dst", "dst-ip", "dest", "destination"]),
    ("", "client", &["clients", "client-ip", "src", "src-ip", "source"]),
    ("", "session", &["sessions", "session-id"]),
    ("", "since", &["after", "begin", "start", "start-time", "newer-than"]),
    ("", "until", &["before", "end", "end-time", "older-than"]),
    ("", "match", &["e", "grep", "regex", "regexp", "pattern", "search"]),
    ("", "records", &["record", "record-types"]),
    ("", "port", &["ports", "tcp-port", "smtp-port", "dport"]),
    ("", "threads", &["j", "jobs", "workers"]),
    ("", "hash", &["sha256", "hashes"]),
    ("scan", "port", &["p"]),
    ("scan", "read", &["read-file", "pcap", "pcap-file", "file", "in", "input"]),
    ("watch", "interfaces", &["interfaces", "iface", "dev", "device"]),
    ("watch", "bpf", &["bpf-filter", "capture-filter"]),
    ("watch", "no_promiscuous_mode", &["no-promisc", "no-promiscuous"]),
    ("watch", "packets", &["count", "packet-count", "max-packets"]),
    ("watch", "duration", &["time", "for", "run-time"]),
    ("watch", "snap_length", &["snaplen", "snapshot-length"]),
    ("watch", "buffer", &["buffer-size"]),
    ("watch", "metrics", &["prometheus", "metrics-address"]),
    ("watch", "user", &["run-as"]),
];

/// Other names of commands.
const COMMANDS: &[(&str, &[&str])] = &[
    ("scan", &["analyze", "analyse", "read", "check", "inspect", "parse"]),
    ("watch", &["live", "sniff", "listen", "capture", "monitor"]),
    ("interfaces", &["interface", "ifaces", "devices", "list-interfaces"]),
    ("show", &["dialogue", "dialog", "conversation", "transcript", "session"]),
    ("rules", &["rule", "list-rules", "checks", "explain", "describe"]),
    ("config", &["configuration", "print-config", "dump-config"]),
    ("schema", &["json-schema"]),
];

/// Words that are written differently here, value included, by the command; with nothing behind them they are left out, for
/// the program does so anyway.
const WORDS: &[(&[&str], &str, &str)] = &[
    (&["scan", "watch", "rules"], "--json", "--format=json"),
    (&["scan", "watch", "rules"], "--jsonl", "--format=json"),
    (&["scan", "watch"], "--ndjson", "--format=json"),
    (&["scan", "watch", "rules"], "--text", "--format=text"),
    (&["rules"], "--markdown", "--format=markdown"),
    (&["scan", "watch", "show"], "--no-color", "--color=never"),
    (&["scan", "watch", "show"], "--no-colour", "--color=never"),
    (&["scan"], "--stdin", "-"),
    (&["scan", "watch"], "-n", ""),
    (&["scan", "watch"], "-nn", ""),
    (&["scan", "watch"], "--numeric", ""),
    (&["scan", "watch"], "--no-dns", ""),
    (&["scan", "watch"], "--no-resolve", ""),
    (&["scan"], "--recursive", ""),
];

/// Options that stand for a command, wherever they are.
const INSTEAD: &[(&str, &str)] = &[
    ("--list-rules", "rules"),
    ("--list-checks", "rules"),
    ("--list-interfaces", "interfaces"),
    ("-D", "interfaces"),
    ("--print-config", "config"),
    ("--help-limits", "config"),
];

/// How to say what an option of that name could mean; of all commands where none is named.
const HINTS: &[(&str, &str, &str)] = &[
    ("", "--host", "use --servers NET or --client NET"),
    ("", "--ip", "use --servers NET or --client NET"),
    ("", "--net", "use --servers NET or --client NET"),
    ("", "--from", "use --since TIME, --client NET, or --match 'MAIL FROM:<...' for a sender"),
    ("", "--to", "use --until TIME, --servers NET, or --match 'RCPT TO:<...' for a recipient"),
    ("", "--sender", "use --match 'MAIL FROM:<user@example.org>'"),
    ("", "--recipient", "use --match 'RCPT TO:<user@example.org>'"),
    ("", "--exclude", "use --ignore RULE to leave out a rule or a check"),
    ("", "--include", "use --select RULE for a rule or a check, or name the files to scan"),
    ("watch", "--filter", "use --bpf FILTER, or --servers, --client or --match"),
    ("", "--filter", "use --servers, --client, --session, --since, --until or --match"),
    ("", "--display-filter", "use --servers, --client, --session, --since, --until or --match"),
    ("", "-Y", "use --servers, --client, --session, --since, --until or --match"),
    ("scan", "--bpf", "a scan reads whole captures; use --servers, --client or --match"),
    ("scan", "-i", "to listen on an interface, use 'mailtap watch -i IFACE'"),
    ("scan", "--interface", "to listen on an interface, use 'mailtap watch -i IFACE'"),
    ("watch", "-r", "to read a capture file, use 'mailtap scan FILE'"),
    ("watch", "--read", "to read a capture file, use 'mailtap scan FILE'"),
    ("watch", "-w", "use --write FILE"),
    ("watch", "-c", "use --packets N to stop after N packets, or --config FILE"),
    ("", "-c", "use --config FILE"),
    ("", "--tls", "use --match '^STARTTLS', or 'mailtap rules starttls'"),
    ("", "--keys", "TLS is not decrypted; sessions that use it are counted as not analysed"),
    ("", "--keylog", "TLS is not decrypted; sessions that use it are counted as not analysed"),
    ("", "--timeout", "use --idle-timeout SECONDS; 'mailtap config' lists all timeouts"),
    ("", "--exit-code", "use --fail-on SEVERITY, which exits with 1"),
    ("", "--strict", "use --fail-on SEVERITY, which exits with 1"),
    ("", "--stream", "use --session ID"),
    ("", "--protocol", "use --port PORT; only SMTP is analysed"),
    ("", "--events", "use --records events"),
    ("", "--summary", "use --records summary"),
    ("", "--stats", "use --records summary"),
    ("", "--debug", "use --records events to see every command and reply"),
];

/// How to say what a command of that name could mean.
const COMMAND_HINTS: &[(&str, &str)] = &[
    ("list", "use 'mailtap rules' or 'mailtap interfaces'"),
    ("diff", "save the JSON lines of each scan (--json) and compare their fingerprints"),
    ("compare", "save the JSON lines of each scan (--json) and compare their fingerprints"),
    ("convert", "use 'mailtap scan --format jsonl FILE'"),
    ("export", "use 'mailtap scan --format jsonl FILE'"),
    ("extract", "use 'mailtap scan --write FILE CAPTURE'"),
    ("stats", "use 'mailtap scan --records summary FILE'"),
    ("summary", "use 'mailtap scan --records summary FILE'"),
    ("servers", "use 'mailtap scan --records servers FILE'"),
    ("sessions", "use 'mailtap scan --records sessions --json FILE'"),
    ("serve", "use 'mailtap watch --metrics 9925 IFACE'"),
    ("daemon", "use 'mailtap watch IFACE'; it is run by systemd or in the background"),
];

/// Tells the parser the other names.
pub(super) fn alias(command: Command) -> Command {
    command.mut_subcommands(|command| {
        let name = command.get_name().to_owned();
        let others = COMMANDS.iter().filter(|(of, _)| *of == name).flat_map(|(_, others)| *others);
        command.aliases(others).mut_args(|arg| {
            if arg.is_positional() {
                return arg;
            }
            let id = arg.get_id().as_str().to_owned();
            let rows = OPTIONS.iter().filter(|(of, option, _)| (of.is_empty() || *of == name) && *option == id);
            rows.flat_map(|(_, _, others)| *others).fold(arg, |arg, other| {
                let mut chars = other.chars();
                match (chars.next(), chars.next()) {
                    (Some(letter), None) => arg.short_alias(letter),
                    _ => arg.alias(*other),
                }
            })
        })
    })
}

/// The arguments, the program's name first, as the parser knows them.
pub(super) fn understood(arguments: impl IntoIterator<Item = OsString>, command: &Command) -> Vec<OsString> {
    let mut arguments = arguments.into_iter();
    let program = arguments.next().unwrap_or_default();
    let typed: Vec<OsString> = arguments.collect();
    let options = || typed.iter().take_while(|word| *word != "--");
    if let Some(instead) = options().find_map(|word| meaning(INSTEAD, word)) {
        return vec![program, instead.into()];
    }
    let first = typed.first().cloned().unwrap_or_default();
    match first.to_str() {
        Some("") if typed.is_empty() => return vec![program],
        // `help scan` is `scan --help`.
        Some("help") => {
            return [program].into_iter().chain(typed.into_iter().skip(1).take(1)).chain(["--help".into()]).collect();
        }
        Some("version") => return vec![program, "--version".into()],
        Some("-h" | "--help" | "-V" | "--version") => return [program].into_iter().chain(typed).collect(),
        _ => {}
    }
    let named = first.to_str().and_then(|name| command.find_subcommand(name)).map(Command::get_name);
    let left_out = if named.is_some() { None } else { left_out(&first, &typed) };
    let name = named.or(left_out).unwrap_or_default();
    let here = |word: &OsString| {
        let row = WORDS.iter().find(|(commands, spelled, _)| spelled == word && commands.contains(&name));
        match row.map(|(_, _, means)| *means) {
            Some("") => None,
            Some(other) => Some(other.into()),
            None => Some(word.clone()),
        }
    };
    let rest = typed.iter().skip_while(|word| *word != "--").cloned();
    [program].into_iter().chain(left_out.map(OsString::from)).chain(options().filter_map(here)).chain(rest).collect()
}

/// The command that was left out, if one was.
fn left_out(first: &OsStr, words: &[OsString]) -> Option<&'static str> {
    let is_option = first.as_encoded_bytes().starts_with(b"-") && first != "-";
    if is_option {
        let names_interface = |word: &OsString| {
            let word = word.as_encoded_bytes();
            word.starts_with(b"-i") || word.starts_with(b"--interface") || word.starts_with(b"--iface")
        };
        return Some(if words.iter().any(names_interface) { "watch" } else { "scan" });
    }
    let path = Path::new(first);
    // What is named as a file is one, also where it is missing: that is then told.
    let is_file = first == "-" || path.extension().is_some() || path.components().count() > 1 || path.exists();
    is_file.then_some("scan")
}

fn meaning(table: &'static [(&str, &str)], word: &OsStr) -> Option<&'static str> {
    table.iter().find(|(spelled, _)| *spelled == word).map(|(_, means)| *means)
}

/// How to say what this option could mean in that command.
pub(super) fn hint(command: &str, option: &str) -> Option<&'static str> {
    let fits = |(of, spelled, _): &&(&str, &str, &str)| (of.is_empty() || *of == command) && *spelled == option;
    HINTS.iter().find(fits).map(|(_, _, hint)| *hint)
}

/// How to say what a command of this name could mean.
pub(super) fn command_hint(name: &str) -> Option<&'static str> {
    meaning(COMMAND_HINTS, OsStr::new(name))
}

/// The known name that a mistyped one is nearest to, if any is near.
pub(super) fn nearest<'n>(typed: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let most = if typed.chars().count() < 5 { 1 } else { 2 };
    let near = known.map(|name| (distance(typed, name), name)).filter(|(distance, _)| *distance <= most);
    near.min().map(|(_, name)| name)
}

/// How many letters have to be put in, left out, replaced or swapped with the next one to make one of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    let mut previous = None;
    for (row, letter) in one.chars().enumerate() {
        let mut now = vec![row.saturating_add(1)];
        for (column, &wanted) in other.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX).saturating_add(1);
            let replaced = at(&last, column).saturating_sub(usize::from(letter == wanted));
            let mut cost = replaced.min(at(&last, column.saturating_add(1))).min(at(&now, column));
            let before = column.checked_sub(1);
            if let Some(before) = before
                && previous == Some(wanted)
                && other.get(before) == Some(&letter)
            {
                cost = cost.min(at(&before_last, before));
            }
            now.push(cost);
        }
        before_last = std::mem::replace(&mut last, now);
        previous = Some(letter);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::help;

    #[test]
    fn letters_left_out_put_in_replaced_or_swapped_count_one_each() {
        for (one, other, apart) in [
            ("scan", "scan", 0),
            ("scna", "scan", 1),
            ("scn", "scan", 1),
            ("scann", "scan", 1),
            ("swan", "scan", 1),
            ("", "scan", 4),
            ("watch", "scan", 5),
        ] {
            assert_eq!((distance(one, other), distance(other, one)), (apart, apart), "{one} {other}");
        }
        assert_eq!(nearest("scna", ["watch", "scan"].into_iter()), Some("scan"));
        assert_eq!(nearest("--sicne", ["--until", "--since"].into_iter()), Some("--since"));
        assert_eq!(nearest("x", ["scan", "watch"].into_iter()), None);
    }

    #[test]
    fn every_row_names_a_command_and_an_option_that_there_is() {
        let command = help::command();
        for (of, id, _) in OPTIONS {
            let named = command.get_subcommands().filter(|command| of.is_empty() || command.get_name() == *of);
            assert!(named.flat_map(Command::get_arguments).any(|arg| arg.get_id() == id), "{of} {id}");
        }
        for name in COMMANDS.iter().map(|(name, _)| name).chain(INSTEAD.iter().map(|(_, name)| name)) {
            assert!(command.find_subcommand(name).is_some(), "{name}");
        }
        for (name, _) in COMMAND_HINTS {
            assert!(command.find_subcommand(name).is_none(), "{name} is a command");
        }
        for (of, option, _) in HINTS {
            let scan_or_watch = |command: &&Command| match *of {
                "" => matches!(command.get_name(), "scan" | "watch"),
                of => command.get_name() == of,
            };
            for command in command.get_subcommands().filter(scan_or_watch) {
                let longs = command.get_arguments().filter_map(clap::Arg::get_long_and_visible_aliases).flatten();
                assert!(longs.into_iter().all(|long| format!("--{long}") != *option), "{option} is an option");
            }
        }
    }

    fn understood(typed: &[&str]) -> Vec<String> {
        let typed = ["mailtap"].iter().chain(typed).map(OsString::from);
        let words = super::understood(typed, &help::command()).into_iter().skip(1);
        words.map(|word| word.into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_or_an_option_alone_is_a_scan_and_an_interface_is_watched() {
        for (typed, meant) in [
            (&[][..], &[][..]),
            (&["x.pcap"], &["scan", "x.pcap"]),
            (&["-"], &["scan", "-"]),
            (&["dir/x", "-q"], &["scan", "dir/x", "-q"]),
            (&["src"], &["scan", "src"]),
            (&["-r", "x"], &["scan", "-r", "x"]),
            (&["-q", "-i", "eth0"], &["watch", "-q", "-i", "eth0"]),
            (&["scan", "x"], &["scan", "x"]),
            (&["scna"], &["scna"]),
            (&["help"], &["--help"]),
            (&["help", "scan"], &["scan", "--help"]),
            (&["version"], &["--version"]),
            (&["show", "beef", "x", "--markdown", "--no-color"], &["show", "beef", "x", "--markdown", "--color=never"]),
            (
                &["scan", "--json", "-n", "x", "--", "--json", "-D"],
                &["scan", "--format=json", "x", "--", "--json", "-D"],
            ),
            (&["--list-rules"], &["rules"]),
        ] {
            assert_eq!(understood(typed), meant, "{typed:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_text_is_left_as_it_is() {
        use std::os::unix::ffi::OsStringExt;
        let word = OsString::from_vec(b"--\xff".to_vec());
        let words = super::understood(["mailtap".into(), word.clone()], &help::command());
        assert_eq!(words, ["mailtap".into(), "scan".into(), word]);
    }
}
