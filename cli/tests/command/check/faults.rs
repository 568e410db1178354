//! Invalid configurations and files.

use super::{COUNTING, check};
use crate::common::{Folder, each};
use portcullis_tests::root;
use serde_json::json;
use snapbox::str;
use std::fs;

#[test]
fn reports_every_error_of_a_configuration_at_its_place() {
    let folder = Folder::with_plugins();
    folder.write("text.wasm", "hello");
    let configuration = r#"[limits]
deadline = "fast"
memory-bytes = 1
fuel = 7

[request]
max-depth = 0

[[integration]]
name = "a"
max-grant-ttl = 5
[integration.actions]
read = "reading"
[[integration.plugin]]
component = "none.wasm"
[[integration.plugin]]
component = "text.wasm"
digset = "x"

[[integration]]
[[integration.plugin]]
component = "mcp-tools.wasm"
digest = "md5:1"
[[integration.plugin]]
component = "mcp-tools.wasm"
[integration.plugin.settings]
deny = ["x**"]
[[integration.plugin]]
component = "mcp-tools.wasm"
[integration.plugin.settings]
tools = [
  { tool = "a" },
  { tool = "b", lifetime = 3 },
]

[[integration]]
name = "empty"
"#;
    let ran = check(&folder, configuration);
    ran.is(str![""]);
    let errors = ran.err.matches(": error: ").count();
    let report = folder.run(&["check", "checked.toml", "--format", "json"]);
    let report = report.json();
    assert_eq!(report["usable"], false);
    let problems = report["problems"].as_array().unwrap();
    let severe = problems.iter().filter(|it| it["severity"] == "error");
    assert_eq!(severe.count(), errors);
}

#[test]
fn reports_syntax_errors_and_a_missing_file() {
    let folder = Folder::new();
    check(&folder, "[limits\ndeadline = \"1ms\"\nx = = 1\n").is(str![""]);
    folder.run(&["check", "none.toml"]).is(str![""]);
}

/// The annotated configuration that the documentation shows.
const ANNOTATED: &str = include_str!("../../../../host/src/config/portcullis.toml");

#[test]
fn accepts_every_key_of_the_annotated_configuration() {
    let folder = Folder::new();
    folder.write("portcullis.toml", ANNOTATED);
    // Only the files that it names are missing.
    folder.run(&["check"]).is(snapbox::file!["annotated.txt"]);
    let page = fs::read_to_string(root().join("docs/operating.md")).unwrap();
    assert!(
        page.contains(ANNOTATED),
        "docs/operating.md shows another configuration"
    );
}

#[test]
fn refuses_renamed_sections_with_the_new_name() {
    let folder = Folder::with_plugins();
    each(
        [
            "[trust]\n\"acme.example\" = \"a.json\"",
            "[posture]\npath = \"p.json\"",
            "[evidence]\nwrite = [\"registry\"]",
        ],
        |section| check(&folder, format!("{section}\n{COUNTING}")),
    )
    .is(str![""]);
}

#[test]
fn reports_the_errors_of_all_files_at_once() {
    let folder = Folder::with_plugins();
    let registry = super::warnings::IDENTITY
        .replace("kind = \"agent\"", "kind = \"robot\"\nowner_ = 1")
        .replace("owner = \"team@a.example\"\n", "");
    folder.write("registry.toml", registry);
    folder.write("posture.json", "{ \"destinations\": 1 }");
    folder.write("intents/a.json", "{ \"id\": 1 }");
    let allows = json!([
        { "integration": "githbu", "action": "*", "resource": "**", "arguments": {} },
        { "integration": "lost", "action": "*", "resource": "**", "arguments": {} },
    ]);
    folder.write("intents/b.json", super::warnings::intent("int-b", &allows));
    folder.write("bundle.json", "{}");
    folder.write("key.json", "{}");
    // A component whose manifest is misspelt, which no tool would build.
    let mut misspelt = fs::read(folder.path().join("hostile.wasm")).unwrap();
    let (from, to) = (b"\"action.name\"", b"\"action.nmae\"");
    let begins: Vec<_> = (0..misspelt.len() - from.len())
        .filter(|at| misspelt[*at..].starts_with(from))
        .collect();
    for at in begins {
        misspelt[at..at + to.len()].copy_from_slice(to);
    }
    folder.write("misspelt.wasm", misspelt);
    folder.write(
        "bad.toml",
        r#"[engine]
scan = 1
[limits]
deadline = "fast"
[registry]
path = "registry.toml"
[revocation]
path = "none.jsonl"
max-staleness = "5 parsecs"
key = "none.pem"
signers = { "a" = "key.json", "b" = "none.json" }
[intents]
path = "intents"
required-for = ["robot"]
audience = 5
[destinations]
path = "posture.json"
[trust-domains]
"a.example" = "bundle.json"
"b.example" = "none.json"
[credentials]
audience = "https://a.example"
[log]
path = "lost/decisions.jsonl"
mask = ["x", "/action/name"]
mask-headers = ["a b"]
[authzen]
integration = "y"
[[integration]]
name = "github"
obligations = ["step_up"]
mode = "dry"
[[integration.plugin]]
component = "none.wasm"
[[integration]]
name = "lost"
[[integration.plugin]]
component = "misspelt.wasm"
"#,
    );
    folder
        .run(&["check", "--config", "bad.toml"])
        .is(snapbox::file!["all-files.txt"]);
}
