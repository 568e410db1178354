//! `portcullis intent narrow`.

use super::{document, used};
use crate::exit::Exit;
use crate::output::{self, shown};
use crate::period::period;
use portcullis_host::{StoredIntent, counted, withheld};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Propose an intent that allows less than another: the part that was used according to a decision log, or
/// a part to delegate to another principal.
///
/// The proposal is within the intent, and is still to be signed: by the approver of the intent or, if it is
/// delegated, by the principal that delegates it.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("how").required(true).args(["log", "to"])))]
pub(crate) struct Args {
    /// The intent, in JSON or signed.
    intent: PathBuf,
    /// Narrow it to the calls that this decision log shows as permitted on it.
    #[arg(long)]
    log: Option<PathBuf>,
    /// Delegate it to this principal, by SPIFFE ID.
    #[arg(long, conflicts_with = "log")]
    to: Option<String>,
    /// The access to delegate: integration, action and resource, the latter two as patterns. By default
    /// everything.
    #[arg(long, num_args = 3, value_names = ["INTEGRATION", "ACTION", "RESOURCE"], requires = "to")]
    allow: Vec<String>,
    /// The duration of its validity, which never exceeds that of the intent.
    #[arg(long = "for", value_parser = period)]
    lifetime: Option<Duration>,
    /// The maximum number of uses, which never exceeds that of the intent.
    #[arg(long)]
    max_uses: Option<u64>,
    /// The file to write to. By default standard output.
    #[arg(long)]
    output: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    if let Some(log) = &args.log
        && let Err(exit) = crate::log::is_whole(log)
    {
        return Ok(exit);
    }
    let (document, intent) = document::read(&args.intent)?;
    let mut narrowed = document;
    narrowed["id"] = json!(document::new_id()?);
    // The purpose never affects a decision, so text that looks like a secret is withheld from it.
    narrowed["purpose"] = json!(withheld(&intent.purpose));
    let (now, end) = document::from_now(args.lifetime.unwrap_or_default());
    let end = match args.lifetime {
        Some(_) => end.min(intent.expires_at),
        None => intent.expires_at,
    };
    narrowed["approved-by"]["at"] = json!(now);
    narrowed["issued-at"] = json!(now.max(intent.issued_at));
    narrowed["expires-at"] = json!(end);
    if let Some(uses) = args.max_uses {
        narrowed["max-uses"] = json!(intent.max_uses.map_or(uses, |most| most.min(uses)));
    }
    let allows = match (&args.log, &args.to) {
        (Some(log), _) => match to_what_was_used(&intent, &narrowed, log) {
            Ok(allows) => allows,
            Err(why) => {
                output::error(&shown(&why));
                return Ok(Exit::Invalid);
            }
        },
        (None, to) => {
            narrowed["principal"] = json!(to);
            narrowed["approved-by"]["who"] = json!(intent.principal);
            narrowed["parent"] = json!({ "id": intent.id, "digest": intent.digest().to_string() });
            delegated(&narrowed, &args.allow)
        }
    };
    narrowed["allows"] = Value::Array(allows);
    let proposed = match StoredIntent::from_json(narrowed.to_string().as_bytes()) {
        Ok(proposed) => proposed,
        Err(error) => {
            output::error(&shown(&format!("the narrowed intent is invalid: {error}")));
            return Ok(Exit::Invalid);
        }
    };
    let within = match args.to {
        Some(_) => proposed.is_within(&intent),
        None => proposed.allows_no_more_than(&intent),
    };
    if let Err(widening) = within {
        output::error(&shown(&format!(
            "the narrowed intent is not narrower: {widening}"
        )));
        return Ok(Exit::Invalid);
    }
    document::warn(&proposed);
    document::write(&document::to_text(&narrowed), args.output.as_ref())?;
    Ok(Exit::Success)
}

/// Returns the used allowances, each limited to the actions and resources that it was used for.
fn to_what_was_used(
    intent: &StoredIntent,
    document: &Value,
    log: &Path,
) -> Result<Vec<Value>, String> {
    let used = used::of(intent, log).map_err(|broken| broken.to_string())?;
    if used.masked > 0 {
        return Err(format!(
            "the log masks {} on it, so its use is unknown: narrow it by hand",
            counted(used.masked, "permit")
        ));
    }
    if used.calls.is_empty() {
        return Err(format!(
            "the log has no permit on intent `{}`: close it, if it is not needed",
            intent.id
        ));
    }
    let empty = Vec::new();
    let allowances = document
        .get("allows")
        .and_then(Value::as_array)
        .unwrap_or(&empty);
    let narrowed = used.narrowed(intent, allowances);
    if narrowed.is_coarse {
        output::note(
            "the narrowed intent would have too many allowances: the used allowances stay as approved",
        );
    }
    output::note(&shown(&format!(
        "after it is signed and in use, close the wider intent: `portcullis intent close {}`",
        intent.id
    )));
    Ok(narrowed.allowances)
}

/// Returns the delegated allowances: all of them, or one for each entry of `allow`.
///
/// Such an allowance keeps the constraints of the one that it is within.
fn delegated(document: &Value, allow: &[String]) -> Vec<Value> {
    let empty = Vec::new();
    let allowances = document
        .get("allows")
        .and_then(Value::as_array)
        .unwrap_or(&empty);
    if allow.is_empty() {
        return allowances.clone();
    }
    let mut named = Vec::new();
    for part in allow.chunks(3) {
        let [integration, action, resource] = part else {
            continue;
        };
        // The caller verifies that it is within the intent. Constraints of an allowance only narrow.
        let of_integration = |allowance: &&Value| {
            allowance.get("integration").and_then(Value::as_str) == Some(integration)
        };
        let mut allowance = allowances
            .iter()
            .filter(of_integration)
            .find(|allowance| includes(allowance, action, resource))
            .cloned()
            .unwrap_or_else(|| json!({ "integration": integration }));
        allowance["action"] = json!(action);
        allowance["resource"] = json!(resource);
        named.push(allowance);
    }
    named
}

/// True if the allowance's patterns include the given ones.
fn includes(allowance: &Value, action: &str, resource: &str) -> bool {
    let within = |key: &str, text: &str| {
        let theirs = allowance.get(key).and_then(Value::as_str);
        let (ours, theirs) = (
            text.parse::<portcullis_host::Pattern>(),
            theirs.unwrap_or_default().parse(),
        );
        matches!((ours, theirs), (Ok(ours), Ok(theirs)) if ours.is_within(&theirs))
    };
    within("action", action) && within("resource", resource)
}
