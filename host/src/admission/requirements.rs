//! What there must be evidence of, by how sensitive the action is: a check that had nothing to look
//! at is not one that was passed.

use super::Checks;
use crate::cause::{Cause, Refusal};
use crate::trace::{Conclusion, Trace};
use portcullis_contract::ActionClass;
use serde::Deserialize;
use std::collections::HashMap;

/// What there can be evidence of. Each is the name of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Requirement {
    /// The principal is registered.
    Registry,
    /// By which way the session came in is known, and is the principal's.
    SessionPath,
    /// The principal proved what it is, with a SPIFFE credential at least.
    Attestation,
    /// The environments of principal and resource are known.
    Environment,
    /// When the credential expires is known.
    Credential,
    /// Which instance of the workload asks is known, and that no other presents its credential.
    Instance,
    /// The workload runs what it is registered with.
    Workload,
    /// A revocation list was looked at.
    Revocation,
    /// The request acts on an intent that was approved.
    Intent,
    /// What was last seen of the destination was judged.
    Posture,
}

impl Requirement {
    /// The requirement as text, as in a configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registry => "registry",
            Self::SessionPath => "session-path",
            Self::Attestation => "attestation",
            Self::Environment => "environment",
            Self::Credential => "credential",
            Self::Instance => "instance",
            Self::Workload => "workload",
            Self::Revocation => "revocation",
            Self::Intent => "intent",
            Self::Posture => "posture",
        }
    }
}

/// What there must be evidence of for a class. An action that nobody classified is taken for the worst:
/// unless it has a list of its own, it needs everything that any class does.
fn required(requirements: &Requirements, class: ActionClass) -> Option<Vec<Requirement>> {
    if let Some(own) = requirements.get(&class) {
        return Some(own.clone());
    }
    let mut all: Vec<_> = requirements.values().flatten().copied().collect();
    all.sort_unstable();
    all.dedup();
    (class == ActionClass::Unclassified && !all.is_empty()).then_some(all)
}

/// What there must be evidence of, by the class of the action.
pub(crate) type Requirements = HashMap<ActionClass, Vec<Requirement>>;

impl<T: Trace> Checks<'_, '_, T> {
    pub(super) fn requirements(&mut self) -> Result<(), Refusal> {
        const NAME: &str = "evidence";
        let on = self.on;
        let Some(required) = required(on.requirements, on.class) else {
            self.skip(NAME, || {
                format!("none is required where an action is {}", on.class.as_str())
            });
            return Ok(());
        };
        let missing: Vec<_> = required
            .iter()
            .filter(|one| !self.established.contains(one))
            .map(|one| one.as_str())
            .collect();
        let evidence = || {
            let required: Vec<_> = required.iter().map(|one| one.as_str()).collect();
            format!(
                "{} are required, and there is none of: {}",
                required.join(", "),
                missing.join(", ")
            )
        };
        if missing.is_empty() {
            self.trace.check(
                || NAME.to_owned(),
                Conclusion::Pass,
                || {
                    let required: Vec<_> = required.iter().map(|one| one.as_str()).collect();
                    format!("there is all that is required: {}", required.join(", "))
                },
            );
            return Ok(());
        }
        let refusal = (
            Cause::EvidenceMissing,
            format!(
                "an action that is {} needs evidence of {}, and there is none: see those checks for what they lack",
                on.class.as_str(),
                missing.join(", ")
            ),
        );
        self.stop(NAME, evidence, refusal)
    }
}
