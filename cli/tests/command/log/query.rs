//! `portcullis log query`.

use super::{read, recorded};
use crate::common::Ran;
use portcullis_host::log::{CallOutcome, Refused};
use snapbox::str;

#[test]
fn prints_the_lines_that_match() {
    let folder = recorded();
    let count = |more: &str| {
        let more: Vec<_> = more.split_whitespace().collect();
        let ran = folder.run(&[&["log", "query", "decisions.jsonl"], &more[..]].concat());
        ran.exits(0).json_lines().len()
    };
    assert_eq!(count(""), 4);
    assert_eq!(count("--decision permit"), 3);
    assert_eq!(count("--cause plugin-denied"), 1);
    assert_eq!(
        count("--principal spiffe://a.example/x --integration files"),
        4
    );
    for nothing in [
        "--principal spiffe://a.example/y",
        "--integration mails",
        "--credential jti-1",
        "--intent int-1",
        "--id none",
        "--evaluation none",
        "--trace none",
        "--event seal",
        "--event issuance",
        "--event continuation",
        "--sequence 5",
    ] {
        assert_eq!(count(nothing), 0, "{nothing}");
    }
    assert_eq!(count("--event decision --sequence 4"), 1);
}

#[test]
fn finds_decisions_and_reports_of_the_gateway_by_id() {
    let folder = recorded();
    let pdp = folder.host();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let traceparent = format!("00-{trace}-00f067aa0ba902b7-01");
    let decision = read("/w/d")
        .set("/context/traceparent", traceparent)
        .decide(&pdp);
    let outcome = CallOutcome::not_made("no mail server").obligation("notification");
    pdp.record_outcome(&decision, &outcome).unwrap();
    let refused = Refused::authentication("expired").claimed_principal("spiffe://a.example/x");
    let refused = pdp.record_refused(&refused).unwrap();
    drop(pdp);
    let events = |ran: Ran| -> Vec<String> {
        let lines = ran.exits(0).json_lines();
        let events = lines.iter().map(|line| line["event"].as_str().unwrap());
        events.map(str::to_owned).collect()
    };
    let query =
        |more: &[&str]| events(folder.run(&[&["log", "query", "decisions.jsonl"], more].concat()));
    let id = decision.id().unwrap();
    let response = serde_json::to_value(&decision).unwrap();
    assert_eq!(response["context"]["id"], id);
    assert_eq!(query(&["--id", id]), ["decision", "outcome"]);
    assert_eq!(query(&["--trace", trace]), ["decision"]);
    assert_eq!(query(&["--id", &refused]), ["refused"]);
    assert_eq!(
        query(&["--event", "refused", "--principal", "spiffe://a.example/x"]),
        ["refused"]
    );
    assert_eq!(query(&["--event", "outcome"]), ["outcome"]);
    assert!(query(&["--id", "none"]).is_empty());
    folder.run(&["replay", "decisions.jsonl"]).is(str![[r#"
exit 0
-- stderr
5 the same, 0 different, 0 that depend on the machine, 0 not decided again, 2 reports of the gateway's
"#]]);
}
