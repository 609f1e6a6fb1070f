//! What every integration test needs: the binary, its records read back, and where captures lie.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use serde_json::Value;

/// One finished run of the binary.
pub(crate) struct Ran {
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// All of standard output, which mailtap promises to be UTF-8.
    pub(crate) stdout: String,
    /// All of standard error.
    pub(crate) stderr: String,
}

impl Ran {
    /// The exit code; a run that a signal ended has none and fails the test.
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("ended by a signal: {}\n{}", self.status, self.stderr))
    }

    /// The records of standard output.
    pub(crate) fn records(&self) -> Vec<Value> {
        records(&self.stdout)
    }
}

/// Runs `mailtap` with these arguments in the package's folder, with nothing of the caller's colour settings.
pub(crate) fn run(arguments: &[impl AsRef<OsStr>]) -> Ran {
    run_in(package(), arguments)
}

/// Runs it in another folder, for records that name captures without one.
pub(crate) fn run_in(folder: &Path, arguments: &[impl AsRef<OsStr>]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_mailtap"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("COLUMNS")
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .output()
        .expect("the binary starts");
    Ran {
        status: output.status,
        stdout: String::from_utf8(output.stdout).expect("standard output is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("standard error is UTF-8"),
    }
}

/// Runs it where the reader of its standard output has gone away.
pub(crate) fn run_unread(arguments: &[impl AsRef<OsStr>]) -> Ran {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = Command::new(env!("CARGO_BIN_EXE_mailtap"))
        .args(arguments)
        .current_dir(package())
        .stdout(Stdio::from(writer))
        .stderr(Stdio::piped())
        .output()
        .expect("the binary starts");
    let stderr = String::from_utf8(output.stderr).expect("standard error is UTF-8");
    Ran { status: output.status, stdout: String::new(), stderr }
}

/// Reads JSON lines back; a line that is no object with a `type` fails the test.
pub(crate) fn records(stdout: &str) -> Vec<Value> {
    let parse = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
        assert!(value["type"].is_string(), "a record without a type: {line}");
        value
    };
    stdout.lines().map(parse).collect()
}

/// The records of one type, in their order.
pub(crate) fn of_type<'r>(records: &'r [Value], name: &str) -> Vec<&'r Value> {
    records.iter().filter(|record| record["type"] == name).collect()
}

/// The lines of the records that belong to one capture, byte by byte; servers and the summary belong to none.
pub(crate) fn by_capture(jsonl: &str) -> BTreeMap<String, Vec<String>> {
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in jsonl.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        // Where captures are treated alone, servers name theirs too.
        if record["type"] != "server"
            && let Some(capture) = record["capture"].as_str().or_else(|| record["packets"][0]["capture"].as_str())
        {
            lines.entry(capture.to_owned()).or_default().push(line.to_owned());
        }
    }
    lines
}

/// The package's folder.
pub(crate) fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Captures that others recorded; they lie beside the repository and are no part of it. Where they are missing a
/// line is printed, and the caller returns.
pub(crate) fn shared_captures() -> Option<PathBuf> {
    let folder = package().join("../shared/captures");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: {} is missing", folder.display());
    None
}

/// The files of a folder, at any depth, whose name ends so, sorted.
pub(crate) fn files_ending(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The greatest memory in KiB and the most open files of a scan, as long as it runs, and what it printed.
pub(crate) fn measured(arguments: &[&str]) -> (u64, usize, String, String) {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 1024 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_mailtap")]).args(arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let (mut memory, mut files) = (0, 0);
    let folder = PathBuf::from(format!("/proc/{}", child.id()));
    let (out, err) = std::thread::scope(|scope| {
        let out = scope.spawn(move || std::io::read_to_string(&mut stdout).unwrap());
        let err = scope.spawn(move || std::io::read_to_string(&mut stderr).unwrap());
        while child.try_wait().unwrap().is_none() {
            let status = std::fs::read_to_string(folder.join("status")).unwrap_or_default();
            let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let peak = peak.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0);
            memory = memory.max(peak);
            files = files.max(std::fs::read_dir(folder.join("fd")).map_or(0, Iterator::count));
        }
        (out.join().unwrap(), err.join().unwrap())
    });
    (memory, files, out, err)
}
