//! Exports traces and metrics to a collector.

use super::queue::{Bounded, Collector, Counted, Queue};
use super::span::{Asked, Noted};
use super::{OtlpStatus, Traced};
use crate::metrics::{Label, Metrics};
use crate::outbound::Outbound;
use crate::settings::{Address, OtlpSettings, Settings};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use opentelemetry::metrics::{Histogram, Meter, MeterProvider as _};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_http::HttpClient;
use opentelemetry_otlp::{
    MetricExporter, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider,
};
use opentelemetry_semantic_conventions::attribute::{
    HTTP_RESPONSE_STATUS_CODE, HTTP_ROUTE, SERVER_ADDRESS, SERVER_PORT,
};
use opentelemetry_semantic_conventions::metric::HTTP_SERVER_REQUEST_DURATION;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// Buckets of the conventions, in seconds.
const BUCKETS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];
/// Maximum time of the last export.
const LAST_EXPORT: Duration = Duration::from_secs(2);
/// Time for which spans are collected before they are sent.
const BATCHED_FOR: Duration = Duration::from_secs(1);
/// Maximum number of spans that are sent at once.
const BATCH: usize = 512;
/// Scope of everything that is exported.
const SCOPE: &str = "portcullis";

/// Exports traces and metrics, if a collector is configured.
pub(crate) struct Telemetry(Option<Exporting>);

struct Exporting {
    traces: SdkTracerProvider,
    tracer: SdkTracer,
    metrics: SdkMeterProvider,
    duration: Histogram<f64>,
    /// Attributes of spans that name the server.
    server: Vec<KeyValue>,
    collector: Arc<Collector>,
}

impl Telemetry {
    /// Starts to export what the settings ask for.
    ///
    /// # Errors
    ///
    /// The reason why there is no client for the collector, with the remedy.
    pub(crate) fn start(settings: &Settings, metrics: &Metrics) -> Result<Self, String> {
        let Some(otlp) = &settings.otlp else {
            return Ok(Self(None));
        };
        let outbound = Outbound::new(&otlp.endpoint)?;
        let failed = metrics.failed_exports.clone();
        let collector = Arc::new(Collector::new(outbound, Handle::current(), failed));
        let resource = Resource::builder()
            .with_service_name(otlp.service_name.clone())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let traces = traces(otlp, metrics, &collector, resource.clone())?;
        let scope = InstrumentationScope::builder(SCOPE)
            .with_version(env!("CARGO_PKG_VERSION"))
            .build();
        let metered = meters(otlp, &collector, resource)?;
        let meter = metered.meter_with_scope(scope.clone());
        counters(&meter, metrics);
        let duration = meter
            .f64_histogram(HTTP_SERVER_REQUEST_DURATION)
            .with_unit("s")
            .with_description("Duration of HTTP server requests.")
            .with_boundaries(BUCKETS.to_vec())
            .build();
        Ok(Self(Some(Exporting {
            tracer: traces.tracer_with_scope(scope),
            traces,
            metrics: metered,
            duration,
            server: server(settings),
            collector,
        })))
    }

    /// Answers a request, and exports its span and its duration.
    pub(crate) async fn observe(&self, traced: Traced, request: Request, next: Next) -> Response {
        let Some(exporting) = &self.0 else {
            return next.run(request).await;
        };
        let began = Instant::now();
        let mut asked = Asked::of(&request);
        let noted = Noted::default();
        let (tracer, server) = (&exporting.tracer, &exporting.server);
        let span = asked.span(traced, &request, tracer, server, &noted);
        let response = noted.during(next.run(request)).await;
        let status = response.status();
        asked.answered(status);
        let took = began.elapsed().as_secs_f64();
        exporting.duration.record(took, &asked.attributes);
        if let Some(span) = span {
            span.answered(asked, status);
        }
        response
    }

    /// State of the export, if there is one.
    pub(crate) fn status(&self, metrics: &Metrics) -> Option<OtlpStatus> {
        let exporting = self.0.as_ref()?;
        Some(OtlpStatus {
            endpoint: exporting.collector.url().to_owned(),
            dropped_spans: metrics.dropped_spans.get(),
            failed_exports: metrics.failed_exports.get(),
            problem: exporting.collector.problem(),
        })
    }

    /// Sends what is left, for a short time.
    pub(crate) async fn stop(&self) {
        let Some(exporting) = &self.0 else {
            return;
        };
        let (traces, metrics) = (exporting.traces.clone(), exporting.metrics.clone());
        let stop = move || {
            // What is not sent in time is lost, as with an unreachable collector.
            let _ = traces.shutdown_with_timeout(LAST_EXPORT);
            let _ = metrics.shutdown_with_timeout(LAST_EXPORT);
        };
        let _ = tokio::task::spawn_blocking(stop).await;
    }
}

