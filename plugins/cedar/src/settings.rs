//! From the operator's settings to an engine that is ready to decide.

use crate::Engine;
use crate::types::Types;
use cedar_policy::ffi::DetailedError;
use cedar_policy::{Entities, PolicySet, Schema, ValidationMode, Validator};
use portcullis_contract::line_and_column;
use portcullis_sdk::{Json, SettingsError};
use serde::Deserialize;
use std::str::FromStr;

/// The settings as written.
#[derive(Debug, Deserialize)]
pub(crate) struct Settings {
    policies: String,
    #[serde(default)]
    schema: Option<Json>,
    #[serde(default)]
    entities: Option<Json>,
    #[serde(default)]
    namespace: Option<String>,
    #[serde(default)]
    errors: OnError,
}

/// What comes of a policy that errs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnError {
    /// The verdict is indeterminate.
    #[default]
    Indeterminate,
    /// The others decide, as if it were not there. This is Cedar's own rule.
    Skip,
}

impl Settings {
    /// Parses everything, and holds policies and entities to the schema.
    ///
    /// # Errors
    ///
    /// One [`SettingsError`] for each fault that was found.
    pub(crate) fn engine(self) -> Result<Engine, Vec<SettingsError>> {
        let mut errors = Vec::new();
        let policies = note(policies(&self.policies), &mut errors);
        let types = Types::of(self.namespace.as_deref())
            .map_err(|message| vec![SettingsError::new("/namespace", message)]);
        let types = note(types, &mut errors);
        let schema = note(self.schema.map(schema).transpose(), &mut errors);
        // Without its schema, entities would be read as something else.
        let entities = schema
            .as_ref()
            .and_then(|schema| note(entities(self.entities, schema.as_ref()), &mut errors));
        if let (Some(policies), Some(Some(schema))) = (&policies, schema) {
            errors.extend(unfit(&self.policies, policies, schema));
        }
        match (policies, types, entities) {
            (Some(policies), Some(types), Some(entities)) if errors.is_empty() => {
                let engine = Engine::new(policies, types, entities, self.errors);
                engine.warm_up(&self.policies);
                Ok(engine)
            }
            _ => Err(errors),
        }
    }
}

/// The value, or nothing where its errors are noted.
fn note<T>(read: Result<T, Vec<SettingsError>>, errors: &mut Vec<SettingsError>) -> Option<T> {
    read.map_err(|wrong| errors.extend(wrong)).ok()
}

