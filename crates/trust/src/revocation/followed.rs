//! A revocation list that the host follows: added lines are applied when the file changes.

use super::added::Added;
use super::error::ListError;
use super::known::Known;
use super::list::List;
use super::{Event, HeadKey, ListMark, ListSeen, ListWriter, Part, Record, Revoked, Signers};
use crate::regular;
use crate::watched::{HOST_FAILED, Look, Source, Stamp, Watch};
use portcullis_model::timestamp::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

/// Revocation list in a file.
///
/// The watcher of the host that the list belongs to reads added lines; without a host,
/// [`Revocations::refresh`] does.
#[derive(Clone)]
pub struct Revocations {
    shared: Arc<Shared>,
    max_staleness: Duration,
}

/// Change that a line of the list makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A revocation.
    Revoked(Revoked),
    /// The end of a revocation.
    Lifted(Revoked),
}

/// Callback for each applied change, with its epoch.
///
/// The mark is that of the list after the change, if the list is reliable.
type Listener = Box<dyn Fn(u64, &Change, Option<&ListMark>) + Send + Sync>;

struct Shared {
    file: PathBuf,
    signers: Option<Arc<Signers>>,
    /// Key that signs the lines that the host adds.
    key: Option<HeadKey>,
    /// True if only delivered lines are appended.
    is_copy: AtomicBool,
    list: RwLock<List>,
    listener: Mutex<Option<Listener>>,
}

impl std::fmt::Debug for Revocations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Revocations")
            .field("file", &self.shared.file)
            .field("max_staleness", &self.max_staleness)
            .finish_non_exhaustive()
    }
}

impl Revocations {
    /// Reads the list in `file`, to follow it.
    ///
    /// # Errors
    ///
    /// [`ListError`] if the list is unusable now.
    pub fn follow(file: &Path, max_staleness: Duration) -> Result<Self, ListError> {
        Self::begin(file, max_staleness, None, None)
    }

    /// Reads the list in `file`, whose head must be signed by one of `signers`, to follow it.
    ///
    /// While no signer signed the head, the host does not rely on the list. With `key` the host signs the
    /// lines that it adds, see [`Revocations::accept`]. Otherwise as [`Revocations::follow`].
    ///
    /// # Errors
    ///
    /// [`ListError`] if the list is unusable now.
    pub fn follow_signed(
        file: &Path,
        max_staleness: Duration,
        signers: Signers,
        key: Option<HeadKey>,
    ) -> Result<Self, ListError> {
        Self::begin(file, max_staleness, Some(Arc::new(signers)), key)
    }

    fn begin(
        file: &Path,
        max_staleness: Duration,
        signers: Option<Arc<Signers>>,
        key: Option<HeadKey>,
    ) -> Result<Self, ListError> {
        let list = List::read(file, signers.clone())?;
        if list.as_of.is_none() {
            return Err(ListError::Empty);
        }
        let shared = Arc::new(Shared {
            file: file.to_owned(),
            signers,
            key,
            is_copy: AtomicBool::new(false),
            list: RwLock::new(list),
            listener: Mutex::default(),
        });
        Ok(Self {
            shared,
            max_staleness,
        })
    }

    /// Reads changed keys of signers and added lines now, in the calling thread.
    pub fn refresh(&self) {
        for source in self.sources() {
            source.look(Look::AtOnce);
        }
    }

    /// The list after the keys of its signers, for a watcher.
    pub fn sources(&self) -> Vec<Source> {
        let signers = self.shared.signers.iter();
        let keys = signers.flat_map(|signers| signers.sources());
        let list: Source = Arc::<Shared>::clone(&self.shared);
        keys.chain([list]).collect()
    }

    /// Appends the revocations of a security event to the list, and returns the new lines.
    ///
    /// They are in effect when this returns. An event that is sent again adds no lines.
    ///
    /// # Errors
    ///
    /// [`ListError`] if the list cannot be written or is unreliable, so that no line is added that the latest
    /// list lacks; [`ListError::Lifted`] if the event's revocations were all appended before and lifted
    /// since.
    pub fn accept(&self, event: &Event) -> Result<Vec<Record>, ListError> {
        if event.revoked.is_empty() {
            return Ok(Vec::new());
        }
        let added = self.writer()?.event(event, Timestamp::now())?;
        self.shared.refresh();
        added.records_or_lifted()
    }

