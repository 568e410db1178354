//! The steps of a decision, from the configured integration to the spent uses.

use super::Pdp;
use super::candidate::Beside;
use crate::admission::Admission;
use crate::combine::{self, CombinedEffect};
use crate::decision::{self, Consulted, Decision};
use crate::integration::Integration;
use portcullis_contract::Field;
use portcullis_contract::work::Budget;
use portcullis_model::cause::{Cause, Refusal};
use portcullis_model::inputs::{Inputs, Sources};
use portcullis_model::request::Request;
use portcullis_model::timestamp::Timestamp;
use portcullis_model::trace::{Conclusion, Trace};
use portcullis_model::verdict::Effect;
use portcullis_sandbox::{Evaluation, Plugin, Question};
use portcullis_trust::intent::{Chain, IntentError};
use portcullis_trust::registry::FollowedRegistry;
use portcullis_trust::revocation::Revocable;
use portcullis_trust::state::SpendError;
use std::sync::Arc;

/// Maximum number of steps in which a decision compares names, arguments and origins.
///
/// They take at most 4 ms (`cargo bench -p portcullis-benches --bench worst`). The intents, requests and plugins that
/// people write need some thousands.
pub(super) const MAX_STEPS: u64 = 250_000;

const TOO_COMPLEX: &str = "comparing the request with its intent takes more steps than a decision may: use fewer or simpler patterns and constraints in the intent, or shorter names and fewer arguments in the request";

/// Maximum number of retries when concurrent requests spend the same uses.
const MAX_RACES: usize = 16;

impl Pdp {
    /// Decides, and spends the uses of a permit.
    ///
    /// If a concurrent request spends the last use first, it decides again.
    pub(super) fn decide_and_spend(&self, request: &Request, now: Timestamp) -> Decision {
        let mut races = 0;
        loop {
            let decision = self.decide(request, now, Sources::Live, &mut ());
            let state = match &self.inner.parts.state {
                Some(state) if !decision.uses().is_empty() => state,
                _ => return decision,
            };
            let why = match state.spend(decision.uses(), now) {
                Ok(()) => return self.spent_from(state.as_ref(), decision),
                Err(SpendError::UsedUp(_)) if races < MAX_RACES => {
                    races += 1;
                    continue;
                }
                Err(SpendError::UsedUp(_)) => {
                    "other requests used up the remaining uses repeatedly: try again".to_owned()
                }
                Err(SpendError::State(error)) => format!(
                    "{error}: uses that cannot be counted are not permitted; repair the state, or free disk space"
                ),
            };
            return not_spent(&decision, why);
        }
    }

    pub(super) fn decide(
        &self,
        request: &Request,
        now: Timestamp,
        sources: Sources<'_>,
        trace: &mut impl Trace,
    ) -> Decision {
        let name = request.integration();
        let Some(integration) = self.integration(name) else {
            trace.check(
                || "integration".to_owned(),
                Conclusion::Stop,
                || format!("`{name}` is not configured"),
            );
            return Decision::deny(
                Cause::UnknownIntegration,
                format!(
                    "there is no integration called `{name}`: configure it, or name another one"
                ),
            )
            .in_mode(self.mode_of_unknown());
        };
        let mut inputs = Inputs::default();
        let budget = Budget::begin(MAX_STEPS);
        let mut decision = self.decide_for(integration, request, now, sources, &mut inputs, trace);
        if budget.is_exhausted() {
            trace.check(
                || "steps".to_owned(),
                Conclusion::Stop,
                || format!("comparing the request took more than {MAX_STEPS} steps"),
            );
            decision = Decision::deny(Cause::TooComplex, TOO_COMPLEX);
        }
        decision.in_mode(integration.mode).made_from(inputs)
    }

