//! AuthZEN 1.0 evaluation requests (section 6.1).

use super::{Principal, Request, RequestError, Resource};
use crate::Timestamp;
use crate::limits::RequestLimits;
use crate::object::Object;
use portcullis_contract::PrincipalKind;
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::StrDeserializer;
use serde::ser::{Serialize, SerializeStruct as _, Serializer};
use serde_json::{Map, Value, json};

/// What the host itself reads of a context, wherever it is.
pub(crate) const CONTEXT_MEMBERS: [&str; 5] = [
    "session-path",
    "integration",
    "intent",
    "argument-origins",
    "supported_obligations",
];
pub(crate) const PRINCIPAL_MEMBERS: [&str; 14] = [
    "type",
    "instance",
    "workload-digest",
    "credential-id",
    "credential-issued-at",
    "id",
    "kind",
    "owner",
    "purpose",
    "environment",
    "attestation",
    "credential-expires-at",
    "delegated-by",
    "intent",
];
pub(crate) const RESOURCE_MEMBERS: [&str; 4] = ["kind", "id", "environment", "posture"];

/// Reads an evaluation. As the standard asks, members that it does not know are ignored at the top
/// level and in `subject`, `action` and `resource`.
pub(super) fn read(json: Value, limits: &RequestLimits) -> Result<Request, RequestError> {
    let mut evaluation = Object::new(json, "")?;
    let mut subject = evaluation.object("subject")?;
    let mut action = evaluation.object("action")?;
    let mut resource = evaluation.object("resource")?;
    let mut context = evaluation.object("context")?;

    let integration = context.text("integration")?;
    let kind = subject.text("type")?;
    let principal = Principal {
        type_name: kind,
        ..principal(
            subject.text("id")?,
            PrincipalKind::Unspecified,
            properties(&mut subject)?,
        )?
    };
    let resource = self::resource(
        resource.text("type")?,
        resource.text("id")?,
        properties(&mut resource)?,
    )?;
    let mut builder = Request::builder(integration, principal, action.text("name")?, resource);
    if let Some(arguments) = action.take("properties") {
        let arguments = Object::new(arguments, action.at("properties"))?;
        builder = builder.arguments(Value::Object(Map::from_iter(arguments.rest())));
    }
    if let Some(intent) = context.intent()? {
        builder = builder.intent(intent);
    }
    builder = builder.argument_origins(context.origins()?);
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

/// Refuses attributes and circumstances that are called as something of its own is: written, they
/// would read as that.
pub(super) fn refuse_reserved(
    principal: &[(String, Value)],
    resource: &[(String, Value)],
    context: &[(String, Value)],
) -> Result<(), RequestError> {
    let refuse = |at: &str, attributes: &[(String, Value)], reserved: &[&str]| {
        let named = |(name, _): &&(String, Value)| reserved.contains(&name.as_str());
        match attributes.iter().find(named) {
            None => Ok(()),
            Some((name, _)) => Err(RequestError::Unknown {
                at: format!("{at}/{name}"),
                expected: format!("`{name}` has a place of its own"),
            }),
        }
    };
    refuse("/principal/attributes", principal, &PRINCIPAL_MEMBERS)?;
    refuse("/resource/attributes", resource, &RESOURCE_MEMBERS)?;
    refuse("/context", context, &CONTEXT_MEMBERS)
}

/// A request as the evaluation that reads as the same request. It borrows from the request, since each
/// decision that is recorded writes one.
pub(crate) struct Written<'a> {
    request: &'a Request,
    subject: Members<'a>,
    resource: Members<'a>,
    context: Members<'a>,
}

