//! Compares the plugin with the conformance cases of Open Policy Agent.
//!
//! The plugin may refuse a case at load or answer `indeterminate`, but its answer never differs from OPA's.
//!
//! OPA publishes the cases in `v1/test/cases/testdata` of its repository (open-policy-agent/opa), as YAML.
//! `OPA_CASES` is the path of a file with one case a line, as JSON: the members of OPA's own cases
//! (`note`, `query`, `modules`, `data`, `input` or `input_term`, `strict_error`, and `want_result` or
//! `want_error` or `want_error_code`). The plugin's README documents how to create the file. Without it,
//! the test prints that it is skipped.

use portcullis_plugin_rego::Rego;
use portcullis_sdk::testing::{Plugin, request};
use portcullis_sdk::{Effect, Verdict, json};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The environment variable with the path of the cases.
const CASES: &str = "OPA_CASES";

/// A case in OPA's format.
#[derive(Debug, Deserialize)]
struct Case {
    note: String,
    query: String,
    #[serde(default)]
    modules: Vec<String>,
    #[serde(default)]
    data: Option<Value>,
    #[serde(default)]
    input: Option<Value>,
    #[serde(default)]
    input_term: Option<String>,
    #[serde(default)]
    strict_error: bool,
    #[serde(default)]
    sort_bindings: bool,
    #[serde(default)]
    want_result: Option<Vec<Map<String, Value>>>,
    #[serde(default)]
    want_error: Option<String>,
    #[serde(default)]
    want_error_code: Option<String>,
}

/// The result of one case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// The answer is OPA's.
    Agrees,
    /// OPA fails, and the plugin refuses the policy or is indeterminate.
    ErrsToo,
    /// The plugin refuses the policy, with this message.
    Refused(String),
    /// The verdict is indeterminate, with this message.
    Indeterminate(String),
    /// The answer differs from OPA's.
    Wrong(String),
    /// The plugin panicked.
    Panicked,
    /// The case cannot be written as a policy with one deciding rule.
    NotAsked,
}

impl Case {
    /// Evaluates the case with `errors` as the setting of that name.
    fn outcome(&self, errors: &str) -> Outcome {
        let Some(asking) = self.asking() else {
            return Outcome::NotAsked;
        };
        let mut policies = Map::new();
        for (number, module) in self.modules.iter().enumerate() {
            policies.insert(format!("{number}.rego"), json!(module));
        }
        policies.insert("asking.rego".to_owned(), json!(asking));
        let mut settings = json!({
            "policies": policies,
            "query": "data.asking.answer",
            "errors": errors,
        });
        if let Some(data) = &self.data {
            settings["data"] = data.clone();
        }
        let answer = catch_unwind(AssertUnwindSafe(|| {
            Plugin::<Rego>::try_load(settings).map(|plugin| plugin.evaluate(request("read")))
        }));
        let wants_error = self.want_error.is_some() || self.want_error_code.is_some();
        match answer {
            Err(_) => Outcome::Panicked,
            Ok(Err(_)) if wants_error => Outcome::ErrsToo,
            Ok(Err(wrong)) => Outcome::Refused(
                wrong
                    .iter()
                    .map(|error| error.message.as_str())
                    .collect::<Vec<_>>()
                    .join("; "),
            ),
            Ok(Ok(verdict)) => self.judged(&verdict, wants_error),
        }
    }

    fn judged(&self, verdict: &Verdict, wants_error: bool) -> Outcome {
        let messages = || {
            verdict
                .reasons()
                .iter()
                .map(|reason| reason.message.as_str())
                .collect::<String>()
        };
        match verdict.effect() {
            Effect::Indeterminate if wants_error => Outcome::ErrsToo,
            Effect::Indeterminate => Outcome::Indeterminate(messages()),
            _ => {
                let text = messages();
                let Ok(Value::Array(found)) = serde_json::from_str(&text) else {
                    return Outcome::Wrong(text);
                };
                let found = sorted(found.iter().map(|binding| self.bindings(binding)));
                let wanted = self.want_result.iter().flatten();
                let wanted = wanted.map(|binding| self.bindings(&Value::Object(binding.clone())));
                let wanted = sorted(wanted);
                if wants_error && self.want_result.is_none() {
                    return Outcome::Wrong(format!("{text} where OPA errs"));
                }
                if found == wanted {
                    return Outcome::Agrees;
                }
                Outcome::Wrong(text)
            }
        }
    }

    /// Normalises a binding for comparison: `sort_bindings` ignores the order in an array.
    fn bindings(&self, binding: &Value) -> Value {
        let mut binding = like(binding);
        if let (true, Value::Object(members)) = (self.sort_bindings, &mut binding) {
            for value in members.values_mut() {
                if let Value::Array(items) = value {
                    items.sort_by_key(Value::to_string);
                }
            }
        }
        binding
    }

