//! State that decisions change and later decisions depend on:
//!
//! - spent uses,
//! - presented credentials,
//! - accepted intents.
//!
//! `EmbeddedState` (feature `embedded-state`) stores it in a file. A gateway with several hosts replaces it by its own [`State`],
//! which all of them share.

#[cfg(feature = "embedded-state")]
mod embedded;
mod instances;
mod marks;
pub mod shared;
mod shares;

#[cfg(feature = "embedded-state")]
pub use embedded::EmbeddedState;
pub use instances::Sightings;
pub use marks::{Kept, LineMarks, Marks};

use portcullis_model::marks::ListMark;
pub use portcullis_model::marks::StateMark;
use portcullis_model::timestamp::Timestamp;
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Default time for which presented credentials are remembered.
pub const CLONE_WINDOW: Duration = Duration::from_secs(10 * 60);

/// Default maximum number of remembered credentials.
pub const MAX_CREDENTIALS: usize = 200_000;

/// State that decisions change. Every error is a deny.
pub trait State: Debug + Send + Sync {
    /// Returns the number of times that `key` was spent.
    ///
    /// # Errors
    ///
    /// [`StateError`] if the number is unknown.
    fn spent(&self, key: &str) -> Result<u64, StateError>;

    /// Spends each of `uses` once, or none of them, atomically.
    ///
    /// If two callers spend the last use, one of them is refused. When this returns, the spending is durable.
    /// Uses that ended before `now` may be deleted.
    ///
    /// # Errors
    ///
    /// [`SpendError`]; then nothing was spent.
    fn spend(&self, uses: &[Use], now: Timestamp) -> Result<(), SpendError>;

    /// Gives back one use of each of `uses`, because the call that `decision` permitted was not made.
    ///
    /// It happens once for each decision, however often it is requested: the result is true if it happened
    /// now. Counts never go below zero.
    ///
    /// The default gives back no use, which is safe.
    ///
    /// # Errors
    ///
    /// [`StateError`]; then no use was given back.
    fn give_back(&self, decision: &str, uses: &[Use], now: Timestamp) -> Result<bool, StateError> {
        let _ = (decision, uses, now);
        Ok(false)
    }

    /// Returns another instance that presented the credential within the window, if any.
    ///
    /// [`Seen::notes`] states whether this presentation is remembered.
    ///
    /// # Errors
    ///
    /// [`StateError`] if the presentations are unknown.
    fn seen_elsewhere(&self, seen: &Seen<'_>) -> Result<Option<String>, StateError>;

    /// Raises the mark of `name` to at least `to`, and returns it.
    ///
    /// With 0 it only reads the mark. A mark never decreases, even over a restart: it distinguishes an older
    /// version of a document, such as a bundle with an earlier `spiffe_sequence`, from a newer one.
    ///
    /// # Errors
    ///
    /// [`StateError`] if the mark cannot be read or stored.
    fn raise_mark(&self, name: &str, to: u64) -> Result<u64, StateError>;

    /// Stores the document of an accepted intent under its id.
    ///
    /// # Errors
    ///
    /// [`StateError`] if it cannot be stored.
    fn keep_intent(&self, id: &str, document: &[u8]) -> Result<(), StateError>;

    /// Returns the documents of all stored intents, in the order of their ids.
    ///
    /// # Errors
    ///
    /// [`StateError`] if they cannot be read.
    fn kept_intents(&self) -> Result<Vec<Vec<u8>>, StateError>;

    /// Identity of the state and number of its changes.
    ///
    /// The log uses it to detect another or an older state. The default is for a state that cannot be
    /// replaced by an older one, such as a separate service.
    fn mark(&self) -> Option<StateMark> {
        None
    }

    /// Marks the state as lacking earlier counts, for the reason `why`.
    ///
    /// From then on it denies counted requests.
    fn distrust(&self, why: &str) {
        let _ = why;
    }

    /// Confirms that the log has a mark of this state, and no later one.
    ///
    /// If the state's own marks are missing, it is used because of that.
    fn vouch(&self) {}

    /// Stores identity and number of changes, to detect an older or another state at the next start.
    ///
    /// A host calls it once its log does not contradict the state. The mark of a distrusted state is not
    /// stored, because the right state may be restored.
    ///
    /// # Errors
    ///
    /// [`StateError`] if that cannot be stored.
    fn remember(&self) -> Result<(), StateError> {
        Ok(())
    }

    /// Latest mark of the revocation list that was used with this state.
    fn list_seen(&self) -> Option<ListMark> {
        None
    }

    /// Reason why that mark is lost, if it is.
    fn list_is_lost(&self) -> Option<String> {
        None
    }

    /// Stores the mark of the revocation list. A failure loses no earlier mark.
    fn note_list(&self, mark: &ListMark) {
        let _ = mark;
    }

    /// True if the state keeps the mark of the revocation list.
    ///
    /// Hosts that share a state have a list each, so their state keeps no mark of it.
    fn keeps_list_mark(&self) -> bool {
        true
    }

    /// Delivers the lines of `list` to other hosts, or theirs to it, from now on.
    ///
    /// The list takes the place of one that was passed before. The default delivers nothing.
    fn share_list(&self, list: Arc<dyn shared::SharedList>) {
        let _ = list;
    }

    /// Problems of the state and of what hosts share through it, for an operator.
    fn problems(&self) -> Vec<String> {
        Vec::new()
    }

    /// Passes each intent that another host stores from now on to `accept`.
    ///
    /// `accept` takes the place of one that was passed before. By default, no other host stores intents.
    fn share_intents(&self, accept: AcceptIntent) {
        let _ = accept;
    }
}

/// Puts the document of an intent in force, or returns the reason why it is refused.
pub type AcceptIntent = Box<dyn Fn(&[u8]) -> Result<(), String> + Send + Sync>;

/// Reason why a missing state lacks earlier counts.
pub const GONE: &str = "the file existed before, and is missing";

/// One use of a limited resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// Key of the resource.
    pub key: String,
    /// Maximum number of uses.
    pub limit: u64,
    /// Time at which it ends, after which its count may be deleted.
    pub until: Timestamp,
}

