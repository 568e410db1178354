//! A request: one thing that one principal wants to do, once.
//!
//! It comes from code ([`RequestBuilder`]), from a client's own message beside what a gateway vouches for
//! ([`Vouched`]), or from JSON that a gateway wrote as a whole: an AuthZEN 1.0 evaluation
//! ([`Request::from_authzen`]) or an MCP `tools/call` with its envelope ([`Request::from_mcp`]).
//! Each way a [`Request`] is within its limits and has one meaning.

mod authzen;
mod defaults;
mod mcp;
#[cfg(test)]
mod tests;
mod vouched;

pub(crate) use authzen::{CONTEXT_MEMBERS, PRINCIPAL_MEMBERS, RESOURCE_MEMBERS, Written};
pub use defaults::DefaultIntegrations;
pub(crate) use defaults::{A_PLAIN_TYPE, is_plain_type};
pub use vouched::Vouched;

use crate::Timestamp;
use crate::limits::RequestLimits;
use crate::registry::is_spiffe_id;
use crate::{json, object};
use portcullis_contract::name::{self, NameError, Naming};
use portcullis_contract::{
    Attestation, Exposure, Health, Origins, Pattern, PrincipalKind, printable,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;

/// One thing that one principal wants to do, once.
///
/// INVARIANT (canonical): the arguments are a JSON object in canonical form (RFC 8785), attributes
/// are sorted by name without duplicates, and the whole is within [`RequestLimits`].
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub(crate) integration: String,
    pub(crate) principal: Principal,
    pub(crate) intent: Option<Intent>,
    pub(crate) action: String,
    pub(crate) arguments: Value,
    pub(crate) canonical_arguments: String,
    pub(crate) origins: Vec<(String, String)>,
    pub(crate) resource: Resource,
    pub(crate) session_path: Option<SessionPath>,
    pub(crate) context: Vec<(String, Value)>,
    pub(crate) supported_obligations: Option<Vec<String>>,
    /// How names compare, as its integration declares; the resource's is canonical.
    naming: Naming,
}

/// Who asks, as the gateway vouches for it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Principal {
    /// The SPIFFE ID.
    pub id: String,
    /// What kind of identity it is.
    pub kind: PrincipalKind,
    /// The type as it was sent, where that is not the name of `kind`: AuthZEN leaves `subject.type`
    /// open. `User` and `Acme::Team::User` are of no kind, and `user` is [`PrincipalKind::Human`].
    pub type_name: String,
    /// Who answers for it.
    pub owner: String,
    /// What it was registered for, in words.
    pub purpose: String,
    /// The environment it runs in.
    pub environment: String,
    /// How it proved what it is.
    pub attestation: Attestation,
    /// What the credential is called where it can be revoked, such as a `jti` or serial number.
    pub credential_id: String,
    /// Which instance of the workload presents the credential, such as the id of its pod or host.
    pub instance: String,
    /// The digest of what the workload runs, such as that of its image, if it was attested.
    pub workload_digest: String,
    /// When its credential was issued.
    pub credential_issued_at: Option<Timestamp>,
    /// When its credential expires; from then on it is denied.
    pub credential_expires_at: Option<Timestamp>,
    /// The SPIFFE IDs that delegated to it, root first.
    pub delegated_by: Vec<String>,
    /// Anything else.
    pub attributes: Vec<(String, Value)>,
}

impl Principal {
    /// The type as it was sent, or the name of the kind.
    pub fn type_name(&self) -> &str {
        match self.type_name.as_str() {
            "" => self.kind.as_str(),
            sent => sent,
        }
    }
}

/// By which way a session came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionPath {
    /// The one for people: sign-in, consoles.
    Interactive,
    /// The one for machines.
    Machine,
}

impl SessionPath {
    /// The path as text, as in a request.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Machine => "machine",
        }
    }
}

