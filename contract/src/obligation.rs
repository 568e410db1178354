//! What obligations of the kinds that a standard defines consist of.

use serde_json::Value;

/// A kind of obligation of the AuthZEN obligations profile, with the properties that it needs: texts that are not
/// empty.
struct Standard {
    kind: &'static str,
    required: &'static [&'static str],
}

/// The kinds that the profile defines. Of `custom` it asks for nothing.
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

/// Why an enforcement point that keeps to the AuthZEN obligations profile cannot carry out an obligation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObligationError {
    /// Its properties are no object.
    #[error("the properties of an obligation are an object")]
    NotAnObject,
    /// A property is missing, or is something else than it has to be.
    #[error("`{kind}` needs the property `{property}`, a text (AuthZEN obligations profile)")]
    Missing {
        /// The kind.
        kind: &'static str,
        /// The property.
        property: &'static str,
    },
    /// A property that may be there is something else than it has to be.
    #[error("the property `{property}` of `{kind}` is {expected} (AuthZEN obligations profile)")]
    Unexpected {
        /// The kind.
        kind: &'static str,
        /// The property.
        property: &'static str,
        /// What it has to be.
        expected: &'static str,
    },
}

/// Holds an obligation's properties to the AuthZEN obligations profile, where it defines the kind. An enforcement point
/// that keeps to the profile denies what it cannot carry out.
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

/// The properties that the AuthZEN obligations profile asks for in an obligation of `kind`; none where it does not
/// define it.
pub fn required_properties(kind: &str) -> &'static [&'static str] {
    let standard = PROFILE.iter().find(|standard| standard.kind == kind);
    standard.map_or(&[], |standard| standard.required)
}

/// The kind of the AuthZEN obligations profile that `kind` is another spelling of, such as `step_up` of `step-up`.
pub fn misspelt_obligation(kind: &str) -> Option<&'static str> {
    fn letters(kind: &str) -> impl Iterator<Item = u8> {
        let letters = kind.bytes().filter(u8::is_ascii_alphanumeric);
        letters.map(|letter| letter.to_ascii_lowercase())
    }
    let mut known = PROFILE
        .iter()
        .map(|standard| standard.kind)
        .chain(["custom"]);
    known.find(|known| *known != kind && letters(known).eq(letters(kind)))
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
