//! Ids that no request, intent or configuration has.

use super::{recording, revoke, with};
use crate::common::Runs;
use portcullis_host::Digest;
use std::fs;

#[test]
fn refuses_unknown_ids_without_a_flag() {
    let folder = recording();
    {
        let pdp = folder.host();
        for credential in ["102ab", "jti-1"] {
            let decision = with(credential).decide(&pdp);
            assert!(decision.is_permit(), "{}", decision.detail());
        }
    }
    let mut runs = Runs::default();
    let digest = format!("sha256:{}", "0".repeat(64));
    for (kind, id) in [
        ("principal", "spiffe://a.example/bos"),
        ("credential", "jti-2"),
        ("intent", "int-3"),
        ("integration", "file"),
        ("plugin", digest.as_str()),
    ] {
        runs.add(format!("{kind} {id}"), revoke(&folder, kind, id, &[]));
        revoke(&folder, kind, id, &["--unknown"]).exits(0);
    }
    // No request can have these ids, even with `--unknown`.
    for (kind, id) in [
        ("principal", "spiffe://a.example/*"),
        ("principal", "spiffe://a.example"),
        ("credential", " jti-1"),
        ("plugin", "sha256:12"),
    ] {
        let refused = revoke(&folder, kind, id, &["--unknown"]);
        runs.add(format!("{kind} {id} --unknown"), refused);
    }
    runs.is(snapbox::file!["unknown.txt"]);
}

#[test]
fn revokes_an_id_in_every_spelling() {
    let folder = recording();
    folder.evaluate(&with("102ab")).exits(0);
    {
        let pdp = folder.host();
        for credential in ["102ab", "jti-1"] {
            assert!(with(credential).decide(&pdp).is_permit());
        }
    }
    revoke(&folder, "credential", "01:02:AB", &[]).is(snapbox::str![[r#"
exit 0
-- stdout
{"epoch":1,"at":"[TIME]","kind":"credential","id":"102ab","reason":"leaked","by":"alice"}
-- stderr
revoked in revocations.jsonl, epoch 1
"#]]);
    for spelling in ["102ab", "0102AB", "01:02:ab"] {
        folder.evaluate(&with(spelling)).exits(2);
    }
    folder.evaluate(&with("jti-1")).exits(0);
    let query = ["log", "query", "decisions.jsonl", "--credential", "1:2:AB"];
    assert_eq!(folder.run(&query).json_lines().len(), 1);
    // In decimal, as in RFC 5280.
    revoke(&folder, "credential", "102ab", &["--lift"]).exits(0);
    revoke(&folder, "credential", "66219", &[]).exits(0);
    folder.evaluate(&with("102ab")).exits(2);
    // A plugin's digest in capitals.
    let component = fs::read(folder.path().join("mcp-tools.wasm")).unwrap();
    let digest = Digest::of(&component).to_string();
    revoke(&folder, "plugin", &digest.to_uppercase(), &[]).exits(0);
    folder.evaluate(&with("jti-1")).exits(2);
}
