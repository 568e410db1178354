//! The request that a policy decides.
//!
//! An unknown field is empty, `None`, or the first variant of its enum. Reading a field that `plugin.toml`
//! does not list under `needs` panics, see [`Field`].

pub(crate) mod field;

use crate::{
    ActionClass, Attestation, Constraint, Exposure, Health, Operator, Origins, PrincipalKind,
    Timestamp, Verdict, settings,
};
use field::{Asked, Attributes, Field};
use portcullis_contract::Field as Name;
use serde::de::DeserializeOwned;

#[cfg(all(target_family = "wasm", not(feature = "typed")))]
use crate::packed::{pairs, text, texts};
#[cfg(all(target_family = "wasm", not(feature = "typed")))]
use serde::Deserialize;

/// A request of one principal to perform one action once.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(
    all(target_family = "wasm", not(feature = "typed")),
    derive(Deserialize)
)]
pub struct Request {
    /// The integration that the request belongs to, as the operator named it.
    #[cfg_attr(
        all(target_family = "wasm", not(feature = "typed")),
        serde(deserialize_with = "text")
    )]
    pub integration: Field<String>,
    /// The identity that makes the request.
    pub principal: Principal,
    /// The intent approved before acting, if there is one.
    pub intent: Field<Option<Intent>>,
    /// The action.
    pub action: Action,
    /// The resource that the action affects.
    pub resource: Resource,
    /// The host's clock.
    pub now: Field<Option<Timestamp>>,
    /// Further circumstances.
    pub context: Attributes,
}

/// The identity that makes a request.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(
    all(target_family = "wasm", not(feature = "typed")),
    derive(Deserialize)
)]
pub struct Principal {
    /// The SPIFFE ID.
    #[cfg_attr(
        all(target_family = "wasm", not(feature = "typed")),
        serde(deserialize_with = "text")
    )]
    pub id: Field<String>,
    /// The kind of identity.
    pub kind: Field<PrincipalKind>,
    /// The person or team that is responsible for it.
    #[cfg_attr(
        all(target_family = "wasm", not(feature = "typed")),
        serde(deserialize_with = "text")
    )]
    pub owner: Field<String>,
    /// The purpose that it was registered for, in words. Never permit on it.
    #[cfg_attr(
        all(target_family = "wasm", not(feature = "typed")),
        serde(deserialize_with = "text")
    )]
    pub purpose: Field<String>,
    /// The environment it runs in.
    #[cfg_attr(
        all(target_family = "wasm", not(feature = "typed")),
        serde(deserialize_with = "text")
    )]
    pub environment: Field<String>,
    /// The strength of its proof of identity.
    pub attestation: Field<Attestation>,
    /// Expiry of its credential.
    pub credential_expires_at: Field<Option<Timestamp>>,
    /// The SPIFFE IDs that delegated to it, root first.
    #[cfg_attr(
        all(target_family = "wasm", not(feature = "typed")),
        serde(deserialize_with = "texts")
    )]
    pub delegated_by: Field<Vec<String>>,
    /// Further attributes that the host verified.
    pub attributes: Attributes,
}

/// An intent: an approval given before acting.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(
    all(target_family = "wasm", not(feature = "typed")),
    derive(Deserialize)
)]
pub struct Intent {
    /// Its identifier.
    #[cfg_attr(
        all(target_family = "wasm", not(feature = "typed")),
        serde(deserialize_with = "text")
    )]
    pub id: Field<String>,
    /// The purpose, in words. Never permit on it.
    #[cfg_attr(
        all(target_family = "wasm", not(feature = "typed")),
        serde(deserialize_with = "text")
    )]
    pub purpose: Field<String>,
    /// The person who approved it.
    #[cfg_attr(
        all(target_family = "wasm", not(feature = "typed")),
        serde(deserialize_with = "text")
    )]
    pub approved_by: Field<String>,
    /// Expiry of the intent.
    pub expires_at: Field<Option<Timestamp>>,
    /// Number of remaining uses.
    pub remaining_uses: Field<Option<u64>>,
}

