//! The normal form of each kind of id that can be revoked.
//!
//! It is used wherever such an id comes in: `portcullis revoke`, security events, lines of the list,
//! certificates, and the lookups of each decision. Two spellings of one thing have one normal form.

use super::{ListError, Revocable};
use crate::request::begins_as_authority;
use portcullis_contract::name::fold;
use portcullis_contract::{excerpt, withheld};
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;

/// The prefix of a certificate's credential id: `x509:<issuer>:<serial>`.
const X509: &str = "x509:";

/// How many hexadecimal digits of a digest name the issuer of a certificate.
const ISSUER_DIGITS: usize = 32;

/// The most digits of a serial number in decimal; RFC 5280 allows 20 octets, which are 49 digits.
const MAX_DECIMAL_DIGITS: usize = 200;

/// An id as it is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key<'a> {
    /// The id in its normal form; of a certificate, its serial number.
    pub(crate) id: Cow<'a, str>,
    /// The issuer of the certificate, if the id names it.
    pub(crate) issuer: Option<Cow<'a, str>>,
}

impl<'a> Key<'a> {
    /// The id as it is written.
    fn written(self) -> Cow<'a, str> {
        match self.issuer {
            Some(issuer) => Cow::Owned(format!("{X509}{issuer}:{}", self.id)),
            None => self.id,
        }
    }
}

/// The normal form of `id`, in which it is written to the list and compared.
///
/// | kind | normal form |
/// |---|---|
/// | principal | scheme and trust domain of a SPIFFE ID in lower case; other ids without regard to case, folded |
/// | credential | a certificate's serial number in hexadecimal digits, lower case, without separators and leading zeros (`01:02:AB` is `102ab`), `x509:` and its issuer in lower case; `sha256:` in lower case; other ids as they are |
/// | plugin | `sha256:` and 64 hexadecimal digits in lower case |
/// | intent, integration | as they are |
///
/// # Errors
///
/// [`ListError::Id`] if no request can be known by it.
pub fn normal_id(kind: Revocable, id: &str) -> Result<String, ListError> {
    let normal = key(kind, id).written().into_owned();
    let expected = match kind {
        _ if normal.is_empty() => "an id: it is empty",
        _ if !is_plain(&normal) => {
            "an id as requests state it: it has white space, characters that are not shown, or `spiffe:` elsewhere than at its beginning; write it without"
        }
        Revocable::Principal if normal.contains('*') => {
            "the id of one principal: patterns are not revoked; revoke each principal, or remove the trust domain's bundle from `[trust]`"
        }
        Revocable::Principal if is_trust_domain(&normal) => {
            "the id of a principal but a trust domain: revoke its principals, or remove its bundle from `[trust]`"
        }
        Revocable::Principal
            if has_spiffe_scheme(&normal) && !crate::registry::is_spiffe_id(&normal) =>
        {
            "a SPIFFE ID, such as `spiffe://acme.example/agent/fixer`"
        }
        Revocable::Principal
            if !has_spiffe_scheme(&normal)
                && (names_spiffe(&normal) || begins_as_authority(&normal)) =>
        {
            "a SPIFFE ID: it has to begin with `spiffe://`"
        }
        Revocable::Plugin if normal.parse::<crate::plugin::Digest>().is_err() => {
            "a digest, `sha256:` and 64 hexadecimal digits"
        }
        _ => return Ok(normal),
    };
    Err(ListError::Id {
        id: excerpt(&withheld(id)),
        expected,
    })
}

/// The normal form of `id` for a lookup. Of an id that has none, it is the id.
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

/// The normal form of a credential's id, for what is counted and seen by it.
pub(crate) fn normal_credential(id: &str) -> Cow<'_, str> {
    key(Revocable::Credential, id).written()
}

/// Whether two spellings name the same thing of that kind.
pub fn is_same(kind: Revocable, one: &str, other: &str) -> bool {
    let (one, other) = (key(kind, one), key(kind, other));
    one.id == other.id && may_be_same_issuer(one.issuer.as_deref(), other.issuer.as_deref())
}