/// What was approved before acting.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Intent {
    /// Its identifier.
    pub id: String,
    /// The purpose, in words.
    pub purpose: String,
    /// Who approved it.
    pub approved_by: String,
    /// When it ends; from then on what relies on it is denied.
    pub expires_at: Option<Timestamp>,
    /// How often it may still be used, this call included; at zero it is denied.
    pub remaining_uses: Option<u64>,
    /// The signed intent, after those that it was delegated by, root first, if the request carries
    /// them. Otherwise it is looked up by its id.
    pub documents: Vec<String>,
}

/// What the action is done to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Resource {
    /// What kind of thing it is, such as `repository`.
    pub kind: String,
    /// Which one it is, such as `acme/billing`.
    pub id: String,
    /// The environment it is in.
    pub environment: String,
    /// What was last seen of it.
    pub posture: Option<Posture>,
    /// Anything else.
    pub attributes: Vec<(String, Value)>,
}

/// What was last seen of the place where an action lands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Posture {
    /// Who can reach it.
    pub exposure: Exposure,
    /// Whether it works as it should.
    pub health: Health,
    /// Whether acting on it gives power over other things.
    pub privileged: Option<bool>,
    /// Whether it is past its support.
    pub legacy: Option<bool>,
    /// Whether its configuration has left its baseline.
    pub drifted: Option<bool>,
    /// When this was seen.
    pub observed_at: Option<Timestamp>,
}

/// Why something is not a request. Every variant names the place. As text it is printable, whatever the request
/// holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// It is larger than allowed.
    #[error("the request has {bytes} bytes: at most {limit} are read")]
    TooLarge {
        /// Its size in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// It is not JSON.
    #[error("line {line}, column {column}: not JSON: {message}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What the parser found.
        message: String,
    },
    /// It is nested more deeply than allowed.
    #[error("`{}`: nested more than {limit} deep", printable(at))]
    TooDeep {
        /// A JSON Pointer.
        at: String,
        /// The limit.
        limit: usize,
    },
    /// An object has a key twice.
    #[error(
        "`{}`: the key is there twice, and readers disagree on which one counts",
        printable(at)
    )]
    DuplicateKey {
        /// A JSON Pointer.
        at: String,
    },
    /// An object has two keys that some readers take for one.
    #[error(
        "`{}`: a reader that ignores case, width or invisible characters takes this key for `{}`, which is there too: send one of them",
        printable(at),
        printable(other)
    )]
    AlikeKeys {
        /// A JSON Pointer to the second.
        at: String,
        /// The first.
        other: String,
    },
    /// A number is not the same to every reader.
    #[error(
        "`{}`: {} is beyond 2^53, or has more digits than a double, and readers round it differently: send it as text",
        printable(at),
        printable(number)
    )]
    Number {
        /// A JSON Pointer.
        at: String,
        /// The number.
        number: String,
    },
    /// A member is missing.
    #[error("`{}`: missing: {expected} is needed", printable(at))]
    Missing {
        /// A JSON Pointer.
        at: String,
        /// What belongs there.
        expected: String,
    },
    /// A member has another type or value than it may have.
    #[error(
        "`{}`: expected {}, found {}",
        printable(at),
        printable(expected),
        printable(found)
    )]
    Unexpected {
        /// A JSON Pointer.
        at: String,
        /// What belongs there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A member that the format does not have.
    #[error(
        "`{}`: there is no such member: {}",
        printable(at),
        printable(expected)
    )]
    Unknown {
        /// A JSON Pointer.
        at: String,
        /// The members that there are.
        expected: String,
    },
    /// A name or an id can be read in two ways.
    #[error("`{}`: {why}", printable(at))]
    Name {
        /// A JSON Pointer.
        at: String,
        /// What is wrong with it, and what to write instead.
        why: NameError,
    },
    /// A member of the standard's that cannot be decided here.
    #[error("`{}`: {why}", printable(at))]
    NotHere {
        /// A JSON Pointer.
        at: String,
        /// Why, and what to do instead.
        why: &'static str,
    },
}

