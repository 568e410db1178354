//! `portcullis serve`.

use crate::check;
use crate::exit::Exit;
use crate::output::{self, shown_of_request};
use anyhow::Context as _;
use portcullis_host::log::LogOptions;
use portcullis_server::settings::Address;
use portcullis_server::{Options, Server, signals};
use std::path::PathBuf;
use std::str::FromStr;

/// Serve decisions to enforcement points: AuthZEN over HTTP, security events, and an admin listener.
///
/// It prints `listening on URL` on standard error for each listener. SIGHUP reloads the configuration, as a changed
/// file does; SIGTERM and SIGINT end the requests in flight and then the server.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration, with its section `[serve]`.
    #[arg(long, default_value = "portcullis.toml")]
    config: PathBuf,
    /// Serve without a configuration: record each request in `--log`, and let it through. No policy decides.
    ///
    /// Listeners must be local. `portcullis propose` writes a configuration from the log.
    #[arg(long, conflicts_with = "config")]
    observe: bool,
    /// The log of `--observe`.
    #[arg(long, requires = "observe", default_value = "observed.jsonl")]
    log: PathBuf,
    /// Listen here instead of on `[serve] listen`: `127.0.0.1:8181`, or `unix:FILE`. May be repeated; port 0 is any
    /// free port.
    #[arg(long, value_name = "ADDRESS")]
    listen: Vec<Address>,
    /// Use this admin listener instead of `[serve] admin`; `off` for none.
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<Admin>,
}

/// Value of `--admin`.
#[derive(Debug, Clone)]
struct Admin(Option<Address>);

impl FromStr for Admin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self(None)),
            address => address.parse().map(|address| Self(Some(address))),
        }
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let options = match args.observe {
        true => Options::observing(LogOptions::new(&args.log))?,
        false => match Options::from_file(&args.config) {
            Ok(options) => options,
            Err(error) => {
                check::report(&error.0);
                return Ok(Exit::Invalid);
            }
        },
    };
    check::report(options.live().pdp().notices());
    let options = options.report(say).settings(|mut settings| {
        if !args.listen.is_empty() {
            settings.listen.clone_from(&args.listen);
        }
        if let Some(Admin(admin)) = &args.admin {
            settings.admin.clone_from(admin);
        }
        settings
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the threads of the server")?;
    if args.observe {
        output::warn(&shown_of_request(&format!(
            "only observing: every request is let through, and recorded in {}",
            args.log.display()
        )));
    }
    runtime.block_on(serve(options))
}

async fn serve(options: Options) -> anyhow::Result<Exit> {
    let server = match Server::bind(options).await {
        Ok(server) => server,
        Err(error) => {
            output::error(&shown_of_request(&error.to_string()));
            return Ok(Exit::Failed);
        }
    };
    for notice in server.notices() {
        say(&notice);
    }
    for url in server.urls() {
        say(&format!("listening on {url}"));
    }
    let reloading = tokio::spawn(signals::reload_on_hangup(server.control(), say));
    let all_ended = server.run(signals::stop()).await;
    reloading.abort();
    if !all_ended {
        output::warn("requests in flight took longer than `shutdown-timeout` and were ended");
    }
    Ok(Exit::Success)
}

/// Shows a message of the server.
fn say(message: &str) {
    output::note(&shown_of_request(message));
}
