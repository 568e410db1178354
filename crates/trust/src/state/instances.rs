//! Detects cloned credentials: those that two workload instances present.

use super::shares::{Hash, Owner, Shares};
use super::{CLONE_WINDOW, MAX_CREDENTIALS, Seen, StateError};
use portcullis_contract::excerpt;
use sha2::{Digest as _, Sha256};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Credentials that were presented within the window, until they expire.
///
/// Of long names only the displayed part is kept.
#[derive(Debug)]
pub struct Sightings {
    window_ms: AtomicU64,
    /// Keyed by the hash of the principal and the id of its credential.
    seen: Mutex<Shares<Presented>>,
}

#[derive(Debug)]
struct Presented {
    instance: Instance,
    /// Another instance that presented the credential.
    ///
    /// The credential is then denied for every instance, until it is not presented for as long as the window.
    other: Option<Instance>,
}

/// An instance: the hash of its name, and the displayed part of the name.
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

impl Default for Sightings {
    fn default() -> Self {
        Self::new(CLONE_WINDOW)
    }
}

impl Sightings {
    pub(super) fn new(window: Duration) -> Self {
        Self {
            window_ms: AtomicU64::new(millis(window)),
            seen: Mutex::new(Shares::new(MAX_CREDENTIALS)),
        }
    }

    /// Sets the maximum number of credentials.
    #[cfg(feature = "embedded-state")]
    pub(super) fn max_credentials(mut self, most: usize) -> Self {
        self.seen = Mutex::new(Shares::new(most));
        self
    }

    /// Sets window and maximum number of credentials of sightings in use; what was seen stays.
    #[cfg(feature = "embedded-state")]
    pub(super) fn reconfigure(&self, window: Duration, most: usize) {
        self.window_ms.store(millis(window), Ordering::Relaxed);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.set_capacity(most);
    }

    /// The other instance that presented the credential, if there is one; notes this one.
    ///
    /// # Errors
    ///
    /// [`StateError`] if the principal has no room left.
    pub fn seen_elsewhere(&self, seen: &Seen<'_>) -> Result<Option<String>, StateError> {
        let key = hash(&[seen.principal, seen.credential]);
        let instance = Instance::new(seen.instance);
        // An expired credential is denied for that reason.
        let window = Duration::from_millis(self.window_ms.load(Ordering::Relaxed));
        let window = seen.now.plus(window);
        let until = seen.expires_at.map_or(window, |end| end.min(window));
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(presented) = all.get_mut(&key, seen.now) else {
            if seen.notes {
                let presented = Presented {
                    instance,
                    other: None,
                };
                all.insert(key, owner(seen.principal), presented, until, seen.now);
            }
            return Ok(None);
        };
        let is_same = presented.instance.hash == instance.hash;
        let other = if is_same {
            presented.other.clone()
        } else {
            Some(presented.instance.clone())
        };
        if seen.notes {
            if !is_same {
                presented.other = Some(instance);
            }
            all.touch(&key, until);
        }
        Ok(other.map(|other| other.shown))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Owner of an entry: the principal, within its trust domain.
///
/// Principals without a SPIFFE ID share one domain.
fn owner(principal: &str) -> Owner {
    let domain = principal
        .strip_prefix("spiffe://")
        .and_then(|rest| rest.split('/').next())
        .unwrap_or_default();
    Owner {
        domain: hash(&[domain]),
        owner: hash(&[principal]),
    }
}

fn hash(texts: &[&str]) -> Hash {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_model::timestamp::Timestamp;

    const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);
    const WINDOW: Duration = Duration::from_secs(60);

    fn seen(instance: &str, seconds: u64, notes: bool) -> Seen<'_> {
        Seen {
            principal: "spiffe://acme.example/a",
            credential: "jti-1",
            instance,
            now: NOW.plus(Duration::from_secs(seconds)),
            expires_at: None,
            notes,
        }
    }

    #[test]
    fn a_credential_of_two_instances_is_nobodys() {
        let instances = Sightings::new(WINDOW);
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
        let instances = Sightings::new(WINDOW);
        let look = |seen: Seen<'_>| instances.seen_elsewhere(&seen).unwrap();
        assert_eq!(look(seen("pod-1", 0, true)), None);
        assert_eq!(look(seen("pod-2", 61, true)), None);
        assert_eq!(look(seen("pod-1", 62, true)), Some("pod-2".into()));
    }

    #[test]
    fn two_principals_may_call_their_credentials_alike() {
        let instances = Sightings::new(WINDOW);
        let ours = seen("pod-1", 0, true);
        let theirs = Seen {
            principal: "spiffe://other.example/a",
            ..seen("pod-9", 1, true)
        };
        assert_eq!(instances.seen_elsewhere(&ours), Ok(None));
        assert_eq!(instances.seen_elsewhere(&theirs), Ok(None));
        assert_eq!(instances.seen_elsewhere(&ours), Ok(None));
    }

    /// A flood of one principal does not affect another one of the same trust domain.
    #[test]
    fn a_flood_of_one_principal_denies_nobody_and_hides_no_clone_of_another() {
        const FLOOD: usize = 20_000;
        let instances = Sightings::new(WINDOW).max_credentials(FLOOD / 10);
        let ours = seen("pod-1", 0, true);
        assert_eq!(instances.seen_elsewhere(&ours), Ok(None));
        for number in 0..FLOOD {
            let credential = format!("jti-{number}");
            let theirs = Seen {
                principal: "spiffe://acme.example/flood",
                credential: &credential,
                ..seen("pod-9", 1, true)
            };
            assert_eq!(instances.seen_elsewhere(&theirs), Ok(None));
            if number % 100 == 0 {
                let credential = format!("new-{number}");
                let new = Seen {
                    credential: &credential,
                    ..ours
                };
                assert_eq!(instances.seen_elsewhere(&new), Ok(None), "a new credential");
            }
        }
        assert_eq!(
            instances.seen_elsewhere(&seen("pod-2", 2, true)),
            Ok(Some("pod-1".into())),
            "a credential of ours that was cloned is still found"
        );
        let kept = instances.seen.lock().unwrap().len();
        assert_eq!(kept, FLOOD / 10);
    }

    #[test]
    fn a_credential_is_forgotten_when_it_expires_if_that_is_earlier_than_the_window() {
        let instances = Sightings::new(WINDOW).max_credentials(2);
        let end = NOW.plus(Duration::from_secs(5));
        let short = Seen {
            expires_at: Some(end),
            ..seen("pod-1", 0, true)
        };
        assert_eq!(instances.seen_elsewhere(&short), Ok(None));
        let again = Seen {
            expires_at: Some(end),
            ..seen("pod-2", 4, false)
        };
        assert_eq!(instances.seen_elsewhere(&again), Ok(Some("pod-1".into())));
        let others = |credential| Seen {
            credential,
            ..seen("pod-1", 6, true)
        };
        for credential in ["b", "c"] {
            assert_eq!(instances.seen_elsewhere(&others(credential)), Ok(None));
        }
        assert_eq!(instances.seen.lock().unwrap().len(), 2);
    }
}
