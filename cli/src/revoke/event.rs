//! `portcullis revoke event`.

use super::known::may_match;
use crate::exit::Exit;
use crate::file;
use crate::named::named;
use crate::output::{self, GOOD, shown_of_request, styled};
use portcullis_host::revocation::{AddedOfEvent, EventError, EventIssuers, ListError, Record};
use portcullis_host::{Timestamp, config};
use std::path::PathBuf;

/// Read security events (RFC 8417), and add the revocations in them to the list, once for each event.
///
/// It ends with 5 if an event revokes an id that is unknown, needs a person's attention, or revokes
/// something whose revocation was lifted since. By default the configuration's issuers are trusted.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The events, each a signed token in a file.
    #[arg(required = true)]
    events: Vec<PathBuf>,
    /// The audience (`aud`) that the events must have. By default that of the configuration.
    #[arg(long, requires = "issuer")]
    audience: Option<String>,
    /// A trusted issuer, the file of its public keys (JWKS), and the trust domains that it may revoke in. The
    /// domains can be left out if the configuration has the issuer.
    #[arg(long, value_name = "ISSUER=FILE[,DOMAIN…]", value_parser = named, requires = "audience")]
    issuer: Vec<(String, PathBuf)>,
    /// End with 0 even if no revoked id is known.
    #[arg(long)]
    unknown: bool,
    #[command(flatten)]
    list: super::List,
}

/// Returns the trusted issuers of the command line, or else of the configuration.
fn issuers(args: &Args) -> Option<EventIssuers> {
    let config = args.list.config();
    let Some(audience) = &args.audience else {
        let issuers = super::found(config::event_issuers(config))?;
        if issuers.is_none() {
            output::error(&format!(
                "{} has no `[revocation.events]`: give `--audience` and `--issuer`",
                config.display()
            ));
        }
        return issuers;
    };
    let mut issuers = EventIssuers::new(audience);
    for (issuer, file) in &args.issuer {
        let text = file.to_string_lossy().into_owned();
        let mut parts = text.split(',');
        let file = parts.next().unwrap_or_default();
        let mut domains: Vec<_> = parts.map(str::to_owned).collect();
        if domains.is_empty() && config.exists() {
            let configured = super::found(config::event_issuers(config))?;
            let configured = configured.as_ref().and_then(|it| it.domains_of(issuer));
            domains = configured.map(<[_]>::to_vec).unwrap_or_default();
        }
        if domains.is_empty() {
            output::error(&shown_of_request(&format!(
                "`{issuer}` answers for no trust domain, so its events revoke nothing: write `--issuer {issuer}={file},acme.example`"
            )));
            return None;
        }
        issuers = match issuers.issuer(issuer, std::path::Path::new(file), domains) {
            Ok(more) => more,
            Err(error) => {
                output::error(&shown_of_request(&error.to_string()));
                return None;
            }
        };
    }
    Some(issuers)
}

/// The reason why an event was refused.
enum Refused {
    Event(EventError),
    List(ListError),
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let Some(issuers) = issuers(args) else {
        return Ok(Exit::Invalid);
    };
    let Some(list) = args.list.open(true) else {
        return Ok(Exit::Invalid);
    };
    let mut exit = Exit::Success;
    for file in &args.events {
        // A file that cannot be read does not prevent the others from being added.
        let token = match file::read_text(file) {
            Ok(token) => token,
            Err(error) => {
                output::error(&error.to_string());
                exit = exit.max(Exit::Failed);
                continue;
            }
        };
        let now = Timestamp::now();
        let taken = issuers.verify(token.trim(), now).map_err(Refused::Event);
        let taken = taken.and_then(|event| {
            if event.revoked.is_empty() {
                return Ok((event, AddedOfEvent::default()));
            }
            let added = list.writer().and_then(|writer| writer.event(&event, now));
            Ok((event, added.map_err(Refused::List)?))
        });
        let file = file.display();
        match taken {
            Ok((event, AddedOfEvent { records, lifted })) => {
                if event.revoked.is_empty() {
                    output::note(&format!("{file}: the event revokes nothing"));
                } else if records.is_empty() && lifted.is_empty() {
                    output::note(&format!("{file}: it is on the list already"));
                }
                for (id, epoch) in lifted {
                    let lifted = ListError::Lifted { id, epoch };
                    output::error(&shown_of_request(&format!("{file}: {lifted}")));
                    exit = exit.max(super::exit_of(&lifted));
                }
                for left_out in &event.left_out {
                    output::error(&shown_of_request(&format!("{file}: {left_out}")));
                    exit = exit.max(Exit::GateFailed);
                }
                for record in &records {
                    output::note(&format!(
                        "{file}: {}, epoch {}",
                        styled(GOOD, "revoked"),
                        record.epoch
                    ));
                    output::json(record)?;
                }
                exit = exit.max(look_at(args, &file.to_string(), &records));
            }
            Err(Refused::Event(error)) => {
                output::error(&shown_of_request(&format!("{file}: {error}")));
                exit = exit.max(match error.needs_a_person() {
                    true => Exit::GateFailed,
                    false => Exit::Invalid,
                });
            }
            Err(Refused::List(error)) => {
                output::error(&shown_of_request(&format!("{file}: {error}")));
                exit = exit.max(super::exit_of(&error));
            }
        }
    }
    Ok(exit)
}

/// Reports problems of an event that was added.
fn look_at(args: &Args, file: &str, records: &[Record]) -> Exit {
    let mut exit = Exit::Success;
    if records.iter().any(|record| record.conflict) {
        output::error(&format!(
            "{file}: another event has the same `jti`, but revokes something else: both were applied; ask the issuer why"
        ));
        exit = Exit::GateFailed;
    }
    let is_known = |record: &Record| may_match(args.list.config(), record);
    if !args.unknown && !records.is_empty() && !records.iter().any(is_known) {
        output::error(&format!(
            "{file}: it is revoked, but its ids are unknown to the configuration and the log, for the trust domains of the issuer: verify that hosts receive these ids, or give `--unknown`"
        ));
        exit = Exit::GateFailed;
    }
    exit
}