    /// True if the case reads a missing input as a whole. A plugin always has an input.
    fn looks_at_no_input(&self) -> bool {
        let has_input = self.input.is_some() || self.input_term.is_some();
        let texts = self.modules.iter().chain([&self.query]);
        let looks = texts.flat_map(|text| text.split("input").skip(1));
        let looks =
            looks.filter(|after| !after.starts_with(['.', '[']) && !after.starts_with(" as "));
        !has_input && looks.count() > 0
    }

    /// Returns a policy that evaluates the case's query and answers with the bindings.
    ///
    /// The bindings are JSON, split over many reasons, because the plugin truncates each at 500 characters.
    fn asking(&self) -> Option<String> {
        if self.query.split(' ').next() == Some("data") || self.looks_at_no_input() {
            return None;
        }
        let bound = self.bound();
        let bound: Vec<_> = bound
            .iter()
            .map(|name| format!("\"{name}\": {name}"))
            .collect();
        let input = match (&self.input, &self.input_term) {
            (Some(input), _) => Some(input.to_string()),
            (None, Some(term)) => Some(term.clone()),
            (None, None) => None,
        };
        let input = input.map_or(String::new(), |input| format!(" with input as {input}"));
        let statements = self.query.split("; ");
        let statements: Vec<_> = statements
            .map(|statement| format!("\t{statement}{input}\n"))
            .collect();
        let (bound, statements) = (bound.join(", "), statements.concat());
        Some(format!(
            r#"package asking

found contains {{{bound}}} if {{
{statements}}}

text := json.marshal(found)

answer := {{"effect": "not-applicable", "reasons": [part |
	some number in numbers.range(0, 50)
	part := substring(text, number * 400, 400)
	part != ""
]}}
"#
        ))
    }

    /// Returns the variables that the query binds.
    fn bound(&self) -> Vec<String> {
        if let Some(binding) = self.want_result.iter().flatten().next() {
            return binding.keys().cloned().collect();
        }
        let bound = ["x", "y", "z"].into_iter();
        bound
            .filter(|name| {
                self.query.ends_with(&format!(" {name}"))
                    || self.query.starts_with(&format!("{name} "))
            })
            .map(str::to_owned)
            .collect()
    }
}

/// Returns `value` with its numbers in one form.
fn like(value: &Value) -> Value {
    match value {
        Value::Number(number) => {
            let float = number.as_f64().filter(|float| float.fract() == 0.0);
            let whole = float.filter(|float| float.abs() < 9e15);
            whole.map_or_else(|| value.clone(), |float| Value::from(float as i64))
        }
        Value::Array(items) => items.iter().map(like).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| (name.clone(), like(member)))
            .collect(),
        _ => value.clone(),
    }
}

fn sorted(values: impl Iterator<Item = Value>) -> Vec<String> {
    let mut texts: Vec<_> = values.map(|value| value.to_string()).collect();
    texts.sort();
    texts.dedup();
    texts
}

#[test]
fn no_case_of_opa_is_decided_otherwise() {
    let Some(path) = std::env::var_os(CASES) else {
        eprintln!("skipped: `{CASES}` does not name a file of OPA's conformance cases");
        return;
    };
    let text = std::fs::read_to_string(&path).expect("the file of cases can be read");
    let cases: Vec<Case> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is a case"))
        .collect();
    std::panic::set_hook(Box::new(|_| {}));
    let mut bad = Vec::new();
    for errors in ["undefined", "indeterminate"] {
        let mut tally = BTreeMap::<&str, usize>::new();
        for case in &cases {
            let strict = case.strict_error || errors == "indeterminate";
            let outcome = case.outcome(if strict { "indeterminate" } else { "undefined" });
            let kind = match &outcome {
                Outcome::Agrees => "agree",
                Outcome::ErrsToo => "expected error",
                Outcome::Refused(_) => "refused at load",
                Outcome::Indeterminate(_) => "indeterminate",
                Outcome::Wrong(_) => "wrong",
                Outcome::Panicked => "panic",
                Outcome::NotAsked => "not asked",
            };
            *tally.entry(kind).or_default() += 1;
            if std::env::var_os("OPA_CASES_LIST").is_some() {
                println!("{errors}\t{}\t{outcome:?}", case.note);
            }
            if matches!(outcome, Outcome::Wrong(_) | Outcome::Panicked) {
                bad.push(format!("{errors}: {}: {outcome:?}", case.note));
            }
        }
        eprintln!("errors = {errors:?}: {} cases, {tally:?}", cases.len());
    }
    let _ = std::panic::take_hook();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}
