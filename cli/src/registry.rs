//! `portcullis registry`.

use crate::Format;
use crate::exit::Exit;
use crate::output::{self, FAINT, GOOD, WARN, styled};
use crate::period::period;
use anyhow::Context as _;
use clap::Subcommand;
use portcullis_host::log::Event;
use portcullis_host::{ConfigError, Identity, PrincipalKind, Registry, Timestamp, log, printable};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::Duration;

/// Look after the inventory of identities.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Find identities that should not be as they are, each with the frameworks' names for it.
    Lint(Lint),
}

#[derive(Debug, clap::Args)]
struct Lint {
    /// The registry: a file, or a folder of `.toml` files.
    #[arg(default_value = "registry.toml")]
    registry: PathBuf,
    /// A file of everybody who can be an owner, one a line. Without it, owners are not looked at.
    #[arg(long)]
    owners: Option<PathBuf>,
    /// A decision log, to find identities that are not used. Without it, use is not looked at.
    #[arg(long)]
    log: Option<PathBuf>,
    /// After how long without use an identity is dormant.
    #[arg(long, default_value = "30d", value_parser = period)]
    dormant_after: Duration,
    /// For how long a credential may be valid, at most.
    #[arg(long, default_value = "24h", value_parser = period)]
    max_credential_lifetime: Duration,
    /// The time to judge at, as in RFC 3339. By default the system's clock.
    #[arg(long)]
    now: Option<Timestamp>,
    /// How to write findings.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// What should not be as it is.
#[derive(Debug, Serialize)]
struct Finding<'a> {
    identity: &'a str,
    code: &'static str,
    message: String,
    /// The frameworks' names for it: OWASP Non-Human Identities Top 10 (2025), CSF 2.0, NIST SP
    /// 800-207, section 2.1.
    frameworks: [&'static str; 3],
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let Verb::Lint(lint) = &args.verb;
    let registry = match Registry::from_path(&lint.registry) {
        Ok(registry) => registry,
        Err(ConfigError(problems)) => {
            for problem in problems {
                output::note(&problem.to_string());
            }
            return Ok(Exit::Invalid);
        }
    };
    let owners = lint.owners.as_ref().map(owners).transpose()?;
    let used = lint.log.as_ref().map(|log| last_use(log)).transpose()?;
    let now = lint.now.unwrap_or_else(Timestamp::now);
    let mut identities: Vec<_> = registry.iter().collect();
    identities.sort_by(|a, b| a.id.cmp(&b.id));
    let mut findings = Vec::new();
    for identity in &identities {
        judge(
            identity,
            lint,
            owners.as_ref(),
            used.as_ref(),
            now,
            &mut findings,
        );
    }
    match lint.format {
        Format::Json => output::json(&findings)?,
        Format::Human => {
            for finding in &findings {
                output::line(&format!(
                    "{} {}: {} {}",
                    styled(WARN, finding.code),
                    printable(finding.identity),
                    printable(&finding.message),
                    styled(FAINT, &format!("[{}]", finding.frameworks.join(", ")))
                ))?;
            }
            let summary = format!(
                "{} identities, {} findings",
                identities.len(),
                findings.len()
            );
            output::note(&styled(
                if findings.is_empty() { GOOD } else { WARN },
                &summary,
            ));
        }
    }
    Ok(if findings.is_empty() {
        Exit::Success
    } else {
        Exit::GateFailed
    })
}

fn judge<'a>(
    identity: &'a Identity,
    lint: &Lint,
    owners: Option<&BTreeSet<String>>,
    used: Option<&HashMap<String, Timestamp>>,
    now: Timestamp,
    findings: &mut Vec<Finding<'a>>,
) {
    const TENETS: [&str; 2] = ["SP 800-207 tenet 6", "SP 800-207 tenet 7"];
    let mut find = |code, message: String, frameworks| {
        findings.push(Finding {
            identity: &identity.id,
            code,
            message,
            frameworks,
        });
    };
    if identity.expires <= now {
        let message = format!(
            "its registration ended at {}: renew it, or remove it",
            identity.expires
        );
        find("expired", message, ["NHI1", "PR.AA-01", TENETS[1]]);
    }
    if owners.is_some_and(|owners| !owners.contains(&identity.owner)) {
        let message = format!(
            "its owner, {}, is not among the owners: find it another one",
            identity.owner
        );
        find("owner-departed", message, ["NHI1", "PR.AA-01", TENETS[1]]);
    }
    if identity.max_credential_lifetime > lint.max_credential_lifetime {
        let message = format!(
            "its credentials may be valid for {:?}: issue shorter ones",
            identity.max_credential_lifetime
        );
        find(
            "long-lived-credential",
            message,
            ["NHI7", "PR.AA-01", TENETS[0]],
        );
    }
    if identity.integrations.is_empty() {
        let message = "it is registered for no integration, and gets nothing: remove it".to_owned();
        find(
            "without-integration",
            message,
            ["NHI1", "PR.AA-05", TENETS[1]],
        );
    }
    let machine_name = [".bot", "/service/", "/agent/", "/pipeline/"];
    let named_for_machines = machine_name.iter().any(|part| identity.id.contains(part));
    if identity.kind == PrincipalKind::Human && named_for_machines {
        let message = "it is a person's, and named as a machine's: give the machine one of its own"
            .to_owned();
        find(
            "human-as-machine",
            message,
            ["NHI10", "PR.AA-01", TENETS[0]],
        );
    }
    if let Some(used) = used {
        let dormant = match used.get(&identity.id) {
            Some(last) => now.since(*last) > lint.dormant_after,
            None => true,
        };
        if dormant {
            let message = match used.get(&identity.id) {
                Some(last) => format!("it was last used at {last}: remove it"),
                None => "the log has no use of it: remove it".to_owned(),
            };
            find("dormant", message, ["NHI1", "PR.AA-05", TENETS[1]]);
        }
    }
    for (field, text) in [
        ("purpose", &identity.purpose),
        ("owner", &identity.owner),
        ("environment", &identity.environment),
    ] {
        if looks_like_a_token(text) {
            // Never echoed: it may be one.
            let message =
                format!("its {field} has text that looks like a token: revoke it, and take it out");
            find("token-in-text", message, ["NHI2", "PR.AA-04", TENETS[0]]);
        }
    }
}

