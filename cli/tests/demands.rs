//! Zero Trust demands for non-human identities, demand by demand.
//!
//! Each folder of `tests/cases/demands` is a test, named after it. It has `expected.toml`, and one of:
//!
//! - a configuration with its files, a request that passes, and one that is stopped by exactly the check
//!   of the demand,
//! - a configuration that is refused,
//! - commands, with the exit code and output of each,
//! - claims of tokens, which are signed with the key of `bundle.json`, and a request with the token that
//!   passes.
//!
//! The signed intents in `intents` are readable in `approved`.

use anyhow::{Context as _, anyhow, bail, ensure};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use libtest_mimic::{Arguments, Trial};
use portcullis_cases::{NOW, folders};
use portcullis_host::config::{Problem, Severity};
use portcullis_host::identity::NewKey;
use portcullis_host::{Conclusion, Pdp, Request, Timestamp, config, unverified_intent};
use portcullis_tests::{guests, root};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// The contents of `expected.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// The demand, in words.
    demand: String,
    /// Requests that were permitted before, in this order.
    #[serde(default)]
    before: Vec<String>,
    /// Time of the stopped request, if it matters.
    #[serde(default, rename = "stopped-at")]
    stopped_at: Option<Timestamp>,
    /// The check that stops the request, and the cause.
    stopped: Option<Stopped>,
    /// The error of a configuration that is refused.
    refused: Option<String>,
    /// The commands to run in a copy of the folder.
    #[serde(default)]
    command: Vec<Run>,
    /// The tokens to verify with a host in a copy of the folder.
    tokens: Option<Tokens>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stopped {
    check: String,
    cause: String,
}

/// A command, its exit code and its output.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    run: Vec<String>,
    exit: i32,
    #[serde(default)]
    prints: Vec<String>,
    #[serde(default)]
    withholds: Vec<String>,
}

/// JWT-SVIDs, as their claims. `iat`, `nbf` and `exp` are in seconds from now.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tokens {
    /// The claims of the valid token.
    passes: Map<String, Value>,
    /// The invalid tokens.
    stopped: Vec<Worthless>,
}

