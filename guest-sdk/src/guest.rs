//! Between the generated bindings and the SDK's own types.

use crate::bindings::exports::portcullis::policy::{policy as wire_policy, types as wire};
use crate::{
    Action, ActionClass, Attestation, Attribute, Effect, Exposure, Health, Intent, Narrowing,
    Obligation, Operator, Policy, Posture, Principal, PrincipalKind, Reason, Request, Resource,
    Timestamp, Value, Verdict, alloc, settings,
};
use std::sync::OnceLock;

pub use wire::{Request as WireRequest, Verdict as WireVerdict};
pub use wire_policy::SettingsError as WireSettingsError;

/// Room for a usual request and its verdict, in bytes.
const HEADROOM_BYTES: usize = 64 * 1024;

/// Reads the settings into `policy`.
pub fn configure<P: Policy>(
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
    alloc::reserve(HEADROOM_BYTES);
    Ok(())
}

/// Has `policy` decide `request`.
pub fn evaluate<P: Policy>(policy: &OnceLock<P>, request: WireRequest) -> WireVerdict {
    match policy.get() {
        Some(policy) => policy.evaluate(&request.into()).into(),
        None => Verdict::indeterminate()
            .because("not-configured", "the host did not configure the plugin")
            .into(),
    }
}

impl From<wire::Request> for Request {
    fn from(wire: wire::Request) -> Self {
        Self {
            integration: wire.integration,
            principal: wire.principal.into(),
            intent: wire.intent.map(Into::into),
            action: wire.action.into(),
            resource: wire.resource.into(),
            now: wire.now.map(Timestamp),
            context: attributes(wire.context),
        }
    }
}

impl From<wire::Principal> for Principal {
    fn from(wire: wire::Principal) -> Self {
        Self {
            id: wire.id,
            kind: match wire.kind {
                wire::PrincipalKind::Unspecified => PrincipalKind::Unspecified,
                wire::PrincipalKind::Agent => PrincipalKind::Agent,
                wire::PrincipalKind::Service => PrincipalKind::Service,
                wire::PrincipalKind::Connector => PrincipalKind::Connector,
                wire::PrincipalKind::Pipeline => PrincipalKind::Pipeline,
                wire::PrincipalKind::Human => PrincipalKind::Human,
                wire::PrincipalKind::BreakGlass => PrincipalKind::BreakGlass,
            },
            owner: wire.owner,
            purpose: wire.purpose,
            environment: wire.environment,
            attestation: match wire.attestation {
                wire::Attestation::None => Attestation::None,
                wire::Attestation::StaticSecret => Attestation::StaticSecret,
                wire::Attestation::BearerToken => Attestation::BearerToken,
                wire::Attestation::JwtSvid => Attestation::JwtSvid,
                wire::Attestation::X509Svid => Attestation::X509Svid,
                wire::Attestation::ProofOfPossession => Attestation::ProofOfPossession,
            },
            credential_expires_at: wire.credential_expires_at.map(Timestamp),
            delegated_by: wire.delegated_by,
            attributes: attributes(wire.attributes),
        }
    }
}

impl From<wire::Intent> for Intent {
    fn from(wire: wire::Intent) -> Self {
        Self {
            id: wire.id,
            purpose: wire.purpose,
            approved_by: wire.approved_by,
            expires_at: wire.expires_at.map(Timestamp),
            remaining_uses: wire.remaining_uses,
        }
    }
}

impl From<wire::Action> for Action {
    fn from(wire: wire::Action) -> Self {
        Self {
            name: wire.name,
            class: match wire.class {
                wire::ActionClass::Unclassified => ActionClass::Unclassified,
                wire::ActionClass::Read => ActionClass::Read,
                wire::ActionClass::Write => ActionClass::Write,
                wire::ActionClass::Destructive => ActionClass::Destructive,
                wire::ActionClass::Exfiltration => ActionClass::Exfiltration,
                wire::ActionClass::Admin => ActionClass::Admin,
            },
            arguments: wire.arguments,
            origins: wire
                .origins
                .into_iter()
                .map(|o| (o.path, o.origin))
                .collect(),
        }
    }
}

impl From<wire::Resource> for Resource {
    fn from(wire: wire::Resource) -> Self {
        Self {
            kind: wire.kind,
            id: wire.id,
            environment: wire.environment,
            posture: wire.posture.map(Into::into),
            attributes: attributes(wire.attributes),
        }
    }
}

impl From<wire::Posture> for Posture {
    fn from(wire: wire::Posture) -> Self {
        Self {
            exposure: match wire.exposure {
                wire::Exposure::Unknown => Exposure::Unknown,
                wire::Exposure::Internet => Exposure::Internet,
                wire::Exposure::Partner => Exposure::Partner,
                wire::Exposure::Internal => Exposure::Internal,
            },
            health: match wire.health {
                wire::Health::Unknown => Health::Unknown,
                wire::Health::Compromised => Health::Compromised,
                wire::Health::Degraded => Health::Degraded,
                wire::Health::Healthy => Health::Healthy,
            },
            privileged: wire.privileged,
            legacy: wire.legacy,
            drifted: wire.drifted,
            observed_at: wire.observed_at.map(Timestamp),
        }
    }
}

fn attributes(wire: Vec<wire::Attribute>) -> Vec<Attribute> {
    wire.into_iter()
        .map(|attribute| Attribute {
            name: attribute.name,
            value: match attribute.value {
                wire::Value::Text(text) => Value::Text(text),
                wire::Value::Integer(integer) => Value::Integer(integer),
                wire::Value::Boolean(boolean) => Value::Boolean(boolean),
                wire::Value::Texts(texts) => Value::Texts(texts),
                wire::Value::Json(json) => Value::Json(json),
            },
        })
        .collect()
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
            // A lifetime that does not fit is longer than any host grants.
            lifetime_ms: narrowing
                .lifetime
                .map(|lifetime| u32::try_from(lifetime.as_millis()).unwrap_or(u32::MAX)),
            max_uses: narrowing.max_uses,
        }
    }
}
