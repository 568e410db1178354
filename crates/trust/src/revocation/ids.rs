//! Normal form of each kind of revocable id.
//!
//! It applies wherever such an id enters: `portcullis revoke`, security events, lines of the list,
//! certificates, and the look-ups of each decision. Two spellings of one id have the same normal form.

use super::{ListError, Revocable};
use crate::certificate_id::{X509, hexadecimal, is_issuer, of_issuer, strip_prefix_of_any_case};
use portcullis_contract::excerpt;
use portcullis_contract::name::fold;
use portcullis_model::request::begins_as_authority;
use portcullis_model::secret::withheld;
use std::borrow::Cow;

/// An id in the form used for look-ups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key<'a> {
    /// Normal form of the id; for a certificate, its serial number.
    pub(crate) id: Cow<'a, str>,
    /// Issuer of the certificate, if the id names it.
    pub(crate) issuer: Option<Cow<'a, str>>,
}

impl<'a> Key<'a> {
    /// Normal form of the id as text.
    fn written(self) -> Cow<'a, str> {
        match self.issuer {
            Some(issuer) => Cow::Owned(of_issuer(&issuer, &self.id)),
            None => self.id,
        }
    }
}

/// Normal form of `id`, in which it is written to the list and compared.
///
/// - Principal: scheme and trust domain of a SPIFFE ID in lower case; other ids without regard to case,
///   folded.
/// - Credential: a certificate's serial number in hexadecimal digits, lower case, without separators and
///   leading zeros (`01:02:AB` is `102ab`); `x509:` and its issuer in lower case; `sha256:` in lower case;
///   other ids unchanged.
/// - Plugin: `sha256:` and 64 hexadecimal digits in lower case.
/// - Intent and integration: unchanged.
///
/// # Errors
///
/// [`ListError::Id`] if no request can match the id.
pub fn normal_id(kind: Revocable, id: &str) -> Result<String, ListError> {
    let normal = key(kind, id).written().into_owned();
    let expected = match kind {
        _ if normal.is_empty() => "an id: it is empty",
        _ if !is_plain(&normal) => {
            "an id as requests state it: it has white space, invisible characters, or `spiffe:` after its beginning; write it without"
        }
        Revocable::Principal if normal.contains('*') => {
            "the id of one principal: patterns are not revoked; revoke each principal, or remove the trust domain's bundle from `[trust-domains]`"
        }
        Revocable::Principal if is_trust_domain(&normal) => {
            "the id of a principal, but a trust domain: revoke its principals, or remove its bundle from `[trust-domains]`"
        }
        Revocable::Principal
            if has_spiffe_scheme(&normal)
                && !portcullis_model::spiffe_id::is_spiffe_id(&normal) =>
        {
            "a SPIFFE ID, such as `spiffe://acme.example/agent/fixer`"
        }
        Revocable::Principal
            if !has_spiffe_scheme(&normal)
                && (names_spiffe(&normal) || begins_as_authority(&normal)) =>
        {
            "a SPIFFE ID: it has to begin with `spiffe://`"
        }
        Revocable::Plugin if normal.parse::<portcullis_model::digest::Digest>().is_err() => {
            "a digest, `sha256:` and 64 hexadecimal digits"
        }
        _ => return Ok(normal),
    };
    Err(ListError::Id {
        id: excerpt(&withheld(id)),
        expected,
    })
}

/// Normal form of `id` for a look-up. An id without a normal form is unchanged.
pub(crate) fn key(kind: Revocable, id: &str) -> Key<'_> {
    let plain = |id| Key { id, issuer: None };
    match kind {
        Revocable::Principal => plain(spiffe(id)),
        Revocable::Plugin => plain(digest(id).unwrap_or(Cow::Borrowed(id))),
        Revocable::Intent | Revocable::Integration => plain(Cow::Borrowed(id)),
        Revocable::Credential => {
            if let Some((issuer, of_issuer)) =
                strip_prefix_of_any_case(id, X509).and_then(|it| it.split_once(':'))
                && is_issuer(issuer)
                && let Some(serial) = hexadecimal(of_issuer)
            {
                return Key {
                    id: serial,
                    issuer: Some(lower_case(issuer)),
                };
            }
            plain(
                digest(id)
                    .or_else(|| hexadecimal(id))
                    .unwrap_or(Cow::Borrowed(id)),
            )
        }
    }
}

/// Normal form of a credential id, by which uses and instances are counted.
pub fn normal_credential(id: &str) -> Cow<'_, str> {
    key(Revocable::Credential, id).written()
}

/// True if two spellings name the same thing of that kind.
pub fn is_same(kind: Revocable, one: &str, other: &str) -> bool {
    let (one, other) = (key(kind, one), key(kind, other));
    one.id == other.id && may_be_same_issuer(one.issuer.as_deref(), other.issuer.as_deref())
}

