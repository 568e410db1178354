//! Which workload instance presents which credential: one that two present was cloned.

use super::{Seen, StateError};
use crate::timestamp::Timestamp;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How many credentials are kept in mind.
const MAX_CREDENTIALS: usize = 200_000;

/// The credentials that were seen within the window.
#[derive(Debug)]
pub(super) struct Instances {
    window: Duration,
    by_credential: Mutex<HashMap<String, Presented>>,
}

#[derive(Debug)]
struct Presented {
    instance: String,
    last: Timestamp,
    /// Another instance that presented it. From then on it is nobody's, until it was not presented
    /// for as long as the window.
    other: Option<String>,
}

impl Instances {
    pub(super) fn new(window: Duration) -> Self {
        Self {
            window,
            by_credential: Mutex::default(),
        }
    }

    pub(super) fn seen_elsewhere(&self, seen: &Seen<'_>) -> Result<Option<String>, StateError> {
        let mut all = self
            .by_credential
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_old = |presented: &Presented| seen.now.since(presented.last) > self.window;
        if let Some(presented) = all.get_mut(seen.credential).filter(|one| !is_old(one)) {
            let other = if presented.instance == seen.instance {
                presented.other.clone()
            } else {
                Some(presented.instance.clone())
            };
            if seen.notes {
                presented.last = presented.last.max(seen.now);
                if presented.instance != seen.instance {
                    presented.other = Some(seen.instance.to_owned());
                }
            }
            return Ok(other);
        }
        if !seen.notes {
            return Ok(None);
        }
        if all.len() >= MAX_CREDENTIALS {
            all.retain(|_, presented| !is_old(presented));
        }
        if all.len() >= MAX_CREDENTIALS {
            return Err(StateError::TooManyCredentials(MAX_CREDENTIALS));
        }
        let presented = Presented {
            instance: seen.instance.to_owned(),
            last: seen.now,
            other: None,
        };
        all.insert(seen.credential.to_owned(), presented);
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
}
