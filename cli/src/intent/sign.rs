//! `portcullis intent sign`.

use super::document;
use crate::exit::Exit;
use crate::file;
use crate::output::{self, shown};
use portcullis_host::{SignError, StoredIntent};
use std::path::PathBuf;

/// Approve an intent by signing it: as its approver or, if it is delegated, as the principal of its parent.
///
/// The result is a JWT with the intent in `authorization_details` (RFC 9396).
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The intent, in JSON.
    intent: PathBuf,
    /// The private key in PEM (PKCS #8): P-256, P-384, Ed25519 or RSA.
    #[arg(long)]
    key: PathBuf,
    /// The key's id (`kid`) in the key set of the approver.
    #[arg(long)]
    key_id: Option<String>,
    /// The audience (`aud`) of the intent, for hosts that require one.
    #[arg(long)]
    audience: Option<String>,
    /// The file to write to. By default standard output.
    #[arg(long)]
    output: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let (intent, key) = (file::read(&args.intent)?, file::read(&args.key)?);
    let (key_id, audience) = (args.key_id.as_deref(), args.audience.as_deref());
    match portcullis_host::sign(&intent, &key, key_id, audience) {
        Ok(token) => {
            document::warn(&StoredIntent::from_json(&intent)?);
            document::write(&token, args.output.as_ref())?;
            Ok(Exit::Success)
        }
        Err(error) => {
            let file = match &error {
                SignError::Key(_) => &args.key,
                _ => &args.intent,
            };
            let signed_already =
                portcullis_host::unverified_intent(String::from_utf8_lossy(&intent).trim());
            let text = match signed_already {
                Ok(_) => format!("{} is signed already", args.intent.display()),
                Err(_) => format!("{}: {error}", file.display()),
            };
            output::error(&shown(&text));
            Ok(Exit::Invalid)
        }
    }
}
