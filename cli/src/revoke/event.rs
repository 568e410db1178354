//! `portcullis revoke event`.

use crate::exit::Exit;
use crate::named::named;
use crate::output::{self, GOOD, shown_of_request, styled};
use portcullis_host::Timestamp;
use portcullis_host::revocation::{self, EventIssuers};
use std::path::PathBuf;

/// Take security events (RFC 8417): what `session-revoked` and `credential-change` of the Continuous
/// Access Evaluation Profile say is over is added to the list, once for each event.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The events, each a signed token in a file.
    #[arg(required = true)]
    events: Vec<PathBuf>,
    /// For whom they have to be meant (`aud`).
    #[arg(long)]
    audience: String,
    /// Whose events count, and the file of their public keys (JWKS).
    #[arg(long, value_name = "ISSUER=FILE", value_parser = named, required = true)]
    issuer: Vec<(String, PathBuf)>,
    #[command(flatten)]
    list: super::List,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let mut issuers = EventIssuers::new(&args.audience);
    for (issuer, file) in &args.issuer {
        issuers = match issuers.issuer(issuer, file) {
            Ok(more) => more,
            Err(error) => {
                output::error(&shown_of_request(&error.to_string()));
                return Ok(Exit::Invalid);
            }
        };
    }
    let Some(list) = args.list.path(true) else {
        return Ok(Exit::Invalid);
    };
    let mut exit = Exit::Success;
    for file in &args.events {
        // One that cannot be read does not keep the others from being taken.
        let token = match std::fs::read_to_string(file) {
            Ok(token) => token,
            Err(error) => {
                output::error(&format!("cannot read {}: {error}", file.display()));
                exit = exit.max(Exit::Failed);
                continue;
            }
        };
        let now = Timestamp::now();
        let appended = issuers
            .verify(token.trim(), now)
            .map_err(|error| error.to_string())
            .and_then(|event| {
                let records = revocation::append_event(&list, &event, now);
                let records = records.map_err(|error| error.to_string())?;
                Ok((event, records))
            });
        match appended {
            Ok((event, records)) if records.is_empty() => {
                let why = match event.revoked.is_empty() {
                    false => "it is on the list already",
                    true => "it revokes nothing",
                };
                output::note(&format!("{}: {why}", file.display()));
            }
            Ok((_, records)) => {
                for record in &records {
                    output::note(&format!(
                        "{}: {}, epoch {}",
                        file.display(),
                        styled(GOOD, "revoked"),
                        record.epoch
                    ));
                    output::json(record)?;
                }
            }
            Err(error) => {
                output::error(&shown_of_request(&format!("{}: {error}", file.display())));
                exit = exit.max(Exit::Invalid);
            }
        }
    }
    Ok(exit)
}
