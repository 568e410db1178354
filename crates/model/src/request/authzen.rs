//! AuthZEN 1.0 evaluation requests (section 6.1).

use super::{DefaultIntegrations, Principal, Request, Resource};
use crate::json;
use crate::limits::RequestLimits;
use crate::object::{Object, reads_alike, unexpected};
use crate::timestamp::Timestamp;
use portcullis_contract::{ArgumentOrigin, PrincipalKind, escape_key};
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::StrDeserializer;
use serde::ser::{Serialize, SerializeStruct as _, Serializer};
use serde_json::{Map, Value, json};

/// Context members that the host reads, in every format.
pub const CONTEXT_MEMBERS: [&str; 7] = [
    "session-path",
    "input-responses",
    "request-state",
    "integration",
    "intent",
    "argument-origins",
    "supported_obligations",
];
/// Members of a principal's properties that the host reads.
pub const PRINCIPAL_MEMBERS: [&str; 12] = [
    "type",
    "instance",
    "workload-digest",
    "credential-id",
    "credential-issued-at",
    "owner",
    "purpose",
    "environment",
    "attestation",
    "credential-expires-at",
    "delegated-by",
    "intent",
];
/// Members of a resource's properties that the host reads.
pub const RESOURCE_MEMBERS: [&str; 2] = ["environment", "posture"];

/// Members of a principal's properties that other systems use with their own meaning.
///
/// A value that is not text becomes an attribute.
const ORDINARY_TEXTS: [&str; 4] = ["owner", "purpose", "environment", "instance"];

/// Members that the host reads from `properties`. Outside `properties` they are misplaced.
const OURS_OF_PRINCIPALS: [&str; 10] = [
    "owner",
    "purpose",
    "environment",
    "instance",
    "attestation",
    "credential-id",
    "credential-issued-at",
    "credential-expires-at",
    "workload-digest",
    "delegated-by",
];

const EVALUATION: [&str; 6] = [
    "subject",
    "action",
    "resource",
    "context",
    "evaluations",
    "options",
];
const ENTITY: [&str; 3] = ["type", "id", "properties"];
const ACTION: [&str; 2] = ["name", "properties"];

/// Parts of an evaluation.
pub(super) struct Evaluation {
    pub(super) subject: Object,
    pub(super) action: String,
    pub(super) arguments: Value,
    pub(super) resource: Object,
    pub(super) context: Option<Object>,
}

impl Evaluation {
    /// Splits an evaluation into its parts.
    ///
    /// As the standard requires, unknown members are ignored at the top level and in `subject`, `action` and
    /// `resource`. Two kinds are refused: members that another reader takes for known ones, and Portcullis's
    /// own members in the wrong place.
    pub(super) fn of(json: Value) -> Result<Self, json::Error> {
        let mut evaluation = Object::new(json, "")?;
        match evaluation.take("evaluations") {
            None => {}
            // The standard treats an empty list as absent.
            Some(Value::Array(list)) if list.is_empty() => {}
            Some(_) => {
                return Err(json::Error::NotHere {
                    at: "/evaluations".to_owned(),
                    why: "this is a batch, but one evaluation is expected: read it with `Request::batch_from_authzen`, or send each of its evaluations as its own request",
                });
            }
        }
        let subject = evaluation.object("subject")?;
        let mut action = evaluation.object("action")?;
        let resource = evaluation.object("resource")?;
        let context = evaluation.optional_object("context")?;
        evaluation.refuse_alike(&EVALUATION, |_, _| true)?;
        evaluation.refuse_misplaced(&CONTEXT_MEMBERS, "`/context`")?;
        let name = action.text("name")?;
        let arguments = match action.take("properties") {
            None => Map::new(),
            Some(arguments) => {
                Map::from_iter(Object::new(arguments, action.at("properties"))?.rest())
            }
        };
        action.refuse_alike(&ACTION, |_, _| false)?;
        action.refuse_misplaced(
            &["arguments", "argument-origins"],
            "`/action/properties`, and its origins to `/context/argument-origins`",
        )?;
        Ok(Self {
            subject,
            action: name,
            arguments: Value::Object(arguments),
            resource,
            context,
        })
    }
}

