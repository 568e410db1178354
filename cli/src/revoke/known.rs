//! Whether what is to be revoked is known, so that a misspelt id does not pass for a revocation.

use portcullis_host::config::Targets;
use portcullis_host::revocation::{Record, Revocable};
use std::path::Path;

/// What is known of an id.
pub(crate) enum Known {
    /// It is known.
    Yes,
    /// There is nothing to look in.
    NothingToLookIn,
    /// It is not, and this is the most similar one.
    No(Option<String>),
}

/// How different a similar id may be.
const SIMILAR: usize = 3;

/// Looks for something of that kind in what the configuration names.
pub(crate) fn look_for(config: &Path, kind: Revocable, id: &str) -> Known {
    let targets = Targets::of(config);
    match targets.know(kind, id) {
        Some(false) => {
            let distance = |known: &str| strsim::osa_distance(known, id);
            let similar = targets
                .of_kind(kind)
                .filter(|known| (1..=SIMILAR).contains(&distance(known)))
                .min_by_key(|known| distance(known));
            Known::No(similar.map(str::to_owned))
        }
        Some(true) => Known::Yes,
        None => Known::NothingToLookIn,
    }
}

/// True if the log knows the id that a line of the list revokes, of a principal that the line is about, or if there
/// is no log to look in.
pub(crate) fn may_match(config: &Path, record: &Record) -> bool {
    record.revoked.as_ref().is_some_and(|revoked| {
        Targets::of(config)
            .know_of(revoked.kind, &revoked.id, |principal| {
                record.is_about(principal)
            })
            .unwrap_or(true)
    })
}