/// Whether the lift of `lifted` ends a revocation of `revoked`. Of a certificate of one issuer, it does not end
/// that of every issuer.
pub fn is_lifted(kind: Revocable, revoked: &str, lifted: &str) -> bool {
    let (revoked, lifted) = (key(kind, revoked), key(kind, lifted));
    revoked.id == lifted.id && lift_reaches(lifted.issuer.as_deref(), revoked.issuer.as_deref())
}

/// Whether a lift for certificates of `lifted`, or of every issuer, ends what is revoked of `revoked`.
pub(crate) fn lift_reaches(lifted: Option<&str>, revoked: Option<&str>) -> bool {
    lifted.is_none() || lifted == revoked
}

/// Whether two issuers of certificates may be one. Where an id does not name its issuer, it may be any.
pub(crate) fn may_be_same_issuer(one: Option<&str>, other: Option<&str>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}

/// The trust domain of a SPIFFE ID, in its normal form.
pub(crate) fn trust_domain(id: &str) -> Option<Cow<'_, str>> {
    let rest = strip_scheme(id)?;
    let domain = rest.split('/').next()?;
    Some(lower_case(domain))
}

/// The id of a certificate's credential: its serial number, with its issuer.
pub(crate) fn certificate_id(issuer: Option<&str>, serial: &str) -> Option<String> {
    let key = Key {
        id: hexadecimal(serial)?,
        issuer: issuer.map(Cow::Borrowed),
    };
    Some(key.written().into_owned())
}

/// Every serial number that `text` can mean. Digits alone may be hexadecimal, as certificates show them,
/// or decimal, as RFC 5280 counts them; neither is taken for the other, so that both are given.
pub fn serial_readings(text: &str) -> Vec<String> {
    let mut readings: Vec<String> = hexadecimal(text).map(Cow::into_owned).into_iter().collect();
    if let Some(decimal) = from_decimal(text.trim())
        && !readings.contains(&decimal)
    {
        readings.push(decimal);
    }
    readings
}

/// A name for the issuer of a certificate, made of its distinguished name: hexadecimal digits. Order,
/// case and spacing of the name do not matter, nor whether it is written as in RFC 4514 or as OpenSSL
/// writes it. Nothing if it cannot be told which issuer that is.
pub(crate) fn issuer_of(name: &str) -> Option<String> {
    let name = name.trim();
    let name = strip_prefix_of_any_case(name, "issuer=").unwrap_or(name);
    let attributes = attributes(name.trim())?;
    let is_known = |kind: &str| attribute_type(kind.trim()).is_some();
    attributes
        .iter()
        .all(|(kind, _)| is_known(kind))
        .then(|| issuer_of_attributes(attributes))?
}

/// As [`issuer_of`], of the attributes: their types, as names or dotted numbers, and their values.
pub(crate) fn issuer_of_attributes(
    attributes: impl IntoIterator<Item = (String, String)>,
) -> Option<String> {
    let mut normal: Vec<String> = attributes
        .into_iter()
        .map(|(kind, value)| {
            let value: Vec<_> = value.split_whitespace().map(str::to_lowercase).collect();
            let kind = attribute_type(kind.trim()).unwrap_or(kind);
            format!("{kind}={}", value.join(" "))
        })
        .collect();
    if normal.is_empty() {
        return None;
    }
    normal.sort();
    let digest = base16ct::lower::encode_string(&Sha256::digest(normal.join("\n")));
    digest.get(..ISSUER_DIGITS).map(str::to_owned)
}

