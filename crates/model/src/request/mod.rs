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
mod defaults;
mod mcp;
mod members;
#[cfg(test)]
mod tests;
mod vouched;

pub use authzen::{CONTEXT_MEMBERS, PRINCIPAL_MEMBERS, RESOURCE_MEMBERS, Written};
pub use defaults::DefaultIntegrations;
pub use defaults::{A_PLAIN_TYPE, is_plain_type};
pub use vouched::Vouched;

use crate::limits::RequestLimits;
use crate::spiffe_id::is_spiffe_id;
use crate::timestamp::Timestamp;
use crate::{json, object, trace};
pub use portcullis_contract::Posture;
use portcullis_contract::name::{self, Naming};
use portcullis_contract::{ArgumentOrigin, Attestation, Origins, Pattern, PrincipalKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;

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

/// The principal, as the gateway vouches for it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Principal {
    /// Id of the principal; a SPIFFE ID for a workload.
    pub id: String,
    /// Kind of the identity.
    pub kind: PrincipalKind,
    /// Type as sent, if it is not the name of `kind`.
    ///
    /// AuthZEN leaves `subject.type` open. `User` and `Acme::Team::User` have no kind, and `user` is
    /// [`PrincipalKind::Human`].
    pub type_name: String,
    /// Person or team responsible for the principal.
    pub owner: String,
    /// Registered purpose, in words.
    pub purpose: String,
    /// Environment that the principal runs in.
    pub environment: String,
    /// Proof of identity that the principal gave.
    pub attestation: Attestation,
    /// Id that revokes the credential, such as a `jti` or serial number.
    pub credential_id: String,
    /// Instance of the workload, such as its pod id or host id.
    pub instance: String,
    /// Attested digest of the running workload, such as its image digest.
    pub workload_digest: String,
    /// Time at which the credential was issued.
    pub credential_issued_at: Option<Timestamp>,
    /// Time at which the credential expires. The host denies requests from then on.
    pub credential_expires_at: Option<Timestamp>,
    /// Ids of the delegators, root first; SPIFFE IDs for workloads.
    pub delegated_by: Vec<String>,
    /// All other attributes.
    pub attributes: Vec<(String, Value)>,
}

impl Principal {
    /// Type as sent, or the name of the kind.
    pub fn type_name(&self) -> &str {
        match self.type_name.as_str() {
            "" => self.kind.as_str(),
            sent => sent,
        }
    }
}

/// Path by which a session started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionPath {
    /// The path for people: sign-in, consoles.
    Interactive,
    /// The path for machines.
    Machine,
}

impl SessionPath {
    /// The path as spelt in a request.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Machine => "machine",
        }
    }
}

/// An approval given before the action.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Intent {
    /// Id of the intent.
    pub id: String,
    /// Purpose, in words.
    pub purpose: String,
    /// Approver of the intent.
    pub approved_by: String,
    /// Time at which the intent expires. The host denies requests that rely on it from then on.
    pub expires_at: Option<Timestamp>,
    /// Remaining uses, including this call. At zero the host denies.
    pub remaining_uses: Option<u64>,
    /// The signed intent, preceded by those that it was delegated from, root first.
    ///
    /// If the request does not carry them, the host looks up the intent by its id.
    pub documents: Vec<String>,
}

/// Target of the action.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Resource {
    /// Type of the resource, such as `repository`.
    pub kind: String,
    /// Id of the resource, such as `acme/billing`.
    pub id: String,
    /// Environment of the resource.
    pub environment: String,
    /// Last observed posture of the resource.
    pub posture: Option<Posture>,
    /// All other attributes.
    pub attributes: Vec<(String, Value)>,
}

/// Members of a call with which a client answers questions of the server.
///
/// MCP calls this a multi round-trip request: the server ends a call with questions, and the client repeats the
/// call with the answers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RoundTrip {
    /// Answers to the server's questions, a JSON object (`inputResponses` of an MCP tool call).
    pub input_responses: Option<Value>,
    /// The server's own state, returned to it (`requestState` of an MCP tool call).
    pub request_state: Option<String>,
}

impl RoundTrip {
    /// True if the call answers no question.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
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

