//! The actions that the plugin knows, with their arguments.
//!
//! Every argument is known and judged; one that is not known is refused, since the connector might pass
//! it on.

use crate::reads;
use portcullis_sdk::{ArgumentsError, Json, Request};
use serde::Deserialize;

/// An action and its arguments.
pub(crate) enum Action {
    Read(Json),
    Issue(Issue),
    Comment(Comment),
    Review(Review),
    Push(Push),
    CreateBranch(Branch),
    DeleteBranch(DeletedBranch),
    CreatePull(Pull),
    MergePull(Merge),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "what is known but decides nothing is read to refuse the unknown"
)]
pub(crate) struct Issue {
    #[serde(default)]
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) body: String,
    number: Option<u64>,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    assignees: Vec<String>,
    state: Option<State>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Open,
    Closed,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "as above")]
pub(crate) struct Comment {
    pub(crate) body: String,
    number: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "as above")]
pub(crate) struct Review {
    #[serde(default)]
    pub(crate) body: String,
    /// `COMMENT`, `APPROVE` or `REQUEST_CHANGES`.
    pub(crate) event: String,
    number: Option<u64>,
}

/// A push, or a commit through the API.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "as above")]
pub(crate) struct Push {
    pub(crate) branch: String,
    #[serde(default)]
    pub(crate) force: bool,
    /// The files that it changes. Without them, nobody can say what it does.
    #[serde(default)]
    pub(crate) files: Vec<ChangedFile>,
    message: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangedFile {
    pub(crate) path: String,
    pub(crate) bytes: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Branch {
    pub(crate) branch: String,
    /// The commit that the new branch begins at, by its id: a name could mean another one by then.
    pub(crate) sha: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeletedBranch {
    pub(crate) branch: String,
}

/// A pull request to open.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "as above")]
pub(crate) struct Pull {
    /// The branch that is to be merged, of the same repository.
    pub(crate) head: String,
    pub(crate) base: String,
    #[serde(default)]
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) body: String,
    draft: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "as above")]
pub(crate) struct Merge {
    pub(crate) base: String,
    number: u64,
    method: Option<MergeMethod>,
    /// The files that the merge changes. Without them, nobody can say what it does.
    #[serde(default)]
    pub(crate) files: Vec<ChangedFile>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum MergeMethod {
    Merge,
    Squash,
    Rebase,
}

/// Parts of an action's name that mean secrets or administration.
const ADMINISTRATIVE: [&str; 20] = [
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
    "members",
    "orgs",
    "rulesets",
    "runners",
    "secrets",
    "teams",
    "variables",
    "webhooks",
];

/// Whether the action reaches secrets or administration, however its name is spelled.
pub(crate) fn is_administrative(name: &str) -> bool {
    let name = name.to_lowercase().replace('_', "-");
    name.split('.').any(|part| ADMINISTRATIVE.contains(&part))
        || matches!(
            name.as_str(),
            "repos.create" | "repos.delete" | "repos.transfer" | "repos.update"
        )
}

impl Action {
    /// The request's action, if it is one that the plugin knows.
    pub(crate) fn read(request: &Request) -> Result<Option<Self>, ArgumentsError> {
        Ok(Some(match request.action.name.as_str() {
            name if reads::read(name).is_some() => Self::Read(request.arguments()?),
            "issues.create" | "issues.update" => Self::Issue(request.arguments()?),
            "issues.comment" | "pulls.comment" => Self::Comment(request.arguments()?),
            "pulls.review" => Self::Review(request.arguments()?),
            "git.push" | "contents.put" => Self::Push(request.arguments()?),
            "branches.create" => Self::CreateBranch(request.arguments()?),
            "branches.delete" => Self::DeleteBranch(request.arguments()?),
            "pulls.create" => Self::CreatePull(request.arguments()?),
            "pulls.merge" => Self::MergePull(request.arguments()?),
            _ => return Ok(None),
        }))
    }

    pub(crate) fn is_write(&self) -> bool {
        !matches!(self, Self::Read(_))
    }
}
