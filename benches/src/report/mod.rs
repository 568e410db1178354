//! The report of `cargo xtask bench`: targets, measurements and peers, and their output.

mod measure;
mod print;

pub use measure::{Arm, Latency, Series, paired};
pub use print::print;

use serde::Serialize;

/// A performance target and its measurement.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The measurement and its peer.
    pub name: String,
    /// The target, such as `≤ 0.5`.
    pub goal: String,
    /// The measured value, with its unit.
    pub measured: String,
    /// The number that is compared with the target.
    pub ratio: f64,
    /// True if the target was met.
    pub met: bool,
}

impl Row {
    /// Creates a row for a number of at most `goal`.
    pub fn at_most(
        name: impl Into<String>,
        goal: f64,
        unit: &str,
        ratio: f64,
        measured: String,
    ) -> Self {
        Self {
            name: name.into(),
            goal: format!("≤ {goal}{unit}"),
            measured,
            ratio,
            met: ratio <= goal,
        }
    }

    /// Creates a row for a number of at least `goal`.
    pub fn at_least(
        name: impl Into<String>,
        goal: f64,
        unit: &str,
        ratio: f64,
        measured: String,
    ) -> Self {
        Self {
            name: name.into(),
            goal: format!("≥ {goal}{unit}"),
            measured,
            ratio,
            met: ratio >= goal,
        }
    }
}
