//! `portcullis mcp init`: a starter configuration for a server.

use super::starter::Starter;
use super::tools_of;
use crate::exit::Exit;
use crate::output::{self, GOOD, styled};
use anyhow::{Context as _, bail};
use portcullis_draft::Tool;
use portcullis_host::Digest;
use portcullis_mcp::Pins;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// Write a starter configuration for an MCP server, with everything closed.
///
/// It starts the server, lists its tools, guesses their classes from names and arguments, and writes a configuration in
/// which no call is permitted yet: comments say what to open. It never overwrites a file.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The name of the integration.
    #[arg(long, value_name = "NAME", value_parser = name)]
    integration: String,
    /// The folder for the files.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    output: PathBuf,
    /// The agent's SPIFFE ID.
    #[arg(long, value_name = "ID", default_value = "spiffe://example.org/agent")]
    principal: String,
    /// The component of the plugin `mcp-tools`, relative to the folder.
    #[arg(long, value_name = "FILE", default_value = "mcp-tools.wasm")]
    component: String,
    /// Take the tools from the result of `tools/list` in this file, and do not start the server.
    #[arg(long, value_name = "FILE")]
    tools: Option<PathBuf>,
    /// The server's program and arguments, after `--`.
    #[arg(last = true, value_name = "COMMAND", required = true)]
    command: Vec<String>,
}

/// Checks the name of an integration, which is part of a file's name.
fn name(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    match !text.is_empty() && text.chars().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err("a name has letters, digits, `-` and `_`".to_owned()),
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let pins = match &args.tools {
        Some(file) => Pins::read(file).map_err(|why| anyhow::anyhow!("{why}"))?,
        None => {
            let mut command = Command::new(args.command.first().map_or("", String::as_str));
            command.args(args.command.iter().skip(1));
            Pins::of(tools_of(command)?)
        }
    };
    let tools: Vec<_> = pins.definitions().filter_map(Tool::read).collect();
    if tools.is_empty() {
        bail!("the server lists no tools");
    }
    let tools_file = format!("{}.tools.json", args.integration);
    let starter = Starter {
        integration: &args.integration,
        principal: &args.principal,
        component: &args.component,
        digest: fs::read(args.output.join(&args.component))
            .ok()
            .map(|component| Digest::of(&component)),
        command: &args.command,
        tools_file: &tools_file,
        tools: &tools,
    };
    let config = args.output.join("portcullis.toml");
    let pinned = args.output.join(&tools_file);
    for file in [&config, &pinned] {
        if file.exists() {
            bail!(
                "{} is there already, and is not overwritten",
                file.display()
            );
        }
    }
    write(&pinned, &pins.to_json())?;
    write(&config, &starter.to_toml())?;
    output::line(&format!(
        "{} {} and {}: {}, all closed",
        styled(GOOD, "written"),
        config.display(),
        pinned.display(),
        portcullis_host::counted(tools.len(), "tool"),
    ))?;
    output::note(&format!(
        "next: read the descriptions in {}, open tools in {}, and let the agent start `portcullis mcp --config {}`",
        pinned.display(),
        config.display(),
        config.display()
    ));
    Ok(Exit::Success)
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    let context = || format!("cannot write {}", file.display());
    let mut to = fs::File::create_new(file).with_context(context)?;
    to.write_all(text.as_bytes()).with_context(context)
}
