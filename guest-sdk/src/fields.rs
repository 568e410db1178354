//! All fields of a request, as the host passes them.
//!
//! A policy reads them through [`Request`](crate::Request), which has only the fields that `plugin.toml` lists.
//! Tests set them.

use crate::packed::{text, texts};
use portcullis_contract::{
    ActionClass, ArgumentOrigin, Attestation, Posture, PrincipalKind, Timestamp,
};
use serde::Deserialize;

/// All fields of a request. A field that is not set has its default value.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct Fields {
    /// The integration that the request belongs to, as the operator named it.
    #[serde(deserialize_with = "text")]
    pub integration: String,
    /// The identity that makes the request.
    pub principal: Principal,
    /// The intent approved before acting, if there is one.
    pub intent: Option<Intent>,
    /// The action.
    pub action: Action,
    /// The resource that the action affects.
    pub resource: Resource,
    /// The host's clock.
    pub now: Option<Timestamp>,
    /// Further circumstances.
    pub context: Vec<Attribute>,
}

/// The identity that makes a request.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct Principal {
    /// The SPIFFE ID.
    #[serde(deserialize_with = "text")]
    pub id: String,
    /// The kind of identity.
    pub kind: PrincipalKind,
    /// The person or team that is responsible for it.
    #[serde(deserialize_with = "text")]
    pub owner: String,
    /// The purpose that it was registered for, in words.
    #[serde(deserialize_with = "text")]
    pub purpose: String,
    /// The environment it runs in.
    #[serde(deserialize_with = "text")]
    pub environment: String,
    /// The strength of its proof of identity.
    pub attestation: Attestation,
    /// Expiry of its credential.
    pub credential_expires_at: Option<Timestamp>,
    /// The SPIFFE IDs that delegated to it, root first.
    #[serde(deserialize_with = "texts")]
    pub delegated_by: Vec<String>,
    /// Further attributes that the host verified.
    pub attributes: Vec<Attribute>,
}

/// An intent: an approval given before acting.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Intent {
    /// Its identifier.
    #[serde(deserialize_with = "text")]
    pub id: String,
    /// The purpose, in words.
    #[serde(deserialize_with = "text")]
    pub purpose: String,
    /// The person who approved it.
    #[serde(deserialize_with = "text")]
    pub approved_by: String,
    /// Expiry of the intent.
    pub expires_at: Option<Timestamp>,
    /// Number of remaining uses.
    pub remaining_uses: Option<u64>,
}

/// An action.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Action {
    /// The action's name, such as `issues.create`.
    #[serde(deserialize_with = "text")]
    pub name: String,
    /// The operator's classification of the action.
    pub class: ActionClass,
    /// The arguments: a JSON object in canonical form (RFC 8785).
    #[serde(deserialize_with = "text")]
    pub arguments: String,
    /// Origins of the arguments.
    pub origins: Vec<ArgumentOrigin>,
    /// Answers to the server's questions: a JSON object in canonical form.
    pub input_responses: Option<String>,
    /// The server's own state, returned to it with the answers.
    pub request_state: Option<String>,
}

impl Default for Action {
    fn default() -> Self {
        Self {
            name: String::new(),
            class: ActionClass::default(),
            arguments: "{}".to_owned(),
            origins: Vec::new(),
            input_responses: None,
            request_state: None,
        }
    }
}

/// A resource that an action affects.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct Resource {
    /// Its kind, such as `repository`.
    #[serde(deserialize_with = "text")]
    pub kind: String,
    /// Its identifier, such as `acme/billing`.
    #[serde(deserialize_with = "text")]
    pub id: String,
    /// The environment it is in.
    #[serde(deserialize_with = "text")]
    pub environment: String,
    /// Its last observed state, if there is one.
    pub posture: Option<Posture>,
    /// Further attributes that the host verified.
    pub attributes: Vec<Attribute>,
}

/// A named value that has no field of its own.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Attribute {
    /// The name.
    #[serde(deserialize_with = "text")]
    pub name: String,
    /// The value.
    pub value: Value,
}

/// The value of an [`Attribute`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub enum Value {
    /// Text.
    #[serde(deserialize_with = "text")]
    Text(String),
    /// An integer.
    Integer(i64),
    /// True or false.
    Boolean(bool),
    /// A list of texts.
    #[serde(deserialize_with = "texts")]
    Texts(Vec<String>),
    /// Any other JSON value, as canonical JSON.
    #[serde(deserialize_with = "text")]
    Json(String),
}

impl Value {
    /// Returns the text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the integer, if it is one.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(integer) => Some(*integer),
            _ => None,
        }
    }

    /// Returns the boolean, if it is one.
    pub fn as_boolean(&self) -> Option<bool> {
        match self {
            Self::Boolean(boolean) => Some(*boolean),
            _ => None,
        }
    }

    /// Returns the texts, if it is a list of texts.
    pub fn as_texts(&self) -> Option<&[String]> {
        match self {
            Self::Texts(texts) => Some(texts),
            _ => None,
        }
    }
}

/// Returns the value called `name`, if there is one.
pub(crate) fn named<'a>(list: &'a [Attribute], name: &str) -> Option<&'a Value> {
    let attribute = list.iter().find(|attribute| attribute.name == name)?;
    Some(&attribute.value)
}
