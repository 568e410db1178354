//! Signed intents: a JWT that holds one (RFC 9396), verified against the key of who approved it.

use super::StoredIntent;
use super::read::LIMITS;
use crate::followed::Followed;
use crate::identity::{FollowedKeys, JwtError, Keys, KeysError, is_meant_for, unverified};
use crate::limits::RequestLimits;
use crate::registry::{is_same, is_spiffe_id};
use crate::request::RequestError;
use crate::timestamp::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use portcullis_contract::{excerpt, name};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// The `type` of the authorization details that hold an intent (RFC 9396, section 2).
pub const INTENT_TYPE: &str = "portcullis_intent";

/// The `typ` of a signed intent.
const JWT_TYPE: &str = "intent+jwt";

/// The claims of a signed intent have some more than the intent.
const CLAIMS: RequestLimits = RequestLimits {
    bytes: LIMITS.bytes + 4 * 1024,
    depth: LIMITS.depth + 2,
};

/// Who may sign intents, each with their public keys. A file that changes is read again.
#[derive(Debug, Default)]
pub struct Signatures {
    approvers: BTreeMap<String, FollowedKeys>,
    delegators: BTreeMap<String, FollowedKeys>,
    audience: Option<String>,
}

/// What somebody signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Approver,
    Delegator,
}

/// Why a signature on an intent proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SignatureError {
    #[error("it is signed by `{0}`, who is not among the approvers")]
    NotAnApprover(String),
    #[error("it is signed by `{0}`, who is not among the delegators")]
    NotADelegator(String),
    #[error("{0}")]
    Keys(#[from] KeysError),
    #[error("{0}")]
    Jwt(#[from] JwtError),
    #[error("`/{claim}` is not what the intent says")]
    Differs { claim: &'static str },
    #[error(
        "`{who}` and `{other}` sign with one key, so that a signature does not say which of them it is of: give each a key of its own"
    )]
    SharedKey { who: String, other: String },
    #[error("it is meant for somebody else than `{0}` (`aud`)")]
    Audience(String),
    #[error("`/authorization_details`: exactly one of type `{INTENT_TYPE}` is needed")]
    Details,
}

/// Why an intent cannot be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// It is no intent.
    #[error("{0}")]
    Intent(#[from] RequestError),
    /// A moment is not a whole second, which is all that a JWT can say.
    #[error("`{0}` is not a whole second, which is all that a JWT can say")]
    Fraction(Timestamp),
    /// The key is not one to sign with.
    #[error(
        "the key is no private key in PEM to sign with (P-256, P-384, Ed25519 or RSA, PKCS #8): {0}"
    )]
    Key(String),
}

impl Signatures {
    /// Lets `who` approve intents, with the public keys in `jwks`.
    ///
    /// # Errors
    ///
    /// [`KeysError`] if there is no usable key, if `who` is no name to compare by, or if another
    /// approver or delegator has the key, too.
    pub fn approver(mut self, who: &str, jwks: &Path) -> Result<Self, KeysError> {
        let keys = self.keys_of(Role::Approver, who, jwks)?;
        self.approvers.insert(who.to_owned(), keys);
        Ok(self)
    }

    /// Lets `who`, by SPIFFE ID, delegate intents that it has, with the public keys in `jwks`. It
    /// can approve none that hangs on nothing.
    ///
    /// # Errors
    ///
    /// As for [`Signatures::approver`].
    pub fn delegator(mut self, who: &str, jwks: &Path) -> Result<Self, KeysError> {
        let keys = self.keys_of(Role::Delegator, who, jwks)?;
        self.delegators.insert(who.to_owned(), keys);
        Ok(self)
    }

