//! Decides the actions of a GitHub connector.
//!
//! The README describes the supported actions, their arguments and the settings.

mod action;
mod branch_name;
mod branches;
mod files;
mod reads;
mod settings;

use action::{Action, Review};
use portcullis_sdk::{Policy, PrincipalKind, SettingsError, Verdict, json, policy};
use serde::Deserialize;
use settings::{Branches, Repositories};

/// The settings of a GitHub connector.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct GitHub {
    /// Patterns of permitted repositories, as `owner/name`.
    repositories: Vec<Repositories>,
    #[serde(default = "default_protected_branches")]
    protected_branches: Vec<Branches>,
    /// Prefix of an agent's own branches.
    ///
    /// `{name}` stands for the last segment of the agent's SPIFFE ID, `{path}` for its whole path, and
    /// `{trust-domain}` for its trust domain.
    #[serde(default = "default_own_branch_prefix")]
    own_branch_prefix: String,
    /// Maximum number of files that a push or commit may change.
    #[serde(default = "default_max_files")]
    max_files: u32,
    /// Maximum content of a push or commit in bytes.
    #[serde(default = "default_max_bytes")]
    max_bytes: u64,
    /// Maximum length of a title, body or comment in characters.
    #[serde(default = "default_max_text_length")]
    max_text_length: u32,
    /// True if every permitted write carries an obligation to notify the owner.
    #[serde(default)]
    notify_on_write: bool,
}

fn default_protected_branches() -> Vec<Branches> {
    ["main", "master", "release/**"]
        .into_iter()
        .filter_map(|pattern| Branches::try_from(pattern.to_owned()).ok())
        .collect()
}

fn default_own_branch_prefix() -> String {
    "agents/{name}/".to_owned()
}

fn default_max_files() -> u32 {
    100
}

fn default_max_bytes() -> u64 {
    1024 * 1024
}

fn default_max_text_length() -> u32 {
    65_536
}

#[policy]
impl Policy for GitHub {
    fn new(settings: Self) -> Result<Self, Vec<SettingsError>> {
        let mut errors = Vec::new();
        if settings.repositories.is_empty() {
            let message = "needs at least one pattern, such as `acme/*`";
            errors.push(SettingsError::new("/repositories", message));
        }
        let named = settings.own_branch_prefix.contains("{name}");
        if !(named || settings.own_branch_prefix.contains("{path}"))
            || !settings.own_branch_prefix.ends_with('/')
        {
            let message = "has `{name}` or `{path}` in it and ends with `/`, as in `agents/{name}/`; otherwise agents would share branches";
            errors.push(SettingsError::new("/own-branch-prefix", message));
        }
        let mut rest = settings.own_branch_prefix.clone();
        for known in ["{name}", "{path}", "{trust-domain}"] {
            rest = rest.replace(known, "x");
        }
        if rest.contains(['{', '}']) || branch_name::name_of(&format!("{rest}x")).is_none() {
            let message = "is the beginning of a branch's name, with `{name}`, `{path}` and `{trust-domain}` and no other braces";
            errors.push(SettingsError::new("/own-branch-prefix", message));
        }
        for (key, most) in [
            ("/max-files", u64::from(settings.max_files)),
            ("/max-bytes", settings.max_bytes),
            ("/max-text-length", u64::from(settings.max_text_length)),
        ] {
            if most == 0 {
                errors.push(SettingsError::new(key, "is at least 1"));
            }
        }
        if errors.is_empty() {
            Ok(settings)
        } else {
            Err(errors)
        }
    }

    fn evaluate(&self, request: &Request) -> Verdict {
        let name = request.action().name();
        if action::is_administrative(name) {
            return Verdict::deny()
                .because(
                    "admin-endpoint",
                    format!("`{name}` reaches secrets or administration, which no connector may"),
                )
                .fields(["/action/name"]);
        }
        let repository = request.resource().id();
        if is_repository(repository) && !is_canonical(repository) {
            return Verdict::deny()
                .because(
                    "repository-not-canonical",
                    format!(
                        "`{repository}` is another spelling, which GitHub takes for the same repository: send it in lower case and without `.git`, or declare `names = {{ case = \"insensitive\", drop-suffix = \".git\" }}` for the integration"
                    ),
                )
                .fields(["/resource/id"]);
        }
        if !is_repository(repository)
            || !self
                .repositories
                .iter()
                .any(|Repositories(pattern)| pattern.matches(repository))
        {
            return Verdict::deny()
                .because(
                    "repository-not-allowed",
                    format!("`{repository}` is not among the connector's repositories"),
                )
                .fields(["/resource/id"]);
        }
        let action = match Action::read(request) {
            Ok(Some(action)) => action,
            Ok(None) => {
                if let Some(known) = action::known_as(name) {
                    return Verdict::deny()
                        .because(
                            "unknown-action",
                            format!("`{name}` is another spelling of `{known}`: send that"),
                        )
                        .fields(["/action/name"]);
                }
                return Verdict::not_applicable()
                    .because("unknown-action", format!("action `{name}` is unknown"))
                    .fields(["/action/name"]);
            }
            Err(error) => return error.into(),
        };
        match self.refuse(request, &action) {
            Some(refusal) => refusal,
            None => self.permit(&action),
        }
    }
}

