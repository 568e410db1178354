//! Builds the input document from a request.

use crate::{Manifest, Request};
use portcullis_sdk::{Attribute, Intent, Json, Posture, Principal, Resource};
use regorus::Value;
use serde::Serialize;
use std::collections::BTreeMap;

/// Returns the input document for `request`, whose arguments are `arguments`.
///
/// Members have the contract's names, and unknown values are left out.
///
/// # Errors
///
/// If an attribute is not JSON, which the host never sends.
pub(crate) fn input(request: &Request, arguments: Json) -> Result<Value, serde_json::Error> {
    let mut input = Object::default();
    input.put("integration", request.integration());
    input.put("principal", principal(&request.principal())?);
    if let Some(approved) = request.intent() {
        input.put("intent", intent(&approved));
    }
    let mut action = Object::default();
    action.put("name", request.action().name());
    action.put("class", request.action().class().as_str());
    action.put("arguments", of_json(arguments));
    let origins = request.action().origins().iter().map(|it| {
        let mut of_argument = Object::default();
        of_argument.put("path", it.path.as_str());
        if let Some(part) = &it.part {
            of_argument.put("part", part.as_str());
        }
        let origins = it.origins.iter().map(|origin| Value::from(origin.as_str()));
        of_argument.put("origins", origins.collect::<Vec<_>>());
        of_argument.value()
    });
    action.put("origins", origins.collect::<Vec<_>>());
    input.put("action", action.value());
    input.put("resource", resource(&request.resource())?);
    if let Some(now) = request.now() {
        input.put("now", now.as_millis());
    }
    input.put("context", attributes(request.circumstances())?);
    Ok(input.value())
}

fn principal(principal: &Principal<'_, Manifest>) -> Result<Value, serde_json::Error> {
    let mut object = Object::default();
    object.put_known("id", principal.id());
    object.put("kind", word(principal.kind())?);
    object.put_known("owner", principal.owner());
    object.put_known("purpose", principal.purpose());
    object.put_known("environment", principal.environment());
    object.put("attestation", principal.attestation().as_str());
    if let Some(expires_at) = principal.credential_expires_at() {
        object.put("credential-expires-at", expires_at.as_millis());
    }
    let delegators = principal.delegated_by().iter();
    let delegators: Vec<_> = delegators.map(|id| Value::from(id.as_str())).collect();
    object.put("delegated-by", delegators);
    object.put("attributes", attributes(principal.attributes())?);
    Ok(object.value())
}

fn intent(intent: &Intent<'_, Manifest>) -> Value {
    let mut object = Object::default();
    object.put_known("id", intent.id());
    object.put_known("purpose", intent.purpose());
    object.put_known("approved-by", intent.approved_by());
    if let Some(expires_at) = intent.expires_at() {
        object.put("expires-at", expires_at.as_millis());
    }
    if let Some(uses) = intent.remaining_uses() {
        object.put("remaining-uses", uses);
    }
    object.value()
}

fn resource(resource: &Resource<'_, Manifest>) -> Result<Value, serde_json::Error> {
    let mut object = Object::default();
    object.put("kind", resource.kind());
    object.put("id", resource.id());
    object.put_known("environment", resource.environment());
    if let Some(seen) = resource.posture() {
        object.put("posture", posture(seen)?);
    }
    object.put("attributes", attributes(resource.attributes())?);
    Ok(object.value())
}

fn posture(posture: Posture) -> Result<Value, serde_json::Error> {
    let mut object = Object::default();
    object.put("exposure", word(posture.exposure)?);
    object.put("health", word(posture.health)?);
    for (name, is_so) in [
        ("privileged", posture.privileged),
        ("legacy", posture.legacy),
        ("drifted", posture.drifted),
    ] {
        if let Some(is_so) = is_so {
            object.put(name, is_so);
        }
    }
    if let Some(observed_at) = posture.observed_at {
        object.put("observed-at", observed_at.as_millis());
    }
    Ok(object.value())
}

fn attributes(attributes: &[Attribute]) -> Result<Value, serde_json::Error> {
    let mut object = Object::default();
    for Attribute { name, value } in attributes {
        let value = match value {
            portcullis_sdk::Value::Text(text) => Value::from(text.as_str()),
            portcullis_sdk::Value::Integer(integer) => whole(*integer),
            portcullis_sdk::Value::Boolean(boolean) => Value::from(*boolean),
            portcullis_sdk::Value::Texts(texts) => {
                let texts = texts.iter().map(|text| Value::from(text.as_str()));
                Value::from(texts.collect::<Vec<_>>())
            }
            portcullis_sdk::Value::Json(json) => of_json(serde_json::from_str(json)?),
        };
        object.put(name, value);
    }
    Ok(object.value())
}

