//! A budget for the work of comparing names, arguments and origins.
//!
//! An intent and a request can be small and still take long to compare: many denials, each with many wildcards,
//! against a long name. A host counts the steps of each decision with a [`Budget`], and denies a request whose
//! comparison takes more. Steps are counted, not time, so the same request is denied on every machine.
//!
//! The budget belongs to the thread, so that every comparison counts, wherever it is made. Without a budget, as in
//! a plugin and while files are loaded, nothing is counted.

use std::cell::Cell;
use std::marker::PhantomData;

thread_local! {
    static LEFT: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Budget of this thread, until it is dropped.
///
/// ```
/// use portcullis_contract::{Pattern, work::Budget};
/// let pattern: Pattern = "acme/*".parse()?;
/// let budget = Budget::begin(1_000);
/// assert!(pattern.matches("acme/billing") && !budget.is_exhausted());
/// assert!(!pattern.matches(&format!("acme/{}", "x".repeat(2_000))) && budget.is_exhausted());
/// # Ok::<(), portcullis_contract::PatternError>(())
/// ```
#[derive(Debug)]
pub struct Budget {
    steps: u64,
    /// Budget that this one replaces.
    before: Option<u64>,
    /// It belongs to its thread.
    _local: PhantomData<*const ()>,
}

impl Budget {
    /// Starts a budget of `steps`. A step is about the comparison of a character.
    pub fn begin(steps: u64) -> Self {
        Self {
            steps,
            before: LEFT.replace(Some(steps)),
            _local: PhantomData,
        }
    }

    /// True if a comparison took more steps than were left. Its result, and all later ones, mean nothing.
    pub fn is_exhausted(&self) -> bool {
        LEFT.get() == Some(0)
    }

    /// Number of steps taken so far.
    pub fn taken(&self) -> u64 {
        self.steps - LEFT.get().unwrap_or_default().min(self.steps)
    }
}

impl Drop for Budget {
    fn drop(&mut self) {
        LEFT.set(self.before);
    }
}

/// Takes `steps` from the thread's budget, and one more. False if fewer are left.
pub(crate) fn take(steps: usize) -> bool {
    let Some(left) = LEFT.get() else {
        return true;
    };
    let left = left.saturating_sub(steps as u64 + 1);
    LEFT.set(Some(left));
    left > 0
}

/// Takes the steps of comparing two values, or of visiting `steps` of them.
///
/// False if the budget is exhausted: the result of the comparison means nothing.
pub fn count(steps: usize) -> bool {
    take(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pattern;

    #[test]
    fn without_a_budget_nothing_is_counted() {
        assert!(take(usize::MAX / 2));
    }

    #[test]
    fn an_exhausted_budget_stays_exhausted_until_it_is_dropped() {
        let budget = Budget::begin(10);
        assert!(take(3) && take(3));
        assert_eq!(budget.taken(), 8);
        assert!(!take(3) && !take(0));
        assert!(budget.is_exhausted());
        drop(budget);
        assert!(take(3));
    }

    #[test]
    fn a_budget_within_another_leaves_it_as_it_was() {
        let outer = Budget::begin(10);
        drop(Budget::begin(0));
        assert!(!outer.is_exhausted());
        assert!(take(3));
    }

    #[test]
    fn what_exceeds_the_budget_permits_nothing_and_escapes_no_denial() {
        let pattern: Pattern = "**/a*b/**".parse().unwrap();
        let name = "a/".repeat(500) + "ab/c";
        assert!(pattern.matches(&name) && pattern.might_match(&name));
        let budget = Budget::begin(100);
        assert!(!pattern.matches(&name) && budget.is_exhausted());
        drop(budget);
        let _budget = Budget::begin(100);
        assert!("**/x".parse::<Pattern>().unwrap().might_match(&name));
    }

    #[test]
    fn the_steps_of_a_match_grow_no_faster_than_its_segments() {
        let steps = |segments: usize| {
            let pattern: Pattern = "**/a/**/b/**/c*d/**".parse().unwrap();
            let name = vec!["a/b/cxd"; segments].join("/");
            let budget = Budget::begin(u64::MAX);
            pattern.matches(&name);
            budget.taken()
        };
        assert!(steps(200) < 11 * steps(20), "{} {}", steps(20), steps(200));
    }
}
