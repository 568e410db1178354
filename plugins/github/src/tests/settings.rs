//! Settings that are refused when they are loaded.

use super::*;

#[test]
fn settings_are_read_as_requests_are() {
    let push = |protected: &str, branch: &str| {
        let settings = json!({ "repositories": ["Acme/*"], "protected-branches": [protected] });
        let arguments =
            json!({ "branch": branch, "files": [{ "path": "a", "bytes": 1 }], "force": true });
        let request = by(PrincipalKind::Pipeline, "git.push").arguments(arguments);
        Plugin::<GitHub>::load(settings).evaluate(request).effect()
    };
    for (protected, branch) in [
        ("refs/heads/main", "main"),
        ("main", "refs/heads/main"),
        ("main", "Main"),
        ("refs/heads/release/**", "release/1"),
    ] {
        assert_eq!(
            push(protected, branch),
            Effect::Deny,
            "{protected} {branch}"
        );
    }
    assert_eq!(push("refs/heads/main", "topic"), Effect::Permit);
    for settings in [
        json!({ "repositories": ["https://github.com/acme/x"] }),
        json!({ "repositories": ["git@github.com:acme/x.git"] }),
        json!({ "repositories": ["github.com/acme/x"] }),
        json!({ "repositories": ["acme/x.git"] }),
        json!({ "repositories": ["acme"] }),
        json!({ "repositories": ["acme/"] }),
        json!({ "repositories": ["**"] }),
        json!({ "repositories": ["*/*"] }),
        json!({ "repositories": ["acme/[a-z]*"] }),
        json!({ "repositories": ["^acme/.*$"] }),
        json!({ "repositories": ["acme/*"], "protected-branches": ["refs/tags/v*"] }),
        json!({ "repositories": ["acme/*"], "protected-branches": ["^main$"] }),
        json!({ "repositories": ["acme/*"], "protected-branches": ["release/"] }),
        json!({ "repositories": ["acme/*"], "own-branch-prefix": "agents/{user}/{name}/" }),
        json!({ "repositories": ["acme/*"], "own-branch-prefix": "refs/heads/x {name}/" }),
    ] {
        assert!(
            Plugin::<GitHub>::try_load(settings.clone()).is_err(),
            "{settings}"
        );
    }
}

#[test]
fn a_prefix_that_agents_would_share_is_refused() {
    let settings = json!({ "repositories": ["acme/*"], "own-branch-prefix": "agents/" });
    let errors = Plugin::<GitHub>::try_load(settings).unwrap_err();
    assert_eq!(errors[0].path, "/own-branch-prefix");
}

#[test]
fn a_setting_that_no_branch_and_no_repository_is_called_by_is_refused() {
    let load = |key: &str, pattern: &str| {
        let mut settings = json!({ "repositories": ["acme/*"] });
        settings[key] = json!([pattern]);
        Plugin::<GitHub>::try_load(settings)
    };
    for pattern in [
        "./main",
        "../main",
        "main;x",
        "main#x",
        "main,master",
        "(main)",
        "REFS/HEADS/main",
        "Refs/heads/main",
        "Heads/main",
        "refs/heads/refs/heads/main",
        "origin/main",
        "HEAD",
        "head",
        "FETCH_HEAD",
        "@",
        "$default-branch",
        "<default>",
        "release//x",
        "main..x",
        "main.lock",
        "*.lock",
        ".main",
        "a/.*",
        "main ",
        "main@{1}",
        "",
    ] {
        let errors = load("protected-branches", pattern).unwrap_err();
        assert_eq!(errors[0].path, "/protected-branches/0", "{pattern}");
    }
    for pattern in [
        "main",
        "refs/heads/main",
        "release/**",
        "release-*",
        "v1.*",
        "größe",
        "dependabot/npm/@types/*",
        "**",
    ] {
        assert!(load("protected-branches", pattern).is_ok(), "{pattern}");
    }
    for pattern in [
        "api.github.com/x",
        "gh:acme/x",
        "github:acme/x",
        "acme/x:main",
        "acme/x#main",
        "acme/%78",
        "acme/(x)",
        "acme/<x>",
        "acme/größe",
        "acme/x y",
        "acme/..",
    ] {
        let errors = load("repositories", pattern).unwrap_err();
        assert_eq!(errors[0].path, "/repositories/0", "{pattern}");
    }
    for pattern in [
        "acme/*",
        "Acme/x",
        "acme/.github",
        "acme-2/x_y-*",
        "acme/**",
    ] {
        assert!(load("repositories", pattern).is_ok(), "{pattern}");
    }
}
