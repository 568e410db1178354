//! A request: one action that one principal wants to take, once.
//!
//! A request comes from one of three sources:
//!
//! - code ([`RequestBuilder`]);
//! - a client's own message, with the facts that a gateway vouches for ([`Vouched`]);
//! - JSON that a gateway wrote as a whole: an AuthZEN 1.0 evaluation ([`Request::from_authzen`]) or an MCP
//!   `tools/call` with its envelope ([`Request::from_mcp`]).
//!
//! From every source, a [`Request`] is within its limits and has one meaning.

mod authzen;
mod builder;
mod defaults;
mod mcp;
mod members;
mod parts;
mod vouched;

use crate::limits::RequestLimits;
use crate::{json, trace};
pub use authzen::{CONTEXT_MEMBERS, PRINCIPAL_MEMBERS, RESOURCE_MEMBERS, Written};
pub use builder::{RequestBuilder, begins_as_authority};
pub use defaults::DefaultIntegrations;
pub use defaults::{A_PLAIN_TYPE, is_plain_type};
pub use parts::{Intent, Principal, Resource, RoundTrip, SessionPath};
pub use portcullis_contract::Posture;
use portcullis_contract::name::Naming;
use portcullis_contract::{ArgumentOrigin, Origins, Pattern};
use serde_json::Value;
use std::borrow::Cow;
pub use vouched::Vouched;

/// One action that one principal wants to take, once.
///
/// INVARIANT (canonical): the arguments are a JSON object in canonical form (RFC 8785), attributes are sorted
/// by name without duplicates, and the whole is within [`RequestLimits`].
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub(crate) integration: String,
    pub(crate) principal: Principal,
    pub(crate) intent: Option<Intent>,
    pub(crate) action: String,
    pub(crate) arguments: Value,
    pub(crate) canonical_arguments: String,
    pub(crate) origins: Vec<ArgumentOrigin>,
    pub(crate) round_trip: RoundTrip,
    pub(crate) canonical_input_responses: Option<String>,
    pub(crate) resource: Resource,
    pub(crate) session_path: Option<SessionPath>,
    pub(crate) context: Vec<(String, Value)>,
    pub(crate) supported_obligations: Option<Vec<String>>,
    /// Comparison rules for names, as the integration declares. The resource's id is canonical.
    naming: Naming,
}

impl Request {
    /// Reads an AuthZEN 1.0 evaluation request (section 6.1).
    ///
    /// - `context.integration` names the integration.
    /// - `subject.properties` may hold `owner`, `purpose`, `environment`, `attestation`, `credential-id`,
    ///   `credential-issued-at`, `credential-expires-at`, `instance`, `workload-digest` and `delegated-by`.
    /// - `action.properties` are the arguments.
    /// - `resource.properties` may hold `environment` and `posture`.
    /// - `context` may hold `intent`, `argument-origins`, `input-responses`, `request-state`,
    ///   `supported_obligations` and `session-path`.
    ///
    /// All other members of these objects become attributes. An `owner`, `purpose`, `environment` or
    /// `instance` that is not text, and a `posture` that is not an object, also become attributes. Unknown
    /// members beside `properties` are ignored, as the standard requires, unless they read like known ones or
    /// belong elsewhere.
    ///
    /// The host trusts the whole document as the word of an enforcement point that verified it. For a body
    /// that a client wrote, use [`Request::from_authzen_message`].
    ///
    /// # Errors
    ///
    /// [`json::Error`] if it is not an evaluation, or not within `limits`. A body with `evaluations` is a
    /// batch: see [`Request::batch_from_authzen`].
    pub fn from_authzen(json: &[u8], limits: &RequestLimits) -> Result<Self, json::Error> {
        Self::from_authzen_for(json, &DefaultIntegrations::default(), limits)
    }

    /// Like [`Request::from_authzen`], with default integrations.
    ///
    /// If `context.integration` is missing, `defaults` selects the integration, so the enforcement point need
    /// not know of integrations.
    ///
    /// # Errors
    ///
    /// As [`Request::from_authzen`].
    pub fn from_authzen_for(
        json: &[u8],
        defaults: &DefaultIntegrations,
        limits: &RequestLimits,
    ) -> Result<Self, json::Error> {
        authzen::read(json::parse(json, limits)?, defaults, limits)
    }

    /// Reads an AuthZEN 1.0 evaluations request (section 7.1), a batch.
    ///
    /// Returns each evaluation, or the reason why it is invalid, in order; the host decides them one by one.
    /// An evaluation takes a missing `subject`, `action`, `resource` or `context` as a whole from the top
    /// level. `limits` apply to the whole document.
    ///
    /// # Errors
    ///
    /// [`json::Error`] if the document as a whole is not a batch, or is not within `limits`.
    pub fn batch_from_authzen(
        json: &[u8],
        defaults: &DefaultIntegrations,
        limits: &RequestLimits,
    ) -> Result<Vec<Result<Self, json::Error>>, json::Error> {
        let evaluations = authzen::batch(json::parse(json, limits)?)?;
        let read = |evaluation| authzen::read(evaluation, defaults, limits);
        Ok(evaluations.into_iter().map(read).collect())
    }

    /// Reads the AuthZEN 1.0 evaluation that a client wrote in `body`.
    ///
    /// The gateway vouches for `integration` and `principal`. To add an intent and other facts, use
    /// [`Vouched`].
    ///
    /// # Errors
    ///
    /// As [`Vouched::authzen_message`].
    pub fn from_authzen_message(
        integration: impl Into<String>,
        principal: Principal,
        body: &[u8],
        limits: &RequestLimits,
    ) -> Result<Self, json::Error> {
        Vouched::new(integration, principal).authzen_message(body, limits)
    }

