//! Builds the engine from the operator's settings.

use crate::input::of_json;
use crate::{Rego, builtins, on_one_line, refusals};
use portcullis_sdk::{Json, SettingsError, escape_key};
use regorus::{Engine, Rc};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The settings as written.
#[derive(Debug, Deserialize)]
pub struct Settings {
    policies: Json,
    #[serde(default)]
    data: Option<Json>,
    #[serde(default = "usual_query")]
    query: String,
    #[serde(default)]
    version: Version,
    #[serde(default)]
    errors: OnError,
}

/// The version of Rego.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Version {
    /// Rego as in OPA 1.0, with `if` and `contains` as keywords.
    #[default]
    V1,
    /// Rego before OPA 1.0.
    V0,
}

/// The handling of a builtin that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OnError {
    /// The verdict is indeterminate.
    #[default]
    Indeterminate,
    /// The builtin is undefined, and the other rules decide. This is OPA's own rule.
    Undefined,
}

fn usual_query() -> String {
    "data.portcullis.allow".to_owned()
}

/// A policy: its path in the settings, its file name and its text.
type File = (String, String, String);

impl Settings {
    /// Parses the settings, and prepares the policies for the rule that decides.
    ///
    /// # Errors
    ///
    /// One [`SettingsError`] for each error found.
    pub(crate) fn prepared(self) -> Result<Rego, Vec<SettingsError>> {
        let is_strict = self.errors == OnError::Indeterminate;
        let files = files(self.policies)?;
        let places: BTreeMap<_, _> = files
            .iter()
            .map(|(place, name, _)| (&**name, place))
            .collect();
        let (mut engine, mut errors) = parsed(&files, self.version);
        if !errors.is_empty() {
            return Err(errors);
        }
        let read = refusals::read(engine.get_modules(), |file| {
            let place = places.get(file);
            place.map(|place| (*place).clone()).unwrap_or_default()
        });
        if let Some(data) = &self.data {
            errors.extend(read.shadowed(data));
        }
        errors.extend(read.errors);
        if errors.is_empty() && !read.edits.is_empty() {
            let edited = files.iter().map(|(place, name, text)| {
                let edits = read.edits.get(name).map_or(&[][..], Vec::as_slice);
                (place.clone(), name.clone(), refusals::edited(text, edits))
            });
            (engine, errors) = parsed(&edited.collect::<Vec<_>>(), self.version);
        }
        engine.set_strict_builtin_errors(is_strict);
        match self.data {
            None => {}
            Some(data @ Json::Object(_)) => {
                if let Err(error) = engine.add_data(of_json(data)) {
                    let message = on_one_line(&error.to_string());
                    errors.push(SettingsError::new("/data", message));
                }
            }
            Some(_) => errors.push(SettingsError::new("/data", "is an object")),
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        if let Err(error) = builtins::install(&mut engine, is_strict, read.patterns) {
            return Err(vec![SettingsError::new("/policies", error.to_string())]);
        }
        let query = entry_point(&mut engine, &self.query).map_err(|error| vec![error])?;
        let prepared = Rego::new(engine, query);
        prepared.warm_up();
        Ok(prepared)
    }
}

/// Returns an engine with the `files` that parse, and the errors of the others.
fn parsed(files: &[File], version: Version) -> (Engine, Vec<SettingsError>) {
    let mut engine = Engine::new();
    engine.set_rego_v0(version == Version::V0);
    let mut errors = Vec::new();
    for (place, name, text) in files {
        if let Err(error) = engine.add_policy(name.clone(), text.clone()) {
            let message = on_one_line(&error.to_string());
            let instead = instead(&message, text);
            errors.push(SettingsError::new(place, format!("{message}{instead}")));
        }
    }
    (engine, errors)
}

/// Returns the alternative to syntax that `regorus` does not support.
fn instead(message: &str, text: &str) -> &'static str {
    if message.contains("unexpected keyword") || message.contains("expecting identifier") {
        return ": a reference does not begin with a keyword: give the rule another name";
    }
    if text.contains("$\"") || text.contains("$`") {
        return ": `$\"…\"` is not supported: write `sprintf`";
    }
    ""
}

fn files(policies: Json) -> Result<Vec<File>, Vec<SettingsError>> {
    let at_policies = |message: &str| vec![SettingsError::new("/policies", message)];
    let files = match policies {
        Json::String(text) => {
            let place = "/policies".to_owned();
            return Ok(vec![(place, "policy.rego".to_owned(), text)]);
        }
        Json::Object(files) => files,
        _ => {
            return Err(at_policies(
                "is the text of a policy, or a table of such texts",
            ));
        }
    };
    if files.is_empty() {
        return Err(at_policies("needs at least one policy"));
    }
    let mut read = Vec::new();
    for (name, text) in files {
        let place = format!("/policies/{}", escape_key(&name));
        match text {
            Json::String(text) => read.push((place, name, text)),
            _ => return Err(vec![SettingsError::new(place, "is the text of a policy")]),
        }
    }
    Ok(read)
}

