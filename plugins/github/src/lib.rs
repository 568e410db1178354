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
mod tests;
