//! One request: its parent, its attributes, and what was decided in it.

use super::Traced;
use crate::connection::Connection;
use crate::metrics::effect;
use crate::refusal::Kind;
use axum::extract::{MatchedPath, Request};
use http::{HeaderMap, Method, StatusCode, Version};
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{
    Span as _, SpanContext, SpanKind, Status, TraceContextExt as _, TraceState, Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracer;
use opentelemetry_semantic_conventions::attribute::{
    ERROR_TYPE, HTTP_REQUEST_METHOD, HTTP_RESPONSE_STATUS_CODE, HTTP_ROUTE,
    NETWORK_PROTOCOL_VERSION, URL_SCHEME,
};
use portcullis_host::Decision;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// Attributes of ours, which the conventions do not have.
const DECISION: &str = "portcullis.decision";
const DECISION_ID: &str = "portcullis.decision.id";
const CAUSE: &str = "portcullis.cause";
const INTEGRATION: &str = "portcullis.integration";
const REFUSED: &str = "portcullis.refused";
const PERMITTED: &str = "portcullis.decisions.permitted";
const DENIED: &str = "portcullis.decisions.denied";

tokio::task_local! {
    /// Decisions of the request that this task answers.
    static NOTED: Noted;
}

/// Decisions of one request, which its span has even if it is never answered.
#[derive(Clone, Default)]
pub(super) struct Noted(Arc<Mutex<Notes>>);

#[derive(Default)]
struct Notes {
    /// Parent of the span, if the request itself has none.
    parent: Option<SpanContext>,
    permitted: i64,
    denied: i64,
    /// Attributes of the decision, or of the refusal, that was noted last.
    last: Vec<KeyValue>,
}

/// Notes a decision in the span of its request. `is_known` is true if its integration is configured.
pub(crate) fn note_decision(
    request: &portcullis_host::Request,
    decision: &Decision,
    is_known: bool,
) {
    // Without a request, there is no span.
    let _ = NOTED.try_with(|noted| {
        let mut noted = noted.lock();
        match decision.is_permit() {
            true => noted.permitted = noted.permitted.saturating_add(1),
            false => noted.denied = noted.denied.saturating_add(1),
        }
        let integration = match is_known {
            true => request.integration().to_owned(),
            false => "unknown".to_owned(),
        };
        noted.last = vec![
            KeyValue::new(DECISION, effect(decision)),
            KeyValue::new(CAUSE, decision.cause().as_str()),
            KeyValue::new(INTEGRATION, integration),
        ];
        if let Some(id) = decision.id() {
            noted.last.push(KeyValue::new(DECISION_ID, id.to_owned()));
        }
    });
}

/// Notes a refusal in the span of its request.
pub(crate) fn note_refusal(kind: Kind) {
    let _ = NOTED.try_with(|noted| {
        noted.lock().last = vec![KeyValue::new(REFUSED, kind.as_str())];
    });
}

/// Notes the headers of the call that is decided, if they are not those of the request.
pub(crate) fn note_headers(headers: &HeaderMap) {
    let _ = NOTED.try_with(|noted| noted.lock().parent = parent(headers));
}

/// The span that the headers name as the parent.
///
/// Its `tracestate` is left out: callers may write any text into it, and it would be exported.
fn parent(headers: &HeaderMap) -> Option<SpanContext> {
    let extracted = TraceContextPropagator::new()
        .extract_with_context(&Context::new(), &HeaderExtractor(headers));
    let span = extracted.span();
    let named = span.span_context();
    named.is_valid().then(|| {
        let (trace, span) = (named.trace_id(), named.span_id());
        SpanContext::new(trace, span, named.trace_flags(), true, TraceState::NONE)
    })
}

impl Noted {
    /// Notes what `answering` decides.
    pub(super) async fn during<T>(&self, answering: impl Future<Output = T>) -> T {
        NOTED.scope(self.clone(), answering).await
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notes {
    /// The decision of a request with one, or the numbers of those of a batch.
    fn attributes(self) -> Vec<KeyValue> {
        let count = self.permitted.saturating_add(self.denied);
        match count {
            0 | 1 => self.last,
            _ => vec![
                KeyValue::new(PERMITTED, self.permitted),
                KeyValue::new(DENIED, self.denied),
            ],
        }
    }
}

/// Attributes of a request before it is answered, without values of its path and query.
pub(super) struct Asked {
    method: &'static str,
    route: Option<MatchedPath>,
    /// Attributes of the span and of the metric.
    pub(super) attributes: Vec<KeyValue>,
}

impl Asked {
    pub(super) fn of(request: &Request) -> Self {
        let extensions = request.extensions();
        let method = method(request.method());
        let scheme = extensions.get::<Connection>().map(Connection::scheme);
        let route = extensions.get::<MatchedPath>().cloned();
        let mut attributes = vec![
            KeyValue::new(HTTP_REQUEST_METHOD, method),
            KeyValue::new(URL_SCHEME, scheme.unwrap_or("http")),
            KeyValue::new(NETWORK_PROTOCOL_VERSION, version(request.version())),
        ];
        if let Some(route) = &route {
            attributes.push(KeyValue::new(HTTP_ROUTE, route.as_str().to_owned()));
        }
        Self {
            method,
            route,
            attributes,
        }
    }

    /// Adds the status of the response.
    pub(super) fn answered(&mut self, status: StatusCode) {
        let code = i64::from(status.as_u16());
        self.attributes
            .push(KeyValue::new(HTTP_RESPONSE_STATUS_CODE, code));
        if status.is_server_error() {
            self.attributes
                .push(KeyValue::new(ERROR_TYPE, status.as_str().to_owned()));
        }
    }

    /// Begins the span of the request, whose parent is that of its `traceparent`.
    ///
    /// A request without a route has none: it is no call of the API.
    pub(super) fn span<'a>(
        &self,
        traced: Traced,
        request: &Request,
        tracer: &'a SdkTracer,
        server: &[KeyValue],
        noted: &Noted,
    ) -> Option<Begun<'a>> {
        let route = self.route.as_ref().filter(|_| traced == Traced::Yes)?;
        let mut attributes = server.to_vec();
        let name = match rpc(route.as_str()) {
            None => format!("{} {}", self.method, route.as_str()),
            Some((service, method)) => {
                attributes.push(KeyValue::new("rpc.system", "grpc"));
                attributes.push(KeyValue::new("rpc.service", service.to_owned()));
                attributes.push(KeyValue::new("rpc.method", method.to_owned()));
                format!("{service}/{method}")
            }
        };
        Some(Begun {
            tracer,
            name,
            began: SystemTime::now(),
            parent: parent(request.headers()),
            server: attributes,
            asked: self.attributes.clone(),
            status: None,
            noted: noted.clone(),
        })
    }
}

/// A span, which ends when it is dropped, with or without an answer.
pub(super) struct Begun<'a> {
    tracer: &'a SdkTracer,
    name: String,
    began: SystemTime,
    parent: Option<SpanContext>,
    server: Vec<KeyValue>,
    asked: Vec<KeyValue>,
    status: Option<StatusCode>,
    noted: Noted,
}