impl Request {
    /// Reads an AuthZEN 1.0 evaluation request (section 6.1).
    ///
    /// `context.integration` names the integration. `subject.properties` may hold `owner`,
    /// `purpose`, `environment`, `attestation`, `credential-id`, `credential-issued-at`,
    /// `credential-expires-at`, `instance`, `workload-digest` and `delegated-by`;
    /// `action.properties` are the arguments; `resource.properties` may hold `environment` and
    /// `posture`; `context` may hold `intent`, `argument-origins` and `supported_obligations`.
    /// What else these objects hold becomes attributes; so does an `owner`, `purpose`, `environment` or `instance`
    /// that is no text, and a `posture` that is no object. Unknown members beside `properties` are ignored, as the
    /// standard asks, unless they read like known ones or belong elsewhere.
    ///
    /// All of it is taken as the word of an enforcement point that verified it. For a body that a client wrote, there
    /// is [`Request::from_authzen_message`].
    ///
    /// # Errors
    ///
    /// [`RequestError`] if it is not one, or not within `limits`. A body with `evaluations` is a batch: see
    /// [`Request::batch_from_authzen`].
    pub fn from_authzen(json: &[u8], limits: &RequestLimits) -> Result<Self, RequestError> {
        Self::from_authzen_for(json, &DefaultIntegrations::default(), limits)
    }

    /// As [`Request::from_authzen`], of an enforcement point that need not know of integrations: where
    /// `context.integration` is absent, `defaults` say which one is meant.
    ///
    /// # Errors
    ///
    /// As [`Request::from_authzen`].
    pub fn from_authzen_for(
        json: &[u8],
        defaults: &DefaultIntegrations,
        limits: &RequestLimits,
    ) -> Result<Self, RequestError> {
        authzen::read(json::parse(json, limits)?, defaults, limits)
    }

    /// Reads an AuthZEN 1.0 evaluations request (section 7.1), which is decided one by one: each of its evaluations, or
    /// why it is none, in their order. What an evaluation lacks of `subject`, `action`, `resource` and `context`, it has
    /// of the top level, each as a whole. `limits` are of the whole document.
    ///
    /// # Errors
    ///
    /// [`RequestError`] if the document as a whole is none, or is not within `limits`.
    pub fn batch_from_authzen(
        json: &[u8],
        defaults: &DefaultIntegrations,
        limits: &RequestLimits,
    ) -> Result<Vec<Result<Self, RequestError>>, RequestError> {
        let evaluations = authzen::batch(json::parse(json, limits)?)?;
        let read = |evaluation| authzen::read(evaluation, defaults, limits);
        Ok(evaluations.into_iter().map(read).collect())
    }

    /// Reads the AuthZEN 1.0 evaluation that a client wrote in `body`; `integration` and `principal` are what the
    /// gateway vouches for. For an intent and the like, see [`Vouched`].
    ///
    /// # Errors
    ///
    /// As [`Vouched::authzen_message`].
    pub fn from_authzen_message(
        integration: impl Into<String>,
        principal: Principal,
        body: &[u8],
        limits: &RequestLimits,
    ) -> Result<Self, RequestError> {
        Vouched::new(integration, principal).authzen_message(body, limits)
    }

    /// Reads the MCP `tools/call` that a client wrote in `body`, a JSON-RPC request; `integration` and `principal`
    /// are what the gateway vouches for. For an intent and the like, see [`Vouched`].
    ///
    /// # Errors
    ///
    /// As [`Vouched::mcp_message`].
    pub fn from_mcp_message(
        integration: impl Into<String>,
        principal: Principal,
        body: &[u8],
        limits: &RequestLimits,
    ) -> Result<Self, RequestError> {
        Vouched::new(integration, principal).mcp_message(body, limits)
    }

    /// Reads an MCP `tools/call` with its envelope: `integration`, `principal` and `message` (the
    /// JSON-RPC request), and optionally `intent`, `resource`, `argument-origins`, `context` and
    /// `supported_obligations`.
    ///
    /// The action is the tool's name, the arguments are the tool's arguments. Without `resource`,
    /// it is of kind `mcp-server` and called like the integration.
    ///
    /// **The whole envelope has to be written by the gateway, with a JSON library.** One that is made by pasting a
    /// client's body behind `"message":` lets the client close the message and add an `intent` or a `principal` of
    /// its own. For a client's body there is [`Request::from_mcp_message`].
    ///
    /// # Errors
    ///
    /// [`RequestError`] if it is not one, or not within `limits`.
    pub fn from_mcp(json: &[u8], limits: &RequestLimits) -> Result<Self, RequestError> {
        mcp::read(json::parse(json, limits)?, limits)
    }

