//! `portcullis registry lint`.

mod common;

use common::Folder;
use serde_json::Value;

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
fn finds_what_should_not_be_as_it_is_and_nothing_else() {
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
        let mut arguments = vec![
            "registry",
            "lint",
            "--now",
            "2026-11-22T00:00:00Z",
            "--owners",
            "owners.txt",
        ];
        arguments.extend_from_slice(more);
        folder.run(&arguments)
    };
    let json = lint(&["--format", "json"]);
    assert_eq!(json.code, 5, "{}", json.err);
    let findings: Vec<Value> = serde_json::from_str(&json.out).unwrap();
    let found: Vec<_> = findings
        .iter()
        .map(|f| {
            let name = f["identity"].as_str().unwrap().rsplit('/').next().unwrap();
            (
                name.to_owned(),
                f["code"].as_str().unwrap().to_owned(),
                f["frameworks"][0].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let expected = [
        ("departed", "owner-departed", "NHI1"),
        ("expired", "expired", "NHI1"),
        ("idle", "without-integration", "NHI1"),
        ("leaky", "token-in-text", "NHI2"),
        ("long", "long-lived-credential", "NHI7"),
        ("person", "human-as-machine", "NHI10"),
        ("secret", "owner-departed", "NHI1"),
        ("secret", "token-in-text", "NHI2"),
    ];
    let expected: Vec<_> = expected
        .map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()))
        .into();
    assert_eq!(found, expected);
    let human = lint(&[]);
    assert!(
        human.err.contains("8 identities, 8 findings"),
        "{}",
        human.err
    );
    assert!(
        !human.out.contains(secret) && !json.out.contains(secret),
        "it is never echoed"
    );

    folder.write("registry.toml", &registry[0]);
    assert_eq!(lint(&[]).code, 0);
    folder.write(
        "registry.toml",
        registry[0].replace("kind = \"agent\"", "kind = \"robot\""),
    );
    let invalid = lint(&[]);
    assert_eq!(invalid.code, 3);
    assert!(
        invalid
            .err
            .contains("registry.toml:3:8: error: `kind` is one of"),
        "{}",
        invalid.err
    );
}