    /// Appends a checkpoint to the list, which states that the list is complete as of `at`.
    ///
    /// For the host that owns the list: one that receives the list from elsewhere cannot know whether it is complete.
    /// It is in effect when this returns. A list that is only too old becomes current.
    ///
    /// # Errors
    ///
    /// [`ListError`] if the list cannot be written, or is unreliable for another reason than its age.
    pub fn checkpoint(&self, at: Timestamp) -> Result<Record, ListError> {
        let written = self.writer()?.checkpoint(at)?;
        self.shared.refresh();
        Ok(written)
    }

    /// Opens the list for lines of this host's own.
    fn writer(&self) -> Result<ListWriter<'_>, ListError> {
        let Shared {
            file, signers, key, ..
        } = &*self.shared;
        if self.shared.is_copy.load(Ordering::Relaxed) {
            return Err(ListError::Copy);
        }
        if signers.is_some() && key.is_none() {
            return Err(ListError::NotSigned(
                "the host has no `key` to sign what it adds".to_owned(),
            ));
        }
        // The list alone: the watcher may hang on the file of a signer's keys.
        self.shared.refresh();
        if let Some(error) = self.unreliable() {
            return Err(error);
        }
        ListWriter::open_signed(file, key.as_ref(), signers.clone())
    }

    /// Refuses lines of this host's own from now on: the list is a copy of that of another host.
    pub fn only_copies(&self) {
        self.shared.is_copy.store(true, Ordering::Relaxed);
    }

    /// Appends delivered lines to the list, except those that it has. True if it lacked any.
    ///
    /// They are in effect when this returns.
    ///
    /// # Errors
    ///
    /// [`ListError`] if the lines do not continue the list or break one of its rules.
    pub fn append_part(&self, part: &Part) -> Result<bool, ListError> {
        let Shared { file, signers, .. } = &*self.shared;
        let appended = ListWriter::open_signed(file, None, signers.clone())?.copy(part)?;
        self.shared.refresh();
        Ok(appended)
    }

    /// True if the list has the lines of `part`, in the place that it names.
    ///
    /// # Errors
    ///
    /// [`ListError`] if the list cannot be read, or is another one.
    pub fn holds(&self, part: &Part) -> Result<bool, ListError> {
        Ok(part.missing_in(&self.content()?)?.is_empty())
    }

    /// Lines of the list from byte `from` on, to deliver to its copies; `None` if there are none yet.
    ///
    /// # Errors
    ///
    /// [`ListError`] if the list is unreliable, so that no copy should follow it, or shorter.
    pub fn part_from(&self, from: u64) -> Result<Option<Part>, ListError> {
        self.shared.refresh();
        if let Some(error) = self.unreliable() {
            return Err(error);
        }
        Part::of(&self.content()?, from, self.shared.signers.is_some())
    }

    fn content(&self) -> Result<Vec<u8>, ListError> {
        let file = &self.shared.file;
        regular::read(file).map_err(|error| ListError::Read(format!("{}: {error}", file.display())))
    }

    /// Path of the list.
    pub fn file(&self) -> &Path {
        &self.shared.file
    }

    /// Requires that the list continues from `mark`; otherwise it is unreliable.
    pub fn hold_to(&self, mark: &ListMark) {
        let Shared { file, list, .. } = &*self.shared;
        let mut list = list.write().unwrap_or_else(PoisonError::into_inner);
        if list.is_held_to_less_than(mark) {
            list.hold_to(file, mark);
        }
    }

    /// Marks the list as unreliable: `why` states why it may be an older one.
    pub fn distrust(&self, why: &str) {
        let list = self.shared.list.write();
        let mut list = list.unwrap_or_else(PoisonError::into_inner);
        list.distrust(ListError::NotRemembered(why.to_owned()));
    }

    /// Mark of the list, if it is reliable regardless of its age.
    pub fn mark(&self) -> Option<ListMark> {
        let list = self.shared.read();
        match list.unreliable() {
            Some(_) => None,
            None => list.mark(),
        }
    }

    /// Mark of the list, or the mark of an empty list.
    pub fn mark_or_beginning(&self) -> ListMark {
        self.mark().unwrap_or_else(|| ListMark::new(0, None))
    }

    /// Reason why the list is unreliable, regardless of its age.
    pub fn unreliable(&self) -> Option<ListError> {
        self.shared.read().unreliable()
    }

    /// The list in its current state.
    pub fn now_known(&self) -> Known<'_> {
        Known {
            list: self.shared.read(),
            as_seen: None,
            max_staleness: self.max_staleness,
        }
    }

    /// The list in the state that an earlier decision used.
    pub fn as_seen(&self, seen: ListSeen) -> Known<'_> {
        Known {
            as_seen: Some(seen),
            ..self.now_known()
        }
    }

    /// Current revocations in no order, each with its epoch.
    pub fn revoked(&self) -> Vec<(u64, Revoked)> {
        let list = self.shared.read();
        list.entries
            .revoked()
            .map(|(from, revoked)| (from, revoked.clone()))
            .collect()
    }

    /// Current revocations in no order, each with its trust domains.
    ///
    /// Their time is unknown.
    pub fn in_force(&self) -> Vec<Record> {
        self.shared.read().entries.in_force().collect()
    }

    /// Lifted revocations in no order, with the epochs of the revocation and of the lift.
    pub fn lifted(&self) -> Vec<(u64, u64, Revoked)> {
        let list = self.shared.read();
        list.entries
            .lifted()
            .map(|(from, lifted_at, revoked)| (from, lifted_at, revoked.clone()))
            .collect()
    }

    /// Numbers, from 1, of the lines with text that looks like a secret.
    ///
    /// The text is withheld wherever a revocation is shown.
    pub fn lines_with_tokens(&self) -> Vec<usize> {
        self.shared.read().lines_with_tokens.clone()
    }

    /// True if a listener is set.
    pub fn has_listener(&self) -> bool {
        let listener = self.shared.listener.lock();
        listener.unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Calls `listener` for each change from now on, once the change is in effect.
    pub fn whenever_changed(
        &self,
        listener: impl Fn(u64, &Change, Option<&ListMark>) + Send + Sync + 'static,
    ) {
        let mut listening = self
            .shared
            .listener
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *listening = Some(Box::new(listener));
    }

    /// Maximum age of the list, after which the host denies everything.
    pub fn max_staleness(&self) -> Duration {
        self.max_staleness
    }

    /// Epoch and time of the list in its current state.
    pub fn seen(&self) -> ListSeen {
        self.now_known().seen()
    }
}

