//! Converts the values of a request to Cedar's.

use cedar_policy::RestrictedExpression;
use portcullis_sdk::{Json, Value, escape_key};

/// A value that Cedar has no type for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unrepresentable {
    /// JSON Pointer to the value, relative to the converted value.
    pub(crate) pointer: String,
    /// Description of the value.
    pub(crate) what: &'static str,
}

impl Unrepresentable {
    fn new(what: &'static str) -> Self {
        Self {
            pointer: String::new(),
            what,
        }
    }

    /// Prefixes the pointer with `key`, the member that holds the converted value.
    fn within(mut self, key: &str) -> Self {
        self.pointer.insert_str(0, &format!("/{}", escape_key(key)));
        self
    }
}

/// Members that mark an entity or an extension value in Cedar's JSON.
const ESCAPES: [&str; 3] = ["__entity", "__extn", "__expr"];

/// Returns an attribute or a circumstance as JSON.
pub(crate) fn json_of(value: &Value) -> Result<Json, Unrepresentable> {
    match value {
        Value::Text(text) => Ok(Json::from(text.as_str())),
        Value::Integer(integer) => Ok(Json::from(*integer)),
        Value::Boolean(boolean) => Ok(Json::from(*boolean)),
        Value::Texts(texts) => Ok(Json::from(texts.as_slice())),
        Value::Json(text) => {
            serde_json::from_str(text).map_err(|_| Unrepresentable::new("text that is no JSON"))
        }
    }
}

/// Verifies that Cedar has a type for every value in `json`.
pub(crate) fn representable(json: &Json) -> Result<(), Unrepresentable> {
    match json {
        Json::Null => Err(Unrepresentable::new("null")),
        Json::Number(number) if number.as_i64().is_none() => {
            Err(Unrepresentable::new("a number that is no 64-bit integer"))
        }
        Json::Bool(_) | Json::String(_) | Json::Number(_) => Ok(()),
        Json::Array(items) => items.iter().enumerate().try_for_each(|(index, item)| {
            representable(item).map_err(|error| error.within(&index.to_string()))
        }),
        Json::Object(members) => members
            .iter()
            .try_for_each(|(key, member)| representable(member).map_err(|error| error.within(key))),
    }
}

/// Finds an entity or extension value of Cedar's JSON, and returns its JSON Pointer.
pub(crate) fn escape_in(json: &Json) -> Option<String> {
    match json {
        Json::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| Some(format!("/{index}{}", escape_in(item)?))),
        Json::Object(members) => members.iter().find_map(|(key, member)| {
            let within = match ESCAPES.contains(&key.as_str()) {
                true => String::new(),
                false => escape_in(member)?,
            };
            Some(format!("/{}{within}", escape_key(key)))
        }),
        _ => None,
    }
}

/// Converts a JSON value, reading no entities and extension values from it.
pub(crate) fn of_json(json: Json) -> Result<RestrictedExpression, Unrepresentable> {
    match json {
        Json::Null => Err(Unrepresentable::new("null")),
        Json::Bool(boolean) => Ok(RestrictedExpression::new_bool(boolean)),
        Json::String(text) => Ok(RestrictedExpression::new_string(text)),
        Json::Number(number) => match number.as_i64() {
            Some(long) => Ok(RestrictedExpression::new_long(long)),
            None => Err(Unrepresentable::new("a number that is no 64-bit integer")),
        },
        Json::Array(items) => {
            let mut set = Vec::with_capacity(items.len());
            for (index, item) in items.into_iter().enumerate() {
                set.push(of_json(item).map_err(|error| error.within(&index.to_string()))?);
            }
            Ok(RestrictedExpression::new_set(set))
        }
        Json::Object(members) => {
            let mut fields = Vec::with_capacity(members.len());
            for (key, member) in members {
                let value = of_json(member).map_err(|error| error.within(&key))?;
                fields.push((key, value));
            }
            RestrictedExpression::new_record(fields)
                .map_err(|_| Unrepresentable::new("an object with two members of one name"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_sdk::json;
    use std::str::FromStr;

    fn expression(text: &str) -> RestrictedExpression {
        RestrictedExpression::from_str(text).unwrap()
    }

    #[test]
    fn lists_are_sets_and_objects_are_records() {
        let json = json!({ "a": [1, "x", true], "b": { "c d": 2 } });
        assert_eq!(
            of_json(json).unwrap(),
            expression(r#"{"a": [1, "x", true], "b": {"c d": 2}}"#)
        );
        let texts = Value::Texts(vec!["x".to_owned(), "y".to_owned()]);
        assert_eq!(json_of(&texts).unwrap(), json!(["x", "y"]));
    }

    #[test]
    fn an_entity_and_an_extension_value_are_found_wherever_they_are() {
        for (json, at) in [
            (
                json!({ "a": [1, { "__entity": {} }] }),
                Some("/a/1/__entity"),
            ),
            (json!({ "a/b": { "__extn": 1 } }), Some("/a~1b/__extn")),
            (json!([{ "__expr": "x" }]), Some("/0/__expr")),
            (json!({ "entity": { "type": "User", "id": "x" } }), None),
            (json!("__entity"), None),
        ] {
            assert_eq!(escape_in(&json).as_deref(), at, "{json}");
        }
    }

    #[test]
    fn names_the_place_of_what_cedar_has_no_type_for() {
        let refused = |json| of_json(json).unwrap_err();
        let null = refused(json!({ "a": [1, { "b/c": null }] }));
        assert_eq!((null.pointer.as_str(), null.what), ("/a/1/b~1c", "null"));
        assert_eq!(refused(json!([0.5])).pointer, "/0");
        assert_eq!(refused(json!(u64::MAX)).pointer, "");
        assert!(of_json(json!(i64::MIN)).is_ok());
        for json in [
            json!({ "a": [1, { "b": null }] }),
            json!([0.5]),
            json!(u64::MAX),
        ] {
            assert_eq!(representable(&json), of_json(json.clone()).map(|_| ()));
        }
        assert!(json_of(&Value::Json("[".to_owned())).is_err());
    }
}
