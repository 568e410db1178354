//! From an empty folder to enforced decisions: `serve --observe`, `propose`, `diff`, `serve`.

use crate::common::{Folder, Request, Serving};
use portcullis_host::Timestamp;
use portcullis_tests::guests;
use serde_json::json;
use snapbox::str;
use std::time::Duration;

fn call(method: &str, path: &str) -> Request {
    let issued = Timestamp::from_millis(Timestamp::now().as_millis() - 60_000);
    Request::new("billing", method)
        .principal("spiffe://acme.example/agent/reconciler")
        .property("credential-issued-at", issued.to_string())
        .property(
            "credential-expires-at",
            issued.plus(Duration::from_secs(600)).to_string(),
        )
        .resource(path)
        .set("/resource/type", "http-api")
}

#[test]
fn ten_requests_become_a_policy_that_is_enforced() {
    let folder = Folder::new();
    folder.write("plugins/http-api.wasm", guests::plugin("http-api").unwrap());

    let observer = Serving::start(&folder, &["--observe"]);
    assert!(
        observer
            .said()
            .iter()
            .any(|line| line.contains("every request is let through")),
        "{:?}",
        observer.said()
    );
    for customer in 1..=8 {
        let path = format!("/v1/customers/{customer}/invoices");
        let request = call("GET", &path).arguments(&json!({ "query": { "limit": "10" } }));
        let answer = observer.ask(&request);
        assert_eq!(answer["decision"], true);
        assert_eq!(answer["context"]["observed"], true, "{answer}");
    }
    for path in ["/v1/invoices", "/v1/reports"] {
        assert_eq!(observer.ask(&call("POST", path))["decision"], true);
    }
    observer.stop();

    folder
        .run(&["propose", "--log", "observed.jsonl"])
        .is(str![[r#"
exit 0
-- stdout
wrote proposal, unapproved: read it before you use it
  billing: http-api, 3 rules from 10 requests
  registry.toml: 1 identity
  intent-drafts: 1 draft
10 of 10 requests would be permitted
-- stderr
proposal/registry.toml:8:9: warning: `owner` is `TODO`: write it, or remove the entry
proposal/registry.toml:9:11: warning: `purpose` is `TODO`: write it, or remove the entry
proposal/registry.toml:10:15: warning: `environment` is `TODO`: write it, or remove the entry
"#]]);
    let proposal = folder.read("proposal/portcullis.toml");
    let narrowed = proposal.replace("path = \"/v1/reports\"", "path = \"/v1/reports/monthly\"");
    assert_ne!(narrowed, proposal);
    folder.write("proposal/enforced.toml", narrowed);
    let diff = |old: &str, new: &str| {
        folder.run(&[
            "diff",
            old,
            new,
            "--log",
            "observed.jsonl",
            "--no-new-permits",
        ])
    };
    let (proposed, enforced) = ("proposal/portcullis.toml", "proposal/enforced.toml");
    diff(proposed, enforced).is(str![[r#"
exit 0
-- stdout
newly denied: 1
     1 permitted -> not-applicable: spiffe://acme.example/agent/reconciler: billing POST; such as [ID]: /v1/reports
-- stderr
proposal/registry.toml:8:9: warning: `owner` is `TODO`: write it, or remove the entry
proposal/registry.toml:9:11: warning: `purpose` is `TODO`: write it, or remove the entry
proposal/registry.toml:10:15: warning: `environment` is `TODO`: write it, or remove the entry
proposal/registry.toml:8:9: warning: `owner` is `TODO`: write it, or remove the entry
proposal/registry.toml:9:11: warning: `purpose` is `TODO`: write it, or remove the entry
proposal/registry.toml:10:15: warning: `environment` is `TODO`: write it, or remove the entry
9 the same, 1 different, 0 that depend on the machine, 0 not decided again
"#]]);
    diff(enforced, proposed).exits(5);

    let server = Serving::start(&folder, &["--config", enforced]);
    let decide = |method: &str, path: &str| server.ask(&call(method, path))["decision"].clone();
    assert_eq!(decide("GET", "/v1/customers/9/invoices"), true);
    assert_eq!(decide("POST", "/v1/invoices"), true);
    assert_eq!(decide("POST", "/v1/reports"), false);
    assert_eq!(decide("GET", "/v1/customers/admin/invoices"), false);
    assert_eq!(decide("DELETE", "/v1/invoices"), false);
    server.stop();

    let log = "proposal/decisions.jsonl";
    let denied = folder.run(&["log", "query", log, "--decision", "deny"]);
    assert_eq!(denied.json_lines().len(), 3);
    folder.run(&["log", "verify", log]).exits(0);
    folder
        .run(&["replay", log, "--config", enforced])
        .is(str![[r#"
exit 0
-- stderr
proposal/registry.toml:8:9: warning: `owner` is `TODO`: write it, or remove the entry
proposal/registry.toml:9:11: warning: `purpose` is `TODO`: write it, or remove the entry
proposal/registry.toml:10:15: warning: `environment` is `TODO`: write it, or remove the entry
5 the same, 0 different, 0 that depend on the machine, 0 not decided again
"#]]);
    let report = [
        "posture", "report", "--log", log, "--config", enforced, "--format", "json",
    ];
    let report = folder.run(&report).json();
    assert_eq!(report["measures"]["permits"], 2);
}

#[test]
fn an_observer_listens_only_where_the_machine_itself_can_reach_it() {
    let folder = Folder::new();
    let run =
        |more: &[&str]| folder.run(&[&["serve", "--observe", "--admin", "off"], more].concat());
    run(&["--listen", "0.0.0.0:0"]).is(str![[r#"
exit 1
-- stderr
warning: only observing: every request is let through, and recorded in observed.jsonl
error: a server that only observes lets every caller through, and other machines can reach 0.0.0.0:0: listen on 127.0.0.1 or a Unix socket
"#]]);
    run(&["--config", "portcullis.toml"]).exits(1);
    run(&["--listen", "127.0.0.1:0", "--log", "missing/observed.jsonl"]).is(str![[r#"
exit 1
-- stderr
error: cannot read or write the decision log missing/observed.jsonl: No such file or directory (os error 2): create its folder
"#]]);
    folder.run(&["serve", "--log", "observed.jsonl"]).exits(1);
}
