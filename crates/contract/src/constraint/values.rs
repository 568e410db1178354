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
