//! Builds the engine from the operator's settings.

use crate::Cedar;
use crate::named::{self, Known};
use crate::question::{HOST_CONTEXT, Reading};
use crate::text::{on_one_line, one_line};
use crate::types::{TypeSettings, Types};
use cedar_policy::ffi::DetailedError;
use cedar_policy::{
    Entities, EntityUid, PolicyId, PolicySet, Schema, SlotId, ValidationMode, ValidationWarning,
    Validator,
};
use portcullis_contract::line_and_column;
use portcullis_sdk::{Json, SettingsError};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::str::FromStr;

/// The settings as written.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Settings {
    policies: Json,
    #[serde(default)]
    links: Vec<Link>,
    #[serde(default)]
    schema: Option<Json>,
    #[serde(default)]
    entities: Option<Json>,
    #[serde(default)]
    namespace: Option<String>,
    #[serde(default)]
    types: TypeSettings,
    #[serde(default)]
    actions: BTreeMap<String, String>,
    #[serde(default)]
    host_context: Option<Vec<String>>,
    #[serde(default)]
    errors: OnError,
    #[serde(default = "yes")]
    validate_policies: bool,
    #[serde(default = "yes")]
    validate_requests: bool,
}

fn yes() -> bool {
    true
}

/// A policy linked from a template.
#[derive(Debug, Deserialize)]
struct Link {
    template: String,
    id: String,
    #[serde(default)]
    principal: Option<Json>,
    #[serde(default)]
    resource: Option<Json>,
}

/// The handling of a policy that fails to evaluate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnError {
    /// The verdict is indeterminate.
    #[default]
    Indeterminate,
    /// The other policies decide, as if it were missing. This is Cedar's own rule.
    Skip,
}

