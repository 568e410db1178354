//! From an HTTP call to a request for the plugin `http-api`.

mod body;
mod builder;
mod error;
mod headers;
mod overrides;
mod path;
mod query;
mod route;

pub use body::Bodies;
pub use builder::{MapperBuilder, MapperError};
pub use error::{MapError, Place};
pub use route::Route;

use crate::{Body, Call};
use body::Treatment;
use http::{HeaderName, StatusCode};
use portcullis_host::{Intent, Principal, Request, RequestLimits, Resource, SessionPath, json};
use serde_json::{Map, Value};

/// Header with the trace of a call (W3C Trace Context).
pub(crate) const TRACEPARENT: &str = "traceparent";

/// Maximum length of a `traceparent` that is passed on, in bytes. That of version 00 has 55.
const MAX_TRACEPARENT: usize = 256;

/// Maps HTTP calls to requests: a call has one meaning, or it is refused.
///
/// | field of the request | from |
/// |---|---|
/// | integration, environment | the [`Route`] of host and path, or the default |
/// | action | the method |
/// | resource | the path as sent; its type is `path`, unless it is set |
/// | arguments | `query`, `headers` (the listed ones) and `body` (JSON), each only if the call has it |
/// | intent | the header `portcullis-intent`, the id of an approved intent |
/// | trace | the header `traceparent` |
///
/// A value of a query is a text, unless the parameter is listed as a number, a boolean or a list. The type is a
/// setting and not a guess from the value: if `50` were a number and `050` a text, a caller would choose by the
/// spelling whether `at-most` compares it.
///
/// A repeated parameter is refused unless it is listed: some servers take the first value, others the last one, all of
/// them, or their concatenation. The value of a listed parameter is always a list, so that rules have one form for it.
///
/// ```
/// use http::HeaderMap;
/// use portcullis_host::{Principal, RequestLimits};
/// use portcullis_http::{Body, Call, Mapper, Place};
/// use serde_json::json;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mapper = Mapper::builder()
///     .integration("billing-api")
///     .environment("prod")
///     .numbers(["limit"])
///     .build()?;
/// let principal = Principal { id: "spiffe://acme.example/agent".into(), ..Principal::default() };
/// let (headers, limits) = (HeaderMap::new(), RequestLimits::default());
///
/// let call = Call::stated("GET", "api.acme.example", "/v1/invoices?limit=50", &headers);
/// let request = mapper.request(principal.clone(), &call, Body::Whole(b""), &limits)?;
/// assert_eq!(request.action(), "GET");
/// assert_eq!(request.resource().id, "/v1/invoices");
/// assert_eq!(request.arguments(), &json!({ "query": { "limit": 50 } }));
///
/// let call = Call::stated("GET", "api.acme.example", "/v1/invoices?limit=050", &headers);
/// let refused = mapper.request(principal, &call, Body::Whole(b""), &limits).unwrap_err();
/// assert_eq!(refused.place(), &Place::Query(Some("limit".into())));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Mapper {
    integration: Option<String>,
    environment: String,
    routes: Vec<Route>,
    resource_kind: String,
    session_path: Option<SessionPath>,
    headers: Vec<HeaderName>,
    query: query::Types,
    bodies: Bodies,
    forms_allowed: bool,
    obligations: Option<Vec<String>>,
}

impl Mapper {
    /// Starts a builder.
    pub fn builder() -> MapperBuilder {
        MapperBuilder::default()
    }

    /// True if [`Mapper::request`] needs the bytes of a body.
    ///
    /// # Errors
    ///
    /// [`MapError`] with status 415 if a body of this type is not accepted.
    pub fn reads_body(&self, call: &Call<'_>) -> Result<bool, MapError> {
        let treatment = self.bodies.treatment(call, self.forms_allowed)?;
        Ok(treatment == Treatment::Read)
    }

    /// Name of the integration of the call.
    ///
    /// # Errors
    ///
    /// [`MapError`] with status 404 if there is none, or 400 if host or path are ambiguous.
    pub fn integration(&self, call: &Call<'_>) -> Result<&str, MapError> {
        self.destination(call).map(|(integration, _)| integration)
    }

