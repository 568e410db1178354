//! Operators of constraints, and the operands that they need.

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
        }
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
            Self::OriginIs => (
                operand
                    .as_array()
                    .is_some_and(|items| items.iter().all(Value::is_string)),
                "a list of texts",
            ),
        };
        (!suits).then_some(needs)
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
