//! Enforcement points: who may ask, about which integrations, and what they may vouch for.

use crate::client::{self, post, with};
use crate::setting::{EVALUATION, EVALUATIONS, Folder, Running, evaluation, local};
use base64ct::{Base64, Encoding as _};
use http::StatusCode;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use portcullis_host::Timestamp;
use portcullis_host::identity::NewKey;
use portcullis_host::revocation::{self, Revocable, Revoked};
use portcullis_server::settings::Address;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const OTHER_TOKEN: &str = "fedcba9876543210fedcba9876543210";
const WORKLOAD: &str = "spiffe://acme.example/agent";

/// Keys and certificates of a trust domain.
struct Domain {
    key: NewKey,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Domain {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params
            .distinguished_name
            .push(DnType::CommonName, "acme.example");
        let key = KeyPair::generate().unwrap();
        Self {
            key: NewKey::generate().unwrap(),
            authority: CertifiedIssuer::self_signed(params, key).unwrap(),
        }
    }

    /// Writes the bundle, and returns the sections that use it.
    fn configure(&self, folder: &Folder) -> &'static str {
        let mut jwk = self.key.to_jwk();
        jwk["use"] = json!("jwt-svid");
        jwk["alg"] = json!("ES256");
        jwk["kid"] = json!("key-1");
        let x5c = Base64::encode_string(self.authority.der());
        let x509 = json!({ "kty": "EC", "use": "x509-svid", "x5c": [x5c] });
        folder.write("bundle.json", json!({ "keys": [jwk, x509] }).to_string());
        "trust-domains = { \"acme.example\" = \"bundle.json\" }\ncredentials = { audience = \"https://pdp.acme.example\" }\n"
    }

    /// A JWT-SVID.
    fn token(&self, subject: &str, id: &str) -> String {
        let now = Timestamp::now().as_millis() / 1000;
        let claims = json!({
            "sub": subject, "aud": ["https://pdp.acme.example"], "jti": id, "iat": now, "exp": now + 600,
        });
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some("key-1".to_owned());
        let pem = self.key.to_pem().unwrap();
        let key = EncodingKey::from_ec_pem(pem.as_bytes()).unwrap();
        jsonwebtoken::encode(&header, &claims, &key).unwrap()
    }

    /// A certificate with its key, in PEM.
    fn certificate(&self, of: SanType, lifetime: Duration) -> (String, KeyPair) {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![of];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let now = time::OffsetDateTime::now_utc();
        params.not_before = now - Duration::from_secs(60);
        params.not_after = now + lifetime;
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        (certificate.pem(), key)
    }

    /// Writes the certificate of the server.
    fn write_server(&self, folder: &Folder) {
        let loopback = SanType::IpAddress([127, 0, 0, 1].into());
        let (certificate, key) = self.certificate(loopback, Duration::from_secs(1800));
        folder.write("server.pem", certificate);
        folder.write("server.key", key.serialize_pem());
    }

    /// Settings of a client, with the certificate of `id`.
    fn client(&self, id: Option<&str>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        Arc::new(match id {
            None => builder.with_no_client_auth(),
            Some(id) => {
                let id = SanType::URI(id.try_into().unwrap());
                let (pem, key) = self.certificate(id, Duration::from_secs(1800));
                let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
                let chain = vec![der(&pem)];
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        })
    }
}

fn der(pem: &str) -> rustls_pki_types::CertificateDer<'static> {
    use rustls_pki_types::pem::PemObject as _;
    rustls_pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

fn bearer(
    token: &str,
    request: http::Request<http_body_util::Full<bytes::Bytes>>,
) -> http::Request<http_body_util::Full<bytes::Bytes>> {
    with(request, "authorization", &format!("Bearer {token}"))
}

/// A server with the enforcement point `trusted`, and `narrow`, which may vouch for `facts`.
async fn serve(domain: &Domain, facts: &str) -> (Folder, Running) {
    let folder = Folder::with("");
    let trust = domain.configure(&folder);
    folder.write("trusted.token", TOKEN);
    folder.write("narrow.token", format!("{OTHER_TOKEN}\n"));
    folder.configure(&format!(
        r#"{trust}
[serve]
[[serve.pep]]
id = "trusted"
token-file = "trusted.token"
integrations = ["*"]
vouches-for = ["principal", "instance", "posture", "origins"]
[[serve.pep]]
id = "narrow"
token-file = "narrow.token"
integrations = ["records"]
vouches-for = [{facts}]
"#
    ));
    let running = folder.serve().await;
    (folder, running)
}

