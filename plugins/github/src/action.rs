//! The actions that the plugin knows, with their arguments.
//!
//! Every argument is known and judged; one that is not known is refused, since the connector might pass
//! it on.

use crate::reads;
use portcullis_sdk::{ArgumentsError, Json, Request, name};
use serde::Deserialize;
use std::collections::BTreeMap;

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
    state_reason: Option<Reason>,
    milestone: Option<u64>,
}

/// `open` or `closed`.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct State;

impl TryFrom<String> for State {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        one_of(&text, &["open", "closed"]).map(|()| Self)
    }
}

/// Why an issue is closed, or open again.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Reason;

impl TryFrom<String> for Reason {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let words = ["completed", "duplicate", "not_planned", "reopened"];
        one_of(&text, &words).map(|()| Self)
    }
}

/// Refuses all but the listed words. An enum would be read from an object as well.
fn one_of(text: &str, words: &[&str]) -> Result<(), String> {
    match words.contains(&text) {
        true => Ok(()),
        false => Err(format!("`{text}` is none of `{}`", words.join("`, `"))),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "as above")]
pub(crate) struct Comment {
    pub(crate) body: String,
    number: Option<u64>,
    /// The comment on a pull request that it answers.
    in_reply_to: Option<u64>,
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
    /// The content that `contents.put` replaces, by its id.
    pub(crate) sha: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "BTreeMap<String, Json>")]
pub(crate) struct ChangedFile {
    pub(crate) path: String,
    pub(crate) bytes: u64,
}

impl TryFrom<BTreeMap<String, Json>> for ChangedFile {
    type Error = &'static str;

    /// From an object: a derived reader takes a list as well.
    fn try_from(mut members: BTreeMap<String, Json>) -> Result<Self, &'static str> {
        let (path, bytes) = (members.remove("path"), members.remove("bytes"));
        match (path, bytes.as_ref().and_then(Json::as_u64)) {
            (Some(Json::String(path)), Some(bytes)) if members.is_empty() => {
                Ok(Self { path, bytes })
            }
            _ => Err("a file is an object of a text `path` and a whole number `bytes`"),
        }
    }
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
    maintainer_can_modify: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "as above")]
pub(crate) struct Merge {
    pub(crate) base: String,
    number: u64,
    method: Option<MergeMethod>,
    /// The commit that was judged, by its id: GitHub merges no other.
    pub(crate) sha: Option<String>,
    #[serde(default)]
    pub(crate) commit_title: String,
    #[serde(default)]
    pub(crate) commit_message: String,
    /// The files that the merge changes. Without them, nobody can say what it does.
    #[serde(default)]
    pub(crate) files: Vec<ChangedFile>,
}

/// `merge`, `squash` or `rebase`.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct MergeMethod;

impl TryFrom<String> for MergeMethod {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        one_of(&text, &["merge", "squash", "rebase"]).map(|()| Self)
    }
}

/// Parts of an action's name that mean secrets or administration, without what is between words.
const ADMINISTRATIVE: [&str; 20] = [
    "actionspermissions",
    "actionssecrets",
    "apps",
    "branchprotection",
    "codespacessecrets",
    "collaborators",
    "dependabotsecrets",
    "deploykeys",
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

/// What an action on the whole repository does, where it is administration.
const ON_REPOSITORIES: [&str; 9] = [
    "archive",
    "create",
    "delete",
    "fork",
    "rename",
    "transfer",
    "unarchive",
    "update",
    "visibility",
];

/// The actions that change something.
const WRITES: [&str; 11] = [
    "branches.create",
    "branches.delete",
    "contents.put",
    "git.push",
    "issues.comment",
    "issues.create",
    "issues.update",
    "pulls.comment",
    "pulls.create",
    "pulls.merge",
    "pulls.review",
];

/// Whether the action reaches secrets or administration, however its name is spelled.
pub(crate) fn is_administrative(name: &str) -> bool {
    let words = words(name);
    let pairs = words.windows(2).map(<[String]>::concat);
    let first = words.iter().take(2).map(String::as_str).collect::<String>();
    let is_on_repositories = |noun: &str| {
        let other = first
            .strip_prefix(noun)
            .or_else(|| first.strip_suffix(noun));
        other.is_some_and(|verb| ON_REPOSITORIES.contains(&verb))
    };
    words
        .iter()
        .cloned()
        .chain(pairs)
        .any(|part| ADMINISTRATIVE.contains(&part.as_str()))
        || ["repository", "repositories", "repos", "repo"]
            .into_iter()
            .any(is_on_repositories)
}

/// The words of an action's name, folded: they end where a letter or digit is followed by something else,
/// and where a capital follows a small letter.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (was_small && c.is_uppercase()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut()
            && c.is_alphanumeric()
        {
            word.push(c);
        }
        was_small = c.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
        .into_iter()
        .map(|word| name::fold(&word).into_owned())
        .collect()
}

/// The action that is known and could be meant by another spelling, `name`.
pub(crate) fn known_as(name: &str) -> Option<&'static str> {
    let bare = |name: &str| words(name).concat();
    let name = bare(name);
    let mut known = WRITES.into_iter().chain(reads::names());
    known.find(|known| bare(known) == name)
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