/// Analyses the policies, and returns the deciding rule's path as the engine spells it.
fn entry_point(engine: &mut Engine, query: &str) -> Result<String, SettingsError> {
    let rule: Rc<str> = query.into();
    let path = engine
        .compile_with_entrypoint(&rule)
        .and_then(|compiled| compiled.get_policy_info())
        .map(|found| found.entrypoint_rule.to_string());
    path.map_err(|error| match on_one_line(&error.to_string()) {
        message if message == NO_SUCH_RULE => {
            let message = format!(
                "no policy has a rule `{query}`: write the path of one, such as `data.authz.allow`"
            );
            SettingsError::new("/query", message)
        }
        message => SettingsError::new("/policies", message),
    })
}

/// The engine's message for a path without a rule.
const NO_SUCH_RULE: &str = "not a valid rule path";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rego;
    use portcullis_sdk::json;
    use portcullis_sdk::testing::Plugin;

    fn refused(settings: Json) -> Vec<(String, String)> {
        let errors = Plugin::<Rego>::try_load(settings).unwrap_err();
        errors.into_iter().map(|e| (e.path, e.message)).collect()
    }

    #[test]
    fn names_file_line_and_column_of_what_does_not_parse() {
        let wrong = refused(json!({ "policies": {
            "good.rego": "package portcullis\nallow if true",
            "a/bad.rego": "package bad\nallow if {",
        } }));
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        assert_eq!(wrong[0].0, "/policies/a~1bad.rego");
        assert!(wrong[0].1.starts_with("a/bad.rego:2:"), "{wrong:?}");
        assert!(!wrong[0].1.contains('\n'), "{wrong:?}");
    }

    #[test]
    fn a_query_is_the_path_of_a_rule_that_there_is() {
        let policies = "package authz\nallow if input.action.name == \"read\"";
        let ask =
            |query: &str| Plugin::<Rego>::try_load(json!({ "policies": policies, "query": query }));
        assert!(ask("data.authz.allow").is_ok());
        assert!(ask("data.authz[\"allow\"]").is_ok());
        for wrong in [
            "data.authz.alow",
            "data.authz",
            "allow",
            "",
            "data.authz.allow == true",
        ] {
            let errors = ask(wrong).unwrap_err();
            assert_eq!(errors[0].path, "/query", "{wrong}");
        }
        assert_eq!(refused(json!({ "policies": policies }))[0].0, "/query");
    }

    #[test]
    fn each_setting_is_judged() {
        let policies = "package portcullis\nallow if true";
        for (settings, place) in [
            (json!({ "policies": {} }), "/policies"),
            (json!({ "policies": 1 }), "/policies"),
            (json!({ "policies": { "a": 1 } }), "/policies/a"),
            (json!({ "policies": policies, "data": [] }), "/data"),
            (json!({ "policies": policies, "version": "v2" }), "/version"),
            (json!({ "policies": policies, "errors": "skip" }), "/errors"),
            (json!({ "policies": policies, "rules": 1 }), "/rules"),
        ] {
            assert_eq!(refused(settings.clone())[0].0, place, "{settings}");
        }
    }

    #[test]
    fn data_does_not_stand_where_a_rule_is() {
        let policies =
            "package portcullis\nallow if true\nlimits.most := 5\nof[x] := 1 if some x in [1]";
        for (data, place) in [
            (
                json!({ "portcullis": { "allow": true } }),
                "/data/portcullis/allow",
            ),
            (
                json!({ "portcullis": { "limits": { "most": 9 } } }),
                "/data/portcullis/limits/most",
            ),
            (json!({ "portcullis": { "of": {} } }), "/data/portcullis/of"),
        ] {
            let wrong = refused(json!({ "policies": policies, "data": data }));
            assert_eq!(wrong[0].0, place, "{wrong:?}");
        }
        let beside = json!({ "portcullis": { "grants": [], "limits": { "least": 1 } } });
        let settings = json!({ "policies": policies, "data": beside });
        assert!(Plugin::<Rego>::try_load(settings).is_ok());
    }

    #[test]
    fn what_regorus_does_not_parse_is_refused_with_what_to_write() {
        for (policy, instead) in [
            ("allow if $\"{input.a}\" == \"b\"", "`sprintf`"),
            ("allow if as.foo == 1", "another name"),
            ("every.foo := 1", "another name"),
        ] {
            let policy = format!("package portcullis\n{policy}");
            let message = &refused(json!({ "policies": policy }))[0].1;
            assert!(message.contains(instead), "{policy}: {message}");
            assert!(message.starts_with("policy.rego:2:"), "{message}");
        }
    }

    #[test]
    fn either_version_of_rego_is_read_where_it_is_named() {
        let old = "package portcullis\nallow { true }";
        assert!(Plugin::<Rego>::try_load(json!({ "policies": old, "version": "v0" })).is_ok());
        assert_eq!(refused(json!({ "policies": old }))[0].0, "/policies");
        let new = "package portcullis\nimport rego.v1\nallow if true";
        assert!(Plugin::<Rego>::try_load(json!({ "policies": new })).is_ok());
    }
}
