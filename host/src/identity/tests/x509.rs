//! X.509-SVIDs.

use super::*;
use base64ct::{Base64, Encoding as _};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose, SanType,
    date_time_ymd,
};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

const ID: &str = "spiffe://acme.example/ns/payments/agent/reconciler";

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: PathBuf,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let file = std::env::temp_dir().join(format!(
            "portcullis-x509-{name}-{}.json",
            std::process::id()
        ));
        let root = Base64::encode_string(issuer.der());
        let (x, y) = (
            "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        );
        let jwks = json!({ "keys": [{
            "kty": "EC", "crv": "P-256", "use": "x509-svid", "x": x, "y": y, "x5c": [root],
        }] });
        fs::write(&file, jwks.to_string()).unwrap();
        Self { issuer, file }
    }

    fn leaf(&self, change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = leaf();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        params.signed_by(&key, &self.issuer).unwrap().der().to_vec()
    }

    fn verifier(&self) -> Verifier {
        let bundles = Bundles::from_files([("acme.example", &self.file)]).unwrap();
        Verifier::new(bundles, AUDIENCE).max_lifetime(Duration::from_secs(900))
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

fn leaf() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![uri(ID)];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let now = time::OffsetDateTime::now_utc();
    params.not_before = now - Duration::from_secs(60);
    params.not_after = now + Duration::from_secs(600);
    params.serial_number = Some(rcgen::SerialNumber::from(vec![1, 2, 0xab]));
    params
}

#[test]
fn a_chain_proves_who_asks() {
    let authority = Authority::new("proves");
    let principal = authority
        .verifier()
        .verify_x509(&[authority.leaf(|_| {})])
        .unwrap();
    assert_eq!(principal.id, ID);
    assert_eq!(principal.attestation, Attestation::X509Svid);
    assert_eq!(principal.credential_id, "102ab");
    let lifetime = principal
        .credential_expires_at
        .unwrap()
        .since(principal.credential_issued_at.unwrap());
    assert_eq!(lifetime, Duration::from_secs(660));
}

/// How a leaf differs from one that is valid.
type Change = fn(&mut CertificateParams);

#[test]
fn a_chain_that_is_not_to_the_letter_proves_nothing() {
    let authority = Authority::new("letter");
    let verifier = authority.verifier();
    let refused = |change: Change| {
        verifier
            .verify_x509(&[authority.leaf(change)])
            .unwrap_err()
            .to_string()
    };
    let cases: [(&str, Change); 9] = [
        ("exactly one URI", |p| p.subject_alt_names.clear()),
        ("exactly one URI", |p| {
            p.subject_alt_names.push(uri("spiffe://acme.example/b"));
        }),
        ("no SPIFFE ID", |p| {
            p.subject_alt_names = vec![uri("https://acme.example/a")];
        }),
        ("no SPIFFE ID", |p| {
            p.subject_alt_names = vec![uri("spiffe://acme.example")];
        }),
        ("no bundle", |p| {
            p.subject_alt_names = vec![uri("spiffe://other.example/a")];
        }),
        ("authority", |p| {
            p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }),
        ("may sign certificates", |p| {
            p.key_usages.push(KeyUsagePurpose::KeyCertSign);
        }),
        ("what its key is for", |p| p.key_usages.clear()),
        ("valid for", |p| p.not_before = date_time_ymd(2020, 1, 1)),
    ];
    for (said, change) in cases {
        let error = refused(change);
        assert!(error.contains(said), "{said}: {error}");
    }
    let expired = refused(|p| p.not_after = p.not_before + Duration::from_secs(1));
    assert!(expired.contains("Expired"), "{expired}");

    let mallory = Authority::new("mallory");
    let error = verifier.verify_x509(&[mallory.leaf(|_| {})]).unwrap_err();
    assert!(matches!(error, SvidError::Certificate(_)), "{error}");
    let none: [&[u8]; 0] = [];
    assert!(verifier.verify_x509(&none).is_err());
    assert!(verifier.verify_x509(&[b"not a certificate"]).is_err());
    let long = vec![authority.leaf(|_| {}); 9];
    assert!(verifier.verify_x509(&long).is_err());
}
