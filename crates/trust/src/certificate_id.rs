//! Ids of certificates: serial numbers and short names of issuers.

use sha2::{Digest as _, Sha256};
use std::borrow::Cow;

/// The prefix of a certificate's credential id: `x509:<issuer>:<serial>`.
pub(crate) const X509: &str = "x509:";

/// Number of hexadecimal digits of the digest that names an issuer.
const ISSUER_DIGITS: usize = 32;

/// Maximum number of digits of a decimal serial number.
///
/// RFC 5280 allows 20 octets, which are 49 digits.
const MAX_DECIMAL_DIGITS: usize = 200;

/// Credential id of the certificate with this issuer and serial number.
pub(crate) fn of_issuer(issuer: &str, serial: &str) -> String {
    format!("{X509}{issuer}:{serial}")
}

/// Credential id of a certificate, with its issuer if that is known.
///
/// `None` if `serial` is not a serial number.
pub(crate) fn certificate_id(issuer: Option<&str>, serial: &str) -> Option<String> {
    let serial = hexadecimal(serial)?;
    Some(match issuer {
        Some(issuer) => of_issuer(issuer, &serial),
        None => serial.into_owned(),
    })
}

/// Returns every serial number that `text` can mean.
///
/// Digits without letters may be hexadecimal, as tools print certificates, or decimal, as RFC 5280 counts.
/// The text does not show which, so that both readings are returned.
pub fn serial_readings(text: &str) -> Vec<String> {
    let mut readings: Vec<String> = hexadecimal(text).map(Cow::into_owned).into_iter().collect();
    if let Some(decimal) = from_decimal(text.trim())
        && !readings.contains(&decimal)
    {
        readings.push(decimal);
    }
    readings
}

/// Short name of an issuer, derived from its distinguished name, in hexadecimal digits.
///
/// Order, case and spacing of the distinguished name do not matter, and it may be written in the form of RFC
/// 4514 or of OpenSSL. `None` if the text does not identify an issuer.
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

/// As [`issuer_of`], from parsed attributes.
///
/// Each attribute is a type, as a name or a dotted number, and a value.
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

/// Canonical name of an attribute type.
///
/// `None` if the type is neither a known name nor a dotted number. Existing revocation lists contain issuer
/// names derived from these spellings, so that the spellings must not change.
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

/// Attributes of a distinguished name in RFC 4514 form or OpenSSL's one-line form.
///
/// `None` if the name has neither form, or contains a value in bytes (`#0c02…`).
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

/// Splits a distinguished name in RFC 4514 form.
///
/// Separators may be escaped or quoted, and bytes may be written as `\C3`.
fn parts_of_rfc_4514(name: &str) -> Option<Vec<Vec<u8>>> {
    let mut parts = vec![Vec::new()];
    let mut is_quoted = false;
    let mut letters = name.chars();
    while let Some(letter) = letters.next() {
        let part = parts.last_mut()?;
        // True if the value of the part begins at this letter.
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

/// Splits a distinguished name in OpenSSL's one-line form.
///
/// Only bytes are escaped in it, as `\xC3`.
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

/// Byte that the first two hexadecimal digits of `text` encode.
fn escaped_byte(text: &str) -> Option<u8> {
    let digits = text.get(..2)?;
    let are_digits = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    are_digits.then(|| u8::from_str_radix(digits, 16).ok())?
}

fn push(part: &mut Vec<u8>, letter: char) {
    part.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
}

/// True if `text` has the form that [`issuer_of`] returns.
pub(crate) fn is_issuer(text: &str) -> bool {
    text.len() == ISSUER_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Normal form of a serial number in hexadecimal digits.
///
/// The result is in lower case, without separators and leading zeros. `None` if `text` is not a serial
/// number. Separators stand between bytes, so that a UUID is not a serial number.
pub(crate) fn hexadecimal(text: &str) -> Option<Cow<'_, str>> {
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

/// Converts a number from decimal to hexadecimal digits.
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

/// Strips `prefix` from `text`, ignoring ASCII case.
pub(crate) fn strip_prefix_of_any_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (begin, rest) = text.split_at_checked(prefix.len())?;
    begin.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        // Dotted numbers and plain text, as a certificate encodes them.
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
        // A name that does not identify an issuer matches every issuer.
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
}
