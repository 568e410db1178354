//! Connects the generated bindings to the SDK's types.

use crate::bindings::exports::portcullis::policy::types as wire;
use crate::request::field::Asked;
use crate::{
    Effect, Narrowing, Obligation, Operator, Policy, Reason, Request, Verdict, alloc, settings,
};
#[cfg(not(feature = "typed"))]
use std::mem::ManuallyDrop;
use std::sync::OnceLock;

#[cfg(not(feature = "typed"))]
pub use crate::bindings::exports::portcullis::policy::packed_policy::Guest;
#[cfg(feature = "typed")]
pub use crate::bindings::exports::portcullis::policy::policy::Guest;
pub use wire::SettingsError as WireSettingsError;

/// A request in the form that the host passes.
#[cfg(not(feature = "typed"))]
pub type WireRequest = Vec<u8>;
/// A verdict in the form that the host receives.
#[cfg(not(feature = "typed"))]
pub type WireVerdict = Vec<u8>;
#[cfg(feature = "typed")]
pub use wire::{Request as WireRequest, Verdict as WireVerdict};

/// Memory reserved for a typical request and its verdict, in bytes.
const HEADROOM_BYTES: usize = 32 * 1024;

/// Reads the settings into `policy`.
pub fn configure<P: Policy>(
    policy: &OnceLock<P>,
    settings: &str,
) -> Result<(), Vec<WireSettingsError>> {
    alloc::be_tidy(true);
    let configured = read_into(policy, settings);
    alloc::be_tidy(false);
    alloc::reserve(HEADROOM_BYTES);
    configured
}

fn read_into<P: Policy>(
    policy: &OnceLock<P>,
    settings: &str,
) -> Result<(), Vec<WireSettingsError>> {
    let read = settings::read::<P>(settings).map_err(|errors| {
        errors
            .into_iter()
            .map(|error| WireSettingsError {
                path: error.path,
                message: error.message,
            })
            .collect::<Vec<_>>()
    })?;
    if policy.set(read).is_err() {
        let message = "the plugin is configured already".to_owned();
        return Err(vec![WireSettingsError {
            path: String::new(),
            message,
        }]);
    }
    Ok(())
}

/// Evaluates `request` with `policy`.
#[cfg(feature = "typed")]
pub fn evaluate<P: Policy>(
    policy: &OnceLock<P>,
    asked: Asked,
    request: WireRequest,
) -> WireVerdict {
    let mut request = Request::from(request);
    request.keep(asked);
    decide(policy, &request).into()
}

/// Evaluates the packed `request` with `policy`, and packs the verdict.
///
/// # Panics
///
/// If `request` cannot be unpacked. The panic is a trap, and there is no verdict.
#[cfg(not(feature = "typed"))]
pub fn evaluate<P: Policy>(
    policy: &OnceLock<P>,
    asked: Asked,
    request: WireRequest,
) -> WireVerdict {
    // Dropping would free each block, and the host discards the whole instance anyway.
    let request = crate::packed::request(request).expect("a packed request");
    let mut request = ManuallyDrop::new(request);
    request.keep(asked);
    let verdict = ManuallyDrop::new(wire::Verdict::from(decide(policy, &request)));
    let packed = Vec::with_capacity(USUAL_VERDICT_BYTES);
    postcard::to_extend(&*verdict, packed).expect("a verdict can be packed")
}

/// Typical size of a packed verdict in bytes.
#[cfg(not(feature = "typed"))]
const USUAL_VERDICT_BYTES: usize = 256;

fn decide<P: Policy>(policy: &OnceLock<P>, request: &Request) -> Verdict {
    match policy.get() {
        Some(policy) => policy.evaluate(request),
        None => Verdict::indeterminate()
            .because("not-configured", "the host did not configure the plugin"),
    }
}

impl From<Verdict> for wire::Verdict {
    fn from(verdict: Verdict) -> Self {
        Self {
            effect: match verdict.effect {
                Effect::Permit => wire::Effect::Permit,
                Effect::Deny => wire::Effect::Deny,
                Effect::NotApplicable => wire::Effect::NotApplicable,
                Effect::Indeterminate => wire::Effect::Indeterminate,
            },
            reasons: verdict.reasons.into_iter().map(Into::into).collect(),
            obligations: verdict.obligations.into_iter().map(Into::into).collect(),
            advice: verdict.advice.into_iter().map(Into::into).collect(),
            narrowing: (verdict.narrowing != Narrowing::default())
                .then(|| verdict.narrowing.into()),
        }
    }
}

impl From<Reason> for wire::Reason {
    fn from(reason: Reason) -> Self {
        Self {
            code: reason.code,
            message: reason.message,
            evidence: reason.evidence,
        }
    }
}

impl From<Obligation> for wire::Obligation {
    fn from(obligation: Obligation) -> Self {
        Self {
            id: obligation.id,
            kind: obligation.kind,
            properties: obligation.properties.to_string(),
        }
    }
}

impl From<Narrowing> for wire::Narrowing {
    fn from(narrowing: Narrowing) -> Self {
        Self {
            constraints: narrowing
                .constraints
                .iter()
                .map(|constraint| wire::Constraint {
                    path: constraint.path().to_owned(),
                    operator: match constraint.operator() {
                        Operator::Equals => wire::Operator::Equals,
                        Operator::OneOf => wire::Operator::OneOf,
                        Operator::Prefix => wire::Operator::Prefix,
                        Operator::Under => wire::Operator::Under,
                        Operator::AtLeast => wire::Operator::AtLeast,
                        Operator::AtMost => wire::Operator::AtMost,
                        Operator::MinLength => wire::Operator::MinLength,
                        Operator::MaxLength => wire::Operator::MaxLength,
                        Operator::SubsetOf => wire::Operator::SubsetOf,
                        Operator::OriginIs => wire::Operator::OriginIs,
                    },
                    operand: constraint.operand().to_string(),
                })
                .collect(),
            // A lifetime that does not fit exceeds the limit of any host.
            lifetime_ms: narrowing
                .lifetime
                .map(|lifetime| u32::try_from(lifetime.as_millis()).unwrap_or(u32::MAX)),
            max_uses: narrowing.max_uses,
        }
    }
}
