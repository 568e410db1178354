//! A request, with the fields that the plugin's manifest lists.

use crate::fields::{self, Fields, Value, named};
use crate::needs::{
    self, Argument, Circumstance, Manifest, NameOf, PrincipalAttribute, ResourceAttribute,
};
use crate::{Verdict, settings};
use portcullis_contract::{
    ActionClass, ArgumentOrigin, Attestation, Constraint, Origins, Posture, PrincipalKind,
    Timestamp, escape_key,
};
use serde::de::DeserializeOwned;
use std::fmt;
use std::marker::PhantomData;

/// A request of one principal to perform one action once.
///
/// `M` is the plugin's manifest. Reading a field that it does not list is a compile error:
///
/// ```compile_fail
/// # #[derive(serde::Deserialize)] struct Repositories {}
/// #[portcullis_sdk::policy]
/// impl portcullis_sdk::Policy for Repositories {
///     fn evaluate(&self, request: &Request) -> portcullis_sdk::Verdict {
///         // error[E0277]: plugin.toml does not list `principal.owner` under `needs`
///         match request.principal().owner() {
///             "" => portcullis_sdk::Verdict::deny(),
///             _ => portcullis_sdk::Verdict::not_applicable(),
///         }
///     }
/// }
/// ```
pub struct Request<M> {
    fields: Fields,
    manifest: PhantomData<fn() -> M>,
}

/// The identity that makes a request.
pub struct Principal<'a, M> {
    fields: &'a fields::Principal,
    manifest: PhantomData<fn() -> M>,
}

/// An intent: an approval given before acting.
pub struct Intent<'a, M> {
    fields: &'a fields::Intent,
    manifest: PhantomData<fn() -> M>,
}

/// An action.
pub struct Action<'a, M> {
    fields: &'a fields::Action,
    manifest: PhantomData<fn() -> M>,
}

/// A resource that an action affects.
pub struct Resource<'a, M> {
    fields: &'a fields::Resource,
    manifest: PhantomData<fn() -> M>,
}

impl<M: Manifest> Request<M> {
    /// The integration that the request belongs to, as the operator named it.
    pub fn integration(&self) -> &str
    where
        M: needs::Integration,
    {
        &self.fields.integration
    }

    /// The identity that makes the request.
    pub fn principal(&self) -> Principal<'_, M> {
        Principal {
            fields: &self.fields.principal,
            manifest: PhantomData,
        }
    }

    /// The intent approved before acting, if there is one.
    pub fn intent(&self) -> Option<Intent<'_, M>>
    where
        M: needs::Intent,
    {
        self.fields.intent.as_ref().map(|fields| Intent {
            fields,
            manifest: PhantomData,
        })
    }

    /// The action.
    pub fn action(&self) -> Action<'_, M> {
        Action {
            fields: &self.fields.action,
            manifest: PhantomData,
        }
    }

    /// The resource that the action affects.
    pub fn resource(&self) -> Resource<'_, M> {
        Resource {
            fields: &self.fields.resource,
            manifest: PhantomData,
        }
    }

    /// The host's clock.
    pub fn now(&self) -> Option<Timestamp>
    where
        M: needs::Now,
    {
        self.fields.now
    }

    /// The circumstance called `name`, if there is one.
    ///
    /// If `plugin.toml` lists it alone, as in `context.ticket`, the name is `needs::CONTEXT_TICKET`.
    pub fn context(&self, name: impl NameOf<M, Circumstance>) -> Option<&Value> {
        named(&self.fields.context, name.name())
    }

    /// All circumstances.
    pub fn circumstances(&self) -> &[fields::Attribute]
    where
        M: needs::Context,
    {
        &self.fields.context
    }

    /// Reads the action's arguments into a type of the plugin author.
    ///
    /// # Errors
    ///
    /// [`ArgumentsError`] if they do not fit. It converts to a [`Verdict`]:
    ///
    /// ```
    /// # use portcullis_sdk::{Request, Verdict, needs};
    /// #[derive(serde::Deserialize)]
    /// struct Push { branch: String }
    ///
    /// fn evaluate<M: needs::ActionArguments>(request: &Request<M>) -> Verdict {
    ///     let push: Push = match request.arguments() {
    ///         Ok(push) => push,
    ///         Err(error) => return error.into(),
    ///     };
    ///     Verdict::deny().because("no-push", format!("`{}` takes no pushes", push.branch))
    /// }
    /// ```
    pub fn arguments<T: DeserializeOwned>(&self) -> Result<T, ArgumentsError>
    where
        M: needs::ActionArguments,
    {
        read("", &self.fields.action.arguments)
    }

    /// Reads the argument called `name` into a type of the plugin author; `None` if it is missing.
    ///
    /// If `plugin.toml` lists it alone, as in `action.arguments.branch`, the name is
    /// `needs::ACTION_ARGUMENTS_BRANCH`.
    ///
    /// # Errors
    ///
    /// [`ArgumentsError`] if it does not fit.
    pub fn argument<T: DeserializeOwned>(
        &self,
        name: impl NameOf<M, Argument>,
    ) -> Result<Option<T>, ArgumentsError> {
        let mut all: serde_json::Map<String, serde_json::Value> =
            read("", &self.fields.action.arguments)?;
        let name = name.name();
        let Some(argument) = all.remove(name) else {
            return Ok(None);
        };
        serde_path_to_error::deserialize(argument)
            .map(Some)
            .map_err(|error| ArgumentsError::new(&format!("/{}", escape_key(name)), error))
    }

    /// Reads the answers to the server's questions into a type of the plugin author, if the call has any.
    ///
    /// # Errors
    ///
    /// [`ArgumentsError`] if they do not fit.
    pub fn input_responses<T: DeserializeOwned>(&self) -> Result<Option<T>, ArgumentsError>
    where
        M: needs::ActionInputResponses,
    {
        let answers = self.fields.action.input_responses.as_deref();
        answers.map(|answers| read("", answers)).transpose()
    }

    /// True if the arguments meet every constraint.
    ///
    /// `arguments` are those of [`Request::arguments`], as a [`serde_json::Value`].
    pub fn meets<'a>(
        &self,
        arguments: &serde_json::Value,
        constraints: impl IntoIterator<Item = &'a Constraint>,
    ) -> bool
    where
        M: needs::ActionOrigins,
    {
        let origins = Origins(&self.fields.action.origins);
        constraints
            .into_iter()
            .all(|constraint| constraint.met_by(arguments, origins))
    }
}

