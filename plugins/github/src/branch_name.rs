//! Names of branches, as Git reads them.

use portcullis_sdk::name;

/// Returns the branch's short name if Git allows it and it is unambiguous.
pub(crate) fn name_of(branch: &str) -> Option<&str> {
    let name = short_name(branch);
    is_branch(name).then_some(name)
}

/// Strips a leading `refs/heads/` from the branch's name.
pub(crate) fn short_name(branch: &str) -> &str {
    branch.strip_prefix("refs/heads/").unwrap_or(branch)
}

/// True if the name begins like a ref other than a local branch.
///
/// Case is ignored, because refs may be files on a case-insensitive file system.
pub(crate) fn is_other_ref(name: &str) -> bool {
    let folded = name::fold(name);
    ["refs/", "heads/", "tags/", "remotes/", "origin/"]
        .iter()
        .any(|prefix| folded.starts_with(prefix))
}

/// True if Git allows a branch of that short name and the name is unambiguous.
///
/// The rules are those of `git check-ref-format --branch`.
pub(crate) fn is_branch(name: &str) -> bool {
    let folded = name::fold(name);
    // Git's own files beside the refs, such as `HEAD` and `FETCH_HEAD`.
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
