//! The request as passed to a plugin: only the fields that its manifest asks for.

use crate::bindings::passed::exports::portcullis::policy::types as wire;
use crate::question::Question;
use portcullis_contract::{
    ActionClass, ArgumentOrigin, Attestation, Exposure, Field, Health, Needs, PrincipalKind,
};
use portcullis_model::facts::Facts;
use portcullis_model::request::{Posture, Request};
use portcullis_model::timestamp::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// Values that a wire request borrows in addition to the request.
#[derive(Default)]
pub(crate) struct Lists<'a> {
    principal_attributes: Vec<Owned<'a>>,
    resource_attributes: Vec<Owned<'a>>,
    context: Vec<Owned<'a>>,
    delegated_by: Vec<&'a str>,
    /// Statements of origins about listed arguments.
    stated: Vec<&'a ArgumentOrigin>,
    /// Texts of the origins of each statement.
    origins: Vec<Vec<&'a str>>,
    /// Arguments that are listed one by one, as canonical JSON.
    arguments: Option<String>,
}

/// Records that borrow from [`Lists`].
pub(crate) struct Records<'a> {
    principal_attributes: Vec<wire::Attribute<'a>>,
    resource_attributes: Vec<wire::Attribute<'a>>,
    context: Vec<wire::Attribute<'a>>,
    origins: Vec<wire::ArgumentOrigin<'a>>,
}

/// An attribute, with its list or JSON text if one was built.
enum Owned<'a> {
    Plain(&'a str, &'a Value),
    Text(&'a str, &'a str),
    Texts(&'a str, Vec<&'a str>),
    Json(&'a str, String),
}

impl<'a> Lists<'a> {
    pub(crate) fn of(request: &'a Request, facts: &Facts<'a>, needs: &Needs) -> Self {
        let only = |field: Field, attributes: &'a [(String, Value)]| {
            if !needs.has_any_of(field) {
                return Vec::new();
            }
            attributes
                .iter()
                .filter(|(name, _)| needs.has_named(field, name))
                .map(|(name, value)| Owned::of(name, value))
                .collect()
        };
        let principal = request.principal();
        let mut lists = Self {
            principal_attributes: only(Field::PrincipalAttributes, &principal.attributes),
            resource_attributes: only(Field::ResourceAttributes, &request.resource().attributes),
            context: only(Field::Context, request.context()),
            ..Self::default()
        };
        if needs.has(Field::PrincipalType) {
            // A type that was sent is more specific than the kind, which the registry may override.
            let text = match principal.type_name.as_str() {
                "" => facts.kind.as_str(),
                sent => sent,
            };
            let list = &mut lists.principal_attributes;
            let at = list.partition_point(|attribute| attribute.name() < TYPE);
            list.insert(at, Owned::Text(TYPE, text));
        }
        if needs.has(Field::PrincipalDelegatedBy) {
            lists.delegated_by = principal.delegated_by.iter().map(String::as_str).collect();
        }
        if needs.has(Field::ActionOrigins) {
            let texts = |it: &'a ArgumentOrigin| it.origins.iter().map(String::as_str).collect();
            lists.stated = request
                .origins()
                .0
                .iter()
                .filter(|it| is_listed(it, needs))
                .collect();
            lists.origins = lists.stated.iter().map(|it| texts(it)).collect();
        }
        if !needs.has(Field::ActionArguments) && needs.has_any_of(Field::ActionArguments) {
            lists.arguments = Some(listed_arguments(request, needs));
        }
        lists
    }

    /// Makes the records that borrow from the lists.
    pub(crate) fn records(&'a self) -> Records<'a> {
        let attributes = |list: &'a [Owned<'a>]| list.iter().map(Owned::wire).collect();
        let origins = self.stated.iter().zip(&self.origins);
        Records {
            principal_attributes: attributes(&self.principal_attributes),
            resource_attributes: attributes(&self.resource_attributes),
            context: attributes(&self.context),
            origins: origins
                .map(|(it, origins)| wire::ArgumentOrigin {
                    path: &it.path,
                    part: it.part.as_deref(),
                    origins,
                })
                .collect(),
        }
    }
}

