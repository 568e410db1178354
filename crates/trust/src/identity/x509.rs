//! Verifies X.509-SVIDs (SPIFFE X509-SVID): from a certificate chain to a principal.

use super::bundles::{Bundles, Root, moment};
use super::keys::{Unfit, judge_certificate};
use super::verifier::SvidError;
use crate::certificate_id::{certificate_id, issuer_of_attributes};
use portcullis_contract::Attestation;
use portcullis_model::request::Principal;
use portcullis_model::spiffe_id::is_spiffe_id;
use portcullis_model::timestamp::Timestamp;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use spiffe::SpiffeId;
use std::time::Duration;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, VerifiedPath};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Maximum number of certificates in a chain.
const MAX_CHAIN: usize = 8;

/// Verifies a chain in DER, leaf first, at the time `now`.
///
/// Returns the principal that the chain proves. Certificates of authorities outside the path are allowed, as
/// in TLS (RFC 8446, section 4.4.2); other certificates outside it are not. The credential expires when the
/// first certificate of the path does.
pub(super) fn verify(
    bundles: &Bundles,
    chain: &[impl AsRef<[u8]>],
    max_lifetime: Duration,
    now: Timestamp,
) -> Result<Principal, SvidError> {
    if chain.len() > MAX_CHAIN {
        return Err(wrong(format!(
            "the chain has {} certificates, more than the maximum {MAX_CHAIN}",
            chain.len()
        )));
    }
    let ders: Vec<_> = chain
        .iter()
        .map(|der| CertificateDer::from(der.as_ref()))
        .collect();
    let Some((leaf, others)) = ders.split_first() else {
        return Err(wrong("the chain is empty"));
    };
    let parsed = parse(leaf, "leaf")?;
    let id = spiffe_id(&parsed)?;
    judge_certificate(parsed.public_key())
        .map_err(|unfit| wrong(format!("the leaf: {}", unfit.into_message())))?;
    let domain = id.trust_domain();
    let bundle = bundles
        .of(domain)
        .map_err(|error| wrong(error.to_string()))?
        .ok_or_else(|| wrong(format!("there is no bundle of the trust domain `{domain}`")))?;
    let roots: Vec<&Root> = bundle
        .roots
        .iter()
        .filter(|root| root.is_valid_at(now))
        .collect();
    if roots.is_empty() {
        return Err(wrong(format!(
            "the trust domain `{domain}` has no currently valid root certificate"
        )));
    }
    let intermediates = authorities(others, &bundle.roots)?;
    let anchors: Vec<TrustAnchor<'_>> = roots.iter().map(|root| root.anchor.clone()).collect();
    let end = EndEntityCert::try_from(leaf).map_err(|error| wrong(error.to_string()))?;
    let within_root = |path: &VerifiedPath<'_>| match ends_at(path, &roots) {
        Some(_) => Ok(()),
        None => Err(webpki::Error::PathLenConstraintViolated),
    };
    let path = end
        .verify_for_usage(
            ALL_VERIFICATION_ALGS,
            &anchors,
            &intermediates,
            UnixTime::since_unix_epoch(Duration::from_millis(now.as_millis())),
            KeyUsage::client_auth(),
            None,
            Some(&within_root),
        )
        .map_err(|error| wrong(error.to_string()))?;
    let validity = parsed.validity();
    let (issued_at, own_end) = (
        moment(validity.not_before.timestamp()),
        moment(validity.not_after.timestamp()),
    );
    let found = own_end.since(issued_at);
    if found > max_lifetime {
        let most = max_lifetime;
        return Err(SvidError::TooLongLived { found, most });
    }
    let mut expires_at = own_end;
    for authority in path.intermediate_certificates() {
        let der = authority.der();
        let authority = parse(&der, "intermediate")?;
        expires_at = expires_at.min(moment(authority.validity().not_after.timestamp()));
    }
    if let Some(root) = ends_at(&path, &roots) {
        expires_at = expires_at.min(root.not_after);
    }
    let credential_id = credential_id(&parsed)
        .ok_or_else(|| wrong("the leaf has no serial number that it could be revoked by"))?;
    Ok(Principal {
        id: id.to_string(),
        attestation: Attestation::X509Svid,
        credential_id,
        credential_issued_at: Some(issued_at),
        credential_expires_at: Some(expires_at),
        ..Principal::default()
    })
}

