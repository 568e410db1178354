//! `portcullis registry lint`.

use crate::common::Folder;
use serde_json::Value;
use snapbox::str;

fn identity(
    name: &str,
    owner: &str,
    purpose: &str,
    expires: &str,
    lifetime: &str,
    integrations: &str,
) -> String {
    format!(
        "[[identity]]\nid = \"spiffe://acme.example/agent/{name}\"\nkind = \"agent\"\nowner = \"{owner}\"\npurpose = \"{purpose}\"\nenvironment = \"prod\"\nexpires = {expires}\nmax-credential-lifetime = \"{lifetime}\"\nintegrations = [{integrations}]\n\n"
    )
}

#[test]
fn finds_each_fault_of_a_registry_and_no_other() {
    let folder = Folder::new();
    let (good, later) = ("team@acme.example", "2027-01-01T00:00:00Z");
    let secret = "ghp_abcdefghijklmnop1234";
    let registry = [
        identity("good", good, "reconcile", later, "15m", "\"bank\""),
        identity(
            "expired",
            good,
            "reconcile",
            "2026-01-01T00:00:00Z",
            "15m",
            "\"bank\"",
        ),
        identity(
            "departed",
            "bob@acme.example",
            "reconcile",
            later,
            "15m",
            "\"bank\"",
        ),
        identity("long", good, "reconcile", later, "2160h", "\"bank\""),
        identity("idle", good, "reconcile", later, "15m", ""),
        identity("person", good, "reconcile", later, "15m", "\"bank\"")
            .replace("kind = \"agent\"", "kind = \"human\""),
        identity("secret", secret, "reconcile", later, "15m", "\"bank\""),
        identity(
            "leaky",
            good,
            &format!("call with {secret}"),
            later,
            "15m",
            "\"bank\"",
        ),
    ];
    folder.write("registry.toml", registry.concat());
    folder.write("owners.txt", "team@acme.example\nalice@acme.example\n");
    let lint = |more: &[&str]| {
        let now = ["registry", "lint", "--now", "2026-11-22T00:00:00Z"];
        folder.run(&[&now[..], &["--owners", "owners.txt"], more].concat())
    };
    let human = lint(&[]);
    human.is(snapbox::file!["registry/findings.txt"]);
    let json = lint(&["--format", "json"]);
    for ran in [&human, json.exits(5)] {
        assert!(!ran.out.contains(secret), "it is never echoed");
    }
    let findings = json.json();
    let found: Vec<_> = findings
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            let of = |value: &Value| value.as_str().unwrap().to_owned();
            let (_, name) = it["identity"].as_str().unwrap().rsplit_once('/').unwrap();
            format!("{name} {} {}", of(&it["code"]), of(&it["frameworks"][0]))
        })
        .collect();
    assert_eq!(
        found,
        [
            "departed owner-departed NHI1",
            "expired expired NHI1",
            "idle without-integration NHI1",
            "leaky token-in-text NHI2",
            "long long-lived-credential NHI7",
            "person human-as-machine NHI10",
            "secret owner-departed NHI1",
            "secret token-in-text NHI2",
        ]
    );

    folder.write("registry.toml", &registry[0]);
    lint(&[]).is(str![[r#"
exit 0
-- stderr
1 identity, 0 findings
"#]]);
    folder.replace("registry.toml", "kind = \"agent\"", "kind = \"robot\"");
    lint(&[]).is(str![[r#"
exit 3
-- stderr
registry.toml:3:8: error: `kind` is one of `agent`, `service`, `connector`, `pipeline`, `human`, `break-glass`
"#]]);
}