/// Splits a batch (section 7.1) into evaluations, each a document of its own.
///
/// An evaluation takes missing parts from the defaults. A batch without evaluations is a single evaluation.
pub(super) fn batch(json: Value) -> Result<Vec<Value>, json::Error> {
    const PARTS: [&str; 4] = ["subject", "action", "resource", "context"];
    let mut batch = Object::new(json, "")?;
    let evaluations = match batch.take("evaluations") {
        None => Vec::new(),
        Some(Value::Array(list)) => list,
        Some(other) => return Err(unexpected("/evaluations".to_owned(), "a list", &other)),
    };
    if evaluations.is_empty() {
        return Ok(vec![Value::Object(Map::from_iter(batch.rest()))]);
    }
    batch.refuse_alike(&EVALUATION, |_, _| true)?;
    batch.refuse_misplaced(&CONTEXT_MEMBERS, "`/context`")?;
    let defaults: Vec<_> = PARTS
        .iter()
        .filter_map(|part| Some(((*part).to_owned(), batch.take(part)?)))
        .collect();
    let with_defaults = |evaluation| match evaluation {
        Value::Object(mut members) => {
            for (part, default) in &defaults {
                members
                    .entry(part.as_str())
                    .or_insert_with(|| default.clone());
            }
            Value::Object(members)
        }
        // Refused when it is read as an evaluation.
        other => other,
    };
    Ok(evaluations.into_iter().map(with_defaults).collect())
}

/// Splits a subject or resource into its type, id and properties.
pub(super) fn entity(
    mut entity: Object,
    misplaced: &[&str],
) -> Result<(String, String, Object), json::Error> {
    let read = (
        entity.text("type")?,
        entity.text("id")?,
        properties(&mut entity)?,
    );
    entity.refuse_alike(&ENTITY, |_, _| false)?;
    entity.refuse_misplaced(misplaced, "`properties`")?;
    Ok(read)
}

/// Splits a subject into its type, id and properties.
pub(super) fn subject(subject: Object) -> Result<(String, String, Object), json::Error> {
    entity(subject, &OURS_OF_PRINCIPALS)
}

/// Reads an evaluation.
pub(super) fn read(
    json: Value,
    defaults: &DefaultIntegrations,
    limits: &RequestLimits,
) -> Result<Request, json::Error> {
    let Evaluation {
        subject,
        action,
        arguments,
        resource,
        context,
    } = Evaluation::of(json)?;
    let (kind, id, properties) = self::subject(subject)?;
    let principal = Principal {
        type_name: kind,
        ..principal(
            id,
            PrincipalKind::Unspecified,
            properties,
            Format::Evaluation,
        )?
    };
    let (kind, id, properties) = entity(resource, &RESOURCE_MEMBERS)?;
    let resource = self::resource(kind, id, properties, Format::Evaluation)?;
    let mut context = match context {
        Some(context) => context,
        None => Object::new(Value::Object(Map::new()), "/context")?,
    };
    let integration = match context.optional_text("integration")? {
        Some(integration) => integration,
        None => match defaults.of(&resource.kind) {
            Some(integration) => integration.to_owned(),
            None => {
                return Err(json::Error::Missing {
                    at: context.at("integration"),
                    expected: "text, or an integration for such requests under `[authzen]` of the configuration,".to_owned(),
                });
            }
        },
    };
    let mut builder =
        Request::builder(integration, principal, action, resource).arguments(arguments);
    if let Some(intent) = context.intent()? {
        builder = builder.intent(intent);
    }
    builder = builder
        .argument_origins(context.origins()?)
        .round_trip(context.round_trip("input-responses", "request-state")?);
    if let Some(kinds) = context.texts("supported_obligations")? {
        builder = builder.supported_obligations(kinds);
    }
    if let Some(path) = context.session_path()? {
        builder = builder.session_path(path);
    }
    for (name, value) in context.attributes(&CONTEXT_MEMBERS)? {
        builder = builder.context(name, value);
    }
    builder.build(limits)
}

/// Refuses attributes and context members with reserved names.
///
/// A name that reads like a reserved one is also refused.
///
/// In a written evaluation, they would be read as the reserved member.
pub(super) fn refuse_reserved(
    principal: &Principal,
    resource: &Resource,
    context: &[(String, Value)],
) -> Result<(), json::Error> {
    let refuse = |at: &str,
                  attributes: &[(String, Value)],
                  reserved: &[&str],
                  ordinary: &dyn Fn(&str, &Value) -> bool| {
        let meant = |(name, value): &(String, Value)| {
            let mut reserved = reserved.iter();
            let meant = reserved.find(|reserved| reads_alike(reserved, name))?;
            (name != meant || !ordinary(name, value)).then_some((name.clone(), *meant))
        };
        match attributes.iter().find_map(meant) {
            None => Ok(()),
            Some((name, meant)) => Err(json::Error::Unknown {
                at: format!("{at}/{}", escape_key(&name)),
                expected: format!("`{meant}` has a place of its own"),
            }),
        }
    };
    let given = [
        ("owner", &principal.owner),
        ("purpose", &principal.purpose),
        ("environment", &principal.environment),
        ("instance", &principal.instance),
    ];
    let is_given = |name: &str| {
        given
            .iter()
            .any(|(given, text)| *given == name && !text.is_empty())
    };
    refuse(
        "/principal/attributes",
        &principal.attributes,
        &PRINCIPAL_MEMBERS,
        &|name, value| is_ordinary_of_principals(name, value) && !is_given(name),
    )?;
    let is_given = |name: &str| match name {
        "posture" => resource.posture.is_some(),
        _ => !resource.environment.is_empty(),
    };
    refuse(
        "/resource/attributes",
        &resource.attributes,
        &RESOURCE_MEMBERS,
        &|name, value| is_ordinary_of_resources(name, value) && !is_given(name),
    )?;
    refuse("/context", context, &CONTEXT_MEMBERS, &|_, _| false)
}

