//! `portcullis propose`: a configuration from what a log shows.

mod github;
mod http;
mod intents;
mod paths;
mod registry;
mod rules;
mod seen;
mod toml;
mod tools;
mod verify;
mod written;

use crate::exit::Exit;
use crate::output::{self, FAINT, GOOD, STRONG, WARN, shown_of_request, styled};
use crate::period::period;
use portcullis_host::{Timestamp, counted};
use rules::Proposed;
use seen::Seen;
use std::path::PathBuf;
use std::time::Duration;

/// Propose a configuration that permits what a decision log shows, and little else.
///
/// It writes a folder with `portcullis.toml`, whose rules for the reference plugins are closed over the calls that
/// were seen, `registry.toml` with the principals, and unsigned drafts of intents that no host loads. Everything is
/// unapproved: read each rule and its support, and replace each `TODO`, which `portcullis check` names.
///
/// Requests that were blocked are left out. A path segment or an argument is generalised only if several values of
/// it were seen. At the end, every request is decided with the proposal, and those that it would deny are listed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The decision log: its latest file; sealed ones beside it are found.
    #[arg(long)]
    log: PathBuf,
    /// The folder to write, which must not exist.
    #[arg(long, default_value = "proposal")]
    out: PathBuf,
    /// The folder of the reference plugins: `http-api.wasm`, `mcp-tools.wasm`, `github.wasm`.
    #[arg(long, default_value = "plugins")]
    plugins: PathBuf,
    /// The number of different values from which on a path segment or an argument may have others.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(2..))]
    several: u16,
    /// The time for which registrations and drafts are valid.
    #[arg(long = "for", default_value = "30d", value_parser = period)]
    lifetime: Duration,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let seen = match Seen::read(&args.log) {
        Ok(seen) => seen,
        Err(exit) => return Ok(exit),
    };
    if seen.requests == 0 {
        output::error(&shown_of_request(&format!(
            "{} shows no request that was let through, so there is nothing to propose: record some with `portcullis serve --observe`",
            args.log.display()
        )));
        return Ok(Exit::Invalid);
    }
    let proposed: Vec<Proposed<'_>> = seen
        .integrations
        .iter()
        .map(|(name, integration)| Proposed::of(name, integration, usize::from(args.several)))
        .collect();
    let registry = registry::registry(&seen, args.lifetime, Timestamp::now());
    let mut drafts = Vec::new();
    let mut not_drafted = 0;
    for one in &proposed {
        let calls = &one.integration.calls;
        let made = intents::drafts(one.name, calls, |it| one.resource_of(it), args.lifetime)?;
        drafts.extend(made.drafts);
        not_drafted += made.left_out;
    }
    let written = written::write(args, &seen, &proposed, &registry, &drafts)?;

    output::line(&format!(
        "{} {}, {}",
        styled(GOOD, "wrote"),
        args.out.display(),
        styled(STRONG, "unapproved: read it before you use it"),
    ))?;
    for one in &proposed {
        output::line(&shown_of_request(&format!("  {}", one.summary())))?;
    }
    output::line(&format!(
        "  registry.toml: {}{}",
        counted(registry.identities, "identity"),
        match registry.obstacles.is_empty() {
            true => "",
            false => ", not in force",
        }
    ))?;
    output::line(&format!(
        "  {}: {}",
        written::DRAFTS,
        counted(drafts.len(), "draft")
    ))?;
    for (count, what) in [
        (seen.blocked, "requests were blocked, and are left out"),
        (
            seen.unreadable,
            "requests have no content in the log, and are left out",
        ),
        (
            not_drafted,
            "requests are in no draft: an intent names only SPIFFE IDs, and would read some names as patterns",
        ),
    ] {
        if count > 0 {
            output::note(&format!("{count} {what}"));
        }
    }
    for obstacle in &registry.obstacles {
        let text = format!("the registry is not in force: {obstacle}");
        output::warn(&shown_of_request(&text));
    }
    if proposed.iter().all(|one| one.plugin().is_none()) {
        output::error("no integration has rules, so no host starts with the proposal");
        return Ok(Exit::Invalid);
    }
    if !written.missing.is_empty() {
        for plugin in &written.missing {
            output::warn(&shown_of_request(&format!(
                "{plugin}.wasm is not in {}: build it (`portcullis build`), copy it to {}, and pin its digest",
                args.plugins.display(),
                args.out.join(written::PLUGINS).display()
            )));
        }
        output::note("the proposal was not tried, because plugins are missing");
        return Ok(Exit::Success);
    }
    verify::verify(&args.out.join(written::CONFIG), &args.log)
}

/// Prints the result of the trial.
fn tried(permitted: u64, of: u64, denied: &[String]) -> anyhow::Result<()> {
    let style = if denied.is_empty() { GOOD } else { WARN };
    let text = format!(
        "{permitted} of {} would be permitted",
        counted(of, "request")
    );
    output::line(&styled(style, &text))?;
    for line in denied {
        output::line(&format!("  {}", styled(FAINT, &shown_of_request(line))))?;
    }
    Ok(())
}
