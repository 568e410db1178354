//! Which workload instance presents which credential: one that two present was cloned.

use super::{CLONE_WINDOW, Seen, StateError};
use crate::timestamp::Timestamp;
use portcullis_contract::excerpt;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How many credentials are kept in mind.
const MAX_CREDENTIALS: usize = 200_000;

/// How long it takes at least until what is old is looked for again, once all places are taken.
const SWEPT: Duration = Duration::from_secs(1);

/// The credentials that were seen within the window. Of long names only what is shown is kept.
#[derive(Debug)]
pub(crate) struct Instances {
    window: Duration,
    seen: Mutex<Credentials>,
}

#[derive(Debug, Default)]
struct Credentials {
    /// By the hash of the principal and its credential's id.
    presented: HashMap<[u8; 32], Presented>,
    swept_at: Option<Timestamp>,
}

#[derive(Debug)]
struct Presented {
    instance: Instance,
    last: Timestamp,
    /// Another instance that presented it. From then on it is nobody's, until it was not presented
    /// for as long as the window.
    other: Option<Instance>,
}

/// An instance: the hash of its name, and as much of the name as is shown.
#[derive(Debug, Clone)]
struct Instance {
    hash: [u8; 32],
    shown: String,
}

impl Instance {
    fn new(name: &str) -> Self {
        Self {
            hash: Sha256::digest(name.as_bytes()).into(),
            shown: excerpt(name),
        }
    }
}

impl Default for Instances {
    fn default() -> Self {
        Self::new(CLONE_WINDOW)
    }
}

impl Instances {
    pub(super) fn new(window: Duration) -> Self {
        Self {
            window,
            seen: Mutex::default(),
        }
    }

    pub(crate) fn seen_elsewhere(&self, seen: &Seen<'_>) -> Result<Option<String>, StateError> {
        let mut hash = Sha256::new();
        hash.update((seen.principal.len() as u64).to_be_bytes());
        hash.update(seen.principal.as_bytes());
        hash.update(seen.credential.as_bytes());
        let key: [u8; 32] = hash.finalize().into();
        let instance = Instance::new(seen.instance);
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old = |presented: &Presented| seen.now.since(presented.last) > self.window;
        if let Some(presented) = all.presented.get_mut(&key).filter(|one| !is_old(one)) {
            let is_same = presented.instance.hash == instance.hash;
            let other = if is_same {
                presented.other.clone()
            } else {
                Some(presented.instance.clone())
            };
            if seen.notes {
                presented.last = presented.last.max(seen.now);
                if !is_same {
                    presented.other = Some(instance);
                }
            }
            return Ok(other.map(|other| other.shown));
        }
        if !seen.notes {
            return Ok(None);
        }
        if all.presented.len() >= MAX_CREDENTIALS {
            let due = all.swept_at.is_none_or(|at| seen.now.since(at) >= SWEPT);
            if due {
                all.swept_at = Some(seen.now);
                all.presented.retain(|_, presented| !is_old(presented));
            }
        }
        if all.presented.len() >= MAX_CREDENTIALS && !all.presented.contains_key(&key) {
            return Err(StateError::TooManyCredentials(MAX_CREDENTIALS));
        }
        let presented = Presented {
            instance,
            last: seen.now,
            other: None,
        };
        all.presented.insert(key, presented);
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);
    const WINDOW: Duration = Duration::from_secs(60);

    fn seen(instance: &str, seconds: u64, notes: bool) -> Seen<'_> {
        Seen {
            principal: "spiffe://acme.example/a",
            credential: "jti-1",
            instance,
            now: NOW.plus(Duration::from_secs(seconds)),
            notes,
        }
    }

    #[test]
    fn a_credential_of_two_instances_is_nobodys() {
        let instances = Instances::new(WINDOW);
        let look = |seen: Seen<'_>| instances.seen_elsewhere(&seen).unwrap();
        assert_eq!(look(seen("pod-1", 0, true)), None);
        assert_eq!(look(seen("pod-2", 5, false)), Some("pod-1".into()));
        assert_eq!(
            look(seen("pod-1", 5, true)),
            None,
            "a dry run leaves no trace"
        );
        assert_eq!(look(seen("pod-2", 10, true)), Some("pod-1".into()));
        assert_eq!(look(seen("pod-1", 20, true)), Some("pod-2".into()));
        assert_eq!(look(seen("pod-1", 81, true)), None, "a whole window later");
    }

    #[test]
    fn an_instance_may_follow_another_after_the_window() {
        let instances = Instances::new(WINDOW);
        let look = |seen: Seen<'_>| instances.seen_elsewhere(&seen).unwrap();
        assert_eq!(look(seen("pod-1", 0, true)), None);
        assert_eq!(look(seen("pod-2", 61, true)), None);
        assert_eq!(look(seen("pod-1", 62, true)), Some("pod-2".into()));
    }

    #[test]
    fn two_principals_may_call_their_credentials_alike() {
        let instances = Instances::new(WINDOW);
        let ours = seen("pod-1", 0, true);
        let theirs = Seen {
            principal: "spiffe://other.example/a",
            ..seen("pod-9", 1, true)
        };
        assert_eq!(instances.seen_elsewhere(&ours), Ok(None));
        assert_eq!(instances.seen_elsewhere(&theirs), Ok(None));
        assert_eq!(instances.seen_elsewhere(&ours), Ok(None));
    }
}
