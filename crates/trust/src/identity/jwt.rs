//! Signed JSON: verifies the signature of a JWT before its claims are used.

use super::keys::{PublicKey, Purpose, Thumbprint, Unfit, read_set};
use super::signing_key::choose_library;
use crate::watched::{Bytes, Unreadable, Watched};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use jsonwebtoken::{Algorithm, Header, Validation};
use portcullis_contract::{excerpt, message};
use portcullis_model::file_error::unread;
use portcullis_model::json;
use portcullis_model::limits::RequestLimits;
use portcullis_model::secret::well_known_withheld;
use portcullis_model::timestamp;
use portcullis_model::timestamp::Timestamp;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Maximum size of a JWT header: 8 KiB, nested 4 deep.
const HEADER: RequestLimits = RequestLimits {
    bytes: 8 * 1024,
    depth: 4,
};

/// Public keys from a JWKS (RFC 7517).
pub(crate) struct Keys(Vec<Key>);

struct Key {
    id: Option<String>,
    key: PublicKey,
}

/// Reason why a JWT is invalid.
///
/// The message contains no part of the token but the key id and the algorithm of its header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JwtError {
    #[error("it is not a JWT: {0}")]
    Form(String),
    #[error("its `typ` is not `{0}`")]
    Type(&'static str),
    #[error("its key id `{0}` is unknown: publish the key under this id, or sign with a known key")]
    UnknownKey(String),
    #[error(
        "its algorithm `{algorithm:?}` fits no known key{of}: sign it with the algorithm of the key",
        of = key_id.as_ref().map_or_else(String::new, |id| format!(" with the id `{id}`"))
    )]
    Algorithm {
        algorithm: Algorithm,
        key_id: Option<String>,
    },
    #[error(
        "its signature is invalid: {}, so it was changed, or signed with another key",
        match .0 {
            Some(id) => format!("it does not verify with the key `{id}`"),
            None => "it verifies with no known key".to_owned(),
        }
    )]
    Signature(Option<String>),
    #[error("its claims are ambiguous: {0}")]
    Claims(String),
}

/// Public keys from a file, reloaded when the file changes.
pub(crate) type WatchedKeys = Arc<Watched<Keys, KeysError>>;

/// Error for an unusable file of public keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", file.display())]
pub struct KeysError {
    /// Path of the file.
    pub file: PathBuf,
    /// Reason why the file is unusable.
    pub message: String,
}

impl Unreadable for KeysError {
    fn unreadable(file: &Path, message: String) -> Self {
        Self {
            file: file.to_owned(),
            message,
        }
    }
}

impl Keys {
    /// Reads the JWKS in `file`, and reloads it when it changes.
    ///
    /// # Errors
    ///
    /// [`KeysError`] if there is no usable key.
    pub(crate) fn follow(file: &Path) -> Result<WatchedKeys, KeysError> {
        let read = |file: &Path, bytes: Bytes<'_>, _: Option<&Self>| {
            let wrong = |message: String| KeysError::unreadable(file, message);
            let jwks = bytes.map_err(|error| {
                wrong(format!("the public keys cannot be read: {}", unread(error)))
            })?;
            Self::from_jwks(jwks).map_err(wrong)
        };
        Watched::new(file, read).map(Arc::new)
    }

    /// Reads the keys of a JWKS.
    ///
    /// Keys that are not meant for signatures are skipped.
    ///
    /// # Errors
    ///
    /// The reason why the JWKS is unusable. A JWKS without a usable key, or with a refused key
    /// ([`super::keys`]), is unusable too.
    pub(crate) fn from_jwks(jwks: &[u8]) -> Result<Self, String> {
        let set = read_set(jwks)?;
        let found = set.get("keys").and_then(Value::as_array);
        let (mut keys, mut skipped) = (Vec::new(), Vec::new());
        for (index, jwk) in found.into_iter().flatten().enumerate() {
            let id = match jwk.get("kid") {
                None => None,
                Some(Value::String(id)) if !id.is_empty() => Some(id.clone()),
                Some(_) => {
                    return Err(format!(
                        "`/keys/{index}/kid`: a text with at least one character is needed"
                    ));
                }
            };
            match PublicKey::from_jwk(jwk, Purpose::Signatures) {
                Ok(key) => keys.push(Key { id, key }),
                Err(Unfit::NotMeant(why)) => skipped.push(format!("`/keys/{index}`: {why}")),
                Err(Unfit::Refused(why)) => return Err(format!("`/keys/{index}`: {why}")),
            }
        }
        if keys.is_empty() {
            let why = match skipped.is_empty() {
                true => String::new(),
                false => format!(" ({})", skipped.join("; ")),
            };
            return Err(format!("it has no key that verifies signatures{why}"));
        }
        Ok(Self(keys))
    }

    /// Thumbprint of a key that is in both sets, if there is one.
    pub(crate) fn shared_with(&self, other: &Self) -> Option<Thumbprint> {
        let mut thumbprints = self.0.iter().map(|key| key.key.thumbprint());
        thumbprints
            .find(|found| other.0.iter().any(|key| key.key.thumbprint() == *found))
            .copied()
    }

    /// Verifies `token`, whose header has the type `kind`, and returns its claims.
    ///
    /// # Errors
    ///
    /// [`JwtError`]. No claim is read before the signature is verified.
    pub(crate) fn verify(
        &self,
        token: &str,
        kind: &'static str,
        limits: &RequestLimits,
    ) -> Result<Value, JwtError> {
        let (header, _) = header(token, kind)?;
        let is_named = |key: &&Key| header.kid.is_none() || key.id == header.kid;
        let named: Vec<_> = self.0.iter().filter(is_named).collect();
        let key_id = || header.kid.as_deref().map(shown);
        if let (true, Some(id)) = (named.is_empty(), key_id()) {
            return Err(JwtError::UnknownKey(id));
        }
        let fits = |key: &&&Key| key.key.algorithms.contains(&header.alg);
        let mut fitting = named.iter().filter(fits).peekable();
        if fitting.peek().is_none() {
            return Err(JwtError::Algorithm {
                algorithm: header.alg,
                key_id: key_id(),
            });
        }
        if fitting.any(|key| is_signed_by(token, header.alg, &key.key)) {
            claims(token, limits)
        } else {
            Err(JwtError::Signature(key_id()))
        }
    }
}

