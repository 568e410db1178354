//! Security events (RFC 8417): what an issuer, such as an identity provider, says is over.
//!
//! Of the Continuous Access Evaluation Profile (CAEP 1.0), `session-revoked` and `credential-change`
//! revoke; the others say nothing about what is over.

use super::{Revocable, Revoked};
use crate::identity::{FollowedKeys, JwtError, Keys, KeysError, is_meant_for, seconds};
use crate::limits::RequestLimits;
use crate::registry::is_spiffe_id;
use crate::timestamp::{CLOCK_LEEWAY, Timestamp};
use portcullis_contract::excerpt;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The `typ` of a security event token (RFC 8417, section 2.3).
const JWT_TYPE: &str = "secevent+jwt";

/// What the types of CAEP events begin with.
const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";

/// How large an event may be: 64 KiB, nested 16 deep.
const LIMITS: RequestLimits = RequestLimits {
    bytes: 64 * 1024,
    depth: 16,
};

/// Whose events count, and for whom they have to be meant. A file of keys that changes is read again.
#[derive(Debug)]
pub struct EventIssuers {
    audience: String,
    issuers: BTreeMap<String, FollowedKeys>,
}

/// What an event revokes, once for each event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The issuer and its name for the event (`jti`): an event that comes again is the same.
    pub id: String,
    /// What it revokes, everything that its subject is known by; nothing if it is about something
    /// else.
    pub revoked: Vec<Revoked>,
}

/// Why an event does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// An issuer's keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// Nobody whose events count has issued it.
    #[error(
        "the event is issued by `{0}`, whose events do not count here: configure its keys, if they should"
    )]
    Issuer(String),
    /// It is not a security event, or not signed by its issuer.
    #[error("the security event is not valid: {0}")]
    Invalid(String),
    /// It is meant for somebody else.
    #[error("the event is meant for somebody else than `{0}` (`aud`)")]
    Audience(String),
    /// It says that something is over which nobody could be found by.
    #[error("the event is about {0}, which no request is known by: revoke what is meant by hand")]
    Subject(String),
}

impl EventIssuers {
    /// Nobody's events, for `audience`.
    pub fn new(audience: impl Into<String>) -> Self {
        Self {
            audience: audience.into(),
            issuers: BTreeMap::new(),
        }
    }

    /// Has the events of `issuer` count that are signed with the keys in `jwks`.
    ///
    /// # Errors
    ///
    /// [`EventError::Keys`] if there is no usable key.
    pub fn issuer(mut self, issuer: &str, jwks: &Path) -> Result<Self, EventError> {
        let keys = Keys::follow(jwks)?;
        self.issuers.insert(issuer.to_owned(), keys);
        Ok(self)
    }

    /// Verifies an event as at `now`, and gives what it revokes.
    ///
    /// # Errors
    ///
    /// [`EventError`]. Then nothing is revoked.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Event, EventError> {
        let invalid = |message: &str| EventError::Invalid(message.to_owned());
        // Who says to have issued it: it only decides which keys are tried.
        let said = crate::identity::unverified(token, &LIMITS).map_err(not_an_event)?;
        let issuer = text(&said, "iss").unwrap_or_default();
        let keys = self
            .issuers
            .get(issuer)
            .ok_or_else(|| EventError::Issuer(excerpt(issuer)))?;
        let claims = keys
            .get()?
            .verify(token, JWT_TYPE, &LIMITS)
            .map_err(not_an_event)?;
        if !is_meant_for(&claims, &self.audience) {
            return Err(EventError::Audience(self.audience.clone()));
        }
        let id = text(&claims, "jti").ok_or_else(|| invalid("it has no `jti`"))?;
        let issued_at = seconds(&claims, "iat").ok_or_else(|| invalid("it has no `iat`"))?;
        if issued_at > now.plus(CLOCK_LEEWAY) {
            return Err(invalid("it is issued in the future (`iat`)"));
        }
        let events = claims.get("events").and_then(Value::as_object);
        let mut events = events.into_iter().flatten();
        let (Some((kind, event)), None) = (events.next(), events.next()) else {
            return Err(invalid("`/events`: exactly one event is needed"));
        };
        let subject = claims.get("sub_id").or_else(|| event.get("subject"));
        Ok(Event {
            id: format!("{issuer} {id}"),
            revoked: revoked(kind, event, subject, issuer)?,
        })
    }
}

