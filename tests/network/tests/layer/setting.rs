//! A decision point with a trust domain, a state and a log, and a service behind the layer.

use axum::Router;
use axum::body::Body;
use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use portcullis_host::identity::{Bundles, NewKey, Verifier};
use portcullis_host::log::{DecisionLog, LogOptions};
use portcullis_host::state::{EmbeddedState, State};
use portcullis_host::{Integration, Live, Pdp, Plugin, PluginSource, Timestamp};
use portcullis_http::{Authenticator, Authorized, Mapper, PortcullisLayer};
use portcullis_tests::guests;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    SanType,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use time::OffsetDateTime;
use tower::ServiceExt as _;

pub(crate) const AGENT: &str = "spiffe://acme.example/agent/reconciler";
pub(crate) const OTHER: &str = "spiffe://acme.example/agent/other";
pub(crate) const GATEWAY: &str = "spiffe://acme.example/gateway/edge";
pub(crate) const AUDIENCE: &str = "https://gateway.acme.example";
pub(crate) const ORIGIN: &str = "https://api.acme.example";
pub(crate) const INVOICES: &str = "/v1/customers/acme-eu/invoices";

/// Keys, and the folder of all files.
pub(crate) struct Setting {
    folder: TempDir,
    issuer: NewKey,
    client: NewKey,
    authority: CertifiedIssuer<'static, KeyPair>,
}

/// Response to one request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Bodies of the calls that reached the service, with the decisions by which they did.
pub(crate) type Reached = Arc<Mutex<Vec<(Authorized, Bytes)>>>;

/// The layer around a service that keeps what reaches it.
pub(crate) struct Gateway {
    pub(crate) app: Router,
    pub(crate) reached: Reached,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

impl Gateway {
    pub(crate) fn new(layer: PortcullisLayer) -> Self {
        let reached = Reached::default();
        let seen = Arc::clone(&reached);
        let service = move |authorized: Authorized, body: Bytes| async move {
            seen.lock().unwrap().push((authorized, body));
            "done"
        };
        Self {
            app: Router::new().fallback(service).layer(layer),
            reached,
        }
    }

    pub(crate) async fn answer(&self, request: Request<Body>) -> Answer {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: axum::body::to_bytes(body, 1 << 20).await.unwrap(),
        }
    }

    /// Number of calls that reached the service.
    pub(crate) fn calls(&self) -> usize {
        self.reached.lock().unwrap().len()
    }
}

impl Setting {
    pub(crate) fn new() -> Self {
        let setting = Self {
            folder: TempDir::new().unwrap(),
            issuer: NewKey::generate().unwrap(),
            client: NewKey::generate().unwrap(),
            authority: authority(),
        };
        let mut jwk = setting.issuer.to_jwk();
        jwk["use"] = json!("jwt-svid");
        jwk["alg"] = json!("ES256");
        jwk["kid"] = json!("key-1");
        let root = Base64::encode_string(setting.authority.der());
        let root = json!({ "kty": "EC", "use": "x509-svid", "x5c": [root] });
        let bundle = json!({ "keys": [jwk, root] });
        fs::write(setting.file("bundle.json"), bundle.to_string()).unwrap();
        setting
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// A decision point with one integration.
    pub(crate) fn pdp(&self, integration: Integration) -> Pdp {
        let state = EmbeddedState::in_memory(Duration::from_secs(60));
        let state: Arc<dyn State> = Arc::new(state);
        let bundles = Bundles::from_files([("acme.example", self.file("bundle.json"))]).unwrap();
        let verifier = Verifier::new(bundles, AUDIENCE).state(Arc::clone(&state));
        Pdp::builder()
            .integration(integration)
            .state(state)
            .verifier(verifier)
            .log(DecisionLog::open(LogOptions::new(self.file("decisions.jsonl"))).unwrap())
            .build()
            .unwrap()
    }

    /// A gateway for `billing-api` that accepts bearer tokens.
    pub(crate) fn gateway(&self) -> Gateway {
        self.gateway_with(mapper(), bearer())
    }

    pub(crate) fn gateway_with(&self, mapper: Mapper, authenticator: Authenticator) -> Gateway {
        let live = Live::fixed(self.pdp(billing()));
        Gateway::new(PortcullisLayer::new(live, mapper, authenticator))
    }

    /// A token of `id`.
    pub(crate) fn token(&self, id: &str) -> String {
        self.signed(&claims(id))
    }

    /// A token of `id` that is bound to the client's key.
    pub(crate) fn bound_token(&self, id: &str) -> String {
        let jwk = self.client.to_jwk();
        // RFC 7638: the required members in order.
        let canonical = format!(
            r#"{{"crv":"P-256","kty":"EC","x":{},"y":{}}}"#,
            jwk["x"], jwk["y"]
        );
        let mut claims = claims(id);
        claims["cnf"] = json!({ "jkt": hash(canonical.as_bytes()) });
        self.signed(&claims)
    }

    fn signed(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some("key-1".to_owned());
        jsonwebtoken::encode(&header, claims, &encoding(&self.issuer)).unwrap()
    }

    /// A proof that the client has the key of `token`.
    pub(crate) fn proof(&self, token: &str, method: &str, url: &str, id: &str) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some("dpop+jwt".to_owned());
        header.jwk = Some(serde_json::from_value(self.client.to_jwk()).unwrap());
        let claims = json!({
            "htm": method, "htu": url, "jti": id, "iat": now(), "ath": hash(token.as_bytes()),
        });
        jsonwebtoken::encode(&header, &claims, &encoding(&self.client)).unwrap()
    }

