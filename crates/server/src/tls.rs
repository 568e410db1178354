//! TLS of the listeners, and of the clients of other servers.

use portcullis_host::unread;
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::{
    CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig,
    SignatureScheme,
};

/// Certificate chain and private key of a listener, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsFiles {
    /// The certificate, followed by those of intermediate authorities.
    pub certificate: PathBuf,
    /// The private key (PKCS #8, PKCS #1 or SEC 1).
    pub key: PathBuf,
}

impl TlsFiles {
    /// Names the files.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            certificate: certificate.into(),
            key: key.into(),
        }
    }

    /// Both files.
    pub(crate) fn paths(&self) -> [&Path; 2] {
        [&self.certificate, &self.key]
    }
}

/// The text of an error of reading PEM, with the remedy.
fn text_of(error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) => unread(error),
        error => format!("{error}: write them in PEM"),
    }
}

/// Reads the certificate and its key, and checks that they belong together.
///
/// # Errors
///
/// The reason why they are unusable, with the file and the remedy.
pub(crate) fn certified_key(files: &TlsFiles) -> Result<CertifiedKey, String> {
    let name = files.certificate.display();
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| {
            format!(
                "{name}: the certificate cannot be read: {}",
                text_of(&error)
            )
        })?;
    if chain.is_empty() {
        return Err(format!(
            "{name}: there is no certificate in it: write it in PEM, followed by those of intermediate authorities"
        ));
    }
    let name = files.key.display();
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| {
        match &error {
            pem::Error::Io(error) => format!("{name}: the key cannot be read: {}", unread(error)),
            _ => format!("{name}: there is no usable private key in it: {error}; write it in PEM, without a password"),
        }
    })?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(|error| {
        format!(
            "{} and {name} cannot be used together: {error}",
            files.certificate.display()
        )
    })
}

/// Configuration of the listeners, for HTTP/2 and HTTP/1.1.
///
/// # Errors
///
/// As [`certified_key`].
pub(crate) fn server_config(files: &TlsFiles) -> Result<Arc<ServerConfig>, String> {
    let key = certified_key(files)?;
    let provider = Arc::new(provider());
    let verifier = Arc::new(ProvesItsKey(Arc::clone(&provider)));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Certificates of the authorities in the PEM file `authorities`; without one, those of the system.
///
/// # Errors
///
/// The reason why there are none, with the file and the remedy.
pub(crate) fn roots(authorities: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let Some(file) = authorities else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return match roots.is_empty() {
            true => Err(
                "the system has no certificates of authorities: install them, or name a PEM file with `authorities`"
                    .to_owned(),
            ),
            false => Ok(roots),
        };
    };
    let unusable = |error: String| format!("{}: {error}", file.display());
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| {
            unusable(format!(
                "the certificates cannot be read: {}",
                text_of(&error)
            ))
        })?;
    for certificate in certificates {
        roots
            .add(certificate)
            .map_err(|error| unusable(error.to_string()))?;
    }
    match roots.is_empty() {
        true => Err(unusable(
            "there is no certificate in it: write them in PEM".to_owned(),
        )),
        false => Ok(roots),
    }
}

/// Configuration of a client that trusts `roots`.
///
/// # Errors
///
/// The reason of the library.
pub(crate) fn client_config(roots: RootCertStore) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// aws-lc, the one library for cryptography.
pub(crate) fn provider() -> CryptoProvider {
    aws_lc_rs::default_provider()
}

/// Accepts any certificate whose key the client proves to have, or none.
///
/// The handshake verifies the signature of the client. Each request then verifies the chain with
/// [`Verifier::verify_x509`](portcullis_host::identity::Verifier::verify_x509), the one place that knows the rules of X.509-SVIDs, and only a known
/// identity is an enforcement point. A certificate that is not accepted there counts as none.
#[derive(Debug)]
struct ProvesItsKey(Arc<CryptoProvider>);

impl ClientCertVerifier for ProvesItsKey {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
