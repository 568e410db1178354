//! Conditions on arguments of an action.

mod error;
mod implied;
mod operator;
mod values;
mod written;

use crate::origin::{Accepted, Origins, RefusedPart, WORD};
use crate::path::{is_pointer, is_under};
use crate::text::printable;
use crate::work;
pub use error::ConstraintError;
pub use operator::Operator;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::cmp::Ordering;
use std::fmt;
pub use values::day_of;
use values::{compare, contains, each_text, length, same, texts_of};

/// A condition on one argument of an action.
///
/// - A missing argument meets no constraint but [`Operator::AbsentOr`].
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
    /// Constraints on the same argument that the operand of [`Operator::AbsentOr`] or [`Operator::AnyOf`] holds.
    #[serde(skip)]
    alternatives: Vec<Self>,
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
        let alternatives = match operator {
            Operator::AbsentOr => vec![alternative(&path, operator, &operand)?],
            Operator::AnyOf => {
                let items = operand.as_array().into_iter().flatten();
                items
                    .map(|item| alternative(&path, operator, item))
                    .collect::<Result<_, _>>()?
            }
            _ => Vec::new(),
        };
        Ok(Self {
            path,
            operator,
            operand,
            alternatives,
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
        match self.alternatives.as_slice() {
            [] => self.operand.as_array().map_or(1, Vec::len),
            alternatives => alternatives.iter().map(Self::operand_items).sum(),
        }
    }

    /// Constraints that the operand of [`Operator::AbsentOr`] or [`Operator::AnyOf`] holds, of which one suffices.
    pub fn alternatives(&self) -> &[Self] {
        &self.alternatives
    }

    /// True if a call without the argument meets the constraint.
    pub fn admits_absence(&self) -> bool {
        self.operator == Operator::AbsentOr
    }

    /// True if the constraint depends on the origins of the argument.
    pub fn is_about_origins(&self) -> bool {
        matches!(self.operator, Operator::OriginIs | Operator::PartsOriginIs)
            || self.alternatives.iter().any(Self::is_about_origins)
    }

    /// Operand that the argument is compared with.
    pub fn operand(&self) -> &Value {
        &self.operand
    }

    /// True if `arguments` meet the constraint.
    pub fn met_by(&self, arguments: &Value, origins: Origins<'_>) -> bool {
        work::take(self.path.len())
            && match arguments.pointer(&self.path) {
                Some(argument) => self.holds_for(argument, origins),
                None => self.admits_absence(),
            }
    }

    /// The first part of the argument that this [`Operator::PartsOriginIs`] refuses.
    ///
    /// `None` for another operator.
    pub fn refused_part(&self, arguments: &Value, origins: Origins<'_>) -> Option<RefusedPart> {
        if self.operator != Operator::PartsOriginIs {
            let mut alternatives = self.alternatives.iter();
            return alternatives.find_map(|it| it.refused_part(arguments, origins));
        }
        let accepted = Accepted::new(texts_of(&self.operand));
        origins.refused_part(&self.path, arguments.pointer(&self.path)?, &accepted)
    }

    /// True if the constraint accepts a value for being approved.
    ///
    /// An approved value has the origin `user~word`. The parts of a payload are never approved.
    pub fn accepts_approved(&self) -> bool {
        match self.operator {
            Operator::OriginIs => Accepted::new(texts_of(&self.operand)).accepts_text(WORD),
            _ => self.alternatives.iter().any(Self::accepts_approved),
        }
    }

    /// Origins that the constraint accepts.
    pub fn accepted_origins(&self) -> Vec<&str> {
        let own = match self.operator {
            Operator::OriginIs | Operator::PartsOriginIs => Some(texts_of(&self.operand)),
            _ => None,
        };
        let below = self.alternatives.iter().flat_map(Self::accepted_origins);
        own.into_iter().flatten().chain(below).collect()
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
            Operator::PartsOriginIs => {
                let accepted = Accepted::new(texts_of(operand));
                origins
                    .refused_part(&self.path, argument, &accepted)
                    .is_none()
            }
            Operator::OnDay => {
                argument
                    .as_str()
                    .and_then(day_of)
                    .is_some_and(|day| match operand {
                        Value::Array(days) => days.iter().any(|it| it.as_str() == Some(day)),
                        it => it.as_str() == Some(day),
                    })
            }
            Operator::AbsentOr | Operator::AnyOf => {
                let mut alternatives = self.alternatives.iter();
                alternatives.any(|it| it.holds_for(argument, origins))
            }
        }
    }
}

/// Reads an operator and a value within the operand of a constraint.
fn alternative(path: &str, within: Operator, item: &Value) -> Result<Constraint, ConstraintError> {
    let members = item.as_object().filter(|members| members.len() == 2);
    let read = members.and_then(|members| {
        let operator = Operator::deserialize(members.get("op")?).ok()?;
        Some((operator, members.get("value")?))
    });
    // An absence is admitted by a constraint, not by a part of it, and one list of alternatives suffices.
    let read = read.filter(|(operator, _)| match operator {
        Operator::AbsentOr => false,
        Operator::AnyOf => within == Operator::AbsentOr,
        _ => true,
    });
    let (operator, operand) = read.ok_or_else(|| ConstraintError::Alternative {
        operator: within,
        found: crate::excerpt(&item.to_string()),
    })?;
    Constraint::new(path, operator, operand.clone())
}

/// Name of the arguments as a whole, whose path is empty, in texts.
const WHOLE: &str = "(all arguments)";

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {}",
            printable(self.argument()),
            self.operator,
            printable(&self.operand.to_string())
        )
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
