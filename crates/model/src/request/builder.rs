//! Builds a request, and holds it to its limits and its one meaning.

use super::parts::{Intent, Principal, Resource, RoundTrip, SessionPath};
use super::{A_PLAIN_TYPE, Request, authzen, is_plain_type, members};
use crate::limits::RequestLimits;
use crate::spiffe_id::is_spiffe_id;
use crate::timestamp::Timestamp;
use crate::{json, object, trace};
use portcullis_contract::ArgumentOrigin;
use portcullis_contract::name::{self, Naming};
use serde_json::Value;

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

impl Request {
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
