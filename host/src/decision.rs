//! The [`Decision`], and the only function that makes a [`Grant`].

use crate::admission::Ceiling;
use crate::combine::{Combined, CombinedEffect, tighter};
use crate::integration::{Integration, Mode};
use crate::unmet::found_instead;
use portcullis_contract::{Constraint, printable};
use portcullis_model::cause::{Cause, Refusal};
use portcullis_model::digest::Digest;
use portcullis_model::inputs::Inputs;
use portcullis_model::json;
use portcullis_model::request::Request;
use portcullis_model::timestamp::Timestamp;
use portcullis_model::trace::{Conclusion, Trace};
use portcullis_model::verdict::{Effect, Narrowing, Obligation, Reason};
use portcullis_sandbox::{Evaluation, Fault, Plugin};
use portcullis_trust::state::Use;
use serde::ser::{SerializeMap, SerializeStruct};
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::time::Duration;
use uuid::Uuid;

/// The host's answer to one request.
///
/// As JSON it is an AuthZEN 1.0 evaluation response (section 6.2): `decision`, and in `context` the
/// cause, what would have to change, reasons, obligations, advice, grant and the plugins consulted.
#[derive(Debug, Clone)]
#[must_use]
pub struct Decision {
    outcome: Outcome,
    mode: Mode,
    inputs: Inputs,
    /// Uses that the permit spends; empty for a deny.
    uses: Vec<Use>,
    access_request: Option<AccessRequest>,
    /// True if the plugins that deny say that an approved intent would change their answer.
    requestable: bool,
    /// Id of the decision; `None` in a dry run.
    id: Option<String>,
    cause: Cause,
    detail: String,
    reasons: Vec<Reason>,
    obligations: Vec<Obligation>,
    advice: Vec<Obligation>,
    plugins: Vec<Consulted>,
}

/// Instructions for requesting approval of a denied request.
///
/// It makes the deny a requestable denial of the AuthZEN Access Request and Approval Profile. The
/// decision stays a deny; an approval results in an intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccessRequest {
    /// Address at which to request approval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Kind of approval required, for the approver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Ids of the accepted approvers, sorted, without the principal itself.
    ///
    /// Empty if intents need not be signed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<String>,
    /// Permission that the approver would have to grant.
    pub approval: Approval,
    /// Time until which an approval request may refer to this denial.
    pub expires_at: Timestamp,
}

/// Permission that an intent would need for a denied request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Approval {
    /// Name of the integration.
    pub integration: String,
    /// Name of the action.
    pub action: String,
    /// Id of the resource.
    pub resource: String,
    /// Arguments that the approver has to know.
    ///
    /// If an allowance admits the action and the resource, these are the arguments that it does not admit.
    /// Otherwise they are all arguments. The first 16 are listed, and `arguments_left_out` counts the others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<ApprovalArgument>,
    /// Number of such arguments that are not listed.
    #[serde(skip_serializing_if = "is_zero")]
    pub arguments_left_out: usize,
    /// SHA-256 of all arguments in canonical JSON (RFC 8785).
    pub arguments_digest: Digest,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// An argument of a denied request, for the approver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApprovalArgument {
    /// JSON Pointer of the argument.
    pub path: String,
    /// Value of the argument; absent if the request has no such argument.
    ///
    /// Texts, lists and objects are shortened to 60 characters, and what looks like a secret is withheld.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Origins of the argument and its parts, as the gateway states them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<String>,
}

/// Permit or deny.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The request may go ahead, within the grant.
    Permit(Grant),
    /// The request may not go ahead.
    Deny,
}

/// Bounds of a permit: its expiry, remaining uses and constraints.
///
/// It holds only for the same principal, action, resource, arguments and answers to the server's questions.
/// Only the host makes a grant, so its existence proves a permit.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Grant {
    expires_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining_uses: Option<u64>,
    constraints: Vec<Constraint>,
}

impl Grant {
    /// Time at which the grant expires.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Number of uses left, this call included. `None` if unlimited.
    pub fn remaining_uses(&self) -> Option<u64> {
        self.remaining_uses
    }

