//! What decisions change, and later ones are held to: uses that were spent, credentials that were
//! seen, intents that were taken up.
//!
//! [`EmbeddedState`] keeps it in a file. A gateway with several hosts puts a [`State`] of its own in
//! its place, which all of them share.

mod embedded;
mod instances;
mod shares;

pub use embedded::EmbeddedState;
pub(crate) use instances::Instances;

use crate::timestamp::Timestamp;
use std::fmt::Debug;
use std::path::PathBuf;
use std::time::Duration;

/// How far back a credential is looked for with another instance, where nobody says.
pub(crate) const CLONE_WINDOW: Duration = Duration::from_secs(10 * 60);

/// How many credentials are looked for with another instance at a time, where nobody says.
pub(crate) const MAX_CREDENTIALS: usize = 200_000;

/// What decisions change. Every error is a deny.
pub trait State: Debug + Send + Sync {
    /// How often `key` was spent.
    ///
    /// # Errors
    ///
    /// [`StateError`] if that cannot be told.
    fn spent(&self, key: &str) -> Result<u64, StateError>;

    /// Spends every one of `uses` once, or none of them, atomically: of two callers who spend the last
    /// use, one is refused. It is kept, whatever happens to the machine, when this returns. Uses that
    /// have ended at `now` may be forgotten.
    ///
    /// # Errors
    ///
    /// [`SpendError`]; then nothing was spent.
    fn spend(&self, uses: &[Use], now: Timestamp) -> Result<(), SpendError>;

    /// Whether `credential`, presented by `instance` at `now`, was seen with another instance within
    /// the window that the state looks back. [`Seen::notes`] says whether this presentation is to be
    /// remembered.
    ///
    /// # Errors
    ///
    /// [`StateError`] if that cannot be told.
    fn seen_elsewhere(&self, seen: &Seen<'_>) -> Result<Option<String>, StateError>;

    /// Raises the mark of `name` to `to`, unless it is as high already, and gives the mark. Raising it to
    /// 0 only looks. A mark never goes back, also not over a restart: it tells an older version of
    /// something, such as a bundle with an earlier `spiffe_sequence`, from a newer one.
    ///
    /// # Errors
    ///
    /// [`StateError`] if it cannot be told or kept.
    fn raise_mark(&self, name: &str, to: u64) -> Result<u64, StateError>;

    /// Keeps the document of an intent that was taken up, under its id.
    ///
    /// # Errors
    ///
    /// [`StateError`] if it cannot be kept.
    fn keep_intent(&self, id: &str, document: &[u8]) -> Result<(), StateError>;

    /// The documents of all intents that were kept, in the order of their ids.
    ///
    /// # Errors
    ///
    /// [`StateError`] if they cannot be read.
    fn kept_intents(&self) -> Result<Vec<Vec<u8>>, StateError>;
}

/// One use of something that may be used so often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// What is used.
    pub key: String,
    /// How often it may be used altogether.
    pub limit: u64,
    /// When it ends, so that its count need not be kept longer.
    pub until: Timestamp,
}

/// A credential that is presented.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The principal whose it is: two may call theirs alike.
    pub principal: &'a str,
    /// The credential's id.
    pub credential: &'a str,
    /// The workload instance that presents it.
    pub instance: &'a str,
    /// When it does.
    pub now: Timestamp,
    /// When the credential expires, if that is known: it need not be remembered for longer.
    pub expires_at: Option<Timestamp>,
    /// Whether it is to be remembered; a dry run only looks.
    pub notes: bool,
}

/// The state cannot be told or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The system or the store says no.
    #[error("cannot use the state in {}: {message}", file.display())]
    Store {
        /// The file.
        file: PathBuf,
        /// What was said.
        message: String,
    },
    /// What is to be spent ended before others that were forgotten: the clock went back, and how often it was spent
    /// cannot be told.
    #[error(
        "`{key}` ended at {until}, and what ended by {forgotten} was forgotten: set the clock, which went back"
    )]
    Forgotten {
        /// What was to be spent.
        key: String,
        /// When it ends.
        until: Timestamp,
        /// The latest end of what was forgotten.
        forgotten: Timestamp,
    },
}

/// Why nothing was spent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpendError {
    /// One of them has no use left.
    #[error("`{0}` has no use left")]
    UsedUp(String),
    /// It cannot be told or kept.
    #[error(transparent)]
    State(#[from] StateError),
}