    /// The request that `call` is, as made by `principal`.
    ///
    /// # Errors
    ///
    /// [`MapError`] if a server could read the call in another way than it is decided, if it has no integration, or
    /// if it is not within `limits`.
    pub fn request(
        &self,
        principal: Principal,
        call: &Call<'_>,
        body: Body<'_>,
        limits: &RequestLimits,
    ) -> Result<Request, MapError> {
        if call.method.is_empty() || !call.method.bytes().all(is_method_byte) {
            return Err(MapError::new(
                Place::Method,
                "a method is upper-case letters and `-`, because some servers ignore case",
            ));
        }
        path::check(call.path())?;
        let (integration, environment) = self.destination(call)?;
        let mut arguments = Map::new();
        let read_headers = headers::read(call, &self.headers)?;
        for (name, members) in [
            ("query", query::read(call.query(), &self.query)?),
            ("headers", read_headers),
        ] {
            if !members.is_empty() {
                arguments.insert(name.to_owned(), Value::Object(members));
            }
        }
        if let Some(body) = self.body(call, body, limits)? {
            arguments.insert("body".to_owned(), body);
        }
        let resource = Resource {
            kind: self.resource_kind.clone(),
            id: call.path().to_owned(),
            environment: environment.to_owned(),
            ..Resource::default()
        };
        let mut request = Request::builder(integration, principal, call.method, resource)
            .arguments(Value::Object(arguments));
        if let Some(id) = call.headers.get(headers::INTENT) {
            let id = id.to_str().map_err(|_| {
                MapError::header(
                    headers::INTENT,
                    "it has a character outside of visible ASCII",
                )
            })?;
            request = request.intent(Intent {
                id: id.to_owned(),
                ..Intent::default()
            });
        }
        if let Some(path) = self.session_path {
            request = request.session_path(path);
        }
        if let Some(kinds) = &self.obligations {
            request = request.supported_obligations(kinds.clone());
        }
        let trace = call.header(TRACEPARENT);
        if let Some(trace) = trace.filter(|trace| trace.len() <= MAX_TRACEPARENT) {
            request = request.traceparent(trace);
        }
        request.build(limits).map_err(|error| {
            let status = match error {
                json::Error::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
                _ => StatusCode::BAD_REQUEST,
            };
            MapError::new(Place::Request, error.to_string()).with_status(status)
        })
    }

    /// Sets the kinds of obligation that requests state as supported.
    pub(crate) fn supporting(mut self, kinds: Vec<String>) -> Self {
        self.obligations = Some(kinds);
        self
    }

    /// Integration and environment of the call.
    fn destination(&self, call: &Call<'_>) -> Result<(&str, &str), MapError> {
        let host = route::host(call.authority)?;
        if self.routes.iter().any(|route| route.host.is_some()) {
            refuse_another_host(call)?;
        }
        let route = route::of_call(&self.routes, call, host)?;
        let own = route.map(|route| (route.integration.as_str(), route.environment.as_deref()));
        let default = self.integration.as_deref().map(|name| (name, None));
        match own.or(default) {
            Some((integration, environment)) => {
                Ok((integration, environment.unwrap_or(&self.environment)))
            }
            None => Err(
                MapError::new(Place::Path, "no integration serves this host and path")
                    .with_status(StatusCode::NOT_FOUND),
            ),
        }
    }

    /// The body as an argument. `None` if the call has none, or if it goes on unread.
    fn body(
        &self,
        call: &Call<'_>,
        body: Body<'_>,
        limits: &RequestLimits,
    ) -> Result<Option<Value>, MapError> {
        let bytes = match body {
            Body::Whole([]) => return Ok(None),
            Body::Whole(bytes) => Some(bytes),
            Body::Unread => None,
        };
        match (self.bodies.treatment(call, self.forms_allowed)?, bytes) {
            (Treatment::GoesOn, _) => Ok(None),
            (Treatment::Read, Some(bytes)) => body::read(bytes, limits).map(Some),
            (Treatment::Read, None) => Err(MapError::new(
                Place::Body,
                "the body is decided too, and was not received as a whole",
            )
            .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)),
        }
    }
}

/// True for the characters of registered methods. `delete` is none: some servers take it for `DELETE`.
fn is_method_byte(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte == b'-'
}

/// Refuses a call for which proxies state another host.
///
/// A server that trusts `X-Forwarded-Host` or `Forwarded` would serve the API of another host.
fn refuse_another_host(call: &Call<'_>) -> Result<(), MapError> {
    for name in ["x-forwarded-host", "forwarded"] {
        for value in call.headers.get_all(name) {
            let text = value.to_str().unwrap_or("?");
            let is_same = match name {
                "forwarded" => !text.to_ascii_lowercase().contains("host"),
                _ => text.eq_ignore_ascii_case(call.authority),
            };
            if !is_same {
                return Err(MapError::header(
                    name,
                    "it states another host than the call: send the call without",
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
