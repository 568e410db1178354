//! From ten observed requests to a configuration, in a folder that had none.

use super::{PROPOSE, observe, ten, with_reference_plugins};
use crate::common::each;
use serde_json::Value;
use snapbox::str;
use std::collections::BTreeSet;

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
pagemap-scan is off, the default: with it, wasmtime before 50 does not reset pages that are in swap
usable proposal/portcullis.toml: 2 integrations, 2 plugins
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
