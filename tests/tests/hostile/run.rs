//! Runs a guest in each of its forms, and compares its end with the expected one.

use crate::expected::expected;
use crate::frame::Form;
use crate::guest::Guest;
use crate::neighbours::{self, HOSTILE, NOW};
use crate::outcome::{Expected, Outcome};
use portcullis_host::{
    ActionClass, Cause, Evaluation, Instances, LoadError, Plugin, PluginLimits, PluginSource,
    printable,
};
use portcullis_tests::memory::resident_kib;
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;
use tempfile::TempDir;

/// Decisions in each mode.
const ROUNDS: usize = 3;

/// Runs `guest` in all forms.
pub(crate) fn run(guest: Guest) -> Result<(), String> {
    neighbours::unharmed()?;
    let expected = expected(guest);
    let made = guest.made();
    let settings = match made.behaviour() {
        Some(behaviour) => json!({ "behaviour": behaviour }),
        None => json!({}),
    };
    for (form, component) in made.components() {
        for resettable in [false, true] {
            let source = PluginSource::new(component.clone())
                .compile_in_process()
                .settings(settings.clone())
                .limits(limits(&expected));
            let source = match resettable {
                true => source.resettable().check_resets_every(1),
                false => source,
            };
            judge(&source, (form, resettable), &expected)
                .and_then(|()| neighbours::unharmed())
                .map_err(|error| format!("{form}, resettable {resettable}: {error}"))?;
        }
    }
    Ok(())
}

/// The limits of a guest, which are the defaults but for the deadlines.
pub(crate) fn limits(expected: &Expected) -> PluginLimits {
    PluginLimits {
        deadline: expected.deadline,
        configure_deadline: expected.configure_deadline,
        ..PluginLimits::default()
    }
}

/// Loads the plugin, lets it decide, and compares its end with the expected one.
fn judge(
    source: &PluginSource,
    (form, resettable): (Form, bool),
    expected: &Expected,
) -> Result<(), String> {
    let outcome = expected.of_form(form);
    let before = resident_mib();
    let plugin = match (Plugin::load(source), outcome) {
        (Err(error), Outcome::Refused(_, is)) if is(&error) => {
            within(before, expected)?;
            return presentable(&error, expected);
        }
        (Err(error), _) => return Err(format!("it is refused: {}", start(&format!("{error:?}")))),
        (Ok(_), Outcome::Refused(wanted, _)) => {
            return Err(format!("it is loaded, and not refused with {wanted}"));
        }
        (Ok(plugin), _) => plugin,
    };
    within(before, expected)?;
    if expected.resettable && resettable && form == Form::Packed && !plugin.is_resettable() {
        return Err("it cannot be reset".to_owned());
    }
    let modes: &[Instances] = match plugin.is_resettable() {
        true => &[Instances::Fresh, Instances::Reset],
        false => &[Instances::Fresh],
    };
    let mut first = None;
    for instances in modes.iter().copied() {
        for round in 1..=ROUNDS {
            let request = neighbours::request(HOSTILE);
            let evaluation = plugin.evaluate_in(instances, &request, ActionClass::Read, NOW);
            decided(&evaluation, outcome, expected)
                .map_err(|error| format!("decision {round} in {instances:?}: {error}"))?;
            let told = format!("{:?}", evaluation.outcome);
            let first = first.get_or_insert_with(|| told.clone());
            if *first != told && !matches!(outcome, Outcome::Faults(..)) {
                return Err(format!(
                    "decision {round} in {instances:?} is {}, and the first was {}",
                    start(&told),
                    start(first)
                ));
            }
        }
        within(before, expected)?;
    }
    let instances = modes.last().copied().unwrap_or_default();
    in_company(plugin, instances, outcome, expected)?;
    within(before, expected)
}

/// Loads the plugin and lets it decide once, and compares its end with the expected one.
pub(crate) fn ends_as_expected(
    source: &PluginSource,
    form: Form,
    expected: &Expected,
) -> Result<(), String> {
    let outcome = expected.of_form(form);
    match (Plugin::load(source), outcome) {
        (Err(error), Outcome::Refused(_, is)) if is(&error) => Ok(()),
        (Err(error), _) => Err(format!("it is refused: {error:?}")),
        (Ok(plugin), _) => {
            let request = neighbours::request(HOSTILE);
            let evaluation = plugin.evaluate(&request, ActionClass::Read, NOW);
            decided(&evaluation, outcome, expected)
        }
    }
}

/// Compares one evaluation with `outcome`.
fn decided(evaluation: &Evaluation, outcome: Outcome, expected: &Expected) -> Result<(), String> {
    match (&evaluation.outcome, outcome) {
        (Err(fault), Outcome::Faults(_, is)) if is(fault) => {}
        (Ok(verdict), Outcome::Decides(effect, _)) if verdict.effect == effect => {}
        (found, Outcome::Faults(wanted, _)) => {
            return Err(format!("{}, not {wanted}", start(&format!("{found:?}"))));
        }
        (found, _) => return Err(start(&format!("{found:?}"))),
    }
    if evaluation.reset_failed {
        return Err("a reset was not complete".to_owned());
    }
    let most = PluginLimits::default().memory_bytes;
    if evaluation.peak_memory_bytes > most {
        return Err(format!(
            "it has {} bytes of memory, more than {most}",
            evaluation.peak_memory_bytes
        ));
    }
    // Not a measurement: it ends at all.
    let longest = expected.deadline * 20 + Duration::from_secs(10);
    if evaluation.time > longest {
        return Err(format!("it ran for {:?}", evaluation.time));
    }
    Ok(())
}