    /// Constraints that the arguments must meet.
    pub fn constraints(&self) -> &[Constraint] {
        &self.constraints
    }
}

/// A plugin that was consulted, and the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consulted {
    /// The plugin's name.
    pub name: String,
    /// The plugin's version.
    pub version: String,
    /// The digest of the file that it was loaded from.
    pub digest: Digest,
    /// The digest of its settings in canonical form (RFC 8785).
    pub settings_digest: Digest,
    /// Its effect, or its fault.
    pub outcome: Result<Effect, Fault>,
    /// Wall-clock time of the evaluation.
    pub time: Duration,
    /// Peak linear memory, in bytes.
    pub peak_memory_bytes: usize,
    /// Number of instructions executed, if they are counted.
    pub instructions: Option<u64>,
    /// True if a self-check found that a reset of the plugin's instances was not complete.
    ///
    /// The plugin decides in fresh instances from then on. Report it: the host's rewriting or the runtime is at
    /// fault.
    pub reset_failed: bool,
}

impl Consulted {
    pub(crate) fn new(plugin: &Plugin, evaluation: &Evaluation) -> Self {
        Self {
            name: plugin.manifest().name.clone(),
            version: printable(&plugin.manifest().version),
            digest: plugin.digest(),
            settings_digest: plugin.settings_digest(),
            outcome: match &evaluation.outcome {
                Ok(verdict) => Ok(verdict.effect),
                Err(fault) => Err(fault.clone()),
            },
            time: evaluation.time,
            peak_memory_bytes: evaluation.peak_memory_bytes,
            instructions: evaluation.instructions,
            reset_failed: evaluation.reset_failed,
        }
    }
}

/// Makes the decision from the plugins' combined answer.
///
/// INVARIANT (one door): only this function makes a [`Grant`], and so only this function permits a
/// request.
pub(crate) fn accept(
    combined: Combined,
    plugins: Vec<Consulted>,
    request: &Request,
    integration: &Integration,
    ceiling: Ceiling,
    now: Timestamp,
    trace: &mut impl Trace,
) -> Decision {
    let Combined {
        effect,
        reasons,
        mut obligations,
        mut advice,
        narrowing,
        requestable,
    } = combined;
    let (outcome, cause, detail) = match effect {
        CombinedEffect::Permit => {
            match grant(
                narrowing,
                &obligations,
                request,
                integration,
                ceiling,
                now,
                trace,
            ) {
                Ok(grant) => (Outcome::Permit(grant), Cause::Permitted, String::new()),
                Err((cause, detail)) => {
                    // The gateway must not carry out a permit's obligations for a denied call.
                    obligations.clear();
                    advice.clear();
                    (Outcome::Deny, cause, detail)
                }
            }
        }
        other => {
            let (cause, detail) = refusal(other, &plugins, request);
            (Outcome::Deny, cause, detail)
        }
    };
    Decision {
        outcome,
        mode: integration.mode,
        inputs: Inputs::default(),
        uses: Vec::new(),
        access_request: None,
        requestable,
        id: None,
        cause,
        detail: printable(&detail),
        reasons,
        obligations,
        advice,
        plugins,
    }
}

