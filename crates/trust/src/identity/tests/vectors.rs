//! Examples of the SPIFFE documents and the tests of its libraries, with their number.
//!
//! An id is valid if the standard says so. A principal is a workload, whose id has a path (X509-SVID, section
//! 3.1). Sources:
//!
//! - `spiffe/spiffe` `standards/SPIFFE-ID.md` (sections 2.1 to 2.3),
//! - `spiffe/go-spiffe` `v2/spiffeid/id_test.go` and `trustdomain_test.go`,
//! - `spiffe/spire` `pkg/common/idutil` (its tests of normalisation),
//! - `HewlettPackard/py-spiffe` `test/spiffe_id`.

use portcullis_model::spiffe_id::is_spiffe_id;
use spiffe::{SpiffeId, TrustDomain};

/// Examples in SPIFFE-ID, sections 2 and 2.2.
const DOCUMENT: [&str; 5] = [
    "spiffe://trust-domain-name/path",
    "spiffe://staging.example.com/payments/mysql",
    "spiffe://staging.example.com/payments/web-fe",
    "spiffe://k8s-west.example.com/ns/staging/sa/default",
    "spiffe://example.com/9eebccd2-12bf-40a6-b262-65fe0487d453",
];

/// Ids of workloads in the tests of the libraries.
const WORKLOADS: [&str; 11] = [
    "spiffe://domain.test/path/element",
    "spiffe://trustdomain/path",
    "spiffe://trustdomain/.path",
    "spiffe://trustdomain/..path",
    "spiffe://trustdomain/...",
    "spiffe://example.org/workload",
    "spiffe://example.org/workload/foo",
    "spiffe://abcdefghijklmnopqrstuvwxyz0123456789.-_/abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_",
    "spiffe://example.org/path/element",
    "spiffe://domain.test/pAth1/pATH2",
    "spiffe://example.org/path1/path2",
];

/// Valid ids that name a trust domain and not a workload.
const DOMAINS: [&str; 3] = [
    "spiffe://domain.test",
    "spiffe://trustdomain",
    "spiffe://example.org",
];

/// Texts that are not SPIFFE IDs.
const INVALID: [&str; 62] = [
    "",
    "s",
    "BAD",
    "192.168.2.2:6688",
    "http://domain.test/path/element",
    "sparfe://example.org/workload",
    "sPiFfE://example.org/workload",
    "SPIFFE://domain.test/path/element",
    "SPIFFE://trustdomain",
    "Spiffe://",
    "spiffe:/",
    "spiffe://",
    "spiffe:///",
    "spiffe:///path",
    "spiffe:///path/element",
    "spiffe:path/element",
    "spiffe:/path/element",
    "spiffe:/trustdomain/path",
    "spiffe://domain.test/path/element?query=1",
    "spiffe://domain.test/path/element?#fragment-1",
    "spiffe://domain.test/path/element#fragment-1",
    "spiffe://domain.test:8080/path/element",
    "spiffe://domain.test:/path/element",
    "spiffe://user:password@test.org/path/element",
    "spiffe://trust$domain",
    "spiffe://trustdomain/path$",
    "spiffe://domain.test/pa:th/element:",
    "spiffe://domain.test/pa@th/element:",
    "spiffe://domain.test/p!a$t&h'/(e)l*e+m,e;n=t",
    "spiffe://domain.test/path/elem%5uent",
    "spiffe://domain.test/path/element%5",
    "spiffe://domain.test/path/elem[ent",
    "spiffe://domain.test/path/elem]ent",
    "spiffe://trustdomain/",
    "spiffe://trustdomain//",
    "spiffe://trustdomain//path",
    "spiffe://trustdomain/path/",
    "spiffe://trustdomain/path/other/",
    "spiffe://trustdomain/.",
    "spiffe://trustdomain/./",
    "spiffe://trustdomain/./path",
    "spiffe://trustdomain/path/./other",
    "spiffe://trustdomain/..",
    "spiffe://trustdomain/../",
    "spiffe://trustdomain/../path",
    "spiffe://trustdomain/path/..",
    "spiffe://trustdomain/path/../other",
    "spiffe://trustdomain/ /",
    "spiffe://%F0%9F%A4%AF/path",
    "spiffe://trustdomain/%F0%9F%A4%AF",
    "spiffe://%62%61%64/path",
    "spiffe://trustdomain/%62%61%64",
    "spiffe://%45example.org/workload",
    "spiffe://example.org/%2z",
    "spiffe://eXaMplE.org/workload",
    "spiffe://example.org/workload/%2e%2e/workload2",
    "spiffe://example.org/workload/%252e",
    "spiffe://example.org/workload/%23",
    "spiffe://example.org/workload/%00",
    "spiffe://example.org/世界/%E4%B8%96%E7%95%8C",
    "spiffe://世界/workload",
    "spiffe://%E4%B8%96%E7%95%8C/workload",
];

