//! Counters by their labels.

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::{MetricType, TypedMetric};
use std::borrow::Cow;
#[cfg(feature = "otlp")]
use std::sync::{Arc, Mutex, PoisonError};

/// Name and value of a label.
pub(crate) type Label = (&'static str, Cow<'static, str>);

/// Counters by their labels. Clones count together.
#[derive(Debug, Clone)]
pub(super) struct Counts<const N: usize> {
    family: Family<[Label; N], Counter>,
    /// Labels that were counted: the library writes its families as text, and does not list them.
    #[cfg(feature = "otlp")]
    seen: Arc<Mutex<Vec<[Label; N]>>>,
}

impl<const N: usize> Default for Counts<N> {
    fn default() -> Self {
        Self {
            family: Family::default(),
            #[cfg(feature = "otlp")]
            seen: Arc::default(),
        }
    }
}

impl<const N: usize> Counts<N> {
    /// Counts one more.
    pub(super) fn add(&self, labels: &[Label; N]) {
        #[cfg(feature = "otlp")]
        if self.family.get(labels).is_none() {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if !seen.contains(labels) {
                seen.push(labels.clone());
            }
        }
        self.family.get_or_create(labels).inc();
    }
}

impl<const N: usize> EncodeMetric for Counts<N> {
    fn encode(&self, encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.family.encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        Counter::<u64>::TYPE
    }

    fn is_empty(&self) -> bool {
        self.family.is_empty()
    }
}

/// One label.
pub(super) fn labelled(name: &'static str, value: &'static str) -> [Label; 1] {
    [(name, Cow::from(value))]
}

/// Counters that are read one by one, to be exported in another format.
#[cfg(feature = "otlp")]
pub(crate) trait Listed: Send + Sync {
    /// Passes each counter to `each`, with its labels.
    fn each(&self, each: &mut dyn FnMut(&[Label], u64));
}

#[cfg(feature = "otlp")]
impl<const N: usize> Listed for Counts<N> {
    fn each(&self, each: &mut dyn FnMut(&[Label], u64)) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for labels in seen.iter() {
            let count = self.family.get(labels).map_or(0, |counter| counter.get());
            each(labels, count);
        }
    }
}

#[cfg(feature = "otlp")]
impl Listed for Counter {
    fn each(&self, each: &mut dyn FnMut(&[Label], u64)) {
        each(&[], self.get());
    }
}
