//! Signed intents: a JWT with an intent (RFC 9396), verified with its approver's key.

use super::StoredIntent;
use super::read::LIMITS;
use crate::identity::signing_key::private_key;
use crate::identity::{JwtError, Keys, KeysError, WatchedKeys, is_meant_for, unverified};
use crate::watched::Source;
use jsonwebtoken::Header;
use portcullis_contract::{excerpt, name};
use portcullis_model::json;
use portcullis_model::limits::RequestLimits;
use portcullis_model::spiffe_id::{is_same_id, is_spiffe_id};
use portcullis_model::timestamp::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// `type` of the authorization details that hold an intent (RFC 9396, section 2).
pub const INTENT_TYPE: &str = "portcullis_intent";

/// `typ` of a signed intent.
const JWT_TYPE: &str = "intent+jwt";

/// Maximum size of the claims, which hold the intent and some more.
const CLAIMS: RequestLimits = RequestLimits {
    bytes: LIMITS.bytes + 4 * 1024,
    depth: LIMITS.depth + 2,
};

/// Signers of intents, each with public keys. Changed key files are reloaded.
#[derive(Debug, Default)]
pub struct Signatures {
    approvers: BTreeMap<String, WatchedKeys>,
    delegators: BTreeMap<String, WatchedKeys>,
    audience: Option<String>,
}

/// Role of a signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Approver,
    Delegator,
}

/// Reason why a signature on an intent is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SignatureError {
    #[error("it is signed by `{}`, who is not among the approvers", excerpt(.0))]
    NotAnApprover(String),
    #[error("it is signed by `{}`, who is not among the delegators", excerpt(.0))]
    NotADelegator(String),
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error(transparent)]
    Jwt(#[from] JwtError),
    #[error("`/{claim}` differs from the intent")]
    Differs { claim: &'static str },
    #[error(
        "`{who}` and `{other}` share one key, so a signature does not identify its signer: give each its own key"
    )]
    SharedKey { who: String, other: String },
    #[error("it is meant for another audience than `{0}` (`aud`)")]
    Audience(String),
    #[error("`/authorization_details`: exactly one of type `{INTENT_TYPE}` is needed")]
    Details,
}

/// Reason why an intent cannot be signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The document is not an intent.
    #[error(transparent)]
    Intent(#[from] json::Error),
    /// A time has a fraction of a second, which the JWT claims cannot state.
    #[error("`{0}` is not a whole second, and a JWT cannot state fractions")]
    Fraction(Timestamp),
    /// The key is not a signing key.
    #[error(
        "the key is no private key in PEM to sign with (P-256, P-384, Ed25519 or RSA, PKCS #8): {0}"
    )]
    Key(String),
}

impl Signatures {
    /// Adds the approver `who` with the public keys in `jwks`.
    ///
    /// # Errors
    ///
    /// [`KeysError`] if there is no usable key, if `who` is not a comparable name, or if another approver or
    /// delegator has the same key.
    pub fn approver(mut self, who: &str, jwks: &Path) -> Result<Self, KeysError> {
        let keys = self.keys_of(Role::Approver, who, jwks)?;
        self.approvers.insert(who.to_owned(), keys);
        Ok(self)
    }

    /// Adds the delegator `who`, a SPIFFE ID, with the public keys in `jwks`.
    ///
    /// A delegator may delegate intents that it has. It cannot approve an intent without a parent.
    ///
    /// # Errors
    ///
    /// Those of [`Signatures::approver`].
    pub fn delegator(mut self, who: &str, jwks: &Path) -> Result<Self, KeysError> {
        let keys = self.keys_of(Role::Delegator, who, jwks)?;
        self.delegators.insert(who.to_owned(), keys);
        Ok(self)
    }

