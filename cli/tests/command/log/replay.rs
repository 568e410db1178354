//! `portcullis replay`.

use super::recorded;
use crate::common::{Folder, Ran, Request};
use snapbox::str;

/// Replays the log with the configuration, in which `from` is replaced by `to`.
fn replay(folder: &Folder, from: &str, to: &str, more: &[&str]) -> Ran {
    let config = folder.read("portcullis.toml");
    assert!(config.contains(from), "{config}");
    folder.write("other.toml", config.replace(from, to));
    let arguments = ["replay", "decisions.jsonl", "--config", "other.toml"];
    folder.run(&[&arguments, more].concat())
}

#[test]
fn refuses_a_log_that_was_cut() {
    let folder = recorded();
    let log = folder.read("decisions.jsonl");
    let cut: Vec<_> = log.lines().take(2).collect();
    folder.write("decisions.jsonl", cut.join("\n") + "\n");
    folder.run(&["replay", "decisions.jsonl"]).is(str![""]);
}

#[test]
fn lists_decisions_that_depend_on_the_machine_separately() {
    let folder = recorded();
    let pdp = folder.host();
    let decision = Request::new("looping", "a").decide(&pdp);
    assert_eq!(decision.cause().as_str(), "plugin-deadline");
    drop(pdp);
    folder.run(&["replay", "decisions.jsonl"]).is(str![""]);
    let (from, to) = ("behaviour = \"loop\"", "behaviour = \"permit\"");
    replay(&folder, from, to, &[]).is(str![""]);
}

#[test]
fn lists_decisions_that_would_be_different_now() {
    let folder = recorded();
    folder.run(&["replay", "decisions.jsonl"]).is(str![""]);
    // Decisions that changed alike are one line, and new permits come first.
    let (from, to) = ("value = \"/w\"", "value = \"/etc\"");
    replay(&folder, from, to, &[]).is(str![""]);
    let json = replay(&folder, from, to, &["--format", "json"]).json();
    assert_eq!(
        (&json["different"], &json["changes"][1]["count"]),
        (&4.into(), &3.into())
    );
    assert_eq!(json["changes"][0]["turn"], "deny-to-permit");
    replay(&folder, from, to, &["--exact"]).is(str![""]);
    // If the cause is unchanged, the line names the parts that differ.
    let (from, to) = ("\"files\"", "\"files\"\nmax-grant-ttl = \"1m\"");
    replay(&folder, from, to, &[]).is(str![""]);
}

#[test]
fn finds_no_difference_if_new_settings_decide_the_same() {
    let folder = recorded();
    // Other settings give another digest and other messages, but the same decisions.
    let (from, to) = ("[{ tool =", "[{ tool = \"other\" }, { tool =");
    replay(&folder, from, to, &[]).is(str![""]);
    replay(&folder, from, to, &["--exact"]).is(str![""]);
}
