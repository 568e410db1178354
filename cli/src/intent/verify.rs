//! `portcullis intent verify`.

use crate::Format;
use crate::exit::Exit;
use crate::file;
use crate::named::named;
use crate::output::{self, FAINT, STRONG, shown, styled};
use portcullis_host::config::looks_like_a_token;
use portcullis_host::{IntentError, Intents, Signatures};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Verify that intents are valid and signed by an approver or delegator, and that each delegated one is
/// within its parent. It shows each with its digest, which a delegated intent refers to.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    from: From,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// The folder of intents, and the trusted signers.
#[derive(Debug, clap::Args)]
pub(super) struct From {
    /// A folder of intents, in JSON or signed.
    #[arg(default_value = "intents")]
    folder: PathBuf,
    /// An approver, and the file of its public keys (JWKS). With it, only signed intents are accepted.
    #[arg(long, value_name = "WHO=FILE", value_parser = named)]
    approver: Vec<(String, PathBuf)>,
    /// A delegator, by SPIFFE ID, and the file of its public keys (JWKS).
    #[arg(long, value_name = "WHO=FILE", value_parser = named, requires = "approver")]
    delegator: Vec<(String, PathBuf)>,
    /// The audience (`aud`) that intents must have.
    #[arg(long, requires = "approver")]
    audience: Option<String>,
}

/// The accepted intents, and the refused files.
type Read = (Intents, Vec<(PathBuf, IntentError)>);

impl From {
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Reads the intents. If a signer's keys cannot be read, it prints the error and returns `None`.
    pub(super) fn read(&self) -> anyhow::Result<Option<Read>> {
        let mut signatures = Signatures::default();
        if let Some(audience) = &self.audience {
            signatures = signatures.audience(audience);
        }
        let add = |signatures: Signatures, who: &str, file: &Path, delegates: bool| match delegates
        {
            false => signatures.approver(who, file),
            true => signatures.delegator(who, file),
        };
        let approvers = self.approver.iter().map(|(who, file)| (who, file, false));
        let delegators = self.delegator.iter().map(|(who, file)| (who, file, true));
        for (who, file, delegates) in approvers.chain(delegators) {
            match add(signatures, who, file, delegates) {
                Ok(more) => signatures = more,
                Err(error) => {
                    output::error(&shown(&error.to_string()));
                    return Ok(None);
                }
            }
        }
        let intents = match self.approver.is_empty() {
            true => Intents::default(),
            false => Intents::signed(signatures),
        };
        let refused = intents
            .follow_folder(&self.folder)
            .map_err(|error| file::cannot_read(&self.folder, &error))?;
        for chain in intents.chains() {
            let Some(intent) = chain.last() else { continue };
            let allowances = intent.allows.iter().map(ToString::to_string);
            let mut texts = [&intent.purpose, &intent.id, &intent.approved_by]
                .map(String::clone)
                .into_iter()
                .chain(allowances);
            if texts.any(|text| looks_like_a_token(&text)) {
                output::warn_of_token(&format!("intent {}", intent.id));
            }
            super::document::warn(intent);
        }
        Ok(Some((intents, refused)))
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let Some((intents, refused)) = args.from.read()? else {
        return Ok(Exit::Invalid);
    };
    let format = &args.format;
    let chains = intents.chains();
    match format {
        Format::Json => {
            let good: Vec<_> = chains
                .iter()
                .filter_map(|chain| chain.last().map(|intent| (chain, intent)))
                .map(|(chain, intent)| {
                    json!({
                        "id": intent.id, "digest": intent.digest(), "principal": intent.principal,
                        "chain": chain.iter().map(|intent| &intent.id).collect::<Vec<_>>(),
                        "warnings": intent.warnings().iter().map(|it| shown(it)).collect::<Vec<_>>(),
                    })
                })
                .collect();
            let refused: Vec<_> = refused
                .iter()
                .map(|(file, error)| {
                    json!({ "file": shown(&file.display().to_string()), "error": shown(&error.to_string()) })
                })
                .collect();
            output::json(&json!({ "intents": good, "refused": refused }))?;
        }
        Format::Human => {
            for chain in &chains {
                let Some(intent) = chain.last() else { continue };
                let indent = "  ".repeat(chain.len() - 1);
                output::line(&format!(
                    "{indent}{} for {}, approved by {} until {}",
                    styled(STRONG, &shown(&intent.id)),
                    shown(&intent.principal),
                    shown(&intent.approved_by),
                    intent.expires_at
                ))?;
                output::line(&format!(
                    "{indent}  {}",
                    styled(FAINT, &intent.digest().to_string())
                ))?;
                for allowance in &intent.allows {
                    output::line(&format!(
                        "{indent}  allows {}",
                        shown(&allowance.to_string())
                    ))?;
                }
                for denial in &intent.denies {
                    output::line(&format!("{indent}  denies {}", shown(&denial.to_string())))?;
                }
            }
            if chains.is_empty() && refused.is_empty() {
                let folder = args.from.folder().display().to_string();
                output::warn(&format!(
                    "there is no intent in {}: name the folder that hosts read (`path` under `[intents]`)",
                    shown(&folder)
                ));
            }
            for (file, error) in &refused {
                output::error(&format!(
                    "{}: {}",
                    file.display(),
                    shown(&error.to_string())
                ));
            }
        }
    }
    Ok(if refused.is_empty() {
        Exit::Success
    } else {
        Exit::Invalid
    })
}
