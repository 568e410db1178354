//! Follows `docs/writing-a-plugin.md` exactly: a new plugin, tested, built and tried.

use crate::common::Folder;
use portcullis_tests::root;
use snapbox::str;
use std::fs;
use std::process::Command;

/// Returns the page's code blocks in a language, in order.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    page.split(&fence)
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

#[test]
fn builds_and_runs_the_plugin_of_the_guide() {
    let page = fs::read_to_string(root().join("docs/writing-a-plugin.md")).unwrap();
    let (toml, rust, json) = (
        blocks(&page, "toml"),
        blocks(&page, "rust"),
        blocks(&page, "json"),
    );
    let policy = &rust[0];
    assert!(
        policy
            .lines()
            .filter(|line| !line.trim().is_empty())
            .count()
            <= 15,
        "{policy}"
    );

    let folder = Folder::new();
    let sdk = root().join("guest-sdk");
    let sdk = sdk.display().to_string().replace('\\', "/");
    let cargo_toml = toml[0].replace("../portcullis/guest-sdk", &sdk);
    assert_ne!(cargo_toml, toml[0]);
    folder.write("Cargo.toml", cargo_toml);
    folder.write("plugin.toml", &toml[1]);
    folder.write("src/lib.rs", format!("{policy}\n{}", rust[1]));
    folder.write("portcullis.toml", &toml[2]);
    folder.write("request.json", &json[0]);
    // The same versions as in this workspace, which are downloaded already.
    fs::copy(root().join("Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();

    let tested = Command::new(env!("CARGO"))
        .args(["test", "--quiet"])
        .current_dir(folder.path())
        .env("CARGO_TARGET_DIR", portcullis_tests::target_of_others())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&tested.stdout);
    assert!(
        tested.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&tested.stderr)
    );
    // The text belongs to Cargo.
    assert!(said.contains("1 passed"), "{said}");

    // The build shows the output of Cargo, which differs between machines.
    folder.run(&["build"]).exits(0);
    folder.run(&["inspect", "repositories.wasm"]).exits(0);
    folder
        .run(&["evaluate", "--request", "request.json", "--explain"])
        .is(str![[r#"
exit 0
-- stdout
PERMIT  github: push on acme/billing  [DURATION]
  cause     permitted
  check     pass integration: `github` is configured; its action `push` is unclassified
  check     pass plugin repositories: repositories [VERSION], given resource.id, answered permit because of repository-allowed: `acme/*` allows it; it took [DURATION] of 10ms and 192 of 16384 KiB
  check     pass grant: until [TIME], for any number of uses
  n/a       registry, attestation, environment, credential, instance, workload, revocation, intent, tier, destination, required-checks, answers, obligations, constraints
  reason    repositories repository-allowed: `acme/*` allows it
  grant     until [TIME]
  plugin    repositories [VERSION]: permit  [DURATION], 192 KiB, sha256:[DIGEST]
"#]]);
    let other = json[0].replace("acme/billing", "evil/billing");
    folder.run_with(&["evaluate"], &other).is(str![[r#"
exit 2
-- stdout
DENY  github: push on evil/billing  [DURATION]
  cause     plugin-denied
  reason    repositories repository-not-allowed: no pattern allows it
  to change plugin `repositories` denies, and no other can overrule it: see its reasons
  plugin    repositories [VERSION]: deny  [DURATION], 192 KiB, sha256:[DIGEST]
"#]]);
}
