//! The intents that a host knows, each with the chain that it was delegated by.

use super::signed::SignatureError;
use super::{Signatures, StoredIntent, Widening};
use crate::plugin::Digest;
use crate::request::RequestError;
use crate::revocation::{Known, Revocable, Revoked};
use crate::timestamp::Timestamp;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// How many intents a chain may have, the approved one included.
pub(crate) const MAX_DEPTH: usize = 8;

/// How many ids of intents that requests carried are remembered.
const CARRIED_IDS: usize = 64 * 1024;

/// How many bytes of memory what requests carried takes at most, once it is read.
pub(super) const CARRIED_BYTES: u64 = 64 * 1024 * 1024;

/// About how much memory an intent takes.
const DOCUMENT_BYTES: u64 = 2 * 1024;

/// What came of the documents that a request carried.
#[derive(Debug, Clone)]
struct Carried {
    chain: Result<Chain, IntentError>,
    /// The version of the keys that it was verified with.
    version: u64,
    bytes: u64,
    /// Whether it was recorded that it came to count.
    is_issued: Arc<AtomicBool>,
}

/// Weighs what is kept.
#[derive(Debug, Clone)]
struct Bytes;

impl Weighter<[u8; 32], Carried> for Bytes {
    fn weight(&self, _: &[u8; 32], carried: &Carried) -> u64 {
        carried.bytes.max(1)
    }
}

/// Intents by their id, and those that requests carry. Finding one takes the same time however many
/// there are.
#[derive(Debug, Clone)]
pub struct Intents {
    by_id: Arc<RwLock<HashMap<String, Chain>>>,
    signatures: Option<Arc<Signatures>>,
    /// By the hash of the documents.
    carried: Arc<Cache<[u8; 32], Carried, Bytes>>,
    /// Which intent had an id first, of those that requests carried.
    carried_ids: Arc<Cache<String, Digest>>,
}

/// An intent and those that it was delegated by, root first, itself last.
///
/// INVARIANT (chain): each is within the one before it, whose digest it names.
pub(crate) type Chain = Arc<[Arc<StoredIntent>]>;

/// Why an intent is not taken up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntentError {
    /// It is not an intent.
    #[error("{0}")]
    Read(#[source] RequestError),
    /// It is not signed, and has to be.
    #[error(
        "the intent is not signed, and only signed ones count here: sign it with `portcullis intent sign`"
    )]
    Unsigned,
    /// It is signed, and nobody's signatures are known.
    #[error(
        "the intent is signed, and no keys of approvers are configured: add `[intents.approvers]`"
    )]
    NoKeys,
    /// Its signature proves nothing.
    #[error("the signed intent is not valid: {0}")]
    Signature(String),
    /// There is another one of that id.
    #[error("there is another intent `{0}`: an id is used once")]
    Duplicate(String),
    /// Its parent is not known.
    #[error("intent `{id}` was delegated by `{parent}`, which is not known: add that one first")]
    NoParent {
        /// The intent.
        id: String,
        /// Its parent.
        parent: String,
    },
    /// Its parent is another one than it names.
    #[error(
        "intent `{id}` was delegated by another `{parent}` than the one that is known: their digests differ"
    )]
    OtherParent {
        /// The intent.
        id: String,
        /// Its parent.
        parent: String,
    },
    /// The chain is too long.
    #[error(
        "intent `{0}` would make a chain of more than {MAX_DEPTH} intents, the approved one included: delegate from one nearer to it"
    )]
    TooDeep(String),
    /// It goes beyond its parent.
    #[error("intent `{id}` goes beyond its parent: {widening}")]
    Wider {
        /// The intent.
        id: String,
        /// How.
        widening: Widening,
    },
    /// A request carries an intent that is not the next one of its chain.
    #[error(
        "intent `{0}` is not delegated from the one that is carried before it: carry a chain, root first"
    )]
    NotNext(String),
    /// It says nothing of the arguments of an action that acts.
    #[error(
        "intent `{id}`: its allowance {allowance} says nothing of its arguments, and {acts}: add {write} to it, or `\"arguments\": \"open\"`"
    )]
    ArgumentsUnsaid {
        /// The intent.
        id: String,
        /// The allowance.
        allowance: String,
        /// Which action acts.
        acts: String,
        /// The member to add.
        write: String,
    },
    /// It denies something of an integration that is called so in another spelling.
    #[error(
        "intent `{id}` denies something of `{named}`, and no integration is called that: write `{meant}`"
    )]
    DeniesInVain {
        /// The intent.
        id: String,
        /// The integration's name as the intent writes it.
        named: String,
        /// The integration's name.
        meant: String,
    },
    /// Its approval is dated in the future.
    #[error(
        "intent `{id}` was approved at {at}, which is in the future: look at the approver's clock"
    )]
    FromTheFuture {
        /// The intent.
        id: String,
        /// When it says that it was approved.
        at: Timestamp,
    },
    /// Who delegated it is not registered for what it passes on.
    #[error(
        "intent `{id}` allows `{integration}`, for which `{delegator}`, which delegates it, is not registered: register it for that, or leave it out"
    )]
    DelegatorNotRegistered {
        /// The intent.
        id: String,
        /// Who delegated it.
        delegator: String,
        /// For which integration.
        integration: String,
    },
    /// What was taken up could not be kept.
    #[error("{0}")]
    NotKept(String),
}

