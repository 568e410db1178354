//! Combines the answers of several plugins: deny overrides.
//!
//! `deny > fault > indeterminate > permit > not-applicable`. Only a plugin's permit can lead to a permit.
//! The host asks all plugins, whatever the first ones answer, so that a decision shows every reason.

use portcullis_model::fault_kind::FaultKind;
use portcullis_model::verdict::{Effect, Narrowing, Obligation, Reason, Verdict};
use portcullis_sandbox::Evaluation;

/// Combined answer of the plugins of an integration.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Combined {
    pub(crate) effect: CombinedEffect,
    /// Every reason of every plugin, in the order of the plugins.
    pub(crate) reasons: Vec<Reason>,
    /// Obligations of the plugins whose effect is the combined one.
    pub(crate) obligations: Vec<Obligation>,
    /// Advice of the same plugins.
    pub(crate) advice: Vec<Obligation>,
    /// The intersection of all permits.
    pub(crate) narrowing: Narrowing,
    /// True for a deny if every plugin that denies calls it requestable, and no plugin faulted or could not tell.
    pub(crate) requestable: bool,
}

/// The effect that overrides the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CombinedEffect {
    Deny,
    /// No plugin denied and at least one faulted; holds the first fault.
    Faulted(FaultKind),
    Indeterminate,
    Permit,
    NotApplicable,
}

/// Combines the answers of an integration's plugins, each with the plugin's name.
pub(crate) fn deny_overrides<'a>(
    evaluations: impl Iterator<Item = (&'a str, &'a Evaluation)>,
) -> Combined {
    let mut combined = Combined {
        effect: CombinedEffect::NotApplicable,
        reasons: Vec::new(),
        obligations: Vec::new(),
        advice: Vec::new(),
        narrowing: Narrowing::default(),
        requestable: false,
    };
    let mut lifted = true;
    for (plugin, evaluation) in evaluations {
        let (effect, verdict) = match &evaluation.outcome {
            Err(fault) => {
                // An approval does not lift a fault.
                lifted = false;
                (CombinedEffect::Faulted(fault.kind()), None)
            }
            Ok(verdict) => (CombinedEffect::of(verdict.effect), Some(verdict)),
        };
        if effect.rank() > combined.effect.rank() {
            combined.effect = effect;
            combined.obligations.clear();
            combined.advice.clear();
        }
        let Some(verdict) = verdict else { continue };
        combined
            .reasons
            .extend(verdict.reasons.iter().map(|reason| Reason {
                plugin: plugin.to_owned(),
                reason: reason.clone(),
            }));
        lifted &= match verdict.effect {
            Effect::Deny => verdict.requestable,
            Effect::Indeterminate => false,
            Effect::Permit | Effect::NotApplicable => true,
        };
        if effect == combined.effect {
            combined.obligations.extend_from_slice(&verdict.obligations);
            combined.advice.extend_from_slice(&verdict.advice);
        }
        if verdict.effect == Effect::Permit {
            combined.narrow(verdict);
        }
    }
    combined.requestable = combined.effect == CombinedEffect::Deny && lifted;
    combined
}

impl Combined {
    fn narrow(&mut self, verdict: &Verdict) {
        let Narrowing {
            constraints,
            lifetime,
            max_uses,
        } = &verdict.narrowing;
        let ours = &mut self.narrowing;
        ours.constraints.extend_from_slice(constraints);
        ours.lifetime = tighter(ours.lifetime, *lifetime);
        ours.max_uses = tighter(ours.max_uses, *max_uses);
    }
}

/// The smaller of two bounds, either of which may be absent.
pub(crate) fn tighter<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

impl CombinedEffect {
    fn of(effect: Effect) -> Self {
        match effect {
            Effect::Permit => Self::Permit,
            Effect::Deny => Self::Deny,
            Effect::NotApplicable => Self::NotApplicable,
            Effect::Indeterminate => Self::Indeterminate,
        }
    }

