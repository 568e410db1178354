//! The format of `expected.toml`.

use crate::change::Changes;
use anyhow::{Context as _, ensure};
use libtest_mimic::Trial;
use portcullis_host::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::fs;
use std::path::Path;

/// The contents of `expected.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expected {
    /// The demand, in words.
    pub(crate) demand: String,
    /// The credential that the subject presents, if a token proves it.
    pub(crate) credential: Option<Credential>,
    /// Requests that are permitted before the stopped one, in this order.
    #[serde(default)]
    pub(crate) before: Vec<Before>,
    /// The difference that stops the request, with the check and the cause.
    pub(crate) stopped: Option<Stopped>,
    /// The error of a configuration that is refused.
    pub(crate) refused: Option<String>,
    /// The commands to run in a copy of the folder.
    #[serde(default)]
    pub(crate) command: Vec<Run>,
    /// The tokens to verify with a host in a copy of the folder.
    pub(crate) tokens: Option<Tokens>,
}

/// A credential, by its format.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Credential {
    pub(crate) jwt_svid: Claims,
}

/// The claims of a JWT-SVID besides `sub` and `aud`. `iat` and `exp` are in seconds from the request.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Claims {
    pub(crate) jti: String,
    pub(crate) iat: i64,
    pub(crate) exp: i64,
}

/// A difference from the request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Before {
    #[serde(default)]
    pub(crate) remove: Vec<String>,
    #[serde(default)]
    pub(crate) change: Changes,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stopped {
    pub(crate) check: String,
    pub(crate) cause: String,
    /// The time of the stopped request, if it is not that of the first.
    pub(crate) at: Option<Timestamp>,
    /// The credential of the stopped request, if it is another one.
    pub(crate) credential: Option<Credential>,
    /// JSON Pointers of members that the stopped request does not have.
    #[serde(default)]
    pub(crate) remove: Vec<String>,
    /// JSON Pointers with the values of the stopped request.
    #[serde(default)]
    pub(crate) change: Changes,
}

/// A command, its exit code and its output.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Run {
    pub(crate) run: Vec<String>,
    pub(crate) exit: i32,
    #[serde(default)]
    pub(crate) prints: Vec<String>,
    #[serde(default)]
    pub(crate) withholds: Vec<String>,
}

/// JWT-SVIDs, as their claims. `iat`, `nbf` and `exp` are in seconds from now.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tokens {
    /// The claims of the valid token.
    pub(crate) passes: Map<String, Value>,
    /// The invalid tokens.
    pub(crate) stopped: Vec<Worthless>,
}

/// The claims of an invalid token, and the error.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Worthless {
    pub(crate) claims: Map<String, Value>,
    pub(crate) says: String,
}

impl Expected {
    /// Reads the file of a folder. An error names the file and the place.
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(folder.join("expected.toml")).context("expected.toml")?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let expected: Self = toml::from_str(text).context("expected.toml")?;
        expected.is_complete().context("expected.toml")?;
        Ok(expected)
    }

    /// Refuses a file that expects nothing, more than one kind of result, or has a part without effect.
    fn is_complete(&self) -> anyhow::Result<()> {
        let kinds = [
            self.stopped.is_some(),
            self.refused.is_some(),
            !self.command.is_empty(),
            self.tokens.is_some(),
        ];
        ensure!(
            kinds.iter().filter(|present| **present).count() == 1,
            "needs one of `stopped`, `refused`, `command` and `tokens`"
        );
        let Some(stopped) = &self.stopped else {
            ensure!(
                self.credential.is_none() && self.before.is_empty(),
                "`credential` and `before` belong to a request that is `stopped`"
            );
            return Ok(());
        };
        ensure!(
            !stopped.remove.is_empty()
                || !stopped.change.is_empty()
                || stopped.at.is_some()
                || stopped.credential.is_some()
                || !self.before.is_empty(),
            "[stopped]: nothing differs from the request that passes: add `change`, `remove`, `at`, `credential` or `[[before]]`"
        );
        if let Some(other) = &stopped.credential {
            let first = self.credential.as_ref();
            let first =
                first.context("[stopped]: `credential` needs one of the first request too")?;
            ensure!(
                first.jwt_svid != other.jwt_svid,
                "[stopped]: `credential` is that of the first request already"
            );
        }
        Ok(())
    }

    /// True if the scenario decides a request.
    pub(crate) fn decides(&self) -> bool {
        let evaluates = |it: &Run| it.run.first().is_some_and(|command| command == "evaluate");
        self.stopped.is_some() || self.tokens.is_some() || self.command.iter().any(evaluates)
    }

    /// True if the host verifies the credential of the request.
    pub(crate) fn verifies(&self) -> bool {
        self.credential.is_some() || self.tokens.is_some()
    }
}

/// Tests of the format.
pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::test("expected-file-with-a-fault-is-refused", || {
        faults().map_err(|error| format!("{error:#}").into())
    })]
}

fn faults() -> anyhow::Result<()> {
    let stopped = "demand = 'd'\n[stopped]\ncheck = 'c'\ncause = 'x'\n";
    Expected::parse(&format!("{stopped}change = {{ '/a' = 1 }}\n"))?;
    let claims = "credential = { jwt-svid = { jti = 'j', iat = -1, exp = 1 } }\n";
    let cases = [
        (format!("{stopped}when = 'now'\n"), "line 5"),
        (
            format!("{stopped}changes = {{ '/a' = 1 }}\n"),
            "unknown field `changes`",
        ),
        (format!("stop = 1\n{stopped}"), "unknown field `stop`"),
        (
            format!("{stopped}[[before]]\ncheck = 'c'\n"),
            "unknown field `check`",
        ),
        (
            format!("{stopped}credential = {{ jwt-svid = {{ nbf = 1 }} }}\n"),
            "unknown field `nbf`",
        ),
        (stopped.to_owned(), "[stopped]: nothing differs"),
        (format!("{claims}{stopped}{claims}"), "already"),
        (format!("{stopped}{claims}"), "of the first request too"),
        ("demand = 'd'\n".to_owned(), "needs one of"),
        (
            format!("refused = 'r'\n{stopped}at = '2026-11-16T10:00:00Z'\n"),
            "needs one of",
        ),
        (
            format!("demand = 'd'\nrefused = 'r'\n{claims}"),
            "belong to a request",
        ),
    ];
    for (text, says) in cases {
        let Err(error) = Expected::parse(&text) else {
            anyhow::bail!("it is accepted: {text}");
        };
        let error = format!("{error:#}");
        ensure!(
            error.contains(says) && error.contains("expected.toml"),
            "`{says}` is not in: {error}"
        );
    }
    Ok(())
}