/// Reads JSON that the host wrote.
fn read<T: DeserializeOwned>(at: &str, json: &str) -> Result<T, ArgumentsError> {
    let mut json = serde_json::Deserializer::from_str(json);
    serde_path_to_error::deserialize(&mut json).map_err(|error| ArgumentsError::new(at, error))
}

impl<'a, M: Manifest> Principal<'a, M> {
    /// The SPIFFE ID.
    pub fn id(&self) -> &'a str
    where
        M: needs::PrincipalId,
    {
        &self.fields.id
    }

    /// The kind of identity.
    pub fn kind(&self) -> PrincipalKind
    where
        M: needs::PrincipalKind,
    {
        self.fields.kind
    }

    /// The type as the enforcement point sent it; by default the name of the kind.
    pub fn type_name(&self) -> &'a str
    where
        M: needs::PrincipalType,
    {
        named(&self.fields.attributes, "type")
            .and_then(Value::as_text)
            .unwrap_or_default()
    }

    /// The person or team that is responsible for it.
    pub fn owner(&self) -> &'a str
    where
        M: needs::PrincipalOwner,
    {
        &self.fields.owner
    }

    /// The purpose that it was registered for, in words. Never permit on it.
    pub fn purpose(&self) -> &'a str
    where
        M: needs::PrincipalPurpose,
    {
        &self.fields.purpose
    }

    /// The environment it runs in.
    pub fn environment(&self) -> &'a str
    where
        M: needs::PrincipalEnvironment,
    {
        &self.fields.environment
    }

    /// The strength of its proof of identity.
    pub fn attestation(&self) -> Attestation
    where
        M: needs::PrincipalAttestation,
    {
        self.fields.attestation
    }

    /// Expiry of its credential.
    pub fn credential_expires_at(&self) -> Option<Timestamp>
    where
        M: needs::PrincipalCredentialExpiresAt,
    {
        self.fields.credential_expires_at
    }

    /// The SPIFFE IDs that delegated to it, root first.
    pub fn delegated_by(&self) -> &'a [String]
    where
        M: needs::PrincipalDelegatedBy,
    {
        &self.fields.delegated_by
    }

    /// All further attributes that the host verified.
    pub fn attributes(&self) -> &'a [fields::Attribute]
    where
        M: needs::PrincipalAttributes,
    {
        &self.fields.attributes
    }

    /// The attribute called `name`, if there is one.
    ///
    /// If `plugin.toml` lists it alone, as in `principal.attributes.team`, the name is
    /// `needs::PRINCIPAL_ATTRIBUTES_TEAM`.
    pub fn attribute(&self, name: impl NameOf<M, PrincipalAttribute>) -> Option<&'a Value> {
        named(&self.fields.attributes, name.name())
    }
}

impl<'a, M: Manifest> Intent<'a, M> {
    /// Its identifier.
    pub fn id(&self) -> &'a str
    where
        M: needs::IntentId,
    {
        &self.fields.id
    }

