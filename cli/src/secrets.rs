//! Detection of secrets in files that only the command reads.

use portcullis_host::has_well_known_token;
use serde_json::Value;

/// True if a request has text that looks like a secret.
///
/// Signed intents are skipped: they are tokens by nature.
pub(crate) fn request_has_token(json: &[u8]) -> bool {
    let Ok(mut request) = serde_json::from_slice::<Value>(json) else {
        return has_well_known_token(&String::from_utf8_lossy(json));
    };
    let mut left = vec![&mut request];
    while let Some(value) = left.pop() {
        match value {
            Value::Object(members) => {
                let intent = members.get_mut("intent").and_then(Value::as_object_mut);
                if let Some(intent) = intent {
                    intent.remove("documents");
                }
                left.extend(members.values_mut());
            }
            Value::Array(items) => left.extend(items),
            _ => {}
        }
    }
    has_well_known_token(&request.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_in_a_request_is_told_from_what_belongs_there() {
        let jwt = "eyJhbGciOiJub25lIn0.e30.x";
        for (request, has_token) in [
            (
                format!(r#"{{"context":{{"intent":{{"documents":["{jwt}"]}}}}}}"#),
                false,
            ),
            (format!(r#"{{"context":{{"note":"{jwt}"}}}}"#), true),
            (
                r#"{"a":["\u0067hp_abcdefghijklmnop1234"]}"#.to_owned(),
                true,
            ),
            (
                r#"{"id":"0123456789abcdef0123456789abcdef"}"#.to_owned(),
                false,
            ),
            ("{ ghp_abcdefghijklmnop1234".to_owned(), true),
        ] {
            assert_eq!(
                request_has_token(request.as_bytes()),
                has_token,
                "{request}"
            );
        }
    }
}
