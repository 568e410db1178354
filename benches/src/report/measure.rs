//! Interleaved measurements, so that other load on the machine affects all of them alike.

use std::time::{Duration, Instant};

/// A measured operation, with its name.
pub struct Arm<'a> {
    name: &'static str,
    once: Box<dyn FnMut() + 'a>,
}

impl<'a> Arm<'a> {
    /// Creates an arm that runs `once`.
    pub fn new(name: &'static str, once: impl FnMut() + 'a) -> Self {
        Self {
            name,
            once: Box::new(once),
        }
    }
}

/// The durations of an arm, one for each round.
pub struct Series {
    /// The arm's name.
    pub name: &'static str,
    /// Nanoseconds per run, for each round.
    pub nanos: Vec<f64>,
}

impl Series {
    /// Returns the median in microseconds.
    pub fn micros(&self) -> f64 {
        median(&self.nanos) / 1000.0
    }

    /// Returns the median, over the rounds, of the quotient of this duration and that of `other`.
    pub fn over(&self, other: &Self) -> f64 {
        self.ratio(other, |ours, theirs| ours / theirs)
    }

    /// Returns the median, over the rounds, of `of` applied to both durations.
    pub fn ratio(&self, other: &Self, of: impl Fn(f64, f64) -> f64) -> f64 {
        let pairs = self.nanos.iter().zip(&other.nanos);
        let ratios: Vec<_> = pairs.map(|(ours, theirs)| of(*ours, *theirs)).collect();
        median(&ratios)
    }
}

/// Measures the arms in turn for `time` in total. In each round, all run about equally long.
pub fn paired(time: Duration, arms: &mut [Arm<'_>]) -> Vec<Series> {
    const ROUND: Duration = Duration::from_millis(5);
    let mut series: Vec<_> = arms
        .iter()
        .map(|arm| Series {
            name: arm.name,
            nanos: Vec::new(),
        })
        .collect();
    // Runs per round, determined in the warm-up.
    let often: Vec<u32> = arms
        .iter_mut()
        .map(|arm| {
            let (mut done, started) = (0_u32, Instant::now());
            while started.elapsed() < ROUND * 4 || done < 2 {
                (arm.once)();
                done += 1;
            }
            (done / 4).max(1)
        })
        .collect();
    let end = Instant::now() + time;
    while Instant::now() < end {
        for ((arm, often), series) in arms.iter_mut().zip(&often).zip(&mut series) {
            let started = Instant::now();
            for _ in 0..*often {
                (arm.once)();
            }
            let nanos = started.elapsed().as_nanos() as f64;
            series.nanos.push(nanos / f64::from(*often));
        }
    }
    series
}

/// Durations of single runs in nanoseconds, sorted.
pub struct Latency(Vec<u64>);

impl Latency {
    /// Runs `once` repeatedly for `time`, and times each run.
    pub fn of(time: Duration, mut once: impl FnMut()) -> Self {
        let mut nanos = Vec::with_capacity(1 << 20);
        let end = Instant::now() + time;
        loop {
            let started = Instant::now();
            once();
            let took = started.elapsed();
            nanos.push(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
            if started >= end {
                break;
            }
        }
        nanos.sort_unstable();
        Self(nanos)
    }

    /// Creates it from durations in nanoseconds.
    pub fn from_nanos(mut nanos: Vec<u64>) -> Self {
        nanos.sort_unstable();
        Self(nanos)
    }

    /// Returns a percentile in microseconds.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it is a part of the length, which fits"
    )]
    pub fn micros(&self, percentile: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        let at = (last as f64 * percentile / 100.0).round() as usize;
        self.0.get(at.min(last)).copied().unwrap_or_default() as f64 / 1000.0
    }
}

/// Returns the numbers in ascending order.
fn sorted(numbers: &[f64]) -> Vec<f64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn median(numbers: &[f64]) -> f64 {
    let sorted = sorted(numbers);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
