//! Rules of the plugin `mcp-tools`, from tool calls.

use super::seen::{Call, support};
use super::toml;
use portcullis_contract::{Constraint, Operator, Origins, escape_key};
use portcullis_host::has_well_known_token;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Longest text that a rule pins an argument to.
const MAX_PINNED: usize = 256;

/// Rules for the calls of an integration, by tool.
pub(super) struct Rules<'a> {
    tools: BTreeMap<&'a str, Vec<&'a Call>>,
    several: usize,
}

/// Makes closed rules of the calls.
pub(super) fn rules(calls: &[Call], several: usize) -> Rules<'_> {
    let mut tools: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
    for call in calls {
        tools.entry(&call.action).or_default().push(call);
    }
    Rules { tools, several }
}

impl Rules<'_> {
    /// Number of rules.
    pub(super) fn len(&self) -> usize {
        self.tools.len()
    }

    /// The settings of the plugin.
    pub(super) fn settings(&self) -> String {
        let tools = self.tools.iter();
        let rules = tools.map(|(tool, calls)| format!("\n{}", rule(tool, calls, self.several)));
        rules.collect()
    }

    /// The tools, for their classes, which only an operator knows.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.tools.keys().copied()
    }
}

fn rule(tool: &str, calls: &[&Call], several: usize) -> String {
    let arguments = calls.iter().filter_map(|call| call.arguments.as_object());
    let names: BTreeSet<&String> = arguments.flat_map(|it| it.keys()).collect();
    let mut required = Vec::new();
    let mut optional = Vec::new();
    let mut open = Vec::new();
    for name in &names {
        let having: Vec<_> = calls
            .iter()
            .copied()
            .filter(|call| call.arguments.get(name.as_str()).is_some())
            .collect();
        match bounds(name, &having, several) {
            None => open.push(format!("`{name}`")),
            Some(bounds) if having.len() == calls.len() => required.push(bounds),
            Some(bounds) => optional.push(bounds),
        }
    }
    let mut text = toml::comment(&support(calls));
    if !open.is_empty() {
        let open = open.join(", ");
        text.push_str(&toml::comment(&format!("may have any value: {open}")));
    }
    text.push_str("[[integration.plugin.settings.tools]]\n");
    let mut line = |key: &str, value: String| text.push_str(&format!("{key} = {value}\n"));
    line("tool", toml::text(tool));
    line("only-arguments", toml::texts(names));
    for (key, bounds) in [("arguments", required), ("optional-arguments", optional)] {
        if !bounds.is_empty() {
            line(key, format!("[{}]", bounds.join(", ")));
        }
    }
    if calls.iter().any(|call| call.has_answers) {
        line("input-responses", "true".to_owned());
    }
    text
}

/// The constraint that all calls with the argument meet, in TOML; `None` if it may have any value.
fn bounds(name: &str, having: &[&Call], several: usize) -> Option<String> {
    let path = format!("/{}", escape_key(name));
    let values: Vec<&Value> = having
        .iter()
        .filter_map(|call| call.arguments.get(name))
        .collect();
    let is_hidden = |value: &&Value| {
        has_well_known_token(&value.to_string())
            || having.iter().any(|call| call.is_masked) && value.as_str() == Some("masked")
    };
    if values.iter().any(is_hidden) {
        return None;
    }
    let (operator, operand) = pinned(&values, several).or_else(|| folder(&values))?;
    let constraint = Constraint::new(path.as_str(), operator, operand.clone()).ok()?;
    let is_met = |call: &&Call| constraint.met_by(&call.arguments, Origins::UNKNOWN);
    if !having.iter().all(is_met) {
        return None;
    }
    let operand = toml::value(&operand)?;
    let operator = json!(operator);
    Some(format!(
        "{{ path = {}, op = {}, value = {operand} }}",
        toml::text(&path),
        toml::text(operator.as_str()?)
    ))
}

