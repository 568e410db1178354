//! `portcullis status`.

use crate::Format;
use crate::exit::Exit;
use crate::file;
use crate::output::{self, BAD, FAINT, GOOD, STRONG, WARN, shown_of_request, styled};
use anyhow::{Context as _, bail};
use portcullis_host::counted;
use portcullis_server::settings::admin_of;
use portcullis_server::{AdminUrl, WholeStatus, ask};
use std::path::PathBuf;

/// Show what a running host has loaded: digests, ages of lists and bundles, problems, and the last decisions.
///
/// It asks the admin listener of `portcullis serve`. Exits with 5 if the host is not ready, refused a later
/// configuration, or has stopped shipping its log.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration, whose `[serve] admin` is asked.
    #[arg(long, default_value = "portcullis.toml")]
    config: PathBuf,
    /// Ask this admin listener: `http://127.0.0.1:8182`, `https://HOST:PORT` or `unix:FILE`.
    #[arg(long, value_name = "URL")]
    admin: Option<AdminUrl>,
    /// A file with the token of `admin-token-file`.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// A PEM file with the authorities of the certificate of an `https` listener.
    #[arg(long, value_name = "FILE")]
    authorities: Option<PathBuf>,
    /// Number of recent decisions to show.
    #[arg(long, default_value_t = 10)]
    decisions: usize,
    /// Exit with 5 only if the host is not ready, as a probe has to.
    #[arg(long)]
    ready: bool,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let url = match &args.admin {
        Some(url) => url.clone(),
        None => match admin_of(&args.config) {
            Ok(Some((address, has_tls))) => AdminUrl::of(&address, has_tls),
            Ok(None) => bail!(
                "{} has no admin listener: `[serve] admin` is `off`",
                args.config.display()
            ),
            Err(error) => {
                crate::check::report(&error.0);
                return Ok(Exit::Invalid);
            }
        },
    };
    let token = match &args.token_file {
        None => None,
        Some(file) => Some(file::read_text(file)?),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the client")?;
    let token = token.as_deref().map(str::trim);
    let authorities = args.authorities.as_deref();
    let mut status = runtime.block_on(ask(&url, token, authorities))?;
    status.server.decisions.truncate(args.decisions);
    match args.format {
        Format::Json => output::json(&status)?,
        Format::Human => show(&status)?,
    }
    let is_well = match args.ready {
        true => status.is_ready(),
        false => status.is_as_meant(),
    };
    Ok(match is_well {
        true => Exit::Success,
        false => Exit::GateFailed,
    })
}

