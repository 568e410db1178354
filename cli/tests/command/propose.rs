//! `portcullis propose`.

use crate::common::{Folder, Request, each};
use portcullis_host::log::{self, Event, LogOptions};
use portcullis_host::{ListAsOf, Pdp, Timestamp, config};
use portcullis_tests::guests;
use serde_json::{Value, json};
use snapbox::str;
use std::collections::BTreeSet;
use std::time::Duration;

/// Creates a folder with the reference plugins and nothing else.
fn with_reference_plugins() -> Folder {
    let folder = Folder::new();
    for name in guests::PLUGINS {
        folder.write(
            &format!("plugins/{name}.wasm"),
            guests::plugin(name).unwrap(),
        );
    }
    folder
}

/// Records requests as `portcullis serve --observe` does.
fn observe(folder: &Folder, requests: &[Request]) {
    let options = LogOptions::new(folder.path().join("observed.jsonl"));
    let pdp = Pdp::observing(options).unwrap();
    for request in requests {
        let decision = request.decide(&pdp);
        assert!(!decision.is_permit() && !decision.blocks(), "{request}");
    }
}

/// States a short-lived credential, so that a registry may be in force.
fn with_credential(request: Request) -> Request {
    let at = |seconds: u64| {
        Timestamp::now()
            .plus(Duration::from_secs(seconds))
            .to_string()
    };
    let issued = Timestamp::from_millis(Timestamp::now().as_millis() - 60_000);
    request
        .property("attestation", "jwt-svid")
        .property("credential-issued-at", issued.to_string())
        .property("credential-expires-at", at(600))
}

const RECONCILER: &str = "spiffe://acme.example/ns/payments/agent/reconciler";
const FIXER: &str = "spiffe://acme.example/ns/dev/agent/fixer";

/// An HTTP call of the reconciler.
fn call(method: &str, path: &str) -> Request {
    with_credential(
        Request::new("billing", method)
            .principal(RECONCILER)
            .resource(path)
            .set("/resource/type", "http-api"),
    )
}

/// A tool call of the fixer.
fn tool(name: &str, arguments: &Value) -> Request {
    with_credential(
        Request::new("files", name)
            .principal(FIXER)
            .arguments(arguments),
    )
}

/// Ten requests of two principals.
fn ten() -> Vec<Request> {
    let query = |limit: u32| json!({ "query": { "limit": limit }, "headers": { "Accept": "application/json" } });
    vec![
        call("GET", "/v1/customers/acme-1/invoices").arguments(&query(10)),
        call("GET", "/v1/customers/acme-2/invoices").arguments(&query(20)),
        call("GET", "/v1/customers/acme-3/invoices"),
        call("POST", "/v1/invoices").arguments(&json!({ "body": { "total": 7 } })),
        call("DELETE", "/v1/invoices/17"),
        tool("read_file", &json!({ "path": "/workspace/a.md" })),
        tool(
            "read_file",
            &json!({ "path": "/workspace/b.md", "head": 10 }),
        ),
        tool("read_file", &json!({ "path": "/workspace/src/c.rs" })),
        tool("search", &json!({ "text": "invoice" })),
        tool("search", &json!({ "text": "invoice" })),
    ]
}

const PROPOSE: [&str; 3] = ["propose", "--log", "observed.jsonl"];