impl Default for Intents {
    fn default() -> Self {
        Self {
            by_id: Arc::default(),
            signatures: None,
            carried: Arc::new(Cache::with_weighter(
                usize::try_from(CARRIED_BYTES / DOCUMENT_BYTES).unwrap_or(usize::MAX),
                CARRIED_BYTES,
                Bytes,
            )),
            carried_ids: Arc::new(Cache::new(CARRIED_IDS)),
        }
    }
}

impl Intents {
    /// Intents that only count if they are signed by who may.
    pub fn signed(signatures: Signatures) -> Self {
        Self {
            signatures: Some(Arc::new(signatures)),
            ..Self::default()
        }
    }

    /// Takes up the intent in `document`, JSON or a signed JWT, whose parent is known already. The
    /// very same one may be taken up again.
    ///
    /// # Errors
    ///
    /// [`IntentError`] if it is none, is not signed and has to be, or is not within its parent.
    pub fn insert(&self, document: &[u8]) -> Result<Arc<StoredIntent>, IntentError> {
        self.insert_if(document, |_| Ok(()))
    }

    /// As [`Intents::insert`], if `accepts` finds nothing against the chain.
    pub(crate) fn insert_if(
        &self,
        document: &[u8],
        accepts: impl FnOnce(&Chain) -> Result<(), IntentError>,
    ) -> Result<Arc<StoredIntent>, IntentError> {
        // Compared while decisions go on: what is in the chain never changes.
        let (intent, chain) = self.delegated(document, None)?;
        accepts(&chain)?;
        let id = intent.id.clone();
        let mut by_id = self.by_id.write().unwrap_or_else(PoisonError::into_inner);
        match by_id.get(&id).and_then(|known| known.last()) {
            Some(known) if known.digest() == intent.digest() => Ok(Arc::clone(known)),
            Some(_) => Err(IntentError::Duplicate(id)),
            None => {
                by_id.insert(id, chain);
                Ok(intent)
            }
        }
    }

