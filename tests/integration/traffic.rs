//! Traffic of every kind that `synth` makes: mailtap tells exactly what was planted, on torn and reordered captures too.

use std::fs;
use std::path::Path;

use synth::traffic::{Kind, Recipe, Totals, differences};

use crate::support;

/// Fails where mailtap's records differ from the truth; gives the capture's totals.
fn agrees(recipe: &Recipe) -> Totals {
    let folder = tempfile::tempdir().unwrap();
    let (capture, records) = (folder.path().join("traffic.pcap"), folder.path().join("records.jsonl"));
    let (mut packets, mut truth) = (Vec::new(), Vec::new());
    let totals = recipe.write(&mut packets, &mut truth).unwrap();
    fs::write(&capture, packets).unwrap();
    let kinds = Path::new("findings,sessions,servers,summary");
    let ran = support::run(&[
        Path::new("scan"),
        Path::new("--format"),
        Path::new("jsonl"),
        Path::new("--records"),
        kinds,
        Path::new("--output"),
        &records,
        &capture,
    ]);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    let wrong = differences(&truth[..], &fs::read(records).unwrap()[..]).unwrap();
    assert!(wrong.is_empty(), "{recipe:?}\n{}", wrong.join("\n"));
    totals
}

#[test]
fn every_kind_is_told_as_it_was_planted() {
    for (kind, bytes) in
        [(Kind::Span, 20_000_000), (Kind::Relay, 3_000_000), (Kind::Tiny, 6_000_000), (Kind::Flood, 3_000_000)]
    {
        let totals = agrees(&Recipe { flows: 20, ..Recipe::new(kind, bytes) });
        assert!(totals.connections > 1, "{kind:?}\n{totals}");
    }
}

#[test]
fn many_plants_among_small_mails_are_all_told() {
    let relay = Recipe { flows: 50, mail_bytes: 100..=2000, planted: 500, ..Recipe::new(Kind::Relay, 3_000_000) };
    let totals = agrees(&relay);
    assert!(totals.findings.len() >= 19, "{totals}");
    agrees(&Recipe { mss: 1, loss: 0, reorder: 0, mail_bytes: 1..=100, ..relay });
}

#[test]
fn heavy_loss_and_reordering_bring_no_finding_that_was_not_planted() {
    for seed in 1..=3 {
        let relay = Recipe { seed, flows: 50, mail_bytes: 100..=20_000, ..Recipe::new(Kind::Relay, 2_000_000) };
        let totals = agrees(&Recipe { loss: 100, ..relay.clone() });
        assert!(totals.torn > 50, "{totals}");
        agrees(&Recipe { reorder: 200, ..relay });
    }
}

#[test]
fn what_was_not_planted_is_told_as_a_difference() {
    let quiet = Recipe { planted: 0, tls: 0, flows: 20, ..Recipe::new(Kind::Relay, 300_000) };
    let (mut ignored, mut truth) = (Vec::new(), Vec::new());
    quiet.write(&mut ignored, &mut truth).unwrap();
    let wrong =
        differences(&truth[..], &b"{\"type\":\"server\",\"ip\":\"192.0.2.1\",\"port\":25,\"sessions\":1}\n"[..])
            .unwrap();
    assert!(wrong.contains(&"server 192.0.2.1:25: 1 sessions, expected 0".to_owned()), "{wrong:?}");
    assert!(wrong.contains(&"there is no summary".to_owned()), "{wrong:?}");
    assert!(wrong.iter().any(|line| line.starts_with("no session ")), "{wrong:?}");
}
