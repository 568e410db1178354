//! `portcullis log` and `portcullis replay`.

mod common;

use common::{Folder, request};
use portcullis_host::{Pdp, Request, RequestLimits};
use serde_json::Value;

/// A folder whose configuration has a log, with what four requests left in it.
fn recorded() -> Folder {
    let folder = Folder::with_plugins();
    let config = std::fs::read_to_string(folder.path().join("portcullis.toml")).unwrap();
    let log = "\nlog = { path = \"decisions.jsonl\" }\n[[integration]]";
    folder.write(
        "portcullis.toml",
        config.replacen("\n[[integration]]", log, 1),
    );
    let pdp = Pdp::from_file(folder.path().join("portcullis.toml")).unwrap();
    for path in ["/w/a", "/w/b", "/etc/x", "/w/c"] {
        let json = request("files", "read", path);
        let request = Request::from_authzen(json.as_bytes(), &RequestLimits::default()).unwrap();
        let _recorded = pdp.evaluate(&request);
    }
    folder
}

#[test]
fn verify_says_whether_a_log_is_whole_and_where_it_is_not() {
    let folder = recorded();
    let whole = folder.run(&["log", "verify", "decisions.jsonl"]);
    assert_eq!(whole.code, 0, "{}", whole.out);
    assert!(whole.out.starts_with("whole 4 entries"), "{}", whole.out);
    let json = folder.run(&["log", "verify", "decisions.jsonl", "--format", "json"]);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(
        (json["whole"].clone(), json["entries"].clone()),
        (true.into(), 4.into())
    );

    let log = std::fs::read_to_string(folder.path().join("decisions.jsonl")).unwrap();
    folder.write("decisions.jsonl", log.replacen("/w/b", "/w/z", 1));
    let edited = folder.run(&["log", "verify", "decisions.jsonl"]);
    assert_eq!(edited.code, 3);
    assert!(
        edited.out.contains("decisions.jsonl:3: it does not follow"),
        "{}",
        edited.out
    );
    assert_eq!(folder.run(&["log", "verify", "none.jsonl"]).code, 1);
    folder.write("decisions.jsonl", log);
    let head = json["head"].as_str().unwrap();
    let kept = |head: &str| {
        folder
            .run(&["log", "verify", "decisions.jsonl", "--head", head])
            .code
    };
    assert_eq!((kept(head), kept(&head.replace('a', "b"))), (0, 3));
}

#[test]
fn query_prints_the_lines_that_are_asked_for() {
    let folder = recorded();
    let count = |more: &[&str]| {
        let mut arguments = vec!["log", "query", "decisions.jsonl"];
        arguments.extend_from_slice(more);
        let ran = folder.run(&arguments);
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.out
            .lines()
            .inspect(|line| assert!(serde_json::from_str::<Value>(line).is_ok()))
            .count()
    };
    assert_eq!(count(&[]), 4);
    assert_eq!(count(&["--decision", "permit"]), 3);
    assert_eq!(count(&["--cause", "plugin-denied"]), 1);
    assert_eq!(
        count(&[
            "--principal",
            "spiffe://a.example/x",
            "--integration",
            "files"
        ]),
        4
    );
    for nothing in [
        ["--principal", "spiffe://a.example/y"],
        ["--integration", "mails"],
        ["--credential", "jti-1"],
        ["--intent", "int-1"],
        ["--evaluation", "eval-1"],
        ["--event", "issuance"],
        ["--event", "continuation"],
        ["--sequence", "5"],
    ] {
        assert_eq!(count(&nothing), 0, "{nothing:?}");
    }
    assert_eq!(count(&["--event", "decision", "--sequence", "4"]), 1);
}

#[test]
fn a_log_that_was_cut_is_not_replayed() {
    let folder = recorded();
    let log = std::fs::read_to_string(folder.path().join("decisions.jsonl")).unwrap();
    let cut: Vec<_> = log.lines().take(2).collect();
    folder.write("decisions.jsonl", cut.join("\n") + "\n");
    let refused = folder.run(&["replay", "decisions.jsonl"]);
    assert_eq!((refused.code, refused.out.as_str()), (3, ""));
    assert!(
        refused.err.contains("lines at its end are gone"),
        "{}",
        refused.err
    );
}

#[test]
fn replay_lists_apart_what_depended_on_the_machine() {
    let folder = recorded();
    let pdp = Pdp::from_file(folder.path().join("portcullis.toml")).unwrap();
    let json = request("looping", "a", "/w");
    assert_eq!(
        pdp.evaluate_authzen(json.as_bytes()).cause().as_str(),
        "plugin-deadline"
    );
    drop(pdp);
    let config = std::fs::read_to_string(folder.path().join("portcullis.toml")).unwrap();
    folder.write(
        "faster.toml",
        config.replace("behaviour = \"loop\"", "behaviour = \"permit\""),
    );
    for (config, listed) in [
        ("portcullis.toml", "plugin-deadline -> plugin-deadline"),
        ("faster.toml", "plugin-deadline -> permitted"),
    ] {
        let ran = folder.run(&["replay", "decisions.jsonl", "--config", config]);
        assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
        let counted = "4 the same, 0 different, 1 that depend on the machine";
        assert!(ran.err.contains(counted), "{}", ran.err);
        assert!(ran.out.contains(listed), "{}", ran.out);
    }
}

#[test]
fn replay_lists_what_would_now_be_decided_differently() {
    let folder = recorded();
    let same = folder.run(&["replay", "decisions.jsonl"]);
    assert_eq!(same.code, 0, "{}{}", same.out, same.err);
    assert!(same.err.contains("4 the same, 0 different"), "{}", same.err);
    assert_eq!(same.out, "");

    let config = std::fs::read_to_string(folder.path().join("portcullis.toml")).unwrap();
    folder.write(
        "other.toml",
        config.replace("value = \"/w\"", "value = \"/etc\""),
    );
    let other = folder.run(&["replay", "decisions.jsonl", "--config", "other.toml"]);
    assert_eq!(other.code, 5);
    assert!(
        other.err.contains("0 the same, 4 different"),
        "{}",
        other.err
    );
    assert!(
        other.out.contains("permitted -> plugin-denied"),
        "{}",
        other.out
    );
    assert!(
        other.out.contains("plugin-denied -> permitted"),
        "{}",
        other.out
    );
    // Where the cause is the same, it says what is not.
    folder.write(
        "shorter.toml",
        config.replace(
            "name = \"files\"",
            "name = \"files\"\nmax-grant-ttl = \"1m\"",
        ),
    );
    let shorter = folder.run(&["replay", "decisions.jsonl", "--config", "shorter.toml"]);
    assert!(
        shorter.out.contains("(at /context/grant/expires-at)"),
        "{}",
        shorter.out
    );
}
