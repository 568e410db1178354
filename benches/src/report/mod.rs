//! The report of `cargo xtask bench`: what was to be reached, what was measured, beside what, and how
//! that is written down.

mod measure;
mod page;
mod print;

pub use measure::{Arm, Latency, Series, paired, sorted};
pub use page::page;
pub use print::{about, print};

use serde::Serialize;

/// One thing that was to be reached.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// What is measured, beside what.
    pub name: String,
    /// What was to be reached, such as `≤ 0.5`.
    pub goal: String,
    /// What was measured, with its unit.
    pub measured: String,
    /// The number that the goal is about.
    pub ratio: f64,
    /// Whether it was reached.
    pub met: bool,
}

impl Row {
    /// A number that was to be at most `goal`.
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

    /// A number that was to be at least `goal`.
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
