//! What a decision looked at, step by step.

use crate::request::Request;
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

/// The member of a request's context that says which trace it is part of (W3C Trace Context).
pub(crate) const TRACEPARENT: &str = "traceparent";

/// The trace that a request is part of, if its gateway said so.
pub(crate) fn id_of(request: &Request) -> Option<&str> {
    let mut context = request.context.iter();
    let (_, traceparent) = context.find(|(name, _)| name == TRACEPARENT)?;
    id(traceparent.as_str()?)
}

/// The trace id of a `traceparent`; nothing if that is malformed, as the standard has it.
pub(crate) fn id(traceparent: &str) -> Option<&str> {
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
