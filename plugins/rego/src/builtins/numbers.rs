//! Builtins for numbers.

use super::{Builtin, Fault, Outcome, kind, text, upstream, whole};
use regorus::Value;

pub(super) const BUILTINS: &[Builtin] = &[
    ("to_number", 1, to_number),
    ("format_int", 2, format_int),
    ("numbers.range", 2, range),
    ("numbers.range_step", 3, range_step),
    ("bits.lsh", 2, shifted_left),
    ("bits.rsh", 2, shifted_right),
    ("units.parse", 1, units),
    ("units.parse_bytes", 1, bytes),
    ("semver.compare", 2, compare_versions),
    ("semver.is_valid", 1, is_version),
];

/// Maximum length of a range.
const MOST_OF_A_RANGE: u64 = 100_000;

/// Maximum shift in bits.
const MOST_BITS: i64 = 4096;

/// Reads a text as Go's `strconv.ParseFloat` does, without white space.
fn to_number(arguments: &[Value]) -> Outcome {
    match arguments.first() {
        Some(Value::Null | Value::Bool(false)) => Ok(Value::from(0_u64)),
        Some(Value::Bool(true)) => Ok(Value::from(1_u64)),
        Some(number @ Value::Number(_)) => Ok(number.clone()),
        Some(Value::String(text)) => number_of(text),
        other => Fault::erring(format!(
            "argument 1 is null, a boolean, a number or a text, not {}",
            kind(other)
        )),
    }
}

