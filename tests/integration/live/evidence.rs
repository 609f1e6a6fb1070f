//! `--write`: the packets of sessions with findings, held until something is found.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::Net;
use crate::support::{of_type, run};

/// Findings without what a copy of the packets changes.
fn findings(records: &[Value]) -> Vec<String> {
    let of = |record: &&Value| {
        format!("{}/{} {} {}", record["rule"], record["check"], record["session"], record["evidence"])
    };
    of_type(records, "finding").iter().map(of).collect()
}

#[test]
fn the_packets_of_sessions_with_findings_give_them_again() {
    let Some(net) = Net::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    let file = folder.path().join("evidence.pcapng");
    let file = file.to_str().unwrap();
    let watching = net.watch(&["--format", "jsonl", "--records", "findings,sessions,summary", "--write", file]);
    for name in ["client-swaks", "help", "recipients", "client-msmtp"] {
        net.run(&[
            "tcpreplay",
            "--quiet",
            "--topspeed",
            "--intf1=here",
            &format!("testdata/servers/exim-4.96/{name}.pcap"),
        ]);
    }
    let ended = watching.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("contains whole packets, including message content and passwords"),
        "{}",
        ended.stderr
    );
    let live = ended.records();
    let sessions: Vec<&str> =
        of_type(&live, "session").iter().map(|record| record["session"].as_str().unwrap()).collect();
    let with_findings: Vec<&str> =
        of_type(&live, "finding").iter().map(|record| record["session"].as_str().unwrap()).collect();
    assert!(sessions.iter().any(|session| !with_findings.contains(session)), "a session without findings is wanted");
    assert!(of_type(&live, "finding").iter().all(|finding| finding["kept"]["fell_out"] == 0));

    let again = run(&["scan", "--format", "jsonl", "--records", "findings,sessions,summary", file]).records();
    assert!(!with_findings.is_empty());
    assert_eq!(findings(&again), findings(&live));
    let kept =
        of_type(&again, "session").iter().all(|session| with_findings.contains(&session["session"].as_str().unwrap()));
    assert!(kept, "only sessions with findings are kept");
    let summary = |records: &[Value], field: &str| of_type(records, "summary")[0][field].as_u64().unwrap();
    assert!(summary(&again, "packets") < summary(&live, "packets"));
}
