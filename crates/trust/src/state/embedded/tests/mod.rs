//! Tests of the state in a file.

mod continuity;
mod damage;
mod spending;

use super::*;
use crate::state::{SpendError, Use};
use portcullis_model::timestamp::Timestamp;

const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

fn file(name: &str) -> PathBuf {
    let file = std::env::temp_dir().join(format!("portcullis-{name}-{}.redb", std::process::id()));
    remove(&file);
    file
}

/// Removes a state with its marks.
fn remove(file: &Path) {
    let _ = std::fs::remove_file(file);
    let _ = std::fs::remove_file(marks_of(file));
}

fn marks_of(file: &Path) -> PathBuf {
    file.with_extension("redb.marks")
}

fn one(key: &str, limit: u64) -> Use {
    Use {
        key: key.to_owned(),
        limit,
        until: NOW.plus(Duration::from_secs(60)),
    }
}

fn reopen(file: &Path) -> Result<EmbeddedState, StateError> {
    EmbeddedState::open(file, Duration::from_secs(60))
}
