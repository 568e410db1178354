//! Zero Trust demands for non-human identities, demand by demand.
//!
//! Each folder of `tests/cases/demands` is a test, named after it. It has `expected.toml`, and one of:
//!
//! - a configuration with its files, a request that passes, and the difference with which exactly the check
//!   of the demand stops it,
//! - a configuration that is refused,
//! - commands, with the exit code and output of each,
//! - claims of tokens, which are signed with the key of `bundle.json`, and a request with the token that
//!   passes.
//!
//! Each runs in a copy of its folder, with the plugins beside the configuration. With a `credential`, the
//! request gets its principal from a token: the test signs a JWT-SVID with a key of the run, and the host
//! verifies it. The times of that copy are moved from 2026-11-16T10:00:00Z to the time of the run.
//!
//! The signed intents in `intents` are readable in `approved`.

mod change;
mod copy;
mod credential;
mod expected;

use anyhow::{Context as _, bail, ensure};
use copy::{DEPLOYABLE, Plugins, move_times};
use credential::{Issuer, proved, with_principal};
use expected::{Claims, Credential, Expected, Run, Tokens, Worthless};
use libtest_mimic::{Arguments, Trial};
use portcullis_cases::{NOW, folders};
use portcullis_host::config::{Problem, Severity};
use portcullis_host::{Conclusion, Pdp, Request, Timestamp, config, unverified_intent};
use portcullis_tests::root;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

fn main() -> anyhow::Result<()> {
    // As a gateway does: plugins of vendors are compiled in child processes only.
    portcullis_host::compile_if_asked();
    let arguments = Arguments::from_args();
    let plugins = Arc::new(Plugins::build()?);
    let folders = folders(&root().join("tests/cases/demands"))?;
    let mut trials: Vec<_> = folders
        .iter()
        .map(|folder| {
            let folder = folder.clone();
            let plugins = Arc::clone(&plugins);
            Trial::test(name(&folder), move || {
                run(&folder, &plugins).map_err(|error| format!("{error:#}").into())
            })
        })
        .collect();
    trials.push(Trial::test("half-decide-as-deployed", move || {
        deployed(&folders).map_err(|error| format!("{error:#}").into())
    }));
    trials.extend(change::trials());
    trials.extend(expected::trials());
    libtest_mimic::run(&arguments, trials).exit();
}

