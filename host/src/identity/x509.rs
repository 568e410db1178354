//! X.509-SVIDs (SPIFFE X509-SVID): from a certificate chain to a principal.

use super::bundles::Bundles;
use super::verifier::SvidError;
use crate::registry::is_spiffe_id;
use crate::request::Principal;
use crate::revocation::serial;
use crate::timestamp::Timestamp;
use portcullis_contract::Attestation;
use rustls_pki_types::{CertificateDer, UnixTime};
use spiffe::SpiffeId;
use std::time::Duration;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The most certificates of a chain.
const MAX_CHAIN: usize = 8;

/// Verifies a chain in DER, leaf first, as at `now`, and gives the principal that it proves.
pub(super) fn verify(
    bundles: &Bundles,
    chain: &[impl AsRef<[u8]>],
    max_lifetime: Duration,
    now: Timestamp,
) -> Result<Principal, SvidError> {
    let certificate = |message: String| SvidError::Certificate(message);
    if chain.len() > MAX_CHAIN {
        return Err(certificate(format!(
            "the chain has {} certificates, and {MAX_CHAIN} are the most",
            chain.len()
        )));
    }
    let ders: Vec<_> = chain
        .iter()
        .map(|der| CertificateDer::from(der.as_ref()))
        .collect();
    let Some((leaf, intermediates)) = ders.split_first() else {
        return Err(certificate("the chain is empty".to_owned()));
    };
    let (rest, parsed) =
        X509Certificate::from_der(leaf).map_err(|error| certificate(error.to_string()))?;
    if !rest.is_empty() {
        return Err(certificate("something follows the leaf".to_owned()));
    }
    let id = spiffe_id(&parsed)?;
    let bundle = bundles
        .of(id.trust_domain())
        .map_err(|error| certificate(error.to_string()))?
        .ok_or_else(|| {
            certificate(format!(
                "there is no bundle of the trust domain `{}`",
                id.trust_domain()
            ))
        })?;
    let end = EndEntityCert::try_from(leaf).map_err(|error| certificate(error.to_string()))?;
    end.verify_for_usage(
        ALL_VERIFICATION_ALGS,
        &bundle.roots,
        intermediates,
        UnixTime::since_unix_epoch(Duration::from_millis(now.as_millis())),
        KeyUsage::client_auth(),
        None,
        None,
    )
    .map_err(|error| certificate(error.to_string()))?;
    let seconds = |at: i64| {
        let seconds = u64::try_from(at).unwrap_or_default();
        Timestamp::from_millis(seconds.saturating_mul(1000))
    };
    let validity = parsed.validity();
    let (issued_at, expires_at) = (
        seconds(validity.not_before.timestamp()),
        seconds(validity.not_after.timestamp()),
    );
    let found = expires_at.since(issued_at);
    if found > max_lifetime {
        let most = max_lifetime;
        return Err(SvidError::TooLongLived { found, most });
    }
    Ok(Principal {
        id: id.to_string(),
        attestation: Attestation::X509Svid,
        credential_id: serial(&parsed.raw_serial_as_string()).unwrap_or_default(),
        credential_issued_at: Some(issued_at),
        credential_expires_at: Some(expires_at),
        ..Principal::default()
    })
}

/// The one URI of a leaf (section 5.2: exactly one URI SAN; no authority to sign certificates).
fn spiffe_id(leaf: &X509Certificate<'_>) -> Result<SpiffeId, SvidError> {
    let wrong = |message: &str| SvidError::Certificate(message.to_owned());
    if leaf.is_ca() {
        return Err(wrong("the leaf is an authority's certificate"));
    }
    let usage = leaf
        .key_usage()
        .map_err(|error| SvidError::Certificate(error.to_string()))?;
    match usage {
        None => return Err(wrong("the leaf does not say what its key is for")),
        Some(usage) if usage.value.key_cert_sign() || usage.value.crl_sign() => {
            return Err(wrong("the leaf's key may sign certificates or revocations"));
        }
        Some(usage) if !usage.value.digital_signature() => {
            return Err(wrong("the leaf's key may not sign"));
        }
        Some(_) => {}
    }
    let names = leaf
        .subject_alternative_name()
        .map_err(|error| SvidError::Certificate(error.to_string()))?;
    let uris: Vec<_> = names
        .iter()
        .flat_map(|names| &names.value.general_names)
        .filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        })
        .collect();
    let [uri] = uris.as_slice() else {
        return Err(wrong("the leaf does not have exactly one URI"));
    };
    if !is_spiffe_id(uri) {
        return Err(wrong("the leaf's URI is no SPIFFE ID of a workload"));
    }
    SpiffeId::new(*uri).map_err(|error| SvidError::Certificate(error.to_string()))
}
