//! Errors of constraints.

use super::operator::Operator;

/// Reason why a text is not a valid constraint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConstraintError {
    /// The path is not a JSON Pointer.
    #[error(
        "`{0}` is not a JSON Pointer: it is empty or begins with `/`, as in `/labels/0`, and has `~` only as `~0` or `~1`"
    )]
    Path(String),
    /// The path has an empty segment, for example after a trailing `/`.
    #[error("`{path}` names a member without a name: write `{instead}`")]
    EmptySegment {
        /// The path.
        path: String,
        /// The path without empty segments.
        instead: String,
    },
    /// Every argument meets the constraint, or no argument does.
    #[error("`{constraint}` {what}: {instead}")]
    Pointless {
        /// The constraint, as text.
        constraint: String,
        /// The defect of the constraint.
        what: &'static str,
        /// The text to write instead.
        instead: &'static str,
    },
    /// An item of the operand is no operator and value.
    #[error(
        "`{operator}` holds `{found}`, which is not an operator and a value, as in `{{ \"op\": \"one-of\", \"value\": [\"a\"] }}`; `absent-or` cannot be within another operator, and `any-of` only within `absent-or`"
    )]
    Alternative {
        /// The operator.
        operator: Operator,
        /// The item, as JSON.
        found: String,
    },
    /// The operand has the wrong type for the operator.
    #[error("`{operator}` needs {needs} to compare with, not `{operand}`")]
    Operand {
        /// The operator.
        operator: Operator,
        /// Type that the operator requires.
        needs: &'static str,
        /// The actual operand, as JSON.
        operand: String,
    },
}
