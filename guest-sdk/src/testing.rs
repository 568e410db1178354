//! Runs a policy in `cargo test`, without WebAssembly.
//!
//! ```no_run
//! # use portcullis_sdk::{Policy, Verdict, policy};
//! # #[derive(serde::Deserialize)] struct Repositories {}
//! # #[policy]
//! # impl Policy for Repositories {
//! #     fn evaluate(&self, _: &Request) -> Verdict { Verdict::not_applicable() }
//! # }
//! use portcullis_sdk::{Effect, json, testing::{Plugin, request}};
//!
//! let plugin = Plugin::<Repositories>::load(json!({ "allowed": ["acme/*"] }));
//! let verdict = plugin.evaluate(request("push").resource("repository", "acme/billing"));
//! assert_eq!(verdict.effect(), Effect::Permit);
//! ```
//!
//! The plugin is treated as the host treats it: it receives only the fields that its `plugin.toml` lists, and a
//! verdict that the host would refuse fails the test.

use crate::fields::{Attribute, Fields, Intent, Value};
use crate::settings::{self, SettingsError};
use crate::{Manifest as _, Policy, Timestamp, Verdict};
use portcullis_contract::{ArgumentOrigin, Field, Manifest, Origins, check_verdict};

/// A policy with its settings and its manifest.
#[derive(Debug)]
pub struct Plugin<P> {
    policy: P,
    manifest: Manifest,
}

impl<P: Policy> Plugin<P> {
    /// Loads the policy with `settings`.
    ///
    /// # Panics
    ///
    /// If the settings are invalid.
    #[track_caller]
    pub fn load(settings: serde_json::Value) -> Self {
        match Self::try_load(settings) {
            Ok(plugin) => plugin,
            Err(errors) => panic!("the settings are not valid: {errors:#?}"),
        }
    }

    /// As [`Plugin::load`], but returns the errors in the settings.
    ///
    /// # Errors
    ///
    /// One [`SettingsError`] for each error.
    ///
    /// # Panics
    ///
    /// If the manifest is invalid.
    #[track_caller]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers write `json!` in place"
    )]
    pub fn try_load(settings: serde_json::Value) -> Result<Self, Vec<SettingsError>> {
        let manifest = Manifest::parse(P::Manifest::TOML)
            .unwrap_or_else(|error| panic!("plugin.toml: {error}"));
        if !settings.is_object() {
            return Err(vec![SettingsError::new("", "settings are an object")]);
        }
        let policy = settings::read(&settings.to_string())?;
        Ok(Self { policy, manifest })
    }

    /// Evaluates `request` with the policy.
    ///
    /// # Panics
    ///
    /// If the request's arguments are not an object, if it has answers to the server's questions that `plugin.toml` does
    /// not list, or if the host would refuse the verdict:
    ///
    /// - a permit without a reason,
    /// - an invalid code, id or kind,
    /// - a reason or an obligation that `plugin.toml` does not list,
    /// - a requestable verdict that is not a deny,
    /// - a narrowing that permits nothing or excludes this call.
    #[track_caller]
    pub fn evaluate(&self, request: RequestBuilder) -> Verdict {
        let mut whole = request.0;
        let arguments: serde_json::Value = serde_json::from_str(&whole.action.arguments)
            .unwrap_or_else(|error| panic!("the arguments are not JSON: {error}"));
        assert!(arguments.is_object(), "arguments are an object");
        whole.action.arguments = canonical(&arguments);
        for (field, is_present) in [
            (
                Field::ActionInputResponses,
                whole.action.input_responses.is_some(),
            ),
            (
                Field::ActionRequestState,
                whole.action.request_state.is_some(),
            ),
        ] {
            assert!(
                !is_present || self.manifest.fields().has(field),
                "the host denies the call: plugin.toml does not list `{}` under `needs`",
                field.name()
            );
        }
        let origins = whole.action.origins.clone();
        let verdict = self.policy.evaluate(&self.listed(whole, &arguments).into());
        let record = verdict.clone().into_inner();
        if let Err(error) = check_verdict(&record, &self.manifest) {
            panic!("the host would refuse the verdict, it has {error}");
        }
        let narrowing = &record.narrowing;
        assert!(
            narrowing.lifetime.is_none_or(|it| it.as_millis() > 0),
            "a permit must last at least one millisecond"
        );
        assert!(
            narrowing.max_uses != Some(0),
            "a permit must allow at least one use"
        );
        for constraint in &narrowing.constraints {
            assert!(
                constraint.met_by(&arguments, Origins(&origins)),
                "the verdict permits only `{constraint}`, which this call does not meet"
            );
        }
        verdict
    }

    /// Returns the request as the host would pass it: with the listed items of the open lists.
    ///
    /// The other fields that are not listed stay: no policy can read them.
    fn listed(&self, mut fields: Fields, arguments: &serde_json::Value) -> Fields {
        let needs = self.manifest.fields();
        let attributes = &mut fields.principal.attributes;
        if needs.has(Field::PrincipalType) && !attributes.iter().any(|it| it.name == TYPE) {
            let value = Value::Text(fields.principal.kind.as_str().to_owned());
            let name = TYPE.to_owned();
            attributes.push(Attribute { name, value });
        }
        attributes.sort_by(|a, b| a.name.cmp(&b.name));
        attributes.retain(|it| match it.name == TYPE {
            true => needs.has(Field::PrincipalType),
            false => needs.has_named(Field::PrincipalAttributes, &it.name),
        });
        let attributes = &mut fields.resource.attributes;
        attributes.retain(|it| needs.has_named(Field::ResourceAttributes, &it.name));
        let context = &mut fields.context;
        context.retain(|it| needs.has_named(Field::Context, &it.name));
        let listed = arguments.as_object().into_iter().flatten();
        fields.action.arguments = canonical(
            &listed
                .filter(|(name, _)| needs.has_named(Field::ActionArguments, name))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        );
        fields
    }
}

