//! The decision log: one JSON object per line, each with the hash of the previous line.
//!
//! A decision is recorded before it is released; a decision that cannot be recorded is a deny. Concurrent
//! decisions share the cost of syncing to disk.
//!
//! A full file ends with a seal, gets a number and is not written again; the next file starts with an
//! opening line. Sealed files can be moved to an archive ([`archive()`]); the remaining files are verified
//! from the last archived seal on.

mod archive;
mod body;
mod chain;
pub mod compare;
mod end;
mod entry;
mod faults;
mod files;
mod headers;
mod latest;
mod line;
mod mask;
mod report;
mod resume;
mod since;
mod tail;
mod writer;

pub use archive::{ArchiveError, Archived, accept_missing, archive};
pub use chain::{Corrupt, Verified, read, verify, verify_with_archive, verify_with_head};
pub(crate) use end::can_be_continued;
pub use entry::{
    Accepted, Configured, ConfiguredPlugin, Decided, Entry, Event, Issued, Opening, Outcome,
    Overloaded, Recorded, Released, Seal,
};
pub(crate) use headers::without_credentials;
pub use line::VERSION;
pub use mask::{Mask, MaskError};
pub use report::{Call, CallOutcome, Refused, RefusedFor};
pub use resume::{Line, Lines, Most, Position, read_after};
pub(crate) use since::marks_of;

use crate::decision::Decision;
use crate::quarantine::Quarantined;
use body::Written;
use portcullis_model::request::Request;
use portcullis_model::timestamp::Timestamp;
use portcullis_trust::revocation::{Record, Revoked};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use writer::Writer;

/// Options of a decision log.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// Path of the latest file.
    ///
    /// Sealed files beside it are numbered: `decisions.jsonl`, `decisions.000001.jsonl`, ….
    pub path: PathBuf,
    /// Durability required before a decision is released.
    pub durability: Durability,
    /// Size at which the log starts the next file, in bytes. 64 MiB by default.
    pub max_file_bytes: u64,
    /// Parts of a request that are not written.
    pub mask: Mask,
}

impl LogOptions {
    /// Options for a log in `path`.
    ///
    /// Lines are synced to disk before a decision is released. The mask is [`Mask::default`].
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            durability: Durability::Fsync,
            max_file_bytes: 64 * 1024 * 1024,
            mask: Mask::default(),
        }
    }
}

/// Durability of recorded lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Lines are on disk, and survive a crash of the machine.
    Fsync,
    /// The operating system has the lines; they survive a crash of the process.
    Buffered,
}

/// The log cannot be opened or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// A file operation failed.
    #[error("cannot read or write the decision log {}: {message}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// Message of the operating system.
        message: String,
    },
    /// The writing thread panicked.
    #[error("the decision log could not be written: please report it")]
    Panicked,
    /// The thread that writes for tasks cannot be started.
    #[error(
        "cannot start the thread that writes the decision log: {0}: raise the limit of threads of the process"
    )]
    Thread(String),
    /// The log was moved or changed since it was opened.
    ///
    /// New lines would be lost.
    #[error("{} differs from what was written: {message}: restore it, or investigate and restart the host", file.display())]
    NotInPlace {
        /// The file.
        file: PathBuf,
        /// Difference that was found.
        message: String,
    },
    /// No number is left for another line or file.
    #[error("{} has no number left for another line: move the log away and begin a new one", .0.display())]
    Exhausted(PathBuf),
    /// The file is not a log, or its end was tampered with.
    #[error("{} is not a decision log that can be continued: {message}", file.display())]
    NotALog {
        /// The file.
        file: PathBuf,
        /// Problem of the file.
        message: String,
    },
}

/// An open decision log.
#[derive(Debug, Clone)]
pub struct DecisionLog {
    writer: Arc<Writer>,
    mask: Arc<Mask>,
    path: Arc<Path>,
}

impl DecisionLog {
    /// Opens the log: continues an existing one, or starts a new one.
    ///
    /// Only the end of the latest file is read. A line cut off by a crash was never released, and is removed.
    /// Lines behind the head, left by a crash or added by a forger, are kept, and their number is recorded.
    ///
    /// # Errors
    ///
    /// [`LogError`] if it cannot be written, or the existing log cannot be continued.
    pub fn open(options: LogOptions) -> Result<Self, LogError> {
        let (writer, behind_head) = Writer::open(&options)?;
        if behind_head > 0 {
            writer.append(vec![body::continuation(behind_head, Timestamp::now())])?;
        }
        Ok(Self {
            writer: Arc::new(writer),
            mask: Arc::new(options.mask),
            path: options.path.into(),
        })
    }

    /// Records a decision; returns once it is recorded.
    pub(crate) fn record(
        &self,
        request: &Request,
        decision: &Decision,
        at: Timestamp,
    ) -> Result<(), LogError> {
        let written = Written::new(request, &self.mask);
        self.writer.append(vec![written.body(decision, at)])
    }

    /// As [`DecisionLog::record`], for a task.
    pub(crate) async fn record_async(
        &self,
        request: &Request,
        decision: &Decision,
        at: Timestamp,
    ) -> Result<(), LogError> {
        let written = Written::new(request, &self.mask).body(decision, at);
        self.writer.append_async(vec![written]).await
    }