    /// Reads the keys of a new signer, which must differ from those of all other signers.
    fn keys_of(&self, role: Role, who: &str, jwks: &Path) -> Result<WatchedKeys, KeysError> {
        let wrong = |message: String| KeysError {
            file: jwks.to_owned(),
            message,
        };
        check_signer(who).map_err(wrong)?;
        let same = self
            .signers()
            .find(|(its, other, _)| *its == role && is_same_id(other, who));
        if let Some((_, other, _)) = same {
            return Err(wrong(format!(
                "`{who}` and `{other}` are two spellings of one name: configure it once"
            )));
        }
        let keys = Keys::follow(jwks)?;
        if let Some(other) = self.shares_key(role, who, &*keys.get()?) {
            return Err(wrong(
                SignatureError::SharedKey {
                    who: who.to_owned(),
                    other,
                }
                .to_string(),
            ));
        }
        Ok(keys)
    }

    /// All signers.
    fn signers(&self) -> impl Iterator<Item = (Role, &str, &WatchedKeys)> {
        let approvers = self.approvers.iter();
        let approvers = approvers.map(|(who, keys)| (Role::Approver, who.as_str(), keys));
        let delegators = self.delegators.iter();
        approvers.chain(delegators.map(|(who, keys)| (Role::Delegator, who.as_str(), keys)))
    }

    /// Returns another signer that has one of `keys`.
    ///
    /// The check uses the current files, because each file is reloaded by itself.
    fn shares_key(&self, role: Role, who: &str, keys: &Keys) -> Option<String> {
        self.signers()
            .filter(|(its, other, _)| *its != role || *other != who)
            // Unreadable keys sign nothing.
            .filter_map(|(_, other, its)| Some((other, its.get().ok()?)))
            .find(|(_, its)| keys.shared_with(its).is_some())
            .map(|(other, _)| other.to_owned())
    }

    /// Accepts only intents that are meant for `audience` (`aud`).
    ///
    /// An intent that was approved for one host is then invalid at another host with the same approvers.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Names of the approvers, sorted.
    pub(super) fn approvers(&self) -> impl Iterator<Item = &str> {
        self.approvers.keys().map(String::as_str)
    }

    /// Number of changes of all keys together.
    pub(super) fn version(&self) -> u64 {
        self.approvers
            .values()
            .chain(self.delegators.values())
            .map(|keys| keys.version())
            .sum()
    }

    /// Files of all keys, for a watcher.
    pub(super) fn sources(&self) -> impl Iterator<Item = Source> {
        self.signers().map(|(_, _, keys)| keys.source())
    }

    /// Verifies a signed intent and returns it.
    pub(super) fn verify(
        &self,
        token: &str,
    ) -> Result<Result<StoredIntent, json::Error>, SignatureError> {
        // The unverified `iss` and `parent` only select the keys to try.
        let said = unverified(token, &CLAIMS)?;
        let issuer = said.get("iss").and_then(Value::as_str);
        let issuer = issuer.unwrap_or_default().to_owned();
        let is_delegated = details(&said).is_some_and(|it| it.get("parent").is_some());
        let (role, keys) = match is_delegated {
            false => (Role::Approver, self.approvers.get(&issuer)),
            true => (Role::Delegator, self.delegators.get(&issuer)),
        };
        let keys = keys.ok_or_else(|| match role {
            Role::Approver => SignatureError::NotAnApprover(issuer.clone()),
            Role::Delegator => SignatureError::NotADelegator(issuer.clone()),
        })?;
        let keys = keys.get()?;
        if let Some(other) = self.shares_key(role, &issuer, &keys) {
            return Err(SignatureError::SharedKey { who: issuer, other });
        }
        let claims = keys.verify(token, JWT_TYPE, &CLAIMS)?;
        if let Some(audience) = &self.audience
            && !is_meant_for(&claims, audience)
        {
            return Err(SignatureError::Audience(audience.clone()));
        }
        let mut intent = details(&claims).cloned().ok_or(SignatureError::Details)?;
        if let Some(members) = intent.as_object_mut() {
            members.remove("type");
        }
        let intent = match StoredIntent::from_value(intent) {
            Ok(intent) => intent,
            Err(error) => return Ok(Err(error)),
        };
        for (claim, value) in registered(&intent) {
            if claims.get(claim) != Some(&value) {
                return Err(SignatureError::Differs { claim });
            }
        }
        Ok(Ok(intent))
    }
}

