//! Which branches may be changed by whom.

use crate::action::{Merge, Pull, Push};
use crate::{GitHub, is_agent};
use portcullis_sdk::{Request, Verdict, is_unambiguous};

impl GitHub {
    /// A push to an existing branch.
    pub(crate) fn refuse_branch_change(&self, request: &Request, push: &Push) -> Option<Verdict> {
        let branch = match name_of(&push.branch, "branch") {
            Ok(branch) => branch,
            Err(refusal) => return Some(refusal),
        };
        if self.is_protected(branch) {
            let how = if push.force {
                "force-push"
            } else {
                "direct push"
            };
            return Some(refuse(
                "branch-protected",
                format!("`{branch}` is protected and takes no {how}: open a pull request"),
                "branch",
            ));
        }
        self.refuse_foreign(request, branch)
    }

    pub(crate) fn refuse_new_branch(&self, request: &Request, branch: &str) -> Option<Verdict> {
        match name_of(branch, "branch") {
            Ok(branch) if self.is_protected(branch) => Some(refuse(
                "branch-protected",
                format!("`{branch}` is a protected name: choose another one"),
                "branch",
            )),
            Ok(branch) => self.refuse_foreign(request, branch),
            Err(refusal) => Some(refusal),
        }
    }

    pub(crate) fn refuse_deletion(&self, request: &Request, branch: &str) -> Option<Verdict> {
        match name_of(branch, "branch") {
            Ok(branch) if self.is_protected(branch) => Some(refuse(
                "branch-protected",
                format!("`{branch}` is protected and cannot be deleted"),
                "branch",
            )),
            Ok(branch) => self.refuse_foreign(request, branch),
            Err(refusal) => Some(refusal),
        }
    }

    pub(crate) fn refuse_pull(&self, request: &Request, pull: &Pull) -> Option<Verdict> {
        if let Err(refusal) = name_of(&pull.base, "base") {
            return Some(refusal);
        }
        let head = match name_of(&pull.head, "head") {
            Ok(head) => head,
            Err(refusal) => return Some(refusal),
        };
        if is_agent(request) && !self.is_own(request, head) {
            let own = self.own_prefix(request);
            return Some(refuse(
                "not-own-branch",
                format!(
                    "an agent opens pull requests from its own branches, `{own}…`, not from `{head}`"
                ),
                "head",
            ));
        }
        None
    }

    pub(crate) fn refuse_merge(&self, request: &Request, merge: &Merge) -> Option<Verdict> {
        match name_of(&merge.base, "base") {
            Ok(base) if !is_agent(request) || self.is_own(request, base) => None,
            Ok(base) if self.is_protected(base) => Some(refuse(
                "branch-protected",
                format!("`{base}` is protected: a person or a pipeline merges into it"),
                "base",
            )),
            Ok(base) => Some(refuse(
                "not-own-branch",
                format!("an agent merges into its own branches, not into `{base}`"),
                "base",
            )),
            Err(refusal) => Some(refusal),
        }
    }

    /// An agent changes its own branches only.
    fn refuse_foreign(&self, request: &Request, branch: &str) -> Option<Verdict> {
        (is_agent(request) && !self.is_own(request, branch)).then(|| {
            let own = self.own_prefix(request);
            refuse(
                "not-own-branch",
                format!("an agent changes its own branches, `{own}…`, not `{branch}`"),
                "branch",
            )
        })
    }

    fn is_protected(&self, branch: &str) -> bool {
        self.protected_branches
            .iter()
            .any(|pattern| pattern.matches(branch))
    }

    fn is_own(&self, request: &Request, branch: &str) -> bool {
        branch
            .strip_prefix(&self.own_prefix(request))
            .is_some_and(|topic| !topic.is_empty())
    }

    fn own_prefix(&self, request: &Request) -> String {
        let name = request.principal.id.rsplit('/').next().unwrap_or_default();
        self.own_branch_prefix.replace("{name}", name)
    }
}

/// The branch's short name, if it is one that Git allows and that can be read in one way only.
fn name_of<'a>(branch: &'a str, argument: &str) -> Result<&'a str, Verdict> {
    let name = branch.strip_prefix("refs/heads/").unwrap_or(branch);
    let other_refs = ["refs/", "heads/", "tags/", "remotes/"];
    let odd = name.starts_with(['-', '/', '+'])
        || other_refs.iter().any(|prefix| name.starts_with(prefix))
        || matches!(name, "HEAD" | "@")
        || name.contains(['~', '^', ':', '?', '*', '[', ' ', '%', '#', ';'])
        || name.contains("@{")
        || !is_unambiguous(name);
    if odd {
        return Err(refuse(
            "branch-invalid",
            "the branch is not a plain name of this repository, such as `topic/x`".to_owned(),
            argument,
        ));
    }
    Ok(name)
}

fn refuse(code: &str, message: String, argument: &str) -> Verdict {
    Verdict::deny()
        .because(code, message)
        .evidence([format!("/action/arguments/{argument}")])
}
