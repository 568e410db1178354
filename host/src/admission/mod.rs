//! What the host itself holds a request to, before any plugin is asked and after: no policy may waive
//! it.
//!
//! The checks are taken in one order, and the first that the request does not pass ends it:
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

use crate::Timestamp;
use crate::cause::{Cause, Refusal};
use crate::combine::tighter;
use crate::evidence::{Evidence, IntentSeen, ListAsOf, Sources};
use crate::integration::Integration;
use crate::intent::{Chain, IntentError, Waiver};
use crate::plugin::Obligation;
use crate::posture::Postures;
use crate::registry::{Identity, Registry};
use crate::request::{Posture, Request};
use crate::revocation::{Known, Revocations};
use crate::state::{Instances, State, Use};
use crate::trace::{Conclusion, Trace};
use portcullis_contract::{ActionClass, Constraint, PrincipalKind};

/// The checks that every request is held to, in order. Some have others behind them, such as
/// `intent, uses left`, where there is something to look at.
pub(crate) const CHECKS: [&str; 11] = [
    "registry",
    "attestation",
    "environment",
    "credential",
    "instance",
    "workload",
    "revocation",
    "intent",
    "trust",
    "posture",
    "evidence",
];

/// A request, and everything that it is held to.
pub(crate) struct Admission<'a> {
    pub(crate) registry: Option<&'a Registry>,
    pub(crate) revocations: Option<&'a Revocations>,
    pub(crate) intents: Option<&'a IntentRule>,
    pub(crate) state: Option<&'a dyn State>,
    /// Keeps in mind which instance presents which credential where there is no state.
    pub(crate) instances: &'a Instances,
    pub(crate) postures: Option<&'a Postures>,
    pub(crate) requirements: &'a Requirements,
    /// The intent that the request names, if it is known, with those that it was delegated by; or why
    /// the one that the request carries is none.
    pub(crate) chain: Result<Option<&'a Chain>, &'a IntentError>,
    pub(crate) request: &'a Request,
    pub(crate) integration: &'a Integration,
    pub(crate) class: ActionClass,
    pub(crate) now: Timestamp,
    pub(crate) sources: Sources<'a>,
}

/// A request that plugins may be asked about.
pub(crate) struct Admitted<'a> {
    pub(crate) facts: Facts<'a>,
    /// What a permit obliges to, whatever plugins say.
    pub(crate) obligations: Vec<Obligation>,
    /// What a grant never exceeds.
    pub(crate) ceiling: Ceiling,
    /// What a permit spends.
    pub(crate) uses: Vec<Use>,
}

/// What a grant never exceeds: what is left of the credential, the intent and its ancestors.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ceiling {
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) remaining_uses: Option<u64>,
    pub(crate) constraints: Vec<Constraint>,
}

/// What is known of an intent: what was approved, or else what the request states.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IntentFacts<'a> {
    pub(crate) id: &'a str,
    pub(crate) purpose: &'a str,
    pub(crate) approved_by: &'a str,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) remaining_uses: Option<u64>,
}

/// What is known of a principal, its intent and the destination: what the registry, the approval and
/// the host's own sightings say, or else what the request states.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) intent: Option<IntentFacts<'a>>,
    pub(crate) kind: PrincipalKind,
    pub(crate) owner: &'a str,
    pub(crate) purpose: &'a str,
    pub(crate) environment: &'a str,
    pub(crate) posture: Option<Posture>,
}

impl<'a> Facts<'a> {
    pub(crate) fn stated(request: &'a Request) -> Self {
        let principal = request.principal();
        Self {
            intent: request.intent().map(|intent| IntentFacts {
                id: &intent.id,
                purpose: &intent.purpose,
                approved_by: &intent.approved_by,
                expires_at: intent.expires_at,
                remaining_uses: intent.remaining_uses,
            }),
            kind: principal.kind,
            owner: &principal.owner,
            purpose: &principal.purpose,
            environment: &principal.environment,
            posture: request.resource().posture,
        }
    }
}

/// The checks of one request under way: what was found so far.
struct Checks<'r, 'a, T> {
    on: &'r Admission<'a>,
    trace: &'r mut T,
    evidence: &'r mut Evidence,
    /// What the intent, as an exception, waives.
    waives: &'a [Waiver],
    identity: Option<&'a Identity>,
    facts: Facts<'a>,
    ceiling: Ceiling,
    obligations: Vec<Obligation>,
    uses: Vec<Use>,
    /// What there was evidence of.
    established: Vec<Requirement>,
}

