//! A request: one thing that one principal wants to do, once.
//!
//! It comes from code ([`RequestBuilder`]) or from JSON: an AuthZEN 1.0 evaluation
//! ([`Request::from_authzen`]) or an MCP `tools/call` with its envelope ([`Request::from_mcp`]).
//! Either way a [`Request`] is within its limits and has one meaning.

mod authzen;
mod mcp;

pub(crate) use authzen::{CONTEXT_MEMBERS, PRINCIPAL_MEMBERS, RESOURCE_MEMBERS, Written};

use crate::Timestamp;
use crate::limits::RequestLimits;
use crate::registry::is_spiffe_id;
use crate::{json, object};
use portcullis_contract::name::Naming;
use portcullis_contract::{Attestation, Exposure, Health, Origins, Pattern, PrincipalKind};
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

/// Why something is not a request. Every variant names the place.
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
    #[error("`{at}`: nested more than {limit} deep")]
    TooDeep {
        /// A JSON Pointer.
        at: String,
        /// The limit.
        limit: usize,
    },
    /// An object has a key twice.
    #[error("`{at}`: the key is there twice, and readers disagree on which one counts")]
    DuplicateKey {
        /// A JSON Pointer.
        at: String,
    },
    /// A number is not the same to every reader.
    #[error("`{at}`: {number} is beyond 2^53, where readers round differently: send it as text")]
    Number {
        /// A JSON Pointer.
        at: String,
        /// The number.
        number: String,
    },
    /// A member is missing.
    #[error("`{at}`: missing: {expected} is needed")]
    Missing {
        /// A JSON Pointer.
        at: String,
        /// What belongs there.
        expected: String,
    },
    /// A member has another type or value than it may have.
    #[error("`{at}`: expected {expected}, found {found}")]
    Unexpected {
        /// A JSON Pointer.
        at: String,
        /// What belongs there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A member that the format does not have.
    #[error("`{at}`: there is no such member: {expected}")]
    Unknown {
        /// A JSON Pointer.
        at: String,
        /// The members that there are.
        expected: String,
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
    /// What else these objects hold becomes attributes.
    ///
    /// # Errors
    ///
    /// [`RequestError`] if it is not one, or not within `limits`.
    pub fn from_authzen(json: &[u8], limits: &RequestLimits) -> Result<Self, RequestError> {
        authzen::read(json::parse(json, limits)?, limits)
    }

    /// Reads an MCP `tools/call` with its envelope: `integration`, `principal` and `message` (the
    /// JSON-RPC request), and optionally `intent`, `resource`, `argument-origins`, `context` and
    /// `supported_obligations`.
    ///
    /// The action is the tool's name, the arguments are the tool's arguments. Without `resource`,
    /// it is of kind `mcp-server` and called like the integration.
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

    /// Whether an allowance for `pattern` holds for the resource.
    pub fn resource_matches(&self, pattern: &Pattern) -> bool {
        pattern.canonical(&self.naming).matches(&self.resource.id)
    }

    /// Whether a denial of `pattern` could mean the resource, in whatever way its id is read.
    pub fn resource_might_match(&self, pattern: &Pattern) -> bool {
        let pattern = pattern.canonical(&self.naming);
        pattern.might_match_as(&self.resource.id, &self.naming)
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
        let named = std::iter::once(("/principal/id", &self.principal.id));
        let delegators = self.principal.delegated_by.iter();
        for (at, id) in named.chain(delegators.map(|id| ("/principal/delegated-by", id))) {
            // In another spelling it would be found in no list.
            let scheme = id.get(..SPIFFE.len());
            if scheme.is_some_and(|it| it.eq_ignore_ascii_case(SPIFFE)) && !is_spiffe_id(id) {
                let expected = "a SPIFFE ID of a workload, in its one spelling";
                let found = Value::from(id.as_str());
                return Err(object::unexpected(at.to_owned(), expected, &found));
            }
        }
        json::admit(&self.arguments, "/action/arguments", limits)?;
        object::check_origins(&self.origins, "/argument-origins")?;
        authzen::settle_type(&mut self.principal)?;
        authzen::refuse_reserved(
            &self.principal.attributes,
            &self.resource.attributes,
            &self.context,
        )?;
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

/// How the id of a workload begins.
const SPIFFE: &str = "spiffe:";

fn sort_attributes(
    attributes: &mut [(String, Value)],
    at: &str,
    limits: &RequestLimits,
) -> Result<(), RequestError> {
    attributes.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    for pair in attributes.windows(2) {
        if let [(a, _), (b, _)] = pair
            && a == b
        {
            let at = format!("{at}/{}", portcullis_contract::escape_key(a));
            return Err(RequestError::DuplicateKey { at });
        }
    }
    attributes
        .iter()
        .try_for_each(|(name, value)| json::admit_member(value, at, name, limits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn builder() -> RequestBuilder {
        let resource = Resource {
            id: "acme/billing".into(),
            ..Resource::default()
        };
        Request::builder("github", Principal::default(), "push", resource)
    }

    #[test]
    fn arguments_are_canonical_and_attributes_sorted() {
        let request = builder()
            .arguments(json!({ "b": 1.0, "a": "é" }))
            .context("z", json!(1))
            .context("a", json!(2))
            .build(&RequestLimits::default())
            .unwrap();
        assert_eq!(request.canonical_arguments, r#"{"a":"é","b":1}"#);
        assert_eq!(request.context[0].0, "a");
    }

    #[test]
    fn a_request_from_code_is_within_its_limits() {
        let limits = RequestLimits {
            bytes: 100,
            depth: 4,
        };
        assert!(
            builder()
                .context("x", json!("y".repeat(50)))
                .build(&limits)
                .is_ok()
        );
        let long = builder()
            .context("x", json!("y".repeat(100)))
            .build(&limits);
        assert!(matches!(long, Err(RequestError::TooLarge { .. })));
        let deep = builder()
            .arguments(json!({ "a": { "b": { "c": 1 } } }))
            .build(&limits);
        assert!(matches!(deep, Err(RequestError::TooDeep { .. })));
        let twice = builder()
            .context("x", json!(1))
            .context("x", json!(2))
            .build(&limits);
        assert_eq!(
            twice,
            Err(RequestError::DuplicateKey {
                at: "/context/x".into()
            })
        );
        assert!(builder().arguments(json!([])).build(&limits).is_err());
    }
}