/// Lets the plugin decide beside its neighbours, and compares the cause, the text and the log.
fn in_company(
    plugin: Plugin,
    instances: Instances,
    outcome: Outcome,
    expected: &Expected,
) -> Result<(), String> {
    let folder = TempDir::new().map_err(|error| error.to_string())?;
    let pdp = neighbours::pdp(Some(plugin), instances, folder.path());
    for _ in 0..ROUNDS {
        let decision = pdp.evaluate(&neighbours::request(HOSTILE));
        let as_expected = match (outcome, decision.cause()) {
            (Outcome::Decides(_, wanted), found) => wanted == found,
            (Outcome::Faults(..), Cause::PluginFaulted(kind)) => {
                let faults = decision.plugins().iter().map(|it| it.outcome.as_ref());
                let kinds: Vec<_> = faults.filter_map(Result::err).map(|it| it.kind()).collect();
                kinds == [kind]
            }
            _ => false,
        };
        if !as_expected {
            let (cause, detail) = (decision.cause(), start(decision.detail()));
            return Err(format!("its cause is {cause}: {detail}"));
        }
        let json = |json: Result<Value, serde_json::Error>| json.map_err(|error| error.to_string());
        let shown = presentable_json(&json(serde_json::to_value(&decision))?);
        match (shown, expected.is_shown_as_written) {
            (Err(_), true) => {}
            (Ok(()), true) => return Err("its decision is presentable".to_owned()),
            (shown, false) => shown?,
        }
        presentable_json(&json(serde_json::to_value(decision.for_caller()))?)
            .or_else(|error| expected.is_shown_as_written.then_some(()).ok_or(error))?;
        presentable_line(decision.detail())?;
        neighbours::same(&neighbours::decisions(&pdp))?;
    }
    drop(pdp);
    logged(&folder, expected)
}

/// Reads the log: each decision is one printable line of bounded size.
fn logged(folder: &TempDir, expected: &Expected) -> Result<(), String> {
    let log = fs::read_to_string(folder.path().join("decisions.jsonl"))
        .map_err(|error| error.to_string())?;
    let mut decisions = 0;
    for line in log.lines() {
        let json: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        if !expected.is_shown_as_written {
            presentable_line(line)?;
            presentable_json(&json)?;
        }
        decisions += usize::from(json.get("decision").is_some());
        if line.len() > expected.line_kib * 1024 {
            return Err(format!("a line of the log has {} bytes", line.len()));
        }
    }
    match decisions == ROUNDS {
        true => Ok(()),
        false => Err(format!(
            "{ROUNDS} decisions wrote {decisions} to the log: {}",
            start(&log)
        )),
    }
}

/// Compares the text of an error with what a terminal and a log can show.
fn presentable(error: &LoadError, expected: &Expected) -> Result<(), String> {
    let text = error.to_string();
    if text.len() > expected.error_kib * 1024 {
        return Err(format!(
            "its error has {} bytes: {}",
            text.len(),
            start(&text)
        ));
    }
    presentable_line(&text)
}

/// Refuses JSON that could command a terminal or forge a line, as it is written or once its texts are read.
///
/// Those who show the properties of an obligation expect several lines, and the operand of a constraint is
/// compared with arguments, so that it stays as it is.
fn presentable_json(json: &Value) -> Result<(), String> {
    presentable_line(&json.to_string())?;
    presentable_texts(json, false)
}

fn presentable_texts(json: &Value, lines: bool) -> Result<(), String> {
    match json {
        Value::String(text) if lines => presentable_line(&text.replace(['\n', '\t'], " ")),
        Value::String(text) => presentable_line(text),
        Value::Array(items) => items
            .iter()
            .try_for_each(|item| presentable_texts(item, lines)),
        Value::Object(members) => members.iter().try_for_each(|(key, value)| {
            presentable_line(key)?;
            match key.as_str() {
                "value" if members.contains_key("op") => Ok(()),
                _ => presentable_texts(value, lines || key == "properties"),
            }
        }),
        _ => Ok(()),
    }
}

/// Refuses text that could command a terminal, reorder a line, or forge one.
fn presentable_line(text: &str) -> Result<(), String> {
    match printable(text) == text {
        true => Ok(()),
        false => Err(format!(
            "it makes the host write {}",
            start(&format!("{text:?}"))
        )),
    }
}

fn within(before: usize, expected: &Expected) -> Result<(), String> {
    let grown = resident_mib().saturating_sub(before);
    match grown > expected.resident_mib {
        true => Err(format!("the process grew by {grown} MiB")),
        false => Ok(()),
    }
}

fn resident_mib() -> usize {
    resident_kib().unwrap_or_default() / 1024
}

/// The first part of a text that a guest may control.
fn start(text: &str) -> String {
    text.chars().take(400).collect()
}
