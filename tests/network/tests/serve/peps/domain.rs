//! A trust domain of the tests: its keys, tokens and certificates.

use crate::setting::Folder;
use base64ct::{Base64, Encoding as _};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use portcullis_host::Timestamp;
use portcullis_host::identity::NewKey;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Keys and certificates of a trust domain.
pub(crate) struct Domain {
    key: NewKey,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Domain {
    pub(crate) fn new() -> Self {
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
    pub(crate) fn configure(&self, folder: &Folder) -> &'static str {
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
    pub(crate) fn token(&self, subject: &str, id: &str) -> String {
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
    pub(crate) fn certificate(&self, of: SanType, lifetime: Duration) -> (String, KeyPair) {
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
    pub(crate) fn write_server(&self, folder: &Folder) {
        let loopback = SanType::IpAddress([127, 0, 0, 1].into());
        let (certificate, key) = self.certificate(loopback, Duration::from_secs(1800));
        folder.write("server.pem", certificate);
        folder.write("server.key", key.serialize_pem());
    }

    /// Settings of a client, with the certificate of `id`.
    pub(crate) fn client(&self, id: Option<&str>) -> Arc<ClientConfig> {
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
