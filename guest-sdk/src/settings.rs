//! Reads the operator's settings into the author's type.

use crate::Policy;
use portcullis_contract::escape_key;

/// An error in the settings, and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError {
    /// JSON Pointer (RFC 6901) into the settings.
    pub path: String,
    /// The error, and the correct form.
    pub message: String,
}

impl SettingsError {
    /// Creates an error at `path`, a JSON Pointer.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }
}

/// Reads `settings`, a JSON object, and makes the policy.
pub(crate) fn read<P: Policy>(settings: &str) -> Result<P, Vec<SettingsError>> {
    let mut unknown = Vec::new();
    let mut json = serde_json::Deserializer::from_str(settings);
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(&mut json, &mut track);
    let read = serde_ignored::deserialize(tracked, |path| {
        let path = ignored_pointer(&path);
        unknown.push(SettingsError::new(path, "the plugin has no such setting"));
    });
    let settings: P::Settings = match read {
        Ok(settings) => settings,
        Err(error) => {
            let path = pointer(&track.path());
            let message = error.to_string();
            return Err(vec![SettingsError::new(path, without_line(&message))]);
        }
    };
    if !unknown.is_empty() {
        return Err(unknown);
    }
    P::new(settings)
}

/// Strips the line and column that end serde_json's messages: the pointer replaces them.
pub(crate) fn without_line(message: &str) -> &str {
    message
        .rsplit_once(" at line ")
        .map_or(message, |(text, _)| text)
}

/// Returns the path as a JSON Pointer.
pub(crate) fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(format!("/{index}")),
            Segment::Map { key } => Some(format!("/{}", escape_key(key))),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

fn ignored_pointer(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}/{index}", ignored_pointer(parent)),
        Path::Map { parent, key } => format!("{}/{}", ignored_pointer(parent), escape_key(key)),
        Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => ignored_pointer(parent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    struct Rules {
        rules: Vec<Rule>,
    }
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its shape matters")]
    struct Rule {
        path: crate::Pattern,
        #[serde(default)]
        limit: u8,
    }
    #[crate::policy]
    impl Policy for Rules {
        fn new(settings: Self) -> Result<Self, Vec<SettingsError>> {
            match settings.rules.len() {
                0 => Err(vec![SettingsError::new("/rules", "needs a rule")]),
                _ => Ok(settings),
            }
        }
        fn evaluate(&self, _: &Request) -> Verdict {
            Verdict::not_applicable()
        }
    }

    fn refused(settings: &str) -> Vec<(String, String)> {
        let errors = read::<Rules>(settings).unwrap_err();
        errors.into_iter().map(|e| (e.path, e.message)).collect()
    }

    #[test]
    fn names_the_place_of_what_is_wrong() {
        assert!(read::<Rules>(r#"{"rules":[{"path":"a/*"}]}"#).is_ok());
        let wrong = refused(r#"{"rules":[{"path":"a"},{"path":"b","limit":300}]}"#);
        assert_eq!(wrong[0].0, "/rules/1/limit");
        assert!(wrong[0].1.contains("300"), "{wrong:?}");
        let pattern = refused(r#"{"rules":[{"path":"a**"}]}"#);
        assert_eq!(pattern[0].0, "/rules/0/path");
    }

    #[test]
    fn refuses_every_setting_that_does_not_exist() {
        let wrong = refused(r#"{"rules":[{"path":"a","limt":1}],"x/y":2}"#);
        let paths: Vec<_> = wrong.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["/rules/0/limt", "/x~1y"]);
    }

    #[test]
    fn asks_the_policy_last() {
        assert_eq!(refused(r#"{"rules":[]}"#)[0].0, "/rules");
    }
}
