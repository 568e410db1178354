//! Members that the host reads, and attributes that would be read as one of them.

use crate::json;
use crate::object::reads_alike;
use crate::request::{Principal, Resource};
use portcullis_contract::escape_key;
use serde_json::Value;

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

/// Refuses attributes and context members with reserved names.
///
/// A name that reads like a reserved one is also refused.
///
/// In a written evaluation, they would be read as the reserved member.
pub(crate) fn refuse_reserved(
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

pub(super) fn is_ordinary_of_principals(name: &str, value: &Value) -> bool {
    ORDINARY_TEXTS.contains(&name) && !value.is_string()
}

pub(super) fn is_ordinary_of_resources(name: &str, value: &Value) -> bool {
    match name {
        "posture" => !value.is_object(),
        _ => !value.is_string(),
    }
}
