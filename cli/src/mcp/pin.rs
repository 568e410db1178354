//! `portcullis mcp pin`: approves the definitions of a server's tools.

use super::{command, tools_of};
use crate::check;
use crate::exit::Exit;
use crate::output::{self, BAD, GOOD, WARN, shown, styled};
use anyhow::{Context as _, bail};
use portcullis_mcp::settings::{self, Server};
use portcullis_mcp::{Difference, Pins};
use std::path::PathBuf;

/// Approve the definitions of a server's tools, after a look at what changed.
///
/// It starts the server, lists its tools, and prints what is new, changed or gone since they were approved. Then it writes
/// the file. Run it with `--check` first, and read the descriptions: they go into the agent's model.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration, with its `[[mcp.server]]`.
    #[arg(long, default_value = "portcullis.toml")]
    config: PathBuf,
    /// The integration of the server, whose command and file the configuration has.
    #[arg(long, value_name = "NAME", required_unless_present = "tools")]
    integration: Option<String>,
    /// The file of the approved definitions.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "integration",
        requires = "command"
    )]
    tools: Option<PathBuf>,
    /// Only compare. The exit code says whether something differs.
    #[arg(long)]
    check: bool,
    /// The server's program and arguments, after `--`, with `--tools`.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let Some((server, file)) = server(args)? else {
        return Ok(Exit::Invalid);
    };
    let listed = Pins::of(tools_of(command(&server)?)?);
    let approved = match file.exists() {
        true => Pins::read(&file).map_err(|why| anyhow::anyhow!("{why}"))?,
        false => Pins::default(),
    };
    let differences = approved.differences(&listed);
    for difference in &differences {
        let text = match difference {
            Difference::Added(name) => {
                format!("{} {}", styled(WARN, "new"), described(&listed, name))
            }
            Difference::Changed(name, members) => format!(
                "{} {} in `{}`: {}",
                styled(BAD, "changed"),
                shown(name),
                shown(&members.join("`, `")),
                described(&listed, name)
            ),
            Difference::Removed(name) => format!("{} {}", styled(WARN, "gone"), shown(name)),
            _ => continue,
        };
        output::line(&text)?;
    }
    let file_name = file.display();
    if differences.is_empty() {
        output::line(&format!(
            "{} {file_name}: the {} are as approved",
            styled(GOOD, "same"),
            portcullis_host::counted(listed.tools().count(), "definition")
        ))?;
        return Ok(Exit::Success);
    }
    if args.check {
        output::line(&format!(
            "{file_name} is not written: without `--check`, it is"
        ))?;
        return Ok(Exit::Deny);
    }
    std::fs::write(&file, listed.to_json()).with_context(|| format!("cannot write {file_name}"))?;
    output::line(&format!("{} {file_name}", styled(GOOD, "written")))?;
    Ok(Exit::Success)
}

/// Name and description of a tool.
fn described(pins: &Pins, name: &str) -> String {
    let definition = pins
        .definitions()
        .find(|it| it.get("name").and_then(|it| it.as_str()) == Some(name));
    let description = definition.and_then(|it| it.get("description")?.as_str());
    match description {
        Some(text) => format!("{}: {}", shown(name), shown(&text.replace('\n', " "))),
        None => format!("{}, which has no description", shown(name)),
    }
}

/// The server, and the file of its definitions. `None` if the configuration has problems, which are reported.
fn server(args: &Args) -> anyhow::Result<Option<(Server, PathBuf)>> {
    let Some(integration) = &args.integration else {
        let file = args.tools.clone().unwrap_or_default();
        return Ok(Some((Server::of_command(args.command.clone()), file)));
    };
    // The file of the definitions may not be there yet.
    let read = settings::read_unpinned(&args.config);
    let mut settings = match read {
        Ok(settings) => settings,
        Err(error) => {
            check::report(&error.0);
            return Ok(None);
        }
    };
    let Some(server) = settings.servers.remove(integration) else {
        bail!("the configuration has no `[[mcp.server]]` of integration `{integration}`");
    };
    let Some(file) = server.tools.clone() else {
        bail!(
            "the server has no `tools`: name the file of its approved definitions in `[[mcp.server]]`"
        );
    };
    Ok(Some((server, file)))
}
