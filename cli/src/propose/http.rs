//! Rules of the plugin `http-api`, from HTTP calls.

use super::paths::{Segment, Template, templates};
use super::seen::{Call, support};
use super::toml;
use percent_encoding::percent_decode_str;
use portcullis_contract::name::check_resource;
use portcullis_contract::{Pattern, is_unambiguous};
use portcullis_host::counted;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Members of the arguments of an HTTP call.
const PARTS: [&str; 3] = ["query", "headers", "body"];

/// Methods, each with the class that its definition gives it (RFC 9110, section 9.2).
const METHODS: [(&str, &str); 7] = [
    ("GET", "read"),
    ("HEAD", "read"),
    ("OPTIONS", "read"),
    ("POST", "write"),
    ("PUT", "write"),
    ("PATCH", "write"),
    ("DELETE", "destructive"),
];

/// A rule, and the calls that support it.
struct Rule<'a> {
    method: &'a str,
    template: Template,
    calls: Vec<&'a Call>,
}

/// Rules for the calls of an integration, but for calls whose path no rule can have.
pub(super) struct Rules<'a> {
    rules: Vec<Rule<'a>>,
}

/// True if all calls are of HTTP: a method, a path, and its arguments.
pub(super) fn are_http(calls: &[Call]) -> bool {
    calls.iter().all(|call| {
        let mut members = call.arguments.as_object().into_iter().flatten();
        METHODS.iter().any(|(method, _)| *method == call.action)
            && call.resource.starts_with('/')
            && members.all(|(name, _)| PARTS.contains(&name.as_str()))
    })
}

/// Makes closed rules of the calls.
pub(super) fn rules(calls: &[Call], several: usize) -> Rules<'_> {
    let mut by_method: BTreeMap<&str, Vec<(Vec<String>, &Call)>> = BTreeMap::new();
    for call in calls {
        if let Some(path) = segments(&call.resource) {
            let calls = by_method.entry(&call.action).or_default();
            calls.push((path, call));
        }
    }
    let mut rules = Vec::new();
    for (method, calls) in by_method {
        let (paths, calls): (Vec<_>, Vec<_>) = calls.into_iter().unzip();
        for template in templates(&paths, several) {
            let members = template.paths.iter();
            let calls = members.filter_map(|index| calls.get(*index).copied());
            rules.push(Rule {
                method,
                calls: calls.collect(),
                template,
            });
        }
    }
    Rules { rules }
}

/// The decoded segments of a path that a rule can have.
fn segments(path: &str) -> Option<Vec<String>> {
    let below = path.strip_prefix('/')?;
    if below.is_empty() {
        return Some(Vec::new());
    }
    if !is_unambiguous(path) {
        return None;
    }
    let decoded = percent_decode_str(below).decode_utf8().ok()?;
    let segments: Vec<_> = decoded.split('/').map(str::to_owned).collect();
    segments.iter().all(|it| is_plain(it)).then_some(segments)
}

/// True if a template can have the segment as text.
fn is_plain(segment: &str) -> bool {
    let is_of_templates = segment.contains([
        '*', '{', '}', '<', '>', '^', '$', '|', '[', ']', '(', ')', '~',
    ]);
    !is_of_templates
        && !segment.starts_with(':')
        && !segment.ends_with('+')
        && Pattern::literal(segment).is_ok()
}

impl Rules<'_> {
    /// Number of rules.
    pub(super) fn len(&self) -> usize {
        self.rules.len()
    }

    /// The settings of the plugin.
    pub(super) fn settings(&self) -> String {
        let mut text = String::new();
        let mut paths = self.rules.iter().flat_map(|rule| &rule.calls);
        if paths.any(|call| call.resource.contains(':')) {
            text.push_str("\n[integration.plugin.settings]\nallow-colon = true\n");
        }
        for rule in &self.rules {
            text.push('\n');
            text.push_str(&rule.to_toml());
        }
        text
    }

    /// The classes of the methods.
    pub(super) fn classes(&self) -> String {
        let used: BTreeSet<_> = self.rules.iter().map(|rule| rule.method).collect();
        let classes = METHODS.iter().filter(|(method, _)| used.contains(method));
        classes
            .map(|(method, class)| format!("{method} = \"{class}\"\n"))
            .collect()
    }

    /// The pattern of the resources of a call's rule, for an intent.
    pub(super) fn resource_of(&self, call: &Call) -> String {
        let is_same = |other: &&Call| std::ptr::eq(*other, call);
        let mut rules = self.rules.iter();
        let rule = rules.find(|rule| rule.calls.iter().any(is_same));
        let segments = rule.map(|rule| rule.template.segments.as_slice());
        let segments = segments.unwrap_or_default();
        let is_open = |it: &Segment| matches!(it, Segment::Parameter { .. });
        // A pattern with a wildcard matches no percent-encoded name.
        if !segments.iter().any(is_open) || call.resource.contains('%') {
            return call.resource.clone();
        }
        let mut resource = String::new();
        for segment in segments {
            resource.push('/');
            resource.push_str(match segment {
                Segment::Text(text) => text,
                Segment::Parameter { patterns, .. } => match patterns.as_slice() {
                    [one] => one,
                    // An intent has one pattern.
                    _ => "*",
                },
            });
        }
        resource
    }
}

impl Rule<'_> {
    fn to_toml(&self) -> String {
        let path = self.template.to_string();
        let mut text = toml::comment(&support(&self.calls));
        let mut patterns = Vec::new();
        for segment in &self.template.segments {
            if let Segment::Parameter {
                name,
                values,
                patterns: forms,
            } = segment
            {
                let some: Vec<_> = values.iter().take(3).map(|it| format!("`{it}`")).collect();
                text.push_str(&toml::comment(&format!(
                    "{{{name}}} had {}, such as {}: it may have any{}",
                    counted(values.len(), "value"),
                    some.join(", "),
                    match forms.is_empty() {
                        true => "",
                        false => " of that form",
                    }
                )));
                if !forms.is_empty() {
                    patterns.push(format!("{name} = {}", toml::texts(forms)));
                }
            }
        }
        text.push_str("[[integration.plugin.settings.rules]]\n");
        let mut line = |key: &str, value: String| text.push_str(&format!("{key} = {value}\n"));
        line("name", toml::text(&format!("{} {path}", self.method)));
        line("methods", toml::texts([self.method]));
        line("path", toml::text(&path));
        if !patterns.is_empty() {
            line("parameters", format!("{{ {} }}", patterns.join(", ")));
        }
        line(
            "only-query",
            toml::texts(self.names("query", str::to_owned)),
        );
        line("only-headers", toml::texts(self.names("headers", folded)));
        let environments: BTreeSet<_> = self.calls.iter().map(|it| &it.environment).collect();
        let are_listed = environments.iter().all(|name| {
            !name.is_empty() && !name.contains([',', '|', '*']) && check_resource(name).is_ok()
        });
        if are_listed {
            line("environments", toml::texts(environments));
        }
        text
    }

    /// The names in a part of the arguments.
    fn names(&self, part: &str, spelling: fn(&str) -> String) -> BTreeSet<String> {
        let parts = self
            .calls
            .iter()
            .filter_map(|call| call.arguments.get(part));
        let members = parts.filter_map(Value::as_object).flatten();
        members.map(|(name, _)| spelling(name)).collect()
    }
}

/// The name of a header as rules write it: in lower case, with `-` for all but letters and digits.
fn folded(name: &str) -> String {
    let fold = |c: char| match c.is_ascii_alphanumeric() {
        true => c.to_ascii_lowercase(),
        false => '-',
    };
    name.chars().map(fold).collect()
}