/// An evaluation about the workload.
fn of_workload() -> Value {
    evaluation(WORKLOAD, "read", "record-1")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_caller_gets_no_decision() {
    let domain = Domain::new();
    let (folder, running) = serve(&domain, "").await;
    let asked = of_workload();
    let unknown = [
        post(EVALUATION, &asked),
        bearer("", post(EVALUATION, &asked)),
        bearer(&TOKEN[..31], post(EVALUATION, &asked)),
        bearer(&format!("{TOKEN}x"), post(EVALUATION, &asked)),
        bearer(&TOKEN.to_uppercase(), post(EVALUATION, &asked)),
        with(post(EVALUATION, &asked), "authorization", TOKEN),
        with(
            post(EVALUATION, &asked),
            "authorization",
            &format!("Basic {TOKEN}"),
        ),
        bearer(OTHER_TOKEN, bearer("x", post(EVALUATIONS, &asked))),
    ];
    let count = unknown.len();
    for request in unknown {
        let answer = running.send(request).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", answer.text());
        assert!(!answer.text().contains(TOKEN));
    }
    assert!(folder.logged("decision").is_empty());
    assert_eq!(folder.logged("refused").len(), count);
    let known = bearer(TOKEN, post(EVALUATION, &asked));
    assert!(running.send(known).await.decision());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_enforcement_points_every_local_caller_is_one() {
    let folder = Folder::with("");
    let running = folder.serve().await;
    let asked = of_workload();
    assert!(running.send(post(EVALUATION, &asked)).await.decision());
    // A client may send a token that is not needed.
    assert!(
        running
            .send(bearer("x", post(EVALUATION, &asked)))
            .await
            .decision()
    );
    assert!(
        running
            .notices
            .iter()
            .any(|it| it.contains("[[serve.pep]]")),
        "{:?}",
        running.notices
    );
    // A web page in a browser of this machine is none.
    let page = with(post(EVALUATION, &asked), "origin", "http://127.0.0.1");
    assert_eq!(running.send(page).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enforcement_point_asks_only_about_its_integrations() {
    let domain = Domain::new();
    let (folder, running) = serve(&domain, "\"principal\"").await;
    let mut elsewhere = of_workload();
    elsewhere["context"] = json!({ "integration": "payroll" });
    let refused = running
        .send(bearer(OTHER_TOKEN, post(EVALUATION, &elsewhere)))
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text().contains("`payroll`"), "{}", refused.text());
    // The other one may ask, and is told that there is none.
    let asked = running
        .send(bearer(TOKEN, post(EVALUATION, &elsewhere)))
        .await;
    assert!(!asked.decision());
    assert_eq!(asked.json()["context"]["cause"], "unknown-integration");
    let own = running
        .send(bearer(OTHER_TOKEN, post(EVALUATION, &of_workload())))
        .await;
    assert!(own.decision());
    let line = &folder.logged("refused")[0];
    assert_eq!(line["integration"], "payroll");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fact_that_an_enforcement_point_may_not_vouch_for_is_refused_with_its_place() {
    let domain = Domain::new();
    let facts = [
        ("principal", "/context/session-path", json!("machine")),
        ("instance", "/subject/properties/instance", json!("pod-1")),
        (
            "instance",
            "/subject/properties/workload-digest",
            json!("sha256:aa"),
        ),
        (
            "posture",
            "/resource/properties/posture",
            json!({ "health": "healthy" }),
        ),
        (
            "origins",
            "/context/argument-origins",
            json!([{ "path": "/x", "origin": "user" }]),
        ),
    ];
    for (fact, pointer, value) in facts {
        let (place, key) = pointer.rsplit_once('/').unwrap();
        let mut asked = of_workload();
        asked["context"] = json!({});
        asked["subject"]["properties"] = json!({});
        asked["resource"]["properties"] = json!({});
        asked["action"]["properties"] = json!({ "x": 1 });
        asked.pointer_mut(place).unwrap()[key] = value;
        let others = ["principal", "instance", "posture", "origins"];
        let others = others.into_iter().filter(|other| *other != fact);
        let others: Vec<_> = others.map(|other| format!("\"{other}\"")).collect();
        let (folder, running) = serve(&domain, &others.join(", ")).await;
        let token = domain.token(WORKLOAD, "jti-1");
        let credential = |request| with(request, "portcullis-credential", &token);
        let narrow = bearer(OTHER_TOKEN, credential(post(EVALUATION, &asked)));
        let refused = running.send(narrow).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{pointer}");
        assert!(
            refused.text().contains(&format!("`{pointer}`")),
            "{}",
            refused.text()
        );
        assert!(
            refused.text().contains(&format!("`{fact}`")),
            "{}",
            refused.text()
        );
        assert!(folder.logged("decision").is_empty());
        // One that may state it gets a decision.
        let trusted = bearer(TOKEN, credential(post(EVALUATION, &asked)));
        assert!(running.send(trusted).await.decision(), "{pointer}");
        // In a batch, the evaluation is a denial, and the others are decided.
        let batch = json!({ "evaluations": [asked, of_workload()] });
        let batch = bearer(OTHER_TOKEN, credential(post(EVALUATIONS, &batch)));
        assert_eq!(running.send(batch).await.decisions(), [false, true]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_principal_comes_from_its_credential_where_the_enforcement_point_may_not_vouch() {
    let domain = Domain::new();
    let (folder, running) = serve(&domain, "").await;
    let own = domain.token(WORKLOAD, "jti-1");
    let narrow = |asked: &Value, token: &str| {
        let request = with(post(EVALUATION, asked), "portcullis-credential", token);
        bearer(OTHER_TOKEN, request)
    };
    for scheme in ["", "Bearer ", "bearer "] {
        let token = format!("{scheme}{own}");
        let answer = running.send(narrow(&of_workload(), &token)).await;
        assert!(answer.decision(), "{}", answer.text());
    }
    let recorded = folder.logged("decision").pop().unwrap();
    let subject = &recorded["request"]["subject"];
    assert_eq!(subject["properties"]["credential-id"], "jti-1");
    assert_eq!(subject["properties"]["attestation"], "jwt-svid");
    assert!(
        !folder.read("decisions.jsonl").contains(&own),
        "the log has the token"
    );
    // Without the credential, its word does not count.
    let refused = running
        .send(bearer(OTHER_TOKEN, post(EVALUATION, &of_workload())))
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    // The statements have to agree with the credential.
    let stated = |properties: Value| {
        let mut asked = of_workload();
        asked["subject"]["properties"] = properties;
        asked
    };
    let agrees = stated(json!({ "credential-id": "jti-1", "attestation": "jwt-svid" }));
    assert!(running.send(narrow(&agrees, &own)).await.decision());
    let mut of_another = of_workload();
    of_another["subject"]["id"] = json!("spiffe://acme.example/lead");
    for disagrees in [
        of_another,
        stated(json!({ "credential-id": "jti-2" })),
        stated(json!({ "attestation": "proof-of-possession" })),
        stated(json!({ "credential-expires-at": "2099-01-01T00:00:00Z" })),
        stated(json!({ "owner": "team@acme.example" })),
        stated(json!({ "environment": "prod" })),
        stated(json!({ "delegated-by": ["spiffe://acme.example/lead"] })),
        stated(json!({ "role": "admin" })),
    ] {
        let answer = running.send(narrow(&disagrees, &own)).await;
        assert_eq!(
            answer.status,
            StatusCode::FORBIDDEN,
            "{disagrees}: {}",
            answer.text()
        );
        assert!(answer.text().contains("`/subject/"), "{}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_credential_of_a_workload_is_a_denial_and_no_failure_of_the_caller() {
    let domain = Domain::new();
    let (folder, running) = serve(&domain, "\"principal\"").await;
    let other = Domain::new();
    let forged = other.token(WORKLOAD, "jti-1");
    let mut tampered = domain.token(WORKLOAD, "jti-1");
    tampered.truncate(tampered.len() - 4);
    for token in [forged.as_str(), tampered.as_str(), "x", ""] {
        for pep in [TOKEN, OTHER_TOKEN] {
            // The trusted one may vouch for the principal; a credential that it passes has to be valid still.
            let request = with(
                post(EVALUATION, &of_workload()),
                "portcullis-credential",
                token,
            );
            let answer = running.send(bearer(pep, request)).await;
            assert!(!answer.decision(), "{token}");
            assert_eq!(answer.json()["context"]["error"]["status"], 401);
            assert!(!answer.text().contains("eyJ"), "{}", answer.text());
        }
    }
    assert!(folder.logged("decision").is_empty());
    assert_eq!(folder.logged("refused").len(), 8);
    let found = with(
        post("/access/v1/search/action", &of_workload()),
        "portcullis-credential",
        &forged,
    );
    let found = running.send(bearer(TOKEN, found)).await.json();
    assert_eq!(found["results"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_statement_about_a_neighbours_credential_changes_nothing_for_the_neighbour() {
    let domain = Domain::new();
    let (folder, running) = serve(&domain, "\"principal\"").await;
    let from = |instance: &str, credential: &str| {
        let mut asked = of_workload();
        asked["subject"]["properties"] = json!({
            "credential-id": credential, "instance": instance, "attestation": "jwt-svid",
            "credential-expires-at": Timestamp::now().plus(Duration::from_secs(600)),
        });
        asked
    };
    let trusted = |asked: Value| running.send(bearer(TOKEN, post(EVALUATION, &asked)));
    assert!(trusted(from("pod-1", "jti-1")).await.decision());
    // The narrow one may not vouch for an instance, so it cannot make the credential look copied.
    for path in [EVALUATION, EVALUATIONS] {
        let request = bearer(OTHER_TOKEN, post(path, &from("pod-2", "jti-1")));
        assert_eq!(running.send(request).await.status, StatusCode::FORBIDDEN);
    }
    assert!(trusted(from("pod-1", "jti-1")).await.decision());
    // The same statement of one that may make it counts: the refusal above is not without effect.
    let copied = trusted(from("pod-2", "jti-1")).await;
    assert!(!copied.decision());
    assert_eq!(copied.json()["context"]["cause"], "credential-cloned");
    assert_eq!(folder.logged("decision").len(), 3);
}

/// A user and a socket.
async fn serve_socket(uid: u32) -> (Folder, Running) {
    let folder = Folder::with("");
    folder.configure(&format!(
        r#"
[serve]
listen = "unix:pdp.sock"
[[serve.pep]]
id = "sidecar"
uid = {uid}
integrations = ["records"]
vouches-for = ["principal"]
"#
    ));
    let running = folder.serve_with(|settings| settings).await;
    (folder, running)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unix_socket_recognises_its_user() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let probe = tempfile::tempdir().unwrap();
    let uid = std::fs::metadata(probe.path()).unwrap().uid();
    let (folder, running) = serve_socket(uid).await;
    let socket = folder.path().join("pdp.sock");
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o660);
    assert_eq!(running.urls[0], format!("unix:{}", socket.display()));
    assert!(
        running
            .send(post(EVALUATION, &of_workload()))
            .await
            .decision()
    );
    let (other, refused) = serve_socket(uid + 1).await;
    let answer = refused.send(post(EVALUATION, &of_workload())).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(
        other.logged("refused")[0]["peer"]
            .as_str()
            .unwrap()
            .contains(&format!("uid {uid}"))
    );
    // The socket is gone with its server, and another server can have it meanwhile.
    assert!(running.stop().await);
    assert!(!socket.exists());
    let again = folder.serve_with(|settings| settings).await;
    let taken = portcullis_server::Options::new(
        portcullis_host::Pdp::builder().build().unwrap(),
        portcullis_server::settings::Settings::default()
            .listen([Address::Unix(socket.clone())])
            .admin(None),
    );
    let error = portcullis_server::Server::bind(taken)
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("another process listens on it"), "{error}");
    assert!(
        again
            .send(post(EVALUATION, &of_workload()))
            .await
            .decision()
    );
    // A socket that was left behind is replaced; another file is not.
    drop(again);
    let left = folder.path().join("left.sock");
    drop(std::os::unix::net::UnixListener::bind(&left).unwrap());
    let at = |file: &std::path::Path| Address::Unix(file.to_owned());
    folder
        .serve_with(|settings| settings.listen([at(&left)]))
        .await;
    let file = folder.write("file", "content");
    let taken = portcullis_server::Options::from_file(&folder.config()).unwrap();
    let taken = taken.settings(|settings| settings.listen([at(&file)]));
    assert!(portcullis_server::Server::bind(taken).await.is_err());
    assert_eq!(folder.read("file"), "content");
}

/// A server with TLS and enforcement points with X.509-SVIDs.
async fn serve_tls(domain: &Domain, sections: &str) -> (Folder, Running) {
    let folder = Folder::with("");
    let trust = domain.configure(&folder);
    domain.write_server(&folder);
    folder.configure(&format!(
        r#"{trust}{sections}
[serve]
[serve.tls]
certificate = "server.pem"
key = "server.key"
[[serve.pep]]
id = "gateway"
spiffe-id = "spiffe://acme.example/gateway"
integrations = ["records"]
vouches-for = ["principal"]
"#
    ));
    let running = folder
        .serve_with(|settings| settings.listen([local()]))
        .await;
    (folder, running)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_identifies_an_enforcement_point() {
    let domain = Domain::new();
    let (_folder, running) = serve_tls(&domain, "").await;
    assert!(
        running.urls[0].starts_with("https://127.0.0.1:"),
        "{:?}",
        running.urls
    );
    let ask = |config| {
        client::send_tls(
            &running.addresses[0],
            config,
            post(EVALUATION, &of_workload()),
        )
    };
    let gateway = domain.client(Some("spiffe://acme.example/gateway"));
    assert!(ask(gateway).await.unwrap().decision());
    // Another domain signs with its own authority, and trusts that of the server.
    let mut forged = (*Domain::new().client(Some("spiffe://acme.example/gateway"))).clone();
    forged
        .dangerous()
        .set_certificate_verifier(Arc::new(AnyServer));
    for stranger in [
        domain.client(None),
        domain.client(Some("spiffe://acme.example/agent")),
        domain.client(Some("spiffe://acme.example/gateway/other")),
        Arc::new(forged),
    ] {
        let answer = ask(stranger).await.unwrap();
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", answer.text());
        assert!(answer.text().contains("mTLS"), "{}", answer.text());
    }
    // The metadata names the scheme that the client used.
    let metadata = client::get("/.well-known/authzen-configuration");
    let metadata = client::send_tls(&running.addresses[0], domain.client(None), metadata).await;
    let base = metadata.unwrap().json();
    assert_eq!(base["policy_decision_point"], "https://127.0.0.1");
}

/// Accepts every server, for a client whose own certificate is at issue.
#[derive(Debug)]
struct AnyServer;

impl tokio_rustls::rustls::client::danger::ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &rustls_pki_types::CertificateDer<'_>,
        _: &[rustls_pki_types::CertificateDer<'_>],
        _: &rustls_pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls_pki_types::UnixTime,
    ) -> Result<tokio_rustls::rustls::client::danger::ServerCertVerified, tokio_rustls::rustls::Error>
    {
        Ok(tokio_rustls::rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls_pki_types::CertificateDer<'_>,
        _: &tokio_rustls::rustls::DigitallySignedStruct,
    ) -> Result<
        tokio_rustls::rustls::client::danger::HandshakeSignatureValid,
        tokio_rustls::rustls::Error,
    > {
        Ok(tokio_rustls::rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls_pki_types::CertificateDer<'_>,
        _: &tokio_rustls::rustls::DigitallySignedStruct,
    ) -> Result<
        tokio_rustls::rustls::client::danger::HandshakeSignatureValid,
        tokio_rustls::rustls::Error,
    > {
        Ok(tokio_rustls::rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<tokio_rustls::rustls::SignatureScheme> {
        aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_enforcement_point_is_unknown() {
    let domain = Domain::new();
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("revocations.jsonl");
    revocation::append(&list, None, Timestamp::now()).unwrap();
    let sections = format!("revocation = {{ path = {list:?}, max-staleness = \"1h\" }}\n");
    let (_folder, running) = serve_tls(&domain, &sections).await;
    let gateway = domain.client(Some("spiffe://acme.example/gateway"));
    let ask = || {
        client::send_tls(
            &running.addresses[0],
            Arc::clone(&gateway),
            post(EVALUATION, &of_workload()),
        )
    };
    assert!(ask().await.unwrap().decision());
    let revoked = Revoked {
        kind: Revocable::Principal,
        id: "spiffe://acme.example/gateway".into(),
        reason: "it was copied".into(),
        by: "alice@acme.example".into(),
    };
    revocation::append(&list, Some(revoked), Timestamp::now()).unwrap();
    crate::setting::until("the revoked gateway is refused", || async {
        ask().await.unwrap().status == StatusCode::UNAUTHORIZED
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_callers_cannot_fill_the_log() {
    let domain = Domain::new();
    let (folder, running) = serve(&domain, "").await;
    let begin = std::time::Instant::now();
    for _ in 0..60 {
        let answer = running.send(post(EVALUATION, &of_workload())).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    let seconds = usize::try_from(begin.elapsed().as_secs()).unwrap() + 1;
    let recorded = folder.logged("refused").len();
    assert!(recorded <= 10 * seconds, "{recorded} in {seconds} s");
    let metrics = running.admin(client::get("/metrics")).await.text();
    let not_recorded = 60 - recorded;
    let line = format!("portcullis_unrecorded_refusals_total {not_recorded}\n");
    assert!(metrics.contains(&line), "{line}{metrics}");
    assert!(metrics.contains("portcullis_refused_requests_total{kind=\"unknown-caller\"} 60\n"));
}
