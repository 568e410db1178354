//! The demo's second part: an operator's approval, from its draft to its end.

use crate::steps::{portcullis, root};
use anyhow::{Context as _, ensure};
use std::fs;
use std::path::{Path, PathBuf};

/// A command, its expected exit code and its purpose.
pub(crate) struct Step<'a> {
    pub(crate) why: &'a str,
    pub(crate) run: &'a [&'a str],
    pub(crate) exit: i32,
}

/// Runs all steps of the approval in `target/demo`.
pub(crate) fn run() -> anyhow::Result<()> {
    let folder = copy()?;
    let agent = "spiffe://acme.example/ns/dev/agent/fixer";
    eprintln!("\n==> an approval, from its draft to its end, in target/demo\n");
    let ask = ["evaluate", "--request", "request.json"];
    let before = [
        Step {
            why: "create the revocation list, which is complete as of now",
            run: &["revoke", "--checkpoint"],
            exit: 0,
        },
        Step {
            why: "create a key for the approver alice",
            run: &[
                "intent",
                "key",
                "--private",
                "alice.pem",
                "--public",
                "keys/alice.json",
            ],
            exit: 0,
        },
        Step {
            why: "without an approval, the request is denied",
            run: &ask,
            exit: 2,
        },
        Step {
            why: "draft an intent for one hour and two calls",
            run: &[
                "intent",
                "draft",
                "--principal",
                agent,
                "--allow",
                "files",
                "write_file",
                "files",
                "--required-argument",
                "/path",
                "--required-argument",
                "/content",
                "--purpose",
                "write the report",
                "--approver",
                "alice@acme.example",
                "--for",
                "1h",
                "--max-uses",
                "2",
                "--output",
                "int.json",
            ],
            exit: 0,
        },
        Step {
            why: "alice signs the intent",
            run: &[
                "intent",
                "sign",
                "int.json",
                "--key",
                "alice.pem",
                "--output",
                "intents/int.jwt",
            ],
            exit: 0,
        },
    ];
    before.iter().try_for_each(|step| step.take(&folder))?;
    let id = id_in(&folder.join("int.json"))?;
    let request = fs::read_to_string(folder.join("request.json"))?;
    let named = request.replace(
        r#""integration": "files""#,
        &format!(r#""integration": "files", "intent": {{ "id": "{id}" }}"#),
    );
    fs::write(folder.join("request.json"), &named)?;
    fs::write(
        folder.join("other.json"),
        named.replace("write_file", "read_file"),
    )?;
    let after = [
        Step {
            why: "with the intent, the call is permitted: the grant is for one use",
            run: &["evaluate", "--request", "request.json", "--explain"],
            exit: 0,
        },
        Step {
            why: "another call is outside the intent, whatever its plugin decides",
            run: &["evaluate", "--request", "other.json"],
            exit: 2,
        },
        Step {
            why: "the task is done: close the intent",
            run: &["intent", "close", &id, "--by", "alice@acme.example"],
            exit: 0,
        },
        Step {
            why: "now the same call is denied",
            run: &ask,
            exit: 2,
        },
    ];
    after.iter().try_for_each(|step| step.take(&folder))
}

impl Step<'_> {
    pub(crate) fn take(&self, folder: &Path) -> anyhow::Result<()> {
        eprintln!("# {}\n$ portcullis {}", self.why, self.run.join(" "));
        let status = portcullis()
            .args(self.run)
            .current_dir(folder)
            .status()
            .context("cannot run `portcullis`")?;
        ensure!(
            status.code() == Some(self.exit),
            "it ended with {status}, and {} was expected",
            self.exit
        );
        eprintln!();
        Ok(())
    }
}

/// Makes a fresh copy of `examples/trust`, with a valid credential.
fn copy() -> anyhow::Result<PathBuf> {
    let (from, to) = (root().join("examples/trust"), root().join("target/demo"));
    if to.exists() {
        fs::remove_dir_all(&to).with_context(|| format!("cannot remove {}", to.display()))?;
    }
    for folder in ["keys", "intents"] {
        fs::create_dir_all(to.join(folder))
            .with_context(|| format!("cannot make {}", to.join(folder).display()))?;
    }
    for file in ["portcullis.toml", "registry.toml"] {
        fs::copy(from.join(file), to.join(file)).with_context(|| format!("cannot copy {file}"))?;
    }
    let now = jiff::Timestamp::now();
    let moment = |minutes: i64| -> anyhow::Result<String> {
        let moment = now.checked_add(jiff::SignedDuration::from_mins(minutes))?;
        Ok(moment.to_string())
    };
    let request = fs::read_to_string(from.join("request.json"))
        .context("cannot read examples/trust/request.json")?
        .replace("ISSUED", &moment(-1)?)
        .replace("EXPIRES", &moment(30)?);
    fs::write(to.join("request.json"), request).context("cannot write the request")?;
    Ok(to)
}

/// Returns the id of a drafted intent, which is its first member of that name.
fn id_in(file: &Path) -> anyhow::Result<String> {
    let intent = fs::read_to_string(file)?;
    let after = intent
        .split("\"id\": \"")
        .nth(1)
        .context("there is no id")?;
    Ok(after.split('"').next().unwrap_or_default().to_owned())
}
