//! Security events (RFC 8417), from which the host derives revocations.
//!
//! An issuer, such as an identity provider, sends an event. If the kind of the event says that its subject is
//! over, the event revokes the ids that the subject names. If the kind only may say so, or no request can
//! match the subject, the event is an error with instructions for the operator. Such an event is never
//! treated as one that revokes nothing.

use super::event_kind::{Meaning, meaning, short};
use super::ids;
use super::subject::{self, text};
use super::{Event, Revocable, Revoked};
use crate::certificate_id::{certificate_id, issuer_of, serial_readings};
use crate::identity::{JwtError, Keys, KeysError, WatchedKeys, is_meant_for};
use crate::watched::Source;
use portcullis_contract::excerpt;
use portcullis_model::limits::RequestLimits;
use portcullis_model::timestamp::{CLOCK_LEEWAY, Timestamp, numeric_date};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// `typ` of a security event token (RFC 8417, section 2.3).
const JWT_TYPE: &str = "secevent+jwt";

/// Maximum size of an event: 64 KiB, nested 16 deep.
const LIMITS: RequestLimits = RequestLimits {
    bytes: 64 * 1024,
    depth: 16,
};

/// Accepted issuers of events, and the required audience. Changed key files are reloaded.
#[derive(Debug)]
pub struct EventIssuers {
    audience: String,
    issuers: BTreeMap<String, Issuer>,
}

#[derive(Debug)]
struct Issuer {
    keys: WatchedKeys,
    domains: Vec<String>,
}

/// Reason why an event is not applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The keys of an issuer are unusable.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The issuer is not configured.
    #[error(
        "the event is issued by `{0}`, which is not a configured issuer: configure its keys, if its events should count"
    )]
    Issuer(String),
    /// The token is not a security event, or its issuer did not sign it.
    #[error("the security event is not valid: {0}")]
    Invalid(String),
    /// The event is meant for another receiver.
    #[error("the event is meant for another receiver than `{0}` (`aud`)")]
    Audience(String),
    /// The principal's trust domain is not one that the issuer answers for.
    #[error(
        "`{issuer}` does not answer for {id}: add the trust domain to its `domains`, if it should"
    )]
    Domain {
        /// Issuer of the event.
        issuer: String,
        /// Subject of the event.
        id: String,
    },
    /// No request can match the subject to revoke.
    #[error(
        "the event is about {0}, but no request can have that id: revoke the intended id with `portcullis revoke`"
    )]
    Subject(String),
    /// The event does not state that its subject is over.
    #[error(
        "the event `{kind}` revokes nothing by itself: {why}; investigate, and revoke {about} with `portcullis revoke` if it is no longer valid"
    )]
    ByHand {
        /// Kind of the event.
        kind: String,
        /// Reason why an operator must decide.
        why: &'static str,
        /// Subject of the event.
        about: String,
    },
}

impl EventError {
    /// True if the event is valid and an operator must revoke its subject.
    pub fn needs_a_person(&self) -> bool {
        matches!(self, Self::Subject(_) | Self::ByHand { .. })
    }
}

impl EventIssuers {
    /// Files of the issuers' keys, for a watcher.
    pub fn sources(&self) -> Vec<Source> {
        let issuers = self.issuers.values();
        issuers.map(|issuer| issuer.keys.source()).collect()
    }

    /// Creates a set without issuers, for events meant for `audience`.
    pub fn new(audience: impl Into<String>) -> Self {
        Self {
            audience: audience.into(),
            issuers: BTreeMap::new(),
        }
    }

    /// Accepts events of `issuer` that are signed with the keys in `jwks`.
    ///
    /// They apply to principals of the trust domains in `domains` and to their credentials.
    ///
    /// # Errors
    ///
    /// [`EventError::Keys`] if there is no usable key.
    pub fn issuer<D: Into<String>>(
        mut self,
        issuer: &str,
        jwks: &Path,
        domains: impl IntoIterator<Item = D>,
    ) -> Result<Self, EventError> {
        let domains = domains.into_iter().map(Into::into);
        let domains = domains.map(|domain: String| domain.to_ascii_lowercase());
        let issuer_of_events = Issuer {
            keys: Keys::follow(jwks)?,
            domains: domains.collect(),
        };
        self.issuers.insert(issuer.to_owned(), issuer_of_events);
        Ok(self)
    }

