//! Decides what a GitHub connector may do. See the README for the actions that it knows, their
//! arguments and the settings.

mod action;
mod branches;
mod files;

use action::{Action, Review};
use portcullis_sdk::{Pattern, Policy, PrincipalKind, Request, SettingsError, Verdict, json};
use serde::Deserialize;

/// What a GitHub connector may do.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct GitHub {
    /// `owner/name` patterns.
    repositories: Vec<Pattern>,
    #[serde(default = "default_protected_branches")]
    protected_branches: Vec<Pattern>,
    /// Where an agent's own branches are; `{name}` stands for the last segment of its SPIFFE ID.
    #[serde(default = "default_own_branch_prefix")]
    own_branch_prefix: String,
    /// How many files a push or commit may change.
    #[serde(default = "default_max_files")]
    max_files: u32,
    /// How many bytes of content a push or commit may carry.
    #[serde(default = "default_max_bytes")]
    max_bytes: u64,
    /// How many characters a title, body or comment may have.
    #[serde(default = "default_max_text_length")]
    max_text_length: u32,
    /// Whether every permitted write obliges to tell the owner.
    #[serde(default)]
    notify_on_write: bool,
}

fn default_protected_branches() -> Vec<Pattern> {
    ["main", "master", "release/**"]
        .into_iter()
        .filter_map(|pattern| pattern.parse().ok())
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

impl Policy for GitHub {
    fn validate(&self) -> Result<(), Vec<SettingsError>> {
        let mut errors = Vec::new();
        if self.repositories.is_empty() {
            let message = "needs at least one pattern, such as `acme/*`";
            errors.push(SettingsError::new("/repositories", message));
        }
        if !self.own_branch_prefix.contains("{name}") || !self.own_branch_prefix.ends_with('/') {
            let message = "has `{name}` in it and ends with `/`, as in `agents/{name}/`; otherwise agents would share branches";
            errors.push(SettingsError::new("/own-branch-prefix", message));
        }
        for (key, most) in [
            ("/max-files", u64::from(self.max_files)),
            ("/max-bytes", self.max_bytes),
            ("/max-text-length", u64::from(self.max_text_length)),
        ] {
            if most == 0 {
                errors.push(SettingsError::new(key, "is at least 1"));
            }
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }

    fn evaluate(&self, request: &Request) -> Verdict {
        let name = request.action.name.as_str();
        if action::is_administrative(name) {
            return Verdict::deny()
                .because(
                    "admin-endpoint",
                    format!("`{name}` reaches secrets or administration, which no connector may"),
                )
                .evidence(["/action/name"]);
        }
        let repository = &request.resource.id;
        if !is_repository(repository)
            || !self
                .repositories
                .iter()
                .any(|pattern| pattern.matches(repository))
        {
            return Verdict::deny()
                .because(
                    "repository-not-allowed",
                    format!("`{repository}` is not among the connector's repositories"),
                )
                .evidence(["/resource/id"]);
        }
        let action = match Action::read(request) {
            Ok(Some(action)) => action,
            Ok(None) => {
                return Verdict::not_applicable()
                    .because(
                        "unknown-action",
                        format!("`{name}` is no action that it knows"),
                    )
                    .evidence(["/action/name"]);
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
            Action::Read(read) => Self::refuse_read(read),
            Action::Issue(text) => self.refuse_text(&text.title, &text.body),
            Action::Comment(comment) => self.refuse_text("", &comment.body),
            Action::Review(review) => {
                refuse_approval(request, review).or_else(|| self.refuse_text("", &review.body))
            }
            Action::Push(push) => self
                .refuse_branch_change(request, push)
                .or_else(|| self.refuse_files(request, push)),
            Action::CreateBranch(branch) => self.refuse_new_branch(request, &branch.branch),
            Action::DeleteBranch(branch) => self.refuse_deletion(request, &branch.branch),
            Action::CreatePull(pull) => self
                .refuse_pull(request, pull)
                .or_else(|| self.refuse_text(&pull.title, &pull.body)),
            Action::MergePull(merge) => self.refuse_merge(request, merge),
        }
    }

    fn permit(&self, action: &Action) -> Verdict {
        let because = |code| {
            Verdict::permit()
                .because(
                    code,
                    "within the connector's repositories, branches and sizes",
                )
                .evidence(["/action/name", "/resource/id"])
        };
        if !action.is_write() {
            return because("read-allowed");
        }
        let verdict = because("write-allowed").at_most(1);
        if self.notify_on_write {
            return verdict.oblige("notification", json!({ "to": "owner" }));
        }
        verdict
    }
}

/// Whether the text is an owner's and a repository's name, and nothing that reads as a path.
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

/// An agent that approves would stand in for the person whose approval is asked for.
fn refuse_approval(request: &Request, review: &Review) -> Option<Verdict> {
    (is_agent(request) && !review.event.eq_ignore_ascii_case("comment")).then(|| {
        Verdict::deny()
            .because(
                "no-approval",
                "an agent comments: a person approves or asks for changes",
            )
            .evidence(["/action/arguments/event"])
    })
}

/// Whether the rules for agents hold for the principal: they do unless it is known to be something
/// else.
fn is_agent(request: &Request) -> bool {
    matches!(
        request.principal.kind,
        PrincipalKind::Agent | PrincipalKind::Unspecified
    )
}

portcullis_sdk::export!(GitHub);

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
    fn a_prefix_that_agents_would_share_is_refused() {
        let settings = json!({ "repositories": ["acme/*"], "own-branch-prefix": "agents/" });
        let errors = Plugin::<GitHub>::try_load(settings).unwrap_err();
        assert_eq!(errors[0].path, "/own-branch-prefix");
    }
}
