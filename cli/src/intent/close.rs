//! `portcullis intent close`.

use crate::exit::Exit;
use crate::revoke;
use portcullis_host::revocation::{Revocable, Revoked};

/// Close an intent whose purpose is done. It is revoked, with everything that depends on it, whatever
/// time or uses it had left.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The intent's id.
    id: String,
    /// The person who closes it.
    #[arg(long)]
    by: String,
    /// The reason, for people.
    #[arg(long, default_value = "closed: its purpose is done")]
    reason: String,
    #[command(flatten)]
    list: revoke::List,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let closed = Revoked {
        kind: Revocable::Intent,
        id: args.id.clone(),
        reason: args.reason.clone(),
        by: args.by.clone(),
    };
    revoke::revoke(&args.list, closed)
}
