//! Test cases of policy plugins, as folders.
//!
//! The folder of a case has:
//!
//! - `request.json`, an AuthZEN evaluation or an MCP message,
//! - `expected.toml`, see [`Expected`],
//! - `settings.toml`, the plugin's settings, there or beside the folders of all cases.
//!
//! `portcullis test` runs them.

#![forbid(unsafe_code)]

use anyhow::{Context as _, anyhow, bail};
use portcullis_contract::{line_and_column, one_line};
use portcullis_host::{
    Decision, Integration, MAX_MEMORY_BYTES, MAX_TABLE_ELEMENTS, Pdp, Plugin, PluginLimits,
    Request, RequestLimits, Timestamp,
};
use serde::Deserialize;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The time of a case without `now`: a Monday morning.
pub const NOW: &str = "2026-11-16T10:00:00Z";

/// Limits for deciding cases.
///
/// Memory and tables have their maximum, and a busy machine does not reach the deadlines by chance. A case
/// verifies the decision only; the plugin's resource use is measured.
pub fn limits() -> PluginLimits {
    PluginLimits {
        deadline: Duration::from_secs(5),
        configure_deadline: Duration::from_secs(60),
        memory_bytes: MAX_MEMORY_BYTES,
        table_elements: MAX_TABLE_ELEMENTS,
        load_deadline: Duration::from_secs(120),
        load_memory_bytes: 2 * 1024 * 1024 * 1024,
        ..PluginLimits::default()
    }
}

/// The format of a document, by its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// An AuthZEN evaluation, or an unknown document.
    Authzen,
    /// An MCP message with its envelope.
    Mcp,
    /// The document has the members of both an evaluation and an envelope.
    Either,
}

/// Returns the format of a document, by its members.
///
/// An envelope has `integration`, `principal` and `message`. An evaluation has `subject`, `action` and
/// `resource`, and may have a `message` of its own. Any other document is an envelope if it has more members
/// of an envelope than of an evaluation.
pub fn shape_of(document: &[u8]) -> Shape {
    let Ok(Value::Object(members)) = serde_json::from_slice::<Value>(document) else {
        return Shape::Authzen;
    };
    let having = |names: [&str; 3]| {
        names
            .iter()
            .filter(|name| members.contains_key(**name))
            .count()
    };
    let envelope = having(["integration", "principal", "message"]);
    let evaluation = having(["subject", "action", "resource"]);
    match (envelope, evaluation) {
        (3, 3) => Shape::Either,
        _ if envelope > evaluation => Shape::Mcp,
        _ => Shape::Authzen,
    }
}

/// A request, the plugin's settings and the expected decision.
#[derive(Debug)]
pub struct Case {
    /// The folder's name.
    pub name: String,
    /// The request.
    pub request: Request,
    /// The plugin's settings.
    pub settings: Value,
    /// The expected decision.
    pub expected: Expected,
}

/// The contents of `expected.toml`.
#[derive(Debug)]
pub struct Expected {
    /// Description of the case.
    pub about: String,
    /// Time of the decision. The default is [`NOW`].
    pub now: Option<Timestamp>,
    /// `permit` or `deny`.
    pub decision: String,
    /// The decision's cause.
    pub cause: String,
    /// The codes of all reasons.
    pub reasons: Vec<String>,
    /// The types of all obligations.
    pub obligations: Vec<String>,
    /// Lifetime of the grant in seconds. The default is the host's maximum, 5 minutes.
    pub lifetime_seconds: Option<u64>,
    /// Number of remaining uses of the grant. The default is no limit.
    pub remaining_uses: Option<u64>,
    /// Constraints of the grant, as text. The default is none.
    pub constraints: Vec<String>,
    /// Inputs of the first reason. It is compared only if it is given.
    pub fields: Option<Vec<String>>,
}

/// [`Expected`] as it is written; a missing key is no error of the parser, which reports only the first.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Written {
    about: Option<String>,
    now: Option<Timestamp>,
    decision: Option<String>,
    cause: Option<String>,
    reasons: Option<Vec<String>>,
    #[serde(default)]
    obligations: Vec<String>,
    lifetime_seconds: Option<u64>,
    remaining_uses: Option<u64>,
    #[serde(default)]
    constraints: Vec<String>,
    fields: Option<Vec<String>>,
}

impl Expected {
    /// Reads the text of `file`. An error names every missing key.
    fn read(file: &Path, text: &str) -> anyhow::Result<Self> {
        let written: Written = from_toml(file, text)?;
        let required = [
            ("about", written.about.is_none()),
            ("decision", written.decision.is_none()),
            ("cause", written.cause.is_none()),
            ("reasons", written.reasons.is_none()),
        ];
        let missing = required.into_iter().filter(|(_, is_missing)| *is_missing);
        let missing: Vec<_> = missing.map(|(key, _)| format!("`{key}`")).collect();
        let Written {
            about: Some(about),
            decision: Some(decision),
            cause: Some(cause),
            reasons: Some(reasons),
            ..
        } = written
        else {
            let (line, column) = line_and_column(text, text.len());
            let (keys, are) = match missing.split_last() {
                Some((last, [])) => (last.clone(), "is"),
                Some((last, others)) => (format!("{} and {last}", others.join(", ")), "are"),
                None => (String::new(), "is"),
            };
            bail!(
                "{}:{line}:{column}: {keys} {are} missing; a case needs `about`, `decision`, `cause` and `reasons`",
                file.display()
            );
        };
        Ok(Self {
            about,
            now: written.now,
            decision,
            cause,
            reasons,
            obligations: written.obligations,
            lifetime_seconds: written.lifetime_seconds,
            remaining_uses: written.remaining_uses,
            constraints: written.constraints,
            fields: written.fields,
        })
    }
}

