//! Origins of argument values.

mod form;

use crate::name::{NameError, check_action};
use crate::part::parts_of;
use crate::path::escape_key;
use crate::work;
pub(crate) use form::{ANY_TOOL, Accepted};
pub use form::{accepts_origin, is_origin};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;

/// Origin of a value that is not listed.
const UNKNOWN: &str = "unknown";

/// Origin of a plain word of the user's, and of an approved value.
pub const WORD: &str = "user~word";

/// Places that the value of one argument came from.
///
/// Each origin is text in one of these forms; `POINTER` is a JSON Pointer into the tool's result in which the
/// segment `*` stands for any index or key:
///
/// | text | the value |
/// |---|---|
/// | `user` | is in the user's own words |
/// | `user~word` | is a plain word or a number of theirs (no link, address, account, path or long number), or was approved for this argument |
/// | `tool:NAME` | comes from a result of the tool; the place in it is not known |
/// | `tool:NAME#POINTER` | is that field of the result |
/// | `tool:NAME#aboutPOINTER` | is the same, in a record that has something of the user's words |
/// | `tool:NAME~POINTER` | is a part of the text in that field |
/// | `tool:NAME~namedPOINTER` | is the same, and the user named what was read |
/// | `tool:NAME~reachedPOINTER` | is the same, and a text that the user named says what was read |
/// | `tool:*…` | in a constraint: the same, of any tool |
/// | `unknown` | comes from another place, such as the model's own composition |
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
pub struct ArgumentOrigin {
    /// JSON Pointer (RFC 6901) into the arguments.
    pub path: String,
    /// A part of the text at `path`, such as a link in a message. Absent for the whole value.
    pub part: Option<String>,
    /// The origins. Each alone explains the value; without any, the origin is unknown.
    pub origins: Vec<String>,
}

impl ArgumentOrigin {
    /// States `origin` for the whole value at `path`.
    pub fn new(path: impl Into<String>, origin: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            part: None,
            origins: vec![origin.into()],
        }
    }

    /// States that the whole value at `path` comes from a result of the tool called `tool`.
    ///
    /// # Errors
    ///
    /// [`NameError`] if it is not the name of a tool. A name with `#` or `~` would read as a place in the result of
    /// another tool.
    pub fn of_tool(path: impl Into<String>, tool: &str) -> Result<Self, NameError> {
        check_action(tool)?;
        Ok(Self::new(path, format!("tool:{tool}")))
    }

    /// States `origin` as an alternative: each origin alone explains the value.
    #[must_use]
    pub fn or(mut self, origin: impl Into<String>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// Limits the statement to a part of the text at the path.
    #[must_use]
    pub fn of_part(mut self, part: impl Into<String>) -> Self {
        self.part = Some(part.into());
        self
    }
}

/// Origins of the arguments of one request.
///
/// - An argument has the origins stated for it or for its nearest container.
/// - Origins stated for an item or member of it, or for a part of its text, must be accepted as well.
/// - A list without stated origins has those of its items, if each item has one.
/// - Every other value has the origin `unknown`.
#[derive(Debug, Clone, Copy)]
pub struct Origins<'a>(pub &'a [ArgumentOrigin]);

/// A part of a text whose origins are not accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RefusedPart {
    /// The part, as it stands in the text. Empty if the decision's budget is exhausted.
    pub part: String,
    /// Its origins, or those of its text.
    pub origins: Vec<String>,
}

/// Steps for each item of a list whose index is looked up.
const INDEX_COST: usize = 32;

/// Steps for 16 bytes of a text whose parts are found.
const PART_COST: usize = 8;

