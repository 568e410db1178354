//! Files that a push, a commit or a merge changes.

use super::*;

#[test]
fn another_spelling_of_a_path_hides_no_workflow() {
    let plugin = plugin();
    let push = |files| {
        let arguments = json!({ "branch": "agents/fixer/x", "files": files });
        plugin
            .evaluate(by(PrincipalKind::Agent, "git.push").arguments(arguments))
            .effect()
    };
    let one = |path: &str| push(json!([{ "path": path, "bytes": 1 }]));
    assert_eq!(one("src/.github/workflows/x.yml"), Effect::Permit);
    for path in [
        ".github/workflows/x.yml",
        ".GitHub/Workflows/x.yml",
        ".github/workflows",
        ".github/%77orkflows/x.yml",
        ".github/./workflows/x.yml",
        "a/../.github/workflows/x.yml",
        "/.github/workflows/x.yml",
        ".github\\workflows\\x.yml",
        ".github/dependabot.yaml",
        "CODEOWNERS",
        ".github/workflows/x.yml?a",
    ] {
        assert_eq!(one(path), Effect::Deny, "{path}");
    }
    assert_eq!(push(json!([])), Effect::Indeterminate);
    assert_eq!(
        push(json!([{ "path": "a" }])),
        Effect::Deny,
        "of unknown size"
    );
}

#[test]
fn a_merge_says_which_files_it_changes() {
    let plugin = plugin();
    let merge =
        |arguments| plugin.evaluate(by(PrincipalKind::Agent, "pulls.merge").arguments(arguments));
    let own = "agents/fixer/topic";
    let merged = |files| merge(json!({ "base": own, "number": 9, "files": files }));
    assert_eq!(
        merge(json!({ "base": own, "number": 9 })).effect(),
        Effect::Indeterminate
    );
    assert_eq!(
        merged(json!([{ "path": "src/a.rs", "bytes": 5 }])).effect(),
        Effect::Permit
    );
    let workflow = merged(json!([{ "path": ".github/workflows/ci.yml", "bytes": 5 }]));
    assert!(workflow.has_reason("workflow-edit"));
    let method = json!({ "base": own, "number": 9, "method": "--admin", "files": [{ "path": "a", "bytes": 1 }] });
    assert_eq!(merge(method).effect(), Effect::Deny);
}

#[test]
fn an_agent_edits_nothing_that_git_or_windows_reads_otherwise() {
    let plugin = plugin();
    let push = |path: &str| {
        let files = json!([{ "path": path, "bytes": 1 }]);
        let arguments = json!({ "branch": "agents/fixer/x", "files": files });
        plugin.evaluate(by(PrincipalKind::Agent, "git.push").arguments(arguments))
    };
    for path in [
        ".git/hooks/pre-commit",
        ".GIT/config",
        "sub/.git/config",
        "git~1/config",
        ".gitmodules",
        ".GitModules",
        "GITMOD~1",
        "GITHUB~1/workflows/x",
        ".github/WORKFL~1/x.yml",
    ] {
        assert!(push(path).has_reason("workflow-edit"), "{path}");
    }
    for path in [
        ".gitignore",
        "git/config",
        "a/.gitmodules",
        "x~",
        "notes~1.backup",
        "~1x",
    ] {
        assert_eq!(push(path).effect(), Effect::Permit, "{path}");
    }
}
