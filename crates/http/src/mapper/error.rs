//! Reasons why a call is refused before it is decided.

use crate::{Call, Peer};
use http::StatusCode;
use portcullis_contract::printable;
use portcullis_host::log::Refused;
use std::fmt;

/// Reason why a call is refused before it is decided.
///
/// The text names places and texts of the caller's own call only, so it may be returned to the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {}", printable(why))]
pub struct MapError {
    place: Place,
    why: String,
    status: StatusCode,
}

/// Part of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// The method.
    Method,
    /// The host: `Host` or `:authority`.
    Host,
    /// The path.
    Path,
    /// The query as a whole, or the parameter of that name.
    Query(Option<String>),
    /// The header of that name.
    Header(String),
    /// The body.
    Body,
    /// The request that the call is mapped to.
    Request,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method => f.write_str("method"),
            Self::Host => f.write_str("host"),
            Self::Path => f.write_str("path"),
            Self::Query(None) => f.write_str("query"),
            Self::Query(Some(name)) => write!(f, "query parameter `{}`", printable(name)),
            Self::Header(name) => write!(f, "header `{}`", printable(name)),
            Self::Body => f.write_str("body"),
            Self::Request => f.write_str("request"),
        }
    }
}

impl MapError {
    /// An error with status 400.
    pub(crate) fn new(place: Place, why: impl Into<String>) -> Self {
        Self {
            place,
            why: why.into(),
            status: StatusCode::BAD_REQUEST,
        }
    }

    pub(crate) fn parameter(name: &str, why: impl Into<String>) -> Self {
        Self::new(Place::Query(Some(name.to_owned())), why)
    }

    pub(crate) fn header(name: &str, why: impl Into<String>) -> Self {
        Self::new(Place::Header(name.to_owned()), why)
    }

    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Part of the call that is at fault.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Status of the response: 400, 404 (no integration), 413 or 415.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The refusal for the log.
    ///
    /// `call` is `None` if [`Call::of`] failed.
    pub fn refused(&self, call: Option<&Call<'_>>, peer: &Peer) -> Refused {
        let refused = Refused::request(&self.to_string()).peer(&peer.to_string());
        match call.and_then(|call| call.header(super::TRACEPARENT)) {
            Some(traceparent) => refused.traceparent(traceparent),
            None => refused,
        }
    }
}
