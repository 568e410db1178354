//! `portcullis evaluate`: exit codes, streams and formats.

mod explain;
mod input;

use crate::common::{Folder, Ran, Request, Runs, each};
use serde_json::json;
use snapbox::str;

fn evaluate(folder: &Folder, arguments: &[&str], input: impl ToString) -> Ran {
    folder.run_with(&[&["evaluate"], arguments].concat(), &input.to_string())
}

/// Removes the last column of a table, whose width depends on the times in it.
fn without_times(mut ran: Ran) -> Ran {
    let rows = ran.out.lines();
    let rows = rows.map(|row| row.rsplit_once(['┬', '┆', '╪', '┴']).unwrap().0);
    ran.out = rows.map(|row| format!("{row}\n")).collect();
    ran
}

/// A call of the tool `read`.
fn read(integration: &str, path: &str) -> Request {
    Request::new(integration, "read").argument("path", path)
}

#[test]
fn exit_codes_distinguish_permits_denials_invalid_requests_and_faults() {
    let folder = Folder::with_plugins();
    let mut runs = Runs::default();
    for (input, code, cause) in [
        (read("files", "/w/a").to_string(), 0, "permitted"),
        (read("files", "/w/../a").to_string(), 2, "plugin-denied"),
        (
            Request::new("files", "write").to_string(),
            2,
            "not-applicable",
        ),
        (read("other", "/w/a").to_string(), 2, "unknown-integration"),
        (
            read("files", "/w/a").set("/subject/type", 7).to_string(),
            3,
            "invalid-request",
        ),
        ("not json".to_owned(), 3, "invalid-request"),
        (read("looping", "/w/a").to_string(), 4, "plugin-deadline"),
        (read("panicking", "/w/a").to_string(), 4, "plugin-trap"),
    ] {
        let ran = evaluate(&folder, &["--format", "json"], &input);
        let decision = ran.exits(code).json();
        assert_eq!(decision["decision"], code == 0);
        assert_eq!(decision["context"]["cause"], cause);
        runs.add(cause, evaluate(&folder, &[], input));
    }
    runs.is(snapbox::file!["exit-codes.txt"]);
}

#[test]
fn writes_a_line_for_each_request_and_exits_with_the_most_severe_code() {
    let folder = Folder::with_plugins();
    let (permitted, denied) = (read("files", "/w/a"), read("files", "/etc/x"));
    let input = format!("{permitted}\n\n{denied}\n{{broken\n{permitted}\n");
    let ran = evaluate(&folder, &["--format", "json"], &input);
    let decisions: Vec<_> = ran
        .json_lines()
        .iter()
        .map(|it| it["decision"].clone())
        .collect();
    assert_eq!(decisions, [true, false, false, true]);
    without_times(evaluate(&folder, &[], &input)).is(snapbox::file!["several.txt"]);
    evaluate(&folder, &[], format!("{permitted}\n{permitted}")).exits(0);
    evaluate(&folder, &[], format!("{permitted}\n{denied}")).exits(2);
}

#[test]
fn decides_at_a_given_time() {
    let folder = Folder::with_plugins();
    let expires = "2026-01-01T00:00:00Z";
    let request = read("files", "/w/a").property("credential-expires-at", expires);
    let at = |now: &str| evaluate(&folder, &["--now", now, "--format", "json"], &request);
    // A grant expires with the credential, even if its own lifetime is longer.
    let before = at("2025-12-31T23:58:00Z").exits(0).json();
    assert_eq!(before["context"]["grant"]["expires-at"], expires);
    let after = at(expires).exits(2).json();
    assert_eq!(after["context"]["cause"], "credential-expired");
    at("yesterday").is(str![[r#"
exit 1
-- stderr
error: invalid value 'yesterday' for '--now <NOW>': `yesterday` is not a time as in RFC 3339, such as `[TIME]`

For more information, try '--help'.
"#]]);
}

#[test]
fn writes_usage_errors_to_standard_error_only() {
    let without = Folder::new();
    evaluate(&without, &[], "{}").is(str![[r#"
exit 3
-- stderr
portcullis.toml: error: cannot be read: No such file or directory (os error 2): check the path
"#]]);
    let folder = Folder::with_plugins();
    each(["--request none.json", "--format xml"], |arguments| {
        evaluate(&folder, &arguments.split(' ').collect::<Vec<_>>(), "")
    })
    .is(str![[r#"
# --request none.json
exit 1
-- stderr
error: cannot read none.json: No such file or directory (os error 2): check the path

# --format xml
exit 1
-- stderr
error: invalid value 'xml' for '--format <FORMAT>'
  [possible values: human, json]

For more information, try '--help'.
"#]]);
    evaluate(&folder, &[], "").is(str![[r#"
exit 3
-- stderr
error: standard input: there is no request in it
"#]]);
}

#[test]
fn escapes_control_characters_of_requests_in_every_format() {
    let folder = Folder::with_plugins();
    let control = "\u{1b}[2J\r\u{202e}\u{9b}31m";
    let request = read("files", "/w/a");
    for pointer in [
        "/context/integration".to_owned(),
        "/subject/id".to_owned(),
        "/resource/id".to_owned(),
        "/resource/type".to_owned(),
        "/subject/type".to_owned(),
        format!("/action/properties/{control}"),
        format!("/context/{control}"),
    ] {
        let request = request.clone().set(&pointer, json!(control));
        for arguments in [
            &["--format", "json"][..],
            &["--format", "human"],
            &["--explain"],
        ] {
            let ran = evaluate(&folder, arguments, &request);
            for text in [&ran.out, &ran.err] {
                let hidden = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
                assert!(
                    !text.contains(hidden),
                    "{pointer:?} {arguments:?}: {text:?}"
                );
            }
        }
    }
}