/// The values themselves, if there are fewer than `several` and they are short.
fn pinned(values: &[&Value], several: usize) -> Option<(Operator, Value)> {
    let mut distinct: Vec<&Value> = Vec::new();
    for value in values {
        let is_short = match value {
            Value::String(text) => text.len() <= MAX_PINNED,
            Value::Bool(_) => true,
            Value::Number(number) => number.is_i64(),
            Value::Null | Value::Array(_) | Value::Object(_) => false,
        };
        if !is_short {
            return None;
        }
        if !distinct.contains(value) {
            distinct.push(value);
        }
        if distinct.len() >= several && !distinct.iter().all(|it| it.is_boolean()) {
            return None;
        }
    }
    Some(match distinct.as_slice() {
        [one] => (Operator::Equals, (*one).clone()),
        several => (Operator::OneOf, json!(several)),
    })
}

/// The deepest folder that all values are in, if they are absolute paths or URLs.
fn folder(values: &[&Value]) -> Option<(Operator, Value)> {
    let texts: Option<Vec<&str>> = values.iter().map(|it| it.as_str()).collect();
    let texts = texts?;
    let (first, rest) = texts.split_first()?;
    // Of a URL, scheme and host belong to the first segment.
    let root = match first.split_once("://") {
        Some((scheme, after)) => scheme.len() + 3 + after.find('/')?,
        None if first.starts_with('/') => 0,
        None => return None,
    };
    let mut folder = first.get(..first.rfind('/')?)?;
    while !rest.iter().all(|text| is_in(text, folder)) {
        folder = folder.get(..folder.rfind('/')?)?;
    }
    (folder.len() > root).then(|| (Operator::Under, Value::from(folder)))
}

fn is_in(text: &str, folder: &str) -> bool {
    let rest = text.strip_prefix(folder);
    rest.is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[Value]) -> Option<(Operator, Value)> {
        let values: Vec<_> = values.iter().collect();
        pinned(&values, 3).or_else(|| folder(&values))
    }

    #[test]
    fn few_values_are_listed_and_several_paths_are_held_to_their_folder() {
        let texts = |texts: &[&str]| texts.iter().map(|it| json!(it)).collect::<Vec<_>>();
        assert_eq!(
            of(&texts(&["a", "a", "a"])),
            Some((Operator::Equals, json!("a")))
        );
        assert_eq!(
            of(&texts(&["b", "a", "b"])),
            Some((Operator::OneOf, json!(["b", "a"])))
        );
        assert_eq!(of(&texts(&["a", "b", "c"])), None);
        assert_eq!(
            of(&texts(&["/w/a", "/w/b/c", "/w/b"])),
            Some((Operator::Under, json!("/w")))
        );
        assert_eq!(
            of(&texts(&["/w/b/1", "/w/b/2", "/w/b/3"])),
            Some((Operator::Under, json!("/w/b")))
        );
        // Not every folder that begins alike is the same one.
        assert_eq!(of(&texts(&["/w/a", "/w2/a", "/w3/a"])), None);
        assert_eq!(of(&texts(&["/a", "/b", "/c"])), None);
        assert_eq!(of(&texts(&["w/a", "w/b", "w/c"])), None);
        assert_eq!(
            of(&texts(&[
                "https://a.example/x/1",
                "https://a.example/x/2",
                "https://a.example/x/3"
            ])),
            Some((Operator::Under, json!("https://a.example/x")))
        );
        // The host alone is no folder.
        assert_eq!(
            of(&texts(&[
                "https://a.example/1",
                "https://a.example/2",
                "https://a.example/3"
            ])),
            None
        );
        assert_eq!(
            of(&[json!(true), json!(false), json!(true)]),
            Some((Operator::OneOf, json!([true, false])))
        );
        assert_eq!(of(&[json!(1)]), Some((Operator::Equals, json!(1))));
        for open in [
            json!(null),
            json!([1]),
            json!({ "a": 1 }),
            json!(1.5),
            json!("x".repeat(300)),
        ] {
            assert_eq!(of(&[open]), None);
        }
    }
}
