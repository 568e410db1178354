//! Tests of X.509-SVIDs.

use super::*;
use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

const ID: &str = "spiffe://acme.example/ns/payments/agent/reconciler";

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: PathBuf,
}

/// Parameters of a certificate for the authority `name`.
fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// An authority below a root.
///
/// `above` has the certificates between the root and this authority, nearest first.
struct Below {
    issuer: CertifiedIssuer<'static, KeyPair>,
    above: Vec<Vec<u8>>,
}

impl Below {
    fn below(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = authority(name);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let mut above = vec![self.issuer.der().to_vec()];
        above.extend(self.above.clone());
        Self {
            issuer: CertifiedIssuer::signed_by(params, key, &self.issuer).unwrap(),
            above,
        }
    }

    /// A chain whose leaf this authority signed.
    fn chain(&self, change: impl FnOnce(&mut CertificateParams)) -> Vec<Vec<u8>> {
        let mut params = leaf();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap().der().to_vec();
        let mut chain = vec![leaf, self.issuer.der().to_vec()];
        chain.extend(self.above.clone());
        chain
    }
}

fn publish(file: &PathBuf, roots: &[&[u8]]) {
    let keys: Vec<_> = roots
        .iter()
        .map(
            |root| json!({ "kty": "EC", "use": "x509-svid", "x5c": [Base64::encode_string(root)] }),
        )
        .collect();
    fs::write(file, json!({ "keys": keys }).to_string()).unwrap();
}

impl Authority {
    fn new(name: &str) -> Self {
        Self::with(name, |_| {})
    }

