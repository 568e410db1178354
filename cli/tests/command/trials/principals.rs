//! Spellings of principals, and what the request states of them.

use super::{FIXER, anything, call, configure, denies, folder, permits};
use crate::common::Request;
use serde_json::{Value, json};
use snapbox::str;

/// A12: a principal's id has one spelling.
#[test]
fn refuses_other_spellings_of_a_principal() {
    let folder = folder("", anything("**"), json!([]));
    permits(&folder, &call("read", "acme/billing", json!({})));
    for id in [
        " spiffe://acme.example/agent/fixer",
        "spiffe://acme.example/agent/fixer ",
        "SPIFFE://acme.example/agent/fixer",
        "spiffe://acme.example/agent/fixer\n",
        "spiffe://acme.example/agent/fi\u{200b}xer",
        "\u{feff}spiffe://acme.example/agent/fixer",
        "spiffe://ACME.example/agent/fixer",
        "spiffe://acme.example/agent/fixer/",
        "x spiffe://acme.example/agent/fixer",
        "",
        "\u{1b}[31mspiffe",
        "a\r\nb",
    ] {
        denies(
            &folder,
            &call("read", "acme/billing", json!({})).principal(id),
        );
    }
}

/// A9: the registry has two agents that a plugin could confuse.
#[test]
fn warns_of_agents_with_the_same_last_segment() {
    let folder = folder("", anything("**"), json!([]));
    let identity = |id: &str| {
        format!(
            "[[identity]]\nid = \"{id}\"\nkind = \"agent\"\nowner = \"team@acme.example\"\npurpose = \"mend bugs\"\nenvironment = \"dev\"\nexpires = 2036-03-31T00:00:00Z\nmax-credential-lifetime = \"15m\"\nintegrations = [\"scm\"]\n"
        )
    };
    let other = "spiffe://acme.example/ns/dev/agent/fixer";
    configure(&folder, "[registry]\npath = \"registry.toml\"");
    let reviewer = identity("spiffe://acme.example/agent/reviewer");
    folder.write("registry.toml", identity(FIXER) + &reviewer);
    folder.run(&["check"]).is(str![[r#"
exit 0
-- stdout
pagemap-scan is off, the default: with it, wasmtime before 50 does not reset pages that are in swap
usable portcullis.toml: 1 integration, 1 plugin
-- stderr
portcullis.toml:14:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
[intents]: warning: intent `int-1`: `/allows/0`: `"arguments": "open"` allows any arguments: list the arguments that a call needs, as in `"arguments": {"required":[]}`
"#]]);
    folder.write("registry.toml", identity(FIXER) + &identity(other));
    folder.run(&["check"]).is(str![[r#"
exit 0
-- stdout
pagemap-scan is off, the default: with it, wasmtime before 50 does not reset pages that are in swap
usable portcullis.toml: 1 integration, 1 plugin
-- stderr
portcullis.toml:5:8: warning: agents `spiffe://acme.example/agent/fixer` and `spiffe://acme.example/ns/dev/agent/fixer` end with the same segment (1 such pairs): a plugin that identifies agents by it, such as `github` with `{name}` in `own-branch-prefix`, confuses them: write `{trust-domain}/{path}` there
portcullis.toml:14:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
[intents]: warning: intent `int-1`: `/allows/0`: `"arguments": "open"` allows any arguments: list the arguments that a call needs, as in `"arguments": {"required":[]}`
"#]]);
}

/// A12: the issuer of an id that is not a SPIFFE ID may ignore its case.
#[test]
fn denies_a_revoked_principal_in_every_spelling() {
    let folder = folder("", anything("**"), json!([]));
    configure(
        &folder,
        "[revocation]\npath = \"revocations.jsonl\"\nmax-staleness = \"10m\"\n",
    );
    let asks = |id: &str, delegators: Value| {
        let request = Request::new("scm", "read").resource("acme/billing");
        let user = request.set("/subject/type", "user").principal(id);
        user.property("delegated-by", delegators)
    };
    let revoke = |id: &str| {
        let who = ["--reason", "left", "--by", "bob", "--unknown"];
        folder.run(&[&["revoke", "principal", id][..], &who].concat())
    };
    folder.run(&["revoke", "--checkpoint"]).exits(0);
    permits(&folder, &asks("Alice@acme.example", json!([])));
    revoke("alice@Acme.example").exits(0);
    for id in [
        "alice@acme.example",
        "Alice@acme.example",
        "alice@ACME.example",
        "ALICE@ACME.EXAMPLE",
    ] {
        denies(&folder, &asks(id, json!([])));
        denies(&folder, &asks("carol@acme.example", json!([id])));
    }
    permits(
        &folder,
        &asks("carol@acme.example", json!(["dave@acme.example"])),
    );
    revoke(FIXER).exits(0);
    for id in [
        FIXER,
        "spiffe%3A//acme.example/agent/fixer",
        "//acme.example/agent/fixer",
        "spiffe//acme.example/agent/fixer",
        "spiffe;//acme.example/agent/fixer",
    ] {
        denies(&folder, &asks(id, json!([])));
        denies(&folder, &asks("carol@acme.example", json!([id])));
    }
    permits(
        &folder,
        &asks("spiffe://acme.example/agent/Fixer", json!([])),
    );
    // No request can have this id.
    revoke("//acme.example/agent/fixer").is(str![[r#"
exit 3
-- stderr
error: revocations.jsonl: `//acme.example/agent/fixer` is not a SPIFFE ID: it has to begin with `spiffe://`: nothing is revoked
"#]]);
}

/// An environment in another shape or place does not count as missing.
#[test]
fn denies_an_unreadable_environment() {
    let folder = folder("", anything("**"), json!([]));
    let with = |subject: Value, resource: Value| {
        let request = call("read", "acme/billing", json!({}));
        let request = request.set("/subject/properties", subject);
        request.set("/resource/properties", resource)
    };
    let dev = || json!({ "environment": "dev" });
    let crossed = [
        json!("prod"),
        json!(["prod"]),
        json!({ "name": "prod" }),
        json!(7),
    ];
    for stated in crossed {
        let other = json!({ "environment": stated });
        denies(&folder, &with(dev(), other.clone()));
        denies(&folder, &with(other, dev()));
    }
    for (subject, resource) in [
        (dev(), dev()),
        (dev(), json!({})),
        (dev(), json!({ "environment": null })),
        // A writer that uses `environment` for something else on both sides.
        (
            json!({ "environment": 7 }),
            json!({ "environment": ["prod"] }),
        ),
        (json!({}), json!({ "environment": ["prod"] })),
    ] {
        permits(&folder, &with(subject, resource));
    }
    for pointer in [
        "/resource/environment",
        "/subject/environment",
        "/subject/owner",
        "/subject/instance",
    ] {
        let misplaced = call("read", "acme/billing", json!({})).set(pointer, "prod");
        denies(&folder, &misplaced);
    }
}