    /// Starts a request from code: `principal` takes `action` on `resource` through `integration`.
    pub fn builder(
        integration: impl Into<String>,
        principal: Principal,
        action: impl Into<String>,
        resource: Resource,
    ) -> RequestBuilder {
        RequestBuilder {
            integration: integration.into(),
            principal,
            intent: None,
            action: action.into(),
            arguments: Value::Object(serde_json::Map::new()),
            origins: Vec::new(),
            round_trip: RoundTrip::default(),
            resource,
            session_path: None,
            context: Vec::new(),
            supported_obligations: None,
        }
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

/// Builder of a request, see [`Request::builder`].
#[derive(Debug, Clone)]
#[must_use]
pub struct RequestBuilder {
    integration: String,
    principal: Principal,
    intent: Option<Intent>,
    action: String,
    arguments: Value,
    origins: Vec<ArgumentOrigin>,
    round_trip: RoundTrip,
    resource: Resource,
    session_path: Option<SessionPath>,
    context: Vec<(String, Value)>,
    supported_obligations: Option<Vec<String>>,
}

impl RequestBuilder {
    /// Sets the action's arguments, a JSON object. Empty by default.
    pub fn arguments(mut self, arguments: Value) -> Self {
        self.arguments = arguments;
        self
    }

    /// Sets the origins of arguments.
    ///
    /// An argument that is not listed has the origin `unknown`.
    pub fn argument_origins(mut self, origins: Vec<ArgumentOrigin>) -> Self {
        self.origins = origins;
        self
    }

    /// Sets the answers to the server's questions, and the state that the server wants back.
    pub fn round_trip(mut self, round_trip: RoundTrip) -> Self {
        self.round_trip = round_trip;
        self
    }

    /// Sets the intent. None by default.
    pub fn intent(mut self, intent: Intent) -> Self {
        self.intent = Some(intent);
        self
    }

    /// Sets the path by which the session started. Unknown by default.
    pub fn session_path(mut self, path: SessionPath) -> Self {
        self.session_path = Some(path);
        self
    }

    /// Adds a context member.
    pub fn context(mut self, name: impl Into<String>, value: Value) -> Self {
        self.context.push((name.into(), value));
        self
    }

    /// Sets the trace of the request from its `traceparent` (W3C Trace Context).
    ///
    /// It becomes a context member, and the host records the trace id with the decision. A malformed header
    /// has no trace id.
    pub fn traceparent(self, traceparent: impl Into<String>) -> Self {
        self.context(trace::TRACEPARENT, Value::String(traceparent.into()))
    }

    /// Sets the obligation kinds that the enforcement point supports for this request.
    ///
    /// By default these are the kinds listed in the integration's configuration.
    pub fn supported_obligations(mut self, kinds: Vec<String>) -> Self {
        self.supported_obligations = Some(kinds);
        self
    }

    /// Builds the request.
    ///
    /// # Errors
    ///
    /// [`json::Error`] if it is not within `limits`, if the arguments are not an object, or if two attributes
    /// have the same name.
    pub fn build(mut self, limits: &RequestLimits) -> Result<Request, json::Error> {
        for (json, at) in [
            (Some(&self.arguments), "/action/arguments"),
            (
                self.round_trip.input_responses.as_ref(),
                "/context/input-responses",
            ),
        ] {
            if json.is_some_and(|json| !json.is_object()) {
                return Err(json::Error::Unexpected {
                    at: at.to_owned(),
                    expected: "an object".to_owned(),
                    found: "something else".to_owned(),
                });
            }
        }
        let bytes = self.bytes();
        if bytes > limits.bytes {
            let limit = limits.bytes;
            return Err(json::Error::TooLarge { bytes, limit });
        }
        self.check_names()?;
        for at in [
            &mut self.principal.credential_issued_at,
            &mut self.principal.credential_expires_at,
        ]
        .into_iter()
        .chain(self.intent.iter_mut().map(|intent| &mut intent.expires_at))
        .chain(
            self.resource
                .posture
                .iter_mut()
                .map(|posture| &mut posture.observed_at),
        ) {
            *at = at.map(Timestamp::writable);
        }
        members::check_origins(&self.origins, "/argument-origins")?;
        let answers = self.round_trip.input_responses.as_ref();
        let canonical_input_responses = answers
            .map(|answers| canonical(answers, "/context/input-responses", limits))
            .transpose()?;
        authzen::settle_type(&mut self.principal)?;
        authzen::refuse_reserved(&self.principal, &self.resource, &self.context)?;
        sort_attributes(
            &mut self.principal.attributes,
            "/principal/attributes",
            limits,
        )?;
        sort_attributes(
            &mut self.resource.attributes,
            "/resource/attributes",
            limits,
        )?;
        sort_attributes(&mut self.context, "/context", limits)?;
        let canonical_arguments = canonical(&self.arguments, "/action/arguments", limits)?;
        Ok(Request {
            integration: self.integration,
            principal: self.principal,
            intent: self.intent,
            action: self.action,
            arguments: self.arguments,
            canonical_arguments,
            origins: self.origins,
            round_trip: self.round_trip,
            canonical_input_responses,
            resource: self.resource,
            session_path: self.session_path,
            context: self.context,
            supported_obligations: self.supported_obligations,
            naming: Naming::default(),
        })
    }

    /// Refuses ambiguous names and ids. In another spelling, no list would contain them.
    fn check_names(&self) -> Result<(), json::Error> {
        if self.integration.is_empty() {
            return Err(json::Error::Missing {
                at: "/integration".to_owned(),
                expected: "the name of an integration".to_owned(),
            });
        }
        let bad = |at: &str, why| json::Error::Name {
            at: at.to_owned(),
            why,
        };
        name::check_action(&self.action).map_err(|why| bad("/action/name", why))?;
        let kind = &self.resource.kind;
        if !is_plain_type(kind) {
            let found = Value::from(kind.as_str());
            let at = "/resource/type".to_owned();
            return Err(object::unexpected(at, A_PLAIN_TYPE, &found));
        }
        let principal = &self.principal;
        let delegators = principal.delegated_by.iter();
        let delegators = delegators.map(|id| ("/principal/delegated-by", id));
        for (at, id) in std::iter::once(("/principal/id", &principal.id)).chain(delegators) {
            name::check_identifier(id).map_err(|why| bad(at, why))?;
            if begins_as_authority(id) || id.starts_with(SPIFFE) && !is_spiffe_id(id) {
                let expected = "a SPIFFE ID of a workload, in its one spelling";
                let found = Value::from(id.as_str());
                return Err(object::unexpected(at.to_owned(), expected, &found));
            }
        }
        for (at, id) in [
            ("/principal/credential-id", &principal.credential_id),
            ("/principal/instance", &principal.instance),
            ("/principal/workload-digest", &principal.workload_digest),
        ] {
            if !id.is_empty() {
                name::check_identifier(id).map_err(|why| bad(at, why))?;
            }
        }
        let Some(intent) = &self.intent else {
            return Ok(());
        };
        name::check_identifier(&intent.id).map_err(|why| bad("/intent/id", why))?;
        if intent
            .remaining_uses
            .is_some_and(|uses| uses > json::MAX_SAFE_INTEGER)
        {
            let expected = "a whole number up to 2^53 - 1, or none for any number of uses";
            let found = Value::from(intent.remaining_uses);
            return Err(object::unexpected(
                "/intent/remaining-uses".to_owned(),
                expected,
                &found,
            ));
        }
        Ok(())
    }

    /// Size of all texts in bytes, plus one byte for each other value.
    ///
    /// It is never more than the size of the same request in JSON.
    fn bytes(&self) -> usize {
        fn of_value(value: &Value) -> usize {
            match value {
                Value::String(text) => text.len(),
                Value::Array(items) => items.iter().map(|item| of_value(item) + 1).sum(),
                Value::Object(map) => map.iter().map(|(k, v)| k.len() + of_value(v) + 1).sum(),
                _ => 1,
            }
        }
        let attributes = [
            &self.principal.attributes,
            &self.resource.attributes,
            &self.context,
        ];
        let attributes = attributes
            .into_iter()
            .flatten()
            .map(|(name, value)| name.len() + of_value(value));
        let principal = [
            &self.principal.id,
            &self.principal.type_name,
            &self.principal.owner,
            &self.principal.purpose,
            &self.principal.environment,
            &self.principal.credential_id,
            &self.principal.instance,
            &self.principal.workload_digest,
        ];
        let resource = [
            &self.resource.kind,
            &self.resource.id,
            &self.resource.environment,
        ];
        let intent = self.intent.iter().flat_map(|intent| {
            [&intent.id, &intent.purpose, &intent.approved_by]
                .into_iter()
                .chain(&intent.documents)
        });
        let texts = [&self.integration, &self.action]
            .into_iter()
            .chain(principal)
            .chain(resource)
            .chain(intent)
            .chain(&self.principal.delegated_by)
            .chain(
                self.origins
                    .iter()
                    .flat_map(|it| [&it.path].into_iter().chain(&it.part).chain(&it.origins)),
            )
            .chain(&self.round_trip.request_state)
            .chain(self.supported_obligations.iter().flatten());
        let answers = self.round_trip.input_responses.as_ref();
        let arguments = of_value(&self.arguments) + answers.map_or(0, of_value);
        texts.map(String::len).chain(attributes).sum::<usize>() + arguments
    }
}

/// True if a denial of `pattern` could cover the resource `id`.
///
/// The id is canonical for `naming`.
pub fn might_mean(pattern: &Pattern, id: &str, naming: &Naming) -> bool {
    pattern.canonical(naming).might_match_as(id, naming)
}

/// Prefix of a workload's id.
const SPIFFE: &str = "spiffe:";

/// True if some readers take the principal's id for a SPIFFE ID: those that add a scheme before `//`.
pub fn begins_as_authority(id: &str) -> bool {
    id.starts_with("//")
}

/// Checks `json` against the limits, and returns its canonical form.
fn canonical(json: &Value, at: &str, limits: &RequestLimits) -> Result<String, json::Error> {
    json::admit(json, at, limits)?;
    serde_json_canonicalizer::to_string(json).map_err(|error| json::Error::Unexpected {
        at: at.to_owned(),
        expected: "JSON that has a canonical form".to_owned(),
        found: error.to_string(),
    })
}

fn sort_attributes(
    attributes: &mut [(String, Value)],
    at: &str,
    limits: &RequestLimits,
) -> Result<(), json::Error> {
    attributes.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let mut keys = json::Keys::default();
    for (index, (name, _)) in attributes.iter().enumerate() {
        let earlier = || attributes.iter().take(index).map(|(name, _)| name);
        let at = || format!("{at}/{}", portcullis_contract::escape_key(name));
        if earlier().next_back() == Some(name) {
            return Err(json::Error::DuplicateKey { at: at() });
        }
        if !keys.add(name, earlier()) {
            let other = json::alike(name, earlier());
            return Err(json::Error::AlikeKeys { at: at(), other });
        }
    }
    attributes
        .iter()
        .try_for_each(|(name, value)| json::admit_member(value, at, name, limits))
}
