//! A state that several hosts share, in a service that another crate speaks to.
//!
//! The host itself contains no client of such a service. A program that has one registers it once, at its start, with
//! [`register`]; a configuration whose `[state]` names the service is refused in a program without it.

use super::{State, StateError};
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Address of a service, and how a state is kept in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedOptions {
    /// URLs of the servers.
    pub servers: Vec<String>,
    /// Name of the bucket that holds the state.
    pub bucket: String,
    /// File with the user and password, or the token, of this host.
    pub credentials: Option<PathBuf>,
    /// TLS of the connection.
    pub tls: SharedTls,
    /// Longest time that one call waits for the service.
    pub timeout: Duration,
    /// Number of copies of a bucket that this host creates.
    pub replicas: usize,
    /// Address at which the server reports its own configuration, over HTTP.
    pub monitor: Option<String>,
    /// Part of this host in the delivery of the revocation list.
    pub revocations: Option<Delivery>,
    /// Time within which two instances of one credential count as clones.
    pub clone_window: Duration,
    /// Number of credentials that a bucket created by this host remembers.
    pub max_credentials: usize,
}

/// Certificates of a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedTls {
    /// Certificates of the authorities that may have issued the server's, in place of those of the system.
    pub authorities: Option<PathBuf>,
    /// Certificate chain and private key of this host.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Part of a host in the delivery of the revocation list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Lines of its list are delivered to the other hosts.
    Publish,
    /// Delivered lines are appended to its list.
    Follow,
}

impl SharedOptions {
    /// Options of the bucket on the servers; the rest has its default.
    pub fn new(servers: Vec<String>, bucket: impl Into<String>) -> Self {
        Self {
            servers,
            bucket: bucket.into(),
            credentials: None,
            tls: SharedTls::default(),
            timeout: SHARED_TIMEOUT,
            replicas: 1,
            monitor: None,
            revocations: None,
            clone_window: super::CLONE_WINDOW,
            max_credentials: super::MAX_CREDENTIALS,
        }
    }
}

/// Default of [`SharedOptions::timeout`].
pub const SHARED_TIMEOUT: Duration = Duration::from_secs(2);

/// Consecutive lines of a revocation list, and their place in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Part {
    /// Number of bytes before the lines.
    pub from: u64,
    /// SHA-256 digest of the bytes before the lines, in hexadecimal digits.
    pub before: String,
    /// The lines, each with its end.
    pub lines: String,
}

impl Part {
    /// Number of bytes of the list up to the end of the lines.
    pub fn end(&self) -> u64 {
        self.from.saturating_add(self.lines.len() as u64)
    }
}

/// A revocation list whose lines are delivered to other hosts, or come from them.
pub trait SharedList: Debug + Send + Sync {
    /// Path of the list.
    fn file(&self) -> &Path;

    /// Lines of the list from byte `from` on; `None` if there are none yet.
    ///
    /// # Errors
    ///
    /// The reason why no copy should follow the list, such as that it is unreliable or shorter.
    fn part_from(&self, from: u64) -> Result<Option<Part>, String>;

    /// True if the list has the lines of `part`, in the place that it names.
    ///
    /// # Errors
    ///
    /// The reason why the list cannot be read, or is another one.
    fn holds(&self, part: &Part) -> Result<bool, String>;

    /// Appends the lines of `part` that the list lacks. True if there were any. They are in effect when this returns.
    ///
    /// # Errors
    ///
    /// The reason why the lines do not continue the list, or break one of its rules.
    fn append_part(&self, part: &Part) -> Result<bool, String>;

    /// Refuses lines of this host's own from now on: the list is a copy of that of another host.
    fn only_copies(&self);
}

/// A state that several hosts share.
pub trait SharedState: State {
    /// Sets the time within which two instances of one credential count as clones.
    fn set_clone_window(&self, window: Duration);

    /// Error if the state lacks earlier counts.
    fn lacks(&self) -> Option<StateError>;

    /// Statement of what survives a crash, for an operator.
    fn durability(&self) -> String;
}

/// A client of the service.
pub trait SharedStates: Debug + Send + Sync {
    /// Opens the state, and creates it if it is missing.
    ///
    /// # Errors
    ///
    /// [`StateError`] if the service is unreachable, or cannot keep a state.
    fn open(&self, options: &SharedOptions) -> Result<Arc<dyn SharedState>, StateError>;

    /// Opens the state for a dry run; `None` if there is none yet. Nothing is created.
    ///
    /// # Errors
    ///
    /// Those of [`SharedStates::open`].
    fn look_into(
        &self,
        options: &SharedOptions,
    ) -> Result<Option<Arc<dyn SharedState>>, StateError>;
}

static REGISTERED: OnceLock<&'static dyn SharedStates> = OnceLock::new();

/// Registers the client of this program. Only the first call has an effect.
pub fn register(client: &'static dyn SharedStates) {
    let _ = REGISTERED.set(client);
}

/// The client that this program registered.
pub fn registered() -> Option<&'static dyn SharedStates> {
    REGISTERED.get().copied()
}
