//! `portcullis intent draft`.

mod said;

use super::document;
use super::pinned::Pinned;
use crate::exit::Exit;
use crate::output::{self, shown_of_request};
use crate::period::period;
use portcullis_host::log::{self, Decided, Event};
use portcullis_host::{StoredIntent, digest_of_words, has_well_known_token};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Draft an intent for approval: from the access to allow, or from a recorded denial that it would have
/// avoided.
///
/// From a denial, it allows exactly that call: the integration, the action, the resource, and each
/// argument with its value. Headers that differ in each call, such as `date` and `traceparent`, may have any
/// value; they are listed on standard error. Inspect the draft before you sign it.
///
/// A call may have the listed arguments and no others. If none is listed, only actions that are classified
/// as `read` are allowed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The denial, by the `evaluation_id` of the decision.
    #[arg(long, requires = "log", conflicts_with_all = ["principal", "allow"])]
    evaluation: Option<String>,
    /// The decision log with the denial.
    #[arg(long, requires = "evaluation")]
    log: Option<PathBuf>,
    /// Allow any arguments (`"arguments": "open"`), instead of the listed ones or those of the denial.
    #[arg(long, conflicts_with_all = ["required_argument", "optional_argument"])]
    any_arguments: bool,
    /// An argument that a call must have, as a JSON Pointer such as `/path`.
    #[arg(long, value_name = "POINTER", requires = "allow")]
    required_argument: Vec<String>,
    /// An argument that a call may have, as a JSON Pointer.
    #[arg(long, value_name = "POINTER", requires = "allow")]
    optional_argument: Vec<String>,
    /// A file with the user's own words. The draft allows the tools that they ask for, and all that only read.
    #[arg(long, requires_all = ["tools", "integration"], conflicts_with_all = ["evaluation", "allow"])]
    said: Option<PathBuf>,
    /// The server's tools: a file with the result of its `tools/list`.
    #[arg(long, requires = "said")]
    tools: Option<PathBuf>,
    /// The operator's file about the tools: which words ask for them, and where their arguments may come from.
    #[arg(long, requires = "said")]
    server: Option<PathBuf>,
    /// The integration of the server.
    #[arg(long, requires = "said")]
    integration: Option<String>,
    /// A tool to allow, instead of those that the words ask for.
    #[arg(long, requires = "said")]
    tool: Vec<String>,
    /// A value that an argument may have: tool, argument and value in JSON. Needs `--tool`.
    #[arg(long, requires = "tool", num_args = 3, value_names = ["TOOL", "ARGUMENT", "VALUE"])]
    pin: Vec<String>,
    /// The principal that may use it, by SPIFFE ID.
    #[arg(long, required_unless_present = "evaluation")]
    principal: Option<String>,
    /// The access to allow: integration, action and resource, the latter two as patterns.
    #[arg(long, num_args = 3, value_names = ["INTEGRATION", "ACTION", "RESOURCE"], required_unless_present_any = ["evaluation", "said"])]
    allow: Vec<String>,
    /// The purpose, in words.
    #[arg(long)]
    purpose: String,
    /// The person who is to approve it.
    #[arg(long)]
    approver: String,
    /// The duration of its validity, such as `1h`.
    #[arg(long = "for", default_value = "1h", value_parser = period)]
    lifetime: Duration,
    /// The maximum number of uses.
    #[arg(long)]
    max_uses: Option<u64>,
    /// The file to write to. By default standard output.
    #[arg(long)]
    output: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let (principal, allows) = match (&args.evaluation, &args.log) {
        (Some(evaluation), Some(log)) => {
            let denied = match find(log, evaluation) {
                Ok(denied) => denied,
                Err(exit) => return Ok(exit),
            };
            match from_denial(&denied, args.any_arguments) {
                Ok(drafted) => drafted,
                Err(exit) => return Ok(exit),
            }
        }
        _ if args.said.is_some() => match said::allows(args) {
            Ok(allows) => (args.principal.clone().unwrap_or_default(), allows),
            Err(error) => {
                output::error(&shown_of_request(&format!("{error:#}")));
                return Ok(Exit::Invalid);
            }
        },
        _ => {
            let allows = args.allow.chunks(3).filter_map(|allowed| match allowed {
                [integration, action, resource] => {
                    let mut allowance = json!({
                        "integration": integration, "action": action, "resource": resource,
                    });
                    if let Some(arguments) = args.arguments() {
                        allowance["arguments"] = arguments;
                    }
                    Some(allowance)
                }
                _ => None,
            });
            (
                args.principal.clone().unwrap_or_default(),
                allows.collect::<Vec<_>>(),
            )
        }
    };
    let (now, end) = document::from_now(args.lifetime);
    let mut intent = json!({
        "id": document::new_id()?,
        "purpose": args.purpose,
        "principal": principal,
        "approved-by": { "who": args.approver, "at": now },
        "issued-at": now,
        "expires-at": end,
        "allows": allows,
    });
    if let Some(said) = &args.said {
        let words = std::fs::read_to_string(said)
            .map_err(|error| crate::file::cannot_read(said, &error))?;
        intent["said"] = json!(digest_of_words([words.as_str()]).to_string());
    }
    if let Some(uses) = args.max_uses {
        intent["max-uses"] = json!(uses);
    }
    match StoredIntent::from_json(intent.to_string().as_bytes()) {
        Ok(intent) => document::warn(&intent),
        Err(error) => {
            output::error(&shown_of_request(&format!(
                "the draft is not a valid intent: {error}"
            )));
            return Ok(Exit::Invalid);
        }
    }
    document::write(&document::to_text(&intent), args.output.as_ref())?;
    Ok(Exit::Success)
}

