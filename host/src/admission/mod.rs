//! The host's own checks of a request, before and after the plugins. No policy can waive them.
//!
//! The checks run in a fixed order, and the first that fails denies the request:
//! [`principal`] (registry, attestation, environment, credential, instance, workload), [`revoked`],
//! [`intent`] (window, chain, budgets), [`destination`] (trust, posture), [`requirements`].

mod destination;
mod intent;
mod principal;
mod requirements;
mod revoked;
#[cfg(test)]
mod tests;

pub(crate) use intent::IntentRule;
pub use requirements::Requirement;
pub(crate) use requirements::Requirements;

use crate::combine::tighter;
use crate::integration::Integration;
use portcullis_contract::{ActionClass, Constraint};
use portcullis_model::cause::{Cause, Refusal};
use portcullis_model::facts::Facts;
use portcullis_model::inputs::{Inputs, IntentSeen, ListAsOf, Sources};
use portcullis_model::request::Request;
use portcullis_model::timestamp::Timestamp;
use portcullis_model::trace::{Conclusion, Trace};
use portcullis_model::verdict::Obligation;
use portcullis_model::waiver::Waiver;
use portcullis_trust::intent::{Chain, IntentError};
use portcullis_trust::posture::Postures;
use portcullis_trust::registry::{Identity, Registry, RegistryError};
use portcullis_trust::revocation::{Known, Revocations};
use portcullis_trust::state::{Sightings, State, Use};

/// Names of the checks of every request, in order.
///
/// Some have a further check, such as `intent, uses left`, which runs only if it applies.
pub(crate) const CHECKS: [&str; 11] = [
    "registry",
    "attestation",
    "environment",
    "credential",
    "instance",
    "workload",
    "revocation",
    "intent",
    "tier",
    "destination",
    "required-checks",
];

/// A request with everything that it is checked against.
pub(crate) struct Admission<'a> {
    /// The registry, or the reason why it is unusable.
    pub(crate) registry: Option<Result<&'a Registry, &'a RegistryError>>,
    pub(crate) revocations: Option<&'a Revocations>,
    pub(crate) intents: Option<&'a IntentRule>,
    pub(crate) state: Option<&'a dyn State>,
    /// Sightings that present each credential, used if there is no state.
    pub(crate) instances: &'a Sightings,
    pub(crate) postures: Option<&'a Postures>,
    pub(crate) requirements: &'a Requirements,
    /// The known intent that the request names, with the intents that delegated it.
    ///
    /// An error if the intent that the request carries is invalid.
    pub(crate) chain: Result<Option<&'a Chain>, &'a IntentError>,
    pub(crate) request: &'a Request,
    pub(crate) integration: &'a Integration,
    pub(crate) class: ActionClass,
    pub(crate) now: Timestamp,
    pub(crate) sources: Sources<'a>,
}

/// A request that passed the checks before the plugins.
pub(crate) struct Admitted<'a> {
    pub(crate) facts: Facts<'a>,
    /// Obligations added to a permit, whatever the plugins answer.
    pub(crate) obligations: Vec<Obligation>,
    /// Upper bound of the grant.
    pub(crate) ceiling: Ceiling,
    /// Uses that a permit spends.
    pub(crate) uses: Vec<Use>,
}

/// Upper bound of a grant.
///
/// It is the remainder of the credential, the registration, the intent and the intent's ancestors.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ceiling {
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) remaining_uses: Option<u64>,
    pub(crate) constraints: Vec<Constraint>,
}

/// The running checks of one request, with their findings.
struct Checks<'r, 'a, T> {
    on: &'r Admission<'a>,
    trace: &'r mut T,
    inputs: &'r mut Inputs,
    /// Checks that the intent waives as an exception.
    waives: &'a [Waiver],
    identity: Option<&'a Identity>,
    facts: Facts<'a>,
    ceiling: Ceiling,
    obligations: Vec<Obligation>,
    uses: Vec<Use>,
    /// Requirements that are met.
    established: Vec<Requirement>,
}