    /// Trust domains that an issuer answers for, if the issuer is configured.
    pub fn domains_of(&self, issuer: &str) -> Option<&[String]> {
        self.issuers.get(issuer).map(|it| it.domains.as_slice())
    }

    /// Verifies an event at the time `now`, and returns its revocations.
    ///
    /// # Errors
    ///
    /// [`EventError`]. Then nothing is revoked.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Event, EventError> {
        let invalid = |message: &str| EventError::Invalid(message.to_owned());
        // The unverified issuer only selects the keys to try.
        let said = crate::identity::unverified(token, &LIMITS).map_err(not_an_event)?;
        let issuer = text(&said, "iss").unwrap_or_default();
        let of_issuer = self
            .issuers
            .get(issuer)
            .ok_or_else(|| EventError::Issuer(excerpt(issuer)))?;
        let claims = of_issuer
            .keys
            .get()?
            .verify(token, JWT_TYPE, &LIMITS)
            .map_err(not_an_event)?;
        if !is_meant_for(&claims, &self.audience) {
            return Err(EventError::Audience(self.audience.clone()));
        }
        let id = match claims.get("jti") {
            None => return Err(invalid("it has no `jti`")),
            Some(Value::String(id)) if !id.is_empty() => id,
            Some(_) => return Err(invalid("its `jti` is no text")),
        };
        let issued_at = match claims.get("iat").map(numeric_date) {
            None => return Err(invalid("it has no `iat`")),
            Some(Err(why)) => return Err(EventError::Invalid(format!("its `iat` is {why}"))),
            Some(Ok(issued_at)) => issued_at,
        };
        if issued_at > now.plus(CLOCK_LEEWAY) {
            return Err(invalid("it is issued in the future (`iat`)"));
        }
        let events = claims.get("events").and_then(Value::as_object);
        let events = events.filter(|events| !events.is_empty());
        let events = events.ok_or_else(|| invalid("`/events`: at least one event is needed"))?;
        let mut read = Event {
            id: format!("{issuer} {id}"),
            revoked: Vec::new(),
            domains: of_issuer.domains.clone(),
            left_out: Vec::new(),
        };
        let mut error = None;
        for (kind, event) in events {
            match revoked(kind, event, &claims, issuer) {
                Ok(all) => {
                    for revoked in all {
                        match beyond(&revoked, of_issuer, issuer) {
                            None => read.revoked.push(revoked),
                            Some(beyond) => {
                                read.left_out.push(beyond.to_string());
                                error.get_or_insert(beyond);
                            }
                        }
                    }
                }
                Err(why) => {
                    read.left_out.push(why.to_string());
                    error.get_or_insert(why);
                }
            }
        }
        match error {
            Some(error) if read.revoked.is_empty() => Err(error),
            _ => Ok(read),
        }
    }
}

/// Error if the issuer does not answer for the trust domain of a principal.
///
/// A credential is revoked in the issuer's domains only, whichever principal it belongs to.
fn beyond(revoked: &Revoked, of_issuer: &Issuer, issuer: &str) -> Option<EventError> {
    if revoked.kind != Revocable::Principal {
        return None;
    }
    let domain = ids::trust_domain(&revoked.id);
    let is_theirs = domain
        .as_deref()
        .is_some_and(|domain| of_issuer.domains.iter().any(|one| one == domain));
    (!is_theirs).then(|| EventError::Domain {
        issuer: excerpt(issuer),
        id: format!("`{}`", excerpt(&revoked.id)),
    })
}