    /// An authority below the root.
    fn below(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Below {
        let mut params = authority(name);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Below {
            issuer: CertifiedIssuer::signed_by(params, key, &self.issuer).unwrap(),
            above: Vec::new(),
        }
    }

    fn with(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = authority("root");
        change(&mut params);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let file = std::env::temp_dir().join(format!(
            "portcullis-x509-{name}-{}.json",
            std::process::id()
        ));
        publish(&file, &[issuer.der()]);
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
    // The id contains the issuer, because serial numbers are unique for one issuer only.
    let parts: Vec<_> = principal.credential_id.split(':').collect();
    assert_eq!((parts[0], parts[1].len(), parts[2]), ("x509", 32, "102ab"));
    let lifetime = principal
        .credential_expires_at
        .unwrap()
        .since(principal.credential_issued_at.unwrap());
    assert_eq!(lifetime, Duration::from_secs(660));
}

/// Change that makes a valid leaf different.
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
        ("no key usage", |p| p.key_usages.clear()),
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

#[test]
fn an_intermediate_may_sign_certificates() {
    let root = Authority::new("intermediate");
    let verifier = root.verifier();
    let verify = |chain: &[Vec<u8>]| {
        verifier
            .verify_x509(chain)
            .map_err(|error| error.to_string())
    };
    let good = root.below("below", |_| {});
    assert_eq!(verify(&good.chain(|_| {})).unwrap().id, ID);
    let two = good.below("below that", |p| {
        p.key_usages.push(KeyUsagePurpose::CrlSign);
    });
    assert!(verify(&two.chain(|_| {})).is_ok());
    let changes: [(&str, Change); 5] = [
        ("keyCertSign", |p| p.key_usages.clear()),
        ("keyCertSign", |p| {
            p.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        }),
        ("keyCertSign", |p| {
            p.key_usages = vec![KeyUsagePurpose::CrlSign];
        }),
        ("CA:TRUE", |p| p.is_ca = IsCa::NoCa),
        ("CA:TRUE", |p| p.is_ca = IsCa::ExplicitNoCa),
    ];
    for (said, change) in changes {
        let refused = verify(&root.below("wrong", change).chain(|_| {})).unwrap_err();
        assert!(refused.contains(said), "{said}: {refused}");
        let refused = verify(&good.below("wrong", change).chain(|_| {})).unwrap_err();
        assert!(refused.contains(said), "{said}, further down: {refused}");
    }
    // An authority whose certificate has the SPIFFE ID of a workload.
    let workload = root.below("workload", |p| p.subject_alt_names = vec![uri(ID)]);
    let refused = verify(&workload.chain(|_| {})).unwrap_err();
    assert!(refused.contains("path"), "{refused}");
    let domain = root.below("domain", |p| {
        p.subject_alt_names = vec![uri("spiffe://acme.example")];
    });
    assert!(verify(&domain.chain(|_| {})).is_ok());
}

#[test]
fn beside_a_path_there_are_other_authorities_and_nothing_else() {
    let root = Authority::new("beside");
    let verifier = root.verifier();
    let verify = |chain: &[Vec<u8>]| {
        verifier
            .verify_x509(chain)
            .map_err(|error| error.to_string())
    };
    let below = root.below("below", |_| {});
    let chain = below.chain(|_| {});
    let mallory = Authority::new("beside-mallory");
    let beside = |what: Vec<u8>| {
        let mut longer = chain.clone();
        longer.push(what);
        longer
    };
    for allowed in [
        root.issuer.der().to_vec(),
        mallory.issuer.der().to_vec(),
        below.issuer.der().to_vec(),
    ] {
        assert!(verify(&beside(allowed)).is_ok());
    }
    let mut trailing = below.issuer.der().to_vec();
    trailing.push(0);
    for garbage in [
        Vec::new(),
        b"garbage".to_vec(),
        vec![0x30, 0x00],
        trailing.clone(),
        chain[0].clone(),
        mallory.leaf(|_| {}),
    ] {
        assert!(verify(&beside(garbage.clone())).is_err(), "{garbage:?}");
        // The same if the path does not need the intermediate certificates.
        assert!(verify(&[root.leaf(|_| {}), garbage]).is_err());
    }
    assert!(verify(&[chain[0].clone(), trailing]).is_err());
    let mut leaf = chain.clone();
    leaf[0].push(0);
    assert!(verify(&leaf).is_err());
    let swapped = [chain[1].clone(), chain[0].clone()];
    assert!(verify(&swapped).is_err(), "the leaf comes first");
}

#[test]
fn a_root_is_an_authority_that_is_valid_and_its_path_is_no_longer_than_it_says() {
    let fails = |name: &str, change: Change| {
        let root = Authority::with(name, change);
        Bundles::from_files([("acme.example", &root.file)])
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };
    let cases: [(&str, Change); 5] = [
        ("CA:TRUE", |p| p.is_ca = IsCa::NoCa),
        ("CA:TRUE", |p| p.is_ca = IsCa::ExplicitNoCa),
        ("keyCertSign", |p| {
            p.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        }),
        ("no currently valid root", |p| {
            p.not_after = date_time_ymd(2020, 1, 1);
        }),
        ("critical extension", |p| {
            p.custom_extensions.push(unknown(true));
        }),
    ];
    for (said, change) in cases {
        let error = fails("root-wrong", change);
        assert!(error.contains(said), "{said}: {error}");
    }
    let cases: [Change; 2] = [
        |p| p.key_usages.clear(),
        |p| p.custom_extensions.push(unknown(false)),
    ];
    for change in cases {
        let root = Authority::with("root-right", change);
        assert!(root.verifier().verify_x509(&[root.leaf(|_| {})]).is_ok());
    }

    // The maximum path length below a root.
    for most in 0..=2 {
        let root = Authority::with("path", |p| {
            p.is_ca = IsCa::Ca(BasicConstraints::Constrained(most));
        });
        let verifier = root.verifier();
        assert!(verifier.verify_x509(&[root.leaf(|_| {})]).is_ok());
        let one = root.below("one", |_| {});
        let two = one.below("two", |_| {});
        let three = two.below("three", |_| {});
        for (between, chain) in [&one, &two, &three].iter().enumerate() {
            let came = verifier.verify_x509(&chain.chain(|_| {}));
            assert_eq!(
                came.is_ok(),
                between < usize::from(most),
                "{between} {most} {came:?}"
            );
        }
    }
    let root = Authority::new("path-below");
    let one = root.below("one", |p| {
        p.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    });
    assert!(root.verifier().verify_x509(&one.chain(|_| {})).is_ok());
    let two = one.below("two", |_| {});
    assert!(root.verifier().verify_x509(&two.chain(|_| {})).is_err());
}

#[test]
fn a_root_that_has_ended_proves_nothing_beside_one_that_has_not() {
    let valid = Authority::new("valid");
    let ended = Authority::with("ended", |p| p.not_after = date_time_ymd(2020, 1, 1));
    let early = Authority::with("early", |p| p.not_before = date_time_ymd(2090, 1, 1));
    let roots: [&[u8]; 3] = [ended.issuer.der(), valid.issuer.der(), early.issuer.der()];
    publish(&valid.file, &roots);
    let verifier = valid.verifier();
    assert!(verifier.verify_x509(&[valid.leaf(|_| {})]).is_ok());
    for other in [&ended, &early] {
        let error = verifier.verify_x509(&[other.leaf(|_| {})]).unwrap_err();
        assert!(matches!(error, SvidError::Certificate(_)), "{error}");
    }
    publish(&early.file, &[early.issuer.der()]);
    let error = early
        .verifier()
        .verify_x509(&[early.leaf(|_| {})])
        .unwrap_err();
    assert!(error.to_string().contains("currently valid"), "{error}");
}

#[test]
fn a_credential_ends_with_the_first_certificate_of_its_path() {
    let soon = time::OffsetDateTime::now_utc() + Duration::from_secs(60);
    let sooner = time::OffsetDateTime::now_utc() + Duration::from_secs(30);
    let ends = |root: &Authority, chain: &[Vec<u8>]| {
        let principal = root.verifier().verify_x509(chain).unwrap();
        principal.credential_expires_at.unwrap().as_millis() / 1000
    };
    let at = |moment: time::OffsetDateTime| u64::try_from(moment.unix_timestamp()).unwrap();
    let root = Authority::new("ends");
    let one = root.below("one", |p| p.not_after = soon);
    assert_eq!(ends(&root, &one.chain(|_| {})), at(soon));
    let two = one.below("two", |_| {});
    assert_eq!(ends(&root, &two.chain(|_| {})), at(soon), "further up");
    assert_eq!(
        ends(&root, &two.chain(|p| p.not_after = sooner)),
        at(sooner)
    );
    // Certificates outside the path do not limit the expiry.
    let mut beside = root.below("longer", |_| {}).chain(|_| {});
    beside.push(one.issuer.der().to_vec());
    assert!(ends(&root, &beside) > at(soon));
    let root = Authority::with("root-ends", |p| p.not_after = soon);
    assert_eq!(ends(&root, &[root.leaf(|_| {})]), at(soon));
    let ended = root.below("ended", |p| p.not_after = date_time_ymd(2020, 1, 1));
    assert!(root.verifier().verify_x509(&ended.chain(|_| {})).is_err());
}

/// An extension that no library supports.
fn unknown(critical: bool) -> CustomExtension {
    let mut extension =
        CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![5, 0]);
    extension.set_criticality(critical);
    extension
}

/// Name constraints that permit or exclude a URI's host (RFC 5280, section 4.2.1.10).
fn uri_constraint(tag: u8, host: &str) -> CustomExtension {
    let length = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap();
    let wrap = |tag: u8, content: Vec<u8>| [vec![tag, length(&content)], content].concat();
    let base = wrap(0x86, host.as_bytes().to_vec());
    let subtrees = wrap(tag, wrap(0x30, base));
    let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, 30], wrap(0x30, subtrees));
    extension.set_criticality(true);
    extension
}