/// What an event of that kind revokes.
fn revoked(
    kind: &str,
    event: &Value,
    subject: Option<&Value>,
    issuer: &str,
) -> Result<Vec<Revoked>, EventError> {
    let kind = kind.strip_prefix(CAEP).unwrap_or(kind);
    let change = text(event, "change_type");
    let what = match (kind, change) {
        ("session-revoked", _) => find(subject),
        ("credential-change", Some("revoke" | "delete")) => match text(event, "x509_serial") {
            Some(text) => match serial(text) {
                Some(serial) => vec![(Revocable::Credential, serial)],
                None => {
                    return Err(EventError::Subject(format!(
                        "the serial `{}`",
                        excerpt(text)
                    )));
                }
            },
            None => find(subject),
        },
        _ => return Ok(Vec::new()),
    };
    if what.is_empty() {
        let about = subject.map_or("nobody".to_owned(), |subject| {
            format!("`{}`", excerpt(&subject.to_string()))
        });
        return Err(EventError::Subject(about));
    }
    let reason = event.get("reason_admin");
    let reason = reason.and_then(|reason| match reason {
        Value::String(text) => Some(text.as_str()),
        by_language => by_language.as_object()?.values().next()?.as_str(),
    });
    let reason = match reason {
        None => kind.to_owned(),
        Some(why) => format!("{kind}: {}", excerpt(why)),
    };
    let all = what.into_iter().map(|(of_kind, id)| Revoked {
        kind: of_kind,
        id,
        reason: reason.clone(),
        by: issuer.to_owned(),
    });
    Ok(all.collect())
}

/// What a subject identifier (RFC 9493) means here: credentials and principals, all that it names.
fn find(subject: Option<&Value>) -> Vec<(Revocable, String)> {
    let Some(subject) = subject else {
        return Vec::new();
    };
    let credential = |name: &str| {
        let id = text(subject, name)?;
        Some((Revocable::Credential, id.to_owned()))
    };
    let principal = |name: &str| {
        let id = text(subject, name).filter(|id| is_spiffe_id(id))?;
        Some((Revocable::Principal, id.to_owned()))
    };
    let one = match text(subject, "format") {
        Some("jwt_id") => credential("jti"),
        Some("opaque") => credential("id"),
        Some("uri") => principal("uri"),
        Some("iss_sub") => principal("sub"),
        Some("complex") => return find_complex(subject),
        Some("aliases") => {
            let aliases = subject.get("identifiers").and_then(Value::as_array);
            let aliases = aliases.into_iter().flatten();
            return aliases.flat_map(|alias| find(Some(alias))).collect();
        }
        _ => None,
    };
    one.into_iter().collect()
}

/// The session, if that is a credential for sure; or else everything that the subject has.
fn find_complex(subject: &Value) -> Vec<(Revocable, String)> {
    let session = subject.get("session");
    let is_token = session.is_some_and(|session| text(session, "format") == Some("jwt_id"));
    let mut found = find(session);
    if !is_token {
        for part in ["device", "application", "user"] {
            found.extend(find(subject.get(part)));
        }
    }
    found
}

/// A certificate's serial number in the one spelling that credentials are called by: hexadecimal digits
/// in lower case, without leading zeros.
pub(crate) fn serial(text: &str) -> Option<String> {
    let plain = text.to_lowercase().replace([':', ' ', '-'], "");
    let plain = plain.strip_prefix("0x").unwrap_or(&plain);
    let is_hex = !plain.is_empty() && plain.bytes().all(|byte| byte.is_ascii_hexdigit());
    let short = plain.trim_start_matches('0');
    is_hex.then(|| {
        if short.is_empty() {
            "0".to_owned()
        } else {
            short.to_owned()
        }
    })
}

fn text<'a>(of: &'a Value, name: &str) -> Option<&'a str> {
    of.get(name)?.as_str().filter(|text| !text.is_empty())
}

