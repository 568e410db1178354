//! Drafts from the user's own words.

use super::Args;
use crate::file::cannot_read;
use crate::output::{self, shown_of_request};
use anyhow::{Context as _, bail};
use portcullis_draft::{Choice, Server, Tool, draft};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Allowances for what the user's words ask for. Prints what could not be tied to an argument.
pub(super) fn allows(args: &Args) -> anyhow::Result<Vec<Value>> {
    let (Some(said), Some(tools), Some(integration)) = (&args.said, &args.tools, &args.integration)
    else {
        bail!("`--said` needs `--tools` and `--integration`");
    };
    let text = read(said)?;
    let tools = tools_in(tools)?;
    let server = match &args.server {
        None => Server::default(),
        Some(file) => {
            let parsed = Server::from_toml(&read(file)?);
            parsed.with_context(|| format!("{} does not describe a server", file.display()))?
        }
    };
    for name in args.tool.iter().chain(server.tools.keys()) {
        if !tools.iter().any(|tool| tool.name == *name) {
            bail!("the server has no tool `{name}`: write a name of its `tools/list`");
        }
    }
    let choice = match args.tool.is_empty() {
        true => Choice::Asked,
        false => Choice::Given {
            tools: args.tool.clone(),
            pins: pins(&args.pin)?,
        },
    };
    let drafted = draft(&text, &tools, &server, &choice, integration);
    for part in &drafted.untied {
        output::note(&shown_of_request(&format!(
            "`{part}` is in the words, and belongs to no argument of a tool that they ask for"
        )));
    }
    if drafted.allows.is_empty() {
        bail!("the words ask for no tool of the server: name those to allow with `--tool`");
    }
    Ok(drafted.allows)
}

fn read(file: &Path) -> anyhow::Result<String> {
    fs::read_to_string(file).map_err(|error| cannot_read(file, &error))
}

/// The tools of a `tools/list`: its result, or the list alone.
fn tools_in(file: &Path) -> anyhow::Result<Vec<Tool>> {
    let document: Value = serde_json::from_str(&read(file)?)
        .with_context(|| format!("{} is not JSON", file.display()))?;
    let list = ["/tools", "/result/tools", ""]
        .iter()
        .find_map(|at| document.pointer(at)?.as_array());
    let Some(list) = list else {
        bail!(
            "{} has no tools: write the result of `tools/list`, as in `{{\"tools\": [{{\"name\": \"…\", \"inputSchema\": {{…}}}}]}}`",
            file.display()
        );
    };
    let tools = list.iter().enumerate().map(|(place, tool)| {
        Tool::read(tool)
            .with_context(|| format!("{}: `/tools/{place}` has no `name`", file.display()))
    });
    tools.collect()
}

fn pins(pins: &[String]) -> anyhow::Result<Vec<(String, String, Value)>> {
    let pins = pins.chunks(3).filter_map(|pin| match pin {
        [tool, argument, value] => Some((tool, argument, value)),
        _ => None,
    });
    pins.map(|(tool, argument, value)| {
        let value = serde_json::from_str(value).with_context(|| {
            format!("`--pin {tool} {argument}` needs a value in JSON, such as `7` or `\"Ann\"`")
        })?;
        Ok((tool.clone(), argument.clone(), value))
    })
    .collect()
}