/// One name for an attribute's type; nothing if it is known neither by its name nor as a dotted number. Lists have
/// names of issuers that are made of these, so they stay as they are.
fn attribute_type(kind: &str) -> Option<String> {
    let kind = kind.to_ascii_lowercase();
    let kind = kind.strip_prefix("oid.").unwrap_or(&kind);
    let name = match kind {
        "2.5.4.3" | "cn" | "commonname" => "cn",
        "2.5.4.5" | "serialnumber" => "serialnumber",
        "2.5.4.6" | "c" | "countryname" => "c",
        "2.5.4.7" | "l" | "localityname" => "l",
        "2.5.4.8" | "s" | "st" | "stateorprovincename" => "st",
        "2.5.4.9" | "street" | "streetaddress" => "street",
        "2.5.4.10" | "o" | "organizationname" => "o",
        "2.5.4.11" | "ou" | "organizationalunitname" => "ou",
        "0.9.2342.19200300.100.1.25" | "dc" | "domaincomponent" => "dc",
        "0.9.2342.19200300.100.1.1" | "uid" | "userid" => "uid",
        "1.2.840.113549.1.9.1" | "e" | "email" | "emailaddress" => "emailaddress",
        "sn" | "surname" => "2.5.4.4",
        "t" | "title" => "2.5.4.12",
        "description" => "2.5.4.13",
        "businesscategory" => "2.5.4.15",
        "postalcode" => "2.5.4.17",
        "name" => "2.5.4.41",
        "g" | "gn" | "givenname" => "2.5.4.42",
        "i" | "initials" => "2.5.4.43",
        "generationqualifier" => "2.5.4.44",
        "dnq" | "dnqualifier" => "2.5.4.46",
        "pseudonym" => "2.5.4.65",
        "organizationidentifier" => "2.5.4.97",
        "jurisdictionl" | "jurisdictionlocalityname" => "1.3.6.1.4.1.311.60.2.1.1",
        "jurisdictionst" | "jurisdictionstateorprovincename" => "1.3.6.1.4.1.311.60.2.1.2",
        "jurisdictionc" | "jurisdictioncountryname" => "1.3.6.1.4.1.311.60.2.1.3",
        other => {
            let is_number =
                |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            let is_dotted = other.contains('.') && other.split('.').all(is_number);
            return is_dotted.then(|| other.to_owned());
        }
    };
    Some(name.to_owned())
}

/// The attributes of a distinguished name, in the form of RFC 4514 or of OpenSSL's one line. Nothing if it is in
/// neither, or has a value in bytes (`#0c02…`).
fn attributes(name: &str) -> Option<Vec<(String, String)>> {
    let parts = match name.strip_prefix('/') {
        Some(name) => parts_of_one_line(name)?,
        None => parts_of_rfc_4514(name)?,
    };
    let parts = parts.into_iter().map(String::from_utf8);
    let parts: Vec<_> = parts.collect::<Result<_, _>>().ok()?;
    parts
        .iter()
        .filter(|part| !part.trim().is_empty())
        .map(|part| {
            let (kind, value) = part.split_once('=')?;
            Some((kind.to_owned(), value.to_owned()))
        })
        .collect()
}

/// The parts of a name in the form of RFC 4514: separators may be escaped or quoted, and bytes be written `\C3`.
fn parts_of_rfc_4514(name: &str) -> Option<Vec<Vec<u8>>> {
    let mut parts = vec![Vec::new()];
    let mut is_quoted = false;
    let mut letters = name.chars();
    while let Some(letter) = letters.next() {
        let part = parts.last_mut()?;
        // Whether the value of the part begins here.
        let begins = part.trim_ascii_end().ends_with(b"=")
            && part.iter().filter(|byte| **byte == b'=').count() == 1;
        match letter {
            '\\' => match escaped_byte(letters.as_str()) {
                Some(byte) => {
                    part.push(byte);
                    letters.nth(1);
                }
                None => push(part, letters.next()?),
            },
            '"' if is_quoted => is_quoted = false,
            '"' if begins => is_quoted = true,
            '"' => return None,
            '#' if begins && !is_quoted => return None,
            ',' | '+' | ';' if !is_quoted => parts.push(Vec::new()),
            letter => push(part, letter),
        }
    }
    (!is_quoted).then_some(parts)
}