impl Begun<'_> {
    /// Ends the span with the answer.
    pub(super) fn answered(mut self, asked: Asked, status: StatusCode) {
        self.asked = asked.attributes;
        self.status = Some(status);
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        let mut noted = std::mem::take(&mut *self.noted.lock());
        let parent = self.parent.take().or_else(|| noted.parent.take());
        let context = parent.map_or_else(Context::new, |parent| {
            Context::new().with_remote_span_context(parent)
        });
        let attributes = [
            std::mem::take(&mut self.server),
            std::mem::take(&mut self.asked),
            noted.attributes(),
        ];
        let built = self
            .tracer
            .span_builder(std::mem::take(&mut self.name))
            .with_kind(SpanKind::Server)
            .with_start_time(self.began)
            .with_attributes(attributes.concat());
        let mut span = self.tracer.build_with_context(built, &context);
        if self.status.is_some_and(|status| status.is_server_error()) {
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

/// Service and method of the route of a gRPC service, whose names have dots.
fn rpc(route: &str) -> Option<(&str, &str)> {
    let (service, method) = route.strip_prefix('/')?.split_once('/')?;
    (service.contains('.') && !service.starts_with('.') && !method.contains('/'))
        .then_some((service, method))
}

/// A method by its name in the conventions: any other one is `_OTHER`.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::CONNECT => "CONNECT",
        Method::DELETE => "DELETE",
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::TRACE => "TRACE",
        _ => "_OTHER",
    }
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "0.9",
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => "1.1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_route_of_a_grpc_service_is_one() {
        assert_eq!(
            rpc("/envoy.service.auth.v3.Authorization/Check"),
            Some(("envoy.service.auth.v3.Authorization", "Check"))
        );
        for other in [
            "/.well-known/authzen-configuration",
            "/access/v1/evaluation",
            "/forward/{proxy}",
            "/events",
            "/",
        ] {
            assert_eq!(rpc(other), None, "{other}");
        }
    }

    #[test]
    fn a_method_of_the_caller_is_no_label() {
        let other = Method::from_bytes(b"S3CRET").unwrap();
        assert_eq!(method(&other), "_OTHER");
        assert_eq!(method(&Method::POST), "POST");
    }
}