/// An action.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(
    all(target_family = "wasm", not(feature = "typed")),
    derive(Deserialize)
)]
pub struct Action {
    /// The action's name, such as `issues.create`.
    #[cfg_attr(
        all(target_family = "wasm", not(feature = "typed")),
        serde(deserialize_with = "text")
    )]
    pub name: Field<String>,
    /// The operator's classification of the action.
    pub class: Field<ActionClass>,
    /// The arguments: a JSON object in canonical form. See [`Request::arguments`].
    #[cfg_attr(
        all(target_family = "wasm", not(feature = "typed")),
        serde(deserialize_with = "text")
    )]
    pub arguments: Field<String>,
    /// Pairs of a JSON Pointer into the arguments and an origin. See [`Request::meets`].
    #[cfg_attr(
        all(target_family = "wasm", not(feature = "typed")),
        serde(deserialize_with = "pairs")
    )]
    pub origins: Field<Vec<(String, String)>>,
}

/// The resource that an action affects.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(
    all(target_family = "wasm", not(feature = "typed")),
    derive(Deserialize)
)]
pub struct Resource {
    /// The kind of resource.
    #[cfg_attr(
        all(target_family = "wasm", not(feature = "typed")),
        serde(deserialize_with = "text")
    )]
    pub kind: Field<String>,
    /// Identifier of the resource.
    #[cfg_attr(
        all(target_family = "wasm", not(feature = "typed")),
        serde(deserialize_with = "text")
    )]
    pub id: Field<String>,
    /// The environment it is in.
    #[cfg_attr(
        all(target_family = "wasm", not(feature = "typed")),
        serde(deserialize_with = "text")
    )]
    pub environment: Field<String>,
    /// The last observed posture.
    pub posture: Field<Option<Posture>>,
    /// Further attributes that the host verified.
    pub attributes: Attributes,
}

/// The last observed posture of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(
    all(target_family = "wasm", not(feature = "typed")),
    derive(Deserialize)
)]
pub struct Posture {
    /// The parties that can reach it.
    pub exposure: Exposure,
    /// Its operating state.
    pub health: Health,
    /// True if acting on it gives power over other resources.
    pub privileged: Option<bool>,
    /// True if it is past its end of support.
    pub legacy: Option<bool>,
    /// True if its configuration differs from its baseline.
    pub drifted: Option<bool>,
    /// Time of the observation.
    pub observed_at: Option<Timestamp>,
}

/// A named value that has no field of its own.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    all(target_family = "wasm", not(feature = "typed")),
    derive(Deserialize)
)]
pub struct Attribute {
    /// The name.
    #[cfg_attr(
        all(target_family = "wasm", not(feature = "typed")),
        serde(deserialize_with = "text")
    )]
    pub name: String,
    /// The value.
    pub value: Value,
}

/// The value of an [`Attribute`].
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    all(target_family = "wasm", not(feature = "typed")),
    derive(Deserialize)
)]
pub enum Value {
    /// Text.
    #[cfg_attr(
        all(target_family = "wasm", not(feature = "typed")),
        serde(deserialize_with = "text")
    )]
    Text(String),
    /// An integer.
    Integer(i64),
    /// True or false.
    Boolean(bool),
    /// A list of texts.
    #[cfg_attr(
        all(target_family = "wasm", not(feature = "typed")),
        serde(deserialize_with = "texts")
    )]
    Texts(Vec<String>),
    /// Any other JSON value, as canonical JSON.
    #[cfg_attr(
        all(target_family = "wasm", not(feature = "typed")),
        serde(deserialize_with = "text")
    )]
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

/// The error for arguments that do not fit the author's type. As a [`Verdict`], it is a deny.
#[derive(Debug)]
pub struct ArgumentsError {
    path: String,
    message: String,
}

