//! Conditions on arguments of an action.

use crate::name;
use crate::origin::{self, Accepted, Origins};
use crate::path::{is_pointer, is_unambiguous, is_under, trim_base};
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};
use std::cmp::Ordering;
use std::fmt;

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

/// Comparison that a [`Constraint`] makes between an argument and its operand.
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

    /// Returns the defect of a pointless constraint and the text to write instead.
    ///
    /// A constraint is pointless if every argument meets it or none does.
    fn pointless(&self) -> Option<(&'static str, &'static str)> {
        const NONE: &str = "is met by no argument";
        let empty_list = self.operand.as_array().is_some_and(Vec::is_empty);
        let text = self.operand.as_str();
        match self.operator {
            Operator::OneOf | Operator::OriginIs if empty_list => {
                Some((NONE, "list the allowed values"))
            }
            Operator::SubsetOf if empty_list => Some((
                NONE,
                "list the allowed items, or write `equals` with `[]` for the empty list",
            )),
            Operator::OriginIs if self.lists_a_pattern() => Some((
                "lists a pattern, and a tool is compared as text",
                "write each tool by its name, as in `tool:search`",
            )),
            Operator::OriginIs if !self.lists_origins() => Some((
                "lists a value that is not an origin",
                "write `user`, `unknown`, `tool:<name>`, or a place in a result, as in `tool:<name>#/0/id`",
            )),
            Operator::Prefix if text == Some("") => Some((
                "is met by every text",
                "write the required prefix, or leave it out",
            )),
            Operator::Under if text == Some("") => Some((
                "is met by every absolute path",
                "write the folder or the URL that it lies under, or `/` for every absolute path",
            )),
            Operator::MinLength if self.operand.as_u64() == Some(0) => Some((
                "is met by every text and every list",
                "write 1 or more, or leave it out",
            )),
            Operator::Prefix | Operator::Under if text.is_some_and(is_in_pattern_syntax) => Some((
                "has the syntax of a pattern, and is compared as text",
                "write the text that it begins with, such as `/workspace`, without `*`, `^` or `$`",
            )),
            _ => None,
        }
    }

    fn lists_origins(&self) -> bool {
        let mut origins = self.operand.as_array().into_iter().flatten();
        origins.all(|origin| origin.as_str().is_some_and(origin::is_origin))
    }

    fn lists_a_pattern(&self) -> bool {
        let mut origins = self.operand.as_array().into_iter().flatten();
        let tool = |origin: &Value| {
            let tool = origin
                .as_str()
                .and_then(|origin| origin.split(['#', '~']).next());
            tool.is_some_and(|tool| tool.contains('*'))
        };
        origins.any(tool)
    }

    /// Returns a warning if a valid constraint probably means something else.
    pub fn warning(&self) -> Option<String> {
        let why = path_in_another_syntax(&self.path).or_else(|| self.doubt())?;
        Some(format!("`{}`: {why}", crate::excerpt(&self.to_string())))
    }

    /// Returns another meaning that the author of the operand may have intended.
    fn doubt(&self) -> Option<&'static str> {
        let listed = match self.operator {
            Operator::Equals => std::slice::from_ref(&self.operand),
            Operator::OneOf | Operator::SubsetOf => {
                self.operand.as_array().map_or(&[][..], Vec::as_slice)
            }
            _ => &[],
        };
        let mut texts = listed.iter().filter_map(Value::as_str);
        let text = self.operand.as_str();
        match self.operator {
            Operator::Under if text == Some("/") => {
                Some("every absolute path lies under `/`: write the intended folder")
            }
            Operator::Under if text.is_some_and(is_scheme_alone) => Some(
                "every URL of that scheme lies under it, whatever its host: write the host too, as in `https://api.example`",
            ),
            Operator::Under if text.is_some_and(|text| text.starts_with('~')) => {
                Some("`~` is literal, not a home folder: write the path as arguments have it")
            }
            Operator::Under if text.is_some_and(is_in_template_syntax) => Some(
                "it has the syntax of a pattern or a template, and is compared as text: write a constraint for each folder, or the folder above",
            ),
            Operator::Prefix if text.is_some_and(is_in_regex_syntax) => Some(
                "it has the syntax of a regular expression, and is compared as text: write the prefix of the argument, or list the values with `one-of`",
            ),
            Operator::Prefix if text.is_some_and(|text| text.contains('/')) => Some(
                "`prefix` compares text, which `/workspace-2` and `/workspace/../etc` pass for `/workspace`: write `under` for paths and URLs",
            ),
            _ if texts.any(is_in_pattern_syntax) => Some(
                "it has the syntax of a pattern, and is compared as text: `*`, `^` and `$` stand for themselves",
            ),
            _ => None,
        }
    }

    /// Returns a reason why no argument meets all of `constraints`, if found.
    ///
    /// A returned reason is always correct; a contradiction may be missed. Constraints on the same argument
    /// are compared in pairs:
    ///
    /// - bounds that exclude each other,
    /// - types that exclude each other,
    /// - listed values of which none meets the other constraint.
    pub fn contradiction(constraints: &[Self]) -> Option<String> {
        let pair = |one: &Self, other: &Self| {
            format!(
                "no argument meets both `{}` and `{}`: leave one of them out",
                crate::excerpt(&one.to_string()),
                crate::excerpt(&other.to_string())
            )
        };
        for (index, one) in constraints.iter().enumerate() {
            let others = constraints.iter().skip(index + 1);
            for other in others.filter(|other| other.path == one.path) {
                if one.excludes(other) || other.excludes(one) {
                    return Some(pair(one, other));
                }
            }
        }
        None
    }

    /// True if no argument meets both this constraint and `other`. Both are on the same argument.
    fn excludes(&self, other: &Self) -> bool {
        use Operator::{AtLeast, AtMost, MaxLength, MinLength, OriginIs, Prefix, SubsetOf, Under};
        let (ours, theirs) = (&self.operand, &other.operand);
        let texts = || ours.as_str().zip(theirs.as_str());
        if let Some(values) = self.listed() {
            let meets = |value: &Value| other.holds_for(value, Origins::UNKNOWN);
            return other.operator != OriginIs && !values.iter().any(meets);
        }
        match (self.operator, other.operator) {
            (AtLeast, AtMost) => compare(ours, theirs).is_some_and(Ordering::is_gt),
            (MinLength, MaxLength) => ours.as_u64() > theirs.as_u64(),
            (AtLeast | AtMost, Prefix | Under | MinLength | MaxLength | SubsetOf) => true,
            (Prefix, Prefix) => texts().is_some_and(|(ours, theirs)| {
                !ours.starts_with(theirs) && !theirs.starts_with(ours)
            }),
            (Under, Under) => texts()
                .is_some_and(|(ours, theirs)| !is_under(ours, theirs) && !is_under(theirs, ours)),
            _ => false,
        }
    }

    /// Values listed by the operand, one of which the argument must equal.
    fn listed(&self) -> Option<&[Value]> {
        match self.operator {
            Operator::Equals => Some(std::slice::from_ref(&self.operand)),
            Operator::OneOf => self.operand.as_array().map(Vec::as_slice),
            _ => None,
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
        arguments
            .pointer(&self.path)
            .is_some_and(|argument| self.holds_for(argument, origins))
    }

    /// True if every call that meets all of `constraints` also meets this one.
    ///
    /// The answer true is always correct. The answer is exact for a single constraint, and if the constraints
    /// on this argument list its values (`equals`, `one-of`).
    pub fn follows_from(&self, constraints: &[Self]) -> bool {
        let on_this: Vec<&Self> = constraints
            .iter()
            .filter(|other| other.path == self.path)
            .collect();
        if on_this.iter().any(|other| self.follows_from_one(other)) {
            return true;
        }
        if self.operator == Operator::OriginIs {
            return false;
        }
        // If the values are listed, each one that meets the other constraints is tested.
        let listed = on_this.iter().find_map(|other| other.listed());
        listed.is_some_and(|values| {
            values.iter().all(|value| {
                let possible = on_this
                    .iter()
                    .filter(|other| other.operator != Operator::OriginIs)
                    .all(|other| other.holds_for(value, Origins::UNKNOWN));
                !possible || self.holds_for(value, Origins::UNKNOWN)
            })
        })
    }

    fn follows_from_one(&self, other: &Self) -> bool {
        use Operator::{
            AtLeast, AtMost, MaxLength, MinLength, OneOf, OriginIs, Prefix, SubsetOf, Under,
        };
        let (ours, theirs) = (&self.operand, &other.operand);
        let texts = || ours.as_str().zip(theirs.as_str());
        let all_listed = || {
            theirs
                .as_array()
                .is_some_and(|items| items.iter().all(|item| contains(ours, item)))
        };
        match (other.operator, self.operator) {
            (Prefix, Prefix) => texts().is_some_and(|(ours, theirs)| theirs.starts_with(ours)),
            (Under, Under) => texts().is_some_and(|(ours, theirs)| {
                let theirs = trim_base(theirs);
                // A path below the root lies below no other base.
                theirs == trim_base(ours) || (!theirs.is_empty() && is_under(theirs, ours))
            }),
            (Under, Prefix) => {
                texts().is_some_and(|(ours, theirs)| trim_base(theirs).starts_with(ours))
            }
            (AtLeast, AtLeast) => compare(theirs, ours).is_some_and(Ordering::is_ge),
            (AtMost, AtMost) => compare(theirs, ours).is_some_and(Ordering::is_le),
            (MinLength, MinLength) => theirs.as_u64() >= ours.as_u64(),
            (MaxLength, MaxLength) => theirs.as_u64() <= ours.as_u64(),
            (OneOf, OneOf) | (SubsetOf, SubsetOf) => all_listed(),
            (OriginIs, OriginIs) => {
                let accepted = Accepted::new(texts_of(ours));
                texts_of(theirs).all(|origin| accepted.accepts_text(origin))
            }
            (theirs_op, ours_op) => theirs_op == ours_op && same(ours, theirs),
        }
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
    fn needs_other_than(self, operand: &Value) -> Option<&'static str> {
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

/// The texts in a list.
fn texts_of(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

/// True if the text has syntax of a pattern or regular expression.
fn is_in_pattern_syntax(text: &str) -> bool {
    text.contains('*') || text.starts_with('^') || text.ends_with('$')
}

/// True if the text contains a list, a character class or a variable.
fn is_in_template_syntax(text: &str) -> bool {
    text.contains(['[', '{', '<']) || text.contains("/:")
}

/// True if the text has syntax of a regular expression.
///
/// The syntax is a group, an alternative or a character class.
fn is_in_regex_syntax(text: &str) -> bool {
    let has_class = text.contains('[') && text.contains(']') && text.contains('-');
    has_class || text.contains('|') || text.contains("(?") || text.contains(".+")
}

/// True if the text is the scheme of a URL without a host.
fn is_scheme_alone(text: &str) -> bool {
    text.trim_end_matches('/')
        .strip_suffix(':')
        .is_some_and(name::is_scheme)
}

/// Returns a warning if a JSON Pointer looks like another syntax.
fn path_in_another_syntax(path: &str) -> Option<&'static str> {
    if path.starts_with("/action/arguments") {
        return Some(
            "a path begins within the arguments: write `/to`, not `/action/arguments/to`, unless an argument is called `action`",
        );
    }
    let mut names = path.split('/').skip(1);
    names.find_map(|name| {
        let has_leading_zero = name.len() > 1
            && name.starts_with('0')
            && name.bytes().all(|byte| byte.is_ascii_digit());
        match name {
            _ if name.contains('*') => Some(
                "`*` in a path is part of a name, not a wildcard: write a constraint for the list that holds the items, or one for each item",
            ),
            "-" => Some("`-` in a path is a name, not an item of a list: write its number, from 0"),
            _ if has_leading_zero => {
                Some("the number of an item of a list has no zeros before it: write `/0`, `/1`")
            }
            _ if name.contains(['[', ']']) => Some(
                "`[` and `]` in a path are part of a name: write the item of a list as in `/labels/0`",
            ),
            _ if name.contains('.') => Some(
                "a `.` in a path is part of a name: write `/options/root` for what `options` holds",
            ),
            _ => None,
        }
    })
}

/// True if two JSON values are equal. Numbers are compared by value.
fn same(a: &Value, b: &Value) -> bool {
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

fn contains(list: &Value, item: &Value) -> bool {
    list.as_array()
        .is_some_and(|list| list.iter().any(|other| same(other, item)))
}

fn compare(a: &Value, b: &Value) -> Option<Ordering> {
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

fn length(value: &Value) -> Option<u64> {
    let length = match value {
        Value::String(text) => text.chars().count(),
        Value::Array(items) => items.len(),
        _ => return None,
    };
    u64::try_from(length).ok()
}

fn each_text(argument: &Value, operand: &Value, meets: impl Fn(&str, &str) -> bool) -> bool {
    let Some(operand) = operand.as_str() else {
        return false;
    };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ArgumentOrigin;
    use proptest::prelude::*;
    use serde_json::json;

    fn met(operator: Operator, operand: Value, argument: Value) -> bool {
        Constraint::new("/a", operator, operand)
            .unwrap()
            .met_by(&json!({ "a": argument }), Origins::UNKNOWN)
    }

    #[test]
    fn each_operator_lets_one_through_and_stops_another() {
        use Operator::{
            AtLeast, AtMost, Equals, MaxLength, MinLength, OneOf, Prefix, SubsetOf, Under,
        };
        let rows = [
            (Equals, json!({"x": 1}), json!({"x": 1.0}), json!({"x": 2})),
            (OneOf, json!(["a", 2]), json!(2), json!("2")),
            (Prefix, json!("inv-"), json!("inv-7"), json!("xinv-7")),
            (Prefix, json!("i"), json!(["i1", "i2"]), json!(["i1", "j"])),
            (Under, json!("/w"), json!("/w/a/b"), json!("/wx/a")),
            (AtLeast, json!(3), json!(3), json!(2.9)),
            (AtMost, json!(3), json!(3.0), json!("3")),
            (MinLength, json!(2), json!("éé"), json!("é")),
            (MaxLength, json!(1), json!(["a"]), json!(["a", "b"])),
            (SubsetOf, json!(["a", "b"]), json!(["b"]), json!(["b", "c"])),
        ];
        for (operator, operand, good, bad) in rows {
            assert!(
                met(operator, operand.clone(), good.clone()),
                "{operator} {operand} {good}"
            );
            assert!(
                !met(operator, operand.clone(), bad.clone()),
                "{operator} {operand} {bad}"
            );
        }
    }

    #[test]
    fn an_empty_list_meets_nothing_that_is_asked_of_each_item() {
        use Operator::{Equals, MaxLength, OneOf, Prefix, SubsetOf, Under};
        for (operator, operand, meets) in [
            (Under, json!("/workspace"), json!(["/workspace/a"])),
            (Under, json!("/"), json!("/a")),
            (Prefix, json!("inv-"), json!(["inv-1", "inv-2"])),
            (SubsetOf, json!(["a", "b"]), json!(["a"])),
        ] {
            assert!(met(operator, operand.clone(), meets), "{operator}");
            for empty in [
                json!([]),
                json!(""),
                json!({}),
                json!(null),
                json!([[]]),
                json!([["/workspace/a"]]),
                json!([null]),
                json!([{}]),
                json!(["/workspace/a", ""]),
                json!(["/workspace/a", []]),
                json!({ "0": "/workspace/a" }),
            ] {
                assert!(
                    !met(operator, operand.clone(), empty.clone()),
                    "{operator} {empty}"
                );
            }
        }
        // Constraints that name the empty list explicitly accept it.
        assert!(met(Equals, json!([]), json!([])));
        assert!(met(OneOf, json!([[], ["a"]]), json!([])));
        assert!(met(MaxLength, json!(2), json!([])));
    }

    #[test]
    fn values_of_another_kind_are_other_values() {
        use Operator::{AtLeast, AtMost, MaxLength, MinLength, OneOf, SubsetOf};
        for other in [
            json!("1"),
            json!(true),
            json!([1]),
            json!({ "a": 1 }),
            json!(null),
        ] {
            assert!(!met(OneOf, json!([1]), other.clone()), "{other}");
            assert!(!met(AtLeast, json!(0), other.clone()), "{other}");
            assert!(!met(AtMost, json!(9), other.clone()), "{other}");
            assert!(!met(SubsetOf, json!([1]), json!([other])));
        }
        assert!(met(OneOf, json!([1]), json!(1.0)));
        assert!(!met(OneOf, json!([true]), json!(1)));
        assert!(!met(OneOf, json!(["1"]), json!(1)));
        for other in [json!(1), json!({ "a": 1 }), json!(null), json!(true)] {
            assert!(!met(MinLength, json!(0), other.clone()), "{other}");
            assert!(!met(MaxLength, json!(9), other.clone()), "{other}");
        }
    }

    #[test]
    fn what_people_write_means_something() {
        let written = |text: Value| serde_json::from_value::<Constraint>(text);
        for (path, op, value) in [
            ("/a", "under", json!("")),
            ("/a", "under", json!("/w/*")),
            ("/a", "prefix", json!("")),
            ("/a", "prefix", json!("^inv")),
            ("/a", "one-of", json!([])),
            ("/a", "subset-of", json!([])),
            ("/a", "origin-is", json!(["me"])),
            ("/a", "origin-is", json!(["tool:*"])),
            ("/a", "origin-is", json!(["user", "tool:mail*"])),
            ("/a", "min-length", json!(0)),
            ("/a/", "equals", json!(1)),
            ("/", "equals", json!(1)),
            ("/~2", "equals", json!(1)),
        ] {
            let text = json!({ "path": path, "op": op, "value": value });
            let error = written(text.clone()).unwrap_err().to_string();
            assert!(error.contains('`'), "{text}: {error}");
        }
        for (path, op, value) in [
            ("/a", "under", json!("/")),
            ("/a~1b", "equals", json!([])),
            ("", "origin-is", json!(["user", "tool:x", "unknown"])),
            ("/a", "max-length", json!(0)),
        ] {
            let text = json!({ "path": path, "op": op, "value": value });
            assert!(written(text.clone()).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_may_be_meant_otherwise_is_said() {
        let warning = |path: &str, op: &str, value: &str| {
            let text = json!({ "path": path, "op": op, "value": value });
            let constraint: Constraint = serde_json::from_value(text).unwrap();
            constraint.warning()
        };
        for (path, op, value) in [
            ("/p", "under", "/"),
            ("/p", "under", "https:"),
            ("/p", "under", "https:/"),
            ("/p", "under", "s3:"),
            ("/p", "under", "{a,b}"),
            ("/p", "under", "/w/[ab]"),
            ("/p", "under", "/w/:id"),
            ("/p", "under", "~/w"),
            ("/p", "prefix", "[a-z]"),
            ("/p", "prefix", "(?i)x"),
            ("/p", "prefix", "a|b"),
            ("/p", "prefix", "/w"),
            ("/p/*", "equals", "x"),
            ("/p/-", "equals", "x"),
            ("/p/00", "equals", "x"),
            ("/p[0]", "equals", "x"),
            ("/p.q", "equals", "x"),
            ("/action/arguments/p", "equals", "x"),
            ("/p", "equals", "inv-*"),
        ] {
            assert!(warning(path, op, value).is_some(), "{path} {op} {value}");
        }
        for (path, op, value) in [
            ("/p", "under", "/w"),
            ("/p", "under", "https://api.example/v1"),
            ("/p", "under", "w/a b"),
            ("/p", "prefix", "[fix] "),
            ("/p", "prefix", "inv-"),
            ("/p/0", "equals", "x"),
            ("/p/10/to_1", "equals", "x"),
        ] {
            assert_eq!(warning(path, op, value), None, "{path} {op} {value}");
        }
    }

    #[test]
    fn under_cannot_be_left_by_another_spelling() {
        for path in [
            "/w/../etc",
            "/w/./a",
            "/w//a",
            "/w\\..\\etc",
            "/w/%2e%2e/etc",
            "/w/%2E%2e",
            "/w/a%2fb",
            "/w/%252e",
            "/w/a%",
            "/w/a\0b",
            "/w/%00",
            "/w/a%5Cb",
            "w/a",
            "/w/..;x/etc",
            "/w/%+2e",
            "/w/../../tmp/p://q",
            "/w/..?x",
            "/w/..#x",
            "/w/.. ",
            "/w/ ../etc",
            "/w/a/.. /b",
            "/w/%20x",
            "/w/..%20/admin",
            "/w/..%3f",
            "/w/a%23",
            "/w/admin./users",
            "/w/\u{ff0e}\u{ff0e}/etc",
            "/w/..\u{ff0f}etc",
            "/w/%EF%BC%8F..",
            "/w/%ff",
            "/w/\u{202e}x",
            "/w/%C2%9B",
            "/w/*",
            "/w/..:/x",
            "/w/..::$DATA",
            "/w/..@x",
            "/w/.. :x",
            "/w/..\u{1680}/x",
            "/w/x\u{1680}",
            "/w/%E1%9A%80",
        ] {
            assert!(!met(Operator::Under, json!("/w"), json!(path)), "{path:?}");
        }
        for path in [
            "/w",
            "/w/",
            "/w/a/",
            "/w/a b",
            "/w/a..b",
            "/w/a%20b",
            "/w/caf%C3%A9",
            "/w/.env",
            "/w/x:y",
            "/w/@scope/p@1.2",
            "/w/a...b:c",
        ] {
            assert!(met(Operator::Under, json!("/w/"), json!(path)), "{path:?}");
        }
        let base = json!("https://api.example.com");
        assert!(met(
            Operator::Under,
            base.clone(),
            json!("https://api.example.com/v1/x")
        ));
        for url in [
            "https://api.example.com.evil.test/",
            "https://api.example.com@evil.test/",
            "https://api.example.com:1@evil.test/",
            "http://api.example.com/v1",
        ] {
            assert!(!met(Operator::Under, base.clone(), json!(url)), "{url}");
        }
        assert!(met(Operator::Under, json!("/"), json!("/etc/hosts")));
        assert!(!met(Operator::Under, json!("/"), json!("/../x")));
    }

    #[test]
    fn an_absent_argument_meets_nothing() {
        for operator in [Operator::SubsetOf, Operator::OneOf] {
            let constraint = Constraint::new("/missing", operator, json!([null])).unwrap();
            assert!(!constraint.met_by(&json!({}), Origins::UNKNOWN));
        }
    }

    #[test]
    fn whole_numbers_are_compared_exactly() {
        assert!(!met(Operator::Equals, json!(u64::MAX), json!(u64::MAX - 1)));
        assert!(met(Operator::AtMost, json!(u64::MAX), json!(i64::MIN)));
    }

    #[test]
    fn refuses_an_operand_that_does_not_suit() {
        for (operator, operand) in [
            (Operator::OneOf, json!("a")),
            (Operator::Prefix, json!(1)),
            (Operator::Under, json!("/a/../b")),
            (Operator::AtMost, json!("1")),
            (Operator::MaxLength, json!(-1)),
            (Operator::SubsetOf, json!({})),
            (Operator::OriginIs, json!([1])),
        ] {
            assert!(
                Constraint::new("/a", operator, operand.clone()).is_err(),
                "{operator} {operand}"
            );
        }
        assert!(Constraint::new("a", Operator::Equals, json!(1)).is_err());
    }

    fn constraint() -> impl Strategy<Value = Constraint> {
        let texts = prop::sample::select(vec!["/w", "/w/a", "/w/", "/", "", "i", "inv-", "a"]);
        let numbers = prop::sample::select(vec![json!(0), json!(1), json!(1.5), json!(3)]);
        let scalars = prop::sample::select(vec![
            json!("/w/a"),
            json!("/w"),
            json!("inv-1"),
            json!("a"),
            json!(1),
            json!(1.0),
            json!(3),
            json!(null),
            json!(["a"]),
            json!(["a", "b"]),
            json!("/w/../x"),
            json!([]),
        ]);
        let lists = prop::collection::vec(scalars.clone(), 0..4).prop_map(Value::from);
        let origins = prop::collection::vec(
            prop::sample::select(vec!["user", "unknown", "tool:x", "tool:x#/*/id", "tool:x~"]),
            0..3,
        )
        .prop_map(|origins| json!(origins));
        let lengths = (0_u64..4).prop_map(|length| json!(length));
        prop_oneof![
            scalars.prop_map(|v| (Operator::Equals, v)),
            lists.clone().prop_map(|v| (Operator::OneOf, v)),
            lists.prop_map(|v| (Operator::SubsetOf, v)),
            texts.clone().prop_map(|v| (Operator::Prefix, json!(v))),
            texts.prop_map(|v| (Operator::Under, json!(v))),
            numbers.clone().prop_map(|v| (Operator::AtLeast, v)),
            numbers.prop_map(|v| (Operator::AtMost, v)),
            lengths.clone().prop_map(|v| (Operator::MinLength, v)),
            lengths.prop_map(|v| (Operator::MaxLength, v)),
            origins.prop_map(|v| (Operator::OriginIs, v)),
        ]
        .prop_map(|(operator, operand)| Constraint::new("/a", operator, operand).unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn what_contradicts_itself_is_met_by_nothing(
            constraints in prop::collection::vec(constraint(), 1..4),
        ) {
            if Constraint::contradiction(&constraints).is_none() {
                return Ok(());
            }
            let arguments = [
                json!("/w"), json!("/w/a"), json!("/"), json!("inv-1"), json!("i"), json!(""), json!("a"),
                json!(0), json!(1), json!(1.5), json!(3), json!(null), json!([]), json!(["a"]),
                json!(["a", "b"]), json!(["/w", "/w/a"]), json!(["inv-1"]),
            ];
            let origins = [ArgumentOrigin::new("/a", "user")];
            for argument in arguments {
                let arguments = json!({ "a": argument });
                let mut met = constraints.iter().map(|it| it.met_by(&arguments, Origins(&origins)));
                prop_assert!(!met.all(|met| met), "{arguments}");
            }
        }

        #[test]
        fn what_follows_holds_wherever_its_premises_hold(
            premises in prop::collection::vec(constraint(), 1..4),
            conclusion in constraint(),
        ) {
            prop_assert!(premises[0].follows_from(&premises));
            if !conclusion.follows_from(&premises) {
                return Ok(());
            }
            let arguments = [
                json!("/w"), json!("/w/"), json!("/w/a"), json!("/w/a/b"), json!("/"), json!("/x"), json!("/w/../x"),
                json!("inv-1"), json!("i"), json!(""), json!("a"), json!("ab"), json!(0), json!(1), json!(1.0), json!(2),
                json!(3), json!(null), json!(true), json!([]), json!(["a"]), json!(["a", "b"]), json!([1, null]),
                json!(["/w", "/w/a"]), json!([["a"]]), json!({ "x": 1 }), json!("//w"), json!("/wx"), json!("/w/a/"), json!("//"),
            ];
            let origins = ["user", "unknown", "tool:x", "tool:x#/3/id", "tool:x~named/0/id"]
                .map(|origin| [ArgumentOrigin::new("/a", origin)]);
            for argument in arguments {
                for origins in &origins {
                    let arguments = json!({ "a": argument });
                    if premises.iter().all(|premise| premise.met_by(&arguments, Origins(origins))) {
                        prop_assert!(conclusion.met_by(&arguments, Origins(origins)), "{arguments}");
                    }
                }
            }
        }
    }

    #[test]
    fn knows_what_follows() {
        let constraint = |operator, operand| Constraint::new("/a", operator, operand).unwrap();
        let follows = |premises: &[Constraint], operator, operand| {
            constraint(operator, operand).follows_from(premises)
        };
        let listed = [
            constraint(Operator::OneOf, json!([1, 5, 9])),
            constraint(Operator::AtMost, json!(5)),
        ];
        assert!(follows(&listed, Operator::OneOf, json!([1, 5])));
        assert!(!follows(&listed, Operator::OneOf, json!([1])));
        assert!(follows(
            &[constraint(Operator::Under, json!("/w/a"))],
            Operator::Under,
            json!("/w/")
        ));
        assert!(!follows(
            &[constraint(Operator::Under, json!("/w"))],
            Operator::Under,
            json!("/w/a")
        ));
        assert!(!follows(
            &[constraint(Operator::Under, json!("/wx"))],
            Operator::Under,
            json!("/w")
        ));
        assert!(follows(
            &[constraint(Operator::Under, json!("/w"))],
            Operator::Under,
            json!("/")
        ));
        assert!(!follows(&[], Operator::AtMost, json!(1)));
    }

    #[test]
    fn the_arguments_as_a_whole_have_a_name_in_texts() {
        let whole = Constraint::new("", Operator::Equals, json!({ "a": 1 })).unwrap();
        assert_eq!(whole.to_string(), "(all arguments) equals {\"a\":1}");
        let one = Constraint::new("/a", Operator::Equals, json!(1)).unwrap();
        assert_eq!(
            (one.to_string().as_str(), one.argument()),
            ("/a equals 1", "/a")
        );
    }
}
