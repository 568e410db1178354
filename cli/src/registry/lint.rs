//! `portcullis registry lint`.

use super::{LogUsage, Usage, owners};
use crate::exit::Exit;
use crate::output::{self, FAINT, GOOD, WARN, styled};
use crate::period::period;
use crate::{Format, check};
use portcullis_host::config::looks_like_a_token;
use portcullis_host::{ConfigError, Identity, Pdp, PrincipalKind, Registry, Timestamp, printable};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// Find identities that should not be as they are, each with the frameworks' names for it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The registry: a file, or a folder of `.toml` files. By default that of `--config`, or else
    /// `registry.toml`.
    registry: Option<PathBuf>,
    /// A file of everybody who can be an owner, one a line. Without it, owners are not looked at.
    #[arg(long)]
    owners: Option<PathBuf>,
    /// A decision log, to find identities that are not used, or not as they should be, and principals
    /// that are not registered. Without it, use is not looked at.
    #[arg(long)]
    log: Option<PathBuf>,
    /// A configuration, to find identities that reach other environments by it.
    #[arg(long)]
    config: Option<PathBuf>,
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
struct Finding {
    identity: String,
    code: &'static str,
    message: String,
    /// The frameworks' names for it: OWASP Non-Human Identities Top 10 (2025), CSF 2.0, NIST SP
    /// 800-207, section 2.1.
    frameworks: [&'static str; 3],
}

/// What identities are judged by.
struct Judge<'a> {
    args: &'a Args,
    owners: Option<BTreeSet<String>>,
    usage: Option<LogUsage>,
    /// The integrations through which other environments are reached.
    crossing: Vec<String>,
    now: Timestamp,
    findings: Vec<Finding>,
}

const PER_SESSION: &str = "SP 800-207 tenet 3";
const ENFORCED: &str = "SP 800-207 tenet 6";
const IMPROVED: &str = "SP 800-207 tenet 7";

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let pdp = match &args.config {
        None => None,
        Some(config) => match check::load(config) {
            None => return Ok(Exit::Invalid),
            some => some,
        },
    };
    let default = PathBuf::from("registry.toml");
    let read = match (&args.registry, pdp.as_ref().and_then(Pdp::registry)) {
        (None, Some(_)) => Ok(None),
        (file, _) => Registry::from_path(file.as_ref().unwrap_or(&default)).map(Some),
    };
    let read = match read {
        Ok(read) => read,
        Err(ConfigError(problems)) => {
            for problem in problems {
                output::note(&printable(&problem.to_string()));
            }
            return Ok(Exit::Invalid);
        }
    };
    let configured = pdp.as_ref().and_then(Pdp::registry);
    let Some(registry) = read.as_ref().or(configured) else {
        return Ok(Exit::Invalid);
    };
    let integrations = pdp.iter().flat_map(Pdp::integrations);
    let crossing = integrations
        .filter(|integration| integration.allows_cross_environment())
        .map(|integration| integration.name().to_owned())
        .collect();
    let usage = args.log.as_deref().map(LogUsage::read).transpose();
    let usage = match usage {
        Ok(usage) => usage,
        Err(broken) => {
            output::error(&printable(&broken.to_string()));
            return Ok(Exit::of_log(&broken));
        }
    };
    let mut judge = Judge {
        args,
        owners: args.owners.as_deref().map(owners).transpose()?,
        usage,
        crossing,
        now: args.now.unwrap_or_else(Timestamp::now),
        findings: Vec::new(),
    };
    let mut identities: Vec<_> = registry.iter().collect();
    identities.sort_by(|a, b| a.id.cmp(&b.id));
    for identity in &identities {
        judge.registration(identity);
        judge.credentials(identity);
        judge.reach(identity);
        judge.use_of(identity);
    }
    judge.unregistered(registry);
    report(args.format, &judge.findings, identities.len())?;
    Ok(if judge.findings.is_empty() {
        Exit::Success
    } else {
        Exit::GateFailed
    })
}

