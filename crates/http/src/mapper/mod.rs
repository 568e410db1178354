//! From an HTTP call to a request for the plugin `http-api`.

use crate::{Body, Call};
use http::StatusCode;
use portcullis_host::{Principal, Request, RequestLimits, SessionPath};

/// Maps HTTP calls to requests: one meaning, or an error.
///
/// | field of the request | from |
/// |---|---|
/// | integration | the [`Route`] of host and path, or the default |
/// | action | the method |
/// | resource id | the path as sent |
/// | arguments | `query`, `headers` (those of the list) and `body` (JSON) |
/// | environment | that of the route, or of the mapper |
/// | intent | the header `portcullis-intent`: the id of an approved intent |
/// | trace | the header `traceparent` |
#[derive(Debug, Clone)]
pub struct Mapper {}

/// Builder of a [`Mapper`].
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct MapperBuilder {}

/// Integration of the calls to a host, below a path, or both.
///
/// The most specific route counts: one with a host before one without, then the longer path.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Route {}

impl Route {
    /// A route to `integration`, for every host and path.
    pub fn to(integration: impl Into<String>) -> Self { todo!() }
    /// Restricts the route to a host, compared without case and without the port.
    pub fn host(self, host: impl Into<String>) -> Self { todo!() }
    /// Restricts the route to a path and all paths below it, compared by whole segments.
    pub fn path(self, path: impl Into<String>) -> Self { todo!() }
    /// Sets the environment of the API.
    pub fn environment(self, environment: impl Into<String>) -> Self { todo!() }
}

/// Bodies that a mapper accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bodies {
    /// JSON is read and passed as the argument `body`; a call with another body is refused (415). The default.
    #[default]
    Json,
    /// JSON is read and passed; other bodies go on unread, except forms.
    JsonOrUnread,
    /// No body is read: the decision is about method, path, query and headers alone. Forms are refused.
    Unread,
}

impl Mapper {
    /// Starts a builder.
    pub fn builder() -> MapperBuilder { todo!() }

    /// True if [`Mapper::request`] needs the bytes of the call's body, if it has one.
    ///
    /// # Errors
    ///
    /// [`MapError`] if no body of this kind is accepted: a form, or another type than JSON (415).
    pub fn reads_body(&self, call: &Call<'_>) -> Result<bool, MapError> { todo!() }

    /// The request of `principal` that `call` is.
    ///
    /// # Errors
    ///
    /// [`MapError`] if the call could be read in another way than it is decided, or exceeds `limits`.
    pub fn request(&self, principal: Principal, call: &Call<'_>, body: Body<'_>, limits: &RequestLimits) -> Result<Request, MapError> { todo!() }

    /// Integration of the call, if a route or the default selects one.
    pub fn integration(&self, call: &Call<'_>) -> Option<&str> { todo!() }
}

impl MapperBuilder {
    /// Sets the integration of calls that no route matches. Without it, such a call is refused (404).
    pub fn integration(self, name: impl Into<String>) -> Self { todo!() }
    /// Adds a route.
    pub fn route(self, route: Route) -> Self { todo!() }
    /// Sets the environment of the APIs, unless a route has its own.
    pub fn environment(self, environment: impl Into<String>) -> Self { todo!() }
    /// Sets the type of the resource. `http-api` by default.
    pub fn resource_kind(self, kind: impl Into<String>) -> Self { todo!() }
    /// Sets the path by which sessions start. Unknown by default.
    pub fn session_path(self, path: SessionPath) -> Self { todo!() }
    /// Passes these headers as arguments. None by default.
    pub fn headers<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> Self { todo!() }
    /// Query parameters that are numbers: canonical decimals such as `50` and `-0.5`; others are refused.
    pub fn numbers<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> Self { todo!() }
    /// Query parameters that are `true` or `false`.
    pub fn booleans<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> Self { todo!() }
    /// Query parameters that may be repeated: their values are a list, also if there is one.
    pub fn lists<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> Self { todo!() }
    /// Reads `+` in a query as a space. By default a call with `+` in its query is refused.
    pub fn plus_is_space(self) -> Self { todo!() }
    /// Sets the bodies that are accepted.
    pub fn bodies(self, bodies: Bodies) -> Self { todo!() }
    /// Lets forms go on unread: no server behind takes the method from a form field.
    pub fn allow_forms(self) -> Self { todo!() }
    /// Kinds of obligation that the enforcement point supports; [`PortcullisLayer`](crate::PortcullisLayer) and [`Gate`](crate::Gate) set them.
    pub fn obligations<S: Into<String>>(self, kinds: impl IntoIterator<Item = S>) -> Self { todo!() }
    /// Builds the mapper.
    ///
    /// # Errors
    ///
    /// [`MapperError`] if a header carries credentials, a name is listed with two types, or two routes are the same.
    pub fn build(self) -> Result<Mapper, MapperError> { todo!() }
}

/// Reason why the options of a mapper cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MapperError(String);

/// Reason why a call is refused before it is decided.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {why}")]
pub struct MapError { place: Place, why: String, status: StatusCode }

/// Part of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place { Method, Host, Path, Query(String), Header(String), Body, Request }

impl MapError {
    /// Part of the call that is at fault.
    pub fn place(&self) -> &Place { &self.place }
    /// Status of the response: 400, 404, 413, 415 or 431.
    pub fn status(&self) -> StatusCode { self.status }
    /// The refusal for the log.
    pub fn refused(&self, call: &Call<'_>, peer: &crate::Peer) -> portcullis_host::log::Refused { todo!() }
}
