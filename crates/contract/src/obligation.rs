//! Required properties of the obligation kinds that a standard defines.

use serde_json::Value;

/// An obligation kind of the AuthZEN obligations profile and its required properties.
///
/// Each required property is a text that is not empty.
struct Standard {
    kind: &'static str,
    required: &'static [&'static str],
}

/// Kinds that the profile defines. `custom` is absent because it has no required properties.
const PROFILE: [Standard; 3] = [
    Standard {
        kind: "notification",
        required: &["to", "body"],
    },
    Standard {
        kind: "step-up",
        required: &["acr_value"],
    },
    Standard {
        kind: "session_termination",
        required: &["subject"],
    },
];

/// Violation of the AuthZEN obligations profile.
///
/// An enforcement point that follows the profile cannot carry out such an obligation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ObligationError {
    /// The obligation's properties are not a JSON object.
    #[error("the properties of an obligation are an object")]
    NotAnObject,
    /// A required property is missing or has the wrong type.
    #[error("`{kind}` needs the property `{property}`, a text (AuthZEN obligations profile)")]
    Missing {
        /// The obligation's kind.
        kind: &'static str,
        /// Name of the property.
        property: &'static str,
    },
    /// An optional property has the wrong type.
    #[error("the property `{property}` of `{kind}` is {expected} (AuthZEN obligations profile)")]
    Unexpected {
        /// The obligation's kind.
        kind: &'static str,
        /// Name of the property.
        property: &'static str,
        /// Required type of the property.
        expected: &'static str,
    },
}

/// Checks an obligation's properties against the AuthZEN obligations profile.
///
/// Kinds that the profile does not define are not checked. An enforcement point that follows the profile
/// denies a request if it cannot carry out an obligation.
///
/// # Errors
///
/// [`ObligationError`], which names the property.
pub fn check_obligation(kind: &str, properties: &Value) -> Result<(), ObligationError> {
    let Some(members) = properties.as_object() else {
        return Err(ObligationError::NotAnObject);
    };
    let Some(standard) = PROFILE.iter().find(|standard| standard.kind == kind) else {
        return Ok(());
    };
    let kind = standard.kind;
    let is_text = |property: &str| {
        let text = members.get(property).and_then(Value::as_str);
        text.is_some_and(|text| !text.is_empty())
    };
    let mut required = standard.required.iter().copied();
    if let Some(property) = required.find(|property| !is_text(property)) {
        return Err(ObligationError::Missing { kind, property });
    }
    let optional = match kind {
        "notification" => members
            .get("topic")
            .filter(|topic| !topic.is_string())
            .map(|_| ("topic", "a text")),
        "step-up" => members
            .get("amr_values")
            .filter(|values| {
                let items = values.as_array();
                !items.is_some_and(|items| items.iter().all(Value::is_string))
            })
            .map(|_| ("amr_values", "a list of texts")),
        _ => None,
    };
    match optional {
        None => Ok(()),
        Some((property, expected)) => Err(ObligationError::Unexpected {
            kind,
            property,
            expected,
        }),
    }
}

/// Required properties of an obligation of `kind` in the AuthZEN obligations profile.
///
/// Empty if the profile does not define `kind`.
pub fn required_properties(kind: &str) -> &'static [&'static str] {
    let standard = PROFILE.iter().find(|standard| standard.kind == kind);
    standard.map_or(&[], |standard| standard.required)
}

/// Kinds of obligation that the AuthZEN obligations profile defines.
pub fn profile_kinds() -> impl Iterator<Item = &'static str> {
    let defined = PROFILE.iter().map(|standard| standard.kind);
    defined.chain(["custom"])
}

/// Returns the AuthZEN obligation kind that `kind` misspells.
///
/// For example, `step_up` misspells `step-up`.
pub fn misspelt_obligation(kind: &str) -> Option<&'static str> {
    fn letters(kind: &str) -> impl Iterator<Item = u8> {
        let letters = kind.bytes().filter(u8::is_ascii_alphanumeric);
        letters.map(|letter| letter.to_ascii_lowercase())
    }
    profile_kinds().find(|known| *known != kind && letters(known).eq(letters(kind)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn holds_the_profiles_kinds_to_what_they_need() {
        for (kind, properties) in [
            ("notification", json!({ "to": "owner", "body": "x" })),
            (
                "notification",
                json!({ "to": "owner", "body": "x", "topic": "t", "more": 1 }),
            ),
            ("step-up", json!({ "acr_value": "phr" })),
            (
                "step-up",
                json!({ "acr_value": "phr", "amr_values": ["hwk"] }),
            ),
            ("session_termination", json!({ "subject": "a" })),
            ("custom", json!({})),
            ("log-full", json!({ "to": 1 })),
        ] {
            assert_eq!(check_obligation(kind, &properties), Ok(()), "{kind}");
        }
        for (kind, properties) in [
            ("notification", json!({ "to": "owner" })),
            ("notification", json!({ "body": "x" })),
            ("notification", json!({ "to": "", "body": "x" })),
            ("notification", json!({ "to": ["owner"], "body": "x" })),
            (
                "notification",
                json!({ "to": "owner", "body": "x", "topic": 1 }),
            ),
            ("step-up", json!({ "acr": "phr" })),
            (
                "step-up",
                json!({ "acr_value": "phr", "amr_values": "hwk" }),
            ),
            ("session_termination", json!({})),
            ("log-full", json!([])),
        ] {
            assert!(
                check_obligation(kind, &properties).is_err(),
                "{kind} {properties}"
            );
        }
    }

    #[test]
    fn knows_the_profiles_kinds_in_another_spelling() {
        for (kind, meant) in [
            ("step_up", Some("step-up")),
            ("StepUp", Some("step-up")),
            ("Notification", Some("notification")),
            ("session-termination", Some("session_termination")),
            ("Custom", Some("custom")),
            ("step-up", None),
            ("log-full", None),
        ] {
            assert_eq!(misspelt_obligation(kind), meant);
        }
    }
}
