//! `portcullis`: builds plugins, dry-runs decisions, and manages identities, intents, revocations and logs.
//!
//! Results go to standard output, and everything else to standard error. Exit codes are an API, see
//! [`exit::Exit`].

#![forbid(unsafe_code)]

mod bench;
mod build;
mod check;
mod completions;
mod decided_again;
mod diff;
mod evaluate;
mod exit;
mod file;
#[cfg(feature = "serve")]
mod hook;
mod inspect;
mod intent;
mod log;
#[cfg(feature = "serve")]
mod mcp;
mod named;
mod output;
mod period;
mod posture;
mod propose;
mod registry;
mod replay;
mod requests;
mod revoke;
mod secrets;
#[cfg(feature = "serve")]
mod serve;
mod state;
#[cfg(feature = "serve")]
mod status;
mod test;

use clap::{Parser, Subcommand, ValueEnum};
use exit::Exit;
use std::process::ExitCode;

/// Sandboxed, intent-based authorization for machine identities: build plugins, dry-run decisions, and
/// manage identities, intents, revocations and logs.
#[derive(Debug, Parser)]
#[command(version, after_help = exit::HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Build(build::Args),
    Test(test::Args),
    Inspect(inspect::Args),
    Evaluate(evaluate::Args),
    Check(check::Args),
    #[cfg(feature = "serve")]
    Serve(serve::Args),
    #[cfg(feature = "serve")]
    Status(status::Args),
    #[cfg(feature = "serve")]
    Mcp(mcp::Args),
    #[cfg(feature = "serve")]
    Hook(hook::Args),
    Revoke(revoke::Args),
    Registry(registry::Args),
    Intent(intent::Args),
    Log(log::Args),
    Replay(replay::Args),
    Diff(diff::Args),
    Bench(bench::Args),
    Posture(posture::Args),
    Propose(propose::Args),
    State(state::Args),
    Completions(completions::Args),
}

/// Output format of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// One JSON object.
    Json,
}

fn main() -> ExitCode {
    // Plugins are compiled in child processes of this program.
    portcullis_host::compile_if_asked();
    #[cfg(feature = "fleet")]
    portcullis_fleet::register();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let exit = match error.use_stderr() {
                false => Exit::Success,
                // A coding agent goes on if its hook fails with another code than that of a block.
                true if std::env::args().nth(1).as_deref() == Some("hook") => Exit::Deny,
                true => Exit::Failed,
            };
            // A failure to print cannot be reported.
            let _ = error.print();
            return exit.into();
        }
    };
    let done = match &cli.verb {
        Verb::Build(args) => build::run(args),
        Verb::Test(args) => test::run(args),
        Verb::Inspect(args) => inspect::run(args),
        Verb::Evaluate(args) => evaluate::run(args),
        Verb::Check(args) => check::run(args),
        #[cfg(feature = "serve")]
        Verb::Serve(args) => serve::run(args),
        #[cfg(feature = "serve")]
        Verb::Status(args) => status::run(args),
        #[cfg(feature = "serve")]
        Verb::Mcp(args) => mcp::run(args),
        #[cfg(feature = "serve")]
        Verb::Hook(args) => hook::run(args),
        Verb::Revoke(args) => revoke::run(args),
        Verb::Registry(args) => registry::run(args),
        Verb::Intent(args) => intent::run(args),
        Verb::Log(args) => log::run(args),
        Verb::Replay(args) => replay::run(args),
        Verb::Diff(args) => diff::run(args),
        Verb::Bench(args) => bench::run(args),
        Verb::Posture(args) => posture::run(args),
        Verb::Propose(args) => propose::run(args),
        Verb::State(args) => state::run(args),
        Verb::Completions(args) => completions::run(args),
    };
    match done {
        Ok(exit) => exit.into(),
        // The reader closed the pipe, and an incomplete result must not count as a permit.
        Err(error) if is_closed_pipe(&error) => Exit::Failed.into(),
        Err(error) => {
            output::error(&portcullis_host::withheld(&format!("{error:#}")));
            Exit::Failed.into()
        }
    }
}

/// True if the error is a broken pipe: the reader of the output closed it.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