impl GitHub {
    fn refuse(&self, request: &Request, action: &Action) -> Option<Verdict> {
        match action {
            Action::Read(arguments) => {
                reads::read(request.action().name()).and_then(|read| read.refuse(arguments))
            }
            Action::Issue(text) => self.refuse_text(&text.title, &text.body),
            Action::Comment(comment) => self.refuse_text("", &comment.body),
            Action::Review(review) => {
                refuse_approval(request, review).or_else(|| self.refuse_text("", &review.body))
            }
            Action::Push(push) => self
                .refuse_branch_change(request, push)
                .or_else(|| self.refuse_files(request, &push.files)),
            Action::CreateBranch(branch) => self.refuse_new_branch(request, branch),
            Action::DeleteBranch(branch) => self.refuse_deletion(request, &branch.branch),
            Action::CreatePull(pull) => self
                .refuse_pull(request, pull)
                .or_else(|| self.refuse_text(&pull.title, &pull.body)),
            Action::MergePull(merge) => self
                .refuse_merge(request, merge)
                .or_else(|| {
                    let (title, message) = (&merge.commit_title, &merge.commit_message);
                    self.refuse_texts([("commit_title", title), ("commit_message", message)])
                })
                .or_else(|| self.refuse_files(request, &merge.files)),
        }
    }

    fn permit(&self, action: &Action) -> Verdict {
        let because = |code| {
            Verdict::permit()
                .because(
                    code,
                    "within the connector's repositories, branches and sizes",
                )
                .fields(["/action/name", "/resource/id"])
        };
        if !action.is_write() {
            return because("read-allowed");
        }
        let verdict = because("write-allowed").at_most(1);
        if self.notify_on_write {
            let body = "a write was permitted in one of the connector's repositories";
            return verdict.oblige("notification", json!({ "to": "owner", "body": body }));
        }
        verdict
    }
}

/// True if the text is `owner/name` and cannot be read as a path.
fn is_repository(id: &str) -> bool {
    let is_name = |name: &str| {
        !matches!(name, "" | "." | "..")
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    };
    id.split_once('/')
        .is_some_and(|(owner, name)| is_name(owner) && is_name(name))
}

/// True if the repository's name is in the spelling that GitHub uses.
///
/// GitHub ignores case and drops `.git`.
fn is_canonical(id: &str) -> bool {
    !id.ends_with(".git") && !id.bytes().any(|b| b.is_ascii_uppercase())
}

/// Denies an agent's review unless it only comments: a person approves.
fn refuse_approval(request: &Request, review: &Review) -> Option<Verdict> {
    (is_agent(request) && !review.event.eq_ignore_ascii_case("comment")).then(|| {
        Verdict::deny()
            .because(
                "no-approval",
                "an agent comments: a person approves or asks for changes",
            )
            .fields(["/action/arguments/event"])
    })
}

/// True if the rules for agents apply: always, unless the principal is known to be another kind.
fn is_agent(request: &Request) -> bool {
    matches!(
        request.principal().kind(),
        PrincipalKind::Agent | PrincipalKind::Unspecified
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_sdk::Effect;
    use portcullis_sdk::testing::{Plugin, RequestBuilder, request};

    fn plugin() -> Plugin<GitHub> {
        Plugin::load(json!({ "repositories": ["acme/*"] }))
    }

    fn by(kind: PrincipalKind, action: &str) -> RequestBuilder {
        request(action)
            .resource("repository", "acme/billing")
            .principal("spiffe://acme.example/ns/dev/agent/fixer", kind)
    }

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
        let request =
            |action: &str, arguments| by(PrincipalKind::Agent, action).arguments(arguments);
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
    fn a_merge_says_which_files_it_changes() {
        let plugin = plugin();
        let merge = |arguments| {
            plugin.evaluate(by(PrincipalKind::Agent, "pulls.merge").arguments(arguments))
        };
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
        let settings = json!({ "repositories": ["acme/*"], "own-branch-prefix": "agents/{trust-domain}/{path}/" });
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
}