impl Request {
    /// Reads the action's arguments into a type of the plugin author.
    ///
    /// Needs `action.arguments` in `plugin.toml`; without it, it panics as [`Field`] does.
    ///
    /// # Errors
    ///
    /// [`ArgumentsError`] if they do not fit. It converts to a [`Verdict`]:
    ///
    /// ```
    /// # use portcullis_sdk::{Request, Verdict};
    /// #[derive(serde::Deserialize)]
    /// struct Push { branch: String }
    ///
    /// fn evaluate(request: &Request) -> Verdict {
    ///     let push: Push = match request.arguments() {
    ///         Ok(push) => push,
    ///         Err(error) => return error.into(),
    ///     };
    ///     Verdict::deny().because("no-push", format!("`{}` takes no pushes", push.branch))
    /// }
    /// ```
    pub fn arguments<T: DeserializeOwned>(&self) -> Result<T, ArgumentsError> {
        let mut json = serde_json::Deserializer::from_str(&self.action.arguments);
        serde_path_to_error::deserialize(&mut json).map_err(|error| ArgumentsError {
            path: settings::pointer(error.path()),
            message: settings::without_line(&error.into_inner().to_string()).to_owned(),
        })
    }

    /// True if the arguments meet every constraint.
    ///
    /// `arguments` are those of [`Request::arguments`], as a [`serde_json::Value`].
    pub fn meets<'a>(
        &self,
        arguments: &serde_json::Value,
        constraints: impl IntoIterator<Item = &'a Constraint>,
    ) -> bool {
        constraints.into_iter().all(|constraint| {
            // Only `origin-is` reads the origins, which `plugin.toml` may not list.
            let origins = match constraint.operator() {
                Operator::OriginIs => Origins(&self.action.origins),
                _ => Origins::UNKNOWN,
            };
            constraint.met_by(arguments, origins)
        })
    }

    /// Returns the circumstance called `name`.
    pub fn context(&self, name: &str) -> Option<&Value> {
        self.context.get(name)
    }

    /// Clears every field that `asked` does not list.
    pub(crate) fn keep(&mut self, asked: Asked) {
        macro_rules! keep {
            ($of:expr; $($name:ident => $($path:ident).+;)+) => {$(
                $of.$($path).+.keep_if(asked.has(Name::$name), Name::$name);
            )+};
        }
        keep! { self;
            Integration => integration;
            PrincipalId => principal.id;
            PrincipalKind => principal.kind;
            PrincipalOwner => principal.owner;
            PrincipalPurpose => principal.purpose;
            PrincipalEnvironment => principal.environment;
            PrincipalAttestation => principal.attestation;
            PrincipalCredentialExpiresAt => principal.credential_expires_at;
            PrincipalDelegatedBy => principal.delegated_by;
            ActionName => action.name;
            ActionClass => action.class;
            ActionArguments => action.arguments;
            ActionOrigins => action.origins;
            ResourceKind => resource.kind;
            ResourceId => resource.id;
            ResourceEnvironment => resource.environment;
            ResourcePosture => resource.posture;
            Now => now;
        }
        if let Some(intent) = self.intent.as_mut() {
            keep! { intent;
                IntentId => id;
                IntentPurpose => purpose;
                IntentApprovedBy => approved_by;
                IntentExpiresAt => expires_at;
                IntentRemainingUses => remaining_uses;
            }
        }
        let has_intent = Name::OF_INTENT.into_iter().any(|name| asked.has(name));
        self.intent.keep_if(has_intent, Name::IntentId);
        let principal = &mut self.principal.attributes;
        principal.keep(asked, Name::PrincipalAttributes);
        self.resource
            .attributes
            .keep(asked, Name::ResourceAttributes);
        self.context.keep(asked, Name::Context);
    }
}

impl Principal {
    /// Returns the attribute called `name`.
    pub fn attribute(&self, name: &str) -> Option<&Value> {
        self.attributes.get(name)
    }
}

impl Resource {
    /// Returns the attribute called `name`.
    pub fn attribute(&self, name: &str) -> Option<&Value> {
        self.attributes.get(name)
    }
}

impl From<ArgumentsError> for Verdict {
    fn from(error: ArgumentsError) -> Self {
        let at = format!("/action/arguments{}", error.path);
        Self::deny()
            .because("arguments-invalid", error.message)
            .evidence([at])
    }
}

impl std::fmt::Display for ArgumentsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`/action/arguments{}`: {}", self.path, self.message)
    }
}

impl std::error::Error for ArgumentsError {}
