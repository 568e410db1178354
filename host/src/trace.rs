//! What a decision looked at, step by step.

use portcullis_contract::printable;
use serde::Serialize;

/// One step of a decision, in the order in which they are taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Check {
    /// What was looked at, such as `credential` or `plugin github`.
    pub name: String,
    /// What it was concluded to be.
    pub conclusion: Conclusion,
    /// What was found.
    pub evidence: String,
}

/// What one step concluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conclusion {
    /// Nothing stands against the request here.
    Pass,
    /// Something stands against it, and the intent is an exception from this check.
    Waived,
    /// The request is denied here.
    Stop,
    /// There was nothing to look at.
    NotApplicable,
    /// The request was denied before.
    NotReached,
}

/// Takes note of the steps of a decision, or does not.
pub(crate) trait Trace {
    fn check(
        &mut self,
        name: impl FnOnce() -> String,
        conclusion: Conclusion,
        evidence: impl FnOnce() -> String,
    );
}

/// Takes no note, at no cost.
impl Trace for () {
    fn check(&mut self, _: impl FnOnce() -> String, _: Conclusion, _: impl FnOnce() -> String) {}
}

impl Trace for Vec<Check> {
    fn check(
        &mut self,
        name: impl FnOnce() -> String,
        conclusion: Conclusion,
        evidence: impl FnOnce() -> String,
    ) {
        self.push(Check {
            name: printable(&name()),
            conclusion,
            // A request or a plugin controls some of it.
            evidence: printable(&evidence()),
        });
    }
}
