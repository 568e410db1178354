//! The measuring loops.

use super::Document;
use hdrhistogram::Histogram;
use indicatif::ProgressBar;
use portcullis_host::{Decision, Pdp, Timestamp};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Maximum duration in the histogram. Longer decisions count as this.
const LONGEST: Duration = Duration::from_secs(60);

/// Durations of single decisions.
pub(super) struct Latency {
    all: Histogram<u64>,
    /// Durations of decisions that call a plugin.
    asked: Histogram<u64>,
}

/// Number of decisions by a number of threads.
pub(super) struct Throughput {
    pub(super) threads: usize,
    pub(super) decisions: u64,
    pub(super) time: Duration,
}

/// Counts of the requests by outcome.
#[derive(Default)]
pub(super) struct Outcomes {
    pub(super) permits: usize,
    /// Number of requests that reach a plugin.
    pub(super) asked: usize,
    /// Number of requests in which a plugin faults.
    pub(super) faults: usize,
}

impl Outcomes {
    /// Decides each request once, and marks those that reach a plugin.
    pub(super) fn of(pdp: &Pdp, documents: &mut [Document], now: Timestamp) -> Self {
        let mut outcomes = Self::default();
        for document in documents {
            let decision = decide(pdp, document, now);
            let plugins = decision.plugins();
            document.is_asked = !plugins.is_empty();
            outcomes.permits += usize::from(decision.is_permit());
            outcomes.asked += usize::from(document.is_asked);
            outcomes.faults += usize::from(plugins.iter().any(|it| it.outcome.is_err()));
        }
        outcomes
    }

    /// Returns why these requests do not represent the cost of decisions, if so.
    pub(super) fn not_worth_measuring(&self) -> Option<String> {
        if self.asked == 0 {
            return Some(
                "no request reached a plugin, so no decision was measured: find the cause with `portcullis evaluate --explain`"
                    .to_owned(),
            );
        }
        (self.faults > 0).then(|| {
            format!(
                "a plugin faulted in {} of the requests, so faults were measured: find the cause with `portcullis evaluate --explain`",
                self.faults
            )
        })
    }
}

/// Instructions that a plugin ran per request.
#[derive(Clone, Copy)]
pub(super) struct Instructions {
    pub(super) median: u64,
    pub(super) most: u64,
}

/// Resource use of a plugin.
pub(super) struct PluginCost {
    pub(super) integration: String,
    pub(super) name: String,
    /// `None` if the plugin faulted while they were counted.
    pub(super) instructions: Option<Instructions>,
    pub(super) peak_memory_bytes: usize,
    pub(super) memory_limit_bytes: usize,
}

impl Latency {
    pub(super) fn percentile(&self, percentile: f64) -> Duration {
        Duration::from_nanos(self.all.value_at_percentile(percentile))
    }

    /// As [`Latency::percentile`], for decisions that call a plugin.
    pub(super) fn percentile_asked(&self, percentile: f64) -> Duration {
        Duration::from_nanos(self.asked.value_at_percentile(percentile))
    }

    pub(super) fn longest(&self) -> Duration {
        Duration::from_nanos(self.all.max())
    }

    pub(super) fn count(&self) -> u64 {
        self.all.len()
    }

    /// Returns the number of decisions between each bound and the one before.
    pub(super) fn counts(&self, bounds: &[Duration]) -> Vec<u64> {
        let nanos = |bound: &Duration| u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
        bounds
            .windows(2)
            .map(|pair| match pair {
                [from, to] => self.all.count_between(nanos(from), nanos(to) - 1),
                _ => 0,
            })
            .collect()
    }
}

impl Throughput {
    pub(super) fn per_second(&self) -> f64 {
        self.decisions as f64 / self.time.as_secs_f64()
    }
}

/// Reads a request from JSON and decides it.
pub(super) fn decide(pdp: &Pdp, document: &Document, now: Timestamp) -> Decision {
    match document.from.read(&document.json, Some(pdp)) {
        Ok(request) => pdp.evaluate_at(&request, now),
        Err(error) => Decision::invalid(&error),
    }
}

/// Reads a request from JSON, decides it and writes the decision as JSON.
fn answer(pdp: &Pdp, document: &Document, now: Timestamp) {
    let decision = decide(pdp, black_box(document), now);
    let _ = black_box(serde_json::to_vec(&decision));
}

