//! Chains of delegated intents: reading them, and adding parents first.

use super::Store;
use super::error::IntentError;
use crate::intent::StoredIntent;
use crate::intent::signed::SignatureError;
use std::sync::Arc;

/// Maximum number of intents in a chain, including the approved one.
pub(crate) const MAX_DEPTH: usize = 8;

/// An intent with the intents that it was delegated from: root first, itself last.
///
/// INVARIANT (chain): each is within the one before it, whose digest it names.
pub type Chain = Arc<[Arc<StoredIntent>]>;

impl Store {
    /// Reads an intent and returns it with its chain.
    ///
    /// It continues `carried` if that is given, and otherwise the chain of its parent among the `known`.
    pub(super) fn delegated(
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

    pub(super) fn read(&self, document: &[u8]) -> Result<StoredIntent, IntentError> {
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
}

/// Calls `add` for each document, for parents before their children.
///
/// Returns the refused ones by name.
pub(super) fn parents_first<N>(
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
