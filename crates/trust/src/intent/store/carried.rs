//! Intents that requests carry, verified and cached.

use super::Intents;
use super::chain::Chain;
use super::error::IntentError;
use portcullis_contract::work::Budget;
use quick_cache::Weighter;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Maximum number of cached ids of carried intents.
pub(super) const CARRIED_IDS: usize = 64 * 1024;

/// Maximum memory of cached carried intents, in bytes.
pub(crate) const CARRIED_BYTES: u64 = 64 * 1024 * 1024;

/// Maximum number of steps in which the intents of a carried chain are compared with their parents.
///
/// They are not those of the decision: the result is cached, and must not depend on what the decision compared
/// before.
pub(super) const CARRIED_STEPS: u64 = 250_000;

/// Approximate memory of an intent, in bytes.
pub(super) const DOCUMENT_BYTES: u64 = 2 * 1024;

/// Cached result for the documents that a request carried.
#[derive(Debug, Clone)]
pub(super) struct Carried {
    chain: Result<Chain, IntentError>,
    /// Version of the keys, and of the known intents, that it was verified with.
    version: (u64, u64),
    bytes: u64,
    /// True if the first use of the chain was recorded.
    is_issued: Arc<AtomicBool>,
}

/// Weighs cache entries by their memory.
#[derive(Debug, Clone)]
pub(super) struct Bytes;

impl Weighter<[u8; 32], Carried> for Bytes {
    fn weight(&self, _: &[u8; 32], carried: &Carried) -> u64 {
        carried.bytes.max(1)
    }
}

impl Intents {
    /// Returns the chain that a request carries, root first.
    ///
    /// The parent of the first may be a known intent. Results are cached until a key changes.
    pub fn carried(&self, documents: &[String]) -> Result<Chain, IntentError> {
        let chain = self.verified(documents)?;
        // An id may be used once. This is checked each time, because the known intents change.
        for intent in chain.iter() {
            let known = self.chain(&intent.id);
            let known = known.as_ref().and_then(|known| known.last());
            let first = match known {
                Some(known) => known.digest(),
                None => {
                    let (id, digest) = (intent.id.as_str(), intent.digest());
                    let first = self
                        .store
                        .carried_ids
                        .get_or_insert_with(id, || Ok::<_, std::convert::Infallible>(digest));
                    first.unwrap_or(digest)
                }
            };
            if first != intent.digest() {
                return Err(IntentError::Duplicate(intent.id.clone()));
            }
        }
        Ok(chain)
    }

    /// As [`Intents::carried`], without comparing ids.
    fn verified(&self, documents: &[String]) -> Result<Chain, IntentError> {
        // The author of a request could carry any unsigned intent.
        let store = &*self.store;
        let Some(signatures) = &store.signatures else {
            return Err(IntentError::NoKeys);
        };
        let version = (signatures.version(), store.built.load(Ordering::Acquire));
        let hash = hash(documents);
        if let Some(carried) = store.carried.get(&hash)
            && carried.version == version
        {
            return carried.chain;
        }
        let before = store.carried.get(&hash);
        let budget = Budget::begin(CARRIED_STEPS);
        let mut chain = documents
            .iter()
            .try_fold(None, |chain: Option<Chain>, document| {
                let document = document.as_bytes();
                let (_, chain) = store.delegated(document, chain.as_ref(), |id| self.chain(id))?;
                Ok(Some(chain))
            })
            .map(|chain| chain.unwrap_or_else(|| Vec::new().into()));
        if budget.is_exhausted() {
            chain = Err(IntentError::TooComplex);
        }
        // A missing parent may be added later, so that this error is not cached.
        if !matches!(chain, Err(IntentError::NoParent { .. })) {
            let carried = Carried {
                chain: chain.clone(),
                version,
                bytes: memory_bytes(&chain, documents.len()),
                is_issued: before.map(|before| before.is_issued).unwrap_or_default(),
            };
            store.carried.insert(hash, carried);
        }
        chain
    }

    /// True if a carried chain is used for the first time since it was cached.
    pub fn issue_carried(&self, documents: &[String]) -> bool {
        let carried = &self.store.carried;
        carried
            .get(&hash(documents))
            .is_some_and(|carried| !carried.is_issued.swap(true, Ordering::Relaxed))
    }

    /// Memory of the cached carried intents, in bytes.
    #[cfg(test)]
    pub(crate) fn carried_bytes(&self) -> u64 {
        self.store.carried.weight()
    }
}

/// Memory of a cached chain or error, in bytes.
///
/// For a chain it is that of its last `carried` intents, which no other entry shares.
fn memory_bytes(chain: &Result<Chain, IntentError>, carried: usize) -> u64 {
    /// Memory of the entry itself, its key and the text of an error.
    const ENTRY_BYTES: usize = 1024;
    let chain = chain.as_ref().map_or(&[][..], |chain| &**chain);
    let own = chain.iter().rev().take(carried);
    let own: usize = own.map(|intent| intent.memory_bytes()).sum();
    (ENTRY_BYTES + own) as u64
}

pub(super) fn hash(documents: &[String]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for document in documents {
        hash.update((document.len() as u64).to_be_bytes());
        hash.update(document.as_bytes());
    }
    hash.finalize().into()
}
