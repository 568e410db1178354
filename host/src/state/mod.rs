//! What decisions change, and later ones are held to: uses that were spent, credentials that were
//! seen, intents that were taken up.
//!
//! [`EmbeddedState`] keeps it in a file. A gateway with several hosts puts a [`State`] of its own in
//! its place, which all of them share.

mod embedded;
mod instances;
mod marks;
mod shares;

pub use embedded::EmbeddedState;
pub(crate) use instances::Instances;
pub(crate) use marks::{Kept, Marks};

use crate::revocation::ListMark;
use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
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

    /// Gives one use of each of `uses` back, because the call that `decision` permitted was not made. It is done
    /// once for each decision, whatever is asked: gives whether it was done now. Counts never go below zero.
    ///
    /// The default gives nothing back, which is safe.
    ///
    /// # Errors
    ///
    /// [`StateError`]; then nothing was given back.
    fn give_back(&self, decision: &str, uses: &[Use], now: Timestamp) -> Result<bool, StateError> {
        let _ = (decision, uses, now);
        Ok(false)
    }

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

    /// Which state it is and how often it changed, so that the log can tell when it is another one or an older
    /// one. The default is for a state that cannot go back, such as a service of its own.
    fn mark(&self) -> Option<StateMark> {
        None
    }

    /// Says that the state lacks what it once counted, and why. From then on it denies what it would have
    /// counted.
    fn distrust(&self, why: &str) {
        let _ = why;
    }

    /// Says that the log knows this very state, and no more of it than there is: if nothing else says how far it
    /// went, that does.
    fn vouch(&self) {}

    /// Remembers which state it is and how far it went, so that an older one, or another one in its place, is
    /// noticed at the next start. A host does so once its log has nothing against the state. One that is
    /// distrusted is not remembered: the right one may come back.
    ///
    /// # Errors
    ///
    /// [`StateError`] if that cannot be kept.
    fn remember(&self) -> Result<(), StateError> {
        Ok(())
    }

    /// How far the revocation list went that was last seen with this state.
    fn list_seen(&self) -> Option<ListMark> {
        None
    }

    /// Why it cannot be told how far the revocation list went that was last seen with this state.
    fn list_is_lost(&self) -> Option<String> {
        None
    }

    /// Remembers how far the revocation list went. Nothing is forgotten if that fails.
    fn note_list(&self, mark: &ListMark) {
        let _ = mark;
    }
}

/// Which state it is, and how far it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StateMark {
    /// A name that no other state has; a state that is begun or accepted anew has another one.
    pub generation: String,
    /// The number of times since that something was spent or given back, or a mark was raised.
    pub changes: u64,
}

/// The reason why a state that is not there lacks what was counted before.
pub(crate) const GONE: &str = "there was one, and it is gone";

impl StateMark {
    /// Why the state with this mark is not the one with the mark `known`, or not as far.
    pub(crate) fn falls_short_of(&self, known: &Self) -> Option<String> {
        if self.generation != known.generation {
            return Some(
                match self.changes {
                    0 => "the one that counted before is gone, and this one was begun in its place",
                    _ => "another one is in the place of the one that counted before",
                }
                .to_owned(),
            );
        }
        (self.changes < known.changes).then(|| {
            format!(
                "it has {} changes, and {} were made: it is an older copy",
                self.changes, known.changes
            )
        })
    }
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

impl Use {
    /// Whether it is of an intent's budget, which is given back where the call was not made. A credential or a
    /// proof that was presented stays used: it may have been seen.
    pub(crate) fn is_budget(&self) -> bool {
        self.key.starts_with("intent ")
    }
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
    /// Another process has it open.
    #[error("cannot use the state in {}: another process has it open: give each host a file of its own", .0.display())]
    InUse(PathBuf),
    /// The file is damaged.
    #[error("the state in {} is damaged: {message}; stop the host, move the file away or restore the latest copy of it, and run `portcullis state accept state`", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// It lacks what was counted before.
    #[error("the state in {} lacks what was counted before: {message}; restore the latest copy of it, or run `portcullis state accept state` while the host is stopped, which gives spent uses out again", file.display())]
    Lacks {
        /// The file.
        file: PathBuf,
        /// How that is known.
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
