//! Figures with their goals, and the table of all.

use super::Bench;
use std::fmt::{self, Display};
use std::fs;

/// A goal for a figure.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

/// A measured figure.
#[derive(Debug, Clone)]
pub(super) struct Figure {
    name: String,
    goal: Goal,
    unit: &'static str,
    value: f64,
    inputs: String,
    /// Reason for which the figure does not count, if there is one.
    void: Option<String>,
}

impl Figure {
    pub(super) fn at_least(
        name: impl Into<String>,
        goal: f64,
        unit: &'static str,
        value: f64,
    ) -> Self {
        Self::new(name.into(), Goal::AtLeast(goal), unit, value)
    }

    pub(super) fn at_most(
        name: impl Into<String>,
        goal: f64,
        unit: &'static str,
        value: f64,
    ) -> Self {
        Self::new(name.into(), Goal::AtMost(goal), unit, value)
    }

    fn new(name: String, goal: Goal, unit: &'static str, value: f64) -> Self {
        Self {
            name,
            goal,
            unit,
            value,
            inputs: String::new(),
            void: None,
        }
    }

    /// Sets the figures that this one is computed from, and the conditions.
    pub(super) fn inputs(mut self, inputs: impl Into<String>) -> Self {
        self.inputs = inputs.into();
        self
    }

    /// Sets the reason for which the figure does not count.
    pub(super) fn void(mut self, reason: Option<String>) -> Self {
        self.void = reason;
        self
    }

    fn is_met(&self) -> bool {
        match self.goal {
            Goal::AtLeast(goal) => self.value >= goal,
            Goal::AtMost(goal) => self.value <= goal,
        }
    }

    fn verdict(&self) -> String {
        match (&self.void, self.is_met()) {
            (Some(reason), _) => format!("does not count: {reason}"),
            (None, true) => "met".to_owned(),
            (None, false) => "missed".to_owned(),
        }
    }

    fn value(&self) -> String {
        // Ratios have two decimals, and large figures none.
        let value = match self.value.abs() {
            value if value < 10.0 => format!("{:.2}", self.value),
            value if value < 1000.0 => format!("{:.1}", self.value),
            _ => format!("{:.0}", self.value),
        };
        format!("{value}{}", self.unit)
    }

    fn goal(&self) -> String {
        match self.goal {
            Goal::AtLeast(goal) => format!("≥ {goal}{}", self.unit),
            Goal::AtMost(goal) => format!("≤ {goal}{}", self.unit),
        }
    }
}

impl Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, inputs, .. } = self;
        write!(
            f,
            "{name}: {} ({}), {}; {inputs}",
            self.value(),
            self.goal(),
            self.verdict()
        )
    }
}

/// All figures as a table in Markdown, below a line about the machine.
pub(super) fn table(figures: &[Figure], bench: &Bench) -> String {
    let mut lines = vec![
        about(bench),
        String::new(),
        "| what | goal | measured | | inputs |".to_owned(),
        "|---|---|---|---|---|".to_owned(),
    ];
    lines.extend(figures.iter().map(|it| {
        format!(
            "| {} | {} | {} | {} | {} |",
            it.name,
            it.goal(),
            it.value(),
            it.verdict(),
            it.inputs
        )
    }));
    lines.push(String::new());
    lines.join("\n")
}

/// Describes the machine and the measurement.
fn about(bench: &Bench) -> String {
    let information = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = information
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("an unknown processor", |name| {
            name.trim_start_matches([' ', '\t', ':'])
        });
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{processor}, kernel {}; portcullis {}; {}; servers on processor {}, load on processor {}; {} s for each measurement, medians of {} rounds",
        kernel.trim(),
        env!("CARGO_PKG_VERSION"),
        jiff::Timestamp::now().strftime("%F %H:%M UTC"),
        bench.cores.server,
        bench.cores.load,
        bench.time.as_secs_f64(),
        super::load::ROUNDS,
    )
}

/// The middle one of `numbers`.
pub(super) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_at_its_bound_and_missed_beyond() {
        let verdict = |figure: Figure| figure.verdict();
        assert_eq!(verdict(Figure::at_most("a", 5.0, " ms", 5.0)), "met");
        assert_eq!(verdict(Figure::at_most("a", 5.0, " ms", 5.01)), "missed");
        assert_eq!(verdict(Figure::at_least("a", 0.65, "", 0.65)), "met");
        assert_eq!(verdict(Figure::at_least("a", 0.65, "", 0.64)), "missed");
        // Nothing was measured.
        assert_eq!(verdict(Figure::at_least("a", 0.65, "", f64::NAN)), "missed");
        let void = Figure::at_least("a", 0.65, "", 0.7).void(Some("why".to_owned()));
        assert_eq!(verdict(void), "does not count: why");
    }

    #[test]
    fn the_median_is_of_the_sorted_numbers() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!(median(Vec::new()).is_nan());
    }
}