fn name(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Verifies that half of the scenarios that decide a request do so as a deployed host does.
///
/// Such a host has only plugins that are made to be deployed, and verifies the credential.
fn deployed(folders: &[PathBuf]) -> anyhow::Result<()> {
    let (mut decided, mut both) = (0, 0);
    for folder in folders {
        let expected = Expected::read(folder).with_context(|| name(folder))?;
        if !expected.decides() {
            continue;
        }
        decided += 1;
        let configuration = fs::read_to_string(folder.join("portcullis.toml"))?;
        let configuration: Value = toml::from_str(&configuration).with_context(|| name(folder))?;
        let components: Vec<_> = configuration["integration"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|integration| integration["plugin"].as_array().into_iter().flatten())
            .map(|plugin| plugin["component"].as_str().unwrap_or_default())
            .collect();
        let is_deployable = !components.is_empty()
            && components
                .iter()
                .all(|component| DEPLOYABLE.contains(component));
        both += usize::from(is_deployable && expected.verifies());
    }
    ensure!(
        2 * both >= decided,
        "{both} of {decided} scenarios that decide a request use a deployable plugin and a verified credential"
    );
    Ok(())
}

fn run(folder: &Path, plugins: &Plugins) -> anyhow::Result<()> {
    let copy = plugins.copied(folder)?;
    let copy = copy.path();
    approved(copy)?;
    let now: Timestamp = NOW.parse()?;
    let mut expected = Expected::read(copy)?;
    let mut issuer = None;
    if expected.credential.is_some() {
        // In whole seconds, as the times of tokens are.
        let started = Timestamp::from_millis(Timestamp::now().as_millis() / 1000 * 1000);
        move_times(copy, now, started)?;
        expected = Expected::read(copy)?;
        let key = Issuer::new(started)?;
        key.write_bundle(copy)?;
        issuer = Some(key);
    }
    let demand = expected.demand.clone();
    if !expected.command.is_empty() {
        return commands(copy, &expected).context(demand);
    }
    if let Some(tokens) = &expected.tokens {
        return presented(copy, tokens).context(demand);
    }
    let checked = config::check(&copy.join("portcullis.toml"));
    let problems: Vec<_> = checked.problems.iter().map(ToString::to_string).collect();
    let problems = problems.join("\n");
    let refuses = |it: &&Problem| it.severity >= Severity::Refused;
    if let Some(said) = &expected.refused {
        let mut refused = checked.problems.iter().filter(refuses);
        ensure!(
            refused.any(|it| it.to_string().contains(said)),
            "{demand}: {problems}"
        );
        return Ok(());
    }
    ensure!(
        !checked.problems.iter().any(|it| refuses(&it)),
        "{demand}: {problems}"
    );
    let mut pdp = checked.pdp.with_context(|| problems.clone())?;
    if issuer.is_some() {
        // The host of a dry run verifies no credentials.
        drop(pdp);
        pdp = Pdp::from_file(copy.join("portcullis.toml"))?;
    }
    let request = fs::read(copy.join("request.json")).context("request.json")?;
    let scenario = Scenario {
        pdp,
        now: issuer.as_ref().map_or(now, Issuer::now),
        request: serde_json::from_slice(&request).context("request.json")?,
        issuer,
    };
    scenario.run(&expected).context(demand)
}

/// Verifies that each signed intent equals the readable one in `approved`.
fn approved(folder: &Path) -> anyhow::Result<()> {
    let approved = folder.join("approved");
    if !approved.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(approved)? {
        let readable = entry?.path();
        let name = readable.file_name().context("a name")?;
        let signed = folder.join("intents").join(name).with_extension("jwt");
        let signed = fs::read_to_string(&signed)?;
        let signed = unverified_intent(signed.trim()).map_err(anyhow::Error::msg)?;
        let signed: Value = serde_json::from_str(&signed)?;
        let readable: Value = serde_json::from_slice(&fs::read(readable)?)?;
        ensure!(signed == readable, "another intent was signed: {signed}");
    }
    Ok(())
}

/// A request, and the host that decides it.
struct Scenario {
    pdp: Pdp,
    now: Timestamp,
    request: Value,
    /// The issuer of the credential, if a token proves the principal.
    issuer: Option<Issuer>,
}

impl Scenario {
    fn run(&self, expected: &Expected) -> anyhow::Result<()> {
        let stopped = expected.stopped.as_ref().context("`stopped`")?;
        let credential = expected.credential.as_ref();
        if let (Some(issuer), Some(Credential { jwt_svid })) = (&self.issuer, credential) {
            self.needs_a_token(issuer, jwt_svid)?;
        }

        let (decision, checks) = self
            .pdp
            .explain_at(&self.presented(&self.request, credential)?, self.now);
        ensure!(decision.is_permit(), "{} {checks:#?}", decision.cause());
        for (index, before) in expected.before.iter().enumerate() {
            let place = format!("expected.toml, [[before]] {}", index + 1);
            let request = change::apply(&self.request, &before.remove, &before.change);
            let request = request.context(place.clone())?;
            let decision = self.pdp.evaluate(&self.presented(&request, credential)?);
            ensure!(decision.is_permit(), "{place}: {}", decision.cause());
        }

        let now = stopped.at.unwrap_or(self.now);
        let request = change::apply(&self.request, &stopped.remove, &stopped.change)
            .context("expected.toml, [stopped]")?;
        let credential = stopped.credential.as_ref().or(credential);
        let request = self.presented(&request, credential)?;
        let (decision, checks) = self.pdp.explain_at(&request, now);
        ensure!(!decision.is_permit(), "it is not stopped");
        let stops: Vec<_> = checks
            .iter()
            .filter(|check| check.conclusion == Conclusion::Stop)
            .collect();
        ensure!(
            decision.cause().as_str() == stopped.cause
                && stops.len() == 1
                && stops[0].name == stopped.check,
            "it is stopped by {stops:?}, because of {}",
            decision.cause()
        );
        ensure!(
            !decision.detail().is_empty(),
            "a deny says what would have to change"
        );
        // The decision is the same without recording the steps.
        ensure!(self.pdp.evaluate_at(&request, now).cause() == decision.cause());
        Ok(())
    }

    /// Reads the request, with the principal of its credential if it presents one.
    fn presented(
        &self,
        request: &Value,
        credential: Option<&Credential>,
    ) -> anyhow::Result<Request> {
        let (Some(issuer), Some(Credential { jwt_svid })) = (&self.issuer, credential) else {
            return read(request);
        };
        let verifier = self.pdp.verifier().context("nothing is verified")?;
        let principal = proved(verifier, &issuer.issued(request, jwt_svid)?)?;
        read(&with_principal(request, &principal)?)
    }

    /// Verifies that the request is denied without a token, and with one of another issuer.
    fn needs_a_token(&self, issuer: &Issuer, claims: &Claims) -> anyhow::Result<()> {
        let unproved = self.pdp.evaluate_at(&read(&self.request)?, self.now);
        ensure!(
            unproved.cause().as_str() == "attestation-too-weak",
            "without a token it is {}",
            unproved.cause()
        );
        let verifier = self.pdp.verifier().context("nothing is verified")?;
        let other = Issuer::new(issuer.now())?;
        ensure!(
            proved(verifier, &other.issued(&self.request, claims)?).is_err(),
            "a token of another issuer is valid"
        );
        Ok(())
    }
}

/// Reads an AuthZEN evaluation.
fn read(request: &Value) -> anyhow::Result<Request> {
    let json = request.to_string();
    Ok(Request::from_authzen(json.as_bytes(), &Default::default())?)
}

/// Runs the commands in `copy`.
fn commands(copy: &Path, expected: &Expected) -> anyhow::Result<()> {
    for Run {
        run,
        exit,
        prints,
        withholds,
    } in &expected.command
    {
        let ran = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(run)
            .current_dir(copy)
            .output()?;
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&ran.stdout),
            String::from_utf8_lossy(&ran.stderr)
        );
        ensure!(
            ran.status.code() == Some(*exit),
            "`{}` ended with {}: {said}",
            run.join(" "),
            ran.status
        );
        for text in prints {
            ensure!(said.contains(text), "`{text}` is not in: {said}");
        }
        for text in withholds {
            ensure!(!said.contains(text), "`{text}` is in: {said}");
        }
    }
    Ok(())
}

