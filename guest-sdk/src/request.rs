//! What a policy is told.
//!
//! A field that is not known is empty, `None`, or the first variant of its enum. Reading one that
//! `plugin.toml` does not list under `needs` panics, see [`Field`].

use crate::field::{Asked, Attributes, Field};
use crate::{
    ActionClass, Attestation, Constraint, Exposure, Health, Operator, Origins, PrincipalKind,
    Timestamp, Verdict, settings,
};
use portcullis_contract::Field as Name;
use serde::de::DeserializeOwned;

#[cfg(all(target_family = "wasm", not(feature = "typed")))]
use crate::packed::{pairs, text, texts};
#[cfg(all(target_family = "wasm", not(feature = "typed")))]
use serde::Deserialize;

/// One thing that one principal wants to do, once.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(
    all(target_family = "wasm", not(feature = "typed")),
    derive(Deserialize)
)]
pub struct Request {
    /// The integration that is decided for, as the operator named it.
    #[cfg_attr(
        all(target_family = "wasm", not(feature = "typed")),
        serde(deserialize_with = "text")
    )]
    pub integration: Field<String>,
    /// Who asks.
    pub principal: Principal,
    /// What was approved before acting, if anything was.
    pub intent: Field<Option<Intent>>,
    /// What is done.
    pub action: Action,
    /// What it is done to.
    pub resource: Resource,
    /// The host's clock.
    pub now: Field<Option<Timestamp>>,
    /// Circumstances that belong to none of the above.
    pub context: Attributes,
}

/// Who asks.
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
    /// What kind of identity it is.
    pub kind: Field<PrincipalKind>,
    /// Who answers for it.
    #[cfg_attr(
        all(target_family = "wasm", not(feature = "typed")),
        serde(deserialize_with = "text")
    )]
    pub owner: Field<String>,
    /// What it was registered for, in words. Never permit on it.
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
    /// How it proved what it is.
    pub attestation: Field<Attestation>,
    /// When its credential expires.
    pub credential_expires_at: Field<Option<Timestamp>>,
    /// The SPIFFE IDs that delegated to it, root first.
    #[cfg_attr(
        all(target_family = "wasm", not(feature = "typed")),
        serde(deserialize_with = "texts")
    )]
    pub delegated_by: Field<Vec<String>>,
    /// Anything else that the host vouches for.
    pub attributes: Attributes,
}

/// What was approved before acting.
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
    /// Who approved it.
    #[cfg_attr(
        all(target_family = "wasm", not(feature = "typed")),
        serde(deserialize_with = "text")
    )]
    pub approved_by: Field<String>,
    /// When it ends.
    pub expires_at: Field<Option<Timestamp>>,
    /// How often it may still be used.
    pub remaining_uses: Field<Option<u64>>,
}

/// What is done.
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
    /// What the operator says it does.
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

/// What it is done to.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(
    all(target_family = "wasm", not(feature = "typed")),
    derive(Deserialize)
)]
pub struct Resource {
    /// What kind of thing it is.
    #[cfg_attr(
        all(target_family = "wasm", not(feature = "typed")),
        serde(deserialize_with = "text")
    )]
    pub kind: Field<String>,
    /// Which one it is.
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
    /// What was last seen of it.
    pub posture: Field<Option<Posture>>,
    /// Anything else that the host vouches for.
    pub attributes: Attributes,
}

/// What was last seen of the place where the action lands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(
    all(target_family = "wasm", not(feature = "typed")),
    derive(Deserialize)
)]
pub struct Posture {
    /// Who can reach it.
    pub exposure: Exposure,
    /// Whether it works as it should.
    pub health: Health,
    /// Whether acting on it gives power over other things.
    pub privileged: Option<bool>,
    /// Whether it is past its support.
    pub legacy: Option<bool>,
    /// Whether its configuration has left its baseline.
    pub drifted: Option<bool>,
    /// When this was seen.
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
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The integer, if it is one.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(integer) => Some(*integer),
            _ => None,
        }
    }

    /// True or false, if it is one of them.
    pub fn as_boolean(&self) -> Option<bool> {
        match self {
            Self::Boolean(boolean) => Some(*boolean),
            _ => None,
        }
    }

    /// The texts, if it is a list of them.
    pub fn as_texts(&self) -> Option<&[String]> {
        match self {
            Self::Texts(texts) => Some(texts),
            _ => None,
        }
    }
}

/// The arguments do not fit the author's type. As a [`Verdict`], it is a deny.
#[derive(Debug)]
pub struct ArgumentsError {
    path: String,
    message: String,
}

impl Request {
    /// Reads the action's arguments into a type of the author's.
    ///
    /// Needs `action.arguments` in `plugin.toml`; without it, it panics as [`Field`] does.
    ///
    /// # Errors
    ///
    /// [`ArgumentsError`] if they do not fit, which [`Verdict`] is made from:
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

    /// Whether the arguments meet every constraint.
    ///
    /// `arguments` is what [`Request::arguments`] gave as a [`serde_json::Value`].
    pub fn meets<'a>(
        &self,
        arguments: &serde_json::Value,
        constraints: impl IntoIterator<Item = &'a Constraint>,
    ) -> bool {
        constraints.into_iter().all(|constraint| {
            // Only where a value came from is told by the origins.
            let origins = match constraint.operator() {
                Operator::OriginIs => Origins(&self.action.origins),
                _ => Origins::UNKNOWN,
            };
            constraint.met_by(arguments, origins)
        })
    }

    /// The circumstance called `name`.
    pub fn context(&self, name: &str) -> Option<&Value> {
        self.context.get(name)
    }

    /// Holds what the host passes to a plugin that asks for `asked`, and nothing else.
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
    /// The attribute called `name`.
    pub fn attribute(&self, name: &str) -> Option<&Value> {
        self.attributes.get(name)
    }
}

impl Resource {
    /// The attribute called `name`.
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
