//! How much memory an intent takes once it is read: more than its text, by far, where patterns and
//! constraints are small.

use super::{Allowance, Denial, StoredIntent};
use portcullis_contract::{Constraint, Pattern};
use serde_json::Value;

/// What an allocation takes beside its content, and what one of a single byte takes.
const ALLOCATION: usize = 32;

/// What a segment of a pattern takes beside its text.
const SEGMENT: usize = 32;

/// What a list holds at most for each of its items, because it grows by doubling.
const GROWN: usize = 2;

impl StoredIntent {
    /// About how many bytes of memory the intent takes. Errs on too many.
    pub(super) fn memory_bytes(&self) -> usize {
        let texts = [&self.id, &self.purpose, &self.principal, &self.approved_by];
        let parent = self.parent.as_ref().map_or(0, |(id, _)| of_text(id));
        let exception = self.exception.as_ref();
        let exception = exception.map_or(0, |it| of_text(&it.owner) + ALLOCATION + it.waives.len());
        size_of::<Self>()
            + texts.into_iter().map(|text| of_text(text)).sum::<usize>()
            + parent
            + exception
            + of_items(&self.allows, of_allowance)
            + of_items(&self.denies, of_denial)
    }
}

fn of_allowance(allowance: &Allowance) -> usize {
    of_text(&allowance.integration)
        + of_pattern(&allowance.action)
        + of_pattern(&allowance.resource)
        + of_items(&allowance.constraints, of_constraint)
}

fn of_denial(denial: &Denial) -> usize {
    of_text(&denial.integration) + of_pattern(&denial.action) + of_pattern(&denial.resource)
}

fn of_constraint(constraint: &Constraint) -> usize {
    of_text(constraint.path()) + of_value(constraint.operand())
}

/// A pattern is kept as text, and as segments.
fn of_pattern(pattern: &Pattern) -> usize {
    let text = pattern.as_str();
    let segments = 1 + text.bytes().filter(|byte| *byte == b'/').count();
    2 * of_text(text) + segments * (SEGMENT * GROWN + ALLOCATION)
}

fn of_value(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 0,
        Value::Number(number) => number.to_string().len() + ALLOCATION,
        Value::String(text) => of_text(text),
        Value::Array(items) => of_items(items, of_value),
        // A node of the tree has places for eleven members.
        Value::Object(members) => {
            let places = members.len().next_multiple_of(11);
            places * (size_of::<String>() + size_of::<Value>() + ALLOCATION)
                + members
                    .iter()
                    .map(|(name, value)| of_text(name) + of_value(value))
                    .sum::<usize>()
        }
    }
}

fn of_items<T>(items: &[T], of: impl Fn(&T) -> usize) -> usize {
    ALLOCATION + size_of_val(items) * GROWN + items.iter().map(of).sum::<usize>()
}

fn of_text(text: &str) -> usize {
    text.len() + ALLOCATION
}