    /// A client certificate of `id`, in DER.
    pub(crate) fn certificate(&self, id: &str) -> Bytes {
        leaf(id, &self.authority)
    }

    /// A GET of the invoices with a token of the agent.
    pub(crate) fn get(&self, target: &str) -> http::request::Builder {
        self.call("GET", target)
    }

    pub(crate) fn call(&self, method: &str, target: &str) -> http::request::Builder {
        let token = self.token(AGENT);
        Request::builder()
            .method(method)
            .uri(target)
            .header("host", "api.acme.example")
            .header("authorization", format!("Bearer {token}"))
    }

    /// Lines of the log about this kind of event.
    pub(crate) fn lines(&self, event: &str) -> Vec<Value> {
        let log = fs::read_to_string(self.file("decisions.jsonl")).unwrap();
        let lines = log
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["event"] == event).collect()
    }
}

pub(crate) fn empty(request: http::request::Builder) -> Request<Body> {
    request.body(Body::empty()).unwrap()
}

/// The integration `billing-api` with the plugin `http-api`.
pub(crate) fn billing() -> Integration {
    let rules = json!({ "rules": [
        {
            "name": "read invoices", "methods": ["GET"], "path": "/v1/customers/{customer}/invoices",
            "parameters": { "customer": ["acme-*"] },
            "query": [{ "path": "/limit", "op": "at-most", "value": 100 }],
        },
        { "name": "close an invoice", "methods": ["POST"], "path": "/v1/invoices/{invoice}/close" },
        { "name": "read documents", "methods": ["GET"], "path": "/v1/documents/{path...}" },
    ] });
    let component = guests::plugin("http-api").unwrap();
    let source = PluginSource::new(component)
        .compile_in_process()
        .settings(rules)
        .limits(guests::patient());
    Integration::new("billing-api").plugin(Plugin::load(&source).unwrap())
}

pub(crate) fn mapper() -> Mapper {
    let builder = Mapper::builder().integration("billing-api");
    builder.numbers(["limit"]).build().unwrap()
}

pub(crate) fn bearer() -> Authenticator {
    Authenticator::builder().bearer().build().unwrap()
}

/// A client certificate of an authority that the trust domain does not have.
pub(crate) fn foreign_certificate(id: &str) -> Bytes {
    leaf(id, &authority())
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
        .distinguished_name
        .push(DnType::CommonName, "workloads");
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn leaf(id: &str, authority: &CertifiedIssuer<'_, KeyPair>) -> Bytes {
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::URI(id.try_into().unwrap())];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.not_before = OffsetDateTime::now_utc() - Duration::from_secs(60);
    params.not_after = OffsetDateTime::now_utc() + Duration::from_secs(600);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    Bytes::copy_from_slice(certificate.der())
}

fn claims(id: &str) -> Value {
    json!({
        "sub": id, "aud": [AUDIENCE], "jti": format!("jti-{id}").replace("spiffe://", ""),
        "iat": now() - 60, "exp": now() + 600,
    })
}

fn encoding(key: &NewKey) -> EncodingKey {
    EncodingKey::from_ec_pem(key.to_pem().unwrap().as_bytes()).unwrap()
}

fn hash(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(&Sha256::digest(bytes))
}

fn now() -> u64 {
    Timestamp::now().as_millis() / 1000
}