impl Origins<'_> {
    /// The origin of every argument is unknown.
    pub const UNKNOWN: Self = Self(&[]);

    /// True if `accepted` accepts the origins of the argument `value` at `path`.
    pub(crate) fn are_accepted(&self, path: &str, value: &Value, accepted: &Accepted<'_>) -> bool {
        // Each statement is compared with the path three times.
        if !work::take(self.0.len() * (3 + path.len() / 8)) {
            return false;
        }
        // Parts are of the text of the argument, or of a text that may be within a container of it.
        let is_about = |it: &&ArgumentOrigin| {
            is_at_or_below(&it.path, path) || it.part.is_some() && is_at_or_below(path, &it.path)
        };
        if !self
            .0
            .iter()
            .filter(is_about)
            .all(|it| accepted.accepts(it))
        {
            return false;
        }
        match self.nearest(path) {
            Some(own) => accepted.accepts(own),
            None => accepted.accepts_text(UNKNOWN) || self.has_every_item(path, value),
        }
    }

    /// The statement for the whole value at `path`, or for its nearest container.
    pub fn nearest(&self, path: &str) -> Option<&ArgumentOrigin> {
        let whole = self.0.iter().filter(|it| it.part.is_none());
        let holders = whole.filter(|it| is_at_or_below(path, &it.path));
        holders.max_by_key(|it| it.path.len())
    }

    /// True if `value` is a list, and an origin is stated for each of its items.
    fn has_every_item(&self, path: &str, value: &Value) -> bool {
        let Some(items) = value.as_array().filter(|items| !items.is_empty()) else {
            return false;
        };
        if !work::take(INDEX_COST * items.len()) {
            return false;
        }
        let whole = self.0.iter().filter(|it| it.part.is_none());
        let stated: BTreeSet<&str> = whole
            .filter_map(|it| it.path.strip_prefix(path)?.strip_prefix('/'))
            .collect();
        (0..items.len()).all(|index| stated.contains(index.to_string().as_str()))
    }

    /// The first part of the texts of `value`, the argument at `path`, whose origins `accepted` does not accept.
    ///
    /// A part without origins of its own has those of its text. Once the budget is exhausted, every part counts as
    /// refused.
    pub(crate) fn refused_part(
        &self,
        path: &str,
        value: &Value,
        accepted: &Accepted<'_>,
    ) -> Option<RefusedPart> {
        let in_text = |path: &str, text: &str| {
            if !work::take(PART_COST * (text.len() / 16)) {
                return Some(RefusedPart::default());
            }
            let mut parts = parts_of(text).map(|part| part.text);
            let refused = parts.find(|part| !self.of_part_are_accepted(path, part, accepted))?;
            Some(RefusedPart {
                part: refused.to_owned(),
                origins: self.of_part(path, refused),
            })
        };
        let below = |path: &str, key: &str, item: &Value| match work::take(INDEX_COST + key.len()) {
            true => self.refused_part(&format!("{path}/{}", escape_key(key)), item, accepted),
            false => Some(RefusedPart::default()),
        };
        match value {
            Value::String(text) => in_text(path, text),
            // A number may be an account's.
            Value::Number(number) => in_text(path, &number.to_string()),
            Value::Array(items) => {
                let mut items = items.iter().enumerate();
                items.find_map(|(index, item)| below(path, &index.to_string(), item))
            }
            Value::Object(members) => members
                .iter()
                .find_map(|(key, member)| in_text(path, key).or_else(|| below(path, key, member))),
            Value::Null | Value::Bool(_) => None,
        }
    }

    fn of_part_are_accepted(&self, path: &str, part: &str, accepted: &Accepted<'_>) -> bool {
        work::take(self.0.len() * (3 + path.len() / 8)) && {
            let mut own = self.of_part_alone(path, part).peekable();
            match own.peek() {
                Some(_) => own.all(|it| accepted.accepts(it)),
                None => match self.nearest(path) {
                    Some(text) => accepted.accepts(text),
                    None => accepted.accepts_text(UNKNOWN),
                },
            }
        }
    }

    /// Statements for a part of the text at `path`.
    fn of_part_alone<'s>(
        &'s self,
        path: &'s str,
        part: &'s str,
    ) -> impl Iterator<Item = &'s ArgumentOrigin> {
        let of_part = self
            .0
            .iter()
            .filter(move |it| it.part.as_deref() == Some(part));
        of_part.filter(move |it| is_at_or_below(path, &it.path))
    }

    /// Origins of a part of the text at `path`, for messages.
    fn of_part(&self, path: &str, part: &str) -> Vec<String> {
        let own = self.of_part_alone(path, part);
        let own: Vec<_> = own.flat_map(|it| it.origins.iter().cloned()).collect();
        if !own.is_empty() {
            return own;
        }
        let text = self.nearest(path).map(|it| it.origins.clone());
        let text = text.filter(|origins| !origins.is_empty());
        text.unwrap_or_else(|| vec![UNKNOWN.to_owned()])
    }

    /// Origins of the argument at `path`, and of its items, members and parts, for messages.
    ///
    /// An origin may repeat.
    pub fn stated(&self, path: &str) -> Vec<&str> {
        let own = self.nearest(path);
        let is_own = |it: &&ArgumentOrigin| own.is_some_and(|own| std::ptr::eq(own, *it));
        let below = self.0.iter().filter(|it| is_at_or_below(&it.path, path));
        let rest = below.filter(|it| !is_own(it));
        let mut stated = Vec::new();
        for it in own.into_iter().chain(rest) {
            stated.extend(it.origins.iter().map(String::as_str));
        }
        if own.is_none_or(|own| own.origins.is_empty()) {
            stated.insert(0, UNKNOWN);
        }
        stated
    }
}