#[test]
fn what_restricts_a_path_is_heeded_or_refused() {
    let root = Authority::new("restricts");
    let verifier = root.verifier();
    let good = root.below("good", |_| {});
    let changes: [(&str, Change, bool); 9] = [
        (
            "an extension",
            |p| p.custom_extensions.push(unknown(false)),
            true,
        ),
        (
            "a critical one",
            |p| p.custom_extensions.push(unknown(true)),
            false,
        ),
        (
            "client",
            |p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
            true,
        ),
        (
            "both",
            |p| {
                p.extended_key_usages = vec![
                    ExtendedKeyUsagePurpose::ServerAuth,
                    ExtendedKeyUsagePurpose::ClientAuth,
                ];
            },
            true,
        ),
        (
            "server",
            |p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth],
            false,
        ),
        (
            "code",
            |p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning],
            false,
        ),
        (
            "a name beside",
            |p| {
                p.subject_alt_names
                    .push(SanType::DnsName("a.example".try_into().unwrap()));
            },
            true,
        ),
        (
            "no subject",
            |p| p.distinguished_name = DistinguishedName::new(),
            true,
        ),
        (
            "may sign revocations",
            |p| p.key_usages.push(KeyUsagePurpose::CrlSign),
            false,
        ),
    ];
    for (name, change, is_valid) in changes {
        let came = verifier.verify_x509(&good.chain(change));
        assert_eq!(came.is_ok(), is_valid, "{name}: {came:?}");
    }
    let above: [(&str, Change, bool); 5] = [
        (
            "an extension",
            |p| p.custom_extensions.push(unknown(false)),
            true,
        ),
        (
            "a critical one",
            |p| p.custom_extensions.push(unknown(true)),
            false,
        ),
        (
            "code",
            |p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning],
            false,
        ),
        // URIs in name constraints are unsupported, so that no URI is permitted.
        (
            "another domain",
            |p| {
                p.custom_extensions
                    .push(uri_constraint(0xa0, "other.example"));
            },
            false,
        ),
        (
            "this one excluded",
            |p| {
                p.custom_extensions
                    .push(uri_constraint(0xa1, "acme.example"));
            },
            false,
        ),
    ];
    for (name, change, is_valid) in above {
        let came = verifier.verify_x509(&root.below("above", change).chain(|_| {}));
        assert_eq!(came.is_ok(), is_valid, "{name}, above: {came:?}");
    }
}