/// The parts of a name as OpenSSL writes it on one line: only bytes are escaped, `\xC3`.
fn parts_of_one_line(name: &str) -> Option<Vec<Vec<u8>>> {
    let mut parts = vec![Vec::new()];
    let mut letters = name.chars();
    while let Some(letter) = letters.next() {
        let part = parts.last_mut()?;
        let byte = (letter == '\\')
            .then(|| escaped_byte(letters.as_str().strip_prefix('x')?))
            .flatten();
        match (letter, byte) {
            (_, Some(byte)) => {
                part.push(byte);
                letters.nth(2);
            }
            ('/', None) => parts.push(Vec::new()),
            (letter, None) => push(part, letter),
        }
    }
    Some(parts)
}

/// The byte that `text` begins with in two hexadecimal digits.
fn escaped_byte(text: &str) -> Option<u8> {
    let digits = text.get(..2)?;
    let are_digits = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    are_digits.then(|| u8::from_str_radix(digits, 16).ok())?
}

fn push(part: &mut Vec<u8>, letter: char) {
    part.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
}

fn is_issuer(text: &str) -> bool {
    text.len() == ISSUER_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A serial number in hexadecimal digits, lower case, without separators and leading zeros; nothing if
/// it is something else. Separators stand between bytes, so that a UUID is no serial number.
fn hexadecimal(text: &str) -> Option<Cow<'_, str>> {
    let text = ["serial=", "serial:", "0x"]
        .iter()
        .find_map(|prefix| strip_prefix_of_any_case(text, prefix))
        .unwrap_or(text)
        .trim();
    let is_hexadecimal =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let digits = if is_hexadecimal(text) {
        Cow::Borrowed(text)
    } else {
        let separator = [':', '-', ' ']
            .into_iter()
            .find(|separator| text.contains(*separator))?;
        let bytes: Vec<_> = text.split(separator).map(str::trim).collect();
        let are_bytes = bytes.len() > 1
            && bytes
                .iter()
                .all(|byte| (1..=2).contains(&byte.len()) && is_hexadecimal(byte));
        if !are_bytes {
            return None;
        }
        Cow::Owned(bytes.iter().map(|byte| format!("{byte:0>2}")).collect())
    };
    let short = digits.trim_start_matches('0');
    let is_zero = short.is_empty();
    let is_normal = short.len() == digits.len() && !short.bytes().any(|b| b.is_ascii_uppercase());
    Some(match digits {
        _ if is_zero => Cow::Borrowed("0"),
        digits if is_normal => digits,
        digits => Cow::Owned(digits.trim_start_matches('0').to_ascii_lowercase()),
    })
}

/// The hexadecimal digits of a number that is written in decimal ones.
fn from_decimal(text: &str) -> Option<String> {
    let is_decimal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_decimal || text.len() > MAX_DECIMAL_DIGITS {
        return None;
    }
    // Little-endian, in digits of base 16.
    let mut number: Vec<u8> = vec![0];
    for byte in text.bytes() {
        let mut carry = u32::from(byte - b'0');
        for digit in &mut number {
            let next = u32::from(*digit) * 10 + carry;
            *digit = u8::try_from(next % 16).ok()?;
            carry = next / 16;
        }
        while carry > 0 {
            number.push(u8::try_from(carry % 16).ok()?);
            carry /= 16;
        }
    }
    let digits: String = number
        .iter()
        .rev()
        .filter_map(|digit| char::from_digit(u32::from(*digit), 16))
        .collect();
    let short = digits.trim_start_matches('0');
    Some(if short.is_empty() { "0" } else { short }.to_owned())
}

/// A SHA-256 digest in its normal form.
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

/// A SPIFFE ID with scheme and trust domain in lower case (RFC 3986, section 6.2.2.1). The issuer of another id, such
/// as an e-mail address, may ignore case in it, so that a revocation of one holds for all of its spellings.
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

fn strip_prefix_of_any_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (begin, rest) = text.split_at_checked(prefix.len())?;
    begin.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn lower_case(text: &str) -> Cow<'_, str> {
    match text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(text.to_ascii_lowercase()),
        false => Cow::Borrowed(text),
    }
}

