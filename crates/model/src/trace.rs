//! Trace of a decision: its checks, step by step.

use portcullis_contract::printable;
use serde::Serialize;

/// One step of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Check {
    /// Name of the check, such as `credential` or `plugin github`.
    pub name: String,
    /// Conclusion of the check.
    pub conclusion: Conclusion,
    /// Inputs that the check found.
    pub finding: String,
}

/// Conclusion of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conclusion {
    /// The check does not object to the request.
    Pass,
    /// The check objects, and the intent waives it as an exception.
    Waived,
    /// The check denies the request.
    Stop,
    /// The check had nothing to examine.
    NotApplicable,
    /// An earlier check denied the request.
    NotReached,
}

/// Recorder for the steps of a decision.
pub trait Trace {
    /// Records one step. `name` and `finding` are called only if steps are recorded.
    fn check(
        &mut self,
        name: impl FnOnce() -> String,
        conclusion: Conclusion,
        finding: impl FnOnce() -> String,
    );
}

/// Records nothing, at no cost.
impl Trace for () {
    /// Records one step. `name` and `finding` are called only if steps are recorded.
    fn check(&mut self, _: impl FnOnce() -> String, _: Conclusion, _: impl FnOnce() -> String) {}
}

impl Trace for Vec<Check> {
    /// Records one step. `name` and `finding` are called only if steps are recorded.
    fn check(
        &mut self,
        name: impl FnOnce() -> String,
        conclusion: Conclusion,
        finding: impl FnOnce() -> String,
    ) {
        self.push(Check {
            name: printable(&name()),
            conclusion,
            // A request or a plugin controls part of the text.
            finding: printable(&finding()),
        });
    }
}

/// Member of a request's context that identifies its trace (W3C Trace Context).
pub const TRACEPARENT: &str = "traceparent";

/// Trace id in a `traceparent`. `None` if it is malformed, as the standard requires.
pub fn id(traceparent: &str) -> Option<&str> {
    let mut parts = traceparent.splitn(5, '-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let (parent, flags, more) = (parts.next()?, parts.next()?, parts.next());
    let hex = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let zero = |text: &str| text.bytes().all(|b| b == b'0');
    let valid = hex(version, 2)
        && version != "ff"
        && hex(trace, 32)
        && !zero(trace)
        && hex(parent, 16)
        && !zero(parent)
        && hex(flags, 2)
        && (more.is_none() || version != "00");
    valid.then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_id_is_read_as_the_standard_has_it() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let whole = format!("00-{trace}-00f067aa0ba902b7-01");
        assert_eq!(id(&whole), Some(trace));
        assert_eq!(id(&whole.replacen("00-", "cc-", 1)), Some(trace));
        assert_eq!(
            id(&format!("{}-more", whole.replacen("00-", "01-", 1))),
            Some(trace)
        );
        for malformed in [
            String::new(),
            "00".to_owned(),
            whole.to_uppercase(),
            whole.replacen("00-", "ff-", 1),
            whole.replace(trace, &"0".repeat(32)),
            whole.replace("00f067aa0ba902b7", &"0".repeat(16)),
            whole.replace(trace, &trace[1..]),
            format!("{whole}-more"),
            format!(" {whole}"),
            format!("{whole}\u{202e}"),
        ] {
            assert_eq!(id(&malformed), None, "{malformed}");
        }
    }
}
