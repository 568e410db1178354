//! Counts of uses, which only compare-and-set changes.
//!
//! INVARIANT (counts): a use is spent if and only if the server stored a count that is higher by one than the count before,
//! and not above the limit. A write whose effect is unknown is never repeated.

use crate::bucket::{Entry, Put};
use crate::continuity::{DELETED_AFTER_END, KEPT_AFTER_END};
use crate::core::Core;
use crate::failure::{Failure, Fault, NotSpent};
use bytes::Bytes;
use portcullis_model::timestamp::Timestamp;
use portcullis_trust::state::Use;
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Number of keys whose last count is remembered.
const SLOTS: usize = 65_536;

/// Number of attempts to change a count that other hosts change as well.
const ATTEMPTS: u32 = 200;

/// Longest pause between two attempts.
const MOST_PAUSE_US: u32 = 4_000;

/// Counts that this process changed or read, so that the next change of one is a single request.
#[derive(Debug)]
pub(crate) struct Slots(Cache<Hash, Arc<Slot>>);

type Hash = [u8; 32];

impl Default for Slots {
    fn default() -> Self {
        Self(Cache::new(SLOTS))
    }
}

/// A key. Changes of it queue here, so that those of one process do not disturb one another.
#[derive(Debug)]
struct Slot {
    /// Name of the key in the bucket.
    key: String,
    known: Mutex<Known>,
}

/// Knowledge of a key.
#[derive(Debug, Default)]
struct Known {
    /// The count, unless it is unknown.
    now: Option<Counted>,
    /// The latest count that was seen, which the bucket must still have or have replaced.
    seen: Option<Counted>,
}

/// A count, as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Count {
    count: u64,
    /// End of the use, in milliseconds since 1970.
    until: u64,
}

/// A count with its revision; 0 if there is none.
#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    revision: u64,
    count: u64,
    until: Timestamp,
}

impl Known {
    fn learn(&mut self, counted: Counted) {
        self.now = Some(counted);
        if counted.revision > 0 {
            self.seen = Some(counted);
        }
    }
}

impl Counted {
    fn of(entry: Option<Entry>) -> Result<Self, Failure> {
        let Some(Entry { revision, value }) = entry else {
            return Ok(Self::default());
        };
        let count: Count = serde_json::from_slice(&value)
            .map_err(|error| Failure::refused(format!("a count in it is damaged: {error}")))?;
        Ok(Self {
            revision,
            count: count.count,
            until: Timestamp::from_millis(count.until),
        })
    }
}

impl Slots {
    fn slot(&self, key: &str) -> Arc<Slot> {
        let hash = hash("use", key);
        let slot = self.0.get_or_insert_with(&hash, || {
            Ok::<_, std::convert::Infallible>(Arc::new(Slot {
                key: name("use", &hash),
                known: Mutex::default(),
            }))
        });
        match slot {
            Ok(slot) => slot,
            Err(never) => match never {},
        }
    }
}

/// Hash of a key and its kind.
pub(crate) fn hash(kind: &str, key: &str) -> Hash {
    let mut hash = Sha256::new();
    hash.update(kind.as_bytes());
    hash.update([0]);
    hash.update(key.as_bytes());
    hash.finalize().into()
}

/// Name of a key in the bucket.
pub(crate) fn name(kind: &str, hash: &Hash) -> String {
    format!("{kind}.{}", base16ct::lower::encode_string(hash))
}

/// Time for which the server keeps a value that ends at `until`.
pub(crate) fn kept_for(until: Timestamp, now: Timestamp) -> Duration {
    until.since(now).saturating_add(KEPT_AFTER_END)
}

impl Core {
    /// Number of uses of `key` so far.
    pub(crate) async fn spent(&self, key: &str) -> Result<u64, Failure> {
        self.continuity.counts_at(Timestamp::now())?;
        let slot = self.slots.slot(key);
        let entry = Counted::of(self.values.get(&slot.key).await?)?;
        // A thread that changes the count knows it better.
        let Ok(mut known) = slot.known.try_lock() else {
            return Ok(entry.count);
        };
        let is_behind = known
            .seen
            .is_some_and(|seen| entry.revision < seen.revision);
        if is_behind {
            return Ok(self.latest(&slot, &mut known).await?.count);
        }
        known.learn(entry);
        Ok(entry.count)
    }

    /// Spends each of `uses` once, or none of them.
    ///
    /// If one is refused, those before it are returned. A crash in between leaves them spent.
    pub(crate) async fn spend(&self, mut uses: Vec<Use>, now: Timestamp) -> Result<(), NotSpent> {
        self.continuity.counts_at(now)?;
        // In one order on all hosts, so that two of them do not refuse each other for nothing.
        uses.sort_by(|a, b| a.key.cmp(&b.key));
        let mut spent: Vec<&Use> = Vec::new();
        for one in &uses {
            if let Err(refused) = self.spend_one(one, now).await {
                for one in spent {
                    // A use that cannot be returned stays spent.
                    let _ = self.return_one(&one.key, now).await;
                }
                return Err(refused);
            }
            spent.push(one);
        }
        Ok(())
    }

