//! `portcullis intent key`.

use crate::exit::Exit;
use crate::file;
use crate::output;
use portcullis_host::identity::NewKey;
use serde_json::json;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

/// Make a key to sign intents with (P-256): the private key in PEM for the approver, and the public key as
/// a JWKS for `[intents.approvers]`.
///
/// Any key of the supported kinds works, such as one that a hardware module or `openssl genpkey` made.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file to write the private key to. It must not exist yet.
    #[arg(long)]
    private: PathBuf,
    /// The file to write the public key to. It must not exist yet.
    #[arg(long)]
    public: PathBuf,
    /// The key's id (`kid`).
    #[arg(long)]
    key_id: Option<String>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let key = NewKey::generate()?;
    let pem = key.to_pem()?;
    let mut jwk = key.to_jwk();
    jwk["use"] = json!("sig");
    jwk["alg"] = json!("ES256");
    if let Some(id) = &args.key_id {
        jwk["kid"] = json!(id);
    }
    let mut create = OpenOptions::new();
    create.write(true).create_new(true);
    let public = create
        .open(&args.public)
        .map_err(|error| file::cannot_write(&args.public, &error));
    let mut private = create.clone();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        private.mode(0o600);
    }
    let mut public = public?;
    private
        .open(&args.private)
        .and_then(|mut file| file.write_all(pem.as_bytes()))
        .inspect_err(|_| {
            // The public key is useless without the private key.
            let _ = std::fs::remove_file(&args.public);
        })
        .map_err(|error| file::cannot_write(&args.private, &error))?;
    let jwks = serde_json::to_string_pretty(&json!({ "keys": [jwk] }))?;
    writeln!(public, "{jwks}")?;
    output::note(&format!(
        "wrote {}, which is secret, and {}, which is not",
        args.private.display(),
        args.public.display()
    ));
    Ok(Exit::Success)
}
