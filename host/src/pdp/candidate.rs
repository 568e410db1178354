//! Asks the candidates of an integration, beside the plugins that decide.
//!
//! Nothing here affects a decision: a candidate that faults, runs too long or panics the host changes the
//! recorded [`CandidateDecision`] alone.

use super::Pdp;
use super::decide::MAX_STEPS;
use crate::admission::Admitted;
use crate::combine::{self, CombinedEffect};
use crate::decision::{self, CandidateDecision, CandidateVerdict, Decision};
use crate::integration::{Candidate, Integration};
use portcullis_contract::Field;
use portcullis_contract::work::Budget;
use portcullis_model::cause::Cause;
use portcullis_model::inputs::Sources;
use portcullis_model::request::Request;
use portcullis_sandbox::{Evaluation, Instances, Plugin, Question};
use portcullis_trust::revocation::Revocable;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The decision that the candidates would have led to, and their verdicts.
pub(super) struct Beside {
    would_be: Decision,
    verdicts: Vec<CandidateVerdict>,
}

impl Beside {
    /// Adds it to the decision, for the record.
    pub(super) fn note(beside: Option<Box<Self>>, decision: Decision) -> Decision {
        let Some(Self { would_be, verdicts }) = beside.map(|it| *it) else {
            return decision;
        };
        let candidate = CandidateDecision::new(&would_be, verdicts, &decision);
        decision.with_candidate(candidate)
    }
}

impl Pdp {
    /// Asks the candidates of the integration, if it has any and the decision is not a dry run or a replay.
    ///
    /// `evaluations` are the answers of its plugins, in their order.
    pub(super) fn ask_candidates(
        &self,
        integration: &Integration,
        question: Question<'_>,
        evaluations: &[Evaluation],
        admitted: &Admitted<'_>,
        sources: Sources<'_>,
    ) -> Option<Box<Beside>> {
        if integration.candidates.is_empty() || !matches!(sources, Sources::Live) {
            return None;
        }
        let asked = catch_unwind(AssertUnwindSafe(|| {
            // The steps of the decision itself are not spent here.
            let budget = Budget::begin(MAX_STEPS);
            let mut beside = self.beside(integration, question, evaluations, admitted);
            if budget.is_exhausted() {
                beside.would_be = Decision::deny(Cause::TooComplex, "");
            }
            beside
        }));
        Some(Box::new(asked.unwrap_or_else(|_| Beside {
            would_be: Decision::deny(Cause::HostFault, ""),
            verdicts: Vec::new(),
        })))
    }

    fn beside(
        &self,
        integration: &Integration,
        question: Question<'_>,
        evaluations: &[Evaluation],
        admitted: &Admitted<'_>,
    ) -> Beside {
        let candidates = &integration.candidates;
        let answers: Vec<_> = candidates
            .iter()
            .map(|candidate| self.ask_candidate(candidate, question))
            .collect();
        let verdicts = candidates.iter().zip(&answers);
        let verdicts = verdicts.map(|(it, answer)| CandidateVerdict::new(it, answer));
        Beside {
            verdicts: verdicts.collect(),
            would_be: self.would_be(integration, question, evaluations, &answers, admitted),
        }
    }

    /// Asks one candidate, unless it is quarantined, which the log does not record.
    ///
    /// It decides in a fresh instance, so that it takes no room from instances that are reset.
    fn ask_candidate(&self, candidate: &Candidate, question: Question<'_>) -> Evaluation {
        let call = || candidate.plugin.answer(question, Instances::Fresh);
        let (answer, _) = candidate.faults.ask(&self.inner.parts.quarantine, call);
        answer
    }

    /// The decision with each candidate in the place of the plugin that it replaces.
    fn would_be(
        &self,
        integration: &Integration,
        question: Question<'_>,
        evaluations: &[Evaluation],
        answers: &[Evaluation],
        admitted: &Admitted<'_>,
    ) -> Decision {
        let request = question.request;
        let candidates = || integration.candidates.iter().zip(answers);
        if let Some(revocations) = &self.inner.parts.revocations {
            let known = revocations.now_known();
            let is_revoked =
                |it: &Candidate| known.find(Revocable::Plugin, it.plugin.digest_text());
            if integration
                .candidates
                .iter()
                .any(|it| is_revoked(it).is_some())
            {
                return Decision::deny(Cause::Revoked, "");
            }
        }
        if candidates().any(|(it, _)| ignores_answers(&it.plugin, request)) {
            return Decision::deny(Cause::AnswersNotJudged, "");
        }
        let name = |plugin: &'_ Plugin| plugin.manifest().name.clone();
        let plugins = integration.plugins.iter().zip(evaluations);
        let mut asked: Vec<(String, &Evaluation)> = plugins
            .map(|(plugin, own)| {
                let enforced = name(plugin);
                let replaces = |it: &Candidate| it.replaces.as_ref() == Some(&enforced);
                match candidates().find(|(it, _)| replaces(it)) {
                    Some((candidate, answer)) => (name(&candidate.plugin), answer),
                    None => (enforced, own),
                }
            })
            .collect();
        let additional = candidates().filter(|(it, _)| it.replaces.is_none());
        asked.extend(additional.map(|(it, answer)| (name(&it.plugin), answer)));
        let named = asked.iter().map(|(name, it)| (name.as_str(), *it));
        let mut combined = combine::deny_overrides(named);
        if combined.effect == CombinedEffect::Permit {
            combined
                .obligations
                .extend_from_slice(&admitted.obligations);
        }
        decision::accept(
            combined,
            Vec::new(),
            request,
            integration,
            admitted.ceiling.clone(),
            question.now,
            &mut (),
        )
    }
}

/// True if the call answers questions of the server, and the plugin does not ask for the answers.
fn ignores_answers(plugin: &Plugin, request: &Request) -> bool {
    let fields = plugin.manifest().fields();
    let round_trip = request.round_trip();
    (round_trip.input_responses.is_some() && !fields.has(Field::ActionInputResponses))
        || (round_trip.request_state.is_some() && !fields.has(Field::ActionRequestState))
}