impl<'a> Written<'a> {
    pub(crate) fn new(request: &'a Request) -> Self {
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

/// An object in the making. What is empty or absent is left out.
#[derive(Default)]
struct Members<'a>(Vec<(&'a str, Member<'a>)>);

enum Member<'a> {
    Given(&'a Value),
    Made(Value),
    Text(&'a str),
    Time(Timestamp),
    Texts(&'a [String]),
    Origins(&'a [(String, String)]),
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

    /// In the order that every reader of JSON can give them again.
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

impl Serialize for Member<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(serde::Serialize)]
        struct Origin<'a> {
            origin: &'a str,
            path: &'a str,
        }
        match self {
            Self::Given(value) => value.serialize(serializer),
            Self::Made(value) => value.serialize(serializer),
            Self::Text(text) => text.serialize(serializer),
            Self::Time(at) => at.serialize(serializer),
            Self::Texts(texts) => texts.serialize(serializer),
            Self::Origins(origins) => {
                serializer.collect_seq(origins.iter().map(|(path, origin)| Origin { origin, path }))
            }
            Self::Object(members) => members.serialize(serializer),
        }
    }
}

fn properties(of: &mut Object) -> Result<Object, RequestError> {
    match of.optional_object("properties")? {
        Some(properties) => Ok(properties),
        None => Object::new(Value::Object(Map::new()), of.at("properties")),
    }
}

/// Reads the kind from the type as sent. The name of a kind is kept as the kind alone.
///
/// # Errors
///
/// [`RequestError`] if there are both, and the type is of another kind.
pub(super) fn settle_type(principal: &mut Principal) -> Result<(), RequestError> {
    if principal.type_name.is_empty() {
        return Ok(());
    }
    let kind = kind_of(&principal.type_name);
    if principal.kind != PrincipalKind::Unspecified && principal.kind != kind {
        let expected = format!("a type of the kind `{}`", principal.kind.as_str());
        let found = Value::from(principal.type_name.as_str());
        return Err(crate::object::unexpected(
            "/principal/type".to_owned(),
            &expected,
            &found,
        ));
    }
    principal.kind = kind;
    if principal.type_name == kind.as_str() {
        principal.type_name.clear();
    }
    Ok(())
}

/// AuthZEN leaves the types of subjects open; those that are no kind of ours stay unspecified.
fn kind_of(subject_type: &str) -> PrincipalKind {
    match subject_type {
        "user" => PrincipalKind::Human,
        other => {
            let other: StrDeserializer<'_, serde::de::value::Error> = other.into_deserializer();
            PrincipalKind::deserialize(other).unwrap_or_default()
        }
    }
}

/// The principal from its properties.
pub(super) fn principal(
    id: String,
    kind: PrincipalKind,
    mut properties: Object,
) -> Result<Principal, RequestError> {
    Ok(Principal {
        id,
        kind,
        type_name: String::new(),
        owner: properties.optional_text("owner")?.unwrap_or_default(),
        purpose: properties.optional_text("purpose")?.unwrap_or_default(),
        environment: properties.optional_text("environment")?.unwrap_or_default(),
        attestation: properties
            .parsed(
                "attestation",
                "`none`, `static-secret`, `bearer-token`, `jwt-svid`, `x509-svid` or `proof-of-possession`",
            )?
            .unwrap_or_default(),
        credential_id: properties.optional_text("credential-id")?.unwrap_or_default(),
        instance: properties.optional_text("instance")?.unwrap_or_default(),
        workload_digest: properties
            .optional_text("workload-digest")?
            .unwrap_or_default(),
        credential_issued_at: properties.time("credential-issued-at")?,
        credential_expires_at: properties.time("credential-expires-at")?,
        delegated_by: properties.texts("delegated-by")?.unwrap_or_default(),
        attributes: properties.attributes(&PRINCIPAL_MEMBERS)?,
    })
}

/// The resource from its properties.
pub(super) fn resource(
    kind: String,
    id: String,
    mut properties: Object,
) -> Result<Resource, RequestError> {
    Ok(Resource {
        kind,
        id,
        environment: properties.optional_text("environment")?.unwrap_or_default(),
        posture: properties.posture()?,
        attributes: properties.attributes(&RESOURCE_MEMBERS)?,
    })
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

    fn parse(value: &Value) -> Result<Request, RequestError> {
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
        assert_eq!(request.origins, [("/title".into(), "tool:mail".into())]);
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
            matches!(parse(&forged), Err(RequestError::Unknown { at, .. }) if at == "/subject/properties/type")
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
            "/context",
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
                matches!(parse(&missing), Err(RequestError::Missing { at, .. }) if at == pointer),
                "{pointer}"
            );
        }
        let typed = [
            "/subject/id",
            "/subject/properties/attestation",
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
            let Err(RequestError::Unexpected { at, .. }) = parse(&wrong) else {
                panic!("{pointer} is not refused");
            };
            assert!(pointer.starts_with(&at), "{pointer}: {at}");
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
            wrong.pointer_mut(object).unwrap()[key] = json!("2000-01-01T00:00:00Z");
            let pointer = format!("{object}/{key}");
            assert!(
                matches!(parse(&wrong), Err(RequestError::Unknown { at, .. }) if at == pointer),
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
        assert_eq!(parse(&wrong), Err(RequestError::DuplicateKey { at }));
    }

    #[test]
    fn a_misspelt_member_of_our_own_is_not_overlooked() {
        let mut wrong = whole();
        wrong["context"]["intent"]["expires"] = json!("2026-11-22T10:00:00Z");
        assert!(
            matches!(parse(&wrong), Err(RequestError::Unknown { at, .. }) if at == "/context/intent/expires")
        );
    }
}
