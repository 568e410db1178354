//! Signed heads: checkpoints that a configured signer signs.
//!
//! A head is a checkpoint with a signature (a JWT) over everything before it. If signers are configured, the
//! host uses a list only while its last line is a head that one of them signed.

use super::ListError;
use crate::identity::signing_key::private_key;
use crate::identity::{Keys, KeysError, WatchedKeys};
use crate::watched::Source;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use portcullis_model::limits::RequestLimits;
use portcullis_model::timestamp::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// `typ` of a signed head.
const JWT_TYPE: &str = "revocation-head+jwt";

/// Maximum size of a head: 8 KiB, nested 4 deep.
const LIMITS: RequestLimits = RequestLimits {
    bytes: 8 * 1024,
    depth: 4,
};

/// Signers of list heads, each with public keys. Changed key files are reloaded.
#[derive(Debug, Default)]
pub struct Signers(BTreeMap<String, WatchedKeys>);

impl Signers {
    /// Adds the signer `who` with the public keys in `jwks`.
    ///
    /// # Errors
    ///
    /// [`KeysError`] if there is no usable key.
    pub fn signer(mut self, who: &str, jwks: &Path) -> Result<Self, KeysError> {
        self.0.insert(who.to_owned(), Keys::follow(jwks)?);
        Ok(self)
    }

    /// Number of changes of all signers' keys together.
    pub(super) fn version(&self) -> u64 {
        self.0.values().map(|keys| keys.version()).sum()
    }

    /// Files of all keys, for a watcher.
    pub(super) fn sources(&self) -> impl Iterator<Item = Source> {
        self.0.values().map(|keys| keys.source())
    }

    /// Verifies that a head signs `signed`, and returns its signer.
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
    /// Reads a private key in PEM (PKCS #8).
    ///
    /// `id` is the `kid` of the key in the key set of its signer.
    ///
    /// # Errors
    ///
    /// [`ListError::Key`] if the PEM is not a signing key.
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

/// Content that a head signs.
///
/// Epoch and time of the list, and the digest of every byte before the head.
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
