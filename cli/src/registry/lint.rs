//! `portcullis registry lint`.

use super::{LogUsage, Usage, owners};
use crate::exit::Exit;
use crate::output::{self, FAINT, GOOD, WARN, shown, styled};
use crate::period::period;
use crate::{Format, check};
use portcullis_host::config::{self, LOOKS_LIKE_A_SECRET, Problem, Severity, looks_like_a_token};
use portcullis_host::{
    ConfigError, Gap, Identity, Pdp, PrincipalKind, Registry, Survey, Surveyed, TODO, Timestamp,
    counted,
};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// Find identities that break a rule, each with the frameworks' names for it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The registry: a file, or a folder of `.toml` files. By default that of `--config`, or else
    /// `registry.toml`.
    registry: Option<PathBuf>,
    /// A file of all possible owners, one a line. Without it, owners are not verified.
    #[arg(long)]
    owners: Option<PathBuf>,
    /// A decision log, to find unused and misused identities, and unregistered principals. Without it, use
    /// is not verified.
    #[arg(long)]
    log: Option<PathBuf>,
    /// A configuration, to find identities that it lets reach other environments.
    #[arg(long)]
    config: Option<PathBuf>,
    /// The time without use after which an identity is dormant.
    #[arg(long, default_value = "30d", value_parser = period)]
    dormant_after: Duration,
    /// The maximum validity of a credential.
    #[arg(long, default_value = "24h", value_parser = period)]
    max_credential_lifetime: Duration,
    /// The time of the evaluation, as in RFC 3339. By default the system's clock.
    #[arg(long)]
    now: Option<Timestamp>,
    /// The output format of findings.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// An identity that breaks a rule.
#[derive(Debug, Serialize)]
struct Finding {
    identity: String,
    code: &'static str,
    message: String,
    /// The frameworks' names for it: OWASP Non-Human Identities Top 10 (2025), CSF 2.0, NIST SP
    /// 800-207, section 2.1.
    frameworks: [&'static str; 3],
}

/// The inputs of the rules, and the findings.
struct Judge<'a> {
    args: &'a Args,
    owners: Option<BTreeSet<String>>,
    usage: Option<LogUsage>,
    /// The integrations that allow access to other environments.
    crossing: Vec<String>,
    now: Timestamp,
    findings: Vec<Finding>,
}

const PER_SESSION: &str = "SP 800-207 tenet 3";
const ENFORCED: &str = "SP 800-207 tenet 6";
const IMPROVED: &str = "SP 800-207 tenet 7";

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let configured = args.config.as_deref().map(config::registry_path);
    let configured = match configured.transpose() {
        Ok(path) => path.flatten(),
        Err(ConfigError(problems)) => {
            tell(&problems);
            return Ok(Exit::Invalid);
        }
    };
    let named = args.registry.clone().or(configured);
    let survey = Registry::survey(&named.unwrap_or_else(|| PathBuf::from("registry.toml")));
    if survey
        .problems
        .iter()
        .any(|it| it.severity == Severity::Error)
    {
        tell(&survey.problems);
        return Ok(Exit::Invalid);
    }
    let has_gaps = survey.identities.iter().any(|it| !it.gaps.is_empty());
    let pdp = match &args.config {
        None => None,
        Some(config) => match check::load(config) {
            // The registry errors that make the host refuse to start are reported as findings.
            None if has_gaps && args.registry.is_none() => {
                output::note(
                    "identities that reach every environment are not checked: no host would start with this registry",
                );
                None
            }
            None => return Ok(Exit::Invalid),
            some => some,
        },
    };
    let integrations = pdp.iter().flat_map(Pdp::integrations);
    let crossing = integrations
        .filter(|integration| integration.allows_cross_environment())
        .map(|integration| integration.name().to_owned())
        .collect();
    if let Some(log) = &args.log
        && let Err(exit) = crate::log::is_whole(log)
    {
        return Ok(exit);
    }
    let usage = args.log.as_deref().map(LogUsage::read).transpose();
    let usage = match usage {
        Ok(usage) => usage,
        Err(broken) => {
            output::error(&shown(&broken.to_string()));
            return Ok(Exit::of_log(&broken));
        }
    };
    let mut judge = Judge {
        args,
        owners: None,
        usage,
        crossing,
        now: args.now.unwrap_or_else(Timestamp::now),
        findings: Vec::new(),
    };
    if let Some(file) = &args.owners {
        let owners = owners(file)?;
        for line in owners.lines_with_tokens {
            judge.token_in(&format!("{}:{line}", file.display()));
        }
        judge.owners = Some(owners.names);
    }
    let by_identity = judge.lines_with_tokens(&survey);
    let mut identities: Vec<_> = survey.identities.iter().zip(by_identity).collect();
    identities.sort_by(|(a, _), (b, _)| a.identity.id.cmp(&b.identity.id));
    for (surveyed, lines) in &identities {
        let identity = &surveyed.identity;
        judge.gaps(surveyed);
        judge.registration(identity);
        judge.unwritten(identity);
        judge.tokens(surveyed, lines);
        judge.credentials(identity);
        judge.reach(identity);
        judge.use_of(identity);
    }
    let registered = identities.iter().map(|(it, _)| &*it.identity.id).collect();
    judge.unregistered(&registered);
    if identities.is_empty() {
        output::warn(
            "the registry has no identity: name its file or folder, or a configuration with `[registry]`",
        );
    }
    report(args.format, &judge.findings, identities.len())?;
    Ok(if judge.findings.is_empty() {
        Exit::Success
    } else {
        Exit::GateFailed
    })
}