/// An authority with an RSA key of 1024 bits, valid until 2081 (made with OpenSSL).
const WEAK_ROOT: &str = "MIICDDCCAXWgAwIBAgIUYcU0OzQHrkkKlXQKVxYSkcek6jEwDQYJKoZIhvcNAQELBQAwDzENMAsGA1UEAwwEd2VhazAgFw0yNjExMjcwMDA2MDdaGA8yMDgxMDgzMDAwMDYwN1owDzENMAsGA1UEAwwEd2VhazCBnzANBgkqhkiG9w0BAQEFAAOBjQAwgYkCgYEAn8Nod1x9LF8GbF1bNEaUNFhMxgYZ8/PiFb6iRMna3J4LyWqHfsUjB0ViytylgLVu6Iwptk6PdigQYg7vK7Osjy/OUy1+Gqs167vufndfjXR+KLn/NNeqJRw3YG5yRP7/7YND1aQAXwpe+tADO1D6XS34HC+AMWdxykcqdSsXTmcCAwEAAaNjMGEwHQYDVR0OBBYEFG3RHDVAWKTyTM8WkcM+0I1C7JMrMB8GA1UdIwQYMBaAFG3RHDVAWKTyTM8WkcM+0I1C7JMrMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQDAgIEMA0GCSqGSIb3DQEBCwUAA4GBACW4WllM5IXV6VSsnIXaYn6S2D1QYWgznHKNAVnsxbB7Ir35oApXASU63g9Ja9QNb2kxQawPhMRvPkYKcE6OnTDEOWNbTXAbhEUmYaPcL7nd14XSwO8Yl92ulS9K+Fw8Q85QWXX/KzGKgD/84lsw1McOcXXc+tetQN0qqvXzlBmj";

#[test]
fn the_keys_of_certificates_are_judged_by_their_strength() {
    let root = Authority::new("weak");
    let weak = Base64::decode_vec(WEAK_ROOT).unwrap();
    let mut chain = root.below("below", |_| {}).chain(|_| {});
    chain.push(weak.clone());
    let error = root.verifier().verify_x509(&chain).unwrap_err().to_string();
    assert!(error.contains("1024 bits"), "{error}");
    publish(&root.file, &[&weak]);
    let error = Bundles::from_files([("acme.example", &root.file)]).unwrap_err();
    assert!(error.to_string().contains("1024 bits"), "{error}");
}

#[test]
fn what_a_bundle_says_of_a_certificate_is_one_certificate() {
    let root = Authority::new("x5c");
    let der = Base64::encode_string(root.issuer.der());
    let url = base64ct::Base64Url::encode_string(root.issuer.der());
    let trailing = [root.issuer.der().to_vec(), vec![0]].concat();
    let trailing = Base64::encode_string(&trailing);
    let bundle = |keys: Value| {
        fs::write(&root.file, json!({ "keys": keys }).to_string()).unwrap();
        Bundles::from_files([("acme.example", &root.file)]).map(|_| ())
    };
    let entry = |x5c: Value| json!({ "kty": "EC", "use": "x509-svid", "x5c": x5c });
    assert!(bundle(json!([entry(json!([der]))])).is_ok());
    // X509-SVID, section 6.2: an entry without a certificate is ignored.
    for none in [json!([]), Value::Null] {
        assert!(bundle(json!([entry(none.clone()), entry(json!([der]))])).is_ok());
        assert!(matches!(
            bundle(json!([entry(none)])),
            Err(BundleError::Empty(_))
        ));
    }
    for wrong in [
        json!([der, der]),
        json!(der),
        json!([1]),
        json!([trailing]),
        json!(["AA=="]),
        json!(["-----BEGIN CERTIFICATE-----"]),
    ] {
        let refused = bundle(json!([entry(wrong.clone())]));
        assert!(matches!(refused, Err(BundleError::Shape { .. })), "{wrong}");
    }
    if url != der {
        assert!(bundle(json!([entry(json!([url]))])).is_err());
    }
    // The members of the JWK belong to the key of the certificate, or are missing.
    let of = |point: &[u8]| {
        let [x, y] = [&point[1..33], &point[33..]].map(Base64UrlUnpadded::encode_string);
        let mut stated = entry(json!([der]));
        stated["crv"] = json!("P-256");
        stated["x"] = json!(x);
        stated["y"] = json!(y);
        bundle(json!([stated]))
    };
    assert_eq!(of(root.issuer.key().public_key_raw()), Ok(()));
    let other = KeyPair::generate().unwrap();
    let refused = of(other.public_key_raw()).unwrap_err().to_string();
    assert!(refused.contains("public key differs"), "{refused}");
    let mut private = entry(json!([der]));
    private["d"] = json!("AA");
    let refused = bundle(json!([private])).unwrap_err().to_string();
    assert!(refused.contains("a private key"), "{refused}");
}