impl<'a> Admission<'a> {
    /// Runs every check in order, and stops at the first that fails.
    ///
    /// The findings are recorded in `inputs`, whatever the result.
    pub(crate) fn admit(
        &self,
        inputs: &mut Inputs,
        trace: &mut impl Trace,
    ) -> Result<Admitted<'a>, Refusal> {
        if let Ok(Some(chain)) = self.chain {
            inputs.intents = chain
                .iter()
                .map(|intent| IntentSeen {
                    id: intent.id.clone(),
                    digest: intent.digest().to_string(),
                    principal: intent.principal.clone(),
                    approved_by: intent.approved_by.clone(),
                })
                .collect();
        }
        let mut checks = Checks {
            on: self,
            trace,
            inputs,
            waives: self.waivers(),
            identity: None,
            facts: Facts::stated(self.request),
            ceiling: Ceiling {
                expires_at: self.request.principal().credential_expires_at,
                ..Ceiling::default()
            },
            obligations: Vec::new(),
            uses: Vec::new(),
            established: Vec::new(),
        };
        checks.registry()?;
        checks.attestation()?;
        checks.environment()?;
        checks.credential()?;
        checks.instance()?;
        checks.workload()?;
        checks.revocation()?;
        checks.intent()?;
        checks.tier()?;
        checks.destination()?;
        checks.requirements()?;
        Ok(Admitted {
            facts: checks.facts,
            obligations: checks.obligations,
            ceiling: checks.ceiling,
            uses: checks.uses,
        })
    }

    /// The registry, if it is usable.
    fn usable_registry(&self) -> Option<&'a Registry> {
        self.registry.and_then(Result::ok)
    }

    /// The revocation list for this decision; `again` is set after the plugins ran.
    fn known(&self, again: bool) -> Option<Known<'a>> {
        let revocations = self.revocations?;
        let seen = match self.sources {
            Sources::Recorded(inputs, ListAsOf::Then) => {
                let second = inputs.revocation_again.as_ref().filter(|_| again);
                second.or(inputs.revocation.as_ref())
            }
            _ => None,
        };
        Some(match seen {
            Some(seen) => revocations.as_seen(seen.clone()),
            None => revocations.now_known(),
        })
    }

    /// Checks that the request's intent waives as an exception.
    ///
    /// An exception is valid only if intents are signed and the request is within the intent.
    fn waivers(&self) -> &'a [Waiver] {
        let Ok(Some(chain)) = self.chain else {
            return &[];
        };
        let are_signed = self.intents.is_some_and(|rule| rule.intents.are_signed());
        match chain.last().and_then(|intent| intent.exception.as_ref()) {
            Some(exception) if are_signed && self.outside(chain).is_none() => &exception.waives,
            _ => &[],
        }
    }

    /// Id of the request's intent, if it would waive the check once signed.
    fn unsigned_exception(&self, waiver: Waiver) -> Option<&str> {
        let intent = self.chain.ok().flatten()?.last()?;
        let are_signed = self.intents?.intents.are_signed();
        (!are_signed && intent.waives(waiver)).then_some(intent.id.as_str())
    }
}

impl<T: Trace> Checks<'_, '_, T> {
    /// Adds uses that a permit spends.
    ///
    /// A permit spends one use of each, so the grant holds for one use, however many are left. The next call
    /// needs another decision.
    fn spends(&mut self, uses: impl IntoIterator<Item = Use>) {
        self.uses.extend(uses);
        self.ceiling.remaining_uses = tighter(self.ceiling.remaining_uses, Some(1));
    }

    /// Records a check that passed, and its finding.
    fn pass(
        &mut self,
        name: &'static str,
        requirement: Requirement,
        finding: impl FnOnce() -> String,
    ) {
        self.established.push(requirement);
        self.trace
            .check(|| name.to_owned(), Conclusion::Pass, finding);
    }

    /// Records a check that did not apply.
    fn skip(&mut self, name: &'static str, why: impl FnOnce() -> String) {
        self.trace
            .check(|| name.to_owned(), Conclusion::NotApplicable, why);
    }

    /// Records the check that denies the request.
    fn stop<R>(
        &mut self,
        name: &'static str,
        finding: impl FnOnce() -> String,
        refusal: Refusal,
    ) -> Result<R, Refusal> {
        self.trace
            .check(|| name.to_owned(), Conclusion::Stop, finding);
        Err(refusal)
    }

    /// Denies the request, unless its intent waives the check.
    fn stop_unless_waived(
        &mut self,
        name: &'static str,
        waiver: Waiver,
        finding: impl FnOnce() -> String,
        refusal: Refusal,
    ) -> Result<(), Refusal> {
        if !self.waives.contains(&waiver) {
            let (cause, mut detail) = refusal;
            if let Some(id) = self.on.unsigned_exception(waiver) {
                detail.push_str(&format!(
                    "; intent `{id}` is an unsigned exception, so it waives nothing: have it signed by one of the approvers"
                ));
            }
            return self.stop(name, finding, (cause, detail));
        }
        self.inputs.waived.push(waiver);
        let on = self.on;
        self.trace.check(
            || name.to_owned(),
            Conclusion::Waived,
            || {
                let by = on.chain.ok().flatten().and_then(|chain| chain.last());
                let by = by.map_or_else(String::new, |intent| {
                    let owner = intent.exception.as_ref().map_or("", |it| it.owner.as_str());
                    format!(
                        "; waived by intent `{}` until {}, with the owner {owner}",
                        intent.id, intent.expires_at
                    )
                });
                format!("{}{by}", finding())
            },
        );
        Ok(())
    }
}

/// Refusal because the state cannot be used.
fn unusable(error: impl std::fmt::Display) -> Refusal {
    (
        Cause::StateUnavailable,
        format!(
            "{error}: uses that cannot be counted are not permitted; repair the state, or free disk space"
        ),
    )
}
