//! The policy decision point.

use crate::Timestamp;
use crate::admission::{Admission, IntentRule};
use crate::cause::Cause;
use crate::combine::{self, CombinedEffect};
use crate::decision::{self, Consulted, Decision};
use crate::integration::Integration;
use crate::intent::Intents;
use crate::limits::RequestLimits;
use crate::log::{DecisionLog, LogError};
use crate::plugin::{Effect, Evaluation, Plugin};
use crate::registry::Registry;
use crate::request::{Request, RequestError};
use crate::revocation::Revocations;
use crate::trace::{Check, Conclusion, Trace};
use portcullis_contract::PrincipalKind;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The policy decision point: asked with a request, it answers with a decision.
///
/// It is cheap to clone, and may be asked from any number of threads at once. A decision is
/// microseconds of work on the calling thread and waits for nothing, so it needs no async runtime.
#[derive(Debug, Clone)]
pub struct Pdp {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    integrations: HashMap<String, Integration>,
    request_limits: RequestLimits,
    registry: Option<Registry>,
    revocations: Option<Revocations>,
    intents: Option<IntentRule>,
    log: Option<DecisionLog>,
}

/// Why integrations do not make a [`Pdp`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PdpError {
    /// Two integrations have one name.
    #[error("two integrations are called `{0}`: give each a name of its own")]
    DuplicateIntegration(String),
    /// An integration has no plugin, so all its requests would be denied.
    #[error("integration `{0}` has no plugin, so all its requests would be denied: add one")]
    NoPlugin(String),
    /// Two plugins of an integration have one name, so their reasons could not be told apart.
    #[error("integration `{integration}` has two plugins called `{plugin}`: keep one")]
    DuplicatePlugin {
        /// The integration.
        integration: String,
        /// The plugins' name.
        plugin: String,
    },
}

/// A decision point in the making, see [`Pdp::builder`].
#[derive(Debug, Default)]
#[must_use]
pub struct PdpBuilder {
    integrations: Vec<Integration>,
    request_limits: RequestLimits,
    registry: Option<Registry>,
    revocations: Option<Revocations>,
    intents: Option<IntentRule>,
    log: Option<DecisionLog>,
}

impl PdpBuilder {
    /// Adds an integration.
    pub fn integration(mut self, integration: Integration) -> Self {
        self.integrations.push(integration);
        self
    }

    /// How large a request may be.
    pub fn request_limits(mut self, limits: RequestLimits) -> Self {
        self.request_limits = limits;
        self
    }

    /// Holds every request to a registry: who is not in it is denied, and what it says of a
    /// principal is what plugins are told.
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = Some(registry);
        self
    }

    /// Holds every request to a revocation list, before plugins are asked and after.
    pub fn revocations(mut self, revocations: Revocations) -> Self {
        self.revocations = Some(revocations);
        self
    }

    /// Holds every request that names an intent to what was approved, and denies principals of the
    /// kinds in `required_for` that name none.
    pub fn intents(
        mut self,
        intents: Intents,
        required_for: impl IntoIterator<Item = PrincipalKind>,
    ) -> Self {
        self.intents = Some(IntentRule {
            intents,
            required_for: required_for.into_iter().collect(),
        });
        self
    }

    /// Records every decision before it is given; one that cannot be recorded is a deny.
    pub fn log(mut self, log: DecisionLog) -> Self {
        self.log = Some(log);
        self
    }

    /// Makes the decision point.
    ///
    /// # Errors
    ///
    /// [`PdpError`] if an integration could never be decided for, or not unambiguously.
    pub fn build(self) -> Result<Pdp, PdpError> {
        let mut by_name = HashMap::new();
        for integration in self.integrations {
            let mut names: Vec<&str> = Vec::new();
            for plugin in &integration.plugins {
                let name = plugin.manifest().name.as_str();
                if names.contains(&name) {
                    return Err(PdpError::DuplicatePlugin {
                        integration: integration.name.clone(),
                        plugin: name.to_owned(),
                    });
                }
                names.push(name);
            }
            if names.is_empty() {
                return Err(PdpError::NoPlugin(integration.name));
            }
            let name = integration.name.clone();
            if by_name.insert(name.clone(), integration).is_some() {
                return Err(PdpError::DuplicateIntegration(name));
            }
        }
        Ok(Pdp {
            inner: Arc::new(Inner {
                integrations: by_name,
                request_limits: self.request_limits,
                registry: self.registry,
                revocations: self.revocations,
                intents: self.intents,
                log: self.log,
            }),
        })
    }
}

