//! Checks that are required for each class of action.
//!
//! A check that did not apply did not pass.

use super::Checks;
use portcullis_contract::ActionClass;
use portcullis_model::cause::{Cause, Refusal};
use portcullis_model::trace::{Conclusion, Trace};
use serde::Deserialize;
use std::collections::HashMap;

/// Checks that an operator can require to have passed.
///
/// Each is the name of a check; `session-path` is part of the check `registry`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Requirement {
    /// The principal is registered.
    Registry,
    /// The session path is known, and permitted for the principal.
    SessionPath,
    /// The principal proved its identity with a SPIFFE credential or a stronger one.
    Attestation,
    /// The environments of principal and resource are known.
    Environment,
    /// The expiry of the credential is known.
    Credential,
    /// The workload's instance is known, and no other instance presents its credential.
    Instance,
    /// The workload runs what it is registered with.
    Workload,
    /// A revocation list was checked.
    Revocation,
    /// The request acts on an approved intent.
    Intent,
    /// The last observed posture of the destination is acceptable.
    Destination,
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
            Self::Destination => "destination",
        }
    }
}

/// Checks required for a class.
///
/// An unclassified action without a list of its own needs every check that any class needs.
fn required(requirements: &Requirements, class: ActionClass) -> Option<Vec<Requirement>> {
    if let Some(own) = requirements.get(&class) {
        return Some(own.clone());
    }
    let mut all: Vec<_> = requirements.values().flatten().copied().collect();
    all.sort_unstable();
    all.dedup();
    (class == ActionClass::Unclassified && !all.is_empty()).then_some(all)
}

/// Required checks, by the class of the action.
pub(crate) type Requirements = HashMap<ActionClass, Vec<Requirement>>;

impl<T: Trace> Checks<'_, '_, T> {
    pub(super) fn requirements(&mut self) -> Result<(), Refusal> {
        const NAME: &str = "required-checks";
        let on = self.on;
        let Some(required) = required(on.requirements, on.class) else {
            self.skip(NAME, || {
                format!(
                    "no checks are required for an action that is {}",
                    on.class.as_str()
                )
            });
            return Ok(());
        };
        let missing: Vec<_> = required
            .iter()
            .filter(|one| !self.established.contains(one))
            .map(|one| one.as_str())
            .collect();
        let finding = || {
            let required: Vec<_> = required.iter().map(|one| one.as_str()).collect();
            format!(
                "required: {}; did not apply: {}",
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
                    format!("passed: {}", required.join(", "))
                },
            );
            return Ok(());
        }
        let refusal = (
            Cause::RequiredCheckMissing,
            format!(
                "an action that is {} requires the checks {}, which did not apply: see those checks for the missing input",
                on.class.as_str(),
                missing.join(", ")
            ),
        );
        self.stop(NAME, finding, refusal)
    }
}
