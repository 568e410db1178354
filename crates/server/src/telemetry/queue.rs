//! The bounded queue of spans, and the client that sends them.
//!
//! The batch processor of OpenTelemetry drops spans silently when its queue is full. The one here drops them first, and
//! counts them.

use crate::outbound::Outbound;
use bytes::Bytes;
use http::{Request, Response};
use opentelemetry::Context;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchSpanProcessor, Span, SpanData, SpanProcessor};
use prometheus_client::metrics::counter::Counter;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;

/// Spans that wait, and those that were dropped.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: AtomicUsize,
    most: usize,
    dropped: Counter,
}

impl Queue {
    pub(super) fn new(most: usize, dropped: Counter) -> Self {
        Self {
            waiting: AtomicUsize::new(0),
            most,
            dropped,
        }
    }

    /// Takes a place; false if there is none.
    fn enter(&self) -> bool {
        let next = |waiting: usize| waiting.checked_add(1).filter(|next| *next <= self.most);
        let entered = self
            .waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        if entered.is_err() {
            self.dropped.inc();
        }
        entered.is_ok()
    }

    fn leave(&self, count: usize) {
        self.waiting.fetch_sub(count, Ordering::Relaxed);
    }
}

/// Passes spans on while the queue has room.
#[derive(Debug)]
pub(super) struct Bounded {
    pub(super) queue: Arc<Queue>,
    pub(super) next: BatchSpanProcessor,
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.next.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if self.queue.enter() {
            self.next.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.next.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.next.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.next.set_resource(resource);
    }
}

/// Exports spans, and counts those of a failed export as dropped.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) queue: Arc<Queue>,
    pub(super) next: SpanExporter,
}

impl opentelemetry_sdk::trace::SpanExporter for Counted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        self.queue.leave(count);
        let exported = self.next.export(batch).await;
        if exported.is_err() {
            self.queue.dropped.inc_by(count as u64);
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.next.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.next.set_resource(resource);
    }
}

/// The collector, as a client of the library, whose threads are not those of the runtime.
#[derive(Debug)]
pub(super) struct Collector {
    outbound: Outbound,
    runtime: Handle,
    failed: Counter,
    problem: Mutex<Option<String>>,
}

impl Collector {
    pub(super) fn new(outbound: Outbound, runtime: Handle, failed: Counter) -> Self {
        Self {
            outbound,
            runtime,
            failed,
            problem: Mutex::default(),
        }
    }

    /// URL of the collector.
    pub(super) fn url(&self) -> &str {
        &self.outbound.endpoint().url
    }

    /// Reason why the last export failed; none if it succeeded.
    pub(super) fn problem(&self) -> Option<String> {
        let problem = self.problem.lock();
        problem.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, problem: Option<String>) {
        if problem.is_some() {
            self.failed.inc();
        }
        let noted = self.problem.lock();
        *noted.unwrap_or_else(PoisonError::into_inner) = problem;
    }
}

#[tonic::async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let outbound = self.outbound.clone();
        let sent = self
            .runtime
            .spawn(async move { outbound.send(request).await });
        let answered = sent
            .await
            .unwrap_or_else(|_| Err("the server shuts down".to_owned()));
        self.note(match &answered {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("{} answers {}", self.url(), response.status())),
            Err(error) => Some(format!("{}: {error}", self.url())),
        });
        answered.map_err(HttpError::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_drops_and_counts_and_has_room_again() {
        let dropped = Counter::default();
        let queue = Queue::new(2, dropped.clone());
        assert!(queue.enter() && queue.enter());
        assert!(!queue.enter() && !queue.enter());
        assert_eq!(dropped.get(), 2);
        queue.leave(1);
        assert!(queue.enter() && !queue.enter());
        assert_eq!(dropped.get(), 3);
    }
}