fn is_ordinary_of_principals(name: &str, value: &Value) -> bool {
    ORDINARY_TEXTS.contains(&name) && !value.is_string()
}

fn is_ordinary_of_resources(name: &str, value: &Value) -> bool {
    match name {
        "posture" => !value.is_object(),
        _ => !value.is_string(),
    }
}

/// A request written as an evaluation that reads as the same request.
///
/// It borrows from the request, since the host writes one for each recorded decision.
pub struct Written<'a> {
    request: &'a Request,
    subject: Members<'a>,
    resource: Members<'a>,
    context: Members<'a>,
}

impl<'a> Written<'a> {
    /// Prepares the request for serialisation as an AuthZEN evaluation.
    pub fn new(request: &'a Request) -> Self {
        let principal = &request.principal;
        let mut subject = Members::of(&principal.attributes);
        subject.text("owner", &principal.owner);
        subject.text("purpose", &principal.purpose);
        subject.text("environment", &principal.environment);
        subject.put("attestation", Member::Made(json!(principal.attestation)));
        subject.text("credential-id", &principal.credential_id);
        subject.text("instance", &principal.instance);
        subject.text("workload-digest", &principal.workload_digest);
        subject.time("credential-issued-at", principal.credential_issued_at);
        subject.time("credential-expires-at", principal.credential_expires_at);
        subject.texts("delegated-by", &principal.delegated_by);

        let mut resource = Members::of(&request.resource.attributes);
        resource.text("environment", &request.resource.environment);
        if let Some(posture) = request.resource.posture {
            let mut members = Members::default();
            members.put("exposure", Member::Made(json!(posture.exposure)));
            members.put("health", Member::Made(json!(posture.health)));
            for (name, known) in [
                ("privileged", posture.privileged),
                ("legacy", posture.legacy),
                ("drifted", posture.drifted),
            ] {
                if let Some(known) = known {
                    members.put(name, Member::Made(Value::from(known)));
                }
            }
            members.time("observed-at", posture.observed_at);
            resource.put("posture", Member::Object(members));
        }

        let mut context = Members::of(&request.context);
        context.text("integration", &request.integration);
        if let Some(intent) = &request.intent {
            let mut members = Members::default();
            members.text("id", &intent.id);
            members.text("purpose", &intent.purpose);
            members.text("approved-by", &intent.approved_by);
            members.time("expires-at", intent.expires_at);
            if let Some(uses) = intent.remaining_uses {
                members.put("remaining-uses", Member::Made(Value::from(uses)));
            }
            members.texts("documents", &intent.documents);
            context.put("intent", Member::Object(members));
        }
        if !request.origins.is_empty() {
            context.put("argument-origins", Member::Origins(&request.origins));
        }
        if let Some(answers) = &request.round_trip.input_responses {
            context.put("input-responses", Member::Given(answers));
        }
        if let Some(state) = &request.round_trip.request_state {
            context.put("request-state", Member::Text(state));
        }
        if let Some(path) = request.session_path {
            context.put("session-path", Member::Made(json!(path)));
        }
        if let Some(kinds) = &request.supported_obligations {
            context.put("supported_obligations", Member::Texts(kinds));
        }
        Self {
            request,
            subject: subject.sorted(),
            resource: resource.sorted(),
            context: context.sorted(),
        }
    }
}

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(serde::Serialize)]
        struct Entity<'a> {
            id: &'a str,
            properties: &'a Members<'a>,
            r#type: &'a str,
        }
        #[derive(serde::Serialize)]
        struct Action<'a> {
            name: &'a str,
            properties: &'a Value,
        }
        let request = self.request;
        let mut evaluation = serializer.serialize_struct("Evaluation", 4)?;
        let action = Action {
            name: &request.action,
            properties: &request.arguments,
        };
        evaluation.serialize_field("action", &action)?;
        evaluation.serialize_field("context", &self.context)?;
        let resource = Entity {
            r#type: &request.resource.kind,
            id: &request.resource.id,
            properties: &self.resource,
        };
        evaluation.serialize_field("resource", &resource)?;
        let subject = Entity {
            r#type: request.principal.type_name(),
            id: &request.principal.id,
            properties: &self.subject,
        };
        evaluation.serialize_field("subject", &subject)?;
        evaluation.end()
    }
}

