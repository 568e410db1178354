//! JWT-SVIDs of a run, signed with a key of the run.

use crate::expected::Claims;
use anyhow::{Context as _, anyhow, ensure};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use portcullis_host::identity::{NewKey, Verifier};
use portcullis_host::{Principal, Timestamp};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;

/// The audience of the configurations.
const AUDIENCE: &str = "https://gateway.acme.example";

/// Members of `subject.properties` that a token proves.
const PROVED: [&str; 4] = [
    "attestation",
    "credential-id",
    "credential-issued-at",
    "credential-expires-at",
];

/// The issuer of a trust domain, with a key of its own.
pub(crate) struct Issuer {
    key: NewKey,
    now: Timestamp,
}

impl Issuer {
    /// Makes a key. The times of tokens are relative to `now`.
    pub(crate) fn new(now: Timestamp) -> anyhow::Result<Self> {
        let key = NewKey::generate()?;
        Ok(Self { key, now })
    }

    /// The time that the times of tokens are relative to.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Writes the trust bundle to the path that the configurations expect.
    pub(crate) fn write_bundle(&self, folder: &Path) -> anyhow::Result<()> {
        let mut jwk = self.key.to_jwk();
        jwk["use"] = json!("jwt-svid");
        jwk["alg"] = json!("ES256");
        jwk["kid"] = json!("key-1");
        let bundle = json!({ "keys": [jwk] }).to_string();
        Ok(fs::write(folder.join("bundle.json"), bundle)?)
    }

    /// Signs a token with these claims.
    pub(crate) fn signed(&self, claims: &Map<String, Value>) -> anyhow::Result<String> {
        let now = i64::try_from(self.now.as_millis() / 1000)?;
        let mut claims = claims.clone();
        for time in ["iat", "nbf", "exp"] {
            if let Some(from_now) = claims.get(time).and_then(Value::as_i64) {
                claims.insert(time.to_owned(), json!(now + from_now));
            }
        }
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some("key-1".to_owned());
        let pem = self.key.to_pem()?;
        let key = EncodingKey::from_ec_pem(pem.as_bytes())?;
        Ok(jsonwebtoken::encode(&header, &claims, &key)?)
    }

    /// Signs a token for the subject of `request`.
    pub(crate) fn issued(&self, request: &Value, claims: &Claims) -> anyhow::Result<String> {
        let Claims { jti, iat, exp } = claims;
        let claims = json!({
            "sub": request["subject"]["id"], "aud": [AUDIENCE],
            "jti": jti, "iat": iat, "exp": exp,
        });
        self.signed(claims.as_object().context("claims")?)
    }
}

/// Returns the principal that `token` proves.
pub(crate) fn proved(verifier: &Verifier, token: &str) -> anyhow::Result<Principal> {
    let principal = verifier.verify(token);
    principal.map_err(|error| anyhow!("{error}"))
}

/// Returns `request` with the principal that a token proved.
///
/// A request that states a credential itself is refused, because the token alone may state it.
pub(crate) fn with_principal(request: &Value, principal: &Principal) -> anyhow::Result<Value> {
    let mut request = request.clone();
    let subject = request["subject"].as_object_mut().context("a subject")?;
    let properties = subject.entry("properties").or_insert_with(|| json!({}));
    let properties = properties.as_object_mut().context("properties")?;
    let proofs = [
        json!(principal.attestation.as_str()),
        json!(principal.credential_id),
        json!(principal.credential_issued_at),
        json!(principal.credential_expires_at),
    ];
    for (name, proof) in PROVED.into_iter().zip(proofs) {
        ensure!(
            properties.insert(name.to_owned(), proof).is_none(),
            "request.json: `/subject/properties/{name}` comes from the token: remove it"
        );
    }
    subject.insert("id".to_owned(), json!(principal.id));
    Ok(request)
}