/// Whether an id is one that a request can state.
fn is_plain(id: &str) -> bool {
    portcullis_contract::name::check_identifier(id).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
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
        // Others are as they are.
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
    fn an_issuer_has_one_name() {
        let expected = issuer_of("CN=Acme CA,O=Acme\\, Inc.,C=US").unwrap();
        for name in [
            "C=US, O=Acme\\, Inc., CN=Acme CA",
            "cn = acme  ca, o = \"Acme, Inc.\", c = us",
            "/C=US/O=Acme, Inc./CN=Acme CA",
            "2.5.4.3=Acme CA;OID.2.5.4.10=Acme\\, Inc.;countryName=US",
        ] {
            assert_eq!(
                issuer_of(name).as_deref(),
                Some(expected.as_str()),
                "{name}"
            );
        }
        assert_ne!(issuer_of("CN=Acme CA").unwrap(), expected);
        assert_eq!(issuer_of("Acme CA"), None);
        assert_eq!(issuer_of(""), None);
    }

    #[test]
    fn an_issuer_has_one_name_however_it_is_escaped() {
        for (one, others) in [
            (
                "O=Acme\\, Inc.,CN=CA",
                &[
                    "O=Acme\\2C Inc.,CN=CA",
                    "O=\"Acme, Inc.\",CN=CA",
                    "issuer=CN = CA, O = \"Acme, Inc.\"",
                    "issuer=/O=Acme, Inc./CN=CA",
                    "CN=\\43\\41,O=Acme\\, Inc.",
                ][..],
            ),
            (
                "O=Café,CN=CA",
                &[
                    "O=Caf\\C3\\A9,CN=CA",
                    "O=Caf\\c3\\a9,CN=CA",
                    "/O=Caf\\xC3\\xA9/CN=CA",
                ][..],
            ),
            (
                "2.5.4.42=Ann,CN=CA",
                &["GN=Ann,CN=CA", "givenName=Ann,CN=CA", "G=Ann,cn=CA"][..],
            ),
            (
                "2.5.4.4=Lee",
                &["SN=Lee", "surname=Lee", "OID.2.5.4.4=Lee"][..],
            ),
            ("2.5.4.12=Dr", &["title=Dr", "T=Dr"][..]),
            ("2.5.4.17=1", &["postalCode=1"][..]),
            ("2.5.4.97=X", &["organizationIdentifier=X"][..]),
            ("O=The \\\"Acme\\\" Co", &["/O=The \"Acme\" Co"][..]),
        ] {
            let expected = issuer_of(one);
            assert!(expected.is_some(), "{one}");
            for other in others {
                assert_eq!(issuer_of(other), expected, "{one}: {other}");
            }
        }
        // As the certificate has it: dotted numbers and plain text.
        let certificate = |attributes: &[(&str, &str)]| {
            let owned = |(kind, value): &(&str, &str)| ((*kind).to_owned(), (*value).to_owned());
            issuer_of_attributes(attributes.iter().map(owned))
        };
        assert_eq!(
            issuer_of("postalCode=1234,O=Caf\\C3\\A9"),
            certificate(&[("2.5.4.10", "Café"), ("2.5.4.17", "1234")])
        );
        assert_eq!(
            issuer_of("1.2.3.4=a"),
            certificate(&[("1.2.3.4", "A")]),
            "a number that has no name"
        );
        // Where it cannot be told which one it is, it is any.
        for name in [
            "O=#0c0441636d65,CN=CA",
            "favouriteColour=red,CN=CA",
            "O=Acme\\FF,CN=CA",
            "O=\"Acme,CN=CA",
            "O=The \"Acme\" Co",
            "CN=CA\\",
        ] {
            assert_eq!(issuer_of(name), None, "{name}");
        }
        assert!(issuer_of("O=\\#1 Acme").is_some());
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
        // Not the id of a certificate.
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
        // What is no SPIFFE ID may be that of somebody else, such as an approver.
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