    fn decide_for(
        &self,
        integration: &Integration,
        request: &Request,
        now: Timestamp,
        sources: Sources<'_>,
        inputs: &mut Inputs,
        trace: &mut impl Trace,
    ) -> Decision {
        let class = integration.class_of(request.action());
        trace.check(
            || "integration".to_owned(),
            Conclusion::Pass,
            || {
                let (name, action) = (request.integration(), request.action());
                let class = class.as_str();
                format!("`{name}` is configured; its action `{action}` is {class}")
            },
        );
        let chain = self.chain(request, now, sources);
        // One registry for the whole decision.
        let registry = self.inner.parts.registry.as_ref();
        let registry = registry.map(FollowedRegistry::get);
        let admission = Admission {
            registry: registry.as_ref().map(|it| it.as_ref().map(Arc::as_ref)),
            revocations: self.inner.parts.revocations.as_ref(),
            intents: self.inner.parts.intents.as_ref(),
            state: self.inner.parts.state.as_deref(),
            instances: &self.inner.parts.instances,
            postures: self.inner.parts.postures.as_ref(),
            requirements: &self.inner.parts.requirements,
            chain: chain.as_ref().map(Option::as_ref),
            request,
            integration,
            class,
            now,
            sources,
        };
        let admitted = match admission.admit(inputs, trace) {
            Ok(admitted) => admitted,
            Err((cause, detail)) => {
                return self.offered(Decision::deny(cause, detail), &admission);
            }
        };
        if let Some((cause, detail)) = answers_not_judged(integration, request, trace) {
            return Decision::deny(cause, detail);
        }
        let question = Question {
            request,
            facts: &admitted.facts,
            class,
            now,
        };
        let mut consulted = Vec::with_capacity(integration.plugins.len());
        let mut evaluations = Vec::with_capacity(integration.plugins.len());
        for (plugin, faults) in integration.with_faults() {
            let evaluation = self.ask(integration, (plugin, faults), question, sources);
            let effect = evaluation.outcome.as_ref().map(|verdict| verdict.effect);
            let conclusion = match effect {
                Ok(Effect::Permit) => Conclusion::Pass,
                Ok(Effect::NotApplicable) => Conclusion::NotApplicable,
                Ok(Effect::Deny | Effect::Indeterminate) | Err(_) => Conclusion::Stop,
            };
            trace.check(
                || plugin_step(plugin),
                conclusion,
                || describe(plugin, &evaluation),
            );
            consulted.push(Consulted::new(plugin, &evaluation));
            evaluations.push(evaluation);
        }
        let beside = self.ask_candidates(integration, question, &evaluations, &admitted, sources);
        let names = integration
            .plugins
            .iter()
            .map(|it| it.manifest().name.as_str());
        let mut combined = combine::deny_overrides(names.zip(&evaluations));
        if combined.effect == CombinedEffect::Permit {
            combined.obligations.extend(admitted.obligations);
        }
        // A revocation may have been added while the plugins ran.
        if let Some((cause, detail)) = admission.revoked_since(inputs, trace) {
            return Decision::deny(cause, detail).with_plugins(consulted, combined.reasons);
        }
        let decision = decision::accept(
            combined,
            consulted,
            request,
            integration,
            admitted.ceiling,
            now,
            trace,
        )
        .spending(admitted.uses);
        self.offered(Beside::note(beside, decision), &admission)
    }

    /// The request's intent, carried or named, with the intents that delegated it.
    pub(super) fn chain(
        &self,
        request: &Request,
        now: Timestamp,
        sources: Sources<'_>,
    ) -> Result<Option<Chain>, IntentError> {
        let (Some(rule), Some(intent)) = (&self.inner.parts.intents, request.intent()) else {
            return Ok(None);
        };
        if intent.documents.is_empty() {
            let chain = rule.intents.chain(&intent.id);
            return Ok(match sources {
                // An intent counts from its issuance: the inputs show which intent was known.
                Sources::Recorded(inputs, _) => chain.filter(|chain| {
                    let seen = inputs.intents.last();
                    let digest = chain.last().map(|intent| intent.digest().to_string());
                    seen.map(|seen| &seen.digest) == digest.as_ref()
                }),
                Sources::Live | Sources::DryRun => chain,
            });
        }
        // Verifying signatures costs more than all other checks: skip it if the deny is certain.
        if !self.could_be_admitted(request, now, sources) {
            return Ok(None);
        }
        let chain = rule.intents.carried(&intent.documents)?;
        if matches!(sources, Sources::Live) && rule.intents.issue_carried(&intent.documents) {
            self.record_issued(&chain);
        }
        Ok(Some(chain))
    }

