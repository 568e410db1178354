//! Which branches may be changed by whom.

use crate::action::{Branch, Merge, Pull, Push};
use crate::settings::Branches;
use crate::{GitHub, is_agent};
use portcullis_sdk::{Request, Verdict, name};

impl GitHub {
    /// A push to an existing branch.
    pub(crate) fn refuse_branch_change(&self, request: &Request, push: &Push) -> Option<Verdict> {
        let Some(branch) = name_of(&push.branch) else {
            return Some(refuse_invalid("branch"));
        };
        if push.sha.is_some() && request.action.name != "contents.put" {
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

    /// The prefix of the principal's own branches; nothing if its id is no SPIFFE ID with a path.
    fn own_prefix(&self, request: &Request) -> Option<String> {
        let id = request.principal.id.as_str().strip_prefix("spiffe://")?;
        let (trust_domain, path) = id.split_once('/')?;
        let name = path.rsplit('/').next().unwrap_or_default();
        let prefix = self
            .own_branch_prefix
            .replace("{name}", name)
            .replace("{trust-domain}", trust_domain)
            // With the separator itself, one agent's branches could lie below another's.
            .replace("{path}", &path.replace('/', "+"));
        (!prefix.contains('{') && !name.is_empty()).then_some(prefix)
    }

    fn shown_prefix(&self, request: &Request) -> String {
        let prefix = self.own_prefix(request);
        prefix.unwrap_or_else(|| self.own_branch_prefix.clone())
    }
}

/// Refuses what is not the id of a commit or of content, in SHA-1 or SHA-256. The one of zeros is that of
/// nothing.
fn refuse_id(text: &str) -> Option<Verdict> {
    let is_id = matches!(text.len(), 40 | 64)
        && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        && text.bytes().any(|b| b != b'0');
    (!is_id).then(|| {
        let message = "the commit is no id: give all its 40 or 64 hexadecimal digits".to_owned();
        refuse("commit-invalid", message, "sha")
    })
}

/// The branch's short name, if it is one that Git allows and that can be read in one way only.
pub(crate) fn name_of(branch: &str) -> Option<&str> {
    let name = short_name(branch);
    is_branch(name).then_some(name)
}

/// The branch's name without the `refs/heads/` that it may begin with.
pub(crate) fn short_name(branch: &str) -> &str {
    branch.strip_prefix("refs/heads/").unwrap_or(branch)
}

/// Whether the name begins as that of something else than a branch of this repository. Where refs are
/// files, case may not count.
pub(crate) fn is_other_ref(name: &str) -> bool {
    let folded = name::fold(name);
    ["refs/", "heads/", "tags/", "remotes/", "origin/"]
        .iter()
        .any(|prefix| folded.starts_with(prefix))
}

/// Whether Git allows a branch of that short name (`git check-ref-format --branch`), and no reader takes it
/// for another one.
pub(crate) fn is_branch(name: &str) -> bool {
    let folded = name::fold(name);
    // Files of Git's own beside the refs: `HEAD`, `FETCH_HEAD` and their like.
    let is_head = folded == "head" || (!folded.contains('/') && folded.ends_with("_head"));
    let is_hidden = |segment: &str| segment.starts_with('.') || segment.ends_with(".lock");
    let is_odd = name.starts_with(['-', '/', '+'])
        || name == "@"
        || name.contains(['~', '^', ':', '?', '*', '[', ' '])
        || name.contains("@{")
        || name.contains("..");
    !is_odd
        && !is_head
        && !is_other_ref(name)
        && !folded.split('/').any(is_hidden)
        && name::check_resource(name).is_ok()
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
