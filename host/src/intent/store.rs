//! The intents that a host knows, each with the chain that it was delegated by.

use super::{StoredIntent, Widening};
use crate::request::RequestError;
use crate::revocation::{Known, Revocable, Revoked};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

/// How many intents a chain may have.
pub(crate) const MAX_DEPTH: usize = 8;

/// Intents by their id. Finding one takes the same time however many there are.
#[derive(Debug, Default, Clone)]
pub struct Intents {
    by_id: Arc<RwLock<HashMap<String, Chain>>>,
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
    #[error("intent `{0}` is more than {MAX_DEPTH} delegations from its root")]
    TooDeep(String),
    /// It goes beyond its parent.
    #[error("intent `{id}` goes beyond its parent: {widening}")]
    Wider {
        /// The intent.
        id: String,
        /// How.
        widening: Widening,
    },
}

impl Intents {
    /// Takes up the intent in `json`, whose parent is known already.
    ///
    /// # Errors
    ///
    /// [`IntentError`] if it is none, or is not within its parent.
    pub fn insert(&self, json: &[u8]) -> Result<Arc<StoredIntent>, IntentError> {
        let intent = StoredIntent::from_json(json).map_err(IntentError::Read)?;
        let id = intent.id.clone();
        // Compared while decisions go on: what is in the chain never changes.
        let mut chain = match &intent.parent {
            None => Vec::new(),
            Some((parent, digest)) => {
                let chain = self.chain(parent).ok_or_else(|| IntentError::NoParent {
                    id: id.clone(),
                    parent: parent.clone(),
                })?;
                let Some(nearest) = chain.last().filter(|nearest| nearest.digest() == *digest)
                else {
                    let parent = parent.clone();
                    return Err(IntentError::OtherParent { id, parent });
                };
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
        let mut by_id = self.by_id.write().unwrap_or_else(PoisonError::into_inner);
        if by_id.contains_key(&id) {
            return Err(IntentError::Duplicate(id));
        }
        by_id.insert(id, chain.into());
        Ok(intent)
    }

    /// Takes up every intent in the folder's files whose names end with `.json`, parents first.
    /// What cannot be taken up is given back with its file.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn insert_folder(&self, folder: &Path) -> std::io::Result<Vec<(PathBuf, IntentError)>> {
        let mut left = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let file = entry?.path();
            if file
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                let json = std::fs::read(&file)?;
                left.push((file, json));
            }
        }
        left.sort();
        let mut refused = Vec::new();
        loop {
            // Each round takes up those whose parents are there. What is left after a round without
            // progress hangs on nothing.
            let mut waiting = Vec::new();
            let before = left.len();
            for (file, json) in left {
                match self.insert(&json) {
                    Ok(_) => {}
                    Err(error @ IntentError::NoParent { .. }) => waiting.push((file, json, error)),
                    Err(error) => refused.push((file, error)),
                }
            }
            if waiting.is_empty() || waiting.len() == before {
                refused.extend(waiting.into_iter().map(|(file, _, error)| (file, error)));
                return Ok(refused);
            }
            left = waiting
                .into_iter()
                .map(|(file, json, _)| (file, json))
                .collect();
        }
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
    pub(crate) fn chain(&self, id: &str) -> Option<Chain> {
        let by_id = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
        by_id.get(id).cloned()
    }
}

/// The first intent or principal of a chain that is revoked.
pub(crate) fn revoked_in<'a>(chain: &Chain, known: &'a Known<'_>) -> Option<(String, &'a Revoked)> {
    chain.iter().find_map(|intent| {
        let of_intent = known.find(Revocable::Intent, &intent.id);
        let of_principal = known.find(Revocable::Principal, &intent.principal);
        of_intent
            .map(|revoked| (intent.id.clone(), revoked))
            .or_else(|| of_principal.map(|revoked| (intent.principal.clone(), revoked)))
    })
}
