//! Whether the destination was looked at recently enough for what is to be done to it.

use crate::Timestamp;
use crate::request::{Posture, Resource};
use portcullis_contract::{ActionClass, Health};
use std::time::Duration;

/// How old a destination's posture may be where an action is sensitive, and what follows if it is
/// older or not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PostureRule {
    /// How long ago the posture may have been observed.
    pub max_age: Duration,
    /// What follows otherwise.
    pub otherwise: Otherwise,
}

/// What follows where a destination's posture is too old or not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Otherwise {
    /// The request is denied.
    Deny,
    /// A permit obliges to a `step-up`, which the enforcement point must be able to carry out.
    StepUp,
}

/// What the rule says of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Judged {
    /// The action is not sensitive, so that the posture does not matter.
    DoesNotMatter,
    /// The destination was seen to be well, recently enough.
    Well,
    /// Something is amiss, as the text says.
    Amiss(Otherwise, String),
}

impl PostureRule {
    /// Judges what was last seen of `resource`.
    pub(crate) fn judge(self, class: ActionClass, resource: &Resource, now: Timestamp) -> Judged {
        if class == ActionClass::Read {
            return Judged::DoesNotMatter;
        }
        let Some(Posture {
            observed_at: Some(at),
            health,
            ..
        }) = resource.posture
        else {
            let what = "it is not known when the destination was last looked at".to_owned();
            return Judged::Amiss(self.otherwise, what);
        };
        if health == Health::Compromised {
            let what =
                "the destination is known or suspected to be in an attacker's hands".to_owned();
            return Judged::Amiss(Otherwise::Deny, what);
        }
        let age = now.since(at);
        if age > self.max_age {
            let most = self.max_age;
            let what =
                format!("the destination was last looked at {age:?} ago, and {most:?} is the most");
            return Judged::Amiss(self.otherwise, what);
        }
        Judged::Well
    }
}