#[test]
fn an_empty_folder_has_a_configuration_after_ten_requests() {
    let folder = with_reference_plugins();
    observe(&folder, &ten());
    folder.run(&PROPOSE).is(str![[r#"
exit 0
-- stdout
wrote proposal, unapproved: read it before you use it
  billing: http-api, 3 rules from 5 requests
  files: mcp-tools, 2 rules from 5 requests
  registry.toml: 2 identities
  intent-drafts: 2 drafts
10 of 10 requests would be permitted
-- stderr
proposal/registry.toml:8:9: warning: `owner` is `TODO`: write it, or remove the entry
proposal/registry.toml:9:11: warning: `purpose` is `TODO`: write it, or remove the entry
proposal/registry.toml:10:15: warning: `environment` is `TODO`: write it, or remove the entry
proposal/registry.toml:19:9: warning: `owner` is `TODO`: write it, or remove the entry
proposal/registry.toml:20:11: warning: `purpose` is `TODO`: write it, or remove the entry
proposal/registry.toml:21:15: warning: `environment` is `TODO`: write it, or remove the entry
"#]]);
    each(["portcullis.toml", "registry.toml"], |name| {
        folder.read(&format!("proposal/{name}"))
    })
    .is(str![[r##"
# portcullis.toml
# UNAPPROVED: proposed by `portcullis propose --log observed.jsonl` from 10 requests of 2 principals, from [TIME] to [TIME].
# Read every entry and its support, and replace each `TODO`: a log shows what was done, not what is allowed.

[log]
path = "decisions.jsonl"

# Drafts of intents are in `intent-drafts`, which no host loads: edit, sign and move them to a folder of `[intents]`.

[registry]
path = "registry.toml"

# billing: http-api, 3 rules from 5 requests
[[integration]]
name = "billing"
min-attestation = "jwt-svid"    # the weakest that was seen

[integration.actions]
GET = "read"
POST = "write"
DELETE = "destructive"

[[integration.plugin]]
component = "plugins/http-api.wasm"
digest = "sha256:[DIGEST]"

# 1 request: [ID]
[[integration.plugin.settings.rules]]
name = "DELETE /v1/invoices/17"
methods = ["DELETE"]
path = "/v1/invoices/17"
only-query = []
only-headers = []

# 3 requests, such as [ID]
# {customer} had 3 values, such as `acme-1`, `acme-2`, `acme-3`: it may have any of that form
[[integration.plugin.settings.rules]]
name = "GET /v1/customers/{customer}/invoices"
methods = ["GET"]
path = "/v1/customers/{customer}/invoices"
parameters = { customer = ["acme-*"] }
only-query = ["limit"]
only-headers = ["accept"]

# 1 request: [ID]
[[integration.plugin.settings.rules]]
name = "POST /v1/invoices"
methods = ["POST"]
path = "/v1/invoices"
only-query = []
only-headers = []

# files: mcp-tools, 2 rules from 5 requests
[[integration]]
name = "files"
min-attestation = "jwt-svid"    # the weakest that was seen

# The class of each tool, which its name does not show: read, write, destructive, exfiltration or admin.
[integration.actions]
# "read_file" = "TODO"
# "search" = "TODO"

[[integration.plugin]]
component = "plugins/mcp-tools.wasm"
digest = "sha256:[DIGEST]"

# 3 requests, such as [ID]
[[integration.plugin.settings.tools]]
tool = "read_file"
only-arguments = ["head", "path"]
arguments = [{ path = "/path", op = "under", value = "/workspace" }]
optional-arguments = [{ path = "/head", op = "equals", value = 10 }]

# 2 requests, such as [ID]
[[integration.plugin.settings.tools]]
tool = "search"
only-arguments = ["text"]
arguments = [{ path = "/text", op = "equals", value = "invoice" }]

# registry.toml
# UNAPPROVED: proposed by `portcullis propose --log observed.jsonl` from 10 requests of 2 principals, from [TIME] to [TIME].
# Read every entry and its support, and replace each `TODO`: a log shows what was done, not what is allowed.

# 5 requests
[[identity]]
id = "spiffe://acme.example/ns/dev/agent/fixer"
kind = "agent"    # as its requests stated
owner = "TODO"    # the person or team that answers for it
purpose = "TODO"    # in words
environment = "TODO"    # where it runs
expires = [TIME]
max-credential-lifetime = "60m"
integrations = ["files"]

# 5 requests
[[identity]]
id = "spiffe://acme.example/ns/payments/agent/reconciler"
kind = "agent"    # as its requests stated
owner = "TODO"    # the person or team that answers for it
purpose = "TODO"    # in words
environment = "TODO"    # where it runs
expires = [TIME]
max-credential-lifetime = "60m"
integrations = ["billing"]
"##]]);
    let drafts = folder.path().join("proposal/intent-drafts");
    let files: BTreeSet<_> = std::fs::read_dir(&drafts)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    each(files, |name| {
        let draft = folder.read(&format!("proposal/intent-drafts/{name}"));
        // Its times are those of the machine.
        let draft: Value = serde_json::from_str(&draft).unwrap();
        format!("{:#}", draft["allows"])
    })
    .is(str![[r##"
# billing-reconciler.json
[
  {
    "action": "DELETE",
    "arguments": {
      "optional": [],
      "required": []
    },
    "constraints": [
      {
        "op": "equals",
        "path": "",
        "value": {}
      }
    ],
    "integration": "billing",
    "resource": "/v1/invoices/17"
  },
  {
    "action": "GET",
    "arguments": {
      "optional": [
        "/headers/Accept",
        "/query/limit"
      ],
      "required": []
    },
    "integration": "billing",
    "resource": "/v1/customers/acme-*/invoices"
  },
  {
    "action": "POST",
    "arguments": {
      "optional": [],
      "required": [
        "/body"
      ]
    },
    "constraints": [
      {
        "op": "equals",
        "path": "",
        "value": {
          "body": {
            "total": 7
          }
        }
      }
    ],
    "integration": "billing",
    "resource": "/v1/invoices"
  }
]

# files-fixer.json
[
  {
    "action": "read_file",
    "arguments": {
      "optional": [
        "/head"
      ],
      "required": [
        "/path"
      ]
    },
    "integration": "files",
    "resource": "files"
  },
  {
    "action": "search",
    "arguments": {
      "optional": [],
      "required": [
        "/text"
      ]
    },
    "constraints": [
      {
        "op": "equals",
        "path": "",
        "value": {
          "text": "invoice"
        }
      }
    ],
    "integration": "files",
    "resource": "files"
  }
]
"##]]);
    // What is still to be stated is named, and the proposal is usable.
    folder
        .run(&["check", "proposal/portcullis.toml"])
        .is(str![[r#"
exit 0
-- stdout
usable proposal/portcullis.toml: 2 integrations, 2 plugins
pagemap-scan is off, the default: with it, wasmtime before 50 does not reset pages that are in swap
-- stderr
proposal/registry.toml:8:9: warning: `owner` is `TODO`: write it, or remove the entry
proposal/registry.toml:9:11: warning: `purpose` is `TODO`: write it, or remove the entry
proposal/registry.toml:10:15: warning: `environment` is `TODO`: write it, or remove the entry
proposal/registry.toml:19:9: warning: `owner` is `TODO`: write it, or remove the entry
proposal/registry.toml:20:11: warning: `purpose` is `TODO`: write it, or remove the entry
proposal/registry.toml:21:15: warning: `environment` is `TODO`: write it, or remove the entry
"#]]);
    folder
        .run(&["registry", "lint", "proposal/registry.toml"])
        .is(str![[r#"
exit 5
-- stdout
owner-missing spiffe://acme.example/ns/dev/agent/fixer: its `owner` is `TODO`: write it, or remove the entry [NHI1, PR.AA-01, SP 800-207 tenet 7]
purpose-missing spiffe://acme.example/ns/dev/agent/fixer: its `purpose` is `TODO`: write it, or remove the entry [NHI1, PR.AA-01, SP 800-207 tenet 7]
environment-missing spiffe://acme.example/ns/dev/agent/fixer: its `environment` is `TODO`: write it, or remove the entry [NHI1, PR.AA-01, SP 800-207 tenet 7]
owner-missing spiffe://acme.example/ns/payments/agent/reconciler: its `owner` is `TODO`: write it, or remove the entry [NHI1, PR.AA-01, SP 800-207 tenet 7]
purpose-missing spiffe://acme.example/ns/payments/agent/reconciler: its `purpose` is `TODO`: write it, or remove the entry [NHI1, PR.AA-01, SP 800-207 tenet 7]
environment-missing spiffe://acme.example/ns/payments/agent/reconciler: its `environment` is `TODO`: write it, or remove the entry [NHI1, PR.AA-01, SP 800-207 tenet 7]
-- stderr
2 identities, 6 findings
"#]]);
    // The decisions on the log change from those of the observer to those of the proposal.
    folder
        .run(&[
            "replay",
            "observed.jsonl",
            "--config",
            "proposal/portcullis.toml",
        ])
        .is(str![[r#"
exit 5
-- stdout
newly permitted: 10
     3 unknown-integration -> permitted: spiffe://acme.example/ns/dev/agent/fixer: files read_file; another mode; such as [ID]: files
     3 unknown-integration -> permitted: spiffe://acme.example/ns/payments/agent/reconciler: billing GET; another mode; such as [ID]: /v1/customers/acme-1/invoices, /v1/customers/acme-2/invoices, /v1/customers/acme-3/invoices
     2 unknown-integration -> permitted: spiffe://acme.example/ns/dev/agent/fixer: files search; another mode; such as [ID]: files
     1 unknown-integration -> permitted: spiffe://acme.example/ns/payments/agent/reconciler: billing DELETE; another mode; such as [ID]: /v1/invoices/17
     1 unknown-integration -> permitted: spiffe://acme.example/ns/payments/agent/reconciler: billing POST; another mode; such as [ID]: /v1/invoices
-- stderr
proposal/registry.toml:8:9: warning: `owner` is `TODO`: write it, or remove the entry
proposal/registry.toml:9:11: warning: `purpose` is `TODO`: write it, or remove the entry
proposal/registry.toml:10:15: warning: `environment` is `TODO`: write it, or remove the entry
proposal/registry.toml:19:9: warning: `owner` is `TODO`: write it, or remove the entry
proposal/registry.toml:20:11: warning: `purpose` is `TODO`: write it, or remove the entry
proposal/registry.toml:21:15: warning: `environment` is `TODO`: write it, or remove the entry
0 the same, 10 different, 0 that depend on the machine, 0 not decided again
"#]]);
    // Narrowed by hand, it permits nothing that the proposal does not.
    let proposal = folder.read("proposal/portcullis.toml");
    let narrowed = proposal.replace(
        "methods = [\"DELETE\"]",
        "effect = \"deny\"\nmethods = [\"DELETE\"]",
    );
    let narrowed = narrowed.lines().collect::<Vec<_>>().join("\n");
    // A denying rule has no conditions.
    let (before, rule) = narrowed.split_once("effect = \"deny\"").unwrap();
    let (rule, after) = rule.split_once("\n\n").unwrap();
    let rule: Vec<_> = rule
        .lines()
        .filter(|line| !line.starts_with("only-"))
        .collect();
    folder.write(
        "proposal/enforced.toml",
        format!("{before}effect = \"deny\"{}\n\n{after}", rule.join("\n")),
    );
    folder
        .run(&[
            "diff",
            "proposal/portcullis.toml",
            "proposal/enforced.toml",
            "--log",
            "observed.jsonl",
            "--no-new-permits",
        ])
        .is(str![[r#"
exit 0
-- stdout
newly denied: 1
     1 permitted -> plugin-denied: spiffe://acme.example/ns/payments/agent/reconciler: billing DELETE; such as [ID]: /v1/invoices/17
-- stderr
proposal/registry.toml:8:9: warning: `owner` is `TODO`: write it, or remove the entry
proposal/registry.toml:9:11: warning: `purpose` is `TODO`: write it, or remove the entry
proposal/registry.toml:10:15: warning: `environment` is `TODO`: write it, or remove the entry
proposal/registry.toml:19:9: warning: `owner` is `TODO`: write it, or remove the entry
proposal/registry.toml:20:11: warning: `purpose` is `TODO`: write it, or remove the entry
proposal/registry.toml:21:15: warning: `environment` is `TODO`: write it, or remove the entry
proposal/registry.toml:8:9: warning: `owner` is `TODO`: write it, or remove the entry
proposal/registry.toml:9:11: warning: `purpose` is `TODO`: write it, or remove the entry
proposal/registry.toml:10:15: warning: `environment` is `TODO`: write it, or remove the entry
proposal/registry.toml:19:9: warning: `owner` is `TODO`: write it, or remove the entry
proposal/registry.toml:20:11: warning: `purpose` is `TODO`: write it, or remove the entry
proposal/registry.toml:21:15: warning: `environment` is `TODO`: write it, or remove the entry
9 the same, 1 different, 0 that depend on the machine, 0 not decided again
"#]]);
}

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
warning: the registry is not in force: 2 of the 2 principals have no SPIFFE ID, and a registry has no others
warning: the registry is not in force: 2 of the 2 requests state no lifetime of the credential, without which a host with a registry denies them: have credentials verified (`[trust-domains]`), or state `credential-issued-at` and `credential-expires-at`
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
# - 2 of the 2 principals have no SPIFFE ID, and a registry has no others
# - 2 of the 2 requests state no lifetime of the credential, without which a host with a registry denies them: have credentials verified (`[trust-domains]`), or state `credential-issued-at` and `credential-expires-at`
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
warning: the registry is not in force: 2 of the 2 requests state no lifetime of the credential, without which a host with a registry denies them: have credentials verified (`[trust-domains]`), or state `credential-issued-at` and `credential-expires-at`
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
1 of 1 requests would be permitted
-- stderr
2 requests were blocked, and are left out
warning: the registry is not in force: 1 of the 1 requests state no lifetime of the credential, without which a host with a registry denies them: have credentials verified (`[trust-domains]`), or state `credential-issued-at` and `credential-expires-at`
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
error: cannot read missing.jsonl: No such file or directory (os error 2)

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

/// Numbers that look random, and are the same in each run.
struct Numbers(u64);

impl Numbers {
    /// A number below `below`.
    fn below(&mut self, below: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % below as u64).unwrap()
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    /// Some of the names, each with a value.
    fn members(&mut self, names: &[&str]) -> Value {
        let mut members = json!({});
        for name in names {
            if self.below(2) == 0 {
                members[*name] = json!(format!("{}", self.below(5)));
            }
        }
        members
    }

    fn http(&mut self, integration: &str) -> Request {
        let mut path = format!("/v1/{}", self.one(&["users", "orders", "items"]));
        for collection in ["", "lines", "notes"].into_iter().take(self.below(4)) {
            if !collection.is_empty() {
                path = format!("{path}/{collection}");
            }
            let id = self.below(6);
            path = match self.below(3) {
                0 => format!("{path}/{id}"),
                1 => format!("{path}/inv-{id}"),
                _ => format!("{path}/{}", self.one(&["all", "mine", "latest"])),
            };
        }
        let mut arguments = json!({});
        if self.below(2) == 0 {
            arguments["query"] = self.members(&["limit", "page", "q"]);
        }
        if self.below(2) == 0 {
            arguments["headers"] = self.members(&["accept", "X-Source"]);
        }
        if self.below(3) == 0 {
            arguments["body"] = self.members(&["total", "note"]);
        }
        let method = self.one(&["GET", "GET", "POST", "DELETE"]);
        let principal = self.one(&[RECONCILER, FIXER]);
        let request = Request::new(integration, method)
            .principal(principal)
            .resource(&path)
            .arguments(&arguments);
        with_credential(request)
    }

    fn tool(&mut self, integration: &str) -> Request {
        let folder = self.one(&["/w/a", "/w/b/c", "/w"]);
        let mut arguments = json!({ "path": format!("{folder}/{}.md", self.below(9)) });
        if self.below(2) == 0 {
            arguments["head"] = json!(self.below(4));
        }
        if self.below(3) == 0 {
            arguments["text"] = json!(self.one(&["a", "b", "c", "d"]));
        }
        if self.below(4) == 0 {
            arguments["options"] = json!({ "deep": true });
        }
        let name = self.one(&["read_file", "write_file", "list"]);
        with_credential(
            Request::new(integration, name)
                .principal(self.one(&[RECONCILER, FIXER]))
                .arguments(&arguments),
        )
    }
}

/// The proposal permits every request that was seen, and none with another path, method or name of an argument.
#[test]
fn a_proposal_permits_what_was_seen_and_not_its_neighbours() {
    let folder = with_reference_plugins();
    let mut numbers = Numbers(7);
    let mut requests = Vec::new();
    for integration in ["http-0", "http-1", "http-2"] {
        requests.extend((0..60).map(|_| numbers.http(integration)));
    }
    for integration in ["tools-0", "tools-1"] {
        requests.extend((0..40).map(|_| numbers.tool(integration)));
    }
    observe(&folder, &requests);
    let ran = folder.run(&PROPOSE);
    ran.exits(0);
    assert!(
        ran.out.contains("260 of 260 requests would be permitted"),
        "{ran}"
    );

    let pdp = config::check(&folder.path().join("proposal/portcullis.toml")).pdp;
    let pdp = pdp.expect("a usable proposal");
    let (mut seen, mut neighbours) = (0, 0);
    log::read(&folder.path().join("observed.jsonl"), |_, _, _, entry| {
        let Event::Decision(decided) = &entry.event else {
            return Ok(());
        };
        let permits = |evaluation: &Value| {
            let text = evaluation.to_string();
            let request = pdp.read_authzen(text.as_bytes()).unwrap();
            let again = pdp.evaluate_again(&request, entry.at, &decided.inputs, ListAsOf::Then);
            again.is_permit()
        };
        let request = &decided.request;
        assert!(permits(request), "{request:#}");
        seen += 1;
        let with = |pointer: &str, value: Value| {
            let mut neighbour = request.clone();
            let (object, name) = pointer.rsplit_once('/').unwrap();
            let object = neighbour.pointer_mut(object).unwrap();
            object[name] = value;
            neighbour
        };
        let mut all = vec![
            with("/action/name", json!("PATCH")),
            with("/action/name", json!("delete_file")),
            with(
                "/subject/id",
                json!("spiffe://acme.example/ns/dev/agent/other"),
            ),
            with("/context/integration", json!("http-9")),
            with("/subject/properties/attestation", json!("bearer-token")),
        ];
        let integration = request["context"]["integration"].as_str().unwrap();
        if integration.starts_with("http") {
            let path = request["resource"]["id"].as_str().unwrap();
            for other in [
                format!("{path}/other"),
                path.replacen("/v1/", "/v2/", 1),
                path.replacen("/v1/", "/v1/admin/", 1),
                format!("{path}/../../v1/users"),
                format!("{path}/"),
            ] {
                all.push(with("/resource/id", json!(other)));
            }
            for part in ["query", "headers"] {
                let mut neighbour = request.clone();
                neighbour["action"]["properties"][part]["other"] = json!("1");
                all.push(neighbour);
            }
        } else {
            let mut neighbour = request.clone();
            neighbour["action"]["properties"]["other"] = json!("1");
            all.push(neighbour);
            all.push(with("/action/properties/path", json!("/etc/passwd")));
        }
        for neighbour in all {
            assert!(!permits(&neighbour), "{neighbour:#}");
            neighbours += 1;
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(seen, 260);
    assert!(neighbours > 2000, "{neighbours}");
}
