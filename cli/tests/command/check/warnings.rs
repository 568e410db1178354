//! Valid parts of a configuration that have no effect, with a suggestion.

use super::{check, with_line};
use crate::common::{Folder, each};
use serde_json::{Value, json};
use snapbox::str;

pub(super) const IDENTITY: &str = r#"
[[identity]]
id = "spiffe://a.example/agent/x"
kind = "agent"
owner = "team@a.example"
purpose = "p"
environment = "prod"
expires = 2099-01-01T00:00:00Z
max-credential-lifetime = "1h"
integrations = ["x"]
"#;

/// Returns an intent with these allowances.
pub(super) fn intent(id: &str, allows: &Value) -> String {
    json!({
        "id": id, "purpose": "p", "principal": "spiffe://a.example/agent/x",
        "approved-by": { "who": "alice@a.example", "at": "2026-01-01T00:00:00Z" },
        "issued-at": "2026-01-01T00:00:00Z", "expires-at": "2099-01-01T00:00:00Z",
        "allows": allows,
    })
    .to_string()
}

#[test]
fn warns_of_obligations_that_no_plugin_issues() {
    let folder = Folder::with_plugins();
    each(
        [
            "obligations = [\"notification\", \"log-full\", \"x\"]",
            "obligations = [\"notificaton\"]",
        ],
        |line| check(&folder, with_line(line)),
    )
    .is(str![[r##"
# obligations = ["notification", "log-full", "x"]
exit 0
-- stdout
pagemap-scan is off, the default: with it, wasmtime before 50 does not reset pages that are in swap
usable checked.toml: 1 integration, 1 plugin
-- stderr
checked.toml:5:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`

# obligations = ["notificaton"]
exit 0
-- stdout
pagemap-scan is off, the default: with it, wasmtime before 50 does not reset pages that are in swap
usable checked.toml: 1 integration, 1 plugin
-- stderr
checked.toml:3:15: warning: under `obligations`, no plugin issues `notificaton`: did you mean `notification`? A permit with an obligation that is not listed is denied
checked.toml:5:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
"##]]);
}

#[test]
fn warns_of_registrations_for_unknown_integrations() {
    let folder = Folder::with_plugins();
    let registry = "[registry]\npath = \"registry.toml\"\n";
    let configuration = format!("{registry}{}", with_line(""));
    each(
        ["[\"x\"]", "[\"x\", \"elsewhere\"]", "[\"githbu\"]"],
        |names| {
            folder.write("registry.toml", IDENTITY.replace("[\"x\"]", names));
            check(&folder, &configuration)
        },
    )
    .is(str![[r##"
# ["x"]
exit 0
-- stdout
pagemap-scan is off, the default: with it, wasmtime before 50 does not reset pages that are in swap
usable checked.toml: 1 integration, 1 plugin
-- stderr
checked.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`

# ["x", "elsewhere"]
exit 0
-- stdout
pagemap-scan is off, the default: with it, wasmtime before 50 does not reset pages that are in swap
usable checked.toml: 1 integration, 1 plugin
-- stderr
checked.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
registry.toml:2:1: warning: `integrations` of `spiffe://a.example/agent/x` has `elsewhere`, but no integration here has that name: correct it, unless another host has it

# ["githbu"]
exit 0
-- stdout
pagemap-scan is off, the default: with it, wasmtime before 50 does not reset pages that are in swap
usable checked.toml: 1 integration, 1 plugin
-- stderr
checked.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
registry.toml:2:1: warning: `integrations` of `spiffe://a.example/agent/x` has `githbu`, but no integration here has that name: correct it, unless another host has it
"##]]);
    // An integration has a similar name.
    let github = configuration.replace("name = \"x\"", "name = \"github\"");
    check(&folder, github).is(str![[r#"
exit 0
-- stdout
pagemap-scan is off, the default: with it, wasmtime before 50 does not reset pages that are in swap
usable checked.toml: 1 integration, 1 plugin
-- stderr
checked.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
registry.toml:2:1: warning: `integrations` of `spiffe://a.example/agent/x` has `githbu`, but no integration here has that name: did you mean `github`?
"#]]);
}

#[test]
fn warns_of_allowances_without_effect_or_bounds() {
    let folder = Folder::with_plugins();
    let github = with_line("").replace("name = \"x\"", "name = \"github\"");
    let configuration = format!("[intents]\npath = \"intents\"\n{github}");
    let to = json!({ "required": ["/to"] });
    let only_bob = json!([{ "path": "/to", "op": "one-of", "value": ["bob"] }]);
    let allows = |integration: &str, arguments: &Value, constraints: &Value| {
        json!([{
            "integration": integration, "action": "write", "resource": "a",
            "arguments": arguments, "constraints": constraints,
        }])
    };
    each(
        [
            allows("github", &to, &only_bob),
            allows("github", &json!({}), &json!([])),
            allows("github", &to, &json!([])),
            allows("gihtub", &to, &only_bob),
            allows("payroll", &to, &only_bob),
        ],
        |allows| {
            folder.write("intents/a.json", intent("int-1", allows));
            check(&folder, &configuration)
        },
    )
    .is(snapbox::file![
        "warns-of-allowances-without-effect-or-bounds.txt"
    ]);
}