    /// As [`DecisionLog::record_refused`], for a task.
    pub(crate) async fn record_refused_async(
        &self,
        refused: &Recorded<Refused>,
        at: Timestamp,
    ) -> Result<(), LogError> {
        let line = body::refused(refused, at);
        self.writer.append_async(vec![line]).await
    }

    /// As [`DecisionLog::record_unreadable`], for a task.
    pub(crate) async fn record_unreadable_async(
        &self,
        request: &[u8],
        decision: &Decision,
        at: Timestamp,
    ) -> Result<(), LogError> {
        let line = body::unreadable(request, decision, at);
        self.writer.append_async(vec![line]).await
    }

    /// Records a refusal by a gateway that came before any decision.
    pub(crate) fn record_refused(
        &self,
        refused: &Recorded<Refused>,
        at: Timestamp,
    ) -> Result<(), LogError> {
        self.writer.append(vec![body::refused(refused, at)])
    }

    /// Records the outcome of a call.
    pub(crate) fn record_outcome(&self, outcome: &Outcome, at: Timestamp) -> Result<(), LogError> {
        self.writer.append(vec![body::outcome(outcome, at)])
    }

    /// Records the deny for an unreadable request.
    pub(crate) fn record_unreadable(
        &self,
        request: &[u8],
        decision: &Decision,
        at: Timestamp,
    ) -> Result<(), LogError> {
        self.writer
            .append(vec![body::unreadable(request, decision, at)])
    }

    /// Records that a plugin was quarantined.
    pub(crate) fn record_quarantined(
        &self,
        quarantined: &Quarantined,
        at: Timestamp,
    ) -> Result<(), LogError> {
        self.writer.append(vec![body::quarantine(quarantined, at)])
    }

    /// Records that a quarantine ended.
    pub(crate) fn record_released(
        &self,
        released: &Released,
        at: Timestamp,
    ) -> Result<(), LogError> {
        self.writer.append(vec![body::release(released, at)])
    }

    /// Records that requests were denied because too many were in flight.
    pub(crate) fn record_overloaded(
        &self,
        overloaded: &Overloaded,
        at: Timestamp,
    ) -> Result<(), LogError> {
        self.writer.append(vec![body::overload(overloaded, at)])
    }

    /// Records which configuration is in force, or why a new one is not.
    pub(crate) fn record_configuration(
        &self,
        configured: &Configured,
        at: Timestamp,
    ) -> Result<(), LogError> {
        self.writer
            .append(vec![body::configuration(configured, at)])
    }

    /// The same log with another mask.
    pub(crate) fn with_mask(&self, mask: Mask) -> Self {
        Self {
            writer: Arc::clone(&self.writer),
            mask: Arc::new(mask),
            path: Arc::clone(&self.path),
        }
    }

    /// Sets durability and size of files for the lines from now on.
    pub(crate) fn set_options(&self, options: &LogOptions) {
        self.writer.set_options(options);
    }

    /// Error of the last write, unless a later one succeeded.
    pub(crate) fn problem(&self) -> Option<LogError> {
        self.writer.problem()
    }

    /// Path of the latest file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Records that a revocation was lifted.
    pub(crate) fn record_lifted(
        &self,
        epoch: u64,
        lifted: &Revoked,
        digest: Option<&str>,
        at: Timestamp,
    ) -> Result<(), LogError> {
        self.writer
            .append(vec![body::lift(epoch, lifted, digest, at)])
    }

    /// Records that an operator accepted a state or a list.
    #[cfg(feature = "embedded-state")]
    pub(crate) fn record_accepted(
        &self,
        accepted: &Accepted,
        at: Timestamp,
    ) -> Result<(), LogError> {
        self.writer.append(vec![body::accepted(accepted, at)])
    }

    /// Records that intents came into force.
    pub(crate) fn record_issued(&self, issued: &[Issued], at: Timestamp) -> Result<(), LogError> {
        match issued {
            [] => Ok(()),
            issued => self
                .writer
                .append(issued.iter().map(|one| body::issuance(one, at)).collect()),
        }
    }

    /// Records that a revocation came into force.
    pub(crate) fn record_revoked(
        &self,
        epoch: u64,
        revoked: &Revoked,
        digest: Option<&str>,
        at: Timestamp,
    ) -> Result<(), LogError> {
        self.writer
            .append(vec![body::revocation(epoch, Some(revoked), digest, at)])
    }

    /// Records the number of revocations and lifts at the start of a host.
    ///
    /// Before that, it records the entries in `lacking`, which the log lacks.
    pub(crate) fn record_begun(
        &self,
        lacking: &[Record],
        epoch: u64,
        digest: Option<&str>,
        at: Timestamp,
    ) -> Result<(), LogError> {
        let lacking = lacking
            .iter()
            .map(|one| body::revocation(one.epoch, one.revoked.as_ref(), None, at));
        let begun = body::revocation(epoch, None, digest, at);
        self.writer.append(lacking.chain([begun]).collect())
    }

    /// Number of the last recorded line.
    pub(crate) fn sequence(&self) -> u64 {
        self.writer.sequence()
    }
}

#[cfg(test)]
mod tests;
