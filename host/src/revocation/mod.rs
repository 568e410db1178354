//! What is revoked: an append-only list, read as it grows.
//!
//! One JSON object a line. A revocation has the next epoch; a checkpoint repeats the last one and says
//! that the list was whole at that time:
//!
//! ```json
//! {"epoch":1,"at":"2026-11-22T09:00:00Z","kind":"credential","id":"jti-17","reason":"leaked","by":"alice@acme.example"}
//! {"epoch":1,"at":"2026-11-22T09:01:00Z"}
//! ```
//!
//! A revocation that came as a security event also has that `event`, so that the same one, sent again,
//! is not another.

mod append;
mod event;
mod list;
mod record;

pub use append::{append, append_event};
pub(crate) use event::serial;
pub use event::{Event, EventError, EventIssuers};
pub use record::{Record, Revocable, Revoked};

use crate::Timestamp;
use crate::followed::identity_of;
use list::{Added, List};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, Weak};
use std::thread;
use std::time::Duration;

/// Why the list cannot be used. All requests are denied then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// It cannot be read.
    #[error("cannot read the revocation list: {0}")]
    Read(String),
    /// A line is not one of the list.
    #[error("line {line} of the revocation list: {message}")]
    Line {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        message: String,
    },
    /// Nobody could be found by what is to be revoked.
    #[error("`{id}` is not {expected}, so that nothing would be revoked")]
    Id {
        /// What was to be revoked.
        id: String,
        /// What is revoked by.
        expected: &'static str,
    },
    /// It was cut, or is another list than before.
    #[error("the revocation list is not the one that it was: revocations are only ever added")]
    Rewritten,
    /// Nothing says that it is whole.
    #[error("the revocation list is empty: it begins with a checkpoint")]
    Empty,
}

/// The revocation list of a file, followed by a thread for as long as anybody holds it.
#[derive(Clone)]
pub struct Revocations {
    shared: Arc<Shared>,
    max_staleness: Duration,
}

/// Is told of each revocation, with its epoch, when it is taken up.
type Listener = Box<dyn Fn(u64, &Revoked) + Send + Sync>;

struct Shared {
    file: PathBuf,
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
    /// Follows the list in `file`. It is looked at often enough that a revocation is known well
    /// before the list is stale.
    ///
    /// # Errors
    ///
    /// [`ListError`] if it cannot be used as it is now, or cannot be followed.
    pub fn follow(file: &Path, max_staleness: Duration) -> Result<Self, ListError> {
        let list = List::read(file)?;
        if list.as_of.is_none() {
            return Err(ListError::Empty);
        }
        let shared = Arc::new(Shared {
            file: file.to_owned(),
            list: RwLock::new(list),
            listener: Mutex::default(),
        });
        let followed = Arc::downgrade(&shared);
        let interval =
            (max_staleness / 4).clamp(Duration::from_millis(10), Duration::from_millis(250));
        thread::Builder::new()
            .name("portcullis-revocations".to_owned())
            .spawn(move || follow(&followed, interval))
            .map_err(|error| ListError::Read(format!("cannot follow it: {error}")))?;
        Ok(Self {
            shared,
            max_staleness,
        })
    }

    /// Reads what was added since it was last looked at, now instead of soon.
    pub fn refresh(&self) {
        self.shared.refresh();
    }

    /// Adds what a security event revokes to the list, which counts when this returns; once, however
    /// often the event comes. Gives the new lines.
    ///
    /// # Errors
    ///
    /// [`ListError`] if the list cannot be written.
    pub fn accept(&self, event: &Event) -> Result<Vec<Record>, ListError> {
        let records = append_event(&self.shared.file, event, Timestamp::now())?;
        self.refresh();
        Ok(records)
    }

    /// The list as it is known now.
    pub(crate) fn now_known(&self) -> Known<'_> {
        Known {
            list: self.shared.read(),
            as_seen: None,
            max_staleness: self.max_staleness,
        }
    }

    /// The list as a decision saw it that was made with it.
    pub(crate) fn as_seen(&self, seen: ListSeen) -> Known<'_> {
        Known {
            as_seen: Some(seen),
            ..self.now_known()
        }
    }

    /// Everything that is revoked, in no order, each with the epoch from which on it is.
    pub fn revoked(&self) -> Vec<(u64, Revoked)> {
        let list = self.shared.read();
        let by_kind = list.revoked.values();
        by_kind.flat_map(HashMap::values).cloned().collect()
    }

    /// The 1-based numbers of the lines that have text which looks like a secret. It is withheld wherever a
    /// revocation is shown.
    pub(crate) fn lines_with_tokens(&self) -> Vec<usize> {
        self.shared.read().lines_with_tokens.clone()
    }

    /// Has `listener` told of each revocation from now on, once it counts.
    pub(crate) fn whenever_revoked(
        &self,
        listener: impl Fn(u64, &Revoked) + Send + Sync + 'static,
    ) {
        let mut listening = self
            .shared
            .listener
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *listening = Some(Box::new(listener));
    }

    /// How old the list may be before everything is denied.
    pub fn max_staleness(&self) -> Duration {
        self.max_staleness
    }

    /// How far the list is known, and as of when.
    pub fn seen(&self) -> ListSeen {
        self.now_known().seen()
    }
}