/// The claims of an invalid token, and the error.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Worthless {
    claims: Map<String, Value>,
    says: String,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::from_args();
    // The configurations refer to the plugin by its path in `target`.
    let plugin = root().join("target/cases/hostile.wasm");
    fs::create_dir_all(plugin.parent().context("a folder")?)?;
    let beside = plugin.with_extension(std::process::id().to_string());
    fs::write(&beside, guests::component("tests/guests/hostile")?)?;
    fs::rename(beside, plugin)?;
    let trials = folders(&root().join("tests/cases/demands"))?
        .into_iter()
        .map(|folder| {
            let name = folder
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            Trial::test(name, move || {
                run(&folder).map_err(|error| format!("{error:#}").into())
            })
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit();
}

fn run(folder: &Path) -> anyhow::Result<()> {
    let expected = fs::read_to_string(folder.join("expected.toml"))?;
    let expected: Expected = toml::from_str(&expected)?;
    let demand = &expected.demand;
    approved(folder)?;
    if !expected.command.is_empty() {
        return commands(folder, &expected).context(demand.clone());
    }
    if let Some(tokens) = &expected.tokens {
        return presented(folder, tokens).context(demand.clone());
    }
    let checked = config::check(&folder.join("portcullis.toml"));
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
    let pdp = checked.pdp.with_context(|| problems.clone())?;
    requests(folder, &expected, &pdp)
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

fn requests(folder: &Path, expected: &Expected, pdp: &Pdp) -> anyhow::Result<()> {
    let now: Timestamp = NOW.parse()?;
    let demand = &expected.demand;
    let stopped = expected.stopped.as_ref().context("`stopped`")?;

    let (decision, checks) = pdp.explain_at(&request(folder, "passes.json")?, now);
    ensure!(
        decision.is_permit(),
        "{demand}: {} {checks:#?}",
        decision.cause()
    );
    for earlier in &expected.before {
        let decision = pdp.evaluate(&request(folder, earlier)?);
        ensure!(
            decision.is_permit(),
            "{demand}: {earlier} {}",
            decision.cause()
        );
    }

    let now = expected.stopped_at.unwrap_or(now);
    let request = request(folder, "stopped.json")?;
    let (decision, checks) = pdp.explain_at(&request, now);
    ensure!(!decision.is_permit(), "{demand}: it is not stopped");
    let stops: Vec<_> = checks
        .iter()
        .filter(|check| check.conclusion == Conclusion::Stop)
        .collect();
    ensure!(
        decision.cause().as_str() == stopped.cause
            && stops.len() == 1
            && stops[0].name == stopped.check,
        "{demand}: it is stopped by {stops:?}, because of {}",
        decision.cause()
    );
    ensure!(
        !decision.detail().is_empty(),
        "a deny says what would have to change"
    );
    // The decision is the same without recording the steps.
    ensure!(pdp.evaluate_at(&request, now).cause() == decision.cause());
    Ok(())
}

fn commands(folder: &Path, expected: &Expected) -> anyhow::Result<()> {
    let copy = copied(folder)?;
    for Run {
        run,
        exit,
        prints,
        withholds,
    } in &expected.command
    {
        let ran = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(run)
            .current_dir(copy.path())
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
fn presented(folder: &Path, tokens: &Tokens) -> anyhow::Result<()> {
    let copy = copied(folder)?;
    let key = NewKey::generate()?;
    let mut jwk = key.to_jwk();
    jwk["use"] = json!("jwt-svid");
    jwk["alg"] = json!("ES256");
    jwk["kid"] = json!("key-1");
    let bundle = json!({ "keys": [jwk] }).to_string();
    fs::write(copy.path().join("bundle.json"), bundle)?;
    let pdp = Pdp::from_file(copy.path().join("portcullis.toml"))?;
    let verifier = pdp.verifier().context("nothing is verified")?;

    let token = signed(&key, &tokens.passes)?;
    let principal = verifier
        .verify(&token)
        .map_err(|error| anyhow!("{error}"))?;
    let request = fs::read(folder.join("request.json"))?;
    let unproved = pdp.evaluate_authzen(&request);
    ensure!(!unproved.is_permit(), "who proves nothing is permitted it");
    let mut request: Value = serde_json::from_slice(&request)?;
    request["subject"]["id"] = json!(principal.id);
    request["subject"]["properties"] = json!({
        "attestation": principal.attestation.as_str(),
        "credential-id": principal.credential_id,
        "credential-issued-at": principal.credential_issued_at,
        "credential-expires-at": principal.credential_expires_at,
    });
    let decision = pdp.evaluate_authzen(request.to_string().as_bytes());
    ensure!(decision.is_permit(), "{}: {request}", decision.cause());

    for Worthless { claims, says } in &tokens.stopped {
        let token = signed(&key, claims)?;
        let Err(error) = verifier.verify(&token) else {
            bail!("it is taken, and not refused because {says}");
        };
        let error = error.to_string();
        ensure!(error.contains(says), "`{says}` is not in: {error}");
        ensure!(!error.contains(&token), "it is echoed: {error}");
    }
    Ok(())
}

/// Signs a token with these claims.
fn signed(key: &NewKey, claims: &Map<String, Value>) -> anyhow::Result<String> {
    let now = i64::try_from(Timestamp::now().as_millis() / 1000)?;
    let mut claims = claims.clone();
    for time in ["iat", "nbf", "exp"] {
        if let Some(from_now) = claims.get(time).and_then(Value::as_i64) {
            claims.insert(time.to_owned(), json!(now + from_now));
        }
    }
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some("key-1".to_owned());
    let pem = key.to_pem()?;
    let key = EncodingKey::from_ec_pem(pem.as_bytes())?;
    Ok(jsonwebtoken::encode(&header, &claims, &key)?)
}

/// Copies the folder, with the plugin at the path that the configurations expect.
fn copied(folder: &Path) -> anyhow::Result<TempDir> {
    let copy = TempDir::new()?;
    copy_all(folder, copy.path())?;
    fs::copy(
        root().join("target/cases/hostile.wasm"),
        copy.path().join("hostile.wasm"),
    )?;
    Ok(copy)
}

fn copy_all(from: &Path, to: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(&to)?;
            copy_all(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

fn request(folder: &Path, name: &str) -> anyhow::Result<Request> {
    let file = folder.join(name);
    let json = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(Request::from_authzen(&json, &Default::default())?)
}