fn tell(problems: &[Problem]) {
    for problem in problems {
        output::note(&shown(&problem.to_string()));
    }
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
            // The id comes from a registry or a log.
            identity: shown(identity),
            code,
            message: shown(&message),
            frameworks,
        });
    }

    /// Finds the gaps for which a host refuses the registry.
    fn gaps(&mut self, surveyed: &Surveyed) {
        let id = &surveyed.identity.id;
        for gap in &surveyed.gaps {
            let (code, message, frameworks) = match gap {
                Gap::Owner => (
                    "owner-missing",
                    "it has no owner: name an `owner`",
                    ["NHI1", "PR.AA-01", IMPROVED],
                ),
                Gap::Purpose => (
                    "purpose-missing",
                    "it has no purpose: state its `purpose`",
                    ["NHI5", "PR.AA-05", IMPROVED],
                ),
                Gap::Expiry => (
                    "expiry-missing",
                    "its registration has no end: state when it `expires`",
                    ["NHI1", "PR.AA-01", IMPROVED],
                ),
                Gap::WildcardId => (
                    "wildcard-identity",
                    "it stands for many identities: register each workload with an id of its own",
                    ["NHI9", "PR.AA-01", PER_SESSION],
                ),
                Gap::WildcardIntegrations => (
                    "wildcard-integrations",
                    "it may use every integration: list the integrations that it needs",
                    ["NHI5", "PR.AA-05", PER_SESSION],
                ),
                Gap::SharedOwner => (
                    "shared",
                    "its sharing exception has no owner: name its `owner`, or give each workload its own identity",
                    ["NHI9", "PR.AA-01", PER_SESSION],
                ),
                Gap::SharedUntil => (
                    "shared",
                    "its sharing exception has no end: state `until`, or give each workload its own identity",
                    ["NHI9", "PR.AA-01", PER_SESSION],
                ),
            };
            let message = format!("{message}; a host refuses it as it is");
            self.find(id, code, message, frameworks);
        }
    }

    /// Finds the lines with text that looks like a secret, and returns those of each identity.
    fn lines_with_tokens(&mut self, survey: &Survey) -> Vec<Vec<usize>> {
        let mut by_identity = vec![Vec::new(); survey.identities.len()];
        let problems = survey.problems.iter();
        for problem in problems.filter(|it| it.message == LOOKS_LIKE_A_SECRET) {
            // A line belongs to the last identity that begins before it.
            let of = survey.identities.iter().zip(&mut by_identity);
            let of = of.filter(|(it, _)| it.file == problem.file && it.line <= problem.line);
            match of.max_by_key(|(it, _)| it.line) {
                Some((_, lines)) => lines.push(problem.line),
                None => {
                    self.token_in(&format!("{}:{}", problem.file.display(), problem.line));
                }
            }
        }
        by_identity
    }

    fn token_in(&mut self, place: &str) {
        let message = "it has text that looks like a token: revoke it, and take it out";
        self.find(
            place,
            "token-in-text",
            message.to_owned(),
            ["NHI2", "PR.AA-04", ENFORCED],
        );
    }

    /// Finds tokens in an identity's lines or decoded values, without repeating them.
    fn tokens(&mut self, surveyed: &Surveyed, lines: &[usize]) {
        let Surveyed { identity, file, .. } = surveyed;
        for line in lines {
            let message = format!(
                "line {line} of {} has text that looks like a token: revoke it, and take it out",
                file.display()
            );
            let frameworks = ["NHI2", "PR.AA-04", ENFORCED];
            self.find(&identity.id, "token-in-text", message, frameworks);
        }
        let shared_by = identity.shared.as_ref().map_or("", |it| it.owner.as_str());
        let texts = [
            &*identity.purpose,
            &*identity.owner,
            &*identity.environment,
            shared_by,
        ];
        if lines.is_empty() && texts.into_iter().any(looks_like_a_token) {
            self.token_in(&identity.id);
        }
    }

    /// Finds the texts of a proposed registration that a person has still to write.
    fn unwritten(&mut self, identity: &Identity) {
        for (text, key, code) in [
            (&identity.owner, "owner", "owner-missing"),
            (&identity.purpose, "purpose", "purpose-missing"),
            (&identity.environment, "environment", "environment-missing"),
        ] {
            if text.trim() == TODO {
                let message = format!("its `{key}` is `{TODO}`: write it, or remove the entry");
                let frameworks = ["NHI1", "PR.AA-01", IMPROVED];
                self.find(&identity.id, code, message, frameworks);
            }
        }
    }

    /// Verifies the owner, the purpose, the end and the sharing of a registration.
    fn registration(&mut self, identity: &Identity) {
        let id = &identity.id;
        if identity.expires <= self.now {
            let at = identity.expires;
            let message = format!("its registration ended at {at}: renew it, or remove it");
            self.find(id, "expired", message, ["NHI1", "PR.AA-01", IMPROVED]);
        }
        let departed = |owner: &str| {
            let owners = self.owners.as_ref();
            owners.is_some_and(|owners| !owner.trim().is_empty() && !owners.contains(owner))
        };
        let shared_by = identity.shared.as_ref();
        let shared_by_departed = shared_by.is_some_and(|shared| departed(&shared.owner));
        if departed(&identity.owner) {
            let message = format!(
                "its owner, {}, is not among the owners: assign another owner",
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
                    "its sharing exception ended at {until}: give each workload its own identity"
                );
                self.find(id, "shared", message, ["NHI9", "PR.AA-01", PER_SESSION]);
            }
            if shared_by_departed {
                let message = format!(
                    "{}, the owner of its sharing exception, is not among the owners: end the exception",
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
            let message = "it is a person's identity with a machine's name: give the machine its own identity";
            self.find(
                id,
                "human-as-machine",
                message.to_owned(),
                ["NHI10", "PR.AA-01", ENFORCED],
            );
        }
    }

    /// Verifies the integrations that the identity reaches.
    fn reach(&mut self, identity: &Identity) {
        let id = &identity.id;
        if identity.integrations.is_empty() {
            let message =
                "it is registered for no integration, so it can use nothing: remove it".to_owned();
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
        // The log proves that an identity is unused only for the time that it covers.
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
                "it presented a secret that does not expire {}: issue credentials that expire",
                counted(usage.static_secrets, "time")
            );
            found.push(("static-secret", message, ["NHI7", "PR.AA-03", ENFORCED]));
        }
        let by_path = usage.by_path.iter();
        let wrong = by_path.filter(|(path, _)| !identity.takes(**path));
        let wrong: u64 = wrong.map(|(_, times)| times).sum();
        if wrong > 0 {
            let message = format!(
                "it used the wrong session path {}: find out whether a person or a machine uses it",
                counted(wrong, "time")
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
                "{cloned} of its credentials were presented by more than one instance: issue each instance its own, or register a sharing exception"
            );
            found.push(("shared", message, ["NHI9", "PR.AA-01", PER_SESSION]));
        }
        for (code, message, frameworks) in found {
            self.find(id, code, message, frameworks);
        }
    }

    /// Finds principals that made requests and are not registered.
    fn unregistered(&mut self, registered: &BTreeSet<&str>) {
        let Some(usage) = &self.usage else {
            return;
        };
        let mut unknown: Vec<_> = usage
            .by_principal
            .iter()
            .filter(|(id, _)| !registered.contains(id.as_str()))
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

fn report(format: Format, findings: &[Finding], identities: usize) -> anyhow::Result<()> {
    if format == Format::Json {
        return output::json(&findings);
    }
    for finding in findings {
        output::line(&format!(
            "{} {}: {} {}",
            styled(WARN, finding.code),
            finding.identity,
            finding.message,
            styled(FAINT, &format!("[{}]", finding.frameworks.join(", ")))
        ))?;
    }
    let summary = format!(
        "{}, {}",
        counted(identities, "identity"),
        counted(findings.len(), "finding")
    );
    let style = if findings.is_empty() { GOOD } else { WARN };
    output::note(&styled(style, &summary));
    Ok(())
}