    /// Begins a request from code: `action` on `resource` by `principal`, through `integration`.
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
            resource,
            session_path: None,
            context: Vec::new(),
            supported_obligations: None,
        }
    }

    /// The request as an AuthZEN evaluation, which reads as the same request.
    pub fn to_authzen(&self) -> Value {
        // It is JSON: nothing in it can fail to be written.
        serde_json::to_value(Written::new(self)).unwrap_or_default()
    }

    /// The integration that the request is for.
    pub fn integration(&self) -> &str {
        &self.integration
    }

    /// Who asks.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// What was approved before acting.
    pub fn intent(&self) -> Option<&Intent> {
        self.intent.as_ref()
    }

    /// The action's name.
    pub fn action(&self) -> &str {
        &self.action
    }

    /// The action's arguments, a JSON object.
    pub fn arguments(&self) -> &Value {
        &self.arguments
    }

    /// Where arguments came from.
    pub fn origins(&self) -> Origins<'_> {
        Origins(&self.origins)
    }

    /// What the action is done to.
    pub fn resource(&self) -> &Resource {
        &self.resource
    }

    /// The request with its resource called as names of its integration compare.
    pub(crate) fn named_as(&self, naming: &Naming) -> Cow<'_, Self> {
        if self.naming == *naming {
            return Cow::Borrowed(self);
        }
        let mut named = self.clone();
        named.resource.id = naming.canonical(&self.resource.id).into_owned();
        named.naming = naming.clone();
        Cow::Owned(named)
    }

    /// The comparison of names that the integration declares.
    pub(crate) fn naming(&self) -> &Naming {
        &self.naming
    }

    /// Whether an allowance for `pattern` holds for the resource.
    pub fn resource_matches(&self, pattern: &Pattern) -> bool {
        pattern.canonical(&self.naming).matches(&self.resource.id)
    }

    /// Whether a denial of `pattern` could mean the resource, in whatever way its id is read.
    pub fn resource_might_match(&self, pattern: &Pattern) -> bool {
        might_mean(pattern, &self.resource.id, &self.naming)
    }
}

/// A request in the making, see [`Request::builder`].
#[derive(Debug, Clone)]
#[must_use]
pub struct RequestBuilder {
    integration: String,
    principal: Principal,
    intent: Option<Intent>,
    action: String,
    arguments: Value,
    origins: Vec<(String, String)>,
    resource: Resource,
    session_path: Option<SessionPath>,
    context: Vec<(String, Value)>,
    supported_obligations: Option<Vec<String>>,
}

impl RequestBuilder {
    /// The action's arguments, a JSON object. None by default.
    pub fn arguments(mut self, arguments: Value) -> Self {
        self.arguments = arguments;
        self
    }

    /// Where arguments came from: pairs of a JSON Pointer into the arguments and `user`,
    /// `tool:<name>` or `unknown`. An argument that is not listed is of unknown origin.
    pub fn argument_origins(mut self, origins: Vec<(String, String)>) -> Self {
        self.origins = origins;
        self
    }

    /// What was approved before acting. Nothing by default.
    pub fn intent(mut self, intent: Intent) -> Self {
        self.intent = Some(intent);
        self
    }

    /// By which way the session came in. Not known by default.
    pub fn session_path(mut self, path: SessionPath) -> Self {
        self.session_path = Some(path);
        self
    }

    /// Adds a circumstance.
    pub fn context(mut self, name: impl Into<String>, value: Value) -> Self {
        self.context.push((name.into(), value));
        self
    }