fn not_an_event(error: JwtError) -> EventError {
    EventError::Invalid(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::revocation::{List, append, append_event};
    use base64ct::{Base64UrlUnpadded, Encoding as _};
    use p256::ecdsa::signature::Signer as _;
    use p256::ecdsa::{Signature, SigningKey};
    use serde_json::json;
    use std::path::PathBuf;

    const ISSUER: &str = "https://idp.acme.example";
    const AUDIENCE: &str = "https://gateway.acme.example";
    const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

    struct Issuer {
        key: SigningKey,
        folder: PathBuf,
        events: EventIssuers,
    }

    impl Issuer {
        fn new(name: &str) -> Self {
            let folder =
                std::env::temp_dir().join(format!("portcullis-set-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&folder);
            std::fs::create_dir_all(&folder).unwrap();
            let key = SigningKey::from_slice(&[9; 32]).unwrap();
            let point = key.verifying_key().to_encoded_point(false);
            let jwk = json!({
                "kty": "EC", "crv": "P-256", "kid": "k",
                "x": Base64UrlUnpadded::encode_string(point.x().unwrap()),
                "y": Base64UrlUnpadded::encode_string(point.y().unwrap()),
            });
            let jwks = folder.join("idp.json");
            std::fs::write(&jwks, json!({ "keys": [jwk] }).to_string()).unwrap();
            let events = EventIssuers::new(AUDIENCE).issuer(ISSUER, &jwks).unwrap();
            Self {
                key,
                folder,
                events,
            }
        }

        fn sign(&self, typ: &str, claims: &Value) -> String {
            let encode =
                |value: &Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
            let header = json!({ "alg": "ES256", "kid": "k", "typ": typ });
            let signed = format!("{}.{}", encode(&header), encode(claims));
            let signature: Signature = self.key.sign(signed.as_bytes());
            format!(
                "{signed}.{}",
                Base64UrlUnpadded::encode_string(&signature.to_bytes())
            )
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

    #[test]
    fn an_event_revokes_what_it_is_about() {
        let issuer = Issuer::new("about");
        let agent = "spiffe://acme.example/agent";
        let principal = |id: &str| (Revocable::Principal, id.to_owned());
        let credential = |id: &str| (Revocable::Credential, id.to_owned());
        let uri = json!({ "format": "uri", "uri": agent });
        let jwt_id = json!({ "format": "jwt_id", "iss": ISSUER, "jti": "jti-1" });
        let opaque = json!({ "format": "opaque", "id": "s-1" });
        let iss_sub = json!({ "format": "iss_sub", "iss": ISSUER, "sub": agent });
        let complex =
            |session: &Value| json!({ "format": "complex", "user": uri, "session": session });
        let aliases = json!({ "format": "aliases", "identifiers": [opaque, uri] });
        let revoke = json!({ "change_type": "revoke" });
        let serial = |text: &str| json!({ "change_type": "delete", "x509_serial": text });
        let none = json!({});
        for (kind, subject, event, expected) in [
            ("session-revoked", &uri, &none, vec![principal(agent)]),
            ("session-revoked", &jwt_id, &none, vec![credential("jti-1")]),
            (
                "session-revoked",
                &complex(&jwt_id),
                &none,
                vec![credential("jti-1")],
            ),
            (
                "session-revoked",
                &complex(&opaque),
                &none,
                vec![credential("s-1"), principal(agent)],
            ),
            (
                "session-revoked",
                &aliases,
                &none,
                vec![credential("s-1"), principal(agent)],
            ),
            (
                "credential-change",
                &iss_sub,
                &revoke,
                vec![principal(agent)],
            ),
            (
                "credential-change",
                &uri,
                &serial("00:01:0A"),
                vec![credential("10a")],
            ),
            (
                "credential-change",
                &uri,
                &json!({ "change_type": "create" }),
                vec![],
            ),
            ("session-presented", &uri, &none, vec![]),
        ] {
            let event = issuer
                .verify(&claims(kind, subject.clone(), event.clone()))
                .unwrap();
            let found: Vec<_> = event
                .revoked
                .into_iter()
                .map(|it| (it.kind, it.id))
                .collect();
            assert_eq!(found, expected, "{kind} {subject}");
        }
        let nobodys = claims("credential-change", uri.clone(), serial("twelve"));
        assert!(matches!(
            issuer.verify(&nobodys),
            Err(EventError::Subject(_))
        ));
    }

    #[test]
    fn an_event_that_is_not_signed_or_meant_for_us_revokes_nothing() {
        let issuer = Issuer::new("refused");
        let good = claims(
            "session-revoked",
            json!({ "format": "opaque", "id": "s-1" }),
            json!({}),
        );
        assert!(issuer.verify(&good).is_ok());
        let with = |name: &str, value: Value| {
            let mut claims = good.clone();
            claims[name] = value;
            issuer.verify(&claims).unwrap_err()
        };
        assert!(matches!(
            with("iss", json!("https://mallory.example")),
            EventError::Issuer(_)
        ));
        assert!(matches!(
            with("aud", json!("https://other.example")),
            EventError::Audience(_)
        ));
        assert!(matches!(with("jti", json!("")), EventError::Invalid(_)));
        assert!(matches!(
            with("iat", json!(NOW.as_millis() / 1000 + 3600)),
            EventError::Invalid(_)
        ));
        assert!(matches!(with("events", json!({})), EventError::Invalid(_)));
        let email = json!({ "format": "email", "email": "a@acme.example" });
        assert!(matches!(with("sub_id", email), EventError::Subject(_)));
        let other_type = issuer.sign("JWT", &good);
        assert!(issuer.events.verify(&other_type, NOW).is_err());
        let mut forged = issuer.sign("secevent+jwt", &good);
        forged.truncate(forged.len() - 4);
        assert!(issuer.events.verify(&forged, NOW).is_err());
    }

    #[test]
    fn an_event_that_comes_again_is_the_same() {
        let issuer = Issuer::new("again");
        let list = issuer.folder.join("revocations.jsonl");
        append(&list, None, NOW).unwrap();
        let subject = json!({ "format": "aliases", "identifiers": [
            { "format": "opaque", "id": "s-1" }, { "format": "opaque", "id": "s-2" },
        ] });
        let event = issuer
            .verify(&claims("session-revoked", subject, json!({})))
            .unwrap();
        let epochs = |records: Vec<crate::revocation::Record>| -> Vec<_> {
            records.iter().map(|record| record.epoch).collect()
        };
        assert_eq!(epochs(append_event(&list, &event, NOW).unwrap()), [1, 2]);
        assert!(append_event(&list, &event, NOW).unwrap().is_empty());
        assert_eq!(List::read(&list).unwrap().epoch, 2);
    }
}
