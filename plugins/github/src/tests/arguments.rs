//! Actions, repositories and the arguments of a call.

use super::*;

#[test]
fn a_repository_is_a_plain_name() {
    let plugin = plugin();
    let read = |id: &str| {
        plugin
            .evaluate(request("repos.get").resource("repository", id))
            .effect()
    };
    assert_eq!(read("acme/billing"), Effect::Permit);
    for id in [
        "acme/x\\..\\other",
        "acme/billing?x",
        "acme/%2e%2e",
        "acme/..",
        "acme/a/b",
        "acme/",
        "ACME/billing",
        "acme/Billing",
        "acme/billing.git",
        "acme/billing.GIT",
    ] {
        assert_eq!(read(id), Effect::Deny, "{id}");
    }
}

#[test]
fn an_argument_that_is_not_judged_is_not_let_through() {
    let plugin = plugin();
    let pull = json!({ "head": "agents/fixer/x", "base": "main", "head_repo": "other" });
    let request = |action: &str, arguments| by(PrincipalKind::Agent, action).arguments(arguments);
    assert_eq!(
        plugin.evaluate(request("pulls.create", pull)).effect(),
        Effect::Deny
    );
    for (action, arguments) in [
        (
            "issues.get",
            json!({ "number": "17/../../../evil/other/issues/1" }),
        ),
        ("issues.get", json!({ "number": -1 })),
        ("issues.get", json!({ "number": 1.5 })),
        (
            "contents.get",
            json!({ "path": "a", "owner": "evil", "repo": "other" }),
        ),
        ("contents.get", json!({ "path": "--upload-pack=x" })),
        ("contents.get", json!({ "path": "a", "ref": "-x" })),
        ("contents.get", json!({ "path": "a?ref=x" })),
        ("contents.get", json!({ "path": ["a"] })),
        ("contents.get", json!({ "Path": "a" })),
        ("commits.get", json!({ "sha": "main..evil" , "url": "x" })),
        ("commits.get", json!({ "sha": "main^{commit}" })),
        ("pulls.list", json!({ "state": "-all" })),
        ("pulls.list", json!({ "state": "all&head=x" })),
        ("issues.list", json!({ "labels": "bug,--x" })),
        ("repos.get", json!({ "path": "/orgs/acme" })),
    ] {
        let verdict = plugin.evaluate(request(action, arguments.clone()));
        assert_eq!(verdict.effect(), Effect::Deny, "{action} {arguments}");
    }
    for (action, arguments) in [
        ("issues.get", json!({ "number": 17 })),
        (
            "contents.get",
            json!({ "path": ".github/workflows/ci.yml", "ref": "release/1.2" }),
        ),
        (
            "commits.list",
            json!({ "sha": "main", "since": "2026-11-01T00:00:00Z", "per_page": 50 }),
        ),
        (
            "issues.list",
            json!({ "labels": ["good first issue", "area:api"], "state": "open" }),
        ),
        ("pulls.files", json!({ "number": 3, "page": 2 })),
    ] {
        let verdict = plugin.evaluate(request(action, arguments.clone()));
        assert_eq!(verdict.effect(), Effect::Permit, "{action} {arguments}");
    }
    let escape = json!({ "path": "../actions/secrets" });
    assert_eq!(
        plugin.evaluate(request("contents.get", escape)).effect(),
        Effect::Deny
    );
    let approve = json!({ "event": "APPROVE", "body": "fine" });
    assert!(
        plugin
            .evaluate(request("pulls.review", approve))
            .has_reason("no-approval")
    );
    let comment = json!({ "event": "COMMENT", "body": "fine" });
    assert_eq!(
        plugin.evaluate(request("pulls.review", comment)).effect(),
        Effect::Permit
    );
}

#[test]
fn administration_is_refused_however_it_is_spelled() {
    let plugin = plugin();
    for action in [
        "secrets.list",
        "Secrets.list",
        "actions.secrets.get",
        "deploy_keys.create",
        "repos.Delete",
        "webhooks.create",
    ] {
        let verdict = plugin.evaluate(by(PrincipalKind::Human, action));
        assert!(verdict.has_reason("admin-endpoint"), "{action}");
    }
}

#[test]
fn another_spelling_of_an_action_is_denied() {
    let plugin = plugin();
    for action in [
        "Git.Push",
        "git_push",
        "git/push",
        "git-push",
        ".git.push",
        "git..push",
        "gitPush",
        "contents.PUT",
        "pulls.Merge",
        "Repos.Get",
    ] {
        let verdict = plugin.evaluate(by(PrincipalKind::Pipeline, action));
        assert_eq!(verdict.effect(), Effect::Deny, "{action}");
        assert!(verdict.has_reason("unknown-action"), "{action}");
    }
    for action in [
        "secrets/list",
        "hooks/create",
        "/repos.delete",
        "repos..delete",
        "repos_delete",
        "repos-delete",
        "actionsSecrets.list",
        "deployKeys.create",
        "branchProtection.delete",
        "repository.delete",
        "repos.archive",
        "repos.rename",
        "delete_repository",
    ] {
        let verdict = plugin.evaluate(by(PrincipalKind::Human, action));
        assert!(verdict.has_reason("admin-endpoint"), "{action}");
    }
    for action in ["releases.list", "search.code", "repos.topics", "git.pushes"] {
        let verdict = plugin.evaluate(by(PrincipalKind::Human, action));
        assert_eq!(verdict.effect(), Effect::NotApplicable, "{action}");
    }
}

