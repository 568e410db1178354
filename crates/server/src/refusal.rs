//! Refusals before a decision, as HTTP responses and as lines of the log.

use crate::connection::Connection;
use crate::pep::Peps;
use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use portcullis_host::log::Refused;
use portcullis_host::{Request, json, printable, withheld};

/// A request that was refused before any decision.
///
/// The message names the place and the remedy. It says nothing about other requests.
#[derive(Debug, Clone)]
pub(crate) struct Refusal(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    kind: Kind,
    message: String,
    record: Refused,
    /// Request that could not be read, which the log records with its digest.
    unreadable: Option<(Bytes, json::Error)>,
    id: Option<String>,
}

/// Reason for a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// The caller is no known enforcement point.
    UnknownCaller,
    /// The enforcement point may not ask for this, or may not vouch for what it states.
    BeyondPep,
    /// The request cannot be read.
    Malformed,
    /// The request is larger than the limit.
    TooLarge,
    /// The workload's credential is invalid.
    Credential,
    /// The server has no room for the request.
    Busy,
}

impl Kind {
    /// Name of the kind in metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownCaller => "unknown-caller",
            Self::BeyondPep => "beyond-pep",
            Self::Malformed => "malformed",
            Self::TooLarge => "too-large",
            Self::Credential => "credential",
            Self::Busy => "busy",
        }
    }

    /// HTTP status of the kind.
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::UnknownCaller | Self::Credential => StatusCode::UNAUTHORIZED,
            Self::BeyondPep => StatusCode::FORBIDDEN,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }
}

impl Refusal {
    fn new(kind: Kind, message: impl AsRef<str>) -> Self {
        let message = printable(&withheld(message.as_ref()));
        let record = match kind {
            Kind::UnknownCaller | Kind::Credential => Refused::authentication(&message),
            Kind::BeyondPep | Kind::Malformed | Kind::TooLarge | Kind::Busy => {
                Refused::request(&message)
            }
        };
        Self(Box::new(Parts {
            kind,
            message,
            record,
            unreadable: None,
            id: None,
        }))
    }

    /// The caller is no known enforcement point.
    pub(crate) fn unknown_caller(has_token: bool, peps: &Peps) -> Self {
        match has_token {
            true => Self::new(
                Kind::UnknownCaller,
                "the bearer token is not that of an enforcement point: present the one in the `token-file` of a `[[serve.pep]]`",
            ),
            false => Self::new(Kind::UnknownCaller, peps.how_to_authenticate()),
        }
    }

    /// The proof of the caller cannot be read, so that it is unknown.
    pub(crate) fn unauthenticated(message: impl AsRef<str>) -> Self {
        Self::new(Kind::UnknownCaller, message)
    }

    /// The enforcement point may not ask for this, or may not vouch for what it states.
    pub(crate) fn beyond_pep(message: impl AsRef<str>) -> Self {
        Self::new(Kind::BeyondPep, message)
    }

    /// The request cannot be read.
    pub(crate) fn malformed(message: impl AsRef<str>) -> Self {
        Self::new(Kind::Malformed, message)
    }

    /// The request is larger than the limit.
    pub(crate) fn too_large(message: impl AsRef<str>) -> Self {
        Self::new(Kind::TooLarge, message)
    }

    /// The workload's credential is invalid.
    pub(crate) fn credential(message: impl AsRef<str>) -> Self {
        Self::new(Kind::Credential, message)
    }

    /// The server has no room for the request.
    pub(crate) fn busy(message: impl AsRef<str>) -> Self {
        Self::new(Kind::Busy, message)
    }

    /// Sets the integration and the principal that the request names.
    #[must_use]
    pub(crate) fn of(mut self, request: &Request) -> Self {
        let record = self.0.record.clone();
        self.0.record = record
            .integration(request.integration())
            .claimed_principal(&request.principal().id);
        self
    }

    /// The body of the request cannot be read for the reason `error`.
    pub(crate) fn unreadable_body(body: &Bytes, error: json::Error) -> Self {
        let mut refusal = Self::malformed(error.to_string());
        refusal.0.unreadable = Some((body.clone(), error));
        refusal
    }

    /// The body that could not be read, and the reason.
    pub(crate) fn unreadable(&self) -> Option<(&[u8], &json::Error)> {
        let (body, error) = self.0.unreadable.as_ref()?;
        Some((body, error))
    }

    /// Sets the `traceparent` of the request.
    #[must_use]
    pub(crate) fn traceparent(mut self, traceparent: Option<&str>) -> Self {
        if let Some(traceparent) = traceparent {
            self.0.record = self.0.record.clone().traceparent(traceparent);
        }
        self
    }

    /// The line for the log.
    pub(crate) fn to_record(&self, connection: &Connection) -> Refused {
        self.0.record.clone().peer(&connection.to_string())
    }

    /// Sets the id of its line in the log.
    #[must_use]
    pub(crate) fn with_id(mut self, id: Option<String>) -> Self {
        self.0.id = id;
        self
    }

    /// Reason for the refusal.
    pub(crate) fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Place and remedy, in one printable line.
    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    /// Id of its line in the log, if it was recorded.
    pub(crate) fn id(&self) -> Option<&str> {
        self.0.id.as_deref()
    }
}

impl From<json::Error> for Refusal {
    fn from(error: json::Error) -> Self {
        Self::malformed(error.to_string())
    }
}

impl IntoResponse for Refusal {
    /// The message as plain text, as AuthZEN prescribes for errors.
    fn into_response(self) -> Response {
        let kind = self.kind();
        let mut response = (kind.status(), format!("{}\n", self.message())).into_response();
        let headers = response.headers_mut();
        if kind == Kind::UnknownCaller {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if kind == Kind::Busy {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if let Some(Ok(id)) = self.id().map(HeaderValue::from_str) {
            headers.insert(DECISION_ID, id);
        }
        response
    }
}

/// Header with the id of a decision or of a refusal, by which the log has it.
pub(crate) const DECISION_ID: http::HeaderName =
    http::HeaderName::from_static("portcullis-decision-id");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_printable_line_without_secrets() {
        let nasty =
            "`a\n\u{1b}[2J`: eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl is no subject";
        let refusal = Refusal::malformed(nasty);
        assert!(!refusal.message().contains(['\n', '\u{1b}']));
        assert!(
            !refusal.message().contains("eyJzdWIi"),
            "{}",
            refusal.message()
        );
        assert!(refusal.message().ends_with("is no subject"));
    }
}