impl<'a> Admission<'a> {
    /// Takes every check in order, and stops at the first that the request does not pass. What was
    /// looked at is noted in `evidence`, whatever comes of it.
    pub(crate) fn admit(
        &self,
        evidence: &mut Evidence,
        trace: &mut impl Trace,
    ) -> Result<Admitted<'a>, Refusal> {
        if let Ok(Some(chain)) = self.chain {
            evidence.intents = chain
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
            evidence,
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
        checks.trust()?;
        checks.posture()?;
        checks.requirements()?;
        Ok(Admitted {
            facts: checks.facts,
            obligations: checks.obligations,
            ceiling: checks.ceiling,
            uses: checks.uses,
        })
    }

    /// The revocation list that counts for this decision; `again` when the plugins have been asked.
    fn known(&self, again: bool) -> Option<Known<'a>> {
        let revocations = self.revocations?;
        let seen = match self.sources {
            Sources::Recorded(evidence, ListAsOf::Then) => {
                let second = evidence.revocation_again.as_ref().filter(|_| again);
                second.or(evidence.revocation.as_ref())
            }
            _ => None,
        };
        Some(match seen {
            Some(seen) => revocations.as_seen(seen.clone()),
            None => revocations.now_known(),
        })
    }

    /// What the request's intent waives as an exception, if it is one, somebody signed it, and it is what
    /// the request may act on.
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

    /// The exception that the request's intent would be from that check, if somebody had signed it.
    fn unsigned_exception(&self, waiver: Waiver) -> Option<&str> {
        let intent = self.chain.ok().flatten()?.last()?;
        let are_signed = self.intents?.intents.are_signed();
        (!are_signed && intent.waives(waiver)).then_some(intent.id.as_str())
    }
}

impl<T: Trace> Checks<'_, '_, T> {
    /// Notes what a permit spends. It is one use of each, so that the grant is worth one, however many
    /// are left: for the next, there is another decision.
    fn spends(&mut self, uses: impl IntoIterator<Item = Use>) {
        self.uses.extend(uses);
        self.ceiling.remaining_uses = tighter(self.ceiling.remaining_uses, Some(1));
    }

    /// Notes a check that was passed, on evidence.
    fn pass(
        &mut self,
        name: &'static str,
        requirement: Requirement,
        evidence: impl FnOnce() -> String,
    ) {
        self.established.push(requirement);
        self.trace
            .check(|| name.to_owned(), Conclusion::Pass, evidence);
    }

    /// Notes a check that had nothing to look at.
    fn skip(&mut self, name: &'static str, why: impl FnOnce() -> String) {
        self.trace
            .check(|| name.to_owned(), Conclusion::NotApplicable, why);
    }

    /// Notes the check that ends the request.
    fn stop<R>(
        &mut self,
        name: &'static str,
        evidence: impl FnOnce() -> String,
        refusal: Refusal,
    ) -> Result<R, Refusal> {
        self.trace
            .check(|| name.to_owned(), Conclusion::Stop, evidence);
        Err(refusal)
    }

    /// Ends the request, unless the intent is an exception from the check.
    fn stop_unless_waived(
        &mut self,
        name: &'static str,
        waiver: Waiver,
        evidence: impl FnOnce() -> String,
        refusal: Refusal,
    ) -> Result<(), Refusal> {
        if !self.waives.contains(&waiver) {
            let (cause, mut detail) = refusal;
            if let Some(id) = self.on.unsigned_exception(waiver) {
                detail.push_str(&format!(
                    "; intent `{id}` is an exception that nobody signed, so that it waives nothing: have it signed by who is among the approvers"
                ));
            }
            return self.stop(name, evidence, (cause, detail));
        }
        self.evidence.waived.push(waiver);
        let on = self.on;
        self.trace.check(
            || name.to_owned(),
            Conclusion::Waived,
            || {
                let by = on.chain.ok().flatten().and_then(|chain| chain.last());
                let by = by.map_or_else(String::new, |intent| {
                    let owner = intent.exception.as_ref().map_or("", |it| it.owner.as_str());
                    format!(
                        "; waived by intent `{}` until {}, which {owner} answers for",
                        intent.id, intent.expires_at
                    )
                });
                format!("{}{by}", evidence())
            },
        );
        Ok(())
    }
}

/// A deny because the state cannot be used.
fn unusable(error: impl std::fmt::Display) -> Refusal {
    (
        Cause::StateUnavailable,
        format!("{error}: what cannot be counted is not permitted; mend the state, or make room"),
    )
}