/// Name of the attribute for `principal.type`.
const TYPE: &str = "type";

#[track_caller]
fn canonical(arguments: &serde_json::Value) -> String {
    serde_json_canonicalizer::to_string(arguments)
        .unwrap_or_else(|error| panic!("the arguments have no canonical form: {error}"))
}

/// A request of a test, made by [`request`].
#[derive(Debug, Clone)]
pub struct RequestBuilder(Fields);

/// Returns a request for the action called `action`, without a principal, resource or arguments.
pub fn request(action: &str) -> RequestBuilder {
    let mut fields = Fields::default();
    action.clone_into(&mut fields.action.name);
    RequestBuilder(fields)
}

impl RequestBuilder {
    /// Sets the arguments, a JSON object.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers write `json!` in place"
    )]
    pub fn arguments(mut self, arguments: serde_json::Value) -> Self {
        self.0.action.arguments = arguments.to_string();
        self
    }

    /// Adds the origin of the argument at `path`, a JSON Pointer.
    #[must_use]
    pub fn origin(mut self, path: &str, origin: &str) -> Self {
        self.0
            .action
            .origins
            .push(ArgumentOrigin::new(path, origin));
        self
    }

    /// Sets the resource.
    #[must_use]
    pub fn resource(mut self, kind: &str, id: &str) -> Self {
        kind.clone_into(&mut self.0.resource.kind);
        id.clone_into(&mut self.0.resource.id);
        self
    }

    /// Sets the principal's SPIFFE ID and kind.
    #[must_use]
    pub fn principal(mut self, id: &str, kind: crate::PrincipalKind) -> Self {
        id.clone_into(&mut self.0.principal.id);
        self.0.principal.kind = kind;
        self
    }

    /// Sets the principal's type as sent, which is the name of its kind by default.
    #[must_use]
    pub fn principal_type(mut self, name: &str) -> Self {
        let attributes = &mut self.0.principal.attributes;
        attributes.retain(|it| it.name != TYPE);
        attributes.push(Attribute {
            name: TYPE.to_owned(),
            value: Value::Text(name.to_owned()),
        });
        self
    }

    /// Sets the approved intent.
    #[must_use]
    pub fn intent(mut self, intent: Intent) -> Self {
        self.0.intent = Some(intent);
        self
    }

    /// Sets the host's clock.
    #[must_use]
    pub fn now(mut self, now: Timestamp) -> Self {
        self.0.now = Some(now);
        self
    }

    /// Adds a circumstance.
    #[must_use]
    pub fn context(mut self, name: &str, value: Value) -> Self {
        self.0.context.push(Attribute {
            name: name.to_owned(),
            value,
        });
        self
    }

    /// Changes any other field.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Fields)) -> Self {
        change(&mut self.0);
        self
    }
}

#[cfg(test)]
mod tests;