impl Use {
    /// True if it is a use of an intent's budget, which is given back if the call was not made.
    ///
    /// A presented credential or proof stays used, because others may have seen it.
    pub fn is_budget(&self) -> bool {
        self.key.starts_with("intent ")
    }
}

/// A credential that is presented.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Principal of the credential. Two principals may use the same credential id.
    pub principal: &'a str,
    /// Id of the credential.
    pub credential: &'a str,
    /// Workload instance that presents it.
    pub instance: &'a str,
    /// Time of the presentation.
    pub now: Timestamp,
    /// Time at which the credential expires, if known. It is not remembered for longer.
    pub expires_at: Option<Timestamp>,
    /// True if the presentation is remembered; false for a dry run.
    pub notes: bool,
}

/// Reason why the state cannot be read or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The operating system or the store reports an error.
    #[error("cannot use the state in {}: {message}", file.display())]
    Store {
        /// Path of the file.
        file: PathBuf,
        /// Reported error.
        message: String,
    },
    /// Another process has the file open.
    #[error("cannot use the state in {}: another process has it open: give each host its own file", .0.display())]
    InUse(PathBuf),
    /// The file is damaged.
    #[error("the state in {} is damaged: {message}; stop the host, move the file away or restore the latest copy of it, and run `portcullis state accept state`", file.display())]
    Damaged {
        /// Path of the file.
        file: PathBuf,
        /// Kind of the damage.
        message: String,
    },
    /// The state lacks earlier counts.
    #[error("the state in {} lacks earlier counts: {message}; restore its latest copy, or stop the host and run `portcullis state accept state`, after which spent uses can be used again", file.display())]
    Lacks {
        /// Path of the file.
        file: PathBuf,
        /// Inputs for it.
        message: String,
    },
    /// The use ended before counts that were deleted.
    ///
    /// The clock was set back, and the number of uses is unknown.
    #[error(
        "`{key}` ended at {until}, but counts that ended by {forgotten} are deleted: the clock went backwards; correct it"
    )]
    Forgotten {
        /// Key of the use.
        key: String,
        /// Time at which it ends.
        until: Timestamp,
        /// Latest end of the deleted counts.
        forgotten: Timestamp,
    },
}

/// Reason why nothing was spent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpendError {
    /// One of the resources has no use left.
    #[error("`{0}` has no use left")]
    UsedUp(String),
    /// The count cannot be read or stored.
    #[error(transparent)]
    State(#[from] StateError),
}
