//! Operators of constraints, and the operands that they need.

use super::values::is_day;
use crate::path::{is_unambiguous, trim_base};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// Comparison that a [`Constraint`](super::Constraint) makes between an argument and its operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operator {
    /// The argument equals the operand.
    Equals,
    /// The argument equals one of the operand's items. Operand: a list.
    OneOf,
    /// The argument is text that begins with the operand. Operand: text.
    ///
    /// A list of texts meets it if it has at least one item and each item begins with the operand. For paths
    /// and URLs use [`Operator::Under`].
    Prefix,
    /// The argument is a path or URL at or below the operand. Operand: text.
    ///
    /// Paths are compared segment by segment. A list meets it if it has at least one item and each item does.
    /// A path with an empty, `.` or `..` segment, a backslash, a control character or a percent-encoded one
    /// of these lies below nothing.
    Under,
    /// The argument is a number of at least the operand. Operand: a number.
    AtLeast,
    /// The argument is a number of at most the operand. Operand: a number.
    AtMost,
    /// The argument has at least the operand's number of characters or items. Operand: a whole number.
    MinLength,
    /// The argument has at most the operand's number of characters or items. Operand: a whole number.
    MaxLength,
    /// The argument is a non-empty list, and the operand contains each item. Operand: a list.
    SubsetOf,
    /// The operand accepts one origin of the argument, and one of each of its parts.
    ///
    /// Operand: a list of origins, see [`ArgumentOrigin`](crate::ArgumentOrigin). `tool:<name>` accepts every
    /// origin of that tool, and a place in a result accepts the places below it.
    OriginIs,
    /// The operand accepts one origin of each part of the argument: of each link, address, account number, path and
    /// long number in it, see [`parts_of`](crate::parts_of). A text without parts meets it.
    ///
    /// Operand: a list of origins. A part has the origins stated for it, and otherwise those of its text.
    PartsOriginIs,
    /// The argument is the day of the operand, or a time on it. Operand: a day, as in `2026-11-28`, or a list of days.
    ///
    /// A time on that day is one without an offset, or with `Z`: with another offset it may be on two days.
    OnDay,
    /// The argument is missing, or meets the operand. Operand: an operator and a value, as in
    /// `{ "op": "origin-is", "value": ["user"] }`.
    AbsentOr,
    /// The argument meets one of the operand's items. Operand: a list of operators and values, as in
    /// `[{ "op": "one-of", "value": ["a"] }, { "op": "origin-is", "value": ["tool:list#"] }]`.
    AnyOf,
}

impl Operator {
    /// Name of the operator in JSON and TOML.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equals => "equals",
            Self::OneOf => "one-of",
            Self::Prefix => "prefix",
            Self::Under => "under",
            Self::AtLeast => "at-least",
            Self::AtMost => "at-most",
            Self::MinLength => "min-length",
            Self::MaxLength => "max-length",
            Self::SubsetOf => "subset-of",
            Self::OriginIs => "origin-is",
            Self::PartsOriginIs => "parts-origin-is",
            Self::OnDay => "on-day",
            Self::AbsentOr => "absent-or",
            Self::AnyOf => "any-of",
        }
    }

    /// True if a verdict can have the operator: the contract (`wit/policy.wit`) has no other ones.
    ///
    /// Intents have them all, and so have the settings of a plugin that does not pass them on.
    pub fn is_for_verdicts(self) -> bool {
        !matches!(
            self,
            Self::PartsOriginIs | Self::OnDay | Self::AbsentOr | Self::AnyOf
        )
    }

    /// Returns the required operand type if `operand` does not have it.
    pub(super) fn needs_other_than(self, operand: &Value) -> Option<&'static str> {
        let (suits, needs) = match self {
            Self::Equals => (true, ""),
            Self::OneOf | Self::SubsetOf => (operand.is_array(), "a list"),
            Self::Prefix => (operand.is_string(), "text"),
            Self::Under => (
                operand.as_str().is_some_and(|base| {
                    let base = trim_base(base);
                    base.is_empty() || is_unambiguous(base)
                }),
                "a path or URL without empty, `.` or `..` segments",
            ),
            Self::AtLeast | Self::AtMost => (operand.is_number(), "a number"),
            Self::MinLength | Self::MaxLength => (operand.is_u64(), "a whole number"),
            Self::OriginIs | Self::PartsOriginIs => (
                operand
                    .as_array()
                    .is_some_and(|items| items.iter().all(Value::is_string)),
                "a list of texts",
            ),
            Self::OnDay => (
                match operand {
                    Value::Array(days) => days.iter().all(is_day),
                    day => is_day(day),
                },
                "a day, as in `2026-11-28`, or a list of days",
            ),
            // Their content is read by `Constraint::new`.
            Self::AbsentOr => (
                operand.is_object(),
                "an operator and a value, as in `{ \"op\": \"equals\", \"value\": 1 }`",
            ),
            Self::AnyOf => (operand.is_array(), "a list of operators and values"),
        };
        (!suits).then_some(needs)
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
