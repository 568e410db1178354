//! Enforcement points that a connection identifies: the user of a Unix socket, and a client certificate.

use super::domain::Domain;
use super::of_workload;
use crate::client::{self, post};
use crate::setting::{EVALUATION, Folder, Running, local};
use http::StatusCode;
use portcullis_host::Timestamp;
use portcullis_host::revocation::{self, Revocable, Revoked};
use portcullis_server::settings::Address;
use std::sync::Arc;
use tokio_rustls::rustls::crypto::aws_lc_rs;

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

/// A server with TLS and enforcement points with X.509-SVIDs, and with further sections and keys of `[serve]`.
pub(crate) async fn serve_tls(domain: &Domain, sections: &str, keys: &str) -> (Folder, Running) {
    let folder = Folder::with("");
    let trust = domain.configure(&folder);
    domain.write_server(&folder);
    folder.configure(&format!(
        r#"{trust}{sections}
[serve]
{keys}
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
    let (_folder, running) = serve_tls(&domain, "", "").await;
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
    let (_folder, running) = serve_tls(&domain, &sections, "").await;
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
