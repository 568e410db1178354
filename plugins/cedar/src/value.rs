//! From the values of a request to Cedar's.

use cedar_policy::RestrictedExpression;
use portcullis_sdk::{Json, Value, escape_key};

/// A value that Cedar has no type for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unrepresentable {
    /// Where it is, as a JSON Pointer from the value that was to be read.
    pub(crate) pointer: String,
    /// What it is.
    pub(crate) what: &'static str,
}

impl Unrepresentable {
    fn new(what: &'static str) -> Self {
        Self {
            pointer: String::new(),
            what,
        }
    }

    /// The same, seen from the value that has it as its member `key`.
    fn within(mut self, key: &str) -> Self {
        self.pointer.insert_str(0, &format!("/{}", escape_key(key)));
        self
    }
}

/// The value of an attribute or a circumstance.
pub(crate) fn of(value: &Value) -> Result<RestrictedExpression, Unrepresentable> {
    match value {
        Value::Text(text) => Ok(RestrictedExpression::new_string(text.clone())),
        Value::Integer(integer) => Ok(RestrictedExpression::new_long(*integer)),
        Value::Boolean(boolean) => Ok(RestrictedExpression::new_bool(*boolean)),
        Value::Texts(texts) => {
            let texts = texts.iter().cloned();
            Ok(RestrictedExpression::new_set(
                texts.map(RestrictedExpression::new_string),
            ))
        }
        Value::Json(text) => match serde_json::from_str(text) {
            Ok(json) => of_json(json),
            Err(_) => Err(Unrepresentable::new("text that is no JSON")),
        },
    }
}

/// A JSON value. What in Cedar's own JSON stands for an entity or an extension value is a record like
/// any other here: a caller writes the arguments, and must not choose what they are.
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
        assert_eq!(of(&texts).unwrap(), expression(r#"["x", "y"]"#));
    }

    #[test]
    fn a_caller_cannot_make_an_entity_or_an_address() {
        let json = json!({ "__entity": { "type": "Agent", "id": "x" } });
        let record = expression(r#"{"__entity": {"type": "Agent", "id": "x"}}"#);
        assert_eq!(of_json(json).unwrap(), record);
    }

    #[test]
    fn names_the_place_of_what_cedar_has_no_type_for() {
        let refused = |json| of_json(json).unwrap_err();
        let null = refused(json!({ "a": [1, { "b/c": null }] }));
        assert_eq!((null.pointer.as_str(), null.what), ("/a/1/b~1c", "null"));
        assert_eq!(refused(json!([0.5])).pointer, "/0");
        assert_eq!(refused(json!(u64::MAX)).pointer, "");
        assert!(of_json(json!(i64::MIN)).is_ok());
        let attribute = of(&Value::Json("[null]".to_owned())).unwrap_err();
        assert_eq!(attribute.pointer, "/0");
    }
}
