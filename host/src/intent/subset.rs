//! Whether one intent is within another.

use super::{Allowance, Arguments, Denial, StoredIntent};
use crate::timestamp::Timestamp;
use portcullis_contract::Steps;

/// How a delegated intent goes beyond the one that it was delegated from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Widening {
    /// It was approved by somebody whose intent the parent is not.
    #[error("it is approved by `{approved_by}`, and only `{principal}` can delegate its parent")]
    Delegator {
        /// Who approved it.
        approved_by: String,
        /// The parent's principal.
        principal: String,
    },
    /// It holds when its parent does not.
    #[error("it holds from {from} to {to}, and its parent does not all that time")]
    Time {
        /// From when it holds.
        from: Timestamp,
        /// When it ends.
        to: Timestamp,
    },
    /// It may be used more often than its parent.
    #[error(
        "its parent may be used {most} times, and it does not say that it may be used no more often (`max-uses`)"
    )]
    Uses {
        /// How often its parent may be used.
        most: u64,
    },
    /// It allows something that its parent does not.
    #[error("it allows {0}, and no allowance of its parent includes that")]
    Allowance(String),
    /// It lacks something that its parent denies.
    #[error("its parent denies {0}, and it does not")]
    Denial(String),
    /// It waives something that its parent does not.
    #[error("it waives `{0}`, and its parent does not")]
    Waiver(&'static str),
    /// It names another owner of the exception than the approver did.
    #[error(
        "it says that `{owner}` answers for the exception, and by its parent `{approved}` does: name that one"
    )]
    Owner {
        /// Who it says answers for it.
        owner: String,
        /// Who does, by the approver's word.
        approved: String,
    },
}

impl StoredIntent {
    /// Whether nothing is allowed here that `parent` does not allow, no more often and at no other
    /// time.
    ///
    /// Never wrong where it says yes: what this intent allows, the parent allows.
    ///
    /// # Errors
    ///
    /// [`Widening`], the first there is.
    pub fn is_within(&self, parent: &Self) -> Result<(), Widening> {
        if self.approved_by != parent.principal {
            return Err(Widening::Delegator {
                approved_by: self.approved_by.clone(),
                principal: parent.principal.clone(),
            });
        }
        self.allows_no_more_than(parent)
    }

    /// As [`StoredIntent::is_within`], whoever approved them: nothing is allowed here that `parent` does
    /// not allow.
    ///
    /// # Errors
    ///
    /// [`Widening`], the first there is.
    pub fn allows_no_more_than(&self, parent: &Self) -> Result<(), Widening> {
        // One budget for all that is compared: who delegates controls both sides of it.
        let mut steps = Steps::default();
        if self.issued_at < parent.issued_at || self.expires_at > parent.expires_at {
            return Err(Widening::Time {
                from: self.issued_at,
                to: self.expires_at,
            });
        }
        if let Some(most) = parent.max_uses
            && self.max_uses.is_none_or(|own| own > most)
        {
            return Err(Widening::Uses { most });
        }
        for ours in &self.allows {
            let mut theirs = parent.allows.iter();
            if !theirs.any(|theirs| ours.is_within(theirs, &mut steps)) {
                return Err(Widening::Allowance(ours.to_string()));
            }
        }
        for theirs in &parent.denies {
            let mut ours = self.denies.iter();
            if !ours.any(|ours| theirs.is_within(ours, &mut steps)) {
                return Err(Widening::Denial(theirs.to_string()));
            }
        }
        let waived = self.exception.iter().flat_map(|own| &own.waives);
        for waiver in waived {
            if !parent.waives(*waiver) {
                return Err(Widening::Waiver(waiver.as_str()));
            }
        }
        if let (Some(ours), Some(theirs)) = (&self.exception, &parent.exception)
            && ours.owner != theirs.owner
        {
            return Err(Widening::Owner {
                owner: ours.owner.clone(),
                approved: theirs.owner.clone(),
            });
        }
        Ok(())
    }
}

impl Allowance {
    fn is_within(&self, other: &Self, steps: &mut Steps) -> bool {
        self.integration == other.integration
            && self.action.is_within_steps(&other.action, steps)
            && self.resource.is_within_steps(&other.resource, steps)
            && other
                .constraints
                .iter()
                .all(|constraint| constraint.follows_from(&self.constraints))
            && Arguments::are_within(
                self.arguments.as_ref(),
                &self.constraints,
                other.arguments.as_ref(),
            )
            && other
                .max_uses
                .is_none_or(|most| self.max_uses.is_some_and(|own| own <= most))
    }
}

impl Denial {
    fn is_within(&self, other: &Self, steps: &mut Steps) -> bool {
        self.integration == other.integration
            && self.action.is_within_steps(&other.action, steps)
            && self.resource.is_within_steps(&other.resource, steps)
    }
}