/// Converts a JSON value to a Rego value, member by member.
///
/// The reader of `regorus` takes an object with a certain member for a number, and the caller controls the
/// arguments.
pub(crate) fn of_json(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(boolean) => Value::from(boolean),
        Json::String(text) => Value::from(text),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(integer), _, _) => whole(integer),
            (None, Some(natural), _) => Value::from(natural),
            (None, None, float) => float.map_or(Value::Undefined, Value::from),
        },
        Json::Array(items) => Value::from(items.into_iter().map(of_json).collect::<Vec<_>>()),
        Json::Object(members) => {
            let members = members.into_iter();
            let members = members.map(|(key, member)| (Value::from(key), of_json(member)));
            Value::from(members.collect::<BTreeMap<_, _>>())
        }
    }
}

/// Returns a whole number in the representation that `regorus` itself parses it to.
fn whole(integer: i64) -> Value {
    match u64::try_from(integer) {
        Ok(natural) => Value::from(natural),
        Err(_) => Value::from(integer),
    }
}

/// Returns a term of the contract as text, such as `break-glass`.
fn word(term: impl Serialize) -> Result<Value, serde_json::Error> {
    serde_json::to_value(term).map(of_json)
}

/// Builder of an object.
#[derive(Default)]
struct Object(BTreeMap<Value, Value>);

impl Object {
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(Value::from(name), value.into());
    }

    /// Adds `text` if it is known. A missing member is undefined, and equals nothing.
    fn put_known(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.put(name, text);
        }
    }

    fn value(self) -> Value {
        Value::from(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_sdk::{
        ActionClass, ArgumentOrigin, Attestation, Exposure, Fields, Health, PrincipalKind,
        Timestamp, fields, json,
    };

    #[test]
    fn every_part_of_a_request_finds_its_place() {
        let attribute = |name: &str, value| Attribute {
            name: name.to_owned(),
            value,
        };
        let mut fields = Fields {
            integration: "github".into(),
            now: Some(Timestamp::from_millis(3)),
            context: vec![attribute(
                "risk",
                portcullis_sdk::Value::Json("{\"score\":0.5}".to_owned()),
            )],
            ..Fields::default()
        };
        fields.principal = fields::Principal {
            id: "spiffe://acme.example/agent/fixer".into(),
            kind: PrincipalKind::BreakGlass,
            owner: "team@acme.example".into(),
            attestation: Attestation::X509Svid,
            credential_expires_at: Some(Timestamp::from_millis(4)),
            delegated_by: vec!["spiffe://acme.example/agent/lead".to_owned()],
            attributes: vec![attribute("level", portcullis_sdk::Value::Integer(-1))],
            ..fields::Principal::default()
        };
        fields.intent = Some(fields::Intent {
            id: "int-1".into(),
            remaining_uses: Some(2),
            ..fields::Intent::default()
        });
        fields.action.name = "git.push".into();
        fields.action.class = ActionClass::Write;
        fields.action.origins = vec![ArgumentOrigin::new("/to", "user").or("tool:mail#/0/sender")];
        fields.resource = fields::Resource {
            kind: "repository".into(),
            id: "acme/billing".into(),
            environment: "prod".into(),
            posture: Some(Posture {
                exposure: Exposure::Internet,
                health: Health::Healthy,
                legacy: Some(true),
                ..Posture::default()
            }),
            attributes: Vec::new(),
        };
        let input = input(&fields.into(), json!({ "to": ["x"], "n": null })).unwrap();
        let expected = json!({
            "integration": "github",
            "principal": {
                "id": "spiffe://acme.example/agent/fixer",
                "kind": "break-glass",
                "owner": "team@acme.example",
                "attestation": "x509-svid",
                "credential-expires-at": 4,
                "delegated-by": ["spiffe://acme.example/agent/lead"],
                "attributes": { "level": -1 },
            },
            "intent": { "id": "int-1", "remaining-uses": 2 },
            "action": {
                "name": "git.push",
                "class": "write",
                "arguments": { "to": ["x"], "n": null },
                "origins": [{ "path": "/to", "origins": ["user", "tool:mail#/0/sender"] }],
            },
            "resource": {
                "kind": "repository",
                "id": "acme/billing",
                "environment": "prod",
                "posture": { "exposure": "internet", "health": "healthy", "legacy": true },
                "attributes": {},
            },
            "now": 3,
            "context": { "risk": { "score": 0.5 } },
        });
        assert_eq!(input, Value::from_json_str(&expected.to_string()).unwrap());
    }

    #[test]
    fn a_caller_cannot_make_a_number_of_an_object() {
        let json = json!({ "$serde_json::private::Number": "5" });
        let read = of_json(json);
        assert_eq!(read["$serde_json::private::Number"], Value::from("5"));
    }
}
