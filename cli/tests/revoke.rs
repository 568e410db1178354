//! `portcullis revoke`: what is revoked is denied, at once.

mod common;

use common::{Folder, request};

#[test]
fn what_is_revoked_is_denied_and_the_rest_is_not() {
    let folder = Folder::with_plugins();
    let config = std::fs::read_to_string(folder.path().join("portcullis.toml")).unwrap();
    let list = "[revocation]\npath = \"revocations.jsonl\"\nmax-staleness = \"1h\"\n";
    // A key of the top level comes before the first table.
    let (limits, integrations) = config.split_once("\n\n").unwrap();
    folder.write(
        "portcullis.toml",
        format!("{limits}\n\n{list}\n{integrations}"),
    );

    let missing = folder.run(&["check"]);
    assert_eq!(missing.code, 3);
    assert!(
        missing.err.contains("portcullis revoke --checkpoint"),
        "{}",
        missing.err
    );

    assert_eq!(folder.run(&["revoke", "--checkpoint"]).code, 0);
    let ask = |credential: &str| {
        let id = "\"id\":\"spiffe://a.example/x\"";
        let with = format!("{id},\"properties\":{{\"credential-id\":\"{credential}\"}}");
        folder.run_with(
            &["evaluate"],
            &request("files", "read", "/w/a").replace(id, &with),
        )
    };
    assert_eq!(ask("jti-1").code, 0);
    let revoked = folder.run(&[
        "revoke",
        "credential",
        "jti-1",
        "--reason",
        "leaked",
        "--by",
        "alice@acme.example",
    ]);
    assert_eq!(revoked.code, 0, "{}", revoked.err);
    assert!(revoked.out.contains("\"epoch\":1"), "{}", revoked.out);
    let denied = ask("jti-1");
    assert_eq!(denied.code, 2);
    assert!(
        denied.out.contains("revoked by alice@acme.example: leaked"),
        "{}",
        denied.out
    );
    assert_eq!(ask("jti-2").code, 0);
}

#[test]
fn a_revocation_says_what_and_why() {
    let folder = Folder::new();
    for arguments in [
        vec!["revoke"],
        vec!["revoke", "credential"],
        vec!["revoke", "credential", "jti-1"],
        vec!["revoke", "credential", "jti-1", "--reason", "leaked"],
        vec!["revoke", "--checkpoint", "credential", "jti-1"],
    ] {
        assert_eq!(folder.run(&arguments).code, 1, "{arguments:?}");
    }
    assert!(!folder.path().join("revocations.jsonl").exists());
    folder.write("revocations.jsonl", "not a list\n");
    let refused = folder.run(&["revoke", "--checkpoint"]);
    assert_eq!(refused.code, 3);
    assert!(refused.err.contains("line 1"), "{}", refused.err);
}
