//! The host's answer, and the one door through which a permit leaves.

use crate::Timestamp;
use crate::admission::Ceiling;
use crate::cause::{Cause, Refusal};
use crate::combine::{Combined, CombinedEffect, tighter};
use crate::evidence::Evidence;
use crate::integration::{Integration, Mode};
use crate::plugin::{Digest, Effect, Evaluation, Fault, Narrowing, Obligation, Plugin, Reason};
use crate::request::{Request, RequestError};
use crate::state::Use;
use crate::trace::{Conclusion, Trace};
use portcullis_contract::{Constraint, printable};
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
    evidence: Evidence,
    /// What the permit spends; nothing if it is a deny.
    uses: Vec<Use>,
    access_request: Option<AccessRequest>,
    /// What it is called, if it is not one of a dry run.
    id: Option<String>,
    cause: Cause,
    detail: String,
    reasons: Vec<Reason>,
    obligations: Vec<Obligation>,
    advice: Vec<Obligation>,
    plugins: Vec<Consulted>,
}

/// That somebody could approve what is denied, and how they are asked: a requestable denial of the
/// AuthZEN Access Request and Approval Profile. It stays a deny; what comes of an approval is an
/// intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccessRequest {
    /// Where to ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// What kind of approval it takes, for whoever is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Whose signatures an approval counts by, sorted, other than the principal's own. Empty where intents
    /// need not be signed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<String>,
    /// What would have to be approved.
    pub approval: Approval,
    /// Until when this denial can be the ground for asking.
    pub expires_at: Timestamp,
}

/// What an intent would have to allow for a request that is denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Approval {
    /// Through which integration.
    pub integration: String,
    /// What is done.
    pub action: String,
    /// To which resource.
    pub resource: String,
}

/// Permit or deny.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The request may go ahead, within the grant.
    Permit(Grant),
    /// The request may not go ahead.
    Deny,
}

/// What a permit is worth: this request, principal, action, resource and arguments being the same,
/// until it ends. Its existence is the proof of a permit: only the host makes one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Grant {
    expires_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining_uses: Option<u64>,
    constraints: Vec<Constraint>,
}

impl Grant {
    /// When it ends.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// How often it may be used, this call included. `None` if that is not bounded.
    pub fn remaining_uses(&self) -> Option<u64> {
        self.remaining_uses
    }

    /// What the arguments must meet.
    pub fn constraints(&self) -> &[Constraint] {
        &self.constraints
    }
}

/// A plugin that was consulted, and what came of it.
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
    /// Its answer, or what it did wrong.
    pub outcome: Result<Effect, Fault>,
    /// The wall clock that it took.
    pub time: Duration,
    /// The most linear memory that it had, in bytes.
    pub peak_memory_bytes: usize,
    /// How many instructions it ran, where they are counted.
    pub instructions: Option<u64>,
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
        }
    }
}

/// Makes the decision that the plugins' combined answer leads to.
///
/// INVARIANT (one door): this is the only place where a [`Grant`] is made, and so the only one where
/// a request is permitted.
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
                    // What a permit obliges to is not to be done for a call that is refused.
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
        evidence: Evidence::default(),
        uses: Vec::new(),
        access_request: None,
        id: None,
        cause,
        detail: printable(&detail),
        reasons,
        obligations,
        advice,
        plugins,
    }
}