    /// False if a check before the intent is certain to deny the principal.
    ///
    /// It is if the principal is not registered, if it or its credential is revoked, or if the revocation
    /// list is unreliable.
    fn could_be_admitted(&self, request: &Request, now: Timestamp, sources: Sources<'_>) -> bool {
        let principal = request.principal();
        let registered = self.inner.parts.registry.as_ref().is_none_or(|registry| {
            let registry = registry.get();
            registry.is_ok_and(|registry| registry.get(&principal.id).is_some())
        });
        let revoked = match (&self.inner.parts.revocations, sources) {
            (Some(revocations), Sources::Live | Sources::DryRun) => {
                let known = revocations.now_known();
                known.unreliable(now).is_some()
                    || known.find(Revocable::Principal, &principal.id).is_some()
                    || known
                        .find_credential(&principal.credential_id, &principal.id)
                        .is_some()
            }
            _ => false,
        };
        registered && !revoked
    }
}

/// Returns the deny for a permit whose uses could not be spent.
///
/// The reason is part of the inputs, so that a replay gives the same decision.
pub(super) fn not_spent(decision: &Decision, why: String) -> Decision {
    let inputs = Inputs {
        not_spent: Some(why.clone()),
        ..decision.inputs().clone()
    };
    Decision::deny(Cause::StateUnavailable, why)
        .in_mode(decision.mode())
        .made_from(inputs)
}

/// Refuses answers to the server's questions that a plugin of the integration does not ask for.
fn answers_not_judged(
    integration: &Integration,
    request: &Request,
    trace: &mut impl Trace,
) -> Option<Refusal> {
    let round_trip = request.round_trip();
    let present = [
        (
            Field::ActionInputResponses,
            round_trip.input_responses.is_some(),
        ),
        (
            Field::ActionRequestState,
            round_trip.request_state.is_some(),
        ),
    ];
    let unasked = present
        .into_iter()
        .filter(|(_, is_present)| *is_present)
        .find_map(|(field, _)| {
            let mut plugins = integration.plugins.iter();
            let plugin = plugins.find(|it| !it.manifest().fields().has(field))?;
            Some((plugin, field.name()))
        });
    let conclusion = match (round_trip.is_empty(), &unasked) {
        (true, _) => Conclusion::NotApplicable,
        (false, None) => Conclusion::Pass,
        (false, Some(_)) => Conclusion::Stop,
    };
    let detail = || match &unasked {
        Some((plugin, field)) => format!(
            "the call answers questions of the server, and plugin `{}` does not judge the answers: it has to list `{field}` under `needs` in plugin.toml",
            plugin.manifest().name
        ),
        None if round_trip.is_empty() => "the call answers no question of the server".to_owned(),
        None => "every plugin judges the answers".to_owned(),
    };
    trace.check(|| "answers".to_owned(), conclusion, detail);
    unasked
        .is_some()
        .then(|| (Cause::AnswersNotJudged, detail()))
}

/// Name of the step that evaluates `plugin`.
pub(super) fn plugin_step(plugin: &Plugin) -> String {
    format!("plugin {}", plugin.manifest().name)
}

/// Describes the plugin's needs, answer, time and memory.
fn describe(plugin: &Plugin, evaluation: &Evaluation) -> String {
    let manifest = plugin.manifest();
    let answer = match &evaluation.outcome {
        Ok(verdict) => {
            let reasons: Vec<_> = verdict
                .reasons
                .iter()
                .map(|reason| match reason.fields.as_slice() {
                    [] => format!("{}: {}", reason.code, reason.message),
                    fields => {
                        format!(
                            "{}: {} (from {})",
                            reason.code,
                            reason.message,
                            fields.join(", ")
                        )
                    }
                })
                .collect();
            let because = if reasons.is_empty() {
                ""
            } else {
                " because of "
            };
            format!(
                "answered {}{because}{}",
                verdict.effect.as_str(),
                reasons.join("; ")
            )
        }
        Err(fault) => format!("gave no answer: {fault}"),
    };
    let reset = match evaluation.reset_failed {
        true => {
            "; a self-check found that a reset was not complete, so it decides in fresh instances: report this"
        }
        false => "",
    };
    format!(
        "{} {}, given {}, {answer}; it took {:?} of {:?} and {} of {} KiB{reset}",
        manifest.name,
        manifest.version,
        manifest.needs.join(", "),
        evaluation.time,
        plugin.limits().deadline,
        evaluation.peak_memory_bytes / 1024,
        plugin.limits().memory_bytes / 1024,
    )
}
