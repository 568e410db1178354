//! Which branches may be changed by whom.

use crate::action::{Branch, Merge, Pull, Push};
use crate::settings::Branches;
use crate::{GitHub, is_agent};
use portcullis_sdk::{Request, Verdict, is_unambiguous};

impl GitHub {
    /// A push to an existing branch.
    pub(crate) fn refuse_branch_change(&self, request: &Request, push: &Push) -> Option<Verdict> {
        let Some(branch) = name_of(&push.branch) else {
            return Some(refuse_invalid("branch"));
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

    pub(crate) fn refuse_new_branch(&self, request: &Request, new: &Branch) -> Option<Verdict> {
        if !is_commit(&new.sha) {
            return Some(refuse(
                "commit-invalid",
                "a branch begins at a commit: give its id, of 40 or 64 hexadecimal digits"
                    .to_owned(),
                "sha",
            ));
        }
        match name_of(&new.branch) {
            Some(branch) if self.is_protected(branch) => Some(refuse(
                "branch-protected",
                format!("`{branch}` is a protected name: choose another one"),
                "branch",
            )),
            Some(branch) => self.refuse_foreign(request, branch),
            None => Some(refuse_invalid("branch")),
        }
    }

    pub(crate) fn refuse_deletion(&self, request: &Request, branch: &str) -> Option<Verdict> {
        match name_of(branch) {
            Some(branch) if self.is_protected(branch) => Some(refuse(
                "branch-protected",
                format!("`{branch}` is protected and cannot be deleted"),
                "branch",
            )),
            Some(branch) => self.refuse_foreign(request, branch),
            None => Some(refuse_invalid("branch")),
        }
    }

    pub(crate) fn refuse_pull(&self, request: &Request, pull: &Pull) -> Option<Verdict> {
        if name_of(&pull.base).is_none() {
            return Some(refuse_invalid("base"));
        }
        let Some(head) = name_of(&pull.head) else {
            return Some(refuse_invalid("head"));
        };
        if is_agent(request) && !self.is_own(request, head) {
            let own = self.shown_prefix(request);
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
        match name_of(&merge.base) {
            Some(base) if !is_agent(request) || self.is_own(request, base) => None,
            Some(base) if self.is_protected(base) => Some(refuse(
                "branch-protected",
                format!("`{base}` is protected: a person or a pipeline merges into it"),
                "base",
            )),
            Some(base) => Some(refuse(
                "not-own-branch",
                format!("an agent merges into its own branches, not into `{base}`"),
                "base",
            )),
            None => Some(refuse_invalid("base")),
        }
    }

    /// An agent changes its own branches only.
    fn refuse_foreign(&self, request: &Request, branch: &str) -> Option<Verdict> {
        (is_agent(request) && !self.is_own(request, branch)).then(|| {
            let own = self.shown_prefix(request);
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
            // Some readers of branches ignore case.
            .any(|Branches(pattern)| pattern.might_match(branch))
    }

    fn is_own(&self, request: &Request, branch: &str) -> bool {
        let prefix = self.own_prefix(request);
        let topic = prefix.and_then(|prefix| branch.strip_prefix(&prefix));
        topic.is_some_and(|topic| !topic.is_empty())
    }

    /// Where the principal's own branches are; nothing if its id does not say so much of it.
    fn own_prefix(&self, request: &Request) -> Option<String> {
        let id = request.principal.id.as_str();
        let name = id.rsplit('/').next().unwrap_or_default();
        let parts = id
            .strip_prefix("spiffe://")
            .and_then(|rest| rest.split_once('/'));
        let mut prefix = self.own_branch_prefix.replace("{name}", name);
        if let Some((trust_domain, path)) = parts {
            prefix = prefix.replace("{trust-domain}", trust_domain);
            // With the separator itself, one agent's branches could lie below another's.
            prefix = prefix.replace("{path}", &path.replace('/', "+"));
        }
        (!prefix.contains('{') && !name.is_empty()).then_some(prefix)
    }

    fn shown_prefix(&self, request: &Request) -> String {
        let prefix = self.own_prefix(request);
        prefix.unwrap_or_else(|| self.own_branch_prefix.clone())
    }
}

/// Whether the text is the id of a commit, in SHA-1 or SHA-256.
fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The branch's short name, if it is one that Git allows and that can be read in one way only.
pub(crate) fn name_of(branch: &str) -> Option<&str> {
    let name = branch.strip_prefix("refs/heads/").unwrap_or(branch);
    let other_refs = ["refs/", "heads/", "tags/", "remotes/"];
    let odd = name.starts_with(['-', '/', '+'])
        || other_refs.iter().any(|prefix| name.starts_with(prefix))
        || matches!(name, "HEAD" | "@")
        || name.contains(['~', '^', ':', '?', '*', '[', ' ', '%', '#', ';'])
        || name.contains("@{")
        || !is_unambiguous(name);
    (!odd).then_some(name)
}

fn refuse_invalid(argument: &str) -> Verdict {
    refuse(
        "branch-invalid",
        "the branch is not a plain name of this repository, such as `topic/x`".to_owned(),
        argument,
    )
}

fn refuse(code: &str, message: String, argument: &str) -> Verdict {
    Verdict::deny()
        .because(code, message)
        .evidence([format!("/action/arguments/{argument}")])
}