/// Returns the intent in a signed one as JSON, without verifying it.
///
/// It serves for display, or as the base of another intent.
///
/// # Errors
///
/// The reason why `token` is not a signed intent.
pub fn unverified_intent(token: &str) -> Result<String, String> {
    let claims = unverified(token, &CLAIMS).map_err(|error| error.to_string())?;
    let details = details(&claims).ok_or_else(|| SignatureError::Details.to_string())?;
    let mut intent = details.clone();
    if let Some(members) = intent.as_object_mut() {
        members.remove("type");
    }
    Ok(intent.to_string())
}

/// Signs the intent in `json` with a private key in PEM.
///
/// `key_id` is the `kid` of the key in the approver's key set, and `audience` is the audience of the hosts.
///
/// # Errors
///
/// [`SignError`].
pub fn sign(
    json: &[u8],
    key: &[u8],
    key_id: Option<&str>,
    audience: Option<&str>,
) -> Result<String, SignError> {
    let intent = StoredIntent::from_json(json)?;
    for moment in [intent.approved_at, intent.issued_at, intent.expires_at] {
        if moment.as_millis() % 1000 != 0 {
            return Err(SignError::Fraction(moment));
        }
    }
    let mut details: Value = json::parse(json, &LIMITS)?;
    if let Some(members) = details.as_object_mut() {
        members.insert("type".to_owned(), Value::from(INTENT_TYPE));
    }
    let claims: serde_json::Map<_, _> = registered(&intent)
        .into_iter()
        .map(|(claim, value)| (claim.to_owned(), value))
        .chain([("authorization_details".to_owned(), json!([details]))])
        .chain(audience.map(|audience| ("aud".to_owned(), json!(audience))))
        .collect();
    let unusable = |error: jsonwebtoken::errors::Error| SignError::Key(error.to_string());
    let (algorithm, key) = private_key(key).map_err(unusable)?;
    let mut header = Header::new(algorithm);
    header.typ = Some(JWT_TYPE.to_owned());
    header.kid = key_id.map(str::to_owned);
    jsonwebtoken::encode(&header, &claims, &key).map_err(unusable)
}

/// Refuses a name that no intent can state, or that only resembles a SPIFFE ID.
fn check_signer(who: &str) -> Result<(), String> {
    name::check_identifier(who).map_err(|error| format!("`{}`: {error}", excerpt(who)))?;
    if who.starts_with("spiffe:") && !is_spiffe_id(who) {
        return Err(format!(
            "`{}` is no SPIFFE ID of a workload in its one spelling, such as `spiffe://acme.example/agent/lead`",
            excerpt(who)
        ));
    }
    Ok(())
}

/// Registered claims (RFC 7519) that an intent determines.
fn registered(intent: &StoredIntent) -> [(&'static str, Value); 6] {
    let seconds = |at: Timestamp| Value::from(at.as_millis() / 1000);
    [
        ("iss", Value::from(intent.approved_by.as_str())),
        ("sub", Value::from(intent.principal.as_str())),
        ("jti", Value::from(intent.id.as_str())),
        ("iat", seconds(intent.approved_at)),
        ("nbf", seconds(intent.issued_at)),
        ("exp", seconds(intent.expires_at)),
    ]
}

/// The only authorization details of the claims, if they are an intent.
fn details(claims: &Value) -> Option<&Value> {
    match claims.get("authorization_details")?.as_array()?.as_slice() {
        [only] if only.get("type").and_then(Value::as_str) == Some(INTENT_TYPE) => Some(only),
        _ => None,
    }
}