/// True if the lift of `lifted` ends a revocation of `revoked`.
///
/// A lift for certificates of one issuer does not end a revocation for every issuer.
pub fn is_lifted(kind: Revocable, revoked: &str, lifted: &str) -> bool {
    let (revoked, lifted) = (key(kind, revoked), key(kind, lifted));
    revoked.id == lifted.id && lift_reaches(lifted.issuer.as_deref(), revoked.issuer.as_deref())
}

/// True if a lift for issuer `lifted` ends a revocation for issuer `revoked`.
///
/// `None` means every issuer.
pub(crate) fn lift_reaches(lifted: Option<&str>, revoked: Option<&str>) -> bool {
    lifted.is_none() || lifted == revoked
}

/// True if two issuers may be the same. An unnamed issuer may be any.
pub(crate) fn may_be_same_issuer(one: Option<&str>, other: Option<&str>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}

/// Trust domain of a SPIFFE ID in its normal form.
pub(crate) fn trust_domain(id: &str) -> Option<Cow<'_, str>> {
    let rest = strip_scheme(id)?;
    let domain = rest.split('/').next()?;
    Some(lower_case(domain))
}

/// Normal form of a SHA-256 digest.
fn digest(text: &str) -> Option<Cow<'_, str>> {
    const PREFIX: &str = "sha256:";
    let (has_prefix, digits) = match strip_prefix_of_any_case(text, PREFIX) {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let is_digest = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_digest {
        return None;
    }
    let is_normal = has_prefix && !text.bytes().any(|byte| byte.is_ascii_uppercase());
    Some(match is_normal {
        true => Cow::Borrowed(text),
        false => Cow::Owned(format!("{PREFIX}{}", digits.to_ascii_lowercase())),
    })
}

/// SPIFFE ID with scheme and trust domain in lower case (RFC 3986, section 6.2.2.1).
///
/// The issuer of another id, such as an e-mail address, may ignore its case, so that a revocation of one
/// spelling holds for all of them.
fn spiffe(id: &str) -> Cow<'_, str> {
    let Some(rest) = strip_scheme(id) else {
        return fold(id);
    };
    let (domain, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let is_normal = id.starts_with(SCHEME) && !domain.bytes().any(|byte| byte.is_ascii_uppercase());
    match is_normal {
        true => Cow::Borrowed(id),
        false => Cow::Owned(format!("{SCHEME}{}{path}", domain.to_ascii_lowercase())),
    }
}

const SCHEME: &str = "spiffe://";

fn strip_scheme(id: &str) -> Option<&str> {
    strip_prefix_of_any_case(id, SCHEME)
}

fn has_spiffe_scheme(id: &str) -> bool {
    strip_scheme(id).is_some()
}

fn names_spiffe(id: &str) -> bool {
    id.to_ascii_lowercase().contains("spiffe:")
}

fn is_trust_domain(id: &str) -> bool {
    strip_scheme(id).is_some_and(|rest| {
        let (domain, path) = rest.split_once('/').unwrap_or((rest, ""));
        !domain.is_empty() && path.is_empty()
    })
}

fn lower_case(text: &str) -> Cow<'_, str> {
    match text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(text.to_ascii_lowercase()),
        false => Cow::Borrowed(text),
    }
}

