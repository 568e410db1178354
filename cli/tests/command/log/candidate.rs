//! Decisions with a candidate, in the log and in reports.

use super::read;
use crate::common::Folder;
use snapbox::str;

/// A candidate that permits another folder.
const CANDIDATE: &str = r#"
[[integration.candidate]]
component = "mcp-tools.wasm"
replaces = "mcp-tools"
settings = { tools = [{ tool = "read", arguments = [{ path = "/path", op = "under", value = "/etc" }] }] }

[[integration]]
name = "looping""#;

/// Creates a folder with a log of three requests, which were decided beside the candidate.
fn recorded() -> Folder {
    let folder = Folder::with_plugins();
    folder.configure("log = { path = \"decisions.jsonl\" }");
    folder.replace(
        "portcullis.toml",
        "\n[[integration]]\nname = \"looping\"",
        CANDIDATE,
    );
    let pdp = folder.host();
    for path in ["/w/a", "/etc/x", "/var/y"] {
        let decision = read(path).decide(&pdp);
        assert_eq!(decision.is_permit(), path == "/w/a");
    }
    folder
}

#[test]
fn a_query_finds_decisions_that_a_candidate_would_have_changed() {
    let folder = recorded();
    let query = |more: &[&str]| {
        let arguments = ["log", "query", "decisions.jsonl", "--candidate-differs"];
        folder.run(&[&arguments, more].concat())
    };
    let lines = query(&[]).json_lines();
    let shown: Vec<_> = lines
        .iter()
        .map(|line| {
            let candidate = &line["candidate"];
            (
                line["request"]["action"]["properties"]["path"].as_str(),
                line["decision"]["context"]["cause"].as_str(),
                candidate["cause"].as_str(),
                candidate["plugins"][0]["codes"][0].as_str(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            (
                Some("/w/a"),
                Some("permitted"),
                Some("plugin-denied"),
                Some("argument-out-of-bounds")
            ),
            (
                Some("/etc/x"),
                Some("plugin-denied"),
                Some("permitted"),
                Some("tool-allowed")
            ),
        ]
    );
    assert_eq!(query(&["--decision", "permit"]).json_lines().len(), 1);
    assert_eq!(query(&["--event", "seal"]).json_lines().len(), 0);
}

#[test]
fn a_candidate_is_no_part_of_a_replay() {
    let folder = recorded();
    folder
        .run(&["replay", "decisions.jsonl", "--exact"])
        .is(str![[r#"
exit 0
-- stderr
3 the same, 0 different, 0 that depend on the machine, 0 not decided again
"#]]);
}

#[test]
fn a_posture_report_counts_decisions_that_candidates_would_have_changed() {
    let folder = recorded();
    let report = folder.run(&[
        "posture",
        "report",
        "--log",
        "decisions.jsonl",
        "--format",
        "json",
    ]);
    assert_eq!(
        report.json()["measures"]["changed-by-candidates"],
        serde_json::json!({ "permitted": 1, "plugin-denied": 1 })
    );
}