/// An object under construction. Empty and absent members are omitted.
#[derive(Default)]
struct Members<'a>(Vec<(&'a str, Member<'a>)>);

enum Member<'a> {
    Given(&'a Value),
    Made(Value),
    Text(&'a str),
    Time(Timestamp),
    Texts(&'a [String]),
    Origins(&'a [ArgumentOrigin]),
    Object(Members<'a>),
}

impl<'a> Members<'a> {
    fn of(attributes: &'a [(String, Value)]) -> Self {
        let given = attributes.iter();
        Self(
            given
                .map(|(name, value)| (name.as_str(), Member::Given(value)))
                .collect(),
        )
    }

    fn put(&mut self, name: &'a str, member: Member<'a>) {
        self.0.push((name, member));
    }

    fn text(&mut self, name: &'a str, text: &'a str) {
        if !text.is_empty() {
            self.put(name, Member::Text(text));
        }
    }

    fn time(&mut self, name: &'a str, at: Option<Timestamp>) {
        if let Some(at) = at {
            self.put(name, Member::Time(at));
        }
    }

    fn texts(&mut self, name: &'a str, texts: &'a [String]) {
        if !texts.is_empty() {
            self.put(name, Member::Texts(texts));
        }
    }

    /// Sorts the members by name, an order that every JSON reader can reproduce.
    fn sorted(mut self) -> Self {
        self.0.sort_unstable_by_key(|(name, _)| *name);
        for (_, member) in &mut self.0 {
            if let Member::Object(members) = member {
                *members = std::mem::take(members).sorted();
            }
        }
        self
    }
}

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, member)| (name, member)))
    }
}

impl<'a> Serialize for Member<'a> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(serde::Serialize)]
        struct Origin<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            origin: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            origins: Option<&'a [String]>,
            #[serde(skip_serializing_if = "Option::is_none")]
            part: Option<&'a str>,
            path: &'a str,
        }
        let origin = |it: &'a ArgumentOrigin| {
            let only = match it.origins.as_slice() {
                [only] => Some(only.as_str()),
                _ => None,
            };
            Origin {
                origin: only,
                origins: only.is_none().then_some(&it.origins),
                part: it.part.as_deref(),
                path: &it.path,
            }
        };
        match self {
            Self::Given(value) => value.serialize(serializer),
            Self::Made(value) => value.serialize(serializer),
            Self::Text(text) => text.serialize(serializer),
            Self::Time(at) => at.serialize(serializer),
            Self::Texts(texts) => texts.serialize(serializer),
            Self::Origins(origins) => serializer.collect_seq(origins.iter().map(origin)),
            Self::Object(members) => members.serialize(serializer),
        }
    }
}

fn properties(of: &mut Object) -> Result<Object, json::Error> {
    match of.optional_object("properties")? {
        Some(properties) => Ok(properties),
        None => Object::new(Value::Object(Map::new()), of.at("properties")),
    }
}

/// Derives the kind from the type as sent. A type that names its kind is dropped.
///
/// # Errors
///
/// [`json::Error`] if kind and type are both set and disagree.
pub(super) fn settle_type(principal: &mut Principal) -> Result<(), json::Error> {
    if principal.type_name.is_empty() {
        return Ok(());
    }
    let kind = kind_of(&principal.type_name);
    if principal.kind != PrincipalKind::Unspecified && principal.kind != kind {
        let expected = format!("a type of the kind `{}`", principal.kind.as_str());
        let found = Value::from(principal.type_name.as_str());
        return Err(unexpected("/principal/type".to_owned(), &expected, &found));
    }
    principal.kind = kind;
    if principal.type_name == kind.as_str() {
        principal.type_name.clear();
    }
    Ok(())
}

/// Returns the kind for an AuthZEN subject type.
///
/// AuthZEN leaves subject types open; for other types than ours the kind is unspecified.
pub(super) fn kind_of(subject_type: &str) -> PrincipalKind {
    match subject_type {
        "user" => PrincipalKind::Human,
        other => {
            let other: StrDeserializer<'_, serde::de::value::Error> = other.into_deserializer();
            PrincipalKind::deserialize(other).unwrap_or_default()
        }
    }
}

