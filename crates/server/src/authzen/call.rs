//! A request to the API: its caller, its body and the workload's credential.

use crate::connection::{Caller, Connection};
use crate::handle;
use crate::refusal::Refusal;
use crate::state::App;
use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderName, header};
use portcullis_host::session::Session;
use portcullis_host::{Decision, Pdp, json};

/// Header with the workload's own token, a JWT-SVID that the host verifies.
///
/// It is a header rather than a member of the context, so that no log or plugin ever has it.
const CREDENTIAL: HeaderName = HeaderName::from_static("portcullis-credential");

/// Members of a browser's request. Enforcement points send none of them.
const OF_BROWSERS: [HeaderName; 2] = [header::ORIGIN, HeaderName::from_static("sec-fetch-site")];

/// A request to the API, of a known caller.
pub(crate) struct Call {
    pub(crate) app: App,
    /// The decision point that reads and decides the request.
    pub(crate) pdp: Pdp,
    pub(crate) caller: Caller,
    pub(crate) body: Bytes,
    credential: Option<String>,
    session: Option<Session>,
    traceparent: Option<String>,
}

impl Call {
    /// Decides a request that was read from the body.
    ///
    /// # Errors
    ///
    /// As [`App::decide`].
    pub(crate) async fn decide(
        &self,
        request: portcullis_host::Request,
    ) -> Result<Decision, Refusal> {
        let credential = self.credential.as_deref();
        let session = self.session.as_ref();
        self.app
            .decide(&self.caller, &self.pdp, request, credential, session)
            .await
    }

    /// The workload's token, if the enforcement point passes one.
    pub(crate) fn credential(&self) -> Option<&str> {
        self.credential.as_deref()
    }

    /// Refuses a body that cannot be read.
    pub(crate) fn unreadable(&self, error: json::Error) -> Refusal {
        Refusal::unreadable_body(&self.body, error)
    }

    /// Records the refusal, and returns it with its id.
    pub(crate) async fn refused(&self, refusal: Refusal) -> Refusal {
        let refusal = refusal.traceparent(self.traceparent.as_deref());
        self.app
            .refused(&self.pdp, self.caller.connection(), refusal)
            .await
    }

    async fn read(parts: Parts, body: axum::body::Body, app: App) -> Result<Self, Response> {
        let Some(connection) = parts.extensions.get::<Connection>().cloned() else {
            // Every listener adds it; without it, no caller is known.
            return Err(http::StatusCode::INTERNAL_SERVER_ERROR.into_response());
        };
        let pdp = app.pdp();
        let traceparent = parts.headers.get("traceparent");
        let traceparent = traceparent.and_then(|it| it.to_str().ok().map(str::to_owned));
        let read = Self::parts(&parts, body, &app, &pdp, &connection).await;
        match read {
            Ok((caller, credential, session, body)) => Ok(Self {
                app,
                pdp,
                caller,
                body,
                credential,
                session,
                traceparent,
            }),
            Err(refusal) => {
                let refusal = refusal.traceparent(traceparent.as_deref());
                Err(app
                    .refused(&pdp, &connection, refusal)
                    .await
                    .into_response())
            }
        }
    }

    async fn parts(
        parts: &Parts,
        body: axum::body::Body,
        app: &App,
        pdp: &Pdp,
        connection: &Connection,
    ) -> Result<(Caller, Option<String>, Option<Session>, Bytes), Refusal> {
        // The caller comes first: an unknown one learns nothing else.
        let caller = app.caller(connection, bearer_token(&parts.headers)?)?;
        if let Some(name) = OF_BROWSERS
            .iter()
            .find(|it| parts.headers.contains_key(*it))
        {
            return Err(Refusal::malformed(format!(
                "header `{name}` is that of a browser: web pages may not ask for decisions"
            )));
        }
        if !is_json(&parts.headers) {
            return Err(Refusal::malformed(
                "`Content-Type` is not `application/json`: send JSON",
            ));
        }
        let credential = credential(&parts.headers)?;
        let session = handle::stated_session(app, &parts.headers)?;
        let most = pdp.request_limits().bytes;
        let body = to_bytes(body, most).await.map_err(|error| {
            match has_source::<http_body_util::LengthLimitError>(&error) {
                true => Refusal::too_large(format!(
                    "the body is larger than {most} bytes (`[request] max-bytes`): send a smaller one"
                )),
                false => Refusal::malformed("the body was not received in full"),
            }
        })?;
        Ok((caller, credential, session, body))
    }
}

impl FromRequest<App> for Call {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        Self::read(parts, body, app.clone()).await
    }
}

/// True if an error of that type is among the sources.
fn has_source<E: std::error::Error + 'static>(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut error = Some(error);
    while let Some(found) = error {
        if found.is::<E>() {
            return true;
        }
        error = found.source();
    }
    false
}

/// The bearer token of the enforcement point. With another scheme, it is empty, as no known token is.
///
/// # Errors
///
/// [`Refusal`] if the header is there twice.
pub(crate) fn bearer_token(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => Ok(Some(
            bearer(value.to_str().unwrap_or_default()).unwrap_or_default(),
        )),
        (Some(_), Some(_)) => Err(Refusal::unauthenticated(
            "there are two `Authorization` headers: send one",
        )),
    }
}

/// The token after `Bearer`.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The workload's token.
///
/// # Errors
///
/// [`Refusal`] if the header is there twice, or is no text.
pub(crate) fn credential(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let mut values = headers.get_all(CREDENTIAL).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => match value.to_str() {
            Ok(value) => Ok(Some(bearer(value).unwrap_or(value).to_owned())),
            Err(_) => Err(Refusal::malformed(
                "header `Portcullis-Credential` is not a JWT-SVID",
            )),
        },
        (Some(_), Some(_)) => Err(Refusal::malformed(
            "there are two `Portcullis-Credential` headers: send one",
        )),
    }
}

/// True if the content type is JSON, with any parameters.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    is_of_type(headers, "application/json")
}

/// True if the content type is `expected`, with any parameters.
pub(crate) fn is_of_type(headers: &HeaderMap, expected: &str) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let value = value.to_str().unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        let all = all.iter();
        all.map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        })
        .collect()
    }

    #[test]
    fn only_application_json_is_json() {
        for json in [
            "application/json",
            "application/json; charset=utf-8",
            "Application/JSON ;charset=UTF-8",
        ] {
            assert!(is_json(&headers(&[("content-type", json)])), "{json}");
        }
        for other in [
            "",
            "text/plain",
            "application/json5",
            "application/jsonx;",
            "text/json",
            "*/*",
        ] {
            assert!(!is_json(&headers(&[("content-type", other)])), "{other}");
        }
        assert!(!is_json(&headers(&[])));
    }

    #[test]
    fn a_token_is_that_of_one_bearer_header() {
        let token = |value| {
            bearer_token(&headers(&[("authorization", value)]))
                .unwrap()
                .map(str::to_owned)
        };
        assert_eq!(token("Bearer abc"), Some("abc".to_owned()));
        assert_eq!(token("bearer  abc "), Some("abc".to_owned()));
        assert_eq!(token("Basic abc"), Some(String::new()));
        assert_eq!(token("abc"), Some(String::new()));
        assert_eq!(bearer_token(&headers(&[])).unwrap(), None);
        let mut two = headers(&[("authorization", "Bearer a")]);
        two.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer b"));
        assert!(bearer_token(&two).is_err());
    }
}