#[test]
fn ids_are_as_the_documents_and_the_libraries_have_them() {
    for id in DOCUMENT.iter().chain(&WORKLOADS) {
        assert!(is_spiffe_id(id), "{id}");
    }
    for id in DOMAINS {
        assert!(SpiffeId::new(id).is_ok(), "{id}");
        assert!(!is_spiffe_id(id), "{id} is no workload's");
    }
    for id in INVALID {
        assert!(!is_spiffe_id(id), "{id}");
    }
    let count = DOCUMENT.len() + WORKLOADS.len() + DOMAINS.len() + INVALID.len();
    assert_eq!(count, 81);
}

/// The tests of go-spiffe and py-spiffe try every character up to U+00FF in both parts.
#[test]
fn characters_of_trust_domains_and_paths_are_as_the_libraries_have_them() {
    let mut count = 0;
    for c in (0_u8..=255).map(char::from).filter(|c| *c != '/') {
        let in_path = c.is_ascii_alphanumeric() || "._-".contains(c);
        let in_domain = in_path && !c.is_ascii_uppercase();
        let domain = format!("spiffe://trustdomain{c}/path");
        assert_eq!(is_spiffe_id(&domain), in_domain, "{c:?} in a trust domain");
        let path = format!("spiffe://trustdomain/path{c}");
        assert_eq!(is_spiffe_id(&path), in_path, "{c:?} in a path");
        count += 2;
    }
    assert_eq!(count, 510);
}

/// Limits of SPIFFE-ID, section 2.3.
#[test]
fn ids_have_up_to_2048_bytes_and_trust_domains_up_to_255() {
    let of_length = |length: usize| {
        let begin = "spiffe://acme.example/";
        format!("{begin}{}", "a".repeat(length - begin.len()))
    };
    assert!(is_spiffe_id(&of_length(2048)));
    assert!(!is_spiffe_id(&of_length(2049)));
    assert!(TrustDomain::new("a".repeat(255)).is_ok());
    assert!(TrustDomain::new("a".repeat(256)).is_err());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2_000))]

    /// The grammar of ids is checked by `portcullis-model`, so that the sandbox needs no SPIFFE library.
    #[test]
    fn ids_are_those_of_the_spiffe_crate(
        text in "(spiffe|SPIFFE|spiff)?(:|://|:///)?[a-zA-Z0-9._%é-]{0,6}(/[a-zA-Z0-9._%é~-]{0,3}){0,4}(/?|[?#][a-z]?)",
        trust_domain in "[a-z0-9._-]{250,258}",
    ) {
        for text in [text, format!("spiffe://{trust_domain}/path")] {
            let is_one = SpiffeId::new(&text)
                .is_ok_and(|id| !id.path().is_empty() && id.to_string() == text);
            proptest::prop_assert_eq!(is_spiffe_id(&text), is_one, "{}", text);
        }
    }
}
