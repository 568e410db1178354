//! Whether the destination was looked at recently enough for what is to be done to it.

use crate::Timestamp;
use crate::request::Resource;
use crate::timestamp::CLOCK_LEEWAY;
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
        let posture = resource.posture.unwrap_or_default();
        if posture.health == Health::Compromised {
            let what =
                "the destination is known or suspected to be in an attacker's hands".to_owned();
            return Judged::Amiss(Otherwise::Deny, what);
        }
        // What was observed in the future was not.
        let Some(at) = posture
            .observed_at
            .filter(|at| *at <= now.plus(CLOCK_LEEWAY))
        else {
            let what = "it is not known when the destination was last looked at".to_owned();
            return Judged::Amiss(self.otherwise, what);
        };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Posture;

    const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

    fn judged(class: ActionClass, posture: Option<Posture>) -> Judged {
        let rule = PostureRule {
            max_age: Duration::from_secs(300),
            otherwise: Otherwise::StepUp,
        };
        let resource = Resource {
            posture,
            ..Resource::default()
        };
        rule.judge(class, &resource, NOW)
    }

    #[test]
    fn a_compromised_destination_is_denied_whenever_that_was_seen() {
        for observed_at in [None, Some(NOW), Some(Timestamp::from_millis(0))] {
            let posture = Posture {
                health: Health::Compromised,
                observed_at,
                ..Posture::default()
            };
            let judged = judged(ActionClass::Write, Some(posture));
            assert!(matches!(judged, Judged::Amiss(Otherwise::Deny, _)));
        }
    }

    #[test]
    fn what_was_seen_in_the_future_was_not_seen() {
        let at = |at| {
            judged(
                ActionClass::Unclassified,
                Some(Posture {
                    observed_at: Some(at),
                    ..Posture::default()
                }),
            )
        };
        assert_eq!(at(NOW), Judged::Well);
        assert!(matches!(
            at(NOW.plus(Duration::from_secs(60))),
            Judged::Amiss(Otherwise::StepUp, _)
        ));
        assert!(matches!(
            judged(ActionClass::Admin, None),
            Judged::Amiss(Otherwise::StepUp, _)
        ));
        assert_eq!(judged(ActionClass::Read, None), Judged::DoesNotMatter);
    }
}
