//! Stores the intents of a host, each with its delegation chain.

use super::signed::{SignatureError, Signatures};
use super::{AttenuationError, StoredIntent};
use crate::revocation::{Known, Revocable, Revoked};
use crate::watched::{Contents, Files, HOST_FAILED, Look, Source, Watch};
use portcullis_model::digest::Digest;
use portcullis_model::json;
use portcullis_model::timestamp::Timestamp;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, HashSet};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

/// Maximum number of intents in a chain, including the approved one.
pub(crate) const MAX_DEPTH: usize = 8;

/// Maximum number of cached ids of carried intents.
const CARRIED_IDS: usize = 64 * 1024;

/// Maximum memory of cached carried intents, in bytes.
pub(super) const CARRIED_BYTES: u64 = 64 * 1024 * 1024;

/// Approximate memory of an intent, in bytes.
const DOCUMENT_BYTES: u64 = 2 * 1024;

/// Cached result for the documents that a request carried.
#[derive(Debug, Clone)]
struct Carried {
    chain: Result<Chain, IntentError>,
    /// Version of the keys, and of the known intents, that it was verified with.
    version: (u64, u64),
    bytes: u64,
    /// True if the first use of the chain was recorded.
    is_issued: Arc<AtomicBool>,
}

/// Weighs cache entries by their memory.
#[derive(Debug, Clone)]
struct Bytes;

impl Weighter<[u8; 32], Carried> for Bytes {
    fn weight(&self, _: &[u8; 32], carried: &Carried) -> u64 {
        carried.bytes.max(1)
    }
}

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

/// Documents that the known intents are built from.
#[derive(Default)]
struct Origins {
    folder: Option<Files>,
    /// Documents that were added one by one.
    inserted: Vec<Vec<u8>>,
    /// Hashes of these documents.
    hashes: HashSet<[u8; 32]>,
    /// Version of the keys that the known intents were verified with.
    keys_version: u64,
}

/// An intent with the intents that it was delegated from: root first, itself last.
///
/// INVARIANT (chain): each is within the one before it, whose digest it names.
pub type Chain = Arc<[Arc<StoredIntent>]>;

