//! What is not written to the log.

use serde_json::Value;

/// Which arguments of a request are not written to a log, as JSON Pointers into the arguments. A `*`
/// stands for every item of a list or every member of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mask(Vec<Vec<String>>);

/// A text that is not a mask.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a JSON Pointer to an argument, such as `/password` or `/headers/authorization`"
)]
pub struct MaskError(String);

impl Mask {
    /// Makes a mask of JSON Pointers.
    ///
    /// # Errors
    ///
    /// [`MaskError`] at the first that is none, or that points to everything.
    pub fn new<'a>(pointers: impl IntoIterator<Item = &'a str>) -> Result<Self, MaskError> {
        pointers
            .into_iter()
            .map(|pointer| match pointer.strip_prefix('/') {
                None => Err(MaskError(pointer.to_owned())),
                Some(path) => Ok(path
                    .split('/')
                    .map(|key| key.replace("~1", "/").replace("~0", "~"))
                    .collect()),
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Replaces what is masked in `arguments`, and says whether anything was.
    ///
    /// Where something of another shape than a pointer expects stands in the way, that is masked whole:
    /// what it holds cannot be told.
    pub(crate) fn apply(&self, arguments: &mut Value) -> bool {
        let mut any = false;
        for path in &self.0 {
            any |= mask(arguments, path);
        }
        any
    }
}

fn mask(value: &mut Value, path: &[String]) -> bool {
    let Some((key, rest)) = path.split_first() else {
        *value = Value::from("masked");
        return true;
    };
    match value {
        Value::Object(members) if key == "*" => mask_each(members.values_mut(), rest),
        Value::Object(members) => members.get_mut(key).is_some_and(|value| mask(value, rest)),
        Value::Array(items) => match (key.as_str(), key.parse::<usize>()) {
            ("*", _) => mask_each(items.iter_mut(), rest),
            (_, Ok(index)) => items.get_mut(index).is_some_and(|item| mask(item, rest)),
            // A list where an object was expected may hold many of them.
            (_, Err(_)) => mask_each(items.iter_mut(), path),
        },
        _ => mask(value, &[]),
    }
}

/// Masks every one, whatever became of the one before it.
fn mask_each<'a>(values: impl Iterator<Item = &'a mut Value>, path: &[String]) -> bool {
    let mut any = false;
    for value in values {
        any |= mask(value, path);
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn masked(pointers: &[&str], mut arguments: Value) -> (bool, String) {
        let mask = Mask::new(pointers.iter().copied()).unwrap();
        (mask.apply(&mut arguments), arguments.to_string())
    }

    #[test]
    fn what_is_masked_is_not_there() {
        for (pointers, arguments) in [
            (
                vec!["/password"],
                json!({ "password": "hunter2", "user": "a" }),
            ),
            (vec!["/a/b"], json!({ "a": { "b": "hunter2" } })),
            (vec!["/list/*"], json!({ "list": ["x", "hunter2"] })),
            (
                vec!["/headers/*"],
                json!({ "headers": { "authorization": "hunter2" } }),
            ),
            (vec!["/list/1"], json!({ "list": ["x", "hunter2"] })),
            (vec!["/a", "/b"], json!({ "a": "x", "b": "hunter2" })),
            // Another shape than the pointer expects hides nothing from it.
            (vec!["/a/b"], json!({ "a": "hunter2" })),
            (vec!["/a/b"], json!({ "a": [{ "b": "hunter2" }] })),
            (vec!["/a"], json!({ "a": { "deep": ["hunter2"] } })),
        ] {
            let (any, text) = masked(&pointers, arguments);
            assert!(any && !text.contains("hunter2"), "{pointers:?}: {text}");
        }
        let (any, text) = masked(&["/password"], json!({ "user": "a" }));
        assert!(!any && text == r#"{"user":"a"}"#);
    }

    #[test]
    fn refuses_what_is_no_pointer() {
        assert!(Mask::new(["password"]).is_err());
        assert!(Mask::new([""]).is_err());
    }
}
