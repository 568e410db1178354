//! Estimates the memory of a parsed intent.
//!
//! It exceeds the size of the text by far if patterns and constraints are small.

use super::arguments::{Below, Members};
use super::{Allowance, Arguments, Denial, KnownArguments, StoredIntent};
use portcullis_contract::{Constraint, Pattern};
use serde_json::Value;

/// Overhead of an allocation, and size of a one-byte allocation, in bytes.
const ALLOCATION: usize = 32;

/// Memory of a segment of a pattern besides its text, in bytes.
const SEGMENT: usize = 32;

/// Places for members in a node of a tree.
const NODE: usize = 11;

/// Factor for the capacity of a list, which grows by doubling.
const GROWN: usize = 2;

impl StoredIntent {
    /// Approximate memory of the intent in bytes, rounded up.
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
        + allowance.arguments.as_ref().map_or(0, of_arguments)
        + of_items(allowance.asks.as_deref().unwrap_or_default(), |path| {
            of_text(path)
        })
}

fn of_arguments(arguments: &Arguments) -> usize {
    match arguments {
        Arguments::Open => 0,
        Arguments::Only(known) => of_known(known),
    }
}

fn of_known(known: &KnownArguments) -> usize {
    [known.required(), known.optional(), known.constrained()]
        .into_iter()
        .map(|pointers| of_items(pointers, |pointer| of_text(pointer)))
        .sum::<usize>()
        + of_members(known.members())
}

fn of_members(members: &Members) -> usize {
    of_nodes::<Below>(members.len())
        + members
            .iter()
            .map(|(name, below)| {
                of_text(name)
                    + match below {
                        Below::Anything => 0,
                        Below::Only(members) => of_members(members),
                    }
            })
            .sum::<usize>()
}

fn of_denial(denial: &Denial) -> usize {
    of_text(&denial.integration) + of_pattern(&denial.action) + of_pattern(&denial.resource)
}

fn of_constraint(constraint: &Constraint) -> usize {
    of_text(constraint.path())
        + of_value(constraint.operand())
        + of_items(constraint.alternatives(), of_constraint)
}

/// Memory of a pattern, which is stored as text and as segments.
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
        Value::Object(members) => {
            of_nodes::<Value>(members.len())
                + members
                    .iter()
                    .map(|(name, value)| of_text(name) + of_value(value))
                    .sum::<usize>()
        }
    }
}

/// Memory of the nodes of a tree with so many members, without the members' own.
fn of_nodes<T>(members: usize) -> usize {
    members.next_multiple_of(NODE) * (size_of::<String>() + size_of::<T>() + ALLOCATION)
}

fn of_items<T>(items: &[T], of: impl Fn(&T) -> usize) -> usize {
    ALLOCATION + size_of_val(items) * GROWN + items.iter().map(of).sum::<usize>()
}

fn of_text(text: &str) -> usize {
    text.len() + ALLOCATION
}
