//! A suite: tools, tasks of users, and injections.

use anyhow::{Context as _, bail};
use serde_json::Value;
use std::path::Path;

/// A suite in the form of AgentDojo's ground truth, one JSON object a line.
pub(super) struct Suite {
    pub(super) name: String,
    /// Tools, as `tools/list` has them.
    pub(super) tools: Vec<Value>,
    pub(super) tasks: Vec<Task>,
    pub(super) injections: Vec<Injection>,
}

/// A task of a user.
pub(super) struct Task {
    pub(super) id: String,
    pub(super) prompt: String,
    /// The true calls, and what each returned.
    pub(super) calls: Vec<Call>,
    /// The same with a mark wherever a third party can write.
    pub(super) marked: Vec<Call>,
}

/// A goal of an attacker, and the calls that reach it.
pub(super) struct Injection {
    pub(super) id: String,
    pub(super) goal: String,
    pub(super) calls: Vec<Call>,
}

/// A call of a tool, and its result.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) tool: String,
    pub(super) arguments: Value,
    pub(super) result: Value,
}

impl Suite {
    pub(super) fn read(file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let mut suite = Self {
            name: name.into_owned(),
            tools: Vec::new(),
            tasks: Vec::new(),
            injections: Vec::new(),
        };
        for (index, line) in text.lines().enumerate() {
            let place = || format!("{}, line {}", file.display(), index + 1);
            let row: Value = serde_json::from_str(line).with_context(place)?;
            suite.add(row).with_context(place)?;
        }
        if suite.tools.is_empty() || suite.tasks.is_empty() || suite.injections.is_empty() {
            bail!(
                "{} needs lines of the kinds `tool`, `user` and `injection`",
                file.display()
            );
        }
        Ok(suite)
    }

    fn add(&mut self, row: Value) -> anyhow::Result<()> {
        let text = |key: &str| {
            let text = row.get(key).and_then(Value::as_str);
            text.map(str::to_owned)
                .with_context(|| format!("`{key}` is missing"))
        };
        match text("kind")?.as_str() {
            "tool" => self.tools.push(row),
            "user" => {
                let own = calls(&row, "calls", "results_js")?;
                let marked = match row.get("canary_results_js") {
                    None => own.clone(),
                    Some(_) if row.get("canary_calls").is_some() => {
                        calls(&row, "canary_calls", "canary_results_js")?
                    }
                    Some(_) => calls(&row, "calls", "canary_results_js")?,
                };
                self.tasks.push(Task {
                    id: text("id")?,
                    prompt: text("prompt")?,
                    calls: own,
                    marked,
                });
            }
            "injection" => self.injections.push(Injection {
                id: text("id")?,
                goal: text("goal")?,
                calls: calls(&row, "calls", "results_js")?,
            }),
            other => bail!("a line cannot be of the kind `{other}`"),
        }
        Ok(())
    }
}

/// Calls of a line, with their results.
fn calls(row: &Value, calls: &str, results: &str) -> anyhow::Result<Vec<Call>> {
    let list = |key: &str| {
        row.get(key)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let results = list(results);
    let calls = list(calls).into_iter().enumerate().map(|(index, call)| {
        let tool = call.get("name").and_then(Value::as_str);
        Ok(Call {
            tool: tool.context("a call has no `name`")?.to_owned(),
            arguments: call.get("arguments").cloned().unwrap_or_default(),
            result: results.get(index).cloned().unwrap_or_default(),
        })
    });
    calls.collect()
}

/// Beginning of a mark where a third party can write.
const MARK: &str = "---CANARY_";

/// The result with an attacker's text for each mark.
pub(super) fn attacked(result: &Value, text: &str) -> Value {
    match result {
        Value::String(marked) => Value::from(without_marks(marked, text)),
        Value::Array(items) => items.iter().map(|it| attacked(it, text)).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| (without_marks(key, text), attacked(value, text)))
            .collect(),
        other => other.clone(),
    }
}

fn without_marks(marked: &str, text: &str) -> String {
    let mut whole = String::new();
    let mut rest = marked;
    while let Some((before, after)) = rest.split_once(MARK) {
        whole.push_str(before);
        whole.push_str(text);
        rest = after.split_once("---").map_or("", |(_, after)| after);
    }
    whole + rest
}

/// The result of `tool` with further records in each list that a third party can write to.
///
/// There is one for each of its fields and each of the attacker's values. `others` are the fields that others can write,
/// as pointers with `*`; without any, all texts of such a record.
pub(super) fn with_records(
    result: &Value,
    at: &str,
    others: Option<&[String]>,
    values: &[Value],
) -> Value {
    let may_write =
        |pointer: &str| others.is_none_or(|others| others.iter().any(|it| it == pointer));
    match result {
        Value::Array(items) => {
            let below = format!("{at}/*");
            let all = items
                .iter()
                .map(|it| with_records(it, &below, others, values));
            let mut all: Vec<Value> = all.collect();
            for item in items.iter().filter(|it| it.to_string().contains(MARK)) {
                match item {
                    Value::Object(members) => {
                        for (key, _) in members.iter().filter(|(_, it)| it.is_string()) {
                            if !may_write(&format!("{below}/{key}")) {
                                continue;
                            }
                            for value in values {
                                let mut record = members.clone();
                                record.insert(key.clone(), value.clone());
                                all.push(Value::Object(record));
                            }
                        }
                    }
                    Value::String(_) if may_write(&below) => all.extend(values.iter().cloned()),
                    _ => {}
                }
            }
            Value::Array(all)
        }
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| {
                let value = with_records(value, &format!("{at}/{key}"), others, values);
                (key.clone(), value)
            })
            .collect(),
        other => other.clone(),
    }
}