/// What the permit is worth, or why it is worth nothing.
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
            [] => "the permit comes with none".to_owned(),
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
                "the permit obliges to `{}`, which the enforcement point does not say it can do: list it under `obligations` of the integration, or in the request's `supported_obligations`, once it can",
                unknown.kind
            ),
        ));
    }
    let mut constraints = narrowing.constraints;
    // The request meets these already: it was held to each intent of its chain.
    constraints.extend(ceiling.constraints);
    let unmet = constraints
        .iter()
        .find(|constraint| !constraint.met_by(request.arguments(), request.origins()));
    trace.check(
        || "constraints".to_owned(),
        conclusion(constraints.len(), unmet),
        || match constraints.as_slice() {
            [] => "the permit comes with none".to_owned(),
            constraints => {
                let texts: Vec<_> = constraints.iter().map(|c| format!("`{c}`")).collect();
                format!("the permit holds for {}", texts.join(", "))
            }
        },
    );
    if let Some(unmet) = unmet {
        return Err((
            Cause::ConstraintUnmet,
            format!("the permit holds only for `{unmet}`, which the arguments do not meet"),
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
            "the permit is narrowed to no time or no use: look at `max-grant-ttl` and at what the plugins grant".to_owned(),
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
            let detail = format!("plugin `{name}` was not told what it needs: see its reasons");
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
    /// A deny that no plugin was asked about.
    ///
    /// A request, a plugin or a file controls some of `detail`, so it is made printable here, for everyone who shows
    /// it.
    pub(crate) fn deny(cause: Cause, detail: impl AsRef<str>) -> Self {
        Self {
            outcome: Outcome::Deny,
            mode: Mode::Enforce,
            evidence: Evidence::default(),
            uses: Vec::new(),
            access_request: None,
            id: None,
            cause,
            detail: printable(detail.as_ref()),
            reasons: Vec::new(),
            obligations: Vec::new(),
            advice: Vec::new(),
            plugins: Vec::new(),
        }
    }

    /// The deny that an unreadable request is.
    pub fn invalid(error: &RequestError) -> Self {
        Self::deny(Cause::InvalidRequest, error.to_string())
    }

    /// The same decision, made from that.
    pub(crate) fn made_from(mut self, evidence: Evidence) -> Self {
        self.evidence = evidence;
        self
    }

    /// What it was made from, besides the request and the configuration.
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// The same decision, which spends `uses` if it is a permit.
    pub(crate) fn spending(mut self, uses: Vec<Use>) -> Self {
        if self.is_permit() {
            self.uses = uses;
        }
        self
    }

    pub(crate) fn uses(&self) -> &[Use] {
        &self.uses
    }

    /// The same deny, as one that somebody could approve of.
    pub(crate) fn requestable(mut self, access_request: AccessRequest) -> Self {
        self.access_request = Some(access_request);
        self
    }

    /// How to ask for what is denied, where somebody could approve it.
    pub fn access_request(&self) -> Option<&AccessRequest> {
        self.access_request.as_ref()
    }

    /// What it is called: a UUID of version 7, which no other decision of any host has, and which sorts by time.
    /// Where there is a log, it is found there by it. One of a dry run has none.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The same decision, under a name of its own.
    pub(crate) fn named(mut self) -> Self {
        self.id = Some(Uuid::now_v7().to_string());
        self
    }

    /// The same decision, as one of an integration in that mode.
    pub(crate) fn in_mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// The same deny, with the plugins that had been asked and what they said.
    pub(crate) fn with_plugins(mut self, plugins: Vec<Consulted>, reasons: Vec<Reason>) -> Self {
        self.plugins = plugins;
        self.reasons = reasons;
        self
    }

    /// The decision as JSON, less what differs when the same is decided again: how long it took, and
    /// what it is called.
    pub fn replayable(&self) -> Value {
        serde_json::to_value(Replayable(self)).unwrap_or_default()
    }

    /// Permit or deny.
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// Whether the request may go ahead.
    pub fn is_permit(&self) -> bool {
        matches!(self.outcome, Outcome::Permit(_))
    }

    /// Whether the enforcement point must keep the request from going ahead: it is a deny, and its
    /// integration does not merely observe. Whatever does not block and is no permit has no grant.
    pub fn blocks(&self) -> bool {
        !self.is_permit() && self.mode == Mode::Enforce
    }

    /// Whether the decisions of the integration are enforced.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// What the permit is worth, if it is one.
    pub fn grant(&self) -> Option<&Grant> {
        match &self.outcome {
            Outcome::Permit(grant) => Some(grant),
            Outcome::Deny => None,
        }
    }

    /// Why it is what it is.
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// The cause in this case, for people: what was found and what would have to change. Empty for
    /// a permit. It is one printable line, whatever the request holds.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The plugins' reasons, in the order of the plugins.
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// What the enforcement point must do; if it cannot, it denies.
    pub fn obligations(&self) -> &[Obligation] {
        &self.obligations
    }

    /// What the enforcement point may do.
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

/// A decision less what differs when the same is decided again, see [`Decision::replayable`].
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
                // What the profile calls it.
                context.serialize_entry("evaluation_id", id)?;
            }
        }
        if let Some(access_request) = &decision.access_request {
            // What the profile calls the cause.
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
        plugin.end()
    }
}