/// Computes the grant of a permit, or the reason to refuse it.
fn grant(
    narrowing: Narrowing,
    obligations: &[Obligation],
    request: &Request,
    integration: &Integration,
    ceiling: Ceiling,
    now: Timestamp,
    trace: &mut impl Trace,
) -> Result<Grant, Refusal> {
    let unknown = obligations
        .iter()
        .find(|obligation| !integration.can_fulfil(&obligation.kind, request));
    trace.check(
        || "obligations".to_owned(),
        conclusion(obligations.len(), unknown),
        || match obligations {
            [] => "the permit has none".to_owned(),
            obligations => {
                let kinds: Vec<_> = obligations
                    .iter()
                    .map(|o| format!("`{}`", o.kind))
                    .collect();
                format!("the permit obliges to {}", kinds.join(", "))
            }
        },
    );
    if let Some(unknown) = unknown {
        return Err((
            Cause::UnsupportedObligation,
            format!(
                "the permit obliges to `{}`, which the enforcement point does not support: once it does, list it under `obligations` of the integration, or in the request's `supported_obligations`",
                unknown.kind
            ),
        ));
    }
    let mut constraints = narrowing.constraints;
    // Admission already checked the request against these, for each intent of its chain.
    constraints.extend(ceiling.constraints);
    let unmet = constraints
        .iter()
        .find(|constraint| !constraint.met_by(request.arguments(), request.origins()));
    trace.check(
        || "constraints".to_owned(),
        conclusion(constraints.len(), unmet),
        || match constraints.as_slice() {
            [] => "the permit has none".to_owned(),
            constraints => {
                let texts: Vec<_> = constraints.iter().map(|c| format!("`{c}`")).collect();
                format!("the permit holds for {}", texts.join(", "))
            }
        },
    );
    if let Some(unmet) = unmet {
        return Err((
            Cause::ConstraintUnmet,
            format!(
                "the permit holds only for `{unmet}`, which the arguments do not meet: {}",
                found_instead(unmet, request)
            ),
        ));
    }
    let most = integration.grant_ttl();
    let lifetime = narrowing.lifetime.map_or(most, |own| own.min(most));
    let expires_at = ceiling
        .expires_at
        .map_or(now.plus(lifetime), |most| most.min(now.plus(lifetime)));
    let remaining_uses = tighter(narrowing.max_uses.map(u64::from), ceiling.remaining_uses);
    let empty = expires_at <= now || remaining_uses == Some(0);
    let concluded = if empty {
        Conclusion::Stop
    } else {
        Conclusion::Pass
    };
    trace.check(
        || "grant".to_owned(),
        concluded,
        || {
            let uses = remaining_uses.map_or("any number of".to_owned(), |uses| uses.to_string());
            format!("until {expires_at}, for {uses} uses")
        },
    );
    if empty {
        return Err((
            Cause::EmptyGrant,
            "the grant has no time or no use left: check `max-grant-ttl` and the grants of the plugins".to_owned(),
        ));
    }
    Ok(Grant {
        expires_at,
        remaining_uses,
        constraints,
    })
}

fn conclusion<T>(looked_at: usize, stopped: Option<T>) -> Conclusion {
    match (looked_at, stopped) {
        (_, Some(_)) => Conclusion::Stop,
        (0, None) => Conclusion::NotApplicable,
        (_, None) => Conclusion::Pass,
    }
}

fn refusal(effect: CombinedEffect, plugins: &[Consulted], request: &Request) -> Refusal {
    let of = |wanted: &dyn Fn(&Result<Effect, Fault>) -> bool| {
        plugins
            .iter()
            .find(|plugin| wanted(&plugin.outcome))
            .map_or("", |plugin| plugin.name.as_str())
    };
    match effect {
        CombinedEffect::Deny => {
            let name = of(&|outcome| *outcome == Ok(Effect::Deny));
            let detail =
                format!("plugin `{name}` denies, and no other can overrule it: see its reasons");
            (Cause::PluginDenied, detail)
        }
        CombinedEffect::Faulted(kind) => {
            let fault = plugins
                .iter()
                .find_map(|plugin| Some((&plugin.name, plugin.outcome.as_ref().err()?)));
            let detail = match fault {
                Some((name, fault)) => format!("plugin `{name}` did not decide: {fault}"),
                None => "a plugin did not decide".to_owned(),
            };
            (Cause::PluginFaulted(kind), detail)
        }
        CombinedEffect::Indeterminate => {
            let name = of(&|outcome| *outcome == Ok(Effect::Indeterminate));
            let detail = format!("plugin `{name}` lacks an input that it needs: see its reasons");
            (Cause::Indeterminate, detail)
        }
        CombinedEffect::NotApplicable | CombinedEffect::Permit => (
            Cause::NotApplicable,
            format!(
                "no plugin of `{}` has a rule for this request: add one if it should be allowed",
                request.integration()
            ),
        ),
    }
}

