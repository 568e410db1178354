//! Constraints compared with one another: implication and contradiction.

use super::Constraint;
use super::operator::Operator;
use super::values::{compare, contains, same, texts_of};
use crate::origin::{Accepted, Origins};
use crate::path::{is_under, trim_base};
use serde_json::Value;
use std::cmp::Ordering;

impl Constraint {
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
        if self.is_about_origins() {
            return false;
        }
        // If the values are listed, each one that meets the other constraints is tested.
        let listed = on_this.iter().find_map(|other| other.listed());
        listed.is_some_and(|values| {
            values.iter().all(|value| {
                let possible = on_this
                    .iter()
                    .filter(|other| !other.is_about_origins())
                    .all(|other| other.holds_for(value, Origins::UNKNOWN));
                !possible || self.holds_for(value, Origins::UNKNOWN)
            })
        })
    }

    fn follows_from_one(&self, other: &Self) -> bool {
        use Operator::{
            AbsentOr, AnyOf, AtLeast, AtMost, MaxLength, MinLength, OnDay, OneOf, OriginIs,
            PartsOriginIs, Prefix, SubsetOf, Under,
        };
        let of_each = |theirs: &[Self]| theirs.iter().all(|it| self.follows_from_one(it));
        match (other.operator, self.operator) {
            // The alternatives of both are compared.
            (AbsentOr, AbsentOr) | (AnyOf, _) => return of_each(&other.alternatives),
            (AbsentOr, _) => return false,
            (_, AbsentOr | AnyOf) => {
                return self
                    .alternatives
                    .iter()
                    .any(|it| it.follows_from_one(other));
            }
            _ => {}
        }
        if let Some(values) = other.listed().filter(|_| !self.is_about_origins()) {
            return values.iter().all(|it| self.holds_for(it, Origins::UNKNOWN));
        }
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
            (OnDay, OnDay) => {
                let days = |of: &Value| match of {
                    Value::Array(days) => days.clone(),
                    day => vec![day.clone()],
                };
                let (ours, theirs) = (days(ours), days(theirs));
                theirs.iter().all(|day| ours.contains(day))
            }
            // A part whose origins are not stated has those of its text.
            (OriginIs, OriginIs | PartsOriginIs) | (PartsOriginIs, PartsOriginIs) => {
                let accepted = Accepted::new(texts_of(ours));
                texts_of(theirs).all(|origin| accepted.accepts_text(origin))
            }
            (theirs_op, ours_op) => theirs_op == ours_op && same(ours, theirs),
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
        use Operator::{AtLeast, AtMost, MaxLength, MinLength, Prefix, SubsetOf, Under};
        let (ours, theirs) = (&self.operand, &other.operand);
        let texts = || ours.as_str().zip(theirs.as_str());
        if let Some(values) = self.listed() {
            let meets = |value: &Value| other.holds_for(value, Origins::UNKNOWN);
            return !other.is_about_origins() && !values.iter().any(meets);
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
}