    async fn spend_one(&self, one: &Use, now: Timestamp) -> Result<(), NotSpent> {
        let slot = self.slots.slot(&one.key);
        let mut known = slot.known.lock().await;
        let mut is_latest = false;
        for attempt in 0..ATTEMPTS {
            let before = match known.now {
                Some(counted) => counted,
                None => {
                    is_latest = true;
                    self.latest(&slot, &mut known).await?
                }
            };
            let forgotten = one.until.plus(DELETED_AFTER_END);
            if before.revision == 0 && now >= forgotten {
                return Err(NotSpent::Failed(Failure::Forgotten {
                    key: one.key.clone(),
                    until: one.until,
                    forgotten: now,
                }));
            }
            if before.count >= one.limit {
                if is_latest {
                    return Err(NotSpent::UsedUp(one.key.clone()));
                }
                // Another host may have returned a use since.
                known.now = None;
                continue;
            }
            let after = Count {
                count: before.count.saturating_add(1),
                until: before.until.max(one.until).as_millis(),
            };
            if self.set(&slot, &mut known, before, after, now).await? {
                return Ok(());
            }
            pause(attempt).await;
        }
        Err(NotSpent::Failed(too_contended()))
    }

    /// Returns one use of `key`.
    async fn return_one(&self, key: &str, now: Timestamp) -> Result<(), Failure> {
        let slot = self.slots.slot(key);
        let mut known = slot.known.lock().await;
        for attempt in 0..ATTEMPTS {
            let before = match known.now {
                Some(counted) => counted,
                None => self.latest(&slot, &mut known).await?,
            };
            if before.count == 0 {
                return Ok(());
            }
            let after = Count {
                count: before.count.saturating_sub(1),
                until: before.until.as_millis(),
            };
            if self.set(&slot, &mut known, before, after, now).await? {
                return Ok(());
            }
            pause(attempt).await;
        }
        Err(too_contended())
    }

    /// Returns one use of each of `uses`, once for the decision.
    ///
    /// The decision is noted first: a crash in between leaves them spent.
    pub(crate) async fn give_back(
        &self,
        decision: &str,
        uses: Vec<Use>,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        self.continuity.counts_at(now)?;
        let until = uses.iter().map(|one| one.until).max().unwrap_or(now);
        let key = name("returned", &hash("returned", decision));
        let ttl = kept_for(until, now);
        match self.put(&key, Bytes::new(), 0, Some(ttl)).await? {
            Put::Changed => Ok(false),
            Put::Stored(_) => {
                for one in &uses {
                    self.return_one(&one.key, now).await?;
                }
                Ok(true)
            }
        }
    }

    /// Replaces the count `before`. False if another host changed it first.
    async fn set(
        &self,
        slot: &Slot,
        known: &mut Known,
        before: Counted,
        after: Count,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let value = serde_json::to_vec(&after).map_err(Failure::refused)?;
        let until = Timestamp::from_millis(after.until);
        let ttl = kept_for(until, now);
        // Unknown until the server has answered, also if this call is not waited for any longer.
        known.now = None;
        let put = self.put(&slot.key, Bytes::from(value), before.revision, Some(ttl));
        match put.await? {
            Put::Changed => Ok(false),
            Put::Stored(revision) => {
                known.learn(Counted {
                    revision,
                    count: after.count,
                    until,
                });
                Ok(true)
            }
        }
    }

    /// The latest count, which must not be older than one that was seen.
    async fn latest(&self, slot: &Slot, known: &mut Known) -> Result<Counted, Failure> {
        let latest = Counted::of(self.values.get_latest(&slot.key).await?)?;
        if let Some(seen) = known.seen
            && latest.revision < seen.revision
        {
            let may_be_deleted = Timestamp::now() >= seen.until.plus(DELETED_AFTER_END);
            if latest.revision > 0 || !may_be_deleted {
                let why = "a count that it had is missing: it was restored from a copy, or its server lost what it had not written to the disk";
                self.continuity.distrust(why);
                return Err(Failure::Lacks(why.to_owned()));
            }
            known.seen = None;
        }
        known.learn(latest);
        Ok(latest)
    }
}

fn too_contended() -> Failure {
    Failure::Server(Fault::refused(format!(
        "other hosts changed the same count {ATTEMPTS} times in a row"
    )))
}

/// Waits for a random time, which is longer after more attempts, so that hosts get out of step.
pub(crate) async fn pause(attempt: u32) {
    let most = 100_u32
        .saturating_mul(attempt.saturating_add(1))
        .min(MOST_PAUSE_US);
    let random = getrandom::u32().unwrap_or(0);
    let pause = random.checked_rem(most).unwrap_or(0);
    tokio::time::sleep(Duration::from_micros(pause.into())).await;
}
