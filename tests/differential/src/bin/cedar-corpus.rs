//! Decides Cedar's own integration tests with the Cedar plugin in its sandbox: `cedar-corpus <folder>
//! [<folder>...]`.
//!
//! It prints how many requests agree, and exits with 1 if a decision differs. A folder is that of
//! `cedar-policy/cedar-integration-tests`, with its corpus unpacked, or one below it. Paths in the tests are
//! relative to the current folder, to the test's folder, or to one above it.

use anyhow::{Context as _, bail};
use portcullis_contract::name::check_action;
use portcullis_differential::asked::INTEGRATION;
use portcullis_differential::cedar::Answer;
use portcullis_differential::sandbox;
use portcullis_host::{ActionClass, Effect, Plugin, Request, RequestLimits, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A test in the format of Cedar's repository. Older tests have other names for some members.
#[derive(Debug, Deserialize)]
struct Test {
    policies: String,
    entities: String,
    schema: String,
    #[serde(alias = "queries")]
    requests: Vec<Asked>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    principal: Value,
    action: Value,
    resource: Value,
    context: Value,
    #[serde(default = "yes")]
    validate_request: bool,
    decision: String,
    #[serde(alias = "reasons")]
    reason: BTreeSet<String>,
    errors: BTreeSet<String>,
}

fn yes() -> bool {
    true
}

fn main() -> anyhow::Result<ExitCode> {
    let mut files = Vec::new();
    for folder in std::env::args_os().skip(1) {
        tests_in(Path::new(&folder), &mut files)?;
    }
    files.sort();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut otherwise = 0;
    for file in &files {
        let text = std::fs::read_to_string(file)?;
        // Schemas and lists of entities are JSON files too.
        let Ok(test) = serde_json::from_str::<Test>(&text) else {
            continue;
        };
        let outcomes = outcomes(file, &test).with_context(|| file.display().to_string())?;
        for (request, outcome) in outcomes.into_iter().enumerate() {
            if outcome.starts_with("otherwise") {
                otherwise += 1;
                println!("{}: request {request}: {outcome}", file.display());
            }
            let kind = outcome.split_once(':').map_or(&*outcome, |(kind, _)| kind);
            *counts.entry(kind.to_owned()).or_default() += 1;
        }
    }
    if counts.is_empty() {
        bail!("there are no tests there: name a folder of Cedar's integration tests");
    }
    println!("{:>8}  requests", counts.values().sum::<usize>());
    for (kind, many) in &counts {
        println!("{many:>8}  {kind}");
    }
    Ok(ExitCode::from(u8::from(otherwise > 0)))
}

fn tests_in(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            tests_in(&path, files)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            files.push(path);
        }
    }
    Ok(())
}

/// Returns the outcome of each request of a test.
fn outcomes(file: &Path, test: &Test) -> anyhow::Result<Vec<String>> {
    let text = |path: &str| -> anyhow::Result<String> {
        let above = file.ancestors().skip(1).map(|folder| folder.join(path));
        let path = std::iter::once(PathBuf::from(path))
            .chain(above)
            .find(|path| path.is_file())
            .with_context(|| format!("there is no `{path}`"))?;
        Ok(std::fs::read_to_string(path)?)
    };
    let schema = text(&test.schema)?;
    // A schema that is not JSON is in Cedar's own syntax.
    let schema = serde_json::from_str::<Map<String, Value>>(&schema)
        .map_or(Value::from(schema), Value::Object);
    let entities: Value = serde_json::from_str(&text(&test.entities)?)?;
    let policies = text(&test.policies)?;
    let names = names(test);
    let load = |validates: bool| {
        let settings = json!({
            "policies": policies,
            "schema": schema,
            "entities": entities,
            "actions": names,
            "host-context": [],
            "errors": "skip",
            "validate-policies": false,
            "validate-requests": validates,
        });
        sandbox::load("cedar", settings).map_err(|error| format!("refused at load: {error:#}"))
    };
    let plugins = [false, true].map(|validates| {
        let mut requests = test.requests.iter();
        let is_asked = requests.any(|asked| asked.validate_request == validates);
        is_asked.then(|| load(validates))
    });
    let outcomes =
        test.requests.iter().map(
            |asked| match &plugins[usize::from(asked.validate_request)] {
                Some(Ok(plugin)) => outcome(plugin, asked, &names),
                Some(Err(refused)) => Ok(refused.clone()),
                None => bail!("no plugin was loaded for the request"),
            },
        );
    outcomes.collect()
}

/// Returns the setting `actions`: names for actions whose own name no request can have.
fn names(test: &Test) -> Map<String, Value> {
    let actions: BTreeSet<_> = test
        .requests
        .iter()
        .map(|asked| uid(&asked.action))
        .collect();
    let mut names = Map::new();
    for (number, (kind, id)) in actions.iter().enumerate() {
        let is_twice = actions.iter().filter(|(_, other)| other == id).count() > 1;
        if is_twice || check_action(id).is_err() {
            let entity = json!({ "type": kind, "id": id });
            if let Ok(entity) = cedar_policy::EntityUid::from_json(entity) {
                names.insert(format!("action-{number}"), json!(entity.to_string()));
            }
        }
    }
    names
}

/// Returns the type and id of an entity, with or without its escape.
fn uid(entity: &Value) -> (String, String) {
    let entity = entity.get("__entity").unwrap_or(entity);
    let text = |name: &str| entity[name].as_str().unwrap_or_default().to_owned();
    (text("type"), text("id"))
}

fn outcome(plugin: &Plugin, asked: &Asked, names: &Map<String, Value>) -> anyhow::Result<String> {
    let (principal, resource) = (uid(&asked.principal), uid(&asked.resource));
    let (kind, id) = uid(&asked.action);
    let entity = cedar_policy::EntityUid::from_json(json!({ "type": kind, "id": id }))?.to_string();
    let name = names.iter().find(|(_, action)| **action == entity);
    let mut context = match &asked.context {
        Value::Object(context) => context.clone(),
        other => bail!("the context is {other}"),
    };
    context.insert("integration".to_owned(), json!(INTEGRATION));
    let evaluation = json!({
        "subject": { "type": principal.0, "id": principal.1 },
        "action": { "name": name.map_or(id.as_str(), |(name, _)| name.as_str()) },
        "resource": { "type": resource.0, "id": resource.1 },
        "context": context,
    });
    let bytes = evaluation.to_string();
    let request = match Request::from_authzen(bytes.as_bytes(), &RequestLimits::default()) {
        Ok(request) => request,
        Err(error) => {
            let message = error.to_string();
            let at = message.split('`').nth(1).unwrap_or_default();
            let place: String = at.split_inclusive('/').take(3).collect();
            return Ok(format!("refused by the host, `{place}`: {message}"));
        }
    };
    let clock = Timestamp::from_millis(0);
    let verdict = match sandbox::judge_request(plugin, &request, ActionClass::Unclassified, clock) {
        Ok(verdict) => verdict,
        Err(error) => return Ok(format!("faulted: {error:#}")),
    };
    if verdict.effect == Effect::Indeterminate {
        let reason = &verdict.reasons[0];
        return Ok(format!("refused, `{}`: {}", reason.code, reason.message));
    }
    let found = Answer::of(&verdict)?;
    let errors: BTreeSet<_> = found.errors.iter().map(|(id, _)| id.clone()).collect();
    let agrees = found.allowed == asked.decision.eq_ignore_ascii_case("allow")
        && found.determining == asked.reason
        && errors == asked.errors;
    Ok(match agrees {
        true => "agree".to_owned(),
        false => format!("otherwise: {found:?}, expected {asked:?}"),
    })
}
