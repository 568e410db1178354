//! Converts the contract's records to the SDK's types.

use crate::bindings::exports::portcullis::policy::types as wire;
use crate::{
    Action, ActionClass, Attestation, Attribute, Exposure, Health, Intent, Posture, Principal,
    PrincipalKind, Request, Resource, Timestamp, Value,
};

impl From<wire::Request> for Request {
    fn from(wire: wire::Request) -> Self {
        Self {
            integration: wire.integration.into(),
            principal: wire.principal.into(),
            intent: wire.intent.map(Intent::from).into(),
            action: wire.action.into(),
            resource: wire.resource.into(),
            now: wire.now.map(Timestamp).into(),
            context: attributes(wire.context).into(),
        }
    }
}

impl From<wire::Principal> for Principal {
    fn from(wire: wire::Principal) -> Self {
        Self {
            id: wire.id.into(),
            kind: match wire.kind {
                wire::PrincipalKind::Unspecified => PrincipalKind::Unspecified,
                wire::PrincipalKind::Agent => PrincipalKind::Agent,
                wire::PrincipalKind::Service => PrincipalKind::Service,
                wire::PrincipalKind::Connector => PrincipalKind::Connector,
                wire::PrincipalKind::Pipeline => PrincipalKind::Pipeline,
                wire::PrincipalKind::Human => PrincipalKind::Human,
                wire::PrincipalKind::BreakGlass => PrincipalKind::BreakGlass,
            }
            .into(),
            owner: wire.owner.into(),
            purpose: wire.purpose.into(),
            environment: wire.environment.into(),
            attestation: match wire.attestation {
                wire::Attestation::None => Attestation::None,
                wire::Attestation::StaticSecret => Attestation::StaticSecret,
                wire::Attestation::BearerToken => Attestation::BearerToken,
                wire::Attestation::JwtSvid => Attestation::JwtSvid,
                wire::Attestation::X509Svid => Attestation::X509Svid,
                wire::Attestation::ProofOfPossession => Attestation::ProofOfPossession,
            }
            .into(),
            credential_expires_at: wire.credential_expires_at.map(Timestamp).into(),
            delegated_by: wire.delegated_by.into(),
            attributes: attributes(wire.attributes).into(),
        }
    }
}

impl From<wire::Intent> for Intent {
    fn from(wire: wire::Intent) -> Self {
        Self {
            id: wire.id.into(),
            purpose: wire.purpose.into(),
            approved_by: wire.approved_by.into(),
            expires_at: wire.expires_at.map(Timestamp).into(),
            remaining_uses: wire.remaining_uses.into(),
        }
    }
}

impl From<wire::Action> for Action {
    fn from(wire: wire::Action) -> Self {
        Self {
            name: wire.name.into(),
            class: match wire.class {
                wire::ActionClass::Unclassified => ActionClass::Unclassified,
                wire::ActionClass::Read => ActionClass::Read,
                wire::ActionClass::Write => ActionClass::Write,
                wire::ActionClass::Destructive => ActionClass::Destructive,
                wire::ActionClass::Exfiltration => ActionClass::Exfiltration,
                wire::ActionClass::Admin => ActionClass::Admin,
            }
            .into(),
            arguments: wire.arguments.into(),
            origins: wire
                .origins
                .into_iter()
                .map(|o| (o.path, o.origin))
                .collect::<Vec<_>>()
                .into(),
        }
    }
}

impl From<wire::Resource> for Resource {
    fn from(wire: wire::Resource) -> Self {
        Self {
            kind: wire.kind.into(),
            id: wire.id.into(),
            environment: wire.environment.into(),
            posture: wire.posture.map(Posture::from).into(),
            attributes: attributes(wire.attributes).into(),
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