#[test]
fn an_argument_of_another_shape_is_refused() {
    let plugin = plugin();
    let zeros = "0".repeat(40);
    for (action, arguments) in [
        (
            "git.push",
            json!({ "branch": "topic", "files": [["a", 1]] }),
        ),
        (
            "git.push",
            json!({ "branch": "topic", "files": [{ "path": "a", "bytes": 1, "mode": 1 }] }),
        ),
        (
            "git.push",
            json!({ "branch": "topic", "files": [{ "path": "a", "bytes": "1" }] }),
        ),
        ("issues.update", json!({ "state": { "closed": null } })),
        ("issues.update", json!({ "state": "Closed" })),
        (
            "pulls.merge",
            json!({ "base": "main", "number": 9, "method": { "merge": null },
            "files": [{ "path": "a", "bytes": 1 }] }),
        ),
        (
            "branches.create",
            json!({ "branch": "topic", "sha": zeros }),
        ),
    ] {
        let verdict =
            plugin.evaluate(by(PrincipalKind::Pipeline, action).arguments(arguments.clone()));
        assert_eq!(verdict.effect(), Effect::Deny, "{action} {arguments}");
    }
    for (action, arguments) in [
        ("issues.update", json!({ "state": "closed", "number": 1 })),
        ("issues.update", json!({ "state": null })),
        (
            "pulls.merge",
            json!({ "base": "main", "number": 9, "method": "squash",
            "files": [{ "path": "a", "bytes": 1 }] }),
        ),
    ] {
        let verdict =
            plugin.evaluate(by(PrincipalKind::Pipeline, action).arguments(arguments.clone()));
        assert_eq!(verdict.effect(), Effect::Permit, "{action} {arguments}");
    }
}

#[test]
fn what_github_documents_is_not_refused() {
    let plugin = plugin();
    let id = "0a".repeat(20);
    let files = json!([{ "path": "a", "bytes": 1 }]);
    for (action, arguments) in [
        ("pulls.list", json!({ "head": "acme:topic/x" })),
        (
            "checks.list",
            json!({ "check_name": "build (ubuntu-latest)" }),
        ),
        (
            "issues.list",
            json!({ "creator": "dependabot[bot]", "assignee": "*", "milestone": "*" }),
        ),
        ("commits.list", json!({ "author": "a@b.example" })),
        (
            "issues.list",
            json!({ "labels": ["c#", "100%", "good first issue"] }),
        ),
        (
            "contents.get",
            json!({ "path": "", "ref": "dependabot/npm/@types/node-1" }),
        ),
        ("contents.get", json!({ "path": "/" })),
        (
            "issues.update",
            json!({ "number": 1, "state_reason": "not_planned", "milestone": 2 }),
        ),
        (
            "pulls.comment",
            json!({ "number": 1, "body": "b", "in_reply_to": 7 }),
        ),
        (
            "pulls.create",
            json!({ "head": "t", "base": "main", "maintainer_can_modify": true }),
        ),
        (
            "pulls.merge",
            json!({ "base": "main", "number": 9, "files": files, "sha": id,
            "commit_title": "t" }),
        ),
        (
            "contents.put",
            json!({ "branch": "t", "files": files, "sha": id }),
        ),
    ] {
        let verdict =
            plugin.evaluate(by(PrincipalKind::Human, action).arguments(arguments.clone()));
        assert_eq!(verdict.effect(), Effect::Permit, "{action} {arguments}");
    }
    for (action, arguments) in [
        ("pulls.list", json!({ "head": "acme:a:b" })),
        ("pulls.list", json!({ "head": "acme/x:b" })),
        ("issues.list", json!({ "creator": "-x" })),
        ("issues.list", json!({ "creator": "[bot]" })),
        ("issues.list", json!({ "milestone": "all" })),
        ("issues.list", json!({ "labels": "a%26head=x" })),
        ("contents.get", json!({ "path": "//" })),
        ("contents.get", json!({ "path": "a", "ref": "@" })),
        ("contents.get", json!({ "path": "a", "ref": "x@{1}" })),
        ("issues.update", json!({ "state_reason": "because" })),
        (
            "pulls.merge",
            json!({ "base": "main", "number": 9, "files": files, "sha": "main" }),
        ),
        (
            "pulls.merge",
            json!({ "base": "main", "number": 9, "files": files,
            "commit_message": "x".repeat(70_000) }),
        ),
        (
            "git.push",
            json!({ "branch": "t", "files": files, "sha": id }),
        ),
    ] {
        let verdict =
            plugin.evaluate(by(PrincipalKind::Human, action).arguments(arguments.clone()));
        assert_eq!(verdict.effect(), Effect::Deny, "{action} {arguments}");
    }
}