/// Certificates that may lie between leaf and root.
///
/// They belong to authorities that may sign certificates (RFC 5280, section 6.1.4, (k) and (n); SPIFFE
/// X509-SVID, section 4.3). Roots in the chain are left out, because only the bundle determines the end of a
/// path.
fn authorities<'a>(
    chain: &'a [CertificateDer<'a>],
    roots: &[Root],
) -> Result<Vec<CertificateDer<'a>>, SvidError> {
    let mut authorities = Vec::new();
    for (index, der) in chain.iter().enumerate() {
        let name = format!("certificate {} of the chain", index + 2);
        if roots.iter().any(|root| root.der == *der) {
            continue;
        }
        let parsed = parse(der, &name)?;
        if !parsed.is_ca() {
            return Err(wrong(format!("{name} is not an authority's (`CA:TRUE`)")));
        }
        let usage = parsed
            .key_usage()
            .map_err(|error| wrong(format!("{name}: {error}")))?;
        if !usage.is_some_and(|usage| usage.value.key_cert_sign()) {
            return Err(wrong(format!(
                "the key of {name} may not sign certificates (`keyCertSign`)"
            )));
        }
        if uris(&parsed)?.iter().any(|uri| is_spiffe_id(uri)) {
            return Err(wrong(format!(
                "{name} has a SPIFFE ID with a path: a workload must not sign certificates (X509-SVID, section 3.2)"
            )));
        }
        judge_certificate(parsed.public_key())
            .map_err(Unfit::into_message)
            .map_err(|why| wrong(format!("{name}: {why}")))?;
        authorities.push(der.clone());
    }
    Ok(authorities)
}

/// Root of the path whose path length constraint permits the path.
///
/// If several qualify, the one that expires last.
fn ends_at<'r>(path: &VerifiedPath<'_>, roots: &[&'r Root]) -> Option<&'r Root> {
    let between = path
        .intermediate_certificates()
        .filter(|authority| authority.subject() != authority.issuer())
        .count();
    roots
        .iter()
        .filter(|root| root.anchor == *path.anchor())
        .filter(|root| {
            root.path_len
                .is_none_or(|most| u32::try_from(between).is_ok_and(|it| it <= most))
        })
        .max_by_key(|root| root.not_after)
        .copied()
}

/// Parses a certificate, and refuses trailing bytes.
fn parse<'a>(der: &'a [u8], name: &str) -> Result<X509Certificate<'a>, SvidError> {
    let (rest, parsed) =
        X509Certificate::from_der(der).map_err(|error| wrong(format!("{name}: {error}")))?;
    if rest.is_empty() {
        Ok(parsed)
    } else {
        Err(wrong(format!("something follows the {name}")))
    }
}

fn wrong(message: impl Into<String>) -> SvidError {
    SvidError::Certificate(message.into())
}

/// Credential id of a leaf: its serial number with its issuer.
///
/// A serial number is unique for its issuer only.
fn credential_id(leaf: &X509Certificate<'_>) -> Option<String> {
    let attributes = leaf.issuer().iter_attributes().map(|attribute| {
        let value = match attribute.as_str() {
            Ok(text) => text.to_owned(),
            // Values in another encoding are compared by their bytes.
            Err(_) => base16ct::lower::encode_string(attribute.as_slice()),
        };
        (attribute.attr_type().to_id_string(), value)
    });
    let issuer = issuer_of_attributes(attributes);
    certificate_id(issuer.as_deref(), &leaf.raw_serial_as_string())
}

/// SPIFFE ID of a leaf.
///
/// Section 5.2 requires exactly one URI SAN, and that the leaf may not sign certificates.
fn spiffe_id(leaf: &X509Certificate<'_>) -> Result<SpiffeId, SvidError> {
    if leaf.is_ca() {
        return Err(wrong("the leaf is an authority's certificate"));
    }
    let usage = leaf
        .key_usage()
        .map_err(|error| SvidError::Certificate(error.to_string()))?;
    match usage {
        None => return Err(wrong("the leaf has no key usage extension")),
        Some(usage) if usage.value.key_cert_sign() || usage.value.crl_sign() => {
            return Err(wrong("the leaf's key may sign certificates or revocations"));
        }
        Some(usage) if !usage.value.digital_signature() => {
            return Err(wrong("the leaf's key may not sign"));
        }
        Some(_) => {}
    }
    let uris = uris(leaf)?;
    let [uri] = uris.as_slice() else {
        return Err(wrong("the leaf does not have exactly one URI"));
    };
    if !is_spiffe_id(uri) {
        return Err(wrong("the leaf's URI is no SPIFFE ID of a workload"));
    }
    SpiffeId::new(*uri).map_err(|error| SvidError::Certificate(error.to_string()))
}

/// URIs in the subject alternative names of a certificate.
fn uris<'a>(certificate: &'a X509Certificate<'_>) -> Result<Vec<&'a str>, SvidError> {
    let names = certificate
        .subject_alternative_name()
        .map_err(|error| wrong(error.to_string()))?;
    let names = names.map(|names| names.value.general_names.as_slice());
    Ok(names
        .unwrap_or_default()
        .iter()
        .filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        })
        .collect())
}