impl Case {
    /// Reads the case in `folder`.
    ///
    /// # Errors
    ///
    /// If a file is missing or invalid.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let read = |file: &Path| {
            fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
        };
        let request = read(&folder.join("request.json"))?;
        let limits = RequestLimits::default();
        let file = folder.join("request.json");
        let request = match shape_of(request.as_bytes()) {
            Shape::Mcp => Request::from_mcp(request.as_bytes(), &limits),
            Shape::Authzen => Request::from_authzen(request.as_bytes(), &limits),
            Shape::Either => bail!(
                "{}: it is an AuthZEN evaluation and an MCP envelope in one: keep the members of one",
                file.display()
            ),
        };
        let own = folder.join("settings.toml");
        let shared = folder.with_file_name("settings.toml");
        let settings = if own.exists() { own } else { shared };
        let expected = folder.join("expected.toml");
        Ok(Self {
            name: folder
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            request: request.with_context(|| file.display().to_string())?,
            settings: from_toml(&settings, &read(&settings)?)?,
            expected: Expected::read(&expected, &read(&expected)?)?,
        })
    }

    /// Returns the time of the decision.
    ///
    /// # Panics
    ///
    /// Never: [`NOW`] is a valid time.
    pub fn now(&self) -> Timestamp {
        self.expected
            .now
            .unwrap_or_else(|| NOW.parse().expect("a time"))
    }

    /// Builds a decision point in which `plugin` alone decides.
    ///
    /// The enforcement point supports all obligations of the plugin. The decision point serves all cases with
    /// the same settings and integration.
    ///
    /// # Errors
    ///
    /// If a decision point cannot be built with the plugin.
    pub fn pdp(&self, plugin: Plugin) -> anyhow::Result<Pdp> {
        let integration = Integration::new(self.request.integration())
            .obligations(plugin.manifest().obligations.clone())
            .plugin(plugin);
        Ok(Pdp::builder().integration(integration).build()?)
    }

    /// Decides the case.
    pub fn decide(&self, pdp: &Pdp) -> Decision {
        pdp.evaluate_at(&self.request, self.now())
    }

    /// Compares `decision` with the expected one.
    ///
    /// # Errors
    ///
    /// If they differ. The message lists every difference.
    pub fn judge(&self, decision: &Decision) -> anyhow::Result<()> {
        let expected = &self.expected;
        let mut differences = Vec::new();
        let mut compare = |what: &str, expected: String, found: String| {
            if expected != found {
                differences.push(format!("{what}: expected {expected}, found {found}"));
            }
        };
        let outcome = if decision.is_permit() {
            "permit"
        } else {
            "deny"
        };
        compare("decision", expected.decision.clone(), outcome.to_owned());
        compare(
            "cause",
            expected.cause.clone(),
            decision.cause().to_string(),
        );
        let reasons: Vec<_> = decision.reasons().iter().map(|r| r.code.as_str()).collect();
        compare(
            "reasons",
            format!("{:?}", expected.reasons),
            format!("{reasons:?}"),
        );
        let obligations: Vec<_> = decision
            .obligations()
            .iter()
            .map(|o| o.kind.as_str())
            .collect();
        compare(
            "obligations",
            format!("{:?}", expected.obligations),
            format!("{obligations:?}"),
        );
        if let Some(grant) = decision.grant() {
            let seconds = (grant.expires_at().as_millis() - self.now().as_millis()) / 1000;
            compare(
                "lifetime",
                expected
                    .lifetime_seconds
                    .unwrap_or(FIVE_MINUTES)
                    .to_string(),
                seconds.to_string(),
            );
            let uses = grant.remaining_uses();
            compare(
                "remaining uses",
                format!("{:?}", expected.remaining_uses),
                format!("{uses:?}"),
            );
            let constraints: Vec<_> = grant
                .constraints()
                .iter()
                .map(ToString::to_string)
                .collect();
            compare(
                "constraints",
                format!("{:?}", expected.constraints),
                format!("{constraints:?}"),
            );
        }
        let of_a_grant = [
            ("lifetime-seconds", expected.lifetime_seconds.is_some()),
            ("remaining-uses", expected.remaining_uses.is_some()),
            ("constraints", !expected.constraints.is_empty()),
        ];
        if decision.grant().is_none() {
            let stated = of_a_grant.into_iter().filter(|(_, stated)| *stated);
            for (what, _) in stated {
                compare(what, "a grant".to_owned(), "none".to_owned());
            }
        }
        if let Some(expected) = &expected.fields {
            let found = decision.reasons().first().map(|reason| &reason.fields);
            compare(
                "fields",
                format!("{:?}", Some(expected)),
                format!("{found:?}"),
            );
        }
        if differences.is_empty() {
            return Ok(());
        }
        if !decision.detail().is_empty() {
            differences.push(format!("the host's detail: {}", decision.detail()));
        }
        bail!("{}\n{}", expected.about, differences.join("\n"))
    }
}

/// Parses a file's text. An error is one line, with its place.
fn from_toml<T: serde::de::DeserializeOwned>(file: &Path, text: &str) -> anyhow::Result<T> {
    toml::from_str(text).map_err(|error| {
        let place = error.span().map_or_else(String::new, |span| {
            let (line, column) = line_and_column(text, span.start);
            format!(":{line}:{column}")
        });
        anyhow!("{}{place}: {}", file.display(), one_line(error.message()))
    })
}

/// Default lifetime of a grant in seconds.
const FIVE_MINUTES: u64 = 300;

/// Returns the folders of the cases in `folder`, sorted.
///
/// # Errors
///
/// If `folder` cannot be read.
pub fn folders(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut folders: Vec<_> = fs::read_dir(folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    Ok(folders)
}