impl Pdp {
    /// Begins a decision point without integrations, with default limits.
    pub fn builder() -> PdpBuilder {
        PdpBuilder::default()
    }

    /// Decides `request` now, and records the decision before it gives it, if there is a log.
    pub fn evaluate(&self, request: &Request) -> Decision {
        let now = Timestamp::now();
        let decision = self.decide_or_deny(request, now, &mut ());
        let Some(log) = &self.inner.log else {
            return decision;
        };
        or_not_recorded(log.record(request, &decision, now), decision)
    }

    /// Decides `request` as at `now`, as a dry run or a replay does: nothing is recorded.
    pub fn evaluate_at(&self, request: &Request, now: Timestamp) -> Decision {
        self.decide_or_deny(request, now, &mut ())
    }

    /// Decides `request` as [`Pdp::evaluate_at`] does, and gives every step that was taken, in
    /// order, with what was found.
    pub fn explain_at(&self, request: &Request, now: Timestamp) -> (Decision, Vec<Check>) {
        let mut checks = Vec::new();
        let decision = self.decide_or_deny(request, now, &mut checks);
        (decision, checks)
    }

    fn decide_or_deny(
        &self,
        request: &Request,
        now: Timestamp,
        trace: &mut impl Trace,
    ) -> Decision {
        let decided = catch_unwind(AssertUnwindSafe(|| self.decide(request, now, trace)));
        decided.unwrap_or_else(|_| {
            Decision::deny(
                Cause::HostFault,
                "the host failed on this request: please report it with the request",
            )
        })
    }

    /// Decides the AuthZEN 1.0 evaluation in `json`, as [`Pdp::evaluate`] does. One that cannot be
    /// read is denied.
    pub fn evaluate_authzen(&self, json: &[u8]) -> Decision {
        self.evaluate_read(json, Request::from_authzen(json, self.request_limits()))
    }

    /// Decides the MCP `tools/call` in `json`, as [`Pdp::evaluate`] does; see [`Request::from_mcp`].
    /// One that cannot be read is denied.
    pub fn evaluate_mcp(&self, json: &[u8]) -> Decision {
        self.evaluate_read(json, Request::from_mcp(json, self.request_limits()))
    }

    fn evaluate_read(&self, json: &[u8], request: Result<Request, RequestError>) -> Decision {
        let error = match request {
            Ok(request) => return self.evaluate(&request),
            Err(error) => error,
        };
        let decision = Decision::invalid(&error);
        match &self.inner.log {
            Some(log) => {
                let recorded = log.record_unreadable(json, &decision, Timestamp::now());
                or_not_recorded(recorded, decision)
            }
            None => decision,
        }
    }

    /// How large a request may be.
    pub fn request_limits(&self) -> &RequestLimits {
        &self.inner.request_limits
    }

    /// The integration called `name`.
    pub fn integration(&self, name: &str) -> Option<&Integration> {
        self.inner.integrations.get(name)
    }

    /// All integrations, sorted by name.
    pub fn integrations(&self) -> Vec<&Integration> {
        let mut all: Vec<_> = self.inner.integrations.values().collect();
        all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        all
    }