/// Verifies the tokens with a host, and evaluates a request of the proved principal.
fn presented(copy: &Path, tokens: &Tokens) -> anyhow::Result<()> {
    let issuer = Issuer::new(Timestamp::now())?;
    issuer.write_bundle(copy)?;
    let pdp = Pdp::from_file(copy.join("portcullis.toml"))?;
    let verifier = pdp.verifier().context("nothing is verified")?;

    let principal = proved(verifier, &issuer.signed(&tokens.passes)?)?;
    let request = fs::read(copy.join("request.json"))?;
    let unproved = pdp.evaluate_authzen(&request);
    ensure!(!unproved.is_permit(), "it is permitted without a token");
    let request: Value = serde_json::from_slice(&request)?;
    let request = with_principal(&request, &principal)?;
    let decision = pdp.evaluate_authzen(request.to_string().as_bytes());
    ensure!(decision.is_permit(), "{}: {request}", decision.cause());

    for Worthless { claims, says } in &tokens.stopped {
        let token = issuer.signed(claims)?;
        let Err(error) = verifier.verify(&token) else {
            bail!("it is taken, and not refused because {says}");
        };
        let error = error.to_string();
        ensure!(error.contains(says), "`{says}` is not in: {error}");
        ensure!(!error.contains(&token), "it is echoed: {error}");
    }
    Ok(())
}
