//! Tests of security events from an issuer with one key.

mod again;
mod issuers;
mod meaning;

use super::*;
use crate::identity::NewKey;
use crate::revocation::append_event;
use crate::revocation::list::List;
use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde_json::json;
use std::path::PathBuf;

const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";

const RISC: &str = "https://schemas.openid.net/secevent/risc/event-type/";

const ISSUER: &str = "https://idp.acme.example";

const AUDIENCE: &str = "https://gateway.acme.example";

const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

struct Issuer {
    key: NewKey,
    folder: PathBuf,
    events: EventIssuers,
}

impl Issuer {
    fn new(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("portcullis-set-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let key = NewKey::seeded(9);
        let mut jwk = key.to_jwk();
        jwk["kid"] = json!("k");
        let jwks = folder.join("idp.json");
        std::fs::write(&jwks, json!({ "keys": [jwk] }).to_string()).unwrap();
        let events = EventIssuers::new(AUDIENCE);
        let events = events
            .issuer(ISSUER, &jwks, ["acme.example", "A.example"])
            .unwrap();
        Self {
            key,
            folder,
            events,
        }
    }

    fn sign(&self, typ: &str, claims: &Value) -> String {
        let encode = |value: &Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
        let header = json!({ "alg": "ES256", "kid": "k", "typ": typ });
        let signed = format!("{}.{}", encode(&header), encode(claims));
        let signature = self.key.sign(signed.as_bytes());
        format!("{signed}.{}", Base64UrlUnpadded::encode_string(&signature))
    }

    fn verify(&self, claims: &Value) -> Result<Event, EventError> {
        self.events.verify(&self.sign("secevent+jwt", claims), NOW)
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn claims(kind: &str, subject: Value, event: Value) -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "jti": "set-1", "iat": NOW.as_millis() / 1000,
        "sub_id": subject, "events": { format!("{CAEP}{kind}"): event },
    })
}

/// Ids that an event revokes, or the error.
fn found(issuer: &Issuer, claims: &Value) -> Result<Vec<(Revocable, String)>, EventError> {
    let event = issuer.verify(claims)?;
    Ok(event
        .revoked
        .into_iter()
        .map(|it| (it.kind, it.id))
        .collect())
}

fn of_type(kind: &str, subject: &Value, event: &Value) -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "jti": "set-1", "iat": 1_508_184_845,
        "sub_id": subject, "events": { kind: event },
    })
}