fn show(status: &WholeStatus) -> anyhow::Result<()> {
    let (host, server) = (&status.host, &status.server);
    let line = output::line;
    match server.unready.as_slice() {
        [] => line(&format!("{} since {}", styled(GOOD, "ready"), host.started))?,
        reasons => {
            line(&styled(BAD, "not ready"))?;
            for reason in reasons {
                line(&format!("  {}", shown_of_request(reason)))?;
            }
        }
    }
    if let Some(refused) = &host.refused {
        line(&format!(
            "{} at {}: the one before stays in force",
            styled(BAD, "a configuration was refused"),
            refused.at
        ))?;
        for problem in &refused.problems {
            line(&format!("  {}", shown_of_request(problem)))?;
        }
    }
    if !server.refused.is_empty() {
        line(&styled(BAD, "a change of [serve] was refused"))?;
        for problem in &server.refused {
            line(&format!("  {}", shown_of_request(problem)))?;
        }
    }
    for problem in &host.problems {
        line(&format!(
            "{}: {}",
            styled(WARN, "problem"),
            shown_of_request(problem)
        ))?;
    }
    line(&styled(STRONG, "loaded"))?;
    if let (Some(file), Some(digest)) = (&host.file, &host.digest) {
        let file = shown_of_request(&file.display().to_string());
        line(&format!("  {file} {}", styled(FAINT, digest)))?;
    }
    if let Some(loaded) = host.loaded {
        line(&format!(
            "  in force since {loaded}, {}",
            counted(host.reloads, "reload")
        ))?;
    }
    for integration in &host.integrations {
        for plugin in &integration.plugins {
            let state = match &plugin.quarantined {
                Some(_) => styled(BAD, " quarantined"),
                None => String::new(),
            };
            line(&format!(
                "  {}: {} {} {}{state}",
                shown_of_request(&integration.name),
                shown_of_request(&plugin.name),
                plugin.version,
                styled(FAINT, &plugin.digest),
            ))?;
        }
    }
    if let Some(list) = &host.revocations {
        let age = match list.age_seconds {
            Some(age) => format!("{age} s old"),
            None => "of unknown age".to_owned(),
        };
        line(&format!(
            "  revocation list: epoch {}, {age}, at most {} s",
            list.epoch, list.max_age_seconds
        ))?;
    }
    for bundle in &host.trust_domains {
        let age = age(bundle.file.age_seconds);
        line(&format!(
            "  bundle of {}: {age}",
            shown_of_request(&bundle.domain)
        ))?;
    }
    if let Some(registry) = &host.registry {
        let age = age(registry.file.age_seconds);
        line(&format!(
            "  registry: {}, {age}",
            counted(registry.identities, "identity")
        ))?;
    }
    if let Some(intents) = &host.intents {
        line(&format!("  intents: {}", intents.known))?;
    }
    if let Some(log) = &host.log {
        let file = shown_of_request(&log.path.display().to_string());
        line(&format!("  log: {file}, line {}", log.sequence))?;
    }
    if let Some(ship) = &server.ship {
        let state = match (&ship.problem, ship.stopped) {
            (None, _) => String::new(),
            (Some(_), true) => styled(BAD, " stopped"),
            (Some(_), false) => styled(WARN, " trying again"),
        };
        line(&format!(
            "  log shipped to {}: line {}, {} behind{state}",
            shown_of_request(&ship.url),
            ship.confirmed,
            ship.behind
        ))?;
        if let Some(problem) = &ship.problem {
            line(&format!("    {}", shown_of_request(problem)))?;
        }
    }
    if let Some(otlp) = &server.otlp {
        line(&format!(
            "  telemetry to {}: {} dropped, {} failed",
            shown_of_request(&otlp.endpoint),
            counted(otlp.dropped_spans, "span"),
            counted(otlp.failed_exports, "export")
        ))?;
        if let Some(problem) = &otlp.problem {
            line(&format!("    {}", shown_of_request(problem)))?;
        }
    }
    if let Some(checkpoint) = &server.checkpoint {
        line(&format!("  checkpoint: {}", shown_of_request(checkpoint)))?;
    }
    line(&styled(STRONG, "serving"))?;
    for listener in &server.listeners {
        line(&format!("  {}", shown_of_request(listener)))?;
    }
    for pep in &server.peps {
        line(&format!("  {} by {}", pep.id, shown_of_request(&pep.by)))?;
    }
    let latency = &server.latency;
    if latency.decisions > 0 {
        line(&format!(
            "  the last {}: {} µs in the median, {} µs at the 99th percentile",
            counted(latency.decisions, "decision"),
            latency.median_us,
            latency.p99_us
        ))?;
    }
    for decision in &server.decisions {
        let effect = match decision.decision {
            true => styled(GOOD, "permit"),
            false => styled(BAD, "deny"),
        };
        line(&format!(
            "  {} {effect} {}: {} {} {} {}",
            decision.at,
            decision.cause,
            shown_of_request(&decision.principal),
            shown_of_request(&decision.action),
            shown_of_request(&decision.resource),
            styled(FAINT, &decision.id),
        ))?;
    }
    Ok(())
}

fn age(seconds: Option<u64>) -> String {
    match seconds {
        Some(seconds) => format!("changed {seconds} s ago"),
        None => "cannot be read".to_owned(),
    }
}