/// True if the pointer `path` is `base` or points below it.
pub fn is_at_or_below(path: &str, base: &str) -> bool {
    path.strip_prefix(base)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn accepted(origins: &[ArgumentOrigin], path: &str, by: &[&str]) -> bool {
        let arguments = json!({ "to": ["a", "b"], "none": [], "text": "see https://x", "top": 1 });
        let value = arguments.pointer(path).unwrap();
        Origins(origins).are_accepted(path, value, &Accepted::new(by.iter().copied()))
    }

    #[test]
    fn any_of_several_origins_suffices() {
        let stated = [ArgumentOrigin::new("/top", "tool:web").or("tool:bank#/*/id")];
        assert!(accepted(&stated, "/top", &["tool:bank#/*/id"]));
        assert!(accepted(&stated, "/top", &["user", "tool:web"]));
        assert!(!accepted(&stated, "/top", &["user", "tool:bank~"]));
        let none = [ArgumentOrigin {
            origins: Vec::new(),
            ..stated[0].clone()
        }];
        assert!(accepted(&none, "/top", &["unknown"]) && !accepted(&none, "/top", &["user"]));
    }

    #[test]
    fn every_part_of_a_text_must_be_accepted() {
        let whole = ArgumentOrigin::new("/text", "user");
        let part = ArgumentOrigin::new("/text", "tool:web~/body").of_part("https://x");
        assert!(accepted(std::slice::from_ref(&whole), "/text", &["user"]));
        assert!(!accepted(
            &[whole.clone(), part.clone()],
            "/text",
            &["user"]
        ));
        assert!(accepted(
            &[whole, part.clone()],
            "/text",
            &["user", "tool:web~"]
        ));
        assert!(
            !accepted(&[part], "/text", &["tool:web~"]),
            "the text itself is unknown"
        );
    }

    #[test]
    fn a_part_of_a_container_counts_for_what_it_holds() {
        let stated = [
            ArgumentOrigin::new("/to", "user"),
            ArgumentOrigin::new("/to", "tool:web~/body").of_part("b"),
        ];
        assert!(!accepted(&stated, "/to", &["user"]));
        assert!(!accepted(&stated, "/to/1", &["user"]));
        assert!(accepted(&stated, "/to/1", &["user", "tool:web~"]));
        assert!(accepted(&stated[..1], "/to/1", &["user"]));
    }

    #[test]
    fn the_name_of_a_tool_is_no_place() {
        let stated = ArgumentOrigin::of_tool("/to", "mail.search").unwrap();
        assert_eq!(stated, ArgumentOrigin::new("/to", "tool:mail.search"));
        for tool in ["bank#/x", "bank~", "bank~named/0", "", "a b"] {
            assert!(ArgumentOrigin::of_tool("/to", tool).is_err(), "{tool}");
        }
    }

    #[test]
    fn a_list_has_the_origins_of_its_items() {
        let items = [
            ArgumentOrigin::new("/to/0", "user"),
            ArgumentOrigin::new("/to/1", "tool:mail"),
        ];
        assert!(accepted(&items, "/to", &["user", "tool:mail"]));
        assert!(!accepted(&items, "/to", &["user"]));
        assert!(
            !accepted(&items[..1], "/to", &["user"]),
            "the second is unknown"
        );
        assert!(!accepted(&[], "/none", &["user"]) && accepted(&[], "/none", &["unknown"]));
    }

    #[test]
    fn an_origin_is_inherited_from_the_nearest_container() {
        let stated = [
            ArgumentOrigin::new("", "tool:web"),
            ArgumentOrigin::new("/to", "user"),
        ];
        assert!(accepted(&stated, "/to/1", &["user"]));
        assert!(!accepted(&stated, "/top", &["user"]));
        assert!(
            !accepted(&stated[1..], "/top", &["user"]),
            "`/to` does not hold `/top`"
        );
        assert_eq!(Origins(&stated).stated("/to/1"), ["user"]);
        assert_eq!(Origins(&stated[1..]).stated("/top"), ["unknown"]);
        assert_eq!(Origins(&stated).stated(""), ["tool:web", "user"]);
    }

    #[test]
    fn the_stated_origins_are_those_of_the_nearest_container_and_of_what_is_below() {
        let stated = [
            ArgumentOrigin::new("", "user"),
            ArgumentOrigin::new("/to", "tool:mail"),
            ArgumentOrigin::new("/to/0", "tool:directory"),
            ArgumentOrigin::new("/too", "tool:other"),
        ];
        for (path, found) in [
            ("/to", &["tool:mail", "tool:directory"][..]),
            ("/to/1", &["tool:mail"]),
            ("/body", &["user"]),
        ] {
            assert_eq!(Origins(&stated).stated(path), found, "{path}");
        }
        let parts = Origins(&stated[2..3]);
        assert_eq!(parts.stated("/to"), ["unknown", "tool:directory"]);
        assert_eq!(Origins::UNKNOWN.stated(""), ["unknown"]);
    }
}