/// True if the statement is about an argument that `needs` lists, or about all of them.
///
/// A part of a text repeats the text, so it is passed only with the argument.
fn is_listed(stated: &ArgumentOrigin, needs: &Needs) -> bool {
    let Some(name) = stated.path.split('/').nth(1) else {
        return stated.part.is_none() || needs.has(Field::ActionArguments);
    };
    let name = name.replace("~1", "/").replace("~0", "~");
    needs.has_named(Field::ActionArguments, &name)
        || (stated.part.is_none() && !needs.has_any_of(Field::ActionArguments))
}

/// The arguments that `needs` lists one by one, as a canonical JSON object.
fn listed_arguments(request: &Request, needs: &Needs) -> String {
    let arguments: BTreeMap<&str, &Value> = needs
        .names_of(Field::ActionArguments)
        .filter_map(|name| Some((name, request.arguments().get(name)?)))
        .collect();
    // INVARIANT (canonical): the whole has a canonical form, so a part of it has one.
    serde_json_canonicalizer::to_string(&arguments).unwrap_or_else(|_| "{}".to_owned())
}

/// Name of the attribute for `principal.type`. No request has an attribute of that name.
const TYPE: &str = "type";

impl<'a> Owned<'a> {
    fn name(&self) -> &'a str {
        match self {
            Self::Plain(name, _) | Self::Text(name, _) | Self::Texts(name, _) => name,
            Self::Json(name, _) => name,
        }
    }

    fn of(name: &'a str, value: &'a Value) -> Self {
        match value {
            Value::String(_) | Value::Bool(_) => Self::Plain(name, value),
            Value::Number(number) if number.is_i64() => Self::Plain(name, value),
            Value::Array(items) => match items.iter().map(Value::as_str).collect() {
                Some(texts) => Self::Texts(name, texts),
                None => Self::json(name, value),
            },
            _ => Self::json(name, value),
        }
    }

    fn json(name: &'a str, value: &'a Value) -> Self {
        let text = serde_json_canonicalizer::to_string(value).unwrap_or_else(|_| value.to_string());
        Self::Json(name, text)
    }

    fn wire(&self) -> wire::Attribute<'_> {
        let (name, value) = match self {
            Self::Texts(name, texts) => (*name, wire::Value::Texts(texts)),
            Self::Json(name, json) => (*name, wire::Value::Json(json)),
            Self::Text(name, text) => (*name, wire::Value::Text(text)),
            Self::Plain(name, value) => {
                let value = match value {
                    Value::String(text) => wire::Value::Text(text),
                    Value::Bool(boolean) => wire::Value::Boolean(*boolean),
                    other => wire::Value::Integer(other.as_i64().unwrap_or_default()),
                };
                (*name, value)
            }
        };
        wire::Attribute { name, value }
    }
}

