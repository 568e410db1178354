//! Paths: the spelling that every server reads alike.

use super::error::{MapError, Place};
use portcullis_contract::name;

/// Refuses a path that servers could resolve differently.
///
/// A path has one spelling, the normal form of RFC 3986, section 6.2.2: hexadecimal digits in upper case, and no encoding
/// of letters, digits, `-`, `.`, `_` and `~`. The decoded segments must meet [`name::check_path`], which refuses dot
/// segments, empty segments (also at the end), and encoded separators.
pub(super) fn check(path: &str) -> Result<(), MapError> {
    let wrong = |why: String| Err(MapError::new(Place::Path, why));
    if !path.starts_with('/') {
        return wrong("a path begins with `/`".to_owned());
    }
    if let Some(other) = path.chars().find(|c| !is_path_character(*c)) {
        return wrong(format!(
            "`{}` is no character of a path: percent-encode it",
            other.escape_default()
        ));
    }
    let mut encoded = path.split('%');
    encoded.next();
    for code in encoded {
        let digits = code.get(..2).unwrap_or_default();
        let Some(byte) = upper_hexadecimal(digits) else {
            return wrong(format!(
                "`%{}` is no percent-encoding of two digits in upper case",
                digits.escape_default()
            ));
        };
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            return wrong(format!(
                "`%{digits}` encodes `{}`, which is sent as it is",
                char::from(byte)
            ));
        }
    }
    if path == "/" {
        return Ok(());
    }
    name::check_path(path).or_else(|error| wrong(error.to_string()))
}

/// True for `pchar` (RFC 3986, section 3.3), `/` and `%`.
fn is_path_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/%".contains(c)
}

fn upper_hexadecimal(digits: &str) -> Option<u8> {
    let is_upper = |b: u8| b.is_ascii_digit() || (b'A'..=b'F').contains(&b);
    let are_two = digits.len() == 2 && digits.bytes().all(is_upper);
    u8::from_str_radix(digits, 16).ok().filter(|_| are_two)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_a_path_in_its_one_spelling() {
        for path in [
            "/",
            "/v1/customers/acme-eu/invoices",
            "/v1/caf%C3%A9",
            "/v1/a%20b",
            "/v1/jobs/7:cancel",
            "/users/a@b.example",
            "/v1/a+b,c=d&e",
            "/.well-known/x",
        ] {
            assert_eq!(check(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn refuses_a_path_that_a_server_could_read_as_another() {
        for path in [
            "",
            "v1/a",
            "*",
            "//a",
            "/v1//a",
            "/v1/a/",
            "/v1/./a",
            "/v1/../a",
            "/v1/%2e%2e/a",
            "/v1/%2E%2E/a",
            "/v1/..%2Fa",
            "/v1/a%2Fb",
            "/v1/a%2fb",
            "/v1/a%5Cb",
            "/v1/a\\b",
            "/v1/a%252Fb",
            "/v1/a%25",
            "/v1/a%00",
            "/v1/a%0D%0Ab",
            "/v1/a%7F",
            "/v1/a;b=c",
            "/v1/a%3Bb",
            "/v1/a%3Fb",
            "/v1/a%23b",
            "/v1/%61dmin",
            "/v1/caf%c3%a9",
            "/v1/caf\u{e9}",
            "/v1/%C3",
            "/v1/%FF%FE",
            "/v1/%C0%AF",
            "/v1/a%",
            "/v1/a%2",
            "/v1/a%GG",
            "/v1/a%u002F",
            "/v1/%EF%BC%8F",
            "/v1/%E2%80%8Ba",
            "/v1/a%20",
            "/v1/a.",
            "/v1/a b",
            "/v1/a#b",
            "/v1/a*",
            "/v1/a\"b",
            "/v1/{a}",
            "/v1/a|b",
        ] {
            assert_eq!(
                check(path).map_err(|error| error.place().clone()),
                Err(Place::Path),
                "{path}"
            );
        }
    }
}