/// Whether a word of the text has the form of a well-known kind of secret.
fn looks_like_a_token(text: &str) -> bool {
    let prefixes = [
        "ghp_",
        "gho_",
        "ghs_",
        "github_pat_",
        "glpat-",
        "xoxb-",
        "xoxp-",
        "sk-",
        "AKIA",
        "ASIA",
    ];
    text.contains("-----BEGIN")
        || text
            .split(|c: char| c.is_whitespace() || "\"'`,;()=".contains(c))
            .any(|word| {
                let is_jwt = word.starts_with("eyJ") && word.matches('.').count() == 2;
                let has_prefix =
                    word.len() >= 16 && prefixes.iter().any(|prefix| word.starts_with(prefix));
                let is_hex = word.len() >= 32 && word.bytes().all(|b| b.is_ascii_hexdigit());
                is_jwt || has_prefix || is_hex
            })
}

fn owners(file: &PathBuf) -> anyhow::Result<BTreeSet<String>> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let names = text.lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(names.map(str::to_owned).collect())
}

/// When each principal was last permitted something.
fn last_use(file: &std::path::Path) -> anyhow::Result<HashMap<String, Timestamp>> {
    let mut last = HashMap::new();
    log::read(file, |_, _, _, entry| {
        let Event::Decision(decided) = &entry.event else {
            return Ok(());
        };
        let principal = decided.request.pointer("/subject/id");
        if let (true, Some(principal)) = (decided.is_permit(), principal.and_then(Value::as_str)) {
            last.insert(principal.to_owned(), entry.at);
        }
        Ok(())
    })?;
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_told_from_a_text() {
        for token in [
            "key ghp_abcdefghijklmnop1234",
            "AKIAABCDEFGHIJKLMNOP",
            "eyJhbGciOiJub25lIn0.e30.x",
            "(0123456789abcdef0123456789abcdef)",
            "-----BEGIN PRIVATE KEY-----",
        ] {
            assert!(looks_like_a_token(token), "{token}");
        }
        for text in [
            "reconcile invoices against bank statements",
            "sk-short",
            "eyJust",
            "team@acme.example",
        ] {
            assert!(!looks_like_a_token(text), "{text}");
        }
    }
}
