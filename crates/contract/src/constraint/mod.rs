//! Conditions on arguments of an action.

mod error;
mod implied;
mod operator;
mod values;
mod written;

use crate::origin::{Accepted, Origins};
use crate::path::{is_pointer, is_under};
use crate::work;
pub use error::ConstraintError;
pub use operator::Operator;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::cmp::Ordering;
use std::fmt;
use values::{compare, contains, each_text, length, same, texts_of};

/// A condition on one argument of an action.
///
/// - A missing argument meets no constraint.
/// - An empty list meets none of [`Operator::Prefix`], [`Operator::Under`] and [`Operator::SubsetOf`], since
///   many tools read an empty list as "all of them". [`Operator::Equals`] with `[]` accepts it explicitly.
/// - Numbers are compared by value (`1` equals `1.0`).
/// - Lengths are counted in characters and items.
/// - There are no regular expressions, so implication between two constraints is decided exactly.
///
/// ```
/// use portcullis_contract::{Constraint, Operator, Origins};
/// use serde_json::json;
///
/// let constraint = Constraint::new("/path", Operator::Under, json!("/workspace"))?;
/// assert!(constraint.met_by(&json!({ "path": "/workspace/a.txt" }), Origins::UNKNOWN));
/// assert!(!constraint.met_by(&json!({ "path": "/workspace/../etc/passwd" }), Origins::UNKNOWN));
/// # Ok::<(), portcullis_contract::ConstraintError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Constraint {
    path: String,
    #[serde(rename = "op")]
    operator: Operator,
    #[serde(rename = "value")]
    operand: Value,
}

impl Constraint {
    /// Creates a constraint on the argument at `path`, a JSON Pointer (RFC 6901).
    ///
    /// # Errors
    ///
    /// [`ConstraintError`] if `path` is not a pointer or `operand` has the wrong type for `operator`.
    pub fn new(
        path: impl Into<String>,
        operator: Operator,
        operand: Value,
    ) -> Result<Self, ConstraintError> {
        let path = path.into();
        if !is_pointer(&path) {
            return Err(ConstraintError::Path(crate::excerpt(&path)));
        }
        if let Some(needs) = operator.needs_other_than(&operand) {
            return Err(ConstraintError::Operand {
                operator,
                needs,
                operand: crate::excerpt(&operand.to_string()),
            });
        }
        Ok(Self {
            path,
            operator,
            operand,
        })
    }

    /// Creates a constraint like [`Constraint::new`], and refuses obvious mistakes.
    ///
    /// A constraint is a mistake if every argument meets it or no argument does. Deserialised constraints are
    /// written by people, so they are created by this function.
    ///
    /// # Errors
    ///
    /// [`ConstraintError`], which states the text to write instead.
    pub fn written(
        path: impl Into<String>,
        operator: Operator,
        operand: Value,
    ) -> Result<Self, ConstraintError> {
        let constraint = Self::new(path, operator, operand)?;
        let path = constraint.path.as_str();
        if path.split('/').skip(1).any(str::is_empty) {
            let named: Vec<_> = path.split('/').filter(|name| !name.is_empty()).collect();
            return Err(ConstraintError::EmptySegment {
                path: crate::excerpt(path),
                instead: crate::excerpt(&format!("/{}", named.join("/"))),
            });
        }
        match constraint.pointless() {
            None => Ok(constraint),
            Some((what, instead)) => Err(ConstraintError::Pointless {
                constraint: crate::excerpt(&constraint.to_string()),
                what,
                instead,
            }),
        }
    }

    /// JSON Pointer of the argument.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Name of the argument in texts: its path, or that of the arguments as a whole.
    pub fn argument(&self) -> &str {
        match self.path.as_str() {
            "" => WHOLE,
            path => path,
        }
    }

    /// Operator that compares the argument.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// Number of items in the operand; 1 if it is not a list.
    pub fn operand_items(&self) -> usize {
        self.operand.as_array().map_or(1, Vec::len)
    }

    /// Operand that the argument is compared with.
    pub fn operand(&self) -> &Value {
        &self.operand
    }

    /// True if `arguments` meet the constraint.
    pub fn met_by(&self, arguments: &Value, origins: Origins<'_>) -> bool {
        work::take(self.path.len())
            && arguments
                .pointer(&self.path)
                .is_some_and(|argument| self.holds_for(argument, origins))
    }

    fn holds_for(&self, argument: &Value, origins: Origins<'_>) -> bool {
        let operand = &self.operand;
        match self.operator {
            Operator::Equals => same(argument, operand),
            Operator::OneOf => contains(operand, argument),
            Operator::Prefix => each_text(argument, operand, |text, p| text.starts_with(p)),
            // An empty text is not a path, even if a tool resolves it to one.
            Operator::Under => each_text(argument, operand, |text, base| {
                !text.is_empty() && is_under(text, base)
            }),
            Operator::AtLeast => compare(argument, operand).is_some_and(Ordering::is_ge),
            Operator::AtMost => compare(argument, operand).is_some_and(Ordering::is_le),
            Operator::MinLength => length(argument)
                .zip(operand.as_u64())
                .is_some_and(|(length, least)| length >= least),
            Operator::MaxLength => length(argument)
                .zip(operand.as_u64())
                .is_some_and(|(length, most)| length <= most),
            Operator::SubsetOf => argument.as_array().is_some_and(|items| {
                !items.is_empty() && items.iter().all(|item| contains(operand, item))
            }),
            Operator::OriginIs => {
                origins.are_accepted(&self.path, argument, &Accepted::new(texts_of(operand)))
            }
        }
    }
}

/// Name of the arguments as a whole, whose path is empty, in texts.
const WHOLE: &str = "(all arguments)";

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.argument(), self.operator, self.operand)
    }
}

impl<'de> Deserialize<'de> for Constraint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wire {
            path: String,
            op: Operator,
            value: Value,
        }
        let Wire { path, op, value } = Wire::deserialize(deserializer)?;
        Self::written(path, op, value).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
