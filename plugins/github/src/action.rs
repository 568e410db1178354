//! The supported actions and their arguments.
//!
//! The plugin judges every argument and refuses unknown ones, because the connector might pass them on.

use crate::Request;
use crate::reads;
use portcullis_sdk::{ArgumentsError, Json, name};
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
    reason = "known fields that decide nothing are read, so that unknown fields are refused"
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

/// The reason for which an issue is closed or reopened.
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

/// Refuses a text that is not one of `words`.
///
/// A derived enum would also accept an object.
fn one_of(text: &str, words: &[&str]) -> Result<(), String> {
    match words.contains(&text) {
        true => Ok(()),
        false => Err(format!("`{text}` is not one of `{}`", words.join("`, `"))),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "as above")]
pub(crate) struct Comment {
    pub(crate) body: String,
    number: Option<u64>,
    /// Id of the pull request comment that this one replies to.
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
    /// The changed files. If they are missing, the effect of the push is unknown.
    #[serde(default)]
    pub(crate) files: Vec<ChangedFile>,
    message: Option<String>,
    /// Id of the content that `contents.put` replaces.
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

    /// Reads an object only: a derived reader would also accept a list.
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
    /// Id of the commit that the branch starts at: a name could resolve to another commit later.
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
    /// The branch to merge, in the same repository.
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
    /// Id of the judged commit: GitHub merges no other commit.
    pub(crate) sha: Option<String>,
    #[serde(default)]
    pub(crate) commit_title: String,
    #[serde(default)]
    pub(crate) commit_message: String,
    /// The files that the merge changes. If they are missing, its effect is unknown.
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

/// Parts of an action's name that mean secrets or administration, without separators.
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

/// Verbs that are administration if they act on the whole repository.
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

/// Reads the arguments of an action.
type Reader = fn(&Request) -> Result<Action, ArgumentsError>;

/// The actions that write, each with its argument reader.
const WRITES: [(&str, Reader); 11] = [
    ("branches.create", |it| {
        it.arguments().map(Action::CreateBranch)
    }),
    ("branches.delete", |it| {
        it.arguments().map(Action::DeleteBranch)
    }),
    ("contents.put", |it| it.arguments().map(Action::Push)),
    ("git.push", |it| it.arguments().map(Action::Push)),
    ("issues.comment", |it| it.arguments().map(Action::Comment)),
    ("issues.create", |it| it.arguments().map(Action::Issue)),
    ("issues.update", |it| it.arguments().map(Action::Issue)),
    ("pulls.comment", |it| it.arguments().map(Action::Comment)),
    ("pulls.create", |it| it.arguments().map(Action::CreatePull)),
    ("pulls.merge", |it| it.arguments().map(Action::MergePull)),
    ("pulls.review", |it| it.arguments().map(Action::Review)),
];

/// True if the action reaches secrets or administration, in any spelling of its name.
pub(crate) fn is_administrative(name: &str) -> bool {
    let spaced = spaced(name);
    let words: Vec<_> = spaced.split_whitespace().collect();
    let first = words.iter().take(2).copied().collect::<String>();
    let is_on_repositories = |noun: &str| {
        let other = first
            .strip_prefix(noun)
            .or_else(|| first.strip_suffix(noun));
        other.is_some_and(|verb| ON_REPOSITORIES.contains(&verb))
    };
    words.iter().any(|word| ADMINISTRATIVE.contains(word))
        || words
            .windows(2)
            .any(|pair| ADMINISTRATIVE.contains(&pair.concat().as_str()))
        || ["repository", "repositories", "repos", "repo"]
            .into_iter()
            .any(is_on_repositories)
}

/// Splits an action's name into folded words, separated by spaces.
///
/// A word ends before a character that is not a letter or digit, and before a capital that follows a small
/// letter.
fn spaced(name: &str) -> String {
    let mut spaced = String::with_capacity(name.len() + 8);
    let mut was_small = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (was_small && c.is_uppercase()) {
            spaced.push(' ');
        }
        if c.is_alphanumeric() {
            spaced.push(c);
        }
        was_small = c.is_lowercase();
    }
    name::fold(&spaced).into_owned()
}

/// Returns the supported action of which `name` is another spelling.
pub(crate) fn known_as(name: &str) -> Option<&'static str> {
    let bare = |name: &str| spaced(name).replace(' ', "");
    let name = bare(name);
    let writes = WRITES.into_iter().map(|(known, _)| known);
    let mut known = writes.chain(reads::names());
    known.find(|known| bare(known) == name)
}

impl Action {
    /// Returns the request's action, or `None` if it is not supported.
    pub(crate) fn read(request: &Request) -> Result<Option<Self>, ArgumentsError> {
        let name = request.action().name();
        if reads::read(name).is_some() {
            return request
                .arguments()
                .map(|arguments| Some(Self::Read(arguments)));
        }
        let write = WRITES.iter().find(|(known, _)| *known == name);
        write.map(|(_, read)| read(request)).transpose()
    }

    pub(crate) fn is_write(&self) -> bool {
        !matches!(self, Self::Read(_))
    }
}
