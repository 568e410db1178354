//! Security events that are pushed to the server (RFC 8935).

use crate::client::{Answer, post, post_as, with};
use crate::setting::{EVALUATION, Folder, Running, evaluation};
use http::{Request, StatusCode};
use http_body_util::Full;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use portcullis_host::identity::NewKey;
use portcullis_host::{Timestamp, revocation};
use serde_json::{Value, json};

const AGENT: &str = "spiffe://acme.example/agent";
const ISSUER: &str = "https://idp.acme.example";
const REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
const BY_HAND: &str = "https://schemas.openid.net/secevent/caep/event-type/token-claims-change";

struct Issuer {
    key: NewKey,
}

impl Issuer {
    fn new() -> Self {
        Self {
            key: NewKey::generate().unwrap(),
        }
    }

    fn event(&self, jti: &str, kind: &str, subject: &str) -> String {
        self.signed(&json!({
            "iss": ISSUER, "aud": "https://pdp.acme.example", "jti": jti,
            "iat": Timestamp::now().as_millis() / 1000,
            "sub_id": { "format": "uri", "uri": subject },
            "events": { kind: {} },
        }))
    }

    fn signed(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some("secevent+jwt".to_owned());
        header.kid = Some("key-1".to_owned());
        let pem = self.key.to_pem().unwrap();
        let key = EncodingKey::from_ec_pem(pem.as_bytes()).unwrap();
        jsonwebtoken::encode(&header, claims, &key).unwrap()
    }
}

/// A server that accepts events of the issuer, with further keys of `[serve]`.
async fn serve(issuer: &Issuer, keys: &str) -> (Folder, Running) {
    let folder = Folder::with("");
    let mut jwk = issuer.key.to_jwk();
    jwk["use"] = json!("sig");
    jwk["alg"] = json!("ES256");
    jwk["kid"] = json!("key-1");
    folder.write("idp.json", json!({ "keys": [jwk] }).to_string());
    let list = folder.path().join("revocations.jsonl");
    revocation::append(&list, None, Timestamp::now()).unwrap();
    folder.configure(&format!(
        r#"
[serve]
{keys}
[revocation]
path = "revocations.jsonl"
max-staleness = "1h"
[revocation.events]
audience = "https://pdp.acme.example"
issuers = {{ "{ISSUER}" = {{ key = "idp.json", domains = ["acme.example"] }} }}
"#
    ));
    let running = folder.serve().await;
    (folder, running)
}

fn push(token: impl Into<bytes::Bytes>) -> Request<Full<bytes::Bytes>> {
    post_as("/events", "application/secevent+jwt", token)
}

fn is_refused(answer: &Answer, status: StatusCode, code: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    let json = answer.json();
    assert_eq!(json["err"], code, "{json}");
    assert!(!json["description"].as_str().unwrap().is_empty());
}

async fn is_permitted(running: &Running) -> bool {
    let asked = evaluation(AGENT, "read", "record-1");
    running.send(post(EVALUATION, &asked)).await.decision()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_revokes_before_it_is_acknowledged_and_once() {
    let issuer = Issuer::new();
    let (folder, running) = serve(&issuer, "").await;
    assert!(is_permitted(&running).await);
    let event = issuer.event("event-1", REVOKED, AGENT);
    for _ in 0..2 {
        let answer = running.send(push(event.clone())).await;
        assert_eq!(
            (answer.status, answer.text()),
            (StatusCode::ACCEPTED, String::new())
        );
        assert!(!is_permitted(&running).await);
    }
    // A checkpoint, and the line of the event.
    assert_eq!(folder.read("revocations.jsonl").lines().count(), 2);
    // A neighbour of the principal is not revoked.
    let other = evaluation("alice", "read", "record-1");
    assert!(running.send(post(EVALUATION, &other)).await.decision());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_not_valid_is_refused_and_revokes_nothing() {
    let issuer = Issuer::new();
    let (_folder, running) = serve(&issuer, "").await;
    let valid = issuer.event("event-1", REVOKED, AGENT);
    let forged = Issuer::new().event("event-1", REVOKED, AGENT);
    let bad = StatusCode::BAD_REQUEST;
    let claims = |iss: &str, aud: &str| {
        json!({
            "iss": iss, "aud": aud, "jti": "event-2", "iat": Timestamp::now().as_millis() / 1000,
            "sub_id": { "format": "uri", "uri": AGENT }, "events": { REVOKED: {} },
        })
    };
    let of_another = issuer.signed(&claims("https://other.example", "https://pdp.acme.example"));
    let for_another = issuer.signed(&claims(ISSUER, "https://other.example"));
    let elsewhere = issuer.event("event-3", REVOKED, "spiffe://other.example/agent");
    for (request, code) in [
        (push(forged), "invalid_request"),
        (push("x"), "invalid_request"),
        (push(""), "invalid_request"),
        (push(vec![0xff, 0xfe]), "invalid_request"),
        (push("x".repeat(100_000)), "invalid_request"),
        (
            post_as("/events", "application/jwt", valid.clone()),
            "invalid_request",
        ),
        (push(of_another), "invalid_issuer"),
        (push(for_another), "invalid_audience"),
        (push(elsewhere), "access_denied"),
    ] {
        is_refused(&running.send(request).await, bad, code);
    }
    assert!(is_permitted(&running).await);
    assert_eq!(running.send(push(valid)).await.status, StatusCode::ACCEPTED);
    assert!(!is_permitted(&running).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_needs_a_person_is_accepted_and_recorded() {
    let issuer = Issuer::new();
    let (folder, running) = serve(&issuer, "").await;
    let event = issuer.event("event-1", BY_HAND, AGENT);
    assert_eq!(running.send(push(event)).await.status, StatusCode::ACCEPTED);
    assert!(is_permitted(&running).await);
    let said = running.said().join("\n");
    assert!(said.contains("portcullis revoke"), "{said}");
    let line = &folder.logged("refused")[0];
    assert!(
        line["detail"]
            .as_str()
            .unwrap()
            .contains("token-claims-change"),
        "{line}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transmitter_with_a_token_presents_it() {
    let issuer = Issuer::new();
    let token = "0123456789abcdef0123456789abcdef";
    let folder = Folder::with("");
    let secret = folder.write("events.token", token);
    let key = format!("events-token-file = {secret:?}");
    let (_folder, running) = serve(&issuer, &key).await;
    let event = || push(issuer.event("event-1", REVOKED, AGENT));
    let code = "authentication_failed";
    is_refused(&running.send(event()).await, StatusCode::UNAUTHORIZED, code);
    let wrong = with(event(), "authorization", "Bearer x");
    is_refused(&running.send(wrong).await, StatusCode::UNAUTHORIZED, code);
    assert!(is_permitted(&running).await);
    let right = with(event(), "authorization", &format!("Bearer {token}"));
    assert_eq!(running.send(right).await.status, StatusCode::ACCEPTED);
    assert!(!is_permitted(&running).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_issuers_accepts_no_event() {
    let folder = Folder::with("");
    let running = folder.serve().await;
    let event = push(Issuer::new().event("event-1", REVOKED, AGENT));
    is_refused(
        &running.send(event).await,
        StatusCode::NOT_FOUND,
        "invalid_request",
    );
}