/// Returns the header of a token of type `kind`, parsed and as JSON.
///
/// The header is not trusted: it only selects the key to try.
pub(super) fn header(token: &str, kind: &'static str) -> Result<(Header, Value), JwtError> {
    // The sender controls the text, so that it is made printable.
    let form = |error: String| JwtError::Form(message(&well_known_withheld(&error)));
    let header = jsonwebtoken::decode_header(token).map_err(|error| form(error.to_string()))?;
    let written = part(token, 0).map_err(form)?;
    let written = json::parse(&written, &HEADER).map_err(|error| form(error.to_string()))?;
    if written.get("crit").is_some() {
        return Err(form(
            "its header has `crit`, which requires unsupported extensions".to_owned(),
        ));
    }
    let typ = header.typ.as_deref().unwrap_or_default();
    let typ = typ.strip_prefix("application/").unwrap_or(typ);
    if typ.eq_ignore_ascii_case(kind) {
        Ok((header, written))
    } else {
        Err(JwtError::Type(kind))
    }
}

/// A text of the token's header, which is not trusted.
pub(super) fn header_member(token: &str, name: &str) -> Option<String> {
    let header = json::parse(&part(token, 0).ok()?, &HEADER).ok()?;
    Some(header.get(name)?.as_str()?.to_owned())
}

/// A text of a token's header for messages: key ids may be hexadecimal digits.
pub(super) fn shown(text: &str) -> String {
    excerpt(&well_known_withheld(text))
}

/// True if `key` signed the token. The claims are not read.
pub(super) fn is_signed_by(token: &str, algorithm: Algorithm, key: &PublicKey) -> bool {
    if !key.algorithms.contains(&algorithm) {
        return false;
    }
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    choose_library();
    jsonwebtoken::decode::<serde::de::IgnoredAny>(token, &key.key, &validation).is_ok()
}

/// Parses the claims of a token whose signature is verified.
pub(super) fn claims(token: &str, limits: &RequestLimits) -> Result<Value, JwtError> {
    let claims = part(token, 1).map_err(JwtError::Claims)?;
    json::parse(&claims, limits).map_err(|error| JwtError::Claims(error.to_string()))
}

/// True if the claims are meant for `audience` (`aud`, RFC 7519, section 4.1.3).
pub(crate) fn is_meant_for(claims: &Value, audience: &str) -> bool {
    match claims.get("aud") {
        Some(Value::Array(list)) => list.iter().any(|one| one == audience),
        Some(one) => one == audience,
        None => false,
    }
}

/// Error for a claim that is present and is not a NumericDate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`/{claim}` is {why} (NumericDate, RFC 7519)")]
pub(crate) struct NotADate {
    claim: String,
    why: &'static str,
}

/// Reads a claim in seconds since the Unix epoch (RFC 7519, NumericDate).
///
/// `None` if the claim is missing. The claim may have a fraction, which is read to the millisecond.
///
/// # Errors
///
/// [`NotADate`] if the claim is present and has another type.
pub(crate) fn numeric_date(claims: &Value, name: &str) -> Result<Option<Timestamp>, NotADate> {
    let read = claims.get(name).map(timestamp::numeric_date).transpose();
    read.map_err(|why| NotADate {
        claim: name.to_owned(),
        why,
    })
}

/// Parses the claims of a token without verifying its signature.
///
/// The claims must not be trusted: they may only select the key to try.
pub(crate) fn unverified(token: &str, limits: &RequestLimits) -> Result<Value, JwtError> {
    claims(token, limits)
        .map_err(|error| JwtError::Form(message(&well_known_withheld(&error.to_string()))))
}

fn part(token: &str, index: usize) -> Result<Vec<u8>, String> {
    let part = token.split('.').nth(index).unwrap_or_default();
    Base64UrlUnpadded::decode_vec(part).map_err(|error| error.to_string())
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|key| &key.id))
            .finish()
    }
}