/// Returns the revocations of an event of type `kind`.
fn revoked(
    kind: &str,
    event: &Value,
    claims: &Value,
    issuer: &str,
) -> Result<Vec<Revoked>, EventError> {
    // Three places: that of the standard, that of other tokens, and that of drafts.
    let subjects: Vec<&Value> = [
        claims.get("sub_id"),
        event.get("sub_id"),
        event.get("subject"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let sub = text(claims, "sub");
    let found = || {
        let mut found: Vec<_> = subjects
            .iter()
            .flat_map(|subject| subject::find(subject))
            .collect();
        if subjects.is_empty() {
            found.extend(sub.map(subject::find_sub).into_iter().flatten());
        }
        found
    };
    let about = || {
        let ids: Vec<_> = found().iter().map(|(_, id)| excerpt(id)).collect();
        match (ids.is_empty(), subjects.first(), sub) {
            (false, ..) => format!("`{}`", ids.join("`, `")),
            (true, Some(subject), _) => format!("`{}`", excerpt(&subject.to_string())),
            (true, None, Some(sub)) => format!("`{}`", excerpt(sub)),
            (true, None, None) => "no subject".to_owned(),
        }
    };
    match meaning(kind, event) {
        Meaning::Over => {}
        Meaning::NothingOver => return Ok(Vec::new()),
        Meaning::ByHand(why) => {
            return Err(EventError::ByHand {
                kind: excerpt(short(kind)),
                why,
                about: about(),
            });
        }
    }
    let what = match event.get("x509_serial") {
        Some(serial) => certificates(serial, event)?,
        None => found(),
    };
    if what.is_empty() {
        return Err(EventError::Subject(about()));
    }
    let reason = event.get("reason_admin");
    let reason = reason.and_then(|reason| match reason {
        Value::String(text) => Some(text.as_str()),
        by_language => by_language.as_object()?.values().next()?.as_str(),
    });
    let reason = match reason.or_else(|| text(event, "reason")) {
        None => short(kind).to_owned(),
        Some(why) => format!("{}: {}", short(kind), excerpt(why)),
    };
    let all = what.into_iter().map(|(of_kind, id)| Revoked {
        kind: of_kind,
        id,
        reason: reason.clone(),
        by: issuer.to_owned(),
    });
    Ok(all.collect())
}

/// Returns the ids of the certificates that an event names.
///
/// They are every reading of the serial number, with the issuer if the event names it.
fn certificates(serial: &Value, event: &Value) -> Result<Vec<(Revocable, String)>, EventError> {
    let written = match serial {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    };
    let issuer = text(event, "x509_issuer").and_then(issuer_of);
    let all: Vec<_> = serial_readings(&written)
        .iter()
        .filter_map(|serial| certificate_id(issuer.as_deref(), serial))
        .map(|id| (Revocable::Credential, id))
        .collect();
    match all.is_empty() {
        true => Err(EventError::Subject(format!(
            "the serial number `{}`",
            excerpt(&serial.to_string())
        ))),
        false => Ok(all),
    }
}

fn not_an_event(error: JwtError) -> EventError {
    EventError::Invalid(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::NewKey;
    use crate::revocation::{List, append, append_event};
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
            let encode =
                |value: &Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
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
        for (iat, why) in [
            (json!("1790000000"), "no number"),
            (json!(null), "no number"),
            (json!(NOW.as_millis()), "milliseconds"),
            (json!(-1), "before 1970"),
        ] {
            let EventError::Invalid(message) = with("iat", iat) else {
                panic!("it is not valid");
            };
            assert!(
                message.contains("`iat` is") && message.contains(why),
                "{message}"
            );
        }
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
        assert_eq!(List::read(&list, None).unwrap().epoch, 2);
        // Another event of the same name is applied as a conflict.
        let other = |id: &str| {
            let subject = json!({ "format": "opaque", "id": id });
            issuer
                .verify(&claims("session-revoked", subject, json!({})))
                .unwrap()
        };
        assert!(append_event(&list, &other("s-2"), NOW).unwrap().is_empty());
        let records = append_event(&list, &other("s-3"), NOW).unwrap();
        let conflicts: Vec<_> = records.iter().map(|it| (it.epoch, it.conflict)).collect();
        assert_eq!(conflicts, [(3, true)]);
        assert!(append_event(&list, &other("s-3"), NOW).unwrap().is_empty());
        let list = List::read(&list, None).unwrap();
        assert!(list.find(Revocable::Credential, "s-3", None, 3).is_some());
    }

    fn epochs(records: &[crate::revocation::Record]) -> Vec<u64> {
        records.iter().map(|record| record.epoch).collect()
    }

    #[test]
    fn another_certificate_under_a_used_name_is_revoked() {
        let issuer = Issuer::new("same-serial");
        let list = issuer.folder.join("revocations.jsonl");
        let take = |serial: &str, of: &str| {
            let event =
                json!({ "change_type": "revoke", "x509_serial": serial, "x509_issuer": of });
            let claims = claims("credential-change", json!({}), event);
            append_event(&list, &issuer.verify(&claims).unwrap(), NOW).unwrap()
        };
        assert_eq!(epochs(&take("102ab", "CN=One")), [1]);
        assert!(take("01:02:AB", "cn = one").is_empty());
        for (epoch, of) in [(2, "CN=Two"), (3, "CN=Three"), (4, "favourite=x")] {
            let records = take("102ab", of);
            assert_eq!(epochs(&records), [epoch], "{of}");
            assert!(records.iter().all(|record| record.conflict), "{of}");
            assert!(take("102ab", of).is_empty(), "{of}");
        }
    }

    #[test]
    fn an_issuer_that_answers_for_more_domains_revokes_there_too() {
        let issuer = Issuer::new("wider");
        let list = issuer.folder.join("revocations.jsonl");
        let jti = json!({ "format": "opaque", "id": "jti-1" });
        let mut event = issuer
            .verify(&claims("session-revoked", jti, json!({})))
            .unwrap();
        let mut take = |domains: &[&str]| {
            event.domains = domains.iter().map(|it| (*it).to_owned()).collect();
            append_event(&list, &event, NOW).unwrap()
        };
        assert_eq!(epochs(&take(&["acme.example"])), [1]);
        let wider = take(&["acme.example", "b.example"]);
        assert_eq!(epochs(&wider), [2]);
        assert_eq!(wider[0].domains, ["b.example"]);
        assert!(!wider[0].conflict, "it is the same event");
        for known in [
            &["acme.example", "b.example"][..],
            &["b.example"],
            &["b.example", "acme.example"],
        ] {
            assert!(take(known).is_empty(), "{known:?}");
        }
        let read = List::read(&list, None).unwrap();
        let find = |of| read.find(Revocable::Credential, "jti-1", Some(of), 2);
        assert!(find("spiffe://b.example/x").is_some());
        assert!(find("spiffe://acme.example/x").is_some());
        assert!(find("spiffe://c.example/x").is_none());
    }

    #[test]
    fn what_was_lifted_is_not_revoked_again_by_the_same_event() {
        use crate::revocation::{ListError, ListWriter};
        let issuer = Issuer::new("lifted");
        let list = issuer.folder.join("revocations.jsonl");
        let about = |ids: &[&str]| {
            let ids = ids.iter().map(|id| json!({ "format": "opaque", "id": id }));
            let subject = json!({ "format": "aliases", "identifiers": ids.collect::<Vec<_>>() });
            issuer
                .verify(&claims("session-revoked", subject, json!({})))
                .unwrap()
        };
        let event = about(&["s-1", "s-2"]);
        assert_eq!(epochs(&append_event(&list, &event, NOW).unwrap()), [1, 2]);
        assert!(append_event(&list, &event, NOW).unwrap().is_empty());
        let lifted = event.revoked[0].clone();
        let lift = |one| ListWriter::open(&list).unwrap().lift(one, NOW).unwrap();
        assert_eq!(lift(lifted.clone()).epoch, 3);
        let again = append_event(&list, &event, NOW).unwrap_err();
        assert_eq!(
            again,
            ListError::Lifted {
                id: "s-1".to_owned(),
                epoch: 3
            }
        );
        assert!(again.to_string().contains("lifted at epoch 3"), "{again}");
        // A revocation that is not lifted is on the list already; a new one is added.
        assert!(
            append_event(&list, &about(&["s-2"]), NOW)
                .unwrap()
                .is_empty()
        );
        let added = ListWriter::open(&list).unwrap();
        let added = added.event(&about(&["s-1", "s-3"]), NOW).unwrap();
        assert_eq!(epochs(&added.records), [4]);
        assert_eq!(added.lifted, [("s-1".to_owned(), 3)]);
        // After an operator revoked it, it is revoked.
        append(&list, Some(lifted), NOW).unwrap();
        assert!(append_event(&list, &event, NOW).unwrap().is_empty());
    }

    #[test]
    fn an_event_may_state_fractions_of_seconds() {
        let issuer = Issuer::new("fractions");
        let mut event = claims(
            "session-revoked",
            json!({ "format": "opaque", "id": "s-1" }),
            json!({ "event_timestamp": NOW.as_millis() }),
        );
        for iat in [
            json!(1_790_000_000.25),
            json!(1.79e9),
            json!(1_790_000_000.123_456_7),
        ] {
            event["iat"] = iat;
            assert_eq!(issuer.verify(&event).unwrap().revoked.len(), 1, "{event}");
        }
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

    #[test]
    fn every_event_revokes_says_that_nothing_is_over_or_needs_a_person() {
        let issuer = Issuer::new("kinds");
        let agent = "spiffe://acme.example/agent";
        let subject = json!({ "format": "iss_sub", "iss": ISSUER, "sub": agent });
        let oauth = "https://schemas.openid.net/secevent/oauth/event-type/";
        let ssf = "https://schemas.openid.net/secevent/ssf/event-type/";
        let revokes = [
            (RISC, "account-disabled", json!({ "reason": "hijacking" })),
            (RISC, "account-purged", json!({})),
            (
                RISC,
                "credential-compromise",
                json!({ "credential_type": "password" }),
            ),
            (RISC, "sessions-revoked", json!({})),
            (CAEP, "session-revoked", json!({})),
            (
                CAEP,
                "device-compliance-change",
                json!({ "current_status": "not-compliant" }),
            ),
            (CAEP, "device-compliance-change", json!({})),
            (
                CAEP,
                "credential-change",
                json!({ "change_type": "delete", "credential_type": "x509" }),
            ),
            (oauth, "tokens-revoked", json!({})),
        ];
        for (base, kind, event) in revokes {
            assert_eq!(
                found(
                    &issuer,
                    &of_type(&format!("{base}{kind}"), &subject, &event)
                ),
                Ok(vec![(Revocable::Principal, agent.to_owned())]),
                "{kind} {event}"
            );
        }
        let harmless = [
            (
                CAEP,
                "credential-change",
                json!({ "change_type": "create" }),
            ),
            (CAEP, "session-established", json!({})),
            (CAEP, "session-presented", json!({})),
            (
                CAEP,
                "device-compliance-change",
                json!({ "current_status": "compliant" }),
            ),
            (
                CAEP,
                "assurance-level-change",
                json!({ "change_direction": "increase" }),
            ),
            (CAEP, "risk-level-change", json!({ "current_level": "LOW" })),
            (RISC, "account-enabled", json!({})),
            (RISC, "opt-in", json!({})),
            (ssf, "verification", json!({ "state": "x" })),
        ];
        for (base, kind, event) in harmless {
            assert_eq!(
                found(
                    &issuer,
                    &of_type(&format!("{base}{kind}"), &subject, &event)
                ),
                Ok(Vec::new()),
                "{kind} {event}"
            );
        }
        let by_hand = [
            (CAEP, "credential-change", json!({})),
            (
                CAEP,
                "credential-change",
                json!({ "change_type": "update" }),
            ),
            (
                CAEP,
                "credential-change",
                json!({ "change_type": "Revoke" }),
            ),
            (CAEP, "token-claims-change", json!({})),
            (CAEP, "assurance-level-change", json!({})),
            (
                CAEP,
                "risk-level-change",
                json!({ "current_level": "HIGH" }),
            ),
            (CAEP, "session-ended", json!({})),
            (RISC, "account-credential-change-required", json!({})),
            (RISC, "identifier-changed", json!({})),
            (RISC, "identifier-recycled", json!({})),
            (RISC, "recovery-activated", json!({})),
            (RISC, "account-closed", json!({})),
            ("urn:ietf:params:scim:event:prov:", "delete", json!({})),
            ("", "session-revoked", json!({})),
        ];
        for (base, kind, event) in by_hand {
            let error = found(
                &issuer,
                &of_type(&format!("{base}{kind}"), &subject, &event),
            );
            let error = error.unwrap_err();
            assert!(
                matches!(error, EventError::ByHand { .. }) && error.needs_a_person(),
                "{kind} {event}: {error}"
            );
            assert!(error.to_string().contains(agent), "{error}");
        }
    }

    #[test]
    fn a_subject_is_found_wherever_and_however_it_is_written() {
        let issuer = Issuer::new("subjects");
        let agent = "spiffe://acme.example/Agent";
        let principal = || vec![(Revocable::Principal, agent.to_owned())];
        let credential = |id: &str| vec![(Revocable::Credential, id.to_owned())];
        let spelt = "SPIFFE://Acme.example/Agent";
        for (subject, expected) in [
            (json!({ "format": "opaque", "id": agent }), principal()),
            (json!({ "format": "opaque", "id": spelt }), principal()),
            (json!({ "format": "uri", "uri": spelt }), principal()),
            (json!({ "format": "account", "uri": agent }), principal()),
            // RFC 9493, sections 3.2.4 and 3.2.8; Shared Signals Framework 1.0, section 3.5.
            (
                json!({ "format": "aliases", "identifiers": [
                    { "format": "email", "email": "user@example.com" },
                    { "format": "phone_number", "phone_number": "+12065550100" },
                    { "format": "uri", "uri": agent },
                    { "format": "opaque", "id": agent },
                ] }),
                principal(),
            ),
            (
                json!({ "format": "opaque", "id": "dMTlD|1600802906337.16|16008.16" }),
                credential("dMTlD|1600802906337.16|16008.16"),
            ),
            (
                json!({ "format": "jwt_id", "iss": "https://idp.example.com/123456789/", "jti": "B70BA622-9515-4353-A866-823539EECBC8" }),
                credential("B70BA622-9515-4353-A866-823539EECBC8"),
            ),
            (
                json!({
                    "format": "complex",
                    "user": { "format": "iss_sub", "iss": ISSUER, "sub": agent },
                    "tenant": { "format": "opaque", "id": "123456789" },
                }),
                principal(),
            ),
            (
                json!({
                    "format": "complex",
                    "application": { "format": "aliases", "identifiers": [{ "format": "uri", "uri": agent }] },
                }),
                principal(),
            ),
            // The form of the drafts.
            (
                json!({ "subject_type": "iss-sub", "iss": ISSUER, "sub": agent }),
                principal(),
            ),
            (
                json!({ "user": { "format": "iss_sub", "iss": ISSUER, "sub": agent } }),
                principal(),
            ),
        ] {
            let kind = format!("{RISC}account-disabled");
            let event = of_type(&kind, &subject, &json!({}));
            assert_eq!(found(&issuer, &event), Ok(expected.clone()), "{subject}");
            // The place of the drafts.
            let mut event = of_type(&kind, &json!(null), &json!({ "subject": subject }));
            event.as_object_mut().unwrap().remove("sub_id");
            assert_eq!(found(&issuer, &event), Ok(expected), "{subject}");
        }
        let mut by_sub = of_type(&format!("{CAEP}session-revoked"), &json!(null), &json!({}));
        by_sub.as_object_mut().unwrap().remove("sub_id");
        by_sub["sub"] = json!(agent);
        assert_eq!(found(&issuer, &by_sub), Ok(principal()));
        for subject in [
            json!({ "format": "email", "email": "john.doe@example.com" }),
            json!({ "format": "iss_sub", "iss": ISSUER, "sub": "7375626A656374" }),
            json!({ "format": "account", "uri": "acct:example.user@service.example.com" }),
            json!({ "format": "did", "url": "did:example:123456/did/url/path?versionId=1" }),
            json!({ "format": "uri", "uri": "https://user.example.com/" }),
            json!({ "format": "saml_assertion_id", "issuer": "https://idp.example.com/", "assertion_id": "_8e8dc5f6" }),
            json!({ "format": "complex", "tenant": { "format": "opaque", "id": "123456789" } }),
            json!({ "format": "opaque", "id": "urn:spiffe://acme.example/a" }),
            json!({ "format": "opaque", "id": " jti-1" }),
            json!({ "format": "uri", "uri": "spiffe://acme.example" }),
            json!({}),
            json!("spiffe://acme.example/a"),
            json!(null),
        ] {
            let event = of_type(&format!("{RISC}account-purged"), &subject, &json!({}));
            let error = found(&issuer, &event).unwrap_err();
            assert!(
                matches!(error, EventError::Subject(_)),
                "{subject}: {error}"
            );
            assert!(error.needs_a_person());
        }
    }

    #[test]
    fn an_issuer_revokes_what_is_of_its_trust_domains() {
        let issuer = Issuer::new("domains");
        let kind = format!("{CAEP}session-revoked");
        let about = |id: &str| of_type(&kind, &json!({ "format": "uri", "uri": id }), &json!({}));
        assert!(found(&issuer, &about("spiffe://a.example/x")).is_ok());
        for id in [
            "spiffe://b.example/x",
            "spiffe://sub.a.example/x",
            "spiffe://a.example.evil/x",
            "spiffe://xa.example/x",
        ] {
            let refused = found(&issuer, &about(id));
            assert!(matches!(refused, Err(EventError::Domain { .. })), "{id}");
        }
        // Subjects in the issuer's domains are revoked, and the others are reported.
        let both = json!({ "format": "aliases", "identifiers": [
            { "format": "uri", "uri": "spiffe://a.example/x" },
            { "format": "uri", "uri": "spiffe://b.example/x" },
        ] });
        let event = issuer.verify(&of_type(&kind, &both, &json!({}))).unwrap();
        assert_eq!((event.revoked.len(), event.left_out.len()), (1, 1));
        // Credentials are revoked in the issuer's domains only.
        let list = issuer.folder.join("revocations.jsonl");
        let jti = json!({ "format": "jwt_id", "iss": ISSUER, "jti": "jti-1" });
        let event = issuer.verify(&of_type(&kind, &jti, &json!({}))).unwrap();
        append_event(&list, &event, NOW).unwrap();
        let list = List::read(&list, None).unwrap();
        let find = |of| list.find(Revocable::Credential, "jti-1", Some(of), 1);
        assert!(find("spiffe://a.example/x").is_some());
        assert!(find("spiffe://b.example/x").is_none());
    }

    #[test]
    fn a_certificate_is_named_by_any_reading_of_its_serial_number_and_its_issuer() {
        let issuer = Issuer::new("serials");
        let list = issuer.folder.join("revocations.jsonl");
        let revoke = |jti: &str, event: Value| {
            let subject = json!({ "format": "opaque", "id": "ignored" });
            let mut claims = of_type(&format!("{CAEP}credential-change"), &subject, &event);
            claims["jti"] = json!(jti);
            append_event(&list, &issuer.verify(&claims).unwrap(), NOW).unwrap();
        };
        let serial = |serial: Value| json!({ "change_type": "revoke", "x509_serial": serial });
        revoke("1", serial(json!("66219")));
        revoke("2", serial(json!("01:02:AC")));
        revoke("3", serial(json!(66_221)));
        let mut of_issuer = serial(json!("0102AE"));
        of_issuer["x509_issuer"] = json!("CN=Acme CA,O=Acme");
        revoke("4", of_issuer);
        let list = List::read(&list, None).unwrap();
        let of = "spiffe://a.example/x";
        let find = |id: &str| {
            list.find(Revocable::Credential, id, Some(of), u64::MAX)
                .is_some()
        };
        for id in ["102ab", "66219", "102ac", "01:02:AD", "102ae"] {
            assert!(find(id), "{id}");
        }
        assert!(!find("102af"));
        let certificate =
            |issuer: &str| certificate_id(issuer_of(issuer).as_deref(), "102ae").unwrap();
        assert!(find(&certificate("O = Acme, CN = Acme CA")));
        assert!(!find(&certificate("CN=Other CA,O=Acme")));
    }

    #[test]
    fn several_events_in_one_token_are_all_applied() {
        let issuer = Issuer::new("several");
        let mut event = claims(
            "session-revoked",
            json!({ "format": "opaque", "id": "s-1" }),
            json!({}),
        );
        event["events"][format!("{RISC}account-disabled")] =
            json!({ "subject": { "format": "uri", "uri": "spiffe://a.example/x" } });
        event["events"][format!("{CAEP}token-claims-change")] = json!({});
        let event = issuer.verify(&event).unwrap();
        let ids: Vec<_> = event.revoked.iter().map(|it| it.id.as_str()).collect();
        assert!(ids.contains(&"s-1") && ids.contains(&"spiffe://a.example/x"));
        assert_eq!(event.left_out.len(), 1);
    }
}