impl Args {
    /// Returns the arguments that are listed, if there are any.
    fn arguments(&self) -> Option<Value> {
        let (required, optional) = (&self.required_argument, &self.optional_argument);
        match (
            self.any_arguments,
            required.is_empty() && optional.is_empty(),
        ) {
            (true, _) => Some(json!("open")),
            (false, true) => None,
            (false, false) => Some(json!({ "required": required, "optional": optional })),
        }
    }
}

/// Finds the denial with that id, or prints why an intent cannot be drafted from it.
fn find(log: &Path, evaluation: &str) -> Result<Box<Decided>, Exit> {
    // A denial in a log that was edited may be forged.
    crate::log::is_whole(log)?;
    let mut found = None;
    let read = log::read(log, |_, _, _, entry| {
        if let Event::Decision(decided) = entry.event
            && decided.id == evaluation
        {
            found = Some(decided);
        }
        Ok(())
    });
    read.map_err(|broken| {
        output::error(&shown_of_request(&broken.to_string()));
        Exit::of_log(&broken)
    })?;
    let denied = found.ok_or_else(|| {
        refuse(&format!(
            "{} has no denial `{}` that an intent would have avoided",
            log.display(),
            shown_of_request(evaluation)
        ))
    })?;
    // As a pattern, it would allow more than the denied call.
    let has_star = |pointer: &str| {
        let text = denied.request.pointer(pointer).and_then(Value::as_str);
        text.is_some_and(|text| text.contains('*'))
    };
    if has_star("/action/name") || has_star("/resource/id") {
        return Err(refuse(&format!(
            "its action or resource has a `*`, which an intent reads as a pattern, so the call cannot be allowed exactly: {BY_HAND}"
        )));
    }
    Ok(denied)
}

/// Remedy if an intent cannot be drafted from a denial.
const BY_HAND: &str = "draft with `--principal` and `--allow`";

fn refuse(why: &str) -> Exit {
    output::error(why);
    Exit::Invalid
}

/// Returns the principal of a denial, and an allowance for the denied call.
///
/// If the values of its arguments cannot be allowed, it prints why.
fn from_denial(denied: &Decided, any_arguments: bool) -> Result<(String, Vec<Value>), Exit> {
    let text = |pointer: &str| {
        let text = denied.request.pointer(pointer).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    if ["/context/input-responses", "/context/request-state"]
        .iter()
        .any(|it| denied.request.pointer(it).is_some())
    {
        return Err(refuse(&format!(
            "the call answers questions of the server, which an intent allows only with any arguments and any answers: {BY_HAND}"
        )));
    }
    let empty = json!({});
    let arguments = denied
        .request
        .pointer("/action/properties")
        .unwrap_or(&empty);
    let (listed, constraints) = match any_arguments {
        true => (json!("open"), json!([])),
        false => pinned(denied, arguments)?,
    };
    let allowance = json!({
        "integration": text("/context/integration"),
        "action": text("/action/name"),
        "resource": text("/resource/id"),
        "arguments": listed,
        "constraints": constraints,
    });
    Ok((text("/subject/id"), vec![allowance]))
}

/// Returns the listed arguments and the constraints that allow the values of a denied call.
fn pinned(denied: &Decided, arguments: &Value) -> Result<(Value, Value), Exit> {
    let Pinned {
        required,
        left_out,
        constraints,
    } = {
        let pinned = Pinned::of(arguments);
        if denied.masked && pinned.has_masked() {
            return Err(refuse(&format!(
                "some of its arguments were masked in the log, so their values cannot be allowed: {BY_HAND}, or with `--any-arguments`"
            )));
        }
        pinned
    };
    let constraints = Value::from(constraints);
    if has_well_known_token(&constraints.to_string()) {
        return Err(refuse(&format!(
            "some of its arguments have text that looks like a secret, which an intent would keep: {BY_HAND}, or with `--any-arguments`"
        )));
    }
    if left_out.is_empty() {
        return Ok((json!({ "required": required }), constraints));
    }
    let headers: Vec<_> = left_out.iter().map(|at| format!("`{at}`")).collect();
    output::note(&shown_of_request(&format!(
        "these headers differ in each call, so they may have any value, or be missing: {}",
        headers.join(", ")
    )));
    let listed = json!({ "required": required, "optional": left_out });
    Ok((listed, constraints))
}