    /// Reads the keys of one more signer, who is told apart from every other by them.
    fn keys_of(&self, role: Role, who: &str, jwks: &Path) -> Result<FollowedKeys, KeysError> {
        let wrong = |message: String| KeysError {
            file: jwks.to_owned(),
            message,
        };
        check_signer(who).map_err(wrong)?;
        let same = self
            .signers()
            .find(|(its, other, _)| *its == role && is_same(other, who));
        if let Some((_, other, _)) = same {
            return Err(wrong(format!(
                "`{who}` and `{other}` are one name in two spellings: configure it once"
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

    /// Everybody who signs.
    fn signers(&self) -> impl Iterator<Item = (Role, &str, &FollowedKeys)> {
        let approvers = self.approvers.iter();
        let approvers = approvers.map(|(who, keys)| (Role::Approver, who.as_str(), keys));
        let delegators = self.delegators.iter();
        approvers.chain(delegators.map(|(who, keys)| (Role::Delegator, who.as_str(), keys)))
    }

    /// Who else signs with one of `keys`, as the files are now: they are followed one by one.
    fn shares_key(&self, role: Role, who: &str, keys: &Keys) -> Option<String> {
        self.signers()
            .filter(|(its, other, _)| *its != role || *other != who)
            // Keys that cannot be read sign nothing.
            .filter_map(|(_, other, its)| Some((other, its.get().ok()?)))
            .find(|(_, its)| keys.shared_with(its).is_some())
            .map(|(other, _)| other.to_owned())
    }

    /// Has only those count that are meant for `audience` (`aud`), so that what was approved for one
    /// host does not count at another that the same approvers sign for.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Who may approve intents, sorted.
    pub(super) fn approvers(&self) -> impl Iterator<Item = &str> {
        self.approvers.keys().map(String::as_str)
    }

    /// How often any of the keys changed.
    pub(super) fn version(&self) -> u64 {
        self.approvers
            .values()
            .chain(self.delegators.values())
            .map(Followed::version)
            .sum()
    }

    /// Verifies a signed intent, and gives it.
    pub(super) fn verify(
        &self,
        token: &str,
    ) -> Result<Result<StoredIntent, RequestError>, SignatureError> {
        // Who says to have signed it: it only decides which keys are tried.
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

/// The JSON of the intent that a signed one holds, without verifying anything: for somebody to read, or
/// to make another one of.
///
/// # Errors
///
/// What keeps it from being a signed intent.
pub fn unverified_intent(token: &str) -> Result<String, String> {
    let claims = unverified(token, &CLAIMS).map_err(|error| error.to_string())?;
    let details = details(&claims).ok_or_else(|| SignatureError::Details.to_string())?;
    let mut intent = details.clone();
    if let Some(members) = intent.as_object_mut() {
        members.remove("type");
    }
    Ok(intent.to_string())
}

/// Signs the intent in `json` with a private key in PEM, which the key set of its approver names
/// `key_id`, for the hosts that are called `audience`.
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
    let mut details: Value = crate::json::parse(json, &LIMITS)?;
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

/// The private key in a PEM, with the algorithm that it signs with.
pub(crate) fn private_key(
    pem: &[u8],
) -> Result<(Algorithm, EncodingKey), jsonwebtoken::errors::Error> {
    if let Ok(key) = EncodingKey::from_ed_pem(pem) {
        return Ok((Algorithm::EdDSA, key));
    }
    if let Ok(key) = EncodingKey::from_rsa_pem(pem) {
        return Ok((Algorithm::PS256, key));
    }
    let key = EncodingKey::from_ec_pem(pem)?;
    // Which curve it is on, only signing with it tells.
    let fits = |algorithm| jsonwebtoken::encode(&Header::new(algorithm), &json!({}), &key).is_ok();
    let algorithm = if fits(Algorithm::ES256) {
        Algorithm::ES256
    } else {
        Algorithm::ES384
    };
    Ok((algorithm, key))
}

/// Refuses a name that no intent could state, or that only looks like the SPIFFE ID of somebody else.
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

/// What the registered claims say of an intent (RFC 7519).
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
