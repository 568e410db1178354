//! An argument of a denied call, for the agent: where its value was found, and which read would give another.

use portcullis_host::Request;
use portcullis_host::session::Session;
use serde_json::{Value, json};
use std::fmt;

/// An argument of a denied call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    path: String,
    place: String,
    /// Tools whose results have a field that would do.
    reads: Vec<String>,
}

impl Found {
    /// The argument at `path`. `None` for one without a value of its own.
    pub(crate) fn of(
        session: &Session,
        request: &Request,
        path: String,
        reads: Vec<String>,
    ) -> Option<Self> {
        let value = request.arguments().pointer(&path)?;
        if !matches!(value, Value::String(_) | Value::Number(_) | Value::Array(_)) {
            return None;
        }
        let places = session.find(request, &path);
        let place = places.last().map_or_else(
            || "neither the user nor a result has it".to_owned(),
            ToString::to_string,
        );
        Some(Self { path, place, reads })
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({ "path": self.path, "found": self.place, "reads": self.reads })
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.path, self.place)?;
        if !self.reads.is_empty() {
            write!(
                f,
                "; a value of a result of `{}` would do",
                self.reads.join("`, `")
            )?;
        }
        Ok(())
    }
}
