//! The decision log: one JSON object a line, each naming the hash of the line before it.
//!
//! A decision is recorded before it is released, and one that cannot be recorded is a deny. Decisions
//! that are made at the same time share the cost of bringing them to disk.
//!
//! A full file ends with a seal, gets a number and is not written again; the next one begins with its
//! opening. Sealed files can be moved away ([`archive()`]): what is left is verified from the last seal on.

mod archive;
mod body;
mod chain;
pub mod compare;
mod entry;
mod files;
mod headers;
mod latest;
mod line;
mod mask;
mod report;
mod since;
mod tail;
mod writer;

pub use archive::{ArchiveError, Archived, accept_missing, archive};
pub use chain::{Broken, Verified, read, verify, verify_with_archive, verify_with_head};
pub use entry::{Accepted, Decided, Entry, Event, Issued, Opening, Outcome, Recorded, Seal};
pub(crate) use files::{beside, private};
pub(crate) use latest::can_be_continued;
pub use line::VERSION;
pub use mask::{Mask, MaskError};
pub use report::{Call, CallOutcome, Refused, RefusedFor};
pub(crate) use since::{Said, backwards};

use crate::decision::Decision;
use crate::request::Request;
use crate::revocation::{Record, Revoked};
use crate::timestamp::Timestamp;
use body::Written;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use writer::Writer;

/// How a decision log is kept.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// The file. Sealed ones beside it are numbered: `decisions.jsonl`, `decisions.000001.jsonl`, ….
    pub path: PathBuf,
    /// What it takes for a decision to be recorded.
    pub durability: Durability,
    /// How large a file becomes before the next one is begun, in bytes. 64 MiB by default.
    pub max_file_bytes: u64,
    /// What of a request is not written.
    pub mask: Mask,
}

impl LogOptions {
    /// A log in `path` that is on disk before a decision is released, and masks what [`Mask::default`] does.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            durability: Durability::Fsync,
            max_file_bytes: 64 * 1024 * 1024,
            mask: Mask::default(),
        }
    }
}

/// What it takes for a decision to be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It is on disk. It survives the machine.
    Fsync,
    /// The operating system has it. It survives the process.
    Buffered,
}

/// The log cannot be written, or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The system says no.
    #[error("cannot read or write the decision log {}: {message}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// What the system said.
        message: String,
    },
    /// Writing it failed in a way that should not be possible.
    #[error("the decision log could not be written: please report it")]
    Panicked,
    /// The log is not where it was opened, or not as it was written: what is written to it would be lost.
    #[error("{} is not as it was written: {message}: put it back, or look into it and restart the host", file.display())]
    NotInPlace {
        /// The file.
        file: PathBuf,
        /// What was found instead.
        message: String,
    },
    /// There is no number for another line or file.
    #[error("{} has no number left for another line: move the log away and begin a new one", .0.display())]
    Exhausted(PathBuf),
    /// What is there is no log, or one that was tampered with at its end.
    #[error("{} is not a decision log that can be continued: {message}", file.display())]
    NotALog {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        message: String,
    },
}

/// A decision log that is open.
#[derive(Debug, Clone)]
pub struct DecisionLog {
    writer: Arc<Writer>,
    mask: Arc<Mask>,
    path: Arc<Path>,
}

impl DecisionLog {
    /// Opens the log, continues the one that is there, or begins a new one. Only the latest file is read,
    /// and of it only the end. A line that a crash cut off was never released, and is removed. Lines behind
    /// the head, which a crash leaves there as well as a forger, are kept, and how many they are is recorded.
    ///
    /// # Errors
    ///
    /// [`LogError`] if it cannot be written or what is there cannot be continued.
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

    /// Records a decision, and comes back when it is recorded.
    pub(crate) fn record(
        &self,
        request: &Request,
        decision: &Decision,
        at: Timestamp,
    ) -> Result<(), LogError> {
        let written = Written::new(request, &self.mask);
        self.writer.append(vec![written.body(decision, at)])
    }

    /// Records what a gateway refused before there was a decision.
    pub(crate) fn record_refused(
        &self,
        refused: &Recorded<Refused>,
        at: Timestamp,
    ) -> Result<(), LogError> {
        self.writer.append(vec![body::refused(refused, at)])
    }

    /// Records what became of a call.
    pub(crate) fn record_outcome(&self, outcome: &Outcome, at: Timestamp) -> Result<(), LogError> {
        self.writer.append(vec![body::outcome(outcome, at)])
    }

    /// Records the deny that an unreadable request is.
    pub(crate) fn record_unreadable(
        &self,
        request: &[u8],
        decision: &Decision,
        at: Timestamp,
    ) -> Result<(), LogError> {
        self.writer
            .append(vec![body::unreadable(request, decision, at)])
    }

    /// Where the log is.
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

    /// Records what an operator accepted.
    pub(crate) fn record_accepted(
        &self,
        accepted: &Accepted,
        at: Timestamp,
    ) -> Result<(), LogError> {
        self.writer.append(vec![body::accepted(accepted, at)])
    }

    /// Records that intents came to count.
    pub(crate) fn record_issued(&self, issued: &[Issued], at: Timestamp) -> Result<(), LogError> {
        match issued {
            [] => Ok(()),
            issued => self
                .writer
                .append(issued.iter().map(|one| body::issuance(one, at)).collect()),
        }
    }

    /// Records that a revocation came to count.
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

    /// Records with how many revocations and lifts a host begins, and before that those of them that the log lacks.
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

    /// The number of the last line that was recorded.
    pub(crate) fn sequence(&self) -> u64 {
        self.writer.sequence()
    }
}

#[cfg(test)]
mod tests;
