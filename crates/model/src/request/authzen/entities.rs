//! Principals and resources, from their properties in an evaluation or an envelope.

use super::reserved::{
    PRINCIPAL_MEMBERS, RESOURCE_MEMBERS, is_ordinary_of_principals, is_ordinary_of_resources,
};
use crate::json;
use crate::object::{Object, unexpected};
use crate::request::{Principal, Resource};
use portcullis_contract::PrincipalKind;
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::StrDeserializer;
use serde_json::Value;

/// Derives the kind from the type as sent. A type that names its kind is dropped.
///
/// # Errors
///
/// [`json::Error`] if kind and type are both set and disagree.
pub(crate) fn settle_type(principal: &mut Principal) -> Result<(), json::Error> {
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
pub(crate) fn kind_of(subject_type: &str) -> PrincipalKind {
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
pub(crate) enum Format {
    /// An AuthZEN evaluation, whose author may define properties.
    Evaluation,
    /// The MCP envelope, a format of Portcullis.
    Envelope,
}

impl Format {
    /// Reads a text that other systems use with their own meaning.
    pub(super) fn text(self, properties: &mut Object, key: &str) -> Result<String, json::Error> {
        match self {
            Self::Evaluation => Ok(properties.text_if_text(key)),
            Self::Envelope => Ok(properties.optional_text(key)?.unwrap_or_default()),
        }
    }
}

/// Reads a principal from its properties.
pub(crate) fn principal(
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
pub(crate) fn resource(
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
pub(crate) fn agrees(
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
