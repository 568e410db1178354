//! Revocation: an append-only list that the host follows.
//!
//! The list has one JSON object per line. A revocation has the next epoch. A checkpoint repeats the last
//! epoch and states that the list was complete at that time:
//!
//! ```json
//! {"epoch":1,"at":"2026-11-22T09:00:00Z","kind":"credential","id":"jti-17","reason":"leaked","by":"alice"}
//! {"epoch":1,"at":"2026-11-22T09:01:00Z"}
//! ```
//!
//! - `event` names the security event that caused a revocation, so that the same event, sent again, adds no
//!   line.
//! - `domains` lists the trust domains that the event's issuer answers for.
//! - `"lift":true` ends a revocation; the line of the revocation stays.
//! - `head` in a checkpoint signs everything before it.

mod append;
#[cfg(feature = "identity")]
mod event;
#[cfg(feature = "identity")]
mod event_kind;
#[cfg(feature = "identity")]
mod head;
#[cfg(not(feature = "identity"))]
#[path = "head_left_out.rs"]
mod head;
mod ids;
mod list;
mod record;
#[cfg(feature = "identity")]
mod subject;

pub use crate::certificate_id::serial_readings;
pub use append::{AddedOfEvent, Event, ListWriter, Opening, append, append_event};
#[cfg(feature = "identity")]
pub use event::{EventError, EventIssuers};
pub use head::{HeadKey, Signers};
pub use ids::{is_lifted, is_same, normal_credential, normal_id};
pub use record::{Record, Revocable, Revoked};

use crate::watched::{HOST_FAILED, Look, Source, Stamp, Watch};
use list::{Added, List};
pub use portcullis_model::marks::{ListMark, ListSeen};
use portcullis_model::timestamp::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

/// Reason why the list is unusable. The host then denies all requests.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// The list cannot be read.
    #[error("cannot read the revocation list: {0}")]
    Read(String),
    /// A line is invalid.
    #[error("line {line} of the revocation list: {message}")]
    Line {
        /// Line number, from 1.
        line: usize,
        /// Reason why the line is invalid.
        message: String,
    },
    /// No request can match the id to revoke.
    #[error("`{id}` is not {expected}: nothing is revoked")]
    Id {
        /// Id to revoke.
        id: String,
        /// Expected form of the id.
        expected: &'static str,
    },
    /// The list was cut, or is another list than before.
    #[error(
        "the revocation list was rewritten, but revocations are only ever added: restore the earlier list"
    )]
    Rewritten,
    /// The list has no checkpoint, so that it may be incomplete.
    #[error("the revocation list is empty: it begins with a checkpoint")]
    Empty,
    /// The list is older than the one known before.
    #[error(
        "the revocation list has {found} changes, but {known} were seen before: it is an older copy; restore the latest list, or accept this one with `portcullis state accept list`"
    )]
    Behind {
        /// Number of changes found.
        found: u64,
        /// Number of changes known before.
        known: u64,
    },
    /// The list differs from the one known before.
    #[error(
        "the revocation list differs from the one seen before, at or before epoch {0}: restore the earlier list, or accept this one with `portcullis state accept list`"
    )]
    Another(u64),
    /// The marks of the list cannot be read.
    #[error(
        "{0}, so the host cannot know whether the revocation list is an older copy; verify that it is the latest list, then accept it with `portcullis state accept list`"
    )]
    NotRemembered(String),
    /// The head of the list is not signed by a signer.
    #[error(
        "the head of the revocation list is not signed by one of `[revocation.signers]`: {0}; verify its lines, then sign them with `portcullis revoke --checkpoint --sign-anew --key KEY`"
    )]
    NotSigned(String),
    /// The key does not belong to a signer, so that hosts would not rely on the list.
    #[error(
        "the key does not belong to one of `[revocation.signers]`, so no host would accept the list: {0}; nothing is written"
    )]
    NotASigner(String),
    /// The key is not a signing key.
    #[error(
        "the key is no private key in PEM to sign with (P-256, P-384, Ed25519 or RSA, PKCS #8): {0}"
    )]
    Key(String),
    /// The id to lift is not revoked.
    #[error("`{0}` is not revoked, so there is nothing to lift")]
    NotRevoked(String),
    /// The id to lift is revoked as part of a wider one.
    #[error(
        "`{id}` is revoked as `{wider}`, for every issuer, so nothing is lifted: lift `{wider}`, then revoke the ids of other issuers that must stay revoked"
    )]
    OfEveryIssuer {
        /// Id to lift.
        id: String,
        /// Revoked id.
        wider: String,
    },
    /// An id was revoked by the event, and lifted since.
    #[error(
        "the event revoked `{id}` before, but it was lifted at epoch {epoch}: an event does not revoke it again; to revoke it, use `portcullis revoke`"
    )]
    Lifted {
        /// Id that the event revokes.
        id: String,
        /// Epoch of the lift.
        epoch: u64,
    },
}

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
        let Shared {
            file, signers, key, ..
        } = &*self.shared;
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
        let writer = ListWriter::open_signed(file, key.as_ref(), signers.clone())?;
        let added = writer.event(event, Timestamp::now())?;
        self.shared.refresh();
        added.records_or_lifted()
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
        list.revoked()
            .map(|(from, revoked)| (from, revoked.clone()))
            .collect()
    }

    /// Current revocations in no order, each with its trust domains.
    ///
    /// Their time is unknown.
    pub fn in_force(&self) -> Vec<Record> {
        self.shared.read().in_force().collect()
    }

    /// Lifted revocations in no order, with the epochs of the revocation and of the lift.
    pub fn lifted(&self) -> Vec<(u64, u64, Revoked)> {
        let list = self.shared.read();
        list.lifted()
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

/// The list in one state, locked against changes while this exists.
pub struct Known<'a> {
    list: RwLockReadGuard<'a, List>,
    /// Earlier state to look up, if not the current one.
    as_seen: Option<ListSeen>,
    max_staleness: Duration,
}

