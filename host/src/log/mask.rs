//! What is not written to the log.

use crate::request::{CONTEXT_MEMBERS, PRINCIPAL_MEMBERS, RESOURCE_MEMBERS};
use serde_json::Value;

/// What of a request is not written to a log, as JSON Pointers. A `*` stands for every item of a list or
/// every member of an object.
///
/// A pointer points into the arguments of a request. One whose first key is `subject`, `action`,
/// `resource` or `context` and whose second is a member of that points into the request as it is recorded,
/// an AuthZEN evaluation, too: `/context/ticket` masks a circumstance, and an argument of that name. What
/// the host itself goes by, such as `/subject/id`, cannot be masked: without it nobody could tell from the
/// log what a revocation has to end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mask {
    arguments: Vec<Vec<String>>,
    request: Vec<Vec<String>>,
}

/// A text that is not a mask.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MaskError {
    /// It is no pointer, or points to everything.
    #[error(
        "`{0}` is not a JSON Pointer to an argument, such as `/password` or `/headers/authorization`, or into a request, such as `/context/ticket`"
    )]
    NotAPointer(String),
    /// The log has to have it.
    #[error(
        "`{0}` is, or has in it, what the host itself goes by, without which nobody could tell from the log what a revocation has to end: name single attributes, such as `/subject/properties/email`, or write `/action/properties{0}` if it is an argument"
    )]
    Needed(String),
}

impl Mask {
    /// Makes a mask of JSON Pointers.
    ///
    /// # Errors
    ///
    /// [`MaskError`] at the first that is none, that points to everything, or to what the log has to
    /// have.
    pub fn new<'a>(pointers: impl IntoIterator<Item = &'a str>) -> Result<Self, MaskError> {
        let mut masks = Self::default();
        for pointer in pointers {
            let Some(path) = pointer.strip_prefix('/') else {
                return Err(MaskError::NotAPointer(pointer.to_owned()));
            };
            let path: Vec<String> = path
                .split('/')
                .map(|key| key.replace("~1", "/").replace("~0", "~"))
                .collect();
            match Place::of(&path) {
                Place::Needed => return Err(MaskError::Needed(pointer.to_owned())),
                Place::Request => masks.request.push(path.clone()),
                Place::Arguments => {}
            }
            masks.arguments.push(path);
        }
        Ok(masks)
    }

    /// Whether nothing is masked.
    pub(crate) fn is_empty(&self) -> bool {
        self.arguments.is_empty() && self.request.is_empty()
    }

    /// Replaces what is masked in `request`, an AuthZEN evaluation, and says whether anything was.
    ///
    /// Where something of another shape than a pointer expects stands in the way, that is masked whole:
    /// what it holds cannot be told.
    pub(crate) fn apply(&self, request: &mut Value) -> bool {
        let mut any = false;
        if let Some(arguments) = request.pointer_mut("/action/properties") {
            for path in &self.arguments {
                any |= mask(arguments, path);
            }
        }
        for path in &self.request {
            any |= mask(request, path);
        }
        any
    }
}

/// Where a pointer points.
enum Place {
    /// Into the arguments.
    Arguments,
    /// Into the request as a whole, too.
    Request,
    /// To what is not masked.
    Needed,
}

impl Place {
    fn of(path: &[String]) -> Self {
        let keys: Vec<&str> = path.iter().map(String::as_str).collect();
        let attribute = |key: &str, reserved: &[&str]| match key {
            "*" => Self::Needed,
            key if reserved.contains(&key) => Self::Needed,
            _ => Self::Request,
        };
        match keys.as_slice() {
            ["action", "properties", _, ..]
            | ["resource", "id"]
            | ["subject", "properties", "purpose"]
            | ["context", "intent", "purpose" | "approved-by"] => Self::Request,
            ["subject", "properties", key, ..] => attribute(key, &PRINCIPAL_MEMBERS),
            ["resource", "properties", key, ..] => attribute(key, &RESOURCE_MEMBERS),
            ["context", key, ..] => attribute(key, &CONTEXT_MEMBERS),
            [
                "subject" | "resource",
                "type" | "id" | "properties" | "*",
                ..,
            ]
            | ["action", "name" | "properties" | "*", ..] => Self::Needed,
            _ => Self::Arguments,
        }
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

    fn masked(pointers: &[&str], arguments: Value) -> (bool, String) {
        let mask = Mask::new(pointers.iter().copied()).unwrap();
        let mut request = json!({ "action": { "properties": arguments } });
        let any = mask.apply(&mut request);
        (any, request["action"]["properties"].to_string())
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
            // Whatever an argument is called.
            (vec!["/subject"], json!({ "subject": "hunter2" })),
            (vec!["/context/b"], json!({ "context": { "b": "hunter2" } })),
            (vec!["/action/properties/a"], json!({ "a": "hunter2" })),
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

    #[test]
    fn masks_of_a_request_what_the_host_does_not_go_by() {
        let whole = json!({
            "subject": { "type": "agent", "id": "i", "properties": { "email": "e", "owner": "o" } },
            "action": { "name": "n", "properties": { "email": "a" } },
            "resource": { "type": "t", "id": "r", "properties": { "title": { "text": "x" } } },
            "context": { "integration": "c", "ticket": "y", "intent": { "id": "d", "purpose": "p" } },
        });
        for pointer in [
            "/subject/properties/email",
            "/action/properties/email",
            "/resource/id",
            "/resource/properties/title/text",
            "/context/ticket",
            "/context/intent/purpose",
        ] {
            let mut request = whole.clone();
            assert!(Mask::new([pointer]).unwrap().apply(&mut request));
            let expected = Some(&Value::from("masked"));
            assert_eq!(request.pointer(pointer), expected, "{pointer}");
            *request.pointer_mut(pointer).unwrap() = whole.pointer(pointer).unwrap().clone();
            assert_eq!(request, whole, "{pointer} and nothing else");
        }
        for needed in [
            "/subject/id",
            "/subject/*",
            "/subject/properties",
            "/subject/properties/*",
            "/subject/properties/credential-id",
            "/subject/id/deep",
            "/action/name",
            "/action/properties",
            "/resource/properties/environment",
            "/context/*",
            "/context/integration",
            "/context/intent",
            "/context/intent/id",
        ] {
            let refused = Mask::new([needed]);
            assert_eq!(refused, Err(MaskError::Needed(needed.into())));
        }
    }
}