fn number_of(text: &str) -> Outcome {
    let (sign, unsigned) = match text.as_bytes().first() {
        Some(b'-') => ("-", text.get(1..).unwrap_or_default()),
        Some(b'+') => ("", text.get(1..).unwrap_or_default()),
        _ => ("", text),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_exponent = |text: &str| {
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        !digits.is_empty() && are_digits(digits)
    };
    let is_number = are_digits(before)
        && are_digits(after)
        && !(before.is_empty() && after.is_empty())
        && exponent.is_none_or(is_exponent);
    if !is_number {
        if unsigned.starts_with("0x") || unsigned.starts_with("0X") {
            return Fault::unsupported("a hexadecimal text is not supported");
        }
        return Fault::erring("the text is no number");
    }
    let whole = before.trim_start_matches('0');
    let mut json = format!("{sign}{}", if whole.is_empty() { "0" } else { whole });
    if !after.is_empty() {
        json.push('.');
        json.push_str(after);
    }
    if let Some(exponent) = exponent {
        json.push('e');
        json.push_str(exponent);
    }
    if !json.parse::<f64>().is_ok_and(f64::is_finite) {
        return Fault::erring("the text is too large a number");
    }
    match Value::from_numeric_string(&json) {
        Ok(number @ Value::Number(_)) => Ok(number),
        _ => Fault::unsupported("the text is no number that is supported"),
    }
}

/// Formats the whole part in base 2, 8, 10 or 16.
fn format_int(arguments: &[Value]) -> Outcome {
    let Some(Value::Number(number)) = arguments.first() else {
        return Fault::erring(format!(
            "argument 1 is a number, not {}",
            kind(arguments.first())
        ));
    };
    let base = whole(arguments, 1)?;
    let is_negative = !number.is_positive();
    let whole = number.abs().floor();
    let digits = match base {
        2 => whole.format_bin(),
        8 => whole.format_octal(),
        10 => whole.format_decimal(),
        16 => whole.format_hex(),
        _ => return Fault::erring("argument 2 is 2, 8, 10 or 16"),
    };
    let sign = if is_negative && digits != "0" {
        "-"
    } else {
        ""
    };
    Ok(Value::from(format!("{sign}{digits}")))
}

fn range(arguments: &[Value]) -> Outcome {
    list(whole(arguments, 0)?, whole(arguments, 1)?, 1)
}

fn range_step(arguments: &[Value]) -> Outcome {
    let (from, to) = (whole(arguments, 0)?, whole(arguments, 1)?);
    match u64::try_from(whole(arguments, 2)?) {
        Ok(step) if step > 0 => list(from, to, step),
        _ => Fault::erring("argument 3 is greater than 0"),
    }
}

/// Returns the numbers from `from` to `to`, both included.
fn list(from: i64, to: i64, step: u64) -> Outcome {
    let steps = from.abs_diff(to) / step;
    if steps >= MOST_OF_A_RANGE {
        return Fault::unsupported(format!("a range has at most {MOST_OF_A_RANGE} numbers"));
    }
    let number = |position: u64| {
        let distance = position.saturating_mul(step);
        if from <= to {
            from.saturating_add_unsigned(distance)
        } else {
            from.saturating_sub_unsigned(distance)
        }
    };
    Ok((0..=steps)
        .map(|position| Value::from(number(position)))
        .collect::<Vec<_>>()
        .into())
}

fn shifted_left(arguments: &[Value]) -> Outcome {
    if whole(arguments, 1)? > MOST_BITS {
        return Fault::unsupported(format!("a number is shifted by at most {MOST_BITS} bits"));
    }
    upstream("bits.lsh", arguments)
}

fn shifted_right(arguments: &[Value]) -> Outcome {
    whole(arguments, 1)?;
    upstream("bits.rsh", arguments)
}

fn units(arguments: &[Value]) -> Outcome {
    measured("units.parse", arguments)
}

fn bytes(arguments: &[Value]) -> Outcome {
    measured("units.parse_bytes", arguments)
}

/// Refuses a `_` among digits, which `regorus` would skip.
fn measured(name: &str, arguments: &[Value]) -> Outcome {
    if text(arguments, 0)?.contains('_') {
        return Fault::erring("the text has a `_`");
    }
    match upstream(name, arguments)? {
        Value::Undefined => Fault::erring("the text has no unit that is known"),
        value => Ok(value),
    }
}

/// Refuses leading zeros: OPA releases differ in whether `01.0.0` is a version.
fn version(arguments: &[Value], position: usize) -> Result<(), Fault> {
    let numbers = text(arguments, position)?.split(['.', '-', '+']).take(3);
    let mut zeros = numbers.filter(|number| number.len() > 1 && number.starts_with('0'));
    match zeros.next() {
        Some(_) => Fault::unsupported("a number of the version has a leading zero"),
        None => Ok(()),
    }
}

fn compare_versions(arguments: &[Value]) -> Outcome {
    version(arguments, 0)?;
    version(arguments, 1)?;
    upstream("semver.compare", arguments)
}

fn is_version(arguments: &[Value]) -> Outcome {
    if text(arguments, 0).is_err() {
        return Ok(Value::from(false));
    }
    version(arguments, 0)?;
    upstream("semver.is_valid", arguments)
}

#[cfg(test)]
mod tests {
    use crate::builtins::testing::gives;

    #[test]
    fn a_text_is_a_number_without_white_space() {
        for (text, expected) in [
            ("12", Some("12")),
            ("-1.50", Some("-1.5")),
            ("+5", Some("5")),
            (".5", Some("0.5")),
            ("5.", Some("5")),
            ("007", Some("7")),
            ("1e3", Some("1000")),
            ("18446744073709551617", Some("18446744073709551617")),
            (" 1", None),
            ("1 ", None),
            ("1\n", None),
            ("", None),
            (".", None),
            ("e5", None),
            ("1e", None),
            ("1e400", None),
            ("0x10", None),
            ("1_000", None),
            ("inf", None),
            ("NaN", None),
            ("--1", None),
            ("١", None),
        ] {
            gives("to_number", &[&format!("`{text}`")], expected);
        }
        gives("to_number", &["true"], Some("1"));
        gives("to_number", &["null"], Some("0"));
        gives("to_number", &["[]"], None);
    }

    #[test]
    fn formats_the_whole_part() {
        gives("format_int", &["15.9", "16"], Some("`f`"));
        gives("format_int", &["-15.9", "10"], Some("`-15`"));
        gives("format_int", &["-0.5", "10"], Some("`0`"));
        gives("format_int", &["5", "3"], None);
        gives("format_int", &["5", "2.5"], None);
    }

    #[test]
    fn units_and_versions_have_one_reading() {
        gives("units.parse", &["`1Ki`"], Some("1024"));
        gives("units.parse", &["`1_0`"], None);
        gives("units.parse", &["`1 K`"], None);
        gives("units.parse", &["`1zz`"], None);
        gives("units.parse_bytes", &["`1_0KB`"], None);
        gives("units.parse_bytes", &["`2KB`"], Some("2000"));
        gives("semver.compare", &["`1.10.0`", "`1.9.0`"], Some("1"));
        gives("semver.compare", &["`1.0.0`", "`01.0.0`"], None);
        gives("semver.is_valid", &["`1.0`"], Some("false"));
        gives("semver.is_valid", &["1"], Some("false"));
        gives("semver.is_valid", &["`1.00.0`"], None);
    }

    #[test]
    fn ranges_end() {
        gives("numbers.range", &["1", "3"], Some("[1, 2, 3]"));
        gives("numbers.range", &["3", "1"], Some("[3, 2, 1]"));
        gives("numbers.range", &["1", "1"], Some("[1]"));
        gives("numbers.range", &["1", "1.5"], None);
        gives(
            "numbers.range",
            &["-9223372036854775808", "9223372036854775807"],
            None,
        );
        gives("numbers.range", &["0", "1000000000000"], None);
        gives("numbers.range_step", &["0", "5", "2"], Some("[0, 2, 4]"));
        gives("numbers.range_step", &["5", "0", "2"], Some("[5, 3, 1]"));
        gives("numbers.range_step", &["0", "5", "0"], None);
        gives("numbers.range_step", &["0", "5", "-1"], None);
        gives("bits.lsh", &["1", "3"], Some("8"));
        gives("bits.lsh", &["1", "4000000000"], None);
        gives("bits.lsh", &["1", "-1"], None);
    }
}