/// How far a revocation list was known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ListSeen {
    /// How many revocations it had.
    pub epoch: u64,
    /// When its last line was written; a list without lines cannot be relied on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
    /// Why it could not be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The list as it is known, held still while it is looked at.
pub(crate) struct Known<'a> {
    list: RwLockReadGuard<'a, List>,
    /// As it was once, if that is what is asked for.
    as_seen: Option<ListSeen>,
    max_staleness: Duration,
}

impl Known<'_> {
    pub(crate) fn seen(&self) -> ListSeen {
        self.as_seen.clone().unwrap_or_else(|| ListSeen {
            epoch: self.list.epoch,
            as_of: self.list.as_of,
            error: self.list.error.as_ref().map(ToString::to_string),
        })
    }

    /// How many revocations it has.
    pub(crate) fn epoch(&self) -> u64 {
        self.as_seen
            .as_ref()
            .map_or(self.list.epoch, |seen| seen.epoch)
    }

    /// Why the list cannot be relied on at `now`, if it cannot.
    pub(crate) fn unreliable(&self, now: Timestamp) -> Option<String> {
        let seen = self.seen();
        if let Some(error) = seen.error {
            return Some(error);
        }
        let Some(as_of) = seen.as_of else {
            return Some(ListError::Empty.to_string());
        };
        let age = now.since(as_of);
        (age > self.max_staleness).then(|| {
            format!(
                "the revocation list is of {as_of}, {age:?} ago, and may be {:?} old: see that it is delivered, with checkpoints",
                self.max_staleness
            )
        })
    }

    pub(crate) fn find(&self, kind: Revocable, id: &str) -> Option<&Revoked> {
        let (from, revoked) = self.list.revoked.get(&kind)?.get(id)?;
        (*from <= self.epoch()).then_some(revoked)
    }
}

impl Shared {
    fn read(&self) -> RwLockReadGuard<'_, List> {
        // If a panic left it half taken up, the next line does not follow, and the list goes stale.
        self.list.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up what was added, however many do at the same time.
    fn refresh(&self) {
        while !self.try_refresh() {}
    }

    /// Whether everything that was there is taken up.
    fn try_refresh(&self) -> bool {
        let changed = {
            let list = self.read();
            match std::fs::metadata(&self.file) {
                Ok(metadata) => {
                    metadata.len() != list.bytes_read
                        || list.file != Some(identity_of(&metadata))
                        || list.error.is_some()
                }
                Err(_) => true,
            }
        };
        if changed {
            let known = self.read().position();
            // The file is read while decisions go on, and what was read is then taken up at once.
            let added = Added::read(&self.file, &known);
            let new = {
                let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
                if list.bytes_read != known.bytes_read {
                    // Somebody else took up what there was. What came after that is looked for anew.
                    return false;
                }
                let mut new = Vec::new();
                list.error = added.and_then(|added| list.take_up(added, &mut new)).err();
                new
            };
            // Told when it counts already: whoever writes it down may take a while.
            let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(listener) = &*listener {
                for (epoch, revoked) in &new {
                    listener(*epoch, revoked);
                }
            }
        }
        true
    }
}

fn follow(shared: &Weak<Shared>, interval: Duration) {
    loop {
        thread::sleep(interval);
        match shared.upgrade() {
            Some(shared) => shared.refresh(),
            None => return,
        }
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
        // Somebody wrote it there by hand.
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
        // What was known stays known, whatever became of the file.
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
        // Another file in its place is taken up if it begins with what was read.
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
        // A line that is still being written is not there yet.
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
    fn refuses_to_revoke_what_nobody_could_be_found_by() {
        let file = file("ids");
        for (kind, id) in [
            (Revocable::Principal, "spiffe://Acme.example/x"),
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
