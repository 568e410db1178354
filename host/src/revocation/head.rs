//! Signed heads: who may say that a list is whole.
//!
//! A head is a checkpoint with a signature (a JWT) of everything before it. Where signers are
//! configured, a list counts only while its last line is a head that one of them signed.

use super::ListError;
use crate::Timestamp;
use crate::identity::{FollowedKeys, Keys, KeysError};
use crate::intent::private_key;
use crate::limits::RequestLimits;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// The `typ` of a signed head.
const JWT_TYPE: &str = "revocation-head+jwt";

/// How large a head may be.
const LIMITS: RequestLimits = RequestLimits {
    bytes: 8 * 1024,
    depth: 4,
};

/// Who may sign the head of a list, each with their public keys. A file that changes is read again.
#[derive(Debug, Default)]
pub struct Signers(BTreeMap<String, FollowedKeys>);

impl Signers {
    /// Lets `who` sign heads, with the public keys in `jwks`.
    ///
    /// # Errors
    ///
    /// [`KeysError`] if there is no usable key.
    pub fn signer(mut self, who: &str, jwks: &Path) -> Result<Self, KeysError> {
        self.0.insert(who.to_owned(), Keys::follow(jwks)?);
        Ok(self)
    }

    /// The number of times that the keys of any of them changed.
    pub(super) fn version(&self) -> u64 {
        self.0.values().map(FollowedKeys::version).sum()
    }

    /// Verifies that a head signs `signed`, and gives who signed it.
    pub(super) fn verify(&self, head: &str, signed: &Position) -> Result<String, String> {
        let mut refused = None;
        for (who, keys) in &self.0 {
            let verified = keys
                .get()
                .map_err(|error| error.to_string())
                .and_then(|keys| {
                    keys.verify(head, JWT_TYPE, &LIMITS)
                        .map_err(|error| error.to_string())
                });
            match verified {
                Ok(claims) if claims == signed.claims() => return Ok(who.clone()),
                Ok(_) => {
                    return Err(format!(
                        "`{who}` signed another list: lines before it were changed, removed or added"
                    ));
                }
                Err(error) => refused = Some(error),
            }
        }
        Err(refused.unwrap_or_else(|| "no signer is configured".to_owned()))
    }
}

/// A private key that signs heads.
pub struct HeadKey {
    algorithm: Algorithm,
    key: EncodingKey,
    id: Option<String>,
}

impl HeadKey {
    /// A private key in PEM (PKCS #8), which the key set of its signer names `id`.
    ///
    /// # Errors
    ///
    /// [`ListError::Key`] if it is no key to sign with.
    pub fn new(pem: &[u8], id: Option<&str>) -> Result<Self, ListError> {
        let (algorithm, key) =
            private_key(pem).map_err(|error| ListError::Key(error.to_string()))?;
        Ok(Self {
            algorithm,
            key,
            id: id.map(str::to_owned),
        })
    }

    pub(super) fn sign(&self, position: &Position) -> Result<String, ListError> {
        let mut header = Header::new(self.algorithm);
        header.typ = Some(JWT_TYPE.to_owned());
        header.kid = self.id.clone();
        jsonwebtoken::encode(&header, &position.claims(), &self.key)
            .map_err(|error| ListError::Key(error.to_string()))
    }
}

impl std::fmt::Debug for HeadKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeadKey").finish_non_exhaustive()
    }
}

/// What a head signs: how far the list went, when, and the digest of every byte before the head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) epoch: u64,
    pub(super) at: Timestamp,
    pub(super) digest: String,
}

impl Position {
    fn claims(&self) -> Value {
        json!({ "epoch": self.epoch, "at": self.at, "sha256": self.digest })
    }
}
