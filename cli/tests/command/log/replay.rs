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
    folder.run(&["replay", "decisions.jsonl"]).is(str![[r#"
exit 3
-- stderr
portcullis.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
portcullis.toml:13:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
portcullis.toml:20:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
decisions.jsonl: error: a host does not start with it: it ends with line 2, and the log had 4 lines: lines at its end are gone: restore the file, or move the log away and begin a new one
"#]]);
}

#[test]
fn lists_decisions_that_depend_on_the_machine_separately() {
    let folder = recorded();
    let pdp = folder.host();
    let decision = Request::new("looping", "a").decide(&pdp);
    assert_eq!(decision.cause().as_str(), "plugin-deadline");
    drop(pdp);
    folder.run(&["replay", "decisions.jsonl"]).is(str![[r#"
exit 0
-- stdout
depends on the machine: 1
     1 plugin-deadline -> plugin-deadline: spiffe://a.example/x: looping a; such as [ID]: looping
-- stderr
4 the same, 0 different, 1 that depend on the machine, 0 not decided again
"#]]);
    let (from, to) = ("behaviour = \"loop\"", "behaviour = \"permit\"");
    replay(&folder, from, to, &[]).is(str![[r#"
exit 0
-- stdout
depends on the machine: 1
     1 plugin-deadline -> permitted: spiffe://a.example/x: looping a; such as [ID]: looping
-- stderr
4 the same, 0 different, 1 that depend on the machine, 0 not decided again
"#]]);
}

#[test]
fn lists_decisions_that_would_be_different_now() {
    let folder = recorded();
    folder.run(&["replay", "decisions.jsonl"]).is(str![[r#"
exit 0
-- stderr
4 the same, 0 different, 0 that depend on the machine, 0 not decided again
"#]]);
    // Decisions that changed alike are one line, and new permits come first.
    let (from, to) = ("value = \"/w\"", "value = \"/etc\"");
    replay(&folder, from, to, &[]).is(str![[r#"
exit 5
-- stdout
newly permitted: 1
     1 plugin-denied -> permitted: spiffe://a.example/x: files read; such as [ID]: files
newly denied: 3
     3 permitted -> plugin-denied: spiffe://a.example/x: files read; such as [ID]: files
-- stderr
0 the same, 4 different, 0 that depend on the machine, 0 not decided again
"#]]);
    let json = replay(&folder, from, to, &["--format", "json"]).json();
    assert_eq!(
        (&json["different"], &json["changes"][1]["count"]),
        (&4.into(), &3.into())
    );
    assert_eq!(json["changes"][0]["turn"], "deny-to-permit");
    replay(&folder, from, to, &["--exact"]).is(str![[r#"
exit 5
-- stdout
     1 files: read files: permitted -> plugin-denied (at /decision)
     2 files: read files: permitted -> plugin-denied (at /decision)
     3 files: read files: plugin-denied -> permitted (at /decision)
     4 files: read files: permitted -> plugin-denied (at /decision)
-- stderr
0 the same, 4 different, 0 that depend on the machine, 0 not decided again
"#]]);
    // If the cause is unchanged, the line names the parts that differ.
    let (from, to) = ("\"files\"", "\"files\"\nmax-grant-ttl = \"1m\"");
    replay(&folder, from, to, &[]).is(str![[r#"
exit 5
-- stdout
permitted otherwise: 3
     3 permitted -> permitted: spiffe://a.example/x: files read; another grant (at /context/grant/expires-at); such as [ID]: files
-- stderr
1 the same, 3 different, 0 that depend on the machine, 0 not decided again
"#]]);
}

#[test]
fn finds_no_difference_if_new_settings_decide_the_same() {
    let folder = recorded();
    // Other settings give another digest and other messages, but the same decisions.
    let (from, to) = ("[{ tool =", "[{ tool = \"other\" }, { tool =");
    replay(&folder, from, to, &[]).is(str![[r#"
exit 0
-- stderr
4 the same, 0 different, 0 that depend on the machine, 0 not decided again
"#]]);
    replay(&folder, from, to, &["--exact"]).is(str![[r#"
exit 5
-- stdout
     1 files: read files: permitted -> permitted (at /context/plugins/0/settings-digest)
     2 files: read files: permitted -> permitted (at /context/plugins/0/settings-digest)
     3 files: read files: plugin-denied -> plugin-denied (at /context/plugins/0/settings-digest)
     4 files: read files: permitted -> permitted (at /context/plugins/0/settings-digest)
-- stderr
0 the same, 4 different, 0 that depend on the machine, 0 not decided again
"#]]);
}
