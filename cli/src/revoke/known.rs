//! Verifies that an id to revoke is known, to catch misspelt ids.

use portcullis_contract::similar;
use portcullis_host::config::Targets;
use portcullis_host::revocation::{Record, Revocable};
use std::path::Path;

/// The result of looking up an id.
pub(crate) enum Known {
    /// The id is known.
    Yes,
    /// There is no source to look it up in.
    NothingToLookIn,
    /// The id is unknown. The most similar one is given, if there is one.
    No(Option<String>),
}

/// Looks up an id of that kind in the configuration and its log.
pub(crate) fn look_for(config: &Path, kind: Revocable, id: &str) -> Known {
    let targets = Targets::of(config);
    match targets.know(kind, id) {
        Some(false) => {
            let meant = similar(id, targets.of_kind(kind));
            Known::No(meant.map(str::to_owned))
        }
        Some(true) => Known::Yes,
        None => Known::NothingToLookIn,
    }
}

/// True if the configuration or the log knows the id that `record` revokes.
///
/// In the log, a credential counts only if a principal that the line is about presented it. It is true as
/// well if there is nothing to look it up in.
pub(crate) fn may_match(config: &Path, record: &Record) -> bool {
    record.revoked.as_ref().is_some_and(|revoked| {
        Targets::of(config)
            .know_of(revoked.kind, &revoked.id, |principal| {
                record.is_about(principal)
            })
            .unwrap_or(true)
    })
}
