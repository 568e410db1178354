//! Protected branches, and an agent's own.

use super::*;

#[test]
fn who_is_not_known_is_treated_as_an_agent() {
    let plugin = plugin();
    let push = |kind| {
        let files = json!([{ "path": ".github/workflows/ci.yml", "bytes": 10 }]);
        let arguments = json!({ "branch": "agents/fixer/x", "files": files });
        plugin
            .evaluate(by(kind, "git.push").arguments(arguments))
            .effect()
    };
    assert_eq!(push(PrincipalKind::Agent), Effect::Deny);
    assert_eq!(push(PrincipalKind::Unspecified), Effect::Deny);
    assert_eq!(push(PrincipalKind::Pipeline), Effect::Permit);
}

#[test]
fn own_branches_are_told_by_the_last_segment_of_the_identity() {
    let plugin = plugin();
    let pull = |head: &str| {
        let arguments = json!({ "head": head, "base": "main", "title": "t" });
        let request = by(PrincipalKind::Agent, "pulls.create").arguments(arguments);
        plugin.evaluate(request).effect()
    };
    assert_eq!(pull("agents/fixer/topic"), Effect::Permit);
    for head in [
        "agents/other/topic",
        "agents/fixer",
        "agents/fixer/",
        "main",
        "agents/fixer/../other/x",
        "evil:agents/fixer/topic",
        "agents/fixer2/topic",
        "refs/heads/agents/other/x",
    ] {
        assert_eq!(pull(head), Effect::Deny, "{head}");
    }
}

#[test]
fn another_spelling_of_a_protected_branch_is_no_branch() {
    let plugin = plugin();
    let push = |branch: &str| {
        let arguments = json!({ "branch": branch, "files": [{ "path": "a", "bytes": 1 }] });
        plugin
            .evaluate(by(PrincipalKind::Pipeline, "git.push").arguments(arguments))
            .effect()
    };
    assert_eq!(push("topic"), Effect::Permit);
    for branch in [
        "main",
        "refs/heads/main",
        "+main",
        "+refs/heads/main",
        "heads/main",
        "main#x",
        "@",
        "tags/v1",
        "refs/tags/v1",
        "HEAD",
        "x/../main",
        "main;x",
        "main?x",
        "origin:main",
        "-f",
        "main ",
    ] {
        assert_eq!(push(branch), Effect::Deny, "{branch}");
    }
}

#[test]
fn a_branch_begins_at_a_commit() {
    let plugin = plugin();
    let create = |sha: &str| {
        let arguments = json!({ "branch": "agents/fixer/x", "sha": sha });
        plugin
            .evaluate(by(PrincipalKind::Agent, "branches.create").arguments(arguments))
            .effect()
    };
    assert_eq!(create(&"0a".repeat(20)), Effect::Permit);
    assert_eq!(create(&"0a".repeat(32)), Effect::Permit);
    for sha in [
        "main",
        "evil/other:main",
        "0a0a0a0",
        "refs/pull/9/head",
        "HEAD~1",
        "",
    ] {
        assert_eq!(create(sha), Effect::Deny, "{sha}");
    }
    let without = json!({ "branch": "agents/fixer/x" });
    let request = by(PrincipalKind::Agent, "branches.create").arguments(without);
    assert_eq!(plugin.evaluate(request).effect(), Effect::Deny);
}

#[test]
fn an_own_branch_can_be_told_by_the_whole_identity() {
    let settings =
        json!({ "repositories": ["acme/*"], "own-branch-prefix": "agents/{trust-domain}/{path}/" });
    let plugin = Plugin::<GitHub>::load(settings);
    let push = |id: &str, branch: &str| {
        let files = json!([{ "path": "a", "bytes": 1 }]);
        let arguments = json!({ "branch": branch, "files": files });
        let request = request("git.push").resource("repository", "acme/billing");
        plugin
            .evaluate(
                request
                    .principal(id, PrincipalKind::Agent)
                    .arguments(arguments),
            )
            .effect()
    };
    let fixer = "spiffe://acme.example/agent/fixer";
    assert_eq!(
        push(fixer, "agents/acme.example/agent+fixer/x"),
        Effect::Permit
    );
    for id in [
        "spiffe://partner.example/agent/fixer",
        "spiffe://acme.example/ns/dev/agent/fixer",
        "spiffe://acme.example/agent",
        "fixer",
    ] {
        assert_eq!(
            push(id, "agents/acme.example/agent+fixer/x"),
            Effect::Deny,
            "{id}"
        );
    }
}

#[test]
fn a_branch_that_git_has_not_is_refused() {
    let plugin = plugin();
    let push = |branch: &str| {
        let arguments = json!({ "branch": branch, "files": [{ "path": "a", "bytes": 1 }] });
        plugin.evaluate(by(PrincipalKind::Pipeline, "git.push").arguments(arguments))
    };
    for branch in [
        "REFS/HEADS/main",
        "Refs/Heads/main",
        "Heads/main",
        "origin/main",
        "main.lock",
        "main.LOCK",
        "t..main",
        ".main",
        "a/.main",
        "x.lock/y",
        "head",
        "Head",
        "FETCH_HEAD",
        "a@{1}",
        "a\\b",
        "a\u{7f}",
    ] {
        assert!(push(branch).has_reason("branch-invalid"), "{branch}");
    }
    for branch in [
        "topic",
        "t.main",
        "lock",
        "a/b.locks",
        "headers",
        "a/ahead",
        "feat(x),y",
    ] {
        assert_eq!(push(branch).effect(), Effect::Permit, "{branch}");
    }
}

#[test]
fn a_branch_that_is_protected_is_nobodys_own() {
    let settings = json!({ "repositories": ["acme/*"],
        "protected-branches": ["main", "agents/fixer/release/**"] });
    let plugin = Plugin::<GitHub>::load(settings);
    let merge = |kind, base: &str| {
        let files = json!([{ "path": "a", "bytes": 1 }]);
        let arguments = json!({ "base": base, "number": 9, "files": files });
        plugin.evaluate(by(kind, "pulls.merge").arguments(arguments))
    };
    for base in [
        "agents/fixer/release/x",
        "agents/fixer/release/1/2",
        "main",
        "Main",
    ] {
        let verdict = merge(PrincipalKind::Agent, base);
        assert!(verdict.has_reason("branch-protected"), "{base}");
    }
    assert_eq!(
        merge(PrincipalKind::Agent, "agents/fixer/x").effect(),
        Effect::Permit
    );
    assert_eq!(merge(PrincipalKind::Human, "main").effect(), Effect::Permit);
}

#[test]
fn an_agent_without_a_spiffe_id_has_no_branches() {
    let plugin = plugin();
    let push = |id: &str| {
        let files = json!([{ "path": "a", "bytes": 1 }]);
        let arguments = json!({ "branch": "agents/fixer/x", "files": files });
        let request = request("git.push").resource("repository", "acme/billing");
        let request = request.principal(id, PrincipalKind::Agent);
        plugin.evaluate(request.arguments(arguments))
    };
    for id in [
        "fixer",
        "https://evil.example/fixer",
        "SPIFFE://acme.example/fixer",
        "spiffe://fixer",
        "agents/fixer",
    ] {
        assert!(push(id).has_reason("not-own-branch"), "{id}");
    }
    assert_eq!(push("spiffe://acme.example/fixer").effect(), Effect::Permit);
}