    fn rank(self) -> u8 {
        match self {
            Self::NotApplicable => 0,
            Self::Permit => 1,
            Self::Indeterminate => 2,
            Self::Faulted(_) => 3,
            Self::Deny => 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_sandbox::Fault;
    use std::time::Duration;

    fn answered(effect: Effect) -> Evaluation {
        let obligation = Obligation {
            id: format!("{effect:?}"),
            kind: "notification".into(),
            properties: serde_json::json!({}),
        };
        let reason = portcullis_contract::Reason {
            code: "code".into(),
            message: String::new(),
            fields: vec![],
        };
        Evaluation {
            outcome: Ok(Verdict {
                effect,
                reasons: vec![reason],
                obligations: vec![obligation],
                advice: vec![],
                narrowing: Narrowing::default(),
                requestable: false,
            }),
            time: Duration::ZERO,
            peak_memory_bytes: 0,
            instructions: None,
            reset_failed: false,
        }
    }

    fn faulted() -> Evaluation {
        Evaluation {
            outcome: Err(Fault::Deadline),
            time: Duration::ZERO,
            peak_memory_bytes: 0,
            instructions: None,
            reset_failed: false,
        }
    }

    fn combined<'a>(evaluations: impl IntoIterator<Item = &'a Evaluation>) -> Combined {
        deny_overrides(
            evaluations
                .into_iter()
                .map(|evaluation| ("plugin", evaluation)),
        )
    }

    #[test]
    fn a_deny_is_requestable_if_every_deny_is() {
        let deny = |requestable| {
            let mut evaluation = answered(Effect::Deny);
            evaluation.outcome.as_mut().unwrap().requestable = requestable;
            evaluation
        };
        let permit = answered(Effect::Permit);
        for (evaluations, requestable) in [
            (vec![deny(true)], true),
            (vec![permit.clone(), deny(true), permit.clone()], true),
            (vec![deny(true), deny(true)], true),
            (vec![deny(true), deny(false)], false),
            (vec![deny(false), deny(true)], false),
            (vec![faulted(), deny(true)], false),
            (vec![deny(true), answered(Effect::Indeterminate)], false),
            (vec![deny(true), answered(Effect::NotApplicable)], true),
            (vec![permit, faulted()], false),
        ] {
            assert_eq!(
                combined(&evaluations).requestable,
                requestable,
                "{evaluations:?}"
            );
        }
    }

    #[test]
    fn only_permits_and_the_indifferent_permit() {
        let all = [
            (
                answered(Effect::NotApplicable),
                CombinedEffect::NotApplicable,
            ),
            (answered(Effect::Permit), CombinedEffect::Permit),
            (
                answered(Effect::Indeterminate),
                CombinedEffect::Indeterminate,
            ),
            (faulted(), CombinedEffect::Faulted(FaultKind::Deadline)),
            (answered(Effect::Deny), CombinedEffect::Deny),
        ];
        for (i, (a, effect_a)) in all.iter().enumerate() {
            for (j, (b, effect_b)) in all.iter().enumerate() {
                let expected = if i > j { effect_a } else { effect_b };
                assert_eq!(combined([a, b]).effect, *expected);
            }
        }
        assert_eq!(combined([]).effect, CombinedEffect::NotApplicable);
    }

    #[test]
    fn reasons_of_all_but_obligations_of_those_that_prevail() {
        let evaluations = [
            answered(Effect::Permit),
            answered(Effect::Deny),
            answered(Effect::Permit),
        ];
        let combined = combined(&evaluations);
        assert_eq!(combined.reasons.len(), 3);
        let ids: Vec<_> = combined.obligations.iter().map(|o| o.id.as_str()).collect();
        assert_eq!(ids, ["Deny"]);
    }

    #[test]
    fn narrowings_intersect() {
        let narrowed = |lifetime, max_uses| {
            let mut evaluation = answered(Effect::Permit);
            evaluation.outcome.as_mut().unwrap().narrowing = Narrowing {
                constraints: vec![],
                lifetime,
                max_uses,
            };
            evaluation
        };
        let evaluations = [
            narrowed(Some(Duration::from_secs(9)), None),
            narrowed(Some(Duration::from_secs(5)), Some(3)),
            narrowed(None, Some(7)),
        ];
        let narrowing = combined(&evaluations).narrowing;
        assert_eq!(narrowing.lifetime, Some(Duration::from_secs(5)));
        assert_eq!(narrowing.max_uses, Some(3));
    }
}