/// Reason why an intent is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntentError {
    /// The document is not an intent.
    #[error("{0}")]
    Read(json::Error),
    /// The intent must be signed and is not.
    #[error(
        "the intent is not signed, but this host requires a signature: sign it with `portcullis intent sign`"
    )]
    Unsigned,
    /// The intent is signed, and no signers are configured.
    #[error("the intent is signed, but no approver keys are configured: add `[intents.approvers]`")]
    NoKeys,
    /// The signature is invalid.
    #[error("the signed intent is not valid: {0}")]
    Signature(String),
    /// Another intent has the same id.
    #[error("another intent has the id `{0}`: each id is used once")]
    Duplicate(String),
    /// The parent is unknown.
    #[error("intent `{id}` was delegated from `{parent}`, which is unknown: add the parent first")]
    NoParent {
        /// Id of the intent.
        id: String,
        /// Id of its parent.
        parent: String,
    },
    /// The known parent has another digest or id than the intent names.
    #[error(
        "intent `{id}` was delegated from `{parent}`, but the known intent of that id is another one: their digests differ"
    )]
    OtherParent {
        /// Id of the intent.
        id: String,
        /// Id of its parent.
        parent: String,
    },
    /// The chain is too long.
    #[error(
        "intent `{0}` would make a chain of more than {MAX_DEPTH} intents, including the approved one: delegate from an intent nearer to the root"
    )]
    TooDeep(String),
    /// The intent exceeds its parent.
    #[error("intent `{id}` goes beyond its parent: {widening}")]
    Wider {
        /// Id of the intent.
        id: String,
        /// First excess.
        widening: AttenuationError,
    },
    /// A request carries an intent that is not the next one of its chain.
    #[error(
        "intent `{0}` is not delegated from the intent carried before it: carry the chain, root first"
    )]
    NotNext(String),
    /// An allowance states no arguments for an action that is not a read.
    #[error(
        "intent `{id}`: its allowance {allowance} has no `arguments`, and {acts}: add {write} to it, or `\"arguments\": \"open\"`"
    )]
    ArgumentsUnsaid {
        /// Id of the intent.
        id: String,
        /// The allowance.
        allowance: String,
        /// Action that is not a read.
        acts: String,
        /// Member to add.
        write: String,
    },
    /// A denial names an integration in another spelling.
    #[error(
        "intent `{id}` has a denial for `{named}`, but no integration has that name: write `{meant}`"
    )]
    DeniesInVain {
        /// Id of the intent.
        id: String,
        /// Name of the integration in the intent.
        named: String,
        /// Configured name of the integration.
        meant: String,
    },
    /// The time of the approval is in the future.
    #[error(
        "intent `{id}` was approved at {at}, which is in the future: correct the approver's clock"
    )]
    FromTheFuture {
        /// Id of the intent.
        id: String,
        /// Stated time of the approval.
        at: Timestamp,
    },
    /// The delegator is not registered for an integration that it delegates.
    #[error(
        "intent `{id}` allows `{integration}`, but its delegator `{delegator}` is not registered for it: register the delegator for it, or leave the integration out"
    )]
    DelegatorNotRegistered {
        /// Id of the intent.
        id: String,
        /// SPIFFE ID of the delegator.
        delegator: String,
        /// Name of the integration.
        integration: String,
    },
    /// The accepted intent could not be stored.
    #[error("{0}")]
    NotKept(String),
}

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
        let chain = documents
            .iter()
            .try_fold(None, |chain: Option<Chain>, document| {
                let document = document.as_bytes();
                let (_, chain) = store.delegated(document, chain.as_ref(), |id| self.chain(id))?;
                Ok(Some(chain))
            })
            .map(|chain| chain.unwrap_or_else(|| Vec::new().into()));
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

    /// Adds all intents in the `.json` and `.jwt` files of a folder, parents first, and follows the folder.
    ///
    /// Returns the files that are refused, with the errors. A store follows one folder. The watcher of the host
    /// that the intents belong to reads a folder that changes; without a host, [`Intents::refresh`] does.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn follow_folder(&self, folder: &Path) -> io::Result<Vec<(PathBuf, IntentError)>> {
        // A file in the place of the folder is an error.
        std::fs::read_dir(folder)?;
        let mut origins = self.store.origins();
        let mut files = Files::new(folder, &["json", "jwt"]);
        let contents = files.read(Look::AtOnce, true).transpose()?;
        let mut documents = Vec::new();
        for (file, content) in contents.unwrap_or_default() {
            documents.push((file, content?));
        }
        let _ = self.store.folder.set(folder.to_owned());
        origins.folder = Some(files);
        let refused = {
            let by_id = self.store.by_id.write();
            let mut by_id = by_id.unwrap_or_else(PoisonError::into_inner);
            self.store.add_all(&mut by_id, documents)
        };
        let shown = refused.iter();
        let shown = shown.map(|(file, error)| (file.clone(), error.to_string()));
        *self
            .store
            .refused
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = shown.collect();
        Ok(refused)
    }

    /// Adds documents, parents first. Returns the refused ones by name.
    pub fn insert_all<N>(&self, documents: Vec<(N, Vec<u8>)>) -> Vec<(N, IntentError)> {
        parents_first(documents, |document| self.insert(document).map(|_| ()))
    }

    /// Keys of approvers and delegators and the folder, for a watcher.
    ///
    /// An intent counts only while its folder has it and the keys of its signers are in force.
    pub fn sources(&self) -> Vec<Source> {
        let signatures = self.store.signatures.iter();
        let keys = signatures.flat_map(Signatures::sources);
        let store: Source = Arc::<Store>::clone(&self.store);
        keys.chain([store]).collect()
    }

    /// Reads changed keys and intents now, in the calling thread.
    pub fn refresh(&self) {
        for source in self.sources() {
            source.look(Look::AtOnce);
        }
    }

    /// Calls `listener` with intents that come into force from now on because the folder or a key changed.
    pub fn whenever_added(&self, listener: impl Fn(&[Arc<StoredIntent>]) + Send + Sync + 'static) {
        let listening = self.store.listener.lock();
        let mut listening = listening.unwrap_or_else(PoisonError::into_inner);
        *listening = Some(Box::new(listener));
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

    /// Memory of the cached carried intents, in bytes.
    #[cfg(test)]
    pub(super) fn carried_bytes(&self) -> u64 {
        self.store.carried.weight()
    }

    /// Number of known intents.
    pub fn len(&self) -> usize {
        self.known(HashMap::len)
    }

    /// True if no intent is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Chains of all intents, each with root first and the intent last.
    pub fn chains(&self) -> Vec<Arc<[Arc<StoredIntent>]>> {
        self.known(|by_id| by_id.values().cloned().collect())
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

    /// Reads an intent and returns it with its chain.
    ///
    /// It continues `carried` if that is given, and otherwise the chain of its parent among the `known`.
    fn delegated(
        &self,
        document: &[u8],
        carried: Option<&Chain>,
        known: impl Fn(&str) -> Option<Chain>,
    ) -> Result<(Arc<StoredIntent>, Chain), IntentError> {
        let intent = self.read(document)?;
        let id = intent.id.clone();
        let mut chain = match (&intent.parent, carried) {
            (None, None) => Vec::new(),
            (None, Some(_)) => return Err(IntentError::NotNext(id)),
            (Some((parent, digest)), carried) => {
                let chain = match carried {
                    Some(chain) => Some(Arc::clone(chain)),
                    None => known(parent),
                };
                let chain = chain.ok_or_else(|| IntentError::NoParent {
                    id: id.clone(),
                    parent: parent.clone(),
                })?;
                let Some(nearest) = chain
                    .last()
                    .filter(|nearest| nearest.digest() == *digest && nearest.id == *parent)
                else {
                    let parent = parent.clone();
                    return Err(IntentError::OtherParent { id, parent });
                };
                if chain.iter().any(|other| other.id == id) {
                    return Err(IntentError::Duplicate(id));
                }
                if chain.len() >= MAX_DEPTH {
                    return Err(IntentError::TooDeep(id));
                }
                if let Err(widening) = intent.is_within(nearest) {
                    return Err(IntentError::Wider { id, widening });
                }
                chain.to_vec()
            }
        };
        let intent = Arc::new(intent);
        chain.push(Arc::clone(&intent));
        Ok((intent, chain.into()))
    }

    fn read(&self, document: &[u8]) -> Result<StoredIntent, IntentError> {
        let is_json = document.trim_ascii_start().starts_with(b"{");
        match (&self.signatures, is_json) {
            (None, true) => StoredIntent::from_json(document).map_err(IntentError::Read),
            (None, false) => Err(IntentError::NoKeys),
            (Some(_), true) => Err(IntentError::Unsigned),
            (Some(signatures), false) => {
                let wrong = |error: SignatureError| IntentError::Signature(error.to_string());
                let token = std::str::from_utf8(document.trim_ascii())
                    .map_err(|error| IntentError::Signature(error.to_string()))?;
                signatures
                    .verify(token)
                    .map_err(wrong)?
                    .map_err(IntentError::Read)
            }
        }
    }

    /// Reads the folder if it or a key changed, and puts the intents in force that a restart would.
    ///
    /// Intents of the folder come before those that were added one by one.
    fn rebuild(&self, origins: &mut Origins, look: Look) {
        let keys_version = self.keys_version();
        let keys_changed = keys_version != origins.keys_version;
        let read = origins
            .folder
            .as_mut()
            .map(|it| it.read(look, keys_changed));
        let read = match read {
            Some(None) => return,
            None if !keys_changed => return,
            None => None,
            Some(Some(read)) => Some(read),
        };
        origins.keys_version = keys_version;
        let (mut known, mut refused) = (ById::new(), Vec::new());
        let folder = origins.folder.as_ref().map(Files::path);
        match (read, folder) {
            (Some(Ok(contents)), _) => self.add_contents(&mut known, contents, &mut refused),
            (Some(Err(error)), Some(folder)) => {
                let why = format!("cannot be read, so none of its intents counts: {error}");
                refused.push((folder.to_owned(), why));
            }
            _ => {}
        }
        let inserted = origins.inserted.iter().enumerate();
        let inserted = inserted.map(|(place, document)| (place, document.clone()));
        for (_, error) in self.add_all(&mut known, inserted.collect()) {
            let why = format!("an imported intent is no longer valid: {error}");
            refused.push((PathBuf::from("[intents]"), why));
        }
        let added: Vec<_> = {
            let mut by_id = self.by_id.write().unwrap_or_else(PoisonError::into_inner);
            let before = std::mem::replace(&mut *by_id, known);
            let is_new = |intent: &&Arc<StoredIntent>| {
                let known = before.get(&intent.id).and_then(|chain| chain.last());
                known.is_none_or(|known| known.digest() != intent.digest())
            };
            let intents = by_id.values().filter_map(|chain| chain.last());
            intents.filter(is_new).map(Arc::clone).collect()
        };
        // After the intents, so that no chain of the earlier ones is cached under this number.
        self.built.fetch_add(1, Ordering::Release);
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(listener) = &*listener
            && !added.is_empty()
        {
            listener(&added);
        }
    }

    /// Adds the readable files of a folder.
    fn add_contents(
        &self,
        known: &mut ById,
        contents: Contents,
        refused: &mut Vec<(PathBuf, String)>,
    ) {
        let mut documents = Vec::new();
        for (file, content) in contents {
            match content {
                Ok(document) => documents.push((file, document)),
                Err(error) => refused.push((file, format!("cannot be read: {error}"))),
            }
        }
        let errors = self.add_all(known, documents).into_iter();
        refused.extend(errors.map(|(file, error)| (file, error.to_string())));
    }

    /// Adds documents to `known`, parents first. Returns the refused ones by name.
    fn add_all<N>(&self, known: &mut ById, left: Vec<(N, Vec<u8>)>) -> Vec<(N, IntentError)> {
        parents_first(left, |document| {
            let read = || self.delegated(document, None, |id| known.get(id).cloned());
            let read = catch_unwind(AssertUnwindSafe(read));
            let failed = |_| Err(IntentError::Signature(HOST_FAILED.to_owned()));
            let (intent, chain) = read.unwrap_or_else(failed)?;
            match known.get(&intent.id).and_then(|known| known.last()) {
                Some(known) if known.digest() == intent.digest() => {}
                Some(_) => return Err(IntentError::Duplicate(intent.id.clone())),
                None => {
                    known.insert(intent.id.clone(), chain);
                }
            }
            Ok(())
        })
    }
}

impl Watch for Store {
    fn path(&self) -> PathBuf {
        let folder = self.folder.get().cloned();
        folder.unwrap_or_else(|| PathBuf::from("[intents]"))
    }

    fn look(&self, look: Look) {
        self.rebuild(&mut self.origins(), look);
    }

    fn problem(&self) -> Option<String> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, why) = refused.first()?;
        let more = match refused.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        Some(format!("{} does not count: {why}{more}", file.display()))
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

/// Calls `add` for each document, for parents before their children.
///
/// Returns the refused ones by name.
fn parents_first<N>(
    mut left: Vec<(N, Vec<u8>)>,
    mut add: impl FnMut(&[u8]) -> Result<(), IntentError>,
) -> Vec<(N, IntentError)> {
    let mut refused = Vec::new();
    loop {
        // Each round adds the documents whose parents are known. After a round without progress, the parents
        // of the remaining documents are missing.
        let mut waiting = Vec::new();
        let before = left.len();
        for (name, document) in left {
            match add(&document) {
                Ok(()) => {}
                Err(error @ IntentError::NoParent { .. }) => {
                    waiting.push((name, document, error));
                }
                Err(error) => refused.push((name, error)),
            }
        }
        if waiting.is_empty() || waiting.len() == before {
            refused.extend(waiting.into_iter().map(|(name, _, error)| (name, error)));
            return refused;
        }
        left = waiting
            .into_iter()
            .map(|(name, document, _)| (name, document))
            .collect();
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

fn hash(documents: &[String]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for document in documents {
        hash.update((document.len() as u64).to_be_bytes());
        hash.update(document.as_bytes());
    }
    hash.finalize().into()
}

/// First revoked intent, principal or approver of a chain.
pub fn revoked_in<'a>(chain: &Chain, known: &'a Known<'_>) -> Option<(String, &'a Revoked)> {
    chain
        .iter()
        .find_map(|it| find_revoked(&it.id, &it.principal, &it.approved_by, known))
}

/// As [`revoked_in`], for an intent of which only the names are known.
pub fn find_revoked<'a>(
    id: &str,
    principal: &str,
    approved_by: &str,
    known: &'a Known<'_>,
) -> Option<(String, &'a Revoked)> {
    let named = [
        (Revocable::Intent, id),
        (Revocable::Principal, principal),
        (Revocable::Principal, approved_by),
    ];
    named
        .into_iter()
        .find_map(|(kind, id)| Some((id.to_owned(), known.find(kind, id)?)))
}