/// True if a request can state the id.
fn is_plain(id: &str) -> bool {
    portcullis_contract::name::check_identifier(id).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate_id::{certificate_id, issuer_of, serial_readings};
    use proptest::prelude::*;

    fn normal(kind: Revocable, id: &str) -> Option<String> {
        normal_id(kind, id).ok()
    }

    #[test]
    fn a_serial_number_has_one_form() {
        for id in [
            "102ab",
            "0102AB",
            "01:02:AB",
            "1:2:ab",
            "01 02 ab",
            "01-02-AB",
            "0x102ab",
            "0X0102AB",
            "serial=0102AB",
            "00:00:01:02:ab",
        ] {
            assert_eq!(
                normal(Revocable::Credential, id).as_deref(),
                Some("102ab"),
                "{id}"
            );
            assert!(is_same(Revocable::Credential, id, "102ab"), "{id}");
        }
        // Other ids are unchanged.
        for id in [
            "jti-1",
            "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
            "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
            "x509:short:1",
            "AB:xy",
        ] {
            assert_eq!(normal(Revocable::Credential, id).as_deref(), Some(id));
        }
        assert!(!is_same(Revocable::Credential, "jti-1", "JTI-1"));
    }

    #[test]
    fn digits_may_be_decimal() {
        assert_eq!(serial_readings("66219"), ["66219", "102ab"]);
        assert_eq!(serial_readings("0"), ["0"]);
        assert_eq!(serial_readings("0x66219"), ["66219"]);
        assert_eq!(serial_readings("01:02"), ["102"]);
        assert_eq!(
            serial_readings("340282366920938463463374607431768211455"),
            [
                "340282366920938463463374607431768211455",
                "ffffffffffffffffffffffffffffffff"
            ]
        );
        assert_eq!(serial_readings("twelve"), [""; 0]);
    }

    #[test]
    fn serial_numbers_are_compared_with_their_issuers() {
        let [ours, theirs] = ["CN=Acme CA,O=Acme", "CN=Other CA"]
            .map(|name| certificate_id(issuer_of(name).as_deref(), "01:02:AB").unwrap());
        assert!(!is_same(Revocable::Credential, &ours, &theirs));
        assert!(is_same(Revocable::Credential, &ours, "102ab"));
        assert!(is_same(
            Revocable::Credential,
            &ours.replace("102ab", "0102AB"),
            &ours
        ));
        assert_eq!(
            normal(Revocable::Credential, &ours).as_deref(),
            Some(ours.as_str())
        );
    }

    #[test]
    fn an_issuer_may_be_written_in_capitals() {
        let issuer = "0123456789abcdef0123456789abcdef";
        let expected = format!("x509:{issuer}:102ab");
        for id in [
            format!("X509:{issuer}:102ab"),
            format!("x509:{}:102AB", issuer.to_uppercase()),
            format!("X509:{}:01:02:AB", issuer.to_uppercase()),
        ] {
            assert_eq!(
                normal(Revocable::Credential, &id).as_deref(),
                Some(expected.as_str())
            );
            assert_eq!(normal_credential(&id), expected);
            assert!(is_same(Revocable::Credential, &id, &expected));
        }
        // These are not ids of certificates.
        for id in ["X509:jti", "x509:0123:102ab"] {
            assert_eq!(normal(Revocable::Credential, id).as_deref(), Some(id));
        }
    }

    #[test]
    fn a_lift_ends_what_it_names_and_nothing_wider() {
        let [a, b] = ["a", "b"].map(|digit| format!("x509:{}:102ab", digit.repeat(32)));
        let ends = |lifted: &str, revoked: &str| is_lifted(Revocable::Credential, revoked, lifted);
        for (lifted, revoked, expected) in [
            (a.as_str(), "102ab", false),
            (a.as_str(), b.as_str(), false),
            (a.as_str(), a.as_str(), true),
            ("0102AB", a.as_str(), true),
            ("102ab", "102AB", true),
            ("102ac", "102ab", false),
        ] {
            assert_eq!(ends(lifted, revoked), expected, "{lifted} {revoked}");
        }
    }

    #[test]
    fn a_digest_has_one_form() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        for id in [
            digest.to_uppercase(),
            digest.clone(),
            digest.replace("ab", "Ab"),
            "AB".repeat(32),
        ] {
            for kind in [Revocable::Plugin, Revocable::Credential] {
                assert_eq!(normal(kind, &id).as_deref(), Some(digest.as_str()), "{id}");
            }
        }
        for id in ["ba7816bf", "sha256:ab", "sha512:ab", ""] {
            assert_eq!(normal(Revocable::Plugin, id), None, "{id}");
        }
    }

    #[test]
    fn a_spiffe_id_has_one_form() {
        let expected = "spiffe://acme.example/agent/Fixer";
        for id in [expected, "SPIFFE://Acme.Example/agent/Fixer"] {
            assert_eq!(
                normal(Revocable::Principal, id).as_deref(),
                Some(expected),
                "{id}"
            );
            assert_eq!(trust_domain(id).as_deref(), Some("acme.example"));
        }
        assert!(!is_same(
            Revocable::Principal,
            expected,
            "spiffe://acme.example/agent/fixer"
        ));
        // An id that is not a SPIFFE ID may belong to an approver, for example.
        assert_eq!(
            normal(Revocable::Principal, "alice@acme.example").as_deref(),
            Some("alice@acme.example")
        );
        for id in [
            "Alice@acme.example",
            "alice@ACME.example",
            "ALICE@acme.example",
        ] {
            assert!(
                is_same(Revocable::Principal, id, "alice@acme.example"),
                "{id}"
            );
            assert!(
                !is_same(Revocable::Principal, id, "bob@acme.example"),
                "{id}"
            );
        }
        for id in [
            "//acme.example/agent/fixer",
            "spiffe%3A//acme.example/agent/fixer",
            "spiffe//acme.example/agent/fixer",
            "spiffe;//acme.example/agent/fixer",
            "spiffe://acme.example",
            "spiffe://acme.example/",
            "spiffe://acme.example/*",
            "*",
            " spiffe://acme.example/a",
            "spiffe://acme.example/a ",
            "x spiffe://acme.example/a",
            "urn:spiffe:acme.example",
            "spiffe://acme.example/../a",
            "spiffe://acme.example/a\u{202e}",
            "",
        ] {
            assert_eq!(normal(Revocable::Principal, id), None, "{id}");
        }
    }

    proptest! {
        #[test]
        fn a_normal_form_is_its_own(id in "[0-9a-fA-F:x -]{1,12}|[a-zA-Z0-9:/.-]{1,24}") {
            for kind in [
                Revocable::Principal,
                Revocable::Credential,
                Revocable::Plugin,
                Revocable::Intent,
            ] {
                if let Some(once) = normal(kind, &id) {
                    prop_assert_eq!(normal(kind, &once), Some(once.clone()));
                    prop_assert!(is_same(kind, &id, &once));
                }
            }
        }
    }
}