fn traces(
    otlp: &OtlpSettings,
    metrics: &Metrics,
    collector: &Arc<Collector>,
    resource: Resource,
) -> Result<SdkTracerProvider, String> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_shared_http_client(Arc::clone(collector) as Arc<dyn HttpClient>)
        .with_endpoint(signal(otlp, "traces"))
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(otlp.endpoint.timeout)
        .build()
        .map_err(|error| error.to_string())?;
    let queue = Arc::new(Queue::new(otlp.max_queue, metrics.dropped_spans.clone()));
    let exporter = Counted {
        queue: Arc::clone(&queue),
        next: exporter,
    };
    let config = BatchConfigBuilder::default()
        .with_max_queue_size(otlp.max_queue)
        .with_max_export_batch_size(BATCH.min(otlp.max_queue))
        .with_scheduled_delay(BATCHED_FOR)
        .build();
    let next = BatchSpanProcessor::builder(exporter)
        .with_batch_config(config)
        .build();
    // The caller's decision counts; without one, that share is traced.
    let share = Sampler::TraceIdRatioBased(otlp.traces_percent as f64 / 100.0);
    Ok(SdkTracerProvider::builder()
        .with_span_processor(Bounded { queue, next })
        .with_sampler(Sampler::ParentBased(Box::new(share)))
        .with_resource(resource)
        .build())
}

fn meters(
    otlp: &OtlpSettings,
    collector: &Arc<Collector>,
    resource: Resource,
) -> Result<SdkMeterProvider, String> {
    let exporter = MetricExporter::builder()
        .with_http()
        .with_shared_http_client(Arc::clone(collector) as Arc<dyn HttpClient>)
        .with_endpoint(signal(otlp, "metrics"))
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(otlp.endpoint.timeout)
        .build()
        .map_err(|error| error.to_string())?;
    let reader = PeriodicReader::builder(exporter)
        .with_interval(otlp.metrics_interval)
        .build();
    Ok(SdkMeterProvider::builder()
        .with_reader(reader)
        .with_resource(resource)
        .build())
}

/// URL of the collector for one kind of data.
fn signal(otlp: &OtlpSettings, kind: &str) -> String {
    format!("{}/v1/{kind}", otlp.endpoint.url.trim_end_matches('/'))
}

/// Exports the counters of the metrics, which are read when they are exported.
fn counters(meter: &Meter, metrics: &Metrics) {
    for (name, help, counter) in metrics.counters() {
        meter
            .u64_observable_counter(format!("portcullis.{name}"))
            .with_description(help)
            .with_callback(move |observer| {
                counter.each(&mut |labels, count| {
                    let attributes: Vec<_> = labels.iter().map(attribute).collect();
                    observer.observe(count, &attributes);
                });
            })
            .build();
    }
}

/// The attribute of a label: that of the conventions, if they have it.
fn attribute((name, value): &Label) -> KeyValue {
    let value = value.clone().into_owned();
    match *name {
        "route" => KeyValue::new(HTTP_ROUTE, value),
        "status" => KeyValue::new(HTTP_RESPONSE_STATUS_CODE, value.parse().unwrap_or(0_i64)),
        "effect" => KeyValue::new("portcullis.decision", value),
        name => KeyValue::new(format!("portcullis.{name}"), value),
    }
}

/// Name of the server: that of its `url`, or the address of its first listener.
fn server(settings: &Settings) -> Vec<KeyValue> {
    let url = settings.url.as_ref();
    let url = url.and_then(|url| url.parse::<http::Uri>().ok());
    if let Some(authority) = url.as_ref().and_then(http::Uri::authority) {
        let address = KeyValue::new(SERVER_ADDRESS, authority.host().to_owned());
        let port = authority.port_u16();
        let port = port.map(|port| KeyValue::new(SERVER_PORT, i64::from(port)));
        return [address].into_iter().chain(port).collect();
    }
    match settings.listen.first() {
        Some(Address::Tcp(address)) => vec![
            KeyValue::new(SERVER_ADDRESS, address.ip().to_string()),
            KeyValue::new(SERVER_PORT, i64::from(address.port())),
        ],
        Some(Address::Unix(path)) => {
            vec![KeyValue::new(SERVER_ADDRESS, path.display().to_string())]
        }
        None => Vec::new(),
    }
}
