//! Paths and URLs: decoding, the authority and the query.

use super::error::NameError;
use crate::text::is_invisible;
use std::borrow::Cow;

/// Decodes the two hexadecimal digits after a `%`. `text` begins after the `%`.
fn encoded_byte(text: &str) -> Option<u8> {
    let digits = text.get(..2)?;
    let are_digits = digits.bytes().all(|b| b.is_ascii_hexdigit());
    u8::from_str_radix(digits, 16).ok().filter(|_| are_digits)
}

/// Decodes percent-encodings once.
pub(super) fn decoded(text: &str) -> Result<Cow<'_, str>, NameError> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend(parts.next().unwrap_or_default().bytes());
    for part in parts {
        match encoded_byte(part) {
            None => return Err(NameError::Encoding("no character")),
            Some(b'/') => return Err(NameError::Encoding("`/`")),
            Some(b'.') => return Err(NameError::Encoding("`.`")),
            Some(code) => bytes.push(code),
        }
        bytes.extend(part.bytes().skip(2));
    }
    let text = String::from_utf8(bytes).map_err(|_| NameError::Encoding("no UTF-8"))?;
    Ok(Cow::Owned(text))
}

/// Decodes percent-encodings of ASCII characters once. All other text is unchanged.
pub(super) fn decoded_where_possible(text: &str) -> String {
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match encoded_byte(part).filter(u8::is_ascii) {
            Some(code) => {
                decoded.push(char::from(code));
                decoded.push_str(part.get(2..).unwrap_or_default());
            }
            None => {
                decoded.push('%');
                decoded.push_str(part);
            }
        }
    }
    decoded
}

/// Checks the query or fragment of a URL, which must be one line.
///
/// Readers that resolve the place ignore the text after `?` or `#`.
pub(super) fn check_query(query: &str) -> Result<(), NameError> {
    match query.chars().find(|c| c.is_control() || is_invisible(*c)) {
        Some(hidden) => Err(NameError::Invisible(hidden.into())),
        None if query.contains('\\') => Err(NameError::Delimiter(
            '\\',
            "which some readers take for `/`: write `/`",
        )),
        None if query.contains(char::is_whitespace) => Err(NameError::WhiteSpace),
        None => Ok(()),
    }
}

pub(super) fn check_authority(authority: &str) -> Result<(), NameError> {
    if authority.contains('@') {
        return Err(NameError::Authority("a user"));
    }
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            let canonical = port.parse::<u16>().is_ok_and(|it| it.to_string() == port);
            if !canonical {
                return Err(NameError::Authority("a port that is no number"));
            }
            host
        }
        _ => authority,
    };
    if host.starts_with('[') {
        let inner = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let address = inner.and_then(|it| it.parse::<std::net::Ipv6Addr>().ok());
        return match address.is_some_and(|it| Some(&*it.to_string()) == inner) {
            true => Ok(()),
            false => Err(NameError::Authority(
                "an address in another spelling than its own",
            )),
        };
    }
    let allowed =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'_');
    if !host.bytes().all(allowed) {
        return Err(NameError::Authority(
            "another character than `a` to `z`, `0` to `9`, `-` and `.`",
        ));
    }
    if host.split('.').any(str::is_empty) {
        return Err(NameError::Authority("an empty label"));
    }
    // Readers take a host that ends with a number for an IP address, in octal and hexadecimal too.
    let last = host.rsplit('.').next().unwrap_or_default();
    let hexadecimal = last.strip_prefix("0x");
    let is_number = last.bytes().all(|b| b.is_ascii_digit())
        || hexadecimal.is_some_and(|it| it.bytes().all(|b| b.is_ascii_hexdigit()));
    match is_number && host.parse::<std::net::Ipv4Addr>().is_err() {
        true => Err(NameError::Authority(
            "an address in another spelling than its own",
        )),
        false => Ok(()),
    }
}

/// True if the text can be the scheme of a URL.
pub(crate) fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}
