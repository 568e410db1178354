//! `portcullis mcp --serve`: a relay whose messages a server decides.

use super::{Args, command, ended_as, relayed, runtime, say};
use crate::check;
use crate::exit::Exit;
use crate::file::cannot_read;
use anyhow::bail;
use portcullis_mcp::settings::{self, MAX_MESSAGE_BYTES, Server};
use portcullis_server::{Relayed, Remote, RemoteGate};
use std::path::Path;
use std::sync::Arc;

/// Variable with the handle of the session.
const SESSION: &str = "PORTCULLIS_SESSION";

pub(super) fn run(args: &Args, url: &str) -> anyhow::Result<Exit> {
    let Some(integration) = args.integration.clone() else {
        bail!("name the integration of the server with `--integration`");
    };
    let mut principal = args.principal.clone();
    let mut intent = args.intent.clone();
    let server = match args.command.is_empty() {
        false => Server::of_command(args.command.clone()),
        // The command, at least, is here.
        true => {
            let mut settings = match settings::read_unpinned(&args.config) {
                Ok(settings) => settings,
                Err(error) => {
                    check::report(&error.0);
                    return Ok(Exit::Invalid);
                }
            };
            principal = principal.or(settings.principal.map(|it| it.id));
            intent = intent.or(settings.intent.map(|it| it.id));
            match settings.servers.remove(&integration) {
                Some(server) => server,
                None => bail!(
                    "{} has no `[[mcp.server]]` of integration `{integration}`: write the server's command after `--`",
                    args.config.display()
                ),
            }
        }
    };
    let Some(principal) = principal else {
        bail!("the agent has no identity: name its SPIFFE ID with `--principal`");
    };
    let token = args.token.as_deref().map(line_of).transpose()?;
    let session = match &args.session {
        Some(file) => Some(line_of(file)?),
        None => std::env::var(SESSION).ok(),
    };
    let remote = Remote::new(url, token.as_deref(), args.authorities.as_deref())
        .and_then(|remote| match &session {
            Some(handle) => remote.in_session(handle),
            None => Ok(remote),
        })
        .map_err(|why| anyhow::anyhow!("{why}"))?;
    let agent = Relayed {
        integration,
        principal,
        intent,
    };
    let command = command(&server)?;
    let max_message = match args.command.is_empty() {
        true => server.max_message_bytes,
        false => MAX_MESSAGE_BYTES,
    };
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        let gate = RemoteGate::open(remote, &agent, Arc::new(say));
        let gate = gate
            .await
            .map_err(|why| anyhow::anyhow!("cannot open a gate: {why}"))?;
        relayed(gate, command, max_message).await
    });
    ended_as(ended, runtime)
}

/// The text of a file, without white space at its ends.
fn line_of(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file).map_err(|error| cannot_read(file, &error))?;
    Ok(text.trim().to_owned())
}