/// Builds the request that is passed to the plugin.
pub(crate) fn request<'a>(
    question: &Question<'a>,
    needs: &Needs,
    lists: &'a Lists<'a>,
    records: &'a Records<'a>,
) -> wire::Request<'a> {
    let Question {
        request,
        facts,
        class,
        now,
    } = *question;
    let text = |field: Field, text: &'a str| if needs.has(field) { text } else { "" };
    let time = |field: Field, at: Option<Timestamp>| {
        at.filter(|_| needs.has(field)).map(Timestamp::as_millis)
    };
    let principal = request.principal();
    let resource = request.resource();
    wire::Request {
        integration: text(Field::Integration, request.integration()),
        principal: wire::Principal {
            id: text(Field::PrincipalId, &principal.id),
            kind: if needs.has(Field::PrincipalKind) {
                kind(facts.kind)
            } else {
                wire::PrincipalKind::Unspecified
            },
            owner: text(Field::PrincipalOwner, facts.owner),
            purpose: text(Field::PrincipalPurpose, facts.purpose),
            environment: text(Field::PrincipalEnvironment, facts.environment),
            attestation: if needs.has(Field::PrincipalAttestation) {
                attestation(principal.attestation)
            } else {
                wire::Attestation::None
            },
            credential_expires_at: time(
                Field::PrincipalCredentialExpiresAt,
                principal.credential_expires_at,
            ),
            delegated_by: &lists.delegated_by,
            attributes: &records.principal_attributes,
        },
        intent: facts
            .intent
            .filter(|_| needs.has_intent())
            .map(|intent| wire::Intent {
                id: text(Field::IntentId, intent.id),
                purpose: text(Field::IntentPurpose, intent.purpose),
                approved_by: text(Field::IntentApprovedBy, intent.approved_by),
                expires_at: time(Field::IntentExpiresAt, intent.expires_at),
                remaining_uses: intent
                    .remaining_uses
                    .filter(|_| needs.has(Field::IntentRemainingUses)),
            }),
        action: wire::Action {
            name: text(Field::ActionName, request.action()),
            class: if needs.has(Field::ActionClass) {
                self::class(class)
            } else {
                wire::ActionClass::Unclassified
            },
            arguments: match &lists.arguments {
                Some(listed) => listed,
                None => text(Field::ActionArguments, request.canonical_arguments()),
            },
            origins: &records.origins,
            input_responses: request
                .canonical_input_responses()
                .filter(|_| needs.has(Field::ActionInputResponses)),
            request_state: request
                .round_trip()
                .request_state
                .as_deref()
                .filter(|_| needs.has(Field::ActionRequestState)),
        },
        resource: wire::Resource {
            kind: text(Field::ResourceKind, &resource.kind),
            id: text(Field::ResourceId, &resource.id),
            environment: text(Field::ResourceEnvironment, &resource.environment),
            posture: facts
                .posture
                .filter(|_| needs.has(Field::ResourcePosture))
                .map(posture),
            attributes: &records.resource_attributes,
        },
        now: time(Field::Now, Some(now)),
        context: &records.context,
    }
}

fn kind(kind: PrincipalKind) -> wire::PrincipalKind {
    match kind {
        PrincipalKind::Unspecified => wire::PrincipalKind::Unspecified,
        PrincipalKind::Agent => wire::PrincipalKind::Agent,
        PrincipalKind::Service => wire::PrincipalKind::Service,
        PrincipalKind::Connector => wire::PrincipalKind::Connector,
        PrincipalKind::Pipeline => wire::PrincipalKind::Pipeline,
        PrincipalKind::Human => wire::PrincipalKind::Human,
        PrincipalKind::BreakGlass => wire::PrincipalKind::BreakGlass,
    }
}

fn attestation(attestation: Attestation) -> wire::Attestation {
    match attestation {
        Attestation::None => wire::Attestation::None,
        Attestation::StaticSecret => wire::Attestation::StaticSecret,
        Attestation::BearerToken => wire::Attestation::BearerToken,
        Attestation::JwtSvid => wire::Attestation::JwtSvid,
        Attestation::X509Svid => wire::Attestation::X509Svid,
        Attestation::ProofOfPossession => wire::Attestation::ProofOfPossession,
    }
}

fn class(class: ActionClass) -> wire::ActionClass {
    match class {
        ActionClass::Unclassified => wire::ActionClass::Unclassified,
        ActionClass::Read => wire::ActionClass::Read,
        ActionClass::Write => wire::ActionClass::Write,
        ActionClass::Destructive => wire::ActionClass::Destructive,
        ActionClass::Exfiltration => wire::ActionClass::Exfiltration,
        ActionClass::Admin => wire::ActionClass::Admin,
    }
}

fn posture(posture: Posture) -> wire::Posture {
    wire::Posture {
        exposure: match posture.exposure {
            Exposure::Unknown => wire::Exposure::Unknown,
            Exposure::Internet => wire::Exposure::Internet,
            Exposure::Partner => wire::Exposure::Partner,
            Exposure::Internal => wire::Exposure::Internal,
        },
        health: match posture.health {
            Health::Unknown => wire::Health::Unknown,
            Health::Compromised => wire::Health::Compromised,
            Health::Degraded => wire::Health::Degraded,
            Health::Healthy => wire::Health::Healthy,
        },
        privileged: posture.privileged,
        legacy: posture.legacy,
        drifted: posture.drifted,
        observed_at: posture.observed_at.map(Timestamp::as_millis),
    }
}