    /// The purpose, in words. Never permit on it.
    pub fn purpose(&self) -> &'a str
    where
        M: needs::IntentPurpose,
    {
        &self.fields.purpose
    }

    /// The person who approved it.
    pub fn approved_by(&self) -> &'a str
    where
        M: needs::IntentApprovedBy,
    {
        &self.fields.approved_by
    }

    /// Expiry of the intent.
    pub fn expires_at(&self) -> Option<Timestamp>
    where
        M: needs::IntentExpiresAt,
    {
        self.fields.expires_at
    }

    /// Number of remaining uses.
    pub fn remaining_uses(&self) -> Option<u64>
    where
        M: needs::IntentRemainingUses,
    {
        self.fields.remaining_uses
    }
}

impl<'a, M: Manifest> Action<'a, M> {
    /// The action's name, such as `issues.create`.
    pub fn name(&self) -> &'a str
    where
        M: needs::ActionName,
    {
        &self.fields.name
    }

    /// The operator's classification of the action.
    pub fn class(&self) -> ActionClass
    where
        M: needs::ActionClass,
    {
        self.fields.class
    }

    /// The arguments: a JSON object in canonical form (RFC 8785). See [`Request::arguments`].
    pub fn arguments(&self) -> &'a str
    where
        M: needs::ActionArguments,
    {
        &self.fields.arguments
    }

    /// Origins of the arguments. See [`Request::meets`].
    pub fn origins(&self) -> &'a [ArgumentOrigin]
    where
        M: needs::ActionOrigins,
    {
        &self.fields.origins
    }

    /// Answers to the server's questions, as canonical JSON. See [`Request::input_responses`].
    pub fn input_responses(&self) -> Option<&'a str>
    where
        M: needs::ActionInputResponses,
    {
        self.fields.input_responses.as_deref()
    }

    /// The server's own state, returned to it with the answers.
    pub fn request_state(&self) -> Option<&'a str>
    where
        M: needs::ActionRequestState,
    {
        self.fields.request_state.as_deref()
    }
}

impl<'a, M: Manifest> Resource<'a, M> {
    /// Its kind, such as `repository`.
    pub fn kind(&self) -> &'a str
    where
        M: needs::ResourceKind,
    {
        &self.fields.kind
    }

    /// Its identifier, such as `acme/billing`.
    pub fn id(&self) -> &'a str
    where
        M: needs::ResourceId,
    {
        &self.fields.id
    }

    /// The environment it is in.
    pub fn environment(&self) -> &'a str
    where
        M: needs::ResourceEnvironment,
    {
        &self.fields.environment
    }

    /// Its last observed state, if there is one.
    pub fn posture(&self) -> Option<Posture>
    where
        M: needs::ResourcePosture,
    {
        self.fields.posture
    }

    /// All further attributes that the host verified.
    pub fn attributes(&self) -> &'a [fields::Attribute]
    where
        M: needs::ResourceAttributes,
    {
        &self.fields.attributes
    }

    /// The attribute called `name`, if there is one.
    ///
    /// If `plugin.toml` lists it alone, as in `resource.attributes.team`, the name is
    /// `needs::RESOURCE_ATTRIBUTES_TEAM`.
    pub fn attribute(&self, name: impl NameOf<M, ResourceAttribute>) -> Option<&'a Value> {
        named(&self.fields.attributes, name.name())
    }
}

impl<M> From<Fields> for Request<M> {
    fn from(fields: Fields) -> Self {
        Self {
            fields,
            manifest: PhantomData,
        }
    }
}

impl<M> Clone for Request<M> {
    fn clone(&self) -> Self {
        self.fields.clone().into()
    }
}

impl<M> fmt::Debug for Request<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fields.fmt(f)
    }
}

/// The error for arguments that do not fit the author's type. As a [`Verdict`], it is a deny.
#[derive(Debug)]
pub struct ArgumentsError {
    path: String,
    message: String,
}

impl ArgumentsError {
    fn new(at: &str, error: serde_path_to_error::Error<serde_json::Error>) -> Self {
        Self {
            path: format!("{at}{}", settings::pointer(error.path())),
            message: settings::without_line(&error.into_inner().to_string()).to_owned(),
        }
    }
}

impl From<ArgumentsError> for Verdict {
    fn from(error: ArgumentsError) -> Self {
        let at = format!("/action/arguments{}", error.path);
        Self::deny()
            .because("arguments-invalid", error.message)
            .fields([at])
    }
}

impl fmt::Display for ArgumentsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`/action/arguments{}`: {}", self.path, self.message)
    }
}

impl std::error::Error for ArgumentsError {}
