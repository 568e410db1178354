//! Writes a request as an evaluation that reads as the same request.

use crate::request::Request;
use crate::timestamp::Timestamp;
use portcullis_contract::ArgumentOrigin;
use serde::ser::{Serialize, SerializeStruct as _, Serializer};
use serde_json::{Value, json};

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
    pub(super) fn of(attributes: &'a [(String, Value)]) -> Self {
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

    pub(super) fn text(&mut self, name: &'a str, text: &'a str) {
        if !text.is_empty() {
            self.put(name, Member::Text(text));
        }
    }

    pub(super) fn time(&mut self, name: &'a str, at: Option<Timestamp>) {
        if let Some(at) = at {
            self.put(name, Member::Time(at));
        }
    }

    pub(super) fn texts(&mut self, name: &'a str, texts: &'a [String]) {
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
