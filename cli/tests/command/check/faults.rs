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
    ran.is(str![[r#"
exit 3
-- stderr
checked.toml:2:12: error: `deadline` is a time from `1ms` to `10s`, such as `"10ms"` or `"5m"`, not this string
checked.toml:3:16: error: `memory-bytes` is a whole number from 65536 to 67108864, not this integer
checked.toml:4:1: error: there is no `fuel` here, only `deadline`, `configure-deadline`, `memory-bytes`, `table-elements`, `instances`, `output-bytes`, `component-bytes`, `load-deadline`, `load-memory-bytes`
checked.toml:7:13: error: `max-depth` is a whole number from 1 to 100, not this integer
checked.toml:11:17: error: `max-grant-ttl` is a time from `1s` to `86400s`, such as `"10ms"` or `"5m"`, not this integer
checked.toml:13:8: error: the class of `read` is one of `read`, `write`, `destructive`, `exfiltration`, `admin`
checked.toml:15:13: error: cannot read none.wasm: No such file or directory (os error 2): check the path
checked.toml:17:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:17:13: error: plugin `text.wasm`: found a text file, not a WebAssembly component: build one with `portcullis build`
checked.toml:18:1: error: there is no `digset` here, only `component`, `digest`, `limits`, `settings`
checked.toml:20:1: error: `name` is missing here: it is text
checked.toml:23:10: error: `md5:1` is not a digest: write `sha256:` and 64 hexadecimal digits
checked.toml:25:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:27:9: error: settings, `/deny/0`: in pattern `x**`, `**` must be a whole segment, as in `acme/**`
checked.toml:29:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:33:28: error: settings, `/tools/1/lifetime`: the plugin has no such setting
checked.toml:36:1: error: the integration has no `[[integration.plugin]]`, so all its requests would be denied
"#]]);
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
    check(&folder, "[limits\ndeadline = \"1ms\"\nx = = 1\n").is(str![[r#"
exit 3
-- stderr
checked.toml:1:8: error: unclosed table, expected `]`
checked.toml:3:5: error: extra `=`, expected nothing
checked.toml:3:7: error: unexpected key or value, expected newline, `#`
"#]]);
    folder.run(&["check", "none.toml"]).is(str![[r#"
exit 3
-- stderr
none.toml: error: cannot be read: No such file or directory (os error 2): check the path
"#]]);
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
    .is(str![[r##"
# [trust]
# "acme.example" = "a.json"
exit 3
-- stderr
checked.toml:1:2: error: `[trust]` is called `[trust-domains]`: rename it; `trust` of an integration is called `tier`
checked.toml:6:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`

# [posture]
# path = "p.json"
exit 3
-- stderr
checked.toml:1:2: error: `[posture]` is called `[destinations]`: rename it; `posture` of an integration is called `destination`
checked.toml:6:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`

# [evidence]
# write = ["registry"]
exit 3
-- stderr
checked.toml:1:2: error: `[evidence]` is called `[required-checks]`: rename it; `posture` in its lists is called `destination`
checked.toml:6:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
"##]]);
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
