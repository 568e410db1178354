//! `portcullis revoke verify`.

use super::{recording, revoke, session_revoked, with};
use crate::common::Runs;
use portcullis_host::revocation::Record;
use serde_json::json;
use snapbox::str;

#[test]
fn verifies_that_a_revocation_ended_its_permits() {
    let folder = recording();
    {
        let pdp = folder.host();
        for credential in ["jti-1", "jti-1", "jti-2", "jti-3"] {
            assert!(with(credential).decide(&pdp).is_permit());
        }
        // An event that the host receives applies at once, and only once.
        let event = session_revoked(&folder, "set-1", "jti-3");
        let epochs = |records: Vec<Record>| -> Vec<_> {
            records.iter().map(|record| record.epoch).collect()
        };
        assert_eq!(epochs(pdp.accept_event(&event).unwrap()), [1]);
        assert!(pdp.accept_event(&event).unwrap().is_empty());
        assert_eq!(with("jti-3").decide(&pdp).cause().as_str(), "revoked");
        assert!(pdp.accept_event("not an event").is_err());
        assert!(with("jti-4").decide(&pdp).is_permit());
    }
    revoke(&folder, "credential", "jti-1", &[]).exits(0);
    revoke(&folder, "principal", "SPIFFE://A.example/boss", &[]).exits(0);
    // No request ever had this id.
    revoke(&folder, "credential", "jti-9", &[]).exits(5);
    revoke(&folder, "credential", "jti-9", &["--unknown"]).exits(0);
    let arguments = ["revoke", "verify", "--log", "decisions.jsonl"];
    let verify = || folder.run(&arguments);
    let confirmed = folder.run(&[&arguments[..], &["--format", "json"]].concat());
    let confirmed = confirmed.exits(0).json();
    let permits = confirmed.as_array().unwrap().iter();
    let permits: Vec<_> = permits.map(|one| &one["permits"]).collect();
    assert_eq!(permits, [1, 2, 5, 0], "{confirmed}");
    verify().is(str![[r#"
exit 0
-- stdout
     1 credential jti-3, revoked by https://idp.a.example: session-revoked: 1 permit, which is now denied
     2 credential jti-1, revoked by alice: leaked: 2 permits, all now denied
     3 principal spiffe://a.example/boss, revoked by alice: leaked: 5 permits, all now denied
     4 credential jti-9, revoked by alice: leaked: the log has no permit that it ends
-- stderr
[intents]: warning: intent `int-1`: `/allows/0`: the listed arguments may have any values, and no action that `read` matches is classified under `[integration.actions]`: add `constraints`
[intents]: warning: intent `int-2`: `/allows/0`: the listed arguments may have any values, and no action that `read` matches is classified under `[integration.actions]`: add `constraints`
"#]]);

    // A permit that is now denied for another cause is confirmed.
    let config = folder.read("portcullis.toml");
    folder.remove("intents/child.json");
    verify().is(str![[r#"
exit 0
-- stdout
     1 credential jti-3, revoked by https://idp.a.example: session-revoked: 1 permit, which is now denied
     2 credential jti-1, revoked by alice: leaked: 2 permits, all now denied
     3 principal spiffe://a.example/boss, revoked by alice: leaked: 5 permits, all now denied, 2 of them for another cause
     4 credential jti-9, revoked by alice: leaked: the log has no permit that it ends
-- stderr
[intents]: warning: intent `int-1`: `/allows/0`: the listed arguments may have any values, and no action that `read` matches is classified under `[integration.actions]`: add `constraints`
"#]]);
    // Without intents in the configuration, a permit on a revoked intent would be given again.
    folder.replace("portcullis.toml", "[intents]\npath = \"intents\"\n", "");
    verify().is(str![[r#"
exit 5
-- stdout
     1 credential jti-3, revoked by https://idp.a.example: session-revoked: 1 permit, which is now denied
     2 credential jti-1, revoked by alice: leaked: 2 permits, all now denied
     3 principal spiffe://a.example/boss, revoked by alice: leaked: of 5 permits, 2 would be given again: see 6, 10
     4 credential jti-9, revoked by alice: leaked: the log has no permit that it ends
"#]]);
    folder.write("portcullis.toml", config);
    // A permit that was given although the list had the revocation was not ended. The list also differs from
    // the one that the log saw.
    let list = folder.read("revocations.jsonl");
    folder.write("revocations.jsonl", list.replace("jti-3", "jti-4"));
    verify().is(str![[r#"
exit 5
-- stdout
     1 credential jti-4, revoked by https://idp.a.example: session-revoked: 1 of 1 permit given after the revocation was known: see 10
     2 credential jti-1, revoked by alice: leaked: 2 permits, all now denied, 2 of them for another cause
     3 principal spiffe://a.example/boss, revoked by alice: leaked: 5 permits, all now denied, 5 of them for another cause
     4 credential jti-9, revoked by alice: leaked: the log has no permit that it ends
-- stderr
revocations.jsonl: warning: the revocation list differs from the one seen before, at or before epoch 1: restore the earlier list, or accept this one with `portcullis state accept list`: every request is denied until then
[intents]: warning: intent `int-1`: `/allows/0`: the listed arguments may have any values, and no action that `read` matches is classified under `[integration.actions]`: add `constraints`
error: the revocation list differs from the one seen before, at or before epoch 1: restore the earlier list, or accept this one with `portcullis state accept list`
error: revocation 1 of the log, of `jti-3` by https://idp.a.example, is not on the list: it is another list, or an older copy
"#]]);
    // An older list lacks changes that the log saw. Lines added to it would be lost once the latest list is
    // restored.
    let older = list.lines().next().unwrap();
    folder.write("revocations.jsonl", format!("{older}\n"));
    let mut runs = Runs::default();
    for more in [&[][..], &["--list", "revocations.jsonl"]] {
        let checkpoint = [&["revoke", "--checkpoint"], more].concat();
        runs.add(checkpoint.join(" "), folder.run(&checkpoint));
        let flags = [&["--unknown"], more].concat();
        runs.add(
            "revoke credential jti-8",
            revoke(&folder, "credential", "jti-8", &flags),
        );
    }
    runs.add(arguments.join(" "), verify());
    runs.is(snapbox::file!["older-list.txt"]);
    folder.evaluate(&with("jti-7")).exits(2);
    folder.write("revocations.jsonl", &list);

    // The host recorded the event once.
    let query = ["log", "query", "decisions.jsonl", "--event", "revocation"];
    let lines = folder.run(&query).exits(0).json_lines();
    let recorded = lines
        .iter()
        .filter(|line| line.to_string().contains("jti-3"));
    assert_eq!(recorded.count(), 1, "{}", json!(lines));
}