impl Settings {
    /// Parses the settings, and validates policies and entities against the schema.
    ///
    /// # Errors
    ///
    /// One [`SettingsError`] for each error found.
    pub(crate) fn prepared(self) -> Result<Cedar, Vec<SettingsError>> {
        let mut errors = Vec::new();
        let text = match &self.policies {
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        let policies = policies(&self.policies).and_then(|mut policies| {
            link(&mut policies, &self.links)?;
            Ok(policies)
        });
        let policies = note(policies, &mut errors);
        let types = Types::read(self.namespace.as_deref(), &self.types, &self.actions);
        let mut types = note(types, &mut errors);
        let schema = note(self.schema.map(schema).transpose(), &mut errors);
        // Entities parsed without their schema would get other types.
        let entities = schema
            .as_ref()
            .and_then(|schema| note(entities(self.entities, schema.as_ref()), &mut errors));
        let host_context = note(host_context(self.host_context), &mut errors);
        if let (Some(types), Some(Some(schema))) = (&mut types, &schema) {
            errors.extend(types.hold_to(schema));
        }
        if let Some(policies) = policies.as_ref().filter(|_| self.validate_policies) {
            errors.extend(without_effect(policies));
            let schema = schema.as_ref().and_then(Option::as_ref);
            errors.extend(unfit(&self.policies, policies, schema));
        }
        match (policies, types, schema, entities, host_context) {
            (Some(policies), Some(types), Some(schema), Some(entities), Some(host_context))
                if errors.is_empty() =>
            {
                let known = match &schema {
                    Some(schema) => Known::Applicable([
                        schema.principals().cloned().collect(),
                        schema.resources().cloned().collect(),
                    ]),
                    None => named::types_of(&policies, &entities),
                };
                if self.validate_policies {
                    let unmet = named::unmet(&policies, &types, &entities, &known);
                    if !unmet.is_empty() {
                        return Err(unmet);
                    }
                }
                let reading = Reading {
                    types,
                    schema,
                    known,
                    holds_requests: self.validate_requests,
                    host_context,
                };
                let prepared = Cedar::new(policies, reading, entities, self.errors);
                prepared.warm_up(&text);
                Ok(prepared)
            }
            _ => Err(errors),
        }
    }
}

/// Returns the value, or `None` after adding its errors to `errors`.
fn note<T>(read: Result<T, Vec<SettingsError>>, errors: &mut Vec<SettingsError>) -> Option<T> {
    read.map_err(|wrong| errors.extend(wrong)).ok()
}

fn at_policies(message: impl Into<String>) -> SettingsError {
    SettingsError::new("/policies", message)
}

fn policies(written: &Json) -> Result<PolicySet, Vec<SettingsError>> {
    match written {
        Json::String(text) => PolicySet::from_str(text).map_err(|errors| {
            let errors = errors
                .iter()
                .map(|error| in_text(text, &DetailedError::from(error)));
            errors.map(at_policies).collect()
        }),
        Json::Object(_) => PolicySet::from_json_value(written.clone()).map_err(|error| {
            let message = on_one_line(&DetailedError::from(&error));
            vec![at_policies(message)]
        }),
        _ => Err(vec![at_policies(
            "is the text of Cedar policies, or a table in Cedar's JSON policy set format",
        )]),
    }
}

/// Creates the policies that the setting `links` lists.
fn link(policies: &mut PolicySet, links: &[Link]) -> Result<(), Vec<SettingsError>> {
    let mut errors = Vec::new();
    for (index, link) in links.iter().enumerate() {
        let path = format!("/links/{index}");
        let Some(template) = template(policies, &link.template) else {
            let message = format!(
                "there is no template `{}`: write its id, such as `policy0`, or its `@id`",
                link.template
            );
            errors.push(SettingsError::new(format!("{path}/template"), message));
            continue;
        };
        let mut values = HashMap::new();
        for (name, slot, written) in [
            ("principal", SlotId::principal(), &link.principal),
            ("resource", SlotId::resource(), &link.resource),
        ] {
            let Some(written) = written else {
                continue;
            };
            let uid = match written {
                Json::String(text) => text.parse::<EntityUid>().ok(),
                other => EntityUid::from_json(other.clone()).ok(),
            };
            match uid {
                Some(uid) => {
                    values.insert(slot, uid);
                }
                None => errors.push(SettingsError::new(
                    format!("{path}/{name}"),
                    "is not a Cedar entity: write one such as `User::\"alice\"`",
                )),
            }
        }
        if let Err(error) = policies.link(template, PolicyId::new(&link.id), values) {
            let message = on_one_line(&DetailedError::from(&error));
            errors.push(SettingsError::new(path, message));
        }
    }
    match errors.is_empty() {
        true => Ok(()),
        false => Err(errors),
    }
}

/// Returns the template with the id `name`, or else the only one with the `@id` `name`.
fn template(policies: &PolicySet, name: &str) -> Option<PolicyId> {
    let id = PolicyId::new(name);
    if policies.template(&id).is_some() {
        return Some(id);
    }
    let mut annotated = policies
        .templates()
        .filter(|template| template.annotation("id") == Some(name));
    match (annotated.next(), annotated.next()) {
        (Some(template), None) => Some(template.id().clone()),
        _ => None,
    }
}

/// Returns an error for each template without a link, and one if no policy permits.
fn without_effect(policies: &PolicySet) -> Vec<SettingsError> {
    let mut errors = Vec::new();
    let mut templates: Vec<_> = policies.templates().map(|template| template.id()).collect();
    templates.sort();
    for id in templates {
        let mut links = policies
            .get_linked_policies(id.clone())
            .into_iter()
            .flatten();
        if links.next().is_none() {
            errors.push(at_policies(format!(
                "template `{id}` has no link, so it decides nothing: link it under `links`, or write a policy in its place"
            )));
        }
    }
    let mut effects = policies.policies().map(cedar_policy::Policy::effect);
    if errors.is_empty() && !effects.any(|effect| effect == cedar_policy::Effect::Permit) {
        errors.push(at_policies(
            "there is no `permit`, and without one nothing is permitted: write one, or load it as it is with `validate-policies = false`",
        ));
    }
    errors
}

fn host_context(written: Option<Vec<String>>) -> Result<Vec<String>, Vec<SettingsError>> {
    let Some(names) = written else {
        return Ok(HOST_CONTEXT.map(str::to_owned).to_vec());
    };
    let unknown = names.iter().enumerate();
    let unknown: Vec<_> = unknown
        .filter(|(_, name)| !HOST_CONTEXT.contains(&name.as_str()))
        .map(|(index, name)| {
            let message = format!(
                "the host has no `{name}` for the context: there is `{}`",
                HOST_CONTEXT.join("`, `")
            );
            SettingsError::new(format!("/host-context/{index}"), message)
        })
        .collect();
    match unknown.is_empty() {
        true => Ok(names),
        false => Err(unknown),
    }
}

fn schema(json: Json) -> Result<Schema, Vec<SettingsError>> {
    let read = match json {
        Json::String(text) => {
            Schema::from_str(&text).map_err(|error| in_text(&text, &DetailedError::from(&error)))
        }
        Json::Object(_) => {
            Schema::from_json_value(json).map_err(|error| on_one_line(&DetailedError::from(&error)))
        }
        _ => Err(
            "is the text of a Cedar schema, or an object in Cedar's JSON schema format".to_owned(),
        ),
    };
    read.map_err(|message| vec![SettingsError::new("/schema", message)])
}

/// Parses the entities, with the schema's actions if there is a schema.
fn entities(json: Option<Json>, schema: Option<&Schema>) -> Result<Entities, Vec<SettingsError>> {
    let json = json.unwrap_or_else(|| Json::Array(Vec::new()));
    let read = if json.is_array() {
        Entities::from_json_value(json, schema)
            .map_err(|error| on_one_line(&DetailedError::from(&error)))
    } else {
        Err("is a list of entities in Cedar's JSON format".to_owned())
    };
    read.map_err(|message| vec![SettingsError::new("/entities", message)])
}

/// Advice for a policy that does not conform to the schema.
const REMEDY: &str =
    "correct it, or the schema; or load it as it is with `validate-policies = false`";

/// Returns errors for policies that fail validation, can never match, or mislead a reader.
fn unfit(written: &Json, policies: &PolicySet, schema: Option<&Schema>) -> Vec<SettingsError> {
    let text = written.as_str().unwrap_or_default();
    let mut messages = Vec::from_iter(turned_around(text));
    let Some(schema) = schema else {
        return messages.into_iter().map(at_policies).collect();
    };
    let result = Validator::new(schema.clone()).validate(policies, ValidationMode::default());
    let mut reported = BTreeSet::new();
    for error in result.validation_errors() {
        let message = in_text(text, &DetailedError::from(error));
        messages.push(format!("{message}: {REMEDY}"));
        reported.insert(error.policy_id());
    }
    for warning in result.validation_warnings() {
        match warning {
            ValidationWarning::ImpossiblePolicy(_)
            | ValidationWarning::InvalidActionApplication(_) => {
                // One error for a policy that never matches is enough.
                if !reported.insert(warning.policy_id()) {
                    continue;
                }
                let message = in_text(text, &DetailedError::from(warning));
                messages.push(format!("{message}: it can never match; {REMEDY}"));
            }
            // The other warnings are about mixed scripts, which are common in many languages.
            _ => {}
        }
    }
    messages.into_iter().map(at_policies).collect()
}

/// Returns the error for a bidirectional control character, which changes how the text is displayed.
fn turned_around(text: &str) -> Option<String> {
    let (at, found) = text
        .char_indices()
        .find(|(_, letter)| matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))?;
    let (line, column) = line_and_column(text, at);
    Some(format!(
        "line {line}, column {column}: the character U+{:04X} changes how the text is shown: take it out",
        u32::from(found)
    ))
}

/// Returns the error's message, with line and column in `text` if they are known.
fn in_text(text: &str, error: &DetailedError) -> String {
    let message = on_one_line(error);
    let Some(label) = error.source_locations.first().filter(|_| !text.is_empty()) else {
        return message;
    };
    let (line, column) = line_and_column(text, label.loc.start);
    match &label.label {
        Some(label) => format!(
            "line {line}, column {column}: {message}: {}",
            one_line(label)
        ),
        None => format!("line {line}, column {column}: {message}"),
    }
}

#[cfg(test)]
mod tests;