/// Source of properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// An AuthZEN evaluation, whose author may define properties.
    Evaluation,
    /// The MCP envelope, a format of Portcullis.
    Envelope,
}

impl Format {
    /// Reads a text that other systems use with their own meaning.
    fn text(self, properties: &mut Object, key: &str) -> Result<String, json::Error> {
        match self {
            Self::Evaluation => Ok(properties.text_if_text(key)),
            Self::Envelope => Ok(properties.optional_text(key)?.unwrap_or_default()),
        }
    }
}

/// Reads a principal from its properties.
pub(super) fn principal(
    id: String,
    kind: PrincipalKind,
    mut properties: Object,
    format: Format,
) -> Result<Principal, json::Error> {
    if format == Format::Envelope {
        // The envelope has `id` and `kind` in the same object.
        properties.refuse_alike(&["id", "kind"], |_, _| false)?;
    }
    Ok(Principal {
        id,
        kind,
        type_name: String::new(),
        owner: format.text(&mut properties, "owner")?,
        purpose: format.text(&mut properties, "purpose")?,
        environment: format.text(&mut properties, "environment")?,
        attestation: properties
            .parsed(
                "attestation",
                "`none`, `static-secret`, `bearer-token`, `jwt-svid`, `x509-svid` or `proof-of-possession`",
            )?
            .unwrap_or_default(),
        credential_id: properties.optional_text("credential-id")?.unwrap_or_default(),
        instance: format.text(&mut properties, "instance")?,
        workload_digest: properties
            .optional_text("workload-digest")?
            .unwrap_or_default(),
        credential_issued_at: properties.time("credential-issued-at")?,
        credential_expires_at: properties.time("credential-expires-at")?,
        delegated_by: properties.texts("delegated-by")?.unwrap_or_default(),
        attributes: properties.attributes_but(&PRINCIPAL_MEMBERS, |name, value| {
            format == Format::Evaluation && is_ordinary_of_principals(name, value)
        })?,
    })
}

/// Reads a resource from its properties.
pub(super) fn resource(
    kind: String,
    id: String,
    mut properties: Object,
    format: Format,
) -> Result<Resource, json::Error> {
    if format == Format::Envelope {
        properties.refuse_alike(&["id", "kind"], |_, _| false)?;
    }
    let posture = match format {
        Format::Evaluation if !properties.has_object("posture") => None,
        _ => properties.posture()?,
    };
    Ok(Resource {
        kind,
        id,
        environment: format.text(&mut properties, "environment")?,
        posture,
        attributes: properties.attributes_but(&RESOURCE_MEMBERS, |name, value| {
            format == Format::Evaluation && is_ordinary_of_resources(name, value)
        })?,
    })
}

