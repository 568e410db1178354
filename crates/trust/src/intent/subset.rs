//! Compares a delegated intent with its parent.

use super::{Allowance, Arguments, Denial, StoredIntent};
use portcullis_contract::{Steps, excerpt};
use portcullis_model::count::counted;
use portcullis_model::digest::Digest;
use portcullis_model::timestamp::Timestamp;

/// Excess of a delegated intent over its parent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttenuationError {
    /// Its approver is not the principal of the parent.
    #[error(
        "it is approved by `{}`, but only `{}` can delegate its parent",
        excerpt(approved_by),
        excerpt(principal)
    )]
    Delegator {
        /// Approver of the intent.
        approved_by: String,
        /// Principal of the parent.
        principal: String,
    },
    /// It is valid at a time when its parent is not.
    #[error("it is valid from {from} to {to}, longer than its parent")]
    Time {
        /// Time from which it is valid.
        from: Timestamp,
        /// Time at which it expires.
        to: Timestamp,
    },
    /// It may be used more often than its parent.
    #[error("its parent may be used {}: state a `max-uses` that is not higher", counted(*most, "time"))]
    Uses {
        /// Maximum number of uses of the parent.
        most: u64,
    },
    /// It allows an action that its parent does not.
    #[error("it allows {0}, but no allowance of its parent includes that")]
    Allowance(String),
    /// It is not for the words of a user that its parent is for.
    #[error("its parent counts for the user's words with the digest {0}: state the same `said`")]
    Said(Digest),
    /// It lacks a denial of its parent.
    #[error("its parent denies {0}, but it does not")]
    Denial(String),
    /// It waives a check that its parent does not.
    #[error("it waives `{0}`, but its parent does not")]
    Waiver(&'static str),
    /// It names another owner of the exception than the approved parent.
    #[error(
        "its exception has the owner `{}`, but its parent's has `{}`: name the parent's",
        excerpt(owner),
        excerpt(approved)
    )]
    Owner {
        /// Owner that it names.
        owner: String,
        /// Owner that the parent names.
        approved: String,
    },
}

impl StoredIntent {
    /// Returns `Ok` if `parent` allows everything that this intent allows.
    ///
    /// Its uses and its validity period are within those of `parent`, too. The comparison is sound: after
    /// `Ok`, the parent allows all that this intent allows.
    ///
    /// # Errors
    ///
    /// The first [`AttenuationError`].
    pub fn is_within(&self, parent: &Self) -> Result<(), AttenuationError> {
        if self.approved_by != parent.principal {
            return Err(AttenuationError::Delegator {
                approved_by: self.approved_by.clone(),
                principal: parent.principal.clone(),
            });
        }
        self.allows_no_more_than(parent)
    }

    /// As [`StoredIntent::is_within`], without comparing approver and principal.
    ///
    /// # Errors
    ///
    /// The first [`AttenuationError`].
    pub fn allows_no_more_than(&self, parent: &Self) -> Result<(), AttenuationError> {
        // One budget for all comparisons, because the delegator controls both sides of them.
        let mut steps = Steps::default();
        if self.issued_at < parent.issued_at || self.expires_at > parent.expires_at {
            return Err(AttenuationError::Time {
                from: self.issued_at,
                to: self.expires_at,
            });
        }
        if let Some(most) = parent.max_uses
            && self.max_uses.is_none_or(|own| own > most)
        {
            return Err(AttenuationError::Uses { most });
        }
        if let Some(said) = parent.said
            && self.said != Some(said)
        {
            return Err(AttenuationError::Said(said));
        }
        for ours in &self.allows {
            let mut theirs = parent.allows.iter();
            if !theirs.any(|theirs| ours.is_within(theirs, &mut steps)) {
                return Err(AttenuationError::Allowance(ours.to_string()));
            }
        }
        for theirs in &parent.denies {
            let mut ours = self.denies.iter();
            if !ours.any(|ours| theirs.is_within(ours, &mut steps)) {
                return Err(AttenuationError::Denial(theirs.to_string()));
            }
        }
        let waived = self.exception.iter().flat_map(|own| &own.waives);
        for waiver in waived {
            if !parent.waives(*waiver) {
                return Err(AttenuationError::Waiver(waiver.as_str()));
            }
        }
        if let (Some(ours), Some(theirs)) = (&self.exception, &parent.exception)
            && ours.owner != theirs.owner
        {
            return Err(AttenuationError::Owner {
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
            && other.asks.as_ref().is_none_or(|theirs| {
                let mut ours = self.asks.iter().flatten();
                self.asks.is_some() && ours.all(|path| theirs.contains(path))
            })
    }
}

impl Denial {
    fn is_within(&self, other: &Self, steps: &mut Steps) -> bool {
        self.integration == other.integration
            && self.action.is_within_steps(&other.action, steps)
            && self.resource.is_within_steps(&other.resource, steps)
    }
}
