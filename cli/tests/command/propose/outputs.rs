//! Outputs and refusals of `portcullis propose`.

use super::{FIXER, PROPOSE, observe, ten, tool, with_credential, with_reference_plugins};
use crate::common::{Folder, Request, each};
use portcullis_tests::guests;
use serde_json::{Value, json};
use snapbox::str;

#[test]
fn a_registry_is_not_in_force_if_it_would_deny_what_was_seen() {
    let folder = with_reference_plugins();
    // A client of AuthZEN that knows nothing of identities, integrations or credentials.
    let evaluation = |id: &str| {
        Request::new("files", "read_file")
            .principal(id)
            .set("/subject/type", "user")
            .without("/context")
    };
    observe(
        &folder,
        &[
            evaluation("alice@acme.example"),
            evaluation("bob@acme.example"),
        ],
    );
    folder.run(&PROPOSE).is(str![[r#"
exit 0
-- stdout
wrote proposal, unapproved: read it before you use it
  default: mcp-tools, 1 rule from 2 requests
  registry.toml: 0 identities, not in force
  intent-drafts: 0 drafts
2 of 2 requests would be permitted
-- stderr
2 requests are in no draft: an intent names only SPIFFE IDs, and would read some names as patterns
warning: the registry is not in force: of 2 principals, 2 without a SPIFFE ID, and a registry has no others
warning: the registry is not in force: of 2 requests, 2 without a lifetime of the credential, which a host with a registry denies: have credentials verified (`[trust-domains]`), or state `credential-issued-at` and `credential-expires-at`
"#]]);
    let config = folder.read("proposal/portcullis.toml");
    let lines = config
        .lines()
        .skip_while(|line| !line.starts_with("# The registry"));
    let lines: Vec<_> = lines.collect();
    crate::common::equals(
        lines.join("\n"),
        str![[r##"
# The registry is not in force, so any principal is permitted:
# - of 2 principals, 2 without a SPIFFE ID, and a registry has no others
# - of 2 requests, 2 without a lifetime of the credential, which a host with a registry denies: have credentials verified (`[trust-domains]`), or state `credential-issued-at` and `credential-expires-at`
# [registry]
# path = "registry.toml"

[authzen]                       # requests that name no integration
integration = "default"

# default: mcp-tools, 1 rule from 2 requests
[[integration]]
name = "default"

# The class of each tool, which its name does not show: read, write, destructive, exfiltration or admin.
[integration.actions]
# "read_file" = "TODO"

[[integration.plugin]]
component = "plugins/mcp-tools.wasm"
digest = "sha256:[DIGEST]"

# 2 requests, such as [ID]
[[integration.plugin.settings.tools]]
tool = "read_file"
only-arguments = []
"##]],
    );
}

#[test]
fn a_principal_that_states_two_things_of_itself_is_named() {
    let folder = with_reference_plugins();
    let stated = |owner: &str, environment: &str| {
        tool("read_file", &json!({}))
            .property("owner", owner)
            .property("environment", environment)
            .set("/resource/properties/environment", "prod")
    };
    observe(&folder, &[stated("a", "prod"), stated("b", "staging")]);
    folder.run(&PROPOSE).is(str![[r#"
exit 0
-- stdout
wrote proposal, unapproved: read it before you use it
  files: mcp-tools, 1 rule from 2 requests
  registry.toml: 1 identity, not in force
  intent-drafts: 1 draft
2 of 2 requests would be permitted
-- stderr
warning: the registry is not in force: `spiffe://acme.example/ns/dev/agent/fixer` states 2 owners, and a registry has one
warning: the registry is not in force: `spiffe://acme.example/ns/dev/agent/fixer` states 2 environments, and a registry has one
"#]]);
    let config = folder.read("proposal/portcullis.toml");
    assert!(config.contains("cross-environment = true"), "{config}");
}

#[test]
fn calls_that_no_reference_plugin_judges_whole_have_no_rules() {
    let folder = with_reference_plugins();
    let todo = |id: &str| {
        Request::new("todos", "can_read")
            .set("/resource/type", "todo")
            .resource(id)
    };
    observe(&folder, &[todo("1"), todo("2")]);
    folder.run(&PROPOSE).is(str![[r#"
exit 3
-- stdout
wrote proposal, unapproved: read it before you use it
  todos: no rules from 2 requests: they are not of HTTP, of GitHub's connector or of one MCP server, so no plugin that can be proposed judges all of them; write rules for the plugin `cedar` or `rego`
  registry.toml: 1 identity, not in force
  intent-drafts: 1 draft
-- stderr
warning: the registry is not in force: of 2 requests, 2 without a lifetime of the credential, which a host with a registry denies: have credentials verified (`[trust-domains]`), or state `credential-issued-at` and `credential-expires-at`
error: no integration has rules, so no host starts with the proposal
"#]]);
}

#[test]
fn github_calls_have_the_settings_of_its_plugin() {
    let folder = with_reference_plugins();
    let action = |name: &str, repository: &str, arguments: &Value| {
        with_credential(
            Request::new("github", name)
                .principal(FIXER)
                .resource(repository)
                .set("/resource/type", "repository")
                .arguments(arguments),
        )
    };
    let push = |branch: &str| json!({ "branch": branch, "files": [{ "path": "a", "bytes": 1 }] });
    observe(
        &folder,
        &[
            action("issues.get", "Acme/Billing.git", &json!({ "number": 1 })),
            action("git.push", "acme/billing", &push("agents/fixer/1")),
            // The plugin permits this to none, whatever was seen.
            action("git.push", "acme/site", &push("main")),
        ],
    );
    folder.run(&PROPOSE).is(str![[r#"
exit 0
-- stdout
wrote proposal, unapproved: read it before you use it
  github: github, 2 repositories from 3 requests
  registry.toml: 1 identity
  intent-drafts: 1 draft
2 of 3 requests would be permitted
  1 denied as plugin-denied: github: git.push, such as [ID]
-- stderr
proposal/registry.toml:8:9: warning: `owner` is `TODO`: write it, or remove the entry
proposal/registry.toml:9:11: warning: `purpose` is `TODO`: write it, or remove the entry
proposal/registry.toml:10:15: warning: `environment` is `TODO`: write it, or remove the entry
"#]]);
    let config = folder.read("proposal/portcullis.toml");
    let (_, integration) = config.split_once("[[integration]]").unwrap();
    crate::common::equals(
        integration,
        str![[r#"

name = "github"
min-attestation = "jwt-svid"    # the weakest that was seen

[integration.names]
case = "insensitive"
drop-suffix = ".git"

[integration.actions]
"git.push" = "write"
"issues.get" = "read"

[[integration.plugin]]
component = "plugins/github.wasm"
digest = "sha256:[DIGEST]"

# the plugin permits every action that its README lists, on these repositories: an intent closes it to the actions that were seen
[integration.plugin.settings]
repositories = [
  "acme/billing",  # 2 requests, such as [ID]
  "acme/site",  # 1 request: [ID]
]
"#]],
    );
}

#[test]
fn what_was_blocked_is_not_proposed() {
    let folder = Folder::with_plugins();
    folder.configure("log = { path = \"observed.jsonl\" }");
    let pdp = folder.host();
    for path in ["/w/a", "/etc/passwd"] {
        let _recorded = Request::new("files", "read")
            .argument("path", path)
            .decide(&pdp);
    }
    let _recorded = Request::new("files", "delete").decide(&pdp);
    drop(pdp);
    folder.write(
        "plugins/mcp-tools.wasm",
        guests::plugin("mcp-tools").unwrap(),
    );
    folder.run(&PROPOSE).is(str![[r#"
exit 0
-- stdout
wrote proposal, unapproved: read it before you use it
  files: mcp-tools, 1 rule from 1 request
  registry.toml: 1 identity, not in force
  intent-drafts: 1 draft
1 of 1 request would be permitted
-- stderr
2 requests were blocked, and are left out
warning: the registry is not in force: of 1 request, 1 without a lifetime of the credential, which a host with a registry denies: have credentials verified (`[trust-domains]`), or state `credential-issued-at` and `credential-expires-at`
"#]]);
    let config = folder.read("proposal/portcullis.toml");
    assert!(
        !config.contains("/etc") && !config.contains("delete"),
        "{config}"
    );
}

#[test]
fn refuses_what_it_cannot_read_or_would_overwrite() {
    let folder = with_reference_plugins();
    folder.write("kept/portcullis.toml", "mine");
    observe(&folder, &ten());
    each(
        [
            "propose --log observed.jsonl --out kept",
            "propose --log missing.jsonl",
            "propose --log observed.jsonl --several 1",
            "propose",
        ],
        |line| folder.run(&line.split(' ').collect::<Vec<_>>()),
    )
    .is(str![[r#"
# propose --log observed.jsonl --out kept
exit 1
-- stderr
error: kept exists: name another folder with `--out`, or remove it

# propose --log missing.jsonl
exit 1
-- stderr
error: cannot read missing.jsonl: No such file or directory (os error 2): name the latest file of the log, which is `path` under `[log]` of the configuration

# propose --log observed.jsonl --several 1
exit 1
-- stderr
error: invalid value '1' for '--several <SEVERAL>': 1 is not in 2..=65535

For more information, try '--help'.

# propose
exit 1
-- stderr
error: the following required arguments were not provided:
  --log <LOG>

Usage: portcullis propose --log <LOG>

For more information, try '--help'.
"#]]);
    assert_eq!(folder.read("kept/portcullis.toml"), "mine");
    // An edited log may show what never was.
    folder.replace("observed.jsonl", "acme-1", "acme-4");
    folder.run(&PROPOSE).exits(3);
    assert!(!folder.path().join("proposal").exists());
    // Only an observer that saw nothing has a log without requests.
    folder.remove("observed.jsonl");
    folder.remove("observed.jsonl.head");
    observe(&folder, &[]);
    folder.run(&PROPOSE).is(str![[r#"
exit 3
-- stderr
error: observed.jsonl shows no request that was let through, so there is nothing to propose: record some with `portcullis serve --observe`
"#]]);
}

#[test]
fn a_plugin_that_is_missing_is_named() {
    let folder = Folder::new();
    observe(&folder, &ten());
    folder.run(&PROPOSE).is(str![[r#"
exit 0
-- stdout
wrote proposal, unapproved: read it before you use it
  billing: http-api, 3 rules from 5 requests
  files: mcp-tools, 2 rules from 5 requests
  registry.toml: 2 identities
  intent-drafts: 2 drafts
-- stderr
warning: http-api.wasm is not in plugins: build it (`portcullis build`), copy it to proposal/plugins, and pin its digest
warning: mcp-tools.wasm is not in plugins: build it (`portcullis build`), copy it to proposal/plugins, and pin its digest
the proposal was not tried, because plugins are missing
"#]]);
}

#[test]
fn text_of_a_request_is_no_part_of_the_configuration() {
    let folder = with_reference_plugins();
    let token = format!("ghp_{}", "a".repeat(36));
    let nasty = "a\"]\n[registry]\npath = \"b\u{202e}";
    observe(
        &folder,
        &[
            tool("write", &json!({ "text": nasty, "key": token })),
            tool("write", &json!({ "text": nasty, nasty: 1 })),
        ],
    );
    folder.run(&PROPOSE).exits(0);
    let config = folder.read("proposal/portcullis.toml");
    assert!(
        !config.contains(&token) && !config.contains('\u{202e}'),
        "{config}"
    );
    let read: toml::Table = config.parse().unwrap();
    let rule = &read["integration"][0]["plugin"][0]["settings"]["tools"][0];
    let names = rule["only-arguments"].as_array().unwrap();
    assert!(
        names.iter().any(|name| name.as_str() == Some(nasty)),
        "{config}"
    );
    assert_eq!(read["registry"]["path"].as_str(), Some("registry.toml"));
}
