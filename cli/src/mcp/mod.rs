//! `portcullis mcp`: a gate between an agent and a server of the Model Context Protocol.

mod elsewhere;
mod init;
mod pin;
mod starter;

use crate::check;
use crate::exit::Exit;
use crate::file::cannot_read;
use crate::output::{self, shown_of_request};
use anyhow::{Context as _, bail};
use portcullis_host::{Intent, Live, Pdp, PrincipalKind, Timestamp};
use portcullis_mcp::settings::{self, Server, Settings, Upstream};
use portcullis_mcp::stdio::{self, Ended, Through};
use portcullis_mcp::{Agent, Gate, Guarded, Pins, inquiry};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::process::Command;
use tokio::runtime::Runtime;

/// Stand between an agent and an MCP server, and decide each call.
///
/// The agent starts this command instead of the server's, and the gate starts the server. Messages pass over standard
/// input and output, in protocol versions 2025-11-25 and 2026-07-28. Over them nothing proves who the agent is: its
/// principal is the configured one, with attestation `none`. `portcullis serve` is the gate over HTTP.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// The configuration, with its section `[mcp]`.
    #[arg(long, default_value = "portcullis.toml")]
    config: PathBuf,
    /// The integration of the server. By default the only one of the configuration.
    #[arg(long, value_name = "NAME")]
    integration: Option<String>,
    /// The agent's SPIFFE ID. By default `[mcp] principal`.
    #[arg(long, value_name = "ID")]
    principal: Option<String>,
    /// The agent's intent. By default `[mcp] intent`.
    #[arg(long, value_name = "ID")]
    intent: Option<String>,
    /// A file with the user's own words, for the origins of arguments. The agent must not be able to write it.
    #[arg(long, value_name = "FILE")]
    said: Option<PathBuf>,
    /// The approved definitions of the server's tools, as `portcullis mcp pin` writes them. Without them, the first
    /// definition of each tool counts until the gate ends.
    #[arg(long, value_name = "FILE")]
    tools: Option<PathBuf>,
    /// Decide in the server at this URL (`portcullis serve`) instead of here, so that all gates of an agent share its
    /// session. The configuration is then the server's, but for the command.
    #[arg(long, value_name = "URL", conflicts_with_all = ["said", "tools"], requires = "integration")]
    serve: Option<String>,
    /// A file with this gate's token as an enforcement point of that server.
    #[arg(long, value_name = "FILE", requires = "serve")]
    token: Option<PathBuf>,
    /// The authorities of that server's certificate, in PEM.
    #[arg(long, value_name = "FILE", requires = "serve")]
    authorities: Option<PathBuf>,
    /// A file with the handle of the session that a front end opened. By default the variable PORTCULLIS_SESSION has it.
    #[arg(long, value_name = "FILE", requires = "serve")]
    session: Option<PathBuf>,
    /// The server's program and arguments, after `--`. By default the `command` of its `[[mcp.server]]`.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Init(init::Args),
    Pin(pin::Args),
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    match &args.verb {
        Some(Verb::Init(args)) => init::run(args),
        Some(Verb::Pin(args)) => pin::run(args),
        None => stand(args),
    }
}

/// Stands between an agent and a server until one of them ends.
fn stand(args: &Args) -> anyhow::Result<Exit> {
    match &args.serve {
        Some(url) => elsewhere::run(args, url),
        None => here(args),
    }
}

/// Decides in this process.
fn here(args: &Args) -> anyhow::Result<Exit> {
    let settings = match settings::read(&args.config) {
        Ok(settings) => settings,
        Err(error) => {
            check::report(&error.0);
            return Ok(Exit::Invalid);
        }
    };
    for notice in &settings.notices {
        say(notice);
    }
    let live = match Live::from_file(&args.config) {
        Ok(live) => live,
        Err(error) => {
            check::report(&error.0);
            return Ok(Exit::Invalid);
        }
    };
    check::report(live.pdp().notices());
    let integration = integration(args, &live)?;
    let server = server(args, &settings, &integration)?;
    let command = command(&server)?;
    let agent = agent(args, &settings, &live.pdp())?;
    if server.pins.is_none() {
        say(
            "no definitions of tools are pinned: the first of each tool counts as approved until the gate ends",
        );
    }
    let guarded = Guarded::new(
        &integration,
        server.pins,
        settings.pinned_by_others(&integration),
        server.from_server,
    );
    let gate = Gate::new(Arc::new(guarded), agent, Arc::new(live), Arc::new(say));
    let runtime = runtime()?;
    let ended = runtime.block_on(relayed(gate, command, server.max_message_bytes));
    ended_as(ended, runtime)
}

fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the threads of the gate")
}