/// Times single decisions on one thread, after a warm-up of a tenth of `time`.
pub(super) fn latency(
    pdp: &Pdp,
    documents: &[Document],
    now: Timestamp,
    time: Duration,
    bar: &ProgressBar,
) -> Latency {
    bar.set_message("one decision after another");
    let longest = u64::try_from(LONGEST.as_nanos()).unwrap_or(u64::MAX);
    // INVARIANT (bounds): 1 is below the maximum, and 3 significant digits are allowed (at most 5).
    let [mut all, mut asked] = [(); 2].map(|()| {
        Histogram::new_with_bounds(1, longest, 3).unwrap_or_else(|error| unreachable!("{error}"))
    });
    let warm = Instant::now() + time / 10;
    for document in documents.iter().cycle() {
        answer(pdp, document, now);
        if Instant::now() >= warm {
            break;
        }
    }
    let end = Instant::now() + time;
    for document in documents.iter().cycle() {
        let started = Instant::now();
        answer(pdp, document, now);
        let took = started.elapsed().as_nanos();
        let took = u64::try_from(took).unwrap_or(longest);
        all.saturating_record(took);
        if document.is_asked {
            asked.saturating_record(took);
        }
        if started >= end {
            break;
        }
        if all.len().is_multiple_of(1024) {
            bar.tick();
        }
    }
    bar.inc(1);
    Latency { all, asked }
}

/// Returns the numbers of threads to measure: 1, 2, 4 and so on, and the maximum.
pub(super) fn thread_counts(most: usize) -> Vec<usize> {
    let doubled = std::iter::successors(Some(1_usize), |threads| threads.checked_mul(2));
    let mut counts: Vec<_> = doubled.take_while(|threads| *threads < most).collect();
    counts.push(most);
    counts
}

/// Counts the decisions of `threads` threads in `time`.
pub(super) fn throughput(
    pdp: &Pdp,
    documents: &[Document],
    now: Timestamp,
    threads: usize,
    time: Duration,
    bar: &ProgressBar,
) -> Throughput {
    bar.set_message(format!("{threads} at a time"));
    let over = AtomicBool::new(false);
    let started = Instant::now();
    let decisions = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|worker| {
                let over = &over;
                scope.spawn(move || {
                    let mut decisions = 0_u64;
                    // Each thread starts at another request, so that they differ at any moment.
                    for document in documents.iter().cycle().skip(worker) {
                        answer(pdp, document, now);
                        decisions += 1;
                        if over.load(Ordering::Relaxed) {
                            break;
                        }
                    }
                    decisions
                })
            })
            .collect();
        thread::sleep(time);
        over.store(true, Ordering::Relaxed);
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_default())
            .sum()
    });
    bar.inc(1);
    Throughput {
        threads,
        decisions,
        time: started.elapsed(),
    }
}

/// Resource use of a plugin in all requests.
#[derive(Default)]
struct Taken {
    instructions: Vec<u64>,
    peak_memory_bytes: usize,
    faulted: bool,
}

/// Measures each plugin's resource use per request, with a decision point of metered plugins.
pub(super) fn plugins(metered: &Pdp, documents: &[Document], now: Timestamp) -> Vec<PluginCost> {
    let mut taken: BTreeMap<(String, String), Taken> = BTreeMap::new();
    for document in documents {
        let Ok(request) = document.from.read(&document.json, Some(metered)) else {
            continue;
        };
        for plugin in metered.evaluate_at(&request, now).plugins() {
            let key = (request.integration().to_owned(), plugin.name.clone());
            let taken = taken.entry(key).or_default();
            taken.instructions.extend(plugin.instructions);
            taken.peak_memory_bytes = taken.peak_memory_bytes.max(plugin.peak_memory_bytes);
            taken.faulted |= plugin.outcome.is_err();
        }
    }
    taken
        .into_iter()
        .map(|((integration, name), mut taken)| {
            let instructions = &mut taken.instructions;
            instructions.sort_unstable();
            let median = instructions.get(instructions.len() / 2).copied();
            let limits = metered.integration(&integration).and_then(|it| {
                let plugin = it.plugins().iter().find(|it| it.manifest().name == name)?;
                Some(*plugin.limits())
            });
            PluginCost {
                instructions: median
                    .zip(instructions.last().copied())
                    .filter(|_| !taken.faulted)
                    .map(|(median, most)| Instructions { median, most }),
                memory_limit_bytes: limits.unwrap_or_default().memory_bytes,
                integration,
                name,
                peak_memory_bytes: taken.peak_memory_bytes,
            }
        })
        .collect()
}