    fn decide(&self, request: &Request, now: Timestamp, trace: &mut impl Trace) -> Decision {
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
            );
        };
        let class = integration.class_of(request.action());
        trace.check(
            || "integration".to_owned(),
            Conclusion::Pass,
            || {
                let action = request.action();
                let class = class.as_str();
                format!("`{name}` is configured; its action `{action}` is {class}")
            },
        );
        let chain = self
            .inner
            .intents
            .as_ref()
            .zip(request.intent())
            .and_then(|(rule, intent)| rule.intents.chain(&intent.id));
        let admission = Admission {
            registry: self.inner.registry.as_ref(),
            revocations: self.inner.revocations.as_ref(),
            intents: self.inner.intents.as_ref(),
            chain: chain.as_ref(),
            request,
            integration,
            class,
            now,
        };
        let admitted = match admission.admit(trace) {
            Ok(admitted) => admitted,
            Err((cause, detail)) => {
                return Decision::deny(cause, detail)
                    .in_mode(integration.mode)
                    .at_epoch(admission.epoch());
            }
        };
        let mut consulted = Vec::with_capacity(integration.plugins.len());
        let mut evaluations = Vec::with_capacity(integration.plugins.len());
        for plugin in &integration.plugins {
            let evaluation = plugin.evaluate_as(request, &admitted.facts, class, now);
            let effect = evaluation.outcome.as_ref().map(|verdict| verdict.effect);
            let conclusion = match effect {
                Ok(Effect::Permit) => Conclusion::Pass,
                Ok(Effect::NotApplicable) => Conclusion::NotApplicable,
                Ok(Effect::Deny | Effect::Indeterminate) | Err(_) => Conclusion::Stop,
            };
            trace.check(
                || format!("plugin {}", plugin.manifest().name),
                conclusion,
                || describe(plugin, &evaluation),
            );
            consulted.push(Consulted::new(plugin, &evaluation));
            evaluations.push(evaluation);
        }
        let mut combined = combine::deny_overrides(evaluations.iter());
        if let Some(step_up) = admitted.step_up.clone()
            && combined.effect == CombinedEffect::Permit
        {
            combined.obligations.push(step_up);
        }
        // What was revoked while the plugins ran is revoked.
        if let Some((cause, detail)) = admission.revoked_since(&admitted, trace) {
            return Decision::deny(cause, detail)
                .with_plugins(consulted, combined.reasons)
                .in_mode(integration.mode)
                .at_epoch(admitted.epoch);
        }
        let (ceiling, epoch) = (admitted.ceiling, admitted.epoch);
        decision::accept(
            combined,
            consulted,
            request,
            integration,
            ceiling,
            now,
            trace,
        )
        .at_epoch(epoch)
    }
}

/// The decision if it was recorded, and a deny if it was not.
fn or_not_recorded(recorded: Result<(), LogError>, decision: Decision) -> Decision {
    match recorded {
        Ok(()) => decision,
        Err(error) => Decision::deny(
            Cause::NotRecorded,
            format!(
                "{error}: what cannot be recorded is not permitted; make room, or mend the disk"
            ),
        )
        .in_mode(decision.mode()),
    }
}

/// What a plugin was told, answered and took.
fn describe(plugin: &Plugin, evaluation: &Evaluation) -> String {
    let manifest = plugin.manifest();
    let answer = match &evaluation.outcome {
        Ok(verdict) => {
            let reasons: Vec<_> = verdict
                .reasons
                .iter()
                .map(|reason| match reason.evidence.as_slice() {
                    [] => format!("{}: {}", reason.code, reason.message),
                    evidence => {
                        format!(
                            "{}: {} (from {})",
                            reason.code,
                            reason.message,
                            evidence.join(", ")
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
    format!(
        "{} {}, told {}, {answer}; it took {:?} of {:?} and {} of {} KiB",
        manifest.name,
        manifest.version,
        manifest.needs.join(", "),
        evaluation.time,
        plugin.limits().deadline,
        evaluation.peak_memory_bytes / 1024,
        plugin.limits().memory_bytes / 1024,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::integration::Mode;

    #[test]
    fn what_is_only_observed_is_not_blocked_for_want_of_a_record() {
        for (mode, blocks) in [(Mode::Enforce, true), (Mode::Observe, false)] {
            let decided = Decision::deny(Cause::PluginDenied, "").in_mode(mode);
            let decision = or_not_recorded(Err(LogError::Panicked), decided);
            assert_eq!(decision.cause(), Cause::NotRecorded);
            assert_eq!((decision.is_permit(), decision.blocks()), (false, blocks));
        }
    }
}