impl Decision {
    /// Makes a deny without consulting plugins.
    ///
    /// A request, a plugin or a file controls parts of `detail`, so it is made printable here, for every
    /// caller that shows it.
    pub(crate) fn deny(cause: Cause, detail: impl AsRef<str>) -> Self {
        Self {
            outcome: Outcome::Deny,
            mode: Mode::Enforce,
            inputs: Inputs::default(),
            uses: Vec::new(),
            access_request: None,
            requestable: false,
            id: None,
            cause,
            detail: printable(detail.as_ref()),
            reasons: Vec::new(),
            obligations: Vec::new(),
            advice: Vec::new(),
            plugins: Vec::new(),
        }
    }

    /// Makes the deny for an unreadable request.
    pub fn invalid(error: &json::Error) -> Self {
        Self::deny(Cause::InvalidRequest, error.to_string())
    }

    /// Returns the decision with its inputs set.
    pub(crate) fn made_from(mut self, inputs: Inputs) -> Self {
        self.inputs = inputs;
        self
    }

    /// Inputs of the decision besides the request and the configuration.
    pub fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// Returns the decision with `uses` to spend, if it is a permit.
    pub(crate) fn spending(mut self, uses: Vec<Use>) -> Self {
        if self.is_permit() {
            self.uses = uses;
        }
        self
    }

    pub(crate) fn uses(&self) -> &[Use] {
        &self.uses
    }

    /// True if an approved intent could change the decision.
    pub(crate) fn is_requestable(&self) -> bool {
        self.requestable || self.cause.an_intent_would_do()
    }

    /// Returns the deny with instructions for requesting approval.
    pub(crate) fn requestable(mut self, access_request: AccessRequest) -> Self {
        self.access_request = Some(access_request);
        self
    }

    /// Instructions for requesting approval, if an approver could permit the request.
    pub fn access_request(&self) -> Option<&AccessRequest> {
        self.access_request.as_ref()
    }

    /// Id of the decision: a UUID of version 7. `None` in a dry run.
    ///
    /// It is unique across hosts and sorts by time. The log, if there is one, records the decision under it.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Returns the decision with a new id.
    pub(crate) fn named(mut self) -> Self {
        self.id = Some(Uuid::now_v7().to_string());
        self
    }

    /// Returns the decision with the mode of its integration set.
    pub(crate) fn in_mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Returns the deny with the consulted plugins and their reasons.
    pub(crate) fn with_plugins(mut self, plugins: Vec<Consulted>, reasons: Vec<Reason>) -> Self {
        self.plugins = plugins;
        self.reasons = reasons;
        self
    }

    /// The decision as JSON, without the fields that differ on replay.
    ///
    /// Those are the durations and the id.
    pub fn replayable(&self) -> Value {
        serde_json::to_value(Replayable(self)).unwrap_or_default()
    }

    /// Permit or deny.
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// True if the request may go ahead.
    pub fn is_permit(&self) -> bool {
        matches!(self.outcome, Outcome::Permit(_))
    }

    /// True if the enforcement point must block the request.
    ///
    /// It must if the decision is a deny and the mode is [`Mode::Enforce`]. A deny in [`Mode::Observe`] does
    /// not block, and has no grant either.
    pub fn blocks(&self) -> bool {
        !self.is_permit() && self.mode == Mode::Enforce
    }

    /// Mode of the integration: enforced or only observed.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The grant, if the decision is a permit.
    pub fn grant(&self) -> Option<&Grant> {
        match &self.outcome {
            Outcome::Permit(grant) => Some(grant),
            Outcome::Deny => None,
        }
    }

    /// Cause of the decision.
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// Explanation of the cause: the finding, and the change needed.
    ///
    /// Empty for a permit. It is one printable line, whatever the request holds.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The plugins' reasons, in the order of the plugins.
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// Obligations that the enforcement point must carry out; if it cannot, it denies.
    pub fn obligations(&self) -> &[Obligation] {
        &self.obligations
    }

    /// Obligations that the enforcement point may carry out.
    pub fn advice(&self) -> &[Obligation] {
        &self.advice
    }

