//! Intents that a running host imports.

use super::{APPROVER, HELPER, approved, claims, flags, folder, intent, key, read, signed};
use portcullis_host::{Cause, Timestamp};
use serde_json::{Value, json};
use snapbox::str;
use std::fs;
use std::time::Duration;

#[test]
fn replay_does_not_apply_an_intent_before_its_import() {
    let folder = folder();
    let pdp = folder.host();
    let draft = [&flags(HELPER, APPROVER)[..], &["--output", "int.json"]].concat();
    intent(&folder, &draft).exits(0);
    let draft: Value = serde_json::from_str(&folder.read("int.json")).unwrap();
    let named = read(HELPER, "/w/a").intent(&draft["id"]);
    assert_eq!(named.decide(&pdp).cause(), Cause::IntentUnknown);
    let token = signed(&folder, &draft);
    pdp.import_intent(token.as_bytes()).unwrap();
    assert_eq!(named.decide(&pdp).cause(), Cause::Permitted);
    drop(pdp);
    folder.run(&["replay", "decisions.jsonl"]).is(str![[r#"
exit 0
-- stderr
[intents]: warning: intent `int-[ID]`: `/allows/0`: the listed arguments may have any values, and no action that `read` matches is classified under `[integration.actions]`: add `constraints`
2 the same, 0 different, 0 that depend on the machine, 0 not decided again
"#]]);
}

#[test]
fn an_imported_intent_lists_arguments_and_is_not_from_the_future() {
    let folder = folder();
    let pdp = folder.host();
    let import = |id: &str, approved_at: Timestamp, arguments: Value| {
        let mut intent = claims(id, approved_at);
        intent["allows"][0]["arguments"] = arguments;
        if intent["allows"][0]["arguments"].is_null() {
            let allowance = intent["allows"][0].as_object_mut().unwrap();
            allowance.remove("arguments");
        }
        let imported = pdp.import_intent(signed(&folder, &intent).as_bytes());
        imported.map(|_| ()).map_err(|error| error.to_string())
    };
    let now = super::now();
    let later = now.plus(Duration::from_secs(60));
    let path = || json!({ "required": ["/path"] });
    let unsaid = import("int-1", now, Value::Null).unwrap_err();
    crate::common::equals(
        unsaid,
        str![[
            r#"intent `int-1`: its allowance `files: read files` has no `arguments`, and no action that `read` matches is classified under `[integration.actions]`: add `"arguments": {"required":[]}` to it, or `"arguments": "open"`"#
        ]],
    );
    let future = import("int-2", later, path()).unwrap_err();
    crate::common::equals(
        future,
        str![
            "intent `int-2` was approved at [TIME], which is in the future: correct the approver's clock"
        ],
    );
    assert_eq!(import("int-3", now, path()), Ok(()));
    assert_eq!(import("int-4", now, json!("open")), Ok(()));
    // The refused ones are not among them.
    assert_eq!(pdp.intents().unwrap().len(), 2);
}

#[test]
fn observed_integrations_do_not_spend_enforced_uses() {
    let folder = folder();
    let config = folder.read("portcullis.toml");
    let observed = config.replace("name = \"files\"", "name = \"files\"\nmode = \"observe\"");
    let draft = [&flags(HELPER, APPROVER)[..], &["--max-uses", "1"]].concat();
    let once = approved(&folder, &draft, "alice", "once");
    let named = read(HELPER, "/w/a").intent(&once["id"]);
    let causes = |config: &str| {
        folder.write("portcullis.toml", config);
        let pdp = folder.host();
        [(); 2].map(|()| named.decide(&pdp).cause())
    };
    // It is observed as it would be enforced.
    let once = [Cause::Permitted, Cause::IntentUsedUp];
    assert_eq!(causes(&observed), once);
    assert_eq!(causes(&config), once);
}

#[test]
fn a_host_reports_kept_intents_that_became_invalid() {
    let folder = folder();
    let intent = approved(&folder, &flags(HELPER, APPROVER), "alice", "kept");
    let id = intent["id"].as_str().unwrap();
    let token = fs::read(folder.path().join("intents/kept.jwt")).unwrap();
    folder.remove("intents/kept.jwt");
    folder.host().import_intent(&token).unwrap();
    let noticed = || {
        let pdp = folder.host();
        let known = pdp.intents().unwrap().chain(id).is_some();
        let notices = pdp.notices().iter().map(ToString::to_string);
        let of_it: Vec<_> = notices
            .filter(|it| it.contains(id) && it.contains("is no longer valid"))
            .collect();
        (known, of_it.join("\n"))
    };
    assert_eq!(noticed(), (true, String::new()));
    folder.remove("alice.pem");
    folder.remove("alice.json");
    key(&folder, "alice");
    let (known, notice) = noticed();
    assert!(!known);
    crate::common::equals(
        notice,
        str![
            "[state]: warning: imported intent `int-[ID]` is no longer valid: the signed intent is not valid: its signature is invalid: it does not verify with the key `alice`, so it was changed, or signed with another key"
        ],
    );
}
