//! Decides the requests of the log with the proposal.

use super::tried;
use crate::check;
use crate::decided_again::{self, Masked};
use crate::exit::Exit;
use crate::output;
use portcullis_host::ListAsOf;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Decides every request that was let through with the configuration, and lists those that it denies.
pub(super) fn verify(config: &Path, log: &Path) -> anyhow::Result<Exit> {
    let Some(pdp) = check::load(config) else {
        output::error("the proposal cannot be loaded: please report this with the errors above");
        return Ok(Exit::Failed);
    };
    let (mut of, mut permitted) = (0, 0);
    let mut denied: BTreeMap<[String; 3], (u64, String)> = BTreeMap::new();
    let read = decided_again::recorded(log, Masked::AsRecorded, |recorded| {
        let before = &recorded.decided.decision;
        let mode = before.pointer("/context/mode").and_then(Value::as_str);
        if !recorded.decided.is_permit() && mode != Some("observe") {
            return Ok(());
        }
        of += 1;
        let decision = recorded.decide(&pdp, ListAsOf::Then);
        if decision.get("decision") == Some(&Value::Bool(true)) {
            permitted += 1;
            return Ok(());
        }
        let cause = decision.pointer("/context/cause").and_then(Value::as_str);
        let request = &recorded.request;
        let key = [
            cause.unwrap_or_default(),
            request.integration(),
            request.action(),
        ];
        let example = || (0, recorded.decided.id.clone());
        denied
            .entry(key.map(str::to_owned))
            .or_insert_with(example)
            .0 += 1;
        Ok(())
    })?;
    if let Err(exit) = read {
        return Ok(exit);
    }
    let denied: Vec<_> = denied
        .iter()
        .map(|([cause, integration, action], (count, example))| {
            format!("{count} denied as {cause}: {integration}: {action}, such as {example}")
        })
        .collect();
    tried(permitted, of, &denied)?;
    Ok(Exit::Success)
}
