//! The policy decision point.

use crate::Timestamp;
use crate::cause::Cause;
use crate::combine;
use crate::decision::{self, Consulted, Decision};
use crate::integration::Integration;
use crate::limits::RequestLimits;
use crate::plugin::{Effect, Evaluation, Plugin};
use crate::request::{Request, RequestError};
use crate::trace::{Check, Conclusion, Trace};
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

impl Pdp {
    /// Makes a decision point of `integrations`.
    ///
    /// # Errors
    ///
    /// [`PdpError`] if an integration could never be decided for, or not unambiguously.
    pub fn new(
        integrations: impl IntoIterator<Item = Integration>,
        request_limits: RequestLimits,
    ) -> Result<Self, PdpError> {
        let mut by_name = HashMap::new();
        for integration in integrations {
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
        Ok(Self {
            inner: Arc::new(Inner {
                integrations: by_name,
                request_limits,
            }),
        })
    }

    /// Decides `request` now.
    pub fn evaluate(&self, request: &Request) -> Decision {
        self.evaluate_at(request, Timestamp::now())
    }

    /// Decides `request` as at `now`, as a dry run or a replay does.
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

    /// Decides the AuthZEN 1.0 evaluation in `json`. One that cannot be read is denied.
    pub fn evaluate_authzen(&self, json: &[u8]) -> Decision {
        self.evaluate_read(Request::from_authzen(json, self.request_limits()))
    }

    /// Decides the MCP `tools/call` in `json`, see [`Request::from_mcp`]. One that cannot be read
    /// is denied.
    pub fn evaluate_mcp(&self, json: &[u8]) -> Decision {
        self.evaluate_read(Request::from_mcp(json, self.request_limits()))
    }

    fn evaluate_read(&self, request: Result<Request, RequestError>) -> Decision {
        match request {
            Ok(request) => self.evaluate(&request),
            Err(error) => Decision::invalid(&error),
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
        if let Some(expired) = expired(request, now, trace) {
            return expired;
        }
        let mut consulted = Vec::with_capacity(integration.plugins.len());
        let mut evaluations = Vec::with_capacity(integration.plugins.len());
        for plugin in &integration.plugins {
            let evaluation = plugin.evaluate(request, class, now);
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
        let combined = combine::deny_overrides(evaluations.iter());
        decision::accept(combined, consulted, request, integration, now, trace)
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

/// The deny of a request whose credential or intent is over.
fn expired(request: &Request, now: Timestamp, trace: &mut impl Trace) -> Option<Decision> {
    let credential = request.principal().credential_expires_at;
    let over = credential.is_some_and(|at| at <= now);
    trace.check(
        || "credential".to_owned(),
        conclusion(credential.is_some(), over),
        || match credential {
            Some(at) => format!("it expires at {at}, and it is {now}"),
            None => "the request does not say when it expires".to_owned(),
        },
    );
    if let (Some(at), true) = (credential, over) {
        let detail = format!("the credential expired at {at}: present a fresh one");
        return Some(Decision::deny(Cause::CredentialExpired, detail));
    }

    let Some(intent) = request.intent() else {
        trace.check(
            || "intent".to_owned(),
            Conclusion::NotApplicable,
            || "the request names none".to_owned(),
        );
        return None;
    };
    let over = intent.expires_at.filter(|at| *at <= now);
    let used_up = intent.remaining_uses == Some(0);
    trace.check(
        || "intent".to_owned(),
        conclusion(true, over.is_some() || used_up),
        || {
            let until = intent.expires_at.map(|at| format!("until {at}"));
            let uses = intent.remaining_uses.map(|uses| format!("for {uses} uses"));
            let bounds = [until, uses]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(" and ");
            match bounds.as_str() {
                "" => format!("`{}`, without an end", intent.id),
                bounds => format!("`{}`, {bounds}, and it is {now}", intent.id),
            }
        },
    );
    if let Some(at) = over {
        let detail = format!(
            "intent `{}` expired at {at}: have a new one approved",
            intent.id
        );
        return Some(Decision::deny(Cause::IntentExpired, detail));
    }
    if used_up {
        let detail = format!(
            "intent `{}` has no use left: have a new one approved",
            intent.id
        );
        return Some(Decision::deny(Cause::IntentUsedUp, detail));
    }
    None
}

fn conclusion(looked: bool, stopped: bool) -> Conclusion {
    match (looked, stopped) {
        (_, true) => Conclusion::Stop,
        (true, false) => Conclusion::Pass,
        (false, false) => Conclusion::NotApplicable,
    }
}
