//! Presented credentials, and the instances that presented them.

use crate::bucket::{Entry, If, Put};
use crate::core::Core;
use crate::core::counts::{hash, name, pause};
use crate::failure::{Failure, Fault};
use bytes::Bytes;
use portcullis_contract::excerpt;
use portcullis_model::timestamp::Timestamp;
use portcullis_trust::state::Seen;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Number of attempts to note a presentation that other hosts note as well.
const ATTEMPTS: u32 = 100;

/// Part of the window for which a note outlasts it, so that not every presentation is written.
const SLACK: u32 = 8;

/// A presentation.
#[derive(Debug, Clone)]
pub(crate) struct Presentation {
    key: String,
    instance: Instance,
    now: Timestamp,
    expires_at: Option<Timestamp>,
    notes: bool,
}

/// Instances that presented a credential, as they are stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Presented {
    instance: Instance,
    /// Another instance that presented the credential.
    ///
    /// The credential is then denied for every instance, until it is not presented for as long as the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    other: Option<Instance>,
    /// Time until which this counts, in milliseconds since 1970.
    until: u64,
}

/// An instance: the hash of its name, and the displayed part of the name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Instance {
    hash: String,
    shown: String,
}

impl Instance {
    fn new(name: &str) -> Self {
        Self {
            hash: base16ct::lower::encode_string(&Sha256::digest(name.as_bytes())),
            shown: excerpt(name),
        }
    }
}

impl Presentation {
    pub(crate) fn of(seen: &Seen<'_>) -> Self {
        // The length tells where the principal ends.
        let credential = format!(
            "{} {} {}",
            seen.principal.len(),
            seen.principal,
            seen.credential
        );
        Self {
            key: name("seen", &hash("seen", &credential)),
            instance: Instance::new(seen.instance),
            now: seen.now,
            expires_at: seen.expires_at,
            notes: seen.notes,
        }
    }

    /// The earlier of the end of `window` from now and the expiry of the credential.
    fn end_of(&self, window: Duration) -> Timestamp {
        let end = self.now.plus(window);
        self.expires_at.map_or(end, |expiry| expiry.min(end))
    }

    /// Another instance that presented the credential, and the note to store, if it changes anything.
    fn judge(
        &self,
        known: Option<Presented>,
        window: Duration,
    ) -> (Option<Instance>, Option<Presented>) {
        let slack = window.checked_div(SLACK).unwrap_or_default();
        let until = self.end_of(window.saturating_add(slack)).as_millis();
        let known = known.filter(|known| self.now.as_millis() < known.until);
        let Some(known) = known else {
            let first = Presented {
                instance: self.instance.clone(),
                other: None,
                until,
            };
            return (None, Some(first));
        };
        let is_same = known.instance.hash == self.instance.hash;
        let (elsewhere, other) = match is_same {
            true => (known.other.clone(), known.other.clone()),
            false => (Some(known.instance.clone()), Some(self.instance.clone())),
        };
        let is_due = known.until < self.end_of(window).as_millis();
        let noted = (is_due || other != known.other).then_some(Presented {
            instance: known.instance,
            other,
            until,
        });
        (elsewhere, noted)
    }
}

impl Core {
    /// Another instance that presented the credential within the window, if there is one; notes this one.
    pub(crate) async fn seen_elsewhere(
        &self,
        presented: Presentation,
    ) -> Result<Option<String>, Failure> {
        let window = Duration::from_millis(self.clone_window_ms.load(Ordering::Relaxed));
        let mut entry = self.seen.get(&presented.key).await?;
        for attempt in 0..ATTEMPTS {
            let (known, revision) = match &entry {
                None => (None, 0),
                Some(Entry { revision, value }) => (Some(read(value)?), *revision),
            };
            let (elsewhere, noted) = presented.judge(known, window);
            let shown = elsewhere.map(|instance| instance.shown);
            let Some(noted) = noted.filter(|_| presented.notes) else {
                return Ok(shown);
            };
            let value = serde_json::to_vec(&noted).map_err(Failure::refused)?;
            let lives = Timestamp::from_millis(noted.until).since(presented.now);
            let put = self.seen.put(
                &presented.key,
                Bytes::from(value),
                If::Key(revision),
                Some(lives.saturating_add(Duration::from_secs(1))),
            );
            match put.await? {
                Put::Stored(_) => return Ok(shown),
                Put::Changed => {
                    pause(attempt).await;
                    entry = self.seen.get_latest(&presented.key).await?;
                }
            }
        }
        Err(Failure::Server(Fault::refused(format!(
            "other hosts noted presentations of the same credential {ATTEMPTS} times in a row"
        ))))
    }
}

fn read(value: &[u8]) -> Result<Presented, Failure> {
    serde_json::from_slice(value).map_err(|error| {
        Failure::refused(format!("a presented credential in it is damaged: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);
    const WINDOW: Duration = Duration::from_secs(80);

    fn at(seconds: u64, instance: &str) -> Presentation {
        Presentation::of(&Seen {
            principal: "spiffe://acme.example/a",
            credential: "jti-1",
            instance,
            now: NOW.plus(Duration::from_secs(seconds)),
            expires_at: None,
            notes: true,
        })
    }

    #[test]
    fn presentations_of_one_instance_are_written_seldom_and_remembered_for_the_window() {
        let (elsewhere, noted) = at(0, "pod-1").judge(None, WINDOW);
        assert_eq!(elsewhere, None);
        let noted = noted.unwrap();
        let judge = |at: Presentation| at.judge(Some(noted.clone()), WINDOW);
        assert_eq!(judge(at(5, "pod-1")), (None, None), "nothing to write");
        let (_, later) = judge(at(11, "pod-1"));
        assert!(later.is_some(), "it would be forgotten too early");
        let shown = |at| judge(at).0.map(|it| it.shown);
        assert_eq!(shown(at(79, "pod-2")), Some("pod-1".to_owned()));
        assert_eq!(shown(at(91, "pod-2")), None);
    }

    #[test]
    fn a_credential_with_an_expiry_is_not_remembered_beyond_it() {
        let expiring = |seconds, instance| Presentation {
            expires_at: Some(NOW.plus(Duration::from_secs(5))),
            ..at(seconds, instance)
        };
        let noted = expiring(0, "pod-1").judge(None, WINDOW).1;
        let (again, write) = expiring(4, "pod-1").judge(noted.clone(), WINDOW);
        assert_eq!((again, write), (None, None));
        let (elsewhere, _) = expiring(4, "pod-2").judge(noted.clone(), WINDOW);
        assert!(elsewhere.is_some());
        assert_eq!(expiring(6, "pod-2").judge(noted, WINDOW).0, None);
    }
}
