//! From the records of the contract to the SDK's own types.

use crate::bindings::exports::portcullis::policy::types as wire;
use crate::{
    Action, ActionClass, Attestation, Attribute, Exposure, Health, Intent, Posture, Principal,
    PrincipalKind, Request, Resource, Timestamp, Value,
};

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
