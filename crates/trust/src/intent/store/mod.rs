//! Stores the intents of a host, each with its delegation chain.

mod carried;
mod chain;
mod error;
mod folder;
mod revoked;

use super::StoredIntent;
use super::signed::Signatures;
pub(crate) use carried::CARRIED_BYTES;
use carried::{Bytes, CARRIED_IDS, Carried, DOCUMENT_BYTES};
pub use chain::Chain;
pub(crate) use chain::MAX_DEPTH;
use chain::parents_first;
pub use error::IntentError;
use folder::Origins;
use portcullis_model::digest::Digest;
use quick_cache::sync::Cache;
pub use revoked::{find_revoked, revoked_in};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

/// Intents by id, and the intents that requests carry.
///
/// The time of a look-up does not depend on the number of intents.
#[derive(Clone, Default)]
pub struct Intents {
    store: Arc<Store>,
}

struct Store {
    by_id: RwLock<ById>,
    /// Number of times that `by_id` was built again.
    built: AtomicU64,
    /// Held while the known intents change, so that none is lost.
    origins: Mutex<Origins>,
    /// Path of the folder. It is known without waiting for a look.
    folder: OnceLock<PathBuf>,
    signatures: Option<Signatures>,
    /// Results by the hash of the documents.
    carried: Cache<[u8; 32], Carried, Bytes>,
    /// Digest of the first carried intent with each id.
    carried_ids: Cache<String, Digest>,
    /// Documents that do not count, each with its file and the reason.
    refused: Mutex<Vec<(PathBuf, String)>>,
    listener: Mutex<Option<Listener>>,
}

type ById = HashMap<String, Chain>;

/// Callback for intents that a look at the folder added.
type Listener = Box<dyn Fn(&[Arc<StoredIntent>]) + Send + Sync>;

impl Default for Store {
    fn default() -> Self {
        Self {
            by_id: RwLock::default(),
            built: AtomicU64::new(0),
            origins: Mutex::default(),
            folder: OnceLock::new(),
            signatures: None,
            carried: Cache::with_weighter(
                usize::try_from(CARRIED_BYTES / DOCUMENT_BYTES).unwrap_or(usize::MAX),
                CARRIED_BYTES,
                Bytes,
            ),
            carried_ids: Cache::new(CARRIED_IDS),
            refused: Mutex::default(),
            listener: Mutex::default(),
        }
    }
}

impl Intents {
    /// Creates a store that requires signed intents.
    #[cfg(feature = "identity")]
    pub fn signed(signatures: Signatures) -> Self {
        let keys_version = signatures.version();
        let store = Store {
            signatures: Some(signatures),
            ..Store::default()
        };
        store.origins().keys_version = keys_version;
        Self {
            store: Arc::new(store),
        }
    }

    /// Adds the intent in `document`, JSON or a signed JWT.
    ///
    /// Its parent must be known. Adding the same intent again has no effect.
    ///
    /// # Errors
    ///
    /// [`IntentError`] if the document is not an intent, is not signed and must be, or is not within its
    /// parent.
    pub fn insert(&self, document: &[u8]) -> Result<Arc<StoredIntent>, IntentError> {
        self.insert_if(document, |_| Ok(()))
    }

    /// As [`Intents::insert`], if `accepts` accepts the chain.
    pub fn insert_if(
        &self,
        document: &[u8],
        accepts: impl FnOnce(&Chain) -> Result<(), IntentError>,
    ) -> Result<Arc<StoredIntent>, IntentError> {
        let store = &*self.store;
        let mut origins = store.origins();
        let (intent, chain) = store.delegated(document, None, |id| self.chain(id))?;
        accepts(&chain)?;
        let id = intent.id.clone();
        let mut by_id = store.by_id.write().unwrap_or_else(PoisonError::into_inner);
        match by_id.get(&id).and_then(|known| known.last()) {
            Some(known) if known.digest() != intent.digest() => {
                return Err(IntentError::Duplicate(id));
            }
            Some(_) => {}
            None => {
                by_id.insert(id, chain);
            }
        }
        // Also if the folder has it, so that it stays when its file is removed, as it does over a restart.
        let hash: [u8; 32] = Sha256::digest(document).into();
        if origins.hashes.insert(hash) {
            origins.inserted.push(document.to_owned());
        }
        Ok(intent)
    }

    /// Adds documents, parents first. Returns the refused ones by name.
    pub fn insert_all<N>(&self, documents: Vec<(N, Vec<u8>)>) -> Vec<(N, IntentError)> {
        parents_first(documents, |document| self.insert(document).map(|_| ()))
    }

    /// Documents that were added one by one, and not by a folder.
    pub fn inserted(&self) -> Vec<Vec<u8>> {
        self.store.origins().inserted.clone()
    }

    /// True if intents must be signed by their approvers.
    ///
    /// Only a signed intent can waive a check of the host.
    pub fn are_signed(&self) -> bool {
        self.store.signatures.is_some()
    }

    /// Approvers whose signatures are accepted, sorted.
    ///
    /// Empty if intents need not be signed.
    pub fn approvers(&self) -> Vec<&str> {
        let signatures = self.store.signatures.as_ref();
        signatures.map_or_else(Vec::new, |it| it.approvers().collect())
    }

    /// Number of known intents.
    pub fn len(&self) -> usize {
        self.known(HashMap::len)
    }

    /// True if no intent is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Chains of all intents, each with root first and the intent last, sorted by these ids.
    pub fn chains(&self) -> Vec<Arc<[Arc<StoredIntent>]>> {
        let mut chains: Vec<Arc<[Arc<StoredIntent>]>> =
            self.known(|by_id| by_id.values().cloned().collect());
        chains.sort_by(|a, b| a.iter().map(|i| &i.id).cmp(b.iter().map(|i| &i.id)));
        chains
    }

    /// Chain of the intent `id`, root first and the intent last.
    pub fn chain(&self, id: &str) -> Option<Arc<[Arc<StoredIntent>]>> {
        self.known(|by_id| by_id.get(id).cloned())
    }

    fn known<T>(&self, get: impl FnOnce(&ById) -> T) -> T {
        let by_id = self.store.by_id.read();
        get(&by_id.unwrap_or_else(PoisonError::into_inner))
    }
}

impl Store {
    fn origins(&self) -> MutexGuard<'_, Origins> {
        self.origins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keys_version(&self) -> u64 {
        self.signatures.as_ref().map_or(0, Signatures::version)
    }
}

impl std::fmt::Debug for Intents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intents")
            .field("known", &self.len())
            .field("are_signed", &self.are_signed())
            .finish_non_exhaustive()
    }
}
