//! The actions that the plugin knows, with their arguments.

use portcullis_sdk::{ArgumentsError, Request};
use serde::Deserialize;

/// An action and its arguments.
pub(crate) enum Action {
    Read,
    CreateIssue(Text),
    Comment(Text),
    Push(Push),
    CreateBranch(Branch),
    DeleteBranch(Branch),
    CreatePull(Pull),
    MergePull(Merge),
}

/// What people read of an issue, a pull request or a comment.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Text {
    #[serde(default)]
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) body: String,
}

/// A push, or a commit through the API.
#[derive(Debug, Deserialize)]
pub(crate) struct Push {
    pub(crate) branch: String,
    #[serde(default)]
    pub(crate) force: bool,
    /// The files that it changes. Without them, nobody can say what it does.
    pub(crate) files: Option<Vec<ChangedFile>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ChangedFile {
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) bytes: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Branch {
    pub(crate) branch: String,
}

/// A pull request to open.
#[derive(Debug, Deserialize)]
pub(crate) struct Pull {
    /// The branch that is to be merged; `owner:branch` where it is in a fork.
    pub(crate) head: String,
    pub(crate) base: String,
    #[serde(flatten)]
    pub(crate) text: Text,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Merge {
    pub(crate) base: String,
}

/// Parts of an action's name, before the first `.`, that reach secrets or administration.
const ADMINISTRATIVE: [&str; 18] = [
    "actions-permissions",
    "actions-secrets",
    "apps",
    "branch-protection",
    "codespaces-secrets",
    "collaborators",
    "dependabot-secrets",
    "deploy-keys",
    "environments",
    "hooks",
    "invitations",
    "keys",
    "orgs",
    "rulesets",
    "runners",
    "secrets",
    "teams",
    "variables",
];

/// Whether the action reaches secrets or administration.
pub(crate) fn is_administrative(name: &str) -> bool {
    let area = name.split('.').next().unwrap_or_default();
    ADMINISTRATIVE.contains(&area)
        || matches!(name, "repos.create" | "repos.delete" | "repos.transfer" | "repos.update")
}

impl Action {
    /// The request's action, if it is one that the plugin knows.
    pub(crate) fn read(request: &Request) -> Result<Option<Self>, ArgumentsError> {
        Ok(Some(match request.action.name.as_str() {
            "repos.get" | "contents.get" | "branches.get" | "branches.list" | "commits.get"
            | "commits.list" | "issues.get" | "issues.list" | "pulls.get" | "pulls.list"
            | "pulls.files" | "checks.list" | "search.code" => Self::Read,
            "issues.create" | "issues.update" => Self::CreateIssue(request.arguments()?),
            "issues.comment" | "pulls.comment" | "pulls.review" => {
                Self::Comment(request.arguments()?)
            }
            "git.push" | "contents.put" => Self::Push(request.arguments()?),
            "branches.create" => Self::CreateBranch(request.arguments()?),
            "branches.delete" => Self::DeleteBranch(request.arguments()?),
            "pulls.create" => Self::CreatePull(request.arguments()?),
            "pulls.merge" => Self::MergePull(request.arguments()?),
            _ => return Ok(None),
        }))
    }

    pub(crate) fn is_write(&self) -> bool {
        !matches!(self, Self::Read)
    }
}