/// Refuses a text that differs from the one that the gateway vouches for.
pub(super) fn agrees(
    at: &str,
    found: &str,
    vouched_for: &str,
    what: &str,
) -> Result<(), json::Error> {
    match found == vouched_for {
        true => Ok(()),
        false => Err(unexpected(
            at.to_owned(),
            &format!("{what} that the gateway vouches for"),
            &Value::from(found),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> Value {
        json!({
            "subject": {
                "type": "agent", "id": "spiffe://acme.example/agent",
                "properties": {
                    "owner": "team@acme.example", "environment": "prod", "attestation": "jwt-svid",
                    "credential-expires-at": "2026-11-22T10:00:00Z",
                    "delegated-by": ["spiffe://acme.example/boss"], "team": "payments"
                }
            },
            "action": { "name": "issues.create", "properties": { "title": "x" } },
            "resource": {
                "type": "repository", "id": "acme/billing",
                "properties": { "environment": "prod", "posture": { "exposure": "internet", "legacy": true } }
            },
            "context": {
                "integration": "github",
                "intent": { "id": "int-1", "purpose": "p", "expires-at": "2026-11-22T10:00:00Z" },
                "argument-origins": [{ "path": "/title", "origin": "tool:mail" }],
                "supported_obligations": ["notification"],
                "ticket": "T-1"
            },
            "ignored": 1
        })
    }

    fn parse(value: &Value) -> Result<Request, json::Error> {
        Request::from_authzen(value.to_string().as_bytes(), &RequestLimits::default())
    }

    #[test]
    fn every_part_finds_its_place() {
        let request = parse(&whole()).unwrap();
        assert_eq!(request.integration(), "github");
        assert_eq!(request.principal().kind, PrincipalKind::Agent);
        assert_eq!(
            request.principal().attributes,
            [("team".into(), json!("payments"))]
        );
        assert_eq!(request.arguments(), &json!({ "title": "x" }));
        assert_eq!(request.resource().posture.unwrap().legacy, Some(true));
        assert_eq!(request.intent().unwrap().id, "int-1");
        assert_eq!(
            request.origins,
            [ArgumentOrigin::new("/title", "tool:mail")]
        );
        assert_eq!(request.supported_obligations.unwrap(), ["notification"]);
        assert_eq!(request.context, [("ticket".into(), json!("T-1"))]);
    }

    #[test]
    fn the_type_of_a_subject_survives_as_it_was_sent() {
        for (sent, kind, type_name) in [
            ("agent", PrincipalKind::Agent, ""),
            ("user", PrincipalKind::Human, "user"),
            ("User", PrincipalKind::Unspecified, "User"),
            (
                "Acme::Team::User",
                PrincipalKind::Unspecified,
                "Acme::Team::User",
            ),
            ("unspecified", PrincipalKind::Unspecified, ""),
        ] {
            let mut value = whole();
            value["subject"]["type"] = json!(sent);
            let request = parse(&value).unwrap();
            let principal = request.principal();
            assert_eq!(
                (principal.kind, principal.type_name.as_str()),
                (kind, type_name)
            );
            let written = request.to_authzen();
            assert_eq!(written["subject"]["type"], sent);
            assert_eq!(parse(&written), Ok(request));
        }
        let mut forged = whole();
        forged["subject"]["properties"]["type"] = json!("Admin");
        assert!(
            matches!(parse(&forged), Err(json::Error::Unknown { at, .. }) if at == "/subject/properties/type")
        );
        let mut both = Principal {
            kind: PrincipalKind::Agent,
            type_name: "User".to_owned(),
            ..Principal::default()
        };
        assert!(settle_type(&mut both).is_err());
    }

    #[test]
    fn what_is_written_reads_as_the_same_request() {
        let mut value = whole();
        value["subject"]["properties"]["credential-id"] = json!("jti-1");
        value["subject"]["properties"]["credential-issued-at"] = json!("2026-11-22T09:00:00Z");
        value["subject"]["properties"]["instance"] = json!("pod-1");
        value["subject"]["properties"]["workload-digest"] = json!("sha256:1");
        value["context"]["intent"]["documents"] = json!(["a", "b"]);
        value["context"]["session-path"] = json!("machine");
        let request = parse(&value).unwrap();
        assert_eq!(parse(&request.to_authzen()), Ok(request));
        let least = json!({
            "subject": { "type": "x", "id": "a" }, "action": { "name": "b" },
            "resource": { "type": "c", "id": "d" }, "context": { "integration": "e" },
        });
        let request = parse(&least).unwrap();
        assert_eq!(parse(&request.to_authzen()), Ok(request));
    }

    #[test]
    fn says_where_a_member_is_missing_or_wrong() {
        let mandatory = [
            "/subject",
            "/subject/type",
            "/subject/id",
            "/action",
            "/action/name",
            "/resource",
            "/resource/type",
            "/resource/id",
            "/context/integration",
        ];
        for pointer in mandatory {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            let mut missing = whole();
            missing
                .pointer_mut(parent)
                .unwrap()
                .as_object_mut()
                .unwrap()
                .remove(key);
            assert!(
                matches!(parse(&missing), Err(json::Error::Missing { at, .. }) if at == pointer),
                "{pointer}"
            );
        }
        let typed = [
            "/subject/id",
            "/subject/properties/attestation",
            "/subject/properties/delegated-by",
            "/subject/properties/delegated-by/0",
            "/subject/properties/credential-expires-at",
            "/action/properties",
            "/resource/properties",
            "/resource/properties/posture/exposure",
            "/context/intent",
            "/context/intent/expires-at",
            "/context/argument-origins/0/origin",
            "/context/supported_obligations",
        ];
        for pointer in typed {
            let mut wrong = whole();
            *wrong.pointer_mut(pointer).unwrap() = json!(7);
            let Err(json::Error::Unexpected { at, .. }) = parse(&wrong) else {
                panic!("{pointer} is not refused");
            };
            assert!(pointer.starts_with(&at), "{pointer}: {at}");
        }
    }

    #[test]
    fn a_word_is_text_and_no_object_of_that_name() {
        for (pointer, word) in [
            ("/subject/properties/attestation", "x509-svid"),
            ("/resource/properties/posture/health", "healthy"),
            ("/resource/properties/posture/exposure", "internal"),
            ("/context/session-path", "machine"),
        ] {
            let (object, key) = pointer.rsplit_once('/').unwrap();
            let with = |value: Value| {
                let mut changed = whole();
                changed.pointer_mut(object).unwrap()[key] = value;
                parse(&changed)
            };
            assert!(with(json!(word)).is_ok(), "{pointer}");
            for other in [json!({ word: null }), json!({ word: {} }), json!([word])] {
                let Err(json::Error::Unexpected { at, .. }) = with(other) else {
                    panic!("{pointer} is not refused");
                };
                assert_eq!(at, pointer);
            }
        }
    }

    #[test]
    fn an_attribute_that_was_meant_to_be_a_member_is_refused() {
        for (object, key) in [
            ("/subject/properties", "credential_expires_at"),
            ("/subject/properties", "Delegated-By"),
            ("/resource/properties", "Posture"),
            ("/context", "supported-obligations"),
            ("/context", "argument_origins"),
        ] {
            let mut wrong = whole();
            // With both spellings, the keys would be refused as alike.
            let (parent, members) = object.rsplit_once('/').unwrap();
            let meant = key.to_lowercase();
            let holder = wrong.pointer_mut(parent).unwrap()[members].as_object_mut();
            holder.unwrap().remove(&meant);
            wrong.pointer_mut(object).unwrap()[key] = json!("2000-01-01T00:00:00Z");
            let pointer = format!("{object}/{key}");
            assert!(
                matches!(parse(&wrong), Err(json::Error::Unknown { at, .. }) if at == pointer),
                "{key}"
            );
        }
    }

    #[test]
    fn an_argument_has_one_stated_origin() {
        let mut wrong = whole();
        wrong["context"]["argument-origins"] =
            json!([{ "path": "/to", "origin": "tool:mail" }, { "path": "/to", "origin": "user" }]);
        let at = "/context/argument-origins/1/path".to_owned();
        assert_eq!(parse(&wrong), Err(json::Error::DuplicateKey { at }));
    }

    #[test]
    fn a_misspelt_member_of_our_own_is_not_overlooked() {
        let mut wrong = whole();
        wrong["context"]["intent"]["expires"] = json!("2026-11-22T10:00:00Z");
        assert!(
            matches!(parse(&wrong), Err(json::Error::Unknown { at, .. }) if at == "/context/intent/expires")
        );
    }

    #[test]
    fn a_batch_is_pointed_to_the_call_for_it() {
        let mut batch = whole();
        batch["evaluations"] =
            json!([{ "resource": { "type": "repository", "id": "acme/payroll" } }]);
        let Err(json::Error::NotHere { at, why }) = parse(&batch) else {
            panic!("a batch is not one request");
        };
        assert_eq!(at, "/evaluations");
        assert!(why.contains("Request::batch_from_authzen"));
        let limits = RequestLimits::default();
        let read = |batch: &Value| {
            let json = batch.to_string();
            Request::batch_from_authzen(json.as_bytes(), &DefaultIntegrations::default(), &limits)
        };
        batch["evaluations"] = json!([
            {},
            { "resource": { "type": "repository", "id": "acme/payroll" } },
            { "action": { "name": "repos.delete" }, "context": { "integration": "other" } },
            { "subject": { "type": "agent" } },
            { "evaluations": [{}] },
            "x",
        ]);
        let requests = read(&batch).unwrap();
        assert_eq!(requests[0], parse(&whole()));
        let second = requests[1].as_ref().unwrap();
        assert_eq!(second.resource().id, "acme/payroll");
        assert_eq!(second.action(), "issues.create");
        let third = requests[2].as_ref().unwrap();
        assert_eq!(
            (third.action(), third.integration()),
            ("repos.delete", "other")
        );
        assert!(third.intent().is_none(), "a context is replaced as a whole");
        assert!(requests[3..].iter().all(Result::is_err));
        batch["evaluations"] = json!([]);
        assert_eq!(read(&batch).unwrap(), [parse(&whole())]);
        batch["evaluations"] = json!({ "1": {} });
        assert!(read(&batch).is_err());
        for odd in [json!({ "1": {} }), json!(null), json!("x"), json!([{}])] {
            batch["evaluations"] = odd;
            assert!(matches!(parse(&batch), Err(json::Error::NotHere { .. })));
        }
        batch["Evaluations"] = json!([]);
        assert!(parse(&batch).is_err());
        batch.as_object_mut().unwrap().remove("Evaluations");
        // The standard treats an empty list as absent.
        let mut single = whole();
        single["evaluations"] = json!([]);
        single["options"] = json!({ "evaluations_semantic": "execute_all" });
        assert_eq!(parse(&single), parse(&whole()));
    }

    #[test]
    fn unknown_members_are_ignored_unless_another_reader_knows_them() {
        let mut later = whole();
        later["futureField"] = json!({ "nested": true });
        later["message"] = json!({ "jsonrpc": "2.0" });
        later["subject"]["identity"] = json!("x");
        later["action"]["method"] = json!("POST");
        later["resource"]["ownerID"] = json!("y");
        assert_eq!(parse(&later), parse(&whole()));
        for (pointer, value) in [
            ("/Subject", json!({})),
            ("/ACTION", json!({ "name": "repos.delete" })),
            ("/re source", json!({})),
            ("/intent", json!({ "id": "int-1" })),
            ("/integration", json!("other")),
            ("/argument_origins", json!([])),
            ("/subject/ID", json!("spiffe://acme.example/lead")),
            ("/subject/Properties", json!({})),
            ("/subject/delegated-by", json!([])),
            ("/subject/attestation", json!("none")),
            ("/action/Name", json!("repos.delete")),
            ("/action/\u{ff50}roperties", json!({})),
            ("/action/arguments", json!({ "force": true })),
            ("/resource/_id", json!("acme/payroll")),
            ("/resource/posture", json!({})),
            ("/resource/environment", json!("prod")),
            ("/resource/Environment", json!(["prod"])),
            ("/subject/environment", json!("dev")),
            ("/subject/owner", json!("team@acme.example")),
            ("/subject/purpose", json!("x")),
            ("/subject/instance", json!("pod-1")),
        ] {
            let mut wrong = whole();
            let (object, key) = pointer.rsplit_once('/').unwrap();
            wrong.pointer_mut(object).unwrap()[key] = value;
            match parse(&wrong) {
                Err(json::Error::AlikeKeys { .. } | json::Error::Unknown { .. }) => {}
                other => panic!("{pointer}: {other:?}"),
            }
        }
    }

    #[test]
    fn ordinary_properties_never_void_a_request() {
        let mut ordinary = whole();
        ordinary["subject"]["properties"] = json!({
            "id": 7, "kind": "employee", "purpose": ["a", "b"], "owner": { "id": "x" },
            "environment": null, "instance": 3, "role": "admin",
        });
        ordinary["resource"]["properties"] = json!({
            "id": "x", "kind": "todo", "environment": 7, "posture": "good", "ownerID": "y",
        });
        let request = parse(&ordinary).unwrap();
        // The host reads none of them as its own members.
        let principal = request.principal();
        for text in [
            &principal.purpose,
            &principal.owner,
            &principal.environment,
            &principal.instance,
            &request.resource().environment,
        ] {
            assert_eq!(text, "");
        }
        assert_eq!(request.resource().posture, None);
        assert_eq!(principal.id, "spiffe://acme.example/agent");
        assert_eq!(principal.kind, PrincipalKind::Agent);
        assert_eq!(principal.attributes.len(), 7);
        assert_eq!(request.resource().attributes.len(), 5);
        // The recorded form reads as the same request.
        assert_eq!(parse(&request.to_authzen()), Ok(request));
        // Members that only Portcullis defines are never ordinary.
        for (key, value) in [
            ("delegated-by", json!("x")),
            ("credential-id", json!(7)),
            ("attestation", json!("strong")),
            ("intent", json!("int-1")),
            ("Owner", json!("x")),
        ] {
            let mut wrong = whole();
            wrong["subject"]["properties"]
                .as_object_mut()
                .unwrap()
                .remove("owner");
            wrong["subject"]["properties"][key] = value;
            assert!(parse(&wrong).is_err(), "{key}");
        }
    }

    #[test]
    fn a_request_that_names_no_integration_is_for_the_default_one() {
        let limits = RequestLimits::default();
        let defaults = DefaultIntegrations::default()
            .any("todo")
            .resource_type("route", "gateway");
        let read = |value: &Value| {
            Request::from_authzen_for(value.to_string().as_bytes(), &defaults, &limits)
        };
        let mut plain = json!({
            "subject": { "type": "user", "id": "rick@the-citadel.com" },
            "action": { "name": "can_read_todos" },
            "resource": { "type": "todo", "id": "todo-1" },
        });
        assert_eq!(read(&plain).unwrap().integration(), "todo");
        plain["context"] = json!({ "time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1" });
        assert_eq!(read(&plain).unwrap().integration(), "todo");
        plain["resource"]["type"] = json!("route");
        assert_eq!(read(&plain).unwrap().integration(), "gateway");
        plain["context"]["integration"] = json!("github");
        assert_eq!(read(&plain).unwrap().integration(), "github");
        for wrong in [json!(7), json!(null), json!("")] {
            plain["context"]["integration"] = wrong;
            assert!(read(&plain).is_err());
        }
        plain.as_object_mut().unwrap().remove("context");
        assert!(
            matches!(parse(&plain), Err(json::Error::Missing { at, .. }) if at == "/context/integration")
        );
    }
}