    /// Reads the MCP `tools/call` that a client wrote in `body`, a JSON-RPC request.
    ///
    /// The gateway vouches for `integration` and `principal`. To add an intent and other facts, use
    /// [`Vouched`].
    ///
    /// # Errors
    ///
    /// As [`Vouched::mcp_message`].
    pub fn from_mcp_message(
        integration: impl Into<String>,
        principal: Principal,
        body: &[u8],
        limits: &RequestLimits,
    ) -> Result<Self, json::Error> {
        Vouched::new(integration, principal).mcp_message(body, limits)
    }

    /// Reads an MCP `tools/call` with its envelope.
    ///
    /// The envelope has the members `integration`, `principal` and `message` (the JSON-RPC request), and
    /// optionally `intent`, `resource`, `argument-origins`, `context` and `supported_obligations`.
    ///
    /// The action is the tool's name, and the arguments are the tool's arguments. The default `resource` is
    /// of kind `mcp-server` and has the name of the integration.
    ///
    /// **The gateway must write the whole envelope with a JSON library.** If it pastes a client's body behind
    /// `"message":`, the client can close the message and add an `intent` or a `principal` of its own. For a
    /// client's body, use [`Request::from_mcp_message`].
    ///
    /// # Errors
    ///
    /// [`json::Error`] if it is not such an envelope, or not within `limits`.
    pub fn from_mcp(json: &[u8], limits: &RequestLimits) -> Result<Self, json::Error> {
        mcp::read(json::parse(json, limits)?, limits)
    }

    /// Arguments of the action as canonical JSON (RFC 8785).
    pub fn canonical_arguments(&self) -> &str {
        &self.canonical_arguments
    }

    /// Answers to the server's questions, and the state that the server wants back.
    pub fn round_trip(&self) -> &RoundTrip {
        &self.round_trip
    }

    /// Answers to the server's questions as canonical JSON (RFC 8785).
    pub fn canonical_input_responses(&self) -> Option<&str> {
        self.canonical_input_responses.as_deref()
    }

    /// Path by which the session began, if the gateway states it.
    pub fn session_path(&self) -> Option<SessionPath> {
        self.session_path
    }

    /// Attributes of the context, sorted by name.
    pub fn context(&self) -> &[(String, Value)] {
        &self.context
    }

    /// Id of the trace that the request is part of, if its gateway states a valid `traceparent`.
    pub fn trace_id(&self) -> Option<&str> {
        let mut context = self.context.iter();
        let (_, traceparent) = context.find(|(name, _)| name == trace::TRACEPARENT)?;
        trace::id(traceparent.as_str()?)
    }

    /// Kinds of obligation that the enforcement point supports, if it states them.
    pub fn supported_obligations(&self) -> Option<&[String]> {
        self.supported_obligations.as_deref()
    }

    /// Returns the request as an AuthZEN evaluation that reads as the same request.
    pub fn to_authzen(&self) -> Value {
        // The request consists of JSON values, so serialisation cannot fail.
        serde_json::to_value(Written::new(self)).unwrap_or_default()
    }

    /// Name of the integration that the request is for.
    pub fn integration(&self) -> &str {
        &self.integration
    }

    /// The principal that makes the request.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The intent that the request acts on.
    pub fn intent(&self) -> Option<&Intent> {
        self.intent.as_ref()
    }

    /// Name of the action.
    pub fn action(&self) -> &str {
        &self.action
    }

    /// Arguments of the action, a JSON object.
    pub fn arguments(&self) -> &Value {
        &self.arguments
    }

    /// Origins of the arguments.
    pub fn origins(&self) -> Origins<'_> {
        Origins(&self.origins)
    }

    /// Returns the request with other origins, which were computed and not stated.
    #[must_use]
    pub fn with_computed_origins(self, origins: Vec<ArgumentOrigin>) -> Self {
        Self { origins, ..self }
    }

    /// Target of the action.
    pub fn resource(&self) -> &Resource {
        &self.resource
    }

    /// Returns the request with its resource id in the canonical spelling of `naming`.
    pub fn named_as(&self, naming: &Naming) -> Cow<'_, Self> {
        if self.naming == *naming {
            return Cow::Borrowed(self);
        }
        let mut named = self.clone();
        named.resource.id = naming.canonical(&self.resource.id).into_owned();
        named.naming = naming.clone();
        Cow::Owned(named)
    }

    /// Comparison rules for names that the integration declares.
    pub fn naming(&self) -> &Naming {
        &self.naming
    }

    /// True if an allowance for `pattern` covers the resource.
    pub fn resource_matches(&self, pattern: &Pattern) -> bool {
        pattern.canonical(&self.naming).matches(&self.resource.id)
    }

    /// True if a denial of `pattern` could cover the resource.
    ///
    /// Every reading of its id counts.
    pub fn resource_might_match(&self, pattern: &Pattern) -> bool {
        might_mean(pattern, &self.resource.id, &self.naming)
    }
}

/// True if a denial of `pattern` could cover the resource `id`.
///
/// The id is canonical for `naming`.
pub fn might_mean(pattern: &Pattern, id: &str, naming: &Naming) -> bool {
    pattern.canonical(naming).might_match_as(id, naming)
}

#[cfg(test)]
mod tests;
