//! The branches that each principal may change.

use crate::Request;
use crate::action::{Branch, Merge, Pull, Push};
use crate::branch_name::name_of;
use crate::settings::Branches;
use crate::{GitHub, is_agent};
use portcullis_sdk::Verdict;

impl GitHub {
    /// Returns the refusal of a push to an existing branch.
    pub(crate) fn refuse_branch_change(&self, request: &Request, push: &Push) -> Option<Verdict> {
        let Some(branch) = name_of(&push.branch) else {
            return Some(refuse_invalid("branch"));
        };
        if push.sha.is_some() && request.action().name() != "contents.put" {
            let message = "only `contents.put` has an argument `sha`".to_owned();
            return Some(refuse("argument-unknown", message, "sha"));
        }
        if let Some(refusal) = push.sha.as_deref().and_then(refuse_id) {
            return Some(refusal);
        }
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
        if let Some(refusal) = refuse_id(&new.sha) {
            return Some(refusal);
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
        if let Some(refusal) = merge.sha.as_deref().and_then(refuse_id) {
            return Some(refusal);
        }
        match name_of(&merge.base) {
            Some(_) if !is_agent(request) => None,
            Some(base) if self.is_protected(base) => Some(refuse(
                "branch-protected",
                format!("`{base}` is protected: a person or a pipeline merges into it"),
                "base",
            )),
            Some(base) if self.is_own(request, base) => None,
            Some(base) => Some(refuse(
                "not-own-branch",
                format!("an agent merges into its own branches, not into `{base}`"),
                "base",
            )),
            None => Some(refuse_invalid("base")),
        }
    }

    /// Denies an agent a branch that is not its own.
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
            // Some Git implementations ignore case.
            .any(|Branches(pattern)| pattern.might_match(branch))
    }

    fn is_own(&self, request: &Request, branch: &str) -> bool {
        let prefix = self.own_prefix(request);
        let topic = prefix.and_then(|prefix| branch.strip_prefix(&prefix));
        topic.is_some_and(|topic| !topic.is_empty())
    }

    /// Returns the prefix of the principal's own branches.
    ///
    /// `None` if the principal's id is not a SPIFFE ID with a path.
    fn own_prefix(&self, request: &Request) -> Option<String> {
        let id = request.principal().id().strip_prefix("spiffe://")?;
        let (trust_domain, path) = id.split_once('/')?;
        let name = path.rsplit('/').next().unwrap_or_default();
        let prefix = self
            .own_branch_prefix
            .replace("{name}", name)
            .replace("{trust-domain}", trust_domain)
            // A `/` would let one agent's branches lie below another agent's.
            .replace("{path}", &path.replace('/', "+"));
        (!prefix.contains('{') && !name.is_empty()).then_some(prefix)
    }

    fn shown_prefix(&self, request: &Request) -> String {
        let prefix = self.own_prefix(request);
        prefix.unwrap_or_else(|| self.own_branch_prefix.clone())
    }
}

/// Refuses a text that is not a full object id (SHA-1 or SHA-256).
///
/// It also refuses the id of zeros, which means "no object".
fn refuse_id(text: &str) -> Option<Verdict> {
    let is_id = matches!(text.len(), 40 | 64)
        && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        && text.bytes().any(|b| b != b'0');
    (!is_id).then(|| {
        let message = "the commit is no id: give all its 40 or 64 hexadecimal digits".to_owned();
        refuse("commit-invalid", message, "sha")
    })
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
        .fields([format!("/action/arguments/{argument}")])
}