    /// The trace that the request is part of, as its `traceparent` header has it (W3C Trace Context). It is a
    /// circumstance, and the trace's id is recorded beside the decision's; a malformed one has none.
    pub fn traceparent(self, traceparent: impl Into<String>) -> Self {
        self.context(crate::trace::TRACEPARENT, Value::String(traceparent.into()))
    }

    /// The kinds of obligation that the enforcement point can carry out for this request. By
    /// default those that the integration's configuration lists.
    pub fn supported_obligations(mut self, kinds: Vec<String>) -> Self {
        self.supported_obligations = Some(kinds);
        self
    }

    /// Makes the request.
    ///
    /// # Errors
    ///
    /// [`RequestError`] if it is not within `limits`, if the arguments are not an object, or if
    /// two attributes have one name.
    pub fn build(mut self, limits: &RequestLimits) -> Result<Request, RequestError> {
        if !self.arguments.is_object() {
            return Err(RequestError::Unexpected {
                at: "/action/arguments".to_owned(),
                expected: "an object".to_owned(),
                found: "something else".to_owned(),
            });
        }
        let bytes = self.bytes();
        if bytes > limits.bytes {
            let limit = limits.bytes;
            return Err(RequestError::TooLarge { bytes, limit });
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
        json::admit(&self.arguments, "/action/arguments", limits)?;
        object::check_origins(&self.origins, "/argument-origins")?;
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
        let canonical_arguments =
            serde_json_canonicalizer::to_string(&self.arguments).map_err(|error| {
                RequestError::Unexpected {
                    at: "/action/arguments".to_owned(),
                    expected: "JSON that has a canonical form".to_owned(),
                    found: error.to_string(),
                }
            })?;
        Ok(Request {
            integration: self.integration,
            principal: self.principal,
            intent: self.intent,
            action: self.action,
            arguments: self.arguments,
            canonical_arguments,
            origins: self.origins,
            resource: self.resource,
            session_path: self.session_path,
            context: self.context,
            supported_obligations: self.supported_obligations,
            naming: Naming::default(),
        })
    }

    /// Refuses names and ids that can be read in two ways: in another spelling they would be found in no list.
    fn check_names(&self) -> Result<(), RequestError> {
        if self.integration.is_empty() {
            return Err(RequestError::Missing {
                at: "/integration".to_owned(),
                expected: "the name of an integration".to_owned(),
            });
        }
        let bad = |at: &str, why| RequestError::Name {
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

    /// The size of all texts, in bytes, with one for each other value: never more than the size of
    /// the same request in JSON.
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
                    .flat_map(|(path, origin)| [path, origin]),
            )
            .chain(self.supported_obligations.iter().flatten());
        let arguments = of_value(&self.arguments);
        texts.map(String::len).chain(attributes).sum::<usize>() + arguments
    }
}

/// Whether a denial of `pattern` could mean the resource `id`, which is canonical as `naming` declares.
pub(crate) fn might_mean(pattern: &Pattern, id: &str, naming: &Naming) -> bool {
    pattern.canonical(naming).might_match_as(id, naming)
}

/// How the id of a workload begins.
const SPIFFE: &str = "spiffe:";

/// Whether readers that add the scheme to what begins with `//` take the id of a principal for a SPIFFE ID.
pub(crate) fn begins_as_authority(id: &str) -> bool {
    id.starts_with("//")
}

fn sort_attributes(
    attributes: &mut [(String, Value)],
    at: &str,
    limits: &RequestLimits,
) -> Result<(), RequestError> {
    attributes.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let mut keys = json::Keys::default();
    for (index, (name, _)) in attributes.iter().enumerate() {
        let earlier = || attributes.iter().take(index).map(|(name, _)| name);
        let at = || format!("{at}/{}", portcullis_contract::escape_key(name));
        if earlier().next_back() == Some(name) {
            return Err(RequestError::DuplicateKey { at: at() });
        }
        if !keys.add(name, earlier()) {
            let other = json::alike(name, earlier());
            return Err(RequestError::AlikeKeys { at: at(), other });
        }
    }
    attributes
        .iter()
        .try_for_each(|(name, value)| json::admit_member(value, at, name, limits))
}
