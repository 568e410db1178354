//! Comparison of JSON values with an operand.

use crate::work;
use serde_json::{Number, Value};
use std::cmp::Ordering;

/// The texts in a list.
pub(super) fn texts_of(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

/// True if two JSON values are equal. Numbers are compared by value.
///
/// False if the budget is exhausted.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    // Equal texts are compared at several characters a step.
    let length = a.as_str().map_or(0, |text| text.len() / 8);
    if !work::take(length) {
        return false;
    }
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => compare_numbers(a, b) == Some(Ordering::Equal),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

pub(super) fn contains(list: &Value, item: &Value) -> bool {
    list.as_array()
        .is_some_and(|list| list.iter().any(|other| same(other, item)))
}

pub(super) fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => compare_numbers(a, b),
        _ => None,
    }
}

/// Compares whole numbers exactly and others as doubles.
fn compare_numbers(a: &Number, b: &Number) -> Option<Ordering> {
    match (a.as_i128(), b.as_i128()) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

pub(super) fn length(value: &Value) -> Option<u64> {
    let length = match value {
        Value::String(text) if !work::take(text.len() / 8) => return None,
        Value::String(text) => text.chars().count(),
        Value::Array(items) => items.len(),
        _ => return None,
    };
    u64::try_from(length).ok()
}

pub(super) fn each_text(
    argument: &Value,
    operand: &Value,
    meets: impl Fn(&str, &str) -> bool,
) -> bool {
    let Some(operand) = operand.as_str() else {
        return false;
    };
    let meets =
        |text: &str, operand: &str| work::take(operand.len() + text.len()) && meets(text, operand);
    match argument {
        Value::String(text) => meets(text, operand),
        // Tools read an empty list as all items or as none, so it meets no text constraint.
        Value::Array(items) => {
            let meets = |item: &Value| item.as_str().is_some_and(|text| meets(text, operand));
            !items.is_empty() && items.iter().all(meets)
        }
        _ => false,
    }
}

/// True if the value is the text of a day, as in `2026-11-28`.
pub(super) fn is_day(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|text| day_of(text) == Some(text))
}

/// The day of a text that is a day, or a time without an offset or with `Z`, as in RFC 3339.
///
/// `None` for other texts: a time with another offset may be on two days.
pub fn day_of(text: &str) -> Option<&str> {
    let (day, rest) = text.split_at_checked(10)?;
    let number = |range: std::ops::Range<usize>| -> Option<u32> {
        let digits = day.get(range)?;
        digits
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then_some(())?;
        digits.parse().ok()
    };
    let (year, month, date) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let has_hyphens = day.get(4..5) == Some("-") && day.get(7..8) == Some("-");
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    (has_hyphens && (1..=last).contains(&date) && (rest.is_empty() || is_time(rest))).then_some(day)
}

/// True for the rest of a time after its day, as in `T09:30`, ` 09:30:00.5` and `T09:30:00Z`.
fn is_time(rest: &str) -> bool {
    let Some(time) = rest.strip_prefix(['T', 't', ' ']) else {
        return false;
    };
    let time = time.strip_suffix(['Z', 'z']).unwrap_or(time);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let is_number = |text: &str, most: u32| {
        text.len() == 2
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && text.parse::<u32>().is_ok_and(|number| number <= most)
    };
    let parts: Vec<_> = time.split(':').collect();
    let is_clock = match parts.as_slice() {
        [hour, minute] => is_number(hour, 23) && is_number(minute, 59),
        [hour, minute, second] => {
            is_number(hour, 23) && is_number(minute, 59) && is_number(second, 59)
        }
        _ => false,
    };
    is_clock && !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit())
}