    /// Reads an intent, and gives it with its chain: `carried` if it is delegated from the last of
    /// that, or else its parent's.
    fn delegated(
        &self,
        document: &[u8],
        carried: Option<&Chain>,
    ) -> Result<(Arc<StoredIntent>, Chain), IntentError> {
        let intent = self.read(document)?;
        let id = intent.id.clone();
        let mut chain = match (&intent.parent, carried) {
            (None, None) => Vec::new(),
            (None, Some(_)) => return Err(IntentError::NotNext(id)),
            (Some((parent, digest)), carried) => {
                let chain = match carried {
                    Some(chain) => Some(Arc::clone(chain)),
                    None => self.chain(parent),
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

    /// The chain that a request carries, root first; the first may hang on one that is known. What came
    /// of it is kept in mind until a key changes.
    pub(crate) fn carried(&self, documents: &[String]) -> Result<Chain, IntentError> {
        let chain = self.verified(documents)?;
        // An id is used once: looked at each time, since what is known changes.
        for intent in chain.iter() {
            let known = self.chain(&intent.id);
            let known = known.as_ref().and_then(|known| known.last());
            let first = match known {
                Some(known) => known.digest(),
                None => {
                    let (id, digest) = (intent.id.as_str(), intent.digest());
                    let first = self
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

    /// As [`Intents::carried`], whatever else has the ids of the chain.
    fn verified(&self, documents: &[String]) -> Result<Chain, IntentError> {
        // Who writes a request could carry anything that is not signed.
        let Some(signatures) = &self.signatures else {
            return Err(IntentError::NoKeys);
        };
        let version = signatures.version();
        let hash = hash(documents);
        if let Some(carried) = self.carried.get(&hash)
            && carried.version == version
        {
            return carried.chain;
        }
        let chain = documents
            .iter()
            .try_fold(None, |chain: Option<Chain>, document| {
                let (_, chain) = self.delegated(document.as_bytes(), chain.as_ref())?;
                Ok(Some(chain))
            })
            .map(|chain| chain.unwrap_or_else(|| Vec::new().into()));
        // One whose parent is not known may have it tomorrow.
        if !matches!(chain, Err(IntentError::NoParent { .. })) {
            let carried = Carried {
                chain: chain.clone(),
                version,
                bytes: memory_bytes(&chain, documents.len()),
                is_issued: Arc::default(),
            };
            self.carried.insert(hash, carried);
        }
        chain
    }

    /// Whether what a request carries comes to count now for the first time, as far as is kept in mind.
    pub(crate) fn issue_carried(&self, documents: &[String]) -> bool {
        self.carried
            .get(&hash(documents))
            .is_some_and(|carried| !carried.is_issued.swap(true, Ordering::Relaxed))
    }

    /// Takes up every intent in the folder's files whose names end with `.json` or `.jwt`, parents
    /// first. What cannot be taken up is given back with its file.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn insert_folder(&self, folder: &Path) -> std::io::Result<Vec<(PathBuf, IntentError)>> {
        let mut documents = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let file = entry?.path();
            let extension = file.extension().unwrap_or_default();
            if extension == "json" || extension == "jwt" {
                let document = std::fs::read(&file)?;
                documents.push((file, document));
            }
        }
        documents.sort();
        Ok(self.insert_all(documents))
    }

    /// Takes up documents, parents first. What cannot be taken up is given back with its name.
    pub(crate) fn insert_all<N>(&self, mut left: Vec<(N, Vec<u8>)>) -> Vec<(N, IntentError)> {
        let mut refused = Vec::new();
        loop {
            // Each round takes up those whose parents are there. What is left after a round without
            // progress hangs on nothing.
            let mut waiting = Vec::new();
            let before = left.len();
            for (name, document) in left {
                match self.insert(&document) {
                    Ok(_) => {}
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

    /// Whether an intent counts only if who approved it signed it. What waives a check of the host has to
    /// be.
    pub fn are_signed(&self) -> bool {
        self.signatures.is_some()
    }

    /// Whose signatures intents count by, sorted; nobody's where they need not be signed.
    pub fn approvers(&self) -> Vec<&str> {
        let signatures = self.signatures.as_deref();
        signatures.map_or_else(Vec::new, |it| it.approvers().collect())
    }

    /// How much memory what requests carried takes.
    #[cfg(test)]
    pub(super) fn carried_bytes(&self) -> u64 {
        self.carried.weight()
    }

    /// How many intents there are.
    pub fn len(&self) -> usize {
        self.by_id
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every intent, each with those that it was delegated by, root first, itself last.
    pub fn chains(&self) -> Vec<Arc<[Arc<StoredIntent>]>> {
        let by_id = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
        by_id.values().cloned().collect()
    }

    /// The intent of that id, with those that it was delegated by, root first, itself last.
    pub fn chain(&self, id: &str) -> Option<Arc<[Arc<StoredIntent>]>> {
        let by_id = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
        by_id.get(id).cloned()
    }
}

/// What is kept of a chain: the last `carried` of it, which no other entry shares, or why there is none.
fn memory_bytes(chain: &Result<Chain, IntentError>, carried: usize) -> u64 {
    /// The entry itself, its key, and the text of an error.
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

/// The first intent, principal or approver of a chain that is revoked.
pub(crate) fn revoked_in<'a>(chain: &Chain, known: &'a Known<'_>) -> Option<(String, &'a Revoked)> {
    chain
        .iter()
        .find_map(|it| find_revoked(&it.id, &it.principal, &it.approved_by, known))
}

/// As [`revoked_in`], of an intent of which only the names are known.
pub(crate) fn find_revoked<'a>(
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
