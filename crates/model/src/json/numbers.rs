//! Numbers that every reader reads as the same value.

use portcullis_contract::excerpt;
use serde_json::Number;

/// Largest whole number that every JSON reader reads exactly: 2^53 - 1.
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// Maximum number of significant digits that a double preserves in every decimal.
const DIGITS_OF_A_DOUBLE: usize = 15;

/// A number of a document that readers round differently.
pub(super) struct Inexact {
    /// Position among the numbers of the document, from 0.
    pub(super) ordinal: usize,
    pub(super) text: String,
}

/// Finds the first number in a JSON document that readers round differently.
///
/// The parser rounds numbers before any other code sees them, so this function reads their text. The parser
/// refuses text that is not JSON.
pub(super) fn first_inexact(json: &[u8]) -> Option<Inexact> {
    let mut rest = json;
    let mut ordinal = 0;
    while let Some((first, after)) = rest.split_first() {
        match first {
            b'"' => rest = after_text(after),
            b'-' | b'0'..=b'9' => {
                let is_of_it =
                    |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
                let end = rest.iter().position(|byte| !is_of_it(byte));
                let (number, after) = rest.split_at(end.unwrap_or(rest.len()));
                // So few bytes hold at most as many digits, and without an exponent the number is not large.
                let is_short = number.len() <= DIGITS_OF_A_DOUBLE
                    && !number.iter().any(|byte| matches!(byte, b'e' | b'E'));
                if !is_short {
                    let text = std::str::from_utf8(number).unwrap_or_default();
                    if !is_exact_text(text) {
                        let text = excerpt(text);
                        return Some(Inexact { ordinal, text });
                    }
                }
                ordinal += 1;
                rest = after;
            }
            _ => rest = after,
        }
    }
    None
}

/// Returns the rest of a JSON document after the string that begins here.
fn after_text(json: &[u8]) -> &[u8] {
    let mut rest = json;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')) {
        let skipped = if rest.get(at) == Some(&b'"') {
            at + 1
        } else {
            at + 2
        };
        let is_end = skipped == at + 1;
        rest = rest.get(skipped..).unwrap_or_default();
        if is_end {
            return rest;
        }
    }
    &[]
}

/// True if every reader reads the number, as written, as the same value.
///
/// Its digits are those of the nearest double. A whole number is at most 2^53 - 1, or has few digits and is
/// written with an exponent or a fraction, so that no reader takes it for an integer.
pub(crate) fn is_exact_text(number: &str) -> bool {
    let plain = number.strip_prefix('-').unwrap_or(number);
    if plain.bytes().all(|byte| byte.is_ascii_digit()) {
        return plain
            .parse()
            .is_ok_and(|whole: u64| whole <= MAX_SAFE_INTEGER);
    }
    let Ok(nearest) = plain.parse::<f64>() else {
        // The parser refuses text that is not a number.
        return true;
    };
    // The parser refuses numbers beyond every double.
    nearest.is_infinite()
        || (digits(plain) == digits(&format!("{nearest:e}")) && is_exact_float(nearest))
}

/// Returns the significant digits of a decimal number without a sign.
fn digits(number: &str) -> String {
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    digits.trim_matches('0').to_owned()
}

pub(super) fn is_exact(number: &Number) -> bool {
    match (number.as_i64(), number.as_u64()) {
        (Some(signed), _) => signed.unsigned_abs() <= MAX_SAFE_INTEGER,
        (None, Some(_)) => false,
        (None, None) => number.as_f64().is_some_and(is_exact_float),
    }
}

/// True if a double is distinct from adjacent whole numbers, or has a fraction.
fn is_exact_float(float: f64) -> bool {
    float.fract() != 0.0
        || float.abs() <= MAX_SAFE_INTEGER as f64
        || digits(&format!("{:e}", float.abs())).len() <= DIGITS_OF_A_DOUBLE
}