impl Judge<'_> {
    fn find(
        &mut self,
        identity: &str,
        code: &'static str,
        message: String,
        frameworks: [&'static str; 3],
    ) {
        self.findings.push(Finding {
            identity: identity.to_owned(),
            code,
            message,
            frameworks,
        });
    }

    /// Owner, purpose, end, and whether it is one workload's.
    fn registration(&mut self, identity: &Identity) {
        let id = &identity.id;
        if identity.expires <= self.now {
            let at = identity.expires;
            let message = format!("its registration ended at {at}: renew it, or remove it");
            self.find(id, "expired", message, ["NHI1", "PR.AA-01", IMPROVED]);
        }
        let departed = |owner: &str| {
            let owners = self.owners.as_ref();
            owners.is_some_and(|owners| !owners.contains(owner))
        };
        if departed(&identity.owner) {
            let message = format!(
                "its owner, {}, is not among the owners: find it another one",
                shown(&identity.owner)
            );
            self.find(
                id,
                "owner-departed",
                message,
                ["NHI1", "PR.AA-01", IMPROVED],
            );
        }
        if let Some(shared) = &identity.shared {
            let (owner, until) = (&shared.owner, shared.until);
            if until <= self.now {
                let message = format!(
                    "the exception by which it is shared ended at {until}: give each workload an identity of its own"
                );
                self.find(id, "shared", message, ["NHI9", "PR.AA-01", PER_SESSION]);
            }
            if self.owners.as_ref().is_some_and(|all| !all.contains(owner)) {
                let message = format!(
                    "{}, who answers for its being shared, is not among the owners: end that",
                    shown(owner)
                );
                self.find(
                    id,
                    "owner-departed",
                    message,
                    ["NHI1", "PR.AA-01", IMPROVED],
                );
            }
        }
        let shared_by = identity.shared.as_ref().map_or("", |it| it.owner.as_str());
        for (field, text) in [
            ("purpose", &*identity.purpose),
            ("owner", &*identity.owner),
            ("environment", &*identity.environment),
            ("exception's owner", shared_by),
        ] {
            if looks_like_a_token(text) {
                // Never echoed: it may be one.
                let message = format!(
                    "its {field} has text that looks like a token: revoke it, and take it out"
                );
                self.find(id, "token-in-text", message, ["NHI2", "PR.AA-04", ENFORCED]);
            }
        }
    }

    fn credentials(&mut self, identity: &Identity) {
        let id = &identity.id;
        if identity.max_credential_lifetime > self.args.max_credential_lifetime {
            let message = format!(
                "its credentials may be valid for {:?}: issue shorter ones",
                identity.max_credential_lifetime
            );
            self.find(
                id,
                "long-lived-credential",
                message,
                ["NHI7", "PR.AA-01", ENFORCED],
            );
        }
        let named_for_machines = [".bot", "/service/", "/agent/", "/pipeline/"]
            .iter()
            .any(|part| id.contains(part));
        if identity.kind == PrincipalKind::Human && named_for_machines {
            let message =
                "it is a person's, and named as a machine's: give the machine one of its own";
            self.find(
                id,
                "human-as-machine",
                message.to_owned(),
                ["NHI10", "PR.AA-01", ENFORCED],
            );
        }
    }

    /// What it reaches.
    fn reach(&mut self, identity: &Identity) {
        let id = &identity.id;
        if identity.integrations.is_empty() {
            let message =
                "it is registered for no integration, and gets nothing: remove it".to_owned();
            self.find(
                id,
                "without-integration",
                message,
                ["NHI1", "PR.AA-05", IMPROVED],
            );
        }
        let crossing: Vec<_> = identity
            .integrations
            .iter()
            .filter(|name| self.crossing.iter().any(|crossing| **crossing == ***name))
            .map(ToString::to_string)
            .collect();
        if !crossing.is_empty() {
            let message = format!(
                "it reaches every environment through {}: register one for each environment, or unset `cross-environment`",
                crossing.join(", ")
            );
            self.find(
                id,
                "cross-environment",
                message,
                ["NHI8", "PR.AA-05", PER_SESSION],
            );
        }
    }

    fn use_of(&mut self, identity: &Identity) {
        let Some(all) = &self.usage else {
            return;
        };
        let id = &identity.id;
        let nothing = Usage::default();
        let usage = all.by_principal.get(&**id).unwrap_or(&nothing);
        // Of who was never used, the log says so only as far as it goes back.
        let goes_back = all
            .begins
            .is_some_and(|begins| self.now.since(begins) > self.args.dormant_after);
        let mut found = Vec::new();
        let dormant = match usage.last_permit {
            Some(last) => self.now.since(last) > self.args.dormant_after,
            None => goes_back,
        };
        if dormant {
            let message = match usage.last_permit {
                Some(last) => format!("it was last used at {last}: remove it"),
                None => "the log has no use of it: remove it".to_owned(),
            };
            found.push(("dormant", message, ["NHI1", "PR.AA-05", IMPROVED]));
        }
        if usage.static_secrets > 0 {
            let message = format!(
                "it presented a secret that does not expire {} times: issue credentials that do",
                usage.static_secrets
            );
            found.push(("static-secret", message, ["NHI7", "PR.AA-03", ENFORCED]));
        }
        if usage.wrong_path > 0 {
            let message = format!(
                "it came in {} times on the path of the other kind, people's or machines': find out who uses it",
                usage.wrong_path
            );
            found.push((
                "wrong-session-path",
                message,
                ["NHI10", "PR.AA-03", ENFORCED],
            ));
        }
        let elsewhere: Vec<_> = usage
            .environments
            .iter()
            .filter(|environment| ***environment != *identity.environment)
            .cloned()
            .collect();
        if !elsewhere.is_empty() {
            let message = format!(
                "it is of {}, and acted on {}: use an identity of that environment",
                shown(&identity.environment),
                elsewhere.join(", ")
            );
            found.push((
                "cross-environment",
                message,
                ["NHI8", "PR.AA-05", PER_SESSION],
            ));
        }
        let cloned = usage.instances.values().filter(|it| it.len() > 1).count();
        if cloned > 0 && identity.shared.is_none() {
            let message = format!(
                "{cloned} of its credentials were presented by more than one instance: issue each instance its own, or say who answers for their being shared"
            );
            found.push(("shared", message, ["NHI9", "PR.AA-01", PER_SESSION]));
        }
        for (code, message, frameworks) in found {
            self.find(id, code, message, frameworks);
        }
    }

    /// Who asked and is not in the inventory.
    fn unregistered(&mut self, registry: &Registry) {
        let Some(usage) = &self.usage else {
            return;
        };
        let mut unknown: Vec<_> = usage
            .by_principal
            .iter()
            .filter(|(id, _)| registry.get(id).is_none())
            .map(|(id, usage)| (id.clone(), usage.last_request))
            .collect();
        unknown.sort();
        for (id, last) in unknown {
            let last = last.map_or_else(String::new, |last| format!(", last at {last}"));
            let message = format!(
                "it asked{last}, and is not registered: register it, or find out who it is"
            );
            self.find(&id, "unregistered", message, ["NHI1", "PR.AA-01", IMPROVED]);
        }
    }
}

/// A text of the registry, unless it may be a secret.
fn shown(text: &str) -> &str {
    if looks_like_a_token(text) {
        "(withheld: it looks like a token)"
    } else {
        text
    }
}

fn report(format: Format, findings: &[Finding], identities: usize) -> anyhow::Result<()> {
    if format == Format::Json {
        return output::json(&findings);
    }
    for finding in findings {
        output::line(&format!(
            "{} {}: {} {}",
            styled(WARN, finding.code),
            printable(&finding.identity),
            printable(&finding.message),
            styled(FAINT, &format!("[{}]", finding.frameworks.join(", ")))
        ))?;
    }
    let summary = format!("{identities} identities, {} findings", findings.len());
    let style = if findings.is_empty() { GOOD } else { WARN };
    output::note(&styled(style, &summary));
    Ok(())
}