impl Known<'_> {
    /// Epoch, time and digest of the list, as a decision records them.
    pub fn seen(&self) -> ListSeen {
        self.as_seen.clone().unwrap_or_else(|| ListSeen {
            epoch: self.list.epoch,
            as_of: self.list.as_of,
            digest: self.list.mark().and_then(|mark| mark.digest),
            error: self.list.unreliable().map(|error| error.to_string()),
        })
    }

    /// Number of changes in this state.
    pub fn epoch(&self) -> u64 {
        self.as_seen
            .as_ref()
            .map_or(self.list.epoch, |seen| seen.epoch)
    }

    /// Reason why the list is unreliable at `now`, if it is.
    pub fn unreliable(&self, now: Timestamp) -> Option<String> {
        let (error, as_of) = match &self.as_seen {
            Some(seen) => (seen.error.clone(), seen.as_of),
            None => {
                let error = self.list.unreliable();
                (error.map(|error| error.to_string()), self.list.as_of)
            }
        };
        if error.is_some() {
            return error;
        }
        let Some(as_of) = as_of else {
            return Some(ListError::Empty.to_string());
        };
        let age = now.since(as_of);
        (age > self.max_staleness).then(|| {
            format!(
                "the revocation list is stale: it is of {as_of}, {age:?} ago, and may be {:?} old; make sure that updates with checkpoints are delivered",
                self.max_staleness
            )
        })
    }

    /// Returns the revocation of an id.
    ///
    /// For a credential, revocations for any principal match.
    pub fn find(&self, kind: Revocable, id: &str) -> Option<&Revoked> {
        self.list.find(kind, id, None, self.epoch())
    }

    /// Returns the revocation of a credential of `principal`.
    pub fn find_credential(&self, id: &str, principal: &str) -> Option<&Revoked> {
        let kind = Revocable::Credential;
        self.list.find(kind, id, Some(principal), self.epoch())
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

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

    fn revoked(id: &str) -> Revoked {
        Revoked {
            kind: Revocable::Credential,
            id: id.to_owned(),
            reason: "leaked".to_owned(),
            by: "alice@acme.example".to_owned(),
        }
    }

    fn file(name: &str) -> PathBuf {
        let file =
            std::env::temp_dir().join(format!("portcullis-{name}-{}.jsonl", std::process::id()));
        let _ = std::fs::remove_file(&file);
        file
    }

    #[test]
    fn a_revocation_is_known_once_it_is_appended() {
        let file = file("append");
        append(&file, None, NOW).unwrap();
        let followed = Revocations::follow(&file, Duration::from_secs(60)).unwrap();
        assert!(
            followed
                .now_known()
                .find(Revocable::Credential, "a")
                .is_none()
        );
        append(&file, Some(revoked("a")), NOW).unwrap();
        append(&file, Some(revoked("a")), NOW).unwrap();
        followed.refresh();
        let known = followed.now_known();
        assert_eq!(known.seen().epoch, 2);
        let before = ListSeen {
            epoch: 0,
            as_of: Some(NOW),
            digest: None,
            error: None,
        };
        let as_seen = followed.as_seen(before);
        assert!(as_seen.find(Revocable::Credential, "a").is_none());
        drop(as_seen);
        assert!(known.find(Revocable::Credential, "a").is_some());
        assert!(known.find(Revocable::Principal, "a").is_none());
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn a_token_in_the_list_is_found_and_goes_no_further() {
        let file = file("tokens");
        let token = "ghp_abcdefghijklmnop1234";
        let leaked = Revoked {
            reason: format!("leaked: {token}"),
            ..revoked("0123456789abcdef0123456789abcdef")
        };
        append(&file, Some(leaked), NOW).unwrap();
        let written = std::fs::read_to_string(&file).unwrap();
        assert!(!written.contains(token), "{written}");
        let followed = Revocations::follow(&file, Duration::from_secs(60)).unwrap();
        assert_eq!(
            followed.lines_with_tokens(),
            [0_usize; 0],
            "an id in hexadecimal digits is no token"
        );
        // An operator wrote the token into the file by hand.
        let by_hand = format!(
            "{{\"epoch\":2,\"at\":\"{NOW}\",\"kind\":\"credential\",\"id\":\"a\",\"reason\":\"see {token}\",\"by\":\"alice\"}}\n"
        );
        std::fs::write(&file, written + &by_hand).unwrap();
        followed.refresh();
        assert_eq!(followed.lines_with_tokens(), [2]);
        let known = followed.now_known();
        let found = known.find(Revocable::Credential, "a").unwrap();
        assert!(
            found.reason.starts_with("see ") && !found.reason.contains(token),
            "{}",
            found.reason
        );
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn a_list_is_stale_when_nothing_says_otherwise() {
        let file = file("stale");
        append(&file, None, NOW).unwrap();
        let followed = Revocations::follow(&file, Duration::from_secs(60)).unwrap();
        let known = followed.now_known();
        assert!(
            known
                .unreliable(NOW.plus(Duration::from_secs(60)))
                .is_none()
        );
        assert!(
            known
                .unreliable(NOW.plus(Duration::from_secs(61)))
                .is_some()
        );
        drop(known);
        append(&file, None, NOW.plus(Duration::from_secs(50))).unwrap();
        followed.refresh();
        assert!(
            followed
                .now_known()
                .unreliable(NOW.plus(Duration::from_secs(61)))
                .is_none()
        );
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn a_list_that_was_tampered_with_is_not_relied_on() {
        let file = file("tampered");
        append(&file, None, NOW).unwrap();
        append(&file, Some(revoked("a")), NOW).unwrap();
        let whole = std::fs::read_to_string(&file).unwrap();
        let followed = Revocations::follow(&file, Duration::from_secs(60)).unwrap();
        let after = |content: &str| {
            std::fs::write(&file, content).unwrap();
            followed.refresh();
            followed.now_known().unreliable(NOW)
        };
        assert!(
            after(whole.lines().next().unwrap())
                .unwrap()
                .contains("only ever added")
        );
        let gap = whole.clone()
            + &whole
                .lines()
                .last()
                .unwrap()
                .replace("\"epoch\":1", "\"epoch\":3")
            + "\n";
        assert!(after(&gap).unwrap().contains("line 3"));
        assert!(
            after(&format!("{whole}not json\n"))
                .unwrap()
                .contains("line 3")
        );
        // Known revocations stay known, even if the file changes.
        assert!(
            followed
                .now_known()
                .find(Revocable::Credential, "a")
                .is_some()
        );
        assert_eq!(
            after(&whole),
            None,
            "and it is relied on again once it is mended"
        );
        // A file that replaces the list is used if it begins with the content that was read.
        let moved = |content: &str| {
            let beside = file.with_extension("beside");
            std::fs::write(&beside, content).unwrap();
            std::fs::rename(beside, &file).unwrap();
            followed.refresh();
            followed.now_known().unreliable(NOW)
        };
        assert_eq!(moved(&whole), None);
        let other = whole.replace("\"a\"", "\"b\"");
        assert_eq!(other.len(), whole.len());
        assert!(moved(&other).unwrap().contains("only ever added"));
        assert_eq!(moved(&whole), None);
        // A line that is still being written is ignored.
        assert_eq!(after(&format!("{whole}{{\"epoch\"")), None);
        std::fs::remove_file(&file).unwrap();
        followed.refresh();
        assert!(
            followed
                .now_known()
                .unreliable(NOW)
                .unwrap()
                .contains("cannot read")
        );
    }

    #[test]
    fn a_list_without_a_line_end_is_not_relied_on() {
        let file = file("unended");
        append(&file, None, NOW).unwrap();
        let whole = std::fs::read_to_string(&file).unwrap();
        let line = format!(
            "{{\"epoch\":1,\"at\":\"{NOW}\",\"kind\":\"credential\",\"id\":\"a\",\"reason\":\"leaked\",\"by\":\"alice\"}}"
        );
        let followed = Revocations::follow(&file, Duration::from_secs(60)).unwrap();
        let after = |content: String| {
            std::fs::write(&file, content).unwrap();
            followed.refresh();
            followed.now_known().unreliable(NOW)
        };
        // A line that only lacks its end is an error at once.
        let why = after(format!("{whole}{line}")).unwrap();
        assert!(why.contains("line 2") && why.contains("line end"), "{why}");
        assert!(append(&file, None, NOW).is_err());
        let follow = Revocations::follow(&file, Duration::from_secs(60));
        assert!(matches!(follow, Err(ListError::Line { line: 2, .. })));
        // An incomplete line is ignored for a second.
        assert_eq!(after(format!("{whole}{}", &line[..20])), None);
        std::thread::sleep(Duration::from_millis(1010));
        followed.refresh();
        assert!(followed.now_known().unreliable(NOW).is_some());
        assert_eq!(after(format!("{whole}{line}\n")), None);
        assert!(
            followed
                .now_known()
                .find(Revocable::Credential, "a")
                .is_some()
        );
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn a_list_that_was_replaced_in_place_is_not_relied_on() {
        let file = file("replaced");
        append(&file, None, NOW).unwrap();
        append(&file, Some(revoked("a")), NOW).unwrap();
        let followed = Revocations::follow(&file, Duration::from_secs(60)).unwrap();
        let whole = std::fs::read_to_string(&file).unwrap();
        let modified = std::fs::metadata(&file).unwrap().modified().unwrap();
        let after = |content: &str| {
            std::fs::write(&file, content).unwrap();
            let open = std::fs::File::options().write(true).open(&file).unwrap();
            open.set_modified(modified).unwrap();
            followed.refresh();
            followed.now_known().unreliable(NOW)
        };
        let other = whole.replace("\"a\"", "\"b\"");
        assert_eq!(other.len(), whole.len());
        assert!(after(&other).unwrap().contains("only ever added"));
        assert_eq!(after(&whole), None);
        // The same for longer lists.
        let more = whole.lines().last().unwrap();
        let more = more.replace("\"epoch\":1", "\"epoch\":2");
        let longer = |whole: &str| format!("{whole}{more}\n");
        assert!(after(&longer(&other)).unwrap().contains("only ever added"));
        assert_eq!(after(&longer(&whole)), None);
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn a_list_that_went_back_is_not_relied_on() {
        let file = file("back");
        append(&file, None, NOW).unwrap();
        let older = std::fs::read_to_string(&file).unwrap();
        append(&file, Some(revoked("a")), NOW).unwrap();
        append(&file, None, NOW).unwrap();
        let whole = std::fs::read_to_string(&file).unwrap();
        let start = |content: &str, mark: Option<&ListMark>| {
            std::fs::write(&file, content).unwrap();
            let followed = Revocations::follow(&file, Duration::from_secs(60)).unwrap();
            if let Some(mark) = mark {
                followed.hold_to(mark);
            }
            followed
        };
        let mark = start(&whole, None).mark().unwrap();
        assert_eq!(mark.epoch, 1);
        assert_eq!(start(&whole, Some(&mark)).unreliable(), None);
        // An older list, and a list with as many changes but another revocation.
        let behind = start(&older, Some(&mark));
        assert_eq!(
            behind.unreliable(),
            Some(ListError::Behind { found: 0, known: 1 })
        );
        assert!(behind.mark().is_none());
        let other = whole.replace("\"a\"", "\"b\"");
        assert_eq!(
            start(&other, Some(&mark)).unreliable(),
            Some(ListError::Another(1))
        );
        append(&file, Some(revoked("c")), NOW).unwrap();
        let longer = std::fs::read_to_string(&file).unwrap();
        assert_eq!(
            start(&longer, Some(&mark)).unreliable(),
            Some(ListError::Another(1)),
            "nor one that went farther"
        );
        // If only the number of changes is known, it alone is compared.
        let number = ListMark {
            digest: None,
            ..mark
        };
        assert_eq!(start(&other, Some(&number)).unreliable(), None);
        assert!(start(&older, Some(&number)).unreliable().is_some());
        // After the right list is restored, it is reliable.
        std::fs::write(&file, &whole).unwrap();
        behind.refresh();
        assert_eq!(behind.unreliable(), None);
        std::fs::remove_file(file).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn what_is_not_a_file_in_the_place_of_the_list_is_a_deny_at_once() {
        let file = file("fifo");
        append(&file, None, NOW).unwrap();
        let whole = std::fs::read(&file).unwrap();
        let followed = Revocations::follow(&file, Duration::from_secs(60)).unwrap();
        let run = |program: &str, arguments: &[&std::ffi::OsStr]| {
            let run = std::process::Command::new(program).args(arguments).status();
            assert!(run.unwrap().success(), "{program}");
        };
        let beside = file.with_extension("fifo");
        run("mkfifo", &[beside.as_os_str()]);
        let fifo = || run("mkfifo", &[file.as_os_str()]);
        let link = || std::os::unix::fs::symlink(&beside, &file).unwrap();
        let folder = || std::fs::create_dir(&file).unwrap();
        let socket = || drop(std::os::unix::net::UnixListener::bind(&file).unwrap());
        let cases: [(&dyn Fn(), &str); 4] = [
            (&fifo, "it is a fifo"),
            (&link, "it is a fifo"),
            (&folder, "it is a folder"),
            (&socket, "it is a socket"),
        ];
        for (make, expected) in cases {
            std::fs::remove_file(&file).unwrap();
            make();
            followed.refresh();
            let why = followed.unreliable().unwrap().to_string();
            assert!(why.contains(expected), "{why}");
            assert!(why.contains(&file.display().to_string()), "{why}");
            let began = Revocations::follow(&file, Duration::from_secs(60)).map(drop);
            assert!(began.unwrap_err().to_string().contains(expected));
            let added = append(&file, None, NOW).unwrap_err().to_string();
            assert!(added.contains(expected), "{added}");
            let _ = std::fs::remove_file(&file);
            let _ = std::fs::remove_dir(&file);
            std::fs::write(&file, &whole).unwrap();
            followed.refresh();
            assert_eq!(followed.unreliable(), None, "{expected}");
        }
        std::fs::remove_file(beside).unwrap();
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn a_line_that_no_request_can_match_is_none_of_a_list() {
        let file = file("unmatched");
        let line = |kind: &str, id: &str| {
            format!(
                "{{\"epoch\":1,\"at\":\"{NOW}\",\"kind\":\"{kind}\",\"id\":\"{id}\",\"reason\":\"r\",\"by\":\"b\"}}\n"
            )
        };
        let follow = |content: String| {
            std::fs::write(&file, content).unwrap();
            Revocations::follow(&file, Duration::from_secs(60)).map(drop)
        };
        for (kind, id) in [
            ("principal", "spiffe://acme.example/a/"),
            ("principal", " spiffe://acme.example/a"),
            ("principal", "spiffe://acme.example/*"),
            ("principal", "spiffe://acme.example"),
            ("plugin", "sha256:12"),
            ("credential", ""),
        ] {
            let refused = follow(line(kind, id)).unwrap_err().to_string();
            assert!(
                refused.contains("line 1 of the revocation list"),
                "{refused}"
            );
            assert!(refused.contains("no request could match it"), "{refused}");
            assert!(!refused.contains("nothing is revoked"), "{refused}");
        }
        for (kind, id) in [
            ("principal", "SPIFFE://acme.example/a"),
            ("plugin", &"AB".repeat(32)),
            ("credential", "01:02:AB"),
            ("intent", "int-1"),
        ] {
            assert_eq!(follow(line(kind, id)), Ok(()), "{kind} {id}");
        }
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn a_line_that_cannot_be_read_says_what_to_do() {
        let file = file("riddles");
        let whole = format!("{{\"epoch\":0,\"at\":\"{NOW}\"}}\n");
        for (content, expected) in [
            (
                format!("{whole}\n"),
                "line 2 of the revocation list: it is blank: remove it",
            ),
            (format!("{whole}garbage\n"), "it is not JSON"),
            (format!("{whole}{{\"epoch\":0\n"), "it is not JSON"),
            (format!("\u{feff}{whole}"), "byte order mark"),
            (
                whole.replace("\"at\"", "\"ta\""),
                "it is no line of a list (unknown field `ta`",
            ),
        ] {
            std::fs::write(&file, content).unwrap();
            let refused = Revocations::follow(&file, Duration::from_secs(60)).map(drop);
            let refused = refused.unwrap_err().to_string();
            assert!(refused.contains(expected), "{refused}");
            assert!(!refused.contains("at line 1"), "{refused}");
        }
        std::fs::write(&file, [whole.as_bytes(), b"\xff\n"].concat()).unwrap();
        let refused = Revocations::follow(&file, Duration::from_secs(60)).map(drop);
        let refused = refused.unwrap_err().to_string();
        assert!(
            refused.contains("line 2 of the revocation list: it is not UTF-8"),
            "{refused}"
        );
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn nothing_is_added_to_an_older_list() {
        let file = file("older");
        append(&file, None, NOW).unwrap();
        let older = std::fs::read_to_string(&file).unwrap();
        append(&file, Some(revoked("a")), NOW).unwrap();
        let whole = std::fs::read_to_string(&file).unwrap();
        let follow = || Revocations::follow(&file, Duration::from_secs(60)).unwrap();
        let mark = follow().mark().unwrap();
        let open = || {
            let opening = Opening {
                floor: Some(mark.clone()),
                ..Opening::default()
            };
            ListWriter::open_as(&file, opening)
        };
        let event = Event {
            id: "idp set-1".to_owned(),
            revoked: vec![revoked("e")],
            domains: vec!["a.example".to_owned()],
            left_out: Vec::new(),
        };
        for (content, expected) in [
            (older, ListError::Behind { found: 0, known: 1 }),
            (whole.replace("\"a\"", "\"b\""), ListError::Another(1)),
        ] {
            std::fs::write(&file, &content).unwrap();
            assert_eq!(open().map(drop), Err(expected.clone()));
            let followed = follow();
            followed.hold_to(&mark);
            assert_eq!(followed.accept(&event), Err(expected));
            assert_eq!(std::fs::read_to_string(&file).unwrap(), content);
        }
        std::fs::remove_file(&file).unwrap();
        let gone = open().map(drop);
        assert_eq!(gone, Err(ListError::Behind { found: 0, known: 1 }));
        assert!(!file.exists(), "no list is begun in its place");
        // Lines are appended to the latest list.
        std::fs::write(&file, &whole).unwrap();
        assert_eq!(open().unwrap().revoke(revoked("c"), NOW).unwrap().epoch, 2);
        let followed = follow();
        followed.hold_to(&mark);
        assert_eq!(followed.accept(&event).unwrap().len(), 1);
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn a_lift_for_one_issuer_lifts_no_other() {
        let file = file("issuers");
        append(&file, None, NOW).unwrap();
        let [a, b] = ["a", "b"].map(|digit| format!("x509:{}:102ab", digit.repeat(32)));
        let revoke = |id: &str| drop(append(&file, Some(revoked(id)), NOW).unwrap());
        let lift = |id: &str| ListWriter::open(&file).unwrap().lift(revoked(id), NOW);
        let is_revoked = |ids: &[&str]| -> Vec<bool> {
            let list = List::read(&file, None).unwrap();
            let find = |id: &&str| {
                list.find(Revocable::Credential, id, None, u64::MAX)
                    .is_some()
            };
            ids.iter().map(find).collect()
        };
        revoke("102ab");
        let refused = lift(&a).unwrap_err();
        assert!(refused.to_string().contains("lift `102ab`"), "{refused}");
        assert!(matches!(refused, ListError::OfEveryIssuer { .. }));
        assert_eq!(is_revoked(&[&a, &b, "102ab"]), [true; 3]);
        revoke(&a);
        lift(&a).unwrap();
        assert_eq!(is_revoked(&[&a, &b]), [true; 2], "as every issuer's");
        lift("0102AB").unwrap();
        assert_eq!(is_revoked(&[&a, &b, "102ab"]), [false; 3]);
        // A revocation for one issuer is lifted for that issuer or for all.
        revoke(&a);
        assert!(matches!(lift(&b), Err(ListError::NotRevoked(_))));
        lift(&a.to_uppercase()).unwrap();
        revoke(&b);
        lift("102ab").unwrap();
        assert_eq!(is_revoked(&[&a, &b]), [false; 2]);
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn a_list_that_could_not_be_read_again_is_still_held_to_what_is_known() {
        let file = file("unread");
        append(&file, None, NOW).unwrap();
        append(&file, Some(revoked("a")), NOW).unwrap();
        let followed = Revocations::follow(&file, Duration::from_secs(60)).unwrap();
        let right = followed.mark().unwrap();
        drop(followed);
        assert_eq!(right.epoch, 1);
        let known = ListMark::new(1, Some("of another list".to_owned()));
        append(&file, Some(revoked("b")), NOW).unwrap();
        let whole = std::fs::read_to_string(&file).unwrap();
        let number = ListMark::new(3, None);
        for (mark, expected) in [
            (&known, Some(ListError::Another(1))),
            (&right, None),
            (&number, Some(ListError::Behind { found: 2, known: 3 })),
        ] {
            std::fs::write(&file, &whole).unwrap();
            let followed = Revocations::follow(&file, Duration::from_secs(60)).unwrap();
            std::fs::remove_file(&file).unwrap();
            followed.hold_to(mark);
            followed.refresh();
            assert!(followed.unreliable().is_some(), "it is not there");
            std::fs::write(&file, &whole).unwrap();
            followed.refresh();
            assert_eq!(followed.unreliable(), expected, "{mark:?}");
        }
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn a_revocation_can_be_lifted_and_stays_on_the_list() {
        let file = file("lifted");
        append(&file, None, NOW).unwrap();
        append(&file, Some(revoked("0102AB")), NOW).unwrap();
        let lift = |id: &str| ListWriter::open(&file).unwrap().lift(revoked(id), NOW);
        assert!(matches!(lift("jti-9"), Err(ListError::NotRevoked(_))));
        let followed = Revocations::follow(&file, Duration::from_secs(60)).unwrap();
        let find = |known: Known<'_>| known.find(Revocable::Credential, "01:02:ab").is_some();
        assert!(find(followed.now_known()));
        let lifted = lift("1:2:ab").unwrap();
        assert_eq!((lifted.epoch, lifted.lifts), (2, true));
        assert!(matches!(lift("102ab"), Err(ListError::NotRevoked(_))));
        followed.refresh();
        assert!(!find(followed.now_known()));
        assert!(followed.revoked().is_empty());
        assert_eq!(followed.lifted().len(), 1);
        // Decisions between the revocation and the lift saw the revocation.
        let then = |epoch| ListSeen {
            epoch,
            as_of: Some(NOW),
            digest: None,
            error: None,
        };
        assert!(find(followed.as_seen(then(1))));
        assert!(!find(followed.as_seen(then(2))));
        // The id can be revoked again.
        append(&file, Some(revoked("102ab")), NOW).unwrap();
        followed.refresh();
        assert!(find(followed.now_known()));
        assert!(!find(followed.as_seen(then(2))));
        assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 4);
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn a_line_with_domains_is_about_their_principals_only() {
        let file = file("domains");
        let line = |epoch: u64, kind: &str, id: &str| {
            format!(
                "{{\"epoch\":{epoch},\"at\":\"{NOW}\",\"kind\":\"{kind}\",\"id\":\"{id}\",\"reason\":\"r\",\"by\":\"b\",\"domains\":[\"a.example\"]}}\n"
            )
        };
        let lines = [
            line(1, "credential", "102ab"),
            line(2, "principal", "spiffe://b.example/x"),
            line(3, "principal", "spiffe://a.example/x"),
        ];
        std::fs::write(&file, lines.concat()).unwrap();
        let followed = Revocations::follow(&file, Duration::from_secs(60)).unwrap();
        let known = followed.now_known();
        let credential = |of: &str| known.find_credential("0102AB", of).is_some();
        assert!(credential("spiffe://a.example/y"));
        assert!(!credential("spiffe://b.example/y"));
        let principal = |id: &str| known.find(Revocable::Principal, id).is_some();
        assert!(principal("spiffe://A.example/x"));
        assert!(!principal("spiffe://b.example/x"));
        drop(known);
        std::fs::remove_file(file).unwrap();
    }

    /// Signers with one key, that key, and a key of no signer.
    fn signers(name: &str) -> (PathBuf, impl Fn() -> Signers + use<>, HeadKey, HeadKey) {
        signers_of(name, 7)
    }

    fn signers_of(
        name: &str,
        byte: u8,
    ) -> (PathBuf, impl Fn() -> Signers + use<>, HeadKey, HeadKey) {
        use crate::identity::NewKey;
        let key = |byte: u8| {
            let key = NewKey::seeded(byte);
            let pem = key.to_pem().unwrap();
            (HeadKey::new(pem.as_bytes(), None).unwrap(), key)
        };
        let ((ours, public), (theirs, _)) = (key(byte), key(8));
        let jwk = serde_json::json!({ "keys": [public.to_jwk()] });
        let jwks = file(name).with_extension("json");
        std::fs::write(&jwks, jwk.to_string()).unwrap();
        let file = jwks.clone();
        let signers = move || Signers::default().signer("alice", &file).unwrap();
        (jwks, signers, ours, theirs)
    }

    #[test]
    fn with_signers_a_list_counts_only_while_its_head_is_signed() {
        let file = file("signed");
        let (jwks, signers, ours, theirs) = signers("signers");
        append(&file, None, NOW).unwrap();
        let follow =
            || Revocations::follow_signed(&file, Duration::from_secs(60), signers(), None).unwrap();
        let why = || follow().now_known().unreliable(NOW);
        assert!(why().unwrap().contains("not signed"));
        let followed = follow();
        let writer = |key: Option<&'static HeadKey>| {
            ListWriter::open_signed(
                Box::leak(file.clone().into_boxed_path()),
                key,
                Some(Arc::new(signers())),
            )
        };
        let (ours, theirs): (&'static HeadKey, &'static HeadKey) =
            (Box::leak(Box::new(ours)), Box::leak(Box::new(theirs)));
        // A list without a head is signed for the first time.
        writer(Some(ours)).unwrap().checkpoint(NOW).unwrap();
        assert_eq!(why(), None);
        writer(Some(ours))
            .unwrap()
            .revoke(revoked("a"), NOW)
            .unwrap();
        assert_eq!(why(), None);
        followed.refresh();
        assert_eq!(followed.now_known().unreliable(NOW), None);
        assert!(
            followed
                .now_known()
                .find(Revocable::Credential, "a")
                .is_some()
        );
        let signed = std::fs::read_to_string(&file).unwrap();
        // After the head there are lines without a signature, or with that of another key.
        let unsigned = |add: &dyn Fn()| {
            add();
            assert!(why().unwrap().contains("not signed"));
            // Signing over them requires `sign_anew`.
            assert!(matches!(writer(Some(ours)), Err(ListError::NotSigned(_))));
            std::fs::write(&file, &signed).unwrap();
        };
        unsigned(&|| drop(append(&file, Some(revoked("b")), NOW).unwrap()));
        unsigned(&|| drop(append(&file, None, NOW).unwrap()));
        unsigned(&|| {
            drop(
                ListWriter::open(&file)
                    .unwrap()
                    .lift(revoked("a"), NOW)
                    .unwrap(),
            );
        });
        unsigned(&|| {
            let path = Box::leak(file.clone().into_boxed_path());
            let writer = ListWriter::open_signed(path, Some(theirs), None).unwrap();
            writer.lift(revoked("a"), NOW).unwrap();
        });
        // Signed content was changed.
        let start = |content: String| {
            std::fs::write(&file, content).unwrap();
            why()
        };
        assert_eq!(start(signed.clone()), None);
        assert!(
            start(signed.replace("\"a\"", "\"z\""))
                .unwrap()
                .contains("signed another list")
        );
        // The head of an earlier list.
        let first = signed.lines().nth(1).unwrap();
        assert!(first.contains("head"));
        let lines: Vec<_> = signed.lines().collect();
        let moved = format!("{}\n{first}\n", lines[..lines.len() - 1].join("\n"));
        assert!(
            Revocations::follow_signed(&file, Duration::from_secs(60), signers(), None).is_ok()
        );
        std::fs::write(&file, &moved).unwrap();
        let followed = Revocations::follow_signed(&file, Duration::from_secs(60), signers(), None);
        assert!(followed.is_err(), "its epoch does not follow");
        std::fs::remove_file(&file).unwrap();
        std::fs::remove_file(jwks).unwrap();
    }

    #[test]
    fn a_signer_whose_key_is_replaced_counts_no_more() {
        type Change = fn(&Path);
        let changes: [(&str, Change, bool); 5] = [
            ("replaced", |jwks| replace_key(jwks), false),
            ("removed", |jwks| std::fs::remove_file(jwks).unwrap(), false),
            (
                "garbage",
                |jwks| std::fs::write(jwks, "[1]").unwrap(),
                false,
            ),
            (
                "emptied",
                |jwks| std::fs::write(jwks, "{\"keys\":[]}").unwrap(),
                false,
            ),
            (
                "written again",
                |jwks| {
                    let keys = std::fs::read_to_string(jwks).unwrap();
                    std::fs::write(jwks, format!("{keys}\n")).unwrap();
                },
                true,
            ),
        ];
        let mut all = Vec::new();
        for (name, change, counts) in changes {
            let file = file(&format!("key-{name}"));
            let (jwks, signers, ours, _) = signers(&format!("keys-{name}"));
            let signed = ListWriter::open_signed(&file, Some(&ours), None).unwrap();
            signed.checkpoint(NOW).unwrap();
            let followed =
                Revocations::follow_signed(&file, Duration::from_secs(60), signers(), None);
            let followed = followed.unwrap();
            assert_eq!(followed.unreliable(), None, "{name}");
            change(&jwks);
            all.push((name, counts, followed, file, jwks));
        }
        std::thread::sleep(Duration::from_millis(1050));
        for (name, counts, followed, file, jwks) in all {
            followed.refresh();
            match followed.unreliable() {
                None => assert!(counts, "{name}"),
                Some(ListError::NotSigned(_)) => assert!(!counts, "{name}"),
                Some(other) => panic!("{name}: {other}"),
            }
            std::fs::remove_file(file).unwrap();
            let _ = std::fs::remove_file(jwks);
        }
    }

    /// Replaces a key file by that of another signer.
    fn replace_key(jwks: &Path) {
        let (other, ..) = signers_of("replacement", 9);
        std::fs::rename(other, jwks).unwrap();
    }

    #[test]
    fn what_nobody_signed_is_signed_anew_and_only_by_a_signer() {
        let file = file("anew");
        let (jwks, signers, ours, theirs) = signers("signers-anew");
        let open = |key: Option<&'static HeadKey>, sign_anew: bool| {
            let opening = Opening {
                key,
                signers: Some(Arc::new(signers())),
                sign_anew,
                ..Opening::default()
            };
            ListWriter::open_as(Box::leak(file.clone().into_boxed_path()), opening)
        };
        let (ours, theirs): (&'static HeadKey, &'static HeadKey) =
            (Box::leak(Box::new(ours)), Box::leak(Box::new(theirs)));
        let follow =
            || Revocations::follow_signed(&file, Duration::from_secs(60), signers(), None).unwrap();
        open(Some(ours), false).unwrap().checkpoint(NOW).unwrap();
        // With another key, or none, nothing is written.
        let before = std::fs::read(&file).unwrap();
        for key in [Some(theirs), None] {
            let writer = || open(key, false).unwrap();
            for refused in [
                writer().checkpoint(NOW),
                writer().revoke(revoked("a"), NOW),
                open(key, true).unwrap().checkpoint(NOW),
            ] {
                let expected = match key {
                    Some(_) => matches!(refused, Err(ListError::NotASigner(_))),
                    None => matches!(refused, Err(ListError::NotSigned(_))),
                };
                assert!(expected, "{refused:?}");
            }
            assert_eq!(std::fs::read(&file).unwrap(), before);
        }
        // Lines without a signature, and a head of another signer.
        let unsigned = || drop(append(&file, Some(revoked("b")), NOW).unwrap());
        let by_another = || {
            let path = file.clone();
            let writer = ListWriter::open_signed(&path, Some(theirs), None).unwrap();
            writer.revoke(revoked("c"), NOW).unwrap();
        };
        let cases: [&dyn Fn(); 2] = [&unsigned, &by_another];
        for add in cases {
            add();
            let why = follow().unreliable().unwrap().to_string();
            assert!(why.contains("--checkpoint --sign-anew --key KEY"), "{why}");
            assert!(matches!(
                open(Some(ours), false),
                Err(ListError::NotSigned(_))
            ));
            open(Some(ours), true).unwrap().checkpoint(NOW).unwrap();
            assert_eq!(follow().unreliable(), None);
        }
        std::fs::remove_file(file).unwrap();
        std::fs::remove_file(jwks).unwrap();
    }

    #[test]
    fn refuses_to_revoke_what_nobody_could_be_found_by() {
        let file = file("ids");
        for (kind, id) in [
            (Revocable::Principal, "spiffe://acme.example/*"),
            (Revocable::Principal, "spiffe://acme.example"),
            (Revocable::Plugin, "ba7816bf"),
            (Revocable::Credential, " jti-1"),
            (Revocable::Integration, ""),
        ] {
            let revoked = Revoked {
                kind,
                ..revoked(id)
            };
            assert!(
                matches!(append(&file, Some(revoked), NOW), Err(ListError::Id { .. })),
                "{id}"
            );
        }
        assert!(!file.exists());
    }

    #[test]
    fn refuses_a_list_that_is_none() {
        let file = file("none");
        std::fs::write(&file, "").unwrap();
        let follow = || {
            Revocations::follow(&file, Duration::from_secs(60))
                .map(|_| ())
                .unwrap_err()
        };
        assert_eq!(follow(), ListError::Empty);
        std::fs::write(
            &file,
            "{\"epoch\":0,\"at\":\"2026-11-22T09:00:00Z\",\"knid\":\"x\"}\n",
        )
        .unwrap();
        assert!(matches!(follow(), ListError::Line { line: 1, .. }));
        std::fs::write(&file, "{\"epoch\":0,\"at\":\"2099-01-01T00:00:00Z\"}\n").unwrap();
        assert!(matches!(follow(), ListError::Line { line: 1, .. }));
        std::fs::remove_file(file).unwrap();
    }
}