fn ended_as(ended: anyhow::Result<Ended>, runtime: Runtime) -> anyhow::Result<Exit> {
    // A read of standard input cannot be ended, and waits for the agent.
    runtime.shutdown_background();
    match ended? {
        Ended::ByServer(why) => {
            output::error(&shown_of_request(&why));
            Ok(Exit::Failed)
        }
        _ => Ok(Exit::Success),
    }
}

async fn relayed(
    gate: impl Through,
    command: Command,
    max_message: usize,
) -> anyhow::Result<Ended> {
    let program = command.as_std().get_program().to_owned();
    let server = stdio::start(command)
        .with_context(|| format!("cannot start the server `{}`", program.to_string_lossy()))?;
    let (client_in, client_out) = (tokio::io::stdin(), tokio::io::stdout());
    let ended = stdio::relay(gate, server, client_in, client_out, max_message).await;
    ended.context("cannot read from the server or the agent")
}

/// The integration that the gate asks about.
fn integration(args: &Args, live: &Live) -> anyhow::Result<String> {
    let pdp = live.pdp();
    let names: Vec<_> = pdp
        .integrations()
        .iter()
        .map(|it| it.name().to_owned())
        .collect();
    match (&args.integration, names.as_slice()) {
        (Some(name), names) if names.contains(name) => Ok(name.clone()),
        (Some(name), names) => bail!(
            "the configuration has no integration `{name}`: it has `{}`",
            names.join("`, `")
        ),
        (None, [only]) => Ok(only.clone()),
        (None, names) => bail!(
            "the configuration has several integrations, `{}`: name that of the server with `--integration`",
            names.join("`, `")
        ),
    }
}

/// The server, as the command line and the configuration have it.
fn server(args: &Args, settings: &Settings, integration: &str) -> anyhow::Result<Server> {
    let configured = settings.servers.get(integration).cloned();
    let mut server = match (args.command.is_empty(), configured) {
        (true, None) => bail!(
            "there is no `[[mcp.server]]` of integration `{integration}`: add one with its `command`, or write the server's command after `--`"
        ),
        (true, Some(server)) => server,
        (false, Some(mut server)) => {
            server.upstream = Upstream::Command(args.command.clone());
            server
        }
        (false, None) => Server::of_command(args.command.clone()),
    };
    if let Some(file) = &args.tools {
        let pins = Pins::read(file).map_err(|why| anyhow::anyhow!("{why}"))?;
        server.pins = Some(pins);
    }
    Ok(server)
}

/// The command that starts the server, with its credential.
fn command(server: &Server) -> anyhow::Result<Command> {
    let Upstream::Command(words) = &server.upstream else {
        bail!("the server has a `url`: `portcullis serve` is the gate for it");
    };
    let [program, arguments @ ..] = words.as_slice() else {
        bail!("the server's command is empty");
    };
    let mut command = Command::new(program);
    command.args(arguments);
    if let Some(credential) = &server.credential
        && let Some(name) = &credential.environment
    {
        let secret = credential.secret(Timestamp::now());
        command.env(name, secret.map_err(|why| anyhow::anyhow!("{why}"))?);
    }
    Ok(command)
}

fn agent(args: &Args, settings: &Settings, pdp: &Pdp) -> anyhow::Result<Agent> {
    let principal = match (&args.principal, &settings.principal) {
        (Some(id), _) => settings::agent(id, PrincipalKind::Agent),
        (None, Some(principal)) => principal.clone(),
        (None, None) => bail!(
            "the agent has no identity: name its SPIFFE ID with `--principal`, or as `[mcp] principal`"
        ),
    };
    let intent = args.intent.as_ref().map(|id| Intent {
        id: id.clone(),
        ..Intent::default()
    });
    let intent = intent.or_else(|| settings.intent.clone());
    let said = match &args.said {
        Some(file) => Some(words(file)?),
        None => None,
    };
    if let (Some(intent), Some(said)) = (&intent, &said)
        && let Some(why) = pdp.refuses_words(&intent.id, &[said])
    {
        bail!("{why}");
    }
    Ok(Agent::new(principal, intent, said.as_deref()))
}

/// The tools that a server lists, which is started for the question.
fn tools_of(command: Command) -> anyhow::Result<Vec<Value>> {
    let program = command.as_std().get_program().to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the threads of the gate")?;
    let listed = runtime.block_on(async {
        let server = stdio::start(command)?;
        inquiry::tools(server).await
    });
    listed.with_context(|| format!("cannot list the tools of `{}`", program.to_string_lossy()))
}

fn words(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).map_err(|error| cannot_read(file, &error))
}

/// Shows a message of the gate. Standard output is the agent's.
fn say(message: &str) {
    output::note(&shown_of_request(message));
}