impl Shared {
    fn read(&self) -> RwLockReadGuard<'_, List> {
        // If a panic left the list partly updated, the next line does not fit, and the list becomes stale.
        self.list.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies added lines. Concurrent calls are allowed.
    fn refresh(&self) {
        while !self.try_refresh() {}
    }

    /// Applies added lines. False if another thread did so meanwhile and more may follow.
    fn try_refresh(&self) -> bool {
        if let Some(signers) = &self.signers {
            let version = signers.version();
            if self.read().keys_version() != version {
                let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
                list.verify_head();
            }
        }
        let changed = {
            let list = self.read();
            match std::fs::metadata(&self.file) {
                Ok(metadata) => list.may_differ(Stamp::of(&metadata), metadata.len()),
                Err(_) => true,
            }
        };
        if changed {
            let known = self.read().position();
            // The file is read without a lock, while decisions go on; its lines are then applied at once.
            let added = Added::read(&self.file, &known);
            let (new, mark) = {
                let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
                if list.bytes_read != known.bytes_read {
                    // Another thread applied the lines that were present. Lines after those must be read
                    // again.
                    return false;
                }
                let mut new = Vec::new();
                list.error = added.and_then(|added| list.take_up(added, &mut new)).err();
                let mark = match list.unreliable() {
                    Some(_) => None,
                    None => list.mark(),
                };
                (new, mark)
            };
            // The listener runs after the change is in effect, because writing it to a log may take a while.
            let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(listener) = &*listener {
                for (epoch, change) in &new {
                    listener(*epoch, change, mark.as_ref());
                }
            }
        }
        true
    }
}

impl Watch for Shared {
    fn path(&self) -> PathBuf {
        self.file.clone()
    }

    fn look(&self, _: Look) {
        self.refresh();
    }

    fn problem(&self) -> Option<String> {
        let error = self.read().unreliable()?;
        Some(error.to_string())
    }

    fn look_failed(&self) {
        // A list whose new lines cannot be read may lack a revocation.
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        list.error = Some(ListError::Read(format!(
            "{}: {HOST_FAILED}",
            self.file.display()
        )));
    }
}