fn policies(text: &str) -> Result<PolicySet, Vec<SettingsError>> {
    let at_policies = |message: String| SettingsError::new("/policies", message);
    let policies = PolicySet::from_str(text).map_err(|errors| {
        let errors = errors
            .iter()
            .map(|error| in_text(text, &DetailedError::from(error)));
        errors.map(at_policies).collect::<Vec<_>>()
    })?;
    if let Some(template) = policies.templates().next() {
        let message = format!(
            "`{}` is a template, and a template decides nothing: write a policy for each entity in place of its slots",
            template.id()
        );
        return Err(vec![at_policies(message)]);
    }
    if policies.is_empty() {
        let message = "needs at least one policy: without one, nothing is permitted";
        return Err(vec![at_policies(message.to_owned())]);
    }
    Ok(policies)
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

/// The entities, with the schema's actions if there is one.
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

/// Where the policies do not keep to the schema.
fn unfit(text: &str, policies: &PolicySet, schema: Schema) -> Vec<SettingsError> {
    let result = Validator::new(schema).validate(policies, ValidationMode::default());
    let errors = result.validation_errors().map(|error| {
        let message = in_text(text, &DetailedError::from(error));
        SettingsError::new("/policies", format!("{message}: correct it, or the schema"))
    });
    errors.collect()
}

/// What is wrong, with its line and column in `text` where they are known.
fn in_text(text: &str, error: &DetailedError) -> String {
    let message = on_one_line(error);
    let Some(label) = error.source_locations.first() else {
        return message;
    };
    let (line, column) = line_and_column(text, label.loc.start);
    match &label.label {
        Some(label) => format!("line {line}, column {column}: {message}: {label}"),
        None => format!("line {line}, column {column}: {message}"),
    }
}

/// What is wrong and what would help.
fn on_one_line(error: &DetailedError) -> String {
    let parts = [Some(error.message.as_str()), error.help.as_deref()];
    let words: Vec<_> = parts
        .into_iter()
        .flatten()
        .map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    words.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cedar;
    use portcullis_sdk::json;
    use portcullis_sdk::testing::Plugin;

    const SCHEMA: &str = "
entity Team;
entity Agent in [Team] { owner: String };
entity Repository;
action push appliesTo { principal: Agent, resource: Repository, context: { class: String } };";

    fn refused(settings: Json) -> Vec<(String, String)> {
        let errors = Plugin::<Cedar>::try_load(settings).unwrap_err();
        errors.into_iter().map(|e| (e.path, e.message)).collect()
    }

    #[test]
    fn names_line_and_column_of_what_does_not_parse() {
        let wrong = refused(
            json!({ "policies": "permit (principal, action, resource);\npermit (principal)" }),
        );
        assert_eq!(wrong[0].0, "/policies");
        assert!(wrong[0].1.starts_with("line 2, column "), "{wrong:?}");
        assert!(!wrong[0].1.contains('\n'), "{wrong:?}");
    }

    #[test]
    fn a_text_without_policies_and_a_template_are_refused() {
        for policies in [
            "",
            "// nothing",
            "permit (principal == ?principal, action, resource);",
        ] {
            let wrong = refused(json!({ "policies": policies }));
            assert_eq!(wrong[0].0, "/policies", "{policies}");
        }
    }

    #[test]
    fn every_setting_is_judged_at_once() {
        let wrong = refused(json!({
            "policies": "permit",
            "schema": 7,
            "namespace": "a b",
        }));
        let mut paths: Vec<_> = wrong.iter().map(|(path, _)| path.as_str()).collect();
        paths.dedup();
        assert_eq!(paths, ["/policies", "/namespace", "/schema"]);
        let entities = refused(json!({
            "policies": "permit (principal, action, resource);",
            "entities": { "uid": { "type": "Team", "id": "x" } },
        }));
        assert_eq!(entities[0].0, "/entities");
        let unknown =
            refused(json!({ "policies": "permit (principal, action, resource);", "polices": "" }));
        assert_eq!(unknown[0].0, "/polices");
        let mode = refused(
            json!({ "policies": "permit (principal, action, resource);", "errors": "ignore" }),
        );
        assert_eq!(mode[0].0, "/errors");
    }

    #[test]
    fn policies_and_entities_keep_to_the_schema() {
        let good = json!({
            "policies": "permit (principal in Team::\"a\", action == Action::\"push\", resource) when { principal.owner == \"x\" };",
            "schema": SCHEMA,
            "entities": [{ "uid": { "type": "Team", "id": "a" }, "attrs": {}, "parents": [] }],
        });
        assert!(Plugin::<Cedar>::try_load(good.clone()).is_ok());

        let mut untyped = good.clone();
        untyped["policies"] =
            json!("\npermit (principal, action, resource) when { principal.owner > 3 };");
        let wrong = refused(untyped);
        assert_eq!(wrong[0].0, "/policies");
        assert!(wrong[0].1.starts_with("line 2, column "), "{wrong:?}");

        let mut untyped = good.clone();
        untyped["entities"] = json!([{ "uid": { "type": "Agent", "id": "a" }, "attrs": { "owner": 1 }, "parents": [] }]);
        assert_eq!(refused(untyped)[0].0, "/entities");

        let mut broken = good;
        broken["schema"] = json!("entity;");
        let wrong = refused(broken);
        assert_eq!(wrong[0].0, "/schema");
        assert!(wrong[0].1.starts_with("line 1, column "), "{wrong:?}");
    }

    #[test]
    fn a_schema_may_be_an_object() {
        let settings = json!({
            "policies": "permit (principal, action, resource);",
            "schema": { "": {
                "entityTypes": { "Agent": {}, "Repository": {} },
                "actions": { "push": { "appliesTo": {
                    "principalTypes": ["Agent"], "resourceTypes": ["Repository"],
                } } },
            } },
        });
        assert!(Plugin::<Cedar>::try_load(settings).is_ok());
    }
}
