//! Connects the generated bindings to the SDK's types.

use crate::bindings::exports::portcullis::policy::types as wire;
use crate::{Policy, Request, Verdict, alloc, settings};
use portcullis_contract::{Constraint, Effect, Narrowing, Obligation, Operator, Reason};
use serde_json::Value;
use std::mem::ManuallyDrop;
use std::sync::OnceLock;

pub use crate::bindings::exports::portcullis::policy::packed_policy::Guest;
pub use wire::SettingsError as WireSettingsError;

/// Memory reserved for a typical request and its verdict, in bytes.
const HEADROOM_BYTES: usize = 32 * 1024;

/// Typical size of a packed verdict in bytes.
const USUAL_VERDICT_BYTES: usize = 256;

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

/// Evaluates the packed `request` with `policy`, and packs the verdict.
///
/// # Panics
///
/// If `request` cannot be unpacked. The panic is a trap, and there is no verdict.
pub fn evaluate<P: Policy>(policy: &OnceLock<P>, request: Vec<u8>) -> Vec<u8> {
    let fields = crate::packed::request(request).expect("a packed request");
    // Dropping would free each block, and the host discards the whole instance anyway.
    let request = ManuallyDrop::new(Request::from(fields));
    let verdict = ManuallyDrop::new(wire::Verdict::from(decide(policy, &request)));
    let packed = Vec::with_capacity(USUAL_VERDICT_BYTES);
    postcard::to_extend(&*verdict, packed).expect("a verdict can be packed")
}

fn decide<P: Policy>(policy: &OnceLock<P>, request: &Request<P::Manifest>) -> Verdict {
    match policy.get() {
        Some(policy) => policy.evaluate(request),
        None => Verdict::indeterminate()
            .because("not-configured", "the host did not configure the plugin"),
    }
}

impl From<Verdict> for wire::Verdict {
    fn from(verdict: Verdict) -> Self {
        let verdict = verdict.into_inner();
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
            requestable: verdict.requestable,
        }
    }
}

impl From<Reason> for wire::Reason {
    fn from(reason: Reason) -> Self {
        Self {
            code: reason.code,
            message: reason.message,
            fields: reason.fields,
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
                .map(wire::Constraint::from)
                .collect(),
            // A lifetime that does not fit exceeds the limit of any host.
            lifetime_ms: narrowing
                .lifetime
                .map(|lifetime| u32::try_from(lifetime.as_millis()).unwrap_or(u32::MAX)),
            max_uses: narrowing.max_uses,
        }
    }
}

impl From<&Constraint> for wire::Constraint {
    fn from(constraint: &Constraint) -> Self {
        let (operator, operand) = match constraint.operator() {
            Operator::Equals => (wire::Operator::Equals, None),
            Operator::OneOf => (wire::Operator::OneOf, None),
            Operator::Prefix => (wire::Operator::Prefix, None),
            Operator::Under => (wire::Operator::Under, None),
            Operator::AtLeast => (wire::Operator::AtLeast, None),
            Operator::AtMost => (wire::Operator::AtMost, None),
            Operator::MinLength => (wire::Operator::MinLength, None),
            Operator::MaxLength => (wire::Operator::MaxLength, None),
            Operator::SubsetOf => (wire::Operator::SubsetOf, None),
            Operator::OriginIs => (wire::Operator::OriginIs, None),
            // The contract has no such operators. The host refuses this operand, and shows it.
            other @ (Operator::PartsOriginIs
            | Operator::OnDay
            | Operator::AbsentOr
            | Operator::AnyOf) => (
                wire::Operator::OneOf,
                Some(Value::from(format!(
                    "`{other}` is for intents and settings, not for a verdict"
                ))),
            ),
        };
        Self {
            path: constraint.path().to_owned(),
            operator,
            operand: operand.as_ref().unwrap_or(constraint.operand()).to_string(),
        }
    }
}