    /// The plugins that were consulted, in order.
    pub fn plugins(&self) -> &[Consulted] {
        &self.plugins
    }
}

impl Serialize for Decision {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        respond(self, true, serializer)
    }
}

/// Serialises a decision without the fields that differ on replay, see [`Decision::replayable`].
pub(crate) struct Replayable<'a>(pub(crate) &'a Decision);

impl Serialize for Replayable<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        respond(self.0, false, serializer)
    }
}

fn respond<S: Serializer>(
    decision: &Decision,
    in_full: bool,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut response = serializer.serialize_struct("Decision", 2)?;
    response.serialize_field("decision", &decision.is_permit())?;
    response.serialize_field("context", &ResponseContext { decision, in_full })?;
    response.end()
}

struct ResponseContext<'a> {
    decision: &'a Decision,
    in_full: bool,
}

impl Serialize for ResponseContext<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let decision = self.decision;
        let mut context = serializer.serialize_map(None)?;
        context.serialize_entry("cause", &decision.cause)?;
        if decision.mode == Mode::Observe {
            context.serialize_entry("mode", &decision.mode)?;
        }
        if !decision.detail.is_empty() {
            context.serialize_entry("detail", &decision.detail)?;
        }
        let frameworks = decision.cause.frameworks();
        if !frameworks.is_empty() {
            context.serialize_entry("frameworks", frameworks)?;
        }
        if let Some(id) = decision.id.as_ref().filter(|_| self.in_full) {
            context.serialize_entry("id", id)?;
            if decision.access_request.is_some() {
                // Name of the id in the AuthZEN Access Request and Approval Profile.
                context.serialize_entry("evaluation_id", id)?;
            }
        }
        if let Some(access_request) = &decision.access_request {
            // Name of the cause in the same profile.
            context.serialize_entry("reason", &decision.cause)?;
            context.serialize_entry("access_request", access_request)?;
        }
        context.serialize_entry("reasons", &decision.reasons)?;
        if !decision.obligations.is_empty() {
            context.serialize_entry("obligations", &decision.obligations)?;
        }
        if !decision.advice.is_empty() {
            context.serialize_entry("advice", &decision.advice)?;
        }
        if let Some(grant) = decision.grant() {
            context.serialize_entry("grant", grant)?;
        }
        let plugins = decision.plugins.iter().map(|consulted| OnePlugin {
            consulted,
            in_full: self.in_full,
        });
        context.serialize_entry("plugins", &plugins.collect::<Vec<_>>())?;
        context.end()
    }
}

struct OnePlugin<'a> {
    consulted: &'a Consulted,
    in_full: bool,
}

impl Serialize for OnePlugin<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let consulted = self.consulted;
        let mut plugin = serializer.serialize_map(None)?;
        plugin.serialize_entry("name", &consulted.name)?;
        plugin.serialize_entry("version", &consulted.version)?;
        plugin.serialize_entry("digest", &consulted.digest)?;
        plugin.serialize_entry("settings-digest", &consulted.settings_digest)?;
        match &consulted.outcome {
            Ok(effect) => plugin.serialize_entry("effect", effect)?,
            Err(fault) => {
                plugin.serialize_entry("fault", &fault.kind())?;
                plugin.serialize_entry("fault-detail", &printable(&fault.to_string()))?;
            }
        }
        if self.in_full {
            plugin.serialize_entry("time-us", &consulted.time.as_micros())?;
        }
        plugin.serialize_entry("peak-memory-bytes", &consulted.peak_memory_bytes)?;
        if consulted.reset_failed && self.in_full {
            plugin.serialize_entry("reset-failed", &true)?;
        }
        plugin.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_contract::printable;

    #[test]
    fn a_denial_is_one_printable_line() {
        let nasty = "a\u{1b}[2J\r\n\u{202e}\u{9b}";
        let denied = Decision::deny(Cause::InvalidRequest, format!("{nasty} is not a request"));
        assert_eq!(denied.detail(), printable(denied.detail()));
        assert!(denied.detail().ends_with("is not a request"));
    }
}
